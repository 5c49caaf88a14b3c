"""The ledger: every call the sandbox received, what it said and whether it changed anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from gateway.sandbox.wire import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call: RFC 3339 time, endpoint, who called, whether it had an effect, and what was sent.

    `fields` are the decoded fields without credentials and `digest` is taken over them, so two requests that
    say the same in different encodings have one digest. `fault` names the fault that was injected, if any;
    `code` is the platform's error code (0: success) of the answer the platform itself made.
    """

    seq: int
    at: str
    platform: str
    endpoint: str
    method: str
    who: str | None
    effect: bool
    status: int
    code: int
    fault: str | None
    digest: str
    fields: JSON


class Ledger:
    """An append-only list of records with the queries tests and the control port need."""

    def __init__(self) -> None:
        self._records: list[Record] = []

    def __len__(self) -> int:
        return len(self._records)

    @property
    def next_seq(self) -> int:
        """The number the next record will carry, from 1."""
        return len(self._records) + 1

    def append(self, record: Record) -> None:
        """Add one record."""
        self._records.append(record)

    def calls(self, endpoint: str | None = None, *, who: str | None = None) -> tuple[Record, ...]:
        """Return the calls, oldest first, narrowed to an endpoint and an account or user when given."""
        return tuple(self._select(endpoint, who))

    def effects(self, endpoint: str | None = None, *, who: str | None = None) -> tuple[Record, ...]:
        """Return only the calls that changed something on the platform, whatever became of the reply."""
        return tuple(record for record in self._select(endpoint, who) if record.effect)

    def last(self, endpoint: str | None = None) -> Record | None:
        """Return the newest call (of an endpoint), or None."""
        found = self.calls(endpoint)
        return found[-1] if found else None

    def clear(self) -> None:
        """Forget all records."""
        self._records.clear()

    def _select(self, endpoint: str | None, who: str | None) -> Iterable[Record]:
        for record in self._records:
            if endpoint in {None, record.endpoint} and who in {None, record.who}:
                yield record


def as_json(record: Record) -> JSON:
    """Write one record as a JSON object for the control port."""
    return asdict(record)


def rfc3339(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 with milliseconds and Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
