"""The same contract for every provider, against a server that speaks its dialect with its quirks."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel

from throughster import errors
from throughster.client import AzureInterface, MistralInterface, OpenAiInterface, VllmInterface
from throughster.emulator import Emulator, Options
from throughster.types import Retry, ToolCallDelta

ASK = {"messages": [{"role": "user", "content": "Tell me about Oslo, as json."}], "temperature": 0.5}
KEY = "sk-canary-0123456789"


class City(BaseModel):
    name: str
    population: int
    nicknames: list[str] = []


class Lookup(BaseModel):
    """Look a city up."""

    city: str


CASES = {
    "openai": (OpenAiInterface, "openai", {}),
    "azure-dated": (AzureInterface, "azure", {"api_version": "2024-10-21"}),
    "azure-old": (AzureInterface, "azure", {"api_version": "2024-02-01"}),
    "azure-v1": (AzureInterface, "azure", {}),
    "azure-preview": (AzureInterface, "azure", {"api_version": "preview"}),
    "mistral": (MistralInterface, "mistral", {}),
    "vllm": (VllmInterface, "vllm", {}),
    "vllm-old": (VllmInterface, "vllm", {"vllm": "0.8.5"}),
    "openai-responses": (OpenAiInterface, "openai", {"endpoint": "responses"}),
    "azure-responses": (AzureInterface, "azure", {"endpoint": "responses"}),
    "azure-dated-responses": (AzureInterface, "azure", {"endpoint": "responses", "api_version": "2025-04-01-preview"}),
    "vllm-responses": (VllmInterface, "vllm", {"endpoint": "responses"}),
}


@pytest.fixture(params=CASES, ids=str)
def provider(request):
    return CASES[request.param]


def with_client(provider, scenario, **emulator):
    """Run `scenario(client, requests)` against the provider's emulator; `requests` are what arrived."""
    cls, dialect, options = provider
    options = dict(options)
    requests = []

    async def run():
        version = {"vllm_version": options.pop("vllm")} if "vllm" in options else {}
        given = {"dialect": dialect, "api_key": KEY, "request_log": requests.append, **version, **emulator}
        async with (
            Emulator(Options(**given)) as server,
            cls(
                api_base=server.api_base, api_key=KEY, model_name="m", retry=Retry(initial_delay_s=0.001), **options
            ) as client,
        ):
            return await scenario(client, requests)

    return asyncio.run(run())


def test_call(provider):
    async def scenario(client, requests):
        return await client.call({**ASK, "max_tokens": 500})

    response = with_client(provider, scenario)
    assert response.content
    assert response.finish_reason == "stop"
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens > 0
    assert response.request_id or provider[1] == "vllm"


def test_names_are_translated_and_what_has_no_name_is_refused(provider):
    async def scenario(client, requests):
        if provider[2].get("endpoint") == "responses":
            with pytest.raises(errors.RequestError, match="takes no `seed`"):
                await client.call({**ASK, "seed": 7})
            return {"seed": 7}
        await client.call({**ASK, "seed": 7, "stop": ["\n\n"]})
        return requests[-1].body

    body = with_client(provider, scenario)
    assert body["random_seed" if provider[1] == "mistral" else "seed"] == 7


def test_only_what_was_set_is_sent(provider):
    async def scenario(client, requests):
        await client.call({"messages": ASK["messages"]})
        return requests[-1].body

    asked = "input" if provider[2].get("endpoint") == "responses" else "messages"
    assert set(with_client(provider, scenario)) == {"model", asked}


def test_stream(provider):
    async def scenario(client, requests):
        whole = await client.call(ASK)
        stream = client.stream(ASK)
        pieces = [text async for text in stream]
        return whole, pieces, stream.response

    whole, pieces, response = with_client(provider, scenario, tokens_per_second=20_000)
    assert "".join(pieces) == whole.content == response.content
    assert len(pieces) > 1
    assert response.finish_reason == "stop"
    if CASES["azure-old"] != provider:  # before 2024-09 usage in streams could not be asked for
        assert response.usage == whole.usage


def test_function_calling_whole(provider):
    async def scenario(client, requests):
        return await client.tools_call(ASK, [Lookup])

    response = with_client(provider, scenario)
    assert isinstance(response.tool_calls[0].validated, Lookup)
    assert isinstance(response.tool_calls[0].arguments, dict)


def test_function_calling_streamed(provider):
    async def scenario(client, requests):
        stream = client.stream({**ASK, "tools": [Lookup], "tool_choice": "required"})
        deltas = [delta async for delta in stream.events()]
        return deltas, stream.response

    deltas, response = with_client(provider, scenario)
    pieces = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    (call,) = response.tool_calls
    assert json.loads("".join(piece.arguments for piece in pieces)) == call.arguments
    assert [piece.name for piece in pieces if piece.name] == ["Lookup"]
    assert Lookup.model_validate(call.arguments)


def test_a_tool_result_can_be_sent_back(provider):
    async def scenario(client, requests):
        def lookup(city: str) -> str:
            """Look a city up."""
            return f"{city} has 700,000 people."

        return await client.call({**ASK, "tools": [lookup]})

    response = with_client(provider, scenario)
    assert response.content
    assert response.tool_calls == ()


@pytest.mark.parametrize("strategy", ["auto", "json_schema", "json_object", "tool"])
def test_structured_output(provider, strategy):
    async def scenario(client, requests):
        return await client.structured_call(ASK, City, strategy=strategy, max_attempts=1)

    if strategy == "json_object":
        with pytest.raises(errors.AnswerError):  # an object, but nothing holds the emulator to the schema
            with_client(provider, scenario)
        return
    if strategy == "json_schema" and provider == CASES["azure-old"]:
        with pytest.raises(errors.BadRequestError, match="2024-08-01-preview"):
            with_client(provider, scenario)
        return
    assert isinstance(with_client(provider, scenario).validated_schema, City)


def test_list_models(provider):
    async def scenario(client, requests):
        return await client.list_models()

    assert with_client(provider, scenario, model="m") == ["m"]


def test_logprobs(provider):
    async def scenario(client, requests):
        return await client.call({**ASK, "logprobs": True, "top_logprobs": 3})

    first = with_client(provider, scenario).logprobs["content"][0]
    assert first["logprob"] <= 0
    assert len(first["top_logprobs"]) == 3


def test_a_wrong_key_is_an_auth_error_that_does_not_repeat_it(provider):
    async def scenario(client, requests):
        with pytest.raises(errors.AuthError) as caught:
            await client.call(ASK)
        return str(caught.value), len(requests)

    text, count = with_client(provider, scenario, api_key="another")
    assert (KEY in text, count) == (False, 1)


def test_an_unknown_model_is_told_apart(provider):
    async def scenario(client, requests):
        with pytest.raises((errors.NotFoundError, errors.BadRequestError)):  # Mistral says 400
            await client.call(ASK)

    with_client(provider, scenario, model="another")


def test_a_misspelt_field_never_leaves(provider):
    async def scenario(client, requests):
        with pytest.raises(errors.RequestError, match="Did you mean `temperature`"):
            await client.call({**ASK, "tempurature": 1})
        return requests

    assert with_client(provider, scenario) == []


def test_reasoning_models_teach_the_client_their_fields():
    async def scenario(client, requests):
        await client.call({**ASK, "max_tokens": 50})
        await client.call({**ASK, "max_tokens": 50})
        return [sorted(request.body) for request in requests]

    for name in ("azure-v1", "openai"):
        bodies = with_client(CASES[name], scenario, reasoning_models="always")
        assert "temperature" in bodies[0]
        assert "temperature" not in bodies[-1]
        assert bodies[-1] == bodies[-2]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_azure_takes_a_fresh_token_for_each_send(kind):
    tokens = iter(f"token-{n}" for n in range(100))
    seen = []

    def provide():
        return next(tokens)

    async def provide_async():
        return next(tokens)

    async def run():
        log = lambda request: seen.append((request.headers.get("authorization"), "api-key" in request.headers))  # noqa: E731
        async with Emulator(Options(dialect="azure", request_log=log)) as server:
            given = provide if kind == "sync" else provide_async
            async with AzureInterface(api_base=server.api_base, model_name="m", token_provider=given) as client:
                await client.call(ASK)
                await client.call(ASK)

                await client.list_models()

    asyncio.run(run())
    assert seen == [(f"Bearer token-{n}", False) for n in range(3)]


@pytest.mark.parametrize("name", ["openai", "azure-v1"])
def test_a_model_that_takes_tools_only_elsewhere_is_told_by_name(name):
    async def scenario(client, requests):
        with pytest.raises(errors.BadRequestError, match="`endpoint: responses` in a spec"):
            await client.tools_call(ASK, [Lookup])

    with_client(CASES[name], scenario, tools_need_responses=True)
