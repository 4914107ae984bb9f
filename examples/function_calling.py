"""Let the model call a function: one that you run yourself, or one that the client runs until there is an answer.

python examples/function_calling.py          # canned answers; needs no key
python examples/function_calling.py azure    # needs AZURE_OPENAI_ENDPOINT, _API_KEY and _DEPLOYMENT
"""

import asyncio
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from throughster import create_interface
from throughster.emulator import load_answers


class Booking(BaseModel):
    """Book a table."""

    guests: int
    at: str


def forecast(city: Literal["Bergen", "Oslo"], day: Literal["today", "tomorrow"]) -> str:
    """The weather forecast for a city."""
    print(f"  forecast({city!r}, {day!r}) was called")
    return "rain all day"


async def main(provider: str = "offline") -> None:
    answers = load_answers(Path(__file__).with_name("answers.yaml"))
    async with create_interface(provider, answers=answers) as client:
        request = {"messages": [{"role": "user", "content": "A table for four at eight, please."}]}
        response = await client.tools_call(request, tools=[Booking])
        call = response.tool_calls[0]
        print(f"The model calls {call.name}: {call.validated!r}")

        request = {"messages": [{"role": "user", "content": "Do I need an umbrella?"}], "tools": [forecast]}
        response = await client.call(request)
        print(response.content)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
