"""Results files, folded into cases."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.regression.lines import result_line

from throughster.errors import SettingsError
from throughster.regression import CaseKey, CaseOutcome, fold
from throughster.running.result import STATUSES, CheckResult


def only(cases):
    (case,) = cases.values()
    return case


def outcome(passed, failed, errors, pass_rate):
    key = CaseKey("suite", "one", "offline:canned")
    return CaseOutcome(key, 0, pass_rate, None, None, (), {}, passed, failed, errors, {}, (), (), (), None)


@pytest.mark.parametrize(
    ("passed", "failed", "errors", "pass_rate", "verdict"),
    [
        (5, 0, 0, 1.0, "pass"),
        (4, 1, 0, 1.0, "fail"),
        (4, 1, 0, 0.8, "flaky"),
        (3, 2, 0, 0.8, "fail"),
        (7, 3, 0, 0.7, "flaky"),
        (0, 5, 0, 1e-12, "fail"),  # one must pass, however low the rate
        (1, 9, 0, 1e-12, "flaky"),
        (0, 0, 5, 0.8, "error"),
        (0, 0, 0, 1.0, "error"),
        (4, 0, 1, 0.8, "pass"),  # whatever the fifth would have been
        (4, 0, 1, 1.0, "error"),
        (3, 1, 1, 0.8, "error"),
        (2, 2, 1, 0.8, "fail"),
        (0, 1, 0, 1.0, "fail"),  # stopped when decided
        (0, 0, 3, 0.0, "error"),
    ],
)
def test_verdicts(passed, failed, errors, pass_rate, verdict):
    assert outcome(passed, failed, errors, pass_rate).verdict == verdict


@settings(deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]))
def test_an_error_is_what_the_missing_answers_would_have_decided(passed, failed, errors, pass_rate):
    verdict = outcome(passed, failed, errors, pass_rate).verdict
    ends = {outcome(passed + more, failed + errors - more, 0, pass_rate).is_passing for more in range(errors + 1)}
    if passed + failed and len(ends) == 1:
        assert verdict in (("pass", "flaky") if ends == {True} else ("fail",))
    else:
        assert verdict == "error"


def test_every_status_counts_as_what_it_is(results):
    path = results("a.jsonl", [(9, 9)], lambda _, repeat: {"status": STATUSES[repeat]})
    case = only(fold(path))
    assert (case.passed, case.failed, case.errors, case.tally) == (1, 5, 3, "1/6")
    assert case.failures == dict.fromkeys(("filtered", "icontains", "invalid", "refused", "truncated"), 1)


def test_checks_that_failed_most_come_first(results):
    def fields(_, repeat):
        failed = ("latency", "regex") if repeat else ("regex",)
        return {"status": "failed", "checks": tuple(CheckResult(kind, False, 0.0, "") for kind in failed)}

    case = only(fold(results("a.jsonl", [(0, 3)], fields)))
    assert list(case.failures.items()) == [("regex", 3), ("latency", 2)]


def test_cases_stand_in_the_order_of_rows_whatever_the_order_of_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(result_line(row, repeat) for repeat in (1, 0) for row in (2, 0, 1)))
    found = fold(path)
    assert list(found) == [CaseKey("suite", f"case-{row}", "offline:canned") for row in range(3)]
    assert {case.passed for case in found.values()} == {2}


def test_of_a_repeat_that_was_asked_again_the_last_line_counts(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(result_line(0, 0, status="error") + result_line(0, 1) + result_line(0, 0, digest="new"))
    case = only(fold(path))
    assert (case.passed, case.errors, case.digest) == (2, 0, "new")


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(result_line(0, 0) + result_line(0, 1)[:-20])
    assert only(fold(path)).passed == 1


def test_figures_are_those_of_answers_that_were_asked_now(results):
    def fields(_, repeat):
        return {"cached": repeat == 0, "cost_usd": 0.0 if repeat == 0 else 0.25, "latency_s": float(repeat)}

    case = only(fold(results("a.jsonl", [(3, 3)], fields)))
    assert (list(case.latencies_s), list(case.costs_usd), list(case.tokens)) == ([2.0, 1.0], [0.25, 0.25], [15.0, 15.0])
    assert case.cost_usd == 0.5
    assert only(fold(results("b.jsonl", [(1, 1)], lambda *_: {"cost_usd": None}))).cost_usd is None


def test_only_short_variables_are_kept(results):
    variables = {"n": 3, "flag": True, "word": "hi", "body": "x" * 5000, "list": [1], "nothing": None}
    case = only(fold(results("a.jsonl", [(1, 1)], lambda *_: {"vars": variables})))
    assert case.variables == {"n": "3", "flag": "true", "word": "hi"}


def test_names_tags_and_rates(results):
    path = results("a.jsonl", [(4, 5), (4, 5)], lambda row, _: {"tags": ["short"], "name": f"the case {row}"})
    first, second = fold(path, pass_rate=0.9, rates={"case-1": 0.8}, tags={"case-1": ("long",)}).values()
    assert (first.verdict, first.tags, first.name) == ("fail", ("short",), "the case 0")
    assert (second.verdict, second.tags) == ("flaky", ("long",))


def test_an_empty_file_has_no_cases(tmp_path):
    path = tmp_path / "a.jsonl"
    path.touch()
    assert fold(path) == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"nonsense\n", ":1:"),
        (b"[]\n", ":1:"),
        (b'{"summary": {}}\n', ":1:"),
        (b"no line at all", ":1:"),
        (result_line(0, 0) + result_line(0, 1).replace(b'"ok"', b'"fine"'), ":2:"),
        (result_line(0, 0) + result_line(0, 1).replace(b'"repeat":1', b'"repeat":"1"'), ":2:"),
        (result_line(0, 0) + b"\n" + b"\x00\n" + result_line(0, 1), ":3:"),
    ],
)
def test_what_is_no_result_is_told_with_its_line(tmp_path, text, place):
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    with pytest.raises(SettingsError, match=f"a.jsonl{place} this line is no result"):
        fold(path)


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        fold(tmp_path / "none.jsonl")
    with pytest.raises(SettingsError, match="cannot be read"):
        fold(tmp_path)


def test_memory_does_not_grow_with_the_answers(tmp_path):
    import tracemalloc

    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        for row in range(20):
            for repeat in range(100):
                file.write(result_line(row, repeat, text="x" * 20_000))
    tracemalloc.start()
    assert len(fold(path)) == 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000 < path.stat().st_size / 15
