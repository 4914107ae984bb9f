"""Checks of what an answer is made of."""

import json

import pytest
from tests.checks.making import (
    assert_cannot_be_evaluated,
    compiled,
    issue_of,
    issues_of,
    json_answer,
    negated,
    passes,
    result_of,
)

from throughster.checks import Answer
from throughster.types import ToolCall

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("entry", "answer", "wanted"),
    [
        ({"type": "is-json"}, '{"a": 1}', True),
        ({"type": "is-json"}, " [1]\n", True),
        ({"type": "is-json"}, "5", True),
        ({"type": "is-json"}, "", False),
        ({"type": "is-json"}, "{'a': 1}", False),
        ({"type": "is-json"}, '{"a": NaN}', False),
        ({"type": "is-json"}, '{"a": 1, "a": 2}', False),
        ({"type": "is-json"}, '```json\n{"a": 1}\n```', False),
        ({"type": "is-json"}, json_answer({"a": 1}), True),
        ({"type": "is-json", "path": "$.a"}, json_answer({"a": '{"b": 1}'}), True),
        ({"type": "is-json", "path": "$.a"}, json_answer({"a": "b"}), False),
        ({"type": "is-json", "value": CITY}, '{"city": "Lyon"}', True),
        ({"type": "is-json", "value": CITY}, '{"city": 5}', False),
        ({"type": "is-json", "value": CITY}, "Lyon", False),
        ({"type": "json-schema", "value": CITY}, json_answer({"city": "Lyon"}), True),
        ({"type": "json-schema", "value": CITY}, '{"city": "Lyon"}', True),
        ({"type": "json-schema", "value": CITY}, json_answer({}), False),
        ({"type": "json-schema", "value": {"type": "string"}, "path": "$.a"}, json_answer({"a": "b"}), True),
        ({"type": "json-schema", "value": {"type": "string"}, "path": "$.a"}, json_answer({"a": 1}), False),
    ],
    ids=str,
)
def test_json_and_its_schema(entry, answer, wanted):
    assert passes(entry, answer) is wanted
    assert passes(negated(entry), answer) is not wanted


@pytest.mark.parametrize(
    ("entry", "answer", "wanted"),
    [
        ({"type": "contains-json"}, '{"a": 1}', True),
        ({"type": "contains-json"}, 'Here: {"a": {"b": [1]}}. Enjoy {it}.', True),
        ({"type": "contains-json"}, '```json\n{"a": 1}\n```', True),
        ({"type": "contains-json"}, "[1, 2]", False),
        ({"type": "contains-json"}, "{a: 1} {'a': 1}", False),
        ({"type": "contains-json"}, '{"a": 1', False),
        ({"type": "contains-json"}, "", False),
        ({"type": "contains-json", "value": CITY}, 'First {"n": 1}, then {"city": "Lyon"}.', True),
        ({"type": "contains-json", "value": CITY}, 'In {"of": {"city": "Lyon"}} only.', False),
        ({"type": "contains-json", "value": CITY}, '{"city": 5}', False),
        ({"type": "contains-json", "path": "$.a"}, json_answer({"a": 'so {"b": 1}'}), True),
        ({"type": "contains-json"}, "{" * 200 + '{"a": 1}', True),
    ],
    ids=str,
)
def test_json_inside_a_text(entry, answer, wanted):
    assert passes(entry, answer) is wanted
    assert passes(negated(entry), answer) is not wanted


def test_json_is_not_looked_for_behind_endless_braces():
    assert_cannot_be_evaluated(
        {"type": "contains-json"}, "{" * 5000, "more than 1,000 braces in it open no JSON object"
    )


def test_the_reason_of_json_inside_a_text_names_what_does_not_fit():
    reason = result_of({"type": "contains-json", "value": CITY}, 'It is {"city": 5}.').reason
    assert reason.endswith('$.city: the value is not of type "string" (found 5)')
    assert "there is no JSON object in it" in result_of({"type": "contains-json"}, "none").reason


def test_the_reason_names_what_does_not_fit():
    reason = result_of({"type": "json-schema", "value": CITY}, '{"city": 5}').reason
    assert reason == 'json-schema: $.city: the value is not of type "string" (found 5)'
    assert "line 1, column" in result_of({"type": "is-json"}, "{'a': 1}").reason


def test_a_schema_needs_json():
    assert_cannot_be_evaluated({"type": "json-schema", "value": CITY}, "Lyon", "the answer is no JSON: ")
    assert_cannot_be_evaluated({"type": "json-schema", "value": CITY, "path": "$.a"}, '{"b": 1}', "leads to nothing")
    assert_cannot_be_evaluated({"type": "is-json", "path": "$.a"}, '{"b": 1}', "leads to nothing")


def test_a_schema_in_a_file(tmp_path):
    (tmp_path / "specs").mkdir()
    (tmp_path / "city.json").write_text(json.dumps({**CITY, "properties": {"city": {"$ref": "name.json"}}}))
    (tmp_path / "name.json").write_text(json.dumps({"type": "string", "minLength": 2}))
    place = {"base": tmp_path / "specs", "root": tmp_path}
    for kind in ("json-schema", "is-json"):
        entry = {"type": kind, "value": "../city.json"}
        assert passes(entry, '{"city": "Lyon"}', **place)
        assert not passes(entry, '{"city": "L"}', **place)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nowhere.json", "`nowhere.json` does not exist"),
        ("../../secret.json", "lies outside the project folder"),
        ("bad.json", "bad.json: $.type: Unknown type `strin`."),
        ("text.json", "The file is no JSON"),
        (5, "must be a JSON Schema, or a path to one, found `5`"),
        ([CITY], "must be a JSON Schema"),
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_used_is_told(value, words, tmp_path):
    (tmp_path / "bad.json").write_text('{"type": "strin"}')
    (tmp_path / "text.json").write_text("text")
    issue = issue_of({"type": "json-schema", "value": value}, base=tmp_path, root=tmp_path)
    assert issue.at == (0, "value")
    assert words in issue.message


def test_no_file_is_read_where_no_project_is():
    assert "no file can be read here" in issue_of({"type": "json-schema", "value": "/etc/passwd"}).message


def test_a_mistake_inside_a_schema_has_its_place():
    issue = issue_of({"type": "is-json", "value": {"properties": {"a": {"type": "strin"}}}})
    assert issue.at == (0, "value", "properties", "a", "type")
    assert issue.hint == "Did you mean `string`?"


def test_a_warning_of_a_schema_is_told_and_the_check_runs():
    (warning,) = issues_of({"type": "is-json", "value": {"type": "object", "requierd": ["a"]}})
    assert (warning.severity, warning.at) == ("warning", (0, "value", "requierd"))


def test_a_schema_is_no_template():
    entry = {"type": "is-json", "value": {"const": "{{ a }}"}}
    assert passes(entry, '"{{ a }}"')


# -- tool calls -------------------------------------------------------------------------------------------------------

CALLS = Answer(
    "",
    tool_calls=(
        ToolCall("1", "get_weather", {"city": "Lyon", "days": 3, "of": {"a": 1, "b": [1, {"c": 2, "d": 3}]}}),
        ToolCall("2", "broken", "{not json"),
    ),
    vars={"city": "Lyon", "days": 3},
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("get_weather", True),
        ({"name": "get_weather"}, True),
        ({"name": "get_weather", "arguments": {}}, True),
        ({"name": "get_weather", "arguments": {"city": "Lyon"}}, True),
        ({"name": "get_weather", "arguments": {"days": 3.0}}, True),
        ({"name": "get_weather", "arguments": {"of": {"b": [1, {"c": 2}]}}}, True),
        ({"name": "get_weather", "arguments": {"city": "{{ city }}", "days": "{{ days }}"}}, True),
        ({"name": "get_weather", "arguments": {"of": {"b": [1]}}}, False),
        ({"name": "get_weather", "arguments": {"days": "3"}}, False),
        ({"name": "get_weather", "arguments": {"days": True}}, False),
        ({"name": "get_weather", "arguments": {"hours": 1}}, False),
        ({"name": "get_time"}, False),
        ({"name": "broken"}, True),
        ({"name": "broken", "arguments": {"a": 1}}, False),
    ],
    ids=str,
)
def test_a_tool_call(value, wanted):
    assert passes({"type": "tool-call", "value": value}, CALLS) is wanted
    assert passes({"type": "not-tool-call", "value": value}, CALLS) is not wanted


def test_no_tool_call_is_an_answer_too():
    found = result_of({"type": "tool-call", "value": {"name": "f", "arguments": {"a": 1}}}, "text")
    assert (found.passed, found.reason) == (False, 'tool-call: f({"a": 1}) was not called; the model called nothing')
    assert passes({"type": "not-tool-call", "value": "f"}, "text")


@pytest.mark.parametrize(
    ("value", "at", "words"),
    [
        ({"name": ""}, ("value",), "function's name"),
        ({}, ("value",), "function's name"),
        ([], ("value",), "function's name"),
        ({"nam": "f"}, ("value",), "function's name"),
        ({"name": "f", "arguments": "{}"}, ("value", "arguments"), "{name: ..., arguments: {...}}"),
        ({"name": "f", "argments": {}}, ("value", "argments"), "Unknown key `argments`"),
        ({"name": "f", "argments": {"a": "{{ b }}"}}, ("value", "argments"), "Unknown key `argments`"),
    ],
    ids=str,
)
def test_a_wrong_tool_call_is_told(value, at, words):
    issue = issue_of({"type": "tool-call", "value": value})
    assert issue.at == (0, *at)
    assert words in issue.message


# -- the reason why it ended ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wanted"), [("stop", True), (["length", "stop"], True), ("length", False), ("new_reason", False)]
)
def test_a_finish_reason(value, wanted):
    answer = Answer("x", finish_reason="stop")
    assert passes({"type": "finish-reason", "value": value}, answer) is wanted
    assert passes({"type": "not-finish-reason", "value": value}, answer) is not wanted


def test_a_finish_reason_that_nobody_said():
    assert_cannot_be_evaluated({"type": "finish-reason", "value": "stop"}, "x", "did not say why the answer ended")


def test_a_misspelt_finish_reason_is_told_since_its_negation_would_always_pass():
    issue = issue_of({"type": "not-finish-reason", "value": "lenght"})
    assert (issue.at, issue.hint) == ((0, "value"), "Did you mean `length`?")
    assert compiled({"type": "finish-reason", "value": "tool_calls"})
