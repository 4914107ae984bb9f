"""Patterns that cost time linear in the text they search (RE2), so that no answer can stall a run."""

from __future__ import annotations

from typing import Any

__all__ = ["compile_pattern", "search"]

_BACKTRACKING = ("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?(")


def compile_pattern(text: str) -> Any:
    """The compiled pattern. Raises ValueError, which says why a text is none."""
    import re2  # not every spec has a pattern

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        found = next((form for form in _BACKTRACKING if form in reason), "")
        raise ValueError(f"`{found}` looks around, which no linear-time engine does" if found else reason) from None
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None


def search(pattern: Any, text: str) -> bool:
    """Whether the pattern matches anywhere in the text."""
    return pattern.search(text.encode("utf-8", "replace")) is not None
