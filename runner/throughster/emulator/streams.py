"""Event streams: chunks as bytes, with what repeats encoded once."""

from __future__ import annotations

import secrets
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

import orjson

from throughster.emulator.encoding import json_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DONE", "event", "fragments", "interleaved", "text_events", "token_logprobs"]

DONE: Final = b"data: [DONE]\n\n"
_MARK: Final = secrets.token_hex(16)  # stands for a piece of text while a chunk is encoded; no request can contain it
_MARK_BYTES: Final = orjson.dumps(_MARK)
_FRAGMENT: Final = 12  # characters of a tool call's arguments in one chunk


def event(chunk: Any) -> bytes:
    return b"data: " + json_bytes(chunk) + b"\n\n"


def text_events(chunk_of: Callable[[str], Any], pieces: Iterable[str]) -> list[bytes]:
    """One event per piece. `chunk_of` is called once; it must put its text, whole, at one place in the chunk."""
    before, after = event(chunk_of(_MARK)).split(_MARK_BYTES)
    return [before + orjson.dumps(piece) + after for piece in pieces]


def fragments(arguments: str) -> list[str]:
    return [arguments[start : start + _FRAGMENT] for start in range(0, len(arguments), _FRAGMENT)]


def interleaved(lanes: Iterable[list[bytes]]) -> list[bytes]:
    """Return the events of several choices as they come from a server: one of each in turn."""
    return [one for one in chain.from_iterable(zip_longest(*lanes)) if one is not None]


def token_logprobs(pieces: Iterable[str], top: int) -> list[dict[str, Any]]:
    """Log-probabilities in the OpenAI shape, each piece being a token: the chosen one likely, the others ever less."""
    return [
        {
            **_token(piece, 0),
            "top_logprobs": [_token(piece if rank == 0 else f"{piece}{rank}", rank) for rank in range(top)],
        }
        for piece in pieces
    ]


def _token(text: str, rank: int) -> dict[str, Any]:
    return {"token": text, "logprob": round(-0.01 - 1.5 * rank, 2), "bytes": list(text.encode())}
