"""The seam to the network: every way in which a connection can go wrong becomes one of our errors."""

from __future__ import annotations

import asyncio
import gzip

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from throughster import errors
from throughster.transport import Transport, translate
from throughster.types import Timeout


async def send(url, *, timeout=None, headers=None):
    transport = Transport()
    try:
        return await transport.send("POST", URL(url), headers or {}, b"{}", timeout or Timeout())
    finally:
        await transport.close()


async def read_stream(url, *, timeout=None, progress=True):
    transport = Transport()
    chunks = []
    try:
        async with transport.stream("POST", URL(url), {}, b"{}", timeout or Timeout()) as reply:
            async for chunk in reply.chunks():
                chunks.append(chunk)
                if progress:
                    reply.progress()
        return chunks
    finally:
        await transport.close()


def test_a_reply_comes_whole_with_its_status_and_headers(serving):
    async def scenario():
        async def handler(request):
            assert await request.read() == b"{}"
            return web.Response(status=418, text="short and stout", headers={"X-Request-Id": "7"})

        async with serving(handler) as origin:
            return await send(f"{origin}/v1")

    reply = asyncio.run(scenario())
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (418, b"short and stout", "7")


def test_a_redirect_is_not_followed(serving):
    async def scenario():
        seen = []

        async def handler(request):
            seen.append(request.path)
            return web.Response(status=307, headers={"Location": "/elsewhere"})

        async with serving(handler) as origin:
            return (await send(f"{origin}/v1")).status, seen

    assert asyncio.run(scenario()) == (307, ["/v1"])


def test_nothing_listens():
    with pytest.raises(errors.TransportError, match=r"No connection to http://127\.0\.0\.1:9: ") as caught:
        asyncio.run(send("http://127.0.0.1:9/v1"))
    assert caught.value.retryable


def test_the_total_clock_is_named(serving):
    async def scenario():
        async def handler(request):
            await asyncio.sleep(5)

        async with serving(handler) as origin:
            await send(origin, timeout=Timeout(total_s=0.05))

    with pytest.raises(errors.RequestTimeoutError, match=r"within 0\.05 s \(timeout\.total_s\)"):
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"", "closed the connection before it replied"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off|valid HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "valid HTTP"),
    ],
)
def test_broken_replies(serving_bytes, reply, message):
    async def scenario():
        async def script(reader, writer):
            await reader.readuntil(b"{}")
            writer.write(reply)
            await writer.drain()

        async with serving_bytes(script) as origin:
            await send(origin)

    with pytest.raises(errors.TransportError, match=message) as caught:
        asyncio.run(scenario())
    assert caught.value.retryable


def test_a_reset_is_a_transport_error(serving_bytes):
    async def scenario():
        async def script(reader, writer):
            await reader.readuntil(b"{}")
            writer.transport.abort()

        async with serving_bytes(script) as origin:
            await send(origin)

    with pytest.raises(errors.TransportError):
        asyncio.run(scenario())


def test_a_bomb_is_cut_off(serving):
    async def scenario():
        async def handler(request):
            return web.Response(body=gzip.compress(bytes(200_000_000)), headers={"Content-Encoding": "gzip"})

        async with serving(handler) as origin:
            await send(origin)

    with pytest.raises(errors.TransportError, match="larger than 32,000,000 bytes") as caught:
        asyncio.run(scenario())
    assert not caught.value.retryable


def streaming(*pieces, pause_s=0.0, stall_s=0.0):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause_s)
        await asyncio.sleep(stall_s)
        return response

    return handler


def test_a_stream_comes_in_pieces(serving):
    async def scenario():
        async with serving(streaming(b"data: 1\n\n", b"data: 2\n\n", pause_s=0.01)) as origin:
            return await read_stream(origin)

    assert b"".join(asyncio.run(scenario())) == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize(
    ("timeout", "progress", "clock"),
    [
        (Timeout(idle_s=0.1), True, "No further event .* 0.1 s .timeout.idle_s"),
        (Timeout(first_token_s=0.1), False, "No first event .* 0.1 s .timeout.first_token_s"),
        (Timeout(total_s=0.1), True, "No end of the stream .* 0.1 s .timeout.total_s"),
    ],
)
def test_the_clock_that_ran_out_is_named(serving, timeout, progress, clock):
    async def scenario():
        async with serving(streaming(b": still here\n", pause_s=0.02, stall_s=3)) as origin:
            await read_stream(origin, timeout=timeout, progress=progress)

    with pytest.raises(errors.RequestTimeoutError, match=clock):
        asyncio.run(scenario())


def test_a_server_that_never_sends_headers_of_a_stream(serving):
    async def scenario():
        async def handler(request):
            await asyncio.sleep(3)

        async with serving(handler) as origin:
            await read_stream(origin, timeout=Timeout(first_token_s=0.1))

    with pytest.raises(errors.RequestTimeoutError, match="first_token_s"):
        asyncio.run(scenario())


def test_keep_alive_comments_do_not_stop_the_idle_clock(serving):
    async def scenario():
        async with serving(streaming(*[b": ping\n\n"] * 100, pause_s=0.02)) as origin:
            await read_stream(origin, timeout=Timeout(idle_s=0.2, first_token_s=0.2), progress=False)

    with pytest.raises(errors.RequestTimeoutError, match="first_token_s"):
        asyncio.run(scenario())


def test_a_slow_reader_is_not_the_servers_fault(serving):
    async def scenario():
        transport, chunks = Transport(), []
        async with serving(streaming(b"data: 1\n\n", b"data: 2\n\n", pause_s=0.01)) as origin:
            async with transport.stream("POST", URL(origin), {}, b"{}", Timeout(idle_s=0.1)) as reply:
                async for chunk in reply.chunks():
                    chunks.append(chunk)
                    await asyncio.sleep(0.3)
                    reply.progress()
            await transport.close()
        return chunks

    assert b"".join(asyncio.run(scenario())) == b"data: 1\n\ndata: 2\n\n"


def test_leaving_a_stream_early_frees_its_connection(serving):
    async def scenario():
        transport = Transport()
        async with serving(streaming(*[b"data: 1\n\n"] * 50, pause_s=0.02)) as origin:
            for _ in range(5):
                async with transport.stream("POST", URL(origin), {}, b"{}", Timeout()) as reply:
                    async for _ in reply.chunks():
                        break
            connector = (await transport._session()).connector
            held = len(connector._acquired)
            await transport.close()
        return held

    assert asyncio.run(scenario()) == 0


def test_a_client_outlives_its_event_loop(serving):
    transport = Transport()

    async def once():
        async def handler(request):
            return web.Response(text="ok")

        async with serving(handler) as origin:
            reply = await transport.send("POST", URL(origin), {}, b"{}", Timeout())
            await transport.close()
            return reply.body

    assert [asyncio.run(once()) for _ in range(3)] == [b"ok"] * 3


def subclasses(cls):
    return [cls, *(deeper for direct in cls.__subclasses__() for deeper in subclasses(direct))]


@pytest.mark.parametrize("kind", subclasses(aiohttp.ClientError), ids=lambda kind: kind.__name__)
def test_every_error_of_aiohttp_becomes_one_of_ours(kind):
    error = kind.__new__(kind)
    error.args = ("told", "twice")
    error.message = "told"
    error.headers = {"Authorization": "canary"}
    error._conn_key = ConnectionKey("h", 1, True, True, None, None, None)
    error._os_error = error._certificate_error = OSError(111, "refused")
    error._path = "/socket"
    ours = translate(error, URL("http://127.0.0.1:1/v1"), Timeout())
    assert isinstance(ours, errors.ThroughsterError)
    assert "canary" not in str(ours)
