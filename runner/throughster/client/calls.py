"""What every client can do: call, stream, structured answers, tools, batches, scores, and their sync twins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from throughster.client.arguments import check_count, check_schema, check_strategy, compiled, some_tools
from throughster.client.batch import run_batch
from throughster.client.portal import run_in_portal, stream_in_portal
from throughster.client.question import content_filter_error
from throughster.client.rounds import is_for_functions, prepared, run_tools
from throughster.client.scoring import nlg_score, scored_request
from throughster.client.stream import Stream
from throughster.errors import AnswerError, RequestError
from throughster.tools import tool_message
from throughster.types import RetryStats

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from pydantic import BaseModel

    from throughster.client.question import Question
    from throughster.schema import AnswerSchema
    from throughster.types import Attempt, ChatRequest, Message, Response, Usage

    Request = ChatRequest | Mapping[str, Any]
    Schema = type[BaseModel] | dict[str, Any]

__all__ = ["Calls"]

_MOST_ROUNDS = 10


class Calls(ABC):
    """Everything that is asked through `question`, which a client, or a balancer of clients, provides."""

    @abstractmethod
    async def question(
        self,
        fields: Mapping[str, Any],
        *,
        schema: AnswerSchema | Schema | None = None,
        tools: Sequence[Any] = (),
        tool_choice: Any = None,
        must_call: bool = False,
        choices: Sequence[str] = (),
        strategy: str = "auto",
        max_attempts: int = 3,
        stream: bool = False,
    ) -> Question:
        """A request whose messages are still open, to be asked many times. Raises RequestError on unknown fields.

        `schema`: the answer must be JSON that fits it. `tools`: their calls' arguments are checked; `must_call`: one of
        them must be called. `choices`: the answer is held to one of these texts, where the provider can do that.
        """

    @abstractmethod
    async def list_models(self) -> list[str]:
        """The names of the models that the service lists."""

    @abstractmethod
    def held_s(self) -> Mapping[str, float]:
        """Seconds in which something waited on the running loop, by what it waited for.

        `concurrency`: a place under way; `requests`, `tokens`: the limits per minute; `server`: a pause that the server
        asked for, or an outage.
        """

    @abstractmethod
    async def hold_nothing_back(self) -> None:
        """From now on, on the running loop, what replies say of limits and outages slows nothing: for benchmarks."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections of the running loop. The client opens new ones when it is used again."""

    # -- calls ---------------------------------------------------------------------------------------------------

    async def call(self, request: Request) -> Response:
        """The answer to one request. `length`, refusals and tool calls come back as they are (`finish_reason`).

        Python functions among `tools` are run when they are called, and the answer goes on from their results, at most
        ten rounds. Raises RequestError before sending, ContentFilterError on a filtered answer, ProviderError on
        failure, AnswerError when the rounds are used up.
        """
        fields, messages, functions = prepared(request)
        question = await self.question(fields)
        sends: tuple[Attempt, ...] = ()
        usage: Usage | None = None
        for n in range(_MOST_ROUNDS):
            response = await question.ask(messages)
            sends += response.retry_stats.attempts
            if response.usage is not None:
                usage = response.usage if usage is None else usage + response.usage
            if response.finish_reason == "content_filter":
                raise content_filter_error(response)
            if not is_for_functions(response, fields, functions):
                return response if n == 0 else replace(response, usage=usage, retry_stats=RetryStats(sends))
            messages = [*messages, tool_message(response), *await run_tools(response, functions)]
            if n == 0 and fields.get("tool_choice", "auto") != "auto":
                question = await self.question({**fields, "tool_choice": "auto"})  # or it could never answer
        raise AnswerError(
            f"The model called tools {_MOST_ROUNDS} times in a row without an answer.",
            attempts=sends,
            last_text=response.content,
            usage=usage,
            response=response,
        )

    def stream(self, request: Request) -> Stream:
        """The answer as it arrives: `async for text in client.stream(request)`, or await it first.

        One `str` per non-empty piece of text. `.events()` gives typed deltas; after the loop `.response` is the whole
        answer. Raises as `call`, and StreamError when the stream breaks off.
        """
        fields, messages, _ = prepared(request, streamed=True)
        return Stream(lambda: self.question(fields, stream=True), messages)

    async def structured_call(
        self, request: Request, schema: Schema, *, max_attempts: int = 3, strategy: str = "auto"
    ) -> Response:
        """The answer as JSON that fits `schema`, a pydantic model class or a JSON Schema.

        `.validated_schema` is the model's instance or the JSON value. Raises TruncatedError, RefusalError,
        ContentFilterError, and AnswerError when no answer is valid after `max_attempts`.
        """
        fields, messages, _ = prepared(request)
        check_count("max_attempts", max_attempts)
        check_schema(schema)
        question = await self.question(fields, schema=schema, strategy=strategy, max_attempts=max_attempts)
        return await question.ask(messages)

    async def tools_call(self, request: Request, tools: Sequence[Any], *, max_attempts: int = 3) -> Response:
        """The model's calls of these tools (pydantic models, functions, mappings), arguments checked.

        `.tool_calls[i].validated` is the model's instance, `.validated_schema` that of the first call. `tool_choice` is
        `required` unless the request says otherwise. Raises AnswerError when none is called, or none validly, after
        `max_attempts`.
        """
        fields, messages, _ = prepared(request)
        check_count("max_attempts", max_attempts)
        choice = fields.pop("tool_choice", "required")
        if choice == "none":
            raise RequestError(
                "`tool_choice` is `none`, so no tool could be called. Leave it out, or use call(request)."
            )
        question = await self.question(
            fields,
            tools=some_tools(tools),
            tool_choice=choice,
            must_call=True,
            max_attempts=max_attempts,
        )
        return await question.ask(messages)

    async def batch_call(
        self,
        requests: Iterable[Request] | AsyncIterable[Request],
        *,
        max_in_flight: int = 64,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """The answers in the order of the requests, at most `max_in_flight` under way.

        All requests finish. Raises BatchError, whose `.results` has responses and errors in order, if any failed; with
        `return_exceptions` the errors stand in the list instead.
        """
        return await run_batch(self.call, requests, max_in_flight, return_exceptions=return_exceptions)

    async def structured_batch_call(
        self,
        requests: Iterable[Request] | AsyncIterable[Request],
        schema: Schema,
        *,
        max_attempts: int = 3,
        strategy: str = "auto",
        max_in_flight: int = 64,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """As `batch_call`, each as in `structured_call`. A wrong schema or option raises RequestError at once."""
        check_count("max_attempts", max_attempts)
        check_schema(schema)
        compiled(schema)
        check_strategy(strategy)

        async def one(request: Request) -> Response:
            return await self.structured_call(request, schema, max_attempts=max_attempts, strategy=strategy)

        return await run_batch(one, requests, max_in_flight, return_exceptions=return_exceptions)

    async def nlg_evaluation(
        self, request: Request, protocol: str | Sequence[Message], *, scores: Sequence[int] = (1, 2, 3, 4, 5)
    ) -> tuple[Response, float]:
        """The answer, and its score weighted by the probabilities that the model gave to each of `scores`.

        `protocol`: instructions put before the request, as text or messages. The response's `.validated_schema` has
        `score`, `probabilities` and `mass` (the share of probability that fell on `scores` at all). Source: G-Eval,
        arXiv 2303.16634, section 2.1.
        """
        prepared(request)
        fields, messages, _ = prepared(scored_request(request, protocol, scores))
        question = await self.question(fields, choices=[str(score) for score in scores])
        response = await question.ask(messages)
        evaluation = nlg_score(response, scores)
        return replace(response, validated_schema=evaluation), evaluation["score"]

    # -- sync twins ----------------------------------------------------------------------------------------------

    def sync_call(self, request: Request) -> Response:
        """`call` without `await`: in scripts, notebooks and threads."""
        return run_in_portal(self.call(request))

    def sync_structured_call(self, request: Request, schema: Schema, **options: Any) -> Response:
        return run_in_portal(self.structured_call(request, schema, **options))

    def sync_tools_call(self, request: Request, tools: Sequence[Any], **options: Any) -> Response:
        return run_in_portal(self.tools_call(request, tools, **options))

    def sync_batch_call(self, requests: Iterable[Request], **options: Any) -> list[Any]:
        return run_in_portal(self.batch_call(requests, **options))

    def sync_structured_batch_call(self, requests: Iterable[Request], schema: Schema, **options: Any) -> list[Any]:
        return run_in_portal(self.structured_batch_call(requests, schema, **options))

    def sync_nlg_evaluation(
        self, request: Request, protocol: str | Sequence[Message], **options: Any
    ) -> tuple[Response, float]:
        return run_in_portal(self.nlg_evaluation(request, protocol, **options))

    def sync_stream(self, request: Request) -> Iterator[str]:
        return stream_in_portal(lambda: self.stream(request))

    def sync_list_models(self) -> list[str]:
        return run_in_portal(self.list_models())

    def sync_close(self) -> None:
        run_in_portal(self.close())

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
