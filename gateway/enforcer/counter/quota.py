"""Today's quota beside the operation: how many sends a channel has made on the day this one would go out, and when the next is possible."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gateway.machine.publications import daily_limit
from gateway.machine.state import Channel
from gateway.protocol import instants
from gateway.protocol.instants import OFFICE_ZONE, Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one channel may still send on `day` (company zone). `earliest` is set where nothing is left; `late` where that is after the window."""

    used: int
    limit: int
    day: str
    earliest: Instant | None
    late: bool

    @property
    def left(self) -> int:
        """How many sends are left that day."""
        return max(0, self.limit - self.used)


def quota(channel: Channel, operation: str, *, at: Instant, scheduled: Instant | None, window_to: Instant) -> Quota | None:
    """Return the quota of the day on which a release made at `at` would go out; None for a withdrawal, which takes none."""
    if operation == "withdraw":
        return None
    sent_at = max(at, scheduled) if scheduled else at
    day = instants.office_day(sent_at)
    used, limit = channel.sent.get(day, 0), daily_limit(channel)
    if used < limit:
        return Quota(used=used, limit=limit, day=day, earliest=None, late=False)
    earliest = next_day(sent_at)
    return Quota(used=used, limit=limit, day=day, earliest=earliest if limit else None, late=not limit or earliest >= window_to)


def next_day(at: Instant) -> Instant:
    """Return when the next day begins in the company's zone."""
    day = instants.to_datetime(at).astimezone(OFFICE_ZONE).date() + timedelta(days=1)
    return instants.from_datetime(datetime.combine(day, time(), OFFICE_ZONE))
