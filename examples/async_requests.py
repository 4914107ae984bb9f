"""Ask several questions at once and get the answers in order.

python examples/async_requests.py            # canned answers; needs no key
python examples/async_requests.py openai     # needs OPENAI_API_KEY and OPENAI_MODEL_NAME
"""

import asyncio
import sys
from pathlib import Path

from throughster import create_interface
from throughster.emulator import load_answers

COUNTRIES = ["France", "Japan", "Kenya", "Peru"]


async def main(provider: str = "offline") -> None:
    answers = load_answers(Path(__file__).with_name("answers.yaml"))
    async with create_interface(provider, answers=answers) as client:
        requests = [
            {"messages": [{"role": "user", "content": f"What is the capital of {country}? One word."}]}
            for country in COUNTRIES
        ]
        responses = await client.batch_call(requests, max_in_flight=8)
    for country, response in zip(COUNTRIES, responses, strict=True):
        print(f"{country:<8} {response.content}")
    tokens = sum(response.usage.total_tokens for response in responses)
    print(f"{len(responses)} answers from {responses[0].source}, {tokens} tokens")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
