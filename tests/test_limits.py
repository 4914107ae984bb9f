from __future__ import annotations

import asyncio

from throughster.limits import Gate
from throughster.types import Limits


def run(coroutine):
    return asyncio.run(coroutine)


def test_no_more_than_the_limit_are_under_way_and_all_get_their_turn_in_order():
    async def scenario():
        gate, seen, most = Gate(Limits(max_in_flight=3, adaptive=False)), [], 0

        async def one(n):
            nonlocal most
            ticket = await gate.enter()
            seen.append(n)
            most = max(most, gate.in_flight)
            await asyncio.sleep(0)
            gate.leave(ticket)

        await asyncio.gather(*(one(n) for n in range(20)))
        return seen, most, gate.in_flight

    assert run(scenario()) == (list(range(20)), 3, 0)


def test_a_cancelled_wait_gives_its_place_on():
    async def scenario():
        gate = Gate(Limits(max_in_flight=1, adaptive=False))
        ticket = await gate.enter()
        waiting = [asyncio.create_task(gate.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.leave(ticket)
        waiting[1].cancel()  # in the moment in which it was admitted
        await asyncio.sleep(0)
        await asyncio.wait_for(waiting[2], 1)
        return gate.in_flight

    assert run(scenario()) == 1


async def serve(gate, capacity, rounds):
    """Rounds of a server that pushes back on what is above its capacity; gives the share that was pushed back."""
    pushed = total = 0
    for _ in range(rounds):
        tickets = [await gate.enter() for _ in range(gate.limit)]
        for n, ticket in enumerate(tickets):
            gate.leave(ticket, pushed_back=n >= capacity)
            pushed += n >= capacity
            total += 1
    return pushed / total


def test_it_finds_the_capacity_of_the_server():
    async def scenario():
        gate = Gate(Limits(max_in_flight=1000))
        await serve(gate, 100, 20)
        share = await serve(gate, 100, 200)
        return gate.limit, share

    limit, share = run(scenario())
    assert 60 <= limit <= 101
    assert share < 0.03


def test_it_grows_to_the_maximum_when_nothing_pushes_back():
    async def scenario():
        gate = Gate(Limits(max_in_flight=300))
        assert gate.limit == 20
        await serve(gate, 10_000, 8)
        return gate.limit

    assert run(scenario()) == 300


def test_one_episode_shrinks_it_once():
    async def scenario():
        gate = Gate(Limits(max_in_flight=20))
        tickets = [await gate.enter() for _ in range(20)]
        for ticket in tickets:
            gate.leave(ticket, pushed_back=True)
        return gate.limit

    assert run(scenario()) == 14


def test_it_does_not_grow_while_it_is_not_used():
    async def scenario():
        gate = Gate(Limits(max_in_flight=300))
        for _ in range(500):
            gate.leave(await gate.enter())
        return gate.limit

    assert run(scenario()) == 20
