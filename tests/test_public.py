"""The public names, and specs run from Python."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import throughster
from throughster import errors

CONTRACT = {
    "AnswerError", "AuthError", "AzureInterface", "BadRequestError", "BatchError", "BudgetError", "Cache", "CassetteError",
    "ChatRequest",
    "ContentFilterError", "ContextLengthError", "HostNotAllowedError", "Limits", "LoadBalancer", "Message",
    "MistralInterface", "NotFoundError", "OfflineInterface", "OpenAiInterface", "Prompt", "ProviderError", "QuotaError",
    "RateLimitError", "RefusalError", "RequestError", "RequestTimeoutError", "Response", "Result", "Retry", "RunHandle",
    "ServerError", "SettingsError", "Spec", "SpecError", "StreamError", "ThroughsterError", "Timeout", "ToolCall",
    "TransportError", "TruncatedError", "Usage", "VllmInterface", "VllmOpenAiInterface", "__version__", "arun",
    "create_interface", "load_spec", "record", "replay", "run",
}  # fmt: skip


def test_the_public_names_are_these():
    assert set(throughster.__all__) == CONTRACT
    assert all(getattr(throughster, name) is not None for name in CONTRACT)
    assert throughster.__all__ == ["__version__", *sorted(CONTRACT - {"__version__"})]


def test_every_error_is_public():
    assert {name for name in errors.__all__ if name != "Problem"} <= CONTRACT


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="create_interfac"):
        _ = throughster.create_interfac


def test_importing_it_imports_nothing_heavy():
    code = "import sys, throughster; print([m for m in ('aiohttp', 'pydantic', 'jinja2', 'rich') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown == "[]\n"


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "spec.yaml"
    path.write_text(
        "version: 1\nname: demo\nprovider: offline\nprompt: Say {{ word }}.\ndata: [{word: a}, {word: b}, {word: c}]\n"
    )
    return path


def test_a_spec_runs_from_python(spec, tmp_path):
    results = throughster.run(spec)
    assert [(r.row, r.vars["word"], r.status) for r in results] == [(0, "a", "ok"), (1, "b", "ok"), (2, "c", "ok")]
    assert len(list(tmp_path.glob("runs/demo/*/results.jsonl"))) == 1


def test_its_options_are_those_of_the_command_line(spec, tmp_path):
    results = asyncio.run(
        throughster.arun(
            spec, limit=2, repeat=2, variables={"word": "x"}, overrides={"name": "other"}, output=tmp_path / "o.jsonl"
        )
    )
    assert [(r.row, r.repeat, r.vars["word"], r.spec) for r in results] == [
        (0, 0, "x", "other"),
        (0, 1, "x", "other"),
        (1, 0, "x", "other"),
        (1, 1, "x", "other"),
    ]
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 4


def test_problems_raise_before_anything_is_sent(spec, tmp_path):
    with pytest.raises(errors.SpecError, match="OPENAI_API_KEY"):
        throughster.run(spec, provider="openai:m")
    with pytest.raises(errors.SpecError, match="Did you mean `repeat`"):
        throughster.run(spec, overrides={"repaet": 2})
    assert not (tmp_path / "runs").exists()


def test_it_runs_in_a_notebook(spec):
    async def cell():
        return throughster.run(spec, limit=1)

    assert len(asyncio.run(cell())) == 1
