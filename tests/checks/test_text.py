"""Checks of text: what they find, what they say, and what their negation says."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checks.making import assert_cannot_be_evaluated, issue_of, json_answer, negated, passes, result_of

from throughster.checks import Answer, compile_checks
from throughster.checks.text import same_json

LYON = "The capital is Lyon."


@pytest.mark.parametrize(
    ("entry", "yes", "no"),
    [
        ({"type": "equals", "value": "Paris"}, ["Paris", " Paris\n"], ["paris", "Paris.", ""]),
        ({"type": "equals", "value": 5}, ["5", "5.0", " 5 "], ["6", "five", "true", '"5"']),
        ({"type": "equals", "value": True}, ["true"], ["1", "True", "yes"]),
        ({"type": "equals", "value": None}, ["null"], ["None", "", "0"]),
        ({"type": "equals", "value": {"a": [1, 2.0]}}, ['{"a": [1.0, 2]}'], ['{"a": [2, 1]}', '{"a": [1]}', "a", "{"]),
        ({"type": "contains", "value": "Lyon"}, [LYON], ["lyon", ""]),
        ({"type": "contains", "value": 42}, ["It is 42."], ["It is 41."]),
        ({"type": "contains", "value": ["capital", "Lyon"]}, [LYON], ["Lyon", "capital"]),
        ({"type": "contains-all", "value": ["capital", "Lyon"]}, [LYON], ["Lyon", "capital"]),
        ({"type": "contains-all", "value": "Lyon"}, [LYON], ["Paris"]),
        ({"type": "contains-any", "value": ["Paris", "Lyon"]}, [LYON, "Paris"], ["Rome"]),
        ({"type": "icontains", "value": "STRASSE"}, ["eine Straße", "strasse"], ["Weg"]),
        ({"type": "starts-with", "value": "The"}, [LYON, "\n The"], ["A The"]),
        ({"type": "starts-with", "value": ["Yes", "No"]}, ["No.", "Yes"], ["Perhaps", "Maybe: Yes"]),
        ({"type": "regex", "value": r"\d{3}"}, ["a 123", "é 123"], ["12", ""]),
        ({"type": "regex", "value": "(?i)^lyon$"}, ["LYON"], ["a lyon", "lyon\n"]),
        ({"type": "regex", "value": r"^\{\{.*\}\}$"}, ["{{a}}"], ["a"]),
        ({"type": "word-count", "value": {"min": 2, "max": 3}}, ["a b", "a b\nc"], ["a", "a b c d", ""]),
        ({"type": "word-count", "value": {"max": 0}}, ["", " "], ["a"]),
        ({"type": "word-count", "value": {"min": 1}}, ["a", "a b"], [""]),
        ({"type": "word-count", "value": 2}, ["a b"], ["a", "a b c"]),
    ],
    ids=str,
)
def test_a_check_of_text(entry, yes, no):
    for text, wanted in [*((text, True) for text in yes), *((text, False) for text in no)]:
        assert passes(entry, text) is wanted, text
        assert passes(negated(entry), text) is not wanted, text


@pytest.mark.parametrize(
    ("entry", "text", "reason"),
    [
        ({"type": "contains", "value": "Paris"}, LYON, 'contains: "Paris" is not in "The capital is Lyon."'),
        ({"type": "not-contains", "value": "Lyon"}, LYON, 'not-contains: "Lyon" is in "The capital is Lyon."'),
        ({"type": "contains-all", "value": ["a", "x", "y"]}, "a", 'contains-all: "x" and "y" are not in "a"'),
        ({"type": "contains-any", "value": ["x", "y"]}, "a", 'contains-any: none of "x" and "y" is in "a"'),
        ({"type": "starts-with", "value": ["x", "y"]}, "a", 'starts-with: "a" does not start with "x" or "y"'),
        ({"type": "equals", "value": {"a": 1}}, "b", 'equals: "b" does not equal {"a": 1}'),
        ({"type": "regex", "value": r"\d"}, "b", r'regex: "b" does not match /\d/'),
        ({"type": "word-count", "value": {"min": 3}}, "a b", "word-count: 2 words are less than 3"),
        ({"type": "word-count", "value": {"max": 1}}, "a b", "word-count: 2 words are more than 1"),
        ({"type": "word-count", "value": {"min": 1, "max": 3}}, "a b", "word-count: 2 words are 1 to 3"),
    ],
    ids=str,
)
def test_a_reason_says_what_was_found_and_what_was_wanted(entry, text, reason):
    assert result_of(entry, text).reason == reason


def test_a_reason_is_one_bounded_line_that_steers_no_terminal():
    reason = result_of({"type": "contains", "value": "y\x1b[31m\n" * 500}, "x\x1b[31m\n" * 5000).reason
    assert len(reason) < 401
    assert "\n" not in reason
    assert "\x1b" not in reason


def test_a_part_of_the_texts_is_no_part_of_the_score():
    assert result_of({"type": "contains-all", "value": ["a", "b", "x", "y"]}, "a b").score == 0.0
    assert result_of({"type": "not-contains-all", "value": ["a", "b", "x", "y"]}, "a b").score == 1.0


ANSWER = json_answer({"city": "Lyon", "n": 5, "ok": True, "tags": ["a", "b"], "of": {"x": 1}}, '{"city": "Lyon"}')


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ({"type": "equals", "value": {"city": "Lyon", "n": 5.0, "ok": True, "tags": ["a", "b"], "of": {"x": 1}}}, True),
        ({"type": "equals", "value": "Lyon", "path": "$.city"}, True),
        ({"type": "equals", "value": "Lyon", "path": "city"}, True),
        ({"type": "equals", "value": 5, "path": "$.n"}, True),
        ({"type": "equals", "value": "5", "path": "$.n"}, True),
        ({"type": "equals", "value": 1, "path": "$.ok"}, False),
        ({"type": "equals", "value": ["a", "b"], "path": "$.tags[*]"}, True),
        ({"type": "equals", "value": ["a", "b"], "path": "$.tags"}, True),
        ({"type": "equals", "value": '{"x": 1.0}', "path": "$.of"}, True),
        ({"type": "equals", "value": "b", "path": "$.tags[-1]"}, True),
        ({"type": "contains", "value": "yo", "path": "$['city']"}, True),
        ({"type": "contains", "value": '"Lyon"'}, True),
        ({"type": "contains", "value": "true", "path": "$.ok"}, True),
        ({"type": "regex", "value": "^L", "path": "$..city"}, False),
        ({"type": "regex", "value": '^."Lyon', "path": "$..city"}, True),
        ({"type": "word-count", "value": 1, "path": "$.city"}, True),
    ],
    ids=str,
)
def test_a_check_looks_at_the_output_and_at_its_parts(entry, wanted):
    found = result_of(entry, ANSWER)
    assert found.passed is wanted
    assert found.path == entry.get("path")


def test_a_path_reads_a_text_that_is_json():
    assert passes({"type": "equals", "value": 1, "path": "$.a"}, ' {"a": 1}\n')


@pytest.mark.parametrize("kind", ["equals", "contains", "contains-any", "icontains", "starts-with", "regex"])
def test_a_path_that_leads_to_nothing_fails_whatever_is_asked(kind):
    entry = {"type": kind, "value": "x", "path": "$.nowhere"}
    assert_cannot_be_evaluated(entry, ANSWER, "`path` $.nowhere leads to nothing in")
    assert_cannot_be_evaluated({**entry, "path": "$.tags[?@ == 'x']"}, ANSWER, "leads to nothing")
    assert_cannot_be_evaluated(entry, "no JSON", '(line 1, column 1): "no JSON"')
    assert_cannot_be_evaluated(entry, '{"a": 1, "a": 2}', "stands twice")


@pytest.mark.parametrize(
    ("entry", "at", "words"),
    [
        (
            {"type": "contains", "value": ""},
            ("value",),
            "`value` of `contains` must be a text, or a list of texts, found",
        ),
        ({"type": "contains", "value": {"a": 1}}, ("value",), "a mapping"),
        ({"type": "contains-any", "value": []}, ("value",), "list of texts"),
        ({"type": "contains-any", "value": ["a", ""]}, ("value",), "list of texts"),
        ({"type": "icontains", "value": [["a"]]}, ("value",), "list of texts"),
        ({"type": "starts-with", "value": [None]}, ("value",), "list of texts"),
        ({"type": "regex", "value": "a(?=b)"}, ("value",), "is no pattern: `(?=` looks around"),
        ({"type": "regex", "value": r"(a)\1"}, ("value",), "invalid escape sequence"),
        ({"type": "regex", "value": "("}, ("value",), "missing )"),
        ({"type": "regex", "value": ["a"]}, ("value",), "must be a pattern"),
        ({"type": "word-count", "value": {}}, ("value",), "{min: N, max: N}"),
        ({"type": "word-count", "value": {"mn": 1}}, ("value",), "{min: N, max: N}"),
        ({"type": "word-count", "value": {"min": -1}}, ("value", "min"), "whole numbers"),
        ({"type": "word-count", "value": {"min": True}}, ("value", "min"), "whole numbers"),
        ({"type": "word-count", "value": {"min": 3, "max": 2}}, ("value",), "at least 3 and at most 2"),
        ({"type": "word-count", "value": {"min": 0}}, ("value",), "not every text keeps"),
        ({"type": "contains", "value": "x", "path": "$.a["}, ("path",), "is no JSONPath"),
        ({"type": "contains", "value": "x", "path": "$[?nope(@.a)]"}, ("path",), "is no JSONPath"),
        ({"type": "contains", "value": "x", "path": 3}, ("path",), "must be a JSONPath"),
    ],
    ids=str,
)
def test_a_wrong_value_is_told_with_its_place(entry, at, words):
    issue = issue_of(entry)
    assert issue.at == (0, *at)
    assert words in issue.message


def test_a_pattern_takes_time_linear_in_the_text():
    """A backtracking engine would take 2 to the power of 50,000 steps."""
    text = "a" * 50_000 + "b"
    began = time.monotonic()
    assert not passes({"type": "regex", "value": "^(a+)+$"}, text)
    assert not passes({"type": "contains", "value": "x", "path": "$[?search(@, '^(a+)+$')]"}, json_answer([text]))
    assert passes({"type": "equals", "value": [text], "path": "$[?match(@, '(a+)+b')]"}, json_answer([text]))
    assert time.monotonic() - began < 30


def test_a_text_with_half_a_surrogate_pair_is_searched():
    assert passes({"type": "regex", "value": "b$"}, "a\ud800b")


# -- templates --------------------------------------------------------------------------------------------------------


def case(text, **variables):
    return Answer(text, vars=variables)


def test_a_value_is_rendered_for_the_case():
    entry = {"type": "contains", "value": "in {{ language | upper }}"}
    assert passes(entry, case("in FRENCH", language="French"))
    assert not passes(entry, case("in FRENCH", language="Italian"))
    assert passes({"type": "contains-any", "value": ["x", "{{ a }}"]}, case("1", a="1"))
    assert passes({"type": "regex", "value": "^{{ a }}$"}, case("12", a=r"\d+"))
    assert passes({"type": "word-count", "value": {"max": "{{ n }}"}}, case("a b", n="2"))


def test_a_value_that_is_one_variable_is_that_variable():
    entry = {"type": "equals", "value": "{{ wanted }}"}
    assert passes(entry, case('{"a": 1.0}', wanted={"a": 1}))
    assert passes(entry, case("2", wanted=2))
    assert passes({"type": "contains-all", "value": "{{words}}"}, case("a b", words=["a", "b"]))


def test_a_value_that_cannot_be_rendered_fails_whatever_is_asked():
    entry = {"type": "contains", "value": "{{ wanted }}"}
    assert_cannot_be_evaluated(entry, case("x"), "its value cannot be rendered: `wanted` is undefined")
    assert_cannot_be_evaluated(entry, case("x", wanted=""), "must be a text")
    assert_cannot_be_evaluated({"type": "contains", "value": "a {{ b.c }}"}, case("x", b={}), "a mapping has no `c`")
    assert_cannot_be_evaluated({"type": "regex", "value": "{{ a }}"}, case("x", a="("), "`(` is no pattern")


def test_data_is_no_template():
    assert passes({"type": "contains", "value": "{{ a }}"}, case("{{ b }}", a="{{ b }}", b="no"))


def test_the_variables_of_a_value_are_known_before_anything_is_asked():
    (check,), _ = compile_checks([{"type": "contains-any", "value": ["x", "a {{ b }} {{ c | default('') }}"]}])
    assert [(use.at, use.reference.name, use.reference.column, use.reference.optional) for use in check.uses] == [
        (("value", 1), "b", 6, False),
        (("value", 1), "c", 14, True),
    ]
    assert check.uses[0].source == "a {{ b }} {{ c | default('') }}"


def test_a_wrong_template_is_told():
    issue = issue_of({"type": "contains", "value": ["a", "{{ b"]})
    assert issue.at == (0, "value", 1)
    assert "{{ '{{' }}" in issue.hint
    assert passes({"type": "contains", "value": "{{ '{{' }}"}, "a {{ b")


# -- negation ---------------------------------------------------------------------------------------------------------

ENTRIES = st.one_of(
    st.builds(
        lambda v: {"type": "equals", "value": v}, st.text("ab1 ") | st.integers(0, 2) | st.none() | st.booleans()
    ),
    st.builds(
        lambda kind, value: {"type": kind, "value": value},
        st.sampled_from(["contains", "contains-any", "contains-all", "icontains", "starts-with"]),
        st.text("abAB", min_size=1) | st.lists(st.text("abAB", min_size=1), min_size=1),
    ),
    st.builds(lambda v: {"type": "regex", "value": v}, st.sampled_from(["a+b", "^$", "[ab]{2}", "1|B"])),
    st.builds(
        lambda low, more: {"type": "word-count", "value": {"min": low, "max": low + more}}, *[st.integers(0, 4)] * 2
    ),
    st.builds(lambda n: {"type": "levenshtein", "value": "abab", "threshold": n}, st.integers(0, 5)),
    st.just({"type": "is-json"}),
    st.just({"type": "is-refusal"}),
    st.builds(lambda n: {"type": "expr", "value": f"text | length > {n}"}, st.integers(0, 5)),
)


@settings(deadline=None)
@given(ENTRIES, st.text("abAB1 "))
def test_not_x_is_the_negation_of_x(entry, text):
    plain, other = result_of(entry, text), result_of(negated(entry), text)
    assert plain.passed is not other.passed
    assert plain.score + other.score == pytest.approx(1.0)
    assert 0 <= plain.score <= 1
    assert other.type == f"not-{plain.type}"
    assert plain.reason.removeprefix(plain.type) == other.reason.removeprefix(other.type)


@settings(deadline=None)
@given(ENTRIES.filter(lambda entry: entry["type"] != "is-refusal"), st.text("abAB1 "))
def test_what_cannot_be_evaluated_passes_neither_way(entry, text):
    assert_cannot_be_evaluated({**entry, "path": "$.a"}, json_answer({"b": text}), "leads to nothing")


KINDS_OF_JSON = [
    ["a", "b"],
    "ab",
    {"a": "b"},
    None,
    True,
    1,
    ["a"],
    ["a", "b", "c"],
    {"a": "b", "c": None},
    [],
    {},
    "",
    0,
]


@pytest.mark.parametrize("first", KINDS_OF_JSON, ids=repr)
@pytest.mark.parametrize("second", KINDS_OF_JSON, ids=repr)
def test_json_of_one_kind_is_never_equal_to_that_of_another(first, second):
    """A list is no text of the same letters, nothing is no empty text, and 0 is not false."""
    is_same = json.dumps(first) == json.dumps(second)
    assert same_json(first, second) is is_same
    assert same_json([first], [second]) is is_same
    assert same_json({"x": first}, {"x": second}) is is_same
    if first != "" and not (isinstance(first, str) or isinstance(second, str)):
        assert passes({"type": "equals", "value": second}, json_answer(first)) is is_same


@pytest.mark.parametrize("other", ["ab", "a,b", None, 0, "", {"0": "a", "1": "b"}])
def test_a_list_equals_no_text_and_not_nothing(other):
    assert not passes({"type": "equals", "value": ["a", "b"]}, json_answer(other))
    assert not passes({"type": "equals", "value": other}, json_answer(["a", "b"]))
    assert not passes({"type": "equals", "value": None}, json_answer(["a", "b"]))
