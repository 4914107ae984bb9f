"""An odd answer harms its own row at most: journal, tables, suites and cassettes stay readable."""

from __future__ import annotations

import json

import pytest

SPEC = "version: 1\nprovider: {{name: openai, model: m}}\nprompt: '{{{{ i }}}}'\n{}"
ROWS = "matrix: {i: [0, 1, 2, 3, 4]}\n"
TESTS = "tests: [{vars: {i: '3'}, assert: [{type: contains, value: bad}]}]\n"


def chat(text):
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


@pytest.fixture
def server(scripted, monkeypatch):
    """Row 3 is answered with half a character."""

    def reply(body, _):
        text = body["messages"][-1]["content"]
        if body.get("stream"):
            pieces = [{"content": f"{text} \ud83c"}, {"content": "\udf89"}]
            sent = [json.dumps({"choices": [{"delta": piece}]}) for piece in pieces]
            return "".join(f"data: {one}\n\n" for one in [*sent, "[DONE]"]).encode()
        return chat("bad \ud83d" if text == "3" else f"fine {text}")

    with scripted(reply) as base:
        monkeypatch.setenv("OPENAI_API_BASE", f"{base}/v1")
        yield


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("name", ["o.csv", "o.jsonl", "o.md", "o.html", "o.xml"])
def test_half_a_character_loses_no_report(command, spec, here, name):
    assert command("run", spec(SPEC.format(ROWS)), "-q", "-o", name).code == 0
    assert ("bad \ufffd" in (here / name).read_text("utf-8")) is (name in ("o.csv", "o.jsonl", "o.html"))


@pytest.mark.usefixtures("server")
def test_a_journal_with_half_a_character_is_read_again(command, spec, results):
    path = spec(SPEC.format(ROWS))
    assert command("run", path, "-q", "-o", "o.jsonl").code == 0
    assert {line["text"] for line in results("o.jsonl")} == {"fine 0", "fine 1", "fine 2", "bad \ufffd", "fine 4"}
    again = command("run", path, "--resume", "-o", "o.jsonl")
    assert again.code == 0, again.err
    assert command("view", "o.jsonl", "-o", "o.html").code == 0
    assert command("diff", "o.jsonl", "o.jsonl").code == 0


@pytest.mark.usefixtures("server")
def test_a_suite_judges_the_answer_that_is_left(command, spec):
    assert command("run", spec(SPEC.format(TESTS))).code == 0


@pytest.mark.usefixtures("server")
def test_a_stream_in_halves_is_shown(command, spec):
    outcome = command("run", spec(SPEC.format("stream: true\nvars: {i: hi}\n")))
    assert (outcome.code, "hi 🎉" in outcome.out) == (0, True)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("more", [ROWS, "stream: true\nvars: {i: hi}\n"])
def test_a_cassette_keeps_what_the_server_sent(command, spec, here, results, more):
    path = spec(SPEC.format(more))
    assert command("run", path, "-q", "--record", "tapes", "-o", "a.jsonl").code == 0
    for file in (here / "tapes").rglob("*.json"):
        file.read_text("utf-8")
    played = command("run", path, "-q", "--replay", "tapes", "-o", "b.jsonl")
    assert played.code == 0, played.err
    recorded, again = ({line["row"]: line["text"] for line in results(name)} for name in ("a.jsonl", "b.jsonl"))
    assert recorded == again
