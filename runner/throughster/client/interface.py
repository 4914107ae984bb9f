"""The library's clients: one class per provider, and the factory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from throughster.client.question import Question, content_filter_error
from throughster.client.sending import Sender
from throughster.emulator import Emulator, Options
from throughster.errors import RequestError, SettingsError
from throughster.names import did_you_mean
from throughster.providers import PROVIDERS
from throughster.settings import resolve_address
from throughster.transport import Transport
from throughster.types import Limits, Retry, Timeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughster.emulator import Answers
    from throughster.providers.base import Provider
    from throughster.schema import AnswerSchema
    from throughster.settings import Address
    from throughster.types import ChatRequest, Response

__all__ = ["CLIENTS", "Interface", "OfflineInterface", "OpenAiInterface", "VllmInterface", "create_interface"]


class Interface:
    """A client of one provider at one address.

    `api_base`: the URL up to `/chat/completions`. `limits`, `timeout`, `retry`: as in a spec. `headers`: go out with
    every request. `params`: the query of every request. What is not given comes from the environment
    (`<PREFIX>API_BASE`, `API_KEY`, `API_VERSION`, `MODEL_NAME`). Raises SettingsError when something is missing.
    """

    provider: ClassVar[Provider]

    def __init__(
        self,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        api_version: str | None = None,
        model_name: str | None = None,
        limits: Limits | None = None,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        address: Address | None = None,
        answers: Answers | None = None,
    ) -> None:
        self._address = address or resolve_address(
            self.provider,
            api_base=api_base,
            api_key=api_key,
            api_version=api_version,
            model=model_name,
            headers=dict(headers or {}),
        )
        self._limits = limits or Limits()
        self._timeout = timeout or Timeout()
        self._retry = retry or Retry()
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        self._answers = answers
        self._transport = Transport()
        self._emulator: Emulator | None = None
        self._sender: Sender | None = None

    @property
    def source(self) -> str:
        """`provider:model`."""
        return f"{self.provider.name}:{self._address.model or ''}".removesuffix(":")

    @property
    def address(self) -> Address:
        return self._address

    async def open(self) -> Sender:
        """Ready to send; starts the emulator where the provider is one."""
        if self._sender is None:
            if self.provider.starts_emulator and not self._address.api_base:
                self._emulator = Emulator(Options(answers=self._answers))
                await self._emulator.start()
                self._address = _at(self._address, self._emulator.api_base)
            self._sender = Sender(
                self.provider,
                self._address,
                self._transport,
                limits=self._limits,
                timeout=self._timeout,
                retry=self._retry,
                headers=self._headers,
                query=self._params,
            )
        return self._sender

    async def question(
        self,
        fields: Mapping[str, Any],
        *,
        schema: AnswerSchema | None = None,
        strategy: str = "auto",
        max_attempts: int = 3,
        stream: bool = False,
    ) -> Question:
        """A request whose messages are still open, to be asked many times. Raises RequestError on unknown fields."""
        return Question(
            await self.open(), fields, schema=schema, strategy=strategy, max_attempts=max_attempts, stream=stream
        )

    async def call(self, request: ChatRequest | Mapping[str, Any]) -> Response:
        """The answer to one request. Raises ContentFilterError on a filtered answer, ProviderError on failure."""
        messages = request.get("messages")
        if not messages:
            raise RequestError("The request has no `messages`.")
        question = await self.question(request)
        response = await question.ask(messages)  # type: ignore[arg-type]  # TypedDict.get of a Mapping is object
        if response.finish_reason == "content_filter":
            raise content_filter_error(response)
        return response

    async def list_models(self) -> list[str]:
        """The names of the models that the service lists."""
        return await (await self.open()).list_models()

    async def close(self) -> None:
        """Close the connections of the running loop. The client opens new ones when it is used again."""
        await self._transport.close()
        if self._emulator is not None:
            await self._emulator.stop()
            self._emulator = self._sender = None
            self._address = _at(self._address, "")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r}, api_base={self._address.api_base!r})"


def _at(address: Address, api_base: str) -> Address:
    return replace(address, api_base=api_base)


class OpenAiInterface(Interface):
    """OpenAI. Settings: `OPENAI_API_KEY`, `OPENAI_API_BASE` or `OPENAI_BASE_URL`, `OPENAI_MODEL_NAME`."""

    provider = PROVIDERS["openai"]


class VllmInterface(Interface):
    """A vLLM server. Settings: `VLLM_API_BASE`, `VLLM_API_KEY` where the server asks for one, `VLLM_MODEL_NAME`."""

    provider = PROVIDERS["vllm"]


class OfflineInterface(Interface):
    """Canned answers from a server on the loopback interface that the client starts itself."""

    provider = PROVIDERS["offline"]


CLIENTS: dict[str, type[Interface]] = {
    cls.provider.name: cls for cls in (OfflineInterface, OpenAiInterface, VllmInterface)
}


def create_interface(name: str, **options: Any) -> Interface:
    """A client by its provider's name, with the options of `Interface`."""
    if name not in CLIENTS:
        hint = did_you_mean(name, CLIENTS) or f"Known: {', '.join(sorted(CLIENTS))}."
        raise SettingsError(f"Unknown provider `{name}`. {hint}")
    return CLIENTS[name](**options)
