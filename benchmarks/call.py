"""One call through the public API, against the limit (bare aiohttp) and peers."""

from __future__ import annotations

import importlib.util

from benchmarks.measure import Case, in_turn, table
from benchmarks.server import static_server

CALLS, IN_FLIGHT, ROUNDS = 5000, 64, 5

HARNESS = """
import asyncio, json, resource, sys, time
import uvloop
N, C, BASE = {calls}, {in_flight}, {base!r}
ASK = {{"model": "m", "messages": [{{"role": "user", "content": "Translate \\"hello\\" to French."}}]}}
{setup}
async def main():
    {open}
    await one()
    left = iter(range(N))
    async def work():
        for _ in left:
            await one()
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(C)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({{"cpu_us": cpu / N * 1e6, "per_s": N / wall, "mb": memory}}))
    {close}
uvloop.run(main())
"""

BARE = {
    "setup": "import aiohttp, orjson; JSON = {'Content-Type': 'application/json'}",
    "open": """session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    async def one():
        async with session.post(BASE + "/chat/completions", data=orjson.dumps(ASK), headers=JSON) as reply:
            return orjson.loads(await reply.read())["choices"][0]["message"]["content"]""",
    "close": "await session.close()",
}
OURS = {
    "setup": "from throughster import Limits, create_interface",
    "open": """client = create_interface("vllm", api_base=BASE, model_name="m", limits=Limits(max_in_flight=C))
    async def one():
        return (await client.call(ASK)).content""",
    "close": "await client.close()",
}
OPENAI = {
    "setup": "import openai",
    "open": """client = openai.AsyncOpenAI(base_url=BASE, api_key="k")
    async def one():
        return (await client.chat.completions.create(**ASK)).choices[0].message.content""",
    "close": "await client.close()",
}


def run() -> str:
    """The table of this area, as Markdown."""
    with static_server() as (server, base):
        made = {"bare aiohttp + orjson": BARE, "throughster": OURS}
        if importlib.util.find_spec("openai"):
            made["openai SDK"] = OPENAI
        common = {"calls": CALLS, "in_flight": IN_FLIGHT, "base": base}
        found = in_turn([Case(name, HARNESS.format(**common, **part)) for name, part in made.items()], ROUNDS)
    limit = found["bare aiohttp + orjson"]["cpu_us"]
    rows = [
        [name, f"{f['cpu_us']:.0f}", f"{f['cpu_us'] / limit:.2f}", f"{f['per_s']:,.0f}", f"{f['mb']:.0f}"]
        for name, f in found.items()
    ]
    head = ["client", "CPU us/call", "x bare", "calls/s", "MB"]
    return f"{CALLS:,} calls, {IN_FLIGHT} in flight, {server}, uvloop, median of {ROUNDS}\n\n{table(head, rows)}"
