"""Start with two processes: the same verdicts as with one, and none at all when the second is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.enforcer import building, reading, startup
from gateway.enforcer.reading import Reader, serve, worth_it
from gateway.enforcer.startup import LogRefused, Started, start
from gateway.log import audit
from gateway.log.checkpoint import KeyChain, LogKey, Signer, parse_vkey, rotation_data
from gateway.log.copies import CheckpointCopies
from gateway.log.errors import LogUnavailable
from gateway.log.merkle import Tree
from gateway.log.store import LogStore
from gateway.log.writer import LogWriter
from gateway.protocol.entries import LIMIT, Entry
from gateway.protocol.instants import EPOCH_START, Instant
from tests.gateway.enforcer.house import open_house
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.test_start import Closed, made

Begin = Callable[[Closed], Started]


@pytest.fixture
async def closed(tmp_path: Path) -> Closed:
    """A staffed deployment that is not running."""
    return await made(tmp_path)


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start a closed deployment's log with two processes; what was opened is closed, and no child is left behind."""
    children: list[int] = []
    with ExitStack() as opened:

        def begun(closed: Closed) -> Started:
            with ExitStack() as now:
                reader = Reader.fork()
                now.callback(reader.close)
                children.append(reader.pid)
                started = start(closed.log, closed.settings.copies, closed.settings.log_key, reader=reader)
            opened.callback(started.parts.store.close)
            opened.callback(started.parts.copies.close)
            return started

        yield begun
    for pid in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def refused(begin: Begin, closed: Closed) -> LogRefused:
    """Start it with two processes and return why it stays down, which one process says in the same words."""
    with pytest.raises(LogRefused) as two:
        begin(closed)
    with pytest.raises(LogRefused) as one:
        start(closed.log, closed.settings.copies, closed.settings.log_key)
    assert (two.value.zh, two.value.en) == (one.value.zh, one.value.en)
    return two.value


async def test_two_processes_come_to_the_same_as_one(closed: Closed, begin: Begin) -> None:
    """State, tip, tree, checkpoint, chain and report are equal; what was read is whole."""
    two = begin(closed)
    one = start(closed.log, closed.settings.copies, closed.settings.log_key)
    one.parts.store.close()
    one.parts.copies.close()
    assert two.report.ok
    assert asdict(two.state) == asdict(two.tip) == asdict(one.state)
    assert two.state.size == two.report.size == one.report.size > 0
    assert list(two.parts.tree.levels()) == list(one.parts.tree.levels())
    assert (two.report.checkpoint, two.report.note) == (one.report.checkpoint, one.report.note)
    assert two.parts.chain.keys == one.parts.chain.keys
    assert two.parts.fence != one.parts.fence


@pytest.mark.parametrize("batch", [1, 600, 2_000])
async def test_more_batches_than_slots_come_in_order(closed: Closed, begin: Begin, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """Each slot is filled again only after what was in it has been applied: the state is that of one process, whatever a batch holds."""
    monkeypatch.setattr(reading, "_BATCH", batch)
    monkeypatch.setattr(reading, "_SLOTS", 2)
    two = begin(closed)
    one = start(closed.log, closed.settings.copies, closed.settings.log_key)
    one.parts.store.close()
    one.parts.copies.close()
    assert asdict(two.state) == asdict(one.state)
    assert two.state.size == one.report.size > 2


async def test_a_slow_reader_is_waited_for(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process stops at a full ring, and goes on with the bodies that came after it."""
    monkeypatch.setattr(reading, "_BATCH", 1)
    monkeypatch.setattr(reading, "_SLOTS", 2)
    reader = Reader.fork()
    seen: list[bytes] = []

    def follow(lines: bytes, count: int) -> None:
        time.sleep(0.01)
        seen.append(lines)
        assert count == 1

    try:
        report = reader.report(closed.log, parse_vkey(closed.settings.log_key), copies=closed.settings.copies, total=0, follow=follow)
    finally:
        reader.close()
    with LogStore.open(closed.log) as store:
        assert b"".join(seen) == b"".join(body + b"\n" for body in store.read(0))
    assert report.size == len(seen)


async def test_the_longest_entries_fit_a_slot() -> None:
    """A batch that is one byte short takes one more body of the greatest length, with all its line feeds."""
    orders, ours = multiprocessing.Pipe(duplex=False)
    answers, told = multiprocessing.Pipe(duplex=False)
    batch = reading._Batch(orders, told, slots := reading.shared())
    bodies = [b"a", b"", b"b" * (LIMIT - 4), b"c" * LIMIT]
    for body in bodies:
        batch.add(body)
    batch.send()
    ours.close()
    start, length, count = reading._PLACE.unpack_from(answers.recv_bytes(), 1)
    assert slots[start : start + length] == b"\n".join(bodies) + b"\n"
    assert count == len(bodies)
    assert not answers.poll()


def test_a_last_entry_that_cannot_be_read_forgets_nothing(tmp_path: Path) -> None:
    """What the database ends with is not judged yet: any bytes there are taken, and say at most from when on commands are kept."""
    last = Entry(0, "unit.added", Instant("2026-11-23T01:00:00.000Z"), "system", "u", None, {})
    for at, expected in (("2026-11-23T01:00:00.000Z", "2026-11-21T01:00:00.000Z"), ("0001-01-01T00:00:00.000Z", EPOCH_START), ("soon", EPOCH_START)):
        with LogStore.open(tmp_path / f"{at}.db") as store:
            assert startup._forget_before(store) == EPOCH_START
            store.append([msgspec.structs.replace(last, at=Instant(at)).to_bytes()], expected_size=0, fence=store.take_fence(), note="", epoch="e", leaves=b"")
            assert startup._forget_before(store) == expected


@pytest.mark.parametrize(("statement", "place"), [
    ("UPDATE entries SET body = replace(body, 'unit.added', 'unit.Added') WHERE seq = 1", "1"),
    ("UPDATE entries SET body = substr(body, 1, 40) || X'0A' || substr(body, 42) WHERE seq = 5", "5"),
    ("UPDATE entries SET body = zeroblob(70000) WHERE seq = 6", "6"),
    ("DELETE FROM entries WHERE seq = 7", "7"),
    ("UPDATE checkpoints SET note = X'ff00ff', epoch = 7, leaves = 'text' WHERE size = (SELECT min(size) FROM checkpoints)", "8"),
    ("DELETE FROM entries WHERE seq >= 20", "20"),
])
async def test_what_was_changed_is_named_by_two_processes_as_by_one(closed: Closed, begin: Begin, statement: str, place: str) -> None:
    """J1–J4 at a start with two processes: each byte is still hashed, and the same place stands in both languages."""
    closed.sql(statement)
    why = refused(begin, closed)
    for text in (why.zh, why.en):
        assert place in text


async def test_an_altered_copy_is_named_by_two_processes_as_by_one(closed: Closed, begin: Begin) -> None:
    """Each line of the copy is still looked at."""
    lines = closed.settings.copies.read_text().splitlines(keepends=True)
    at = lines[3].rindex('\\n"') - 10
    lines[3] = lines[3][:at] + ("A" if lines[3][at] != "A" else "B") + lines[3][at + 1:]
    closed.settings.copies.write_text("".join(lines))
    refused(begin, closed)


async def test_an_entry_of_a_later_version_is_said(closed: Closed, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed and cannot be applied keeps it down with the entry's number, also where many entries come at once."""
    monkeypatch.delitem(startup.machine.APPLY, "vault.changed")
    assert "later version" in refused(begin, closed).en


@pytest.mark.parametrize("when", ["before it is told", "before the first entry", "before its report", "before the tree"])
async def test_a_second_process_that_is_killed_means_no_start(closed: Closed, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """The log was not verified: nothing starts, the words say by what it ended, and nothing of it is left."""

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as there:
        if when == "before the first entry":
            there.setattr(reading._Batch, "send", kill)
        elif when == "before its report":
            there.setattr(reading, "_tell", kill)
        elif when == "before the tree":
            there.setattr(Tree, "levels", kill)
        reader = Reader.fork()
    if when == "before it is told":
        os.kill(reader.pid, signal.SIGKILL)
    try:
        with pytest.raises(LogRefused) as found:
            start(closed.log, closed.settings.copies, closed.settings.log_key, reader=reader)
    finally:
        reader.close()
    assert "signal 9" in found.value.zh
    assert "signal 9" in found.value.en
    assert not Path(f"/proc/{reader.pid}").exists()
    assert startup_works(closed)


def startup_works(closed: Closed) -> bool:
    """Return whether one process starts the same log, and close it."""
    started = start(closed.log, closed.settings.copies, closed.settings.log_key)
    started.parts.store.close()
    started.parts.copies.close()
    return started.report.ok


async def test_a_second_process_that_fails_says_what_it_was(closed: Closed, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody expected reaches the one who waits, by its kind."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(reading.audit, "verify_log", broken)
    with pytest.raises(LogRefused) as found:
        begin(closed)
    assert "ZeroDivisionError" in found.value.en


async def test_what_cannot_be_read_there_is_unavailable_here(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that cannot be read is said with the same word as with one process."""
    reader = Reader.fork()
    store = LogStore.open(closed.log)
    try:
        with pytest.raises(LogUnavailable) as found:
            reader.report(closed.log, _key(closed), copies=closed.folder, total=1, follow=lambda _lines, _count: None)
    finally:
        reader.close()
        store.close()
    assert found.value.code == "copy_unreadable"
    assert str(found.value).count("copy_unreadable") == 1


def _key(closed: Closed) -> LogKey:
    return startup.parse_vkey(closed.settings.log_key)


async def test_what_the_second_process_says_is_not_taken_on_trust(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tree, another note, another rotation than the log's own: this process looks for itself and does not start."""

    def told(change: Callable[[audit.AuditReport], None]) -> str:
        def altered(*arguments: object, **named: object) -> audit.AuditReport:
            report = verify(*arguments, **named)
            change(report)
            return report

        verify = audit.verify_log
        with monkeypatch.context() as patched:
            patched.setattr(reading.audit, "verify_log", altered)
            reader = Reader.fork()
        try:
            with pytest.raises(LogRefused) as found:
                start(closed.log, closed.settings.copies, closed.settings.log_key, reader=reader)
        finally:
            reader.close()
        return found.value.en

    assert "tree and checkpoint differ" in told(lambda report: setattr(report, "tree", report.tree.prefix(3)))
    assert "tree and checkpoint differ" in told(lambda report: setattr(report, "note", None))
    assert "a known key's signature is wrong" in told(lambda report: setattr(report, "note", _resigned(report.note)))
    assert "not a key rotation" in told(lambda report: report.chain.steps.append((1, {})))


def _resigned(note: str) -> str:
    """Return the note with one letter of its signature changed."""
    text, _, signature = note.rpartition(" ")
    return f"{text} {signature[:20]}{'A' if signature[20] != 'A' else 'B'}{signature[21:]}"


async def test_progress_is_told_from_nothing_to_all(closed: Closed) -> None:
    """Who waits hears how many entries of how many were replayed."""
    steps: list[tuple[int, int]] = []
    reader = Reader.fork()
    try:
        started = start(closed.log, closed.settings.copies, closed.settings.log_key, reader=reader, progress=lambda done, total: steps.append((done, total)))
    finally:
        reader.close()
    started.parts.store.close()
    started.parts.copies.close()
    assert steps[-1] == (started.state.size, started.state.size)


def _held(pid: int) -> set[str]:
    """Return what a process has open; what it closes in this moment is not open any more."""
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(one.readlink()))
    return found


def test_the_second_process_keeps_nothing_it_was_born_with(tmp_path: Path) -> None:
    """Above all not the lock on the data folder: it would outlive its owner."""
    handle = startup.hold(tmp_path)
    reader = Reader.fork()
    try:
        end = time.monotonic() + 30
        while str(tmp_path / "lock") in (held := _held(reader.pid)) and time.monotonic() < end:
            time.sleep(0.005)
        assert str(tmp_path / "lock") not in held
        os.close(handle)
        os.close(startup.hold(tmp_path))
    finally:
        reader.close()


def test_it_ends_when_nobody_listens_any_more() -> None:
    """Without its first process it has nothing to do and leaves, whether or not it was told anything."""
    orders, ours = multiprocessing.Pipe(duplex=False)
    answers, told = multiprocessing.Pipe(duplex=False)
    ours.close()
    serve(orders, told, reading.shared())
    told.close()
    with pytest.raises(EOFError):
        answers.recv_bytes()


async def test_it_ends_in_the_middle_when_nobody_listens_any_more(closed: Closed) -> None:
    """A pipe that is closed at the other end stops the reading."""
    orders, ours = multiprocessing.Pipe(duplex=False)
    answers, told = multiprocessing.Pipe(duplex=False)
    ours.send_bytes(json.dumps([str(closed.log), closed.settings.log_key, str(closed.settings.copies)]).encode())
    answers.close()
    serve(orders, told, reading.shared())


_ORPHAN = """
import os, signal, sys, time
from pathlib import Path
from gateway.enforcer.reading import Reader
from gateway.log.checkpoint import parse_vkey
reader = Reader.fork()
print(reader.pid, flush=True)
reader.report(Path(sys.argv[1]), parse_vkey(sys.argv[2]), copies=Path(sys.argv[3]), total=1, follow=lambda _lines, _count: os.kill(os.getpid(), signal.SIGKILL))
"""


async def test_no_child_outlives_a_killed_start(closed: Closed) -> None:
    """The first process is killed in the middle of a start: the second one leaves by itself."""
    ran = subprocess.run(
        [sys.executable, "-c", _ORPHAN, str(closed.log), closed.settings.log_key, str(closed.settings.copies)], capture_output=True, check=False,
    )
    assert ran.returncode == -signal.SIGKILL
    child, end = Path(f"/proc/{int(ran.stdout)}"), time.monotonic() + 30
    while child.exists() and "\nState:\tZ" not in (child / "status").read_text() and time.monotonic() < end:
        time.sleep(0.01)
    assert not child.exists() or "\nState:\tZ" in (child / "status").read_text()


async def test_a_large_log_is_opened_with_two_processes(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides is the size of the database and a second core; the enforcer that comes of it is the same, and the child is gone."""
    assert not worth_it(closed.log)
    forked: list[Reader] = []
    fork = Reader.fork

    def noted() -> Reader:
        forked.append(fork())
        return forked[-1]

    monkeypatch.setattr(reading, "WORTH", 1)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda _pid: {0})
    assert not worth_it(closed.log)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda _pid: {0, 1})
    assert worth_it(closed.log)
    monkeypatch.setattr(building.Reader, "fork", noted)
    size = closed.size()
    async with open_house(closed.folder, {"wordpress": Scripted()}) as house:
        assert house.state.size > size
        assert not Path(f"/proc/{forked[0].pid}").exists()
    assert len(forked) == 1


def test_a_rotated_key_is_followed_on_this_side_too(tmp_path: Path) -> None:
    """The chain that this process made itself names the rotated key as the newest."""
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2)]
    reader = Reader.fork()  # before the database is open, as at a start
    old, new = (Signer(LogKey("qianfa.test", key.public_key().public_bytes_raw()), key.sign) for key in keys)
    store, copies = LogStore.open(tmp_path / "log.db"), CheckpointCopies.open(tmp_path / "copies")
    writer = LogWriter(store=store, copies=copies, tree=Tree(), chain=KeyChain(old.key), signer=old, epoch="e1", fence=store.take_fence())
    shape = {"v": 1, "at": "2026-11-23T08:00:00.000Z", "actor": "system", "object": "dep_1", "command": None}
    writer.commit([canonical.encode({**shape, "seq": 0, "type": "counters.taken", "data": {"counts": {}}})])
    writer.commit([canonical.encode({**shape, "seq": 1, "type": "key.rotated", "data": rotation_data(new=new.key, old=old)})], rotate_to=new)
    writer.commit([canonical.encode({**shape, "seq": 2, "type": "counters.taken", "data": {"counts": {}}})])
    writer.sync()
    seen: list[tuple[bytes, int]] = []
    try:
        report = reader.report(tmp_path / "log.db", old.key, copies=tmp_path / "copies", total=3, follow=lambda lines, count: seen.append((lines, count)))
    finally:
        reader.close()
    assert report.ok
    assert report.chain.keys == (old.key, new.key)
    assert report.checkpoint is not None
    assert report.checkpoint.root == report.tree.root()
    assert [lines.splitlines() for lines, _ in seen] == [list(store.read(0))]
    copies.close()
    store.close()
