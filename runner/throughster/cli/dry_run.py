"""`--dry-run`: every prompt rendered, calls and tokens counted, the cost estimated. Nothing is sent."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from throughster.cli.exits import OK, WRONG
from throughster.errors import RequestError
from throughster.running.rows import MANY
from throughster.screen import echo, echo_json, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.running.plan import Plan

__all__ = ["dry_run"]

_SHOWN = 3
_OF_MANY = 20_000
_CHARS_PER_TOKEN = 4  # OpenAI's rule of thumb for English text


def dry_run(plans: Sequence[Plan], *, color: str, screen: str) -> int:
    """Prints an estimate per plan; a prompt that does not render ends in 2."""
    code = OK
    for plan in plans:
        rows, characters, failures = 0, 0, 0
        is_large = plan.total is not None and plan.total > MANY
        for row in islice(plan.rows, _OF_MANY) if is_large else plan.rows:
            try:
                messages = plan.messages(row)
            except RequestError as error:
                failures += 1
                echo(f"{plan.file}: row {row.index + 1}: {error}", err=True)
                continue
            characters += sum(len(message["content"]) for message in messages)
            rows += 1
            if rows <= _SHOWN and screen == "text":
                echo(f"--- row {row.index + 1} ({line(row.id)})", bold=True, color=color)
                for message in messages:
                    echo(f"{message['role']}: {message['content']}")
        if is_large and rows:
            echo(f"{plan.file}: the first {rows:,} rows were rendered; the figures are guessed from them.", err=True)
            whole = (plan.rows.total or rows) if plan.cases is None else rows
            rows, characters = whole, characters * whole // rows
        _report(plan, rows, characters, screen)
        if failures:
            echo(f"{plan.file}: {failures} prompts cannot be rendered; nothing was sent.", err=True)
            code = WRONG
    return code


def _report(plan: Plan, rows: int, characters: int, screen: str) -> None:
    calls = rows * plan.repeat * len(plan.targets)
    most = calls * (plan.max_attempts if plan.schema is not None else 1)
    prompt_tokens = characters // _CHARS_PER_TOKEN * plan.repeat
    estimate: dict[str, object] = {
        "name": plan.name,
        "rows": rows,
        "calls": calls,
        "calls_at_most": most,
        "prompt_tokens": prompt_tokens * len(plan.targets),
    }
    costs = {t.label: cost for t in plan.targets if (cost := t.prompt_cost_usd(prompt_tokens)) is not None}
    if costs:
        estimate["prompt_cost_usd"] = costs
    if screen == "json":
        echo_json({"dry_run": estimate})
        return
    echo(
        f"{plan.file}: {rows:,} rows, {calls:,} calls ({most:,} at most, with answers that must be asked again), "
        f"about {prompt_tokens * len(plan.targets):,} prompt tokens"
    )
    for label, cost in costs.items():
        echo(f"  {line(label)}: about {cost:.4f} USD for the prompts; answers come on top")
    echo("Nothing was sent.")
