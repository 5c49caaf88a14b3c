"""并签单: the list a person puts together and signs with one proof; each item is decided as its stage asks, or sent back."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.enforcer.counter import returning, subject, waiting
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, page, see, session_of
from gateway.machine.signing import lists_allowed
from gateway.protocol.denials import Denied
from gateway.protocol.statements import LIST_LIMIT


def name_of(counter: Counter, identifier: str) -> str:
    """Return what a submission is called, also where it is finished."""
    submission = counter.parts.runner.state.submissions.get(identifier)
    if submission is not None:
        return waiting.title_of(counter, submission)
    finished = counter.parts.runner.state.finished.get(identifier)
    return finished[0] if finished else identifier


def returns(counter: Counter, person: str) -> dict[str, dict[str, Any]]:
    """Return which items of a person's list are to be sent back: {reason, revision, notes (the blob's text, empty for none)} by submission."""
    rows = counter.sessions.db.all("SELECT submission, revision, reason, notes FROM list_returns WHERE person = ?", (person,))
    return {row["submission"]: {"reason": row["reason"], "revision": row["revision"], "notes": row["notes"]} for row in rows}


async def show(request: web.Request) -> web.Response:
    """Show the person's list before it is signed."""
    counter, person = request.app[COUNTER], session_of(request).person
    now, state = counter.parts.runner.now(), counter.parts.runner.state
    found = [(i, state.submissions.get(i)) for i in subject.on_list(counter, person)]
    turns = [(i, waiting.turn(counter, s, person, now) if s else None) for i, s in found]
    back = returns(counter, person)
    return page(request, "list.html", turns=[turn for _, turn in turns if turn is not None], print_of=subject.print_of,
                back={i: one["reason"] for i, one in back.items()},
                gone=[{"id": i, "title": name_of(counter, i)} for i, turn in turns if turn is None])


async def add(request: web.Request) -> web.StreamResponse:
    """Put an item on the list: a clean one that was opened to its end, or with `verdict=return` one that is to be sent back."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    submission = subject.find(counter, form.get("submission", ""))
    turn = waiting.turn(counter, submission, person, counter.parts.runner.now())
    if turn is None:
        raise Denied("no_office")
    chosen, db = subject.on_list(counter, person), counter.sessions.db
    if submission.id not in chosen and len(chosen) >= LIST_LIMIT:
        raise Denied("list_too_long")
    if form.get("verdict") == "return":
        if not lists_allowed(submission):
            raise Denied("list_not_allowed", detail=turn.why)
        if form.get("revision") != str(submission.revision):
            raise Denied("stale_view", seq=submission.seq)
        notes = returning.to_bytes(returning.notes_of(counter, submission, form)) or b""
        row = (person, submission.id, submission.revision, returning.reason_of(form), notes.decode())
        db.run("INSERT OR REPLACE INTO list_returns VALUES (?, ?, ?, ?, ?)", row)
    else:
        seen = db.one("SELECT 1 FROM seen WHERE person = ? AND submission = ? AND revision = ?", (person, submission.id, submission.revision))
        if turn.group != "together" or seen is None:
            raise Denied("list_not_allowed", detail=turn.why or "unread")
        db.run("DELETE FROM list_returns WHERE person = ? AND submission = ?", (person, submission.id))
    db.run("INSERT OR IGNORE INTO lists VALUES (?, ?, ?)", (person, submission.id, counter.parts.runner.now()))
    chosen = subject.on_list(counter, person)
    left = [t for t in waiting.turns(counter, person, counter.parts.runner.now()) if t.submission.id not in chosen]
    raise see(f"/s/item/{left[0].submission.id}" if left else "/s/list")


async def remove(request: web.Request) -> web.StreamResponse:
    """Take an item off the list."""
    counter, form = request.app[COUNTER], await form_of(request)
    subject.drop(counter, session_of(request).person, form.get("submission", ""))
    raise see("/s/list")
