"""What is wrong with a value, in the words of someone who writes specs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughster.names import nearest
from throughster.spec.json_schema import choices_at, key_places, keys_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from throughster.yamltree import Path

__all__ = ["Explanation", "dotted", "explain_error", "shown_value"]

_LONGEST_TEXT_SHOWN = 40
_SAMPLING = frozenset(
    {"temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "seed", "stop", "n", "logprobs"}
    | {"presence_penalty", "frequency_penalty", "reasoning_effort", "logit_bias"}
)
_OTHER_NAMES = {
    "base_url": "api_base",
    "dataset": "data",
    "deployment": "model",
    "max_concurrency": "max_in_flight",
    "max_retries": "max_attempts",
    "max_retry": "max_attempts",
    "max_workers": "max_in_flight",
    "messages": "prompt",
    "prompts": "prompt",
    "retries": "retry",
    "rows": "data",
    "url": "api_base",
    "variables": "vars",
}
"""What other tools call it."""
_KINDS = {"<text>": "text", "<path>": "a path", "<list>": "a list", "<mapping>": "a mapping", "<file>": "{file: ...}"}
_KINDS["<roles>"] = "{system: ..., user: ...}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What to say. `at_key`: it is the key that is wrong, not its value."""

    message: str
    hint: str = ""
    at_key: bool = False


def dotted(path: Path) -> str:
    """Return a path as people write it: `prompt[0].content`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return text if len(text) <= 2 * _LONGEST_TEXT_SHOWN else "…" + text[-2 * _LONGEST_TEXT_SHOWN :]


def shown_value(value: Any) -> str:
    """Return what was found, shortened, with its type as users know it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, dict | list | tuple):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        return kind if value else f"{kind} without entries"
    if isinstance(value, str):
        return f"the text `{_short(value)}`" if value else "an empty text"
    return f"`{_short(str(getattr(value, 'source', value)))}`"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT_SHOWN else text[: _LONGEST_TEXT_SHOWN - 1] + "…"


def explain_error(error: ErrorDetails, path: Path, value: Any) -> Explanation:
    """Return the words for one of pydantic's errors. `path`: where in the spec; `value`: what stands there."""
    kind, ctx = error["type"], error.get("ctx", {})
    if (explain := _SPECIAL.get(kind)) is not None:
        return explain(path, value, ctx)
    if kind in _EXPECTED:
        return _wrong_kind(path, value, _EXPECTED[kind])
    if kind in _BOUNDS:
        found = f"{len(value):,}" if kind == "too_long" else shown_value(value)
        return Explanation(f"`{dotted(path)}` must be {_BOUNDS[kind](ctx)}, found {found}.")
    return Explanation(f"`{dotted(path)}` cannot be {shown_value(value)}.")


def _unknown_key(path: Path, _value: Any, _ctx: dict[str, Any]) -> Explanation:
    key, parent = str(path[-1]), path[:-1]
    where = f" under `{dotted(parent)}`" if parent else ""
    return Explanation(f"unknown key `{_short(key)}`{where}.", _meant(key, parent), at_key=True)


def _meant(key: str, parent: Path) -> str:
    known = keys_at(parent)
    if key in known:
        return "It cannot stand beside the other keys there."
    if (*parent, key) == ("prompt", "messages"):
        return "Write the list of messages directly under `prompt:`."
    if key in _SAMPLING:
        return f"Sampling parameters stand under `provider.params`: `params: {{{key}: ...}}`."
    places = [place for place in key_places().get(key, ()) if (place,) != parent]
    if _OTHER_NAMES.get(key) in known:
        return f"It is called `{_OTHER_NAMES[key]}` here."
    if places:
        return f"`{key}` stands under {_one_of([f'`{place}`' for place in places])}."
    if match := nearest(key, known):
        return f"Did you mean `{match}`?"
    if match := nearest(key, _SAMPLING):
        return f"Did you mean `{match}`? It stands under `provider.params`."
    return f"Valid keys: {', '.join(known)}." if known else ""


def _missing(path: Path, _value: Any, _ctx: dict[str, Any]) -> Explanation:
    hints: dict[Path, str] = {
        ("version",): "Add the line `version: 1` at the top.",
        ("prompt",): 'Say what to ask, as in `prompt: "Translate {{ text }}"`.',
    }
    choices = choices_at(path)
    hint = hints.get(path) or (f"Valid: {', '.join(choices)}." if choices else "")
    return Explanation(f"`{dotted(path)}` is missing.", hint)


def _own_words(_path: Path, _value: Any, ctx: dict[str, Any]) -> Explanation:
    return Explanation(ctx["message"], ctx["hint"], at_key=bool(ctx["at"]))


def _no_form(path: Path, value: Any, ctx: dict[str, Any]) -> Explanation:
    tags = re.findall(r"<\w+>", ctx.get("expected_tags", ""))
    return _wrong_kind(path, value, ctx.get("expects") or _one_of([_KINDS[tag] for tag in tags]))


def _wrong_choice(path: Path, value: Any, ctx: dict[str, Any]) -> Explanation:
    choices = choices_at(path) or choices_at((*path, "name")) or re.findall(r"'([^']*)'", ctx["expected"])
    if path == ("version",):
        return Explanation(
            f"`version` must be 1, found {shown_value(value)}.", "This version reads specs of version 1."
        )
    if isinstance(value, str) and path[0] in {"provider", "providers", "grader"} and path[-1] != "endpoint":
        value = value.partition(":")[0]
        message = f"unknown provider `{_short(value)}`."
    else:
        message = f"`{dotted(path)}` cannot be {shown_value(value)}."
    match = nearest(value, choices) if isinstance(value, str) else None
    hint = f"Did you mean `{match}`? " if match else ""
    return Explanation(message, f"{hint}Valid: {', '.join(choices)}.")


def _wrong_kind(path: Path, value: Any, expected: str) -> Explanation:
    return Explanation(f"`{dotted(path)}` must be {expected}, found {shown_value(value)}.", _kind_hint(value, expected))


def _kind_hint(value: Any, expected: str) -> str:
    if value is None:
        return "Give it a value, or remove the key."
    if expected == "a list" and not isinstance(value, dict):
        return f"Write it in brackets: [{_short(str(getattr(value, 'source', value)))}]."
    if expected == "true or false" and isinstance(value, str) and value.lower() in {"true", "false"}:
        return f"Write `{value.lower()}`, in lower case and without quotes."
    if expected == "true or false" and isinstance(value, str) and value.lower() in {"yes", "no", "on", "off"}:
        return f"Write `{'true' if value.lower() in {'yes', 'on'} else 'false'}`."
    if "number" in expected and isinstance(value, str) and re.fullmatch(r"[-+]?[0-9][0-9_,.]*(e[-+]?\d+)?", value):
        return "Write it with digits only, without quotes, as in 1000 or 0.5."
    return ""


def _one_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


_SPECIAL: dict[str, Callable[[Path, Any, dict[str, Any]], Explanation]] = {
    "spec": _own_words,
    "spec_empty": _own_words,
    "spec_kind": _no_form,
    "union_tag_invalid": _no_form,
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _wrong_choice,
}
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of at most 18 digits",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}


def _at_least(ctx: dict[str, Any]) -> str:
    count = ctx["min_length"]
    return "a list of at least one entry" if count == 1 else f"a list of at least {count} entries"


def _at_most(ctx: dict[str, Any]) -> str:
    return f"a list of at most {ctx['max_length']} entries"


_BOUNDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda ctx: f"more than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']:g}",
    "less_than": lambda ctx: f"less than {ctx['lt']:g}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']:,}",
    "too_short": _at_least,
    "too_long": _at_most,
    "string_too_short": lambda _: "a text that is not empty",
    "string_pattern_mismatch": lambda _: "a name of up to 64 letters, digits, `_` and `-`",
}
