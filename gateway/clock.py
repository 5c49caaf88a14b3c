"""The guarded clock: time that never goes back, and does not believe a jump.

1. Within a run the wall clock is bounded by CLOCK_BOOTTIME: it may drift from it by `SLACK` seconds, not more.
2. What is handed out never decreases, and never lies before the log's last entry.
3. At start a wall clock behind the log stops sends (`behind`) until it has caught up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.protocol import instants
from gateway.protocol.instants import Instant

SLACK: Final = 2.0

_NO_TIME: Final = timedelta()
_MILLISECOND: Final = timedelta(milliseconds=1)


def _boot_seconds() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class Clock:
    """The one home of the current time; everything else is given instants."""

    def __init__(
        self, last: Instant = instants.EPOCH_START, *, wall: Callable[[], datetime] = _wall_clock,
        boot: Callable[[], float] = _boot_seconds,
    ) -> None:
        self._wall, self._boot = wall, boot
        self._base_wall, self._base_boot = wall(), boot()
        self._last = last
        self._spelt_from, self._spelt = datetime.min.replace(tzinfo=UTC), instants.EPOCH_START

    def not_before(self, last: Instant) -> None:
        """Never hand out an instant before `last`, the log's last entry."""
        self._last = max(self._last, last)

    @property
    def behind(self) -> bool:
        """Whether the bounded wall clock lies before what the log has already seen; sends wait while it does."""
        return self._spell(self._bounded()) < self._last

    def now(self) -> Instant:
        """Return the current instant."""
        self._last = max(self._last, self._spell(self._bounded()))
        return self._last

    def moment(self) -> datetime:
        """Return the current instant as an aware datetime."""
        return instants.to_datetime(self.now())

    def _spell(self, moment: datetime) -> Instant:
        """Return `moment` as an instant; each send asks seven times, often within one millisecond, and spelling costs most of that."""
        if not _NO_TIME <= moment - self._spelt_from < _MILLISECOND:
            self._spelt_from = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            self._spelt = instants.from_datetime(moment)
        return self._spelt

    def _bounded(self) -> datetime:
        wall, boot = self._wall(), self._boot()
        elapsed = boot - self._base_boot
        drift = (wall - self._base_wall).total_seconds() - elapsed
        if abs(drift) > SLACK:
            return self._base_wall + timedelta(seconds=elapsed + (SLACK if drift > 0 else -SLACK))
        self._base_wall, self._base_boot = wall, boot  # follows a slowly adjusted clock, never a jump
        return wall
