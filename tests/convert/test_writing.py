"""What the writer writes reads back as the same data, and reads well."""

from __future__ import annotations

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from throughster.convert.writing import write_yaml
from throughster.yamltree import parse_yaml

AWKWARD = st.sampled_from([
    "a\nb", "a\n", "a\n\nb\n\n", "\n a", " a\nb", "x\n  y\n", "a\n#b", "a\n---\nb", "...", "- x", "? x", "null", "~", "1.10",
    "0x1F", "010", "NO", "yes", "{{ a }}", "a: b", "a #b", "a:", "a,b", "<<", "#a", "%x", "&a", "*a", "!a", "|", ">", "'", '"',
    "a'b\"c", "\\n", "\ta", "a\t", "a\u2028b", "\x85", "\ufeffa", "\U0001f600", "é b", "2024-01-01", "1:30", ".inf", "[a", "}",
])  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | AWKWARD
NUMBER = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=15,
)


def numbers(value):
    if isinstance(value, dict):
        return {key: numbers(child) for key, child in value.items()}
    if isinstance(value, list):
        return [numbers(child) for child in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@given(st.dictionaries(TEXT, DATA, max_size=5) | st.lists(DATA, max_size=5))
@settings(max_examples=400, deadline=None)
def test_it_reads_back_as_it_was(data):
    document, problems = parse_yaml(write_yaml(data), "written.yaml")
    assert problems == []
    assert numbers(document.value()) == numbers(data)


TEXTS = st.recursive(
    TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(TEXT, TEXTS, min_size=1, max_size=5))
@example({"a": [{"b": "why?"}]})
@example({"a": ["? x", "a?b", "=", "y", "No", "on", "0o7", "1_000", "12e03", "::", "a, b", "@a", "`a`", "%a"]})
@settings(max_examples=400, deadline=None)
def test_readers_of_yaml_1_1_read_the_same_texts(data):
    """Other programs, and older editors, read what was written too; no text becomes anything else there."""
    assert yaml.safe_load(write_yaml(data)) == data


def test_it_is_written_for_people():
    data = {
        "name": "demo",
        "prompt": {"system": "Be brief.", "user": "Line one\nLine {{ two }}\n"},
        "tests": [
            {"vars": {"a": "x"}, "assert": [{"type": "contains", "value": "NO"}, {"type": "regex", "value": r"^\d"}]}
        ],
        "repeat": 2,
    }
    notes = {("tests", 0): ["a note"], ("repeat",): ["two\nlines"]}
    assert write_yaml(data, notes, "From there.\n- and that") == (
        "# From there.\n"
        "# - and that\n"
        "name: demo\n"
        "prompt:\n"
        "  system: Be brief.\n"
        "  user: |\n"
        "    Line one\n"
        "    Line {{ two }}\n"
        "tests:\n"
        "  # a note\n"
        "  - {vars: {a: x}, assert: [{type: contains, value: \"NO\"}, {type: regex, value: '^\\d'}]}\n"
        "# two\n"
        "# lines\n"
        "repeat: 2\n"
    )
