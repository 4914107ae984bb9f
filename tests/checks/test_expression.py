"""`expr`: what may be named, what counts as true, and what cannot be evaluated."""

import pytest
from tests.checks.making import assert_cannot_be_evaluated, compiled, issue_of, json_answer, passes, result_of

from throughster.checks import Answer
from throughster.types import ToolCall, Usage

ANSWER = json_answer(
    {"total": 5, "items": [1, 2], "name": "Lyon"},
    '{"total": 5}',
    vars={"language": "French", "n": "5"},
    usage=Usage(10, 20, 30),
    cost_usd=0.01,
    latency_s=2.0,
    finish_reason="stop",
    tool_calls=(ToolCall("1", "f", {"a": 1}),),
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("output.total > 0", True),
        ("output.total == 5 and output.name in text + 'Lyon'", True),
        ("output['items'] | length == 2", True),
        ("output.items | sum == 4", False),
        ("vars.n | int == output.total", True),
        ("vars['language'] == 'French'", True),
        ("usage.total_tokens <= 30", True),
        ("cost_usd < 0.001", False),
        ("latency_s < 3", True),
        ("finish_reason == 'stop' and refusal is none", True),
        ("tool_calls[0].arguments.a == 1", True),
        ("first_token_s is defined", False),
        ("not (output.total > 0)", False),
        ("'}}' not in text\n  and true", True),
        ("{'a': {'b': 1}}['a'].b == 1", True),
        ("(output.total > 0) == true", True),
    ],
)
def test_an_expression(value, wanted):
    assert passes({"type": "expr", "value": value}, ANSWER) is wanted
    assert passes({"type": "not-expr", "value": value}, ANSWER) is not wanted


def test_the_output_is_the_part_at_the_path_and_the_text_where_nothing_was_parsed():
    assert passes({"type": "expr", "value": "output == 5", "path": "$.total"}, ANSWER)
    assert passes({"type": "expr", "value": "output == text and output == 'a'"}, "a")


def test_the_reason_shows_the_expression():
    found = result_of({"type": "expr", "value": "output > 6", "path": "$.total"}, ANSWER)
    assert found.reason == "expr: `output > 6` is false of 5"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("output.nothing == 1", "a mapping has no `nothing`"),
        ("output.totl == 1", "Did you mean `total`?"),
        ("first_token_s < 1", "`first_token_s` is not known"),
        ("first_token_s != 1", "`first_token_s` is not known"),
        ("output.total", "`output.total` is 5, neither true nor false"),
        ("output.name", "neither true nor false; write a comparison"),
        ("'true'", "neither true nor false"),
        ("output.name > 5", "not supported between"),
        ("1 / 0 == 1", "division by zero"),
        ("output.total ** 99999999 > 1", "too great a number"),
        ("output.__class__ == 1", "has no `__class__`"),
        ("range(10 ** 9) | list | length > 1", "range() is bounded"),
    ],
)
def test_what_cannot_be_evaluated_fails_whatever_is_asked(value, why):
    assert_cannot_be_evaluated({"type": "expr", "value": value}, ANSWER, why)


@pytest.mark.parametrize(
    ("value", "words", "hint"),
    [
        ("output.total >", "is no expression", ""),
        ("", "must be an expression such as", ""),
        (["a"], "must be an expression such as", ""),
        ("{{ output.total > 0 }}", "`{{` does not belong", "Write the expression alone"),
        ("true) %}x{% if (true", "`%}` does not belong", "Write the expression alone"),
        ("outpt.total > 0", "`outpt` is unknown", "Did you mean `output`?"),
        ("language == 'French'", "`language` is unknown", "A variable of the case is `vars.language`."),
        ("value == 1", "`value` is unknown", ""),
        ("output | nofilter", "is no expression", ""),
    ],
)
def test_a_wrong_expression_is_told(value, words, hint):
    issue = issue_of({"type": "expr", "value": value})
    assert issue.at == (0, "value")
    assert words in issue.message
    assert hint in issue.hint


def test_the_variables_of_an_expression_are_known_before_anything_is_asked():
    source = (
        "vars.a == 1 and\n vars['b c'] > 2 and vars.d is defined and output.vars.e and vars.get('f') == vars.g | d(1)"
    )
    (check,) = compiled({"type": "expr", "value": source})
    found = [(u.at, u.reference.name, u.reference.line, u.reference.column, u.reference.optional) for u in check.uses]
    assert found == [
        (("value",), "a", 1, 1, False),
        (("value",), "b c", 2, 2, False),
        (("value",), "d", 2, 22, True),
        (("value",), "g", 2, source.splitlines()[1].rindex("vars.g") + 1, True),
    ]


def test_an_answer_cannot_reach_into_the_expression():
    answer = Answer("{% endif %}{{ 1 }}", vars={"x": "{{ 2 }}"})
    assert passes({"type": "expr", "value": "text == '{' ~ '% endif %' ~ '}' ~ '{' ~ '{ 1 }}'"}, answer)
