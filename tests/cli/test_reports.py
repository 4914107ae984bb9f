"""What people and CI systems read of a run: the screen, annotations, tables, and reports of what was not run."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
import xmlschema
from rich.console import Console

from throughster.reports.progress import Tally, progress_line
from throughster.running.result import Result
from throughster.types import Usage

XSD = Path(__file__).parents[1] / "data" / "junit.xsd"
SUITE = """\
version: 1
name: tone
provider: {name: offline, answers: answers.yaml}
prompt: "Name the mood: {{ text }}"
tests: tone.csv
"""


@pytest.fixture
def tone(here):
    """A suite in a folder below the one where the command runs, as in a repository."""
    (here / "specs").mkdir()
    (here / "specs" / "answers.yaml").write_text(
        '- {contains: love, answer: praise}\n- {contains: crash, answer: "a: b, c"}\n'
    )
    (here / "specs" / "tone.csv").write_text(
        "text,__expected,__id\nI love it,praise,glad\nIt crashed,contains:bug,sad\n"
    )
    (here / "specs" / "tone.yaml").write_text(SUITE)
    return here


def test_annotations_and_junit_name_the_file_in_the_repository(tone, command):
    outcome = command("run", "specs/tone.yaml", "--format", "github", "-o", "junit.xml", "-o", "summary.md")
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("::error"))
    assert line == (
        "::error file=specs/tone.csv,line=3,title=sad::fail on offline:canned: 0/1 passed: "
        'contains: "bug" is not in "a: b, c"'
    )
    assert 'file="specs/tone.csv" line="3"' in (tone / "junit.xml").read_text()
    assert "sad (specs/tone.csv:3)" in (tone / "summary.md").read_text()


def test_annotations_are_named_from_the_root_of_the_repository(tone, command, monkeypatch):
    """A step of GitHub's may run in a folder of the repository; its annotations are read from the root all the same."""
    monkeypatch.chdir(tone / "specs")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tone))
    assert "::error file=specs/tone.csv,line=3," in command("run", "tone.yaml", "--format", "github").out
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tone / "elsewhere"))
    assert "::error file=tone.csv,line=3," in command("run", "tone.yaml", "--format", "github").out


@pytest.mark.parametrize("folder", [".", "specs"])
def test_a_problem_in_a_table_or_a_template_has_its_path_from_here(tone, command, monkeypatch, folder):
    (tone / "specs" / "tone.csv").write_text("text,__expected\nI love it,contians:x\n")
    (tone / "specs" / "p.j2").write_text("{{ text } }}")
    (tone / "specs" / "d.csv").write_text("text,text\n")
    (tone / "specs" / "rows.yaml").write_text("version: 1\nprovider: offline\nprompt: {file: p.j2}\ndata: d.csv\n")
    monkeypatch.chdir(tone / folder)
    path = "specs/" if folder == "." else ""
    outcome = command("check", f"{path}tone.yaml", f"{path}rows.yaml", "--format", "github")
    places = re.findall(r"file=([^,]+)", outcome.out)
    assert set(places) == {f"{path}tone.csv", f"{path}p.j2", f"{path}d.csv"}


def test_a_cell_of_the_summary_is_escaped_once(here, command):
    (here / "ex.yaml").write_text(
        "version: 1\nname: ex\nprovider: offline\nprompt: hi\n"
        'tests: [{id: "a#1 & `b`", assert: [{type: contains, value: "[x] #1 *y* `z` & <b>"}]}]\n'
    )
    command("run", "ex.yaml", "-o", "summary.md")
    (row,) = (line for line in (here / "summary.md").read_text().splitlines() if "fail" in line and "|" in line)
    assert "a&#35;1 &#38; &#96;b&#96;" in row
    assert "&#91;x&#93; &#35;1 &#42;y&#42; &#96;z&#96; &#38; &#60;b&#62;" in row


def test_a_spec_that_is_refused_has_red_reports(tone, command):
    (tone / "specs" / "tone.yaml").write_text(SUITE.replace("tests:", "tets:"))
    outcome = command("run", "specs/", "-o", "junit.xml", "-o", "summary.md", "-o", "out.jsonl")
    assert outcome.code == 2
    xmlschema.validate(str(tone / "junit.xml"), str(XSD))
    told = (tone / "junit.xml").read_text()
    assert 'errors="2"' in told
    assert "unknown key `tets`. Did you mean `tests`?" in told
    assert 'file="specs/tone.yaml" line="5"' in told
    summary = (tone / "summary.md").read_text()
    assert summary.startswith("## ❌ Nothing was run")
    assert "| specs/tone.yaml:5:1 | unknown key &#96;tets&#96;. Did you mean" in summary
    assert not (tone / "out.jsonl").exists()


@pytest.mark.parametrize("options", [("--baseline", "nothing.jsonl"), ("--replay", "nothing"), ("--filter", "nothing")])
def test_a_command_that_is_refused_has_red_reports(tone, command, options):
    outcome = command("run", "specs/tone.yaml", *options, "-o", "junit.xml", "-o", "summary.md")
    assert outcome.code == 2
    assert "<error " in (tone / "junit.xml").read_text()
    assert "❌" in (tone / "summary.md").read_text()


def test_a_check_writes_no_report(tone, command):
    (tone / "specs" / "tone.yaml").write_text(SUITE.replace("tests:", "tets:"))
    assert command("run", "specs/tone.yaml", "--check", "-o", "junit.xml").code == 2
    assert not (tone / "junit.xml").exists()


def test_a_failed_checks_reason_is_the_error_of_the_table(tone, command):
    command("run", "specs/tone.yaml", "-o", "out.csv")
    rows = {row["id"]: row["error"] for row in csv.DictReader(io.StringIO((tone / "out.csv").read_text()))}
    assert rows == {"glad": "", "sad": 'contains: "bug" is not in "a: b, c"'}


def test_an_id_is_chosen_as_it_is_printed(here, command, results):
    (here / "s.yaml").write_text(
        "version: 1\nprovider: offline\nprompt: '{{ language }}'\nmatrix: {language: [French, German]}\n"
        "tests: [{id: greet, assert: [{type: finish-reason, value: stop}]}]\n"
    )
    assert command("run", "s.yaml", "--filter", "greet[language=French]", "-o", "out.jsonl").code == 0
    assert [line["id"] for line in results("out.jsonl")] == ["greet[language=French]"]
    assert command("run", "s.yaml", "--filter", "greet[[]language=G*", "-o", "glob.jsonl").code == 0


# -- the screen -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def many(here):
    (here / "answers.yaml").write_text("- {contains: Say bad, answer: wrong}\n- {contains: Say, answer: fine}\n")

    def write(rows, bad, prefix=""):
        tests = [
            {"id": f"T{n:03}", "vars": {"w": "bad" if n in bad else f"{prefix}{n}"},
             "assert": [{"type": "equals", "value": "fine"}]} for n in range(rows)
        ]  # fmt: skip
        spec = {"version": 1, "name": "many", "provider": {"name": "offline", "answers": "answers.yaml"},
                "prompt": "Say {{ w }}", "tests": tests}  # fmt: skip
        (here / "s.yaml").write_text(json.dumps(spec))

    return write


def test_of_many_rows_those_that_failed_are_shown_first(many, command):
    many(60, {30, 31, 59})
    outcome = command("run", "s.yaml", "-o", "out.jsonl")
    table = outcome.out.splitlines()
    assert [line.split()[0] for line in table[1:4]] == ["bad"] * 3
    good = [int(line.split()[0]) for line in table[4:21]]
    assert good == sorted(good)
    assert table[21] == "... and 40 more. All of them: throughster view out.jsonl"
    assert '3 rows: failed: equals: "wrong" does not equal "fine" (T030, T031, T059)' in outcome.err


def test_of_few_rows_the_order_stays(many, command):
    many(4, {2})
    outcome = command("run", "s.yaml", "-o", "out.jsonl")
    assert [line.split()[0] for line in outcome.out.splitlines()[1:5]] == ["0", "1", "bad", "3"]


def test_many_names_are_cut_and_rows_without_a_name_are_numbered_from_1(many, command, here):
    many(40, set(range(10, 18)))
    outcome = command("run", "s.yaml", "-o", "out.jsonl")
    assert "8 rows: failed" in outcome.err
    assert "(T010, T011, T012, T013, T014, ...)" in outcome.err
    (here / "rows.yaml").write_text(
        'version: 1\nprovider: {name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}\nprompt: Say {{ w }}\n'
        "data: [{w: a}, {w: b}]\nretry: {max_attempts: 1}\n"
    )
    outcome = command("run", "rows.yaml", "-v", "-o", "rows.jsonl", "--format", "github")
    assert "row 1 vllm:m: error" in outcome.err
    assert "row 0" not in outcome.err + outcome.out
    assert "(row 1, row 2)" in outcome.err
    assert "::error title=rows::row 2: error:" in outcome.out
    assert "--- rows row 1 (" in command("render", "rows.yaml", "--limit", "1").out


def test_a_missing_recording_is_told_once_and_its_row_is_an_error(many, command, results):
    many(1, set())
    command("run", "s.yaml", "--record", "tapes", "-o", "first.jsonl")
    many(1, set(), prefix="other ")
    outcome = command("run", "s.yaml", "--replay", "tapes", "-o", "out.jsonl")
    assert outcome.code == 2
    assert (outcome.out + outcome.err).count("No recording in tapes fits row T000") == 1
    assert "s.yaml:1: error 0/1: T000 on offline:canned\n" in outcome.err
    (line,) = results("out.jsonl")
    assert (line["status"], line["error"]["type"]) == ("error", "CassetteError")


def test_a_line_of_a_log_is_not_broken(here, command):
    long = "x" * 300
    (here / "s.yaml").write_text(
        f'version: 1\nprovider: {{name: vllm, model: m, label: {long}, api_base: "http://127.0.0.1:9/v1"}}\nprompt: hi\n'
        "retry: {max_attempts: 1}\n"
    )
    outcome = command("run", "s.yaml", "-v", "-o", "out.jsonl")
    for begin in ("s: 1 row on ", "  row 1 ", "Results: "):
        (line,) = (
            line
            for line in (outcome.out + "\n" + outcome.err).splitlines()
            if line.startswith(begin) and "send" not in line
        )
        assert line.startswith(f"{begin}{long if 'Results' not in begin else 'out.jsonl'}")


def result(status):
    return Result(
        id="a", spec="s", label="l", provider="p", model="m", deployment=None, row=0, repeat=0, digest="d",
        checks_digest=None, status=status, vars={}, usage=Usage(1000, 100, 1100), attempts=(None, None),
    )  # fmt: skip


@pytest.mark.parametrize("width", [50, 60, 79, 80, 99, 100, 120, 200])
@pytest.mark.parametrize("total", [7, 123_456, None])
def test_the_progress_line_is_one_line_at_every_width(width, total):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    tally = Tally(total)
    progress = progress_line(console, tally)
    task = progress.add_task("", total=total)
    for status in ("ok", "failed", "error"):
        tally.add(result(status))
        progress.advance(task)
    console.print(progress.get_renderable())
    (line,) = file.getvalue().splitlines()
    assert len(line.rstrip()) <= width
    assert "2 failed" in line
    assert "1 ok" in line or width < 80
    assert "3,300 tokens" in line or width < 200
    assert "0:00:0" in line


def test_the_bar_of_a_run_that_is_gone_on_with_counts_what_is_left(many, process, here):
    many(30, set())
    process("run", "s.yaml", "-o", "out.jsonl", "--limit", "18").communicate(timeout=60)
    again = process("run", "s.yaml", "-o", "out.jsonl", "--resume", "--color", "always", env={"COLUMNS": "120"})
    _, err = again.communicate(timeout=60)
    assert "30 rows on offline:canned, 18 of them done already" in err
    totals = set(re.findall(r"\d+/(\d+)", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)))
    assert totals <= {"12"}


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["alone", "several"])
def test_an_interruption_says_at_once_what_is_waited_for(process, here, processes):
    server = process("emulate", "--dialect", "vllm", "--latency", "60")
    base = server.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"
    (here / "s.yaml").write_text(
        f'version: 1\nname: s\nprovider: {{name: vllm, model: m, api_base: "{base}"}}\nprompt: Say {{{{ w }}}}\n'
        "data: [{w: a}, {w: b}, {w: c}]\n"
    )
    run = process("run", "s.yaml", "-o", "out.jsonl", "-q", *processes)
    deadline = time.monotonic() + 30
    while not (here / "out.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(run.pid, signal.SIGINT)
    told = run.stderr.readline()
    waited_for = "the answers under way" if processes else "3 answers"
    assert told == f"Stopping: waiting up to 4 s for {waited_for}; Ctrl-C again ends at once.\n"
    os.kill(run.pid, signal.SIGINT)
    run.communicate(timeout=30)
