"""The Responses API of OpenAI, Azure and vLLM."""

from __future__ import annotations

import json
import re

import jsonschema_rs
import pytest

from throughster.emulator import Options, parse_answers

DIALECTS = ("openai", "azure", "vllm")
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["word", "count"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}
CHAT_FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "4C"}
CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
DECLINING = parse_answers("[{contains: bomb, refusal: I cannot.}, {contains: blood, filtered: Then he}]", "a.yaml")


def text(content, role="user", kind="input_text"):
    return {"role": role, "content": [{"type": kind, "text": content}]}


SAME = [
    ({"input": "Say hi"}, [{"role": "user", "content": "Say hi"}]),
    ({"input": [text("Say hi")]}, [{"role": "user", "content": "Say hi"}]),
    (
        {"input": "Say hi", "instructions": "Be brief."},
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hi"}],
    ),
    (
        {"input": [text("a", "system"), text("b"), text("c", "assistant", "output_text"), {"role": "user", "content": "d"}]},
        [{"role": r, "content": c} for r, c in (("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "d"))],
    ),
    (
        {"input": [{"type": "message", **text("Weather?")}, CALL, OUTPUT]},
        [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "4C"},
        ],
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": t} for t in "ab"]}]},
        [{"role": "user", "content": [{"type": "text", "text": t} for t in "ab"]}],
    ),
]  # fmt: skip


@every_dialect
@pytest.mark.parametrize(("fields", "messages"), SAME)
def test_the_answer_is_that_of_chat_completions(ask, respond, dialect, fields, messages):
    whole = respond(dialect, **fields)
    chat = ask(dialect, messages=messages)
    assert whole.output_text == chat.text
    assert whole.body["usage"]["input_tokens"] == chat.body["usage"]["prompt_tokens"]
    assert whole.body["usage"]["output_tokens"] == chat.body["usage"]["completion_tokens"]


@every_dialect
def test_structured_answers_and_tool_calls_are_those_of_chat_completions(
    ask, respond, dialect, weather_tool, flat_tool
):
    structured = respond(dialect, text={"format": FORMAT}).output_text
    assert structured == ask(dialect, response_format=CHAT_FORMAT).text
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(structured))
    [call] = respond(dialect, tools=[flat_tool]).body["output"]
    [chat_call] = ask(dialect, tools=[weather_tool]).message["tool_calls"]
    assert (call["name"], call["arguments"]) == (chat_call["function"]["name"], chat_call["function"]["arguments"])
    assert call["type"] == "function_call"
    assert call["status"] == "completed"
    assert call["id"].startswith("fc_")
    assert call["call_id"].startswith("chatcmpl-tool-" if dialect == "vllm" else "call_")


@every_dialect
def test_a_whole_response_has_its_envelope(respond, dialect):
    body = respond(dialect, instructions="Be brief.", metadata={"a": "b"}, temperature=0.5).body
    assert re.fullmatch(r"resp_\w+", body["id"])
    assert (body["object"], body["status"], body["incomplete_details"]) == ("response", "completed", None)
    assert (body["instructions"], body["metadata"], body["temperature"]) == ("Be brief.", {"a": "b"}, 0.5)
    [item] = body["output"]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    [part] = item["content"]
    assert (part["type"], part["annotations"]) == ("output_text", [])
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens_details"]["cached_tokens"] == 0
    assert usage["output_tokens_details"]["reasoning_tokens"] == 0


def test_each_provider_fills_in_its_own_keys(respond):
    openai, azure, vllm = (respond(dialect).body for dialect in DIALECTS)
    assert (openai["model"], openai["error"], openai["service_tier"]) == ("gpt-4o-mini-2024-07-18", None, "default")
    assert openai["text"] == {"format": {"type": "text"}, "verbosity": "medium"}
    assert openai["reasoning"] == {"effort": None, "summary": None}
    assert openai["completed_at"] >= openai["created_at"]
    assert azure["model"] == "my-deployment"
    assert [source["source_type"] for source in azure["content_filters"]] == ["prompt", "completion"]
    assert "error" not in vllm
    assert vllm["max_output_tokens"] > 100_000
    assert vllm["output"][0]["content"][0]["logprobs"] is None
    assert openai["output"][0]["content"][0]["logprobs"] == []


@every_dialect
def test_a_streamed_text_comes_in_typed_events_and_ends_without_done(respond, dialect):
    reply = respond(dialect, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert b"[DONE]" not in reply.raw
    events = reply.typed_events
    kinds = [event["type"].removeprefix("response.") for event in events]
    deltas = kinds.count("output_text.delta")
    assert deltas > 3
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * deltas,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    first, last = events[0]["response"], events[-1]["response"]
    assert (first["status"], first["output"], first["usage"]) == ("in_progress", [], None)
    assert first["id"] == last["id"]
    whole = respond(dialect)
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert text == whole.output_text == events[-4]["text"] == last["output"][0]["content"][0]["text"]
    assert last["usage"] == whole.body["usage"]
    assert events[2]["item"] == {**last["output"][0], "content": [], "status": "in_progress"}
    assert {event["item_id"] for event in events[3:-2]} == {last["output"][0]["id"]}
    padded = [event for event in events if "obfuscation" in event]
    assert len(padded) == (deltas if dialect == "openai" else 0)


def test_obfuscation_is_left_out_where_it_is_not_wanted(respond):
    assert b"obfuscation" not in respond("openai", stream=True, stream_options={"include_obfuscation": False}).raw


@every_dialect
def test_streamed_calls_are_the_whole_ones(respond, dialect, flat_tool):
    tools = [flat_tool, {"type": "function", "name": "other"}]
    whole = respond(dialect, tools=tools, tool_choice="required").body["output"]
    assert [item["name"] for item in whole] == ["get_weather", "other"]
    events = respond(dialect, tools=tools, tool_choice="required", stream=True).typed_events
    assert events[-1]["response"]["output"] == whole
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert added == [{**item, "arguments": "", "status": "in_progress"} for item in whole]
    for index, item in enumerate(whole):
        own = [event for event in events if event.get("output_index") == index]
        deltas = [e["delta"] for e in own if e["type"] == "response.function_call_arguments.delta"]
        assert "".join(deltas) == item["arguments"]
        assert own[-2]["type"] == "response.function_call_arguments.done"
        assert own[-2]["arguments"] == item["arguments"]
        assert own[-1] == {**own[-1], "type": "response.output_item.done", "item": item}
    one = respond(dialect, tools=tools, tool_choice="required", parallel_tool_calls=False).body["output"]
    assert len(one) == 1


@every_dialect
def test_a_named_tool_is_called_and_none_where_none_is_wanted(respond, dialect, flat_tool):
    tools = [flat_tool, {"type": "function", "name": "other"}]
    [call] = respond(dialect, tools=tools, tool_choice={"type": "function", "name": "other"}).body["output"]
    assert (call["name"], call["arguments"]) == ("other", "{}")
    [item] = respond(dialect, tools=tools, tool_choice="none").body["output"]
    assert item["type"] == "message"


def test_allowed_tools_narrow_what_may_be_called(respond, flat_tool):
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "other"}]}
    [call] = respond("openai", tools=[flat_tool, {"type": "function", "name": "other"}], tool_choice=allowed).body[
        "output"
    ]
    assert call["name"] == "other"


@every_dialect
def test_an_answer_is_cut_at_the_token_limit(ask, respond, dialect):
    long = "Say hi " * 30
    answers = parse_answers(json.dumps([{"contains": long, "answer": long}]), "a.yaml")
    reply = respond(dialect, options={"answers": answers}, input=long, max_output_tokens=16)
    assert (reply.body["status"], reply.body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert reply.output_text == long[:64]
    assert reply.body["output"][0]["status"] == "incomplete"
    assert reply.body["usage"]["output_tokens"] == 16
    events = respond(dialect, options={"answers": answers}, input=long, max_output_tokens=16, stream=True).typed_events
    # vLLM ends every stream with the same type; the status inside tells.
    assert events[-1]["type"] == ("response.completed" if dialect == "vllm" else "response.incomplete")
    assert events[-1]["response"]["status"] == "incomplete"


@pytest.mark.parametrize("dialect", ["openai", "azure"])
def test_a_refusal_is_a_part_of_its_own(respond, dialect):
    reply = respond(dialect, options={"answers": DECLINING}, input="a bomb")
    assert reply.body["status"] == "completed"
    assert reply.body["output"][0]["content"] == [{"type": "refusal", "refusal": "I cannot."}]
    events = respond(dialect, options={"answers": DECLINING}, input="a bomb", stream=True).typed_events
    assert "".join(e["delta"] for e in events if e["type"] == "response.refusal.delta") == "I cannot."
    [done] = [e for e in events if e["type"] == "response.refusal.done"]
    assert done["refusal"] == "I cannot."
    assert not any("output_text" in event["type"] for event in events)


def test_a_filtered_answer_is_incomplete(respond):
    reply = respond("azure", options={"answers": DECLINING}, input="blood")
    assert reply.body["incomplete_details"] == {"reason": "content_filter"}
    assert [source["blocked"] for source in reply.body["content_filters"]] == [False, True]
    assert reply.output_text == "Then he"
    events = respond("openai", options={"answers": DECLINING}, input="blood", stream=True).typed_events
    assert events[-1]["type"] == "response.incomplete"


def test_a_reasoning_model_reasons_first_and_pays_for_it(respond):
    body = respond("openai", model="gpt-5-mini", reasoning={"effort": "low"}).body
    assert [item["type"] for item in body["output"]] == ["reasoning", "message"]
    assert body["output"][0]["summary"] == []
    assert body["reasoning"]["effort"] == "low"
    details = body["usage"]["output_tokens_details"]
    assert 0 < details["reasoning_tokens"] < body["usage"]["output_tokens"]
    kinds = [event["type"] for event in respond("openai", model="o3", stream=True).typed_events]
    assert kinds[2:5] == [*["response.output_item.added", "response.output_item.done"], "response.output_item.added"]
    none = respond("openai", model="gpt-5.6", reasoning={"effort": "none"}).body
    assert [item["type"] for item in none["output"]] == ["message"]


def test_reasoning_may_use_up_the_whole_budget(respond):
    for stream in (False, True):
        reply = respond("openai", model="o3", max_output_tokens=20, stream=stream)
        body = reply.typed_events[-1]["response"] if stream else reply.body
        assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        assert [item["type"] for item in body["output"]] == ["reasoning"]
        assert body["usage"]["output_tokens"] == body["usage"]["output_tokens_details"]["reasoning_tokens"] == 20


def test_encrypted_reasoning_comes_where_it_is_asked_for(respond):
    include = ["reasoning.encrypted_content"]
    assert respond("openai", model="o3", include=include).body["output"][0]["encrypted_content"]
    assert "encrypted_content" not in respond("openai", model="o3").body["output"][0]
    assert respond("openai", include=include).body["error"]["param"] == "include"


def test_an_answers_own_items_are_taken_as_input(converse, flat_tool):
    async def talk(_emulator, send):
        body = {"model": "o3", "input": [text("Weather?")], "tools": [flat_tool]}
        first = await send(body, path="/v1/responses")
        [call] = [item for item in first.body["output"] if item["type"] == "function_call"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": [text("4C")["content"][0]]}
        second = await send({**body, "input": [*body["input"], *first.body["output"], output]}, path="/v1/responses")
        third = [*body["input"], *second.body["output"], text("And now?")]
        return second, await send({**body, "input": third}, path="/v1/responses")

    second, third = converse(Options(), talk)
    assert [item["type"] for item in second.body["output"]] == ["reasoning", "message"]
    assert [item["type"] for item in third.body["output"]] == ["reasoning", "function_call"]


@every_dialect
def test_logprobs_come_where_include_names_them(respond, dialect):
    include = ["message.output_text.logprobs"]
    part = respond(dialect, include=include, top_logprobs=2).body["output"][0]["content"][0]
    assert "".join(token["token"] for token in part["logprobs"]) == part["text"]
    assert {len(token["top_logprobs"]) for token in part["logprobs"]} == {2}
    assert not respond(dialect, top_logprobs=2).body["output"][0]["content"][0]["logprobs"]
    events = respond(dialect, include=include, top_logprobs=2, stream=True).typed_events
    streamed = [one for e in events if e["type"] == "response.output_text.delta" for one in e["logprobs"]]
    assert streamed == part["logprobs"] == events[-4]["logprobs"]


def error(message, param=None, code=None, kind="invalid_request_error"):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def missing(place):
    return error(f"Missing required parameter: '{place}'.", place, "missing_required_parameter")


def unsupported(name, code=None):
    return error(f"Unsupported parameter: '{name}' is not supported with this model.", name, code)


REFUSALS = [
    ({"input": None}, missing("input")),
    (
        {"input": ""},
        error(
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided.",
            code="missing_required_parameter",
        ),
    ),
    ({"bogus": 1}, error("Unknown parameter: 'bogus'.", "bogus", "unknown_parameter")),
    (
        {"messages": []},
        error(
            "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'.",
            code="unsupported_parameter",
        ),
    ),
    (
        {"max_output_tokens": 15},
        error(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead.",
            "max_output_tokens",
            "integer_below_min_value",
        ),
    ),
    (
        {"temperature": -1},
        error(
            "Invalid 'temperature': integer below minimum value. Expected a value >= 0, but got -1 instead.",
            "temperature",
            "integer_below_min_value",
        ),
    ),
    (
        {"previous_response_id": "resp_1"},
        error("Previous response with id 'resp_1' not found.", "previous_response_id", "previous_response_not_found"),
    ),
    (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        error(
            "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
            "input[0].content[0]",
            "invalid_value",
        ),
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        error(
            "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', 'input_file', 'output_text', "
            "'refusal', and 'summary_text'.",
            "input[0].content[0].type",
            "invalid_value",
        ),
    ),
    (
        {"input": [{"role": "tool", "content": "x"}]},
        error(
            "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
            "input[0]",
            "invalid_value",
        ),
    ),
    ({"input": [CALL]}, error("No tool output found for function call call_1.", "input")),
    ({"input": [OUTPUT]}, error("No tool call found for function call output with call_id call_1.", "input")),
    ({"tools": [{"type": "function", "function": {"name": "x"}}]}, missing("tools[0].name")),
    (
        {"tool_choice": "required"},
        error("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice"),
    ),
    (
        {"tools": [{"type": "function", "name": "a"}], "tool_choice": {"type": "function", "name": "b"}},
        error("Tool choice 'function' not found in 'tools' parameter.", "tool_choice"),
    ),
    ({"text": {"format": {"type": "json_schema", "json_schema": {}}}}, missing("text.format.name")),
    (
        {"text": {"format": {"type": "json_object"}}, "instructions": "Answer in JSON."},
        error(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            "text.format",
        ),
    ),
    (
        {"text": {"format": {**FORMAT, "schema": {**SCHEMA, "required": ["word"]}}}},
        error(
            "Invalid schema for response_format 'x': In context=(), 'required' is required to be supplied and to be an "
            "array including every key in properties. Missing 'count'.",
            "text.format.schema",
            "invalid_json_schema",
        ),
    ),
    (
        {"tools": [{"type": "function", "name": "f", "strict": True, "parameters": {"type": "object"}}]},
        error(
            "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to "
            "be false.",
            "tools[0].parameters",
            "invalid_function_parameters",
        ),
    ),
    ({"reasoning": {"effort": "low"}}, unsupported("reasoning.effort", "unsupported_parameter")),
    ({"model": "o3", "temperature": 0.2}, unsupported("temperature")),
    ({"model": "gpt-5-mini", "top_p": 0.5}, unsupported("top_p")),
    (
        {"model": "o3", "include": ["message.output_text.logprobs"]},
        error("logprobs are not supported with reasoning models.", "include", "unsupported_parameter"),
    ),
    (
        {"model": "gpt-5.6", "reasoning": {"effort": "minimal"}},
        error(
            "Unsupported value: 'minimal' is not supported with the 'gpt-5.6' model.",
            "reasoning.effort",
            "unsupported_value",
        ),
    ),
]


@pytest.mark.parametrize(("fields", "body"), REFUSALS, ids=[json.dumps(f, sort_keys=True)[:60] for f, _ in REFUSALS])
def test_openai_refuses_with_the_exact_error_body(respond, fields, body):
    reply = respond("openai", **fields)
    assert (reply.status, reply.body) == (400, body)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "o3", "temperature": 1, "top_p": 1.0},
        {"model": "gpt-5.2", "temperature": 0.2},
        {"text": {"format": {"type": "json_object"}}, "input": "Answer in JSON."},
        {"text": {"format": {**FORMAT, "strict": False, "schema": {"type": "object"}}}},
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]},
        {"tools": [], "tool_choice": "auto", "store": False, "user": None, "truncation": "auto"},
        {"model": "gpt-6-astra", "tools": [{"type": "function", "name": "f"}], "reasoning": {"effort": "high"}},
    ],
)
def test_what_openai_takes_is_answered(respond, fields):
    assert respond("openai", **fields).status == 200


def test_json_objects_are_answered_with_one(respond):
    reply = respond("openai", text={"format": {"type": "json_object"}}, input="Answer in JSON.")
    assert isinstance(json.loads(reply.output_text), dict)


def test_a_parameter_declared_unsupported_is_refused(respond):
    reply = respond("openai", options={"unsupported_parameters": frozenset({"top_p"})}, top_p=1)
    assert reply.body == unsupported("top_p")


def test_the_only_model_and_the_only_key_count_here_too(respond):
    reply = respond("openai", options={"model": "mine"})
    message = "The requested model 'gpt-4o-mini' does not exist."
    assert (reply.status, reply.body) == (400, error(message, "model", "model_not_found"))
    assert respond("openai", options={"api_key": "k"}).status == 401
    assert respond("openai", options={"api_key": "k"}, headers={"Authorization": "Bearer k"}).status == 200


def test_a_schema_that_nothing_fits_is_refused_in_words(respond):
    impossible = {"type": "object", "properties": {"a": {"type": "string", "enum": [1]}}, "required": ["a"]}
    reply = respond("openai", text={"format": {**FORMAT, "schema": impossible, "strict": False}})
    assert (reply.status, reply.body["error"]["code"]) == (400, "invalid_json_schema")
    reply = respond("openai", tools=[{"type": "function", "name": "f", "parameters": impossible}])
    assert (reply.status, reply.body["error"]["code"]) == (400, "invalid_function_parameters")


LEGACY = "/openai/responses?api-version=2025-04-01-preview"


def test_azure_answers_at_its_dated_address_from_the_first_version_that_has_it(respond):
    assert respond("azure", path=LEGACY).status == 200
    old = respond("azure", path=LEGACY.replace("2025-04-01-preview", "2024-10-21"))
    message = "Azure OpenAI Responses API is enabled only for api-version 2025-03-01-preview and later"
    assert (old.status, old.body) == (400, {"error": {"code": "BadRequest", "message": message}})
    assert respond("azure", path="/openai/responses").status == 404
    assert respond("azure", path=LEGACY, options={"model": "other"}).body["error"]["code"] == "DeploymentNotFound"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"input": None}, 400, None),
        ({"input": [{"role": "user"}]}, 400, None),
        ({"top_p": 2.0}, 400, "top_p"),
        ({"stop": ""}, 400, "stop"),
        ({"tool_choice": "required"}, 400, "tool_choice"),
        ({"previous_response_id": "resp_1"}, 404, "response_id"),
        ({"background": True}, 400, "background"),
        ({"structured_outputs": {"choice": ["a"]}, "text": {"format": {"type": "text"}}}, 400, None),
        ({"text": {"format": {**FORMAT, "schema": {"type": "nope"}}}}, 400, None),
        ({"model": "nope"}, 404, "model"),
    ],
)
def test_vllm_refuses_in_its_shape(respond, fields, status, param):
    reply = respond("vllm", options={"model": "Qwen/Qwen3-8B"}, **fields)
    assert (reply.status, reply.body["error"]["code"], reply.body["error"]["param"]) == (status, status, param)


def test_vllm_ignores_unknown_keys_takes_its_own_and_the_clients_id(respond):
    reply = respond("vllm", model=None, bogus=1, structured_outputs={"choice": ["4"]}, request_id="mine", top_k=5)
    assert (reply.output_text, reply.body["id"]) == ("4", "mine")


def test_an_old_vllm_has_no_such_address(respond):
    reply = respond("vllm", options={"vllm_version": "0.9.2"})
    assert (reply.status, reply.body) == (404, {"detail": "Not Found"})


def test_a_model_may_take_tools_at_the_responses_api_only(ask, respond, weather_tool, flat_tool):
    options = {"tools_need_responses": True}
    for dialect, model in (("openai", "gpt-4o-mini"), ("azure", "my-deployment")):
        refused = ask(dialect, options=options, tools=[weather_tool])
        message = (
            f"Function tools with reasoning_effort are not supported for {model} in /v1/chat/completions. "
            "Please use /v1/responses instead."
        )
        assert (refused.status, refused.body) == (400, error(message, "reasoning_effort"))
        assert ask(dialect, options=options).status == 200
        assert respond(dialect, options=options, tools=[flat_tool]).body["output"][0]["type"] == "function_call"


@pytest.mark.parametrize("model", ["gpt-5-pro", "gpt-5.1-codex-mini", "o3-deep-research", "codex-mini-latest"])
def test_some_models_exist_at_the_responses_api_only(ask, respond, model):
    refused = ask("openai", model=model)
    message = "This model is only supported in v1/responses and not in v1/chat/completions."
    assert (refused.status, refused.body) == (404, error(message, "model"))
    assert ask("azure", model=model).body["error"]["code"] == "OperationNotSupported"
    assert respond("openai", model=model).status == 200
    assert ask("openai", options={"reasoning_models": "never"}, model=model).status == 200


ODD = [
    *(True, 0, 1.5, 10**25, "x", "", [], {}, [1], [None], [[]], [{}], [{"type": []}], [{"type": "reasoning"}]),
    *({"format": 1}, {"format": {"type": []}}, {"format": {"type": "json_schema", "name": 1}}, {"effort": []}),
    {"format": {"type": "json_schema", "name": "x", "schema": {"$ref": "http://x/"}}},
    *({"type": "function"}, {"type": "allowed_tools", "mode": [], "tools": 1}, {"type": []}, {"choice": [1]}),
    [{"type": "reasoning", "summary": []}],
    [{"role": "user", "content": [1]}],
    [{"role": "user", "content": [{"type": "input_text", "text": None}]}],
    [{"role": [], "content": "x"}],
    [{**CALL, "arguments": 1}],
    [{**OUTPUT, "output": [{"type": "refusal", "refusal": "x"}]}],
    [{"type": "function", "name": []}],
]  # fmt: skip


@every_dialect
def test_no_odd_value_makes_the_server_fail(converse, flat_tool, dialect):
    path = "/openai/v1/responses" if dialect == "azure" else "/v1/responses"
    names = ("input", "instructions", "model", "tools", "tool_choice", "text", "reasoning", "include", "stream")
    names += ("stream_options", "max_output_tokens", "top_logprobs", "previous_response_id", "metadata", "conversation")
    names += ("prompt", "structured_outputs", "stop", "request_id")

    async def talk(_emulator, send):
        bodies = [{"model": "m", "input": "x", "tools": [flat_tool], name: odd} for name in names for odd in ODD]
        return [(body, reply) for body in bodies if (reply := await send(body, path=path)).status >= 500]

    assert converse(Options(dialect=dialect), talk) == []
