"""docs/checks.md, held against the checks."""

import re
from pathlib import Path

from tests.checks.making import compiled

from throughster.checks import KINDS, parse_expected
from throughster.checks.expected import _USUAL
from throughster.checks.expression import NAMES
from throughster.checks.graded import _CATEGORIES
from throughster.checks.refusals import LANGUAGES
from throughster.yamltree import parse_yaml

TEXT = (Path(__file__).parents[2] / "docs" / "checks.md").read_text("utf-8")


def table(first):
    """The rows of the table whose first column has this name, each cell as it stands."""
    found = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in found[1].splitlines()]


def entry_of(cell):
    document, problems = parse_yaml(cell.strip("`"), "example")
    assert not problems
    return document.value()


def test_every_type_has_its_row_and_its_example():
    rows = table("type")
    assert [row[0].strip("`") for row in rows] == list(KINDS)
    for kind, value, threshold, _, example in rows:
        entry, known = entry_of(example), KINDS[kind.strip("`")]
        assert entry["type"].removeprefix("not-") == kind.strip("`")
        compiled(entry)
        assert (value == "none") is (known.value == "none")
        told = "none" if known.threshold is None else "needed" if known.threshold.is_needed else "optional"
        assert told == (
            threshold if threshold == "none" else "optional" if threshold.startswith("optional") else "needed"
        )


def test_the_examples_compile():
    block = re.search(r"```text\n(- \{type.*?)```", TEXT, re.DOTALL)[1]
    assert len(compiled(*entry_of(block))) == 3


def test_the_fields_are_these():
    assert [row[0].strip("`") for row in table("field")] == ["type", "value", "threshold", "weight", "path", "metric"]


def test_the_names_of_an_expression_are_these():
    assert [row[0].strip("`") for row in table("name")] == list(NAMES)


def test_the_cells_stand_for_these_checks():
    for cell, example in table("cell"):
        assert parse_expected(cell.strip("`")) == entry_of(example), cell
    told = TEXT.partition("Without a threshold `levenshtein`")[2].partition("as in\npromptfoo")[0]
    assert _USUAL == {"levenshtein": 5, "rouge": 0.75, "similar": 0.75, "bleu": 0.5, "g-eval": 0.7}
    assert re.findall(r"[\d.]+\d|\d", told) == ["5", "0.75", "0.5", "0.7"]


def test_the_categories_and_languages_are_these():
    assert [float(row[1]) for row in table("category of `factuality`")] == [score for score, _ in _CATEGORIES.values()]
    told = TEXT.partition("The languages are ")[2].partition(".")[0]
    assert re.findall(r"[A-Z]\w+", told) == list(LANGUAGES)
