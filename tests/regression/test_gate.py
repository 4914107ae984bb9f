"""Gates, condition by condition."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from throughster.regression import evaluate_gate, fold
from throughster.spec.model import GateSpec


def check(path, **gate):
    outcome = evaluate_gate(GateSpec(**gate), fold(path, pass_rate=0.8))
    return outcome.is_met, [(one.name, one.is_met, one.found) for one in outcome.conditions]


def test_the_share_of_cases_that_passed(results):
    path = results("a.jsonl", [(5, 5)] * 18 + [(4, 5), (3, 5)])
    assert check(path, pass_rate=0.95) == (True, [("pass_rate", True, 0.95)])
    assert check(path, pass_rate=0.96) == (False, [("pass_rate", False, 0.95)])
    (told,) = evaluate_gate(GateSpec(pass_rate=0.96), fold(path, pass_rate=0.8)).conditions
    assert told.text == "pass_rate: 19 of 20 cases passed (95 %), 96 % needed"


def test_a_case_without_an_answer_has_not_passed(results):
    path = results("a.jsonl", [(5, 5)] * 2, lambda row, _: {"status": "error"} if row else {})
    assert check(path, pass_rate=0.6) == (False, [("pass_rate", False, 0.5)])


def test_groups_by_tag_and_by_variable(results):
    def fields(row, _):
        return {"tags": ["short"] if row < 2 else [], "vars": {"language": ("French", "Italian")[row % 2]}}

    path = results("a.jsonl", [(5, 5), (5, 5), (5, 5), (0, 5)], fields)
    assert check(path, groups={"tag:short": 1.0, "language": 0.6}) == (
        False,
        [("tag:short", True, 1.0), ("language=French", True, 1.0), ("language=Italian", False, 0.5)],
    )


@pytest.mark.parametrize("name", ["tag:none", "lang"])
def test_a_group_without_cases_is_not_met(results, name):
    assert check(results("a.jsonl", [(5, 5)]), groups={name: 0.1}) == (False, [(name, False, None)])


def test_no_case_meets_no_condition(tmp_path):
    (tmp_path / "a.jsonl").touch()
    gate = {"pass_rate": 0.1, "groups": {"tag:x": 0.1}, "max_cost_usd": 1.0, "max_p95_latency_s": 9.0}
    met, conditions = check(tmp_path / "a.jsonl", **gate)
    assert not met
    assert [(is_met, found) for _, is_met, found in conditions] == [(False, None)] * 4


def test_cost_is_that_of_all_repeats(results):
    path = results("a.jsonl", [(5, 5)] * 4)
    assert check(path, max_cost_usd=0.02) == (True, [("max_cost_usd", True, pytest.approx(0.02))])
    assert check(path, max_cost_usd=0.019) == (False, [("max_cost_usd", False, pytest.approx(0.02))])
    free = results("b.jsonl", [(5, 5)], lambda *_: {"cost_usd": None})
    assert check(free, max_cost_usd=1.0) == (False, [("max_cost_usd", False, None)])


def test_latency_at_95_percent_of_the_answers(results):
    path = results("a.jsonl", [(5, 5)] * 4 + [(1, 1)], lambda row, repeat: {"latency_s": 1.0 + row * 5 + repeat})
    assert check(path, max_p95_latency_s=20.0) == (True, [("max_p95_latency_s", True, 20.0)])
    assert check(path, max_p95_latency_s=19.9) == (False, [("max_p95_latency_s", False, 20.0)])
    cached = results("b.jsonl", [(5, 5)], lambda *_: {"cached": True})
    assert check(cached, max_p95_latency_s=9.0) == (False, [("max_p95_latency_s", False, None)])


def test_each_case_that_no_rate_forgives_must_pass(results):
    path = results("a.jsonl", [(5, 5), (0, 5), (4, 5)], lambda row, _: {"tags": ["short"] if row == 2 else []})
    assert check(path, max_cost_usd=9) == (
        False,
        [("tests", False, pytest.approx(2 / 3)), ("max_cost_usd", True, pytest.approx(0.015))],
    )
    assert check(path, max_cost_usd=9, pass_rate=0.3)[0]
    assert check(path, groups={"tag:short": 0.5}) == (False, [("tag:short", True, 1.0), ("tests", False, 0.5)])


def test_a_comparison_decides_in_the_place_of_each_cases_verdict(results):
    cases = fold(results("a.jsonl", [(5, 5), (0, 5)]))
    assert evaluate_gate(GateSpec(max_cost_usd=9), cases, is_compared=True).is_met


@pytest.mark.parametrize("gate", [{}, {"groups": {}}, {"pass_rate": None}, {"pass_rate": 0}, {"groups": {"tag:x": 0}}])
def test_a_gate_that_holds_nothing_back_is_refused(gate):
    with pytest.raises(ValidationError):
        GateSpec(**gate)
