"""The second process of a start with a large log: it reads, hashes and judges, while this one replays what it passes on.

1. It is forked before anything is opened and before there is any key, closes every file it was born with but its two pipes, and waits to be
   told which log to read. It never lives longer than the start.
2. Each body is read from the database once, hashed, and only then passed on: what is replayed is what was hashed. Bodies go through memory
   that both processes see, a slot for each batch; only where they lie goes through the pipe, and what is done with comes back there.
3. It judges as `audit.verify_log` does, and passes on what it found, the tree, the newest note and the rotations of the log's key. This
   process follows those rotations, opens that note and compares its root with the tree by itself.
4. If it ends before it has said all of that, nothing starts: `ReaderLost`.

Forked and not spawned, since after the drop of privileges the interpreter may be out of reach (`launcher.py`).
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from fcntl import fcntl
from itertools import pairwise
from mmap import mmap
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from gateway.log import audit
from gateway.log.audit import AuditReport, Finding, Progress
from gateway.log.checkpoint import KeyChain, LogKey, NoteInvalid, parse_vkey
from gateway.log.errors import LogUnavailable
from gateway.log.merkle import Tree
from gateway.log.store import StoreReader
from gateway.protocol.entries import LIMIT

WORTH: Final = 32 << 20
"""Bytes of a database from which on a second process saves more than it costs: about half a second of work."""

_BATCH: Final = 1 << 16  # what is decoded and applied together stays in the near cache
_SLOT: Final = 2 * _BATCH  # a batch is sent with the body that fills it, and a body with its line feed is no longer than `_BATCH`
_SLOTS: Final = 16
_PLACE: Final = struct.Struct("<III")
_ANSWER: Final = 1 << 30
_LAST_SECONDS: Final = 2.0
_SET_PIPE_SIZE: Final = 1031  # F_SETPIPE_SZ of fcntl(2)
_PIPE_SIZE: Final = 1 << 20
_ENTRIES, _REPORT, _UNAVAILABLE, _FAILED = b"E", b"R", b"U", b"F"


class ReaderLost(Exception):
    """The second process ended early or said what does not fit, as the message says: the log was not verified."""


def worth_it(path: Path) -> bool:
    """Return whether the log at `path` is large enough, and a second core is there."""
    files = (path, path.with_name(path.name + "-wal"))
    return len(os.sched_getaffinity(0)) > 1 and sum(file.stat().st_size for file in files if file.exists()) >= WORTH


class Reader:
    """The second process, seen from the first; `close` ends it, whatever it is doing."""

    def __init__(self, pid: int, orders: Connection[Any, Any], answers: Connection[Any, Any], slots: mmap) -> None:
        self.pid = pid
        self._orders, self._answers, self._slots = orders, answers, slots
        self._status: int | None = None

    @classmethod
    def fork(cls) -> Reader:
        """Start it. Call it before threads are started and before a database is opened; it does nothing until `report` is called."""
        theirs, orders = multiprocessing.Pipe(duplex=False)
        answers, told = multiprocessing.Pipe(duplex=False)
        with suppress(OSError):  # a limit of the system's; a small pipe only costs more turns
            fcntl(told.fileno(), _SET_PIPE_SIZE, _PIPE_SIZE)
        slots = shared()
        pid = os.fork()
        if pid == 0:
            _live(theirs, told, slots)
        theirs.close()
        told.close()
        return cls(pid, orders, answers, slots)

    def report(
        self, path: Path, first_key: LogKey, *, copies: Path, total: int, follow: Callable[[bytes, int], None],
        progress: Progress | None = None,
    ) -> AuditReport:
        """Let it verify the log at `path` as `audit.verify_log` does without all signatures, and return what came of it.

        `follow` is given the bodies in order, many at a time, each ended by a line feed, and how many they are; what it makes of them is
        worth nothing unless the report is `ok`.

        Raises:
            ReaderLost: it did not come to its end, or what it said does not fit.
            LogUnavailable: store or copy cannot be read.
        """
        try:
            self._orders.send_bytes(json.dumps([str(path), first_key.vkey, str(copies)]).encode())
            done = 0
            while (frame := self._answers.recv_bytes(_ANSWER))[:1] == _ENTRIES:
                start, length, count = _PLACE.unpack_from(frame, 1)
                follow(self._slots[start : start + length], count)
                with suppress(BrokenPipeError):  # it may be done already, and waits for no slot any more
                    self._orders.send_bytes(b"")
                done += count
                if progress is not None:
                    progress(done, total)
            if frame[:1] == _UNAVAILABLE:
                raise LogUnavailable(*json.loads(frame[1:]))
            if frame[:1] == _FAILED:
                raise ReaderLost(frame[1:].decode())
            return self._made(first_key, json.loads(frame[1:]))
        except (OSError, EOFError) as error:
            raise ReaderLost(self._ended()) from error

    def _made(self, first_key: LogKey, told: dict[str, Any]) -> AuditReport:
        chain, tree, checkpoint = KeyChain(first_key), Tree(), None
        findings, warnings = ([Finding(*one) for one in told[name]] for name in ("findings", "warnings"))
        if not findings:
            try:
                for seq, data in told["steps"]:
                    chain.follow(seq, data)
                checkpoint = chain.open(told["note"]) if told["note"] is not None else None
                tree = Tree.of_levels(self._answers.recv_bytes(_ANSWER) for _ in range(told["levels"]))
            except (NoteInvalid, ValueError) as error:
                raise ReaderLost(str(error)) from error
            if (checkpoint.size, checkpoint.root) != (len(tree), tree.root()) if checkpoint is not None else len(tree):
                raise ReaderLost("tree and checkpoint differ")
        return AuditReport(told["size"], checkpoint, told["note"], findings, warnings, tree, chain)

    def _ended(self) -> str:
        """Return by what it ended; its pipes close a moment before that can be asked."""
        end = time.monotonic() + _LAST_SECONDS
        while self._status is None and time.monotonic() < end:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._status = status
            time.sleep(0.005)
        self.close()
        code = os.waitstatus_to_exitcode(self._status or 0)
        return f"signal {-code}" if code < 0 else f"status {code}"

    def close(self) -> None:
        """End it and wait for its end; a second call does nothing."""
        self._orders.close()
        self._answers.close()
        self._slots.close()
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            _, self._status = os.waitpid(self.pid, 0)


def shared() -> mmap:
    """Return the memory for bodies on their way, for a process and those that are forked from it."""
    return mmap(-1, _SLOTS * _SLOT)


def _live(orders: Connection[Any, Any], answers: Connection[Any, Any], slots: mmap) -> None:
    """Be the second process; never returns."""
    status = 1
    try:
        gc.disable()  # nothing that was inherited may be finalised here
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _close_all_but({0, 1, 2, orders.fileno(), answers.fileno()})
        serve(orders, answers, slots)
        status = 0
    except Exception as error:  # noqa: BLE001 -- what it was is said to the one who waits; this process ends here whatever happens
        with suppress(OSError):
            answers.send_bytes(_FAILED + type(error).__name__.encode())
    finally:
        os._exit(status)


def _close_all_but(kept: set[int]) -> None:
    """Close what was inherited: above all the lock on the data folder, which would outlive its owner, and others' pipes."""
    edges = [-1, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    for low, high in pairwise(edges):
        if low + 1 < high:  # an empty range from 0 would be taken for all
            os.closerange(low + 1, high)


def serve(orders: Connection[Any, Any], answers: Connection[Any, Any], slots: mmap) -> None:
    """Wait for one order, read and judge that log, and answer; ends as soon as nobody listens any more. `slots` comes from `shared`."""
    with suppress(EOFError, BrokenPipeError):
        path, vkey, copies = json.loads(orders.recv_bytes(_ANSWER))
        batch = _Batch(orders, answers, slots)
        try:
            with StoreReader.open_readonly(Path(path)) as store:
                report = audit.verify_log(store, parse_vkey(vkey), copies=[Path(copies)], all_signatures=False, follow=batch.add)
        except LogUnavailable as error:
            answers.send_bytes(_UNAVAILABLE + json.dumps([error.code, str(error).removeprefix(f"{error.code}: ")]).encode())
            return
        batch.send()
        _tell(answers, report)


def _tell(answers: Connection[Any, Any], report: AuditReport) -> None:
    findings, warnings = (
        [[one.code, one.first, one.last, one.detail] for one in found] for found in (report.findings, report.warnings)
    )
    told = {"size": report.size, "note": report.note, "findings": findings, "warnings": warnings, "steps": report.chain.steps, "levels": report.tree.height if report.ok else 0}
    answers.send_bytes(_REPORT + json.dumps(told).encode())
    if report.ok:
        for level in report.tree.levels():
            answers.send_bytes(level)


class _Batch:
    """Bodies on their way: sent when there are enough of them, and when a slot is free."""

    def __init__(self, orders: Connection[Any, Any], answers: Connection[Any, Any], slots: mmap) -> None:
        self._orders, self._answers, self._slots = orders, answers, slots
        self._bodies: list[bytes] = []
        self._size = self._sent = 0

    def add(self, body: bytes) -> None:
        """Take a body that was hashed; what cannot be an entry (too long, or not on one line) is passed on as nothing, and not replayed."""
        if len(body) > LIMIT or b"\n" in body:
            body = b""
        self._bodies.append(body)
        self._size += len(body) + 1
        if self._size >= _BATCH:
            self.send()

    def send(self) -> None:
        """Send what there is."""
        bodies, length = self._bodies, self._size
        if not bodies:
            return
        if self._sent >= _SLOTS:
            self._orders.recv_bytes(_ANSWER)  # slots come back in the order in which they went
        start = self._sent % _SLOTS * _SLOT
        self._slots[start : start + length] = b"\n".join([*bodies, b""])
        self._answers.send_bytes(_ENTRIES + _PLACE.pack(start, length, len(bodies)))
        self._sent += 1
        self._bodies, self._size = [], 0
