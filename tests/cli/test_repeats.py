"""Repeats are samples: each with a seed of its own, and told from copies where the model gives the same every time."""

from __future__ import annotations

import asyncio

import pytest

import throughster
from throughster.emulator import Emulator, Options

SPEC = """\
version: 1
name: demo
provider: {name: NAME, model: m, api_base: "BASE", params: {PARAMS}}
prompt: Say {{ word }}.
data: [{word: hi}, {word: ho}]
repeat: 3
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """`asked(params, ...)`: the seeds that each word was asked with, and the results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THROUGHSTER_ALLOWED_HOSTS", "127.0.0.1")

    def run(params, name="vllm", field="seed", text=SPEC):
        seeds = {}

        async def before(request, route):
            word = request.body["messages"][0]["content"]
            seeds.setdefault(word, []).append(request.body.get(field))

        async def whole():
            async with Emulator(Options(dialect=name, before_answer=before)) as emulator:
                monkeypatch.setenv("MISTRAL_API_BASE", emulator.api_base)
                monkeypatch.setenv("MISTRAL_API_KEY", "k")
                base = "" if name == "mistral" else f', api_base: "{emulator.api_base}"'
                spec = text.replace(', api_base: "BASE"', base).replace("NAME", name).replace("PARAMS", params)
                (tmp_path / "s.yaml").write_text(spec)
                return await throughster.arun("s.yaml")

        results = asyncio.run(whole())
        return {word: sorted(found, key=str) for word, found in seeds.items()}, results

    return run


@pytest.mark.parametrize(("name", "field"), [("vllm", "seed"), ("mistral", "random_seed")])
def test_each_repeat_has_a_seed_of_its_own(asked, name, field):
    seeds, results = asked("seed: 7", name, field)
    assert seeds == {"Say hi.": [7, 8, 9], "Say ho.": [7, 8, 9]}
    assert {result.status for result in results} == {"ok"}
    assert all(result.planned == 3 and result.sampled for result in results)


def test_after_the_largest_seed_comes_0(asked):
    seeds, _ = asked(f"seed: {2**63 - 2}")
    assert seeds["Say hi."] == [0, 2**63 - 2, 2**63 - 1]
    assert asked("seed: -2")[0]["Say hi."] == [-1, -2, 0]


def test_without_a_seed_none_is_sent(asked):
    assert asked("temperature: 0.5")[0]["Say hi."] == [None, None, None]


@pytest.mark.parametrize("params", ["temperature: 0", "temperature: 0.0, seed: 7", "top_p: 0", "top_k: 1"])
def test_copies_are_marked(asked, params):
    _, results = asked(params)
    assert {result.sampled for result in results} == {False}


OFFLINE = """\
version: 1
provider: {name: offline, params: {temperature: 0}}
prompt: Say hi.
"""


@pytest.mark.parametrize(
    ("text", "options", "place"),
    [
        (OFFLINE + "repeat: 5\n", (), "spec.yaml:2:49: warning:"),
        (OFFLINE + "tests: [{repeat: 2, assert: [{type: not-is-refusal}]}]\n", (), "spec.yaml:2:49: warning:"),
        (OFFLINE, ("--repeat", "2"), "spec.yaml:2:49: warning:"),
        (OFFLINE.replace("0}", "1}"), ("--repeat", "2", "--set", "provider.params.temperature=0"), "warning: --set"),
        (OFFLINE, (), ""),
        (OFFLINE.replace("0}", "0.1}") + "repeat: 5\n", (), ""),
    ],
)
def test_repeats_that_are_copies_are_warned_of(command, spec, text, options, place):
    outcome = command("check", spec(text), *options)
    told = "With this `temperature` every repeat is a copy of the same answer; all of them count as one trial."
    assert (outcome.code, told in outcome.err) == (0, bool(place))
    assert place in outcome.err
