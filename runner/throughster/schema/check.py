"""What is wrong with a schema, found when it is loaded: no answer is paid for that could not be checked."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from throughster.names import did_you_mean
from throughster.schema.engine import knows_format, pattern_fault
from throughster.schema.issues import SchemaIssue, shortened
from throughster.schema.keywords import DIALECTS, KNOWN, Pointer, dialect_of, is_known, subschemas
from throughster.schema.refs import check_references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.schema.documents import Documents

__all__ = ["find_issues", "plain_schema", "walk"]

_MOST_ISSUES = 100
_DEEPEST = 100
_MOST_NODES = 200_000
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def plain_schema(schema: Any) -> tuple[Any, list[SchemaIssue]]:
    """Return a copy of plain JSON values, and what is no JSON in it: keys that are no text, NaN, objects, great depth.

    Numbers and texts of derived types (as a YAML reader may give) become plain ones.
    """
    issues: list[SchemaIssue] = []
    count = [0]

    def copy(value: Any, pointer: Pointer) -> Any:
        count[0] += 1
        if len(pointer) > _DEEPEST or count[0] > _MOST_NODES:
            if not issues or issues[-1].message != _TOO_BIG:
                issues.append(SchemaIssue(pointer[:_DEEPEST], _TOO_BIG))
            return None
        if isinstance(value, dict):
            issues.extend(
                SchemaIssue(pointer, f"The key {key!r} is no text.", "Put it in quotes.")
                for key in value
                if not isinstance(key, str)
            )
            return {key: copy(child, (*pointer, key)) for key, child in value.items() if isinstance(key, str)}
        if isinstance(value, (list, tuple)):
            return [copy(child, (*pointer, index)) for index, child in enumerate(value)]
        if value is None or isinstance(value, bool):
            return value
        plain = next((kind(value) for kind in (str, int, float) if isinstance(value, kind)), None)
        if plain is None or (isinstance(plain, float) and not math.isfinite(plain)):
            issues.append(SchemaIssue(pointer, f"{shortened(repr(value))} is no JSON value."))
        return plain

    return copy(schema, ()), issues


_TOO_BIG = f"The schema is nested more than {_DEEPEST} levels deep, or has more than {_MOST_NODES:,} values."


def find_issues(documents: Documents) -> list[SchemaIssue]:
    """Return everything wrong with the schema: errors first in the order found, at most 100."""
    schema = documents.schema
    dialect = dialect_of(schema)
    if dialect is None:
        hint = f"Known are {', '.join(DIALECTS)}."
        return [SchemaIssue(("$schema",), f"Unknown dialect {shortened(repr(schema['$schema']))}.", hint)]
    issues = list(islice(_check_metaschema(schema), _MOST_ISSUES))
    for pointer, part in walk(schema):
        issues += _check_part(part, pointer, dialect)
    if not any(issue.severity == "error" for issue in issues):
        issues += check_references(documents)
    unique = list(dict.fromkeys(issues))
    return sorted(unique, key=lambda issue: issue.severity != "error")[:_MOST_ISSUES]


def walk(schema: Any, pointer: Pointer = ()) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """Yield (pointer, schema) for `schema` and every schema in it, outermost first. True and false are left out."""
    stack: list[tuple[Pointer, Any]] = [(pointer, schema)]
    while stack:
        place, part = stack.pop()
        if isinstance(part, dict):
            yield place, part
            stack.extend(reversed([((*place, *step), child) for step, child in subschemas(part)]))


def _check_metaschema(schema: dict[str, Any]) -> Iterator[SchemaIssue]:
    if _is_plainly_valid(schema):
        return
    import jsonschema.validators  # heavy, and needed only to say what is wrong

    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    for error in kind(kind.META_SCHEMA).iter_errors(schema):
        yield _violation(schema, tuple(error.absolute_path), error.message)


def _is_plainly_valid(schema: dict[str, Any]) -> bool:
    try:
        return jsonschema_rs.meta.is_valid(schema)
    except (ValueError, jsonschema_rs.ReferencingError):
        return False


def _violation(schema: dict[str, Any], pointer: Pointer, message: str) -> SchemaIssue:
    value: Any = schema
    for step in pointer:
        value = value[step]
    names_type = pointer[-1:] == ("type",) or pointer[-2:-1] == ("type",)
    if names_type and (isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))):
        unknown = [name for name in ([value] if isinstance(value, str) else value) if name not in _TYPES]
        if unknown:
            hint = did_you_mean(unknown[0], _TYPES) or f"Known are {', '.join(_TYPES)}."
            return SchemaIssue(pointer, f"Unknown type `{shortened(unknown[0])}`.", hint)
    if pointer[-1:] == ("required",) and isinstance(value, bool):
        return SchemaIssue(
            pointer, "`required` is a list of property names.", "It stands beside `properties`, not inside a property."
        )
    return SchemaIssue(pointer, f"{shortened(message)}.")


def _check_part(part: dict[str, Any], pointer: Pointer, dialect: str) -> Iterator[SchemaIssue]:
    yield from _check_keywords(part, pointer)
    yield from _check_patterns(part, pointer, dialect)
    name = part.get("format")
    if isinstance(name, str) and not knows_format(name, dialect):
        message = f"The format `{shortened(name)}` is not checked: any text passes."
        yield SchemaIssue((*pointer, "format"), message, did_you_mean(name, _FORMATS), "warning")
    yield from _check_required(part, pointer)


def _check_keywords(part: dict[str, Any], pointer: Pointer) -> Iterator[SchemaIssue]:
    for keyword in part:
        if keyword == "nullable":
            hint = 'Write `type: [..., "null"]`.'
            yield SchemaIssue((*pointer, keyword), "`nullable` has no effect in JSON Schema.", hint, "warning")
            continue
        meant = _meant(keyword)
        if meant is not None:
            message = f"Unknown keyword `{keyword}`: it has no effect."
            yield SchemaIssue((*pointer, keyword), message, f"Did you mean `{meant}`?", "warning")


@lru_cache(maxsize=1_000)
def _meant(keyword: str) -> str | None:
    """Return the keyword that an unknown one misspells by at most two letters (one in a short word)."""
    if is_known(keyword) or len(keyword) > 40:
        return None
    nearest = min(sorted(KNOWN), key=lambda known: _distance(keyword, known))
    return nearest if _distance(keyword, nearest) <= (2 if len(keyword) > 3 else 1) else None


def _check_patterns(part: dict[str, Any], pointer: Pointer, dialect: str) -> Iterator[SchemaIssue]:
    patterns: list[tuple[Pointer, Any, bool]] = [((*pointer, "pattern"), part.get("pattern"), False)]
    named = part.get("patternProperties")
    if isinstance(named, dict):
        patterns += [((*pointer, "patternProperties", pattern), pattern, True) for pattern in named]
    for place, pattern, of_names in patterns:
        fault = pattern_fault(pattern, dialect, of_names=of_names) if isinstance(pattern, str) else ""
        if fault:
            yield SchemaIssue(place, f"The pattern `{shortened(pattern)}` {fault}.")


def _check_required(part: dict[str, Any], pointer: Pointer) -> Iterator[SchemaIssue]:
    required, properties = part.get("required"), part.get("properties", {})
    if part.get("additionalProperties") is not False or part.get("patternProperties"):
        return
    if not (isinstance(required, list) and isinstance(properties, dict)):
        return
    for index, name in enumerate(required):
        if isinstance(name, str) and name not in properties:
            message = f"`{shortened(name)}` is required, but `properties` lacks it and no other is allowed."
            yield SchemaIssue((*pointer, "required", index), message, did_you_mean(name, properties))


_FORMATS = (
    *("date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri", "time"),
    *(
        "iri-reference",
        "json-pointer",
        "regex",
        "relative-json-pointer",
        "uri",
        "uri-reference",
        "uri-template",
        "uuid",
    ),
)


def _distance(first: str, second: str) -> int:
    """Return how many letters must be put in, taken out or changed to make one name of the other (3: more than 2)."""
    if abs(len(first) - len(second)) > 2:
        return 3
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (letter != other))
    return row[-1]
