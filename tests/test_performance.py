"""A guard with a wide margin: what a call costs beside bare aiohttp. The figures themselves are benchmarks' business."""

from __future__ import annotations

from benchmarks.measure import in_turn
from benchmarks.server import PIECES, at, static_server


def test_a_call_costs_less_than_four_times_bare_aiohttp():
    with static_server() as (_, base):
        found = in_turn(["bare", "ours"], 3, "call", base=base, count=1500, in_flight=32)
    assert found["ours"]["cpu_us"] < 4 * found["bare"]["cpu_us"]


def test_a_stream_costs_less_than_four_times_bare_aiohttp():
    with static_server() as (_, base):
        found = in_turn(["bare", "ours"], 3, "stream", base=at(base, "stream"), count=100, in_flight=32)
    assert found["ours"]["pieces"] == found["bare"]["pieces"] == PIECES
    assert found["ours"]["cpu_us"] < 4 * found["bare"]["cpu_us"]
