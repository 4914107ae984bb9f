"""Values of sampling parameters are checked where the spec is loaded."""

from __future__ import annotations

import pytest

from throughster.providers import PROVIDERS

WRONG = [
    ("temperature: hot", "`temperature` must be a number from 0 to 2, found the text `hot`."),
    ("temperature: 0,7", "found the text `0,7`. Write 0.7, with a point and without quotes."),
    ('temperature: "0.7"', "found the text `0.7`. Write 0.7, with a point and without quotes."),
    ("temperature: 2.5", "`temperature` must be a number from 0 to 2, found `2.5`."),
    ("temperature: true", "`temperature` must be a number from 0 to 2, found `true`."),
    ("temperature: [0.5]", "`temperature` must be a number from 0 to 2, found a list."),
    ("max_tokens: 1.5", "`max_tokens` must be a whole number from 1 on, found `1.5`."),
    ("max_tokens: 0", "`max_tokens` must be a whole number from 1 on, found `0`."),
    (
        "max_tokens: 1_000",
        "`max_tokens` must be a whole number from 1 on, found the text `1_000`. Write 1000, without quotes.",
    ),
    (
        "max_tokens: 10000000000000000000",
        "`max_tokens` must be a whole number from 1 on, found `10000000000000000000`.",
    ),
    ("top_p: 90", "`top_p` must be a number from 0 to 1, found `90`."),
    ("presence_penalty: -3", "`presence_penalty` must be a number from -2 to 2, found `-3`."),
    ("seed: 1.0", "`seed` must be a whole number, found `1.0`."),
    ("logprobs: 5", "`logprobs` must be true or false, found `5`."),
    ("parallel_tool_calls: yes please", "`parallel_tool_calls` must be true or false, found the text `yes please`."),
    ("stop: [1, 2]", "`stop` must be a text or a list of texts, found a list."),
    ("reasoning_effort: 3", "`reasoning_effort` must be text, found `3`."),
    ("logit_bias: 5", "`logit_bias` must be a mapping, found `5`."),
    ("n: 3", "`n: 3` asks for 3 answers of a row, which keeps one. Use `repeat`."),
    ("extra_body: {n: 2}", "`n: 2` asks for 2 answers of a row, which keeps one. Use `repeat`."),
]


def written(param, name="openai"):
    return f"version: 1\nprovider:\n  name: {name}\n  model: m\n  params:\n    {param}\nprompt: hi\n"


@pytest.mark.parametrize(("param", "words"), WRONG)
def test_a_value_that_no_service_takes_is_found_at_its_place(command, spec, monkeypatch, param, words):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    outcome = command("check", spec(written(param)))
    column = param.index("n: 2") + 8 if "extra_body" in param else param.index(":") + 7
    assert outcome.code == 2
    assert outcome.err.startswith(f"spec.yaml:6:{column}: ")
    assert words in outcome.err
    assert "1 error; nothing was sent." in outcome.err


def test_every_provider_is_checked(command, spec):
    text = """\
version: 1
providers: [{name: offline, params: {temperature: warm}}, {name: offline, label: b, params: {top_p: 7}}]
prompt: hi
"""
    told = command("check", spec(text)).err
    assert [line.split(":")[1] for line in told.splitlines() if line.startswith("spec.yaml:")] == ["2", "2"]
    assert all(f"`{name}` must be" in told for name in ("temperature", "top_p"))


def test_an_override_is_checked_and_named(command, spec):
    outcome = command("run", spec(), "--set", "provider.params.temperature=hot")
    assert outcome.code == 2
    assert "--set provider.params.temperature=hot: `temperature` must be a number from 0 to 2" in outcome.err


@pytest.mark.parametrize(
    ("name", "params"),
    [
        (
            "openai",
            {"temperature": 2, "top_p": 1.0, "max_tokens": 1, "seed": -1, "stop": "x", "n": 1, "logprobs": True},
        ),
        ("vllm", {"temperature": 5.0, "top_k": -1, "min_p": 0.05, "repetition_penalty": 1.05, "top_logprobs": 50}),
        ("mistral", {"temperature": 1.5, "random_seed": 0, "safe_prompt": False, "temperature_": 1}),
        ("azure", {"temperature": None, "reasoning_effort": "low", "metadata": {"a": "b"}, "user": "x"}),
    ],
)
def test_what_services_take_passes(name, params):
    assert PROVIDERS[name].check_values(params) == []


def test_each_service_has_its_own_bounds():
    assert PROVIDERS["mistral"].check_values({"temperature": 1.6})
    assert (
        PROVIDERS["vllm"]
        .check_values({"temperature": -0.1, "repetition_penalty": 0})[1][1]
        .startswith("`repetition_penalty` must be a number above 0")
    )
