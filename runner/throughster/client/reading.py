"""Reading a streamed reply: events to deltas, and whole answers as the deltas that they would have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughster.errors import StreamError
from throughster.providers.values import as_text
from throughster.sse import EventParser
from throughster.types import FinishDelta, ReasoningDelta, TextDelta, ToolCallDelta, UsageDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from throughster.exchanges import Streamed
    from throughster.providers.dialect import Assembler
    from throughster.types import Delta, Response

__all__ = ["TOKENS", "deltas_of", "read_deltas"]

TOKENS = (TextDelta, ReasoningDelta, ToolCallDelta)
"""Deltas that carry something of the answer."""


def deltas_of(response: Response) -> list[Delta]:
    """A whole answer as the deltas that its stream would have had."""
    deltas: list[Delta] = [TextDelta(response.content)] if response.content else []
    for n, call in enumerate(response.tool_calls):
        deltas.append(ToolCallDelta(n, call.id, call.name, as_text(call.arguments)))
    if response.finish_reason:
        deltas.append(FinishDelta(response.finish_reason))
    if response.usage is not None:
        deltas.append(UsageDelta(response.usage))
    return deltas


async def read_deltas(
    reply: Streamed, assembler: Assembler, pieces: list[bytes] | None = None
) -> AsyncGenerator[list[Delta], None]:
    """The deltas of a stream, a list for each piece that brought events; `pieces` gets the bytes.

    Raises StreamError when it ends too early.
    """
    parser = EventParser()
    async for chunk in reply.chunks():
        if pieces is not None:
            pieces.append(chunk)
        events = parser.feed(chunk)
        if not events:
            continue
        deltas: list[Delta] = []
        for event in events:
            deltas += assembler.feed(event.data, event.event)
            if assembler.done:
                break
        yield deltas
        if assembler.done:
            await reply.drain()
            return
        reply.progress()
    if not assembler.complete and (last := parser.finish()) is not None:
        yield assembler.feed(last.data, last.event)
    if not assembler.complete:
        raise StreamError(
            "The stream ended before the answer did: no finish reason, no [DONE].", partial=assembler.text
        )
