"""A server that costs next to nothing: nginx where it is installed, else a small aiohttp one, in another process."""

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

NGINX = """
daemon off; pid %(folder)s/nginx.pid; error_log stderr crit; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 10000000; default_type application/json;
  client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server {
    listen 127.0.0.1:%(port)d;
    location /v1/chat/completions { return 200 '%(answer)s'; }
  }
}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def static_server():
    """Gives the name of the server and its address up to `/v1`."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx:
            answer = json.dumps(ANSWER).replace('\\"', '\\\\"')
            config = Path(folder) / "nginx.conf"
            config.write_text(NGINX % {"folder": folder, "port": port, "answer": answer})
            command = [nginx, "-p", folder, "-c", str(config)]
        else:
            command = [sys.executable, "-m", "benchmarks.server", str(port)]
        process = subprocess.Popen(command)
        try:
            _wait(port)
            yield ("nginx" if nginx else "aiohttp"), f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(10)


def _wait(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("the static server did not come up")


def main() -> None:
    from aiohttp import web

    body = json.dumps(ANSWER).encode()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
