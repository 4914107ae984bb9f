"""`throughster bench`: its figures against a server whose pace is known, its files, and wrong input."""

from __future__ import annotations

import asyncio
import json
import math
import random

import pytest
from aiohttp import web

from throughster.bench import Load, measure
from throughster.bench.figures import Bench, Percentiles, Step, percentiles, read_bench
from throughster.bench.tables import comparison_markdown, markdown
from throughster.client import create_interface
from throughster.errors import SettingsError


@pytest.fixture
def server(process):
    def start(*options):
        emulator = process("emulate", "--dialect", "vllm", *options)
        return emulator.stdout.readline().split(" on ")[1].split(";")[0] + "/v1"

    return start


def test_its_figures_are_those_of_the_server(command, here, server):
    """0.2 s to the first byte, 100 tokens a second: what one worker sees is arithmetic."""
    base = server("--latency", "0.2", "--tokens-per-second", "100")
    outcome = command(
        "bench", base, "--workers", "1:4", "--requests", "4", "-o", "b.json", "-o", "b.md", "--warm-up", "1"
    )
    assert outcome.code == 0
    told = json.loads((here / "b.json").read_text())
    assert [step["workers"] for step in told["steps"]] == [1, 4]
    for step in told["steps"]:
        tokens = step["completion_tokens"] / step["requests"]
        assert (step["requests"], step["errors"], step["counted"]) == (4, {}, True)
        assert 0.19 < step["first_token_s"]["p50"] < 0.4
        assert 0.2 + 0.7 * tokens / 100 < step["latency_s"]["p50"] < 0.4 + 2 * tokens / 100
        assert step["requests_per_s"] == pytest.approx(step["requests"] / step["duration_s"])
        assert step["total_tokens_per_s"] == pytest.approx(
            (step["prompt_tokens"] + step["completion_tokens"]) / step["duration_s"]
        )
        assert 0.002 < step["inter_token_s"]["mean"] < 0.05
    assert told["steps"][1]["requests_per_s"] > 2 * told["steps"][0]["requests_per_s"]
    assert "| 4 |" in (here / "b.md").read_text()
    assert outcome.out.splitlines()[1].split()[0] == "1"


def test_only_pieces_of_the_answer_are_times_of_tokens(serving):
    """An empty opening counts for nothing, pieces that come at once count each, usage and end come after the answer."""

    def event(delta, **more):
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}]
        value = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
        return f"data: {json.dumps(value)}\n\n".encode()

    async def answer(request):
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
        for data in (
            event({"role": "assistant", "content": ""}),
            event({"content": "a"}) + event({"content": "b"}),
            event({"content": "c"}, finish="stop"),
            event(None, usage=usage) + b"data: [DONE]\n\n",
        ):
            await reply.write(data)
            await asyncio.sleep(0.2)
        return reply

    async def scenario():
        async with (
            serving(answer) as origin,
            create_interface("vllm", api_base=f"{origin}/v1", model_name="m") as client,
        ):
            return await measure(client, Load(lambda _: [{"role": "user", "content": "hi"}], {}), 1, 1, 60)

    step = asyncio.run(scenario())
    assert (step.prompt_tokens, step.completion_tokens, step.errors) == (5, 3, {})
    assert 0.2 <= step.first_token_s.p50 < 0.4
    assert step.inter_token_s.mean == pytest.approx(0.1, abs=0.05)
    assert step.per_output_token_s.p50 == pytest.approx(step.inter_token_s.mean)
    assert step.latency_s.p50 >= 0.59


def test_a_spec_is_asked_with_its_rows_and_its_schema(command, spec, here, server):
    base = server()
    spec(
        f'version: 1\nprovider: {{name: vllm, model: m, api_base: "{base}"}}\nprompt: Say {{{{ word }}}}.\n'
        "output: {schema: {type: object, properties: {a: {type: integer}}, required: [a], additionalProperties: false}}\n"
        "data: [{word: hi}, {word: ho}]\n"
    )
    outcome = command("bench", "spec.yaml", "--workers", "2", "--requests", "10", "-o", "b.json")
    assert outcome.code == 0
    bench = read_bench(here / "b.json")
    assert (bench.name, bench.target, bench.steps[0].requests) == ("spec", "vllm:m", 10)


def test_failures_are_told_and_counted_in_nothing_else(command, here, server):
    base = server("--max-concurrent", "2", "--latency", "0.05")
    outcome = command("bench", base, "--workers", "8", "--requests", "24", "--warm-up", "1", "-o", "b.json")
    step = read_bench(here / "b.json").steps[0]
    assert step.requests + sum(step.errors.values()) == 24
    assert step.errors == {"RateLimitError 429": 24 - step.requests}
    assert f"failed and not counted: {24 - step.requests} RateLimitError 429" in outcome.err


def test_an_earlier_run_is_compared_with(command, here, server):
    base = server()
    command("bench", base, "--workers", "1:2", "--requests", "4", "-o", "before.json")
    outcome = command(
        "bench", base, "--workers", "2:3", "--requests", "4", "-o", "after.md", "--compare", "before.json"
    )
    assert outcome.code == 0
    assert "Compared with vllm:" in outcome.out
    rows = [line for line in (here / "after.md").read_text().splitlines() if line.startswith("| 2 |")]
    assert len(rows) == 2
    assert " %" in rows[1]


def test_a_picture_is_made(command, here, server):
    pytest.importorskip("matplotlib")
    base = server()
    assert command("bench", base, "--workers", "1:2", "--requests", "4", "-o", "b.png", "-o", "b.svg").code == 0
    assert (here / "b.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (here / "b.svg").read_text()


def test_by_default_it_saves_in_a_folder_of_its_own(command, here, server):
    assert command("bench", server(), "--workers", "1", "--requests", "2", "--no-stream").code == 0
    (folder,) = (here / "runs" / "bench").iterdir()
    assert {"bench.json", "bench.md"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "bench.json").read_text())["steps"][0]["first_token_s"]["p50"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.yaml"], "does not exist"),
        (["http://127.0.0.1:9/v1", "--workers", "1:x"], "`1:x` is no list of numbers"),
        (["http://127.0.0.1:9/v1", "--workers", "0"], "`0` is no list of numbers"),
        (["http://127.0.0.1:9/v1", "-o", "b.txt"], "can be saved as .json, .md, .png, .svg"),
        (["http://127.0.0.1:9/v1", "--compare", "nothing.json"], "nothing.json cannot be read"),
        (["http://127.0.0.1:9/v1", "--provider", "vlm"], "Did you mean `vllm`"),
    ],
)
def test_wrong_input_is_told(command, here, arguments, words):
    outcome = command("bench", *arguments)
    assert (outcome.code, words in outcome.err) == (2, True)


def test_nobody_there_is_a_provider_that_cannot_be_used(command, here):
    outcome = command("bench", "http://127.0.0.1:9/v1", "--model", "m")
    assert (outcome.code, "No connection to" in outcome.err) == (3, True)


def test_percentiles_are_interpolated():
    assert percentiles([3.0, 1.0, 2.0, 4.0]) == Percentiles(2.5, 2.5, pytest.approx(3.85), pytest.approx(3.97))
    assert percentiles([7.0]) == Percentiles(7.0, 7.0, 7.0, 7.0)
    assert math.isnan(percentiles([]).p50)
    values = [random.Random(1).random() for _ in range(1001)]
    assert percentiles(values).p95 == sorted(values)[950]


def test_what_is_saved_is_read_again(tmp_path):
    nothing = percentiles([])
    step = Step(4, 10, {"ServerError 500": 2}, 2.0, 100, 50, True, percentiles([1.0, 2.0]), nothing, nothing, nothing)
    bench = Bench("b", "vllm:m", "2026-11-25T00:00:00+00:00", False, (step,))
    path = tmp_path / "b.json"
    path.write_text(bench.as_json())
    again = read_bench(path)
    assert (again.name, again.steps[0].latency_s, again.steps[0].total_tokens_per_s) == ("b", step.latency_s, 75.0)
    assert "| 4 | 5.00 | 50.0 | 25.0 | 75.0 | 1.500 / 1.950 / 1.990 | - | - | 10 | 2 ServerError 500 |" in markdown(
        again
    )
    assert "| 4 | +0.0 % |" in comparison_markdown(bench, again)
    path.write_text('{"format": 9}')
    with pytest.raises(SettingsError, match="no result of `throughster bench`"):
        read_bench(path)
