from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from throughster.errors import StreamError
from throughster.sse import EventParser

DATA = Path(__file__).parent / "data"


CASES = [json.loads(line) for line in (DATA / "sse_cases.jsonl").read_text("utf-8").splitlines()]
LONG = [b"data: " + b"x" * 600_000 + b"\n\n", b"data: " + b"y" * 60_000 + b"\n\n"]


def expand(case):
    return [base64.b64decode(chunk) for chunk in case["chunks_b64"]]


def parse(chunks):
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return [
        {"event": name, "data": data.decode("utf-8", "replace"), "id": id_} for data, name, id_ in events
    ], parser.retry_ms


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vector_whole(case):
    events, retry_ms = parse(expand(case))
    assert events == case["expected_events"]
    assert retry_ms == case["expected_retry"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vector_cut_at_every_byte(case):
    data = b"".join(expand(case))
    for cut in range(len(data) + 1) if len(data) < 2000 else range(0, len(data), 997):
        events, retry_ms = parse([data[:cut], data[cut:]])
        assert events == case["expected_events"]
        assert retry_ms == case["expected_retry"]


@given(
    st.lists(
        st.sampled_from(
            [b"data", b": ", b":", b"\n", b"\r", b"\r\n", b"x", b"id", b"event", b"\xef\xbb\xbf", "é".encode()]
        )
    ),
    st.lists(st.integers(0, 60)),
)
@settings(max_examples=300, deadline=None)
def test_any_split_gives_what_the_whole_gives(pieces, cuts):
    data = b"".join(pieces)
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    assert parse([data[a:b] for a, b in zip(edges, edges[1:], strict=False)]) == parse([data])


@pytest.mark.parametrize(("line", "size"), [(LONG[0], 600_008), (LONG[1], 10)])
def test_long_lines_come_whole(line, size):
    events, _ = parse([line[at : at + size] for at in range(0, len(line), size)])
    assert [event["data"] for event in events] == [line[6:-2].decode()]


def test_an_endless_event_is_an_error():
    parser = EventParser(max_event_bytes=1000)
    with pytest.raises(StreamError, match="more than 1,000 bytes"):
        for _ in range(200):
            parser.feed(b"data: 0123456789")


def test_many_lines_of_one_endless_event_are_an_error():
    parser = EventParser(max_event_bytes=1000)
    with pytest.raises(StreamError, match="more than 1,000 bytes"):
        for _ in range(200):
            parser.feed(b"data: 0123456789\n")


def test_a_long_line_in_single_bytes_takes_linear_time():
    line = b"data: " + b"x" * 300_000 + b"\n\n"
    parser = EventParser()
    began = time.process_time()
    events = [event for n in range(len(line)) for event in parser.feed(line[n : n + 1])]
    assert len(events[0][0]) == 300_000
    assert time.process_time() - began < 10  # quadratic work would take minutes


def test_finish_gives_the_unfinished_event():
    parser = EventParser()
    assert parser.feed(b"data: 1\n\ndata: [DONE]") == [(b"1", "message", "")]
    assert parser.finish() == (b"[DONE]", "message", "")
    assert parser.finish() is None


@pytest.mark.parametrize("block", [b": a comment\n\n", b"id: 1\n\n", b"\n\n", b"retry: 5\r\n\r\n"])
def test_what_comes_without_an_event_is_bounded(block):
    parser = EventParser(max_event_bytes=1000)
    with pytest.raises(StreamError, match="no event within 1,000 bytes"):
        for _ in range(2000):
            assert parser.feed(block) == []


def test_comments_between_events_may_go_on_for_ever():
    parser = EventParser(max_event_bytes=1000)
    told = [parser.feed(b": wait\n\n" * 100 + b"data: x\n\n") for _ in range(100)]
    assert [len(events) for events in told] == [1] * 100
