"""The approval token's claims (pure): what a token says, built once and parsed strictly.

The claims are canonical JSON inside a DSSE envelope of type `PAYLOAD_TYPE`, signed by the enforcer's approval key. Every claim
is required, an unknown one fails, and a value of another type fails. docs/spec/approval-token.md is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway import canonical
from gateway.canonical import NotCanonical
from gateway.protocol import instants
from gateway.protocol.instants import Instant

PAYLOAD_TYPE: Final = "application/vnd.qianfa.approval.v1+json"
VERSION: Final = 1
LIMIT: Final = 5_888
"""Bytes of claims: in base64, with type and signature around them, they stay inside a DSSE envelope of 8 KiB."""

CLAIMS: Final = frozenset({
    "v", "iss", "aud", "jti", "iat", "nbf", "exp", "epoch", "operation", "channel", "credential", "publication", "submission",
    "revision", "previous", "content", "template", "policy", "author", "approvals", "release",
})
APPROVAL: Final = frozenset({"person", "office", "stage", "method", "statement", "entry"})
OPERATIONS: Final = frozenset({"publish", "edit", "withdraw"})
KINDS: Final = frozenset({"sandbox", "live"})
AUDIENCE: Final = frozenset({"deployment", "kind"})

_TEXTS: Final = ("iss", "jti", "iat", "nbf", "exp", "epoch", "operation", "channel", "publication", "submission", "template",
                 "policy", "author")
_NUMBERS: Final = ("v", "credential", "revision")
_APPROVAL_TEXTS: Final = tuple(sorted(APPROVAL - {"entry"}))
_TEXT: Final[frozenset[type]] = frozenset({str})
_NUMBER: Final[frozenset[type]] = frozenset({int})
"""The types allowed, as sets: a set of the types found must be no larger, so that `true` is no number."""


class ClaimsInvalid(ValueError):
    """The signed bytes are not the claims of an approval token of version 1."""


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
    try:
        value = canonical.parse(data, limit=LIMIT)
    except NotCanonical as error:
        raise ClaimsInvalid("not canonical") from error
    _check_shape(value)
    _check_forms(value)
    audience = value["aud"]
    if audience["deployment"] != value["iss"]:
        raise ClaimsInvalid("issuer and audience differ")
    if not value["iat"] <= value["nbf"] < value["exp"]:
        raise ClaimsInvalid("instants out of order")
    if not value["approvals"] and value["operation"] != "withdraw":
        raise ClaimsInvalid("no approval")
    return Claims(
        value["iss"], audience["kind"], value["jti"], value["iat"], value["nbf"], value["exp"], value["epoch"],
        value["operation"], value["channel"], value["credential"], value["publication"], value["submission"],
        value["revision"], value["previous"], value["content"], value["template"], value["policy"], value["author"],
        tuple(value["approvals"]), value["release"],
    )


def _check_forms(value: dict[str, Any]) -> None:
    try:
        for name in ("iat", "nbf", "exp"):
            instants.parse(value[name])
        canonical.parse_digest(value["template"])
        canonical.parse_digest(value["policy"])
        if value["content"] is not None:
            canonical.parse_digest(value["content"])
        for signed in (*value["approvals"], value["release"]):
            canonical.parse_digest(signed["statement"])
        if value["previous"] is not None:
            canonical.parse_digest(value["previous"]["digest"])
    except ValueError as error:
        raise ClaimsInvalid("an instant or digest of another form") from error
    if value["operation"] not in OPERATIONS or value["aud"]["kind"] not in KINDS:
        raise ClaimsInvalid("operation or kind unknown")
    if value["revision"] < 1 or value["credential"] < 1:
        raise ClaimsInvalid("a number out of range")


def _check_shape(value: Any) -> None:
    if type(value) is not dict or value.keys() != CLAIMS:
        raise ClaimsInvalid("claims missing or unknown")
    if value["v"] != VERSION or not {type(value[name]) for name in _NUMBERS} <= _NUMBER:
        raise ClaimsInvalid("unknown version or a number of another type")
    if not {type(value[name]) for name in _TEXTS} <= _TEXT:
        raise ClaimsInvalid("a text of another type")
    audience, previous, content = value["aud"], value["previous"], value["content"]
    if type(audience) is not dict or audience.keys() != AUDIENCE or not set(map(type, audience.values())) <= _TEXT:
        raise ClaimsInvalid("audience")
    if previous is not None and (type(previous) is not dict or previous.keys() != {"id", "digest"}
                                 or not set(map(type, previous.values())) <= _TEXT):
        raise ClaimsInvalid("previous")
    if content is not None and type(content) is not str:
        raise ClaimsInvalid("content")
    approvals = value["approvals"]
    if type(approvals) is not list:
        raise ClaimsInvalid("approvals")
    for approval in (*approvals, value["release"]):
        if type(approval) is not dict or approval.keys() != APPROVAL or type(approval["entry"]) is not int:
            raise ClaimsInvalid("approval")
        if not {type(approval[name]) for name in _APPROVAL_TEXTS} <= _TEXT:
            raise ClaimsInvalid("approval")
