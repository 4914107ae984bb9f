"""The files of cassettes: one for each case of a spec, in JSON that a person can read and a diff can show.

DIR/learned.json            what the models refused to know
DIR/SPEC/CASE.json          the exchanges of one row, of all its providers and repeats
DIR/calls/DIGEST.json       an exchange outside of runs
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import throughster.errors as errors_module
from throughster.errors import CassetteError, ProviderError
from throughster.exchanges.exchange import Stored, canonical
from throughster.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from throughster.exchanges.active import Case
    from throughster.exchanges.exchange import Request

__all__ = ["Exchange", "case_file", "file_of", "read_file", "write_file", "write_json"]

FORMAT = 1
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded exchange. `request`: its JSON, None for a GET."""

    label: str
    repeat: int
    place: str
    url: str
    request: Any
    reply: Stored

    def fits(self, request: Request) -> bool:
        return self.place == request.place and self.body == canonical(request.body)

    @property
    def body(self) -> bytes:
        return b"" if self.request is None else canonical(json.dumps(self.request).encode())


def case_file(folder: Path, case: Case) -> Path:
    """Where the exchanges of a row are kept."""
    return folder / _name(case.spec) / f"{_name(case.id)}.json"


def file_of(folder: Path, case: Case, request: Request) -> Path:
    """Where an exchange is kept: with its row, or outside of runs under what it asks."""
    if case.spec and case.id:
        return case_file(folder, case)
    digest = blake2b(request.place.encode() + b"\0" + canonical(request.body), digest_size=8).hexdigest()
    return folder / "calls" / f"{digest}.json"


def _name(text: str) -> str:
    """A name of a file for any text, different for different ones."""
    if _PLAIN.fullmatch(text) and text not in ("calls", "learned"):
        return text
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:60]
    return f"{words or 'case'}-{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


def read_file(path: Path) -> list[Exchange]:
    """The exchanges of a file, none where it does not exist. Raises CassetteError for what is no cassette."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise CassetteError(f"The cassette {path} cannot be read: {error}.") from error
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise CassetteError(
                f"The cassette {path} has the format {value['format']!r}; this version reads {FORMAT}. Record it again."
            )
        return [_exchange(entry) for entry in value["exchanges"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CassetteError(f"{path} is no cassette ({type(error).__name__}: {error}). Record it again.") from error


def write_file(path: Path, exchanges: Iterable[Exchange], secrets: Iterable[str]) -> None:
    """Write the exchanges, whole or not at all, without the secrets. Raises CassetteError."""
    entries = [_entry(exchange) for exchange in sorted(exchanges, key=lambda e: (e.label, e.repeat))]
    write_json(path, {"format": FORMAT, "exchanges": entries}, secrets)


def write_json(path: Path, value: Any, secrets: Iterable[str]) -> None:
    text = redact(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False), secrets) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123
                file.write(text)
            os.replace(name, path)  # noqa: PTH105 - beside mkstemp's plain name
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CassetteError(f"The cassette {path} cannot be written: {error.strerror or error}.") from error


def _entry(exchange: Exchange) -> dict[str, Any]:
    stored = exchange.reply
    reply: dict[str, Any] = {}
    if stored.status:
        reply = {"status": stored.status, "headers": dict(stored.headers), **_body_entry(stored)}
    if stored.failure is not None:
        failure = stored.failure
        reply["failure"] = {"type": type(failure).__name__, "message": str(failure), "retryable": failure.retryable}
    reply["latency_s"] = round(stored.latency_s, 4)
    if stored.first_token_s is not None:
        reply["first_token_s"] = round(stored.first_token_s, 4)
    return {
        **({"label": exchange.label, "repeat": exchange.repeat} if exchange.label else {}),
        "place": exchange.place,
        "url": exchange.url,
        "request": exchange.request,
        "reply": reply,
    }


def _body_entry(stored: Stored) -> dict[str, Any]:
    """The body in the form that reads best: JSON, lines of an event stream, text, or base64 where it is none."""
    try:
        text = stored.body.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(stored.body).decode()}
    if stored.is_event_stream:
        return {"stream": text.split("\n")}
    try:
        return {"json": json.loads(text, parse_constant=_no_number)}
    except ValueError:
        return {"text": text}


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _exchange(entry: dict[str, Any]) -> Exchange:
    reply, failure = entry["reply"], None
    if "failure" in reply:
        told = reply["failure"]
        kind = getattr(errors_module, told["type"])
        if not (isinstance(kind, type) and issubclass(kind, ProviderError)):
            raise ValueError(f"`{told['type']}` is no failure")
        failure = kind(told["message"], retryable=bool(told["retryable"]))
    stored = Stored(
        reply.get("status", 0),
        {name.lower(): value for name, value in reply.get("headers", {}).items()},
        _body_of(reply),
        reply.get("latency_s", 0.0),
        reply.get("first_token_s"),
        failure,
    )
    return Exchange(
        entry.get("label", ""), entry.get("repeat", 0), entry["place"], entry["url"], entry["request"], stored
    )


def _body_of(reply: dict[str, Any]) -> bytes:
    if "base64" in reply:
        return base64.b64decode(reply["base64"])
    if "stream" in reply:
        return "\n".join(reply["stream"]).encode("utf-8", "surrogatepass")
    if "json" in reply:
        return json.dumps(reply["json"]).encode()
    text: str = reply.get("text", "")
    return text.encode("utf-8", "surrogatepass")
