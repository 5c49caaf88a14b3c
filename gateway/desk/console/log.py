"""存证: 查一条 by link, number, title or id with the verdict first; entries in words; verifying everything; evidence packs."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.desk.console.page import directory, draw, keyset
from gateway.desk.console.submissions import may_read
from gateway.desk.parts import LANG, PARTS, WHO, Who
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.entries import EntryRow
from gateway.desk.readmodel.publications import PublicationRow
from gateway.desk.readmodel.refusals import RefusalRow
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.desk.socket_client import Problem, Unavailable
from gateway.protocol import instants

PAGE: Final = 100
HITS: Final = 20
_ID: Final = re.compile("[a-z]{2,4}_[a-z0-9_]{3,40}")
_JOB: Final = re.compile("[0-9a-f]{8,64}")
NOUNS: Final = ("submission", "decision", "publication", "attempt", "channel", "person", "appointment", "freeze", "blackout", "vault")


async def log_page(request: web.Request) -> web.Response:
    """Draw the page: results where something was asked, else the day's entries."""
    parts = request.app[PARTS]
    names = await directory(request)
    asked = request.query.get("q", "").strip()[:200]
    noun, actor, channel = (request.query.get(key, "") for key in ("noun", "actor", "channel"))
    day = request.query.get("day", "today")
    query = select(EntryRow)
    if noun in NOUNS:
        query = query.where(EntryRow.type.startswith(noun + "."))
    if actor in names.people:
        query = query.where(EntryRow.actor == actor)
    if channel in names.channels:
        query = query.where(EntryRow.channel == channel)
    if day == "today":
        query = query.where(EntryRow.day == instants.office_day(parts.now()))
    before = keyset(request) or ""
    if before.isdigit():
        query = query.where(EntryRow.seq < int(before))
    async with parts.sessions() as session:
        found = list(await session.scalars(query.order_by(EntryRow.seq.desc()).limit(PAGE + 1)))
        hits = await search(session, asked) if asked else []
        numbers = await _numbers(session, {row.thread for row in found[:PAGE] if row.thread})
    hits = [hit for hit in hits if _may(request[WHO], names, hit)]
    more = str(found[PAGE - 1].seq) if len(found) > PAGE else ""
    return await draw(
        request, "log.html", names=names, rows=found[:PAGE], asked=asked, hits=hits, noun=noun, actor=actor, channel=channel, day=day, more=more,
        nouns=NOUNS, numbers=numbers, counts=_counts(hits, asked), looks_like_link=asked.startswith(("http://", "https://")),
    )


async def _numbers(session: AsyncSession, submissions: set[str]) -> dict[str, str]:
    """Return the numbers people know these submissions by."""
    return {row[0]: row[1] for row in await session.execute(select(SubmissionRow.id, SubmissionRow.number).where(SubmissionRow.id.in_(submissions)))}


def _counts(hits: list[dict[str, Any]], asked: str) -> bool:
    return bool(asked) and not hits


def _may(who: Who, names: Directory, hit: dict[str, Any]) -> bool:
    row = hit["row"]
    if hit["kind"] == "publication":
        return bool(row.url) or may_read(who, names, row.author, row.unit)
    if hit["kind"] == "submission":
        return may_read(who, names, row.author, row.unit)
    return True


async def search(session: AsyncSession, asked: str) -> list[dict[str, Any]]:
    """Return publications, submissions and refusals that `asked` names: an address, a number, an id, words of a title or a text."""
    hits: dict[str, dict[str, Any]] = {}

    def add(kind: str, row: Any) -> None:
        if row is not None:
            hits.setdefault(row.id, {"kind": kind, "row": row})

    for row in await session.scalars(select(PublicationRow).where(or_(
        PublicationRow.url == asked, PublicationRow.id == asked, PublicationRow.remote_id == asked, PublicationRow.token == asked)).limit(HITS)):
        add("publication", row)
    for made in await session.scalars(select(SubmissionRow).where(or_(
        SubmissionRow.number == asked, SubmissionRow.id == asked, SubmissionRow.content == asked)).limit(HITS)):
        add("submission", made)
    if _ID.fullmatch(asked):
        add("refusal", await session.get(RefusalRow, asked))
    if not hits or not asked.startswith(("http://", "https://")):
        for kind, ref in await _words(session, asked):
            add(kind, await session.get(PublicationRow if kind == "publication" else SubmissionRow, ref))
    return list(hits.values())[:HITS]


async def _words(session: AsyncSession, asked: str) -> list[tuple[str, str]]:
    """Look words up: the trigram index from three characters on, LIKE over titles below that."""
    if len(asked) >= 3:
        quoted = '"' + asked.replace('"', '""') + '"'
        query = text("SELECT kind, ref FROM search_words WHERE search_words MATCH :words ORDER BY rank LIMIT :n")
        return [(kind, ref) for kind, ref in await session.execute(query, {"words": quoted, "n": HITS})]
    like = "%" + asked.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = await session.execute(
        select(SubmissionRow.id).where(SubmissionRow.title.like(like, escape="\\")).order_by(SubmissionRow.made_at.desc()).limit(HITS))
    sent = await session.execute(
        select(PublicationRow.id).where(PublicationRow.title.like(like, escape="\\")).order_by(PublicationRow.changed_at.desc()).limit(HITS))
    return [*(("publication", row[0]) for row in sent), *(("submission", row[0]) for row in rows)]


async def verify(request: web.Request) -> web.Response:
    """Start hashing the whole log again at the enforcer, and draw its progress."""
    try:
        answer = await request.app[PARTS].socket.post("/v1/verify", {}, session=request[WHO].token, lang=request[LANG])
    except (Problem, Unavailable):
        return await draw(request, "verify.html", job="", state=None)
    return await _progress(request, str(answer["job"]))


async def verify_progress(request: web.Request) -> web.Response:
    """Draw how far the verification is."""
    return await _progress(request, request.match_info["job"])


async def _progress(request: web.Request, job: str) -> web.Response:
    if not _JOB.fullmatch(job):
        raise web.HTTPNotFound
    try:
        state = await request.app[PARTS].socket.get(f"/v1/verify/{job}", lang=request[LANG])
    except (Problem, Unavailable):
        state = None
    return await draw(request, "verify.html", job=job, state=state)


async def export(request: web.Request) -> web.StreamResponse:
    """Hand on the evidence pack about one id."""
    data = await request.post()
    identifier = str(data.get("id", ""))
    if not _ID.fullmatch(identifier):
        raise web.HTTPNotFound
    try:
        async with request.app[PARTS].socket.export(identifier, session=request[WHO].token, lang=request[LANG]) as answer:
            response = web.StreamResponse(headers={
                "Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="qianfa-{identifier}.zip"',
            })
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(1 << 16):
                await response.write(chunk)
            await response.write_eof()
            return response
    except Problem as problem:
        return await draw(request, "problem.html", status=problem.status, problem=problem.body, back="/log")
    except Unavailable:
        return await draw(request, "unavailable.html", status=503, back="/log")


