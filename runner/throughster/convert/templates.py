"""From Nunjucks to Jinja2: what is written differently and means the same is rewritten; the rest is told.

Both print an unknown variable differently (Nunjucks: nothing, here: an error); who calls this takes care of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from throughster.prompts.filters import filters as jinja_filters

__all__ = ["Translated", "has_template", "is_always_loaded", "translate_template"]

_FILTERS = frozenset(jinja_filters())
_BLOCK = re.compile(r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\])*?"

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"==="), "=="),
    (re.compile(r"!=="), "!="),
    (re.compile(r"\|\s*dump\b(?:\s*\(\s*\d*\s*\))?"), "| tojson"),
    (re.compile(rf"({_NAME})\.length\b"), r"(\1 | length)"),
    (re.compile(r"\.toUpperCase\(\)"), ".upper()"),
    (re.compile(r"\.toLowerCase\(\)"), ".lower()"),
    (re.compile(r"\.trim\(\)"), ".strip()"),
    (re.compile(r"(?<![\w.])null(?![\w.(])"), "none"),
)
"""In an expression, outside texts in quotes. Each is exact, but for the white space that `dump` leaves out."""

_TAG_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^(\{%-?\s*)elseif\b"), r"\1elif"),
    (
        re.compile(r"^(\{%-?\s*for\s+\w+\s*,\s*\w+\s+in\s+)([\w.]+)(?=\s*-?%\}$)"),
        r"\1(\2 | items if \2 is mapping else \2)",
    ),
)
"""Nunjucks goes through the pairs of a mapping by itself."""
_LOAD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\s*\|\s*load\b(?:\s*\(\s*\))?")
_ENV = re.compile(r"(?<![\w.])env\.([A-Za-z_]\w*)|(?<![\w.])env\[\s*$")

_UNKNOWN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\{%-?\s*(switch|case|asyncEach|asyncAll|ifAsync)\b"), "the tag `{}` is not in Jinja"),
    (re.compile(r"\.(includes|indexOf|slice|substring|charAt|map|filter|concat|match|test|keys|values)\("),
     "the method `{}` of JavaScript is not available"),
    (re.compile(r"(?<![\w.])(_conversation)\b"), "`{}`, the earlier turns that promptfoo keeps, is not available"),
    (re.compile(r"(&&|\|\|)"), "the operator `{}` is not in Jinja"),
    (re.compile(r"(?<![\w)\]])(r/[^/\n]+/[gimy]*)"), "the pattern {} is not in Jinja"),
)  # fmt: skip


@dataclass
class Translated:
    """`text` in Jinja2. `env`: variables of the environment that it read; `unknown`: what has no counterpart.

    `loaded`: variables that it parses as JSON with `load`, where whoever asks for them may give them parsed.
    """

    text: str
    env: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def has_template(text: str) -> bool:
    """Whether a text holds anything that a template engine would act on."""
    return "{{" in text or "{%" in text or "{#" in text


def translate_template(text: str, filters: frozenset[str] = frozenset(), *, loads: bool = False) -> Translated:
    """`filters`: filters of the user's own, which are programs. `loads`: see `Translated.loaded`."""
    found = Translated(text)
    if not has_template(text):
        return found
    found.text = _BLOCK.sub(lambda match: _block(match[0], found, filters, loads=loads), text)
    return found


def _block(block: str, found: Translated, filters: frozenset[str], *, loads: bool) -> str:
    if block.startswith("{#") or re.match(r"\{%-?\s*raw\b", block):
        return block
    strings: list[str] = []

    def hide(match: re.Match[str]) -> str:
        strings.append(match[0])
        return f"\x00{len(strings) - 1}\x00"

    code = _STRING.sub(hide, block)
    code = re.sub(r"(?<![\w.])env\[(\x00\d+\x00)\]", lambda match: _named_env(match, strings), code)
    if loads:
        found.loaded += _LOAD.findall(code)
        code = _LOAD.sub(r"\1", code)
    for pattern, words in _UNKNOWN:
        found.unknown += [words.format(match[1]) for match in pattern.finditer(code)]
    for name in re.findall(r"\|\s*([A-Za-z_]\w*)", code):
        if name in filters:
            found.unknown.append(f"the filter `{name}` is a program of its own")
        elif name != "dump" and name not in _FILTERS:
            found.unknown.append(f"the filter `{name}` is not available")
    for pattern, replacement in (*_REWRITES, *_TAG_REWRITES):
        code = pattern.sub(replacement, code)
    code = _ENV.sub(lambda match: _env(match, found), code)
    return re.sub("\x00(\\d+)\x00", lambda match: strings[int(match[1])], code)


def is_always_loaded(name: str, text: str) -> bool:
    """Whether each use of a variable in a template goes through `load`."""
    blocks = [block for block in _BLOCK.findall(text) if not block.startswith("{#")]
    uses = sum(len(re.findall(rf"(?<![\w.]){re.escape(name)}\b", block)) for block in blocks)
    return uses == sum(_LOAD.findall(block).count(name) for block in blocks)


def _named_env(match: re.Match[str], strings: list[str]) -> str:
    name = strings[int(match[1].strip("\x00"))][1:-1]
    return f"env.{name}" if name.isidentifier() else match[0]


def _env(match: re.Match[str], found: Translated) -> str:
    name = match[1]
    if name is None:
        found.unknown.append("`env[...]` reads the environment")
        return match[0]
    if name not in found.env:
        found.env.append(name)
    return name
