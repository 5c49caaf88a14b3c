"""Random ids, and the signing of tokens: what a decision needs from outside."""

from __future__ import annotations

import base64
import secrets
from typing import Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.protocol.claims import PAYLOAD_TYPE
from vault import dsse
from vault.seal import KeyName, Vault

_BYTES: Final = 15


def new_id(prefix: str) -> str:
    """Return `prefix_` and 24 lower-case letters and digits: 120 random bits."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(_BYTES)).decode('ascii').lower()}"


class DecisionIds:
    """The ids and tokens of one decision; `blobs` collects token texts, which become durable before the entries that name them."""

    __slots__ = ("_vault", "blobs")

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.blobs: dict[Digest, bytes] = {}

    def new(self, prefix: str) -> str:
        """Return a fresh random id."""
        return new_id(prefix)

    def token(self, claims: bytes) -> Digest:
        """Sign claims with the approval key and return the digest of the token's text."""
        text = sign_token(self._vault, claims)
        digest = canonical.sha256(text)
        self.blobs[digest] = text
        return digest


def sign_token(vault: Vault, claims: bytes) -> bytes:
    """Return the token text (`qf1.…`) over `claims`, signed with the approval key."""
    envelope = dsse.sign(
        claims, payload_type=PAYLOAD_TYPE, public_key=vault.public_key(KeyName.APPROVAL),
        signer=lambda message: vault.sign(KeyName.APPROVAL, message),
    )
    return dsse.encode_text(envelope).encode("ascii")
