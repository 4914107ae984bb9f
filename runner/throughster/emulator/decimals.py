"""Numbers as people write them in options."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["NUMBER", "parse_number"]

NUMBER: Final = r"(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})"
"""A pattern of decimal numbers that are not negative."""


def parse_number(text: str, what: str) -> float:
    """Return a decimal number that is not negative, such as `0.05`. Raises ValueError about `what`."""
    if not re.fullmatch(NUMBER, text, re.ASCII):
        raise ValueError(f"{what} `{text}` is no number")
    return float(text)
