"""Signing: one proof over a list of statements, the decisions it makes, and the tokens a release mints (pure).

Every statement is rebuilt here from the state; a digest that differs means the person saw something else. Items that have gone stale
drop out by name, the rest stands; a list of which nothing stands is refused with its first item's reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.machine import rerouting
from gateway.machine.context import ApplyTable, Context, DecideTable, check_proof, proof_data
from gateway.machine.people import count_proof
from gateway.machine.state import (
    OPEN_PUBLICATION,
    REVIEWABLE,
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
from gateway.machine.submissions import add_signature, check_previous, find, returnable
from gateway.protocol import instants
from gateway.protocol.claims import LIMIT as CLAIMS_LIMIT
from gateway.protocol.claims import Claims
from gateway.protocol.commands import Grade, Sign, SignItem
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType
from gateway.protocol.instants import Instant
from gateway.protocol.statements import LIST_LABEL, LIST_LIMIT, list_digest, statement

_RELEASED: Final = SubmissionState.RELEASED  # found through its class it would cost a replay twenty times as much
HOLD_SECONDS: Final = {"live": 120, "sandbox": 0}


def build_statement(
    state: State, submission: Submission, stage: Stage, signer: str, office: str, salt: str, *, channels: Sequence[str] = (),
    checked: Digest | None = None, reason: str | None = None, notes: Digest | None = None,
) -> dict[str, Any]:
    """Return what `signer` signs for `stage`; the counter shows it, and the machine rebuilds it.

    `channels` leaves only these targets in it; with a `reason` it is a return.
    """
    targets = sorted((t for t in submission.targets if not channels or t.channel in channels), key=lambda target: target.channel)
    return statement(
        deployment=state.deployment, epoch=state.epoch, verdict=stage.kind if reason is None else "return", stage=stage.id, office=office, signer=signer,
        submission=submission.id, revision=submission.revision,
        content=Digest(submission.content) if submission.content else None,
        targets=[{"channel": t.channel, "operation": t.operation, "template": t.template, "previous": t.previous} for t in targets],
        facts=dict(submission.facts), route=Digest(submission.route), policy=Digest(submission.policy), window_to=submission.window_to,
        scheduled=submission.scheduled, salt=salt, checked=checked, reason=reason, notes=notes,
    )


def lists_allowed(submission: Submission) -> bool:
    """Return whether the submission may stand in a list with others: never sensitive, never a withdrawal, never an emergency."""
    sensitive = submission.facts.get("sensitive") is not False
    return not (sensitive or submission.emergency or any(t.operation == "withdraw" for t in submission.targets))


@dataclass(slots=True)
class _Round:
    """What earlier items of the same list have signed and taken on, so that a head may approve and release in one proof."""

    signed: dict[str, dict[str, Signature]] = field(default_factory=dict)
    previous: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    rerouted: set[str] = field(default_factory=set)

    def signature(self, submission: Submission, stage: str) -> Signature | None:
        return self.signed.get(submission.id, {}).get(stage) or submission.signed(stage)

    def all(self, submission: Submission) -> dict[str, Signature]:
        return {**{s.stage: s for s in submission.signatures}, **self.signed.get(submission.id, {})}


def sign(context: Context) -> list[Draft]:
    """Make the decisions of a signed list."""
    command: Sign = context.request.command
    if not command.items:
        raise Denied("invalid", detail="items")
    if len(command.items) > LIST_LIMIT:
        raise Denied("list_too_long")
    digest = list_digest(LIST_LABEL, [(item.statement, item.verdict) for item in command.items])
    person = check_proof(context, command.proof, digest)
    signing = context.ids.new("sig")
    drafts = [context.draft(
        EntryType.SIGNING_MADE, signing, proof=proof_data(command.proof), items=[[item.statement, item.verdict] for item in command.items],
    )]
    round_, dropped = _Round(), []
    for item in command.items:
        try:
            drafts += _sign_item(context, command, item, person, round_, signing, context.state.size + len(drafts))
        except Denied as denied:
            dropped.append((item.submission, denied))
            drafts += _rerouted(context, item, denied, round_)
    if len(drafts) == 1:
        raise dropped[0][1]
    drafts[0].data["dropped"] = [[submission, denied.code] for submission, denied in dropped]
    return drafts


def _rerouted(context: Context, item: SignItem, denied: Denied, round_: _Round) -> list[Draft]:
    """Return what sends a submission back to the steps that its release has just been found to lack, once a list."""
    if denied.code != "rerouted" or item.submission in round_.rerouted:
        return []
    round_.rerouted.add(item.submission)
    submission = context.state.submissions[item.submission]
    return rerouting.drafts(context, submission, round_.all(submission), asked_by="release")


def _sign_item(
    context: Context, command: Sign, item: SignItem, person: Person, round_: _Round, signing: str, seq: int,
) -> list[Draft]:
    state = context.state
    submission = find(state, item.submission)
    if submission.revision != item.revision or submission.seq != item.seen:
        raise Denied("stale_view", seq=submission.seq)
    if submission.id in round_.rerouted:
        raise Denied("rerouted")
    others = {other.submission for other in command.items} - {submission.id}
    if others and not lists_allowed(submission):
        raise Denied("list_not_allowed")
    if context.at >= submission.window_to:
        raise Denied("window_over")
    if submission.id in round_.returned:
        raise Denied("wrong_state")
    if item.verdict == "return":
        return [_return_item(context, item, submission, person, round_, signing, command.proof.method)]
    stage = next((stage for stage in submission.stages if stage.id == item.stage), None)
    if stage is None or stage.kind != item.verdict:
        raise Denied("proof_mismatch", detail="stage")
    office = _check_turn(context, submission, stage, person, round_)
    targets = _chosen(state, submission, stage, item)
    if submission.findings["confirm"] and item.checked is None:
        raise Denied("findings_unconfirmed", detail=str(submission.findings["confirm"]))
    said = build_statement(state, submission, stage, person.id, office, item.salt, channels=item.channels, checked=item.checked)
    if canonical.digest(said) != item.statement:
        raise Denied("proof_mismatch", detail="statement")
    signature = Signature(stage.id, stage.kind, person.id, office, command.proof.method, item.statement, seq, context.at)
    decision = context.draft(
        EntryType.DECISION_MADE, submission.id, revision=submission.revision, stage=stage.id, verdict=stage.kind, office=office,
        method=command.proof.method, statement=item.statement, salt=item.salt, signing=signing, comment=item.comment,
        **({"checked": item.checked} if item.checked is not None else {}),
    )
    minted = []
    if stage.kind == "release":
        check_method(state, command.proof.method, [*round_.all(submission).values()])
        minted = _mint_all(context, submission, targets, signature, round_, command.rip)
    round_.signed.setdefault(submission.id, {})[stage.id] = signature
    return [decision, *minted]


def _chosen(state: State, submission: Submission, stage: Stage, item: SignItem) -> list[TargetState]:
    """Return the targets that a release is for: all that wait, or those it names; the others go on waiting."""
    waiting = state.releasable(submission, stage) if stage.kind == "release" else []
    if not item.channels:
        return waiting
    if len(set(item.channels)) != len(item.channels) or not set(item.channels) <= {target.channel for target in waiting}:
        raise Denied("invalid", detail="channels")
    return [target for target in waiting if target.channel in item.channels]


def _return_item(
    context: Context, item: SignItem, submission: Submission, person: Person, round_: _Round, signing: str, method: str,
) -> Draft:
    """Send one item of the list back, with the reason and the notes that the statement names."""
    stage, office = returnable(context, submission)
    if stage.id != item.stage or item.reason is None:
        raise Denied("proof_mismatch", detail="stage")
    if submission.id in round_.signed:
        raise Denied("wrong_state")
    said = build_statement(context.state, submission, stage, person.id, office, item.salt, reason=item.reason, notes=item.notes)
    if canonical.digest(said) != item.statement:
        raise Denied("proof_mismatch", detail="statement")
    round_.returned.add(submission.id)
    return context.draft(
        EntryType.SUBMISSION_RETURNED, submission.id, revision=submission.revision, stage=stage.id, office=office, reason=item.reason,
        notes=item.notes, method=method, statement=item.statement, salt=item.salt, signing=signing,
    )


def _check_turn(context: Context, submission: Submission, stage: Stage, person: Person, round_: _Round) -> str:
    """Return the office by which the person signs this stage now."""
    state = context.state
    if submission.state not in REVIEWABLE:
        raise Denied("wrong_state", detail=submission.state.value)
    if state.people[submission.author].suspended:
        raise Denied("person_suspended", detail="author")
    waiting = [s for s in submission.stages if s.kind == "approve" and round_.signature(submission, s.id) is None]
    turn = waiting[0] == stage if waiting else stage.kind == "release" and bool(state.releasable(submission, stage))
    if not turn or stage.id in round_.signed.get(submission.id, {}):
        raise Denied("not_next_stage" if waiting else "wrong_state", missing=tuple(s.id for s in waiting))
    office = state.may_sign(person.id, stage, context.at)
    if office is None:
        raise Denied("no_office", missing=(stage.id,), rule=stage.rule)
    if person.id == submission.author and (stage.kind == "approve" or stage.apart):
        raise Denied("author_approves", rule=stage.rule)
    earlier = [s.person for s in round_.all(submission).values() if s.verdict == "approve"]
    if person.id in earlier and (stage.kind == "approve" or stage.apart):
        raise Denied("same_person_twice", rule=stage.rule)
    if stage.kind == "release":
        signers = {s.stage: s.person for s in round_.all(submission).values()} | {stage.id: person.id}
        for channel in stage.channels:
            check_route(context, submission, channel, signers)
    return office


def check_route(context: Context, submission: Submission, channel: str, signers: dict[str, str]) -> None:
    """Ask today's policy about one channel of a submission, given who signed which stage; nothing is waived.

    Raises:
        Denied: a stage that its route does not have, or not as strictly (`rerouted`); one that nobody has signed (`route_incomplete`); one
            signer where two different people are asked for.
    """
    now = rerouting.todays(context, submission)
    lacking = rerouting.lacking(submission, now)
    if lacking:
        raise Denied("rerouted", missing=tuple(stage.id for stage in lacking), rule=lacking[0].rule)
    asked = [stage for stage in now if stage.kind == "approve" or channel in stage.channels]
    missing = tuple(stage.id for stage in asked if stage.id not in signers)
    if missing or all(stage.kind == "approve" for stage in asked):
        raise Denied("route_incomplete", missing=missing, detail=channel)
    approvers = [signers[stage.id] for stage in asked if stage.kind == "approve"]
    apart = {signers[stage.id] for stage in asked if stage.kind == "release" and stage.apart}
    if submission.author in {*approvers, *apart}:
        raise Denied("author_approves", rule=asked[0].rule)
    if len(set(approvers)) != len(approvers) or apart & set(approvers):
        raise Denied("same_person_twice", rule=asked[0].rule)


def check_method(state: State, method: str, signatures: list[Signature]) -> None:
    """A live release takes a passkey, and no live route is completed by codes alone; two people may switch off each of the two.

    Switches: `totp_release` lets a code release where another step used a passkey, `totp_route` lets codes complete a route.
    """
    if state.kind != "live" or method == "passkey":
        return
    if state.switches.get("totp_release") != "on":
        raise Denied("method_too_weak")
    if state.switches.get("totp_route") != "on" and all(s.method != "passkey" for s in signatures):
        raise Denied("route_by_codes_alone")


def sent_from(context: Context, submission: Submission) -> Instant:
    """Return when a release made now may be sent: after the hold, and not before the fixed time.

    Raises:
        Denied: that is not before the window's end.
    """
    hold = instants.plus(context.at, HOLD_SECONDS[context.state.kind])
    not_before = max(hold, submission.scheduled) if submission.scheduled else hold
    if not_before >= submission.window_to:
        raise Denied("window_over", detail="hold")
    return not_before


def _mint_all(
    context: Context, submission: Submission, targets: list[TargetState], release: Signature, round_: _Round, rip: Digest | None,
) -> list[Draft]:
    """Mint one token a target, after everything that could refuse has been asked for all of them."""
    state, not_before = context.state, sent_from(context, submission)
    for target in targets:
        if state.channels[target.channel].credential is None:
            raise Denied("credential_missing", detail=target.channel, ask=state.channels[target.channel].custodians)
        if target.previous is not None:
            check_previous(state, target.channel, target.previous)
            if target.previous in round_.previous or replacing(state, target.previous, OPEN_PUBLICATION):
                raise Denied("previous_changed", detail="another edit or withdrawal of it is under way")
    round_.previous |= {target.previous for target in targets if target.previous is not None}
    return [_mint(context, submission, target, release, round_, rip, not_before) for target in targets]


def replacing(state: State, previous: str, states: frozenset[PublicationState]) -> list[Publication]:
    """Return the edits and withdrawals of what is live that stand in one of `states`."""
    found = (state.publications[identifier] for identifier in sorted(state.active))
    return [publication for publication in found if publication.previous == previous and publication.state in states]


def _mint(
    context: Context, submission: Submission, target: TargetState, release: Signature, round_: _Round, rip: Digest | None,
    not_before: Instant,
) -> Draft:
    state = context.state
    channel = state.channels[target.channel]
    assert channel.credential is not None
    previous = check_previous(state, target.channel, target.previous) if target.previous else None
    publication, jti = context.ids.new("pub"), context.ids.new("tok")
    approvals = [s for s in round_.all(submission).values() if s.verdict == "approve"]
    claims = Claims(
        state.deployment, state.kind, jti, context.at, not_before, submission.window_to, state.epoch, target.operation, channel.id,
        channel.credential.version, publication, submission.id, submission.revision,
        {"id": previous.remote_id, "digest": previous.template} if previous else None, submission.content, target.template,
        submission.policy, submission.author, tuple(_approval(s) for s in approvals), _approval(release),
    )
    return context.draft(
        EntryType.TOKEN_MINTED, publication, submission=submission.id, revision=submission.revision, channel=channel.id,
        operation=target.operation, content=submission.content, template=target.template, previous=target.previous, jti=jti,
        token=context.ids.token(claims_bytes(claims)), credential=channel.credential.version,
        hold_until=instants.plus(context.at, HOLD_SECONDS[state.kind]), not_before=not_before,
        window_to=submission.window_to, fixed=submission.scheduled is not None, emergency=submission.emergency, rip=rip,
    )


def claims_bytes(claims: Claims) -> bytes:
    """Return the bytes to sign.

    Raises:
        Denied: more than the gate would read.
    """
    data = claims.to_bytes()
    if len(data) > CLAIMS_LIMIT:
        raise Denied("invalid", detail="too long for one token")
    return data


def _approval(signature: Signature) -> dict[str, Any]:
    return {
        "person": signature.person, "office": signature.office, "stage": signature.stage, "method": signature.method,
        "statement": signature.statement, "entry": signature.entry,
    }


DECIDE: DecideTable = {Sign: (Grade.PROOF, sign)}


def apply_signing(state: State, entry: Entry) -> None:
    """Count the proof, so that it is never accepted again."""
    count_proof(state, entry.actor, entry.data["proof"])


def apply_decision(state: State, entry: Entry) -> None:
    """Let one decision stand for its stage."""
    data = entry.data
    submission = state.submissions[entry.object]
    if data["verdict"] == "release":
        submission.state = _RELEASED
    add_signature(state, submission, Signature(
        data["stage"], data["verdict"], entry.actor, data["office"], data["method"], data["statement"], entry.seq, entry.at,
    ))


APPLY: ApplyTable = {EntryType.SIGNING_MADE: apply_signing, EntryType.DECISION_MADE: apply_decision}
