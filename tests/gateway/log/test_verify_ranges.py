"""The verifier: key rotations, and packs that hold every entry between two checkpoints."""

from __future__ import annotations

import base64
import io
import json

import pytest

from gateway import canonical
from gateway.log import bundle
from gateway.log.bundle import export_object, export_range, token_parts
from gateway.log.checkpoint import Checkpoint, KeyChain, rotation_data, sign_checkpoint
from gateway.log.merkle import Tree
from gateway.log.verify import report
from tests.gateway.log.packs import judge, member, ranged, rebuilt


def test_rotations_in_a_pack(story, make_signer, make_entry) -> None:
    """The verifier follows from the first key; a pack without the rotation, or with a forged one, does not hold."""
    told = story()
    seq, new = len(told.bodies), make_signer(2)
    told.bodies.append(make_entry(seq, "key.rotated", **rotation_data(new=new.key, old=told.log.signer)))
    told.log.writer.commit([told.bodies[-1]], rotate_to=new)
    pack = told.pack()
    assert judge(pack, told.log.first.fingerprint).ok
    assert not judge(rebuilt(pack, {f"entries/{seq:010d}.json": None, f"proofs/{seq:010d}.tlog-proof": None})).ok
    for data in (rotation_data(new=new.key, old=make_signer(3)), {"key": new.key.vkey, "signature": 1}, {"key": 1, "signature": "x"},
                 rotation_data(new=make_signer(2, "qianfa.other").key, old=told.log.signer), rotation_data(new=told.log.first, old=told.log.signer)):
        assert not judge(rebuilt(pack, {f"entries/{seq:010d}.json": make_entry(seq, "key.rotated", **data)})).ok
    with pytest.raises(ValueError, match="rotation"):
        told.pack(entries=[(0, told.bodies[0])])



@pytest.mark.parametrize("start", [0, 16, 17, 20])
def test_ranges(story, make_entry, start: int) -> None:
    """Every entry between two checkpoints: whole; and one less, one more, altered, or swapped is seen."""
    told = story()
    for _ in range(20 - len(told.bodies)):
        told.bodies.append(make_entry(len(told.bodies)))
        told.log.writer.commit([told.bodies[-1]])
    pack = ranged(told, start)
    verdict = judge(pack, told.log.first.fingerprint)
    assert (verdict.faults, verdict.first, verdict.entries) == ([], start, 20 - start)
    assert "区间完整" in report(verdict)
    lines = member(pack, "log.jsonl").splitlines(keepends=True)
    spoiled = [[*lines, make_entry(20) + b"\n"], [*lines, b"cut"]]
    if lines:
        spoiled += [lines[:-1], [*lines[:-1], lines[-1].replace(b"dep_1", b"dep_2")], [*lines[:-1], lines[-1][:-1]]]
    for some in spoiled:
        assert not judge(rebuilt(pack, {"log.jsonl": b"".join(some)})).ok
    assert not judge(rebuilt(pack, {"log.jsonl": None})).ok


def test_ranges_with_a_false_left_end(story, make_entry) -> None:
    """The left edge must lead to the first checkpoint, which must be signed."""
    told = story()
    start = len(told.bodies)
    told.bodies.append(make_entry(start))
    told.log.writer.commit([told.bodies[-1]])
    pack = ranged(told, start)
    assert judge(pack).ok
    manifest = json.loads(member(pack, "manifest.json"))
    other = base64.b64encode(bytes(32)).decode()
    for change in ({"edge": manifest["edge"][:-1]}, {"edge": [other, *manifest["edge"][1:]]}, {"edge": ["AAAA", *manifest["edge"][1:]]}, {"start": -1},
                   {"start": start + 1}, {"start": 0, "edge": []}):
        assert not judge(rebuilt(pack, {"manifest.json": canonical.encode(manifest | change)})).ok
    assert not judge(rebuilt(pack, {"from.txt": None})).ok
    assert not judge(rebuilt(pack, {"from.txt": member(pack, "checkpoint.txt")})).ok
    with pytest.raises(ValueError, match="start"):
        ranged(told, start, from_note=None)
    with pytest.raises(ValueError, match="start"):
        ranged(told, start, from_note=told.log.copies.newest())
    with pytest.raises(ValueError, match="bodies"):
        ranged(told, start, bodies=[])


def test_a_range_after_a_rotation(story, make_signer, make_entry) -> None:
    """A range that begins after a rotation carries it with its proof; blobs may come along."""
    told = story()
    seq, new = len(told.bodies), make_signer(2)
    told.bodies += [make_entry(seq, "key.rotated", **rotation_data(new=new.key, old=told.log.signer)), make_entry(seq + 1)]
    told.log.writer.commit([told.bodies[seq]], rotate_to=new)
    told.log.writer.commit([told.bodies[seq + 1]])
    assert judge(ranged(told, seq + 1, rotations=[(seq, told.bodies[seq])]), told.log.first.fingerprint).ok
    assert not judge(ranged(told, seq + 1)).ok
    assert not judge(ranged(told, 0, rotations=[(seq, told.bodies[seq])])).ok
    assert judge(ranged(told, 0, blobs=told.blobs, values=told.values, approval_key=told.approval.public_key().public_bytes_raw())).ok


def test_an_empty_log(make_signer) -> None:
    """The range over nothing is whole, and a file that is no pack has nothing to say but that."""
    signer, target = make_signer(), io.BytesIO()
    note = sign_checkpoint(Checkpoint("qianfa.test/e1", 0, Tree().root()), signer)
    export_range(target, id="all", bodies=[], start=0, from_note=None, tree=Tree(), note=note, chain=KeyChain(signer.key))
    assert judge(target.getvalue()).ok
    assert report(judge(b"")).count("\n") == 4


def test_ranges_in_place_of_objects(story) -> None:
    """A pack about one object that carries a range's parts is refused."""
    pack = story().pack()
    assert not judge(rebuilt(pack, {"log.jsonl": b""})).ok


def test_a_range_from_the_beginning_has_no_other_checkpoint(story) -> None:
    """A first checkpoint that nothing holds to anything is not carried along."""
    pack = ranged(story(), 0)
    assert judge(pack).ok
    assert not judge(rebuilt(pack, {"from.txt": b"x"})).ok


def test_exports_that_are_refused(story) -> None:
    """Entries outside the checkpoint and blobs that only look like tokens are not exported."""
    told = story()
    with pytest.raises(ValueError, match="outside"):
        told.pack(entries=[(900, b"x")])
    for text in (b"qf1.x", b"qf1.", b"qf1." + base64.urlsafe_b64encode(b'{"payload":1}'), b"qf1." + base64.urlsafe_b64encode(b"[]")):
        with pytest.raises(ValueError, match=r"token|base64|JSON|Expecting|codec"):
            told.pack(blobs=[text])
    with pytest.raises(ValueError, match="not a token"):
        token_parts(b"x")
    assert bundle.TOKEN_PREFIX == b"qf1."
    export_object(io.BytesIO(), id="x", entries=[(0, told.bodies[0])], tree=told.log.tree, note=told.log.copies.newest(), chain=told.log.chain)
