"""Timers: what is due is sent, pending tasks are followed, unknown ones are read back, windows end. Only the gate sends.

Everything here is derived from the durable state, so a restart forgets nothing; what was in flight when the last run ended is UNKNOWN.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog

from gateway.connectors.base import Absent, Gone, Live, Pending, PlatformRefused, Template, Undecided
from gateway.enforcer.gate import Gate, prepared_of, where
from gateway.enforcer.watch import Watch
from gateway.log.errors import LogUnavailable
from gateway.machine import policy
from gateway.machine.publications import MISSED_SECONDS
from gateway.machine.state import REVIEWABLE, STOPPABLE, Publication, PublicationState
from gateway.protocol import instants
from gateway.protocol.commands import Abandon, Expire, Miss, RecordOutcome, Reroute, TakeCounters
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType

log = structlog.get_logger("followup")

POLL_SECONDS: Final = {"live": (30, 120, 300, 900, 3600), "sandbox": (0.4, 1, 2, 5, 15)}
"""When a pending task is asked for, counted from its acceptance; the last interval repeats (design section 8)."""
RETRY_SECONDS: Final = {"live": 60.0, "sandbox": 2.0}
SWEEP_SECONDS: Final = 5.0
COUNTERS_SECONDS: Final = 3600.0


class Followup:
    """The enforcer's timers over its active publications."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._runner = gate.runner
        self._running: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}
        self._polled: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._watch = Watch(gate)
        self._last_sweep = self._last_counters = 0.0

    async def run(self) -> None:
        """Run until cancelled or told to stop."""
        self._stopping = False
        self._runner.listeners.append(self._changed)
        try:
            await self._settle_last_run()
            await self._reroute()
            self._watch.begin()
            while not self._stopping:
                self._tick()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.25):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            self._runner.listeners.remove(self._changed)

    async def stop(self, deadline: float = 30.0) -> None:
        """Start nothing new and wait for calls in flight, up to `deadline` seconds."""
        self._stopping = True
        self._wake.set()
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=deadline)

    def _changed(self, entries: Sequence[Entry]) -> None:
        self._watch.changed(entries)
        for entry in entries:
            ended = entry.type == EntryType.PUBLICATION_STOPPED or (
                entry.type == EntryType.PUBLICATION_ABANDONED and entry.data["cause"] == "rerouted")
            if ended and entry.object not in self._running:
                self._spawn(f"clear {entry.object}", self._gate.clear(self._runner.state.publications[entry.object]))
        self._wake.set()

    async def _settle_last_run(self) -> None:
        """What was dispatched by an earlier run and has no outcome is UNKNOWN: never sent again, only read back."""
        for identifier in list(self._runner.state.active):
            publication = self._runner.state.publications[identifier]
            if publication.state is PublicationState.DISPATCHED:
                await self._quietly(RecordOutcome(publication=identifier, outcome="unknown", data={"cause": "crash"}))

    async def _reroute(self) -> None:
        """Send back what was routed by another table than today's and lacks something now, before anybody meets it at the release."""
        now = policy.digest(self._runner.rules)
        for submission in list(self._runner.state.submissions.values()):
            if submission.policy != now and submission.state in REVIEWABLE and not submission.emergency:
                await self._quietly(Reroute(submission=submission.id, asked_by="start"))

    async def _quietly(self, command: object) -> None:
        try:
            await self._runner.system(command)
        except Denied as denied:
            log.info("not done", action="timer_denied", command=type(command).__name__, code=denied.code)

    def _tick(self) -> None:
        runner = self._runner
        if runner.sealed or runner.broken is not None:
            return
        loop_now = asyncio.get_running_loop().time()
        if not runner.clock.behind:
            now = runner.now()
            for identifier in list(runner.state.active):
                if identifier not in self._running and self._not_before.get(identifier, 0.0) <= loop_now:
                    self._start(runner.state.publications[identifier], now)
            while (seen := self._watch.take_due(now)) is not None:
                self._spawn(f"watch {seen}", self._watch.look(seen))
        if loop_now - self._last_sweep >= SWEEP_SECONDS:
            self._last_sweep = loop_now
            self._spawn("sweep", self._sweep())
        if loop_now - self._last_counters >= COUNTERS_SECONDS:
            self._last_counters = loop_now
            if runner.counts:
                counts, runner.counts = dict(runner.counts), type(runner.counts)()
                self._spawn("counters", self._quietly(TakeCounters(counts=counts)))

    def _start(self, publication: Publication, now: instants.Instant) -> None:
        state = publication.state
        if state in STOPPABLE and now >= publication.window_to:
            self._spawn(publication.id, self._abandon(publication))
        elif state is PublicationState.HELD:
            if now < publication.not_before or self._gate.held_up(publication, now):
                return
            late = instants.seconds_between(publication.not_before, now)
            if publication.fixed and late > MISSED_SECONDS:
                self._spawn(publication.id, self._quietly(Miss(publication=publication.id)))
            else:
                self._spawn(publication.id, self._send(publication))
        elif state in STOPPABLE:
            if not self._gate.held_up(publication, now):
                self._spawn(publication.id, self._send(publication))
        elif state is PublicationState.PENDING:
            self._poll(publication, now)
        elif state is PublicationState.UNKNOWN:
            self._spawn(publication.id, self._reconcile(publication))

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if name in self._running:
            work.close()
            return
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._guard(name, work), name=f"followup {name}")
        self._running[name] = task

    async def _guard(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except LogUnavailable:
            log.error("log unavailable", action="log_unavailable", about=name)
        except Exception as error:  # noqa: BLE001 -- one publication's fault must not stop the others
            log.error("failed", action="followup_error", about=name, error=type(error).__name__, where=where(error))
            self._later(name, RETRY_SECONDS[self._runner.state.kind])
        finally:
            self._running.pop(name, None)
            self._wake.set()

    def _later(self, name: str, seconds: float) -> None:
        self._not_before[name] = asyncio.get_running_loop().time() + seconds

    async def _send(self, publication: Publication) -> None:
        before = publication.state
        await self._gate.send(publication.id)
        if publication.state in STOPPABLE:  # it waits for something: a thaw, a quota, a platform that is busy
            self._later(publication.id, RETRY_SECONDS[self._runner.state.kind])
            log.info("waiting", action="send_waits", publication=publication.id, before=before.value, now=publication.state.value)

    async def _abandon(self, publication: Publication) -> None:
        await self._quietly(Abandon(publication=publication.id, cause="window_over"))
        await self._gate.clear(publication)

    def _poll(self, publication: Publication, now: instants.Instant) -> None:
        waited = instants.seconds_between(publication.pending_since, now)
        if next_poll(POLL_SECONDS[self._runner.state.kind], self._polled.get(publication.id, 0.0)) <= waited:
            self._polled[publication.id] = waited
            self._spawn(publication.id, self._follow(publication))

    async def _follow(self, publication: Publication) -> None:
        loaded = self._load(publication)
        connector = self._gate.connectors[loaded.platform]
        with self._gate.call(publication, purpose=f"follow {publication.jti}") as call:
            outcome = await connector.follow(call, publication.pending_handle)
            if isinstance(outcome, Pending):
                return
            await self._gate.record(publication, outcome)
            await self._gate.compare(publication, connector, call, loaded, prepared_of(publication), outcome)

    async def _reconcile(self, publication: Publication) -> None:
        loaded = self._load(publication)
        connector = self._gate.connectors[loaded.platform]
        with self._gate.call(publication, purpose=f"reconcile {publication.jti}") as call:
            try:
                dispatched = instants.to_datetime(publication.dispatched_at or publication.released_at)
                prepared = prepared_of(publication)
                settled = await connector.reconcile(call, loaded, prepared, dispatched)
            except PlatformRefused as refused:
                log.warning("could not read back", action="reconcile_failed", publication=publication.id, code=refused.code)
                self._later(publication.id, RETRY_SECONDS[self._runner.state.kind])
                return
            match settled:
                case Live() | Gone():
                    await self._gate.record(publication, settled)
                    await self._gate.compare(publication, connector, call, loaded, prepared, settled)
                case Absent():
                    await self._quietly(RecordOutcome(publication=publication.id, outcome="absent", data={"how": settled.how}))
                case Undecided():
                    wait = settled.again_after
                    log.warning(
                        "reading back could not settle it", action="undecided", publication=publication.id, reason=settled.reason, again_after=wait)
                    self._later(publication.id, wait if wait is not None else 24 * 3600.0)

    def again(self, identifier: str) -> None:
        """Read an unknown publication back at once: 「再查一次」."""
        self._not_before.pop(identifier, None)
        self._wake.set()

    def _load(self, publication: Publication) -> Template:
        return Template.parse(self._runner.blobs.get(publication.template))

    async def _sweep(self) -> None:
        """End the windows of submissions in review; set the log's reserve aside again where there is room."""
        await asyncio.to_thread(self._runner.reserve.keep)
        now = self._runner.now()
        due = [identifier for identifier in self._runner.state.waits if self._runner.state.submissions[identifier].window_to <= now]
        for identifier in due:
            await self._quietly(Expire(submission=identifier))


def next_poll(schedule: Sequence[float], last: float) -> float:
    """Return when to ask next, in seconds since the task was accepted, having asked last at `last`; the last interval repeats."""
    for point in schedule:
        if point > last:
            return point
    return (last // schedule[-1] + 1) * schedule[-1]
