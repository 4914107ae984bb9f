"""The recipes of docs/regression.md, simulated through results files: each keeps its promises, false alarms first."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from tests.regression.lines import result_line

from throughster.regression import compare, fold

DOCUMENT = Path(__file__).parents[2] / "docs" / "regression.md"
ALPHA, RUNS = 0.05, 200
ALIKE = [0.9] * 30


def allowed(chance):
    """So often, and three standard deviations of the simulation itself."""
    return chance * RUNS + 3 * (chance * (1 - chance) * RUNS) ** 0.5


class Runs:
    """Runs of cases with these chances of passing, as results files."""

    def __init__(self, folder, *, seed=1, copies=False):
        self.folder, self.dice, self.copies = folder, random.Random(seed), copies

    def fold(self, chances, repeats, pass_rate):
        path = self.folder / "results.jsonl"
        with path.open("wb") as file:
            for row, chance in enumerate(chances):
                drawn = [self.dice.random() < chance for _ in range(1 if self.copies else repeats)]
                for repeat, passed in enumerate(drawn * (repeats // len(drawn))):
                    status = "ok" if passed else "failed"
                    file.write(result_line(row, repeat, status=status, planned=repeats, sampled=not self.copies))
        return fold(path, pass_rate=pass_rate)

    def compared(self, before, after, repeats, *, pass_rate=1.0, **how):
        for _ in range(RUNS):
            yield compare(*(self.fold(chances, repeats, pass_rate) for chances in (before, after)), **how)


def newly_failing_by_chance(repeats, cases=30, chance=0.9):
    return 1 - (1 - (chance * (1 - chance)) ** repeats) ** cases


@pytest.mark.parametrize("pass_rate", [1.0, 0.8])
@pytest.mark.parametrize("repeats", [3, 5])
def test_repeats_of_both_runs_raise_no_more_alarms_than_said(tmp_path, repeats, pass_rate):
    """The first recipe, and that with a baseline: `--repeat 5` before and after, nothing has changed."""
    found = list(Runs(tmp_path).compared(ALIKE, ALIKE, repeats, pass_rate=pass_rate))
    assert sum(one.verdict == "regression" for one in found) <= allowed(ALPHA)
    alarms = ALPHA + newly_failing_by_chance(repeats)
    assert sum(not one.is_acceptable for one in found) <= allowed(alarms)


@pytest.mark.parametrize("pass_rate", [1.0, 0.8])
def test_repeats_of_both_runs_find_a_real_drop(tmp_path, pass_rate):
    found = Runs(tmp_path).compared(ALIKE, [0.7] * 30, 5, pass_rate=pass_rate)
    assert sum(not one.is_acceptable for one in found) >= 0.95 * RUNS


def test_asked_once_with_a_warning_for_what_fails_newly(tmp_path):
    found = list(Runs(tmp_path).compared(ALIKE, ALIKE, 1, forgives_newly_failing=True))
    assert sum(not one.is_acceptable for one in found) <= allowed(ALPHA)
    assert sum(bool(one.of_kind("newly failing")) for one in found) >= 0.85 * RUNS


def test_a_tolerated_drop_raises_no_more_alarms_than_said(tmp_path):
    found = Runs(tmp_path).compared(ALIKE, [0.85] * 30, 5, tolerance=0.05)
    assert sum(one.verdict == "regression" for one in found) <= allowed(ALPHA)


def test_copies_of_one_answer_raise_no_more_alarms_than_said(tmp_path):
    """`temperature: 0`, where the answers change from day to day but not within a run."""
    found = list(Runs(tmp_path, copies=True).compared(ALIKE, ALIKE, 5, forgives_newly_failing=True))
    assert sum(one.verdict == "regression" for one in found) <= allowed(ALPHA)
    assert all(one.suite.before.repeats == 30 for one in found)


def test_a_broken_case_is_found_whatever_the_rest_does(tmp_path):
    found = Runs(tmp_path).compared([1.0] * 4, [0.0] + [1.0] * 3, 1)
    assert not any(one.is_acceptable for one in found)


def test_as_many_comparisons_as_documented_have_a_newly_failing_case():
    text = DOCUMENT.read_text("utf-8").partition("| repeats | comparisons with a newly failing case |")[2]
    table = re.findall(r"^\| (\d) \| (?:less than )?([\d.]+) % \|$", text, re.MULTILINE)
    assert [int(repeats) for repeats, _ in table] == [1, 2, 3, 5]
    for repeats, percent in table[:3]:
        assert round(100 * newly_failing_by_chance(int(repeats))) == int(percent)
    assert 100 * newly_failing_by_chance(5) < float(table[3][1])
