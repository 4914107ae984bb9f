"""A key that a server repeats in every spelling is found nowhere; a replay needs no key and no network."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from tests.soak.figures import exactly
from tests.soak.programs import read_lines, run, write_rows, write_spec

__all__ = ["canary", "offline"]

KEY = "sk-canary/with+odd=chars-0123456789-abcdef"


def spellings():
    in_json = json.dumps(KEY)[1:-1]
    forms = [KEY, in_json, json.dumps(in_json)[1:-1], quote(KEY, safe=""), KEY[:12]]
    return [*forms, *(base64.b64encode(b"x" * n + KEY.encode()).decode() for n in range(3))]


class _Parrot(BaseHTTPRequestHandler):
    """Says the key: in answers, in errors, in headers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = " ".join([*spellings(), f"{KEY[:12]}...{KEY[-4:]}"])
        fails = "fail" in asked["messages"][-1]["content"]
        message = {"role": "assistant", "content": words, "refusal": None}
        body = {"error": {"message": f"Incorrect API key provided: {words}", "code": KEY, "param": KEY}}
        if not fails:
            body = {"id": KEY, "model": KEY, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        data = json.dumps(body).encode()
        self.send_response(422 if fails else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-request-id", KEY)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Nobody reads it."""


def canary(folder):
    """Record and cache a run against the parrot, then look at every byte that was written or shown."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Parrot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    write_rows(folder, ["hello", "fail", "again"])
    write_spec(folder, base, more="outputs: [table.csv]\n")
    environment = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": base, "XDG_CACHE_HOME": str(folder / "cache")}
    shown = ""
    for options in (("--record", "cassettes"), ("--cache", "-o", "more.jsonl"), ("--replay", "cassettes")):
        (folder / "out.jsonl").unlink(missing_ok=True)
        process = subprocess.run(
            [Path(sys.executable).parent / "throughster-run", "s.yaml", "-v", "-o", "out.jsonl", *options]
            if "-o" not in options
            else [Path(sys.executable).parent / "throughster-run", "s.yaml", "-v", *options],
            cwd=folder, env={**_plain_environment(), **environment}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        shown += process.stdout + process.stderr
    server.shutdown()
    server.server_close()
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hits = [
        f"{path.relative_to(folder)}"
        for path, data in written.items()
        for form in spellings()
        if _core(form).encode() in data
    ]
    on_screen = [form for form in spellings() if _core(form) in shown]
    yield exactly("canary key: files that were looked at, at least 8", len(written) >= 8, True)
    yield exactly("canary key: places in files where it stands", len(hits), 0)
    yield exactly("canary key: places on the screen where it stands", len(on_screen), 0)


def _core(form):
    """Base64 at an offset: the middle is what does not depend on what stands around it."""
    return form[4:-4] if form not in spellings()[:5] else form


def _plain_environment():
    import os

    return {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "AZURE_", "MISTRAL_", "VLLM_"))}


def offline(folder):
    """A recorded run is replayed in a network namespace without interfaces."""
    from tests.soak.programs import emulating

    write_rows(folder, ("x" for _ in range(200)))
    with emulating() as base:
        write_spec(folder, base)
        run(folder, "--record", "cassettes")
    (folder / "out.jsonl").unlink()
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        return
    code = subprocess.run(
        ["unshare", "-rn", Path(sys.executable).parent / "throughster-run", "s.yaml", "-o", "out.jsonl", "-q",
         "--replay", "cassettes"], cwd=folder, timeout=120, check=False,
    ).returncode  # fmt: skip
    yield exactly("replay without a network: exit code", code, 0)
    yield exactly("replay without a network: rows", sum(line["status"] == "ok" for line in read_lines(folder)), 200)
