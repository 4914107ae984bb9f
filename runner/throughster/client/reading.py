"""Reading a streamed reply: events to deltas, and whole answers as the deltas that they would have been."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from throughster.errors import ProviderError, StreamError
from throughster.providers.values import as_text
from throughster.redact import one_line
from throughster.sse import EventParser
from throughster.types import FinishDelta, ReasoningDelta, TextDelta, ToolCallDelta, UsageDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from throughster.exchanges import Streamed
    from throughster.providers.dialect import Assembler
    from throughster.types import Delta, Piece, Response

__all__ = ["TOKENS", "deltas_of", "read_deltas", "typed"]

TOKENS = (str, ReasoningDelta, ToolCallDelta)
"""Pieces that carry something of the answer."""
_PINGS = ("message", "ping", "keepalive")
"""Events of these names, or of none, show that the answer goes on only by what they bring."""


def typed(delta: Piece) -> Delta:
    """A piece of text as the delta that it is."""
    return TextDelta(delta) if isinstance(delta, str) else delta


def deltas_of(response: Response) -> list[Piece]:
    """A whole answer as the deltas that its stream would have had."""
    deltas: list[Piece] = [response.content] if response.content else []
    for n, call in enumerate(response.tool_calls):
        deltas.append(ToolCallDelta(n, call.id, call.name, as_text(call.arguments)))
    if response.finish_reason:
        deltas.append(FinishDelta(response.finish_reason))
    if response.usage is not None:
        deltas.append(UsageDelta(response.usage))
    return deltas


async def read_deltas(
    reply: Streamed, assembler: Assembler, pieces: list[bytes] | None = None
) -> AsyncGenerator[list[Piece], None]:
    """The deltas of a stream, a list for each piece that brought events; `pieces` gets the bytes.

    Raises StreamError when it ends too early; every error has the text that had arrived as its `partial`.
    """
    parser = EventParser()
    has_begun = False
    with _keeping_text(assembler):
        async for chunk in reply.chunks():
            if pieces is not None:
                pieces.append(chunk)
            events = parser.feed(chunk)
            if not events:
                continue
            deltas = assembler.feed(events)
            yield deltas
            if assembler.done:
                await reply.drain()
                break
            if deltas or not has_begun or assembler.complete or any(event not in _PINGS for _, event, _ in events):
                reply.progress()
            has_begun = True
        if not assembler.complete and (last := parser.finish()) is not None:
            yield assembler.feed([last])
        if not assembler.complete:
            missing = "[DONE] came without one" if assembler.done else "no finish reason, no [DONE]"
            said = one_line(assembler.unread.decode("utf-8", "replace"), 200)
            other = f" The server also said: {said}" if said else ""
            raise StreamError(f"The stream ended before the answer did: {missing}.{other}")


@contextmanager
def _keeping_text(assembler: Assembler) -> Iterator[None]:
    try:
        yield
    except ProviderError as error:
        error.partial = getattr(error, "partial", "") or assembler.text  # type: ignore[attr-defined]
        raise
