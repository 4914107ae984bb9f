"""What a spec can ask for: streams, tools, providers, deployments."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from throughster.emulator import Emulator, Options

SCHEMA = "{type: object, properties: {city: {type: string}}, required: [city], additionalProperties: false}"


@contextlib.contextmanager
def emulated(dialect, **options):
    """An emulator in a thread of its own; what it logs, and its address."""
    requests, ready, stop = [], threading.Event(), None
    box = {}

    async def serve():
        async with Emulator(Options(dialect=dialect, request_log=requests.append, **options)) as server:
            box["url"], box["loop"], box["stop"] = server.api_base, asyncio.get_running_loop(), asyncio.Event()
            ready.set()
            await box["stop"].wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield box["url"], requests
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(10)
    assert stop is None


def test_every_call_is_streamed_and_its_first_token_timed(command, spec, results):
    text = "version: 1\nprovider: offline\nprompt: Say {{ n }}.\nstream: true\ndata: [{n: 1}, {n: 2}]\n"
    assert command("run", spec(text), "-o", "s.jsonl").code == 0
    text = text.replace("stream: true\n", "")
    assert command("run", spec(text), "-o", "w.jsonl").code == 0
    streamed, whole = ({line["row"]: line for line in results(name)} for name in ("s.jsonl", "w.jsonl"))
    assert {n: line["text"] for n, line in streamed.items()} == {n: line["text"] for n, line in whole.items()}
    assert all(0 < line["first_token_s"] <= line["latency_s"] for line in streamed.values())
    assert all(line["usage"] == whole[n]["usage"] for n, line in streamed.items())


def test_streamed_answers_are_validated_too(command, spec, results):
    text = f"version: 1\nprovider: offline\nprompt: A city.\nstream: true\noutput: {{schema: {SCHEMA}}}\n"
    assert command("run", spec(text), "-o", "o.jsonl").code == 0
    assert set(results("o.jsonl")[0]["output"]) == {"city"}


def test_two_tools_of_one_name_are_told_with_their_place(command, spec):
    tool = "{name: look, parameters: {type: object}}"
    text = f"version: 1\nprovider: offline\nprompt: Look.\ntools:\n  - {tool}\n  - {tool}\n  - {{name: other}}\n"
    outcome = command("check", spec(text))
    assert outcome.code == 2
    assert "spec.yaml:6:12: Two tools are called `look`." in outcome.err
    assert outcome.err.count("Two tools") == 1


def test_answers_that_cannot_be_read_are_told_beside_other_problems(command, spec, tmp_path):
    (tmp_path / "answers.yaml").write_text("- {contains: a, answr: b}\n")
    provider = "provider: {name: offline, answers: answers.yaml}"
    outcome = command(
        "check", spec(f"version: 1\n{provider}\nprompt: Say {{{{ nam }}}}.\nvars: {{name: x}}\nretri: {{}}\n")
    )
    assert outcome.code == 2
    assert "answers.yaml:1:" in outcome.err
    assert "`nam` is undefined" in outcome.err
    assert "unknown key `retri`" in outcome.err


TOOLS = f"""\
version: 1
provider: offline
prompt: The weather in {{{{ city }}}}?
tools: [{{name: get_weather, description: Weather of a city, parameters: {SCHEMA}}}]
data: [{{city: Oslo}}]
"""


@pytest.mark.parametrize("choice", ["", "tool_choice: required\n", "tool_choice: {name: get_weather}\n"])
@pytest.mark.parametrize("stream", ["", "stream: true\n"])
def test_tools_are_called_and_their_arguments_checked(command, spec, results, choice, stream):
    assert command("run", spec(TOOLS + choice + stream), "-o", "o.jsonl").code == 0
    (line,) = results("o.jsonl")
    (call,) = line["tool_calls"]
    assert (call["name"], set(call["arguments"])) == ("get_weather", {"city"})


def test_no_tool_call_where_none_is_wanted(command, spec, results):
    assert command("run", spec(TOOLS + "tool_choice: none\n"), "-o", "o.jsonl").code == 0
    (line,) = results("o.jsonl")
    assert (line["tool_calls"], bool(line["text"])) == ([], True)


def test_wrong_arguments_are_asked_again_and_end_as_invalid(command, spec, results):
    spec("- {contains: weather, answer: {city: 7}}\n", "answers.yaml")
    text = (
        TOOLS.replace("provider: offline", "provider: {name: offline, answers: answers.yaml}")
        + "tool_choice: required\n"
    )
    assert command("run", spec(text), "-o", "o.jsonl").code == 1
    (line,) = results("o.jsonl")
    assert (line["status"], len(line["attempts"])) == ("invalid", 3)
    assert "get_weather: $.city" in line["error"]["message"]


def test_a_choice_must_name_a_tool(command, spec):
    outcome = command("run", spec(TOOLS + "tool_choice: {name: get_wether}\n"), "--check")
    assert (outcome.code, "There is no tool `get_wether`. Did you mean `get_weather`?" in outcome.err) == (2, True)
    outcome = command("run", spec("version: 1\nprovider: offline\nprompt: x\ntool_choice: auto\n"), "--check")
    assert (outcome.code, "spec.yaml:4:14" in outcome.err) == (2, True)


def test_a_tools_schema_is_checked_at_its_place(command, spec):
    outcome = command("run", spec(TOOLS.replace("type: string", "type: strin")), "--check")
    assert outcome.code == 2
    assert "spec.yaml:4:" in outcome.err


@pytest.mark.parametrize("dialect", ["azure", "mistral", "vllm", "openai"])
def test_every_provider_runs_from_a_spec(command, spec, results, monkeypatch, dialect):
    text = f"version: 1\nprovider: {dialect}:m\nprompt: A city.\noutput: {{schema: {SCHEMA}}}\n"
    prefix = {"azure": "AZURE_OPENAI_"}.get(dialect, f"{dialect.upper()}_")
    with emulated(dialect, api_key="sk-canary-0123456789") as (url, requests):
        monkeypatch.setenv(f"{prefix}API_BASE", url)
        monkeypatch.setenv(f"{prefix}API_KEY", "sk-canary-0123456789")
        outcome = command("run", spec(text), "-o", "o.jsonl")
    assert outcome.code == 0, outcome.err
    (line,) = results("o.jsonl")
    assert (line["provider"], line["model"], line["deployment"]) == (dialect, "m", "m" if dialect == "azure" else None)
    assert requests


@pytest.mark.parametrize("strategy", ["auto", "json_schema", "tool"])
def test_the_strategy_can_be_chosen(command, spec, strategy):
    text = f"version: 1\nprovider: offline\nprompt: A city.\noutput: {{schema: {SCHEMA}, strategy: {strategy}}}\n"
    assert command("run", spec(text)).code == 0
    outcome = command("run", spec(text.replace(f"strategy: {strategy}", "strategy: guided")))
    assert (outcome.code, "has no strategy `guided`" in outcome.err) == (2, True)


def test_deployments_share_the_rows(command, spec, results):
    rows = ", ".join(f"{{n: {n}}}" for n in range(40))
    with emulated("vllm") as (one, first), emulated("vllm") as (two, second):
        text = (
            f"version: 1\nprovider: {{name: vllm, model: m, deployments: ['{one}', {{api_base: '{two}', model: b}}]}}\n"
            f"prompt: '{{{{ n }}}}'\ndata: [{rows}]\n"
        )
        outcome = command("run", spec(text), "-o", "o.jsonl")
    assert outcome.code == 0, outcome.err
    lines = results("o.jsonl")
    assert len({line["id"] for line in lines}) == 40
    assert {line["deployment"] for line in lines} == {one, "b"}
    assert {line["label"] for line in lines} == {"vllm:m"}
    assert min(len(first), len(second)) > 5


def test_a_deployment_that_is_down_loses_nothing(command, spec, results):
    rows = ", ".join(f"{{n: {n}}}" for n in range(20))
    with emulated("vllm") as (url, _):
        text = (
            f"version: 1\nprovider: {{name: vllm, model: m, deployments: ['http://127.0.0.1:9/v1', '{url}']}}\n"
            f"prompt: '{{{{ n }}}}'\ndata: [{rows}]\n"
        )
        assert command("run", spec(text), "-o", "o.jsonl").code == 0
    assert {line["deployment"] for line in results("o.jsonl")} == {url}
