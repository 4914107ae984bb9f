"""Results, baselines and cassettes that somebody else wrote."""

from __future__ import annotations

import json

from tests.hostile.attack import SPEC, Attack

FAMILY = "results"
_SUITE = (
    SPEC + "prompt: x\ntests: [{id: a, vars: {}, assert: [{type: contains, value: x}]}]\nbaseline: {file: b.jsonl}\n"
)
_LINE = {
    "id": "a", "spec": "s", "label": "offline:canned", "provider": "offline", "model": "canned", "deployment": None, "row": 0,
    "repeat": 0, "digest": "0" * 16, "status": "ok", "vars": {}, "output": "x", "text": "x", "tool_calls": [],
    "finish_reason": "stop", "refusal": None, "usage": None, "cost_usd": None, "latency_s": 0.1, "first_token_s": None,
    "attempts": [], "cached": False, "checks": [], "error": None,
}  # fmt: skip
_ESC = "\x1b]52;c;ZXZpbA==\x07\u202e\n::error::x\n##vso[task]y"

_LINES = {
    "none": "{}\n",
    "list": "[1]\n",
    "deep": "[" * 100_000 + "\n",
    "number": "9" * 100_000 + "\n",
    "checks-number": json.dumps({**_LINE, "status": "failed", "checks": 3}) + "\n",
    "checks-list": json.dumps({**_LINE, "status": "failed", "checks": [1]}) + "\n",
    "checks-empty": json.dumps({**_LINE, "status": "failed", "checks": [{}]}) + "\n",
    "error-text": json.dumps({**_LINE, "status": "error", "error": "x"}) + "\n",
    "usage-text": json.dumps({**_LINE, "usage": "x"}) + "\n",
    "usage-list": json.dumps({**_LINE, "usage": {"total_tokens": "x"}}) + "\n",
    "attempts-number": json.dumps({**_LINE, "attempts": 3}) + "\n",
    "latency-text": json.dumps({**_LINE, "latency_s": "x"}) + "\n",
    "cost-text": json.dumps({**_LINE, "cost_usd": "x"}) + "\n",
    "digest-text": json.dumps({**_LINE, "digest": "zz"}) + "\n",
    "repeat-huge": json.dumps({**_LINE, "repeat": 10**30}) + "\n",
    "row-negative": json.dumps({**_LINE, "row": -1}) + "\n",
    "status-odd": json.dumps({**_LINE, "status": "great"}) + "\n",
    "escapes": json.dumps({**_LINE, "id": _ESC, "label": _ESC, "text": _ESC, "status": "failed", "checks": [{"type": _ESC, "passed": False, "score": 0, "reason": _ESC, "path": None}]}) + "\n",
    "torn": json.dumps(_LINE)[:100],
    "no-utf-8": b"\xff\xfe\n",
    "blank": "\n" * 100_000,
}  # fmt: skip

_CASSETTES = {
    "none": "{}",
    "deep": "[" * 100_000,
    "format": '{"format": 99, "exchanges": []}',
    "reply-none": '{"format": 1, "exchanges": [{}]}',
    "reply-odd": '{"format": 1, "exchanges": [{"label": "", "place": "x", "url": "x", "request": 1, "reply": {"status": "x"}}]}',
    "failure": '{"format": 1, "exchanges": [{"place": "x", "url": "x", "request": null, "reply": {"failure": {"type": "__class__", "message": "", "retryable": false}}}]}',
    "base64": '{"format": 1, "exchanges": [{"place": "x", "url": "x", "request": null, "reply": {"status": 200, "base64": "!"}}]}',
}  # fmt: skip


def _attacks():
    for name, lines in _LINES.items():
        files = {"s.yaml": _SUITE, "b.jsonl": lines}
        yield Attack(FAMILY, f"baseline-{name}", ("throughster-run", "s.yaml"), files, (0, 1, 2), env={"CI": "true"})
        yield Attack(
            FAMILY, f"diff-{name}", ("throughster", "diff", "b.jsonl", "b.jsonl"), files, (0, 1, 2), env={"CI": "true"}
        )
        view = ("throughster", "view", "b.jsonl", "-o", "page.html")
        yield Attack(FAMILY, f"view-{name}", view, files, (0, 2), env={"CI": "true"})
        resume = ("throughster-run", "t.yaml", "-o", "b.jsonl", "--resume")
        more = {"t.yaml": SPEC + "name: s\nprompt: x\n", "b.jsonl": lines}
        yield Attack(FAMILY, f"resume-{name}", resume, more, (0, 1, 2, 3), env={"CI": "true"})
    for name, text in _CASSETTES.items():
        files = {"s.yaml": SPEC + "prompt: x\n", "cas/s/a.json": text}
        yield Attack(FAMILY, f"cassette-{name}", ("throughster-run", "s.yaml", "--replay", "cas"), files)
        files = {"s.yaml": SPEC + "prompt: x\n", "cas/learned.json": text}
        yield Attack(FAMILY, f"learned-{name}", ("throughster-run", "s.yaml", "--replay", "cas"), files)


ATTACKS = tuple(_attacks())
