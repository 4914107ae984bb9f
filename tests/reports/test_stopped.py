"""Reports of runs that ended before everything was asked: none of them may look as if it had passed."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.reports.reading import read_page

from throughster.reports.files import write_report
from throughster.running.plan import Options, prepare

SUITE = """\
version: 1
name: suite
provider: offline
prompt: Hi {{ n }}
concurrency: 1
"""
TESTS = "tests:\n" + "".join(
    f"  - {{id: t{n}, vars: {{n: {n}}}, assert: [{{type: word-count, value: {{max: 1000}}}}]}}\n" for n in range(3)
)
ROWS = "data: [{n: 0}, {n: 1}, {n: 2}]\n"


@pytest.fixture
def stopped(here, command):
    """`stopped(text)`: run a spec whose budget is one call; gives the outcome. Reports: `out.*`."""

    def run(text, *options):
        (here / "suite.yaml").write_text(text)
        names = [f"out.{ending}" for ending in ("jsonl", "xml", "md", "html")]
        outputs = [part for name in names for part in ("-o", name)]
        return command("run", "suite.yaml", *outputs, *options)

    return run


@pytest.mark.parametrize(("rows", "errors"), [(TESTS, 2), (ROWS, 2)], ids=["tests", "rows"])
def test_what_was_not_asked_is_an_error_in_every_report(stopped, here, rows, errors):
    assert stopped(SUITE + rows, "--max-requests", "1").code == 4
    root = ET.parse(here / "out.xml").getroot()
    assert (root.attrib["tests"], root.attrib["errors"], root.attrib["failures"]) == ("3", str(errors), "0")
    told = [error.attrib["message"] for error in root.iter("error")]
    assert told[-1].startswith("was not asked: The budget is spent")
    markdown = (here / "out.md").read_text()
    assert markdown.startswith("## ❌ suite")
    assert "**Not complete:** 2 of them have no verdict: was not asked: The budget" in markdown
    page = read_page(here / "out.html")
    legend = [item.words for item in page.one("section", "summary").one("ul", "legend").all("li")]
    assert legend == ["✓ pass 1", "! error 1", "! not asked 1"]
    assert page.one("p", "verdict").words == "Incomplete exit 4"
    assert "1 question was not asked." in page.one("header").words


def test_a_results_file_with_what_was_skipped_is_not_passed(stopped, here, command):
    stopped(SUITE + TESTS, "--max-requests", "1")
    assert command("view", "out.jsonl", "-o", "view.html").code == 0
    assert read_page(here / "view.html").one("p", "verdict").words == "Incomplete"


def test_an_interrupted_run_without_a_line_for_the_rest(stopped, here, command):
    """A signal lets what is under way end, and of what comes after it the journal has nothing."""
    assert stopped(SUITE + TESTS).code == 0
    lines = (here / "out.jsonl").read_text().splitlines(keepends=True)
    journal = here / "interrupted.jsonl"
    journal.write_text(lines[0])
    plans, _ = prepare([Path("suite.yaml")], [], Options())
    for ending in ("xml", "md", "html"):
        write_report(journal, here / f"again.{ending}", plans)
    root = ET.parse(here / "again.xml").getroot()
    assert (root.attrib["tests"], root.attrib["errors"]) == ("3", "2")
    assert {error.attrib["message"] for error in root.iter("error")} == {"was not asked: the run was stopped"}
    assert "2 of them have no verdict: was not asked: the run was stopped" in (here / "again.md").read_text()
    page = read_page(here / "again.html")
    assert page.one("p", "verdict").words == "Incomplete"
    assert page.one("section", "summary").one("h2").words == "3 tests"
    assert command("view", "interrupted.jsonl", "-o", "view.html").code == 0
    assert "does not say whether the run came to its end" in read_page(here / "view.html").one("header").words


@pytest.mark.parametrize("rows", [TESTS, ROWS], ids=["tests", "rows"])
def test_repeats_that_are_missing(stopped, here, rows):
    assert stopped(SUITE + "repeat: 2\n" + rows, "--max-requests", "1").code == 4
    root = ET.parse(here / "out.xml").getroot()
    assert root.attrib["errors"] == root.attrib["tests"]
    assert (here / "out.md").read_text().startswith("## ❌ suite")


@pytest.mark.parametrize("rows", [TESTS, ROWS], ids=["tests", "rows"])
def test_a_whole_run_is_as_green_as_ever(stopped, here, rows):
    assert stopped(SUITE + "repeat: 2\n" + rows).code == 0
    root = ET.parse(here / "out.xml").getroot()
    assert (root.attrib["tests"], root.attrib["errors"]) == ("3", "0")
    assert (here / "out.md").read_text().startswith("## ✅ suite")
    assert read_page(here / "out.html").one("p", "verdict").words == "Passed exit 0"


def test_a_report_of_several_specs_has_them_all(here, command):
    """Without a journal of the command each spec has one of its own."""
    (here / "specs").mkdir()
    for name in ("a", "b"):
        (here / f"specs/{name}.yaml").write_text((SUITE + TESTS).replace("name: suite", f"name: {name}"))
    assert command("run", "specs", "-o", "all.xml", "-o", "all.html").code == 0
    root = ET.parse(here / "all.xml").getroot()
    assert [(suite.attrib["name"], suite.attrib["tests"]) for suite in root] == [("a", "3"), ("b", "3")]
    assert root.attrib["errors"] == "0"
    assert read_page(here / "all.html").one("h1").text == "a, b"


@pytest.mark.skipif(sys.platform != "linux", reason="the folder is of Linux")
def test_a_folder_that_takes_no_files_is_told_before_anything_is_asked(stopped, here, command):
    stopped(SUITE + ROWS)
    outcome = command("run", "suite.yaml", "-o", "/proc/x.xml")
    assert (outcome.code, "/proc/x.xml cannot be written" in outcome.err) == (2, True)
