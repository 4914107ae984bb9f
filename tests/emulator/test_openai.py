"""OpenAI's dialect: what it refuses, in which words, and the anatomy of its answers."""

from __future__ import annotations

import re

import jsonschema_rs
import pytest

from throughster.emulator import Options

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def error(message, param=None, code=None, kind="invalid_request_error"):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def json_schema(schema, *, strict=True, name="person"):
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": strict}}


REFUSALS = [
    ({"top_k": 3}, error("Unrecognized request argument supplied: top_k")),
    ({"min_p": 1, "bogus": 1}, error("Unrecognized request arguments supplied: min_p, bogus")),
    ({"messages": None}, error("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")),
    ({"model": None}, error("you must provide a model parameter")),
    (
        {"messages": []},
        error(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "messages",
            "empty_array",
        ),
    ),
    (
        {"tools": []},
        error(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "tools",
            "empty_array",
        ),
    ),
    (
        {"temperature": 2.5},
        error(
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
            "temperature",
            "decimal_above_max_value",
        ),
    ),
    (
        {"n": 0},
        error(
            "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
            "n",
            "integer_below_min_value",
        ),
    ),
    (
        {"temperature": "hot"},
        error(
            "Invalid type for 'temperature': expected a decimal, but got a string instead.",
            "temperature",
            "invalid_type",
        ),
    ),
    (
        {"stop": ["a", "b", "c", "d", "e"]},
        error(
            "Invalid 'stop': array too long. Expected at most 4 items, but got 5 instead.",
            "stop",
            "array_above_max_length",
        ),
    ),
    (
        {"messages": [{"role": "robot", "content": "x"}]},
        error(
            "Invalid value: 'robot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.",
            "messages[0].role",
            "invalid_value",
        ),
    ),
    (
        {"messages": [{"role": "user", "content": "x", "prefix": True}]},
        error("Unknown parameter: 'messages[0].prefix'.", "messages[0].prefix", "unknown_parameter"),
    ),
    (
        {"messages": [{"role": "user"}]},
        error(
            "Missing required parameter: 'messages[0].content'.", "messages[0].content", "missing_required_parameter"
        ),
    ),
    (
        {"response_format": {"type": "json_object"}},
        error(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        ),
    ),
    (
        {"response_format": json_schema({**PERSON, "additionalProperties": True})},
        error(
            "Invalid schema for response_format 'person': In context=(), 'additionalProperties' is required to be "
            "supplied and to be false.",
            "response_format",
        ),
    ),
    (
        {"response_format": json_schema({"type": "array", "items": {}})},
        error(
            "Invalid schema for response_format 'person': schema must be a JSON Schema of 'type: \"object\"', got "
            "'type: \"array\"'.",
            "response_format",
        ),
    ),
    (
        {"stream_options": {"include_usage": True}},
        error("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"),
    ),
    (
        {"tool_choice": "auto"},
        error(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "tool_choice"
        ),
    ),
    (
        {"model": "o3", "max_tokens": 5},
        error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
    ),
    (
        {"model": "gpt-5-mini", "temperature": 0.2},
        error(
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
    ),
    ({"reasoning_effort": "low"}, error("Unrecognized request argument supplied: reasoning_effort")),
]


@pytest.mark.parametrize(("fields", "body"), REFUSALS, ids=[str(sorted(f.items()))[:60] for f, _ in REFUSALS])
def test_a_wrong_request_gets_the_exact_error_body(ask, fields, body):
    reply = ask("openai", **fields)
    assert (reply.status, reply.body) == (400, body)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 5, "temperature": 0.2},
        {"model": "gpt-5-chat", "temperature": 0.2, "max_tokens": 5},
        {"model": "gpt-5.2", "temperature": 0.2, "max_completion_tokens": 5},
        {"model": "gpt-5.6-mini", "temperature": 0.2, "reasoning_effort": "none"},
        {"model": "o4-mini", "temperature": 1, "reasoning_effort": "low"},
        {"model": "someones-model", "temperature": 0.2, "max_tokens": 5, "reasoning_effort": "low"},
        {
            "messages": [
                {"role": "assistant", "content": "a", "reasoning_content": None},
                {"role": "user", "content": "b"},
            ]
        },
        {"response_format": json_schema({"type": "object"}, strict=False)},
        {"seed": 7, "stop": "END", "logit_bias": {"1": 2}, "user": "u", "metadata": {"a": "b"}, "store": False},
    ],
)
def test_what_a_model_takes_is_answered(ask, fields):
    assert ask("openai", **fields).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "gpt-5.2", "temperature": 0.2, "reasoning_effort": "high"},
        {"model": "gpt-5.5", "temperature": 0.2},
        {"model": "gpt-5.6", "reasoning_effort": "minimal"},
        {"model": "gpt-6.2-x", "reasoning_effort": "none"},
        {"model": "o3", "stop": ["x"]},
        {"model": "o1", "logprobs": True},
    ],
)
def test_a_reasoning_model_refuses_what_does_not_go_with_reasoning(ask, fields):
    reply = ask("openai", **fields)
    assert reply.status == 400
    assert reply.body["error"]["code"] in {"unsupported_parameter", "unsupported_value"}


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.6", "gpt-6-astra"])
def test_newest_models_send_tools_with_reasoning_to_the_responses_api(ask, weather_tool, model):
    reply = ask("openai", model=model, tools=[weather_tool], reasoning_effort="high")
    assert reply.status == 400
    assert reply.body["error"]["param"] == "reasoning_effort"
    assert "/v1/responses" in reply.body["error"]["message"]


def test_the_reasoning_rules_can_hold_for_every_name_or_for_none(ask):
    options = {"reasoning_models": "always"}
    assert ask("openai", options=options, model="hidden", temperature=0.5).body["error"]["param"] == "temperature"
    assert ask("openai", options=options, model="gpt-4o", max_tokens=5).body["error"]["param"] == "max_tokens"
    assert ask("openai", options={"reasoning_models": "never"}, model="o3", temperature=0.5).status == 200


def test_a_parameter_declared_unsupported_is_refused_as_such(ask):
    reply = ask("openai", options={"unsupported_parameters": frozenset({"seed"})}, seed=1)
    assert (reply.status, reply.body["error"]["code"], reply.body["error"]["param"]) == (
        400,
        "unsupported_parameter",
        "seed",
    )


@pytest.mark.parametrize(
    ("headers", "code"), [({}, None), ({"Authorization": "Bearer sk-wrong-key"}, "invalid_api_key")]
)
def test_a_wrong_key_gets_401_without_being_repeated(ask, headers, code):
    reply = ask("openai", options={"api_key": "sk-right"}, headers=headers)
    assert (reply.status, reply.body["error"]["code"]) == (401, code)
    assert b"wrong-key" not in reply.raw
    assert reply.headers["x-request-id"].startswith("req_")


def test_the_right_key_is_let_in_and_any_key_where_none_is_set(ask):
    assert ask("openai", options={"api_key": "k"}, headers={"Authorization": "Bearer k"}).status == 200
    assert ask("openai", headers={"Authorization": "Bearer whatever"}).status == 200


def test_another_model_than_the_only_one_is_not_found(ask):
    reply = ask("openai", options={"model": "mine"})
    message = "The model `gpt-4o-mini` does not exist or you do not have access to it."
    assert (reply.status, reply.body) == (404, error(message, code="model_not_found"))
    assert [
        m["id"] for m in ask("openai", options={"model": "mine"}, method="GET", path="/v1/models").body["data"]
    ] == ["mine"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
def test_a_wrong_address_is_refused_in_the_openai_shape(ask, method, path, status):
    reply = ask("openai", method=method, path=path)
    assert (reply.status, reply.body["error"]["type"]) == (status, "invalid_request_error")


def test_a_whole_answer_has_the_openai_envelope(ask):
    reply = ask("openai")
    body = reply.body
    assert list(body) == [
        "id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint",
    ]  # fmt: skip
    assert re.fullmatch(r"chatcmpl-\w+", body["id"])
    assert body["model"] == "gpt-4o-mini-2024-07-18"
    choice = body["choices"][0]
    assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
    assert set(choice["message"]) == {"role", "content", "refusal", "annotations"}
    usage = body["usage"]
    assert usage["prompt_tokens"] == 2
    assert usage["completion_tokens"] == -(-len(reply.text) // 4)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert {"prompt_tokens_details", "completion_tokens_details"} < set(usage)


def test_rate_limit_headers_are_go_durations(ask):
    headers = ask("openai").headers
    assert headers["x-ratelimit-limit-requests"] == "10000"
    assert headers["x-ratelimit-remaining-requests"] == "9999"
    assert headers["x-ratelimit-reset-requests"] == "6ms"
    assert re.fullmatch(r"\d+ms", headers["x-ratelimit-reset-tokens"])


def test_a_stream_has_the_openai_chunks(ask):
    reply = ask("openai", stream=True, stream_options={"include_usage": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    first, *deltas, finish, usage = reply.chunks
    assert first["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "", "refusal": None},
            "logprobs": None,
            "finish_reason": None,
        }
    ]
    assert all(set(chunk["choices"][0]["delta"]) == {"content"} for chunk in deltas)
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in (first, *deltas, finish))
    assert all("obfuscation" in chunk for chunk in reply.chunks)
    assert len({(chunk["id"], chunk["created"]) for chunk in reply.chunks}) == 1


def test_usage_and_obfuscation_are_there_only_as_asked(ask):
    plain = ask("openai", stream=True).chunks
    assert all("usage" not in chunk and chunk["choices"] for chunk in plain)
    bare = ask("openai", stream=True, stream_options={"include_obfuscation": False}).chunks
    assert all("obfuscation" not in chunk for chunk in bare)


def test_streamed_tool_calls_come_as_name_then_fragments(ask, weather_tool):
    reply = ask("openai", stream=True, tools=[weather_tool])
    first = reply.chunks[0]["choices"][0]["delta"]
    assert (first["role"], first["content"]) == ("assistant", None)
    head = first["tool_calls"][0]
    assert (head["index"], head["type"], head["function"]) == (0, "function", {"name": "get_weather", "arguments": ""})
    rest = [chunk["choices"][0]["delta"] for chunk in reply.chunks[1:-1]]
    assert all(set(delta["tool_calls"][0]) == {"index", "function"} for delta in rest)
    assert reply.finish_reasons == ["tool_calls"]
    [(identity, name, arguments)] = reply.streamed_calls()
    assert identity.startswith("call_")
    assert name == "get_weather"
    whole = ask("openai", tools=[weather_tool]).message["tool_calls"][0]
    assert (whole["id"], whole["function"]["arguments"]) == (identity, arguments)


def test_a_forced_named_tool_finishes_with_stop(ask, weather_tool):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    reply = ask("openai", tools=[weather_tool], tool_choice=choice)
    assert (reply.body["choices"][0]["finish_reason"], reply.text) == ("stop", None)
    assert ask("openai", tools=[weather_tool], tool_choice=choice, stream=True).finish_reasons == ["stop"]


@pytest.mark.parametrize(
    "choice",
    ["any", {"type": "function"}, {"type": "function", "function": {"name": "nope"}}, {"type": "allowed_tools"}],
)
def test_a_tool_choice_that_openai_does_not_know_is_refused(ask, weather_tool, choice):
    reply = ask("openai", tools=[weather_tool], tool_choice=choice)
    assert (reply.status, reply.body["error"]["param"]) == (400, "tool_choice")


def test_allowed_tools_narrow_what_may_be_called(ask, weather_tool):
    other = {"type": "function", "function": {"name": "other"}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "other"}}]}
    reply = ask("openai", tools=[weather_tool, other], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [c["function"] for c in reply.message["tool_calls"]] == [{"name": "other", "arguments": "{}"}]


def test_logprobs_stand_beside_the_text_whole_and_streamed(ask):
    whole = ask("openai", logprobs=True, top_logprobs=3).body["choices"][0]["logprobs"]
    assert whole["refusal"] is None
    first = whole["content"][0]
    assert set(first) == {"token", "logprob", "bytes", "top_logprobs"}
    assert bytes(first["bytes"]).decode() == first["token"]
    assert [t["logprob"] for t in first["top_logprobs"]] == sorted(
        (t["logprob"] for t in first["top_logprobs"]), reverse=True
    )
    assert len(first["top_logprobs"]) == 3
    streamed = ask("openai", logprobs=True, top_logprobs=3, stream=True).chunks
    tokens = [t for chunk in streamed for c in chunk["choices"] if c["logprobs"] for t in c["logprobs"]["content"]]
    assert tokens == whole["content"]
    assert ask("openai", top_logprobs=3).body["error"]["param"] == "top_logprobs"


def test_strict_tools_are_held_to_the_strict_rules(ask, weather_tool):
    function = {**weather_tool["function"], "strict": True}
    assert ask("openai", tools=[{"type": "function", "function": function}]).status == 200
    function["parameters"] = {**function["parameters"], "required": ["city"]}
    refused = ask("openai", tools=[{"type": "function", "function": function}]).body["error"]
    assert refused["code"] == "invalid_function_parameters"
    assert refused["param"] == "tools[0].function.parameters"
    assert "Missing 'unit'" in refused["message"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"anyOf": [{"type": "object"}], "type": "object"}, "'anyOf' is not permitted at the root"),
        ({**PERSON, "properties": {**PERSON["properties"], "age": {"allOf": [{}]}}}, "'allOf' is not permitted"),
        ({**PERSON, "properties": {**PERSON["properties"], "age": {"type": "integer", "default": 1}}}, "'default'"),
        (
            {**PERSON, "properties": {**PERSON["properties"], "age": {"$ref": "#", "description": "x"}}},
            "$ref cannot have keywords {'description'}",
        ),
        (
            {**PERSON, "properties": {**PERSON["properties"], "age": {"type": "object"}}},
            "context=('properties', 'age')",
        ),
        ({**PERSON, "properties": {**PERSON["properties"], "age": {"type": "nope"}}}, "nope"),
        (
            {**PERSON, "properties": {"name": {"enum": list(range(600))}, "age": {"enum": list(range(600))}}},
            "1200 enum values",
        ),
    ],
)
def test_a_strict_schema_that_breaks_a_rule_is_refused(ask, broken, words):
    reply = ask("openai", response_format=json_schema(broken))
    assert reply.status == 400
    assert reply.body["error"]["param"] == "response_format"
    assert words in reply.body["error"]["message"]


def test_a_strict_answer_is_valid_and_streams_as_the_same_text(ask):
    wanted = json_schema(PERSON)
    whole = ask("openai", response_format=wanted)
    assert jsonschema_rs.is_valid(PERSON, __import__("json").loads(whole.text))
    assert ask("openai", response_format=wanted, stream=True).streamed_text() == whole.text


def test_a_schema_that_nothing_fits_is_refused_in_words(ask):
    impossible = {"type": "object", "properties": {"a": {"type": "string", "enum": [1]}}, "required": ["a"]}
    reply = ask("openai", response_format=json_schema(impossible, strict=False))
    assert reply.status == 400
    assert "cannot build an answer" in reply.body["error"]["message"]


def test_tool_messages_must_pair_up_with_tool_calls(converse, chat_body):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    user = {"role": "user", "content": "x"}
    asking = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = {"role": "tool", "tool_call_id": "call_1", "content": "4C"}

    async def talk(_emulator, send):
        return [
            (await send(chat_body("openai", messages=messages))).status
            for messages in ([user, asking, answer], [user, asking], [user, asking, user], [user, answer])
        ]

    assert converse(Options(), talk) == [200, 400, 400, 400]
