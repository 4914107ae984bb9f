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


def _limited(reset_s):
    error = RateLimitError("x")
    error.reset_after_s = reset_s
    return error


@pytest.mark.parametrize(("most", "sends"), [(6, 4), (6, 5), (3, 1), (2, 1)])
def test_the_last_two_sends_wait_until_the_limit_is_whole(most, sends):
    delays = [next_delay_s(Retry(max_attempts=most), sends, _limited(360.0), 100.0) for _ in range(200)]
    assert 360.0 <= min(delays) <= max(delays) <= 361.0


def test_earlier_sends_may_find_room_before_and_never_wait_longer():
    assert max(next_delay_s(Retry(), 1, _limited(20.0), 0.0) for _ in range(200)) <= 0.5
    assert max(next_delay_s(Retry(initial_delay_s=60), 3, _limited(0.02), 0.0) for _ in range(200)) <= 0.022


def test_a_limit_that_is_whole_after_the_deadline_is_not_waited_for():
    assert next_delay_s(Retry(deadline_s=60), 5, _limited(3600.0), 0.0) <= 8.0
