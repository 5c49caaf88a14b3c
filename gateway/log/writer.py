"""Writing: one batch, one transaction, one checkpoint, one line in the copy; and many waiting coroutines sharing a batch.

Order of a commit (design section 4): tree, signature, transaction, copy, and, where asked, the copy's fsync; only then does
anybody hear of it. Nothing is retried here: the first failure breaks the log object for good, and its owner leaves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from gateway.log.checkpoint import Checkpoint, KeyChain, Signer, origin_of, parse_checkpoint, rotation_in, sign_checkpoint, split_note
from gateway.log.copies import CheckpointCopies
from gateway.log.errors import LogUnavailable
from gateway.log.merkle import Tree, leaf_hash
from gateway.log.store import LogStore, StoreReader

ENTRY_LIMIT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Commit:
    """What became durable: the caller's first entry, and the size and the signed note of the checkpoint that covers it."""

    first: int
    size: int
    note: str


class LogWriter:
    """The one writer of a log, for one thread; `tree` and `chain` come from a verified start (`audit.verify_log`)."""

    def __init__(
        self, *, store: LogStore, copies: CheckpointCopies, tree: Tree, chain: KeyChain, signer: Signer, epoch: str, fence: int
    ) -> None:
        """Take over.

        Raises:
            ValueError: `signer` does not hold the log's newest key.
        """
        if signer.key != chain.newest:
            raise ValueError("the signer does not hold the newest key")
        self._store, self._copies, self._tree = store, copies, tree
        self._chain, self._signer, self._epoch, self._fence = chain, signer, epoch, fence
        self._broken = False

    @property
    def size(self) -> int:
        """The number of entries the tree holds."""
        return len(self._tree)

    def commit(self, bodies: Sequence[bytes], *, sync: bool = False, rotate_to: Signer | None = None) -> Commit:
        """Make `bodies` durable with one checkpoint; with `sync` the copy is durable too.

        `rotate_to` is the next key's signer, given exactly where one of the bodies is the `key.rotated` entry that names it;
        the checkpoint of this commit is then the first that it signs.

        Raises:
            ValueError: no body, one longer than 65,535 bytes, or rotation and `rotate_to` do not belong together.
            NoteInvalid: the rotation is not signed by the newest key.
            SizeMismatch, Fenced: nothing was written, and this writer is at its end.
            LogUnavailable: unknown whether it was written; this writer is at its end.
        """
        if self._broken:
            raise LogUnavailable("log_broken", "an earlier commit failed")
        check_bodies(bodies)
        signer = self._rotated(bodies, rotate_to)
        self._broken = True
        first = len(self._tree)
        leaves = [leaf_hash(body) for body in bodies]
        self._tree.extend(leaves)
        size = first + len(bodies)
        note = sign_checkpoint(Checkpoint(origin_of(signer.key.name, self._epoch), size, self._tree.root()), signer)
        record = b"".join(leaves)
        self._store.append(bodies, expected_size=first, fence=self._fence, note=note, epoch=self._epoch, leaves=record)
        self._copies.append(note, record)
        if sync:
            self._copies.sync()
        self._signer, self._broken = signer, False
        return Commit(first, size, note)

    def sync(self) -> None:
        """Make the copy durable.

        Raises:
            LogUnavailable: the system could not promise it, or an earlier commit failed.
        """
        if self._broken:
            raise LogUnavailable("log_broken", "an earlier commit failed")
        if self._copies.dirty:
            self._broken = True
            self._copies.sync()
            self._broken = False

    def _rotated(self, bodies: Sequence[bytes], rotate_to: Signer | None) -> Signer:
        found = [(seq, data) for seq, body in enumerate(bodies, len(self._tree)) if (data := rotation_in(body)) is not None]
        if not found and rotate_to is None:
            return self._signer
        if len(found) != 1 or rotate_to is None or found[0][1].get("key") != rotate_to.key.vkey:
            raise ValueError("a key rotation and its signer come together, one a commit")
        self._chain.follow(*found[0])
        return rotate_to


def catch_up(store: StoreReader, copies: CheckpointCopies) -> int:
    """Give the copy the checkpoints that a crash kept from it, make it durable, and return how many they were.

    Only after a verified start: what is copied here is believed from then on.

    Raises:
        LogUnavailable: the store or the copy failed.
    """
    newest = copies.newest()
    above = parse_checkpoint(split_note(newest)[0]).size if newest is not None else -1
    count = 0
    for row in store.checkpoints(above):
        copies.append(row.note, row.leaves)
        count += 1
    copies.sync()
    return count


def check_bodies(bodies: Sequence[bytes]) -> None:
    """Raise ValueError where `bodies` cannot be a batch: none at all, an empty one, or one longer than 65,535 bytes."""
    if not bodies or not all(0 < len(body) <= ENTRY_LIMIT for body in bodies):
        raise ValueError("an entry has 1 to 65,535 bytes, a batch at least one entry")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    first: int
    bodies: Sequence[bytes]
    future: asyncio.Future[Commit]
    anchor: bool
    rotate_to: Signer | None
    durable: Callable[[], None] | None


@dataclass(frozen=True, slots=True)
class _Job:
    bodies: list[bytes]
    sync: bool
    rotate_to: Signer | None


class GroupCommitLog:
    """The writer behind an event loop: entries queued while a commit is under way share the next one.

    1. One thread of its own writes; the loop never waits for the disk.
    2. A future resolves only after its entries are durable; with `anchor`, only after the copy is durable too.
    3. The copy is made durable at least every `sync_every` seconds while there is anything new in it.
    4. Any failure, and a commit that takes longer than `commit_deadline` seconds, breaks the log: everything waiting and
       everything later gets `LogUnavailable`, `on_broken` is called once, nothing is tried again. The thread may still hang.
    """

    def __init__(
        self, writer: LogWriter, *, commit_deadline: float = 5.0, sync_every: float = 1.0, max_batch: int = 1024,
        on_broken: Callable[[LogUnavailable], None] | None = None,
    ) -> None:
        """Start; called inside a running event loop."""
        self._writer, self._deadline, self._every, self._max = writer, commit_deadline, sync_every, max_batch
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._queue: list[_Waiting] = []
        self._flying: list[_Waiting] = []
        self._busy = self._starting = self._closing = self._sync_due = False
        self._broken: LogUnavailable | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._sync_timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._durable = self._tip = writer.size
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="qianfa-log", daemon=True)
        self._thread.start()

    @property
    def tip(self) -> int:
        """The number of entries, durable and queued: the place of the next one."""
        return self._tip

    @property
    def durable(self) -> int:
        """The number of durable entries."""
        return self._durable

    @property
    def broken(self) -> LogUnavailable | None:
        """What broke the log, or None."""
        return self._broken

    def enqueue(
        self, bodies: Sequence[bytes], *, anchor: bool = False, rotate_to: Signer | None = None, durable: Callable[[], None] | None = None,
    ) -> asyncio.Future[Commit]:
        """Queue `bodies` as the next entries, in this order, and return the future of their commit.

        `durable` is called once they are, in the order of the log, before the future resolves and also where that was cancelled; if it
        raises, the log is broken.

        Raises:
            ValueError: see `check_bodies`.
            LogUnavailable: the log is broken or closed; nothing was queued.
        """
        if self._broken is not None:
            raise LogUnavailable(self._broken.code, str(self._broken))
        if self._closing:
            raise LogUnavailable("log_closed")
        check_bodies(bodies)
        future: asyncio.Future[Commit] = self._loop.create_future()
        self._queue.append(_Waiting(self._tip, bodies, future, anchor, rotate_to, durable))
        self._tip += len(bodies)
        self._kick()
        return future

    async def append(self, bodies: Sequence[bytes], *, anchor: bool = False, rotate_to: Signer | None = None) -> Commit:
        """Queue `bodies` and wait until they are durable; a cancelled waiter does not take its entries back.

        Raises:
            ValueError: see `check_bodies`.
            LogUnavailable: unknown whether they are durable.
        """
        return await asyncio.shield(self.enqueue(bodies, anchor=anchor, rotate_to=rotate_to))

    async def close(self) -> None:
        """Commit what is queued, make the copy durable, end the thread; a broken log is only left.

        Raises:
            LogUnavailable: the last commit or the copy failed, or the log was broken before.
        """
        self._closing = True
        await self._idle.wait()
        if self._broken is None:
            self._sync_due = True
            self._kick()
            await self._idle.wait()
        self._cancel_timers()
        self._jobs.put(None)
        if self._broken is not None:
            raise LogUnavailable(self._broken.code, str(self._broken))
        self._thread.join()

    def _kick(self) -> None:
        if not (self._busy or self._starting):
            self._starting = True
            self._idle.clear()
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        """Hand the next batch, or a due fsync of the copy, to the thread."""
        self._starting = False
        if self._broken is not None:
            return
        batch, count = 0, 0
        for item in self._queue:
            if batch and count + len(item.bodies) > self._max:
                break
            batch += 1
            count += len(item.bodies)
            if item.rotate_to is not None:
                break
        self._flying, self._queue = self._queue[:batch], self._queue[batch:]
        sync = self._sync_due or any(item.anchor for item in self._flying)
        self._sync_due = False
        self._busy = True
        self._watch = self._loop.call_later(self._deadline, self._expired)
        bodies = [body for item in self._flying for body in item.bodies]
        self._jobs.put(_Job(bodies, sync, self._flying[-1].rotate_to if self._flying else None))

    def _done(self, result: Commit | BaseException | None, job: _Job) -> None:
        if self._broken is not None:
            return
        if isinstance(result, BaseException):
            self._break(_unavailable(result))
            return
        self._busy = False
        self._cancel_watch()
        self._schedule_sync(done=job.sync)
        if result is not None:
            self._durable = result.size
            if not self._tell(result):
                return
        self._flying = []
        if self._queue or self._sync_due:
            self._kick()
        else:
            self._idle.set()

    def _tell(self, result: Commit) -> bool:
        """Let everyone in the batch know; return whether all of them could take it."""
        for item in self._flying:
            if item.durable is not None:
                try:
                    item.durable()
                except Exception as error:  # noqa: BLE001 -- whoever cannot follow the log must not go on with it
                    self._break(_unavailable(error))
                    return False
            if not item.future.done():
                item.future.set_result(Commit(item.first, result.size, result.note))
        return True

    def _schedule_sync(self, *, done: bool) -> None:
        if done and self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_timer = None
        elif not done and self._sync_timer is None:
            self._sync_timer = self._loop.call_later(self._every, self._sync_now)

    def _sync_now(self) -> None:
        self._sync_timer = None
        self._sync_due = True
        self._kick()

    def _expired(self) -> None:
        self._break(LogUnavailable("log_hung", f"a commit took longer than {self._deadline} s"))

    def _break(self, error: LogUnavailable) -> None:
        self._broken = error
        self._cancel_timers()
        waiting, self._flying, self._queue = self._flying + self._queue, [], []
        for item in waiting:
            if not item.future.done():
                item.future.set_exception(LogUnavailable(error.code, str(error)))
        self._idle.set()
        if self._on_broken is not None:
            self._on_broken(error)

    def _cancel_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _cancel_timers(self) -> None:
        self._cancel_watch()
        self._schedule_sync(done=True)

    def _work(self) -> None:
        """Run the jobs, in the thread."""
        while (job := self._jobs.get()) is not None:
            result: Commit | BaseException | None = None
            try:
                if job.bodies:
                    result = self._writer.commit(job.bodies, sync=job.sync, rotate_to=job.rotate_to)
                else:
                    self._writer.sync()
            except BaseException as error:  # noqa: BLE001 -- whatever it was, the loop must hear of it
                result = error
            with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
                self._loop.call_soon_threadsafe(self._done, result, job)


def _unavailable(error: BaseException) -> LogUnavailable:
    if isinstance(error, LogUnavailable):
        return error
    unavailable = LogUnavailable("log_unavailable", f"{type(error).__name__}: {error}")
    unavailable.__cause__ = error
    return unavailable
