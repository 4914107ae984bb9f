"""Prints what differs between promptfoo and the converted specs; exit 1 where a difference is not in the losses."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.promptfoo import peer, probe
from tests.promptfoo.server import Server


def main():
    try:
        program = peer.installed()
    except peer.UnavailableError as error:
        print(f"Skipped: {error}.")
        return 0
    with tempfile.TemporaryDirectory(prefix="throughster-promptfoo-") as temporary, Server() as server:
        folder = Path(temporary)
        folders = [probe.assertion_cases(folder / "assertions"), *probe.configurations(folder)]
        cases = [case for one in folders for case in probe.compare(program, server, one)]
    differing = [case for case in cases if not case.agrees]
    unexplained = [case for case in differing if not case.explained]
    for case in differing:
        _print(case)
    agree = len(cases) - len(differing)
    print(f"promptfoo {peer.VERSION}: {len(cases)} cases, {agree} agree ({agree / len(cases):.1%}), ", end="")
    print(f"{len(differing)} differ, {len(unexplained)} of them without an entry in the list of losses.")
    return 1 if unexplained or agree < 0.95 * len(cases) else 0


def _print(case):
    print(f"{'differs' if case.explained else 'UNEXPLAINED'}: {case.source}: {case.name}")
    print(f"  promptfoo {_shown(case.theirs)}; throughster {_shown(case.ours)}")
    for who, body in case.requests:
        print(f"  only {who} sends {json.dumps(body, ensure_ascii=False)[:600]}")
    for loss in case.losses:
        if loss["severity"] == "changes":
            print(f"  listed: {loss['what']}: {loss['why']}"[:200])


def _shown(verdicts):
    return ", ".join(f"{'passes' if passed else 'fails'} {scores}" for passed, scores in verdicts) or "nothing"


if __name__ == "__main__":
    sys.exit(main())
