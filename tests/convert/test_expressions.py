"""Programs as expressions: what is translated comes out as it does there, and nothing else is translated."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checks import making

from throughster.checks import Answer
from throughster.convert.expressions import translate_javascript, translate_python
from throughster.convert.templates import translate_template

SURE = [
    ("output.length < 5", "abcd", "abcdef"),
    ("output.length >= 2 && output.length <= 3", "abc", "abcd"),
    ("output.includes('b')", "abc", "xyz"),
    ("!output.includes('sorry')", "fine", "so sorry"),
    ("output.toLowerCase().includes('hi') || output === 'X'", "HI", "ho"),
    ('output.trim().startsWith("a")', "  ab", "ba"),
    ("output.endsWith('.')", "Yes.", "Yes"),
    ("output.split(' ').length <= 2", "a b", "a b c"),
    ("output.includes('it\\'s')", "it's", "it is"),
    ("return output.length > 1;", "ab", "a"),
    ("output.includes('{{ name }}')", "Ada Lovelace", "Bob"),
    ("output === context.vars.name", "Ada", "Bob"),
    ("JSON.parse(output).a.b === 'c'", '{"a": {"b": "c"}}', '{"a": {"b": "d"}}'),
    ("JSON.parse(output).n === 1", '{"n": 1}', '{"n": true}'),
    ("JSON.parse(output).ok === true", '{"ok": true}', '{"ok": 1}'),
    ("JSON.parse(output)['x y'] > 0.5", '{"x y": 0.7}', '{"x y": 0.2}'),
    ("JSON.parse(output).list.length === 2", '{"list": [1, 2]}', '{"list": [1]}'),
    ("JSON.parse(output).list.includes('a')", '{"list": ["a"]}', '{"list": {"a": 1}}'),
    ("JSON.parse(output).items[0].name === 'a'", '{"items": [{"name": "a"}]}', '{"items": []}'),
    ("JSON.parse(output).a === null", '{"a": null}', '{"a": 0}'),
    ("JSON.parse(output).a === 'b'", '{"a": "b"}', "no JSON"),
    ("100 > output.length", "a", "a" * 100),
]  # fmt: skip
PYTHON = [
    ("len(output) < 5", "abcd", "abcdef"),
    ("'b' in output and 'z' not in output", "abc", "abz"),
    ("0 < len(output.split()) <= 2", "a b", "a b c"),
    ("output.strip().lower().startswith('yes')", " Yes", "no"),
    ("json.loads(output)['a'][0] == 'x'", '{"a": ["x"]}', '{"a": []}'),
    ("context['vars']['name'] in output", "Ada L", "Bob"),
    ("not output.endswith('?') or len(output) == 1", "a", "why?"),
]


def passes(translation, answer):
    entry = {"type": translation.type, "value": translation.value, "path": translation.path}
    return making.passes(entry, Answer(answer, vars={"name": "Ada"}))


@pytest.mark.parametrize(("code", "good", "bad"), SURE, ids=[code for code, _, _ in SURE])
def test_javascript_comes_out_the_same(code, good, bad):
    found = translate_javascript(code)
    assert passes(found, good)
    assert not passes(found, bad)


@pytest.mark.parametrize(("code", "good", "bad"), PYTHON, ids=[code for code, _, _ in PYTHON])
def test_python_comes_out_the_same(code, good, bad):
    found = translate_python(code)
    assert passes(found, good)
    assert not passes(found, bad)


UNSURE = [
    "output.length / 100", "output", "true", "output.match(/a/)", "output.indexOf('a') === -1", "Math.max(1, 2) > 1",
    "JSON.parse(output).a !== 'b'", "!JSON.parse(output).ok", "JSON.parse(output).a === 'b' || output === ''",
    "JSON.parse(context.vars.x).a === 1", "output === 5", "output > 'a'", "output.length === '5'", "process.exit(1)",
    "output.includes('{{ a }} and {{ b }}')", "output.includes('{% if x %}')", "output.includes(`a${b}`)", "output.split('')",
    "const x = 1; x === 1", "output.includes('a'", "output.includes('a') garbage", "", "(" * 5000, "output['length'] > 1",
    "JSON.parse(output).a", "output.constructor.constructor('x')()", "output.replace('a', 'b') === 'c'", "output == null",
]  # fmt: skip


@pytest.mark.parametrize("code", UNSURE, ids=[code[:40] for code in UNSURE])
def test_what_is_not_sure_is_not_translated(code):
    assert translate_javascript(code) is None


@pytest.mark.parametrize(
    "code",
    [
        "len(output)", "output", "True", "__import__('os').getcwd() == 'x'", "open('/etc/passwd').read() in output",
        "json.loads(output)['a'] != 'b'", "not json.loads(output)['ok']", "output[0] == 'a'", "(lambda: True)()",
        "[x for x in output] == []", "import os", "output.count('a') > 1", "len(output) < 5\nTrue", "re.search('a', output)",
        "output == 5", "f'{output}' == 'a'", "'a' in json.loads(output)", "1 if output else 0", "x" * 5000, "(" * 500,
    ],
    ids=lambda code: code[:40],
)  # fmt: skip
def test_python_that_is_not_sure_is_not_translated(code):
    assert translate_python(code) is None


def test_a_negated_program_reads_no_json():
    """What cannot be evaluated fails here also with `not-` in front; there it would pass."""
    assert translate_javascript("JSON.parse(output).a === 'b'", negated=True) is None
    assert translate_javascript("output === 'b'", negated=True) is not None


def test_parsed_answers_have_members():
    assert translate_javascript("output.a.b === 'c'") is None
    assert translate_javascript("output.a.b === 'c'", parsed=True).value == 'output.a.b == "c"'
    assert translate_python("output['a'] == 1", parsed=True).path == "$"
    assert translate_javascript("output.includes('a')", parsed=True).path == "$"


@given(st.text(alphabet="output.JSONparse()[]{}'\"`/&|!=<>+-1a, \n\\{{}}$", max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_is_an_error(code):
    translate_javascript(code)
    translate_python(code)


NUNJUCKS = [
    ("plain {{ name }}", "plain {{ name }}"),
    ("{{ items | dump }} {{ items | dump(2) }}", "{{ items | tojson }} {{ items | tojson }}"),
    ("{% if a === 'x === y' %}1{% elseif b !== null %}2{% endif %}", "{% if a == 'x === y' %}1{% elif b != none %}2{% endif %}"),
    ("{{ names.length }} {{ a.b.length }}", "{{ (names | length) }} {{ (a.b | length) }}"),
    ("{{ name.toUpperCase() }} {{ name.trim() }}", "{{ name.upper() }} {{ name.strip() }}"),
    ("{% raw %}{{ x === y }}{% endraw %}{# a === b #}", "{% raw %}{{ x === y }}{% endraw %}{# a === b #}"),
    ("{%- elseif x -%}", "{%- elif x -%}"),
    ("a === b, env.HOME", "a === b, env.HOME"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), NUNJUCKS, ids=[source[:30] for source, _ in NUNJUCKS])
def test_nunjucks_becomes_jinja(source, target):
    found = translate_template(source)
    assert found.text == target
    assert found.unknown == []


def test_the_environment_becomes_variables():
    found = translate_template("{{ env.USER_NAME }} {{ env['HOST'] }} {{ myenv.X }}")
    assert found.text == "{{ USER_NAME }} {{ HOST }} {{ myenv.X }}"
    assert found.env == ["USER_NAME", "HOST"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ x | mine }}", "`mine` is a program"),
        ("{{ x | load }}", "`load` is not available"),
        ("{% switch x %}{% endswitch %}", "`switch`"),
        ("{{ x.includes('a') }}", "`includes`"),
        ("{{ _conversation[0].output }}", "`_conversation`"),
        ("{% if a && b %}{% endif %}", "`&&`"),
    ],
)
def test_what_jinja_does_not_have_is_told(source, what):
    assert what in " ".join(translate_template(source, frozenset({"mine"})).unknown)
