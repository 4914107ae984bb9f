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
    reasons = []
    for name in ("vllm", "llama_server"):
        try:
            return request.getfixturevalue(name)
        except pytest.skip.Exception as skipped:
            reasons.append(str(skipped))
    pytest.skip(f"there is no engine to put it in front of: {'; '.join(reasons)}")


_LACKS = {
    "vllm": frozenset(),
    "llama-server": frozenset(
        {"forced tools", "unknown model"}
    ),  # it treats a forced tool as `auto`, any model as its own
    "azure": frozenset({"choices"}),
    "openai": frozenset({"choices"}),
}


@pytest.fixture(params=["vllm", "llama_server", "nginx", "litellm"])
def server(request):
    running = request.getfixturevalue(request.param)
    unproxied: set[str] = set()
    if request.param in ("vllm", "llama_server"):
        cls = VllmInterface if request.param == "vllm" else OpenAiInterface
        options = {"api_base": f"{running.origin}/v1"}
    else:
        cls, options = AzureInterface, {"api_base": running.origin, "api_version": "2024-10-21"}
        unproxied = {"responses"}  # neither passes Azure's address of it on
    lacks = _LACKS[running.engine] | _LACKS.get(cls.provider.name, frozenset())
    if request.param == "litellm":
        lacks |= {"wrong key", "list models"}  # without a database it says 400 to a wrong key
    return Server(cls, options, lacks | unproxied)
