"""The disk: what is said to be kept is on it, and where it is full no run is green."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import pytest

import throughster
from throughster.running.journal import Journal
from throughster.running.result import Result

SPEC = """\
version: 1
name: demo
provider: offline
prompt: Say {{ word }}.
data: words.jsonl
outputs: [copy.jsonl]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    (tmp_path / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(300)))
    (tmp_path / "s.yaml").write_text(SPEC)
    return tmp_path


def _small_files():
    """As on a disk that is full: a file can grow to 20 kB, and no further."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize("processes", [(), ("--processes", "2"), ("--processes", "3")])
def test_a_full_disk_is_never_green(project, process, processes):
    outcome = process("run", "s.yaml", "-o", "out.jsonl", "--no-progress", *processes, preexec_fn=_small_files)
    _, err = outcome.communicate(timeout=60)
    assert outcome.returncode == 3
    assert "out.jsonl cannot be written: File too large. What stands there is kept; make room, and go on" in err
    written = [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]
    assert 0 < len(written) < 300
    again = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "--no-progress")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert len((project / "out.jsonl").read_text().splitlines()) == 300


class Calls:
    """What was asked of the operating system about files, in order; the names of those that were synced whole."""

    def __init__(self, monkeypatch):
        self.made = []
        sync, replace, path_replace, close = os.fsync, os.replace, Path.replace, os.close

        def synced(file):
            self.made.append(("sync", str(Path(f"/proc/self/fd/{file}").readlink())))
            return sync(file)

        def replaced(source, target, *more, **options):
            self.made.append(("replace", os.path.realpath(source)))
            return replace(source, target, *more, **options)

        def path_replaced(source, target):
            self.made.append(("replace", os.path.realpath(source)))
            return path_replace(source, target)

        def closed(file):
            self.made.append(("close", str(Path(f"/proc/self/fd/{file}").readlink())))
            return close(file)

        for owner, name, fake in ((os, "fsync", synced), (os, "replace", replaced), (os, "close", closed)):
            monkeypatch.setattr(owner, name, fake)
        monkeypatch.setattr(Path, "replace", path_replaced)

    def replaced(self):
        """Every file that took another's place, and whether it was on the disk before."""
        return {
            Path(name).name: ("sync", name) in self.made[:n]
            for n, (what, name) in enumerate(self.made)
            if what == "replace"
        }


@pytest.mark.parametrize("ending", ["csv", "md", "xml", "html", "parquet"])
def test_a_report_is_on_the_disk_before_it_has_its_name(project, command, monkeypatch, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    calls = Calls(monkeypatch)
    assert command("run", "s.yaml", "--limit", "3", "-o", f"report.{ending}").code == 0
    found = {name: synced for name, synced in calls.replaced().items() if f"report.{ending}" in name}
    assert list(found.values()) == [True]


def test_a_copy_a_baseline_and_a_cassette_are_too(project, command, monkeypatch):
    calls = Calls(monkeypatch)
    options = ("--limit", "3", "--record", "tapes")
    assert command("run", "s.yaml", *options, "-o", "out.jsonl").code == 0
    assert command("run", "s.yaml", "--baseline", "base.jsonl", "--update-baseline").code == 0
    found = calls.replaced()
    assert {name.split(".")[1] for name in found} >= {"copy", "base"}
    assert len(found) >= 5
    assert set(found.values()) == {True}


def test_what_a_resumed_run_tidies_is_too(project, monkeypatch):
    throughster.run("s.yaml", limit=3, output="out.jsonl")
    path = project / "out.jsonl"
    path.write_text(path.read_text().replace('"status":"ok"', '"status":"error"', 1))
    calls = Calls(monkeypatch)
    throughster.run("s.yaml", limit=3, output="out.jsonl", resume=True)
    found = {name: synced for name, synced in calls.replaced().items() if "out.jsonl" in name}
    assert list(found.values()) == [True]


def test_a_journal_is_on_the_disk_before_it_is_closed(tmp_path, monkeypatch):
    path = tmp_path / "j.jsonl"
    row = Result(
        id="a", spec="s", label="l", provider="p", model="m", deployment=None, row=0, repeat=0, digest="d",
        checks_digest=None, status="ok", vars={},
    )  # fmt: skip

    async def scenario():
        journal = Journal(path, lambda _: None)
        journal.write(row)
        calls = Calls(monkeypatch)
        journal.close()
        return calls.made

    made = [what for what, name in asyncio.run(scenario()) if name == str(path)]
    assert made == ["sync", "close"]
    assert len(path.read_bytes().splitlines()) == 1
