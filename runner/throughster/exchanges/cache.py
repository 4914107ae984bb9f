"""The response cache: answers of earlier requests, in one SQLite file that any number of processes may use.

The key of an answer is everything that was asked: address, path, the whole body on the wire, and which repeat it was;
never a key or a header. Kept is the raw reply, which is parsed again, so that a cached answer is as any other. Only
whole answers are kept: no error, nothing cut or filtered, and nothing that did not fit what was asked for.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sqlite3
import threading
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import orjson

from throughster.config import read_config
from throughster.errors import SettingsError
from throughster.exchanges.exchange import Stored, canonical, digest_of
from throughster.screen import LOG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

__all__ = ["Cache", "CacheStats"]

_VERSION = 1
_TRIM_EVERY = 1000
_TRIMMED_SHARE = 0.1
_BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, created REAL NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    latency_s REAL NOT NULL, first_token_s REAL
);
CREATE INDEX IF NOT EXISTS answers_created ON answers (created);
"""

Mode = Literal["read", "write", "on"]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """`entries`, and `size_bytes` of the file. `oldest_s`, `newest_s`: ages in seconds, None where it is empty."""

    path: Path
    entries: int
    size_bytes: int
    oldest_s: float | None
    newest_s: float | None


class Cache:
    """A response cache, for clients' `cache=`. It pickles; clients with the same `path` share it.

    `path`: `$XDG_CACHE_HOME/throughster/answers.sqlite3` by default. `mode`: `read` takes answers only, `write` keeps
    them only, `on` does both. `max_mb`, `max_age_days`: the oldest answers go; by default as the user's configuration
    says, else 1000 and 30. Raises SettingsError for a mode that does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        mode: Mode = "on",
        max_mb: float | None = None,
        max_age_days: float | None = None,
    ) -> None:
        if mode not in ("read", "write", "on"):
            raise SettingsError(f"A cache's mode is read, write or on, not `{mode}`.")
        config = read_config()
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.path = Path(path) if path is not None else home / "throughster" / "answers.sqlite3"
        self.mode = mode
        self.max_mb = config.cache_max_mb if max_mb is None else max_mb
        self.max_age_days = config.cache_max_age_days if max_age_days is None else max_age_days
        self._store: _Store | None = None

    @staticmethod
    def key(url: str, body: bytes, repeat: int) -> bytes:
        """What tells one request from another."""
        return digest_of(b"%d" % _VERSION, url.encode(), b"%d" % repeat, canonical(body))

    @asynccontextmanager
    async def turn(self, key: bytes, *, alone: bool = True) -> AsyncIterator[Stored | None]:
        """The kept answer, or None: then whoever is inside asks, and others with the same key wait for it.

        Without `alone` nobody waits: who is inside may never come to an end.
        """
        store = self._open()
        waiting = store.waiting.setdefault(asyncio.get_running_loop(), {})
        while (under_way := waiting.get(key)) is not None:
            await asyncio.shield(under_way)
        if self.mode != "write" and (found := store.get(key, self.max_age_days)) is not None:
            yield found
            return
        if not alone:
            yield None
            return
        done = waiting[key] = asyncio.get_running_loop().create_future()
        try:
            yield None
        finally:
            del waiting[key]
            done.set_result(None)

    def put(self, key: bytes, answer: Stored) -> None:
        """Keep an answer; it is written behind the caller's back."""
        if self.mode != "read":
            self._open().put(key, answer, self.max_mb, self.max_age_days)

    def forget(self, keys: Iterable[bytes]) -> None:
        """These answers were no use."""
        if self.mode != "read":
            self._open().forget(list(keys))

    def flush(self) -> None:
        """Wait until everything is written."""
        if self._store is not None:
            self._store.flush()

    def stats(self) -> CacheStats:
        """Raises SettingsError where the file is no cache."""
        if not self.path.exists():
            return CacheStats(self.path, 0, 0, None, None)
        store = self._open()
        store.flush()
        entries, oldest, newest = store.ask("SELECT count(*), min(created), max(created) FROM answers")
        size = sum(file.stat().st_size for file in self._files() if file.exists())
        now = time.time()
        return CacheStats(
            self.path, entries, size, None if oldest is None else now - oldest, None if newest is None else now - newest
        )

    def clear(self) -> int:
        """Remove every answer, and say how many there were. A file that is no cache is removed too."""
        entries = 0
        with suppress(SettingsError):
            entries = self.stats().entries
        if (store := _stores.pop(self.path.absolute(), None)) is not None:
            store.close()
        for file in self._files():
            file.unlink(missing_ok=True)
        return entries

    def _files(self) -> list[Path]:
        return [self.path.with_name(self.path.name + end) for end in ("", "-wal", "-shm")]

    def _open(self) -> _Store:
        if self._store is None or not self._store.is_usable:
            self._store = _shared_store(self.path)
        return self._store

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None}

    def __repr__(self) -> str:
        return f"Cache({str(self.path)!r}, mode={self.mode!r})"


class _Store:
    """One file. Reads happen at once; a thread writes what was put, many at a time."""

    def __init__(self, path: Path) -> None:
        self.pid = os.getpid()
        self.path = path
        self.waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bytes, asyncio.Future[None]]] = (
            WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        self._reader = _connect(path)
        self._pending: dict[bytes, Stored | None] = {}
        self._limits = (0.0, 0.0)
        self._news = threading.Condition(self._lock)
        self._writer: threading.Thread | None = None
        self._written = 0
        self._ends = False
        atexit.register(self.close)

    @property
    def is_usable(self) -> bool:
        """Whether it is of this process, and not closed."""
        return self.pid == os.getpid() and not self._ends

    def get(self, key: bytes, max_age_days: float) -> Stored | None:
        with self._lock:
            if key in self._pending:
                return self._pending[key]
        try:
            row = self.ask("SELECT created, headers, body, latency_s, first_token_s FROM answers WHERE key = ?", key)
            if row is None or time.time() - row[0] > max_age_days * 86400.0:
                return None
            return Stored(200, orjson.loads(row[1]), bytes(row[2]), row[3], row[4])
        except (SettingsError, ValueError, TypeError) as error:  # a damaged entry is none
            LOG.warning("An answer in %s cannot be read and is asked again: %s", self.path, error)
            return None

    def ask(self, statement: str, *values: Any) -> Any:
        """One row. Raises SettingsError where the file is no cache."""
        with self._lock:
            try:
                return self._reader.execute(statement, values).fetchone()
            except sqlite3.Error as error:
                raise _unusable(self.path, error) from error

    def put(self, key: bytes, answer: Stored, max_mb: float, max_age_days: float) -> None:
        with self._news:
            self._pending[key] = answer
            self._limits = (max_mb, max_age_days)
            self._wake()

    def forget(self, keys: list[bytes]) -> None:
        with self._news:
            self._pending.update(dict.fromkeys(keys))
            self._wake()

    def flush(self) -> None:
        with self._news:
            self._news.wait_for(lambda: not self._pending or self._writer is None)

    def close(self) -> None:
        """Write what is left. In a forked child the thread is the parent's, and nothing is written."""
        if self.pid != os.getpid():
            return
        with self._news:
            self._ends = True
            writer = self._writer
            self._news.notify_all()
        if writer is not None:
            writer.join()
        with self._lock, suppress(sqlite3.Error):
            self._reader.close()
        atexit.unregister(self.close)

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._write, name="throughster-cache", daemon=True)
            self._writer.start()
        self._news.notify_all()

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            with self._news:
                self._news.wait_for(lambda: self._pending or self._ends)
                if not self._pending:
                    break
                taken = dict(self._pending)
            try:
                connection = connection or _connect(self.path)
                self._write_these(connection, taken)
            except (sqlite3.Error, SettingsError) as error:
                LOG.warning("Answers cannot be kept in %s: %s", self.path, error)
            with self._news:
                for key, answer in taken.items():
                    if self._pending.get(key, taken) is answer:
                        del self._pending[key]
                self._news.notify_all()
        if connection is not None:
            connection.close()

    def _write_these(self, connection: sqlite3.Connection, taken: dict[bytes, Stored | None]) -> None:
        now = time.time()
        rows = [
            (key, now, orjson.dumps(dict(a.headers)).decode(), a.body, a.latency_s, a.first_token_s)
            for key, a in taken.items()
            if a is not None
        ]
        with connection:
            connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", rows)
            gone = [(key,) for key, answer in taken.items() if answer is None]
            connection.executemany("DELETE FROM answers WHERE key = ?", gone)
        if self._written == 0 or self._written // _TRIM_EVERY != (self._written + len(rows)) // _TRIM_EVERY:
            self._trim(connection, now)
        self._written += len(rows)

    def _trim(self, connection: sqlite3.Connection, now: float) -> None:
        """What is too old goes, and the oldest tenths until the file's pages are within its size."""
        max_mb, max_age_days = self._limits
        with connection:
            connection.execute("DELETE FROM answers WHERE created < ?", (now - max_age_days * 86400.0,))
        while _used_bytes(connection) > max_mb * 1e6:
            count = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
            if not count:
                break
            with connection:
                connection.execute(
                    "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY created LIMIT ?)",
                    (max(1, int(count * _TRIMMED_SHARE)),),
                )
        connection.execute("PRAGMA incremental_vacuum").fetchall()


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # answers are nobody else's to read
        connection = sqlite3.connect(path, timeout=_BUSY_S, check_same_thread=False)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = NORMAL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, _VERSION):
            connection.close()
            raise SettingsError(f"{path} was made by another version. Remove it: throughster cache clear.")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.commit()
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    return connection


def _unusable(path: Path, error: Exception) -> SettingsError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return SettingsError(
        f"The response cache {path} cannot be used: {reason}. Remove it with `throughster cache clear`, or run with "
        f"--no-cache."
    )


_stores: dict[Path, _Store] = {}
_stores_lock = threading.Lock()


def _shared_store(path: Path) -> _Store:
    """One for each file in a process."""
    path = path.absolute()
    with _stores_lock:
        store = _stores.get(path)
        if store is None or not store.is_usable:
            store = _stores[path] = _Store(path)
        return store


def _after_fork() -> None:
    """The child has neither the threads nor, maybe, the lock's owner."""
    global _stores_lock  # noqa: PLW0603
    _stores_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
