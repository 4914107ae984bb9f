"""What the checks of a case come to together."""

import pytest
from tests.checks.making import compiled

from throughster.checks import Answer, verdict_of

A, B, Z = ({"type": "contains", "value": letter} for letter in "abz")


def verdict(*entries, threshold=None):
    checks = compiled(*entries)
    return verdict_of(checks, [check.run(Answer("ab")) for check in checks], threshold)


@pytest.mark.parametrize(
    ("entries", "threshold", "passed", "score", "reason"),
    [
        ([A, B], None, True, 1, "all 2 checks passed"),
        ([A, Z], None, False, 0.5, 'contains: "z" is not in "ab"'),
        ([Z, Z], None, False, 0, "2 of 2 checks failed"),
        ([A, {**Z, "weight": 3}], None, False, 0.25, 'contains: "z" is not in "ab"'),
        ([A, {**Z, "weight": 0}], None, True, 1, "all 1 checks passed"),
        ([A, Z], 0.5, True, 0.5, "score 0.5 is at least 0.5; 1 of 2 checks failed"),
        ([A, Z], 0.6, False, 0.5, "score 0.5 is less than 0.6; 1 of 2 checks failed"),
        ([{**A, "weight": 0.7}, {**B, "weight": 0.1}, {**Z, "weight": 0.2}], 0.8, True, 0.8, "score 0.8 is at least"),
    ],
)
def test_the_verdict(entries, threshold, passed, score, reason):
    found = verdict(*entries, threshold=threshold)
    assert (found.passed, found.score) == (passed, pytest.approx(score))
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("threshold", [None, 0.0, 0.5])
def test_nothing_that_counts_is_no_pass(threshold):
    for entries in ([], [{**A, "weight": 0}]):
        found = verdict(*entries, threshold=threshold)
        assert (found.passed, found.reason) == (False, "no check has a weight, so none can pass")


def test_scores_by_metric():
    entries = [{**A, "metric": "x"}, {**Z, "metric": "x", "weight": 3}, {**Z, "metric": "y", "weight": 0}, B]
    assert verdict(*entries).metrics == {"x": 0.25, "y": 0.0}


def test_a_check_and_its_result_belong_together():
    checks = compiled(A, B)
    with pytest.raises(ValueError, match="zip"):
        verdict_of(checks, [checks[0].run(Answer("a"))])
