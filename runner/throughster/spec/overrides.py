"""Values from outside the file, such as the command line's `--set`: laid over the spec's data before it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughster.errors import SpecError
from throughster.spec.provider import expand_provider
from throughster.yamltree import parse_yaml, resolve_scalar

if TYPE_CHECKING:
    from throughster.yamltree import Path

__all__ = ["Override", "apply_override", "parse_override"]

_REPLACED_WITH_PROVIDER = ("name", "model", "api_base", "api_version", "price", "deployments")


@dataclass(frozen=True, slots=True)
class Override:
    """A value that replaces the spec's. `origin`: how messages call its place (`--set repeat=5`).

    The path `("provider",)` with `name` or `name:model` replaces whom to ask: name, model, address, version, price and
    deployments, and the whole list of `providers`; the rest of the (first) provider stays.
    """

    path: tuple[str, ...]
    value: Any
    origin: str


def parse_override(text: str, option: str = "--set") -> Override:
    """Return the override that `dotted.key=value` stands for.

    The value is read as in a spec: `5` is a number, `"5"` and `five` are text, `[a, b]` is a list. Raises `SpecError`.
    """
    origin = f"{option} {text}"
    name, equals, written = text.partition("=")
    path = tuple(name.strip().split("."))
    if not equals or not all(path):
        raise SpecError(f"{origin}: write it as {option} key=value, with dots between nested keys.")
    written = written.strip()
    if not written.startswith(("[", "{", '"', "'")) or written.startswith(("{{", "{%")):
        return Override(path, resolve_scalar(written), origin)
    document, problems = parse_yaml(written, origin)
    if document is None or problems:
        raise SpecError(f"{origin}: {problems[0].message} {problems[0].hint}".strip())
    return Override(path, document.value(), origin)


def apply_override(data: dict[str, Any], override: Override) -> tuple[Path, ...]:
    """Set the override's value in `data`, creating mappings on the way. Return the paths that were set.

    Raises `SpecError` where the path leads through something that has no keys.
    """
    path: list[str | int] = list(override.path)
    if path == ["provider"] and isinstance(override.value, str):
        _replace_provider(data, override.value)
        return ("provider", "name"), ("provider", "model")
    if path[0] == "provider" and len(path) > 1 and isinstance(several := data.get("providers"), list):
        if len(several) != 1:
            raise SpecError("The spec has several providers. Choose one with --provider, or name one: `providers.0`.")
        path[:1] = ["providers", 0]
    return (_set(data, path, override.value),)


def _set(data: dict[str, Any], path: list[str | int], value: Any) -> Path:
    node: Any = data
    taken: list[str | int] = []
    for depth, step in enumerate(path):
        place: Any = _place(node, step)
        if place is None:
            above = ".".join(map(str, path[:depth]))
            wrong = f"has no entry {step}" if isinstance(node, list) else "has no keys below it"
            raise SpecError(f"`{above}` {wrong}.")
        taken.append(place)
        if depth == len(path) - 1:
            node[place] = value
        elif isinstance(node, list) or place in node:
            node[place] = _expand(path[: depth + 1], node[place])
        else:
            node[place] = {}
        node = node[place]
    return tuple(taken)


def _place(node: Any, step: str | int) -> str | int | None:
    """Return the key or index that `step` means in `node`, or None where it means nothing."""
    if isinstance(node, dict):
        return str(step)
    if isinstance(node, list) and len(str(step)) < 10 and str(step).isdecimal() and int(step) < len(node):
        return int(step)
    return None


def _expand(path: list[str | int], value: Any) -> Any:
    """Return the mapping that a short form at `path` stands for, so that one of its keys can be set."""
    if value is None:
        return {}
    if path[0] in {"provider", "providers"} and isinstance(value, str):
        return expand_provider(value)
    if path == ["concurrency"] and isinstance(value, int) and not isinstance(value, bool):
        return {"max_in_flight": value}
    return value


def _replace_provider(data: dict[str, Any], short: str) -> None:
    several = data.pop("providers", None)
    before = several[0] if isinstance(several, list) and several else data.get("provider")
    kept = {k: v for k, v in before.items() if k not in _REPLACED_WITH_PROVIDER} if isinstance(before, dict) else {}
    after = expand_provider(short)
    if after["name"] != "offline":
        kept.pop("answers", None)
    data["provider"] = {**kept, **after}
