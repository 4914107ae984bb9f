"""The real commands as processes: servers, and runs against them, in a project folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

__all__ = ["emulating", "outcome_of", "read_lines", "run", "start", "write_rows", "write_spec"]

_BIN = Path(sys.executable).parent


@contextmanager
def emulating(*options, dialect="openai"):
    """A server of its own; gives the address that a client takes."""
    server = subprocess.Popen(
        [_BIN / "throughster", "emulate", "--dialect", dialect, *map(str, options)], stdout=subprocess.PIPE, text=True
    )
    try:
        told = server.stdout.readline()
        yield told.split(" on ")[1].split(";")[0].strip() + "/v1"
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)


def write_spec(folder, base, *, name="s.yaml", more=""):
    """A spec of rows with a number and a text; the rows are written by `write_rows`."""
    (folder / "throughster.toml").touch()
    (folder / name).write_text(
        f"version: 1\nprovider: {{name: openai, model: m, api_base: \"{base}\"}}\nprompt: 'Row {{{{ n }}}}: {{{{ text }}}}'\n"
        f"data: rows.jsonl\n{more}"
    )


def write_rows(folder, texts):
    with (folder / "rows.jsonl").open("w") as file:
        file.writelines(json.dumps({"n": n, "text": text}) + "\n" for n, text in enumerate(texts))


def start(folder, *options, **more):
    """`throughster-run s.yaml -o out.jsonl` with these options, started."""
    return subprocess.Popen(
        [_BIN / "throughster-run", "s.yaml", "-o", "out.jsonl", "-q", "--no-progress", *map(str, options)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **more.pop("env", {})}, **more,
    )  # fmt: skip


def run(folder, *options, **more):
    """The same, to its end; gives the exit code and what stood on standard error."""
    process = start(folder, *options, **more)
    _, told = process.communicate(timeout=900)
    return process.returncode, told


def read_lines(folder, name="out.jsonl"):
    """Every line of the journal, as strict JSON. Raises ValueError where one is none."""

    def no_number(text):
        raise ValueError(f"{text} is no JSON")

    with (folder / name).open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                raise ValueError("the last line is torn")
            yield json.loads(line, parse_constant=no_number)


def outcome_of(folder):
    """(statuses, sends, statuses of the sends) of a journal."""
    statuses, replies, sends = Counter(), Counter(), 0
    for line in read_lines(folder):
        statuses[line["status"]] += 1
        sends += len(line["attempts"])
        replies.update(attempt["http_status"] for attempt in line["attempts"])
    return statuses, sends, replies
