"""Fixtures of the vault: a cheap Argon2 policy, an open vault with its rows, and a software authenticator."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography_vectors import open_vector_file

from vault.passkeys import RelyingParty
from vault.seal import NewVault, Vault
from vault.slots import Argon2Cost, Argon2Policy, SlotSecret

PASSPHRASE = "correct horse 签发 battery"
DEPLOYMENT = "dep_test"


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def cheap() -> Argon2Policy:
    cost = Argon2Cost(time_cost=1, memory_kib=64, lanes=1)
    return Argon2Policy(cost=cost, floor=cost)


@pytest.fixture
def passphrase() -> SlotSecret:
    return SlotSecret.from_passphrase(PASSPHRASE)


@pytest.fixture
def new(cheap: Argon2Policy, passphrase: SlotSecret) -> NewVault:
    return Vault.initialise(deployment=DEPLOYMENT, secrets=[passphrase], argon2=cheap)


@pytest.fixture
def rp() -> RelyingParty:
    return RelyingParty(rp_id="counter.localhost", name="签发台", origin="http://counter.localhost:8443")


@dataclass
class Authenticator:
    """A software authenticator: makes registrations and assertions, right ones by default and wrong ones on request."""

    rp: RelyingParty
    algorithm: int = -7
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    count: int = 0

    def __post_init__(self) -> None:
        if self.algorithm == -7:
            self.key = ec.generate_private_key(ec.SECP256R1())
        elif self.algorithm == -8:
            self.key = ed25519.Ed25519PrivateKey.generate()
        else:
            self.key = rsa.generate_private_key(65537, 2048)

    def cose(self) -> bytes:
        public = self.key.public_key()
        if self.algorithm == -7:
            n = public.public_numbers()
            return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: n.x.to_bytes(32, "big"), -3: n.y.to_bytes(32, "big")})
        if self.algorithm == -8:
            return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()})
        n = public.public_numbers()
        return cbor2.dumps({1: 3, 3: -257, -1: n.n.to_bytes(256, "big"), -2: n.e.to_bytes(3, "big")})

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == -7:
            return self.key.sign(message, ec.ECDSA(SHA256()))
        if self.algorithm == -8:
            return self.key.sign(message)
        return self.key.sign(message, padding.PKCS1v15(), SHA256())

    def client_data(self, kind: str, challenge: bytes, changes: dict | None = None) -> bytes:
        data = {"type": kind, "challenge": b64(challenge), "origin": self.rp.origin, "crossOrigin": False}
        data.update(changes or {})
        return json.dumps(data).encode()

    def auth_data(self, *, flags: int, rp_id: str | None = None, tail: bytes = b"", count: int | None = None) -> bytes:
        rp_id_hash = hashlib.sha256((rp_id or self.rp.rp_id).encode()).digest()
        return rp_id_hash + struct.pack(">BI", flags, self.count if count is None else count) + tail

    def register(self, challenge: bytes, *, flags: int = 0x45, client: dict | None = None, fmt: str = "none", **changes) -> dict:
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + self.cose()
        client_data = changes.pop("client_bytes", None) or self.client_data(changes.pop("kind", "webauthn.create"), challenge, client)
        data = self.auth_data(flags=flags, tail=attested, **changes)
        statement: dict = {}
        if fmt == "packed":
            statement = {"alg": self.algorithm, "sig": self.sign(data + hashlib.sha256(client_data).digest())}
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "response": {
                "clientDataJSON": b64(client_data),
                "attestationObject": b64(cbor2.dumps({"fmt": fmt, "attStmt": statement, "authData": data})),
            },
        }

    def get(self, challenge: bytes, *, flags: int = 0x05, client: dict | None = None, **changes) -> dict:
        self.count += 1
        kind = changes.pop("kind", "webauthn.get")
        handle = changes.pop("user_handle", None)
        client_data = changes.pop("client_bytes", None) or self.client_data(kind, challenge, client)
        data = changes.pop("data_bytes", None) or self.auth_data(flags=flags, **changes)
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(self.sign(data + hashlib.sha256(client_data).digest())),
        }
        if handle is not None:
            response["userHandle"] = b64(handle)
        return {"id": b64(self.credential_id), "rawId": b64(self.credential_id), "type": "public-key", "response": response}


@pytest.fixture
def authenticator(rp: RelyingParty) -> Authenticator:
    return Authenticator(rp)


@pytest.fixture
def make_authenticator(rp: RelyingParty):
    return lambda **changes: Authenticator(rp, **changes)


def nist_vectors(path: str):
    """Yield (section headers, fields) for each case of a vector file of the `cryptography_vectors` package."""
    headers: dict[str, str] = {}
    case: dict[str, str] | None = None
    with open_vector_file(path, "r") as file:
        lines = [line.strip() for line in file]
    for text in lines:
        name, _, value = (part.strip() for part in text.strip("[]").partition("="))
        if text.startswith("[") or name.upper() == "COUNT":
            if case is not None:
                yield headers, case
            headers, case = ({**headers, name: value}, None) if text.startswith("[") else (headers, {})
        elif case is not None and text == "FAIL":
            case["FAIL"] = "1"
        elif case is not None and "=" in text and not text.startswith("#"):
            case[name] = value
    if case is not None:
        yield headers, case


@pytest.fixture
def vectors():
    return lambda path: list(nist_vectors(path))
