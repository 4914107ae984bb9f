"""`python -m tests.soak [NAME ...]`: every promise about failures, limits, kills and keys, measured. Exit 1 on a miss.

Scenarios that wait for minutes run side by side with the others.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.soak import kills, outages, rates, secrets

SLOW = {"learned": rates.learned, "configured": rates.configured}
QUICK = {
    "capacity": rates.capacity,
    "decisions": outages.decisions,
    "brownout": outages.brownout,
    "total": outages.total,
    "kills": kills.kills,
    "disk": kills.full_disk,
    "canary": secrets.canary,
    "offline": secrets.offline,
}


def measure(scenario, figures):
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        for figure in scenario(Path(folder)):
            figures.append(figure)
            print(figure, flush=True)


def main(names):
    unknown = set(names) - {*SLOW, *QUICK}
    if unknown:
        sys.exit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join((*SLOW, *QUICK))}.")
    began_at, figures = time.monotonic(), []
    chosen = names or [*SLOW, *QUICK]
    waiting = [threading.Thread(target=measure, args=(SLOW[name], figures)) for name in chosen if name in SLOW]
    for thread in waiting:
        thread.start()
    for name in chosen:
        if name in QUICK:
            measure(QUICK[name], figures)
    for thread in waiting:
        thread.join()
    missed = [figure for figure in figures if not figure.is_met]
    print(f"{len(figures)} figures, {len(missed)} missed, {time.monotonic() - began_at:.0f} s")
    sys.exit(1 if missed or not figures else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
