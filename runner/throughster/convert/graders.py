"""The one judge of a spec, out of all that a source names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.convert.losses import quoted

if TYPE_CHECKING:
    from throughster.convert.asserts import Asserts
    from throughster.convert.losses import Losses, Place
    from throughster.convert.parts import Part
    from throughster.convert.providers import Providers

__all__ = ["choose_grader"]

_USUAL_JUDGE = {"name": "openai", "model": "gpt-4.1"}
_USUAL_EMBEDDER = {"name": "openai", "model": "text-embedding-3-large"}


def choose_grader(asserts: Asserts, providers: Providers, losses: Losses, place: Place) -> Any:
    """`grader.provider` of the spec, or None where no check asks a judge."""
    written, needs = asserts.graders, asserts.needs
    judges, embedders = _named(written, providers)
    graded, embeds = "grader" in needs, "embeddings" in needs
    if not graded and not embeds:
        for part in written:
            losses.harmless(part.at, "`provider`", "judges, and no check that was carried asks a judge; left out.")
        return None
    chosen = judges if graded else (embedders or judges)
    for part, entry in chosen[1:]:
        if entry != chosen[0][1]:
            why = f"a spec has one judge; {quoted(_shown(chosen[0][1]))} judges here too."
            losses.changes(part.at, quoted(_shown(entry)), why, "Put such tests into a spec of their own.")
    if graded and embeds:
        wanted = _shown(embedders[0][1]) if embedders else "a model for embeddings"
        why = "asks the judge for embeddings, and a model that judges gives none."
        todo = f"Put such tests into a spec of their own, with {wanted} as its `grader`."
        losses.changes(needs["embeddings"], "`similar`", why, todo)
    if chosen:
        return short(chosen[0][1])
    usual = _USUAL_JUDGE if graded else _USUAL_EMBEDDER
    why = f"promptfoo chooses a judge by the keys that it finds; here {_shown(usual)} stands there."
    losses.harmless(next(iter(needs.values()), place), "`grader`", why, "Write another one there, if you mean another.")
    return short(usual)


def _named(written: list[Part], providers: Providers) -> tuple[list[Any], list[Any]]:
    judges: list[Any] = []
    embedders: list[Any] = []
    for part in written:
        by_kind = isinstance(part.value, dict) and "id" not in part.value
        text = part.get("text") if by_kind else None
        embedding = part.get("embedding") if by_kind else None
        if by_kind and text is None and embedding is None:
            providers.losses.changes(part.at, "`provider`", "names no judge of texts; left out.")
        if not by_kind:
            is_embedder = ":embedding" in (part.get("id") or part).text()
            text, embedding = (None, part) if is_embedder else (part, None)
        if text is not None and (asked := providers.one(text, is_judge=True)) is not None:
            judges.append((text, asked.entry))
        if embedding is not None and (asked := providers.one(embedding, embeds=True, is_judge=True)) is not None:
            embedders.append((embedding, asked.entry))
    return judges, embedders


def _shown(entry: dict[str, Any]) -> str:
    return ":".join(filter(None, (entry["name"], entry.get("model"))))


def short(entry: dict[str, Any]) -> Any:
    """The short form of a provider, where there is no more to say."""
    return _shown(entry) if set(entry) <= {"name", "model"} else entry
