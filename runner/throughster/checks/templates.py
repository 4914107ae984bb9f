"""Values of checks that depend on the case: every text in them is a template, as prompts are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.checks.check import Use, WrongCheck
from throughster.prompts import PromptError, Template, TemplateProblem, compile_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["ValueTemplate", "compile_value"]

_WHOLE = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}", re.ASCII)


class ValueTemplate:
    """A value with templates in it. A text that is `{{ name }}` and nothing else stands for the variable as it is."""

    def __init__(self, value: Any, templates: dict[str, Template], uses: tuple[Use, ...]) -> None:
        self._value = value
        self._templates = templates
        self.uses = uses

    def render(self, values: Mapping[str, Any]) -> Any:
        """The value for these variables. Raises PromptError."""
        return self._filled(self._value, lambda part: _rendered(self._templates[part], part, values))

    def probe(self, text: str) -> Any:
        """The value with `text` in the place of every template."""
        return self._filled(self._value, lambda _part: text)

    def _filled(self, part: Any, fill: Callable[[str], Any]) -> Any:
        if isinstance(part, dict):
            return {name: self._filled(child, fill) for name, child in part.items()}
        if isinstance(part, list):
            return [self._filled(child, fill) for child in part]
        return fill(part) if isinstance(part, str) and part in self._templates else part


def _rendered(template: Template, source: str, values: Mapping[str, Any]) -> Any:
    whole = _WHOLE.fullmatch(source)
    if whole is None:
        return template.render(values)
    if whole[1] not in values:
        raise PromptError(f"`{whole[1]}` is undefined", template=template.name)
    return values[whole[1]]


def compile_value(value: Any) -> ValueTemplate | None:
    """The templates in a value, or None where it has none. Raises WrongCheck for one that is wrong."""
    templates: dict[str, Template] = {}
    uses: list[Use] = []
    for at, text in _texts(value, ("value",)):
        try:
            template = compile_template(text, name="value")
        except TemplateProblem as problem:
            hint = "A value is a template, as prompts are; braces that are meant as such are `{{ '{{' }}`."
            raise WrongCheck(problem.message, hint, at) from None
        if not template.is_static or text != template.render({}):
            templates[text] = template
            uses += [Use(at, reference, text) for reference in template.references]
    return ValueTemplate(value, templates, tuple(uses)) if templates else None


def _texts(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        if "{{" in value or "{%" in value or "{#" in value:
            yield at, value
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from _texts(child, (*at, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(child, (*at, index))
