"""The example configurations, converted and run by the real command against a server that speaks OpenAI's dialect."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from throughster.convert.writing import write_yaml
from throughster.yamltree import parse_yaml

EXAMPLES = Path(__file__).parents[2] / "examples" / "convert"

ANSWERS = """\
- {contains: the capital of France, answer: Paris}
- {contains: the capital of Japan, answer: "It is Tokyo."}
- {contains: the currency of Brazil, answer: The real (BRL)}
- {contains: the currency of Peru, answer: the Peruvian sol}
- {contains: "Target language: FRENCH, in one word", answer: bonjour}
- {contains: "Target language: GERMAN, in one word", answer: Guten Morgen}
- {contains: "Target language: ITALIAN, in one word", answer: good morning}
- {contains: 'Translate "good morning"', answer: un deux trois}
- {contains: good night, answer: bonne nuit}
- {contains: "Ada writes", answer: {reply: "Sorry, Ada.", urgent: true}}
- {contains: "Boris writes", answer: {reply: "Ja, Boris.", urgent: false}}
- {contains: "Carla writes", answer: {reply: "No.", urgent: false}}
- {contains: "speaks for Blue Kettle", answer: {reason: it does, passed: true, score: 0.9}}
- {contains: The parcel is late., answer: {reason: the same, category: same}}
- {contains: You sum up texts for a colleague, answer: Yeast makes gas.}
- {contains: Oslo, answer: {city: Oslo, degrees: 21}}
"""


@pytest.fixture
def ask(here, process, monkeypatch, command):
    """`ask(example)`: convert it, run what was written, and give the exit code and the results."""
    shutil.copytree(EXAMPLES, here / "examples")
    (here / "answers.yaml").write_text(ANSWERS)

    def run(name):
        server = process("emulate", "--answers", "answers.yaml", "--api-key", "a-key-for-tests")
        origin = server.stdout.readline().split(" on ")[1].split(";")[0]
        monkeypatch.setenv("OPENAI_API_BASE", f"{origin}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-tests")
        before = {path: path.read_bytes() for path in (here / "examples").rglob("*") if path.is_file()}
        converted = command("convert", f"examples/{name}", "-o", "specs")
        assert {path: path.read_bytes() for path in before} == before, "the source is never changed"
        assert converted.code in (0, 1), converted.out
        assert "is a program" not in converted.out
        found = command("run", "specs", "-o", "out.jsonl")
        lines = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
        return found, lines

    return run


def verdicts(lines, *keys):
    return {tuple(line["vars"][key] for key in keys): line["status"] for line in lines}


def test_a_table_of_cases(ask):
    found, lines = ask("capitals")
    assert found.code == 1
    assert verdicts(lines, "country") == {("France",): "ok", ("Japan",): "ok", ("Brazil",): "ok", ("Peru",): "failed"}
    peru = next(line for line in lines if line["vars"]["country"] == "Peru")
    assert [(check["type"], check["passed"]) for check in peru["checks"]] == [
        ("latency", True), ("expr", True), ("expr", True), ("regex", False),
    ]  # fmt: skip


def test_prompts_times_providers_times_values(ask):
    found, lines = ask("tones")
    assert len(lines) == 2 * 2 * 4 * 2
    assert {(line["spec"], line["label"]) for line in lines} == {
        (spec, label) for spec in ("tones-plain", "tones-formal") for label in ("openai:gpt-4.1-mini", "large")
    }
    formal = [line for line in lines if line["spec"] == "tones-formal" and line["vars"]["text"] == "good morning"]
    assert verdicts(formal, "language") == {("French",): "ok", ("German",): "ok", ("Italian",): "failed"}
    assert {line["repeat"] for line in lines} == {0, 1}
    assert found.code == 1


def test_nested_defaults_and_a_judge(ask):
    found, lines = ask("support")
    assert verdicts(lines, "customer") == {("Ada",): "ok", ("Boris",): "ok", ("Carla",): "failed"}
    ada = next(line for line in lines if line["vars"]["customer"] == "Ada")
    assert ada["output"] == {"reply": "Sorry, Ada.", "urgent": True}
    assert [(check["type"], check["passed"]) for check in ada["checks"]] == [
        ("is-json", True), ("llm-rubric", True), ("all-of", True), ("factuality", True), ("expr", True),
    ]  # fmt: skip
    assert next(check for check in ada["checks"] if check["type"] == "all-of")["score"] == 0.5
    assert found.code == 1


def test_prompty_files(ask, here, monkeypatch, process):
    azure = process("emulate", "--dialect", "azure", "--answers", "answers.yaml")
    origin = azure.stdout.readline().split(" on ")[1].split(";")[0]
    monkeypatch.setenv("AZURE_OPENAI_API_BASE", origin)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "a-key-for-tests")
    found, lines = ask("prompty")
    assert found.code == 0, found.err
    outputs = {line["spec"]: line["output"] for line in lines}
    assert outputs == {"summary": "Yeast makes gas.", "weather": {"city": "Oslo", "degrees": 21}}


def test_the_same_source_gives_the_same_files(here, command):
    """And what was written gives the same spec when it is read and written again."""
    shutil.copytree(EXAMPLES, here / "examples")
    for turn in ("one", "two"):
        for name in ("capitals", "tones", "support", "prompty"):
            assert command("convert", f"examples/{name}", "-o", turn).code in (0, 1)
    first, second = ({path.name: path.read_bytes() for path in (here / turn).iterdir()} for turn in ("one", "two"))
    assert first == second
    for path in (here / "one").glob("*.yaml"):
        document, problems = parse_yaml(path.read_bytes(), path.name)
        assert problems == []
        again, problems = parse_yaml(write_yaml(document.value()), path.name)
        assert problems == []
        assert again.value() == document.value()
