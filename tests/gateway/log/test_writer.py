"""Writing: order, sharing a commit, and what happens when any part of it fails."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.log.audit import verify_log
from gateway.log.checkpoint import NoteInvalid, parse_checkpoint, rotation_data, split_note
from gateway.log.copies import read_copies
from gateway.log.errors import Fenced, LogUnavailable
from gateway.log.merkle import Tree
from gateway.log.writer import GroupCommitLog, LogWriter, catch_up


def test_commit(log, make_entry) -> None:
    """A commit is in the store and in the copy, and its note covers it."""
    done = log.writer.commit([make_entry(0), make_entry(1)], sync=True)
    assert (done.first, done.size, log.writer.size) == (0, 2, 2)
    assert log.chain.open(done.note).root == log.tree.root()
    assert list(log.store.read(0)) == [make_entry(0), make_entry(1)]
    assert log.copies.newest() == done.note
    assert not log.copies.dirty
    log.writer.commit([make_entry(2)])
    assert log.copies.dirty
    log.writer.sync()
    log.writer.sync()
    assert not log.copies.dirty
    assert verify_log(log.store, log.first, copies=[log.copy_path]).ok


@pytest.mark.parametrize("bodies", [[], [b""], [b"x" * 65_536]])
def test_what_is_no_batch(log, bodies: list[bytes]) -> None:
    """No entry, an empty one and one too long are refused before anything is touched."""
    with pytest.raises(ValueError, match="65,535"):
        log.writer.commit(bodies)
    log.write(1)


def test_rotation(log, make_signer, make_entry) -> None:
    """The commit with the rotation is the first that the new key signs; the verifier follows from the first key."""
    log.write(2)
    new = make_signer(2)
    body = make_entry(2, "key.rotated", **rotation_data(new=new.key, old=log.signer))
    with pytest.raises(ValueError, match="rotation"):
        log.writer.commit([body])
    with pytest.raises(ValueError, match="rotation"):
        log.writer.commit([make_entry(2)], rotate_to=new)
    with pytest.raises(ValueError, match="rotation"):
        log.writer.commit([body], rotate_to=make_signer(3))
    forged = make_entry(2, "key.rotated", **rotation_data(new=new.key, old=make_signer(3)))
    with pytest.raises(NoteInvalid):
        log.writer.commit([forged], rotate_to=new)
    done = log.writer.commit([body, make_entry(3)], rotate_to=new)
    assert split_note(done.note)[1][0][1] == new.key.id
    log.write(1)
    report = verify_log(log.store, log.first, copies=[log.copy_path])
    assert report.ok
    assert report.chain.newest == new.key
    assert log.writer.size == 5


def test_a_signer_without_the_newest_key(log, make_signer) -> None:
    """A writer does not start with a key that the log does not name."""
    with pytest.raises(ValueError, match="newest"):
        LogWriter(
            store=log.store, copies=log.copies, tree=Tree(), chain=log.chain, signer=make_signer(2), epoch="e1", fence=log.fence
        )


def test_a_fenced_writer_is_at_its_end(log, make_entry) -> None:
    """K11: of two writers on one log the older writes nothing and never again."""
    old = log.writer
    log.write(1)
    log.new_writer()
    with pytest.raises(Fenced):
        old.commit([make_entry(1)])
    for call in (lambda: old.commit([make_entry(1)]), old.sync):
        with pytest.raises(LogUnavailable, match="log_broken"):
            call()
    assert log.store.size() == 1


def test_catch_up(log, make_entry) -> None:
    """After a crash between commit and copy, the copy gets what it misses."""
    log.write(3)
    lines = log.copy_path.read_bytes().splitlines(keepends=True)
    log.copy_path.write_bytes(lines[0])
    assert catch_up(log.store, log.copies) == 2
    assert log.copy_path.read_bytes() == b"".join(lines)
    assert catch_up(log.store, log.copies) == 0
    log.copy_path.write_bytes(b"")
    assert catch_up(log.store, log.copies) == 3


async def test_many_writers_share_commits(log, make_entry) -> None:
    """Entries queued together share one checkpoint, keep their order, and each caller hears its own place."""
    grouped = GroupCommitLog(log.writer)
    done = await asyncio.gather(*(grouped.append([make_entry(i)]) for i in range(64)))
    assert [commit.first for commit in done] == list(range(64))
    assert {commit.size for commit in done} == {64}
    assert (grouped.tip, grouped.durable, grouped.broken) == (64, 64, None)
    await grouped.close()
    assert list(log.store.read(0)) == [make_entry(i) for i in range(64)]
    assert sum(1 for _ in log.store.checkpoints()) == 1
    with pytest.raises(LogUnavailable, match="log_closed"):
        grouped.enqueue([make_entry(64)])


async def test_batches_are_bounded_and_tip_runs_ahead(log, make_entry) -> None:
    """More than `max_batch` entries take several commits; the tip counts what is queued."""
    grouped = GroupCommitLog(log.writer, max_batch=10)
    futures = [grouped.enqueue([make_entry(i * 4 + j) for j in range(4)]) for i in range(10)]
    assert (grouped.tip, grouped.durable) == (40, 0)
    await asyncio.gather(*futures)
    assert [row.size for row in log.store.checkpoints()] == [8, 16, 24, 32, 40]
    with pytest.raises(ValueError, match="65,535"):
        grouped.enqueue([])
    await grouped.close()


async def test_a_rotation_ends_its_batch(log, make_signer, make_entry) -> None:
    """What is queued behind a rotation goes into the next commit, signed by the new key."""
    new = make_signer(2)
    grouped = GroupCommitLog(log.writer)
    before = grouped.enqueue([make_entry(0)])
    body = make_entry(1, "key.rotated", **rotation_data(new=new.key, old=log.signer))
    turned = grouped.enqueue([body], rotate_to=new)
    after = grouped.enqueue([make_entry(2)])
    assert [(await future).size for future in (before, turned, after)] == [2, 2, 3]
    await grouped.close()
    assert verify_log(log.store, log.first, copies=[log.copy_path]).ok


async def test_a_cancelled_waiter_loses_nothing(log, make_entry) -> None:
    """Cancelling the wait does not take the entry back; a cancelled future does not disturb the others."""
    grouped = GroupCommitLog(log.writer)
    waiting = asyncio.ensure_future(grouped.append([make_entry(0)]))
    await asyncio.sleep(0)
    waiting.cancel()
    grouped.enqueue([make_entry(1)]).cancel()
    assert (await grouped.append([make_entry(2)])).size == 3
    await grouped.close()
    assert log.store.size() == 3


async def test_the_copy_is_synced_in_time(log, make_entry) -> None:
    """An anchored batch waits for the copy's fsync; any other gets it within `sync_every`."""
    grouped = GroupCommitLog(log.writer, sync_every=0.05)
    await grouped.append([make_entry(0)], anchor=True)
    assert not log.copies.dirty
    await grouped.append([make_entry(1)])
    assert log.copies.dirty
    await grouped.append([make_entry(2)])
    async with asyncio.timeout(2):
        while log.copies.dirty:
            await asyncio.sleep(0.01)
    await grouped.append([make_entry(3)])
    await grouped.append([make_entry(4)], anchor=True)
    await grouped.append([make_entry(5)])
    await grouped.close()
    assert not log.copies.dirty
    assert [type(line).__name__ for line in read_copies(log.copy_path)] == ["Copy"] * 6


async def test_a_failed_commit_breaks_everything(log, make_entry) -> None:
    """One failure: who waits and who comes later hear LogUnavailable, the owner hears once, nothing is tried again."""
    heard: list[LogUnavailable] = []
    grouped = GroupCommitLog(log.writer, max_batch=1, on_broken=heard.append)
    await grouped.append([make_entry(0)])
    log.store.take_fence()
    first, second = grouped.enqueue([make_entry(1)]), grouped.enqueue([make_entry(2)])
    second.cancel()
    with pytest.raises(LogUnavailable, match="Fenced"):
        await first
    for call in (grouped.append([make_entry(1)]), grouped.close()):
        with pytest.raises(LogUnavailable):
            await call
    assert [str(error) for error in heard] == [str(grouped.broken)]
    assert log.store.size() == 1


async def test_a_broken_copy_breaks_the_log(log, make_entry) -> None:
    """A commit whose copy cannot be written is not acknowledged, though the database has it: unknown, not undone."""
    grouped = GroupCommitLog(log.writer)
    log.copies.close()
    with pytest.raises(LogUnavailable, match="copy_unavailable"):
        await grouped.append([make_entry(0)])
    assert log.store.size.__self__ is log.store
    log.store._failed = False
    assert log.store.size() == 1
    log.open()


async def test_a_hung_disk(log, make_entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """P12: after the deadline everybody hears LogUnavailable while the thread still hangs; its late answer changes nothing."""
    release, real = threading.Event(), log.store.append

    def hang(*args: object, **named: object) -> None:
        release.wait(10)
        real(*args, **named)

    monkeypatch.setattr(log.store, "append", hang)
    grouped = GroupCommitLog(log.writer, commit_deadline=0.05)
    with pytest.raises(LogUnavailable, match="log_hung"):
        await grouped.append([make_entry(0)])
    assert grouped.durable == 0
    release.set()
    grouped._jobs.put(None)
    grouped._thread.join(5)
    await asyncio.sleep(0.01)
    assert (grouped.durable, log.store.size()) == (0, 1)
    with pytest.raises(LogUnavailable):
        await grouped.close()


async def test_breaking_while_a_start_is_due(log, make_entry) -> None:
    """What was queued in the very turn in which the log breaks never reaches the thread."""
    grouped = GroupCommitLog(log.writer)
    future = grouped.enqueue([make_entry(0)])
    grouped._expired()
    with pytest.raises(LogUnavailable):
        await future
    await asyncio.sleep(0)
    assert log.store.size() == 0
    with pytest.raises(LogUnavailable):
        await grouped.close()


def test_a_loop_that_is_gone(log, make_entry) -> None:
    """A thread that outlives its loop ends quietly."""
    release, real = threading.Event(), log.store.append

    async def start() -> GroupCommitLog:
        grouped = GroupCommitLog(log.writer)
        log.store.append = lambda *a, **k: (release.wait(5), real(*a, **k))
        grouped.enqueue([make_entry(0)])
        await asyncio.sleep(0.01)
        return grouped

    grouped = asyncio.run(start())
    release.set()
    grouped._jobs.put(None)
    grouped._thread.join(5)
    assert not grouped._thread.is_alive()
    assert parse_checkpoint(split_note(log.copies.newest())[0]).size == 1


async def test_who_cannot_follow_the_log_breaks_it(log) -> None:
    """A callback that raises when its entries are durable breaks the log: its owner may not go on with a state of its own."""
    heard: list[LogUnavailable] = []
    grouped = GroupCommitLog(log.writer, on_broken=heard.append)
    calls: list[str] = []

    def fails() -> None:
        raise ZeroDivisionError

    first = grouped.enqueue([b"a"], durable=lambda: calls.append("first"))
    second, third = grouped.enqueue([b"b"], durable=fails), grouped.enqueue([b"c"], durable=lambda: calls.append("third"))
    assert (await first).size == 3
    for waiting in (second, third):
        with pytest.raises(LogUnavailable):
            await waiting
    assert calls == ["first"]
    assert len(heard) == 1
    assert "ZeroDivisionError" in str(heard[0])
