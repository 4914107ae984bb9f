"""The clients that are measured, each as its users write it: a call that gives text, a stream that counts its pieces.

`times` gets the moment of each piece, where it is asked for. Each client is imported when it is opened, so that the
memory of one holds nothing of another.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import Any

JSON = {"Content-Type": "application/json"}
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}  # as ours asks by itself


class _Bare:
    def __init__(self, session: Any, base: str) -> None:
        import orjson

        self._session, self._url = session, f"{base}/chat/completions"
        self._dumps, self._loads = orjson.dumps, orjson.loads

    async def call(self, ask: dict[str, Any]) -> str:
        async with self._session.post(self._url, data=self._dumps(ask), headers=JSON, raise_for_status=True) as reply:
            text: str = self._loads(await reply.read())["choices"][0]["message"]["content"]
            return text

    async def stream(self, ask: dict[str, Any], times: list[float] | None = None) -> int:
        pieces, rest, loads = 0, b"", self._loads
        body = self._dumps({**ask, **STREAMED})
        async with self._session.post(self._url, data=body, headers=JSON) as reply:
            async for chunk in reply.content.iter_any():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    data = event[6:]
                    if data == b"[DONE]":
                        continue
                    choices = loads(data)["choices"]
                    if choices and choices[0]["delta"].get("content"):
                        pieces += 1
                        if times is not None:
                            times.append(time.perf_counter())
        return pieces


class _Ours:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def call(self, ask: dict[str, Any]) -> str:
        text: str = (await self._client.call(ask)).content
        return text

    async def stream(self, ask: dict[str, Any], times: list[float] | None = None) -> int:
        pieces = 0
        async for _ in self._client.stream(ask):
            pieces += 1
            if times is not None:
                times.append(time.perf_counter())
        return pieces


class _Sdk:
    """The openai SDK, and litellm, whose answers have the same shape."""

    def __init__(self, create: Any) -> None:
        self._create = create

    async def call(self, ask: dict[str, Any]) -> str:
        text: str = (await self._create(**ask)).choices[0].message.content
        return text

    async def stream(self, ask: dict[str, Any], times: list[float] | None = None) -> int:
        pieces = 0
        async for chunk in await self._create(**ask, **STREAMED):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces += 1
                if times is not None:
                    times.append(time.perf_counter())
        return pieces


@asynccontextmanager
async def opened(name: str, base: str, in_flight: int, *, adaptive: bool = True):
    """The client of that name, for requests to `base`, of which so many may be under way.

    `adaptive`: ours feels its way from 20 at once; without, it sends as many as it may from the start, as peers do.
    """
    if name == "bare":
        import aiohttp

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield _Bare(session, base)
    elif name == "ours":
        from throughster import Limits, create_interface

        limits = Limits(max_in_flight=in_flight, adaptive=adaptive)
        async with create_interface("vllm", api_base=base, model_name="m", limits=limits) as client:
            yield _Ours(client)
    elif name == "openai":
        import openai

        async with openai.AsyncOpenAI(base_url=base, api_key="k") as client:
            yield _Sdk(client.chat.completions.create)
    else:
        import litellm

        async def create(model: str, **ask: Any) -> Any:
            return await litellm.acompletion(model=f"openai/{model}", api_base=base, api_key="k", **ask)

        yield _Sdk(create)
