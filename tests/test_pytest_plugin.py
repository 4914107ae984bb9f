"""Specs as tests of pytest: what is collected, what is told, and that no model is asked unasked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from junitparser import JUnitXml

SPEC = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml}
prompt: Say {{ word }}.
tests:
  - {id: good, tags: [smoke], vars: {word: hi}, assert: [{type: contains, value: hello}]}
  - {id: bad, vars: {word: ho}, assert: [{type: equals, value: hohoho}]}
  - {id: later, skip: not yet, vars: {word: hu}, assert: [{type: is-json}]}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "throughster.toml").write_text("")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "answers.yaml").write_text("- {contains: hi, answer: hello}\n- {contains: ho, answer: ho}\n")
    (tmp_path / "specs" / "suite.yaml").write_text(SPEC)
    (tmp_path / "specs" / "other.yaml").write_text("tests: [not, a, spec]\n")
    (tmp_path / "specs" / "plain.yaml").write_text("version: 1\nprovider: offline\nprompt: Hi\n")
    return tmp_path


def run(project, *options, what="specs", env=()):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "OPENAI_"))} | dict(env)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", what, "-p", "no:cacheprovider", "-p", "no:randomly", *options],
        cwd=project, capture_output=True, text=True, timeout=120, env=environment, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_one_item_for_each_test_and_a_failure_as_people_read_it(project):
    code, told = run(project, "-v", "--strict-markers")
    assert code == 1
    assert "specs/suite.yaml::good PASSED" in told
    assert "specs/suite.yaml::bad FAILED" in told
    assert "specs/suite.yaml::later SKIPPED (not yet)" in told
    assert "1 failed, 1 passed, 1 skipped" in told
    assert 'fail, 0/1 passed: equals: "ho" does not equal "hohoho"' in told
    assert "user: Say ho." in told
    assert "answer: ho" in told
    assert "Traceback" not in told
    assert "other.yaml" not in told


@pytest.mark.parametrize(("options", "passed"), [(("-k", "good"), "good"), (("-m", "smoke"), "good")])
def test_items_are_chosen_as_pytest_does(project, options, passed):
    code, told = run(project, "-v", *options)
    assert (code, f"::{passed} PASSED" in told, "::bad" in told) == (0, True, False)
    assert "1 passed" in told
    assert "2 deselected" in told


def test_only_what_failed_is_run_again(project):
    run(project, "-p", "cacheprovider")
    code, told = run(project, "-p", "cacheprovider", "--lf", "-v")
    assert (code, "::bad FAILED" in told, "::good" in told) == (1, True, False)
    assert "1 failed" in told


def test_several_processes_and_junit(project):
    code, told = run(project, "-n", "2", "--junitxml=junit.xml")
    assert (code, "1 failed, 1 passed, 1 skipped" in told) == (1, True)
    (suite,) = JUnitXml.fromfile(str(project / "junit.xml"))
    assert (suite.tests, suite.failures, suite.skipped) == (3, 1, 1)


def test_a_broken_spec_is_an_error_of_the_collection_with_its_place(project):
    path = project / "specs" / "suite.yaml"
    path.write_text(SPEC.replace("type: contains", "type: containz"))
    code, told = run(project)
    assert code == 2
    assert "suite.yaml:6:" in told
    assert "Did you mean `contains`" in told


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("unclosed", SPEC.replace("{name: offline, answers: answers.yaml}", "{name: offline"), "broken.yaml:"),
        ("conflict", "<<<<<<< HEAD\n" + SPEC + "=======\n" + SPEC + ">>>>>>> other\n", "broken.yaml:"),
        ("latin", SPEC.replace("Say", "Sagß").encode("latin-1"), "broken.yaml:4:12: The file is not UTF-8"),
        ("wide", SPEC.encode("utf-16"), "broken.yaml:1:1: The file is not UTF-8"),
        (
            "version",
            SPEC.replace("version", "versoin"),
            "broken.yaml:1:1: unknown key `versoin`. Did you mean `version`",
        ),
        ("prompt", SPEC.replace("prompt", "promt"), "broken.yaml:4:1: unknown key `promt`. Did you mean `prompt`"),
        ("tests", SPEC.replace("tests:", "test:"), "broken.yaml:5:1: unknown key `test`. Did you mean `tests`"),
        ("empty", SPEC[: SPEC.index("tests:")] + "tests:\n", "broken.yaml:5:1: `tests` must"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
@pytest.mark.parametrize("what", ["specs", "specs/broken.yaml"])
def test_a_spec_that_is_broken_at_the_top_is_no_other_file(project, name, text, place, what):
    data = text if isinstance(text, bytes) else text.encode()
    (project / "specs" / "broken.yaml").write_bytes(data)
    code, told = run(project, what=what)
    assert code == 2
    assert place in told
    assert "1 error" in told


def test_broken_files_of_other_programs_are_left_alone(project):
    specs = project / "specs"
    (specs / "chart.yaml").write_text("apiVersion: v1\nkind: {{ .Values.kind }}\nversion: {\n")
    (specs / "compose.yaml").write_text('version: "3.8"\nservices: {}\ntests: []\n')
    (specs / "promptfooconfig.yaml").write_text("prompts: [a]\nproviders: [b]\ntests: [{vars: {a: 1}}]\n")
    (specs / "registry.yaml").write_text("name: a\nversion: 1.2.0\nprompt: Hi\nmodel: m\n")
    code, told = run(project, "-k", "good")
    assert (code, "1 passed" in told) == (0, True)


def test_a_gate_that_does_not_count_here_is_told(project):
    path = project / "specs" / "suite.yaml"
    path.write_text(SPEC + "gate: {pass_rate: 0.5}\n")
    code, told = run(project)
    assert code == 1
    assert told.count("`gate` of this spec count") == 1
    assert "1 warning" in told


def test_no_model_is_asked_unasked(project):
    path = project / "specs" / "suite.yaml"
    path.write_text(SPEC.replace("{name: offline, answers: answers.yaml}", "openai:gpt-4.1-mini"))
    code, told = run(project, "-rs")
    assert code == 0
    assert "give --throughster-replay DIR, or --throughster-live" in told
    assert "3 skipped, 2 of them without --throughster-replay DIR or --throughster-live in " in told
    assert "3 skipped" in told
    code, told = run(project, "--throughster-live")
    assert (code, "OPENAI_API_KEY" in told) == (2, True)


ASKING = SPEC.replace(
    "{name: offline, answers: answers.yaml}", '{name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}'
)
IN_CI = {"CI": "true"}


def test_that_every_test_was_skipped_for_want_of_an_answer_is_told_and_an_error_in_ci(project):
    (project / "specs" / "suite.yaml").write_text(ASKING)
    code, told = run(project, "-q")
    assert code == 0
    assert told.splitlines()[-1].startswith(
        "3 skipped, 2 of them without --throughster-replay DIR or --throughster-live in "
    )
    for more in ((), ("-n", "2")):
        code, told = run(project, "-q", *more, env=IN_CI)
        assert code == 1
        assert "ERROR: All 2 tests of specs were skipped, so nothing was tested, and this is CI" in told


def test_where_some_were_run_ci_is_content(project):
    (project / "specs" / "suite.yaml").write_text(SPEC.replace("hohoho", "ho"))
    (project / "specs" / "asking.yaml").write_text(ASKING.replace("name: suite", "name: asking"))
    code, told = run(project, env=IN_CI)
    assert (code, "2 passed, 4 skipped, 2 of them without --throughster-replay" in told) == (0, True)
    code, told = run(project, "-k", "later", env=IN_CI)
    assert code == 0


def test_two_specs_of_one_name_are_an_error(project):
    (project / "specs" / "more").mkdir()
    (project / "specs" / "more" / "other.yaml").write_text(SPEC.replace("answers: answers.yaml", "label: x"))
    code, told = run(project)
    assert code == 2
    assert "This spec is called `suite`, and so is " in told
    assert all(name in told for name in ("suite.yaml", "other.yaml", "Give one of them another `name`."))
    assert run(project, what="specs/suite.yaml")[0] == 1


def test_only_is_a_warning_and_an_error_in_ci(project):
    text = SPEC.replace("{id: good,", "{id: good, only: true,")
    (project / "specs" / "suite.yaml").write_text(text)
    code, told = run(project)
    assert (code, "`only: true` leaves out 1 of 3 tests. Remove it when you are done." in told) == (0, True)
    code, told = run(project, env=IN_CI)
    assert code == 2
    assert "suite.yaml:6:16: `only: true` leaves out 1 of 3 tests, and this is CI" in told


def test_cassettes_answer_and_a_missing_one_is_a_failure(project):
    program = [sys.executable, "-m", "throughster", "run", "specs/suite.yaml", "-q", "--record", "cassettes"]
    subprocess.run(program, cwd=project, check=False, timeout=60, capture_output=True)
    code, told = run(project, "--throughster-replay", "cassettes", "-k", "good")
    assert (code, "1 passed" in told) == (0, True)
    path = project / "specs" / "suite.yaml"
    path.write_text(SPEC.replace("Say {{ word }}.", "Shout {{ word }}."))
    code, told = run(project, "--throughster-replay", "cassettes", "-k", "good")
    assert code == 1
    assert 'recorded "Say hi.", now "Shout hi."' in told
    code, told = run(project, "--throughster-replay", "cassettes", "--throughster-live")
    assert (code, "exclude each other" in told) == (4, True)
