"""Submissions: handing in, taking back, sending back, expiring (pure).

A submission of which a part is out is sent back, recalled and revised like any other: its next revision is for the channels that are left.
A recall takes back what waits for somebody, also while a part is on its way; it never touches what is out, being sent, or released and held.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from sys import intern
from typing import Any, Final

from gateway.machine import blackouts, policy
from gateway.machine.context import ApplyTable, Context, DecideTable
from gateway.machine.state import (
    OPEN_PUBLICATION,
    RELEASABLE,
    Office,
    Person,
    Publication,
    PublicationState,
    Signature,
    Stage,
    State,
    Submission,
    SubmissionState,
    TargetState,
)
from gateway.protocol import instants
from gateway.protocol.commands import Cancel, Expire, Grade, Recall, Return, Submit, TakeBack, Target
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType

WRITERS: Final = frozenset({Office.AUTHOR, Office.OPERATOR, Office.BRAND_PR, Office.BRAND_PR_HEAD})
TARGET_LIMIT: Final = 20
_IN_REVIEW: Final = SubmissionState.IN_REVIEW  # found through their class, members cost a replay twenty times as much
_DONE: Final = SubmissionState.DONE
_MADE: Final = itemgetter(
    "number", "revision", "draft", "unit", "content", "facts", "findings", "targets", "stages", "route", "policy", "rules", "window_to",
    "scheduled", "source", "message", "emergency",
)
_EFFECT: Final = frozenset({PublicationState.LIVE, PublicationState.GONE, PublicationState.WITHDRAWN, PublicationState.REPLACED})
REVISABLE: Final = frozenset({SubmissionState.RETURNED, SubmissionState.RECALLED, SubmissionState.EXPIRED})
_RECALLABLE: Final = frozenset({SubmissionState.IN_REVIEW, SubmissionState.RELEASED, SubmissionState.EXPIRED})


def find(state: State, identifier: str) -> Submission:
    """Return an open submission.

    Raises:
        Denied: `wrong_state` where it is finished, `not_found` where there is none.
    """
    submission = state.submissions.get(identifier)
    if submission is None:
        raise Denied("wrong_state" if identifier in state.finished else "not_found", detail="submission")
    return submission


def submit(context: Context) -> list[Draft]:
    """Hand a revision in: the author may write, each channel may be used, nothing blocks, and every stage could be done by someone."""
    command: Submit = context.request.command
    state, person = context.state, context.person()
    check_writer(context, person)
    previous = _revised(context, command)
    check_targets(context, command.targets, person.unit)
    if (command.content is None) != all(target.operation == "withdraw" for target in command.targets):
        raise Denied("invalid", detail="content")
    if command.findings.block:
        raise Denied("blocking_findings", detail=str(command.findings.block))
    if command.facts.get("external_quote") is not False:
        raise Denied("external_confirmation", ask=governing_brand(state, context.at))
    channels = [target.channel for target in command.targets]
    route = policy.route(state, unit=person.unit, channels=channels, facts=command.facts, rules=context.rules)
    check_people(context, route.stages, person)
    if command.window_to <= context.at or (command.scheduled is not None and command.scheduled >= command.window_to):
        raise Denied("window_over")
    check_days(context, command.targets, person.unit, command.window_to, command.scheduled)
    year = instants.office_day(context.at)[:4]
    number = previous.number if previous else f"签-{year}-{state.numbers.get(year, 0) + 1:04d}"
    return [context.draft(
        EntryType.SUBMISSION_MADE, previous.id if previous else context.ids.new("sub"), number=number,
        revision=previous.revision + 1 if previous else 1, draft=command.draft, unit=person.unit, content=command.content,
        targets=[_target_data(target) for target in command.targets], facts=command.facts,
        findings={"block": command.findings.block, "confirm": command.findings.confirm, "hint": command.findings.hint,
                  "blob": command.findings.blob},
        stages=[stage_data(stage) for stage in route.stages], rules=list(route.rules), route=route.digest,
        policy=policy.digest(context.rules),
        window_to=command.window_to, scheduled=command.scheduled, source=command.source, message=command.message, emergency=False,
    )]


def check_people(context: Context, stages: Sequence[Stage], author: Person) -> None:
    """Raise `stage_vacant` where a stage of a route has nobody who could sign it now."""
    vacant = policy.vacancies(context.state, stages, author.id, context.at)
    if vacant:
        missing = tuple(stage.id for stage in vacant)
        raise Denied("stage_vacant", missing=missing, rule=vacant[0].rule, ask=governors_of(context.state, context.at))


def check_days(
    context: Context, targets: Sequence[Target | TargetState], unit: str, window_to: instants.Instant, scheduled: instants.Instant | None,
) -> None:
    """Raise where a blackout covers the fixed time, or everything up to the window's end: it could never be sent."""
    due = max(scheduled, context.at) if scheduled else context.at
    for target in targets:
        until = blackouts.over(context.state, unit, target.channel, target.operation, due)
        if until >= window_to or (scheduled is not None and until > due):
            days = blackouts.covering(context.state, unit, target.channel, target.operation, due)
            raise Denied("blackout", detail=target.channel, until=until, ask=tuple(dict.fromkeys(day.by for day in days)))


def check_writer(context: Context, person: Person) -> None:
    """Raise `no_office` where the person may not submit now."""
    if not may_write(context.state, person, context.at):
        raise Denied("no_office", detail="author", rule="R9", ask=governing_brand(context.state, context.at))


def may_write(state: State, person: Person, at: instants.Instant) -> bool:
    """Return whether the person may submit: an author's office counts for the units below its own (articles 3 and 9)."""
    return any(
        held.office in WRITERS and (held.office != Office.AUTHOR or state.inside(person.unit, held.scope))
        for held in state.offices_of(person.id, at)
    )


def _revised(context: Context, command: Submit) -> Submission | None:
    if command.submission is None:
        return None
    previous = find(context.state, command.submission)
    if previous.author != context.actor:
        raise Denied("not_your_submission", ask=(previous.author,))
    if previous.state not in REVISABLE or _on_its_way(context.state, previous):
        raise Denied("wrong_state", detail=previous.state.value)
    done = effective(context.state, previous)
    for target in command.targets:
        if target.channel in done:
            raise Denied("channel_done", detail=target.channel)
    context.unseen(previous.seq)
    return previous


def effective(state: State, submission: Submission) -> tuple[str, ...]:
    """Return the channels on which a submission took effect, in this revision or an earlier one.

    What is out there is altered by a submission of its own (article 19), never by the next revision of the one that brought it.
    """
    here = [t.channel for t in submission.targets if t.publication is not None and state.publications[t.publication].state in _EFFECT]
    return (*submission.effective, *here)


def check_targets(context: Context, targets: Sequence[Target | TargetState], unit: str) -> None:
    """Ask of each target whether its channel may be used as it says.

    Raises:
        Denied: the first reason found.
    """
    state = context.state
    if not targets or len(targets) > TARGET_LIMIT or len({target.channel for target in targets}) != len(targets):
        raise Denied("invalid", detail="targets")
    for target in targets:
        channel = state.channels.get(target.channel)
        if channel is None:
            raise Denied("channel_unknown", detail=target.channel)
        if channel.filing != "filed":
            raise Denied("channel_unfiled", detail=channel.id, ask=governing_brand(state, context.at))
        if channel.level == "own" and not state.inside(unit, channel.unit):
            raise Denied("channel_other_unit", detail=channel.id)
        if channel.credential is None:
            raise Denied("credential_missing", detail=channel.id, ask=channel.custodians)
        if target.operation not in policy.OPERATIONS:
            raise Denied("no_rule", detail=target.operation)
        if (target.operation == "publish") != (target.previous is None):
            raise Denied("invalid", detail="previous")
        if target.previous is not None:
            check_previous(state, target.channel, target.previous)


def check_previous(state: State, channel: str, previous: str) -> Publication:
    """Return the live publication that an edit or withdrawal names.

    Raises:
        Denied: `previous_changed` where it is not what is live on this channel now.
    """
    publication = state.publications.get(previous)
    if publication is None or publication.channel != channel or publication.state is not PublicationState.LIVE:
        raise Denied("previous_changed", detail=previous)
    return publication


def _target_data(target: Target) -> dict[str, object]:
    return {"channel": target.channel, "operation": target.operation, "template": target.template, "previous": target.previous}


def stage_data(stage: Stage) -> dict[str, object]:
    """Return a stage as it stands in an entry."""
    return {
        "id": stage.id, "kind": stage.kind, "offices": [list(office) for office in stage.offices], "rule": stage.rule,
        "channels": list(stage.channels), "apart": stage.apart,
    }


def governing_brand(state: State, at: instants.Instant) -> tuple[str, ...]:
    """Return whom to ask at brand & PR."""
    return tuple(dict.fromkeys([*state.holders(Office.BRAND_PR, state.group, at), *state.holders(Office.BRAND_PR_HEAD, state.group, at)]))


def governors_of(state: State, at: instants.Instant) -> tuple[str, ...]:
    """Return whom to ask for an appointment."""
    return tuple(dict.fromkeys([*state.holders(Office.SYSADMIN, state.group, at), *state.holders(Office.FOUNDER, state.group, at)]))


def recall(context: Context) -> list[Draft]:
    """The author takes back what waits; a channel that is out or has an open token stays as it is, and stopping that is an act of its own.

    The entry names the channels that were taken back where these are not all of the revision.
    """
    command: Recall = context.request.command
    submission = find(context.state, command.submission)
    check_author(context, submission)
    waiting = [target.channel for target in submission.targets if waits(context.state, target)]
    if submission.state not in _RECALLABLE or not waiting:
        raise Denied("wrong_state", detail=submission.state.value)
    part = {"channels": waiting} if len(waiting) < len(submission.targets) else {}
    return [context.draft(EntryType.SUBMISSION_RECALLED, submission.id, revision=submission.revision, **part)]


def waits(state: State, target: TargetState) -> bool:
    """Return whether nothing of a target is out or on its way: it was never released, or what was released has ended without effect."""
    return target.publication is None or state.publications[target.publication].state in RELEASABLE


def cancel(context: Context) -> list[Draft]:
    """The author gives it up for good."""
    command: Cancel = context.request.command
    submission = find(context.state, command.submission)
    check_author(context, submission)
    context.unseen(submission.seq)
    if _on_its_way(context.state, submission):
        raise Denied("wrong_state", detail=submission.state.value)
    return [context.draft(EntryType.SUBMISSION_CANCELLED, submission.id, revision=submission.revision)]


def check_author(context: Context, submission: Submission) -> Person:
    """Return the acting person, who is the author.

    Raises:
        Denied: it is another's submission, or the person is suspended.
    """
    person = context.person()
    if submission.author != context.actor:
        raise Denied("not_your_submission", ask=(submission.author,))
    return person


def _on_its_way(state: State, submission: Submission) -> bool:
    return any(t.publication is not None and state.publications[t.publication].state in OPEN_PUBLICATION for t in submission.targets)


def send_back(context: Context) -> list[Draft]:
    """Anyone who could sign an open stage sends it back with a reason; needs no proof, refusing is safe."""
    command: Return = context.request.command
    submission = find(context.state, command.submission)
    context.person()
    if submission.revision != command.revision:
        raise Denied("stale_view", seq=submission.seq)
    context.unseen(submission.seq)
    stage, office = returnable(context, submission)
    return [context.draft(
        EntryType.SUBMISSION_RETURNED, submission.id, revision=submission.revision, stage=stage.id, office=office, reason=command.reason,
        notes=command.notes,
    )]


def returnable(context: Context, submission: Submission) -> tuple[Stage, str]:
    """Return the open stage at which the acting person may send a submission back, and the office by which.

    Raises:
        Denied: there is none, something of it is on its way, or it is the person's own.
    """
    stages = context.state.open_stages(submission)
    if not stages or _on_its_way(context.state, submission):
        raise Denied("wrong_state", detail=submission.state.value)
    if submission.author == context.actor:
        raise Denied("author_approves")
    for stage in stages:
        office = context.state.may_sign(context.actor, stage, context.at)
        if office is not None:
            return stage, office
    raise Denied("no_office", missing=tuple(stage.id for stage in stages))


def take_back(context: Context) -> list[Draft]:
    """A signer takes an approval back until the next stage has signed."""
    command: TakeBack = context.request.command
    submission = find(context.state, command.submission)
    context.person()
    context.unseen(submission.seq)
    signature = submission.signed(command.stage)
    if submission.state is not SubmissionState.IN_REVIEW or signature is None or signature.person != context.actor:
        raise Denied("wrong_state", detail="take_back")
    ids = [stage.id for stage in submission.stages]
    if any(submission.signed(stage) for stage in ids[ids.index(command.stage) + 1:]):
        raise Denied("wrong_state", detail="next stage signed")
    return [context.draft(EntryType.DECISION_TAKEN_BACK, submission.id, revision=submission.revision, stage=command.stage)]


def expire(context: Context) -> list[Draft]:
    """Time ends the window of a submission that is still in review."""
    command: Expire = context.request.command
    submission = find(context.state, command.submission)
    if not context.state.open_stages(submission) or context.at < submission.window_to or _on_its_way(context.state, submission):
        raise Denied("wrong_state", detail=submission.state.value)
    return [context.draft(EntryType.SUBMISSION_EXPIRED, submission.id, revision=submission.revision)]


DECIDE: DecideTable = {
    Submit: (Grade.DESK, submit),
    Recall: (Grade.DESK, recall),
    Cancel: (Grade.DESK, cancel),
    Return: (Grade.COUNTER, send_back),
    TakeBack: (Grade.COUNTER, take_back),
    Expire: (Grade.SYSTEM, expire),
}


def reindex(state: State, submission: Submission) -> None:
    """Let the queues (who waits for what) be brought in line with a submission's open stages when they are next asked for."""
    state.queues.stale[submission.id] = None


def finish(state: State, submission: Submission) -> None:
    """Collapse a finished submission to number, author and final state."""
    if submission.id in state.queues.waits:
        reindex(state, submission)
    else:
        state.queues.stale.pop(submission.id, None)
    state.finished[submission.id] = (submission.number, submission.author, submission.state._value_)
    del state.submissions[submission.id]


def settle(state: State, submission: Submission) -> None:
    """Close a submission whose targets are all done; else open what may be released again.

    An emergency withdrawal that came to nothing is given up: nobody but its author could take it on, by a new one.
    """
    states = [t.publication and state.publications[t.publication].state for t in submission.targets]
    if _EFFECT.issuperset(states):
        submission.state = _DONE
        finish(state, submission)
    elif submission.emergency and OPEN_PUBLICATION.isdisjoint(states):
        submission.state = SubmissionState.CANCELLED
        finish(state, submission)
    else:
        reindex(state, submission)


def apply_made(state: State, entry: Entry) -> None:
    """Take up a revision."""
    (number, revision, draft, unit, content, facts, findings, targets, stages, route, policy_, rules, window_to, scheduled, source, message,
     emergency) = _MADE(entry.data)
    if revision == 1:
        year = instants.office_year(entry.at)
        state.numbers[year] = max(state.numbers.get(year, 0), int(number.rsplit("-", 1)[1]))
    submission = Submission(  # by place, since passing so many by name takes longer than all the rest
        entry.object, number, revision, draft, intern(entry.actor), intern(unit), _IN_REVIEW, content, facts, findings,
        [TargetState(intern(t["channel"]), intern(t["operation"]), t["template"], t["previous"]) for t in targets],
        [stage_of(value) for value in stages], route, policy_, tuple(rules), window_to, scheduled, source, entry.at, entry.seq,
        message=message, emergency=emergency, seq=entry.seq,
    )
    if revision > 1:
        submission.effective = effective(state, state.submissions[entry.object])
    state.submissions[entry.object] = submission
    reindex(state, submission)


def stage_of(value: dict[str, Any]) -> Stage:
    """Return the stage that stands in an entry as `stage_data` wrote it."""
    offices = tuple([(office, scope) for office, scope in value["offices"]])
    return _stage(value["id"], value["kind"], offices, value["rule"], tuple(value["channels"]), value["apart"])


@lru_cache(maxsize=4096)
def _stage(identifier: str, kind: str, offices: tuple[tuple[str, str], ...], rule: str, channels: tuple[str, ...], apart: bool) -> Stage:  # noqa: FBT001 -- positions make the cache's key
    """Return the one stage of these values: most submissions of a house go the same few ways."""
    return Stage(identifier, kind, offices, rule, channels, apart)


def in_state(new: SubmissionState, state: State, entry: Entry) -> Submission:
    """Move a submission on and return it; no signature survives that."""
    submission = state.submissions[entry.object]
    submission.state, submission.seq = new, entry.seq
    submission.signatures.clear()
    return submission


def void_signatures(state: State, person: str) -> None:
    """Take away what a person signed and is not yet sent (regulation.md B, article 17; a suspension for cause)."""
    for submission in state.submissions.values():
        left = [s for s in submission.signatures if s.person != person]
        if len(left) != len(submission.signatures):
            submission.signatures = left
            reindex(state, submission)
    for identifier in state.active:
        for signature in state.publications[identifier].signatures:
            signature.void = signature.void or signature.person == person


def apply_returned(state: State, entry: Entry) -> None:
    """Send back: the author's turn."""
    submission = in_state(SubmissionState.RETURNED, state, entry)
    submission.returned = {**entry.data, "by": entry.actor, "at": entry.at}
    reindex(state, submission)


def apply_recalled(state: State, entry: Entry) -> None:
    """Take back by the author."""
    reindex(state, in_state(SubmissionState.RECALLED, state, entry))


def apply_cancelled(state: State, entry: Entry) -> None:
    """Give up for good."""
    submission = in_state(SubmissionState.CANCELLED, state, entry)
    finish(state, submission)


def apply_expired(state: State, entry: Entry) -> None:
    """The window ended."""
    reindex(state, in_state(SubmissionState.EXPIRED, state, entry))


def apply_taken_back(state: State, entry: Entry) -> None:
    """One approval no longer stands."""
    submission = state.submissions[entry.object]
    submission.signatures = [s for s in submission.signatures if s.stage != entry.data["stage"]]
    submission.seq = entry.seq
    reindex(state, submission)


def add_signature(state: State, submission: Submission, signature: Signature) -> None:
    """Let a decision stand for its stage, replacing an older one (a second release after a failed send)."""
    submission.signatures = [s for s in submission.signatures if s.stage != signature.stage]
    submission.signatures.append(signature)
    submission.seq = signature.entry
    reindex(state, submission)


APPLY: ApplyTable = {
    EntryType.SUBMISSION_MADE: apply_made,
    EntryType.SUBMISSION_RETURNED: apply_returned,
    EntryType.SUBMISSION_RECALLED: apply_recalled,
    EntryType.SUBMISSION_CANCELLED: apply_cancelled,
    EntryType.SUBMISSION_EXPIRED: apply_expired,
    EntryType.DECISION_TAKEN_BACK: apply_taken_back,
}
