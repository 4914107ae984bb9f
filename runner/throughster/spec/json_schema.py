"""The JSON Schema of a spec, generated from the model, so that editors complete and flag what the loader does."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from throughster.spec.model import Spec
from throughster.spec.unbuilt import NOT_BUILT, Unbuilt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.yamltree import Path

__all__ = ["choices_at", "key_places", "keys_at", "spec_json_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def spec_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a spec file: every accepted form, and nothing that this version refuses."""
    return copy.deepcopy(_schema())


@cache
def _schema() -> dict[str, Any]:
    schema = Spec.model_json_schema(by_alias=True, mode="validation")
    _tidy(schema)
    for row in NOT_BUILT:
        _remove_unbuilt(schema, row)
    _drop_unused_definitions(schema)
    schema["required"] = [key for key in schema["required"] if key != "name"]  # it defaults to the file's name
    schema["oneOf"] = [{"required": ["provider"]}, {"required": ["providers"]}]
    return {"$schema": _DIALECT, "title": "Throughster spec", **{k: v for k, v in schema.items() if k != "title"}}


def _tidy(node: Any) -> None:
    """Free the `x-` keys of every closed mapping, and drop the titles that only repeat a key's name."""
    if isinstance(node, list):
        for child in node:
            _tidy(child)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("title"), str):
        del node["title"]
    if node.get("additionalProperties") is False:
        node["patternProperties"] = {"^x-": {}}
    for key, child in node.items():
        if key in {"properties", "$defs"}:
            for named in child.values():
                _tidy(named)
        else:
            _tidy(child)


def _remove_unbuilt(schema: dict[str, Any], row: Unbuilt) -> None:
    *parents, key = row.steps
    for owner in list(_nodes_at(schema, tuple(parents))):
        if key not in owner.get("properties", {}):
            continue
        prop = owner["properties"][key]
        if row.is_whole_key:
            del owner["properties"][key]
        elif row.endings:
            prop["items"]["not"] = {"pattern": f"(?:{'|'.join(map(re.escape, row.endings))})$"}
        elif "enum" in prop:
            prop["enum"] = [value for value in prop["enum"] if value not in row.values]
        else:
            prop["not"] = {"enum": list(row.values)}
    if row.path == "provider.name":
        for owner in (*_nodes_at(schema, ("provider",)), *_nodes_at(schema, ("providers", 0))):
            if owner.get("type") == "string":  # the short form
                owner["not"] = {"pattern": f"^(?:{'|'.join(row.values)})(?::|$)"}


def _drop_unused_definitions(schema: dict[str, Any]) -> None:
    definitions = schema.get("$defs", {})
    used: set[str] = set()
    waiting: list[Any] = [{k: v for k, v in schema.items() if k != "$defs"}]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            if name in definitions and name not in used:
                used.add(name)
                waiting.append(definitions[name])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    schema["$defs"] = {name: definition for name, definition in definitions.items() if name in used}


def keys_at(path: Path) -> list[str]:
    """Return the keys that a mapping at `path` may have, in the model's order; empty where any key may stand."""
    found: dict[str, None] = {}
    for node in _nodes_at(_schema(), path):
        found.update(dict.fromkeys(node.get("properties", {})))
    return list(found)


def choices_at(path: Path) -> list[str]:
    """Return the words that a value at `path` is chosen from; empty where it is free."""
    return list(dict.fromkeys(str(word) for node in _nodes_at(_schema(), path) for word in node.get("enum", ())))


@cache
def key_places() -> dict[str, tuple[str, ...]]:
    """Return for every key below the top the dotted keys under which it may stand."""
    places: dict[str, tuple[str, ...]] = {}
    for top in keys_at(()):
        for key in keys_at((top,)):
            places[key] = (*places.get(key, ()), top)
    return places


def _nodes_at(schema: dict[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    nodes = list(_alternatives(schema, schema))
    for step in path:
        below: list[dict[str, Any]] = []
        for node in nodes:
            child = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step)
            if child is None and isinstance(step, str) and isinstance(node.get("additionalProperties"), dict):
                child = node["additionalProperties"]
            if isinstance(child, dict):
                below.extend(_alternatives(schema, child))
        nodes = below
    yield from nodes


def _alternatives(schema: dict[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the node itself and all that it refers to or offers as a form."""
    yield node
    if "$ref" in node:
        yield from _alternatives(schema, schema["$defs"][node["$ref"].removeprefix("#/$defs/")])
    for keyword in ("anyOf", "oneOf"):
        for choice in node.get(keyword, ()):
            yield from _alternatives(schema, choice)
