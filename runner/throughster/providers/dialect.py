"""What a dialect is: how a request is written and an answer is read, whoever the provider is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from throughster.providers.base import Provider
    from throughster.sse import Event
    from throughster.types import Message, Piece, Response

__all__ = ["Assembler", "Dialect"]


class Assembler(Protocol):
    """Puts the events of one stream together.

    `complete`: the stream may end here; `done`: it has. `text`: what has arrived of the answer's text. `unread`: the
    last event that was no part of an answer.
    """

    complete: bool
    done: bool
    unread: bytes

    @property
    def text(self) -> str: ...

    def feed(self, events: Iterable[Event]) -> list[Piece]:
        """The deltas in these events, up to the end of the stream; a piece of text is the text itself.

        Raises the provider's error when an event is one.
        """
        ...

    def response(self, **about: Any) -> Response:
        """The whole answer so far."""
        ...


class Dialect(Protocol):
    """One of the provider's interfaces. Requests reach it with the names of chat completions."""

    path: str
    messages_key: str

    def check_fields(self, provider: Provider, names: Sequence[str]) -> list[tuple[str, str]]: ...

    def build_fields(
        self, provider: Provider, request: Mapping[str, Any], api_version: str | None
    ) -> dict[str, Any]: ...

    def build_messages(self, provider: Provider, messages: Sequence[Message]) -> Sequence[Any]: ...

    def parse_response(self, body: bytes, **about: Any) -> Response: ...

    def assembler(self) -> Assembler: ...
