"""A TCP proxy that spoils what a server sends back, for tests; requests pass as they are.

`async with Chaos(url, Toxic(cut_after=100), Toxic()) as proxy:` cuts the first connection's replies after 100 bytes and
lets all others pass. What is random depends on `seed` and the number of the connection alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Iterator

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Toxic:
    """What happens to the replies of one connection; several things may. Bytes are counted over all its replies.

    `latency_s`: before each piece. `bytes_per_second`: at most. `slices`: pieces of 1 to so many bytes, each in a
    packet of its own. `reset_after`, `cut_after`, `silent_after`: bytes that pass before the connection is reset, is
    closed, or says nothing more. `slow_close_s`: between the server's end of the connection and the client's.
    """

    latency_s: float = 0.0
    bytes_per_second: float | None = None
    slices: int | None = None
    reset_after: int | None = None
    cut_after: int | None = None
    silent_after: int | None = None
    slow_close_s: float = 0.0


class Chaos:
    """The Nth connection gets the Nth toxic, and those after the last one get the last. `accepted` counts them all."""

    def __init__(self, upstream: str, *toxics: Toxic, seed: int = 0) -> None:
        host, _, port = upstream.partition("://")[2].partition("/")[0].rpartition(":")
        self.accepted = 0
        self._upstream = host, int(port)
        self._toxics = toxics
        self._seed = seed
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for one in self._open:
            one.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def all_closed(self) -> None:
        """Wait until every client has left."""
        while self._open:
            await asyncio.wait(set(self._open))

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        toxic = self._toxics[min(self.accepted, len(self._toxics) - 1)]
        dice = random.Random(f"{self._seed} {self.accepted}")
        self.accepted += 1
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        ways = [
            asyncio.create_task(_pass(reader, up_writer)),
            asyncio.create_task(_spoil(up_reader, writer, toxic, dice)),
        ]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (writer, up_writer):
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()
        self._open.discard(task)


async def _pass(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()


async def _spoil(reader: StreamReader, writer: StreamWriter, toxic: Toxic, dice: random.Random) -> None:
    """Send on what the server sends until it, or the toxic, ends the connection."""
    ends = {"reset": toxic.reset_after, "cut": toxic.cut_after, "silent": toxic.silent_after}
    told = {kind: most for kind, most in ends.items() if most is not None}
    end = min(told, key=told.__getitem__, default="")
    left = told.get(end)
    with contextlib.suppress(OSError):
        while piece := await reader.read(1 << 16):
            kept = piece if left is None else piece[:left]
            for part in _parts(kept, toxic.slices, dice):
                await asyncio.sleep(toxic.latency_s)
                writer.write(part)
                await writer.drain()
                if toxic.bytes_per_second is not None:
                    await asyncio.sleep(len(part) / toxic.bytes_per_second)
            if left is not None and (left := left - len(kept)) == 0:
                break
        await _finish(end if left == 0 else "", writer, toxic)


def _parts(piece: bytes, most: int | None, dice: random.Random) -> Iterator[bytes]:
    start = 0
    while start < len(piece):
        size = len(piece) if most is None else dice.randint(1, most)
        yield piece[start : start + size]
        start += size


async def _finish(end: str, writer: StreamWriter, toxic: Toxic) -> None:
    if end == "silent":
        await asyncio.get_running_loop().create_future()
    elif end == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
    else:
        await asyncio.sleep(toxic.slow_close_s)
