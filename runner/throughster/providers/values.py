"""JSON values from a server, read the same way in every dialect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

from throughster.characters import mended
from throughster.errors import ServerError
from throughster.strictjson import MAX_DEPTH
from throughster.types import Usage

__all__ = [
    "MOST_CALLS",
    "as_text",
    "counted",
    "optional_text",
    "parse_arguments",
    "read_halves",
    "read_json",
    "too_many_calls",
]

MOST_CALLS = 1000
"""Tool calls in one answer: a server that sends more has gone wrong."""
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)


def as_text(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers beyond 64 bits, or nested deeper than it goes
        return json.dumps(value, ensure_ascii=False)


def optional_text(value: Any) -> str | None:
    """Text, or None where there is none; what is no text comes as JSON."""
    return value if value is None or type(value) is str else as_text(value)


def read_json(data: bytes) -> Any:
    """JSON from a server, every text in it whole; NaN, infinities and raw line breaks are taken. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _bounded(lambda: mended(_read_slowly(data)))


def read_halves(data: bytes) -> Any:
    """As `read_json`, with halves of characters as they came: the next event may bring the other half."""
    return _bounded(lambda: _read_slowly(data))


def _read_slowly(data: bytes, **how: Any) -> Any:
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return json.loads(text, strict=False, **how)


def _bounded(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_arguments(arguments: Any) -> Any:
    """Arguments come as JSON text, as that text encoded once more, as a JSON value, or as nothing.

    Text that is no JSON stays text, and what is nested too deeply to be kept becomes text.
    """
    if not isinstance(arguments, str):
        return {} if arguments is None else arguments if _is_shallow(as_text(arguments)) else as_text(arguments)
    if not arguments.strip():
        return {}
    value = _parsed(arguments)
    inner = _parsed(value) if isinstance(value, str) and value is not arguments else None
    return inner if isinstance(inner, dict) else value


def _parsed(text: str) -> Any:
    """The JSON value of a text, or the text itself where it is none."""
    if not _is_shallow(text):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        data = text.encode("utf-8", "surrogatepass")
        return _bounded(lambda: mended(_read_slowly(data, parse_constant=_refuse)))
    except ValueError:
        return text


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _is_shallow(text: str) -> bool:
    """Whether it is nested at most MAX_DEPTH levels deep; looked at only where it has so many brackets."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return True
    depth = 0
    for found in _BRACKET.finditer(text):
        depth += (found[0] in "{[") - (found[0] in "}]")
        if depth > MAX_DEPTH:
            return False
    return True


def counted(prompt: Any, completion: Any, total: Any, cached: Any, reasoning: Any) -> Usage:
    """Usage in whole numbers of tokens. Raises ValueError or TypeError."""
    try:
        if type(prompt + completion + total + cached + reasoning) is int:
            return Usage(prompt, completion, total, cached, reasoning)
    except TypeError:
        pass
    return Usage(int(prompt), int(completion), int(total), int(cached), int(reasoning))


def too_many_calls() -> ServerError:
    return ServerError(f"The answer has more than {MOST_CALLS:,} tool calls.", http_status=200, retryable=False)
