"""vLLM's OpenAI-compatible server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from throughster.emulator.answering import count_tokens
from throughster.emulator.dialect import Dialect
from throughster.emulator.exchange import RejectedError
from throughster.emulator.openai import finish_reason
from throughster.emulator.responses_reply import ResponseReply
from throughster.emulator.streams import DONE, event, fragments, interleaved, text_events, token_logprobs
from throughster.emulator.vllm_request import VllmRelease, read_vllm, vllm_error
from throughster.emulator.vllm_responses import read_vllm_response, vllm_style
from throughster.emulator.vllm_trouble import VllmTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from throughster.emulator.answering import Call, Choice, Outcome, UnanswerableError
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation, Route
    from throughster.emulator.options import Options
    from throughster.emulator.question import Question
    from throughster.emulator.trouble import Trouble

__all__ = ["Vllm"]

_DEFAULT_MODEL: Final = "emulated-model"
_NULL_EXTRAS: Final = dict.fromkeys(
    ("prompt_logprobs", "prompt_token_ids", "prompt_text", "kv_transfer_params", "ec_transfer_params", "metrics")
)
_Chunk = dict[str, Any]


class Vllm(Dialect):
    """`vllm serve`."""

    routes: ClassVar[Mapping[str, Mapping[str, Operation]]] = {
        "/v1/chat/completions": {"POST": "chat"},
        "/v1/responses": {"POST": "responses"},
        "/v1/models": {"GET": "models"},
        "/version": {"GET": "version"},
        "/health": {"GET": "health"},
    }
    server: ClassVar[str] = "uvicorn"
    keepalive_s: ClassVar[float] = 5.0

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.release = VllmRelease.parse(options.vllm_version)

    def trouble(self) -> Trouble:
        return VllmTrouble(self.release)

    def stamp(self, headers: Mapping[str, str]) -> Stamp:
        return replace(super().stamp(headers), id_given=headers.get("x-request-id"))

    def route(self, method: str, path: str, query: Mapping[str, str]) -> Route:
        route = super().route(method, path, query)
        if route.operation == "responses" and not self.release.has_responses:
            raise self.not_found(method, path)
        return route

    def not_found(self, method: str, path: str) -> RejectedError:  # noqa: ARG002  # it does not say
        return RejectedError(404, {"detail": "Not Found"})

    def method_not_allowed(self, method: str, path: str) -> RejectedError:  # noqa: ARG002  # it does not say
        return RejectedError(405, {"detail": "Method Not Allowed"})

    def unreadable(self, message: str, status: int = 400) -> RejectedError:
        return self._error(status, f"1 validation error: body: JSON decode error: {message}", kind="Bad Request")

    def check_key(self, headers: Mapping[str, str]) -> None:
        if self.options.api_key is not None and not self.bearer_matches(headers):
            raise RejectedError(401, {"error": "Unauthorized"})

    def models(self) -> dict[str, Any]:
        name = self._served_name()
        card = {
            "id": name,
            "object": "model",
            "created": 1_735_689_600,
            "owned_by": "vllm",
            "root": name,
            "parent": None,
            "max_model_len": 131_072,
            "permission": [],
        }
        return {"object": "list", "data": [card]}

    def _served_name(self) -> str:
        return self.options.model or _DEFAULT_MODEL

    def read(self, body: dict[str, Any], route: Route) -> Question:
        model = body.get("model") or self._served_name()
        if self.options.model is not None and model != self.options.model:
            message = f"The model `{model}` does not exist. Valid aliases: {self.options.model}."
            raise self._error(404, message, "model", kind="NotFoundError")
        read = read_vllm_response if route.operation == "responses" else read_vllm
        return read(body, str(model), self.options, self.release)

    def unanswerable(self, question: Question, error: UnanswerableError) -> RejectedError:  # noqa: ARG002
        about = f" of tool '{error.tool}'" if error.tool else ""
        return self._error(400, f"Invalid schema or grammar{about}: {error}")

    def _error(
        self, status: int, message: str, param: str | None = None, *, kind: str = "BadRequestError"
    ) -> RejectedError:
        return vllm_error(self.release, status, message, param, kind=kind)

    def whole(self, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{stamp.id_given or stamp.unique}",
            "object": "chat.completion",
            "created": stamp.created,
            "model": question.model,
            "choices": [self._whole_choice(question, choice) for choice in outcome.choices],
            "service_tier": None,
            "system_fingerprint": self._fingerprint(),
            "usage": {**_usage(outcome.prompt_tokens, outcome.completion_tokens), "prompt_tokens_details": None},
            **_NULL_EXTRAS,
        }

    def response(self, question: Question, outcome: Outcome, stamp: Stamp) -> ResponseReply:
        return ResponseReply(question, outcome, stamp, vllm_style(question, outcome, stamp))

    def _fingerprint(self) -> str:
        return f"vllm-{self.options.vllm_version}-0e0e0e0e"

    def _whole_choice(self, question: Question, choice: Choice) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": choice.text or "",
            **dict.fromkeys(("refusal", "annotations", "audio", "function_call")),
            **dict.fromkeys(self.release.reasoning_fields),
        }
        if choice.calls:
            message["tool_calls"] = [
                {**_call_head(call), "function": {"name": call.name, "arguments": call.arguments}}
                for call in choice.calls
            ]
        elif self.release.lists_no_tool_calls:
            message["tool_calls"] = []
        return {
            "index": choice.index,
            "message": message,
            "logprobs": _logprobs(question, choice.pieces),
            "finish_reason": finish_reason(question, choice),
            "stop_reason": choice.stop_string,
            **dict.fromkeys(("token_ids", "routed_experts", "weight_versions")),
        }

    def events(self, question: Question, outcome: Outcome, stamp: Stamp) -> list[bytes]:
        def chunk(choices: list[_Chunk], **extras: Any) -> _Chunk:
            return {
                "id": f"chatcmpl-{stamp.id_given or stamp.unique}",
                "object": "chat.completion.chunk",
                "created": stamp.created,
                "model": question.model,
                "choices": choices,
                **extras,
            }

        stream = _Stream(question, outcome.prompt_tokens, chunk)
        events = interleaved([stream.choice_events(choice) for choice in outcome.choices])
        if question.include_usage:
            usage = _usage(outcome.prompt_tokens, outcome.completion_tokens)
            events.append(event(chunk([], usage=usage, system_fingerprint=self._fingerprint())))
        return [*events, DONE]


class _Stream:
    """Writes the events of one reply. Keys that were set stay although they are null; the others are left out."""

    def __init__(self, question: Question, prompt_tokens: int, chunk: Callable[..., _Chunk]) -> None:
        self._question = question
        self._prompt_tokens = prompt_tokens
        self._chunk = chunk
        self._counts = bool(question.stream_options.get("continuous_usage_stats")) and question.include_usage

    def choice_events(self, choice: Choice) -> list[bytes]:
        opening = {"index": choice.index, "delta": {"role": "assistant", "content": ""}, "logprobs": None}
        first = event(self._chunk([{**opening, "finish_reason": None}], prompt_token_ids=None, **self._usage_so_far(0)))
        ending = {"finish_reason": finish_reason(self._question, choice), "stop_reason": choice.stop_string}
        if choice.calls:
            *deltas, last = _call_deltas(choice.calls)
            events = [event(self._chunk([_choice(choice.index, delta)], **self._usage_so_far(1))) for delta in deltas]
            end = _choice(choice.index, last, **ending)
        else:
            *pieces, tail = choice.pieces or [""]
            events = self._text_events(choice.index, pieces)
            end = _choice(choice.index, {"content": tail}, logprobs=_logprobs(self._question, [tail]), **ending)
        return [first, *events, event(self._chunk([end], **self._usage_so_far(choice.tokens * 4)))]

    def _text_events(self, index: int, pieces: list[str]) -> list[bytes]:
        if self._question.top_logprobs is None and not self._counts:
            return text_events(lambda text: self._chunk([_choice(index, {"content": text})]), pieces)
        events: list[bytes] = []
        written = 0
        for piece in pieces:
            written += len(piece)
            logprobs = _logprobs(self._question, [piece])
            choice = _choice(index, {"content": piece}, logprobs=logprobs)
            events.append(event(self._chunk([choice], **self._usage_so_far(written))))
        return events

    def _usage_so_far(self, characters: int) -> dict[str, Any]:
        if not self._counts:
            return {}
        return {"usage": _usage(self._prompt_tokens, count_tokens(characters) if characters else 0)}


def _choice(
    index: int, delta: _Chunk, *, logprobs: Any = None, finish_reason: str | None = None, **more: Any
) -> _Chunk:
    return {
        "index": index,
        "delta": delta,
        "logprobs": logprobs,
        "finish_reason": finish_reason,
        **more,
        "token_ids": None,
    }


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
    }


def _logprobs(question: Question, pieces: list[str]) -> dict[str, Any] | None:
    return None if question.top_logprobs is None else {"content": token_logprobs(pieces, question.top_logprobs)}


def _call_head(call: Call) -> dict[str, Any]:
    return {"id": f"chatcmpl-tool-{call.seed:032x}", "type": "function"}


def _call_deltas(calls: tuple[Call, ...]) -> list[_Chunk]:
    """Return per call the name first, then fragments of the arguments."""
    deltas: list[_Chunk] = []
    for index, call in enumerate(calls):
        head = {**_call_head(call), "index": index, "function": {"name": call.name, "arguments": ""}}
        deltas.append({"tool_calls": [head]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in fragments(call.arguments)
        ]
    return deltas
