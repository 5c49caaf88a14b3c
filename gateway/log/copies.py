"""The checkpoint copy: an append-only file outside the database, one line a commit.

A line is canonical JSON `{"leaves":"<base64>","note":"<signed note>"}`: the note that was committed and the leaf hashes it
added, so that what was altered in the database can be named from a record that the database does not hold.

The file is only ever appended to, so it can carry the append-only attribute or stand on a medium of that kind. A line that a
crash tore is left where it is and ended by the next one that is written; readers report it and go on.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gateway import canonical
from gateway.log.errors import LogUnavailable

MAX_LINE: Final = 1 << 22
_BLOCK = 1 << 16
_NOTE = b'"note":"'
_SIZE = re.compile(rb'"note":"[^"\\]*\\n(0|[1-9][0-9]{0,15})\\n')


@dataclass(frozen=True, slots=True)
class Copy:
    """One line of the file: the signed note and the leaf hashes it added. Nothing in it is verified yet."""

    note: str
    leaves: bytes


@dataclass(frozen=True, slots=True)
class TornLine:
    """A line that is not a copy: torn by a crash, or altered. `offset` is its first byte in the file."""

    offset: int


class CheckpointCopies:
    """The file, opened for appending."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._torn = False
        self.dirty = False

    @classmethod
    def open(cls, path: Path, *, new: bool = False) -> CheckpointCopies:
        """Open the file at `path`, made if it is not there (mode 0600). With `new` nothing may be there, not even a link.

        Nothing is written yet: a disk without room does not keep a log from being read.

        Raises:
            LogUnavailable: it cannot be opened for writing.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if new else 0), 0o600)
            copies = cls(path, handle)
            length = os.fstat(handle).st_size
            copies._torn = length > 0 and os.pread(handle, 1, length - 1) != b"\n"
        except OSError as error:
            raise LogUnavailable("copy_unavailable", str(error)) from error
        return copies

    def append(self, note: str, leaves: bytes = b"") -> None:
        """Add one line; it is durable only after `sync`.

        Raises:
            LogUnavailable: it could not be written whole.
        """
        line = line_of(note, leaves)
        try:
            self._write(line)
        except OSError as error:
            raise LogUnavailable("copy_unavailable", str(error)) from error

    def sync(self) -> None:
        """Make every line so far durable.

        Raises:
            LogUnavailable: the system could not promise it.
        """
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            raise LogUnavailable("copy_unavailable", str(error)) from error
        self.dirty = False

    def newest(self) -> str | None:
        """Return the note of the last whole line, or None; see `newest_copy`."""
        return newest_copy(self.path)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        self.dirty = True
        data = b"\n" + data if self._torn else data
        self._torn = os.write(self._handle, data) != len(data)
        if self._torn:
            raise OSError("short write")


def line_of(note: str, leaves: bytes) -> bytes:
    """Return the one line, with its line feed, for a note and the leaf hashes it added.

    Raises:
        NotCanonical: the note holds a lone surrogate.
    """
    return canonical.encode({"leaves": base64.b64encode(leaves).decode(), "note": note}) + b"\n"


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield every line of the file as (offset, bytes with the line feed), in order and unparsed; see `parse_line`.

    What is appended after the first line was asked for is left out: whoever reads beside a writer knows of which moment that is.

    Raises:
        LogUnavailable: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            offset, end = 0, os.fstat(file.fileno()).st_size
            while offset < end and (line := file.readline(MAX_LINE)):
                yield offset, line
                offset += len(line)
    except OSError as error:
        raise LogUnavailable("copy_unreadable", str(error)) from error


def read_copies(path: Path) -> Iterator[Copy | TornLine]:
    """Yield every line of the file, in order.

    Raises:
        LogUnavailable: it cannot be read.
    """
    for offset, line in read_lines(path):
        yield parse_line(line) or TornLine(offset)


def size_in(line: bytes) -> int | None:
    """Return the size that a whole line's checkpoint names, without parsing the line; None where that does not show at once.

    Of a torn line it may say anything: a line that counts is parsed.
    """
    found = _SIZE.match(line, line.find(_NOTE))
    return int(found[1]) if found else None


def newest_copy(path: Path) -> str | None:
    """Return the note of the last whole line, reading from the end; None where there is none.

    Raises:
        LogUnavailable: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            window = _BLOCK
            while True:
                start = max(0, end - window)
                file.seek(start)
                lines = file.read(end - start).split(b"\n")
                for line in reversed(lines[1:] if start else lines):
                    if copy := parse_line(line + b"\n"):
                        return copy.note
                if not start:
                    return None
                window *= 4
    except OSError as error:
        raise LogUnavailable("copy_unreadable", str(error)) from error


def parse_line(line: bytes) -> Copy | None:
    """Return what stands in a line with its line feed, or None where it is none that `line_of` writes."""
    try:
        value = canonical.parse(line.removesuffix(b"\n"))
        if not line.endswith(b"\n") or not isinstance(value, dict) or set(value) != {"leaves", "note"}:
            return None
        note, leaves = value["note"], value["leaves"]
        if not isinstance(note, str) or not isinstance(leaves, str):
            return None
        return Copy(note, base64.b64decode(leaves, validate=True))
    except (canonical.NotCanonical, binascii.Error, ValueError):
        return None
