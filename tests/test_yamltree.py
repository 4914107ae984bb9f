"""YAML text -> tree with positions: scalars of YAML 1.2, limits, places, and no input that crashes it."""

from __future__ import annotations

import copy
import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.yamltree import (
    Mapping,
    Scalar,
    Sequence,
    WrittenFloat,
    WrittenInt,
    keep_text,
    parse_yaml,
    plain_numbers,
    resolve_scalar,
)
from throughster.yamltree import parse as parse_module

INTERNAL_WORDS = ("Traceback", "unhashable", "ConstructorError", "NoneType")


def value_of(text):
    document, problems = parse_yaml(text, "f.yaml")
    assert problems == []
    return document.value()


def problem_of(text, **limits):
    _, problems = parse_yaml(text, "f.yaml", **limits)
    assert len(problems) == 1, problems
    return problems[0]


SCALARS = [
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", "Null"),
    ("true", True),
    ("false", False),
    ("True", "True"),
    ("FALSE", "FALSE"),
    ("yes", "yes"),
    ("NO", "NO"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("0", 0),
    ("7", 7),
    ("-12", -12),
    ("007", "007"),
    ("010", "010"),
    ("0o10", "0o10"),
    ("0x1F", "0x1F"),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("1,000", "1,000"),
    ("1:30", "1:30"),
    ("190:20:30", "190:20:30"),
    ("0.5", 0.5),
    ("-0.25", -0.25),
    ("1.0", 1.0),
    ("00.5", "00.5"),
    ("1.2.3", "1.2.3"),
    ("1e400", "1e400"),
    (".inf", ".inf"),
    ("-.INF", "-.INF"),
    (".nan", ".nan"),
    ("nan", "nan"),
    ("infinity", "infinity"),
    ("2024-10-21", "2024-10-21"),
    ("2024-13-45", "2024-13-45"),
    ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
    ("=", "="),
    (".", "."),
    ("-", None),
    ("+", "+"),
    ("e5", "e5"),
    ("٣", "٣"),
    ("9" * 100, int("9" * 100)),
    ("9" * 101, "9" * 101),
]
WRITTEN = [
    ("+5", 5),
    ("-0", 0),
    ("1.10", 1.1),
    ("0.20", 0.2),
    ("1e3", 1000.0),
    ("1E3", 1000.0),
    ("1.", 1.0),
    (".5", 0.5),
    ("+0.5", 0.5),
    ("1e-999", 0.0),
    ("0.1000000000000000055511151231257827", 0.1),
]


@pytest.mark.parametrize(("source", "value"), SCALARS)
def test_plain_scalar_means_what_yaml_1_2_says_and_nothing_else(source, value):
    if source == "-":  # a list with an empty entry
        assert value_of("a:\n- ") == {"a": [None]}
        return
    found = value_of(f"a: {source}\n")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("source", "value"), WRITTEN)
def test_number_that_would_lose_its_text_keeps_it(source, value):
    found = value_of(f"a: {source}\n")["a"]
    assert found == value
    assert isinstance(found, WrittenInt | WrittenFloat)
    assert keep_text({"a": [found]}) == {"a": [source]}
    assert type(plain_numbers([found])[0]) is type(value)
    for same in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert (same, same.source, type(same)) == (found, source, type(found))


@pytest.mark.parametrize("source", ["yes", "5", "null", "", "1.10", "{{ x }}"])
def test_quoted_scalar_is_text(source):
    assert value_of(f'"{source}"') == source
    assert value_of(f"'{source}'") == source
    assert resolve_scalar("5") == 5


def test_block_scalar_is_text():
    assert value_of("a: |\n  5\nb: >-\n  true\n") == {"a": "5\n", "b": "true"}


def test_keep_text_leaves_ordinary_values_and_makes_text_of_what_json_cannot_carry():
    assert keep_text({"a": 1, "b": 0.5, "c": None, "d": True}) == {"a": 1, "b": 0.5, "c": None, "d": True}
    assert keep_text([2**64, 2**64 - 1, -(2**63) - 1]) == [str(2**64), 2**64 - 1, str(-(2**63) - 1)]


def test_keys_are_text_whatever_they_look_like():
    assert value_of("no: 1\n5: 2\ntrue: 3\n1.10: 4\nnull: 5\n") == {"no": 1, "5": 2, "true": 3, "1.10": 4, "null": 5}


TEXT = """\
# a comment
provider:
  name: "openai"   # who
  params: {temperature: 0.5, stop: [a, b]}
prompt:
- role: user
  content: |
    Hi {{ name }}
empty:
"""


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        (("provider",), False, (3, 3, 4)),
        (("provider",), True, (2, 1, 8)),
        (("provider", "name"), False, (3, 9, 8)),
        (("provider", "name"), True, (3, 3, 4)),
        (("provider", "params"), False, (4, 11, 32)),
        (("provider", "params", "stop", 1), False, (4, 40, 1)),
        (("provider", "params", "zzz", "deeper"), False, (4, 11, 32)),
        (("provider", "zzz"), True, (2, 1, 8)),
        (("prompt",), False, (6, 1, 1)),
        (("prompt", 0), False, (6, 3, 4)),
        (("prompt", 0, "content"), False, (7, 12, 1)),
        (("prompt", 7), False, (6, 1, 1)),
        (("empty",), False, (9, 7, 1)),
        ((), False, (2, 1, 8)),
    ],
)
def test_every_value_and_key_has_a_place(path, key, place):
    document, _ = parse_yaml(TEXT, "f.yaml")
    span = document.locate(path, key=key)
    assert (span.line, span.column, span.width) == place
    problem = document.problem(path, "wrong.", "Fix it.", key=key, severity="warning")
    assert (problem.line, problem.column, problem.width) == place
    assert (problem.file, problem.severity, problem.source) == ("f.yaml", "warning", TEXT.splitlines()[place[0] - 1])


def test_source_of_a_scalar_is_its_raw_text_so_that_a_variable_can_be_found_in_it():
    document, _ = parse_yaml(TEXT, "f.yaml")
    raw, mark = document.source_of(("prompt", 0, "content"))
    at = mark.index + raw.index("{{ name")
    problem = document.problem_at(at, 10, "no such variable.")
    assert (problem.line, problem.column) == (8, 8)
    assert str(problem).splitlines()[-1] == "    |        ^^^^^^^^^^"
    assert document.source_of(("provider", "name"))[0] == '"openai"'


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_count_as_in_an_editor(newline):
    text = newline.join(["a: 1", "b: é😀\u2028x", "c: 3", ""])
    document, _ = parse_yaml("\ufeff".encode() + text.encode(), "f.yaml")
    assert document.value() == {"a": 1, "b": "é😀\u2028x", "c": 3}
    assert document.locate(("c",)).line == 3
    assert document.problem(("c",), "x").source == "c: 3"


def test_a_far_column_of_a_long_line_is_named_without_its_source():
    document, _ = parse_yaml("a: [" + "1, " * 2000 + "2]", "f.yaml")
    assert document.problem(("a",), "x").source.endswith("…")
    assert document.problem(("a", 1999), "x").source == ""


def test_nodes_tell_what_they_are():
    document, _ = parse_yaml(TEXT, "f.yaml")
    assert isinstance(document.root, Mapping)
    assert isinstance(document.node(("prompt",)), Sequence)
    name = document.node(("provider", "name"))
    assert isinstance(name, Scalar)
    assert (name.text, name.plain) == ("openai", False)
    assert document.node(("provider", "zzz")) is None
    assert TEXT[document.node(("provider", "params")).start :].startswith("{temperature")


def test_aliases_are_copies():
    value = value_of("a: &x [1]\nb: *x\n*x2 : 3\n".replace("*x2 ", "c"))
    assert value == {"a": [1], "b": [1], "c": 3}
    assert value["a"] is not value["b"]


def test_an_alias_may_be_a_key():
    assert value_of("a: &x name\n*x : 5\n") == {"a": "name", "name": 5}


def test_duplicate_keys_are_all_reported_and_the_first_one_counts():
    document, problems = parse_yaml('a: 1\n"a": 2\nb: {c: 1, c: 2}\na: 3\n', "f.yaml")
    assert document.value() == {"a": 1, "b": {"c": 1}}
    assert [(p.line, p.column) for p in problems] == [(2, 1), (3, 11), (4, 1)]
    assert "line 1" in problems[0].message
    assert "line 2" in problems[0].message


def test_an_unquoted_template_becomes_its_text_so_that_one_mistake_is_one_problem():
    document, problems = parse_yaml("a: {{ x }}\nb: {{ y: z }}\n", "f.yaml")
    assert document.value() == {"a": "{{ x }}", "b": "{{ y: z }}"}
    assert [p.line for p in problems] == [1, 2]
    assert all("quotes" in p.hint for p in problems)


def test_an_undefined_alias_becomes_its_text():
    document, problems = parse_yaml("a: *x\n", "f.yaml")
    assert document.value() == {"a": "*x"}
    assert len(problems) == 1


@pytest.mark.parametrize("data", [b"a: \xff\n", "a: ä".encode("utf-16"), b"ok: 1\na: \xe4\n"])
def test_what_is_not_utf_8_is_refused_at_its_place(data):
    problem = problem_of(data)
    assert "UTF-8" in problem.message
    assert problem.line == (2 if data.startswith(b"ok") else 1)


@pytest.mark.parametrize("text", ["a: \x00", "a: \x1b[31m", "a: \ud800", "a: \x7f", "\ufffe"])
def test_characters_that_yaml_does_not_allow_are_refused_and_not_shown(text):
    problem = problem_of(text)
    assert "U+" in problem.message
    assert problem.source.isprintable()


def test_a_file_that_is_too_large_is_refused_unread():
    assert "larger" in problem_of(b"a: 1\n" * 3, max_bytes=10).message
    assert "larger" in problem_of("é" * 6, max_bytes=10).message
    assert value_of("a: 1") == {"a": 1}


BOMBS = {
    "30k brackets": "[" * 30_000,
    "30k braces": "{" * 30_000,
    "30k dashes": "- " * 30_000,
    "30k question marks": "? " * 30_000,
    "30k keys in keys": "\n".join(" " * depth + "a:" for depth in range(700)),
    "too many values": "[" + "1," * 400_000 + "]",
    "alias bomb": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)),
    "text alias bomb": "a: &a " + "x" * 900_000 + "\nb: [" + "*a," * 90 + "]",
    "deep aliases": "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 20 + "*a" + "]" * 20,
    "merge bomb": "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 21)),
    "many anchors": "".join(f"a{i}: &a{i} x\n" for i in range(200)),
    "many duplicates": "a: 1\n" * 190_000,
    "many tags": "- !x\n" * 40_000,
    "many templates": "- {{ x }}\n" * 40_000,
    "an endless quote": '"' + "x\n" * 400_000,
    "a million colons": "a: " * 300_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_ends_quickly_in_a_problem(name):
    started = time.process_time()
    document, problems = parse_yaml(BOMBS[name], "f.yaml")
    spent_s = time.process_time() - started
    assert problems
    assert len(problems) <= 101
    assert spent_s < 6
    if document is not None:
        document.value()


def test_a_number_of_5000_digits_is_text():
    assert value_of("a: " + "9" * 5000) == {"a": "9" * 5000}


def test_depth_limit_is_fifty():
    assert value_of("[" * 50 + "]" * 50)
    assert "50 levels" in problem_of("[" * 51 + "]" * 51).message


def test_the_pure_python_parser_gives_the_same_tree_and_places(monkeypatch):
    with_c = parse_yaml(TEXT, "f.yaml")
    monkeypatch.setattr(parse_module, "_LOADER", parse_module.yaml.SafeLoader)
    assert parse_yaml(TEXT, "f.yaml") == with_c
    assert parse_yaml('a: "\\ud83d"', "f.yaml")[1][0].line == 1
    for bad in ("%YAML " + "9" * 5000 + ".1\n--- a", 'a: "\\UFFFFFFFF"', "a: [", "a: b: c", "\ta: 1", "a: {{ x }} y"):
        document, problems = parse_yaml(bad, "f.yaml")
        assert document is None
        assert problems


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.text(alphabet="ab:-[]{}\"'#&*!|>%@`?, \n\t<~1", max_size=60)))
def test_any_input_ends_in_a_document_or_problems(data):
    document, problems = parse_yaml(data, "f.yaml")
    assert document is not None or problems
    for problem in problems:
        assert problem.line >= 1
        assert not [word for word in INTERNAL_WORDS if word in f"{problem.message} {problem.hint}"]
    if document is not None:
        document.value()
        document.locate(("a", 0))
