"""稿件编辑: the page, its two frames, autosave, paste, pictures, what would happen, and handing in."""

from __future__ import annotations

import asyncio
import re
import secrets
from html import escape
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from gateway.content import NotContent
from gateway.desk.console.notes import Text, place_of, read_notes, taken_over
from gateway.desk.console.page import directory, draw, words
from gateway.desk.console.submissions import sent_for
from gateway.desk.drafts.blobs import BlobMissing
from gateway.desk.drafts.form import DraftForm, SaveForm
from gateway.desk.drafts.handing_in import Look, NotReady
from gateway.desk.drafts.store import EDITABLE, PICTURE_PATH, NoSuchDraft, NotEditable, StaleDraft, TooManyPictures
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.normalise import NormaliseRefused, PictureRefused, Removed
from gateway.desk.normalise.pictures import MAX_INPUT
from gateway.desk.parts import LANG, PARTS, WHO
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.publications import OPEN, PublicationRow
from gateway.desk.readmodel.release_times import average_hours
from gateway.desk.readmodel.submissions import EFFECTIVE, SubmissionRow
from gateway.desk.security import FRAME, UPLOAD_LIMIT
from gateway.desk.socket_client import Problem, Unavailable
from gateway.protocol.notes import Notes

_MEDIA: Final = re.compile('src="media:(sha256:[0-9a-f]{64})"')
_PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/bmp"})


def shown(body: str) -> str:
    """Return a normal body with its pictures at addresses of this host."""
    return _MEDIA.sub(lambda found: f'src="{PICTURE_PATH}{found[1]}"', body)


async def _draft(request: web.Request) -> DraftRow:
    return await request.app[PARTS].drafts.get(request.match_info["draft"], request[WHO].person)


async def editor(request: web.Request) -> web.StreamResponse:
    """Draw the editor, or send on to the submission where the draft is no longer the author's to change."""
    parts, who = request.app[PARTS], request[WHO]
    draft = await _draft(request)
    if draft.state not in EDITABLE and draft.submission is not None:
        raise web.HTTPSeeOther(f"/submissions/{draft.submission}")
    names = await directory(request)
    form = DraftForm.model_validate(draft.form)
    submission = await _submission_of(request, draft)
    notes = await _notes(request, submission)
    text = Text(form=form, body=draft.body)
    taken = request.query.get("taken", "")
    done, open_ = await _sent(request, submission)
    usable = [channel for channel in names.channels.values() if channel.level == "company" or names.inside(who.unit, channel.unit)]
    return await draw(
        request, "editor.html", names=names, draft=draft, form=form, usable=usable, submission=submission, command=secrets.token_hex(16),
        chosen={target.channel: target for target in form.targets}, notes=notes,
        open_notes=[number for number, note in enumerate(notes.notes) if place_of(note, text) is not None],
        taken=taken if taken in {"done", "gone", "stale"} else "", pictures=await parts.drafts.pictures(draft.id),
        done=done, on_their_way=open_, picture_limit=MAX_INPUT,
    )


async def _sent(request: web.Request, submission: SubmissionRow | None) -> tuple[dict[str, PublicationRow], list[str]]:
    """Return what of the draft's submission has taken effect, by channel, and the channels whose outcome is open.

    A later revision leaves the former out, and is handed in once there are none of the latter.
    """
    if submission is None:
        return {}, []
    async with request.app[PARTS].sessions() as session:
        rows = await sent_for(session, submission)
    return {row.channel: row for row in rows if row.state in EFFECTIVE}, [row.channel for row in rows if row.state in OPEN]


async def take(request: web.Request) -> web.Response:
    """采用建议: put one suggestion of the last return, or all of them, into the draft as it was last saved."""
    parts, who = request.app[PARTS], request[WHO]
    draft = await _draft(request)
    data = await request.post()
    notes = (await _notes(request, await _submission_of(request, draft))).notes
    wanted = str(data.get("note", ""))
    chosen = notes if wanted == "all" else [note for number, note in enumerate(notes) if str(number) == wanted]
    text = Text(form=DraftForm.model_validate(draft.form), body=draft.body)
    after = await asyncio.to_thread(taken_over, chosen, text)  # the body is read anew for each of up to forty notes
    if str(data.get("version", "")) != str(draft.version):
        taken = "stale"
    elif after is None:
        taken = "gone"
    else:
        form = SaveForm(**after.form.model_dump(), version=draft.version, html=shown(after.body))
        try:
            await parts.drafts.save(draft.id, who.person, form, parts.now())
            taken = "done"
        except (StaleDraft, NotEditable, NormaliseRefused):
            taken = "stale"
    return web.Response(status=303, headers={"Location": f"/drafts/{draft.id}?taken={taken}"})


async def _submission_of(request: web.Request, draft: DraftRow) -> SubmissionRow | None:
    if draft.submission is None:
        return None
    async with request.app[PARTS].sessions() as session:
        return await session.get(SubmissionRow, draft.submission)


async def _notes(request: web.Request, submission: SubmissionRow | None) -> Notes:
    """Return what came back with the last return, where the item stands returned."""
    if submission is None or submission.state != "returned":
        return Notes()
    return await read_notes(request.app[PARTS].socket, submission.returned)


def article_frame(body: str, lang: str) -> web.Response:
    """Return a normal body as a document of its own, in which no script can run."""
    html = (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>稿面</title><style>'
        'body{margin:0;padding:16px;font:17px/1.75 "PingFang SC","HarmonyOS Sans SC","Microsoft YaHei UI","Noto Sans CJK SC",sans-serif;'
        "color:#222;background:#fff;overflow-wrap:anywhere;min-height:240px}body:focus{outline:2px solid #0B6BCB;outline-offset:-2px}img{max-width:100%;height:auto}"
        "p{margin:0 0 14px}h1,h2,h3{line-height:1.4}table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:4px 8px}"
        "blockquote{margin:0 0 14px;padding-left:12px;border-left:3px solid #ddd;color:#555}"
        f"</style><body>{body}</body></html>"
    )
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": FRAME, "X-Frame-Options": "SAMEORIGIN"})


async def frame(request: web.Request) -> web.Response:
    """Return the body alone, as the document that is edited: no script can run in it, and it looks like what will be published."""
    draft = await _draft(request)
    return article_frame(shown(draft.body), request[LANG])


async def preview(request: web.Request) -> web.Response:
    """Return the draft as the counter will show it on one channel; where that cannot be had, its body in plain form with a line that says so."""
    parts, who, t = request.app[PARTS], request[WHO], words(request)
    draft = await _draft(request)
    form = DraftForm.model_validate(draft.form)
    wanted = request.query.get("channel", "")
    channel = next((target.channel for target in form.targets if target.channel == wanted), form.targets[0].channel if form.targets else "")
    why = "preview.no_channel"
    if channel:
        try:
            html = await parts.handing_in.preview(draft, channel, session=who.token, lang=request[LANG])
        except Unavailable:
            html, why = "", "preview.away"
        except (Problem, NotContent):
            html, why = "", "preview.not_yet"
        if html:
            return web.Response(text=html, content_type="text/html", headers={
                "Content-Security-Policy": f"{FRAME}; sandbox allow-same-origin", "X-Frame-Options": "SAMEORIGIN"})
        why = "preview.not_yet" if why == "preview.no_channel" else why
    note = f'<p style="margin:0 0 14px;padding:8px 12px;background:#EEF0F3;color:#4A5565;font-size:12px;line-height:18px">{escape(t(why))}</p>'
    return article_frame(f"{note}<h1>{escape(form.title)}</h1>{shown(draft.body)}", request[LANG])


async def picture(request: web.Request) -> web.Response:
    """Return a picture of one of the person's own drafts."""
    parts = request.app[PARTS]
    row = await parts.drafts.may_see_picture(request.match_info["digest"], request[WHO].person)
    try:
        data = parts.drafts.blobs.get(row.digest) if row is not None else b""
    except BlobMissing as error:
        raise web.HTTPNotFound from error
    if row is None or row.type not in _PICTURE_TYPES:
        raise web.HTTPNotFound
    return web.Response(body=data, content_type=row.type, headers={
        "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=86400, immutable",
    })


def _removed(lines: tuple[Removed, ...]) -> list[dict[str, Any]]:
    return [{"kind": r.kind, "what": r.what, "before": r.before, "after": r.after, "where": r.where, "count": r.count} for r in lines]


async def save(request: web.Request) -> web.Response:
    """Keep what was typed; the answer names the new version, or says that another window was faster."""
    parts, t = request.app[PARTS], words(request)
    _json_only(request)
    try:
        form = SaveForm.model_validate_json(await request.read())
        done = await parts.drafts.save(request.match_info["draft"], request[WHO].person, form, parts.now())
    except ValidationError as error:
        places = [".".join(map(str, item["loc"])) for item in error.errors()]
        return web.json_response({"code": "invalid", "title": t("save.invalid"), "places": places}, status=400)
    except NormaliseRefused as error:
        return web.json_response({"code": error.code, "title": error.en if request[LANG] == "en" else error.zh}, status=422)
    except StaleDraft as error:
        return web.json_response({"code": "stale", "title": t("save.stale"), "version": error.version}, status=409)
    except NotEditable:
        return web.json_response({"code": "not_editable", "title": t("save.not_editable")}, status=409)
    return web.json_response({
        "version": done.version, "at": done.at, "removed": _removed(done.removed), "needed": list(done.needed),
    })


def _json_only(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType


async def paste(request: web.Request) -> web.Response:
    """Bring pasted HTML into normal form: the clean HTML, and what was taken out with before and after."""
    from gateway.desk.drafts.pasting import PasteForm, paste_into

    _json_only(request)
    parts = request.app[PARTS]
    draft = await _draft(request)
    try:
        form = PasteForm.model_validate_json(await request.read())
        made = await paste_into(parts.drafts, draft, request[WHO].person, form.html)
    except ValidationError:
        return web.json_response({"code": "invalid", "title": words(request)("save.invalid")}, status=400)
    except (NormaliseRefused, PictureRefused) as error:
        return web.json_response({"code": error.code, "title": error.en if request[LANG] == "en" else error.zh}, status=422)
    return web.json_response({
        "html": shown(made.body), "removed": _removed(made.removed),
        "needed": [{"url": item.url, "alt": item.alt, "where": item.where, "code": item.code} for item in made.pictures_needed],
    })


async def add_picture(request: web.Request) -> web.Response:
    """Take one picture as raw bytes; judged by its first bytes, re-encoded, stripped, measured."""
    parts, t = request.app[PARTS], words(request)
    if request.content_type not in _PICTURE_TYPES:
        return web.json_response({"code": "format", "title": t("picture.format")}, status=415)
    if (request.content_length or 0) > UPLOAD_LIMIT:
        raise web.HTTPRequestEntityTooLarge(UPLOAD_LIMIT, request.content_length or 0)
    data = await request.read()
    try:
        made = await parts.drafts.add_picture(request.match_info["draft"], request[WHO].person, data, request.content_type)
    except PictureRefused as error:
        return web.json_response({"code": error.code, "title": error.en if request[LANG] == "en" else error.zh}, status=422)
    except (NotEditable, TooManyPictures):
        return web.json_response({"code": "not_editable", "title": t("picture.too_many")}, status=409)
    return web.json_response({
        "digest": made.sha256, "src": f"{PICTURE_PATH}{made.sha256}", "width": made.width, "height": made.height, "notes": list(made.notes),
    })


async def check(request: web.Request) -> web.Response:
    """Draw the panel: route and time before the button, findings, obstacles all at once, quotas."""
    parts, who = request.app[PARTS], request[WHO]
    draft = await _draft(request)
    names = await directory(request)
    try:
        look = await parts.handing_in.look(draft, names.channels, session=who.token, lang=request[LANG], now=parts.now())
    except Problem as problem:
        look = Look(obstacles=[problem.body], answered=True)
    return await _panel(request, draft, names, look)


async def _panel(
    request: web.Request, draft: DraftRow, names: Directory, look: Look, *, trouble: str = "", command: str = "",
) -> web.Response:
    return await draw(
        request, "panel.html", names=names, draft=draft, look=look, average=await average_hours(request.app[PARTS].sessions, request[WHO].unit, request.app[PARTS].now()), trouble=trouble,
        form=DraftForm.model_validate(draft.form), command=command or secrets.token_hex(16),
    )


async def submit(request: web.Request) -> web.StreamResponse:
    """Hand the draft in as it was last saved; a repeat of the same command gives the same answer."""
    parts, who, t = request.app[PARTS], request[WHO], words(request)
    draft = await _draft(request)
    names = await directory(request)
    data = await request.post()
    command = str(data.get("command", ""))
    if not re.fullmatch("[0-9a-f]{32}", command):
        raise web.HTTPBadRequest
    if str(data.get("version", "")) != str(draft.version):
        look = Look(answered=False)
        return await _panel(request, draft, names, look, trouble=t("submit.version"))
    try:
        if parts.follower.reading_again:  # until it is read, a draft that was handed in looks as if it never was
            raise Unavailable("the log is being read again")
        answer = await parts.handing_in.submit(
            draft, names.channels, session=who.token, command=command, lang=request[LANG], now=parts.now(), source="desk",
            expected=_entry(str(data.get("expected", ""))),
        )
    except NotReady as error:
        return await _panel(request, draft, names, error.look)
    except Problem as problem:
        return await _panel(request, draft, names, Look(obstacles=[problem.body], answered=True))
    except Unavailable:
        return await _panel(request, draft, names, Look(), trouble=t("submit.unavailable"), command=command)
    await parts.follower.reached(answer["seq"])
    return _onwards(request, f"/submissions/{answer['submission']}?after={answer['seq']}")


def _entry(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _onwards(request: web.Request, location: str) -> web.Response:
    if "HX-Request" in request.headers:
        return web.Response(headers={"HX-Redirect": location})
    return web.Response(status=303, headers={"Location": location})


async def discard(request: web.Request) -> web.Response:
    """Throw away a draft that was never handed in."""
    parts = request.app[PARTS]
    if parts.follower.reading_again:  # until it is read, a draft that was handed in looks as if it never was
        raise web.HTTPConflict
    try:
        await parts.drafts.discard(request.match_info["draft"], request[WHO].person)
    except NotEditable as error:
        raise web.HTTPConflict from error
    return web.Response(status=303, headers={"Location": "/drafts"})


async def revisions(request: web.Request) -> web.Response:
    """Draw the earlier saves of a draft."""
    draft = await _draft(request)
    rows = await request.app[PARTS].drafts.revisions(draft.id, request[WHO].person)
    return await draw(request, "revisions.html", draft=draft, rows=rows)


async def restore(request: web.Request) -> web.Response:
    """Make an earlier save the newest one; what stood there becomes a revision itself."""
    parts, who = request.app[PARTS], request[WHO]
    draft = await _draft(request)
    wanted = request.match_info["version"]
    row = next((row for row in await parts.drafts.revisions(draft.id, who.person) if str(row.version) == wanted), None)
    if row is None:
        raise NoSuchDraft(wanted)
    form = SaveForm(**DraftForm.model_validate(row.form).model_dump(), version=draft.version, html=shown(row.body))
    try:
        await parts.drafts.save(draft.id, who.person, form, parts.now())
    except (StaleDraft, NotEditable) as error:
        raise web.HTTPConflict from error
    return web.Response(status=303, headers={"Location": f"/drafts/{draft.id}"})
