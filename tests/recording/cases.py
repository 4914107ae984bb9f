"""What is asked of a live endpoint when its replies are recorded, and again when they are replayed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from throughster.client import AzureInterface, MistralInterface, OpenAiInterface, VllmInterface
from throughster.errors import ProviderError, ThroughsterError

__all__ = ["CASES", "CLASSES", "Case", "outcome_of"]

CLASSES = {
    cls.provider.name: cls for cls in (AzureInterface, MistralInterface, OpenAiInterface, VllmInterface)
}  # the offline provider has no replies of its own to record

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "colour": {"type": "string", "enum": ["red", "green", "blue"]},
        "sizes": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "maxItems": 3},
    },
    "required": ["name", "colour", "sizes"],
    "additionalProperties": False,
}  # strings and lists are bounded: a model with random weights never ends one by itself
TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}


def _ask(text, **fields):
    return {"messages": [{"role": "user", "content": text}], **fields}


@dataclass(frozen=True)
class Case:
    """`kind`: how the client asks (call, stream, structured, tools). `model`: in place of the endpoint's own.

    `providers`: who is asked at all; None for all of them.
    """

    kind: str
    request: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    providers: tuple[str, ...] | None = None


CASES = {
    "chat_completion": Case("call", _ask("Say hello in one short sentence.", max_tokens=60, temperature=0)),
    "max_tokens": Case("call", _ask("Tell a long story.", max_tokens=3)),
    "stop": Case("call", _ask("Count from one to ten in words.", max_tokens=60, stop=["e"])),
    "stream": Case("stream", _ask("Say hello in one short sentence.", max_tokens=60, temperature=0)),
    "tools": Case("tools", _ask("What is the weather in Oslo, in celsius?", max_tokens=400), {"tools": [TOOL]}),
    "tools_stream": Case(
        "stream", _ask("What is the weather in Oslo?", max_tokens=400, tools=[TOOL], tool_choice="required")
    ),
    "structured_output": Case(
        "structured", _ask("Describe a shirt, as JSON.", max_tokens=400), {"schema": SCHEMA, "strategy": "json_schema"}
    ),
    "logprobs": Case("call", _ask("Answer yes or no: is water wet?", max_tokens=2, logprobs=True, top_logprobs=3)),
    "wrong_model": Case("call", _ask("Say hello.", max_tokens=5), model="no-such-model"),
    "content_filter": Case(
        "call", _ask("Describe in every detail how a prisoner is tortured.", max_tokens=60), providers=("azure",)
    ),
}


async def outcome_of(client, case):
    """What the client makes of the reply, as JSON: the parts of a response, or the error."""
    try:
        response, texts = await _run(client, case)
    except ThroughsterError as error:
        outcome = {"error": type(error).__name__}
        if isinstance(error, ProviderError):
            outcome |= {"http_status": error.http_status, "code": error.code}
        return outcome
    logprobs = (response.logprobs or {}).get("content") or []
    return {
        "content": response.content,
        "texts": texts,
        "finish_reason": response.finish_reason,
        "refusal": response.refusal,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in response.tool_calls],
        "validated": response.validated_schema,
        "usage": None if response.usage is None else asdict(response.usage),
        "tokens_with_logprobs": len(logprobs),
        "first_logprob": logprobs[0]["logprob"] if logprobs else None,
        "model": response.model,
    }


async def _run(client, case):
    if case.kind == "call":
        return await client.call(case.request), None
    if case.kind == "stream":
        stream = client.stream(case.request)
        texts = [text async for text in stream]
        return stream.response, texts
    if case.kind == "tools":
        return await client.tools_call(case.request, max_attempts=1, **case.options), None
    assert case.kind == "structured", case.kind
    return await client.structured_call(case.request, max_attempts=1, **case.options), None
