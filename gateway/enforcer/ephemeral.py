"""The ephemeral table: what only costs a repeat when lost — sessions, devices, one-time codes, running proofs, and tries.

Tokens and codes are stored by their SHA-256 only. Tries are counted here *before* they are judged, durably, so that neither a crash
nor parallel tries give free ones.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway.log.errors import LogUnavailable
from gateway.protocol import instants
from gateway.protocol.instants import Instant
from vault.throttle import Throttle, ThrottleState

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sessions (
    hash TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, person TEXT NOT NULL, kind TEXT NOT NULL, sign_in TEXT NOT NULL, factor TEXT NOT NULL,
    device TEXT NOT NULL, label TEXT NOT NULL, opened TEXT NOT NULL, seen TEXT NOT NULL, expires TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS sessions_by_person ON sessions (person);
CREATE TABLE IF NOT EXISTS devices (
    hash TEXT NOT NULL, id TEXT NOT NULL UNIQUE, person TEXT NOT NULL, factor TEXT NOT NULL, label TEXT NOT NULL, made TEXT NOT NULL,
    seen TEXT NOT NULL, expires TEXT NOT NULL, PRIMARY KEY (hash, person)) STRICT;
CREATE TABLE IF NOT EXISTS codes (
    hash TEXT PRIMARY KEY, use TEXT NOT NULL, person TEXT NOT NULL, sign_in TEXT NOT NULL, factor TEXT NOT NULL, challenge TEXT NOT NULL,
    expires TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS proofs (
    nonce TEXT PRIMARY KEY, person TEXT NOT NULL, session TEXT NOT NULL, act TEXT NOT NULL, digest TEXT NOT NULL, payload TEXT NOT NULL,
    expires TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS seen (
    person TEXT NOT NULL, submission TEXT NOT NULL, revision INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (person, submission, revision)
    ) STRICT;
CREATE TABLE IF NOT EXISTS lists (
    person TEXT NOT NULL, submission TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (person, submission)) STRICT;
CREATE TABLE IF NOT EXISTS list_returns (
    person TEXT NOT NULL, submission TEXT NOT NULL, revision INTEGER NOT NULL, reason TEXT NOT NULL, notes TEXT NOT NULL,
    PRIMARY KEY (person, submission)) STRICT;
CREATE TABLE IF NOT EXISTS ticks (
    person TEXT NOT NULL, submission TEXT NOT NULL, revision INTEGER NOT NULL, item TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (person, submission, revision, item)) STRICT;
CREATE TABLE IF NOT EXISTS phrases (person TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tries (key TEXT PRIMARY KEY, count INTEGER NOT NULL, last TEXT NOT NULL) STRICT;
"""


def hash_of(token: str) -> str:
    """Return what is stored of a token or code."""
    return hashlib.sha256(b"qianfa/ephemeral/v1\0" + token.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LogUnavailable("sessions_unavailable", str(error)) from error


class Ephemeral:
    """One SQLite file; every call is durable by itself, `together` makes several one."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it touched.

        Raises:
            LogUnavailable: the disk did not take it; nothing is believed that was not written.
        """
        with self._lock, _guarded():
            return self._connection.execute(sql, values).rowcount

    def one(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row, or None."""
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return every row."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the statements of the block durable together, or none of them.

        Raises:
            LogUnavailable: see `run`.
        """
        with self._lock, _guarded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.OperationalError):  # SQLite ends some failed transactions by itself
                    self._connection.execute("ROLLBACK")
                raise

    def attempt(self, key: str, rule: Throttle, at: datetime) -> None:
        """Count one try against `key` before it is judged.

        Raises:
            TooMany: it is too early; nothing was counted.
        """
        with self.together():
            row = self.one("SELECT count, last FROM tries WHERE key = ?", (key,))
            before = ThrottleState(tries=row["count"], last_at=instants.to_datetime(Instant(row["last"]))) if row else ThrottleState()
            after = rule.attempt(before, at)
            assert after.last_at is not None
            self.run("INSERT OR REPLACE INTO tries VALUES (?, ?, ?)", (key, after.tries, instants.from_datetime(after.last_at)))

    def forgive(self, key: str) -> None:
        """Forget the tries against `key` after a success."""
        self.run("DELETE FROM tries WHERE key = ?", (key,))

    def sweep(self, now: Instant) -> None:
        """Delete what has expired."""
        with self.together():
            self.run("DELETE FROM sessions WHERE expires <= ?", (now,))
            self.run("DELETE FROM devices WHERE expires <= ?", (now,))
            self.run("DELETE FROM codes WHERE expires <= ?", (now,))
            self.run("DELETE FROM proofs WHERE expires <= ?", (now,))
            self.run("DELETE FROM seen WHERE at <= ?", (instants.plus(now, -180 * 86_400),))
            self.run("DELETE FROM ticks WHERE at <= ?", (instants.plus(now, -180 * 86_400),))
            self.run("DELETE FROM tries WHERE last <= ?", (instants.plus(now, -2 * 86_400),))
