"""A chat request in the terms in which all providers agree, after its provider's checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Question", "Shape", "Tool", "ToolChoice", "message_texts", "read_question", "schema_shape"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is the JSON Schema of its arguments, or None."""

    name: str
    parameters: Any = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`named`: exactly the tools in `allowed`, and one of them must be called; they are all there is."""

    mode: Literal["none", "auto", "required", "named"]
    allowed: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """What the answer's text must look like. `value`: the schema, the pattern, the choices or the grammar."""

    kind: Literal["text", "json_object", "json_schema", "regex", "choice", "grammar"] = "text"
    value: Any = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One chat request. `max_tokens`: of each choice. `top_logprobs`: None where no logprobs are asked for.

    `tools_given` and `format_given` are as the client wrote them: with the messages they decide the answer.
    `may_be_declined`: whether the provider has refusals and content filters. `reasoning_tokens`: what a model thinks
    before it answers, not part of `max_tokens`. `given`: the body of a Responses API request, which its reply repeats;
    empty for chat completions.
    """

    model: str
    messages: list[Any]
    tool_choice: ToolChoice
    shape: Shape
    n: int = 1
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    stream_options: Mapping[str, Any] = field(default_factory=dict)
    top_logprobs: int | None = None
    parallel_tool_calls: bool = True
    tools_given: Any = None
    format_given: Any = None
    may_be_declined: bool = False
    reasoning_tokens: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options.get("include_usage"))


_NO_TOOLS: Final = ToolChoice("none")


def read_question(body: Mapping[str, Any], model: str, shape: Shape | None = None) -> Question:
    """Return the question in a body that has passed its provider's checks. `shape`: if not response_format's."""
    stop = body.get("stop")
    limit = body.get("max_completion_tokens")
    return Question(
        model=model,
        messages=body["messages"],
        tool_choice=_tool_choice(body),
        shape=_format_shape(body.get("response_format")) if shape is None else shape,
        n=body.get("n") or 1,
        max_tokens=body.get("max_tokens") if limit is None else limit,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        stream=bool(body.get("stream")),
        stream_options=body.get("stream_options") or {},
        top_logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
        parallel_tool_calls=body.get("parallel_tool_calls") is not False,
        tools_given=body.get("tools"),
        format_given=body.get("response_format") if shape is None else [shape.kind, shape.value],
    )


def message_texts(messages: list[Any]) -> list[str]:
    """Return the texts of all messages, in order; of a content in parts, the text parts."""
    texts: list[str] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list):
            texts += [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return texts


def schema_shape(schema: Any, name: str = "") -> Shape:
    return Shape("json_schema", schema, name)


def _format_shape(response_format: Any) -> Shape:
    kind = (response_format or {}).get("type")
    if kind == "json_object":
        return Shape("json_object")
    if kind == "json_schema":
        wanted = response_format.get("json_schema") or {}
        if "schema" in wanted:
            return schema_shape(wanted["schema"], wanted.get("name", ""))
    return Shape()


def _tool_choice(body: Mapping[str, Any]) -> ToolChoice:
    tools = tuple(
        Tool(tool["function"]["name"], tool["function"].get("parameters"))
        for tool in body.get("tools") or ()
        if tool.get("type", "function") == "function"
    )
    if not tools:
        return _NO_TOOLS
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, str):
        return ToolChoice("required" if choice == "any" else choice, tools)  # type: ignore[arg-type]  # checked before
    if choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        names = {tool.get("function", {}).get("name") for tool in allowed["tools"]}
        return ToolChoice(allowed.get("mode", "auto"), tuple(tool for tool in tools if tool.name in names))
    name = choice["function"]["name"]
    return ToolChoice("named", tuple(tool for tool in tools if tool.name == name))
