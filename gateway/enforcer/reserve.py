"""The reserve: disk space beside the log that is given up so that a stop or a withdrawal can be logged on a full disk.

1. Room is measured (statvfs, four times a second at most while it is ample) before anything is appended, on the log's disk and on that of the checkpoint copy. Where
   either has too little, only what stops, takes down, or records what has happened already is let through; everything else is refused in
   plain words, and nothing is lost.
2. The first command let through on a full log's disk then gives the reserve up. From there on ordinary commands wait until the disk has room
   for both.
3. `keep` sets the reserve aside again as soon as there is room.
4. A start without room for a line of the copy stays sealed until there is some: the first thing that an opened vault does is logged.
5. The copy has no reserve: its folder may be another's, or take nothing but lines. Where it has no room for a line, people's stops are refused
   as well, in words; what has happened already is tried all the same.
6. A disk that does not answer is asked in a thread of its own, waited for once, and from then on counts as one without room.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.log.errors import LogUnavailable
from gateway.log.store import RESERVE, LogStore
from gateway.machine.state import State
from gateway.protocol.commands import (
    Abandon,
    Dispatch,
    EmergencyWithdraw,
    Freeze,
    Miss,
    OpenIncarnation,
    RecordDrift,
    RecordHandle,
    RecordOutcome,
    RecordPrepared,
    RecordVault,
    Return,
    Spend,
    StartEnforcer,
    Stop,
)
from gateway.protocol.denials import Denied

LOW: Final = 16 << 20
"""Bytes that must be free beside the reserve for an ordinary command."""

NOTHING: Final = 1 << 20
"""Bytes below which hardly anything can be written."""
COPY_LOW: Final = 4 << 20
"""Bytes that must be free for the copy: thousands of its lines."""
COPY_NOTHING: Final = 256 << 10
"""Bytes below which no line of the copy is begun for what can be asked for again."""
PATIENCE: Final = 5.0
"""Seconds for which a disk's answer is waited for."""
RECENT: Final = 0.25
"""Seconds for which a measurement of ample room is believed as it is."""
STALE: Final = 4
"""Times `RECENT` up to which it is still believed while it is measured anew, so that nobody waits for that."""
AMPLE: Final = RESERVE + 32 * LOW
"""Bytes from which on room is ample: a reserve that is being set aside, and more than is written in a second."""

_ALWAYS: Final = frozenset({
    Stop, Freeze, Return, EmergencyWithdraw, Abandon, Miss, RecordOutcome, RecordDrift, RecordVault, StartEnforcer, OpenIncarnation,
})
_HAPPENED: Final = frozenset({RecordHandle, RecordPrepared, RecordOutcome, RecordDrift, RecordVault, StartEnforcer, OpenIncarnation})
_OF_A_WITHDRAWAL: Final = frozenset({Spend, RecordHandle, RecordPrepared, Dispatch})


def free_bytes(folder: Path) -> int:
    """Return how many bytes an ordinary user can still write under `folder` (statvfs(3), f_bavail)."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class RecentRoom:
    """`free_bytes` of one folder, measured anew once what is known is old: three commands stand in the way of every send.

    Meanwhile a disk takes far less than `ample` from this log; while there is little room, each command measures for itself. Measured in a
    thread of its own, since a hung disk answers never: it is waited for `patience` seconds once, and not again before it has answered.
    """

    def __init__(
        self, folder: Path, *, ample: int = AMPLE, measure: Callable[[Path], int] = free_bytes, moment: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE, recent: float = RECENT,
    ) -> None:
        self._folder, self._ample, self._measure, self._moment = folder, ample, measure, moment
        self._patience, self._recent = patience, recent
        self._known: int | None = None
        self._told = self._asked = 0.0
        self._answered = threading.Event()
        self._answered.set()
        self._turn = threading.Lock()

    def free(self) -> int | None:
        """Return the bytes free there; None where the disk does not answer, cannot be asked now, or the folder is not there."""
        with self._turn:
            now = self._moment()
            age = now - self._told if self._known is not None and self._known >= self._ample else self._recent * STALE
            if age < self._recent:
                return self._known
            if self._answered.is_set():
                self._asked = now
                self._answered.clear()
                try:
                    threading.Thread(target=self._ask, name="qianfa-room", daemon=True).start()
                except RuntimeError:  # no thread is to be had now: nobody was asked, and the next call asks
                    self._answered.set()
                    return None
            if age < self._recent * STALE:
                return self._known
            if not self._answered.wait(max(0.0, self._asked + self._patience - now)):
                return None
            return self._known

    def _ask(self) -> None:
        known = None
        try:
            known = self._measure(self._folder)
        except OSError:
            pass
        finally:
            self._known, self._told = known, self._moment()
            self._answered.set()


class Reserve:
    """The reserve of one log's disk, and the room for it and for the copy at `copies`."""

    def __init__(
        self, store: LogStore, copies: Path, *, size: int = RESERVE, free: Callable[[Path], int] = free_bytes, patience: float = PATIENCE,
        recent: float = RECENT,
    ) -> None:
        self._store, self._size = store, size
        self._log = RecentRoom(store.path.parent, measure=free, patience=patience, recent=recent)
        self._copy = RecentRoom(copies.parent, ample=2 * COPY_LOW, measure=free, patience=patience, recent=recent)
        file = store.path.with_name(store.path.name + ".reserve")
        self.held = file.exists() and file.stat().st_size >= size

    @property
    def low(self) -> bool:
        """Whether there is no room for ordinary commands."""
        return bool(self.lacking)

    @property
    def lacking(self) -> str:
        """Where there is no room for ordinary commands: `log`, `copy`, `silent` for a disk that does not answer; empty where there is enough."""
        log, copy = self._log.free(), self._copy.free()
        if log is None or copy is None:
            return "silent"
        if log < LOW + (0 if self.held else self._size):
            return "log"
        return "copy" if copy < COPY_LOW else ""

    @property
    def copy_full(self) -> bool:
        """Whether no line may be begun in the copy: its disk has no room, or does not answer."""
        copy = self._copy.free()
        return copy is None or copy < COPY_NOTHING

    def admit(self, state: State, command: Any) -> None:
        """Let `command` through, giving the reserve up where that takes it.

        Raises:
            Denied: `log_unavailable` — a disk is nearly full, and this neither stops nor withdraws anything; or the copy has no room for a line.
            LogUnavailable: the reserve could not be removed.
        """
        lacking = self.lacking
        if not lacking:
            return
        if not _essential(state, command):
            raise Denied("log_unavailable", detail=f"disk: {lacking}")
        if lacking == "log":
            self.give_up()
        copy = self._copy.free()
        if type(command) not in _HAPPENED and copy is not None and copy < COPY_NOTHING:
            raise Denied("log_unavailable", detail="disk: copy")

    def ordinary(self) -> None:
        """Refuse, where there is little room, what stops and takes down nothing, before it writes anything.

        Raises:
            Denied: `log_unavailable`.
        """
        if lacking := self.lacking:
            raise Denied("log_unavailable", detail=f"disk: {lacking}")

    def make_room(self) -> None:
        """Give the reserve up where no page can be written any more: signing in and a freeze's reason come before the command itself."""
        free = self._log.free()
        if free is not None and free < NOTHING:
            with suppress(LogUnavailable):  # whoever writes next will say it
                self.give_up()

    def give_up(self) -> None:
        """Remove the reserve, if it is there.

        Raises:
            LogUnavailable: it could not be removed.
        """
        if self.held:
            self._store.release_reserve()
            self.held = False

    def keep(self) -> bool:
        """Set the reserve aside again where there is ample room; return whether it is there."""
        if not self.held and (self._log.free() or 0) >= self._size + 2 * LOW:
            try:
                self._store.reserve(self._size)
            except LogUnavailable:
                return False
            self.held = True
        return self.held


def _essential(state: State, command: Any) -> bool:
    if type(command) in _ALWAYS:
        return True
    publication = state.publications.get(command.publication) if type(command) in _OF_A_WITHDRAWAL else None
    return publication is not None and publication.operation == "withdraw"
