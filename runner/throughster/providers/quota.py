"""What a reply's headers say of the limits per minute."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from throughster.types import Quota

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPENAI_HEADERS", "QuotaHeaders", "parse_quota"]

_NUMBER = re.compile(r"\s*(-?\d{1,15})(\.\d{1,9})?\s*", re.ASCII)


class QuotaHeaders(NamedTuple):
    """The names of a provider's headers, in lower case."""

    limit_requests: str
    remaining_requests: str
    limit_tokens: str
    remaining_tokens: str


OPENAI_HEADERS = QuotaHeaders(
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
)


def parse_quota(headers: Mapping[str, str], names: QuotaHeaders) -> Quota | None:
    """The limits, or None where the reply names none. What is no number counts as not said."""
    if names.limit_requests not in headers and names.limit_tokens not in headers:
        return None
    return Quota(*(_number(headers.get(name)) for name in names))


def _number(value: str | None) -> float | None:
    if value is None or not (found := _NUMBER.fullmatch(value.replace(",", ""))):
        return None
    return float(found[0])
