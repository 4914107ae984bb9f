"""The reports of a command that ran nothing, since a spec or an option is wrong: red, with the problems.

CI steps that read them at the end would else find the file of an earlier run, or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from throughster.reports.junit import xml_text
from throughster.reports.markdown import cell
from throughster.reports.table import replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughster.errors import Problem

__all__ = ["write_refused"]


def write_refused(paths: Sequence[Path], problems: Sequence[Problem]) -> None:
    """Write those of the paths that are JUnit XML (`.xml`) or Markdown (`.md`); each is replaced whole."""
    errors = [problem for problem in dict.fromkeys(problems) if problem.severity == "error"]
    for path in paths:
        if path.suffix.lower() == ".xml":
            replace_file(path, _junit(errors))
        elif path.suffix.lower() == ".md":
            replace_file(path, _markdown(errors).encode("utf-8", "replace"))


def _junit(errors: Sequence[Problem]) -> bytes:
    """An error for each problem, in a suite for each file."""
    counts = {"tests": str(len(errors)), "failures": "0", "errors": str(len(errors)), "skipped": "0", "time": "0.000"}
    root = ET.Element("testsuites", counts)
    for file in dict.fromkeys(problem.file for problem in errors):
        mine = [problem for problem in errors if problem.file == file]
        own = {**counts, "tests": str(len(mine)), "errors": str(len(mine))}
        suite = ET.SubElement(root, "testsuite", own, name=xml_text(file or "command"))
        for problem in mine:
            about = {"classname": xml_text(file or "command"), "name": xml_text(f"nothing was run: {_told(problem)}")}
            if problem.line:
                about |= {"file": xml_text(file), "line": str(problem.line)}
            one = ET.SubElement(suite, "testcase", about, time="0.000")
            element = ET.SubElement(one, "error", message=xml_text(_told(problem))[:1000], type="spec")
            element.text = xml_text(problem)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _markdown(errors: Sequence[Problem]) -> str:
    count = "1 error" if len(errors) == 1 else f"{len(errors):,} errors"
    lines = ["## ❌ Nothing was run", "", f"{count}; nothing was sent.", "", "| where | what |", "|---|---|"]
    for problem in errors:
        place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
        lines.append(f"| {cell(place)} | {cell(_told(problem))} |")
    return "\n".join([*lines, ""])


def _told(problem: Problem) -> str:
    return f"{problem.message} {problem.hint}".strip()
