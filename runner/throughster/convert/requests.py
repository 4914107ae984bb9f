"""What belongs to a request in promptfoo, and to the whole spec here: tools, and the form of the answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from throughster.convert.files import FILE, Files, NotReadable
from throughster.convert.schemas import as_schema
from throughster.yamltree import plain_numbers

if TYPE_CHECKING:
    from throughster.convert.fields import Fields
    from throughster.convert.losses import Losses
    from throughster.convert.parts import Part

__all__ = ["RequestParts", "read_request", "read_tools"]

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class RequestParts:
    """`schema` of the answers, and `tools` and `tool_choice`, as a spec has them.

    `body`: fields that are sent as they are.
    """

    schema: dict[str, Any] | None = None
    body: dict[str, Any] = field(default_factory=dict)
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: Any = None
    stream: bool = False

    @property
    def is_parsed(self) -> bool:
        """Whether promptfoo parses the answer before it is checked."""
        return self.schema is not None

    @property
    def tool_names(self) -> tuple[str, ...]:
        return tuple(tool["name"] for tool in self.tools)

    @property
    def shared(self) -> tuple[Any, ...]:
        """What all providers of a spec have in common."""
        return self.schema, self.tools, self.tool_choice, self.stream

    def under(self, other: RequestParts) -> RequestParts:
        """These parts where `other` says nothing."""
        tools = (other.tools, other.tool_choice) if other.tools else (self.tools, self.tool_choice)
        return RequestParts(
            other.schema or self.schema, {**self.body, **other.body}, *tools, other.stream or self.stream
        )


def read_request(fields: Fields, files: Files, losses: Losses, *, responses: bool = False) -> RequestParts:
    """Take `response_format`, `tools`, `tool_choice` and `stream` out of a provider's configuration.

    `responses`: they go to the Responses API.
    """
    schema, form = _response_format(fields, files, losses)
    tools = fields.take("tools")
    choice = fields.take("tool_choice")
    return RequestParts(
        schema,
        ({"text": {"format": form}} if responses else {"response_format": form}) if form else {},
        read_tools(tools, files, losses) if tools is not None else [],
        _tool_choice(choice, losses) if choice is not None and tools is not None else None,
        stream=bool(fields.flag("stream")),
    )


def _loaded(part: Part, files: Files, losses: Losses, what: str) -> Part | None:
    if not part.is_text:
        return part
    try:
        if part.value.startswith(FILE):
            return files.tree(part.value)
    except NotReadable as problem:
        losses.changes(part.at, what, f"{problem} Left out.")
        return None
    losses.changes(part.at, what, "is a text where a mapping is expected; left out.")
    return None


def _response_format(fields: Fields, files: Files, losses: Losses) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """(schema of the answers, what is sent as it is)."""
    part = fields.take("response_format")
    what = "`config.response_format`"
    found = _loaded(part, files, losses, what) if part is not None else None
    if part is None or found is None:
        return None, {}
    kind = found.get("type")
    name = kind.text() if kind is not None else ""
    if name == "json_object":
        return None, {"type": "json_object"}
    if name == "text":
        return None, {}
    inner = found.get("json_schema", "schema") or found.get("schema")
    if name != "json_schema" or inner is None:
        losses.changes(part.at, what, "is none of `text`, `json_object` and `json_schema` with a schema; left out.")
        return None, {}
    _tell_form(found, part, losses)
    return as_schema(inner, files, losses, what), {}


def _tell_form(found: Part, part: Part, losses: Losses) -> None:
    what = "`config.response_format`"
    strict, name = found.get("json_schema", "strict") or found.get("strict"), found.get("json_schema", "name")
    if strict is None or strict.value is not True:
        why = "an answer that does not fit the schema has failed here; there it is taken as it is."
        losses.changes(part.at, what, why, "Set `strict: true`, so that the service holds its answers to the schema.")
    if name is not None:
        losses.harmless(name.at, "`json_schema.name`", "schemas are sent with the name `answer`.")


def read_tools(part: Part, files: Files, losses: Losses) -> list[dict[str, Any]]:
    """Functions in the form of the OpenAI API, or a file of them."""
    found = _loaded(part, files, losses, "`tools`")
    tools = []
    for entry in found.value if found is not None and isinstance(found.value, list) else []:
        loaded = _loaded(entry, files, losses, "`tools`")
        entries = loaded.value if loaded is not None and isinstance(loaded.value, list) else [loaded]
        tools += [tool for one in entries if one is not None and (tool := _tool(one, files, losses)) is not None]
    return tools


def _tool(part: Part, files: Files, losses: Losses) -> dict[str, Any] | None:
    body = part.get("function") or part
    name, parameters, description = body.get("name"), body.get("parameters"), body.get("description")
    kind = part.get("type")
    if (kind is not None and kind.text() != "function") or name is None or not _TOOL_NAME.fullmatch(name.text()):
        losses.changes(part.at, "`tools`", "an entry is no function with a plain name; left out.")
        return None
    tool: dict[str, Any] = {"name": name.text()}
    if description is not None and description.value is not None:
        tool["description"] = description.text()
    if parameters is not None and parameters.value is not None:
        schema = as_schema(parameters, files, losses, f"`tools.{name.text()}.parameters`")
        if schema is not None:
            tool["parameters"] = schema
    return tool


def _tool_choice(part: Part, losses: Losses) -> Any:
    value = plain_numbers(part.plain())
    if value in ("auto", "none", "required"):
        return value
    if value == "any":
        return "required"
    if isinstance(value, dict):
        name = (
            (value.get("function") or value).get("name") if isinstance(value.get("function") or value, dict) else None
        )
        if isinstance(name, str):
            return {"name": name}
    losses.changes(part.at, "`config.tool_choice`", "is none of `auto`, `none`, `required` and a function; left out.")
    return None
