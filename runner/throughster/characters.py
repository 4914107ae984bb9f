r"""Text from outside as Unicode: halves of one character are joined, and what is left of halves becomes U+FFFD.

A half is a surrogate that an escape wrote (`\ud83d`), or bytes that are no UTF-8 by themselves. Python keeps such bytes
as surrogates of their own when it decodes with `surrogateescape`, so that both kinds can stand in one text.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["cut_off", "mended", "not_utf8", "whole"]

_HALF = re.compile("[\ud800-\udfff]")
_BYTES = re.compile("[\udc80-\udcff]+")
_BEGUN = re.compile(
    "(?:[\ud800-\udbff]|[\udcc2-\udcdf]|[\udce0-\udcef][\udc80-\udcbf]?|[\udcf0-\udcf4][\udc80-\udcbf]{0,2})\\Z"
)


def whole(text: str) -> str:
    """`text` without halves: it can be encoded in UTF-8, and so stand in a file, a request or strict JSON."""
    if text.isascii() or not _HALF.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    decoded = _BYTES.sub(lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), joined)
    return _HALF.sub("\ufffd", decoded)


def cut_off(text: str) -> tuple[str, str]:
    """`text` without halves, and the half at its end whose other half may be the next thing to arrive ("" for none)."""
    begun = _BEGUN.search(text)
    if begun is None:
        return whole(text), ""
    return whole(text[: begun.start()]), begun[0]


def not_utf8(error: UnicodeDecodeError) -> str:
    """What is wrong with a file that should have been UTF-8 text, and what to do."""
    if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "The file is UTF-16, not UTF-8. Save it as UTF-8."
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"The byte {error.object[error.start]:#04x} in line {line} is no UTF-8. Save the file as UTF-8."


def mended(value: Any) -> Any:
    """A JSON value with every text in it whole, names too. Raises RecursionError for one that is nested too deeply."""
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [mended(part) for part in value]
    if isinstance(value, dict):
        return {whole(name): mended(part) for name, part in value.items()}
    return value
