"""The HTML report: one page that holds everything, asks nobody for anything, and can be read without scripts.

All that comes from models and data is text of elements and attributes, escaped by Jinja; none of it is part of the
script or of the style. The policy in the page's head lets only these two be used, by their hashes, and nothing else be
fetched.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from throughster._version import __version__
from throughster.reports.page.compared import Before, compared
from throughster.reports.page.detail import Details
from throughster.reports.page.ending import Ending, banner
from throughster.reports.page.figures import check_parts, group_parts, overall, provider_parts, shares, tiles
from throughster.reports.page.index import ORDER, read_index
from throughster.reports.page.matrix import matrix
from throughster.reports.page.shown import excerpt, money, percent, seconds, visible
from throughster.reports.table import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from throughster.regression.cases import CaseKey
    from throughster.reports.page.index import Entry, Index
    from throughster.running.plan import Plan

__all__ = ["MOST_BYTES", "MOST_CASES", "write_html", "write_page"]

MOST_CASES = 5_000
"""Cases with their details on one page; those that did not pass come first."""
MOST_BYTES = 40_000_000
_HERE = Path(__file__).parent / "page"
_PIECE = 65_536


def write_html(journal: Path, path: Path, plans: Sequence[Plan]) -> None:
    """Write the page of a journal, with nothing known of how the run ended; the file is replaced whole."""
    write_page(journal, path, plans)


def write_page(
    journal: Path, path: Path, plans: Sequence[Plan] = (), ending: Ending | None = None, *, pass_rate: float = 1.0
) -> None:
    """Write the page of a results file. The answers are read case by case, and not held.

    Without plans there are no prompts, and `pass_rate` is that of each case. Raises SettingsError for a file that is
    none of results.
    """
    ending = ending or Ending()
    index = read_index(journal, plans, pass_rate=pass_rate)
    chosen = _chosen(index)
    anchors = _anchors(chosen)
    with tempfile.TemporaryFile() as body:
        with Details(journal, plans) as details:
            briefs = _write_cases(body, chosen, anchors, details, Before(ending), index)
        shown = {key: anchors[key] for key in briefs}
        context = _context(journal, plans, ending, index, briefs)
        with replacing(path) as file:
            page = _templates().get_template("page.html.j2")
            for piece in page.generate(**context, anchors=shown, cases=_pieces(body)):
                file.write(piece.encode("utf-8", "replace"))


def _chosen(index: Index) -> list[Entry]:
    """What goes on the page: the cases that need a look before the others, each with all its labels."""
    worst: dict[tuple[str, str], int] = {}
    for entry in index.entries:
        key = (entry.key.spec, entry.key.id)
        worst[key] = min(worst.get(key, len(ORDER)), ORDER.index(entry.verdict))
    first = sorted(index.entries, key=lambda entry: worst[entry.key.spec, entry.key.id])[:MOST_CASES]
    return sorted(first, key=lambda entry: ORDER.index(entry.verdict))


def _anchors(entries: Sequence[Entry]) -> dict[CaseKey, str]:
    """A name for each case to link to: letters, digits and dashes of its id, and a number where that is not enough."""
    found: dict[CaseKey, str] = {}
    taken: set[str] = set()
    several = len({entry.key.label for entry in entries}) > 1
    for entry in entries:
        told = f"{entry.key.id} {entry.key.label}" if several else entry.key.id
        stem = name = f"case-{re.sub('[^A-Za-z0-9]+', '-', told)[:80].strip('-').lower()}"
        n = 1
        while name in taken:
            n += 1
            name = f"{stem}-{n}"
        taken.add(name)
        found[entry.key] = name
    return found


def _write_cases(
    body: IO[bytes],
    chosen: Sequence[Entry],
    anchors: Mapping[CaseKey, str],
    details: Details,
    before: Before,
    index: Index,
) -> dict[CaseKey, tuple[str, str]]:
    """Write the cases, as many as fit. Gives variables and answer, on one line each, of those that are written."""
    briefs: dict[CaseKey, tuple[str, str]] = {}
    show = _templates(columns=_columns(index)).get_template("case.html.j2").render
    written = 0
    for n, entry in enumerate(chosen):
        detail = details.of(entry)
        data = show(case=detail, n=n, anchor=anchors[entry.key], was=before.of(entry.key)).encode("utf-8", "replace")
        if briefs and written + len(data) > MOST_BYTES:
            break
        written += body.write(data)
        briefs[entry.key] = (detail.gist, detail.why[0] if detail.why and not detail.brief else detail.brief)
    return briefs


def _pieces(body: IO[bytes]) -> Iterator[Markup]:
    """What was written, in pieces that are whole texts: a file that is read as text does not split characters."""
    body.seek(0)
    rest = b""
    while data := body.read(_PIECE):
        data = rest + data
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        yield Markup(data[:end].decode())  # noqa: S704 - rendered by the template of a case, which escapes
    yield Markup(rest.decode())  # noqa: S704 - the same


def _columns(index: Index) -> dict[str, bool]:
    """Which columns the table of cases has: those in which something stands."""
    return {
        "spec": len(index.specs) > 1,
        "label": len(index.labels) > 1,
        "tally": any(max(entry.asked, entry.planned) > 1 for entry in index.entries),
        "latency": any(entry.latencies_s for entry in index.entries),
        "cost": any(entry.cost_usd is not None for entry in index.entries),
        "tokens": any(entry.tokens for entry in index.entries),
    }


def _templates(**names: Any) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= names
    made.filters |= {"excerpt": excerpt, "seconds": seconds, "money": money, "percent": percent}
    return made


def _visible(value: Any) -> Any:
    """Every text that a template puts onto the page; markup of the templates' own stays as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _context(
    journal: Path, plans: Sequence[Plan], ending: Ending, index: Index, briefs: Mapping[CaseKey, tuple[str, str]]
) -> dict[str, Any]:
    style, script = ((_HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    rate = overall(index.entries)
    noun = "test" if index.has_tests or any(plan.cases is not None for plan in plans) else "row"
    return {
        "version": __version__,
        "style": Markup(style),  # noqa: S704 - a file of the package
        "script": Markup(script),  # noqa: S704 - a file of the package
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "banner": banner(ending, index, is_whole=bool(plans)),
        "ending": ending,
        "specs": [(name, _description(name, plans)) for name in index.specs or [plan.name for plan in plans]],
        "written_at": dt.datetime.fromtimestamp(journal.stat().st_mtime, dt.UTC),
        "source": journal.name,
        "index": index,
        "noun": noun,
        "rate": rate,
        "counted": _counted(index, noun),
        "tiles": tiles(index, rate, _judging(ending)),
        "shares": shares(index.entries),
        "providers": provider_parts(index),
        "groups": group_parts(index),
        "checks": check_parts(index),
        "comparisons": [found for judged in ending.judged if (found := compared(judged)) is not None],
        "gates": [judged for judged in ending.judged if judged.gate is not None],
        "matrix": matrix(index, briefs),
        "columns": _columns(index),
        "left_out": shares([entry for entry in index.entries if entry.key not in briefs]),
        "has_prompts": bool(plans),
        "tags": sorted({tag for entry in index.entries for tag in entry.tags}),
    }


def _counted(index: Index, noun: str) -> str:
    """As in `30 tests on 3 providers`."""
    keys = [*(entry.key for entry in index.entries), *(key for key in index.unasked if key.id)]
    cases = len({(key.spec, key.id) for key in keys})
    labels = len({*index.labels, *(key.label for key in index.unasked)})
    told = f"{cases:,} {noun}" if cases == 1 else f"{cases:,} {noun}s"
    return f"{told} on {labels} providers" if labels > 1 else told


def _description(name: str, plans: Sequence[Plan]) -> str:
    return next((plan.spec.description or "" for plan in plans if plan.name == name), "")


def _judging(ending: Ending) -> str:
    bills = [summary.grader for summary in ending.summaries if summary.grader is not None]
    if not bills:
        return ""
    whole = sum(bills[1:], start=bills[0])
    cost = "" if whole.cost_usd is None else f", {money(whole.cost_usd)}"
    return f"judging took {whole.calls:,} {'call' if whole.calls == 1 else 'calls'}{cost}"


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
