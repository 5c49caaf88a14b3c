"""Deciding: the sheet of what will be signed, the signed list, sending back, taking back, stopping, freezing, emergency withdrawal.

The sheet builds the statements and keeps them; the proof covers their ordered list; the machine builds them again from its own state.
Sending back, taking back, stopping and freezing take a counter session and no proof: refusing is always easier than sending.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway import calendar, canonical
from gateway.canonical import Digest
from gateway.connectors.base import ChannelFacts, Operation, PlatformRefused, Previous
from gateway.enforcer.counter import prove, review, waiting
from gateway.enforcer.counter.parts import COUNTER, Counter, address_of, form_of, language, page, see, session_of
from gateway.enforcer.proofs import Proven
from gateway.machine.signing import build_statement, lists_allowed
from gateway.machine.state import STOPPABLE, Publication, PublicationState, Stage, Submission
from gateway.protocol.commands import EmergencyWithdraw, Freeze, Grade, Request, Return, Sign, SignItem, Stop, TakeBack
from gateway.protocol.denials import Denied
from gateway.protocol.statements import EMERGENCY_LABEL, LIST_LABEL, LIST_LIMIT, list_digest

REASONS: Final = ("data", "wording", "source", "picture", "secrecy", "other")
COMMENT_LIMIT: Final = 500
NOTES_LIMIT: Final = 40


# ---- the sheet


async def sheet(request: web.Request) -> web.Response:
    """Show what will be signed — one item, or the person's list — with ticks, fingerprint, and the ways to prove it."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    whole = form.get("list") == "1"
    chosen = review.on_list(counter, person) if whole else [form.get("submission", "")]
    if len(chosen) > LIST_LIMIT:
        raise Denied("list_too_long")
    items, shown, dropped = [], [], []
    for identifier in chosen:
        try:
            made = _items(counter, identifier, person, form, whole=whole)
        except Denied as denied:
            if not whole:
                raise
            dropped.append({"submission": identifier, "title": _name(counter, identifier), "code": denied.code})
            continue
        items += made
        shown.append(_line(counter, identifier, made))
    if not items:
        raise Denied("invalid", detail="items")
    ticks = [] if whole else _ticks(counter, chosen[0])
    digest = list_digest(LIST_LABEL, [(item["statement"], item["verdict"]) for item in items])
    payload = {"items": [{k: v for k, v in item.items() if k != "text"} for item in items], "ticks": len(ticks), "list": whole,
               "statements": {item["statement"]: item["text"] for item in items}}
    begun = prove.begin(request, "sign", digest, payload)
    return page(request, "sheet.html", sheet=begun, items=shown, dropped=dropped, ticks=ticks, whole=whole,
                verdicts=sorted({item["verdict"] for item in items}))


def _items(counter: Counter, identifier: str, person: str, form: Mapping[str, str], *, whole: bool) -> list[dict[str, Any]]:
    state, now = counter.parts.runner.state, counter.parts.runner.now()
    submission = review.find(counter, identifier)
    given = form.get(f"seen_{identifier}" if whole else "seen", "")
    if given != str(submission.seq):
        raise Denied("stale_view", seq=submission.seq)
    if whole and (not lists_allowed(submission) or _ticks(counter, identifier)):
        raise Denied("list_not_allowed")
    stages = waiting.both(state, submission, person, now) if form.get("both") == "1" and not whole else ()
    stages = stages or waiting.mine(state, submission, person, now)
    if not stages:
        raise Denied("no_office" if state.open_stages(submission) else "wrong_state",
                     missing=tuple(stage.id for stage in state.open_stages(submission)))
    comment = "" if whole else form.get("comment", "").strip()[:COMMENT_LIMIT]
    kept = counter.parts.values.commit(comment) if comment else None
    return [_item(counter, submission, stage, person, office, kept) for stage, office in stages]


def _item(counter: Counter, submission: Submission, stage: Stage, person: str, office: str, comment: Digest | None) -> dict[str, Any]:
    salt = secrets.token_hex(16)
    text = canonical.encode(build_statement(counter.parts.runner.state, submission, stage, person, office, salt))
    return {
        "submission": submission.id, "revision": submission.revision, "stage": stage.id, "verdict": stage.kind, "salt": salt,
        "statement": canonical.sha256(text), "seen": submission.seq, "comment": comment, "text": text.decode(),
    }


def _line(counter: Counter, identifier: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    submission = counter.parts.runner.state.submissions[identifier]
    return {
        "title": waiting.title_of(counter, submission), "revision": submission.revision, "number": submission.number, "id": identifier,
        "channels": review.channels_of(counter, submission), "scheduled": submission.scheduled, "window_to": submission.window_to,
        "print": review.print_of(submission), "verdicts": [item["verdict"] for item in items], "pictures": _pictures(counter, submission),
        "statement": items[0]["statement"],
    }


def _pictures(counter: Counter, submission: Submission) -> int:
    content = waiting.content_of(counter.parts.runner.blobs, submission.content) if submission.content else None
    return len(content.media) if content else 0


def _ticks(counter: Counter, identifier: str) -> list[dict[str, Any]]:
    submission = counter.parts.runner.state.submissions[identifier]
    return [finding for finding in review.findings(counter, submission) if finding.get("grade") == "confirm"]


def _name(counter: Counter, identifier: str) -> str:
    submission = counter.parts.runner.state.submissions.get(identifier)
    if submission is not None:
        return waiting.title_of(counter, submission)
    finished = counter.parts.runner.state.finished.get(identifier)
    return finished[0] if finished else identifier


async def signed(request: web.Request, proven: Proven, _form: Mapping[str, str]) -> web.StreamResponse:
    """Make the decisions of a proven list."""
    counter, person, payload = request.app[COUNTER], session_of(request).person, proven.begun.payload
    items = tuple(SignItem(**{**item, "statement": Digest(item["statement"])}) for item in payload["items"])
    rip = counter.parts.values.commit(address_of(request)) if any(item.verdict == "release" for item in items) else None
    blobs = {**proven.blobs, **{Digest(digest): text.encode() for digest, text in payload["statements"].items()}}
    done = await counter.parts.runner.submit(
        Request(command=Sign(items=items, proof=proven.proof, rip=rip), actor=person, grade=Grade.PROOF), blobs=blobs,
        about=items[0].submission,
    )
    for item in items:
        counter.sessions.db.run("DELETE FROM lists WHERE person = ? AND submission = ?", (person, item.submission))
    raise see(f"/s/done/{done.object}")


# ---- after signing


async def done(request: web.Request) -> web.Response:
    """Show what a signed list did: decisions, dropped items by name, what can be taken back or stopped, what is next."""
    counter, person = request.app[COUNTER], session_of(request).person
    await counter.history.catch_up()
    entry = counter.history.signing(request.match_info["signing"])
    if entry is None or entry.actor != person:
        raise Denied("not_found", detail="signing")
    decisions = [receipt(counter, e, language(request)) for e in counter.history.signed_by(person) if e.data["signing"] == entry.object]
    dropped = [{"title": _name(counter, submission), "code": code} for submission, code in entry.data.get("dropped", [])]
    left = waiting.turns(counter, person, counter.parts.runner.now())
    return page(request, "done.html", decisions=decisions[::-1], dropped=dropped, left=left, at=entry.at, signing=entry.object)


def receipt(counter: Counter, entry: Any, lang: str) -> dict[str, Any]:
    """Return one decision as its receipt: what, when, how, the statement's fingerprint, and what can still be undone."""
    state = counter.parts.runner.state
    submission = state.submissions.get(entry.object)
    data = counter.history.revision(entry.object, entry.data["revision"]) or {}
    content = waiting.content_of(counter.parts.runner.blobs, data["content"]) if data.get("content") else None
    released = [state.publications[p] for p in counter.history.publications(entry.object) if p in state.publications]
    standing = submission.signed(entry.data["stage"]) if submission else None
    mine = standing is not None and standing.entry == entry.seq
    waiting_for = [counter.parts.views.stage_words(s.id, lang) for s in state.open_stages(submission)] if submission else []
    return {
        "seq": entry.seq, "at": entry.at, "verdict": entry.data["verdict"], "office": counter.parts.views.office_words(entry.data["office"], lang),
        "method": entry.data["method"], "statement": entry.data["statement"], "submission": entry.object, "stage": entry.data["stage"],
        "revision": entry.data["revision"], "number": data.get("number", ""), "title": content.title if content else _name(counter, entry.object),
        "takeable": bool(mine and submission and submission.state.value == "in_review"), "seen": submission.seq if submission else 0,
        "waiting_for": waiting_for, "sends": [
            {"id": p.id, "channel": state.channels[p.channel].name, "state": p.state.value, "stoppable": p.state in STOPPABLE, "url": p.url,
             "not_before": p.not_before} for p in released if p.released_at >= entry.at or entry.data["verdict"] == "approve"],
    }


async def receipts(request: web.Request) -> web.Response:
    """Show what this person signed, from the log."""
    counter, person = request.app[COUNTER], session_of(request).person
    await counter.history.catch_up()
    found = [receipt(counter, entry, language(request)) for entry in counter.history.signed_by(person, 50)]
    return page(request, "receipts.html", decisions=found)


# ---- the list


async def show_list(request: web.Request) -> web.Response:
    """Show the person's list before it is signed."""
    counter, person = request.app[COUNTER], session_of(request).person
    now, state = counter.parts.runner.now(), counter.parts.runner.state
    found = [(i, state.submissions.get(i)) for i in review.on_list(counter, person)]
    turns = [(i, waiting.turn(counter, s, person, now) if s else None) for i, s in found]
    return page(request, "list.html", turns=[turn for _, turn in turns if turn is not None], print_of=review.print_of,
                gone=[{"id": i, "title": _name(counter, i)} for i, turn in turns if turn is None])


async def add_to_list(request: web.Request) -> web.StreamResponse:
    """Put a clean item on the list; it must have been opened to its end."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    submission = review.find(counter, form.get("submission", ""))
    turn = waiting.turn(counter, submission, person, counter.parts.runner.now())
    seen = counter.sessions.db.one("SELECT 1 FROM seen WHERE person = ? AND submission = ? AND revision = ?",
                                   (person, submission.id, submission.revision))
    if turn is None:
        raise Denied("no_office")
    if turn.group != "together" or seen is None:
        raise Denied("list_not_allowed", detail=turn.why or "unread")
    if len(review.on_list(counter, person)) >= LIST_LIMIT:
        raise Denied("list_too_long")
    counter.sessions.db.run("INSERT OR IGNORE INTO lists VALUES (?, ?, ?)", (person, submission.id, counter.parts.runner.now()))
    left = [t for t in waiting.turns(counter, person, counter.parts.runner.now()) if t.submission.id not in review.on_list(counter, person)]
    raise see(f"/s/item/{left[0].submission.id}" if left else "/s/list")


async def remove_from_list(request: web.Request) -> web.StreamResponse:
    """Take an item off the list."""
    counter, form = request.app[COUNTER], await form_of(request)
    counter.sessions.db.run("DELETE FROM lists WHERE person = ? AND submission = ?", (session_of(request).person, form.get("submission", "")))
    raise see("/s/list")


# ---- refusing


async def send_back(request: web.Request) -> web.StreamResponse:
    """Send a submission back with a reason, and notes at their places."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    submission = review.find(counter, form.get("submission", ""))
    reason = form.get("reason", "")
    if reason not in REASONS:
        raise Denied("invalid", detail="reason")
    found = [
        {"quote": form.get(f"quote{n}", "").strip()[:500], "note": form.get(f"note{n}", "").strip()[:1000]}
        for n in range(NOTES_LIMIT) if form.get(f"note{n}", "").strip()
    ]
    text, notes = form.get("text", "").strip()[:2000], None
    if found or text:
        notes = canonical.encode({"v": 1, "text": text, "notes": found})
    command = Return(submission=submission.id, revision=_whole(form, "revision"), reason=reason,  # type: ignore[arg-type] # checked above
                     notes=canonical.sha256(notes) if notes else None)
    await counter.parts.runner.submit(
        Request(command=command, actor=person, grade=Grade.COUNTER, expected=_whole(form, "seen")),
        blobs={canonical.sha256(notes): notes} if notes else None, about=submission.id,
    )
    counter.sessions.db.run("DELETE FROM lists WHERE person = ? AND submission = ?", (person, submission.id))
    left = waiting.turns(counter, person, counter.parts.runner.now())
    return page(request, "returned.html", title=waiting.title_of(counter, submission), reason=reason, left=left)


def _whole(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise Denied("invalid", detail=name)
    return int(text)


async def take_back(request: web.Request) -> web.StreamResponse:
    """Take an approval back before the next stage signs."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    command = TakeBack(submission=form.get("submission", ""), stage=form.get("stage", ""))
    await counter.parts.runner.submit(Request(command=command, actor=person, grade=Grade.COUNTER), about=command.submission)
    raise see(f"/s/item/{command.submission}")


async def stop(request: web.Request) -> web.StreamResponse:
    """Stop what was released and is not yet sent."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    command = Stop(publication=form.get("publication", ""))
    await counter.parts.runner.submit(Request(command=command, actor=person, grade=Grade.COUNTER), about=command.publication)
    raise see("/s/stops")


async def freeze(request: web.Request) -> web.StreamResponse:
    """Freeze a scope; two others thaw it."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    scope, _, target = form.get("scope", "").partition(":")
    reason = form.get("reason", "").strip()[:COMMENT_LIMIT]
    if scope not in {"all", "unit", "channel", "submission"} or not reason:
        raise Denied("invalid", detail="reason")
    command = Freeze(scope=scope, target=target, reason=counter.parts.values.commit(reason))  # type: ignore[arg-type] # checked above
    await counter.parts.runner.submit(Request(command=command, actor=person, grade=Grade.COUNTER), about=f"{scope}:{target}")
    raise see("/s/stops")


async def stops(request: web.Request) -> web.Response:
    """Show what is on its way, what is frozen, what is unknown, and what is live: everything a person may want to stop."""
    counter, person = request.app[COUNTER], session_of(request).person
    state, now = counter.parts.runner.state, counter.parts.runner.now()
    active = sorted((state.publications[i] for i in state.active), key=lambda p: p.not_before)
    heads = state.holders("brand_pr_head", state.group, now)
    live = [p for p in state.publications.values() if p.state is PublicationState.LIVE]
    freezes = [{"id": f.id, "scope": f.scope, "target": counter.parts.views.scope(f.target) if f.target else "", "by": counter.parts.views.name(f.by),
                "at": f.at, "reason": counter.parts.values.text(f.reason) or ""} for f in state.freezes.values()]
    return page(request, "stops.html", active=[_publication(counter, p) for p in active], freezes=freezes, head=person in heads,
                live=[_publication(counter, p) for p in reversed(live[-50:])],
                units=list(state.units.values()), channels=list(state.channels.values()))


def _publication(counter: Counter, publication: Publication) -> dict[str, Any]:
    state = counter.parts.runner.state
    content = waiting.content_of(counter.parts.runner.blobs, publication.content) if publication.content else None
    return {
        "id": publication.id, "title": content.title if content else _name(counter, publication.submission), "state": publication.state.value,
        "channel": state.channels[publication.channel].name, "not_before": publication.not_before, "url": publication.url,
        "stoppable": publication.state in STOPPABLE, "unknown": publication.state is PublicationState.UNKNOWN,
        "operation": publication.operation, "submission": publication.submission, "cause": str(publication.reason.get("cause", "")),
    }


# ---- emergency


async def begin_emergency(request: web.Request) -> web.Response:
    """Show what an emergency withdrawal will take down, and ask the brand & PR head to prove it."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    state = counter.parts.runner.state
    live = state.publications.get(form.get("publication", ""))
    reason = form.get("reason", "").strip()[:COMMENT_LIMIT]
    if live is None or not reason:
        raise Denied("invalid" if live else "not_found", detail="reason")
    heads = state.holders("brand_pr_head", state.group, counter.parts.runner.now())
    if person not in heads:
        raise Denied("not_brand_head", ask=tuple(heads))
    channel = state.channels[live.channel]
    facts = ChannelFacts(channel=channel.id, platform=channel.platform, account=channel.account, settings=channel.settings)
    try:
        template = counter.parts.connectors[channel.platform].render(
            None, facts, Operation.WITHDRAW, Previous(id=live.remote_id, url=live.url, digest=Digest(live.template))).to_bytes()
    except PlatformRefused as refused:
        raise Denied("invalid", detail=refused.code) from refused
    digest = canonical.sha256(template)
    payload = {"publication": live.id, "template": template.decode(), "reason": counter.parts.values.commit(reason)}
    begun = prove.begin(request, "emergency", list_digest(EMERGENCY_LABEL, [(digest, live.id)]), payload)
    return page(request, "emergency.html", sheet=begun, live=_publication(counter, live), reason=reason)


async def emergency(request: web.Request, proven: Proven, _form: Mapping[str, str]) -> web.StreamResponse:
    """Withdraw at once."""
    counter, person, payload = request.app[COUNTER], session_of(request).person, proven.begun.payload
    template = payload["template"].encode()
    command = EmergencyWithdraw(
        publication=payload["publication"], template=canonical.sha256(template), reason=Digest(payload["reason"]),
        window_to=calendar.window_end(counter.parts.runner.now()), proof=proven.proof,
    )
    await counter.parts.runner.submit(
        Request(command=command, actor=person, grade=Grade.PROOF), blobs={**proven.blobs, canonical.sha256(template): template},
        about=command.publication,
    )
    raise see("/s/stops")

