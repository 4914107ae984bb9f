"""What the client makes of every fault of a server: an error that says what happened, a retry, or a whole answer."""

from __future__ import annotations

import asyncio
import resource

import pytest

from throughster import Retry, ServerError, StreamError, ThroughsterError, Timeout, TransportError, VllmInterface
from throughster.emulator import Emulator, Options, parse_fault
from throughster.errors import RequestTimeoutError

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
QUICK = Timeout(connect_s=2, first_token_s=0.4, idle_s=0.4, total_s=1.0)
ONCE = Retry(max_attempts=1)


async def outcome(fault, *, streamed, retry=ONCE, timeout=QUICK):
    """(text or error, sends, whether a connection was left open)."""
    async with Emulator(Options(dialect="vllm", faults=(parse_fault(fault),))) as emulator:
        client = VllmInterface(api_base=emulator.api_base, model_name="m", retry=retry, timeout=timeout)
        try:
            if streamed:
                told = "".join([text async for text in client.stream(HELLO)])
            else:
                told = (await client.call(HELLO)).content
        except ThroughsterError as error:
            told = error
        await asyncio.sleep(0)
        connectors = [session.connector for session in client._transport._sessions.values()]
        is_left = any(connector._acquired for connector in connectors)
        await client.close()
        return told, emulator.requests, is_left


FAULTS = {
    "reset": ((TransportError, "Connection reset|closed the connection|failed"),) * 2,
    "disconnect": ((TransportError, "closed the connection before it replied"),) * 2,
    "stall": ((RequestTimeoutError, "timeout.total_s"), (RequestTimeoutError, "timeout.first_token_s")),
    "garbage": ((TransportError, "did not reply with valid HTTP"),) * 2,
    "cut": ((TransportError, "broke off"), (StreamError, "broke off|ended before")),
    "drip,interval=0.05": (
        (RequestTimeoutError, "timeout.total_s"),
        (RequestTimeoutError, "timeout.(first_token|idle|total)_s"),
    ),
    "truncated-json": ((ServerError, "is no chat completion"), (StreamError, "JSON|event")),
    "wrong-length": ((TransportError, "broke off"), None),
    "gzip-bomb": ((TransportError, "larger than 32,000,000 bytes"), (TransportError, "larger|event")),
    "stream-error": (None, (ServerError, "500|rror")),
    "comments,interval=0.05": (None, (RequestTimeoutError, "timeout.(first_token|idle)_s")),
    "500": ((ServerError, "replied 500"),) * 2,
    "502": ((ServerError, "replied 502: 502 Bad Gateway"),) * 2,
}


@pytest.mark.parametrize("streamed", [False, True], ids=["call", "stream"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named_for_what_it_is(fault, streamed):
    expected = FAULTS[fault][streamed]
    told, requests, is_left = asyncio.run(outcome(fault, streamed=streamed))
    assert (requests, is_left) == (1, False)
    if expected is None:
        assert isinstance(told, str)
        assert told
    else:
        kind, words = expected
        with pytest.raises(kind, match=words):
            raise told


@pytest.mark.parametrize("streamed", [False, True], ids=["call", "stream"])
@pytest.mark.parametrize("kind", ["reset", "disconnect", "garbage", "cut", "truncated-json", "503", "stall"])
def test_what_may_pass_is_sent_again_and_comes_out_whole(kind, streamed):
    """The first two sends fail. A stream that has shown something is not sent again: then nothing was shown."""
    retry = Retry(max_attempts=4, initial_delay_s=0.01)
    told, requests, _ = asyncio.run(outcome(f"{kind}@1-2", streamed=streamed, retry=retry))
    if streamed and kind == "cut":
        assert isinstance(told, StreamError)
        assert (requests, bool(told.partial)) == (1, True)
        return
    whole, _, _ = asyncio.run(outcome("503@99", streamed=streamed))
    assert (told, requests) == (whole, 3)


def test_a_bomb_is_refused_before_it_fills_the_memory():
    asyncio.run(outcome("503@99", streamed=False))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told, _, _ = asyncio.run(outcome("gzip-bomb", streamed=False, timeout=Timeout()))
    assert isinstance(told, TransportError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * 1024
