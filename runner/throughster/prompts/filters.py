"""The filters and tests of prompts: Jinja's own where they are safe, bounded ones where a short template could hang."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import wraps
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import FilterArgumentError, SecurityError
from jinja2.filters import FILTERS, do_batch, do_indent, do_round, do_slice, do_wordwrap, make_attrgetter
from jinja2.runtime import Undefined
from jinja2.tests import TESTS
from jinja2.utils import pass_environment
from markupsafe import Markup, escape

from throughster.prompts.budget import FILTER_COST, charge
from throughster.prompts.text import text_of, to_json

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

__all__ = ["CONCAT", "LOOP", "REFUSED_FILTERS", "WIDEST", "check_width", "filters", "format_percent", "tests"]

WIDEST = 10_000
CONCAT = "concat operands"  # names that no template can write, for the nodes that the compiler puts in
LOOP = "loop over"

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
    "dictsort",
    "filesizeformat",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "sort",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
)
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
    charge(len(template) + sum(map(int, widths)))
    if isinstance(values, tuple):
        result = template % tuple(_operand(value) for value in values)
    elif isinstance(values, Mapping) and "%(" in template:
        result = template % {key: _operand(value) for key, value in values.items()}
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
    charge((text.count("\n") + 1) * (len(width) if isinstance(width, str) else width))
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
    charge(len(text) * (1 + len(wrapstring)))
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
    return str.__str__(escape(text_of(value)))


def _striptags(value: Any) -> str:
    return Markup(text_of(value)).striptags()  # noqa: S704 - to take the tags away, not to trust them


def _loop_over(value: Any, cost: int) -> Any:
    if isinstance(value, Sized):
        charge(cost * len(value))
        return value
    return _counted(value, cost)


def _counted(values: Iterable[Any], cost: int) -> Iterator[Any]:
    for value in values:
        charge(cost)
        yield value


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter or test: it costs, and an undefined value is an error, where Jinja takes it for an empty one."""
    position = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        value = args[position] if len(args) > position else None
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()  # noqa: SLF001 - Jinja's documented way for an Undefined to raise
        charge(FILTER_COST + (len(value) if isinstance(value, Sized) else 0))
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
        "indent": _indent,
        "join": _join,
        "replace": _replace,
        "round": _round,
        "safe": text_of,
        "slice": _slice,
        "string": text_of,
        "striptags": _striptags,
        "tojson": to_json,
        "wordwrap": _wordwrap,
    }
    bounded.update((name, FILTERS[name]) for name in _FROM_JINJA)
    table = {name: function if name in {"default", "d"} else _checked(function) for name, function in bounded.items()}
    return table | {CONCAT: _concat, LOOP: _checked(_loop_over)}


def tests() -> dict[str, Callable[..., Any]]:
    """Return the tests (`is ...`) that prompts have, by name."""
    table: dict[str, Any] = dict(TESTS)
    return {name: test if name in {"defined", "undefined"} else _checked(test) for name, test in table.items()}
