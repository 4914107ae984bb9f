"""Stopping a run from code: by cancelling it, by a clock, by a handle. Nothing more is asked, what was done is kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading

import pytest

import throughster
from throughster.emulator import Emulator, Options

SPEC = """\
version: 1
name: demo
provider: {name: vllm, model: m, api_base: "BASE"}
prompt: Say {{ word }}.
data: words.jsonl
concurrency: {max_in_flight: 4, adaptive: false}
outputs: [copy.jsonl]
"""
ROWS = 200


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    (tmp_path / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(ROWS)))
    return tmp_path


class Server:
    """Answers the first six rows; the others wait until `gate` is opened. `held`: set when all workers wait there."""

    def __init__(self, project, workers=4):
        self.project, self.asked, self.workers = project, [], workers
        self.gate, self.held = asyncio.Event(), asyncio.Event()

    async def before(self, request, route):
        self.asked.append(request.body["messages"][0]["content"])
        if len(self.asked) > 6:
            if len(self.asked) == 6 + self.workers:
                self.held.set()
            await self.gate.wait()

    @contextlib.asynccontextmanager
    async def serving(self, spec=SPEC):
        async with Emulator(Options(dialect="vllm", before_answer=self.before)) as emulator:
            (self.project / "s.yaml").write_text(spec.replace("BASE", emulator.api_base))
            yield self
            self.gate.set()


def lines(project):
    return [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]


def test_a_cancelled_run_asks_nothing_more_and_keeps_what_was_done(project):
    async def scenario():
        async with Server(project).serving() as server:
            run = asyncio.create_task(throughster.arun("s.yaml", output="out.jsonl"))
            await server.held.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            return len(server.asked)

    asked = asyncio.run(scenario())
    results = lines(project)
    assert asked == 6 + 4
    assert sum(result["status"] == "ok" for result in results) == 6
    assert len(results) <= asked
    assert {result["status"] for result in results} <= {"ok", "skipped"}
    (copy,) = project.glob("runs/demo/*/copy.jsonl")
    assert copy.read_text() == (project / "out.jsonl").read_text()

    async def again():
        async with Server(project).serving() as server:
            server.gate.set()
            return await throughster.arun("s.yaml", output="out.jsonl", resume=True), server.asked

    rest, asked = asyncio.run(again())
    assert len(asked) == len(rest) == ROWS - 6
    assert {result["status"] for result in lines(project)} == {"ok"}


def test_a_clock_stops_a_run(project):
    async def scenario():
        async with Server(project).serving() as server:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(None) as clock:
                    run = asyncio.create_task(server.held.wait())
                    run.add_done_callback(lambda _: clock.reschedule(asyncio.get_running_loop().time()))
                    await throughster.arun("s.yaml", output="out.jsonl")
            return len(server.asked)

    assert asyncio.run(scenario()) == 6 + 4
    assert sum(result["status"] == "ok" for result in lines(project)) == 6


def test_several_providers_are_all_stopped(project):
    spec = SPEC.replace("provider: {", "providers:\n- {label: a, ").replace('BASE"}', 'BASE"}\n- OTHER')
    spec = spec.replace("OTHER", '{label: b, name: vllm, model: m, api_base: "BASE"}')

    async def scenario():
        async with Server(project, 8).serving(spec) as server:
            run = asyncio.create_task(throughster.arun("s.yaml", output="out.jsonl"))
            await server.held.wait()
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            return len(server.asked)

    assert asyncio.run(scenario()) == 6 + 8
    assert {result["label"] for result in lines(project)} == {"a", "b"}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same loop", "another thread"])
def test_a_handle_stops_a_run_as_a_signal_does(project, elsewhere):
    """What is under way gets its time."""
    handle = throughster.RunHandle()

    async def scenario():
        async with Server(project).serving() as server:
            run = asyncio.create_task(throughster.arun("s.yaml", output="out.jsonl", handle=handle))
            await server.held.wait()
            if elsewhere:
                await asyncio.get_running_loop().run_in_executor(None, handle.stop)
            else:
                handle.stop()
            handle.stop()
            await asyncio.sleep(0)
            server.gate.set()
            return await run, len(server.asked)

    results, asked = asyncio.run(scenario())
    assert handle.is_stopped
    assert asked == 6 + 4
    assert {result.status for result in results} == {"ok"}
    assert len(results) == asked


def test_a_handle_that_was_stopped_before_asks_nothing(project):
    handle = throughster.RunHandle()
    handle.stop()

    async def scenario():
        async with Server(project).serving() as server:
            return await throughster.arun("s.yaml", output="out.jsonl", handle=handle), server.asked

    assert asyncio.run(scenario()) == ([], [])


def test_a_script_is_stopped_from_another_thread(project):
    (project / "s.yaml").write_text(SPEC.replace('{name: vllm, model: m, api_base: "BASE"}', "offline"))
    (project / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(20_000)))
    handle, found = throughster.RunHandle(), []
    thread = threading.Thread(target=lambda: found.extend(throughster.run("s.yaml", output="out.jsonl", handle=handle)))
    thread.start()
    while not (project / "out.jsonl").exists():
        pass
    handle.stop()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert len(found) < 20_000
