"""A guard with a wide margin: what a call costs beside bare aiohttp. The figures themselves are benchmarks' business."""

from __future__ import annotations

from benchmarks.call import BARE, HARNESS, OURS
from benchmarks.measure import Case, in_turn
from benchmarks.server import static_server


def test_a_call_costs_less_than_four_times_bare_aiohttp():
    with static_server() as (_, base):
        common = {"calls": 1500, "in_flight": 32, "base": base}
        cases = [Case("bare", HARNESS.format(**common, **BARE)), Case("ours", HARNESS.format(**common, **OURS))]
        found = in_turn(cases, 3)
    assert found["ours"]["cpu_us"] < 4 * found["bare"]["cpu_us"]
