"""被拦截: what was kept from happening, why, and the way to do it properly."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from sqlalchemy import select

from gateway.desk.console.page import directory, draw, keyset
from gateway.desk.drafts.form import DraftForm, TargetForm
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.parts import PARTS, WHO, Who
from gateway.desk.readmodel.directory import Directory, Person
from gateway.desk.readmodel.refusals import RefusalRow
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.protocol import denials, instants

PAGE: Final = 50
OVERSIGHT: Final = ("brand_pr", "brand_pr_head", "auditor", "leader", "founder")


def ask(names: Directory, row: RefusalRow, at: str) -> list[Person]:
    """Return whom to ask: those who could do the missing step, else brand & PR."""
    found: dict[str, Person] = {}
    for stage in row.missing:
        _, _, rest = stage.partition(":")
        office, _, scope = rest.partition(":")
        found.update((person.id, person) for person in names.holders(office, scope, at))
    if not found:
        for office in ("brand_pr", "brand_pr_head"):
            found.update((person.id, person) for person in names.holders(office, names.group, at))
    return list(found.values())


def words_of(row: RefusalRow, lang: str) -> tuple[str, str]:
    """Return what happened and what to do, in the words of the catalogue."""
    known = denials.CATALOGUE.get(row.code)
    if known is None:
        return row.code, ""
    return (known.en, known.en_next) if lang == "en" else (known.zh, known.zh_next)


async def refusals(request: web.Request) -> web.Response:
    """Draw one page: everyone's for brand & PR, leaders and audit, one's own otherwise; the last seven days unless all were asked for."""
    parts, who = request.app[PARTS], request[WHO]
    names = await directory(request)
    days = request.query.get("days", "7")
    query = select(RefusalRow)
    if not who.holds(*OVERSIGHT):
        query = query.where(RefusalRow.actor == who.person)
    if days != "all":
        query = query.where(RefusalRow.at >= instants.plus(parts.now(), -7 * 86_400))
    if (before := keyset(request)) is not None:
        query = query.where(RefusalRow.at < before)
    async with parts.sessions() as session:
        found = list(await session.scalars(query.order_by(RefusalRow.at.desc(), RefusalRow.seq.desc()).limit(PAGE + 1)))
        about = [row.about for row in found if row.about]
        waiting = {row.id for row in await session.scalars(
            select(SubmissionRow).where(SubmissionRow.id.in_(about), SubmissionRow.state.in_(("in_review", "released")))) if row.waiting}
    more = found[PAGE - 1].at if len(found) > PAGE else ""
    return await draw(
        request, "refusals.html", names=names, rows=found[:PAGE], days=days, more=more, words_of=words_of,
        ask=lambda row: ask(names, row, parts.now()), own=lambda row: _own(who, row),
        waiting=waiting, nudged=await parts.nudges.last(*waiting),
    )


def _own(who: Who, row: RefusalRow) -> bool:
    return row.actor == who.person


async def into_submission(request: web.Request) -> web.Response:
    """转为报审: the draft it was about, or a new one on the same channel."""
    parts, who = request.app[PARTS], request[WHO]
    async with parts.sessions() as session:
        row = await session.get(RefusalRow, request.match_info["refusal"])
        draft = await session.get(DraftRow, row.about) if row is not None and row.about else None
    if row is None or row.actor != who.person:
        raise web.HTTPNotFound
    if draft is not None and draft.owner == who.person:
        return web.Response(status=303, headers={"Location": f"/drafts/{draft.id}"})
    targets = [TargetForm(channel=row.channel)] if row.channel else []
    form = DraftForm(title=row.title, targets=targets, author=who.unit_name[:64])
    made, _ = await parts.drafts.make(owner=who.person, unit=who.unit, source="desk", form=form, at=parts.now())
    return web.Response(status=303, headers={"Location": f"/drafts/{made.id}"})
