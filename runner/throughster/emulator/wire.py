"""Between aiohttp and the dialects: a request as it came in, and replies as they go out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from throughster.emulator.exchange import RecordedRequest

if TYPE_CHECKING:
    from throughster.emulator.exchange import Reply
    from throughster.emulator.throughput import Writing

__all__ = [
    "EVENT_STREAM",
    "LARGEST_BODY",
    "record",
    "request_factory",
    "send_at_pace",
    "stream_response",
    "whole_response",
]

LARGEST_BODY: Final = 64 * 1024 * 1024
EVENT_STREAM: Final = {"content-type": "text/event-stream; charset=utf-8"}


def request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_BODY)


def record(request: web.BaseRequest, raw: bytes) -> RecordedRequest:
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        body = None
    headers = {name.lower(): value for name, value in request.headers.items()}
    return RecordedRequest(request.method, request.path, dict(request.query), headers, raw, body)


def whole_response(reply: Reply, headers: dict[str, str]) -> web.Response:
    content_type = {"content-type": reply.content_type} if reply.body else {}
    return web.Response(body=reply.body, status=reply.status, headers={**headers, **content_type, **reply.headers})


def stream_response(events: list[bytes], headers: dict[str, str]) -> web.Response:
    """Return a stream in one buffer and one write: a benchmark measures its client, not this server's timers."""
    response = web.Response(body=b"".join(events), headers={**headers, **EVENT_STREAM})
    response.enable_chunked_encoding()
    return response


async def send_at_pace(
    request: web.BaseRequest, events: list[bytes], headers: dict[str, str], writing: Writing, tokens: float
) -> web.StreamResponse:
    """Send one event after the other, evenly over so many tokens."""
    response = web.StreamResponse(headers={**headers, **EVENT_STREAM})
    await response.prepare(request)
    for number, one in enumerate(events, 1):
        await writing.reach(tokens * number / len(events))
        await response.write(one)
    return response
