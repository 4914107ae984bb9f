"""The items of a Responses API `input`: what each may hold, and the messages that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import Fault, Field, Place, check_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["check_items", "messages_of", "unpaired_call"]

_NAME: Final = Field(("string",))
_CONTENT: Final = Field(("string", "array"))
_COMMON: Final = {"type": _NAME, "id": _NAME, "status": _NAME}
_CALL: Final = {**_COMMON, "call_id": _NAME, "name": _NAME, "namespace": _NAME, "caller": Field(("object",))}
_ROLES: Final = Field(("string",), values=("assistant", "system", "developer", "user"))
_MESSAGE: Final = {**_COMMON, "role": _ROLES, "content": _CONTENT}
_ITEMS: Final[Mapping[str, tuple[Mapping[str, Field], tuple[str, ...]]]] = {
    "function_call": ({**_CALL, "arguments": _NAME}, ("call_id", "name", "arguments")),
    "function_call_output": ({**_CALL, "output": _CONTENT}, ("call_id", "output")),
    "reasoning": (
        {**_COMMON, "summary": Field(("array",)), "content": Field(("array",)), "encrypted_content": _NAME},
        ("summary",),
    ),
}
"""type -> the fields of such an item, and which of them it needs; messages have rules of their own."""
_ITEM_TYPE: Final = Field(("string",), values=("message", *_ITEMS))
_PARTS: Final = ("input_text", "input_image", "input_file")
_ASSISTANT_PARTS: Final = ("output_text", "refusal")
_PART_TYPE: Final = Field(("string",), values=(*_PARTS, *_ASSISTANT_PARTS, "summary_text"))
_PART_TEXT: Final = {"input_text": "text", "output_text": "text", "refusal": "refusal"}


def check_items(items: list[Any], *, unknown_allowed: bool = False) -> Iterator[Fault]:
    """Every fault of the items, one by one."""
    for position, item in enumerate(items):
        place: Place = ("input", position)
        if not isinstance(item, dict):
            yield Fault("type", place, item, Field(("object",)))
            continue
        kind = item.get("type", "message")
        if kind == "message":
            yield from _check_message(item, place, unknown_allowed=unknown_allowed)
        elif not isinstance(kind, str) or kind not in _ITEMS:
            yield Fault("value", place, kind if isinstance(kind, str) else "", _ITEM_TYPE)
        else:
            fields, required = _ITEMS[kind]
            yield from check_fields(item, fields, required=required, unknown_allowed=unknown_allowed, place=place)
            if isinstance(item.get("output"), list):
                yield from _check_parts(item["output"], _PARTS, (*place, "output"))


def _check_message(item: dict[str, Any], place: Place, *, unknown_allowed: bool) -> Iterator[Fault]:
    role = item.get("role")
    if role not in _ROLES.values:
        yield Fault("value", place, role if isinstance(role, str) else "", _ROLES)
        return
    fields = {**_MESSAGE, "phase": _NAME} if role == "assistant" else _MESSAGE
    yield from check_fields(item, fields, required=("content",), unknown_allowed=unknown_allowed, place=place)
    if isinstance(item.get("content"), list):
        allowed = _ASSISTANT_PARTS if role == "assistant" else _PARTS
        yield from _check_parts(item["content"], allowed, (*place, "content"))


def _check_parts(parts: list[Any], allowed: tuple[str, ...], place: Place) -> Iterator[Fault]:
    for position, part in enumerate(parts):
        at = (*place, position)
        if not isinstance(part, dict):
            yield Fault("type", at, part, Field(("object",)))
            continue
        kind = part.get("type")
        if kind not in _PART_TYPE.values:
            yield Fault("value", (*at, "type"), kind if isinstance(kind, str) else "", _PART_TYPE)
        elif kind not in allowed:  # a part that exists, but not in this place: the part is named, not its type
            yield Fault("value", at, kind, Field(("string",), values=allowed))
        elif kind in _PART_TEXT:
            name = _PART_TEXT[kind]
            yield from check_fields(part, {name: _NAME}, required=(name,), unknown_allowed=True, place=at)


def unpaired_call(items: list[Any]) -> tuple[str, bool] | None:
    """Return the `call_id` of the first call without an output, or output without a call before it; None if all pair.

    The flag: whether it is an output.
    """
    waiting: list[str] = []
    for item in items:
        kind = item.get("type")
        if kind == "function_call":
            waiting.append(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in waiting:
                return item["call_id"], True
            waiting.remove(item["call_id"])
    return (waiting[0], False) if waiting else None


def messages_of(instructions: str | None, given: str | list[Any]) -> list[dict[str, Any]]:
    """Return the chat messages that say the same as `instructions` and a checked `input`."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for item in given:
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item["role"], "content": _chat_content(item["content"])})
        elif kind == "function_call":
            _add_call(messages, item)
        elif kind == "function_call_output":
            content = _chat_content(item["output"])
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
    return messages


def _add_call(messages: list[dict[str, Any]], item: dict[str, Any]) -> None:
    """Put a call into the assistant's message before it, or into one of its own."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    function = {"name": item["name"], "arguments": item["arguments"]}
    call = {"id": item["call_id"], "type": "function", "function": function}
    messages[-1].setdefault("tool_calls", []).append(call)


def _chat_content(content: str | list[Any]) -> str | list[Any]:
    if isinstance(content, str):
        return content
    texts = [part[_PART_TEXT[part["type"]]] for part in content if part["type"] in _PART_TEXT]
    if len(texts) == len(content) == 1:
        return str(texts[0])
    return [
        {"type": "text", "text": part[_PART_TEXT[part["type"]]]} if part["type"] in _PART_TEXT else part
        for part in content
    ]
