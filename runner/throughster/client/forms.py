"""The forms in which an answer can be asked to be JSON: what goes into the request, and how the reply is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from throughster.schema import drop_added_nulls, strict_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.schema import AnswerSchema
    from throughster.types import Response

__all__ = ["FORMS", "Form"]

_NAME = "answer"


class Form:
    """`fields`: go into the request. `instruction`: for the model, where the provider enforces nothing."""

    fields: dict[str, Any]
    instruction: str = ""

    def __init__(self, schema: AnswerSchema) -> None:
        self._schema = schema
        self.fields = {}

    def read(self, response: Response) -> tuple[Any, tuple[str, ...]]:
        """The JSON value, and what is wrong with it."""
        answer = self._schema.check_answer(response.content)
        return answer.value, answer.errors


class JsonSchemaForm(Form):
    """`response_format: json_schema`. Where strict schemas are restricted, a tightened copy goes out; a root that is no
    object travels under `value`; the answer is brought back to the user's own schema before it is checked.
    """

    def __init__(self, schema: AnswerSchema, *, strict: bool) -> None:
        super().__init__(schema)
        sent, is_strict = schema.schema, True
        self._wrapped = strict and not _is_object(sent)
        if self._wrapped:
            sent = _wrap(sent)
        if strict:
            tightened = strict_schema(sent)
            sent, is_strict = (tightened, True) if tightened is not None else (sent, False)
        self._tightened = strict and is_strict
        self.fields = {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": _NAME, "schema": sent, "strict": is_strict},
            }
        }

    def read(self, response: Response) -> tuple[Any, tuple[str, ...]]:
        if not (self._wrapped or self._tightened):
            return super().read(response)
        parsed = self._schema.parse(response.content)
        if parsed.errors:
            return None, parsed.errors
        value = parsed.value
        if self._wrapped:
            if not isinstance(value, dict) or set(value) != {"value"}:
                return None, ('$: expected an object with the one key "value"',)
            value = value["value"]
        if self._tightened:
            value = drop_added_nulls(value, self._schema.schema)
        return value, tuple(str(error) for error in self._schema.validate(value))


class JsonObjectForm(Form):
    """`response_format: json_object`, with the schema in the instruction."""

    def __init__(self, schema: AnswerSchema, *, strict: bool) -> None:  # noqa: ARG002
        super().__init__(schema)
        self.fields = {"response_format": {"type": "json_object"}}
        self.instruction = _instruction(schema)


class PromptForm(Form):
    """The instruction alone. An answer in one Markdown fence counts as its content: nothing told the model not to."""

    def __init__(self, schema: AnswerSchema, *, strict: bool) -> None:  # noqa: ARG002
        super().__init__(schema)
        self.instruction = _instruction(schema)

    def read(self, response: Response) -> tuple[Any, tuple[str, ...]]:
        answer = self._schema.check_answer(_unfence(response.content))
        return answer.value, answer.errors


FORMS: dict[str, Callable[..., Form]] = {
    "json_schema": JsonSchemaForm,
    "json_object": JsonObjectForm,
    "prompt": PromptForm,
}


def _instruction(schema: AnswerSchema) -> str:
    text = orjson.dumps(schema.schema).decode()
    return f"Answer with one JSON value that fits this JSON Schema, and with nothing else:\n{text}"


def _unfence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and stripped.count("```") == 2:
        first_line, _, rest = stripped[3:-3].partition("\n")
        if first_line.strip().lower() in ("", "json"):
            return rest
    return text


def _is_object(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" or ("properties" in schema and "type" not in schema)


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` under the one key `value` of an object; references into its definitions stay right."""
    inner = dict(schema)
    definitions = {name: inner.pop(name) for name in ("$defs", "definitions") if name in inner}
    inner.pop("$schema", None)
    return {
        "type": "object",
        "properties": {"value": inner},
        "required": ["value"],
        "additionalProperties": False,
        **definitions,
    }
