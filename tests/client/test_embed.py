"""Embeddings, which the check `similar` compares."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from throughster import OpenAiInterface, Retry, ServerError, record, replay

KEY = "k" * 20


def ask(serving, handler, scenario, **options):
    async def whole():
        async with serving(handler) as url:
            client = OpenAiInterface(
                api_base=url, api_key=KEY, model_name="e", retry=Retry(max_attempts=2, initial_delay_s=0), **options
            )
            async with client:
                return await scenario(client)

    return asyncio.run(whole())


async def vectors(request):
    asked = await request.json()
    assert (request.path, asked["model"]) == ("/embeddings", "e")
    data = [{"index": n, "embedding": [float(len(text)), 1]} for n, text in enumerate(asked["input"])]
    return web.json_response({"data": data[::-1], "usage": {"prompt_tokens": 7, "total_tokens": 7}})


def test_vectors_come_in_the_order_of_the_texts(serving):
    found, usage = ask(serving, vectors, lambda client: client.embed(["a", "bcd"]))
    assert found == [[1.0, 1.0], [3.0, 1.0]]
    assert usage.prompt_tokens == 7


def test_they_are_recorded_and_replayed(serving, tmp_path):
    async def recorded(client):
        with record(tmp_path):
            return await client.embed(["a"])

    first = ask(serving, vectors, recorded)
    with replay(tmp_path):
        client = OpenAiInterface(model_name="e")
        assert asyncio.run(client.embed(["a"])) == first


@pytest.mark.parametrize(
    "body", [{"data": []}, {"data": [{"index": 0}]}, {"data": [{"index": 0, "embedding": ["x"]}]}, {}, []]
)
def test_a_reply_without_them_is_an_error(serving, body):
    async def handler(request):
        return web.json_response(body)

    with pytest.raises(ServerError, match="replied with"):
        ask(serving, handler, lambda client: client.embed(["a"]))


def test_a_failure_is_sent_again(serving):
    numbers = iter(range(9))

    async def handler(request):
        return web.Response(status=503) if next(numbers) == 0 else await vectors(request)

    found, _ = ask(serving, handler, lambda client: client.embed(["a"]))
    assert found == [[1.0, 1.0]]
