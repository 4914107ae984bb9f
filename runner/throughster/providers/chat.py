"""The chat-completions dialect: replies and stream chunks of any provider that speaks it, as values.

Parsing is permissive: a key may be missing, null or new. What matters is decided by content, never by position:
tool calls by their presence (some servers finish a forced call with `stop`), usage wherever it rides, reasoning under
either of its names, text as a string or as a list of parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from throughster.errors import ServerError
from throughster.providers.failure import classify, no_answer, no_event, read_body, speaks_of_an_error, status_of
from throughster.providers.halves import Halves
from throughster.providers.thinking import MAY_OPEN, Opening, parted
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
from throughster.redact import one_line
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
    from throughster.types import Message, Piece

__all__ = ["Assembler", "Chat", "parse_response"]


class Chat:
    """The dialect of `/chat/completions`, which every provider speaks."""

    path = "/chat/completions"
    messages_key = "messages"

    def check_fields(self, provider: Provider, names: Sequence[str]) -> list[tuple[str, str]]:
        """The names that the provider does not take, each with what is wrong with it."""
        return provider.check_fields(names)

    def build_fields(self, provider: Provider, request: Mapping[str, Any], api_version: str | None) -> dict[str, Any]:
        """The wire fields of a request, messages left out. Raises RequestError on a field that is not taken."""
        fields = provider.build_fields(request, api_version)
        if fields.get("stream") and provider.asks_for_usage(api_version):
            fields.setdefault("stream_options", {"include_usage": True})
        return fields

    def build_messages(self, provider: Provider, messages: Sequence[Message]) -> Sequence[Any]:
        """The messages as the provider wants them; the caller's are never changed."""
        return provider.build_messages(messages)

    def parse_response(self, body: bytes, **about: Any) -> Response:
        """See the module's `parse_response`."""
        return parse_response(body, **about)

    def assembler(self) -> Assembler:
        """What puts the chunks of one stream together."""
        return Assembler()


def parse_response(body: bytes, **about: Any) -> Response:
    """A whole reply. `about`: the fields of Response that the client knows (source, latency_s, ...).

    Raises TransportError when the body is no JSON, ServerError when it is no chat completion, or an error under status
    200.
    """
    try:
        raw = read_json(body)
        choices = raw["choices"]
        choice = choices[0]
        if choice.get("index"):
            choice = next((c for c in choices if not c.get("index")), choice)
        if choice.get("finish_reason") == "error":  # Mistral's way to fail under status 200
            raise _ended_with_error("answer", choice)
        return _response(raw, choice, about)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise no_answer(body, "chat completion") from None


def _response(raw: Mapping[str, Any], choice: Mapping[str, Any], about: Mapping[str, Any]) -> Response:
    message = choice["message"]
    content = message.get("content")
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    if not isinstance(content, str):
        content, thinking = _flatten(content)
        reasoning = reasoning or thinking or None
    # for one character Python searches ten times as fast as for a word
    if reasoning or not content or content[0] in MAY_OPEN or ("<" in content and "</think>" in content):
        content, reasoning = parted(content, optional_text(reasoning) or None)
    calls = message.get("tool_calls")
    if calls and len(calls) > MOST_CALLS:
        raise too_many_calls()
    usage = raw.get("usage")
    return Response(
        content=content,
        finish_reason=optional_text(choice.get("finish_reason")),
        tool_calls=tuple([_tool_call(call) for call in calls]) if calls else (),
        refusal=optional_text(message.get("refusal")),
        reasoning=reasoning,
        logprobs=choice.get("logprobs"),
        usage=parse_usage(usage) if usage else None,
        model=optional_text(raw.get("model")) or "",
        raw=raw,
        **about,
    )


def parse_usage(usage: Mapping[str, Any]) -> Usage:
    """Any count, and any group of details, may be missing or null."""
    prompt = usage.get("prompt_tokens") or 0
    completion = usage.get("completion_tokens") or 0
    prompt_details = usage.get("prompt_tokens_details")
    completion_details = usage.get("completion_tokens_details")
    cached = (prompt_details.get("cached_tokens") if prompt_details else usage.get("num_cached_tokens")) or 0
    reasoning = (completion_details.get("reasoning_tokens") if completion_details else 0) or 0
    return counted(prompt, completion, usage.get("total_tokens") or prompt + completion, cached, reasoning)


def _flatten(content: Any) -> tuple[str, str]:
    """Text and reasoning of a content that is null or a list of parts (Mistral)."""
    if not isinstance(content, list):
        return ("" if content is None else as_text(content)), ""
    text, thinking = [], []
    for part in content:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict):
            if part.get("type", "text") == "text" and "text" in part:
                text.append(as_text(part["text"] or ""))
            elif inner := part.get("thinking"):
                thinking.append(inner if isinstance(inner, str) else _flatten(list(inner))[0])
    return "".join(text), "".join(thinking)


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function") or call.get("custom") or {}
    arguments = function.get("arguments", function.get("input"))
    call_id, name = optional_text(call.get("id")), optional_text(function.get("name"))
    return ToolCall(call_id or "", name or "", parse_arguments(arguments))


def _ended_with_error(what: str, choice: Mapping[str, Any]) -> ServerError:
    said = f": {one_line(as_text(choice['error']), 300)}" if choice.get("error") else "."
    return ServerError(f"The provider ended the {what} with an error (finish_reason `error`){said}", http_status=200)


def _partial(error: ProviderError, text: str) -> ProviderError:
    error.partial = text  # type: ignore[attr-defined]  # for diagnosis, as StreamError has it
    return error


class _Call:
    """A tool call that is still arriving."""

    __slots__ = ("arguments", "id", "index", "key", "name")

    def __init__(self, index: int, key: Any) -> None:
        self.index = index
        self.key = key
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


def _is_whole(arguments: str) -> bool:
    return isinstance(parse_arguments(arguments), dict) and bool(arguments)


class Assembler:
    """Puts the chunks of a stream together. Only the first choice is read.

    `complete`: the stream may end here, since a finish reason was seen, or `[DONE]` after something of an answer.
    """

    def __init__(self) -> None:
        self.complete = False
        self.done = False
        self.unread = b""
        self._opening: Opening | None = Opening()
        self._halves = Halves()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[_Call] = []
        self._logprobs: list[Any] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._model = ""
        self._raw: Any = None

    @property
    def text(self) -> str:
        return "".join(self._text)

    def feed(self, events: Iterable[Event]) -> list[Piece]:
        """See `dialect.Assembler.feed`. Raises StreamError when an event cannot be read."""
        deltas: list[Piece] = []
        data, held = b"", self._halves.held
        try:
            for data, event, _ in events:
                try:
                    chunk = orjson.loads(data)
                except orjson.JSONDecodeError:
                    chunk = self._read_slowly(data, deltas)
                    if self.done:
                        break
                else:
                    if held:
                        chunk = self._halves.mend(chunk)
                if chunk.get("error") or event == "error":
                    raise self._error(data)
                if choices := chunk.get("choices"):
                    self._raw = chunk
                    for choice in choices:
                        self._read_choice(choice, deltas)
                else:
                    self._read_odd(chunk, data)
                if usage := chunk.get("usage"):
                    self._usage = parse_usage(usage)
                    deltas.append(UsageDelta(self._usage))
                if not self._model:
                    self._model = optional_text(chunk.get("model")) or ""
        except (AttributeError, LookupError, TypeError, ValueError):
            raise no_event(data, self.text) from None
        return deltas

    def _read_slowly(self, data: bytes, deltas: list[Piece]) -> dict[str, Any]:
        """What the fast parser does not take: the end, an empty event, or a chunk with odd text."""
        if data.startswith(b"[DONE]"):
            self._finish(deltas)
            self.done = True
            self.complete |= not self._is_empty
            return {}
        return self._halves.mend(read_halves(data)) if data.strip() else {}

    def _read_odd(self, chunk: Mapping[str, Any], data: bytes) -> None:
        """A chunk that brings nothing of an answer."""
        if "choices" in chunk or "usage" in chunk:
            return
        if speaks_of_an_error(chunk):
            raise self._error(data)
        self.unread = data if chunk else self.unread

    def response(self, **about: Any) -> Response:
        text, reasoning = parted(self.text, "".join(self._reasoning).strip() or None)
        return Response(
            content=text,
            finish_reason=self._finish_reason,
            tool_calls=tuple(
                ToolCall(call.id, call.name, parse_arguments("".join(call.arguments))) for call in self._calls
            ),
            refusal="".join(self._refusal) or None,
            reasoning=reasoning,
            logprobs={"content": self._logprobs} if self._logprobs else None,
            usage=self._usage,
            model=self._model,
            raw=self._raw,
            **{"retry_stats": RetryStats(), **about},
        )

    def _read_choice(self, choice: Mapping[str, Any], deltas: list[Piece]) -> None:
        if choice.get("index"):
            return
        delta = choice.get("delta") or (choice.get("message") if self._is_empty else None)
        if delta:
            content = delta.get("content")
            if content:
                if self._opening is None and type(content) is str:
                    self._text.append(content)
                    deltas.append(content)
                else:
                    self._read_content(content, deltas)
            if len(delta) > 1 or not content:
                self._read_rest(delta, deltas)
        if (logprobs := choice.get("logprobs")) and logprobs.get("content"):
            self._logprobs.extend(logprobs["content"])
        if reason := choice.get("finish_reason"):
            if reason == "error":
                raise _partial(_ended_with_error("stream", choice), self.text)
            self._finish(deltas)
            self.complete = True
            self._finish_reason = as_text(reason)
            deltas.append(FinishDelta(self._finish_reason))

    @property
    def _is_empty(self) -> bool:
        """Whether nothing of an answer has come; then a chunk may be a whole answer."""
        return not (self._text or self._reasoning or self._refusal or self._calls)

    def _finish(self, deltas: list[Piece]) -> None:
        """Nothing more comes: what was held back is told."""
        for chunk in self._halves.rest() if self._halves.held else ():
            self._read_choice(chunk["choices"][0], deltas)
        if self._opening is not None:
            self._tell(*self._opening.release(), deltas)

    def _read_content(self, content: Any, deltas: list[Piece]) -> None:
        """Text that may still be the opening of an answer, or parts of one."""
        text, thinking = _flatten(content) if not isinstance(content, str) else (content, "")
        if self._opening is None or thinking:
            held = self._opening.release()[1] if self._opening is not None else []
            self._tell(thinking, [*held, text], deltas)
        elif text:
            self._tell(*self._opening.read(text), deltas)

    def _tell(self, reasoning: str, texts: Iterable[str], deltas: list[Piece]) -> None:
        if reasoning:
            self._reasoning.append(reasoning)
            deltas.append(ReasoningDelta(reasoning))
        for text in texts:
            if text:
                self._text.append(text)
                deltas.append(text)
        if self._opening is not None and self._opening.is_over:
            self._opening = None

    def _read_rest(self, delta: Mapping[str, Any], deltas: list[Piece]) -> None:
        """What is no text."""
        if reasoning := delta.get("reasoning") or delta.get("reasoning_content"):
            if self._opening is not None:  # the server tells it apart itself
                self._tell(*self._opening.release(), deltas)
            self._reasoning.append(as_text(reasoning))
            deltas.append(ReasoningDelta(self._reasoning[-1]))
        if refusal := delta.get("refusal"):
            self._refusal.append(as_text(refusal))
            deltas.append(RefusalDelta(self._refusal[-1]))
        if calls := delta.get("tool_calls"):
            for position, call in enumerate(calls):
                self._read_call(call, position, deltas, alone=len(calls) == 1)

    def _read_call(self, piece: Mapping[str, Any], position: int, deltas: list[Piece], *, alone: bool) -> None:
        function = piece.get("function") or {}
        new_id = optional_text(piece.get("id"))
        if new_id == "null":  # Mistral's way to say that the id was said before
            new_id = None
        call = self._call(piece.get("index"), new_id, function.get("name"), position, alone=alone)
        said_id = said_name = None
        if new_id and not call.id:
            call.id = said_id = new_id
        if (name := function.get("name")) and not call.name:  # some servers repeat the name in every piece
            call.name = said_name = as_text(name)
        arguments = function.get("arguments")
        arguments = "" if arguments is None else as_text(arguments)
        call.arguments.append(arguments)
        deltas.append(ToolCallDelta(call.index, said_id, said_name, arguments))

    def _call(self, key: Any, new_id: str | None, name: str | None, position: int, *, alone: bool) -> _Call:
        """The call that a piece belongs to: that of its id, else of its index, else of its place, else the last one.

        A new id under an index that is taken is a new call (some servers count every call as 0).
        """
        if new_id:
            for call in self._calls:
                if call.id == new_id:
                    return call
        elif key is None and self._calls and alone:
            last = self._calls[-1]
            if not name or not last.name or not _is_whole("".join(last.arguments)):
                return last
            key = len(self._calls)  # another name after a whole call: another call
        key = position if key is None else key
        for call in reversed(self._calls):
            if call.key == key:
                if new_id and call.id:
                    break
                return call
        if len(self._calls) >= MOST_CALLS:
            raise too_many_calls()
        call = _Call(len(self._calls), key)
        self._calls.append(call)
        return call

    def _error(self, data: bytes) -> ProviderError:
        said = read_body(data)
        error = classify(said, status_of(said), title="The stream")
        error.http_status = 200
        return _partial(error, self.text)
