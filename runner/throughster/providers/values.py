"""Small things that both dialects read the same way."""

from __future__ import annotations

import json
from typing import Any

import orjson

from throughster.errors import ProviderError, ServerError, TransportError
from throughster.providers.failure import read_body

__all__ = ["as_text", "no_answer", "parse_arguments", "read_json"]


def as_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def read_json(data: bytes) -> Any:
    """JSON from a server: NaN and infinities are taken, broken UTF-8 and lone surrogates kept. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode("utf-8", "replace"))


def parse_arguments(arguments: Any) -> Any:
    """Arguments come as JSON text, as a JSON value, or as nothing; text that is no JSON stays text."""
    if not isinstance(arguments, str):
        return {} if arguments is None else arguments
    if not arguments.strip():
        return {}
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments


def no_answer(body: bytes, kind: str) -> ProviderError:
    """The error of a reply under status 200 that is no `kind`: TransportError where it is no JSON, else ServerError."""
    said = read_body(body)
    words = said.message[:300] or "an empty body"
    try:
        read_json(body)
    except ValueError:
        return TransportError(f"The reply is no JSON, so no {kind}: {words}", http_status=200)
    return ServerError(f"The reply is no {kind}: {words}", http_status=200)
