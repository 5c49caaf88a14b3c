"""The runner: the only writer of the log and of the state.

1. `decide` runs on the tip, in one turn of the loop, and its entries are queued in that order; nothing awaits in between.
2. Replies, pages, timers and effects see `state`, the durable prefix; an entry is applied to it only after its commit.
3. Token texts and evidence are blobs made durable before the commit that names them.
4. A failed append is unknown, not "not done": the runner is broken from then on, `on_broken` is called, the process leaves.
5. Denials that matter become an entry; the same person's same denial within a minute is counted instead, like every other try.
6. Sealed means that nothing is appended: there is no key to sign a checkpoint with.
7. On a nearly full disk only what stops or takes down is let through (`reserve.py`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

from gateway import canonical, machine
from gateway.canonical import Digest, NotCanonical
from gateway.clock import Clock
from gateway.enforcer.blobs import BlobStore
from gateway.enforcer.ids import DecisionIds
from gateway.enforcer.reserve import Reserve
from gateway.log.checkpoint import KeyChain, Signer
from gateway.log.copies import CheckpointCopies
from gateway.log.errors import LogUnavailable
from gateway.log.merkle import Tree
from gateway.log.store import LogStore
from gateway.log.writer import Commit, GroupCommitLog, LogWriter, check_bodies
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import State
from gateway.protocol import instants
from gateway.protocol.commands import Grade, Refuse, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import SYSTEM, CommandRef, Entry, EntryType
from gateway.protocol.instants import Instant
from vault.seal import Vault

REPEAT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Done:
    """A command's answer: its last entry's number, the object of its first entry, and the entries (empty for a repeat)."""

    seq: int
    object: str
    entries: tuple[Entry, ...]


class BlobFirstWriter(LogWriter):
    """A log writer that makes pending blobs durable before each commit, in the writing thread."""

    def __init__(self, blobs: BlobStore, **parts: Any) -> None:
        super().__init__(**parts)
        self._blobs = blobs
        self.pending: SimpleQueue[Mapping[Digest, bytes]] = SimpleQueue()

    def commit(self, bodies: Sequence[bytes], *, sync: bool = False, rotate_to: Signer | None = None) -> Commit:
        """Store what is pending, then commit; see `LogWriter.commit`."""
        while not self.pending.empty():
            self._blobs.put_all(self.pending.get())
        return super().commit(bodies, sync=sync, rotate_to=rotate_to)


@dataclass(slots=True, kw_only=True)
class LogParts:
    """A verified log, ready to be written: what `startup.verify` hands over."""

    store: LogStore
    copies: CheckpointCopies
    tree: Tree
    chain: KeyChain
    fence: int
    behind: bool = False  # the copy had no room for the lines it lacks; they come before the next one


class Runner:
    """See the module's list. Made sealed; `unsealed` opens the writer. `rules` is the route table in force."""

    def __init__(
        self, *, tip: State, state: State, parts: LogParts, clock: Clock, blobs: BlobStore, vault: Vault,
        on_broken: Callable[[LogUnavailable], None] = lambda _error: None, commit_deadline: float = 5.0,
        rules: tuple[Rule, ...] = RULES,
    ) -> None:
        self.tip, self.state = tip, state
        self.parts = parts
        self.clock = clock
        self.blobs = blobs
        self.vault = vault
        self.rules = rules
        self.counts: Counter[str] = Counter()
        self._log: GroupCommitLog | None = None
        self._writer: BlobFirstWriter | None = None
        self._on_broken = on_broken
        self._commit_deadline = commit_deadline
        self._waiters: set[asyncio.Future[None]] = set()
        self._recent: dict[tuple[str, str, str], Instant] = {}
        self.listeners: list[Callable[[Sequence[Entry]], None]] = []
        self.reserve = Reserve(parts.store, parts.copies.path)

    @property
    def sealed(self) -> bool:
        """Whether nothing can be appended for want of keys."""
        return self._log is None

    @property
    def broken(self) -> LogUnavailable | None:
        """What broke the log, or None."""
        return self._log.broken if self._log is not None else None

    def now(self) -> Instant:
        """Return the guarded current instant."""
        return self.clock.now()

    def unsealed(self, signer: Signer, *, epoch: str | None = None) -> None:
        """Open the writer; `signer` holds the log's newest key, `epoch` is given by a restore only. Called inside the running loop."""
        parts = self.parts
        self._writer = BlobFirstWriter(
            self.blobs, store=parts.store, copies=parts.copies, tree=parts.tree, chain=parts.chain, signer=signer, epoch=epoch or self.tip.epoch,
            fence=parts.fence,
        )
        self._log = GroupCommitLog(self._writer, on_broken=self._broke, commit_deadline=self._commit_deadline)

    async def close(self) -> None:
        """Commit what is queued and close the writer; sealing and stopping end here."""
        log, self._log, self._writer = self._log, None, None
        if log is not None:
            await log.close()

    def _broke(self, error: LogUnavailable) -> None:
        for waiter in list(self._waiters):
            if not waiter.done():
                waiter.set_exception(LogUnavailable(error.code, str(error)))
        self._waiters.clear()
        self._on_broken(error)

    async def submit(
        self, request: Request, *, blobs: Mapping[Digest, bytes] | None = None, rotate_to: Signer | None = None, source: str = "counter",
        about: str = "",
    ) -> Done:
        """Decide, log, and return once it is durable.

        Raises:
            Denied: the rules say no (logged where it must be), the vault is sealed, or the clock is behind the log.
            LogUnavailable: unknown whether it was logged; repeat the same command id after the restart.
        """
        try:
            return await self._submit(request, blobs or {}, rotate_to)
        except machine.Repeated as repeated:
            return await self._again(repeated)
        except Denied as denied:
            self.counts[denied.code] += 1
            if denied.words.logged and request.grade is not Grade.SYSTEM:
                await self.refused(denied, actor=request.actor, source=source, about=about or type(request.command).__name__)
            raise

    async def repeated(self, ref: CommandRef, actor: str, grade: Grade) -> Done | None:
        """Return the answer that this command id was given before, or None where it is new.

        Raises:
            Denied: the same id came with another body, or from somebody else.
        """
        try:
            machine.check_repeated(self.tip, ref, actor, grade, self.clock.now())
        except machine.Repeated as repeated:
            return await self._again(repeated)
        return None

    async def _again(self, repeated: machine.Repeated) -> Done:
        await self.wait_durable(repeated.seq)
        return Done(repeated.seq, repeated.object, ())

    async def _submit(self, request: Request, blobs: Mapping[Digest, bytes], rotate_to: Signer | None) -> Done:
        log, writer = self._need_log()
        self.reserve.admit(self.tip, request.command)
        at = self.clock.now()
        ids = DecisionIds(self.vault)
        drafts = machine.decide(self.tip, request, at, ids, self.rules)
        entries = machine.place(self.tip, drafts, at, request.ref)
        bodies = _bodies(entries, strict=request.grade is not Grade.SYSTEM)
        for entry in entries:
            machine.apply(self.tip, entry)
        if blobs or ids.blobs:
            writer.pending.put({**blobs, **ids.blobs})
        await log.enqueue(
            bodies, anchor=entries[-1].type == EntryType.PUBLICATION_DISPATCHED, rotate_to=rotate_to, durable=lambda: self._durable(entries),
        )
        return Done(entries[-1].seq, entries[0].object, tuple(entries))

    def _need_log(self) -> tuple[GroupCommitLog, BlobFirstWriter]:
        if self._log is None or self._writer is None:
            raise Denied("vault_sealed")
        if self._log.broken is not None:
            raise LogUnavailable(self._log.broken.code, str(self._log.broken))
        return self._log, self._writer

    def _durable(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            machine.apply(self.state, entry)
        for listener in tuple(self.listeners):
            listener(entries)

    async def refused(
        self, denied: Denied, *, actor: str, source: str, about: str, channel: str | None = None, content: Digest | None = None,
    ) -> Done | None:
        """Log a refused attempt, once a minute for the same person, code and matter; None where it was only counted or cannot be logged."""
        key, now = (actor, denied.code, about), self.clock.now()
        last = self._recent.get(key)
        if self.sealed or self.broken is not None or self.reserve.low or (last is not None and instants.seconds_between(last, now) < REPEAT_SECONDS):
            return None
        if len(self._recent) > 10_000:
            self._recent.clear()
        self._recent[key] = now
        command = Refuse(
            code=denied.code, rule=denied.rule, source=source, channel=channel, content=content, about=about, missing=denied.missing,
        )
        return await self.submit(Request(command=command, actor=actor or SYSTEM, grade=Grade.SYSTEM))

    async def system(self, command: Any) -> Done:
        """Submit a command of the enforcer's own."""
        return await self.submit(Request(command=command, actor=SYSTEM, grade=Grade.SYSTEM))

    async def wait_durable(self, seq: int, timeout: float = 10.0) -> None:  # noqa: ASYNC109 -- a bound on waiting for others' commits
        """Wait until entry `seq` is durable.

        Raises:
            LogUnavailable: it did not become durable in time, or the log broke meanwhile.
        """
        try:
            async with asyncio.timeout(timeout):
                while self.state.size <= seq:
                    await self.wait_change()
        except TimeoutError as error:
            raise LogUnavailable("log_hung", f"entry {seq} is not durable") from error

    async def wait_change(self) -> None:
        """Wait for the next durable entry.

        Raises:
            LogUnavailable: the log broke.
        """
        if self.broken is not None:
            raise LogUnavailable(self.broken.code, str(self.broken))
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)

        def wake(_entries: Sequence[Entry]) -> None:
            if not waiter.done():
                waiter.set_result(None)

        self.listeners.append(wake)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            self.listeners.remove(wake)


def _bodies(entries: Sequence[Entry], *, strict: bool) -> list[bytes]:
    try:
        if strict:  # what people typed; what the enforcer built by itself is canonical by construction
            for entry in entries:
                canonical.check(entry.data)
        bodies = [entry.to_bytes() for entry in entries]
        check_bodies(bodies)
    except (NotCanonical, ValueError) as error:
        raise Denied("invalid", detail="not loggable") from error
    return bodies
