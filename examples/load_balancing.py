"""Share requests among several servers; one that fails rests, and its requests go to the others.

python examples/load_balancing.py    # two servers of its own and a dead one; needs no key
python examples/load_balancing.py http://10.0.0.1:8000/v1 http://10.0.0.2:8000/v1    # with VLLM_MODEL_NAME
"""

import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack

from throughster import LoadBalancer, create_interface
from throughster.emulator import Emulator, Options

DEAD = "http://127.0.0.1:9/v1"


async def start_servers(stack: AsyncExitStack) -> list[tuple[str, str]]:
    """Addresses and models: a small one, a large one, and one where nobody listens."""
    names = ("small", "large")
    servers = [await stack.enter_async_context(Emulator(Options(dialect="vllm", model=name))) for name in names]
    return [*zip((server.api_base for server in servers), names, strict=True), (DEAD, "gone")]


async def main(*addresses: str) -> None:
    async with AsyncExitStack() as stack:
        places = [(address, None) for address in addresses] or await start_servers(stack)
        clients = [create_interface("vllm", api_base=address, model_name=model) for address, model in places]
        balancer = await stack.enter_async_context(LoadBalancer(clients, strategy="least_busy"))
        requests = [{"messages": [{"role": "user", "content": f"Name a word of {n} letters."}]} for n in range(3, 23)]
        responses = await balancer.batch_call(requests, max_in_flight=4)
    for model, count in sorted(Counter(response.model for response in responses).items()):
        print(f"{model}: {count} answers")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
