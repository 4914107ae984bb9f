"""Files, overrides, partial specs, and no input that crashes the loading."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.errors import SpecError
from throughster.spec import Override, load_document, load_spec, parse_override, parse_spec
from throughster.spec.load import load
from throughster.yamltree import parse_yaml

BASE = "version: 1\nprovider: offline\nprompt: Hi\n"
INTERNAL_WORDS = (
    "Traceback",
    "unhashable",
    "ConstructorError",
    "NoneType",
    "pydantic",
    "<text>",
    "<mapping>",
    "<list>",
)


def read(text, *overrides):
    document, problems = parse_yaml(text, "specs/qa.yaml")
    assert problems == []
    return parse_spec(document, overrides)


def read_set(text, *sets):
    return read(text, *(parse_override(one) for one in sets))


def test_load_spec_returns_the_spec(tmp_path):
    (tmp_path / "qa.yaml").write_text(BASE)
    assert load_spec(tmp_path / "qa.yaml").name == "qa"


def test_load_spec_raises_every_problem_with_the_path_as_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "qa.yaml").write_text(BASE + "reapet: 3\nprompt: Ho\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        load_spec("qa.yaml")
    assert [(p.file, p.line) for p in caught.value.problems] == [("qa.yaml", 4), ("qa.yaml", 5)]
    assert str(caught.value).startswith("qa.yaml:4:1: unknown key `reapet`. Did you mean `repeat`?\n  4 | reapet: 3\n")


def test_loaded_has_a_document_and_a_partial_spec_beside_the_problems(tmp_path):
    path = tmp_path / "qa.yaml"
    path.write_text(BASE + "repeat: many\nrepeat: 2\n")
    loaded = load(path)
    assert (loaded.spec.repeat, loaded.is_usable) == (1, False)
    assert [p.line for p in loaded.problems] == [4, 5]
    assert loaded.document.locate(("repeat",)).line == 4


def test_missing_file(tmp_path):
    assert "does not exist" in str(load(tmp_path / "no.yaml").problems[0])


def test_folder_instead_of_a_file(tmp_path):
    assert "is a folder" in load(tmp_path).problems[0].message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "not a regular file" in load(tmp_path / "pipe.yaml").problems[0].message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "qa.yaml"
    path.write_text(BASE)
    path.chmod(0)
    assert "cannot be read" in load(path).problems[0].message


def test_a_path_that_goes_through_a_file(tmp_path):
    (tmp_path / "a").write_text("")
    assert "cannot be read" in load(tmp_path / "a" / "b.yaml").problems[0].message


def test_a_name_with_a_nul_character():
    assert "not the name of a file" in load("a\0b").problems[0].message


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "qa.yaml"
    path.write_bytes(BASE.encode() + b"name: \xe4\n")
    document, problems = load_document(path)
    assert document is None
    assert (problems[0].line, problems[0].column) == (4, 7)


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "qa.yaml"
    path.write_bytes(b"# " + b"x" * 1_000_000)
    assert "larger than" in load(path).problems[0].message


def test_a_byte_order_mark_is_no_problem(tmp_path):
    path = tmp_path / "qa.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load(path).is_usable


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (BASE + "reapet: 3\nrepeat: 5\n", {"repeat": 5}),
        (BASE + "repeat: no\ntags: [a, [b], c]\n", {"repeat": 1, "tags": ("a", "c")}),
        (BASE + "data: [{a: 1}, 2, {a: 3}, 4]\n", {"data": ({"a": 1}, {"a": 3})}),
        (BASE + "data: [1, 2]\nvars: {a: 1}\n", {"data": None, "vars": {"a": 1}}),
        (BASE + "inputs: {a: {typ: x}, b: {type: x}, c: 3}\n", {}),
        (BASE + "outputs: [a.xls]\nvars: {a: 1}\n", {"vars": {"a": 1}}),
        ("prompt: Hi\nvars: {a: 1}\n", {"version": 1, "vars": {"a": 1}}),
        (BASE + "name: a/b\n", {"name": "spec"}),
    ],
)
def test_what_is_wrong_is_left_out_and_the_rest_stays(text, left):
    spec, problems = read(text)
    assert problems
    assert {name: getattr(spec, name) for name in left} == left


def test_problems_in_a_shortened_list_keep_their_places():
    text = (
        "version: 1\nprovider: offline\nprompt:\n- 1\n- {role: user, content: Hi, x: 1}\n- {role: usr, content: Ho}\n"
    )
    spec, problems = read(text)
    assert [(p.line, p.column) for p in problems] == [(4, 3), (5, 29), (6, 10)]
    assert [m.content for m in spec.prompt.messages] == ["Hi"]
    assert spec.prompt.paths == (("prompt", 1, "content"),)


def test_two_missing_keys_of_one_entry_cost_only_that_entry():
    spec, problems = read("version: 1\nprovider: offline\nprompt: [{}, {role: user, content: Hi}]\n")
    assert [p.message for p in problems] == ["`prompt[0].role` is missing.", "`prompt[0].content` is missing."]
    assert len(spec.prompt.messages) == 1


def test_a_spec_without_a_prompt_leaves_nothing():
    assert read("version: 1\nprovider: offline\n")[0] is None


def test_an_unusable_provider_is_stood_in_for_so_that_the_rest_can_be_checked():
    spec, problems = read("version: 1\nprompt: Hi\nprovider: {name: opnai}\nrepeat: x\n")
    assert len(problems) == 2
    assert spec.provider.name == "offline"
    assert read("version: 1\nprompt: Hi\nproviders: 5\n")[0].provider.name == "offline"
    assert read("version: 1\nprompt: Hi\n")[0].provider.name == "offline"


def test_a_refused_provider_of_several_leaves_the_others_in_their_places():
    spec, problems = read("version: 1\nprompt: Hi\nproviders: [opnai, openai:a, {model: b}, vllm:c]\n")
    assert [p.column for p in problems] == [13, 30]
    assert [p.shown_label for p in spec.each_provider] == ["providers[0]", "openai:a", "providers[2]", "vllm:c"]


def test_of_very_many_problems_a_hundred_are_shown():
    problems = read(BASE + "".join(f"k{i}: 1\n" for i in range(1000)))[1]
    assert len(problems) == 101
    assert "900 more" in problems[-1].message


def test_an_override_replaces_a_value():
    spec, problems = read_set(BASE + "repeat: 2\n", "repeat=3", "retry.max_attempts=9", "vars.text=1.10", "tags=[a, b]")
    assert problems == []
    assert (spec.repeat, spec.retry.max_attempts, spec.vars, spec.tags) == (3, 9, {"text": "1.10"}, ("a", "b"))


def test_an_override_goes_below_a_short_form():
    spec, problems = read_set(
        "version: 1\nprompt: Hi\nprovider: openai:a\nconcurrency: 8\n",
        "provider.params.temperature=0.5",
        "provider.model=b",
        "concurrency.adaptive=false",
    )
    assert problems == []
    assert (spec.provider.name, spec.provider.model, spec.provider.params) == ("openai", "b", {"temperature": 0.5})
    assert (spec.concurrency.max_in_flight, spec.concurrency.adaptive) == (8, False)


def test_an_override_may_count_into_a_list():
    spec, problems = read_set("version: 1\nprompt: Hi\nproviders: [offline, openai:a]\n", "providers.1.model=b")
    assert problems == []
    assert spec.providers[1].model == "b"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("concurrency.max_in_flight=abc", "`concurrency.max_in_flight` must be a whole number, found the text `abc`."),
        ("concurency=4", "unknown key `concurency`. Did you mean `concurrency`?"),
        ("retry.max_attempt=4", "unknown key `max_attempt` under `retry`. Did you mean `max_attempts`?"),
        ("foo.bar.baz=4", "unknown key `foo`. Valid keys:"),
        ("repeat.x=4", "`repeat` has no keys below it."),
        ("tags.7=a", "`tags` has no entry 7."),
        ("budget.calls=0", "`budget.calls` must be at least 1, found `0`."),
        ("cache=yes", "`cache` cannot be the text `yes`. Valid: off, read, write, on."),
        ("outputs=[a.xls]", "An output's ending says its format, found `.xls`."),
        ("timeout.total_s=", "`timeout.total_s` must be a number, found nothing."),
        ("version=2", "`version` must be 1, found `2`."),
    ],
)
def test_a_problem_in_an_override_names_the_option(option, words):
    _, problems = read_set(BASE + "repeat: 2\ntags: [a]\n", option)
    assert len(problems) == 1
    assert str(problems[0]).startswith(f"--set {option}: {words}")
    assert not problems[0].line


def test_a_problem_beside_an_override_keeps_its_place():
    _, problems = read_set(BASE + "retry: {max_delay_s: x}\n", "retry.max_attempts=0")
    assert [(p.file, p.line) for p in problems] == [("--set retry.max_attempts=0", 0), ("specs/qa.yaml", 4)]


def test_a_provider_override_replaces_whom_to_ask_and_keeps_the_params():
    text = (
        "version: 1\nprompt: Hi\nprovider: {name: openai, model: a, api_base: 'https://x.example', label: L,\n"
        "  params: {temperature: 0.5}, price: {input: 1, output: 2}}\n"
    )
    spec, problems = read(text, Override(("provider",), "vllm:m", "--provider vllm:m"))
    assert problems == []
    assert spec.provider.model_dump(exclude_unset=True) == {
        "name": "vllm",
        "model": "m",
        "label": "L",
        "params": {"temperature": 0.5},
    }


def test_a_provider_override_replaces_the_whole_list():
    text = "version: 1\nprompt: Hi\nproviders: [{name: offline, answers: a.yaml, params: {seed: 1}}, openai:a]\n"
    spec, problems = read(text, Override(("provider",), "openai", "--provider openai"))
    assert problems == []
    assert [p.model_dump(exclude_unset=True) for p in spec.each_provider] == [{"name": "openai", "params": {"seed": 1}}]


def test_a_provider_override_may_stand_where_the_spec_has_none_and_is_checked():
    assert read("version: 1\nprompt: Hi\n", Override(("provider",), "offline", "--provider offline"))[1] == []
    _, problems = read(BASE, Override(("provider",), "opnai", "--provider opnai"))
    assert [str(p)[:46] for p in problems] == ["--provider opnai: unknown provider `opnai`. Di"]


def test_a_model_override_reaches_the_only_provider_of_a_list_and_refuses_several():
    override = Override(("provider", "model"), "b", "--model b")
    assert read("version: 1\nprompt: Hi\nproviders: [openai:a]\n", override)[0].providers[0].model == "b"
    _, problems = read("version: 1\nprompt: Hi\nproviders: [openai:a, vllm:c]\n", override)
    assert str(problems[0]).startswith("--model b: The spec has several providers.")
    bad = Override(("provider", "model"), [1], "--model [1]")
    _, problems = read("version: 1\nprompt: Hi\nproviders: [openai:a]\n", bad)
    assert [p.file for p in problems] == ["--model [1]"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=5", 5),
        ("a=", None),
        ("a=true", True),
        ("a=yes", "yes"),
        ("a='5'", "5"),
        ('a="x: y"', "x: y"),
        ("a=x: y", "x: y"),
        ("a=[1, b]", [1, "b"]),
        ("a={b: 1}", {"b": 1}),
        ("a={{ text }}", "{{ text }}"),
        ("a=b=c", "b=c"),
        ("a= 5 ", 5),
    ],
)
def test_the_value_of_an_override_is_read_as_in_a_spec(text, value):
    override = parse_override(text)
    assert (override.path, override.value, override.origin) == (("a",), value, f"--set {text}")


@pytest.mark.parametrize("text", ["a", "=5", "a..b=5", "a=[1", "a=[1, 1]: x", "a={b: 1, b: 2}"])
def test_a_malformed_override_is_refused(text):
    with pytest.raises(SpecError, match=r"^--set "):
        parse_override(text)


def test_a_secret_in_an_override_is_not_shown():
    _, problems = read_set(BASE, "provider.api_key=abcdef-very-secret")
    assert len(problems) == 1
    assert "abcdef" not in str(problems[0])


FRAGMENTS = st.sampled_from(
    [
        "version",
        "name",
        "provider",
        "providers",
        "prompt",
        "inputs",
        "output",
        "vars",
        "matrix",
        "data",
        "retry",
        "concurrency",
        "timeout",
        "outputs",
        "repeat",
        "tags",
        "tests",
        "budget",
        "cache",
        "stream",
        "system",
        "user",
        "role",
        "content",
        "file",
        "type",
        "default",
        "schema",
        "strategy",
        "max_attempts",
        "params",
        "model",
        "offline",
        "openai",
        "azure",
        "x-a",
        "api_key",
        "1",
        "0",
        "-5",
        "1.10",
        "true",
        "null",
        "{{x}}",
        "'q'",
        "[]",
        "{}",
        "a.csv",
    ]
)
VALUES = st.recursive(
    st.one_of(FRAGMENTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(FRAGMENTS, st.text(max_size=3)), inner, max_size=4)
    ),
    max_leaves=12,
)


def flow(value):
    """Write a value as YAML in flow style, texts without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return {True: "true", False: "false", None: "null"}[value] if value in (True, False, None) else str(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FRAGMENTS, VALUES, max_size=6), st.booleans())
def test_any_structure_ends_in_a_spec_or_in_plain_problems(data, with_base):
    text = (BASE if with_base else "") + "\n".join(f"{flow(key)}: {flow(value)}" for key, value in data.items())
    check_outcome(text)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.text(alphabet="aprov:-[]{}\"'#&*!|>%@`?, \n\t<~1", max_size=80)))
def test_any_text_ends_in_a_spec_or_in_plain_problems(data):
    check_outcome(data)


def check_outcome(data):
    document, problems = parse_yaml(data, "f.yaml")
    spec = None
    if document is not None:
        spec, more = parse_spec(document)
        problems = [*problems, *more]
    assert spec is not None or problems
    for problem in problems:
        shown = f"{problem.message} {problem.hint}"
        assert not [word for word in INTERNAL_WORDS if word in shown and word not in str(data)]


BOMBS = {
    "wrong rows": BASE + "data: [" + "1," * 90_000 + "]",
    "unknown keys": BASE + "".join(f"k{i}: 1\n" for i in range(40_000)),
    "wrong messages": "version: 1\nprovider: offline\nprompt: [" + "{role: x}," * 30_000 + "]",
    "wrong providers": "version: 1\nprompt: x\nproviders: [" + "x," * 90_000 + "]",
    "equal providers": "version: 1\nprompt: x\nproviders: [" + "offline," * 90 + "]",
    "equal outputs": BASE + "outputs: [" + "a.csv," * 90 + "]",
    "empty tags": BASE + "tags: [" + "''," * 90_000 + "]",
    "keys": "version: 1\nprompt: x\nprovider: {params: {"
    + ",".join(f"a{i}: {{key: sec{i}}}" for i in range(15_000))
    + "}}",
    "merge bomb": BASE + "".join(f"x-{i}: &a{i} {{<<: *a{i - 1}, a: [*a{i - 1}]}}\n" for i in range(1, 25)),
    "digits": BASE + "repeat: " + "9" * 5000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_ends_quickly_in_a_problem(name):
    started = time.process_time()
    document, problems = parse_yaml(BOMBS[name], "f.yaml")
    if document is not None:
        problems += parse_spec(document)[1]
    spent_s = time.process_time() - started
    assert problems
    assert len(problems) <= 202
    assert spent_s < 6  # it takes less than 2 s; without a bound, a minute
