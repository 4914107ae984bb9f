"""How often a question is sent, and when."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from throughster import errors
from throughster.client import OpenAiInterface
from throughster.types import Retry

ASK = {"messages": [{"role": "user", "content": "hi"}]}
ANSWER = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


def client(origin, attempts, **more):
    retry = Retry(max_attempts=attempts, initial_delay_s=0.001, max_delay_s=0.01)
    return OpenAiInterface(api_base=f"{origin}/v1", model_name="m", retry=retry, **more)


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_a_server_that_dies_is_asked_as_often_as_said(serving_bytes, attempts):
    """Its kept-alive connections end first; a send on one of them is a send."""
    heard = []

    async def script(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            heard.append(head)
            if len(heard) > 1:
                return
            body = json.dumps(ANSWER).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()

    async def scenario():
        async with serving_bytes(script) as origin, client(origin, attempts) as one:
            await one.call(ASK)
            with pytest.raises(errors.TransportError) as caught:
                await one.call(ASK)
            return caught.value.attempts

    assert len(asyncio.run(scenario())) == attempts
    assert len(heard) == 1 + attempts


def test_in_an_outage_nobody_sends_more_often_than_said(serving):
    async def handler(request):
        return web.Response(status=503)

    async def scenario():
        async with serving(handler) as origin, client(origin, 3) as one:
            return await asyncio.gather(*(one.call(ASK) for _ in range(40)), return_exceptions=True)

    ends = asyncio.run(scenario())
    assert len(ends) == 40
    assert all(isinstance(end, errors.ServerError) for end in ends)
    assert max(len(end.attempts) for end in ends) <= 3
    assert any(end.service_down for end in ends)


@pytest.mark.parametrize("reset", ["0.3", "300ms", "0m0.3s"])
@pytest.mark.parametrize("left", ["0", "0.0"])
@pytest.mark.parametrize("kind", ["tokens", "requests", "input-tokens"])
def test_the_last_sends_are_not_spent_before_the_limit_is_whole_again(serving, reset, left, kind):
    async def scenario():
        loop = asyncio.get_running_loop()
        opens_at = loop.time() + 0.3

        async def handler(request):
            if loop.time() >= opens_at:
                return web.json_response(ANSWER)
            headers = {f"X-RateLimit-Reset-{kind}": reset, f"X-RateLimit-Remaining-{kind}": left}
            return web.json_response({"error": {"message": "Too many tokens."}}, status=429, headers=headers)

        async with serving(handler) as origin, client(origin, 2) as one:
            return await asyncio.gather(*(one.call(ASK) for _ in range(4)))

    assert [answer.content for answer in asyncio.run(scenario())] == ["hi"] * 4


def test_a_stream_on_a_question_that_a_call_has_taught(serving):
    seen = []

    async def handler(request):
        body = await request.json()
        seen.append(sorted(body))
        if "temperature" in body:
            said = {"message": "no", "code": "unsupported_parameter", "param": "temperature"}
            return web.json_response({"error": said}, status=400)
        if not body.get("stream"):
            return web.json_response(ANSWER)
        return web.Response(
            text=f'data: {{"choices":[{{"delta":{json.dumps({"content": "hi"})}}}]}}\n\ndata: [DONE]\n\n',
            content_type="text/event-stream",
        )

    async def scenario():
        async with serving(handler) as origin, client(origin, 1) as one:
            question = await one.question({"temperature": 0.5}, stream=True)  # before the call teaches
            await one.call({**ASK, "temperature": 0.5})
            return [item async for item in question.stream(ASK["messages"])][-1].content

    assert asyncio.run(scenario()) == "hi"
    assert ["temperature" in fields for fields in seen] == [True, False, False]
