"""Replies of live endpoints, recorded by version, through the client; and the recorder itself, against the emulator."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.recording.cases import CASES, CLASSES
from tests.recording.record import record
from tests.recording.replay import replay
from tests.recording.scrub import MASK, allowed_headers, scrub

from throughster.emulator import Emulator, Options
from throughster.errors import SettingsError

RECORDED = Path(__file__).parent / "recorded"
FILES = sorted(RECORDED.glob("*/*/*.json"))
KEY = 'sk-canary-"0123/456789+'
OTHER_KEY = "sk-of-another-provider-42"

ENVIRONMENT = {
    "azure": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_DEPLOYMENT", "2024-10-21"),
    "openai": ("OPENAI_API_BASE", "OPENAI_API_KEY", "OPENAI_MODEL_NAME", "2026-11-22"),
    "mistral": ("MISTRAL_API_BASE", "MISTRAL_API_KEY", "MISTRAL_MODEL_NAME", "2026-11-22"),
    "vllm": ("VLLM_ENDPOINT", "VLLM_API_KEY", "VLLM_MODEL_NAME", None),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "-".join(path.with_suffix("").parts[-3:]))
def test_a_recorded_reply_is_read_as_it_was(path, serving):
    recorded, now = asyncio.run(replay(path, serving))
    assert now == recorded


def test_there_are_recordings_and_each_is_of_a_known_provider():
    assert {path.parts[-3] for path in FILES} <= set(CLASSES)
    assert FILES


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    """Record from an emulator that echoes the key wherever a server could."""

    def run(provider, **options):
        base, key, model, version = ENVIRONMENT[provider]
        monkeypatch.setenv(key, KEY)
        monkeypatch.setenv("SOME_OTHER_API_KEY", OTHER_KEY)
        monkeypatch.setenv(model, "m")
        if version:
            monkeypatch.setenv("TARGET_VERSION", version)

        async def go():
            async with Emulator(Options(dialect=provider, model="m", api_key=KEY, **options)) as server:
                monkeypatch.setenv(base, server.api_base)
                return await record(provider, tmp_path)

        return asyncio.run(go())

    return run


@pytest.mark.parametrize("provider", CLASSES)
def test_the_recorder_and_the_replay_agree(provider, recorded, serving, tmp_path):
    files = recorded(provider)
    version = ENVIRONMENT[provider][3] or "0.33.0"
    expected = [name for name, case in CASES.items() if case.providers is None or provider in case.providers]
    assert [path.relative_to(tmp_path).as_posix() for path in files] == [
        f"{provider}/{version}/{n}.json" for n in expected
    ]
    outcomes = {}
    for path in files:
        was, now = asyncio.run(replay(path, serving))
        assert was == now
        outcomes[path.stem] = was
    assert outcomes["chat_completion"]["content"]
    assert outcomes["chat_completion"]["finish_reason"] == "stop"
    assert outcomes["max_tokens"]["finish_reason"] == "length"
    assert "".join(outcomes["stream"]["texts"]) == outcomes["chat_completion"]["content"]
    assert [call["name"] for call in outcomes["tools"]["tool_calls"]] == ["get_weather"]
    assert set(outcomes["tools_stream"]["tool_calls"][0]["arguments"]) == {"city", "unit"}
    assert set(outcomes["structured_output"]["validated"]) == {"name", "colour", "sizes"}
    assert outcomes["logprobs"]["tokens_with_logprobs"] > 0
    assert outcomes["wrong_model"]["http_status"] in (400, 404)


def test_a_stream_is_kept_as_text_and_a_whole_reply_as_json(recorded):
    bodies = {path.stem: json.loads(path.read_text("utf-8"))["body"] for path in recorded("openai")}
    assert bodies["stream"].startswith("data: {")
    assert bodies["stream"].rstrip().endswith("data: [DONE]")
    assert bodies["chat_completion"]["object"] == "chat.completion"


@pytest.mark.parametrize("provider", CLASSES)
def test_no_key_is_ever_written(provider, recorded):
    from throughster.emulator import Answers, Entry

    echo = f"Your key is {KEY}, in JSON {json.dumps(KEY)}, and the other one {OTHER_KEY}."
    files = recorded(provider, answers=Answers.of([Entry(("Say hello",), echo)]))
    text = "".join(path.read_text("utf-8") for path in files)
    assert MASK in text
    for secret in (KEY, OTHER_KEY, json.dumps(KEY)[1:-1], json.dumps(json.dumps(KEY)[1:-1])[1:-1]):
        assert secret not in text


def test_headers_are_allowed_by_name():
    headers = {
        "Content-Type": "application/json",
        "X-RateLimit-Remaining-Tokens": "5",
        "Set-Cookie": "session=1",
        "openai-organization": "acme",
        "X-Request-ID": "req_1",
        "Date": "today",
    }
    assert allowed_headers(headers) == {
        "content-type": "application/json",
        "x-ratelimit-remaining-tokens": "5",
        "x-request-id": MASK,
    }


def test_secrets_are_found_in_every_spelling():
    spelled = "a/b+c a%2Fb%2Bc YS9iK2M="
    assert scrub(spelled, ["a/b+c"]) == f"{MASK} {MASK} {MASK}"


@pytest.mark.parametrize("provider", CLASSES)
def test_a_missing_variable_is_named(provider, tmp_path):
    with pytest.raises(SettingsError, match=f"Set {'|Set '.join(ENVIRONMENT[provider][:3])}"):
        asyncio.run(record(provider, tmp_path))


def test_the_command_says_what_it_wants(tmp_path):
    command = [sys.executable, "-m", "tests.recording"]
    root = Path(__file__).parents[1]
    wrong = subprocess.run([*command, "acme"], capture_output=True, text=True, check=False, cwd=root)
    assert "usage: python -m tests.recording azure|mistral|openai|vllm" in wrong.stderr
    missing = subprocess.run([*command, "openai"], capture_output=True, text=True, check=False, cwd=root)
    assert (missing.returncode, missing.stderr) == (1, "error: Set OPENAI_API_KEY to record from OpenAI.\n")
