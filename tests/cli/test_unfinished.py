"""Runs that ended before everything was asked: no report of them is green."""

from __future__ import annotations

import pytest
from junitparser import Error, JUnitXml

SUITE = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml}
prompt: Say {{ w }}
concurrency: 1
tests:
  - {id: one, vars: {w: hello}, assert: [{type: contains, value: o}]}
  - {id: two, vars: {w: hello you}, assert: [{type: contains, value: o}]}
  - {id: three, vars: {w: hello all}, assert: [{type: contains, value: o}]}
"""


@pytest.fixture
def stopped(here, command):
    """The suite with a budget for one of its three tests, and what its reports say."""
    (here / "answers.yaml").write_text("- {contains: hello, answer: bonjour}\n")
    (here / "s.yaml").write_text(SUITE)
    outcome = command(
        "run", "s.yaml", "--max-requests", "1", "-o", "o.jsonl", "-o", "o.md", "-o", "o.xml", "-o", "o.html"
    )
    assert outcome.code == 4
    return here


def test_the_summary_is_red_and_says_why(stopped):
    text = (stopped / "o.md").read_text("utf-8")
    assert text.startswith("## ❌ suite")
    assert "3 tests: 1 pass, 2 error" in text
    assert "**Not complete:** 2 of them have no verdict" in text


def test_what_was_not_asked_is_an_error_of_junit(stopped):
    suites = list(JUnitXml.fromfile(str(stopped / "o.xml")))
    cases = {case.name: case.result for suite in suites for case in suite}
    assert len(cases) == 3
    assert [type(result) for found in cases.values() for result in found] == [Error, Error]


def test_the_page_counts_it(stopped, command):
    page = (stopped / "o.html").read_text("utf-8")
    assert "not asked" in page
    viewed = command("view", "o.jsonl", "-o", "view.html")
    assert viewed.code == 0
    assert "Everything that was asked for passed" not in (stopped / "view.html").read_text("utf-8")


def test_a_file_without_results_is_no_page(here, command):
    (here / "none.jsonl").touch()
    outcome = command("view", "none.jsonl", "-o", "view.html")
    assert (outcome.code, "there are no results in it" in outcome.err) == (2, True)


@pytest.mark.parametrize("option", ["--pass-rate"])
def test_nan_is_no_share(stopped, command, option):
    assert command("view", "o.jsonl", "-o", "view.html", option, "nan").code == 2


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('"status": 200', '"status": "x"', "`exchanges[0].reply.status` is not a whole number"),
        ('"exchanges"', '"exchange"', "`exchanges` is missing"),
        ('"status": 200', '"status": 9', "`exchanges[0].reply.status` is not from 100 to 599"),
    ],
)
def test_a_damaged_cassette_is_told_in_plain_words(here, command, before, after, why):
    (here / "answers.yaml").write_text("- {contains: hello, answer: bonjour}\n")
    (here / "s.yaml").write_text(SUITE)
    assert command("run", "s.yaml", "--record", "cassettes", "-q", "-o", "o.jsonl").code == 0
    path = here / "cassettes" / "suite" / "one.json"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    outcome = command("run", "s.yaml", "--replay", "cassettes", "-q", "-o", "p.jsonl")
    assert (outcome.code, f"one.json is no cassette: {why}" in outcome.err) == (2, True)
