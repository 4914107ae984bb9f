"""CSV and Parquet, written from the journal when the run is over, sorted by row."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import SettingsError
from throughster.redact import guarded
from throughster.reports.folded import reason_of
from throughster.running.replacing import replace_file, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from throughster.running.plan import Plan

__all__ = ["replace_file", "replacing", "write_csv", "write_parquet"]

_HEAD = ("row", "repeat", "id", "label", "status")
_TAIL = ("text", "error", "finish_reason", "prompt_tokens", "completion_tokens", "cost_usd", "latency_s")


def read_sorted(journal: Path) -> Iterator[dict[str, Any]]:
    """The journal's results by spec, row, label and repeat. Holds two numbers a row, not the rows."""
    keys: list[tuple[Any, ...]] = []
    with journal.open("rb") as file:
        offset = 0
        for line in file:
            result = orjson.loads(line)
            keys.append((result["spec"], result["row"], result["label"], result["repeat"], offset))
            offset += len(line)
        keys.sort()
        for *_, at in keys:
            file.seek(at)
            yield orjson.loads(file.readline())


def _columns(journal: Path) -> tuple[list[str], list[str]]:
    """Names of variables, and of the answers' fields, in the order in which they first come."""
    names: dict[str, None] = {}
    fields: dict[str, None] = {}
    with journal.open("rb") as file:
        for line in file:
            result = orjson.loads(line)
            names.update(dict.fromkeys(result["vars"]))
            output = result["output"]
            fields.update(
                dict.fromkeys(f"output.{key}" for key in output) if isinstance(output, dict) else {"output": None}
            )
    return list(names), list(fields)


def _flat(result: dict[str, Any], names: list[str], fields: list[str]) -> list[Any]:
    output = result["output"]
    answer = {f"output.{k}": v for k, v in output.items()} if isinstance(output, dict) else {"output": output}
    usage = result["usage"] or {}
    tail = {**result, **usage, "error": _why(result)}
    return [
        *(result[name] for name in _HEAD),
        *(result["vars"].get(name) for name in names),
        *(answer.get(name) for name in fields),
        *(tail.get(name) for name in _TAIL),
    ]


def _why(result: dict[str, Any]) -> str | None:
    """Why there is no good answer: the error, the checks that failed, or the refusal."""
    reason = reason_of(result)
    return reason if reason not in ("", result["status"]) else None


def _header(names: list[str], fields: list[str]) -> list[str]:
    taken = {*_HEAD, *_TAIL, *fields}
    return [*_HEAD, *(f"vars.{name}" if name in taken else name for name in names), *fields, *_TAIL]


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets a quote in front (OWASP, CSV injection)."""
    return guarded(value) if isinstance(value, str) else _plain_cell(value)


def _plain_cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def write_csv(journal: Path, path: Path, _plans: Sequence[Plan] = (), *, plain: bool = False) -> None:
    """`plain`: text as it is, for programs; else no cell can be a formula of a spreadsheet."""
    cell = _plain_cell if plain else _cell
    names, fields = _columns(journal)
    with replacing(path) as binary, io.TextIOWrapper(binary, "utf-8", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow([cell(name) for name in _header(names, fields)])
        for result in read_sorted(journal):
            writer.writerow([cell(value) for value in _flat(result, names, fields)])


def write_parquet(journal: Path, path: Path, _plans: Sequence[Plan] = ()) -> None:
    """One column a field of the result; what is nested stands as JSON text."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise SettingsError(
            f"{path} needs Parquet support, which is not installed. Run: pip install 'throughster[parquet]'"
        ) from None
    kinds = {name: pa.int64() for name in ("row", "repeat", "planned")} | {
        name: pa.bool_() for name in ("sampled", "cached")
    }
    numbers = ("cost_usd", "latency_s", "first_token_s")
    schema = pa.schema([
        (name, kinds.get(name, pa.float64() if name in numbers else pa.string())) for name in _result_fields(journal)
    ])  # fmt: skip
    with replacing(path) as file, pq.ParquetWriter(file, schema) as writer:
        batch: list[dict[str, Any]] = []
        for result in read_sorted(journal):
            batch.append({name: _column(name, value) for name, value in result.items()})
            if len(batch) == 10_000:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                batch.clear()
        writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _column(name: str, value: Any) -> Any:
    is_json = isinstance(value, dict | list) or (name == "output" and value is not None)
    return orjson.dumps(value).decode() if is_json else value


def _result_fields(journal: Path) -> list[str]:
    with journal.open("rb") as file:
        return list(orjson.loads(file.readline()))
