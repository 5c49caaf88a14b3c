"""The review page: one submission with all that a decision needs, on one page."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.counter import checklist, earlier, handing, marked, outside, rendition, waiting
from gateway.enforcer.counter.compare import compare
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, language, page, session_of
from gateway.enforcer.counter.subject import channels_of, current_channel, find, findings, may_see, notes, of_channel, on_list, print_of
from gateway.enforcer.counter.waiting import Turn
from gateway.enforcer.worker import WorkerFailed
from gateway.machine.signing import HOLD_SECONDS, lists_allowed
from gateway.machine.state import STOPPABLE, Submission
from gateway.protocol import instants
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant

VIEWS: Final = ("plain", "marked", "compare", "pictures", "checks", "route")
TAKE_BACK_SECONDS: Final = 120
"""How long the page offers 撤回 with a countdown; the machine allows it until the next stage has signed."""
FLAGS: Final = ("sensitive", "executives", "external_quote", "ai_generated", "reprinted_pictures")


async def queue(request: web.Request) -> web.Response:
    """Show what waits for this person, grouped, by when it is due."""
    counter, person = request.app[COUNTER], session_of(request).person
    await counter.history.catch_up()
    found = waiting.turns(counter, person, counter.parts.runner.now())
    chosen = on_list(counter, person)
    return page(request, "queue.html", groups=waiting.grouped(found), counts=waiting.summary(found), chosen=chosen,
                handed=handing.marks(counter, found, person),
                done_today=await _done_today(counter, person))


async def _done_today(counter: Counter, person: str) -> int:
    await counter.history.catch_up()
    today = instants.office_day(counter.parts.runner.now())
    return sum(1 for entry in counter.history.signed_by(person) if instants.office_day(entry.at) == today)




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
    view, at = request.query.get("view", "plain"), request.query.get("at", "")
    turn, base = waiting.turn(counter, submission, person, now), _against(request, counter, submission, person)
    return page(request, "item.html", **_shown(counter, submission, request, now), **_beside(found, submission),
                view=view if view in VIEWS else "plain", turn=turn, at=at if at.isalnum() else "",
                handed=handing.marks(counter, [turn] if turn else [], person).get(submission.id),
                others_may=handing.others(counter, submission, person, language(request), now), listable=lists_allowed(submission), partial=_partial(counter, submission, turn),
                both=waiting.both(counter.parts.runner.state, submission, person, now), chosen=on_list(counter, person),
                checklist=checklist.items(counter, submission, person),
                compared=await _compared(counter, submission, base, live_now(counter, submission, request)) if view == "compare" else None,
                seen=_seen(counter, submission, person), base=base, live=live_now(counter, submission, request))



def placed(found: list[dict[str, Any]], said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings and notes that have a mark, down the page."""
    both = [*found, *(note for given in said for note in given["notes"])]
    return sorted((one for one in both if one["mark"]), key=lambda one: int(one["mark"][1:]))


def _partial(counter: Counter, submission: Submission, turn: Turn | None) -> list[dict[str, Any]]:
    """Return the channels that a release by this person could be limited to; one or none means that there is nothing to choose."""
    state = counter.parts.runner.state
    waiting_ = {t.channel for stage, _ in turn.stages[:1] if stage.kind == "release" for t in state.releasable(submission, stage)} if turn else set()
    return [channel for channel in channels_of(counter, submission) if channel["id"] in waiting_]


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
    current = current_channel(counter, submission, request)
    found = findings(counter, submission)
    content = waiting.content_of(counter.parts.runner.blobs, submission.content) if submission.content else None
    history = counter.history.of(submission.id)
    here, said = of_channel(found, current["id"]), notes(counter, history)
    marks = marked.number(content, here, said)
    return {
        "submission": submission, "title": waiting.title_of(counter, submission), "channels": channels, "current": current,
        "template": rendition.load(counter, current["template"]), "others": rendition.others(rendition.load(counter, current["template"])),
        "findings": here, "all_findings": found, "content": content, "marks": marks,
        "placed": placed(here, said),
        "pictures": list(content.media) if content else [], "notes": said, "route": route(counter, submission, history, lang, now),
        "facts": facts(submission), "author": counter.parts.views.name(submission.author), "unit": counter.parts.views.unit(submission.unit),
        "message": (counter.parts.values.text(submission.message) or "") if submission.message else "",
        "hold": HOLD_SECONDS[state.kind], "print": print_of(submission), "sends": sends(counter, submission),
        "held_up": outside.held_up(counter, submission, now), "rerouted": outside.rerouted(counter, history, lang),
        "earlier": earlier.out(counter, submission),
    }








def facts(submission: Submission) -> list[tuple[str, bool, bool]]:
    """Return each flag: its key, whether it is set, whether a check set it."""
    found = set(submission.facts.get("found", ()))
    return [(flag, submission.facts.get(flag) is not False, flag in found) for flag in FLAGS]


def route(counter: Counter, submission: Submission, history: list[Entry], lang: str, now: Instant) -> list[dict[str, Any]]:
    """Return the route as steps: written, each stage with who signed how and when, or who could."""
    views, state = counter.parts.views, counter.parts.runner.state
    made = next((e for e in reversed(history) if e.type == EntryType.SUBMISSION_MADE), None)
    steps: list[dict[str, Any]] = [{"state": "done", "words": "", "who": views.name(submission.author), "unit": views.unit(submission.unit),
                                    "at": made.at if made else submission.made_at, "method": "", "comment": "", "checked": [], "people": []}]
    people, open_ = views.stage_people(submission, now), {s.id for s in state.open_stages(submission)}
    decided = {e.data["stage"]: e.data for e in history if e.type == EntryType.DECISION_MADE}
    for stage in submission.stages:
        signed = submission.signed(stage.id)
        data = decided.get(stage.id, {}) if signed else {}
        comment = data.get("comment")
        steps.append({
            "state": "done" if signed else "open" if stage.id in open_ else "later", "words": views.stage_words(stage.id, lang),
            "rule": stage.rule, "who": views.name(signed.person) if signed else "", "unit": views.office_words(signed.office, lang) if signed else "",
            "at": signed.at if signed else "", "method": signed.method if signed else "", "people": [views.contact(p, lang) for p in people[stage.id]],
            "checked": checklist.ticked(counter, data.get("checked")), "comment": (counter.parts.values.text(comment) or "") if comment else "",
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


def _against(request: web.Request, counter: Counter, submission: Submission, person: str) -> int:
    """Return the revision to compare with: an earlier one that the address names, else the one this person knows."""
    asked = request.query.get("base", "")
    named = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 0
    return named if 0 < named < submission.revision else _base(counter, submission, person)


def live_now(counter: Counter, submission: Submission, request: web.Request) -> dict[str, Any] | None:
    """Return what is public on the channel in view and would be changed or taken down: title, address, since when, content, template; None for a new post."""
    state = counter.parts.runner.state
    publication = state.publications.get(current_channel(counter, submission, request)["previous"] or "")
    if publication is None:
        return None
    content = waiting.content_of(counter.parts.runner.blobs, publication.content) if publication.content else None
    return {"title": content.title if content else "", "url": publication.url, "at": publication.dispatched_at, "content": publication.content,
            "template": publication.template}


async def _compared(counter: Counter, submission: Submission, base: int, live: dict[str, Any] | None) -> dict[str, Any]:
    """Compare with the revision this person knows; a correction that they see for the first time, with what is public now."""
    data = counter.history.revision(submission.id, base) if base else None
    before = data["content"] if data else live["content"] if live else None
    if before is None or submission.content is None:
        return {"base": base, "failed": False, "found": None, "facts": [], "before": None}
    blobs = counter.parts.runner.blobs
    try:
        found = await counter.parts.worker.run(compare, blobs.get(before), blobs.get(submission.content))
    except (WorkerFailed, BlobMissing, BlobAltered):
        return {"base": base, "failed": True, "found": None, "facts": [], "before": before}
    flags = [(flag, data["facts"].get(flag) is not False, submission.facts.get(flag) is not False) for flag in FLAGS] if data else []
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
