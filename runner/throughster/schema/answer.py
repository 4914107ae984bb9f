"""A schema, checked and compiled, and the answers that are read with it."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema_rs

from throughster.paths import PathProblem, read_bounded
from throughster.schema.check import find_issues, plain_schema, walk
from throughster.schema.documents import LARGEST_FILE, Documents
from throughster.schema.engine import bound_patterns, compile_validator, registry_of
from throughster.schema.issues import SchemaError, SchemaIssue, SchemaProblem, json_path, shortened
from throughster.schema.keywords import DEFAULT_DIALECT, Pointer, dialect_of
from throughster.strictjson import JsonProblem, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Answer", "AnswerSchema", "check_schema", "load_schema", "read_answer", "read_schema"]

_MOST_ERRORS = 20
_LONGEST_FOUND = 60
EXAMPLES = {
    "date": "2024-05-06",
    "date-time": "2024-05-06T10:56:41Z",
    "duration": "P1DT2H30M",
    "email": "ada@example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "time": "10:56:41Z",
    "uri": "https://example.org/page",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
}
_WITHOUT_OFFSET = re.compile(r"(?:^|[Tt ])\d\d:\d\d:\d\d(?:\.\d+)?$")
_ROOT = "https://throughster.invalid/root"


class Answer(NamedTuple):
    """What an answer's text says. `value`: its JSON value, None where it is none; `errors`: what is wrong with it."""

    value: Any
    errors: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        return not self.errors


class AnswerSchema:
    """A JSON Schema for answers. Raises `SchemaProblem` with every error in it when it is made.

    `base` and `root`: the folder of the schema and the project's, for references to files; None refuses those.
    """

    __slots__ = ("_base", "_documents", "_parts", "_root", "_validator", "schema", "warnings")

    def __init__(self, schema: dict[str, Any], *, base: Path | None = None, root: Path | None = None) -> None:
        documents, issues = _examine(schema, base, root)
        errors = [issue for issue in issues if issue.severity == "error"]
        if errors or documents is None:
            raise SchemaProblem(errors)
        self.schema = schema
        """The schema as it was given."""
        self.warnings: tuple[SchemaIssue, ...] = tuple(issues)
        self._base, self._root = base, root
        self._documents = documents
        self._parts: dict[Pointer, jsonschema_rs.Validator] = {}
        try:
            self._validator = _compile(documents)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise SchemaProblem([SchemaIssue((), shortened(f"It cannot be compiled: {_first_line(error)}"))]) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.schema, self._base, self._root)

    def is_valid(self, value: Any) -> bool:
        """Return whether a JSON value fits the schema."""
        try:
            return bool(self._validator.is_valid(value))
        except (ValueError, RecursionError):  # no JSON value: `validate` says so
            return False

    def validate(self, value: Any) -> list[SchemaError]:
        """Return what is wrong with a JSON value: at most 20 errors of at most 300 characters; empty if it fits."""
        try:
            if self._validator.is_valid(value):
                return []
            errors = list(islice(self._validator.iter_errors(value), _MOST_ERRORS))
        except (ValueError, RecursionError) as error:
            return [SchemaError("$", shortened(f"no JSON value: {_first_line(error)}"))]
        return [SchemaError(json_path(error.instance_path), _describe(error, value)) for error in errors]

    def check_answer(self, text: str) -> Answer:
        """Read an answer's text strictly (see `parse_json`) and check it. Never raises for anything in `text`."""
        answer = read_answer(text)
        if answer.errors or self.is_valid(answer.value):
            return answer
        return Answer(answer.value, tuple(str(error) for error in self.validate(answer.value)))

    def part_is_valid(self, pointer: Pointer, value: Any) -> bool:
        """Return whether `value` fits the subschema at `pointer`."""
        if pointer not in self._parts:
            address = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in pointer)
            part = {"$schema": self._documents.dialect, "$ref": f"{_ROOT}#{_quoted(address)}"}
            self._parts[pointer] = compile_validator(part, registry=_registry(self._documents, _ROOT))
        return bool(self._parts[pointer].is_valid(value))


def read_answer(text: str) -> Answer:
    """An answer's text as JSON, read strictly (see `parse_json`), whatever it holds."""
    try:
        return Answer(parse_json(text))
    except JsonProblem as problem:
        return Answer(None, (_no_json(text, problem),))


def check_schema(schema: Any, *, base: Path | None = None, root: Path | None = None) -> list[SchemaIssue]:
    """Return everything wrong with a schema, errors first; reads no file outside `root` and no address at all."""
    return _examine(schema, base, root)[1]


def load_schema(source: dict[str, Any] | Path, *, base: Path | None = None, root: Path | None = None) -> AnswerSchema:
    """Return the schema `source`: a dict, or a JSON file. For a file, `base` is its folder. Raises `SchemaProblem`."""
    if isinstance(source, Path):
        try:
            return AnswerSchema(read_schema(source), base=source.parent, root=root)
        except SchemaProblem as problem:
            raise SchemaProblem(problem.issues, file=str(source)) from None
    return AnswerSchema(source, base=base, root=root)


def read_schema(path: Path) -> dict[str, Any]:
    """Return the schema in a JSON file, unchecked. Raises `SchemaProblem` where the file holds no JSON object."""
    try:
        schema = parse_json(read_bounded(path, LARGEST_FILE).removeprefix(b"\xef\xbb\xbf"))
    except JsonProblem as problem:
        raise SchemaProblem([SchemaIssue((), f"The file is no JSON: {problem}.")], file=str(path)) from None
    except PathProblem as problem:
        raise SchemaProblem([SchemaIssue((), str(problem))], file=str(path)) from None
    except OSError as error:
        raise SchemaProblem([SchemaIssue((), f"It cannot be read: {error.strerror}.")], file=str(path)) from None
    if not isinstance(schema, dict):
        raise SchemaProblem([SchemaIssue((), "A schema for answers is an object.")], file=str(path))
    return schema


def _examine(schema: Any, base: Path | None, root: Path | None) -> tuple[Documents | None, list[SchemaIssue]]:
    plain, issues = plain_schema(schema)
    if not isinstance(plain, dict):
        return None, [SchemaIssue((), "A schema for answers is a mapping, like `{type: object, properties: ...}`.")]
    if issues:
        return None, issues
    documents = Documents(plain, dialect_of(plain) or DEFAULT_DIALECT, base, root)
    return documents, find_issues(documents)


def _compile(documents: Documents) -> jsonschema_rs.Validator:
    for document in (documents.schema, *documents.loaded.values()):  # copies of our own
        for _pointer, part in list(walk(document)):  # what is put in is not walked
            bound_patterns(part)
    schema = {"$schema": documents.dialect, **documents.schema}
    registry = _registry(documents, None) if documents.loaded else None
    return compile_validator(schema, registry=registry, base_uri=documents.uri)


def _registry(documents: Documents, root: str | None) -> jsonschema_rs.Registry:
    addressed = dict(documents.loaded)
    if root is not None:
        addressed[root] = {"$schema": documents.dialect, **documents.schema}
    return registry_of(addressed)


def _rebuild(schema: dict[str, Any], base: Path | None, root: Path | None) -> AnswerSchema:
    return AnswerSchema(schema, base=base, root=root)


def _quoted(address: str) -> str:
    from urllib.parse import quote

    return quote(address, safe="/~$")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _describe(error: jsonschema_rs.ValidationError, value: Any) -> str:
    """Return the validator's message, what was found, and for a choice of schemas why the nearest does not fit."""
    text = error.message[: 4 * 300]
    if text.startswith("the value"):
        text += _found(error, value) + _needed(error, value)
    nearest = min(_branches(error), key=_misfit, default=None)
    if nearest:
        inner = nearest[0]
        text += f"; nearest: {json_path(inner.instance_path)}: {inner.message[:100]}"
    return shortened(text)


def _branches(error: jsonschema_rs.ValidationError) -> Iterator[list[jsonschema_rs.ValidationError]]:
    yield from (branch for branch in getattr(error.kind, "context", None) or () if branch)


def _misfit(branch: list[jsonschema_rs.ValidationError]) -> tuple[int, int]:
    return -max(len(error.instance_path) for error in branch), len(branch)


def _needed(error: jsonschema_rs.ValidationError, value: Any) -> str:
    """What a text of this format looks like: a model that is only told the format's name writes the same again."""
    wanted = getattr(error.kind, "format", None)
    if wanted not in EXAMPLES:
        return ""
    for step in error.instance_path:
        value = value[step]
    if wanted in ("time", "date-time") and isinstance(value, str) and _WITHOUT_OFFSET.search(value):
        return "; it needs an offset, such as Z"
    return f"; write it like {EXAMPLES[wanted]}"


def _found(error: jsonschema_rs.ValidationError, value: Any) -> str:
    for step in error.instance_path:
        value = value[step]
    if isinstance(value, (dict, list)):
        return " (found an object)" if isinstance(value, dict) else " (found a list)"
    if isinstance(value, str):
        value = value[:_LONGEST_FOUND] + "…" if len(value) > _LONGEST_FOUND else value
    return f" (found {json.dumps(value, ensure_ascii=False)[: 2 * _LONGEST_FOUND]})"


def _no_json(text: str, problem: JsonProblem) -> str:
    if not text.strip():
        return "$: the answer is empty; it must be JSON"
    if text.lstrip().startswith("```"):
        return "$: the answer stands in a ``` block; it must be the bare JSON alone"
    return shortened(f"$: the answer is no JSON: {problem}")
