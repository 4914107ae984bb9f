"""A streamed answer, as its reader sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from throughster.client.question import content_filter_error
from throughster.client.reading import typed
from throughster.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator

    from throughster.client.question import Question
    from throughster.types import Delta, Message, Piece, Response

__all__ = ["Stream"]


class Stream:
    """Iterate it for the pieces of text, or `.events()` for typed deltas; once. Nothing is sent before.

    `await stream` gives the stream itself, so that `await client.stream(...)` and `client.stream(...)` read alike.
    Leave the loop early inside `async with stream:`, or call `aclose()`, to free the connection at once.
    """

    def __init__(self, question: Callable[[], Awaitable[Question]], messages: list[Message]) -> None:
        self._question = question
        self._messages = messages
        self._items: AsyncGenerator[list[Piece] | Response, None] | None = None
        self._response: Response | None = None

    @property
    def response(self) -> Response:
        """The whole answer. Raises RequestError while the stream is not read to its end."""
        if self._response is None:
            raise RequestError("The stream's response is there after the loop over it has ended.")
        return self._response

    async def events(self) -> AsyncIterator[Delta]:
        """The deltas as they arrive: text, reasoning, refusal, tool calls, finish, usage."""
        async for deltas in self._arriving():
            for delta in deltas:
                yield typed(delta)

    async def _texts(self) -> AsyncIterator[str]:
        async for deltas in self._arriving():
            for delta in deltas:
                if isinstance(delta, str):
                    yield delta

    async def _arriving(self) -> AsyncIterator[list[Piece]]:
        """What arrived together."""
        if self._items is not None:
            raise RequestError("A stream can be read once; call stream() again for another answer.")
        question = await self._question()
        self._items = question.stream(self._messages)
        try:
            async for item in self._items:
                if isinstance(item, list):
                    yield item
                else:
                    self._response = item
        finally:
            await self._items.aclose()
        if self._response is not None and self._response.finish_reason == "content_filter":
            raise content_filter_error(self._response)

    def __aiter__(self) -> AsyncIterator[str]:
        return self._texts()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def aclose(self) -> None:
        """End the stream and free its connection."""
        if self._items is not None:
            await self._items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
