"""Root in other users' folders: links, pipes, devices, second names and other people's files are neither followed nor given away nor waited for."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway import commands, doctor, launcher, logfiles
from gateway.config import PROGRESS, Settings
from gateway.enforcer import backup
from gateway.log.errors import LogUnavailable
from gateway.ownership import NotPlain, as_owner, copy_into, hand_down, open_regular
from gateway.place import FILE, Placed
from tests.gateway.enforcer.house import found_house

ROOT = os.getuid() == 0
DESK, ENFORCER = 23_456, 23_457


def _link(place: Path) -> None:
    secret = place.with_name("secret")
    secret.write_text("42")
    place.symlink_to(secret)


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(place))


TRICKS: dict[str, Callable[[Path], None]] = {
    "link": _link, "pipe": os.mkfifo, "device": lambda place: place.symlink_to("/dev/zero"), "socket": _socket,
    "folder": lambda place: place.mkdir(),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_a_starting_process_says_is_read_from_a_plain_file_only(folder: Path, trick: str) -> None:
    """A link to a file with a number, a pipe without a writer, a device, a socket, a folder: the launcher reads nothing and waits for nothing."""
    TRICKS[trick](folder / PROGRESS)
    assert launcher._percent(folder / PROGRESS) == ""
    with pytest.raises(NotPlain, match=PROGRESS):
        open_regular(folder / PROGRESS)


def test_a_plain_percent_is_read(folder: Path) -> None:
    """Three digits up to a hundred, nothing else; and another owner's file is refused where the owner is asked for."""
    told = folder / PROGRESS
    for text, read in (("5", "5"), ("100", "100"), ("101", ""), ("-1", ""), ("४२", ""), ("9999999", "")):
        told.write_text(text)
        assert launcher._percent(told) == read
    open_regular(told, owner=os.getuid()).close()
    with pytest.raises(NotPlain):
        open_regular(told, owner=os.getuid() + 1)


@pytest.mark.parametrize("trick", ["link", "pipe", "device", "socket"])
def test_a_backup_follows_nothing_in_the_desks_folder(folder: Path, trick: str) -> None:
    """A link among the desk's pictures, to the key file or a device, is not followed; a pipe is not waited for: the backup names it and fails."""
    settings = found_house(folder).settings
    (settings.desk_data / "blobs" / "ab").mkdir(parents=True)
    (settings.desk_data / "blobs" / "ab" / "cd").write_bytes(b"picture")
    TRICKS[trick](settings.desk_data / "blobs" / "ab" / "planted")
    with pytest.raises(NotPlain, match="planted"):
        backup.copy_desk(settings, settings.backups / "desk.part")
    with pytest.raises(commands.CommandFailed, match="planted"):
        commands.make_backup(settings)
    (settings.desk_data / "blobs" / "ab" / "planted").unlink()
    made = Path(commands.make_backup(settings))
    assert (made / "desk" / "blobs" / "ab" / "cd").read_bytes() == b"picture"
    TRICKS[trick](made / "desk" / "blobs" / "planted")
    before = sorted(settings.data.rglob("*"))
    with pytest.raises(backup.RestoreRefused, match="planted"):
        backup.restore(settings, made)
    assert [path for path in sorted(settings.data.rglob("*")) if ".restoring" not in str(path) and path.name != "lock"] == [
        path for path in before if path.name != "lock"]


def _two_users(folder: Path) -> Settings:
    assert ROOT, "two users take root"
    settings = found_house(folder).settings
    with closing(sqlite3.connect(settings.desk_data / "desk.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES ('a draft')")
    (settings.desk_data / "blobs").mkdir()
    (settings.desk_data / "blobs" / "picture").write_bytes(b"picture")
    hand_down(settings.desk_data, DESK, DESK)
    for own in (settings.enforcer_data, settings.backups, settings.copies.parent):
        hand_down(own, ENFORCER, ENFORCER)
    return settings


def test_a_backup_by_root_belongs_to_who_keeps_it_and_holds_the_desks_own_files_only(folder: Path) -> None:
    """Two users, nothing runs: all of the backup is the enforcer's, whole, closed; a foreign file under a second name in the desk's folder stops it."""
    settings = _two_users(folder)
    made = Path(commands.make_backup(settings))
    parts = [made, *made.rglob("*")]
    assert {part.stat().st_uid for part in parts} == {ENFORCER}
    assert {stat.S_IMODE(part.stat().st_mode) & 0o077 for part in parts} == {0}
    with closing(sqlite3.connect(made / "desk" / "desk.db")) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [("a draft",)]
    assert not list(settings.desk_data.glob(".desk-*"))
    assert settings.key_file is not None
    (settings.desk_data / "blobs" / "second").hardlink_to(settings.key_file)
    with pytest.raises(commands.CommandFailed, match="second"):
        commands.make_backup(settings)
    assert not list(settings.desk_data.glob(".desk-*"))


@pytest.mark.parametrize("trick", ["link", "pipe"])
def test_the_desks_database_is_opened_as_the_desk_and_only_as_a_file(folder: Path, trick: str) -> None:
    """A desk that puts a link to the enforcer's database in place of its own, or a pipe, gets no copy of anything."""
    settings = _two_users(folder)
    for file in settings.desk_data.glob("desk.db*"):
        file.unlink()
    if trick == "link":
        (settings.desk_data / "desk.db").symlink_to(settings.enforcer_data / "values.db")
    else:
        os.mkfifo(settings.desk_data / "desk.db")
    with pytest.raises(commands.CommandFailed, match="NotPlain"):
        commands.make_backup(settings)
    assert not list(settings.backups.rglob("desk.db"))


def test_what_is_done_for_another_user_is_done_as_that_user(folder: Path) -> None:
    """User, groups and umask are that user's; what fails there is said here; what hangs there is ended; an end without a word is said."""
    assert ROOT, "another user takes root"
    own = folder / "own"
    own.mkdir()
    os.chown(own, DESK, DESK)
    assert as_owner(own, lambda: f"{os.getuid()} {os.geteuid()} {os.getgid()} {os.getgroups()} {os.umask(0):o}") == f"{DESK} {DESK} {DESK} [] 77"
    for failing, said in ((lambda: (folder / "no").write_text("") and "", "PermissionError"), (lambda: os._exit(3), "ended")):
        with pytest.raises(OSError, match=said):
            as_owner(own, failing)
    assert as_owner(folder, lambda: str(os.getpid())) == str(os.getpid())


def test_what_hangs_for_another_user_is_given_up(folder: Path) -> None:
    """A file that is waited for there holds up nobody for ever."""
    assert ROOT, "another user takes root"
    os.chown(folder, DESK, DESK)
    began = time.monotonic()
    with pytest.raises(OSError, match="ended"):
        as_owner(folder, lambda: time.sleep(60) or "", patience=1)
    assert time.monotonic() - began < 30
    os.chown(folder, 0, 0)


def test_a_folder_is_handed_down_without_what_its_owner_planted(folder: Path) -> None:
    """Links, and what they lead to, stay whose they are; a foreign file under a second name is refused by its path; deep folders end."""
    assert ROOT, "giving a file away takes root"
    own, foreign = folder / "own", folder / "foreign"
    (own / "a" / "b").mkdir(parents=True)
    (own / "a" / "b" / "file").touch()
    foreign.mkdir()
    (foreign / "kept").touch()
    (own / "link").symlink_to(foreign / "kept")
    (own / "linked").symlink_to(foreign)
    os.mkfifo(own / "pipe")
    deep = own
    for _ in range(30):
        deep = deep / "d"
        deep.mkdir()
    hand_down(own, DESK, ENFORCER)
    assert {path.stat().st_uid for path in (own, own / "a", own / "a" / "b", own / "a" / "b" / "file")} == {DESK}
    assert {path.stat().st_uid for path in (foreign, foreign / "kept")} == {0}
    assert {path.lstat().st_uid for path in (own / "link", own / "pipe", deep)} == {0}
    (own / "a" / "second").hardlink_to(foreign / "kept")
    with pytest.raises(NotPlain, match="second"):
        hand_down(own, DESK, ENFORCER)
    assert (foreign / "kept").stat().st_uid == 0
    with pytest.raises(NotPlain):
        copy_into(folder / "copy", {"own": own / "d"})


def test_a_copy_is_made_only_in_a_folder_of_ones_own_making(folder: Path) -> None:
    """A link that stands where the copy is to be made is not written through; hidden files and what is gone are left out."""
    (folder / "source").mkdir()
    (folder / "source" / "file").write_bytes(b"x")
    (folder / "source" / ".writing").write_bytes(b"x")
    (folder / "elsewhere").mkdir()
    (folder / "target").symlink_to(folder / "elsewhere")
    with pytest.raises(FileExistsError):
        copy_into(folder / "target", {"s": folder / "source"})
    assert not list((folder / "elsewhere").iterdir())
    copy_into(folder / "new", {"s": folder / "source", "gone": folder / "gone"})
    assert [path.relative_to(folder / "new").as_posix() for path in sorted((folder / "new").rglob("*"))] == ["s", "s/file"]


def test_an_export_is_not_written_through_a_link(folder: Path) -> None:
    """A link under the name of the unfinished file is left alone, a link under the pack's own name is replaced: what it leads to stays as it is."""
    settings = found_house(folder).settings
    victim = folder / "victim"
    victim.write_text("kept")
    for name in ("pack.zip", "pack.zip.part"):
        (folder / name).symlink_to(victim)
    logfiles.export_range(settings, 0, None, folder / "pack.zip")
    assert victim.read_text() == "kept"
    assert not (folder / "pack.zip").is_symlink()
    assert not list(folder.glob(".pack.zip*"))


@pytest.mark.parametrize("trick", ["link", "pipe"])
def test_doctor_opens_nothing_but_a_plain_file_as_the_log(folder: Path, trick: str) -> None:
    """Asked by root, in the enforcer's folder: a pipe is not waited for, a link not followed; the line says that it is no write-ahead log."""
    settings = found_house(folder).settings
    log = settings.enforcer_data / "log.db"
    lines = {check.name: check for check in doctor.examine(Placed(settings=settings, path=settings.data / FILE))}
    assert lines["write-ahead log / WAL"].ok
    log.rename(folder / "moved")
    TRICKS[trick](log)
    lines = {check.name: check for check in doctor.examine(Placed(settings=settings, path=settings.data / FILE))}
    assert not lines["write-ahead log / WAL"].ok


def test_a_restore_makes_the_copy_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link put where the new checkpoint copy is to be made is not written through."""
    settings = found_house(folder).settings
    made = backup.make(settings)
    victim = folder / "victim"
    victim.touch()
    moved = backup._move_aside

    def planted(path: Path, stamp: str) -> Path | None:
        kept = moved(path, stamp)
        if path == settings.copies:
            path.symlink_to(victim)
        return kept

    monkeypatch.setattr(backup, "_move_aside", planted)
    with pytest.raises(LogUnavailable):
        backup.restore(settings, made)
    assert not victim.stat().st_size


def test_a_folder_in_place_of_the_ready_file_is_said(folder: Path) -> None:
    """A child's user can put a folder where the launcher takes a file away: said with its path, not a crash."""
    started = launcher.Launcher(found_house(folder).settings)
    started.isolated = False
    ready = started._ready("desk")
    ready.mkdir()
    with pytest.raises(launcher.LaunchRefused, match="pid"):
        started._spawn("desk", lambda: None)
