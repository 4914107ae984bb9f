"""Names and answers that would steer a terminal, or be commands to a CI system; tests/test_screen.py walks all fields."""

from __future__ import annotations

import json

from tests.hostile.attack import Attack

FAMILY = "screens"
_POISONS = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07", "clear": "\x1b[2J\x1b[H", "title": "\x1b]0;evil\x07", "c1": "\x9b2J\x9d0;x\x9c",
    "bidi": "\u202eabc\u2066", "bell": "\x07\x08\x7f", "github": "\n::stop-commands::x", "azure": "\n##vso[task.setvariable variable=A]b",
    "group": "\n##[command]x", "teamcity": "\n##teamcity[x]", "return": "ok\rFORGED", "separator": "\u2028::error::x",
}  # fmt: skip
_COMMANDS = [
    ("throughster", "check", "s.yaml"), ("throughster", "render", "s.yaml"), ("throughster-run", "s.yaml", "--dry-run"),
    ("throughster-run", "s.yaml", "--format", "github"), ("throughster-run", "s.yaml", "--format", "json"), ("pytest", "s.yaml"),
]  # fmt: skip


def _attacks():
    for name, poison in _POISONS.items():
        spec = {
            "version": 1, "description": poison, "provider": {"name": "offline", "label": f"l{poison}", "answers": "a.yml"},
            "prompt": "x {{ a }}", "vars": {"a": f"v{poison}", f"k{poison}": 1},
            "tests": [{"id": f"i{poison}", "vars": {}, "assert": [{"type": "equals", "value": f"e{poison}"}]}],
        }  # fmt: skip
        files = {"s.yaml": json.dumps(spec), "a.yml": json.dumps([{"contains": "x", "answer": f"y{poison}"}])}
        for n, command in enumerate(_COMMANDS):
            yield Attack(FAMILY, f"{name}-{n}", command, files, (0, 1, 2), env={"CI": "true"})


ATTACKS = tuple(_attacks())
