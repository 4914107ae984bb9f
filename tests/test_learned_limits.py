"""Limits that only the replies tell, at their edges: bursts, refusals, pauses, outages, shares."""

from __future__ import annotations

import asyncio
import math

import pytest

from throughster.errors import RateLimitError, ServerError
from throughster.limits import Admission, Endpoint, Rate
from throughster.running.targets import share_of
from throughster.types import Limits, Quota, Retry

RETRY = Retry(max_attempts=3, initial_delay_s=0.01, max_delay_s=0.02)


class Server:
    """Ten a second, sixty at once. `counts`: whether a reply tells what was left as the request came or as it left."""

    def __init__(self, counts):
        self.counts, self.level, self.at = counts, 60.0, 0.0
        self.answered = self.refused = 0

    def left(self, now):
        self.level = min(60.0, self.level + (now - self.at) * 10.0)
        self.at = now
        return math.floor(self.level)

    def ask(self, now):
        is_answered = self.left(now) >= 1
        self.level -= is_answered
        self.answered += is_answered
        self.refused += not is_answered
        return self.left(now)


@pytest.mark.parametrize("latency_s", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("counts", ["early", "late"])
def test_a_burst_that_the_server_allows_is_used(counts, latency_s):
    """Simulated: 400 rows may take 34 s."""
    server, rate, now, under_way = Server(counts), Rate(), 0.0, []
    while server.answered < 400:
        most = 64 if rate.is_known else 20  # nobody knows of a limit at first
        while len(under_way) < most and server.answered < 400 and rate.wait_s(1, now) == 0.0:
            under_way.append((now, rate.take(1, now), server.ask(now)))
        reply_at = under_way[0][0] + latency_s if under_way else math.inf
        now = reply_at if len(under_way) >= most else min(reply_at, now + rate.wait_s(1, now) + 1e-6)
        while under_way and under_way[0][0] + latency_s <= now:
            sent_at, then, left = under_way.pop(0)
            rate.observe(600, left if counts == "early" else server.left(now), then, now, now - sent_at)
    assert now <= 36.0
    assert server.refused <= 0.02 * 400


def test_what_is_left_is_raised_only_as_far_as_it_is_certain():
    rate = Rate()
    then = [rate.take(1, 0.0) for _ in range(20)]
    rate.observe(600, 30, then[0], 0.0, 1.0)
    assert rate.wait_s(11, 0.0) == 0.0
    assert rate.wait_s(12, 0.0) > 0.0  # 19 others may have come after this was counted
    rate.observe(600, 30, then[9], 0.0, 1.0)
    assert rate.wait_s(20, 0.0) == 0.0
    assert rate.wait_s(21, 0.0) > 0.0
    rate.observe(600, 5, then[19], 0.0, 0.0)  # others use the same key
    assert rate.wait_s(5, 0.0) == 0.0
    assert rate.wait_s(6, 0.0) > 0.0


def test_what_the_minute_has_left_says_nothing_of_a_narrower_window():
    rate = Rate()
    rate.observe(600, 600, rate.take(1, 0.0), 0.0)
    assert rate.narrow(1.0)
    rate.observe(600, 590, 1.0, 0.0)
    assert rate.wait_s(1, 0.0) > 0.0


def test_a_lower_limit_of_ones_own_is_not_raised_by_what_the_server_has_left():
    rate = Rate(60)
    for _ in range(60):
        rate.take(1, 0.0)
    rate.observe(600, 540, 60.0, 0.0)
    assert rate.wait_s(1, 0.0) > 0.0


def test_the_first_headers_count_what_left_before_anybody_knew_of_a_limit():
    async def scenario():
        queue = Admission(Limits(max_in_flight=50, adaptive=False), Endpoint())
        tickets = [await queue.enter() for _ in range(10)]
        queue.leave(tickets[2], answered=True, quota=Quota(600, 9))
        free = 0
        while queue.endpoint.requests.wait_s(1, queue.endpoint.requests._at) == 0.0:
            queue.endpoint.requests.take(1, queue.endpoint.requests._at)
            free += 1
        return free

    assert asyncio.run(scenario()) == 2  # of nine, seven were already on their way


def test_refusals_of_one_flight_narrow_the_window_once():
    async def scenario():
        endpoint = Endpoint()
        queue = Admission(Limits(max_in_flight=50, adaptive=False), endpoint)
        queue.leave(await queue.enter(), answered=True, quota=Quota(600, 599))
        flight = [await queue.enter() for _ in range(8)]
        for ticket in flight:
            queue.leave(ticket, RateLimitError("slow down"), quota=Quota(600, 550), retry=RETRY)
        return endpoint.requests.window_s, queue.gate.limit

    assert asyncio.run(scenario()) == (10.0, 50)


@pytest.mark.parametrize("quota", [Quota(600, 0), Quota(600, 500, 1000, 3)])
def test_a_refusal_that_the_headers_explain_changes_neither_window_nor_concurrency(quota):
    async def scenario():
        endpoint = Endpoint()
        queue = Admission(Limits(max_in_flight=50), endpoint)
        queue.leave(await queue.enter(40, 100), answered=True, quota=Quota(600, 599, 1000, 900))
        before = queue.gate.limit
        for _ in range(3):
            ticket = queue._ticket(40, 100, endpoint.take(110, 0.0))
            queue.leave(ticket, RateLimitError("slow down"), quota=quota, retry=RETRY)
        return endpoint.requests.window_s, endpoint.tokens.window_s, queue.gate.limit - before, queue.gate.epoch

    assert asyncio.run(scenario()) == (60.0, 60.0, 0, 0)


def test_who_can_ask_elsewhere_does_not_wait_for_a_pause_to_end():
    async def scenario():
        queue = Admission(Limits(max_in_flight=50), Endpoint())
        queue.leave(
            await queue.enter(), RateLimitError("in an hour", retry_after_s=60), quota=Quota(600, 0), retry=RETRY
        )
        with pytest.raises(RateLimitError, match="in an hour") as caught:
            await asyncio.wait_for(queue.enter(patient=False), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.enter(), 0.05)
        return caught.value.service_down, queue.gate.in_flight

    assert asyncio.run(scenario()) == (False, 0)


def test_a_second_outage_gets_its_probes():
    """As many as the first: those of the first are forgotten when it ends."""

    async def scenario():
        endpoint = Endpoint()
        queue = Admission(Limits(max_in_flight=100, adaptive=False), endpoint)

        async def fail(count):
            for _ in range(count):
                ticket = await queue.enter()
                queue.leave(ticket, ServerError("broken", http_status=500), retry=RETRY)

        probes = []
        for _ in range(2):
            while not endpoint.is_out:
                await fail(1)
            await fail(2)
            probes.append(endpoint.down(0.0) is None and endpoint._failed_probes)
            queue.leave(await queue.enter(), answered=True)
            assert not endpoint.is_out
        return probes

    assert asyncio.run(scenario()) == [2, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("most", [1, 2, 5, 64, 1000])
def test_the_shares_of_several_processes_are_the_whole(most, count):
    whole = Limits(max_in_flight=most, requests_per_minute=600, tokens_per_minute=9000)
    shares = [share_of(whole, n, count) for n in range(count)]
    assert min(share.max_in_flight for share in shares) >= 1
    assert sum(share.max_in_flight for share in shares) == max(most, count)
    assert sum(share.requests_per_minute for share in shares) == pytest.approx(600)
    assert sum(share.tokens_per_minute for share in shares) == pytest.approx(9000)
