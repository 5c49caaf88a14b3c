"""退回: sending back with a reason, with notes at their places and suggestions that the author may take over with one click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from aiohttp import web

from gateway import canonical
from gateway.content import Content, NotContent
from gateway.content.places import Change, NotThere, locate, replace
from gateway.enforcer.counter import subject, waiting
from gateway.enforcer.counter.marked import field_texts
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, page, session_of
from gateway.machine.state import Submission
from gateway.protocol.commands import Grade, Request, Return, ReturnReason
from gateway.protocol.denials import Denied
from gateway.protocol.notes import MAX_NOTE, MAX_NOTES, MAX_QUOTE, MAX_TEXT, Note, Notes, NotNotes

REASONS: Final = get_args(ReturnReason)


def reason_of(form: Mapping[str, str]) -> ReturnReason:
    """Return the reason a form names.

    Raises:
        Denied: `invalid` for none of them.
    """
    reason = form.get("reason", "")
    if reason not in REASONS:
        raise Denied("invalid", detail="reason")
    return reason  # type: ignore[return-value] # one of its values


def notes_of(counter: Counter, submission: Submission, form: Mapping[str, str]) -> Notes:
    """Return what a form says beside the reason: a text, and rows {quote, note, fix}, each brought to its place in the content.

    Raises:
        Denied: `invalid` for a suggestion whose words are not in the content or stand there more than once, or which would spoil it.
    """
    content = waiting.content_of(counter.parts.runner.blobs, submission.content) if submission.content else None
    texts = field_texts(content) if content is not None else {}
    rows = [_note(texts, form, number) for number in range(MAX_NOTES)]
    notes = Notes(text=form.get("text", "").strip()[:MAX_TEXT], notes=tuple(note for note in rows if note is not None))
    if content is not None:
        _try(content, notes)
    return notes


def _note(texts: Mapping[str, str], form: Mapping[str, str], number: int) -> Note | None:
    quote, note = form.get(f"quote{number}", "").strip()[:MAX_QUOTE], form.get(f"note{number}", "").strip()[:MAX_NOTE]
    fix = form.get(f"fix{number}", "").strip()[:MAX_QUOTE]
    if not note and not fix:
        return None
    wanted = form.get(f"field{number}", "")
    for name in dict.fromkeys([wanted, *texts] if wanted in texts else texts):
        at = locate(texts[name], quote, -1)
        if at is not None:
            return Note(field=name, start=at, quote=quote, note=note, replace_with=fix if fix and fix != quote else None)
    if fix:
        raise Denied("invalid", detail="suggestion")
    for name, text in texts.items():
        if quote and quote in text:
            return Note(field=name, start=text.index(quote), quote=quote, note=note)
    return Note(quote=quote, note=note)


def _try(content: Content, notes: Notes) -> None:
    """Take every suggestion over and see whether content comes of it."""
    made = {"title": content.title, "author": content.author, "source.name": content.source.name, "summary": content.summary}
    asked = sorted((n for n in notes.notes if n.replace_with is not None), key=lambda n: n.start, reverse=True)
    try:
        body = replace(content.body, [Change(start=n.start, quote=n.quote, replace_with=n.replace_with or "") for n in asked if n.field == "body"])
        for n in asked:
            if n.field in made:
                text = made[n.field]
                if text[n.start : n.start + len(n.quote)] != n.quote:
                    raise NotThere(n.quote)
                made[n.field] = text[: n.start] + (n.replace_with or "") + text[n.start + len(n.quote) :]
        source = type(content.source)(kind=content.source.kind, name=made["source.name"], url=content.source.url)
        type(content)(title=made["title"], summary=made["summary"], author=made["author"], source=source, body=body, media=content.media,
                      links=content.links).recognised()
    except (NotThere, NotContent) as error:
        raise Denied("invalid", detail="suggestion") from error


def to_bytes(notes: Notes) -> bytes | None:
    """Return the blob of the notes, None where they say nothing.

    Raises:
        Denied: `invalid` where they cannot be written.
    """
    if notes == Notes():
        return None
    try:
        return notes.to_bytes()
    except NotNotes as error:
        raise Denied("invalid", detail=f"notes: {error}") from error


async def send_back(request: web.Request) -> web.StreamResponse:
    """Send a submission back at once; it takes a counter session and no proof: refusing is always easier than sending."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    submission = subject.find(counter, form.get("submission", ""))
    reason = reason_of(form)
    notes = to_bytes(notes_of(counter, submission, form))
    command = Return(submission=submission.id, revision=whole(form, "revision"), reason=reason, notes=canonical.sha256(notes) if notes else None)
    await counter.parts.runner.submit(
        Request(command=command, actor=person, grade=Grade.COUNTER, expected=whole(form, "seen")),
        blobs={canonical.sha256(notes): notes} if notes else None, about=submission.id,
    )
    subject.drop(counter, person, submission.id)
    left = waiting.turns(counter, person, counter.parts.runner.now())
    return page(request, "returned.html", title=waiting.title_of(counter, submission), reason=reason, left=left)


def whole(form: Mapping[str, str], name: str) -> int:
    """Return a field that holds a whole number.

    Raises:
        Denied: `invalid` for anything else.
    """
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Denied("invalid", detail=name)
    return int(text)
