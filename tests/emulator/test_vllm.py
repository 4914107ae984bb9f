"""vLLM's dialect: lenient with keys, strict with values, different from release to release."""

from __future__ import annotations

import json
import re

import pytest

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def error(message, param=None, kind="BadRequestError", code=400):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def json_schema(schema):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


REFUSALS = [
    ({"messages": None}, error("1 validation error: body -> messages: Field required", kind="Bad Request")),
    (
        {"n": "two", "stream": 3},
        error(
            "2 validation errors: body -> n: Input should be a valid integer; body -> stream: Input should be a valid boolean",
            kind="Bad Request",
        ),
    ),
    ({"top_p": 2.0}, error("top_p must be in (0, 1], got 2.0.", "top_p")),
    ({"n": 2, "temperature": 0}, error("n must be 1 when using greedy sampling, got 2.", "n")),
    ({"stop": ""}, error("stop cannot contain an empty string.", "stop")),
    ({"stop": list("abcde")}, error("stop has 5 strings, but at most 4 are allowed.", "stop")),
    ({"tool_choice": "auto"}, error("When using `tool_choice`, `tools` must be set.", "tool_choice")),
    (
        {"tool_choice": "any"},
        error(
            "1 validation error: body -> tool_choice: Input should be 'none', 'auto' or 'required'", kind="Bad Request"
        ),
    ),
    (
        {"tools": []},
        error(
            "1 validation error: body -> tools: List should have at least 1 item after validation, not 0", kind="Bad Request"
        ),
    ),
    (
        {"stream_options": {"include_usage": True}},
        error("Stream options can only be defined when `stream=True`.", "stream_options"),
    ),
    (
        {"structured_outputs": {"regex": "a", "choice": ["a"]}},
        error("You must use exactly one kind of structured outputs constraint, but got 2.", "structured_outputs"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "body"), REFUSALS, ids=[str(sorted(f.items()))[:60] for f, _ in REFUSALS])
def test_a_wrong_request_gets_the_exact_error_body(ask, fields, body):
    reply = ask("vllm", **fields)
    assert (reply.status, reply.body) == (400, body)


def test_a_bad_schema_is_a_bad_request(ask):
    reply = ask("vllm", response_format=json_schema({"type": "nope"}))
    assert (reply.status, reply.body["error"]["type"]) == (400, "BadRequestError")


def test_unknown_keys_are_ignored_and_the_model_may_be_missing(ask):
    reply = ask("vllm", model=None, random_seed=3, extra_body={"a": 1}, safe_prompt=True, metadata=7, bogus="x")
    assert reply.status == 200
    assert reply.body["model"] == ask("vllm", method="GET", path="/v1/models").body["data"][0]["id"]


def test_old_releases_have_flat_errors(ask):
    reply = ask("vllm", options={"vllm_version": "0.8.5"}, top_p=2.0)
    message = "top_p must be in (0, 1], got 2.0."
    assert reply.body == {
        "object": "error",
        "message": message,
        "type": "BadRequestError",
        "param": "top_p",
        "code": 400,
    }


@pytest.mark.parametrize(
    ("version", "fields", "constrained"),
    [
        ("0.33.0", {"structured_outputs": {"choice": ["4", "5"]}}, True),
        ("0.11.0", {"structured_outputs": {"choice": ["4", "5"]}}, True),
        ("0.10.2", {"structured_outputs": {"choice": ["4", "5"]}}, False),
        ("0.10.2", {"guided_choice": ["4", "5"]}, True),
        ("0.11.1", {"guided_choice": ["4", "5"]}, True),
        ("0.12.0", {"guided_choice": ["4", "5"]}, False),
        ("0.33.0", {"guided_regex": "[45]"}, False),
        ("0.10.2", {"guided_regex": "[45]"}, True),
        ("0.33.0", {"structured_outputs": {"regex": "[45]"}}, True),
        ("0.33.0", {"structured_outputs": {"grammar": 'root ::= "4" | "5"'}}, True),
    ],
)
def test_which_constraints_hold_depends_on_the_release(ask, version, fields, constrained):
    text = ask("vllm", options={"vllm_version": version}, **fields).text
    assert bool(re.fullmatch("[45]", text)) is constrained


@pytest.mark.parametrize(
    "fields",
    [
        {"structured_outputs": {"json": SCHEMA}},
        {"structured_outputs": {"json": json.dumps(SCHEMA)}},
        {"response_format": json_schema(SCHEMA)},
    ],
)
def test_a_schema_is_always_enforced(ask, fields):
    answer = json.loads(ask("vllm", **fields).text)
    assert list(answer) == ["n"]
    assert isinstance(answer["n"], int)


def test_json_object_needs_no_word_in_the_prompt(ask):
    for fields in ({"response_format": {"type": "json_object"}}, {"structured_outputs": {"json_object": True}}):
        assert isinstance(json.loads(ask("vllm", **fields).text), dict)


def test_version_and_health_are_open_and_models_are_not(ask):
    options = {"api_key": "k", "vllm_version": "0.20.1", "model": "m"}
    assert ask("vllm", options=options, method="GET", path="/version").body == {"version": "0.20.1"}
    health = ask("vllm", options=options, method="GET", path="/health")
    assert (health.status, health.raw) == (200, b"")
    denied = ask("vllm", options=options, method="GET", path="/v1/models")
    assert (denied.status, denied.body) == (401, {"error": "Unauthorized"})
    headers = {"Authorization": "Bearer k"}
    card = ask("vllm", options=options, method="GET", path="/v1/models", headers=headers).body["data"][0]
    assert (card["id"], card["owned_by"], card["root"], card["parent"]) == ("m", "vllm", "m", None)
    assert card["max_model_len"] > 0


def test_wrong_addresses_and_models_are_not_found(ask):
    assert ask("vllm", path="/v1/nothing").body == {"detail": "Not Found"}
    wrong_method = ask("vllm", method="GET", path="/v1/chat/completions")
    assert (wrong_method.status, wrong_method.body) == (405, {"detail": "Method Not Allowed"})
    reply = ask("vllm", options={"model": "m"}, model="nope", temperature=9)
    message = "The model `nope` does not exist. Valid aliases: m."
    assert (reply.status, reply.body) == (404, error(message, "model", "NotFoundError", 404))


def test_a_whole_answer_has_vllms_null_keys(ask):
    reply = ask("vllm")
    body = reply.body
    assert body["system_fingerprint"].startswith("vllm-0.33.0-")
    assert {"prompt_logprobs", "kv_transfer_params", "prompt_token_ids", "service_tier"} <= {
        k for k, v in body.items() if v is None
    }
    choice = body["choices"][0]
    assert choice["stop_reason"] is None
    assert choice["message"]["reasoning"] is None
    assert "tool_calls" not in choice["message"]
    assert not any(name.startswith("x-") for name in reply.headers)
    assert reply.headers["server"] == "uvicorn"


def test_old_releases_name_reasoning_otherwise_and_list_no_tool_calls(ask):
    message = ask("vllm", options={"vllm_version": "0.9.2"}).message
    assert message["tool_calls"] == []
    assert "reasoning_content" in message
    assert "reasoning" not in message


def test_the_clients_request_id_becomes_the_id(ask):
    assert ask("vllm", headers={"X-Request-Id": "mine"}).body["id"] == "chatcmpl-mine"


def test_a_stop_string_is_named_as_the_reason(ask):
    whole = ask("vllm")
    stop = whole.text.split()[3]
    reply = ask("vllm", stop=[stop])
    choice = reply.body["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)
    assert reply.text == whole.text[: whole.text.index(stop)]
    assert ask("vllm", stop=[stop], stream=True).chunks[-1]["choices"][0]["stop_reason"] == stop


def test_a_stream_leaves_out_what_was_not_set(ask):
    first, *deltas, last, usage = ask("vllm", stream=True, stream_options={"include_usage": True}).chunks
    assert first["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    ]
    assert first["prompt_token_ids"] is None
    assert all(set(c["choices"][0]) == {"index", "delta", "logprobs", "finish_reason", "token_ids"} for c in deltas)
    assert all("usage" not in chunk and "system_fingerprint" not in chunk for chunk in (first, *deltas, last))
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["choices"][0]["delta"]["content"]
    assert "stop_reason" in last["choices"][0]
    assert usage["choices"] == []
    assert set(usage["usage"]) == {"prompt_tokens", "total_tokens", "completion_tokens"}
    assert usage["system_fingerprint"].startswith("vllm-")


def test_continuous_usage_grows_with_the_text(ask):
    options = {"include_usage": True, "continuous_usage_stats": True}
    counts = [c["usage"]["completion_tokens"] for c in ask("vllm", stream=True, stream_options=options).chunks]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-2] == counts[-1] > 1


def test_streamed_tool_calls_come_as_name_then_fragments(ask, weather_tool):
    reply = ask("vllm", stream=True, tools=[weather_tool])
    head = reply.chunks[1]["choices"][0]["delta"]["tool_calls"][0]
    assert head["id"].startswith("chatcmpl-tool-")
    assert head["function"] == {"name": "get_weather", "arguments": ""}
    assert reply.finish_reasons == ["tool_calls"]
    whole = ask("vllm", tools=[weather_tool])
    assert whole.text == ""
    assert whole.message["tool_calls"][0]["function"]["arguments"] == reply.streamed_calls()[0][2]


def test_a_forced_named_tool_finishes_with_stop(ask, weather_tool):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    assert ask("vllm", tools=[weather_tool], tool_choice=choice).body["choices"][0]["finish_reason"] == "stop"
    assert ask("vllm", tools=[weather_tool], tool_choice="required").body["choices"][0]["finish_reason"] == "tool_calls"


def test_logprobs_have_no_refusal_key(ask):
    assert set(ask("vllm", logprobs=True).body["choices"][0]["logprobs"]) == {"content"}


def test_a_body_of_another_content_type_is_refused(ask):
    assert ask("vllm", headers={"Content-Type": "text/plain"}).status == 400
