"""静默期: the days on which nothing is published or edited, as the pages show them; the enforcer alone decides by them."""

from __future__ import annotations

from sqlalchemy import select

from gateway.desk.parts import Parts
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.refusals import BlackoutRow


async def upcoming(parts: Parts) -> list[BlackoutRow]:
    """Return the blackouts that are not over, the earliest first."""
    async with parts.sessions() as session:
        return list(await session.scalars(
            select(BlackoutRow).where(BlackoutRow.end > parts.now()).order_by(BlackoutRow.start, BlackoutRow.id)))


def about(rows: list[BlackoutRow], channel: ChannelRow, names: Directory) -> list[BlackoutRow]:
    """Return those of `rows` that cover everything a channel's owner sends there."""
    return [
        row for row in rows
        if row.scope == "all" or row.target == channel.id or (row.scope == "unit" and names.inside(channel.unit, row.target))
    ]
