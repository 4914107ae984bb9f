"""A reply in the words of the Responses API: whole, or as typed events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from throughster.emulator.encoding import json_bytes
from throughster.emulator.streams import fragments, token_logprobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from throughster.emulator.answering import Call, Choice, Outcome
    from throughster.emulator.dialect import Stamp
    from throughster.emulator.question import Question

__all__ = ["ReplyStyle", "ResponseReply"]

_Object = dict[str, Any]
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ENCRYPTED: Final = "reasoning.encrypted_content"


@dataclass(frozen=True, slots=True)
class ReplyStyle:
    """How one provider writes its responses.

    `envelope`: what stands in the response object from the first event to the last; `completed`: what changes in it
    once the answer is complete. `padding`: what each delta has in addition. `absent_logprobs`: what stands in a text
    where none were asked for. `incomplete_event`: the type of the last event of an answer that was cut.
    """

    envelope: Mapping[str, Any]
    completed: Mapping[str, Any] = field(default_factory=dict)
    call_prefix: str = "call_"
    padding: Mapping[str, str] = field(default_factory=dict)
    absent_logprobs: list[Any] | None = field(default_factory=list)
    incomplete_event: Literal["response.incomplete", "response.completed"] = "response.incomplete"
    input_details: Mapping[str, Any] = field(default_factory=dict)
    output_details: Mapping[str, Any] = field(default_factory=dict)


class ResponseReply:
    """One answer. `whole` and `events` say the same, with the same ids."""

    def __init__(self, question: Question, outcome: Outcome, stamp: Stamp, style: ReplyStyle) -> None:
        self._question = question
        self._outcome = outcome
        self._choice: Choice = outcome.choices[0]  # the API has no `n`
        self._stamp = stamp
        self._style = style
        # All that could be written went into the reasoning.
        self._spent = question.max_tokens == 0 and question.reasoning_tokens > 0

    def whole(self) -> _Object:
        items = [item for item, _ in self._items()]
        reason = "max_output_tokens" if self._spent else _INCOMPLETE.get(self._choice.finish)
        return self._response("incomplete" if reason else "completed", items, self._usage(), reason)

    def events(self) -> list[bytes]:
        opening = self._response("in_progress", [], None, None)
        last = self.whole()
        kind = self._style.incomplete_event if last["status"] == "incomplete" else "response.completed"
        events = [
            {"type": "response.created", "response": opening},
            {"type": "response.in_progress", "response": opening},
            *self._item_events(),
            {"type": kind, "response": last},
        ]
        return [_event(one, number) for number, one in enumerate(events)]

    def _response(self, status: str, items: list[_Object], usage: _Object | None, reason: str | None) -> _Object:
        return {
            **self._style.envelope,
            **(self._style.completed if status == "completed" else {}),
            "status": status,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": items,
            "usage": usage,
        }

    def _usage(self) -> _Object:
        written = 0 if self._spent else self._choice.tokens
        thought = self._question.reasoning_tokens
        return {
            "input_tokens": self._outcome.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, **self._style.input_details},
            "output_tokens": thought + written,
            "output_tokens_details": {"reasoning_tokens": thought, **self._style.output_details},
            "total_tokens": self._outcome.prompt_tokens + thought + written,
        }

    def _items(self) -> Iterator[tuple[_Object, Call | None]]:
        """Yield the finished items, function calls with their call."""
        if self._question.reasoning_tokens:
            yield self._reasoning(), None
        if self._spent:
            return
        if not self._choice.calls:
            yield self._message([self._part(self._choice.text or "")], self._last_status()), None
        for call in self._choice.calls:
            status = self._last_status() if call is self._choice.calls[-1] else "completed"
            yield self._call(call, call.arguments, status), call

    def _last_status(self) -> str:
        return "incomplete" if self._choice.finish in _INCOMPLETE else "completed"

    def _reasoning(self) -> _Object:
        item: _Object = {"id": f"rs_{self._stamp.unique}", "type": "reasoning", "summary": []}
        if _ENCRYPTED in (self._question.given.get("include") or ()):
            item["encrypted_content"] = f"emulated-{self._stamp.unique}"
        return item

    def _message(self, content: list[_Object], status: str) -> _Object:
        identity = f"msg_{self._stamp.unique}"
        return {"id": identity, "type": "message", "status": status, "content": content, "role": "assistant"}

    def _part(self, text: str) -> _Object:
        if self._choice.is_refusal:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "annotations": [], "logprobs": self._logprobs(self._choice.pieces), "text": text}

    def _logprobs(self, pieces: list[str]) -> list[_Object] | None:
        if self._question.top_logprobs is None:
            return self._style.absent_logprobs
        return token_logprobs(pieces, self._question.top_logprobs)

    def _call(self, call: Call, arguments: str, status: str) -> _Object:
        number = f"{call.seed:032x}"
        return {
            "id": f"fc_{number}",
            "type": "function_call",
            "status": status,
            "arguments": arguments,
            "call_id": f"{self._style.call_prefix}{number[:24]}",
            "name": call.name,
        }

    def _item_events(self) -> Iterator[_Object]:
        for index, (item, call) in enumerate(self._items()):
            opened, between = self._opening(item, call, index)
            yield {"type": "response.output_item.added", "item": opened, "output_index": index}
            yield from between
            yield {"type": "response.output_item.done", "item": item, "output_index": index}

    def _opening(self, item: _Object, call: Call | None, index: int) -> tuple[_Object, Iterable[_Object]]:
        """Return an item as it is announced, and the events that fill it."""
        if item["type"] == "reasoning":
            return item, ()
        if call is None:
            return self._message([], "in_progress"), self._text_events(item, index)
        return self._call(call, "", "in_progress"), self._call_events(item, index)

    def _text_events(self, item: _Object, index: int) -> Iterator[_Object]:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        [part] = item["content"]
        name, kind = ("refusal", "refusal") if self._choice.is_refusal else ("text", "output_text")
        empty = {**part, name: "", **({} if self._choice.is_refusal else {"logprobs": []})}
        yield {"type": "response.content_part.added", **place, "part": empty}
        for piece in self._choice.pieces:
            yield {
                "type": f"response.{kind}.delta",
                **place,
                "delta": piece,
                **self._event_logprobs([piece]),
                **self._style.padding,
            }
        done = {"type": f"response.{kind}.done", **place, name: part[name]}
        yield {**done, **self._event_logprobs(self._choice.pieces)}
        yield {"type": "response.content_part.done", **place, "part": part}

    def _event_logprobs(self, pieces: list[str]) -> _Object:
        return {} if self._choice.is_refusal else {"logprobs": self._logprobs(pieces) or []}

    def _call_events(self, item: _Object, index: int) -> Iterator[_Object]:
        place = {"item_id": item["id"], "output_index": index}
        for part in fragments(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": part, **self._style.padding}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}


def _event(event: _Object, number: int) -> bytes:
    return f"event: {event['type']}\ndata: ".encode() + json_bytes({**event, "sequence_number": number}) + b"\n\n"
