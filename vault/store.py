"""The two tables of the vault in SQLite: sealed rows and slots.

1. The store holds ciphertext only and decides nothing; every row is judged against the log by whoever reads it.
2. WAL and `synchronous=FULL`; anything less is refused at opening, because an acknowledged row could be lost.
3. A row is written once and never overwritten by accident: a second insert of one version is `IntegrityError`; `replace` is for
   rewrapping and names the row bytes it replaces.
4. A borrowed connection joins the caller's transaction, so that a row and the log entry naming it become durable together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from vault.errors import Tampered
from vault.rows import SLOT_PREFIX, Expected, SealedRow

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sealed (
    secret_id TEXT NOT NULL CHECK (length(secret_id) BETWEEN 1 AND 128),
    version INTEGER NOT NULL CHECK (version >= 1),
    row BLOB NOT NULL CHECK (typeof(row) = 'blob'),
    PRIMARY KEY (secret_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aside (
    secret_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    row BLOB NOT NULL CHECK (typeof(row) = 'blob'),
    PRIMARY KEY (secret_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slots (
    secret_id TEXT NOT NULL CHECK (length(secret_id) BETWEEN 1 AND 128),
    version INTEGER NOT NULL CHECK (version >= 1),
    row BLOB NOT NULL CHECK (typeof(row) = 'blob'),
    PRIMARY KEY (secret_id, version)
) STRICT, WITHOUT ROWID;
"""

_INSERT: Final = {
    "sealed": "INSERT INTO sealed (secret_id, version, row) VALUES (?, ?, ?)",
    "slots": "INSERT INTO slots (secret_id, version, row) VALUES (?, ?, ?)",
}
_GET: Final = {
    "sealed": "SELECT row FROM sealed WHERE secret_id = ? AND version = ?",
    "slots": "SELECT row FROM slots WHERE secret_id = ? AND version = ?",
}
_UPDATE: Final = {
    "sealed": "UPDATE sealed SET row = ? WHERE secret_id = ? AND version = ?",
    "slots": "UPDATE slots SET row = ? WHERE secret_id = ? AND version = ?",
}
_DELETE: Final = {
    "sealed": "DELETE FROM sealed WHERE secret_id = ? AND version = ?",
    "slots": "DELETE FROM slots WHERE secret_id = ? AND version = ?",
}
_ALL: Final = "SELECT secret_id, version, row FROM sealed UNION ALL SELECT secret_id, version, row FROM slots ORDER BY secret_id, version"


def _table(secret_id: str) -> str:
    return "slots" if secret_id.startswith(SLOT_PREFIX) else "sealed"


class SealedStore:
    """Sealed rows over one connection; outside a transaction each call is durable by itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Borrow a connection whose tables exist (`SCHEMA`); who opened it closes it."""
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create a database of its own, in WAL mode and with full synchronisation.

        Raises:
            sqlite3.OperationalError: this place cannot keep WAL with `synchronous=FULL`.
        """
        connection = sqlite3.connect(path, isolation_level=None)
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        if mode != "wal":
            connection.close()
            raise sqlite3.OperationalError(mode)
        connection.executescript(SCHEMA)
        return cls(connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes of the block durable together, or not at all; inside a caller's transaction, leave it to the caller."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def insert(self, row: SealedRow) -> None:
        """Store a new version.

        Raises:
            sqlite3.IntegrityError: that version stands already.
        """
        self._connection.execute(_INSERT[_table(row.secret_id)], (row.secret_id, row.version, row.row))

    def replace(self, old: SealedRow, new: SealedRow) -> None:
        """Put `new` in the place of exactly `old`, both being the same version of the same secret.

        Raises:
            Tampered: `row_altered`, what stands there is not `old`.
        """
        if new.key != old.key:
            raise Tampered("row_altered")
        done = self._connection.execute(
            "UPDATE sealed SET row = ? WHERE secret_id = ? AND version = ? AND row = ?",
            (new.row, old.secret_id, old.version, old.row),
        )
        if done.rowcount != 1:
            raise Tampered("row_altered")

    def delete(self, secret_id: str, version: int) -> None:
        """Remove one version; that it is gone already is no error."""
        self._connection.execute(_DELETE[_table(secret_id)], (secret_id, version))

    def put_aside(self, rows: Iterable[SealedRow]) -> None:
        """Keep rewrapped rows beside the ones they will replace, until the log has named them."""
        with self.transaction():
            for row in rows:
                self._connection.execute("INSERT OR REPLACE INTO aside VALUES (?, ?, ?)", (row.secret_id, row.version, row.row))

    def take_aside(self, expected: Expected) -> int:
        """Let each row put aside that is exactly what the log expects take its place, drop the others; return how many did."""
        with self.transaction():
            taken = 0
            for secret_id, version, data in self._connection.execute("SELECT secret_id, version, row FROM aside").fetchall():
                row = SealedRow(secret_id=secret_id, version=version, row=data)
                if expected.get(row.key) == row.sha256:
                    table = _table(secret_id)
                    self._connection.execute(_UPDATE[table], (data, secret_id, version))
                    taken += 1
            self._connection.execute("DELETE FROM aside")
            return taken

    def get(self, secret_id: str, version: int) -> SealedRow | None:
        """Read one version, or None."""
        found = self._connection.execute(_GET[_table(secret_id)], (secret_id, version)).fetchone()
        return None if found is None else SealedRow(secret_id=secret_id, version=version, row=found[0])

    def rows(self) -> tuple[SealedRow, ...]:
        """Read every row, slots included, ordered by id and version."""
        return tuple(SealedRow(secret_id=i, version=v, row=r) for i, v, r in self._connection.execute(_ALL))
