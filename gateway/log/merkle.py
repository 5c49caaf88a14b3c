"""The Merkle tree of RFC 6962 section 2.1 (the same tree as RFC 9162 section 2.1), SHA-256 (pure).

`Tree` keeps the hash of every complete subtree, level by level, in byte arrays: 64 bytes an entry in all, so one million
entries take 64 MB. `Frontier` keeps only the right edge, at most 64 hashes, for whoever needs nothing but roots.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
MAX_PROOF: Final = 64
"""No proof about a tree of fewer than 2^63 leaves is longer than this many hashes."""

_CHUNK = 1 << 14


class ProofInvalid(Exception):
    """A proof does not show what it claims to show."""


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 ‖ body) (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree that answers roots and proofs for every size it has had."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self._levels[0]) // HASH_SIZE

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order; about one microsecond a leaf.

        Raises:
            ValueError: one of them is not 32 bytes long; nothing of its chunk was added.
        """
        iterator = iter(leaves)
        while chunk := list(islice(iterator, _CHUNK)):
            if any(len(leaf) != HASH_SIZE for leaf in chunk):
                raise ValueError("a leaf hash has 32 bytes")
            self._levels[0] += b"".join(chunk)
            self._raise_levels()

    def _raise_levels(self) -> None:
        """Compute every parent whose two children are complete."""
        level = 0
        while True:
            below = self._levels[level]
            pairs = len(below) // (2 * HASH_SIZE)
            if pairs and level + 1 == len(self._levels):
                self._levels.append(bytearray())
            if level + 1 == len(self._levels):
                return
            above = self._levels[level + 1]
            first = len(above) * 2
            above += b"".join([sha256(b"\x01" + below[i : i + 64]).digest() for i in range(first, pairs * 64, 64)])
            level += 1

    def leaves(self, low: int, high: int) -> bytes:
        """Return the leaf hashes from `low` up to `high` in one piece, only those that are there."""
        return bytes(self._levels[0][low * HASH_SIZE : high * HASH_SIZE])

    def prefix(self, size: int) -> Tree:
        """Return the tree of the first `size` leaves, which grows on its own; nothing is hashed.

        Raises:
            IndexError: the tree has never had this size.
        """
        size = self._known(size)
        return Tree.of_levels([bytes(nodes[: (size >> level) * HASH_SIZE]) for level, nodes in enumerate(self._levels) if not level or size >> level])

    def levels(self) -> Iterator[memoryview]:
        """Yield the hashes of all complete subtrees, level by level, the leaves first; `of_levels` makes the same tree of them.

        What is yielded is not copied: nothing can be added to the tree as long as it is kept.
        """
        return map(memoryview, self._levels)

    @property
    def height(self) -> int:
        """How many levels it has, at least one."""
        return len(self._levels)

    @classmethod
    def of_levels(cls, levels: Iterable[bytes | memoryview]) -> Tree:
        """Return the tree of these levels, whose hashes are taken as they are: for what was hashed on our side a moment ago.

        Raises:
            ValueError: the lengths are not those of any tree.
        """
        tree = cls()
        tree._levels = list(map(bytearray, levels))
        size = len(tree) if tree._levels else 0
        wanted = [(size >> level) * HASH_SIZE for level in range(max(1, size.bit_length()))]
        if list(map(len, tree._levels)) != wanted:
            raise ValueError("not the levels of a tree")
        return tree

    def leaf(self, index: int) -> bytes:
        """Return the hash of one leaf.

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves, over all of them when `size` is None.

        Raises:
            IndexError: the tree has never had this size.
        """
        size = self._known(len(self) if size is None else size)
        return self._range(0, size) if size else EMPTY_ROOT

    def frontier(self, size: int) -> tuple[bytes, ...]:
        """Return the roots of the complete subtrees that make up the first `size` leaves, largest first."""
        nodes: list[bytes] = []
        start = 0
        for level in range(self._known(size).bit_length() - 1, -1, -1):
            if size >> level & 1:
                nodes.append(self._node(level, start >> level))
                start += 1 << level
        return tuple(nodes)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that leaf `index` is in the tree of `size` leaves (RFC 9162 section 2.1.3.1).

        Raises:
            IndexError: the tree has never had this size, or there is no such leaf in it.
        """
        if not 0 <= index < self._known(size):
            raise IndexError(index)
        low, high, proof = 0, size, list[bytes]()
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low = middle
        return tuple(reversed(proof))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162 section 2.1.4.1).

        Raises:
            IndexError: the tree has never had one of the sizes, or `old` is larger than `new`.
        """
        if not 0 <= old <= self._known(new):
            raise IndexError(old)
        if old in {0, new}:
            return ()
        low, high, proof, whole = 0, new, list[bytes](), True
        while high != old:
            middle = low + _split(high - low)
            if old <= middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low, whole = middle, False
        if not whole:
            proof.append(self._range(low, high))
        return tuple(reversed(proof))

    def _known(self, size: int) -> int:
        if not 0 <= size <= len(self):
            raise IndexError(size)
        return size

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_SIZE : (index + 1) * HASH_SIZE])

    def _range(self, low: int, high: int) -> bytes:
        """Return the root over the leaves from `low` up to `high`; `low` is aligned as the recursion of the RFC makes it."""
        root, end = b"", high
        while end > low:
            count = end - low
            level = min((end & -end).bit_length(), count.bit_length()) - 1
            node = self._node(level, (end >> level) - 1)
            root = node_hash(node, root) if root else node
            end -= 1 << level
        return root


class Frontier:
    """The right edge of a tree: enough to add leaves and to know the root, nothing else."""

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Start from the edge of a tree of `size` leaves: the roots of its complete subtrees, largest first.

        Raises:
            ProofInvalid: the number or length of the hashes cannot belong to that size.
        """
        if size < 0 or len(nodes) != size.bit_count() or any(len(node) != HASH_SIZE for node in nodes):
            raise ProofInvalid("the edge does not fit the size")
        self.size = size
        self._nodes = list(nodes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size = self.size
        while size & 1:
            leaf = sha256(b"\x01" + self._nodes.pop() + leaf).digest()
            size >>= 1
        self._nodes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = sha256(b"\x01" + node + root).digest()
        return root


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` stands at `index` in the tree of `size` leaves with `root` (RFC 9162 section 2.1.3.2).

    Raises:
        ProofInvalid: it does not, or the proof has a missing, extra or misshapen hash.
    """
    if not 0 <= index < size:
        raise ProofInvalid("index outside the tree")
    _shape(proof)
    position, last, found = index, size - 1, leaf
    for node in proof:
        if last == 0:
            raise ProofInvalid("proof too long")
        if position & 1 or position == last:
            found = node_hash(node, found)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            found = node_hash(found, node)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofInvalid("proof too short")
    if found != root:
        raise ProofInvalid("root differs")


def verify_consistency(*, old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162 section 2.1.4.2).

    Raises:
        ProofInvalid: it does not, or the proof has a missing, extra or misshapen hash.
    """
    if not 0 <= old <= new:
        raise ProofInvalid("sizes out of order")
    _shape(proof)
    if old in {0, new}:
        if proof:
            raise ProofInvalid("proof too long")
        if old_root != (new_root if old == new else EMPTY_ROOT):
            raise ProofInvalid("root differs")
        return
    if not proof:
        raise ProofInvalid("proof too short")
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    _walk_consistency(old, new, old_root, new_root, path)


def _walk_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> None:
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    before = after = path[0]
    for node in path[1:]:
        if last == 0:
            raise ProofInvalid("proof too long")
        if position & 1 or position == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            after = node_hash(after, node)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofInvalid("proof too short")
    if before != old_root or after != new_root:
        raise ProofInvalid("root differs")


def _shape(proof: Sequence[bytes]) -> None:
    if len(proof) > MAX_PROOF or any(len(node) != HASH_SIZE for node in proof):
        raise ProofInvalid("misshapen proof")


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1
