"""Backup and restore: desk, log, blobs, in that order; key files never. A restore opens a new incarnation at the next unsealing.

The order matters: what the desk copy names, the log copy made after it holds; what the log copy names, the blob copy made after it holds.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
from contextlib import suppress
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
from gateway.ownership import NotPlain, as_owner, copy_into, open_regular

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

    Where the processes are two users only root may read the desk's files, so root does this before it asks the enforcer for the rest. Root
    follows nothing there and parses nothing: of its database the desk's own user makes a copy first, beside it.

    Raises:
        OSError, sqlite3.Error: it could not be read or written; `NotPlain` where something else than the desk's own files stands there.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    desk, backups = settings.desk_data.stat(), settings.backups.stat()
    snapshot = settings.desk_data / f".desk-{secrets.token_hex(8)}.db"
    try:
        as_owner(settings.desk_data, lambda: _snapshot(settings.desk_data / "desk.db", snapshot))
        copy_into(target, {"desk.db": snapshot, "blobs": settings.desk_data / "blobs"}, owner=desk.st_uid, to=(backups.st_uid, backups.st_gid))
    finally:
        snapshot.unlink(missing_ok=True)


def _snapshot(source: Path, target: Path) -> str:
    with suppress(FileNotFoundError):  # a desk that never ran
        open_regular(source).close()
        _copy_database(source, target)
    return ""


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
        (part / "desk").mkdir(mode=0o700)
        _copy_database(settings.desk_data / "desk.db", part / "desk" / "desk.db")
        copy_into(part / "desk" / "blobs", _parts(settings.desk_data / "blobs"))
    for database in DATABASES:
        _copy_database(settings.enforcer_data / database, part / "enforcer" / database)
    copy_into(part / "enforcer" / "blobs", _parts(settings.enforcer_data / "blobs"))
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


def _parts(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")} if folder.is_dir() else {}


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
    fresh = [(_fresh(folder, source), folder) for folder, source in (
        (settings.enforcer_data, backup / "enforcer"), (settings.desk_data, backup / "desk"))]
    kept = _move_aside(settings.copies, stamp)
    for new, folder in fresh:
        _move_aside(folder, stamp)
        new.replace(folder)
    _new_copy(settings)
    root = report.checkpoint.root.hex()
    mark = {"origin": report.checkpoint.origin, "size": report.checkpoint.size, "root": root, "epoch": secrets.token_hex(8)}
    restored_mark(settings.enforcer_data).write_text(json.dumps(mark), encoding="utf-8")
    return Restored(entries=report.size, lost=lost, kept_copy=kept)


def _fresh(folder: Path, source: Path) -> Path:
    """Copy `source` beside `folder`, so that what stands there is moved aside only when the whole backup is here."""
    new = folder.with_name(folder.name + ".restoring")
    if new.exists():
        shutil.rmtree(new)  # of a restore that was cut off
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        copy_into(new, _parts(source))
    except NotPlain as error:
        raise RestoreRefused(f"备份里有不是普通文件的东西 / the backup holds something that is no plain file: {error.filename}") from error
    return new


def _move_aside(path: Path, stamp: str) -> Path | None:
    if not path.exists():
        return None
    kept = path.with_name(f"{path.name}.{stamp}")
    path.replace(kept)
    return kept


def _new_copy(settings: Settings) -> None:
    settings.copies.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copies = CheckpointCopies.open(settings.copies, new=True)
    with StoreReader.open_readonly(settings.enforcer_data / "log.db") as store:
        catch_up(store, copies)
    copies.close()
