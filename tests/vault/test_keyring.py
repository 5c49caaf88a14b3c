"""Terms: rotation keeps the old readable, retirement waits for the last row."""

import os
import struct

import pytest

from vault import envelope
from vault.errors import Tampered, TermRefused
from vault.keyring import Keyring, terms_in_use
from vault.rows import SealedRow


def test_rotation_adds_a_current_term():
    """Old terms stay as they are."""
    one = Keyring.create(os.urandom)
    two = one.rotated(os.urandom)
    assert (one.current, two.current) == (1, 2)
    assert two.key(1) == one.key(1)
    assert two.key(2) != two.key(1)


def test_it_comes_back_from_its_bytes():
    """Write, read, compare; retired numbers are not used again."""
    ring = Keyring.create(os.urandom).rotated(os.urandom).rotated(os.urandom).retired(1, {})
    again = Keyring.parse(ring.to_bytes())
    assert again == ring
    assert sorted(again.terms) == [2, 3]
    assert again.rotated(os.urandom).current == 4


@pytest.mark.parametrize(("term", "in_use", "reason"), [(2, {}, "current"), (9, {}, "unknown"), (1, {1: 1}, "in_use")])
def test_a_term_in_use_is_not_retired(term, in_use, reason):
    """Current, unknown, still used."""
    with pytest.raises(TermRefused) as caught:
        Keyring.create(os.urandom).rotated(os.urandom).retired(term, in_use)
    assert caught.value.reason == reason


def test_a_retired_or_unknown_term_has_no_key():
    """A row naming it is tampering."""
    ring = Keyring.create(os.urandom).rotated(os.urandom).retired(1, {2: 5})
    with pytest.raises(Tampered) as caught:
        ring.key(1)
    assert caught.value.reason == "unknown_term"


def pack(*terms: int, count: int | None = None, magic: bytes = b"QFK\x01") -> bytes:
    return struct.pack(">4sI", magic, len(terms) if count is None else count) + b"".join(
        struct.pack(">I", term) + bytes(32) for term in terms
    )


@pytest.mark.parametrize(
    "data",
    [b"", pack(), pack(1, magic=b"QFK\x02"), pack(1, count=2), pack(1) + b"\0", pack(2, 1), pack(1, 1), pack(0, 1), pack(1)[:-1]],
)
def test_other_bytes_are_malformed(data):
    """Empty, other version, wrong count, spare bytes, unordered, repeated, term 0."""
    with pytest.raises(Tampered) as caught:
        Keyring.parse(data)
    assert caught.value.reason == "malformed"


def test_rows_are_counted_by_term():
    """Slots and the keyring do not count."""

    def row(secret_id: str, term: int) -> SealedRow:
        record = envelope.seal(b"x", deployment="d", secret_id=secret_id, version=1, term=term, term_key=bytes(32), random=os.urandom)
        return SealedRow(secret_id=secret_id, version=1, row=record.to_bytes())

    rows = [row("a", 1), row("b", 2), row("vault/key/approval", 2), row("vault/keyring", 0)]
    rows.append(SealedRow(secret_id="vault/slot/slot_1", version=1, row=b"slot"))
    assert terms_in_use(rows) == {1: 1, 2: 2}


def test_wiping_forgets_every_key():
    """After `wipe` no term has a key."""
    ring = Keyring.create(os.urandom).rotated(os.urandom)
    ring.wipe()
    assert all(key.gone for key in ring.terms.values())
