"""The providers' own SDKs against the emulator: what they send it takes, and what it answers they can read.

The emulator is written from the same documents as the client; these SDKs are not, so a misreading shows here.
"""

from __future__ import annotations

import asyncio
import json
from typing import Literal

import openai
import pydantic
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import HTTPValidationError, SDKError

from throughster.emulator import Emulator, Options, parse_answers

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS, "strict": True}}
FLAT_TOOL = {"type": "function", **TOOL["function"]}
DECLINING = parse_answers("[{contains: Oslo, refusal: I cannot.}]", "answers.yaml")


class Weather(pydantic.BaseModel):
    """A structured answer, nested and with an optional part."""

    class Wind(pydantic.BaseModel):
        speed: float
        direction: Literal["N", "E", "S", "W"]

    city: str
    winds: list[Wind]
    note: str | None


def openai_client(emulator, **more):
    return openai.AsyncOpenAI(base_url=emulator.api_base, **{"api_key": "sk-test", "max_retries": 0, **more})


def azure_v1_client(emulator):
    return openai.AsyncOpenAI(base_url=f"{emulator.url}/openai/v1/", api_key="sk-test", max_retries=0)


def azure_legacy_client(emulator, version="2025-04-01-preview"):
    return openai.AsyncAzureOpenAI(azure_endpoint=emulator.url, api_version=version, api_key="sk-test", max_retries=0)


def vllm_client(emulator):
    return openai_client(emulator, api_key="EMPTY")


CLIENTS = {
    "openai": ("openai", openai_client, "gpt-4o-mini"),
    "azure-v1": ("azure", azure_v1_client, "my-deployment"),
    "azure-legacy": ("azure", azure_legacy_client, "my-deployment"),
    "vllm": ("vllm", vllm_client, "Qwen/Qwen3-8B"),
}


@pytest.fixture(params=CLIENTS)
def with_openai(request):
    """`with_openai(talk, **options)` runs `await talk(client, model)` against each provider that OpenAI's SDK knows."""
    dialect, build, model = CLIENTS[request.param]

    def with_openai(talk, **options):
        async def inside():
            async with Emulator(Options(dialect=dialect, **options)) as emulator, build(emulator) as client:
                return await talk(client, model)

        return asyncio.run(inside())

    with_openai.dialect = dialect
    return with_openai


def with_mistral(talk, *, key="sk-test", **options):
    async def inside():
        async with (
            Emulator(Options(dialect="mistral", **options)) as emulator,
            Mistral(api_key=key, server_url=emulator.url) as client,
        ):
            return await talk(client)

    return asyncio.run(inside())


def joined_calls(deltas):
    """The tool calls of a stream's deltas: [(name, arguments)]."""
    calls = {}
    for delta in deltas:
        for part in delta.tool_calls or ():
            call = calls.setdefault(part.index, ["", ""])
            call[0] += part.function.name or ""
            call[1] += part.function.arguments or ""
    return [tuple(calls[index]) for index in sorted(calls)]


def test_a_chat_call_and_its_stream_say_the_same(with_openai):
    async def talk(client, model):
        whole = await client.chat.completions.create(model=model, messages=MESSAGES, max_completion_tokens=50)
        stream = await client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        return whole, [chunk async for chunk in stream]

    whole, chunks = with_openai(talk)
    assert whole.choices[0].message.content.startswith("Canned answer")
    assert whole.choices[0].finish_reason == "stop"
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_tool_calls_come_whole_and_streamed_and_are_answered(with_openai):
    async def talk(client, model):
        asked = {"model": model, "messages": MESSAGES, "tools": [TOOL]}
        whole = await client.chat.completions.create(**asked)
        stream = await client.chat.completions.create(**asked, stream=True)
        chunks = [chunk async for chunk in stream]
        message = whole.choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "4C"}
        history = [*MESSAGES, message.model_dump(exclude_none=True), result]
        return whole, chunks, await client.chat.completions.create(**{**asked, "messages": history})

    whole, chunks, answered = with_openai(talk)
    [call] = whole.choices[0].message.tool_calls
    assert (whole.choices[0].finish_reason, call.function.name) == ("tool_calls", "get_weather")
    assert json.loads(call.function.arguments)["unit"] in {"C", "F"}
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert joined_calls(deltas) == [("get_weather", call.function.arguments)]
    assert answered.choices[0].message.content.startswith("Canned answer")


def test_every_completion_and_chunk_has_all_that_its_type_asks_for(with_openai):
    """The SDK builds its values without checks; here each one is checked against its own type."""

    async def talk(client, model):
        values = []
        for tools in ({}, {"tools": [TOOL]}):
            asked = {"model": model, "messages": MESSAGES, **tools}
            values.append(await client.chat.completions.create(**asked))
            values += [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
        return values

    values = with_openai(talk)
    assert len(values) > 6
    for value in values:
        if value.object:  # Azure's first chunk, of the prompt's filters, says nothing of itself
            type(value).model_validate(value.to_dict(mode="json"))


def test_the_sdks_own_stream_accumulator_reads_the_stream(with_openai):
    async def talk(client, model):
        async with client.chat.completions.stream(model=model, messages=MESSAGES, tools=[TOOL]) as stream:
            kinds = {event.type async for event in stream}
            return kinds, await stream.get_final_completion()

    kinds, final = with_openai(talk)
    assert "tool_calls.function.arguments.done" in kinds
    [call] = final.choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert call.function.parsed_arguments["city"]


def test_structured_answers_are_parsed_into_the_model(with_openai):
    async def talk(client, model):
        return await client.chat.completions.parse(model=model, messages=MESSAGES, response_format=Weather)

    parsed = with_openai(talk).choices[0].message.parsed
    assert isinstance(parsed, Weather)
    assert isinstance(parsed.winds, list)


def test_logprobs_are_read(with_openai):
    async def talk(client, model):
        asked = {"model": model, "messages": MESSAGES, "logprobs": True, "top_logprobs": 2}
        whole = await client.chat.completions.create(**asked)
        return whole, [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]

    whole, chunks = with_openai(talk)
    tokens = whole.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == whole.choices[0].message.content
    assert {len(token.top_logprobs) for token in tokens} == {2}
    streamed = [t for c in chunks for choice in c.choices if choice.logprobs for t in choice.logprobs.content]
    assert [token.token for token in streamed] == [token.token for token in tokens]


def test_models_are_listed(with_openai):
    async def talk(client, _model):
        return [model.id async for model in client.models.list()]

    assert "mine" in with_openai(talk, model="mine")


def test_a_wrong_key_is_an_authentication_error(with_openai):
    async def talk(client, model):
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(model=model, messages=MESSAGES)
        return caught.value.status_code

    assert with_openai(talk, api_key="sk-other") == 401


def test_an_unknown_model_is_a_not_found_error(with_openai):
    async def talk(client, model):
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model=model, messages=MESSAGES)
        return caught.value.code

    codes = {"openai": "model_not_found", "azure": "DeploymentNotFound", "vllm": "404"}
    assert with_openai(talk, model="another") == codes[with_openai.dialect]


def test_a_bad_request_names_the_parameter(with_openai):
    async def talk(client, model):
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model=model, messages=MESSAGES, top_p=2)
        return caught.value.param

    assert with_openai(talk) == "top_p"


@pytest.mark.parametrize("dialect", ["openai", "azure"])
def test_a_refusal_is_read(dialect):
    async def talk():
        async with Emulator(Options(dialect=dialect, answers=DECLINING)) as emulator:
            async with (openai_client if dialect == "openai" else azure_v1_client)(emulator) as client:
                chat = await client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Weather)
                response = await client.responses.create(model="m", input=MESSAGES)
                return chat.choices[0].message, response.output[0].content[0]

    message, part = asyncio.run(talk())
    assert (message.refusal, message.parsed) == ("I cannot.", None)
    assert (part.type, part.refusal) == ("refusal", "I cannot.")


def test_a_reasoning_model_refuses_sampling_parameters():
    async def talk():
        async with Emulator() as emulator, openai_client(emulator) as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model="o3", messages=MESSAGES, temperature=0.2)
            return caught.value.code, caught.value.param

    assert asyncio.run(talk()) == ("unsupported_value", "temperature")


def test_tools_may_be_taken_at_the_responses_api_only():
    async def talk():
        async with Emulator(Options(tools_need_responses=True)) as emulator, openai_client(emulator) as client:
            with pytest.raises(openai.BadRequestError, match="/v1/responses"):
                await client.chat.completions.create(model="gpt-6-sol", messages=MESSAGES, tools=[TOOL])
            return await client.responses.create(model="gpt-6-sol", input=MESSAGES, tools=[FLAT_TOOL])

    assert [item.type for item in asyncio.run(talk()).output] == ["reasoning", "function_call"]


def test_an_azure_version_without_a_field_refuses_it():
    async def talk():
        async with Emulator(Options(dialect="azure")) as emulator:
            async with azure_legacy_client(emulator, "2024-06-01") as client:
                with pytest.raises(openai.BadRequestError, match="max_completion_tokens"):
                    await client.chat.completions.create(model="d", messages=MESSAGES, max_completion_tokens=9)
                with pytest.raises(openai.BadRequestError, match="2025-03-01-preview"):
                    await client.responses.create(model="d", input="Hello")

    asyncio.run(talk())


def test_an_azure_token_is_taken_in_the_place_of_a_key():
    async def talk():
        async with Emulator(Options(dialect="azure", api_key="token")) as emulator:
            client = openai.AsyncAzureOpenAI(
                azure_endpoint=emulator.url, api_version="2024-10-21", azure_ad_token="token", azure_deployment="d"
            )
            async with client:
                return await client.chat.completions.create(model="ignored", messages=MESSAGES)

    assert asyncio.run(talk()).choices[0].message.content


def test_the_synchronous_client_reads_streams_too():
    async def talk():
        async with Emulator() as emulator:

            def ask():
                with openai.OpenAI(base_url=emulator.api_base, api_key="k", max_retries=0) as client:
                    stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
                    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

            return await asyncio.to_thread(ask)

    assert asyncio.run(talk()).startswith("Canned answer")


def test_a_response_and_its_stream_say_the_same_as_chat(with_openai):
    async def talk(client, model):
        chat = await client.chat.completions.create(model=model, messages=MESSAGES)
        whole = await client.responses.create(model=model, input=MESSAGES[1:], instructions="Be brief.")
        async with client.responses.stream(model=model, input=MESSAGES) as stream:
            events = [event async for event in stream]
            return chat, whole, events, await stream.get_final_response()

    chat, whole, events, final = with_openai(talk)
    assert whole.output_text == final.output_text == chat.choices[0].message.content
    assert whole.status == final.status == "completed"
    assert whole.usage.input_tokens == chat.usage.prompt_tokens
    assert final.usage.output_tokens == chat.usage.completion_tokens
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == deltas[-1].snapshot == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"


def test_every_event_and_item_of_a_response_has_all_that_its_type_asks_for(with_openai):
    """The SDK builds its values without checks; here each one is checked against its own type."""

    async def talk(client, model):
        asked = {"model": model, "input": MESSAGES, "tools": [FLAT_TOOL, {**FLAT_TOOL, "name": "other"}]}
        asked["include"] = ["message.output_text.logprobs"]
        values = [await client.responses.create(**asked)]
        for choice in ("required", "none"):
            stream = await client.responses.create(**asked, tool_choice=choice, stream=True)
            values += [event async for event in stream]
        return values

    values = with_openai(talk)
    assert len({value.type for value in values if hasattr(value, "type")}) == 11
    for value in values:
        filled = value.to_dict(mode="json")
        if with_openai.dialect == "vllm":  # older than the SDK's newest required field
            usage = filled.get("usage") or filled.get("response", {}).get("usage") or {"input_tokens_details": {}}
            usage["input_tokens_details"]["cache_write_tokens"] = 0
        type(value).model_validate(filled)


def test_the_tools_of_a_response_come_whole_and_streamed_and_are_answered(with_openai):
    async def talk(client, model):
        asked = {"model": model, "tools": [FLAT_TOOL]}
        first = await client.responses.create(**asked, input=MESSAGES)
        async with client.responses.stream(**asked, input=MESSAGES) as stream:
            streamed = await stream.get_final_response()
        output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "4C"}
        history = [*MESSAGES, *(item.to_dict(mode="json") for item in first.output), output]
        return first, streamed, await client.responses.create(**asked, input=history)

    first, streamed, answered = with_openai(talk)
    [call] = first.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert streamed.output[0].parsed_arguments == json.loads(call.arguments)
    assert answered.output_text.startswith("Canned answer")


def test_a_structured_response_is_parsed_into_the_model(with_openai):
    async def talk(client, model):
        return await client.responses.parse(model=model, input=MESSAGES, text_format=Weather)

    assert isinstance(with_openai(talk).output_parsed, Weather)


def test_a_response_that_is_cut_is_incomplete(with_openai):
    long = "Weather in Oslo? " * 10
    answers = parse_answers(json.dumps([{"contains": "Oslo", "answer": long}]), "answers.yaml")

    async def talk(client, model):
        asked = {"model": model, "input": MESSAGES, "max_output_tokens": 16}
        whole = await client.responses.create(**asked)
        return whole, [event async for event in await client.responses.create(**asked, stream=True)][-1].response

    responses = with_openai(talk, answers=answers)
    assert len(responses) == 2
    for response in responses:
        assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert response.output_text == long[:64]


def test_the_errors_of_a_response_are_mapped(with_openai):
    async def talk(client, model):
        with pytest.raises(openai.BadRequestError) as bad:
            await client.responses.create(model=model, input=MESSAGES, top_p=2)
        with pytest.raises(openai.APIStatusError) as gone:
            await client.responses.create(model=model, input=MESSAGES, previous_response_id="resp_1")
        return bad.value.param, gone.value.status_code

    assert with_openai(talk) == ("top_p", 404 if with_openai.dialect == "vllm" else 400)


def test_mistrals_chat_call_and_its_stream_say_the_same():
    async def talk(client):
        whole = await client.chat.complete_async(model="mistral-medium-latest", messages=MESSAGES, max_tokens=50)
        stream = await client.chat.stream_async(model="mistral-medium-latest", messages=MESSAGES)
        return whole, [event.data async for event in stream]

    whole, chunks = with_mistral(talk)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert text.startswith("Canned answer")
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens > 0
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ["mistral-small-latest", "mistral-medium-latest"])
def test_mistrals_tool_calls_come_whole_and_streamed_and_are_answered(model):
    async def talk(client):
        asked = {"model": model, "tools": [TOOL], "tool_choice": "any"}
        whole = await client.chat.complete_async(**asked, messages=MESSAGES)
        stream = await client.chat.stream_async(**asked, messages=MESSAGES)
        chunks = [event.data async for event in stream]
        message = whole.choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "4C", "name": "get_weather"}
        history = [*MESSAGES, message, result]
        return whole, chunks, await client.chat.complete_async(model=model, tools=[TOOL], messages=history)

    whole, chunks, answered = with_mistral(talk)
    [call] = whole.choices[0].message.tool_calls
    assert (whole.choices[0].finish_reason, call.function.name) == ("tool_calls", "get_weather")
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert joined_calls(deltas) == [("get_weather", call.function.arguments)]
    assert answered.choices[0].message.content.startswith("Canned answer")


def test_mistrals_structured_answers_are_parsed_into_the_model():
    async def talk(client):
        return await client.chat.parse_async(
            model="mistral-small-latest", messages=MESSAGES, response_format=Weather, temperature=0.1
        )

    assert isinstance(with_mistral(talk).choices[0].message.parsed, Weather)


def test_mistrals_models_are_listed():
    async def talk(client):
        return await client.models.list_async()

    assert [card.id for card in with_mistral(talk, model="mine").data] == ["mine"]


def test_mistrals_errors_are_mapped():
    async def talk(client):
        with pytest.raises(SDKError) as wrong_model:
            await client.chat.complete_async(model="nope", messages=MESSAGES)
        with pytest.raises(HTTPValidationError) as invalid:
            await client.chat.complete_async(model="m", messages=MESSAGES, temperature=9)
        return wrong_model.value, invalid.value

    wrong_model, invalid = with_mistral(talk, model="m")
    assert (wrong_model.status_code, json.loads(wrong_model.body)["type"]) == (400, "invalid_model")
    assert invalid.status_code == 422
    assert json.loads(invalid.body)["message"]["detail"][0]["loc"] == ["body", "temperature"]


def test_a_wrong_key_is_refused_by_mistral():
    async def talk(client):
        with pytest.raises(SDKError) as caught:
            await client.chat.complete_async(model="m", messages=MESSAGES)
        return caught.value.status_code

    assert with_mistral(talk, key="wrong", api_key="right") == 401
