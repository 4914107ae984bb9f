"""A run of a million rows, which `memory` looks at and `resume` goes on with: made once, some five minutes long."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runner import SPEC
from benchmarks.server import static_server

ROWS, NEW_ROWS = 1_000_000, 1_000
_LOOK_S = 0.5


@dataclass(frozen=True)
class Million:
    """`samples`: (rows done, MB in memory) over the run. `first_s`: from the start to the first result on disk."""

    folder: Path
    samples: list[tuple[int, float]]
    first_s: float
    wall_s: float
    peak_mb: float


def run_command(folder: Path, *options: str) -> list[str]:
    """The run of the folder's spec, its results in the folder."""
    program = [sys.executable, "-m", "throughster", "run", str(folder / "spec.yaml"), "-q"]
    return [*program, "-o", str(folder / "out.jsonl"), *options]


def write_rows(folder: Path, count: int) -> None:
    with (folder / "rows.csv").open("w") as file:
        file.write("text\n")
        file.writelines(f"phrase number {n}\n" for n in range(count))


@functools.cache
def million() -> Million:
    folder = Path(tempfile.mkdtemp(prefix="throughster-million-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_rows(folder, ROWS)
    with static_server() as (_, base):
        (folder / "spec.yaml").write_text(SPEC.format(base=base))
        return _watched(folder)


def _watched(folder: Path) -> Million:
    began, out = time.perf_counter(), folder / "out.jsonl"
    process = subprocess.Popen(run_command(folder))
    while not (out.exists() and out.stat().st_size):
        time.sleep(0.005)
        assert process.poll() is None
    first_s = time.perf_counter() - began
    samples, peak_mb, line_bytes = [], 0.0, 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, KeyError):  # it may end while it is looked at
            status = memory_of(process.pid)
            line_bytes = line_bytes or _line_bytes(out)
            samples.append((int(out.stat().st_size / line_bytes), status["VmRSS"]))
            peak_mb = status["VmHWM"]
        time.sleep(_LOOK_S)
    assert process.returncode == 0
    return Million(folder, samples, first_s, time.perf_counter() - began, peak_mb)


def memory_of(pid: int) -> dict[str, float]:
    """The kernel's account of a process's memory, in MB: `VmRSS` now, `VmHWM` at most, `RssAnon` without files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {
        line.split(":")[0]: int(line.split()[1]) / 1024
        for line in lines
        if line.startswith(("VmRSS", "VmHWM", "RssAnon"))
    }


def cpu_s_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, see proc(5)


def _line_bytes(path: Path) -> float:
    """The mean size of a line, from what stands there now; rows of this run differ by a few bytes."""
    with path.open("rb") as file:
        lines = file.readlines(1_000_000)
    return sum(map(len, lines)) / len(lines)


def check_whole(folder: Path, count: int) -> None:
    """Every row once."""
    with (folder / "out.jsonl").open("rb") as file:
        rows = {json.loads(line)["row"] for line in file}
    assert rows == set(range(count)), (len(rows), count)
