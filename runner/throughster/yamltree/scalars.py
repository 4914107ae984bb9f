"""What an unquoted scalar means: the core schema of YAML 1.2, narrowed so that no text turns into something else."""

from __future__ import annotations

import re
from typing import Any, Self

__all__ = ["WrittenFloat", "WrittenInt", "keep_text", "plain_numbers", "resolve_scalar"]

_LONGEST_NUMBER = 100
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)


class WrittenInt(int):
    """A whole number that was not written in the usual way (`+5`); `source` is its text in the file."""

    source: str

    def __new__(cls, value: int, source: str) -> Self:
        number = super().__new__(cls, value)
        number.source = source
        return number

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]  # a copy needs the source too
        return int(self), self.source


class WrittenFloat(float):
    """A number that was not written in the usual way (`1.10`, `1e3`); `source` is its text in the file."""

    source: str

    def __new__(cls, value: float, source: str) -> Self:
        number = super().__new__(cls, value)
        number.source = source
        return number

    def __getnewargs__(self) -> tuple[float, str]:  # type: ignore[override]  # a copy needs the source too
        return float(self), self.source


def resolve_scalar(text: str) -> Any:
    """Return the value of an unquoted scalar: None, bool, int, float (perhaps `Written...`), or the text itself.

    Only `true` and `false` are booleans; `~`, `null` and nothing are null; numbers are decimal, without leading zeros
    and finite. All else is text: `NO`, `010`, `1:30`, `0x1F`, `1_000`, `2024-01-01`, `.inf`.
    """
    if text in {"", "~", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if len(text) > _LONGEST_NUMBER or not _FLOAT.fullmatch(text):
        return text
    if _INTEGER.fullmatch(text):
        whole = int(text)
        return whole if str(whole) == text else WrittenInt(whole, text)
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        return text
    return number if repr(number) == text else WrittenFloat(number, text)


def keep_text(value: Any) -> Any:
    """Return data as its author wrote it: numbers that would lose their text, or exceed 64 bits, become that text."""
    if isinstance(value, dict):
        return {key: keep_text(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [keep_text(child) for child in value]
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.source
    if isinstance(value, int) and not -(2**63) <= value < 2**64:  # JSON writers refuse what exceeds 64 bits
        return str(value)
    return value


def plain_numbers(value: Any) -> Any:
    """Return `value` with every `Written...` number as a plain int or float, for what goes to a wire or a schema."""
    if isinstance(value, dict):
        return {key: plain_numbers(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(child) for child in value]
    if isinstance(value, WrittenInt):
        return int(value)
    return float(value) if isinstance(value, WrittenFloat) else value
