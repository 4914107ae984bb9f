"""A request and its reply, as they are kept and given again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from throughster.reply import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from throughster.errors import ProviderError

__all__ = ["Request", "Stored", "StoredStream", "Streamed", "canonical", "digest_of", "kept_headers"]

_KEPT = ("content-type", "retry-after", "x-ms-retry-after", "x-ratelimit-", "x-should-retry")
_KEPT_ENDINGS = ("request-id", "correlation-id")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `place`: provider, path and model, wherever they are; `url`: where they are, for readers.

    `body`: JSON; empty for a GET. `secrets`: what must not be kept, `learned`: what is known of the model's refusals.
    """

    place: str
    url: str
    body: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)
    source: str = ""
    learned: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """A reply that was kept. `headers`: names in lower case. Times in seconds, as they were.

    `failure`: what was raised instead of the reply, or in the middle of the stream that `body` begins.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_s: float = 0.0
    first_token_s: float | None = None
    failure: ProviderError | None = None

    @property
    def is_event_stream(self) -> bool:
        return self.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream"

    def reply(self) -> Reply:
        return Reply(self.status, self.headers, self.body, self.latency_s)


class Streamed(Protocol):
    """A reply in pieces: `transport.StreamReply`, or one that was kept or is being kept."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def is_event_stream(self) -> bool: ...

    @property
    def times(self) -> tuple[float, float | None] | None: ...

    async def read(self) -> bytes: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    def progress(self) -> None: ...

    async def drain(self) -> None: ...


class StoredStream:
    """A kept reply, read as `transport.StreamReply` is."""

    def __init__(self, stored: Stored) -> None:
        self.status = stored.status
        self.headers = stored.headers
        self.is_event_stream = stored.is_event_stream
        self.times: tuple[float, float | None] | None = (stored.latency_s, stored.first_token_s)
        self._stored = stored

    async def read(self) -> bytes:
        if self._stored.failure is not None:
            raise self._stored.failure
        return self._stored.body

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._stored.body:
            yield self._stored.body
        if self._stored.failure is not None:
            raise self._stored.failure

    def progress(self) -> None:
        """There is no clock."""

    async def drain(self) -> None:
        """There is nothing behind the end."""


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that mean something to a client; no cookie, no name of an account."""
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower().startswith(_KEPT) or name.lower().endswith(_KEPT_ENDINGS)
    }


def canonical(body: bytes) -> bytes:
    """The same bytes for the same JSON, whatever the order of its names."""
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body


def digest_of(*parts: bytes) -> bytes:
    """32 bytes that tell lists of bytes apart."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8))
        hasher.update(part)
    return hasher.digest()
