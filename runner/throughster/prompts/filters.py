"""The filters and tests of prompts: Jinja's own where they are safe, bounded ones where a short template could hang."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sized
from functools import wraps
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import FilterArgumentError, SecurityError
from jinja2.filters import (
    FILTERS,
    do_batch,
    do_indent,
    do_int,
    do_round,
    do_slice,
    do_wordwrap,
    make_attrgetter,
    make_multi_attrgetter,
)  # fmt: skip
from jinja2.runtime import Undefined
from jinja2.tests import TESTS
from jinja2.utils import pass_environment
from markupsafe import Markup, escape

from throughster.prompts import costs
from throughster.prompts.budget import COPIED, FILTER_COST, ITEM_COST, charge, counted, size_of
from throughster.prompts.text import text_of, to_json

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

__all__ = [
    "COMPARE", "CONCAT", "KEY", "LOOP", "REFUSED_FILTERS", "SLICE", "SPEND", "WIDEST", "check_width", "filters",
    "format_percent", "tests",
]  # fmt: skip

WIDEST = 10_000
CONCAT = "concat operands"  # names that no template can write, for the nodes that the compiler puts in
LOOP = "loop over"
COMPARE = "compare operands"
SLICE = "slice of"
KEY = "key of"
SPEND = "spend on"

REFUSED_FILTERS = {
    "random": "a prompt must read the same each time it is rendered",
    "pprint": "use `tojson`",
    "urlize": "it writes HTML",
    "xmlattr": "it writes HTML",
}

_FROM_JINJA = (
    "abs",
    "attr",
    "capitalize",
    "count",
    "d",
    "default",
    "filesizeformat",
    "first",
    "float",
    "items",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "title",
    "trim",
    "truncate",
    "upper",
    "urlencode",
    "wordcount",
)
_PER_ELEMENT = {  # units for each element or character, where it is not two: what the filter makes of one
    "batch": 2 * ITEM_COST, "list": ITEM_COST, "map": 1, "reverse": COPIED, "slice": ITEM_COST, "title": ITEM_COST,
    "urlencode": ITEM_COST, "wordcount": ITEM_COST // 2, "string": 0, "safe": 0, "length": 0, "count": 0, "first": 0,
    "last": 0, "default": 0, "int": 1, "float": 1, "tojson": 0, "join": 1, "striptags": 0, "wordwrap": 0,
}  # fmt: skip
_PERCENT_WIDTH = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\*|\d+)?(?:\.(\*|\d+))?")


def check_width(width: Any) -> None:
    """Raise where a width, a count or a precision is so great that the result could fill the memory."""
    if isinstance(width, (int, float)) and abs(width) > WIDEST:
        raise SecurityError(f"{width:,} is too wide: at most {WIDEST:,} are allowed")


def format_percent(template: str, values: Any) -> str:
    """Return `template % values` with bounded widths; what is no number or text reads as it does elsewhere."""
    widths = [width for pair in _PERCENT_WIDTH.findall(template) for width in pair if width]
    if "*" in widths:
        raise SecurityError("a width given as `*` is not allowed")
    for width in widths:
        check_width(int(width))
    charge(len(template) * ITEM_COST // 4 + sum(map(int, widths)))
    if isinstance(values, Sized):
        charge(len(values) * ITEM_COST)
    if isinstance(values, tuple):
        operands = tuple(_operand(value) for value in values)
        charge(sum(len(operand) for operand in operands if isinstance(operand, str)))
        result = template % operands
    elif isinstance(values, Mapping) and "%(" in template:
        named = {key: _operand(value) for key, value in values.items()}
        longest = max((len(operand) for operand in named.values() if isinstance(operand, str)), default=0)
        charge(template.count("%(") * longest)
        result = template % named
    else:
        result = template % (_operand(values),)
    charge(len(result))
    return result


def _operand(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else text_of(value)


def _format(template: Any, *args: Any, **kwargs: Any) -> str:
    if args and kwargs:
        raise FilterArgumentError("`format` takes values by position or by name, not both")
    return format_percent(text_of(template), kwargs or args)


@pass_environment
def _join(environment: SandboxedEnvironment, value: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
    items = map(make_attrgetter(environment, attribute), value) if attribute is not None else value
    if isinstance(value, str):
        charge(len(value) * ITEM_COST)
    separator, texts = text_of(d), [text_of(item) for item in items]
    charge(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _concat(values: Iterable[Any]) -> str:
    texts = [text_of(value) for value in values]
    charge(sum(map(len, texts)))
    return "".join(texts)


def _center(value: Any, width: int = 80) -> str:
    check_width(width)
    return text_of(value).center(width)


def _indent(s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = text_of(s)
    check_width(len(width) if isinstance(width, str) else width)
    lines = costs.lines_in(text)
    charge(lines * ((len(width) if isinstance(width, str) else width) + ITEM_COST) + 3 * len(text))
    return do_indent(text, width, first, blank)


def _replace(s: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, gone, put = text_of(s), text_of(old), text_of(new)
    charge(len(text) + text.count(gone) * len(put))
    return text.replace(gone, put, -1 if count is None else count)


@pass_environment
def _wordwrap(
    environment: SandboxedEnvironment, s: Any, width: int = 79, break_long_words: bool = True, wrapstring: str = "\n"
) -> str:
    text = text_of(s)
    charge(costs.wrapped(text, width, len(wrapstring)))
    return do_wordwrap(environment, text, width, break_long_words, wrapstring)


def _batch(value: Any, linecount: int, fill_with: Any = None) -> Any:
    check_width(linecount)
    return do_batch(value, linecount, fill_with)


def _slice(value: Any, slices: int, fill_with: Any = None) -> Any:
    check_width(slices)
    return do_slice(value, slices, fill_with)


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    if abs(precision) > 30:
        raise SecurityError(f"{precision} digits are too many to round to: at most 30 are allowed")
    return do_round(value, precision, method)


def _escape(value: Any) -> str:
    text = text_of(value)
    charge(6 * len(text))
    return str.__str__(escape(text))


def _int(value: Any, default: int = 0, base: int = 10) -> int:
    if isinstance(value, str) and len(value) > WIDEST:
        raise SecurityError(f"a text of {len(value):,} characters is no number")
    return do_int(value, default, base)


@pass_environment
def _sum(environment: SandboxedEnvironment, iterable: Iterable[Any], attribute: Any = None, start: Any = 0) -> Any:
    """As Jinja's: what is summed may be lists, which are copied with every step."""
    values = map(make_attrgetter(environment, attribute), iterable) if attribute is not None else iterable
    for value in values:
        if isinstance(start, str):
            raise SecurityError("`sum` adds numbers; texts are joined with `join`")
        charge(ITEM_COST)
        if isinstance(start, Sized):
            charge(COPIED * (len(start) + (len(value) if isinstance(value, Sized) else 0)))
        start = start + value
    return start


def _tojson(value: Any, indent: int | None = None) -> str:
    if isinstance(indent, str):
        raise SecurityError("`indent` is a number of spaces")
    if indent is not None:
        check_width(indent)
    return to_json(value, indent)


def _ordered(name: str, keys_of: Callable[..., Iterable[Any]], times: int = 1) -> Callable[..., Any]:
    """Jinja's filter of this name, which compares keys: charged for each key, as often as sorting looks at it."""
    function = FILTERS[name]

    @wraps(function)
    def ordered(environment: SandboxedEnvironment, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict | list | tuple | str | range):
            value = list(counted(value))
        if isinstance(value, str):
            charge(ITEM_COST * len(value))
        costs.charge_for_order(keys_of(environment, value, *args, **kwargs), times)
        return function(environment, value, *args, **kwargs)

    return ordered


def _by_attribute(environment: SandboxedEnvironment, value: Any, *args: Any, **kwargs: Any) -> Iterable[Any]:
    names = [arg for arg in args if isinstance(arg, str | int) and not isinstance(arg, bool)]
    attribute = kwargs.get("attribute", names[0] if names else None)
    if attribute is None:
        values: Iterable[Any] = value
        return values
    getter = make_multi_attrgetter if "," in str(attribute) else make_attrgetter
    return map(getter(environment, attribute), value)


def _dictsort(value: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(value, dict):
        costs.charge_for_order(iter(value.items()), 2)
    return FILTERS["dictsort"](value, *args, **kwargs)


def _compare(values: Any, operator: str) -> Any:
    return costs.compare(values[0], operator, values[1])


def _slice_of(value: Any, *limits: int | None) -> Any:
    """`value[a:b:c]` of plain data."""
    if not isinstance(value, str | list | tuple | range):
        raise SecurityError("only a text or a list has parts")
    part = slice(*limits)
    length = len(range(*part.indices(len(value))))
    charge(length if isinstance(value, str) else COPIED * length)
    return value[part]


def _key(value: Any) -> Any:
    if isinstance(value, tuple):
        charge(size_of(value))
    return value


def _spend(value: Any, units: int) -> Any:
    charge(units)
    return value


def _striptags(value: Any) -> str:
    text = text_of(value)
    charge(costs.stripped(text))
    return Markup(text).striptags()  # noqa: S704 - to take the tags away, not to trust them


def _loop_over(value: Any, cost: int) -> Any:
    if isinstance(value, Sized):
        charge((cost + (ITEM_COST if isinstance(value, str) else 0)) * len(value))
        return value
    return counted(value, cost)


def _checked(function: Callable[..., Any], per_element: int = 1) -> Callable[..., Any]:
    """Wrap a filter or test: it costs, and an undefined value is an error, where Jinja takes it for an empty one."""
    position = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        value = args[position] if len(args) > position else None
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()  # noqa: SLF001 - Jinja's documented way for an Undefined to raise
        charge(FILTER_COST + (per_element * len(value) if isinstance(value, Sized) else 0) + len(args))
        if hasattr(value, "__next__"):
            args = (*args[:position], counted(args[position]), *args[position + 1 :])
        return function(*args, **kwargs)

    return checked


def filters() -> dict[str, Callable[..., Any]]:
    """Return the filters that prompts have, by name."""
    bounded: dict[str, Callable[..., Any]] = {
        "batch": _batch,
        "center": _center,
        "e": _escape,
        "escape": _escape,
        "forceescape": _escape,
        "format": _format,
        "groupby": _ordered("groupby", _by_attribute, 2),
        "indent": _indent,
        "int": _int,
        "join": _join,
        "max": _ordered("max", _by_attribute),
        "min": _ordered("min", _by_attribute),
        "replace": _replace,
        "round": _round,
        "safe": text_of,
        "slice": _slice,
        "sort": _ordered("sort", _by_attribute, 2),
        "string": text_of,
        "striptags": _striptags,
        "sum": _sum,
        "tojson": _tojson,
        "unique": _ordered("unique", _by_attribute),
        "wordwrap": _wordwrap,
    }
    bounded["dictsort"] = _dictsort
    bounded.update((name, FILTERS[name]) for name in _FROM_JINJA)
    table: dict[str, Callable[..., Any]] = {
        name: function if name in {"default", "d"} else _checked(function, _PER_ELEMENT.get(name, 2))
        for name, function in bounded.items()
    }
    own: dict[str, Callable[..., Any]] = {
        CONCAT: _concat,
        COMPARE: _compare,
        SLICE: _checked(_slice_of, 0),
        KEY: _key,
        SPEND: _spend,
    }
    return {**table, **own, LOOP: _checked(_loop_over)}


def tests() -> dict[str, Callable[..., Any]]:
    """Return the tests (`is ...`) that prompts have, by name."""
    table: dict[str, Any] = {**TESTS, **costs.comparing_tests()}
    return {name: test if name in {"defined", "undefined"} else _checked(test) for name, test in table.items()}
