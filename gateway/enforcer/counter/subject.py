"""One submission as the counter's pages read it: who may see it, its channels, findings and notes. Decides nothing."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.counter.parts import Counter
from gateway.enforcer.counter.quota import quota
from gateway.machine.state import Submission
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.notes import Notes, NotNotes


def on_list(counter: Counter, person: str) -> list[str]:
    """Return the submissions that a person put on their list."""
    return [row["submission"] for row in counter.sessions.db.all("SELECT submission FROM lists WHERE person = ? ORDER BY at", (person,))]


def drop(counter: Counter, person: str, submission: str) -> None:
    """Forget an item of a person's list, and why it was to be sent back."""
    for table in ("lists", "list_returns"):
        counter.sessions.db.run(f"DELETE FROM {table} WHERE person = ? AND submission = ?", (person, submission))  # noqa: S608 -- two names of ours


def find(counter: Counter, identifier: str) -> Submission:
    """Return an open submission.

    Raises:
        Denied: `not_found`.
    """
    submission = counter.parts.runner.state.submissions.get(identifier)
    if submission is None:
        raise Denied("not_found", detail="submission")
    return submission


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


def channels_of(counter: Counter, submission: Submission) -> list[dict[str, Any]]:
    """Return a submission's channels with name, operation, template, and what may still be sent on the day it would go out."""
    state, found, now = counter.parts.runner.state, findings(counter, submission), counter.parts.runner.now()
    return [
        {"id": t.channel, "name": state.channels[t.channel].name, "platform": state.channels[t.channel].platform, "operation": t.operation,
         "template": t.template, "previous": t.previous, "count": sum(f.get("channel") == t.channel for f in found),
         "quota": quota(state.channels[t.channel], t.operation, at=now, scheduled=submission.scheduled, window_to=submission.window_to)}
        for t in submission.targets
    ]


def current_channel(counter: Counter, submission: Submission, request: web.Request) -> dict[str, Any]:
    """Return the channel that the address asks for, else the first."""
    channels = channels_of(counter, submission)
    return next((c for c in channels if c["id"] == request.query.get("channel", "")), channels[0])


def of_channel(found: list[dict[str, Any]], channel: str) -> list[dict[str, Any]]:
    """Return the findings about the content itself or about this channel."""
    return [finding for finding in found if finding.get("channel") in {None, "", channel}]


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
        try:
            given = Notes.parse(counter.parts.runner.blobs.get(entry.data["notes"])) if entry.data["notes"] else Notes()
        except (BlobMissing, BlobAltered, NotNotes):
            given = Notes()
        found.append({"by": counter.parts.views.name(entry.actor), "at": entry.at, "revision": entry.data["revision"],
                      "reason": entry.data["reason"], "text": given.text, "notes": [note.value() for note in given.notes]})
    return found
