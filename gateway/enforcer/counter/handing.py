"""转交: asking another holder of the same office to decide. A mark in both queues and a notice by the desk; who may decide stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, see, session_of
from gateway.enforcer.counter.returning import whole
from gateway.enforcer.counter.waiting import Turn
from gateway.machine import handover
from gateway.machine.state import Submission
from gateway.protocol.commands import Grade, HandOver, Request
from gateway.protocol.instants import Instant


def others(counter: Counter, submission: Submission, person: str, lang: str, at: Instant) -> list[dict[str, str]]:
    """Return whom a person could hand a submission over to."""
    found = handover.others(counter.parts.runner.state, submission, person, at)
    return [counter.parts.views.contact(one, lang) for one in found]


def marks(counter: Counter, turns: Iterable[Turn], person: str) -> dict[str, dict[str, Any]]:
    """Return for each item of a queue that was handed over: by whom, to whom, and whether to this person."""
    found = ((turn.submission, counter.history.handed(turn.submission.id, turn.submission.revision)) for turn in turns)
    name = counter.parts.views.name
    return {s.id: {"by": name(e.actor), "to": name(e.data["to"]), "me": e.data["to"] == person} for s, e in found if e is not None}


async def hand_over(request: web.Request) -> web.StreamResponse:
    """Hand an item over; it takes a counter session and no proof, for nothing is decided."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    command = HandOver(submission=form.get("submission", ""), revision=whole(form, "revision"), to=form.get("to", ""))
    await counter.parts.runner.submit(
        Request(command=command, actor=person, grade=Grade.COUNTER, expected=whole(form, "seen")), about=command.submission)
    raise see(f"/s/item/{command.submission}")
