"""How long answers take: latencies, tokens per second, and a capacity that all of them share."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time

import aiohttp
import pytest

from throughster.emulator import LognormalLatency, Options, UniformLatency, parse_latency
from throughster.emulator.latency import Latencies
from throughster.emulator.throughput import Throughput

# -- latencies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("0", 0.0),
        ("0.5", 0.5),
        (".25", 0.25),
        ("lognormal:0.5,1", LognormalLatency(0.5, 1.0)),
        ("uniform:0.1,0.4", UniformLatency(0.1, 0.4)),
    ],
)
def test_a_latency_is_a_number_or_a_distribution(text, latency):
    assert parse_latency(text) == latency


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`` is no latency. Write seconds such as `0.5`, or `lognormal:0.5,1` (median and sigma), or `uniform:"),
        ("-1", "`-1` is no latency. Write seconds"),
        ("nan", "`nan` is no latency. Write seconds"),
        ("0.5s", "`0.5s` is no latency. Write seconds"),
        ("lognormal", "`lognormal` is no latency. Write seconds"),
        ("uniform:0.1", "`uniform:0.1` is no latency. Write seconds"),
        ("unifrom:0.1,0.2", "`unifrom:0.1,0.2` is no latency. Did you mean `uniform`?"),
        ("uniform:2,1", "in the latency `uniform:2,1`: from 2 to 1 s is no span of time"),
        ("lognormal:1,6", "in the latency `lognormal:1,6`: the sigma, 6, is not between 0 and 5"),
    ],
)
def test_what_is_wrong_with_a_latency_is_said_in_one_line(text, message):
    with pytest.raises(ValueError) as caught:
        parse_latency(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("median_s", [-1.0, float("inf"), float("nan")])
def test_a_median_is_a_time_to_wait(median_s):
    with pytest.raises(ValueError, match="is no time to wait"):
        LognormalLatency(median_s, 1.0)


@pytest.mark.parametrize("latency_s", [-0.1, float("nan"), float("inf")])
def test_a_fixed_latency_is_a_number_of_seconds(latency_s):
    with pytest.raises(ValueError, match="latency_s is .*; it is a number of seconds"):
        Options(latency_s=latency_s)


def draws(latency, seed=0, count=20_000):
    latencies = Latencies(latency, seed)
    return [latencies.next_s() for _ in range(count)]


def test_a_lognormal_latency_has_its_median_and_its_tail():
    drawn = draws(LognormalLatency(0.5, 1.0))
    assert statistics.median(drawn) == pytest.approx(0.5, rel=0.05)
    assert statistics.quantiles(drawn, n=100)[-1] == pytest.approx(0.5 * 10.24, rel=0.15)
    assert min(drawn) > 0
    assert set(draws(LognormalLatency(0.5, 0.0), count=20)) == {0.5}


def test_a_uniform_latency_is_spread_evenly():
    drawn = draws(UniformLatency(0.1, 0.4))
    assert 0.1 <= min(drawn) < 0.101
    assert 0.399 < max(drawn) <= 0.4
    assert statistics.mean(drawn) == pytest.approx(0.25, abs=0.005)


def test_a_seed_draws_the_same_latencies_again():
    model = LognormalLatency(0.5, 1.0)
    assert draws(model, seed=3, count=50) == draws(model, seed=3, count=50)
    assert draws(model, seed=3, count=50) != draws(model, seed=4, count=50)


def test_every_answer_waits_for_a_latency_of_its_own(converse, chat_body):
    async def talk(_emulator, send):
        took = []
        for _ in range(4):
            begun = time.perf_counter()
            await send(chat_body("openai"))
            took.append(time.perf_counter() - begun)
        return took

    model = UniformLatency(0.01, 0.2)
    took = converse(Options(latency_s=model, seed=1), talk)
    due = draws(model, seed=1, count=4)
    assert max(due) - min(due) > 0.05, "these four differ enough to be told apart"
    assert all(took_s >= due_s for took_s, due_s in zip(took, due, strict=True))


# -- tokens per second ----------------------------------------------------------------------------------------------------


def written(throughput, *answers):
    """Seconds until each answer of so many tokens is written, all begun at once."""

    async def once(tokens):
        begun = time.perf_counter()
        with throughput.answer() as writing:
            await writing.reach(tokens)
        return time.perf_counter() - begun

    async def all_of_them():
        return await asyncio.gather(*map(once, answers))

    return asyncio.run(all_of_them())


def test_without_a_limit_nobody_waits():
    assert max(written(Throughput(None, None), 1e9, 1e9)) < 1


def test_each_answer_has_its_own_pace():
    short, long = written(Throughput(100, None), 10, 30)
    assert 0.099 <= short < 2
    assert 0.299 <= long < 3


def test_all_of_them_share_the_capacity_evenly():
    short, long = written(Throughput(None, 400), 20, 100)
    assert short >= 0.099, "the two of them write 20 tokens each at half of the capacity"
    assert long >= 0.299, "and the rest of the longer one is written at all of it"
    assert short < long < 3


def test_a_part_of_the_capacity_is_never_more_than_an_answer_can_take():
    assert written(Throughput(100, 10_000), 20)[0] >= 0.199
    together = written(Throughput(100, 400), *[10] * 8)
    assert min(together) >= 0.199, "eight answers want 800 tokens per second and get 400"


def test_who_comes_and_who_leaves_changes_every_share():
    throughput = Throughput(100, 200)

    async def scenario():
        rates = [throughput.rate]
        with throughput.answer(), throughput.answer():
            rates.append(throughput.rate)
            with throughput.answer() as third:
                rates.append(throughput.rate)
                waiting = asyncio.create_task(third.reach(1e6))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            with throughput.answer() as fourth:
                await asyncio.wait_for(fourth.reach(5), 5)
            rates.append(throughput.rate)
        return rates, throughput.under_way

    assert asyncio.run(scenario()) == ([100, 100, pytest.approx(200 / 3), 100], 0)


def test_what_was_given_before_others_came_stays_given_and_what_they_leave_is_given_at_once():
    async def scenario():
        throughput = Throughput(None, 100)
        with throughput.answer() as first, contextlib.ExitStack() as others:
            await asyncio.sleep(0.5)
            for _ in range(99):
                others.enter_context(throughput.answer())
            await asyncio.wait_for(first.reach(45), 5)  # one token per second is all that it gets from now on
            waiting = asyncio.create_task(first.reach(80))
            await asyncio.sleep(0)
            others.close()
            await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())


def test_a_server_at_its_capacity_answers_no_faster_and_later(converse, chat_body):
    """Twice the clients of a full server get twice the latency, and the same tokens per second."""

    async def talk(emulator, _send):
        async def ask(session):
            begun = time.perf_counter()
            async with session.post(emulator.api_base + "/chat/completions", json=chat_body("openai")) as reply:
                tokens = (await reply.json())["usage"]["completion_tokens"]
            return tokens, time.perf_counter() - begun

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            return [await asyncio.gather(*(ask(session) for _ in range(workers))) for workers in (1, 8, 16)]

    alone, eight, sixteen = converse(Options(tokens_per_second=200, capacity=800), talk)
    [(tokens, alone_s)] = alone
    assert alone_s >= tokens / 200 * 0.99
    for answers in (eight, sixteen):
        least_s = len(answers) * tokens / 800
        assert min(took_s for _, took_s in answers) >= least_s * 0.9
        assert max(took_s for _, took_s in answers) < 5


def test_the_first_token_comes_later_the_more_answers_are_under_way():
    async def first_token_s(throughput, others):
        with contextlib.ExitStack() as stack:
            for _ in range(others):
                stack.enter_context(throughput.answer())
            begun = time.perf_counter()
            with throughput.answer() as writing:
                await writing.reach(1)
            return time.perf_counter() - begun

    async def scenario():
        throughput = Throughput(100, 400)
        return [await first_token_s(throughput, others) for others in (0, 3, 39)]

    alone, few, many = asyncio.run(scenario())
    assert alone >= 0.0099
    assert few >= 0.0099, "four are not too many"
    assert 0.099 <= many < 2


def test_an_answer_whose_reader_left_gives_its_share_back(converse, chat_body):
    async def talk(emulator, send):
        leaving = [asyncio.create_task(send(chat_body("openai", stream=True))) for _ in range(3)]
        while emulator.in_flight < 3:
            await asyncio.sleep(0.01)
        for one in leaving:
            one.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        while emulator.in_flight:
            await asyncio.sleep(0.01)
        return emulator._delivery._throughput.under_way

    assert converse(Options(capacity=1), talk) == 0


@pytest.mark.parametrize("name", ["tokens_per_second", "capacity"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_pace_is_above_zero(name, value):
    with pytest.raises(ValueError, match=f"{name} is .*; it must be a number above 0, or left out"):
        Options(**{name: value})
