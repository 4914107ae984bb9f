"""What a run does when the service fails, throttles, refuses, or costs: attempts, budgets, exit codes."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from throughster.emulator import Emulator, Options
from throughster.emulator.exchange import Reply

QUOTA = (
    b'{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}'
)


@contextmanager
def emulating(before=None, **options):
    """An emulator in a thread of its own; `before(number, request)` gives (status, headers, body) or None."""
    loop, started, numbers = asyncio.new_event_loop(), threading.Event(), iter(range(10**9))

    async def step(request, route):
        told = before(next(numbers), request) if before is not None else None
        return None if told is None else Reply(told[0], told[2], told[1])

    emulator = Emulator(Options(dialect="vllm", before_answer=step, **options))

    async def serve():
        await emulator.start()
        started.set()

    loop.call_soon(lambda: loop.create_task(serve()))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert started.wait(30)
    try:
        yield emulator
    finally:
        asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def ask(here, command, results):
    """`ask(emulator, rows, extra)`: run a spec of so many rows against it; gives the outcome and its results."""
    journals = iter(f"out{n}.jsonl" for n in range(9))

    def run(emulator, rows, extra="", *options):
        (here / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(rows)))
        (here / "s.yaml").write_text(
            f'version: 1\nprovider: {{name: vllm, model: m, api_base: "{emulator.api_base}"}}\nprompt: Say {{{{ n }}}}.\n'
            f"data: rows.jsonl\n{extra}"
        )
        path = next(journals)
        outcome = command("run", "s.yaml", "-o", path, *options)
        return outcome, results(path) if (here / path).exists() else []

    return run


def said(status, headers=None, body=b'{"error":{"message":"as told"}}'):
    return lambda n, request: (status, headers or {}, body)


FAST = "retry: {max_attempts: 3, initial_delay_s: 0.01, max_delay_s: 0.02}\n"


@pytest.mark.parametrize(
    ("status", "headers", "body", "sends", "code"),
    [
        (400, {}, b'{"error":{"message":"no"}}', 1, 1),
        (401, {}, b"{}", 1, 3),
        (403, {}, b"{}", 1, 3),
        (404, {}, b"{}", 1, 3),
        (413, {}, b"{}", 1, 1),
        (422, {}, b"{}", 1, 1),
        (429, {}, QUOTA, 1, 3),
        (500, {"x-should-retry": "false"}, b"{}", 1, 3),
        (501, {}, b"{}", 1, 3),
        (400, {"x-should-retry": "true"}, b"{}", 3, 1),
        (408, {}, b"{}", 3, 3),
        (409, {}, b"{}", 3, 3),
        (429, {}, b"{}", 3, 3),
        (500, {}, b"{}", 3, 3),
        (502, {}, b"<html>", 3, 3),
        (503, {}, b"", 3, 3),
        (504, {}, b"{}", 3, 3),
        (529, {}, b"{}", 3, 3),
    ],
)
def test_what_is_sent_again_and_what_is_not(ask, status, headers, body, sends, code):
    with emulating(said(status, headers, body)) as emulator:
        outcome, (result,) = ask(emulator, 1, FAST)
        assert emulator.requests == sends
    assert (outcome.code, result["status"], len(result["attempts"])) == (code, "error", sends)
    assert [attempt["http_status"] for attempt in result["attempts"]] == [status] * sends
    assert result["error"]["http_status"] == status


@pytest.mark.parametrize(
    "hint", ["nan", "-5", "inf", "1e400", "soon", "\u0663", "99999999999999999999", "Mon, 01 Jan 1990 00:00:00 GMT", ""]
)
def test_a_hint_that_is_no_time_holds_nobody(ask, hint):
    """A `retry-after` of `nan` once corrupted every timer of the loop: nothing of it may reach a clock."""
    told = {"retry-after": hint}
    began_at = time.monotonic()
    with emulating(lambda n, request: (429, told, b"{}") if n == 0 else None) as emulator:
        outcome, (result,) = ask(emulator, 1, FAST)
    assert (outcome.code, result["status"]) == (0, "ok")
    assert time.monotonic() - began_at < 10


def test_a_hint_of_days_is_a_closed_door(ask):
    with emulating(said(429, {"retry-after": "86400"})) as emulator:
        outcome, lines = ask(emulator, 30, "concurrency: 5\n")
        assert emulator.requests <= 5
    assert outcome.code == 3
    assert lines[0]["error"]["type"] == "RateLimitError"
    assert "To go on" in outcome.err


@pytest.mark.parametrize(("status", "body"), [(401, b"{}"), (403, b"{}"), (429, QUOTA), (404, b"{}")])
def test_what_every_row_would_meet_ends_the_asking_at_once(ask, status, body):
    with emulating(said(status, body=body)) as emulator:
        outcome, lines = ask(emulator, 200, "concurrency: 8\n")
        assert emulator.requests <= 8
    assert outcome.code == 3
    assert {line["status"] for line in lines} <= {"error", "skipped"}
    assert "Stopped early" in outcome.err


def test_half_of_the_replies_failing_costs_about_one_send_more_each(ask):
    dice = random.Random(3)
    with emulating(lambda n, request: (503, {}, b"") if dice.random() < 0.5 else None) as emulator:
        outcome, lines = ask(emulator, 400, "retry: {max_attempts: 8, initial_delay_s: 0.005, max_delay_s: 0.05}\n")
        requests = emulator.requests
    assert sum(line["status"] == "ok" for line in lines) >= 380
    assert requests <= 2.2 * 400
    assert outcome.code in (0, 3)


def test_a_total_outage_costs_little_ends_with_one_message_and_can_be_gone_on_with(ask, here, command, results):
    with emulating(said(503)) as emulator:
        outcome, lines = ask(emulator, 300, FAST)
        assert emulator.requests <= 1.3 * 300
    assert outcome.code == 3
    assert outcome.err.count("Stopped early") == 1
    assert Counter(line["status"] for line in lines).keys() <= {"error", "skipped"}
    with emulating() as emulator:
        spec = here / "s.yaml"
        text = spec.read_text()
        spec.write_text(text[: text.index('"http')] + f'"{emulator.api_base}"' + text[text.index("}\nprompt") :])
        assert command("run", "s.yaml", "-o", "out0.jsonl", "--resume").code == 0
        assert emulator.requests == 300
    assert [line["status"] for line in results("out0.jsonl")] == ["ok"] * 300


def test_an_outage_that_ends_is_sat_out(ask):
    """Nothing answers for a while; then everything does. No row is lost, and few sends are wasted."""
    down_until = time.monotonic() + 1.5
    with emulating(lambda n, request: (503, {}, b"") if time.monotonic() < down_until else None) as emulator:
        outcome, lines = ask(emulator, 200, "retry: {max_attempts: 30, initial_delay_s: 0.05, max_delay_s: 0.2}\n")
        assert emulator.requests <= 200 + 60
    assert (outcome.code, {line["status"] for line in lines}) == (0, {"ok"})


def test_a_budget_of_calls_is_kept_to_the_call(ask, command, results):
    with emulating() as emulator:
        outcome, lines = ask(emulator, 50, "budget: {calls: 20}\nconcurrency: 7\n")
        assert emulator.requests == 20
    assert outcome.code == 4
    assert Counter(line["status"] for line in lines)["ok"] == 20
    assert "The budget is spent: 20 of 20 calls" in outcome.err
    assert "To go on" in outcome.err


def test_sends_of_failures_count_as_calls(ask):
    with emulating(lambda n, request: (503, {}, b"") if n % 2 else None) as emulator:
        outcome, _ = ask(emulator, 50, "budget: {calls: 21}\nretry: {max_attempts: 9, initial_delay_s: 0.01}\n")
        assert emulator.requests == 21
    assert outcome.code == 4


def test_a_budget_of_tokens_is_not_passed(ask):
    extra = "budget: {tokens: 1000}\n"
    with emulating() as emulator:
        outcome, lines = ask(emulator, 200, extra)
    spent = sum(line["usage"]["total_tokens"] for line in lines if line["usage"])
    assert outcome.code == 4
    assert 600 < spent <= 1000


def test_money_needs_a_price_and_is_not_passed(ask, here):
    with emulating() as emulator:
        outcome, _ = ask(emulator, 5, "budget: {usd: 0.01}\n")
        assert (outcome.code, emulator.requests) == (2, 0)
        assert "A budget in USD needs the price of vllm:m" in outcome.err
        outcome, _ = ask(emulator, 5, "", "--max-cost", "1")
        assert (outcome.code, emulator.requests) == (2, 0)


def test_a_cost_is_kept_below_its_cap_over_all_specs(ask):
    with emulating() as emulator:
        outcome, lines = ask(
            emulator, 100, "", "--max-cost", "0.1", "--set", "provider.price={input: 100, output: 100}"
        )
    spent = sum(line["cost_usd"] or 0 for line in lines)
    assert outcome.code == 4
    assert 0.06 < spent <= 0.1


def test_a_cap_on_requests_holds_for_all_specs_of_the_command(here, command):
    with emulating() as emulator:
        for name in ("a", "b"):
            (here / f"{name}.yaml").write_text(
                f'version: 1\nprovider: {{name: vllm, model: m, api_base: "{emulator.api_base}"}}\n'
                "prompt: Say {{ n }}.\ndata: [{n: 1}, {n: 2}, {n: 3}]\n"
            )
        assert command("run", "a.yaml", "b.yaml", "--max-requests", "4", "-o", "out.jsonl").code == 4
        assert emulator.requests == 4
        assert command("run", "a.yaml", "b.yaml", "-o", "out.jsonl", "--resume").code == 0
        assert emulator.requests == 6


def test_the_summary_says_what_held_the_run_back(ask):
    with emulating(latency_s=0.05) as emulator:
        outcome, _ = ask(emulator, 60, "concurrency: {max_in_flight: 2}\n")
    assert "Held back by: requests under way" in outcome.out
    with emulating() as emulator:
        outcome, _ = ask(
            emulator, 12, "concurrency: {requests_per_minute: 600}\n", "--set", "concurrency.max_in_flight=4"
        )
    assert outcome.code == 0


def test_a_connection_that_nobody_takes_is_tried_and_then_said(ask, here):
    with emulating() as emulator:
        base = emulator.api_base
    outcome, lines = ask(type("Gone", (), {"api_base": base}), 40, FAST)
    assert outcome.code == 3
    assert lines[0]["error"]["type"] == "TransportError"
    assert "No connection to" in outcome.err


def test_open_files_are_allowed_for_or_said(process, here):
    """Every connection is an open file: a soft limit is raised, and a hard one is told before anything is sent."""
    import resource

    (here / "rows.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(400)))
    (here / "s.yaml").write_text(
        "version: 1\nprovider: offline\nprompt: Say {{ n }}.\ndata: rows.jsonl\nconcurrency: 300\n"
    )

    def limit(soft, hard):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    raised = process("run", "s.yaml", "-q", "-o", "a.jsonl", preexec_fn=limit(128, 2048))
    raised.communicate(timeout=60)
    assert raised.returncode == 0
    told = process("run", "s.yaml", "-q", "-o", "b.jsonl", preexec_fn=limit(128, 256))
    _, words = told.communicate(timeout=60)
    assert (told.returncode, "Lower --concurrency to 192" in words) == (2, True)
    assert not (here / "b.jsonl").exists()
