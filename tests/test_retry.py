from __future__ import annotations

import statistics

import pytest

from throughster.errors import AuthError, RateLimitError, ServerError
from throughster.retry import next_delay_s, should_retry
from throughster.types import Retry


def test_only_what_may_pass_is_retried():
    assert should_retry(ServerError("x"))
    assert not should_retry(AuthError("x"))
    assert not should_retry(ValueError("x"))


def test_a_hint_above_two_minutes_is_a_closed_door():
    assert should_retry(RateLimitError("x", retry_after_s=120))
    assert not should_retry(RateLimitError("x", retry_after_s=121))


def test_waits_spread_over_the_whole_bound():
    delays = [next_delay_s(Retry(initial_delay_s=1.0), 3, ServerError("x"), 0.0) for _ in range(10_000)]
    assert 0 <= min(delays) < 0.05
    assert 3.95 < max(delays) <= 4.0
    assert statistics.mean(delays) == pytest.approx(2.0, abs=0.1)


def test_the_bound_is_capped():
    assert max(next_delay_s(Retry(max_attempts=1000, max_delay_s=2), 900, ServerError("x"), 0) for _ in range(100)) <= 2


def test_a_hint_is_never_undercut():
    delays = [next_delay_s(Retry(), 1, RateLimitError("x", retry_after_s=7.0), 0.0) for _ in range(200)]
    assert 7.0 <= min(delays) <= max(delays) <= 7.7


def test_the_sends_and_the_deadline_end_it():
    assert next_delay_s(Retry(max_attempts=3), 3, ServerError("x"), 0.0) is None
    assert next_delay_s(Retry(deadline_s=5), 1, RateLimitError("x", retry_after_s=3.0), 2.5) is None
