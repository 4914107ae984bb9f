"""The answer's schema: read, checked, compiled, and its issues placed in the file that holds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from throughster.errors import Problem
from throughster.paths import PathProblem, read_bounded, resolve_inside, shown_path
from throughster.schema import AnswerSchema, SchemaProblem, check_schema, json_path, read_schema
from throughster.yamltree import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughster.schema import SchemaIssue
    from throughster.spec.model import OutputSpec
    from throughster.yamltree import Document

__all__ = ["check_output_schema"]

_PATH = ("output", "schema")
_MOST_BYTES = 10_000_000
_MOST_TOLD = 100


def check_output_schema(
    output: OutputSpec, document: Document, base: Path, root: Path
) -> tuple[AnswerSchema | None, list[Problem]]:
    """The compiled schema, or None, and what is wrong with it."""
    written = output.json_schema
    if written is None:
        return None, []
    if isinstance(written, dict):
        schema, folder = written, base
        problems = [_in_spec(document, issue) for issue in check_schema(schema, base=folder, root=root)[:_MOST_TOLD]]
    else:
        try:
            path = resolve_inside(root, base, written)
            schema, folder = read_schema(path), path.parent
        except PathProblem as error:
            return None, [document.problem(_PATH, str(error))]
        except SchemaProblem as error:
            return None, [document.problem(_PATH, str(error))]
        issues = check_schema(schema, base=folder, root=root)[:_MOST_TOLD]
        problems = _in_file(path, issues) if issues else []
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return AnswerSchema(schema, base=folder, root=root), problems


def _in_spec(document: Document, issue: SchemaIssue) -> Problem:
    return document.problem(
        (*_PATH, *issue.pointer), issue.message, issue.hint, key=bool(issue.pointer), severity=issue.severity
    )


def _in_file(path: Path, issues: Sequence[SchemaIssue]) -> list[Problem]:
    """Issues placed in the JSON file. JSON is YAML, so the tree that knows positions reads it too."""
    file = shown_path(path)
    tree, _ = parse_yaml(read_bounded(path, _MOST_BYTES).replace(b"\t", b" "), file, max_bytes=_MOST_BYTES)
    if tree is None:
        return [
            Problem(file, 0, 0, f"{json_path(issue.pointer)}: {issue.message}", issue.hint, severity=issue.severity)
            for issue in issues
        ]
    return [
        tree.problem(issue.pointer, issue.message, issue.hint, key=bool(issue.pointer), severity=issue.severity)
        for issue in issues
    ]
