"""组织与任职: the tree with people and their offices, 缺口, and changes that wait for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from sqlalchemy import select

from gateway.desk.console.page import directory, draw
from gateway.desk.parts import PARTS
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.people import ProposalRow
from gateway.protocol import instants
from gateway.protocol.instants import NEVER, Instant

SOON_DAYS: Final = 30
RELEASERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One 缺口: a key of words, what it is about, and until when where that matters."""

    key: str
    about: str
    until: str = ""


def gaps(names: Directory, now: Instant) -> list[Gap]:
    """Return what the organisation lacks: units without a head, too few releasers, channels without operators or custodians, ends to come."""
    found = [
        Gap(key="gap.no_head", about=unit.name) for unit in names.units.values()
        if unit.kind == "subsidiary" and not names.holders("unit_head", unit.id, now)
    ]
    releasers = {p.id for office in ("brand_pr", "brand_pr_head") for p in names.holders(office, names.group, now)}
    if len(releasers) < RELEASERS:
        found.append(Gap(key="gap.releasers", about=str(len(releasers))))
    if not names.holders("leader", names.group, now):
        found.append(Gap(key="gap.no_leader", about=""))
    for channel in names.channels.values():
        if channel.level == "own" and not names.holders("operator", channel.id, now):
            found.append(Gap(key="gap.no_operator", about=channel.name))
        if len(channel.custodians) < 2:
            found.append(Gap(key="gap.custodians", about=channel.name))
        if channel.credential_version is None:
            found.append(Gap(key="gap.no_credential", about=channel.name))
    soon = instants.plus(now, SOON_DAYS * 86_400)
    ending = [held for held in names.appointments if held.start <= now < held.end <= soon and held.end != NEVER]
    return found + [Gap(key="gap.ending", about=names.name(held.person), until=held.end) for held in ending]


def tree(names: Directory, now: Instant) -> list[dict[str, Any]]:
    """Return the units in the order of the tree, each with its depth, its people and the offices they hold now or will."""
    children: dict[str | None, list[str]] = {}
    for unit in sorted(names.units.values(), key=lambda unit: (unit.kind != "group", unit.name)):
        children.setdefault(unit.parent, []).append(unit.id)
    held: dict[str, list[Any]] = {}
    for appointment in names.appointments:
        if appointment.end > now:
            held.setdefault(appointment.person, []).append(appointment)
    rows: list[dict[str, Any]] = []

    def walk(unit: str, depth: int) -> None:
        people = [person for person in names.people.values() if person.unit == unit]
        rows.append({"unit": names.units[unit], "depth": min(depth, 6), "people": [(p, held.get(p.id, [])) for p in people]})
        for child in children.get(unit, []):
            walk(child, depth + 1)

    for root in children.get(None, []):
        walk(root, 0)
    return rows


async def people(request: web.Request) -> web.Response:
    """Draw the page."""
    parts = request.app[PARTS]
    names = await directory(request)
    now = parts.now()
    async with parts.sessions() as session:
        proposals = list(await session.scalars(select(ProposalRow).where(ProposalRow.until > now).order_by(ProposalRow.at)))
    return await draw(request, "people.html", names=names, rows=tree(names, now), gaps=gaps(names, now), proposals=proposals, never=NEVER)
