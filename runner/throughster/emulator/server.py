"""The HTTP server: one handler between the dialects and aiohttp."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
from typing import TYPE_CHECKING, Any, Final, Self

import orjson
from aiohttp import web

from throughster.emulator.answering import UnanswerableError, answer_question
from throughster.emulator.azure import Azure
from throughster.emulator.encoding import json_bytes
from throughster.emulator.exchange import Options, RecordedRequest, RejectedError, Reply
from throughster.emulator.mistral import Mistral
from throughster.emulator.openai import OpenAI
from throughster.emulator.vllm import Vllm

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughster.emulator.answering import Outcome
    from throughster.emulator.dialect import Dialect, Stamp
    from throughster.emulator.exchange import Route
    from throughster.emulator.question import Question

__all__ = ["Emulator", "serve"]

_DIALECTS: Final[dict[str, type[Dialect]]] = {"openai": OpenAI, "azure": Azure, "mistral": Mistral, "vllm": Vllm}
_LARGEST_BODY: Final = 64 * 1024 * 1024
_BACKLOG: Final = 4096
_SHUTDOWN_S: Final = 1.0  # an answer under way gets this long when the server stops


class Emulator:
    """A server in this process: `async with Emulator(Options(...)) as emulator: ...`.

    `.requests` counts every request that arrived, `.in_flight` those not yet answered, `.peak_in_flight` the most of
    them at once. Raises OSError from `start` where the port is taken.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = Options() if options is None else options
        self.requests = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        if self.options.dialect not in _DIALECTS:
            raise ValueError(f"{self.options.dialect!r} is no dialect; there are {', '.join(_DIALECTS)}")
        self._dialect = _DIALECTS[self.options.dialect](self.options)
        self._runner: web.ServerRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The origin, such as `http://127.0.0.1:4711`. Raises RuntimeError before the start."""
        if self._runner is None:
            raise RuntimeError("the emulator has no address before it has started")
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self._port}"

    @property
    def api_base(self) -> str:
        """What a client of this dialect takes as its base address; for Azure, the resource's."""
        return self.url + self._dialect.api_path

    async def start(self) -> None:
        server = web.Server(
            self._handle,
            request_factory=_request_factory,
            handler_cancellation=True,  # a client that goes away ends its answer, as vLLM does
            access_log=None,
            keepalive_timeout=self._dialect.keepalive_s,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.options.host, self.options.port, backlog=_BACKLOG).start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Close the port and every connection. Does nothing where the server does not run."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        stamp = self._dialect.stamp(request.headers)
        try:
            return await self._respond(request, stamp)
        except RejectedError as rejected:
            return _response(rejected.reply(), self._dialect.reply_headers(stamp, None))
        finally:
            self.in_flight -= 1

    async def _respond(self, request: web.BaseRequest, stamp: Stamp) -> web.StreamResponse:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise self._dialect.unreadable(f"it has more than {_LARGEST_BODY} bytes", status=413) from error
        recorded = _record(request, raw)
        if self.options.request_log is not None:
            self.options.request_log(recorded)
        route = self._dialect.route(recorded.method, recorded.path, recorded.query)
        if route.guarded:
            self._dialect.check_key(recorded.headers)
        if route.operation not in {"chat", "responses"}:
            reply = self._plain_reply(route)
            return _response(reply, self._dialect.reply_headers(stamp, None))
        early = await self._before_answer(recorded, route)
        if early is not None:
            return _response(early, self._dialect.reply_headers(stamp, None))
        question, outcome = self._answer(recorded, route)
        if self.options.latency_s:
            await asyncio.sleep(self.options.latency_s)
        if question.stream:
            return await self._stream(request, self._events(route, question, outcome, stamp), outcome, stamp)
        if self.options.tokens_per_second:
            await asyncio.sleep(outcome.completion_tokens / self.options.tokens_per_second)
        reply = Reply(200, json_bytes(self._whole(route, question, outcome, stamp)))
        return _response(reply, self._dialect.reply_headers(stamp, outcome))

    def _whole(self, route: Route, question: Question, outcome: Outcome, stamp: Stamp) -> dict[str, Any]:
        if route.operation == "responses":
            return self._dialect.response(question, outcome, stamp).whole()
        return self._dialect.whole(question, outcome, stamp)

    def _events(self, route: Route, question: Question, outcome: Outcome, stamp: Stamp) -> list[bytes]:
        if route.operation == "responses":
            return self._dialect.response(question, outcome, stamp).events()
        return self._dialect.events(question, outcome, stamp)

    def _plain_reply(self, route: Route) -> Reply:
        if route.operation == "models":
            return Reply.of_json(200, self._dialect.models())
        if route.operation == "version":
            return Reply.of_json(200, {"version": self.options.vllm_version})
        return Reply(200, b"")

    async def _before_answer(self, recorded: RecordedRequest, route: Route) -> Reply | None:
        step = self.options.before_answer
        return None if step is None else await step(recorded, route)

    def _answer(self, recorded: RecordedRequest, route: Route) -> tuple[Question, Outcome]:
        if recorded.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise self._dialect.unreadable("the content type is not application/json")
        if not isinstance(recorded.body, dict):
            raise self._dialect.unreadable("it is no JSON object")
        question = self._dialect.read(recorded.body, route)
        try:
            return question, answer_question(question, self.options.answers)
        except UnanswerableError as error:
            raise self._dialect.unanswerable(question, error) from error

    async def _stream(
        self, request: web.BaseRequest, events: list[bytes], outcome: Outcome, stamp: Stamp
    ) -> web.StreamResponse:
        headers = {**self._dialect.reply_headers(stamp, outcome), "content-type": "text/event-stream; charset=utf-8"}
        pace = self.options.tokens_per_second
        if pace is None:
            # One buffer and one write: a benchmark measures its client, not this server's timers.
            response = web.Response(body=b"".join(events), headers=headers)
            response.enable_chunked_encoding()
            return response
        paced = web.StreamResponse(headers=headers)
        await paced.prepare(request)
        seconds_per_event = outcome.completion_tokens / pace / len(events)
        clock = asyncio.get_running_loop()
        begun = clock.time()
        for number, one in enumerate(events):
            wait_s = begun + number * seconds_per_event - clock.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            await paced.write(one)
        return paced


def _request_factory(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=_LARGEST_BODY
    )


def _record(request: web.BaseRequest, raw: bytes) -> RecordedRequest:
    try:
        body = orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        body = None
    headers = {name.lower(): value for name, value in request.headers.items()}
    return RecordedRequest(request.method, request.path, dict(request.query), headers, raw, body)


def _response(reply: Reply, headers: dict[str, str]) -> web.Response:
    content_type = {"content-type": reply.content_type} if reply.body else {}
    return web.Response(body=reply.body, status=reply.status, headers={**headers, **content_type, **reply.headers})


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
