"""The log's disk full, read-only, failing and hanging, before INTENT and after DISPATCHED: nothing is sent, or UNKNOWN; then recovery."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import canonical
from gateway.enforcer.blobs import BlobAltered, BlobMissing, BlobStore
from gateway.enforcer.reserve import AMPLE, COPY_LOW, COPY_NOTHING, LOW, RECENT, STALE, RecentRoom, Reserve
from gateway.log.copies import CheckpointCopies
from gateway.log.errors import LogUnavailable
from gateway.log.store import RESERVE, LogStore
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import CommandRef, EntryType
from tests.gateway.enforcer.house import House, article, found_house, open_house
from tests.gateway.enforcer.process import logged
from tests.gateway.enforcer.scripted import Scripted


def _full(*_arguments: Any, **_named: Any) -> None:
    raise LogUnavailable("log_unavailable", "database or disk is full")


def _sqlite_full(*_arguments: Any, **_named: Any) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def _eio_after(real: Callable[..., None]) -> Callable[..., None]:
    def fail(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)  # the row is there, and SQLite says otherwise
        raise sqlite3.OperationalError("disk I/O error")

    return fail


def _hang(*_arguments: Any, **_named: Any) -> None:
    time.sleep(1.5)
    raise OSError("gone")


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "full": lambda patched: patched.setattr(LogStore, "_transact", _sqlite_full),
    "eio though written": lambda patched: patched.setattr(LogStore, "_transact", _eio_after(LogStore._transact)),
    "read-only copy": lambda patched: patched.setattr(CheckpointCopies, "append", _full),
    "copy not durable": lambda patched: patched.setattr(CheckpointCopies, "sync", _full),
    "hanging": lambda patched: patched.setattr(LogStore, "_transact", _hang),
}


class Breaking:
    """A staffed house over a deployment in a folder, opened as often as needed."""

    def __init__(self, folder: Path, scripted: Scripted) -> None:
        self.folder, self.scripted = folder, scripted
        self.broke: list[LogUnavailable] = []

    def open(self, **more: Any) -> Any:
        """Open it; what breaks the log is collected."""
        return open_house(self.folder, {"wordpress": self.scripted}, on_broken=self.broke.append, commit_deadline=0.5, **more)


@pytest.fixture
def breaking(tmp_path: Path, scripted: Scripted) -> Breaking:
    """Return the place of a house that will break."""
    return Breaking(tmp_path, scripted)


async def prepared(breaking: Breaking, house: House) -> str:
    """Staff a house whose timers stand still and return a released publication."""
    await house.staff()
    await house.add_channel("news", "wordpress", "board1", {"key": "k"})
    await house.lifecycle._stop_timers()
    return (await house.release(await house.submit(article(cover=house.cover()), "news")))[0]


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_log_that_fails_before_the_intent_lets_nothing_out(breaking: Breaking, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """J12, before: 0 calls to the platform, the process is told to leave, and after a start everything goes on and is sent once."""
    founded = found_house(breaking.folder)
    async with breaking.open(codes=founded.codes) as house:
        publication = await prepared(breaking, house)
        with monkeypatch.context() as patched:
            FAULTS[fault](patched)
            with suppress(LogUnavailable):
                await house.parts.gate.send(publication)
            await asyncio.sleep(0.05 if fault != "hanging" else 1.6)
        assert breaking.scripted.calls.count("commit") == 0
        assert breaking.broke
        with pytest.raises(LogUnavailable):
            await house.runner.system(c.TakeCounters(counts={"x": 1}))
    licensed = bool(logged(founded.settings, EntryType.PUBLICATION_DISPATCHED, publication))
    assert not licensed or fault == "copy not durable"  # there the copy may also fail a second after the intent, where the machine is slow
    async with breaking.open() as house:
        assert await house.until(publication, "live", "absent") == ("absent" if licensed else "live")
        assert house.count_of(EntryType.PUBLICATION_INTENDED, publication) == 1
    assert breaking.scripted.calls.count("commit") <= 1


@pytest.mark.parametrize("fault", ["full", "eio though written", "read-only copy", "hanging"])
async def test_a_log_that_fails_before_the_outcome_leaves_it_unknown(breaking: Breaking, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """J12, after: sent once, halted, and UNKNOWN at the next start (or the outcome, where it had been written); never sent again."""
    founded = found_house(breaking.folder)
    async with breaking.open(codes=founded.codes) as house:
        publication = await prepared(breaking, house)
        real = breaking.scripted.commit

        async def then_break(*arguments: Any) -> Any:
            outcome = await real(*arguments)
            FAULTS[fault](monkeypatch)
            return outcome

        monkeypatch.setattr(breaking.scripted, "commit", then_break)
        with pytest.raises(LogUnavailable):
            await house.parts.gate.send(publication)
        await asyncio.sleep(1.6 if fault == "hanging" else 0)
        assert breaking.broke
        assert house.publication_state(publication) is PublicationState.DISPATCHED
    monkeypatch.undo()
    breaking.scripted.settled = _undecided()
    async with breaking.open() as house:
        state = await house.until(publication, "unknown", "live")
        assert state == ("unknown" if fault in {"full", "hanging"} else "live")
        await asyncio.sleep(0.4)
        assert house.count_of(EntryType.PUBLICATION_DISPATCHED, publication) == 1
    assert breaking.scripted.calls.count("commit") == 1


def _undecided() -> Any:
    from gateway.connectors.base import Undecided

    return Undecided(reason="people", again_after=None)


async def test_the_same_command_again_is_done_once_whatever_became_of_the_first(breaking: Breaking, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 `log_unavailable`, then the same command id after the restart: one submission, whether the first was written or not."""
    founded = found_house(breaking.folder)
    for fault in ("full", "eio though written"):
        async with breaking.open(codes=founded.codes if fault == "full" else ()) as house:
            if fault == "full":
                await prepared(breaking, house)
            request = _freeze(house, fault)
            with monkeypatch.context() as patched:
                FAULTS[fault](patched)
                with pytest.raises(LogUnavailable):
                    await house.runner.submit(request)
        async with breaking.open() as house:
            first = await house.runner.submit(request)
            again = await house.runner.submit(request)
            assert (first.seq, first.object) == (again.seq, again.object)
            assert again.entries == ()
            assert sum(e.command is not None and e.command.id == f"cmd-{fault}" for e in house.entries(EntryType.FREEZE_SET)) == 1
            with pytest.raises(Denied) as denied:
                await house.runner.submit(Request(
                    command=request.command, actor=request.actor, grade=request.grade, ref=CommandRef(f"cmd-{fault}", canonical.sha256(b"other"))))
            assert denied.value.code == "command_reused"


def _freeze(house: House, name: str) -> Request:
    command = c.Freeze(scope="all", target="", reason=house.parts.values.commit("舆情"))
    return Request(command=command, actor=house.people["fang"], grade=Grade.COUNTER, ref=CommandRef(f"cmd-{name}", canonical.sha256(b"body")))


async def test_whoever_waits_when_the_log_breaks_is_told(hand: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of the feed and repeats of a queued command hear of it at once, and those that come later too."""
    waiting = asyncio.create_task(hand.runner.wait_change())
    await asyncio.sleep(0)
    monkeypatch.setattr(LogStore, "_transact", _sqlite_full)
    with pytest.raises(LogUnavailable):
        await hand.runner.system(c.TakeCounters(counts={"x": 1}))
    for late in (waiting, hand.runner.wait_change(), hand.runner.wait_durable(hand.state.size + 5)):
        with pytest.raises(LogUnavailable):
            await late


async def test_an_entry_that_never_becomes_durable_is_said(hand: House) -> None:
    """Waiting for somebody else's commit has an end."""
    with pytest.raises(LogUnavailable) as error:
        await hand.runner.wait_durable(hand.state.size + 5, timeout=0.05)
    assert error.value.code == "log_hung"


# ---- the reserve


class Disk:
    """Two disks whose free bytes the test sets: the log's, and the copy's."""

    def __init__(self, free: int) -> None:
        self.free = self.copy = free

    def __call__(self, folder: Path) -> int:
        return self.copy if folder.name == "copies" else self.free


@pytest.fixture
def disk(hand: House) -> Disk:
    """Give the house disks whose free bytes the test sets."""
    made = Disk(1 << 40)
    assert hand.parts.settings.copies.parent.name == "copies"
    hand.runner.reserve = Reserve(hand.runner.parts.store, hand.parts.settings.copies, free=made, recent=0.0)
    return made


async def test_on_a_full_disk_only_stopping_and_taking_down_goes_on(hand: House, scripted: Scripted, disk: Disk) -> None:
    """Nearly full: submissions and sends wait in plain words, a withdrawal of what is live passes from end to end, then room brings all back."""
    live = (await hand.release(await hand.submit(article(cover=hand.cover()), "news")))[0]
    await hand.parts.gate.send(live)
    held = (await hand.release(await hand.submit(article(title="二", cover=hand.cover()), "news")))[0]
    gone = (await hand.release(await hand.submit(None, "news", operation="withdraw", previous=live)))[0]
    reserve = hand.parts.settings.enforcer_data / "log.db.reserve"
    assert reserve.stat().st_size == RESERVE
    disk.free = LOW - 1
    with pytest.raises(Denied) as denied:
        await hand.submit(article(title="三", cover=hand.cover()), "news")
    assert (denied.value.code, denied.value.words.status) == ("log_unavailable", 503)
    assert reserve.exists()
    await hand.parts.gate.send(held)
    assert hand.publication_state(held) is PublicationState.HELD
    await hand.do(c.Freeze(scope="submission", target=hand.state.publications[held].submission, reason=hand.parts.values.commit("满")),
                  "fang", Grade.COUNTER)
    assert not reserve.exists()
    disk.free = RESERVE
    with pytest.raises(Denied):
        await hand.submit(article(title="三", cover=hand.cover()), "news")
    await hand.parts.gate.send(gone)
    assert hand.publication_state(gone) is PublicationState.GONE
    assert scripted.board == {}
    assert not hand.runner.reserve.keep()
    disk.free = 1 << 40
    assert hand.runner.reserve.keep()
    assert reserve.stat().st_size == RESERVE
    await hand.submit(article(title="三", cover=hand.cover()), "news")


async def test_without_room_for_the_copy_nothing_is_begun_that_its_line_would_break(hand: House, scripted: Scripted, disk: Disk) -> None:
    """The copy's disk nearly full: as with the log's, and the log's reserve stays; no room for a line: stops wait too, what has happened is logged."""
    live = (await hand.release(await hand.submit(article(cover=hand.cover()), "news")))[0]
    await hand.parts.gate.send(live)
    held = (await hand.release(await hand.submit(article(title="二", cover=hand.cover()), "news")))[0]
    freeze = c.Freeze(scope="submission", target=hand.state.publications[held].submission, reason=hand.parts.values.commit("满"))
    reserve = hand.parts.settings.enforcer_data / "log.db.reserve"
    disk.copy = COPY_LOW - 1
    assert hand.runner.reserve.lacking == "copy"
    with pytest.raises(Denied) as denied:
        await hand.submit(article(title="三", cover=hand.cover()), "news")
    assert denied.value.code == "log_unavailable"
    await hand.parts.gate.send(held)
    assert hand.publication_state(held) is PublicationState.HELD
    await hand.do(freeze, "fang", Grade.COUNTER)
    hand.runner.reserve.make_room()
    assert reserve.exists()
    disk.copy = COPY_NOTHING - 1
    size = hand.state.size
    with pytest.raises(Denied) as denied:
        await hand.do(c.Stop(publication=held), "fang", Grade.COUNTER)
    assert (denied.value.code, hand.state.size) == ("log_unavailable", size)
    await hand.runner.system(c.RecordDrift(publication=live, observed=canonical.sha256(b"x")))
    assert hand.state.size == size + 1
    disk.copy = 1 << 40
    await hand.do(c.Stop(publication=held), "fang", Grade.COUNTER)
    assert scripted.calls.count("commit") == 1


async def test_where_nothing_can_be_written_the_reserve_makes_room_for_a_page(hand: House, disk: Disk) -> None:
    """Signing in comes before a stop, and writes; a disk that does not say how full it is costs no reserve."""
    reserve = hand.parts.settings.enforcer_data / "log.db.reserve"
    hand.runner.reserve.make_room()
    hand.runner.reserve = Reserve(hand.runner.parts.store, hand.parts.settings.copies, free=_gone, recent=0.0)
    hand.runner.reserve.make_room()
    assert hand.runner.reserve.lacking == "silent"
    assert reserve.exists()
    disk.free = 0
    hand.runner.reserve = Reserve(hand.runner.parts.store, hand.parts.settings.copies, free=disk, recent=0.0)
    hand.runner.reserve.make_room()
    assert not reserve.exists()


def _gone(_folder: Path) -> int:
    raise FileNotFoundError


async def test_a_disk_that_hangs_holds_up_nobody_and_counts_as_one_without_room(hand: House) -> None:
    """Asked in a thread and waited for once: then ordinary commands are refused at once, a stop is tried, reading goes on, and its answer ends it."""
    answer, asked = threading.Event(), [0]

    def hangs(folder: Path) -> int:
        if folder.name == "copies":
            asked[0] += 1
            answer.wait()
        return 1 << 40

    held = (await hand.release(await hand.submit(article(cover=hand.cover()), "news")))[0]
    hand.runner.reserve = Reserve(hand.runner.parts.store, hand.parts.settings.copies, free=hangs, patience=0.01, recent=0.0)
    try:
        for _ in range(3):
            with pytest.raises(Denied) as denied:
                await hand.submit(article(title="二", cover=hand.cover()), "news")
            assert denied.value.code == "log_unavailable"
        assert hand.runner.reserve.lacking == "silent"
        assert asked == [1], "one thread waits for it, however often it is asked"
        await hand.do(c.Stop(publication=held), "fang", Grade.COUNTER)
        assert hand.publication_state(held) is PublicationState.STOPPED
    finally:
        answer.set()
    while hand.runner.reserve.low:  # it has answered, and is believed again
        await asyncio.sleep(0.01)


async def test_refusals_are_not_logged_on_a_full_disk(hand: House, disk: Disk) -> None:
    """Room that is left is not spent on attempts."""
    disk.free = 0
    assert await hand.runner.refused(Denied("no_office"), actor=hand.people["lu"], source="counter", about="x") is None


async def test_a_reserve_that_cannot_be_made_is_no_fault(hand: House, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again later."""
    hand.runner.reserve.give_up()
    hand.runner.reserve.give_up()
    monkeypatch.setattr(LogStore, "reserve", _full)
    assert not hand.runner.reserve.keep()
    assert disk.free


async def test_a_start_on_a_full_disk_gives_the_reserve_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even opening the log takes a little room; the start makes it, and says no to everything but stopping."""
    found_house(tmp_path)
    monkeypatch.setattr("gateway.enforcer.startup.free_bytes", lambda _folder: LOW - 1)
    async with open_house(tmp_path, {}) as house:
        assert not (house.parts.settings.enforcer_data / "log.db.reserve").exists()


# ---- blobs


def test_a_blob_that_cannot_be_written_is_not_filed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of a blob leaves nothing under its digest, and is told as the log's unavailability."""
    blobs = BlobStore(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _no_space)
        with pytest.raises(LogUnavailable):
            blobs.put(b"content")
    digest = canonical.sha256(b"content")
    assert not blobs.has(digest)
    with pytest.raises(BlobMissing):
        blobs.get(digest)
    assert blobs.put(b"content") == digest
    assert blobs.put(b"content") == digest
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [digest.removeprefix("sha256:")]
    blobs._path(digest).write_bytes(b"other")
    with pytest.raises(BlobAltered):
        blobs.get(digest)


def _no_space(_handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_ample_room_is_measured_now_and_then_and_little_room_each_time(tmp_path: Path) -> None:
    """A measurement of ample room is believed for a while, then for a little longer while a new one is made; one of less is not believed at all."""
    moment, free, measured, begun, go_on = [0.0], [AMPLE], [0], threading.Event(), threading.Event()

    def measure(_folder: Path) -> int:
        measured[0] += 1
        begun.set()
        go_on.wait()
        return free[0]

    room = RecentRoom(tmp_path, measure=measure, moment=lambda: moment[0], patience=30)
    go_on.set()
    assert room.free() == AMPLE
    free[0] = 0
    assert (room.free(), measured[0]) == (AMPLE, 1)
    begun.clear()
    go_on.clear()
    moment[0] += RECENT
    assert (room.free(), room.free()) == (AMPLE, AMPLE), "nobody waits for what is measured behind"
    assert begun.wait(30)
    go_on.set()
    assert room._answered.wait(30)
    assert (room.free(), measured[0]) == (0, 3)
    free[0] = AMPLE
    assert room.free() == AMPLE
    moment[0] += RECENT * STALE
    free[0] = 1
    assert room.free() == 1, "what is old is waited for"


def test_without_a_thread_to_ask_there_is_no_room_and_the_next_call_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit of threads the system gives none: nothing is begun meanwhile, and nothing stays shut when there is one again."""
    room = RecentRoom(tmp_path, measure=lambda _folder: AMPLE)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        assert [room.free(), room.free()] == [None, None]
    assert room.free() == AMPLE


def _no_thread(_self: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
