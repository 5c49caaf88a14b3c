"""The review page: one submission with all that a decision needs, on one page."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.counter import rendition, waiting
from gateway.enforcer.counter.compare import compare
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, language, page, session_of
from gateway.enforcer.counter.waiting import Turn
from gateway.enforcer.worker import WorkerFailed
from gateway.machine.signing import HOLD_SECONDS
from gateway.machine.state import STOPPABLE, Submission
from gateway.protocol import instants
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant

VIEWS: Final = ("plain", "compare", "pictures", "checks", "route")
TAKE_BACK_SECONDS: Final = 120
"""How long the page offers 撤回 with a countdown; the machine allows it until the next stage has signed."""
FLAGS: Final = ("sensitive", "executives", "external_quote", "ai_generated", "reprinted_pictures")


async def queue(request: web.Request) -> web.Response:
    """Show what waits for this person, grouped, by when it is due."""
    counter, person = request.app[COUNTER], session_of(request).person
    found = waiting.turns(counter, person, counter.parts.runner.now())
    chosen = on_list(counter, person)
    return page(request, "queue.html", groups=waiting.grouped(found), counts=waiting.summary(found), chosen=chosen,
                done_today=await _done_today(counter, person))


async def _done_today(counter: Counter, person: str) -> int:
    await counter.history.catch_up()
    today = instants.office_day(counter.parts.runner.now())
    return sum(1 for entry in counter.history.signed_by(person) if instants.office_day(entry.at) == today)


def on_list(counter: Counter, person: str) -> list[str]:
    """Return the submissions that a person put on their list."""
    return [row["submission"] for row in counter.sessions.db.all("SELECT submission FROM lists WHERE person = ? ORDER BY at", (person,))]


def find(counter: Counter, identifier: str) -> Submission:
    """Return an open submission.

    Raises:
        Denied: `not_found`.
    """
    submission = counter.parts.runner.state.submissions.get(identifier)
    if submission is None:
        raise Denied("not_found", detail="submission")
    return submission


async def item(request: web.Request) -> web.Response:
    """Show one submission."""
    counter, person = request.app[COUNTER], session_of(request).person
    identifier = request.match_info["submission"]
    await counter.history.catch_up()
    finished = counter.parts.runner.state.finished.get(identifier)
    if finished is not None:
        return page(request, "finished.html", number=finished[0], state=finished[2], submission=identifier)
    submission = find(counter, identifier)
    may_see(counter, submission, person)
    now = counter.parts.runner.now()
    found = waiting.turns(counter, person, now)
    view = request.query.get("view", "plain")
    return page(request, "item.html", **_shown(counter, submission, request, now), **_beside(found, submission),
                view=view if view in VIEWS else "plain", turn=waiting.turn(counter, submission, person, now),
                both=waiting.both(counter.parts.runner.state, submission, person, now), chosen=on_list(counter, person),
                compared=await _compared(counter, submission, person) if view == "compare" else None,
                seen=_seen(counter, submission, person), base=_base(counter, submission, person))


def may_see(counter: Counter, submission: Submission, person: str) -> None:
    """Raise `no_office` where a person has no part in a submission: neither author nor signer nor overseer, by office of its route.

    Raises:
        Denied: `no_office`.
    """
    state, now = counter.parts.runner.state, counter.parts.runner.now()
    held = {(o.office, o.scope) for o in state.offices_of(person, now)}
    overseers = {"brand_pr", "brand_pr_head", "leader", "auditor", "founder"}
    in_route = any(tuple(office) in held for stage in submission.stages for office in stage.offices)
    if person != submission.author and not in_route and not any(office in overseers for office, _ in held):
        raise Denied("no_office", ask=(submission.author,))


def _beside(found: list[Turn], submission: Submission) -> dict[str, Any]:
    ids = [turn.submission.id for turn in found]
    at = ids.index(submission.id) if submission.id in ids else -1
    return {
        "rail": found, "before": ids[at - 1] if at > 0 else "", "after": ids[at + 1] if 0 <= at < len(ids) - 1 else "",
        "next_up": next((i for i in ids if i != submission.id), ""),
    }


def _shown(counter: Counter, submission: Submission, request: web.Request, now: Instant) -> dict[str, Any]:
    lang, state = language(request), counter.parts.runner.state
    channels = channels_of(counter, submission)
    wanted = request.query.get("channel", "")
    current = next((c for c in channels if c["id"] == wanted), channels[0])
    found = findings(counter, submission)
    content = waiting.content_of(counter.parts.runner.blobs, submission.content) if submission.content else None
    history = counter.history.of(submission.id)
    return {
        "submission": submission, "title": waiting.title_of(counter, submission), "channels": channels, "current": current,
        "template": rendition.load(counter, current["template"]), "others": rendition.others(rendition.load(counter, current["template"])),
        "findings": [f for f in found if f.get("channel") in {None, "", current["id"]}], "all_findings": found, "content": content,
        "pictures": list(content.media) if content else [], "notes": notes(counter, history), "route": route(counter, submission, history, lang, now),
        "facts": facts(submission), "author": counter.parts.views.name(submission.author), "unit": counter.parts.views.unit(submission.unit),
        "message": (counter.parts.values.text(submission.message) or "") if submission.message else "",
        "hold": HOLD_SECONDS[state.kind], "print": print_of(submission), "sends": sends(counter, submission),
    }


def channels_of(counter: Counter, submission: Submission) -> list[dict[str, Any]]:
    """Return a submission's channels with name, operation and template."""
    state, found = counter.parts.runner.state, findings(counter, submission)
    return [
        {"id": t.channel, "name": state.channels[t.channel].name, "platform": state.channels[t.channel].platform, "operation": t.operation,
         "template": t.template, "previous": t.previous, "count": sum(f.get("channel") == t.channel for f in found)}
        for t in submission.targets
    ]


def print_of(submission: Submission) -> str:
    """Return the digest people compare: the content's, or of a withdrawal its first template's."""
    return submission.content or submission.targets[0].template


def findings(counter: Counter, submission: Submission) -> list[dict[str, Any]]:
    """Return what the checks found, from the blob the submission names; the worst first.

    Raises:
        Denied: `scope_mismatch` where the blob is missing or altered: nobody signs without having seen it.
    """
    try:
        value = json.loads(counter.parts.runner.blobs.get(submission.findings["blob"]))
    except (BlobMissing, BlobAltered, ValueError) as error:
        if submission.emergency:
            return []
        raise Denied("scope_mismatch", detail="findings") from error
    order = {"block": 0, "confirm": 1, "hint": 2}
    return sorted(value.get("findings", []), key=lambda f: order.get(f.get("grade", ""), 3))


def notes(counter: Counter, history: list[Entry]) -> list[dict[str, Any]]:
    """Return the notes of every return, newest first, each with who, when and which revision."""
    found: list[dict[str, Any]] = []
    for entry in reversed(history):
        if entry.type != EntryType.SUBMISSION_RETURNED:
            continue
        value: dict[str, Any] = {}
        if entry.data.get("notes"):
            try:
                value = json.loads(counter.parts.runner.blobs.get(entry.data["notes"]))
            except (BlobMissing, BlobAltered, ValueError):
                value = {}
        found.append({"by": counter.parts.views.name(entry.actor), "at": entry.at, "revision": entry.data["revision"],
                      "reason": entry.data["reason"], "text": value.get("text", ""), "notes": value.get("notes", [])})
    return found


def facts(submission: Submission) -> list[tuple[str, bool, bool]]:
    """Return each flag: its key, whether it is set, whether a check set it."""
    found = set(submission.facts.get("found", ()))
    return [(flag, submission.facts.get(flag) is not False, flag in found) for flag in FLAGS]


def route(counter: Counter, submission: Submission, history: list[Entry], lang: str, now: Instant) -> list[dict[str, Any]]:
    """Return the route as steps: written, each stage with who signed how and when, or who could."""
    views, state = counter.parts.views, counter.parts.runner.state
    made = next((e for e in reversed(history) if e.type == EntryType.SUBMISSION_MADE), None)
    steps: list[dict[str, Any]] = [{"state": "done", "words": "", "who": views.name(submission.author), "unit": views.unit(submission.unit),
                                    "at": made.at if made else submission.made_at, "method": "", "comment": "", "people": []}]
    people, open_ = views.stage_people(submission, now), {s.id for s in state.open_stages(submission)}
    comments = {e.data["stage"]: e.data.get("comment") for e in history if e.type == EntryType.DECISION_MADE}
    for stage in submission.stages:
        signed = submission.signed(stage.id)
        comment = comments.get(stage.id) if signed else None
        steps.append({
            "state": "done" if signed else "open" if stage.id in open_ else "later", "words": views.stage_words(stage.id, lang),
            "rule": stage.rule, "who": views.name(signed.person) if signed else "", "unit": views.office_words(signed.office, lang) if signed else "",
            "at": signed.at if signed else "", "method": signed.method if signed else "", "people": [views.contact(p, lang) for p in people[stage.id]],
            "comment": (counter.parts.values.text(comment) or "") if comment else "",
        })
    return steps


def sends(counter: Counter, submission: Submission) -> list[dict[str, Any]]:
    """Return the publications released from a submission that are on their way, with whether they can still be stopped."""
    state = counter.parts.runner.state
    found = [state.publications[t.publication] for t in submission.targets if t.publication]
    return [{"id": p.id, "channel": state.channels[p.channel].name, "state": p.state.value, "stoppable": p.state in STOPPABLE,
             "not_before": p.not_before, "url": p.url} for p in found]


def _seen(counter: Counter, submission: Submission, person: str) -> bool:
    return counter.sessions.db.one("SELECT 1 FROM seen WHERE person = ? AND submission = ? AND revision = ?",
                                   (person, submission.id, submission.revision)) is not None


def _base(counter: Counter, submission: Submission, person: str) -> int:
    """Return the revision this person last saw, signed or sent back before this one; else the one before; 0 where there is none."""
    rows = counter.sessions.db.all("SELECT revision FROM seen WHERE person = ? AND submission = ?", (person, submission.id))
    known = {row["revision"] for row in rows} | counter.history.decided(submission.id, person)
    return max((r for r in known if r < submission.revision), default=submission.revision - 1)


async def _compared(counter: Counter, submission: Submission, person: str) -> dict[str, Any]:
    base = _base(counter, submission, person)
    data = counter.history.revision(submission.id, base) if base else None
    before = data["content"] if data else None
    if data is None or before is None or submission.content is None:
        return {"base": base, "failed": False, "found": None, "facts": [], "before": None}
    blobs = counter.parts.runner.blobs
    try:
        found = await counter.parts.worker.run(compare, blobs.get(before), blobs.get(submission.content))
    except (WorkerFailed, BlobMissing, BlobAltered):
        return {"base": base, "failed": True, "found": None, "facts": [], "before": before}
    flags = [(flag, data["facts"].get(flag) is not False, submission.facts.get(flag) is not False) for flag in FLAGS]
    return {"base": base, "failed": False, "found": found, "facts": [f for f in flags if f[1] != f[2]], "before": before}


async def seen(request: web.Request) -> web.Response:
    """Remember that this person opened a revision to its end; only then may it go on a list."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    submission = find(counter, form.get("submission", ""))
    may_see(counter, submission, person)
    if form.get("revision") != str(submission.revision):
        raise Denied("stale_view", seq=submission.seq)
    counter.sessions.db.run("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                            (person, submission.id, submission.revision, counter.parts.runner.now()))
    return web.Response(status=204)
