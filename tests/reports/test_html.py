"""The HTML report: what stands on the page, that nothing breaks out of it, and what is left out of a large one."""

from __future__ import annotations

import base64
import hashlib
import re
import tracemalloc
from collections import Counter

import pytest
from junitparser import Failure, JUnitXml
from tests.regression.lines import result_line
from tests.reports.hostile import TEXTS, hostile_lines
from tests.reports.reading import read_page

from throughster.reports import html
from throughster.reports.html import write_page
from throughster.reports.page.shown import excerpt, money, percent, seconds, visible
from throughster.running.result import Failure as Error
from throughster.types import Attempt

ANSWERS = "- {contains: birthday, answer: Joyeux anniversaire}\n- {contains: night, answer: Gute Nacht}\n"
SUITE = """\
version: 1
name: suite
description: Phrases, translated.
provider: {name: offline, answers: answers.yaml}
prompt: {system: Be brief., user: 'Translate "{{ text }}" to {{ language }}.'}
repeat: 3
tests:
  - id: birthday
    tags: [smoke]
    description: The first one.
    vars: {text: Happy birthday, language: French}
    assert: [{type: icontains, value: anniversaire, metric: wording}]
  - id: night
    vars: {text: Good night, language: German}
    assert: [{type: equals, value: Gut}]
  - {id: later, skip: not yet, vars: {text: x, language: y}, assert: [{type: equals, value: z}]}
"""
MORE = """\
  - {id: more, vars: {kind: a, text: Good night, language: Dutch}, assert: [{type: equals, value: x}]}
"""


@pytest.fixture
def page(here, command):
    """`page(spec, *options)`: run a spec; gives the outcome and the page."""
    (here / "answers.yaml").write_text(ANSWERS)
    numbers = iter(range(99))

    def run(text, *options):
        (here / "suite.yaml").write_text(text)
        path = here / f"page{next(numbers)}.html"
        outcome = command("run", "suite.yaml", "-o", str(path), *options)
        return outcome, read_page(path) if path.exists() else None

    return run


@pytest.fixture
def made(tmp_path):
    """`made(lines)`: the page of these lines of results."""

    def write(lines, **options):
        journal = tmp_path / "results.jsonl"
        journal.write_bytes(b"".join(lines))
        write_page(journal, tmp_path / "page.html", **options)
        return read_page(tmp_path / "page.html")

    return write


def cases(document):
    return document.all("tbody", "case")


def ids(document):
    return [case.one("tr", "line").one("a").text for case in cases(document)]


# -- what a run says ----------------------------------------------------------------------------------------------


def test_a_suite_that_fails(page):
    outcome, found = page(SUITE)
    assert outcome.code == 1
    assert found.one("title").text == "Failed: suite"
    assert found.one("header").one("p", "verdict").words == "Failed exit 1"
    assert "Phrases, translated." in found.one("header").text
    assert "1 of 2 cases did not pass." in found.one("header").text
    assert found.one("h1").text == "suite"
    summary = found.one("section", "summary")
    assert summary.one("h2").words == "2 tests 6 answers in all"
    assert [item.words for item in summary.one("ul", "legend").all("li")] == ["✓ pass 1", "✗ fail 1", "– skipped 1"]
    assert "later: not yet" in summary.one("details").words
    tiles = {tile.one("dt").text: tile.one("b").text for tile in summary.one("dl").all("div")}
    assert (tiles["Pass rate"].split(), tiles["Sends"]) == (["50", "%"], "6")
    assert "3 of 6 answers; 90 % interval 22.1 % to 77.9 %" in summary.words


def test_a_case_has_its_prompt_its_answer_and_what_is_wrong_with_it(page):
    _, found = page(SUITE)
    assert ids(found) == ["night", "birthday"], "what failed comes first"
    night = cases(found)[0]
    assert [cell.words for cell in night.one("tr", "line").all("td")][:3] == [
        "✗ fail",
        "text=Good night, language=German",
        "0/3",
    ]
    detail = night.one("div", "detail")
    assert [(m.one(of="role").text, m.one("pre").text.strip("\n")) for m in detail.all("div", "message")] == [
        ("system", "Be brief."), ("user", 'Translate "Good night" to German.'),
    ]  # fmt: skip
    assert {dt.text: dd.text.strip() for dt, dd in zip(detail.all("dt"), detail.all("dd"), strict=True)} == {
        "text": "Good night",
        "language": "German",
    }
    repeats = detail.all("details", "repeat")
    assert [(len(r.all("div", "answer")), "open" in r.attrs) for r in repeats] == [(1, True), (1, False), (1, False)]
    assert repeats[0].one("div", "answer").one("pre").text == "\nGute Nacht"
    row = repeats[0].one("table", "checks").one("tbody").one("tr")
    assert [cell.words for cell in row.all("td")] == ["✗ fail", "equals", '"Gute Nacht" does not equal "Gut"', "0.00"]
    assert night.all("summary")[0].one("span", "why").text == 'equals: "Gute Nacht" does not equal "Gut"'
    assert "suite.yaml:13, row 2, id night, on offline:canned" in detail.words
    birthday = cases(found)[1]
    assert "The first one. smoke" in birthday.one("tr", "line").words


def test_groups_and_metrics(page):
    _, found = page(SUITE.replace("{text: Happy birthday,", "{kind: a, text: Happy birthday,") + MORE)
    groups = [[cell.words for cell in row.children if not isinstance(cell, str)][:4] for row in
              found.one(aria_label="Groups").one("tbody").all("tr")]  # fmt: skip
    assert ["tag", "smoke", "1", "1"] in groups
    checks = {row.one("th").text: row.all("td")[0].text for row in
              found.one(aria_label="Checks and metrics").one("tbody").all("tr")}  # fmt: skip
    assert ["kind", "a", "2", "1"] in groups
    assert not [group for group in groups if group[0] == "language"], "a value of each case's own makes no group"
    assert checks == {"equals": "6", "wording": "3"}


@pytest.mark.parametrize(
    ("more", "code", "word", "words"),
    [
        ("gate: {pass_rate: 0.5}\n", 0, "Passed", "Good enough for the gate, although 1 case did not pass."),
        ("gate: {pass_rate: 0.9}\n", 1, "Failed", "1 of 2 cases passed (50 %), 90 % needed"),
        ("budget: {calls: 2}\n", 4, "Incomplete", "The budget ran out."),
    ],
)
def test_what_decides_is_told(page, more, code, word, words):
    outcome, found = page(SUITE + more)
    assert outcome.code == code
    assert found.one("p", "verdict").words == f"{word} exit {code}"
    assert words in found.text
    if "gate" in more:
        mark = found.one("ul", "gate").one("span", "mark")
        assert mark.words == ("✓ met" if code == 0 else "✗ not met")


def test_a_comparison_with_a_baseline(page, here):
    good = SUITE.replace("value: Gut}", "value: Gute Nacht}").replace("repeat: 3", "repeat: 8")
    base = "baseline: {file: base.jsonl}\n"
    made, _ = page(good + base, "--update-baseline")
    assert made.code == 0
    outcome, found = page(good.replace("Gute Nacht}", "Gut}") + base)
    assert outcome.code == 1
    assert found.one("p", "verdict").words == "Regression exit 1"
    section = found.one("section", "compare")
    assert section.one("h2").text == "Regression (2 cases, 8 repeats of each)"
    rates = [row.one("td", "n").words for row in section.one("table", "sides").all("tr")]
    assert rates == ["100 % (85.5 % to 100 %)", "50 % (31 % to 69 %)"]
    link = section.one("a")
    assert (link.text, link.attrs["href"]) == ("night", "#case-night")
    night = found.one("tbody", id="case-night")
    assert "newly failing, was 8/8 pass" in night.one("tr", "line").words
    assert "Answer in the baseline 8/8 pass" in night.words
    assert {option.text for option in found.one("select", id="by-change").all("option")} >= {"newly failing"}
    assert found.one("tbody", id="case-birthday").attrs["data-change"] == ""


def test_a_run_of_plain_data(page):
    spec = "version: 1\nname: plain\nprovider: offline\nprompt: Say {{ word }}.\ndata: [{word: hi}, {word: ho}]\n"
    outcome, found = page(spec)
    assert outcome.code == 0
    assert found.one("section", "summary").one("h2").words == "2 rows"
    assert ids(found) == ["row 1", "row 2"]
    assert [case.one("div", "message").one("pre").text.strip() for case in cases(found)] == ["Say hi.", "Say ho."]
    assert not found.all("table", "checks")
    assert not found.all("section", "compare")


def test_several_providers_side_by_side(page):
    several = "providers: [{name: offline, label: one, answers: answers.yaml}, {name: offline, label: two}]"
    outcome, found = page(SUITE.replace("provider: {name: offline, answers: answers.yaml}", several))
    assert outcome.code == 1
    assert found.one("section", "summary").one("h2").words == "2 tests on 2 providers 12 answers in all"
    matrix = found.one("table", "matrix")
    assert [th.text for th in matrix.one("thead").all("th")] == ["test", "one", "two"]
    rows = {row.one("th").all("bdi")[0].text: [cell.all("a")[0].words for cell in row.all("td")] for row in
            matrix.one("tbody").all("tr")}  # fmt: skip
    assert rows == {"birthday": ["✓ pass 3/3", "✗ fail 0/3"], "night": ["✗ fail 0/3", "✗ fail 0/3"]}
    assert [row.classes for row in matrix.one("tbody").all("tr")] == [["differs"], []]
    assert {a.attrs["href"] for a in matrix.all("a")} == {f"#{case.attrs['id']}" for case in cases(found)}


def test_several_specs_on_one_page(here, command):
    (here / "answers.yaml").write_text(ANSWERS)
    (here / "specs").mkdir()
    (here / "specs/a.yaml").write_text("version: 1\nprovider: offline\nprompt: Hi {{ n }}\ndata: [{n: 1}]\n")
    (here / "specs/b.yaml").write_text("version: 1\nprovider: offline\nprompt: Ho {{ n }}\ndata: [{n: 1}]\n")
    assert command("run", "specs", "-o", "all.jsonl", "-o", "all.html").code == 0
    found = read_page(here / "all.html")
    assert found.one("h1").text == "a, b"
    assert [case.attrs["data-spec"] for case in cases(found)] == ["a", "b"]
    assert [case.one("div", "message").one("pre").text.strip() for case in cases(found)] == ["Hi 1", "Ho 1"]


def test_outputs_of_a_spec(page, here):
    page(SUITE + "outputs: [report.html]\n")
    named = read_page(next((here / "runs").glob("suite/*/report.html")))
    assert named.one("p", "verdict").words == "Failed exit 1"


def test_verdicts_are_those_of_the_other_reports(page, here):
    _, found = page(SUITE + "pass_rate: 0.3\n", "-o", "junit.xml")
    failed = {case.name for suite in JUnitXml.fromfile("junit.xml") for case in suite
              if any(isinstance(result, Failure) for result in case.result)}  # fmt: skip
    shown = {name for name, case in zip(ids(found), cases(found), strict=True) if case.attrs["data-verdict"] == "fail"}
    assert failed == shown == {"night"}


def test_no_key_is_on_the_page(page, monkeypatch):
    """A prompt is rendered again for the page, so it is redacted again."""
    key = "sk-a-key-that-must-not-be-seen"
    monkeypatch.setenv("VLLM_API_KEY", key)
    monkeypatch.setenv("VLLM_API_BASE", "http://127.0.0.1:9/v1")
    spec = f"version: 1\nname: x\nprovider: vllm:m\nprompt: Use {key} for {{{{ word }}}}.\ndata: [{{word: {key}}}]\nretry: {{max_attempts: 1}}\n"
    outcome, found = page(spec)
    assert outcome.code == 3
    assert found.one("p", "verdict").words == "Incomplete exit 3"
    assert found.one("div", "message").one("pre").text.strip() == "Use *** for ***."
    assert key not in found.text


# -- results alone ------------------------------------------------------------------------------------------------


def test_every_kind_of_result(made):
    attempts = (
        Attempt(1, "transport", 429, "429 Too Many Requests", 0.0),
        Attempt(2, "transport", 503, "503 down", 1.5),
    )
    found = made([
        result_line(0, 0, id="good"),
        result_line(1, 0, id="shaky"), result_line(1, 1, id="shaky", status="failed"),
        result_line(2, 0, id="wrong", status="failed", output={"a": [1]}, text='{"a":[1]}'),
        result_line(3, 0, id="down", status="error", latency_s=None, error=Error("ServerError", "It is down.", 503, "req-1"), attempts=attempts),
        result_line(4, 0, id="judge", status="judge_error", error=Error("JudgeError", "No rating.")),
        result_line(5, 0, id="no", status="refused", refusal="I would rather not."),
        result_line(6, 0, id="cut", status="truncated", text="and so", finish_reason="length"),
    ], pass_rate=0.5)  # fmt: skip
    verdicts = dict(zip(ids(found), (case.attrs["data-verdict"] for case in cases(found)), strict=True))
    assert verdicts == {
        "good": "pass",
        "shaky": "flaky",
        "wrong": "fail",
        "down": "error",
        "judge": "error",
        "no": "fail",
        "cut": "fail",
    }
    assert [case.attrs["data-verdict"] for case in cases(found)] == ["fail"] * 3 + ["error"] * 2 + ["flaky", "pass"]
    assert found.one("p", "verdict").words == "Incomplete"
    by_id = dict(zip(ids(found), cases(found), strict=True))
    assert [cell.words for cell in by_id["down"].one("table", "sends").one("tbody").all("tr")[1].all("td")] == [
        "2",
        "transport",
        "503",
        "1.50 s",
        "503 down",
    ]
    assert "ServerError HTTP 503It is down.request req-1" in by_id["down"].one("div", "note").words
    assert by_id["wrong"].one("div", "answer").one("pre").text == '\n{\n  "a": [\n    1\n  ]\n}'
    assert not by_id["wrong"].all("details", "raw"), "the text says the same as the value"
    assert "I would rather not." in by_id["no"].one("div", "note").text
    assert "truncated" in by_id["cut"].one("div", "said").text


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ([result_line(0, 0)], "Passed"),
        ([result_line(0, 0), result_line(1, 0, status="failed")], "Failed"),
        ([result_line(0, 0), result_line(1, 0, status="skipped")], "Incomplete"),
        ([result_line(0, 0), result_line(1, 0, status="error", error=Error("RateLimitError", "x"))], "Incomplete"),
        ([result_line(0, 0), result_line(1, 0, status="error", error=Error("BadRequestError", "x"))], "Failed"),
    ],
)
def test_the_verdict_of_results_alone(made, lines, word):
    assert made(lines).one("p", "verdict").words == word


def test_a_journal_of_a_run_that_was_killed(made):
    """Of a repeat that stands there twice the last line counts, and half a line is none."""
    lines = [result_line(0, 0, status="error"), result_line(1, 0), result_line(0, 0, text="second"), b'{"id": "ca']
    found = made(lines)
    assert ids(found) == ["case-0", "case-1"]
    assert found.one("section", "summary").one("h2").words == "2 rows"
    assert found.one("section", "summary").one("dl").all("small")[0].words.startswith("2 of 2 answers")


def test_no_results_at_all(made):
    found = made([])
    assert "There are no results." in found.one("main").text


def test_names_to_link_to_are_safe_and_different(made):
    found = made([result_line(n, 0, id=name) for n, name in enumerate(("a b", "a-b", "A.b", "find", "é", "ü"))])
    names = [case.attrs["id"] for case in cases(found)]
    assert names == ["case-a-b", "case-a-b-2", "case-a-b-3", "case-find", "case-", "case--2"]
    for case in cases(found):
        assert case.one("tr", "line").one("a").attrs["href"] == f"#{case.attrs['id']}"


# -- safety -------------------------------------------------------------------------------------------------------


def test_nothing_breaks_out_of_its_place(made, tmp_path):
    found = made(hostile_lines())
    allowed = {"html", "head", "meta", "title", "style", "body", "a", "header", "p", "strong", "div", "h1", "time", "nav", "ul",
               "li", "main", "section", "h2", "span", "b", "dl", "dt", "dd", "small", "details", "summary", "table", "caption",
               "thead", "tbody", "tr", "th", "td", "label", "input", "kbd", "button", "select", "option", "output", "bdi", "h4",
               "pre", "code", "footer", "script", "svg", "rect", "line", "circle"}  # fmt: skip
    assert {node.tag for node in found.every()} <= allowed
    assert len(found.all("script")) == len(found.all("style")) == 1
    assert not re.findall(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", (tmp_path / "page.html").read_text()
    )
    for node in found.every():
        assert not [
            name for name in node.attrs if name.startswith("on") or name in ("src", "style", "action", "srcdoc")
        ]
        assert node.attrs.get("href", "#").startswith("#")
    assert len(cases(found)) == len(TEXTS)
    for case in cases(found):
        text = TEXTS[int(case.attrs["data-row"])]
        shown = {pre.text.removeprefix("\n") for pre in case.all("pre")}
        assert visible(text) in shown
        assert case.attrs["data-label"].split() == visible(f"label {text}").split()


def test_the_policy_lets_nothing_in(made, tmp_path):
    found = made([result_line(0, 0)])
    policy = found.one("meta", http_equiv="Content-Security-Policy").attrs["content"]

    def digest(tag):
        return base64.b64encode(hashlib.sha256(found.one(tag).text.encode()).digest()).decode()

    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest('style')}'; script-src 'sha256-{digest('script')}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.findall(
        r"https?://|url\(|@import|//[a-z]", (tmp_path / "page.html").read_text().replace("// Works", "")
    )


def test_what_cannot_be_seen_is_written_out():
    assert visible("a\u202eb\x00c\u2066\r\nd\te") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+2066⟩\nd\te"
    assert visible("مرحبا 漢字 🙈") == "مرحبا 漢字 🙈"
    assert excerpt("a\n  b", 10) == "a b"
    assert excerpt("x" * 30, 10) == "x" * 9 + "…"


def test_figures_have_units():
    assert [seconds(value) for value in (None, 0.0123, 1.5, 250)] == ["", "12 ms", "1.50 s", "250 s"]
    assert [money(value) for value in (None, 0, 0.00021, 0.0123, 12.5)] == ["", "$0", "$0.000210", "$0.0123", "$12.50"]
    assert [percent(value) for value in (1, 0.956, 0)] == ["100\u00a0%", "95.6\u00a0%", "0\u00a0%"]


# -- size ---------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_left_out_and_said(made, monkeypatch):
    monkeypatch.setattr(html, "MOST_CASES", 4)
    lines = [result_line(n, 0, status="failed" if n in (5, 8) else "ok") for n in range(10)]
    found = made(lines)
    assert ids(found) == ["case-5", "case-8", "case-0", "case-1"]
    assert found.one("p", id="left-out").words == (
        "Not all are here. This page holds 4 of 10 tests, those that did not pass first. Left out: 6 pass. The figures above "
        "count all, and results.jsonl holds all."
    )
    assert [item.words for item in found.one("ul", "legend").all("li")] == ["✓ pass 8", "✗ fail 2"]
    monkeypatch.setattr(html, "MOST_CASES", 10)
    assert not made(lines).all("p", id="left-out")
    monkeypatch.setattr(html, "MOST_BYTES", 9_000)
    found = made(lines)
    assert ids(found)[:2] == ["case-5", "case-8"]
    assert 2 <= len(cases(found)) < 10
    assert "Left out:" in found.text


def test_long_texts_and_many_repeats_are_cut_and_said(made):
    found = made([result_line(0, n, status="ok" if n < 29 else "failed", text="é" * 30_000) for n in range(30)])
    assert [int(r.one("summary").words.split("repeat ")[1].split()[0]) for r in found.all("details", "repeat")][
        -1
    ] == 30
    assert len(found.all("details", "repeat")) == 20
    assert "10 more repeats are left out here" in found.text
    assert "10,000 more characters are left out here" in found.text
    assert "é" * 20_001 not in found.text


def test_answers_are_not_held(tmp_path):
    """Ten times as long answers, and the same memory."""

    def peak(length, count):
        journal = tmp_path / f"{length}.jsonl"
        with journal.open("wb") as file:
            for n in range(count):
                file.write(result_line(n, 0, text="x" * length, output="x" * length))
        tracemalloc.start()
        write_page(journal, tmp_path / f"{length}.html")
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10, 10)  # what is imported and compiled once
    small, large = peak(1_000, 400), peak(15_000, 400)
    assert large < small + 1_500_000, "400 answers of 15,000 characters are 12 MB in the journal"


# -- view ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path, here):
    path = here / "results.jsonl"
    path.write_bytes(result_line(0, 0) + result_line(1, 0, status="failed") + result_line(1, 1))
    return path


@pytest.fixture
def opened(monkeypatch):
    addresses = []
    monkeypatch.setattr("webbrowser.open", lambda address: addresses.append(address) or True)
    return addresses


def test_view_writes_and_opens_nothing(command, results, opened, here):
    outcome = command("view", "results.jsonl", "-o", "page.html")
    assert (outcome.code, outcome.out, opened) == (0, "page.html\n", [])
    found = read_page(here / "page.html")
    assert found.one("p", "verdict").words == "Failed"
    assert "A results file holds no prompts" in found.one("footer").text
    assert Counter(case.attrs["data-verdict"] for case in cases(found)) == {"pass": 1, "fail": 1}


def test_view_opens_a_temporary_page(command, results, opened):
    from pathlib import Path

    outcome = command("view", "results.jsonl")
    path = Path(outcome.out.strip())
    assert (outcome.code, opened) == (0, [path.as_uri()])
    assert read_page(path).one("h1").text == "suite"
    assert command("view", "results.jsonl", "--no-open").code == 0
    assert len(opened) == 1


def test_view_with_a_pass_rate_and_a_baseline(command, results, opened, here):
    (here / "before.jsonl").write_bytes(b"".join(result_line(n, k) for n in range(2) for k in range(2)))
    assert (
        command("view", "results.jsonl", "--pass-rate", "0.5", "--baseline", "before.jsonl", "-o", "p.html").code == 0
    )
    found = read_page(here / "p.html")
    assert Counter(case.attrs["data-verdict"] for case in cases(found)) == {"pass": 1, "flaky": 1}
    assert found.one("section", "compare").one("h2").text.startswith("Cannot tell")
    assert found.one("p", "verdict").words == "Cannot tell"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nothing.jsonl",), "nothing.jsonl cannot be read"),
        (("empty.jsonl",), "empty.jsonl: there are no results in it"),
        (("blank.jsonl",), "blank.jsonl: there are no results in it"),
        (("results.jsonl", "--pass-rate", "nan"), "nan"),
        (("notes.txt",), "notes.txt:1: this line is no result"),
        (("results.jsonl", "-o", "notes.txt"), "the page is written as .html"),
        (("results.jsonl", "-o", "taken.html"), "taken.html exists already"),
        (("results.jsonl", "-o", "no/where.html"), "there is no folder no"),
        (("results.jsonl", "--baseline", "other.jsonl"), "no case in common"),
    ],
)
def test_mistakes_of_view(command, results, opened, here, args, words):
    (here / "notes.txt").write_text("hello\n")
    (here / "taken.html").write_text("mine")
    (here / "empty.jsonl").write_text("")
    (here / "blank.jsonl").write_text("\n")
    (here / "other.jsonl").write_bytes(result_line(77, 0))
    outcome = command("view", *args)
    assert (outcome.code, words in outcome.err) == (2, True)
    assert (here / "taken.html").read_text() == "mine"
    assert opened == []


@pytest.mark.parametrize(("sampled", "rate"), [(True, "10 of 15 answers"), (False, "2 of 3 answers")])
def test_copies_of_one_answer_count_once_in_the_page_s_figures(tmp_path, sampled, rate):
    """At temperature 0 five repeats tell no more than one."""
    journal, path = tmp_path / "j.jsonl", tmp_path / "p.html"
    with journal.open("wb") as file:
        for row, repeat in ((row, repeat) for row in range(3) for repeat in range(5)):
            status = "ok" if row else "failed"
            file.write(result_line(row, repeat, status=status, planned=5, sampled=sampled))
    write_page(journal, path)
    text = path.read_text()
    assert rate in text
    assert ("copies of one answer count once" in text) is not sampled
