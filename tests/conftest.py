"""Shared by all tests: no real keys, no address but loopback, and real local servers to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp import web

_PREFIXES = ("AZURE_OPENAI_", "MISTRAL_", "OPENAI_", "THROUGHSTER_", "VLLM_")
_connect = socket.socket.connect


def _guarded_connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"a test tried to reach {host}")
    return _connect(self, address)


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path_factory):
    """No key or address of the developer's, no network but loopback, no user configuration."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in ("CI", "GITHUB_WORKSPACE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)


@contextlib.asynccontextmanager
async def _serving(handler):
    """A real HTTP server on loopback; every request goes to `handler`. Gives its origin."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _serving_bytes(script):
    """A raw TCP server: `script(reader, writer)` does what no HTTP library would."""

    under_way = set()

    async def once(reader, writer):
        under_way.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await script(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


@pytest.fixture
def serving():
    return _serving


@pytest.fixture
def serving_bytes():
    return _serving_bytes


@pytest.fixture
def process():
    """The installed command as a process of its own, started."""
    started = []

    def start(*args, **options):
        program = Path(sys.executable).parent / "throughster"
        environment = {**os.environ, **options.pop("env", {})}
        started.append(
            subprocess.Popen(
                [program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
            )
        )
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


@contextlib.contextmanager
def _scripted(reply, tls=None):
    """A server in a thread of its own: `reply(body, path)` gives bytes, a value, or (status, headers, bytes or value)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = reply(json.loads(data) if data else None, self.path)
            status, headers, body = answer if isinstance(answer, tuple) else (200, {}, answer)
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "text/event-stream" if body.startswith(b"data:") else "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # who does not trust it ends the handshake
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def scripted():
    return _scripted
