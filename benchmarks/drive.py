"""One client at one job: `python -m benchmarks.drive CLIENT JOB OPTIONS` prints what it found as a line of JSON.

Jobs: `call` and `stream`, which keep `in_flight` requests under way until `count` are done; `waits`, as `call`, each
request asking the server to wait as long as its place in `latencies` says; `steady`, as `stream`, with how late each
piece of a stream of `per_s` was. CPU is that of this process, the first request left out; memory is its peak.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import sys
import time
from typing import Any

import uvloop

from benchmarks.clients import opened

PROMPT = 'Translate "hello" to French.'


def ask(text: str = PROMPT) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


class Meter:
    """CPU and wall time since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def figures(self, count: int) -> dict[str, float]:
        cpu_s, wall_s = time.process_time() - self._cpu, time.perf_counter() - self._wall
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"cpu_us": cpu_s / count * 1e6, "cpu_s": cpu_s, "wall_s": wall_s, "per_s": count / wall_s, "mb": memory}


async def keep_under_way(one: Any, items: list[Any], in_flight: int) -> list[Any]:
    """What `one` gives for each of the items, so many of them under way."""
    left = iter(items)

    async def work() -> list[Any]:
        return [await one(item) for item in left]

    return list(itertools.chain(*await asyncio.gather(*(work() for _ in range(in_flight)))))


async def call(client: Any, *, count: int, in_flight: int) -> dict[str, float]:
    await client.call(ask())
    meter = Meter()
    await keep_under_way(lambda _: client.call(ask()), [None] * count, in_flight)
    return meter.figures(count)


async def stream(client: Any, *, count: int, in_flight: int) -> dict[str, float]:
    await client.stream(ask())
    meter = Meter()
    pieces = await keep_under_way(lambda _: client.stream(ask()), [None] * count, in_flight)
    figures = meter.figures(count)
    return {**figures, "pieces_per_s": sum(pieces) / figures["wall_s"], "pieces": sum(pieces) / count}


async def waits(client: Any, *, latencies: list[float], in_flight: int) -> dict[str, float]:
    await client.call(ask("0"))
    meter = Meter()
    await keep_under_way(lambda latency_s: client.call(ask(f"{latency_s:.6f}")), latencies, in_flight)
    return meter.figures(len(latencies))


async def steady(client: Any, *, in_flight: int, per_s: float) -> dict[str, float]:
    """`late_ms_p99`: of each piece after the moment at which its stream was due to bring it."""
    await client.stream(ask())
    meter, late = Meter(), []

    async def one() -> int:
        times: list[float] = []
        pieces: int = await client.stream(ask(), times)
        due = min(at - n / per_s for n, at in enumerate(times))
        late.extend(at - due - n / per_s for n, at in enumerate(times))
        return pieces

    pieces = sum(await asyncio.gather(*(one() for _ in range(in_flight))))
    figures = meter.figures(in_flight)
    late.sort()
    return {
        **figures,
        "core": figures["cpu_s"] / figures["wall_s"],
        "cpu_us": figures["cpu_s"] / pieces * 1e6,
        "pieces_per_s": pieces / figures["wall_s"],
        "late_ms_p50": late[len(late) // 2] * 1e3,
        "late_ms_p99": late[int(len(late) * 0.99)] * 1e3,
    }


JOBS = {"call": call, "stream": stream, "waits": waits, "steady": steady}


async def main() -> None:
    name, job, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    async with opened(name, options.pop("base"), options["in_flight"]) as client:
        print(json.dumps(await JOBS[job](client, **options)))


if __name__ == "__main__":
    uvloop.run(main())
