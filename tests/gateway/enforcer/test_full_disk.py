"""A disk that is really full (a small tmpfs) under a real enforcer process: nothing is sent, stopping goes on, and room brings everything back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import commands
from gateway.enforcer.reserve import COPY_LOW, LOW
from gateway.log.store import RESERVE
from gateway.machine.state import PublicationState
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.house import House, article, verdict
from tests.gateway.enforcer.process import OK, SEE_OTHER, SUBMIT, UNAVAILABLE, Served, logged, staged

SIZE = RESERVE + 8 * LOW


class Disk:
    """A small disk of its own for the data; full means that not one more byte fits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def free(self) -> int:
        """Return the bytes that are free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all room but `leave` bytes."""
        handle = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while (more := self.free() - leave) > 0:
                os.write(handle, bytes(min(more, 1 << 20)))
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Give the room back."""
        self._filler.unlink()

    def remount(self, how: str) -> None:
        """Mount it again, `ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True, capture_output=True, timeout=30)


@contextmanager
def mounted(size: int) -> Iterator[Disk]:
    """Mount a tmpfs that other users may pass through; where that is not allowed the test fails."""
    folder = Path(tempfile.mkdtemp(prefix="qianfa-disk-", dir="/var/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)], check=True, capture_output=True, timeout=30)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True, timeout=30)
        shutil.rmtree(folder)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Mount the disk for the data."""
    with mounted(SIZE) as made:
        yield made


@pytest.fixture
def other() -> Iterator[Disk]:
    """Mount another disk, for the checkpoint copy."""
    with mounted(4 * COPY_LOW) as made:
        yield made


async def waiting(house: House) -> dict[str, str]:
    """Release two publications for tomorrow."""
    at = instants.plus(house.runner.now(), 86_400)
    made = [await house.release(await house.submit(article(title=name, cover=house.cover()), "news", scheduled=at)) for name in ("甲", "乙")]
    return {"one": made[0][0], "two": made[1][0]}


async def test_on_a_full_disk_stopping_works_from_the_reserve_and_room_brings_the_rest_back(disk: Disk, wechat: WeChat) -> None:
    """Not a byte left: uploads are refused in words on every face, a stop and a freeze with its reason are logged; then again as before, same process."""
    there = await staged(disk.folder, wechat, waiting)
    reserve = there.settings.enforcer_data / "log.db.reserve"
    async with Served(there) as served:
        pid = served.pid()
        assert served.metrics("/readyz")[0] == OK
        assert "qianfa_disk_low 0.0" in served.metrics()[1]
        assert served.desk("PUT", "/v1/blob", b"before")[0] == OK
        disk.fill()
        status, said = served.desk("PUT", "/v1/blob", b"more")
        assert (status, "存证暂时写不进去" in said) == (UNAVAILABLE, True)
        assert served.counter("GET", "/s/stops")[0] == OK
        assert served.counter("POST", "/s/freeze", "scope=all&reason=%E8%88%86%E6%83%85")[0] == SEE_OTHER
        assert not reserve.exists()
        assert served.counter("POST", "/s/stop", f"publication={there.kept['one']}")[0] == SEE_OTHER
        told = await served.told()
        assert (told["state"], told["freezes"], told["disk_low"]) == ("degraded", 1, True)
        assert "qianfa_disk_low 1.0" in served.metrics()[1]
        assert served.metrics("/readyz")[0] == UNAVAILABLE
        disk.fill()  # the reserve as well
        status, said = served.counter("POST", "/s/freeze", "scope=all&reason=x")
        assert (status, "存证暂时写不进去" in said) == (UNAVAILABLE, True)
        disk.clear()
        await served.until(lambda: served.status()["state"] == "ok" and reserve.exists() and reserve.stat().st_size == RESERVE)
        assert served.desk("PUT", "/v1/blob", b"after")[0] == OK
        assert served.counter("POST", "/s/freeze", "scope=all&reason=x")[0] == SEE_OTHER
        assert served.pid() == pid
    assert not wechat.ledger.effects(SUBMIT)
    assert len(logged(there.settings, EntryType.PUBLICATION_STOPPED, there.kept["one"])) == 1
    assert verdict(there.settings) == []


async def test_on_a_full_disk_of_the_copy_nothing_breaks_and_room_brings_all_back(disk: Disk, other: Disk, wechat: WeChat) -> None:
    """Little room there: refused in words, a stop passes; none: the stop is refused too; with room all goes on, in the same process."""
    there = await staged(disk.folder, wechat, waiting, copies=other.folder / "copies" / "checkpoints")
    async with Served(there) as served:
        pid = served.pid()
        other.fill(leave=COPY_LOW // 2)
        told = await served.until(lambda: (said := served.status())["disk_low"] and said)
        assert (told["state"], told["disk"]) == ("degraded", "copy")
        status, said = served.desk("PUT", "/v1/blob", b"more")
        assert (status, "存证暂时写不进去" in said) == (UNAVAILABLE, True)
        assert served.counter("POST", "/s/stop", f"publication={there.kept['one']}")[0] == SEE_OTHER
        assert (there.settings.enforcer_data / "log.db.reserve").exists()
        other.fill()
        status, said = served.counter("POST", "/s/stop", f"publication={there.kept['two']}")
        assert (status, "存证暂时写不进去" in said) == (UNAVAILABLE, True)
        other.clear()
        await served.until(lambda: served.status()["state"] == "ok")
        assert served.counter("POST", "/s/stop", f"publication={there.kept['two']}")[0] == SEE_OTHER
        assert served.pid() == pid
    assert not wechat.ledger.effects(SUBMIT)
    assert len(logged(there.settings, EntryType.PUBLICATION_STOPPED)) == 2
    assert verdict(there.settings) == []


async def due(house: House) -> dict[str, str]:
    """One article live; another released, and the first one's withdrawal released, both due at once."""
    live = (await house.release(await house.submit(article(title="已发的", cover=house.cover()), "news")))[0]
    await house.parts.gate.send(live)
    async with asyncio.timeout(60):
        while house.publication_state(live) is PublicationState.PENDING:
            await house.parts.followup._follow(house.state.publications[live])
            await asyncio.sleep(0.02)  # each look counts towards the platform's quota
    assert house.publication_state(live) is PublicationState.LIVE
    held = (await house.release(await house.submit(article(title="等着的", cover=house.cover()), "news")))[0]
    gone = (await house.release(await house.submit(None, "news", operation="withdraw", previous=live)))[0]
    return {"held": held, "gone": gone}


async def test_a_start_on_a_nearly_full_disk_takes_down_and_sends_nothing_until_there_is_room(disk: Disk, wechat: WeChat) -> None:
    """What is due waits, a withdrawal passes; with room it goes out once, without a restart."""
    there = await staged(disk.folder, wechat, due)
    held, gone = there.kept["held"], there.kept["gone"]
    disk.fill(leave=LOW // 2)
    async with Served(there) as served:
        await served.until(lambda: logged(there.settings, EntryType.PUBLICATION_GONE, gone))
        assert (await served.told())["disk_low"]
        assert len(wechat.ledger.effects(SUBMIT)) == 1
        assert not logged(there.settings, EntryType.PUBLICATION_INTENDED, held)
        disk.clear()
        await served.until(lambda: logged(there.settings, EntryType.PUBLICATION_LIVE, held))
    assert len(wechat.ledger.effects(SUBMIT)) == 2
    assert len(logged(there.settings, EntryType.PUBLICATION_DISPATCHED, held)) == 1
    assert verdict(there.settings) == []


async def test_a_start_with_a_full_disk_of_the_copy_serves_sealed_and_opens_by_itself_when_there_is_room(
    disk: Disk, other: Disk, wechat: WeChat,
) -> None:
    """Not a byte for the copy, its last line torn and missing: it starts, says why it is not ready, lets nobody unseal; room, and what is due goes out once."""
    there = await staged(disk.folder, wechat, due, copies=other.folder / "copies" / "checkpoints")
    held, copies = there.kept["held"], there.settings.copies
    os.truncate(copies, copies.stat().st_size - 40)
    other.fill()
    async with Served(there) as served:
        pid, size = served.pid(), copies.stat().st_size
        told = await served.told()
        assert (told["state"], told["by"], told["disk"]) == ("sealed", "start", "copy")
        status, said = served.metrics("/readyz")
        assert (status, json.loads(said)["state"], json.loads(said)["disk"]) == (UNAVAILABLE, "sealed", "copy")
        assert "打不开密钥库" in "\n".join(commands.status_lines(told))
        secret = {"kind": "key_file", "path": str(there.settings.key_file)}
        with pytest.raises(commands.CommandFailed, match="存证暂时写不进去"):
            await asyncio.to_thread(commands.admin, there.settings, "POST", "/v1/vault/unseal", secret)
        assert copies.stat().st_size == size
        other.clear()
        await served.until(lambda: logged(there.settings, EntryType.PUBLICATION_LIVE, held))
        assert (await served.told())["state"] == "ok"
        assert served.pid() == pid
    assert len(wechat.ledger.effects(SUBMIT)) == 2
    assert len(logged(there.settings, EntryType.PUBLICATION_DISPATCHED, held)) == 1
    assert verdict(there.settings) == []


async def test_a_disk_that_is_read_only_at_the_start_is_said_and_nothing_runs(disk: Disk, wechat: WeChat) -> None:
    """No process half up: it leaves in plain words; writable again, the same command starts it and what was due goes out once."""
    there = await staged(disk.folder, wechat, due)
    disk.remount("ro")
    refused = Served(there)
    said = await refused.end() if refused.process.wait(60) else ""
    assert "Read-only file system" in said
    assert "Traceback" not in said
    disk.remount("rw")
    async with Served(there) as served:
        await served.until(lambda: logged(there.settings, EntryType.PUBLICATION_LIVE, there.kept["held"]))
    assert len(wechat.ledger.effects(SUBMIT)) == 2
