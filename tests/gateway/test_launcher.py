"""Starting: as root each process under its own user, otherwise one user and a plain word; a refused start says why and stays down."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway import commands, doctor, launcher
from gateway.config import Settings
from gateway.enforcer.app import EXIT_REFUSED
from gateway.listening import EXIT_CONFIG
from gateway.place import Placed
from tests.gateway.enforcer.house import found_house
from tests.gateway.test_doctor import certificate

ROOT = os.getuid() == 0


@pytest.fixture
def settings(folder: Path) -> Settings:
    """Found a deployment in a folder that other users may pass through."""
    return found_house(folder).settings


def serve(settings: Settings) -> subprocess.Popen[str]:
    """Run `qianfa serve enforcer` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "enforcer", "--config", str(settings.data / "qianfa.toml")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def up(settings: Settings, process: subprocess.Popen[str]) -> dict[str, object]:
    """Wait until it answers and return its status."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            return commands.admin(settings, "GET", "/v1/status")
        except commands.CommandFailed:
            time.sleep(0.1)
    process.kill()
    raise AssertionError(process.communicate()[1])


def test_a_key_that_only_root_may_read_is_named_and_not_tried_for_ever(folder: Path) -> None:
    """The usual certificate of a machine: root's alone. Said at once with file, user and the way out; the same finding stands in `doctor`."""
    assert os.getuid() == 0, "two users take root"
    listen = certificate(folder, 90)
    assert listen.key is not None
    listen.key.chmod(0o600)
    settings = found_house(folder, counter=listen, desk=listen, counter_inside=listen).settings
    served = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--config", str(settings.data / "qianfa.toml")],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60, check=False)
    told = served.stdout + served.stderr
    assert served.returncode == EXIT_CONFIG
    assert f"cannot read {listen.key}" in told
    assert f"读不了 {listen.key}" in told
    assert settings.enforcer_user in told
    assert f"status {EXIT_CONFIG} " in told
    assert "Traceback" not in told
    find = next(one for one in doctor.examine(Placed(settings=settings, path=settings.data / "qianfa.toml")) if one.name.startswith("certificate of counter "))
    assert f"cannot read {listen.key}" in find.found
    shutil.chown(listen.key, "root", launcher.GROUP)
    listen.key.chmod(0o640)
    assert next(one for one in doctor.examine(Placed(settings=settings, path=settings.data / "qianfa.toml")) if one.name.startswith("certificate of counter ")).ok


def _as_desk(settings: Settings, answers: multiprocessing.connection.Connection) -> None:
    to = launcher.identity(settings.desk_user)
    os.setgroups([to.group])
    os.setresgid(to.gid, to.gid, to.gid)
    os.setresuid(to.uid, to.uid, to.uid)
    found = []
    for path in (settings.enforcer_data / "log.db", settings.enforcer_data / "sealed.db", settings.key_file, settings.copies):
        try:
            Path(str(path)).read_bytes()
            found.append(f"read {path}")
        except PermissionError:
            continue
    for path, wanted in ((settings.admin_socket, False), (settings.command_socket, True)):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
                connected = True
            except PermissionError:
                connected = False
        if connected is not wanted:
            found.append(f"{path.name}: {connected}")
    answers.send(found)
    os._exit(0)


def test_the_enforcer_runs_under_its_own_user_and_is_closed_to_the_desks(settings: Settings) -> None:
    """As root: another user's process, isolated on the log; the desk's user reads none of its files and reaches the command socket only."""
    process = serve(settings)
    try:
        found = up(settings, process)
        assert found["state"] == "ok"
        assert found["isolated"] is ROOT
        if ROOT:
            assert Path(f"/proc/{process.pid}").stat().st_uid == launcher.identity(settings.enforcer_user).uid
            ours, theirs = multiprocessing.Pipe()
            child = multiprocessing.get_context("fork").Process(target=_as_desk, args=(settings, theirs))
            child.start()
            assert ours.poll(30)
            assert ours.recv() == []
            child.join()
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_a_start_that_is_refused_says_where_in_both_languages_and_stays_down(settings: Settings) -> None:
    """A row changed in the database is noticed at the next start: its own exit status, the entry's number, no restart."""
    with closing(sqlite3.connect(settings.enforcer_data / "log.db")) as connection, connection:
        connection.execute("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'unit.added', 'unit.Added') AS BLOB) WHERE seq = 1")
    process = serve(settings)
    _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_REFUSED
    assert "entry 1 is not what was signed" in said
    assert "第 1 条" in said
    assert not launcher.Launcher._may_restart(EXIT_REFUSED)


def handles(process: str) -> list[str]:
    """Return what a process has open; one that is closed while we look is none."""
    found = []
    for handle in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(handle.readlink()))
    return found


@pytest.mark.parametrize(("named", "state"), [(True, "ok"), (False, "sealed")])
def test_a_credential_of_systemd_opens_the_vault_and_only_where_systemd_names_its_folder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, named: bool, state: str,
) -> None:
    """As root: a 0440 key of root's in root's closed folder, out of the enforcer's own reach, stays root's; the keyless worker has no handle of it."""
    assert ROOT, "systemd hands credentials to services that root starts"
    assert settings.key_file is not None
    folder = settings.data.parent / "credentials"
    folder.mkdir(mode=0o500)
    key = settings.key_file.rename(folder / "vault.key")
    key.chmod(0o440)
    told = settings.data / "qianfa.toml"
    told.write_text(told.read_text().replace(str(settings.key_file), str(key)))
    if named:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    else:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        folder.chmod(0o711)
    process = serve(settings)
    try:
        assert up(settings, process)["state"] == state
        if named:
            assert key.stat().st_uid == 0
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        open_there = [name for child in (str(process.pid), *children) for name in handles(child)]
        assert open_there
        assert children
        assert str(key) not in open_there
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert ("unseal_failed" in said) == (not named)


def test_only_what_broke_by_itself_is_started_again() -> None:
    """K12: a broken log and a kill restart the enforcer; an orderly end and a refused start do not."""
    may = launcher.Launcher._may_restart
    assert may(launcher.RESTART_STATUS)
    assert may(-signal.SIGKILL)
    assert not may(0)
    assert not may(1)
    assert not may(None)


def test_a_folder_that_others_cannot_pass_is_named(settings: Settings, tmp_path: Path) -> None:
    """Below a closed folder the two users could not work: it is named, and nothing is pretended."""
    assert launcher.reachable(settings) is None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert launcher.reachable(settings.model_copy(update={"run": closed / "run"})) is not None


def test_a_folder_around_the_copy_is_not_handed_over(settings: Settings, tmp_path: Path) -> None:
    """The copy may stand among other people's files: the file changes hands, its folder does not."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "other").touch()
    copies = shared / "checkpoints"
    copies.touch()
    told = settings.model_copy(update={"copies": copies})
    me = launcher.Identity(name="x", uid=os.getuid(), gid=os.getgid(), group=os.getgid())
    other = launcher.Identity(name="y", uid=12_345 if ROOT else os.getuid(), gid=12_345 if ROOT else os.getgid(), group=os.getgid())
    launcher._hand_over(told, other, me)
    assert copies.stat().st_uid == other.uid
    assert shared.stat().st_uid == os.getuid()
    assert (shared / "other").stat().st_uid == os.getuid()
    assert settings.command_socket.parent.stat().st_mode & 0o7777 == 0o2750
    assert settings.admin_socket.parent.stat().st_mode & 0o777 == 0o700
