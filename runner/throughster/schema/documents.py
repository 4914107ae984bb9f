"""The documents that a schema refers to: itself, and files inside the project. Nothing else is ever read."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

from throughster.paths import PathProblem, read_bounded, resolve_inside
from throughster.schema.keywords import dialect_of
from throughster.strictjson import JsonProblem, parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from referencing import Registry, Resource

__all__ = ["LARGEST_FILE", "Documents"]

_HOME = "https://throughster.invalid/"  # a reserved name that never resolves: addresses below it stand for files
LARGEST_FILE = 10_000_000
_MOST_FILES = 100


@dataclass(slots=True)
class Documents:
    """A schema and what it may refer to. `base`: its folder, None where it has none; `root`: the project's."""

    schema: dict[str, Any]
    dialect: str
    base: Path | None = None
    root: Path | None = None
    loaded: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The address of the schema: its `$id`, seen from the made-up address of its folder."""
        folder = ""
        if self.base is not None and self.root is not None:
            folder = quote(posixpath.relpath(self.base.resolve(), self.root.resolve())).removeprefix(".") + "/"
        own = self.schema.get("$id") or self.schema.get("id")
        home = urljoin(_HOME, folder.lstrip("/"))
        return urldefrag(urljoin(home, own if isinstance(own, str) else "schema.json")).url

    def registry(self) -> Registry[Any]:
        """Return the registry that resolves references, loading files as they are met."""
        import referencing  # heavy, and needed only where a schema is checked

        make: Any = referencing.Registry  # made by attrs, whose arguments mypy does not see
        registry: Registry[Any] = make(retrieve=self._retrieve).with_resource(self.uri, self.resource(self.schema))
        return registry

    def resource(self, contents: Any) -> Resource[Any]:
        import referencing.jsonschema

        default = referencing.jsonschema.specification_with(self.dialect)
        try:
            return referencing.Resource.from_contents(contents, default_specification=default)
        except referencing.jsonschema.UnknownDialect:
            return referencing.Resource.opaque(contents)

    def _retrieve(self, uri: str) -> Resource[Any]:
        from referencing.exceptions import NoSuchResource

        try:
            self.loaded[uri] = self._load(uri)
        except _RefusedError as refused:
            self.reasons[uri] = str(refused)
            unknown: Any = NoSuchResource
            raise unknown(ref=uri) from None
        return self.resource(self.loaded[uri])

    def _load(self, uri: str) -> Any:
        address, own = urlsplit(uri), urlsplit(self.uri)
        if (address.scheme, address.netloc) != (own.scheme, own.netloc):
            message = (
                f"{uri} lies elsewhere, and schemas are never fetched. Save it beside the schema and name the file."
            )
            raise _RefusedError(message)
        name = posixpath.relpath(unquote(address.path) or "/", posixpath.dirname(unquote(own.path)) or "/")
        if self.base is None or self.root is None:
            raise _RefusedError(f"the file `{name}` cannot be read here: only a schema of a spec may refer to files.")
        if len(self.loaded) >= _MOST_FILES:
            raise _RefusedError(f"more than {_MOST_FILES} schema files are used.")
        return _read(self.root, self.base, name)


class _RefusedError(Exception):
    """Why a document is not read."""


def _read(root: Path, base: Path, name: str) -> Any:
    try:
        contents = parse_json(
            read_bounded(resolve_inside(root, base, name), LARGEST_FILE).removeprefix(b"\xef\xbb\xbf")
        )
    except PathProblem as problem:
        raise _RefusedError(str(problem)) from None
    except (OSError, JsonProblem) as problem:
        raise _RefusedError(f"`{name}` cannot be read: {problem}.") from None
    if not isinstance(contents, (dict, bool)):
        raise _RefusedError(f"`{name}` is no JSON Schema: a schema is an object.")
    if isinstance(contents, dict) and dialect_of(contents) is None:
        raise _RefusedError(f"`{name}` has an unknown `$schema`.")
    return contents
