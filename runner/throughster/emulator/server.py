"""The HTTP server: one handler between the dialects and aiohttp."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

from aiohttp import web

from throughster.emulator.admission import Admission
from throughster.emulator.answering import UnanswerableError, answer_question
from throughster.emulator.azure import Azure
from throughster.emulator.delivery import Delivery
from throughster.emulator.encoding import json_bytes
from throughster.emulator.exchange import RejectedError, Reply
from throughster.emulator.fault_plan import FaultPlan
from throughster.emulator.mistral import Mistral
from throughster.emulator.openai import OpenAI
from throughster.emulator.options import Options
from throughster.emulator.sabotage import break_connection, cut_json
from throughster.emulator.visit import Visit
from throughster.emulator.vllm import Vllm
from throughster.emulator.wire import LARGEST_BODY, record, request_factory, whole_response

if TYPE_CHECKING:
    from throughster.emulator.answering import Outcome
    from throughster.emulator.dialect import Dialect
    from throughster.emulator.exchange import RecordedRequest, Route
    from throughster.emulator.faults import Fault
    from throughster.emulator.question import Question

__all__ = ["Emulator"]

_DIALECTS: Final[dict[str, type[Dialect]]] = {"openai": OpenAI, "azure": Azure, "mistral": Mistral, "vllm": Vllm}
_BACKLOG: Final = 4096
_SHUTDOWN_S: Final = 1.0  # an answer under way gets this long when the server stops


class Emulator:
    """A server in this process: `async with Emulator(Options(...)) as emulator: ...`.

    `.requests` counts every request that arrived, `.in_flight` those not yet answered, `.peak_in_flight` the most of
    them at once, `.faults` how often each kind of fault struck. Raises OSError from `start` where the port is taken.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = Options() if options is None else options
        self.requests = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        self.faults: Counter[int | str] = Counter()
        if self.options.dialect not in _DIALECTS:
            raise ValueError(f"{self.options.dialect!r} is no dialect; there are {', '.join(_DIALECTS)}")
        self._dialect = _DIALECTS[self.options.dialect](self.options)
        self._trouble = self._dialect.trouble()
        self._admission = Admission(self.options, self._trouble)
        self._plan: FaultPlan
        self._delivery: Delivery
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
        self._plan = FaultPlan(self.options.faults, self.options.seed, time.monotonic)
        self._delivery = Delivery(self.options)
        server = web.Server(
            self._handle,
            request_factory=request_factory,
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
        visit = Visit(request, self._dialect.stamp(request.headers), self._admission.first_standing())
        try:
            return await self._respond(visit)
        except RejectedError as rejected:
            return whole_response(rejected.reply(), self._headers(visit))
        finally:
            self.in_flight -= 1

    async def _respond(self, visit: Visit) -> web.StreamResponse:
        recorded = await self._receive(visit.request)
        route = self._dialect.route(recorded.method, recorded.path, recorded.query)
        if route.guarded:
            self._dialect.check_key(recorded.headers)
        if route.operation not in {"chat", "responses"}:
            return whole_response(self._plain_reply(route), self._headers(visit))
        visit.operation = route.operation
        self._admission.identify(visit, recorded, route)
        fault = self._plan.next_fault(recorded.body)
        if fault is not None and fault.is_early:
            return await self._fail(visit, fault)
        visit.fault = fault
        early = await self._before_answer(recorded, route)
        if early is not None:
            return whole_response(early, self._headers(visit))
        question = self._question(recorded, route)
        self._admission.enter(visit, question)
        try:
            return await self._answer(visit, question)
        finally:
            self._admission.leave(visit)

    async def _receive(self, request: web.BaseRequest) -> RecordedRequest:
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise self._dialect.unreadable(f"it has more than {LARGEST_BODY} bytes", status=413) from error
        recorded = record(request, raw)
        if self.options.request_log is not None:
            self.options.request_log(recorded)
        return recorded

    def _headers(self, visit: Visit) -> dict[str, str]:
        standing = visit.standing
        if standing is None:
            standing = self._trouble.usual_standing(visit.used)
        limits = self._trouble.rate_headers(standing, visit.used, visit.operation)
        return {**self._dialect.reply_headers(visit.stamp), **limits}

    def _plain_reply(self, route: Route) -> Reply:
        if route.operation == "models":
            return Reply.of_json(200, self._dialect.models())
        if route.operation == "version":
            return Reply.of_json(200, {"version": self.options.vllm_version})
        return Reply(200, b"")

    async def _before_answer(self, recorded: RecordedRequest, route: Route) -> Reply | None:
        step = self.options.before_answer
        return None if step is None else await step(recorded, route)

    def _question(self, recorded: RecordedRequest, route: Route) -> Question:
        if recorded.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise self._dialect.unreadable("the content type is not application/json")
        if not isinstance(recorded.body, dict):
            raise self._dialect.unreadable("it is no JSON object")
        return self._dialect.read(recorded.body, route)

    async def _answer(self, visit: Visit, question: Question) -> web.StreamResponse:
        try:
            outcome = answer_question(question, self.options.answers)
        except UnanswerableError as error:
            raise self._dialect.unanswerable(question, error) from error
        visit.used = outcome.prompt_tokens + outcome.completion_tokens + question.reasoning_tokens
        parts = self._events(visit, question, outcome) if question.stream else [self._whole(visit, question, outcome)]
        fault = visit.fault
        if fault is not None:
            self.faults[fault.kind] += 1
            if fault.kind == "truncated-json":
                parts, fault = cut_json(parts, streamed=question.stream), None
            elif fault.kind == "stream-error":
                parts, fault = self._broken_off(visit, question, parts), None
        return await self._delivery.send(
            visit.request,
            parts,
            self._headers(visit),
            tokens=outcome.completion_tokens,
            streamed=question.stream,
            fault=fault,
        )

    async def _fail(self, visit: Visit, fault: Fault) -> web.StreamResponse:
        self.faults[fault.kind] += 1
        if fault.status is None:
            return await break_connection(str(fault.kind), visit.request)
        if fault.status == 429 and visit.account is None:
            visit.standing = self._trouble.exhausted_standing(fault.retry_after)
        return whole_response(self._trouble.failed(fault.status, fault.retry_after), self._headers(visit))

    def _broken_off(self, visit: Visit, question: Question, events: list[bytes]) -> list[bytes]:
        half = len(events) // 2
        error = self._trouble.stream_error(visit.operation, question.model, half, visit.stamp)
        return [*events[:half], *error]

    def _whole(self, visit: Visit, question: Question, outcome: Outcome) -> bytes:
        if visit.operation == "responses":
            return json_bytes(self._dialect.response(question, outcome, visit.stamp).whole())
        return json_bytes(self._dialect.whole(question, outcome, visit.stamp))

    def _events(self, visit: Visit, question: Question, outcome: Outcome) -> list[bytes]:
        if visit.operation == "responses":
            return self._dialect.response(question, outcome, visit.stamp).events()
        return self._dialect.events(question, outcome, visit.stamp)
