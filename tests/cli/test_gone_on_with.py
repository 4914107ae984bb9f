"""Suites that were gone on with after a change: what counts is the spec as it is now."""

from __future__ import annotations

import json

import pytest
from junitparser import JUnitXml

HEAD = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml}
prompt: Say {{ word }}.
"""
GATE = "gate: {pass_rate: 0.6}\n"


def case(name, wanted="hello"):
    return f"  - {{id: {name}, vars: {{word: {name}}}, assert: [{{type: equals, value: {wanted}}}]}}\n"


@pytest.fixture
def run(here, command):
    (here / "answers.yaml").write_text("- {contains: Say, answer: hello}\n")

    def call(text, *options):
        (here / "suite.yaml").write_text(HEAD + text)
        return command("run", "suite.yaml", "-o", "r.jsonl", *options)

    return call


def again(run, text, *options):
    return run(text, "--resume", "-o", "junit.xml", "-o", "summary.md", "-o", "page.html", *options)


def reported(here):
    """The names in the JUnit file, with whether each is a failure."""
    return {one.name: bool(one.result) for one in next(iter(JUnitXml.fromfile(str(here / "junit.xml"))))}


def test_tests_that_are_gone_prop_up_no_gate(run, here):
    assert run("tests:\n" + case("a") + case("b") + case("c") + GATE).code == 0
    outcome = again(run, "tests:\n" + case("d", "bye") + case("e") + GATE)
    assert (outcome.code, "gate NOT met: pass_rate: 1 of 2 cases passed" in outcome.out) == (1, True)
    assert reported(here) == {"d": True, "e": False, "gate and baseline": True}
    assert "2 tests: 1 pass, 1 fail" in (here / "summary.md").read_text()
    assert ">c<" not in (here / "page.html").read_text()


def test_repeats_that_are_gone_prop_up_no_gate(run):
    gate = "pass_rate: 0.5\ngate: {pass_rate: 1}\n"
    assert run("repeat: 5\ntests:\n" + case("a") + gate).code == 0
    outcome = again(run, "repeat: 1\ntests:\n" + case("a", "bye") + gate)
    assert (outcome.code, "gate NOT met: pass_rate: 0 of 1 cases passed" in outcome.out) == (1, True)


def test_a_provider_that_is_gone_props_up_no_gate(run):
    assert run("tests:\n" + case("a") + "gate: {pass_rate: 0.5}\n").code == 0
    outcome = again(run, "tests:\n" + case("a", "bye") + "gate: {pass_rate: 0.5}\n", "--set", "provider.label=other")
    assert (outcome.code, "0 of 1 cases passed" in outcome.out) == (1, True)


def test_a_test_that_is_gone_is_missing_from_the_baseline(run, here):
    run("tests:\n" + case("a") + case("b"))
    (here / "base.jsonl").write_text((here / "r.jsonl").read_text())
    outcome = again(run, "tests:\n" + case("b"), "--baseline", "base.jsonl")
    assert (outcome.code, "1 case of the baseline is missing now" in outcome.out) == (1, True)


def test_what_was_failing_before_and_passes_now_is_a_pass(run, here):
    """The line that is superseded still stands in the journal while the run is on."""
    assert run("tests:\n" + case("a", "bye")).code == 1
    outcome = again(run, "tests:\n" + case("a"))
    assert (outcome.code, "1 test: 1 pass" in outcome.out) == (0, True)
    assert reported(here) == {"a": False}


def test_a_test_that_was_skipped_since_is_reported_once(run, here):
    assert run("tests:\n" + case("a") + case("b")).code == 0
    assert again(run, "tests:\n" + case("a") + case("b").replace("id: b", "id: b, skip: later")).code == 0
    assert len(next(iter(JUnitXml.fromfile(str(here / "junit.xml"))))) == 2


def test_a_failure_of_a_test_that_is_not_chosen_now_counts(run, here):
    """The exit code is that of all rows in the file, and the reports agree with it."""
    assert run("tests:\n" + case("a") + case("b", "bye")).code == 1
    outcome = again(run, "tests:\n" + case("a") + case("b", "bye"), "--filter", "a")
    assert (outcome.code, "2 tests: 1 pass, 1 fail" in outcome.out) == (1, True)
    assert reported(here) == {"a": False, "b": True}


def test_the_lines_of_tests_that_are_gone_stay_in_the_file(run, here):
    run("tests:\n" + case("a"))
    again(run, "tests:\n" + case("b"))
    assert [json.loads(line)["id"] for line in (here / "r.jsonl").read_text().splitlines()] == ["a", "b"]
