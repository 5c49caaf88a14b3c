"""Starting both processes: as root each under its own user, otherwise both under one with a plain warning.

The launcher holds no key. It starts the enforcer again when it left because of its log or was killed, and ends both when one ends otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
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

from gateway.config import PROGRESS, Settings
from gateway.ownership import hand_down, open_regular

RESTART_STATUS: Final = 75
RESTARTS: Final = 20
STEADY_SECONDS: Final = 600.0
"""After so long without an end, restarts are counted from the beginning."""
GROUP: Final = "qianfa"


class LaunchRefused(Exception):
    """The processes cannot be started as configured; the message says what to do, `status` is the one of the process that ended, or 1."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user and the shared group a process is dropped to."""

    name: str
    uid: int
    gid: int
    group: int


def shared_group() -> tuple[int, ...]:
    """Return the group that both users are in; none where it was not made."""
    try:
        return (grp.getgrnam(GROUP).gr_gid,)
    except KeyError:
        return ()


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
    """As root: give each process its own folders, and the sockets' folders to those who may reach them.

    Outside the data folder only what the settings name is handed over (copy, backups, key file), and a folder around it only where it holds
    nothing else.

    Raises:
        LaunchRefused: something could not be handed over.
    """
    try:
        _hand_over(settings, identity(settings.enforcer_user), identity(settings.desk_user))
    except OSError as error:
        raise LaunchRefused(f"could not hand over {error.filename}: {error.strerror}") from error


def _hand_over(settings: Settings, enforcer: Identity, desk: Identity) -> None:
    for data, to in ((settings.enforcer_data, enforcer), (settings.desk_data, desk)):
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        hand_down(data, to.uid, to.gid)
    settings.backups.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(settings.backups, enforcer.uid, enforcer.gid)
    for file in (settings.copies, None if settings.key_from_systemd else settings.key_file):
        if file is not None and file.exists():
            os.chown(file, enforcer.uid, enforcer.gid, follow_symlinks=False)
            if _ours(settings, file):
                os.chown(file.parent, enforcer.uid, enforcer.gid)
    settings.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    for folder, group, mode in ((settings.command_socket.parent, enforcer.group, 0o2750), (settings.admin_socket.parent, enforcer.gid, 0o700)):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, enforcer.uid, group)
        folder.chmod(mode)


def _ours(settings: Settings, file: Path) -> bool:
    """Return whether the folder of `file` may be handed over: it lies in the data folder, or holds nothing but this file and its kept copies."""
    folder = file.parent
    if settings.data in folder.parents:
        return True
    return folder.is_dir() and all(path.name.startswith(file.name) for path in folder.iterdir())


def reachable(settings: Settings) -> str | None:
    """Return the first folder above the data that another user could not pass through, or None."""
    own = (settings.enforcer_data, settings.desk_data, settings.backups, settings.command_socket.parent, settings.copies,
           None if settings.key_from_systemd else settings.key_file)
    for path in own:
        if path is None:
            continue
        for parent in path.parents:
            handed_over = settings.data in parent.parents or parent == settings.backups or (parent == path.parent and _ours(settings, path))
            if parent.exists() and not handed_over and not parent.stat().st_mode & stat.S_IXOTH:
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
    import encodings

    import gateway
    import vault

    for codec in pkgutil.iter_modules(encodings.__path__, "encodings."):
        with contextlib.suppress(ImportError):  # some belong to other systems
            importlib.import_module(codec.name)

    for package in (gateway, vault):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__") and not any(part in module.name for part in (".demo", ".sandbox", ".migrations.")):
                importlib.import_module(module.name)  # migrations run inside Alembic only
    for name in (
        "concurrent.futures.thread", "multiprocessing.popen_fork", "sqlalchemy.dialects.sqlite.aiosqlite",
        "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.GifImagePlugin",
    ):
        importlib.import_module(name)


def run_enforcer(settings: Settings, ready: str, to: Identity | None, peer: int | None) -> None:
    """Be the enforcer process: start the keyless worker, drop to the enforcer's user, run, leave with its status."""
    from gateway.enforcer import app
    from gateway.enforcer.worker import Worker
    from gateway.logs import configure

    _quiet()
    configure()
    key = app.open_systemd_key(settings)
    if to is not None:
        import_everything()
        _drop(to)
    worker = Worker(closing=() if key is None else (key,))
    worker.start()
    sys.exit(asyncio.run(app.run(settings, isolated=peer is not None, desk_uid=peer, ready=Path(ready), worker=worker, key=key)))


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


def run_face(settings: Settings, face: str) -> None:
    """Be one of the two processes, `enforcer` or `desk`: as root under its own user, else as the user that started it. Does not return.

    Raises:
        LaunchRefused: the users cannot be made or the folders not be handed over.
    """
    to = None
    if os.getuid() == 0 and reachable(settings) is None:
        prepare_users(settings)
        hand_over(settings)
        to = identity(settings.enforcer_user if face == "enforcer" else settings.desk_user)
    ready = settings.run / "ready" / face
    ready.mkdir(mode=0o755, parents=True, exist_ok=True)
    if to is not None:
        os.chown(ready, to.uid, to.gid)
    if face == "enforcer":
        run_enforcer(settings, str(ready / "pid"), to, desk_uid(settings) if to is not None or os.getuid() else None)
    else:
        run_desk(settings, str(ready / "pid"), to)


def desk_uid(settings: Settings) -> int | None:
    """Return the desk's own user id where that user exists and is not ours; None where one user runs both."""
    try:
        found = pwd.getpwnam(settings.desk_user).pw_uid
    except KeyError:
        return None
    return found if os.getuid() in {0, _uid_or(settings.enforcer_user)} and found != os.getuid() else None


def _uid_or(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1


def _percent(file: Path) -> str:
    """Return what a starting process says of itself, empty where it says nothing; the file is another user's and may hold anything."""
    try:
        with open_regular(file) as opened:
            text = opened.read(4).decode("ascii", "replace")
    except OSError:
        return ""
    return text if text.isdecimal() and int(text) <= 100 else ""


class Launcher:
    """Both processes as children of this one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("fork")
        self._children: dict[str, multiprocessing.process.BaseProcess] = {}
        self._stopping = False
        self._say: Callable[[str], None] = lambda _line: None
        self.isolated = os.getuid() == 0

    def _ready(self, name: str) -> Path:
        """Return the file by which a child says that it is ready, in a folder that only the child's user can write."""
        folder = self._settings.run / "ready" / name
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self.isolated:
            to = self._identity(name)
            os.chown(folder, to.uid, to.gid)
        return folder / "pid"

    def _identity(self, name: str) -> Identity:
        return identity(self._settings.enforcer_user if name == "enforcer" else self._settings.desk_user)

    def start(self, *, wait: float = 60.0, say: Callable[[str], None] = lambda _line: None) -> None:
        """Start both and wait until both are ready, `wait` seconds from the last word that a process gave of its progress; `say` hears of it.

        Raises:
            LaunchRefused: a process ended, or was not ready in time.
        """
        settings, self._say = self._settings, say
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
            import_everything()  # once, for both processes and every restart: each is forked from here
        self._start_enforcer()
        self._wait_ready("enforcer", wait)
        self._start_desk()
        self._wait_ready("desk", wait)

    def _start_enforcer(self) -> None:
        to = self._identity("enforcer") if self.isolated else None
        self._spawn("enforcer", run_enforcer, to, self._identity("desk").uid if self.isolated else None)

    def _start_desk(self) -> None:
        self._spawn("desk", run_desk, self._identity("desk") if self.isolated else None)

    def _spawn(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        ready = self._ready(name)
        for told in (ready, ready.with_name(PROGRESS)):
            try:
                told.unlink(missing_ok=True)
            except OSError as error:
                raise LaunchRefused(f"{told} is no file ({error.strerror}): remove it, and look at who put it there") from error
        child = self._context.Process(target=target, args=(self._settings, str(ready), *arguments), name=f"qianfa-{name}")
        child.start()
        self._children[name] = child

    def _wait_ready(self, name: str, seconds: float) -> None:
        end, ready, told = time.monotonic() + seconds, self._ready(name), ""
        while not ready.exists():
            child = self._children[name]
            percent = _percent(ready.with_name(PROGRESS))
            if percent not in {"", told}:
                end, told = time.monotonic() + seconds, percent
                self._say(f"正在核对存证：{percent}%   verifying the log: {percent} %")
            if not child.is_alive():
                raise LaunchRefused(f"the {name} ended with status {child.exitcode} before it was ready", max(child.exitcode or 1, 1))
            if time.monotonic() > end:
                raise LaunchRefused(f"the {name} was not ready in {seconds:.0f} s")
            time.sleep(0.02)

    def pid(self, name: str) -> int:
        """Return a child's process id."""
        pid = self._children[name].pid
        assert pid is not None
        return pid

    def watch(self) -> int:
        """Wait until a child ends; start an enforcer again that left because of its log or was killed. Return the status to leave with."""
        restarts, began = 0, time.monotonic()
        while True:
            for name, child in list(self._children.items()):
                if child.is_alive():
                    continue
                if self._stopping:
                    return 0
                if time.monotonic() - began > STEADY_SECONDS:
                    restarts = 0
                if name == "enforcer" and self._may_restart(child.exitcode) and restarts < RESTARTS:
                    restarts, began = restarts + 1, time.monotonic()
                    self._say(f"签发服务退出（状态 {child.exitcode}），正在重启 / the enforcer left with status {child.exitcode} and is started again")
                    time.sleep(min(0.2 * 2**restarts, 10.0))
                    if not self._stopping:
                        self._start_enforcer()
                    continue
                self.stop()
                return abs(child.exitcode or 0)
            time.sleep(0.1)

    @staticmethod
    def _may_restart(status: int | None) -> bool:
        return status == RESTART_STATUS or (status is not None and status < 0)

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
