"""Specs from Python: `throughster.run(path)` and `await throughster.arun(path)`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughster.errors import CassetteError, SpecError
from throughster.exchanges import TAPE, Player, Recorder
from throughster.running.events import RowFinished
from throughster.running.launch import Caps, execute
from throughster.running.outputs import Outputs
from throughster.running.plan import Options, prepare
from throughster.running.rows import Choice
from throughster.spec.overrides import Override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.running.events import Event
    from throughster.running.handle import RunHandle
    from throughster.running.result import Result

__all__ = ["arun", "run"]


async def arun(
    spec_path: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    tests: bool = True,
    variables: Mapping[str, Any] | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    filters: Sequence[str] = (),
    allow_only: bool = False,
    provider: str | None = None,
    model: str | None = None,
    api_base: str | None = None,
    concurrency: int | None = None,
    repeat: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_hosts: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    max_cost: float | None = None,
    max_requests: int | None = None,
    cache: bool | None = None,
    record: str | os.PathLike[str] | None = None,
    replay: str | os.PathLike[str] | None = None,
    handle: RunHandle | None = None,
) -> list[Result]:
    """Run a spec and give its results, in the order of the data.

    The options are those of the command line; `overrides` has dotted keys of the spec, as `--set`. `output`: the
    journal's file; by default it lies in a new folder under `./runs`, as on the command line. `handle`: to stop it by;
    cancelling it, as `asyncio.timeout` does, stops it too: nothing more is asked. Raises SpecError with
    every problem, before anything is sent, and CassetteError where a replay has no recording. Rows that fail are
    results with a `status` and an `error`, never exceptions.
    """
    given = [Override(tuple(key.split(".")), value, f"overrides[{key!r}]") for key, value in (overrides or {}).items()]
    for path, value in ((("provider",), provider), (("provider", "model"), model), (("repeat",), repeat)):
        if value is not None:
            given.append(Override(path, value, f"{path[-1]}={value!r}"))
    if cache is not None:
        given.append(Override(("cache",), "on" if cache else "off", f"cache={cache!r}"))
    if concurrency is not None:
        given.append(Override(("concurrency", "max_in_flight"), concurrency, f"concurrency={concurrency!r}"))
    options = Options(
        data=None if data is None else Path(data),
        tests=tests,
        variables=dict(variables or {}),
        choice=Choice(patterns=tuple(filters), sample=sample, seed=seed, limit=limit),
        api_base=api_base,
        hosts=tuple(allow_hosts),
        provider=provider,
        keyless=replay is not None,
        priced=max_cost is not None,
        allow_only=allow_only,
    )
    tape = Player(Path(replay)) if replay is not None else Recorder(Path(record)) if record is not None else TAPE.get()
    plans, problems = prepare([Path(spec_path)], given, options)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors or not plans:
        raise SpecError(errors)
    results: list[Result] = []

    def collect(event: Event) -> None:
        if isinstance(event, RowFinished):
            results.append(event.result)

    outputs = Outputs(() if output is None else (Path(output),), resume=resume)
    summaries = await execute(plans, outputs, collect, caps=Caps(max_requests, max_cost), tape=tape, handle=handle)
    for summary in summaries:
        if isinstance(summary.wrong, CassetteError):
            raise summary.wrong
    return sorted(results, key=lambda result: (result.row, result.label, result.repeat))


def run(spec_path: str | os.PathLike[str], **options: Any) -> list[Result]:
    """`arun` without `await`: in scripts, notebooks and threads."""
    from throughster.client.portal import run_in_portal  # with the network, which a check of the spec does not need

    return run_in_portal(arun(spec_path, **options))
