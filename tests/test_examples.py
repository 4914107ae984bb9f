"""Every example runs as its first lines say, with canned answers and without a key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
KEY = "sk-canary-0123456789"

SHOWN = {
    "async_requests": [
        "France   Paris.",
        "Japan    Tokyo.",
        "Kenya    Nairobi.",
        "Peru     Lima.",
        r"4 answers from offline:canned, \d+ tokens",
    ],
    "function_calling": [
        r"The model calls Booking: Booking\(guests=4, at='20:00'\)",
        r"  forecast\('(Bergen|Oslo)', '(today|tomorrow)'\) was called",
        "Yes: rain is forecast for the whole day.",
    ],
    "load_balancing": [r"large: \d+ answers", r"small: \d+ answers"],
    "streaming": [r"The keeper had counted .* blinked back\.", "", r"finish reason: stop, \d+ tokens"],
    "structured_output": ["Ada Lovelace, born 1815: mathematics, computing", "attempts: 1"],
    "text_quality": [
        r"5\.00  The cat sat on the mat\.  \(the model wrote 5\)",
        r"2\.00  The mat cat the on sat\.  \(the model wrote 2\)",
    ],
    "translate_dataset": [
        r"Happy birthday!              Joyeux anniversaire !",
        r"Where is the train station\?  Où est la gare \?",
        r"Thank you for your help\.     Merci pour votre aide\.",
    ],
}


def run(path, folder):
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder), "PYTHONUTF8": "1"},
    )


def test_every_example_has_its_expected_output():
    assert [path.stem for path in EXAMPLES] == sorted(SHOWN)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path):
    result = run(path, tmp_path)
    assert result.stderr == ""
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    expected = SHOWN[path.stem]
    assert len(lines) == len(expected)
    assert [line for line, pattern in zip(lines, expected, strict=True) if not re.fullmatch(pattern, line)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_names_the_command_that_runs_it(path):
    assert f"python examples/{path.name}" in path.read_text("utf-8").split('"""')[1]


def test_an_example_with_a_provider_but_no_key_says_what_to_set(tmp_path):
    path = ROOT / "examples" / "streaming.py"
    result = subprocess.run(
        [sys.executable, str(path), "openai"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert result.returncode == 1
    assert "OPENAI_API_KEY" in result.stderr.splitlines()[-1]
