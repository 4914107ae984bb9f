"""How a value reads in a prompt."""

from __future__ import annotations

import json
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.runtime import Undefined

from throughster.prompts.budget import charge, size_of

__all__ = ["kind_of", "text_of", "to_json"]

_NODE_COST = 4  # a comma, a space and two brackets or quotes
_MOST_NODES = 1_000_000
_TOO_LONG = f"a list or mapping of more than {_MOST_NODES:,} elements is too long for a prompt"
_INDENTED = 100  # the standard library writes indented JSON in Python

_WORDS = {None: "null", True: "true", False: "false"}
_KINDS = {
    "str": "text",
    "dict": "a mapping",
    "list": "a list",
    "tuple": "a list",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "NoneType": "null",
}


def kind_of(value: Any) -> str:
    """Return what `value` is, in words for a message."""
    return _KINDS.get(type(value).__name__, f"a {type(value).__name__}")


def text_of(value: Any) -> str:
    """Return `value` as a prompt shows it: text and numbers as they are, true, false and null, the rest as JSON.

    Raises Jinja's `UndefinedError` for what is undefined, also deep inside, and `TemplateRuntimeError` for what is no
    data: functions, generators, modules, objects.
    """
    if type(value) is str:
        return value
    if value is None or value is True or value is False:
        return _WORDS[value]
    if type(value) is int or type(value) is float:
        return str(value)
    if isinstance(value, (dict, list, tuple)):
        return to_json(value)
    return _rare_text(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as JSON, with letters as they are. NaN and infinities are refused: they are no JSON."""
    _measure(value, indent or 0)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain, indent=indent)


def _rare_text(value: Any) -> str:
    plain = _plain(value)
    return text_of(plain) if plain is not value else str(value)


def _plain(value: Any) -> Any:
    """Return the JSON value that stands for `value`; raise where there is none."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()  # noqa: SLF001 - Jinja's documented way for an Undefined to raise
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TemplateRuntimeError(_no_text(value))


def _no_text(value: Any) -> str:
    if isinstance(value, range) or hasattr(value, "__next__") or type(value).__name__.startswith("dict_"):
        return f"{kind_of(value)} has no text; add `| list` to print it as a list"
    if callable(value):
        return f"{kind_of(value)} has no text; was it meant to be called, or is it a column of another name?"
    return f"{kind_of(value)} is not plain data (text, number, true, false, null, list, mapping), so it has no text"


def _measure(value: Any, indent: int) -> None:
    """Charge for all of `value` before it is written: shared lists inside lists make small data print without end."""
    if size_of(value) > _MOST_NODES * _NODE_COST:  # found out without walking through what is shared again and again
        raise SecurityError(_TOO_LONG)
    stack, nodes, units = [value], 0, 0
    while stack:
        node = stack.pop()
        nodes += 1
        if isinstance(node, str):
            units += len(node)
        elif isinstance(node, dict):
            stack.extend(node.values())
            units += sum(len(key) for key in node if isinstance(key, str))
        elif isinstance(node, (list, tuple)):
            stack.extend(node)
        elif isinstance(node, Undefined):
            node._fail_with_undefined_error()  # noqa: SLF001 - as above
        if nodes + len(stack) > _MOST_NODES:
            raise SecurityError(_TOO_LONG)
    charge(units + nodes * (_NODE_COST + (_INDENTED + indent * _depth(value) if indent else 0)))


def _depth(value: Any) -> int:
    """How deep the lists and mappings of a value lie in each other, which was measured already."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            child
            for node in level
            if isinstance(node, (dict, list, tuple))
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list, tuple))
        ]
    return depth
