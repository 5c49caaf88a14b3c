"""Waiting grows with each counted try, and nothing shortens it but success."""

from datetime import UTC, datetime, timedelta

import pytest

from vault.errors import CodeRefused, TooMany
from vault.throttle import Throttle, ThrottleState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = Throttle(free=3, base_seconds=30, max_seconds=200)


def spend(count: int, at: datetime = NOW) -> ThrottleState:
    state = ThrottleState()
    for _ in range(count):
        state = RULE.attempt(state, at)
    return state


def test_the_wait_table():
    """Free tries, then doubling to the ceiling, also for absurd counts."""
    assert [RULE.wait_seconds(n) for n in (0, 2, 3, 4, 5, 6, 7, 10_000)] == [0, 0, 30, 60, 120, 200, 200, 200]


def test_free_tries_then_refusal_with_seconds_left():
    """The fourth try is refused and says how long, rounded up."""
    state = spend(3)
    assert state == ThrottleState(tries=3, last_at=NOW)
    with pytest.raises(TooMany) as caught:
        RULE.attempt(state, NOW + timedelta(seconds=0.5))
    assert caught.value.retry_after == 30
    assert caught.value.reason == "throttled"
    assert isinstance(caught.value, CodeRefused)


def test_after_the_wait_one_more_is_counted_and_the_next_wait_is_longer():
    """A counted try doubles the wait."""
    state = RULE.attempt(spend(3), NOW + timedelta(seconds=30))
    assert state.tries == 4
    with pytest.raises(TooMany) as caught:
        RULE.attempt(state, NOW + timedelta(seconds=31))
    assert caught.value.retry_after == 59


def test_a_clock_that_goes_back_shortens_nothing():
    """With an earlier clock the whole wait is still ahead, and the later instant is kept."""
    with pytest.raises(TooMany) as caught:
        RULE.attempt(spend(3), NOW - timedelta(days=1))
    assert caught.value.retry_after == 30
    assert RULE.attempt(spend(1), NOW - timedelta(days=1)).last_at == NOW
