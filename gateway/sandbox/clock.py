"""The sandbox's clock: it runs, stands still or jumps, as a test or a demonstration needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time as an aware datetime."""

    def now(self) -> datetime:
        """Tell the time."""
        ...


class SandboxClock:
    """A clock that can be moved.

    It starts at `at` (aware; default: the wall clock). When `running`, time goes on by itself; otherwise it
    stands still until `advance` or `set` is called.
    """

    def __init__(self, at: datetime | None = None, *, running: bool = True) -> None:
        self._running = running
        self._base = at or datetime.now(UTC)
        self._wall = datetime.now(UTC)

    def now(self) -> datetime:
        """Tell the sandbox's time, aware, in UTC."""
        passed = datetime.now(UTC) - self._wall if self._running else timedelta(0)
        return (self._base + passed).astimezone(UTC)

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward (or back, when negative) by `seconds` and tell the new time."""
        return self.set(self.now() + timedelta(seconds=seconds))

    def set(self, at: datetime) -> datetime:
        """Put the clock to the aware instant `at`."""
        if at.tzinfo is None:
            raise ValueError("the sandbox clock needs an aware datetime")
        self._base, self._wall = at.astimezone(UTC), datetime.now(UTC)
        return self.now()
