"""How far a start with a large log has come: a line in the log and the percent in a file, for whoever waits for it to be ready."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger("enforcer")

STEP: Final = 5
"""Percent between two words about it."""
SAID_FROM: Final = 50_000
"""Entries from which on a start takes long enough to be waited for."""


class StartProgress:
    """Says how much of the log is verified, at every `STEP` percent; `file` holds the last percent said, and is taken away by `done`."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._said = -1

    def __call__(self, done: int, total: int) -> None:
        """Take note that `done` of `total` entries are verified and replayed."""
        percent = done * 100 // max(total, 1) // STEP * STEP
        if total < SAID_FROM or percent <= self._said:
            return
        self._said = percent
        log.info("verifying the log", action="verifying", percent=percent, done=done, total=total)
        if self._file is not None:
            self._file.write_text(str(percent))

    def done(self) -> None:
        """Take the file away."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
