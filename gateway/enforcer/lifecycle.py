"""Unsealing, sealing, rotating and slots: what the admin socket and the start do to the vault, each step in the log.

Order everywhere: the row is durable, then the entry that binds it, then the vault uses it. A crash in between leaves a row that
the log does not know, which is ignored, and cleared at the next unsealing; a rotation that a crash cut short is finished then.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from gateway import __version__
from gateway.enforcer.founding import signer_of
from gateway.enforcer.parts import Parts
from gateway.enforcer.startup import RowsRefused
from gateway.log.writer import catch_up
from gateway.machine.state import State
from gateway.protocol.commands import OpenIncarnation, RecordVault, StartEnforcer, StoredRow
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType
from vault.errors import AlreadyUnsealed, TooMany
from vault.keyring import terms_in_use
from vault.rows import SLOT_PREFIX, SealedRow
from vault.slots import SlotRecord, SlotSecret, without_slot
from vault.throttle import Throttle, ThrottleState

log = structlog.get_logger("lifecycle")

RESTORED_MARK: Final = "restored.json"
REWRAP_BATCH: Final = 64
_T = TypeVar("_T")


def bound_rows(state: State) -> dict[tuple[str, int], str]:
    """Return every sealed row that the log says should stand: the vault's own, credentials in force, factors."""
    expected = {(identifier, version): sha256 for identifier, (version, sha256) in state.vault_rows.items()}
    for channel in state.channels.values():
        if channel.credential is not None:
            expected[channel.credential.secret, channel.credential.version] = channel.credential.sha256
    for person in state.people.values():
        for factor in person.factors.values():
            if factor.kind != "passkey":  # its public key stands in the log itself
                expected[factor.id, factor.version] = factor.sha256
    return expected


def proposed_rows(state: State) -> set[tuple[str, int]]:
    """Return the sealed rows that open proposals will bind once a second person confirms."""
    return {row for proposal in state.proposals.values() for row in _rows_of(proposal.changes)}


def _rows_of(changes: Iterable[Mapping[str, Any]]) -> set[tuple[str, int]]:
    data = [change["data"] for change in changes]
    return {(item["secret"], item["version"]) for item in data if "secret" in item and "version" in item}


class Lifecycle:
    """The enforcer's life between sealed and open."""

    def __init__(self, parts: Parts, *, isolated: bool) -> None:
        self._parts = parts
        self._isolated = isolated
        self._turn = asyncio.Lock()
        self._timers: asyncio.Task[None] | None = None
        self._throttle = Throttle(free=5, base_seconds=2, max_seconds=900)
        self._tries = ThrottleState()
        self._greeted = False
        self._waiting = {proposal.id: _rows_of(proposal.changes) for proposal in parts.runner.state.proposals.values()}
        parts.runner.listeners.append(self._proposals)
        self._mark_sealed("start")

    def _mark_sealed(self, by: str) -> None:
        self._parts.sealed_since, self._parts.sealed_by = self._parts.runner.now(), by

    async def unseal(self, secret: SlotSecret) -> str:
        """Open the vault with a slot's secret, open the log's writer, and start the timers; return the slot that opened.

        Raises:
            VaultError: no slot opens, or a stored row is not the one the log names.
            Denied: too many tries (`throttled`); no room for a line of the copy (`log_unavailable`), before anything is tried.
            LogUnavailable: the log or the copy failed; sealed again.
        """
        async with self._turn:
            parts = self._parts
            if not parts.vault.sealed:
                raise AlreadyUnsealed
            if parts.runner.reserve.copy_full:
                raise Denied("log_unavailable", detail="disk: copy")
            try:
                self._tries = self._throttle.attempt(self._tries, parts.runner.clock.moment())
            except TooMany as error:
                raise Denied("throttled", detail=f"{error.retry_after} s") from error
            expected = bound_rows(parts.runner.state)
            rows = [row for row in parts.sealed.rows() if row.key in expected]
            slot = await asyncio.to_thread(parts.vault.unseal, secret, rows=rows, expected=expected)
            self._tries = ThrottleState()
            try:
                await self._open_log(slot)
            except BaseException:
                parts.vault.seal()
                raise
            parts.sealed_since = parts.sealed_by = ""
            self._timers = asyncio.get_running_loop().create_task(parts.followup.run(), name="followup")
            for tell in parts.opened:
                tell()
            return slot

    async def _open_log(self, slot: str) -> None:
        parts = self._parts
        mark = restored_mark(parts.settings.enforcer_data)
        if parts.runner.parts.behind:
            await asyncio.to_thread(catch_up, parts.runner.parts.store, parts.runner.parts.copies)
            parts.runner.parts.behind = False
        signer = signer_of(parts.vault, parts.settings.deployment)
        restored: dict[str, Any] | None = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else None
        if restored is not None and restored["epoch"] != parts.runner.state.epoch:
            parts.runner.unsealed(signer, epoch=restored["epoch"])
            await parts.runner.system(OpenIncarnation(
                epoch=restored["epoch"], origin=restored["origin"], size=restored["size"], root=restored["root"],
            ))
        else:
            parts.runner.unsealed(signer)
        mark.unlink(missing_ok=True)
        self._clear_rows()
        await parts.runner.system(RecordVault(action="unsealed", about=slot))
        if not self._greeted:
            self._greeted = True
            await parts.runner.system(StartEnforcer(version=__version__, isolated=self._isolated))
        if len(parts.vault.terms) > 1:
            await self._finish_rotation()

    def _clear_rows(self) -> None:
        """Delete rows that nothing binds and no open proposal will bind: what a crash left, and what was replaced."""
        parts = self._parts
        kept = bound_rows(parts.runner.state).keys() | proposed_rows(parts.runner.state)
        for row in parts.sealed.rows():
            if row.key not in kept:
                log.info("cleared", action="row_cleared", row=f"{row.secret_id}@{row.version}")
                parts.sealed.delete(row.secret_id, row.version)

    def _proposals(self, entries: Sequence[Entry]) -> None:
        """Remember which rows a proposal would bind, and let them go with it when it is declined."""
        for entry in entries:
            if entry.type == EntryType.PROPOSAL_MADE:
                self._waiting[entry.object] = _rows_of(entry.data["changes"])
            elif entry.type == EntryType.PROPOSAL_CONFIRMED:
                self._waiting.pop(entry.object, None)
            elif entry.type == EntryType.PROPOSAL_DECLINED:
                asyncio.get_running_loop().call_soon(self._drop, self._waiting.pop(entry.object, set()))

    def _drop(self, rows: set[tuple[str, int]]) -> None:
        """Delete rows of a declined proposal that nothing else binds: a secret that two people did not want is kept nowhere."""
        state = self._parts.runner.state
        for identifier, version in rows - bound_rows(state).keys() - proposed_rows(state):
            with suppress(sqlite3.OperationalError):  # on a full disk the next unsealing does it
                self._parts.sealed.delete(identifier, version)
                log.info("cleared", action="row_cleared", row=f"{identifier}@{version}")

    async def seal(self, by: str) -> None:
        """Let calls in flight end, log it, close the writer and forget the keys; sealing a sealed enforcer does nothing.

        Raises:
            LogUnavailable: the log broke on the way; the keys are forgotten all the same.
        """
        async with self._turn:
            await self._stop_timers()
            try:
                if not self._parts.runner.sealed:
                    if self._parts.runner.broken is None:
                        await self._parts.runner.system(RecordVault(action="sealed", about=by))
                    await self._parts.runner.close()
            finally:
                self._parts.vault.seal()
                self._mark_sealed(by)

    async def _stop_timers(self) -> None:
        timers, self._timers = self._timers, None
        if timers is not None:
            await self._parts.followup.stop()
            timers.cancel()
            await asyncio.gather(timers, return_exceptions=True)

    async def undisturbed(self, work: Callable[[], _T]) -> _T:
        """Return `work()`, done in a thread while nothing is rotated, sealed or cleared: what a backup needs."""
        async with self._turn:
            return await asyncio.to_thread(work)

    # ---- rotation and slots

    async def rotate(self) -> int:
        """Begin a new key term and move every row to it; return how many rows moved.

        Raises:
            VaultError: sealed, or a stored row is not the one the log names.
        """
        async with self._turn:
            parts = self._parts
            row = parts.vault.prepare_rotation()
            parts.sealed.insert(row)
            await parts.runner.system(RecordVault(action="rotated", about=f"keyring {row.version}", stored=(_stored(row),)))
            parts.vault.adopt(row, expected_sha256=row.sha256)
            parts.sealed.delete(row.secret_id, row.version - 1)
            return await self._finish_rotation()

    async def _finish_rotation(self) -> int:
        moved = 0
        while batch := self._rewrap_batch():
            moved += len(batch)
            await self._move(batch)
        await self._retire_terms()
        return moved

    async def _retire_terms(self) -> None:
        """Retire every term that wraps nothing any more."""
        parts = self._parts
        for term in parts.vault.terms[:-1]:
            in_use = terms_in_use(parts.sealed.rows())
            if in_use.get(term, 0):
                continue
            row = parts.vault.prepare_retirement(term, in_use)
            parts.sealed.insert(row)
            await parts.runner.system(RecordVault(action="rotated", about=f"term {term} retired", stored=(_stored(row),)))
            parts.vault.adopt(row, expected_sha256=row.sha256)
            parts.sealed.delete(row.secret_id, row.version - 1)

    def _rewrap_batch(self) -> tuple[tuple[SealedRow, SealedRow], ...]:
        expected = bound_rows(self._parts.runner.state)
        rows = [row for row in self._parts.sealed.rows() if row.key in expected]
        return self._parts.vault.rewrap_batch(rows, expected=expected, limit=REWRAP_BATCH)

    async def _move(self, batch: tuple[tuple[SealedRow, SealedRow], ...]) -> None:
        """Put the new rows aside, bind them in the log, then let them take the old ones' place."""
        parts = self._parts
        parts.sealed.put_aside([new for _, new in batch])
        await parts.runner.system(RecordVault(action="rotated", about="rewrap", stored=tuple(_stored(new) for _, new in batch)))
        parts.sealed.take_aside(bound_rows(parts.runner.state))

    async def add_slot(self, secret: SlotSecret) -> str:
        """Add a slot; it opens the vault from now on."""
        async with self._turn:
            row = self._parts.vault.new_slot(secret)
            self._parts.sealed.insert(row)
            await self._parts.runner.system(RecordVault(action="slot_added", about=row.secret_id, stored=(_stored(row),)))
            return row.secret_id

    async def remove_slot(self, slot: str) -> None:
        """Remove a slot, never the last.

        Raises:
            VaultError: it is unknown or the last one.
        """
        async with self._turn:
            identifier = slot if slot.startswith(SLOT_PREFIX) else SLOT_PREFIX + slot
            records = [SlotRecord.parse(row) for row in self._slot_rows()]
            without_slot(records, identifier.removeprefix(SLOT_PREFIX))
            await self._parts.runner.system(RecordVault(action="slot_removed", about=identifier, removed=(identifier,)))
            for row in self._slot_rows():
                if row.secret_id == identifier:
                    self._parts.sealed.delete(row.secret_id, row.version)

    def _slot_rows(self) -> list[SealedRow]:
        """Return the slots that the log knows; a row that somebody added opens nothing and counts for nothing."""
        bound = bound_rows(self._parts.runner.state)
        return [row for row in self._parts.sealed.rows() if row.secret_id.startswith(SLOT_PREFIX) and row.key in bound]

    def vault_status(self) -> dict[str, Any]:
        """Return what `qianfa vault status` prints: sealed or not, terms, slots, open leases; no secret."""
        parts = self._parts
        slots = [{"slot": row.secret_id.removeprefix(SLOT_PREFIX), "kind": SlotRecord.parse(row).kind.value} for row in self._slot_rows()]
        strange = [f"{row.secret_id}@{row.version}" for row in parts.sealed.rows() if row.key not in bound_rows(parts.runner.state)]
        return {
            "sealed": parts.vault.sealed, "since": parts.sealed_since, "by": parts.sealed_by,
            "terms": [] if parts.vault.sealed else list(parts.vault.terms), "slots": slots, "unbound_rows": strange,
            "leases": [f"{lease.secret_id}@{lease.version}: {lease.purpose}" for lease in parts.vault.open_leases],
        }


def _stored(row: SealedRow) -> StoredRow:
    return StoredRow(id=row.secret_id, version=row.version, sha256=row.sha256)


def check_rows(state: State, rows: list[SealedRow]) -> None:
    """Raise where a row that the log names is missing or altered; before anything is served.

    Raises:
        RowsRefused: which row, and how.
    """
    stored = {row.key: row.sha256 for row in rows}
    for (identifier, version), sha256 in bound_rows(state).items():
        found = stored.get((identifier, version))
        if found is None:
            raise RowsRefused(
                f"密文库缺一行：{identifier} 第 {version} 版，存证里有它。请从备份恢复（qianfa restore）",
                f"a sealed row is missing: {identifier} version {version} stands in the log; restore a backup (`qianfa restore`)",
            )
        if found != sha256:
            raise RowsRefused(
                f"密文库有一行被换过：{identifier} 第 {version} 版与存证登记的不一致。请从备份恢复（qianfa restore）",
                f"a sealed row was replaced: {identifier} version {version} is not the one in the log; restore a backup (`qianfa restore`)",
            )


def restored_mark(folder: Path) -> Path:
    """Return where a restore leaves word for the next unsealing."""
    return folder / RESTORED_MARK

