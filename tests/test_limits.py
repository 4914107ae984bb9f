"""Admission: concurrency, limits per minute, outages and budgets, on simulated servers and a stopped clock."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from throughster.errors import BudgetError, RateLimitError, ServerError
from throughster.limits import Admission, Budget, Endpoint, Estimator, Gate, Rate
from throughster.types import Limits, Price, Quota, Retry, Usage

RETRY = Retry(max_attempts=3, initial_delay_s=0.01, max_delay_s=0.02)


def run(coroutine):
    return asyncio.run(coroutine)


def admission(endpoint=None, **limits):
    return Admission(Limits(**limits), endpoint or Endpoint())


# -- the gate -----------------------------------------------------------------------------------------------------


def serve(gate, capacity, rounds):
    """Rounds of a server that pushes back on what is above its capacity; gives the share that was pushed back."""
    pushed = total = 0
    for _ in range(rounds):
        tickets = []
        while not gate.is_full:
            gate.take()
            tickets.append((gate.epoch, gate.in_flight))
        for n, (epoch, used) in enumerate(tickets):
            if epoch == gate.epoch:
                if n >= capacity:
                    gate.shrink()
                else:
                    gate.grow(used)
            gate.give_back()
            pushed += n >= capacity
            total += 1
    return pushed / total


def test_it_finds_the_capacity_of_the_server():
    gate = Gate(Limits(max_in_flight=1000))
    serve(gate, 100, 20)
    limits, pushed = [], []
    for _ in range(200):
        pushed.append(serve(gate, 100, 1))
        limits.append(min(gate.limit, 100))
    assert sum(limits) / len(limits) > 88
    assert sum(pushed) / len(pushed) < 0.02


def test_it_grows_to_the_maximum_when_nothing_pushes_back():
    gate = Gate(Limits(max_in_flight=300))
    assert gate.limit == 20
    serve(gate, 10_000, 8)
    assert gate.limit == 300


def test_one_episode_shrinks_it_once():
    async def scenario():
        queue = admission(max_in_flight=20)
        tickets = [await queue.enter() for _ in range(20)]
        for ticket in tickets:
            queue.leave(ticket, RateLimitError("too many"), retry=RETRY)
        return queue.gate.limit

    assert run(scenario()) == 14


def test_it_does_not_grow_while_it_is_not_used():
    gate = Gate(Limits(max_in_flight=300))
    for _ in range(500):
        gate.take()
        gate.grow(gate.in_flight)
        gate.give_back()
    assert gate.limit == 20


def test_broken_servers_do_not_shrink_it_to_nothing():
    gate = Gate(Limits(max_in_flight=300))
    for _ in range(30):
        gate.take()
        gate.shrink(4)
        gate.give_back()
    assert gate.limit == 4


# -- the queue ----------------------------------------------------------------------------------------------------


def test_no_more_than_the_limit_are_under_way_and_all_get_their_turn_in_order():
    async def scenario():
        queue, seen, most = admission(max_in_flight=3, adaptive=False), [], 0

        async def one(n):
            nonlocal most
            ticket = await queue.enter()
            seen.append(n)
            most = max(most, queue.gate.in_flight)
            await asyncio.sleep(0)
            queue.leave(ticket, answered=True)

        await asyncio.gather(*(one(n) for n in range(20)))
        return seen, most, queue.gate.in_flight

    assert run(scenario()) == (list(range(20)), 3, 0)


def test_a_cancelled_wait_gives_its_place_on():
    async def scenario():
        queue = admission(max_in_flight=1, adaptive=False)
        ticket = await queue.enter()
        waiting = [asyncio.create_task(queue.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        queue.leave(ticket, answered=True)
        waiting[1].cancel()  # in the moment in which it was admitted
        await asyncio.sleep(0)
        await asyncio.wait_for(waiting[2], 1)
        return queue.gate.in_flight

    assert run(scenario()) == 1


def test_it_says_what_was_waited_for():
    async def scenario():
        queue = admission(max_in_flight=1, adaptive=False)
        ticket = await queue.enter()
        waiting = asyncio.create_task(queue.enter())
        await asyncio.sleep(0.05)
        queue.leave(ticket, answered=True)
        queue.leave(await waiting, answered=True)
        return queue.held_s

    held = run(scenario())
    assert held["concurrency"] >= 0.04
    assert held["requests"] == held["tokens"] == held["server"] == 0


# -- limits per minute --------------------------------------------------------------------------------------------


def test_a_rate_is_a_bucket_that_refills():
    rate = Rate(60)
    assert all(rate.wait_s(1, 0.0) == 0.0 and rate.take(1, 0.0) for _ in range(60))
    assert rate.wait_s(1, 0.0) == pytest.approx(1.0)
    assert rate.wait_s(1, 0.5) == pytest.approx(0.5)
    assert rate.wait_s(1, 1.0) == 0.0


def test_more_than_the_bucket_holds_waits_until_it_is_full_and_goes_into_debt():
    rate = Rate(600)
    assert rate.wait_s(5000, 0.0) == 0.0
    rate.take(5000, 0.0)
    assert rate.wait_s(1, 0.0) == pytest.approx(440.1)
    assert rate.wait_s(5000, 0.0) == pytest.approx(500.0)


def test_what_was_estimated_is_settled_by_what_was_used():
    rate = Rate(600)
    rate.take(600, 0.0)
    rate.settle(600, 100)
    assert rate.wait_s(500, 0.0) == 0.0
    assert rate.wait_s(501, 0.0) > 0.0


def test_headers_teach_the_limit_and_only_ever_lower_what_is_left():
    rate = Rate()
    assert rate.wait_s(1e9, 0.0) == 0.0
    then = [rate.take(1, 0.0) for _ in range(10)]
    rate.observe(100, 95, then[4], 0.0)  # five more are on their way
    assert rate.wait_s(90, 0.0) == 0.0
    assert rate.wait_s(91, 0.0) > 0.0
    rate.observe(100, 99, then[0], 0.0)  # an older reply, which came late
    assert rate.wait_s(91, 0.0) > 0.0


@pytest.mark.parametrize(("limit", "remaining"), [(-1.0, 0.0), (0.0, 0.0), (None, -1.0), (None, None)])
def test_headers_that_know_nothing_are_not_believed(limit, remaining):
    rate = Rate()
    rate.observe(limit, remaining, rate.take(1, 0.0), 0.0)
    assert not rate.is_known
    assert rate.wait_s(1e9, 0.0) == 0.0


def test_the_lower_of_the_configured_and_the_learned_limit_holds():
    rate = Rate(60)
    rate.observe(600, 600, 0.0, 0.0)
    assert rate.per_minute == 60
    rate.observe(30, 30, 0.0, 0.0)
    assert rate.per_minute == 30


class Server:
    """A bucket of its own, as services have: one minute's worth, refilled steadily; or full windows."""

    def __init__(self, per_minute, *, window_s=60.0):
        self.per_minute, self.capacity = per_minute, per_minute * window_s / 60
        self.level, self.at = self.capacity, 0.0
        self.answered = self.refused = 0

    def ask(self, now, amount=1):
        self.level = min(self.capacity, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now
        if self.level < amount:
            self.refused += 1
            return False
        self.level -= amount
        self.answered += 1
        return True

    def quota(self):
        return Quota(self.per_minute, math.floor(self.level))


@pytest.mark.parametrize("configured", [None, 600])
def test_a_limited_server_is_used_to_its_limit_without_a_refusal(configured):
    """A thousand simulated seconds, a round trip of 0.3 s, on arithmetic alone."""
    server, rate, now, under_way = Server(600), Rate(configured), 0.0, []
    while now < 1000:
        while rate.wait_s(1, now) == 0.0 and len(under_way) < 64:
            under_way.append((now + 0.3, rate.take(1, now), server.ask(now), server.quota()))
        due = under_way[0][0] if under_way else math.inf
        wait_s = rate.wait_s(1, now)
        now = min(due, now + wait_s) if wait_s and len(under_way) < 64 else due
        while under_way and under_way[0][0] <= now:
            _, then, _, quota = under_way.pop(0)
            rate.observe(quota.limit_requests, quota.remaining_requests, then, now)
    permitted = 600 + 10 * 1000
    assert server.answered >= 0.97 * permitted
    assert server.refused <= 0.01 * server.answered


def test_a_refusal_although_the_minute_has_room_narrows_the_window():
    async def scenario():
        endpoint = Endpoint()
        queue = Admission(Limits(max_in_flight=50, adaptive=False), endpoint)
        ticket = await queue.enter()
        queue.leave(ticket, answered=True, quota=Quota(600, 599))
        assert endpoint.requests.window_s == 60.0
        ticket = await queue.enter()
        queue.leave(ticket, RateLimitError("slow down"), quota=Quota(600, 550), retry=RETRY)
        return endpoint.requests.window_s, queue.gate.limit

    assert run(scenario()) == (10.0, 50)


def test_a_pause_that_the_server_asks_for_holds_everybody_and_ends_with_one_probe():
    async def scenario():
        queue = admission(max_in_flight=50, adaptive=False)
        ticket = await queue.enter()
        exhausted = Quota(600, 0)
        queue.leave(ticket, RateLimitError("wait", retry_after_s=0.2), quota=exhausted, retry=RETRY)
        queue.endpoint.requests.learned = math.inf  # so that only the pause holds them
        waiting = [asyncio.create_task(queue.enter()) for _ in range(10)]
        await asyncio.sleep(0.1)
        before = queue.gate.in_flight
        await asyncio.sleep(0.3)
        probing = queue.gate.in_flight
        (probe,) = [task for task in waiting if task.done()]
        queue.leave(probe.result(), answered=True)
        await asyncio.sleep(0)
        return before, probing, queue.gate.in_flight

    assert run(scenario()) == (0, 1, 9)


def test_limits_are_shared_by_the_clients_of_one_endpoint():
    async def scenario():
        endpoint = Endpoint()
        one, two = admission(endpoint, max_in_flight=50), admission(endpoint, max_in_flight=50)
        endpoint.configure(Limits(requests_per_minute=12))
        for n in range(12):
            await asyncio.wait_for((one, two)[n % 2].enter(), 0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.enter(), 0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(two.enter(), 0.05)

    run(scenario())


def test_tokens_are_estimated_from_the_request_and_learned_from_the_answers():
    estimator = Estimator()
    assert estimator.prompt_tokens(400) == 100
    assert estimator.completion_tokens(None) == 0
    assert estimator.completion_tokens(50) == 50
    for _ in range(100):
        estimator.learn(400, Usage(200, 30, 230))
    assert estimator.prompt_tokens(400) == pytest.approx(200, abs=2)
    assert estimator.completion_tokens(None) == 30


# -- outages ------------------------------------------------------------------------------------------------------


def test_a_server_that_fails_every_time_gets_probes_only_and_is_then_down():
    async def scenario():
        queue, sends = admission(max_in_flight=100, adaptive=False), 0

        async def row():
            nonlocal sends
            while True:
                try:
                    ticket = await queue.enter()
                except ServerError as error:
                    return error.service_down
                sends += 1
                await asyncio.sleep(0)
                queue.leave(ticket, ServerError("broken", http_status=500), retry=RETRY)
                await asyncio.sleep(0.005)  # as a row waits before it goes again

        downs = await asyncio.wait_for(asyncio.gather(*(row() for _ in range(30))), 10)
        return downs, sends

    downs, sends = run(scenario())
    assert downs == [True] * 30
    assert sends <= 30 + 3


def test_a_server_that_comes_back_lets_everybody_go_on():
    async def scenario():
        queue, broken, answered = admission(max_in_flight=100, adaptive=False), True, 0

        async def row():
            nonlocal answered
            while True:
                ticket = await queue.enter()
                await asyncio.sleep(0.001)
                if broken:
                    queue.leave(ticket, ServerError("broken", http_status=500), retry=Retry(max_delay_s=0.02))
                else:
                    queue.leave(ticket, answered=True)
                    answered += 1
                    return

        rows = asyncio.gather(*(row() for _ in range(60)))
        await asyncio.sleep(0.06)
        assert queue.endpoint.is_out
        broken = False
        await asyncio.wait_for(rows, 5)
        return answered, queue.endpoint.is_out, queue.held_s["server"] > 0

    assert run(scenario()) == (60, False, True)


@pytest.mark.parametrize("seed", range(20))
def test_half_of_the_sends_failing_is_no_outage(seed):
    """At most now and then a pause, which one probe in two ends; never the end."""
    dice = random.Random(seed)

    async def scenario():
        queue, pauses = admission(max_in_flight=100, adaptive=False), 0
        for _ in range(2000):
            ticket = await queue.enter()
            if dice.random() < 0.5:
                queue.leave(ticket, ServerError("broken", http_status=500), retry=Retry(max_delay_s=0.0))
            else:
                queue.leave(ticket, answered=True)
            pauses += queue.endpoint.is_out
        return pauses

    assert run(scenario()) <= 10


def test_a_refusal_of_this_request_says_nothing_against_the_server():
    async def scenario():
        queue = admission(max_in_flight=10)
        for _ in range(100):
            ticket = await queue.enter()
            queue.leave(ticket, ServerError("cannot", http_status=501, retryable=False), retry=RETRY)
        return queue.endpoint.is_out

    assert run(scenario()) is False


# -- budgets ------------------------------------------------------------------------------------------------------

PRICE = Price(input=1.0, output=10.0)


def test_calls_are_counted_and_the_one_too_many_is_refused():
    async def scenario():
        budget, estimator = Budget(calls=2), Estimator()
        for _ in range(2):
            budget.settle(await budget.reserve(estimator, 100, None, None), None, None, sent=True)
        with pytest.raises(BudgetError, match="2 of 2 calls"):
            await budget.reserve(estimator, 100, None, None)
        return budget.spent_calls

    assert run(scenario()) == 2


def test_what_was_not_sent_is_given_back():
    async def scenario():
        budget, estimator = Budget(calls=1), Estimator()
        budget.settle(await budget.reserve(estimator, 100, None, None), None, None, sent=False)
        await budget.reserve(estimator, 100, None, None)

    run(scenario())


def test_money_is_set_aside_for_the_longest_answer_and_settled_by_the_real_one():
    async def scenario():
        budget, estimator = Budget(usd=0.025), Estimator()
        first = await budget.reserve(estimator, 400, 1000, PRICE)  # 0.00012 + 0.01 USD
        second = await budget.reserve(estimator, 400, 1000, PRICE)
        third = asyncio.create_task(budget.reserve(estimator, 400, 1000, PRICE))
        await asyncio.sleep(0)
        assert not third.done()  # it might pass the budget, as long as the others may
        budget.settle(first, Usage(100, 10, 110), PRICE, sent=True)
        await asyncio.wait_for(third, 1)
        budget.settle(second, Usage(100, 1000, 1100), PRICE, sent=True)
        budget.settle(third.result(), Usage(100, 1000, 1100), PRICE, sent=True)
        with pytest.raises(BudgetError, match="USD"):
            await budget.reserve(estimator, 400, 1000, PRICE)
        return budget.spent_usd

    assert run(scenario()) == pytest.approx(0.0001 + 0.0001 + 2 * 0.0101)


def test_without_any_knowledge_of_the_answers_length_one_goes_first():
    async def scenario():
        budget, estimator = Budget(tokens=1000), Estimator()
        first = await budget.reserve(estimator, 40, None, None)
        second = asyncio.create_task(budget.reserve(estimator, 40, None, None))
        await asyncio.sleep(0)
        assert not second.done()
        estimator.learn(40, Usage(10, 90, 100))
        budget.settle(first, Usage(10, 90, 100), None, sent=True)
        await asyncio.wait_for(second, 1)

    run(scenario())


def test_a_budget_is_never_passed_when_the_answers_are_bounded():
    async def scenario():
        budget, estimator, dice = Budget(tokens=50_000), Estimator(), random.Random(3)

        async def worker():
            while True:
                try:
                    amount = await budget.reserve(estimator, 400, 200, None)
                except BudgetError:
                    return
                await asyncio.sleep(0)
                completion = dice.randrange(200)
                estimator.learn(400, Usage(100, completion, 100 + completion))
                budget.settle(amount, Usage(100, completion, 100 + completion), None, sent=True)

        await asyncio.gather(*(worker() for _ in range(32)))
        return budget.spent_tokens

    assert 49_000 < run(scenario()) <= 50_000
