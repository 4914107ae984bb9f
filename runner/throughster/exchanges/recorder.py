"""Recording: everything is sent as ever, and kept."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from throughster.errors import CassetteError, ProviderError
from throughster.exchanges.cassette import Exchange, case_file, file_of, read_file, write_file, write_json
from throughster.exchanges.exchange import Stored, kept_headers
from throughster.exchanges.folder import unlinked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from throughster.exchanges.active import Case
    from throughster.exchanges.exchange import Request, Streamed
    from throughster.reply import Reply
    from throughster.transport import StreamReply

__all__ = ["Recorder"]


class Recorder:
    """Writes cassettes into `folder`. What a case had there before, of the same provider and repeat, is replaced.

    Raises CassetteError where the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder = unlinked(folder)
        self._open: dict[tuple[Path, str, int], list[Exchange]] = {}
        self._secrets: set[str] = set()
        self._learned: dict[str, Any] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CassetteError(f"The folder {folder} cannot be made: {error.strerror}.") from error

    async def send(self, case: Case, request: Request, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """Send, and keep the reply or the failure."""
        began_at = time.perf_counter()
        try:
            reply = await send()
        except ProviderError as error:
            self._keep_failure(case, request, Stored(0, {}, b"", time.perf_counter() - began_at, None, error))
            raise
        took_s = time.perf_counter() - began_at
        self._keep(case, request, Stored(reply.status, kept_headers(reply.headers), reply.body, took_s))
        return reply

    @asynccontextmanager
    async def stream(
        self, case: Case, request: Request, connect: Callable[[], AbstractAsyncContextManager[StreamReply]]
    ) -> AsyncIterator[Streamed]:
        """Send, and keep of the stream what is read, with the failure that ends it."""
        began_at = time.perf_counter()
        reply: _RecordedStream | None = None
        failure: ProviderError | None = None
        try:
            async with connect() as stream:
                reply = _RecordedStream(stream)
                yield reply
        except ProviderError as error:
            failure = error
            raise
        finally:
            took_s = time.perf_counter() - began_at
            if reply is None:
                if failure is not None:
                    self._keep_failure(case, request, Stored(0, {}, b"", took_s, None, failure))
            else:
                broken = failure if reply.is_broken else None
                self._keep(case, request, reply.stored(began_at, took_s, broken))

    def finish(self, case: Case) -> None:
        """The case has its result: write its file. Raises CassetteError."""
        key = (case_file(self.folder, case), case.label, case.repeat)
        if key in self._open:
            self._write(key)
            del self._open[key]

    def _keep_failure(self, case: Case, request: Request, stored: Stored) -> None:
        if not getattr(stored.failure, "stale_connection", False):  # that send is made again at once, and costs nothing
            self._keep(case, request, stored)

    def _keep(self, case: Case, request: Request, stored: Stored) -> None:
        self._secrets.update(request.secrets)
        if request.learned and self._learned.get(request.source) != request.learned:
            self._learned[request.source] = dict(request.learned)
            write_json(self.folder / "learned.json", dict(sorted(self._learned.items())), self._secrets)
        key = (file_of(self.folder, case, request), case.label, case.repeat)
        body = json.loads(request.body) if request.body else None
        self._open.setdefault(key, []).append(
            Exchange(case.label, case.repeat, request.place, request.url, body, stored)
        )
        if not (case.spec and case.id):
            self._write(key)

    def _write(self, key: tuple[Path, str, int]) -> None:
        path, label, repeat = key
        others = [e for e in read_file(path) if (e.label, e.repeat) != (label, repeat)] if label else []
        write_file(path, [*others, *self._open[key]], self._secrets)


class _RecordedStream:
    """A stream whose pieces are kept as they pass."""

    times: tuple[float, float | None] | None = None

    def __init__(self, stream: StreamReply) -> None:
        self.status = stream.status
        self.headers = stream.headers
        self.is_event_stream = stream.is_event_stream
        self.is_broken = False
        self._stream = stream
        self._pieces: list[bytes] = []
        self._first_at: float | None = None

    def progress(self) -> None:
        self._stream.progress()

    async def drain(self) -> None:
        await self._stream.drain()

    async def read(self) -> bytes:
        body = await self._stream.read()
        self._pieces.append(body)
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream.chunks():
                self._first_at = self._first_at or time.perf_counter()
                self._pieces.append(chunk)
                yield chunk
        except ProviderError:
            self.is_broken = True
            raise

    def stored(self, began_at: float, took_s: float, failure: ProviderError | None) -> Stored:
        first_s = None if self._first_at is None else self._first_at - began_at
        return Stored(self.status, kept_headers(self.headers), b"".join(self._pieces), took_s, first_s, failure)
