"""The server that both programs ask: an answer is what its prompt says it is, so that equal requests get equal answers."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Server"]

_WANTED = re.compile(r"<<<(.*)>>>", re.DOTALL)
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def answer(body):
    """The choice for a request: what stands between `<<<` and `>>>` in its last message, or the message itself."""
    text = _text(body["messages"][-1].get("content"))
    if "JUDGE-YES" in text or "JUDGE-NO" in text:
        passes = "JUDGE-YES" in text
        judgement = {"reason": "as told", "pass": passes, "passed": passes, "score": 1 if passes else 0}
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
        return _said(json.dumps({name: judgement[name] for name in schema.get("properties", judgement)}))
    found = _WANTED.search(text)
    wanted = found[1] if found else text
    kind, _, rest = wanted.partition(" ")
    if kind == "!refuse":
        return {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, "refusal": rest}}
    if kind == "!length":
        return {**_said(rest), "finish_reason": "length"}
    if kind == "!tool":
        name, _, arguments = rest.partition(" ")
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return {"index": 0, "finish_reason": "tool_calls", "message": message}
    return _said("" if kind == "!empty" else wanted)


def _said(text):
    return {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}


def _text(content):
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def embedding(text):
    """How often each letter occurs: equal texts are equally far from anything."""
    return [float(text.lower().count(letter)) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz"]


class Server:
    """Counts and keeps what it is asked. Use as a context manager; `address` ends in /v1."""

    def __enter__(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args):
                pass

            def do_GET(self):
                self._reply({"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path.endswith("/embeddings"):
                    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                    data = [{"index": n, "embedding": embedding(text)} for n, text in enumerate(texts)]
                    self._reply({"object": "list", "data": data, "model": "m", "usage": _USAGE})
                    return
                server.bodies.append(body)
                whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": _USAGE}
                self._reply({**whole, "choices": [answer(body)]})

            def _reply(self, value):
                data = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.bodies = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
        self._server.server_close()

    def taken(self):
        """The bodies since the last time, in a fixed order."""
        taken, self.bodies = self.bodies, []
        return sorted(taken, key=lambda body: json.dumps(body, sort_keys=True))
