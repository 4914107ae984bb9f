"""Get an answer as an instance of a pydantic model; one that does not fit is sent back with what is wrong.

python examples/structured_output.py            # canned answers; needs no key
python examples/structured_output.py mistral    # needs MISTRAL_API_KEY and MISTRAL_MODEL_NAME
"""

import asyncio
import sys
from pathlib import Path

from pydantic import BaseModel, Field

from throughster import Prompt, create_interface
from throughster.emulator import load_answers


class Person(BaseModel):
    name: str
    born: int = Field(description="Year of birth.")
    fields: list[str]


TEXT = "Ada Lovelace was born in London in 1815. She wrote on mathematics and on what became computing."


async def main(provider: str = "offline") -> None:
    prompt = Prompt("Extract what the text says, and nothing else.")
    answers = load_answers(Path(__file__).with_name("answers.yaml"))
    async with create_interface(provider, answers=answers) as client:
        request = {"messages": prompt("{{ text }}", {"text": TEXT})}
        response = await client.structured_call(request, schema=Person, max_attempts=3)
    person = response.validated_schema
    print(f"{person.name}, born {person.born}: {', '.join(person.fields)}")
    print(f"attempts: {len(response.retry_stats.attempts)}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
