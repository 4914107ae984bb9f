"""A server that permits so many requests and tokens per minute: how much of that is used, how often it refuses.

Nobody is told the limits. The runner learns them from the headers of the replies; the openai SDK waits when it is
refused, as it does with its own default of retries.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from benchmarks.drive import ask
from benchmarks.measure import absent_note, drive, present, table
from benchmarks.server import emulator

REQUESTS, TOKENS, WINDOW_S, SECONDS, IN_FLIGHT = 600, 60_000, 10, 60, 64
TEXT = "word " * 50  # about a hundred tokens a call, with its answer: both limits are near
SPEC = """\
version: 1
name: bench
provider: {{name: openai, model: m, api_base: "{base}"}}
prompt: '{{{{ n }}}} {{{{ text }}}}'
data: rows.csv
retry: {{max_attempts: 20}}
"""


def run() -> str:
    """The table of this area, as Markdown."""
    found = {"throughster-run": _runner()}
    for name, label in (("bare", "bare aiohttp + orjson, no retries"), ("openai", "openai SDK")):
        if name in present():
            found[label] = _client(name)
    permitted = SECONDS + WINDOW_S  # what flows in, and a full bucket at the start
    rows = []
    for label, seen in found.items():
        used = max(seen["ok"] / (REQUESTS * permitted / 60), seen["tokens"] / (TOKENS * permitted / 60))
        refused = seen["refused"] / max(1, seen["ok"] + seen["refused"])
        rows.append([label, f"{used:.1%}", f"{refused:.1%}", f"{seen['lost']:,.0f}"])
    head = ["client", "of the permitted rate", "429 among the replies", "calls lost"]
    about = (
        f"{REQUESTS} requests and {TOKENS:,} tokens a minute, at most {WINDOW_S} s of them at once, {SECONDS} s, "
        f"{IN_FLIGHT} in flight, the emulator answers after 0.2 s, one run"
    )
    return f"{about}\n\n{table(head, rows)}{absent_note()}"


def _limited():
    limits = ("--requests-per-minute", REQUESTS, "--tokens-per-minute", TOKENS, "--rate-window-s", WINDOW_S)
    return emulator(*limits, "--latency", 0.2)


def _client(name: str) -> dict[str, float]:
    with _limited() as base:
        found = drive(name, "limited", base=base, text=TEXT, seconds=SECONDS, in_flight=IN_FLIGHT)
    return {**found, "tokens": found["ok"] * _tokens_of_a_call()}


def _tokens_of_a_call() -> int:
    with emulator() as base:
        body = json.dumps(ask(f"100 {TEXT}")).encode()
        request = urllib.request.Request(f"{base}/chat/completions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            tokens: int = json.load(reply)["usage"]["total_tokens"]
            return tokens


def _runner() -> dict[str, float]:
    with _limited() as base, tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        (folder / "spec.yaml").write_text(SPEC.format(base=base))
        rows = 2 * REQUESTS * (SECONDS + WINDOW_S) // 60
        (folder / "rows.csv").write_text("n,text\n" + "".join(f"{n},{TEXT}\n" for n in range(rows)))
        out = folder / "out.jsonl"
        process = subprocess.Popen(
            [sys.executable, "-m", "throughster", "run", str(folder / "spec.yaml"), "-q", "-o", str(out)]
        )
        while not out.exists():  # from here on it sends
            time.sleep(0.005)
        time.sleep(SECONDS)
        process.send_signal(signal.SIGINT)
        process.wait(30)
        lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    statuses = Counter(attempt["http_status"] for line in lines for attempt in line["attempts"])
    return {
        "ok": statuses[200],
        "refused": statuses[429],
        "tokens": sum(line["usage"]["total_tokens"] for line in lines if line["usage"]),
        "lost": sum(line["status"] not in ("ok", "skipped") for line in lines),
    }
