"""Checkpoints: C2SP signed notes over the log's size and root, and the chain of keys that sign them (pure).

1. A note is strict UTF-8, has no control character but line feed, ends in signature lines, and at most 64 of them.
2. Signatures by unknown keys are ignored; one by a known name and id that does not verify rejects the whole note.
3. The key is named for the deployment (`qianfa.<deployment>`), the origin adds the incarnation (`qianfa.<deployment>/<epoch>`).
4. A key is replaced by an entry that carries a note signed by the old key; `KeyChain` says which key must have signed which size.

Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, RFC 8032. docs/spec/checkpoint.md shows a sample.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.log.merkle import HASH_SIZE

Sign = Callable[[bytes], bytes]
"""Ed25519 (RFC 8032) over the bytes given; 64 bytes out."""

ED25519: Final = b"\x01"
MAX_SIGNATURES: Final = 64
MAX_NOTE: Final = 1 << 16
MAX_SIZE: Final = (1 << 53) - 1
ROTATED: Final = "key.rotated"
"""The type of the entry that names the log's next key."""

ROTATION_MARK: Final = b'"type":"key.rotated"'
"""What the canonical bytes of such an entry contain; others may contain it too, see `rotation_in`."""

_ROTATION = "qianfa-log-key-rotated/v1"
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_DASH = "\u2014 "


class NoteInvalid(Exception):
    """A note, a checkpoint, a key or a rotation is not what it has to be."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """A verifier key: a name without spaces or `+`, and a 32-byte Ed25519 public key.

    Raises:
        NoteInvalid: the name or the key has another form.
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or _CONTROL.search(self.name) or len(self.public) != 32:
            raise NoteInvalid("not a verifier key")

    @property
    def id(self) -> bytes:
        """The four bytes that stand before every signature of this key."""
        return self._hash()[:4]

    @property
    def vkey(self) -> str:
        """The text form: name, id in hex, base64 of type and key, joined by `+`."""
        return f"{self.name}+{self.id.hex()}+{_b64(ED25519 + self.public)}"

    @property
    def fingerprint(self) -> str:
        """The first 16 bytes of SHA-256(name ‖ LF ‖ 0x01 ‖ key), in groups of four upper-case hex digits; it begins with the id."""
        text = self._hash()[:16].hex().upper()
        return " ".join(text[i : i + 4] for i in range(0, len(text), 4))

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether `signature` is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _hash(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()


def parse_vkey(text: str) -> LogKey:
    """Return the key in the text form of c2sp.org/signed-note.

    Raises:
        NoteInvalid: the text has another form, another signature type, or an id that is not the key's.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteInvalid("not a verifier key")
    material = _unb64(parts[2])
    if material[:1] != ED25519:
        raise NoteInvalid("not an Ed25519 key")
    key = LogKey(parts[0], material[1:])
    if key.vkey != text:
        raise NoteInvalid("key id differs")
    return key


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and the operation that signs with it; where the private half lives is the caller's business."""

    key: LogKey
    sign: Sign

    def note(self, text: str) -> str:
        """Return `text` as a note signed by this key.

        Raises:
            NoteInvalid: the text cannot be a note's, or what `sign` returned does not verify.
        """
        _check_text(text)
        signature = self.sign(text.encode())
        if len(signature) != 64:
            raise NoteInvalid("an Ed25519 signature has 64 bytes")
        return f"{text}\n{_DASH}{self.key.name} {_b64(self.key.id + signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note whose signatures were checked: its text, and the known keys that signed it, each once."""

    text: str
    keys: tuple[LogKey, ...]


def split_note(note: str | bytes) -> tuple[str, tuple[tuple[str, bytes, bytes], ...]]:
    """Return a note's text and its signatures as (name, id, signature), nothing verified.

    Raises:
        NoteInvalid: the note is too long, not UTF-8, or not of the form of c2sp.org/signed-note.
    """
    text = _decode(note)
    cut = text.rfind("\n\n")
    if cut < 0 or not text.endswith("\n") or cut + 2 == len(text):
        raise NoteInvalid("no signatures")
    lines = text[cut + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteInvalid("too many signatures")
    return text[: cut + 1], tuple(_signature(line) for line in lines)


def verify_note(note: str | bytes, keys: Iterable[LogKey]) -> Note:
    """Return the text of a note that at least one of `keys` signed.

    Raises:
        NoteInvalid: its form is wrong, a known key's signature does not verify, or no known key signed.
    """
    text, signatures = split_note(note)
    known = {(key.name, key.id): key for key in keys}
    found: dict[LogKey, None] = {}
    for name, key_id, signature in signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        if not key.verify(text.encode(), signature):
            raise NoteInvalid("a known key's signature is wrong")
        found[key] = None
    if not found:
        raise NoteInvalid("no known key signed")
    return Note(text, tuple(found))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: who it is, how many entries it has, their root, and extension lines.

    Raises:
        NoteInvalid: the size is out of range, the root is not 32 bytes, or a line is empty or has a line feed.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_SIZE:
            raise NoteInvalid("not a checkpoint")
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise NoteInvalid("not a checkpoint")

    @property
    def epoch(self) -> str:
        """The incarnation: what stands after the last slash of the origin."""
        return self.origin.rpartition("/")[2]

    def text(self) -> str:
        """Return the note text of c2sp.org/tlog-checkpoint."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), _b64(self.root), *self.extensions))


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint in a note text.

    Raises:
        NoteInvalid: a line is missing, empty, or spelled in another way than `Checkpoint.text` spells it.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise NoteInvalid("not a checkpoint")
    if not _DECIMAL.fullmatch(lines[1]):
        raise NoteInvalid("not a tree size")
    return Checkpoint(lines[0], int(lines[1]), _unb64(lines[2]), tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Return the signed note of a checkpoint.

    Raises:
        NoteInvalid: the origin is not the key's name, a slash and an epoch.
    """
    _check_origin(checkpoint, signer.key)
    return signer.note(checkpoint.text())


def open_checkpoint(note: str | bytes, keys: Iterable[LogKey]) -> Checkpoint:
    """Return the checkpoint in a note that one of `keys` signed.

    Raises:
        NoteInvalid: see `verify_note` and `parse_checkpoint`; or the origin is not the signer's.
    """
    opened = verify_note(note, keys)
    checkpoint = parse_checkpoint(opened.text)
    _check_origin(checkpoint, opened.keys[0])
    return checkpoint


class KeyChain:
    """The log's keys in order, beginning with the one whose fingerprint was printed at init."""

    __slots__ = ("_keys", "_starts", "steps")

    def __init__(self, first: LogKey) -> None:
        self._keys = [first]
        self._starts = [0]
        self.steps: list[tuple[int, dict[str, Any]]] = []
        """What `follow` took over so far, so that another chain can follow it too and judge for itself."""

    @property
    def first(self) -> LogKey:
        """The key whose fingerprint people have on paper."""
        return self._keys[0]

    @property
    def newest(self) -> LogKey:
        """The key that signs the next checkpoint."""
        return self._keys[-1]

    @property
    def keys(self) -> tuple[LogKey, ...]:
        """All keys so far, in order."""
        return tuple(self._keys)

    def key_for(self, size: int) -> LogKey:
        """Return the key that must have signed the checkpoint of `size`: a rotation at entry n rules every size above n."""
        for start, key in zip(reversed(self._starts), reversed(self._keys), strict=True):
            if size > start:
                return key
        return self.first

    def open(self, note: str | bytes) -> Checkpoint:
        """Return the checkpoint in `note`, signed by the key that its size demands.

        Raises:
            NoteInvalid: see `open_checkpoint`.
        """
        size = parse_checkpoint(split_note(note)[0]).size
        return open_checkpoint(note, [self.key_for(size)])

    def follow(self, seq: int, data: dict[str, Any]) -> None:
        """Take over the next key from the data of the `key.rotated` entry number `seq`: {key, signature}.

        Raises:
            NoteInvalid: the note in `signature` is not the newest key's over exactly this step, or the key has another name.
        """
        note, vkey = data.get("signature"), data.get("key")
        if not isinstance(note, str) or not isinstance(vkey, str):
            raise NoteInvalid("not a key rotation")
        key = parse_vkey(vkey)
        if verify_note(note, [self.newest]).text != _rotation_text(self.newest, key):
            raise NoteInvalid("not the rotation of this key")
        if key.name != self.first.name or key in self._keys:
            raise NoteInvalid("not a new key of this log")
        self._keys.append(key)
        self._starts.append(seq)
        self.steps.append((seq, data))


def rotation_data(*, new: LogKey, old: Signer) -> dict[str, str]:
    """Return the data of a `key.rotated` entry: the new key, and a note by the old one that says so."""
    return {"key": new.vkey, "signature": old.note(_rotation_text(old.key, new))}


def origin_of(name: str, epoch: str) -> str:
    """Return the origin of one incarnation of the log `name`.

    Raises:
        NoteInvalid: the epoch is empty or holds a slash, a space or `+`.
    """
    if not _NAME.fullmatch(epoch) or "/" in epoch:
        raise NoteInvalid("not an epoch")
    return f"{name}/{epoch}"


def _rotation_text(old: LogKey, new: LogKey) -> str:
    """Return what the old key signs; its second line is no number, so it can be taken for no checkpoint."""
    return f"{_ROTATION}\n{old.vkey}\n{new.vkey}\n"


def _check_origin(checkpoint: Checkpoint, key: LogKey) -> None:
    if checkpoint.origin != origin_of(key.name, checkpoint.epoch):
        raise NoteInvalid("the origin is not the key's")


def _decode(note: str | bytes) -> str:
    if len(note) > MAX_NOTE:
        raise NoteInvalid("note too long")
    try:
        text = note.decode() if isinstance(note, bytes) else note.encode().decode()
    except UnicodeError as error:
        raise NoteInvalid("not UTF-8") from error
    if _CONTROL.search(text):
        raise NoteInvalid("control character")
    return text


def _check_text(text: str) -> None:
    if not _decode(text).endswith("\n"):
        raise NoteInvalid("a note's text ends in a line feed")


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not _NAME.fullmatch(name):
        raise NoteInvalid("not a signature line")
    blob = _unb64(encoded)
    if len(blob) < 5:
        raise NoteInvalid("not a signature line")
    return name, blob[:4], blob[4:]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    """Decode base64 in its one canonical spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("not base64") from error
    if _b64(data) != text:
        raise NoteInvalid("not canonical base64")
    return data


def rotation_in(body: bytes) -> dict[str, Any] | None:
    """Return the data of an entry body of type `key.rotated`, or None for any other entry."""
    if ROTATION_MARK not in body:
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("type") != ROTATED or not isinstance(value.get("data"), dict):
        return None
    return dict(value["data"])
