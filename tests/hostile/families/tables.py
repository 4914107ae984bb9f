"""Data files that are odd, and answers that a spreadsheet would run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.hostile.attack import SPEC, Attack, Outcome

FAMILY = "tables"
_CHECK = ("throughster", "check", "s.yaml")

_FILES: dict[str, tuple[str, str | bytes]] = {
    "csv-one-line": ("d.csv", "a,b\n" + "x" * 20_000_000),
    "csv-open-quote": ("d.csv", 'a,b\n1,"' + "x\n" * 6_000_000),
    "csv-columns": ("d.csv", ",".join(f"c{n}" for n in range(3000)) + "\n"),
    "csv-columns-equal": ("d.csv", ",".join("c" for _ in range(20_000)) + "\n1\n"),
    "csv-ragged": ("d.csv", "a,b\n" + "1\n" * 100_000),
    "csv-nul": ("d.csv", b"a,b\n" + b"\0" * 1_000_000 + b"\n"),
    "csv-returns": ("d.csv", "a,b\r" * 100_000),
    "csv-utf-16": ("d.csv", "\ufeffa,b\n1,2\n".encode("utf-16-le")),
    "csv-broken": ("d.csv", b"a,b\n\xff\xfe,2\n"),
    "csv-quotes": ("d.csv", 'a,b\n"x"y,' + '"' * 100_001 + "\n"),
    "csv-empty": ("d.csv", ""),
    "csv-marks": ("d.csv", "\ufeff\ufeffa,b\n1,2\n"),
    "jsonl-deep": ("d.jsonl", "[" * 1_000_000 + "\n"),
    "jsonl-deep-object": ("d.jsonl", '{"a":' * 200_000 + "1" + "}" * 200_000 + "\n"),
    "jsonl-long": ("d.jsonl", '{"a": "' + "x" * 20_000_000 + '"}\n'),
    "jsonl-keys": ("d.jsonl", "{" + ",".join(f'"k{n}":1' for n in range(30_000)) + "}\n"),
    "jsonl-number": ("d.jsonl", '{"a": ' + "9" * 1_000_000 + "}\n"),
    "jsonl-nan": ("d.jsonl", '{"a": NaN}\n'),
    "jsonl-half": ("d.jsonl", '{"a": "\\ud83d"}\n'),
    "jsonl-twice": ("d.jsonl", '{"a": 1, "a": 2}\n'),
    "json-deep": ("d.json", "[" * 1_000_000),
    "json-open": ("d.json", "[{" + '"a": 1, ' * 500_000),
    "json-row": ("d.json", '[{"a": "' + "x" * 20_000_000 + '"}]'),
    "json-spaces": ("d.json", "[" + " " * 10_000_000 + "]"),
    "yaml-laughs": ("d.yml", "- &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"- &b{n} [{','.join(['*' + ('a' if n == 0 else f'b{n - 1}')] * 9)}]\n" for n in range(12))),
    "yaml-deep": ("d.yml", "- {a: " + "[" * 100_000),
    "parquet-none": ("d.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
    "parquet-footer": ("d.parquet", b"PAR1" + b"\xff" * 1000 + (2**31 - 1).to_bytes(4, "little") + b"PAR1"),
}  # fmt: skip

_FORMULAS = [
    "=cmd|' /C calc'!A0", "+1+1", "-1-1", "@SUM(1)", " =1+1", "\t=1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\u2060=1",
    "\uff1d1", "\uff0b1", "\n=1", "\r=1", "\u3000=1", "\u00ad=1", "\x0b=1", "\u2212" + "1",
]  # fmt: skip


def _cells_are_text(folder: Path, _outcome: Outcome) -> str:
    import csv
    import re

    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    wrong = [
        cell
        for cell in cells
        if re.match(r"[\s\u00ad\u200b\u2060\ufeff\u3000\x00-\x1f]*[=+@\u2212\uff1d\uff0b-]", cell)
    ]
    return f"a cell is a formula: {wrong[0]!r}" if wrong else ""


def _attacks():
    for name, (file, text) in _FILES.items():
        files = {"s.yaml": SPEC + f"prompt: x\ndata: {file}\n", file: text}
        yield Attack(FAMILY, name, _CHECK, files, (0, 2))
    for n, formula in enumerate(_FORMULAS):
        answers = json.dumps([{"contains": "x", "answer": formula}])
        spec = f"version: 1\nprovider: {{name: offline, answers: a.yml}}\nprompt: x {{{{ a }}}}\ndata: {json.dumps([{'a': formula, formula.strip(): 1}])}\n"
        files = {"s.yaml": spec, "a.yml": answers}
        run = ("throughster-run", "s.yaml", "-o", "out.csv")
        yield Attack(FAMILY, f"formula-{n}", run, files, (0,), check=_cells_are_text)


ATTACKS = tuple(_attacks())
