"""One result: a row, a provider and a repeat. The model of a journal line and of `schemas/result.schema.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import orjson
from pydantic import TypeAdapter

from throughster.characters import mended
from throughster.types import Attempt, CheckResult, ToolCall, Usage

__all__ = ["STATUSES", "CheckResult", "Failure", "Result", "result_json_schema", "to_line"]

Status: TypeAlias = Literal[
    "ok", "failed", "invalid", "truncated", "refused", "filtered", "error", "judge_error", "skipped"
]
STATUSES: tuple[Status, ...] = (
    "ok", "failed", "invalid", "truncated", "refused", "filtered", "error", "judge_error", "skipped",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no good answer. `type`: the error's class. `http_status`, `request_id`: of the last reply."""

    type: str
    message: str
    http_status: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the answer; `arguments` is parsed JSON, or the model's text where it is none."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Result:
    """Identity: `id`, `label`, `repeat`. Times in seconds; `cost_usd` is null where the model has no price.

    `output` is the parsed JSON where the spec has a schema, else the text. `row` and `repeat` count from 0.
    `usage` sums over all attempts; `attempts` lists every send. `digest`: of what was asked (prompt, schema, tools,
    parameters, model, variables); `checks_digest`: of what the answer was checked for, null where there is no check. A
    row is asked again by `--resume` where one of them has changed. What `--resume` looks at stands before the first
    field that is nested, so that it reads no more of a line than its head. `planned`: how many repeats were to be
    asked; `sampled`: whether each of them is an answer of its own, and not a copy, as at temperature 0.
    """

    id: str
    spec: str
    label: str
    provider: str
    model: str | None
    deployment: str | None
    row: int
    repeat: int
    digest: str
    checks_digest: str | None
    status: Status
    vars: dict[str, Any]
    planned: int = 1
    sampled: bool = True
    output: Any = None
    text: str | None = None
    tool_calls: tuple[Call, ...] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    first_token_s: float | None = None
    attempts: tuple[Attempt, ...] = ()
    cached: bool = False
    checks: tuple[CheckResult, ...] = ()
    error: Failure | None = field(default=None)


def calls_of(tool_calls: tuple[ToolCall, ...]) -> tuple[Call, ...]:
    return tuple(Call(call.id, call.name, call.arguments) for call in tool_calls)


def to_line(result: Result) -> bytes:
    """The result as one line of strict JSON, newline included."""
    try:
        return orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # whole numbers beyond 64 bits, text with halves of characters: the standard library writes them
        value = TypeAdapter(Result).dump_python(result)
        return json.dumps(mended(value), allow_nan=False).encode() + b"\n"


def result_json_schema() -> dict[str, Any]:
    schema = TypeAdapter(Result).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Throughster result",
        "description": "One line of results.jsonl.",
        **{k: v for k, v in schema.items() if k not in ("title", "description")},
    }
