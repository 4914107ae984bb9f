"""Faults on purpose: their grammar, which request gets which, and what each looks like on the wire."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import zlib
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from throughster.emulator import Emulator, Fault, Options, parse_fault
from throughster.emulator.fault_plan import FaultPlan
from throughster.emulator.faults import KINDS

DIALECTS = ("openai", "azure", "mistral", "vllm")
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "emulator.md"
TWICE = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def faults(*texts):
    return tuple(map(parse_fault, texts))


# -- the grammar ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429", Fault(429)),
        ("503:0.05", Fault(503, share=0.05)),
        ("599:.5", Fault(599, share=0.5)),
        ("reset:1", Fault("reset", share=1.0)),
        ("429,retry-after=2.5", Fault(429, retry_after=2.5)),
        ("429:0.1,retry-after=none", Fault(429, share=0.1, retry_after="none")),
        ("stall@3", Fault("stall", first=3, last=3)),
        ("503@1-20", Fault(503, first=1, last=20)),
        ("503@10+", Fault(503, first=10)),
        ("cut@every=3", Fault("cut", every=3)),
        ("cut:0.5@every=3", Fault("cut", share=0.5, every=3)),
        ("reset@t=5-10", Fault("reset", from_s=5.0, until_s=10.0)),
        ("reset@t=0.5+", Fault("reset", from_s=0.5)),
        ("drip,interval=0.01", Fault("drip", interval_s=0.01)),
        ("stream-error", Fault("stream-error")),
    ],
)
def test_a_fault_is_a_kind_a_share_a_schedule_and_settings(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`` is no kind of fault. There are statuses such as 503, and reset, "),
        ("resett", "`resett` is no kind of fault. Did you mean `reset`?"),
        ("200", "200 is no status of a failure; these go from 400 to 599"),
        ("600:0.1", "600 is no status of a failure"),
        ("429:0", "the share 0 is not more than 0 and at most 1"),
        ("429:1.5", "the share 1.5 is not more than 0 and at most 1"),
        ("429:5%", "the share `5%` is no number"),
        ("429:", "the share `` is no number"),
        ("429:-1", "the share `-1` is no number"),
        ("503@", "`@` is no schedule. Write `503@1-20`, `503@10+`, `503@every=3` or `503@t=5-10`"),
        ("503@first", "`@first` is no schedule"),
        ("503@0", "requests are counted from 1; 0 is none"),
        ("503@9-3", "the last request, 3, is before the first, 9"),
        ("503@every=0", "`every=0` is never; it is a whole number from 1 on"),
        ("503@every=x", "`every=x` has no whole number"),
        ("503@evry=3", "`evry` is no kind of schedule. Did you mean `every`?"),
        ("503@t=5", "`t=5` is no time. Write `t=5-10` or `t=5+`, in seconds"),
        ("503@t=10-5", "the end, 5 s, is not after the beginning, 10 s"),
        ("503,retry_after=1", "`retry_after=1` is no setting. Did you mean `retry-after`?"),
        ("503,", "`` is no setting. There are `retry-after=SECONDS` and `interval=SECONDS`."),
        ("503,retry-after=soon", "`retry-after` `soon` is no number"),
        ("reset,retry-after=1", "`retry-after` is for statuses; `reset` has no headers to send it in"),
        ("503,interval=1", "`interval` is for `drip` and `comments`, not `503`"),
        ("drip,interval=0", "`interval` is 0; it is a number of seconds above 0"),
    ],
)
def test_what_is_wrong_with_a_fault_is_said_in_one_line(text, message):
    with pytest.raises(ValueError) as caught:
        parse_fault(text)
    said = str(caught.value)
    assert said.startswith(f"in the fault `{text}`: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("wrong", [{"retry_after": -1.0}, {"retry_after": float("inf")}, {"first": 0}])
def test_a_fault_made_in_python_is_checked_too(wrong):
    with pytest.raises(ValueError, match=r"retry-after|counted from 1"):
        Fault(503, **wrong)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["429:0.7", "503:0.7"], "the shares of the faults add up to 1.4; they are parts of 1"),
        (["reset", "503:0.1"], "`reset` strikes every request, so that `503` after it never does"),
        (["comments", "stream-error"], "give `comments` a share, or put it last"),
        (["503", "reset@1-3"], "`503` strikes every request"),
    ],
)
def test_faults_that_leave_no_room_for_one_another_are_refused(texts, message):
    with pytest.raises(ValueError) as caught:
        Options(faults=faults(*texts))
    assert message in str(caught.value)


@pytest.mark.parametrize("texts", [["429:0.3", "503:0.7"], ["503@1-5", "429:0.9"], ["503:0.1", "reset"]])
def test_faults_that_share_the_requests_are_taken(texts):
    assert len(Options(faults=faults(*texts)).faults) == 2


def documented(column):
    """What stands in backticks in the first column of a table of the documentation."""
    text = DOCUMENTATION.read_text("utf-8").partition(f"| {column} |")[2].partition("\n\n")[0]
    return [one for line in text.splitlines()[2:] for one in re.findall(r"`([^`]+)`", line.split(" | ")[0])]


def test_the_documented_kinds_and_examples_are_what_there_is():
    assert documented("kind") == ["400", "599", *KINDS]
    examples = documented("example")
    assert len(examples) > 10
    assert len(set(map(parse_fault, examples))) == len(examples)


# -- which request gets which ---------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def struck(*texts, requests=10, seed=0, stream=False, clock=None):
    """The kinds that strike so many requests, None for those that pass."""
    plan = FaultPlan(faults(*texts), seed, clock or Clock())
    kinds = []
    for _ in range(requests):
        fault = plan.next_fault({"stream": stream})
        kinds.append(fault and fault.kind)
    return kinds


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("503@2", [2]),
        ("503@2-4", [2, 3, 4]),
        ("503@8+", [8, 9, 10]),
        ("503@every=3", [3, 6, 9]),
        ("503@every=1", list(range(1, 11))),
    ],
)
def test_a_schedule_counts_requests(text, numbers):
    assert [number for number, kind in enumerate(struck(text), 1) if kind] == numbers


def test_a_schedule_in_seconds_begins_with_the_server():
    clock = Clock()
    plan = FaultPlan(faults("503@t=5-10", "reset@t=20+"), 0, clock)
    seen = []
    for clock.now in (100, 104.9, 105, 109.9, 110, 119, 120, 5000):
        fault = plan.next_fault({})
        seen.append(fault and fault.kind)
    assert seen == [None, None, 503, 503, None, None, "reset", "reset"]


def test_shares_are_parts_of_the_requests_that_do_not_overlap():
    counted = Counter(struck("429:0.05", "503:0.2", "reset:0.25", requests=20_000))
    assert counted[429] == pytest.approx(1000, abs=150)
    assert counted[503] == pytest.approx(4000, abs=300)
    assert counted["reset"] == pytest.approx(5000, abs=300)
    assert set(struck("429:0.5", "503:0.5", requests=1000)) == {429, 503}
    assert set(struck("429:0.5", "503", requests=1000)) == {429, 503}, "without a share it gets the rest"


def test_the_same_seed_strikes_the_same_requests():
    assert struck("429:0.3", requests=200, seed=7) == struck("429:0.3", requests=200, seed=7)
    assert struck("429:0.3", requests=200, seed=7) != struck("429:0.3", requests=200, seed=8)
    both = zip(struck("429:0.3", requests=200), struck("reset@1-50", "429:0.3", requests=200), strict=True)
    assert all(alone == beside for alone, beside in list(both)[50:]), "one fault does not move where another strikes"


def test_faults_of_streams_pass_whole_answers():
    assert struck("stream-error", "503:0.5@3+", requests=2) == [None, None]
    assert struck("stream-error", requests=2, stream=True) == ["stream-error"] * 2
    assert struck("comments:0.5", "reset", requests=50).count("reset") == 50


# -- statuses -------------------------------------------------------------------------------------------------------------


@every_dialect
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 424, 429, 500, 501, 503, 529])
def test_a_status_comes_in_the_providers_words(ask, dialect, status):
    reply = ask(dialect, options={"faults": (Fault(status),)})
    assert reply.status == status
    words = reply.body.get("error", reply.body)
    assert isinstance(words, str) or words.get("message") or words.get("detail")
    assert "server" in reply.headers


@every_dialect
@pytest.mark.parametrize("status", [502, 504, 520, 524])
def test_what_proxies_say_is_a_page(ask, dialect, status):
    reply = ask(dialect, options={"faults": (Fault(status),)})
    assert reply.status == status
    assert reply.headers["content-type"].startswith("text/html")
    assert f"<title>{status} ".encode() in reply.raw


def test_a_429_says_how_long_to_wait_as_its_provider_does(ask):
    openai, azure, mistral, vllm = (ask(dialect, options={"faults": (Fault(429),)}) for dialect in DIALECTS)
    assert (openai.headers["retry-after"], openai.headers["retry-after-ms"]) == ("1", "1000")
    assert openai.headers["x-ratelimit-remaining-requests"] == "0"
    assert openai.headers["x-ratelimit-reset-requests"] == "1s"
    assert "Please try again in 1s." in openai.body["error"]["message"]
    assert (azure.headers["retry-after"], azure.headers["x-ratelimit-reset-requests"]) == ("1", "1")
    assert (mistral.headers["retry-after"], mistral.headers["x-ratelimit-remaining-req-minute"]) == ("1", "0")
    assert [name for name in vllm.headers if "retry" in name or "ratelimit" in name] == []


@every_dialect
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_the_hint_can_be_set_and_left_out(ask, dialect, status):
    told = ask(dialect, options={"faults": (Fault(status, retry_after=7.5),)})
    assert told.headers["retry-after"] == "7.5"
    if dialect in ("openai", "azure"):
        assert told.headers["retry-after-ms"] == "7500"
    untold = ask(dialect, options={"faults": (Fault(status, retry_after="none"),)})
    assert [name for name in untold.headers if name.startswith("retry-after")] == []


def test_a_429_beside_a_limit_that_is_enforced_tells_how_it_stands(ask):
    reply = ask("openai", options={"faults": (Fault(429),), "requests_per_minute": 50})
    assert reply.status == 429
    assert reply.headers["x-ratelimit-remaining-requests"] == "50", "what fails so is not counted"


@pytest.mark.parametrize("dialect", ["openai", "azure", "vllm"])
def test_the_responses_api_fails_in_the_same_way(respond, dialect):
    reply = respond(dialect, options={"faults": (Fault(500),)})
    assert (reply.status, "message" in reply.body["error"]) == (500, True)


def test_only_requests_for_an_answer_fail_and_count(converse, chat_body):
    async def talk(emulator, send):
        listed = await send(path="/v1/models", method="GET")
        keyless = await send(chat_body("openai"), headers={"Authorization": "Bearer wrong"})
        right = {"Authorization": "Bearer k"}
        asked = [(await send(chat_body("openai"), headers=right)).status for _ in range(3)]
        return listed.status, keyless.status, asked, emulator.faults

    options = Options(api_key="k", faults=faults("503@2"))
    assert converse(options, talk) == (401, 401, [200, 503, 200], {503: 1})


def test_the_server_counts_what_struck(converse, chat_body):
    async def talk(emulator, send):
        for _ in range(40):
            await send(chat_body("openai"))
        await send(chat_body("openai", temperature="hot"))
        return emulator.requests, emulator.faults

    counted = Counter(struck("429:0.3", "503:0.2", requests=40, seed=5))
    requests, seen = converse(Options(faults=faults("429:0.3", "503:0.2", "cut@41"), seed=5), talk)
    assert requests == 41
    assert seen == {kind: counted[kind] for kind in (429, 503)}, "a request that is refused has no answer to cut"


def test_a_server_that_starts_again_counts_anew(chat_body):
    async def run():
        emulator = Emulator(Options(faults=faults("503@1")))
        statuses = []
        for _ in range(2):
            async with emulator, aiohttp.ClientSession() as session:
                for _ in range(2):
                    async with session.post(emulator.api_base + "/chat/completions", json=chat_body("openai")) as reply:
                        statuses.append(reply.status)
        return statuses

    assert asyncio.run(run()) == [503, 200, 503, 200]


# -- on the wire ----------------------------------------------------------------------------------------------------------


async def receive(emulator, body, seconds=5.0):
    """Everything that comes back on a connection of its own, and how it ended: `closed`, `reset` or `silent`."""
    host, port = emulator.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    raw = json.dumps(body).encode()
    path = emulator.api_base.removeprefix(emulator.url) + "/chat/completions"
    lines = (f"POST {path} HTTP/1.1", "Host: x", "Connection: close", "Content-Type: application/json")
    writer.write("\r\n".join((*lines, f"Content-Length: {len(raw)}", "", "")).encode() + raw)
    got, ended = b"", "closed"
    try:
        async with asyncio.timeout(seconds):
            while piece := await reader.read(1 << 16):
                got += piece
    except ConnectionResetError:
        ended = "reset"
    except TimeoutError:
        ended = "silent"
    writer.close()
    return got, ended


def wire(converse, chat_body, fault, *, seconds=5.0, options=None, **fields):
    async def talk(emulator, _send):
        got = await receive(emulator, chat_body("openai", **fields), seconds)
        assert emulator.faults == {parse_fault(fault).kind: 1}
        while emulator.in_flight:
            await asyncio.sleep(0.005)
        return got

    return converse(Options(faults=faults(fault), **(options or {})), talk)


def head_and_body(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


def unchunked(body):
    """The chunks of a body that may break off, put together, and whether it ended properly."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return whole, True
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return whole, False


@TWICE
@pytest.mark.parametrize(("kind", "ending"), [("reset", "reset"), ("disconnect", "closed")])
def test_a_connection_breaks_before_the_reply(converse, chat_body, kind, ending, stream):
    assert wire(converse, chat_body, kind, stream=stream) == (b"", ending)


@TWICE
def test_a_server_that_stalls_says_nothing(converse, chat_body, stream):
    assert wire(converse, chat_body, "stall", stream=stream, seconds=0.2) == (b"", "silent")


def test_garbage_is_no_http(converse, chat_body):
    got, ended = wire(converse, chat_body, "garbage")
    assert (len(got) > 100, got[0] >= 128, ended) == (True, True, "closed")


def test_a_whole_answer_is_cut_in_its_middle(converse, chat_body):
    headers, body = head_and_body(wire(converse, chat_body, "cut")[0])
    assert len(body) == int(headers["content-length"]) // 2


@pytest.mark.parametrize("options", [{}, {"tokens_per_second": 400}])
def test_a_stream_is_cut_in_the_middle_of_an_event(converse, chat_body, options):
    raw, ended = wire(converse, chat_body, "cut", stream=True, options=options)
    text, is_whole = unchunked(head_and_body(raw)[1])
    assert (is_whole, ended) == (False, "closed")
    assert len(text.split(b"\n\n")) > 3
    assert not text.endswith(b"\n\n")


@TWICE
def test_an_answer_drips_and_is_whole_in_the_end(converse, chat_body, stream):
    raw, ended = wire(converse, chat_body, "drip,interval=0.0001", stream=stream, max_tokens=1)
    body = head_and_body(raw)[1]
    assert ended == "closed"
    if stream:
        text, is_whole = unchunked(body)
        assert (is_whole, text[-14:]) == (True, b"data: [DONE]\n\n")
        assert body.count(b"\r\n1\r\n") == len(text) - 1, "one byte a chunk"
    else:
        assert json.loads(body)["choices"][0]["message"]["content"] == "Cann"


def test_a_whole_answers_json_ends_halfway_under_its_right_length(ask):
    reply = ask("openai", options={"faults": faults("truncated-json")})
    assert reply.status == 200
    assert int(reply.headers["content-length"]) == len(reply.raw)
    with pytest.raises(ValueError):
        _ = reply.body


@every_dialect
def test_one_event_of_a_stream_ends_halfway(ask, dialect):
    reply = ask(dialect, stream=True, options={"faults": faults("truncated-json")})
    events = reply.raw.split(b"\n\n")[:-2]
    broken = [event for event in events if not is_json(event[6:])]
    assert len(broken) == 1
    assert broken == [events[len(events) // 2]]
    assert reply.raw.endswith(b"data: [DONE]\n\n")


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@TWICE
def test_a_body_is_shorter_than_its_length(converse, chat_body, stream):
    raw, ended = wire(converse, chat_body, "wrong-length", stream=stream)
    headers, body = head_and_body(raw)
    assert (int(headers["content-length"]), ended) == (len(body) + 100, "closed")
    assert body.endswith(b"data: [DONE]\n\n") if stream else is_json(body)


@TWICE
def test_a_bomb_is_small_until_it_is_unpacked(converse, chat_body, stream):
    async def talk(emulator, _send):
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(emulator.api_base + "/chat/completions", json=chat_body("openai", stream=stream)) as reply,
        ):
            return reply.headers["content-encoding"], await reply.read()

    encoding, packed = converse(Options(faults=faults("gzip-bomb")), talk)
    unpacker, size = zlib.decompressobj(wbits=31), 0
    first = unpacker.decompress(packed, 100)
    while unpacker.unconsumed_tail:
        size += len(unpacker.decompress(unpacker.unconsumed_tail, 1 << 20))
    assert (encoding, len(packed) < 200_000, size > 100_000_000) == ("gzip", True, True)
    assert first.startswith(b": 000" if stream else b'{"padding":"000')


def test_comments_are_all_that_comes(converse, chat_body):
    raw, ended = wire(converse, chat_body, "comments,interval=0.01", stream=True, seconds=0.3)
    text, _ = unchunked(head_and_body(raw)[1])
    assert ended == "silent"
    assert len(text) > 3 * len(b": keep-alive\n\n")
    assert text.replace(b": keep-alive\n\n", b"") == b""


@every_dialect
def test_a_stream_breaks_off_with_an_error_as_its_provider_tells_of_it(ask, dialect):
    whole = ask(dialect, stream=True)
    raw = ask(dialect, stream=True, options={"faults": faults("stream-error")}).raw
    events = [json.loads(event[6:]) for event in raw.split(b"\n\n") if event and event != b"data: [DONE]"]
    assert 3 < len(events) < len(whole.chunks)
    if dialect == "mistral":
        assert events[-1]["choices"][0]["finish_reason"] == "error"
    else:
        assert events[-1]["error"]["message"]
    assert raw.endswith(b"data: [DONE]\n\n") == (dialect in ("mistral", "vllm"))
    assert [name for event in events[:-1] for name in event if name == "error"] == []


@pytest.mark.parametrize("dialect", ["openai", "azure", "vllm"])
def test_the_responses_apis_streams_break_off_with_an_event_of_their_own(respond, dialect):
    reply = respond(dialect, stream=True, options={"faults": faults("stream-error")})
    *_, last = reply.typed_events
    assert (last["type"], last["error"]["type"]) == ("error", "server_error")


@pytest.mark.parametrize("dialect", ["openai", "azure", "vllm"])
@TWICE
def test_the_responses_apis_json_ends_halfway(respond, dialect, stream):
    reply = respond(dialect, stream=stream, options={"faults": faults("truncated-json")})
    pieces = [event.partition(b"data: ")[2] for event in reply.raw.split(b"\n\n")[:-1]] if stream else [reply.raw]
    assert [is_json(piece) for piece in pieces].count(False) == 1


@pytest.mark.parametrize("kind", ["cut", "wrong-length", "gzip-bomb", "truncated-json"])
def test_a_spoilt_answer_takes_the_time_to_write_it(converse, chat_body, kind):
    async def talk(emulator, _send):
        clock = asyncio.get_running_loop()
        begun = clock.time()
        await receive(emulator, chat_body("openai", max_tokens=4))
        return clock.time() - begun

    assert converse(Options(faults=faults(kind), tokens_per_second=20), talk) >= 0.199


def test_a_spoilt_answer_waits_and_is_paid_for_as_a_good_one(converse, chat_body):
    async def talk(emulator, send):
        clock = asyncio.get_running_loop()
        begun = clock.time()
        got, _ = await receive(emulator, chat_body("openai", max_tokens=20))
        took = clock.time() - begun
        headers, _ = head_and_body(got)
        later = await send(chat_body("openai", max_tokens=20))
        return took, headers, later.headers

    options = Options(faults=faults("cut@1"), latency_s=0.2, tokens_per_minute=600)
    took, spoilt, later = converse(options, talk)
    assert took > 0.2
    assert int(spoilt["x-ratelimit-remaining-tokens"]) == 600 - 22
    assert int(later["x-ratelimit-remaining-tokens"]) < 600 - 22


# -- the command ----------------------------------------------------------------------------------------------------------


def test_the_command_makes_faults_on_the_loop_that_it_runs_on(process):
    """uvloop's sockets are not asyncio's; a reset must be one there too."""
    server = process(
        "emulate", "--fault", "reset@1", "--fault", "disconnect@2", "--fault", "garbage@3", "--fault", "429@4+"
    )
    host, port = server.stdout.readline().partition("http://")[2].partition(";")[0].split(":")
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    ends = []
    for _ in range(4):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(head + str(len(body)).encode() + b"\r\n\r\n" + body)
            try:
                ends.append(connection.recv(12))
            except ConnectionResetError:
                ends.append("reset")
    assert ends[:2] == ["reset", b""]
    assert ends[2][:1] == b"\x80"
    assert ends[3] == b"HTTP/1.1 429"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fault", "resett:0.1"], "in the fault `resett:0.1`: `resett` is no kind of fault. Did you mean `reset`?"),
        (["--fault", "429:0.6", "--fault", "503:0.6"], "the shares of the faults add up to 1.2; they are parts of 1."),
        (["--latency", "lognorml:1,1"], "`lognorml:1,1` is no latency. Did you mean `lognormal`?"),
        (["--latency", "uniform:2,1"], "in the latency `uniform:2,1`: from 2 to 1 s is no span of time."),
        (["--capacity", "nan"], "capacity is nan; it must be a number above 0, or left out."),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(process, options, message):
    server = process("emulate", *options)
    out, err = server.communicate(timeout=20)
    assert (server.returncode, out) == (2, "")
    assert err.splitlines()[-1].endswith(message)
