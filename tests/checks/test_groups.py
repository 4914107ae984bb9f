"""`any-of` and `all-of`: what decides, what leaves it open, and when a judge is asked."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checks.making import Judge, assert_cannot_be_evaluated, compiled, issue_of, issues_of, judged, result_of

from throughster.checks import Answer, JudgeError

YES = {"type": "contains", "value": "a"}
NO = {"type": "contains", "value": "z"}
OPEN = {"type": "cost", "threshold": 1}
RUBRIC = {"type": "llm-rubric", "value": "x"}
GOOD = {"reason": "good", "passed": True, "score": 1}
BAD = {"reason": "bad", "passed": False, "score": 0}


def group(kind, *checks, **more):
    return {"type": kind, "value": list(checks), **more}


@pytest.mark.parametrize(
    ("entry", "passed", "score", "reason"),
    [
        (group("any-of", NO, YES), True, 1, 'any-of: contains: "a" is in "abc"'),
        (group("any-of", NO, NO), False, 0, 'any-of: none of 2 passed: contains: "z" is not in "abc"; contains: '),
        (group("any-of", OPEN, YES), True, 1, "any-of: contains: "),
        (group("not-any-of", NO, NO), True, 1, "not-any-of: none of 2 passed"),
        (group("not-any-of", NO, YES), False, 0, "not-any-of: contains: "),
        (group("all-of", YES, YES), True, 1, "all-of: all 2 passed"),
        (group("all-of", YES, NO), False, 0.5, 'all-of: contains: "z" is not in "abc"'),
        (group("all-of", YES, {**NO, "weight": 3}), False, 0.25, "all-of: contains: "),
        (group("not-all-of", YES, NO), True, 0.5, "not-all-of: contains: "),
        (group("not-all-of", OPEN, NO), True, 1, "not-all-of: contains: "),
        (group("all-of", YES, NO, threshold=0.5), True, 0.5, "all-of: score 0.5 is at least 0.5: contains: "),
        (
            group("all-of", YES, {**NO, "weight": 2}, threshold=0.5),
            False,
            1 / 3,
            "all-of: score 0.333 is less than 0.5",
        ),
        (group("all-of", {**NO, "type": "not-contains"}, group("any-of", NO, YES)), True, 1, "all-of: all 2 passed"),
    ],
    ids=str,
)
def test_a_group(entry, passed, score, reason):
    found = result_of(entry, "abc")
    assert (found.passed, found.score) == (passed, pytest.approx(score))
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    "entry",
    [
        group("any-of", OPEN, NO),
        group("any-of", OPEN),
        group("all-of", OPEN, YES),
        group("all-of", OPEN, YES, threshold=0.1),
        group("any-of", NO, group("all-of", YES, OPEN)),
        group("any-of", NO, {"type": "not-cost", "threshold": 1}),
    ],
    ids=str,
)
def test_what_is_left_open_cannot_be_evaluated(entry):
    assert_cannot_be_evaluated(entry, "abc", "the cost is not known")


def test_a_judge_is_asked_only_where_the_others_leave_it_open():
    for entry, passed, times in (
        (group("any-of", RUBRIC, YES), True, 0),
        (group("any-of", RUBRIC, NO), True, 1),
        (group("all-of", RUBRIC, NO), False, 0),
        (group("all-of", RUBRIC, YES), True, 1),
        (group("any-of", RUBRIC, RUBRIC), True, 1),
        (group("all-of", RUBRIC, NO, threshold=0.5), True, 1),
    ):
        judge = Judge(GOOD)
        found = judged(entry, "abc", judge)
        assert (found.passed, len(judge.asked)) == (passed, times), entry


def test_a_judge_that_fails_leaves_it_open_and_is_no_failed_check():
    broken = JudgeError("down")
    with pytest.raises(JudgeError, match="down"):
        judged(group("any-of", RUBRIC, NO), "abc", Judge(broken))
    with pytest.raises(JudgeError, match="down"):
        judged(group("not-all-of", RUBRIC, RUBRIC), "abc", Judge(broken, GOOD))
    assert judged(group("any-of", RUBRIC, RUBRIC), "abc", Judge(broken, GOOD)).passed
    assert not judged(group("all-of", RUBRIC, RUBRIC), "abc", Judge(broken, BAD)).passed


def test_a_group_needs_what_its_checks_need_and_uses_what_they_use():
    (check,) = compiled(group("all-of", OPEN, group("any-of", RUBRIC, {"type": "contains", "value": ["a {{ b }}"]})))
    assert check.needs == {"price", "grader"}
    assert [(use.at, use.reference.name) for use in check.uses] == [(("value", 1, "value", 1, "value", 0), "b")]
    (check,) = compiled(group("any-of", {"type": "contains", "value": "{{ x }}"}))
    assert check.run(Answer("abc", vars={"x": "b"})).passed
    assert asyncio.run(check.judge(Answer("abc", vars={"x": "d"}), Judge())).passed is False


def test_everything_that_is_wrong_in_a_group_is_told_with_its_place():
    wrong = group("any-of", {"type": "contians", "value": "x"}, group("all-of", {"type": "contains"}, {"type": "cost"}))
    assert [(issue.at, issue.message) for issue in issues_of(wrong)] == [
        ((0, "value", 0, "type"), "There is no check `contians`."),
        ((0, "value", 1, "value", 0), "`contains` needs a `value`."),
        ((0, "value", 1, "value", 1), "`cost` needs a `threshold`: USD at most."),
    ]


@pytest.mark.parametrize(
    ("entry", "at", "words"),
    [
        ({"type": "any-of"}, (), "needs a `value`"),
        (group("any-of"), ("value",), "a list of checks"),
        ({"type": "any-of", "value": {"type": "is-json"}}, ("value",), "a list of checks"),
        ({"type": "any-of", "value": ["is-json"]}, ("value", 0), "A check is a mapping"),
        (group("any-of", YES, path="$.a"), ("path",), "takes no `path`"),
        (group("any-of", YES, threshold=0.5), ("threshold",), "takes no `threshold`"),
        (group("any-of", {**YES, "weight": 2}), ("value", 0, "weight"), "no effect in `any-of`"),
        (group("all-of", {**YES, "metric": "m"}), ("value", 0, "metric"), "no effect in a group"),
        (group("all-of", {"type": "select-best", "value": "x"}), ("value", 0), "cannot stand in a group"),
    ],
    ids=str,
)
def test_a_wrong_group_is_told(entry, at, words):
    issue = issue_of(entry)
    assert issue.at == (0, *at)
    assert words in issue.message


def test_groups_are_nested_only_so_deep():
    entry = YES
    for _ in range(50):
        entry = group("all-of", entry)
    assert "nested more than 10 deep" in issue_of(entry).message


LEAVES = st.sampled_from([YES, NO, OPEN])
TREES = st.recursive(LEAVES, lambda inner: st.builds(
    lambda kind, checks: group(kind, *checks),
    st.sampled_from(["any-of", "all-of", "not-any-of", "not-all-of"]), st.lists(inner, min_size=1, max_size=3),
), max_leaves=8)  # fmt: skip


def meaning(entry):
    """Kleene's logic: True, False, or None for what is open."""
    kind = entry["type"].removeprefix("not-")
    if kind == "cost":
        return None
    if kind == "contains":
        return entry is YES
    parts = [meaning(part) for part in entry["value"]]
    decided, other = (True, False) if kind == "any-of" else (False, True)
    found = decided if decided in parts else None if None in parts else other
    return found if found is None or not entry["type"].startswith("not-") else not found


@settings(deadline=None)
@given(TREES)
def test_groups_follow_the_logic_of_three_values(entry):
    found = result_of(entry, "abc")
    assert found.passed is (meaning(entry) is True)
    assert ("cannot be evaluated" in found.reason) is (meaning(entry) is None)
