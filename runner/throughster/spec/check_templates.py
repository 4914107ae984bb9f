"""The prompt's templates: read, compiled, and their problems placed in the file in which the user wrote them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from throughster.characters import not_utf8
from throughster.errors import Problem
from throughster.paths import PathProblem, project_root, read_bounded, resolve_inside, shown_path
from throughster.prompts import MOST_BYTES, MessageTemplate, TemplateProblem, compile_template

if TYPE_CHECKING:
    from throughster.spec.prompt import MessageSpec, PromptSpec
    from throughster.yamltree import Document
    from throughster.yamltree import Path as Path_

__all__ = ["check_prompt", "problem_in_template"]


def check_prompt(
    prompt: PromptSpec, document: Document, base: Path, root: Path
) -> tuple[list[tuple[MessageTemplate, Path_]], list[Problem]]:
    """The messages that can be compiled, each with its place in the spec, and what is wrong with the others."""
    problems: list[Problem] = []
    messages: list[tuple[MessageTemplate, Path_]] = []
    for message, path in zip(prompt.messages, prompt.paths, strict=True):
        try:
            source, name = _source(message, base, root)
            template = compile_template(source, name=name, root=root, base=base)
            messages.append((MessageTemplate(message.role, template), path))
        except UnicodeDecodeError as error:
            problems.append(document.problem(path, not_utf8(error)))
        except (PathProblem, OSError) as error:
            problems.append(document.problem(path, str(error)))
        except TemplateProblem as error:
            problems.append(
                problem_in_template(document, path, source, error.template, error.line, error.column, error.message)
            )
    return messages, problems


def _source(message: MessageSpec, base: Path, root: Path) -> tuple[str, str]:
    """The template's text and name: of the file, relative to the project, or `prompt` for one in the spec."""
    if isinstance(message.content, str):
        return message.content, "prompt"
    file = resolve_inside(root, base, message.content.file)
    return read_bounded(file, MOST_BYTES).decode("utf-8-sig"), shown_path(file)


def problem_in_template(
    document: Document,
    path: tuple[str | int, ...],
    source: str,
    template: str,
    line: int,
    column: int,
    message: str,
    hint: str = "",
    name: str = "",
) -> Problem:
    """A problem at a line and column of a template's text, placed in the file that holds the text.

    `name`: the variable that stands there; its occurrences are counted to find the place in a quoted or folded text.
    """
    if template != "prompt" and not source:  # a file that another one includes
        file = Path(document.file)
        try:
            included = resolve_inside(project_root(file), file.resolve().parent, template)
            source, template = read_bounded(included, MOST_BYTES).decode("utf-8", "replace"), shown_path(included)
        except (PathProblem, OSError):
            pass  # it is gone since it was read
    lines = source.splitlines() or [""]
    shown = lines[min(line, len(lines)) - 1] if line else ""
    if template != "prompt":
        return Problem(template, line, column, message, hint, shown[:200], max(1, len(name)))
    raw, mark = document.source_of(path)
    at = _index_of_name(raw, source, line, column, name) if name else _index_of_line(raw, shown, column)
    if at is None:
        return document.problem(path, message, hint)
    return document.problem_at(mark.index + at, max(1, len(name)), message, hint)


def _index_of_name(raw: str, source: str, line: int, column: int, name: str) -> int | None:
    """Where the occurrence of `name` at this place of the text stands in the raw text."""
    offset = sum(len(text) for text in source.splitlines(keepends=True)[: line - 1]) + column - 1
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    before = sum(1 for _ in pattern.finditer(source, 0, offset))
    for n, found in enumerate(pattern.finditer(raw)):
        if n == before:
            return found.start()
    return None


def _index_of_line(raw: str, shown: str, column: int) -> int | None:
    at = raw.find(shown.strip()) if shown.strip() else -1
    if at < 0:
        return None
    indent = len(shown) - len(shown.lstrip())
    return at + max(0, column - 1 - indent)
