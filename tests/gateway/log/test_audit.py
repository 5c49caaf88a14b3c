"""Attacks on a stored log, each named with its place (security catalogue J)."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from gateway import canonical
from gateway.log import audit
from gateway.log.audit import Altered, Forked, Ok, Shorter, check_against_copy, verify_log, verify_store
from gateway.log.checkpoint import Checkpoint, rotation_data, sign_checkpoint
from gateway.log.errors import LogUnavailable
from gateway.log.merkle import Tree, leaf_hash


def sql(log, *statements: str) -> None:
    for statement in statements:
        log.store._connection.execute(statement)


def check(log, *, copies: bool = True, **more):
    report = verify_log(log.store, log.first, copies=[log.copy_path] if copies else [], **more)
    return report, [(finding.code, finding.first, finding.last) for finding in report.findings]


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
@pytest.mark.parametrize("all_signatures", [True, False])
def test_whole_logs(log, count: int, all_signatures: bool) -> None:
    """A log that nobody touched is whole, and its tree is the writer's."""
    log.write(count, batch=7)
    steps: list[tuple[int, int]] = []
    seen: list[bytes] = []
    report, found = check(log, all_signatures=all_signatures, progress=lambda done, total: steps.append((done, total)), follow=seen.append)
    assert (report.ok, found, report.warnings, report.size) == (True, [], [], count)
    assert report.tree.root() == log.tree.root()
    assert steps[-1] == (count, count)
    assert check_against_copy(report) == Ok()
    assert (report.note is None) == (count == 0)
    assert seen == list(log.store.read(0))


def test_closed_and_readable_from_a_medium_that_cannot_be_written(log, tmp_path) -> None:
    """The whole verification works offline on a file, without write-ahead log and without our running."""
    log.write(5)
    log.store.close()
    copy = tmp_path / "archive.db"
    shutil.copy(log.path, copy)
    copy.chmod(0o400)
    assert verify_store(copy, log.first, copies=[log.copy_path]).ok
    log.open()


def renumber(log, low: int, by: int) -> None:
    sql(log, f"UPDATE entries SET seq = -seq - 1000000 WHERE seq >= {low}", f"UPDATE entries SET seq = -(seq + 1000000) + {by} WHERE seq < -999999")


ATTACKS = {
    "alter": (["UPDATE entries SET body = x'00' WHERE seq = 7"], [("entry_altered", 7, 7)]),
    "alter two": (["UPDATE entries SET body = x'00' WHERE seq IN (3, 17)"], [("entry_altered", 3, 3), ("entry_altered", 17, 17)]),
    "delete": (["DELETE FROM entries WHERE seq = 7"], [("entry_missing", 7, 7)]),
    "delete the first": (["DELETE FROM entries WHERE seq = 0"], [("entry_missing", 0, 0)]),
    "swap": (
        ["UPDATE entries SET seq = 900 WHERE seq = 3", "UPDATE entries SET seq = 3 WHERE seq = 15", "UPDATE entries SET seq = 15 WHERE seq = 900"],
        [("entry_moved", 3, 3), ("entry_moved", 15, 15)],
    ),
    "append": (["INSERT INTO entries VALUES (20, x'00')"], [("entry_inserted", 20, 20)]),
    "before the first": (["INSERT INTO entries VALUES (-1, x'00')"], [("entry_inserted", 0, 0)]),
    "duplicate": (["INSERT INTO entries SELECT 20, body FROM entries WHERE seq = 4"], [("entry_inserted", 20, 20)]),
    "shift the numbers": (["UPDATE entries SET seq = 20 WHERE seq = 19"], [("numbering_altered", 19, 19)]),
    "truncate": (["DELETE FROM entries WHERE seq >= 15"], [("tail_missing", 15, 19)]),
    "altered leaf record": (["UPDATE checkpoints SET leaves = zeroblob(160) WHERE size = 10"], [("leaf_record_altered", 5, 9)]),
    "altered note": (["UPDATE checkpoints SET note = replace(note, 'qianfa', 'qianfb') WHERE size = 10"], [("checkpoint_altered", 10, 10)]),
    "altered epoch": (["UPDATE checkpoints SET epoch = 'x' WHERE size = 10"], [("checkpoint_altered", 10, 10)]),
    "checkpoint removed": (["DELETE FROM checkpoints WHERE size = 10"], [("checkpoint_missing", 10, 10)]),
    "last checkpoint removed": (["DELETE FROM checkpoints WHERE size = 20"], [("checkpoint_missing", 20, 20)]),
    "two checkpoints swapped": (
        ["UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 5) WHERE size = 10"], [("checkpoint_altered", 10, 10)],
    ),
    "altered with its leaf record": (
        ["UPDATE entries SET body = x'00' WHERE seq = 7", "UPDATE checkpoints SET leaves = zeroblob(160) WHERE size = 10"],
        [("leaf_record_altered", 5, 9), ("entry_altered", 7, 7)],
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("all_signatures", [True, False])
def test_attacks_are_named(log, name: str, all_signatures: bool) -> None:
    """J1, J4: whatever is done to the rows is found, and the entry it was done to is named."""
    log.write(20, batch=5)
    statements, expected = ATTACKS[name]
    sql(log, *statements)
    report, found = check(log, all_signatures=all_signatures)
    assert not report.ok
    assert found == expected
    assert check_against_copy(report) != Ok()


def test_a_start_that_finds_something_names_all_of_it(log) -> None:
    """A start looks at the newest signature alone while nothing is wrong; an altered entry makes it look at every one, as `qianfa log verify` does."""
    log.write(20, batch=5)
    note = next(row.note for row in log.store.checkpoints() if row.size == 10)
    spoiled = note[:-6] + ("A" if note[-6] != "A" else "B") + note[-5:]
    log.store._connection.execute("UPDATE checkpoints SET note = ? WHERE size = 10", (spoiled,))
    sql(log, "UPDATE entries SET body = x'00' WHERE seq = 17")
    found = check(log, copies=False, all_signatures=False)[1]
    assert {("checkpoint_altered", 10, 10), ("entry_altered", 17, 17)} <= set(found)
    assert found == check(log, copies=False)[1]


def test_delete_and_insert_with_new_numbers(log) -> None:
    """Rows renumbered so that no gap shows: the missing one and the added one are named all the same."""
    log.write(20, batch=5)
    sql(log, "DELETE FROM entries WHERE seq = 7")
    renumber(log, 8, -1)
    assert check(log)[1] == [("entry_missing", 7, 7)]
    renumber(log, 7, 1)
    sql(log, "INSERT INTO entries VALUES (7, x'00')")
    assert check(log)[1] == [("entry_altered", 7, 7)]
    sql(log, "DELETE FROM entries WHERE seq = 7")
    renumber(log, 8, -1)
    sql(log, "UPDATE entries SET body = x'00' WHERE seq IN (9, 10)")
    assert ("entry_missing", 7, 7) in check(log)[1]


def test_without_a_copy_the_log_still_knows(log) -> None:
    """The rows' own records name an alteration; a lost record leaves the range between two checkpoints."""
    log.write(20, batch=5)
    sql(log, "UPDATE entries SET body = x'00' WHERE seq = 7")
    assert check(log, copies=False)[1] == [("entry_altered", 7, 7)]
    sql(log, "UPDATE checkpoints SET leaves = zeroblob(160) WHERE size = 10")
    report, found = check(log, copies=False)
    assert found == [("range_altered", 5, 9)]
    assert check_against_copy(report) == Altered("range_altered", 5, 9)
    assert len(report.tree) == 5


def test_a_checkpoint_removed_without_a_copy(log) -> None:
    """The next row's record no longer fits, which says that one is gone."""
    log.write(20, batch=5)
    sql(log, "DELETE FROM checkpoints WHERE size = 10")
    assert check(log, copies=False)[1] == [("leaf_record_altered", 5, 14)]


def test_truncated_with_its_old_checkpoint(log) -> None:
    """J3, J7: tail and checkpoints cut back to a moment that was once true; only the copy outside knows more."""
    log.write(20, batch=5)
    sql(log, "DELETE FROM entries WHERE seq >= 10", "DELETE FROM checkpoints WHERE size > 10")
    assert check(log, copies=False)[0].ok
    report, found = check(log)
    assert found == [("tail_missing", 10, 19)]
    assert check_against_copy(report) == Shorter(store=10, copy=20)


def test_a_fork(log, make_signer) -> None:
    """J6: another history signed with the stolen key for the same size: both notes are shown."""
    log.write(10, batch=5)
    real = log.store.last_checkpoint().note
    bodies = list(log.store.read(0))
    bodies[9] = b"forged"
    tree = Tree()
    tree.extend(map(leaf_hash, bodies))
    forged = sign_checkpoint(Checkpoint("qianfa.test/e1", 10, tree.root()), make_signer())
    leaves = b"".join(map(leaf_hash, bodies[5:]))
    log.store._connection.execute("UPDATE entries SET body = ? WHERE seq = 9", (b"forged",))
    log.store._connection.execute("UPDATE checkpoints SET note = ?, leaves = ? WHERE size = 10", (forged, leaves))
    assert check(log, copies=False)[0].ok
    report, _ = check(log)
    assert check_against_copy(report) == Forked(10, forged, real)


def test_another_incarnation_in_the_copy(log, make_signer) -> None:
    """After a restore the copy still holds the ended incarnation's checkpoints: said, not a fault."""
    log.write(10, batch=5)
    for size in (7, 10, 12):
        log.copies.append(sign_checkpoint(Checkpoint("qianfa.test/e0", size, bytes(32)), make_signer()))
    lines = log.copy_path.read_bytes().splitlines(keepends=True)
    log.copy_path.write_bytes(b"".join(lines[i] for i in (0, 2, 1, 3, 4)))
    report, found = check(log)
    assert found == []
    assert [(warning.code, warning.first) for warning in report.warnings] == [("other_incarnation", size) for size in (7, 10, 12)]


def test_a_damaged_copy(log, make_signer) -> None:
    """A torn line is a warning; a line that was whole and no longer verifies is a finding."""
    log.write(10, batch=5)
    note = log.copies.newest()
    log.copies._write(b"torn\n")
    report, found = check(log)
    assert (found, [w.code for w in report.warnings]) == ([], ["copy_torn"])
    log.copies.append("no note")
    log.copies.append(note.replace("qianfa.test/e1", "qianfa.test/e2", 1))
    log.copies.append(sign_checkpoint(Checkpoint("qianfa.test/e1", 11, bytes(32)), make_signer(2)))
    report, found = check(log)
    assert [code for code, _, _ in found] == ["copy_altered", "copy_altered", "copy_altered"]


def test_a_stored_note_lost_and_the_copy_has_it(log) -> None:
    """The copy stands in for a note that was altered, so that the entries under it can still be judged."""
    log.write(10, batch=5)
    sql(log, "UPDATE checkpoints SET note = 'x' WHERE size = 10", "UPDATE entries SET body = x'00' WHERE seq = 8")
    assert check(log)[1] == [("checkpoint_altered", 10, 10), ("entry_altered", 8, 8)]
    sql(log, "UPDATE checkpoints SET note = 'x'")
    assert ("entry_altered", 8, 8) in check(log)[1]
    assert check(log, copies=False)[1][0] == ("checkpoint_altered", 5, 5)


@pytest.mark.parametrize("all_signatures", [True, False])
def test_the_newest_note_altered_without_a_copy(log, all_signatures: bool) -> None:
    """The newest checkpoint's signature is checked in either way of verifying."""
    log.write(10, batch=5)
    sql(log, "UPDATE checkpoints SET note = replace(note, 'qianfa', 'qianfb') WHERE size = 10")
    assert ("checkpoint_altered", 10, 10) in check(log, copies=False, all_signatures=all_signatures)[1]


def test_two_copies(log, tmp_path) -> None:
    """Several copies are read together; the one that knows most decides."""
    log.write(10, batch=5)
    other = tmp_path / "second.copy"
    shutil.copy(log.copy_path, other)
    log.write(5)
    report = verify_log(log.store, log.first, copies=[log.copy_path, other])
    assert report.ok


def test_a_rotation_that_was_altered(log, make_signer, make_entry) -> None:
    """A key that the old one did not vouch for is followed nowhere."""
    log.write(2)
    new = make_signer(2)
    log.writer.commit([make_entry(2, "key.rotated", **rotation_data(new=new.key, old=log.signer))], rotate_to=new)
    forged = make_entry(2, "key.rotated", **rotation_data(new=new.key, old=make_signer(3)))
    log.store._connection.execute("UPDATE entries SET body = ? WHERE seq = 2", (forged,))
    codes = [finding.code for finding in check(log)[0].findings]
    assert codes[0] == "key_rotation_invalid"
    assert "checkpoint_altered" in codes


def test_too_much_at_once(log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too much differs the range is named, and findings are bounded."""
    log.write(300, batch=100)
    sql(log, "UPDATE entries SET body = x'00'")
    assert len(check(log)[1]) == audit.MAX_FINDINGS
    monkeypatch.setattr(audit, "_DIFF_LIMIT", 10)
    sql(log, "DELETE FROM entries WHERE seq = 50")
    assert check(log)[1] == [("range_altered", 0, 299)]


def test_what_is_followed_is_what_was_hashed(log) -> None:
    """An entry altered while the log is read is either followed as it was signed, or found: nothing is read a second time."""
    log.write(3)
    whole = list(log.store.read(0))
    seen: list[bytes] = []

    def alter(body: bytes) -> None:
        seen.append(body)
        sql(log, "UPDATE entries SET body = x'00' WHERE seq = 1")

    assert check(log, follow=alter)[0].ok
    assert seen == whole
    seen.clear()
    assert check(log, all_signatures=False, follow=seen.append)[1] == [("entry_altered", 1, 1)]
    assert seen[1] == b"\x00"
    assert len(seen) == 3


def test_every_flipped_bit_of_an_entry_is_seen(log) -> None:
    """J: one bit of any byte of an entry, and it is the one named."""
    log.write(3)
    body = next(log.store.read(1, 2))
    for at in range(0, len(body) * 8, 5):
        changed = bytearray(body)
        changed[at // 8] ^= 1 << at % 8
        log.store._connection.execute("UPDATE entries SET body = ? WHERE seq = 1", (bytes(changed),))
        assert check(log)[1] == [("entry_altered", 1, 1)]


def test_a_store_that_cannot_be_read(log, tmp_path) -> None:
    """Unreadable is said as unavailable, never as verified."""
    with pytest.raises(LogUnavailable):
        verify_store(tmp_path / "missing", log.first)
    with pytest.raises(LogUnavailable):
        verify_log(log.store, log.first, copies=[tmp_path])
    assert isinstance(log.store._connection, sqlite3.Connection)


def test_lines_that_say_more_than_their_rows_are_parsed(log, tmp_path) -> None:
    """Lines repeated, torn, without a readable size, or missing in one of two copies: each is judged by what it says, whatever stands around it."""
    log.write(20, batch=5)
    lines = log.copy_path.read_bytes().splitlines(keepends=True)
    log.copy_path.write_bytes(b"".join([lines[0], lines[0], b"torn\n", lines[1], lines[2], lines[1], lines[3]]))
    report, found = check(log)
    assert found == [("checkpoint_missing", 10, 10)]
    assert [warning.code for warning in report.warnings] == ["copy_torn"]
    odd = canonical.encode({"leaves": "", "note": log.store.last_checkpoint().note.replace("qianfa.test/e1", "qianfa.test\\/e1")}) + b"\n"
    log.copy_path.write_bytes(b"".join([*lines[:3], odd, *lines[3:]]))
    assert check(log)[1] == [("copy_altered", 20, 20)]
    other = tmp_path / "second.copy"
    log.copy_path.write_bytes(b"".join(lines))
    other.write_bytes(b"".join(lines[:1] + lines[2:]))
    report = verify_log(log.store, log.first, copies=[log.copy_path, other])
    assert (report.findings, report.warnings) == ([], [])


def test_what_follows_an_altered_record_is_still_judged(log) -> None:
    """From the first difference on the authentic tree is one of its own, and later entries are held against it."""
    log.write(30, batch=5)
    sql(log, "UPDATE entries SET body = x'00' WHERE seq IN (7, 22)", "DELETE FROM entries WHERE seq >= 28")
    assert check(log)[1] == [("entry_altered", 7, 7), ("entry_altered", 22, 22), ("entry_missing", 28, 29)]
    report, _ = check(log)
    assert len(report.tree) == 30
    assert report.tree.root() == log.tree.root()


@pytest.mark.parametrize("all_signatures", [True, False])
def test_a_log_that_grows_while_it_is_verified(log, all_signatures: bool) -> None:
    """What is committed during the verification is verified too, or left out, and never a finding."""
    log.write(5000, batch=250)
    grown: list[int] = []

    def progress(done: int, _: int) -> None:
        log.write(3, batch=2)
        grown.append(done)

    report = verify_store(log.path, log.first, copies=[log.copy_path], progress=progress, all_signatures=all_signatures)
    assert report.findings == []
    assert len(grown) >= 3
