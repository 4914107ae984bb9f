"""promptfoo's assertions, one by one: the check that each becomes, or the loss that says why not."""

from __future__ import annotations

import pytest

from throughster.convert.assert_types import DIFFERENT, NO_COUNTERPART, SAME
from throughster.convert.table import assertion_of

PRICED = """\
prompts: ["Say {{ word }}."]
providers: [{id: "openai:chat:gpt-4.1-mini", config: {inputCost: 0.0000004, outputCost: 0.0000016}}, openai:chat:gpt-4.1]
"""

CARRIED = [
    ({"type": "equals", "value": "a"}, {"type": "equals", "value": "a"}),
    ({"type": "equals", "value": {"a": 1}}, {"type": "equals", "value": {"a": 1}}),
    ({"type": "contains", "value": 7}, {"type": "contains", "value": "7"}),
    ({"type": "not-icontains", "value": "a"}, {"type": "not-icontains", "value": "a"}),
    ({"type": "contains-any", "value": ["a", "b"]}, {"type": "contains-any", "value": ["a", "b"]}),
    ({"type": "contains-all", "value": 'a, "b, c"'}, {"type": "contains-all", "value": ["a", "b, c"]}),
    ({"type": "icontains-all", "value": ["a", "b"]}, {"type": "icontains", "value": ["a", "b"]}),
    (
        {"type": "not-icontains-any", "value": ["a", "b"]},
        {"type": "not-any-of", "value": [{"type": "icontains", "value": "a"}, {"type": "icontains", "value": "b"}]},
    ),
    ({"type": "starts-with", "value": "{{ word }}"}, {"type": "starts-with", "value": "{{ word }}"}),
    ({"type": "regex", "value": r"^\d+$", "weight": 2}, {"type": "regex", "value": r"^\d+$", "weight": 2}),
    ({"type": "is-json"}, {"type": "is-json"}),
    (
        {"type": "not-is-json", "value": {"type": "object", "required": ["a"]}},
        {"type": "not-is-json", "value": {"type": "object", "required": ["a"]}},
    ),
    ({"type": "is-json", "value": "type: object\nrequired: [a]"}, {"type": "is-json", "value": {"type": "object", "required": ["a"]}}),
    (
        {"type": "is-json", "value": {"type": "array", "items": [{"type": "string"}]}},
        {
            "type": "is-json",
            "value": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [{"type": "string"}]},
        },
    ),
    ({"type": "latency", "threshold": 5000}, {"type": "latency", "threshold": 5}),
    ({"type": "latency", "threshold": 250, "metric": "speed"}, {"type": "latency", "threshold": 0.25, "metric": "speed"}),
    ({"type": "levenshtein", "value": "a"}, {"type": "levenshtein", "value": "a", "threshold": 5}),
    ({"type": "levenshtein", "value": "a", "threshold": 2}, {"type": "levenshtein", "value": "a", "threshold": 2}),
    ({"type": "word-count", "value": {"max": 5}}, {"type": "word-count", "value": {"max": 5}}),
    ({"type": "word-count", "value": "5"}, {"type": "word-count", "value": 5}),
    ({"type": "finish-reason", "value": "stop"}, {"type": "finish-reason", "value": "stop"}),
    ({"type": "not-is-refusal"}, {"type": "not-is-refusal"}),
    ({"type": "similar", "value": "a"}, {"type": "similar", "value": "a", "threshold": 0.75}),
    ({"type": "similar:cosine", "value": "a", "threshold": 0.5}, {"type": "similar", "value": "a", "threshold": 0.5}),
    (
        {"type": "not-similar", "value": ["a", "b"], "threshold": 0.9},
        {
            "type": "not-any-of",
            "value": [{"type": "similar", "value": "a", "threshold": 0.9}, {"type": "similar", "value": "b", "threshold": 0.9}],
        },
    ),
    ({"type": "llm-rubric", "value": "Is kind."}, {"type": "llm-rubric", "value": "Is kind."}),
    ({"type": "llm-rubric", "value": "Is kind.", "threshold": 0.8}, {"type": "llm-rubric", "value": "Is kind.", "threshold": 0.8}),
    ({"type": "model-graded-closedqa", "value": "Is kind."}, {"type": "llm-rubric", "value": "Is kind."}),
    ({"type": "model-graded-factuality", "value": "It is."}, {"type": "factuality", "value": "It is."}),
    ({"type": "g-eval", "value": "Is it?"}, {"type": "g-eval", "value": "Is it?", "threshold": 0.7}),
    (
        {"type": "assert-set", "threshold": 0.5, "weight": 3, "metric": "m", "assert": [{"type": "contains", "value": "a"}, {"type": "is-json"}]},
        {"type": "all-of", "value": [{"type": "contains", "value": "a"}, {"type": "is-json"}], "threshold": 0.5, "weight": 3, "metric": "m"},
    ),
    ({"type": "javascript", "value": "output.length < 100"}, {"type": "expr", "value": "(text | length) < 100"}),
    ({"type": "python", "value": "'a' in output"}, {"type": "expr", "value": '"a" in text'}),
    ({"type": "javascript", "value": "/^a/i.test(output)"}, {"type": "regex", "value": "(?i)^a"}),
    ({"type": "contains-json"}, {"type": "contains-json"}),
    ({"type": "not-contains-json", "value": "type: object"}, {"type": "not-contains-json", "value": {"type": "object"}}),
    ({"type": "levenshtein", "value": "a", "threshold": 0}, {"type": "levenshtein", "value": "a", "threshold": 0}),
    ({"type": "regex", "value": r"a\s\u00e9[\s,]"}, {"type": "regex", "value": r"a[\s\v\p{Z}\x{FEFF}]\x{00e9}[\s\v\p{Z}\x{FEFF},]"}),
    ({"type": "javascript", "value": "!/a/.test(output)"}, {"type": "not-regex", "value": "a"}),
    (
        {"type": "javascript", "value": "/a/.test(output) && output.length < 5"},
        {"type": "all-of", "value": [{"type": "expr", "value": "(text | length) < 5"}, {"type": "regex", "value": "a"}]},
    ),
    (
        {"type": "javascript", "value": "JSON.parse(output).a === 'b'"},
        {"type": "expr", "value": 'output.a == "b"', "path": "$"},
    ),
    ({"type": "contains", "value": "x", "transform": "JSON.parse(output).a[0]"}, {"type": "contains", "value": "x", "path": "$.a[0]"}),
]  # fmt: skip


@pytest.mark.parametrize(("assertion", "check"), CARRIED, ids=lambda value: value["type"])
def test_an_assertion_is_carried(checks, assertion, check):
    found, converted = checks([assertion])
    assert found == [check]
    name = assertion["type"].removeprefix("not-")
    told = (
        [f"`{name}`: {DIFFERENT[name]}"] if name in DIFFERENT and not isinstance(assertion.get("value"), dict) else []
    )
    assert converted.grave == told
    assert converted.code == len(told)


@pytest.mark.parametrize(
    "kind", ["equals", "not-equals", "starts-with", "levenshtein", "not-is-refusal", "llm-rubric", "g-eval"]
)
def test_a_verdict_that_can_differ_is_a_serious_loss(checks, kind):
    assertion = {"type": kind, **({} if kind == "not-is-refusal" else {"value": "a"})}
    _, converted = checks([assertion, assertion])
    (loss,) = [one for one in converted.losses if one["severity"] == "changes"]
    assert loss["what"] == f"`{kind.removeprefix('not-')}`"
    assert "look at the tests whose verdicts differ" in loss["todo"]
    assert converted.code == 1


def test_json_is_equal_whatever_white_space_is_around_it(checks):
    assert checks([{"type": "equals", "value": {"a": 1}}])[1].code == 0


@pytest.mark.parametrize(("value", "code"), [("Straße", 1), ("PASS", 1), ("GRUEN", 0)])
def test_a_sharp_s_is_told(checks, value, code):
    assert checks([{"type": "icontains", "value": value}])[1].code == code
    assert checks([{"type": "icontains-any", "value": ["a", value]}])[1].code == code


@pytest.mark.parametrize("pattern", ["(?i)abc", "(?m)^a$"])
def test_flags_in_front_of_a_pattern_are_an_error_there(checks, pattern):
    found, converted = checks([{"type": "regex", "value": pattern}])
    assert found == [{"type": "regex", "value": pattern}]
    assert "fails there every time" in converted.loss("regex")["why"]


def test_one_line_that_begins_with_return_is_an_error_there(checks):
    found, converted = checks([{"type": "javascript", "value": "return output.includes('a');"}])
    assert found == [{"type": "expr", "value": '"a" in text'}]
    assert "must not begin with `return`" in converted.loss("javascript")["why"]
    assert converted.code == 1


TOOLS = """\
prompts: ["Say {{ word }}."]
providers:
  - id: openai:chat:gpt-4.1-mini
    config: {tools: [{type: function, function: {name: locate}}, {type: function, function: {name: call}}]}
"""


def test_a_call_that_is_valid_is_one_of_the_tools(checks):
    found, converted = checks([{"type": "is-valid-openai-tools-call"}], TOOLS)
    calls = [{"type": "tool-call", "value": {"name": name}} for name in ("locate", "call")]
    assert found == [{"type": "any-of", "value": calls}]
    assert converted.code == 0
    assert converted.spec.output.max_attempts == 1, "calls are taken as they come"
    assert checks([{"type": "not-is-valid-openai-tools-call"}], TOOLS)[0] == []


@pytest.mark.parametrize(
    ("assertion", "check"),
    [
        ({"type": "javascript", "value": "output[0].function.name === 'locate'"}, {"type": "expr", "value": 'tool_calls[0].name == "locate"'}),
        (
            {"type": "javascript", "value": "JSON.parse(output[1].function.arguments).city === 'Oslo'"},
            {"type": "expr", "value": 'tool_calls[1].arguments.city == "Oslo"'},
        ),
        ({"type": "equals", "value": "call", "transform": "output[0].function.name"}, {"type": "expr", "value": 'tool_calls[0].name == "call"'}),
        (
            {"type": "contains", "value": "Os", "transform": "JSON.parse(output[0].function.arguments).city"},
            {"type": "expr", "value": '"Os" in tool_calls[0].arguments.city'},
        ),
        (
            {"type": "is-json"},
            {"type": "any-of", "value": [{"type": "is-json"}, *({"type": "tool-call", "value": {"name": name}} for name in ("locate", "call"))]},
        ),
    ],
    ids=["name", "argument", "taken name", "taken argument", "is-json"],
)  # fmt: skip
def test_calls_are_looked_into(checks, assertion, check):
    found, converted = checks([assertion], TOOLS)
    assert found == [check]
    assert converted.code == 0


@pytest.mark.parametrize("assertion", [{"type": "contains", "value": "a"}, {"type": "regex", "value": "a"}])
def test_with_tools_the_answer_there_may_be_the_calls(checks, assertion):
    _, converted = checks([assertion], TOOLS)
    assert "if the model calls a function" in converted.loss(assertion["type"])["why"]
    assert checks([{"type": "javascript", "value": "output.includes('a')"}], TOOLS)[0] == []


def test_every_type_of_the_table_is_tested_or_needs_more():
    tested = {assertion["type"].removeprefix("not-") for assertion, _ in CARRIED}
    assert set(SAME) - tested == {"factuality", "rouge-n", "bleu", "cost", "select-best"}


@pytest.mark.parametrize("kind", sorted(NO_COUNTERPART))
def test_what_has_no_counterpart_is_left_out_and_told(checks, kind):
    found, converted = checks([{"type": kind, "value": "x y z", "threshold": 0.5}, {"type": "contains", "value": "a"}])
    assert found == [{"type": "contains", "value": "a"}]
    assert converted.code == 1
    (loss,) = [one for one in converted.losses if one["severity"] == "changes"]
    assert loss["what"] == f"`{kind}`"
    assert (loss["file"], loss["line"]) == ("promptfooconfig.yaml", 4)
    assert loss["column"] > 1
    assert f"`{kind}`" in converted.text, "the spec says so too"


@pytest.mark.parametrize(
    ("assertion", "what"),
    [
        ({"type": "containz", "value": "a"}, "containz"),
        ({"type": "trajectory:step-count", "value": 3}, "trajectory:step-count"),
        ({"type": "regex", "value": "a(?=b)"}, "regex"),
        ({"type": "contains", "value": ""}, "contains"),
        ({"type": "contains"}, "contains"),
        ({"type": "contains-any", "value": []}, "contains-any"),
        ({"type": "contains", "value": ["a"]}, "contains.value"),
        ({"type": "is-json", "value": {"type": "objet"}}, "is-json.value"),
        ({"type": "is-json", "value": "file://nowhere.json"}, "is-json.value"),
        ({"type": "contains", "value": "file://../outside.txt"}, "contains.value"),
        ({"type": "contains", "value": "{{ env.SECRET }}"}, "contains.value"),
        ({"type": "contains", "value": "{{ word | mine }}"}, "contains.value"),
        ({"type": "contains", "value": "a", "transform": "output.trim()"}, "contains.transform"),
        ({"type": "javascript", "value": "output.length / 100"}, "javascript"),
        ({"type": "javascript", "value": "process.exit(0)"}, "javascript"),
        ({"type": "javascript", "value": "file://check.js"}, "javascript"),
        ({"type": "not-python", "value": "json.loads(output)['a'] == 'b'"}, "python"),
        ({"type": "regex", "value": r"[\S,]"}, "regex"),
        ({"type": "not-regex", "value": r"\p{L}+"}, "regex"),
        ({"type": "regex", "value": r"\Aa\z"}, "regex"),
        ({"type": "javascript", "value": "/a(?=b)/.test(output)"}, "javascript"),
        ({"type": "python", "value": "__import__('os').system('true') == 0"}, "python"),
        ({"type": "cost", "threshold": 0.01}, "cost"),
        ({"type": "select-best", "value": "the best"}, "select-best"),
        ({"type": "assert-set", "assert": [{"type": "is-xml"}]}, "assert-set"),
        ({"value": "a"}, "assert"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_carried_is_left_out_and_told(checks, assertion, what):
    found, converted = checks([assertion, {"type": "is-json"}])
    assert found == [{"type": "is-json"}]
    assert any(loss["what"] == f"`{what}`" for loss in converted.losses if loss["severity"] == "changes")
    assert converted.code == 1


def test_a_set_that_loses_a_check_says_that_it_is_less(checks):
    parts = [{"type": "contains", "value": "a"}, {"type": "is-sql"}]
    found, converted = checks([{"type": "assert-set", "assert": parts}])
    assert found == [{"type": "all-of", "value": [{"type": "contains", "value": "a"}]}]
    assert [loss["what"] for loss in converted.losses if loss["severity"] == "changes"] == ["`assert-set`", "`is-sql`"]


@pytest.mark.parametrize(("kind", "ours", "threshold"), [("rouge-n", "rouge", 0.75), ("bleu", "bleu", 0.5)])
def test_another_formula_is_told(checks, kind, ours, threshold):
    found, converted = checks([{"type": kind, "value": "a b c"}])
    assert found == [{"type": ours, "value": "a b c", "threshold": threshold}]
    assert converted.code == 1
    assert converted.loss(kind)["todo"] == "Look at the threshold again."


def test_a_cost_needs_prices(checks):
    base = PRICED.replace("openai:chat:gpt-4.1]", '{id: "openai:chat:gpt-4.1", config: {cost: 0.000002}}]')
    found, converted = checks([{"type": "cost", "threshold": 0.01}], base)
    assert found == [{"type": "cost", "threshold": 0.01}]
    first, second = converted.spec.each_provider
    assert (first.price.input, first.price.output, second.price.input) == (0.4, 1.6, 2.0)
    assert "threshold: 0.01" in checks([{"type": "cost", "threshold": 0.01}], PRICED)[1].loss("cost")["todo"]


def test_the_best_is_selected_among_providers_not_among_prompts(checks):
    found, converted = checks([{"type": "select-best", "value": "the best"}], PRICED)
    assert found == [{"type": "select-best", "value": "the best"}]
    assert "another prompt" in converted.loss("select-best")["why"]


def test_the_best_of_several_prompts_is_told(converted):
    several = PRICED.replace('["Say {{ word }}."]', '["Say {{ word }}.", "Sing {{ word }}."]')
    found = converted(
        several + "tests: [{vars: {word: hi}, assert: [{type: select-best, value: best}, {type: is-json}]}]\n"
    )
    assert "of several prompts it cannot choose" in found.loss("select-best")["why"]
    assert "type: select-best" not in found.text


CELLS = [
    ("Lyon", {"type": "equals", "value": "Lyon"}),
    ("containz:Lyon", {"type": "equals", "value": "containz:Lyon"}),
    ("icontains: Lyon", {"type": "icontains", "value": "Lyon"}),
    ("not-contains-any:a, b", {"type": "not-contains-any", "value": ["a", "b"]}),
    ("latency(500)", {"type": "latency", "threshold": 500.0}),
    ("similar:x", {"type": "similar", "value": "x", "threshold": 0.8}),
    ("similar(0.6):x", {"type": "similar", "value": "x", "threshold": 0.6}),
    ("levenshtein:x", {"type": "levenshtein", "value": "x", "threshold": 0.75}),
    ("levenshtein(0):x", {"type": "levenshtein", "value": "x", "threshold": 0.0}),
    ("grade:is kind", {"type": "llm-rubric", "value": "is kind"}),
    ("fn:output.length > 3", {"type": "javascript", "value": "output.length > 3"}),
    ("python:len(output) > 3", {"type": "python", "value": "len(output) > 3"}),
    ("file://check.py:mine", {"type": "python", "value": "file://check.py:mine"}),
    ("is-json", {"type": "is-json"}),
]


@pytest.mark.parametrize(("cell", "assertion"), CELLS, ids=[cell for cell, _ in CELLS])
def test_a_cell_is_read_as_promptfoo_reads_it(cell, assertion):
    assert assertion_of(cell) == assertion
