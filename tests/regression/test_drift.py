"""Whether latency, cost and tokens moved: against enumeration, and in simulations."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.regression.drift import drift, percentile, percentile_interval, signed_rank_p


def by_signs(differences):
    """The p value by all ways to give the sizes of the differences a sign."""
    sizes = sorted(abs(d) for d in differences if d)
    rank = {size: 1 + sizes.index(size) + (sizes.count(size) - 1) / 2 for size in sizes}
    total = sum(rank[size] for size in sizes)
    rising = sum(rank[d] for d in differences if d > 0)
    low = min(rising, total - rising)
    sums = [
        sum(rank[s] for s, up in zip(sizes, ups, strict=True) if up)
        for ups in itertools.product((0, 1), repeat=len(sizes))
    ]
    return min(1.0, 2 * sum(one <= low for one in sums) / len(sums))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8).filter(any))
def test_the_signed_rank_test_is_that_of_enumeration(differences):
    assert signed_rank_p(differences) == pytest.approx(by_signs(differences))


def test_the_normal_approximation_joins_the_exact_test():
    dice = random.Random(2)
    for _ in range(20):
        differences = [dice.gauss(0.2, 1) for _ in range(40)]
        exact = signed_rank_p(differences)
        more = [*differences, 0.001]  # one more, which can hardly matter
        assert signed_rank_p(more) == pytest.approx(exact, abs=0.03)


def test_no_difference_is_no_evidence():
    assert signed_rank_p([]) == signed_rank_p([0.0, 0.0]) == 1.0


def test_latencies_that_only_vary_are_called_that():
    dice = random.Random(4)
    moved = 0
    for _ in range(200):
        cases = [([dice.lognormvariate(0, 0.5) for _ in range(5)], [dice.lognormvariate(0, 0.5) for _ in range(5)])
                 for _ in range(30)]  # fmt: skip
        moved += not drift("latency_s", cases, 0.05).is_noise
    assert moved <= 0.05 * 200 + 3 * math.sqrt(0.05 * 0.95 * 200)


def test_a_slower_tail_is_seen_at_the_95th_percentile():
    dice = random.Random(6)
    before = [[dice.uniform(1, 2) for _ in range(10)] for _ in range(40)]
    after = [[dice.uniform(1, 2) * (3 if dice.random() < 0.15 else 1) for _ in range(10)] for _ in range(40)]
    found = drift("latency_s", list(zip(before, after, strict=True)), 0.05)
    assert found.p95_moved
    assert found.before.p95_low < found.before.p95 < found.before.p95_high < found.after.p95_low
    assert not drift("latency_s", list(zip(before, before, strict=True)), 0.05).p95_moved


def test_too_few_answers_for_a_percentile():
    found = drift("latency_s", [([1.0, 2.0], [3.0, 4.0])], 0.05)
    assert (found.p95_moved, found.before.p95_high, found.is_noise) == (None, None, True)
    assert (found.before.answers, found.after.total, found.change) == (2, 7.0, pytest.approx(3.5 / 1.5 - 1))


def test_cases_with_values_in_one_run_only_are_left_out():
    assert drift("cost_usd", [([1.0], []), ([], [2.0])], 0.05) is None
    assert drift("cost_usd", [([1.0], []), ([1.0], [2.0])], 0.05).before.answers == 1


@pytest.mark.parametrize("count", [10, 59, 100, 400])
def test_the_interval_of_a_percentile_misses_it_as_seldom_as_said(count):
    """By the binomial distribution itself: how many values lie below the true percentile."""
    low, high = percentile_interval(count, 0.95, 0.05)
    mass = [math.comb(count, k) * 0.95**k * 0.05 ** (count - k) for k in range(count + 1)]
    if low is not None:
        assert math.fsum(mass[: low + 1]) <= 0.05 < math.fsum(mass[: low + 2])
    if high is None:
        assert mass[count] > 0.05
    else:
        assert math.fsum(mass[high + 1 :]) <= 0.05 < math.fsum(mass[high:])
    assert (high is None) == (count < 59)


def test_percentiles_as_numpy_has_them():
    assert percentile([1.0], 0.95) == 1.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert percentile(list(map(float, range(101))), 0.95) == pytest.approx(95)
