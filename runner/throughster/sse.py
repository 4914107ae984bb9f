"""The event-stream format of server-sent events, on bytes.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Lines end in LF, CR or CRLF and in nothing else
(U+2028 and its like are text), chunks may be cut anywhere, one byte order mark at the very start is skipped.
"""

from __future__ import annotations

from typing import TypeAlias

from throughster.errors import StreamError

__all__ = ["Event", "EventParser"]

_BOM = b"\xef\xbb\xbf"

Event: TypeAlias = tuple[bytes, str, str]
"""Data, name, id. The data are raw bytes, lines joined by LF; invalid UTF-8 is the reader's to replace."""


class EventParser:
    """Feed it bytes as they come; it gives back the events that are complete.

    `max_event_bytes` bounds what may be pending, so that a server that never ends an event cannot fill the memory, and
    what may come between two events, so that one that only sends comments is not read for long.
    """

    def __init__(self, *, max_event_bytes: int = 8_000_000) -> None:
        self.retry_ms: int | None = None
        self._max_event_bytes = max_event_bytes
        self._at_start = True
        self._after_cr = False
        self._pending: list[bytes] = []  # an event that is not complete yet; joined once, when its end arrives
        self._pending_size = 0
        self._skipped_size = 0  # of what came since the last event
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Raises StreamError when an event, or what is between two events, outgrows `max_event_bytes`."""
        if self._at_start:
            chunk = self._skip_bom(chunk)
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n\n" not in chunk and not (
            chunk.startswith(b"\n") and self._pending and self._pending[-1].endswith(b"\n")
        ):
            self._keep(chunk)
            return []
        if self._pending:
            chunk = b"".join((*self._pending, chunk))
            self._forget()
        whole, _, rest = chunk.rpartition(b"\n\n")
        self._keep(rest)
        if whole.startswith(b"data: "):
            data = whole[6:].split(b"\n\ndata: ")
            if whole.count(b"\n") == 2 * len(data) - 2:  # one line of data in each event, as in most streams
                self._skipped_size = 0
                return [(each, "message", self._id) for each in data]
        events: list[Event] = []
        for block in whole.split(b"\n\n"):
            self._read(block, events)
        self._skipped_size = 0 if events else self._skipped_size + len(whole) + 2
        if self._skipped_size > self._max_event_bytes:
            message = f"The stream brings no event within {self._max_event_bytes:,} bytes, only comments and the like."
            raise StreamError(message, retryable=False)
        return events

    def finish(self) -> Event | None:
        """What the end of the stream left unfinished, as if it had ended properly.

        The format drops such an event; some servers end `data: [DONE]` without the closing blank line, so the reader
        may want to look at it.
        """
        events: list[Event] = []
        self._read(b"".join(self._pending), events)
        self._forget()
        return events[0] if events else None

    def _read(self, block: bytes, events: list[Event]) -> None:
        data, event = [], ""
        for line in block.split(b"\n"):
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"id":
                if b"\0" not in value:
                    self._id = value.decode("utf-8", "replace")
            elif name == b"retry" and value.isdigit():  # of bytes: ASCII digits only
                self.retry_ms = int(value[:18])
        if data:
            events.append((b"\n".join(data), event or "message", self._id))

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pending.append(piece)
            self._pending_size += len(piece)
            if self._pending_size > self._max_event_bytes:
                raise StreamError(
                    f"The stream holds an event of more than {self._max_event_bytes:,} bytes.", retryable=False
                )

    def _forget(self) -> None:
        self._pending.clear()
        self._pending_size = 0

    def _skip_bom(self, chunk: bytes) -> bytes:
        chunk = b"".join((*self._pending, chunk))
        self._forget()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._keep(chunk)  # too short to tell
            return b""
        self._at_start = False
        return chunk.removeprefix(_BOM)
