"""What a sound spec becomes: every form, every default."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from throughster.spec import PROVIDERS, parse_spec
from throughster.spec.model import Spec
from throughster.spec.prompt import FileSpec, MessageSpec
from throughster.types import Limits, Retry, Timeout
from throughster.yamltree import parse_yaml

BASE = "version: 1\nprovider: offline\nprompt: Hi\n"


def read(text):
    document, problems = parse_yaml(text, "specs/translate.yaml")
    assert problems == []
    spec, problems = parse_spec(document)
    assert problems == []
    return spec


def test_the_least_spec_has_the_documented_defaults():
    spec = read(BASE)
    assert spec.name == "translate"
    assert (spec.retry.max_attempts, spec.retry.initial_delay_s) == (6, 0.5)
    assert (spec.retry.max_delay_s, spec.retry.deadline_s) == (60, 600)
    assert (spec.timeout.connect_s, spec.timeout.first_token_s, spec.timeout.idle_s) == (5, 60, 30)
    assert spec.timeout.total_s == 600
    assert (spec.concurrency.max_in_flight, spec.concurrency.adaptive) == (64, True)
    assert (spec.concurrency.requests_per_minute, spec.concurrency.tokens_per_minute) == (None, None)
    assert (spec.output.strategy, spec.output.max_attempts, spec.output.json_schema) == ("auto", 3, None)
    assert (spec.repeat, spec.pass_rate, spec.cache, spec.stream) == (1, 1.0, "off", False)
    assert (spec.budget, spec.gate, spec.baseline, spec.data, spec.tests) == (None,) * 5
    assert (spec.retry, spec.timeout, spec.concurrency) == (Retry(), Timeout(), Limits())


@pytest.mark.parametrize(
    ("written", "messages", "paths"),
    [
        ("prompt: Hi", [("user", "Hi")], [("prompt",)]),
        ("prompt: 5", [("user", "5")], [("prompt",)]),
        (
            "prompt: {user: Hi, system: Be kind}",
            [("system", "Be kind"), ("user", "Hi")],
            [("prompt", "system"), ("prompt", "user")],
        ),
        ("prompt: {user: Hi}", [("user", "Hi")], [("prompt", "user")]),
        ("prompt: {file: p.j2}", [("user", FileSpec(file="p.j2"))], [("prompt", "file")]),
        (
            "prompt: {system: {file: s.j2}, user: Hi, x-note: free}",
            [("system", FileSpec(file="s.j2")), ("user", "Hi")],
            [("prompt", "system", "file"), ("prompt", "user")],
        ),
        (
            "prompt: [{role: developer, content: A}, {role: assistant, content: {file: b.j2}}]",
            [("developer", "A"), ("assistant", FileSpec(file="b.j2"))],
            [("prompt", 0, "content"), ("prompt", 1, "content", "file")],
        ),
    ],
)
def test_every_form_of_a_prompt_becomes_messages_with_their_places(written, messages, paths):
    prompt = read(f"version: 1\nprovider: offline\n{written}\n").prompt
    assert prompt.messages == tuple(MessageSpec(role=role, content=content) for role, content in messages)
    assert list(prompt.paths) == paths


def test_a_provider_has_two_forms():
    spec = read("version: 1\nprompt: Hi\nprovider: vllm:org/model:tag\n")
    assert (spec.provider.name, spec.provider.model) == ("vllm", "org/model:tag")
    assert spec.each_provider == (spec.provider,)
    assert spec.provider_path(0) == ("provider",)
    long = read(
        "version: 1\nprompt: Hi\nprovider:\n  name: openai\n  model: 5\n  api_base: https://example.org/v1\n"
        "  label: 1.10\n  params: {temperature: 0.20, seed: 7, stop: [a]}\n"
        "  price: {input: 0.15, output: 0.60, cached_input: 1}\n  x-owner: me\n"
    ).provider
    assert (long.model, long.label, long.shown_label) == ("5", "1.10", "1.10")
    assert long.params == {"temperature": 0.2, "seed": 7, "stop": ["a"]}
    assert type(long.params["temperature"]) is float
    assert (long.price.input, long.price.output, long.price.cached_input) == (0.15, 0.6, 1)


def test_several_providers_stand_in_order():
    spec = read("version: 1\nprompt: Hi\nproviders: [offline, {name: openai, model: a}, openai:b]\n")
    assert [p.shown_label for p in spec.each_provider] == ["offline", "openai:a", "openai:b"]
    assert spec.provider is None
    assert spec.provider_path(2) == ("providers", 2)


def test_offline_may_name_its_answers():
    spec = read("version: 1\nprompt: Hi\nprovider: {name: offline, answers: answers/a.yaml}\n")
    assert spec.provider.answers == "answers/a.yaml"


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("8", Limits(max_in_flight=8)),
        ("+8", Limits(max_in_flight=8)),
        ("{max_in_flight: 8}", Limits(max_in_flight=8)),
        ("{adaptive: false, x-why: slow}", Limits(adaptive=False)),
    ],
)
def test_concurrency_is_a_number_or_a_mapping(written, limits):
    assert read(f"{BASE}concurrency: {written}\n").concurrency == limits


def test_data_keeps_the_text_that_the_user_wrote():
    spec = read(
        BASE + "vars: {a: 1.10, b: NO, c: 1e3, d: 5, e: null, f: [0.20]}\nmatrix: {g: [007, +5, true]}\n"
        "inputs: {a: {type: string, default: 0.30}}\ndata: [{h: 2024-10-21, i: 1_000, j: 1.5}]\n"
    )
    assert spec.vars == {"a": "1.10", "b": "NO", "c": "1e3", "d": 5, "e": None, "f": ["0.20"]}
    assert spec.matrix == {"g": ("007", "+5", True)}
    assert spec.inputs["a"].default == "0.30"
    assert spec.data == ({"h": "2024-10-21", "i": "1_000", "j": 1.5},)


def test_free_keys_are_ignored_in_the_format_and_kept_in_data():
    spec = read(BASE + "x-a: [1]\nretry: {x-b: 1}\noutput: {x-c: 1}\ntimeout: {x-d: 1}\nvars: {x-e: 1}\n")
    assert spec.retry == Retry()
    assert spec.vars == {"x-e": 1}


def test_an_input_tells_whether_it_has_a_default():
    inputs = read(BASE + "inputs: {a: {}, b: {default: null}, c: {description: 5}}\n").inputs
    assert [inputs[name].has_default for name in "abc"] == [False, True, False]
    assert inputs["c"].description == "5"


def test_output_schema_is_a_path_or_a_schema_with_plain_numbers():
    assert read(BASE + "output: {schema: ../a.json}\n").output.json_schema == "../a.json"
    schema = read(BASE + "output: {schema: {type: number, maximum: 1.50}}\n").output.json_schema
    assert schema == {"type": "number", "maximum": 1.5}
    assert type(schema["maximum"]) is float


def test_numbers_may_be_written_in_any_decimal_way():
    spec = read(BASE + "timeout: {total_s: 1e2, idle_s: 2.50, connect_s: 3}\n")
    assert (spec.timeout.total_s, spec.timeout.idle_s, spec.timeout.connect_s) == (100, 2.5, 3)
    assert type(spec.timeout.total_s) is float


def test_null_stands_for_an_optional_value_that_is_not_set():
    assert read(BASE + "description:\ndata: null\n").data is None


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("specs/qa.yaml", "qa"),
        (".hidden.yaml", "hidden"),
        (".yaml", "yaml"),
        ("a?b.yml", "a-b"),
        ("...", "spec"),
        ("x" * 300, "x" * 100),
    ],
)
def test_the_name_defaults_to_the_file_name(file, name):
    document, _ = parse_yaml(BASE, file)
    spec, problems = parse_spec(document)
    assert problems == []
    assert spec.name == name


def test_a_spec_is_frozen():
    spec = read(BASE)
    with pytest.raises(ValidationError):
        spec.repeat = 2
    with pytest.raises(ValidationError):
        spec.retry.max_attempts = 2


def test_the_whole_format_is_modelled_also_where_this_version_does_not_do_it_yet():
    spec = Spec.model_validate(
        {
            "version": 1,
            "name": "n",
            "prompt": "Hi",
            "provider": {
                "name": "azure",
                "api_version": "2024-10-21",
                "endpoint": "responses",
                "deployments": ["a", "https://b.example.org", {"model": "c", "weight": 2}],
            },
            "tools": [{"name": "get_weather", "description": "d", "parameters": {"type": "object"}}],
            "tool_choice": {"name": "get_weather"},
            "stream": True,
            "budget": {"calls": 1, "tokens": 2, "usd": 2.0},
            "cache": "on",
            "tests": [{"id": "a", "vars": {"x": 1}, "assert": [{"type": "icontains", "value": "y", "weight": 2}]}],
            "default_test": {"assert": [{"type": "latency", "threshold": 5}]},
            "pass_rate": 0.8,
            "gate": {"pass_rate": 0.95, "max_cost_usd": 0.1, "max_p95_latency_s": 4},
            "baseline": {"file": "b.jsonl", "alpha": 0.05},
            "grader": {"provider": "openai:gpt-4.1", "repeat": 1},
            "outputs": ["results.jsonl", "report.html", "junit.xml", "results.csv", "summary.md", "r.parquet"],
        }
    )
    assert [d.model or d.api_base for d in spec.provider.deployments] == ["a", "https://b.example.org", "c"]
    assert spec.tests[0].checks[0].type == "icontains"
    assert spec.default_test.checks[0].threshold == 5
    assert spec.grader.provider.model == "gpt-4.1"
    assert spec.tool_choice.name == "get_weather"


def test_the_known_providers_are_these():
    assert PROVIDERS == ("offline", "openai", "azure", "mistral", "vllm")
