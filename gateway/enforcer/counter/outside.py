"""What changed around a submission since it was handed in: blackout days over its channels, and steps that a new table asks for."""

from __future__ import annotations

from typing import Any

from gateway.enforcer.counter.parts import Counter
from gateway.machine import blackouts
from gateway.machine.state import Submission
from gateway.protocol import denials
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant


def days(counter: Counter, now: Instant) -> list[dict[str, Any]]:
    """Return the blackouts that are not over, the earliest first, in words."""
    parts = counter.parts
    found = sorted((b for b in parts.runner.state.blackouts.values() if b.end > now), key=lambda b: (b.start, b.id))
    return [
        {"id": b.id, "scope": b.scope, "target": parts.views.scope(b.target) if b.target else "", "kind": b.kind, "start": b.start, "end": b.end,
         "by": parts.views.name(b.by), "reason": parts.values.text(b.reason) or ""}
        for b in found
    ]


def held_up(counter: Counter, submission: Submission, now: Instant) -> list[dict[str, Any]]:
    """Return each channel that a blackout covers when it would go out, with the earliest time; `late` where that is past the window."""
    state, found = counter.parts.runner.state, []
    due = max(submission.scheduled, now) if submission.scheduled else now
    for target in submission.targets:
        earliest = blackouts.over(state, submission.unit, target.channel, target.operation, due)
        if earliest > due:
            late = earliest >= submission.window_to or submission.scheduled is not None
            found.append({"channel": state.channels[target.channel].name, "earliest": earliest, "late": late})
    return found


def rerouted(counter: Counter, history: list[Entry], lang: str) -> list[dict[str, Any]]:
    """Return when a changed table added steps, which, and by which rule and article."""
    views = counter.parts.views
    return [
        {"at": entry.at, "void": bool(entry.data["tokens"]),
         "added": [{"words": views.stage_words(stage, lang), "rule": rule, "article": denials.article(rule, lang)} for stage, rule in entry.data["added"]]}
        for entry in history if entry.type == EntryType.SUBMISSION_REROUTED
    ]
