"""One submission: where it stands, its timeline, its notes, and what its author may do now."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.desk.console.notes import read_notes
from gateway.desk.console.page import caught_up, directory, draw
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.notify.nudges import awaited
from gateway.desk.parts import LANG, PARTS, WHO, Parts, Who
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.entries import EntryRow
from gateway.desk.readmodel.projection import TextRow
from gateway.desk.readmodel.publications import OPEN, PublicationRow
from gateway.desk.readmodel.submissions import EFFECTIVE, DecisionRow, SubmissionRow
from gateway.desk.socket_client import Problem, Unavailable
from gateway.protocol.entries import EntryType

QUIET: Final = (EntryType.PUBLICATION_HANDLE,)
READERS: Final = ("leader", "brand_pr", "brand_pr_head", "auditor", "founder")
ACTS: Final = frozenset({"recall", "cancel", "renew"})
STOPPABLE: Final = frozenset({"held", "intended", "prepared"})


def may_read(who: Who, names: Directory, author: str, unit: str) -> bool:
    """Return whether a person may read what is not public yet: author, unit and its heads, the channel's operators, leaders, brand & PR, audit."""
    if who.person == author or who.unit == unit or who.holds(*READERS):
        return True
    return any(office == "unit_head" and names.inside(unit, scope) for office, scope in who.offices)


async def find(request: web.Request, identifier: str, names: Directory) -> SubmissionRow | None:
    """Return a submission that this person may read, None where the read model does not have it (yet); an emergency is announced to all.

    Raises:
        HTTPNotFound: it is not theirs to read.
    """
    async with request.app[PARTS].sessions() as session:
        row = await session.get(SubmissionRow, identifier)
    if row is not None and not (row.emergency or may_read(request[WHO], names, row.author, row.unit)):
        raise web.HTTPNotFound
    return row


def steps(row: SubmissionRow, decisions: Sequence[DecisionRow]) -> list[dict[str, Any]]:
    """Return the route with what was signed: each stage with its decision or none, and whether it is its turn."""
    signed = {decision.stage: decision for decision in decisions if decision.revision == row.revision and decision.standing}
    return [{"stage": stage, "decision": signed.get(stage["id"]), "turn": stage["id"] in row.waiting} for stage in row.stages]


def standing(row: SubmissionRow) -> dict[str, list[str]]:
    """Return the newest revision's channels by how far they are: those that wait, that are released and could be stopped, being sent, or out."""
    found: dict[str, list[str]] = {"waits": [], "held": [], "sending": [], "out": []}
    for target in row.targets:
        state = row.publications.get(target["channel"], ["", ""])[1]
        kind = "out" if state in EFFECTIVE else "held" if state in STOPPABLE else "sending" if state in OPEN else "waits"
        found[kind].append(target["channel"])
    return found


def allowed(row: SubmissionRow, who: Who) -> list[str]:
    """Return what the author may do now; the enforcer judges again."""
    now = standing(row)
    if row.author != who.person or row.emergency:
        return []
    recall = ["recall"] if now["waits"] and row.state in {"in_review", "released", "expired"} else []
    if now["held"] or now["sending"] or row.state == "released":
        return recall
    if row.state == "expired":
        return ["renew", *recall, "cancel"]
    return [*recall, "cancel"] if row.state in {"in_review", "returned", "recalled"} else []


async def submission(request: web.Request) -> web.Response:
    """Draw the page."""
    parts, who, identifier = request.app[PARTS], request[WHO], request.match_info["submission"]
    current = await caught_up(request)
    names = await directory(request)
    row = await find(request, identifier, names)
    if row is None:
        if current:
            raise web.HTTPNotFound
        return await draw(request, "arriving.html", names=names, identifier=identifier)
    async with parts.sessions() as session:
        decisions = list(await session.scalars(select(DecisionRow).where(DecisionRow.submission == row.id).order_by(DecisionRow.seq)))
        timeline = list(await session.scalars(
            select(EntryRow).where(EntryRow.thread == row.id, EntryRow.type.not_in(QUIET)).order_by(EntryRow.seq).limit(500)))
        sends = list(await session.scalars(select(PublicationRow).where(PublicationRow.submission == row.id).order_by(PublicationRow.seq)))
        comments = {d.seq: text.text for d in decisions if d.comment and (text := await session.get(TextRow, d.comment)) is not None}
        message = await session.get(TextRow, row.message) if row.message else None
        draft = await session.get(DraftRow, row.draft)
    notes = await read_notes(parts.socket, row.returned if row.state == "returned" else None)
    return await draw(
        request, "submission.html", names=names, row=row, steps=steps(row, decisions), timeline=timeline, sends=sends, comments=comments,
        message=message.text if message is not None else "", notes=notes, acts=allowed(row, who), current=current, command=secrets.token_hex(16),
        draft=draft if draft is not None and draft.owner == who.person else None, problem=None, standing=standing(row),
        nudge=(await parts.nudges.last(row.id)).get(row.id), can_nudge=bool(row.waiting) and bool(awaited(row, names, parts.now(), apart_from=who.person)),
    )


async def act(request: web.Request) -> web.StreamResponse:
    """撤回, 取消 or 续期 by the author; the enforcer decides."""
    parts, who, identifier, what = request.app[PARTS], request[WHO], request.match_info["submission"], request.match_info["act"]
    data = await request.post()
    command = str(data.get("command", ""))
    if what not in ACTS or not re.fullmatch("[0-9a-f]{32}", command):
        raise web.HTTPNotFound
    try:
        answer = await parts.socket.post(
            f"/v1/{what}", {"command": command, "submission": identifier}, session=who.token, lang=request[LANG],
        )
    except Problem as problem:
        return await draw(request, "problem.html", status=problem.status, problem=problem.body, back=f"/submissions/{identifier}")
    except Unavailable:
        return await draw(request, "unavailable.html", status=503, back=f"/submissions/{identifier}")
    await parts.follower.reached(answer["seq"])
    return web.Response(status=303, headers={"Location": f"/submissions/{identifier}?after={answer['seq']}"})


async def sent_for(session: AsyncSession, row: SubmissionRow) -> list[PublicationRow]:
    """Return the newest publication of each channel: of this revision, and what took effect in an earlier one; in order of their release."""
    query = select(PublicationRow).where(PublicationRow.submission == row.id).order_by(PublicationRow.released_at, PublicationRow.seq)
    sent = [one for one in await session.scalars(query) if one.revision == row.revision or one.state in EFFECTIVE]
    return list({one.channel: one for one in sent}.values())


async def listing(parts: Parts, person: str, limit: int, before: str | None) -> list[SubmissionRow]:
    """Return a person's submissions, newest first, after the key `before` (an instant)."""
    query = select(SubmissionRow).where(SubmissionRow.author == person)
    if before is not None:
        query = query.where(SubmissionRow.made_at < before)
    async with parts.sessions() as session:
        return list(await session.scalars(query.order_by(SubmissionRow.made_at.desc(), SubmissionRow.id.desc()).limit(limit)))
