"""JSON as RFC 8259 means it: no NaN, no name twice in an object, whole numbers kept exactly, bounded in depth."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

__all__ = ["MAX_DEPTH", "JsonProblem", "parse_json"]

MAX_DEPTH = 100
_EXACT = 9.2e18  # orjson makes floats of whole numbers beyond 64 bits; a float below this was written as one
_CONSTANT = re.compile(r"\b(?:NaN|Infinity)\b")
_COLON = {str: (":", '":', (" :", "\n:", "\t:", "\r:")), bytes: (b":", b'":', (b" :", b"\n:", b"\t:", b"\r:"))}


class JsonProblem(ValueError):  # noqa: N818 - whoever parses says what kind of error it is
    """Text that is no strict JSON. `reason` says why; `line` and `column` count from 1, 0 where they are not known."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason, line, column)
        self.reason = reason
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.reason} (line {self.line}, column {self.column})" if self.line else self.reason


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises `JsonProblem`, and nothing else, for text that is none.

    orjson reads it. The few texts in which a name might stand twice, or a number might have lost digits, are read again
    by the slower standard parser, which tells.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg or _CONSTANT.search(
            text if isinstance(text, str) else text.decode("utf-8", "replace")
        ):
            return _whole_text(_parse_slowly(text))  # perhaps a long whole number, which is fine; or a better reason
        raise JsonProblem(_sentence(error.msg), error.lineno, error.colno) from None
    if type(value) is not dict and type(value) is not list:
        return _parse_slowly(text) if type(value) is float and abs(value) >= _EXACT else value
    members, is_exact = _survey(value)
    if is_exact and (members == 0 or _names_are_unique(text, members)):
        return value
    return _parse_slowly(text)


def _survey(value: Any) -> tuple[int, bool]:
    """Return how many members all objects have together, and whether no number can have lost digits."""
    members, is_exact, depth = 0, True, 0
    level = [value]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise JsonProblem(f"nested more than {MAX_DEPTH} levels deep")
        following: list[Any] = []
        for node in level:
            if type(node) is dict:
                members += len(node)
                children: Any = node.values()
            else:
                children = node
            for child in children:
                kind = type(child)
                if kind is dict or kind is list:
                    following.append(child)
                elif kind is float and not -_EXACT < child < _EXACT:
                    is_exact = False
        level = following
    return members, is_exact


def _names_are_unique(text: str | bytes, members: int) -> bool:
    """Return True only if no object has a name twice: then there are as many members as there are colons for them.

    Every member has one colon outside of quotes. So all colons together, and, where no space stands before a colon,
    those that follow a quote, are at least as many as the members written; and members that share a name are parsed
    into fewer. Colons inside quotes can make the answer False for unique names, never True for equal ones.
    """
    colon, after_quote, after_space = _COLON[type(text)]
    counted: Any = text
    if counted.count(colon) == members:
        return True
    return counted.count(after_quote) == members and not any(spaced in counted for spaced in after_space)


def _parse_slowly(text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique_members, parse_constant=_refuse_constant, parse_float=_finite)
    except JsonProblem:
        raise
    except json.JSONDecodeError as error:
        raise JsonProblem(_sentence(error.msg), error.lineno, error.colno) from None
    except UnicodeDecodeError:
        raise JsonProblem("no UTF-8 text") from None
    except RecursionError:
        raise JsonProblem(f"nested more than {MAX_DEPTH} levels deep") from None
    except ValueError:  # Python bounds whole numbers by their digits
        raise JsonProblem("a whole number of more than 4300 digits") from None


def _whole_text(value: Any) -> Any:
    """Refuse half surrogate pairs, which orjson refuses too: no UTF-8 file can hold them."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise JsonProblem("half of a surrogate pair in a text") from None
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _value in pairs:
            if name in seen:
                raise JsonProblem(f"the name {json.dumps(name[:100], ensure_ascii=False)} stands twice in one object")
            seen.add(name)
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise JsonProblem(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise JsonProblem("a number is too great")
    return number


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]
