"""DSSE: the protocol's example, RFC 8032, openssl as the second opinion, and how it reads."""

import base64
import json
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography_vectors import open_vector_file
from hypothesis import given
from hypothesis import strategies as st

from vault import dsse
from vault.errors import SignatureInvalid
from vault.seal import KeyName

TYPE = "application/vnd.qianfa.approval.v1+json"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def signed(payload: bytes = b'{"v":1}', payload_type: str = TYPE) -> dsse.Envelope:
    return dsse.sign(payload, payload_type=payload_type, public_key=PUBLIC, signer=KEY.sign)


def test_the_protocols_example():
    """The DSSE page's PAE bytes; its envelope is ECDSA and therefore not ours, the same statement under Ed25519 verifies."""
    kind, payload = "http://example.com/HelloWorld", b"hello world"
    assert dsse.pae(kind, payload) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    signature = base64.b64encode(bytes(71)).decode()
    document = {"payload": "aGVsbG8gd29ybGQ=", "payloadType": kind, "signatures": [{"sig": signature}]}
    with pytest.raises(SignatureInvalid):
        dsse.parse(json.dumps(document).encode())
    assert dsse.verify(dsse.parse(signed(payload, kind).to_bytes()), public_key=PUBLIC, payload_type=kind) == payload


def test_pae_counts_bytes_not_characters():
    """Lengths are of the UTF-8 bytes."""
    assert dsse.pae("签", "发".encode()) == b"DSSEv1 3 \xe7\xad\xbe 3 \xe5\x8f\x91"
    assert dsse.pae("", b"") == b"DSSEv1 0  0 "


def test_rfc8032_vectors_verify_and_altered_ones_do_not():
    """The Ed25519 vectors of the cryptography package, through `verify_raw`; each one also with a flipped bit."""
    with open_vector_file("asymmetric/Ed25519/sign.input", "r") as file:
        lines = file.read().splitlines()
    assert len(lines) == 1024
    for number, line in enumerate(lines):
        seed_public, public, message, signed_message, _ = line.split(":")
        raw, body, signature = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signed_message)[:64]
        dsse.verify_raw(raw, signature, body)
        assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed_public)[:32]).sign(body) == signature
        if number % 16 == 0:
            broken = bytearray(signature)
            broken[number // 16] ^= 1
            with pytest.raises(SignatureInvalid):
                dsse.verify_raw(raw, bytes(broken), body)


def test_openssl_accepts_the_exported_bytes(tmp_path):
    """Anyone can check a token: PAE bytes and raw signature through `openssl pkeyutl -verify -rawin`."""
    envelope = dsse.parse_text(dsse.encode_text(signed('{"v":1,"t":"签发"}'.encode())))
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "signature").write_bytes(envelope.signatures[0].sig)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "pae", "-sigfile", "signature"]
    for data, code in ((envelope.signed_bytes, 0), (envelope.signed_bytes + b"x", 1)):
        (tmp_path / "pae").write_bytes(data)
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == code


def test_the_vault_signs_tokens(new):
    """With the approval key inside the vault, and its public half outside."""
    public = new.vault.public_key(KeyName.APPROVAL)
    envelope = dsse.sign(b"{}", payload_type=TYPE, public_key=public, signer=lambda m: new.vault.sign(KeyName.APPROVAL, m))
    assert dsse.verify(dsse.parse_text(dsse.encode_text(envelope)), public_key=public, payload_type=TYPE) == b"{}"
    assert envelope.signatures[0].keyid == dsse.key_hint(public)


@given(st.binary(max_size=5800))
def test_text_and_bytes_come_back(payload):
    """Any payload that fits survives both forms."""
    envelope = signed(payload)
    text = dsse.encode_text(envelope)
    assert text.startswith("qf1.")
    assert text.isascii()
    assert dsse.parse_text(text) == envelope == dsse.parse(envelope.to_bytes())
    assert dsse.verify(envelope, public_key=PUBLIC, payload_type=TYPE) == payload
    assert json.loads(envelope.to_bytes())["payloadType"] == TYPE


def test_too_large_and_odd_types_are_not_signed():
    """8 KiB for the envelope, and a payload type of plain characters."""
    limit = (8192 - len(signed(b"").to_bytes())) // 4 * 3
    assert len(signed(bytes(limit)).to_bytes()) <= 8192
    for call, reason in (
        (lambda: signed(bytes(limit + 3)), "too_large"),
        (lambda: signed(payload_type=""), "bad_type"),
        (lambda: signed(payload_type='a"b'), "bad_type"),
        (lambda: signed(payload_type="类型/x"), "bad_type"),
    ):
        with pytest.raises(SignatureInvalid) as caught:
            call()
        assert caught.value.reason == reason


def test_a_signer_that_does_not_fit_its_public_key_is_noticed():
    """A mixed-up key gives no token."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(SignatureInvalid) as caught:
        dsse.sign(b"{}", payload_type=TYPE, public_key=PUBLIC, signer=other.sign)
    assert caught.value.reason == "bad_signature"


# -- public keys --

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def recover_x(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    return root if root * root % P == square else None


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return x % P, y % P


def test_the_refused_keys_are_exactly_the_points_of_small_order():
    """Each listed y is on the curve and eight times its point is the identity; the eight points are all there are."""
    points = set()
    for y in dsse._SMALL_ORDER_Y:
        x = recover_x(y)
        assert x is not None
        for point in ((x, y), (-x % P, y)):
            double = add(point, point)
            four = add(double, double)
            assert add(four, four) == (0, 1)
            points.add(point)
    assert len(points) == 8


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        bytes(31),
        b"\x09" * 31,
        b"\x09" * 33,
        bytes(33),
        bytes(32),
        (1).to_bytes(32, "little"),
        (P - 1).to_bytes(32, "little"),
        P.to_bytes(32, "little"),
        (P + 3).to_bytes(32, "little"),
        b"\xff" * 32,
        (1 | 1 << 255).to_bytes(32, "little"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    ],
)
def test_keys_that_bind_nothing_are_refused(raw):
    """Wrong lengths, small order with either sign, and points written above the field prime."""
    with pytest.raises(SignatureInvalid) as caught:
        dsse.load_public_key(raw)
    assert caught.value.reason == "bad_key"


def test_the_library_alone_would_accept_a_signature_over_anything():
    """Why the check exists: under the identity point one signature fits every message."""
    identity = (1).to_bytes(32, "little")
    forged = identity + bytes(32)
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"one message")
    Ed25519PublicKey.from_public_bytes(identity).verify(forged, b"another message")
    with pytest.raises(SignatureInvalid):
        dsse.verify_raw(identity, forged, b"one message")


def test_loaded_keys_are_kept():
    """The same bytes give the same object."""
    assert dsse.load_public_key(PUBLIC) is dsse.load_public_key(bytes(bytearray(PUBLIC)))
