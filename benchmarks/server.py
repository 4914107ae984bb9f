"""Servers that cost next to nothing, in another process: nginx where it is installed, else a small one on uvloop.

Under `/v1` a call gets a fixed answer, under `/stream/v1` a fixed event stream. Under `/slow/v1` (never nginx) the
answer comes after as many seconds as the last message says.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '{"translation":"Bonjour"}'},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
}
PIECES = 200

NGINX = """
daemon off; pid %(folder)s/nginx.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 10000000; default_type application/json; sendfile on;
  client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server {
    listen 127.0.0.1:%(port)d;
    location /v1/chat/completions { return 200 '%(answer)s'; }
    location /stream/ {
      root %(folder)s; default_type text/event-stream; error_page 405 =200 $uri;  # files are not for POST
    }
  }
}
"""


def event_stream() -> bytes:
    """About 40 KB: a role, PIECES pieces of text, and a finish reason; then `[DONE]`."""

    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        about = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return b"data: " + json.dumps({**about, "choices": [choice]}).encode() + b"\n\n"

    pieces = [event({"content": f" word{n}"}) for n in range(PIECES)]
    return b"".join([event({"role": "assistant", "content": ""}), *pieces, event({}, "stop"), b"data: [DONE]\n\n"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def static_server():
    """Gives the name of the server and its address up to `/v1`."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        with small_server() as base:
            yield "a small server on uvloop", base
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads the stream as another user
        answer = json.dumps(ANSWER).replace('\\"', '\\\\"')
        (folder / "nginx.conf").write_text(NGINX % {"folder": folder, "port": port, "answer": answer})
        stream = folder / "stream" / "v1" / "chat" / "completions"
        stream.parent.mkdir(parents=True)
        stream.write_bytes(event_stream())
        with running([nginx, "-p", name, "-c", str(folder / "nginx.conf")], port):
            yield "nginx", f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def small_server():
    """Gives its address up to `/v1`."""
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.server", str(port)], port):
        yield f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def emulator(*options: object):
    """`throughster emulate` with these options; gives its address up to `/v1`."""
    port = free_port()
    command = [sys.executable, "-m", "throughster", "emulate", "--port", str(port), *map(str, options)]
    with running(command, port):
        yield f"http://127.0.0.1:{port}/v1"


@contextlib.contextmanager
def running(command: list[str], port: int):
    """The command, once it listens on the port, until the context is left."""
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield
    finally:
        process.terminate()
        process.wait(10)


def at(base: str, path: str) -> str:
    """The address of the same server under another path: `stream`, `slow`."""
    return base.removesuffix("v1") + f"{path}/v1"


def _wait(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("The server did not come up.")


def main() -> None:
    import asyncio

    import uvloop
    from aiohttp import web

    body, stream = json.dumps(ANSWER).encode(), event_stream()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    async def streamed(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=stream, content_type="text/event-stream")

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(float((await request.json())["messages"][-1]["content"]))
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    for path, handler in (("", answer), ("/stream", streamed), ("/slow", slow)):
        app.router.add_post(f"{path}/v1/chat/completions", handler)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None, loop=loop)


if __name__ == "__main__":
    main()
