"""What real servers send although no specification has it: it becomes an answer, or an error with their words."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from throughster import errors
from throughster.client import OpenAiInterface, VllmInterface
from throughster.providers.thinking import Opening, parted
from throughster.types import FinishDelta, ReasoningDelta, RefusalDelta, Retry, TextDelta, ToolCallDelta

ASK = {"messages": [{"role": "user", "content": "hi"}]}
ONCE = Retry(max_attempts=1)
DONE = b"data: [DONE]\n\n"


def chat(message, finish="stop", **more):
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish, **more}], "model": "m"}


def event(value):
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def chunks(*deltas, finish="stop"):
    """A stream of these deltas; what stands in a string is escaped to ASCII."""
    sent = [event({"choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
    return b"".join(sent) + event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}) + DONE


def response(*items, **more):
    return {"object": "response", "status": "completed", "output": list(items), "model": "m", **more}


def client(base, **options):
    return VllmInterface(api_base=f"{base}/v1", model_name="m", retry=ONCE, **options)


def call(scripted, reply, **options):
    with scripted(lambda *_: reply) as base:
        return client(base, **options).sync_call(ASK)


def stream(scripted, body, **options):
    """The deltas, and the whole answer."""

    async def read(base):
        async with client(base, **options) as one:
            answer = one.stream(ASK)
            return [delta async for delta in answer.events()], answer.response

    with scripted(lambda *_: body) as base:
        return asyncio.run(read(base))


def texts(deltas, kind=TextDelta):
    return [delta.text for delta in deltas if isinstance(delta, kind)]


# -- text that is no Unicode ---------------------------------------------------------------------------------------


def test_a_whole_reply_has_whole_texts_only(scripted):
    call_with_half = {"id": "1", "function": {"name": "f", "arguments": '{"a": "\\ud83d", "b": "\\ud83c\\udf89"}'}}
    message = {"content": "c\ud83d", "reasoning": "r\ud83d", "refusal": "f\ud83d", "tool_calls": [call_with_half]}
    answer = call(scripted, chat(message, logprobs={"content": [{"token": "\ud83d"}]}))
    assert (answer.content, answer.reasoning, answer.refusal) == ("c\ufffd", "r\ufffd", "f\ufffd")
    assert answer.tool_calls[0].arguments == {"a": "\ufffd", "b": "🎉"}
    assert answer.logprobs == {"content": [{"token": "\ufffd"}]}
    json.dumps(answer.raw, ensure_ascii=False).encode()


def test_a_response_has_whole_texts_only(scripted):
    parts = [{"type": "output_text", "text": "c\ud83d"}, {"type": "refusal", "refusal": "f\ud83d"}]
    items = [
        {"type": "reasoning", "summary": [{"text": "r\ud83d"}]},
        {"type": "message", "content": parts},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"a": "\\ud83d"}'},
    ]
    answer = call(scripted, response(*items), endpoint="responses")
    assert (answer.content, answer.reasoning, answer.refusal) == ("c\ufffd", "r\ufffd", "f\ufffd")
    assert answer.tool_calls[0].arguments == {"a": "\ufffd"}


@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("shape", [lambda w: {"error": {"message": w}}, lambda w: {"detail": w}, lambda w: w])
def test_an_error_has_whole_texts_only(scripted, status, shape):
    with pytest.raises(errors.ProviderError, match="odd \ufffd here") as caught:
        call(scripted, (status, {}, shape("odd \ud83d here")))
    str(caught.value).encode()


def test_a_request_id_in_other_letters_is_whole(scripted):
    answer = call(scripted, (200, {"X-Request-Id": "é".encode().decode("latin-1")}, chat({"content": "hi"})))
    answer.request_id.encode()
    answer = call(scripted, (200, {"X-Request-Id": "\xff7"}, chat({"content": "hi"})))
    assert answer.request_id == "\ufffd7"


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (lambda text: {"content": text}, TextDelta),
        (lambda text: {"content": [{"type": "text", "text": text}]}, TextDelta),
        (lambda text: {"reasoning": text}, ReasoningDelta),
        (lambda text: {"reasoning_content": text}, ReasoningDelta),
        (lambda text: {"refusal": text}, RefusalDelta),
    ],
)
def test_a_stream_joins_the_halves_of_two_chunks(scripted, place, kind):
    deltas, _ = stream(
        scripted, chunks(place("ok \ud83c"), place("\udf89 end"), place("\ud83c"), place("no"), place("\ud83c"))
    )
    assert texts(deltas, kind) == ["ok ", "🎉 end", "\ufffdno", "\ufffd"]


def test_a_stream_joins_bytes_of_one_character(scripted):
    halves = [b'{"choices":[{"delta":{"content":"' + part + b'"}}]}' for part in (b"a\xf0\x9f", b"\x8e", b"\x89b\xff")]
    deltas, answer = stream(scripted, b"".join(map(event, halves)) + chunks())
    assert (texts(deltas), answer.content) == (["a", "🎉b\ufffd"], "a🎉b\ufffd")


def test_the_halves_of_two_calls_are_not_mixed_up(scripted):
    def piece(index, arguments):
        return {"tool_calls": [{"index": index, "function": {"name": f"f{index}", "arguments": arguments}}]}

    body = chunks(piece(0, '{"a":"\ud83c'), piece(1, '{"b":"\ud83c'), piece(0, '\udf89"}'), piece(1, 'x"}'))
    deltas, answer = stream(scripted, body)
    assert [call.arguments for call in answer.tool_calls] == [{"a": "🎉"}, {"b": "\ufffdx"}]
    sent = [[d.arguments for d in deltas if isinstance(d, ToolCallDelta) and d.index == n] for n in (0, 1)]
    assert ["".join(pieces) for pieces in sent] == ['{"a":"🎉"}', '{"b":"\ufffdx"}']


@pytest.mark.parametrize("end", [chunks(), DONE])
def test_a_half_that_nothing_follows_is_replaced(scripted, end):
    deltas, answer = stream(scripted, event({"choices": [{"delta": {"content": "ok\ud83c"}}]}) + end)
    assert texts(deltas) == ["ok", "\ufffd"]
    assert answer.content == "ok\ufffd"


def test_a_half_below_a_name_that_has_one_is_replaced(scripted):
    deltas, answer = stream(scripted, chunks({"content": {"\ud83c": "\ud83c"}}))
    assert "".join(texts(deltas)) == answer.content
    answer.content.encode()


def test_a_streamed_response_joins_halves_too(scripted):
    told = {"type": "response.output_text.delta", "item_id": "i"}
    whole = response({"type": "message", "content": [{"type": "output_text", "text": "ok \ud83c\udf89\ud83c"}]})
    events = [
        {**told, "delta": "ok \ud83c"},
        {**told, "delta": "\udf89\ud83c"},
        {"type": "response.completed", "response": whole},
    ]
    deltas, answer = stream(scripted, b"".join(map(event, events)), endpoint="responses")
    assert (texts(deltas), answer.content) == (["ok ", "🎉", "\ufffd"], "ok 🎉\ufffd")


def test_a_repair_can_tell_the_model_what_it_said(scripted):
    seen = []

    def reply(body, _):
        seen.append(body["messages"])
        return chat({"content": "no json \ud83d" if len(seen) == 1 else '{"a": 1}'})

    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    with scripted(reply) as base:
        answer = client(base).sync_structured_call(ASK, schema, strategy="prompt")
    assert answer.validated_schema == {"a": 1}
    assert seen[1][-2] == {"role": "assistant", "content": "no json \ufffd"}


# -- shapes --------------------------------------------------------------------------------------------------------


def test_a_chunk_may_be_a_whole_answer(scripted):
    deltas, answer = stream(scripted, event(chat({"role": "assistant", "content": "whole"})) + DONE)
    assert (texts(deltas), answer.content, answer.finish_reason) == (["whole"], "whole", "stop")


@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
def test_a_reply_may_begin_with_a_byte_order_mark(scripted, endpoint):
    """Also one that was asked for as a stream."""
    whole = (
        chat({"content": "hi"})
        if endpoint != "responses"
        else response({"type": "message", "content": [{"text": "hi"}]})
    )
    body = b"\xef\xbb\xbf" + json.dumps(whole).encode()
    assert call(scripted, body, endpoint=endpoint).content == "hi"
    assert stream(scripted, body, endpoint=endpoint)[1].content == "hi"


def test_a_whole_message_after_its_deltas_is_not_said_twice(scripted):
    body = event({"choices": [{"delta": {"content": "whole"}}]}) + event(chat({"content": "whole"})) + DONE
    deltas, answer = stream(scripted, body)
    assert (texts(deltas), answer.content) == (["whole"], "whole")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"text": "worker ran out of memory", "error_code": 50002}, "worker ran out of memory"),
        ({"detail": "no such adapter"}, "no such adapter"),
        ({"detail": [{"loc": ["body", "x"], "msg": "no such adapter"}]}, "no such adapter"),
        ({"object": "error", "message": "engine died", "code": 500}, "engine died"),
        ({"message": "engine died"}, "engine died"),
        ({"errors": [{"code": 5007, "message": "no such model"}]}, "no such model"),
        ({"error": "engine died"}, "engine died"),
        ({"error": ["engine", "died"]}, "engine"),
        ({"success": False, "msg": "engine died"}, "engine died"),
        ({"choices": [{"finish_reason": "error", "error": {"message": "engine died"}}]}, "engine died"),
        ({"whatever": "engine died"}, "engine died"),
        (["engine died"], "engine died"),
        ("engine died", "engine died"),
    ],
)
@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
@pytest.mark.parametrize("way", ["stream", "whole"])
def test_an_error_in_any_shape_is_told_in_the_servers_words(scripted, said, words, endpoint, way):
    with pytest.raises(errors.ProviderError, match=words):
        if way == "stream":
            stream(scripted, event(said) + DONE, endpoint=endpoint)
        else:
            call(scripted, said, endpoint=endpoint)


@pytest.mark.parametrize(
    "choices",
    [
        [None], [7], ["text"], 7, "text", [{"delta": 7}], [{"delta": "text"}], [{"delta": {"content": 7}}, None],
        [{"delta": {"tool_calls": [None]}}], [{"delta": {"tool_calls": 7}}], [{"delta": {"tool_calls": [{"function": 7}]}}],
        [{"delta": {"content": "x"}, "logprobs": 7}], [{"message": None}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["stream", "whole"])
def test_no_shape_ends_in_a_bug(scripted, choices, way):
    reply = {"choices": choices, "usage": {"prompt_tokens": "many"}}
    with pytest.raises(errors.ProviderError, match="many"):
        stream(scripted, event(reply) + DONE) if way == "stream" else call(scripted, reply)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"choices":' + b"[" * 3000 + b"]" * 3000 + b"}"])
def test_a_reply_that_is_nested_too_deeply_is_an_error(scripted, body):
    with pytest.raises(errors.ProviderError):
        call(scripted, body)
    with pytest.raises(errors.ProviderError):
        stream(scripted, event(body) + DONE)


def test_deep_arguments_stay_text(scripted):
    deep = "[" * 300 + "]" * 300
    calls = [{"id": str(n), "function": {"name": "f", "arguments": a}} for n, a in enumerate([deep, json.loads(deep)])]
    assert [call.arguments for call in call(scripted, chat({"tool_calls": calls})).tool_calls] == [deep, deep]


def test_a_thousand_calls_are_enough(scripted):
    calls = [{"index": n, "function": {"name": "f", "arguments": "{}"}} for n in range(1001)]
    assert len(call(scripted, chat({"tool_calls": calls[:1000]})).tool_calls) == 1000
    with pytest.raises(errors.ServerError, match="more than 1,000 tool calls"):
        call(scripted, chat({"tool_calls": calls}))
    with pytest.raises(errors.ServerError, match="more than 1,000 tool calls"):
        stream(scripted, chunks({"tool_calls": calls}))


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        ('{"a": 1}', {"a": 1}),
        (json.dumps('{"a": 1}'), {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("null", None),
        ('"text"', "text"),
        (json.dumps("[1]"), "[1]"),
        ('{"a": NaN}', '{"a": NaN}'),
        ('{"a": ', '{"a": '),
    ],
)
def test_arguments_may_be_encoded_twice(scripted, arguments, right):
    one = {"index": 0, "id": "1", "function": {"name": "f", "arguments": arguments}}
    assert call(scripted, chat({"tool_calls": [one]})).tool_calls[0].arguments == right
    assert stream(scripted, chunks({"tool_calls": [one]}))[1].tool_calls[0].arguments == right


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": "5", "completion_tokens": 2.0}, {"prompt_tokens": 5, "completion_tokens": "2"}]
)
def test_counts_are_whole_numbers(scripted, usage):
    answer = call(scripted, {**chat({"content": "hi"}), "usage": {**usage, "total_tokens": 7}})
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 2, 7)


# -- what stands before an answer ----------------------------------------------------------------------------------

OPENINGS = [
    ("<think>\nhm {1}\n</think>\n\nyes", "yes", "hm {1}"),
    ("\n<think>hm</think>yes", "yes", "hm"),
    ("hm\n</think>\nyes", "yes", "hm"),
    ("[THINK]hm[/THINK]yes", "yes", "hm"),
    ("<think></think>yes", "yes", None),
    ("<think>\nhm", "", "hm"),
    ("\ufeffyes", "yes", None),
    ("\ufeff<think>hm</think>\ufeffyes", "yes", "hm"),
    ("<think>a</think>\n<think>b</think>\nyes", "yes", "a\nb"),
    ("<think>a</think><thin", "<thin", "a"),
    ("write `</think>` there", "write `</think>` there", None),
    ("<thin", "<thin", None),
    ("[1, 2]", "[1, 2]", None),
    ("say <think> and </think> now", "say <think> and </think> now", None),
    ('{"tag": "</think>"}', '{"tag": "</think>"}', None),
    ("  yes", "  yes", None),
    ("yes <think>hm</think>", "yes <think>hm</think>", None),
]


@pytest.mark.parametrize(("text", "content", "reasoning"), OPENINGS)
@pytest.mark.parametrize("cls", [OpenAiInterface, VllmInterface])
def test_thoughts_before_an_answer_are_no_part_of_it(scripted, text, content, reasoning, cls):
    with scripted(lambda *_: chat({"content": text})) as base:
        answer = cls(api_base=f"{base}/v1", model_name="m").sync_call(ASK)
    assert (answer.content, answer.reasoning) == (content, reasoning)


@pytest.mark.parametrize(("text", "content", "reasoning"), OPENINGS)
def test_thoughts_of_a_response_are_no_part_of_it(scripted, text, content, reasoning):
    answer = call(scripted, response({"type": "message", "content": [{"text": text}]}), endpoint="responses")
    assert (answer.content, answer.reasoning) == (content, reasoning)


@pytest.mark.parametrize(("text", "content", "reasoning"), OPENINGS)
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
def test_thoughts_of_a_stream_are_no_part_of_it(scripted, text, content, reasoning, size, endpoint):
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    if endpoint == "responses":
        told = [{"type": "response.output_text.delta", "delta": piece} for piece in pieces]
        end = {"type": "response.completed", "response": response({"type": "message", "content": [{"text": text}]})}
        body = b"".join(map(event, [*told, end]))
    else:
        body = chunks(*({"content": piece} for piece in pieces))
    deltas, answer = stream(scripted, body, endpoint=endpoint)
    assert (answer.content, answer.reasoning) == (content, reasoning)
    if not text.startswith("hm"):  # who has seen no beginning of a block cannot know before its end
        assert "".join(texts(deltas)) == content
        assert ("".join(texts(deltas, ReasoningDelta)).strip() or None) == reasoning
    assert deltas[-1] == FinishDelta("stop")


def test_no_pieces_of_a_text_are_put_together(scripted):
    deltas, _ = stream(scripted, chunks({"content": "\n"}, {"content": "<b>"}, {"content": "x"}))
    assert texts(deltas) == ["\n", "<b>", "x"]


def test_blanks_before_an_answer_are_read_once():
    """Some models write blanks without end; each of them is looked at once, not again with each that follows."""
    opening = Opening()
    for _ in range(1_000_000):
        opening.read(" ")
    assert opening.read("yes") == ("", [" "] * 1_000_000 + ["yes"])


def test_blocks_without_an_end_of_them_are_an_answer_at_last():
    answer, thoughts = parted("<think>a</think>" * 10_000 + "yes", None)
    assert answer.endswith("<think>a</think>yes")
    assert thoughts == "\n".join("a" * 100)


def test_what_the_server_told_apart_stays_as_it_is(scripted):
    answer = call(scripted, chat({"content": "a </think> b", "reasoning": "hm"}))
    assert (answer.content, answer.reasoning) == ("a </think> b", "hm")
    deltas, answer = stream(scripted, chunks({"reasoning": "hm"}, {"content": "<think>x"}))
    assert (answer.content, answer.reasoning, texts(deltas)) == ("<think>x", "hm", ["<think>x"])


# -- how much ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
def test_a_stream_without_an_end_is_ended(serving, monkeypatch, endpoint):
    monkeypatch.setattr("throughster.transport.MAX_STREAM_BYTES", 1_000_000)
    told = {"choices": [{"delta": {"content": "word "}}], "type": "response.output_text.delta", "delta": "word "}
    sent = 0

    async def handler(request):
        nonlocal sent
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        while sent < 20_000_000:
            await reply.write(event(told) * 100)
            sent += len(event(told) * 100)
        return reply

    async def scenario():
        async with serving(handler) as origin, client(origin, endpoint=endpoint) as one:
            with pytest.raises(errors.StreamError, match="longer than 1,000,000 bytes") as caught:
                async for _ in one.stream(ASK):
                    pass
            return caught.value

    error = asyncio.run(scenario())
    assert not error.retryable
    assert error.partial.startswith("word word ")


def test_a_whole_reply_without_an_end_is_ended(serving, monkeypatch):
    monkeypatch.setattr("throughster.transport.MAX_REPLY_BYTES", 1_000_000)

    async def handler(request):
        reply = web.StreamResponse()
        await reply.prepare(request)
        for _ in range(200):
            await reply.write(b"[" * 100_000)
        return reply

    async def scenario():
        async with serving(handler) as origin, client(origin) as one:
            with pytest.raises(errors.TransportError, match="larger than 1,000,000 bytes") as caught:
                await one.call(ASK)
            return caught.value.retryable

    assert asyncio.run(scenario()) is False
