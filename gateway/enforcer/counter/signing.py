"""Deciding: the sheet of what will be signed, the signed list, sending back, taking back, stopping, freezing, emergency withdrawal.

The sheet builds the statements and keeps them; the proof covers their ordered list; the machine builds them again from its own state.
Sending back, taking back, stopping and freezing take a counter session and no proof: refusing is always easier than sending.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from gateway import calendar, canonical
from gateway.canonical import Digest
from gateway.connectors.base import ChannelFacts, Operation, PlatformRefused, Previous
from gateway.enforcer.counter import checklist, earlier, listing, outside, prove, subject, waiting
from gateway.enforcer.counter.parts import COUNTER, Counter, address_of, form_of, language, page, see, session_of
from gateway.enforcer.proofs import Proven
from gateway.machine.signing import build_statement, lists_allowed
from gateway.machine.state import STOPPABLE, Publication, PublicationState, Stage, Submission, TargetState
from gateway.protocol.commands import EmergencyWithdraw, Freeze, Grade, Request, Sign, SignItem, Stop, TakeBack
from gateway.protocol.denials import Denied
from gateway.protocol.statements import EMERGENCY_LABEL, LIST_LABEL, LIST_LIMIT, list_digest

COMMENT_LIMIT: Final = 500


# ---- the sheet


async def sheet(request: web.Request) -> web.Response:
    """Show what will be signed — one item, or the person's list — with ticks, fingerprint, and the ways to prove it."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await chosen_form(request)
    whole = form.get("list") == "1"
    chosen = subject.on_list(counter, person) if whole else [form.get("submission", "")]
    if len(chosen) > LIST_LIMIT:
        raise Denied("list_too_long")
    items, shown, dropped = [], [], []
    for identifier in chosen:
        try:
            made = _items(counter, identifier, person, form, whole=whole)
        except Denied as denied:
            if not whole:
                raise
            dropped.append({"submission": identifier, "title": listing.name_of(counter, identifier), "code": denied.code})
            continue
        items += made
        shown.append(_line(counter, identifier, made))
    if not items:
        raise Denied("invalid", detail="items")
    asked = [] if whole else checklist.items(counter, subject.find(counter, chosen[0]), person, form)
    ticks = [item for item in asked if item.must and not item.ticked]
    digest = list_digest(LIST_LABEL, [(item["statement"], item["verdict"]) for item in items])
    payload = {"items": [{k: v for k, v in item.items() if k != "blobs"} for item in items], "ticks": len(ticks), "list": whole,
               "blobs": {digest: text for item in items for digest, text in item["blobs"].items()}}
    begun = prove.begin(request, "sign", digest, payload)
    return page(request, "sheet.html", sheet=begun, items=shown, dropped=dropped, ticks=ticks, whole=whole,
                checked=[item for item in asked if item.ticked], verdicts=sorted({item["verdict"] for item in items}))


async def chosen_form(request: web.Request) -> dict[str, str]:
    """Return the posted form, the chosen channels as one text with commas."""
    data = await request.post()
    form = dict(await form_of(request))
    form["channels"] = ",".join(str(value) for value in data.getall("channel", []))
    if form.get("some") == "1" and not form["channels"]:
        raise Denied("invalid", detail="channels")
    return form


def _items(counter: Counter, identifier: str, person: str, form: Mapping[str, str], *, whole: bool) -> list[dict[str, Any]]:
    state, now = counter.parts.runner.state, counter.parts.runner.now()
    submission = subject.find(counter, identifier)
    given = form.get(f"seen_{identifier}" if whole else "seen", "")
    if given != str(submission.seq):
        raise Denied("stale_view", seq=submission.seq)
    back = listing.returns(counter, person).get(identifier) if whole else None
    if back is not None:
        return [_return(counter, submission, person, back)]
    listed = checklist.items(counter, submission, person, form)
    if whole and (not lists_allowed(submission) or any(item.must for item in listed)):
        raise Denied("list_not_allowed")
    stages = waiting.both(state, submission, person, now) if form.get("both") == "1" and not whole else ()
    stages = stages or waiting.mine(state, submission, person, now)
    if not stages:
        raise Denied("no_office" if state.open_stages(submission) else "wrong_state",
                     missing=tuple(stage.id for stage in state.open_stages(submission)))
    comment = "" if whole else form.get("comment", "").strip()[:COMMENT_LIMIT]
    kept = counter.parts.values.commit(comment) if comment else None
    checked = checklist.blob(submission, [item for item in listed if item.must or item.ticked])
    asked = frozenset(filter(None, "" if whole else form.get("channels", "").split(",")))
    return [_item(counter, submission, stage, person, office, kept, checked, asked) for stage, office in stages]


def _item(
    counter: Counter, submission: Submission, stage: Stage, person: str, office: str, comment: Digest | None, checked: bytes | None,
    asked: frozenset[str],
) -> dict[str, Any]:
    state, salt = counter.parts.runner.state, secrets.token_hex(16)
    channels = partial(state.releasable(submission, stage), asked) if stage.kind == "release" else ()
    digest = canonical.sha256(checked) if checked is not None else None
    text = canonical.encode(build_statement(state, submission, stage, person, office, salt, channels=channels, checked=digest))
    return {
        "submission": submission.id, "revision": submission.revision, "stage": stage.id, "verdict": stage.kind, "salt": salt,
        "statement": canonical.sha256(text), "seen": submission.seq, "comment": comment, "checked": digest, "channels": list(channels),
        "blobs": {canonical.sha256(text): text.decode(), **({digest: checked.decode()} if digest and checked else {})},
    }


def partial(waiting_: Sequence[TargetState], asked: frozenset[str]) -> tuple[str, ...]:
    """Return the channels that a release is for where a person chose some of those that wait; empty for all of them.

    Raises:
        Denied: `invalid` for a channel that does not wait.
    """
    known = [target.channel for target in waiting_]
    if not asked or asked == set(known):
        return ()
    if not asked <= set(known):
        raise Denied("invalid", detail="channels")
    return tuple(channel for channel in known if channel in asked)


def _return(counter: Counter, submission: Submission, person: str, back: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list's item that sends a submission back, as it was written when it was put on the list."""
    state, salt, notes = counter.parts.runner.state, secrets.token_hex(16), back["notes"].encode()
    if back["revision"] != submission.revision:
        raise Denied("stale_view", seq=submission.seq)
    named = ((stage, state.may_sign(person, stage, counter.parts.runner.now())) for stage in state.open_stages(submission))
    stage, office = next(((stage, office) for stage, office in named if office is not None), (None, None))
    if stage is None or office is None:
        raise Denied("wrong_state")
    digest = canonical.sha256(notes) if notes else None
    text = canonical.encode(build_statement(state, submission, stage, person, office, salt, reason=back["reason"], notes=digest))
    return {
        "submission": submission.id, "revision": submission.revision, "stage": stage.id, "verdict": "return", "salt": salt,
        "statement": canonical.sha256(text), "seen": submission.seq, "reason": back["reason"], "notes": digest,
        "blobs": {canonical.sha256(text): text.decode(), **({digest: notes.decode()} if digest else {})},
    }


def _line(counter: Counter, identifier: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    submission = counter.parts.runner.state.submissions[identifier]
    chosen = {channel for item in items for channel in item.get("channels", ())}
    channels = subject.channels_of(counter, submission)
    return {
        "title": waiting.title_of(counter, submission), "revision": submission.revision, "number": submission.number, "id": identifier,
        "channels": [c for c in channels if not chosen or c["id"] in chosen], "left_out": [c for c in channels if chosen and c["id"] not in chosen],
        "earlier": earlier.out(counter, submission),
        "scheduled": submission.scheduled, "window_to": submission.window_to, "print": subject.print_of(submission),
        "verdicts": [item["verdict"] for item in items], "pictures": _pictures(counter, submission), "statement": items[0]["statement"],
        "reason": items[0].get("reason", ""),
    }


def _pictures(counter: Counter, submission: Submission) -> int:
    content = waiting.content_of(counter.parts.runner.blobs, submission.content) if submission.content else None
    return len(content.media) if content else 0


async def signed(request: web.Request, proven: Proven, _form: Mapping[str, str]) -> web.StreamResponse:
    """Make the decisions of a proven list."""
    counter, person, payload = request.app[COUNTER], session_of(request).person, proven.begun.payload
    items = tuple(SignItem(**{**item, "channels": tuple(item.get("channels", ()))}) for item in payload["items"])
    rip = counter.parts.values.commit(address_of(request)) if any(item.verdict == "release" for item in items) else None
    blobs = {**proven.blobs, **{Digest(digest): text.encode() for digest, text in payload["blobs"].items()}}
    done = await counter.parts.runner.submit(
        Request(command=Sign(items=items, proof=proven.proof, rip=rip), actor=person, grade=Grade.PROOF), blobs=blobs,
        about=items[0].submission,
    )
    for item in items:
        subject.drop(counter, person, item.submission)
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
    dropped = [{"title": listing.name_of(counter, submission), "code": code} for submission, code in entry.data.get("dropped", [])]
    left = waiting.turns(counter, person, counter.parts.runner.now())
    back = [{"title": listing.name_of(counter, e.object), "reason": e.data["reason"]} for e in counter.history.returned_by(entry.object)]
    return page(request, "done.html", decisions=decisions[::-1], dropped=dropped, back=back, left=left, at=entry.at, signing=entry.object)


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
        "revision": entry.data["revision"], "number": data.get("number", ""), "title": content.title if content else listing.name_of(counter, entry.object),
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


# ---- refusing


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
    raise see(f"/s/stops?stopped={command.publication}")


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
    stopped = state.publications.get(request.query.get("stopped", ""))
    done = _publication(counter, stopped) if stopped is not None and stopped.state is PublicationState.STOPPED else None
    return page(request, "stops.html", done=done, active=[_publication(counter, p) for p in active], freezes=freezes, blackouts=outside.days(counter, now), head=person in heads,
                live=[_publication(counter, p) for p in reversed(live[-50:])],
                units=list(state.units.values()), channels=list(state.channels.values()))


def _publication(counter: Counter, publication: Publication) -> dict[str, Any]:
    state = counter.parts.runner.state
    content = waiting.content_of(counter.parts.runner.blobs, publication.content) if publication.content else None
    return {
        "id": publication.id, "title": content.title if content else listing.name_of(counter, publication.submission), "state": publication.state.value,
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

