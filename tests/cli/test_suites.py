"""Tests of prompts through the command: verdicts, repeats, judges, what is chosen, and what can never be green."""

from __future__ import annotations

import json
from collections import Counter

import pytest

BASE = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml}
prompt: Translate "{{ text }}" to {{ language }}.
"""
ANSWERS = """\
- {contains: birthday, answer: Joyeux anniversaire}
- {contains: night, answer: Gute Nacht}
- {contains: sorry, refusal: I will not}
- {contains: the rubric, answer: {reason: well said, passed: true, score: 0.9}}
"""
GOOD = """\
tests:
  - id: birthday
    tags: [smoke]
    vars: {text: Happy birthday, language: French}
    assert: [{type: icontains, value: anniversaire}]
  - id: night
    vars: {text: Good night, language: German}
    assert: [{type: equals, value: Gute Nacht}, {type: word-count, value: {max: 3}}]
"""


@pytest.fixture
def suite(here, command, results):
    """`suite(text, *options)`: run a spec with the answers above; gives the outcome and its results."""
    (here / "answers.yaml").write_text(ANSWERS)
    numbers = iter(range(99))

    def run(text, *options):
        (here / "suite.yaml").write_text(text if text.startswith("version") else BASE + text)
        path = here / f"out{next(numbers)}.jsonl"
        outcome = command("run", "suite.yaml", "-o", path.name, *options)
        return outcome, results(path) if path.exists() else []

    return run


def by_id(lines):
    return {line["id"]: line for line in lines}


def test_tests_pass(suite):
    outcome, lines = suite(GOOD)
    assert outcome.code == 0
    assert "2 tests: 2 pass" in outcome.out
    found = by_id(lines)["night"]
    assert (found["status"], [check["passed"] for check in found["checks"]]) == ("ok", [True, True])
    assert found["checks"][0]["type"] == "equals"
    assert found["vars"] == {"text": "Good night", "language": "German"}


def test_a_failed_check_fails_the_run_and_says_where_and_why(suite):
    outcome, lines = suite(GOOD.replace("Gute Nacht", "Gut Nacht"))
    assert outcome.code == 1
    assert by_id(lines)["night"]["status"] == "failed"
    assert (
        'suite.yaml:10: fail 0/1: night on offline:canned: equals: "Gute Nacht" does not equal "Gut Nacht"'
        in outcome.err
    )
    assert "2 tests: 1 pass, 1 fail" in outcome.out


def test_a_threshold_weighs_the_checks(suite):
    text = GOOD.replace("{type: word-count, value: {max: 3}}", "{type: contains, value: zzz, weight: 3}")
    assert suite(text)[0].code == 1
    outcome, lines = suite(text + "    threshold: 0.2\n")
    assert (outcome.code, by_id(lines)["night"]["status"]) == (0, "ok")
    assert suite(text + "    threshold: 0.3\n")[0].code == 1


def test_what_every_test_has(suite):
    outcome, lines = suite(
        "default_test: {vars: {language: Dutch}, assert: [{type: not-contains, value: anniversaire}]}\n" + GOOD
    )
    assert outcome.code == 1
    assert {name: line["status"] for name, line in by_id(lines).items()} == {"birthday": "failed", "night": "ok"}
    assert by_id(lines)["night"]["vars"]["language"] == "German"


# -- repeats ------------------------------------------------------------------------------------------------------


@pytest.fixture
def flaky(here, process):
    """A server where every third answer is cut short: a spec for it, with so many repeats and this pass rate."""
    server = process("emulate", "--dialect", "vllm", "--fault", "400@every=3")
    base = server.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"

    def spec(repeat, pass_rate):
        return (
            f'version: 1\nname: suite\nprovider: {{name: vllm, model: m, api_base: "{base}"}}\nprompt: Say {{{{ word }}}}.\n'
            f"repeat: {repeat}\npass_rate: {pass_rate}\nconcurrency: 1\n"
            "tests: [{id: a, vars: {word: hi}, assert: [{type: word-count, value: {min: 1}}]}]\n"
        )

    return spec


def test_repeats_are_one_test_and_enough_of_them_must_pass(suite):
    outcome, lines = suite(GOOD + "repeat: 3\n")
    assert outcome.code == 0
    assert sorted((line["id"], line["repeat"]) for line in lines) == [
        (n, k) for n in ("birthday", "night") for k in range(3)
    ]
    assert "2 tests: 2 pass" in outcome.out


def test_with_early_stop_what_is_decided_is_not_asked_to_the_end(suite):
    text = GOOD.replace("Gute Nacht", "x") + "repeat: 40\npass_rate: 0.5\nconcurrency: 1\nearly_stop: true\n"
    outcome, lines = suite(text)
    assert outcome.code == 1
    assert Counter(line["id"] for line in lines) == {"birthday": 20, "night": 21}
    _, lines = suite(text.replace("early_stop: true\n", ""))
    assert Counter(line["id"] for line in lines) == {"birthday": 40, "night": 40}


def test_errors_are_no_evidence(suite, flaky):
    """Every third request fails for the provider's reasons: the verdict comes from the others, or is none."""
    outcome, lines = suite(flaky(6, 0.6))
    assert [line["status"] for line in lines].count("ok") >= 4
    assert "1 test: 1 pass" in outcome.out
    outcome, _ = suite(flaky(2, 1.0))
    assert outcome.code in (0, 1, 3)


def test_a_test_may_say_for_itself(suite):
    _, lines = suite(GOOD.replace("    tags: [smoke]\n", "    repeat: 4\n"))
    assert sum(line["id"] == "birthday" for line in lines) == 4


# -- answers that end otherwise -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "status", "code"),
    [
        ("{type: is-refusal}", "ok", 0),
        ("{type: contains, value: will}", "refused", 1),
        ("{type: not-is-refusal}", "refused", 1),
    ],
)
def test_a_refusal_passes_where_it_is_wanted(suite, check, status, code):
    outcome, lines = suite(f"tests: [{{id: a, vars: {{text: sorry, language: x}}, assert: [{check}]}}]\n")
    assert (outcome.code, lines[0]["status"]) == (code, status)


def test_a_cut_answer_passes_where_it_is_wanted(suite):
    text = "tests: [{id: a, vars: {text: Good night, language: x}, assert: [{type: finish-reason, value: REASON}]}]\n"
    options = ("--set", "provider.params.max_tokens=1")
    outcome, lines = suite(text.replace("REASON", "length"), *options)
    assert (outcome.code, lines[0]["status"]) == (0, "ok")
    outcome, lines = suite(text.replace("REASON", "stop"), *options)
    assert (outcome.code, lines[0]["status"]) == (1, "truncated")


# -- judges -------------------------------------------------------------------------------------------------------

JUDGED = """\
grader: {provider: {name: GRADER}}
tests: [{id: a, vars: {text: Good night, language: German}, assert: [{type: llm-rubric, value: the rubric, threshold: LEAST}]}]
"""


@pytest.fixture
def judge(process, here):
    """A server that judges as `answers.yaml` says."""
    server = process("emulate", "--dialect", "vllm", "--answers", "answers.yaml")
    base = server.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"
    return f'vllm, model: j, api_base: "{base}", price: {{input: 1, output: 1}}'


@pytest.mark.parametrize(("least", "code"), [("0.8", 0), ("0.95", 1)])
def test_a_judge_scores_and_has_a_bill_of_its_own(suite, here, least, code, request):
    (here / "answers.yaml").write_text(ANSWERS)
    judge = request.getfixturevalue("judge")
    outcome, (line,) = suite(JUDGED.replace("GRADER", judge).replace("LEAST", least))
    assert outcome.code == code
    assert line["checks"][0]["score"] == 0.9
    assert "well said" in line["checks"][0]["reason"]
    assert "judging took 1 call" in outcome.out
    assert " USD" in outcome.out


def test_the_bills_of_several_processes_are_one(suite, here, request):
    (here / "answers.yaml").write_text(ANSWERS)
    judge = request.getfixturevalue("judge")
    text = JUDGED.replace("GRADER", judge).replace("LEAST", "0.5").replace("tests: [", "tests: [\n  ")
    more = (
        text.rstrip().removesuffix("]")
        + ",\n  {id: b, vars: {text: Good night, language: x}, assert: [{type: llm-rubric, value: the rubric}]}]\n"
    )
    outcome, lines = suite(more, "--processes", "2")
    assert (outcome.code, len(lines)) == (0, 2)
    assert "judging took 2 calls" in outcome.out


def test_a_judge_that_fails_is_no_failed_check(suite):
    text = JUDGED.replace("GRADER", 'vllm, model: j, api_base: "http://127.0.0.1:9/v1"').replace("LEAST", "0.5")
    outcome, (line,) = suite(text + "retry: {max_attempts: 2, initial_delay_s: 0.01}\n")
    assert (outcome.code, line["status"], line["error"]["type"]) == (3, "judge_error", "JudgeError")
    assert "1 test: 1 error" in outcome.out


def test_the_best_of_several_is_chosen(suite, here, process):
    (here / "answers.yaml").write_text(ANSWERS + "- {contains: the clearest, answer: {reason: clear, best: 2}}\n")
    server = process("emulate", "--dialect", "vllm", "--answers", "answers.yaml")
    base = server.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"
    outcome, lines = suite(
        "version: 1\nname: suite\nprompt: Say {{ text }}.\n"
        f'providers: [{{name: vllm, model: a, api_base: "{base}"}}, {{name: vllm, model: b, api_base: "{base}"}}]\n'
        f'grader: {{provider: {{name: vllm, model: j, api_base: "{base}"}}}}\n'
        "tests: [{id: t, vars: {text: night}, assert: [{type: select-best, value: the clearest}]}]\n"
    )
    assert outcome.code == 1
    assert sorted(line["status"] for line in lines) == ["failed", "ok"]
    assert all(line["checks"][0]["type"] == "select-best" for line in lines)


# -- choosing -----------------------------------------------------------------------------------------------------


def test_tests_are_chosen_by_tag_id_and_variable(suite):
    assert [line["id"] for line in suite(GOOD, "--filter", "tag:smoke")[1]] == ["birthday"]
    assert [line["id"] for line in suite(GOOD, "--filter", "ni*")[1]] == ["night"]
    assert [line["id"] for line in suite(GOOD, "--filter", "language=Fr*")[1]] == ["birthday"]
    assert [line["id"] for line in suite(GOOD, "--limit", "1")[1]] == ["birthday"]


def test_skip_and_only(suite):
    outcome, lines = suite(
        GOOD + "  - {id: later, skip: not yet, vars: {text: a, language: b}, assert: [{type: is-json}]}\n"
    )
    assert (outcome.code, len(lines)) == (0, 2)
    assert "skipped: later: not yet" in outcome.err
    assert "1 skipped" in outcome.out
    _, lines = suite(GOOD.replace("  - id: night\n", "  - id: night\n    only: true\n"))
    assert [line["id"] for line in lines] == ["night"]


def test_a_matrix_multiplies_tests_but_for_what_they_say_themselves(suite):
    text = "matrix: {language: [French, German]}\n" + GOOD.replace(", language: German", "")
    _, lines = suite(text)
    assert sorted(line["id"] for line in lines) == ["birthday", "night[language=French]", "night[language=German]"]


def test_data_and_no_tests_leave_the_tests_out(suite, here):
    text = GOOD + "data: [{text: a, language: b}]\n"
    assert [line["checks"] for line in suite(text, "--no-tests")[1]] == [[]]
    (here / "rows.csv").write_text("text,language\na,b\nc,d\n")
    outcome, lines = suite(GOOD, "--data", "rows.csv")
    assert (outcome.code, len(lines)) == (0, 2)


def test_earlier_turns_stand_before_the_question(suite, command):
    text = BASE.replace("prompt: Translate", "prompt:\n  system: Be kind.\n  user: Translate") + GOOD.replace(
        "    tags: [smoke]\n",
        "    messages: [{role: user, content: 'Hello {{ no }}'}, {role: assistant, content: Hi}]\n",
    )
    suite(text)
    shown = command("render", "suite.yaml", "--limit", "1", "--format", "json").lines[0]["messages"]
    assert [(m["role"], m["content"]) for m in shown][:3] == [
        ("system", "Be kind."),
        ("user", "Hello {{ no }}"),
        ("assistant", "Hi"),
    ]


def test_cases_from_a_table(suite, here):
    (here / "cases.csv").write_text(
        "text,language,__expected,__expected1,__id,__tags\n"
        'Happy birthday,French,icontains:anniversaire,not-contains:zzz,b,"smoke,slow"\n'
        "Good night,German,Gute Nacht,,n,\n"
    )
    outcome, lines = suite("tests: cases.csv\n")
    assert (outcome.code, sorted(by_id(lines))) == (0, ["b", "n"])
    assert [check["type"] for check in by_id(lines)["b"]["checks"]] == ["icontains", "not-contains"]
    assert len(suite("tests: cases.csv\n", "--filter", "tag:slow")[1]) == 1


@pytest.mark.parametrize("kind", ["yaml", "json", "jsonl"])
def test_cases_from_a_file(suite, here, kind):
    entries = [
        {
            "id": "b",
            "vars": {"text": "Happy birthday", "language": "x"},
            "assert": [{"type": "icontains", "value": "joyeux"}],
        }
    ]
    text = "\n".join(map(json.dumps, entries)) if kind == "jsonl" else json.dumps(entries)
    (here / f"cases.{kind}").write_text(text)
    assert suite(f"tests: cases.{kind}\n")[0].code == 0


def test_changed_checks_are_run_again_on_resume(suite, here, command, results):
    suite(GOOD)
    spec = here / "suite.yaml"
    spec.write_text(spec.read_text().replace("Gute Nacht", "Gut"))
    outcome = command("run", "suite.yaml", "-o", "out0.jsonl", "--resume")
    assert outcome.code == 1
    assert by_id(results("out0.jsonl"))["night"]["status"] == "failed"
    assert "2 tests: 1 pass, 1 fail" in outcome.out


# -- never green --------------------------------------------------------------------------------------------------

NEVER_GREEN = {
    "a misspelt key": (GOOD.replace("assert:", "asserts:", 1), "unknown key `asserts`", "Did you mean `assert`"),
    "a misspelt check": (GOOD.replace("icontains", "icontainz"), "There is no check `icontainz`", "Did you mean `icontains`"),
    "an undefined variable": (GOOD.replace("text: Happy", "txet: Happy"), "`text` is missing in some rows", "suite.yaml:"),
    "an undefined variable in a check": (
        GOOD.replace("value: anniversaire", "value: '{{ wrod }}'"), "`wrod` is undefined in the value of `icontains`", ":9:"),
    "no tests": ("tests: []\n", "`tests`", "suite.yaml:5"),
    "a test without a check": (GOOD.replace("    assert: [{type: icontains, value: anniversaire}]\n", ""), "no check", ":6:"),
    "a wrong value": (GOOD.replace("{max: 3}", "{maxx: 3}"), "word-count", ":12:"),
    "a missing threshold": (GOOD.replace("{type: equals, value: Gute Nacht}", "{type: latency}"), "needs a `threshold`", ":12:"),
    "a judge that is not there": (GOOD.replace("type: equals", "type: llm-rubric"), "asks a judge", "Add `grader:"),
    "a price that is not there": (
        GOOD.replace("{type: equals, value: Gute Nacht}", "{type: cost, threshold: 1}"), "needs the price", "Add `price:"),
    "streaming that is not on": (
        GOOD.replace("{type: equals, value: Gute Nacht}", "{type: first-token, threshold: 1}"), "streamed", "Add `stream: true`"),
    "no rivals": (
        "grader: {provider: offline}\n" + GOOD.replace("type: equals", "type: select-best"), "several providers", "providers:"),
    "a pattern that no engine takes in linear time": (
        GOOD.replace("type: equals, value: Gute Nacht", "type: regex, value: '(?=a)b'"), "pattern", ":12:"),
    "the same id twice": (GOOD.replace("id: night", "id: birthday"), "Another case has the id `birthday`", ":10:"),
    "tests that are all comments": (
        "tests:\n  # - {vars: {text: a}}\n", "suite.yaml:5:1: `tests` must be a list of at least one entry", "found nothing"),
    "checks for tests that are not there": (
        "default_test: {assert: [{type: is-json}]}\nvars: {text: a, language: b}\n",
        "suite.yaml:5:1: `default_test` is for `tests`, and the spec has none", "Add `tests`"),
    "a pass rate of tests that are not there": ("pass_rate: 0.5\nvars: {text: a, language: b}\n", "suite.yaml:5:1: `pass_rate`", ""),
    "a judge of tests that are not there": (
        "grader: {provider: offline}\nvars: {text: a, language: b}\n", "suite.yaml:5:1: `grader`", ""),
    "an early stop of tests that are not there": ("early_stop: true\nvars: {text: a, language: b}\n", "suite.yaml:5:1: `early_stop`", ""),
    "an early stop beside a baseline": (
        GOOD + "early_stop: true\nbaseline: {file: a.jsonl}\n", "suite.yaml:13:1: `early_stop` leaves repeats out", "Remove one"),
    "a gate of nothing": (GOOD + "gate: {}\n", "suite.yaml:13:7: `gate` has no condition", "1 error"),
    "a gate of groups of nothing": (GOOD + "gate: {groups: {}}\n", "suite.yaml:13:7: `gate` has no condition", "1 error"),
    "a gate that is all comments": (GOOD + "gate:\n  # pass_rate: 1\n", "suite.yaml:13:1: `gate` must be", "found nothing"),
    "a gate with a rate of nothing": (GOOD + "gate:\n  pass_rate:\n", "suite.yaml:14:", "1 error"),
    "a baseline that is all comments": (GOOD + "baseline:\n", "suite.yaml:13:1: `baseline` must be", "found nothing"),
    "a budget of nothing": (GOOD + "budget: {}\n", "suite.yaml:13:9: `budget` has no limit", "1 error"),
    "a budget that is all comments": (GOOD + "budget:\n", "suite.yaml:13:1: `budget` must be", "found nothing"),
    "a pass rate of 0": (GOOD + "pass_rate: 0\n", "suite.yaml:13:12: `pass_rate` must be more than 0", "1 error"),
    "a test's pass rate of 0": (GOOD.replace("    tags:", "    pass_rate: 0\n    tags:"), "suite.yaml:7:16: ", "must be more than 0"),
    "a gate's pass rate of 0": (GOOD + "gate: {pass_rate: 0}\n", "suite.yaml:13:19: `gate.pass_rate` must be more than 0", "1 error"),
    "a group's pass rate of 0": (GOOD + "gate: {groups: {language: 0.0}}\n", "suite.yaml:13:27: ", "must be more than 0"),
    "a tolerance of everything": (GOOD + "baseline: {file: a.jsonl, tolerance: 1}\n", "suite.yaml:13:38: ", "must be less than 1"),
    "a reason to skip that is none": (
        GOOD.replace("    tags: [smoke]\n", "    skip: no\n"), "suite.yaml:7:11: `skip` is the text `no`",
        "Write true or false, or the reason."),
    "a syntax error": (GOOD + "  - {id: x\n", "suite.yaml:", ""),
}  # fmt: skip


@pytest.mark.parametrize("mistake", NEVER_GREEN)
def test_a_mistake_is_never_green(suite, mistake):
    text, *words = NEVER_GREEN[mistake]
    outcome, lines = suite(text)
    assert (outcome.code, lines) == (2, [])
    for word in words:
        assert word in outcome.err
    assert "nothing was sent" in outcome.err


@pytest.mark.parametrize(
    ("ci", "options", "code"),
    [("", (), 0), ("false", (), 0), ("true", (), 2), ("1", (), 2), ("true", ("--allow-only",), 0)],
)
def test_only_that_was_left_in_is_never_green_in_ci(suite, monkeypatch, ci, options, code):
    monkeypatch.setenv("CI", ci)
    outcome, lines = suite(GOOD.replace("id: night\n", "id: night\n    only: true\n"), *options)
    assert (outcome.code, len(lines)) == (code, 0 if code else 1)
    kind = "" if code else "warning: "
    assert f"suite.yaml:11:5: {kind}`only: true` leaves out 1 of 2 tests" in outcome.err
    assert ("--allow-only" in outcome.err) == bool(code)


def test_only_that_leaves_nothing_out_is_no_matter(suite, monkeypatch):
    monkeypatch.setenv("CI", "true")
    text = GOOD.replace("    vars:", "    only: true\n    vars:")
    assert suite(text)[0].code == 0
    outcome, _ = suite(GOOD.replace("id: night\n", "id: night\n    only: true\n"), "--no-tests", "--var", "text=a", "--var",
                       "language=b")  # fmt: skip
    assert (outcome.code, "only" in outcome.err) == (0, False)


@pytest.mark.parametrize("key", ["assert", "threshold", "tags", "id", "pass_rate", "skip"])
def test_a_key_of_a_test_among_its_variables_is_warned_of(suite, key):
    text = GOOD.replace("language: French}", f"language: French, {key}: x}}")
    outcome, _ = suite(text)
    assert outcome.code == 0
    assert f"suite.yaml:8:52: warning: `{key}` is a variable here, which no template or check uses." in outcome.err
    outcome, _ = suite(text.replace("value: anniversaire", f"value: '{{{{ {key} }}}}'"))
    assert "is a variable here" not in outcome.err
    outcome, _ = suite(GOOD + f"default_test: {{vars: {{{key}: x}}}}\n")
    assert ("`default_test.vars" in outcome.err or "is a variable here" in outcome.err) == (
        key in ("assert", "threshold")
    )


@pytest.mark.parametrize("choice", [("--filter", "nothing*"), ("--filter", "tag:nothing")])
def test_nothing_selected_is_never_green(suite, choice):
    outcome, lines = suite(GOOD, *choice)
    assert (outcome.code, lines) == (2, [])
    skipped = GOOD.replace("    vars:", "    skip: true\n    vars:")
    assert suite(skipped)[0].code == 2


@pytest.mark.parametrize("cell", ["contians:x", "icontains", "latency:x"])
def test_a_wrong_cell_is_told_with_its_line(suite, here, cell):
    (here / "cases.csv").write_text(f"text,language,__expected\na,b,is-json\nc,d,{cell}\n")
    outcome, _ = suite("tests: cases.csv\n")
    if cell == "icontains":
        return  # a bare word is compared as it is
    assert (outcome.code, "cases.csv:3" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("table", "place", "words"),
    [
        ("text,language,__expected\na,b,is-json\nc,d,contians:x\n", "3:5", "Did you mean `contains`"),
        ('text,language,__expected\n"a,\n""b""",b,contians:x\n', "3:10", "Did you mean `contains`"),
        ("text,language,__expected\na,b,is-json\nc,d,\n", "3:1", "Write one into a column `__expected`"),
        ("text,language,__expcted\na,b,x\na,b,x\n", "1:15", "Did you mean `__expected`"),
        ("text,language,__expected,expected\na,b,is-json,x\n", "1:26", "`expected` holds no checks"),
        ("text,_expected,language,__expected\na,b,c,is-json\n", "1:6", "Did you mean `__expected`"),
        ("text,language,__expected,__threshold\na,b,is-json,x\n", "2:13", "`__threshold` must be a number"),
    ],
)
def test_a_mistake_in_a_table_is_told_at_its_cell_and_once(suite, here, table, place, words):
    (here / "cases.csv").write_text(table)
    outcome, lines = suite("tests: cases.csv\n")
    assert (outcome.code, lines) == (2, [])
    assert f"cases.csv:{place}: " in outcome.err
    assert words in outcome.err
    assert "1 error; nothing was sent" in outcome.err


def test_a_column_that_nothing_uses_is_a_warning(suite, here):
    table = "note,text,language,expected,_tags,__expected\na,birthday,c,Joyeux,x,'icontains:{{ expected }}'\n"
    (here / "cases.csv").write_text(table.replace("'", ""))
    outcome, lines = suite("tests: cases.csv\n")
    assert (outcome.code, len(lines)) == (0, 1)
    assert "cases.csv:1:1: warning: No template or check uses the column `note`." in outcome.err
    assert (
        "cases.csv:1:29: warning: No template or check uses the column `_tags`. Did you mean `__tags`?" in outcome.err
    )
    assert "column `expected`" not in outcome.err
    every = table.replace("icontains:{{ expected }}", "expr:vars | length > 1").replace("'", "")
    (here / "cases.csv").write_text(every)
    assert "No template or check" not in suite("tests: cases.csv\n")[0].err


def test_a_filter_that_fits_nothing_beside_one_that_does_is_a_warning(suite):
    outcome, lines = suite(GOOD, "--filter", "night", "--filter", "t9", "--filter", "text=*night")
    assert (outcome.code, len(lines)) == (0, 1)
    assert "warning: --filter t9: nothing that would be run fits it." in outcome.err
    assert outcome.err.count("--filter") == 1
    assert "--filter" not in suite(GOOD, "--filter", "night", "--filter", "birth*")[0].err
    outcome, _ = suite(GOOD, "--filter", "tag:smoke", "--filter", "tag:slow")
    assert "--filter tag:slow: nothing" in outcome.err


def test_a_judge_that_nobody_asks_is_a_warning(suite):
    outcome, _ = suite("grader: {provider: offline}\n" + GOOD)
    assert outcome.code == 0
    assert "suite.yaml:5:1: warning: No check asks the `grader`." in outcome.err


def test_a_gate_decides_over_data_too_and_tests_may_be_set_to_none(suite):
    outcome, lines = suite("gate: {pass_rate: 1}\nvars: {text: birthday, language: b}\n")
    assert (outcome.code, len(lines)) == (0, 1)
    assert "gate met" in outcome.out
    text = "default_test: {assert: [{type: is-json}]}\nvars: {text: birthday, language: b}\n" + GOOD
    outcome, lines = suite(text, "--set", "tests=null")
    assert (outcome.code, [line["checks"] for line in lines]) == (0, [[]])


def test_every_call_failing_is_never_green(suite):
    text = BASE.replace(
        "{name: offline, answers: answers.yaml}", '{name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}'
    )
    outcome, _ = suite(text + GOOD + "retry: {max_attempts: 1}\n")
    assert outcome.code == 3
    assert "2 tests: 2 error" in outcome.out


@pytest.mark.parametrize("threshold", ["0", "1e-10"])
@pytest.mark.parametrize("default", [False, True])
def test_a_threshold_that_every_answer_reaches_is_warned_of(suite, threshold, default):
    text = GOOD.replace("Gute Nacht}", "Gut}")
    if default:
        text += f"default_test: {{threshold: {threshold}}}\n"
    else:
        text = text.replace("    tags: [smoke]\n", f"    threshold: {threshold}\n")
    outcome, _ = suite(text)
    assert "warning: Every answer reaches `threshold: 0`" in outcome.err
