"""A small log with real keys, for every test of the evidence log."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.log.bundle import SaltedValue, export_object
from gateway.log.checkpoint import KeyChain, LogKey, Signer
from gateway.log.copies import CheckpointCopies
from gateway.log.merkle import Tree
from gateway.log.store import LogStore
from gateway.log.writer import LogWriter

NAME = "qianfa.test"
EPOCH = "e1"


def signer(seed: int = 1, name: str = NAME) -> Signer:
    """A signer from a fixed seed, so that vectors and failures repeat."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Signer(LogKey(name, private.public_key().public_bytes_raw()), private.sign)


def entry(seq: int, type_: str = "counters.taken", **data: object) -> bytes:
    """The canonical bytes of one entry."""
    return canonical.encode({
        "v": 1, "seq": seq, "type": type_, "at": "2026-11-23T08:00:00.000Z", "actor": "system", "object": "dep_1", "command": None,
        "data": data,
    })


class Log:
    """A store, its copy and its writer in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path, self.copy_path = folder / "log.db", folder / "checkpoints.copy"
        self.signer = signer()
        self.first = self.signer.key
        self.open()

    def open(self) -> None:
        self.store = LogStore.open(self.path)
        self.copies = CheckpointCopies.open(self.copy_path)
        self.tree, self.chain = Tree(), KeyChain(self.first)
        self.writer = self.new_writer()

    def new_writer(self) -> LogWriter:
        self.fence = self.store.take_fence()
        return LogWriter(
            store=self.store, copies=self.copies, tree=self.tree, chain=self.chain, signer=self.signer, epoch=EPOCH, fence=self.fence,
        )

    def write(self, count: int, batch: int = 1) -> None:
        """Commit `count` entries in batches."""
        for first in range(0, count, batch):
            size = self.writer.size
            self.writer.commit([entry(size + i) for i in range(min(batch, count - first))])

    def close(self) -> None:
        self.store.close()
        self.copies.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An empty log."""
    opened = Log(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def make_signer():
    """The factory of signers."""
    return signer


@pytest.fixture
def make_entry():
    """The factory of entries."""
    return entry


@pytest.fixture
def make_log():
    """The factory of logs."""
    return Log


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Story:
    """One publication from init to live, as the machine writes it, with a real passkey and a real token; `change` spoils a step."""

    def __init__(self, folder: Path, **change: Any) -> None:
        self.log = Log(folder)
        self.change = change
        self.approval = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
        self.passkeys = {person: ec.derive_private_key(seed, ec.SECP256R1()) for seed, person in enumerate(("per_head", "per_pr"), 77)}
        self.blobs: list[bytes] = []
        self.values = change.get("values", [SaltedValue(bytes([7]) * 32, "张三"), SaltedValue(bytes([8]) * 32, "李四")])
        self.bodies: list[bytes] = []
        self._tell()
        for seq, body in enumerate(tuple(self.bodies)):
            if "late" in change and json.loads(body)["type"] == change["late"]:
                self._tell_later(seq, body)
        self.log.writer.commit(self.bodies)

    def add(self, type_: str, object_: str, actor: str = "system", **data: Any) -> int:
        seq = len(self.bodies)
        object_ = self.change.get("objects", {}).get((type_, object_), object_)
        edit = self.change.get(type_)
        if edit:
            data = edit(data) or data
        self.bodies.append(canonical.encode({
            "v": 1, "seq": seq, "type": type_, "at": "2026-11-23T08:00:00.000Z", "actor": actor, "object": object_, "command": None, "data": data,
        }))
        return seq

    def _tell_later(self, seq: int, body: bytes) -> None:
        """Let an entry come last, and say nothing in its place."""
        told = json.loads(body)
        self.bodies[seq] = canonical.encode({**told, "type": "counters.taken", "actor": "system", "object": "dep_1", "data": {}})
        self.bodies.append(canonical.encode({**told, "seq": len(self.bodies)}))

    def blob(self, data: bytes) -> str:
        self.blobs.append(data)
        return canonical.sha256(data)

    def _tell(self) -> None:
        keys = {"log": self.log.first.vkey, "approval": base64.b64encode(self.approval.public_key().public_bytes_raw()).decode()}
        self.add("deployment.opened", "dep_1", kind="live", desk="desk.example", counter="counter.example", epoch=EPOCH, keys=keys, group="unt_1")
        self.add("person.added", "per_head", name=self.values[0].commitment, unit="unt_1", details={})
        self.add("person.added", "per_pr", name=self.values[1].commitment, unit="unt_1", details={})
        for person, key in self.passkeys.items():
            numbers = key.public_key().public_numbers()
            cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + numbers.x.to_bytes(32, "big") + b"\x22\x58\x20" + numbers.y.to_bytes(32, "big")
            public = {"credential_id": b64u(person.encode()), "public_key": b64u(cose), "sign_count": "0"}
            self.add("factor.enrolled", person, person, factor="fac_" + person, kind="passkey", version=1, sha256=canonical.sha256(cose), public=public)
        picture = self.blob(b"\x89PNG picture")
        self.content = self.blob(canonical.encode({"title": "通告", "media": [{"sha256": picture}]}))
        self.template = self.blob(canonical.encode([{"literal": "通告"}, {"slot": "body", "sha256": picture}]))
        self.policy = canonical.sha256(b"policy")
        target = {"channel": "chn_1", "operation": "publish", "template": self.template, "previous": None}
        self.target = target
        self.add("submission.made", "sub_1", "per_author", revision=1, content=self.content, targets=[target], policy=self.policy, emergency=False,
                 message=self.blob("请审".encode()), findings={"block": 0, "confirm": 0, "hint": 0, "blob": self.blob(b"[]")})
        approve = self.sign("per_head", "unit_head", "approve")
        release = self.sign("per_pr", "brand_pr", "release")
        self.mint("pub_1", [approve], release)
        shared = {"jti": "tok_1", "content": self.content, "template": self.template, "channel": "chn_1", "epoch": EPOCH}
        self.add("publication.intended", "pub_1", **shared)
        self.add("publication.dispatched", "pub_1")
        self.add("publication.live", "pub_1", remote_id="42", url="https://mp.example/42", content=self.content)

    def sign(self, person: str, office: str, verdict: str) -> dict[str, Any]:
        statement = {
            "v": 1, "deployment": "dep_1", "epoch": EPOCH, "verdict": verdict, "stage": verdict, "office": office, "signer": person,
            "submission": "sub_1", "revision": 1, "content": self.content, "targets": [self.target], "policy": self.policy, "salt": "s",
        }
        statement = self.change.get("statement", lambda value: value)(statement)
        digest = self.blob(canonical.encode(statement))
        items = [[digest, verdict]]
        listed = canonical.digest({"label": "qianfa/list/v1", "items": items})
        nonce = bytes([len(self.bodies)]) * 32
        proof = {"method": "passkey", "factor": "fac_" + person, "nonce": b64u(nonce), "list": listed, "step": 0, "sign_count": 1,
                 "evidence": self.blob(canonical.encode(self.assertion(person, nonce, listed)))}
        self.add("signing.made", "sig_" + verdict, person, proof=proof, items=items, dropped=[])
        entry_ = self.add("decision.made", "sub_1", person, revision=1, stage=verdict, verdict=verdict, office=office, method="passkey",
                          statement=digest, salt="s", signing="sig_" + verdict, comment=None)
        return {"person": person, "office": office, "stage": verdict, "method": "passkey", "statement": digest, "entry": entry_}

    def assertion(self, person: str, nonce: bytes, listed: str) -> dict[str, Any]:
        challenge = hashlib.sha256(b"qianfa/approval-challenge/v1\0" + nonce + bytes.fromhex(listed[7:])).digest()
        said = {"type": "webauthn.get", "challenge": b64u(challenge), "origin": "https://counter.example", "crossOrigin": False}
        said = self.change.get("client", lambda value: value)(said)
        client = said if isinstance(said, bytes) else json.dumps(said).encode()
        rp = self.change.get("rp", "counter.example")
        data = hashlib.sha256(rp.encode()).digest() + bytes([self.change.get("flags", 5)]) + bytes(4)
        key = self.change.get("passkey", self.passkeys[person])
        message = data + hashlib.sha256(client).digest()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPrivateKey):
            signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        else:
            signature = key.sign(message) if isinstance(key, Ed25519PrivateKey) else b"x"
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        evidence = {"v": 1, "credential_id": b64u(person.encode()), "algorithm": -7, "public_key": b64u(der),
                    "client_data_json": b64u(client), "authenticator_data": b64u(data), "signature": b64u(signature)}
        return {**evidence, **self.change.get("evidence", {})}

    def mint(self, publication: str, approvals: list[dict[str, Any]], release: dict[str, Any], **more: Any) -> None:
        claims = {
            "v": 1, "iss": "dep_1", "aud": {"deployment": "dep_1", "kind": "live"}, "jti": "tok_1", "iat": "t", "nbf": "t", "exp": "t",
            "epoch": EPOCH, "operation": "publish", "channel": "chn_1", "credential": 1, "publication": publication, "submission": "sub_1",
            "revision": 1, "previous": None, "content": self.content, "template": self.template, "policy": self.policy, "author": "per_author",
            "approvals": approvals, "release": release, **more,
        }
        claims = self.change.get("claims", lambda value: value)(claims)
        token = self.blob(self.token(claims))
        self.add("token.minted", publication, "per_pr", submission="sub_1", revision=1, channel="chn_1", operation=claims["operation"] if isinstance(claims, dict) else "publish",
                 content=claims["content"] if isinstance(claims, dict) else None, template=self.template, previous=more.get("_", self.target["previous"]), jti="tok_1", token=token)

    def token(self, claims: Any) -> bytes:
        payload, kind = canonical.encode(claims), "application/vnd.qianfa.approval.v1+json"
        signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
        signature = self.change.get("token_key", self.approval).sign(signed)
        text = {"payload": base64.b64encode(payload).decode(), "payloadType": kind,
                "signatures": [{"keyid": "k", "sig": base64.b64encode(signature).decode()}]}
        text = self.change.get("envelope", lambda value: value)(text)
        return b"qf1." + b64u(canonical.encode(text)).encode()

    def pack(self, **more: Any) -> bytes:
        """The pack about the publication."""
        target = io.BytesIO()
        arguments: dict[str, Any] = {
            "id": "pub_1", "entries": list(enumerate(self.bodies)), "tree": self.log.tree, "note": self.log.copies.newest(), "chain": self.log.chain,
            "values": self.values, "blobs": self.blobs, "approval_key": self.approval.public_key().public_bytes_raw(), **more,
        }
        export_object(target, **arguments)
        return target.getvalue()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Callable[..., Story]]:
    """The factory of stories; each is closed afterwards."""
    made: list[Story] = []

    def tell(**change: Any) -> Story:
        folder = tmp_path / f"story{len(made)}"
        folder.mkdir()
        made.append(Story(folder, **change))
        return made[-1]

    yield tell
    for one in made:
        one.log.close()
