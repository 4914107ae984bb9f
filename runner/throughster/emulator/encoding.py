"""JSON text as the servers send it: compact, UTF-8, and for whole numbers of any size."""

from __future__ import annotations

import json
from typing import Any

import orjson

__all__ = ["compact_json", "json_bytes"]


def json_bytes(value: Any) -> bytes:
    """Compact JSON. orjson refuses whole numbers beyond 64 bits; the standard library does not."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def compact_json(value: Any) -> str:
    return json_bytes(value).decode()
