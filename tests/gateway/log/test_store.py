"""The store and the copy: durability settings, one transaction, fences, failing disks."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.log import copies as copies_module
from gateway.log import store as store_module
from gateway.log.copies import CheckpointCopies, Copy, TornLine, newest_copy, read_copies
from gateway.log.errors import Fenced, LogUnavailable, SizeMismatch
from gateway.log.store import LogStore, StoreReader


@pytest.fixture
def store(tmp_path: Path):
    """An empty store."""
    with LogStore.open(tmp_path / "log.db") as opened:
        yield opened


def test_append_and_read(store: LogStore) -> None:
    """Entries begin at 0 and come back in order; the checkpoint row stands beside them."""
    fence = store.take_fence()
    assert (store.size(), store.last_checkpoint()) == (0, None)
    store.append([b"a", b"b"], expected_size=0, fence=fence, note="n2", epoch="e", leaves=b"l")
    store.append([b"c"], expected_size=2, fence=fence, note="n3")
    assert list(store.read(0)) == [b"a", b"b", b"c"]
    assert list(store.read(1, 2)) == [b"b"]
    assert list(store.rows(2)) == [(2, b"c")]
    assert [row.size for row in store.checkpoints()] == [2, 3]
    assert [row.note for row in store.checkpoints(2)] == ["n3"]
    last = store.last_checkpoint()
    assert last is not None
    assert (last.size, last.note, last.epoch, store.size()) == (3, "n3", "", 3)


def test_many_pages(store: LogStore) -> None:
    """Reading crosses page borders without losing or repeating a row."""
    fence = store.take_fence()
    count = 2 * store_module._PAGE
    store.append([b"%d" % i for i in range(count)], expected_size=0, fence=fence, note="n")
    assert list(store.read(0)) == [b"%d" % i for i in range(count)]
    for i in range(store_module._PAGE + 1):
        store._connection.execute("INSERT INTO checkpoints VALUES (?, '', '', x'')", (count + 1 + i,))
    assert sum(1 for _ in store.checkpoints()) == store_module._PAGE + 2


@pytest.mark.parametrize("count", [1, store_module._ROWS - 1, store_module._ROWS, store_module._ROWS + 1, 3 * store_module._ROWS + 7])
def test_a_batch_of_any_length_is_stored_in_order(store: LogStore, count: int) -> None:
    """One statement or several, also behind what stands already: every entry at its place."""
    fence = store.take_fence()
    store.append([b"first"], expected_size=0, fence=fence, note="n1")
    bodies = [b"%d" % number for number in range(count)]
    store.append(bodies, expected_size=1, fence=fence, note="n2")
    assert list(store.rows(0)) == list(enumerate([b"first", *bodies]))


def test_gap_is_an_error(store: LogStore) -> None:
    """A missing row ends reading with an error, not with a shorter list."""
    fence = store.take_fence()
    store.append([b"a", b"b", b"c"], expected_size=0, fence=fence, note="n")
    store._connection.execute("DELETE FROM entries WHERE seq = 1")
    with pytest.raises(LogUnavailable, match="entry 1"):
        list(store.read(0, 3))


def test_size_and_fence_are_checked(store: LogStore) -> None:
    """K11: a writer with an old fence or a wrong size writes nothing and may not be mistaken for done."""
    old = store.take_fence()
    new = store.take_fence()
    assert new > old
    with pytest.raises(Fenced):
        store.append([b"a"], expected_size=0, fence=old, note="n")
    with pytest.raises(SizeMismatch) as caught:
        store.append([b"a"], expected_size=1, fence=new, note="n")
    assert (caught.value.expected, caught.value.found) == (1, 0)
    assert store.size() == 0
    store.append([b"a"], expected_size=0, fence=new, note="n")
    assert store.size() == 1


def test_one_checkpoint_a_size(store: LogStore) -> None:
    """No size ever has two checkpoints, even where entries were removed in between."""
    fence = store.take_fence()
    store.append([b"a"], expected_size=0, fence=fence, note="n")
    store._connection.execute("DELETE FROM entries")
    with pytest.raises(LogUnavailable):
        store.append([b"b"], expected_size=0, fence=fence, note="other")
    with pytest.raises(LogUnavailable, match="log_failed_before"):
        store.size()


def test_weaker_durability_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not keep WAL or FULL is not opened."""
    real = sqlite3.connect

    class Stubborn(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("= FULL", "= NORMAL"), *args)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=Stubborn))
    with pytest.raises(LogUnavailable, match="log_not_durable"):
        LogStore.open(tmp_path / "log.db")

    class NoWal(sqlite3.Connection):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("= WAL", "= DELETE"), *args)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=NoWal))
    with pytest.raises(LogUnavailable, match="log_not_durable"):
        LogStore.open(tmp_path / "other.db")


def test_settings_are_what_they_must_be(store: LogStore) -> None:
    """WAL, FULL, mode 0600."""
    assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_reserve(store: LogStore) -> None:
    """The reserve takes real blocks, is kept once made, and can be given up once."""
    store.reserve(1 << 20)
    path = store.path.with_name("log.db.reserve")
    assert path.stat().st_blocks * 512 >= 1 << 20
    store.reserve(1 << 20)
    assert store.release_reserve()
    assert not store.release_reserve()
    assert not path.exists()
    path.mkdir()
    for call in (lambda: store.reserve(1), store.release_reserve):
        with pytest.raises(LogUnavailable):
            call()


def test_half_a_reserve_is_not_left(store: LogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk has no room for all of it, nothing stands there that would pass for a reserve."""
    def no_room(handle: int, _offset: int, _length: int) -> None:
        os.write(handle, b"some")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(LogUnavailable) as error:
        store.reserve(1 << 20)
    assert error.value.code == "log_no_reserve"
    assert not store.path.with_name("log.db.reserve").exists()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """A folder, a file that is no database, a database that is no log, a missing file: unavailable."""
    with pytest.raises(LogUnavailable):
        LogStore.open(tmp_path)
    (tmp_path / "text").write_bytes(b"not a database " * 100)
    with pytest.raises(LogUnavailable):
        LogStore.open(tmp_path / "text")
    for name in ("text", "missing", "empty.db"):
        with pytest.raises(LogUnavailable):
            StoreReader.open_readonly(tmp_path / name)
    sqlite3.connect(tmp_path / "empty.db").close()


def test_reader_beside_a_writer(store: LogStore) -> None:
    """A second reader sees committed entries while the writer is open, and cannot write."""
    fence = store.take_fence()
    store.append([b"a"], expected_size=0, fence=fence, note="n")
    with StoreReader.open_readonly(store.path) as reader:
        assert list(reader.read(0)) == [b"a"]
        with pytest.raises(sqlite3.OperationalError):
            reader._connection.execute("DELETE FROM entries")
        store.append([b"b"], expected_size=1, fence=fence, note="n2")
        assert list(reader.read(0)) == [b"a", b"b"]


def test_another_writer_in_between(store: LogStore) -> None:
    """A database that another holds is unavailable, not silently skipped."""
    fence = store.take_fence()
    store._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable):
        store.append([b"a"], expected_size=0, fence=fence, note="n")
    other.execute("ROLLBACK")
    other.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from gateway.log.store import LogStore
from gateway.log.errors import LogUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = LogStore.open(Path(sys.argv[1]))
fence = store.take_fence()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
acknowledged = 0
try:
    while True:
        store.append([bytes(5000)], expected_size=acknowledged, fence=fence, note="n")
        acknowledged += 1
except LogUnavailable:
    try:
        store.append([b"x"], expected_size=acknowledged, fence=fence, note="n")
    except LogUnavailable as error:
        print(acknowledged, error.code, flush=True)
import os
os._exit(0)
"""


def run(code: str, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(
        [*before, sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """J12: when the file can grow no more the append fails as unavailable; what was acknowledged is there, nothing more is accepted."""
    done = run(LIMITED, str(tmp_path / "log.db"))
    acknowledged, code = done.stdout.split()
    assert code == "log_failed_before"
    with LogStore.open(tmp_path / "log.db") as store:
        assert store.size() >= int(acknowledged) > 0
        assert len(list(store.read(0, store.size()))) == store.size()


INJECTED = """
import sys
from pathlib import Path
from gateway.log.store import LogStore
from gateway.log.errors import LogUnavailable
store = LogStore.open(Path(sys.argv[1]))
fence = store.take_fence()
acknowledged = 0
try:
    for acknowledged in range(50):
        store.append([b"entry"], expected_size=acknowledged, fence=fence, note="n")
    print("all", flush=True)
except LogUnavailable as error:
    print(acknowledged, error.code, flush=True)
import os
os._exit(0)
"""


@pytest.mark.parametrize("fault", ["fdatasync:error=EIO:when=30", "pwrite64:error=ENOSPC:when=30", "pwrite64:error=EROFS:when=30"])
def test_a_disk_that_fails(tmp_path: Path, fault: str) -> None:
    """J12: a failed write or fsync of the system itself is `LogUnavailable`, and what was acknowledged survives."""
    call = fault.split(":", 1)[0]
    done = run(INJECTED, str(tmp_path / "log.db"), before=("strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}"))
    acknowledged, code = done.stdout.split()
    assert code == "log_unavailable"
    with LogStore.open(tmp_path / "log.db") as store:
        assert store.size() >= int(acknowledged)


# ---- the copy -----------------------------------------------------------------------------------------------------------


def test_copy_lines(tmp_path: Path) -> None:
    """Lines come back as written, the newest from the end."""
    path = tmp_path / "copy"
    with CheckpointCopies.open(path) as copies:
        assert copies.newest() is None
        copies.append("one\n", b"\x00\x01")
        copies.append("zwei — \n")
        assert copies.dirty
        copies.sync()
        assert not copies.dirty
        assert copies.newest() == "zwei — \n"
    assert list(read_copies(path)) == [Copy("one\n", b"\x00\x01"), Copy("zwei — \n", b"")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_torn_tail_is_reported_and_survived(tmp_path: Path) -> None:
    """A line cut by a crash is reported, left in place, and the next one is whole; nothing is written before there is one."""
    path = tmp_path / "copy"
    with CheckpointCopies.open(path) as copies:
        copies.append("one\n")
        copies.append("two\n")
    length = path.stat().st_size
    os.truncate(path, length - 5)
    assert newest_copy(path) == "one\n"
    with CheckpointCopies.open(path) as copies:
        assert path.stat().st_size == length - 5
        copies.append("three\n")
    assert list(read_copies(path)) == [Copy("one\n", b""), TornLine(len(b'{"leaves":"","note":"one\\n"}\n')), Copy("three\n", b"")]
    assert newest_copy(path) == "three\n"


@pytest.mark.parametrize(
    "line", [b"[]\n", b"{}\n", b'{"leaves":1,"note":""}\n', b'{"leaves":"","note":1}\n', b'{"leaves":"?","note":""}\n', b'{"note":"","leaves":""}\n', b"\xff\n"]
)
def test_lines_that_are_no_copies(tmp_path: Path, line: bytes) -> None:
    """A line of another form is reported as torn."""
    path = tmp_path / "copy"
    path.write_bytes(line)
    assert list(read_copies(path)) == [TornLine(0)]
    assert newest_copy(path) is None


def test_newest_looks_far_enough_back(tmp_path: Path) -> None:
    """A last whole line further back than one block is still found; in a file without any, the answer is None."""
    path = tmp_path / "copy"
    with CheckpointCopies.open(path) as copies:
        copies.append("one\n", bytes(copies_module._BLOCK * 2))
    with path.open("ab") as file:
        file.write(b"x" * copies_module._BLOCK * 2)
    assert newest_copy(path) == "one\n"


def test_copy_on_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every error of the system, and a short write, is unavailable."""
    for call in (CheckpointCopies.open, lambda path: list(read_copies(path)), newest_copy):
        with pytest.raises(LogUnavailable):
            call(tmp_path)
    copies = CheckpointCopies.open(tmp_path / "copy")

    def broken(*_: object) -> int:
        raise OSError(5, "EIO")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(LogUnavailable):
        copies.sync()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    with pytest.raises(LogUnavailable):
        copies.append("one\n")
    monkeypatch.undo()
    copies.append("two\n")
    copies.close()
    assert list(read_copies(tmp_path / "copy")) == [TornLine(0), Copy("two\n", b"")]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
