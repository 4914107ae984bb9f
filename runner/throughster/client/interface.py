"""What every client can do: call, stream, structured answers, tools, batches, and their sync twins."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

from pydantic import SecretStr

from throughster.client.batch import run_batch
from throughster.client.forms import FORMS, ToolsForm
from throughster.client.learning import Learned
from throughster.client.portal import run_in_portal, stream_in_portal
from throughster.client.question import Question, content_filter_error
from throughster.client.rounds import prepared, run_tools
from throughster.client.scoring import nlg_score, scored_request
from throughster.client.sending import Sender
from throughster.client.stream import Stream
from throughster.client.tools import choice_wire, read_tools, tool_message
from throughster.emulator import Emulator, Options
from throughster.errors import RequestError
from throughster.schema import AnswerSchema
from throughster.settings import resolve_address
from throughster.transport import Transport
from throughster.types import Limits, Retry, Timeout, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from throughster.client.forms import Form
    from throughster.emulator import Answers
    from throughster.providers.base import Provider
    from throughster.settings import Address, TokenProvider
    from throughster.types import ChatRequest, Message, Response

    Request = ChatRequest | Mapping[str, Any]
    Schema = type[BaseModel] | dict[str, Any]

__all__ = ["Interface"]

_MOST_ROUNDS = 10


class Interface:
    """A client of one provider at one address.

    `api_base`: the URL up to `/chat/completions`. `limits`, `timeout`, `retry`: as in a spec. `headers`: go out with
    every request. `params`: the query of every request. `token_provider`: gives an Entra token for each send, in place
    of a key. `adapt`: leave out, with one warning, sampling fields that the model refuses. What is not given comes from
    the environment (`<PREFIX>API_BASE`, `API_KEY`, `API_VERSION`, `MODEL_NAME`). Raises SettingsError when something
    is missing.

    A client pickles: the copy has its configuration and opens its own connections; a key that came from the
    environment is read there again.
    """

    provider: ClassVar[Provider]

    def __init__(
        self,
        *,
        api_base: str | None = None,
        api_key: str | SecretStr | None = None,
        api_version: str | None = None,
        model_name: str | None = None,
        limits: Limits | None = None,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        token_provider: TokenProvider | None = None,
        adapt: bool = True,
        address: Address | None = None,
        answers: Answers | None = None,
    ) -> None:
        self._config: dict[str, Any] = {
            "api_base": api_base,
            "api_version": api_version,
            "model_name": model_name,
            "limits": limits or Limits(),
            "timeout": timeout or Timeout(),
            "retry": retry or Retry(),
            "headers": dict(headers or {}),
            "params": dict(params or {}),
            "token_provider": token_provider,
            "adapt": adapt,
            "address": address,
            "answers": answers,
        }
        self._api_key = SecretStr(api_key) if isinstance(api_key, str) else api_key
        self._address = address or resolve_address(
            self.provider,
            api_base=api_base,
            api_key=self._api_key,
            api_version=api_version,
            model=model_name,
            headers=dict(headers or {}),
            token_provider=token_provider,
        )
        self._transport = Transport()
        self._learned = Learned(self.source, active=adapt)
        self._emulators: WeakKeyDictionary[asyncio.AbstractEventLoop, Emulator] = WeakKeyDictionary()
        self._senders: WeakKeyDictionary[asyncio.AbstractEventLoop, Sender] = WeakKeyDictionary()

    @property
    def source(self) -> str:
        """`provider:model`."""
        return f"{self.provider.name}:{self._address.model or ''}".removesuffix(":")

    @property
    def address(self) -> Address:
        """Where it calls."""
        return self._address

    # -- calls ---------------------------------------------------------------------------------------------------

    async def call(self, request: Request) -> Response:
        """The answer to one request. `length`, refusals and tool calls come back as they are (`finish_reason`).

        Python functions among `tools` are run when they are called, and the answer goes on from their results, at most
        ten rounds. Raises RequestError before sending, ContentFilterError on a filtered answer, ProviderError on
        failure.
        """
        fields, messages, functions = prepared(request, self.provider)
        question = await self.question(fields)
        usage: Usage | None = None
        for _ in range(_MOST_ROUNDS):
            response = await question.ask(messages)
            if response.usage is not None:
                usage = response.usage if usage is None else usage + response.usage
            if response.finish_reason == "content_filter":
                raise content_filter_error(response)
            if not functions or not any(call.name in functions for call in response.tool_calls):
                return replace(response, usage=usage)
            messages = [*messages, tool_message(response), *await run_tools(response, functions)]
        raise RequestError(f"The model called tools {_MOST_ROUNDS} times in a row without an answer.")

    def stream(self, request: Request) -> Stream:
        """The answer as it arrives: `async for text in client.stream(request)`, or await it first.

        One `str` per non-empty piece of text. `.events()` gives typed deltas; after the loop `.response` is the whole
        answer. Raises as `call`, and StreamError when the stream breaks off.
        """
        fields, messages, _ = prepared(request, self.provider)
        return Stream(lambda: self.question(fields, stream=True), messages)

    async def structured_call(
        self, request: Request, schema: Schema, *, max_attempts: int = 3, strategy: str = "auto"
    ) -> Response:
        """The answer as JSON that fits `schema`, a pydantic model class or a JSON Schema.

        `.validated_schema` is the model's instance or the JSON value. Raises TruncatedError, RefusalError,
        ContentFilterError, and AnswerError when no answer is valid after `max_attempts`.
        """
        fields, messages, _ = prepared(request, self.provider)
        question = await self.question(fields, schema=schema, strategy=strategy, max_attempts=max_attempts)
        return await question.ask(messages)

    async def tools_call(self, request: Request, tools: Sequence[Any], *, max_attempts: int = 3) -> Response:
        """The model's calls of these tools (pydantic models, functions, mappings), arguments checked.

        `.tool_calls[i].validated` is the model's instance, `.validated_schema` that of the first call. The model must
        call one unless the request says otherwise with `tool_choice`. Raises AnswerError when it calls none, or none
        validly, after `max_attempts`.
        """
        fields, messages, _ = prepared(request, self.provider)
        choice = choice_wire(fields.pop("tool_choice", "required"))
        read = read_tools(tools)
        question = Question(
            await self.open(),
            fields,
            make_form=lambda _: ToolsForm(
                read, self.provider, choice, required=choice == "required" or isinstance(choice, dict)
            ),
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
        max_in_flight: int = 64,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """As `batch_call`, each answer as in `structured_call`."""

        async def one(request: Request) -> Response:
            return await self.structured_call(request, schema, max_attempts=max_attempts)

        return await run_batch(one, requests, max_in_flight, return_exceptions=return_exceptions)

    async def nlg_evaluation(
        self, request: Request, protocol: str | Sequence[Message], *, scores: Sequence[int] = (1, 2, 3, 4, 5)
    ) -> tuple[Response, float]:
        """The answer, and its score weighted by the probabilities that the model gave to each of `scores`.

        `protocol`: instructions put before the request, as text or messages. The response's `.validated_schema` has
        `score`, `probabilities` and `mass` (the share of probability that fell on `scores` at all). Source: G-Eval,
        arXiv 2303.16634, section 2.1.
        """
        choice = self.provider.choice_fields([str(s) for s in scores], await (await self.open()).server_version())
        response = await self.call(scored_request(request, protocol, scores, choice))
        evaluation = nlg_score(response, scores)
        return replace(response, validated_schema=evaluation), evaluation["score"]

    async def list_models(self) -> list[str]:
        """The names of the models that the service lists."""
        return await (await self.open()).list_models()

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

    async def question(
        self,
        fields: Mapping[str, Any],
        *,
        schema: AnswerSchema | Schema | None = None,
        strategy: str = "auto",
        max_attempts: int = 3,
        stream: bool = False,
    ) -> Question:
        """A request whose messages are still open, to be asked many times. Raises RequestError on unknown fields."""
        sender = await self.open()
        if schema is None:
            return Question(sender, fields, stream=stream)
        model = schema if isinstance(schema, type) else None
        compiled = _compiled(schema)
        strategies = self.provider.strategies if strategy == "auto" else (strategy,)
        if "guided" in strategies and _takes_guided_json(await sender.server_version()):
            strategies = tuple("guided_json" if name == "guided" else name for name in strategies)

        def make_form(name: str) -> Form:
            return FORMS[name](compiled, self.provider, model)

        return Question(
            sender, fields, make_form=make_form, strategies=strategies, max_attempts=max_attempts, stream=stream
        )

    async def open(self) -> Sender:
        """What sends for the running event loop; starts the emulator where the provider is one."""
        loop = asyncio.get_running_loop()
        sender = self._senders.get(loop)
        if sender is None:
            address = self._address
            if self.provider.starts_emulator and not address.api_base:
                emulator = Emulator(Options(answers=self._config["answers"], reasoning_models="never"))
                await emulator.start()
                self._emulators[loop] = emulator
                address = replace(address, api_base=emulator.api_base)
            sender = self._senders[loop] = Sender(
                self.provider,
                address,
                self._transport,
                limits=self._config["limits"],
                timeout=self._config["timeout"],
                retry=self._config["retry"],
                headers=self._config["headers"],
                query=self._config["params"],
                learned=self._learned,
            )
        return sender

    async def close(self) -> None:
        """Close the connections of the running loop. The client opens new ones when it is used again."""
        loop = asyncio.get_running_loop()
        self._senders.pop(loop, None)
        await self._transport.close()
        if (emulator := self._emulators.pop(loop, None)) is not None:
            await emulator.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r}, api_base={self._address.api_base!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Configuration only: no connection, and no key that came from the environment."""
        return {**self._config, "api_key": self._api_key, "address": _without_borrowed_key(self._config["address"])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a copy is made as the original was


def _compiled(schema: AnswerSchema | Schema) -> AnswerSchema:
    if isinstance(schema, AnswerSchema):
        return schema
    return AnswerSchema(schema.model_json_schema() if isinstance(schema, type) else schema)


def _takes_guided_json(version: tuple[int, ...] | None) -> bool:
    return version is not None and version < (0, 11)


def _without_borrowed_key(address: Address | None) -> Address | None:
    return replace(address, key=None) if address is not None and address.key_variable else address
