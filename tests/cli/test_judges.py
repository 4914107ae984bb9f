"""Judges that fail, in any way: the row is a `judge_error`, it is kept, and no other row is lost."""

from __future__ import annotations

import json

import pytest

SUITE = """\
version: 1
name: suite
provider: {name: vllm, model: m, api_base: "BASE", label: one}
prompt: Say {{ word }}.
grader: {provider: GRADER}
tests:
  - {id: judged, vars: {word: hi}, assert: [CHECK]}
  - {id: plain, vars: {word: ho}, assert: [{type: not-is-refusal}]}
"""
RUBRIC = "{type: llm-rubric, value: the rubric}"
BEST = "{type: select-best, value: the clearest}"
ANSWERS = [
    {"contains": "the rubric", "answer": {"reason": "well said", "passed": True, "score": 0.9}},
    {"contains": "the clearest", "answer": {"reason": "it is the clearest", "best": 2}},
    {"contains": "Say", "answer": "hello"},
]


@pytest.fixture
def server(process, here):
    def start(*options):
        (here / "answers.yaml").write_text(json.dumps(ANSWERS))
        one = process("emulate", "--dialect", "vllm", "--answers", "answers.yaml", *options)
        return one.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"

    return start


@pytest.fixture
def suite(command, here, results, server):
    def run(check, grader, *options, several=False, base="", more=""):
        base = base or server()
        grader = grader.replace("BASE", base)
        text = SUITE.replace("CHECK", check).replace("GRADER", grader).replace("BASE", base)
        if several:
            first = text[text.index("{name: vllm") : text.index("}\n") + 1]
            rivals = f"providers: [{first}, {first.replace('one', 'two')}]\n"
            text = text.replace(f"provider: {first}\n", rivals)
        (here / "suite.yaml").write_text(text + (more or "retry: {max_attempts: 1}\n"))
        outcome = command("run", "suite.yaml", "-o", "out.jsonl", *options)
        return outcome, results("out.jsonl") if (here / "out.jsonl").exists() else []

    return run


HERE = '{name: vllm, model: j, api_base: "BASE"}'
NOBODY = '{name: vllm, model: j, api_base: "http://127.0.0.1:9/v1"}'
MISTRAL = "{name: mistral, model: j}"


@pytest.mark.parametrize(
    ("check", "grader"),
    [
        (RUBRIC, NOBODY),
        ("{type: similar, value: hello, threshold: 0.5}", NOBODY),
        ("{type: similar, value: hello, threshold: 0.5}", "{name: offline, endpoint: responses}"),
        ("{type: g-eval, value: clear, threshold: 0.5}", NOBODY),
        ("{type: factuality, value: hello}", HERE),  # the answer is no judgement
        ("{type: any-of, value: [{type: equals, value: no}, {type: similar, value: hello, threshold: 0.5}]}", NOBODY),
    ],
)
def test_a_judge_that_fails_in_any_way_loses_no_row(suite, check, grader):
    outcome, lines = suite(check, grader)
    statuses = {line["id"]: line["status"] for line in lines}
    assert statuses["plain"] == "ok"
    assert (outcome.code, statuses["judged"]) in ((3, "judge_error"), (1, "failed"), (0, "ok"))
    if grader != "{name: offline, endpoint: responses}":
        assert (outcome.code, statuses["judged"]) == (3, "judge_error")
        assert next(line for line in lines if line["id"] == "judged")["text"] == "hello"
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("several", [False, True], ids=["alone", "compared"])
def test_the_budget_ending_while_a_judge_works_keeps_the_answer(suite, several):
    """It is paid for."""
    answers = 2 if several else 1
    outcome, lines = suite(
        BEST if several else RUBRIC, HERE, "--filter", "judged", "--max-requests", str(answers), several=several
    )
    assert outcome.code == 4
    assert [line["text"] for line in lines] == ["hello"] * answers
    assert {(line["status"], line["error"]["type"]) for line in lines} == {("skipped", "BudgetError")}
    assert sum(len(line["attempts"]) for line in lines) == answers


def test_a_rival_is_told_why_another_is_better(suite):
    outcome, lines = suite(BEST, HERE, several=True)
    assert outcome.code == 1
    told = {line["label"]: (line["status"], line["checks"][0]["reason"]) for line in lines if line["id"] == "judged"}
    why = "chosen in {} of 1 judgements: it is the clearest"
    assert sorted(told.values()) == [
        ("failed", f"select-best: another is better, {why.format(0)}"),
        ("ok", f"select-best: the best, {why.format(1)}"),
    ]


def test_attempts_that_failed_before_the_budget_ended_are_told(suite, server):
    more = "retry: {max_attempts: 5, initial_delay_s: 0.01}\n"
    options = ("--filter", "plain", "--max-requests", "2")
    outcome, (line,) = suite(RUBRIC, HERE, *options, base=server("--fault", "500"), more=more)
    assert (outcome.code, line["status"], line["error"]["type"]) == (4, "skipped", "BudgetError")
    assert [attempt["http_status"] for attempt in line["attempts"]] == [500, 500]
    assert [attempt["n"] for attempt in line["attempts"]] == [1, 2]


@pytest.mark.parametrize(
    ("grader", "words"),
    [
        ("openai:gpt-4.1", "suite.yaml:5:20: OpenAI needs a key: set OPENAI_API_KEY"),
        ('{name: vllm, model: j, api_base: "http://judge.example/v1"}', "nobody outside the spec allowed its host"),
        ("{name: mistral, model: j, endpoint: responses}", "has no endpoint `responses`"),
        ("vllm", "suite.yaml:5:20: "),
    ],
)
@pytest.mark.parametrize("outside", [(), ("--provider", "offline")])
def test_a_judge_that_cannot_be_asked_is_found_before_anything_is_sent(
    command, here, suite, server, grader, words, outside
):
    (here / "suite.yaml").write_text(
        SUITE.replace("CHECK", RUBRIC).replace("GRADER", grader).replace("BASE", "http://127.0.0.1:9/v1")
    )
    for name in ("check", "run"):
        outcome = command(name, "suite.yaml", *outside)
        assert (outcome.code, words in outcome.err) == (2, True)
        assert "--provider" not in outcome.err.replace("--provider)", "")


def test_an_address_from_the_command_line_is_not_the_judges(command, here, results, server):
    base = server()
    text = (
        SUITE.replace("CHECK", RUBRIC)
        .replace("GRADER", HERE.replace("BASE", base))
        .replace("BASE", "http://127.0.0.1:9/v1")
    )
    (here / "suite.yaml").write_text(text)
    other = server()
    assert command("run", "suite.yaml", "--api-base", other, "-o", "out.jsonl").code == 0


@pytest.mark.parametrize("names", [("de/greet.yaml", "en/greet.yaml"), ("de/greet.yaml", "en/Greet.yaml")])
def test_two_specs_of_one_name_are_refused(command, here, names):
    for name in names:
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text("version: 1\nprovider: offline\nprompt: Hi\n")
    for what in (["."], names):
        for call in (("run",), ("check",), ("run", "--dry-run")):
            outcome = command(*call, *what)
            assert outcome.code == 2
            assert all(name in outcome.err for name in names)
    assert not (here / "runs").exists()
    (here / names[1]).write_text("version: 1\nname: other\nprovider: offline\nprompt: Hi\n")
    assert command("run", ".").code == 0
