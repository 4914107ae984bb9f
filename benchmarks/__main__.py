"""`python -m benchmarks [AREA]`: run every area, or one, and write benchmarks/results.md."""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from benchmarks.plot import PICTURE, draw

PICTURE_SAYS = "CPU per call and streamed chunks per second of each client"
AREAS = ("startup", "call", "stream", "runner", "scheduler", "ratelimit", "cache", "memory", "resume", "endpoint")
RESULTS = Path(__file__).parent / "results.md"
VERSIONS = ("aiohttp", "orjson", "uvloop", "pydantic", "openai", "litellm")


def machine() -> str:
    """The machine and the versions, in one line."""
    versions = []
    for name in VERSIONS:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    system = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{system}, {', '.join(versions)}"


def sections() -> dict[str, str]:
    """What the results hold by area, so that one area can be measured again."""
    if not RESULTS.exists():
        return {}
    parts = RESULTS.read_text("utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}


def main() -> None:
    chosen = sys.argv[1:] or list(AREAS)
    unknown = [area for area in chosen if area not in AREAS]
    if unknown:
        sys.exit(f"There is no area {unknown[0]}; there are {', '.join(AREAS)}.")
    found = sections()
    for area in chosen:
        print(f"{area} ...", flush=True)
        when = dt.datetime.now(dt.UTC).date().isoformat()
        found[area] = f"{when}, {machine()}\n\n{importlib.import_module(f'benchmarks.{area}').run()}"
        print(found[area], flush=True)
    text = "\n\n".join(f"## {area}\n\n{found[area]}" for area in AREAS if area in found)
    picture = f"![{PICTURE_SAYS}]({PICTURE.name})\n\n" if draw(found) else ""
    about = "Written by `make bench`. Compare within one run only: each table's rows were measured in turn."
    RESULTS.write_text(f"# Benchmark results\n\n{about}\n\n{picture}{text}\n", "utf-8")


if __name__ == "__main__":
    main()
