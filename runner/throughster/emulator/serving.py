"""An emulator as a program: it runs until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
from typing import TYPE_CHECKING

from throughster.emulator.server import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.emulator.options import Options

__all__ = ["serve"]


def serve(options: Options, on_ready: Callable[[str], None] | None = None) -> None:
    """Run an emulator until SIGINT or SIGTERM. `on_ready` gets the origin's address once connections are taken.

    Raises OSError where the port is taken.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(options, on_ready))


async def _serve(options: Options, on_ready: Callable[[str], None] | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Emulator(options) as emulator:
        if on_ready is not None:
            on_ready(emulator.url)
        await stopped.wait()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop
