"""The one place that compiles validators: offline, formats checked, patterns bounded in time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

__all__ = ["bound_patterns", "compile_validator", "knows_format", "pattern_fault", "registry_of"]

# Most patterns run in linear time. One with lookaround or back references runs on a backtracking engine: bounded in its
# steps (100,000 take about 20 ms, and what needs more does not match), and in the length of the text, since a lookahead
# tried at each character takes quadratic time without a single step back (100,000 characters: a minute; 4,000: 0.1 s).
# A bounded size keeps `(a{1000}){1000}` from filling the memory.
_SIZES = {"size_limit": 10_000_000, "dfa_size_limit": 10_000_000}
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000, **_SIZES)
_LINEAR = jsonschema_rs.RegexOptions(**_SIZES)
_LONGEST_BACKTRACKED = 4_000
_WITHOUT_IF = {"http://json-schema.org/draft-06/schema", "http://json-schema.org/draft-04/schema"}
_MASK = "the value"


def _refuse(uri: str) -> NoReturn:
    raise LookupError(f"{uri} is not fetched")


def registry_of(documents: dict[str, Any], draft: int | None = None) -> jsonschema_rs.Registry:
    """Return the documents, by absolute address, for references between them."""
    return jsonschema_rs.Registry(list(documents.items()), draft=draft, retriever=_refuse)


def compile_validator(
    schema: dict[str, Any], *, registry: jsonschema_rs.Registry | None = None, base_uri: str | None = None
) -> jsonschema_rs.Validator:
    """Compile `schema`. Raises `jsonschema_rs.ValidationError` or `ReferencingError`; never reads a file or address."""
    return jsonschema_rs.validator_for(
        schema,
        validate_formats=True,
        ignore_unknown_formats=True,
        retriever=_refuse,
        registry=registry,
        base_uri=base_uri,
        pattern_options=_PATTERNS,
        mask=_MASK,
    )


def pattern_fault(pattern: str, dialect: str, *, of_names: bool = False) -> str:
    """Return why `pattern` cannot be used, "" where it can. `of_names`: it stands in `patternProperties`."""
    if not _compiles(pattern, _PATTERNS):
        return "is no regular expression that can be used"
    if _compiles(pattern, _LINEAR):
        return ""
    if of_names:
        return "uses lookaround or a back reference, which the names of properties are not checked with"
    if dialect in _WITHOUT_IF:
        return "uses lookaround or a back reference, which needs draft-07 or later as `$schema`"
    return ""


def bound_patterns(part: dict[str, Any]) -> None:
    """Change one schema (not those in it) so that a backtracking pattern only ever meets a text of bounded length."""
    pattern = part.get("pattern")
    if isinstance(pattern, str) and not _compiles(pattern, _LINEAR):
        del part["pattern"]
        short = {"maxLength": _LONGEST_BACKTRACKED}
        part["allOf"] = [*part.get("allOf", []), {"if": short, "then": {"pattern": pattern}, "else": short}]


def _compiles(pattern: str, options: jsonschema_rs.FancyRegexOptions | jsonschema_rs.RegexOptions) -> bool:
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=options, retriever=_refuse)
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


@lru_cache(maxsize=1_000)
def knows_format(name: str, dialect: str) -> bool:
    """Return whether the validator checks the format `name` in this dialect."""
    try:
        jsonschema_rs.validator_for(
            {"$schema": dialect, "format": name}, validate_formats=True, ignore_unknown_formats=False, retriever=_refuse
        )
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True
