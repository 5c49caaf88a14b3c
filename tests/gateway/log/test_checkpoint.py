"""Checkpoints: the published example, and every way a note can be wrong."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.log.checkpoint import (
    Checkpoint,
    KeyChain,
    LogKey,
    NoteInvalid,
    Signer,
    open_checkpoint,
    origin_of,
    parse_checkpoint,
    parse_vkey,
    rotation_data,
    rotation_in,
    sign_checkpoint,
    split_note,
    verify_note,
)

VECTORS = Path(__file__).parents[2] / "vectors/checkpoint"
SAMPLE = json.loads((VECTORS / "signed-note.json").read_text())
ROOT = bytes(range(32))


def point(size: int = 5, **more: object) -> Checkpoint:
    return Checkpoint(**{"origin": "qianfa.test/e1", "size": size, "root": ROOT, **more})


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case["source"])
def test_published_examples(case: dict[str, str]) -> None:
    """The notes printed in c2sp.org/signed-note and in Go's package verify under their printed keys."""
    key = parse_vkey(case["vkey"])
    assert verify_note(case["note"], [key]).text == case["text"]
    assert key.vkey == case["vkey"]
    assert key.fingerprint.replace(" ", "").lower().startswith(key.id.hex())
    with pytest.raises(NoteInvalid):
        verify_note(case["note"].replace(case["text"][:4], "Four", 1), [key])


def test_our_checkpoint_is_frozen(make_signer) -> None:
    """The bytes of a checkpoint by a known key are the vector's; Ed25519 is deterministic."""
    note = sign_checkpoint(point(), make_signer())
    assert note == (VECTORS / "checkpoint.txt").read_text()
    key = make_signer().key
    assert key.vkey == (VECTORS / "checkpoint.vkey").read_text().strip()
    assert key.fingerprint == (VECTORS / "checkpoint.fingerprint").read_text().strip()
    opened = open_checkpoint(note.encode(), [key])
    assert (opened, opened.epoch) == (point(), "e1")


def test_extension_lines(make_signer) -> None:
    """Extension lines are kept and signed; empty ones are refused."""
    note = sign_checkpoint(point(extensions=("one", "two")), make_signer())
    assert open_checkpoint(note, [make_signer().key]).extensions == ("one", "two")
    for more in ({"extensions": ("",)}, {"extensions": ("a\nb",)}, {"origin": ""}, {"size": -1}, {"size": 1 << 53}, {"root": b"x"}):
        with pytest.raises(NoteInvalid):
            point(**more)


def test_unknown_keys_are_ignored_and_known_wrong_ones_reject(make_signer) -> None:
    """J: another's signature changes nothing, a wrong one of ours rejects the whole note, even beside a right one."""
    ours, other = make_signer(1), make_signer(2)
    note = sign_checkpoint(point(), ours)
    text, line = note.rsplit("\n\n", 1)
    theirs = sign_checkpoint(point(), other).rsplit("\n\n", 1)[1]
    assert verify_note(f"{text}\n\n{theirs}{line}", [ours.key]).keys == (ours.key,)
    assert verify_note(f"{text}\n\n{line}{line}{theirs}", [ours.key, other.key]).keys == (ours.key, other.key)
    with pytest.raises(NoteInvalid, match="no known key"):
        verify_note(f"{text}\n\n{theirs}", [ours.key])
    wrong = "— qianfa.test " + base64.b64encode(ours.key.id + bytes(64)).decode() + "\n"
    for signatures in (wrong, line + wrong, wrong + line):
        with pytest.raises(NoteInvalid, match="known key"):
            verify_note(f"{text}\n\n{signatures}", [ours.key])
    impostor = "— qianfa.test " + base64.b64encode(b"\0\0\0\0" + bytes(64)).decode() + "\n"
    assert verify_note(f"{text}\n\n{impostor}{line}", [ours.key]).text == f"{text}\n"


def test_many_signatures(make_signer) -> None:
    """Seventeen signatures are read (the specification asks for sixteen); sixty-five are refused."""
    note = sign_checkpoint(point(), make_signer())
    text, line = note.rsplit("\n\n", 1)
    others = "".join(f"— w{i}.example {base64.b64encode(bytes(76)).decode()}\n" for i in range(64))
    few = "".join(others.splitlines(keepends=True)[:16])
    assert verify_note(f"{text}\n\n{few}{line}", [make_signer().key])
    with pytest.raises(NoteInvalid, match="too many"):
        verify_note(f"{text}\n\n{others}{line}", [make_signer().key])


@pytest.mark.parametrize(
    "note",
    [
        b"", b"text\n", b"text\n\n", b"text\n\n\xe2\x80\x94 a AAAAAAA=", b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n", "a\rb\n\n— a AAAAAAA=\n",
        "a\tb\n\n— a AAAAAAA=\n", "a\n\n- a AAAAAAA=\n", "a\n\n—a AAAAAAA=\n", "a\n\n— a\n", "a\n\n— a+b AAAAAAA=\n", "a\n\n— a AAAA\n",
        "a\n\n— a AAAAAAA\n", "a\n\n— a AAAAAAB=\n", "a\n\n— a AAAA AAA=\n", "a\n\n— a AAAAA-A=\n", "a\n\n— a ÄAAAAAA=\n", "\ud800\n\n— a AAAAAAA=\n",
        "a\n\n— a AAAAAAA=\n\n", "x" * 70_000 + "\n\n— a AAAAAAA=\n",
    ],
)
def test_misshapen_notes(note: str | bytes) -> None:
    """What is not exactly a signed note is refused: encoding, control characters, dashes, spaces, base64 aliases."""
    with pytest.raises(NoteInvalid):
        split_note(note)


@pytest.mark.parametrize(
    "text",
    ["", "a\n", "a\n1\n", "a\n01\nAA==\n", "a\n-1\nAA==\n", "a\n1\nAA==\n", "a\n１\n" + base64.b64encode(ROOT).decode() + "\n",
     "a\n1\n" + base64.b64encode(ROOT).decode(), "a\n1\n" + base64.b64encode(ROOT).decode() + "\n\n", "\n1\n" + base64.b64encode(ROOT).decode() + "\n",
     "a\n1e3\n" + base64.b64encode(ROOT).decode() + "\n", "a\n99999999999999999999\n" + base64.b64encode(ROOT).decode() + "\n"],
)
def test_misshapen_checkpoints(text: str) -> None:
    """A tree size has one spelling, a root 32 bytes, a line at least one character."""
    with pytest.raises(NoteInvalid):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "a b+00000000+AQ==", "x+00000000+" + base64.b64encode(b"\x01" + bytes(32)).decode(),
     "x+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode(), "x+00000000+" + base64.b64encode(b"\x01" + bytes(31)).decode(), "x+00000000+?"],
)
def test_misshapen_keys(text: str) -> None:
    """A verifier key's id must be its own, its type Ed25519."""
    with pytest.raises(NoteInvalid):
        parse_vkey(text)


def test_a_key_of_another_deployment_signs_nothing_here(make_signer) -> None:
    """An origin is its key's name, a slash and an epoch."""
    with pytest.raises(NoteInvalid):
        sign_checkpoint(point(origin="qianfa.other/e1"), make_signer())
    note = make_signer().note(point(origin="qianfa.other/e1").text())
    with pytest.raises(NoteInvalid):
        open_checkpoint(note, [make_signer().key])
    for epoch in ("", "a/b", "a b", "a+b"):
        with pytest.raises(NoteInvalid):
            origin_of("qianfa.test", epoch)


def test_a_signer_that_misbehaves(make_signer) -> None:
    """A signature of another length and a text that is no note text are refused."""
    with pytest.raises(NoteInvalid):
        Signer(make_signer().key, lambda _: b"short").note("a\n")
    for text in ("a", "a\x00\n"):
        with pytest.raises(NoteInvalid):
            make_signer().note(text)


def test_rotation_is_followed_from_the_first_fingerprint(make_signer) -> None:
    """Each key rules the sizes after its entry; neither an older nor a newer key may sign another's sizes."""
    one, two, three = make_signer(1), make_signer(2), make_signer(3)
    chain = KeyChain(one.key)
    chain.follow(4, rotation_data(new=two.key, old=one))
    chain.follow(9, rotation_data(new=three.key, old=two))
    assert chain.keys == (one.key, two.key, three.key)
    assert (chain.first, chain.newest) == (one.key, three.key)
    assert [chain.key_for(size) for size in (0, 4, 5, 9, 10)] == [one.key, one.key, two.key, two.key, three.key]
    assert chain.open(sign_checkpoint(point(5), two)) == point(5)
    for size, by in ((4, two), (5, one), (10, two), (9, three)):
        with pytest.raises(NoteInvalid):
            chain.open(sign_checkpoint(point(size), by))


def test_rotations_that_do_not_hold(make_signer) -> None:
    """A rotation signed by a stranger, about other keys, back to an old key, or to another log's key is refused."""
    one, two, three = make_signer(1), make_signer(2), make_signer(3)
    good = rotation_data(new=two.key, old=one)
    bad = [
        {}, {"key": two.key.vkey}, {"key": 1, "signature": good["signature"]}, rotation_data(new=two.key, old=three),
        {**good, "key": three.key.vkey}, {**good, "signature": one.note("x\n")}, rotation_data(new=one.key, old=one),
        rotation_data(new=make_signer(2, "qianfa.other").key, old=one),
    ]
    for data in bad:
        with pytest.raises(NoteInvalid):
            KeyChain(one.key).follow(3, data)
    chain = KeyChain(one.key)
    chain.follow(3, good)
    with pytest.raises(NoteInvalid):
        chain.follow(4, good)


def test_rotation_is_no_checkpoint(make_signer) -> None:
    """What the old key signs for a rotation can be taken for no checkpoint."""
    note = rotation_data(new=make_signer(2).key, old=make_signer(1))["signature"]
    with pytest.raises(NoteInvalid):
        open_checkpoint(note, [make_signer(1).key])


def test_rotations_in_bodies(make_entry) -> None:
    """Only an entry whose own type is key.rotated is a rotation."""
    assert rotation_in(make_entry(1, "key.rotated", key="k")) == {"key": "k"}
    for body in (
        make_entry(1), make_entry(1, inner={"type": "key.rotated"}), b'"type":"key.rotated"', b'{"type":"key.rotated"', b'["type",{"type":"key.rotated"}]',
        b'{"data":1,"type":"key.rotated"}',
    ):
        assert rotation_in(body) is None


@given(st.binary(max_size=300) | st.text(max_size=100))
def test_any_bytes_are_refused_or_read(note: str | bytes) -> None:
    """Whatever comes in, the answer is a note or NoteInvalid."""
    with suppress(NoteInvalid):
        split_note(note)


def test_every_flipped_bit_of_a_note_is_seen(make_signer) -> None:
    """J: no bit of a signed checkpoint can change unnoticed."""
    note = sign_checkpoint(point(), make_signer()).encode()
    for at in range(len(note) * 8):
        changed = bytearray(note)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(NoteInvalid):
            open_checkpoint(bytes(changed), [make_signer().key])


def test_a_key_with_a_bad_point_verifies_nothing() -> None:
    """Bytes that are no point on the curve verify nothing, and raise nothing."""
    assert not LogKey("x", b"\xff" * 32).verify(b"m", bytes(64))
