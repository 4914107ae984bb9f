"""Templates as chat messages, and `Prompt`, the same for users of the library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from throughster.errors import RequestError
from throughster.names import did_you_mean
from throughster.prompts.template import PromptError, Template, compile_template
from throughster.prompts.unit import ROW, TemplateProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.prompts.unit import Reference
    from throughster.types import Message

__all__ = ["MessageTemplate", "Prompt", "PromptTemplate"]


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """One message: who speaks, and what."""

    role: str
    template: Template


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """The messages of a prompt, in order."""

    messages: tuple[MessageTemplate, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every use of an outer variable, message by message."""
        return tuple(use for message in self.messages for use in message.template.references)

    @property
    def uses_whole_row(self) -> bool:
        """Whether any message uses `row` as a value, so that any variable may be used."""
        return any(message.template.uses_whole_row for message in self.messages)

    @property
    def included(self) -> dict[str, str]:
        """The texts of the files that the templates include, by name."""
        return {name: text for message in self.messages for name, text in message.template.included.items()}

    def render(self, values: Mapping[str, Any]) -> list[Message]:
        """Return `[{"role": ..., "content": ...}, ...]`. Raises `PromptError` where the values do not fit."""
        return [{"role": message.role, "content": message.template.render(values)} for message in self.messages]


class Prompt:
    """A system prompt, to be called with user prompts.

    `Prompt("You are {{ role }}.")("Translate {{ text }}", {"role": "a linguist", "text": "hello"})` returns the two
    messages. Both are Jinja2 templates: sandboxed, strict about what is undefined, rendered once.
    """

    def __init__(self, system_prompt: str | None = None) -> None:
        self.system_prompt = system_prompt
        self._system = None if system_prompt is None else _compile(system_prompt, "system prompt")

    def __repr__(self) -> str:
        return f"Prompt({self.system_prompt!r})"

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that the system prompt needs, sorted."""
        return _needed([self._system] if self._system else [], ())

    def __call__(self, user_prompt: str, variables: Mapping[str, Any] | None = None) -> list[Message]:
        """Return the messages. Raises `RequestError` for a variable that is missing, or that no template uses."""
        values = variables or {}
        user = MessageTemplate("user", _compile(user_prompt, "user prompt"))
        system = (MessageTemplate("system", self._system),) if self._system else ()
        prompt = PromptTemplate((*system, user))
        _check_variables(prompt, values)
        return prompt.render(values)


@lru_cache(maxsize=256)
def _compile(source: str, name: str) -> Template:
    try:
        return compile_template(source, name=name)
    except TemplateProblem as problem:
        raise PromptError(problem.message, template=name, line=problem.line) from None


def _needed(templates: Sequence[Template], given: Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    uses = (use for template in templates for use in template.references if not use.optional)
    return tuple(sorted({_variable(use, given) for use in uses}))


def _variable(use: Reference, given: Sequence[str] | Mapping[str, Any]) -> str:
    return ROW if use.through_row and ROW in given else use.name


def _check_variables(prompt: PromptTemplate, given: Mapping[str, Any]) -> None:
    needed = _needed([message.template for message in prompt.messages], given)
    used = {_variable(use, given) for use in prompt.references}
    unused = [] if prompt.uses_whole_row and ROW not in given else [name for name in given if name not in used]
    missing = [name for name in needed if name not in given]
    if not missing and not unused:
        return
    parts = [f"The prompt needs `{name}`. {did_you_mean(name, unused)}".rstrip() for name in missing]
    parts += [f"No template uses `{name}`. {did_you_mean(str(name), used)}".rstrip() for name in unused]
    raise RequestError(" ".join(parts))
