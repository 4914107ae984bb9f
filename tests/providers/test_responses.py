"""The Responses dialect: chat requests in other words, and answers back in ours."""

from __future__ import annotations

import json

import pytest

from throughster import errors
from throughster.client.reading import typed
from throughster.providers import DIALECTS, PROVIDERS
from throughster.types import FinishDelta, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage, UsageDelta

RESPONSES, OPENAI = DIALECTS["responses"], PROVIDERS["openai"]


def build(**request):
    return RESPONSES.build_fields(OPENAI, request, None)


def test_fields_are_said_in_its_words():
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": True}}
    made = build(
        model="m", max_tokens=5, temperature=0.5, reasoning_effort="low", verbosity="low", logprobs=True, top_logprobs=3,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}},
        tools=[tool], tool_choice={"type": "function", "function": {"name": "f"}}, stream=True,
    )  # fmt: skip
    assert made == {
        "model": "m",
        "max_output_tokens": 5,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 3,
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}},
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"},
        "stream": True,
    }


@pytest.mark.parametrize("name", ["seed", "stop", "n", "logit_bias", "presence_penalty"])
def test_what_it_has_no_word_for_is_refused(name):
    with pytest.raises(errors.RequestError, match=f"takes no `{name}` at /responses"):
        build(**{name: 1})


def test_extra_body_goes_out_as_it_is():
    assert build(extra_body={"new": 1}) == {"new": 1}


def test_messages_become_items():
    messages = [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "assistant", "content": "so 4"},
    ]
    before = json.dumps(messages)
    assert RESPONSES.build_messages(OPENAI, messages) == [
        {"type": "message", "role": "system", "content": "s"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "t"},
                {"type": "input_image", "image_url": "u", "detail": "low"},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
        {"type": "message", "role": "assistant", "content": "so 4"},
    ]
    assert json.dumps(messages) == before


def reply(*output, status="completed", **more):
    return json.dumps({"object": "response", "status": status, "model": "m-1", "output": output, **more}).encode()


TEXT = {
    "type": "message",
    "content": [{"type": "output_text", "text": "Hi", "logprobs": [{"token": "Hi", "logprob": -0.1}]}],
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"x": 1}'}
USAGE = {
    "input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
    "input_tokens_details": {"cached_tokens": 1}, "output_tokens_details": {"reasoning_tokens": 1},
}  # fmt: skip


def test_a_whole_answer():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    answer = RESPONSES.parse_response(reply(thought, TEXT, usage=USAGE), source="openai:m")
    assert (answer.content, answer.reasoning, answer.finish_reason, answer.model) == ("Hi", "hm", "stop", "m-1")
    assert answer.usage == Usage(3, 2, 5, 1, 1)
    assert answer.logprobs["content"][0]["token"] == "Hi"


def test_calls_and_refusals():
    assert RESPONSES.parse_response(reply(CALL)).tool_calls == (ToolCall("call_1", "f", {"x": 1}),)
    assert RESPONSES.parse_response(reply(CALL)).finish_reason == "tool_calls"
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}
    assert RESPONSES.parse_response(reply(refused)).refusal == "no"


@pytest.mark.parametrize(("reason", "ours"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_answer_says_why(reason, ours):
    answer = RESPONSES.parse_response(reply(TEXT, status="incomplete", incomplete_details={"reason": reason}))
    assert answer.finish_reason == ours


def test_a_failed_answer_is_an_error():
    with pytest.raises(errors.ServerError, match="boom"):
        RESPONSES.parse_response(reply(status="failed", error={"code": "server_error", "message": "boom"}))
    with pytest.raises(errors.ServerError, match="no response"):
        RESPONSES.parse_response(b'{"choices": []}')


def feed(*events):
    assembler = RESPONSES.assembler()
    pieces = assembler.feed([(json.dumps(event).encode(), event["type"], "") for event in events])
    return assembler, [typed(piece) for piece in pieces]


def test_a_stream_gives_the_same_deltas_as_chat():
    end = {"type": "response.completed", "response": json.loads(reply(TEXT, CALL, usage=USAGE))}
    assembler, deltas = feed(
        {"type": "response.created", "response": {"status": "in_progress"}},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": "H"},
        {"type": "response.output_text.delta", "delta": "i"},
        {"type": "response.output_item.added", "item": {**CALL, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": '{"x": 1}'},
        end,
    )
    assert deltas == [
        ReasoningDelta("hm"),
        TextDelta("H"),
        TextDelta("i"),
        ToolCallDelta(0, "call_1", "f", ""),
        ToolCallDelta(0, None, None, '{"x": 1}'),
        FinishDelta("tool_calls"),
        UsageDelta(Usage(3, 2, 5, 1, 1)),
    ]
    assert assembler.complete
    assert assembler.response().content == "Hi"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "message": "boom", "code": "server_error"},
        {"type": "response.failed", "response": {"status": "failed", "error": {"message": "boom"}}},
        {"type": "whatever", "error": {"message": "boom"}},
    ],
)
def test_a_stream_that_fails_says_so_and_keeps_the_text(event):
    with pytest.raises(errors.ServerError, match="boom") as caught:
        feed({"type": "response.output_text.delta", "delta": "par"}, event)
    assert caught.value.partial == "par"
