"""Gates, baselines and reports of tests through the command."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import xmlschema
from junitparser import Error, Failure, JUnitXml, Skipped

XSD = Path(__file__).parents[1] / "data" / "junit.xsd"
ANSWERS = "- {contains: birthday, answer: Joyeux anniversaire}\n- {contains: night, answer: Gute Nacht}\n"
SUITE = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml}
prompt: Translate "{{ text }}" to {{ language }}.
repeat: 3
tests:
  - id: birthday
    tags: [smoke]
    vars: {text: Happy birthday, language: French}
    assert: [{type: icontains, value: anniversaire}]
  - id: night
    vars: {text: Good night, language: German}
    assert: [{type: equals, value: Gute Nacht}]
"""


@pytest.fixture
def suite(here, command):
    (here / "answers.yaml").write_text(ANSWERS)

    def run(text, *options):
        (here / "suite.yaml").write_text(text)
        return command("run", "suite.yaml", *options)

    return run


BROKEN = SUITE.replace("Gute Nacht}", "Gut}")


# -- gates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "code", "words"),
    [
        ("{pass_rate: 0.5}", 0, "gate met: pass_rate: 1 of 2 cases passed (50 %)"),
        ("{pass_rate: 0.6}", 1, "gate NOT met: pass_rate: 1 of 2 cases passed (50 %), 60 % needed"),
        ('{groups: {"tag:smoke": 1.0}}', 1, "NOT met: tests: 1 of 1 cases in no group did not pass"),
        ('{groups: {"tag:smoke": 1.0, language: 0.5}, pass_rate: 0.5}', 1, "gate NOT met: language=German: 0 of 1"),
        ('{groups: {"tag:smoke": 1.0}, pass_rate: 0.5}', 0, "gate met: tag:smoke: 1 of 1"),
        ("{groups: {language: 0.5}}", 1, "gate NOT met: language=German: 0 of 1"),
        ('{groups: {"tag:nothing": 0.5}}', 1, "tag:nothing: there are no such cases"),
        ("{max_cost_usd: 1}", 1, "the cost is not known"),
        ("{max_p95_latency_s: 30}", 1, "gate met: max_p95_latency_s"),
        ("{max_p95_latency_s: 30}", 1, "gate NOT met: tests: 1 of 2 cases did not pass"),
        ("{max_p95_latency_s: 30, pass_rate: 0.5}", 0, "gate met: max_p95_latency_s"),
        ("{max_p95_latency_s: 0.000001}", 1, "gate NOT met: max_p95_latency_s"),
    ],
)
def test_a_gate_adds_conditions_and_forgives_what_it_says(suite, gate, code, words):
    outcome = suite(BROKEN + f"gate: {gate}\n")
    assert (outcome.code, words in outcome.out) == (code, True)


def test_a_gate_does_not_hide_a_provider_that_fails(suite):
    text = SUITE.replace(
        "{name: offline, answers: answers.yaml}", '{name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}'
    )
    assert suite(text + "gate: {max_p95_latency_s: 9}\nretry: {max_attempts: 1}\n").code == 3


# -- baselines ----------------------------------------------------------------------------------------------------


def test_a_baseline_is_made_and_compared_with(suite, here):
    text = SUITE + "baseline: {file: base/suite.jsonl}\n"
    missing = suite(text)
    assert (missing.code, "Make this run the baseline with --update-baseline" in missing.err) == (2, True)
    assert not (here / "runs").exists()
    made = suite(text, "--update-baseline")
    assert (made.code, "Baseline: " in made.err) == (0, True)
    assert len((here / "base" / "suite.jsonl").read_text().splitlines()) == 6
    same = suite(text)
    assert same.code == 0
    worse = suite(BROKEN + "baseline: {file: base/suite.jsonl}\n")
    assert worse.code == 1
    assert "Regression" in worse.out
    assert "night" in worse.out


def test_the_command_line_names_another(suite, here):
    suite(SUITE, "-o", "before.jsonl")
    assert suite(BROKEN, "--baseline", "before.jsonl").code == 1
    assert suite(SUITE, "--baseline", "before.jsonl").code == 0
    assert suite(SUITE, "--baseline", "nothing.jsonl").code == 2
    assert suite(SUITE, "--update-baseline").code == 2


def test_too_few_to_tell_is_said_and_may_fail(suite, here):
    once = SUITE.replace("repeat: 3\n", "")
    suite(once, "-o", "before.jsonl")
    outcome = suite(once, "--baseline", "before.jsonl")
    assert (outcome.code, "Cannot tell" in outcome.out) == (0, True)
    (here / "base.jsonl").write_text((here / "before.jsonl").read_text())
    outcome = suite(once + "baseline: {file: base.jsonl, on_cannot_tell: fail}\n")
    assert outcome.code == 1


def answering(here, *answers):
    """The canned answers: as many of the suite's are right as there are names here."""
    right = {"birthday": "Joyeux anniversaire", "night": "Gute Nacht"}
    told = [{"contains": name, "answer": right[name] if name in answers else "wrong"} for name in right]
    (here / "answers.yaml").write_text(json.dumps(told))


@pytest.mark.parametrize("repeat", [1, 3])
def test_a_suite_that_fails_newly_is_no_pass(suite, here, repeat):
    text = SUITE.replace("repeat: 3", f"repeat: {repeat}\nbaseline: {{file: base.jsonl}}")
    suite(text, "--update-baseline")
    answering(here)
    outcome = suite(text)
    assert outcome.code == 1
    assert "2 cases that passed in every repeat pass in none now." in outcome.out
    assert ("at most 1 in 64 by chance" in outcome.out) == (repeat == 3)
    answering(here, "night")
    assert (suite(text).code, suite(text, "-q").code) == (1, 1)
    outcome = suite(text.replace("base.jsonl", "base.jsonl, newly_failing: warn"), "-q")
    assert outcome.code == (0 if repeat == 1 else 1)  # asked so often, the suite's test finds it
    if repeat == 1:
        assert outcome.out == ""
        assert "Warning: suite: cannot tell. 1 case that passed in every repeat passes in none now." in outcome.err


def test_failing_as_before_is_forgiven_by_a_baseline(suite, here):
    answering(here, "night")
    text = SUITE + "baseline: {file: base.jsonl}\n"
    assert suite(text, "--update-baseline").code == 1
    assert suite(text).code == 0


def test_that_it_cannot_tell_is_said_however_little_is_printed(suite, here):
    text = SUITE.replace("repeat: 3\n", "baseline: {file: base.jsonl}\n")
    suite(text, "--update-baseline")
    for options in ((), ("-q",), ("--format", "json"), ("--format", "github", "-q")):
        outcome = suite(text, *options)
        assert (outcome.code, "Warning: suite: cannot tell. With so few repeats" in outcome.err) == (0, True)
    assert "::warning title=suite::cannot tell. With so few repeats" in outcome.out


FEWER = SUITE[: SUITE.index("  - id: night")]


def test_a_case_that_was_removed_is_no_pass_until_it_is_blessed(suite, here):
    text = "baseline: {file: base.jsonl}\n"
    suite(SUITE + text, "--update-baseline")
    outcome = suite(FEWER + text)
    assert outcome.code == 1
    assert "1 case of the baseline is missing now, which is no pass." in outcome.out
    assert "--update-baseline" in outcome.out
    assert "Missing now: 1 of 2 cases of the baseline\n  case   before\n  night  3/3 pass" in outcome.out
    assert suite(FEWER + text, "--update-baseline").code == 0
    assert suite(FEWER + text).code == 0


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ("", ("--filter", "birthday")),
        ("", ("--limit", "1")),
        ("", ("--filter", "tag:smoke")),
        ("    only: true\n", ()),
        ("    skip: later\n", ()),
    ],
)
def test_what_was_left_out_on_purpose_is_not_missing(suite, here, change, options):
    text = SUITE + "baseline: {file: base.jsonl}\n"
    suite(text, "--update-baseline")
    at = "  - id: birthday\n" if "only" in change else "  - id: night\n"
    outcome = suite(text.replace(at, at + change), *options)
    assert (outcome.code, "is missing now" in outcome.out) == (0, False)


def test_a_provider_that_is_chosen_is_not_missing_its_rivals(suite, here):
    several = SUITE.replace(
        "provider: {name: offline, answers: answers.yaml}",
        "providers: [{name: offline, answers: answers.yaml, label: a}, {name: offline, answers: answers.yaml, label: b}]",
    )
    text = several + "baseline: {file: base.jsonl}\n"
    suite(text, "--update-baseline")
    (here / "base.jsonl").write_text(
        (here / "base.jsonl").read_text().replace('"label":"a"', '"label":"offline:canned"')
    )
    outcome = suite(text.replace("Gute Nacht", "o").replace("anniversaire", "o"), "--provider", "offline")
    assert "missing now" not in outcome.out
    outcome = suite(text, "--provider", "offline", "--update-baseline")
    assert (outcome.code, "needs the whole suite" in outcome.err) == (2, True)


def test_a_baseline_of_other_cases_is_refused_before_anything_is_sent(suite, here):
    suite(SUITE, "-o", "before.jsonl")
    outcome = suite(SUITE.replace("id: birthday", "id: a").replace("id: night", "id: b"), "--baseline", "before.jsonl")
    assert (outcome.code, "has no answered case of suite that would be run now" in outcome.err) == (2, True)
    assert "translate" not in outcome.out


def test_an_incomplete_run_is_no_baseline(suite, here):
    text = SUITE.replace(
        "{name: offline, answers: answers.yaml}", '{name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}'
    )
    outcome = suite(text + "baseline: {file: base.jsonl}\nretry: {max_attempts: 1}\n", "--update-baseline")
    assert (outcome.code, "the baseline stays as it is" in outcome.err) == (3, True)
    assert not (here / "base.jsonl").exists()


@pytest.fixture
def refusing(process):
    """The suite on a server that refuses every request (400)."""
    server = process("emulate", "--dialect", "vllm", "--fault", "400")
    base = server.stdout.readline().split(" on ")[1].split(";")[0]
    return SUITE.replace("{name: offline, answers: answers.yaml}", f'{{name: vllm, model: m, api_base: "{base}/v1"}}')


def test_a_run_without_answers_does_not_pass_a_comparison(suite, refusing, here):
    suite(SUITE, "-o", "before.jsonl")
    outcome = suite(refusing, "--baseline", "before.jsonl", "-o", "after.jsonl")
    assert (outcome.code, "2 cases are without a verdict now" in outcome.out) == (1, True)


def test_a_run_with_errors_is_no_baseline(suite, refusing, here):
    outcome = suite(refusing, "--baseline", "base.jsonl", "--update-baseline")
    assert (outcome.code, "not complete" in outcome.err, (here / "base.jsonl").exists()) == (1, True, False)


def test_a_baseline_without_answers_is_refused(suite, here):
    suite(SUITE, "-o", "before.jsonl")
    text = (here / "before.jsonl").read_text().replace('"status":"ok"', '"status":"error"')
    (here / "empty.jsonl").write_text(text)
    outcome = suite(SUITE, "--baseline", "empty.jsonl")
    assert (outcome.code, "no answered case" in outcome.err) == (2, True)


def test_a_new_case_that_fails_is_no_pass(suite, here):
    """Nothing compares it, so its own verdict counts."""
    suite(SUITE, "-o", "before.jsonl")
    lines = [line for line in (here / "before.jsonl").read_text().splitlines(True) if '"id":"birthday"' in line]
    (here / "old.jsonl").write_text("".join(lines))
    assert suite(SUITE, "--baseline", "old.jsonl").code == 0
    outcome = suite(BROKEN, "--baseline", "old.jsonl")
    assert (outcome.code, "1 case is new and failing" in outcome.out) == (1, True)
    assert "New and failing: 1 case (night)." in outcome.out


def test_a_case_that_fails_and_had_no_answer_before_is_no_pass(suite, here):
    suite(SUITE, "-o", "before.jsonl")
    lines = (here / "before.jsonl").read_text().splitlines(True)
    lines = [line.replace('"status":"ok"', '"status":"error"') if '"id":"night"' in line else line for line in lines]
    (here / "old.jsonl").write_text("".join(lines))
    assert suite(SUITE, "--baseline", "old.jsonl").code == 0
    outcome = suite(BROKEN, "--baseline", "old.jsonl")
    assert (outcome.code, "1 case is failing, and had no answer before, which is no pass." in outcome.out) == (1, True)
    assert "Failing, without an answer before: 1 case (night)." in outcome.out


@pytest.mark.parametrize(
    "rates", ["pass_rate: 1e-12\n", "gate: {pass_rate: 1e-12}\n", "gate: {groups: {text: 1e-12}}\n"]
)
def test_a_pass_rate_of_next_to_nothing_needs_a_pass(suite, rates):
    assert suite(BROKEN.replace("Joyeux", "x").replace("anniversaire}", "zzz}") + rates).code == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("gate: {max_p95_latency_s: 0.000001}\n", "gate NOT met: max_p95_latency_s"),
        ("", "1 case of the baseline is missing"),
    ],
)
def test_reports_are_red_where_the_tests_pass_and_the_run_does_not(suite, here, change, told):
    suite(SUITE, "-o", "before.jsonl")
    outputs = ("-o", "junit.xml", "-o", "summary.md")
    outcome = suite(SUITE + change, *outputs) if change else suite(FEWER, "--baseline", "before.jsonl", *outputs)
    assert outcome.code == 1
    assert (here / "summary.md").read_text().startswith("## ❌ suite")
    (found,) = JUnitXml.fromfile(str(here / "junit.xml"))
    assert (found.failures, found.tests) == (1, len(list(found)))
    (failed,) = [case for case in found if case.result]
    assert failed.name == "gate and baseline"
    assert told in failed.result[0].text


def test_reports_of_what_a_gate_forgives_are_not_red_for_it(suite, here):
    outcome = suite(BROKEN + "gate: {pass_rate: 0.5}\noutputs: [own.md]\n", "-o", "summary.md")
    assert outcome.code == 0
    (own,) = here.glob("runs/*/*/own.md")
    for path in (here / "summary.md", own):
        text = path.read_text()
        assert text.startswith("## ✅ suite")
        assert text.count("gate: pass") == 1


@pytest.mark.parametrize(
    "part", [("--filter", "night"), ("--limit", "1"), ("--sample", "1"), ("--filter", "tag:smoke"), ("--no-tests",)]
)
def test_a_part_of_the_suite_is_no_baseline(suite, here, part):
    """The other cases would be lost from it, and could never fail again."""
    text = SUITE + "vars: {text: Good night, language: German}\n"
    suite(text, "--baseline", "base.jsonl", "--update-baseline")
    before = (here / "base.jsonl").read_text()
    outcome = suite(text, "--baseline", "base.jsonl", "--update-baseline", *part)
    assert (outcome.code, "needs the whole suite" in outcome.err) == (2, True)
    assert (here / "base.jsonl").read_text() == before


def test_only_some_of_the_suite_is_no_baseline(suite):
    text = SUITE.replace("- id: night\n", "- id: night\n    only: true\n")
    outcome = suite(text, "--baseline", "base.jsonl", "--update-baseline")
    assert (outcome.code, "needs the whole suite" in outcome.err) == (2, True)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_cost_that_limits_nothing_is_refused(suite, number):
    outcome = suite(SUITE, "--max-cost", number)
    assert (outcome.code, "--max-cost" in outcome.err) == (2, True)


def test_a_baseline_outside_the_project_is_refused(suite):
    outcome = suite(SUITE + "baseline: {file: ../base.jsonl}\n", "--update-baseline")
    assert (outcome.code, "outside the project" in outcome.err) == (2, True)


def test_the_decision_is_json_too(suite):
    outcome = suite(BROKEN + "gate: {pass_rate: 1}\n", "--format", "json")
    told = outcome.lines[-1]["decision"]
    assert (told["is_met"], told["gate"]["conditions"][0]["found"]) == (False, 0.5)


EARLY = SUITE.replace("repeat: 3", "repeat: 9\npass_rate: 0.3\nconcurrency: 1\nearly_stop: true")


def test_a_run_that_stops_early_says_so_everywhere(suite, here, results, command):
    outcome = suite(EARLY.replace("Gute Nacht}", "Gut}"), "-o", "few.jsonl", "-o", "junit.xml", "-o", "few.md")
    assert outcome.code == 1
    counts = Counter(line["id"] for line in results("few.jsonl"))
    assert {line["planned"] for line in results("few.jsonl")} == {9}
    assert (counts["birthday"], 7 <= counts["night"] < 9) == (3, True)
    night = f"0/{counts['night']} of 9 planned"
    assert f"fail {night}: night" in outcome.err
    assert f"{counts.total()} of 18 planned repeats asked (early_stop)" in outcome.out
    assert f"| fail | {night} | night" in (here / "few.md").read_text()
    assert f'message="{night}: ' in (here / "junit.xml").read_text()
    command("view", "few.jsonl", "-o", "few.html")
    page = (here / "few.html").read_text()
    assert night in page
    assert "3/3 of 9 planned" in page
    assert f"{counts.total()} of 18 planned repeats were asked, so it is not that of all" in page


def test_a_run_that_stopped_early_is_no_baseline(suite, here, command):
    """Its rates are those of where it stopped."""
    suite(EARLY, "-o", "few.jsonl")
    whole = EARLY.replace("early_stop: true", "early_stop: false")
    suite(whole, "-o", "all.jsonl")
    told = "was not asked to the end: 2 of 2 cases lack repeats"
    for outcome in (
        suite(whole, "--baseline", "few.jsonl"),
        command("diff", "few.jsonl", "all.jsonl"),
        command("diff", "all.jsonl", "few.jsonl"),
        command("view", "all.jsonl", "--baseline", "few.jsonl", "-o", "page.html"),
    ):
        assert (outcome.code, told in outcome.err) == (2, True)
    for options in (("--baseline", "all.jsonl"), ("--baseline", "new.jsonl", "--update-baseline")):
        outcome = suite(EARLY, *options)
        assert (outcome.code, "`early_stop` leaves repeats out" in outcome.err) == (2, True)
    assert not (here / "new.jsonl").exists()


def test_every_planned_repeat_is_asked(suite, results):
    suite(SUITE.replace("repeat: 3", "repeat: 9\npass_rate: 0.3\nconcurrency: 1"), "-o", "all.jsonl")
    assert len(results("all.jsonl")) == 18


# -- reports ------------------------------------------------------------------------------------------------------


def test_junit_is_what_ci_systems_read(suite, here):
    text = BROKEN + "  - {id: later, skip: not yet, vars: {text: a, language: b}, assert: [{type: is-json}]}\n"
    suite(text, "-o", "junit.xml")
    xmlschema.validate(str(here / "junit.xml"), str(XSD))
    (suite_,) = JUnitXml.fromfile(str(here / "junit.xml"))
    assert (suite_.name, suite_.tests, suite_.failures, suite_.errors, suite_.skipped) == ("suite", 3, 1, 0, 1)
    cases = {case.name: case for case in suite_}
    assert cases["birthday"].result == []
    (failure,) = cases["night"].result
    assert isinstance(failure, Failure)
    assert failure.message == '0/3: equals: "Gute Nacht" does not equal "Gut"'
    assert "suite.yaml:11" in failure.text
    assert 'user: Translate "Good night" to German.' in failure.text
    assert "answer: Gute Nacht" in failure.text
    assert (cases["night"]._elem.get("file"), cases["night"]._elem.get("line")) == ("suite.yaml", "11")
    assert isinstance(cases["later"].result[0], Skipped)


def test_junit_tells_errors_from_failures_and_survives_any_text(suite, here):
    (here / "answers.yaml").write_text('- {contains: night, answer: "a\\u0000b\\u001b[31m <&> ]]>"}\n')
    text = SUITE.replace("- id: birthday", '- id: "a <b> & \\"c\\""')
    suite(text, "-o", "junit.xml")
    xmlschema.validate(str(here / "junit.xml"), str(XSD))
    down = SUITE.replace(
        "{name: offline, answers: answers.yaml}", '{name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}'
    )
    suite(down + "retry: {max_attempts: 1}\n", "-o", "down.xml")
    (suite_,) = JUnitXml.fromfile(str(here / "down.xml"))
    assert suite_.errors == 2
    assert all(isinstance(case.result[0], Error) for case in suite_)


def test_rows_without_tests_are_test_cases_too(command, spec, here):
    spec()
    command("run", "spec.yaml", "-o", "junit.xml")
    xmlschema.validate(str(here / "junit.xml"), str(XSD))
    (suite_,) = JUnitXml.fromfile(str(here / "junit.xml"))
    assert (suite_.tests, suite_.failures) == (3, 0)


def test_a_summary_in_markdown_with_the_decision(suite, here):
    suite(BROKEN + "gate: {pass_rate: 1}\noutputs: [named.md]\n", "-o", "summary.md")
    (named,) = here.glob("runs/suite/*/named.md")
    for path in (here / "summary.md", named):
        text = path.read_text()
        assert "## ❌ suite" in text
        assert "2 tests: 1 pass, 1 fail" in text
        assert "| fail | 0/3 | night (suite.yaml:11) |" in text
        assert "❌ gate: pass&#95;rate" in text or "❌ gate: pass_rate" in text


@pytest.mark.parametrize(
    "answer", ["a | b", "<img src=x onerror=alert(1)>", "[x](javascript:1)", "@everyone", "::error::x"]
)
def test_an_answer_is_no_markup_of_the_summary(suite, here, answer):
    (here / "answers.yaml").write_text(json.dumps([{"contains": "night", "answer": answer}]))
    suite(SUITE, "-o", "summary.md")
    (row,) = (line for line in (here / "summary.md").read_text().splitlines() if "night" in line)
    assert row.count("|") == 6
    assert "<img" not in row
    assert "](javascript" not in row
    assert "@everyone" not in row
    assert "::error" not in row


def test_annotations_stand_at_the_tests(suite):
    outcome = suite(BROKEN, "--format", "github")
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("::error"))
    assert line.startswith("::error file=suite.yaml,line=11,title=night::fail on offline:canned: 0/3 passed")
