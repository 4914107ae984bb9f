"""Several processes at one run: every row once, limits and budgets shared, signals and deaths survived."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from throughster.limits import Budget, Rate, shared_endpoint, take_share
from throughster.limits.endpoint import Taken
from throughster.types import Limits, Quota

SPEC = """\
version: 1
name: demo
provider: {name: vllm, model: m, api_base: "BASE"}
prompt: Say {{ word }}.
data: words.jsonl
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    return tmp_path


@pytest.fixture
def run(project, process):
    def start(*options, rows=300, more="", server=()):
        emulator = process("emulate", "--dialect", "vllm", *server)
        base = emulator.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"
        (project / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(rows)))
        (project / "s.yaml").write_text(SPEC.replace("BASE", base) + more)
        return process("run", "s.yaml", "-o", "out.jsonl", "--no-progress", *options)

    return start


def lines(project):
    return [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_every_row_is_asked_once(project, run):
    outcome = run("--processes", "3", "--repeat", "2")
    out, err = outcome.communicate(timeout=60)
    assert (outcome.returncode, err.count("rror")) == (0, 0), err
    results = lines(project)
    assert Counter((r["row"], r["repeat"]) for r in results) == Counter((n, k) for n in range(300) for k in range(2))
    assert {r["status"] for r in results} == {"ok"}
    assert "600 rows: 600 ok" in out


def test_equal_rows_keep_ids_of_their_own(project, run):
    first = run("--processes", "2", rows=1)
    first.communicate(timeout=60)
    assert len(lines(project)) == 1
    (project / "out.jsonl").unlink()
    second = run("--processes", "2", "--var", "word=same", rows=9)
    second.communicate(timeout=60)
    assert len({r["id"] for r in lines(project)}) == 9


def test_a_run_is_gone_on_with(project, run, process):
    run("--processes", "2", "--limit", "100").communicate(timeout=60)
    again = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "--processes", "3", "--no-progress")
    out, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert "200 rows: 200 ok" in out
    assert sorted(r["row"] for r in lines(project)) == list(range(300))


def test_a_budget_is_kept_by_all_together(project, run):
    outcome = run("--processes", "4", "--max-requests", "50")
    _, err = outcome.communicate(timeout=60)
    assert outcome.returncode == 4
    assert "The budget is spent" in err
    assert Counter(r["status"] for r in lines(project))["ok"] == 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_them_all(project, run, number):
    outcome = run("--processes", "2", "--concurrency", "4", rows=4000, server=("--latency", "0.05"))
    deadline = time.monotonic() + 30
    while not ((project / "out.jsonl").exists() and (project / "out.jsonl").stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = children(outcome.pid)
    outcome.send_signal(number)
    _, err = outcome.communicate(timeout=30)
    assert outcome.returncode == 128 + number
    assert "To go on" in err
    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_a_worker_that_is_killed_costs_its_rows_and_nothing_else(project, run, process):
    outcome = run("--processes", "2", "--concurrency", "4", rows=300, server=("--latency", "0.02"))
    deadline = time.monotonic() + 30
    while not ((project / "out.jsonl").exists() and (project / "out.jsonl").stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(children(outcome.pid)[0], signal.SIGKILL)
    _, err = outcome.communicate(timeout=60)
    assert outcome.returncode == 3
    assert "A worker process ended before its rows were asked." in err
    assert 150 <= len(lines(project)) < 300
    again = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "-q")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert sorted(r["row"] for r in lines(project)) == list(range(300))


def test_workers_end_with_the_first_process(project, run):
    outcome = run("--processes", "2", "--concurrency", "4", rows=4000, server=("--latency", "0.05"))
    deadline = time.monotonic() + 30
    while not ((project / "out.jsonl").exists() and (project / "out.jsonl").stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = children(outcome.pid)
    outcome.kill()
    outcome.communicate(timeout=30)
    while any(os.path.exists(f"/proc/{pid}") for pid in workers):  # noqa: PTH110
        assert time.monotonic() < deadline + 30
        time.sleep(0.02)


@pytest.mark.parametrize(("text", "words"), [("0", "neither a number"), ("many", "neither a number")])
def test_wrong_numbers_are_told(project, process, text, words):
    outcome = process("run", "s.yaml", "--processes", text)
    _, err = outcome.communicate(timeout=30)
    assert (outcome.returncode, words in err) == (2, True)


def test_a_budget_divides_without_loss():
    shares = Budget(10, 7, 1.0).shares(3)
    assert sum(share._most.calls for share in shares) == 10
    assert sum(share._most.tokens for share in shares) == 7
    assert sum(share._most.usd for share in shares) == pytest.approx(1.0)
    assert not any(share.is_bounded for share in Budget().shares(2))


def test_what_replies_tell_of_limits_is_shared():
    try:
        take_share(4)
        endpoint = shared_endpoint(("shared",), Limits())
        endpoint.observe(Taken(0, 0.0, 0.0, is_probe=False), Quota(600, 400, 60_000, None), 0.0)
        assert (endpoint.requests.learned, endpoint.tokens.learned) == (150, 15_000)
        assert endpoint.requests.wait_s(101, 0.0) > 0 == endpoint.requests.wait_s(100, 0.0)
    finally:
        take_share(1)
    assert isinstance(endpoint.requests, Rate)
    assert asyncio.iscoroutinefunction(Budget().reserve)
