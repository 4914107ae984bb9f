"""Fuzzing of what reads other people's text: YAML, event streams, replies, templates, tables.

Whatever comes in, a reader gives a value, a `Problem` or an error of ours, and it gives it soon. In the test suite each
runs for a few seconds; `make fuzz` runs `python -m tests.hostile.fuzz SECONDS`, with a fresh seed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from throughster.errors import ThroughsterError
from throughster.inputs import open_rows
from throughster.prompts import PromptError, TemplateProblem, compile_template
from throughster.providers import DIALECTS
from throughster.spec.load import parse_spec
from throughster.sse import EventParser
from throughster.yamltree import parse_yaml

_YAML = st.sampled_from(
    ["version: 1", "prompt: ", "provider: offline", "- ", "? ", ": ", "&a ", "*a", "!!str ", "|", ">", "{", "}", "[", "]",
     ",", "'", '"', "#", "\n", "\n  ", "\n    ", "<<: *a", "---", "...", "%YAML 1.1", "0x1F", "1e400", "~", "NO", "\t",
     "tests: ", "vars: ", "assert: ", "type: ", "equals", "matrix: ", "data: ", "inputs: ", "x-a: ", "\x00", "\ufeff", "\u2028"]
)  # fmt: skip
_TEMPLATE = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{#", "#}", " ", "a", "b.c", "|", "upper", "join(',')", "for x in a", "endfor", "if a", "else",
     "endif", "set x = ", "macro m(x)", "endmacro", "m(1)", "1", "'t'", "[", "]", "(", ")", "==", "in", "not", "and", "~", "+",
     "*", "**", "%", "range(9)", "tojson", "loop.index", "include 'x'", "raw", "endraw", "block b", "endblock", "-%}", "a[1:2]",
     "sort", "groupby('k')", "is defined", "\n", "x" * 50, ".__class__", "9" * 30]
)  # fmt: skip
_SSE = st.sampled_from(
    [b"data: ", b"data:", b"event: error", b"id: 1", b"retry: 5", b":", b"\n", b"\n\n", b"\r", b"\r\n", b"[DONE]", b"{", b"}",
     b'{"choices":[{"delta":{"content":"a"}}]}', b'{"choices":[null]}', b'{"choices":[{"message":{"content":"a"}}]}',
     b'{"error":{"message":"m"}}', b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}',
     b'{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":1}}', b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\xbd",
     b'{"type":"response.output_text.delta","delta":"a"}', b'{"type":"response.completed","response":{}}', b"\\ud83d"]
)  # fmt: skip
_CSV = st.sampled_from(
    [",", ";", "\t", '"', '""', "\n", "\r\n", "\r", "a", "b", " ", "=1", "\ufeff", "é", "\x00", "sep=;", "'", "1,5"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "tool_calls", "function", "arguments", "usage", "error", "delta", "type",
                         "text", "output", "status", "finish_reason", "index", "id", "name", "refusal", "logprobs", "model"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def _joined(parts: st.SearchStrategy[Any], filler: st.SearchStrategy[Any], empty: Any) -> st.SearchStrategy[Any]:
    return st.lists(parts | filler, max_size=40).map(empty.join)


def yaml(text: str) -> None:
    """A YAML text becomes a document, or problems; a document a spec, or problems."""
    document, problems = parse_yaml(text.encode("utf-8", "surrogatepass"), "fuzz.yaml")
    assert document is not None or problems
    if document is not None:
        _, more = parse_spec(document)
        assert all(str(problem) for problem in (*problems, *more))


def template(text: str) -> None:
    """A template compiles and renders, or says why not."""
    try:
        compiled = compile_template(text, name="fuzz")
        compiled.render({"a": [{"k": 1}, {"k": "x"}], "b": {"c": "text"}})
    except (TemplateProblem, PromptError) as error:
        assert str(error)


def events(chunks: list[bytes]) -> None:
    """However a stream is cut, the events are the same; both dialects read them, or say why not."""
    whole, parser = EventParser(), EventParser()
    found = [event for chunk in chunks for event in parser.feed(chunk)]
    assert found == whole.feed(b"".join(chunks))
    for dialect in DIALECTS.values():
        assembler = dialect.assembler()
        try:
            assembler.feed(found)
            assembler.response(source="fuzz", latency_s=0.0)
        except ThroughsterError as error:
            assert str(error)


def reply(body: bytes) -> None:
    """A body is a response, or an error of ours."""
    for dialect in DIALECTS.values():
        try:
            dialect.parse_response(body, source="fuzz", latency_s=0.0)
        except ThroughsterError as error:
            assert str(error)


def table(text: str) -> None:
    """A CSV file has rows of as many cells as columns, or a problem."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.csv"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            source = open_rows(path, name="fuzz.csv")
            scan = source.scan()
            rows = list(source)
        except ThroughsterError as error:
            assert str(error)
            return
        if scan.complete and not scan.problems:
            assert len(rows) == scan.count
        assert all(set(row) == set(scan.columns) for row in rows)


TARGETS: dict[str, tuple[Callable[[Any], None], st.SearchStrategy[Any]]] = {
    "yaml": (yaml, _joined(_YAML, st.text(max_size=8), "")),
    "template": (template, _joined(_TEMPLATE, st.text(max_size=3), " ") | _joined(_TEMPLATE, st.text(max_size=3), "")),
    "events": (events, st.lists(_SSE | st.binary(max_size=6), max_size=40)),
    "reply": (reply, _JSON.map(lambda value: json.dumps(value).encode()) | _joined(_SSE, st.binary(max_size=8), b"")),
    "table": (table, _joined(_CSV, st.text(max_size=4), "")),
}


def fuzz(name: str, examples: int, *, seed: int | None = None) -> None:
    """Try a target with so many inputs. Raises what it found, with the smallest input that shows it."""
    check, inputs = TARGETS[name]

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True,
        derandomize=seed is None,
    )  # fmt: skip
    @given(inputs)
    def once(value: Any) -> None:
        check(value)

    if seed is not None:
        once = hypothesis.seed(seed)(once)
    once()


def main(seconds: float) -> int:
    """Run all targets in turn for so long; print how many inputs each had, and what was found."""
    end, counts, failures, seed = time.monotonic() + seconds, dict.fromkeys(TARGETS, 0), 0, int(time.time())
    while time.monotonic() < end:
        for name in TARGETS:
            seed += 1
            try:
                fuzz(name, 2000, seed=seed)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                failures += 1
                print(
                    f"{name}, seed {seed}: {type(error).__name__}: {error}\n{''.join(getattr(error, '__notes__', ()))}",
                    flush=True,
                )
            counts[name] += 2000
    print("; ".join(f"{name}: {count:,} inputs" for name, count in counts.items()), f"; {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1800.0))
