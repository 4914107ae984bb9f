"""What a dialect is: how one provider routes, refuses, answers and streams."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from throughster.emulator.exchange import RejectedError, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.emulator.answering import Outcome, UnanswerableError
    from throughster.emulator.exchange import Operation
    from throughster.emulator.options import Options
    from throughster.emulator.question import Question
    from throughster.emulator.responses_reply import ResponseReply
    from throughster.emulator.trouble import Trouble

__all__ = ["Dialect", "Stamp"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes a reply unlike all others. `unique`: 24 hex digits; `created`: Unix time in seconds.

    `id_given`: the id that the client asked for, where the provider takes one.
    """

    unique: str
    created: int
    id_given: str | None = None


class Dialect(ABC):
    """One provider's side of the wire. Methods that check raise RejectedError with that provider's error body."""

    routes: ClassVar[Mapping[str, Mapping[str, Operation]]]
    """path -> method -> operation"""
    server: ClassVar[str]
    """The `server` header."""
    keepalive_s: ClassVar[float] = 75.0
    """How long an idle connection stays open."""
    api_path: ClassVar[str] = "/v1"
    """What a client's base address has after the origin."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    def stamp(self, headers: Mapping[str, str]) -> Stamp:  # noqa: ARG002  # vLLM takes the client's id
        return Stamp(f"{self._prefix}{next(self._numbers):08x}", int(time.time()))

    def route(self, method: str, path: str, query: Mapping[str, str]) -> Route:  # noqa: ARG002  # Azure reads it
        methods = self.routes.get(path)
        if methods is None:
            raise self.not_found(method, path)
        if method not in methods:
            raise self.method_not_allowed(method, path)
        operation = methods[method]
        return Route(operation, guarded=operation in {"chat", "responses", "models"})

    @abstractmethod
    def not_found(self, method: str, path: str) -> RejectedError:
        """Return the refusal of a path that is not there."""

    @abstractmethod
    def method_not_allowed(self, method: str, path: str) -> RejectedError:
        """Return the refusal of a method at a path that is there."""

    @abstractmethod
    def unreadable(self, message: str, status: int = 400) -> RejectedError:
        """Return the refusal of a body that is no JSON object, or too large."""

    @abstractmethod
    def check_key(self, headers: Mapping[str, str]) -> None:
        """Raise RejectedError where a key is asked for and another one, or none, was sent."""

    @abstractmethod
    def read(self, body: dict[str, Any], route: Route) -> Question:
        """Return the question in a body. Raises RejectedError for everything that this provider would not take."""

    @abstractmethod
    def unanswerable(self, question: Question, error: UnanswerableError) -> RejectedError:
        """Return the refusal of a question that no answer fits."""

    @abstractmethod
    def whole(self, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:
        """Return the chat reply's body, where no stream was asked for."""

    @abstractmethod
    def events(self, question: Question, outcome: Outcome, stamp: Stamp) -> list[bytes]:
        """Return the events of a chat stream, each whole with its blank line, `[DONE]` included."""

    def response(self, question: Question, outcome: Outcome, stamp: Stamp) -> ResponseReply:
        """Return the reply of the Responses API. Only dialects that route to it have one."""
        raise NotImplementedError

    @abstractmethod
    def models(self) -> dict[str, Any]:
        """Return the list of models."""

    @abstractmethod
    def trouble(self) -> Trouble:
        """Return what this provider says of its limits."""

    def reply_headers(self, stamp: Stamp) -> dict[str, str]:  # noqa: ARG002  # for the others
        """Headers beside content type, length and limits."""
        return {"server": self.server}

    def bearer_matches(self, headers: Mapping[str, str]) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and key.strip() == self.options.api_key
