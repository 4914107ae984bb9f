"""Files that are not what their name says: links, devices, pipes, giants, hidden files, other people's files."""

from __future__ import annotations

import os
from pathlib import Path

from tests.hostile.attack import CANARY, SPEC, Attack

FAMILY = "files"
GIANT = 3_000_000_000
_SECRET = f"token {CANARY}\n"


def _link(target: str, name: str):
    """A link in the project, to `target` as seen from the link's folder; `../outside.txt` holds the canary."""

    def make(folder: Path) -> None:
        (folder.parent / "outside.txt").write_text(_SECRET)
        (folder / ".env").write_text(_SECRET)
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    return make


def _pipe(name: str):
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(folder / name)

    return make


def _giant(name: str):
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            file.truncate(GIANT)

    return make


_KINDS = {
    "link-out": lambda name: _link("../" * (1 + name.count("/")) + "outside.txt", name),
    "link-environ": lambda name: _link("/proc/self/environ", name),
    "link-passwd": lambda name: _link("/etc/passwd", name),
    "link-zero": lambda name: _link("/dev/zero", name),
    "link-hidden": lambda name: _link("../" * name.count("/") + ".env", name),
    "link-loop": lambda name: _link(Path(name).name, name),
    "pipe": _pipe,
    "giant": _giant,
}

_ROLES: dict[str, tuple[str, str]] = {  # role -> the file's name, and the spec that names it
    "data-csv": ("d.csv", SPEC + "prompt: x\ndata: d.csv\n"),
    "data-jsonl": ("d.jsonl", SPEC + "prompt: x\ndata: d.jsonl\n"),
    "data-json": ("d.json", SPEC + "prompt: x\ndata: d.json\n"),
    "data-yaml": ("d.yml", SPEC + "prompt: x\ndata: d.yml\n"),
    "data-parquet": ("d.parquet", SPEC + "prompt: x\ndata: d.parquet\n"),
    "prompt": ("p.j2", SPEC + "prompt: {file: p.j2}\n"),
    "include": ("i.j2", SPEC + "prompt: '{% include \"i.j2\" %}'\n"),
    "schema": ("s.json", SPEC + "prompt: x\noutput: {schema: s.json}\n"),
    "schema-ref": ("r.json", SPEC + "prompt: x\noutput: {schema: {$ref: r.json}}\n"),
    "answers": ("a.yml", "version: 1\nprovider: {name: offline, answers: a.yml}\nprompt: x\n"),
    "tests-yaml": ("t.yml", SPEC + "prompt: x\ntests: t.yml\n"),
    "tests-csv": ("t.csv", SPEC + "prompt: x\ntests: t.csv\n"),
    "check-schema": ("c.json", SPEC + "prompt: x\ntests: [{vars: {}, assert: [{type: json-schema, value: c.json}]}]\n"),
}


def _attacks():
    for role, (name, spec) in _ROLES.items():
        for kind, make in _KINDS.items():
            yield Attack(
                FAMILY, f"{role}-{kind}", ("throughster", "check", "spec.yaml"), {"spec.yaml": spec}, make=make(name)
            )
    for kind, make in _KINDS.items():
        yield Attack(FAMILY, f"spec-{kind}", ("throughster", "check", "specs/a.yaml"), make=make("specs/a.yaml"))
        code = (0, 2) if kind == "pipe" else (2,)
        good = {"specs/good.yaml": SPEC + "prompt: x\n"}
        yield Attack(
            FAMILY, f"spec-in-folder-{kind}", ("throughster", "check", "specs"), good, code, make=make("specs/a.yaml")
        )
        yield Attack(
            FAMILY,
            f"spec-by-glob-{kind}",
            ("throughster", "check", "specs/*.yaml"),
            good,
            (0, 2),
            make=make("specs/a.yaml"),
        )
        yield Attack(FAMILY, f"spec-by-pytest-{kind}", ("pytest", "specs"), make=make("specs/a.yaml"), code=(0, 2, 5))
        view = ("throughster", "view", "r.jsonl", "--no-open")
        yield Attack(FAMILY, f"view-{kind}", view, make=make("r.jsonl"))
        yield Attack(FAMILY, f"diff-{kind}", ("throughster", "diff", "r.jsonl", "r.jsonl"), make=make("r.jsonl"))
        spec = SPEC + "prompt: x\n"
        baseline = (
            spec + "tests: [{id: a, vars: {}, assert: [{type: contains, value: x}]}]\nbaseline: {file: b.jsonl}\n"
        )
        run = ("throughster-run", "spec.yaml")
        yield Attack(FAMILY, f"baseline-{kind}", run, {"spec.yaml": baseline}, make=make("b.jsonl"))
        resume = (*run, "-o", "r.jsonl", "--resume")
        yield Attack(FAMILY, f"resume-{kind}", resume, {"spec.yaml": spec}, make=make("r.jsonl"))
        given = ("throughster", "check", "spec.yaml", "--data", "d.csv")
        yield Attack(FAMILY, f"data-option-{kind}", given, {"spec.yaml": spec}, make=make("d.csv"))


ATTACKS = tuple(_attacks())
