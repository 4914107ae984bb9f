"""The command: what it writes, what it refuses, what a user sees; and sources that mean no good."""

from __future__ import annotations

import io
import json
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughster.convert import check_written, convert, write_drafts
from throughster.errors import SpecError

SOURCE = """\
prompts: ["Say {{ word }}."]
providers: [openai:chat:gpt-4.1-mini]
tests: [{vars: {word: hi}, assert: [{type: is-json}, {type: javascript, value: f(output)}]}]
sharing: true
"""
TODO = "Say it as an `expr`, or as a check in Python of your own, see docs/checks.md."


@pytest.fixture
def source(here):
    def write(text=SOURCE, name="foo.yaml"):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8") if isinstance(text, str) else path.write_bytes(text)
        return name

    return write


def test_what_a_user_sees(source, here, command):
    found = command("convert", source(), "-o", "specs")
    assert found.code == 1
    assert found.out.splitlines() == [
        "foo.yaml (promptfoo) -> specs/foo.yaml",
        "",
        "Not carried over, and it changes what is asked or checked (1):",
        "  foo.yaml:3:54: `javascript`: `f(output)` is a program, which a spec never runs; left out. " + TODO,
        "",
        "Left out, or a little different; no verdict should depend on it (1):",
        "  foo.yaml:4:1: `sharing`: nothing is uploaded; left out.",
        "",
        "specs/foo.yaml: OK (1 call on openai:gpt-4.1-mini)",
        "Next: throughster-run specs/foo.yaml",
    ]
    head = (here / "specs/foo.yaml").read_text().splitlines()[:4]
    assert head[0] == "# Converted from foo.yaml."
    assert head[2].startswith("# - foo.yaml:3:54: `javascript`: ")
    assert head[3] == "version: 1"


def test_nothing_is_overwritten(source, here, command):
    name = source()
    assert command("convert", name, "-o", "specs").code == 1
    (here / "specs/foo.yaml").write_text("mine")
    again = command("convert", name, "-o", "specs")
    assert again.code == 2
    assert "exists already; nothing was written" in again.err
    assert (here / "specs/foo.yaml").read_text() == "mine"
    assert command("convert", name, "-o", "specs", "--force").code == 1
    assert (here / "specs/foo.yaml").read_text() != "mine"
    itself = command("convert", name, "-o", name, "--force")
    assert itself.code == 2
    assert "never overwritten" in itself.err
    assert (here / name).read_text() == SOURCE


def test_beside_the_source_it_has_a_name_of_its_own(source, here, command):
    assert command("convert", source(name="a/foo.yaml")).code == 1
    assert (here / "a/foo-spec.yaml").exists()
    assert command("convert", source(name="b/promptfooconfig.yaml")).code == 1
    assert (here / "b/b.yaml").exists()


def test_strict_writes_nothing_where_something_is_lost(source, here, command):
    found = command("convert", source(), "-o", "specs", "--strict")
    assert found.code == 1
    assert "nothing was written" in found.out
    assert not (here / "specs").exists()
    assert (
        command(
            "convert", source(SOURCE.replace(", {type: javascript, value: f(output)}", "")), "-o", "specs", "--strict"
        ).code
        == 0
    )


def test_one_file_holds_one_spec(source, here, command):
    name = source(SOURCE.replace('["Say {{ word }}."]', '["Say {{ word }}.", "Sing {{ word }}."]'))
    found = command("convert", name, "-o", "one.yaml")
    assert found.code == 2
    assert "2 prompts" in found.err
    assert command("convert", name, source(name="b.yaml"), "-o", "one.yaml").code == 2
    assert command("convert", name, "-o", "several").code == 1
    assert sorted(path.name for path in (here / "several").iterdir()) == [
        "foo-cases.yaml", "foo-say-word.yaml", "foo-sing-word.yaml",
    ]  # fmt: skip
    assert command("check", "several", "--provider", "offline").code == 0


def test_standard_input(here, command, monkeypatch):
    assert command("convert", "-").code == 2
    for text, kind in ((SOURCE, "promptfoo"), ("---\nmodel: gpt-4o\n---\nuser:\nHi.\n", "prompty")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        found = command("convert", "-", "-o", f"{kind}.yaml")
        assert f"stdin ({kind})" in found.out
        assert (here / f"{kind}.yaml").exists()


def test_an_address_elsewhere_is_for_the_user_to_allow(source, here, command):
    text = SOURCE.replace(
        "openai:chat:gpt-4.1-mini", "{id: openai:chat:x, config: {apiBaseUrl: https://llm.example/v1}}"
    )
    found = command("convert", source(text), "-o", "specs")
    assert "--allow-host llm.example" in found.out.splitlines()[-1]
    assert command("check", "specs").code == 2


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(f'*{chr(97 + n)}' for _ in range(10))}]" for n in range(8)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("just a text", "no mapping"),
        ("[1, 2]", "no mapping"),
        ("a: 1", "neither a promptfoo configuration"),
        ("promts: [x]\nprovider: y", "Did you mean `prompts`?"),
        ("version: 1\nprompt: hi\nprovider: offline", "a spec already"),
        ("prompts: [a\n", "not closed"),
        ("prompts: [a]\nprompts: [b]", "stands twice"),
        ("prompts: !!python/object:os.system [a]", "tag"),
        ("prompts: []\nproviders: [echo]", "No prompt here"),
        ("prompts: 5\nproviders: [echo]", "no text"),
        ("prompts: [5, true]\nproviders: [echo]", "no text"),
        ("prompts: ['file://x.py']\nproviders: [echo]", "is a program"),
        (b"prompts: \xff\xfe", "not UTF-8"),
        (b"\x00\x01\x02", "U+0000"),
        ("x: " * 5 + "[" * 60 + "]" * 60, ""),
        ("prompts: " + "[" * 60 + "]" * 60, "nested more than"),
        (BOMB, "more than"),
        ("prompts: [{$ref: '#/prompts'}]", "refers to itself"),
        ("prompts: {$ref: 'a.yaml'}", "refers to itself"),
        ("prompts: {$ref: 'nowhere.yaml'}", "does not exist"),
        ("prompts: {$ref: '../outside.yaml'}", "outside the project"),
        ("prompts: [*gone]", "not defined"),
    ],
    ids=lambda value: str(value[:30]),
)
def test_a_wrong_source_is_an_error_with_its_place(source, here, command, text, words):
    (here / "a.yaml").write_text("$ref: b.yaml\n")
    (here / "b.yaml").write_text("$ref: a.yaml\n")
    started = time.monotonic()
    found = command("convert", source(text), "-o", "out")
    assert (found.code, found.out) == (2, "")
    assert words in found.err
    assert time.monotonic() - started < 20
    assert not (here / "out").exists()


def test_missing_sources(here, command):
    (here / "empty").mkdir()
    for name, words in (
        ("gone.yaml", "does not exist"),
        ("empty", "Nothing to convert"),
        ("/dev/null", "not a regular file"),
    ):
        found = command("convert", name)
        assert found.code == 2
        assert words in found.err
    (here / "promptfooconfig.js").write_text("")
    assert "program" in command("convert", "promptfooconfig.js").err


def test_files_outside_the_project_are_not_read(source, here, tmp_path_factory, command):
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.write_text("the secret of the house")
    (here / "link.txt").symlink_to(outside)
    (here / ".hidden.txt").write_text("the secret of the house")
    names = [
        f"file://{outside}",
        "file://link.txt",
        "file://.hidden.txt",
        f"file://../{outside.parent.name}/secret.txt",
    ]
    tests = [
        {"vars": {"word": name}, "assert": [{"type": "contains", "value": name}, {"type": "is-json"}]} for name in names
    ]
    text = f"prompts: ['Say {{{{ word }}}}.', {json.dumps(names[1])}]\nproviders: [openai:gpt-4.1]\ntests: {json.dumps(tests)}\n"
    found = command("convert", source(text), "-o", "out", "--format", "json")
    written = "".join(path.read_text() for path in (here / "out").iterdir())
    assert "secret of the house" not in written + found.out
    assert (
        sum(
            "secret" in loss["why"] or "hidden" in loss["why"] or "link" in loss["why"]
            for loss in json.loads(found.out)["losses"]
        )
        >= 4
    )


KEYS = st.sampled_from([
    "prompts", "providers", "tests", "defaultTest", "scenarios", "evaluateOptions", "outputPath", "env", "tags", "vars", "assert",
    "type", "value", "threshold", "options", "config", "id", "label", "raw", "provider", "weight", "metric", "description", "repeat",
    "prefix", "transform", "response_format", "tools", "$ref", "file", "prompt", "strange",
])  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=False) | st.sampled_from([
    "openai:gpt-4o", "contains", "is-json", "javascript", "llm-rubric", "output.length < 3", "{{ a }}", "{% if %}", "file://x.txt",
    "file://../x", "a\nb", "", "assert-set", "similar", "latency", "#/prompts", "exec:ls", "not-regex", "(", "{{ env.X }}", "*",
])  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(st.fixed_dictionaries({"prompts": ANYTHING}, optional=dict.fromkeys(("providers", "tests", "defaultTest", "scenarios", "evaluateOptions", "outputPath", "env", "tags"), ANYTHING)))  # fmt: skip
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_stands_in_a_configuration_is_carried_told_or_refused(here, configuration):
    """What is written passes the check, or the list says why it cannot; nothing raises but the error that names the place."""
    (here / "any.json").write_text(json.dumps(configuration))
    try:
        conversion = convert("any.json", "out")
        write_drafts(conversion, force=True)
    except SpecError:
        return
    problems = [problem for _, _, errors in check_written(conversion) for problem in errors]
    assert not problems or conversion.changes_meaning, problems
