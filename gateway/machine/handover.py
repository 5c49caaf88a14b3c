"""Handing over (转交): asking another holder of the same office to decide; a mark and a notice, and nothing that anybody may changes (pure)."""

from __future__ import annotations

from gateway.machine.context import ApplyTable, Context, DecideTable
from gateway.machine.deployment import apply_nothing
from gateway.machine.state import Stage, State, Submission
from gateway.machine.submissions import find
from gateway.protocol.commands import Grade, HandOver
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, EntryType
from gateway.protocol.instants import Instant


def could_sign(state: State, submission: Submission, stage: Stage, person: str, at: Instant) -> str | None:
    """Return the office by which a person could sign an open stage: never their own text, and never twice, where it must be another's."""
    approvers = {signature.person for signature in submission.signatures if signature.verdict == "approve"}
    if (stage.kind == "approve" or stage.apart) and (person == submission.author or person in approvers):
        return None
    return state.may_sign(person, stage, at)


def others(state: State, submission: Submission, person: str, at: Instant) -> dict[str, str]:
    """Return who else could sign what waits for `person`, in order of appointment, each with the stage."""
    found: dict[str, str] = {}
    for stage in mine(state, submission, person, at):
        for one in (one for office, scope in stage.offices for one in state.holders(office, scope, at)):
            if one != person and could_sign(state, submission, stage, one, at) is not None:
                found.setdefault(one, stage.id)
    return found


def mine(state: State, submission: Submission, person: str, at: Instant) -> list[Stage]:
    """Return the open stages that a person could sign."""
    return [stage for stage in state.open_stages(submission) if could_sign(state, submission, stage, person, at) is not None]


def hand_over(context: Context) -> list[Draft]:
    """Say that somebody else who may decide is asked to; whoever could decide still can."""
    command: HandOver = context.request.command
    state, submission = context.state, find(context.state, command.submission)
    context.person()
    if submission.revision != command.revision:
        raise Denied("stale_view", seq=submission.seq)
    context.unseen(submission.seq)
    here = mine(state, submission, context.actor, context.at)
    if not here:
        raise Denied("no_office", missing=tuple(stage.id for stage in state.open_stages(submission)))
    stage = others(state, submission, context.actor, context.at).get(command.to)
    if stage is None:
        raise Denied("not_holder", missing=tuple(one.id for one in here))
    return [context.draft(EntryType.SUBMISSION_HANDED, submission.id, revision=submission.revision, stage=stage, to=command.to)]


DECIDE: DecideTable = {HandOver: (Grade.COUNTER, hand_over)}
APPLY: ApplyTable = {EntryType.SUBMISSION_HANDED: apply_nothing}
