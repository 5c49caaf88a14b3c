"""The tree: the RFC's own definition, another library, and every way to spoil a proof."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from gateway.log import merkle
from gateway.log.merkle import EMPTY_ROOT, Frontier, ProofInvalid, Tree, leaf_hash, node_hash, verify_consistency, verify_inclusion

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/merkle/rfc6962.json").read_text())
SIZES = (1, 2, 3, 7, 8, 255, 256, 257, 1000)


def body(index: int) -> bytes:
    return b"entry %d" % index


@cache
def tree_of(size: int) -> Tree:
    tree = Tree()
    tree.extend(leaf_hash(body(i)) for i in range(size))
    return tree


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


def test_published_vectors() -> None:
    """The roots that Certificate Transparency's reference data gives for its eight leaves come out."""
    tree = Tree()
    for size, (leaf, root) in enumerate(zip(VECTORS["leaves"], VECTORS["roots"], strict=True), 1):
        tree.append(leaf_hash(bytes.fromhex(leaf)))
        assert tree.root(size).hex() == root
    assert tree.root(0) == EMPTY_ROOT == sha256(b"").digest()


def test_roots_equal_another_library() -> None:
    """Pymerkle finds the same roots for sizes 1 to 300."""
    oracle = InmemoryTree(algorithm="sha256")
    for size in range(1, 301):
        oracle.append_entry(body(size - 1))
        assert tree_of(300).root(size) == oracle.get_root(size)


@pytest.mark.parametrize("size", [0, *SIZES])
def test_roots_by_definition(size: int) -> None:
    """The tree's and the frontier's roots are the definition's."""
    leaves = [leaf_hash(body(i)) for i in range(size)]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert tree_of(1000).root(size) == by_definition(leaves) == frontier.root()
    edge = tree_of(1000).frontier(size)
    again = Frontier(size, edge)
    again.append(leaf_hash(b"next"))
    assert again.root() == by_definition([*leaves, leaf_hash(b"next")])
    assert frontier.root() == by_definition(leaves)


def test_large_tree() -> None:
    """65,536 leaves and one more: incremental and by frontier agree, and edge proofs hold."""
    tree, frontier = Tree(), Frontier()
    for i in range(65_537):
        leaf = leaf_hash(body(i))
        tree.append(leaf)
        frontier.append(leaf)
    assert tree.root() == frontier.root()
    assert tree.leaf(65_536) == leaf_hash(body(65_536))
    for size in (65_536, 65_537):
        for index in (0, 65_535, size - 1):
            verify_inclusion(
                leaf=leaf_hash(body(index)), index=index, size=size, proof=tree.inclusion(index, size), root=tree.root(size)
            )
    verify_consistency(
        old=65_536, old_root=tree.root(65_536), new=65_537, new_root=tree.root(), proof=tree.consistency(65_536, 65_537)
    )


@pytest.mark.parametrize("size", range(1, 66))
def test_every_proof_holds_and_no_other(size: int) -> None:
    """Each leaf's proof verifies; cut, lengthened, glued to another leaf, index or size it does not."""
    tree = tree_of(66)
    root = tree.root(size)
    for index in range(size):
        leaf, proof = leaf_hash(body(index)), tree.inclusion(index, size)
        verify_inclusion(leaf=leaf, index=index, size=size, proof=proof, root=root)
        bad = [
            (leaf, index, size, (*proof, EMPTY_ROOT)), (leaf, index, size, (EMPTY_ROOT, *proof)), (leaf_hash(b"other"), index, size, proof),
            (leaf, size, size, proof), (leaf, -1, size, proof), (leaf, index, size, (*proof, b"short")), (leaf, index, size, (EMPTY_ROOT,) * 65),
        ]
        if proof:
            bad += [(leaf, index, size, proof[:-1]), (leaf, index ^ 1, size, proof)]
        for one, at, total, path in bad:
            with pytest.raises(ProofInvalid):
                verify_inclusion(leaf=one, index=at, size=total, proof=path, root=root)


@pytest.mark.parametrize("new", range(34))
def test_every_consistency_holds_and_no_other(new: int) -> None:
    """Each pair of sizes verifies; cut, lengthened or with another root it does not."""
    tree = tree_of(66)
    for old in range(new + 1):
        proof = tree.consistency(old, new)
        good = {"old": old, "old_root": tree.root(old), "new": new, "new_root": tree.root(new), "proof": proof}
        verify_consistency(**good)
        bad = [{"proof": (*proof, EMPTY_ROOT)}, {"old_root": leaf_hash(b"x")}, {"old": new + 1}, {"old": -1}, {"proof": (*proof, b"x")}]
        if old > 0:
            bad.append({"new_root": leaf_hash(b"x")})
        if proof:
            bad += [{"proof": proof[:-1]}, {"proof": ()}]
        for change in bad:
            with pytest.raises(ProofInvalid):
                verify_consistency(**{**good, **change})


@settings(max_examples=50)
@given(st.integers(1, 1000), st.data())
def test_any_flipped_bit_is_seen(size: int, data: st.DataObject) -> None:
    """One bit changed in a proof makes it fail."""
    tree = tree_of(1000)
    index = data.draw(st.integers(0, size - 1))
    proof = list(tree.inclusion(index, size))
    if not proof:
        return
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    node = bytearray(proof[at])
    node[bit // 8] ^= 1 << bit % 8
    proof[at] = bytes(node)
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf=leaf_hash(body(index)), index=index, size=size, proof=proof, root=tree.root(size))


def test_what_the_tree_never_had() -> None:
    """Sizes and indexes outside the tree, and misshapen leaves and edges, are refused."""
    tree = tree_of(8)
    for call in (
        lambda: tree.root(9), lambda: tree.root(-1), lambda: tree.inclusion(8, 8), lambda: tree.inclusion(-1, 8), lambda: tree.inclusion(0, 9),
        lambda: tree.consistency(5, 4), lambda: tree.consistency(1, 9), lambda: tree.leaf(8), lambda: tree.leaf(-1), lambda: tree.frontier(9),
    ):
        with pytest.raises(IndexError):
            call()
    with pytest.raises(ValueError, match="32 bytes"):
        tree.append(b"short")
    for size, nodes in ((1, ()), (0, (EMPTY_ROOT,)), (1, (b"short",)), (-1, ())):
        with pytest.raises(ProofInvalid):
            Frontier(size, nodes)
    assert len(tree) == 8
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()
    assert merkle.HASH_SIZE == 32


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 31, 33])
def test_a_tree_of_its_levels_and_of_its_beginning(size: int) -> None:
    """Taken apart and put together it is the same tree; a beginning of it answers and grows as if it had been built alone."""
    leaves = [leaf_hash(b"%d" % place) for place in range(40)]
    whole, alone = Tree(), Tree()
    whole.extend(leaves)
    alone.extend(leaves[:size])
    prefix = whole.prefix(size)
    assert list(prefix.levels()) == list(alone.levels()) == list(Tree.of_levels(alone.levels()).levels())
    assert prefix.height == alone.height
    prefix.extend(leaves[size:])
    assert prefix.root() == whole.root()
    assert len(whole) == 40
    assert whole.leaves(3, 5) == leaves[3] + leaves[4]
    assert whole.leaves(38, 50) == leaves[38] + leaves[39]
    with pytest.raises(IndexError):
        whole.prefix(41)


@pytest.mark.parametrize("levels", [[], [bytes(33)], [bytes(64)], [bytes(64), bytes(64)], [bytes(32), b""], [bytes(64), bytes(32), b""]])
def test_levels_that_are_no_tree_are_refused(levels: list[bytes]) -> None:
    """Too many, too few, or not whole hashes: nothing is made of them."""
    with pytest.raises(ValueError, match="levels"):
        Tree.of_levels(levels)
