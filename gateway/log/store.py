"""The entry store: one SQLite file behind the port `append(batch, expected_size, fence)`.

1. Journal mode WAL and synchronous FULL, read back after they were set; a database that answers otherwise is not opened.
2. One transaction holds the fence check, the size check, the entries, and their checkpoint with the leaf hashes it covers.
3. A failed append is unknown, not "not done": the store refuses everything after it until it is opened again and verified.
4. A reserve file beside the database can be given up so that a withdrawal can be logged on a full disk.

Used by one thread at a time. Any error of SQLite or the system becomes `LogUnavailable`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from gateway.log.errors import Fenced, LogUnavailable, SizeMismatch

RESERVE: Final = 64 << 20
"""Bytes that wait beside the database for a full disk."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (size INTEGER PRIMARY KEY, epoch TEXT NOT NULL, note TEXT NOT NULL, leaves BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS fence (id INTEGER PRIMARY KEY CHECK (id = 0), value INTEGER NOT NULL);
INSERT OR IGNORE INTO fence VALUES (0, 0);
"""
_ABOVE: Final = (
    "SELECT size, CAST(epoch AS TEXT), CAST(note AS TEXT), CAST(leaves AS BLOB) FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?"
)
_NEWEST: Final = (
    "SELECT size, CAST(epoch AS TEXT), CAST(note AS TEXT), CAST(leaves AS BLOB) FROM checkpoints ORDER BY size DESC LIMIT 1"
)
"""Cast, because SQLite keeps in any column whatever type somebody put there; what is read must be judged, not crash the judge."""
_FULL = 2
_PAGE = 2048
_ROWS: Final = 64


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A row of `checkpoints`: the size it is for, its epoch, the signed note, and the leaf hashes since the row before."""

    size: int
    epoch: str
    note: str
    leaves: bytes


class StoreReader:
    """Reads a store without the right to change it; what `qianfa log verify` opens."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        connection.text_factory = lambda data: data.decode("utf-8", "replace")

    @classmethod
    def open_readonly(cls, path: Path) -> StoreReader:
        """Open the store at `path` for reading, also from a medium that cannot be written.

        Raises:
            LogUnavailable: it cannot be read, or it is not a log.
        """
        with _guarded("log_unreadable"):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            if not path.with_name(path.name + "-wal").exists():
                uri += "&immutable=1"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            connection.execute("SELECT seq FROM entries LIMIT 1").fetchone()
            connection.execute("SELECT size FROM checkpoints LIMIT 1").fetchone()
            return StoreReader(path, connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let everything that is read inside be of one moment, the first read's, whatever another process appends meanwhile.

        Raises:
            LogUnavailable: it cannot be read.
        """
        with self._operation("log_unreadable"):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):  # nothing was written; what failed has been said
                self._connection.execute("COMMIT")

    def size(self) -> int:
        """Return the number of entries, counted by the last one's place."""
        with self._operation("log_unreadable"):
            return self._size()

    def read(self, start: int, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bodies of the entries from `start` up to `stop`, in order.

        Raises:
            LogUnavailable: it cannot be read, or an entry is missing (`log_gap`).
        """
        expected = start
        for seq, body in self.rows(start, stop):
            if seq != expected:
                break
            yield body
            expected += 1
        if stop is not None and expected < stop:
            raise LogUnavailable("log_gap", f"entry {expected} is missing")

    def rows(self, start: int, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield the rows that are there, gaps and all, from `start` up to `stop`."""
        for page in self.pages(start, stop):
            yield from page

    def pages(self, start: int, stop: int | None = None) -> Iterator[list[tuple[int, bytes]]]:
        """Yield the same rows as `rows`, many at a time, for whoever reads them all."""
        end = stop if stop is not None else (1 << 63) - 1
        while True:
            with self._operation("log_unreadable"):
                page = self._connection.execute(
                    "SELECT seq, CAST(body AS BLOB) FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?", (start, end, _PAGE)
                ).fetchall()
            if page:
                yield page
            if len(page) < _PAGE:
                return
            start = page[-1][0] + 1

    def checkpoints(self, above: int = -1) -> Iterator[StoredCheckpoint]:
        """Yield the checkpoint rows for sizes larger than `above`, in order of size."""
        while True:
            with self._operation("log_unreadable"):
                page = self._connection.execute(_ABOVE, (above, _PAGE)).fetchall()
            for row in page:
                yield StoredCheckpoint(*row)
            if len(page) < _PAGE:
                return
            above = page[-1][0]

    def last_checkpoint(self) -> StoredCheckpoint | None:
        """Return the checkpoint row of the largest size, or None in an empty log."""
        with self._operation("log_unreadable"):
            row = self._connection.execute(_NEWEST).fetchone()
        return StoredCheckpoint(*row) if row else None

    def close(self) -> None:
        """Close the file."""
        with _guarded("log_close_failed"):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _size(self) -> int:
        (last,) = self._connection.execute("SELECT max(seq) FROM entries").fetchone()
        return 0 if last is None else int(last) + 1

    @contextmanager
    def _operation(self, code: str) -> Iterator[None]:
        with _guarded(code):
            yield


class LogStore(StoreReader):
    """The store of the one writer."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._failed = False

    @classmethod
    def open(cls, path: Path) -> LogStore:
        """Open the store at `path`, made if it is not there (mode 0600).

        Raises:
            LogUnavailable: it cannot be opened, or does not keep WAL and synchronous FULL (`log_not_durable`).
        """
        with _guarded("log_unavailable"):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2)
            try:
                _make_durable(connection)
                connection.executescript(_SCHEMA)
            except BaseException:
                connection.close()
                raise
            return cls(path, connection)

    def take_fence(self) -> int:
        """Return a fence larger than any before it; every writer with an older one is refused from now on.

        Raises:
            LogUnavailable: it could not be stored.
        """
        with self._operation("log_unavailable"):
            (value,) = self._connection.execute("UPDATE fence SET value = value + 1 RETURNING value").fetchone()
            return int(value)

    def append(
        self, bodies: Sequence[bytes], *, expected_size: int, fence: int, note: str, epoch: str = "", leaves: bytes = b""
    ) -> None:
        """Add `bodies` as entries `expected_size` and on, with the checkpoint `note` for the new size, in one transaction.

        On return they are durable.

        Raises:
            SizeMismatch: the log is not `expected_size` long; nothing was written.
            Fenced: `fence` is not the newest; nothing was written.
            LogUnavailable: anything else. Whether the entries are durable is unknown, and the store refuses what follows.
        """
        try:
            with self._operation("log_unavailable"):
                self._transact(bodies, expected_size, fence, (expected_size + len(bodies), epoch, note, leaves))
        except LogUnavailable:
            self._failed = True
            raise

    def reserve(self, size: int = RESERVE) -> None:
        """Set aside `size` bytes of disk beside the database, if they are not yet.

        Raises:
            LogUnavailable: the disk has no room or cannot be written.
        """
        with _guarded("log_no_reserve"):
            handle = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, size)
                os.fsync(handle)
            except OSError:
                self._reserve.unlink()  # half a reserve would pass for a whole one
                raise
            finally:
                os.close(handle)

    def release_reserve(self) -> bool:
        """Give the reserve up; return whether there was one.

        Raises:
            LogUnavailable: it could not be removed.
        """
        with _guarded("log_no_reserve"):
            try:
                self._reserve.unlink()
            except FileNotFoundError:
                return False
            return True

    @property
    def _reserve(self) -> Path:
        return self.path.with_name(self.path.name + ".reserve")

    def _transact(self, bodies: Sequence[bytes], expected: int, fence: int, checkpoint: tuple[int, str, str, bytes]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            newest, last = connection.execute("SELECT value, (SELECT max(seq) FROM entries) FROM fence").fetchone()
            if newest != fence:
                raise Fenced
            found = 0 if last is None else int(last) + 1
            if found != expected:
                raise SizeMismatch(expected=expected, found=found)
            for start in range(0, len(bodies), _ROWS):
                rows = enumerate(bodies[start : start + _ROWS], expected + start)
                values = [value for row in rows for value in row]
                connection.execute(_insert(len(values) // 2), values)
            connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", checkpoint)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _operation(self, code: str) -> Iterator[None]:
        if self._failed:
            raise LogUnavailable("log_failed_before", "open and verify the log again")
        with _guarded(code):
            yield


@cache
def _insert(rows: int) -> str:
    """Return the statement for so many entries: between two statements the writing thread waits for its turn in the interpreter."""
    return "INSERT INTO entries VALUES " + ", ".join(["(?, ?)"] * rows)  # noqa: S608 -- only placeholders are joined


def _make_durable(connection: sqlite3.Connection) -> None:
    """Set WAL and FULL and believe only what is read back."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    if mode != "wal" or level != _FULL:
        raise LogUnavailable("log_not_durable", f"journal_mode={mode} synchronous={level}")


@contextmanager
def _guarded(code: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LogUnavailable(code, str(error)) from error
