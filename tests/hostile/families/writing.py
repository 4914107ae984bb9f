"""Where results, baselines, cassettes and reports would go, if a link or a name could choose."""

from __future__ import annotations

import os
from pathlib import Path

from tests.hostile.attack import SPEC, Attack, Outcome

FAMILY = "writing"
_RUN = ("throughster-run", "s.yaml")
_PLAIN = SPEC + "prompt: x\n"
_SUITE = SPEC + "prompt: x\ntests: [{id: a, vars: {}, assert: [{type: not-contains, value: zzz}]}]\n"


def _links(**links: str):
    def make(folder: Path) -> None:
        (folder.parent / "elsewhere").mkdir()
        (folder.parent / "elsewhere" / "precious.jsonl").write_text("precious\n")
        for name, target in links.items():
            path = folder / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)

    return make


def _untouched(folder: Path, _outcome: Outcome) -> str:
    """Nothing outside the project, and nothing of it that was there, has changed."""
    elsewhere = folder.parent / "elsewhere"
    if elsewhere.exists() and sorted(path.name for path in elsewhere.iterdir()) != ["precious.jsonl"]:
        return "something was written elsewhere"
    if elsewhere.exists() and (elsewhere / "precious.jsonl").read_text() != "precious\n":
        return "a file elsewhere was changed"
    own = folder / "package.json"
    return (
        "" if not own.exists() or own.read_text() == '{"name": "precious"}\n' else "a file of the project was replaced"
    )


def _baseline(file: str, **more):
    spec = _SUITE + f"baseline: {{file: {file}}}\n"
    files = {"s.yaml": spec, "package.json": '{"name": "precious"}\n'}
    return Attack(FAMILY, **{"run": (*_RUN, "--update-baseline"), "files": files, "check": _untouched, **more})


def _plain(name: str, make, *words: str, code=(2,), spec: str = _PLAIN):
    return Attack(FAMILY, name, (*_RUN, *words), {"s.yaml": spec}, code, make=make, check=_untouched)


def _tracked(folder: Path) -> None:
    """A results file that git tracks: its index names it."""
    journal = folder / "runs" / "s" / "99990101T000000Z" / "results.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text("")
    (folder / ".git").mkdir()
    path = os.fsencode(str(journal.relative_to(folder)))
    entry = bytes(60) + len(path).to_bytes(2) + path
    entry += b"\0" * (8 - len(entry) % 8)
    (folder / ".git" / "index").write_bytes(b"DIRC" + (2).to_bytes(4) + (1).to_bytes(4) + entry + bytes(20))


ATTACKS = (
    _baseline("package.json", name="baseline-of-another"),
    _baseline("s.yaml", name="baseline-of-the-spec"),
    _baseline("b.jsonl", name="baseline-link", make=_links(b_DOT_jsonl="package.json")),
    _baseline("b.jsonl", name="baseline-link-out", make=_links(b_DOT_jsonl="../elsewhere/precious.jsonl")),
    _baseline("sub/b.jsonl", name="baseline-folder-link", make=_links(sub="../elsewhere")),
    _baseline("../b.jsonl", name="baseline-out"),
    _baseline("/tmp/throughster-hostile.jsonl", name="baseline-absolute"),
    _baseline(".git/config", name="baseline-hidden"),
    _plain("runs-link", _links(runs="../elsewhere")),
    _plain("runs-name-link", _links(runs__s="../../elsewhere")),
    _plain("runs-file", _links(runs="../elsewhere/precious.jsonl")),
    _plain("runs-dangling", _links(runs="../elsewhere/new")),
    _plain("runs-link-resume", _links(runs="../elsewhere"), "--resume"),
    _plain("runs-link-outputs", _links(runs="../elsewhere"), spec=_PLAIN + "outputs: [a.md]\n"),
    _plain("output-link", _links(r_DOT_jsonl="../elsewhere/precious.jsonl"), "-o", "r.jsonl"),
    _plain("output-link-resume", _links(r_DOT_jsonl="../elsewhere/precious.jsonl"), "-o", "r.jsonl", "--resume"),
    _plain("output-link-new", _links(r_DOT_jsonl="../elsewhere/new.jsonl"), "-o", "r.jsonl"),
    _plain("output-csv-link", _links(r_DOT_csv="../elsewhere/precious.jsonl"), "-o", "r.csv"),
    _plain("record-link", _links(cas="../elsewhere"), "--record", "cas"),
    _plain("record-folder-link", _links(cas__s="../../elsewhere"), "--record", "cas", code=(2, 3)),
    _plain("replay-link", _links(cas="../elsewhere"), "--replay", "cas"),
    _plain("resume-tracked", _tracked, "--resume"),
    _plain("outputs-out", None, spec=_PLAIN + "outputs: [../evil.md]\n"),
    _plain("outputs-absolute", None, spec=_PLAIN + "outputs: [/tmp/evil.md]\n"),
    _plain("name-out", None, spec=_PLAIN + "name: ../evil\n"),
)
