"""The ways to meet a schema: references, allOf, anyOf, oneOf and if/then/else resolved into flat schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from throughster.emulator.encoding import json_bytes
from throughster.emulator.schema_merge import NoInstanceError, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from throughster.emulator.dice import Dice

__all__ = ["SchemaOptions"]

_COMBINING: Final = frozenset(
    [
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "then",
        "else",
        "dependentSchemas",
        "not",
        "$defs",
        "definitions",
    ]
)
_MOST_HOPS: Final = 24  # references followed without a value in between


class SchemaOptions:
    """Yields flat schemas: no references, no combining keywords. `prefer_else`: `if` is left unmet first."""

    def __init__(self, root: Any, dice: Dice, *, terse: bool, prefer_else: bool) -> None:
        self._root = root
        self._dice = dice
        self._terse = terse
        self._prefer_else = prefer_else
        self._named: dict[str, Any] | None = None

    def of(self, schema: Any, *, shallow_first: bool) -> Iterator[dict[str, Any]]:
        """Flat schemas, each of which is one way to meet `schema`. `shallow_first`: those without references first."""
        return self._expand(schema, shallow_first, 0)

    def _expand(self, schema: Any, shallow_first: bool, hops: int) -> Iterator[dict[str, Any]]:
        if schema is True:
            yield {}
        if not isinstance(schema, dict) or hops > _MOST_HOPS:
            return
        if _COMBINING.isdisjoint(schema):
            yield schema
            return
        own = {key: value for key, value in schema.items() if key not in _COMBINING}
        yield from self._join(own, self._demands(schema, shallow_first), shallow_first, hops + 1)

    def _join(
        self, flat: dict[str, Any], demands: Sequence[Sequence[Any]], shallow_first: bool, hops: int
    ) -> Iterator[dict[str, Any]]:
        if not demands:
            yield flat
            return
        for option in demands[0]:
            for more in self._expand(option, shallow_first, hops):
                try:
                    joined = merged(flat, more)
                except NoInstanceError:
                    continue
                yield from self._join(joined, demands[1:], shallow_first, hops)

    def _demands(self, schema: Mapping[str, Any], shallow_first: bool) -> list[Sequence[Any]]:
        """Return what must hold beside the schema's own keywords: for each demand, the options to meet it."""
        demands: list[Sequence[Any]] = [
            [self._resolve(schema[key])] for key in ("$ref", "$dynamicRef", "$recursiveRef") if key in schema
        ]
        demands += [[part] for part in schema.get("allOf", ())]
        demands += [self._ordered(schema[key], shallow_first) for key in ("anyOf", "oneOf") if key in schema]
        if "if" in schema:
            met = {"allOf": [schema["if"], schema.get("then", True)]}
            unmet = schema.get("else", True)
            demands.append([unmet, met] if self._prefer_else else [met, unmet])
        needed = (
            schema.get("required", ()) if self._terse else (*schema.get("properties", ()), *schema.get("required", ()))
        )
        demands += [[part] for name, part in schema.get("dependentSchemas", {}).items() if name in needed]
        return demands

    def _ordered(self, options: Sequence[Any], shallow_first: bool) -> Sequence[Any]:
        if not shallow_first:
            return sorted(self._dice.rotated(options), key=_is_null)
        return sorted(options, key=lambda option: (not _is_null(option), b'"$ref"' in json_bytes(option)))

    def _resolve(self, reference: str) -> Any:
        address, _, fragment = reference.partition("#")
        base = self._by_name(address) if address else self._root
        if not fragment:
            return base
        if not fragment.startswith("/"):
            return self._by_name(f"#{fragment}")
        for part in unquote(fragment)[1:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                base = base[int(key)] if isinstance(base, list) else base[key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise NoInstanceError(f"{reference} points to nothing") from error
        return base

    def _by_name(self, name: str) -> Any:
        if self._named is None:
            self._named = dict(_names(self._root))
        found = self._named.get(name, self._named.get(name.rpartition("/")[2]))
        if found is None:
            raise NoInstanceError(f"no schema is called {name}")
        return found


def _names(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every `$id` and `#anchor` in the schema, with what they name."""
    if isinstance(schema, list):
        for part in schema:
            yield from _names(part)
    if not isinstance(schema, dict):
        return
    for key, prefix in (("$id", ""), ("$anchor", "#"), ("$dynamicAnchor", "#")):
        if isinstance(schema.get(key), str):
            yield prefix + schema[key], schema
            yield prefix + schema[key].rpartition("/")[2], schema
    for part in schema.values():
        yield from _names(part)


def _is_null(option: Any) -> bool:
    return isinstance(option, dict) and option.get("type") == "null"
