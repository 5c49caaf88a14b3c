"""Proofs: a passkey assertion or a one-time code over exactly one list, statement or change.

1. `begin` keeps what is to be done under a fresh 32-byte nonce, for one person and session, for five minutes; the page never carries it.
2. A passkey signs SHA-256(label, nonce, list digest). A code confirms the list that was begun under the nonce.
3. A nonce works once. A wrong code leaves it for another try, a wrong assertion does not.
4. Tries of codes are counted per person before they are judged; a code counts once, by its time step, which the log keeps.
5. What the authenticator signed is returned as a blob, so that anyone can verify it years later.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.enforcer.ephemeral import Ephemeral
from gateway.enforcer.parts import Parts
from gateway.machine.state import FactorState, Person
from gateway.protocol import instants
from gateway.protocol.commands import Proof
from gateway.protocol.denials import Denied
from gateway.protocol.instants import Instant
from vault import passkeys, totp
from vault.errors import CodeRefused, PasskeyRefused, Sealed, TooMany, VaultError
from vault.passkeys import Passkey, RelyingParty
from vault.throttle import Throttle

PROOF_SECONDS: Final = 300
CODE_TRIES: Final = Throttle(free=5, base_seconds=30, max_seconds=3600)
_USER_LABEL: Final = b"qianfa/user/v1\0"


class ProofRefused(Exception):
    """The proof does not hold; `reason` is one word: `gone`, `malformed`, `wrong`, `reused`, `throttled`, `none`, or a passkey reason.

    `retry_after` is in seconds where waiting helps.
    """

    def __init__(self, reason: str, retry_after: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A proof that has been asked for: what it is for (`act`, `payload`), over which digest, until when."""

    nonce: str
    person: str
    act: str
    digest: Digest
    payload: dict[str, Any]
    expires: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A verified proof with its evidence blob, and what it was begun for."""

    proof: Proof
    blobs: dict[Digest, bytes]
    begun: Begun


class Proofs:
    """See the module's list."""

    def __init__(self, parts: Parts, db: Ephemeral) -> None:
        self._parts, self._db = parts, db

    # ---- beginning

    def begin(self, person: str, session: str, act: str, digest: Digest, payload: dict[str, Any]) -> Begun:
        """Keep what is to be proven and return it with its nonce."""
        nonce, now = _b64(secrets.token_bytes(passkeys.NONCE_LENGTH)), self._parts.runner.now()
        begun = Begun(nonce=nonce, person=person, act=act, digest=digest, payload=payload, expires=instants.plus(now, PROOF_SECONDS))
        self._db.run("DELETE FROM proofs WHERE expires <= ?", (now,))
        self._db.run("INSERT INTO proofs VALUES (?, ?, ?, ?, ?, ?, ?)", (
            nonce, person, session, act, digest, json.dumps(payload, ensure_ascii=False), begun.expires,
        ))
        return begun

    def options(self, rp: RelyingParty, begun: Begun) -> dict[str, Any] | None:
        """Return the options for `navigator.credentials.get`, or None where the person has no passkey."""
        allowed = [passkey.credential_id for _, passkey in self.passkeys(begun.person)]
        if not allowed:
            return None
        return passkeys.assertion_options(rp, allowed=allowed, challenge=_challenge(begun))

    def look(self, person: str, session: str, nonce: str) -> Begun:
        """Return what was begun under `nonce` by this person in this session.

        Raises:
            ProofRefused: `gone` — never begun, used, expired, another person's or another session's.
        """
        row = self._db.one("SELECT * FROM proofs WHERE nonce = ? AND person = ? AND session = ?", (nonce, person, session))
        if row is None or row["expires"] <= self._parts.runner.now():
            raise ProofRefused("gone")
        return Begun(nonce=nonce, person=person, act=row["act"], digest=Digest(row["digest"]), payload=json.loads(row["payload"]),
                     expires=row["expires"])

    def drop(self, nonce: str) -> bool:
        """Use a nonce up; True for the one caller that did."""
        return self._db.run("DELETE FROM proofs WHERE nonce = ?", (nonce,)) == 1

    # ---- finishing

    def finish_passkey(self, rp: RelyingParty, begun: Begun, response: Mapping[str, Any]) -> Proven:
        """Verify an assertion over what was begun; the nonce is used up either way.

        Raises:
            ProofRefused: it does not hold.
        """
        if not self.drop(begun.nonce):
            raise ProofRefused("gone")
        mine = self.passkeys(begun.person)
        try:
            done = passkeys.verify_assertion(
                rp, response, challenge=_challenge(begun), user_handle=user_handle(begun.person), passkeys=[passkey for _, passkey in mine],
            )
        except PasskeyRefused as error:
            raise ProofRefused(error.reason) from error
        factor = next(factor for factor, passkey in mine if passkey.credential_id == done.credential_id)
        evidence = canonical.encode(done.evidence.to_json())
        return _proven(begun, "passkey", factor.id, evidence, sign_count=done.sign_count)

    def finish_code(self, begun: Begun, code: str) -> Proven:
        """Verify a one-time code over what was begun; a wrong one leaves the nonce for another try.

        Raises:
            ProofRefused: it does not hold, or it is too early for another try.
            Denied: the vault is sealed.
        """
        step, factor = self._step(begun.person, code)
        if not self.drop(begun.nonce):
            raise ProofRefused("gone")
        evidence = canonical.encode({"v": 1, "method": "totp", "nonce": begun.nonce, "list": begun.digest, "step": step, "factor": factor})
        return _proven(begun, "totp", factor, evidence, step=step)

    def _step(self, person: str, code: str) -> tuple[int, str]:
        known = self._parts.runner.state.people[person]
        factor = known.factor_of("totp")
        if factor is None:
            raise ProofRefused("none")
        now = self._parts.runner.clock.moment()
        try:
            self._db.attempt(f"totp:{person}", CODE_TRIES, now)
            with self.secret(factor) as secret:
                step = totp.verify(secret, code, at=now, last_step=max(known.totp_step, self._parts.runner.tip.people[person].totp_step))
        except TooMany as error:
            raise ProofRefused("throttled", error.retry_after) from error
        except CodeRefused as error:
            wait = totp.STEP_SECONDS - int(now.timestamp()) % totp.STEP_SECONDS
            raise ProofRefused(error.reason, wait if error.reason == "reused" else 0) from error
        self._db.forgive(f"totp:{person}")
        return step, factor.id

    # ---- factors

    def passkeys(self, person: str) -> list[tuple[FactorState, Passkey]]:
        """Return a person's passkeys as the log binds them."""
        known = self._parts.runner.state.people.get(person)
        return [(factor, stored_passkey(factor)) for factor in known.factors.values() if factor.kind == "passkey"] if known else []

    def owner_of(self, credential_id: bytes) -> Person | None:
        """Return whose passkey this is, or None."""
        text = _b64(credential_id)
        for person in self._parts.runner.state.people.values():
            if any(factor.kind == "passkey" and factor.public.get("credential_id") == text for factor in person.factors.values()):
                return person
        return None

    def secret(self, factor: FactorState) -> _Leased:
        """Return a context in which the bytes of a factor's stored row can be read.

        Raises:
            Denied: `vault_sealed`; `factor_unknown` where the row is missing or is not the one the log names.
        """
        return _Leased(self._parts, factor)


class _Leased:
    def __init__(self, parts: Parts, factor: FactorState) -> None:
        self._parts, self._factor = parts, factor

    def __enter__(self) -> bytes:
        row = self._parts.sealed.get(self._factor.id, self._factor.version)
        if row is None:
            raise Denied("vault_sealed" if self._parts.vault.sealed else "factor_unknown")
        lease = self._parts.vault.lease(
            secret_id=self._factor.id, version=self._factor.version, row=row.row, expected_sha256=self._factor.sha256, purpose="proof",
        )
        try:
            with lease as secret:
                return secret.expose()
        except Sealed as error:
            raise Denied("vault_sealed") from error
        except VaultError as error:
            raise Denied("factor_unknown", detail="row") from error

    def __exit__(self, *_exc: object) -> None:
        return None


def user_handle(person: str) -> bytes:
    """Return the WebAuthn user handle of a person: 32 bytes that name nobody (WebAuthn 14.6.1)."""
    return hashlib.sha256(_USER_LABEL + person.encode()).digest()


def stored_passkey(factor: FactorState) -> Passkey:
    """Return the passkey that a factor's public part describes."""
    public = factor.public
    return Passkey(
        credential_id=_unb64(public.get("credential_id", "")), public_key=_unb64(public.get("public_key", "")),
        sign_count=int(public.get("sign_count", "0")), aaguid=public.get("aaguid", ""), backed_up=public.get("backed_up") == "yes",
    )


def public_of(passkey: Passkey, label: str) -> dict[str, str]:
    """Return a passkey as the log keeps it; `label` is the commitment of the name its owner gave it."""
    return {
        "credential_id": _b64(passkey.credential_id), "public_key": _b64(passkey.public_key), "sign_count": str(passkey.sign_count),
        "aaguid": passkey.aaguid, "backed_up": "yes" if passkey.backed_up else "no", "label": label,
    }


def _challenge(begun: Begun) -> bytes:
    return passkeys.signing_challenge(_unb64(begun.nonce), bytes.fromhex(begun.digest.removeprefix("sha256:")))


def _proven(begun: Begun, method: Any, factor: str, evidence: bytes, *, step: int = 0, sign_count: int = 0) -> Proven:
    digest = canonical.sha256(evidence)
    proof = Proof(method=method, factor=factor, nonce=begun.nonce, list_digest=begun.digest, evidence=digest, step=step, sign_count=sign_count)
    return Proven(proof=proof, blobs={digest: evidence}, begun=begun)


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
