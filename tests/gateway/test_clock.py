"""The guarded clock: never back, no jump believed, and behind the log nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SLACK, Clock
from gateway.protocol import instants

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(moment: datetime) -> int:
    """Return a moment as the system's clock tells it."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


class Machine:
    """A machine whose wall clock and boot clock the test moves."""

    def __init__(self) -> None:
        self.wall, self.boot = START, 100.0

    def clock(self, last: str = instants.EPOCH_START) -> Clock:
        """Return a guarded clock on this machine."""
        return Clock(instants.Instant(last), wall=lambda: nanoseconds(self.wall), boot=lambda: round(self.boot * 1e9))

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds


def test_time_passes() -> None:
    """Undisturbed, it tells the wall's time."""
    machine = Machine()
    clock = machine.clock()
    machine.pass_(90)
    assert clock.moment() == START + timedelta(seconds=90)
    assert not clock.behind


def test_a_forward_jump_is_not_believed() -> None:
    """The wall jumps ten years: the clock goes on with the boot clock, at most the slack ahead."""
    machine = Machine()
    clock = machine.clock()
    machine.wall += timedelta(days=3650)
    assert clock.moment() == START + timedelta(seconds=SLACK)
    machine.pass_(60)
    assert clock.moment() == START + timedelta(seconds=60 + SLACK)


def test_a_backward_jump_never_goes_back() -> None:
    """The wall jumps an hour back: what was handed out stays the least, and after the slack it goes on."""
    machine = Machine()
    clock = machine.clock()
    machine.pass_(10)
    before = clock.now()
    machine.wall -= timedelta(hours=1)
    assert clock.now() == before
    assert clock.behind
    machine.pass_(60)
    assert clock.moment() == START + timedelta(seconds=70 - SLACK)
    assert not clock.behind


def test_a_start_behind_the_log_waits_for_the_wall() -> None:
    """The log's last entry is an hour ahead: `behind` until the wall has caught up, and no instant before it."""
    machine = Machine()
    clock = machine.clock()
    last = instants.from_datetime(START + timedelta(hours=1))
    clock.not_before(last)
    assert clock.behind
    assert clock.now() == last
    machine.pass_(3599)
    assert clock.behind
    machine.pass_(2)
    assert not clock.behind
    assert clock.now() > last


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e4)), max_size=30))
def test_whatever_the_wall_does_time_never_decreases(moves: list[tuple[float, float]]) -> None:
    """Any sequence of jumps and waits gives instants that never decrease and never run ahead of what has really passed."""
    machine = Machine()
    clock = machine.clock()
    seen, passed = [clock.now()], 0.0
    for jump, wait in moves:
        machine.wall += timedelta(seconds=jump)
        machine.pass_(wait)
        passed += wait
        seen.append(clock.now())
        assert clock.moment() <= START + timedelta(seconds=passed + SLACK * (len(seen) + 1))
    assert seen == sorted(seen)


def test_every_moment_has_its_own_millisecond() -> None:
    """What was spelt last is never handed out for another millisecond, forwards, backwards within the slack, or at its edges."""
    machine = Machine()
    clock = machine.clock()
    for step in (1, 998, 1, 1, 137, 862, 1, 999_999, 1, 60_000_000, 0):
        machine.pass_(step / 1e6)
        assert clock.now() == instants.from_datetime(machine.wall)
    clock = machine.clock()
    clock.not_before(instants.from_datetime(machine.wall))
    assert not clock.behind
    machine.wall -= timedelta(microseconds=1 + machine.wall.microsecond % 1000)
    assert clock.behind
