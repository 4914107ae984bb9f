"""`throughster diff`: its verdicts, exit codes, formats, and input that it cannot use."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from tests.regression.lines import result_line

from throughster.regression.power import Suite, repeats_needed

DOCUMENT = Path(__file__).parents[2] / "docs" / "regression.md"


@pytest.fixture
def written(here):
    """`written("a.jsonl", [5, 4, ...])`: the file of cases that passed so many of 5 repeats."""

    def write(name, passed, **fields):
        lines = (
            result_line(row, repeat, **{"status": "ok" if repeat < count else "failed", **fields})
            for row, count in enumerate(passed)
            for repeat in range(5)
        )
        (here / name).write_bytes(b"".join(lines))
        return name

    return write


def test_a_regression_ends_with_1(command, written):
    outcome = command("diff", written("a.jsonl", [5] * 30), written("b.jsonl", [3] * 30))
    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.startswith("Regression (30 cases, 5 repeats of each)\nThe pass rate dropped by 40 points,")
    assert "case-29" not in outcome.out
    assert "  ... and 10 more\n" in outcome.out


def test_the_same_ends_with_0(command, written):
    outcome = command("diff", written("a.jsonl", [5] * 30), "a.jsonl")
    assert outcome.code == 0
    assert outcome.out.startswith("No regression (30 cases, 5 repeats of each)\nThe pass rate did not drop.\n")


def test_too_little_to_tell_ends_with_0_and_says_so(command, written):
    outcome = command("diff", written("a.jsonl", [5, 5]), written("b.jsonl", [5, 4]))
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "Cannot tell (2 cases, 5 repeats of each)")
    outcome = command("diff", "a.jsonl", "b.jsonl", "--format", "json")
    assert (outcome.code, outcome.lines[0]["verdict"]) == (0, "cannot tell")
    assert outcome.err.startswith("Warning: cannot tell. With so few repeats")


def test_tolerance_alpha_and_pass_rate_count(command, written):
    before, after = written("a.jsonl", [5] * 30), written("b.jsonl", [5] * 15 + [4] * 15)
    assert command("diff", before, after).code == 1
    assert command("diff", before, after, "--tolerance", "0.15").code == 0
    assert command("diff", before, after, "--alpha", "0.000001").code == 0
    kinds = {
        case["kind"]
        for case in command("diff", before, after, "--pass-rate", "0.8", "--format", "json").lines[0]["cases"]
    }
    assert kinds == {"same", "changed"}


def test_json_holds_everything(command, written):
    (told,) = command(
        "diff", written("a.jsonl", [5] * 30), written("b.jsonl", [5] * 29 + [0]), "--format", "json"
    ).lines
    assert told["suite"]["cases"] == 30
    assert told["suite"]["drop"] == pytest.approx(1 / 30)
    assert told["cases"][29] == {
        "spec": "suite", "id": "case-29", "label": "offline:canned", "kind": "newly failing",
        "p": pytest.approx(1 / 252), "p_corrected": pytest.approx(1 / 252), "is_certain": True, "is_other_request": False,
        "is_other_check": False,
        "before": {"verdict": "pass", "passed": 5, "failed": 0, "errors": 0, "failures": {}, "cost_usd": pytest.approx(0.005)},
        "after": {"verdict": "fail", "passed": 0, "failed": 5, "errors": 0, "failures": {"icontains": 5}, "cost_usd": pytest.approx(0.005)},
    }  # fmt: skip
    assert {drift["quantity"] for drift in told["drifts"]} == {"latency_s", "cost_usd", "tokens"}


def test_what_comes_from_the_data_cannot_steer_a_terminal_or_a_page(command, written, here):
    evil = "\x1b[31m::error::x|y`<b>\n@all"
    before, after = written("a.jsonl", [5] * 12, id=evil), written("b.jsonl", [0] * 12, id=evil)
    shown = command("diff", before, after).out
    assert "\x1b" not in shown
    assert "::" not in shown
    page = command("diff", before, after, "--format", "markdown").out
    assert "| `[31m::error::x\\|y'<b> @all` |" in page
    assert page.startswith("## Regression (1 case, 5 repeats of each)\n\nThe pass rate dropped by 100 points,")


def test_what_is_in_one_file_only_is_told(command, written):
    outcome = command("diff", written("a.jsonl", [5] * 32), written("b.jsonl", [5] * 30, digest="e"))
    assert "All cases were asked something else than before (prompt, model or parameters).\n" in outcome.out
    assert "Missing, and not compared: 2 cases (case-30, case-31).\n" in outcome.out


def test_cases_without_a_name_are_known_by_their_variables(command, here):
    for name, status in (("a.jsonl", "ok"), ("b.jsonl", "failed")):
        lines = (
            result_line(0, repeat, id="29ba59c0145f5e29", vars={"text": "hi"}, status=status) for repeat in range(5)
        )
        (here / name).write_bytes(b"".join(lines))
    assert (
        "  29ba59c0145f5e29 text=hi  icontains  5/5 pass  0/5 fail  at most 1 in 1,000 by chance"
        in command("diff", "a.jsonl", "b.jsonl").out
    )


def test_nothing_to_compare_is_never_green(command, written, here):
    written("a.jsonl", [5] * 3)
    (here / "empty.jsonl").touch()
    written("other.jsonl", [5], id="another")
    for other in ("empty.jsonl", "other.jsonl"):
        outcome = command("diff", "a.jsonl", other)
        assert outcome.code == 2
        assert "have no case in common" in outcome.err


def test_answers_that_are_gone_are_no_pass(command, written, here):
    written("a.jsonl", [5] * 3)
    (here / "b.jsonl").write_text((here / "a.jsonl").read_text().replace('"status":"ok"', '"status":"error"'))
    outcome = command("diff", "a.jsonl", "b.jsonl", "--format", "json")
    assert (outcome.code, outcome.lines[0]["is_acceptable"]) == (1, False)
    assert "3 cases are without a verdict now, which is no pass." in outcome.lines[0]["reasons"]
    outcome = command("diff", "b.jsonl", "a.jsonl")
    assert (outcome.code, "No case has answers in both" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.jsonl", "none.jsonl"), "none.jsonl cannot be read: No such file or directory."),
        (("a.jsonl", "wrong.jsonl"), "wrong.jsonl:1: this line is no result."),
        (("a.jsonl",), "Missing argument 'B'"),
        (("a.jsonl", "a.jsonl", "--alpha", "0"), "--alpha"),
        (("a.jsonl", "a.jsonl", "--tolerance", "20"), "--tolerance"),
        (("a.jsonl", "a.jsonl", "--alpha", "nan"), "nan is no finite number"),
        (("a.jsonl", "a.jsonl", "--tolerance", "nan"), "nan is no finite number"),
        (("a.jsonl", "a.jsonl", "--pass-rate", "nan"), "nan is no finite number"),
    ],
)
def test_wrong_input_ends_with_2(command, written, here, arguments, said):
    written("a.jsonl", [5])
    (here / "wrong.jsonl").write_text("{}\n")
    outcome = command("diff", *arguments)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_real_run_is_compared_with_itself(command, spec):
    command("run", spec(), "-o", "a.jsonl", "--repeat", "3")
    outcome = command("diff", "a.jsonl", "a.jsonl", "--format", "json")
    assert [case["after"]["passed"] for case in outcome.lines[0]["cases"]] == [3, 3, 3]


# -- the worked example of the documentation --------------------------------------------------------------------------------


def example():
    """The tallies of each column of the example's table, and what the two comparisons print."""
    text = DOCUMENT.read_text("utf-8").partition("\n## A worked example\n")[2]
    rows = re.findall(r"^\| (\d) of 5 \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    tallies = [[int(passed) for passed, *counts in rows for _ in range(int(counts[n]))] for n in range(3)]
    return tallies, re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_documented_example_is_what_the_command_prints(command, written):
    (baseline, monday, tuesday), printed = example()
    assert [len(column) for column in (baseline, monday, tuesday)] == [30, 30, 30]
    written("baseline.jsonl", baseline)
    for code, run, expected in zip((0, 1), (monday, tuesday), printed, strict=True):
        outcome = command("diff", "baseline.jsonl", written("later.jsonl", run), "--pass-rate", "0.8")
        assert (outcome.code, outcome.out) == (code, expected)


def test_the_documented_numbers_of_repeats_are_those_that_tell():
    text = DOCUMENT.read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert len(rows) == 5
    for cases, *repeats in rows:
        suite = Suite(int(cases), 0.9, 0.81)
        assert [repeats_needed(suite, drop, 0.0, 0.05) for drop in (0.05, 0.1, 0.2)] == list(map(int, repeats))


def test_as_many_runs_as_documented_have_a_case_below_its_pass_rate_by_chance():
    passing = sum(math.comb(5, k) * 0.9**k * 0.1 ** (5 - k) for k in (4, 5))
    assert 1 - (1 - passing * (1 - passing)) ** 30 == pytest.approx(0.9, abs=0.01)
