"""The generated JSON Schema says what the loader does."""

from __future__ import annotations

import jsonschema
import pytest

from throughster.spec import json_schema, parse_spec, spec_json_schema, unbuilt
from throughster.yamltree import parse_yaml, plain_numbers

SCHEMA = spec_json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
BASE = "version: 1\nprovider: offline\nprompt: Hi\n"

GOOD = [
    BASE,
    "version: 1\nprovider: openai:gpt-4.1-mini\nprompt: 5\n",
    "version: 1\nproviders: [offline, {name: vllm, model: 5}]\nprompt: Hi\n",
    """
version: 1
prompt: Hi
provider:
  name: openai
  model: m
  api_base: https://e.example/v1
  label: 1.10
  endpoint: chat/completions
  params: {a: 1}
  price: {input: 1, output: 2.5, cached_input: 0}
  x-a: 1
""",
    "version: 1\nprompt: Hi\nprovider: {name: offline, answers: a.yaml}\n",
    "version: 1\nprovider: offline\nprompt: {system: S, user: U}\n",
    "version: 1\nprovider: offline\nprompt: {user: {file: u.j2}, x-note: 1}\n",
    "version: 1\nprovider: offline\nprompt: {file: u.j2}\n",
    "version: 1\nprovider: offline\nprompt: [{role: user, content: U}, {role: assistant, content: {file: a.j2}}]\n",
    BASE + "name: 5\ndescription: d\ntags: [a, 1]\nx-free: {anything: [1]}\n",
    BASE + "inputs: {a: {type: integer, description: d, default: 3}, b: {}}\n",
    BASE + "output: {schema: ../a.json, strategy: json_schema, max_attempts: 2}\n",
    BASE + "output: {schema: {type: object}}\n",
    BASE + "vars: {a: [1]}\nmatrix: {b: [1, x]}\ndata: rows.csv\n",
    BASE + "data: [{a: 1}, {a: 2}]\n",
    BASE + "retry: {max_attempts: 1, initial_delay_s: 0, max_delay_s: 0, deadline_s: 1, x-a: 1}\n",
    BASE + "concurrency: 5\n",
    BASE + "concurrency: {max_in_flight: 5, adaptive: false}\n",
    BASE + "concurrency: {requests_per_minute: 500, tokens_per_minute: 90000.5}\n",
    BASE + "gate: {pass_rate: 0.9, groups: {language: 1}, max_cost_usd: 0, max_p95_latency_s: 3}\n",
    BASE + "baseline: {file: a.jsonl, alpha: 0.1, tolerance: 0.05, on_cannot_tell: fail}\n",
    BASE + "outputs: [a.xml, b.md]\n",
    BASE + "cache: on\n",
    BASE + "tests: [{id: a, vars: {b: 1}, assert: [{type: contains, value: x, weight: 2}], skip: later, tags: [t]}]\n",
    BASE + "tests: cases.csv\ndefault_test: {threshold: 0.5, assert: [{type: is-json}]}\npass_rate: 0.5\n",
    BASE + "grader: {provider: offline, repeat: 3, concurrency: 4}\n",
    BASE + "cache: read\n",
    BASE + "budget: {calls: 100, tokens: 5000, usd: 0.5}\n",
    BASE + "timeout: {connect_s: 1, first_token_s: 1, idle_s: 1, total_s: 1}\n",
    BASE + "stream: false\ncache: off\nrepeat: 3\noutputs: [a.jsonl, b.csv, c.parquet]\n",
    BASE + "data: null\ndescription: null\n",
]
BAD = [
    "version: 1\nprompt: Hi\n",
    "version: 1\nprovider: offline\nproviders: [offline]\nprompt: Hi\n",
    "version: 2\nprovider: offline\nprompt: Hi\n",
    "version: 1\nprovider: offline\nprompt: []\n",
    "version: 1\nprovider: opnai:x\nprompt: Hi\n",
    "version: 1\nprovider: {name: opnai}\nprompt: Hi\n",
    "version: 1\nprovider: {name: offline, modle: x}\nprompt: Hi\n",
    "version: 1\nprovider: offline\nprompt: {system: S, usr: U}\n",
    "version: 1\nprovider: offline\nprompt: [{role: user, contents: U}]\n",
    BASE + "reapet: 3\n",
    BASE + "x_free: 3\n",
    BASE + "retry: {max_retries: 3}\n",
    BASE + "concurrency: {max: 3}\n",
    BASE + "concurrency: 0\n",
    BASE + "concurrency: {requests_per_minute: 0}\n",
    BASE + "budget: {cals: 1}\n",
    BASE + "tests: []\n",
    BASE + "tests: [{asserts: []}]\n",
    BASE + "tests: [{assert: [{value: x}]}]\n",
    BASE + "pass_rate: 2\n",
    BASE + "grader: {}\n",
    BASE + "budget: {usd: 0}\n",
    BASE + "timeout: {total: 3}\n",
    BASE + "output: {shema: a}\n",
    BASE + "inputs: {a: {typ: string}}\n",
    BASE + "repeat: five\n",
    BASE + "data: []\n",
    BASE + "outputs: [a.xls]\n",
    BASE + "outputs: [../a.csv]\n",
]


def outcome(text):
    """Return (does the loader accept it, does the schema)."""
    document, problems = parse_yaml(text, "f.yaml")
    assert problems == []
    return not parse_spec(document)[1], VALIDATOR.is_valid(plain_numbers(document.value()))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "Throughster spec"
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["properties"]["repeat"]["description"] == "How often each row is asked."


@pytest.mark.parametrize("text", GOOD)
def test_what_the_loader_accepts_the_schema_accepts(text):
    assert outcome(text) == (True, True)


@pytest.mark.parametrize("text", BAD)
def test_what_the_loader_refuses_the_schema_refuses(text):
    assert outcome(text) == (False, False)


UNBUILT = [
    (unbuilt.Unbuilt("outputs", endings=(".md",)), "outputs: [a.md]"),
    (unbuilt.Unbuilt("budget"), "budget: {usd: 1}"),
    (unbuilt.Unbuilt("cache", values=("write",)), "cache: write"),
]


@pytest.mark.parametrize(("row", "line"), UNBUILT, ids=[line for _, line in UNBUILT])
def test_what_is_not_built_is_refused_by_both(row, line, monkeypatch):
    """All that the format knows is built now; these stand in for what may come."""
    text = f"version: 1\nprompt: Hi\nprovider: offline\n{line}\n"
    assert outcome(text) == (True, True)
    monkeypatch.setattr(unbuilt, "NOT_BUILT", (row,))
    monkeypatch.setattr(json_schema, "NOT_BUILT", (row,))
    document, _ = parse_yaml(text, "f.yaml")
    assert [problem.message.rpartition(" not ")[2] for problem in parse_spec(document)[1]] == [
        "available in this version."
    ]
    assert not jsonschema.Draft202012Validator(json_schema._schema.__wrapped__()).is_valid(document.value())


def test_every_closed_mapping_frees_its_x_keys():
    def walk(node):
        if isinstance(node, dict):
            if node.get("additionalProperties") is False:
                assert node["patternProperties"] == {"^x-": {}}
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(SCHEMA)


def test_a_caller_may_change_its_copy():
    spec_json_schema()["properties"].clear()
    assert spec_json_schema()["properties"]
