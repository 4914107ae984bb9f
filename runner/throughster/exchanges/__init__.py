"""Exchanges that are kept: the cache of answers, and cassettes, which record what is sent and play it again."""

from throughster.exchanges.active import CASE, TAPE, Case, playing, record, replay, using
from throughster.exchanges.cache import Cache, CacheStats
from throughster.exchanges.exchange import Request, Stored, StoredStream, Streamed
from throughster.exchanges.player import Player
from throughster.exchanges.recorder import Recorder

__all__ = [
    "CASE",
    "TAPE",
    "Cache",
    "CacheStats",
    "Case",
    "Player",
    "Recorder",
    "Request",
    "Stored",
    "StoredStream",
    "Streamed",
    "playing",
    "record",
    "replay",
    "using",
]
