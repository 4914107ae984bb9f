"""Processes that are killed, and disks that are full: nothing is lost and nothing is doubled."""

from __future__ import annotations

import random
import resource
import time

from tests.soak.figures import exactly
from tests.soak.programs import emulating, read_lines, run, start, write_rows, write_spec

__all__ = ["full_disk", "kills"]


def kills(folder, runs=50, rows=5000):
    """Each run is killed at a random moment, sometimes loses the end of its file too, and is gone on with."""
    dice = random.Random(20)
    write_rows(folder, ("x" * dice.choice((10, 300, 3000)) for _ in range(rows)))
    missing = doubled = broken = undecided = 0
    with emulating() as base:
        write_spec(folder, base)
        for n in range(runs):
            (folder / "out.jsonl").unlink(missing_ok=True)
            _kill(folder, dice.uniform(0.05, 1.2))
            if n % 3 == 0:
                _tear(folder, dice.randrange(1, 200))
            code, _ = run(folder, "--resume")
            undecided += code != 0
            try:
                seen = [line["row"] for line in read_lines(folder)]
            except ValueError:
                broken += 1
                continue
            missing += len(set(range(rows)) - set(seen))
            doubled += len(seen) - len(set(seen))
    yield exactly(f"{runs} runs of {rows:,} rows killed and gone on with: rows missing", missing, 0)
    yield exactly(f"{runs} runs of {rows:,} rows killed and gone on with: rows double", doubled, 0)
    yield exactly(f"{runs} runs of {rows:,} rows killed and gone on with: files not strict JSON", broken, 0)
    yield exactly(f"{runs} runs of {rows:,} rows killed and gone on with: exit codes not 0", undecided, 0)


def _kill(folder, after_s):
    process = start(folder)
    while not (folder / "out.jsonl").exists() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(after_s)
    process.kill()
    process.communicate()


def _tear(folder, size):
    path = folder / "out.jsonl"
    path.write_bytes(path.read_bytes()[:-size])


def full_disk(folder, rows=5000):
    """Files may have one megabyte; then they may have more."""
    write_rows(folder, ("x" * 300 for _ in range(rows)))
    with emulating() as base:
        write_spec(folder, base)
        began_at = time.monotonic()
        code, _ = run(
            folder,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY)),
        )
        took_s = time.monotonic() - began_at
        kept = sum(1 for _ in read_lines(folder))
        yield exactly("full disk: exit code", code, 3)
        yield exactly("full disk: ends within 10 s with whole lines only", took_s < 10 and 0 < kept < rows, True)
        code, _ = run(folder, "--resume")
    seen = [line["row"] for line in read_lines(folder)]
    yield exactly("full disk, gone on with: rows missing", rows - len(set(seen)), 0)
    yield exactly("full disk, gone on with: rows double", len(seen) - len(set(seen)), 0)
    yield exactly("full disk, gone on with: exit code", code, 0)
