"""The watchdog: a process whose event loop stands still leaves, so that it is started again and verifies before it sends.

The log's own thread is watched by the commit's deadline. What the loop itself does on the disk (sessions, values, blobs) can hang as well,
and then no timer of the loop fires. So a thread of its own asks the loop for a sign of life, and ends the process where none comes.
Missed signs are counted, not seconds: a machine that was suspended, or a stopped process, misses one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 1.0
PATIENCE: Final = 30
"""Signs of life, one a second, that may be missing in a row."""


class Watchdog:
    """See the module. `leave` is called in the thread, once, and must end the process by itself: nothing else of it may be waited for."""

    def __init__(self, leave: Callable[[], None], *, interval: float = INTERVAL, patience: int = PATIENCE) -> None:
        """Begin; called inside the running event loop."""
        self._leave, self._interval, self._patience = leave, interval, patience
        self._loop = asyncio.get_running_loop()
        self._alive = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="qianfa-watchdog", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        missed = 0
        self._ask()
        while not self._stop.wait(self._interval):
            if self._alive.is_set():
                missed = 0
                self._ask()
                continue
            missed += 1
            if missed >= self._patience:
                self._leave()
                return

    def _ask(self) -> None:
        self._alive.clear()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._alive.set)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()


def leave_with(status: int, words: str) -> Callable[[], None]:
    """Return what ends this process with `status` after writing `words` to standard error, whatever else hangs."""

    def leave() -> None:
        os.write(sys.stderr.fileno(), words.encode() + b"\n")
        os._exit(status)

    return leave
