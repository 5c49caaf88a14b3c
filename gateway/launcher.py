"""Starting both processes: as root each under its own user, otherwise both under one with a plain warning.

The launcher holds no key. It starts the enforcer again when it left because of its log, and ends both when one ends otherwise.
"""

from __future__ import annotations

import asyncio
import grp
import importlib
import multiprocessing
import os
import pkgutil
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import Settings

RESTART_STATUS: Final = 75
RESTARTS: Final = 20
GROUP: Final = "qianfa"


class LaunchRefused(Exception):
    """The processes cannot be started as configured; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user and the shared group a process is dropped to."""

    name: str
    uid: int
    gid: int
    group: int


def identity(name: str) -> Identity:
    """Return the ids of a user that `prepare_users` has made.

    Raises:
        LaunchRefused: user or group do not exist.
    """
    try:
        user, group = pwd.getpwnam(name), grp.getgrnam(GROUP)
    except KeyError as error:
        raise LaunchRefused(f"user {name} or group {GROUP} is missing: run `qianfa init` as root") from error
    return Identity(name=name, uid=user.pw_uid, gid=user.pw_gid, group=group.gr_gid)


def prepare_users(settings: Settings) -> None:
    """As root: make the two system users and the shared group where they are missing.

    Raises:
        LaunchRefused: the system tools failed.
    """
    try:
        try:
            grp.getgrnam(GROUP)
        except KeyError:
            _tool("groupadd", "--system", GROUP)
        for name in (settings.enforcer_user, settings.desk_user):
            try:
                pwd.getpwnam(name)
            except KeyError:
                _tool("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", "--groups", GROUP, name)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LaunchRefused(f"could not make system users: {error}") from error


def _tool(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 -- fixed commands with validated names


def hand_over(settings: Settings) -> None:
    """As root: give each process its own folders, and the sockets' folders to those who may reach them."""
    enforcer, desk = identity(settings.enforcer_user), identity(settings.desk_user)
    for folder in (settings.enforcer_data, settings.copies.parent):
        _own(folder, enforcer.uid, enforcer.gid)
    _own(settings.desk_data, desk.uid, desk.gid)
    settings.backups.mkdir(parents=True, exist_ok=True)
    os.chown(settings.backups, enforcer.uid, enforcer.gid)
    if settings.key_file is not None and settings.key_file.exists():
        os.chown(settings.key_file, enforcer.uid, enforcer.gid)
        _own(settings.key_file.parent, enforcer.uid, enforcer.gid, deep=False)
    settings.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    for folder, group, mode in ((settings.command_socket.parent, enforcer.group, 0o2750), (settings.admin_socket.parent, enforcer.gid, 0o700)):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, enforcer.uid, group)
        folder.chmod(mode)


def _own(folder: Path, uid: int, gid: int, *, deep: bool = True) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(folder, uid, gid)
    if not deep:
        return
    for path in folder.rglob("*"):
        if not path.is_symlink():
            os.chown(path, uid, gid)


def reachable(settings: Settings) -> str | None:
    """Return the first folder above the data that another user could not pass through, or None."""
    for path in (settings.data, settings.copies.parent, settings.run):
        for parent in (path, *path.parents):
            if parent.exists() and not parent.stat().st_mode & stat.S_IXOTH:
                return str(parent)
    return None


def _drop(to: Identity) -> None:
    os.setgroups([to.group])
    os.setresgid(to.gid, to.gid, to.gid)
    os.setresuid(to.uid, to.uid, to.uid)
    os.umask(0o077)
    for name in [name for name in os.environ if name not in {"PATH", "LANG", "LC_ALL", "TZ", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}]:
        del os.environ[name]


def import_everything() -> None:
    """Import what both processes may need later: after the drop, the interpreter's own folder may be out of reach."""
    import gateway
    import vault

    for package in (gateway, vault):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__") and ".demo" not in module.name and ".sandbox" not in module.name:
                importlib.import_module(module.name)
    for name in ("sqlalchemy.dialects.sqlite.aiosqlite", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.GifImagePlugin", "encodings.idna"):
        importlib.import_module(name)


def run_enforcer(settings: Settings, ready: str, to: Identity | None, desk_uid: int | None) -> None:
    """Be the enforcer process: start the keyless worker, drop to the enforcer's user, run, leave with its status."""
    from gateway.enforcer import app
    from gateway.enforcer.worker import Worker
    from gateway.logs import configure

    _quiet()
    if to is not None:
        import_everything()
        _drop(to)
    worker = Worker()
    worker.start()
    configure()
    sys.exit(asyncio.run(app.run(settings, isolated=to is not None, desk_uid=desk_uid, ready=Path(ready), worker=worker)))


def run_desk(settings: Settings, ready: str, to: Identity | None) -> None:
    """Be the desk process."""
    from gateway.desk import app
    from gateway.logs import configure

    _quiet()
    if to is not None:
        import_everything()
        _drop(to)
    configure()
    sys.exit(asyncio.run(app.run(settings, ready=Path(ready))))


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Launcher:
    """Both processes as children of this one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("fork")
        self._children: dict[str, multiprocessing.process.BaseProcess] = {}
        self._stopping = False
        self.isolated = os.getuid() == 0

    def _ready(self, name: str) -> Path:
        folder = self._settings.run / "ready"
        folder.mkdir(parents=True, exist_ok=True)
        if self.isolated:
            folder.chmod(0o1777)
        return folder / name

    def start(self, *, wait: float = 60.0, say: Callable[[str], None] = lambda _line: None) -> None:
        """Start both and wait until both are ready.

        Raises:
            LaunchRefused: a process ended, or was not ready in time.
        """
        settings = self._settings
        if self.isolated:
            blocked = reachable(settings)
            if blocked is not None:
                self.isolated = False
                say(f"warning: the two processes are not isolated: {blocked} is closed to other users")
        else:
            say("warning: the two processes are not isolated: started without root")
        if self.isolated:
            prepare_users(settings)
            hand_over(settings)
        self._start_enforcer()
        self._wait_ready("enforcer", wait)
        self._start_desk()
        self._wait_ready("desk", wait)

    def _start_enforcer(self) -> None:
        to = identity(self._settings.enforcer_user) if self.isolated else None
        desk_uid = identity(self._settings.desk_user).uid if self.isolated else None
        self._spawn("enforcer", run_enforcer, to, desk_uid)

    def _start_desk(self) -> None:
        self._spawn("desk", run_desk, identity(self._settings.desk_user) if self.isolated else None)

    def _spawn(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        ready = self._ready(name)
        ready.unlink(missing_ok=True)
        child = self._context.Process(target=target, args=(self._settings, str(ready), *arguments), name=f"qianfa-{name}")
        child.start()
        self._children[name] = child

    def _wait_ready(self, name: str, seconds: float) -> None:
        end, ready = time.monotonic() + seconds, self._ready(name)
        while not ready.exists():
            child = self._children[name]
            if not child.is_alive():
                raise LaunchRefused(f"the {name} ended with status {child.exitcode} before it was ready")
            if time.monotonic() > end:
                raise LaunchRefused(f"the {name} was not ready in {seconds:.0f} s")
            time.sleep(0.02)

    def pid(self, name: str) -> int:
        """Return a child's process id."""
        pid = self._children[name].pid
        assert pid is not None
        return pid

    def watch(self) -> int:
        """Wait until a child ends; restart an enforcer that left because of its log. Return the status to leave with."""
        restarts = 0
        while True:
            for name, child in list(self._children.items()):
                if child.is_alive():
                    continue
                if name == "enforcer" and child.exitcode == RESTART_STATUS and restarts < RESTARTS and not self._stopping:
                    restarts += 1
                    time.sleep(min(0.2 * 2**restarts, 10.0))
                    self._start_enforcer()
                    continue
                self.stop()
                return abs(child.exitcode or 0)
            time.sleep(0.1)

    def stop(self, seconds: float = 40.0) -> None:
        """End both: the desk first, then the enforcer, which lets its calls in flight end."""
        self._stopping = True
        for name in ("desk", "enforcer"):
            child = self._children.get(name)
            if child is not None and child.is_alive():
                child.terminate()
                child.join(seconds)
                if child.is_alive():
                    child.kill()
                    child.join()
