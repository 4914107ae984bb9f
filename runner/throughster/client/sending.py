"""One question, sent until it is answered or given up: admission, the send, the reply, the retry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from yarl import URL

from throughster.errors import ProviderError, RateLimitError, ServerError, StreamError, TransportError
from throughster.limits import Gate
from throughster.providers import chat
from throughster.redact import redact
from throughster.retry import next_delay_s
from throughster.sse import EventParser
from throughster.types import Attempt, RetryStats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from throughster.providers.base import Provider
    from throughster.settings import Address
    from throughster.transport import Reply, StreamReply, Transport
    from throughster.types import Delta, Limits, Response, Retry, Timeout

    OnDelta = Callable[[Delta], None]
    OnAttempt = Callable[[Attempt], None]

__all__ = ["Sender"]

_STATUS_OVERLOADED = (429, 503, 529)


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
    ) -> None:
        self.provider = provider
        self.address = address
        self.timeout = timeout
        self.retry = retry
        self.gate = Gate(limits)
        self._transport = transport
        self._query = query
        self._secrets = (address.key.get_secret_value(),) if address.key else ()
        self._headers = {"Content-Type": "application/json", **headers}
        if address.key:
            self._headers = {**provider.auth_headers(address.key.get_secret_value()), **self._headers}
        self.source = f"{provider.name}:{address.model or ''}".removesuffix(":")
        self._url = self._address_of(chat.PATH)

    def _address_of(self, path: str) -> URL:
        at = self.address
        url = URL(self.provider.url(at.api_base, path, model=at.model, api_version=at.api_version))
        return url.update_query({**self.provider.query(at.api_version), **self._query})

    async def ask(
        self,
        body: bytes,
        sends: list[Attempt],
        *,
        kind: Literal["transport", "validation"] = "transport",
        stream: bool = False,
        on_delta: OnDelta | None = None,
        on_attempt: OnAttempt | None = None,
    ) -> Response:
        """The reply to `body`. Every send is appended to `sends`.

        A stream is sent again only while nothing of it was handed to `on_delta`. Raises ProviderError.
        """
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        waited_s, tries = 0.0, 0
        while True:
            tries += 1
            ticket = await self.gate.enter()
            failure: ProviderError | None = None
            try:
                return await self._send(body, sends, kind, waited_s, stream=stream, on_delta=on_delta)
            except ProviderError as error:
                failure = error
            finally:
                self.gate.leave(ticket, pushed_back=failure is not None and _pushed_back(failure))
            self._hide_secrets(failure)
            attempt = Attempt(len(sends) + 1, kind, failure.http_status, str(failure), round(waited_s, 3))
            sends.append(attempt)
            if on_attempt is not None:
                on_attempt(attempt)
            delay_s = next_delay_s(self.retry, tries, failure, loop.time() - began_at)
            if delay_s is None:
                raise failure.with_attempts(sends)
            waited_s, kind = delay_s, "transport"
            await asyncio.sleep(delay_s)

    async def _send(
        self,
        body: bytes,
        sends: list[Attempt],
        kind: Literal["transport", "validation"],
        waited_s: float,
        *,
        stream: bool,
        on_delta: OnDelta | None,
    ) -> Response:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        if stream:
            return await self._read_stream(body, sends, kind, waited_s, on_delta)
        reply = await self._transport.send("POST", self._url, self._headers, body, self.timeout)
        if reply.status != 200:
            raise self._error(reply.status, reply.headers, reply.body)
        return self._response(reply, sends, kind, waited_s, loop.time() - began_at)

    def _response(
        self, reply: Reply, sends: list[Attempt], kind: Literal["transport", "validation"], waited_s: float, took_s: float
    ) -> Response:
        stats = RetryStats((*sends, Attempt(len(sends) + 1, kind, reply.status, None, round(waited_s, 3))))
        response = chat.parse_response(
            reply.body,
            source=self.source,
            request_id=self.provider.request_id(reply.headers),
            retry_stats=stats,
            latency_s=took_s,
        )
        sends.append(stats.attempts[-1])
        return response

    async def _read_stream(
        self,
        body: bytes,
        sends: list[Attempt],
        kind: Literal["transport", "validation"],
        waited_s: float,
        on_delta: OnDelta | None,
    ) -> Response:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        first_at: float | None = None
        handed_over = False
        assembler = chat.Assembler()
        async with self._transport.stream("POST", self._url, self._headers, body, self.timeout) as reply:
            if reply.status != 200:
                raise self._error(reply.status, reply.headers, await reply.read())
            if not reply.is_event_stream:
                raise StreamError(f"{self.provider.title} did not stream: {(await reply.read())[:200]!r}", retryable=False)
            try:
                async for deltas in _deltas(reply, assembler):
                    if first_at is None and deltas:
                        first_at = loop.time()
                    if on_delta is not None:
                        for delta in deltas:
                            handed_over = True
                            on_delta(delta)
            except ProviderError as error:
                if handed_over:
                    error.retryable = False
                raise
        attempt = Attempt(len(sends) + 1, kind, 200, None, round(waited_s, 3))
        sends.append(attempt)
        return assembler.response(
            source=self.source,
            request_id=self.provider.request_id(reply.headers),
            retry_stats=RetryStats(tuple(sends)),
            latency_s=loop.time() - began_at,
            first_token_s=None if first_at is None else first_at - began_at,
        )

    async def list_models(self) -> list[str]:
        """Model names, as the service lists them."""
        reply = await self._transport.send("GET", self._address_of("/models"), self._headers, None, self.timeout)
        if reply.status != 200:
            error = self._error(reply.status, reply.headers, reply.body)
            self._hide_secrets(error)
            raise error
        try:
            return [entry["id"] for entry in orjson.loads(reply.body)["data"]]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ServerError(f"{self.provider.title} replied with no list of models.", http_status=200) from error

    def _error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        if 300 <= status < 400:
            target = redact(headers.get("location", "nowhere"), self._secrets)
            return TransportError(
                f"{self.provider.title} replied {status}, a redirect to {target}. Redirects are not followed: "
                f"set the address itself.",
                http_status=status,
                retryable=False,
            )
        return self.provider.parse_error(status, headers, body)

    def _hide_secrets(self, error: ProviderError) -> None:
        """A server may echo the key in its message."""
        error.args = tuple(redact(a, self._secrets) if isinstance(a, str) else a for a in error.args)


def _pushed_back(error: ProviderError) -> bool:
    return isinstance(error, RateLimitError) or error.http_status in _STATUS_OVERLOADED


async def _deltas(reply: StreamReply, assembler: chat.Assembler) -> Any:
    """The deltas of a stream, a list for each piece that brought events. Raises StreamError when it ends too early."""
    parser = EventParser()
    async for chunk in reply.chunks():
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
        raise StreamError("The stream ended before the answer did: no finish reason, no [DONE].", partial=assembler.text)
