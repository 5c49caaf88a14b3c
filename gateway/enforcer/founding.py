"""Founding: what `qianfa init` makes — folders, keys, the vault, the first entries — once, and never over something that exists."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import machine
from gateway.clock import Clock
from gateway.config import Settings, dump
from gateway.enforcer.codes import code_digest, new_code
from gateway.enforcer.ids import DecisionIds, new_id
from gateway.enforcer.values import Values
from gateway.log.checkpoint import KeyChain, LogKey, Signer
from gateway.log.copies import CheckpointCopies
from gateway.log.merkle import Tree
from gateway.log.store import LogStore
from gateway.log.writer import LogWriter
from gateway.machine.state import State
from gateway.place import FILE
from gateway.protocol import instants
from gateway.protocol.commands import FirstPerson, Grade, OpenDeployment, Request, StoredRow
from gateway.protocol.entries import SYSTEM
from vault.seal import KeyName, NewVault, Vault
from vault.slots import Argon2Policy, SlotSecret, create_key_file, new_recovery_key
from vault.store import SealedStore

CODE_DAYS = 7


class AlreadyFounded(Exception):
    """There is a deployment in this place already; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """What must be written down now and is shown only once: recovery key, fingerprint, one code a founder."""

    settings: Settings
    recovery_key: str
    fingerprint: str
    codes: tuple[tuple[str, str], ...]


def log_key_name(deployment: str) -> str:
    """Return the name of a deployment's log key, the stem of every origin."""
    return f"qianfa.{deployment}"


def signer_of(vault: Vault, deployment: str) -> Signer:
    """Return the signer of checkpoints; the private key stays in the vault."""
    key = LogKey(name=log_key_name(deployment), public=vault.public_key(KeyName.CHECKPOINT))
    return Signer(key=key, sign=lambda message: vault.sign(KeyName.CHECKPOINT, message))


def found(
    draft: Settings, *, group_name: str, people: Sequence[str], passphrase: str | None = None, argon2: Argon2Policy | None = None,
    config: Path | None = None,
) -> Founded:
    """Make a deployment from `draft`, whose `deployment` and `log_key` are filled in here.

    The settings are written to `config`, with a link to them in the data folder, or into the data folder itself. `people` are the names of
    the two founders. A key file is made where the draft names one that does not exist.

    Raises:
        AlreadyFounded: the data folder holds a log, or `config` exists.
        ValueError: not two different names.
    """
    if len({name.strip() for name in people}) != 2 or len(people) != 2:
        raise ValueError("two different people are needed")
    folder = draft.enforcer_data
    own = draft.data / FILE
    path = config.absolute() if config is not None else own
    if (folder / "log.db").exists() or path.exists() or own.is_symlink() or own.exists():
        raise AlreadyFounded(str(folder))
    _folders(draft)
    deployment = "dep-" + secrets.token_hex(6)
    recovery = new_recovery_key()
    new = _vault(draft, deployment, recovery, passphrase, argon2)
    signer = signer_of(new.vault, deployment)
    settings = draft.model_copy(update={"deployment": deployment, "log_key": signer.key.vkey})
    codes = _write_log(settings, new, signer, group_name, people)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(settings), encoding="utf-8")
    path.chmod(0o644)
    if not own.exists():
        own.symlink_to(path)
    new.vault.seal()
    return Founded(settings=settings, recovery_key=recovery, fingerprint=signer.key.fingerprint, codes=codes)


def _folders(settings: Settings) -> None:
    settings.data.mkdir(mode=0o755, parents=True, exist_ok=True)
    for folder in (settings.enforcer_data, settings.desk_data, settings.copies.parent, settings.backups):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _vault(settings: Settings, deployment: str, recovery: str, passphrase: str | None, argon2: Argon2Policy | None) -> NewVault:
    slot_secrets = [SlotSecret.from_recovery_key(recovery)]
    if settings.key_file is not None:
        if not settings.key_file.exists():
            settings.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_key_file(settings.key_file)
        slot_secrets.append(SlotSecret.from_key_file(settings.key_file))
    if passphrase is not None:
        slot_secrets.append(SlotSecret.from_passphrase(passphrase))
    new = Vault.initialise(deployment=deployment, secrets=slot_secrets, argon2=argon2)
    store = SealedStore.open(settings.enforcer_data / "sealed.db")
    with store.transaction():
        for row in new.rows:
            store.insert(row)
    store.close()
    return new


def _write_log(settings: Settings, new: NewVault, signer: Signer, group_name: str, people: Sequence[str]) -> tuple[tuple[str, str], ...]:
    values = Values(settings.enforcer_data / "values.db")
    clock, codes = Clock(), [new_code() for _ in people]
    until = instants.plus(clock.now(), CODE_DAYS * 86_400)
    first = tuple(
        FirstPerson(person=new_id("per"), name=values.commit(name.strip()), code=code_digest(code), code_until=until)
        for name, code in zip(people, codes, strict=True)
    )
    values.close()
    epoch = secrets.token_hex(8)
    command = OpenDeployment(
        deployment=settings.deployment, kind=settings.kind, desk=settings.desk_url, counter=settings.counter_url, epoch=epoch,
        keys={"log": signer.key.vkey, "approval": base64.b64encode(new.public_keys[KeyName.APPROVAL]).decode()}, group=new_id("unit"), group_name=group_name,
        people=first, rows=tuple(StoredRow(id=row.secret_id, version=row.version, sha256=row.sha256) for row in new.rows),
    )
    state, at = State(), clock.now()
    drafts = machine.decide(state, Request(command=command, actor=SYSTEM, grade=Grade.SYSTEM), at, DecisionIds(new.vault))
    bodies = [entry.to_bytes() for entry in machine.place(state, drafts, at, None)]
    store = LogStore.open(settings.enforcer_data / "log.db")
    copies = CheckpointCopies.open(settings.copies)
    writer = LogWriter(
        store=store, copies=copies, tree=Tree(), chain=KeyChain(signer.key), signer=signer, epoch=epoch, fence=store.take_fence(),
    )
    writer.commit(bodies, sync=True)
    store.reserve()
    store.close()
    copies.close()
    return tuple(zip((name.strip() for name in people), codes, strict=True))
