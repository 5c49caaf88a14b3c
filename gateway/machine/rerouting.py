"""Re-routing: a changed table asks what is under way for what it now lacks; nothing that was asked for is waived (pure).

1. Today's stages are compared with the recorded ones when somebody renews or releases, when the gate spends and dispatches, and at each start.
2. A stage counts as recorded where the recorded one is as strict: no office in it that today's lacks, apart where today's is apart.
3. What is missing is added; an approval that today's table no longer has stays; a release is today's, and one by brand & PR that today's
   gives to somebody else stays as an approval.
4. Decisions stand where the signer's office is one of the new stage's. Releases that can be made again are made again, after what is missing.
5. Tokens that were minted and are not yet dispatched are void, as if spent; their publications end.
6. Where the author recalled the rest meanwhile only that is done: there is no route to ask by, and the next revision takes those channels up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.machine import policy
from gateway.machine.context import ApplyTable, Context, DecideTable
from gateway.machine.state import (
    RELEASABLE,
    REVIEWABLE,
    STOPPABLE,
    Signature,
    Stage,
    State,
    Submission,
    SubmissionState,
    TargetState,
)
from gateway.machine.submissions import find, reindex, stage_data, stage_of
from gateway.protocol.commands import Grade, Reroute
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType


def todays(context: Context, submission: Submission) -> tuple[Stage, ...]:
    """Return the stages that today's table asks of a submission.

    Raises:
        Denied: `no_rule` or `channel_unknown`, see `policy.route`.
    """
    channels = [target.channel for target in submission.targets]
    return policy.stages_for(context.state, unit=submission.unit, channels=channels, facts=submission.facts, rules=context.rules)


def lacking(submission: Submission, today: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return those of today's stages that the submission's own route does not ask for, or not as strictly."""
    recorded = {stage.id: stage for stage in submission.stages}
    return tuple(stage for stage in today if stage.id not in recorded or not _as_strict(recorded[stage.id], stage))


def _as_strict(recorded: Stage, today: Stage) -> bool:
    return (
        set(recorded.offices) <= set(today.offices) and (recorded.apart or not today.apart)
        and set(today.channels) <= set(recorded.channels)
    )


def counts(submission: Submission, signature: Signature, stage: Stage) -> bool:
    """Return whether a decision carries `stage`: it was signed for it, by an office that may sign it, whatever the table said then."""
    recorded = next((one for one in submission.stages if one.id == signature.stage), None)
    held = () if recorded is None else (office for office in recorded.offices if office[0] == signature.office)
    return signature.stage == stage.id and any(office in stage.offices for office in held)


def _merged(submission: Submission, today: Sequence[Stage]) -> list[Stage]:
    """Return the new route: today's stages, and of the recorded approvals and brand & PR's releases what today's would drop."""
    recorded = {stage.id: stage for stage in submission.stages}
    releases = [stage for stage in today if stage.kind == "release"]
    dropped = [stage for stage in submission.stages if stage.kind == "release" and stage.apart and not any(one.apart for one in releases)]
    approvals = {
        **{stage.id: stage for stage in map(_as_approval, dropped)},
        **{stage.id: stage for stage in submission.stages if stage.kind == "approve"},
        **{stage.id: _stricter(stage, recorded.get(stage.id)) for stage in today if stage.kind == "approve"},
    }
    return [*policy.in_order(approvals.values()), *releases]


def _as_approval(release: Stage) -> Stage:
    return replace(release, id="approve" + release.id.removeprefix("release"), kind="approve", channels=())


def _stricter(today: Stage, recorded: Stage | None) -> Stage:
    """Return today's approval without the offices that the recorded one did not have; the first is in both, their ids are equal."""
    if recorded is None:
        return today
    return replace(today, offices=tuple(office for office in today.offices if office in recorded.offices))


def left_to_release(state: State, submission: Submission) -> list[TargetState]:
    """Return the targets of a submission that are neither dispatched nor done."""
    return [
        target for target in submission.targets
        if target.publication is None or state.publications[target.publication].state in RELEASABLE | STOPPABLE
    ]


def drafts(context: Context, submission: Submission, signatures: Mapping[str, Signature], *, asked_by: str) -> list[Draft]:
    """Return the entries that re-route: its tokens' publications end, then the new route unless it was recalled; none where the route stands.

    `signatures` are the decisions that stand, by stage; `asked_by` says at which point it was found: renewal, release, send or start.
    """
    state, left = context.state, left_to_release(context.state, submission)
    ended = [t.publication for t in left if t.publication is not None and state.publications[t.publication].state in STOPPABLE]
    reviewable = submission.state in REVIEWABLE
    if not (left if reviewable else ended) or submission.emergency:
        return []
    today = todays(context, submission)
    missing = lacking(submission, today)
    if not missing:
        return []
    ends = [context.draft(EntryType.PUBLICATION_ABANDONED, identifier, cause="rerouted", words={}) for identifier in ended]
    if not reviewable:
        return ends
    stages = _merged(submission, today)
    rules = [*dict.fromkeys([*(stage.rule for stage in stages), *submission.rules])]
    void = _void(submission, signatures.values(), {stage.id: stage for stage in stages}, {target.channel for target in left})
    return [
        *ends,
        context.draft(
            EntryType.SUBMISSION_REROUTED, submission.id, revision=submission.revision, asked_by=asked_by,
            added=[[stage.id, stage.rule] for stage in missing], stages=[stage_data(stage) for stage in stages], rules=rules,
            route=policy.route_digest(rules, stages), policy=policy.digest(context.rules), void=void,
            tokens=[state.publications[identifier].jti for identifier in ended],
        ),
    ]


def _void(submission: Submission, signatures: Iterable[Signature], stages: Mapping[str, Stage], left: set[str]) -> list[str]:
    """Return the stages whose decisions no longer count: their stage is gone or has other offices, or it is a release to be made again."""
    found = []
    for signature in signatures:
        stage = stages.get(signature.stage)
        again = stage is not None and not left.isdisjoint(stage.channels)  # an approval names no channels
        if stage is None or again or not counts(submission, signature, stage):
            found.append(signature.stage)
    return found


def reroute(context: Context) -> list[Draft]:
    """Send one submission back to what today's table asks for in addition."""
    command: Reroute = context.request.command
    submission = find(context.state, command.submission)
    made = drafts(context, submission, {s.stage: s for s in submission.signatures}, asked_by=command.asked_by)
    if not made:
        raise Denied("wrong_state", detail="the route stands")
    return made


DECIDE: DecideTable = {Reroute: (Grade.SYSTEM, reroute)}


def apply_rerouted(state: State, entry: Entry) -> None:
    """Take up the new route; what no longer counts falls, and no voided token is ever spent."""
    data = entry.data
    submission = state.submissions[entry.object]
    submission.state, submission.seq = SubmissionState.IN_REVIEW, entry.seq
    submission.stages = [stage_of(value) for value in data["stages"]]
    submission.rules, submission.route, submission.policy = tuple(data["rules"]), data["route"], data["policy"]
    submission.signatures = [s for s in submission.signatures if s.stage not in data["void"]]
    state.spent.update(data["tokens"])
    reindex(state, submission)


APPLY: ApplyTable = {EntryType.SUBMISSION_REROUTED: apply_rerouted}
