"""The border where text is printed: everything that reaches a terminal or a log passes here.

What comes from a spec, a row, a server or a model may hold anything: codes that steer a terminal, characters that
reorder a line, lines that a CI system takes for commands. Nothing else prints; `tests/test_screen.py` holds that.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import orjson

from throughster.config import in_ci
from throughster.redact import inert, mapped, one_line, printable

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["LOG", "annotate", "echo", "echo_json", "json_text", "line", "shown"]

_STYLES = {"red": "31", "green": "32", "yellow": "33"}
_IN_JSON = re.compile(r"##(?=\[|\w+\[)")
_MOST_ANNOTATED = 500


def shown(text: str, *, ci: bool | None = None) -> str:
    """`text`, of one or more lines, as it may be printed. `ci`: whether a CI system reads it; None asks the system."""
    text = printable(text)
    return inert(text) if (in_ci() if ci is None else ci) else text


def line(text: str) -> str:
    """`text` on one line, as long as it is: for names, which could else begin a line that looks like ours."""
    return shown(one_line(text, width=sys.maxsize))


def echo(
    text: object = "",
    *,
    err: bool = False,
    nl: bool = True,
    tone: str = "",
    bold: bool = False,
    color: str = "auto",
    ci: bool | None = None,
) -> None:
    """Print `text`. `err`: on standard error. `tone`: red, green or yellow; `color`: auto, always or never.

    `ci`: see `shown`; False is for Markdown, whose headings begin with `##`, when its cells are safe already.
    """
    stream = sys.stderr if err else sys.stdout
    safe = shown(str(text), ci=ci)
    codes = ";".join(code for code in ("1" if bold else "", _STYLES.get(tone, "")) if code)
    if codes and (color == "always" or (color == "auto" and stream.isatty())):
        safe = f"\x1b[{codes}m{safe}\x1b[0m"
    _write(stream, safe + "\n" if nl else safe)


def echo_json(value: Any) -> None:
    """Print `value` as one line of JSON; what a terminal or a log could act on is escaped in it, and reads the same."""
    _write(sys.stdout, json_text(value) + "\n")


def json_text(value: Any) -> str:
    """`value`, or bytes that are JSON already, as JSON that is safe to print."""
    if isinstance(value, bytes):
        text = value.decode().rstrip("\n")
    else:
        try:
            text = orjson.dumps(value, default=list).decode()
        except TypeError:  # a file's name that is no UTF-8
            text = orjson.dumps(mapped(value, printable), default=list).decode()
    text = printable(text, lambda found: json.dumps(found)[1:-1] if found != "\x7f" else "\\u007f")
    return _IN_JSON.sub("#\\\\u0023", text)


def annotate(severity: str, message: str, *, file: str = "", row: int = 0, column: int = 0, title: str = "") -> None:
    """Print an annotation of GitHub's (`::error file=...::message`). `row`, `column`: in the file, from 1.

    GitHub takes a path for one from the root of the repository, wherever the command runs in it.
    """
    place = {
        "file": _in_repository(file) if file else "",
        "line": row if file else 0,
        "col": column if row and file else 0,
        "title": title,
    }
    properties = ",".join(f"{name}={_property(value)}" for name, value in place.items() if value)
    told = _escaped(inert(one_line(message, _MOST_ANNOTATED)))
    _write(sys.stdout, f"::{severity}{f' {properties}' if properties else ''}::{told}\n")


def _in_repository(file: str) -> str:
    """`file`, which is named from the working directory, from the folder that GitHub checked the repository out to."""
    root = os.environ.get("GITHUB_WORKSPACE")
    if not root:
        return file
    path = os.path.relpath(os.path.realpath(file), os.path.realpath(root))
    return file if path.startswith("..") else path


def _property(value: object) -> str:
    return _escaped(inert(line(str(value)))).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    """As GitHub's workflow commands want it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal that knows less than Unicode
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


class _Safe(logging.Filter):
    """Makes the message of a record safe to show, whoever shows it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = line(record.getMessage()), ()
        return True


LOG = logging.getLogger("throughster")
LOG.addFilter(_Safe())
