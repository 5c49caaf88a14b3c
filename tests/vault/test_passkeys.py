"""Passkeys with a software authenticator: what is right passes, and each wrong thing is refused by name (case A28)."""

import base64
import hashlib
import json
import os
import struct
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vault import passkeys
from vault.errors import PasskeyRefused
from vault.passkeys import Evidence, Passkey, RelyingParty

CHALLENGE = bytes(range(32))
HANDLE = b"per_0123456789ab"


def refused(call) -> str:
    with pytest.raises(PasskeyRefused) as caught:
        call()
    return caught.value.reason


@pytest.fixture
def passkey(rp, authenticator) -> Passkey:
    return passkeys.verify_registration(rp, authenticator.register(CHALLENGE), challenge=CHALLENGE)


@pytest.fixture
def check(rp, passkey):
    def check(response, *, challenge=CHALLENGE, owned=None, handle=HANDLE):
        owned = [passkey] if owned is None else owned
        return passkeys.verify_assertion(rp, response, challenge=challenge, user_handle=handle, passkeys=owned)

    return check


# -- options --


def test_registration_options_demand_verification(rp):
    """What the browser gets: our RP, our challenge, three algorithms, verification required, no attestation."""
    options = passkeys.registration_options(
        rp, user_handle=HANDLE, user_name="zhang", display_name="张三", existing=[b"old"], challenge=CHALLENGE
    )
    assert options["rp"] == {"id": "counter.localhost", "name": "签发台"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert [p["alg"] for p in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["excludeCredentials"][0]["id"] == "b2xk"
    assert base64.urlsafe_b64decode(options["challenge"] + "=") == CHALLENGE
    assert json.dumps(options)


def test_assertion_options_demand_verification(rp):
    """Our RP ID, the allowed credentials, verification required."""
    options = passkeys.assertion_options(rp, allowed=[b"one"], challenge=CHALLENGE)
    assert options["rpId"] == "counter.localhost"
    assert options["userVerification"] == "required"
    assert [c["id"] for c in options["allowCredentials"]] == ["b25l"]
    assert passkeys.assertion_options(rp, allowed=[], challenge=CHALLENGE)["allowCredentials"] == []


def test_short_challenges_are_refused(rp, authenticator):
    """W3C asks for 16 bytes at least."""
    for call in (
        lambda: passkeys.assertion_options(rp, allowed=[], challenge=bytes(15)),
        lambda: passkeys.registration_options(rp, user_handle=HANDLE, user_name="z", display_name="z", existing=[], challenge=b""),
        lambda: passkeys.verify_registration(rp, authenticator.register(b""), challenge=b""),
    ):
        assert refused(call) == "bad_challenge"


@pytest.mark.parametrize(
    ("rp_id", "origin"),
    [
        ("counter.example", "http://counter.example"),
        ("counter.example", "https://counter.example/"),
        ("counter.example", "https://counter.example.evil"),
        ("counter.example", "https://evil"),
        ("127.0.0.1", "https://127.0.0.1"),
        ("counter.example", "https://counter.example:0"),
        ("Counter.example", "https://Counter.example"),
        ("", "https://"),
        ("counter.example", "https://counter.example:"),
        ("evillocalhost", "http://evillocalhost"),
    ],
)
def test_relying_parties_that_cannot_work_are_refused(rp_id, origin):
    """Plain http, paths, suffixes, addresses, capitals."""
    assert refused(lambda: RelyingParty(rp_id=rp_id, name="x", origin=origin)) == "bad_relying_party"


def test_relying_parties_that_work():
    """With https anywhere, http on localhost names, ports; a name is needed."""
    for rp_id, origin in (
        ("counter.example", "https://counter.example"),
        ("counter.example", "https://counter.example:8443"),
        ("localhost", "http://localhost:8080"),
        ("counter.localhost", "https://counter.localhost"),
    ):
        RelyingParty(rp_id=rp_id, name="x", origin=origin)
    assert refused(lambda: RelyingParty(rp_id="localhost", name="", origin="http://localhost")) == "bad_relying_party"


# -- registration --


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
@pytest.mark.parametrize("fmt", ["none", "packed"])
def test_each_algorithm_registers_and_signs(rp, make_authenticator, algorithm, fmt):
    """ES256, EdDSA and RS256, with and without a self-made attestation; the evidence verifies by itself."""
    authenticator = make_authenticator(algorithm=algorithm)
    passkey = passkeys.verify_registration(rp, authenticator.register(CHALLENGE, fmt=fmt), challenge=CHALLENGE)
    assert passkey.credential_id == authenticator.credential_id
    response = authenticator.get(CHALLENGE, user_handle=HANDLE)
    assertion = passkeys.verify_assertion(rp, response, challenge=CHALLENGE, user_handle=HANDLE, passkeys=[passkey])
    assert (assertion.sign_count, assertion.evidence.algorithm) == (1, algorithm)
    again = Evidence.from_json(json.loads(json.dumps(assertion.evidence.to_json())))
    assert again == assertion.evidence
    assert passkeys.verify_evidence(again, rp=rp, challenge=CHALLENGE).sign_count == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flags": 0x44}, "library"),
        ({"flags": 0x41}, "library"),
        ({"flags": 0x05}, "library"),
        ({"flags": 0x55}, "library"),
        ({"rp_id": "desk.localhost"}, "library"),
        ({"kind": "webauthn.get"}, "type"),
        ({"client": {"crossOrigin": True}}, "cross_origin"),
        ({"client": {"origin": "http://desk.localhost:8443"}}, "origin"),
        ({"client": {"topOrigin": "https://x"}}, "cross_origin"),
        ({"fmt": "fido-u2f"}, "attestation_format"),
        ({"fmt": "tpm"}, "attestation_format"),
        ({"fmt": "android-safetynet"}, "attestation_format"),
        ({"fmt": "unheard-of"}, "attestation_format"),
    ],
)
def test_wrong_registrations_are_refused(rp, authenticator, changes, reason):
    """No presence, no verification, no key, wrong flags, other RP, other type, other origin, framed, other attestations."""
    response = authenticator.register(CHALLENGE, **changes)
    assert refused(lambda: passkeys.verify_registration(rp, response, challenge=CHALLENGE)) == reason


def test_a_registration_for_another_challenge_is_refused(rp, authenticator):
    """A stale one does not come back."""
    response = authenticator.register(CHALLENGE)
    assert refused(lambda: passkeys.verify_registration(rp, response, challenge=bytes(32))) == "challenge"


def test_a_forged_self_attestation_is_refused(rp, authenticator):
    """A packed statement signed by another key."""
    response = authenticator.register(CHALLENGE, fmt="packed")
    authenticator.key = ec.generate_private_key(ec.SECP256R1())
    other = authenticator.register(CHALLENGE, fmt="packed")
    mixed = cbor2.loads(base64.urlsafe_b64decode(response["response"]["attestationObject"] + "=="))
    mixed["attStmt"] = cbor2.loads(base64.urlsafe_b64decode(other["response"]["attestationObject"] + "=="))["attStmt"]
    response["response"]["attestationObject"] = base64.urlsafe_b64encode(cbor2.dumps(mixed)).rstrip(b"=").decode()
    assert refused(lambda: passkeys.verify_registration(rp, response, challenge=CHALLENGE)) == "library"


# -- assertions --


def test_an_assertion_gives_evidence_and_the_new_count(check, authenticator, passkey):
    """What the caller keeps."""
    assertion = check(authenticator.get(CHALLENGE, user_handle=HANDLE, flags=0x1D))
    assert assertion.credential_id == passkey.credential_id
    assert assertion.sign_count == 1
    assert assertion.backed_up
    assert not check(authenticator.get(CHALLENGE)).backed_up


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flags": 0x04}, "presence"),
        ({"flags": 0x01}, "verification"),
        ({"flags": 0x00}, "presence"),
        ({"flags": 0x15}, "authenticator_data"),
        ({"flags": 0x45}, "authenticator_data"),
        ({"tail": b"x"}, "authenticator_data"),
        ({"data_bytes": b"short"}, "authenticator_data"),
        ({"flags": 0x85, "tail": b"\xff"}, "library"),
        ({"rp_id": "desk.localhost"}, "rp_id"),
        ({"rp_id": "localhost"}, "rp_id"),
        ({"kind": "webauthn.create"}, "type"),
        ({"client": {"origin": "http://desk.localhost:8443"}}, "origin"),
        ({"client": {"origin": "http://counter.localhost"}}, "origin"),
        ({"client": {"origin": "http://counter.localhost:8443/"}}, "origin"),
        ({"client": {"origin": None}}, "origin"),
        ({"client": {"crossOrigin": True}}, "cross_origin"),
        ({"client": {"crossOrigin": "false"}}, "cross_origin"),
        ({"client": {"crossOrigin": None}}, "cross_origin"),
        ({"client": {"crossOrigin": 0}}, "cross_origin"),
        ({"client": {"topOrigin": "http://counter.localhost:8443"}}, "cross_origin"),
        ({"client": {"challenge": ""}}, "challenge"),
        ({"client": {"challenge": passkeys._b64(CHALLENGE) + "="}}, "challenge"),
        ({"client_bytes": b"\xff"}, "client_data"),
        ({"client_bytes": b"[]"}, "client_data"),
        ({"client_bytes": b"[" * 5000}, "client_data"),
        ({"client_bytes": b'{"type":"webauthn.get","type":"webauthn.get"}'}, "client_data"),
        ({"client_bytes": b'{"a":NaN}'}, "client_data"),
        ({"user_handle": b"per_other"}, "not_yours"),
    ],
)
def test_wrong_assertions_are_refused_although_signed(check, authenticator, changes, reason):
    """Presence, verification, flags, RP, origin, framing, type, challenge, duplicates: each by a right signature."""
    assert refused(lambda: check(authenticator.get(CHALLENGE, **changes))) == reason


def test_extension_data_is_let_through_when_flagged(check, authenticator):
    """The extensions bit with a CBOR map after the counter."""
    assert check(authenticator.get(CHALLENGE, flags=0x85, tail=cbor2.dumps({"credProtect": 2}))).sign_count == 1


def test_another_challenge_is_refused(check, authenticator):
    """Stale, or of revision n for n+1."""
    nonce = os.urandom(32)
    first, second = (passkeys.signing_challenge(nonce, hashlib.sha256(text).digest()) for text in (b"revision 1", b"revision 2"))
    response = authenticator.get(first)
    assert refused(lambda: check(response, challenge=second)) == "challenge"
    assert check(response, challenge=first)
    assert refused(lambda: check(response, challenge=passkeys.signing_challenge(bytes(32), bytes(32)))) == "challenge"


def test_the_signing_challenge_is_as_published():
    """SHA-256 over label, NUL, nonce, digest; other lengths are refused."""
    nonce, digest = bytes(range(32)), bytes(range(32, 64))
    expected = hashlib.sha256(b"qianfa/approval-challenge/v1\x00" + nonce + digest).digest()
    assert passkeys.signing_challenge(nonce, digest) == expected
    for wrong in ((nonce[:31], digest), (nonce, digest + b"x"), (b"", b"")):
        assert refused(lambda wrong=wrong: passkeys.signing_challenge(*wrong)) == "bad_challenge"


def test_the_counter_must_grow(check, authenticator, passkey):
    """Equal and lower are refused, 0 after a positive count too; always 0 is allowed."""
    seen = replace(passkey, sign_count=7)
    for count, fine in ((8, True), (7, False), (6, False), (0, False)):
        response = authenticator.get(CHALLENGE, count=count)
        if fine:
            assert check(response, owned=[seen]).sign_count == 8
        else:
            assert refused(lambda response=response: check(response, owned=[seen])) == "sign_count"
    assert check(authenticator.get(CHALLENGE, count=0)).sign_count == 0


def test_a_credential_of_somebody_else_is_refused(check, rp, make_authenticator, passkey):
    """Not among the person's, and not under another's id either."""
    other = make_authenticator()
    theirs = passkeys.verify_registration(rp, other.register(CHALLENGE), challenge=CHALLENGE)
    response = other.get(CHALLENGE)
    assert refused(lambda: check(response)) == "not_yours"
    assert refused(lambda: check(response, owned=[])) == "not_yours"
    assert check(response, owned=[passkey, theirs]).credential_id == theirs.credential_id
    response["id"] = response["rawId"] = passkeys._b64(passkey.credential_id)
    assert refused(lambda: check(response)) == "signature"


def test_every_flipped_byte_of_what_was_signed_is_refused(check, authenticator):
    """Authenticator data, client data and signature, byte by byte."""
    good = authenticator.get(CHALLENGE)
    for name in ("authenticatorData", "clientDataJSON", "signature"):
        raw = base64.urlsafe_b64decode(good["response"][name] + "==")
        for index in range(len(raw)):
            broken = bytearray(raw)
            broken[index] ^= 0x01
            response = {**good, "response": {**good["response"], name: passkeys._b64(bytes(broken))}}
            assert refused(lambda response=response: check(response)) != ""


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"},
        {"rawId": None},
        {"rawId": "a b"},
        {"rawId": "aQ=="},
        {"rawId": "aR"},
        {"rawId": "é"},
        {"rawId": "a" * 20_000},
        {"type": "password"},
        {"response": None},
        {"response": {}},
    ],
)
def test_malformed_responses_are_refused(check, rp, authenticator, change):
    """Missing, padded, aliased, over-long and foreign fields, for both ceremonies."""
    response = authenticator.get(CHALLENGE) | change
    assert refused(lambda: check(response)) == "malformed"
    registration = authenticator.register(CHALLENGE) | change
    assert refused(lambda: passkeys.verify_registration(rp, registration, challenge=CHALLENGE)) == "malformed"


def test_responses_that_are_no_objects_are_refused(check):
    """Lists, strings, nothing; a user handle that is no text."""
    for response in ([], "x", None, 1):
        assert refused(lambda response=response: check(response)) == "malformed"


def test_a_user_handle_of_another_type_is_refused(check, authenticator):
    """A number where text belongs."""
    response = authenticator.get(CHALLENGE)
    response["response"]["userHandle"] = 7
    assert refused(lambda: check(response)) == "malformed"


# -- evidence --


@pytest.fixture
def evidence(check, authenticator) -> Evidence:
    return check(authenticator.get(CHALLENGE)).evidence


def spki(key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_evidence_with_another_key_or_algorithm_is_refused(evidence, rp):
    """Another key, another curve, a short RSA key, algorithms that do not fit, no key at all."""
    other = ec.generate_private_key(ec.SECP256R1())
    for changes, reason in (
        ({"public_key": spki(other)}, "signature"),
        ({"public_key": spki(ec.generate_private_key(ec.SECP384R1()))}, "bad_key"),
        ({"public_key": spki(rsa.generate_private_key(65537, 1024)), "algorithm": -257}, "bad_key"),
        ({"algorithm": -8}, "bad_key"),
        ({"algorithm": -257}, "bad_key"),
        ({"algorithm": -65535}, "bad_key"),
        ({"public_key": b"nonsense"}, "bad_key"),
        ({"signature": bytes(64)}, "signature"),
    ):
        changed = replace(evidence, **changes)
        assert refused(lambda changed=changed: passkeys.verify_evidence(changed, rp=rp, challenge=CHALLENGE)) == reason


def test_evidence_for_another_place_is_refused(evidence):
    """Another origin with the same RP ID, and another RP ID."""
    for changed, reason in (
        (RelyingParty(rp_id="counter.localhost", name="x", origin="http://counter.localhost:9"), "origin"),
        (RelyingParty(rp_id="localhost", name="x", origin="http://localhost"), "origin"),
    ):
        assert refused(lambda changed=changed: passkeys.verify_evidence(evidence, rp=changed, challenge=CHALLENGE)) == reason


def test_evidence_is_read_strictly(evidence):
    """Other keys, versions, types and base64 spellings."""
    good = evidence.to_json()
    assert Evidence.from_json(good) == evidence
    bad = [None, [], {}, {**good, "x": 1}, {k: v for k, v in good.items() if k != "signature"}]
    bad += [
        {**good, **c}
        for c in ({"v": 2}, {"v": True}, {"algorithm": "-7"}, {"algorithm": True}, {"signature": good["signature"] + "="}, {"signature": 1})
    ]
    for value in bad:
        assert refused(lambda value=value: Evidence.from_json(value)) == "bad_evidence"


def test_evidence_needs_nothing_of_the_web_library(evidence, rp, monkeypatch):
    """Verification is hashes and one signature."""
    for name in ("verify_authentication_response", "decode_credential_public_key", "parse_attestation_object"):
        monkeypatch.setattr(passkeys, name, None)
    assert passkeys.verify_evidence(evidence, rp=rp, challenge=CHALLENGE).sign_count == 1


def test_the_library_is_asked_as_well(check, authenticator, passkey):
    """Authenticator data that our reader lets pass but is no valid CBOR ends at the library."""
    tail = struct.pack(">B", 0x5F)
    assert refused(lambda: check(authenticator.get(CHALLENGE, flags=0x85, tail=tail))) == "library"
    assert passkeys.credential_id_of(authenticator.get(CHALLENGE)) == passkey.credential_id
