"""The event-stream format of server-sent events, on bytes.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Lines end in LF, CR or CRLF and in nothing else
(U+2028 and its like are text), chunks may be cut anywhere, one byte order mark at the very start is skipped.
"""

from __future__ import annotations

from typing import NamedTuple

from throughster.errors import StreamError

__all__ = ["Event", "EventParser"]

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. `data` is the raw bytes, lines joined by LF; invalid UTF-8 is the reader's to replace."""

    data: bytes
    event: str = "message"
    id: str = ""


class EventParser:
    """Feed it bytes as they come; it gives back the events that are complete.

    `max_event_bytes` bounds what may be pending, so that a server that never ends an event cannot fill the memory.
    """

    def __init__(self, *, max_event_bytes: int = 8_000_000) -> None:
        self.retry_ms: int | None = None
        self._max_event_bytes = max_event_bytes
        self._at_start = True
        self._after_cr = False
        self._fragments: list[bytes] = []  # a line that is not complete yet; joined once, when its end arrives
        self._fragments_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Raises StreamError when an event outgrows `max_event_bytes`."""
        if self._at_start:
            chunk = self._skip_bom(chunk)
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in chunk:
            self._keep(chunk)
            return []
        if self._fragments:
            chunk = b"".join((*self._fragments, chunk))
            self._fragments.clear()
            self._fragments_size = 0
        lines = chunk.split(b"\n")
        self._keep(lines.pop())
        return self._events(lines)

    def finish(self) -> Event | None:
        """What the end of the stream left unfinished, as if it had ended properly.

        The format drops such an event; some servers end `data: [DONE]` without the closing blank line, so the reader
        may want to look at it.
        """
        events = self._events([b"".join(self._fragments), b""])
        self._fragments.clear()
        return events[0] if events else None

    def _events(self, lines: list[bytes]) -> list[Event]:
        events = []
        data = self._data
        for line in lines:
            if line.startswith(b"data: "):
                data.append(line[6:])
                self._data_size += len(line)
            elif not line:
                if data:
                    payload = data[0] if len(data) == 1 else b"\n".join(data)
                    events.append(Event(payload, self._event or "message", self._id))
                    data.clear()
                    self._data_size = 0
                self._event = ""
            else:
                self._field(line)
        if self._data_size > self._max_event_bytes:
            self._too_large()
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._data_size += len(line)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():  # of bytes: ASCII digits only
            self.retry_ms = int(value[:18])

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._fragments.append(piece)
            self._fragments_size += len(piece)
            if self._fragments_size > self._max_event_bytes:
                self._too_large()

    def _skip_bom(self, chunk: bytes) -> bytes:
        chunk = b"".join((*self._fragments, chunk))
        self._fragments.clear()
        self._fragments_size = 0
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._keep(chunk)  # too short to tell
            return b""
        self._at_start = False
        return chunk.removeprefix(_BOM)

    def _too_large(self) -> None:
        raise StreamError(f"The stream holds an event of more than {self._max_event_bytes:,} bytes.", retryable=False)
