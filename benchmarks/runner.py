"""The whole runner: CSV rows in, rendered, asked, checked against a schema, on disk."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import cpu_of, table
from benchmarks.server import static_server

ROWS, ROUNDS = 5000, 5
SPEC = """\
version: 1
name: bench
provider: {{name: vllm, model: m, api_base: "{base}"}}
prompt: {{system: You are a linguist., user: 'Translate "{{{{ text }}}}" to French.'}}
output:
  schema:
    type: object
    properties: {{translation: {{type: string, minLength: 1}}}}
    required: [translation]
    additionalProperties: false
data: rows.csv
"""


def run() -> str:
    """The table of this area, as Markdown."""
    seen = []
    with static_server() as (server, base), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(SPEC.format(base=base))
        (folder / "rows.csv").write_text("text\n" + "".join(f"phrase number {n}\n" for n in range(ROWS)))
        program = [sys.executable, "-m", "throughster", "run", str(folder / "spec.yaml"), "-q"]
        for n in range(ROUNDS):
            seen.append(cpu_of([*program, "-o", str(folder / f"out{n}.jsonl")]))
            assert len((folder / f"out{n}.jsonl").read_bytes().splitlines()) == ROWS
    cpu_s, wall_s, memory = (statistics.median(values) for values in zip(*seen, strict=True))
    row = [f"{ROWS:,}", f"{cpu_s:.2f}", f"{cpu_s / ROWS * 1e6:.0f}", f"{wall_s:.2f}", f"{memory:.0f}"]
    head = ["rows", "CPU s in all", "CPU us/row, start-up included", "wall s", "MB"]
    return f"render, call, schema check, result on disk; {server}, median of {ROUNDS}\n\n{table(head, [row])}"
