"""The servers, each started once for all tests, and what each of them can do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.real import servers

from throughster.client import AzureInterface, OpenAiInterface, VllmInterface
from throughster.types import Limits, Retry

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Server:
    """How the client reaches a server. `lacks`: what it does not do, from its own documentation or by trying."""

    cls: type
    options: dict[str, Any]
    lacks: frozenset[str] = field(default_factory=frozenset)

    def client(self, **options):
        given = {"api_key": servers.KEY, "model_name": servers.MODEL, "retry": Retry(initial_delay_s=0.05)}
        return self.cls(**{**self.options, **given, "limits": Limits(max_in_flight=8), **options})

    def run(self, scenario, **options):
        async def go():
            async with self.client(**options) as client:
                return await scenario(client)

        return asyncio.run(go())


def _started(started):
    """A session-wide server, or a skip that says why there is none."""
    try:
        with started as running:
            yield running
    except servers.UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def vllm():
    yield from _started(servers.vllm())


@pytest.fixture(scope="session")
def llama_server():
    yield from _started(servers.llama_server())


@pytest.fixture(scope="session")
def litellm(request):
    yield from _started(servers.litellm(_upstream(request)))


@pytest.fixture(scope="session")
def nginx(request):
    yield from _started(servers.nginx(_upstream(request)))


def _upstream(request):
    """Whichever engine there is."""
    for name in ("llama_server", "vllm"):
        try:
            return request.getfixturevalue(name)
        except pytest.skip.Exception as skipped:
            reason = skipped
    pytest.skip(f"there is no engine to put it in front of: {reason}")


@pytest.fixture(params=["vllm", "llama_server", "nginx", "litellm"])
def server(request):
    running = request.getfixturevalue(request.param)
    return {
        "vllm": lambda: Server(VllmInterface, {"api_base": f"{running.origin}/v1"}),
        "llama_server": lambda: Server(
            OpenAiInterface,
            {"api_base": f"{running.origin}/v1"},
            frozenset({"forced tools", "unknown model", "choices"}),
        ),
        "nginx": lambda: Server(
            AzureInterface,
            {"api_base": running.origin, "api_version": "2024-10-21"},
            frozenset({"forced tools", "unknown model", "choices"}),
        ),
        "litellm": lambda: Server(
            AzureInterface,
            {"api_base": running.origin, "api_version": "2024-10-21"},
            frozenset({"forced tools", "choices", "wrong key", "list models"}),
        ),
    }[request.param]()
