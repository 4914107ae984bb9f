"""Chats in JSON whose messages come out of a loop: filled with each test's variables, they become its `messages`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughster.prompts.template import PromptError, compile_template
from throughster.prompts.unit import TemplateProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BARE_DUMP", "LoopedChat", "Turns", "looped_chat"]

BARE_DUMP = re.compile(r"(?<=[:\[,])(\s*)\{\{-?\s*([A-Za-z_]\w*)\s*\|\s*dump\s*-?\}\}(?=\s*[,}\]])")
"""A variable that is printed as JSON, quotes included."""
_SYSTEM = ("system", "developer")

Message = tuple[str, str]
"""(role, content)."""


@dataclass(frozen=True)
class LoopedChat:
    """`before`, `after`: the messages around the loop; `loop`: the template between them, in Nunjucks."""

    before: tuple[Message, ...]
    loop: str
    after: tuple[Message, ...]


@dataclass(frozen=True)
class Turns:
    """The loop in Jinja."""

    template: str

    def of(self, values: Mapping[str, Any]) -> list[dict[str, str]]:
        """The turns for these variables. Raises ValueError where what comes out is not a list of messages."""
        try:
            template = compile_template(self.template, name="prompt")
            missing = {use.name: "" for use in template.references if use.name not in values}
            text = template.render({**missing, **values})
            turns = json.loads(f"[{text.strip().strip(',')}]", strict=False)
        except (TemplateProblem, PromptError) as problem:
            raise ValueError(str(problem)) from None
        except (ValueError, RecursionError):
            raise ValueError("what comes out is not JSON") from None
        if not all(_is_turn(turn) for turn in turns):
            raise ValueError("a turn is not a text of the user or the assistant")
        return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and turn.get("role") in ("user", "assistant") and isinstance(turn.get("content"), str)


def looped_chat(text: str) -> LoopedChat | None:
    """The chat, where its only tags lie between whole messages; None where they do not."""
    first, last = text.find("{%"), text.rfind("%}")
    if not text.startswith("[") or first < 0 or last < first:
        return None
    before = _messages(text[1:first].strip().removesuffix(","))
    after = _messages(text[last + 2 :].strip().removesuffix("]").strip().removeprefix(","))
    if before is None or after is None or [role for role, _ in after] != ["user"]:
        return None
    if len(before) > 1 or any(role not in _SYSTEM for role, _ in before):
        return None
    return LoopedChat(tuple(before), text[first : last + 2], tuple(after))


def _messages(text: str) -> list[Message] | None:
    try:
        found = json.loads(f"[{BARE_DUMP.sub(_as_text, text)}]", strict=False)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in found):
        return None
    if not all(isinstance(one.get("content"), str) for one in found):
        return None
    return [(one["role"], one["content"]) for one in found]


def _as_text(match: re.Match[str]) -> str:
    return f'{match[1]}"{{{{ {match[2]} }}}}"'
