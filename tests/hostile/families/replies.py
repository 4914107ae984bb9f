"""Servers that answer with too much, too deep, or never end: each is an error of its row, and no other row is lost."""

from __future__ import annotations

from tests.hostile.attack import Attack

FAMILY = "replies"
_SERVER = """
import http.server, threading, runpy, sys, os
BODY = {body}
class Reply(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["content-length"]))
        good = b"good" in asked
        pieces = [b'{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"fine"}},"finish_reason":"stop"}}]}}'] if good else BODY
        self.send_response(200)
        self.send_header("content-type", "application/json" if good else "{kind}")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for piece in pieces: self.wfile.write(piece)
        except OSError: pass
        self.close_connection = True
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Reply)
threading.Thread(target=server.serve_forever, daemon=True).start()
open("s.yaml", "w").write('''version: 1
provider: {{name: vllm, model: m, api_base: "http://127.0.0.1:%d/v1"}}
prompt: "{{{{ a }}}}"
data: [{{a: good}}, {{a: bad}}]
retry: {{max_attempts: 1}}
stream: {stream}
''' % server.server_port)
sys.argv = ["throughster-run", "s.yaml"]
from throughster.cli import run_main
try: run_main()
except SystemExit as stop: sys.stdout.flush(); os._exit(int(stop.code or 0))
"""
_CONTENT = 'b\'{"choices":[{"index":0,"message":{"role":"assistant","content":\''
_WHOLE = {
    "deep": "[b'[' * 5_000_000]",
    "deep-content": f"[{_CONTENT} + b'[' * 500_000]",
    "deep-objects": "[b'{\"a\":' * 500_000]",
    "deep-arguments": "[b'{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"' + b'[' * 500_000 + b'\"}}]}}]}']",
    "number": "[b'9' * 5_000_000]",
    "not-json": "[b'<html>' * 1_000_000]",
    "nul": "[b'\\0' * 5_000_000]",
    "calls": "[b'{\"choices\":[{\"message\":{\"tool_calls\":[' + b'{},' * 300_000 + b'{}]}}]}']",
    "choices": "[b'{\"choices\":[' + b'{},' * 300_000 + b'{}]}']",
    "endless": "iter(lambda: b' ' * 1_000_000, None)",
}  # fmt: skip
_STREAMED = {
    "line": "(b'data: ' if n == 0 else b'x' * 1_000_000 for n in range(150))",
    "deep": "[b'data: ' + b'[' * 500_000 + b'\\n\\n']",
    "comments": "iter(lambda: b': waiting\\n\\n' * 100_000, None)",
    "no-end": "[b'data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\\n\\n']",
    "odd": "[b'data: {\"choices\":[null]}\\n\\ndata: 3\\n\\ndata: [DONE]\\n\\n']",
    "fields": "[b'id: ' + b'x' * 5_000_000 + b'\\n\\n']",
}  # fmt: skip


def _attack(name: str, body: str, kind: str, stream: str) -> Attack:
    program = _SERVER.format(body=body, kind=kind, stream=stream)
    return Attack(FAMILY, name, ("python", program), code=(0, 1, 3), says="fine")


ATTACKS = (
    *(_attack(name, body, "application/json", "false") for name, body in _WHOLE.items()),
    *(_attack(f"stream-{name}", body, "text/event-stream", "true") for name, body in _STREAMED.items()),
)
