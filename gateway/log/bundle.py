"""The export pack: a zip that lets a stranger verify one id, or every entry between two checkpoints, without our system.

docs/spec/bundle.md says what is in it, `verify.py` checks it. The same input gives the same bytes: members are sorted, carry one
fixed time, and are stored without compression (content is already compressed, and every zlib packs a little differently).
"""

from __future__ import annotations

import base64
import binascii
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import IO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import canonical
from gateway.log.checkpoint import KeyChain, parse_checkpoint, rotation_in, split_note
from gateway.log.merkle import Tree

TOKEN_PREFIX: Final = b"qf1."
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_HERE: Final = resources.files("gateway.log")
_README: Final = _HERE.joinpath("pack_readme.txt").read_bytes()
_VERIFIER: Final = _HERE.joinpath("verify.py").read_bytes()
"""Read at once: who writes a pack later may be a user who cannot reach the installation's own folder."""


@dataclass(frozen=True, slots=True)
class SaltedValue:
    """The value behind a commitment: SHA-256(32-byte salt ‖ UTF-8 of the value)."""

    salt: bytes
    value: str

    @property
    def commitment(self) -> str:
        """The digest that stands in the entry."""
        return canonical.sha256(self.salt + self.value.encode())


def export_object(
    target: IO[bytes], *, id: str, entries: Iterable[tuple[int, bytes]], tree: Tree, note: str, chain: KeyChain,  # noqa: A002 -- the field's name
    values: Sequence[SaltedValue] = (), blobs: Iterable[bytes] = (), approval_key: bytes | None = None,
) -> None:
    """Write the pack about `id` into the seekable `target`.

    `entries` are all that concern the id, by (seq, body), with entry 0 and every `key.rotated` entry among them; `note` is a
    signed checkpoint that covers them; `blobs` are contents, templates, media, statements, evidence and token texts; salted
    values that were erased are simply not given.

    Raises:
        ValueError: an entry lies outside the checkpoint, is not the tree's, comes twice, or a rotation is missing.
    """
    size = parse_checkpoint(split_note(note)[0]).size
    chosen = dict(entries)
    if any(not 0 <= seq < size for seq in chosen):
        raise ValueError("an entry lies outside the checkpoint")
    if sum(rotation_in(body) is not None for body in chosen.values()) != len(chain.keys) - 1:
        raise ValueError("every key rotation belongs into the pack")
    files = _shared_files(note, chain, values, blobs, approval_key)
    files["manifest.json"] = _manifest("object", id, chain, 0, ())
    for seq, body in chosen.items():
        files[f"entries/{seq:010d}.json"] = body
        files[f"proofs/{seq:010d}.tlog-proof"] = inclusion_text(tree, seq, note)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as pack:
        for name in sorted(files):
            pack.writestr(_member(name), files[name])


def export_range(
    target: IO[bytes], *, id: str, bodies: Iterable[bytes], start: int, from_note: str | None, tree: Tree, note: str,  # noqa: A002 -- as above
    chain: KeyChain, rotations: Iterable[tuple[int, bytes]] = (), values: Sequence[SaltedValue] = (), blobs: Iterable[bytes] = (),
    approval_key: bytes | None = None,
) -> None:
    """Write the pack that holds *every* entry from `start` up to the size of the checkpoint `note`, streaming `bodies`.

    `from_note` is the signed checkpoint of size `start` (None for 0); `rotations` are the `key.rotated` entries before it.

    Raises:
        ValueError: `from_note` and `start` do not belong together, or there are not exactly as many bodies as the range has.
    """
    size = parse_checkpoint(split_note(note)[0]).size
    if (from_note is None) != (start == 0) or (from_note is not None and parse_checkpoint(split_note(from_note)[0]).size != start):
        raise ValueError("the first checkpoint is not the start's")
    files = _shared_files(note, chain, values, blobs, approval_key)
    files["manifest.json"] = _manifest("range", id, chain, start, tree.frontier(start))
    if from_note is not None:
        files["from.txt"] = from_note.encode()
    for seq, body in rotations:
        files[f"entries/{seq:010d}.json"] = body
        files[f"proofs/{seq:010d}.tlog-proof"] = inclusion_text(tree, seq, note)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as pack:
        for name in sorted((*files, "log.jsonl")):
            if name != "log.jsonl":
                pack.writestr(_member(name), files[name])
                continue
            count = 0
            with pack.open(_member(name), "w", force_zip64=True) as lines:
                for body in bodies:
                    lines.write(body + b"\n")
                    count += 1
            if count != size - start:
                raise ValueError("the bodies are not the range's")


def inclusion_text(tree: Tree, seq: int, note: str) -> bytes:
    """Return the proof of entry `seq` under the checkpoint `note` as c2sp.org/tlog-proof text."""
    size = parse_checkpoint(split_note(note)[0]).size
    lines = ["c2sp.org/tlog-proof@v1", f"index {seq}", *(_b64(node) for node in tree.inclusion(seq, size))]
    return ("\n".join(lines) + "\n\n" + note).encode()


def token_parts(text: bytes) -> tuple[bytes, bytes]:
    """Return the signed bytes (PAE) and the raw signature of a token text, for `openssl pkeyutl -verify -rawin`.

    Raises:
        ValueError: it is not `qf1.` and base64url of a DSSE envelope.
    """
    if not text.startswith(TOKEN_PREFIX):
        raise ValueError("not a token")
    encoded = text.removeprefix(TOKEN_PREFIX)
    try:
        envelope = json.loads(base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)))
        payload = base64.b64decode(envelope["payload"], validate=True)
        kind = envelope["payloadType"].encode()
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    except (binascii.Error, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("not a token") from error
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload), signature


def _shared_files(
    note: str, chain: KeyChain, values: Sequence[SaltedValue], blobs: Iterable[bytes], approval_key: bytes | None
) -> dict[str, bytes]:
    files = {"checkpoint.txt": note.encode(), "README.txt": _README, "verify.py": _VERIFIER}
    for index, key in enumerate(chain.keys):
        files[f"keys/log-{index}.pem"] = _pem(key.public)
    if approval_key is not None:
        files["keys/approval.pem"] = _pem(approval_key)
    if values:
        rows = ({"commitment": row.commitment, "salt": _b64(row.salt), "value": row.value} for row in values)
        files["values.json"] = canonical.encode(sorted(rows, key=lambda row: (row["commitment"], row["salt"])))
    for blob in blobs:
        hexed = canonical.sha256(blob).removeprefix("sha256:")
        files[f"blobs/{hexed}"] = blob
        if blob.startswith(TOKEN_PREFIX):
            files[f"tokens/{hexed}.pae"], files[f"tokens/{hexed}.sig"] = token_parts(blob)
    return files


def _manifest(kind: str, identifier: str, chain: KeyChain, start: int, edge: Sequence[bytes]) -> bytes:
    value: Mapping[str, object] = {
        "v": 1, "kind": kind, "id": identifier, "vkey": chain.first.vkey, "start": start, "edge": [_b64(node) for node in edge],
    }
    return canonical.encode(dict(value))


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr = 0o100644 << 16
    info.create_system = 3
    return info


def _pem(public: bytes) -> bytes:
    return Ed25519PublicKey.from_public_bytes(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
