"""What sends for one client on one event loop: requests out, replies and streams in."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import re
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, TypeAlias

import orjson
from yarl import URL

from throughster.client.course import Course
from throughster.errors import ProviderError, ServerError, StreamError, TransportError
from throughster.limits import Admission, shared_endpoint
from throughster.providers.values import as_text
from throughster.redact import one_line, redact
from throughster.sse import EventParser
from throughster.types import (
    FinishDelta,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageDelta,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from throughster.client.course import Kind
    from throughster.client.learning import Learned
    from throughster.limits import Watch
    from throughster.providers import Dialect
    from throughster.providers.base import Provider
    from throughster.providers.dialect import Assembler
    from throughster.settings import Address
    from throughster.transport import StreamReply, Transport
    from throughster.types import Attempt, Delta, Limits, Response, Retry, Timeout

    OnDelta: TypeAlias = Callable[[Delta], None]

__all__ = ["Sender"]

_TOKENS = (TextDelta, ReasoningDelta, ToolCallDelta)

_SECRET_NAME = re.compile(r"key|token|auth|secret|cookie", re.IGNORECASE)


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
    ) -> None:
        self.provider = provider
        self.address = address
        self.timeout = timeout
        self.retry = retry
        self.is_replay = False
        self._transport = transport
        self._query = query
        self._token_provider = address.token_provider
        self._secrets: tuple[str, ...] = (
            *((address.key.get_secret_value(),) if address.key else ()),
            *(value.removeprefix("Bearer ") for name, value in headers.items() if _SECRET_NAME.search(name)),
        )
        self._headers = {"Content-Type": "application/json", **headers}
        if address.key:
            self._headers = {**provider.auth_headers(address.key.get_secret_value()), **self._headers}
        self.source = f"{provider.name}:{address.model or ''}".removesuffix(":")
        self.learned_of = learned_of
        self.dialect = dialect
        credential = hashlib.sha256("\0".join(self._secrets).encode()).hexdigest()[:16]
        place = (provider.name, address.api_base, address.model or "", credential)
        self.admission = Admission(limits, shared_endpoint(place, limits))
        self._urls: dict[str | None, URL] = {}
        self._version: tuple[int, ...] | None = None
        self._version_lock = asyncio.Lock()

    def _whole_instead(self, body: bytes, reply: StreamReply, course: Course, began_at: float) -> Response:
        """The answer of a server, or a proxy, that did not stream although it was asked to."""
        if not body.lstrip().startswith(b"{"):
            text = one_line(body.decode("utf-8", "replace"), 200)
            raise StreamError(f"{self.provider.title} did not stream. It replied: {text}", retryable=False)
        took_s = course.now() - began_at
        return self.dialect.parse_response(
            body,
            source=self.source,
            deployment=self.address.deployment,
            request_id=self.provider.request_id(reply.headers),
            latency_s=took_s,
            first_token_s=took_s,
            retry_stats=course.stats(),
        )

    @property
    def refreshes_token(self) -> bool:
        return self._token_provider is not None

    def url_of(self, model: str | None) -> URL:
        """Where a request for this model goes. Raises RequestError where the address needs a model and has none."""
        url = self._urls.get(model)
        if url is None:
            url = self._urls[model] = self._address_of(self.dialect.path, model)
        return url

    def _address_of(self, path: str, model: str | None) -> URL:
        at = self.address
        url = URL(self.provider.url(at.api_base, path, model=model, api_version=at.api_version))
        return url.update_query({**self.provider.query(at.api_version), **self._query})

    async def ask(
        self,
        url: URL,
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
        while True:
            async with course:
                began_at = course.now()
                headers = self._headers if self._token_provider is None else await self._fresh_headers()
                reply = await self._transport.send("POST", url, headers, body, self.timeout)
                course.heard(reply.headers)
                if reply.status != 200:
                    raise self._error(reply.status, reply.headers, reply.body)
                return course.answered(
                    self.dialect.parse_response(
                        reply.body,
                        source=self.source,
                        deployment=self.address.deployment,
                        request_id=self.provider.request_id(reply.headers),
                        latency_s=course.now() - began_at,
                        retry_stats=course.stats(),
                    )
                )
            await course.wait()

    async def stream(
        self,
        url: URL,
        body: bytes,
        sends: list[Attempt],
        *,
        kind: Kind = "transport",
        retry: Retry | None = None,
        shown: bool = True,
        watch: Watch | None = None,
        most: int | None = None,
    ) -> AsyncGenerator[list[Delta] | Response, None]:
        """The deltas of the answer as they arrive, a list at a time; the last item is the whole Response.

        `shown`: the deltas reach somebody as they come, so that a stream that broke off after the first of them is not
        sent again. Raises as `ask`.
        """
        course = Course(self, sends, kind=kind, retry=retry, watch=watch, size=len(body), most=most)
        while True:
            async with course:
                async with aclosing(self._stream_once(url, body, course)) as items:
                    async for item in items:
                        course.may_resend = course.may_resend and not (shown and item)
                        yield item
                return
            await course.wait()

    async def _stream_once(self, url: URL, body: bytes, course: Course) -> AsyncGenerator[list[Delta] | Response, None]:
        began_at = course.now()
        first_at: float | None = None
        assembler = self.dialect.assembler()
        headers = self._headers if self._token_provider is None else await self._fresh_headers()
        async with self._transport.stream("POST", url, headers, body, self.timeout) as reply:
            course.heard(reply.headers)
            if reply.status != 200:
                raise self._error(reply.status, reply.headers, await reply.read())
            if not reply.is_event_stream:
                whole = course.answered(self._whole_instead(await reply.read(), reply, course, began_at))
                yield _deltas_of(whole)
                yield whole
                return
            async with aclosing(_deltas(reply, assembler)) as groups:
                async for deltas in groups:
                    if first_at is None and any(isinstance(delta, _TOKENS) for delta in deltas):
                        first_at = course.now()
                    yield deltas
        yield course.answered(
            assembler.response(
                source=self.source,
                deployment=self.address.deployment,
                request_id=self.provider.request_id(reply.headers),
                latency_s=course.now() - began_at,
                first_token_s=None if first_at is None else first_at - began_at,
                retry_stats=course.stats(),
            )
        )

    async def _fresh_headers(self) -> Mapping[str, str]:
        """The headers with a token of this moment: tokens run out during long runs."""
        assert self._token_provider is not None
        if inspect.iscoroutinefunction(self._token_provider):
            token = await self._token_provider()
        else:
            token = await asyncio.to_thread(self._token_provider)
            if inspect.isawaitable(token):
                token = await token
        self._secrets = (*self._secrets[:4], token)
        return {**self._headers, "Authorization": f"Bearer {token}"}

    async def server_version(self) -> tuple[int, ...] | None:
        """The server's version as numbers, where it has one to tell (vLLM); asked until it was told."""
        path = self.provider.version_path
        if path is None:
            return None
        async with self._version_lock:
            if self._version is None:
                base = URL(self.address.api_base)
                url = base.with_path(base.path.rstrip("/").removesuffix("/v1") + path)
                with suppress(ProviderError):
                    reply = await self._transport.send("GET", url, self._headers, None, self.timeout)
                    if reply.status == 200:
                        self._version = _version_numbers(reply.body)
        return self._version or None

    async def list_models(self) -> list[str]:
        """Model names, as the service lists them."""
        course = Course(self, [])
        url = self._address_of("/models", self.address.model or "")
        while True:
            async with course:
                headers = self._headers if self._token_provider is None else await self._fresh_headers()
                reply = await self._transport.send("GET", url, headers, None, self.timeout)
                course.heard(reply.headers)
                if reply.status != 200:
                    raise self._error(reply.status, reply.headers, reply.body)
                try:
                    return [entry["id"] for entry in orjson.loads(reply.body)["data"]]
                except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                    message = f"{self.provider.title} replied with no list of models."
                    raise ServerError(message, http_status=200, retryable=False) from error
            await course.wait()

    def _error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        if 300 <= status < 400:
            target = redact(headers.get("location", "nowhere"), self._secrets)
            return TransportError(
                f"{self.provider.title} replied {status}, a redirect to {target}. Redirects are not followed: "
                f"set the address itself.",
                http_status=status,
                retryable=False,
            )
        error = self.provider.parse_error(status, headers, body)
        if "v1/responses" in str(error) and self.dialect.path != "/responses":
            error.args = (
                f'{error} Set the endpoint: `endpoint: responses` in a spec, endpoint="responses" in Python.',
            )
        return error

    def hide_secrets(self, error: ProviderError) -> None:
        """A server may echo the key in its message."""
        error.args = tuple(redact(a, self._secrets) if isinstance(a, str) else a for a in error.args)
        error.code = redact(error.code, self._secrets) if error.code else error.code
        error.param = redact(error.param, self._secrets) if error.param else error.param


def _deltas_of(response: Response) -> list[Delta]:
    """A whole answer as the deltas that its stream would have had."""
    deltas: list[Delta] = [TextDelta(response.content)] if response.content else []
    for n, call in enumerate(response.tool_calls):
        deltas.append(ToolCallDelta(n, call.id, call.name, as_text(call.arguments)))
    if response.finish_reason:
        deltas.append(FinishDelta(response.finish_reason))
    if response.usage is not None:
        deltas.append(UsageDelta(response.usage))
    return deltas


def _version_numbers(body: bytes) -> tuple[int, ...]:
    try:
        text = orjson.loads(body)["version"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


async def _deltas(reply: StreamReply, assembler: Assembler) -> AsyncGenerator[list[Delta], None]:
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
        raise StreamError(
            "The stream ended before the answer did: no finish reason, no [DONE].", partial=assembler.text
        )
