"""Show an answer while it arrives.

python examples/streaming.py          # canned answers; needs no key
python examples/streaming.py vllm     # needs VLLM_API_BASE and VLLM_MODEL_NAME
"""

import asyncio
import sys
from pathlib import Path

from throughster import create_interface
from throughster.emulator import load_answers


async def main(provider: str = "offline") -> None:
    answers = load_answers(Path(__file__).with_name("answers.yaml"))
    async with create_interface(provider, answers=answers) as client:
        stream = client.stream({"messages": [{"role": "user", "content": "Tell me a story about a lighthouse."}]})
        async for text in stream:
            print(text, end="", flush=True)
    response = stream.response
    print(f"\n\nfinish reason: {response.finish_reason}, {response.usage.completion_tokens} tokens")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
