"""Checks of seconds, tokens and money."""

import pytest
from tests.checks.making import assert_cannot_be_evaluated, compiled, issue_of, issues_of, passes, result_of

from throughster.checks import Answer
from throughster.types import Usage

ANSWER = Answer("x", latency_s=2.0, first_token_s=0.5, cost_usd=0.002, usage=Usage(10, 20, 30))


@pytest.mark.parametrize(("kind", "value"), [("latency", 2.0), ("first-token", 0.5), ("cost", 0.002), ("tokens", 30)])
def test_at_most(kind, value):
    for threshold, wanted in ((value, True), (value * 2, True), (value * 0.9, False)):
        assert passes({"type": kind, "threshold": threshold}, ANSWER) is wanted
        assert passes({"type": f"not-{kind}", "threshold": threshold}, ANSWER) is not wanted


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("latency", "not known how long"),
        ("first-token", "`stream: true`"),
        ("cost", "give the provider a `price`"),
        ("tokens", "did not count the tokens"),
    ],
)
def test_what_was_not_measured_cannot_be_evaluated(kind, why):
    assert_cannot_be_evaluated({"type": kind, "threshold": 1}, "x", why)


def test_an_answer_that_cost_nothing_has_a_cost():
    assert passes({"type": "cost", "threshold": 0}, Answer("x", cost_usd=0.0))


def test_the_reason_has_the_figures():
    assert result_of({"type": "latency", "threshold": 1.5}, ANSWER).reason == "latency: 2 s, more than the 1.5 allowed"
    assert result_of({"type": "cost", "threshold": 1}, ANSWER).reason == "cost: 0.002 USD, within the 1 allowed"


@pytest.mark.parametrize("kind", ["latency", "first-token", "cost", "tokens"])
def test_the_threshold_is_needed_and_is_the_only_field(kind):
    assert issue_of({"type": kind}).message.startswith(f"`{kind}` needs a `threshold`: ")
    assert issue_of({"type": kind, "threshold": -1}).at == (0, "threshold")
    assert issue_of({"type": kind, "threshold": "fast"}).at == (0, "threshold")
    assert issue_of({"type": kind, "threshold": True}).at == (0, "threshold")
    assert issue_of({"type": kind, "threshold": float("nan")}).at == (0, "threshold")
    assert issue_of({"type": kind, "threshold": 1, "path": "$.a"}).at == (0, "path")
    value = issue_of({"type": kind, "threshold": 1, "value": 5})
    assert (value.at, value.at_key) == ((0, "value"), True)
    assert value.hint.startswith("Its limit is `threshold`")


def test_seconds_that_look_like_milliseconds_are_told():
    (warning,) = issues_of({"type": "latency", "threshold": 5000})
    assert (warning.severity, warning.at) == ("warning", (0, "threshold"))
    assert "in seconds: 5000 s are" in warning.message


def test_what_a_check_needs_is_known_before_anything_is_asked():
    kinds = ("latency", "first-token", "cost", "tokens")
    checks = compiled(*({"type": kind, "threshold": 1} for kind in kinds))
    assert [set(check.needs) for check in checks] == [set(), {"stream"}, {"price"}, set()]
