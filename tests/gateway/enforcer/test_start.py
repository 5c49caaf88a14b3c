"""Start: whatever was changed outside keeps the enforcer down, and is named in both languages, by the start and by `qianfa log verify`."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway import commands, logfiles
from gateway.config import Settings, load
from gateway.enforcer.building import check_settings
from gateway.enforcer.startup import InUse, LogRefused, RowsRefused, StartRefused, start
from gateway.log.errors import LogUnavailable
from gateway.log.store import StoreReader
from gateway.protocol.entries import EntryType
from gateway.protocol.entries import load as load_entry
from gateway.protocol.instants import EPOCH_START
from tests.gateway.enforcer.house import House, found_house, open_house
from tests.gateway.enforcer.scripted import Scripted


@dataclass
class Closed:
    """A staffed deployment that is not running."""

    folder: Path
    settings: Settings

    @property
    def log(self) -> Path:
        """The log's database."""
        return self.settings.enforcer_data / "log.db"

    def sql(self, statement: str, *values: object, database: str = "log.db") -> None:
        """Change a database as somebody with write access would."""
        with closing(sqlite3.connect(self.settings.enforcer_data / database)) as connection, connection:
            connection.execute(statement, values)

    def size(self) -> int:
        """Return how many entries the database holds."""
        with StoreReader.open_readonly(self.log) as store:
            return store.size()


async def made(folder: Path, *, twice: bool = False) -> Closed:
    """Found, staff and close a deployment; `twice` stores a second credential, so that the first is an old one."""
    founded = found_house(folder)
    async with open_house(folder, {"wordpress": Scripted()}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "first"})
        if twice:
            await house.store_credential("news", {"key": "second"})
    return Closed(folder, load(folder / "data" / "qianfa.toml"))


async def reopened(closed: Closed) -> House:
    """Open it again and close it; return what was open."""
    async with open_house(closed.folder, {"wordpress": Scripted()}) as house:
        return house


async def refused(closed: Closed) -> StartRefused:
    """Open it and return why it stays down; the offline verification says the same."""
    with pytest.raises(StartRefused) as found:
        await reopened(closed)
    assert found.value.zh
    assert found.value.en
    return found.value


def _alter(closed: Closed) -> None:
    closed.sql("UPDATE entries SET body = replace(body, 'unit.added', 'unit.Added') WHERE seq = 1")


def _unreadable_note(closed: Closed) -> None:
    closed.sql("UPDATE checkpoints SET note = X'ff00ff', epoch = 7, leaves = 'text' WHERE size = (SELECT min(size) FROM checkpoints)")


def _delete(closed: Closed) -> None:
    closed.sql("DELETE FROM entries WHERE seq = 7")


def _delete_closing_up(closed: Closed) -> None:
    _delete(closed)
    closed.sql("UPDATE entries SET seq = -seq WHERE seq > 7")
    closed.sql("UPDATE entries SET seq = -seq - 1 WHERE seq < 0")


def _swap(closed: Closed) -> None:
    closed.sql("UPDATE entries SET seq = -1 WHERE seq = 3")
    closed.sql("UPDATE entries SET seq = 3 WHERE seq = 4")
    closed.sql("UPDATE entries SET seq = 4 WHERE seq = -1")


def _cut(closed: Closed) -> None:
    closed.sql("DELETE FROM entries WHERE seq >= 20")
    closed.sql("DELETE FROM checkpoints WHERE size > 20")


def _append(closed: Closed) -> None:
    closed.sql("INSERT INTO entries SELECT max(seq) + 1, (SELECT body FROM entries WHERE seq = 2) FROM entries")


def _insert(closed: Closed) -> None:
    closed.sql("UPDATE entries SET seq = -seq WHERE seq >= 5")
    closed.sql("UPDATE entries SET seq = -seq + 1 WHERE seq < 0")
    closed.sql("INSERT INTO entries SELECT 5, body FROM entries WHERE seq = 2")


@pytest.mark.parametrize(("harm", "place"), [
    (_alter, "1"), (_unreadable_note, "8"), (_delete, "7"), (_delete_closing_up, "7"), (_swap, "3"), (_cut, "20"), (_append, None), (_insert, "5"),
])
async def test_rows_changed_in_the_log_keep_it_down_and_are_named(
    tmp_path: Path, harm: Callable[[Closed], None], place: str | None,
) -> None:
    """J1–J4: changed, deleted, reordered, cut, appended, inserted: the place stands in both languages, at the start and offline."""
    closed = await made(tmp_path)
    size = closed.size()
    harm(closed)
    why = await refused(closed)
    assert isinstance(why, LogRefused)
    verdict = logfiles.verify(closed.settings, None, progress=lambda _done, _total: None)
    assert not verdict.ok
    for text in (why.zh, why.en, verdict.text):
        assert (place or str(size)) in text


async def test_one_byte_of_a_copied_log_is_named(tmp_path: Path) -> None:
    """`qianfa log verify FILE` of a copy in which one byte differs names the entry; an untouched older copy is whole."""
    closed = await made(tmp_path)
    copy = tmp_path / "copy" / "log.db"
    copy.parent.mkdir()
    shutil.copy(closed.log, copy)
    await reopened(closed)
    assert logfiles.verify(closed.settings, copy.parent, progress=lambda _done, _total: None).ok
    with StoreReader.open_readonly(closed.log) as store:
        body = next(store.read(9, 10))
    data = bytearray(copy.read_bytes())
    at = data.index(body) + len(body) // 2
    data[at] ^= 1
    copy.write_bytes(data)
    verdict = logfiles.verify(closed.settings, copy, progress=lambda _done, _total: None)
    assert not verdict.ok
    assert "第 9 条" in verdict.text
    assert "entry 9" in verdict.text


async def test_an_old_credential_row_put_back_is_named(tmp_path: Path) -> None:
    """The second version's row is replaced by the first one's bytes, which open under the same key: it stays down and says which row."""
    closed = await made(tmp_path, twice=True)
    closed.sql("UPDATE sealed SET row = (SELECT row FROM sealed WHERE secret_id = 'credential/ch_news000000' AND version = 1)"
               " WHERE secret_id = 'credential/ch_news000000' AND version = 2", database="sealed.db")
    why = await refused(closed)
    assert isinstance(why, RowsRefused)
    assert "credential/ch_news000000" in why.zh
    assert "credential/ch_news000000 version 2" in why.en


@pytest.mark.parametrize("secret", ["pw-per_gu000000", "vault/key/approval", "vault/keyring"])
async def test_a_password_hash_or_key_altered_or_deleted_is_named(tmp_path: Path, secret: str) -> None:
    """Hashes and the vault's own keys are bound by the log as credentials are."""
    closed = await made(tmp_path)
    closed.sql("UPDATE sealed SET row = CAST(replace(hex(row), '0', '1') AS BLOB) WHERE secret_id = ?", secret, database="sealed.db")
    assert secret in (await refused(closed)).en
    closed.sql("DELETE FROM sealed WHERE secret_id = ?", secret, database="sealed.db")
    assert secret in (await refused(closed)).zh


async def test_a_row_that_was_added_opens_nothing_and_goes(tmp_path: Path) -> None:
    """A sealed row that the log does not know is ignored at the start and deleted at the unsealing; one that replaced another goes too."""
    closed = await made(tmp_path, twice=True)
    closed.sql("INSERT INTO sealed SELECT 'credential/evil', 1, row FROM sealed WHERE secret_id = 'vault/keyring'", database="sealed.db")
    house = await reopened(closed)
    assert house.state.size
    with closing(sqlite3.connect(closed.settings.enforcer_data / "sealed.db")) as connection:
        rows = connection.execute("SELECT secret_id, version FROM sealed WHERE secret_id LIKE 'credential/%'").fetchall()
    assert rows == [("credential/ch_news000000", 2)]


@pytest.mark.parametrize("how", ["missing", "empty"])
async def test_without_the_copy_outside_it_stays_down(tmp_path: Path, how: str) -> None:
    """A copy on a disk that is not mounted must not be begun anew in silence; a backup put back begins a new incarnation."""
    closed = await made(tmp_path)
    closed.settings.copies.unlink()
    if how == "empty":
        closed.settings.copies.touch()
    assert str(closed.settings.copies) in (await refused(closed)).zh
    assert not logfiles.verify(closed.settings, None, progress=lambda _done, _total: None).ok
    backup = await asyncio.to_thread(commands.make_backup, closed.settings)
    await asyncio.to_thread(commands.restore, closed.settings, Path(backup))
    epoch = (await reopened(closed)).state.epoch
    assert epoch


async def test_a_copy_that_is_behind_catches_up(tmp_path: Path) -> None:
    """What a crash kept from the copy is added at the start; nothing is lost by that."""
    closed = await made(tmp_path)
    lines = closed.settings.copies.read_bytes().splitlines(keepends=True)
    closed.settings.copies.write_bytes(b"".join(lines[:-2]))
    await reopened(closed)
    assert len(closed.settings.copies.read_bytes().splitlines()) > len(lines)


async def test_a_forked_copy_keeps_it_down(tmp_path: Path) -> None:
    """J6: the database was put back to an earlier state and continued: two signed roots for one size, and both are said to differ."""
    closed = await made(tmp_path)
    kept = tmp_path / "kept"
    shutil.copytree(closed.settings.enforcer_data, kept)
    copies = closed.settings.copies.read_bytes()
    await reopened(closed)
    forked = closed.settings.copies.read_bytes()
    shutil.rmtree(closed.settings.enforcer_data)
    kept.rename(closed.settings.enforcer_data)
    closed.settings.copies.write_bytes(copies)
    await reopened(closed)
    closed.settings.copies.write_bytes(forked)
    why = await refused(closed)
    assert "分叉" in why.zh
    assert "forked" in why.en


async def test_an_altered_copy_keeps_it_down(tmp_path: Path) -> None:
    """A note in the copy that no longer verifies is said, not overlooked."""
    closed = await made(tmp_path)
    lines = closed.settings.copies.read_text().splitlines(keepends=True)
    at = lines[3].rindex('\\n"') - 10
    lines[3] = lines[3][:at] + ("A" if lines[3][at] != "A" else "B") + lines[3][at + 1:]
    closed.settings.copies.write_text("".join(lines))
    assert isinstance(await refused(closed), LogRefused)


async def test_a_rollback_of_the_whole_database_is_seen(tmp_path: Path) -> None:
    """J7: yesterday's database with today's copy outside: the log was cut, and both sizes are named."""
    closed = await made(tmp_path)
    kept = tmp_path / "kept"
    shutil.copytree(closed.settings.enforcer_data, kept)
    size = closed.size()
    await reopened(closed)
    shutil.rmtree(closed.settings.enforcer_data)
    kept.rename(closed.settings.enforcer_data)
    assert str(size) in (await refused(closed)).en


async def test_a_log_that_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    """Without log.db there is no start, and none is made."""
    closed = await made(tmp_path)
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        closed.log.with_name(name).unlink(missing_ok=True)
    assert str(closed.log) in (await refused(closed)).zh
    assert not closed.log.exists()


async def test_a_log_of_a_later_version_is_said(tmp_path: Path) -> None:
    """An entry type that this version does not know stops the start in words, with the entry's number."""
    closed = await made(tmp_path)
    from gateway.enforcer.startup import _Replay

    with StoreReader.open_readonly(closed.log) as store:
        bodies = list(store.read(0, 3))
    replay = _Replay(EPOCH_START)
    for body in (bodies[0], bodies[1].replace(b"unit.added", b"unit.annexed"), bodies[2]):
        replay.follow(body)
    with pytest.raises(LogRefused) as found:
        replay.state_of(3)
    assert "entry 1" in found.value.en


@pytest.mark.parametrize(("name", "value"), [
    ("kind", "live"), ("deployment", "dep-000000000000"), ("desk_url", "https://other.example"), ("counter_url", "https://another.example"),
])
async def test_settings_of_another_deployment_keep_it_down(tmp_path: Path, name: str, value: str) -> None:
    """A sandbox's log never runs with live hosts: the file must agree with the log."""
    closed = await made(tmp_path)
    async with open_house(tmp_path, {}) as house:
        told = closed.settings.model_copy(update={name: value})
        with pytest.raises(StartRefused) as found:
            check_settings(told, house.state)
    assert name in found.value.zh


async def test_a_second_enforcer_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """K11: while one runs another is told so, and the first goes on undisturbed."""
    closed = await made(tmp_path)
    async with open_house(tmp_path, {}) as house:
        with pytest.raises(InUse):
            await reopened(closed)
        await house.runner.system(_counters())
    assert (await reopened(closed)).state.size


def _counters() -> object:
    from gateway.protocol.commands import TakeCounters

    return TakeCounters(counts={"invalid": 1})


async def test_a_fenced_writer_can_write_no_more(tmp_path: Path) -> None:
    """Where the lock does not reach (a shared disk), the fence does: the first writer's next append fails and nothing of it stands."""
    closed = await made(tmp_path)
    broke: list[LogUnavailable] = []
    async with open_house(tmp_path, {}, on_broken=broke.append) as house:
        second = start(closed.log, closed.settings.copies, closed.settings.log_key)
        size = house.state.size
        with pytest.raises(LogUnavailable):
            await house.runner.system(_counters())
        assert broke
        assert second.parts.store.size() == size
        second.parts.store.close()
        second.parts.copies.close()
    assert (await reopened(closed)).state.size > size


async def test_every_start_is_an_entry(tmp_path: Path) -> None:
    """Each unsealing and start stands in the log, with whether the processes are isolated."""
    closed = await made(tmp_path)
    await reopened(closed)
    with StoreReader.open_readonly(closed.log) as store:
        starts = [entry for entry in map(load_entry, store.read(0, store.size())) if entry.type == EntryType.ENFORCER_STARTED]
    assert [entry.data["isolated"] for entry in starts] == [False, False]
