"""What a command costs before it does anything."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.measure import cpu_of, table

ROUNDS = 7
SPEC = str(Path(__file__).parents[1] / "specs" / "translate.yaml")
COMMANDS = {
    "`throughster --version`": ["-m", "throughster", "--version"],
    "`throughster check specs/translate.yaml`": ["-m", "throughster", "check", SPEC],
    "`import throughster`": ["-c", "import throughster"],
    "`import aiohttp, pydantic, jinja2, jsonschema, orjson, uvloop`": [
        "-c",
        "import aiohttp, pydantic, jinja2, jsonschema, orjson, uvloop",
    ],
}


def run() -> str:
    """The table of this area, as Markdown."""
    rows = []
    for name, command in COMMANDS.items():
        seen = [cpu_of([sys.executable, *command]) for _ in range(ROUNDS)]
        rows.append(
            [name, f"{statistics.median(s[0] for s in seen):.3f}", f"{statistics.median(s[2] for s in seen):.0f}"]
        )
    return f"median of {ROUNDS}\n\n{table(['command', 'CPU s', 'MB'], rows)}"
