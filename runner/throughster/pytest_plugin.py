"""The pytest plugin: `pytest specs/` runs the tests of specs, one item for each test and provider.

Only specs that have `tests` are collected, and files that were meant as such, which are errors; other YAML files are
left alone. `gate` and `baseline` are for the command. Tags are marks (`-m smoke`). Without an option only the `offline`
provider is asked. `--throughster-replay DIR` answers from cassettes, `--throughster-live` asks models. Tests that were
skipped because neither was given are told in pytest's last line; in CI it is an error where no test of a spec was run.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from throughster.exchanges import Player
    from throughster.reports.folded import Folded
    from throughster.running.plan import Plan
    from throughster.running.rows import Row
    from throughster.running.targets import Target

__all__ = ["CaseItem", "SpecFile"]

_ENDINGS = (".yaml", ".yml")
_TAPE: pytest.StashKey[Any] = pytest.StashKey()
_NAMES: pytest.StashKey[dict[str, Path]] = pytest.StashKey()
_OPTIONS = "--throughster-replay DIR or --throughster-live"
_UNASKED = f"of them without {_OPTIONS}"
"""What pytest's last line says behind the number of those that were skipped."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("throughster", "tests of prompts")
    group.addoption("--throughster-replay", metavar="DIR", help="Answer specs from these cassettes; send nothing.")
    group.addoption("--throughster-live", action="store_true", help="Ask the models that specs name.")


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--throughster-replay", default=None)
    if folder is not None and config.getoption("--throughster-live"):
        raise pytest.UsageError("--throughster-replay and --throughster-live exclude each other.")
    config.pluginmanager.register(_Tally(), "throughster-tally")


class _Tally:
    """How many tests of specs were run, and how many were not, since they ask a model."""

    def __init__(self) -> None:
        self._asked = 0
        self._unasked: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._asked += getattr(report, "throughster", "") == "asked"
            self._unasked += [report] if getattr(report, "throughster", "") == "unasked" else []

    @property
    def is_idle(self) -> bool:
        return bool(self._unasked) and not self._asked

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        from throughster.config import in_ci

        if self.is_idle and in_ci() and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from throughster.config import in_ci

        if self._unasked:
            terminalreporter.stats[_UNASKED] = self._unasked
        if self.is_idle and in_ci():
            number = len(self._unasked)
            count = "The test of a spec was" if number == 1 else f"All {number:,} tests of specs were"
            told = f"{count} skipped, so nothing was tested, and this is CI (the environment has CI): give {_OPTIONS}."
            terminalreporter.write_line(f"ERROR: {told}", red=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report of a spec's test says whether anybody was asked; it goes to the process that counts."""
    report = yield
    if isinstance(item, CaseItem):
        report.throughster = "unasked" if item.is_unasked else "asked"  # type: ignore[attr-defined]
    return report


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """A spec that has tests, or one that is too broken to tell."""
    if file_path.suffix.lower() not in _ENDINGS:
        return None
    from throughster.paths import PathProblem, resolve_named
    from throughster.screen import line
    from throughster.spec.find import has_tests, is_spec, read_head, reads_like_a_spec
    from throughster.spec.load import load_document

    is_named = parent.session.isinitpath(file_path)
    try:
        head = read_head(resolve_named(file_path))
    except PathProblem as problem:
        parent.warn(pytest.PytestWarning(f"Not read as a spec: {line(str(problem))}"))
        return None
    if not reads_like_a_spec(head, marks=1 if is_named else 2):
        return None
    document, _ = load_document(file_path)
    if document is not None and not (is_spec(document) and has_tests(document)):
        return None
    return SpecFile.from_parent(parent, path=file_path)


def _tape(config: pytest.Config) -> Player | None:
    """The cassettes of this session, opened once. Raises CassetteError."""
    folder = config.getoption("--throughster-replay", default=None)
    if folder is None:
        return None
    if _TAPE not in config.stash:
        from throughster.exchanges import Player

        config.stash[_TAPE] = Player(Path(folder))
    player: Player = config.stash[_TAPE]
    return player


class SpecFile(pytest.File):
    """One spec. What is wrong with it is an error of the collection, with file, line and column."""

    def collect(self) -> Iterator[pytest.Item]:
        from throughster.errors import ThroughsterError
        from throughster.running.plan import Options, prepare
        from throughster.screen import line, shown

        try:
            keyless = _tape(self.config) is not None or not self.config.getoption("--throughster-live")
            plans, problems = prepare([self.path], [], Options(keyless=keyless))
        except ThroughsterError as error:
            raise self.CollectError(shown(str(error))) from None
        wrong = [str(problem) for problem in problems if problem.severity == "error"]
        if wrong or not plans:
            raise self.CollectError(shown("\n".join(wrong)))
        plan = plans[0]
        other = self.config.stash.setdefault(_NAMES, {}).setdefault(plan.name.casefold(), self.path)
        if other != self.path:  # they would share cassettes
            told = (
                f"{plan.file}: This spec is called `{plan.name}`, and so is {other}. Give one of them another `name`."
            )
            raise self.CollectError(shown(told))
        for problem in problems:
            self.warn(pytest.PytestWarning(line(str(replace(problem, source="")))))
        decides = [f"`{key}`" for key in ("gate", "baseline") if getattr(plan.spec, key) is not None]
        if decides:
            text = f"{' and '.join(decides)} of this spec count with throughster-run only: here each test must pass."
            self.warn(pytest.PytestWarning(text))
        for row in plan.cases or ():
            for label in plan.labels:
                name = line(row.id if len(plan.labels) == 1 else f"{row.id}[{label}]")
                yield CaseItem.from_parent(self, name=name, plan=plan, row=row, label=label)
        for name, why in (plan.cases.skipped if plan.cases is not None else {}).items():
            yield SkippedCase.from_parent(self, name=line(name), why=line(why))


class SkippedCase(pytest.Item):
    """A test that says `skip`."""

    def __init__(self, *, why: str, **more: Any) -> None:
        super().__init__(**more)
        self.add_marker(pytest.mark.skip(reason=why or "skipped in the spec"))

    def runtest(self) -> None:
        """The mark has skipped it."""

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class _Failed(Exception):  # noqa: N818 - it carries a report
    pass


class CaseItem(pytest.Item):
    """One test at one provider, with all its repeats."""

    def __init__(self, *, plan: Plan, row: Row, label: str, **more: Any) -> None:
        super().__init__(**more)
        self._plan = plan
        self._row = row
        self._label = label
        for tag in (*plan.spec.tags, *(row.case.tags if row.case is not None else ())):
            mark = re.sub(r"\W", "_", tag)
            self.config.addinivalue_line("markers", f"{mark}: a tag of specs")
            self.add_marker(mark)

    def runtest(self) -> None:
        from throughster.screen import line

        if self.is_unasked:
            pytest.skip(f"asks {line(self._label)}: give --throughster-replay DIR, or --throughster-live")
        assert self._plan.cases is not None
        plan = replace(self._plan, rows=self._plan.cases.only(self._row), targets=self._targets)
        found = _run(plan, _tape(self.config))
        mine = next((one for one in found if one.label == self._label), None)
        if mine is None:
            raise _Failed(f"{self.name} has no result")
        if mine.verdict == "flaky":
            self.add_report_section("call", "throughster", line(f"flaky, {mine.tally} passed: {mine.reason}"))
        if mine.verdict in ("fail", "error"):
            raise _Failed(_told(plan, mine))

    @property
    def is_unasked(self) -> bool:
        """Whether it would ask a model, and nobody said that it may."""
        from throughster.providers import PROVIDERS

        if _tape(self.config) is not None or self.config.getoption("--throughster-live"):
            return False
        return not all(PROVIDERS[target.provider].starts_emulator for target in self._targets)

    @property
    def _targets(self) -> tuple[Target, ...]:
        case = self._row.case
        compares = case is not None and any(check.is_comparative for check in case.checks)
        return tuple(target for target in self._plan.targets if compares or target.label == self._label)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A failed test as a person reads it, without a traceback."""
        from throughster.errors import ThroughsterError
        from throughster.screen import shown

        if isinstance(excinfo.value, _Failed | ThroughsterError):
            return shown(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        line = self._row.case.line - 1 if self._row.case is not None else 0
        return self.path, max(0, line), self.name


def _run(plan: Plan, tape: Player | None) -> list[Folded]:
    """The results of one test. Raises CassetteError where a recording is missing."""
    from throughster.cli.loop import runner
    from throughster.reports.folded import folded
    from throughster.running.launch import execute
    from throughster.running.outputs import Outputs

    with tempfile.TemporaryDirectory(prefix="throughster-") as folder, runner() as loop:
        journal = Path(folder) / "results.jsonl"
        (summary,) = loop.run(execute([plan], Outputs((journal,)), lambda _: None, tape=tape))
        if summary.wrong is not None:
            raise summary.wrong
        return folded(journal, plan)


def _told(plan: Plan, case: Folded) -> str:
    place = f"{case.file}:{case.line}: " if case.line else ""
    lines = [f"{place}{case.verdict}, {case.tally} passed: {case.reason}", ""]
    lines += [f"{message['role']}: {message['content']}" for message in case.messages(plan)]
    lines += ["", f"answer: {case.text if case.text is not None else '(none)'}"]
    lines += ["", *case.reasons[1:]] if case.reasons[1:] else []
    return "\n".join(lines)
