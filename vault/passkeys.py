"""Passkeys (W3C Web Authentication Level 3) over py_webauthn, with what it leaves open shut.

1. User presence and user verification are required always; origin and RP ID match exactly; a ceremony in a frame of another
   origin (`crossOrigin`, `topOrigin`) is refused; the type is the ceremony's own; the challenge is ours, in its one spelling.
2. The credential must be one of the given person's, and a user handle, where sent, must be that person's.
3. The signature counter must grow; authenticators that always say 0 are allowed.
4. Each assertion becomes `Evidence`: what the authenticator signed, the signature, and the key. `verify_evidence` checks it with
   hashes and `cryptography` alone, so anyone can do so years later.
5. An approval's challenge is SHA-256("qianfa/approval-challenge/v1" NUL nonce list-digest): signing it is signing that list.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import struct
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
    parse_attestation_object,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from vault.errors import PasskeyRefused

CHALLENGE_LABEL: Final = b"qianfa/approval-challenge/v1\0"
NONCE_LENGTH: Final = 32
DIGEST_LENGTH: Final = 32
TIMEOUT_MS: Final = 120_000
MAX_FIELD: Final = 16_384

ES256: Final = -7
EDDSA: Final = -8
RS256: Final = -257

_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_FORMATS: Final = frozenset({AttestationFormat.NONE, AttestationFormat.PACKED})
_UP, _UV, _BE, _BS, _AT, _ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
_AUTHENTICATOR_DATA: Final = struct.Struct(">32sBI")
_RP_ID = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z][a-z0-9-]*", re.ASCII)
_PORT = re.compile(r"(?::[1-9][0-9]{0,4})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """The one place where passkeys work: RP ID (a full host name), shown name, exact origin.

    Raises:
        PasskeyRefused: `bad_relying_party`; the origin is `https://<rp_id>[:port]`, or `http` for localhost names.
    """

    rp_id: str
    name: str
    origin: str

    def __post_init__(self) -> None:
        local = self.rp_id == "localhost" or self.rp_id.endswith(".localhost")
        bases = [f"https://{self.rp_id}"] + ([f"http://{self.rp_id}"] if local else [])
        fits = any(self.origin.startswith(base) and _PORT.fullmatch(self.origin[len(base) :]) for base in bases)
        if _RP_ID.fullmatch(self.rp_id) is None or not fits or not self.name:
            raise PasskeyRefused("bad_relying_party")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A registered passkey: COSE public key bytes, and the last counter seen, which the caller updates."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    backed_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What proves that a passkey signed a challenge; `public_key` is DER SubjectPublicKeyInfo, `algorithm` the COSE number."""

    credential_id: bytes
    algorithm: int
    public_key: bytes
    client_data_json: bytes
    authenticator_data: bytes
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values: base64url without padding, and one integer."""
        return {
            "v": 1,
            "credential_id": _b64(self.credential_id),
            "algorithm": self.algorithm,
            "public_key": _b64(self.public_key),
            "client_data_json": _b64(self.client_data_json),
            "authenticator_data": _b64(self.authenticator_data),
            "signature": _b64(self.signature),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read exactly what `to_json` writes.

        Raises:
            PasskeyRefused: `bad_evidence`.
        """
        names = ("credential_id", "public_key", "client_data_json", "authenticator_data", "signature")
        if not isinstance(value, dict) or value.keys() != {"v", "algorithm", *names} or value["v"] != 1:
            raise PasskeyRefused("bad_evidence")
        algorithm = value["algorithm"]
        if type(algorithm) is not int or type(value["v"]) is not int:
            raise PasskeyRefused("bad_evidence")
        return cls(algorithm=algorithm, **{name: _unb64(value[name], "bad_evidence") for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEvidence:
    """What verified evidence says of the authenticator."""

    sign_count: int
    backed_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """A verified assertion: keep `sign_count` with the passkey and `evidence` with the decision."""

    credential_id: bytes
    sign_count: int
    backed_up: bool
    evidence: Evidence


def signing_challenge(nonce: bytes, list_digest: bytes) -> bytes:
    """Derive the challenge under which a list is signed, from a fresh 32-byte nonce and the list's 32-byte digest.

    Raises:
        PasskeyRefused: `bad_challenge`, another length.
    """
    if len(nonce) != NONCE_LENGTH or len(list_digest) != DIGEST_LENGTH:
        raise PasskeyRefused("bad_challenge")
    return hashlib.sha256(CHALLENGE_LABEL + nonce + list_digest).digest()


def registration_options(
    rp: RelyingParty, *, user_handle: bytes, user_name: str, display_name: str, existing: Sequence[bytes], challenge: bytes
) -> dict[str, Any]:
    """Build the options for `navigator.credentials.create`, as JSON values. `user_handle` is 1 to 64 bytes and names nobody."""
    options = generate_registration_options(
        rp_id=rp.rp_id,
        rp_name=rp.name,
        user_id=user_handle,
        user_name=user_name,
        user_display_name=display_name,
        challenge=_check_challenge(challenge),
        timeout=TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in existing],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return dict(options_to_json_dict(options))


def verify_registration(rp: RelyingParty, response: Mapping[str, Any], *, challenge: bytes) -> Passkey:
    """Verify a new passkey. Attestation is not asked for: `none` and self-made `packed` statements are let in, no other kind.

    Raises:
        PasskeyRefused: the first check that failed; `library` for those py_webauthn makes by itself.
    """
    credential_id_of(response)
    parts = _response_parts(response, ("clientDataJSON", "attestationObject"))
    _check_client_data(parts["clientDataJSON"], rp, kind="webauthn.create", challenge=challenge)
    try:
        attestation = parse_attestation_object(parts["attestationObject"])
        if attestation.fmt not in _FORMATS:
            raise PasskeyRefused("attestation_format")
        verified = verify_registration_response(
            credential=dict(response),
            expected_challenge=challenge,
            expected_rp_id=rp.rp_id,
            expected_origin=rp.origin,
            require_user_presence=True,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
        _spki(verified.credential_public_key)
    except PasskeyRefused:
        raise
    except Exception as error:  # hostile CBOR makes the library raise whatever it likes; all of it is a refusal
        raise PasskeyRefused("library") from error
    return Passkey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        aaguid=verified.aaguid,
        backed_up=verified.credential_backed_up,
    )


def assertion_options(rp: RelyingParty, *, allowed: Sequence[bytes], challenge: bytes) -> dict[str, Any]:
    """Build the options for `navigator.credentials.get`, as JSON values; an empty `allowed` lets the person choose (sign-in)."""
    options = generate_authentication_options(
        rp_id=rp.rp_id,
        challenge=_check_challenge(challenge),
        timeout=TIMEOUT_MS,
        allow_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options_to_json_dict(options))


def credential_id_of(response: Mapping[str, Any]) -> bytes:
    """Read which credential a response claims to come from, to find whose it is; it proves nothing.

    Raises:
        PasskeyRefused: `malformed`.
    """
    if not isinstance(response, Mapping):
        raise PasskeyRefused("malformed")
    raw = _unb64(response.get("rawId"), "malformed")
    if response.get("id") != response.get("rawId") or response.get("type") != "public-key":
        raise PasskeyRefused("malformed")
    return raw


def verify_assertion(
    rp: RelyingParty, response: Mapping[str, Any], *, challenge: bytes, user_handle: bytes, passkeys: Sequence[Passkey]
) -> Assertion:
    """Verify an assertion by one of a person's passkeys, once by our own checks and once by py_webauthn.

    `passkeys` and `user_handle` are those of the person the session or the sign-in page names.

    Raises:
        PasskeyRefused: the first check that failed: `malformed`, `not_yours`, `client_data`, `type`, `challenge`, `origin`,
            `cross_origin`, `authenticator_data`, `rp_id`, `presence`, `verification`, `signature`, `sign_count`, `library`.
    """
    credential_id = credential_id_of(response)
    parts = _response_parts(response, ("clientDataJSON", "authenticatorData", "signature"))
    handle = response["response"].get("userHandle")
    if handle is not None and not hmac.compare_digest(_unb64(handle, "malformed"), user_handle):
        raise PasskeyRefused("not_yours")
    passkey = next((passkey for passkey in passkeys if passkey.credential_id == credential_id), None)
    if passkey is None:
        raise PasskeyRefused("not_yours")
    algorithm, public_key = _spki(passkey.public_key)
    evidence = Evidence(
        credential_id=credential_id,
        algorithm=algorithm,
        public_key=public_key,
        client_data_json=parts["clientDataJSON"],
        authenticator_data=parts["authenticatorData"],
        signature=parts["signature"],
    )
    verified = verify_evidence(evidence, rp=rp, challenge=challenge)
    if (verified.sign_count or passkey.sign_count) and verified.sign_count <= passkey.sign_count:
        raise PasskeyRefused("sign_count")
    _check_with_library(rp, response, challenge, passkey)
    return Assertion(credential_id=credential_id, sign_count=verified.sign_count, backed_up=verified.backed_up, evidence=evidence)


def verify_evidence(evidence: Evidence, *, rp: RelyingParty, challenge: bytes) -> VerifiedEvidence:
    """Verify evidence by itself: client data, RP ID hash, flags, signature. That the key is that person's is the log's to say.

    Raises:
        PasskeyRefused: the first check that failed, with the reasons of `verify_assertion`.
    """
    _check_client_data(evidence.client_data_json, rp, kind="webauthn.get", challenge=challenge)
    data = evidence.authenticator_data
    if len(data) < _AUTHENTICATOR_DATA.size:
        raise PasskeyRefused("authenticator_data")
    rp_id_hash, flags, sign_count = _AUTHENTICATOR_DATA.unpack_from(data)
    if not hmac.compare_digest(rp_id_hash, hashlib.sha256(rp.rp_id.encode()).digest()):
        raise PasskeyRefused("rp_id")
    if not flags & _UP:
        raise PasskeyRefused("presence")
    if not flags & _UV:
        raise PasskeyRefused("verification")
    backed_up = bool(flags & _BS)
    extended = len(data) > _AUTHENTICATOR_DATA.size
    if extended != bool(flags & (_AT | _ED)) or (backed_up and not flags & _BE):
        raise PasskeyRefused("authenticator_data")
    _check_signature(evidence, data + hashlib.sha256(evidence.client_data_json).digest())
    return VerifiedEvidence(sign_count=sign_count, backed_up=backed_up)


def _check_signature(evidence: Evidence, message: bytes) -> None:
    try:
        key = load_der_public_key(evidence.public_key)
    except ValueError:
        raise PasskeyRefused("bad_key") from None
    try:
        match key:
            case ec.EllipticCurvePublicKey() if evidence.algorithm == ES256 and isinstance(key.curve, ec.SECP256R1):
                key.verify(evidence.signature, message, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PublicKey() if evidence.algorithm == EDDSA:
                key.verify(evidence.signature, message)
            case rsa.RSAPublicKey() if evidence.algorithm == RS256 and key.key_size >= 2048:
                key.verify(evidence.signature, message, padding.PKCS1v15(), SHA256())
            case _:
                raise PasskeyRefused("bad_key")
    except InvalidSignature:
        raise PasskeyRefused("signature") from None


def _check_with_library(rp: RelyingParty, response: Mapping[str, Any], challenge: bytes, passkey: Passkey) -> None:
    try:
        verify_authentication_response(
            credential=dict(response),
            expected_challenge=challenge,
            expected_rp_id=rp.rp_id,
            expected_origin=rp.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception as error:  # hostile CBOR makes the library raise whatever it likes; all of it is a refusal
        raise PasskeyRefused("library") from error


def _check_client_data(data: bytes, rp: RelyingParty, *, kind: str, challenge: bytes) -> None:
    try:
        client = _decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise PasskeyRefused("client_data") from None
    if not isinstance(client, dict):
        raise PasskeyRefused("client_data")
    if client.get("type") != kind:
        raise PasskeyRefused("type")
    if client.get("challenge") != _b64(_check_challenge(challenge)):
        raise PasskeyRefused("challenge")
    if client.get("origin") != rp.origin:
        raise PasskeyRefused("origin")
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise PasskeyRefused("cross_origin")


def _check_challenge(challenge: bytes) -> bytes:
    if len(challenge) < 16:
        raise PasskeyRefused("bad_challenge")
    return challenge


def _response_parts(response: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, bytes]:
    inner = response.get("response")
    if not isinstance(inner, dict):
        raise PasskeyRefused("malformed")
    return {name: _unb64(inner.get(name), "malformed") for name in names}


def _spki(cose: bytes) -> tuple[int, bytes]:
    decoded = decode_credential_public_key(cose)
    key = decoded_public_key_to_cryptography(decoded)
    return int(decoded.alg), key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: object, reason: str) -> bytes:
    if not isinstance(text, str) or len(text) > MAX_FIELD or not text.isascii():
        raise PasskeyRefused(reason)
    try:
        data = a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise PasskeyRefused(reason) from None
    if _b64(data) != text:
        raise PasskeyRefused(reason)
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError
    return document


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant).decode
