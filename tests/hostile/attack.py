"""An attack: a project that somebody else wrote, a command that somebody runs on it, and what must come of that."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CANARY", "SPEC", "Attack", "Outcome", "lost"]

CANARY = "sk-CANARY-0123456789abcdef"  # what no output and no request may hold
SPEC = "version: 1\nprovider: offline\n"
MOST_CPU_S = 2.0
MOST_MEMORY = 300_000_000

# C0 but TAB and LF, DEL, C1, and what reorders text
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COMMAND = re.compile(r"^\s*(?:::|##)|##\[|##\w+\[", re.MULTILINE)
_OWN_COMMAND = re.compile(r"^::(?:error|warning) [^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class Attack:
    """`files`: what lies in the project, by name; `make`: what a text cannot say (links, pipes, large files).

    `run`: the command. `code`: the exit codes that are right. `says`: a pattern that the output must have; `holds_not`:
    texts that neither the output nor a file that was written may have. `check`: more that must be so afterwards.
    """

    family: str
    name: str
    run: tuple[str, ...]
    files: dict[str, str | bytes] = field(default_factory=dict)
    code: tuple[int, ...] = (2,)
    says: str = ""
    holds_not: tuple[str, ...] = (CANARY, "Traceback", "this is a bug")
    make: Callable[[Path], None] | None = None
    check: Callable[[Path, Outcome], str] | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.family}/{self.name}"

    def lay_out(self, folder: Path) -> None:
        """Write the project into a folder of its own."""
        (folder / "throughster.toml").touch()
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        if self.make is not None:
            self.make(folder)


@dataclass(frozen=True)
class Outcome:
    """What a command did: exit code (negative: the signal that ended it), output, seconds of CPU, bytes of memory."""

    code: int
    out: str
    err: str
    cpu_s: float
    memory: int

    @property
    def text(self) -> str:
        return self.out + self.err


def lost(attack: Attack, outcome: Outcome, folder: Path, *, most_cpu_s: float = MOST_CPU_S) -> list[str]:
    """What the attack won, in words; nothing where it lost."""
    won = []
    if outcome.code not in attack.code:
        won.append(f"exit code {outcome.code}, not {attack.code}")
    if outcome.cpu_s > most_cpu_s:
        won.append(f"{outcome.cpu_s:.1f} s of CPU")
    if outcome.memory > MOST_MEMORY:
        won.append(f"{outcome.memory / 1e6:,.0f} MB of memory")
    won += [f"the output holds {text!r}" for text in attack.holds_not if text in outcome.text]
    if attack.says and not re.search(attack.says, outcome.text):
        won.append(f"the output does not say {attack.says!r}")
    if found := _CONTROL.search(outcome.text):
        won.append(f"the output holds the control character {found[0]!r}")
    foreign = _OWN_COMMAND.sub("", outcome.text)
    if (attack.env.get("CI") or "github" in attack.run) and (found := _COMMAND.search(foreign)):
        won.append(f"the output holds the command {found[0]!r}")
    if attack.check is not None and (told := attack.check(folder, outcome)):
        won.append(told)
    return won
