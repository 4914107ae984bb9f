"""The chat dialect: whole replies and streams of four services, as they look on the wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from throughster.client.reading import typed
from throughster.errors import ContextLengthError, QuotaError, RateLimitError, ServerError, StreamError, TransportError
from throughster.providers.chat import Assembler, parse_response
from throughster.sse import EventParser
from throughster.types import (
    FinishDelta,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageDelta,
)

WIRE = Path(__file__).parent / "data" / "wire"


def load(name, line=0):
    text = (WIRE / name).read_text("utf-8")
    return (text.splitlines()[line] if name.endswith("l") else text).encode()


def stream(name):
    """The assembler after a recorded stream, and every delta on the way."""
    assembler = Assembler()
    pieces = assembler.feed(EventParser().feed((WIRE / name).read_bytes()))
    return assembler, [typed(piece) for piece in pieces]


def feed(assembler, data):
    return assembler.feed([(data, "message", "")])


def test_a_text_answer():
    response = parse_response(load("A2_1.json"), source="openai:m", latency_s=1.5)
    assert (response.content, response.finish_reason, response.tool_calls) == ("Hi!", "stop", ())
    assert response.usage == Usage(17, 2, 19, 0, 0)
    assert (response.model, response.source, response.latency_s) == ("gpt-4o-mini-2024-07-18", "openai:m", 1.5)


def test_reasoning_that_used_up_the_budget():
    response = parse_response(load("A3_1.json"))
    assert (response.content, response.finish_reason, response.usage.reasoning_tokens) == ("", "length", 64)


def test_two_tool_calls():
    response = parse_response(load("A4_1.jsonl", 1))
    assert response.tool_calls == (
        ToolCall("call_aaa111", "get_weather", {"city": "Oslo"}),
        ToolCall("call_bbb222", "get_weather", {"city": "Rome"}),
    )


def test_a_refusal_is_kept_apart_from_the_text():
    response = parse_response(load("A5_1.jsonl", 1))
    assert (response.content, response.refusal) == ("", "I can't help with that.")


def test_an_answer_without_content_key():
    response = parse_response(load("A11_2.json"))
    assert (response.content, response.finish_reason) == ("", "content_filter")


def test_mistral_tool_call_without_type():
    response = parse_response(load("A15_1.jsonl", 2))
    assert response.tool_calls == (ToolCall("aB3dE6gH9", "get_weather", {"city": "Oslo"}),)


def test_mistral_thinking_is_reasoning():
    response = parse_response(load("A15_1.jsonl", 3))
    assert (response.content, response.reasoning) == ("4", "2+2...")


def test_vllm_reasoning_and_forced_call_that_finished_with_stop():
    assert parse_response(load("A20_1.jsonl", 1)).reasoning == "2+2 is 4"
    forced = parse_response(load("A20_1.jsonl", 2))
    assert (forced.finish_reason, forced.tool_calls[0].arguments) == ("stop", {"city": "Oslo"})


def test_old_name_of_reasoning_and_missing_counts():
    body = {"choices": [{"message": {"content": "4", "reasoning_content": "r"}}], "usage": {"prompt_tokens": None}}
    response = parse_response(json.dumps(body).encode())
    assert (response.reasoning, response.usage) == ("r", Usage())


def test_arguments_that_are_no_json_stay_text():
    body = {"choices": [{"message": {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{bad"}}]}}]}
    assert parse_response(json.dumps(body).encode()).tool_calls[0].arguments == "{bad"


@pytest.mark.parametrize("body", [b"null", b"[]", b'{"error":{"message":"boom"}}', b'{"choices":7}'])
def test_a_200_that_is_no_completion_is_an_error(body):
    with pytest.raises(ServerError, match="no chat completion"):
        parse_response(body)


@pytest.mark.parametrize("body", [b"", b"<html>portal</html>", b'{"choices":[{"message":'])
def test_a_200_that_is_no_json_broke_on_its_way(body):
    with pytest.raises(TransportError, match="no JSON, so no chat completion: ") as caught:
        parse_response(body)
    assert caught.value.retryable


def test_mistral_error_under_200():
    with pytest.raises(ServerError, match="finish_reason `error`"):
        parse_response(b'{"choices":[{"finish_reason":"error","message":{"content":""}}]}')


def test_openai_stream():
    assembler, deltas = stream("A7_1.sse")
    assert [d.text for d in deltas if isinstance(d, TextDelta)] == ["Hel", "lo \u2028 world"]
    assert deltas[-2:] == [FinishDelta("stop"), UsageDelta(Usage(17, 4, 21))]
    response = assembler.response()
    assert (response.content, response.usage.total_tokens, assembler.done) == ("Hello \u2028 world", 21, True)


def test_openai_stream_of_two_calls():
    assembler, deltas = stream("A8_1.sse")
    assert deltas[0] == ToolCallDelta(0, "call_1", "get_weather", "")
    assert assembler.response().tool_calls == (
        ToolCall("call_1", "get_weather", {"city": "Oslo"}),
        ToolCall("call_2", "get_weather", {"city": "Rome"}),
    )


def test_error_inside_a_stream_keeps_what_had_come():
    with pytest.raises(ServerError, match="had an error") as caught:
        stream("A9_1.sse")
    assert caught.value.partial == "Par"


def test_azure_streams_with_filter_chunks():
    assembler, _ = stream("A12_1.sse")
    assert (assembler.response().content, assembler.response().usage.total_tokens) == ("Hi!", 11)
    late, _ = stream("A13_1.sse")
    assert (late.response().content, late.response().finish_reason) == ("Hi!", "stop")


def test_mistral_streams():
    assert stream("A16_1.sse")[0].response().usage == Usage(5, 2, 7)
    thinking, deltas = stream("A17_1.sse")
    assert (thinking.response().content, thinking.response().reasoning) == ("Four", "Hmm")
    assert ReasoningDelta("Hmm") in deltas


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("A18_1.sse", [("aB3dE6gH9", {"city": "Oslo"})]),
        ("A18_2.sse", [("aB3dE6gH9", {"city": "Oslo"}), ("zZ9yY8xX7", {"city": "Rome"})]),
        ("A22_1.sse", [("chatcmpl-tool-77", {"city": "Oslo"})]),
    ],
)
def test_tool_calls_in_streams(name, calls):
    response = stream(name)[0].response()
    assert response.tool_calls == tuple(ToolCall(id_, "get_weather", arguments) for id_, arguments in calls)


def test_vllm_stream_with_keep_alive_and_reasoning():
    response = stream("A21_1.sse")[0].response()
    assert (response.content, response.reasoning, response.usage) == ("4", "2+2", Usage(14, 4, 18))


def test_vllm_error_event_before_done():
    with pytest.raises(ServerError, match="Internal server error"):
        stream("A22_2.sse")


def feed_calls(*pieces):
    assembler = Assembler()
    for piece in pieces:
        feed(assembler, json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": piece}}]}).encode())
    return [(c.id, c.name, c.arguments) for c in assembler.response().tool_calls]


def test_calls_without_index_are_told_apart_by_id():
    assert feed_calls(
        [{"id": "a", "function": {"name": "f", "arguments": '{"x":'}}],
        [{"function": {"arguments": "1}"}}],
        [{"id": "b", "function": {"name": "g", "arguments": "{}"}}],
    ) == [("a", "f", {"x": 1}), ("b", "g", {})]


def test_calls_that_all_claim_index_0_are_told_apart_by_id():
    assert feed_calls(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 0, "id": "b", "function": {"name": "g", "arguments": '{"y":'}}],
        [{"index": 0, "function": {"arguments": "2}"}}],
    ) == [("a", "f", {}), ("b", "g", {"y": 2})]


def test_a_name_repeated_in_every_piece_is_said_once():
    assert feed_calls(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}],
    ) == [("a", "f", {})]


def test_parallel_calls_in_one_piece_without_index_or_id_are_told_apart_by_place():
    piece = [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": "{}"}}]
    assert feed_calls(piece) == [("", "f", {}), ("", "g", {})]
    assert feed_calls(piece[:1], piece[1:]) == [("", "f", {}), ("", "g", {})]


@pytest.mark.parametrize(
    ("error", "kind"),
    [({"code": "rate_limit_exceeded"}, RateLimitError), ({"code": "context_length_exceeded"}, ContextLengthError),
     ({"code": "insufficient_quota"}, QuotaError), ({"code": 503}, ServerError), ({}, ServerError)],
)  # fmt: skip
def test_an_error_in_a_stream_is_what_its_code_says(error, kind):
    with pytest.raises(kind):
        feed(Assembler(), json.dumps({"error": {"message": "m", **error}}).encode())


def test_other_choices_are_left_alone():
    assembler = Assembler()
    feed(assembler, b'{"choices":[{"index":1,"delta":{"content":"no"}},{"index":0,"delta":{"content":"yes"}}]}')
    assert assembler.text == "yes"


@pytest.mark.parametrize("data", [b"not json", b"[1]", b"7"])
def test_an_event_that_is_no_object_is_an_error(data):
    with pytest.raises(StreamError, match="no part of an answer"):
        feed(Assembler(), data)
