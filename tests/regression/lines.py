"""Lines of results files, as a run writes them."""

from __future__ import annotations

import orjson

from throughster.running.result import CheckResult, Result, to_line
from throughster.types import Usage

FIELDS = {
    "spec": "suite", "label": "offline:canned", "provider": "offline", "model": "canned", "deployment": None,
    "digest": "d", "checks_digest": "c", "vars": {}, "status": "ok", "usage": Usage(10, 5, 15), "cost_usd": 0.001, "latency_s": 1.0,
}  # fmt: skip
FAILED_CHECK = (CheckResult("icontains", False, 0.0, "no such word"),)


def result_line(row, repeat, **given):
    """One line of a results file."""
    fields = {**FIELDS, "id": f"case-{row}", **given}
    if fields["status"] == "failed":
        fields.setdefault("checks", FAILED_CHECK)
    extra = {name: fields.pop(name) for name in ("tags", "name") if name in fields}
    line = to_line(Result(row=row, repeat=repeat, **fields))
    return orjson.dumps({**orjson.loads(line), **extra}) + b"\n" if extra else line
