"""Schemas: what is wrong with one is found when it is loaded, and answers are read strictly."""

import json
import math
import pickle
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.errors import RequestError
from throughster.schema import (
    AnswerSchema,
    SchemaProblem,
    check_schema,
    drop_added_nulls,
    json_path,
    load_schema,
    read_schema,
    strict_schema,
)
from throughster.schema.answer import EXAMPLES
from throughster.strictjson import JsonProblem, parse_json

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


def errors(schema, **where):
    return [issue for issue in check_schema(schema, **where) if issue.severity == "error"]


def warnings(schema):
    return [issue for issue in check_schema(schema) if issue.severity == "warning"]


# -- strict JSON --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": {"a": 1}}', {"a": 1, "b": {"a": 1}}),
        ('{"a" : ":", "b": "\\":"}', {"a": ":", "b": '":'}),
        ('{"a": "x: y", "b": ["c", {"a": null}]}', {"a": "x: y", "b": ["c", {"a": None}]}),
        ("[]", []),
        ("0", 0),
        (" true\n", True),
        ('"x"', "x"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("[-123456789012345678901234567890]", [-123456789012345678901234567890]),
        ("9" * 4300, int("9" * 4300)),
        ("[" * 100 + "]" * 100, eval("[" * 90 + "[[[[[[[[[[]]]]]]]]]]" + "]" * 90)),
        ("1e300", 1e300),
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_strict_json_reads_what_is_json(text, value):
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value
    assert type(parse_json(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', 'the name "a" stands twice'),
        ('{"a": 1, "\\u0061": 2}', 'the name "a" stands twice'),
        ('{"a" :1,"a" :2}', "stands twice"),
        ('{"a" :1,"a":2}', "stands twice"),
        ('{"a"\n:1,"a":2}', "stands twice"),
        ('{"a:": 1, "a:": 2}', "stands twice"),
        ('{"x": "\\":", "y": 1, "y": 2}', "stands twice"),
        ('[{"b": {"c": 1, "c": 1}}]', 'the name "c" stands twice'),
        ("NaN", "NaN is no JSON number"),
        ('{"a": [Infinity]}', "Infinity is no JSON number"),
        ("-Infinity", "Infinity is no JSON number"),
        ("1e999", "too great"),
        ("[-1e999]", "too great"),
        ("9" * 4301, "more than 4300 digits"),
        ("[" * 101 + "]" * 101, "nested more than 100"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested more than 100"),
        ("[" * 100_000, "depth"),
        ("[" * 100_000 + "NaN", "nested more than 100"),
        ('{"a": 1} {"b": 2}', "after document"),
        ('{"a": 1}.', "after document"),
        ("[1,]", "trailing comma"),
        ("{'a': 1}", ""),
        ("", "empty"),
        ("// c\n1", ""),
        ('"\n"', "control character"),
        ('"\\ud800"', "surrogate"),
        ('[1e999, "\\ud800"]', "too great"),
        ("[" + "9" * 400 + ', "\\ud800"]', "surrogate"),
        ("01", ""),
        ("+1", ""),
        (".5", ""),
        ("\ufeff1", "BOM"),
    ],
)
def test_strict_json_refuses_what_is_none(text, reason):
    for variant in (text, text.encode()):
        with pytest.raises(JsonProblem) as caught:
            parse_json(variant)
        assert reason in str(caught.value)
        assert len(str(caught.value)) < 300


def test_bytes_that_are_no_utf8_are_refused():
    with pytest.raises(JsonProblem):
        parse_json(b'{"a": "\xff"}')


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='ab:" \\', max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(TREES, st.sampled_from([None, (",", ":"), (" , ", " : "), (",", " :")]))
def test_every_value_survives_and_every_repeated_name_is_found(value, separators):
    text = json.dumps(value, separators=separators)
    assert parse_json(text) == value
    if isinstance(value, dict) and value:
        name = json.dumps(next(iter(value)))
        with pytest.raises(JsonProblem, match="stands twice"):
            parse_json(text[:-1] + f",{name}{(separators or (',', ': '))[1]}1}}")


# -- answers ------------------------------------------------------------------------------------------------------------


def test_a_valid_answer_is_its_value_and_an_invalid_one_says_what_is_wrong():
    schema = AnswerSchema(PERSON)
    assert schema.check_answer('{"name": "Ann", "age": 3}') == ({"name": "Ann", "age": 3}, ())
    answer = schema.check_answer('{"age": -1, "x": [1]}')
    assert not answer.is_valid
    assert sorted(answer.errors) == [
        "$.age: the value is less than the minimum of 0 (found -1)",
        '$: "name" is a required property',
        "$: Additional properties are not allowed ('x' was unexpected)",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "$: the answer is empty; it must be JSON"),
        ('```json\n{"name": "a"}\n```', "$: the answer stands in a ``` block; it must be the bare JSON alone"),
        ('{"name": "a", "name": "b"}', '$: the answer is no JSON: the name "name" stands twice in one object'),
        ('{"name": NaN}', "$: the answer is no JSON: NaN is no JSON number"),
        ("Sure! Here it is", "$: the answer is no JSON: unexpected character"),
    ],
)
def test_an_answer_that_is_no_json_is_one_plain_error(text, error):
    answer = AnswerSchema(PERSON).check_answer(text)
    assert answer.value is None
    assert len(answer.errors) == 1
    assert answer.errors[0].startswith(error)


def test_errors_are_short_and_few_whatever_the_value():
    schema = AnswerSchema({"items": {"type": "integer"}, "additionalProperties": False, "minProperties": 2})
    found = schema.validate(["x" * 1_000_000] * 50)
    assert len(found) == 20
    assert all(len(error.message) <= 300 for error in found)
    assert found[3].path == "$[3]"
    (first, second) = schema.validate({"k" * 1_000_000: 1})
    assert max(len(first.message), len(second.message)) <= 300
    deep = {"a": [{"First Name": {"b": "x"}}]}
    nested = AnswerSchema(
        {"properties": {"a": {"items": {"properties": {"First Name": {"properties": {"b": {"type": "null"}}}}}}}}
    )
    assert nested.validate(deep)[0].path == '$.a[0]["First Name"].b'
    assert len(json_path(["k" * 1000])) <= 300


def test_a_choice_names_what_its_nearest_schema_misses():
    schema = AnswerSchema({"anyOf": [{"type": "string"}, {"properties": {"n": {"type": "integer"}}, "type": "object"}]})
    (error,) = schema.validate({"n": "x"})
    assert "nearest: $.n: the value is not of type" in error.message


@pytest.mark.parametrize("value", [math.nan, {1: 2}, object(), "\ud800", {"a": b"x"}])
def test_what_is_no_json_value_is_invalid_rather_than_an_exception(value):
    schema = AnswerSchema({"type": ["object", "string"], "maxLength": 5, "minProperties": 3})
    assert not schema.is_valid(value)
    assert schema.validate(value)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2024-02-29T10:00:00Z", "2024-02-30T10:00:00Z"),
        ("date", "2024-02-29", "2023-02-29"),
        ("time", "10:00:00Z", "25:00:00Z"),
        ("email", "a@b.c", "a"),
        ("uri", "https://a.b/c", "not a uri"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("ipv4", "1.2.3.4", "1.2.3.400"),
        ("hostname", "a.b", "-a-"),
        ("duration", "P1D", "1 day"),
    ],
)
def test_formats_are_checked(name, good, bad):
    schema = AnswerSchema({"type": "string", "format": name})
    assert schema.is_valid(good)
    assert not schema.is_valid(bad)
    assert schema.warnings == ()


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", r"^(a|a)*\1b$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?=(a+)+$)b", r"^(?:(a+)+)\1!$"]
)
def test_no_pattern_hangs(pattern):
    schema = AnswerSchema({"type": "string", "pattern": pattern})
    started = time.perf_counter()
    assert not schema.check_answer(json.dumps("a" * 100_000 + "?")).is_valid
    assert time.perf_counter() - started < 10  # an engine that goes back takes longer than anybody waits


def test_a_backtracking_pattern_meets_no_text_longer_than_four_thousand_characters(tmp_path):
    (tmp_path / "s.json").write_text('{"$defs": {"p": {"pattern": "^(?!.*x)"}}}')
    for schema in ({"pattern": "^(?!.*x)"}, {"$ref": "s.json#/$defs/p"}):
        bounded = AnswerSchema(schema, base=tmp_path, root=tmp_path)
        assert bounded.is_valid("a" * 4000)
        assert bounded.is_valid(3)
        assert not bounded.is_valid("a" * 3999 + "x")
        assert "longer than 4000 characters" in bounded.validate("a" * 4001)[0].message
        assert bounded.schema == schema
    assert AnswerSchema({"pattern": "^[^x]*$"}).is_valid("a" * 1_000_000)
    assert "draft-07" in errors({"$schema": "http://json-schema.org/draft-04/schema#", "pattern": "(?=a)"})[0].message
    assert "names of properties" in errors({"patternProperties": {"(?=a)": {}}})[0].message


def test_lookaround_and_back_references_work():
    schema = AnswerSchema({"pattern": r"^(?=.*\d)(?!.*x)(\w)\1$"})
    assert schema.is_valid("11")
    assert not schema.is_valid("12")
    assert not schema.is_valid("aa")


def test_a_small_answer_is_checked_in_microseconds():
    schema, text = AnswerSchema(PERSON), '{"name": "Ann", "age": 3}'
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(500):
            schema.check_answer(text)
        best = min(best, (time.perf_counter() - started) / 500)
    assert best < 60e-6  # about 3 microseconds where nothing else runs


def test_a_decimal_multiple_is_exact_and_great_numbers_are_kept():
    assert AnswerSchema({"multipleOf": 0.01}).is_valid(19.99)
    answer = AnswerSchema({"type": "integer"}).check_answer("123456789012345678901234567890")
    assert answer == (123456789012345678901234567890, ())


def test_a_schema_pickles():
    assert not pickle.loads(pickle.dumps(AnswerSchema(PERSON))).is_valid({})


@pytest.mark.parametrize(
    "dialect",
    [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2020-12/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-04/schema#",
    ],
)
def test_every_dialect_in_use_is_known(dialect):
    schema = AnswerSchema({"$schema": dialect, "type": "object", "properties": {"a": {"type": "string"}}})
    assert schema.is_valid({"a": "x"})
    assert not schema.is_valid({"a": 1})


# -- checks of the schema -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "pointer", "text"),
    [
        ({"type": "strin"}, ("type",), "Unknown type `strin`. Did you mean `string`?"),
        ({"properties": {"a": {"type": ["string", "nul"]}}}, ("properties", "a", "type"), "Did you mean `null`?"),
        ({"properties": {"a": {"required": True}}}, ("properties", "a", "required"), "list of property names"),
        ({"minimum": "3"}, ("minimum",), "'3' is not of type 'number'"),
        ({"properties": []}, ("properties",), "is not of type 'object'"),
        ({"enum": "a"}, ("enum",), "is not of type 'array'"),
        ({"required": ["a", "a"]}, ("required",), "non-unique"),
        ({"items": {"pattern": "["}}, ("items", "pattern"), "no regular expression"),
        ({"patternProperties": {"(": {}}}, ("patternProperties", "("), "no regular expression"),
        ({"$ref": "#/$defs/x"}, ("$ref",), "leads nowhere"),
        ({"properties": {"a": {"$ref": "#x"}}}, ("properties", "a", "$ref"), "leads nowhere"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}}}, ("$defs", "a", "$ref"), "leads nowhere"),
        ({"$ref": "#/title", "title": "x"}, ("$ref",), "no schema"),
        ({"$dynamicRef": "#nowhere"}, ("$dynamicRef",), "leads nowhere"),
        ({"$schema": "http://example.com/mine"}, ("$schema",), "Unknown dialect"),
        ({"$schema": 3}, ("$schema",), "Unknown dialect"),
        (
            {"properties": {"a": {}}, "required": ["b"], "additionalProperties": False},
            ("required", 0),
            "`b` is required",
        ),
        (
            {"properties": {"name": {}}, "required": ["nmae"], "additionalProperties": False},
            ("required", 0),
            "Did you mean `name`?",
        ),
        ({"maximum": math.inf}, ("maximum",), "inf is no JSON value"),
        ({"const": object}, ("const",), "is no JSON value"),
        ({"properties": {True: {}}}, ("properties",), "The key True is no text"),
    ],
)
def test_errors_of_a_schema_are_found_with_their_place(schema, pointer, text):
    found = errors(schema)
    assert pointer in [issue.pointer for issue in found]
    assert any(text in str(issue) for issue in found)
    with pytest.raises(SchemaProblem) as caught:
        AnswerSchema(schema)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), RequestError)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"anyOf": [{"type": "null"}, {"$ref": "#"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}},
        {"$defs": {"a": {"if": {"$ref": "#/$defs/a"}}}},
        {"$id": "https://example.com/a", "$ref": "https://example.com/a"},
        {"$dynamicAnchor": "n", "$dynamicRef": "#n"},
    ],
)
def test_references_that_lead_back_to_themselves_are_errors(schema):
    (found,) = errors(schema)
    assert "leads back to itself" in found.message
    assert found.pointer


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"child": {"$ref": "#"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}}]},
        {"$defs": {"a": {"$anchor": "x", "type": "string"}}, "items": {"$ref": "#x"}},
        {"$id": "https://example.com/a", "$defs": {"b": {"$id": "b", "type": "string"}}, "items": {"$ref": "b"}},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"const": {"$ref": "#/nowhere", "pattern": "["}, "default": {"type": "strin"}, "enum": [{"$ref": "#"}]},
        {"$defs": {"a": True, "b": False}, "items": {"$ref": "#/$defs/a"}},
        {"x-note": 1, "$comment": "c", "example": 1, "description": "d"},
        {"$dynamicRef": "#node", "$defs": {"n": {"$dynamicAnchor": "node", "type": "string"}}},
        {"properties": {"a~b/c%": {}}, "items": {"$ref": "#/properties/a~0b~1c%25"}},
    ],
)
def test_good_schemas_have_no_issue(schema):
    assert check_schema(schema) == []
    AnswerSchema(schema)


@pytest.mark.parametrize(
    ("keyword", "meant"),
    [
        ("typ", "type"),
        ("propertys", "properties"),
        ("requried", "required"),
        ("additionalproperties", "additionalProperties"),
        ("desciption", "description"),
        ("minlenght", None),
        ("foo", None),
        ("colour", None),
    ],
)
def test_misspelt_keywords_warn(keyword, meant):
    found = warnings({"properties": {"a": {keyword: {}}}})
    if meant is None:
        assert not found or "Did you mean" in found[0].hint
    else:
        assert [(issue.pointer, issue.hint) for issue in found] == [
            (("properties", "a", keyword), f"Did you mean `{meant}`?")
        ]


def test_formats_that_nobody_checks_and_nullable_warn():
    (color,) = warnings({"format": "color"})
    assert color.pointer == ("format",)
    assert "not checked" in color.message
    (near,) = warnings({"format": "datetime"})
    assert near.hint == "Did you mean `date-time`?"
    (nullable,) = warnings({"type": "string", "nullable": True})
    assert "null" in nullable.hint
    assert AnswerSchema({"format": "color"}).warnings == (color,)


@pytest.mark.parametrize("schema", [True, False, None, [], "x", 3])
def test_a_schema_for_answers_is_a_mapping(schema):
    assert "is a mapping" in errors(schema)[0].message


def test_all_errors_come_in_one_pass_and_errors_before_warnings():
    found = check_schema({"typ": 1, "minimum": "x", "items": {"type": "strin", "pattern": "["}})
    assert [issue.severity for issue in found] == ["error", "error", "error", "warning"]


def test_a_schema_deeper_or_larger_than_any_real_one_is_an_error_soon():
    deep = {}
    for _ in range(5_000):
        deep = {"items": deep}
    bomb = {}
    for _ in range(25):
        bomb = {"allOf": [bomb, bomb]}
    for schema in (deep, bomb):
        started = time.perf_counter()
        assert "nested more than" in errors(schema)[0].message
        assert time.perf_counter() - started < 5


def test_a_long_message_is_cut():
    (found,) = errors({"minimum": "x" * 100_000})
    assert len(found.message) < 400


# -- other documents ----------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """A server that counts who comes; nobody should."""
    hits = []

    class Counter(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "string"}')

        def log_message(self, *args):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Counter)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", hits
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize(
    "build",
    [
        lambda url: {"$ref": f"{url}/x.json"},
        lambda url: {"$id": f"{url}/a.json", "$ref": "b.json"},
        lambda url: {"$dynamicRef": f"{url}/x.json#n"},
        lambda url: {"$schema": f"{url}/dialect"},
        lambda url: {"items": {"$id": f"{url}/a.json", "items": {"$ref": "b.json"}}},
        lambda url: {"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveRef": f"{url}/x.json"},
        lambda url: {"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"$ref": f"{url}/x.json#/a"}]},
        lambda url: {"$ref": f"//{url.removeprefix('http://')}/x.json"},
    ],
)
def test_nothing_is_ever_fetched(server, tmp_path, build):
    url, hits = server
    schema = build(url)
    assert errors(schema, base=tmp_path, root=tmp_path)
    with pytest.raises(SchemaProblem):
        AnswerSchema(schema, base=tmp_path, root=tmp_path)
    assert hits == []


def test_a_remote_reference_says_why_it_is_refused():
    (found,) = errors({"items": {"$ref": "https://example.com/other.json"}})
    assert found.pointer == ("items", "$ref")
    assert "schemas are never fetched" in found.message


def test_files_beside_the_schema_are_read_and_checked(tmp_path):
    (tmp_path / "schemas").mkdir()
    common = {"$defs": {"name": {"type": "string", "minLength": 2}}, "items": {"$ref": "deep/more.json"}}
    (tmp_path / "schemas" / "common.json").write_text(json.dumps(common))
    (tmp_path / "schemas" / "deep").mkdir()
    (tmp_path / "schemas" / "deep" / "more.json").write_text('{"$ref": "../../top.json#/$defs/n"}')
    (tmp_path / "top.json").write_text('{"$defs": {"n": {"type": "integer"}}}')
    for own in ({}, {"$id": "https://example.com/schemas/person.json"}, {"$id": "person.json"}):
        main = {**own, "properties": {"name": {"$ref": "common.json#/$defs/name"}, "list": {"$ref": "common.json"}}}
        (tmp_path / "schemas" / "person.json").write_text(json.dumps(main))
        schema = load_schema(tmp_path / "schemas" / "person.json", root=tmp_path)
        assert schema.is_valid({"name": "Ann", "list": [1]})
        assert not schema.is_valid({"name": "A"})
        assert not schema.is_valid({"list": ["x"]})


@pytest.mark.parametrize(
    "reference",
    [
        "../outside.json",
        "/etc/passwd",
        "file:///etc/passwd",
        "missing.json",
        "link.json",
        ".git/x.json",
        "bad.json",
        "list.json",
        "bad-ref.json",
        "loop.json",
    ],
)
def test_files_that_may_not_or_cannot_be_used_are_errors(tmp_path, reference):
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (tmp_path / "outside.json").write_text('{"title": "secret"}')
    (root / "link.json").symlink_to(tmp_path / "outside.json")
    (root / ".git" / "x.json").write_text("{}")
    (root / "bad.json").write_text('{"a": 1, "a": 2}')
    (root / "list.json").write_text("[1]")
    (root / "bad-ref.json").write_text('{"items": {"$ref": "#/nowhere"}}')
    (root / "loop.json").write_text('{"$ref": "loop.json"}')
    found = errors({"items": {"$ref": reference}}, base=root, root=root)
    assert found
    assert found[0].pointer == ("items", "$ref")
    assert "secret" not in str(found)


def test_without_a_folder_no_file_is_read(tmp_path):
    (found,) = errors({"$ref": "common.json"})
    assert "cannot be read here" in found.message


@pytest.mark.parametrize("text", ["{", '{"a": 1, "a": 2}', "[]", "true", ""])
def test_a_schema_file_that_is_no_object_is_a_problem_that_names_it(tmp_path, text):
    path = tmp_path / "s.json"
    path.write_text(text)
    for load in (read_schema, load_schema):
        with pytest.raises(SchemaProblem, match=r"s\.json"):
            load(path)
    with pytest.raises(SchemaProblem, match=r"missing\.json"):
        read_schema(tmp_path / "missing.json")


def test_the_validator_agrees_with_jsonschema():
    schemas = [
        PERSON,
        {"type": ["string", "null"], "maxLength": 2},
        {"items": {"enum": [1, "a", None]}, "uniqueItems": True},
    ]
    values = [
        None,
        1,
        1.0,
        "a",
        "abc",
        [],
        [1, 1],
        [1, "a"],
        [True],
        {},
        {"name": "x"},
        {"name": "x", "age": -1},
        {"name": 1},
    ]
    for schema in schemas:
        ours, theirs = AnswerSchema(schema), jsonschema.Draft202012Validator(schema)
        assert [ours.is_valid(value) for value in values] == [theirs.is_valid(value) for value in values]


# -- strict mode --------------------------------------------------------------------------------------------------------


def test_strict_closes_objects_requires_everything_and_leaves_the_original_alone():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Person",
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "default": "x", "format": "email"},
            "nick": {"type": "string", "description": "d", "format": "uri"},
            "kind": {"enum": ["a", "b"]},
            "age": {"type": ["integer", "null"]},
            "home": {"$ref": "#/$defs/Home", "description": "where"},
            "work": {"$ref": "#/$defs/Home"},
            "one": {"allOf": [{"type": "boolean"}], "title": "t"},
            "pick": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"x": {"type": "number"}}},
                "uniqueItems": True,
            },
        },
        "required": ["name", "home"],
        "$defs": {"Home": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    }
    before = json.dumps(schema)
    home = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    null = {"type": "null"}
    assert strict_schema(schema) == {
        "title": "Person",
        "type": "object",
        "properties": {
            "name": {"type": "string", "format": "email"},
            "nick": {"type": ["string", "null"], "description": "d"},
            "kind": {"anyOf": [{"type": "string", "enum": ["a", "b"]}, null]},
            "age": {"type": ["integer", "null"]},
            "home": {**home, "description": "where"},
            "work": {"anyOf": [{"$ref": "#/$defs/Home"}, null]},
            "one": {"type": ["boolean", "null"], "title": "t"},
            "pick": {"anyOf": [{"type": "string"}, {"type": "number"}, null]},
            "list": {
                "anyOf": [
                    {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"x": {"type": ["number", "null"]}},
                            "required": ["x"],
                            "additionalProperties": False,
                        },
                    },
                    null,
                ]
            },
        },
        "required": ["name", "nick", "kind", "age", "home", "work", "one", "pick", "list"],
        "additionalProperties": False,
        "$defs": {"Home": home},
    }
    assert json.dumps(schema) == before
    assert check_schema(strict_schema(schema)) == []


def test_strict_keeps_circles_and_inlines_a_root_reference():
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/Node", "description": "n"}, "v": {"type": "string"}},
    }
    strict = strict_schema({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert strict["type"] == "object"
    assert strict["required"] == ["next", "v"]
    assert strict["$defs"]["Node"]["additionalProperties"] is False
    assert check_schema(strict) == []
    value = {"v": None, "next": {"v": "x", "next": {"v": None, "next": None}}}
    assert AnswerSchema(strict).is_valid(value)
    assert drop_added_nulls(value, {"$ref": "#/$defs/Node", "$defs": {"Node": node}}) == {
        "next": {"v": "x", "next": {}}
    }
    own = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert strict_schema(own)["properties"]["child"] == {"anyOf": [{"$ref": "#"}, {"type": "null"}]}


@pytest.mark.parametrize(
    "part",
    [
        {},
        True,
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "patternProperties": {"b": {}}},
        {"type": "array"},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}},
        {"type": "string", "not": {"const": "x"}},
        {"type": "string", "if": {"const": "x"}, "then": {"minLength": 1}},
        {"allOf": [{"type": "string"}, {"minLength": 1}]},
        {"anyOf": [{"type": "string"}], "oneOf": [{"type": "string"}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["b"]}},
        {"$ref": "other.json"},
        {"$ref": "#anchor"},
        {"enum": [{"a": 1}]},
    ],
)
def test_a_schema_that_strict_mode_cannot_say_gives_none(part):
    assert strict_schema({"type": "object", "properties": {"p": part}, "required": ["p"]}) is None


def test_the_limits_of_strict_mode_are_kept():
    def wide(count, **part):
        return {"type": "object", "properties": {f"p{i}": {"type": "string", **part} for i in range(count)}}

    assert strict_schema(wide(5000)) is not None
    assert strict_schema(wide(5001)) is None
    assert strict_schema({"type": "object", "properties": {"x" * 120_001: {"type": "string"}}}) is None
    assert strict_schema({"type": "object", "properties": {"e": {"enum": [str(i) for i in range(1001)]}}}) is None
    assert (
        strict_schema({"type": "object", "properties": {"e": {"enum": ["x" * 60 + str(i) for i in range(251)]}}})
        is None
    )
    deep = {"type": "string"}
    for _ in range(9):
        deep = {"type": "object", "properties": {"d": deep}}
    assert strict_schema(deep) is not None
    assert strict_schema({"type": "object", "properties": {"d": deep}}) is None


def test_inlining_that_doubles_at_each_step_ends():
    definitions = {"d40": {"type": "string"}}
    for i in range(40):
        below = {"$ref": f"#/$defs/d{i + 1}", "description": "x"}
        definitions[f"d{i}"] = {"anyOf": [below, below]}
    started = time.perf_counter()
    assert strict_schema({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions}) is None
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (PERSON, {"name": "a", "age": None}, {"name": "a"}),
        (PERSON, {"name": None, "age": None}, {"name": None}),
        ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": None}, {"a": None}),
        ({"properties": {"a": {}}}, {"a": None, "b": None}, {"a": None, "b": None}),
        ({"items": PERSON}, [{"name": "a", "age": None}], [{"name": "a"}]),
        ({"items": {"$ref": "#/$defs/p"}, "$defs": {"p": PERSON}}, [{"name": "a", "age": None}], [{"name": "a"}]),
        ({"allOf": [PERSON]}, {"name": "a", "age": None}, {"name": "a"}),
        (
            {
                "anyOf": [
                    {"properties": {"k": {"const": 1}, "x": {"type": "string"}}, "required": ["k"]},
                    {"properties": {"k": {"const": 2}, "x": {"type": "null"}}, "required": ["k", "x"]},
                ]
            },
            {"k": 2, "x": None},
            {"k": 2, "x": None},
        ),
        (
            {
                "anyOf": [
                    {"properties": {"k": {"const": 1}, "x": {"type": "string"}}, "required": ["k"]},
                    {"properties": {"k": {"const": 2}, "x": {"type": "null"}}, "required": ["k", "x"]},
                ]
            },
            {"k": 1, "x": None},
            {"k": 1},
        ),
        (PERSON, "text", "text"),
    ],
)
def test_added_nulls_are_dropped_and_others_stay(schema, value, expected):
    before = json.dumps(value)
    assert drop_added_nulls(value, schema) == expected
    assert drop_added_nulls(value, AnswerSchema(schema)) == expected
    assert json.dumps(value) == before


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"enum": ["a", 1, None]},
        {"enum": ["a", "b"]},
        {"const": 3},
        {"const": None},
        {"$ref": "#/$defs/leaf"},
        {"$ref": "#/$defs/pair", "description": "d"},
        {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        {"oneOf": [{"type": "integer"}, {"type": "null"}]},
    ]
)


def _objects(inner):
    names = st.dictionaries(st.sampled_from(["a", "b", "c d"]), inner, min_size=1, max_size=3)
    return names.flatmap(
        lambda properties: st.lists(st.sampled_from(sorted(properties)), unique=True).map(
            lambda required: {"type": "object", "properties": properties, "required": required}
        )
    )


PARTS = st.recursive(
    LEAVES,
    lambda inner: (
        _objects(inner)
        | inner.map(lambda items: {"type": "array", "items": items})
        | inner.map(lambda part: {"allOf": [part]})
    ),
    max_leaves=6,
)
DEFS = {
    "leaf": {"type": "integer"},
    "pair": {"type": "object", "properties": {"x": {"type": "string"}, "y": {"$ref": "#/$defs/pair"}}, "required": []},
}


def _draw_answer(draw, part, depth=0):
    """Draw a value that fits a strict schema, nulls first where it is deep."""
    if "$ref" in part:
        return _draw_answer(
            draw, strict_schema({**_ROOT, "$defs": DEFS})["$defs"][part["$ref"].split("/")[-1]], depth + 1
        )
    if "anyOf" in part:
        choices = part["anyOf"] if depth < 6 else [c for c in part["anyOf"] if c == {"type": "null"}] or part["anyOf"]
        return _draw_answer(draw, draw(st.sampled_from(choices)), depth)
    if "const" in part:
        return part["const"]
    if "enum" in part:
        return draw(st.sampled_from(part["enum"]))
    kind = draw(st.sampled_from(part["type"])) if isinstance(part["type"], list) else part["type"]
    if kind == "object":
        return {name: _draw_answer(draw, child, depth + 1) for name, child in part["properties"].items()}
    if kind == "array":
        return [_draw_answer(draw, part["items"], depth + 1) for _ in range(draw(st.integers(0, 2)))]
    return {"string": "text", "integer": 7, "boolean": True, "null": None, "number": 1.5}[kind]


_ROOT = {"type": "object", "properties": {"r": {"type": "string"}}}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_answers_to_the_strict_schema_fit_the_own_one_once_added_nulls_are_dropped(data):
    schema = {**data.draw(_objects(PARTS)), "$defs": DEFS}
    strict = strict_schema(schema)
    assert strict is not None
    jsonschema.Draft202012Validator.check_schema(strict)
    for part in _every_object(strict):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    value = data.draw(st.composite(lambda draw: _draw_answer(draw, strict))())
    assert jsonschema.Draft202012Validator(strict).is_valid(value)
    assert jsonschema.Draft202012Validator(schema).is_valid(drop_added_nulls(value, schema))


def _every_object(part):
    if isinstance(part, dict):
        if part.get("type") == "object" and isinstance(part.get("properties"), dict):
            yield part
        for child in part.values():
            yield from _every_object(child)
    elif isinstance(part, list):
        for child in part:
            yield from _every_object(child)


@pytest.mark.parametrize(
    ("wanted", "value", "words"),
    [
        ("time", "12:30:00", '(found "12:30:00"); it needs an offset, such as Z'),
        ("date-time", "2024-05-06T10:56:41", '(found "2024-05-06T10:56:41"); it needs an offset, such as Z'),
        ("date-time", "2024-05-06 10:56:41.5", "; it needs an offset, such as Z"),
        ("date-time", "May 6", "; write it like 2024-05-06T10:56:41Z"),
        ("date", "06.05.2024", "; write it like 2024-05-06"),
        ("duration", "2 hours", "; write it like P1DT2H30M"),
        ("email", "ada", "; write it like ada@example.org"),
    ],
)
def test_the_feedback_says_what_a_format_needs(wanted, value, words):
    schema = AnswerSchema({"type": "object", "properties": {"x": {"type": "string", "format": wanted}}})
    (error,) = schema.validate({"x": value})
    assert str(error).startswith(f'$.x: the value is not a "{wanted}"')
    assert str(error).endswith(words)


@pytest.mark.parametrize(
    ("wanted", "example"), [("time", "12:30:00Z"), ("date-time", "2024-05-06T10:56:41+02:00"), *EXAMPLES.items()]
)
def test_what_the_feedback_asks_for_is_taken(wanted, example):
    assert AnswerSchema({"type": "string", "format": wanted}).is_valid(example)
