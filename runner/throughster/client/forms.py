"""The forms in which an answer can be asked to be JSON: what goes into the request, and how the reply is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from throughster.schema import drop_added_nulls, read_answer, strict_schema
from throughster.tools import Tool, judged, tool_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

    from throughster.providers.base import Provider
    from throughster.schema import AnswerSchema
    from throughster.types import Message, Response

__all__ = ["FORMS", "Form", "ToolsForm"]

_NAME = "answer"
_NOT_WRAPPED = '$: expected an object with the one key "value"'
_REPAIR = "Your last answer is not valid:\n{errors}\nAnswer again with the corrected JSON value and nothing else."


class Form(ABC):
    """`fields`: go into the request. `instruction`: for the model, where the provider enforces nothing.

    `read` gives the response with what was validated, and what is wrong with it. `repair` gives the messages that show
    the model its answer and the errors.
    """

    fields: dict[str, Any]
    instruction: str = ""

    @abstractmethod
    def read(self, response: Response) -> tuple[Response, tuple[str, ...]]:
        """The response with what was validated, and what is wrong with it."""

    def repair(self, response: Response, errors: Sequence[str]) -> list[Message]:
        return [
            {"role": "assistant", "content": response.content},
            {"role": "user", "content": _REPAIR.format(errors=listed(errors))},
        ]


class _JsonForm(Form):
    """The text of the answer is the JSON value. `model`: a pydantic model that it must fit too."""

    def __init__(self, schema: AnswerSchema, provider: Provider, model: type[BaseModel] | None = None) -> None:
        self._schema = schema
        self._model = model
        self.fields = {}
        self._prepare(provider)

    @abstractmethod
    def _prepare(self, provider: Provider) -> None:
        """Set `fields` and `instruction` for this provider."""

    def read(self, response: Response) -> tuple[Response, tuple[str, ...]]:
        if response.tool_calls and not response.content:
            names = ", ".join(call.name for call in response.tool_calls)
            return response, (f"Tools were called in place of an answer: {names}. Answer with the JSON value.",)
        value, errors = self._value(response)
        if not errors:
            value, errors = judged(self._schema, self._model, value)
        return (replace(response, validated_schema=value) if not errors else response), errors

    def _value(self, response: Response) -> tuple[Any, tuple[str, ...]]:
        """The JSON value of the answer, whatever it holds."""
        return read_answer(response.content)


class JsonSchemaForm(_JsonForm):
    """`response_format: json_schema`.

    Where strict schemas are restricted, a tightened copy goes out, and a root that is no object travels under `value`;
    the answer is brought back to the user's own schema before it is checked.
    """

    def _prepare(self, provider: Provider) -> None:
        sent, is_strict = self._schema.schema, True
        self._wrapped = provider.strict_schemas and not _is_object(sent)
        if self._wrapped:
            sent = _wrap(sent)
        if provider.strict_schemas:
            tightened = strict_schema(sent)
            sent, is_strict = (tightened, True) if tightened is not None else (sent, False)
        self._tightened = provider.strict_schemas and is_strict
        self.fields = {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": _NAME, "schema": sent, "strict": is_strict},
            }
        }

    def _value(self, response: Response) -> tuple[Any, tuple[str, ...]]:
        value, errors = super()._value(response)
        if errors:
            return None, errors
        if self._wrapped:
            if not isinstance(value, dict) or set(value) != {"value"}:
                return None, (_NOT_WRAPPED,)
            value = value["value"]
        if self._tightened:
            value = drop_added_nulls(value, self._schema.schema)
        return value, ()


class JsonObjectForm(_JsonForm):
    """`response_format: json_object`, with the schema in the instruction."""

    def _prepare(self, provider: Provider) -> None:  # noqa: ARG002
        self.fields = {"response_format": {"type": "json_object"}}
        self.instruction = _instruction(self._schema)


class GuidedForm(_JsonForm):
    """vLLM's own field: `structured_outputs`, since 0.11."""

    def _prepare(self, provider: Provider) -> None:  # noqa: ARG002
        self.fields = {"structured_outputs": {"json": self._schema.schema}}


class OldGuidedForm(_JsonForm):
    """vLLM before 0.11 took `guided_json`; from 0.12 on that field is ignored without a word."""

    def _prepare(self, provider: Provider) -> None:  # noqa: ARG002
        self.fields = {"guided_json": self._schema.schema}


class PromptForm(_JsonForm):
    """The instruction alone. An answer in one Markdown fence counts as its content: nothing told the model not to."""

    def _prepare(self, provider: Provider) -> None:  # noqa: ARG002
        self.instruction = _instruction(self._schema)

    def _value(self, response: Response) -> tuple[Any, tuple[str, ...]]:
        return read_answer(_unfence(response.content))


class ToolsForm(Form):
    """Function calls whose arguments are checked against their tools' schemas.

    `validated_schema` is that of the first call. `choice`: `tool_choice` as it goes out, None to send none. `answer`:
    the form of an answer that calls no tool. `must_call`: an answer without a call is not valid.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        provider: Provider,
        choice: Any = None,
        answer: Form | None = None,
        *,
        must_call: bool = False,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._tightened = provider.strict_schemas
        self._required = must_call or choice in ("required", "any") or isinstance(choice, dict)
        self._answer = answer
        self.fields = {**(answer.fields if answer else {}), "tools": [tool.wire(provider) for tool in tools]}
        self.instruction = answer.instruction if answer else ""
        if choice is not None:
            self.fields["tool_choice"] = choice

    def read(self, response: Response) -> tuple[Response, tuple[str, ...]]:
        if not response.tool_calls and self._answer is not None and not self._required:
            return self._answer.read(response)
        calls, errors = [], []
        for call in response.tool_calls:
            tool = self._tools.get(call.name)
            if tool is None:
                errors.append(f"There is no tool {call.name!r}; the tools are {', '.join(self._tools)}.")
                continue
            arguments, validated, wrong = tool.check(call.arguments, tightened=self._tightened)
            errors += [f"{call.name}: {error}" for error in wrong]
            calls.append(replace(call, arguments=arguments, validated=validated))
        if not response.tool_calls and self._required:
            errors.append(f"No tool was called. Call one of {', '.join(self._tools)}.")
        if errors:
            return response, tuple(errors)
        first = calls[0].validated if calls else None
        return replace(response, tool_calls=tuple(calls), validated_schema=first), ()

    def repair(self, response: Response, errors: Sequence[str]) -> list[Message]:
        if not response.tool_calls:
            return super().repair(response, errors)
        text = f"These calls are not valid:\n{listed(errors)}\nCall again with corrected arguments."
        return [
            tool_message(response),
            *({"role": "tool", "tool_call_id": call.id, "content": text} for call in response.tool_calls),
        ]


class ToolForm(ToolsForm):
    """The answer as the arguments of one forced tool."""

    def __init__(self, schema: AnswerSchema, provider: Provider, model: type[BaseModel] | None = None) -> None:
        self._wrapped = not _is_object(schema.schema)
        parameters = _wrap(schema.schema) if self._wrapped else schema.schema
        tool = Tool(_NAME, "Gives the answer.", parameters)
        super().__init__([tool], provider, {"type": "function", "function": {"name": _NAME}})
        self._schema = schema
        self._model = model

    def read(self, response: Response) -> tuple[Response, tuple[str, ...]]:
        calls = response.tool_calls
        if not calls or not all(call.name == _NAME and isinstance(call.arguments, dict) for call in calls):
            return super().read(response)  # which says what is wrong
        value = calls[0].arguments
        if self._tightened:
            value = drop_added_nulls(value, self._tools[_NAME].parameters)
        if self._wrapped:
            if set(value) != {"value"}:
                return response, (_NOT_WRAPPED,)
            value = value["value"]
        value, errors = judged(self._schema, self._model, value)
        return (response, errors) if errors else (replace(response, validated_schema=value, tool_calls=()), ())


FORMS: dict[str, Callable[[AnswerSchema, Provider, type[BaseModel] | None], Form]] = {
    "json_schema": JsonSchemaForm,
    "json_object": JsonObjectForm,
    "guided": GuidedForm,
    "guided_json": OldGuidedForm,
    "tool": ToolForm,
    "prompt": PromptForm,
}


def listed(errors: Sequence[str]) -> str:
    return "\n".join(f"- {error}" for error in errors)


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
    definitions: dict[str, Any] = {name: inner.pop(name) for name in ("$defs", "definitions") if name in inner}
    inner.pop("$schema", None)
    return {
        "type": "object",
        "properties": {"value": inner},
        "required": ["value"],
        "additionalProperties": False,
        **definitions,
    }
