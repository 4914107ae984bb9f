"""The real commands, in this process or as one of their own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SPEC = """\
version: 1
name: demo
provider: offline
prompt: Say {{ word }}.
data: [{word: hi}, {word: ho}, {word: hu}]
"""


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty project folder to work in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    return tmp_path


@pytest.fixture
def spec(here):
    def write(text=SPEC, name="spec.yaml"):
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return name

    return write


@pytest.fixture
def command(capfd):
    """`command("run", ...)` in this process; what a user would see and the exit code."""

    def call(*args):
        from throughster.cli.app import group, invoke

        before = sys.argv
        sys.argv = ["throughster", *args]
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as left:
                invoke(group, "throughster")
        finally:
            sys.argv = before
        shown = capfd.readouterr()
        return Outcome(left.value.code, shown.out, shown.err)

    return call


@pytest.fixture
def results():
    def read(path):
        return [json.loads(line, parse_constant=pytest.fail) for line in Path(path).read_text("utf-8").splitlines()]

    return read
