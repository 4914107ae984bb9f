"""The Responses dialect (`/responses`): the same requests and answers as chat completions, in other words.

The newest models take function tools only here. Source: OpenAI's API reference of responses, state of 2026-11; vLLM
and Azure follow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import RequestError, ServerError
from throughster.names import did_you_mean
from throughster.providers.failure import classify, no_answer, no_event, read_body, speaks_of_an_error, status_of
from throughster.providers.halves import Halves
from throughster.providers.thinking import Opening, parted
from throughster.providers.values import (
    MOST_CALLS,
    as_text,
    counted,
    optional_text,
    parse_arguments,
    read_halves,
    read_json,
    too_many_calls,
)
from throughster.types import (
    FinishDelta,
    ReasoningDelta,
    RefusalDelta,
    Response,
    RetryStats,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageDelta,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from throughster.errors import ProviderError
    from throughster.providers.base import Provider
    from throughster.sse import Event
    from throughster.types import Delta, Message, Piece

__all__ = ["Responses", "ResponsesAssembler"]

_SAME = frozenset({
    "background", "conversation", "include", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
    "parallel_tool_calls", "previous_response_id", "prompt_cache_key", "prompt_cache_retention", "reasoning",
    "safety_identifier", "service_tier", "store", "stream", "temperature", "text", "top_logprobs", "top_p",
    "truncation", "user",
})  # fmt: skip
_TRANSLATED = frozenset({
    "extra_body", "logprobs", "max_completion_tokens", "max_tokens", "messages", "reasoning_effort", "response_format",
    "tool_choice", "tools", "verbosity",
})  # fmt: skip
_PARTS = {"text": "input_text", "image_url": "input_image", "file": "input_file"}
_TEXT_EVENTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_REASONING_EVENTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


class Responses:
    """The dialect of `/responses`."""

    path = "/responses"
    messages_key = "input"

    def check_fields(self, provider: Provider, names: Sequence[str]) -> list[tuple[str, str]]:
        """The names that cannot be said in this dialect, each with what is wrong with it."""
        extra = provider.fields - {"frequency_penalty", "logit_bias", "n", "presence_penalty", "seed", "stop"}
        known = _SAME | _TRANSLATED | (extra if provider.name == "vllm" else frozenset())
        return [
            (name, f"{provider.title} takes no `{name}` at /responses. {did_you_mean(name, known)}".rstrip())
            for name in names
            if name not in known
        ]

    def build_fields(self, provider: Provider, request: Mapping[str, Any], api_version: str | None) -> dict[str, Any]:  # noqa: ARG002
        """The wire fields of a request with the names of chat completions. Raises RequestError on what has no place."""
        for _, message in self.check_fields(provider, tuple(request)):
            raise RequestError(f"{message} (extra_body={{...}} sends a field as it is.)")
        fields: dict[str, Any] = {}
        for name, value in request.items():
            if name in ("max_tokens", "max_completion_tokens"):
                fields["max_output_tokens"] = value
            elif name == "reasoning_effort":
                fields["reasoning"] = {**fields.get("reasoning", {}), "effort": value}
            elif name == "verbosity":
                fields["text"] = {**fields.get("text", {}), "verbosity": value}
            elif name == "response_format":
                fields["text"] = {**fields.get("text", {}), "format": _format(value)}
            elif name == "logprobs":
                if value:
                    fields["include"] = [*fields.get("include", []), "message.output_text.logprobs"]
            elif name == "tools":
                fields["tools"] = [_tool(tool) for tool in value]
            elif name == "tool_choice":
                fields["tool_choice"] = _choice(value)
            elif name not in ("messages", "extra_body"):
                fields[name] = value
        fields.update(request.get("extra_body") or {})
        return fields

    def build_messages(self, provider: Provider, messages: Sequence[Message]) -> Sequence[Any]:  # noqa: ARG002
        """The input items: messages, the calls in them, and what the calls gave."""
        items: list[dict[str, Any]] = []
        for message in messages:
            if message.get("role") == "tool":
                output = as_text(message.get("content") or "")
                items.append({"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": output})
                continue
            if message.get("content") or not message.get("tool_calls"):
                # OpenAI needs no `type` here; llama-server does for an assistant's text, vLLM for its parts
                items.append({"type": "message", "role": message.get("role"), "content": _content(message)})
            for call in message.get("tool_calls") or ():
                function = call.get("function") or {}
                items.append({
                    "type": "function_call",
                    "call_id": call.get("id"),
                    "name": function.get("name"),
                    "arguments": function.get("arguments") or "{}",
                })  # fmt: skip
        return items

    def parse_response(self, body: bytes, **about: Any) -> Response:
        """A whole reply. Raises TransportError where it is no JSON, ServerError where it is no response, or failed."""
        try:
            raw = read_json(body)
            if raw["object"] != "response":
                raise no_answer(body, "response")
            return _response(raw, about)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise no_answer(body, "response") from None

    def assembler(self) -> ResponsesAssembler:
        """What puts the events of one stream together."""
        return ResponsesAssembler()


def _format(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("json_schema"), dict):
        return {"type": "json_schema", **value["json_schema"]}
    return value


def _tool(tool: Any) -> Any:
    if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
        function = tool["function"]
        # here `strict` is true where it is not said, and a schema that is not strict would be refused
        return {"type": "function", **function, "strict": function.get("strict", False)}
    return tool


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        return {"type": "function", "name": choice["function"].get("name")}
    return choice


def _content(message: Message) -> Any:
    content = message.get("content")
    if not isinstance(content, list):
        return content or ""
    parts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and message.get("role") == "assistant":
            parts.append({"type": "output_text", "text": part.get("text", "")})
        elif kind == "image_url":
            image = part["image_url"]
            parts.append({"type": "input_image", **({"image_url": image} if isinstance(image, str) else _image(image))})
        else:
            parts.append({**part, "type": _PARTS.get(str(kind), kind)})
    return parts


def _image(image: Mapping[str, Any]) -> dict[str, Any]:
    return {"image_url": image.get("url"), **({"detail": image["detail"]} if "detail" in image else {})}


def _response(raw: Mapping[str, Any], about: Mapping[str, Any]) -> Response:
    if raw.get("status") == "failed" or raw.get("error"):
        raise _failure(raw)
    text: list[str] = []
    refusal: list[str] = []
    reasoning: list[str] = []
    logprobs: list[Any] = []
    calls: list[ToolCall] = []
    for item in raw.get("output") or ():
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                text.append(as_text(part.get("text") or ""))
                refusal.append(as_text(part.get("refusal") or ""))
                logprobs += part.get("logprobs") or ()
        elif kind == "function_call":
            call_id, name = optional_text(item.get("call_id") or item.get("id")), optional_text(item.get("name"))
            calls.append(ToolCall(call_id or "", name or "", parse_arguments(item.get("arguments"))))
        elif kind == "reasoning":
            parts = [*(item.get("summary") or ()), *(item.get("content") or ())]
            reasoning += [as_text(part.get("text") or "") for part in parts]
    if len(calls) > MOST_CALLS:
        raise too_many_calls()
    usage = raw.get("usage")
    content, thought = parted("".join(text), "".join(reasoning) or None)
    return Response(
        content=content,
        finish_reason=_finish_reason(raw, calls),
        tool_calls=tuple(calls),
        refusal="".join(refusal) or None,
        reasoning=thought,
        logprobs={"content": logprobs} if logprobs else None,
        usage=_usage(usage) if usage else None,
        model=optional_text(raw.get("model")) or "",
        raw=raw,
        **{"retry_stats": RetryStats(), **about},
    )


def _finish_reason(raw: Mapping[str, Any], calls: Sequence[ToolCall]) -> str:
    if raw.get("status") == "incomplete":
        reason = (raw.get("incomplete_details") or {}).get("reason") or "incomplete"
        return {"max_output_tokens": "length", "max_tokens": "length"}.get(reason, reason)
    return "tool_calls" if calls else "stop"


def _usage(usage: Mapping[str, Any]) -> Usage:
    prompt, completion = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
    return counted(prompt, completion, usage.get("total_tokens") or prompt + completion, cached, reasoning)


def _failure(raw: Mapping[str, Any]) -> ProviderError:
    said = read_body(as_text({"error": raw.get("error") or {"message": "the response failed"}}).encode())
    error = classify(said, status_of(said), title="The response")
    error.http_status = 200
    return error


class ResponsesAssembler:
    """Puts the typed events of one stream together; the last of them carries the whole response."""

    def __init__(self) -> None:
        self.complete = False
        self.done = False
        self.unread = b""
        self._opening: Opening | None = Opening()
        self._halves = Halves()
        self._text: list[str] = []
        self._raw: Mapping[str, Any] | None = None
        self._calls: dict[str, int] = {}

    @property
    def text(self) -> str:
        """The text that has arrived."""
        return "".join(self._text)

    def feed(self, events: Iterable[Event]) -> list[Piece]:
        """See `dialect.Assembler.feed`. Raises StreamError when an event cannot be read."""
        deltas: list[Piece] = []
        for data, event, _ in events:
            if data.startswith(b"[DONE]"):
                self.done = True
            elif data.strip():
                try:
                    deltas += self._deltas(self._read(data), event, data)
                except (AttributeError, LookupError, TypeError, ValueError):
                    raise no_event(data, self.text) from None
            if self.done:
                break
        return deltas

    def _read(self, data: bytes) -> Mapping[str, Any]:
        try:
            said = orjson.loads(data)
        except orjson.JSONDecodeError:
            return self._halves.mend(read_halves(data))
        return self._halves.mend(said) if self._halves.held else said

    def _deltas(self, said: Mapping[str, Any], event: str, data: bytes) -> Sequence[Piece]:
        """Raises AttributeError and its like where the event has another shape."""
        kind = said.get("type") or event
        if kind in _TEXT_EVENTS:
            return self._text_delta(kind, as_text(said.get("delta") or ""))
        if kind in _REASONING_EVENTS:
            return [ReasoningDelta(as_text(said["delta"]))] if said.get("delta") else []
        if kind == "response.output_item.added":
            return self._begin_call(said.get("item") or {})
        if kind == "response.function_call_arguments.delta":
            index = self._calls.get(said.get("item_id") or "", max(len(self._calls) - 1, 0))
            return [ToolCallDelta(index, None, None, as_text(said.get("delta") or ""))]
        if kind in ("response.completed", "response.incomplete"):
            return self._end(said.get("response") or {})
        if kind in ("response.failed", "error") or (said.get("error") and "response" not in said):
            raise self._error(said)
        if not str(kind).startswith("response."):
            if speaks_of_an_error(said):
                raise self._error(said)
            self.unread = data
        return []

    def response(self, **about: Any) -> Response:
        """The whole answer."""
        if self._raw is None:
            raise ServerError("The stream held no response.", http_status=200)
        return _response(self._raw, about)

    def _text_delta(self, kind: str, text: str) -> Sequence[Piece]:
        if not text:
            return []
        if kind != "response.output_text.delta":
            return [RefusalDelta(text)]
        if self._opening is not None:
            return self._told(*self._opening.read(text))
        self._text.append(text)
        return [text]

    def _told(self, reasoning: str, texts: list[str]) -> list[Piece]:
        """What is known of the opening of the text."""
        self._text += texts
        if self._opening is not None and self._opening.is_over:
            self._opening = None
        return [*([ReasoningDelta(reasoning)] if reasoning else ()), *texts]

    def _begin_call(self, item: Mapping[str, Any]) -> list[Delta]:
        if item.get("type") != "function_call":
            return []
        if len(self._calls) >= MOST_CALLS:
            raise too_many_calls()
        index = self._calls[item.get("id") or str(len(self._calls))] = len(self._calls)
        return [ToolCallDelta(index, optional_text(item.get("call_id")), optional_text(item.get("name")), "")]

    def _end(self, raw: Mapping[str, Any]) -> list[Piece]:
        deltas: list[Piece] = []
        for event in self._halves.rest() if self._halves.held else ():
            deltas += self._deltas(event, "", b"")
        if self._opening is not None:
            deltas += self._told(*self._opening.release())
        self._raw = raw
        self.complete = self.done = True
        whole = _response(raw, {})
        deltas.append(FinishDelta(whole.finish_reason or "stop"))
        if whole.usage is not None:
            deltas.append(UsageDelta(whole.usage))
        return deltas

    def _error(self, said: Mapping[str, Any]) -> ProviderError:
        inner = said.get("response") or {}
        error = _failure({"error": inner.get("error") or said.get("error") or said})
        error.partial = self.text  # type: ignore[attr-defined]  # for diagnosis, as StreamError has it
        return error
