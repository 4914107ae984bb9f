"""`throughster bench`: how much an endpoint gives to so many workers."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from throughster.bench.figures import Bench, read_bench
from throughster.bench.measure import Load, measure, warm_up
from throughster.bench.plot import write_plot
from throughster.bench.tables import cells, comparison_markdown, markdown
from throughster.cli.exits import INCOMPLETE, OK, WRONG
from throughster.cli.loop import runner
from throughster.cli.numbers import FiniteRange
from throughster.cli.problems import print_problems
from throughster.cli.selection import prepared
from throughster.client import Interface, create_interface
from throughster.errors import SettingsError
from throughster.screen import echo
from throughster.types import Limits, Retry

if TYPE_CHECKING:
    from throughster.client import Calls
    from throughster.types import Message

__all__ = ["bench"]

_MOST_PROMPTS = 10_000
_PROMPT = "Write a short story about a lighthouse keeper who finds a message in a bottle."
_KINDS = (".json", ".md", ".png", ".svg")
_HEADS = (
    "workers",
    "req/s",
    "prompt t/s",
    "compl. t/s",
    "total t/s",
    "latency p50/p95/p99 s",
    "first token s",
    "between ms",
)


@click.command()
@click.argument("target", metavar="SPEC-or-ADDRESS")
@click.option("--workers", default="1:16:32:64:128:256", show_default=True, help="Numbers of workers, each a step.")
@click.option(
    "--requests", type=click.IntRange(1), help="Requests of a step; by default 8 for each worker, 32 at least."
)
@click.option(
    "--seconds", type=FiniteRange(0, min_open=True), default=60.0, show_default=True,
    help="Begin no more requests of a step after this.",
)  # fmt: skip
@click.option("--warm-up", type=click.IntRange(0), default=8, show_default=True, help="Requests before the first step.")
@click.option("--provider", default="vllm", show_default=True, metavar="NAME[:MODEL]", help="Who is at an ADDRESS.")
@click.option("--model", metavar="M", help="Ask this model; by default the first that the server lists.")
@click.option("--prompt", default=_PROMPT, metavar="TEXT", help="What an ADDRESS is asked.")
@click.option(
    "--max-tokens", type=click.IntRange(1), default=128, show_default=True, help="Of the answers of an ADDRESS."
)
@click.option("--ignore-eos", is_flag=True, help="Of an ADDRESS of vLLM: answers have all of --max-tokens.")
@click.option("--no-stream", is_flag=True, help="Ask for whole answers; there are no times of tokens then.")
@click.option(
    "-o", "--output", "outputs", multiple=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Save here (.json, .md, .png, .svg). Repeatable. Default: all but .png in a new folder under ./runs/bench.",
)  # fmt: skip
@click.option("--compare", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="An earlier .json.")
@click.option("--allow-host", "hosts", multiple=True, metavar="HOST", help="Let keys go to this host. Repeatable.")
def bench(target: str, outputs: tuple[Path, ...], compare: Path | None, **given: Any) -> int:
    """Measure throughput and latency of an endpoint for each number of workers.

    TARGET is the address of a server, up to /chat/completions, which is asked a fixed prompt; or a spec, whose rows are
    asked again and again. Definitions are those of `vllm bench serve`.

    \b
    Examples:
      throughster bench http://127.0.0.1:8000/v1 --workers 1:8:64 --max-tokens 64
      throughster bench specs/translate.yaml --workers 1:16 -o bench.json -o bench.svg
      throughster bench http://127.0.0.1:8000/v1 --compare runs/bench/20261125T120000Z/bench.json
    """
    steps = _steps(given.pop("workers"))
    for path in outputs:
        if path.suffix.lower() not in _KINDS:
            raise click.BadParameter(f"`{path}`: results can be saved as {', '.join(_KINDS)}.", param_hint="-o")
    before = read_bench(compare) if compare is not None else None
    made = _of_address(target, given) if "://" in target else _of_spec(target, given)
    if made is None:
        return WRONG
    client, load = made
    name = target if "://" in target else Path(target).stem
    began_at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    empty = Bench(name, "", began_at.isoformat(), load.streamed)
    with runner() as loop:
        result = loop.run(_run(client, load, steps, empty, given))
    _save(result, before, outputs or _default_outputs(began_at))
    if before is not None:
        echo("\n" + comparison_markdown(before, result), nl=False, ci=False)
    return OK if all(step.requests for step in result.steps) else INCOMPLETE


async def _run(client: Calls, load: Load, steps: tuple[int, ...], empty: Bench, given: dict[str, Any]) -> Bench:
    async with client:
        target = str(getattr(client, "source", ""))
        if isinstance(client, Interface) and client.address.model is None:
            load = replace(load, fields={**load.fields, "model": await _first_model(client)})
            target = f"{target}:{load.fields['model']}"
        await client.hold_nothing_back()
        if given["warm_up"]:
            echo(f"{given['warm_up']} requests to warm up ...", err=True)
            await warm_up(client, load, given["warm_up"])
        result = replace(empty, target=target)
        widths = [len(head) for head in _HEADS]
        for workers in steps:
            requests = given["requests"] or max(32, 8 * workers)
            echo(f"{workers} workers, {requests:,} requests ...", err=True)
            step = await measure(client, load, workers, requests, given["seconds"])
            result = replace(result, steps=(*result.steps, step))
        rows = [list(_HEADS), *(cells(step)[: len(_HEADS)] for step in result.steps)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADS))]
        for row in rows:
            echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for step in result.steps:
            if step.errors:
                told = ", ".join(f"{count:,} {kind}" for kind, count in step.errors.items())
                echo(f"{step.workers} workers: failed and not counted: {told}", err=True)
        return result


async def _first_model(client: Interface) -> str:
    models = await client.list_models()
    if not models:
        raise SettingsError("The server lists no model. Name one: --model M.")
    return models[0]


def _steps(text: str) -> tuple[int, ...]:
    try:
        steps = tuple(int(part) for part in text.split(":"))
    except ValueError:
        steps = ()
    if not steps or min(steps) < 1 or max(steps) > 100_000:
        raise click.BadParameter(f"`{text}` is no list of numbers such as 1:16:64.", param_hint="--workers")
    return steps


def _of_address(address: str, given: dict[str, Any]) -> tuple[Calls, Load]:
    name, _, model = given["provider"].partition(":")
    client = create_interface(
        name,
        api_base=address,
        model_name=given["model"] or model or None,
        limits=Limits(max_in_flight=100_000, adaptive=False),
        retry=Retry(max_attempts=1),
    )
    fields = {"max_tokens": given["max_tokens"]}
    if given["ignore_eos"]:
        fields["extra_body"] = {"ignore_eos": True}

    prompt: list[Message] = [{"role": "user", "content": given["prompt"]}]
    return client, Load(lambda _: prompt, fields, streamed=not given["no_stream"])


def _of_spec(path: str, given: dict[str, Any]) -> tuple[Calls, Load] | None:
    plans, problems = prepared(
        specs=[path], data=None, variables=(), limit=None, sample=None, seed=0, filters=(),
        provider=given["provider"] if _is_given("provider") else None, model=given["model"], api_base=None,
        settings=("concurrency.adaptive=false", "concurrency.max_in_flight=100000", "retry.max_attempts=1"),
        concurrency=None, repeat=None, hosts=given["hosts"],
    )  # fmt: skip
    print_problems(problems, "text", "auto")
    if any(problem.severity == "error" for problem in problems) or len(plans) != 1:
        return None
    plan = plans[0]
    prompts = [plan.messages(row) for row in islice(plan.rows, _MOST_PROMPTS)]
    options = {
        "schema": plan.schema, "strategy": plan.strategy, "tools": plan.tools, "tool_choice": plan.tool_choice,
    }  # fmt: skip

    def messages(n: int) -> list[Message]:
        return prompts[n % len(prompts)]

    return plan.targets[0].client(), Load(messages, plan.targets[0].fields, not given["no_stream"], options)


def _is_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _default_outputs(began_at: dt.datetime) -> tuple[Path, ...]:
    folder = Path("runs") / "bench" / began_at.strftime("%Y%m%dT%H%M%SZ")
    return tuple(folder / f"bench{kind}" for kind in (".json", ".md", ".svg"))


def _save(result: Bench, before: Bench | None, outputs: tuple[Path, ...]) -> None:
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".json":
            path.write_text(result.as_json(), "utf-8")
        elif path.suffix.lower() == ".md":
            compared = "" if before is None else "\n" + comparison_markdown(before, result)
            path.write_text(markdown(result) + compared, "utf-8")
        else:
            try:
                write_plot([result] if before is None else [before, result], path)
            except SettingsError as error:
                echo(str(error), err=True)
                continue
        echo(f"Saved: {path}")
