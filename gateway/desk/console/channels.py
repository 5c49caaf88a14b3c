"""渠道: filing, custodians and operators, credential version and age (never a value), what the platform can do, today's quota."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from sqlalchemy import select

from gateway.desk.console.blackouts import about, upcoming
from gateway.desk.console.page import directory, draw
from gateway.desk.parts import PARTS
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.publications import PublicationRow
from gateway.machine.policy import DAILY_LIMITS
from gateway.protocol import instants
from gateway.protocol.instants import Instant
from gateway.protocol.platforms import offers

OLD_CREDENTIAL_DAYS: Final = 180


def limit(channel: ChannelRow) -> int:
    """Return how many sends a day the channel allows."""
    text = channel.settings.get("daily_limit", "")
    return int(text) if text.isascii() and text.isdigit() else DAILY_LIMITS.get(channel.platform, 0)


def used(channel: ChannelRow, now: Instant) -> int:
    """Return how many sends were made today."""
    return channel.sent if channel.sent_day == instants.office_day(now) else 0


def credential_days(channel: ChannelRow, now: Instant) -> int | None:
    """Return the age in days of the credential in force; None where there is none."""
    if channel.credential_at is None:
        return None
    return int(instants.seconds_between(Instant(channel.credential_at), now) // 86_400)


async def channels(request: web.Request) -> web.Response:
    """Draw the list."""
    now = request.app[PARTS].now()
    names = await directory(request)
    return await draw(
        request, "channels.html", names=names, blackouts=await upcoming(request.app[PARTS]), used=lambda c: used(c, now), limit=limit, age=lambda c: credential_days(c, now), old=OLD_CREDENTIAL_DAYS,
    )


async def channel(request: web.Request) -> web.Response:
    """Draw one channel."""
    parts = request.app[PARTS]
    names = await directory(request)
    row = names.channels.get(request.match_info["channel"])
    if row is None:
        raise web.HTTPNotFound
    now = parts.now()
    async with parts.sessions() as session:
        recent = list(await session.scalars(
            select(PublicationRow).where(PublicationRow.channel == row.id).order_by(PublicationRow.changed_at.desc()).limit(10)))
    operators = [a for a in names.appointments if a.scope == row.id and a.office == "operator" and a.start <= now < a.end]
    return await draw(
        request, "channel.html", names=names, row=row, recent=recent, operators=operators, used=used(row, now), limit=limit(row),
        age=credential_days(row, now), old=OLD_CREDENTIAL_DAYS, capabilities=offers(row.platform),
        blackouts=about(await upcoming(parts), row, names),
    )
