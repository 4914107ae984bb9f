"""The response cache: what is found again, what is not kept, sharing, bounds, damage."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sqlite3
import stat
import subprocess
import sys

import pytest
from pydantic import BaseModel

from throughster import AnswerError, Cache, SettingsError, VllmInterface
from throughster.emulator import Emulator, Options, parse_answers
from throughster.emulator.exchange import Reply
from throughster.exchanges import Stored
from throughster.exchanges.cache import _stores
from throughster.types import Retry

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


class City(BaseModel):
    name: str


@pytest.fixture
def cache(tmp_path):
    yield Cache(tmp_path / "answers.sqlite3")
    for path in [path for path in _stores if path.is_relative_to(tmp_path)]:
        _stores.pop(path).close()


def on_emulator(scenario, **options):
    """Run `scenario(emulator)`; gives what it returns."""

    async def whole():
        async with Emulator(Options(dialect="vllm", **options)) as emulator:
            return await scenario(emulator)

    return asyncio.run(whole())


def client_of(emulator, cache, **options):
    return VllmInterface(api_base=emulator.api_base, model_name="m", cache=cache, **options)


def test_the_second_call_sends_nothing_and_says_so(cache):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            first, second = await client.call(HELLO), await client.call(HELLO)
            return first, second, emulator.requests

    first, second, requests = on_emulator(scenario)
    assert (first.cached, second.cached, requests) == (False, True, 1)
    assert (second.content, second.usage, second.request_id) == (first.content, first.usage, first.request_id)
    assert second.retry_stats.attempts == ()
    assert second.latency_s == first.latency_s > 0


@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
def test_a_stream_comes_from_it_as_it_came(cache, endpoint):
    async def scenario(emulator):
        async with client_of(emulator, cache, endpoint=endpoint) as client:
            streams = [client.stream(HELLO) for _ in range(2)]
            texts = [[text async for text in stream] for stream in streams]
            return texts, [stream.response for stream in streams], emulator.requests

    texts, (first, second), requests = on_emulator(scenario)
    assert texts[0] == texts[1]
    assert len(texts[0]) > 1
    assert (first.cached, second.cached, requests) == (False, True, 1)
    assert (second.content, second.usage, second.first_token_s) == (first.content, first.usage, first.first_token_s)


@pytest.mark.parametrize(
    "change", [{"temperature": 0.5}, {"model": "other"}, {"seed": 1}, {"messages": [HELLO["messages"][0]] * 2}]
)
def test_anything_else_in_the_request_is_another_answer(cache, change):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            await client.call(HELLO)
            response = await client.call({**HELLO, **change})
            return response.cached, emulator.requests

    assert on_emulator(scenario) == (False, 2)


def test_the_key_of_a_client_is_no_part_of_it(cache):
    async def scenario(emulator):
        for key in ("sk-one-one-one", "sk-two-two-two"):
            async with client_of(emulator, cache, api_key=key) as client:
                response = await client.call(HELLO)
        return response.cached, emulator.requests

    assert on_emulator(scenario) == (True, 1)
    cache.flush()
    assert b"sk-one-one-one" not in b"".join(p.read_bytes() for p in cache.path.parent.iterdir())


def test_of_equal_requests_at_the_same_time_one_is_sent(cache):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            responses = await client.batch_call([HELLO] * 20)
            return {response.content for response in responses}, emulator.requests

    contents, requests = on_emulator(scenario, latency_s=0.05)
    assert (len(contents), requests) == (1, 1)


def test_a_waiting_request_goes_itself_when_the_first_one_fails(cache):
    failures = iter([503])

    async def scenario(emulator):
        async with client_of(emulator, cache, retry=Retry(max_attempts=1)) as client:
            return await client.batch_call([HELLO] * 3, return_exceptions=True), emulator.requests

    async def before(request, route):
        await asyncio.sleep(0.02)
        return Reply(503, b"down") if next(failures, None) else None

    results, requests = on_emulator(scenario, before_answer=before)
    assert sorted(type(result).__name__ for result in results) == ["Response", "Response", "ServerError"]
    assert requests == 2


def test_a_cancelled_wait_cancels_nobody_else(cache):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            tasks = [asyncio.create_task(client.call(HELLO)) for _ in range(3)]
            await asyncio.sleep(0.02)
            tasks[1].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            return [type(result).__name__ for result in results], emulator.requests

    assert on_emulator(scenario, latency_s=0.1) == (["Response", "CancelledError", "Response"], 1)


@pytest.mark.parametrize("mode", ["read", "write"])
def test_its_modes_do_one_half_each(cache, mode):
    async def scenario(emulator):
        half = Cache(cache.path, mode=mode)
        async with client_of(emulator, half) as client:
            flags = [(await client.call(HELLO)).cached for _ in range(2)]
        async with client_of(emulator, cache) as client:
            return [*flags, (await client.call(HELLO)).cached]

    assert on_emulator(scenario) == [False, False, mode == "write"]


def test_cut_answers_and_errors_are_not_kept(cache):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            flags = [(await client.call({**HELLO, "max_tokens": 1})).cached for _ in range(2)]
            return flags, emulator.requests

    assert on_emulator(scenario) == ([False, False], 2)


def test_answers_that_never_fitted_are_forgotten(cache):
    answers = parse_answers('[{contains: "Hello", answer: "no JSON"}]', "answers.yaml")

    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            for _ in range(2):
                with pytest.raises(AnswerError) as caught:
                    await client.structured_call(HELLO, City, strategy="prompt", max_attempts=2)
                assert len(caught.value.attempts) == 2
            return emulator.requests

    assert on_emulator(scenario, answers=answers) == 4


def test_an_answer_that_was_repaired_is_repaired_from_it(cache):
    answers = parse_answers(
        '[{contains: "Hello", answer: "no JSON"}, {contains: "not valid", answer: {name: Oslo}}]', "answers.yaml"
    )

    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            ask = lambda: client.structured_call(HELLO, City, strategy="prompt", max_attempts=3)  # noqa: E731
            first = await ask()
            sent = emulator.requests
            second = await ask()
            return first, second, sent, emulator.requests

    first, second, sent, requests = on_emulator(scenario, answers=answers)
    assert first.validated_schema == second.validated_schema
    assert (sent > 1, requests == sent, second.cached) == (True, True, True)


def test_it_survives_the_process_and_is_only_for_its_user(cache, tmp_path):
    script = """
import sys
from throughster.exchanges import Cache, Stored
cache = Cache(sys.argv[1])
cache.put(Cache.key("https://a", b"{}", 0), Stored(200, {"content-type": "application/json"}, b'{"a": 1}', 0.5))
"""
    subprocess.run([sys.executable, "-c", script, str(cache.path)], check=True, timeout=60)
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600

    async def found():
        async with cache.turn(Cache.key("https://a", b" {} ", 0)) as answer:
            return answer

    assert asyncio.run(found()) == Stored(200, {"content-type": "application/json"}, b'{"a": 1}', 0.5)


def test_processes_share_it(cache):
    script = """
import sys
from throughster.exchanges import Cache, Stored
cache = Cache(sys.argv[1])
for n in range(200):
    cache.put(Cache.key("https://a", b"%d" % n, int(sys.argv[2])), Stored(200, {}, b"x", 0.1))
"""
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", script, str(cache.path), str(n)]) for n in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert cache.stats().entries == 600


def test_what_is_too_old_is_asked_again(cache):
    put_many(cache, 1)
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE answers SET created = created - 40 * 86400")
    connection.close()
    assert [look_up(Cache(cache.path), 0), look_up(Cache(cache.path, max_age_days=50), 0) is None] == [None, False]


def test_the_oldest_go_when_it_is_too_large(cache):
    small = Cache(cache.path, max_mb=1)
    for n in range(60):
        small.put(Cache.key("u", b"%d" % n, 0), Stored(200, {}, os.urandom(50_000), 0.1))
        small.flush()
    store = small._open()
    with sqlite3.connect(cache.path) as connection:
        store._limits = (1.0, 30.0)
        store._trim(connection, 0.0)
    connection.close()
    entries = small.stats().entries
    assert 5 < entries < 20
    assert look_up(small, 0) is None
    assert look_up(small, 59) is not None


def put_many(cache, count):
    for n in range(count):
        cache.put(Cache.key("u", b"%d" % n, 0), Stored(200, {}, b"x", 0.1))
    cache.flush()


def look_up(cache, n):
    async def found():
        async with cache.turn(Cache.key("u", b"%d" % n, 0)) as answer:
            return answer

    return asyncio.run(found())


def test_a_damaged_entry_is_none(cache):
    put_many(cache, 1)
    with sqlite3.connect(cache.path) as connection:
        connection.execute("UPDATE answers SET headers = '{broken'")
    connection.close()
    assert look_up(cache, 0) is None


def test_a_file_that_is_no_cache_is_said_and_can_be_cleared(tmp_path):
    path = tmp_path / "answers.sqlite3"
    path.write_text("something else entirely, and long enough to be no database at all" * 20)
    with pytest.raises(SettingsError, match=r"answers.sqlite3 cannot be used: .* cache clear"):
        Cache(path).stats()
    assert Cache(path).clear() == 0
    assert not path.exists()


def test_a_fork_has_its_own_connection(cache):
    put_many(cache, 1)
    pid = os.fork()
    if pid == 0:
        code = 0 if look_up(cache, 0) is not None else 1
        cache.put(Cache.key("u", b"child", 0), Stored(200, {}, b"x", 0.1))
        cache.flush()
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert cache.stats().entries == 2


def test_it_pickles(cache):
    put_many(cache, 1)
    copy = pickle.loads(pickle.dumps(cache))
    assert look_up(copy, 0) is not None


def test_a_wrong_mode_is_refused():
    with pytest.raises(SettingsError, match="read, write or on, not `of`"):
        Cache(mode="of")
    with pytest.raises(SettingsError, match="read, write or on, not `yes`"):
        VllmInterface(api_base="http://127.0.0.1:1/v1", cache="yes")


def test_the_users_configuration_bounds_it(tmp_path, monkeypatch):
    (tmp_path / "throughster").mkdir()
    config = tmp_path / "throughster" / "config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config.write_text("cache_max_mb = 5\n")
    assert (Cache().max_mb, Cache().max_age_days, Cache(max_mb=7).max_mb) == (5, 30.0, 7)
    config.write_text("cache_max = 5\n")
    with pytest.raises(SettingsError, match="unknown key `cache_max`. Did you mean `cache_max_mb`"):
        Cache()
    config.write_text("cache_max_mb = 0\n")
    with pytest.raises(SettingsError, match="`cache_max_mb` must be a number above 0, found 0"):
        Cache()


def test_a_key_does_not_depend_on_the_order_of_names():
    assert Cache.key("u", b'{"a":1,"b":2}', 0) == Cache.key("u", b'{"b":2, "a":1}', 0)
    others = {Cache.key("u", b'{"a":1}', 0), Cache.key("u", b'{"a":1}', 1), Cache.key("v", b'{"a":1}', 0)}
    assert len(others) == 3


def test_replies_are_parsed_again(cache):
    """What is kept is the raw reply, so that a later version reads more of it."""

    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            await client.call(HELLO)

    on_emulator(scenario)
    cache.flush()
    with sqlite3.connect(cache.path) as connection:
        body, headers = connection.execute("SELECT body, headers FROM answers").fetchone()
    connection.close()
    assert json.loads(body)["choices"][0]["message"]["content"]
    assert "authorization" not in headers


@pytest.mark.parametrize("other", ["stream", "call"])
def test_a_stream_that_nobody_reads_on_blocks_nobody(cache, other):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client:
            left = client.stream(HELLO)
            first = await anext(aiter(left))
            async with asyncio.timeout(10):
                if other == "call":
                    answer = await client.call(HELLO)
                else:
                    second = client.stream(HELLO)
                    assert (await anext(texts := aiter(second))) == first
                    assert [text async for text in texts]
                    answer = second.response
            await left.aclose()
            return answer.cached

    assert on_emulator(scenario) is False


def test_two_streams_are_read_in_turns(cache):
    async def scenario(emulator):
        async with client_of(emulator, cache) as client, asyncio.timeout(10):
            streams = [aiter(client.stream(HELLO)) for _ in range(2)]
            return [[await anext(one) for one in streams] for _ in range(3)]

    rounds = on_emulator(scenario)
    assert len(rounds) == 3
    assert all(one == other for one, other in rounds)
