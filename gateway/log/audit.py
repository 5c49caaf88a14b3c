"""Verification of a whole store: every byte hashed again, held against every signed checkpoint and against the copies outside.

How an altered entry is *named*. Each checkpoint row holds the leaf hashes its commit added, and each line of the copy holds
them again. Leaf hashes that lead to the signed root are authentic, wherever they were found; what the database holds now is
then compared with them, and the differences have a place. Where no record leads to a signed root, the range between the
last good checkpoint and the first bad one is named instead (`range_altered`), and nothing after it is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.log.alongside import Alongside, CopyLine
from gateway.log.checkpoint import ROTATION_MARK, Checkpoint, KeyChain, LogKey, NoteInvalid, parse_checkpoint, rotation_in, split_note
from gateway.log.merkle import HASH_SIZE, Frontier, Tree
from gateway.log.store import StoredCheckpoint, StoreReader

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all) every few thousand entries."""

MAX_FINDINGS: Final = 100
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
    """What is known so far: `found` is the tree of the rows that are there.

    As long as what was signed is what is there, its authentic beginning is counted in `same`; from the first difference on the authentic
    tree is one of its own, `other`.
    """

    chain: KeyChain
    all_signatures: bool
    found: Tree = field(default_factory=Tree)
    same: int = 0
    other: Tree | None = None
    findings: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    note: str | None = None
    promised: int = 0
    gap: int | None = None
    lost: bool = False

    @property
    def good(self) -> int:
        """How many leaves are authentic."""
        return self.same if self.other is None else len(self.other)

    def leads_to(self, root: bytes, leaves: bytes, now: bytes) -> bool:
        """Return whether `leaves`, put behind what is authentic, lead to `root`; `now` are the leaves of the rows in that place."""
        if self.other is None and leaves == now:
            return self.found.root(self.same + len(leaves) // HASH_SIZE) == root
        frontier = Frontier(self.good, (self.found if self.other is None else self.other).frontier(self.good))
        for leaf in _hashes(leaves):
            frontier.append(leaf)
        return frontier.root() == root

    def take(self, leaves: bytes, now: bytes) -> None:
        """Put `leaves` behind what is authentic."""
        if self.other is None and leaves == now:
            self.same += len(leaves) // HASH_SIZE
            return
        if self.other is None:
            self.other = self.found.prefix(self.same)
        self.other.extend(_hashes(leaves))

    def authentic(self) -> Tree:
        """Return the tree of what is authentic."""
        if self.other is not None:
            return self.other
        return self.found if self.same == len(self.found) else self.found.prefix(self.same)

    def find(self, code: str, first: int, last: int | None = None, detail: str = "") -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(code, first, first if last is None else last, detail))


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

    A store that is in use is verified as it is at one moment: what is committed meanwhile is left out.

    Raises:
        LogUnavailable: the store or a copy cannot be read.
    """
    report = _verified(store, _State(KeyChain(first_key), all_signatures), copies, progress, follow)
    if report.findings and not all_signatures:
        return verify_log(store, first_key, copies=copies)
    return report


def _verified(
    store: StoreReader, state: _State, copies: Sequence[Path], progress: Progress | None, follow: Callable[[bytes], None] | None,
) -> AuditReport:
    """Read copies and store once and judge them. The copies end where they end now: each line of theirs has its row by then."""
    lines = Alongside(
        copies, torn=lambda name, offset: state.warnings.append(Finding("copy_torn", offset, offset, f"{name}: a line is torn")),
        invalid=lambda name, error: state.find("copy_altered", len(state.found), detail=f"{name}: {error}"),
    )
    with store.snapshot():
        end = store.size()
        rows = _Rows(store.checkpoints())
        for count in _hash_entries(store, state, follow):
            for row in rows.up_to(count):
                _take(state, row, lines)
            if progress is not None:
                progress(count, end)
        for row in rows.up_to(None):
            _take(state, row, lines)
    if progress is not None:
        progress(end, end)
    _check_newest(state, rows.last)
    _take_rest(state, lines, end)
    _compare(state, end)
    return AuditReport(end, state.checkpoint, state.note, state.findings, state.warnings, state.authentic(), state.chain)


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


class _Rows:
    """The checkpoint rows in order of size, each given once; `last` is the last that was given."""

    def __init__(self, rows: Iterator[StoredCheckpoint]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self.last: StoredCheckpoint | None = None

    def up_to(self, size: int | None) -> Iterator[StoredCheckpoint]:
        """Yield the rows that are left for sizes up to `size`, or all of them."""
        while (row := self._next) is not None and (size is None or row.size <= size):
            self.last, self._next = row, next(self._rows, None)
            yield row


def _hash_entries(store: StoreReader, state: _State, follow: Callable[[bytes], None] | None) -> Iterator[int]:
    """Hash the entries, many at a time, and yield how many they are by now: what was signed of them can then be judged."""
    count = 0
    for page in store.pages(_FIRST):
        bodies = [body for _, body in page]
        if state.gap is None and (page[0][0], page[-1][0]) != (count, count + len(page) - 1):
            state.gap = next(place for place, (seq, _) in enumerate(page, count) if seq != place)
        state.found.extend([sha256(b"\x00" + body).digest() for body in bodies])
        if follow is not None:
            for body in bodies:
                follow(body)
        if ROTATION_MARK in b"".join(bodies):
            _follow_keys(state, page)
        count += len(page)
        yield count


def _follow_keys(state: _State, page: Sequence[tuple[int, bytes]]) -> None:
    for seq, body in page:
        rotation = rotation_in(body)
        if rotation is not None:
            try:
                state.chain.follow(seq, rotation)
            except NoteInvalid as error:
                state.find("key_rotation_invalid", seq, detail=str(error))


def _take(state: _State, row: StoredCheckpoint, lines: Alongside) -> None:
    """Judge one checkpoint row: its note, its leaf hashes, and what the copies say of the same size."""
    checkpoint = _open(state, row.note, signed=state.all_signatures)
    if checkpoint is None or checkpoint.size != row.size:
        state.find("checkpoint_altered", row.size, detail="the note does not verify")
        checkpoint = None
    elif checkpoint.epoch != row.epoch:
        state.find("checkpoint_altered", row.size, detail="the epoch beside the note is another")
    candidates = [row.leaves]
    agreed = checkpoint is not None and lines.agree(row.size, row.note, row.leaves)
    for line in () if agreed else lines.up_to(row.size):
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


def _missing_checkpoint(state: _State, other: Checkpoint, next_one: Checkpoint | None, line: CopyLine) -> None:
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
    start, size = state.good, checkpoint.size
    if state.lost or size <= start:
        return
    now = state.found.leaves(start, size)
    tried: list[bytes] = []
    for leaves in (*candidates, now):
        if leaves in tried or len(leaves) != (size - start) * HASH_SIZE:
            continue
        tried.append(leaves)
        if state.leads_to(checkpoint.root, leaves, now):
            if leaves != candidates[0]:
                state.find("leaf_record_altered", start, size - 1, "the recorded leaf hashes are not those that were signed")
            state.take(leaves, now)
            return
    state.lost = True
    state.find("range_altered", start, size - 1, "no record leads to the signed root; nothing after it was judged")


def _take_rest(state: _State, lines: Alongside, end: int) -> None:
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


def _open_copy(state: _State, line: CopyLine) -> Checkpoint | None:
    checkpoint = _open(state, line.note, signed=True)
    if checkpoint is None:
        state.find("copy_altered", line.size, detail="a note in the copy does not verify")
    return checkpoint


def _compare(state: _State, end: int) -> None:
    """Name every difference between the authentic leaf hashes and those of the rows that are there."""
    before = len(state.findings)
    if state.other is not None or (state.same != len(state.found) and not state.lost):
        want, have = state.good, min(len(state.found), state.good) if state.lost else len(state.found)
        _name(state, state.authentic().leaves(0, want), state.found.leaves(0, have))
    if state.gap is not None and len(state.findings) == before:
        state.find("numbering_altered", state.gap, detail="the entries are whole, their numbers are not")
    if state.promised > end and len(state.findings) == before:
        state.find("tail_missing", end, state.promised - 1, "a signed checkpoint covers more entries than there are")


def _name(state: _State, good: bytes, got: bytes) -> None:
    """Name where `got`, the rows' leaf hashes, is not `good`, the authentic ones."""
    want, have = _hashes(good), _hashes(got)
    low, high = _common_prefix(good, got), 0
    while high < min(len(want), len(have)) - low and want[-high - 1] == have[-high - 1]:
        high += 1
    missing, extra = want[low : len(want) - high], have[low : len(have) - high]
    if len(missing) == len(extra):
        _name_in_place(state, low, missing, extra)
    elif low < len(have):
        _name_shifted(state, low, missing, extra)


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


def _common_prefix(one: bytes, other: bytes) -> int:
    """Return how many hashes both begin with, by halving."""
    low, high = 0, min(len(one), len(other)) // HASH_SIZE
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * HASH_SIZE : middle * HASH_SIZE] == other[low * HASH_SIZE : middle * HASH_SIZE]:
            low = middle
        else:
            high = middle - 1
    return low


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]
