"""JUnit XML, which CI systems read: one test case for each test and provider, its repeats folded into one.

The elements are those of the format as Jenkins and GitLab document it: `testsuites`, `testsuite`, `testcase` with
`failure`, `error` or `skipped`. Results of rows that are no tests are test cases of their own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from throughster.reports.folded import folded
from throughster.reports.table import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from throughster.reports.files import Decided
    from throughster.reports.folded import Folded
    from throughster.running.plan import Plan

__all__ = ["write_junit", "xml_text"]

# what XML 1.0 cannot hold, section 2.2
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 20_000


def write_junit(journal: Path, path: Path, plans: Sequence[Plan], decided: Mapping[str, Decided] | None = None) -> None:
    """Write the results of a journal; the file is replaced whole. `decided`: by the file of a plan."""
    root = ET.Element("testsuites")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    seconds = 0.0
    for plan in plans:
        suite = ET.SubElement(root, "testsuite", name=xml_text(plan.name), file=xml_text(plan.file))
        cases = folded(journal, plan)
        for case in cases:
            _case(suite, plan, case)
        left_out = plan.cases.skipped if plan.cases is not None else {}
        for name, why in left_out.items():
            one = ET.SubElement(suite, "testcase", classname=xml_text(plan.name), name=xml_text(name), time="0")
            ET.SubElement(one, "skipped", message=xml_text(why or "skipped"))
        found = (decided or {}).get(plan.file)
        not_met = [found] if found is not None and not found.is_met else []
        for decision in not_met:
            _not_met(suite, plan, decision)
        counts = {
            "tests": len(cases) + len(left_out) + len(not_met),
            "failures": sum(case.verdict == "fail" for case in cases) + len(not_met),
            "errors": sum(case.verdict == "error" for case in cases),
            "skipped": len(left_out),
        }
        spent_s = sum(case.seconds for case in cases)
        suite.attrib.update({name: str(count) for name, count in counts.items()}, time=f"{spent_s:.3f}")
        totals = {name: totals[name] + count for name, count in counts.items()}
        seconds += spent_s
    root.attrib.update({name: str(count) for name, count in totals.items()}, time=f"{seconds:.3f}")
    ET.indent(root)
    replace_file(path, ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _case(suite: ET.Element, plan: Plan, case: Folded) -> None:
    name = case.id if len(plan.targets) == 1 else f"{case.id} [{case.label}]"
    about = {"classname": xml_text(plan.name), "name": xml_text(name), "time": f"{case.seconds:.3f}"}
    if case.line:
        about |= {"file": xml_text(case.file), "line": str(case.line)}
    one = ET.SubElement(suite, "testcase", about)
    if case.verdict in ("fail", "error"):
        kind = "failure" if case.verdict == "fail" else "error"
        message = f"{case.tally}: {case.reason}" if case.planned > 1 else case.reason
        element = ET.SubElement(one, kind, message=xml_text(message)[:1000], type=case.kind)
        element.text = xml_text(_told(plan, case))[:_LONGEST]
    elif case.verdict == "flaky":
        ET.SubElement(one, "system-out").text = xml_text(f"flaky, {case.tally} passed: {case.reason}")


def _not_met(suite: ET.Element, plan: Plan, decided: Decided) -> None:
    """A failure beside those of the tests: all of them may have passed."""
    about = {
        "classname": xml_text(plan.name),
        "name": "gate and baseline",
        "time": "0.000",
        "file": xml_text(plan.file),
    }
    element = ET.SubElement(ET.SubElement(suite, "testcase", about), "failure", type="gate")
    element.set("message", xml_text(decided.words.splitlines()[0])[:1000])
    element.text = xml_text(decided.words)[:_LONGEST]


def _told(plan: Plan, case: Folded) -> str:
    """What a person needs to see: the place, the prompt, the answer, what was wrong with it."""
    place = f"{case.file}:{case.line}" if case.line else plan.file
    lines = [f"{place}: {case.id} on {case.label}, {case.tally} passed", ""]
    lines += [f"{message['role']}: {message['content']}" for message in case.messages(plan)]
    lines += ["", f"answer: {case.text if case.text is not None else '(none)'}", ""]
    lines += [reason for reason in case.reasons if reason]
    return "\n".join(lines)


def xml_text(value: Any) -> str:
    """A value as text that XML 1.0 can hold."""
    return _NOT_XML.sub("\ufffd", str(value))
