"""What sends for one client on one event loop: requests out, replies and streams in."""

from __future__ import annotations

import codecs
import hashlib
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from throughster.characters import whole
from throughster.client.course import Course
from throughster.client.reading import TOKENS, deltas_of, read_deltas
from throughster.client.wire import Wire
from throughster.errors import RequestError, StreamError
from throughster.exchanges import CASE, TAPE, Stored, StoredStream, playing
from throughster.limits import Admission, shared_endpoint
from throughster.redact import one_line, redact, redact_bytes
from throughster.settings import variable_of
from throughster.types import RetryStats

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from throughster.client.course import Kind
    from throughster.client.learning import Learned
    from throughster.client.question import Question
    from throughster.client.wire import Place
    from throughster.emulator import Answers
    from throughster.exchanges import Cache, Streamed
    from throughster.limits import Watch
    from throughster.providers import Dialect
    from throughster.providers.base import Provider
    from throughster.reply import Reply
    from throughster.settings import Address
    from throughster.transport import Transport
    from throughster.types import Attempt, Delta, Limits, Piece, Response, Retry, Timeout, Usage

    OnDelta: TypeAlias = Callable[[Delta], None]

__all__ = ["Sender"]

_NOT_KEPT = ("length", "model_length", "content_filter", "error")
"""Finish reasons of answers that are not worth keeping."""


class Sender:
    """Everything of a client that does not change from question to question."""

    def __init__(
        self,
        provider: Provider,
        address: Address,
        transport: Transport,
        *,
        limits: Limits,
        timeout: Timeout,
        retry: Retry,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        learned_of: Callable[[str | None], Learned],
        dialect: Dialect,
        cache: Cache | None = None,
        canned: Answers | None = None,
    ) -> None:
        provider = provider.at(address.api_base)
        self.provider = provider
        self.address = address
        self.retry = retry
        self._has_own_words = bool(headers or query) or playing() is not None
        self.dialect = dialect
        self.questions: dict[bytes, Question] = {}
        self.wire = Wire(
            provider,
            address,
            transport,
            dialect,
            timeout=timeout,
            headers=headers,
            query=query,
            learned_of=learned_of,
        )
        self._cache = cache
        self._canned = hashlib.sha256(repr(canned).encode()).hexdigest() if cache and canned else ""
        credential = hashlib.sha256("\0".join(self.wire.secrets).encode()).hexdigest()[:16]
        shared = (provider.name, address.api_base, address.model or "", credential)
        self.admission = Admission(limits, shared_endpoint(shared, limits))

    def check_model(self, fields: Mapping[str, Any]) -> None:
        """Raises RequestError where nobody said which model; headers or a query of one's own may say it."""
        is_said = fields.get("model") or "model" in (fields.get("extra_body") or {}) or self._has_own_words
        if not is_said and self.provider.needs_model(self.address.api_base):
            raise RequestError(
                f"Which model of {self.provider.title}? Set {variable_of(self.provider, 'model_name')}, or give "
                f"`model_name` to the client or `model` in the request."
            )

    async def ask(
        self,
        place: Place,
        body: bytes,
        sends: list[Attempt],
        *,
        kind: Kind = "transport",
        retry: Retry | None = None,
        watch: Watch | None = None,
        most: int | None = None,
    ) -> Response:
        """The reply to `body`, whose answer has `most` tokens at most. Every send is appended to `sends`.

        Raises ProviderError, and BudgetError where the watch's budget is spent.
        """
        course = Course(self, sends, kind=kind, retry=retry, watch=watch, size=len(body), most=most)
        if self._cache is None or TAPE.get() is not None:
            return (await self._ask(place, body, course))[0]
        key = self._key(place, body)
        async with self._cache.turn(key) as kept:
            if kept is not None:
                return self._whole(kept.reply(), kept.latency_s, RetryStats(tuple(sends)), cached=True)
            response, reply = await self._ask(place, body, course)
            if response.finish_reason not in _NOT_KEPT:
                headers = self._worth_keeping(reply.headers)
                body = redact_bytes(reply.body, self.wire.secrets)
                self._cache.put(key, Stored(200, headers, body, response.latency_s))
            return response

    async def _ask(self, place: Place, body: bytes, course: Course) -> tuple[Response, Reply]:
        while True:
            async with course:
                began_at = course.now()
                reply = await self.wire.send(place, body)
                course.heard(reply.headers)
                if reply.status != 200:
                    raise self.wire.error(reply.status, reply.headers, reply.body, place)
                took_s = course.now() - began_at if reply.latency_s is None else reply.latency_s
                return course.answered(self._whole(reply, took_s, course.stats())), reply
            await course.wait()

    def _whole(self, reply: Reply, took_s: float, stats: RetryStats, *, cached: bool = False) -> Response:
        return self.dialect.parse_response(
            reply.body,
            source=self.wire.source,
            deployment=self.address.deployment,
            request_id=self.provider.request_id(reply.headers),
            latency_s=took_s,
            retry_stats=stats,
            cached=cached,
        )

    async def stream(
        self,
        place: Place,
        body: bytes,
        sends: list[Attempt],
        *,
        kind: Kind = "transport",
        retry: Retry | None = None,
        shown: bool = True,
        pulled: bool = False,
        watch: Watch | None = None,
        most: int | None = None,
    ) -> AsyncGenerator[list[Piece] | Response, None]:
        """The deltas of the answer as they arrive, a list at a time; the last item is the whole Response.

        `shown`: the deltas reach somebody as they come, so that a stream that broke off after the first of them is not
        sent again. `pulled`: a caller reads it, or stops reading it, as he likes: nobody else waits for that. Raises as
        `ask`.
        """
        course = Course(self, sends, kind=kind, retry=retry, watch=watch, size=len(body), most=most)
        if self._cache is None or TAPE.get() is not None:
            items = self._stream(place, body, course, shown=shown)
        else:
            items = self._stream_kept(self._cache, place, body, course, tuple(sends), shown=shown, alone=not pulled)
        async with aclosing(items):
            async for item in items:
                yield item

    async def _stream_kept(
        self,
        cache: Cache,
        place: Place,
        body: bytes,
        course: Course,
        sends: tuple[Attempt, ...],
        *,
        shown: bool,
        alone: bool,
    ) -> AsyncGenerator[list[Piece] | Response, None]:
        key = self._key(place, body)
        async with cache.turn(key, alone=alone) as kept:
            pieces: list[bytes] = []
            if kept is not None:
                items = self._read(StoredStream(kept), place, course, 0.0, [])
            else:
                items = self._stream(place, body, course, shown=shown, pieces=pieces)
            async with aclosing(items):
                async for item in items:
                    if isinstance(item, list):
                        yield item
                        continue
                    response = item
                    if kept is not None:
                        response = replace(item, cached=True, retry_stats=RetryStats(sends))
            if kept is None and response.finish_reason not in _NOT_KEPT:
                body = redact_bytes(b"".join(pieces), self.wire.secrets)
                headers = {"content-type": "application/json" if body[:1] == b"{" else "text/event-stream"}
                cache.put(key, Stored(200, headers, body, response.latency_s, response.first_token_s))
            yield response

    async def _stream(
        self, place: Place, body: bytes, course: Course, *, shown: bool, pieces: list[bytes] | None = None
    ) -> AsyncGenerator[list[Piece] | Response, None]:
        """`pieces`: gets the bytes of the answer."""
        while True:
            async with course:
                if pieces is not None:
                    pieces.clear()
                began_at = course.now()
                async with await self.wire.stream(place, body) as reply:
                    course.heard(reply.headers)
                    async with aclosing(self._read(reply, place, course, began_at, pieces)) as items:
                        async for item in items:
                            course.may_resend = course.may_resend and not (shown and item)
                            yield item
                return
            await course.wait()

    async def _read(
        self, reply: Streamed, place: Place, course: Course, began_at: float, pieces: list[bytes] | None
    ) -> AsyncGenerator[list[Piece] | Response, None]:
        if reply.status != 200:
            raise self.wire.error(reply.status, reply.headers, await reply.read(), place)
        if not reply.is_event_stream:
            body = await reply.read()
            if pieces is not None:
                pieces.append(body)
            whole = course.answered(self._whole_instead(body, reply, course, began_at))
            yield deltas_of(whole)
            yield whole
            return
        first_at: float | None = None
        assembler = self.dialect.assembler()
        async with aclosing(read_deltas(reply, assembler, pieces)) as groups:
            async for deltas in groups:
                if first_at is None and any(isinstance(delta, TOKENS) for delta in deltas):
                    first_at = course.now()
                yield deltas
        times = reply.times or (course.now() - began_at, None if first_at is None else first_at - began_at)
        yield course.answered(
            assembler.response(
                source=self.wire.source,
                deployment=self.address.deployment,
                request_id=self.provider.request_id(reply.headers),
                latency_s=times[0],
                first_token_s=times[1],
                retry_stats=course.stats(),
            )
        )

    def _whole_instead(self, body: bytes, reply: Streamed, course: Course, began_at: float) -> Response:
        """The answer of a server, or a proxy, that did not stream although it was asked to."""
        if not body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
            text = one_line(body.decode("utf-8", "replace"), 200)
            raise StreamError(f"{self.provider.title} did not stream. It replied: {text}", retryable=False)
        took_s = reply.times[0] if reply.times else course.now() - began_at
        return self.dialect.parse_response(
            body,
            source=self.wire.source,
            deployment=self.address.deployment,
            request_id=self.provider.request_id(reply.headers),
            latency_s=took_s,
            first_token_s=took_s,
            retry_stats=course.stats(),
        )

    def forget(self, place: Place, bodies: Sequence[bytes]) -> None:
        """The answers to these were no use: they are not given again."""
        if self._cache is not None and TAPE.get() is None:
            self._cache.forget([self._key(place, body) for body in bodies])

    def _key(self, place: Place, body: bytes) -> bytes:
        assert self._cache is not None
        version = place.url.query.get("api-version", "")
        return self._cache.key(f"{place.shown} {version} {self._canned}", body, CASE.get().repeat)

    def _worth_keeping(self, headers: Mapping[str, str]) -> dict[str, str]:
        kept = {"content-type": "application/json"}
        for name in self.provider.request_id_headers:
            if name in headers:
                kept[name] = redact(whole(headers[name]), self.wire.secrets)
        return kept

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage | None]:
        """One vector for each text, and what they took."""
        course, place = Course(self, []), self.wire.embeddings_place()
        while True:
            async with course:
                reply = await self.wire.embeddings(place, texts)
                course.heard(reply.headers)
                if reply.status != 200:
                    raise self.wire.error(reply.status, reply.headers, reply.body, place)
                return self.wire.vectors_in(reply, len(texts))
            await course.wait()

    async def list_models(self) -> list[str]:
        """Model names, as the service lists them."""
        course, place = Course(self, []), self.wire.models_place()
        while True:
            async with course:
                reply = await self.wire.send(place, b"", "GET")
                course.heard(reply.headers)
                if reply.status != 200:
                    raise self.wire.error(reply.status, reply.headers, reply.body, place)
                return self.wire.names_in(reply)
            await course.wait()
