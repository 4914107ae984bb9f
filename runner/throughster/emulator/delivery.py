"""Answers on their way out: after their latency, at their pace, and spoilt where a fault says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from throughster.emulator.exchange import Reply
from throughster.emulator.latency import Latencies
from throughster.emulator.sabotage import spoil
from throughster.emulator.throughput import Throughput
from throughster.emulator.wire import send_at_pace, stream_response, whole_response

if TYPE_CHECKING:
    from aiohttp import web

    from throughster.emulator.faults import Fault
    from throughster.emulator.options import Options

__all__ = ["Delivery"]


class Delivery:
    """Sends the answers of one server."""

    def __init__(self, options: Options) -> None:
        self._latencies = Latencies(options.latency_s, options.seed) if options.latency_s else None
        self._throughput = Throughput(options.tokens_per_second, options.capacity)
        self._is_paced = options.tokens_per_second is not None or options.capacity is not None

    async def send(
        self,
        request: web.BaseRequest,
        parts: list[bytes],
        headers: dict[str, str],
        *,
        tokens: int,
        streamed: bool,
        fault: Fault | None,
    ) -> web.StreamResponse:
        """Send an answer of so many tokens. `parts`: the events of a stream, or the one body of a whole answer.

        `fault`: what happens to it on the wire.
        """
        if self._latencies is not None:
            await asyncio.sleep(self._latencies.next_s())
        if fault is None and not self._is_paced:
            return stream_response(parts, headers) if streamed else whole_response(Reply(200, parts[0]), headers)
        with self._throughput.answer() as writing:
            if fault is not None:
                return await spoil(fault, request, parts, headers, writing, tokens=tokens, streamed=streamed)
            if streamed:
                return await send_at_pace(request, parts, headers, writing, tokens)
            await writing.reach(tokens)
        return whole_response(Reply(200, parts[0]), headers)
