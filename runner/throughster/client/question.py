"""A request of which only the messages are open: everything else is built and encoded once, then asked many times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from throughster.client.forms import FORMS, Form
from throughster.errors import (
    AnswerError,
    BadRequestError,
    ContentFilterError,
    RefusalError,
    RequestError,
    TruncatedError,
)
from throughster.redact import one_line
from throughster.types import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.client.sending import OnAttempt, OnDelta, Sender
    from throughster.schema import AnswerSchema
    from throughster.types import Attempt, Message, Response

__all__ = ["Question"]

_REPAIR = (
    "Your last answer is not valid:\n{errors}\n"
    "Answer again with the corrected JSON value and nothing else."
)  # fmt: skip


class Question:
    """Fields of a request, checked, renamed and encoded for one sender.

    `schema`: the answer must be JSON that fits it; it is asked up to `max_attempts` times, with the last answer and
    what was wrong with it. `strategy`: one of the provider's ways to ask for JSON, or `auto` for the surest that works.
    """

    def __init__(
        self,
        sender: Sender,
        fields: Mapping[str, Any],
        *,
        schema: AnswerSchema | None = None,
        strategy: str = "auto",
        max_attempts: int = 3,
        stream: bool = False,
    ) -> None:
        self._sender = sender
        self._schema = schema
        self._max_attempts = max_attempts
        self._stream = stream
        self._strategies = [strategy] if strategy != "auto" else list(sender.provider.strategies)
        if sender.address.model and "model" not in fields:
            fields = {"model": sender.address.model, **fields}
        api_version = sender.address.api_version
        self._fields = sender.provider.build_fields({**fields, **({"stream": True} if stream else {})}, api_version)
        if stream and sender.provider.asks_for_usage(api_version):
            self._fields.setdefault("stream_options", {"include_usage": True})
        self._encode()

    def _encode(self) -> None:
        self._form: Form | None = None
        fields = self._fields
        if self._schema is not None:
            self._form = FORMS[self._strategies[0]](self._schema, strict=self._sender.provider.strict_schemas)
            fields = {**fields, **self._form.fields}
        try:
            head = orjson.dumps(fields)[:-1]
        except TypeError as error:
            raise RequestError(f"The request cannot be written as JSON: {error}.") from error
        self._head = head + (b',"messages":' if len(head) > 1 else b'"messages":')

    def body(self, messages: Sequence[Message]) -> bytes:
        """What goes over the wire for these messages. Raises RequestError when they are no JSON."""
        if self._form is not None and self._form.instruction:
            messages = _with_instruction(messages, self._form.instruction)
        try:
            return self._head + orjson.dumps(self._sender.provider.build_messages(messages)) + b"}"
        except TypeError as error:
            raise RequestError(f"The messages cannot be written as JSON: {error}.") from error

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        on_delta: OnDelta | None = None,
        on_attempt: OnAttempt | None = None,
    ) -> Response:
        """The answer. Without a schema any answer is one, whatever its finish reason.

        With a schema: `validated_schema` holds the JSON value, usage is summed over all attempts. Raises
        TruncatedError, RefusalError, ContentFilterError, AnswerError, or the ProviderError that ended it.
        """
        sends: list[Attempt] = []
        if self._form is None:
            return await self._sender.ask(
                self.body(messages), sends, stream=self._stream, on_delta=on_delta, on_attempt=on_attempt
            )
        usage: Usage | None = None
        conversation = list(messages)
        for n in range(1, self._max_attempts + 1):
            response = await self._ask_form(conversation, sends, n, on_delta, on_attempt)
            if response.usage is not None:
                usage = response.usage if usage is None else usage + response.usage
            response = replace(response, usage=usage)
            _check_end(response, sends)
            value, errors = self._form.read(response)
            if not errors:
                return replace(response, validated_schema=value)
            repair = _REPAIR.format(errors="\n".join(f"- {error}" for error in errors))
            conversation = [
                *messages,
                {"role": "assistant", "content": response.content},
                {"role": "user", "content": repair},
            ]
        raise AnswerError(
            f"No valid answer in {self._max_attempts} attempts; the last one: {'; '.join(errors)}",
            attempts=sends,
            last_text=response.content,
            validation_errors=errors,
            usage=usage,
            response=response,
        )

    async def _ask_form(
        self,
        conversation: list[Message],
        sends: list[Attempt],
        n: int,
        on_delta: OnDelta | None,
        on_attempt: OnAttempt | None,
    ) -> Response:
        """One question in the present form; a form that the provider cannot do gives way to the next, for good."""
        while True:
            form = self._form
            try:
                return await self._sender.ask(
                    self.body(conversation),
                    sends,
                    kind="transport" if n == 1 else "validation",
                    stream=self._stream,
                    on_delta=on_delta,
                    on_attempt=on_attempt,
                )
            except BadRequestError as error:
                if form is self._form:  # another row may have stepped down meanwhile
                    if len(self._strategies) < 2 or not _lacks_ability(error):
                        raise
                    self._strategies.pop(0)
                    self._encode()


def _lacks_ability(error: BadRequestError) -> bool:
    """Whether the provider said that it cannot do `response_format`, rather than that this schema is wrong."""
    words = str(error).lower()
    return "response_format" in f"{error.param} {words}" and "invalid schema" not in words


def _check_end(response: Response, sends: Sequence[Attempt]) -> None:
    details = {"attempts": sends, "usage": response.usage, "response": response}
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
