"""The figures of the page: of all cases, and of those of one provider, tag, value or kind of check."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from throughster.regression.drift import percentile
from throughster.regression.groups import places_by_group
from throughster.regression.suite import rate_of
from throughster.reports.page.index import ORDER
from throughster.reports.page.shown import money, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from throughster.regression.suite import Rate
    from throughster.reports.page.index import Entry, Index
    from throughster.running.cases import Verdict

__all__ = [
    "ALPHA",
    "Part",
    "Share",
    "Tile",
    "check_parts",
    "group_parts",
    "overall",
    "provider_parts",
    "shares",
    "tiles",
]

ALPHA = 0.05
"""The chance of a miss at either end of an interval, as in a comparison by default."""
MOST_GROUPS = 60


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with its name, and what is to be said of it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """How many cases have a verdict; `start`, `width`: of its piece of the bar, in percent."""

    verdict: Verdict
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the cases, or of the checks. `rate`: their pass rate; None where nothing was answered."""

    kind: str
    name: str
    cases: int
    passed: int
    rate: Rate | None
    latency: str = ""
    p95: str = ""
    cost: str = ""
    tokens: int = 0
    score: float | None = None


def overall(entries: Iterable[Entry]) -> Rate | None:
    """The mean of the cases' own pass rates, with its interval."""
    counts = [entry.trials for entry in entries if entry.answered]
    return rate_of(counts, ALPHA) if counts else None


def shares(entries: Sequence[Entry]) -> list[Share]:
    """The verdicts that occur, the good ones first."""
    counts: Counter[Verdict] = Counter(entry.verdict for entry in entries)
    found, start = [], 0.0
    for verdict in reversed(ORDER):
        if counts[verdict]:
            width = 100 * counts[verdict] / len(entries)
            found.append(Share(verdict, counts[verdict], round(start, 3), round(width, 3)))
            start += width
    return found


def tiles(index: Index, rate: Rate | None, judging: str) -> list[Tile]:
    """What a reader asks first. `judging`: what the judge took, in words."""
    found = []
    if rate is not None:
        interval = f"90 % interval {percent(rate.low)} to {percent(rate.high)}"
        note = f"{rate.passed:,} of {rate.repeats:,} answers; {interval}{_reservations(index.entries)}"
        found.append(Tile("Pass rate", percent(rate.rate), note))
    found += [*_latency(index.entries), *_cost(index, judging)]
    usage = index.usage
    if usage.total_tokens:
        note = f"{usage.prompt_tokens:,} in, {usage.completion_tokens:,} out"
        note += f"; {usage.cached_tokens:,} of them cached by the service" if usage.cached_tokens else ""
        found.append(Tile("Tokens", f"{usage.total_tokens:,}", note))
    note = "every question was sent once" if not index.resent else f"{index.resent:,} of them sent again"
    found.append(Tile("Sends", f"{index.sends:,}", note if index.sends else "nothing was sent"))
    if index.cached:
        found.append(Tile("From the cache", f"{index.cached:,}", f"of {index.results:,} answers"))
    return found


def _reservations(entries: Sequence[Entry]) -> str:
    """Why a pass rate is not what it seems."""
    told = ""
    if any(not entry.is_sampled and entry.answered > 1 for entry in entries):
        told += "; copies of one answer count once"
    if any(entry.asked < entry.planned for entry in entries):
        asked, planned = (sum(getattr(entry, name) for entry in entries) for name in ("asked", "planned"))
        told += f"; {asked:,} of {planned:,} planned repeats were asked, so it is not that of all"
    return told


def _latency(entries: Sequence[Entry]) -> Iterable[Tile]:
    values = sorted(chain.from_iterable(entry.latencies_s for entry in entries))
    if values:
        note = f"p95 {seconds(percentile(values, 0.95))}, slowest {seconds(values[-1])}"
        yield Tile("Latency, median", seconds(median(values)), note)


def _cost(index: Index, judging: str) -> Iterable[Tile]:
    costs = [entry.cost_usd for entry in index.entries if entry.cost_usd is not None]
    if costs:
        note = f"{money(math.fsum(costs) / max(1, index.results))} an answer"
        yield Tile("Cost", money(math.fsum(costs)), f"{note}; {judging}" if judging else note)
    elif judging:
        yield Tile("Judging", "", judging)


def provider_parts(index: Index) -> list[Part]:
    """Every label; none where there is only one."""
    labels = index.labels
    if len(labels) < 2:
        return []
    return [
        _part("provider", label, [entry for entry in index.entries if entry.key.label == label]) for label in labels
    ]


def group_parts(index: Index) -> list[Part]:
    """Specs, where there are several; then tags, then the values of variables that have few."""
    specs, entries = index.specs, index.entries
    parts = [_part("spec", spec, [e for e in entries if e.key.spec == spec]) for spec in specs if len(specs) > 1]
    for name, places in sorted(places_by_group(entries).items(), key=lambda item: not item[0].startswith("tag:")):
        is_tag = name.startswith("tag:")
        kind, _, value = ("tag", "", name.removeprefix("tag:")) if is_tag else name.partition("=")
        parts.append(_part(kind, value, [entries[n] for n in places]))
    return parts[:MOST_GROUPS]


def check_parts(index: Index) -> list[Part]:
    """The kinds of checks, or metrics, the least passed first."""
    parts = []
    for name, count in index.checks.items():
        rate = rate_of([(count.passed, count.held)], ALPHA)
        parts.append(Part("check", name, count.held, count.passed, rate, score=count.score / count.held))
    return sorted(parts, key=lambda part: (part.rate.rate if part.rate else 0.0, part.name))


def _part(kind: str, name: str, entries: Sequence[Entry]) -> Part:
    values = sorted(chain.from_iterable(entry.latencies_s for entry in entries))
    costs = [entry.cost_usd for entry in entries if entry.cost_usd is not None]
    return Part(
        kind=kind,
        name=name,
        cases=len(entries),
        passed=sum(entry.is_passing for entry in entries),
        rate=overall(entries),
        latency=seconds(median(values)) if values else "",
        p95=seconds(percentile(values, 0.95)) if values else "",
        cost=money(math.fsum(costs)) if costs else "",
        tokens=sum(entry.tokens for entry in entries),
    )
