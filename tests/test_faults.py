"""What the client makes of every fault of a server: an error that says what happened, a retry, or a whole answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from throughster import (
    AuthError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
    Retry,
    ServerError,
    StreamError,
    Timeout,
    TransportError,
    VllmInterface,
)
from throughster.emulator import Emulator, Options, parse_fault
from throughster.emulator.faults import KINDS
from throughster.errors import ProviderError, RequestTimeoutError

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
ENDPOINTS = ("chat/completions", "responses")
QUICK = Timeout(first_token_s=0.2, idle_s=0.2, total_s=0.4)
ONCE = Retry(max_attempts=1)
both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["call", "stream"])


@dataclass
class Outcome:
    """`told`: the text, or the error. `attempts`: every send."""

    told: Any
    attempts: tuple[Any, ...]
    texts: list[str] = field(default_factory=list)
    struck: dict[Any, int] = field(default_factory=dict)


async def asked(api_base, *, streamed, **options):
    """One question; nothing of it may be left, whatever came of it."""
    async with VllmInterface(api_base=api_base, model_name="m", **options) as client:
        texts = []
        try:
            if streamed:
                stream = client.stream(HELLO)
                async for text in stream:
                    texts += [text]
                response = stream.response
                assert response.content == "".join(texts)
            else:
                response = await client.call(HELLO)
            outcome = Outcome(response.content, response.retry_stats.attempts, texts)
        except ProviderError as error:
            outcome = Outcome(error, error.attempts, texts)
        assert (await client._transport._session()).connector._acquired == set()
        assert client._senders[asyncio.get_running_loop()].admission.gate.in_flight == 0
    return outcome


def outcome_of(*faults, streamed, retry=ONCE, pace=None, **options):
    async def scenario():
        emulated = Options(dialect="vllm", faults=tuple(map(parse_fault, faults)), tokens_per_second=pace)
        async with Emulator(emulated) as emulator:
            outcome = await asked(emulator.api_base, streamed=streamed, retry=retry, **options)
            assert len(outcome.attempts) == emulator.requests
            async with asyncio.timeout(10):
                while emulator.in_flight:
                    await asyncio.sleep(0.005)
            outcome.struck = dict(emulator.faults)
            return outcome

    return asyncio.run(scenario())


# -- every kind of fault --------------------------------------------------------------------------------------------------

FAULTS = {
    "reset": ((TransportError, "Connection reset|closed the connection|failed"),) * 2,
    "disconnect": ((TransportError, "closed the connection before it replied"),) * 2,
    "stall": ((RequestTimeoutError, "timeout.total_s"), (RequestTimeoutError, "timeout.first_token_s")),
    "garbage": ((TransportError, "did not reply with valid HTTP"),) * 2,
    "cut": ((TransportError, "broke off"), (StreamError, "broke off")),
    "drip,interval=0.05": (
        (RequestTimeoutError, "timeout.total_s"),
        (RequestTimeoutError, "timeout.first_token_s"),
    ),
    "truncated-json": ((TransportError, "is no JSON, so no"), (StreamError, "an event that is no part of an answer")),
    "wrong-length": ((TransportError, "broke off"), None),
    "gzip-bomb": (
        (TransportError, "larger than 32,000,000 bytes"),
        (StreamError, "event of more than 8,000,000 bytes"),
    ),
    "stream-error": (None, (ServerError, "(stream|response) replied 500: ")),
    "comments,interval=0.05": (None, (RequestTimeoutError, "timeout.first_token_s")),
}


def test_every_kind_of_fault_is_met_here():
    assert [name.partition(",")[0] for name in FAULTS] == list(KINDS)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@both_ways
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named_for_what_it_is(fault, streamed, endpoint):
    """A stream of the right length less a hundred bytes is whole all the same: it says itself where it ends."""
    timeout = QUICK if fault.startswith(("stall", "drip", "comments")) and FAULTS[fault][streamed] else Timeout()
    outcome = outcome_of(fault, streamed=streamed, endpoint=endpoint, timeout=timeout)
    assert len(outcome.attempts) == 1
    expected = FAULTS[fault][streamed]
    if expected is None:
        assert isinstance(outcome.told, str)
        assert outcome.told.startswith("Canned answer ")
        return
    kind, words = expected
    assert type(outcome.told) is kind
    with pytest.raises(kind, match=words):
        raise outcome.told
    assert getattr(outcome.told, "partial", "").startswith("".join(outcome.texts)), "what had arrived is kept"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@both_ways
@pytest.mark.parametrize("kind", ["reset", "disconnect", "garbage", "stall", "cut", "truncated-json", "wrong-length"])
def test_what_may_pass_is_sent_again_and_comes_out_whole(kind, streamed, endpoint):
    """The first sends fail. A stream that broke off in the same packet as its texts has shown nothing."""
    times, timeout = (1, Timeout(first_token_s=1, total_s=1)) if kind == "stall" else (2, Timeout())
    retry = Retry(max_attempts=4, initial_delay_s=0.01)
    outcome = outcome_of(f"{kind}@1-{times}", streamed=streamed, retry=retry, endpoint=endpoint, timeout=timeout)
    if streamed and kind in ("cut", "wrong-length"):
        assert outcome.struck == {kind: 1}
        return
    assert outcome.told.startswith("Canned answer ")
    assert outcome.struck == {kind: times}
    assert [attempt.error is None for attempt in outcome.attempts] == [*[False] * times, True]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("kind", "error"), [("cut", StreamError), ("truncated-json", StreamError), ("stream-error", ServerError)]
)
def test_a_stream_that_has_shown_something_is_not_sent_again(kind, error, endpoint):
    outcome = outcome_of(
        kind, streamed=True, pace=200, retry=Retry(max_attempts=4), endpoint=endpoint, timeout=Timeout(total_s=30)
    )
    assert type(outcome.told) is error
    assert (len(outcome.attempts), outcome.struck) == (1, {kind: 1})
    assert outcome.texts[0] == "Canned"
    assert outcome.told.partial.startswith("".join(outcome.texts))


def test_a_stream_that_nobody_has_seen_is_sent_again_whatever_had_arrived():
    async def scenario():
        faults = tuple(map(parse_fault, ("cut@1", "stream-error@2", "truncated-json@3")))
        async with Emulator(Options(dialect="vllm", faults=faults, tokens_per_second=200)) as emulator:
            retry = Retry(max_attempts=4, initial_delay_s=0.001)
            async with VllmInterface(api_base=emulator.api_base, model_name="m", retry=retry) as client:
                question = await client.question({}, stream=True)
                return await question.ask(HELLO["messages"]), dict(emulator.faults)

    response, struck = asyncio.run(scenario())
    assert response.content.startswith("Canned answer ")
    assert len(response.retry_stats.attempts) == 4
    assert struck == {"cut": 1, "stream-error": 1, "truncated-json": 1}


# -- statuses -------------------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(
    ("status", "kind", "sends"),
    [
        (400, BadRequestError, 1),
        (401, AuthError, 1),
        (403, AuthError, 1),
        (404, NotFoundError, 1),
        (408, ServerError, 3),
        (409, ServerError, 3),
        (413, BadRequestError, 1),
        (422, BadRequestError, 1),
        (424, ServerError, 2),
        (429, RateLimitError, 3),
        (500, ServerError, 3),
        (501, ServerError, 1),
        (502, ServerError, 3),
        (503, ServerError, 3),
        (505, ServerError, 1),
        (524, ServerError, 3),
        (529, ServerError, 3),
    ],
)
def test_every_status_is_tried_as_often_as_it_is_worth(status, kind, sends, streamed):
    outcome = outcome_of(str(status), streamed=streamed, retry=Retry(max_attempts=3, initial_delay_s=0.001))
    assert type(outcome.told) is kind
    assert (outcome.told.http_status, len(outcome.attempts)) == (status, sends)


def test_a_dependency_that_failed_for_a_moment_costs_one_more_send():
    outcome = outcome_of("424@1", streamed=False, retry=Retry(max_attempts=4, initial_delay_s=0.001))
    assert (outcome.told[:6], len(outcome.attempts)) == ("Canned", 2)


# -- bombs ----------------------------------------------------------------------------------------------------------------


@both_ways
def test_a_bomb_is_refused_before_it_fills_the_memory(streamed):
    """In a process of its own, so that the server's memory does not count."""
    program = (
        "import asyncio, resource, sys\n"
        "from throughster import Retry, TransportError, VllmInterface\n"
        "async def main():\n"
        "    retry = Retry(max_attempts=3, initial_delay_s=0.001)\n"
        "    async with VllmInterface(api_base=sys.argv[1], model_name='m', retry=retry) as client:\n"
        "        ask = {'messages': [{'role': 'user', 'content': 'Hello'}]}\n"
        "        await client.call(ask)\n"
        "        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "        try:\n"
        f"            {'[t async for t in client.stream(ask)]' if streamed else 'await client.call(ask)'}\n"
        "        except TransportError as error:\n"
        "            print(len(error.attempts), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
        "asyncio.run(main())\n"
    )

    async def scenario():
        async with Emulator(Options(dialect="vllm", faults=(parse_fault("gzip-bomb@2+"),))) as emulator:
            command = [sys.executable, "-c", program, emulator.api_base]
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            return (await process.communicate())[0]

    sends, grown_kib = map(int, asyncio.run(scenario()).split())
    assert sends == 1, "what is too large once is so again"
    assert grown_kib < 80 * 1024, "it unpacks to 110 MiB"


# -- streams that say nothing ---------------------------------------------------------------------------------------------

ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
HI = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
CREATED = b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n'
SEARCHING = b'event: response.web_search_call.searching\ndata: {"type":"response.web_search_call.searching"}\n\n'
ENDED = (
    b'event: response.completed\ndata: {"type":"response.completed","response":'
    b'{"object":"response","status":"completed","output":[]}}\n\n'
)


def scripted(serving, *scripts, repeated=b"", times=0, every_s=0.02, **options):
    """A stream whose sends get these bytes in turn, the last of them followed by `repeated`, so many times."""
    sends = []

    async def handler(request):
        script = scripts[min(len(sends), len(scripts) - 1)]
        sends.append(script)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(script)
        for _ in range(times if len(sends) >= len(scripts) else 0):
            await asyncio.sleep(every_s)
            await response.write(repeated)
        if times:
            await response.write(ENDED if options.get("endpoint") == "responses" else STOP + DONE)
        return response

    async def scenario():
        async with serving(handler) as origin:
            return await asked(f"{origin}/v1", streamed=True, **{"retry": ONCE, **options})

    return asyncio.run(scenario())


@pytest.mark.parametrize("script", [DONE, b"data: [DONE]", ROLE + DONE, b": hello\n\n" + DONE, ROLE, b""])
def test_a_stream_without_an_answer_is_no_empty_answer(serving, script):
    outcome = scripted(serving, script)
    assert type(outcome.told) is StreamError
    assert "ended before the answer did" in str(outcome.told)
    again = scripted(serving, script, HI + STOP + DONE, retry=Retry(max_attempts=2, initial_delay_s=0.001))
    assert (again.told, len(again.attempts)) == ("Hi", 2)


@pytest.mark.parametrize("script", [DONE, CREATED + DONE])
def test_nor_is_one_of_the_responses_api(serving, script):
    outcome = scripted(serving, script, endpoint="responses")
    assert type(outcome.told) is StreamError
    assert "[DONE] came without one" in str(outcome.told)


@pytest.mark.parametrize("script", [STOP, STOP + DONE, ROLE + STOP])
def test_an_empty_answer_with_a_finish_reason_is_one(serving, script):
    assert scripted(serving, script).told == ""


PINGS = [
    b": ping\n\n",
    b"event: ping\ndata: {}\n\n",
    b'event: ping\ndata: {"type":"ping"}\n\n',
    b'data: {"choices":[],"object":"ping"}\n\n',
    b'data: {"choices":[{"index":0,"delta":{}}]}\n\n',
]


@pytest.mark.parametrize("begun", [ROLE, ROLE + HI])
@pytest.mark.parametrize("ping", PINGS)
def test_pings_do_not_keep_a_stream_alive(serving, begun, ping):
    timeout = Timeout(idle_s=0.2, first_token_s=5, total_s=30)
    outcome = scripted(serving, begun, repeated=ping, times=250, timeout=timeout)
    assert type(outcome.told) is RequestTimeoutError
    assert "No further event" in str(outcome.told)
    assert "within 0.2 s (timeout.idle_s)" in str(outcome.told)
    assert outcome.told.partial == ("Hi" if HI in begun else "")


@pytest.mark.parametrize(
    ("ping", "is_alive"),
    [(b'event: keepalive\ndata: {"type":"keepalive","sequence_number":3}\n\n', False), (SEARCHING, True)],
)
def test_events_that_tell_of_work_keep_a_stream_of_the_responses_api_alive(serving, ping, is_alive):
    timeout = Timeout(idle_s=0.5, first_token_s=5, total_s=30)
    outcome = scripted(serving, CREATED, repeated=ping, times=20, every_s=0.05, timeout=timeout, endpoint="responses")
    if is_alive:
        assert outcome.told == ""
    else:
        assert "(timeout.idle_s)" in str(outcome.told)


# -- clients that nobody closed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", ["asyncio.run", "uvloop.run"])
@pytest.mark.parametrize(
    "ending", ["pass", "del client, clients", "if not os.fork(): ask(client); sys.exit()\nos.wait()"]
)
def test_sessions_of_loops_that_ended_are_dropped_without_a_word(runner, ending):
    program = (
        "import asyncio, os, sys, uvloop\n"
        "from throughster import create_interface\n"
        f"ask = lambda client: {runner}(client.call({HELLO!r}))\n"
        "clients = [create_interface('offline') for _ in range(2)]\n"
        "for client in clients * 2: assert ask(client).content\n"
        f"{ending}\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
