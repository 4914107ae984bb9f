"""What makes foreign text safe to show and to store."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "guarded", "inert", "mapped", "one_line", "printable", "redact", "redact_bytes", "redact_values", "unguarded",
]  # fmt: skip

MASK = "***"

# C0 without TAB and LF, DEL, C1, and the characters that reorder text (Unicode TR 36, section 2.3)
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"
)


# also behind blanks and what cannot be seen, which spreadsheets take away (OWASP, CSV injection)
_FORMULA = re.compile(
    r"[\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    r"\uffa0\ufff9-\ufffb\x00-\x1f\x7f-\x9f]*[=+\-@\u2212\uff1d\uff0b\uff0d\uff20\ufe62-\ufe66\ufe6b]|[\t\r\n]"
)
_LEAST_IN_BASE64 = 8
_LEAST_TO_SHORTEN = 20
_SHORTENED = 12
_URL_SAFE = str.maketrans("+/", "-_")
# GitHub's commands begin a line with `::`; those of Azure and TeamCity stand anywhere: `##[`, `##vso[`
_COMMAND = re.compile(r":(?=:)|#(?=#(?:\[|\w+\[))|(?m:^)[^\S\n]*#(?=#)")


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced, also where it is written as JSON, as part of an address, or in base64.

    A secret of fewer than four characters hides nothing and is left.
    """
    for secret in secrets:
        if len(secret) >= 4:
            for spelling in _spellings(secret):
                if spelling in text:
                    text = text.replace(spelling, MASK)
    return text


def redact_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """`data` with every secret replaced, as in `redact`."""
    for secret in secrets:
        if len(secret) >= 4:
            for spelling in _raw_spellings(secret):
                if spelling in data:
                    data = data.replace(spelling, MASK.encode())
    return data


@lru_cache(maxsize=256)
def _raw_spellings(secret: str) -> tuple[bytes, ...]:
    return tuple(spelling.encode("utf-8", "surrogatepass") for spelling in _spellings(secret))


def redact_values(value: Any, secrets: Iterable[str]) -> Any:
    """Plain values, dataclasses among them, with every secret replaced in every text."""
    return mapped(value, lambda text: redact(text, secrets))


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Plain values, dataclasses among them, with every text changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {mapped(name, change): mapped(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(part, change) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: mapped(getattr(value, f.name), change) for f in fields(value)})
    return value


@lru_cache(maxsize=256)
def _spellings(secret: str) -> tuple[str, ...]:
    """The longest first; the beginning of a long secret last, since services repeat that much of a wrong key.

    A tool call's arguments are JSON inside JSON; base64 has three forms, by where in a longer text the secret begins.
    """
    in_json = json.dumps(secret)[1:-1]
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(secret, safe=""), in_json, json.dumps(in_json)[1:-1]}
    if len(raw) >= _LEAST_IN_BASE64:
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
            inner = whole[(0, 2, 3)[before] : len(whole) - ((len(raw) + before) % 3 > 0)]
            forms |= {inner, inner.translate(_URL_SAFE)}
    if len(secret) >= _LEAST_TO_SHORTEN:
        forms.add(secret[:_SHORTENED])
    return tuple(sorted(forms, key=len, reverse=True))


def guarded(text: str) -> str:
    """`text` as the cell of a table: with a quote in front where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """A cell of a table that was written by this program, as it was before."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text, 1) else text


def printable(text: str, instead: Callable[[str], str] | None = None) -> str:
    """`text` without what could steer a terminal or reorder what a reader sees; half a character becomes U+FFFD.

    `instead`: what to put in the place of such a character.
    """
    put = instead or (lambda character: "\ufffd" if "\ud800" <= character <= "\udfff" else "")
    return _UNSAFE.sub(lambda found: put(found[0]), text)


def inert(text: str) -> str:
    """`text` in which no line is a command to a CI system that reads the log (GitHub `::`, Azure `##[`, `##vso[`)."""
    return _COMMAND.sub(lambda found: found[0] + "\u200b", text)


def one_line(text: str, width: int = 100) -> str:
    """`text` on one line of at most `width` characters, safe to print."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
