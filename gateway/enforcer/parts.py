"""The enforcer's parts, put together once: what every face and timer of the process is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.config import Settings
from gateway.connectors.base import Connector
from gateway.enforcer.followup import Followup
from gateway.enforcer.gate import Gate
from gateway.enforcer.runner import Runner
from gateway.enforcer.submitting import Submitting
from gateway.enforcer.values import Values
from gateway.enforcer.views import Views
from gateway.enforcer.worker import Worker
from gateway.log.errors import LogUnavailable
from gateway.log.store import StoreReader
from gateway.protocol.entries import Entry, load
from vault.seal import Vault
from vault.store import SealedStore


@dataclass(slots=True, kw_only=True)
class Parts:
    """See each field. `opened` is told after every unsealing."""

    settings: Settings
    runner: Runner
    vault: Vault
    sealed: SealedStore
    values: Values
    views: Views
    connectors: Mapping[str, Connector]
    gate: Gate
    followup: Followup
    submitting: Submitting
    worker: Worker
    reader: StoreReader
    opened: list[Callable[[], None]] = field(default_factory=list)
    sealed_since: str = ""
    sealed_by: str = ""

    def entry(self, seq: int) -> Entry | None:
        """Return one durable entry, or None."""
        if not 0 <= seq < self.runner.state.size:
            return None
        try:
            return next((load(body) for body in self.reader.read(seq, seq + 1)), None)
        except LogUnavailable:
            return None

    def last_checkpoint(self) -> tuple[str, str]:
        """Return origin and root (base64) of the newest stored checkpoint; empty while there is none."""
        row = self.reader.last_checkpoint()
        if row is None:
            return "", ""
        lines = row.note.split("\n")
        return lines[0], lines[2]
