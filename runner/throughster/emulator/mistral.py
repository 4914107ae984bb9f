"""Mistral's La Plateforme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from throughster.emulator.dialect import Dialect
from throughster.emulator.exchange import RejectedError
from throughster.emulator.mistral_request import mistral_error, mistral_invalid, read_mistral
from throughster.emulator.mistral_trouble import MistralTrouble
from throughster.emulator.streams import DONE, event, fragments, interleaved, text_events, token_logprobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from throughster.emulator.answering import Call, Choice, Outcome, UnanswerableError
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.exchange import Operation, Route
    from throughster.emulator.question import Question
    from throughster.emulator.trouble import Trouble

__all__ = ["Mistral"]

_ID_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_DEFAULT_MODELS: Final = ("mistral-small-latest", "mistral-medium-latest", "mistral-large-latest")


class Mistral(Dialect):
    """api.mistral.ai."""

    routes: ClassVar[Mapping[str, Mapping[str, Operation]]] = {
        "/v1/chat/completions": {"POST": "chat"},
        "/v1/models": {"GET": "models"},
    }
    server: ClassVar[str] = "cloudflare"

    def not_found(self, method: str, path: str) -> RejectedError:  # noqa: ARG002  # it does not say
        return RejectedError(404, {"detail": "Not Found"})

    def method_not_allowed(self, method: str, path: str) -> RejectedError:  # noqa: ARG002  # it does not say
        return RejectedError(405, {"detail": "Method Not Allowed"})

    def unreadable(self, message: str, status: int = 400) -> RejectedError:
        if status != 400:
            return RejectedError(status, {"message": message})
        item = {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": {}}
        return mistral_invalid([{**item, "ctx": {"error": message}}])

    def check_key(self, headers: Mapping[str, str]) -> None:
        if self.options.api_key is not None and not self.bearer_matches(headers):
            raise RejectedError(401, {"detail": "Unauthorized"})

    def models(self) -> dict[str, Any]:
        names = [self.options.model] if self.options.model else _DEFAULT_MODELS
        return {"object": "list", "data": [_card(name) for name in names]}

    def read(self, body: dict[str, Any], route: Route) -> Question:  # noqa: ARG002  # the path says nothing
        return read_mistral(body, self.options)

    def unanswerable(self, question: Question, error: UnanswerableError) -> RejectedError:
        about = f"tool '{error.tool}'" if error.tool else f"response_format '{question.shape.name}'"
        return mistral_error(400, f"Invalid schema for {about}: {error}", "invalid_request_error", None)

    def whole(self, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:
        return {
            "id": _reply_id(stamp),
            "object": "chat.completion",
            "created": stamp.created,
            "model": question.model,
            "choices": [_whole_choice(question, choice) for choice in outcome.choices],
            "usage": _usage(outcome),
        }

    def events(self, question: Question, outcome: Outcome, stamp: Stamp) -> list[bytes]:
        def chunk(choices: list[dict[str, Any]], **extras: Any) -> dict[str, Any]:
            return {
                "id": _reply_id(stamp),
                "object": "chat.completion.chunk",
                "created": stamp.created,
                "model": question.model,
                "choices": choices,
                **extras,
                "p": stamp.unique[: 2 + stamp.created % 7],
            }

        bodies: list[list[bytes]] = []
        endings: list[bytes] = []
        for choice in outcome.choices:
            *deltas, last = _deltas(question, choice)
            body = [event(chunk([_delta(choice.index, delta)])) for delta in deltas]
            if not choice.calls:
                body += _text_events(question, choice, chunk)
            bodies.append(body)
            # Usage rides on the chunk that ends the last choice.
            extras = {"usage": _usage(outcome)} if choice is outcome.choices[-1] else {}
            endings.append(event(chunk([_delta(choice.index, last, finish=choice.finish)], **extras)))
        return [*interleaved(bodies), *endings, DONE]

    def trouble(self) -> Trouble:
        return MistralTrouble()

    def reply_headers(self, stamp: Stamp) -> dict[str, str]:
        return {"server": self.server, "mistral-correlation-id": stamp.unique, "x-kong-request-id": stamp.unique}


def _reply_id(stamp: Stamp) -> str:
    return f"{stamp.unique:0<32}"


def _card(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 1_735_689_600,
        "owned_by": "mistralai",
        "type": "base",
        "capabilities": {"completion_chat": True, "function_calling": True, "completion_fim": False, "vision": False},
        "name": name,
        "max_context_length": 131_072,
        "aliases": [],
    }


def _usage(outcome: Outcome) -> dict[str, Any]:
    return {
        "prompt_tokens": outcome.prompt_tokens,
        "total_tokens": outcome.prompt_tokens + outcome.completion_tokens,
        "completion_tokens": outcome.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _tool_id(call: Call) -> str:
    letters: list[str] = []
    number = call.seed
    for _ in range(9):
        number, position = divmod(number, len(_ID_LETTERS))
        letters.append(_ID_LETTERS[position])
    return "".join(letters)


def _whole_call(call: Call, index: int, arguments: str) -> dict[str, Any]:
    """Return a tool call as Mistral writes it: without `type`."""
    return {"id": _tool_id(call), "function": {"name": call.name, "arguments": arguments}, "index": index}


def _whole_choice(question: Question, choice: Choice) -> dict[str, Any]:
    calls = [_whole_call(call, index, call.arguments) for index, call in enumerate(choice.calls)]
    built: dict[str, Any] = {
        "index": choice.index,
        "finish_reason": choice.finish,
        "message": {"role": "assistant", "tool_calls": calls or None, "content": choice.text or ""},
    }
    if question.top_logprobs is not None and not choice.calls:
        built["logprobs"] = {"content": token_logprobs(choice.pieces, question.top_logprobs)}
    return built


def _deltas(question: Question, choice: Choice) -> list[dict[str, Any]]:
    """Return the deltas beside the text's: for text the opening and the closing one, for calls all of them."""
    opening = {"role": "assistant", "content": ""}
    if not choice.calls:
        return [opening, {"content": ""}]
    if "small" in question.model:
        calls = [_whole_call(call, index, call.arguments) for index, call in enumerate(choice.calls)]
        return [{"content": "", "tool_calls": calls}]
    return _fragmented_deltas(choice.calls, opening)


def _fragmented_deltas(calls: tuple[Call, ...], opening: dict[str, Any]) -> list[dict[str, Any]]:
    """Each call's first delta has its id and name; those that go on say `"null"`, as a text, and no name."""
    deltas: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        first, *rest = fragments(call.arguments) or [""]
        deltas.append({"content": "", "tool_calls": [_whole_call(call, index, first)]})
        for part in rest:
            going_on = {"id": "null", "function": {"name": "", "arguments": part}, "index": index}
            deltas.append({"content": "", "tool_calls": [going_on]})
    deltas[0] = {**opening, **deltas[0]}
    return deltas


def _text_events(question: Question, choice: Choice, chunk: Callable[..., dict[str, Any]]) -> list[bytes]:
    if question.top_logprobs is None:
        return text_events(lambda text: chunk([_delta(choice.index, {"content": text})]), choice.pieces)
    top = question.top_logprobs
    return [
        event(
            chunk([{**_delta(choice.index, {"content": piece}), "logprobs": {"content": token_logprobs([piece], top)}}])
        )
        for piece in choice.pieces
    ]


def _delta(index: int, delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}
