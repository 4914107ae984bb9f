"""Each case through promptfoo and through its conversion: who says what, and whether the list of losses says why."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from tests.promptfoo import peer

__all__ = ["Case", "assertion_cases", "compare", "configurations"]

HERE = Path(__file__).parent
PROVIDER = {"id": "openai:chat:gpt-4o-mini", "config": {"apiBaseUrl": "ADDRESS"}}
JUDGE = {"id": "openai:chat:gpt-4o-judge", "config": {"apiBaseUrl": "ADDRESS"}}
EMBEDDER = {"id": "openai:embedding:text-embedding-3-large", "config": {"apiBaseUrl": "ADDRESS"}}


@dataclass
class Case:
    """`source`: its configuration; `theirs`, `ours`: verdicts as (passed, score) in order, None where there is none.

    `requests`: bodies of requests that only one of them sent. `losses`: what the conversion said of it.
    """

    name: str
    source: str
    theirs: list = field(default_factory=list)
    ours: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    losses: list = field(default_factory=list)

    @property
    def agrees(self):
        """An answer that is not what was asked for has failed here before its checks, which then have no scores."""
        pairs = zip(self.theirs, self.ours, strict=False)
        same = all(one == other or (one[0], other) == (False, (False, [])) for one, other in pairs)
        return same and len(self.theirs) == len(self.ours) and not self.requests

    @property
    def explained(self):
        """Whether a loss that ends the conversion with exit 1 speaks of it."""
        return any(loss["severity"] == "changes" for loss in self.losses)


def assertion_cases(folder):
    """One configuration for all assertions: a test is a line, so that a loss's line names its case."""
    tests = []
    for entry in yaml.safe_load((HERE / "assertions.yaml").read_text("utf-8")):
        for check in entry["assert"]:
            name = f"{len(tests):03} {json.dumps(check, ensure_ascii=False)}"
            tests.append({"vars": {"case": name, "answer": entry["answer"]}, "assert": [check]})
    head = {
        "prompts": ["{{case}}\n<<<{{answer}}>>>"],
        "providers": [PROVIDER],
        "defaultTest": {"options": {"provider": {"text": JUDGE, "embedding": EMBEDDER}}},
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in head.items()] + ["tests:"]
    lines += [f"  - {json.dumps(test, ensure_ascii=False)}" for test in tests]
    folder.mkdir(parents=True)
    (folder / "promptfooconfig.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def configurations(folder):
    """Whole configurations, one folder each, every test with a variable `case`."""
    for source in sorted((HERE / "configurations").iterdir()):
        target = folder / source.name
        target.mkdir(parents=True)
        for file in source.iterdir():
            target.joinpath(file.name).write_bytes(file.read_bytes())
        yield target


def compare(program, server, folder):
    """The cases of one configuration."""
    config = folder / "promptfooconfig.yaml"
    config.write_text(config.read_text("utf-8").replace("ADDRESS", server.address), "utf-8")
    (folder / "throughster.toml").write_text("")
    cases: dict[str, Case] = {}

    def case(variables):
        name = str(variables.get("case"))
        return cases.setdefault(name, Case(name, folder.name))

    for result in peer.run(program, folder):
        case(result["vars"]).theirs.append(_verdict(result))
    theirs = server.taken()
    told = _command(folder, "convert", "promptfooconfig.yaml", "-o", "out", "--format", "json")
    losses = json.loads(told.stdout)["losses"]
    ran = _command(folder, "run", "out", "-o", "ours.jsonl", "--no-progress")
    written = folder / "ours.jsonl"
    lines = written.read_text("utf-8").splitlines() if written.exists() else []
    if not lines:
        print(f"{folder.name}: nothing was run:\n{told.stdout}\n{ran.stdout}{ran.stderr}")
    for line in lines:
        result = json.loads(line)
        case(result["vars"]).ours.append(_our_verdict(result))
    ours = server.taken()
    _share(cases, theirs, ours)
    _tell(cases, losses, config.read_text("utf-8").splitlines())
    for one in cases.values():
        one.theirs.sort(key=str)
        one.ours.sort(key=str)
    return list(cases.values())


def _command(folder, *arguments):
    env = {**os.environ, "OPENAI_API_KEY": peer.KEY, "VLLM_API_KEY": peer.KEY, "CI": ""}
    command = [sys.executable, "-m", "throughster", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


def _verdict(result):
    """The score of each assertion of the test; promptfoo lists those of a set behind the set."""
    parts = (result.get("gradingResult") or {}).get("componentResults") or []
    scores, at = [], 0
    for written in result["testCase"].get("assert") or []:
        if at < len(parts):
            scores.append(round(parts[at]["score"], 3))
        at += 1 + len(written["assert"] if written["type"] == "assert-set" else ())
    return bool(result["success"]), scores


def _our_verdict(result):
    return result["status"] == "ok", [round(check["score"], 3) for check in result["checks"]]


def _share(cases, theirs, ours):
    """Requests of an answer that only one of them sent, to the case whose name is in them."""
    theirs, ours = ([_comparable(body) for body in bodies if not _judges(body)] for bodies in (theirs, ours))
    for bodies, others, who in ((theirs, ours, "promptfoo"), (ours, theirs, "throughster")):
        left = list(others)
        for body in bodies:
            if body in left:
                left.remove(body)
                continue
            messages = json.dumps(body["messages"])
            owner = next((case for name, case in cases.items() if f'"{json.dumps(name)[1:-1]}' in messages), None)
            (owner or next(iter(cases.values()))).requests.append((who, body))


def _comparable(body):
    """Without what docs/convert.md says is sent in another way, and no answer depends on: a schema's name, `strict`."""
    body = json.loads(json.dumps(body))
    schema = body.get("response_format", {}).get("json_schema", {})
    schema.pop("name", None)
    for tool in body.get("tools", []):
        tool["function"].pop("strict", None)
    return body


def _judges(body):
    return "judge" in body.get("model", "")


def _tell(cases, losses, lines):
    """Losses to the cases on their lines; those above the tests, and those said once for a type, to all concerned."""
    kinds = defaultdict(list)
    for loss in losses:
        kinds[loss["what"]].append(loss)
    for name, case in cases.items():
        at = {
            n for n, line in enumerate(lines, 1) if json.dumps(name, ensure_ascii=False)[1:-1] in line or name in line
        }
        words = set(re.findall(r"(?<=[^a-z])(?!not-)[a-z][a-z-]*|(?<=not-)[a-z-]+", " ".join(lines[n - 1] for n in at)))
        general = [loss for loss in losses if loss["line"] not in range(*_tests(lines)) or not loss["line"]]
        own = [loss for loss in losses if loss["line"] in at]
        once = [
            loss
            for what, some in kinds.items()
            for loss in some
            if what.strip("`") in words and "left out" not in loss["why"]
        ]
        case.losses = list({json.dumps(loss): loss for loss in (*own, *once, *general)}.values())


def _tests(lines):
    start = next((n for n, line in enumerate(lines, 1) if line.startswith("tests:")), len(lines))
    return start, len(lines) + 1
