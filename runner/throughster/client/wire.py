"""Between a client and what answers it: the network, or a tape that records what passes or plays it again."""

from __future__ import annotations

import asyncio
import inspect
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from yarl import URL

from throughster.characters import whole
from throughster.errors import ProviderError, ServerError, TransportError
from throughster.exchanges import CASE, TAPE, Request, playing
from throughster.providers.values import as_text, read_json
from throughster.redact import one_line, redact
from throughster.types import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from throughster.client.learning import Learned
    from throughster.exchanges import Streamed
    from throughster.providers import Dialect
    from throughster.providers.base import Provider
    from throughster.reply import Reply
    from throughster.settings import Address
    from throughster.transport import Transport
    from throughster.types import Timeout

__all__ = ["Place", "Wire"]

_SECRET_NAME = re.compile(r"key|token|auth|secret|cookie", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests for one model go. `name`: provider, path and model, wherever they are; `shown`: without a query.

    `learned`: what is known of the model.
    """

    url: URL
    name: str
    shown: str
    learned: Learned


class Wire:
    """Addresses, headers and secrets of one client on one event loop; sends each request once."""

    def __init__(
        self,
        provider: Provider,
        address: Address,
        transport: Transport,
        dialect: Dialect,
        *,
        timeout: Timeout,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        learned_of: Callable[[str | None], Learned],
    ) -> None:
        self.address = address
        self._provider = provider
        self._transport = transport
        self._dialect = dialect
        self._timeout = timeout
        self._query = query
        self._learned_of = learned_of
        self._token_provider = address.token_provider
        self.secrets: tuple[str, ...] = (
            *((address.key.get_secret_value(),) if address.key else ()),
            *(value.removeprefix("Bearer ") for name, value in headers.items() if _SECRET_NAME.search(name)),
            *(value for name, value in query.items() if _SECRET_NAME.search(name)),
        )
        self._headers: Mapping[str, str] = {"Content-Type": "application/json", **headers}
        if address.key:
            self._headers = {**provider.auth_headers(address.key.get_secret_value()), **self._headers}
        self.source = f"{provider.name}:{address.model or ''}".removesuffix(":")
        self._places: dict[str | None, Place] = {}
        self._version: tuple[int, ...] | None = None
        self._version_lock = asyncio.Lock()

    @property
    def refreshes_token(self) -> bool:
        return self._token_provider is not None

    def place_of(self, model: str | None) -> Place:
        """Where a request for this model goes. Raises RequestError where the address needs a model and has none."""
        place = self._places.get(model)
        if place is None:
            path = self._dialect.path
            place = self._places[model] = self._place(path, model, f"{self._provider.name} {path} {model or ''}")
        return place

    def _place(self, path: str, model: str | None, name: str) -> Place:
        at = self.address
        url = URL(self._provider.url(at.api_base, path, model=model, api_version=at.api_version))
        whole = url.update_query({**self._provider.query(at.api_version), **self._query})
        shown = f"{self._provider.name}:{url.path}" if self._provider.starts_emulator else str(url.with_query(None))
        return Place(whole, name.rstrip(), shown, self._learned_of(model))

    def request(self, place: Place, body: bytes) -> Request:
        """The request as a tape knows it."""
        return Request(place.name, place.shown, body, self.secrets, self.source, place.learned.facts)

    def is_recorded(self, place: Place, body: bytes) -> bool:
        """Whether the tape that is played has an answer left for this."""
        tape = playing()
        return tape is not None and tape.has(CASE.get(), self.request(place, body))

    async def send(self, place: Place, body: bytes, method: str = "POST") -> Reply:
        """One request, its whole reply, whatever its status. Raises ProviderError where there is none."""
        headers = self._headers if self._token_provider is None else await self._fresh_headers()
        tape = TAPE.get()
        if tape is None:
            return await self._transport.send(method, place.url, headers, body or None, self._timeout)
        return await tape.send(
            CASE.get(),
            self.request(place, body),
            lambda: self._transport.send(method, place.url, headers, body or None, self._timeout),
        )

    async def stream(self, place: Place, body: bytes) -> AbstractAsyncContextManager[Streamed]:
        """One request whose reply comes in pieces, inside the context."""
        headers = self._headers if self._token_provider is None else await self._fresh_headers()
        tape = TAPE.get()
        if tape is None:
            return self._transport.stream("POST", place.url, headers, body, self._timeout)
        return tape.stream(
            CASE.get(),
            self.request(place, body),
            lambda: self._transport.stream("POST", place.url, headers, body, self._timeout),
        )

    async def _fresh_headers(self) -> Mapping[str, str]:
        """The headers with a token of this moment: tokens run out during long runs."""
        assert self._token_provider is not None
        if playing() is not None:
            return self._headers
        if inspect.iscoroutinefunction(self._token_provider):
            token = await self._token_provider()
        else:
            token = await asyncio.to_thread(self._token_provider)
            if inspect.isawaitable(token):
                token = await token
        self.secrets = (*self.secrets[:4], token)
        return {**self._headers, "Authorization": f"Bearer {token}"}

    async def server_version(self) -> tuple[int, ...] | None:
        """The server's version as numbers, where it has one to tell (vLLM); asked until it was told."""
        path = self._provider.version_path
        if path is None:
            return None
        async with self._version_lock:
            if self._version is None:
                base = URL(self.address.api_base)
                url = base.with_path(base.path.rstrip("/").removesuffix("/v1") + path)
                place = Place(url, f"{self._provider.name} {path}", str(url), self._learned_of(None))
                with suppress(ProviderError):
                    reply = await self.send(place, b"", "GET")
                    if reply.status == 200:
                        self._version = _version_numbers(reply.body)
        return self._version or None

    def models_place(self) -> Place:
        """Where the models are listed."""
        return self._place("/models", self.address.model or "", f"{self._provider.name} /models")

    def embeddings_place(self) -> Place:
        """Where vectors are made."""
        model = self.address.model or ""
        return self._place("/embeddings", model, f"{self._provider.name} /embeddings {model}")

    async def embeddings(self, place: Place, texts: Sequence[str]) -> Reply:
        """The reply to the question for vectors of these texts."""
        return await self.send(place, orjson.dumps({"model": self.address.model, "input": list(texts)}))

    def vectors_in(self, reply: Reply, count: int) -> tuple[list[list[float]], Usage | None]:
        """The vectors of a reply, in order. Raises ServerError where there are not so many."""
        try:
            told = orjson.loads(reply.body)
            ordered = sorted(told["data"], key=lambda entry: entry["index"])
            vectors = [[float(number) for number in entry["embedding"]] for entry in ordered]
            tokens = int((told.get("usage") or {}).get("prompt_tokens") or 0)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{self._provider.title} replied with no embeddings."
            raise ServerError(message, http_status=200, retryable=False) from error
        if len(vectors) != count:
            message = f"{self._provider.title} replied with {len(vectors)} embeddings of {count} texts."
            raise ServerError(message, http_status=200, retryable=False)
        return vectors, Usage(tokens, 0, tokens) if tokens else None

    def error(self, status: int, headers: Mapping[str, str], body: bytes, place: Place) -> ProviderError:
        """The error that a reply with this status is; `place`: where it came from."""
        if 300 <= status < 400:
            target = redact(one_line(whole(headers.get("location", "nowhere")), 300), self.secrets)
            return TransportError(
                f"{self._provider.title} replied {status}, a redirect to {target}. Redirects are not followed: "
                f"set the address itself.",
                http_status=status,
                retryable=False,
            )
        error = self._provider.parse_error(status, headers, body)
        if status in (404, 405):
            said = str(error)
            error.args = (
                f"{said}{'' if said.endswith('.') else '.'} It was asked at {place.shown}.{_likely(place.url)}",
            )
        if "v1/responses" in str(error) and self._dialect.path != "/responses":
            error.args = (
                f'{error} Set the endpoint: `endpoint: responses` in a spec, endpoint="responses" in Python.',
            )
        return error

    def hide_secrets(self, error: ProviderError) -> None:
        """A server may echo the key in its message."""
        error.args = tuple(redact(a, self.secrets) if isinstance(a, str) else a for a in error.args)
        error.code = redact(error.code, self.secrets) if error.code else error.code
        error.param = redact(error.param, self.secrets) if error.param else error.param

    def names_in(self, reply: Reply) -> list[str]:
        """The models that a reply lists. Raises ServerError where it lists none."""
        try:
            return [as_text(entry["id"]) for entry in read_json(reply.body)["data"]]
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self._provider.title} replied with no list of models."
            raise ServerError(message, http_status=200, retryable=False) from error


def _likely(url: URL) -> str:
    """A word about the address where its path is not what such servers have."""
    base = re.sub(r"/(?:chat/completions|responses|embeddings|models)$", "", url.path)
    origin = str(url.origin())
    if "/deployments/" in base or (base.endswith("/v1") and base.count("/v1") == 1):
        return ""
    likely = "/v1" if "/v1" not in base else base[: base.index("/v1") + 3]
    return f" Is the address perhaps {origin}{likely}?"


def _version_numbers(body: bytes) -> tuple[int, ...]:
    try:
        text: Any = orjson.loads(body)["version"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])
