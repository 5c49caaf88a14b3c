"""What a `decide` function is given, and the checks every noun shares (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.canonical import Digest
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Person, State
from gateway.protocol.commands import Grade, Proof, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType
from gateway.protocol.instants import Instant


class Ids(Protocol):
    """The randomness and signatures of one decision, made outside: `new` gives a fresh id, `token` signs claims."""

    def new(self, prefix: str) -> str:
        """Return a fresh random id such as `sub_…`."""

    def token(self, claims: bytes) -> Digest:
        """Sign claims into an approval token, keep its text with this decision's blobs, and return its digest."""


@dataclass(frozen=True, slots=True)
class Context:
    """One decision: the tip state (read only), the request, the instant, its ids, and the route table in force."""

    state: State
    request: Request
    at: Instant
    ids: Ids
    rules: tuple[Rule, ...] = RULES

    @property
    def actor(self) -> str:
        """Who asks."""
        return self.request.actor

    def draft(self, kind: EntryType, object_: str, /, **data: object) -> Draft:
        """Return an entry draft by the asking actor."""
        return Draft(kind, object_, data, self.request.actor)

    def person(self) -> Person:
        """Return the acting person.

        Raises:
            Denied: unknown or suspended.
        """
        person = self.state.people.get(self.request.actor)
        if person is None:
            raise Denied("not_found", detail="person")
        if person.suspended:
            raise Denied("person_suspended")
        return person

    def unseen(self, seq: int) -> None:
        """Raise `stale_view` where the object has an entry the person had not seen."""
        expected = self.request.expected
        if expected is not None and expected != seq:
            raise Denied("stale_view", seq=seq)


def check_proof(context: Context, proof: Proof, label_digest: Digest) -> Person:
    """Return the acting person, whose proof covers exactly `label_digest` and whose factor stands.

    Raises:
        Denied: the proof is for something else, by another's or a revoked factor, or it was used before: its nonce, its code's
            time step, or an authenticator's counter that did not go up (WebAuthn 7.2; counters that stay 0 are not used).
    """
    person = context.person()
    if context.request.grade is not Grade.PROOF:
        raise Denied("proof_missing")
    if proof.list_digest != label_digest:
        raise Denied("proof_mismatch")
    factor = person.factors.get(proof.factor)
    if factor is None or factor.kind != proof.method:
        raise Denied("factor_unknown")
    if proof.nonce in context.state.nonces:
        raise Denied("code_reused", detail="nonce")
    if proof.method == "totp" and proof.step <= person.totp_step:
        raise Denied("code_reused")
    count = int(factor.public.get("sign_count", "0"))
    if proof.method == "passkey" and (count or proof.sign_count) and proof.sign_count <= count:
        raise Denied("code_reused", detail="sign_count")
    return person


def proof_data(proof: Proof) -> dict[str, object]:
    """Return a proof as it stands in entries."""
    return {
        "method": proof.method, "factor": proof.factor, "nonce": proof.nonce, "list": proof.list_digest, "evidence": proof.evidence,
        "step": proof.step, "sign_count": proof.sign_count,
    }


Decide = Callable[[Context], list[Draft]]
DecideTable = dict[type, tuple[Grade, Decide]]
ApplyTable = dict[str, Callable[[State, Entry], None]]
