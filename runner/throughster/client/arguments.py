"""What is given to a client, and beside a request, checked before anything is sent.

What is wrong with a call raises RequestError, what is wrong with a client SettingsError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from throughster.client.forms import FORMS
from throughster.errors import RequestError, SettingsError
from throughster.names import did_you_mean
from throughster.schema import AnswerSchema
from throughster.tools import read_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.tools import Tool

__all__ = ["check_count", "check_kinds", "check_schema", "check_strategy", "check_texts", "compiled", "some_tools"]


def check_kinds(**given: tuple[Any, Any]) -> None:
    """`name=(value, kind)`: the value must be of this kind, or None."""
    for name, (value, kind) in given.items():
        if value is not None and not isinstance(value, kind):
            what = getattr(kind, "__name__", None) or str(kind)
            raise SettingsError(f"`{name}` must be of the type {what}, found {type(value).__name__}.")


def check_texts(name: str, given: Any) -> None:
    """Headers or the query: names and values are texts that can stand in a line."""
    if given is not None and not isinstance(given, Mapping):
        raise SettingsError(f"`{name}` must be a mapping of texts, found {type(given).__name__}.")
    for key, value in (given or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise SettingsError(f"`{name}` must be a mapping of texts; under {key!r} stands {type(value).__name__}.")
        if any(c < " " or c == "\x7f" for c in key + value):
            raise SettingsError(f"`{name}` holds a control character, such as a line break, under {key!r}.")


def check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or value < 1:
        raise RequestError(f"`{name}` must be a whole number from 1 on, found {value!r}.")


def check_schema(schema: Any) -> None:
    """Whether it is of a kind that answers can be checked with; `compiled` says whether it holds together."""
    is_model = isinstance(schema, type) and issubclass(schema, BaseModel)
    if not is_model and not isinstance(schema, AnswerSchema | dict):
        found = f"the class {schema.__name__}" if isinstance(schema, type) else type(schema).__name__
        raise RequestError(f"`schema` must be a pydantic model class or a JSON Schema as a dict, found {found}.")


def compiled(schema: AnswerSchema | type[BaseModel] | dict[str, Any]) -> AnswerSchema:
    if isinstance(schema, AnswerSchema):
        return schema
    if not isinstance(schema, type):
        return AnswerSchema(schema)
    try:
        return AnswerSchema(schema.model_json_schema())
    except PydanticUserError as error:
        raise RequestError(f"`{schema.__name__}` has no JSON Schema: {error}") from error


def check_strategy(strategy: Any) -> None:
    known = ("auto", *FORMS)
    if strategy not in known:
        raise RequestError(f"There is no strategy `{strategy}`. {did_you_mean(str(strategy), known)}".rstrip())


def some_tools(tools: Sequence[Any]) -> tuple[Tool, ...]:
    """The tools as read, at least one."""
    read = read_tools(tools)
    if not read:
        raise RequestError("`tools` is empty, so none could be called. Give at least one tool.")
    return read
