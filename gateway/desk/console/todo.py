"""待办: what waits for this person, grouped by how it can be decided; each item opens at the counter."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from aiohttp import web
from sqlalchemy import and_, or_, select, tuple_

from gateway.desk.console.page import counters, directory, draw
from gateway.desk.console.schedule import reads, today
from gateway.desk.parts import PARTS, WHO, Parts, Who
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.publications import PublicationRow
from gateway.desk.readmodel.refusals import FreezeRow
from gateway.desk.readmodel.submissions import EFFECTIVE, SubmissionRow, WaitingRow
from gateway.protocol import instants

LIMIT: Final = 200
OWN_LIMIT: Final = 20
EMERGENCY_DAYS: Final = 7
TROUBLE: Final = ("unknown", "missed", "rejected", "abandoned", "absent", "stopped")


def together(row: SubmissionRow, earlier: Collection[str]) -> bool:
    """Return whether it may be signed in a list, as the counter judges: ordinary, nothing to confirm, no fact that a check added, no part out before.

    `earlier` are the submissions of which an earlier revision took effect somewhere.
    """
    sensitive = row.facts.get("sensitive") is not False
    withdrawing = any(target["operation"] == "withdraw" for target in row.targets)
    return not (sensitive or row.emergency or withdrawing or row.findings["confirm"] or row.facts.get("found") or row.id in earlier)


def frozen(row: SubmissionRow, freezes: Sequence[FreezeRow]) -> bool:
    """Return whether a freeze in force keeps a part of it from going out, as the counter groups it."""
    held = {row.id, row.unit, *(target["channel"] for target in row.targets)}
    return any(freeze.scope == "all" or freeze.target in held for freeze in freezes)


async def queue(parts: Parts, who: Who, names: Directory) -> list[SubmissionRow]:
    """Return the submissions that wait for an office this person holds now, the earliest due first."""
    now = parts.now()
    held = [(a.office, a.scope) for a in names.appointments if a.person == who.person and a.start <= now < a.end]
    known = names.people.get(who.person)
    if not held or (known is not None and known.suspended):
        return []
    query = (
        select(SubmissionRow, WaitingRow.stage).join(WaitingRow, WaitingRow.submission == SubmissionRow.id)
        .where(tuple_(WaitingRow.office, WaitingRow.scope).in_(held)).order_by(WaitingRow.window_to, SubmissionRow.id).limit(LIMIT)
    )
    async with parts.sessions() as session:
        found = (await session.execute(query)).all()
    rows: dict[str, SubmissionRow] = {}
    for row, stage_id in found:
        stage = next((stage for stage in row.stages if stage["id"] == stage_id), None)
        if stage is not None and any(p.id == who.person for p in names.stage_people(stage, now, row.author)):
            rows.setdefault(row.id, row)
    return list(rows.values())


async def partly_out(parts: Parts, rows: Sequence[SubmissionRow]) -> set[str]:
    """Return those of which an earlier revision took effect on some channel."""
    revised = [row.id for row in rows if row.revision > 1]
    if not revised:
        return set()
    query = select(PublicationRow.submission).where(PublicationRow.submission.in_(revised), PublicationRow.state.in_(EFFECTIVE)).distinct()
    async with parts.sessions() as session:
        return set(await session.scalars(query))


async def own(parts: Parts, person: str, *states: str) -> list[SubmissionRow]:
    """Return a person's own submissions in these states, the newest first."""
    query = (
        select(SubmissionRow).where(SubmissionRow.author == person, SubmissionRow.state.in_(states)).order_by(SubmissionRow.made_at.desc())
        .limit(OWN_LIMIT)
    )
    async with parts.sessions() as session:
        return list(await session.scalars(query))


async def pending(parts: Parts, person: str) -> list[SubmissionRow]:
    """Return a person's own submissions that wait for somebody: under review, or released in part or once and to be released again."""
    waits = and_(SubmissionRow.state == "released", SubmissionRow.id.in_(select(WaitingRow.submission)))
    query = (
        select(SubmissionRow).where(SubmissionRow.author == person, or_(SubmissionRow.state == "in_review", waits))
        .order_by(SubmissionRow.made_at.desc()).limit(OWN_LIMIT)
    )
    async with parts.sessions() as session:
        return list(await session.scalars(query))


async def trouble(parts: Parts, who: Who) -> list[PublicationRow]:
    """Return sends that a person must look at: one's own, and everyone's for brand & PR."""
    query = select(PublicationRow).where(or_(PublicationRow.state.in_(TROUBLE), PublicationRow.drift != ""))
    if not who.holds("brand_pr", "brand_pr_head"):
        query = query.where(PublicationRow.author == who.person)
    async with parts.sessions() as session:
        return list(await session.scalars(query.order_by(PublicationRow.changed_at.desc()).limit(OWN_LIMIT)))


async def emergencies(parts: Parts) -> list[SubmissionRow]:
    """Return the emergency withdrawals of the last week, the newest first: announced to everyone (regulation article 19)."""
    since = instants.plus(parts.now(), -EMERGENCY_DAYS * 86_400)
    query = select(SubmissionRow).where(SubmissionRow.emergency, SubmissionRow.made_at >= since).order_by(SubmissionRow.made_at.desc()).limit(OWN_LIMIT)
    async with parts.sessions() as session:
        return list(await session.scalars(query))


async def todo(request: web.Request) -> web.Response:
    """Draw the page."""
    parts, who = request.app[PARTS], request[WHO]
    names = await directory(request)
    waiting = await queue(parts, who, names)
    async with parts.sessions() as session:
        freezes = list(await session.scalars(select(FreezeRow)))
    free = [row for row in waiting if not frozen(row, freezes)]
    earlier = await partly_out(parts, free)
    reviewing = await pending(parts, who.person)
    decided = f"decided:{who.person}:{instants.office_day(parts.now())}"
    return await draw(
        request, "todo.html", names=names,
        groups=[("todo.together", [row for row in free if together(row, earlier)]), ("todo.single", [row for row in free if not together(row, earlier)]),
                ("todo.frozen", [row for row in waiting if frozen(row, freezes)])],
        waiting=len(waiting), returned=await own(parts, who.person, "returned", "expired"),
        reviewing=reviewing, nudged=await parts.nudges.last(*(row.id for row in reviewing)), trouble=await trouble(parts, who),
        emergencies=await emergencies(parts), day=await today(parts, names) if who.holds("brand_pr", "brand_pr_head") else None,
        may=lambda booking: reads(who, names, booking), done_today=(await counters(parts, decided))[decided],
    )
