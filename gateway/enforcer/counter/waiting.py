"""What waits for a person: which stages they could sign now, grouped the way they are worked off. Decides nothing; the machine asks again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.canonical import NotCanonical
from gateway.content import Content, NotContent
from gateway.enforcer.blobs import BlobAltered, BlobMissing, BlobStore
from gateway.enforcer.counter.parts import Counter
from gateway.machine.handover import could_sign
from gateway.machine.signing import lists_allowed
from gateway.machine.state import Stage, State, Submission
from gateway.protocol.instants import Instant

GROUPS = ("together", "single", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One submission and the stages this person could sign of it now, each with the office; `group` is how it is worked off."""

    submission: Submission
    stages: tuple[tuple[Stage, str], ...]
    title: str
    channels: tuple[str, ...]
    due: Instant
    group: str
    why: str

    @property
    def verdict(self) -> str:
        """`approve` or `release`: what signing it means."""
        return self.stages[0][0].kind


def turns(counter: Counter, person: str, at: Instant) -> list[Turn]:
    """Return everything that waits for `person`, the most urgent first."""
    state = counter.parts.runner.state
    keys = {(office.office, office.scope) for office in state.offices_of(person, at)}
    found = {identifier for key in keys for identifier in state.waiting.get(key, ())}
    waiting = (turn(counter, state.submissions[identifier], person, at) for identifier in found if identifier in state.submissions)
    return sorted((one for one in waiting if one is not None), key=lambda one: (one.due, one.submission.number))


def turn(counter: Counter, submission: Submission, person: str, at: Instant) -> Turn | None:
    """Return what the person could sign of one submission now, or None."""
    state = counter.parts.runner.state
    stages = mine(state, submission, person, at)
    if not stages or at >= submission.window_to:
        return None
    group, why = _group(state, submission)
    return Turn(
        submission=submission, stages=stages, title=title_of(counter, submission), due=submission.scheduled or submission.window_to, group=group,
        why=why, channels=tuple(state.channels[t.channel].name for t in submission.targets if t.channel in state.channels),
    )


def mine(state: State, submission: Submission, person: str, at: Instant) -> tuple[tuple[Stage, str], ...]:
    """Return the open stages that a person may sign, with the office: never their own text where it must be another's."""
    named = ((stage, could_sign(state, submission, stage, person, at)) for stage in state.open_stages(submission))
    return tuple((stage, office) for stage, office in named if office is not None)


def both(state: State, submission: Submission, person: str, at: Instant) -> tuple[tuple[Stage, str], ...]:
    """Return approval and release together where one person may do both (同意并放行), else nothing."""
    here = mine(state, submission, person, at)
    left = [s for s in submission.stages if s.kind == "approve" and submission.signed(s.id) is None]
    if len(here) != 1 or left != [here[0][0]] or person == submission.author:
        return ()
    releases = [(stage, state.may_sign(person, stage, at)) for stage in submission.stages
                if stage.kind == "release" and not stage.apart and state.releasable(submission, stage)]
    named = [(stage, office) for stage, office in releases if office is not None]
    return (*here, *named) if named and len(named) == len(releases) else ()


def _group(state: State, submission: Submission) -> tuple[str, str]:
    for target in submission.targets:
        channel = state.channels.get(target.channel)
        if channel is None or channel.filing != "filed" or channel.credential is None:
            return "blocked", "channel"
    if state.freezes and any(
        freeze.scope == "all" or freeze.target in {submission.id, submission.unit, *(t.channel for t in submission.targets)}
        for freeze in state.freezes.values()
    ):
        return "blocked", "frozen"
    if submission.findings.get("block"):
        return "blocked", "findings"
    if not lists_allowed(submission):
        return "single", "sensitive" if submission.facts.get("sensitive") is not False else "withdraw"
    if submission.effective:
        return "single", "earlier"
    if submission.findings.get("confirm"):
        return "single", "confirm"
    if submission.facts.get("found"):
        return "single", "found"
    return "together", ""


def title_of(counter: Counter, submission: Submission) -> str:
    """Return a submission's title; a withdrawal is named by what it takes down."""
    content = submission.content
    if content is None:
        previous = next((t.previous for t in submission.targets if t.previous), None)
        live = counter.parts.runner.state.publications.get(previous) if previous else None
        content = live.content if live else None
    found = content_of(counter.parts.runner.blobs, content) if content else None
    return found.title if found else submission.number


def content_of(blobs: BlobStore, digest: str) -> Content | None:
    """Return a stored content, or None where its blob is missing, altered or no content."""
    return _content(blobs, digest)


@lru_cache(maxsize=512)
def _content(blobs: BlobStore, digest: str) -> Content | None:
    try:
        return Content.parse(blobs.get(digest))
    except (BlobMissing, BlobAltered, NotContent, NotCanonical):
        return None


def grouped(found: list[Turn]) -> list[tuple[str, list[Turn]]]:
    """Return the groups that hold something, in the order they are worked off."""
    return [(name, here) for name in GROUPS if (here := [one for one in found if one.group == name])]


def summary(found: list[Turn]) -> dict[str, Any]:
    """Return how many wait, and in which groups."""
    return {"all": len(found), **{name: sum(one.group == name for one in found) for name in GROUPS}}
