"""What was asked and what was checked: a digest each, so that a change of one is not told as a change of the other."""

from __future__ import annotations

import json

import pytest

ANSWERS = (
    "- {contains: word, answer: '{\"a\": 1}'}\n- {contains: rubric, answer: {reason: r, passed: true, score: 1}}\n"
)
SUITE = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml, label: m}
prompt: Say {{ word }}.
tests:
  - id: one
    vars: {word: word, wanted: a}
    assert: [{type: contains, value: "{{ wanted }}"}]
"""
ASKED = "asked something else than before"
CHECKED = "checked for something else than before"


@pytest.fixture
def suite(here, command):
    (here / "answers.yaml").write_text(ANSWERS)
    (here / "shape.json").write_text('{"type": "object"}')

    def run(text, *options):
        (here / "suite.yaml").write_text(text)
        return command("run", "suite.yaml", *options)

    return run


CHANGES = [
    ("Say {{ word }}.", "Tell {{ word }}.", [ASKED]),
    ("label: m}", "label: m, params: {top_p: 0.5}}", [ASKED]),
    ("vars: {word: word,", "vars: {word: words,", [ASKED]),
    ("wanted: a}", "wanted: '1'}", [CHECKED]),
    ("contains, value:", "icontains, value:", [CHECKED]),
    ('"{{ wanted }}"}', '"{{ wanted }}"}, {type: is-json}', [CHECKED]),
    ("    assert:", "    threshold: 0.5\n    assert:", [CHECKED]),
    ("tests:", "default_test: {assert: [{type: is-json}]}\ntests:", [CHECKED]),
    ("tests:", "tags: [new]\npass_rate: 0.5\ntests:", []),
]


@pytest.mark.parametrize(("before", "after", "told"), CHANGES)
def test_a_comparison_says_what_has_changed(suite, here, command, before, after, told):
    assert suite(SUITE, "-o", "before.jsonl").code == 0
    assert suite(SUITE.replace(before, after), "-o", "after.jsonl").code == 0
    shown = command("diff", "before.jsonl", "after.jsonl")
    assert [words for words in (ASKED, CHECKED) if words in shown.out] == told


@pytest.mark.parametrize(("before", "after", "told"), CHANGES)
def test_going_on_asks_again_where_either_has_changed(suite, results, before, after, told):
    suite(SUITE, "-o", "out.jsonl")
    (first,) = results("out.jsonl")
    outcome = suite(SUITE.replace(before, after), "-o", "out.jsonl", "--resume")
    assert outcome.code == 0
    (second,) = results("out.jsonl")
    is_same = [first[name] == second[name] for name in ("digest", "checks_digest")]
    assert is_same == [ASKED not in told, CHECKED not in told]
    assert ("0 rows: 0 ok" in outcome.out) == (told == [])


def test_a_schema_in_a_file_is_part_of_what_is_checked(suite, here, results):
    text = SUITE.replace('contains, value: "{{ wanted }}"', "any-of, value: [{type: json-schema, value: shape.json}]")
    suite(text, "-o", "a.jsonl")
    (here / "shape.json").write_text('{"type": "object", "required": ["a"]}')
    suite(text, "-o", "b.jsonl")
    (one,), (other,) = results("a.jsonl"), results("b.jsonl")
    assert one["digest"] == other["digest"]
    assert one["checks_digest"] != other["checks_digest"]


def test_the_judge_is_part_of_what_a_judged_check_checks(suite, results):
    judged = SUITE.replace('contains, value: "{{ wanted }}"', "llm-rubric, value: the rubric")
    grader = "grader: {provider: {name: offline, answers: answers.yaml%s}}\n"
    found = {}
    for name, text in (("rubric", judged), ("plain", SUITE.replace("tests:", "default_test: {}\ntests:"))):
        for repeat in (1, 3):
            more = grader % "" if name == "rubric" else ""
            more = more.replace("}}\n", f"}}, repeat: {repeat}}}\n")
            suite(text + more, "-o", f"{name}{repeat}.jsonl")
            (line,) = results(f"{name}{repeat}.jsonl")
            found[name, repeat] = line["checks_digest"]
    assert found["rubric", 1] != found["rubric", 3]
    assert found["plain", 1] == found["plain", 3]


def test_rows_have_no_checks(command, spec, results):
    spec()
    command("run", "spec.yaml", "-o", "rows.jsonl")
    assert {line["checks_digest"] for line in results("rows.jsonl")} == {None}


def test_lines_of_an_earlier_version_are_asked_again(suite, here, results):
    """Their one digest was of both, so nobody knows what they were checked for."""
    suite(SUITE, "-o", "out.jsonl")
    (line,) = results("out.jsonl")
    del line["checks_digest"]
    (here / "out.jsonl").write_text(json.dumps(line) + "\n")
    suite(SUITE, "-o", "out.jsonl", "--resume")
    assert "checks_digest" in results("out.jsonl")[0]
