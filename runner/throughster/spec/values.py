"""The small types that a spec's fields are made of: text, file names, data, and values with a short form."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from throughster.types import Policy
from throughster.yamltree import WrittenFloat, WrittenInt, keep_text, plain_numbers

__all__ = [
    "BY_KIND",
    "BY_KIND_OR_PATH",
    "LIST",
    "MAPPING",
    "PATH",
    "TEXT",
    "DataValue",
    "FilePath",
    "NonEmptyText",
    "PlainValue",
    "ShortForm",
    "SpecModel",
    "Text",
    "is_textual",
    "spec_error",
    "strip_free_keys",
    "written_text",
]

TEXT, PATH, LIST, MAPPING = "<text>", "<path>", "<list>", "<mapping>"
"""The kinds that a value with several forms is told apart by; the angles keep them from being anyone's key."""


def spec_error(
    message: str, hint: str = "", at: tuple[str | int, ...] = (), kind: Literal["spec", "spec_empty"] = "spec"
) -> PydanticCustomError:
    """Return an error with its own words. `at`: where it belongs, below the value that is being checked.

    `kind`: `spec_empty` for a mapping that lacks any entry, which a refused entry of it explains.
    """
    return PydanticCustomError(kind, "{message}", {"message": message, "hint": hint, "at": at})


def strip_free_keys(value: Any) -> Any:
    """Return a mapping without its `x-` keys; anything else as it is."""
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if not (isinstance(k, str) and k.startswith("x-"))}
    return value


class SpecModel(Policy):
    """Base of the mappings in a spec: no unknown key but `x-` ones, which are ignored."""

    @model_validator(mode="before")
    @classmethod
    def _ignore_free_keys(cls, value: Any) -> Any:
        return strip_free_keys(value)


def is_textual(value: Any) -> bool:
    """Tell whether a value stands where text may: text, or a number or boolean that reads as its source."""
    return isinstance(value, str | int | float)


def written_text(value: Any) -> Any:
    """Return a number or boolean as the text that stood in the file; anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.source
    return repr(value) if isinstance(value, int | float) else value


def _check_path(path: str) -> str:
    if not path.strip() or not path.isprintable():
        raise spec_error("This is not the name of a file.", "Write a path relative to the spec, such as data/rows.csv.")
    return path


_TEXT_SCHEMA = {"type": ["string", "number", "boolean"]}

Text: TypeAlias = Annotated[str, BeforeValidator(written_text), WithJsonSchema(_TEXT_SCHEMA)]
"""Text; a number or boolean counts as what stands in the file, so `api_version: 1.10` is "1.10"."""
NonEmptyText: TypeAlias = Annotated[
    str, Field(min_length=1), BeforeValidator(written_text), WithJsonSchema({**_TEXT_SCHEMA, "minLength": 1})
]
FilePath: TypeAlias = Annotated[str, AfterValidator(_check_path), WithJsonSchema({"type": "string", "minLength": 1})]
"""A file's path, relative to the spec. Whether it may be read is checked where it is read."""
DataValue: TypeAlias = Annotated[Any, AfterValidator(keep_text)]
"""Data: kept as it was written."""
PlainValue: TypeAlias = Annotated[Any, AfterValidator(plain_numbers)]
"""JSON that goes to a wire or a schema: numbers are numbers."""


def _kind(value: Any) -> str:
    if is_textual(value):
        return TEXT
    if isinstance(value, list | tuple):
        return LIST
    return MAPPING if isinstance(value, dict | BaseModel) else "<nothing>"


def _kind_or_path(value: Any) -> str:
    return PATH if isinstance(value, str) else _kind(value)


BY_KIND = Discriminator(_kind)
BY_KIND_OR_PATH = Discriminator(_kind_or_path)


@dataclass(frozen=True, eq=False)  # equal is what is the same: pydantic hashes it, and a dict has no hash
class ShortForm:
    """Marks a mapping that may also be written as a single value.

    `accepts` tells whether a value is the short form, `expand` returns the mapping it stands for, `expects` names
    both forms for messages, `json_schema` describes the short form.
    """

    accepts: Callable[[Any], bool]
    expand: Callable[[Any], Any]
    expects: str
    json_schema: dict[str, Any] = field(default_factory=dict)

    def _expand(self, value: Any) -> Any:
        if isinstance(value, dict | BaseModel):
            return strip_free_keys(value)
        if self.accepts(value):
            return self.expand(value)
        raise PydanticCustomError("spec_kind", "{expects}", {"expects": self.expects})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._expand, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [self.json_schema, handler(schema)]}
