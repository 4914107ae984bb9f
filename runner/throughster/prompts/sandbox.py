"""The Jinja environment of prompts: strict, pure, bounded, and blind to everything but plain data.

Jinja's own sandbox forbids what is known to be dangerous. This one allows what is known to be harmless: attributes and
methods are looked up in a table by type, so that an object that strays into the data shows nothing of itself.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.lexer import TokenStream
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, StrictUndefined, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Joiner, Namespace, missing, pass_context

from throughster.names import did_you_mean
from throughster.prompts import costs, positions
from throughster.prompts.budget import CALL_COST, COPIED, ITEM_COST, LOOP_COST, charge, size_of
from throughster.prompts.filters import WIDEST, check_width, filters, format_percent, tests
from throughster.prompts.text import kind_of, text_of, to_json

__all__ = ["GLOBALS", "Sandbox"]

_STR = frozenset(
    {
        "capitalize",
        "casefold",
        "center",
        "count",
        "endswith",
        "expandtabs",
        "find",
        "format",
        "format_map",
        "index",
        "isalnum",
        "isalpha",
        "isascii",
        "isdecimal",
        "isdigit",
        "islower",
        "isnumeric",
        "isspace",
        "istitle",
        "isupper",
        "join",
        "ljust",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rindex",
        "rjust",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "upper",
        "zfill",
    }
)
_DAY = frozenset({"year", "month", "day", "weekday", "isoweekday", "isoformat"})
_CLOCK = frozenset({"hour", "minute", "second", "microsecond", "isoformat"})
_LOOP = frozenset(
    {
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    }
)
_ATTRIBUTES: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _STR),
    (dict, frozenset({"get", "items", "keys", "values"})),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index"})),
    (float, frozenset({"is_integer"})),
    (datetime, _DAY | _CLOCK),
    (date, _DAY),
    (time, _CLOCK),
    (LoopContext, _LOOP),
    (Macro, frozenset({"name", "arguments", "caller"})),
    (Cycler, frozenset({"next", "reset", "current"})),
    (BlockReference, frozenset({"super"})),
)
_MOST_BITS = 20_000  # of a number: about 6,000 digits, more than Python prints
_DIGITS = re.compile(r"\d+")


def _bounded_range(*limits: int) -> range:
    numbers = range(*limits)
    if len(numbers) > WIDEST:
        raise SecurityError(f"range() is bounded to {WIDEST:,} numbers, this one has {len(numbers):,}")
    return numbers


GLOBALS: dict[str, Any] = {"range": _bounded_range, "namespace": Namespace, "cycler": Cycler, "joiner": Joiner}


class _Missing(StrictUndefined):
    """What a template names and nobody gave: every use of it raises, in plain words."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return str(self._undefined_hint)
        name, owner = self._undefined_name, self._undefined_obj
        if owner is missing:
            return f"`{name}` is undefined"
        keys = [key for key in owner if isinstance(key, str)] if isinstance(owner, dict) else []
        hint = did_you_mean(name, keys) if isinstance(name, str) else ""
        what = f"`{name}`" if isinstance(name, str) else f"element {name}"
        return f"{kind_of(owner)} has no {what}{'. ' + hint if hint else ''}"


class _Formatter(SandboxedFormatter):
    """`"{:>5}".format(x)` with bounded widths and the words that prompts use for true, false, null, lists, mappings."""

    def format_field(self, value: Any, format_spec: str) -> str:
        for digits in _DIGITS.findall(format_spec):
            check_width(int(digits[:10]))
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        text = str(super().format_field(value if is_number else text_of(value), format_spec))
        charge(len(text))
        return text

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion in {"r", "a"}:
            return to_json(value)
        return text_of(value) if conversion == "s" else value


class _Format:
    """A text's `format` or `format_map` method, for this sandbox."""

    def __init__(self, environment: Sandbox, template: str, takes_map: bool) -> None:
        self._environment, self._template, self._takes_map = environment, template, takes_map

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        charge(len(self._template) * ITEM_COST)
        if self._takes_map:
            (kwargs,), args = args, ()
        return _Formatter(self._environment).vformat(self._template, args, kwargs)


@pass_context
def _finalize(_context: Context, value: Any) -> str:
    """Turn what `{{ ... }}` found into text. Taking the context keeps Jinja from calling it while it compiles."""
    text = text_of(value)
    charge(len(text) + 1)
    return text


class Sandbox(ImmutableSandboxedEnvironment):
    """See the module. `_tokenize` numbers tokens by their offset in the source, so that every node knows its column."""

    intercepted_binops = frozenset({"+", "-", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=_Missing, finalize=_finalize, keep_trailing_newline=True, autoescape=False, optimized=False
        )
        self.globals = dict(GLOBALS)
        self.prices: dict[str, int] = {}
        self.filters: dict[str, Any] = filters()
        self.tests: dict[str, Any] = tests()

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        tokens = positions.number_by_offset(source, self.lexer.tokeniter(source, name, filename, state))
        return TokenStream(self.lexer.wrap(tokens, name, filename), name, filename)

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Any:  # noqa: A002 - Jinja's
        """Return an included file, each time at the price of running it."""
        charge(5 * CALL_COST + self.prices.get(name, 0))
        return super().get_template(name, parent, globals)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a key before an attribute, so that a column may be called `items`."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, (Namespace, TemplateModule)) and not attribute.startswith("_"):
            return getattr(obj, attribute, None) if hasattr(obj, attribute) else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, TemplateReference):
            return obj[attribute]
        if attribute in _allowed_attributes(obj):
            if isinstance(obj, str) and attribute in {"format", "format_map"}:
                return _Format(self, obj, attribute == "format_map")
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an element by key, index or slice, of plain data only."""
        if isinstance(obj, TemplateReference):
            return obj[argument]
        if isinstance(obj, (dict, list, tuple, str, range)):
            if isinstance(argument, tuple):
                charge(size_of(argument))
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            return format_percent(left, right)
        if operator == "+":
            _check_sum(left, right)
        elif operator == "*":
            _check_product(left, right)
        elif operator == "**":
            _check_power(left, right)
        elif operator == "-" and not isinstance(left, (int, float)):
            charge(ITEM_COST * sum(len(side) for side in (left, right) if hasattr(side, "__len__")))
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, (BuiltinMethodType, MethodType)):
            return obj.__name__ in _allowed_attributes(obj.__self__)
        if isinstance(obj, (Macro, LoopContext, Joiner, BlockReference, _Format)):
            return True
        return any(obj is known for known in GLOBALS.values())

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063 - Jinja's
        """Call what may be called, at a price."""
        if not __self.is_safe_callable(__obj):
            if isinstance(__obj, StrictUndefined):
                __obj()
            raise SecurityError(f"{kind_of(__obj)} cannot be called in a template")
        charge(CALL_COST + ITEM_COST * len(args))
        if isinstance(__obj, BuiltinMethodType) and isinstance(__obj.__self__, str):
            args, kwargs = _check_text_call(__obj.__self__, __obj.__name__, args, kwargs), {}
        elif isinstance(__obj, BuiltinMethodType) and args:
            if isinstance(__obj.__self__, (list, tuple)):  # count, index
                costs.charge_for_finding(args[0], __obj.__self__)
            else:
                charge(size_of(args[0]))  # get
        elif isinstance(__obj, MethodType) and isinstance(__obj.__self__, LoopContext) and __obj.__name__ == "changed":
            charge(size_of(args))
        elif isinstance(__obj, LoopContext) and args and hasattr(args[0], "__len__"):
            charge(LOOP_COST * len(args[0]))
        result = __context.call(__obj, *args, **kwargs)
        if isinstance(result, str):
            charge(len(result))
        return result


def _allowed_attributes(obj: Any) -> frozenset[str]:
    return next((names for kind, names in _ATTRIBUTES if isinstance(obj, kind)), frozenset())


def _check_sum(left: Any, right: Any) -> None:
    if isinstance(left, (str, list, tuple)):
        if isinstance(left, str) != isinstance(right, str) and not isinstance(right, StrictUndefined):
            raise SecurityError(f"`+` cannot join {kind_of(left)} and {kind_of(right)}; `~` joins anything as text")
        length = len(left) + (len(right) if isinstance(right, (str, list, tuple)) else 0)
        charge(length if isinstance(left, str) else COPIED * length)


def _check_product(left: Any, right: Any) -> None:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(times, int):
            charge(len(many) * max(times, 0) * (1 if isinstance(many, str) else COPIED))
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _MOST_BITS:
        raise SecurityError("the product is too great a number")


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > _MOST_BITS:
        raise SecurityError("the power is too great a number")


_NAMED = {"split": ("sep", "maxsplit"), "rsplit": ("sep", "maxsplit"), "splitlines": ("keepends",)}
_DEFAULTS = {"sep": None, "maxsplit": -1, "keepends": False}


def _by_position(method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of a text's method, those that were given by name among them."""
    names = {**_NAMED, "expandtabs": ("tabsize",)}.get(method, ())
    unknown = set(kwargs) - set(names[len(args) :])
    if unknown:
        raise SecurityError(f"`{method}` of a text takes no `{min(unknown)}`")
    if not kwargs:
        return args
    return (*args, *(kwargs.get(name, _DEFAULTS.get(name, 8)) for name in names[len(args) :]))


def _check_text_call(text: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Charge for a text's method before it runs; return its arguments, generators among them read into lists."""
    args = _by_position(method, args, kwargs)
    if method in {"center", "ljust", "rjust", "zfill", "expandtabs"}:
        for width in args:
            check_width(width)
        charge(
            len(text) * (max(1, args[0] if args and isinstance(args[0], int) else 8) if method == "expandtabs" else 1)
        )
    elif method == "replace" and len(args) >= 2 and isinstance(args[0], str) and isinstance(args[1], str):
        charge(len(text) + text.count(args[0]) * len(args[1]))
    elif method == "join" and len(args) == 1:
        if isinstance(args[0], str):
            charge(ITEM_COST * len(args[0]))
        items = list(args[0])
        charge(sum(len(item) for item in items if isinstance(item, str)) + len(text) * len(items))
        return (items,)
    elif method in {"split", "rsplit"}:
        separator = args[0] if args else None
        pieces = text.count(separator) if isinstance(separator, str) and separator else len(text) // 2
        charge(len(text) + ITEM_COST * (1 + pieces))
    elif method == "splitlines":
        charge(len(text) + ITEM_COST * costs.lines_in(text))
    else:
        charge((3 if method in {"upper", "title", "casefold", "partition", "rpartition"} else 1) * len(text))
    return args
