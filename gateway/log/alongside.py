"""Reading the copies beside the checkpoint rows: what each copy says of a size, in order of size.

Nearly every line is exactly what the row of its size would have written. Such a line is compared as bytes and not parsed: it says what the
row says, and the row is judged. Every other line is parsed and judged by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.log.checkpoint import NoteInvalid, parse_checkpoint, split_note
from gateway.log.copies import line_of, parse_line, read_lines, size_in

Said = Callable[[str, int], None]
"""Called with a copy's file name and the first byte of a torn line."""

Wrong = Callable[[str, NoteInvalid], None]
"""Called with a copy's file name and why the note of a whole line is none."""


@dataclass(frozen=True, slots=True)
class CopyLine:
    """A whole line of a copy: the size that its note names, the note, and the leaf hashes. Nothing in it is verified yet."""

    size: int
    note: str
    leaves: bytes


class Alongside:
    """All copies, read together and once.

    Raises:
        LogUnavailable: a copy cannot be read; also from every call.
    """

    def __init__(self, paths: Sequence[Path], *, torn: Said, invalid: Wrong) -> None:
        self._cursors = [_Cursor(path, torn, invalid) for path in paths]

    def agree(self, size: int, note: str, leaves: bytes) -> bool:
        """Step over the line for this checkpoint in every copy, where each has exactly it next and then only larger sizes; else False."""
        if not self._cursors:
            return False
        line = line_of(note, leaves)
        if not all(cursor.is_next(line, size) for cursor in self._cursors):
            return False
        for cursor in self._cursors:
            cursor.step()
        return True

    def up_to(self, size: int) -> Iterator[CopyLine]:
        """Yield the lines of all copies for sizes up to `size`, the smallest head first, and step over them."""
        while True:
            heads = [(head.size, place) for place, cursor in enumerate(self._cursors) if (head := cursor.head()) is not None]
            if not heads or min(heads)[0] > size:
                return
            cursor = self._cursors[min(heads)[1]]
            head = cursor.head()
            assert head is not None
            cursor.step()
            yield head


class _Cursor:
    """One copy: the next line, unparsed until somebody asks, and the one after it."""

    def __init__(self, path: Path, torn: Said, invalid: Wrong) -> None:
        self._name, self._torn, self._invalid = path.name, torn, invalid
        self._lines = read_lines(path)
        self._here = next(self._lines, None)
        self._then = next(self._lines, None)
        self._head: CopyLine | None = None

    def is_next(self, line: bytes, size: int) -> bool:
        if self._here is None or self._here[1] != line:
            return False
        return self._then is None or (size_in(self._then[1]) or 0) > size

    def step(self) -> None:
        self._here, self._then, self._head = self._then, next(self._lines, None), None

    def head(self) -> CopyLine | None:
        """Return the next whole line, parsed; what is none is said once and left behind."""
        while self._head is None and self._here is not None:
            offset, data = self._here
            copy = parse_line(data)
            if copy is None:
                self._torn(self._name, offset)
                self.step()
                continue
            try:
                self._head = CopyLine(parse_checkpoint(split_note(copy.note)[0]).size, copy.note, copy.leaves)
            except NoteInvalid as error:
                self._invalid(self._name, error)
                self.step()
        return self._head
