"""Root on the files of two other users: the log is read, a backup made and restored as its owner; what is left behind is whole, closed, and theirs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway import commands, launcher, logfiles
from gateway.config import Settings
from gateway.enforcer import backup
from gateway.log import audit
from gateway.log import verify as verifier
from gateway.log.errors import LogUnavailable
from gateway.ownership import hand_down
from tests.gateway.enforcer.house import found_house

DESK, ENFORCER = 23_456, 23_457
QUIET: Callable[[int, int], None] = lambda _done, _total: None  # noqa: E731 -- a name for a parameter that every test gives


def parts(folder: Path) -> set[Path]:
    """Return a folder and everything in it."""
    return {folder, *folder.rglob("*")}


def owners(folder: Path) -> set[int]:
    """Return whose a folder and everything in it are."""
    return {path.lstat().st_uid for path in parts(folder)}


def open_to_others(folder: Path) -> set[Path]:
    """Return what in a folder somebody else than its owner may use."""
    return {path for path in parts(folder) if stat.S_IMODE(path.lstat().st_mode) & 0o077}


@pytest.fixture
def theirs(folder: Path) -> Settings:
    """Found a deployment whose data are two users', the log with its write-ahead log beside it as a running enforcer leaves it."""
    assert os.getuid() == 0, "two users take root"
    settings = found_house(folder).settings
    log = settings.enforcer_data / "log.db"
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("UPDATE fence SET value = value + 1")
        connection.commit()
        for end in ("", "-wal"):
            shutil.copy(f"{log}{end}", folder / f"kept{end}")
    for end in ("", "-wal"):
        shutil.move(folder / f"kept{end}", f"{log}{end}")
    with closing(sqlite3.connect(settings.desk_data / "desk.db")) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    (settings.desk_data / "blobs").mkdir()
    hand_down(settings.desk_data, DESK, DESK)
    for own in (settings.enforcer_data, settings.backups, settings.copies.parent):
        own.mkdir(exist_ok=True)
        hand_down(own, ENFORCER, ENFORCER)
    return settings


def test_the_log_is_verified_proven_and_exported_as_its_owner(theirs: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite runs as the enforcer's user, whatever it makes is the enforcer's, and the pack is root's alone and whole."""
    readers = folder / "readers"
    readers.mkdir(mode=0o777)
    readers.chmod(0o777)
    reading = audit.verify_store

    def noted(*given: object, **more: object) -> object:
        (readers / f"{os.geteuid()}").touch()
        return reading(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "verify_store", noted)
    os.umask(0)  # a careless shell
    try:
        assert logfiles.verify(theirs, None, progress=QUIET).ok
        assert logfiles.prove(theirs, 1).startswith("c2sp.org/tlog-proof@v1\nindex 1\n")
        logfiles.export_range(theirs, 0, None, folder / "range.zip")
        with pytest.raises(commands.CommandFailed, match="no entry 99"):
            logfiles.prove(theirs, 99)
        with pytest.raises(commands.CommandFailed, match="nothing in the log concerns"):
            logfiles.export(theirs, "pub_nothing000", folder / "none.zip")
    finally:
        os.umask(0o022)
    assert [path.name for path in readers.iterdir()] == [str(ENFORCER)]
    assert owners(theirs.enforcer_data) == {ENFORCER}
    found = (folder / "range.zip").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
    checked = subprocess.run([sys.executable, "-I", verifier.__file__, str(folder / "range.zip")], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout
    assert {path.name for path in folder.iterdir() if path.name.endswith((".zip", ".part"))} == {"range.zip"}


@pytest.mark.parametrize("trick", ["link", "pipe", "foreign file"])
def test_the_owner_of_the_folder_gains_nothing_from_roots_look_at_the_log(theirs: Settings, folder: Path, trick: str) -> None:
    """In the log's place a link to a log that only root may read, a pipe, a file of root's: said, not read, not waited for, and nothing is exported."""
    log = theirs.enforcer_data / "log.db"
    log.with_name("log.db-wal").unlink()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    log.rename(closed / "log.db")
    os.chown(closed / "log.db", 0, 0)
    if trick == "link":
        log.symlink_to(closed / "log.db")
    elif trick == "pipe":
        os.mkfifo(log)
    else:
        shutil.copy(closed / "log.db", log)
        log.chmod(0o600)
    verdict = logfiles.verify(theirs, None, progress=QUIET)
    assert not verdict.ok
    assert "cannot be read" in verdict.text
    for act in (lambda: logfiles.prove(theirs, 1), lambda: logfiles.export_range(theirs, 0, None, folder / "range.zip")):
        with pytest.raises(commands.CommandFailed, match="cannot be read"):
            act()
    assert not [path for path in folder.iterdir() if path.name.startswith((".range", "range"))]


def test_a_log_of_somebody_elses_in_roots_folder_is_read_as_that_user(theirs: Settings, folder: Path) -> None:
    """A copy that the enforcer's user wrote into a folder of root's: its own owner reads it; a missing one is said."""
    copy = folder / "copy"
    copy.mkdir()
    shutil.copy(theirs.enforcer_data / "log.db", copy / "log.db")
    os.chown(copy / "log.db", ENFORCER, ENFORCER)
    (copy / "log.db").chmod(0o600)
    assert logfiles.verify(theirs, copy, progress=QUIET).ok
    assert owners(copy) == {0, ENFORCER}
    missing = logfiles.verify(theirs, copy / "none.db", progress=QUIET)
    assert (missing.ok, "cannot be read" in missing.text) == (False, True)


def test_every_finding_is_listed(theirs: Settings) -> None:
    """Two altered entries: the first is the verdict, both stand below it."""
    with closing(sqlite3.connect(theirs.enforcer_data / "log.db")) as connection, connection:
        connection.execute("UPDATE entries SET body = replace(body, '\"v\":1', '\"v\":2') WHERE seq IN (1, 3)")
    verdict = logfiles.verify(theirs, None, progress=QUIET)
    assert not verdict.ok
    assert [line for line in verdict.text.splitlines() if line.startswith("  · ")] == ["  · entry_altered: 1", "  · entry_altered: 3"], verdict.text


def test_a_failed_backup_leaves_nothing(theirs: Settings) -> None:
    """Something planted among the desk's or the enforcer's files: refused with its path, and no part of a backup stays, not even of the desk's."""
    for data in (theirs.desk_data, theirs.enforcer_data):
        planted = data / "blobs" / "planted"
        planted.parent.mkdir(exist_ok=True)
        planted.symlink_to(theirs.key_file or planted)
        with pytest.raises(commands.CommandFailed, match="planted"):
            commands.make_backup(theirs)
        assert not list(theirs.backups.iterdir())
        assert not list(theirs.desk_data.glob(".desk-*"))
        planted.unlink()
    hand_down(theirs.enforcer_data, ENFORCER, ENFORCER)
    made = Path(commands.make_backup(theirs))
    assert (owners(made), open_to_others(made)) == ({ENFORCER}, set())


def test_a_backup_is_closed_to_others_whatever_the_shell_allows(folder: Path) -> None:
    """Without root or an enforcer, under a umask that closes nothing: files 0600 and folders 0700; cut off in the middle, nothing is left."""
    settings = found_house(folder).settings
    shutil.rmtree(settings.backups)
    os.umask(0)
    try:
        made = backup.make(settings)
    finally:
        os.umask(0o022)
    assert open_to_others(settings.backups) == set()
    (settings.enforcer_data / "values.db").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        backup.make(settings)
    assert list(settings.backups.iterdir()) == [made]


def test_a_restore_by_root_is_the_two_users_own_and_read_by_none_but_them(
    theirs: Settings, monkeypatch: pytest.MonkeyPatch, folder: Path,
) -> None:
    """What comes back is the enforcer's and the desk's, closed, marked; a backup that was altered leaves all as it was."""
    made = Path(commands.make_backup(theirs))
    monkeypatch.setattr(commands, "prepare_users", lambda _settings: None)
    ids = {theirs.enforcer_user: ENFORCER, theirs.desk_user: DESK}
    monkeypatch.setattr(commands, "identity", lambda name: launcher.Identity(name=name, uid=ids[name], gid=ids[name], group=ids[name]))
    altered = folder / "altered"
    shutil.copytree(made, altered)
    with closing(sqlite3.connect(altered / "enforcer" / "log.db")) as connection, connection:
        connection.execute("UPDATE entries SET body = replace(body, '\"v\":1', '\"v\":2') WHERE seq = 2")
    before = {path: path.lstat().st_mtime_ns for path in parts(theirs.data) if path.name != "lock"}
    with pytest.raises(commands.CommandFailed, match="entry 2"):
        commands.restore(theirs, altered)
    after = {path: path.lstat().st_mtime_ns for path in parts(theirs.data) if path.name != "lock"}
    assert {path for path in before if path.is_file()} == {path for path in after if path.is_file()}
    restored = commands.restore(theirs, made)
    assert (restored.entries, restored.lost) == (8, 0)
    assert (owners(theirs.enforcer_data), owners(theirs.desk_data), theirs.copies.stat().st_uid) == ({ENFORCER}, {DESK}, ENFORCER)
    assert open_to_others(theirs.enforcer_data) | open_to_others(theirs.desk_data) == set()
    assert (theirs.enforcer_data / "restored.json").exists()
    assert logfiles.verify(theirs, None, progress=QUIET).ok
    assert len(list(theirs.data.glob("enforcer.before-restore-*"))) == 1
    again = commands.restore(theirs, made)
    assert again.kept_copy != restored.kept_copy
    assert len(list(theirs.data.glob("enforcer.before-restore-*"))) == 2


def test_a_disk_that_is_full_leaves_no_pack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no room for the pack: said with its name, and neither the pack nor its unfinished file is there."""
    settings = found_house(folder).settings

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(commands.CommandFailed, match=r"cannot write .*range\.zip: No space left"):
        logfiles.export_range(settings, 0, None, folder / "range.zip")
    assert not [path for path in folder.iterdir() if "range" in path.name]
    settings.enforcer_data.joinpath("log.db").unlink()
    with pytest.raises((commands.CommandFailed, LogUnavailable), match="cannot be read"):
        logfiles.prove(settings, 1)
