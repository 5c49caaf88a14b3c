"""Erasable values: names, reasons, addresses. Entries hold only their salted commitments; erasing a row erases the value for good."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
from pathlib import Path
from typing import Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.log.errors import LogUnavailable

SALT_BYTES: Final = 32
_SCHEMA: Final = 'CREATE TABLE IF NOT EXISTS "values" (commitment TEXT PRIMARY KEY, salt BLOB NOT NULL, text TEXT NOT NULL) STRICT'


def commitment_of(salt: bytes, text: str) -> Digest:
    """Return SHA-256 of salt and UTF-8 text, the form that entries and evidence packs hold."""
    return canonical.sha256(salt + text.encode())


class Values:
    """The table of values behind commitments; every value read is held against its commitment."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute(_SCHEMA)
        self._lock = threading.Lock()
        self._cache: dict[str, str] = {}

    def commit(self, text: str) -> Digest:
        """Store `text` durably under a fresh salt and return its commitment.

        Raises:
            LogUnavailable: it could not be stored, so nothing may be logged that refers to it.
        """
        salt = secrets.token_bytes(SALT_BYTES)
        commitment = commitment_of(salt, text)
        with self._lock:
            try:
                self._connection.execute('INSERT INTO "values" VALUES (?, ?, ?)', (commitment, salt, text))
            except sqlite3.OperationalError as error:
                raise LogUnavailable("values_unavailable", str(error)) from error
        self._cache[commitment] = text
        return commitment

    def text(self, commitment: str) -> str | None:
        """Return the value, or None where it was erased, never stored, or does not fit its commitment."""
        if commitment in self._cache:
            return self._cache[commitment]
        found = self.salt_and_text(commitment)
        if found is None:
            return None
        self._cache[commitment] = found[1]
        return found[1]

    def salt_and_text(self, commitment: str) -> tuple[bytes, str] | None:
        """Return salt and value for an evidence pack, or None; see `text`."""
        with self._lock:
            row = self._connection.execute('SELECT salt, text FROM "values" WHERE commitment = ?', (commitment,)).fetchone()
        if row is None or "sha256:" + hashlib.sha256(row[0] + row[1].encode()).hexdigest() != commitment:
            return None
        return row[0], row[1]

    def erase(self, commitment: str) -> None:
        """Erase one value; the caller has logged that it does."""
        self._cache.pop(commitment, None)
        with self._lock:
            self._connection.execute('DELETE FROM "values" WHERE commitment = ?', (commitment,))

    def close(self) -> None:
        """Close the table."""
        self._connection.close()
