"""A child that is killed: the real parts of an enforcer on a deployment's data, ended by its own SIGKILL at a chosen point.

The product has no hook for this. This program, a test's, wraps the methods it wants to die at, and is started as
`python killing.py FOLDER POINT SECONDS [PUBLICATION …]`; the sandbox platform runs in the parent and outlives it. It leaves with 0 when
every publication named has come to rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from gateway.connectors.wechat import WeChatConnector  # noqa: E402
from gateway.connectors.wechat.api import Api  # noqa: E402
from gateway.enforcer.gate import Gate  # noqa: E402
from gateway.enforcer.runner import BlobFirstWriter, Runner  # noqa: E402
from gateway.log.copies import CheckpointCopies  # noqa: E402
from gateway.log.store import LogStore  # noqa: E402
from gateway.machine.state import PublicationState  # noqa: E402
from tests.gateway.enforcer.house import open_house  # noqa: E402

RESTING = frozenset({
    PublicationState.LIVE, PublicationState.REJECTED, PublicationState.ABANDONED, PublicationState.STOPPED, PublicationState.MISSED,
    PublicationState.UNKNOWN, PublicationState.ABSENT, PublicationState.GONE,
})

POINTS = {
    "load": (Gate, "load_and_verify", "before", ""),
    "before spend": (Runner, "system", "before", "Spend"),
    "after spend": (Runner, "system", "after", "Spend"),
    "before upload": (Api, "upload", "before", ""),
    "after upload": (Api, "upload", "after", ""),
    "before a handle": (Runner, "system", "before", "RecordHandle"),
    "after a handle": (Runner, "system", "after", "RecordHandle"),
    "before draft": (WeChatConnector, "prepare", "after", ""),
    "before prepared": (Runner, "system", "before", "RecordPrepared"),
    "after prepared": (Runner, "system", "after", "RecordPrepared"),
    "reread": (WeChatConnector, "reread", "after", ""),
    "before dispatch": (Runner, "system", "before", "Dispatch"),
    "after dispatch": (Runner, "system", "after", "Dispatch"),
    "before the call": (WeChatConnector, "commit", "before", ""),
    "after the call": (WeChatConnector, "commit", "after", ""),
    "before the outcome": (Runner, "system", "before", "RecordOutcome"),
    "after the outcome": (Runner, "system", "after", "RecordOutcome"),
    "follow": (WeChatConnector, "follow", "after", ""),
    "inside a commit, before the row": (LogStore, "append", "before", ""),
    "inside a commit, after the row": (LogStore, "append", "after", ""),
    "inside a commit, before the copy": (CheckpointCopies, "append", "before", ""),
    "inside a commit, before the copy is durable": (CheckpointCopies, "sync", "before", ""),
    "after a whole commit": (BlobFirstWriter, "commit", "after", ""),
}
"""Every point a child can die at: class, method, before or after it, and for `Runner.system` which command."""


def die() -> None:
    """End this process as the kernel's memory killer would."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, skip: int) -> None:
    """Make the `skip`-th next passage of a point deadly."""
    owner, name, when, command = POINTS[point]
    real = getattr(owner, name)
    left = [skip]

    def meets(arguments: tuple[Any, ...]) -> bool:
        if command and type(arguments[1]).__name__ != command:
            return False
        left[0] -= 1
        return left[0] < 0

    async def waits(*arguments: Any, **named: Any) -> Any:
        hit = meets(arguments)
        if hit and when == "before":
            die()
        result = await real(*arguments, **named)
        if hit:
            die()
        return result

    def plain(*arguments: Any, **named: Any) -> Any:
        hit = meets(arguments)
        if hit and when == "before":
            die()
        result = real(*arguments, **named)
        if hit:
            die()
        return result

    setattr(owner, name, waits if asyncio.iscoroutinefunction(real) else plain)


async def main(folder: Path, point: str, seconds: float, publications: list[str]) -> None:
    """Open the deployment, let its timers send, and stay until everything named rests or the time is over."""
    async with open_house(folder, {"wechat": WeChatConnector()}) as house:
        if point:
            name, _, skip = point.partition("@")
            arm(name, int(skip or 0))
        async with asyncio.timeout(seconds):
            while any(house.state.publications[one].state not in RESTING for one in publications):
                await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
