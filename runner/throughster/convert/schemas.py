"""JSON Schemas of the source: from a text, a mapping or a file, read as the source's validator reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from throughster.convert.files import FILE, Files, NotReadable
from throughster.errors import SpecError
from throughster.schema import check_schema
from throughster.yamltree import plain_numbers

if TYPE_CHECKING:
    from throughster.convert.losses import Losses
    from throughster.convert.parts import Part

__all__ = ["as_schema"]

_DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def as_schema(value: Part, files: Files, losses: Losses, what: str) -> Any:
    """The schema, as a mapping; None, and told, where it cannot be had or is none."""
    try:
        schema = plain_numbers(_read(value, files).plain())
    except NotReadable as problem:
        losses.changes(value.at, what, f"{problem} Left out.")
        return None
    except SpecError as error:
        losses.changes(value.at, what, f"{error.problems[0].message} Left out.")
        return None
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        losses.changes(value.at, what, "is no JSON Schema; left out.")
        return None
    if "$schema" not in schema and _is_older(schema):
        schema = {"$schema": _DRAFT_7, **schema}
    errors = [issue for issue in check_schema(schema) if issue.severity == "error"]
    if errors:
        losses.changes(value.at, what, f"{errors[0].message} Left out.", errors[0].hint)
        return None
    return json.loads(json.dumps(schema))


def _read(value: Part, files: Files) -> Part:
    if not value.is_text:
        return value
    if value.value.startswith(FILE):
        return files.tree(value.value)
    return files.parse(value.value, value.place.file)


def _is_older(schema: Any) -> bool:
    """Whether it says something that draft 7, which promptfoo reads, and 2020-12 read differently."""
    if isinstance(schema, list):
        return any(map(_is_older, schema))
    if not isinstance(schema, dict):
        return False
    return (
        isinstance(schema.get("items"), list)
        or "additionalItems" in schema
        or "dependencies" in schema
        or any(map(_is_older, schema.values()))
    )
