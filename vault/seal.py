"""The vault itself: sealed until a slot opens it, and then it uses secrets for its caller without handing them out.

1. Every row it is given is first held to the SHA-256 that the caller's log says; an old row put back is `Tampered`.
2. A secret leaves only inside a lease. Its own keys never leave: they sign (`sign`), authenticate (`mac`), and publish their
   public half (`public_key`).
3. It stores nothing. `put`, `new_slot`, `rewrap` and each `prepare_…` return a row and change nothing; the caller makes row and
   log entry durable together, and `adopt` then brings a new keyring or key into use. A crash in between loses nothing.
4. Sealing wipes the root key, terms, keys and open leases; public keys stay readable.
5. Unsealing runs Argon2id: call it off the event loop, and count tries with `vault.throttle` before it.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault import envelope, slots
from vault.envelope import EnvelopeRecord, Random
from vault.errors import AlreadyUnsealed, Sealed, SecretRefused, SlotRefused, Tampered
from vault.keyring import ROOT_TERM, Keyring
from vault.leases import LeaseInfo, Leases
from vault.rows import KEY_PREFIX, KEYRING, RESERVED, SLOT_PREFIX, Expected, SealedRow, check_name, check_rows, digest
from vault.secretbytes import SecretBytes
from vault.slots import Argon2Policy, SlotRecord, SlotSecret


class KeyName(StrEnum):
    """The vault's own keys; each has one use and is never used for another."""

    APPROVAL = "approval"  # Ed25519: signs approval tokens
    CHECKPOINT = "checkpoint"  # Ed25519: signs log checkpoints
    PEPPER = "pepper"  # HMAC-SHA-256: keyed hashes that a stolen database alone cannot try


SIGNING: Final = (KeyName.APPROVAL, KeyName.CHECKPOINT)


@dataclass(slots=True, kw_only=True)
class _Opened:
    """What is in memory while the vault is unsealed."""

    root: SecretBytes
    keyring: Keyring
    versions: dict[str, int]
    seeds: dict[KeyName, SecretBytes]
    signers: dict[KeyName, Ed25519PrivateKey] = field(default_factory=dict)

    def take(self, name: KeyName, version: int, seed: bytes) -> None:
        self.versions[KEY_PREFIX + name] = version
        if name in self.seeds:
            self.seeds[name].wipe()
        self.seeds[name] = SecretBytes(seed)
        if name in SIGNING:
            self.signers[name] = Ed25519PrivateKey.from_private_bytes(seed)

    def public_keys(self) -> dict[KeyName, bytes]:
        return {name: _public(key) for name, key in self.signers.items()}

    def wipe(self) -> None:
        self.root.wipe()
        self.keyring.wipe()
        for seed in self.seeds.values():
            seed.wipe()
        self.signers.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVault:
    """A vault just made: open, with the rows to store and the public keys to write down."""

    vault: Vault
    rows: tuple[SealedRow, ...]
    public_keys: Mapping[KeyName, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedKey:
    """A new version of one of the vault's keys, not in use before `adopt`; `public_key` is None for the pepper."""

    row: SealedRow
    public_key: bytes | None


class Vault:
    """One deployment's vault. `deployment` is part of every row's additional data and never changes."""

    def __init__(self, *, deployment: str, argon2: Argon2Policy | None = None, random: Random = os.urandom) -> None:
        self.deployment = deployment
        self._argon2 = argon2 or Argon2Policy()
        self._random = random
        self._lock = threading.RLock()
        self._opened: _Opened | None = None
        self._public: dict[KeyName, bytes] = {}
        self._leases = Leases()

    # -- life ---------------------------------------------------------------------------------------------------------

    @classmethod
    def initialise(
        cls,
        *,
        deployment: str,
        secrets: Sequence[SlotSecret],
        argon2: Argon2Policy | None = None,
        random: Random = os.urandom,
    ) -> NewVault:
        """Make a new vault with one slot for each of `secrets`, term 1, and its own keys at version 1.

        Raises:
            SlotRefused: `no_slot`, when `secrets` is empty.
        """
        if not secrets:
            raise SlotRefused("no_slot")
        vault = cls(deployment=deployment, argon2=argon2, random=random)
        root = SecretBytes(random(envelope.KEY_LENGTH))
        opened = _Opened(root=root, keyring=Keyring.create(random), versions={KEYRING: 1}, seeds={})
        rows = [vault._seal_keyring(opened, opened.keyring, 1)]
        for name in KeyName:
            seed = random(envelope.KEY_LENGTH)
            rows.append(vault._seal_row(opened, KEY_PREFIX + name, 1, seed))
            opened.take(name, 1, seed)
        vault._opened, vault._public = opened, opened.public_keys()
        rows.extend(vault.new_slot(secret) for secret in secrets)
        return NewVault(vault=vault, rows=tuple(rows), public_keys=dict(vault._public))

    def unseal(self, secret: SlotSecret, *, rows: Sequence[SealedRow], expected: Expected) -> str:
        """Open the vault with any slot and say which slot it was.

        `rows` are the stored rows and `expected` what the log says of them; only those below `vault/` count here, and they
        have to match exactly, one version of each.

        Raises:
            AlreadyUnsealed: it is open.
            Tampered: a row differs from the log, or from what the vault once wrote.
            WrongKey: no slot opens.
            SlotRefused: a slot's cost is out of bounds.
        """
        if self._opened is not None:
            raise AlreadyUnsealed
        own = [row for row in rows if row.secret_id.startswith(RESERVED)]
        check_rows(own, {key: sha256 for key, sha256 in expected.items() if key[0].startswith(RESERVED)})
        by_id = {row.secret_id: row for row in own}
        if len(by_id) != len(own) or not {KEYRING, *(KEY_PREFIX + name for name in KeyName)} <= by_id.keys():
            raise Tampered("row_missing")
        records = [SlotRecord.parse(row) for row in own if row.secret_id.startswith(SLOT_PREFIX)]
        slot_id, root = slots.open_any(records, secret, deployment=self.deployment, policy=self._argon2)
        opened = self._open_keys(root, by_id)
        with self._lock:
            if self._opened is not None:
                opened.wipe()
                raise AlreadyUnsealed
            self._opened, self._public = opened, opened.public_keys()
        return slot_id

    def seal(self) -> None:
        """Forget every key and end every lease; sealing a sealed vault does nothing."""
        with self._lock:
            opened, self._opened = self._opened, None
            self._leases.end_all()
            if opened is not None:
                opened.wipe()

    @property
    def sealed(self) -> bool:
        """Whether the vault holds no key."""
        return self._opened is None

    # -- secrets ------------------------------------------------------------------------------------------------------

    def put(self, *, secret_id: str, version: int, secret: SecretBytes) -> SealedRow:
        """Seal one version of a secret and give the row to store.

        Raises:
            Sealed: there is no key.
            SecretRefused: `reserved`, `bad_id`, `bad_version` or `too_long`.
        """
        self._check_caller_name(secret_id, version)
        with self._lock:
            return self._seal_row(self._need(), secret_id, version, secret.expose())

    @contextmanager
    def lease(self, *, secret_id: str, version: int, row: bytes, expected_sha256: str, purpose: str) -> Iterator[SecretBytes]:
        """Open one secret for the length of a `with` block.

        `expected_sha256` is what the log says of this row now; `purpose` names the use, as the log does.

        Raises:
            Sealed: there is no key.
            SecretRefused: `reserved`, `bad_id`, `bad_version` or `no_purpose`.
            Tampered: the row is not the one the log names, or not one written for this place.
        """
        self._check_caller_name(secret_id, version)
        stored = SealedRow(secret_id=secret_id, version=version, row=row)
        _check_digest(stored, expected_sha256)
        info = LeaseInfo(secret_id=secret_id, version=version, purpose=purpose)
        with self._lock:  # opened and listed in one turn, so that `seal` cannot miss it
            secret = SecretBytes(self._open_row(self._need(), stored))
            self._leases.begin(info, secret)
        try:
            yield secret
        finally:
            self._leases.end(secret)

    @property
    def open_leases(self) -> tuple[LeaseInfo, ...]:
        """What is on lease now."""
        return self._leases.current

    # -- keys ---------------------------------------------------------------------------------------------------------

    def sign(self, name: KeyName, message: bytes) -> bytes:
        """Sign with one of the Ed25519 keys (RFC 8032): 64 bytes.

        Raises:
            Sealed: there is no key.
            SecretRefused: `not_a_signing_key`.
        """
        with self._lock:
            signers = self._need().signers
            if name not in signers:
                raise SecretRefused("not_a_signing_key")
            return signers[name].sign(message)

    def mac(self, message: bytes) -> bytes:
        """Authenticate with the pepper (HMAC-SHA-256): 32 bytes. Begin `message` with a label of its use.

        Raises:
            Sealed: there is no key.
        """
        with self._lock:
            return hmac.digest(self._need().seeds[KeyName.PEPPER].expose(), message, "sha256")

    def public_key(self, name: KeyName) -> bytes:
        """Give the public half of a signing key as 32 raw bytes; it stays readable after sealing.

        Raises:
            Sealed: the vault was not open yet.
            SecretRefused: `not_a_signing_key`.
        """
        if name not in SIGNING:
            raise SecretRefused("not_a_signing_key")
        if name not in self._public:
            raise Sealed
        return self._public[name]

    def prepare_key(self, name: KeyName) -> PreparedKey:
        """Make the next version of one of the vault's keys; `adopt` its row once it is durable.

        Raises:
            Sealed: there is no key.
        """
        with self._lock:
            opened = self._need()
            seed = self._random(envelope.KEY_LENGTH)
            row = self._seal_row(opened, KEY_PREFIX + name, opened.versions[KEY_PREFIX + name] + 1, seed)
        return PreparedKey(row=row, public_key=_public(Ed25519PrivateKey.from_private_bytes(seed)) if name in SIGNING else None)

    # -- terms and slots ----------------------------------------------------------------------------------------------

    def prepare_rotation(self) -> SealedRow:
        """Make the keyring's next version with a new term; nothing is under it before `adopt`."""
        with self._lock:
            opened = self._need()
            return self._seal_keyring(opened, opened.keyring.rotated(self._random), opened.versions[KEYRING] + 1)

    def prepare_retirement(self, term: int, in_use: Mapping[int, int]) -> SealedRow:
        """Make the keyring's next version without `term`; `in_use` comes from `terms_in_use` over every stored row.

        Raises:
            TermRefused: `current`, `unknown` or `in_use`.
        """
        with self._lock:
            opened = self._need()
            return self._seal_keyring(opened, opened.keyring.retired(term, in_use), opened.versions[KEYRING] + 1)

    def adopt(self, row: SealedRow, *, expected_sha256: str) -> None:
        """Bring a prepared keyring or key into use; it has to be the next version of its own.

        Raises:
            Sealed: there is no key.
            Tampered: the row is not what the log says, not the next version, or does not open.
            SecretRefused: `not_adoptable`, the row is neither keyring nor key.
        """
        with self._lock:
            opened = self._need()
            _check_digest(row, expected_sha256)
            if row.secret_id not in opened.versions:
                raise SecretRefused("not_adoptable")
            if row.version != opened.versions[row.secret_id] + 1:
                raise Tampered("not_next_version")
            if row.secret_id == KEYRING:
                old, opened.keyring = opened.keyring, Keyring.parse(self._open_keyring(opened.root, row))
                old.wipe()
                opened.versions[KEYRING] = row.version
            else:
                name = KeyName(row.secret_id.removeprefix(KEY_PREFIX))
                opened.take(name, row.version, self._open_row(opened, row))
                self._public = opened.public_keys()

    @property
    def terms(self) -> tuple[int, ...]:
        """The live terms; the last is current."""
        return tuple(sorted(self._need().keyring.terms))

    def rewrap(self, row: SealedRow, *, expected_sha256: str) -> SealedRow | None:
        """Move a row to the current term: the new row, or None when it is there already.

        Raises:
            Sealed: there is no key.
            SecretRefused: `not_under_term`, a slot or the keyring.
            Tampered: the row is not what the log says, or is broken.
        """
        with self._lock:
            opened = self._need()
            _check_digest(row, expected_sha256)
            if not row.under_term:
                raise SecretRefused("not_under_term")
            record = EnvelopeRecord.parse(row.row)
            current = opened.keyring.current
            if record.term == current:
                return None
            moved = envelope.rewrap(record, old_key=opened.keyring.key(record.term), term=current, term_key=opened.keyring.key(current))
            return replace(row, row=moved.to_bytes())

    def rewrap_batch(self, rows: Iterable[SealedRow], *, expected: Expected, limit: int) -> tuple[tuple[SealedRow, SealedRow], ...]:
        """Rewrap up to `limit` rows that are not under the current term and give (old, new) pairs; empty means all are done.

        Store each batch in one transaction with the log entry that names the new digests: after a crash, call it again with
        what is stored then.

        Raises:
            Sealed: there is no key.
            Tampered: a row is not what the log says, or is broken.
        """
        moved: list[tuple[SealedRow, SealedRow]] = []
        for row in rows:
            if len(moved) >= limit:
                break
            if row.under_term and (new := self.rewrap(row, expected_sha256=expected.get(row.key, ""))) is not None:
                moved.append((row, new))
        return tuple(moved)

    def new_slot(self, secret: SlotSecret) -> SealedRow:
        """Make one more slot for the root key and give its row; it opens the vault once it is stored and in the log."""
        record = slots.new_slot(self._need().root, secret, deployment=self.deployment, policy=self._argon2, random=self._random)
        return record.to_row()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _need(self) -> _Opened:
        opened = self._opened
        if opened is None:
            raise Sealed
        return opened

    @staticmethod
    def _check_caller_name(secret_id: str, version: int) -> None:
        check_name(secret_id, version)
        if secret_id.startswith(RESERVED):
            raise SecretRefused("reserved")

    def _seal_row(self, opened: _Opened, secret_id: str, version: int, secret: bytes) -> SealedRow:
        term = opened.keyring.current
        return self._seal_under(secret_id, version, secret, term, opened.keyring.key(term))

    def _seal_keyring(self, opened: _Opened, keyring: Keyring, version: int) -> SealedRow:
        return self._seal_under(KEYRING, version, keyring.to_bytes(), ROOT_TERM, opened.root.expose())

    def _seal_under(self, secret_id: str, version: int, secret: bytes, term: int, key: bytes) -> SealedRow:
        record = envelope.seal(
            secret,
            deployment=self.deployment,
            secret_id=secret_id,
            version=version,
            term=term,
            term_key=key,
            random=self._random,
        )
        return SealedRow(secret_id=secret_id, version=version, row=record.to_bytes())

    def _open_row(self, opened: _Opened, row: SealedRow) -> bytes:
        record = EnvelopeRecord.parse(row.row)
        return self._open_under(row, record, opened.keyring.key(record.term))

    def _open_keys(self, root: SecretBytes, by_id: Mapping[str, SealedRow]) -> _Opened:
        ring = by_id[KEYRING]
        keyring = Keyring.parse(self._open_keyring(root, ring))
        opened = _Opened(root=root, keyring=keyring, versions={KEYRING: ring.version}, seeds={})
        for name in KeyName:
            row = by_id[KEY_PREFIX + name]
            opened.take(name, row.version, self._open_row(opened, row))
        return opened

    def _open_keyring(self, root: SecretBytes, row: SealedRow) -> bytes:
        record = EnvelopeRecord.parse(row.row)
        if record.term != ROOT_TERM:
            raise Tampered("unknown_term")
        return self._open_under(row, record, root.expose())

    def _open_under(self, row: SealedRow, record: EnvelopeRecord, key: bytes) -> bytes:
        return envelope.open_record(record, deployment=self.deployment, secret_id=row.secret_id, version=row.version, term_key=key)


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _check_digest(row: SealedRow, expected_sha256: str) -> None:
    if not hmac.compare_digest(digest(row.row), expected_sha256):
        raise Tampered("row_altered")
