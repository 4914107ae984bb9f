"""Mistral's dialect: strict fields, its own order of messages, and chunks that carry usage."""

from __future__ import annotations

import re

import pytest

from throughster.emulator import Options


def item(kind, loc, message, found):
    return {"type": kind, "loc": ["body", *loc], "msg": message, "input": found}


def invalid(*items):
    return {
        "object": "error",
        "message": {"detail": list(items)},
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


def extra(name, found):
    return item("extra_forbidden", [name], "Extra inputs are not permitted", found)


REFUSALS = [
    ({"max_completion_tokens": 64}, invalid(extra("max_completion_tokens", 64))),
    ({"stream_options": {}}, invalid(extra("stream_options", {}))),
    (
        {"seed": 1, "user": "u", "store": True, "logit_bias": {}},
        invalid(extra("seed", 1), extra("user", "u"), extra("store", True), extra("logit_bias", {})),
    ),
    (
        {"temperature": 1.6},
        invalid(item("less_than_equal", ["temperature"], "Input should be less than or equal to 1.5", 1.6)),
    ),
    ({"top_p": 0}, invalid(item("greater_than", ["top_p"], "Input should be greater than 0", 0))),
    ({"safe_prompt": "yes"}, invalid(item("bool_type", ["safe_prompt"], "Input should be a valid boolean", "yes"))),
    (
        {"tools": []},
        invalid(item("too_short", ["tools"], "List should have at least 1 item after validation, not 0", [])),
    ),
    (
        {"messages": [{"role": "user", "content": "x", "name": "n"}]},
        invalid(item("extra_forbidden", ["messages", 0, "user", "name"], "Extra inputs are not permitted", "n")),
    ),
    (
        {"messages": [{"role": "developer", "content": "x"}]},
        invalid(
            item(
                "literal_error", ["messages", 0, "role"], "Input should be 'system', 'user', 'assistant' or 'tool'", "developer"
            )
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "body"), REFUSALS, ids=[str(sorted(f))[:60] for f, _ in REFUSALS])
def test_wrong_fields_are_listed_all_at_once_with_422(ask, fields, body):
    reply = ask("mistral", **fields)
    assert (reply.status, reply.body) == (422, body)


def test_missing_messages_are_a_missing_field_of_the_body(ask):
    reply = ask("mistral", messages=None)
    assert reply.status == 422
    assert reply.body["message"]["detail"][0]["loc"] == ["body", "messages"]
    assert reply.body["message"]["detail"][0]["type"] == "missing"


def test_mistrals_own_fields_are_taken(ask, weather_tool):
    fields = {"random_seed": 7, "safe_prompt": True, "max_tokens": 9, "stop": ["x"], "parallel_tool_calls": True}
    assert ask("mistral", **fields, tools=[weather_tool], tool_choice="any").status == 200


def call(identity):
    return {"id": identity, "function": {"name": "f", "arguments": "{}"}}


USER = {"role": "user", "content": "x"}
CALLING = {"role": "assistant", "content": "", "tool_calls": [call("abcdefghi")]}
RESULT = {"role": "tool", "tool_call_id": "abcdefghi", "content": "4C"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([USER, CALLING, RESULT], None),
        ([USER, {"role": "assistant", "content": "Bon", "prefix": True}], None),
        ([USER, {"role": "assistant", "content": "Bon"}], "3230"),
        ([USER, CALLING, RESULT, USER], "3230"),
        ([USER, CALLING, USER], "3230"),
        ([USER, RESULT], "3230"),
        ([{"role": "system", "content": "x"}], "3230"),
        ([USER, {**CALLING, "tool_calls": [call("call_1")]}, {**RESULT, "tool_call_id": "call_1"}], "3280"),
    ],
)
def test_order_of_messages_and_ids_of_tool_calls_are_checked(ask, messages, code):
    reply = ask("mistral", messages=messages)
    if code is None:
        assert reply.status == 200
    else:
        assert (reply.status, reply.body["code"], reply.body["object"]) == (400, code, "error")


def test_an_unknown_model_and_a_wrong_key_have_mistrals_bodies(ask):
    reply = ask("mistral", options={"model": "mine"}, model="nope")
    assert (reply.status, reply.body) == (
        400,
        {
            "object": "error",
            "message": "Invalid model: nope",
            "type": "invalid_model",
            "param": None,
            "code": "1500",
            "raw_status_code": 400,
        },
    )
    denied = ask("mistral", options={"api_key": "k"}, headers={"Authorization": "Bearer x"})
    assert (denied.status, denied.body) == (401, {"detail": "Unauthorized"})
    assert ask("mistral", path="/v1/nothing").body == {"detail": "Not Found"}


def test_a_whole_answer_has_mistrals_envelope(ask):
    body = ask("mistral").body
    assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
    assert body["model"] == "mistral-medium-latest"
    assert body["choices"][0]["message"]["tool_calls"] is None
    assert "system_fingerprint" not in body
    assert set(body["usage"]) == {"prompt_tokens", "total_tokens", "completion_tokens", "prompt_tokens_details"}


def test_a_whole_tool_call_has_no_type_and_an_id_of_nine(ask, weather_tool):
    for choice in ("any", {"type": "function", "function": {"name": "get_weather"}}):
        body = ask("mistral", tools=[weather_tool], tool_choice=choice).body
        [found] = body["choices"][0]["message"]["tool_calls"]
        assert set(found) == {"id", "function", "index"}
        assert re.fullmatch(r"[a-zA-Z0-9]{9}", found["id"])
        assert body["choices"][0]["finish_reason"] == "tool_calls"


def test_a_stream_carries_usage_on_its_last_chunk_unasked(ask):
    first, *deltas, last = ask("mistral", stream=True).chunks
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all("usage" not in chunk for chunk in (first, *deltas))
    assert last["choices"][0] == {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
    assert last["usage"]["total_tokens"] > 0
    assert all("p" in chunk for chunk in (first, *deltas, last))


def test_with_several_choices_usage_still_rides_on_the_very_last_chunk(ask):
    chunks = ask("mistral", stream=True, n=3).chunks
    assert ["usage" in chunk for chunk in chunks].index(True) == len(chunks) - 1
    assert sum(bool(chunk["choices"][0]["finish_reason"]) for chunk in chunks) == 3


def test_a_small_model_streams_tool_calls_whole_and_others_in_fragments_with_null_ids(ask, weather_tool):
    whole = ask("mistral", model="mistral-small-latest", stream=True, tools=[weather_tool])
    [chunk] = whole.chunks
    assert chunk["choices"][0]["finish_reason"] == "tool_calls"
    assert chunk["usage"]
    fragmented = ask("mistral", stream=True, tools=[weather_tool])
    parts = [part for c in fragmented.chunks for part in c["choices"][0]["delta"]["tool_calls"]]
    assert len(parts) > 1
    assert all((part["id"], part["function"]["name"]) == ("null", "") for part in parts[1:])
    assert fragmented.streamed_calls() == whole.streamed_calls()


def test_rate_limit_headers_are_per_minute(ask):
    headers = ask("mistral").headers
    assert int(headers["x-ratelimit-limit-req-minute"]) > int(headers["x-ratelimit-remaining-req-minute"]) > 0
    assert int(headers["x-ratelimit-tokens-query-cost"]) > 0
    assert headers["mistral-correlation-id"]


def test_an_unknown_named_tool_and_a_bad_schema_are_refused(converse, chat_body, weather_tool):
    async def talk(_emulator, send):
        named = {"type": "function", "function": {"name": "nope"}}
        broken = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nope"}}}
        return (
            await send(chat_body("mistral", tools=[weather_tool], tool_choice=named)),
            await send(chat_body("mistral", response_format=broken)),
        )

    assert [reply.status for reply in converse(Options(dialect="mistral"), talk)] == [400, 400]
