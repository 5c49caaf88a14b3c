"""近30天平均: how long an item of a unit takes from handing in to its release, from what really happened."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from gateway.desk.database import Sessions
from gateway.desk.readmodel.submissions import StageTimeRow
from gateway.protocol import instants
from gateway.protocol.instants import Instant

DAYS: Final = 30
NEWEST: Final = 500


async def average_hours(sessions: Sessions, unit: str, now: Instant) -> int | None:
    """Return the mean in whole hours, at least one, over the newest releases of thirty days; None where nothing was released."""
    since = instants.plus(now, -DAYS * 86_400)
    query = (
        select(StageTimeRow.seconds).where(StageTimeRow.unit == unit, StageTimeRow.at >= since).order_by(StageTimeRow.at.desc()).limit(NEWEST)
    )
    async with sessions() as session:
        seconds = list(await session.scalars(query))
    return max(1, round(sum(seconds) / len(seconds) / 3600)) if seconds else None
