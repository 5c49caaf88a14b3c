"""Publications: from a minted token to its end; what the gate asks at steps 4, 5, 6, 8 and 9 (pure)."""

from __future__ import annotations

from operator import itemgetter
from sys import intern
from types import MappingProxyType
from typing import Any, Final

from gateway.machine import blackouts, signing
from gateway.machine.context import ApplyTable, Context, DecideTable, check_proof, proof_data
from gateway.machine.freezes import frozen_by
from gateway.machine.policy import DAILY_LIMITS
from gateway.machine.policy import digest as policy_digest
from gateway.machine.state import (
    OPEN_PUBLICATION,
    STOPPABLE,
    Channel,
    Office,
    Publication,
    PublicationState,
    State,
    SubmissionState,
    TargetState,
)
from gateway.machine.submissions import check_previous, settle
from gateway.protocol import instants
from gateway.protocol.claims import Claims
from gateway.protocol.commands import (
    Abandon,
    Dispatch,
    EmergencyWithdraw,
    Grade,
    Miss,
    RecordDrift,
    RecordHandle,
    RecordOutcome,
    RecordPrepared,
    Spend,
    Stop,
)
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType
from gateway.protocol.statements import EMERGENCY_LABEL, list_digest

NOT_AFTER_SECONDS: Final = 30
MISSED_SECONDS: Final = 15 * 60
_NEEDED: Final[dict[str, tuple[str, ...]]] = {"live": ("id", "url"), "gone": ("id",), "pending": ("handle",), "unknown": ("cause",)}
"""What each outcome must bring, since the state is built from it."""

_HELD_STATE: Final = PublicationState.HELD  # found through their class, members cost a replay twenty times as much
_RELEASED: Final = SubmissionState.RELEASED
_INTENDED_STATE: Final = PublicationState.INTENDED
_DISPATCHED_STATE: Final = PublicationState.DISPATCHED
_LIVE_STATE: Final = PublicationState.LIVE
_MINTED: Final = itemgetter(
    "submission", "revision", "channel", "operation", "content", "template", "previous", "jti", "token", "credential", "hold_until",
    "not_before", "window_to", "fixed", "emergency", "rip",
)
_HELD: Final = frozenset({PublicationState.HELD})
_INTENDED: Final = frozenset({PublicationState.INTENDED, PublicationState.PREPARED})
_AFTER_DISPATCH: Final = frozenset({PublicationState.DISPATCHED, PublicationState.PENDING, PublicationState.UNKNOWN})
_OUTCOMES: Final = {
    "live": EntryType.PUBLICATION_LIVE, "gone": EntryType.PUBLICATION_GONE, "pending": EntryType.PUBLICATION_PENDING,
    "rejected": EntryType.PUBLICATION_REJECTED, "unknown": EntryType.PUBLICATION_UNKNOWN, "absent": EntryType.PUBLICATION_ABSENT,
}



def find(state: State, identifier: str) -> Publication:
    """Return a publication.

    Raises:
        Denied: there is none.
    """
    publication = state.publications.get(identifier)
    if publication is None:
        raise Denied("not_found", detail="publication")
    return publication


def _check_stands(publication: Publication, states: frozenset[PublicationState]) -> None:
    """Raise where a send cannot go on from here: it was stopped, its submission was re-routed, or it is past this step."""
    if publication.state is PublicationState.STOPPED:
        raise Denied("stopped")
    if publication.state is PublicationState.ABANDONED and publication.reason["cause"] == "rerouted":
        raise Denied("rerouted")
    if publication.state not in states:
        raise Denied("wrong_state", detail=publication.state.value)


def spend(context: Context) -> list[Draft]:
    """Gate step 4: the token's scope equals the state's record, and everything that could forbid the send is asked.

    With `at_once` the licence of step 6 comes with it: in one decision nothing can have changed between the two.
    """
    command: Spend = context.request.command
    publication = find(context.state, command.publication)
    if command.jti in context.state.spent:
        raise Denied("token_spent", detail=publication.id)
    recorded = (
        publication.jti, publication.epoch, publication.operation, publication.channel, publication.credential, publication.content,
        publication.template, publication.previous,
    )
    asked = (command.jti, command.epoch, command.operation, command.channel, command.credential_version, command.content,
             command.template, command.previous)
    if recorded != asked or publication.epoch != context.state.epoch:
        raise Denied("scope_mismatch", detail=publication.id)
    _check_stands(publication, _HELD)
    if context.at < publication.not_before:
        raise Denied("hold_running")
    check_may_send(context, publication, command.credential_version)
    intended = Draft(EntryType.PUBLICATION_INTENDED, publication.id, {"jti": publication.jti, "credential": command.credential_version})
    return [intended, _licence(context, publication)] if command.at_once else [intended]


def dispatch(context: Context) -> list[Draft]:
    """Gate step 6: the same questions again; the answer is the only licence to send, and it ends 30 s later."""
    command: Dispatch = context.request.command
    publication = find(context.state, command.publication)
    _check_stands(publication, _INTENDED)
    if publication.epoch != context.state.epoch:
        raise Denied("scope_mismatch", detail="epoch")
    check_may_send(context, publication, command.credential_version)
    return [_licence(context, publication)]


def _licence(context: Context, publication: Publication) -> Draft:
    data = {"not_after": instants.plus(context.at, NOT_AFTER_SECONDS), "day": instants.office_day(context.at)}
    return Draft(EntryType.PUBLICATION_DISPATCHED, publication.id, data)


def check_may_send(context: Context, publication: Publication, credential_version: int) -> None:
    """Ask everything that may have changed since release; unknown or missing means no.

    Raises:
        Denied: the first reason found.
    """
    state = context.state
    submission, channel = state.submissions[publication.submission], state.channels[publication.channel]
    if context.at >= publication.window_to:
        raise Denied("window_over")
    if publication.fixed and instants.seconds_between(publication.not_before, context.at) > MISSED_SECONDS:
        raise Denied("schedule_missed")
    if channel.filing != "filed" and not publication.emergency:
        raise Denied("channel_unfiled", detail=channel.id)
    if channel.credential is None:
        raise Denied("credential_missing", detail=channel.id, ask=channel.custodians)
    if channel.credential.version != credential_version or credential_version != publication.credential:
        raise Denied("credential_changed", detail=channel.id)
    frozen = frozen_by(state, submission, publication)
    if frozen is not None:
        raise Denied("frozen", detail=frozen.id, ask=(frozen.by,))
    until = blackouts.over(state, submission.unit, publication.channel, publication.operation, context.at)
    if until > context.at:
        raise Denied("blackout", detail=channel.id, until=until)
    if state.people[submission.author].suspended or any(s.void for s in publication.signatures):
        raise Denied("person_suspended")
    if not publication.emergency:
        signers = {s.stage: s.person for s in (*submission.signatures, *publication.signatures)}
        signing.check_route(context, submission, publication.channel, signers)
    if publication.previous is not None:
        check_previous(state, publication.channel, publication.previous)
        _check_alone(state, publication, publication.previous)
    _check_quota(channel, publication, context.at)


def _check_alone(state: State, publication: Publication, previous: str) -> None:
    """No two edits or withdrawals of one thing are on their way at once; an emergency withdrawal waits for no edit."""
    others = signing.replacing(state, previous, _AFTER_DISPATCH)  # never itself: it is not dispatched yet
    if any(not publication.emergency or other.operation == "withdraw" for other in others):
        raise Denied("previous_changed", detail="another edit or withdrawal of it is under way")


def _check_quota(channel: Channel, publication: Publication, at: instants.Instant) -> None:
    if publication.operation == "withdraw":
        return
    limit = daily_limit(channel)
    if channel.sent.get(instants.office_day(at), 0) >= limit:
        raise Denied("quota_exhausted", detail=str(limit))


def daily_limit(channel: Channel) -> int:
    """Return how many sends a day this channel allows; its settings may lower or raise the platform's figure.

    A setting that is no number of at most six digits allows none.
    """
    text = channel.settings.get("daily_limit")
    if text is None:
        return DAILY_LIMITS.get(channel.platform, 0)
    return int(text) if limit_valid(text) else 0


def limit_valid(text: str) -> bool:
    """Return whether a `daily_limit` setting is a number of at most six digits."""
    return text.isascii() and text.isdigit() and len(text) <= 6


def record_handle(context: Context) -> list[Draft]:
    """Gate step 5: something now exists on the platform."""
    command: RecordHandle = context.request.command
    publication = find(context.state, command.publication)
    _check_stands(publication, _INTENDED)
    return [Draft(EntryType.PUBLICATION_HANDLE, publication.id, {"name": command.name, "value": command.value})]


def record_prepared(context: Context) -> list[Draft]:
    """Gate step 5 done."""
    command: RecordPrepared = context.request.command
    publication = find(context.state, command.publication)
    _check_stands(publication, _INTENDED)
    return [Draft(EntryType.PUBLICATION_PREPARED, publication.id, {"filled": command.filled, "snapshot": command.snapshot})]


def record_outcome(context: Context) -> list[Draft]:
    """Gate steps 8 and 9: what became of it; a second end is refused."""
    command: RecordOutcome = context.request.command
    publication = find(context.state, command.publication)
    if publication.state not in _AFTER_DISPATCH:
        raise Denied("wrong_state", detail=publication.state.value)
    if command.outcome == "absent" and publication.state is not PublicationState.UNKNOWN:
        raise Denied("wrong_state", detail="only an unknown is settled as absent")
    if command.outcome not in _OUTCOMES or command.outcome == ("live" if publication.operation == "withdraw" else "gone"):
        raise Denied("invalid", detail="outcome")
    if not all(isinstance(command.data.get(name), str) for name in _NEEDED.get(command.outcome, ())):
        raise Denied("invalid", detail="data")
    return [Draft(_OUTCOMES[command.outcome], publication.id, {**command.data, "settled": False})]


def abandon(context: Context) -> list[Draft]:
    """An intent, or a release whose window is over, ends without a send."""
    command: Abandon = context.request.command
    publication = find(context.state, command.publication)
    if publication.state not in STOPPABLE:
        raise Denied("wrong_state", detail=publication.state.value)
    return [Draft(EntryType.PUBLICATION_ABANDONED, publication.id, {"cause": command.cause, "words": command.words})]


def miss(context: Context) -> list[Draft]:
    """A fixed time was missed by more than 15 minutes: a person decides."""
    command: Miss = context.request.command
    publication = find(context.state, command.publication)
    late = instants.seconds_between(publication.not_before, context.at)
    if publication.state is not PublicationState.HELD or not publication.fixed or late <= MISSED_SECONDS:
        raise Denied("wrong_state", detail=publication.state.value)
    return [Draft(EntryType.PUBLICATION_MISSED, publication.id, {"due": publication.not_before})]


def record_drift(context: Context) -> list[Draft]:
    """The platform shows something else than was approved (article 19)."""
    command: RecordDrift = context.request.command
    publication = find(context.state, command.publication)
    if publication.state is not PublicationState.LIVE:
        raise Denied("wrong_state", detail=publication.state.value)
    return [Draft(EntryType.PUBLICATION_DRIFTED, publication.id, {"observed": command.observed})]


def stop(context: Context) -> list[Draft]:
    """Anyone who wrote, signed or governs it stops a release before it is dispatched; no proof, stopping is easier than sending."""
    command: Stop = context.request.command
    publication = find(context.state, command.publication)
    context.person()
    submission = context.state.submissions.get(publication.submission)
    if submission is None:
        raise Denied("wrong_state", detail=publication.state.value)
    signers = {s.person for s in (*submission.signatures, *publication.signatures)} | {submission.author}  # a recall clears the former
    anywhere = {Office.BRAND_PR, Office.BRAND_PR_HEAD, Office.LEADER, Office.FOUNDER}
    if context.actor not in signers and not any(o.office in anywhere for o in context.state.offices_of(context.actor, context.at)):
        raise Denied("no_office", detail="stop", rule="R8", ask=tuple(sorted(signers)))
    if publication.state not in STOPPABLE:
        raise Denied("already_sending" if publication.state in _AFTER_DISPATCH else "wrong_state", detail=publication.state.value)
    return [context.draft(EntryType.PUBLICATION_STOPPED, publication.id, was=publication.state.value)]


def emergency_withdraw(context: Context) -> list[Draft]:
    """One brand & PR head takes something down at once: a submission, its release and its token in one act."""
    command: EmergencyWithdraw = context.request.command
    state = context.state
    live = find(state, command.publication)
    check_proof(context, command.proof, list_digest(EMERGENCY_LABEL, [(command.template, command.publication)]))
    heads = state.holders(Office.BRAND_PR_HEAD, state.group, context.at)
    if context.actor not in heads:
        raise Denied("not_brand_head", ask=tuple(heads))
    signing.check_method(state, command.proof.method, [])
    if command.window_to <= context.at:
        raise Denied("window_over")
    channel = state.channels[live.channel]
    check_previous(state, live.channel, live.id)
    if channel.credential is None:
        raise Denied("credential_missing", detail=channel.id, ask=channel.custodians)
    for other in signing.replacing(state, live.id, OPEN_PUBLICATION):
        if other.operation == "withdraw" and (other.emergency or other.state in _AFTER_DISPATCH):
            raise Denied("wrong_state", detail="a withdrawal is already under way")
    return _emergency_drafts(context, command, live, channel)


def _emergency_drafts(context: Context, command: EmergencyWithdraw, live: Publication, channel: Channel) -> list[Draft]:
    state, person = context.state, context.person()
    assert channel.credential is not None
    submission, publication, jti = context.ids.new("sub"), context.ids.new("pub"), context.ids.new("tok")
    signed = context.ids.new("sig")
    year = instants.office_day(context.at)[:4]
    statement = list_digest(EMERGENCY_LABEL, [(command.template, command.publication)])
    stage = f"release:{Office.BRAND_PR_HEAD}:{state.group}"
    facts = {"category": "other", "sensitive": False, "executives": False, "external_quote": False, "ai_generated": False,
             "reprinted_pictures": False, "found": []}
    release = {"person": person.id, "office": Office.BRAND_PR_HEAD.value, "stage": stage, "method": command.proof.method,
               "statement": statement, "entry": state.size + 2}
    claims = Claims(
        state.deployment, state.kind, jti, context.at, context.at, command.window_to, state.epoch, "withdraw", channel.id,
        channel.credential.version, publication, submission, 1, {"id": live.remote_id, "digest": live.template}, None, command.template,
        policy_digest(context.rules), person.id, (), release,
    )
    return [
        context.draft(
            EntryType.SUBMISSION_MADE, submission, number=f"签-{year}-{state.numbers.get(year, 0) + 1:04d}", revision=1,
            draft=live.submission, unit=person.unit, content=None,
            targets=[{"channel": channel.id, "operation": "withdraw", "template": command.template, "previous": live.id}], facts=facts,
            findings={"block": 0, "confirm": 0, "hint": 0, "blob": command.reason},
            stages=[{"id": stage, "kind": "release", "offices": [[Office.BRAND_PR_HEAD.value, state.group]], "rule": "R19",
                     "channels": [channel.id], "apart": False}],
            rules=["R19"], route=statement, policy=policy_digest(context.rules), window_to=command.window_to, scheduled=None, source="desk",
            message=command.reason, emergency=True,
        ),
        context.draft(EntryType.SIGNING_MADE, signed, proof=proof_data(command.proof),
                      items=[[command.template, command.publication]], dropped=[]),
        context.draft(EntryType.DECISION_MADE, submission, revision=1, stage=stage, verdict="release",
                      office=Office.BRAND_PR_HEAD.value, method=command.proof.method, statement=statement, salt="", signing=signed,
                      comment=command.reason),
        context.draft(
            EntryType.TOKEN_MINTED, publication, submission=submission, revision=1, channel=channel.id, operation="withdraw", content=None,
            template=command.template, previous=live.id, jti=jti, token=context.ids.token(signing.claims_bytes(claims)),
            credential=channel.credential.version, hold_until=context.at, not_before=context.at, window_to=command.window_to,
            fixed=False, emergency=True, rip=None,
        ),
    ]


DECIDE: DecideTable = {
    Spend: (Grade.SYSTEM, spend),
    Dispatch: (Grade.SYSTEM, dispatch),
    RecordHandle: (Grade.SYSTEM, record_handle),
    RecordPrepared: (Grade.SYSTEM, record_prepared),
    RecordOutcome: (Grade.SYSTEM, record_outcome),
    Abandon: (Grade.SYSTEM, abandon),
    Miss: (Grade.SYSTEM, miss),
    RecordDrift: (Grade.SYSTEM, record_drift),
    Stop: (Grade.COUNTER, stop),
    EmergencyWithdraw: (Grade.PROOF, emergency_withdraw),
}


def apply_minted(state: State, entry: Entry) -> None:
    """A token exists: its publication is held until hold and schedule are over."""
    (about, revision, channel, operation, content, template, previous, jti, token, credential, hold_until, not_before, window_to, fixed,
     emergency, rip) = _MINTED(entry.data)
    submission = state.submissions[about]
    covering = [stage.id for stage in submission.stages if stage.kind == "approve" or channel in stage.channels]
    publication = Publication(  # by place, since passing so many by name takes longer than all the rest
        entry.object, submission.id, revision, intern(channel), intern(operation), content, template, previous, jti, token, credential, _HELD_STATE, hold_until,
        not_before, window_to, fixed, state.epoch, entry.at, emergency, rip, tuple([s for s in submission.signatures if s.stage in covering]),
    )
    publication.seq = entry.seq
    state.publications[publication.id] = publication
    state.active.add(publication.id)
    target: TargetState = submission.target(channel)
    target.publication = publication.id
    submission.state = _RELEASED
    settle(state, submission)


def _move(state: State, entry: Entry, new: PublicationState) -> Publication:
    publication = state.publications[entry.object]
    publication.state, publication.seq = new, entry.seq
    if new not in OPEN_PUBLICATION:
        state.active.discard(publication.id)
        publication.signatures = ()
        settle(state, state.submissions[publication.submission])
    return publication


def apply_intended(state: State, entry: Entry) -> None:
    """Spend the token."""
    publication = _move(state, entry, _INTENDED_STATE)
    publication.intended_at = entry.at
    state.spent.add(publication.jti)


def apply_handle(state: State, entry: Entry) -> None:
    """Remember what exists on the platform."""
    publication = state.publications[entry.object]
    publication.handles = MappingProxyType({**publication.handles, entry.data["name"]: entry.data["value"]})  # never changed, since twins share it
    publication.seq = entry.seq


def apply_prepared(state: State, entry: Entry) -> None:
    """Remember filled and read-back digests."""
    publication = _move(state, entry, PublicationState.PREPARED)
    publication.filled, publication.snapshot = entry.data["filled"], entry.data["snapshot"]


def apply_dispatched(state: State, entry: Entry) -> None:
    """Give the licence to send and take the quota."""
    publication = _move(state, entry, _DISPATCHED_STATE)
    publication.dispatched_at, publication.dispatch_seq = entry.at, entry.seq
    if publication.operation != "withdraw":
        sent = state.channels[publication.channel].sent
        day = entry.data["day"]
        count = sent.get(day, 0)
        if count == 0:
            sent.clear()
        sent[day] = count + 1


def apply_live(state: State, entry: Entry) -> None:
    """It is public; an edit takes the place of what was live before."""
    data = entry.data
    publication = state.publications[entry.object]
    publication.remote_id, publication.url = data["id"], data["url"]
    publication.drift = "" if data.get("matches", True) else "differs"
    _move(state, entry, _LIVE_STATE)
    if publication.previous is not None:
        state.publications[publication.previous].state = PublicationState.REPLACED


def apply_gone(state: State, entry: Entry) -> None:
    """A withdrawal took effect."""
    publication = _move(state, entry, PublicationState.GONE)
    publication.remote_id = entry.data["id"]
    assert publication.previous is not None
    state.publications[publication.previous].state = PublicationState.WITHDRAWN


def apply_pending(state: State, entry: Entry) -> None:
    """The platform took the task."""
    publication = state.publications[entry.object]
    publication.pending_handle, publication.pending_since = entry.data["handle"], entry.at
    _move(state, entry, PublicationState.PENDING)


def become_unknown(publication: Publication, entry: Entry, cause: str) -> None:
    """From here on it is read back, never sent again."""
    publication.state, publication.seq, publication.reason = PublicationState.UNKNOWN, entry.seq, {"cause": cause, "at": entry.at}


def apply_unknown(state: State, entry: Entry) -> None:
    """Nobody can say."""
    become_unknown(state.publications[entry.object], entry, entry.data["cause"])


def _ends(new: PublicationState) -> Any:
    def apply(state: State, entry: Entry) -> None:
        state.publications[entry.object].reason = entry.data
        _move(state, entry, new)
    return apply


def apply_drifted(state: State, entry: Entry) -> None:
    """Mark that the platform shows something else."""
    publication = state.publications[entry.object]
    publication.drift, publication.seq = entry.data["observed"] or "gone", entry.seq


APPLY: ApplyTable = {
    EntryType.TOKEN_MINTED: apply_minted,
    EntryType.PUBLICATION_INTENDED: apply_intended,
    EntryType.PUBLICATION_HANDLE: apply_handle,
    EntryType.PUBLICATION_PREPARED: apply_prepared,
    EntryType.PUBLICATION_DISPATCHED: apply_dispatched,
    EntryType.PUBLICATION_LIVE: apply_live,
    EntryType.PUBLICATION_GONE: apply_gone,
    EntryType.PUBLICATION_PENDING: apply_pending,
    EntryType.PUBLICATION_UNKNOWN: apply_unknown,
    EntryType.PUBLICATION_REJECTED: _ends(PublicationState.REJECTED),
    EntryType.PUBLICATION_ABSENT: _ends(PublicationState.ABSENT),
    EntryType.PUBLICATION_ABANDONED: _ends(PublicationState.ABANDONED),
    EntryType.PUBLICATION_STOPPED: _ends(PublicationState.STOPPED),
    EntryType.PUBLICATION_MISSED: _ends(PublicationState.MISSED),
    EntryType.PUBLICATION_DRIFTED: apply_drifted,
}
