"""Log entries: the envelope, the types, and their bytes (pure).

1. An entry is canonical JSON of at most 65,535 bytes with the keys v, seq, type, at, actor, object, command, data.
2. Types are named `noun.past_participle`; a type is never reused, and its fields are only ever appended.
3. What the machine branches on is in `data`; what is only shown or signed is a blob that `data` names by digest.
4. Names, addresses and free text are commitments (SHA-256 of salt and value); the values can be erased, the entry stays.

docs/spec/entry.md is the reference; tests/vectors/entry holds one sample of every type.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn

import msgspec

from gateway import canonical
from gateway.canonical import Digest, NotCanonical
from gateway.protocol import instants
from gateway.protocol.instants import Instant

VERSION: Final = 1
LIMIT: Final = 65_535
SYSTEM: Final = "system"
"""The actor of what the enforcer does by itself: timers, the gate, start and stop."""

KEYS: Final = frozenset({"v", "seq", "type", "at", "actor", "object", "command", "data"})


class EntryType(StrEnum):
    """Every kind of entry, by noun; `docs/spec/entry.md` gives the fields."""

    # deployment
    DEPLOYMENT_OPENED = "deployment.opened"  # kind, hosts, keys, epoch; always entry 0
    INCARNATION_OPENED = "incarnation.opened"  # a restore: new epoch, old origin, size and root
    ENFORCER_STARTED = "enforcer.started"  # version, isolated or not
    KEY_ROTATED = "key.rotated"  # the log's next checkpoint key, signed by the old one
    VAULT_CHANGED = "vault.changed"  # unsealed, sealed, rotated, slot added or removed
    POLICY_SET = "policy.set"  # a named switch, changed by two
    # people
    UNIT_ADDED = "unit.added"
    PERSON_ADDED = "person.added"
    PERSON_SUSPENDED = "person.suspended"  # for cause: voids what the person signed and is not yet sent
    PERSON_RESTORED = "person.restored"
    APPOINTMENT_MADE = "appointment.made"
    APPOINTMENT_ENDED = "appointment.ended"
    ENROLMENT_OPENED = "enrolment.opened"  # a one-time code, by its hash
    FACTOR_ENROLLED = "factor.enrolled"  # password, totp, passkey, recovery codes
    FACTOR_REVOKED = "factor.revoked"
    RECOVERY_USED = "recovery.used"
    # channels
    CHANNEL_ADDED = "channel.added"
    CHANNEL_CHANGED = "channel.changed"  # filing state, settings, custodians
    CREDENTIAL_STORED = "credential.stored"
    CREDENTIAL_RETIRED = "credential.retired"
    # dual control
    PROPOSAL_MADE = "proposal.made"
    PROPOSAL_CONFIRMED = "proposal.confirmed"
    PROPOSAL_DECLINED = "proposal.declined"
    # submissions and approvals
    SUBMISSION_MADE = "submission.made"
    SUBMISSION_RETURNED = "submission.returned"
    SUBMISSION_RECALLED = "submission.recalled"
    SUBMISSION_CANCELLED = "submission.cancelled"
    SUBMISSION_EXPIRED = "submission.expired"
    SUBMISSION_RENEWED = "submission.renewed"
    SUBMISSION_HANDED = "submission.handed"  # another holder of the office is asked to decide; a mark, no right
    SUBMISSION_REROUTED = "submission.rerouted"  # the table changed: what it now asks for in addition
    SIGNING_MADE = "signing.made"  # one proof over an ordered list
    DECISION_MADE = "decision.made"  # one item of that list: approve or release
    DECISION_TAKEN_BACK = "decision.taken_back"
    TOKEN_MINTED = "token.minted"  # noqa: S105 -- an entry type, not a secret
    # publications
    PUBLICATION_STOPPED = "publication.stopped"
    PUBLICATION_INTENDED = "publication.intended"  # gate step 4: the token is spent
    PUBLICATION_HANDLE = "publication.handle"  # step 5: something now exists on the platform
    PUBLICATION_PREPARED = "publication.prepared"  # step 5 done
    PUBLICATION_DISPATCHED = "publication.dispatched"  # step 6: the only licence to send
    PUBLICATION_LIVE = "publication.live"
    PUBLICATION_GONE = "publication.gone"
    PUBLICATION_PENDING = "publication.pending"
    PUBLICATION_REJECTED = "publication.rejected"
    PUBLICATION_UNKNOWN = "publication.unknown"
    PUBLICATION_ABSENT = "publication.absent"  # an unknown, settled: nothing became public
    PUBLICATION_ABANDONED = "publication.abandoned"
    PUBLICATION_MISSED = "publication.missed"  # a fixed time missed by more than 15 minutes
    PUBLICATION_DRIFTED = "publication.drifted"  # the platform shows something else than was approved
    # freezes and the rest
    FREEZE_SET = "freeze.set"
    FREEZE_LIFTED = "freeze.lifted"
    BLACKOUT_SET = "blackout.set"  # days on which nothing is published or edited, set by two
    BLACKOUT_LIFTED = "blackout.lifted"
    REFUSED = "attempt.refused"
    VALUES_ERASED = "values.erased"
    COUNTERS_TAKEN = "counters.taken"  # hourly: malformed, stale, throttled tries


class CommandRef(msgspec.Struct, frozen=True, gc=False):
    """The command an entry came from, so that a repeat is recognised: its id and the digest of its body."""

    id: str
    body: Digest


class Entry(msgspec.Struct, frozen=True):
    """One entry of the log; see the module's list."""

    seq: int
    type: str
    at: Instant
    actor: str
    object: str
    command: CommandRef | None
    data: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, the ones the Merkle tree hashes.

        Raises:
            NotCanonical: they would be longer than 65,535 bytes.
        """
        command = self.command
        body = canonical.encode_trusted({
            "v": VERSION, "seq": self.seq, "type": self.type, "at": self.at, "actor": self.actor, "object": self.object,
            "command": {"id": command.id, "body": command.body} if command else None, "data": self.data,
        })
        if len(body) > LIMIT:
            raise NotCanonical("entry longer than 65,535 bytes")
        return body


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before the log gives it its place: what `decide` returns."""

    type: EntryType
    object: str
    data: dict[str, Any]
    actor: str = SYSTEM


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} has no canonical form")


_decoder: Final = msgspec.json.Decoder(Entry, float_hook=_refuse)
_LAST: Final = f',"v":{VERSION}}}'.encode()
"""How the canonical bytes of an entry end, its keys being in order."""

_LINE_END: Final = _LAST + b"\n"


def load(body: bytes) -> Entry:
    """Return the entry whose bytes come from our own verified log; fast, for replay.

    Its fields have the types they must have and its numbers are no floats; that the spelling is canonical is not asked again, see `parse`.

    Raises:
        NotCanonical: the bytes are not an entry of version 1.
    """
    if not body.endswith(_LAST):
        raise NotCanonical("not an entry of version 1")
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical("not an entry of version 1") from error


def load_lines(lines: bytes, count: int) -> list[Entry]:
    """Return `count` entries of which each ends in a line feed: as `load` one by one, in half the time.

    Raises:
        NotCanonical: one of them is not an entry of version 1, or they are not so many.
    """
    if not lines.count(_LINE_END) == lines.count(b"\n") == count:
        raise NotCanonical("not entries of version 1, each on a line")
    try:
        found = _decoder.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical("not an entry of version 1") from error
    if len(found) != count:
        raise NotCanonical("not one entry a line")
    return found


def parse(body: bytes) -> Entry:
    """Return the entry in `body`, from anybody.

    Raises:
        NotCanonical: the bytes are not canonical, or not an entry of version 1.
    """
    value = canonical.parse(body, limit=LIMIT)
    if not isinstance(value, dict) or set(value) != KEYS or type(value["v"]) is not int or value["v"] != VERSION:
        raise NotCanonical("not an entry of version 1")
    texts = (value["type"], value["at"], value["actor"], value["object"])
    if type(value["seq"]) is not int or value["seq"] < 0 or not all(isinstance(text, str) for text in texts):
        raise NotCanonical("not an entry of version 1")
    if not isinstance(value["data"], dict) or not _is_command(value["command"]):
        raise NotCanonical("not an entry of version 1")
    try:
        instants.parse(value["at"])
    except ValueError as error:
        raise NotCanonical("not an entry of version 1") from error
    return load(body)


def _is_command(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and set(value) == {"id", "body"} and all(isinstance(text, str) for text in value.values())
