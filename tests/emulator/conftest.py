"""Requests to emulators over real HTTP."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import aiohttp
import pytest

from throughster.emulator import Emulator, Options

PATHS = {
    "openai": "/v1/chat/completions",
    "azure": "/openai/v1/chat/completions",
    "mistral": "/v1/chat/completions",
    "vllm": "/v1/chat/completions",
}
RESPONSES_PATHS = {
    "openai": "/v1/responses",
    "azure": "/openai/v1/responses",
    "vllm": "/v1/responses",
}
MODELS = {
    "openai": "gpt-4o-mini",
    "azure": "my-deployment",
    "mistral": "mistral-medium-latest",
    "vllm": "Qwen/Qwen3-8B",
}


@dataclass(frozen=True)
class Answered:
    """A reply, and the ways to read it."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self):
        return json.loads(self.raw)

    @property
    def message(self):
        return self.body["choices"][0]["message"]

    @property
    def text(self):
        return self.message["content"]

    @property
    def chunks(self):
        """The events of a stream, parsed; fails where one is not well formed or the end is missing."""
        events = self.raw.split(b"\n\n")
        assert events[-1] == b"", "the last event has no blank line"
        assert events[-2] == b"data: [DONE]"
        assert all(event.startswith(b"data: ") and b"\n" not in event for event in events[:-1])
        return [json.loads(event[6:]) for event in events[:-2]]

    @property
    def typed_events(self):
        """The events of the Responses API, parsed; fails where one is not well formed, misnamed or out of order."""
        blocks = self.raw.decode().split("\n\n")
        assert blocks[-1] == "", "the last event has no blank line"
        events = []
        for block in blocks[:-1]:
            name, data = block.split("\n")
            assert data.startswith("data: {")
            events.append(json.loads(data[6:]))
            assert name == f"event: {events[-1]['type']}"
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        return events

    @property
    def output_text(self):
        """The text of a whole response."""
        return "".join(
            part["text"]
            for item in self.body["output"]
            if item["type"] == "message"
            for part in item["content"]
            if part["type"] == "output_text"
        )

    def streamed_text(self, index=0):
        return "".join(
            choice["delta"].get("content") or ""
            for chunk in self.chunks
            for choice in chunk["choices"]
            if choice["index"] == index and "delta" in choice
        )

    def streamed_calls(self):
        """The tool calls of a stream put together by index: [(id, name, arguments)]."""
        calls: dict[int, list[str]] = {}
        for chunk in self.chunks:
            for choice in chunk["choices"]:
                for part in choice["delta"].get("tool_calls") or ():
                    call = calls.setdefault(part["index"], ["", "", ""])
                    identity = part.get("id")
                    call[0] = call[0] or (identity if identity and identity != "null" else "")
                    call[1] = call[1] or part["function"].get("name", "")
                    call[2] += part["function"]["arguments"]
        return [tuple(calls[index]) for index in sorted(calls)]

    @property
    def finish_reasons(self):
        return [c["finish_reason"] for chunk in self.chunks for c in chunk["choices"] if c["finish_reason"]]


def body_for(dialect, **fields):
    """A chat request of that dialect; a field given as None is left out."""
    body = {"model": MODELS[dialect], "messages": [{"role": "user", "content": "Say hi"}], **fields}
    return {key: value for key, value in body.items() if value is not None}


async def request(emulator, body=None, *, path=None, method="POST", headers=None):
    path = path or PATHS[emulator.options.dialect]
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, emulator.url + path, json=body, headers=headers, allow_redirects=False) as response,
    ):
        raw = await response.read()
        return Answered(response.status, {k.lower(): v for k, v in response.headers.items()}, raw)


@pytest.fixture
def ask():
    """`ask("openai", temperature=3)` -> Answered; options of the emulator come as `options={...}`."""

    def ask(dialect, *, options=None, path=None, method="POST", headers=None, body=None, **fields):
        async def once():
            async with Emulator(Options(dialect=dialect, **(options or {}))) as emulator:
                sent = body if body is not None else body_for(dialect, **fields) if method == "POST" else None
                return await request(emulator, sent, path=path, method=method, headers=headers)

        return asyncio.run(once())

    return ask


@pytest.fixture
def respond(ask):
    """`respond("openai", temperature=1)` -> Answered, from the Responses API; `input` is "Say hi" by default."""

    def respond(dialect, *, options=None, path=None, headers=None, **fields):
        body = {"model": MODELS[dialect], "input": "Say hi", **fields}
        body = {key: value for key, value in body.items() if value is not None}
        return ask(dialect, options=options, path=path or RESPONSES_PATHS[dialect], headers=headers, body=body)

    return respond


@pytest.fixture
def converse():
    """`converse(options, talk)` runs `await talk(emulator, send)` against a running emulator and returns its result."""

    def converse(options, talk):
        async def inside():
            async with Emulator(options) as emulator:

                async def send(body=None, **how):
                    return await request(emulator, body, **how)

                return await talk(emulator, send)

        return asyncio.run(inside())

    return converse


@pytest.fixture
def chat_body():
    return body_for


@pytest.fixture
def weather_tool():
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}


@pytest.fixture
def flat_tool(weather_tool):
    return {"type": "function", **weather_tool["function"]}
