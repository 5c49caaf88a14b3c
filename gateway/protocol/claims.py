"""The approval token's claims (pure): what a token says, built once and parsed strictly.

The claims are canonical JSON inside a DSSE envelope of type `PAYLOAD_TYPE`, signed by the enforcer's approval key. Every claim
is required, an unknown one fails, and a value of another type fails. docs/spec/approval-token.md is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypedDict, cast

import msgspec

from gateway import canonical
from gateway.protocol import instants
from gateway.protocol.instants import Instant

PAYLOAD_TYPE: Final = "application/vnd.qianfa.approval.v1+json"
VERSION: Final = 1
LIMIT: Final = 5_888
"""Bytes of claims: in base64, with type and signature around them, they stay inside a DSSE envelope of 8 KiB."""

OPERATIONS: Final = frozenset({"publish", "edit", "withdraw"})
KINDS: Final = frozenset({"sandbox", "live"})


class ClaimsInvalid(ValueError):
    """The signed bytes are not the claims of an approval token of version 1."""


class _Approval(TypedDict):
    """One signature that the token rests on, and the log's entry of it."""

    person: str
    office: str
    stage: str
    method: str
    statement: str
    entry: int


class _Previous(TypedDict):
    """What is live now, by the platform's id and its template's digest."""

    id: str
    digest: str


class _Audience(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    deployment: str
    kind: str


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    """The claims as they are signed, member by member; what is not said here cannot be said in a token."""

    v: int
    iss: str
    aud: _Audience
    jti: str
    iat: str
    nbf: str
    exp: str
    epoch: str
    operation: str
    channel: str
    credential: int
    publication: str
    submission: str
    revision: int
    previous: _Previous | None
    content: str | None
    template: str
    policy: str
    author: str
    approvals: list[_Approval]
    release: _Approval


_read: Final = msgspec.json.Decoder(_Wire).decode
CLAIMS: Final = frozenset(_Wire.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Claims:
    """What one approval token permits: one operation on one channel with exactly these bytes, once, inside a window."""

    deployment: str
    kind: str
    jti: str
    iat: Instant
    nbf: Instant
    exp: Instant
    epoch: str
    operation: str
    channel: str
    credential: int
    publication: str
    submission: str
    revision: int
    previous: dict[str, str] | None
    content: str | None
    template: str
    policy: str
    author: str
    approvals: tuple[dict[str, Any], ...]
    release: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Return the canonical bytes that are signed."""
        return canonical.encode({
            "v": VERSION, "iss": self.deployment, "aud": {"deployment": self.deployment, "kind": self.kind}, "jti": self.jti,
            "iat": self.iat, "nbf": self.nbf, "exp": self.exp, "epoch": self.epoch, "operation": self.operation,
            "channel": self.channel, "credential": self.credential, "publication": self.publication,
            "submission": self.submission, "revision": self.revision, "previous": self.previous, "content": self.content,
            "template": self.template, "policy": self.policy, "author": self.author, "approvals": list(self.approvals),
            "release": self.release,
        })


def parse(data: bytes) -> Claims:
    """Return the claims whose canonical bytes are exactly `data`.

    Raises:
        ClaimsInvalid: not canonical, longer than `LIMIT`, a claim is missing, unknown or of another type or form, its instants are
            out of order, or no approval is named (only an emergency withdrawal has none).
    """
    if len(data) > LIMIT:
        raise ClaimsInvalid("too long")
    try:
        wire = _read(data)
    except msgspec.ValidationError as error:  # names the member and the type that was expected, no value
        raise ClaimsInvalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClaimsInvalid("not JSON in UTF-8") from error
    # What is left out of the typed form, spelt otherwise or said twice does not come back.
    if canonical.encode_trusted(wire) != data:
        raise ClaimsInvalid("not canonical")
    _check_forms(wire)
    if wire.aud.deployment != wire.iss:
        raise ClaimsInvalid("issuer and audience differ")
    if not wire.iat <= wire.nbf < wire.exp:
        raise ClaimsInvalid("instants out of order")
    if not wire.approvals and wire.operation != "withdraw":
        raise ClaimsInvalid("no approval")
    return Claims(
        wire.iss, wire.aud.kind, wire.jti, Instant(wire.iat), Instant(wire.nbf), Instant(wire.exp), wire.epoch, wire.operation, wire.channel,
        wire.credential, wire.publication, wire.submission, wire.revision, cast("dict[str, str] | None", wire.previous), wire.content,
        wire.template, wire.policy, wire.author, tuple(cast("list[dict[str, Any]]", wire.approvals)), cast("dict[str, Any]", wire.release),
    )


def _check_forms(wire: _Wire) -> None:
    try:
        for instant in (wire.iat, wire.nbf, wire.exp):
            instants.parse(instant)
        canonical.parse_digest(wire.template)
        canonical.parse_digest(wire.policy)
        if wire.content is not None:
            canonical.parse_digest(wire.content)
        for signed in (*wire.approvals, wire.release):
            canonical.parse_digest(signed["statement"])
        if wire.previous is not None:
            canonical.parse_digest(wire.previous["digest"])
    except ValueError as error:
        raise ClaimsInvalid("an instant or digest of another form") from error
    if wire.v != VERSION:
        raise ClaimsInvalid("unknown version")
    if wire.operation not in OPERATIONS or wire.aud.kind not in KINDS:
        raise ClaimsInvalid("operation or kind unknown")
    numbers = (wire.revision, wire.credential, *(signed["entry"] for signed in (*wire.approvals, wire.release)))
    if wire.revision < 1 or wire.credential < 1 or not all(-canonical.MAX_INTEGER <= number <= canonical.MAX_INTEGER for number in numbers):
        raise ClaimsInvalid("a number out of range")
