"""The log's disk failing, read-only and hanging under the running system, by the kernel's own answers: status 75, a new process, sent at most once.

The faults are put into the running enforcer's system calls on the log's file with strace(1), so that all that is ours is the real thing.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from gateway.enforcer.app import EXIT_LOG
from gateway.protocol.entries import EntryType
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.house import House, article, verdict
from tests.gateway.enforcer.process import SUBMIT, Served, Staged, logged, staged

DRAFT = "draft/add"
FAULTS = {
    "hanging": ("fsync,fdatasync", "delay_enter=15000000"),  # strace lets a process end only when its delay is over
    "read-only": ("pwrite64", "error=EROFS"),
    "failing": ("fsync,fdatasync", "error=EIO"),
}


class Held:
    """Holds the one request that a `delay` fault was armed for, until the test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def pause(self, _seconds: float) -> None:
        """Stand in for the sandbox's waiting."""
        self.reached.set()
        await self.go.wait()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Put the test in charge of how long the platform takes."""
    made = Held()
    monkeypatch.setattr("gateway.sandbox.server.pause", made.pause)
    return made


async def due(house: House) -> dict[str, str]:
    """Release one article, due at once."""
    return {"one": (await house.release(await house.submit(article(cover=house.cover()), "news")))[0]}


async def spoil(served: Served, fault: str) -> subprocess.Popen[bytes]:
    """Put a fault into every such call of the enforcer on the log's file, and return the tracer once it is in place."""
    calls, how = FAULTS[fault]
    log = served.settings.enforcer_data / "log.db-wal"
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(served.pid()), "-P", str(log), "-e", f"trace={calls}", "-e", f"inject={calls}:{how}", "-o", "/dev/null"],
        stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    said = await asyncio.to_thread(tracer.stderr.readline)
    assert b"attached" in said, said
    return tracer


async def broken_at(there: Staged, wechat: WeChat, held: Held, endpoint: str, fault: str) -> Served:
    """Serve both processes, break the log's disk while `endpoint` is being called, and return the system with its next enforcer up."""
    wechat.faults.delay(endpoint, 1)
    served = Served(there, "all")
    first = await served.up()
    await asyncio.wait_for(held.reached.wait(), 90)
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    assert children, "the keyless worker"
    tracer = await spoil(served, fault)
    held.go.set()
    await served.up(other_than=first)
    await asyncio.to_thread(tracer.communicate, timeout=60)
    await served.until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), seconds=20)
    return served


@pytest.mark.parametrize("fault", ["hanging", "read-only"])
async def test_before_the_licence_nothing_is_sent_and_the_next_process_sends_once(folder: Path, wechat: WeChat, held: Held, fault: str) -> None:
    """The draft is made and the log takes nothing more: 0 sends; the launcher starts it again, it verifies, finds the draft, and sends."""
    there = await staged(folder, wechat, due, desk={"port": 0})
    one = there.kept["one"]
    served = await broken_at(there, wechat, held, DRAFT, fault)
    try:
        await served.until(lambda: logged(there.settings, EntryType.PUBLICATION_LIVE, one))
    finally:
        said = await served.end()
    assert '"log_broken"' in said
    assert "存证写不进去" in said
    assert ("log_hung" in said) == (fault == "hanging")
    assert f"the enforcer left with status {EXIT_LOG} and is started again" in said
    assert len(wechat.ledger.effects(SUBMIT)) == 1
    assert len(wechat.ledger.effects(DRAFT)) == 1
    assert len(logged(there.settings, EntryType.PUBLICATION_DISPATCHED, one)) == 1
    assert verdict(there.settings) == []


@pytest.mark.parametrize(("fault", "kind"), [("read-only", EntryType.PUBLICATION_UNKNOWN), ("failing", EntryType.PUBLICATION_LIVE)])
async def test_after_the_send_nothing_is_sent_again_whatever_became_of_its_outcome(
    folder: Path, wechat: WeChat, held: Held, fault: str, kind: EntryType,
) -> None:
    """The platform took it, and its answer cannot be logged: unknown, and read instead of sent; or it was written in spite of the error, and stands."""
    there = await staged(folder, wechat, due, desk={"port": 0})
    one = there.kept["one"]
    served = await broken_at(there, wechat, held, SUBMIT, fault)
    try:
        await served.until(lambda: logged(there.settings, kind, one))
        await asyncio.sleep(1)
    finally:
        said = await served.end()
    assert f"the enforcer left with status {EXIT_LOG} and is started again" in said
    assert len(wechat.ledger.effects(SUBMIT)) == 1
    assert len(logged(there.settings, EntryType.PUBLICATION_DISPATCHED, one)) == 1
    assert len(logged(there.settings, kind, one)) == 1
    assert verdict(there.settings) == []
