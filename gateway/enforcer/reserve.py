"""The reserve: disk space beside the log that is given up so that a stop or a withdrawal can be logged on a full disk.

1. Room is measured (statvfs, at most every 50 ms) before anything is appended. Below `LOW` only what stops, takes down, or records what has happened already
   is let through; everything else is refused in plain words, and nothing is lost.
2. The first command let through then gives the reserve up. From there on ordinary commands wait until the disk has room for both.
3. `keep` sets the reserve aside again as soon as there is room.
"""

from __future__ import annotations

import os
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
RECENT: Final = 0.05
"""Seconds for which a measurement of ample room is believed."""
AMPLE: Final = RESERVE + 8 * LOW
"""Bytes from which on room is ample: a reserve that is being set aside, and more than is written in `RECENT`."""

_ALWAYS: Final = frozenset({
    Stop, Freeze, Return, EmergencyWithdraw, Abandon, Miss, RecordOutcome, RecordDrift, RecordVault, StartEnforcer, OpenIncarnation,
})
_OF_A_WITHDRAWAL: Final = frozenset({Spend, RecordHandle, RecordPrepared, Dispatch})


def free_bytes(folder: Path) -> int:
    """Return how many bytes an ordinary user can still write under `folder` (statvfs(3), f_bavail)."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class RecentRoom:
    """`free_bytes` of one folder, measured anew once what is known is 50 ms old: three commands stand in the way of every send.

    In that time a disk takes far less than `LOW` from this log; while there is little room, each command measures for itself.
    """

    def __init__(self, measure: Callable[[Path], int] = free_bytes, *, moment: Callable[[], float] = time.monotonic) -> None:
        self._measure, self._moment = measure, moment
        self._known, self._until = 0, 0.0

    def __call__(self, folder: Path) -> int:
        """Return the bytes free under `folder`."""
        now = self._moment()
        if now >= self._until or self._known < AMPLE:
            self._known = self._measure(folder)
            self._until = now + RECENT
        return self._known


class Reserve:
    """The reserve of one log's disk."""

    def __init__(self, store: LogStore, *, size: int = RESERVE, free: Callable[[Path], int] | None = None) -> None:
        self._store, self._size = store, size
        self._free = RecentRoom() if free is None else free
        self._folder = store.path.parent
        file = store.path.with_name(store.path.name + ".reserve")
        self.held = file.exists() and file.stat().st_size >= size

    @property
    def low(self) -> bool:
        """Whether there is no room for ordinary commands."""
        return self._free(self._folder) < LOW + (0 if self.held else self._size)

    def admit(self, state: State, command: Any) -> None:
        """Let `command` through, giving the reserve up where that takes it.

        Raises:
            Denied: `log_unavailable` — the disk is nearly full, and this neither stops nor withdraws anything.
            LogUnavailable: the reserve could not be removed.
        """
        if not self.low:
            return
        if not _essential(state, command):
            self.ordinary()
        self.give_up()

    def ordinary(self) -> None:
        """Refuse, where there is little room, what stops and takes down nothing, before it writes anything.

        Raises:
            Denied: `log_unavailable`.
        """
        if self.low:
            raise Denied("log_unavailable", detail=f"disk: {self._free(self._folder) >> 20} MB free")

    def make_room(self) -> None:
        """Give the reserve up where no page can be written any more: signing in and a freeze's reason come before the command itself."""
        if self._free(self._folder) < NOTHING:
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
        if not self.held and self._free(self._folder) >= self._size + 2 * LOW:
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
