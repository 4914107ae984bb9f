"""What can be wrong with a schema, and with a value that is checked against one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from throughster.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.schema.keywords import Pointer

__all__ = ["SchemaError", "SchemaIssue", "SchemaProblem", "json_path", "shortened"]

LONGEST_MESSAGE = 300
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SchemaError(NamedTuple):
    """One thing that is wrong with a value: where (as in `$.a[0].b`), and what (at most 300 characters)."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class SchemaIssue:
    """One thing that is wrong with a schema. `pointer`: the keys and indexes that lead to it."""

    pointer: Pointer
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{json_path(self.pointer)}: {self.message} {self.hint}".rstrip()


class SchemaProblem(RequestError):  # noqa: N818 - it becomes Problems of the spec, with positions
    """A schema that cannot be used. `issues`: every error in it; `file`: where it stands, "" for none."""

    def __init__(self, issues: Sequence[SchemaIssue], *, file: str = "") -> None:
        self.issues = tuple(issues)
        self.file = file
        where = f"The JSON Schema {file}" if file else "The JSON Schema"
        super().__init__(f"{where} cannot be used. " + " ".join(str(issue) for issue in self.issues[:20]))


def json_path(pointer: Sequence[Any]) -> str:
    """Return `$.a[0]['First Name']` for `("a", 0, "First Name")`."""
    text = "$"
    for step in pointer:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{json.dumps(step, ensure_ascii=False)}]"
    return shortened(text)


def shortened(text: str) -> str:
    """Return `text`, cut in the middle where it is long."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    half = LONGEST_MESSAGE // 2 - 1
    return f"{text[:half]}…{text[-half:]}"
