"""稿件: a person's drafts and where they stand, and what their unit has handed in."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from sqlalchemy import select, tuple_

from gateway.desk.console.page import counters, directory, draw, keyset
from gateway.desk.drafts.form import DraftForm
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.parts import PARTS, WHO
from gateway.desk.readmodel.submissions import SubmissionRow

PAGE: Final = 50
UNFINISHED: Final = ("draft", "in_review", "returned", "recalled", "expired", "released")
STATES: Final = (*UNFINISHED, "done", "cancelled")


async def draft_list(request: web.Request) -> web.Response:
    """Draw one page of the list; `view` is mine (unfinished), all (mine) or unit."""
    parts, who = request.app[PARTS], request[WHO]
    view = request.query.get("view", "mine")
    names = await directory(request)
    query = select(DraftRow, SubmissionRow).join(SubmissionRow, SubmissionRow.id == DraftRow.submission, isouter=True)
    if view == "unit":
        query = query.where(DraftRow.unit == who.unit, DraftRow.submission.is_not(None))
    else:
        query = query.where(DraftRow.owner == who.person)
        if view != "all":
            query = query.where(DraftRow.state.in_(UNFINISHED))
    if (before := keyset(request)) is not None:
        at, _, identifier = before.partition("~")
        query = query.where(tuple_(DraftRow.changed_at, DraftRow.id) < (at, identifier))
    async with parts.sessions() as session:
        found = (await session.execute(query.order_by(DraftRow.changed_at.desc(), DraftRow.id.desc()).limit(PAGE + 1))).all()
    rows = [(draft, submission) for draft, submission in found[:PAGE]]
    numbers = await counters(parts, *(f"drafts:{who.person}:{state}" for state in STATES))
    count = {"mine": sum(numbers[f"drafts:{who.person}:{state}"] for state in UNFINISHED), "all": sum(numbers.values())}
    more = f"{rows[-1][0].changed_at}~{rows[-1][0].id}" if len(found) > PAGE else ""
    return await draw(request, "drafts.html", names=names, rows=rows, view=view, count=count, more=more)


async def make_draft(request: web.Request) -> web.Response:
    """Make an empty draft, by this person, and open it."""
    parts, who = request.app[PARTS], request[WHO]
    form = DraftForm(author=who.unit_name[:64])
    row, _ = await parts.drafts.make(owner=who.person, unit=who.unit, source="desk", form=form, at=parts.now())
    return web.Response(status=303, headers={"Location": f"/drafts/{row.id}"})
