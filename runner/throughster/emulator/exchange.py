"""What travels through the emulator: a request as it came in, and the reply that goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from throughster.emulator.encoding import json_bytes

__all__ = ["Operation", "RecordedRequest", "RejectedError", "Reply", "Route"]

Operation: TypeAlias = Literal["chat", "responses", "models", "version", "health"]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it arrived. `headers`: names in lower case; they hold the key. `body`: None where it is no JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply, ready for the wire."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of_json(cls, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return cls(status, json_bytes(body), headers or {})


class RejectedError(Exception):
    """The server turns the request down. `status` and `body` are what the provider would send."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers: Mapping[str, str] = headers or {}

    def reply(self) -> Reply:
        return Reply.of_json(self.status, self.body, self.headers)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. `model`: what the path says (Azure's deployment). `api_version`: Azure's query parameter.

    `guarded`: whether a key is asked for.
    """

    operation: Operation
    model: str | None = None
    api_version: str | None = None
    guarded: bool = True
