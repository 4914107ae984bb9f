"""The journal: whole lines, one writer, on disk before anything is told, and no row lost to a disk that fails."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading

import orjson
import pytest

from throughster.errors import SettingsError
from throughster.running.journal import Journal, JournalError
from throughster.running.result import Result


def result(n, text="x"):
    return Result(
        id=f"{n:04}", spec="s", label="l", provider="p", model="m", deployment=None, row=n, repeat=0, digest="d",
        checks_digest=None,
        vars={}, status="ok", text=text,
    )  # fmt: skip


def ids(path):
    return [json.loads(line, parse_constant=pytest.fail)["row"] for line in path.read_bytes().splitlines()]


def write(path, rows, announced=None, **options):
    async def scenario():
        with Journal(path, (announced if announced is not None else []).append, **options) as journal:
            for row in rows:
                journal.write(row)
            await asyncio.sleep(0)
        return journal

    return asyncio.run(scenario())


def test_a_result_is_announced_when_it_is_in_the_file(tmp_path):
    path, seen = tmp_path / "j.jsonl", []

    async def scenario():
        with Journal(path, lambda r: seen.append((r.row, ids(path)))) as journal:
            journal.write(result(0))
            assert seen == []
            await asyncio.sleep(0)
            assert seen == [(0, [0])]

    asyncio.run(scenario())


def test_a_short_write_is_finished(tmp_path, monkeypatch):
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, bytes(data[:7])))
    write(tmp_path / "j.jsonl", [result(n) for n in range(5)])
    assert ids(tmp_path / "j.jsonl") == [0, 1, 2, 3, 4]


def test_a_write_that_fails_leaves_whole_lines_and_ends_the_run(tmp_path, monkeypatch):
    path, announced, failed = tmp_path / "j.jsonl", [], []
    whole = os.write

    def full(file, data):
        if os.fstat(file).st_size > 1500:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(file, bytes(data[:300]))

    async def scenario():
        journal = Journal(path, announced.append)
        journal.on_failure = lambda: failed.append(True)
        for n in range(10):
            journal.write(result(n))
            await asyncio.sleep(0)
        journal.close()
        return journal.failure

    monkeypatch.setattr(os, "write", full)
    failure = asyncio.run(scenario())
    assert isinstance(failure, JournalError)
    assert "No space left on device" in str(failure)
    assert "--resume" in str(failure)
    assert failed == [True]
    assert ids(path) == [r.row for r in announced]
    assert 0 < len(announced) < 10


def test_a_second_writer_is_refused_until_the_first_has_ended(tmp_path):
    path = tmp_path / "j.jsonl"

    async def scenario():
        with Journal(path, lambda _: None):
            with pytest.raises(SettingsError, match="Another run is writing"):
                Journal(path, lambda _: None, resume=True)
        Journal(path, lambda _: None, resume=True).close()

    asyncio.run(scenario())


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for resume in (False, True):
        with pytest.raises(JournalError, match="cannot be"):
            Journal(tmp_path / "link", lambda _: None, resume=resume)


def test_lines_reach_the_disk_in_batches(tmp_path, monkeypatch):
    """A hundred rows, or a second, and not each row."""
    synced = []
    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size) or fdatasync(file))

    async def scenario():
        with Journal(tmp_path / "j.jsonl", lambda _: None) as journal:
            for n in range(250):
                journal.write(result(n))
                await asyncio.sleep(0)
            while not synced:
                await asyncio.sleep(0.01)
            during = len(synced)
            journal.write(result(250))
            await asyncio.sleep(0)
            while journal._unsynced_rows:
                await asyncio.sleep(0.01)
            return during

    during = asyncio.run(scenario())
    assert 1 <= during <= 4
    assert synced[-1] == (tmp_path / "j.jsonl").stat().st_size


def test_rows_that_wait_for_nobody_are_written_as_they_come(tmp_path):
    """Answers of a cache, or of a cassette: their workers never give the event loop a turn of themselves."""
    path, most = tmp_path / "j.jsonl", 0

    async def scenario():
        nonlocal most
        with Journal(path, lambda _: None) as journal:
            for n in range(1000):
                if journal.is_behind:
                    await journal.catch_up()
                journal.write(result(n))
                most = max(most, n + 1 - path.read_bytes().count(b"\n"))

    asyncio.run(scenario())
    assert ids(path) == list(range(1000))
    assert most == 64


def test_a_slow_disk_holds_new_rows_back(tmp_path, monkeypatch):
    may_go_on = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _: may_go_on.wait(30))

    async def scenario():
        with Journal(tmp_path / "j.jsonl", lambda _: None) as journal:
            for n in range(1000):
                journal.write(result(n))
            await asyncio.sleep(0)
            assert journal.is_behind
            waiting = asyncio.create_task(journal.catch_up())
            await asyncio.sleep(0.05)
            assert not waiting.done()
            may_go_on.set()
            await asyncio.wait_for(waiting, 30)
            assert not journal.is_behind

    asyncio.run(scenario())


def test_a_sync_that_is_done_but_not_counted_is_not_waited_for_in_vain(tmp_path, monkeypatch):
    """Waiting for it again and again would never let the event loop count it: the run would stand still."""
    waits, shield = [], asyncio.shield

    def counted(future):
        waits.append(future)
        assert len(waits) < 10, "it waits for what is done"
        return shield(future)

    async def scenario():
        with Journal(tmp_path / "j.jsonl", lambda _: None) as journal:
            sync = journal._sync = asyncio.get_running_loop().create_future()
            for n in range(1000):
                journal.write(result(n))
            await asyncio.sleep(0)
            sync.add_done_callback(lambda done: journal._synced(done, 1000, 0))
            sync.set_result(None)
            monkeypatch.setattr(asyncio, "shield", counted)
            await journal.catch_up()
            assert not journal.is_behind

    asyncio.run(scenario())


def test_a_disk_that_fails_to_sync_is_a_failure(tmp_path, monkeypatch):
    def broken(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)

    async def scenario():
        journal = Journal(tmp_path / "j.jsonl", lambda _: None)
        for n in range(100):
            journal.write(result(n))
        await asyncio.sleep(0)
        while journal.failure is None:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(journal.catch_up(), 5)
        journal.close()
        return str(journal.failure)

    assert "Input/output error" in asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "kept"), [("\ud800", "\ufffd"), ("a\u2028b",) * 2, ("é\x00\n",) * 2], ids=["half", "line", "nul"]
)
def test_any_text_is_one_line_of_strict_json(tmp_path, text, kept):
    write(tmp_path / "j.jsonl", [result(0, text)])
    (line,) = (tmp_path / "j.jsonl").read_bytes().split(b"\n")[:-1]
    assert orjson.loads(line)["text"] == kept
