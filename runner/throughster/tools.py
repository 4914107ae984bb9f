"""Tools: pydantic models, JSON Schemas or Python functions that a model may call."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

import orjson
from pydantic import BaseModel, ValidationError, create_model

from throughster.errors import RequestError
from throughster.schema import AnswerSchema, drop_added_nulls, strict_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from throughster.providers.base import Provider
    from throughster.types import Message, Response

__all__ = ["Tool", "choice_wire", "read_tools", "tool_message"]


@dataclass(frozen=True)
class Tool:
    """A function that a model may call. `model`: the pydantic model of its arguments; `function`: what runs it."""

    name: str
    description: str
    parameters: dict[str, Any]
    model: type[BaseModel] | None = None
    function: Callable[..., Any] | None = None
    wire_form: dict[str, Any] | None = None
    _schema: list[AnswerSchema] = field(default_factory=list, repr=False, compare=False)

    @property
    def schema(self) -> AnswerSchema:
        """The compiled schema of the arguments; made when first needed."""
        if not self._schema:
            self._schema.append(AnswerSchema(self.parameters or {"type": "object"}))
        return self._schema[0]

    def wire(self, provider: Provider) -> dict[str, Any]:
        """The tool as the provider wants it; one that the caller wrote in wire form goes out as it is."""
        if self.wire_form is not None:
            return self.wire_form
        parameters: dict[str, Any] = self.parameters or {"type": "object", "properties": {}}
        strict = provider.strict_tools
        if provider.strict_schemas:
            tightened = strict_schema(parameters)
            parameters, strict = (parameters, False) if tightened is None else (tightened, strict)
        function: dict[str, Any] = {"name": self.name, "description": self.description, "parameters": parameters}
        if not self.description:
            del function["description"]
        if strict:
            function["strict"] = True
        return {"type": "function", "function": function}

    def check(self, arguments: Any, *, tightened: bool = False) -> tuple[Any, Any, tuple[str, ...]]:
        """The arguments, the model's instance (or the arguments), and what is wrong with them."""
        if not isinstance(arguments, dict):
            return arguments, None, ("the arguments are no JSON object",)
        if tightened and self.wire_form is None:
            arguments = drop_added_nulls(arguments, self.parameters)
        errors = tuple(str(error) for error in self.schema.validate(arguments))
        if errors or self.model is None:
            return arguments, (None if errors else arguments), errors
        try:
            return arguments, self.model.model_validate_json(orjson.dumps(arguments)), ()
        except ValidationError as error:
            return arguments, None, tuple(str(e["msg"]) for e in error.errors(include_url=False, include_input=False))


def read_tools(tools: Sequence[Any]) -> tuple[Tool, ...]:
    """Tools from pydantic models, functions, `{name, description, parameters}` or the wire's own form.

    A tool's name is the class's or the function's name unchanged. Raises RequestError on anything else.
    """
    read = tuple(_read(tool) for tool in tools)
    names = [tool.name for tool in read]
    if len(set(names)) != len(names):
        raise RequestError(f"Two tools have the same name: {', '.join(sorted(names))}.")
    return read


def _read(tool: Any) -> Tool:
    if isinstance(tool, Tool):
        return tool
    if isinstance(tool, type) and issubclass(tool, BaseModel):
        return Tool(tool.__name__, inspect.getdoc(tool) or "", tool.model_json_schema(), model=tool)
    if isinstance(tool, dict):
        return _from_dict(tool)
    if callable(tool):
        return _from_function(tool)
    raise RequestError(f"A tool is a pydantic model, a function or a mapping with a `name`, not {type(tool).__name__}.")


def _from_dict(tool: Mapping[str, Any]) -> Tool:
    inner = tool.get("function") if tool.get("type") == "function" else tool
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise RequestError("A tool given as a mapping needs a `name`, and `parameters` with a JSON Schema.")
    wire_form = dict(tool) if tool.get("type") == "function" else None
    return Tool(inner["name"], inner.get("description") or "", inner.get("parameters") or {}, wire_form=wire_form)


def _from_function(function: Callable[..., Any]) -> Tool:
    name = getattr(function, "__name__", type(function).__name__)
    target = function if inspect.isroutine(function) else type(function).__call__
    hints = get_type_hints(target, include_extras=True)
    if not name.isidentifier():
        raise RequestError(f"`{name}` is no name for a tool; give it as a named function.")
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise RequestError(f"`{name}` cannot be a tool: `{parameter}` cannot be given by name.")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    model = create_model(name, **fields)
    return Tool(name, inspect.getdoc(function) or "", model.model_json_schema(), model=model, function=function)


def choice_wire(choice: Any) -> Any:
    """`tool_choice` as it goes out: a word, `{name: ...}`, or the wire's own form."""
    if isinstance(choice, dict) and isinstance(choice.get("name"), str) and "type" not in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def tool_message(response: Response) -> Message:
    """The assistant's message with these calls, as every provider takes it back."""
    return {
        "role": "assistant",
        "content": response.content,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments
                    if isinstance(call.arguments, str)
                    else orjson.dumps(call.arguments).decode(),
                },
            }
            for call in response.tool_calls
        ],
    }
