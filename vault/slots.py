"""Slots: each wraps the same root key, and any one of them opens the vault.

1. Three kinds: a passphrase (Argon2id, RFC 9106 section 4, second recommended option), a recovery key of 256 bits that is
   printed once, and a key file that the server reads by itself.
2. The slot's own key comes from its secret through HKDF with deployment, slot id and kind; a commitment is compared before
   the root key is unwrapped. A slot copied from another deployment opens nothing.
3. Cost parameters stand in the record and are held to a floor and a ceiling before any work is done.
4. With a wrong secret every slot of that kind is tried and the answer is the same: `WrongKey`.
5. The last slot cannot be removed. Removing a slot does not reach into old copies of the database: whoever has such a copy
   and the old secret has the root key, so replace the root (`Vault.initialise` and re-entry) after a real loss of both.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from argon2.low_level import Type, hash_secret_raw

from vault import crockford, envelope
from vault.envelope import Random
from vault.errors import NotMine, SlotRefused, Tampered, WrongKey
from vault.rows import SLOT_PREFIX, SealedRow
from vault.secretbytes import SecretBytes

FORMAT: Final = b"qianfa/slot/v1"
MIN_PASSPHRASE: Final = 12
MAX_PASSPHRASE: Final = 1024
KEY_FILE_LENGTH: Final = 32

_MAGIC: Final = b"QFS\x01"
_SALT: Final = 16
_CHECKSUM: Final = 3
_HEAD: Final = struct.Struct(f">4sBIII{_SALT}s{envelope.COMMITMENT_LENGTH}s{envelope.WRAP_LENGTH}s")
_MAX_MEMORY_KIB: Final = 4 * 1024 * 1024
_MAX_TIME: Final = 64
_MAX_LANES: Final = 64


class SlotKind(StrEnum):
    """What opens a slot."""

    PASSPHRASE = "passphrase"  # noqa: S105  # the name of a kind, not a secret
    RECOVERY = "recovery"
    KEY_FILE = "key_file"


_CODES: Final = {SlotKind.PASSPHRASE: 1, SlotKind.RECOVERY: 2, SlotKind.KEY_FILE: 3}
_KINDS: Final = {code: kind for kind, code in _CODES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """Argon2id parameters: passes, memory in KiB, lanes. The default is RFC 9106's second recommended option."""

    time_cost: int = 3
    memory_kib: int = 65536
    lanes: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Policy:
    """The cost of new passphrase slots, and the floor (passes and memory) below which none is made or opened."""

    cost: Argon2Cost = Argon2Cost()
    floor: Argon2Cost = Argon2Cost()

    def check(self, cost: Argon2Cost) -> None:
        """Hold `cost` between floor and ceiling.

        Raises:
            SlotRefused: `cost_too_low` or `cost_too_high`.
        """
        if cost.time_cost < self.floor.time_cost or cost.memory_kib < self.floor.memory_kib or cost.lanes < 1:
            raise SlotRefused("cost_too_low")
        if cost.time_cost > _MAX_TIME or cost.memory_kib > _MAX_MEMORY_KIB or cost.lanes > _MAX_LANES:
            raise SlotRefused("cost_too_high")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSecret:
    """What a person or a server brings to open a slot."""

    kind: SlotKind
    secret: SecretBytes

    @classmethod
    def from_passphrase(cls, text: str) -> Self:
        """Take a passphrase of 12 to 1024 characters, in NFC.

        Raises:
            SlotRefused: `passphrase_length`.
        """
        normal = unicodedata.normalize("NFC", text) if len(text) <= MAX_PASSPHRASE else ""
        if not MIN_PASSPHRASE <= len(normal) <= MAX_PASSPHRASE:
            raise SlotRefused("passphrase_length")
        return cls(kind=SlotKind.PASSPHRASE, secret=SecretBytes(normal.encode("utf-8", "surrogatepass")))

    @classmethod
    def from_recovery_key(cls, text: str) -> Self:
        """Read a printed recovery key; a typing error is found by its checksum before any slot is tried.

        Raises:
            SlotRefused: `recovery_mistyped`.
        """
        try:
            data = crockford.decode(text, envelope.KEY_LENGTH + _CHECKSUM)
        except ValueError:
            raise SlotRefused("recovery_mistyped") from None
        key, checksum = data[: envelope.KEY_LENGTH], data[envelope.KEY_LENGTH :]
        if not hmac.compare_digest(_recovery_checksum(key), checksum):
            raise SlotRefused("recovery_mistyped")
        return cls(kind=SlotKind.RECOVERY, secret=SecretBytes(key))

    @classmethod
    def from_key_file(cls, path: Path, *, owner: int | None = None) -> Self:
        """Read a key file (`read_key_file` names what is refused)."""
        return cls(kind=SlotKind.KEY_FILE, secret=read_key_file(path, owner=owner))

    @classmethod
    def from_open_key_file(cls, descriptor: int) -> Self:
        """Read a key file that `open_key_file` or `open_credential` opened, and close it.

        Raises:
            SlotRefused: `key_file_length`.
        """
        return cls(kind=SlotKind.KEY_FILE, secret=_read(descriptor))


def _recovery_checksum(key: bytes) -> bytes:
    return hashlib.sha256(b"qianfa/recovery-key/v1\0" + key).digest()[:_CHECKSUM]


def new_recovery_key(random: Random = os.urandom) -> str:
    """Make a recovery key: 56 characters in 14 groups of four, 24 bits of them checksum. Show it once, keep it nowhere."""
    key = random(envelope.KEY_LENGTH)
    return crockford.encode(key + _recovery_checksum(key))


def create_key_file(path: Path, random: Random = os.urandom) -> None:
    """Write a new key file of 32 random bytes, mode 0400, durable; an existing file is never replaced.

    Raises:
        FileExistsError: something stands at `path`, a dangling link included.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(random(KEY_FILE_LENGTH))
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_key_file(path: Path, *, owner: int | None = None) -> SecretBytes:
    """Read a key file of exactly 32 bytes: a regular file, no link of either sort, mode 0400, of `owner` (default: our uid).

    What is checked is the open file, not the path, so nothing can be swapped in between.

    Raises:
        SlotRefused: `key_file_missing`, `key_file_link`, `key_file_kind`, `key_file_owner`, `key_file_mode`, `key_file_length`.
    """
    return _read(open_key_file(path, owner=owner))


def open_key_file(path: Path, *, owner: int | None = None) -> int:
    """Open and check a key file without reading it, and return its descriptor; see `read_key_file`."""
    return _open(path, os.geteuid() if owner is None else owner, frozenset({0o400}))


def open_credential(path: Path) -> int:
    """Open and check a credential that systemd keeps for its unit (LoadCredential=, systemd.exec(5)), and return its descriptor.

    It belongs to root, mode 0400, or 0440 where an access list lets the unit's user read (the group bits are then the list's mask); what keeps
    others out is its folder, which has to be root's and writable to nobody else.

    Raises:
        SlotRefused: `key_file_folder`, or as `read_key_file`.
    """
    try:
        folder = path.parent.stat()
    except OSError:
        raise SlotRefused("key_file_missing") from None
    if folder.st_uid != 0 or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_IROTH | stat.S_IXOTH):
        raise SlotRefused("key_file_folder")
    return _open(path, 0, frozenset({0o400, 0o440}))


def _open(path: Path, owner: int, modes: frozenset[int]) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        raise SlotRefused("key_file_link" if path.is_symlink() else "key_file_missing") from None
    try:
        _check_key_file(os.fstat(descriptor), owner, modes)
    except SlotRefused:
        os.close(descriptor)
        raise
    return descriptor


def _read(descriptor: int) -> SecretBytes:
    try:
        data = os.read(descriptor, KEY_FILE_LENGTH + 1)
    finally:
        os.close(descriptor)
    if len(data) != KEY_FILE_LENGTH:
        raise SlotRefused("key_file_length")
    return SecretBytes(data)


def _check_key_file(status: os.stat_result, owner: int, modes: frozenset[int]) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SlotRefused("key_file_kind")
    if status.st_uid != owner:
        raise SlotRefused("key_file_owner")
    if stat.S_IMODE(status.st_mode) not in modes:
        raise SlotRefused("key_file_mode")
    if status.st_nlink != 1:
        raise SlotRefused("key_file_link")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRecord:
    """A slot as it is stored; `cost` is there for passphrases only."""

    slot_id: str
    kind: SlotKind
    cost: Argon2Cost | None
    salt: bytes
    commitment: bytes
    wrapped_root: bytes

    def to_row(self) -> SealedRow:
        """Write the one encoding of this slot, as a row named `vault/slot/…`, version 1."""
        time_cost, memory_kib, lanes = (self.cost.time_cost, self.cost.memory_kib, self.cost.lanes) if self.cost else (0, 0, 0)
        row = _HEAD.pack(_MAGIC, _CODES[self.kind], time_cost, memory_kib, lanes, self.salt, self.commitment, self.wrapped_root)
        return SealedRow(secret_id=SLOT_PREFIX + self.slot_id, version=1, row=row)

    @classmethod
    def parse(cls, row: SealedRow) -> Self:
        """Read what `to_row` writes.

        Raises:
            Tampered: `malformed`.
        """
        if not row.secret_id.startswith(SLOT_PREFIX) or row.version != 1 or len(row.row) != _HEAD.size:
            raise Tampered("malformed")
        magic, code, time_cost, memory_kib, lanes, salt, commitment, wrapped_root = _HEAD.unpack(row.row)
        kind = _KINDS.get(code)
        if magic != _MAGIC or kind is None or (kind is not SlotKind.PASSPHRASE and any((time_cost, memory_kib, lanes))):
            raise Tampered("malformed")
        return cls(
            slot_id=row.secret_id.removeprefix(SLOT_PREFIX),
            kind=kind,
            cost=Argon2Cost(time_cost=time_cost, memory_kib=memory_kib, lanes=lanes) if kind is SlotKind.PASSPHRASE else None,
            salt=salt,
            commitment=commitment,
            wrapped_root=wrapped_root,
        )


def argon2id(secret: bytes, *, salt: bytes, cost: Argon2Cost) -> bytes:
    """Stretch `secret` to 32 bytes (RFC 9106, version 0x13)."""
    return hash_secret_raw(
        secret,
        salt,
        time_cost=cost.time_cost,
        memory_cost=cost.memory_kib,
        parallelism=cost.lanes,
        hash_len=envelope.KEY_LENGTH,
        type=Type.ID,
    )


def _slot_key(secret: SlotSecret, *, deployment: str, slot_id: str, salt: bytes, cost: Argon2Cost | None) -> tuple[bytes, bytes]:
    material = secret.secret.expose()
    if cost is not None:
        material = argon2id(material, salt=salt, cost=cost)
    info = envelope.length_prefixed(FORMAT, deployment.encode(), slot_id.encode(), secret.kind.encode())
    derived = envelope.hkdf_sha256(material, salt=salt, info=info, length=envelope.KEY_LENGTH + envelope.COMMITMENT_LENGTH)
    return derived[: envelope.KEY_LENGTH], derived[envelope.KEY_LENGTH :]


def new_slot(root: SecretBytes, secret: SlotSecret, *, deployment: str, policy: Argon2Policy, random: Random) -> SlotRecord:
    """Wrap the root key for one more secret; a passphrase slot costs one Argon2id run (about 0.1 s by default).

    Raises:
        SlotRefused: the policy's cost is below its own floor.
    """
    cost = policy.cost if secret.kind is SlotKind.PASSPHRASE else None
    if cost is not None:
        policy.check(cost)
    slot_id = "slot_" + random(8).hex()
    salt = random(_SALT)
    key, commitment = _slot_key(secret, deployment=deployment, slot_id=slot_id, salt=salt, cost=cost)
    wrapped = envelope.kwp_wrap(key, root.expose())
    return SlotRecord(slot_id=slot_id, kind=secret.kind, cost=cost, salt=salt, commitment=commitment, wrapped_root=wrapped)


def open_slot(slot: SlotRecord, secret: SlotSecret, *, deployment: str, policy: Argon2Policy) -> SecretBytes:
    """Unwrap the root key from one slot.

    Raises:
        NotMine: another kind or another secret; try the next slot.
        SlotRefused: the stored cost is out of bounds; nothing was computed.
        Tampered: `wrap`, the secret is right and the wrapped root key is not.
    """
    if slot.kind is not secret.kind:
        raise NotMine
    if slot.cost is not None:
        policy.check(slot.cost)
    key, commitment = _slot_key(secret, deployment=deployment, slot_id=slot.slot_id, salt=slot.salt, cost=slot.cost)
    if not hmac.compare_digest(commitment, slot.commitment):
        raise NotMine
    return SecretBytes(envelope.kwp_unwrap(key, slot.wrapped_root))


def open_any(slots: Sequence[SlotRecord], secret: SlotSecret, *, deployment: str, policy: Argon2Policy) -> tuple[str, SecretBytes]:
    """Try every slot of the secret's kind, without stopping at the first that opens, and give slot id and root key.

    Raises:
        WrongKey: none opens, or there is no such slot.
    """
    found: tuple[str, SecretBytes] | None = None
    for slot in slots:
        try:
            found = slot.slot_id, open_slot(slot, secret, deployment=deployment, policy=policy)
        except NotMine:
            continue
    if found is None:
        raise WrongKey
    return found


def without_slot(slots: Sequence[SlotRecord], slot_id: str) -> tuple[SlotRecord, ...]:
    """Give the slots that remain when `slot_id` is removed.

    Raises:
        SlotRefused: `unknown_slot` or `last_slot`.
    """
    remaining = tuple(slot for slot in slots if slot.slot_id != slot_id)
    if len(remaining) == len(slots):
        raise SlotRefused("unknown_slot")
    if not remaining:
        raise SlotRefused("last_slot")
    return remaining
