"""The tests behind the verdict: against enumeration by brute force, exact sizes, published figures and properties."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.regression.distributions import Distribution, hypergeometric, sum_of
from throughster.regression.statistics import (
    Pair,
    case_p,
    cohens_h,
    corrected,
    difference_interval,
    holm,
    suite_p,
    wilson,
)


@st.composite
def a_pair(draw, most=4):
    before, after = draw(st.integers(1, most)), draw(st.integers(1, most))
    return Pair(draw(st.integers(0, before)), before, draw(st.integers(0, after)), after)


def by_dividing(pairs):
    """The p value of the suite, as an exact fraction: every way to give each case's passes to its repeats is as likely."""
    ways = []
    for pair in pairs:
        draws = itertools.combinations(range(pair.repeats), pair.passed)
        ways.append([sum(n >= pair.repeats_before for n in draw) for draw in draws])
    observed = sum(pair.passed_after for pair in pairs)
    sums = [sum(way) for way in itertools.product(*ways)]
    return Fraction(sum(total <= observed for total in sums), len(sums))


def binomial(count, p):
    return [math.comb(count, k) * p**k * (1 - p) ** (count - k) for k in range(count + 1)]


@settings(max_examples=60, deadline=None)
@given(st.lists(a_pair(), min_size=1, max_size=3))
def test_the_suites_p_value_is_that_of_enumeration(pairs):
    assert suite_p(pairs) == pytest.approx(float(by_dividing(pairs)), abs=1e-12)


@pytest.mark.parametrize(
    ("pair", "p"),
    [
        (Pair(3, 4, 1, 4), 17 / 70),  # Fisher's tea: 1 - 17/70 + 16/70 of the other side
        (Pair(5, 5, 0, 5), 1 / 252),
        (Pair(5, 5, 5, 5), 1.0),
        (Pair(0, 5, 0, 5), 1.0),
        (Pair(0, 5, 5, 5), 1.0),
        (Pair(1, 1, 0, 1), 0.5),
    ],
)
def test_one_case_is_fishers_exact_test(pair, p):
    assert case_p(pair) == pytest.approx(p)
    assert suite_p([pair]) == pytest.approx(p)


@settings(deadline=None)
@given(a_pair(8))
def test_one_case_alone_is_a_suite_of_one(pair):
    assert case_p(pair) == pytest.approx(suite_p([pair]))


@pytest.mark.parametrize(("worse", "better"), [(5, 0), (8, 2), (10, 10), (0, 4)])
def test_one_repeat_is_mcnemars_exact_test(worse, better):
    pairs = [Pair(1, 1, 0, 1)] * worse + [Pair(0, 1, 1, 1)] * better + [Pair(1, 1, 1, 1)] * 20 + [Pair(0, 1, 0, 1)] * 3
    expected = sum(math.comb(worse + better, k) for k in range(better + 1)) / 2 ** (worse + better)
    assert suite_p(pairs) == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize(
    ("chances", "before", "after"), [((0.5,), 3, 3), ((0.9, 0.3), 2, 3), ((0.95, 0.95, 0.6), 2, 2)]
)
def test_the_level_is_held_exactly(chances, before, after, alpha):
    """Summed over all outcomes of unchanged cases, easy and hard: no simulation, no chance."""
    size = 0.0
    axes = [range(before + 1), range(after + 1)] * len(chances)
    for outcome in itertools.product(*axes):
        pairs = [Pair(outcome[2 * n], before, outcome[2 * n + 1], after) for n in range(len(chances))]
        if suite_p(pairs) <= alpha:
            size += math.prod(
                binomial(before, p)[pair.passed_before] * binomial(after, p)[pair.passed_after]
                for p, pair in zip(chances, pairs, strict=True)
            )
    assert size <= alpha


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_level_of_the_corrected_tests_is_held_exactly(alpha):
    """The chance that any of two unchanged cases is called worse."""
    chances, repeats = (0.9, 0.5), 4
    wrong = 0.0
    for outcome in itertools.product(range(repeats + 1), repeat=4):
        pairs = [Pair(outcome[0], repeats, outcome[1], repeats), Pair(outcome[2], repeats, outcome[3], repeats)]
        if min(corrected(pairs, alpha)) <= alpha:
            wrong += math.prod(
                binomial(repeats, p)[pair.passed_before] * binomial(repeats, p)[pair.passed_after]
                for p, pair in zip(chances, pairs, strict=True)
            )
    assert 0 < wrong <= alpha


def test_a_broken_case_is_found_among_many_that_could_not_have_been():
    """Plain Holm would multiply 1/252 by 30; 29 cases with one failure each could never be significant themselves."""
    pairs = [Pair(5, 5, 4, 5)] * 29 + [Pair(5, 5, 0, 5)]
    found = corrected(pairs, 0.05)
    assert found[-1] == pytest.approx(1 / 252)
    assert set(found[:-1]) == {1.0}
    assert holm([case_p(pair) for pair in pairs])[-1] > 0.05


def test_two_cases_that_could_be_found_are_corrected_for_two():
    pairs = [Pair(5, 5, 4, 5)] * 8 + [Pair(5, 5, 1, 5), Pair(5, 5, 0, 5)]  # 5/210 and 1/252 at least
    assert corrected(pairs, 0.05)[-2:] == pytest.approx([5 / 210, 2 / 252])
    assert corrected([*pairs, pairs[-1]], 0.05)[-1] == pytest.approx(2 / 252)  # the one of 5/210 can no longer be found


def test_holms_method_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7, 0.8]) == [1.0, 1.0]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_a_corrected_value_is_never_below_its_own_and_keeps_the_order(values):
    found = holm(values)
    assert all(one <= other <= 1 for one, other in zip(values, found, strict=True))
    assert [found[n] for n in sorted(range(len(values)), key=values.__getitem__)] == sorted(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(a_pair(6), min_size=1, max_size=8), st.floats(0, 0.5), st.floats(0, 0.5))
def test_more_tolerance_finds_less(pairs, one, other):
    low, high = sorted((one, other))
    assert suite_p(pairs, 0.0) <= suite_p(pairs, low) + 1e-12
    assert suite_p(pairs, low) <= suite_p(pairs, high) + 1e-12


@settings(max_examples=60, deadline=None)
@given(st.lists(a_pair(6), min_size=2, max_size=6), st.integers(0, 5))
def test_one_pass_fewer_makes_a_drop_no_likelier_chance_and_order_does_not_matter(pairs, at):
    p = suite_p(pairs)
    assert suite_p(pairs[::-1]) == pytest.approx(p)
    n = at % len(pairs)
    old = pairs[n]
    if old.passed_after and old.passed_before < old.repeats_before:  # one pass moves to the earlier run
        pairs[n] = Pair(old.passed_before + 1, old.repeats_before, old.passed_after - 1, old.repeats_after)
        assert suite_p(pairs) <= p + 1e-12


def test_nothing_to_compare_is_no_evidence():
    assert suite_p([]) == 1.0
    assert corrected([], 0.05) == []


def test_thousands_of_cases_are_added_up_without_loss():
    pairs = [Pair(1, 1, 0, 1)] * 2600 + [Pair(0, 1, 1, 1)] * 2400
    exact = Fraction(sum(math.comb(5000, k) for k in range(2401)), 2**5000)
    assert suite_p(pairs) == pytest.approx(float(exact), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_a_hypergeometric_count(drawn, others, data):
    marked = data.draw(st.integers(0, drawn + others))
    found = hypergeometric(drawn, others, marked)
    assert math.fsum(found.masses) == pytest.approx(1)
    mean = sum((found.first + k) * mass for k, mass in enumerate(found.masses))
    assert mean == pytest.approx(drawn * marked / (drawn + others), abs=1e-6)
    k = found.first + len(found.masses) // 2
    exact = Fraction(math.comb(drawn, k) * math.comb(others, marked - k), math.comb(drawn + others, marked))
    assert found.masses[k - found.first] == pytest.approx(float(exact), rel=1e-9)


def test_sums_of_counts():
    coin = Distribution(0, (0.5, 0.5))
    assert (coin + coin).masses == pytest.approx((0.25, 0.5, 0.25))
    assert sum_of([(coin, 10)]).masses == pytest.approx([math.comb(10, k) / 1024 for k in range(11)])
    assert sum_of([(Distribution(3, (1.0,)), 2), (coin, 1)]) == Distribution(6, (0.5, 0.5))
    assert coin.times(0) == Distribution(0, (1.0,))


def test_between_two_counts_the_probability_is_joined():
    coin = Distribution(0, (0.25, 0.75))
    assert [coin.at_most(x) for x in (-2, -1, -0.5, 0, 0.5, 1, 7)] == pytest.approx([0, 0, 0.125, 0.25, 0.625, 1, 1])


@pytest.mark.parametrize(
    ("passed", "repeats", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_as_published(passed, repeats, low, high):
    """Newcombe 1998, Stat. Med. 17, 857-872, table I, method 3."""
    found = wilson(passed, repeats, 0.025)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_seventeen_of_twenty_is_less_sure_than_850_of_1000():
    few, many = wilson(17, 20, 0.025), wilson(850, 1000, 0.025)
    assert few.low < many.low < 0.85 < many.high < few.high
    assert (wilson(0, 0, 0.05).low, wilson(0, 0, 0.05).high) == (0.0, 1.0)


def test_cohens_h():
    assert cohens_h(0.9, 0.6) == pytest.approx(2.498 - 1.772, abs=1e-3)  # as tabled in Cohen 1988, table 6.2.2
    assert cohens_h(0.5, 0.5) == 0
    assert cohens_h(0.0, 1.0) == pytest.approx(-math.pi)


def test_without_a_failure_a_drop_remains_possible():
    """As far as Wilson's interval has it: z² / repeats."""
    found = difference_interval([Pair(1, 1, 1, 1)] * 30, 0.0, 0.05)
    assert found.high == pytest.approx(1.6449**2 / 30, abs=1e-4)
    assert found.low == -found.high


@pytest.mark.parametrize(
    ("chances", "drop", "repeats"), [([0.9] * 30, 0.0, 5), ([0.8] * 10 + [1.0] * 20, 0.2, 3), ([1.0] * 40, 0.1, 1)]
)
def test_the_intervals_miss_the_true_drop_as_seldom_as_they_say(chances, drop, repeats):
    dice = random.Random(7)
    missed_low = missed_high = 0
    for _ in range(400):
        pairs = [Pair(count(dice, repeats, p), repeats, count(dice, repeats, p - drop), repeats) for p in chances]
        seen = sum(pair.passed_before - pair.passed_after for pair in pairs) / repeats / len(pairs)
        found = difference_interval(pairs, seen, 0.05)
        missed_low += drop < found.low
        missed_high += drop > found.high
    assert missed_low <= 0.09 * 400
    assert missed_high <= 0.09 * 400


def count(dice, repeats, p):
    return sum(dice.random() < p for _ in range(repeats))
