"""Start: re-hash every entry, compare with the copies outside the database, replay; only then is anything served or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import machine
from gateway.enforcer.runner import LogParts
from gateway.log import audit
from gateway.log.audit import Altered, AuditReport, Forked, Shorter
from gateway.log.checkpoint import parse_vkey
from gateway.log.copies import CheckpointCopies
from gateway.log.store import LogStore
from gateway.log.writer import catch_up
from gateway.machine.state import State
from gateway.protocol import entries

Progress = Callable[[int, int], None]


class LogRefused(Exception):
    """The log is shorter than, forked from, or altered against what was signed: the enforcer stays sealed. Both languages, what and where."""

    def __init__(self, zh: str, en: str, report: AuditReport) -> None:
        super().__init__(en)
        self.zh, self.en, self.report = zh, en, report


@dataclass(slots=True, kw_only=True)
class Started:
    """A verified and replayed log: two equal states (tip and durable), and what its writer needs."""

    tip: State
    state: State
    parts: LogParts
    report: AuditReport


def start(path: Path, copies_path: Path, vkey: str, *, progress: Progress | None = None) -> Started:
    """Verify and replay the log at `path` against the copy at `copies_path`, with the first log key `vkey`.

    Raises:
        LogRefused: it is not the log that was signed.
        LogUnavailable: store or copy cannot be read, or their place is not durable.
    """
    store = LogStore.open(path)
    copies = CheckpointCopies.open(copies_path)
    report = audit.verify_log(store, parse_vkey(vkey), copies=[copies_path], progress=progress, all_signatures=False)
    check(report)
    tip, state = State(), State()
    for body in audit.replay(store, report.tree):
        entry = entries.load(body)
        machine.apply(tip, entry)
        machine.apply(state, entry)
    catch_up(store, copies)
    parts = LogParts(store=store, copies=copies, tree=report.tree, chain=report.chain, fence=store.take_fence())
    return Started(tip=tip, state=state, parts=parts, report=report)


def check(report: AuditReport) -> None:
    """Raise `LogRefused` where the report keeps the enforcer sealed."""
    match audit.check_against_copy(report):
        case Shorter(store, copy):
            raise LogRefused(
                f"存证被截短：数据库到第 {store} 条为止，外部副本已签到第 {copy} 条",
                f"the log was cut: the database ends at {store} entries, the copy outside knows of {copy}", report,
            )
        case Forked(size, _, _):
            raise LogRefused(
                f"存证分叉：第 {size} 条处有两个不同的已签检查点", f"the log is forked: two signed checkpoints differ at size {size}", report,
            )
        case Altered(code, first, last):
            where = f"{first}" if first == last else f"{first}–{last}"
            raise LogRefused(
                f"存证被改动：第 {where} 条与已签内容不符（{code}）", f"the log was altered: entry {where} is not what was signed ({code})", report,
            )
        case _:
            return
