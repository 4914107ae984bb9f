"""No connection is opened that the spec did not ask for: every one that Python opens is noted by an audit hook."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
seen = []
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        seen.append([event, repr(args[1] if event != "socket.getaddrinfo" else args[0])])
sys.addaudithook(hook)
sys.argv = ["throughster-run", *sys.argv[1:]]
from throughster.cli import run_main
try: run_main()
except SystemExit: pass
print("CONNECTIONS " + json.dumps(seen))
"""
SPEC = """version: 1
provider: {name: openai, model: m}
prompt: "{{ a }} https://evil.example/x"
vars: {a: http://127.0.0.1:9/}
output: {schema: {type: object, description: "http://evil.example/", properties: {a: {type: string}}}}
"""


def connections(folder, text, *words):
    (folder / "s.yaml").write_text(text)
    command = [sys.executable, "-c", PROGRAM, "s.yaml", *words]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    (line,) = [line for line in found.stdout.splitlines() if line.startswith("CONNECTIONS ")]
    return json.loads(line.removeprefix("CONNECTIONS "))


@pytest.mark.parametrize("words", [("--check",), ("--dry-run",)])
def test_a_check_opens_none(tmp_path, monkeypatch, words):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-for-nobody")
    assert connections(tmp_path, SPEC, *words) == []


def test_a_run_opens_none_but_to_the_server_of_its_provider(tmp_path):
    text = SPEC.replace("{name: openai, model: m}", "offline").replace("output:", "x-output:")
    found = connections(tmp_path, text)
    assert found != []
    assert all("127.0.0.1" in address for _, address in found)
