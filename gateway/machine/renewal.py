"""Renewing (续期): an expired submission's window opens again by one act of its author, and everything is asked as at handing in (pure).

The bytes, the facts and the findings are those that were handed in. What may have changed since is asked today: whether the author may
write, whether each channel that is left may be used, which stages the table wants (see `rerouting`: nothing is waived), and whether
somebody could sign each of them.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.machine import rerouting
from gateway.machine.context import ApplyTable, Context, DecideTable
from gateway.machine.state import State, SubmissionState
from gateway.machine.submissions import (
    check_author,
    check_days,
    check_people,
    check_targets,
    check_writer,
    find,
    in_state,
    reindex,
    stage_of,
)
from gateway.protocol.commands import Grade, Renew
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType


def renew(context: Context) -> list[Draft]:
    """Open an expired submission's window again by today's route; what was signed was signed for the old window and is asked for again."""
    command: Renew = context.request.command
    submission = find(context.state, command.submission)
    person = check_author(context, submission)
    context.unseen(submission.seq)
    if submission.state is not SubmissionState.EXPIRED or command.window_to <= context.at:
        raise Denied("wrong_state", detail=submission.state.value)
    left = rerouting.left_to_release(context.state, submission)
    check_writer(context, person)
    check_targets(context, left, submission.unit)
    opened = replace(submission, state=SubmissionState.IN_REVIEW, signatures=[])
    rerouted = rerouting.drafts(context, opened, {}, asked_by="renewal")
    stages = [stage_of(value) for draft in rerouted for value in draft.data["stages"]] or submission.stages
    channels = {target.channel for target in left}
    check_people(context, [stage for stage in stages if stage.kind == "approve" or not channels.isdisjoint(stage.channels)], person)
    check_days(context, left, submission.unit, command.window_to, None)  # a fixed time lay before the old window's end and is past
    renewed = context.draft(EntryType.SUBMISSION_RENEWED, submission.id, revision=submission.revision, window_to=command.window_to)
    return [renewed, *rerouted]


def apply_renewed(state: State, entry: Entry) -> None:
    """The window is open again."""
    submission = in_state(SubmissionState.IN_REVIEW, state, entry)
    submission.window_to = entry.data["window_to"]
    reindex(state, submission)


DECIDE: DecideTable = {Renew: (Grade.DESK, renew)}
APPLY: ApplyTable = {EntryType.SUBMISSION_RENEWED: apply_renewed}
