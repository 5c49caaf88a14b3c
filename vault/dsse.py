"""DSSE envelopes (secure-systems-lab/dsse, protocol 1.0): sign, strict parse, verify (pure).

1. The signature is over PAE(payload type, payload bytes); the payload is never parsed here, and is returned only when verified.
2. Ed25519 (RFC 8032) and nothing else, checked with libsodium (docs/adr/0024). `keyid` is a hint for people: no key is found, loaded or
   trusted by it.
3. A threshold counts distinct key material, so one key under two ids counts once.
4. Parsing is strict: ASCII, at most 8 KiB, exact keys, no duplicate key, canonical base64. The text form, `qf1.` and base64url of
   the envelope, has one spelling for each envelope.
5. Public keys that are no canonical point encoding, or of small order, are refused: with those, a signature could fit many messages.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from vault.errors import SignatureInvalid

PREFIX: Final = "qf1."
MAX_ENVELOPE: Final = 8192
MAX_SIGNATURES: Final = 16
SIGNATURE_LENGTH: Final = 64

_FIELD_PRIME: Final = 2**255 - 19
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)
_KEYID_FORM: Final = r"[A-Za-z0-9._:@+=-]{0,128}"
_TYPE_FORM: Final = r"[A-Za-z0-9][A-Za-z0-9.+:/_-]{0,126}"
_KEYID = re.compile(_KEYID_FORM, re.ASCII)
_TYPE = re.compile(_TYPE_FORM, re.ASCII)
# The one encoding of an envelope with one signature, which is what every approval token is.
_ONE = re.compile(
    f'{{"payload":"([A-Za-z0-9+/=]*)","payloadType":"({_TYPE_FORM})","signatures":\\[{{"keyid":"({_KEYID_FORM})","sig":"([A-Za-z0-9+/=]*)"}}\\]}}', re.ASCII,
)
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One Ed25519 signature and its hint."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed envelope; nothing in it is trusted before `verify` returns its payload."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Write the one JSON encoding that the text form carries."""
        signatures = ",".join(f'{{"keyid":"{s.keyid}","sig":"{_b64(s.sig)}"}}' for s in self.signatures)
        return (f'{{"payload":"{_b64(self.payload)}","payloadType":"{self.payload_type}","signatures":[{signatures}]}}').encode()

    @property
    def signed_bytes(self) -> bytes:
        """The bytes under the signature; with the raw signature they check with `openssl pkeyutl -verify -rawin`."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Encode type and payload for signing ("Pre-Authentication Encoding", DSSE protocol)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_hint(public_key: bytes) -> str:
    """Name a public key for people: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def sign(payload: bytes, *, payload_type: str, public_key: bytes, signer: Callable[[bytes], bytes]) -> Envelope:
    """Sign a payload with one key; `signer` signs the PAE bytes, so that the private key stays where it is.

    Raises:
        SignatureInvalid: `bad_type`, `too_large` when the envelope would pass 8 KiB, or `bad_signature` when `signer` and
            `public_key` do not belong together.
    """
    if _TYPE.fullmatch(payload_type) is None:
        raise SignatureInvalid("bad_type")
    message = pae(payload_type, payload)
    signature = Signature(keyid=key_hint(public_key), sig=signer(message))
    verify_raw(public_key, signature.sig, message)  # a fault or a mixed-up key must not leave this process
    envelope = Envelope(payload_type=payload_type, payload=payload, signatures=(signature,))
    if len(envelope.to_bytes()) > MAX_ENVELOPE:
        raise SignatureInvalid("too_large")
    return envelope


def parse(data: bytes, *, limit: int = MAX_ENVELOPE) -> Envelope:
    """Read an envelope strictly; JSON spacing and key order are free here, the text form fixes them too.

    Raises:
        SignatureInvalid: `too_large`, `not_ascii`, `not_json`, `duplicate_key`, `bad_shape`, `bad_type`, `bad_keyid`, `bad_base64`
            or `bad_count`.
    """
    if len(data) > limit:
        raise SignatureInvalid("too_large")
    try:
        document = _decode(data.decode("ascii"))
    except UnicodeDecodeError:
        raise SignatureInvalid("not_ascii") from None
    except (ValueError, RecursionError):
        raise SignatureInvalid("not_json") from None
    match document:
        case {"payload": str(payload), "payloadType": str(kind), "signatures": list(entries), **more} if not more:
            pass
        case _:
            raise SignatureInvalid("bad_shape")
    if _TYPE.fullmatch(kind) is None:
        raise SignatureInvalid("bad_type")
    if not 1 <= len(entries) <= MAX_SIGNATURES:
        raise SignatureInvalid("bad_count")
    return Envelope(payload_type=kind, payload=_unb64(payload), signatures=tuple(map(_parse_signature, entries)))


def encode_text(envelope: Envelope) -> str:
    """Write the text form: `qf1.` and unpadded base64url of the envelope's one encoding."""
    return PREFIX + urlsafe_b64encode(envelope.to_bytes()).rstrip(b"=").decode()


def parse_text(text: str, *, limit: int = MAX_ENVELOPE) -> Envelope:
    """Read the text form; `limit` is the length of the envelope within, in bytes.

    Raises:
        SignatureInvalid: `bad_prefix`, `too_large`, `bad_base64`, `not_canonical`, or any reason of `parse`.
    """
    if not text.startswith(PREFIX):
        raise SignatureInvalid("bad_prefix")
    if len(text) > len(PREFIX) + (limit * 4 + 2) // 3:
        raise SignatureInvalid("too_large")
    body = text[len(PREFIX) :]
    try:
        raw = body.encode("ascii").translate(_TO_STANDARD)
        data = binascii.a2b_base64(raw + b"=" * (-len(raw) % 4), strict_mode=True)
    except ValueError:
        raise SignatureInvalid("bad_base64") from None
    if (found := _ONE.fullmatch(data.decode("latin-1"))) is not None:  # every token, without a JSON parser
        envelope = Envelope(
            payload_type=found[2], payload=_unb64(found[1]), signatures=(Signature(keyid=found[3], sig=_signature_bytes(found[4])),),
        )
        spelling = urlsafe_b64encode(data).rstrip(b"=").decode()
    else:
        envelope = parse(data, limit=limit)
        spelling = encode_text(envelope)[len(PREFIX) :]
    if spelling != body:
        raise SignatureInvalid("not_canonical")
    return envelope


def verify(envelope: Envelope, *, public_key: bytes, payload_type: str) -> bytes:
    """Verify a token: exactly one signature, by exactly this key, over exactly this payload type. Gives the payload.

    Raises:
        SignatureInvalid: `wrong_type`, `bad_count`, `bad_key` or `bad_signature`.
    """
    if envelope.payload_type != payload_type:
        raise SignatureInvalid("wrong_type")
    if len(envelope.signatures) != 1:
        raise SignatureInvalid("bad_count")
    if not _fits(load_public_key(public_key), envelope.signatures[0].sig, envelope.signed_bytes):
        raise SignatureInvalid("bad_signature")
    return envelope.payload


def verify_threshold(envelope: Envelope, *, public_keys: Sequence[bytes], threshold: int, payload_type: str) -> bytes:
    """Verify that at least `threshold` different keys signed. Gives the payload; signatures by unknown keys do not count.

    Raises:
        SignatureInvalid: `wrong_type`, `bad_threshold` (below one or above the number of different keys), `bad_key` or
            `below_threshold`.
    """
    if envelope.payload_type != payload_type:
        raise SignatureInvalid("wrong_type")
    keys = frozenset(public_keys)
    if not 1 <= threshold <= len(keys):
        raise SignatureInvalid("bad_threshold")
    message = envelope.signed_bytes
    loaded = [load_public_key(key) for key in sorted(keys)]
    signed = sum(any(_fits(key, signature.sig, message) for signature in envelope.signatures) for key in loaded)
    if signed < threshold:
        raise SignatureInvalid("below_threshold")
    return envelope.payload


def verify_raw(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Verify one bare Ed25519 signature over `message`.

    Raises:
        SignatureInvalid: `bad_key` or `bad_signature`.
    """
    if not _fits(load_public_key(public_key), signature, message):
        raise SignatureInvalid("bad_signature")


@lru_cache(maxsize=256)
def load_public_key(raw: bytes) -> VerifyKey:
    """Load 32 raw bytes as a public key that binds its signatures; results are kept, keyed on the bytes.

    Raises:
        SignatureInvalid: `bad_key`, another length, not a canonical point, or of small order.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if len(raw) != 32 or y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
        raise SignatureInvalid("bad_key")
    return VerifyKey(raw)


def _fits(key: VerifyKey, signature: bytes, message: bytes) -> bool:
    # libsodium is given signature and message in one piece: another split of the same bytes must not fit.
    if len(signature) != SIGNATURE_LENGTH:
        return False
    try:
        key.verify(message, signature)
    except BadSignatureError:
        return False
    return True


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def _unb64(text: str) -> bytes:
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise SignatureInvalid("bad_base64") from None
    if _b64(data) != text:
        raise SignatureInvalid("bad_base64")
    return data


def _parse_signature(entry: object) -> Signature:
    match entry:
        case {"sig": str(sig), **rest} if rest.keys() <= {"keyid"}:
            keyid = rest.get("keyid", "")
        case _:
            raise SignatureInvalid("bad_shape")
    if not isinstance(keyid, str) or _KEYID.fullmatch(keyid) is None:
        raise SignatureInvalid("bad_keyid")
    return Signature(keyid=keyid, sig=_signature_bytes(sig))


def _signature_bytes(text: str) -> bytes:
    raw = _unb64(text)
    if len(raw) != SIGNATURE_LENGTH:
        raise SignatureInvalid("bad_signature")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise SignatureInvalid("duplicate_key")
    return document


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant).decode
