"""Grade texts from 1 to 5: the mean of the grades, weighted by how probable the model holds each (G-Eval).

python examples/text_quality.py            # canned answers; needs no key
python examples/text_quality.py openai     # needs OPENAI_API_KEY and OPENAI_MODEL_NAME
"""

import asyncio
import sys
from pathlib import Path

from throughster import create_interface
from throughster.emulator import load_answers

PROTOCOL = """You grade how fluent a sentence is.
1: no sentence at all. 3: understandable, with mistakes. 5: as a good writer would put it."""
SENTENCES = ["The cat sat on the mat.", "The mat cat the on sat."]


async def main(provider: str = "offline") -> None:
    answers = load_answers(Path(__file__).with_name("answers.yaml"))
    async with create_interface(provider, answers=answers) as client:
        for sentence in SENTENCES:
            request = {"messages": [{"role": "user", "content": sentence}]}
            response, score = await client.nlg_evaluation(request, PROTOCOL, scores=[1, 2, 3, 4, 5])
            print(f"{score:.2f}  {sentence}  (the model wrote {response.content})")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
