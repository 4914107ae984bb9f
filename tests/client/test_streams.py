"""Streams as their readers see them."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from throughster import errors
from throughster.client import OpenAiInterface, VllmInterface, create_interface
from throughster.types import FinishDelta, ReasoningDelta, Retry, TextDelta, Timeout, UsageDelta

ASK = {"messages": [{"role": "user", "content": "Say hi"}]}


def chunk(text=None, finish=None, **delta):
    import json

    if text is not None:
        delta["content"] = text
    return (
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"
    )


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def server(*scripts, hang_s=0.0):
    """Each request gets the next script: pieces of a stream, or an exception's stand-in `None` for a cut."""
    seen = []

    async def handler(request):
        seen.append(await request.json())
        script = scripts[min(len(seen), len(scripts)) - 1]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in script:
            if piece is None:
                request.transport.abort()
                return response
            await response.write(piece)
            await asyncio.sleep(0.001)
        await asyncio.sleep(hang_s)
        return response

    handler.seen = seen
    return handler


def read(serving, handler, *, events=False, **options):
    async def scenario():
        async with serving(handler) as origin:
            options.setdefault("retry", Retry(initial_delay_s=0.001))
            async with OpenAiInterface(api_base=f"{origin}/v1", model_name="m", **options) as client:
                stream = await client.stream(ASK)
                got = [item async for item in (stream.events() if events else stream)]
                return got, stream.response

    return asyncio.run(scenario())


def test_one_text_per_piece_and_the_whole_answer_after(serving):
    handler = server(
        [chunk(role="assistant", content=""), chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE, DONE]
    )
    got, response = read(serving, handler)
    assert got == ["Hel", "lo"]
    assert (response.content, response.finish_reason, response.usage.total_tokens) == ("Hello", "stop", 3)
    assert 0 < response.first_token_s <= response.latency_s
    assert handler.seen[0]["stream_options"] == {"include_usage": True}


def test_events_are_typed(serving):
    handler = server([chunk(reasoning="hm"), chunk("4"), chunk(finish="stop"), USAGE, DONE])
    got, _ = read(serving, handler, events=True)
    assert [type(delta) for delta in got] == [ReasoningDelta, TextDelta, FinishDelta, UsageDelta]


def test_it_can_be_iterated_without_await(serving):
    async def scenario():
        async with create_interface("offline") as client:
            return "".join([text async for text in client.stream(ASK)]), (await client.call(ASK)).content

    streamed, whole = asyncio.run(scenario())
    assert streamed == whole != ""


@pytest.mark.parametrize("ending", [[chunk(finish="stop")], [DONE], [b"data: [DONE]"]])
def test_a_finish_reason_or_done_ends_a_stream(serving, ending):
    assert read(serving, server([chunk("x"), *ending]))[1].content == "x"


def test_done_ends_it_although_the_connection_stays_open(serving):
    async def timed():
        return await asyncio.wait_for(asyncio.to_thread(read, serving, server([chunk("x"), DONE], hang_s=3)), 2)

    assert asyncio.run(timed())[1].content == "x"


def test_an_end_without_either_is_an_error_that_keeps_the_text(serving):
    handler = server([chunk("half")])
    with pytest.raises(errors.StreamError, match="ended before the answer did") as caught:
        read(serving, handler)
    assert caught.value.partial == "half"
    assert len(handler.seen) == 1


def test_a_cut_before_the_first_event_is_sent_again_and_after_it_is_not(serving):
    handler = server([None], [chunk("x"), DONE])
    got, response = read(serving, handler)
    assert (got, len(handler.seen), len(response.retry_stats.attempts)) == (["x"], 2, 2)
    handler = server([chunk("x"), None], [chunk("y"), DONE])
    with pytest.raises(errors.StreamError):
        read(serving, handler)
    assert len(handler.seen) == 1


def test_an_error_event_is_the_providers_error(serving):
    with pytest.raises(errors.ServerError, match="overloaded"):
        read(serving, server([chunk("x"), b'data: {"error":{"message":"overloaded","code":503}}\n\n', DONE]))


def test_an_idle_stream_names_its_clock(serving):
    with pytest.raises(errors.RequestTimeoutError, match="idle_s"):
        read(serving, server([chunk("x")], hang_s=2), timeout=Timeout(idle_s=0.1))


def test_a_reply_that_is_no_stream_is_an_error(serving):
    async def handler(request):
        return web.Response(text="<html>portal</html>", content_type="text/html")

    with pytest.raises(errors.StreamError, match="did not stream. It replied: <html>"):
        read(serving, handler)


def test_a_whole_answer_in_place_of_a_stream_is_taken(serving):
    async def handler(request):
        return web.json_response(
            {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
        )

    got, response = read(serving, handler)
    assert (got, response.content, response.usage.prompt_tokens) == (["Hello"], "Hello", 1)


@pytest.mark.parametrize("body", [b"{", b'{"error"'])
def test_an_error_reply_that_stalls_or_breaks_off_has_its_clock(serving_bytes, body):
    async def scenario(stall_s):
        async def script(reader, writer):
            await reader.readuntil(b"}")
            writer.write(b"HTTP/1.1 500 X\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" + body)
            await writer.drain()
            await asyncio.sleep(stall_s)

        async with serving_bytes(script) as origin:
            timeout = Timeout(first_token_s=0.2)
            async with VllmInterface(
                api_base=origin, model_name="m", retry=Retry(max_attempts=1), timeout=timeout
            ) as client:
                await asyncio.wait_for(anext(aiter(client.stream(ASK))), 3)

    with pytest.raises(errors.RequestTimeoutError, match="first_token_s"):
        asyncio.run(scenario(2))
    with pytest.raises(errors.TransportError, match="broke off"):
        asyncio.run(scenario(0))


def test_a_filtered_stream_raises_after_its_text(serving):
    with pytest.raises(errors.ContentFilterError) as caught:
        read(serving, server([chunk("par"), chunk(finish="content_filter"), DONE]))
    assert caught.value.partial == "par"


def test_leaving_early_frees_the_connection_and_the_place(serving):
    async def scenario():
        async with serving(server([chunk("x")] * 50 + [DONE])) as origin:
            async with VllmInterface(api_base=f"{origin}/v1", model_name="m") as client:
                for _ in range(5):
                    async with client.stream(ASK) as stream:
                        async for _ in stream:
                            break
                sender = await client.open()
                return sender.admission.gate.in_flight, len((await client._transport._session()).connector._acquired)

    assert asyncio.run(scenario()) == (0, 0)


def test_a_stream_is_read_once(serving):
    async def scenario():
        async with create_interface("offline") as client:
            stream = client.stream(ASK)
            with pytest.raises(errors.RequestError, match="after the loop"):
                _ = stream.response
            _ = [text async for text in stream]
            with pytest.raises(errors.RequestError, match="read once"):
                _ = [text async for text in stream]

    asyncio.run(scenario())
