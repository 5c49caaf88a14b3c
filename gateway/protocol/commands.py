"""Commands: what the enforcer asks of the machine, after it has parsed, rendered, checked and verified (pure).

Nothing here comes straight from a network: the enforcer builds these values, and a command never says who gives it. Who,
from what kind of session, having last seen what: that is the `Request` around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from gateway.canonical import Digest
from gateway.protocol.entries import CommandRef
from gateway.protocol.instants import Instant


class Grade(IntEnum):
    """How sure the enforcer is that this person wants this now; a command names the least grade it takes."""

    DESK = 1  # a session of the desk
    COUNTER = 2  # a session of the counter
    PROOF = 3  # a counter session with a fresh passkey assertion or code over exactly this act
    SYSTEM = 4  # the enforcer itself: timers, gate, start, the admin socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command and the circumstances it came in.

    `expected` is the last entry of the command's object that the person had seen; None where there was nothing to see.
    """

    command: Any
    actor: str
    grade: Grade
    ref: CommandRef | None = None
    expected: int | None = None


# ---- deployment -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPerson:
    """One of the two people a deployment starts with; `code` is the SHA-256 of the printed one-time code."""

    person: str
    name: Digest
    code: Digest
    code_until: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A sealed row of the vault as the log binds it: id, version and `sha256:…` of its bytes."""

    id: str
    version: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDeployment:
    """The first command of a log; `keys` maps `log` and `approval` to their public forms."""

    deployment: str
    kind: Literal["sandbox", "live"]
    desk: str
    counter: str
    epoch: str
    keys: dict[str, str]
    group: str
    group_name: str
    people: tuple[FirstPerson, ...]
    rows: tuple[StoredRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncarnation:
    """After a restore: from here on another origin signs; `origin`, `size`, `root` name what was restored."""

    epoch: str
    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEnforcer:
    """The enforcer is up, with this version, its two processes isolated by user or not."""

    version: str
    isolated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordVault:
    """Something was done to the vault: `unsealed`, `sealed`, `rotated`, `slot_added`, `slot_removed`; `about` names slot or term.

    `stored` are the rows that now stand (a newer version takes the place of an older), `removed` the ids that no longer do.
    """

    action: str
    about: str
    stored: tuple[StoredRow, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateLogKey:
    """The log's next checkpoint key; `signature` is the old key's over the new verifier key."""

    new_key: str
    signature: str


# ---- dual control -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that takes two people: the entry type it becomes, its object, and that entry's data."""

    type: str
    object: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """The first of two people wants these changes; `reason` is a commitment, `statement` what the proof covered."""

    changes: tuple[Change, ...]
    reason: Digest
    until: Instant
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """The second of two people agrees with `proposal`, whose digest the proof covered."""

    proposal: str
    digest: Digest
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """The proposal is dropped, by its maker or by anyone who could have confirmed it."""

    proposal: str


# ---- people -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A factor as the log binds it: `kind` password | totp | passkey | recovery, and the stored row's id, version and SHA-256.

    For a passkey `public` carries credential id, public key and sign count (all text); it has no secret row.
    """

    factor: str
    kind: Literal["password", "totp", "passkey", "recovery"]
    version: int
    sha256: Digest
    public: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """A person redeems a one-time code (by its hash) and sets a first password."""

    person: str
    code: Digest
    password: Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFactor:
    """The acting person adds or replaces one of their own factors; `proof` is None only while they have none to prove with."""

    factor: Factor
    proof: Proof | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeFactor:
    """The acting person gives up one of their own factors; `proof` is None only while they have none to prove with."""

    factor: str
    proof: Proof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRecovery:
    """One recovery code was right: `row` is the new version of the remaining codes; all signing factors fall."""

    person: str
    row: Factor


ReturnReason = Literal["data", "wording", "source", "picture", "secrecy", "other"]
"""Why something is sent back."""


# ---- proofs and signing -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A verified proof: by which factor, over which list (its digest and nonce), with the evidence blob that shows it.

    `step` is the accepted time step of a code, `sign_count` the authenticator's counter; the other is 0.
    """

    method: Literal["passkey", "totp"]
    factor: str
    nonce: str
    list_digest: Digest
    evidence: Digest
    step: int = 0
    sign_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignItem:
    """One item of a signed list; `statement` is the digest the person's list held, `salt` what makes it theirs.

    `checked` is the blob of what was ticked on the checklist. `channels` names the channels a release is for; empty means all that wait.
    `reason` and `notes` belong to the verdict `return`, which a list may hold beside the others.
    """

    submission: str
    revision: int
    stage: str
    verdict: Literal["approve", "release", "return"]
    salt: str
    statement: Digest
    seen: int
    comment: Digest | None = None
    checked: Digest | None = None
    channels: tuple[str, ...] = ()
    reason: ReturnReason | None = None
    notes: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One proof over an ordered list of at most 20 items; items that have gone stale drop out by name."""

    items: tuple[SignItem, ...]
    proof: Proof
    rip: Digest | None = None


# ---- submissions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One channel of a submission: what is done there, the digest of its template, and for edits and withdrawals what is live."""

    channel: str
    operation: Literal["publish", "edit", "withdraw"]
    template: Digest
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingCounts:
    """What the checks found, by grade, and the blob that holds the findings."""

    block: int
    confirm: int
    hint: int
    blob: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """Hand a revision in. `submission` is set when it answers a return; content is None exactly when all targets withdraw."""

    draft: str
    submission: str | None
    targets: tuple[Target, ...]
    content: Digest | None
    facts: dict[str, Any]
    findings: FindingCounts
    window_to: Instant
    scheduled: Instant | None
    source: Literal["desk", "extension", "api"]
    message: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """The author takes a submission back while it is in review."""

    submission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The author gives a submission up for good."""

    submission: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """An approver sends it back: reason code, and the notes with their places as a blob."""

    submission: str
    revision: int
    reason: ReturnReason
    notes: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Somebody whom it waits for asks another who may decide it to do so; `to` is that person."""

    submission: str
    revision: int
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """A signer takes an approval back before the next stage has signed."""

    submission: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """The author opens an expired submission's window again; the content has not changed."""

    submission: str
    window_to: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Reroute:
    """The table asks more of a submission under way than its route did; `asked_by` is where that was found."""

    submission: str
    asked_by: Literal["send", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Time: the submission's window has ended."""

    submission: str


# ---- publications -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyWithdraw:
    """One brand & PR head takes something down at once; announced to all and reviewed afterwards."""

    publication: str
    template: Digest
    reason: Digest
    window_to: Instant
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Any signer, the author or brand & PR stops a released publication that is not yet dispatched."""

    publication: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Gate step 4: the verified token's id and scope, all of which must equal the state's own record.

    `at_once` asks for the licence to send as well (step 6), in the same decision: where nothing is made on the platform before the one call.
    """

    publication: str
    jti: str
    epoch: str
    operation: str
    channel: str
    credential_version: int
    content: Digest | None
    template: Digest
    previous: str | None
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHandle:
    """Gate step 5: the platform assigned a handle (an upload, a draft) that an abandon must find again."""

    publication: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPrepared:
    """Gate step 5 done: digests of the filled fields and of the platform's read-back."""

    publication: str
    filled: Digest
    snapshot: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Gate step 6: the only licence to send; every check of `Spend` that can change is made again."""

    publication: str
    credential_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome:
    """Gate step 8 and 9: `live`, `gone`, `pending`, `rejected`, `unknown` or `absent`, with what the platform said."""

    publication: str
    outcome: Literal["live", "gone", "pending", "rejected", "unknown", "absent"]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon:
    """An intent that was never dispatched ends: its window is over, or a person must look (`cause` says which)."""

    publication: str
    cause: str
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A fixed time was missed by more than 15 minutes; a person decides."""

    publication: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDrift:
    """The platform shows something else than was approved; `observed` is the digest of what was seen."""

    publication: str
    observed: Digest | None


# ---- freezes, refusals, the rest --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Stop all sends in a scope: `all`, a unit, a channel or one submission."""

    scope: Literal["all", "unit", "channel", "submission"]
    target: str
    reason: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Log a refused attempt: what was tried, from where, the rule, and what was missing."""

    code: str
    rule: str
    source: str
    channel: str | None
    content: Digest | None
    about: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Personal values behind these commitments were erased; `reason` is itself a code, not free text."""

    commitments: tuple[Digest, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCounters:
    """An hour's counts of tries that are not logged one by one."""

    counts: dict[str, int]
