"""Going on with a run: what is asked again and what is not, after interruptions, kills, edits and damage."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import throughster
from throughster.emulator import Emulator, Options
from throughster.emulator.exchange import Reply
from throughster.errors import SettingsError
from throughster.running.hashes import HashMap, HashSet
from throughster.running.result import STATUSES, Result, to_line
from throughster.running.resume import ASKED_AGAIN, lane_of, newest_journal, read_done, tidy

SPEC = """\
version: 1
name: demo
provider: {name: vllm, model: m, api_base: "BASE"}
prompt: Say {{ word }}.
data: words.jsonl
retry: {max_attempts: 1}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    (tmp_path / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(20)))
    return tmp_path


def lines(path):
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines()]


class Asked:
    """Runs the spec against one server; `asked(...)` gives the words that were asked of it this time."""

    def __init__(self, project):
        self.project = project
        self.spec = SPEC
        self.broken = set()

    def __call__(self, **options):
        asked = []

        async def before(request, route):
            word = request.body["messages"][0]["content"].removeprefix("Say ").strip(".")
            asked.append(word)
            return Reply(500, b"") if word in self.broken else None

        async def whole():
            async with Emulator(Options(dialect="vllm", before_answer=before)) as emulator:
                (self.project / "s.yaml").write_text(self.spec.replace("BASE", emulator.api_base))
                return await throughster.arun("s.yaml", **{"output": "out.jsonl", **options})

        asyncio.run(whole())
        return asked


@pytest.fixture
def asked(project):
    return Asked(project)


def test_nothing_to_go_on_with_simply_starts(asked):
    assert len(asked(resume=True)) == 20


def test_what_has_an_answer_is_not_asked_again(asked, project):
    asked(limit=5)
    assert asked(resume=True) == [f"w{n}" for n in range(5, 20)]
    assert asked(resume=True) == []
    assert [line["row"] for line in lines(project / "out.jsonl")] == list(range(20))


def test_failed_rows_are_asked_again_and_the_file_holds_each_once(asked, project):
    asked.broken = {"w3", "w7"}
    asked()
    assert Counter(line["status"] for line in lines(project / "out.jsonl")) == {"ok": 18, "error": 2}
    asked.broken = {"w7"}
    assert sorted(asked(resume=True)) == ["w3", "w7"]
    written = lines(project / "out.jsonl")
    assert sorted(line["row"] for line in written) == list(range(20))
    assert [line["vars"]["word"] for line in written if line["status"] != "ok"] == ["w7"]


def test_rows_may_come_in_another_order(asked, project):
    asked()
    rows = (project / "words.jsonl").read_text().splitlines()
    random.Random(1).shuffle(rows)
    (project / "words.jsonl").write_text("\n".join([*rows, '{"word": "new"}']) + "\n")
    assert asked(resume=True) == ["new"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Say {{ word }}.", "Tell {{ word }}."),
        ("model: m,", "model: n,"),
        ("model: m,", "model: m, params: {temperature: 0.5},"),
        ("prompt:", "output: {schema: {type: object}}\nprompt:"),
        ("prompt:", "tools: [{name: t, parameters: {type: object, properties: {a: {type: integer}}}}]\nprompt:"),
    ],
)
def test_a_changed_request_is_asked_again(asked, project, before, after):
    asked()
    asked.spec = SPEC.replace(before, after).replace("name: vllm,", "name: vllm, label: same,")
    first = lines(project / "out.jsonl")
    asked.spec = asked.spec.replace("label: same", f'label: "{first[0]["label"]}"')
    assert len(asked(resume=True)) == 20
    assert len(lines(project / "out.jsonl")) == 20


@pytest.mark.parametrize(
    "change", ["retry: {max_attempts: 2}", "concurrency: 3", "timeout: {total_s: 99}", "tags: [x]"]
)
def test_what_changes_no_answer_asks_nothing_again(asked, change):
    asked()
    asked.spec = SPEC.replace("retry: {max_attempts: 1}", change)
    assert asked(resume=True) == []


def test_the_newest_run_is_gone_on_with(asked, project):
    asked(output=None, limit=3)
    assert len(asked(output=None, resume=True)) == 17
    (journal,) = project.glob("runs/demo/*/results.jsonl")
    assert len(lines(journal)) == 20


def test_the_newest_of_several_is_found(tmp_path):
    for name in ("20260101T000000Z", "20260101T000000Z-2", "20260101T000000Z-10", "20251231T235959Z-99"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.jsonl").write_text("")
    assert newest_journal(tmp_path).parent.name == "20260101T000000Z-10"
    assert newest_journal(tmp_path / "nothing") is None


@pytest.mark.parametrize("cut", [1, 10, 200, 4000])
def test_a_torn_tail_is_cut_off(asked, project, cut):
    asked()
    path = project / "out.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    left = path.read_bytes().count(b"\n")
    assert len(asked(resume=True)) == 20 - left
    assert sorted(line["row"] for line in lines(path)) == list(range(20))


def test_a_line_that_is_no_result_is_told_with_its_number(asked, project):
    asked()
    path = project / "out.jsonl"
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text[:4], "{broken", *text[4:]]) + "\n")
    with pytest.raises(SettingsError, match=r"out.jsonl:5: this line is no result"):
        asked(resume=True)


def test_the_done_set_is_small_and_exact():
    numbers = [random.Random(n).getrandbits(64) for n in range(20_000)]
    known, digests = HashSet(), HashMap()
    assert all(known.add(n) for n in numbers)
    assert not any(known.add(n) for n in numbers)
    assert all(digests.put(n, n >> 1) for n in numbers)
    assert not any(digests.put(n, 5) for n in numbers)
    assert [digests.get(n) for n in numbers] == [n >> 1 for n in numbers]
    assert digests.get(12345) is None
    assert (len(known), len(digests)) == (20_000, 20_000)
    assert len(known._table) * array("Q").itemsize < 20_000 * 40


def test_tidying_leaves_the_last_line_of_each_row(tmp_path):
    path = tmp_path / "j.jsonl"
    row = {"spec": "s", "label": "l", "repeat": 0, "error": None, "digest": "d"}
    entries = [{**row, "id": str(n % 3), "status": "error" if n < 3 else "ok", "n": n} for n in range(5)]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    done = read_done(path)
    lane = lane_of("s", "l")
    assert (done.counts["s"], done.has("0", lane, 0, 0xD), done.has("2", lane, 0, 0xD)) == (2, True, False)
    statuses, provider_down = tidy(path)
    assert (statuses, provider_down) == ({"ok": 2, "error": 1}, 0)
    assert [entry["n"] for entry in lines(path)] == [2, 3, 4]


@given(
    st.tuples(*[st.text(max_size=8)] * 3),
    st.none() | st.text(max_size=4),
    st.sampled_from(STATUSES),
    st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    st.dictionaries(st.text(max_size=4), st.sampled_from(["x", '","status":"ok",', {"status": "error"}]), max_size=3),
)
def test_a_line_is_known_again_whatever_its_texts(tmp_path_factory, names, model, status, asked, checked, variables):
    """Its head is read alone, or all of it where an escape stands in the head."""
    row, spec, label = names
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    result = Result(
        id=row, spec=spec, label=label, provider="p", model=model, deployment=model, row=3, repeat=2,
        digest=f"{asked:016x}", checks_digest=None if checked is None else f"{checked:016x}", status=status,
        vars=variables,
    )  # fmt: skip
    path.write_bytes(to_line(result))
    done, lane = read_done(path), lane_of(spec, label)
    digest = asked ^ (checked or 0)
    is_answered = digest != 0 and status not in ASKED_AGAIN
    assert done.has(row, lane, 2, digest) == is_answered
    assert done.counts == ({spec: 1} if is_answered else {})
    assert not done.has(row, lane, 1, digest)
    assert not done.has(row, lane, 2, digest ^ 1)


def test_a_line_whose_end_is_missing_is_no_result(asked, project):
    asked()
    path = project / "out.jsonl"
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text[:2], text[2][:-2], *text[3:]]) + "\n")
    with pytest.raises(SettingsError, match=r"out.jsonl:3: this line is no result"):
        asked(resume=True)


# -- processes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_server(process):
    """An emulator of its own, whose answers take a moment."""
    server = process("emulate", "--dialect", "vllm", "--latency", "0.02")
    line = server.stdout.readline()
    return line.split(" on ")[1].split(";")[0] + "/v1"


def test_kill_9_loses_nothing_and_doubles_nothing(project, slow_server, process):
    (project / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(400)))
    (project / "s.yaml").write_text(SPEC.replace("BASE", slow_server))
    dice, kills = random.Random(7), 0
    for _ in range(30):
        run = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "-q", "--concurrency", "20")
        wait_until(lambda run=run: run.poll() is not None or (project / "out.jsonl").exists())
        if kills < 5:
            time.sleep(dice.uniform(0.0, 0.25))
        if kills >= 5 or run.poll() is not None:
            assert run.wait(timeout=60) == 0
            break
        run.kill()
        run.wait()
        kills += 1
    written = lines(project / "out.jsonl")
    assert kills == 5
    assert sorted(line["row"] for line in written) == list(range(400))
    assert {line["status"] for line in written} == {"ok"}


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


def test_a_second_run_on_the_same_file_is_refused_and_a_dead_one_leaves_no_lock(project, slow_server, process):
    (project / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(4000)))
    (project / "s.yaml").write_text(SPEC.replace("BASE", slow_server))
    first = process("run", "s.yaml", "-o", "out.jsonl", "-q", "--concurrency", "4")
    wait_until(lambda: (project / "out.jsonl").exists() and (project / "out.jsonl").stat().st_size > 0)
    second = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "-q")
    _, told = second.communicate(timeout=30)
    assert (second.returncode, "Another run is writing out.jsonl" in told) == (2, True)
    first.kill()
    first.wait()
    third = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "-q", "--limit", "5")
    third.communicate(timeout=30)
    assert third.returncode == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_ends_a_run_that_can_be_gone_on_with(project, slow_server, process, number, code):
    (project / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(2000)))
    (project / "s.yaml").write_text(SPEC.replace("BASE", slow_server))
    run = process("run", "s.yaml", "-o", "out.jsonl", "--no-progress", "--concurrency", "4")
    wait_until(lambda: (project / "out.jsonl").exists() and (project / "out.jsonl").stat().st_size > 0)
    run.send_signal(number)
    _, told = run.communicate(timeout=30)
    assert run.returncode == code
    assert "Stopped early: interrupted" in told
    assert "To go on: the same command with --resume." in told
    again = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "-q", "--concurrency", "200")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert sorted(line["row"] for line in lines(project / "out.jsonl")) == list(range(2000))


def test_a_second_signal_ends_at_once(project, process):
    server = process("emulate", "--dialect", "vllm", "--latency", "60")
    base = server.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"
    (project / "s.yaml").write_text(SPEC.replace("BASE", base))
    run = process("run", "s.yaml", "-o", "out.jsonl", "--no-progress")
    wait_until((project / "out.jsonl").exists)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began_at = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert time.monotonic() - began_at < 20
    assert run.returncode == -signal.SIGINT


def test_a_full_disk_ends_the_run_which_goes_on_when_there_is_room(project, slow_server, process):
    import resource

    (project / "words.jsonl").write_text("".join(f'{{"word": "w{n}"}}\n' for n in range(300)))
    (project / "s.yaml").write_text(SPEC.replace("BASE", slow_server))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))

    full = process("run", "s.yaml", "-o", "out.jsonl", "-q", preexec_fn=small_files)
    _, told = full.communicate(timeout=60)
    assert full.returncode == 3
    assert "cannot be written: File too large" in told
    kept = len(lines(project / "out.jsonl"))
    assert 0 < kept < 300
    again = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "-q")
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert sorted(line["row"] for line in lines(project / "out.jsonl")) == list(range(300))
