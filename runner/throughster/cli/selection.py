"""The options that choose specs and rows and override a spec, shared by `run`, `check` and `render`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from throughster.errors import Problem, SpecError
from throughster.inputs.source import SCAN_BYTES
from throughster.running.plan import Options, prepare
from throughster.running.rows import Choice
from throughster.spec import Override, parse_override
from throughster.spec.find import find_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from throughster.running.plan import Plan

__all__ = ["prepared", "spec_options"]

_F = TypeVar("_F", bound="Callable[..., Any]")

_OPTIONS = (
    click.argument("specs", nargs=-1, required=True, metavar="SPEC..."),
    click.option(
        "--data", type=click.Path(path_type=Path), metavar="FILE", help="Rows from this file instead of the spec's."
    ),
    click.option("--no-tests", is_flag=True, help="Run the spec's data, although it has tests."),
    click.option("--var", "variables", multiple=True, metavar="K=V", help="Set a variable for every row. Repeatable."),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Run the first N rows."),
    click.option("--sample", type=click.IntRange(1), metavar="N", help="Run N rows drawn at random."),
    click.option("--seed", type=int, default=0, metavar="S", help="Seed of --sample.", show_default=True),
    click.option(
        "--filter", "filters", multiple=True, metavar="GLOB",
        help="Run rows whose id, or `variable=value`, fits; `tag:NAME`: specs, or tests, with that tag. Repeatable.",
    ),
    click.option("--allow-only", is_flag=True, help="Run a suite of which `only: true` leaves tests out, in CI too."),
    click.option("--provider", metavar="NAME[:MODEL]", help="Ask this provider instead of the spec's."),
    click.option("--model", metavar="M", help="Ask this model."),
    click.option("--api-base", metavar="URL", help="Where the server is, up to /chat/completions."),
    click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the spec, dotted. Repeatable."
    ),
    click.option("--concurrency", type=click.IntRange(1), metavar="N", help="At most N calls under way at once."),
    click.option("--repeat", type=click.IntRange(1), metavar="N", help="Ask every row N times."),
    click.option("--allow-host", "hosts", multiple=True, metavar="HOST", help="Let keys go to this host. Repeatable."),
    click.option(
        "--format", "screen", type=click.Choice(["text", "json", "github"]), default="text", help="What is printed.",
    ),
    click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Use colours.",
        show_default=True,
    ),
)  # fmt: skip


def spec_options(command: _F) -> _F:
    """Adds the options; the command gets them as `screen`, `color` and what `prepared` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def prepared(
    *,
    specs: Sequence[str],
    data: Path | None,
    no_tests: bool = False,
    variables: Sequence[str],
    limit: int | None,
    sample: int | None,
    seed: int,
    filters: Sequence[str],
    allow_only: bool = False,
    provider: str | None,
    model: str | None,
    api_base: str | None,
    settings: Sequence[str],
    concurrency: int | None,
    repeat: int | None,
    hosts: Sequence[str],
    priced: bool = False,
    cache: bool | None = None,
    keyless: bool = False,
) -> tuple[list[Plan], list[Problem]]:
    """The plans of the chosen specs, and everything that is wrong with them. Raises click.UsageError on bad options."""
    overrides = [_assignment(text) for text in settings]
    if provider is not None:
        overrides.append(Override(("provider",), provider, f"--provider {provider}"))
    if model is not None:
        overrides.append(Override(("provider", "model"), model, f"--model {model}"))
    if concurrency is not None:
        overrides.append(Override(("concurrency", "max_in_flight"), concurrency, f"--concurrency {concurrency}"))
    if cache is not None:
        overrides.append(Override(("cache",), "on" if cache else "off", "--cache" if cache else "--no-cache"))
    if repeat is not None:
        overrides.append(Override(("repeat",), repeat, f"--repeat {repeat}"))
    options = Options(
        data=data,
        tests=not no_tests,
        variables=dict(_variable(text) for text in variables),
        choice=Choice(
            patterns=tuple(f for f in filters if not f.startswith("tag:")), sample=sample, seed=seed, limit=limit
        ),
        tags=tuple(f.removeprefix("tag:") for f in filters if f.startswith("tag:")),
        api_base=api_base,
        hosts=tuple(hosts),
        provider=provider,
        priced=priced,
        keyless=keyless,
        allow_only=allow_only,
    )
    try:
        paths = find_specs(specs)
    except SpecError as error:
        return [], list(error.problems)
    plans, problems = prepare(paths, overrides, options)
    return plans, [*problems, *_idle_filters(plans, options)]


def _idle_filters(plans: Sequence[Plan], options: Options) -> Iterator[Problem]:
    """Of several filters those that fit nothing, of data that was read whole. A single one is an error already."""
    patterns = dict.fromkeys(options.choice.patterns)
    tags = dict.fromkeys(options.tags)
    is_cut = options.choice.sample is not None or options.choice.limit is not None
    if not plans or len(patterns) + len(tags) < 2 or is_cut or any(_is_large(plan, options) for plan in plans):
        return
    for plan in plans:
        for tag in plan.spec.tags:
            tags.pop(tag, None)
        for row in plan.rows:
            if not patterns and not tags:
                return
            for pattern in [p for p in patterns if Choice(patterns=(p,)).fits(row)]:
                del patterns[pattern]
            for tag in row.case.tags if row.case is not None else ():
                tags.pop(tag, None)
    for text in (*patterns, *(f"tag:{tag}" for tag in tags)):
        yield Problem("", 0, 0, f"--filter {text}: nothing that would be run fits it.", severity="warning")


def _is_large(plan: Plan, options: Options) -> bool:
    """Whether reading all rows takes long."""
    if plan.rows.is_large:
        return True
    data = options.data or plan.spec.data
    if plan.cases is not None or not isinstance(data, str | Path):
        return False
    path = Path(data) if options.data is not None else Path(plan.file).parent / data
    return path.stat().st_size > SCAN_BYTES


def _assignment(text: str) -> Override:
    try:
        return parse_override(text)
    except SpecError as error:
        raise click.UsageError(str(error)) from None


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--var {text}: write it as NAME=VALUE.")
    return name.strip(), value
