"""发布: what was released, sent and is public; each with what stands behind it, and the way to correct or take it down."""

from __future__ import annotations

from typing import Any, Final, Literal

from aiohttp import web
from sqlalchemy import select, tuple_

from gateway.content import Content, NotContent
from gateway.desk.console.blackouts import upcoming
from gateway.desk.console.chart import weekly
from gateway.desk.console.editor import article_frame
from gateway.desk.console.page import caught_up, counters, directory, draw, keyset, words
from gateway.desk.console.submissions import QUIET, may_read, steps
from gateway.desk.drafts.form import DraftForm, FactsForm, SourceForm, TargetForm
from gateway.desk.parts import LANG, PARTS, WHO
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.entries import EntryRow
from gateway.desk.readmodel.publications import OPEN, PublicationRow, week_of
from gateway.desk.readmodel.refusals import FreezeRow
from gateway.desk.readmodel.submissions import DecisionRow, SubmissionRow
from gateway.desk.socket_client import Problem, Unavailable
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from gateway.protocol.platforms import offers

PAGE: Final = 50
WEEKS: Final = 8
GROUPS: Final = {
    "way": tuple(sorted(OPEN)), "live": ("live",), "trouble": ("unknown", "missed", "rejected", "absent", "abandoned", "stopped"),
    "past": ("gone", "withdrawn", "replaced"),
}
COUNTER_ACTS: Final = {"held": "stop", "unknown": "settle", "missed": "release", "rejected": "release", "absent": "release",
                       "abandoned": "release", "stopped": "release"}


REVISIONS: Final[dict[str, Literal["edit", "withdraw"]]] = {"correct": "edit", "withdraw": "withdraw"}


async def publications(request: web.Request) -> web.Response:
    """Draw one page of the list, the last seven days unless everything was asked for."""
    parts = request.app[PARTS]
    names = await directory(request)
    state, channel, days = request.query.get("state", ""), request.query.get("channel", ""), request.query.get("days", "7")
    query = select(PublicationRow)
    if state in GROUPS:
        query = query.where(PublicationRow.state.in_(GROUPS[state]))
    if channel in names.channels:
        query = query.where(PublicationRow.channel == channel)
    if days != "all":
        query = query.where(PublicationRow.changed_at >= instants.plus(parts.now(), -7 * 86_400))
    if (before := keyset(request)) is not None:
        at, _, identifier = before.partition("~")
        query = query.where(tuple_(PublicationRow.changed_at, PublicationRow.id) < (at, identifier))
    async with parts.sessions() as session:
        found = list(await session.scalars(query.order_by(PublicationRow.changed_at.desc(), PublicationRow.id.desc()).limit(PAGE + 1)))
        freezes = list(await session.scalars(select(FreezeRow).order_by(FreezeRow.at)))
    more = f"{found[PAGE - 1].changed_at}~{found[PAGE - 1].id}" if len(found) > PAGE else ""
    return await draw(
        request, "publications.html", names=names, rows=found[:PAGE], state=state, channel=channel, days=days, more=more, freezes=freezes,
        blackouts=await upcoming(parts), chart=await _chart(request),
    )


async def _chart(request: web.Request) -> dict[str, Any]:
    parts = request.app[PARTS]
    weeks = [week_of(instants.plus(parts.now(), -7 * 86_400 * back)) for back in range(WEEKS - 1, -1, -1)]
    found = await counters(parts, *(f"week:{week}:{what}" for week in weeks for what in ("published", "refused")))
    rows = [(week, found[f"week:{week}:published"], found[f"week:{week}:refused"]) for week in weeks]
    t = words(request)
    titles = t("chart.published"), t("chart.refused")
    return {"svg": weekly(rows, *titles), "short": weekly(rows[-WEEKS // 2:], *titles, "short"), "rows": rows, "any": any(p or r for _, p, r in rows)}


async def publication(request: web.Request) -> web.Response:
    """Draw one publication: verdict first, then approved against public, steps, the token, people, log numbers."""
    parts, who, identifier = request.app[PARTS], request[WHO], request.match_info["publication"]
    current = await caught_up(request)
    names = await directory(request)
    async with parts.sessions() as session:
        row = await session.get(PublicationRow, identifier)
        if row is None or not (row.url or may_read(who, names, row.author, row.unit)):
            raise web.HTTPNotFound
        submission = await session.get(SubmissionRow, row.submission)
        decisions = list(await session.scalars(select(DecisionRow).where(DecisionRow.submission == row.submission).order_by(DecisionRow.seq)))
        timeline = list(await session.scalars(select(EntryRow).where(EntryRow.object == row.id, EntryRow.type.not_in(QUIET)).order_by(EntryRow.seq).limit(500)))
        previous = await session.get(PublicationRow, row.previous) if row.previous else None
        following = list(await session.scalars(
            select(PublicationRow).where(PublicationRow.channel == row.channel, PublicationRow.previous == row.id)))
    dispatched = next((entry.at for entry in timeline if entry.type == EntryType.PUBLICATION_DISPATCHED), "")
    return await draw(
        request, "publication.html", names=names, row=row, submission=submission, steps=steps(submission, decisions) if submission else [],
        timeline=timeline, previous=previous, following=following, dispatched=dispatched, current=current,
        correctable=_correctable(names.channels.get(row.channel)), counter_act=COUNTER_ACTS.get(row.state), may_write=may_read(who, names, row.author, row.unit),
    )


def _correctable(channel: ChannelRow | None) -> bool:
    return channel is not None and offers(channel.platform).get("edit", False)


async def revise(request: web.Request) -> web.Response:
    """更正 or 撤稿: a new draft that names what is live now."""
    parts, who, t = request.app[PARTS], request[WHO], words(request)
    operation = REVISIONS.get(request.match_info["act"])
    names = await directory(request)
    async with parts.sessions() as session:
        row = await session.get(PublicationRow, request.match_info["publication"])
        submission = await session.get(SubmissionRow, row.submission) if row is not None else None
    if operation is None or row is None or row.state != "live" or not may_read(who, names, row.author, row.unit):
        raise web.HTTPNotFound
    target = TargetForm(channel=row.channel, operation=operation, previous=row.id)
    facts = dict(submission.facts) if submission is not None else {}
    form = DraftForm(
        title=row.title if operation == "edit" else t("withdraw.title", title=row.title), targets=[target],
        facts=FactsForm(**{key: facts[key] for key in FactsForm.model_fields if key in facts}), author=who.unit_name[:64],
    )
    html = ""
    if operation == "edit" and row.content is not None:
        form, html = await _from_content(request, form, row.content)
    made, _ = await parts.drafts.make(owner=who.person, unit=who.unit, source="desk", form=form, at=parts.now(), html=html)
    if operation == "edit" and row.content is not None:
        await _take_pictures(request, made.id, row.content)
    return web.Response(status=303, headers={"Location": f"/drafts/{made.id}"})


async def _content(request: web.Request, digest: str) -> Content:
    try:
        return Content.parse(await request.app[PARTS].socket.blob(digest))
    except (Problem, Unavailable, NotContent) as error:
        raise web.HTTPServiceUnavailable from error


async def _from_content(request: web.Request, form: DraftForm, digest: str) -> tuple[DraftForm, str]:
    content = await _content(request, digest)
    cover = content.cover()
    filled = form.model_copy(update={
        "title": content.title, "summary": content.summary, "author": content.author,
        "source": SourceForm(kind=content.source.kind, name=content.source.name, url=content.source.url),  # type: ignore[arg-type] # one of the kinds, by format
        "cover": cover.sha256 if cover is not None else None,
    })
    return filled, content.body


async def _take_pictures(request: web.Request, draft: str, digest: str) -> None:
    """Give the new draft its own copies of the pictures; they are normal already and keep their digests."""
    parts = request.app[PARTS]
    for item in (await _content(request, digest)).media:
        data = await parts.socket.blob(item.sha256)
        await parts.drafts.adopt_picture(draft, item, data)


async def content_preview(request: web.Request) -> web.Response:
    """Return an approved content as a document without scripts, for the frame beside what is public."""
    parts, who = request.app[PARTS], request[WHO]
    digest = request.match_info["digest"]
    names = await directory(request)
    async with parts.sessions() as session:
        row = await session.scalar(select(PublicationRow).where(PublicationRow.content == digest, PublicationRow.url != "").limit(1))
        made = await session.scalars(select(SubmissionRow).where(SubmissionRow.content == digest).limit(20))
        readable = row is not None or any(may_read(who, names, item.author, item.unit) for item in made)
    if not readable:
        raise web.HTTPNotFound
    content = await _content(request, digest)
    body = content.body.replace('src="media:', f'src="/contents/{digest}/')
    return article_frame(f"<h2>{_text(content.title)}</h2>{body}", request[LANG])


def _text(words_: str) -> str:
    return words_.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def content_picture(request: web.Request) -> web.Response:
    """Return one picture of an approved content that the person may read."""
    await content_preview(request)
    content = await _content(request, request.match_info["digest"])
    item = next((item for item in content.media if item.sha256 == request.match_info["picture"]), None)
    if item is None:
        raise web.HTTPNotFound
    try:
        data = await request.app[PARTS].socket.blob(item.sha256)
    except (Problem, Unavailable) as error:
        raise web.HTTPServiceUnavailable from error
    return web.Response(body=data, content_type=item.type, headers={
        "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=86400, immutable",
    })
