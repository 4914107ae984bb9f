"""Sources to convert, and the command that converts them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from throughster.spec import load_spec


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty project folder to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    return tmp_path


@pytest.fixture
def command(capfd):
    """`command("convert", ...)` in this process: the exit code and what a user would see."""

    def call(*args):
        from throughster.cli.app import group, invoke

        before = sys.argv
        sys.argv = ["throughster", *map(str, args)]
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as left:
                invoke(group, "throughster")
        finally:
            sys.argv = before
        shown = capfd.readouterr()
        return Outcome(left.value.code, shown.out, shown.err)

    return call


@dataclass
class Converted:
    """The exit code, the losses, and the specs that were written."""

    code: int
    losses: list
    problems: list
    folder: Path
    specs: list
    written: list

    @property
    def spec(self):
        (path,) = self.specs
        return load_spec(path)

    @property
    def text(self):
        return "".join(Path(path).read_text("utf-8") for path in self.written)

    @property
    def grave(self):
        return [f"{loss['what']}: {loss['why']}" for loss in self.losses if loss["severity"] == "changes"]

    def loss(self, what):
        """The one loss that is about this."""
        (found,) = [loss for loss in self.losses if what in loss["what"]]
        return found


@pytest.fixture
def converted(here, command):
    """`converted(text)`: convert a source, hold that it was written, and read it back."""

    def run(text, name="promptfooconfig.yaml", *options, check=True):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        outcome = command("convert", name, "-o", "out", "--format", "json", "--force", *options)
        assert outcome.code in (0, 1), outcome.out + outcome.err
        told = outcome.json
        if check:
            assert told["problems"] == []
        return Converted(outcome.code, told["losses"], told["problems"], here / "out", told["specs"], told["written"])

    return run


BASE = """\
prompts: ["Say {{ word }}."]
providers: [openai:chat:gpt-4.1-mini]
"""


@pytest.fixture
def checks(converted):
    """`checks(assertions)`: the checks that a list of assertions becomes, and what was lost."""

    def run(assertions, base=BASE, **test):
        text = base + "tests:\n  - " + json.dumps({"vars": {"word": "hi"}, **test, "assert": assertions}) + "\n"
        found = converted(text)
        cases = found.spec.tests or ()
        entries = [
            {name: getattr(check, name) for name in check.model_fields_set} for case in cases for check in case.checks
        ]
        return entries, found

    return run
