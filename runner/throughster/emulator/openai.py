"""OpenAI: which addresses there are, and in which words and chunks its chat completions answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from throughster.emulator.dialect import Dialect
from throughster.emulator.model_rules import effort_of, is_for_responses_only
from throughster.emulator.openai_faults import openai_error
from throughster.emulator.openai_request import FIELDS, read_openai
from throughster.emulator.openai_trouble import OpenAITrouble
from throughster.emulator.responses_envelope import openai_envelope
from throughster.emulator.responses_reply import ReplyStyle, ResponseReply
from throughster.emulator.responses_request import bad_format, bad_tool, read_responses
from throughster.emulator.streams import DONE, event, fragments, interleaved, text_events, token_logprobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from throughster.emulator.answering import Call, Choice, Outcome, UnanswerableError
    from throughster.emulator.checks import Field
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation, RejectedError, Route
    from throughster.emulator.question import Question
    from throughster.emulator.trouble import Trouble

__all__ = ["OpenAI", "finish_reason", "usage_of"]

# Dated names behind the aliases; a reply names the dated one.
_SNAPSHOTS: Final = {
    "gpt-4o": "2024-11-20",
    "gpt-4o-mini": "2024-07-18",
    "gpt-4.1": "2025-04-14",
    "gpt-4.1-mini": "2025-04-14",
    "gpt-5": "2025-08-07",
    "gpt-5-mini": "2025-08-07",
    "gpt-5-nano": "2025-08-07",
    "o3": "2025-04-16",
}
_Chunk = dict[str, Any]


class OpenAI(Dialect):
    """api.openai.com."""

    routes: ClassVar[Mapping[str, Mapping[str, Operation]]] = {
        "/v1/chat/completions": {"POST": "chat"},
        "/v1/responses": {"POST": "responses"},
        "/v1/models": {"GET": "models"},
    }
    server: ClassVar[str] = "cloudflare"

    def not_found(self, method: str, path: str) -> RejectedError:
        return openai_error(404, f"Invalid URL ({method} {path})")

    def method_not_allowed(self, method: str, path: str) -> RejectedError:
        return openai_error(405, f"Not allowed to {method} on {path}.")

    def unreadable(self, message: str, status: int = 400) -> RejectedError:
        return openai_error(status, f"The body of the request could not be read as JSON: {message}")

    def check_key(self, headers: Mapping[str, str]) -> None:
        if self.options.api_key is None or self.bearer_matches(headers):
            return
        sent = headers.get("authorization", "")
        if not sent:
            raise openai_error(401, "No API key was provided in the Authorization header, as a Bearer token.")
        masked = f"{sent.split()[-1][:3]}***{sent[-1]}"
        raise openai_error(401, f"Incorrect API key provided: {masked}.", code="invalid_api_key")

    def models(self) -> dict[str, Any]:
        names = [self.options.model] if self.options.model else list(_SNAPSHOTS)
        cards = [{"id": name, "object": "model", "created": 1_735_689_600, "owned_by": "system"} for name in names]
        return {"object": "list", "data": cards}

    def read(self, body: dict[str, Any], route: Route) -> Question:
        model = self.model_asked_for(body, route)
        if route.operation == "responses":
            return read_responses(body, model, self.options)
        if is_for_responses_only(model, self.options.reasoning_models):
            raise self.for_responses_only(model)
        return read_openai(body, model, self.options, self.fields(route))

    def fields(self, route: Route) -> Mapping[str, Field]:  # noqa: ARG002  # Azure reads the route
        return FIELDS

    def model_asked_for(self, body: Mapping[str, Any], route: Route) -> str:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise openai_error(400, "you must provide a model parameter")
        if self.options.model is None or model == self.options.model:
            return model
        if route.operation == "responses":
            message = f"The requested model '{model}' does not exist."
            raise openai_error(400, message, "model", "model_not_found")
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise openai_error(404, message, code="model_not_found")

    def for_responses_only(self, model: str) -> RejectedError:  # noqa: ARG002  # Azure names it
        message = "This model is only supported in v1/responses and not in v1/chat/completions."
        return openai_error(404, message, "model")

    def unanswerable(self, question: Question, error: UnanswerableError) -> RejectedError:
        if question.given:
            name = question.shape.name if error.tool is None else error.tool
            return bad_format(name, str(error)) if error.tool is None else bad_tool(name, str(error), "tools")
        if error.tool is not None:
            message = f"Invalid schema for function '{error.tool}': {error}"
            return openai_error(400, message, "tools", "invalid_function_parameters")
        message = f"Invalid schema for response_format '{question.shape.name}': {error}"
        return openai_error(400, message, "response_format")

    def whole(self, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{stamp.unique}",
            "object": "chat.completion",
            "created": stamp.created,
            "model": self.served_model(question.model),
            "choices": [self._whole_choice(question, choice) for choice in outcome.choices],
            "usage": usage_of(outcome),
            **self.envelope_extras(),
        }

    def served_model(self, model: str) -> str:
        return f"{model}-{_SNAPSHOTS[model]}" if model in _SNAPSHOTS else model

    def response(self, question: Question, outcome: Outcome, stamp: Stamp) -> ResponseReply:
        style = ReplyStyle(
            envelope=self.response_envelope(question, outcome, stamp),
            completed={"completed_at": stamp.created},
            padding=self._obfuscation(question, stamp),
            input_details={"cache_write_tokens": 0},
        )
        return ResponseReply(question, outcome, stamp, style)

    def response_envelope(self, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:  # noqa: ARG002
        """Return what the response object has beside the answer. Azure reports its filters here, on `outcome`."""
        sent = (question.given.get("reasoning") or {}).get("effort")
        effort = effort_of(question.model, sent, self.options.reasoning_models)
        return openai_envelope(question.given, self.served_model(question.model), effort, stamp)

    def envelope_extras(self) -> dict[str, Any]:
        return {"service_tier": "default", "system_fingerprint": None}

    def choice_extras(self, *, empty: bool, filtered: bool) -> dict[str, Any]:  # noqa: ARG002  # Azure's filters
        return {}

    def _whole_choice(self, question: Question, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
        if choice.is_refusal:
            message.update(content=None, refusal=choice.text)
        if choice.calls:
            message["tool_calls"] = [{**_call_head(call), "function": _function(call)} for call in choice.calls]
        return {
            "index": choice.index,
            "message": message,
            "logprobs": None if choice.is_refusal else logprobs_of(question, choice.pieces),
            "finish_reason": finish_reason(question, choice),
            **self.choice_extras(empty=not choice.text, filtered=choice.finish == "content_filter"),
        }

    def events(self, question: Question, outcome: Outcome, stamp: Stamp) -> list[bytes]:
        chunk = partial(self.chunk, question, stamp)
        lanes = [self._lane(question, choice, chunk) for choice in outcome.choices]
        events = [*self.opening_events(), *interleaved(lanes)]
        if question.include_usage:
            events.append(event(chunk([], usage=usage_of(outcome))))
        return [*events, DONE]

    def opening_events(self) -> list[bytes]:
        return []

    def chunk(self, question: Question, stamp: Stamp, choices: list[_Chunk], usage: _Chunk | None = None) -> _Chunk:
        """One chunk's envelope. Where usage is asked for, every chunk has the key; only the last one has numbers."""
        chunk = {
            "id": f"chatcmpl-{stamp.unique}",
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": self.served_model(question.model),
            **self.envelope_extras(),
            "choices": choices,
        }
        if question.include_usage:
            chunk["usage"] = usage
        return {**chunk, **self._obfuscation(question, stamp)}

    def _obfuscation(self, question: Question, stamp: Stamp) -> dict[str, str]:
        return {} if question.stream_options.get("include_obfuscation") is False else self.padding(stamp)

    def padding(self, stamp: Stamp) -> dict[str, str]:
        return {"obfuscation": stamp.unique[: 3 + stamp.created % 7]}

    def _lane(self, question: Question, choice: Choice, chunk: Callable[[list[_Chunk]], _Chunk]) -> list[bytes]:
        """Return the events of one choice."""

        def delta_event(delta: _Chunk, *, finish: str | None = None) -> bytes:
            return event(chunk([self._delta(choice.index, delta, finish=finish)]))

        opening: _Chunk = {"role": "assistant", "content": None if choice.calls else "", "refusal": None}
        if choice.calls:
            body = [delta_event(delta) for delta in _call_deltas(choice.calls, opening)]
        else:
            body = [delta_event(opening), *self._text_events(question, choice, chunk)]
        return [*body, delta_event({}, finish=finish_reason(question, choice))]

    def _text_events(self, question: Question, choice: Choice, chunk: Callable[[list[_Chunk]], _Chunk]) -> list[bytes]:
        name = "refusal" if choice.is_refusal else "content"
        if question.top_logprobs is None or choice.is_refusal:
            return text_events(lambda text: chunk([self._delta(choice.index, {name: text})]), choice.pieces)
        return [
            event(chunk([self._delta(choice.index, {"content": piece}, logprobs=logprobs_of(question, [piece]))]))
            for piece in choice.pieces
        ]

    def _delta(self, index: int, delta: _Chunk, *, logprobs: Any = None, finish: str | None = None) -> _Chunk:
        extras = self.choice_extras(empty=not delta.get("content"), filtered=finish == "content_filter")
        return {"index": index, "delta": delta, **extras, "logprobs": logprobs, "finish_reason": finish}

    def trouble(self) -> Trouble:
        return OpenAITrouble()

    def reply_headers(self, stamp: Stamp) -> dict[str, str]:
        return {
            "server": self.server,
            "x-request-id": f"req_{stamp.unique}",
            "openai-version": "2020-10-01",
            "openai-organization": "emulated",
            "openai-processing-ms": "1",
        }


def finish_reason(question: Question, choice: Choice) -> str:
    """Return `stop` for a forced, named tool although there are tool calls, as the server does."""
    if choice.finish == "tool_calls" and question.tool_choice.mode == "named":
        return "stop"
    return choice.finish


def usage_of(outcome: Outcome) -> dict[str, Any]:
    return {
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "total_tokens": outcome.prompt_tokens + outcome.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def logprobs_of(question: Question, pieces: list[str]) -> dict[str, Any] | None:
    if question.top_logprobs is None:
        return None
    return {"content": token_logprobs(pieces, question.top_logprobs), "refusal": None}


def _call_head(call: Call) -> dict[str, Any]:
    return {"id": f"call_{call.seed:032x}"[:29], "type": "function"}


def _function(call: Call) -> dict[str, str]:
    return {"name": call.name, "arguments": call.arguments}


def _call_deltas(calls: tuple[Call, ...], opening: _Chunk) -> list[_Chunk]:
    """Return per call the name first, then fragments of the arguments; the first rides on the role's chunk."""
    deltas: list[_Chunk] = []
    for index, call in enumerate(calls):
        head = {"index": index, **_call_head(call), "function": {"name": call.name, "arguments": ""}}
        deltas.append({**(opening if index == 0 else {}), "tool_calls": [head]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in fragments(call.arguments)
        ]
    return deltas
