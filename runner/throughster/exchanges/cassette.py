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
from typing import TYPE_CHECKING, Any, TypeVar, cast

import throughster.errors as errors_module
from throughster.errors import CassetteError, ProviderError
from throughster.exchanges.exchange import Stored, canonical
from throughster.paths import PathProblem, read_bounded
from throughster.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from throughster.exchanges.active import Case
    from throughster.exchanges.exchange import Request

__all__ = ["Exchange", "case_file", "file_of", "read_file", "read_kept", "write_file", "write_json"]

FORMAT = 1
LARGEST_FILE = 50_000_000
_T = TypeVar("_T")
_HALF = re.compile("[\ud800-\udfff]")
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


def read_kept(path: Path) -> bytes:
    """What a file of a folder of cassettes holds. Raises OSError, and CassetteError for a link or too large a file."""
    if path.is_symlink() or path.parent.is_symlink():
        raise CassetteError(f"The cassette {path} is a link, or lies in a folder that is one, and is not read.")
    try:
        return read_bounded(path, LARGEST_FILE)
    except PathProblem as problem:
        raise CassetteError(f"The cassette {path} cannot be read: {problem}") from None


def read_file(path: Path) -> list[Exchange]:
    """The exchanges of a file, none where it does not exist. Raises CassetteError for what is no cassette."""
    try:
        text = read_kept(path).decode("utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise _no_cassette(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise CassetteError(f"The cassette {path} cannot be read: {error.strerror}.") from error
    try:
        value = json.loads(text)
    except ValueError as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _no_cassette(path, f"it is no JSON{where}") from None
    except RecursionError:
        raise _no_cassette(path, "it is nested too deeply") from None
    try:
        whole = _typed(value, dict, "the file")
        version = _field(whole, "format", int, "")
        if version != FORMAT:
            raise CassetteError(
                f"The cassette {path} has the format {version!r}; this version reads {FORMAT}. Record it again."
            )
        exchanges = _field(whole, "exchanges", list, "")
        return [_exchange(entry, f"exchanges[{n}]") for n, entry in enumerate(exchanges)]
    except _Wrong as wrong:
        raise _no_cassette(path, str(wrong)) from None


class _Wrong(Exception):  # noqa: N818 - it becomes a CassetteError, with the file
    """What is wrong with a value of a cassette, in plain words."""


def _no_cassette(path: Path, why: str) -> CassetteError:
    return CassetteError(f"{path} is no cassette: {why}. Record it again.")


def write_file(path: Path, exchanges: Iterable[Exchange], secrets: Iterable[str]) -> None:
    """Write the exchanges, whole or not at all, without the secrets. Raises CassetteError."""
    entries = [_entry(exchange) for exchange in sorted(exchanges, key=lambda e: (e.label, e.repeat))]
    write_json(path, {"format": FORMAT, "exchanges": entries}, secrets)


def write_json(path: Path, value: Any, secrets: Iterable[str]) -> None:
    text = redact(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False), secrets) + "\n"
    text = _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # as the server wrote it, in a file that is UTF-8
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.is_symlink():
            raise CassetteError(f"The cassette {path} is not written: its folder is a link.")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
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


_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}
_REQUIRED: Any = object()


def _typed(value: Any, kind: type[_T], place: str) -> _T:
    """`value`, if it is of this kind. Raises _Wrong."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return cast("_T", value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise _Wrong(f"{place} is not {_KINDS[kind]}")
    return value


def _field(entry: dict[str, Any], name: str, kind: type[_T], place: str, default: _T = _REQUIRED) -> _T:
    """A field of an entry that stands at `place`. Raises _Wrong."""
    shown = f"`{place}.{name}`" if place else f"`{name}`"
    if name not in entry:
        if default is _REQUIRED:
            raise _Wrong(f"{shown} is missing")
        return default
    return _typed(entry[name], kind, shown)


def _exchange(value: Any, place: str) -> Exchange:
    entry = _typed(value, dict, f"`{place}`")
    reply, at = _field(entry, "reply", dict, place), f"{place}.reply"
    headers = _field(reply, "headers", dict, at, {})
    status = _field(reply, "status", int, at, 0)
    if "failure" not in reply and not 100 <= status <= 599:
        raise _Wrong(f"`{at}.status` is not from 100 to 599")
    stored = Stored(
        status,
        {name.lower(): _field(headers, name, str, f"{at}.headers") for name in headers},
        _body_of(reply, at),
        _field(reply, "latency_s", float, at, 0.0),
        None if reply.get("first_token_s") is None else _field(reply, "first_token_s", float, at),
        _failure(_field(reply, "failure", dict, at), f"{at}.failure") if "failure" in reply else None,
    )
    if "request" not in entry:
        raise _Wrong(f"`{place}.request` is missing")
    return Exchange(
        _field(entry, "label", str, place, ""),
        _field(entry, "repeat", int, place, 0),
        _field(entry, "place", str, place),
        _field(entry, "url", str, place),
        entry["request"],
        stored,
    )


def _failure(told: dict[str, Any], place: str) -> ProviderError:
    name = _field(told, "type", str, place)
    kind = getattr(errors_module, name, None)
    if not (isinstance(kind, type) and issubclass(kind, ProviderError)):
        raise _Wrong(f"`{place}.type`: there is no failure `{name}`")
    return kind(_field(told, "message", str, place), retryable=_field(told, "retryable", bool, place))


def _body_of(reply: dict[str, Any], place: str) -> bytes:
    if "base64" in reply:
        try:
            return base64.b64decode(_field(reply, "base64", str, place), validate=True)
        except ValueError:
            raise _Wrong(f"`{place}.base64` is no Base64") from None
    if "stream" in reply:
        lines = _field(reply, "stream", list, place)
        texts = [_typed(line, str, f"`{place}.stream[{n}]`") for n, line in enumerate(lines)]
        return "\n".join(texts).encode("utf-8", "surrogatepass")
    if "json" in reply:
        return json.dumps(reply["json"]).encode()
    return _field(reply, "text", str, place, "").encode("utf-8", "surrogatepass")
