"""The rules for `messages`: which roles and keys there are, and which message may follow which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from throughster.emulator.checks import Fault, Field, Place, check_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CONTENT", "TOOL_CALLS", "check_messages", "tool_call_ids", "unanswered_calls"]

CONTENT: Final = Field(("string", "array"))
TOOL_CALLS: Final = Field(("array",))
_ANY_ROLE: Final = Field(("string",))
_CALL: Final = {"id": Field(("string",)), "function": Field(("object",))}
_CALLED: Final = {"name": Field(("string",)), "arguments": Field(("string",))}


def check_messages(
    messages: list[Any], roles: Mapping[str, Mapping[str, Field]] | None, *, unknown_allowed: bool = False
) -> Iterator[Fault]:
    """Every fault of the messages, one by one. `roles`: the keys of each role beside `role`; None takes any role."""
    role_field = _ANY_ROLE if roles is None else Field(("string",), values=tuple(roles))
    for position, message in enumerate(messages):
        place: Place = ("messages", position)
        if not isinstance(message, dict):
            yield Fault("type", place, message, Field(("object",)))
            continue
        faults = list(
            check_fields(message, {"role": role_field}, required=("role",), unknown_allowed=True, place=place)
        )
        yield from faults
        if not faults:
            yield from _check_message(message, roles, unknown_allowed, place)


def _check_message(
    message: dict[str, Any], roles: Mapping[str, Mapping[str, Field]] | None, unknown_allowed: bool, place: Place
) -> Iterator[Fault]:
    role = message["role"]
    keys = {"content": CONTENT, "tool_calls": TOOL_CALLS} if roles is None else roles[role]
    required = ("content",) if not (role == "assistant" and message.get("tool_calls")) and role != "function" else ()
    if role == "tool" and "tool_call_id" in keys:
        required = (*required, "tool_call_id")
    if role == "assistant" and roles is None:
        required = ()
    stray = {"role": _ANY_ROLE, **keys}
    yield from check_fields(message, stray, required=required, unknown_allowed=unknown_allowed, place=place)
    for position, part in enumerate(message["content"] if isinstance(message.get("content"), list) else ()):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            yield Fault("type", (*place, "content", position), part, Field(("object",)))
    calls = message.get("tool_calls")
    for position, call in enumerate(calls if isinstance(calls, list) else ()):
        yield from _check_call(call, (*place, "tool_calls", position))


def _check_call(call: Any, place: Place) -> Iterator[Fault]:
    if not isinstance(call, dict):
        yield Fault("type", place, call, Field(("object",)))
        return
    faults = list(check_fields(call, _CALL, required=("id", "function"), unknown_allowed=True, place=place))
    yield from faults
    if not faults:
        function_place = (*place, "function")
        yield from check_fields(
            call["function"], _CALLED, required=("name", "arguments"), unknown_allowed=True, place=function_place
        )


def tool_call_ids(message: Mapping[str, Any]) -> list[str]:
    return [call["id"] for call in message.get("tool_calls") or ()]


def unanswered_calls(messages: list[Any]) -> tuple[int, list[str]] | None:
    """Return the first place where tool calls and tool messages do not pair up, or None.

    Its position and the ids that lack an answer; no ids means a tool message that answers nothing.
    """
    waiting: list[str] = []
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return position, []
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return position, waiting
        waiting = tool_call_ids(message) if message["role"] == "assistant" else []
    return (len(messages) - 1, waiting) if waiting else None
