"""Comparisons of whole results: seeded simulations of the promises, what is told of cases, and degenerate input."""

from __future__ import annotations

import random

import pytest

from throughster.regression import CaseKey, CaseOutcome, compare, fold
from throughster.regression.decide import decide, points, shown_p
from throughster.regression.power import Suite, power, repeats_needed
from throughster.regression.statistics import Pair, least_odds, suite_p
from throughster.regression.suite import suite_change
from throughster.regression.tables import text

ALPHA = 0.05


def draw(dice, chances, repeats):
    return [sum(dice.random() < p for _ in range(repeats)) for p in chances]


def simulated(chances, later, repeats, runs, *, tolerance=0.0, seed=1):
    """How many of `runs` comparisons came to which verdict."""
    dice = random.Random(seed)
    counts = {"regression": 0, "no regression": 0, "cannot tell": 0}
    for _ in range(runs):
        tallies = zip(draw(dice, chances, repeats), draw(dice, later, repeats), strict=True)
        pairs = [Pair(before, repeats, after, repeats) for before, after in tallies]
        verdict, _ = decide(suite_change(pairs, ALPHA, tolerance), len(pairs), ALPHA, tolerance)
        counts[verdict] += 1
    return counts


def alarms_allowed(runs):
    """`ALPHA`, and three standard deviations of the simulation itself."""
    return ALPHA * runs + 3 * (ALPHA * (1 - ALPHA) * runs) ** 0.5


@pytest.mark.parametrize(
    ("chances", "repeats"),
    [
        ([0.9] * 30, 5),
        ([0.9] * 30, 1),
        ([0.5] * 30, 5),
        ([1.0] * 15 + [0.6] * 15, 5),
        ([random.Random(3).betavariate(2, 0.5) for _ in range(30)], 3),
        ([0.7] * 4, 10),
    ],
    ids=["alike", "one repeat", "hard", "half flaky", "mixed", "few cases"],
)
def test_unchanged_chances_raise_no_more_alarms_than_alpha(chances, repeats):
    assert simulated(chances, chances, repeats, 300)["regression"] <= alarms_allowed(300)


def test_cases_that_only_change_places_raise_no_more_alarms_than_alpha():
    earlier, later = [0.9] * 15 + [0.5] * 15, [0.5] * 15 + [0.9] * 15
    assert simulated(earlier, later, 5, 300)["regression"] <= alarms_allowed(300)


@pytest.mark.parametrize(("chance", "repeats"), [(0.9, 5), (1.0, 5), (0.6, 8), (1.0, 20)])
def test_a_drop_of_the_tolerance_raises_no_more_alarms_than_alpha(chance, repeats):
    counts = simulated([chance] * 30, [chance - 0.1] * 30, repeats, 300, tolerance=0.1)
    assert counts["regression"] <= alarms_allowed(300)


def test_a_drop_from_090_to_060_is_found():
    counts = simulated([0.9] * 30, [0.6] * 30, 5, 300)
    assert counts["regression"] >= 0.95 * 300


def test_a_drop_beyond_the_tolerance_is_found():
    assert simulated([0.95] * 30, [0.6] * 30, 5, 200, tolerance=0.1)["regression"] >= 0.95 * 200


def test_with_three_cases_asked_once_it_cannot_tell():
    assert simulated([0.9] * 3, [0.9] * 3, 1, 100) == {"regression": 0, "no regression": 0, "cannot tell": 100}
    assert simulated([0.9] * 3, [0.0] * 3, 1, 100)["regression"] == 0


def test_with_many_cases_an_unchanged_suite_is_called_that():
    assert simulated([0.9] * 100, [0.9] * 100, 5, 100)["cannot tell"] == 0


@pytest.mark.parametrize(
    ("chances", "drop", "tolerance"),
    [([0.9] * 30, 0.1, 0.0), ([1.0] * 10 + [0.6] * 10, 0.2, 0.0), ([0.9] * 30, 0.2, 0.1)],
)
def test_so_many_repeats_do_tell(chances, drop, tolerance):
    """The number that is promised finds the drop about as often as promised: 80 % of the time."""
    dice = random.Random(5)
    mean = sum(chances) / len(chances)
    later = [p * (1 - drop / mean) for p in chances]
    suite = Suite(len(chances), mean, sum(p * p for p in chances) / len(chances))
    repeats = repeats_needed(suite, drop, tolerance, ALPHA)
    found = 0
    for _ in range(300):
        tallies = zip(draw(dice, chances, repeats), draw(dice, later, repeats), strict=True)
        found += suite_p([Pair(one, repeats, other, repeats) for one, other in tallies], tolerance) <= ALPHA
    assert 0.7 * 300 <= found <= 0.95 * 300
    assert power(suite, repeats, repeats, drop, tolerance, ALPHA) >= 0.8
    assert power(suite, repeats - 1, repeats - 1, drop, tolerance, ALPHA) < 0.8


def test_no_number_of_repeats_tells_a_drop_that_is_tolerated():
    suite = Suite(30, 0.9, 0.82)
    assert repeats_needed(suite, 0.1, 0.1, ALPHA) is None
    assert power(suite, 5, 5, 0.05, 0.1, ALPHA) == 0.0


# -- what is told ---------------------------------------------------------------------------------------------------------


def test_kinds_of_changes(results):
    before = fold(results("a.jsonl", [(5, 5), (2, 5), (5, 5), (4, 5), (5, 5)]), pass_rate=0.8)
    after = fold(results("b.jsonl", [(1, 5), (5, 5), (4, 5), (4, 5), (5, 5)]), pass_rate=0.8)
    found = compare(before, after)
    kinds = ["below its pass rate", "newly passing", "changed", "same", "same"]
    assert [change.kind for change in found.cases] == kinds
    assert [change.after.tally for change in found.of_kind("below its pass rate")] == ["1/5"]
    assert found.suite.drop == pytest.approx((21 - 19) / 25)


def test_a_broken_case_is_told_though_the_suite_holds(results):
    before = fold(results("a.jsonl", [(10, 10)] + [(5, 10)] * 60))
    after = fold(results("b.jsonl", [(1, 10)] + [(5, 10)] * 60))
    found = compare(before, after)
    assert found.verdict == "no regression"
    assert [change.is_certain for change in found.cases] == [True] + [False] * 60
    assert found.reasons[-1] == "But 1 case has dropped beyond chance."


@pytest.mark.parametrize(("cases", "repeats"), [(4, 1), (1, 5), (200, 3)])
def test_a_case_that_passed_always_and_now_never_is_no_pass(results, cases, repeats):
    """Whatever the suite's test says, which with so few or so many cases says nothing."""
    before = fold(results("a.jsonl", [(repeats, repeats)] * cases))
    after = fold(results("b.jsonl", [(0, repeats)] + [(repeats, repeats)] * (cases - 1)))
    found = compare(before, after)
    assert ([change.kind for change in found.cases].count("newly failing"), found.is_acceptable) == (1, False)
    assert found.verdict in ("newly failing", "regression")
    forgiven = compare(before, after, forgives_newly_failing=True)
    assert forgiven.is_acceptable == (forgiven.verdict != "regression")
    assert forgiven.verdict != "newly failing"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [((5, 5), (0, 5), "newly failing"), ((5, 5), (1, 5), "below its pass rate"), ((4, 5), (0, 5), "below its pass rate"),
     ((0, 5), (0, 5), "same"), ((5, 5), (5, 5), "same")],
)  # fmt: skip
def test_only_from_always_to_never_is_newly_failing(results, before, after, kind):
    found = compare(*(fold(results(name, [one]), pass_rate=0.8) for name, one in (("a", before), ("b", after))))
    assert [change.kind for change in found.cases] == [kind]


def test_a_newly_failing_case_is_seen_beside_repeats_without_an_answer(results):
    before = fold(results("a.jsonl", [(5, 5)]))
    after = fold(results("b.jsonl", [(0, 5)], lambda _, repeat: {"status": "error"} if repeat else {}))
    assert compare(before, after).verdict == "newly failing"


def test_a_missing_case_is_no_pass_where_all_are_needed(results):
    before = fold(results("a.jsonl", [(5, 5)] * 30))
    after = fold(results("b.jsonl", [(5, 5)] * 28))
    assert compare(before, after).is_acceptable
    found = compare(before, after, needs_all=True)
    assert (found.is_acceptable, found.verdict) == (False, "no regression")
    assert found.reasons[-1].startswith("2 cases of the baseline are missing now, which is no pass.")
    assert "Missing now: 2 of 30 cases of the baseline\n  case     before\n  case-28  5/5 pass" in text(found)
    assert compare(before, before, needs_all=True).is_acceptable


def test_copies_of_one_answer_count_as_one_trial(results):
    """A model that is asked for the likeliest answer gives it every time."""

    def copied(*_):
        return {"sampled": False}

    once = compare(fold(results("a.jsonl", [(1, 1)] * 12)), fold(results("b.jsonl", [(1, 1)] * 9 + [(0, 1)] * 3)))
    before = fold(results("c.jsonl", [(5, 5)] * 12, copied))
    often = compare(before, fold(results("d.jsonl", [(5, 5)] * 9 + [(0, 5)] * 3, copied)))
    assert (often.suite.p, often.suite.after) == (once.suite.p, once.suite.after)
    (note,) = often.notes
    assert note.startswith("All cases have repeats that are copies of one answer")
    assert "by chance" not in text(often).split("Newly failing")[1]
    drawn = compare(fold(results("e.jsonl", [(5, 5)] * 12)), fold(results("f.jsonl", [(5, 5)] * 9 + [(0, 5)] * 3)))
    assert drawn.suite.p < once.suite.p


@pytest.mark.parametrize(
    ("passes", "failures", "odds"),
    [(1, 1, 4), (2, 2, 16), (3, 3, 64), (5, 5, 1000), (10, 10, 1_000_000), (5, 1, 14), (5000, 5000, 10**9)],
)
def test_the_odds_of_a_case_that_turned(passes, failures, odds):
    """The greatest chance, whatever the case's own: 1 in 1,024 for five and five."""
    assert least_odds(passes, failures) == odds
    greatest = max(p**passes * (1 - p) ** failures for p in (n / 1000 for n in range(1001)))
    assert greatest <= 1.05 / odds


def test_cases_of_one_run_only(results):
    before = fold(results("a.jsonl", [(5, 5)] * 12))
    after = fold(results("b.jsonl", [(5, 5)] * 12, lambda row, _: {"id": f"case-{row + 2}"}))
    found = compare(before, after)
    assert [case.key.id for case in found.missing] == ["case-0", "case-1"]
    assert [case.key.id for case in found.new] == ["case-12", "case-13"]
    assert found.suite.cases == 10


def test_another_prompt_is_told_by_its_digest(results):
    before = fold(results("a.jsonl", [(5, 5)] * 3))
    after = fold(results("b.jsonl", [(5, 5)] * 3, lambda row, _: {"digest": "e" if row == 1 else "d"}))
    assert [change.is_other_request for change in compare(before, after).cases] == [False, True, False]


def test_two_models_are_compared_case_by_case(results):
    before = fold(results("a.jsonl", [(5, 5)] * 12))
    after = fold(results("b.jsonl", [(5, 5)] * 12, lambda *_: {"label": "openai:m", "spec": "other"}))
    found = compare(before, after)
    assert len(found.cases) == 12
    assert found.notes == (
        "The spec is not the same: suite before, other after.",
        "The provider is not the same: offline:canned before, openai:m after.",
    )


def test_several_providers_are_not_mixed_up(results):
    def both(row, repeat):
        return {"id": f"case-{row // 2}", "label": ("one", "two")[row % 2]}

    before = fold(results("a.jsonl", [(5, 5), (0, 5)], both))
    after = fold(results("b.jsonl", [(5, 5), (0, 5)], both))
    assert [change.kind for change in compare(before, after).cases] == ["same", "same"]
    assert compare(before, fold(results("c.jsonl", [(5, 5)]))).cases == ()


def test_a_group_that_dropped_is_found_beside_one_that_did_not(results):
    def fields(row, _):
        return {
            "vars": {"language": ("French", "Italian")[row % 2], "text": f"{row}"},
            "tags": ["short"][: row % 3 == 0],
        }

    before = fold(results("a.jsonl", [(5, 5)] * 12, fields))
    after = fold(results("b.jsonl", [(5, 5), (2, 5)] * 6, fields))
    found = {group.name: group for group in compare(before, after).groups}
    assert list(found) == ["language=French", "language=Italian", "tag:short"]
    assert found["language=Italian"].is_certain
    assert not found["language=French"].is_certain
    assert (found["language=Italian"].before, found["language=Italian"].after) == (1.0, pytest.approx(0.4))
    assert found["tag:short"].cases == 4


def test_groups_are_corrected_for_their_number_and_all_cases_are_none(results):
    def fields(row, _):
        return {"vars": {"part": "ABCD"[row % 4], "language": "French"}, "tags": ["all"]}

    before = fold(results("a.jsonl", [(3, 3)] * 8, fields))
    after = fold(results("b.jsonl", [(2, 3), (3, 3), (3, 3), (3, 3)] * 2, fields))
    found = compare(before, after).groups
    assert [group.name for group in found] == ["part=A", "part=B", "part=C", "part=D"]
    assert (found[0].p, found[0].p_corrected) == (pytest.approx(0.25), 1.0)


def test_slower_answers_are_told_from_varying_ones(results):
    dice = random.Random(1)

    def lasting(factor):
        return lambda row, _: {"latency_s": factor * (1 + row) * dice.uniform(0.9, 1.1), "cost_usd": 0.001}

    before = fold(results("a.jsonl", [(5, 5)] * 20, lasting(1.0)))
    same = fold(results("b.jsonl", [(5, 5)] * 20, lasting(1.0)))
    slower = fold(results("c.jsonl", [(5, 5)] * 20, lasting(1.3)))
    latency, cost, tokens = compare(before, slower).drifts
    assert (latency.quantity, latency.is_noise) == ("latency_s", False)
    assert latency.change == pytest.approx(0.3, abs=0.06)
    assert (cost.is_noise, cost.change, tokens.before.total) == (True, 0.0, 1500)
    assert compare(before, same).drifts[0].is_noise


# -- degenerate input -----------------------------------------------------------------------------------------------------


def test_nothing_in_common_cannot_tell(results):
    before = fold(results("a.jsonl", [(5, 5)]))
    assert compare({}, {}).verdict == compare(before, {}).verdict == compare({}, before).verdict == "cannot tell"
    other = {CaseKey("suite", "another", "offline:canned"): next(iter(before.values()))}
    assert compare(before, other).reasons == ("The runs have no case in common.",)


def test_errors_are_no_evidence(results):
    before = fold(results("a.jsonl", [(5, 5)] * 30))
    after = fold(results("b.jsonl", [(5, 5)] * 30, lambda *_: {"status": "error"}))
    found = compare(before, after)
    assert found.verdict == "cannot tell"
    assert found.reasons == (
        "No case has answers in both runs.",
        "30 cases are without a verdict now, which is no pass.",
    )
    assert (found.suite, found.is_acceptable) == (None, False)
    assert found.notes == ("Repeats without an answer count neither as passed nor as failed: 150 after.",)
    assert [change.kind for change in found.cases] == ["changed"] * 30


def test_some_errors_only_leave_less_to_compare(results):
    before = fold(results("a.jsonl", [(5, 5)] * 30))
    after = fold(
        results("b.jsonl", [(5, 5)] * 30, lambda row, repeat: {"status": "judge_error"} if repeat == row else {})
    )
    found = compare(before, after)
    assert found.verdict == "no regression"
    assert found.suite.after.repeats == 145


def test_other_numbers_of_repeats_are_compared_by_rate(results):
    before = fold(results("a.jsonl", [(18, 20)] * 30))
    after = fold(results("b.jsonl", [(3, 5)] * 30))
    found = compare(before, after)
    assert found.verdict == "regression"
    assert found.suite.drop == pytest.approx(0.3)


def test_cases_that_were_not_asked_equally_often_are_told(results):
    before = fold(results("a.jsonl", [(5, 5)] * 12))
    after = fold(results("b.jsonl", [(5, 5)] * 11 + [(0, 1)]))
    assert compare(before, after).notes[0].startswith("Not all cases after were asked equally often (1 to 5 times).")


def test_a_suite_that_never_passed_cannot_drop(results):
    before = fold(results("a.jsonl", [(0, 5)] * 30))
    found = compare(before, before)
    assert (found.verdict, found.suite.p) == ("no regression", 1.0)


def test_a_gain_is_no_regression_and_needs_no_power(results):
    before = fold(results("a.jsonl", [(1, 5)] * 10))
    after = fold(results("b.jsonl", [(5, 5)] * 10))
    found = compare(before, after)
    assert found.verdict == "no regression"
    assert found.suite.power < 0.8
    assert found.reasons == ("The pass rate did not drop.", "A drop of 10 points is ruled out.")


def test_a_drop_that_would_have_been_found_is_none_though_the_interval_holds_it(results):
    before = fold(results("a.jsonl", [(9, 10)] * 20))
    after = fold(results("b.jsonl", [(9, 10)] * 10 + [(8, 10)] * 10))
    found = compare(before, after)
    assert (found.verdict, found.reasons[0]) == (
        "no regression",
        "The pass rate dropped by 5 points, which may be chance (p = 0.091).",
    )
    assert found.suite.power >= 0.8
    assert found.suite.drop_high > found.suite.matters


def test_a_rate_below_the_drop_is_taken_as_the_least_that_can_be_lost():
    suite = Suite.of([Pair(0, 5, 0, 5)] * 30, 0.0, 0.1)
    assert suite.rate == 0.1
    assert power(suite, 5, 5, 0.1, 0.0, ALPHA) > 0.9


def test_how_many_repeats_would_tell_is_said(results):
    before = fold(results("a.jsonl", [(3, 3)] * 5))
    after = fold(results("b.jsonl", [(3, 3)] * 4 + [(1, 3)]))
    found = compare(before, after)
    assert found.verdict == "cannot tell"
    needed, for_drop = found.suite.repeats_to_tell, found.suite.repeats_for_drop
    assert found.reasons[1] == (
        f"About {needed} repeats of each case in both runs would tell. If the drop is the 13.3 points seen here, "
        f"{for_drop} would."
    )
    assert for_drop < needed


def test_one_outcome_is_whole_without_the_file():
    """What a caller may build itself, without a results file."""
    key = CaseKey("suite", "one", "offline:canned")
    case = CaseOutcome(key, 0, 1.0, None, None, (), {}, 1, 0, 0, {}, (), (), (), None)
    assert compare({key: case}, {key: case}).suite.cases == 1


def test_words():
    assert [points(share) for share in (0.01, 0.075, 0.1, -0.004)] == [
        "1 point",
        "7.5 points",
        "10 points",
        "-0.4 points",
    ]
    assert [shown_p(p) for p in (0.00001, 0.0034, 0.0476, 0.5)] == ["< 0.0001", "= 0.0034", "= 0.048", "= 0.50"]
