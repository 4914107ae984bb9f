"""Checks in the cells of a table."""

import pytest
from tests.checks.making import compiled

from throughster.checks import parse_expected


@pytest.mark.parametrize(
    ("cell", "entry"),
    [
        ("Paris", {"type": "equals", "value": "Paris"}),
        ("  Paris is nice.\n", {"type": "equals", "value": "Paris is nice."}),
        ("Note: see below", {"type": "equals", "value": "Note: see below"}),
        ("http://example.org", {"type": "equals", "value": "http://example.org"}),
        ("10:30", {"type": "equals", "value": "10:30"}),
        ("contains", {"type": "equals", "value": "contains"}),
        ("regex", {"type": "equals", "value": "regex"}),
        ("equals:contians:Paris", {"type": "equals", "value": "contians:Paris"}),
        ("equals: 5", {"type": "equals", "value": "5"}),
        ("contains:Paris", {"type": "contains", "value": "Paris"}),
        ("not-contains: a: b", {"type": "not-contains", "value": "a: b"}),
        ("icontains:{{ language }}", {"type": "icontains", "value": "{{ language }}"}),
        ("contains-any: a, b c,d", {"type": "contains-any", "value": ["a", "b c", "d"]}),
        ('contains-all:"a, b",c', {"type": "contains-all", "value": ["a, b", "c"]}),
        ("starts-with:The", {"type": "starts-with", "value": "The"}),
        (r"regex:^\d{3}:(a|b)$", {"type": "regex", "value": r"^\d{3}:(a|b)$"}),
        ("is-json", {"type": "is-json"}),
        ('is-json:{"type": "object"}', {"type": "is-json", "value": {"type": "object"}}),
        ('contains-json:{"type": "object"}', {"type": "contains-json", "value": {"type": "object"}}),
        ("json-schema:file://a.json", {"type": "json-schema", "value": "a.json"}),
        ("word-count:5", {"type": "word-count", "value": 5}),
        ('word-count:{"min": 2}', {"type": "word-count", "value": {"min": 2}}),
        ("tool-call:get_weather", {"type": "tool-call", "value": "get_weather"}),
        ('tool-call:{"name": "f"}', {"type": "tool-call", "value": {"name": "f"}}),
        ("finish-reason:stop", {"type": "finish-reason", "value": "stop"}),
        ("not-is-refusal", {"type": "not-is-refusal"}),
        ("latency(5)", {"type": "latency", "threshold": 5.0}),
        ("latency:2.5", {"type": "latency", "threshold": 2.5}),
        ("cost(0.002)", {"type": "cost", "threshold": 0.002}),
        ("levenshtein(3):Paris", {"type": "levenshtein", "threshold": 3.0, "value": "Paris"}),
        ("levenshtein:Paris", {"type": "levenshtein", "threshold": 5.0, "value": "Paris"}),
        ("rouge-n(0.6):a b", {"type": "rouge", "threshold": 0.6, "value": "a b"}),
        ("rouge-n:a b", {"type": "rouge", "threshold": 0.75, "value": "a b"}),
        ("bleu:a b", {"type": "bleu", "threshold": 0.5, "value": "a b"}),
        ("similar(0.8):a b", {"type": "similar", "threshold": 0.8, "value": "a b"}),
        ("similar:cosine(0.8):a b", {"type": "similar", "threshold": 0.8, "value": "a b"}),
        ("similar: cosine", {"type": "similar", "threshold": 0.75, "value": "cosine"}),
        ("llm-rubric: is polite", {"type": "llm-rubric", "value": "is polite"}),
        ("grade: is polite", {"type": "llm-rubric", "value": "is polite"}),
        ("not-llm-rubric(0.9): is rude", {"type": "not-llm-rubric", "threshold": 0.9, "value": "is rude"}),
        ("factuality:Paris", {"type": "factuality", "value": "Paris"}),
        ("g-eval:clear", {"type": "g-eval", "threshold": 0.7, "value": "clear"}),
        ("select-best:short", {"type": "select-best", "value": "short"}),
        ("expr:output.a > 1", {"type": "expr", "value": "output.a > 1"}),
    ],
)
def test_a_cell(cell, entry, tmp_path):
    assert parse_expected(cell) == entry
    (tmp_path / "a.json").write_text("{}")
    compiled(entry, base=tmp_path, root=tmp_path)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "An empty cell holds no check"),
        ("contians:Paris", "There is no check `contians`. Did you mean `contains`?"),
        ("not-contians:Paris", "Did you mean `contains`?"),
        ("latncy(5)", "Did you mean `latency`?"),
        ("javascript:output > 1", "A check `javascript` is not available in a table."),
        ("not-contains-xml", "A check `contains-xml` is not available in a table."),
        ("file://check.py", "A check `file` is not available in a table."),
        ("not-contains", "`not-contains` needs a value, as in `not-contains:text`."),
        ("levenshtein(3)", "`levenshtein` needs a value"),
        ("levenshtein(many):x", "The threshold of `levenshtein` must be a number, found `many`."),
        ("latency(5000)", "`latency` is in seconds, 5000 looks like milliseconds. Write `latency(5)`."),
        ("any-of:[]", "does not fit into a cell"),
        ('tool-call:{"name"', "The value of `tool-call` is no JSON"),
    ],
)
def test_a_cell_that_looks_like_a_check_and_is_none(cell, words):
    with pytest.raises(ValueError) as caught:
        parse_expected(cell)
    assert words in str(caught.value)


def test_what_looks_like_a_check_can_be_compared_as_it_is():
    with pytest.raises(ValueError, match="write `equals:contians:Paris`"):
        parse_expected("contians:Paris")
