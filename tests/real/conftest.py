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
    endpoint: str = "chat/completions"

    def client(self, **options):
        given = {"api_key": servers.KEY, "model_name": servers.MODEL, "endpoint": self.endpoint}
        given |= {"retry": Retry(initial_delay_s=0.05)}
        return self.cls(**{**self.options, **given, "limits": Limits(max_in_flight=8), **options})

    def taken(self, **fields):
        """Those of the fields that this server takes."""
        return {name: value for name, value in fields.items() if name not in self.lacks}

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
def small_model():
    yield from _started(servers.small_model())


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
    "llama-server": frozenset({"forced tools", "unknown model"}),  # a forced tool is `auto` to it, any model its own
    "azure": frozenset({"choices"}),
    "openai": frozenset({"choices"}),
}
_RESPONSES_LACKS = {
    "vllm": frozenset({"seed", "stop"}),
    # it passes over `text.format`, has no logprobs, and calls an answer complete that it cut at the token limit
    "llama-server": frozenset({"cut answers", "logprobs", "seed", "stop", "structured answers"}),
}
_AT_RESPONSES = " at /responses"


@pytest.fixture(
    params=["vllm", "llama_server", "nginx", "litellm", f"vllm{_AT_RESPONSES}", f"llama_server{_AT_RESPONSES}"]
)
def server(request):
    name = request.param.removesuffix(_AT_RESPONSES)
    running = request.getfixturevalue(name)
    if name in ("vllm", "llama_server"):
        cls = VllmInterface if name == "vllm" else OpenAiInterface
        options = {"api_base": f"{running.origin}/v1"}
    else:
        cls, options = AzureInterface, {"api_base": running.origin, "api_version": "2024-10-21"}
    lacks = _LACKS[running.engine] | _LACKS.get(cls.provider.name, frozenset())
    if name == "litellm":
        lacks |= {"wrong key", "list models"}  # without a database it says 400 to a wrong key
    if name != request.param:
        return Server(cls, options, lacks | _RESPONSES_LACKS[running.engine], "responses")
    return Server(cls, options, lacks)
