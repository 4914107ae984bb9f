"""A request of which only the messages are open: everything else is built and encoded once, then asked many times."""

from __future__ import annotations

import math
import re
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from throughster.client.reading import typed
from throughster.errors import (
    AnswerError,
    BadRequestError,
    BudgetError,
    ContentFilterError,
    ContextLengthError,
    ProviderError,
    RefusalError,
    RequestError,
    TruncatedError,
)
from throughster.exchanges import playing
from throughster.redact import one_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from throughster.client.course import Kind
    from throughster.client.forms import Form
    from throughster.client.sending import OnDelta, Sender
    from throughster.limits import Watch
    from throughster.types import Attempt, Message, Piece, Response, Retry, Usage

    MakeForm = Callable[[str], Form]

__all__ = ["Question", "content_filter_error"]


_INABILITY = re.compile(
    r"not support|unsupported|not available|not enabled|enabled only|unrecognized|unknown|extra inputs|requires --"
)


class Question:
    """Fields of a request, checked, renamed and encoded for one sender.

    `make_form`: makes the form that the answer must have, from one of `strategies` (the surest first); the question is
    asked up to `max_attempts` times, with the last answer and what was wrong with it. Without it any answer is one.
    """

    def __init__(
        self,
        sender: Sender,
        fields: Mapping[str, Any],
        *,
        make_form: MakeForm | None = None,
        strategies: Sequence[str] = (),
        max_attempts: int = 3,
        stream: bool = False,
    ) -> None:
        self._sender = sender
        self._make_form = make_form
        self._max_attempts = max_attempts
        self._stream = stream
        if sender.address.model and "model" not in fields:
            fields = {"model": sender.address.model, **fields}
        sender.check_model(fields)
        self._place = sender.wire.place_of(fields.get("model"))
        self._learned = self._place.learned
        self._strategies = [s for s in strategies if s not in self._learned.lacking] or list(strategies)
        self._fields = {**fields, "stream": True} if stream else dict(fields)
        self._encode()

    def _encode(self) -> None:
        self._version = self._learned.version
        self._form: Form | None = None
        sender, fields = self._sender, self._fields
        if self._make_form is not None:
            self._form = self._make_form(self._strategies[0] if self._strategies else "")
            fields = {**fields, **self._form.fields}
        self._wire = sender.dialect.build_fields(sender.provider, fields, sender.address.api_version)
        for name, value in self._wire.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise RequestError(f"`{name}` must be a number, found {value}.")
        try:
            head = orjson.dumps(self._learned.adapt(self._wire))[:-1]
        except TypeError as error:
            raise RequestError(f"The request cannot be written as JSON: {error}.") from error
        self._most = _most_tokens(self._wire)
        key = f'"{sender.dialect.messages_key}":'.encode()
        self._head = head + (b"," if len(head) > 1 else b"") + key

    def body(self, messages: Sequence[Message]) -> bytes:
        """What goes over the wire for these messages. Raises RequestError when they are no JSON."""
        if self._form is not None and self._form.instruction:
            messages = _with_instruction(messages, self._form.instruction)
        try:
            sender = self._sender
            return self._head + orjson.dumps(sender.dialect.build_messages(sender.provider, messages)) + b"}"
        except TypeError as error:
            raise RequestError(f"The messages cannot be written as JSON: {error}.") from error

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        on_delta: OnDelta | None = None,
        watch: Watch | None = None,
    ) -> Response:
        """The answer. Without a form any answer is one, whatever its finish reason.

        With a form: `validated_schema` holds the value, usage is summed over all attempts. Raises TruncatedError,
        RefusalError, ContentFilterError, AnswerError, or the ProviderError that ended it.
        """
        sends: list[Attempt] = []
        if self._make_form is None:
            return (await self.once(messages, sends, "transport", on_delta=on_delta, watch=watch))[0]
        usage: Usage | None = None
        conversation: Sequence[Message] = messages
        asked: list[Sequence[Message]] = []
        for n in range(1, self._max_attempts + 1):
            kind: Kind = "transport" if n == 1 else "validation"
            try:
                response, form = await self.once(conversation, sends, kind, on_delta=on_delta, watch=watch)
            except (BudgetError, ProviderError) as error:
                error.attempts = tuple(sends)
                error.usage = _sum(usage, error.usage)
                raise
            asked.append(conversation)
            if response.usage is not None:
                usage = _sum(usage, response.usage)
            if usage is not response.usage:
                response = replace(response, usage=usage)
            _check_end(response, sends)
            assert form is not None
            response, errors = form.read(response)
            if not errors:
                return response
            if not response.cached:
                sends[-1] = replace(sends[-1], error=f"invalid answer: {'; '.join(errors)}"[:500])
            conversation = [*messages, *form.repair(response, errors)]
        self.forget(asked)
        raise AnswerError(
            f"No valid answer in {self._max_attempts} attempts; the last one: {'; '.join(errors)}",
            attempts=sends,
            last_text=response.content,
            validation_errors=errors,
            usage=usage,
            response=response,
        )

    def forget(self, asked: Sequence[Sequence[Message]]) -> None:
        """The answers to these messages were no use: no cache gives them again."""
        self._sender.forget(self._place, [self.body(messages) for messages in asked])

    def is_recorded(self, messages: Sequence[Message]) -> bool:
        """Whether the tape that is played has an answer left for this."""
        self._refresh()
        return self._sender.wire.is_recorded(self._place, self.body(messages))

    async def stream(
        self,
        messages: Sequence[Message],
        sends: list[Attempt] | None = None,
        *,
        retry: Retry | None = None,
        watch: Watch | None = None,
    ) -> AsyncGenerator[list[Piece] | Response, None]:
        """The deltas as they arrive, a list at a time; the last item is the whole Response. `retry`: as in `once`."""
        sends = [] if sends is None else sends
        while True:
            self._refresh()
            body, version = self.body(messages), self._version
            try:
                async with aclosing(
                    self._sender.stream(
                        self._place, body, sends, retry=retry, pulled=True, watch=watch, most=self._most
                    )
                ) as items:
                    async for item in items:
                        yield item
            except BadRequestError as error:
                if version == self._learned.version and not self._adapts_to(error):
                    raise
            else:
                return

    async def once(
        self,
        messages: Sequence[Message],
        sends: list[Attempt],
        kind: Kind,
        *,
        retry: Retry | None = None,
        on_delta: OnDelta | None = None,
        watch: Watch | None = None,
    ) -> tuple[Response, Form | None]:
        """One question, and the form that its answer is to be read with.

        What the provider cannot do is left out, for good, and the question asked again. `retry`: instead of the
        client's own.
        """
        while True:
            self._refresh()
            form, version = self._form, self._version
            try:
                return await self._send_body(self.body(messages), sends, kind, retry, on_delta, watch), form
            except BadRequestError as error:
                is_news = form is self._form and version == self._learned.version
                if is_news and not self._adapts_to(error):
                    raise

    def _refresh(self) -> None:
        """Another question, or an earlier recording, may have learned what the provider does not take."""
        if (tape := playing()) is not None:
            self._learned.recall(tape.learned(self._sender.wire.source))
        if self._version != self._learned.version:
            self._encode()

    def _adapts_to(self, error: BadRequestError) -> bool:
        learned = self._learned
        if len(self._strategies) > 1 and _lacks_ability(error, self._strategies[0]):
            learned.lack(self._strategies.pop(0))
        elif not learned.learn(error, self._wire):
            return False
        self._encode()
        return True

    async def _send_body(
        self,
        body: bytes,
        sends: list[Attempt],
        kind: Kind,
        retry: Retry | None,
        on_delta: OnDelta | None,
        watch: Watch | None,
    ) -> Response:
        if not self._stream:
            return await self._sender.ask(
                self._place, body, sends, kind=kind, retry=retry, watch=watch, most=self._most
            )
        shown = on_delta is not None
        async with aclosing(
            self._sender.stream(
                self._place, body, sends, kind=kind, retry=retry, shown=shown, watch=watch, most=self._most
            )
        ) as items:
            async for item in items:
                if not isinstance(item, list):
                    response = item
                elif on_delta is not None:
                    for delta in item:
                        on_delta(typed(delta))
        return response


def _sum(usage: Usage | None, more: Usage | None) -> Usage | None:
    return usage + more if usage is not None and more is not None else more if usage is None else usage


def _most_tokens(wire: Mapping[str, Any]) -> int | None:
    """The tokens that all answers together may have, or None where the request does not say."""
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        if isinstance(most := wire.get(name), int):
            return most * (wire["n"] if isinstance(wire.get("n"), int) else 1)
    return None


def _lacks_ability(error: BadRequestError, strategy: str) -> bool:
    """Whether the provider said that it cannot do this form at all, rather than that this schema is wrong."""
    words = f"{error.param} {error}".lower()
    is_about_this_request = isinstance(error, ContextLengthError | ContentFilterError) or "invalid schema" in words
    if is_about_this_request or not _INABILITY.search(words):
        return False
    named = {"json_schema": "response_format", "json_object": "response_format", "tool": "tool", "guided": "structured"}
    return named.get(strategy, strategy) in words


def _check_end(response: Response, sends: Sequence[Attempt]) -> None:
    details: dict[str, Any] = {"attempts": sends, "usage": response.usage, "response": response}
    if response.finish_reason == "content_filter":
        raise content_filter_error(response)
    if response.refusal:
        raise RefusalError(
            f"The model refused: {one_line(response.refusal, 300)}", last_text=response.refusal, **details
        )
    if response.finish_reason in ("length", "model_length"):
        raise TruncatedError(
            "The answer was cut at the token limit (finish_reason `length`). Raise max_tokens, or ask for less.",
            last_text=response.content,
            **details,
        )


def content_filter_error(response: Response) -> ContentFilterError:
    error = ContentFilterError(
        "The provider's content filter stopped the answer.",
        partial=response.content,
        http_status=200,
        code="content_filter",
        request_id=response.request_id,
    ).with_attempts(response.retry_stats.attempts)
    error.usage = response.usage
    return error


def _with_instruction(messages: Sequence[Message], instruction: str) -> Sequence[Message]:
    """The messages with an instruction for the model, in the system message where there is one."""
    first = messages[0] if messages else None
    if first and first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
