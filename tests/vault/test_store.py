"""The store keeps rows durably, never overwrites by accident, and joins a caller's transaction."""

import sqlite3

import pytest

from vault.errors import Tampered
from vault.rows import SealedRow
from vault.store import SCHEMA, SealedStore

A = SealedRow(secret_id="cred_a", version=1, row=b"one")
SLOT = SealedRow(secret_id="vault/slot/slot_1", version=1, row=b"slot")


@pytest.fixture
def store(tmp_path):
    store = SealedStore.open(tmp_path / "vault.sqlite")
    yield store
    store.close()


def test_rows_come_back_after_reopening(store, tmp_path):
    """Secrets and slots, in order."""
    store.insert(SLOT)
    store.insert(A)
    store.close()
    again = SealedStore.open(tmp_path / "vault.sqlite")
    assert again.rows() == (A, SLOT)
    assert again.get("cred_a", 1) == A
    assert again.get(SLOT.secret_id, 1) == SLOT
    assert again.get("cred_a", 2) is None
    tables = {name: again._connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("sealed", "slots")}
    assert tables == {"sealed": 1, "slots": 1}
    again.close()


def test_it_runs_in_wal_with_full_synchronisation(store):
    """`synchronous` is 2 (FULL) and the journal is a WAL."""
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_place_without_wal_is_refused():
    """An in-memory database cannot keep a WAL."""
    with pytest.raises(sqlite3.OperationalError):
        SealedStore.open(":memory:")


def test_a_version_is_written_once(store):
    """A second insert is an error and changes nothing."""
    store.insert(A)
    with pytest.raises(sqlite3.IntegrityError):
        store.insert(SealedRow(secret_id="cred_a", version=1, row=b"two"))
    assert store.rows() == (A,)


@pytest.mark.parametrize("row", [("", 1, b"x"), ("a", 0, b"x"), ("a", 1, "text")])
def test_the_schema_holds_types(store, row):
    """No empty id, no version 0, no text for bytes."""
    with pytest.raises(sqlite3.IntegrityError):
        store.insert(SealedRow(secret_id=row[0], version=row[1], row=row[2]))


def test_replacing_names_what_it_replaces(store):
    """Another row, another version or another id is not overwritten."""
    store.insert(A)
    new = SealedRow(secret_id="cred_a", version=1, row=b"two")
    store.replace(A, new)
    assert store.rows() == (new,)
    for old, wanted in ((A, new), (new, SealedRow(secret_id="cred_a", version=2, row=b"x"))):
        with pytest.raises(Tampered):
            store.replace(old, wanted)
    assert store.rows() == (new,)


def test_deleting_a_row_that_is_gone_is_no_error(store):
    """Slots and secrets alike."""
    store.insert(A)
    store.insert(SLOT)
    for _ in range(2):
        store.delete("cred_a", 1)
        store.delete(SLOT.secret_id, 1)
    assert store.rows() == ()


def test_a_transaction_is_all_or_nothing(store):
    """An exception inside rolls back; otherwise all is there."""
    store.insert(SLOT)

    def write_both() -> None:
        with store.transaction():
            store.insert(A)
            store.insert(SLOT)

    with pytest.raises(sqlite3.IntegrityError):
        write_both()
    store.delete(SLOT.secret_id, 1)
    assert store.rows() == ()
    with store.transaction(), store.transaction():
        store.insert(A)
        store.insert(SLOT)
    assert len(store.rows()) == 2


def test_a_borrowed_connection_leaves_the_transaction_to_its_owner(tmp_path):
    """The row is gone when the caller rolls back, together with the caller's own entry."""
    connection = sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)
    connection.executescript(SCHEMA + "CREATE TABLE entries (seq INTEGER);")
    store = SealedStore(connection)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO entries VALUES (1)")
    with store.transaction():
        store.insert(A)
    assert connection.in_transaction
    connection.execute("ROLLBACK")
    assert store.rows() == ()
    connection.close()


def test_rows_put_aside_take_their_place_once_the_log_names_them(store):
    """Secrets and slots move when the log expects exactly them; any other row put aside is dropped."""
    store.insert(A)
    store.insert(SLOT)
    new_a = SealedRow(secret_id="cred_a", version=1, row=b"rewrapped")
    new_slot = SealedRow(secret_id=SLOT.secret_id, version=1, row=b"other slot")
    store.put_aside([new_a, new_slot])
    assert store.rows() == (A, SLOT)
    assert store.take_aside({new_a.key: new_a.sha256, SLOT.key: SLOT.sha256}) == 1
    assert store.rows() == (new_a, SLOT)
    assert store.take_aside({new_slot.key: new_slot.sha256}) == 0
    store.put_aside([new_slot])
    store.put_aside([new_slot])
    assert store.take_aside({new_slot.key: new_slot.sha256}) == 1
    assert store.rows() == (new_a, new_slot)
