"""What the API's operations do; who asks is in the request, what they ask has been parsed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway import canonical
from gateway.content import Media, NotContent
from gateway.desk.api import models
from gateway.desk.api.origins import remember_origin
from gateway.desk.api.problems import ApiRefused
from gateway.desk.console import nudging
from gateway.desk.console.channels import limit, used
from gateway.desk.console.notes import read_notes
from gateway.desk.console.page import directory, keyset
from gateway.desk.console.submissions import listing, may_read, sent_for
from gateway.desk.drafts.form import DraftForm, SaveForm
from gateway.desk.drafts.handing_in import Look, NotReady, content_of
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.notify.nudges import NotNudged, Nudge, NudgeReused
from gateway.desk.parts import LANG, PARTS, WHO
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.publications import PublicationRow
from gateway.desk.readmodel.release_times import average_hours
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.desk.security import UPLOAD_LIMIT
from gateway.desk.session import RECENT, remember
from gateway.desk.socket_client import SessionEnded, Unavailable
from gateway.protocol.platforms import offers

PAGE = 20
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp"})


async def pair(request: web.Request, body: models.PairBody) -> models.Session:
    """Exchange the counter's pairing code for a device session."""
    parts = request.app[PARTS]
    try:
        answer = await parts.socket.post("/v1/session/pair", body.model_dump(), lang=request[LANG])
    except SessionEnded as error:
        raise ApiRefused(401, "session_gone") from error
    await remember(parts, answer, answer["session"])
    await remember_origin(request)
    return models.Session(session=answer["session"], person=answer["person"], name=answer["name"])


async def unpair(request: web.Request, _body: None) -> models.Ended:
    """End this device's session, here and at the enforcer."""
    parts, token = request.app[PARTS], request[WHO].token
    await parts.socket.post("/v1/session/end", {}, session=token)
    request.app[RECENT].drop(token)
    return models.Ended()


async def me(request: web.Request, _body: None) -> models.Me:
    """Say who the session belongs to, and whether things can be signed now."""
    who, follower = request[WHO], request.app[PARTS].follower
    names = await directory(request)
    state = "unreachable" if not (follower.reachable and who.asked) else "sealed" if follower.sealed else "ok"
    offices = [{"office": office, "scope": scope, "words": names.office(office, request[LANG])} for office, scope in who.offices]
    return models.Me(
        person=who.person, name=who.name, title=who.title, unit=who.unit, unit_name=who.unit_name, offices=offices, lang=request[LANG],
        state=state,  # type: ignore[arg-type] # one of the three
    )


async def channels(request: web.Request, _body: None) -> models.Channels:
    """List the channels this person may use; `account` is what the extension recognises on a platform's page."""
    who, now = request[WHO], request.app[PARTS].now()
    names = await directory(request)
    usable = [row for row in names.channels.values() if row.level == "company" or names.inside(who.unit, row.unit)]
    return models.Channels(channels=[
        models.Channel(
            id=row.id, platform=row.platform, account=row.account, name=row.name, unit=row.unit, level=row.level, filing=row.filing,
            capabilities=offers(row.platform), used=used(row, now), limit=limit(row),
        ) for row in usable
    ])


async def make_draft(request: web.Request, body: models.NewDraftBody) -> models.Draft:
    """Keep a captured draft; a repeated command gives the first one back."""
    parts, who = request.app[PARTS], request[WHO]
    value = body.model_dump(mode="json")
    form = DraftForm.model_validate({key: value[key] for key in DraftForm.model_fields})
    row, new = await parts.drafts.make(
        owner=who.person, unit=who.unit, source="extension", form=form, at=parts.now(),
        command=(body.command, canonical.digest({key: item for key, item in value.items() if key != "command"})),
    )
    if not new or not body.html:
        kept = DraftForm.model_validate(row.form)
        return models.Draft(draft=row.id, version=row.version, state=row.state, at=row.changed_at, removed=[], needed=[], kept=kept)
    save = SaveForm.model_validate({**form.value(), "version": row.version, "html": body.html})
    return await _save(request, row.id, save)


async def save_draft(request: web.Request, body: SaveForm) -> models.Draft:
    """Keep a new version."""
    return await _save(request, request.match_info["draft"], body)


async def _save(request: web.Request, draft: str, save: SaveForm) -> models.Draft:
    parts, who = request.app[PARTS], request[WHO]
    done = await parts.drafts.save(draft, who.person, save, parts.now())
    removed: list[dict[str, Any]] = [
        {"kind": r.kind, "what": r.what, "before": r.before, "after": r.after, "where": r.where, "count": r.count} for r in done.removed
    ]
    row = await parts.drafts.get(draft, who.person)
    digest, manifest = _content(row, await parts.drafts.pictures(draft))
    return models.Draft(
        draft=draft, version=done.version, state=row.state, at=done.at, removed=removed, needed=list(done.needed), content=digest, manifest=manifest,
        kept=DraftForm.model_validate(row.form),
    )


def _content(row: DraftRow, pictures: Mapping[canonical.Digest, Media]) -> tuple[str | None, dict[str, Any] | None]:
    """Return digest and manifest of what the draft would be, or nothing where it is no valid content yet."""
    content = content_of(row, pictures)
    try:
        return content.digest(), content.manifest()
    except NotContent:
        return None, None


async def add_picture(request: web.Request, _body: None) -> models.Picture:
    """Take a picture as raw bytes."""
    parts, who = request.app[PARTS], request[WHO]
    if request.content_type not in _PICTURES:
        raise ApiRefused(415, "media_type")
    if (request.content_length or 0) > UPLOAD_LIMIT:
        raise ApiRefused(413, "too_large")
    made = await parts.drafts.add_picture(request.match_info["draft"], who.person, await request.read(), request.content_type)
    data = base64.b64encode(made.data).decode()
    return models.Picture(digest=made.sha256, width=made.width, height=made.height, notes=list(made.notes), data=data)


def _look(look: Look, average: int | None) -> models.Look:
    return models.Look(
        ok=look.answered and not look.blocking, answered=look.answered, blocking=look.blocking, route=look.route, findings=look.findings,
        obstacles=look.obstacles, gaps=look.gaps, quotas=look.quotas, blackouts=look.blackouts, window_to=look.window_to,
        average_hours=average,
    )


async def preflight(request: web.Request, body: models.DraftBody) -> models.Look:
    """Say what would happen if the draft were handed in now."""
    parts, who = request.app[PARTS], request[WHO]
    draft = await parts.drafts.get(body.draft, who.person)
    names = await directory(request)
    look = await parts.handing_in.look(draft, names.channels, session=who.token, lang=request[LANG], now=parts.now())
    return _look(look, await average_hours(parts.sessions, who.unit, parts.now()))


async def submit(request: web.Request, body: models.SubmitBody) -> models.Submitted:
    """Hand a draft in, in the version that was looked at."""
    parts, who = request.app[PARTS], request[WHO]
    draft = await parts.drafts.get(body.draft, who.person)
    if draft.version != body.version:
        raise ApiRefused(409, "stale", version=draft.version, at=draft.changed_at)
    names = await directory(request)
    try:
        if parts.follower.reading_again:  # until it is read, a draft that was handed in looks as if it never was
            raise Unavailable("the log is being read again")
        answer = await parts.handing_in.submit(
            draft, names.channels, session=who.token, command=body.command, lang=request[LANG], now=parts.now(), source=_source(draft),
            expected=body.expected,
        )
    except NotReady as error:
        raise ApiRefused(422, "not_ready", look=_look(error.look, None).model_dump(mode="json")) from error
    await parts.follower.reached(answer["seq"])
    return models.Submitted(submission=answer["submission"], number=answer["number"], seq=answer["seq"])


def _source(draft: DraftRow) -> str:
    return draft.source if draft.source in {"desk", "extension", "api"} else "api"


async def submissions(request: web.Request, _body: None) -> models.Submissions:
    """List one's own submissions."""
    parts, who = request.app[PARTS], request[WHO]
    names = await directory(request)
    rows = await listing(parts, who.person, PAGE + 1, keyset(request))
    made = [await _submission(request, names, row) for row in rows[:PAGE]]
    return models.Submissions(submissions=made, before=rows[PAGE - 1].made_at if len(rows) > PAGE else None)


async def submission(request: web.Request, _body: None) -> models.Submission:
    """Show one submission."""
    parts = request.app[PARTS]
    names = await directory(request)
    async with parts.sessions() as session:
        row = await session.get(SubmissionRow, request.match_info["submission"])
    if row is None or not may_read(request[WHO], names, row.author, row.unit):
        raise ApiRefused(404, "not_found")
    return await _submission(request, names, row)


async def _submission(request: web.Request, names: Directory, row: SubmissionRow) -> models.Submission:
    parts, lang = request.app[PARTS], request[LANG]
    waiting = [
        {"words": names.stage(stage["id"], lang),
         "people": [{"name": p.name, "office": p.title, "extension": p.extension} for p in names.stage_people(stage, parts.now(), row.author)]}
        for stage in row.stages if stage["id"] in row.waiting
    ]
    returned: dict[str, str] | None = None
    notes: list[models.Note] = []
    if row.state == "returned" and row.returned is not None:
        read = await read_notes(parts.socket, row.returned)
        returned = {"by": names.name(row.returned["by"]), "at": row.returned["at"], "reason": row.returned["reason"], "text": read.text}
        notes = [models.Note(**note.value()) for note in read.notes]
    targets = [models.Target(**{key: target[key] for key in models.Target.model_fields}) for target in row.targets]
    nudge = (await parts.nudges.last(row.id)).get(row.id)
    async with parts.sessions() as session:
        sends = [_sent(names, sent) for sent in await sent_for(session, row)]
    return models.Submission(
        id=row.id, number=row.number, revision=row.revision, draft=row.draft, content=row.content, targets=targets, facts=row.facts,
        scheduled=row.scheduled, title=row.title, state=row.state, made_at=row.made_at,
        since=row.since, window_to=row.window_to, waiting=waiting, returned=returned, notes=notes, publications=sends, seq=row.seq,
        nudge=_nudged(nudge, names) if nudge is not None else None,
    )


def _sent(names: Directory, sent: PublicationRow) -> models.Sent:
    return models.Sent(
        id=sent.id, channel=sent.channel, name=names.channel(sent.channel), state=sent.state, url=sent.url, revision=sent.revision,
    )


def _nudged(nudge: Nudge, names: Directory) -> models.Nudged:
    people = [(names.name(person), names.people.get(person)) for person in nudge.sent_to]
    return models.Nudged(
        sent_to=[models.Told(name=name, office=known.title if known is not None else "") for name, known in people], next_at=nudge.next_at,
    )


async def nudge(request: web.Request, body: models.CommandBody) -> models.Nudged:
    """Tell those whom a submission waits for, at most once in two hours."""
    try:
        made, names = await nudging.nudge(request, request.match_info["submission"], body.command)
    except NotNudged as refused:
        problem = nudging.problem(refused, await directory(request), request[LANG])
        more = {key: problem[key] for key in ("detail", "ask", "next_at") if key in problem}
        raise ApiRefused(problem["status"], refused.code, **more) from refused
    except NudgeReused as error:
        raise ApiRefused(409, "command_reused") from error
    except web.HTTPNotFound as error:
        raise ApiRefused(404, "not_found") from error
    return _nudged(made, names)


async def recall(request: web.Request, body: models.CommandBody) -> models.Acted:
    """Take a submission back."""
    parts, who = request.app[PARTS], request[WHO]
    identifier = request.match_info["submission"]
    answer = await parts.socket.post(
        "/v1/recall", {"command": body.command, "submission": identifier}, session=who.token, lang=request[LANG],
    )
    await parts.follower.reached(answer["seq"])
    return models.Acted(seq=answer["seq"])
