"""Requests and tokens per minute, and answers under way at once, as each provider limits and tells of them."""

from __future__ import annotations

import asyncio

import aiohttp
import openai
import pytest

from throughster.emulator import Options
from throughster.emulator.openai_trouble import go_duration
from throughster.emulator.quotas import Account, Bucket, Meter

DIALECTS = ("openai", "azure", "mistral", "vllm")
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
NAMES = {
    "openai": ("requests", "tokens"),
    "azure": ("requests", "tokens"),
    "mistral": ("req-minute", "tokens-minute"),
}


def rate_headers(reply):
    return {name: value for name, value in reply.headers.items() if "ratelimit" in name or "retry" in name}


def meters(reply, dialect):
    """((limit, remaining) of requests, the same of tokens)"""
    headers = reply.headers
    if dialect == "mistral":
        return tuple(
            tuple(int(headers[f"x-ratelimit-{what}-{name}-minute"]) for what in ("limit", "remaining"))
            for name in ("req", "tokens")
        )
    return tuple(
        tuple(int(headers[f"x-ratelimit-{what}-{name}"]) for what in ("limit", "remaining"))
        for name in ("requests", "tokens")
    )


# -- the bucket, on a clock of its own -------------------------------------------------------------------------------------


def test_a_bucket_holds_a_minutes_worth_and_refills_all_the_time():
    bucket = Bucket(60, 60.0, now=100)
    bucket.take(60, 100)
    assert bucket.meter(100) == Meter(60, 0, 60.0)
    assert bucket.wait_s(1, 100) == pytest.approx(1)
    assert bucket.wait_s(1, 100.5) == pytest.approx(0.5)
    assert bucket.wait_s(1, 101) == 0
    assert bucket.meter(130) == Meter(60, 30, 30.0)
    assert bucket.meter(1000) == Meter(60, 60, 0.0)
    bucket.take(-5, 1000)
    assert bucket.meter(1000).remaining == 60, "what is given back does not make it larger"


def test_a_narrow_window_refuses_a_burst_although_the_minute_has_room():
    bucket = Bucket(600, 1.0, now=0)
    bucket.take(10, 0)
    assert bucket.meter(0).remaining == 590
    assert bucket.wait_s(1, 0) == pytest.approx(0.1)
    assert bucket.wait_s(10, 0) == pytest.approx(1)
    assert bucket.wait_s(10, 1) == 0


def test_what_is_larger_than_a_window_passes_when_the_window_is_whole_and_is_paid_for_after():
    bucket = Bucket(60, 1.0, now=0)
    assert bucket.wait_s(30, 0) == 0
    bucket.take(30, 0)
    assert bucket.wait_s(1, 0) == pytest.approx(30)
    assert bucket.wait_s(1, 30) == 0


def test_the_longest_wait_is_told_and_what_never_fits_is_longest():
    account = Account(Options(requests_per_minute=1, tokens_per_minute=100), now=0)
    account.charge(1, 100, 0)
    requests = account.overrun(10, 0)
    assert (requests.limit, requests.asked, requests.used, requests.wait_s) == ("requests", 1, 1, 60)
    assert account.overrun(10, 60) is None
    tokens = account.overrun(101, 0)
    assert (tokens.limit, tokens.per_minute, tokens.wait_s) == ("tokens", 100, None)


def test_a_clock_that_steps_back_gives_nothing():
    bucket = Bucket(60, 60.0, now=10)
    bucket.take(60, 10)
    assert bucket.meter(5).remaining == 0
    assert bucket.wait_s(1, 10) == pytest.approx(1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.006, "6ms"), (0.12, "120ms"), (1, "1s"), (8.64, "8.64s"), (360, "6m0s"), (61.5, "1m1.5s")]
)
def test_durations_are_printed_as_go_does(seconds, text):
    assert go_duration(seconds) == text


# -- over HTTP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["openai", "azure", "mistral"])
@pytest.mark.parametrize("stream", [False, True])
def test_every_reply_tells_where_the_key_stands_with_the_model(converse, chat_body, dialect, stream):
    async def talk(_emulator, send):
        body = chat_body(dialect, max_tokens=50, stream=stream)
        return [await send(body), await send(body), await send({**body, "temperature": "hot"})]

    options = Options(dialect=dialect, requests_per_minute=10, tokens_per_minute=6000)
    first, second, refused = converse(options, talk)
    assert meters(first, dialect) == ((10, 9), (6000, 5948)), "two tokens of a prompt, and fifty that may come"
    assert meters(second, dialect)[0] == (10, 8)
    assert refused.status in (400, 422)
    assert meters(refused, dialect)[0] == (10, 8), "what is refused as malformed is not counted"


def test_the_times_in_the_headers_are_those_until_the_bucket_is_full(converse, chat_body):
    async def talk(emulator, send):
        return (await send(chat_body(emulator.options.dialect, max_tokens=58))).headers

    limits = {"requests_per_minute": 60, "tokens_per_minute": 600}
    headers = converse(Options(dialect="openai", **limits), talk)
    assert headers["x-ratelimit-reset-requests"] == "1s"
    assert headers["x-ratelimit-reset-tokens"] == "6s"
    headers = converse(Options(dialect="azure", **limits), talk)
    assert headers["x-ratelimit-reset-requests"] == "1"
    assert headers["x-ratelimit-reset-tokens"] == "6"


@every_dialect
def test_a_request_too_many_is_refused_in_the_providers_words(converse, chat_body, dialect):
    async def talk(_emulator, send):
        return [await send(chat_body(dialect)) for _ in range(3)]

    first, second, third = converse(Options(dialect=dialect, requests_per_minute=2), talk)
    assert [first.status, second.status, third.status] == [200, 200, 429]
    if dialect == "vllm":
        assert rate_headers(third) == rate_headers(first) == {}
        assert third.body["error"]["code"] == 429
        return
    assert 1 <= int(third.headers["retry-after"]) <= 30
    name = NAMES[dialect][0]
    assert third.headers[f"x-ratelimit-remaining-{name}"] == "0"
    if dialect == "openai":
        error = third.body["error"]
        assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
        assert "Limit 2, Used 2, Requested 1. Please try again in " in error["message"]
        assert 28_000 < int(third.headers["retry-after-ms"]) <= 30_000
    elif dialect == "azure":
        assert third.body["error"]["code"] == "RateLimitReached"
        assert f"retry after {third.headers['retry-after']} seconds" in third.body["error"]["message"]
    else:
        assert third.body == {"message": "Requests rate limit exceeded"}


@every_dialect
def test_tokens_too_many_are_refused_in_the_providers_words(converse, chat_body, dialect):
    options = Options(dialect=dialect, tokens_per_minute=100, latency_s=0.1)

    async def both(emulator, send):
        return await asyncio.gather(*(send(chat_body(dialect, max_tokens=90)) for _ in range(2)))

    passed, refused = sorted(converse(options, both), key=lambda reply: reply.status)
    assert [passed.status, refused.status] == [200, 429]
    error = refused.body.get("error", refused.body)
    if dialect == "openai":
        assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
        assert "Limit 100, Used 92, Requested 92" in error["message"]
    elif dialect == "azure":
        assert error["code"] == "429"
        assert refused.headers["x-ratelimit-remaining-requests"] == "-1"
        assert refused.headers["x-ratelimit-reset-tokens"].isdigit()
    elif dialect == "mistral":
        assert (error["code"], error["type"], error["raw_status_code"]) == ("1300", "rate_limited", 429)
        assert refused.headers["x-ratelimit-tokens-query-cost"] == "0"
    if dialect != "vllm":
        assert 1 <= int(refused.headers["retry-after"]) <= 60


@pytest.mark.parametrize("dialect", ["openai", "mistral", "azure"])
def test_openai_and_mistral_settle_what_an_answer_used_and_azure_does_not(converse, chat_body, dialect):
    async def talk(_emulator, send):
        first = await send(chat_body(dialect, max_tokens=50))
        second = await send(chat_body(dialect, max_tokens=1, messages=[{"role": "user", "content": "!"}]))
        return first, second

    first, second = converse(Options(dialect=dialect, tokens_per_minute=60), talk)
    name = NAMES[dialect][1]
    assert first.headers[f"x-ratelimit-remaining-{name}"] == "8", "50 tokens are held while the answer is made"
    used = first.body["usage"]["total_tokens"]
    assert used < 25
    left = 8 if dialect == "azure" else 60 - used
    seen = int(second.headers[f"x-ratelimit-remaining-{name}"])
    assert left - 2 <= seen <= left + 10, "the second costs two, and each second refills one"


@every_dialect
def test_what_is_refused_uses_no_tokens(converse, chat_body, dialect):
    async def talk(_emulator, send):
        refused = [await send(chat_body(dialect, max_tokens=3000)) for _ in range(5)]
        impossible = await send(chat_body(dialect, response_format=IMPOSSIBLE, max_tokens=500))
        return refused, impossible, await send(chat_body(dialect, max_tokens=1900))

    refused, impossible, passed = converse(Options(dialect=dialect, tokens_per_minute=2000), talk)
    assert [reply.status for reply in refused] == [429] * 5
    assert impossible.status == 400
    assert passed.status == 200


IMPOSSIBLE = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "integer", "minimum": 5, "maximum": 4}},
}


def test_only_azure_counts_a_request_that_was_refused_for_its_tokens(converse, chat_body):
    async def talk(emulator, send):
        dialect = emulator.options.dialect
        for _ in range(3):
            await send(chat_body(dialect, max_tokens=500))
        return (await send(chat_body(dialect, max_tokens=5))).headers["x-ratelimit-remaining-requests"]

    limits = {"requests_per_minute": 10, "tokens_per_minute": 100}
    assert converse(Options(dialect="openai", **limits), talk) == "9"
    assert converse(Options(dialect="azure", **limits), talk) == "6"


def test_a_request_that_can_never_fit_is_said_to_be_too_large(ask):
    reply = ask("openai", options={"tokens_per_minute": 100}, max_tokens=500)
    assert reply.status == 429
    assert reply.body["error"]["message"].startswith("Request too large for gpt-4o-mini on tokens per min (TPM)")
    assert "retry-after" not in reply.headers


def test_each_key_and_each_model_has_its_own_limits(converse, chat_body):
    async def talk(_emulator, send):
        one, two = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
        return [
            (await send(chat_body("openai", model=model), headers=key)).status
            for key, model in [(one, "a"), (one, "a"), (two, "a"), (one, "b"), (two, "a")]
        ]

    assert converse(Options(requests_per_minute=1), talk) == [200, 429, 200, 200, 429]


def test_azure_takes_one_key_in_either_header_and_the_deployment_of_the_path(converse, chat_body):
    async def talk(_emulator, send):
        path = "/openai/deployments/{}/chat/completions?api-version=2024-10-21"
        sent = [({"api-key": "k"}, "a"), ({"Authorization": "Bearer k"}, "a"), ({"api-key": "k"}, "b")]
        return [
            (await send(chat_body("azure"), path=path.format(deployment), headers=headers)).status
            for headers, deployment in sent
        ]

    assert converse(Options(dialect="azure", requests_per_minute=1), talk) == [200, 429, 200]


def test_azures_responses_say_nothing_of_tokens_and_of_the_wait(converse):
    async def talk(_emulator, send):
        body = {"model": "d", "input": "Say hi"}
        return [await send(body, path="/openai/v1/responses") for _ in range(2)]

    first, second = converse(Options(dialect="azure", requests_per_minute=1, tokens_per_minute=1000), talk)
    for reply in (first, second):
        assert reply.headers["x-ratelimit-remaining-tokens"] == "-1"
        assert reply.headers["x-ratelimit-reset-tokens"] == "0"
    assert second.status == 429
    assert "retry-after" not in second.headers
    assert "retry after" not in second.body["error"]["message"]


def test_a_burst_over_a_narrow_window_is_refused_although_the_headers_show_room(converse, chat_body):
    async def talk(_emulator, send):
        return await asyncio.gather(*(send(chat_body("openai")) for _ in range(12)))

    replies = converse(Options(requests_per_minute=120, rate_window_s=0.5), talk)
    refused = [reply for reply in replies if reply.status == 429]
    assert 6 <= len(refused) <= 11, "one fits at once, and a few more while they come in"
    assert all(int(reply.headers["x-ratelimit-remaining-requests"]) > 100 for reply in refused)
    assert all(int(reply.headers["retry-after-ms"]) <= 500 for reply in refused)


def test_a_key_that_waits_as_told_gets_through(converse, chat_body):
    async def talk(_emulator, send):
        body = chat_body("openai")
        assert (await send(body)).status == 200
        refused = await send(body)
        assert refused.status == 429
        await asyncio.sleep(int(refused.headers["retry-after-ms"]) / 1000)
        return (await send(body)).status

    assert converse(Options(requests_per_minute=240, rate_window_s=0.25), talk) == 200


@every_dialect
@pytest.mark.parametrize("status", [429, 503])
def test_more_answers_at_once_than_the_server_takes_are_refused_without_a_word_on_limits(
    converse, chat_body, dialect, status
):
    async def talk(emulator, send):
        asking = [asyncio.create_task(send(chat_body(dialect, stream=stream))) for stream in (False, True)]
        while emulator.in_flight < 2:
            await asyncio.sleep(0.01)
        refused = await send(chat_body(dialect))
        answered = await asyncio.gather(*asking)
        return refused, answered, await send(chat_body(dialect))

    options = Options(
        dialect=dialect, max_concurrent=2, overload_status=status, latency_s=0.8, requests_per_minute=1000
    )
    refused, answered, after = converse(options, talk)
    assert refused.status == status
    assert rate_headers(refused) == {}
    assert [reply.status for reply in (*answered, after)] == [200] * 3
    error = refused.body.get("error", refused.body)
    codes = {
        "openai": {429: "slow_down", 503: "server_is_overloaded"}[status],
        "azure": {429: "too_many_requests", 503: "ServiceUnavailable"}[status],
        "mistral": "3505",
        "vllm": status,
    }
    assert error["code"] == codes[dialect]


def test_a_place_is_free_again_when_the_client_goes_away(converse, chat_body):
    async def talk(emulator, send):
        leaving = asyncio.create_task(send(chat_body("openai", messages=[{"role": "user", "content": "Wait"}])))
        while emulator.in_flight < 1:
            await asyncio.sleep(0.01)
        assert (await send(chat_body("openai"))).status == 429
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        while emulator.in_flight:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(send(chat_body("openai")))
        while emulator.in_flight < 1:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        done = second.done()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        return done

    assert not converse(Options(max_concurrent=1, latency_s=30), talk), "the second waits for its answer"


def test_the_sdk_waits_as_the_server_says_and_gets_its_answer(converse):
    async def talk(emulator, _send):
        async with openai.AsyncOpenAI(base_url=emulator.api_base, api_key="k", max_retries=3) as client:
            for _ in range(3):
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Say hi"}])
        return emulator.requests

    assert converse(Options(requests_per_minute=300, rate_window_s=0.2), talk) > 3


def test_replies_that_have_no_key_or_model_say_nothing_of_limits(converse):
    async def talk(_emulator, send):
        return [await send(path="/v1/models", method="GET"), await send(path="/v1/nope")]

    assert [rate_headers(reply) for reply in converse(Options(requests_per_minute=5), talk)] == [{}, {}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
        {"max_concurrent": 0},
        {"rate_window_s": 0},
        {"rate_window_s": 61},
        {"overload_status": 500},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


def test_a_server_without_limits_answers_any_number(converse, chat_body):
    async def talk(emulator, _send):
        async with aiohttp.ClientSession() as session:

            async def once():
                async with session.post(emulator.url + "/v1/chat/completions", json=chat_body("openai")) as reply:
                    return reply.status, reply.headers["x-ratelimit-remaining-requests"]

            return set(await asyncio.gather(*(once() for _ in range(200))))

    assert converse(Options(), talk) == {(200, "9999")}
