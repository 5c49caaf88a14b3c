"""Root in folders that other users own: nothing there is followed, waited for, or believed.

Who owns a folder can put a link, a pipe or somebody else's file under any name in it, and can swap them while root looks. So what is opened is
opened without following, without waiting, and judged by its open handle; what has to be parsed there is parsed by the folder's own user.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import signal
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

DEPTH: Final = 8
"""Folders below each other; ours have two."""
PATIENCE: Final = 900
"""Seconds after which what another user's process was asked for is given up: a file there may hang it."""
_ANSWER: Final = 1 << 16
_LOOK: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPlain(OSError):
    """A link, a pipe, a device, or another user's file stands where a plain file or folder of the folder's owner should."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "neither a plain file nor a folder of its owner", str(path))


def user_name() -> str:
    """Return the name of the user who runs this, or its number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def open_regular(path: Path, *, owner: int | None = None) -> IO[bytes]:
    """Open the plain file at `path` for reading; with `owner`, only where it belongs to that user id.

    Raises:
        NotPlain: it is none.
        OSError: it cannot be opened.
    """
    return os.fdopen(_judged(path.name, path, owner, folder=None), "rb")


def _judged(name: str, path: Path, owner: int | None, *, folder: int | None, folders: bool = False) -> int:
    """Return the handle of a plain file, or where `folders` also of a folder: `name` in `folder`, or `path` itself."""
    try:
        handle = os.open(path if folder is None else name, _LOOK, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link; a socket
            raise NotPlain(path) from error
        raise
    found = os.fstat(handle)
    kind = stat.S_ISREG(found.st_mode) or (folders and stat.S_ISDIR(found.st_mode))
    if not kind or owner not in {None, found.st_uid}:
        os.close(handle)
        raise NotPlain(path)
    return handle


def copy_into(target: Path, parts: Mapping[str, Path], *, owner: int | None = None, to: tuple[int, int] | None = None) -> None:
    """Make the folder `target` and copy files and folders into it, by their new names; closed to others (0700, 0600), with their times.

    Hidden files are being written and are left out; what is removed meanwhile is not there. With `owner` all of it must be that user's; with
    `to` the copy is handed to that user and group, each part once it is whole.

    Raises:
        NotPlain: something in it is neither file nor folder: nothing is left out in silence.
        OSError: it could not be read or written, or `target` exists.
    """
    target.mkdir(mode=0o700)
    here = os.open(target, _FOLDER)
    try:
        if os.fstat(here).st_uid != os.geteuid():  # who owns the folder above has put another in its place
            raise NotPlain(target)
        for name, source in parts.items():
            _copy_part(name, source, None, here, owner, to)
        if to is not None:
            os.chown(here, *to)
    finally:
        os.close(here)


def _copy_part(
    name: str, path: Path, folder: int | None, here: int, owner: int | None, to: tuple[int, int] | None, depth: int = 0,
) -> None:
    """Copy `path`, or what bears its name in the open `folder`, as `name` into the open folder `here`."""
    try:
        handle = _judged(path.name, path, owner, folder=folder, folders=True)
    except FileNotFoundError:
        return
    try:
        if depth > DEPTH:
            raise NotPlain(path)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            _write(handle, name, here, to)
            return
        os.mkdir(name, 0o700, dir_fd=here)
        inner = os.open(name, _FOLDER, dir_fd=here)
        try:
            for entry in _names(handle):
                if not entry.startswith("."):
                    _copy_part(entry, path / entry, handle, inner, owner, to, depth + 1)
            if to is not None:
                os.chown(inner, *to)
        finally:
            os.close(inner)
    finally:
        os.close(handle)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as found:
        return sorted(entry.name for entry in found)


def _write(there: int, name: str, folder: int, to: tuple[int, int] | None) -> None:
    found = os.fstat(there)
    with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=folder), "wb") as written, os.fdopen(os.dup(there), "rb") as read:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.utime(written.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        if to is not None:
            os.chown(written.fileno(), *to)


def hand_down(folder: Path, uid: int, gid: int) -> None:
    """Give `folder` and every plain file and folder in it to a user and a group; links, pipes and sockets stay whose they are.

    A file with a second name may be somebody else's whose name was put here (link(2)): it is refused, not given away.

    Raises:
        NotPlain: such a file, with its path.
        OSError: a part could not be given.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # its own name stands in a folder of ours, and may be a link
    try:
        os.chown(handle, uid, gid)
        _hand_down(handle, folder, uid, gid)
    finally:
        os.close(handle)


def _hand_down(folder: int, path: Path, uid: int, gid: int, depth: int = 0) -> None:
    for name in _names(folder) if depth <= DEPTH else ():
        try:
            handle = _judged(name, path / name, None, folder=folder, folders=True)
        except (FileNotFoundError, NotPlain):
            continue
        try:
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and found.st_uid != uid:
                raise NotPlain(path / name)
            if (found.st_uid, found.st_gid) != (uid, gid):
                os.chown(handle, uid, gid)
            if stat.S_ISDIR(found.st_mode):
                _hand_down(handle, path / name, uid, gid, depth + 1)
        finally:
            os.close(handle)


def as_owner(folder: Path, do: Callable[[], str], *, patience: int = PATIENCE, groups: Sequence[int] = ()) -> str:
    """Return what `do` returns, done by the user who owns `folder`: in a process of its own where that is not the one who runs this.

    `groups` are that user's besides its own.

    Only text comes back, at most 64 KB of it. That process is ended after `patience` seconds; 0 for as long as it takes. Whatever `do` needs must be imported before: the interpreter's own folder may be out of that user's reach.

    Raises:
        OSError: `do` failed there, as the message says, or its process was ended.
    """
    found = folder.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        return do()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _live(theirs, found.st_uid, found.st_gid, groups, do, patience)
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb") as answers:
            answer = answers.read(_ANSWER).decode("utf-8", "replace")
    finally:
        os.waitpid(pid, 0)
    if answer[:1] != "+":
        raise OSError(errno.EIO, answer[1:] or "its process was ended")
    return answer[1:]


def _live(answers: int, uid: int, gid: int, groups: Sequence[int], do: Callable[[], str], patience: int) -> None:
    """Be the process of `as_owner`; does not return."""
    with suppress(BaseException):  # nothing of the caller's may run here: neither its handlers nor its ends
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(patience)
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.umask(0o077)
            answer = "+" + do()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the other process says it
            answer = f"-{type(error).__name__}: {error}"
        os.write(answers, answer.encode("utf-8", "replace")[:_ANSWER])
    os._exit(0)
