"""The client on a network that is slow, sliced, silent or broken: the right answer, or the right error, and no leak."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest
from tests.chaos import Chaos, Toxic

from throughster import VllmInterface, errors
from throughster.emulator import Emulator, Options
from throughster.emulator.answers import Answers, Entry
from throughster.types import Retry, Timeout

ASK = {"messages": [{"role": "user", "content": "Say it"}]}
TEXT = "Grüße aus 東京 🎉, " * 20 + "\u2028 and the end."
QUICK = Retry(max_attempts=3, initial_delay_s=0.001)
ways = pytest.mark.parametrize("way", ["call", "stream"])
endpoints = pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])


@dataclass
class Outcome:
    """`error`, or the response, with the texts that a stream gave. `sends`: what each came to. `connections`: opened."""

    response: Any
    error: Any
    texts: list[str]
    connections: int
    took_s: float

    @property
    def sends(self):
        attempts = (self.error or self.response.retry_stats).attempts
        return [attempt.error for attempt in attempts]


async def answer(client, way, texts):
    if way == "call":
        return await client.call(ASK)
    stream = client.stream(ASK)
    async for text in stream:
        texts.append(text)
    return stream.response


def through(*toxics, way="call", endpoint="chat/completions", seed=0, **options):
    """One question to an emulator behind the proxy. Nothing of it may be left when it is answered, or is not."""

    async def scenario():
        emulated = Options(dialect="vllm", answers=Answers.of([Entry(("Say it",), TEXT)]))
        async with Emulator(emulated) as emulator, Chaos(emulator.url, *toxics, seed=seed) as proxy:
            client = VllmInterface(
                api_base=f"{proxy.url}/v1", model_name="m", endpoint=endpoint, **{"retry": QUICK, **options}
            )
            async with client:
                texts, response, error, begun = [], None, None, time.perf_counter()
                try:
                    response = await answer(client, way, texts)
                except errors.ProviderError as caught:
                    error = caught
                took_s = time.perf_counter() - begun
                assert (await client._transport._session()).connector._acquired == set()
                assert client._senders[asyncio.get_running_loop()].admission.gate.in_flight == 0
            async with asyncio.timeout(10):
                await proxy.all_closed()
                while emulator.in_flight:
                    await asyncio.sleep(0.005)
            return Outcome(response, error, texts, proxy.accepted, took_s)

    return asyncio.run(scenario())


@endpoints
@ways
def test_a_clean_connection_carries_the_whole_answer(way, endpoint):
    outcome = through(Toxic(), way=way, endpoint=endpoint)
    assert (outcome.response.content, outcome.sends, outcome.connections) == (TEXT, [None], 1)


@endpoints
@ways
@pytest.mark.parametrize("slices", [1, 3, 50])
def test_an_answer_in_slices_comes_out_whole(way, endpoint, slices):
    """Slices cut headers, chunk sizes, lines, characters and events anywhere."""
    outcome = through(Toxic(slices=slices), way=way, endpoint=endpoint, seed=slices)
    assert (outcome.response.content, outcome.sends) == (TEXT, [None])
    assert "".join(outcome.texts) == (TEXT if way == "stream" else "")


@ways
def test_latency_and_a_narrow_line_cost_time_only(way):
    outcome = through(Toxic(latency_s=0.05, bytes_per_second=200_000), way=way)
    assert (outcome.response.content, outcome.sends) == (TEXT, [None])
    assert outcome.response.latency_s > 0.05


@pytest.mark.parametrize(("way", "clock"), [("call", "total_s"), ("stream", "total_s")])
def test_a_line_that_is_too_narrow_runs_into_the_clock_of_the_whole(way, clock):
    toxic = Toxic(slices=20, bytes_per_second=200)
    outcome = through(toxic, way=way, timeout=Timeout(total_s=0.4), retry=Retry(max_attempts=1))
    assert isinstance(outcome.error, errors.RequestTimeoutError)
    assert f"(timeout.{clock})" in str(outcome.error)


@endpoints
@ways
def test_a_connection_that_closes_late_holds_nobody_up(way, endpoint):
    outcome = through(Toxic(slow_close_s=30), way=way, endpoint=endpoint)
    assert outcome.response.content == TEXT
    assert outcome.took_s < 10


@ways
@pytest.mark.parametrize("after", [0, 10, 100])
def test_a_reset_before_anything_was_shown_is_sent_again(way, after):
    outcome = through(Toxic(reset_after=after), Toxic(), way=way)
    assert (outcome.response.content, outcome.connections) == (TEXT, 2)
    failure, success = outcome.sends
    assert "Connection reset" in failure or "broke off" in failure or "closed the connection" in failure
    assert success is None


@ways
def test_resets_without_end_are_a_transport_error(way):
    outcome = through(Toxic(reset_after=0), way=way)
    assert type(outcome.error) is errors.TransportError
    assert (len(outcome.sends), outcome.connections) == (3, 3)


@pytest.mark.parametrize("toxic", [Toxic(reset_after=400), Toxic(cut_after=400)])
def test_half_a_whole_answer_is_sent_again(toxic):
    outcome = through(toxic, Toxic())
    assert (outcome.response.content, len(outcome.sends)) == (TEXT, 2)


@endpoints
@pytest.mark.parametrize("kind", ["reset_after", "cut_after"])
def test_a_stream_that_breaks_off_after_its_first_text_is_a_stream_error_with_that_text(kind, endpoint):
    outcome = through(Toxic(**{kind: 6000}, slices=500), Toxic(), way="stream", endpoint=endpoint)
    assert type(outcome.error) is errors.StreamError
    assert (len(outcome.sends), outcome.connections) == (1, 1), "what was shown is not asked for again"
    assert outcome.error.partial == "".join(outcome.texts) != ""
    assert TEXT.startswith(outcome.error.partial)


@pytest.mark.parametrize(
    ("way", "clock", "seconds"),
    [("call", "total_s", 0.3), ("stream", "first_token_s", 0.2), ("stream", "total_s", 0.1)],
)
def test_a_black_hole_ends_with_the_clock_that_ran_out(way, clock, seconds):
    timeout = Timeout(**{"total_s": 0.3, "first_token_s": 0.2, clock: seconds})
    outcome = through(
        Toxic(silent_after=0), way=way, timeout=timeout, retry=Retry(max_attempts=2, initial_delay_s=0.001)
    )
    assert type(outcome.error) is errors.RequestTimeoutError
    assert f"within {seconds} s (timeout.{clock})" in str(outcome.error)
    assert (len(outcome.sends), outcome.connections) == (2, 2)


@endpoints
def test_a_stream_that_falls_silent_ends_with_the_idle_clock(endpoint):
    outcome = through(
        Toxic(silent_after=6000), Toxic(), way="stream", endpoint=endpoint, timeout=Timeout(idle_s=0.2, total_s=20)
    )
    assert type(outcome.error) is errors.RequestTimeoutError
    assert "within 0.2 s (timeout.idle_s)" in str(outcome.error)
    assert (len(outcome.sends), outcome.texts != []) == (1, True)


def test_a_whole_answer_that_falls_silent_ends_with_the_clock_of_the_whole():
    outcome = through(Toxic(silent_after=400), Toxic(), timeout=Timeout(total_s=0.3))
    assert (outcome.response.content, len(outcome.sends)) == (TEXT, 2)
    assert "(timeout.total_s)" in outcome.sends[0]


def test_many_at_once_on_a_bad_network_all_get_their_answers():
    """Every third connection or so breaks, all are sliced; each question ends in its own answer."""
    toxics = [Toxic(slices=200), Toxic(reset_after=300, slices=100), Toxic(cut_after=700), Toxic(slices=200)]

    async def scenario():
        async with Emulator(Options(dialect="vllm")) as emulator, Chaos(emulator.url, *toxics * 4) as proxy:
            retry = Retry(max_attempts=10, initial_delay_s=0.001)
            async with VllmInterface(api_base=f"{proxy.url}/v1", model_name="m", retry=retry) as client:
                asks = [{"messages": [{"role": "user", "content": f"Number {n}"}]} for n in range(40)]
                responses = await client.batch_call(asks)
                expected = [(await client.call(ask)).content for ask in asks]
                assert (await client._transport._session()).connector._acquired == set()
            return [response.content for response in responses], expected

    answers, expected = asyncio.run(scenario())
    assert answers == expected
    assert len(set(answers)) == 40
