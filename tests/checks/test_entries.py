"""Entries: which types there are, and what is wrong with an entry, told at once and with its place."""

import pytest
from tests.checks.making import assert_cannot_be_evaluated, compiled, issue_of, issues_of, result_of

from throughster.checks import KINDS, Answer, compile_checks

CONTRACT = {
    "equals", "contains", "icontains", "starts-with", "contains-any", "contains-all", "regex", "is-json",
    "contains-json", "json-schema",
    "word-count", "levenshtein", "rouge", "bleu", "similar", "tool-call", "finish-reason", "is-refusal", "latency",
    "first-token", "cost", "tokens", "expr", "llm-rubric", "factuality", "g-eval", "select-best", "any-of", "all-of",
}  # fmt: skip


def test_the_types_are_these():
    assert set(KINDS) == CONTRACT


@pytest.mark.parametrize("kind", sorted(CONTRACT))
def test_every_type_refuses_an_entry_that_lacks_what_it_needs(kind):
    needs = KINDS[kind].value in ("needed", "checks") or (KINDS[kind].threshold and KINDS[kind].threshold.is_needed)
    for name in (kind, f"not-{kind}"):
        checks, issues = compile_checks([{"type": name}])
        assert bool(issues) is bool(needs)
        assert bool(checks) is not bool(needs)


@pytest.mark.parametrize(
    ("entry", "at", "message", "hint"),
    [
        ("contains", (), "A check is a mapping with a `type`, found text.", ""),
        ({}, (), "A check needs a `type`.", "There are equals, "),
        ({"type": 5}, (), "A check needs a `type`.", ""),
        ({"type": "contians", "value": "x"}, ("type",), "There is no check `contians`.", "Did you mean `contains`?"),
        ({"type": "not-contians", "value": "x"}, ("type",), "There is no check `not-contians`.", "`contains`?"),
        ({"type": "qqq"}, ("type",), "There is no check `qqq`.", "There are equals, "),
        ({"type": "contains", "valeu": "x", "value": "x"}, ("valeu",), "Unknown key `valeu`", "Did you mean `value`?"),
        ({"type": "contains", "value": "x", "threshold": 1}, ("threshold",), "`contains` takes no `threshold`.", ""),
        (
            {"type": "contains", "value": "x", "weight": -1},
            ("weight",),
            "`weight` must be a number from 0, found -1.",
            "",
        ),
        (
            {"type": "contains", "value": "x", "weight": "2"},
            ("weight",),
            '`weight` must be a number from 0, found "2".',
            "",
        ),
        ({"type": "contains", "value": "x", "metric": ""}, ("metric",), "`metric` must be a name", ""),
        (
            {"type": "bleu", "value": "x", "threshold": 2},
            ("threshold",),
            "`threshold` of `bleu` must be a number from 0 to 1,",
            "",
        ),
        (
            {"type": "cost", "threshold": -1},
            ("threshold",),
            "`threshold` of `cost` must be a number from 0, found -1.",
            "USD",
        ),
        ({"type": "contains", "value": None}, (), "`contains` needs a `value`.", ""),
    ],
    ids=str,
)
def test_what_is_wrong_with_an_entry(entry, at, message, hint):
    issue = issue_of(entry)
    assert issue.at == (0, *at)
    assert issue.message.startswith(message)
    assert hint in issue.hint


def test_everything_wrong_is_told_at_once_and_what_is_good_is_compiled():
    checks, issues = compile_checks(
        [
            {"type": "contains", "value": "x", "weigth": 2, "threshold": 1, "path": "$.["},
            {"type": "is-json"},
            {"type": "latency", "value": 3},
        ]
    )
    assert [issue.at for issue in issues] == [(0, "weigth"), (0, "path"), (0, "threshold"), (2,), (2, "value")]
    assert [(check.type, check.index) for check in checks] == [("is-json", 1)]


def test_what_is_null_is_not_given_and_free_keys_are_free():
    entry = {
        "type": "is-json",
        "value": None,
        "threshold": None,
        "path": None,
        "metric": None,
        "weight": None,
        "x-a": 1,
    }
    (check,) = compiled(entry)
    assert (check.weight, check.metric, check.path) == (1.0, None, None)
    (check,) = compiled({"type": "equals", "value": None, "weight": 0, "metric": "m", "path": "$.a"})
    assert (check.weight, check.metric, check.path.text) == (0.0, "m", "$.a")


def test_an_unknown_value_of_the_answer_never_makes_a_check_raise():
    answer = Answer("\ud800\x00" + "x" * 300_000, output={"a": float("inf")}, has_output=True)
    for entry in (
        {"type": "equals", "value": {"a": 1}},
        {"type": "contains", "value": "a", "path": "$.a"},
        {"type": "regex", "value": "x+"},
        {"type": "is-json", "value": {"type": "object"}},
        {"type": "expr", "value": "output.a > 1"},
        {"type": "is-refusal"},
    ):
        found = result_of(entry, answer)
        assert isinstance(found.passed, bool)
        assert len(found.reason) <= 400


def test_a_path_deeper_than_can_be_followed():
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert_cannot_be_evaluated(
        {"type": "equals", "value": 1, "path": "$..x"}, Answer("", output=deep, has_output=True), "cannot be followed"
    )


def test_no_issue_is_lost_in_a_check_with_a_warning():
    issues = issues_of({"type": "latency", "threshold": 9000, "metric": ""})
    assert [issue.severity for issue in issues] == ["error", "warning"]
    assert compile_checks([{"type": "latency", "threshold": 9000}])[0]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"type": "not-contains", "value": ["a", "b"]}, "fails only where all of them are there"),
        ({"type": "not-icontains", "value": ["a", "b"]}, "fails only where all of them are there"),
        ({"type": "any-of", "threshold": 0, "value": [{"type": "is-json"}]}, None),
        ({"type": "all-of", "threshold": 0, "value": [{"type": "is-json"}]}, "Every score reaches 0"),
        ({"type": "bleu", "value": "a", "threshold": 0}, "Every score reaches 0"),
        ({"type": "not-contains", "value": ["a"]}, None),
        ({"type": "not-contains", "value": "a"}, None),
        ({"type": "contains", "value": ["a", "b"]}, None),
        ({"type": "latency", "threshold": 0}, None),
    ],
)
def test_a_check_that_says_less_than_it_seems_is_warned_of(entry, said):
    warnings = [issue.message for issue in issues_of(entry) if issue.severity == "warning"]
    assert len(warnings) == (said is not None)
    assert all(said in warning for warning in warnings)
