"""A client of one provider at one address."""

from __future__ import annotations

import asyncio
import copy
import marshal
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast
from weakref import WeakKeyDictionary

from pydantic import SecretStr

from throughster.client.arguments import check_kinds, check_strategy, check_texts, compiled
from throughster.client.calls import Calls
from throughster.client.forms import FORMS, ToolsForm
from throughster.client.learning import Learned
from throughster.client.question import Question
from throughster.client.sending import Sender
from throughster.errors import SettingsError
from throughster.exchanges import Cache, playing
from throughster.providers import DIALECTS
from throughster.schema import AnswerSchema
from throughster.settings import resolve_address
from throughster.tools import choice_wire, read_tools
from throughster.transport import Transport, take_ended
from throughster.types import Limits, Retry, Timeout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughster.client.calls import Schema
    from throughster.client.forms import Form
    from throughster.emulator import Answers, Emulator
    from throughster.providers.base import Provider
    from throughster.settings import Address, TokenProvider
    from throughster.types import Usage

__all__ = ["Interface"]


_NOWHERE = "http://127.0.0.1"  # of a played tape: nothing is sent there
_QUESTIONS_KEPT = 32


class Interface(Calls):
    """A client of one provider at one address.

    `api_base`: the URL up to `/chat/completions`. `limits`, `timeout`, `retry`: as in a spec. `headers`: go out with
    every request. `params`: the query of every request. `token_provider`: gives an Entra token for each send, in place
    of a key. `endpoint`: `chat/completions`, or `responses` where the provider has it. `adapt`: leave out, with one
    warning, sampling fields that the model refuses. `cache`: a Cache, or the mode (`on`, `read`, `write`) of the user's
    own. What is not given comes from the environment (`<PREFIX>API_BASE`, `API_KEY`, `API_VERSION`, `MODEL_NAME`).
    Raises SettingsError when something is missing.

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
        endpoint: str = "chat/completions",
        address: Address | None = None,
        answers: Answers | None = None,
        cache: Cache | str | None = None,
    ) -> None:
        check_kinds(limits=(limits, Limits), timeout=(timeout, Timeout), retry=(retry, Retry))
        check_kinds(api_key=(api_key, str | SecretStr), model_name=(model_name, str))
        check_kinds(token_provider=(token_provider, Callable))
        check_texts("headers", headers)
        check_texts("params", params)
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
            "endpoint": endpoint,
            "address": address,
            "answers": answers,
            "cache": _cache(cache),
        }
        if endpoint not in self.provider.endpoints:
            known = " and ".join(f"`{name}`" for name in self.provider.endpoints)
            raise SettingsError(f"{self.provider.title} has the endpoints {known}, not `{endpoint}`.")
        self._api_key = SecretStr(api_key) if isinstance(api_key, str) else api_key
        self._address = address or resolve_address(
            self.provider,
            api_base=api_base,
            api_key=self._api_key,
            api_version=api_version,
            model=model_name,
            headers=dict(headers or {}),
            token_provider=token_provider,
            keyless=playing() is not None,
        )
        self._transport = Transport()
        self._learned: dict[str | None, Learned] = {}
        self._emulators: WeakKeyDictionary[asyncio.AbstractEventLoop, Emulator] = WeakKeyDictionary()
        self._senders: WeakKeyDictionary[asyncio.AbstractEventLoop, Sender] = WeakKeyDictionary()
        self._opening: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @property
    def source(self) -> str:
        """`provider:model`."""
        return f"{self.provider.name}:{self._address.model or ''}".removesuffix(":")

    @property
    def address(self) -> Address:
        """Where it calls."""
        return self._address

    @property
    def retry(self) -> Retry:
        """How it sends again."""
        retry: Retry = self._config["retry"]
        return retry

    def capabilities(self) -> dict[str, Any]:
        """What was learned of the model from refusals: fields renamed and left out, forms of answers it lacks."""
        learned = self._learned_of(self._address.model)
        return {
            "renamed": dict(learned.renamed),
            "left_out": sorted(learned.left_out),
            "lacking": sorted(learned.lacking),
        }

    def _learned_of(self, model: str | None) -> Learned:
        if model not in self._learned:
            source = f"{self.provider.name}:{model or ''}".removesuffix(":")
            self._learned[model] = Learned(source, active=self._config["adapt"])
        return self._learned[model]

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
        """See `Calls.question`."""
        sender = await self.open()
        fields = self._wire_tools(fields)
        if choices:
            fields = {**fields, **self.provider.choice_fields(choices, await sender.wire.server_version())}
        if schema is None and not tools:
            return _plain_question(sender, fields, stream=stream)
        check_strategy(strategy)
        strategies = self.provider.strategies if strategy == "auto" else (strategy,)
        if "guided" in strategies and _takes_guided_json(await sender.wire.server_version()):
            strategies = tuple("guided_json" if name == "guided" else name for name in strategies)
        return Question(
            sender,
            fields,
            make_form=self._form_maker(schema, tools, tool_choice, must_call=must_call),
            strategies=strategies if schema is not None else (),
            max_attempts=max_attempts,
            stream=stream,
        )

    def _form_maker(
        self, schema: AnswerSchema | Schema | None, tools: Sequence[Any], tool_choice: Any, *, must_call: bool
    ) -> Any:
        model = schema if isinstance(schema, type) else None
        answer_schema = compiled(schema) if schema is not None else None
        read = read_tools(tools)
        choice = choice_wire(tool_choice)

        def make_form(name: str) -> Form:
            answer = FORMS[name](answer_schema, self.provider, model) if answer_schema is not None else None
            if not read:
                assert answer is not None
                return answer
            return ToolsForm(read, self.provider, choice, answer, must_call=must_call)

        return make_form

    def _wire_tools(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        wired: dict[str, Any] = {}
        if fields.get("tools"):
            wired["tools"] = [tool.wire(self.provider) for tool in read_tools(fields["tools"])]
        if "tool_choice" in fields:
            wired["tool_choice"] = choice_wire(fields["tool_choice"])
        return {**fields, **wired} if wired else fields

    async def list_models(self) -> list[str]:
        """See `Calls.list_models`."""
        return await (await self.open()).list_models()

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage | None]:
        """One vector for each text, from the service's `/embeddings`, and what that took. Raises ProviderError."""
        return await (await self.open()).embed(texts)

    async def open(self) -> Sender:
        """What sends for the running event loop; starts the emulator where the provider is one."""
        loop = asyncio.get_running_loop()
        if playing() is not None and not self._address.api_base:
            return self._new_sender(replace(self._address, api_base=_NOWHERE))  # no emulator is needed
        sender = self._senders.get(loop)
        if sender is None:
            async with self._opening.setdefault(loop, asyncio.Lock()):  # of many first calls, one opens
                sender = self._senders.get(loop)
                if sender is None:
                    take_ended(self._senders)
                    take_ended(self._emulators)
                    sender = self._senders[loop] = self._new_sender(await self._started(loop))
            self._opening.pop(loop, None)
        return sender

    async def _started(self, loop: asyncio.AbstractEventLoop) -> Address:
        """Where to call, with an emulator there where the provider is one."""
        address = self._address
        if self.provider.starts_emulator and not address.api_base:
            from throughster.emulator import Emulator, Options  # a web server, for whoever has no model at hand

            options = Options(answers=self._config["answers"], reasoning_models="never")
            emulator = self._emulators[loop] = Emulator(options)
            await emulator.start()
            address = replace(address, api_base=emulator.api_base)
        return address

    def _new_sender(self, address: Address) -> Sender:
        return Sender(
            self.provider,
            address,
            self._transport,
            limits=self._config["limits"],
            timeout=self._config["timeout"],
            retry=self._config["retry"],
            headers=self._config["headers"],
            query=self._config["params"],
            learned_of=self._learned_of,
            dialect=DIALECTS[self._config["endpoint"]],
            cache=self._config["cache"],
            canned=self._config["answers"],
        )

    async def hold_nothing_back(self) -> None:
        """See `Calls.hold_nothing_back`."""
        (await self.open()).admission.learns = False

    def held_s(self) -> Mapping[str, float]:
        """See `Calls.held_s`."""
        sender = self._senders.get(asyncio.get_running_loop())
        return {} if sender is None else sender.admission.held_s

    async def close(self) -> None:
        """See `Calls.close`."""
        loop = asyncio.get_running_loop()
        self._senders.pop(loop, None)
        await self._transport.close()
        if (emulator := self._emulators.pop(loop, None)) is not None:
            await emulator.stop()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r}, api_base={self._address.api_base!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Configuration only, as the environment completed it: no connection, and no key that came from there."""
        at = self._address
        return {
            **self._config,
            "api_base": at.api_base or None,
            "api_version": at.api_version,
            "model_name": at.model,
            "api_key": self._api_key,
            "address": _without_borrowed_key(self._config["address"]),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        address = _with_borrowed_key(state["address"])
        self.__init__(**{**state, "address": address})  # type: ignore[misc]  # a copy is made as the original was


def _plain_question(sender: Sender, fields: Mapping[str, Any], *, stream: bool) -> Question:
    """A question without a form. Most calls of a client differ in their messages alone: the last questions are kept."""
    try:
        key = marshal.dumps((dict(fields), stream), 2)  # unlike JSON it tells 1 from True, and NaN from null
    except ValueError:  # a value of a type of its own
        return Question(sender, fields, stream=stream)
    question = sender.questions.get(key)
    if question is None:
        if len(sender.questions) >= _QUESTIONS_KEPT:
            sender.questions.clear()
        own = copy.deepcopy(dict(fields))  # the caller's may be changed before this question is asked again
        question = sender.questions[key] = Question(sender, own, stream=stream)
    return question


def _cache(cache: Cache | str | None) -> Cache | None:
    if cache is None or cache == "off":
        return None
    return cache if isinstance(cache, Cache) else Cache(mode=cast("Any", cache))


def _takes_guided_json(version: tuple[int, ...] | None) -> bool:
    return version is not None and version < (0, 11)


def _without_borrowed_key(address: Address | None) -> Address | None:
    return replace(address, key=None) if address is not None and address.key_variable else address


def _with_borrowed_key(address: Address | None) -> Address | None:
    if address is None or address.key is not None or address.key_variable is None:
        return address
    key = os.environ.get(address.key_variable, "").strip()
    if not key:
        raise SettingsError(f"The client's key came from {address.key_variable}, which is not set here. Set it.")
    return replace(address, key=SecretStr(key))
