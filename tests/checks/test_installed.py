"""Checks that other packages bring, from a real package on the path."""

import sys

import pytest
from tests.checks.making import assert_cannot_be_evaluated, issue_of, json_answer, passes, result_of

from throughster.checks import parse_expected
from throughster.checks.installed import installed_types

MODULE = """
from throughster.checks import Outcome

def polite(value, threshold):
    words = value or ["please"]
    if not isinstance(words, list):
        raise ValueError("the words must be a list")
    return lambda subject, answer: any(word in subject.text for word in words)

def share(value, threshold):
    return lambda subject, answer: answer.text.count("a") / len(answer.text)

def told(value, threshold):
    return lambda subject, answer: Outcome(True, 0.25, f"told of {subject.value}")

def odd(value, threshold):
    return lambda subject, answer: value

async def later(subject, answer):
    return True

def slow(value, threshold):
    return later
"""

POINTS = """[throughster.checks]
polite = politeness:polite
share = politeness:share
told = politeness:told
odd = politeness:odd
slow = politeness:slow
gone = politeness:gone
absent = politeness_absent:make
contains = politeness:told
twice = politeness:told
"""


@pytest.fixture(autouse=True)
def _package(tmp_path, monkeypatch):
    """A package with its dist-info folder, and another that quarrels about a name."""
    (tmp_path / "politeness.py").write_text(MODULE)
    for name, points in (("politeness", POINTS), ("other", "[throughster.checks]\ntwice = politeness:share\n")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    installed_types.cache_clear()
    yield
    installed_types.cache_clear()
    sys.modules.pop("politeness", None)


def test_an_installed_check():
    assert passes({"type": "polite"}, "please go")
    assert not passes({"type": "not-polite"}, "please go")
    assert passes({"type": "polite", "value": ["{{ word }}"]}, json_answer({}, "bitte", vars={"word": "bitte"}))
    assert passes({"type": "polite", "path": "$.a"}, json_answer({"a": "please"}))
    assert_cannot_be_evaluated({"type": "polite", "path": "$.b"}, json_answer({"a": "please"}), "leads to nothing")


def test_a_score_is_judged_by_the_threshold():
    found = result_of({"type": "share", "threshold": 0.5}, "aab")
    assert (found.passed, found.score) == (True, pytest.approx(2 / 3))
    assert passes({"type": "not-share", "threshold": 0.5}, "abb")
    assert_cannot_be_evaluated({"type": "share"}, "aab", "there is no `threshold` to judge it by")


def test_an_outcome_is_taken_as_it_is():
    found = result_of({"type": "told", "path": "$.a"}, json_answer({"a": [1]}))
    assert (found.passed, found.score, found.reason, found.path) == (True, 0.25, "told: told of [1]", "$.a")


@pytest.mark.parametrize("value", ["text", 7, -0.5, float("nan"), [1]])
def test_what_is_no_outcome_has_not_passed(value):
    assert_cannot_be_evaluated({"type": "odd", "value": value, "threshold": 0.5}, "x", "it gave ")


def test_an_error_of_an_installed_check_has_not_passed():
    assert_cannot_be_evaluated({"type": "share", "threshold": 0.5}, "", "ZeroDivisionError")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "polite", "value": "x"}, "cannot use this entry: ValueError: the words must be a list."),
        ({"type": "gone"}, "cannot be loaded: AttributeError"),
        ({"type": "absent"}, "cannot be loaded: ModuleNotFoundError"),
        ({"type": "slow"}, "must make a plain function"),
        ({"type": "twice"}, "Two packages bring a check `twice`"),
    ],
    ids=str,
)
def test_an_installed_check_that_cannot_be_used_is_told(entry, words):
    assert words in issue_of(entry).message


def test_names():
    assert issue_of({"type": "polit"}).hint == "Did you mean `polite`?"
    assert passes({"type": "contains", "value": "a"}, "a"), "a type of our own stays what it is"
    assert parse_expected("polite: x") == {"type": "polite", "value": "x"}
    assert parse_expected("not-share(0.5)") == {"type": "not-share", "threshold": 0.5}


def test_nothing_is_loaded_that_no_entry_names():
    passes({"type": "contains", "value": "a"}, "a")
    assert issue_of({"type": "contians"}).hint == "Did you mean `contains`?"
    assert "politeness" not in sys.modules
