"""Envelope encryption of one version of one secret (pure; docs/spec/envelope.md has the bytes).

1. Every version has a fresh 256-bit data key, so one data key encrypts one message.
2. HKDF-SHA-256 (RFC 5869) makes two things of the data key: the AES-256-GCM key, and a 32-byte commitment that stands in the
   record and is compared first: a ciphertext cannot be opened under two keys.
3. The additional data names format, deployment, secret id and version with length prefixes: a row moved elsewhere does not open.
4. The data key is wrapped with AES-KWP (RFC 5649) under the key of a term; the term's number stands in the record. Rewrapping
   changes the wrap and leaves the ciphertext alone.
5. A record is parsed strictly: one encoding, no spare bytes.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from vault.errors import SecretRefused, Tampered

Random = Callable[[int], bytes]
"""Gives that many unpredictable bytes; `os.urandom` in the product, fixed bytes in vectors."""

FORMAT: Final = b"qianfa/envelope/v1"
MAGIC: Final = b"QFE\x01"
KEY_LENGTH: Final = 32
NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16
COMMITMENT_LENGTH: Final = 32
WRAP_LENGTH: Final = KEY_LENGTH + 8
MAX_SECRET: Final = 65536

_HEAD: Final = struct.Struct(f">4sI{WRAP_LENGTH}s{NONCE_LENGTH}s{COMMITMENT_LENGTH}sI")
_MAX_TERM: Final = 2**32 - 1


def length_prefixed(*parts: bytes) -> bytes:
    """Join parts, each after its length in four bytes, so that no two lists give the same bytes."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def associated_data(deployment: str, secret_id: str, version: int) -> bytes:
    """Build the additional data of one version of one secret in one deployment."""
    return length_prefixed(FORMAT, deployment.encode(), secret_id.encode(), struct.pack(">Q", version))


def hkdf_sha256(key: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Derive `length` bytes (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


def kwp_wrap(wrapping_key: bytes, key: bytes) -> bytes:
    """Wrap `key` (AES-KWP, RFC 5649)."""
    return aes_key_wrap_with_padding(wrapping_key, key)


def kwp_unwrap(wrapping_key: bytes, wrapped: bytes) -> bytes:
    """Unwrap what `kwp_wrap` gave.

    Raises:
        Tampered: `wrap`, when it was made under another key or altered.
    """
    try:
        return aes_key_unwrap_with_padding(wrapping_key, wrapped)
    except InvalidUnwrap:
        raise Tampered("wrap") from None


def gcm_encrypt(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Encrypt with AES-256-GCM: 32-byte key, 12-byte nonce; the 16-byte tag follows the ciphertext."""
    if len(key) != KEY_LENGTH or len(nonce) != NONCE_LENGTH:
        raise SecretRefused("bad_length")
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def gcm_decrypt(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """Decrypt what `gcm_encrypt` gave.

    Raises:
        Tampered: `tag`, when key, nonce, ciphertext or additional data differ.
    """
    if len(key) != KEY_LENGTH or len(nonce) != NONCE_LENGTH:
        raise SecretRefused("bad_length")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise Tampered("tag") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeRecord:
    """A sealed secret as it is stored; it contains no plaintext and no name, both come from its place."""

    term: int
    wrapped_key: bytes
    nonce: bytes
    commitment: bytes
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        """Write the one encoding of this record."""
        head = _HEAD.pack(MAGIC, self.term, self.wrapped_key, self.nonce, self.commitment, len(self.ciphertext))
        return head + self.ciphertext

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read exactly what `to_bytes` writes.

        Raises:
            Tampered: `malformed`, another format, other lengths, or spare bytes.
        """
        if len(data) < _HEAD.size + TAG_LENGTH or len(data) > _HEAD.size + TAG_LENGTH + MAX_SECRET:
            raise Tampered("malformed")
        magic, term, wrapped_key, nonce, commitment, length = _HEAD.unpack_from(data)
        if magic != MAGIC or len(data) != _HEAD.size + length:
            raise Tampered("malformed")
        return cls(term=term, wrapped_key=wrapped_key, nonce=nonce, commitment=commitment, ciphertext=data[_HEAD.size :])


def _derive(data_key: bytes) -> tuple[bytes, bytes]:
    derived = hkdf_sha256(data_key, salt=b"", info=FORMAT, length=KEY_LENGTH + COMMITMENT_LENGTH)
    return derived[:KEY_LENGTH], derived[KEY_LENGTH:]


def seal(secret: bytes, *, deployment: str, secret_id: str, version: int, term: int, term_key: bytes, random: Random) -> EnvelopeRecord:
    """Encrypt `secret` for its place under a fresh data key, wrapped for `term`.

    Raises:
        SecretRefused: `too_long` (over 64 KiB) or a term key of another length than 32 bytes.
    """
    if len(secret) > MAX_SECRET:
        raise SecretRefused("too_long")
    if len(term_key) != KEY_LENGTH or not 0 <= term <= _MAX_TERM:
        raise SecretRefused("bad_length")
    data_key = random(KEY_LENGTH)
    nonce = random(NONCE_LENGTH)
    encryption_key, commitment = _derive(data_key)
    return EnvelopeRecord(
        term=term,
        wrapped_key=kwp_wrap(term_key, data_key),
        nonce=nonce,
        commitment=commitment,
        ciphertext=gcm_encrypt(encryption_key, nonce, secret, associated_data(deployment, secret_id, version)),
    )


def open_record(record: EnvelopeRecord, *, deployment: str, secret_id: str, version: int, term_key: bytes) -> bytes:
    """Decrypt a record at its place; nothing is returned unless every byte is right.

    Raises:
        Tampered: `wrap`, `commitment` or `tag`, the first that fails.
    """
    encryption_key, commitment = _derive(_data_key(record, term_key))
    if not hmac.compare_digest(commitment, record.commitment):
        raise Tampered("commitment")
    return gcm_decrypt(encryption_key, record.nonce, record.ciphertext, associated_data(deployment, secret_id, version))


def rewrap(record: EnvelopeRecord, *, old_key: bytes, term: int, term_key: bytes) -> EnvelopeRecord:
    """Move a record's data key to another term; ciphertext, nonce and commitment stay as they are.

    Raises:
        Tampered: `wrap` or `commitment`; a broken record is not carried into a new term.
    """
    data_key = _data_key(record, old_key)
    if not hmac.compare_digest(_derive(data_key)[1], record.commitment):
        raise Tampered("commitment")
    return replace(record, term=term, wrapped_key=kwp_wrap(term_key, data_key))


def _data_key(record: EnvelopeRecord, term_key: bytes) -> bytes:
    data_key = kwp_unwrap(term_key, record.wrapped_key)
    if len(data_key) != KEY_LENGTH:
        raise Tampered("wrap")
    return data_key
