"""The guarded clock: time that never goes back, and does not believe a jump.

1. Within a run the wall clock is bounded by CLOCK_BOOTTIME: it may drift from it by `SLACK` seconds, not more.
2. What is handed out never decreases, and never lies before the log's last entry.
3. At start a wall clock behind the log stops sends (`behind`) until it has caught up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from gateway.protocol import instants
from gateway.protocol.instants import Instant

SLACK: Final = 2.0

_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
_SLACK_NS: Final = int(SLACK * _SECOND)


def _boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """The one home of the current time; everything else is given instants. `wall` and `boot` tell nanoseconds, the former since 1970 (UTC)."""

    def __init__(
        self, last: Instant = instants.EPOCH_START, *, wall: Callable[[], int] = time.time_ns, boot: Callable[[], int] = _boot_ns,
    ) -> None:
        self._wall, self._boot = wall, boot
        self._base_wall, self._base_boot = wall(), boot()
        self._last = last
        self._second, self._head = -1, ""
        self._millisecond, self._spelt = -1, instants.EPOCH_START

    def not_before(self, last: Instant) -> None:
        """Never hand out an instant before `last`, the log's last entry."""
        self._last = max(self._last, last)

    @property
    def behind(self) -> bool:
        """Whether the bounded wall clock lies before what the log has already seen; sends wait while it does."""
        return self._spell(self._bounded()) < self._last

    def now(self) -> Instant:
        """Return the current instant."""
        spelt = self._spell(self._bounded())
        self._last = max(self._last, spelt)
        return self._last

    def moment(self) -> datetime:
        """Return the current instant as an aware datetime."""
        return instants.to_datetime(self.now())

    def _spell(self, nanoseconds: int) -> Instant:
        """Return a moment as an instant; each send asks six times, and spelling it anew would cost most of that."""
        millisecond = nanoseconds // _MILLISECOND
        if millisecond != self._millisecond:
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second, self._head = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._millisecond, self._spelt = millisecond, Instant(f"{self._head}{rest:03d}Z")
        return self._spelt

    def _bounded(self) -> int:
        wall, boot = self._wall(), self._boot()
        elapsed = boot - self._base_boot
        drift = wall - self._base_wall - elapsed
        if not -_SLACK_NS <= drift <= _SLACK_NS:
            return self._base_wall + elapsed + (_SLACK_NS if drift > 0 else -_SLACK_NS)
        self._base_wall, self._base_boot = wall, boot  # follows a slowly adjusted clock, never a jump
        return wall
