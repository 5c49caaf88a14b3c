"""The state: what the replayed log means, and nothing else (pure).

`apply` mutates a `State` that its owner alone writes; copying it would cost more than everything else. Finished objects collapse to what
a later command can need: a submission to its number and author, a publication to what an edit or withdrawal must name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, TypeVar

from gateway.protocol.instants import EPOCH_START, NEVER, Instant


class Office(StrEnum):
    """What a person may hold, for a unit, a channel or the whole group, from one date to another."""

    FOUNDER = "founder"  # 首任管理人: the two people a deployment starts with
    UNIT_HEAD = "unit_head"  # 单位负责人
    LEADER = "leader"  # 公司主管领导
    BRAND_PR = "brand_pr"  # 品牌公关部放行
    BRAND_PR_HEAD = "brand_pr_head"  # 品牌公关部负责人
    OPERATOR = "operator"  # 运营人员, of a channel
    AUTHOR = "author"  # 信息管理员/供稿, of a unit
    CUSTODIAN = "custodian"  # 保管人, of a channel
    AUDITOR = "auditor"  # 审计员
    SYSADMIN = "sysadmin"  # 系统管理员


GOVERNORS: Final = frozenset({Office.FOUNDER, Office.BRAND_PR_HEAD, Office.SYSADMIN})
"""Offices that may propose and confirm changes; never the same person both times (regulation article 5)."""


class SubmissionState(StrEnum):
    """Where a submission stands."""

    IN_REVIEW = "in_review"  # some stage still has to sign
    RELEASED = "released"  # every target has a publication that is on its way or done
    RETURNED = "returned"  # sent back; the author may submit the next revision
    RECALLED = "recalled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # its window ended; one act renews it
    DONE = "done"  # every target is live or gone


class PublicationState(StrEnum):
    """Where one approval token's send stands."""

    HELD = "held"  # released; waits for hold and schedule
    INTENDED = "intended"  # token spent, nothing public
    PREPARED = "prepared"  # a draft stands on the platform, read back equal
    DISPATCHED = "dispatched"  # the licence to send is given; from here a crash means UNKNOWN
    PENDING = "pending"  # the platform accepted the task
    UNKNOWN = "unknown"  # nobody can say; read back, never resent
    LIVE = "live"
    GONE = "gone"  # a withdrawal took effect
    REJECTED = "rejected"
    ABSENT = "absent"  # an unknown that was proven not public
    ABANDONED = "abandoned"
    STOPPED = "stopped"
    MISSED = "missed"
    WITHDRAWN = "withdrawn"  # was live; a later withdrawal took it down
    REPLACED = "replaced"  # was live; a later edit replaced it


OPEN_PUBLICATION: Final = frozenset({
    PublicationState.HELD, PublicationState.INTENDED, PublicationState.PREPARED, PublicationState.DISPATCHED,
    PublicationState.PENDING, PublicationState.UNKNOWN,
})
"""States in which a publication still stands between its approval and an end."""

RELEASABLE: Final = frozenset({
    PublicationState.REJECTED, PublicationState.ABSENT, PublicationState.ABANDONED, PublicationState.STOPPED, PublicationState.MISSED,
})
"""Ends after which the release office may release the same target again."""

REVIEWABLE: Final = frozenset({SubmissionState.IN_REVIEW, SubmissionState.RELEASED})

STOPPABLE: Final = frozenset({PublicationState.HELD, PublicationState.INTENDED, PublicationState.PREPARED})


@dataclass(slots=True)
class Unit:
    """A part of the company: `kind` is group, subsidiary or department."""

    id: str
    name: str
    parent: str | None
    kind: str


@dataclass(slots=True)
class FactorState:
    """A factor as the log binds it; see `protocol.commands.Factor`."""

    id: str
    kind: str
    version: int
    sha256: str
    public: Mapping[str, str]


@dataclass(slots=True)
class Person:
    """A person by id; `name` is a commitment. `totp_step` is the last accepted time step."""

    id: str
    name: str
    unit: str
    suspended: bool = False
    factors: dict[str, FactorState] = field(default_factory=dict)
    totp_step: int = 0
    enrolment: tuple[str, Instant] | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def factor_of(self, kind: str) -> FactorState | None:
        """Return the person's newest factor of `kind`, or None."""
        found = [factor for factor in self.factors.values() if factor.kind == kind]
        return found[-1] if found else None


@dataclass(slots=True)
class Appointment:
    """An office held for a scope (unit id, channel id, or the group's id) from `start` up to, not including, `end`."""

    id: str
    person: str
    office: str
    scope: str
    start: Instant
    end: Instant = NEVER

    def holds(self, at: Instant) -> bool:
        """Return whether the office is held at the instant `at`."""
        return self.start <= at < self.end


@dataclass(slots=True)
class Credential:
    """A credential version as the log binds it: the stored row's id and SHA-256."""

    version: int
    secret: str
    sha256: str


@dataclass(slots=True)
class Channel:
    """An account on a platform. `level` is company or own; `filing` is filed, changing, suspended or cancelled."""

    id: str
    platform: str
    account: str
    name: str
    unit: str
    level: str
    filing: str
    filing_number: str
    settings: Mapping[str, str]
    custodians: tuple[str, ...] = ()
    credential: Credential | None = None
    credential_version: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a route: `kind` approve or release, by holders of one of `offices` (office, scope), because of `rule`.

    A release stage names the channels it releases; `apart` says that its signer must differ from the author and from every approver.
    """

    id: str
    kind: str
    offices: tuple[tuple[str, str], ...]
    rule: str
    channels: tuple[str, ...] = ()
    apart: bool = True


@dataclass(slots=True)
class Signature:
    """One signed decision: who, by which office, how, and the entry that holds it.

    `void` is set where its signer was suspended for cause; it then carries nothing, also not after a restoration.
    """

    stage: str
    verdict: str
    person: str
    office: str
    method: str
    statement: str
    entry: int
    at: Instant
    void: bool = False


@dataclass(slots=True)
class TargetState:
    """One channel of a submission; `publication` is the newest attempt there."""

    channel: str
    operation: str
    template: str
    previous: str | None
    publication: str | None = None


@dataclass(slots=True)
class Submission:
    """A revision under review, and after release until all its targets are done.

    `effective` are the channels on which an earlier revision took effect, oldest first; this one has no target there.
    """

    id: str
    number: str
    revision: int
    draft: str
    author: str
    unit: str
    state: SubmissionState
    content: str | None
    facts: Mapping[str, Any]
    findings: Mapping[str, Any]
    targets: list[TargetState]
    stages: list[Stage]
    route: str
    policy: str
    rules: tuple[str, ...]
    window_to: Instant
    scheduled: Instant | None
    source: str
    made_at: Instant
    made_seq: int
    signatures: list[Signature] = field(default_factory=list)
    returned: Mapping[str, Any] | None = None
    message: str | None = None
    emergency: bool = False
    seq: int = 0
    effective: tuple[str, ...] = ()

    def signed(self, stage: str) -> Signature | None:
        """Return the decision that stands for `stage`, or None."""
        for signature in self.signatures:
            if signature.stage == stage:
                return signature
        return None

    def target(self, channel: str) -> TargetState:
        """Return the target on `channel`; there is exactly one."""
        return next(target for target in self.targets if target.channel == channel)


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
"""One for all, since a replay makes a million publications of which few have anything here."""


@dataclass(slots=True)
class Publication:
    """One token's send on one channel; `signatures` are the decisions its token names, until it has ended."""

    id: str
    submission: str
    revision: int
    channel: str
    operation: str
    content: str | None
    template: str
    previous: str | None
    jti: str
    token: str
    credential: int
    state: PublicationState
    hold_until: Instant
    not_before: Instant
    window_to: Instant
    fixed: bool
    epoch: str
    released_at: Instant
    emergency: bool = False
    rip: str | None = None
    signatures: tuple[Signature, ...] = ()
    handles: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    filled: str = ""
    snapshot: str = ""
    intended_at: Instant = EPOCH_START
    dispatched_at: Instant = EPOCH_START
    dispatch_seq: int = 0
    pending_handle: str = ""
    pending_since: Instant = EPOCH_START
    remote_id: str = ""
    url: str = ""
    reason: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    drift: str = ""
    seq: int = 0


@dataclass(slots=True)
class Proposal:
    """Changes that wait for a second person."""

    id: str
    by: str
    changes: list[dict[str, Any]]
    digest: str
    reason: str
    until: Instant
    seq: int
    at: Instant


@dataclass(slots=True)
class FreezeState:
    """A stop on all sends in a scope."""

    id: str
    scope: str
    target: str
    by: str
    reason: str
    at: Instant
    seq: int


@dataclass(slots=True)
class Blackout:
    """Days on which nothing is published or edited in a scope, from `start` up to, not including, `end`; `reason` is a commitment."""

    id: str
    scope: str
    target: str
    kind: str
    start: Instant
    end: Instant
    reason: str
    by: str


@dataclass(slots=True)
class Queues:
    """Who waits for what, as it was when it was last asked for; `stale` are the submissions that changed since."""

    waiting: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    waits: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    stale: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """Everything the machine knows. Two exist in the enforcer: the tip (durable and queued) and the durable prefix."""

    deployment: str = ""
    kind: str = ""
    epoch: str = ""
    desk: str = ""
    counter: str = ""
    group: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    switches: dict[str, str] = field(default_factory=dict)
    size: int = 0
    last_at: Instant = EPOCH_START
    commands: dict[str, tuple[str, int, str, Instant, str]] = field(default_factory=dict)
    command_order: deque[tuple[Instant, str]] = field(default_factory=deque)
    last_command: str | None = None
    units: dict[str, Unit] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    submissions: dict[str, Submission] = field(default_factory=dict)
    finished: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    publications: dict[str, Publication] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    nonces: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    freezes: dict[str, FreezeState] = field(default_factory=dict)
    queues: Queues = field(default_factory=Queues)
    numbers: dict[str, int] = field(default_factory=dict)
    isolated: bool = False
    vault_rows: dict[str, tuple[int, str]] = field(default_factory=dict)
    blackouts: dict[str, Blackout] = field(default_factory=dict)

    def twin(self) -> State:
        """Return an equal state that shares nothing that `apply` changes: as if every entry had been applied twice.

        Values that came with an entry and are never changed (facts, findings, settings, reasons) are shared.
        """
        signatures: dict[int, Signature] = {}

        def signed(found: Iterable[Signature]) -> Iterable[Signature]:
            return (signatures.setdefault(id(one), _copy_signature(one)) for one in found)

        twin = _copy_state(self)
        for name in ("keys", "switches", "commands", "numbers", "finished", "vault_rows"):
            setattr(twin, name, dict(getattr(self, name)))
        twin.spent, twin.nonces, twin.active = set(self.spent), set(self.nonces), set(self.active)
        twin.command_order = deque(self.command_order)
        twin.queues = Queues({key: dict(queue) for key, queue in self.queues.waiting.items()}, dict(self.queues.waits), dict(self.queues.stale))
        twin.units = {key: _copy_unit(unit) for key, unit in self.units.items()}
        twin.appointments = {key: _copy_appointment(held) for key, held in self.appointments.items()}
        twin.freezes = {key: _copy_freeze(freeze) for key, freeze in self.freezes.items()}
        twin.blackouts = {key: _copy_blackout(blackout) for key, blackout in self.blackouts.items()}
        twin.proposals = {key: _copy_proposal(proposal) for key, proposal in self.proposals.items()}
        for proposal in twin.proposals.values():
            proposal.changes = list(proposal.changes)
        twin.people = {key: _copy_person(person) for key, person in self.people.items()}
        for person in twin.people.values():
            person.factors = {key: _copy_factor(factor) for key, factor in person.factors.items()}
        twin.channels = {key: _copy_channel(channel) for key, channel in self.channels.items()}
        for channel in twin.channels.values():
            channel.sent = dict(channel.sent)
            channel.credential = _copy_credential(channel.credential) if channel.credential else None
        twin.submissions = {key: _copy_submission(submission) for key, submission in self.submissions.items()}
        for submission in twin.submissions.values():
            submission.targets = [_copy_target(target) for target in submission.targets]
            submission.stages = list(submission.stages)
            submission.signatures = list(signed(submission.signatures))
        twin.publications = {key: _copy_publication(publication) for key, publication in self.publications.items()}
        for publication in twin.publications.values():
            if publication.signatures:
                publication.signatures = tuple(signed(publication.signatures))
        return twin

    def holders(self, office: str, scope: str, at: Instant) -> list[str]:
        """Return the people who hold `office` for `scope` at `at` and are not suspended, in order of appointment."""
        return [
            a.person for a in self.appointments.values()
            if a.office == office and a.scope == scope and a.holds(at) and not self.people[a.person].suspended
        ]

    def offices_of(self, person: str, at: Instant) -> list[Appointment]:
        """Return the appointments a person holds at `at`; none while suspended."""
        known = self.people.get(person)
        if known is None or known.suspended:
            return []
        return [a for a in self.appointments.values() if a.person == person and a.holds(at)]

    def responsible_unit(self, unit: str) -> str:
        """Return the unit whose head answers for `unit` (article 17): its subsidiary, or itself where it belongs to the group."""
        here: str | None = unit
        while here is not None:
            known = self.units.get(here)
            if known is None:
                break
            if known.kind == "subsidiary":
                return here
            here = known.parent
        return unit

    def inside(self, unit: str, ancestor: str) -> bool:
        """Return whether `unit` is `ancestor` or lies below it."""
        here: str | None = unit
        while here is not None:
            if here == ancestor:
                return True
            known = self.units.get(here)
            here = known.parent if known else None
        return False

    @property
    def waiting(self) -> dict[tuple[str, str], dict[str, None]]:
        """The ids of the submissions that wait for an office, by office and scope."""
        self._bring_queues_up_to_date()
        return self.queues.waiting

    @property
    def waits(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """The offices that each submission waits for; one that waits for nobody has no place here."""
        self._bring_queues_up_to_date()
        return self.queues.waits

    def _bring_queues_up_to_date(self) -> None:
        """Work out again what changed; not with every entry, since a replay of a million would never be asked."""
        queues = self.queues
        for identifier in queues.stale:
            submission = self.submissions.get(identifier)
            stages = self.open_stages(submission) if submission is not None else []
            keys = tuple(dict.fromkeys([office for stage in stages for office in stage.offices]))
            before = queues.waits.get(identifier, ())
            if keys == before:
                continue
            for key in before:
                del queues.waiting[key][identifier]
            for key in keys:
                queues.waiting.setdefault(key, {})[identifier] = None
            if keys:
                queues.waits[identifier] = keys
            else:
                del queues.waits[identifier]
        queues.stale.clear()

    def open_stages(self, submission: Submission) -> list[Stage]:
        """Return the stages that may sign now: the first unsigned approval, else every release stage with something to release."""
        if submission.state not in REVIEWABLE:
            return []
        publications = self.publications
        waiting = set()  # plain loops: this runs five times for every publication in the log when it is replayed
        for target in submission.targets:
            if target.publication is None or publications[target.publication].state in RELEASABLE:
                waiting.add(target.channel)
        if not waiting:  # with nothing left to release there is nothing to approve either
            return []
        signed = [signature.stage for signature in submission.signatures]
        for stage in submission.stages:
            if stage.kind == "approve" and stage.id not in signed:
                return [stage]
        return [stage for stage in submission.stages if stage.kind == "release" and not waiting.isdisjoint(stage.channels)]

    def releasable(self, submission: Submission, stage: Stage) -> list[TargetState]:
        """Return the targets of a release stage that have no publication, or only one that has ended without effect."""
        return [
            t for t in submission.targets
            if t.channel in stage.channels and (t.publication is None or self.publications[t.publication].state in RELEASABLE)
        ]

    def may_sign(self, person: str, stage: Stage, at: Instant) -> str | None:
        """Return the office by which `person` could sign `stage` at `at`, or None."""
        for office, scope in stage.offices:
            if person in self.holders(office, scope, at):
                return office
        return None


_T = TypeVar("_T")


def _copier(kind: type[_T]) -> Callable[[_T], _T]:
    """Return a function that makes a shallow copy of a dataclass of this kind: a million of them at a start, so without `copy.copy`."""
    values = attrgetter(*(one.name for one in fields(kind)))  # type: ignore[arg-type] # every kind given is a dataclass

    def copied(one: _T) -> _T:
        return kind(*values(one))

    return copied


_copy_state: Final = _copier(State)
_copy_unit: Final = _copier(Unit)
_copy_factor: Final = _copier(FactorState)
_copy_person: Final = _copier(Person)
_copy_appointment: Final = _copier(Appointment)
_copy_credential: Final = _copier(Credential)
_copy_channel: Final = _copier(Channel)
_copy_signature: Final = _copier(Signature)
_copy_target: Final = _copier(TargetState)
_copy_submission: Final = _copier(Submission)
_copy_publication: Final = _copier(Publication)
_copy_proposal: Final = _copier(Proposal)
_copy_freeze: Final = _copier(FreezeState)
_copy_blackout: Final = _copier(Blackout)
