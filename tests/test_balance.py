"""Load balancing: who is asked, what a failure does, and that nothing is lost."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter

import pytest
from aiohttp import web
from pydantic import BaseModel

from throughster import errors
from throughster.balance import LoadBalancer
from throughster.client import AzureInterface, OpenAiInterface, VllmInterface
from throughster.emulator import Answers, Emulator, Entry, Options
from throughster.types import Retry

ASK = {"messages": [{"role": "user", "content": "hi"}]}


class Person(BaseModel):
    name: str


def server(name, status=200, delay_s=0.0, headers=None, log=None):
    async def handler(request):
        log[name] += 1
        await asyncio.sleep(delay_s)
        if status != 200:
            return web.json_response({"error": {"message": name}}, status=status, headers=headers or {})
        return web.json_response({"model": name, "choices": [{"finish_reason": "stop", "message": {"content": name}}]})

    return handler


def run(serving, scenario, *servers, **options):
    """`scenario(balancer)` over one client per server; the requests that each server saw."""
    log = Counter()

    async def nested(rest, clients):
        if rest:
            kind, spec = rest[0]
            async with serving(server(kind, log=log, **spec)) as origin:
                client = VllmInterface(
                    api_base=f"{origin}/v1", model_name=kind, retry=Retry(max_attempts=3, initial_delay_s=0.01)
                )
                return await nested(rest[1:], [*clients, client])
        async with LoadBalancer(clients, **options) as balancer:
            return await scenario(balancer)

    return asyncio.run(nested(list(servers), [])), log


def test_least_busy_spreads_evenly(serving):
    async def scenario(balancer):
        return await balancer.batch_call([ASK] * 40, max_in_flight=8)

    answers, log = run(serving, scenario, ("a", {"delay_s": 0.01}), ("b", {"delay_s": 0.01}))
    assert len(answers) == 40
    assert abs(log["a"] - log["b"]) <= 6


def test_weights_are_shares(serving):
    async def scenario(balancer):
        await balancer.batch_call([ASK] * 200, max_in_flight=4)

    _, log = run(serving, scenario, ("a", {}), ("b", {}), strategy="weighted", weights=[9, 1])
    assert log["a"] > 4 * log["b"] > 0


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_failing_client_rests_and_the_others_take_over_at_once(serving, status):
    async def scenario(balancer):
        return await balancer.batch_call([ASK] * 20, max_in_flight=1)

    answers, log = run(serving, scenario, ("bad", {"status": status}), ("good", {}), strategy="random")
    assert {answer.content for answer in answers} == {"good"}
    assert log["bad"] <= 1
    assert log["good"] == 20


def test_an_unreachable_client_is_passed_over(serving):
    async def scenario(balancer):
        return (await balancer.call(ASK)).content

    async def go():
        log = Counter()
        async with serving(server("good", log=log)) as origin:
            dead = VllmInterface(api_base="http://127.0.0.1:9/v1", model_name="m")
            alive = VllmInterface(api_base=f"{origin}/v1", model_name="m")
            async with LoadBalancer([dead, alive], strategy="weighted", weights=[1000, 1]) as balancer:
                return await scenario(balancer)

    assert asyncio.run(go()) == "good"


def test_a_request_that_is_wrong_is_wrong_everywhere(serving):
    async def scenario(balancer):
        with pytest.raises(errors.BadRequestError):
            await balancer.call(ASK)
        with pytest.raises(errors.RequestError, match="tempurature"):
            await balancer.call({**ASK, "tempurature": 1})

    _, log = run(serving, scenario, ("a", {"status": 400}), ("b", {"status": 400}))
    assert log.total() == 1


def test_when_all_fail_the_last_error_comes_after_the_allowed_sends(serving):
    async def scenario(balancer):
        with pytest.raises(errors.ServerError) as caught:
            await balancer.call(ASK)
        return caught.value.attempts

    attempts, log = run(
        serving,
        scenario,
        ("a", {"status": 500, "headers": {"retry-after": "0.05"}}),
        ("b", {"status": 500, "headers": {"retry-after-ms": "50"}}),
    )
    assert log.total() == len(attempts) == 3


def test_when_every_key_is_refused_it_says_so_at_once(serving):
    async def scenario(balancer):
        with pytest.raises(errors.AuthError):
            await asyncio.wait_for(balancer.call(ASK), 2)

        with pytest.raises(errors.AuthError):
            await asyncio.wait_for(balancer.call(ASK), 2)

    _, log = run(serving, scenario, ("a", {"status": 401}), ("b", {"status": 401}))
    assert log.total() == 2


def test_a_rest_beyond_the_deadline_is_not_waited_for(serving):
    async def scenario(balancer):
        for _ in range(2):
            with pytest.raises(errors.RateLimitError):
                await asyncio.wait_for(balancer.call(ASK), 2)

    away = {"status": 429, "headers": {"retry-after": "3600"}}
    _, log = run(serving, scenario, ("a", away), ("b", away))
    assert log.total() == 2


def test_it_does_all_that_a_client_does_over_different_providers():
    digits = Answers.of([Entry(("Score it",), "3")])

    async def scenario():
        async with (
            Emulator(Options(dialect="azure", answers=digits)) as azure,
            Emulator(Options(dialect="vllm")) as vllm,
        ):
            clients = [
                AzureInterface(api_base=azure.api_base, api_key="k", model_name="m"),
                VllmInterface(api_base=vllm.api_base, model_name="m"),
            ]
            async with LoadBalancer(clients) as balancer:
                assert (await balancer.call(ASK)).content
                assert [t async for t in balancer.stream(ASK)]
                assert isinstance((await balancer.structured_call(ASK, Person)).validated_schema, Person)
                assert isinstance((await balancer.tools_call(ASK, [Person])).validated_schema, Person)
                people = await balancer.structured_batch_call([ASK] * 4, Person)
                assert all(isinstance(r.validated_schema, Person) for r in people)
                _, score = await balancer.nlg_evaluation({**ASK, "max_tokens": 30}, "Score it.", scores=list(range(10)))
                assert 0 <= score <= 9
                assert await balancer.list_models()
                assert min(azure.requests, vllm.requests) >= 2

    asyncio.run(scenario())


def test_sync_twins_and_copies():
    balancer = LoadBalancer(
        [VllmInterface(api_base="http://127.0.0.1:1/v1", model_name="a"), OpenAiInterface(api_key="k", model_name="b")],
        weights=[1, 2],
    )
    copy = pickle.loads(pickle.dumps(balancer))
    assert repr(copy) == repr(balancer) == "LoadBalancer([vllm:a, openai:b], strategy='least_busy')"


@pytest.mark.parametrize("options", [{"strategy": "best"}, {"weights": [1]}, {"weights": [1, 0]}])
def test_wrong_options(options):
    clients = [VllmInterface(api_base="http://127.0.0.1:1/v1")] * 2
    with pytest.raises(errors.RequestError):
        LoadBalancer(clients, **options)
    with pytest.raises(errors.RequestError):
        LoadBalancer([])
