"""Many requests, a bounded number under way, results in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from throughster.client.arguments import check_count
from throughster.errors import BatchError, RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["run_batch"]


async def run_batch(
    ask: Callable[[Any], Awaitable[Any]],
    requests: Iterable[Any] | AsyncIterable[Any],
    max_in_flight: int,
    *,
    return_exceptions: bool,
) -> list[Any]:
    """`[await ask(r) for r in requests]`, at most `max_in_flight` at once; requests are taken as places get free.

    Whatever one of them raises stands in its place. Raises BatchError at the end if any did, unless
    `return_exceptions`; and when `requests` itself raises, with what was answered until then.
    """
    check_count("max_in_flight", max_in_flight)
    if isinstance(requests, str | Mapping) or not isinstance(requests, Iterable | AsyncIterable):
        raise RequestError(f"`requests` must be a list or an iterator of requests, found {type(requests).__name__}.")
    results: list[Any] = []
    source = requests if isinstance(requests, AsyncIterable) else _each(requests)
    iterator = aiter(source)
    turn = asyncio.Lock()
    broken: list[Exception] = []

    async def take() -> tuple[int, Any]:
        async with turn:
            if broken:
                raise StopAsyncIteration
            request = await anext(iterator)
            results.append(None)
            return len(results) - 1, request

    async def work() -> None:
        while True:
            try:
                place, request = await take()
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - of the caller's iterable; raised below, with the results
                broken.append(error)
                return
            try:
                results[place] = await ask(request)
            except Exception as error:  # noqa: BLE001 - one request's failure is its result
                results[place] = error

    await _together(work, max_in_flight, results, turn)
    failed = [error for error in results if isinstance(error, Exception)]
    if broken:
        raise BatchError(f"The requests ended in {broken[0]!r} after {len(results)}.", results) from broken[0]
    if failed and not return_exceptions:
        raise BatchError(f"{len(failed)} of {len(results)} requests failed; the first: {failed[0]}", results)
    return results


async def _together(work: Callable[[], Awaitable[None]], most: int, results: list[Any], turn: asyncio.Lock) -> None:
    """Run workers, a new one only when the ones there are all busy, so that ten requests do not start 64."""
    async with asyncio.TaskGroup() as group:
        for n in range(most):
            group.create_task(work())  # type: ignore[arg-type]  # a coroutine function is an Awaitable-returning one
            await asyncio.sleep(0)
            if not turn.locked() and len(results) <= n:
                return


async def _each(requests: Iterable[Any]) -> AsyncIterator[Any]:
    for request in requests:
        yield request
