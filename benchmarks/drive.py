"""One client at one job: `python -m benchmarks.drive CLIENT JOB OPTIONS` prints what it found as a line of JSON.

Jobs: `call` and `stream`, which keep `in_flight` requests under way until `count` are done; `waits`, as `call`, each
request asking the server to wait as long as its place in `latencies` says; `steady`, as `stream`, with how late each
piece of a stream of `per_s` was; `limited`, calls to a server that refuses what is too much. CPU is that of this
process, the first request left out; memory is its peak.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import resource
import sys
import time
from collections import Counter
from http import HTTPStatus
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
    """As many streams as may be under way, all at once. `late_ms_p99`: of each piece, after the moment at which its
    stream, which brings `per_s` evenly, was due to bring it; the one that came first for its place was in time.
    """
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


async def limited(client: Any, *, text: str, seconds: float, in_flight: int) -> dict[str, float]:
    """Calls for so long; how many were answered, were lost, and were refused on the way (429)."""
    refusals = _Refusals()
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).addHandler(refusals)
        logging.getLogger(name).setLevel(logging.INFO)
    end, numbers = time.monotonic() + seconds, itertools.count()
    counts: Counter[str] = Counter()

    async def work() -> None:
        while time.monotonic() < end:
            try:
                await client.call(ask(f"{next(numbers)} {text}"))
            except Exception as error:  # noqa: BLE001 - each client has errors of its own
                counts["lost"] += 1
                counts["refused"] += getattr(error, "status", None) == HTTPStatus.TOO_MANY_REQUESTS
            else:
                counts["ok"] += 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(work() for _ in range(in_flight)))
    return {"ok": counts["ok"], "lost": counts["lost"], "refused": counts["refused"] + refusals.seen}


class _Refusals(logging.Handler):
    """Counts the refusals that httpx tells of: of those that the openai SDK sends again it says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.seen += " 429 " in record.getMessage()


JOBS = {"call": call, "stream": stream, "waits": waits, "steady": steady, "limited": limited}


async def main() -> None:
    name, job, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    adaptive = options.pop("adaptive", True)
    async with opened(name, options.pop("base"), options["in_flight"], adaptive=adaptive) as client:
        print(json.dumps(await JOBS[job](client, **options)))


if __name__ == "__main__":
    uvloop.run(main())
