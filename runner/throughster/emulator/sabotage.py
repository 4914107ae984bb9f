"""Faults on the wire: connections that break, stall or talk nonsense, and answers that are spoilt on the way."""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
import zlib
from typing import TYPE_CHECKING, Final, NoReturn

from aiohttp import web

from throughster.emulator.wire import EVENT_STREAM, send_at_pace

if TYPE_CHECKING:
    from throughster.emulator.faults import Fault
    from throughster.emulator.throughput import Writing

__all__ = ["break_connection", "cut_json", "spoil"]

_GARBAGE: Final = bytes(range(128, 256)) + b"\r\n\r\n"
_EXCESS: Final = 100  # bytes that are promised and never sent
_MEBIBYTES_UNPACKED: Final = 110
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_JSON: Final = {"content-type": "application/json"}


async def break_connection(kind: str, request: web.BaseRequest) -> NoReturn:
    """Do what a fault before the reply does: `reset`, `disconnect`, `stall` or `garbage`. Ends when the client goes."""
    transport = request.transport
    if transport is not None and kind != "stall":
        if kind == "garbage":
            transport.write(_GARBAGE)
        elif kind == "reset":
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.close()
    await _wait_for_the_end()


def cut_json(parts: list[bytes], *, streamed: bool) -> list[bytes]:
    """Return an answer whose JSON ends halfway: the whole body's, or that of the event in the middle of a stream."""
    middle = (len(parts) - 1) // 2  # never the last one, which is no JSON
    one = parts[middle]
    begin = one.index(b"{")
    half = one[: (begin + len(one)) // 2] + (b"\n\n" if streamed else b"")
    return [*parts[:middle], half, *parts[middle + 1 :]]


async def spoil(
    fault: Fault,
    request: web.BaseRequest,
    parts: list[bytes],
    headers: dict[str, str],
    writing: Writing,
    *,
    tokens: int,
    streamed: bool,
) -> web.StreamResponse:
    """Send an answer of so many tokens as `cut`, `drip`, `wrong-length`, `gzip-bomb` and `comments` do."""
    if fault.kind == "cut" and streamed:
        await send_at_pace(request, _first_half(parts), headers, writing, tokens / 2)
        await break_connection("disconnect", request)
    if fault.kind not in ("drip", "comments"):
        await writing.reach(tokens)
    headers = {**headers, **(EVENT_STREAM if streamed else _JSON)}
    body = b"".join(parts)
    if fault.kind == "gzip-bomb":
        bomb = await asyncio.to_thread(_gzip_bomb, streamed=streamed)
        return web.Response(body=bomb, headers={**headers, "content-encoding": "gzip"})
    response = web.StreamResponse(headers=headers)
    if fault.kind == "wrong-length":
        response.content_length = len(body) + _EXCESS
    elif not streamed:
        response.content_length = len(body)
    await response.prepare(request)
    if fault.kind == "drip":
        for number in range(len(body)):
            await response.write(body[number : number + 1])
            await asyncio.sleep(fault.pause_s)
        return response
    while fault.kind == "comments":
        await response.write(b": keep-alive\n\n")
        await asyncio.sleep(fault.pause_s)
    await response.write(body[: len(body) // 2] if fault.kind == "cut" else body)
    return await break_connection("disconnect", request)


def _first_half(events: list[bytes]) -> list[bytes]:
    """Return the events up to the middle one, and half of that."""
    middle = len(events) // 2
    return [*events[:middle], events[middle][: len(events[middle]) // 2]]


async def _wait_for_the_end() -> NoReturn:
    """Wait until the connection is gone, which cancels the handler."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nothing finishes this future")


@functools.cache
def _gzip_bomb(*, streamed: bool) -> bytes:
    """Return some 100 kB of gzip that unpack to more than 100 MB: a JSON object, or a comment in a stream."""
    before, after = (b": ", b"\n\ndata: [DONE]\n\n") if streamed else (b'{"padding":"', b'"}')
    packer = zlib.compressobj(9, wbits=31)
    block = b"0" * 1024 * 1024
    packed = [packer.compress(before), *(packer.compress(block) for _ in range(_MEBIBYTES_UNPACKED))]
    return b"".join([*packed, packer.compress(after), packer.flush()])
