"""Recording and replaying: what is kept, what is given again, what is missed, and that no key and no socket is met."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from pydantic import BaseModel

import throughster
from throughster import (
    CassetteError,
    LoadBalancer,
    OpenAiInterface,
    RateLimitError,
    Retry,
    StreamError,
    VllmInterface,
    create_interface,
    record,
    replay,
)
from throughster.emulator import Emulator, Options
from throughster.emulator.exchange import Reply

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
KEY = "sk-canary/with+odd=chars-0123456789"


class City(BaseModel):
    name: str


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*_):
        raise AssertionError("a socket was opened")

    def forbid():
        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", refuse)

    return forbid


async def both(folder, scenario, forbid, **options):
    """What `scenario(client)` gives when it is recorded, and when it is replayed."""
    async with Emulator(Options(dialect="vllm", **options)) as emulator:
        async with VllmInterface(api_base=emulator.api_base, model_name="m") as client:
            with record(folder):
                recorded = await scenario(client)
    forbid()
    async with VllmInterface(api_base="http://127.0.0.1:9/v1", model_name="m") as client:
        with replay(folder):
            return recorded, await scenario(client)


def facts(response):
    return response.content, response.finish_reason, response.usage, response.tool_calls, response.request_id


# -- the library --------------------------------------------------------------------------------------------------


def test_calls_are_answered_from_the_recording(tmp_path, no_sockets):
    async def scenario(client):
        return [await client.call({**HELLO, "seed": seed}) for seed in (1, 2, 1)]

    recorded, replayed = asyncio.run(both(tmp_path, scenario, no_sockets, latency_s=0.2))
    assert min(r.latency_s for r in replayed) > 0.15  # it is the recorded one, not the time that the replay took
    assert [facts(r) for r in recorded] == [facts(r) for r in replayed]
    assert [r.latency_s for r in replayed] == [pytest.approx(r.latency_s, abs=0.5) for r in recorded]
    assert [len(r.retry_stats.attempts) for r in replayed] == [1, 1, 1]


def test_streams_structured_answers_and_model_lists_too(tmp_path, no_sockets):
    async def scenario(client):
        stream = client.stream(HELLO)
        texts = [text async for text in stream]
        structured = await client.structured_call(HELLO, City)
        return "".join(texts), facts(stream.response), structured.validated_schema, await client.list_models()

    recorded, replayed = asyncio.run(both(tmp_path, scenario, no_sockets))
    assert recorded == replayed
    assert recorded[0]


def test_failures_are_part_of_it_and_nobody_waits_for_them(tmp_path, no_sockets):
    statuses = iter([503, 429, None, 400])

    async def scenario(client):
        first = await client.call(HELLO)
        with pytest.raises(throughster.BadRequestError) as caught:
            await client.call({**HELLO, "seed": 2})
        return [a.http_status for a in first.retry_stats.attempts], str(caught.value)

    async def before(request, route):
        status = next(statuses)
        headers = {"retry-after": "1"} if status == 429 else {}
        return None if status is None else Reply(status, b'{"error":{"message":"no"}}', headers)

    recorded, replayed = asyncio.run(both(tmp_path / "c", scenario, no_sockets, before_answer=before))
    assert recorded == replayed
    assert recorded[0] == [503, 429, 200]


def test_a_connection_that_breaks_is_recorded_as_it_broke(tmp_path, serving, no_sockets):
    async def break_off(request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n')
        request.transport.abort()
        return response

    async def scenario(client):
        texts = []
        with pytest.raises(StreamError) as caught:
            async for text in client.stream(HELLO):
                texts.append(text)  # noqa: PERF401 - what came before the failure counts
        return texts, str(caught.value)

    async def whole():
        options = {"model_name": "m", "retry": Retry(max_attempts=1)}
        async with serving(break_off) as url, VllmInterface(api_base=url + "/v1", **options) as client:
            with record(tmp_path):
                recorded = await scenario(client)
        no_sockets()
        with replay(tmp_path):
            return recorded, await scenario(VllmInterface(api_base="http://127.0.0.1:9/v1", **options))

    recorded, replayed = asyncio.run(whole())
    assert recorded == replayed
    assert recorded[0] == ["Hel"]


def test_a_server_that_is_not_there_is_recorded(tmp_path, no_sockets):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"model_name": "m", "retry": Retry(max_attempts=2, initial_delay_s=0)}

    async def failure(folder, tape):
        client = VllmInterface(api_base=f"http://127.0.0.1:{port}/v1", **options)
        with tape(folder), pytest.raises(throughster.TransportError) as caught:
            await client.call(HELLO)
        await client.close()
        return str(caught.value), len(caught.value.attempts)

    recorded = asyncio.run(failure(tmp_path, record))
    no_sockets()
    assert asyncio.run(failure(tmp_path, replay)) == recorded
    assert recorded[1] == 2


def test_a_miss_says_what_is_near_and_where_it_differs(tmp_path, no_sockets):
    async def scenario(client):
        return await client.call(HELLO)

    asyncio.run(both(tmp_path, scenario, no_sockets))

    async def other(request):
        with replay(tmp_path):
            return await VllmInterface(api_base="http://127.0.0.1:9/v1", model_name="m").call(request)

    other_words = {"messages": [{"role": "user", "content": "Good bye"}]}
    with pytest.raises(CassetteError, match=r'differs at `messages\[0\].content`: recorded "Hello", now "Good bye"'):
        asyncio.run(other(other_words))
    with pytest.raises(CassetteError, match=r"differs at `temperature`: recorded nothing, now 1"):
        asyncio.run(other({**HELLO, "temperature": 1}))
    with pytest.raises(CassetteError, match=r"asks vllm /chat/completions m, not vllm /chat/completions n"):
        asyncio.run(other({**HELLO, "model": "n"}))


def test_each_recording_answers_once(tmp_path, no_sockets):
    async def once(client):
        return await client.call(HELLO)

    async def twice(client):
        with replay(tmp_path):
            await client.call(HELLO)
            with pytest.raises(CassetteError, match="is asked more often than it was recorded"):
                await client.call(HELLO)
        with replay(tmp_path):
            await client.call(HELLO)

    asyncio.run(both(tmp_path, once, no_sockets))
    asyncio.run(twice(VllmInterface(api_base="http://127.0.0.1:9/v1", model_name="m")))


def test_sync_calls_and_threads_of_the_block_are_in_it_and_others_are_not(tmp_path):
    client = create_interface("offline")
    with record(tmp_path):
        recorded = client.sync_call(HELLO).content
    client.sync_close()
    fresh = create_interface("offline")
    with replay(tmp_path):
        assert fresh.sync_call(HELLO).content == recorded
        with pytest.raises(CassetteError):
            fresh.sync_call(HELLO)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(fresh.sync_call(HELLO).content))
        thread.start()
        thread.join(30)
        assert answers == [recorded]  # asked of the emulator: a bare thread does not belong to the block
    fresh.sync_close()


def test_no_key_is_needed_for_a_replay(tmp_path):
    async def scenario(client):
        return await client.call(HELLO)

    async def recorded():
        async with Emulator(Options(dialect="openai")) as emulator:
            async with OpenAiInterface(api_base=emulator.api_base, api_key="k" * 20, model_name="m") as client:
                with record(tmp_path):
                    return await client.call(HELLO)

    async def replayed():
        with replay(tmp_path):
            return await OpenAiInterface(model_name="m").call(HELLO)

    assert facts(asyncio.run(recorded())) == facts(asyncio.run(replayed()))


def test_what_a_model_refused_is_known_to_the_replay(tmp_path, no_sockets):
    """Only the first rows of a recording were refused; a replay of a later one sends what that one had sent."""

    async def recorded():
        options = Options(dialect="openai", reasoning_models="always")
        async with Emulator(options) as emulator:
            async with OpenAiInterface(api_base=emulator.api_base, model_name="m") as client:
                with record(tmp_path):
                    await client.call({**HELLO, "temperature": 0.5, "seed": 1})
                    return await client.call({**HELLO, "temperature": 0.5, "seed": 2})

    async def replayed():
        with replay(tmp_path):
            return await OpenAiInterface(model_name="m").call({**HELLO, "temperature": 0.5, "seed": 2})

    expected = asyncio.run(recorded())
    no_sockets()
    assert facts(asyncio.run(replayed())) == facts(expected)
    assert json.loads((tmp_path / "learned.json").read_text()) == {
        "openai:m": {"renamed": {}, "left_out": ["temperature"], "lacking": []}
    }


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"{", "learned.json is no JSON in UTF-8. Record again."),
        (b"\xff\xfe{}", "learned.json is no JSON in UTF-8. Record again."),
        (b"[" * 5000, "learned.json is no JSON in UTF-8. Record again."),
        (b"[]", "learned.json must hold a mapping of models to mappings. Record again."),
        (b'{"openai:m": ["temperature"]}', "learned.json must hold a mapping of models to mappings. Record again."),
        (None, "learned.json"),
    ],
    ids=["cut", "UTF-16", "deep", "a list", "no mapping", "a folder"],
)
def test_an_odd_file_of_what_was_learned_ends_the_replay(tmp_path, written, words):
    path = tmp_path / "learned.json"
    path.mkdir() if written is None else path.write_bytes(written)
    with pytest.raises(CassetteError) as caught:
        with replay(tmp_path):
            pass
    assert words in str(caught.value)


def test_a_balancers_calls_find_their_deployment(tmp_path, no_sockets):
    async def asked(bases, tape):
        clients = [VllmInterface(api_base=base, model_name=f"m{n}") for n, base in enumerate(bases)]
        async with LoadBalancer(clients, strategy="random") as balancer:
            with tape(tmp_path):
                return [(await balancer.call({**HELLO, "seed": seed})).source for seed in range(12)]

    async def recorded():
        async with Emulator(Options(dialect="vllm")) as one, Emulator(Options(dialect="vllm")) as two:
            return await asked([one.api_base, two.api_base], record)

    expected = asyncio.run(recorded())
    no_sockets()
    assert len(set(expected)) == 2
    assert asyncio.run(asked(["http://127.0.0.1:9/v1"] * 2, replay)) == expected


# -- no key -------------------------------------------------------------------------------------------------------

SPELLINGS = {
    "plain": KEY,
    "JSON": json.dumps(KEY)[1:-1],
    "address": quote(KEY, safe=""),
    **{f"base64 at {n}": base64.b64encode(b"x" * n + KEY.encode()).decode() for n in range(3)},
}


@pytest.mark.parametrize("form", SPELLINGS)
def test_a_key_that_the_server_repeats_is_not_kept(tmp_path, serving, form):
    async def echo(request):
        body = {"choices": [{"index": 0, "message": {"content": SPELLINGS[form]}, "finish_reason": "stop"}]}
        return web.json_response(body, headers={"x-request-id": SPELLINGS[form], "set-cookie": f"k={KEY}"})

    async def whole():
        async with serving(echo) as url:
            async with OpenAiInterface(api_base=url, api_key=KEY, model_name="m") as client:
                with record(tmp_path):
                    await client.call({"messages": [{"role": "user", "content": f"The key is {KEY}"}]})

    asyncio.run(whole())
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "***" in kept
    assert "set-cookie" not in kept
    for n in range(3):
        inner = base64.b64encode(b"x" * n + KEY.encode()).decode()[4:40]
        assert inner not in kept
    assert KEY not in kept
    assert quote(KEY, safe="") not in kept


# -- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no cassette"),
        ("[]", "the file is not a mapping"),
        ("{}", "`format` is missing"),
        ('{"format": 1}', "`exchanges` is missing"),
        ('{"format": 1, "exchanges": {}}', "`exchanges` is not a list"),
        ('{"format": 1, "exchanges": [7]}', r"`exchanges\[0\]` is not a mapping"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        ("[" * 100_000, "is no cassette"),
        ('{"format": 2, "exchanges": []}', "has the format 2; this version reads 1"),
        ('{"format": 1, "exchanges": [{"place": "x"}]}', "is no cassette"),
        (
            '{"format": 1, "exchanges": [{"place": "x", "url": "", "request": null, "reply": {"failure": {"type": "Exception", "message": "", "retryable": true}}}]}',
            "is no cassette",
        ),
    ],
)
def test_a_file_that_is_no_cassette_is_named(tmp_path, no_sockets, text, words):
    async def once(client):
        return await client.call(HELLO)

    asyncio.run(both(tmp_path, once, no_sockets))
    (path,) = (tmp_path / "calls").iterdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with replay(tmp_path), pytest.raises(CassetteError, match=words) as caught:
        VllmInterface(api_base="http://127.0.0.1:9/v1", model_name="m").sync_call(HELLO)
    assert path.name in str(caught.value)
    assert "Error" not in str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("place", 7, r"`exchanges\[0\].place` is not a text"),
        ("url", None, "url` is not a text"),
        ("label", [], "label` is not a text"),
        ("repeat", "0", "repeat` is not a whole number"),
        ("reply", [], "reply` is not a mapping"),
        ("reply.status", "x", "reply.status` is not a whole number"),
        ("reply.status", True, "reply.status` is not a whole number"),
        ("reply.status", 12345, "reply.status` is not from 100 to 599"),
        ("reply.headers", ["a"], "reply.headers` is not a mapping"),
        ("reply.headers", {"a": 1}, "reply.headers.a` is not a text"),
        ("reply.latency_s", "fast", "reply.latency_s` is not a number"),
        ("reply.first_token_s", {}, "reply.first_token_s` is not a number"),
        ("reply.stream", [1], r"reply.stream\[0\]` is not a text"),
        ("reply.base64", "é", "reply.base64` is no Base64"),
        ("reply.failure", "x", "reply.failure` is not a mapping"),
        ("reply.failure", {"type": "Nope", "message": "", "retryable": True}, "there is no failure `Nope`"),
        ("reply.failure", {"type": "ServerError", "message": ""}, "retryable` is missing"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_place(tmp_path, no_sockets, field, value, words):
    async def once(client):
        return await client.call(HELLO)

    asyncio.run(both(tmp_path, once, no_sockets))
    (path,) = (tmp_path / "calls").iterdir()
    cassette = json.loads(path.read_text())
    *above, name = field.split(".")
    entry = cassette["exchanges"][0]
    for step in above:
        entry = entry[step]
    entry[name] = value
    path.write_text(json.dumps(cassette))
    with replay(tmp_path), pytest.raises(CassetteError, match=f"is no cassette: .*{words}"):
        VllmInterface(api_base="http://127.0.0.1:9/v1", model_name="m").sync_call(HELLO)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with (
        pytest.raises(CassetteError, match="There is no folder .*nothing with cassettes"),
        replay(tmp_path / "nothing"),
    ):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(CassetteError, match="cannot be made"), record(tmp_path / "file"):
        pass


def test_a_tape_that_cannot_be_written_is_an_error(tmp_path):
    folder = tmp_path / "c"
    with record(folder):
        shutil.rmtree(folder)
        folder.write_text("in the way")
        client = create_interface("offline")
        with pytest.raises(CassetteError, match="cannot be written"):
            client.sync_call(HELLO)
        client.sync_close()


# -- runs ---------------------------------------------------------------------------------------------------------

SPEC = """\
version: 1
name: greetings
provider: {name: vllm, model: m, api_base: "BASE"}
prompt: Say {{ word }}.
repeat: 2
data: [{word: hi}, {word: ho}, {word: hu}]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "throughster.toml").write_text("")
    return tmp_path


async def recorded_run(text=SPEC, **options):
    async with Emulator(Options(dialect="vllm", **options)) as emulator:
        Path("s.yaml").write_text(text.replace("BASE", emulator.api_base))
        return await throughster.arun("s.yaml", record="cassettes")


def plain(results):
    return [(r.id, r.repeat, r.status, r.text, r.output, r.usage, r.tool_calls, r.finish_reason) for r in results]


@pytest.mark.parametrize(
    "more", ["", "stream: true\n", "output: {schema: {type: object, properties: {a: {type: integer}}}}\n"]
)
def test_a_run_is_replayed_whole(project, no_sockets, more):
    recorded = asyncio.run(recorded_run(SPEC + more))
    no_sockets()
    replayed = throughster.run("s.yaml", replay="cassettes")
    assert plain(replayed) == plain(recorded)
    assert len(list(project.glob("cassettes/greetings/*.json"))) == 3
    assert [r.latency_s for r in replayed] == [pytest.approx(r.latency_s, abs=0.5) for r in recorded]


def test_recording_again_replaces_what_was_asked_again(project, no_sockets):
    asyncio.run(recorded_run())
    before = {path.name: path.read_text() for path in project.glob("cassettes/greetings/*.json")}

    async def again():
        async with Emulator(Options(dialect="vllm")) as emulator:
            return await throughster.arun("s.yaml", api_base=emulator.api_base, record="cassettes", limit=1, repeat=1)

    (result,) = asyncio.run(again())
    after = {path.name: path.read_text() for path in project.glob("cassettes/greetings/*.json")}
    assert [name for name in before if before[name] != after[name]] == [f"{result.id}.json"]
    entries = json.loads(after[f"{result.id}.json"])["exchanges"]
    assert [entry["repeat"] for entry in entries] == [0, 1]


def test_a_failed_row_is_replayed_as_it_failed(project, no_sockets):
    async def before(request, route):
        broken = "ho" in request.body["messages"][0]["content"]
        return Reply(422, b'{"error":{"message":"no ho"}}') if broken else None

    recorded = asyncio.run(recorded_run(before_answer=before))
    no_sockets()
    replayed = throughster.run("s.yaml", replay="cassettes")
    assert [(r.status, r.error) for r in replayed] == [(r.status, r.error) for r in recorded]
    assert [r.status for r in recorded].count("error") == 2


def test_an_odd_case_id_has_a_file_of_its_own(tmp_path):
    from throughster.exchanges.active import Case
    from throughster.exchanges.cassette import case_file

    ids = ["a/b", "a-b", "../x", "ä", "calls", "con" * 60, ".hidden", "", "a b"]
    files = [case_file(tmp_path, Case("s", name)) for name in ids]
    assert len({str(file).lower() for file in files}) == len(ids)
    assert all(file.parent == tmp_path / "s" and not file.name.startswith(".") for file in files)


THROUGHSTER_RUN = Path(sys.executable).parent / "throughster-run"


def command(*args, **environment):
    return subprocess.run(
        [*args],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
    )


def test_a_miss_ends_the_command_at_once_with_2(project):
    asyncio.run(recorded_run())
    spec = project / "s.yaml"
    spec.write_text(spec.read_text().replace("Say {{ word }}.", "Shout {{ word }}."))
    outcome = command(THROUGHSTER_RUN, "s.yaml", "--replay", "cassettes")
    assert outcome.returncode == 2
    assert 'differs at `messages[0].content`: recorded "Say hi.", now "Shout hi."' in outcome.stderr
    assert "5 rows not asked" in outcome.stderr
    both_ways = command(THROUGHSTER_RUN, "s.yaml", "--replay", "cassettes", "--record", "x")
    assert (both_ways.returncode, "exclude each other" in both_ways.stderr) == (2, True)
    nothing = command(THROUGHSTER_RUN, "s.yaml", "--replay", "nothing")
    assert (nothing.returncode, "There is no folder nothing" in nothing.stderr) == (2, True)


def has_namespaces():
    return shutil.which("unshare") is not None and command("unshare", "-rn", "true").returncode == 0


@pytest.mark.skipif(not has_namespaces(), reason="this system makes no network namespaces for this user")
def test_a_replay_runs_where_there_is_no_network_and_no_key(project):
    text = SPEC.replace('{name: vllm, model: m, api_base: "BASE"}', "openai:m")

    async def recorded():
        async with Emulator(Options(dialect="openai")) as emulator:
            Path("s.yaml").write_text(text)
            return await throughster.arun("s.yaml", api_base=emulator.api_base, record="cassettes")

    assert len(asyncio.run(recorded())) == 6
    outcome = command("unshare", "-rn", THROUGHSTER_RUN, "s.yaml", "--replay", "cassettes", "-o", "out.jsonl")
    assert (outcome.returncode, outcome.stderr.count("error")) == (0, 0)
    lines = [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["ok"] * 6


def test_the_cache_of_a_run_knows_its_repeats(project, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))

    async def twice():
        async with Emulator(Options(dialect="vllm")) as emulator:
            Path("s.yaml").write_text(SPEC.replace("BASE", emulator.api_base) + "cache: on\n")
            first = await throughster.arun("s.yaml")
            sent = emulator.requests
            second = await throughster.arun("s.yaml")
            third = await throughster.arun("s.yaml", cache=False, limit=1)
            return first, sent, second, third, emulator.requests

    first, sent, second, third, requests = asyncio.run(twice())
    assert (sent, requests) == (6, 8)
    assert [r.cached for r in first] == [False] * 6
    assert [r.cached for r in second] == [True] * 6
    assert [r.cached for r in third] == [False] * 2
    assert [r.text for r in second] == [r.text for r in first]
    assert [r.attempts for r in second] == [()] * 6


def test_rate_limits_do_not_slow_a_replay(project, no_sockets):
    """One request a minute is allowed; six are answered from the recording."""
    asyncio.run(recorded_run())
    no_sockets()
    results = asyncio.run(
        asyncio.wait_for(
            throughster.arun("s.yaml", replay="cassettes", overrides={"concurrency.requests_per_minute": 1}), 30
        )
    )
    assert [r.status for r in results] == ["ok"] * 6


def test_the_kept_rate_limit_error_is_the_same_class(tmp_path, no_sockets):
    async def before(request, route):
        return Reply(429, b'{"error":{"message":"slow down"}}', {"retry-after": "300"})

    async def scenario(client):
        with pytest.raises(RateLimitError) as caught:
            await client.call(HELLO)
        return caught.value.retry_after_s, str(caught.value)

    recorded, replayed = asyncio.run(both(tmp_path, scenario, no_sockets, before_answer=before))
    assert recorded == replayed
    assert recorded[0] == 300
