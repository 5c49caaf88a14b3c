"""Backup and restore: desk, log, blobs, in that order; key files never. A restore opens a new incarnation at the next unsealing.

The order matters: what the desk copy names, the log copy made after it holds; what the log copy names, the blob copy made after it holds.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.config import Settings
from gateway.enforcer.lifecycle import restored_mark
from gateway.enforcer.startup import InUse, StartRefused, check, hold
from gateway.log import audit
from gateway.log.checkpoint import parse_checkpoint, parse_vkey, split_note
from gateway.log.copies import CheckpointCopies, newest_copy
from gateway.log.errors import LogUnavailable
from gateway.log.store import StoreReader
from gateway.ownership import NotPlain, as_owner, copy_into, open_regular

DATABASES: Final = ("log.db", "sealed.db", "values.db")
"""In this order: what the log names, the later copies hold. Sessions, codes and tries (`ephemeral.db`) must not come back to life."""


_CUT_OFF: Final = re.compile(r"backup-([0-9]{8}T[0-9]{6}\.[0-9]{6})Z\.part", re.ASCII)
_LONGEST: Final = timedelta(days=1)
"""A backup that is still in parts after this long is not being written any more."""


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

    The folder has its name once all of it is on the disk; a folder in `.part` is one that was cut off by the end of the process, and the
    first backup a day later removes it.

    Raises:
        OSError, sqlite3.Error: it could not be written; nothing is left of it, nor of `desk` where that was taken over.
    """
    now = now or datetime.now(UTC)
    name = now.strftime("backup-%Y%m%dT%H%M%S.%fZ")
    settings.backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(settings.backups, now)
    part = settings.backups / f"{name}.part"
    part.mkdir(mode=0o700)
    try:
        _fill(part, settings, desk)
        _settle(part)
        final = settings.backups / name
        part.replace(final)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _settle_folder(settings.backups)
    return final


def _sweep(backups: Path, now: datetime) -> None:
    """Remove what earlier backups of this user's left half; nothing of another name, younger, of somebody else, or behind a link."""
    for path in backups.iterdir():
        named = _CUT_OFF.fullmatch(path.name)
        try:
            begun = datetime.strptime(named[1] + "+0000", "%Y%m%dT%H%M%S.%f%z") if named is not None else now
        except ValueError:
            continue
        if now - begun > _LONGEST and not path.is_symlink() and path.is_dir() and path.stat().st_uid == os.geteuid():
            shutil.rmtree(path, ignore_errors=True)


def _fill(part: Path, settings: Settings, desk: Path | None) -> None:
    if desk is not None:
        desk.replace(part / "desk")
    else:
        (part / "desk").mkdir(mode=0o700)
        _copy_database(settings.desk_data / "desk.db", part / "desk" / "desk.db")
        copy_into(part / "desk" / "blobs", _parts(settings.desk_data / "blobs"))
    (part / "enforcer").mkdir(mode=0o700)
    for database in DATABASES:
        _copy_database(settings.enforcer_data / database, part / "enforcer" / database)
    copy_into(part / "enforcer" / "blobs", _parts(settings.enforcer_data / "blobs"))


def _copy_database(source: Path, target: Path) -> None:
    if not source.exists():
        return
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))  # never open to others, not for a moment
    origin, copy = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        origin.backup(copy)  # in one step: a snapshot, however much is written meanwhile
    finally:
        origin.close()
        copy.close()


def _settle(folder: Path) -> None:
    """Make everything in `folder` durable: what bears a whole copy's name must be whole after a power cut too."""
    for inner, _, files in os.walk(folder):
        for name in files:
            with (Path(inner) / name).open("rb") as file:
                os.fsync(file.fileno())
        _settle_folder(Path(inner))


def _settle_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parts(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")} if folder.is_dir() else {}


Owner = tuple[int, int]
"""A user and a group."""


def restore(settings: Settings, backup: Path, *, owners: tuple[Owner, Owner] | None = None) -> Restored:
    """Put a backup in the place of the data folders and mark the restore for the next unsealing.

    The folders and the checkpoint copy that stood there are moved aside, never deleted. As root with `owners`, the enforcer's and the
    desk's, what is restored is theirs, and it is the enforcer's user who opens the log: a backup may be of anybody's making.

    Raises:
        RestoreRefused: the backup's log is not whole or is another deployment's, or an enforcer runs on the data.
        OSError, LogUnavailable: it could not be read or written.
    """
    if settings.enforcer_data.exists():
        try:
            os.close(hold(settings.enforcer_data))
        except InUse as error:
            raise RestoreRefused(f"{error.zh} / {error.en}") from error
    if not (backup / "enforcer" / "log.db").exists():
        raise RestoreRefused(f"{backup} 里没有存证 / {backup} holds no log")
    enforcer, desk = owners if owners is not None else (None, None)
    fresh = {settings.enforcer_data: (backup / "enforcer", enforcer), settings.desk_data: (backup / "desk", desk)}
    try:
        for folder, (source, owner) in fresh.items():
            _fresh(folder, source, owner)
        found = _marked(settings, _beside(settings.enforcer_data))
        for folder in fresh:
            _settle(_beside(folder))
    except BaseException:
        for folder in fresh:
            shutil.rmtree(_beside(folder), ignore_errors=True)
        raise
    lost = max(0, _size_of_copy(settings.copies) - found["size"])
    stamp = datetime.now(UTC).strftime("before-restore-%Y%m%dT%H%M%S.%fZ")  # two restores in one second keep apart what they move aside
    kept = _move_aside(settings.copies, stamp)
    for folder in fresh:
        _move_aside(folder, stamp)
        _beside(folder).replace(folder)
        _settle_folder(folder.parent)
    _new_copy(settings, enforcer)
    return Restored(entries=found["size"], lost=lost, kept_copy=kept)


def _beside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".restoring")


def _fresh(folder: Path, source: Path, owner: Owner | None) -> None:
    """Copy `source` beside `folder`, so that what stands there is moved aside only when the whole backup is here."""
    new = _beside(folder)
    if new.exists():
        shutil.rmtree(new)  # of a restore that was cut off
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        copy_into(new, _parts(source), to=owner)
    except NotPlain as error:
        raise RestoreRefused(f"备份里有不是普通文件的东西 / the backup holds something that is no plain file: {error.filename}") from error


def _marked(settings: Settings, folder: Path) -> dict[str, Any]:
    """Verify the copied log as its owner, leave the mark beside it, and return what the mark says.

    Raises:
        RestoreRefused: it is not whole, or another deployment's.
    """
    epoch = secrets.token_hex(8)

    def judged() -> str:
        try:
            report = audit.verify_store(folder / "log.db", parse_vkey(settings.log_key))
            check(report)
        except StartRefused as error:
            return json.dumps({"refused": f"{error.zh} / {error.en}"})
        except LogUnavailable as error:
            return json.dumps({"refused": f"备份里的存证读不出来 / the backup's log cannot be read: {error.code} {error}"})
        if report.checkpoint is None:
            return json.dumps({"refused": "备份里的存证是空的 / the backup's log is empty"})
        mark = {"origin": report.checkpoint.origin, "size": report.checkpoint.size, "root": report.checkpoint.root.hex(), "epoch": epoch}
        restored_mark(folder).write_text(json.dumps(mark), encoding="utf-8")
        return json.dumps(mark)

    found: dict[str, Any] = json.loads(as_owner(folder, judged, patience=0))
    if "refused" in found:
        raise RestoreRefused(found["refused"])
    return found


def _size_of_copy(copies: Path) -> int:
    """Return the size that the copy's newest line names; 0 where there is none."""
    if not copies.exists():
        return 0
    open_regular(copies).close()
    known = newest_copy(copies)
    return parse_checkpoint(split_note(known)[0]).size if known else 0


def _move_aside(path: Path, stamp: str) -> Path | None:
    if not path.exists():
        return None
    kept = path.with_name(f"{path.name}.{stamp}")
    path.replace(kept)
    return kept


def _new_copy(settings: Settings, owner: Owner | None) -> None:
    settings.copies.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def filled() -> str:
        with StoreReader.open_readonly(settings.enforcer_data / "log.db") as store:
            for row in store.checkpoints():
                copies.append(row.note, row.leaves)
        copies.sync()
        return ""

    with CheckpointCopies.open(settings.copies, new=True) as copies:
        as_owner(settings.enforcer_data, filled, patience=0)
    if owner is not None:
        os.chown(settings.copies, *owner, follow_symlinks=False)
