"""promptfoo's options of a run: what a spec says in other words, and what the command line says here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.convert.fields import Entry, Fields, Known
from throughster.convert.parts import Part
from throughster.spec.unbuilt import UNBUILT_ENDINGS

if TYPE_CHECKING:
    from throughster.convert.losses import Losses

__all__ = ["TOP", "output_files", "run_options"]

_SCREEN: Entry = ("harmless", "is about the screen; left out.", "")
_ROWS = "chooses rows for one run; left out."
_FILTER: Entry = ("changes", _ROWS, "Say it with `--filter`.")
_KNOWN: Known = {
    "showProgressBar": _SCREEN,
    "progressBar": _SCREEN,
    "table": _SCREEN,
    "tableCellMaxLength": _SCREEN,
    "verbose": _SCREEN,
    "silent": _SCREEN,
    "eventSource": _SCREEN,
    "generateSuggestions": ("harmless", "has no counterpart; left out.", ""),
    "interactiveProviders": ("harmless", "has no counterpart; left out.", ""),
    "isRedteam": ("harmless", "has no counterpart; left out.", ""),
    "maxEvalTimeMs": ("changes", "the time of a whole run is not limited; left out.", "Set a `budget`."),
    "share": ("harmless", "nothing is uploaded; left out.", ""),
    "noShare": ("harmless", "nothing is uploaded; left out.", ""),
    "write": ("harmless", "every run is kept in its folder; left out.", ""),
    "watch": ("harmless", "has no counterpart; left out.", ""),
    "retryErrors": ("harmless", "errors are asked again; left out.", "`--resume` goes on with a run."),
    "envPath": ("changes", "no file of the environment is read; left out.", "Set its values in the environment."),
    "vars": ("changes", "names a file of variables; left out.", "Name it with `data:` or `--data`."),
    "var": ("changes", "sets variables for one run; left out.", "Say it with `--var`."),
    "tests": ("changes", "names other tests; left out.", ""),
    "config": ("changes", "names other configurations; left out.", "Convert each."),
    "assertions": ("changes", "names a file of assertions; left out.", "Put them into `default_test`."),
    "modelOutputs": ("changes", "answers are always asked for here; left out.", "Replay a recording, see docs/cli.md."),
    "grader": ("changes", "the judge of one run; left out.", "Set `grader`."),
    "promptPrefix": ("changes", "goes before every prompt; left out.", "Write it into the prompt."),
    "promptSuffix": ("changes", "goes behind every prompt; left out.", "Write it into the prompt."),
    "extension": ("changes", "is a program, which a spec never runs; left out.", ""),
    "filterFirstN": ("changes", _ROWS, "Say it with `--limit`."),
    "filterSample": ("changes", _ROWS, "Say it with `--sample`."),
    "filterPattern": _FILTER,
    "filterMetadata": _FILTER,
    "filterRange": _FILTER,
    "filterPrompts": _FILTER,
    "filterProviders": _FILTER,
    "filterTargets": _FILTER,
    "filterErrorsOnly": _FILTER,
    "filterFailing": _FILTER,
    "filterFailingOnly": _FILTER,
}
_TAKEN = ("repeat", "maxConcurrency", "delay", "cache", "timeoutMs")

TOP: Known = {
    "sharing": ("harmless", "nothing is uploaded; left out.", ""),
    "writeLatestResults": ("harmless", "every run is kept in its folder; left out.", ""),
    "derivedMetrics": ("harmless", "only report; left out.", "Results and `metric` hold the numbers."),
    "extensions": ("changes", "are programs, which a spec never runs; left out.", ""),
    "redteam": ("changes", "attacks are not generated; left out.", ""),
    "tracing": ("changes", "traces are not collected; left out.", ""),
    "metadata": ("harmless", "has no counterpart; left out.", ""),
    "assertScoringFunction": ("changes", "is a program; left out.", ""),
    "$schema": ("harmless", "is that of the source; left out.", ""),
}


def run_options(parts: list[Part], losses: Losses) -> dict[str, Any]:
    """`evaluateOptions` and `commandLineOptions`, the later over the earlier, as keys of a spec."""
    spec: dict[str, Any] = {}
    for part, owner in zip(parts, ("evaluateOptions", "commandLineOptions"), strict=False):
        fields = Fields(part, losses, owner)
        repeat, most, cache = fields.number("repeat"), fields.number("maxConcurrency"), fields.flag("cache")
        if repeat is not None and repeat >= 1:
            spec["repeat"] = min(int(repeat), 10_000)
        if most is not None and most >= 1:
            spec["concurrency"] = int(most)
        if cache is not None:
            spec["cache"] = "on" if cache else "off"
        _delay(fields, spec, losses)
        timeout = fields.number("timeoutMs")
        if timeout:
            spec["timeout"] = {"total_s": timeout / 1000}
        fields.close(_KNOWN, _TAKEN)
    if spec.get("repeat") == 1:
        del spec["repeat"]
    if spec.get("cache") == "off":
        del spec["cache"]
    return spec


def _delay(fields: Fields, spec: dict[str, Any], losses: Losses) -> None:
    delay = fields.number("delay")
    if delay is not None and delay > 0:
        rate = round(60_000 / delay, 3)
        spec["concurrency"] = {"max_in_flight": 1, "requests_per_minute": rate}
        losses.harmless(fields.part.at, fields.named("delay"), f"is {rate:g} requests per minute, one at a time, here.")


_ENDINGS = {".json": ".jsonl", ".jsonl": ".jsonl", ".csv": ".csv", ".html": ".html", ".xml": ".xml"}


def output_files(part: Part | None, losses: Losses) -> list[str]:
    """`outputPath` as names of files in the run's folder."""
    names: list[str] = []
    for entry in (part.value if isinstance(part.value, list) else [part]) if part is not None else []:
        written = entry.text().replace("\\", "/")
        stem, dot, ending = written.rpartition("/")[2].rpartition(".")
        target = _ENDINGS.get(f"{dot}{ending}".lower())
        if target is None or not stem or stem.startswith("."):
            why = "results are not written in this form; left out."
            losses.harmless(entry.at, "`outputPath`", why, "There are .jsonl, .csv, .parquet, .xml (JUnit) and .md.")
        elif target in UNBUILT_ENDINGS:
            losses.harmless(entry.at, "`outputPath`", f"`{target}` is not available in this version; left out.")
        elif f"{stem}{target}" not in names:
            names.append(f"{stem}{target}")
            if "/" in written or target != f".{ending.lower()}":
                why = f"is `{stem}{target}` in the run's folder here."
                losses.harmless(entry.at, "`outputPath`", why, "Say another place with `-o`.")
    return names
