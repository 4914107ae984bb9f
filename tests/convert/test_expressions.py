"""Programs as expressions: what is translated comes out as it does there, and nothing else is translated."""

from __future__ import annotations

import json
import shutil
import subprocess

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
    ("output.indexOf('a') === -1", "b", "a"),
    ("output.indexOf('a') >= 0", "ba", "b"),
    ("output.indexOf('a') === 0", "ab", "ba"),
    ("output.trim().split(/\\s+/).length <= 2", " a  b ", "a b c"),
    ("output.split(/\\s+/).length === 4", " a b ", "a b"),
    ("output.trim().split(/\\s+/).length >= 1", "", None),
    ("output.split(/\\s+/).filter(Boolean).length < 3", " a b ", "a b c"),
    ("['yes', 'no'].includes(output.trim().toLowerCase())", " Yes", "maybe"),
    ("['a', 'b'].every(word => output.includes(word))", "ab", "a"),
    ("['a', 'b'].some((word) => output.includes(word))", "b", "c"),
    ("['Oslo', 'Rome'].includes(JSON.parse(output).city)", '{"city": "Rome"}', '{"city": "Bern"}'),
    ("output.includes('a') ? true : false", "a", "b"),
    ("output === 'yes' ? 1 : 0", "yes", "no"),
    ("output.length > 5 ? output.includes('a') : output.includes('b')", "b", "a"),
    ("/^a.c$/.test(output)", "abc", "abbc"),
    ("!/sorry/i.test(output)", "fine", "SORRY"),
    ("output.length < 9 && !/sorry/i.test(output)", "fine", "Sorry"),
    ("output.match(/a+/) !== null", "baa", "b"),
    ("const n = output.length; n < 3", "ab", "abc"),
    ("const [a] = output; a === 'x'", None, None),
    ("JSON.parse(output).a !== 'b'", "{}", '{"a": "b"}'),
    ("!JSON.parse(output).ok", '{"ok": 0}', '{"ok": "yes"}'),
    ("JSON.parse(output).a === 'b' || JSON.parse(output).n > 5", '{"n": 6}', '{"n": 1}'),
    ("JSON.parse(output).a == null", "{}", '{"a": 1}'),
    ("JSON.parse(output).a !== undefined", '{"a": null}', "{}"),
    ("JSON.parse(output).name.toLowerCase() === 'oslo'", '{"name": "OSLO"}', '{"name": "Rome"}'),
    ("const words = output.split(' ');\nreturn words.length === 2;", "a b", "a"),
    ("const { name, size } = JSON.parse(output);\nreturn name === 'Oslo' && size > 1;", '{"name": "Oslo", "size": 2}', '{"size": 2}'),
    ("if (output.includes('x')) {\n  return false;\n}\nreturn output.length < 5;", "abc", "x"),
    ("if (output === 'a') return true;\nelse if (output === 'b') return true;\nelse return false;", "b", "c"),
    ("const data = JSON.parse(output);\nif (data.tags.length < 2) {\n  return false;\n}\nreturn data.tags[0] === 'a';", '{"tags": ["a", "b"]}', '{"tags": ["a"]}'),
    ("try {\n  const d = JSON.parse(output);\n  return d.a === 1;\n} catch (e) {\n  return false;\n}", '{"a": 1}', "no"),
    ("try {\n  JSON.parse(output);\n  return true;\n} catch {\n  return false;\n}", "[1]", "[1"),
    ("const ok = output.includes('a');\nreturn { pass: ok, score: ok ? 1 : 0, reason: ok ? 'fine' : `not: ${1}` };", None, None),
    ("const ok = output.includes('a');\nreturn {\n  pass: ok,\n  score: ok ? 1 : 0,\n  reason: ok ? 'fine' : 'not',\n};", "a", "b"),
    ("// a comment\nconst text = output.toLowerCase(); /* another */\nreturn text.startsWith('a');", "Ab", "b"),
    ("let a = 'x', b = 'y';\nreturn output.includes(a) && output.includes(b);", "yx", "x"),
]  # fmt: skip
PYTHON = [
    ("len(output) < 5", "abcd", "abcdef"),
    ("'b' in output and 'z' not in output", "abc", "abz"),
    ("0 < len(output.split()) <= 2", "a b", "a b c"),
    ("output.strip().lower().startswith('yes')", " Yes", "no"),
    ("json.loads(output)['a'][0] == 'x'", '{"a": ["x"]}', '{"a": []}'),
    ("context['vars']['name'] in output", "Ada L", "Bob"),
    ("not output.endswith('?') or len(output) == 1", "a", "why?"),
    ("output.strip() in ['a', 'b']", " a", "c"),
    ("json.loads(output)['a'] in ('x', 'y')", '{"a": "y"}', '{"a": "z"}'),
]


def passes(translation, answer):
    return making.passes(translation.check, Answer(answer, vars={"name": "Ada"}))


@pytest.mark.parametrize(("code", "good", "bad"), SURE, ids=[code for code, _, _ in SURE])
def test_javascript_comes_out_the_same(code, good, bad):
    found = translate_javascript(code)
    if good is None:
        assert found is None
        return
    assert passes(found, good)
    assert bad is None or not passes(found, bad)


@pytest.mark.parametrize(("code", "good", "bad"), PYTHON, ids=[code for code, _, _ in PYTHON])
def test_python_comes_out_the_same(code, good, bad):
    found = translate_python(code)
    assert passes(found, good)
    assert not passes(found, bad)


UNSURE = [
    "output.length / 100", "output", "true", "output.match(/a/)", "output.indexOf('a') > 3", "Math.max(1, 2) > 1",
    "output.length < 5 || JSON.parse(output).a === 'b'", "output / 2 / 1", "JSON.parse(output)?.a !== 'b'", "[].includes(output)",
    "output.includes('a')\n&& output.includes('b')", "const a = output.length;", "let ok = false;\nif (output) { ok = true; }\nreturn ok;",
    "if (output.includes('a')) {\n return true;\n}", "for (const w of output) { return true }\nreturn false", "output.split(/,/).length > 1",
    "/a/.test(output.trim())", "/a/g.exec(output)", "return {pass: output === 'a', score: 0.5, reason: ''}\n//", "output || 'x'",
    "output.length === 0 || output", "/a/.test(output) || output.length < 3", "const a = 1\nreturn a === 1", "try {\nreturn output === 'a'\n} catch { return true }",
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
    assert translate_python("json.loads(output)['a'] == 'b'", negated=True) is None
    found = translate_javascript("JSON.parse(output).a === 'b'", negated=True)
    assert passes(found, "{}")
    assert not passes(found, '{"a": "b"}')
    assert not passes(found, "no JSON")
    assert translate_javascript("output === 'b'", negated=True).check["type"] == "not-expr"
    assert translate_javascript("!/a/.test(output)", negated=True).check == {"type": "regex", "value": "a"}
    caught = "try {\n return JSON.parse(output).a === 1\n} catch {\n return false\n}"
    assert translate_javascript(caught, negated=True) is None, "what is caught there passes"


def test_parsed_answers_have_members():
    assert translate_javascript("output.a.b === 'c'") is None
    assert translate_javascript("output.a.b === 'c'", parsed=True).check["value"] == 'output.a.b == "c"'
    assert translate_python("output['a'] == 1", parsed=True).check["path"] == "$"
    assert translate_javascript("output.includes('a')", parsed=True).check["path"] == "$"


def test_one_line_that_begins_with_return_is_no_program_there():
    assert translate_javascript("return output === 'a'").always_fails
    assert not translate_javascript("return output === 'a';\n//").always_fails
    assert not translate_javascript("output === 'a'").always_fails


ANSWERS = [
    "", " ", "a", "A b", "yes", "no", " Yes ", "a b c d", "line\none", "it's", "x" * 40, "Oslo", "not json {", "[1, 2]", "5",
    '{"a": 1}', '{"a": "b", "n": 6}', '{"a": null}', '{"name": "Oslo", "tags": ["a", "b"], "ok": true, "size": 2}',
    '{"name": "OSLO", "tags": [], "ok": false, "size": 0}', '{"ok": 0, "list": ["a"]}', '{"city": "Rome"}', '{"tags": "ab"}',
]  # fmt: skip
_RUN = """
const [codes, answers] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const verdict = (code, output) => {
  const body = code.trimEnd().includes("\\n") ? code : /^(const|let|var) /.test(code)
    ? code.replace(/;([^;]*);?$/, "; return $1") : "return " + code.replace(/;+\\s*$/, "");
  try {
    const found = new Function("output", "context", body)(output, {vars: {name: "Ada"}});
    const value = found !== null && typeof found === "object" ? found.pass : found;
    return typeof value === "boolean" ? value : typeof value === "number" ? value > 0 : false;
  } catch { return false; }
};
console.log(JSON.stringify(codes.map(code => answers.map(answer => verdict(code, answer)))));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, which says what JavaScript does")
def test_javascript_comes_out_as_node_says():
    """Every program on every answer. Where JavaScript makes something of other kinds of values, the check may fail."""
    sure = [code for code, good, _ in SURE if good is not None and "{{" not in code and not code.startswith("return ")]
    told = subprocess.run(
        ["node", "-e", _RUN], input=json.dumps([sure, ANSWERS]), capture_output=True, text=True, check=True
    )
    wrong, stricter = [], []
    for code, verdicts in zip(sure, json.loads(told.stdout), strict=True):
        check = translate_javascript(code).check
        for answer, wanted in zip(ANSWERS, verdicts, strict=True):
            if making.passes(check, Answer(answer, vars={"name": "Ada"})) is not wanted:
                (stricter if wanted else wrong).append((code, answer))
    assert wrong == []
    assert stricter == []


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
    ("{% for a, b in of.it -%}", "{% for a, b in (of.it | items if of.it is mapping else of.it) -%}"),
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
