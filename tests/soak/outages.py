"""Servers that fail half of the time, or all of it; and what is sent again at all."""

from __future__ import annotations

from tests.soak.figures import at_least, at_most, exactly
from tests.soak.programs import emulating, outcome_of, run, write_rows, write_spec

__all__ = ["brownout", "decisions", "total"]

_ONCE = (400, 401, 403, 404, 413, 422)
_AGAIN = (408, 409, 429, 500, 502, 503, 504, 529)


def decisions(folder):
    """One row of each status: how often it is sent with six attempts allowed."""
    write_rows(folder, ["x"])
    for status in (*_ONCE, *_AGAIN):
        (folder / "out.jsonl").unlink(missing_ok=True)
        with emulating("--fault", f"{status},retry-after=0.01" if status in (429, 503) else status) as base:
            write_spec(folder, base, more="retry: {initial_delay_s: 0.01, max_delay_s: 0.02}\n")
            run(folder)
        _, sends, _ = outcome_of(folder)
        yield exactly(f"sends of a row that gets {status}", sends, 1 if status in _ONCE else 6)


def brownout(folder, rows=2000):
    """Half of the replies are 503."""
    write_rows(folder, ("x" for _ in range(rows)))
    with emulating("--fault", "503:0.5", "--fault-seed", 1) as base:
        write_spec(folder, base, more="retry: {initial_delay_s: 0.05, max_delay_s: 1}\n")
        run(folder)
    statuses, sends, _ = outcome_of(folder)
    yield at_least("half of the replies 503: share of the rows that succeed", statuses["ok"] / rows, 0.95)
    yield at_most("half of the replies 503: sends per row", sends / rows, 2.2)


def total(folder, rows=1000):
    """All of them are; then the server is back, and the run is gone on with."""
    write_rows(folder, ("x" for _ in range(rows)))
    with emulating("--fault", "503") as base:
        write_spec(folder, base, more="retry: {initial_delay_s: 0.05, max_delay_s: 1}\n")
        code, told = run(folder)
    _, sends, _ = outcome_of(folder)
    yield at_most("total outage: sends per row", sends / rows, 1.3)
    yield exactly("total outage: exit code", code, 3)
    yield exactly("total outage: messages that say so", told.count("Stopped early"), 1)
    with emulating() as base:
        write_spec(folder, base)
        code, _ = run(folder, "--resume")
    statuses, _, _ = outcome_of(folder)
    yield exactly("total outage, gone on with: rows that succeed", statuses["ok"], rows)
    yield exactly("total outage, gone on with: exit code", code, 0)
