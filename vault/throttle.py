"""Waiting between tries, as a pure function over a small state that the caller keeps (RFC 4226 section 7.3).

1. `attempt` counts the try *before* it is judged. The caller makes the returned state durable, then looks at the code, so
   neither a crash nor parallel tries give free ones.
2. Key the state on the person's canonical id, never on what was typed: an alias would be a fresh budget (CVE-2025-6004).
3. After `free` tries each further one waits, `base_seconds` doubling to `max_seconds`. Refused tries do not prolong the wait.
4. A clock that went back never shortens a wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from vault.errors import TooMany


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleState:
    """How many tries stand against one key since the last success, and when the last counted one was (aware UTC)."""

    tries: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The rule: `free` tries without waiting, then `base_seconds` doubling up to `max_seconds`."""

    free: int = 5
    base_seconds: int = 30
    max_seconds: int = 3600

    def wait_seconds(self, tries: int) -> int:
        """Say how long after its `tries`-th counted try the next one must wait."""
        if tries < self.free:
            return 0
        doublings = min(tries - self.free, 30)
        return min(self.base_seconds << doublings, self.max_seconds)

    def attempt(self, state: ThrottleState, at: datetime) -> ThrottleState:
        """Count one try at `at` and return the state to keep; on success keep `ThrottleState()` instead.

        Raises:
            TooMany: it is too early; `state` stays as it is.
        """
        last = state.last_at
        if last is not None:
            left = self.wait_seconds(state.tries) - max((at - last).total_seconds(), 0.0)
            if left > 0:
                raise TooMany(math.ceil(left))
        return ThrottleState(tries=state.tries + 1, last_at=at if last is None else max(at, last))
