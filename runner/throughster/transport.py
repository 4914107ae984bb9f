"""The network: the only importer of aiohttp's client, and the one place where its errors are translated.

One session per event loop. No redirect is followed, no proxy or credential is read from the environment, cookies are
not kept, and no reply grows beyond a bound.
"""

from __future__ import annotations

import asyncio
import functools
import math
import os
import ssl
import weakref
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from yarl import URL

from throughster._version import __version__
from throughster.errors import RequestError, RequestTimeoutError, StreamError, TransportError
from throughster.reply import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp.client_proto import ResponseHandler

    from throughster.types import Timeout

__all__ = ["StreamReply", "Transport", "close_sessions", "take_ended", "translate"]

_T = TypeVar("_T")
MAX_REPLY_BYTES = 32_000_000
MAX_STREAM_BYTES = 200_000_000
"""Of one stream, with all that is in its events beside the text: about a million of them."""
_DRAIN_S = 0.5
_NO_CA_HELPS = (9, 10, 62, 64)  # OpenSSL's X509_V_ERR: not valid yet, expired, another host, another address
_OWN_CA = "If the certificate comes from a CA of your own, SSL_CERT_FILE names the file with the CA's certificate."
_is_fresh: ContextVar[bool] = ContextVar("_is_fresh")  # whether the present request opened its connection
_IDLE_CONNECTION_S = 4.0  # below uvicorn's 5 s: a socket the server is about to close is not picked up again


class StreamReply:
    """A reply whose body arrives in pieces. `headers` as in `Reply`.

    `times`: latency and first token in seconds, of one that was kept.

    Its clocks run only while a piece is awaited, so that a slow reader is never blamed on the server: one timer per
    stream looks at them, none is set per piece.
    """

    times: tuple[float, float | None] | None = None

    def __init__(self, response: aiohttp.ClientResponse, url: URL, timeout: Timeout, began_at: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._url = url
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._ends_at = began_at + timeout.total_s
        self._due_at = min(began_at + timeout.first_token_s, self._ends_at)
        self._clock = "first_token_s"
        self._waiting = False
        self._timer = self._loop.call_at(self._due_at, self._look_at_clocks)

    @property
    def is_event_stream(self) -> bool:
        return self._response.content_type == "text/event-stream"

    async def read(self) -> bytes:
        """The whole body, within the clocks of the stream."""
        self._waiting = True
        try:
            return await _read(self._response)
        except (aiohttp.ClientError, OSError) as error:
            raise translate(error, self._url, self._timeout) from error
        finally:
            self._waiting = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces, as they arrive. Raises StreamError, or RequestTimeoutError naming the clock that ran out."""
        readany = self._response.content.readany
        left = MAX_STREAM_BYTES
        while True:
            self._waiting = True
            try:
                chunk = await readany()
            except (aiohttp.ClientError, OSError) as error:
                raise StreamError(f"The stream broke off: {_reason(error)}.") from error
            finally:
                self._waiting = False
            if not chunk:
                return
            left -= len(chunk)
            if left < 0:
                message = f"The stream is longer than {MAX_STREAM_BYTES:,} bytes, and was ended."
                raise StreamError(message, retryable=False)
            yield chunk

    def progress(self) -> None:
        """The reader has dealt with an event; the idle clock starts anew. Comments are no progress."""
        self._due_at = min(self._loop.time() + self._timeout.idle_s, self._ends_at)
        if self._clock != "idle_s":
            self._clock = "idle_s"
            self._timer.cancel()
            self._timer = self._loop.call_at(self._due_at, self._look_at_clocks)

    async def drain(self) -> None:
        """Read what follows the end of the events, so that the connection can be used again; not for long."""
        if not self._response.content.at_eof():
            with suppress(aiohttp.ClientError, OSError):
                async with asyncio.timeout(_DRAIN_S):
                    while await self._response.content.readany():
                        pass

    def close(self) -> None:
        """Give the connection back when the body was read to its end; cut it otherwise."""
        self._timer.cancel()
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    def _look_at_clocks(self) -> None:
        now = self._loop.time()
        if now < self._due_at or not self._waiting:
            self._timer = self._loop.call_at(max(self._due_at, now + 0.05), self._look_at_clocks)
            return
        clock = "total_s" if self._due_at >= self._ends_at else self._clock
        what = {"total_s": "No end of the stream", "first_token_s": "No first event", "idle_s": "No further event"}
        self._response.content.set_exception(
            RequestTimeoutError(
                f"{what[clock]} from {_origin(self._url)} within {getattr(self._timeout, clock):g} s (timeout.{clock})."
            )
        )


class _Connector(aiohttp.TCPConnector):
    async def _create_connection(self, *args: Any) -> ResponseHandler:
        _is_fresh.set(True)
        return await super()._create_connection(*args)


class Transport:
    """Sends. Holds one aiohttp session per running event loop, made when first needed."""

    def __init__(self) -> None:
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession]
        self._parents: list[object] = []
        self._begin()
        _transports.add(self)

    def _begin(self) -> None:
        self._sessions = weakref.WeakKeyDictionary()
        self._pid = os.getpid()
        weakref.finalize(self, _let_go, self._sessions, self._pid).atexit = False
        weakref.finalize(self, _drop_ended, self._sessions)

    async def _session(self) -> aiohttp.ClientSession:
        if self._pid != os.getpid():  # after a fork the sockets are the parent's: kept, so that nothing closes them
            self._parents.append(self._sessions)
            self._begin()
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            for ended in take_ended(self._sessions):
                await ended.close()
            session = self._sessions.get(loop)
        if session is None or session.closed:
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=_Connector(
                    limit=0,  # the admission gate bounds what is under way; a queue here would eat the connect clock
                    ttl_dns_cache=300,
                    keepalive_timeout=_IDLE_CONNECTION_S,
                ),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"throughster/{__version__}", "Accept-Encoding": "identity"},
                trust_env=False,
            )
        return session

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, timeout: Timeout
    ) -> Reply:
        """One request, its whole reply. Raises RequestTimeoutError or TransportError; a status is not an error here."""
        try:
            clocks = _clocks(timeout.total_s, timeout.connect_s)
            async with await self._request(method, url, headers, body, timeout, clocks) as response:
                return Reply(response.status, response.headers, await _read(response))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise translate(error, url, timeout) from error

    @asynccontextmanager
    async def stream(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, timeout: Timeout
    ) -> AsyncIterator[StreamReply]:
        """One request, its reply in pieces. Leaving before the end cuts the connection."""
        began_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(timeout.first_token_s, timeout.total_s)):
                clocks = _clocks(None, timeout.connect_s)
                response = await self._request(method, url, headers, body, timeout, clocks)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise translate(error, url, timeout) from error
            clock = "first_token_s" if timeout.first_token_s <= timeout.total_s else "total_s"
            raise RequestTimeoutError(
                f"No reply from {_origin(url)} within {getattr(timeout, clock):g} s (timeout.{clock})."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise translate(error, url, timeout) from error
        reply = StreamReply(response, url, timeout, began_at)
        try:
            yield reply
        finally:
            reply.close()

    async def _request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: Timeout,
        clocks: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """The reply's head. Raises TransportError with `stale_connection` where a kept-alive connection had ended."""
        _is_fresh.set(False)
        session = await self._session()
        try:
            return await session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=clocks,
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if _is_fresh.get() or isinstance(error, aiohttp.ClientConnectorError):
                raise
            stale = translate(error, url, timeout)
            if isinstance(stale, TransportError):
                stale.stale_connection = True
            raise stale from error

    async def close(self) -> None:
        """Close the session of the running loop, and those of loops that are closed."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        for ended in (session, *take_ended(self._sessions)):
            if ended is not None:
                await ended.close()


def _let_go(sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession], pid: int) -> None:
    """Close what a forgotten client has on loops that still run, such as the one of the sync methods."""
    if pid != os.getpid():
        return
    for loop, session in list(sessions.items()):
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(session.close(), loop)


def _drop_ended(sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession]) -> None:
    """Close what a client that nobody closed has on loops that are closed, so that nothing complains of it."""
    for session in take_ended(sessions):
        with suppress(StopIteration):
            session.close().send(None)  # it has nothing to wait for: its loop closed the connections


def take_ended(places: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _T]) -> list[_T]:
    """Take out what belongs to event loops that are closed; it holds its loop, and so would stay for ever."""
    loops = [loop for ref in places.keyrefs() if (loop := ref()) is not None and loop.is_closed()]
    return [place for loop in loops if (place := places.pop(loop, None)) is not None]


@functools.lru_cache
def _clocks(total_s: float | None, connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, connect=connect_s, ceil_threshold=math.inf)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= MAX_REPLY_BYTES and "Content-Encoding" not in response.headers:
        return await response.read()
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_REPLY_BYTES:
            raise TransportError(f"The reply is larger than {MAX_REPLY_BYTES:,} bytes.", retryable=False)
        pieces.append(piece)
    return b"".join(pieces)


_transports: weakref.WeakSet[Transport] = weakref.WeakSet()


async def close_sessions() -> None:
    """Close the sessions that anybody has on the running loop: for a loop that is about to end."""
    for transport in list(_transports):
        await transport.close()


def translate(error: Exception, url: URL, timeout: Timeout) -> TransportError | RequestError:
    """An exception of aiohttp, asyncio or the operating system, as one of ours. Never contains headers."""
    where = _origin(url)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return RequestTimeoutError(f"No connection to {where} within {timeout.connect_s:g} s (timeout.connect_s).")
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"No whole reply from {where} within {timeout.total_s:g} s (timeout.total_s).")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return TransportError(f"The TLS connection to {where} failed: {_tls_reason(error)}", retryable=False)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return TransportError(f"The host name of {where} cannot be resolved: {_reason(error)}.")
    if isinstance(error, aiohttp.ClientConnectorError):
        return TransportError(f"No connection to {where}: {_reason(error)}.")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return TransportError(f"{where} closed the connection before it replied.")
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransportError(f"The reply of {where} broke off.")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return RequestError(f"{url} is no address that can be requested.")
    if isinstance(error, aiohttp.ClientResponseError):
        return TransportError(f"{where} did not reply with valid HTTP: {error.message}.")
    return TransportError(f"The connection to {where} failed: {_reason(error)}.")


def _origin(url: URL) -> str:
    host = url.host or ""
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{url.port}"


def _tls_reason(error: BaseException) -> str:
    """The cause in OpenSSL's words; its numbers are not those of the operating system."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        own_ca = "" if cause.verify_code in _NO_CA_HELPS else f" {_OWN_CA}"
        return f"certificate verify failed: {cause.verify_message.rstrip('.')}.{own_ca}"
    if isinstance(cause, ssl.SSLError):
        no_tls = " Perhaps the server speaks plain http there." if cause.reason == "WRONG_VERSION_NUMBER" else ""
        return f"{(cause.reason or str(cause)).replace('_', ' ').lower()}.{no_tls}"
    return f"{_reason(cause)}."


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error).rstrip(".") or type(error).__name__
