"""Every `$ref` of a schema, followed before the schema is used: to its end, and to loops that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughster.schema.issues import SchemaIssue, json_path, shortened
from throughster.schema.keywords import Pointer, in_place, subschemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from referencing._core import Resolver

    from throughster.schema.documents import Documents

__all__ = ["check_references"]

_MOST_APPLIED = 100_000
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def check_references(documents: Documents) -> list[SchemaIssue]:
    """Return the references that lead nowhere, elsewhere, or in a circle; load the files that the others need."""
    if not _has_reference(documents.schema):
        return []
    walk = _Walk(documents)
    walk.document(documents.uri, documents.schema, None)
    loops = list(walk.loops())
    return walk.issues + (loops or list(walk.too_often()))


def _has_reference(schema: Any) -> bool:
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if any(keyword in part for keyword in _REFERENCES):
                return True
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
    return False


class _Walk:
    """Goes through all documents; notes which schema applies in the place of which, to find circles."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.registry = documents.registry()
        self.issues: list[SchemaIssue] = []
        self.edges: dict[int, list[tuple[int, Pointer]]] = {}
        self.kept: list[Any] = []  # what has an id() in `edges` stays alive
        self.seen: set[str] = set()

    def document(self, uri: str, contents: Any, via: Pointer | None) -> None:
        """Walk one document. `via`: the reference in the root document that led here; None for that one itself."""
        if uri in self.seen:
            return
        self.seen.add(uri)
        resolver = self.registry.resolver(uri)
        stack: list[tuple[Pointer, Any, Resolver[Any]]] = [((), contents, resolver)]
        while stack:
            pointer, part, above = stack.pop()
            if not isinstance(part, dict):
                continue
            within = above.in_subresource(self.documents.resource(part)) if pointer else above
            self.kept.append(part)
            edges = self.edges.setdefault(id(part), [])
            place = pointer if via is None else via
            edges.extend((id(child), place) for _step, child in in_place(part))
            for keyword in _REFERENCES:
                if isinstance(part.get(keyword), str):
                    self.follow(part, keyword, within, pointer, via)
            stack.extend(((*pointer, *step), child, within) for step, child in subschemas(part))

    def follow(
        self, part: dict[str, Any], keyword: str, resolver: Resolver[Any], pointer: Pointer, via: Pointer | None
    ) -> None:
        from referencing.exceptions import Unresolvable

        reference = part[keyword]
        place = (*pointer, keyword) if via is None else via
        before = set(self.documents.loaded)
        try:
            resolved = resolver.lookup(reference)
        except (Unresolvable, ValueError, TypeError, RecursionError) as error:
            inner = "" if via is None else f" (in a file, at {json_path((*pointer, keyword))})"
            self.issues.append(SchemaIssue(place, f"`{shortened(reference)}`{inner} leads nowhere: {self.why(error)}"))
            return
        self.registry = resolved.resolver._registry  # noqa: SLF001 - it holds the files that were loaded on the way
        if isinstance(resolved.contents, dict):
            self.kept.append(resolved.contents)
            self.edges[id(part)].append((id(resolved.contents), place))
        elif not isinstance(resolved.contents, bool):
            self.issues.append(SchemaIssue(place, f"`{shortened(reference)}` leads to what is no schema."))
        for uri in set(self.documents.loaded) - before:
            self.document(uri, self.documents.loaded[uri], place)

    def why(self, error: Exception) -> str:
        cause: BaseException | None = error
        while cause is not None:
            reason = self.documents.reasons.get(str(getattr(cause, "ref", "")))
            if reason:
                return reason
            cause = cause.__cause__ or cause.__context__
        return "nothing stands there."

    def too_often(self) -> Iterator[SchemaIssue]:
        """Yield an issue where so many schemas apply to one value, each as often as it is referred to, that none ends.

        A few references to references double with every step. There are no circles in what is counted here.
        """
        times: dict[int, int] = {}
        for start in self.edges:
            stack = [start]
            while stack:
                node = stack[-1]
                edges = self.edges.get(node, ())
                unknown = [target for target, _ in edges if target not in times]
                if unknown:
                    stack.extend(unknown)
                    continue
                times[node] = 1 + sum(times[target] for target, _ in edges)
                stack.pop()
        if times and max(times.values()) > _MOST_APPLIED:
            message = "So many references to references apply to one value that checking it would never end."
            yield SchemaIssue((), message, "Refer to each schema once.")

    def loops(self) -> Iterator[SchemaIssue]:
        """Yield each reference that closes a circle of schemas which all apply to the same value."""
        done: set[int] = set()
        for start in list(self.edges):
            if start in done:
                continue
            path, stack = {start}, [(start, iter(self.edges[start]))]
            while stack:
                node, edges = stack[-1]
                following = next(edges, None)
                if following is None:
                    stack.pop()
                    path.discard(node)
                    done.add(node)
                    continue
                target, place = following
                if target in path:
                    message = "This reference leads back to itself, so checking a value would never end."
                    yield SchemaIssue(place, message, "Let it stand below a property or an item.")
                elif target not in done:
                    path.add(target)
                    stack.append((target, iter(self.edges.get(target, ()))))
