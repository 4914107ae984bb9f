"""The mistakes that other runners turn into green builds, tried here: the table of docs/ci.md is what comes of them."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "ci.md"
GOOD = """\
version: 1
name: suite
provider: {name: offline, answers: answers.yaml}
prompt: Say {{ w }}
tests:
  - id: one
    vars: {w: hello}
    assert: [{type: contains, value: bon}]
"""
DEAD = '{name: vllm, model: m, api_base: "http://127.0.0.1:9/v1"}'
PROBES = {
    "a misspelt key": (GOOD.replace("assert:", "asserts:"), ()),
    "a misspelt check": (GOOD.replace("contains", "containz"), ()),
    "an undefined variable": (GOOD.replace("{{ w }}", "{{ wrod }}"), ()),
    "a variable of the environment": (GOOD.replace("{{ w }}", "{{ w }} {{ env.NOPE }}"), ()),
    "no tests": (GOOD[: GOOD.index("tests:")].replace("{{ w }}", "hello") + "tests: []\n", ()),
    "a filter that nothing fits": (GOOD, ("--filter", "nothing")),
    "a syntax error": (GOOD.replace("{w: hello}", "{w: hello"), ()),
    "every call fails": (
        GOOD.replace("{name: offline, answers: answers.yaml}", DEAD) + "retry: {max_attempts: 1}\n",
        (),
    ),
    "every answer is wrong": (GOOD.replace("value: bon", "value: zzz"), ()),
}


def test_the_documented_outcomes_are_those_of_the_command(here, command):
    (here / "answers.yaml").write_text("- {contains: hello, answer: bonjour}\n")
    lines = []
    for n, (mistake, (text, options)) in enumerate(PROBES.items()):
        (here / "suite.yaml").write_text(text)
        outcome = command("run", "suite.yaml", "--no-progress", "-o", f"o{n}.jsonl", *options)
        assert outcome.code != 0, mistake
        shown = outcome.out + outcome.err
        found = re.findall(r"suite\.yaml(?::\d+)*: .+", shown)
        assert found, (mistake, shown)
        told = "<br>".join("`" + line.replace("`", "'") + "`" for line in found)
        lines.append(f"| {mistake} | {outcome.code} | {told} |")
    table = "\n".join(["| mistake | exit | what is told |", "|---|---|---|", *lines])
    assert table in DOCUMENT.read_text("utf-8"), f"docs/ci.md should hold:\n{table}"
