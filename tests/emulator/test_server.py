"""What all dialects share: determinism, streams, limits of an answer, pacing, and the server's life."""

from __future__ import annotations

import ast
import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import jsonschema_rs
import pytest

import throughster.emulator
from throughster.emulator import Emulator, Options, Reply
from throughster.emulator.answers import Answers, Entry

DIALECTS = ("openai", "azure", "mistral", "vllm")
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
SCHEMA = {
    "type": "object",
    "properties": {
        "word": {"type": "string", "minLength": 3},
        "when": {"type": "string", "format": "date"},
        "parts": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2},
    },
    "required": ["word", "when", "parts"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
TWO_TURNS = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "abcdefghi", "content": "4C"},
]


def test_the_answer_depends_on_messages_tools_and_format_alone(ask):
    texts = {ask(dialect, temperature=t).text for dialect in DIALECTS for t in (0.1, 1)}
    texts |= {ask("openai", model="another").text, ask("openai", seed=7, max_tokens=500).text}
    assert len(texts) == 1
    assert texts.pop().startswith("Canned answer ")
    other = ask("openai", messages=[{"role": "user", "content": "Say ho"}]).text
    assert other != ask("openai").text


@every_dialect
@pytest.mark.parametrize("fields", [{}, {"response_format": FORMAT}, {"max_tokens": 6}, {"stop": ["a"]}])
def test_a_streamed_answer_has_the_text_and_the_usage_of_the_whole_one(ask, dialect, fields):
    whole = ask(dialect, **fields)
    options = {} if dialect == "mistral" else {"stream_options": {"include_usage": True}}
    stream = ask(dialect, **fields, stream=True, **options)
    assert stream.streamed_text() == whole.text
    assert stream.chunks[-1]["usage"].items() <= whole.body["usage"].items()
    assert stream.finish_reasons == [whole.body["choices"][0]["finish_reason"]]


@every_dialect
def test_an_answer_for_a_schema_is_valid(ask, dialect):
    answer = json.loads(ask(dialect, response_format=FORMAT).text)
    assert jsonschema_rs.validator_for(SCHEMA, validate_formats=True).is_valid(answer)


@every_dialect
def test_text_is_cut_at_the_token_limit(ask, dialect):
    reply = ask(dialect, max_tokens=3)
    assert reply.body["choices"][0]["finish_reason"] == "length"
    assert reply.text == ask(dialect).text[:12]
    assert reply.body["usage"]["completion_tokens"] == 3


@every_dialect
def test_arguments_are_cut_at_the_token_limit(ask, dialect, weather_tool):
    whole = ask(dialect, tools=[weather_tool]).message["tool_calls"][0]["function"]["arguments"]
    reply = ask(dialect, tools=[weather_tool], max_tokens=2)
    assert reply.body["choices"][0]["finish_reason"] == "length"
    assert reply.message["tool_calls"][0]["function"]["arguments"] == whole[:8]


@every_dialect
def test_text_ends_before_a_stop_string(ask, dialect):
    whole = ask(dialect).text
    first, *_, second = whole.split()[3:-1]
    assert first != second
    reply = ask(dialect, stop=[second, first])
    assert reply.text == whole[: whole.index(first)]
    assert reply.body["choices"][0]["finish_reason"] == "stop"


@every_dialect
def test_several_choices_differ_and_stream_interleaved(ask, dialect):
    whole = ask(dialect, n=3)
    texts = [choice["message"]["content"] for choice in whole.body["choices"]]
    assert len(set(texts)) == 3
    assert whole.body["usage"]["completion_tokens"] == sum(-(-len(text) // 4) for text in texts)
    stream = ask(dialect, n=3, stream=True)
    assert [stream.streamed_text(index) for index in range(3)] == texts
    order = [c["index"] for chunk in stream.chunks for c in chunk["choices"]]
    assert order != sorted(order)


@every_dialect
def test_tools_are_called_for_a_user_and_answered_after_a_result(ask, dialect, weather_tool):
    calling = ask(dialect, tools=[weather_tool])
    [call] = calling.message["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    parameters = weather_tool["function"]["parameters"]
    assert jsonschema_rs.is_valid(parameters, json.loads(call["function"]["arguments"]))
    assert calling.body["choices"][0]["finish_reason"] == "tool_calls"
    assert ask(dialect, tools=[weather_tool], messages=TWO_TURNS).text.startswith("Canned answer")
    assert ask(dialect, tools=[weather_tool], tool_choice="none").text.startswith("Canned answer")


@every_dialect
def test_required_calls_two_of_several_tools_unless_parallel_calls_are_off(ask, dialect, weather_tool):
    tools = [weather_tool, {"type": "function", "function": {"name": "other"}}]
    two = ask(dialect, tools=tools, tool_choice="required").message["tool_calls"]
    assert [call["function"]["name"] for call in two] == ["get_weather", "other"]
    assert len({call["id"] for call in two}) == 2
    stream = ask(dialect, tools=tools, tool_choice="required", stream=True)
    assert [(i, n) for i, n, _ in stream.streamed_calls()] == [(c["id"], c["function"]["name"]) for c in two]
    one = ask(dialect, tools=tools, tool_choice="required", parallel_tool_calls=False).message["tool_calls"]
    assert len(one) == 1


@every_dialect
def test_what_is_no_json_object_is_refused_in_the_providers_shape(converse, dialect):
    async def talk(emulator, send):
        path = "/openai/v1/chat/completions" if dialect == "azure" else "/v1/chat/completions"
        statuses = [(await send([1, 2], path=path)).status]
        async with aiohttp.ClientSession() as session:
            headers = {"Content-Type": "application/json"}
            async with session.post(emulator.url + path, data=b"{broken", headers=headers) as response:
                statuses.append(response.status)
                await response.json()
        return statuses

    expected = 422 if dialect == "mistral" else 400
    assert converse(Options(dialect=dialect), talk) == [expected, expected]


ODD = [
    *(
        True,
        0,
        1.5,
        10**25,
        "x",
        "",
        [],
        {},
        [1],
        [{}],
        [None],
        {"type": "json_schema", "json_schema": {}},
        {"json": 1},
    ),
    *(
        [{"type": "function", "function": {"name": 1}}],
        [{"role": "user", "content": [1]}],
        [{"role": [], "content": "x"}],
    ),
    *([{"role": "assistant", "content": "x", "tool_calls": [1]}], {"type": "function", "function": 1}, {"regex": "("}),
    *({"type": "json_schema", "json_schema": {"name": "x", "schema": 1}}, {"grammar": "x"}, {"choice": [1]}),
]


@every_dialect
def test_no_odd_value_makes_the_server_fail(converse, chat_body, weather_tool, dialect):
    names = ("messages", "model", "temperature", "n", "stop", "tools", "tool_choice", "response_format", "stream")
    names += ("stream_options", "structured_outputs", "logprobs", "top_logprobs", "max_tokens", "reasoning_effort")

    async def talk(_emulator, send):
        bodies = [chat_body(dialect, **{"tools": [weather_tool], name: odd}) for name in names for odd in ODD]
        return [(body, reply) for body in bodies if (reply := await send(body)).status >= 500]

    assert converse(Options(dialect=dialect), talk) == []


def test_texts_in_parts_count_as_texts(ask):
    answers = Answers.of([Entry(("Hello", "French"), "Bonjour")])
    parts = [{"type": "text", "text": "Hello in French"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    messages = [{"role": "user", "content": parts}]
    assert ask("openai", options={"answers": answers}, messages=messages).text == "Bonjour"


def test_unusual_characters_survive_a_stream(ask):
    text = 'a "b" \\ \n\n é \u2028 \u0085 \x00 🎉  data: [DONE]'
    answers = Answers.of([Entry(("Say hi",), text)])
    told = {dialect: ask(dialect, options={"answers": answers}, stream=True).streamed_text() for dialect in DIALECTS}
    assert told == dict.fromkeys(("openai", "azure", "mistral", "vllm"), text)


def test_an_empty_answer_is_an_empty_text(ask):
    answers = Answers.of([Entry(("Say hi",), "")])
    assert len(DIALECTS) >= 4
    for dialect in DIALECTS:
        assert ask(dialect, options={"answers": answers}).text == ""
        stream = ask(dialect, options={"answers": answers}, stream=True)
        assert (stream.streamed_text(), stream.finish_reasons) == ("", ["stop"])


def test_latency_delays_the_first_byte_and_a_pace_stretches_the_answer(converse, chat_body):
    async def talk(emulator, _send):
        async with aiohttp.ClientSession() as session:
            begun = time.perf_counter()
            async with session.post(
                emulator.url + "/v1/chat/completions", json=chat_body("openai", stream=True)
            ) as reply:
                first = time.perf_counter() - begun
                await reply.read()
                return first, time.perf_counter() - begun

    first, total = converse(Options(latency_s=0.2), talk)
    assert 0.2 <= first < 1
    assert total - first < 0.15
    first, total = converse(Options(tokens_per_second=60), talk)
    assert first < 0.2
    assert 0.15 < total < 1.5  # some 17 tokens, and no wait after the last


def test_a_paced_stream_has_the_same_bytes_in_its_chunks(ask):
    paced = ask("openai", options={"tokens_per_second": 2000}, stream=True)
    assert paced.streamed_text() == ask("openai").text


def test_the_step_before_an_answer_may_answer_in_its_place(converse, chat_body):
    seen = []

    async def refuse(request, route):
        seen.append((request.path, route.operation))
        return None if len(seen) > 1 else Reply.of_json(429, {"error": "slow down"}, {"retry-after": "2"})

    async def talk(_emulator, send):
        return await send(chat_body("openai")), await send(chat_body("openai"))

    first, second = converse(Options(before_answer=refuse), talk)
    assert (first.status, first.headers["retry-after"], first.body) == (429, "2", {"error": "slow down"})
    assert second.status == 200
    assert seen == [("/v1/chat/completions", "chat")] * 2


def test_every_request_is_counted_and_logged(converse, chat_body):
    logged = []

    async def talk(emulator, send):
        await send(chat_body("openai"), headers={"X-Mark": "1"})
        await send(path="/v1/models?limit=3", method="GET")
        return emulator.requests, emulator.in_flight, emulator.peak_in_flight

    assert converse(Options(request_log=logged.append), talk) == (2, 0, 1)
    assert logged[0].body == chat_body("openai")
    assert logged[0].headers["x-mark"] == "1"
    assert (logged[1].method, logged[1].path, logged[1].query, logged[1].body) == (
        "GET",
        "/v1/models",
        {"limit": "3"},
        None,
    )


def test_a_client_that_goes_away_ends_its_answer(converse, chat_body):
    async def talk(emulator, send):
        asking = asyncio.create_task(send(chat_body("openai")))
        while emulator.in_flight == 0:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        for _ in range(100):
            if emulator.in_flight == 0:
                return True
            await asyncio.sleep(0.02)
        return False

    assert converse(Options(latency_s=30), talk)


def test_several_emulators_run_side_by_side_and_a_stopped_one_has_no_address(chat_body):
    async def run():
        async with Emulator(Options()) as one, Emulator(Options(dialect="azure")) as two:
            assert one.url != two.url
            assert one.api_base == one.url + "/v1"
            assert two.api_base == two.url
        with pytest.raises(RuntimeError, match="started"):
            _ = one.url
        await one.stop()

    asyncio.run(run())


def test_a_port_that_is_taken_is_an_os_error():
    async def run():
        async with Emulator(Options()) as one:
            port = int(one.url.rpartition(":")[2])
            with pytest.raises(OSError, match=str(port)):
                await Emulator(Options(port=port)).start()

    asyncio.run(run())


@pytest.mark.parametrize("wrong", [{"latency_s": -1}, {"tokens_per_second": 0}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


@pytest.mark.parametrize("wrong", [{"dialect": "nope"}, {"dialect": "vllm", "vllm_version": "new"}])
def test_an_unknown_dialect_or_version_is_refused(wrong):
    with pytest.raises(ValueError, match="'n"):
        Emulator(Options(**wrong))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_it_is_told_to_stop(number):
    script = (
        "from throughster.emulator import Options, serve\n"
        "serve(Options(dialect='vllm'), lambda url: print(url, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()

        async def version():
            async with aiohttp.ClientSession() as session, session.get(url + "/version") as response:
                return await response.json()

        assert asyncio.run(version()) == {"version": "0.33.0"}
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_the_emulator_shares_no_code_with_the_client():
    """But for how a user's answers file is opened, as all files of a user are."""
    shared = {"emulator", "errors", "types", "yamltree", "names"}
    paths = sorted(Path(throughster.emulator.__file__).parent.glob("*.py"))
    assert len(paths) > 10
    for path in paths:
        allowed = shared | ({"paths"} if path.name == "answers.py" else set())
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith("throughster."):
                    assert name.split(".")[1] in allowed, f"{path.name} imports {name}"
