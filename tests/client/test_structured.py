"""Structured answers: the forms they are asked in, what counts as valid, and repair."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json

import pytest
from aiohttp import web
from pydantic import BaseModel, field_validator

from throughster import errors
from throughster.client import MistralInterface, OpenAiInterface, VllmInterface
from throughster.tools import read_tools
from throughster.types import Retry

REQUEST = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


class Person(BaseModel):
    name: str
    age: int | None = None

    @field_validator("name")
    @classmethod
    def _capital(cls, name: str) -> str:
        if not name[:1].isupper():
            raise ValueError("a name begins with a capital letter")
        return name


def answer(content, finish_reason="stop", **message):
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    return {
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"content": text, **message}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def ask(serving, *replies, cls=OpenAiInterface, schema=PERSON, **options):
    """The response and the bodies that were sent."""
    bodies = []

    async def handler(request):
        if request.path.endswith("version"):
            return web.json_response({"version": "0.10.2"}) if request.path == "/version" else web.Response(status=404)
        bodies.append(await request.json())
        reply = replies[min(len(bodies), len(replies)) - 1]
        status, body = reply if isinstance(reply, tuple) else (200, reply)
        return web.json_response(body, status=status)

    async def scenario():
        async with serving(handler) as origin:
            client = cls(api_base=f"{origin}/v1", model_name="m", retry=Retry(initial_delay_s=0.001))
            async with client:
                return await client.structured_call(REQUEST, schema, **options)

    ask.bodies = bodies
    return asyncio.run(scenario()), bodies


def test_openai_gets_a_tightened_copy_and_the_users_schema_decides(serving):
    response, bodies = ask(serving, answer({"name": "Ann", "age": None}))
    assert response.validated_schema == {"name": "Ann"}
    sent = bodies[0]["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sorted(sent["schema"]["required"]) == ["age", "name"]
    assert sent["schema"]["additionalProperties"] is False
    assert PERSON["required"] == ["name"]


def test_a_schema_that_cannot_be_strict_is_sent_without(serving):
    free = {"type": "object", "additionalProperties": {"type": "integer"}}
    response, bodies = ask(serving, answer({"a": 1}), schema=free)
    assert response.validated_schema == {"a": 1}
    assert bodies[0]["response_format"]["json_schema"] == {"name": "answer", "schema": free, "strict": False}


def test_a_root_that_is_no_object_travels_in_one(serving):
    response, bodies = ask(serving, answer({"value": [1, 2]}), schema={"type": "array", "items": {"type": "integer"}})
    assert response.validated_schema == [1, 2]
    assert bodies[0]["response_format"]["json_schema"]["schema"]["required"] == ["value"]


def test_vllm_and_mistral_get_the_schema_as_it_is(serving):
    for cls in (VllmInterface, MistralInterface):
        _, bodies = ask(serving, answer({"name": "Ann"}), cls=cls)
        assert bodies[0]["response_format"]["json_schema"]["schema"] == PERSON


def test_a_pydantic_model_gives_an_instance_and_its_validators_speak(serving):
    response, bodies = ask(serving, answer({"name": "ann", "age": 3}), answer({"name": "Ann", "age": 3}), schema=Person)
    assert response.validated_schema == Person(name="Ann", age=3)
    assert "a name begins with a capital letter" in bodies[1]["messages"][-1]["content"]


def test_an_invalid_answer_is_sent_back_with_what_is_wrong(serving):
    response, bodies = ask(serving, answer({"name": 7}), answer("not json"), answer({"name": "Ann", "age": None}))
    assert response.validated_schema == {"name": "Ann"}
    assert [a.kind for a in response.retry_stats.attempts] == ["transport", "validation", "validation"]
    assert response.usage.total_tokens == 45
    assert [m["role"] for m in bodies[2]["messages"]] == ["system", "user", "assistant", "user"]
    assert bodies[2]["messages"][2]["content"] == "not json"
    assert "$.name" in bodies[1]["messages"][3]["content"]


def test_attempts_end_with_everything_that_is_known(serving):
    with pytest.raises(errors.AnswerError, match="No valid answer in 2 attempts") as caught:
        ask(serving, answer({"name": 7}), max_attempts=2)
    assert (caught.value.last_text, len(caught.value.attempts)) == ('{"name": 7}', 2)
    assert caught.value.validation_errors
    assert caught.value.usage.total_tokens == 30


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer('{"name": "An', "length"), errors.TruncatedError),
        (answer('{"name": "Ann"}', "length"), errors.TruncatedError),
        (answer(None, refusal="I cannot."), errors.RefusalError),
        (answer("", "content_filter"), errors.ContentFilterError),
    ],
)
def test_an_answer_that_was_cut_refused_or_filtered_is_not_repaired(serving, reply, kind):
    with pytest.raises(kind):
        ask(serving, reply)
    assert len(ask.bodies) == 1


LACKS = (400, {"error": {"message": "response_format is not supported", "param": "response_format", "code": None}})


def test_a_provider_that_lacks_a_form_gets_the_next(serving, caplog):
    call = {"tool_calls": [{"id": "1", "function": {"name": "answer", "arguments": '{"name": "Ann", "age": null}'}}]}
    response, bodies = ask(serving, LACKS, answer(None, "stop", **call))
    assert (response.validated_schema, response.tool_calls) == ({"name": "Ann"}, ())
    assert bodies[1]["tool_choice"] == {"type": "function", "function": {"name": "answer"}}
    assert "json_schema" in caplog.text


def test_a_wrong_schema_is_no_lack_of_ability(serving):
    wrong = (400, {"error": {"message": "Invalid schema for response_format 'answer'", "param": "response_format"}})
    with pytest.raises(errors.BadRequestError):
        ask(serving, wrong, answer({}))
    assert len(ask.bodies) == 1


def test_json_object_and_prompt_put_the_schema_into_the_instruction(serving):
    _, bodies = ask(serving, answer({"name": "Ann"}), strategy="json_object")
    assert bodies[0]["response_format"] == {"type": "json_object"}
    assert bodies[0]["messages"][0]["content"].startswith("Be brief.\n\nAnswer with one JSON value")
    response, bodies = ask(serving, answer('```json\n{"name": "Ann"}\n```'), strategy="prompt")
    assert response.validated_schema == {"name": "Ann"}
    assert "response_format" not in bodies[0]


def test_old_vllm_gets_its_old_field(serving):
    _, bodies = ask(serving, answer({"name": "Ann"}), cls=VllmInterface, strategy="guided")
    assert bodies[0]["guided_json"] == PERSON


@pytest.mark.parametrize(
    "text", ['{"name": "A", "name": "B"}', '{"name": NaN}', '{"name": "A"} tail', "", '```json\n{"name": "A"}\n```']
)
def test_reading_is_strict(serving, text):
    with pytest.raises(errors.AnswerError):
        ask(serving, answer(text), cls=VllmInterface, max_attempts=1)


@pytest.mark.parametrize("method", ["structured_batch_call", "sync_structured_batch_call"])
def test_a_batch_is_asked_by_the_named_strategy(serving, method):
    bodies = []

    async def handler(request):
        bodies.append(await request.json())
        return web.json_response(answer({"name": "Ann"}))

    async def scenario():
        async with serving(handler) as origin, OpenAiInterface(api_base=f"{origin}/v1", model_name="m") as client:
            ask_all = functools.partial(getattr(client, method), [REQUEST] * 3, PERSON, strategy="json_object")
            if not method.startswith("sync_"):
                return await ask_all()
            responses = await asyncio.to_thread(ask_all)
            await asyncio.to_thread(client.sync_close)
            return responses

    assert [response.validated_schema for response in asyncio.run(scenario())] == [{"name": "Ann"}] * 3
    assert [body["response_format"] for body in bodies] == [{"type": "json_object"}] * 3


def test_a_call_of_a_tool_in_place_of_an_answer_is_told(serving):
    call = {"id": "c1", "function": {"name": "look", "arguments": "{}"}}
    replies = [answer(None, "tool_calls", tool_calls=[call]), answer({"name": "Ann"})]
    response, bodies = ask(serving, *replies)
    assert response.validated_schema == {"name": "Ann"}
    assert "Tools were called in place of an answer: look." in bodies[1]["messages"][-1]["content"]


class Appointment(BaseModel):
    at: dt.datetime
    opens: dt.time
    seats: int = 1


NAIVE = {"at": "2024-05-06T10:56:41", "opens": "12:30:00", "seats": "4"}


@pytest.mark.parametrize("strategy", ["json_schema", "json_object", "prompt", "tool"])
def test_a_model_class_decides_what_it_takes(serving, strategy):
    call = {"id": "1", "function": {"name": "answer", "arguments": json.dumps(NAIVE)}}
    reply = answer(None, "tool_calls", tool_calls=[call]) if strategy == "tool" else answer(NAIVE)
    found, _ = ask(serving, reply, schema=Appointment, strategy=strategy, max_attempts=1)
    assert found.validated_schema == Appointment.model_validate(NAIVE)


def test_the_model_of_a_tool_decides_too():
    (tool,) = read_tools([Appointment])
    assert tool.check(NAIVE) == (NAIVE, Appointment.model_validate(NAIVE), ())
    assert tool.check({**NAIVE, "seats": "many"})[2] == (
        "$.seats: Input should be a valid integer, unable to parse string as an integer",
    )
