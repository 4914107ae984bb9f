"""A suite against a real model: the same prompt again is no regression, and a prompt made worse is one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.real import servers

pytestmark = pytest.mark.real

WORDS = (
    "banana",
    "house",
    "river",
    "music",
    "winter",
    "garden",
    "doctor",
    "window",
    "orange",
    "castle",
    "friend",
    "bread",
)
GOOD = "Repeat this word: {{ word }}"
WORSE = "Write a sentence about the sea. {{ word | length }} words."
REPEATS = 10


@pytest.fixture
def suite(tmp_path, small_model):
    """`suite(prompt, seed, name)`: run the cases and keep the results."""
    (tmp_path / "throughster.toml").write_text("")
    ends = {"type": "finish-reason", "value": ["stop", "length"]}  # ten tokens are enough
    tests = [
        {"id": word, "vars": {"word": word}, "assert": [{"type": "icontains", "value": word}, ends]} for word in WORDS
    ]

    def run(prompt, seed, *options):
        params = {"temperature": 0.9, "max_tokens": 10, "seed": seed}
        provider = {"name": "vllm", "model": servers.MODEL, "api_base": f"{small_model.origin}/v1", "params": params}
        spec = {"version": 1, "name": "reviews", "provider": provider, "prompt": prompt, "tests": tests}
        spec |= {"repeat": REPEATS, "pass_rate": 0.1, "gate": {"pass_rate": 0.01}, "concurrency": 4}
        (tmp_path / "reviews.yaml").write_text(json.dumps(spec))
        return command(tmp_path, "run", "reviews.yaml", "--no-progress", "--allow-host", "127.0.0.1", *options)

    return run


def command(folder, *arguments):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "VLLM_API_KEY": servers.KEY}
    return subprocess.run(
        [sys.executable, "-m", "throughster", *arguments],
        cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_the_same_prompt_again_and_a_worse_one(suite, tmp_path):
    before = suite(GOOD, 1000, "-o", "before.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "before.jsonl").read_text().splitlines()]
    passed = sum(line["status"] == "ok" for line in lines)
    assert len(lines) == len(WORDS) * REPEATS, before.stdout + before.stderr
    assert {line["status"] for line in lines} <= {"ok", "failed"}
    assert passed / len(lines) > 0.5, "the prompt is understood at all"
    suite(GOOD, 2000, "-o", "again.jsonl")
    suite(WORSE, 3000, "-o", "worse.jsonl")
    again = command(tmp_path, "diff", "before.jsonl", "again.jsonl")
    worse = command(tmp_path, "diff", "before.jsonl", "worse.jsonl")
    print(f"{passed} of {len(lines)} passed.\n{again.stdout}\n{worse.stdout}")  # shown by `make test-real`
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.lower().startswith(("no regression", "cannot tell"))
    assert worse.returncode == 1
    assert worse.stdout.startswith("Regression")
