"""Backup and restore: desk, log, blobs, in that order; key files never. A restore opens a new incarnation at the next unsealing.

The order matters: what the desk copy names, the log copy made after it holds; what the log copy names, the blob copy made after it holds.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.config import Settings
from gateway.enforcer.lifecycle import restored_mark
from gateway.enforcer.startup import InUse, StartRefused, check, hold
from gateway.log import audit
from gateway.log.checkpoint import parse_checkpoint, parse_vkey, split_note
from gateway.log.copies import CheckpointCopies, newest_copy
from gateway.log.store import StoreReader
from gateway.log.writer import catch_up

DATABASES: Final = ("log.db", "sealed.db", "values.db")
"""In this order: what the log names, the later copies hold. Sessions, codes and tries (`ephemeral.db`) must not come back to life."""


class RestoreRefused(Exception):
    """The backup is not whole, or the place to restore to is in use; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored: entries in the backup, and how many newer ones the copy outside still knows of."""

    entries: int
    lost: int
    kept_copy: Path | None


def copy_desk(settings: Settings, target: Path) -> None:
    """Copy the desk's part into the new folder `target`, which then belongs to whom the backups belong to.

    Where the processes are two users only root may read the desk's files, so root does this before it asks the enforcer for the rest.

    Raises:
        OSError, sqlite3.Error: it could not be read or written.
    """
    target.mkdir(mode=0o700, parents=True)
    _copy_database(settings.desk_data / "desk.db", target / "desk.db")
    _copy_tree(settings.desk_data / "blobs", target / "blobs")
    owner = settings.backups.stat()
    if os.getuid() == 0:
        for path in (target, *target.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def make(settings: Settings, *, now: datetime | None = None, desk: Path | None = None) -> Path:
    """Write a backup into a new folder and return it; safe while both processes run. `desk` is a copy of the desk's part made before.

    Raises:
        OSError, sqlite3.Error: it could not be written; an unfinished folder ends in `.part`.
    """
    name = (now or datetime.now(UTC)).strftime("backup-%Y%m%dT%H%M%S.%fZ")
    part = settings.backups / f"{name}.part"
    (part / "enforcer").mkdir(mode=0o700, parents=True)
    if desk is not None:
        desk.replace(part / "desk")
    else:
        copy_desk(settings, part / "desk")
    for database in DATABASES:
        _copy_database(settings.enforcer_data / database, part / "enforcer" / database)
    _copy_tree(settings.enforcer_data / "blobs", part / "enforcer" / "blobs")
    final = settings.backups / name
    part.replace(final)
    return final


def _copy_database(source: Path, target: Path) -> None:
    if not source.exists():
        return
    origin, copy = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        origin.backup(copy)  # in one step: a snapshot, however much is written meanwhile
    finally:
        origin.close()
        copy.close()
    target.chmod(0o600)


def _copy_tree(source: Path, target: Path) -> None:
    if source.exists():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)


def restore(settings: Settings, backup: Path) -> Restored:
    """Put a backup in the place of the data folders and mark the restore for the next unsealing.

    The folders and the checkpoint copy that stood there are moved aside, never deleted.

    Raises:
        RestoreRefused: the backup's log is not whole or is another deployment's, or an enforcer runs on the data.
    """
    if settings.enforcer_data.exists():
        try:
            os.close(hold(settings.enforcer_data))
        except InUse as error:
            raise RestoreRefused(f"{error.zh} / {error.en}") from error
    log = backup / "enforcer" / "log.db"
    if not log.exists():
        raise RestoreRefused(f"{backup} holds no log")
    report = audit.verify_store(log, parse_vkey(settings.log_key))
    try:
        check(report)
    except StartRefused as error:
        raise RestoreRefused(f"{error.zh} / {error.en}") from error
    if report.checkpoint is None:
        raise RestoreRefused("the backup's log is empty")
    known = newest_copy(settings.copies) if settings.copies.exists() else None
    lost = max(0, parse_checkpoint(split_note(known)[0]).size - report.size) if known else 0
    stamp = datetime.now(UTC).strftime("before-restore-%Y%m%dT%H%M%SZ")
    kept = _move_aside(settings.copies, stamp)
    for folder, source in ((settings.enforcer_data, backup / "enforcer"), (settings.desk_data, backup / "desk")):
        _move_aside(folder, stamp)
        shutil.copytree(source, folder)
        folder.chmod(0o700)
    _new_copy(settings)
    root = report.checkpoint.root.hex()
    mark = {"origin": report.checkpoint.origin, "size": report.checkpoint.size, "root": root, "epoch": secrets.token_hex(8)}
    restored_mark(settings.enforcer_data).write_text(json.dumps(mark), encoding="utf-8")
    return Restored(entries=report.size, lost=lost, kept_copy=kept)


def _move_aside(path: Path, stamp: str) -> Path | None:
    if not path.exists():
        return None
    kept = path.with_name(f"{path.name}.{stamp}")
    path.replace(kept)
    return kept


def _new_copy(settings: Settings) -> None:
    settings.copies.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copies = CheckpointCopies.open(settings.copies)
    with StoreReader.open_readonly(settings.enforcer_data / "log.db") as store:
        catch_up(store, copies)
    copies.close()
