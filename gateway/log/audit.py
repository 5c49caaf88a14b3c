"""Verification of a whole store: every byte hashed again, held against every signed checkpoint and against the copies outside.

How an altered entry is *named*. Each checkpoint row holds the leaf hashes its commit added, and each line of the copy holds
them again. Leaf hashes that lead to the signed root are authentic, wherever they were found; what the database holds now is
then compared with them, and the differences have a place. Where no record leads to a signed root, the range between the
last good checkpoint and the first bad one is named instead (`range_altered`), and nothing after it is judged.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.log.checkpoint import Checkpoint, KeyChain, LogKey, NoteInvalid, parse_checkpoint, rotation_in, split_note
from gateway.log.copies import TornLine, read_copies
from gateway.log.merkle import HASH_SIZE, Frontier, Tree
from gateway.log.store import StoredCheckpoint, StoreReader

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all) every few thousand entries."""

MAX_FINDINGS: Final = 100
_STEP = 4096
_DIFF_LIMIT = 4096
_FIRST = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable word, the first and last entry (or checkpoint size) it is about, and words for people."""

    code: str
    first: int
    last: int
    detail: str = ""


@dataclass(slots=True)
class AuditReport:
    """What verification found. `tree` holds what is authentic; it may be written on only where `ok`."""

    size: int
    checkpoint: Checkpoint | None
    note: str | None
    findings: list[Finding]
    warnings: list[Finding]
    tree: Tree
    chain: KeyChain

    @property
    def ok(self) -> bool:
        """Whether the log is whole and unaltered as far as its checkpoints and copies reach."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Ok:
    """The store and its copy agree."""


@dataclass(frozen=True, slots=True)
class Shorter:
    """The store ends at `store` entries, the copy knows of `copy`."""

    store: int
    copy: int


@dataclass(frozen=True, slots=True)
class Forked:
    """Two validly signed checkpoints of one origin and one size differ; both notes are given."""

    size: int
    store: str
    copy: str


@dataclass(frozen=True, slots=True)
class Altered:
    """Entries `first` to `last` are not what was signed; `code` says in which way."""

    code: str
    first: int
    last: int


Comparison = Ok | Shorter | Forked | Altered


@dataclass(slots=True)
class _State:
    chain: KeyChain
    all_signatures: bool
    got: bytearray = field(default_factory=bytearray)
    good: bytearray = field(default_factory=bytearray)
    frontier: Frontier = field(default_factory=Frontier)
    findings: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    note: str | None = None
    promised: int = 0
    gap: int | None = None
    lost: bool = False

    def find(self, code: str, first: int, last: int | None = None, detail: str = "") -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(code, first, first if last is None else last, detail))


@dataclass(frozen=True, slots=True)
class _CopyLine:
    size: int
    note: str
    leaves: bytes


def verify_store(
    path: Path, first_key: LogKey, *, copies: Sequence[Path] = (), progress: Progress | None = None, all_signatures: bool = True
) -> AuditReport:
    """Verify the store at `path`, which may be in use or on a medium that cannot be written; see `verify_log`.

    Raises:
        LogUnavailable: the store or a copy cannot be read.
    """
    with StoreReader.open_readonly(path) as store:
        return verify_log(store, first_key, copies=copies, progress=progress, all_signatures=all_signatures)


def verify_log(
    store: StoreReader, first_key: LogKey, *, copies: Sequence[Path] = (), progress: Progress | None = None,
    all_signatures: bool = True, follow: Callable[[bytes], None] | None = None,
) -> AuditReport:
    """Hash every entry of `store` again and compare it with its checkpoints and with the copies.

    With `all_signatures` false only the newest checkpoint's signature is checked while nothing is wrong (roots always are):
    enough to know that the entries are those that were signed, and what the enforcer does at start.

    `follow` is given each body right after it was hashed, in order, so that what is replayed is what was verified and is read once. It is
    called before anything is known to be right: what it makes of the bodies is worth nothing unless the report is `ok`.

    Raises:
        LogUnavailable: the store or a copy cannot be read.
    """
    state = _State(KeyChain(first_key), all_signatures)
    end = store.size()
    _hash_entries(store, state, end, progress, follow)
    lines = _Ahead(_copy_lines(copies, state))
    last: StoredCheckpoint | None = None
    for row in store.checkpoints():
        _take(state, row, lines)
        last = row
    _check_newest(state, last)
    _take_rest(state, lines, end)
    _compare(state, end)
    if state.findings and not all_signatures:
        return verify_log(store, first_key, copies=copies)
    tree = Tree()
    tree.extend(bytes(state.good[i : i + HASH_SIZE]) for i in range(0, len(state.good), HASH_SIZE))
    return AuditReport(end, state.checkpoint, state.note, state.findings, state.warnings, tree, state.chain)


def check_against_copy(report: AuditReport) -> Comparison:
    """Return the verdict of a start: the first thing in `report` that keeps the enforcer sealed, the gravest first."""
    for finding in report.findings:
        if finding.code == "forked":
            store, _, copy = finding.detail.partition("\x00")
            return Forked(finding.first, store, copy)
    for finding in report.findings:
        if finding.code != "tail_missing":
            return Altered(finding.code, finding.first, finding.last)
    for finding in report.findings:
        return Shorter(finding.first, finding.last + 1)
    return Ok()


class _Ahead:
    """The copies' lines, one looked at ahead."""

    def __init__(self, lines: Iterator[_CopyLine]) -> None:
        self._lines = lines
        self.head = next(lines, None)

    def up_to(self, size: int) -> Iterator[_CopyLine]:
        while self.head is not None and self.head.size <= size:
            line, self.head = self.head, next(self._lines, None)
            yield line


def _hash_entries(
    store: StoreReader, state: _State, end: int, progress: Progress | None, follow: Callable[[bytes], None] | None,
) -> None:
    got = state.got
    for count, (seq, body) in enumerate(store.rows(_FIRST)):
        if seq != count and state.gap is None:
            state.gap = count
        got += sha256(b"\x00" + body).digest()
        if follow is not None:
            follow(body)
        rotation = rotation_in(body)
        if rotation is not None:
            try:
                state.chain.follow(seq, rotation)
            except NoteInvalid as error:
                state.find("key_rotation_invalid", seq, detail=str(error))
        if progress is not None and not count % _STEP:
            progress(count, end)
    if progress is not None:
        progress(end, end)


def _copy_lines(paths: Sequence[Path], state: _State) -> Iterator[_CopyLine]:
    return heapq.merge(*[_one_copy(path, state) for path in paths], key=lambda line: line.size)


def _one_copy(path: Path, state: _State) -> Iterator[_CopyLine]:
    for line in read_copies(path):
        if isinstance(line, TornLine):
            state.warnings.append(Finding("copy_torn", line.offset, line.offset, f"{path.name}: a line is torn"))
            continue
        try:
            size = parse_checkpoint(split_note(line.note)[0]).size
        except NoteInvalid as error:
            state.find("copy_altered", len(state.got) // HASH_SIZE, detail=f"{path.name}: {error}")
            continue
        yield _CopyLine(size, line.note, line.leaves)


def _take(state: _State, row: StoredCheckpoint, lines: _Ahead) -> None:
    """Judge one checkpoint row: its note, its leaf hashes, and what the copies say of the same size."""
    checkpoint = _open(state, row.note, signed=state.all_signatures)
    if checkpoint is None or checkpoint.size != row.size:
        state.find("checkpoint_altered", row.size, detail="the note does not verify")
        checkpoint = None
    elif checkpoint.epoch != row.epoch:
        state.find("checkpoint_altered", row.size, detail="the epoch beside the note is another")
    candidates = [row.leaves]
    for line in lines.up_to(row.size):
        other = checkpoint if line.note == row.note else _open_copy(state, line)
        if other is None:
            continue
        if line.note != row.note and checkpoint is not None and _open(state, row.note, signed=True) is None:
            state.find("checkpoint_altered", row.size, detail="the note does not verify")
            checkpoint = None
        if line.size < row.size:
            _missing_checkpoint(state, other, checkpoint, line)
        else:
            candidates.append(line.leaves)
            checkpoint = _same_size(state, row, checkpoint, other, line.note)
    state.promised = max(state.promised, row.size)
    if checkpoint is not None:
        _advance(state, checkpoint, candidates)
        state.checkpoint, state.note = checkpoint, row.note


def _missing_checkpoint(state: _State, other: Checkpoint, next_one: Checkpoint | None, line: _CopyLine) -> None:
    """Take a checkpoint that only the copy has; one of another origin belongs to an incarnation that a restore ended."""
    if next_one is not None and next_one.origin != other.origin:
        state.warnings.append(Finding("other_incarnation", line.size, line.size, other.origin))
        return
    state.find("checkpoint_missing", line.size, detail="the copy has a checkpoint that the database lacks")
    _advance(state, other, [line.leaves])


def _same_size(state: _State, row: StoredCheckpoint, mine: Checkpoint | None, other: Checkpoint, note: str) -> Checkpoint:
    if mine is None:
        return other
    if mine.origin != other.origin:
        state.warnings.append(Finding("other_incarnation", row.size, row.size, other.origin))
    elif mine.root != other.root:
        state.find("forked", row.size, detail=f"{row.note}\x00{note}")
    return mine


def _advance(state: _State, checkpoint: Checkpoint, candidates: Sequence[bytes]) -> None:
    """Extend what is authentic up to `checkpoint` with the first leaf hashes that lead to its root."""
    start, size = state.frontier.size, checkpoint.size
    if state.lost or size <= start:
        return
    now = bytes(state.got[start * HASH_SIZE : size * HASH_SIZE])
    tried: list[bytes] = []
    for leaves in (*candidates, now):
        if leaves in tried or len(leaves) != (size - start) * HASH_SIZE:
            continue
        tried.append(leaves)
        frontier = state.frontier.copy()
        for i in range(0, len(leaves), HASH_SIZE):
            frontier.append(leaves[i : i + HASH_SIZE])
        if frontier.root() == checkpoint.root:
            if leaves != candidates[0]:
                state.find("leaf_record_altered", start, size - 1, "the recorded leaf hashes are not those that were signed")
            state.frontier = frontier
            state.good += leaves
            return
    state.lost = True
    state.find("range_altered", start, size - 1, "no record leads to the signed root; nothing after it was judged")


def _take_rest(state: _State, lines: _Ahead, end: int) -> None:
    """Take what the copies know beyond the database's last checkpoint."""
    for line in lines.up_to(1 << 60):
        other = _open_copy(state, line)
        if other is None:
            continue
        if state.checkpoint is not None and other.origin != state.checkpoint.origin:
            state.warnings.append(Finding("other_incarnation", line.size, line.size, other.origin))
            continue
        state.promised = max(state.promised, other.size)
        if other.size <= end:
            state.find("checkpoint_missing", other.size, detail="the copy has a checkpoint that the database lacks")
        _advance(state, other, [line.leaves])


def _check_newest(state: _State, last: StoredCheckpoint | None) -> None:
    if last is not None and not state.all_signatures and _open(state, last.note, signed=True) is None:
        state.find("checkpoint_altered", last.size, detail="the newest note does not verify")


def _open(state: _State, note: str, *, signed: bool) -> Checkpoint | None:
    try:
        return state.chain.open(note) if signed else parse_checkpoint(split_note(note)[0])
    except NoteInvalid:
        return None


def _open_copy(state: _State, line: _CopyLine) -> Checkpoint | None:
    checkpoint = _open(state, line.note, signed=True)
    if checkpoint is None:
        state.find("copy_altered", line.size, detail="a note in the copy does not verify")
    return checkpoint


def _compare(state: _State, end: int) -> None:
    """Name every difference between the authentic leaf hashes and those of the rows that are there."""
    good, got = state.good, state.got
    if state.lost:
        del got[len(good) :]
    before = len(state.findings)
    if good != got:
        want, have = len(good) // HASH_SIZE, len(got) // HASH_SIZE
        low, high = _common_prefix(good, got), 0
        while high < min(want, have) - low and _hash(good, want - high - 1) == _hash(got, have - high - 1):
            high += 1
        missing, extra = _hashes(good, low, want - high), _hashes(got, low, have - high)
        if len(missing) == len(extra):
            _name_in_place(state, low, missing, extra)
        elif low < have:
            _name_shifted(state, low, missing, extra)
    if state.gap is not None and len(state.findings) == before:
        state.find("numbering_altered", state.gap, detail="the entries are whole, their numbers are not")
    if state.promised > end and len(state.findings) == before:
        state.find("tail_missing", end, state.promised - 1, "a signed checkpoint covers more entries than there are")


def _name_in_place(state: _State, low: int, want: Sequence[bytes], have: Sequence[bytes]) -> None:
    known = set(want)
    for seq, (one, other) in enumerate(zip(want, have, strict=True), low):
        if one != other:
            state.find("entry_moved" if other in known else "entry_altered", seq)


def _name_shifted(state: _State, low: int, want: Sequence[bytes], have: Sequence[bytes]) -> None:
    if max(len(want), len(have)) > _DIFF_LIMIT:
        state.find("range_altered", low, low + len(want) - 1, "too much differs to name each entry")
        return
    for kind, i, j, k, m in SequenceMatcher(None, want, have, autojunk=False).get_opcodes():
        if kind in {"delete", "replace"}:
            state.find("entry_missing" if kind == "delete" else "entry_altered", low + i, low + j - 1)
        elif kind == "insert":
            state.find("entry_inserted", low + k, low + m - 1)


def _common_prefix(one: bytearray, other: bytearray) -> int:
    """Return how many hashes both begin with, by halving."""
    low, high = 0, min(len(one), len(other)) // HASH_SIZE
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * HASH_SIZE : middle * HASH_SIZE] == other[low * HASH_SIZE : middle * HASH_SIZE]:
            low = middle
        else:
            high = middle - 1
    return low


def _hash(data: bytearray, index: int) -> bytes:
    return bytes(data[index * HASH_SIZE : (index + 1) * HASH_SIZE])


def _hashes(data: bytearray, low: int, high: int) -> list[bytes]:
    return [_hash(data, index) for index in range(low, high)]
