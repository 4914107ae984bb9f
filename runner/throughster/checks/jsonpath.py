"""JSONPath (RFC 9535) into an output."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from throughster.checks.answer import Unanswerable, shown
from throughster.checks.patterns import compile_pattern, search

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathEnvironment

__all__ = ["JsonPath", "JsonPathProblem"]


class JsonPathProblem(ValueError):  # noqa: N818 - it becomes a Problem of the spec, with a position
    """A text that is no JSONPath, and why."""


class JsonPath:
    """A path such as `$.items[0].name`; it may begin with the name, as in `items[0].name`. Raises JsonPathProblem."""

    def __init__(self, text: str) -> None:
        from jsonpath_rfc9535 import JSONPathError  # heavy, and few checks have a path

        self.text = text
        written = text if text.startswith("$") else f"${text}" if text.startswith(("[", ".")) else f"$.{text}"
        try:
            self._query = _environment().compile(written)
        except (JSONPathError, RecursionError) as error:
            raise JsonPathProblem(str(error).partition(", line ")[0] or "nested too deeply") from None
        self._names_one = self._query.singular_query()

    def find(self, value: Any) -> Any:
        """The value at the path, or the list of all values where the path may name several. Raises Unanswerable."""
        from jsonpath_rfc9535 import JSONPathError

        try:
            found = self._query.find(value).values()
        except (JSONPathError, RecursionError) as error:
            raise Unanswerable(f"`path` {self.text} cannot be followed: {error}") from None
        if not found:
            raise Unanswerable(f"`path` {self.text} leads to nothing in {shown(value)}")
        return found[0] if self._names_one else list(found)


@lru_cache(maxsize=1)
def _environment() -> JSONPathEnvironment:
    """The standard's, but for `match` and `search`, which take time linear in the text whatever the pattern is."""
    from jsonpath_rfc9535 import JSONPathEnvironment
    from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction

    class Linear(FilterFunction):
        arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012 - the library's signature
        return_type = ExpressionType.LOGICAL

        def __init__(self, form: str) -> None:
            self._form = form

        def __call__(self, text: object, pattern: object) -> bool:
            if not isinstance(text, str) or not isinstance(pattern, str):
                return False
            try:
                return search(compile_pattern(self._form.format(pattern)), text)
            except ValueError:
                return False

    environment = JSONPathEnvironment()
    environment.function_extensions |= {"match": Linear(r"\A(?:{})\z"), "search": Linear("{}")}
    return environment
