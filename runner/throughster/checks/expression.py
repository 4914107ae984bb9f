"""`expr`: a Jinja expression that must be true. It runs in the sandbox of the prompts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from throughster.checks.answer import Unanswerable, shown
from throughster.checks.check import Outcome, Use, WrongCheck
from throughster.names import did_you_mean
from throughster.prompts import PromptError, Reference, TemplateProblem, compile_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throughster.checks.answer import Answer, Subject
    from throughster.checks.check import Run
    from throughster.checks.entry import Entry

__all__ = ["NAMES", "expr", "expr_uses"]

NAMES = (
    "output", "text", "vars", "usage", "tool_calls", "finish_reason", "refusal",
    "cost_usd", "latency_s", "first_token_s",
)  # fmt: skip
"""What an expression may name. What is not known of an answer is undefined; using it makes the check fail."""

_TRUE, _FALSE = "true", "false"
_BRACES = re.compile(r"\{\{|\{%|%\}|\{#")
_VARIABLE = re.compile(
    r"""(?<![\w.])vars(?:\.(?P<name>[A-Za-z_]\w*)|\[\s*(?P<quote>["'])(?P<key>[^"']+)(?P=quote)\s*\])(?!\w|\s*\()"""
)
_OPTIONAL = re.compile(r"\s*(?:is\s+(?:not\s+)?(?:un)?defined\b|\|\s*(?:d|default)\b)")
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")


def expr(entry: Entry) -> Run:
    """`output` is the part at `path`; without one the parsed output, or the text where there is none."""
    source = entry.text("an expression such as `output.total > 0`")
    if found := _BRACES.search(source):
        hint = "Write the expression alone, as in `output.total > 0`."
        raise WrongCheck(f"`{found[0]}` does not belong into an expression.", hint, ("value",))
    try:
        template = compile_template(_program(source), name="expr")
    except TemplateProblem as problem:
        raise WrongCheck(f"`{source}` is no expression. {problem.message}", at=("value",)) from None
    for use in template.references:
        if use.name not in NAMES:
            known = did_you_mean(use.name, NAMES) or f"There are {', '.join(NAMES)}."
            hint = f"{known} A variable of the case is `vars.{use.name}`."
            raise WrongCheck(f"`{use.name}` is unknown in an expression.", hint, ("value",))
    told = shown(source)[1:-1]

    def run(subject: Subject, answer: Answer) -> Outcome:
        try:
            found = template.render(_values(subject, answer))
        except PromptError as error:
            raise Unanswerable(f"`{told}`: {error.reason.replace('is undefined', 'is not known')}") from None
        if found not in (_TRUE, _FALSE):
            raise Unanswerable(f"`{told}` is {shown(found)[1:-1]}, neither true nor false; write a comparison")
        return Outcome.of(found == _TRUE, f"`{told}` is {found} of {shown(subject.value)}")

    return run


def _program(source: str) -> str:
    """What renders as true or false where the expression is one of them, else as what it is, in quotes if need be."""
    words = f"{{% if value is true %}}{_TRUE}{{% elif value is false %}}{_FALSE}{{% else %}}{{{{ value | tojson }}}}"
    return f"{{% set value = (\n{source}\n) %}}{words}{{% endif %}}"


def _values(subject: Subject, answer: Answer) -> dict[str, Any]:
    usage = answer.usage
    values = {
        "output": subject.value,
        "text": answer.text,
        "vars": dict(answer.vars),
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in answer.tool_calls],
        "refusal": answer.refusal,
    }
    measured = {
        "usage": None if usage is None else {name: getattr(usage, name) for name in _USAGE},
        "finish_reason": answer.finish_reason,
        "cost_usd": answer.cost_usd,
        "latency_s": answer.latency_s,
        "first_token_s": answer.first_token_s,
    }
    return values | {name: value for name, value in measured.items() if value is not None}


def expr_uses(source: str) -> Iterator[Use]:
    """The variables of the case that an expression names, as in `vars.language`."""
    for found in _VARIABLE.finditer(source):
        before = source[: found.start()]
        line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        is_optional = _OPTIONAL.match(source, found.end()) is not None
        yield Use(("value",), Reference(found["name"] or found["key"], line, column, is_optional, "value"), source)
