"""Prompts: what renders, what is refused, and which variables a template is known to need."""

import math
import os
import pickle
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, meta, nodes

from throughster.errors import RequestError
from throughster.names import did_you_mean, nearest
from throughster.paths import PathProblem, project_root, resolve_inside
from throughster.prompts import MessageTemplate, Prompt, PromptError, PromptTemplate, TemplateProblem, compile_template


def render(source, **values):
    return compile_template(source, name="user").render(values)


def uses(source, root=None):
    """Each use as `name`, with `?` where it is optional."""
    return [r.name + "?" * r.optional for r in compile_template(source, name="user", root=root).references]


class Secret:
    api_key = "sk-secret"

    def delete(self):
        self.api_key = "deleted"
        return "deleted"


# -- nothing gets out ---------------------------------------------------------------------------------------------------

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ range.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ dict.__base__.__subclasses__() }}",
    "{{ request.application.__globals__ }}",
    "{{ ''|attr('__class__')|attr('__mro__') }}",
    "{{ ()|attr('\\x5f\\x5fclass\\x5f\\x5f')|string }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(c) }}",
    "{{ '{x.__class__}'.format_map({'x': c}) }}",
    "{{ ('{0.__class__}'|attr('format'))(c) }}",
    "{{ '%s' | format(c) }}",
    "{{ [c]|map(attribute='__class__')|list }}",
    "{{ [c]|map(attribute='api_key')|join }}",
    "{{ c.api_key }}",
    "{{ c['api_key'] }}",
    "{{ c.delete() }}",
    "{{ c }}",
    "{{ [c] }}",
    "{{ [c]|tojson }}",
    "{{ {'k': c}|string }}",
    "{{ 'x' ~ c }}",
    "{{ f() }}",
    "{{ f.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{% set ns = namespace() %}{{ ns.__class__.__mro__ }}",
    "{% set ns = namespace() %}{{ ns._Namespace__attrs }}",
    "{% for i in [1] %}{{ loop.__init__.__globals__ }}{{ loop._iterable }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{{ (1).__class__ }}{{ (1).to_bytes(10, 'big') }}",
    "{{ 'x'.encode() }}",
    "{{ xs.append(4) }}",
    "{{ xs.pop() }}{{ d.update({'a': 2}) }}{{ d.clear() }}",
    "{{ [].sort() }}",
    "{{ 'a'.join.__self__ }}",
    "{{ ''['upper'] }}",
    "{{ undefined_thing.x }}",
]


@pytest.mark.parametrize("payload", ESCAPES)
def test_no_payload_reaches_an_object_or_changes_data(payload):
    secret, xs, d = Secret(), [1, 2, 3], {"a": 1}
    try:
        text = render(payload, c=secret, f=lambda: "called", xs=xs, d=d)
    except (PromptError, TemplateProblem) as error:
        text = str(error)
    for leak in ("sk-secret", "called", "0x", "<class", "<function", "uid=", "b'x'"):
        assert leak not in text.replace("cannot be called", "")
    assert (secret.api_key, xs, d) == ("sk-secret", [1, 2, 3], {"a": 1})


def test_the_escape_payloads_are_errors_rather_than_silence():
    values = {"c": Secret(), "f": len, "xs": [1], "d": {}}
    assert len(ESCAPES) > 10
    for payload in ESCAPES:
        with pytest.raises((PromptError, TemplateProblem)):
            compile_template(payload, name="user").render(values)


BOMBS = [
    "{{ 'a' * 300000000 }}",
    "{{ 300000000 * 'a' }}",
    "{{ [1] * 300000000 }}",
    "{{ 9 ** 9999999 }}",
    "{% set ns = namespace(n=7) %}{% for i in range(60) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '%.1000000000f' | format(1) }}",
    "{{ '{:>1000000000}'.format('x') }}",
    "{{ '{:{w}}'.format('x', w=1000000000) }}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ 'x'.center(1000000000) }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ 'x'.zfill(1000000000) }}",
    "{{ ('\t' * 10000).expandtabs(10000) }}",
    "{{ 'x' | indent(1000000000, first=true) }}",
    "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
    "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}",
    "{{ ('a' * 99999).join('b' * 99999) }}",
    "{{ ('b' * 99999) | join('a' * 99999) }}",
    "{{ ('a ' * 99999) | wordwrap(1, wrapstring='b' * 99999) }}",
    "{{ [1] | batch(1000000000, 0) | list }}",
    "{{ [1] | slice(1000000000) | list }}",
    "{{ 1.5 | round(1000000000, 'ceil') }}",
    "{{ range(100000) | list }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% for a in range(9999) %}{% for b in range(9999) | map('string') %}{% endfor %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=['x']) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[]) %}{% for i in range(9999) %}{% set ns.s = ns.s + ['a' * 9999999] %}{% endfor %}",
    "{% set ns = namespace(s=['x' * 99]) %}{% for i in range(40) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=1) %}{% for i in range(9000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set x %}{% for a in range(9999) %}" + "c" * 60000 + "{% endfor %}{% endset %}",
    "{% for i in tree recursive %}{{ loop(tree) }}{% endfor %}",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_soon_and_in_one_plain_error(bomb):
    started = time.process_time()
    with pytest.raises(PromptError) as caught:
        render(bomb, tree=[1, 2])
    assert time.process_time() - started < 8
    assert caught.value.template == "user"
    assert len(str(caught.value)) < 700


def test_nothing_of_a_template_is_evaluated_while_it_compiles():
    script = (
        "import resource\n"
        "from throughster.prompts import compile_template\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for bomb in (\"{{ 'a' * 300000000 }}\", '{{ 9 ** 9 ** 7 }}', \"{{ 'a'.ljust(300000000) }}\",\n"
        "             \"{% if 'a'.ljust(300000000) %}{% endif %}\", \"{% set x = ('a' * 300000000) | upper %}\"):\n"
        "    compile_template(bomb, name='t')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    grown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=30).stdout
    assert int(grown) < 50_000


def test_a_prompt_longer_than_ten_million_characters_is_refused():
    with pytest.raises(PromptError, match="longer than 10,000,000"):
        render("{{ a }}{{ a }}", a="x" * 6_000_000)
    with pytest.raises(PromptError, match="longer than 10,000,000"):
        render("{{ a | upper }}{{ a }}", a="x" * 6_000_000)


# -- what values look like ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (1, "1"),
        (1.5, "1.5"),
        (10**30, "1" + "0" * 30),
        ([1, "a", None, True], '[1, "a", null, true]'),
        ((1, 2), "[1, 2]"),
        ({"ä": "<&>'"}, '{"ä": "<&>\'"}'),
        (Decimal("1.10"), "1.10"),
        (date(2024, 2, 29), "2024-02-29"),
        ([date(2024, 2, 29)], '["2024-02-29"]'),
        ("{{ x }}{% raw %}", "{{ x }}{% raw %}"),
    ],
)
def test_values_read_the_same_in_every_place_of_a_template(value, text):
    assert render("{{ v }}", v=value) == text
    assert render("{% if true %}{{ v }}{% endif %}", v=value) == text
    assert render("{{ 'x' ~ v }}", v=value) == "x" + text
    assert render("{{ v | string }}", v=value) == text
    assert render("{{ [v] | join(',') }}", v=value) == text
    if not isinstance(value, (tuple, int, float)) or isinstance(value, bool):
        assert render("{{ '%s' % v }}", v=value) == text
        assert render("{{ '{}'.format(v) }}", v=value) == text


def test_tojson_is_plain_json_and_refuses_nan():
    assert render("{{ v | tojson }}", v={"a": "<b>&'\"ü"}) == '{"a": "<b>&\'\\"ü"}'
    assert render("{{ v | tojson(indent=1) }}", v=[1]) == "[\n 1\n]"
    with pytest.raises(PromptError, match="not JSON compliant"):
        render("{{ v | tojson }}", v=[math.nan])


def test_nothing_is_escaped_and_the_last_newline_stays():
    assert render("<{{ v }}>\n", v="<&>") == "<<&>>\n"
    assert render("{{ '<' | safe ~ v }}", v="&") == "<&"
    assert render("{{ v | e ~ v }}", v="&") == "&amp;&"


@pytest.mark.parametrize("column", ["items", "keys", "values", "get", "copy", "update", "pop"])
def test_a_column_named_like_a_method_is_the_column(column):
    assert render("{{ row.COLUMN }}".replace("COLUMN", column), **{column: "cell"}) == "cell"
    assert render("{{ d.COLUMN }}".replace("COLUMN", column), d={column: "cell"}) == "cell"
    assert render("{{ [d] | map(attribute='COLUMN') | join }}".replace("COLUMN", column), d={column: "cell"}) == "cell"


@pytest.mark.parametrize(
    "source",
    [
        "{{ d.items }}",
        "{{ d.items() }}",
        "{{ d.keys() }}",
        "{{ range }}",
        "{{ range(3) }}",
        "{{ xs | map('upper') }}",
        "{{ ''.upper }}",
        "{{ cycler('a') }}",
        "{{ namespace(a=1) }}",
        "{% macro m() %}{% endmacro %}{{ m }}",
        "{% for x in xs %}{{ loop }}{% endfor %}",
        "{{ b }}",
    ],
)
def test_what_is_no_data_never_prints(source):
    with pytest.raises(PromptError) as caught:
        render(source, d={"a": 1}, xs=["a"], b=b"bytes")
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ typo }}",
        "{{ [typo] }}",
        "{{ {'a': [typo]} }}",
        "{{ typo ~ 'x' }}",
        "{{ 'x' + typo }}",
        "{{ 'x' if typo }}",
        "{{ typo | upper }}",
        "{{ typo | list }}",
        "{{ typo | items | list }}",
        "{{ typo | length }}",
        "{{ typo is none }}",
        "{{ typo is string }}",
        "{{ typo == 1 }}",
        "{{ not typo }}",
        "{% if typo %}{% endif %}",
        "{% for x in typo %}{% endfor %}",
        "{{ d.typo }}",
        "{{ d['typo'] }}",
        "{{ d.a.typo }}",
        "{{ xs[9] }}",
        "{{ row.typo }}",
        "{{ row['typo'] }}",
        "{{ [d] | map(attribute='typo') | list }}",
        "{{ [d] | map(attribute='typo') | join }}",
        "{{ [d] | selectattr('typo') | list }}",
        "{{ [d] | sum(attribute='typo') }}",
        "{{ typo() }}",
        "{{ typo.x }}",
        "{{ '%s' % typo }}",
        "{{ '{}'.format(typo) }}",
        "{{ '{0.typo}'.format(d) }}",
        "{{ [typo] | tojson }}",
    ],
)
def test_an_undefined_value_raises_wherever_it_is_used(source):
    with pytest.raises(PromptError):
        render(source, d={"a": "text"}, xs=[1])


def test_a_missing_key_names_the_nearest_one():
    with pytest.raises(PromptError, match=r"a mapping has no `colour`. Did you mean `color`\?"):
        render("{{ d.colour }}", d={"color": 1})


def test_values_are_rendered_once():
    assert render("{{ a }}{{ b | upper }}", a="{{ b }}", b="{% x %}") == "{{ b }}{% X %}"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ '%05.1f|%s' % (2.25, true) }}", "002.2|true"),
        ("{{ '%(a)s' % {'a': none} }}", "null"),
        ("{{ '%s and %s' | format(1, 'b') }}", "1 and b"),
        ("{{ '{:,} {n!s} {x[0]} {x}'.format(12345, n=none, x=[7]) }}", "12,345 null 7 [7]"),
        ("{{ '{a}'.format_map({'a': 1}) }}", "1"),
        ("{{ 7 % 3 }} {{ 2 ** 10 }} {{ 2 * 3.5 }} {{ 'ab' * 2 }} {{ [1] + [2] }}", "1 1024 7.0 abab [1, 2]"),
        ("{{ 'a-b'.split('-') | join('+') }} {{ 'x'.join(['1', '2']) }} {{ ' x '.strip() }}", "a+b 1x2 x"),
        ("{{ 'x' | center(5) }}|{{ 'a\nb' | indent(2) }}|{{ 'aXbX' | replace('X', 1) }}", "  x  |a\n  b|a1b1"),
        ("{{ 'a b c' | wordwrap(1) }}|{{ [1, 2, 3] | batch(2) | list }}", "a\nb\nc|[[1, 2], [3]]"),
        ("{{ 2.345 | round(1) }} {{ '<b>x</b>' | striptags }}", "2.3 x"),
        ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}", "abab"),
        ("{% set j = joiner(', ') %}{% for x in 'ab' %}{{ j() }}{{ x }}{% endfor %}", "a, b"),
        ("{% set ns = namespace(n=0) %}{% for x in [1, 2] %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}", "3"),
        ("{% for x in 'ab' %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}", "1/2false 2/2true "),
        ("{% for x in 'aab' %}{{ loop.changed(x) }}{{ loop.cycle(1, 2) }} {% endfor %}", "true1 false2 true1 "),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        (
            "{% for x in [1, [2, [3]]] recursive %}{% if x is number %}{{ x }}{% else %}({{ loop(x) }}){% endif %}{% endfor %}",
            "1(2(3))",
        ),
        (
            "{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}{% call m(1) %}!{% endcall %}",
            "12!",
        ),
        ("{% block a %}x{% endblock %}{{ self.a() }}", "xx"),
        ("{% filter upper %}a{{ 'b' }}{% endfilter %}", "AB"),
        ("{{ {'b': 1, 'a': 2} | dictsort }} {{ [3, 1] | sort }} {{ [1, 2] | max }}", '[["a", 2], ["b", 1]] [1, 3] 2'),
        ("{{ 'abc'[1:] }}{{ 'abc'[-1] }}{{ [1, 2].0 }}", "bcc1"),
        ("{{ d.when.year }}-{{ d.when.isoformat() }}", "2024-2024-02-29"),
        ("{% raw %}{{ x }}{% endraw %}{# gone #}", "{{ x }}"),
    ],
)
def test_the_useful_parts_of_jinja_work(source, text):
    assert render(source, d={"when": date(2024, 2, 29)}) == text


@pytest.mark.parametrize("name", ["random", "pprint", "urlize", "xmlattr"])
def test_filters_that_harm_a_prompt_are_refused_with_the_reason(name):
    with pytest.raises(TemplateProblem, match=f"Unknown filter `{name}`. Prompts do not have it: "):
        compile_template("{{ x | " + name + " }}", name="user")


# -- references ---------------------------------------------------------------------------------------------------------

SCOPES = [
    ("no variable", []),
    ("{{ a }}{{ b }}{{ a }}", ["a", "b", "a"]),
    ("{{ a.b.c }}{{ d[e] }}{{ f(g, h=i) }}", ["a", "d", "e", "f", "g", "i"]),
    ("{{ a | default('x') }}{{ b | d(c) }}", ["a?", "b?", "c"]),
    ("{{ a.b | default('x') }}", ["a"]),
    ("{{ a is defined }}{{ b is not defined }}{{ c is undefined }}", ["a?", "b?", "c?"]),
    ("{% if a is defined %}{{ a }}{% else %}{{ a }}{% endif %}", ["a?", "a?", "a"]),
    ("{% if a is not defined %}{{ a }}{% else %}{{ a }}{% endif %}", ["a?", "a", "a?"]),
    ("{% if a is defined and b is defined %}{{ a }}{{ b }}{% endif %}", ["a?", "b?", "a?", "b?"]),
    ("{% if a is defined or b is defined %}{{ a }}{% endif %}", ["a?", "b?", "a"]),
    ("{% if not (a is undefined or c) %}{{ a }}{% endif %}", ["a?", "c", "a?"]),
    ("{% if a is undefined %}{% elif a %}{{ a }}{% endif %}", ["a?", "a?", "a?"]),
    ("{{ a if a is defined else b }}", ["a?", "a?", "b"]),
    ("{{ a is defined and a }}{{ a is undefined or a }}", ["a?", "a?", "a?", "a?"]),
    ("{% if a %}{{ a }}{% endif %}", ["a", "a"]),
    ("{% for x in xs %}{{ x }}{{ loop.index }}{{ y }}{% endfor %}{{ x }}", ["xs", "y", "x"]),
    ("{% for x in xs if x and y %}{{ x }}{% else %}{{ x }}{% endfor %}", ["xs", "y", "x"]),
    ("{% for a, (b, c) in xs %}{{ a }}{{ b }}{{ c }}{{ d }}{% endfor %}", ["xs", "d"]),
    ("{% for x in x %}{{ x }}{% endfor %}", ["x"]),
    ("{% for x in xs %}{% set y = x %}{{ y }}{% endfor %}{{ y }}", ["xs", "y"]),
    ("{% for x in xs %}{{ y }}{% set y = x %}{% endfor %}", ["xs", "y"]),
    ("{% for x in xs %}{% for x in x %}{{ loop.index }}{% endfor %}{% endfor %}{{ loop }}", ["xs", "loop"]),
    ("{{ a }}{% set a = 1 %}{{ a }}", ["a"]),
    ("{% set a = a %}{{ a }}", ["a"]),
    ("{% set a = a | default(1) %}{{ a }}", ["a?"]),
    ("{% set a, b = c %}{{ a }}{{ b }}", ["c"]),
    ("{% if c %}{% set a = 1 %}{% endif %}{{ a }}", ["c", "a?"]),
    ("{% if c %}{% set a = 1 %}{% else %}{% set a = 2 %}{% endif %}{{ a }}", ["c"]),
    ("{% if c %}{% set a = 1 %}{% elif d %}{% else %}{% set a = 2 %}{% endif %}{{ a }}", ["c", "d", "a?"]),
    ("{% if c %}{% set a = 1 %}{{ a }}{% endif %}", ["c"]),
    ("{% set a %}{{ b }}{% set c = 1 %}{% endset %}{{ a }}{{ c }}", ["b", "c"]),
    ("{% set a | upper %}{{ b }}{% endset %}", ["b"]),
    ("{% set ns = namespace(x=y) %}{% set ns.x = z %}{{ ns.x }}", ["y", "z"]),
    ("{% with a = b, c = a %}{{ a }}{{ c }}{{ d }}{% endwith %}{{ a }}", ["b", "a", "d", "a"]),
    (
        "{% macro m(a, b=c, d=a) %}{{ a }}{{ b }}{{ e }}{{ varargs }}{{ kwargs }}{{ caller() }}{% endmacro %}{{ m(f) }}",
        ["c", "e", "f"],
    ),
    ("{% macro m() %}{{ y }}{% endmacro %}{% set y = 1 %}{{ m() }}", ["y?"]),
    ("{% macro m() %}{{ m() }}{{ n() }}{% endmacro %}{% macro n() %}{% endmacro %}", ["n?"]),
    ("{% macro m() %}{% endmacro %}{% call(x) m() %}{{ x }}{{ y }}{% endcall %}", ["y"]),
    ("{% call f(g) %}{% endcall %}", ["f", "g"]),
    ("{% filter replace(a, b) %}{{ c }}{% endfilter %}", ["c", "a", "b"]),
    ("{% block a %}{{ x }}{{ super }}{% endblock %}{{ self.a() }}", ["x"]),
    ("{% for x in xs %}{% block b %}{{ x }}{% endblock %}{% endfor %}", ["xs", "x"]),
    ("{% for x in xs %}{% block b scoped %}{{ x }}{% endblock %}{% endfor %}", ["xs"]),
    ("{% set x = 1 %}{% block b %}{{ x }}{% endblock %}", []),
    ("{% block b %}{{ x }}{% endblock %}{% set x = 1 %}", ["x?"]),
    ("{{ range(3) | list }}{% set c = cycler(1) %}{{ joiner() }}", []),
    ("{{ range }}{{ namespace.x }}", ["range", "namespace"]),
    ("{{ dict }}{{ lipsum() }}", ["dict", "lipsum"]),
    (
        "{{ a ~ b }}{{ a + b }}{{ a < b < c }}{{ d in e }}{{ -f }}{{ not g }}",
        ["a", "b", "a", "b", "a", "b", "c", "d", "e", "f", "g"],
    ),
    ("{{ [a, (b, c), {d: e}] }}{{ f[g:h:i] }}", list("abcdefghi")),
    ("{{ a | map('x', b) | list }}{{ c is divisibleby(d) }}{{ e(*f, **g) }}", ["a", "b", "c", "d", "e", "f", "g"]),
    ("{% if a %}{% elif b %}{% else %}{{ c }}{% endif %}", ["a", "b", "c"]),
    ("{% raw %}{{ a }}{% endraw %}{# {{ b }} #}", []),
    ("{{ row.a }}{{ row['b c'] }}{{ row.items }}", ["a", "b c", "items"]),
    ("{{ row.a | default(1) }}{{ row['b'] is defined }}{{ row.get('c') }}", ["a?", "b?", "c?"]),
    ("{% if row.a is defined %}{{ row.a }}{{ a }}{% endif %}", ["a?", "a?", "a?"]),
    ("{% for k, v in row.items() %}{% endfor %}{{ row | tojson }}{{ row[k] }}", ["row?", "row?", "row?", "k"]),
    ("{% for row in rows %}{{ row.a }}{% endfor %}", ["rows"]),
    ("{{ a.row.b }}", ["a"]),
    ("{{ true }}{{ none }}{{ True }}", []),
]


@pytest.mark.parametrize(("source", "expected"), SCOPES)
def test_references_follow_the_scopes(source, expected):
    assert uses(source) == expected


@pytest.mark.parametrize("source", [source for source, _expected in SCOPES])
def test_no_name_that_jinja_looks_up_outside_is_missed(source):
    """Jinja's own analysis is the oracle for false negatives; it also reports names that the template may set."""
    tree = Environment().parse(source.replace("| x", ""))
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    own |= {macro.name for macro in tree.find_all(nodes.Macro)} | {"row"}
    assert meta.find_undeclared_variables(tree) - own <= {name.rstrip("?") for name in uses(source)}


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("{{ a }}", [(1, 4)]),
        ("{{a}}{{ a.b }}", [(1, 3), (1, 9)]),
        ("x\n  {{ a }} {{\n b }}", [(2, 6), (3, 2)]),
        ("x\r\n{{ a }}\r{{ b }}", [(2, 4), (3, 4)]),
        ("{{ 'a a' ~ a }}", [(1, 12)]),
        ("a  {%- if a -%}  {{- a -}}  {%- endif %} {{ a }}", [(1, 11), (1, 22), (1, 45)]),
        ("{# a #}{% raw %}{{ a }}{% endraw %}{{ a }}", [(1, 39)]),
        ("ä€😀{{ a }}", [(1, 7)]),
        ("{{ row.abc }}{{ row [ 'x' ] }}{{ row . y }}", [(1, 8), (1, 23), (1, 40)]),
        ("{{ x|default(y) }}", [(1, 4), (1, 14)]),
    ],
)
def test_references_have_the_exact_position(source, places):
    found = compile_template(source, name="user").references
    assert [(use.line, use.column) for use in found] == places


def test_whole_row_uses_are_told_apart_and_a_variable_called_row_wins():
    whole = compile_template("{{ row | tojson }}", name="user")
    assert whole.uses_whole_row
    assert whole.render({"a": 1}) == '{"a": 1}'
    assert whole.render({"row": "mine"}) == '"mine"'
    assert not compile_template("{{ row.a }}", name="user").uses_whole_row


def test_is_static_means_no_expression_at_all():
    assert compile_template("plain {# c #}{% raw %}{{ x }}{% endraw %}", name="t").is_static
    assert compile_template("plain {# c #}{% raw %}{{ x }}{% endraw %}", name="t").render({}) == "plain {{ x }}"
    assert compile_template("", name="t").render({}) == ""
    assert not compile_template("{{ 1 }}", name="t").is_static
    assert not compile_template("{{ a }}", name="t").is_static


NAMES = st.sampled_from(["a", "b", "row", "c"])
PIECES = st.one_of(st.text(max_size=8), NAMES.map(lambda name: "{{ " + name + " }}"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=6), st.dictionaries(NAMES, VALUES))
def test_the_short_way_of_plain_templates_agrees_with_jinja(pieces, values):
    source = "".join(pieces)
    outcomes = []
    for variant in (source, "{% if true %}{% endif %}" + source):
        try:
            outcomes.append(compile_template(variant, name="t").render(values))
        except (PromptError, TemplateProblem) as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


# -- problems -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("{{ a", 1, 4, "Unexpected end of template"),
        ("x\n{{ 'a }}", 2, 4, "quotes not closed"),
        ("{{ a | uper }}", 1, 8, "Did you mean `upper`?"),
        ("{{ a is strng }}", 1, 6, "Did you mean `string`?"),
        ("{{ a ) }}", 1, 6, "Unexpected ')'"),
        ("{% fr x in y %}", 1, 4, "Did you mean `for`?"),
        ("{% for x in y %}", 1, 15, "'endfor'"),
        ("a {# open", 1, 3, "comment"),
        ("{{ 1 + }}", 1, 8, "Unexpected 'end of print statement'"),
        ("a\n{% include name %}", 2, 4, "name of one file"),
        ("{% extends name %}", 1, 4, "name of one file"),
        ("{% import 'x' as y %}", 1, 11, "cannot be read here"),
        ("{% autoescape true %}{% endautoescape %}", 1, 4, "no place in a prompt"),
        ("{{ " + "9" * 5000 + " }}", 1, 1, "digits"),
        ("{{ " + "(" * 5000 + " }}", 1, 1, "nested too deeply"),
        ("{% for a in b %}" * 30 + "{% endfor %}" * 30, 1, 1, "nested too deeply"),
        ("x" * 1_000_001, 1, 1, "at most 1,000,000"),
        ("{% block a %}{% endblock %}\n{% block a %}{% endblock %}", 2, 1, "defined twice"),
    ],
)
def test_a_bad_template_is_a_problem_with_its_position(source, line, column, message):
    with pytest.raises(TemplateProblem) as caught:
        compile_template(source, name="user")
    problem = pickle.loads(pickle.dumps(caught.value))
    assert (problem.line, problem.template) == (line, "user")
    assert message in problem.message
    assert problem.column == column


def test_render_errors_name_template_line_and_reason_and_pickle():
    template = compile_template("a\n{{ x.y }}\n", name="user prompt")
    with pytest.raises(PromptError) as caught:
        template.render({"x": {"z": 1}})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.template, error.line, error.reason) == ("user prompt", 2, "a mapping has no `y`")
    assert str(error) == "user prompt, line 2: a mapping has no `y`"
    assert isinstance(error, RequestError)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 / 0 }}",
        "{{ 'a' - 1 }}",
        "{{ 'a' + 1 }}",
        "{{ xs | sort }}",
        "{{ 10 ** 5000 }}",
        "{{ cyclic }}",
        "{{ deep }}",
        "{{ {1: 2}['a'].b }}",
        "{{ keyed }}",
    ],
)
def test_every_exception_of_a_render_is_a_prompt_error(source):
    cyclic, deep = [], []
    cyclic.append(cyclic)
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PromptError):
        render(source, xs=[1, "a"], cyclic=cyclic, deep=deep, keyed={(1, 2): 3})


def test_a_template_pickles_as_its_source():
    copy = pickle.loads(pickle.dumps(compile_template("{{ a | upper }}", name="user")))
    assert copy.render({"a": "x"}) == "X"


# -- files --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()

    def write(**files):
        for name, text in files.items():
            (folder / f"{name}.j2").write_text(text)
        return folder

    return write


def test_included_files_render_and_their_references_count(root):
    folder = root(part="{{ a }}{{ x }}\n", deep="{% include 'part.j2' %}{{ b | default('') }}")
    source = "{% for x in xs %}{% include 'deep.j2' %}{% endfor %}"
    template = compile_template(source, name="user", root=folder)
    assert template.render({"xs": [1, 2], "a": "A"}) == "A1\nA2\n"
    assert [(r.name, r.template, r.optional) for r in template.references] == [
        ("xs", "user", False),
        ("a", "part.j2", False),
        ("b", "deep.j2", True),
    ]
    assert pickle.loads(pickle.dumps(template)).render({"xs": [1], "a": "A"}) == "A1\n"


def test_a_file_included_twice_in_different_scopes_counts_both(root):
    folder = root(part="{{ x }}")
    assert uses("{% set x = 1 %}{% include 'part.j2' %}", folder) == []
    assert uses("{% include 'part.j2' %}{% set x = 1 %}{% include 'part.j2' %}", folder) == ["x"]
    assert uses("{% import 'm.j2' as m %}{% include 'm.j2' %}", root(m="{{ x | default('') }}")) == ["x?"]


def test_extends_takes_the_child_blocks_and_leaves_out_what_they_replace(root):
    folder = root(base="{{ top }}{% block a %}{{ old }}{% endblock %}{% block b %}{{ kept }}{% endblock %}")
    source = "{% extends 'base.j2' %}{% set top = 1 %}{% block a %}{{ new }}{% endblock %}"
    assert uses(source, folder) == ["new", "kept"]
    assert compile_template(source, name="t", root=folder).render({"new": "n", "kept": "k"}) == "1nk"
    with_super = "{% extends 'base.j2' %}{% block a %}{{ super() }}{% endblock %}"
    assert uses(with_super, folder) == ["top", "old", "kept"]


def test_macros_are_imported_and_a_variable_they_are_not_given_is_a_problem(root):
    folder = root(m="{% macro hi(x) %}hi {{ x }}{% endmacro %}", bad="\n{% macro hi(x) %}{{ outer }}{% endmacro %}")
    assert compile_template("{% import 'm.j2' as m %}{{ m.hi(a) }}", name="t", root=folder).render({"a": 1}) == "hi 1"
    assert (
        compile_template("{% from 'm.j2' import hi as h %}{{ h(a) }}", name="t", root=folder).render({"a": 1}) == "hi 1"
    )
    with pytest.raises(TemplateProblem, match=r"`bad.j2` uses `outer` \(line 2 of bad.j2\).*with context"):
        compile_template("{% import 'bad.j2' as m %}", name="t", root=folder)
    assert uses("{% import 'bad.j2' as m with context %}", folder) == ["outer"]


def test_a_file_that_includes_itself_compiles_and_ends_in_an_error(root):
    folder = root(loop="{{ a }}{% include 'loop.j2' %}")
    template = compile_template("{% include 'loop.j2' %}", name="t", root=folder)
    assert [use.name for use in template.references] == ["a"]
    with pytest.raises(PromptError):
        template.render({"a": 1})


def test_many_includes_of_includes_compile_soon(root):
    folder = root(**{f"f{i}": f"{{% include 'f{i + 1}.j2' %}}" * 2 for i in range(30)}, f30="{{ x }}")
    started = time.process_time()
    assert uses("{% include 'f0.j2' %}", folder) == ["x"]
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["../outside.j2", "/etc/passwd", "missing.j2", ".git/config", "link.j2", "", "sub"])
def test_only_regular_files_inside_the_root_are_included(root, name):
    folder = root()
    (folder.parent / "outside.j2").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "sub").mkdir()
    (folder / "link.j2").symlink_to(folder.parent / "outside.j2")
    with pytest.raises(TemplateProblem) as caught:
        compile_template("\n{% include " + repr(name) + " %}", name="t", root=folder)
    assert (caught.value.line, caught.value.column) == (2, 12)
    assert "secret" not in caught.value.message


def test_problems_in_an_included_file_name_that_file(root):
    with pytest.raises(TemplateProblem) as caught:
        compile_template("{% include 'bad.j2' %}", name="t", root=root(bad="x\n{{ a | uper }}"))
    assert (caught.value.template, caught.value.line) == ("bad.j2", 2)
    with pytest.raises(PromptError) as failed:
        compile_template("{% include 'p.j2' %}", name="t", root=root(p="x\n{{ 1 / a }}")).render({"a": 0})
    assert (failed.value.template, failed.value.line) == ("p.j2", 2)


# -- messages and Prompt ------------------------------------------------------------------------------------------------


def test_a_prompt_template_renders_its_messages_in_order_and_quickly():
    system = MessageTemplate("system", compile_template("You are a world class linguist.", name="system"))
    user = MessageTemplate("user", compile_template('Translate "{{ text }}" to {{ language }}.', name="user"))
    prompt = PromptTemplate((system, user))
    values = {"text": "hello", "language": "French"}
    assert prompt.render(values) == [
        {"role": "system", "content": "You are a world class linguist."},
        {"role": "user", "content": 'Translate "hello" to French.'},
    ]
    assert [use.name for use in prompt.references] == ["text", "language"]
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(200):
            prompt.render(values)
        best = min(best, (time.perf_counter() - started) / 200)
    assert best < 100e-6  # about 1 microsecond where nothing else runs


def test_prompt_returns_messages_and_knows_its_variables():
    prompt = Prompt("You are {{ role }}{{ style | default('') }}.")
    assert prompt.variables == ("role",)
    assert prompt("Translate {{ text }}", {"role": "a linguist", "text": "{{ hi }}"}) == [
        {"role": "system", "content": "You are a linguist."},
        {"role": "user", "content": "Translate {{ hi }}"},
    ]
    assert Prompt()("hello") == [{"role": "user", "content": "hello"}]
    assert Prompt().variables == ()
    assert pickle.loads(pickle.dumps(prompt)).variables == ("role",)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"role": "x"}, "The prompt needs `text`."),
        (
            {"role": "x", "txet": "y"},
            "The prompt needs `text`. Did you mean `txet`? No template uses `txet`. Did you mean `text`?",
        ),
        ({"role": "x", "text": "y", "rolle": 1}, "No template uses `rolle`. Did you mean `role`?"),
        ({"role": "x", "text": "y", "zzzz": 1}, "No template uses `zzzz`."),
    ],
)
def test_prompt_refuses_missing_and_unused_variables(variables, message):
    with pytest.raises(RequestError) as caught:
        Prompt("{{ role }}")("{{ text }}", variables)
    assert str(caught.value) == message


def test_prompt_turns_a_bad_template_into_a_request_error():
    with pytest.raises(RequestError, match=r"system prompt, line 1: .*Did you mean `upper`"):
        Prompt("{{ a | uper }}")
    with pytest.raises(RequestError, match="user prompt"):
        Prompt("a")("{{ a | uper }}", {"a": 1})


def test_prompt_takes_row_as_all_variables():
    assert Prompt()("{{ row | tojson }}", {"a": 1})[0]["content"] == '{"a": 1}'
    assert Prompt()("{{ row.a }}", {"row": {"a": 2}})[0]["content"] == "2"


# -- names and paths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "candidates", "match"),
    [
        ("tempurature", {"temperature"}, "temperature"),
        ("Lang", {"language", "text"}, "language"),
        ("TEXT", {"text"}, "text"),
        ("zzz", {"temperature"}, None),
        ("", {"a"}, None),
        ("x" * 200, {"x" * 199}, None),
        ("a", [], None),
    ],
)
def test_nearest_names(name, candidates, match):
    assert nearest(name, candidates) == match
    assert did_you_mean(name, candidates) == (f"Did you mean `{match}`?" if match else "")


def test_files_inside_the_root_resolve_whatever_way_they_are_written(tmp_path):
    (tmp_path / "specs").mkdir()
    (tmp_path / "data.csv").write_text("a")
    (tmp_path / "specs" / "link.csv").symlink_to(tmp_path / "data.csv")
    for name in ("../data.csv", "link.csv", "./../specs/../data.csv", str(tmp_path / "data.csv")):
        assert resolve_inside(tmp_path, tmp_path / "specs", name) == (tmp_path / "data.csv").resolve()


def test_paths_that_lead_elsewhere_are_refused_in_plain_words(tmp_path):
    root, sibling = tmp_path / "run", tmp_path / "run-evil"
    for folder in (root, sibling, root / ".github", root / "sub"):
        folder.mkdir()
    (sibling / "x").write_text("x")
    (root / ".github" / "x").write_text("x")
    (root / ".env").write_text("x")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "fifo")
    cases = {
        "../run-evil/x": "outside the project",
        "/etc/passwd": "outside the project",
        ".github/x": "hidden `.github`",
        ".env": "hidden `.env`",
        "sub": "is a folder",
        "fifo": "not a regular file",
        "missing": "does not exist",
        "loop": "cannot be read",
        "": "not a file name",
        "a\0b": "not a file name",
        "n" * 300: "cannot be read",
    }
    for name, message in cases.items():
        with pytest.raises(PathProblem, match=message):
            resolve_inside(root, root, name)
    with pytest.raises(PathProblem, match="operating system"):
        resolve_inside(root.__class__("/"), root, "/proc/self/environ")


@pytest.mark.parametrize("mark", [".git", "pyproject.toml", "throughster.toml"])
def test_the_project_root_is_the_nearest_folder_with_a_mark(tmp_path, mark):
    spec = tmp_path / "a" / "b" / "spec.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text("")
    (tmp_path / "a" / mark).mkdir()
    assert project_root(spec) == (tmp_path / "a").resolve()
    assert project_root(spec.parent) == (tmp_path / "a").resolve()


def test_an_inline_if_without_else_gives_nothing():
    template = compile_template("{% for x in xs %}{{ x }}{{ ', ' if not loop.last }}{% endfor %}", name="t")
    assert template.render({"xs": ["a", "b"]}) == "a, b"


@pytest.mark.parametrize(
    "source",
    [
        'Answer as {{"a": 1}}.',
        "Answer as {{'a': 1}}.",
        r"\newcommand{\x}{#1} for {{ t }}",
        r"{{\x}}",
        "Write {%d} here",
        "Answer as {{}}.",
    ],
)
def test_braces_of_another_language_are_told_where_to_go(source):
    with pytest.raises(TemplateProblem) as caught:
        compile_template(source, name="prompt")
    assert "go between {% raw %} and {% endraw %}." in caught.value.message
    assert compile_template(f"{{% raw %}}{source}{{% endraw %}}", name="prompt").render({}) == source


def test_self_is_no_variable_but_a_column():
    with pytest.raises(TemplateProblem, match="`self` stands for") as caught:
        compile_template("Say {{ self }}", name="prompt")
    assert (caught.value.line, caught.value.column) == (1, 8)
    assert compile_template('{{ row["self"] }}', name="prompt").render({"self": "S"}) == "S"
    assert compile_template("{% block a %}x{% endblock %}{{ self.a() }}", name="prompt").render({}) == "xx"
