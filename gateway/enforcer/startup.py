"""Start: re-hash every entry, compare with the copies outside the database, replay; only then is anything served or written.

What keeps the enforcer down is a `StartRefused`: what is wrong and where, in both languages, and what to do.
"""

from __future__ import annotations

import fcntl
import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway import machine
from gateway.enforcer.reading import Reader, ReaderLost
from gateway.enforcer.reserve import COPY_NOTHING, LOW, free_bytes
from gateway.enforcer.runner import LogParts
from gateway.log import audit
from gateway.log.audit import Altered, AuditReport, Forked, Shorter
from gateway.log.checkpoint import parse_vkey
from gateway.log.copies import CheckpointCopies
from gateway.log.store import LogStore
from gateway.log.writer import catch_up
from gateway.machine.state import State
from gateway.protocol import entries, instants
from gateway.protocol.entries import Entry
from gateway.protocol.instants import Instant

Progress = Callable[[int, int], None]

LARGE: Final = 10_000
"""Entries from which on a walk of the collector over the state would be felt by whoever waits for a send."""


class StartRefused(Exception):
    """The enforcer stays down. `zh` and `en` say what is wrong, where, and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class LogRefused(StartRefused):
    """The log is shorter than, forked from, or altered against what was signed."""


class RowsRefused(StartRefused):
    """A stored secret is missing or is not the one that the log names."""


class InUse(StartRefused):
    """Another enforcer runs on this data."""


@dataclass(slots=True, kw_only=True)
class Started:
    """A verified and replayed log: two equal states (tip and durable), and what its writer needs."""

    tip: State
    state: State
    parts: LogParts
    report: AuditReport


def hold(folder: Path) -> int:
    """Take the data folder for this process and return the lock's descriptor, which the caller closes; the system frees it at any end.

    Raises:
        InUse: another process holds it.
    """
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise InUse(f"数据目录正被另一个签发服务使用：{folder}。先停下它，再启动。",
                    f"another enforcer runs on {folder}: stop it first") from error
    return handle


def start(path: Path, copies_path: Path, vkey: str, *, progress: Progress | None = None, reader: Reader | None = None) -> Started:
    """Verify and replay the log at `path` against the copy at `copies_path`, with the first log key `vkey`.

    Where the copy's disk has no room for a line, what the copy lacks is left to the next unsealing: the log can be read until then.

    With a `reader`, forked before anything was opened, the log is read and verified there while it is replayed here; the outcome is the same.

    Raises:
        LogRefused: it is not the log that was signed, or the copy outside is gone.
        LogUnavailable: store or copy cannot be read, or their place is not durable.
    """
    if not path.exists():
        raise LogRefused(f"存证库不见了：{path}。请用 qianfa restore 恢复备份", f"the log is gone: {path}; restore a backup with `qianfa restore`")
    with ExitStack() as opened:
        if free_bytes(path.parent) < LOW:
            path.with_name(path.name + ".reserve").unlink(missing_ok=True)  # what follows needs a little room
        store = LogStore.open(path)
        opened.callback(store.close)
        check_copy(store.size(), copies_path)
        copies = CheckpointCopies.open(copies_path)
        opened.callback(copies.close)
        replay = _Replay(_forget_before(store))
        with _without_collector(large=store.size() >= LARGE):
            report = _verified(store, copies_path, vkey, replay, progress, reader)
            check(report)
            state = replay.state_of(report.size)
            tip = state.twin()
        behind = free_bytes(copies_path.parent) < COPY_NOTHING
        if not behind:
            catch_up(store, copies)
        parts = LogParts(store=store, copies=copies, tree=report.tree, chain=report.chain, fence=store.take_fence(), behind=behind)
        opened.pop_all()
    return Started(tip=tip, state=state, parts=parts, report=report)


def _verified(
    store: LogStore, copies: Path, vkey: str, replay: _Replay, progress: Progress | None, reader: Reader | None,
) -> AuditReport:
    first_key = parse_vkey(vkey)
    if reader is None:
        return audit.verify_log(store, first_key, copies=[copies], progress=progress, all_signatures=False, follow=replay.follow)
    try:
        return reader.report(store.path, first_key, copies=copies, total=store.size(), follow=replay.follow_lines, progress=progress)
    except ReaderLost as lost:
        raise LogRefused(
            f"核对存证的进程没有做完就结束了（{lost}）：存证未经核对，不能启动。多半是内存不够，或有人结束了它：看系统日志后再启动；再次发生，请找系统管理员",
            f"the process that verifies the log ended before it was done ({lost}): a log that was not verified is not served. Most likely memory "
            "ran out or somebody ended it: look at the system's log and start again; if it happens again, ask the system administrator",
        ) from lost


class _Replay:
    """The state that the entries lead to, built while they are hashed; not to be believed before the log is verified."""

    def __init__(self, forget_before: Instant) -> None:
        self._state = State()
        self._forget_before = forget_before
        self._error: Exception | None = None

    def follow(self, body: bytes) -> None:
        """Apply the next entry; after the first that cannot be applied nothing more is."""
        self._follow(lambda: (entries.load(body),))

    def follow_lines(self, lines: bytes, count: int) -> None:
        """Apply the next `count` entries, each on a line."""
        self._follow(lambda: entries.load_lines(lines, count))

    def _follow(self, load: Callable[[], Iterable[Entry]]) -> None:
        if self._error is None:
            try:
                machine.replay(self._state, load(), forget_before=self._forget_before)
            except Exception as error:  # noqa: BLE001 -- altered bytes can fail in any way, and what was altered is said by verification
                self._error = error

    def state_of(self, size: int) -> State:
        """Return the state after `size` verified entries.

        Raises:
            LogRefused: an entry that was signed like this cannot be applied by this version.
        """
        seq = self._state.size
        if self._error is not None or seq != size:
            raise LogRefused(
                f"第 {seq} 条存证是更新的版本写的，这个版本读不懂：请装回较新的版本",
                f"entry {seq} was written by a later version and cannot be read: install that version again",
            ) from self._error
        return self._state


def _forget_before(store: LogStore) -> Instant:
    """Return from when on commands are remembered, counted from the last entry; verification judges later whether that one is right."""
    for body in store.read(max(0, store.size() - 1)):
        with suppress(ValueError, OverflowError):
            return instants.plus(instants.parse(entries.load(body).at), -machine.COMMAND_MEMORY_SECONDS)
    return instants.EPOCH_START


@contextmanager
def _without_collector(*, large: bool) -> Iterator[None]:
    """Keep Python's collector from walking a growing state again and again; afterwards a large one is left out of its walks for good."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if large:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()


def check_copy(size: int, copies: Path) -> None:
    """Raise where the log has entries and the copy outside is missing or empty: nothing else would show that the log was cut.

    Raises:
        LogRefused: as said.
    """
    if size and (not copies.exists() or not copies.stat().st_size):
        raise LogRefused(
            f"外部副本不见了：{copies}（存证有 {size} 条）。请挂载它所在的盘；确实丢失时，先 qianfa backup，再 qianfa restore 该备份，开启新纪元",
            f"the checkpoint copy is gone: {copies} (the log has {size} entries). Mount its disk; if it is lost for good, `qianfa backup` and "
            "`qianfa restore` that backup, which begins a new incarnation",
        )


def check(report: AuditReport) -> None:
    """Raise `LogRefused` where the report keeps the enforcer sealed."""
    match audit.check_against_copy(report):
        case Shorter(store, copy):
            raise LogRefused(
                f"存证被截短：数据库到第 {store} 条为止，外部副本已签到第 {copy} 条",
                f"the log was cut: the database ends at {store} entries, the copy outside knows of {copy}",
            )
        case Forked(size, _, _):
            raise LogRefused(
                f"存证分叉：第 {size} 条处有两个不同的已签检查点", f"the log is forked: two signed checkpoints differ at size {size}",
            )
        case Altered(code, first, last):
            where = f"{first}" if first == last else f"{first}–{last}"
            raise LogRefused(
                f"存证被改动：第 {where} 条与已签内容不符（{code}）", f"the log was altered: entry {where} is not what was signed ({code})",
            )
        case _:
            return
