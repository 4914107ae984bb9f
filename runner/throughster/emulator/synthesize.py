"""An instance for a JSON Schema: short, sensible values that a seed decides, checked before it is given out."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from throughster.emulator.dice import Dice
from throughster.emulator.encoding import json_bytes
from throughster.emulator.instances import InstanceBuilder
from throughster.emulator.schema_merge import NoInstanceError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BadSchemaError", "NoInstanceError", "build_instance", "check_schema"]

_ATTEMPTS: Final = 16
_UNTYPED: Final = ("string", "integer", "object", "null")


class BadSchemaError(Exception):
    """What was sent is no JSON Schema, or refers to one that is not part of it; the message is one line."""


def check_schema(schema: Any) -> None:
    """Raise BadSchemaError where `schema` is no JSON Schema that stands by itself."""
    _validity(json_bytes(schema))


def build_instance(schema: Any, seed: int) -> Any:
    """Return a JSON value that is valid against `schema` (2020-12 unless `$schema` says otherwise), formats included.

    The same schema and seed give the same value. Raises BadSchemaError, and NoInstanceError where no attempt met it.
    """
    is_valid = _validity(json_bytes(schema))
    reason = "every value that was tried broke one of its rules"
    for attempt in range(_ATTEMPTS):
        builder = InstanceBuilder(
            schema,
            Dice(seed + attempt),
            terse=attempt % 2 == 1,
            prefer_else=attempt % 4 >= 2,
            untyped=_UNTYPED[attempt // 4 % len(_UNTYPED)],
        )
        try:
            value = builder.build()
        except NoInstanceError as error:
            reason = str(error)
            continue
        except RecursionError:
            reason = "it is nested too deeply"
            continue
        if is_valid(value):
            return value
    raise NoInstanceError(reason)


@lru_cache(maxsize=256)
def _validity(encoded: bytes) -> Callable[[Any], bool]:
    try:
        validator = jsonschema_rs.validator_for(
            json.loads(encoded), retriever=_refuse_to_retrieve, validate_formats=True
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise BadSchemaError(str(error).partition("\n")[0]) from error
    return validator.is_valid


def _refuse_to_retrieve(uri: str) -> Any:
    raise ValueError(f"the emulator fetches nothing, and {uri} is not part of the schema")
