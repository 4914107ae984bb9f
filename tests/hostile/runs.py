"""Runs commands in processes of their own that are forked from one which has everything imported.

A command of its own takes half a second to start; three hundred of them would take the time of the whole suite.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from tests.hostile.attack import CANARY, Attack, Outcome

__all__ = ["run"]

_ROOT = Path(__file__).parents[2]
_ADDRESS_SPACE = 3_000_000_000  # what the libraries map alone is over 1 GB; the memory in use is measured
_CPU_S = 20
_TIMEOUT_S = 60
_LONGEST_OUTPUT = 20_000_000
_ENVIRONMENT = {"OPENAI_API_KEY": CANARY, "COLUMNS": "200", "NO_COLOR": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_PYTEST = ["-p", "throughster.pytest_plugin", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=.", "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # fmt: skip
_IMPORTED = (
    "throughster.cli.app", "throughster.cli.run", "throughster.cli.check", "throughster.cli.render",
    "throughster.cli.dry_run", "throughster.cli.execution", "throughster.cli.decide", "throughster.cli.diff",
    "throughster.cli.view", "throughster.cli.convert", "throughster.checks.kinds", "throughster.client",
    "throughster.reports.html", "throughster.reports.junit", "throughster.reports.markdown",
    "throughster.reports.table", "throughster.pytest_plugin", "throughster.emulator", "referencing.jsonschema",
    "jsonschema", "jsonschema_rs", "re2", "rapidfuzz.distance", "uvloop", "rich.progress",
)  # fmt: skip


def run(attack: Attack, folder: Path) -> Outcome:
    """Lay the attack out in `folder`, and run its command there."""
    attack.lay_out(folder)
    server = _server()
    environment = {**_ENVIRONMENT, "XDG_CACHE_HOME": str(folder / ".cache"), **attack.env}
    asked = {"run": attack.run, "folder": str(folder), "env": environment}
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    told: dict[str, Any] = json.loads(server.stdout.readline())
    out, err = (_read(folder.with_name(f"{folder.name}.{name}")) for name in ("out", "err"))
    return Outcome(told["code"], out, err, told["cpu_s"], told["memory"])


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LONGEST_OUTPUT).decode("utf-8", "replace")


@cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.hostile.runs"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)


def _serve() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    for name in list(os.environ):
        if name in ("CI", "TF_BUILD", "FORCE_COLOR") or name.startswith(
            ("OPENAI_", "AZURE_", "MISTRAL_", "VLLM_", "THROUGHSTER_", "PYTEST_")
        ):
            del os.environ[name]
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked["run"], Path(asked["folder"]), asked["env"])
        _, status, usage = os.wait4(child, 0)
        told = {
            "code": os.waitstatus_to_exitcode(status),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss * 1024,
        }
        print(json.dumps(told), flush=True)


def _become(words: list[str], folder: Path, environment: dict[str, str]) -> NoReturn:
    """In the child: be the command."""
    code = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, name in ((1, "out"), (2, "err")):
            path = folder.with_name(f"{folder.name}.{name}")
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
        signal.alarm(_TIMEOUT_S)
        os.environ.update(environment)
        os.chdir(folder)
        code = _command(words)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - whatever it is, it is told, and this process never comes back
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _command(words: list[str]) -> int:
    if words[0] == "pytest":
        import pytest

        return int(pytest.main([*words[1:], *_PYTEST]))
    if words[0] == "python":
        exec(compile(words[1], "attack", "exec"), {"__name__": "attack"})
        return 0
    from throughster.cli import main, run_main

    sys.argv = words
    try:
        (run_main if words[0] == "throughster-run" else main)()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


if __name__ == "__main__":
    _serve()
