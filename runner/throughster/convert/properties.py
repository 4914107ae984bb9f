"""Inputs and outputs of prompty, in any of their three forms, as declarations and as a JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.convert.parts import Part
from throughster.yamltree import keep_text, plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.convert.losses import Losses

__all__ = ["as_inputs", "as_object_schema"]

_TYPES = {
    "string": "string", "str": "string", "text": "string", "number": "number", "float": "number", "double": "number",
    "integer": "integer", "int": "integer", "boolean": "boolean", "bool": "boolean", "array": "array", "list": "array",
    "object": "object", "dict": "object", "dictionary": "object",
}  # fmt: skip
_OTHER = frozenset({"thread", "image", "file", "audio"})
_DECLARING = frozenset({
    "type", "kind", "default", "description", "required", "is_required", "sample", "example", "enumValues", "name",
    "items", "properties", "strict", "json_schema",
})  # fmt: skip


def _named(part: Part) -> Iterator[tuple[str, Part]]:
    if isinstance(part.value, list):
        for entry in part.value:
            name = entry.get("name")
            if name is not None:
                yield name.text(), entry
    elif isinstance(part.value, dict):
        yield from part.value.items()


def as_inputs(part: Part | None, losses: Losses) -> tuple[dict[str, Any], dict[str, Any]]:
    """(`inputs` of a spec, a row of sample values)."""
    inputs: dict[str, Any] = {}
    sample: dict[str, Any] = {}
    for name, entry in _named(part) if part is not None else ():
        if not _declares(entry):
            inputs[name] = {"type": _type_of(entry.value), "default": keep_text(entry.plain())}
            continue
        kind = entry.get("kind") or entry.get("type")
        word = kind.text().lower() if kind is not None else "string"
        if word in _OTHER:
            why = f"is of the kind `{word}`, which a variable cannot be; it is a text."
            losses.changes(
                entry.at,
                f"`inputs.{name}`",
                why,
                "Put earlier turns into `messages` of a test." if word == "thread" else "",
            )
        declared: dict[str, Any] = {"type": _TYPES.get(word, "string")}
        description, default = entry.get("description"), entry.get("default")
        if description is not None and description.value:
            declared["description"] = description.text()
        if default is not None and default.value is not None:
            declared["default"] = keep_text(default.plain())
        if entry.get("enumValues") is not None:
            losses.changes(entry.at, f"`inputs.{name}.enumValues`", "a variable's values are not limited; left out.")
        for word in ("sample", "example"):
            value = entry.get(word)
            if value is not None and value.value is not None:
                sample.setdefault(name, keep_text(value.plain()))
        inputs[name] = declared
    return inputs, sample


def _declares(entry: Part) -> bool:
    return isinstance(entry.value, dict) and bool(entry.value) and set(entry.value) <= _DECLARING


def _type_of(value: Any) -> str:
    for kinds, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (list, "array"), (dict, "object")):
        if isinstance(value, kinds):
            return name
    return "string"


def as_object_schema(part: Part, losses: Losses, what: str) -> dict[str, Any] | None:
    """The JSON Schema of an object with these properties."""
    properties: dict[str, Any] = {}
    required = []
    for name, entry in _named(part):
        properties[name] = _schema(entry, losses, what)
        required.append(name)
    if not properties:
        return None
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _schema(entry: Part, losses: Losses, what: str) -> dict[str, Any]:
    if not isinstance(entry.value, dict):
        return {"type": _type_of(entry.value)}
    kind = entry.get("kind") or entry.get("type")
    word = kind.text().lower() if kind is not None else "string"
    if word not in _TYPES:
        losses.changes(entry.at, what, f"the kind `{word}` has no JSON form; it is a text.")
    schema: dict[str, Any] = {"type": _TYPES.get(word, "string")}
    description, values = entry.get("description"), entry.get("enumValues")
    if description is not None and description.value:
        schema["description"] = description.text()
    if values is not None and isinstance(values.value, list):
        schema["enum"] = plain_numbers(values.plain())
    items, inner = entry.get("items"), entry.get("properties")
    if items is not None:
        schema["items"] = _schema(items, losses, what)
    if inner is not None:
        made = as_object_schema(inner, losses, what)
        schema |= made or {}
    return schema
