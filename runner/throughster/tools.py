"""Tools: pydantic models, JSON Schemas or Python functions that a model may call."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from throughster.errors import RequestError
from throughster.providers.values import as_text
from throughster.schema import AnswerSchema, drop_added_nulls, json_path, strict_schema
from throughster.schema.issues import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughster.providers.base import Provider
    from throughster.types import Message, Response

__all__ = ["Tool", "choice_wire", "judged", "read_tools", "tool_message"]


@dataclass(frozen=True)
class Tool:
    """A function that a model may call. `model`: the pydantic model of its arguments; `function`: what runs it.

    `renamed`: the model's fields that cannot be called as the function's parameters are -> those parameters.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    model: type[BaseModel] | None = None
    function: Callable[..., Any] | None = None
    wire_form: dict[str, Any] | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
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
        validated, errors = judged(self.schema, self.model, arguments)
        return arguments, validated, errors

    def keywords(self, validated: BaseModel) -> dict[str, Any]:
        """Checked arguments by the names of the function's parameters."""
        return {self.renamed.get(name, name): getattr(validated, name) for name in type(validated).model_fields}


def judged(schema: AnswerSchema, model: type[BaseModel] | None, value: Any) -> tuple[Any, tuple[str, ...]]:
    """What is made of a JSON value, and what is wrong with it: a model class decides alone, else the schema does.

    Inputs are never quoted at length.
    """
    if model is None:
        errors = tuple(str(error) for error in schema.validate(value))
        return (None if errors else value), errors
    try:
        return model.model_validate_json(json.dumps(value)), ()
    except ValidationError as error:
        return None, tuple(
            shortened(f"{json_path(e['loc'])}: {e['msg']}")
            for e in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        )


def read_tools(tools: Sequence[Any]) -> tuple[Tool, ...]:
    """Tools from pydantic models, functions, `{name, description, parameters}` or the wire's own form.

    A function may be async, a bound method, an object with `__call__`, or a partial, whose bound arguments the model
    neither sees nor sets. A tool's name is the class's or the function's name unchanged. Raises RequestError on
    anything else.
    """
    if isinstance(tools, str | Mapping | type) or not isinstance(tools, Iterable):
        raise RequestError("`tools` must be a list of tools. Write a single tool as [tool].")
    read = tuple(_read(tool) for tool in tools)
    names = [tool.name for tool in read]
    if len(set(names)) != len(names):
        raise RequestError(f"Two tools have the same name: {', '.join(sorted(names))}.")
    return read


def _read(tool: Any) -> Tool:
    if isinstance(tool, Tool):
        return tool
    if isinstance(tool, type) and issubclass(tool, BaseModel):
        return _from_model(tool)
    if isinstance(tool, dict):
        return _from_dict(tool)
    if callable(tool) and not isinstance(tool, type):
        return _from_function(tool)
    found = f"the class {tool.__name__}" if isinstance(tool, type) else type(tool).__name__
    raise RequestError(f"A tool is a pydantic model, a function or a mapping with a `name`, not {found}.")


def _from_model(model: type[BaseModel]) -> Tool:
    try:
        schema = model.model_json_schema()
    except PydanticUserError as error:
        raise RequestError(f"`{model.__name__}` cannot be a tool: {error}") from error
    return Tool(model.__name__, inspect.getdoc(model) or "", schema, model=model)


def _from_dict(tool: Mapping[str, Any]) -> Tool:
    inner = tool.get("function") if tool.get("type") == "function" else tool
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise RequestError("A tool given as a mapping needs a `name`, and `parameters` with a JSON Schema.")
    wire_form = dict(tool) if tool.get("type") == "function" else None
    return Tool(inner["name"], inner.get("description") or "", inner.get("parameters") or {}, wire_form=wire_form)


def _from_function(function: Callable[..., Any]) -> Tool:
    bare = _bare(function)
    inner = bare.func if isinstance(bare, functools.partial) else bare
    name = getattr(function, "__name__", getattr(inner, "__name__", type(inner).__name__))
    if not name.isidentifier():
        raise RequestError(f"`{name}` is no name for a tool; write it as a function with a name, with `def`.")
    code = inner if inspect.isroutine(inner) else type(inner).__call__
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise RequestError(f"`{name}` cannot be a tool: it yields. Let it return its result.")
    try:
        hints = get_type_hints(code, include_extras=True)
        model, renamed = _arguments_model(name, _parameters(name, bare), hints)
        schema = model.model_json_schema()
    except (AttributeError, NameError, PydanticUserError, SyntaxError, TypeError, ValueError) as error:
        raise RequestError(f"`{name}` cannot be a tool: the types of its parameters cannot be read: {error}") from error
    return Tool(name, _description(function, inner), schema, model=model, function=function, renamed=renamed)


def _bare(function: Callable[..., Any]) -> Callable[..., Any]:
    """Partials of partials as one, without a `__wrapped__`, which would hide what is bound."""
    if not isinstance(function, functools.partial):
        return function
    return functools.partial(_bare(function.func), *function.args, **function.keywords)


def _parameters(name: str, bare: Callable[..., Any]) -> list[inspect.Parameter]:
    """What is left to be given. The error says nothing of what a partial binds: it may be a key."""
    bound = bare.keywords if isinstance(bare, functools.partial) else {}
    try:
        parameters = inspect.signature(bare).parameters.values()
    except ValueError:
        raise RequestError(f"`{name}` cannot be a tool: it tells no parameters, or is bound to wrong ones.") from None
    return [parameter for parameter in parameters if parameter.name not in bound]


def _arguments_model(
    name: str, parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any]
) -> tuple[type[BaseModel], dict[str, str]]:
    """The model of a function's arguments, and its fields that are called otherwise than their parameters."""
    fields: dict[str, Any] = {}
    renamed: dict[str, str] = {}
    for n, parameter in enumerate(parameters):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise RequestError(f"`{name}` cannot be a tool: `{parameter}` cannot be given by name.")
        hint, own = hints.get(parameter.name, Any), parameter.name
        if own.startswith("_") or hasattr(BaseModel, own):  # pydantic has uses of its own for these names
            own = f"argument_{n}"
            renamed[own] = parameter.name
            hint = Annotated[hint, Field(alias=parameter.name)]
        fields[own] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    return create_model(name, __config__=ConfigDict(protected_namespaces=()), **fields), renamed


def _description(function: Callable[..., Any], inner: Callable[..., Any]) -> str:
    """The docstring; that of a partial is its function's, and that of an object its class's or its `__call__`'s."""
    own = None if function is inner else vars(function).get("__doc__")
    call = None if inspect.isroutine(inner) else type(inner).__call__.__doc__
    return inspect.cleandoc(own or inspect.getdoc(inner) or call or "")


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
                    "arguments": as_text(call.arguments),
                },
            }
            for call in response.tool_calls
        ],
    }
