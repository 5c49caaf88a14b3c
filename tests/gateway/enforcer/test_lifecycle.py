"""Sealing, unsealing, rotating, slots, backup and restore: what happens to the vault and to a log that was put back."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import logfiles
from gateway.config import Settings, load
from gateway.enforcer import backup
from gateway.enforcer.lifecycle import bound_rows
from gateway.log import audit
from gateway.log.checkpoint import parse_vkey
from gateway.machine.changes import changes_digest
from gateway.machine.state import PublicationState, SubmissionState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import PROPOSAL_LABEL, list_digest
from tests.gateway.enforcer.conftest import CANARY
from tests.gateway.enforcer.house import House, article, found_house, open_house, verdict
from tests.gateway.enforcer.scripted import Scripted
from vault.errors import AlreadyUnsealed, Sealed, SlotRefused, WrongKey
from vault.keyring import terms_in_use
from vault.rows import SealedRow
from vault.secretbytes import SecretBytes
from vault.slots import SlotSecret, create_key_file


def key_file(house: House) -> SlotSecret:
    """Return the deployment's key file as a secret."""
    assert house.parts.settings.key_file is not None
    return SlotSecret.from_key_file(house.parts.settings.key_file)


# ---- sealing and unsealing


async def test_sealed_means_that_reading_goes_on_and_signing_does_not(hand: House, scripted: Scripted) -> None:
    """Sealed: state, names and status are there; a submission is 503 `vault_sealed`; nothing is appended; unsealing goes on where it was."""
    publication = (await hand.release(await hand.submit(article(cover=hand.cover()), "news")))[0]
    await hand.lifecycle.seal("admin")
    size = hand.state.size
    assert hand.lifecycle.vault_status()["sealed"]
    assert hand.parts.views.name(hand.people["lu"]) == "陆晓棠"
    with pytest.raises(Denied) as denied:
        await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    assert (denied.value.code, denied.value.words.status) == ("vault_sealed", 503)
    with pytest.raises(Sealed):
        hand.parts.vault.mac(b"x")
    assert hand.state.size == size
    await hand.lifecycle.seal("admin")
    slot = await hand.lifecycle.unseal(key_file(hand))
    assert slot.startswith("slot_")
    assert await hand.until(publication, "live") == "live"
    assert scripted.calls.count("commit") == 1


async def test_timers_run_again_after_every_unsealing(hand: House) -> None:
    """Seal, unseal, seal, unseal: what is released afterwards is still sent."""
    for _ in range(2):
        await hand.lifecycle.seal("admin")
        await hand.lifecycle.unseal(key_file(hand))
    publication = (await hand.release(await hand.submit(article(cover=hand.cover()), "news")))[0]
    assert await hand.until(publication, "live") == "live"


async def test_each_slot_opens_and_an_open_vault_is_not_opened_twice(tmp_path: Path) -> None:
    """Key file, recovery key and an added passphrase open it, each by itself; the second unsealing is refused and changes nothing."""
    founded = found_house(tmp_path)
    phrase = "九月 秋收 之后 的 水管"
    async with open_house(tmp_path, {}, codes=founded.codes) as house:
        with pytest.raises(AlreadyUnsealed):
            await house.lifecycle.unseal(key_file(house))
        await house.lifecycle.add_slot(SlotSecret.from_passphrase(phrase))
        for secret in (SlotSecret.from_recovery_key(founded.recovery_key), SlotSecret.from_passphrase(phrase), key_file(house)):
            await house.lifecycle.seal("admin")
            await house.lifecycle.unseal(secret)
        assert [e.data["action"] for e in house.entries(EntryType.VAULT_CHANGED)].count("unsealed") == 4


async def test_wrong_secrets_open_nothing_and_are_throttled(tmp_path: Path) -> None:
    """Five wrong tries are answered, the sixth must wait, and then even the right one; nothing is logged by it."""
    found_house(tmp_path)
    async with open_house(tmp_path, {}, unseal=False) as house:
        for _ in range(5):
            with pytest.raises(WrongKey):
                await house.lifecycle.unseal(SlotSecret.from_passphrase("wrong wrong wrong"))
        with pytest.raises(Denied) as denied:
            await house.lifecycle.unseal(key_file(house))
        assert denied.value.code == "throttled"
        assert house.runner.sealed


async def test_two_unsealings_at_once_open_it_once(tmp_path: Path) -> None:
    """One opens it, the other is told that it is open."""
    found_house(tmp_path)
    async with open_house(tmp_path, {}, unseal=False) as house:
        done = await asyncio.gather(*(house.lifecycle.unseal(key_file(house)) for _ in range(2)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["AlreadyUnsealed", "str"]
        assert len(house.entries(EntryType.ENFORCER_STARTED)) == 1


async def test_slots_come_and_go_and_the_last_one_stays(tmp_path: Path) -> None:
    """An added slot opens, a removed one does not, an unknown one is said, and the last is refused."""
    founded = found_house(tmp_path)
    more = tmp_path / "more.key"
    create_key_file(more)
    async with open_house(tmp_path, {}, codes=founded.codes) as house:
        slot = await house.lifecycle.add_slot(SlotSecret.from_key_file(more))
        with pytest.raises(SlotRefused):
            await house.lifecycle.remove_slot("slot_0000000000000000")
        names = [entry["slot"] for entry in house.lifecycle.vault_status()["slots"]]
        assert slot.endswith(tuple(names))
        for name in names[:-1]:
            await house.lifecycle.remove_slot(name)
        with pytest.raises(SlotRefused) as refused:
            await house.lifecycle.remove_slot(names[-1])
        assert refused.value.reason == "last_slot"
        left = house.lifecycle.vault_status()["slots"]
        assert [entry["slot"] for entry in left] == names[-1:]
        await house.lifecycle.seal("admin")
        opened = 0
        for secret in (key_file(house), SlotSecret.from_key_file(more), SlotSecret.from_recovery_key(founded.recovery_key)):
            try:
                await house.lifecycle.unseal(secret)
                opened += 1
                await house.lifecycle.seal("admin")
            except WrongKey:
                continue
        assert opened == 1


# ---- declined credentials


async def proposed(house: House) -> tuple[str, tuple[str, int]]:
    """Seal a new credential and propose it by its custodian; return the proposal and the row's key."""
    channel = house.channels["news"]
    version = house.state.channels[channel].credential_version + 1
    with SecretBytes(b"unwanted") as secret:
        row = house.parts.vault.put(secret_id=f"credential/{channel}/{version}-{next(house.count)}", version=version, secret=secret)
    house.parts.sealed.insert(row)
    change = Change(type=EntryType.CREDENTIAL_STORED, object=channel, data={"version": version, "secret": row.secret_id, "sha256": row.sha256})
    digest = changes_digest([change])
    made = await house.do(c.Propose(
        changes=(change,), reason=house.parts.values.commit("测试"), until=instants.plus(house.runner.now(), 86_400),
        proof=house.proof("fang", list_digest(PROPOSAL_LABEL, [(digest, "propose")]))), "fang", Grade.PROOF)
    return made.object, row.key


async def test_a_declined_credential_is_deleted_at_once_and_an_agreed_one_stays(tmp_path: Path, scripted: Scripted) -> None:
    """The row goes with its proposal, also where that was made before a restart; rows of other proposals and the credential in force stay."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": CANARY})
        (first, gone), (second, waits), (early, before) = await proposed(house), await proposed(house), await proposed(house)
        await house.do(c.Decline(proposal=first), "fang")
        await asyncio.sleep(0)
        assert house.parts.sealed.get(*gone) is None
        assert house.parts.sealed.get(*waits) is not None
        assert credential(house) == CANARY
    async with open_house(tmp_path, {"wordpress": scripted}) as house:
        await house.do(c.Decline(proposal=early), "xu")
        await asyncio.sleep(0)
        assert house.parts.sealed.get(*before) is None
        digest = changes_digest([Change(**change) for change in house.state.proposals[second].changes])
        await house.do(c.Confirm(proposal=second, digest=digest, proof=house.proof("xu", list_digest(PROPOSAL_LABEL, [(digest, "confirm")]))),
                       "xu", Grade.PROOF)
        await asyncio.sleep(0)
        assert house.parts.sealed.get(*waits) is not None
        assert house.lifecycle.vault_status()["unbound_rows"] != [f"{waits[0]}@{waits[1]}"]


async def test_a_row_that_cannot_be_deleted_now_goes_at_the_next_unsealing(hand: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at that moment breaks nothing: the decline stands, and the row is cleared later."""
    proposal, gone = await proposed(hand)
    with monkeypatch.context() as patched:
        patched.setattr(hand.parts.sealed, "delete", _disk_full)
        await hand.do(c.Decline(proposal=proposal), "fang")
        await asyncio.sleep(0)
    assert hand.runner.broken is None
    assert hand.parts.sealed.get(*gone) is not None
    await hand.lifecycle.seal("admin")
    await hand.lifecycle.unseal(key_file(hand))
    assert hand.parts.sealed.get(*gone) is None


def _disk_full(*_arguments: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


# ---- rotation


def credential(house: House) -> str:
    """Return the stored credential, read as the gate reads it."""
    known = house.state.channels[house.channels["news"]].credential
    assert known is not None
    row = house.parts.sealed.get(known.secret, known.version)
    assert row is not None
    with house.parts.vault.lease(
        secret_id=row.secret_id, version=row.version, row=row.row, expected_sha256=known.sha256, purpose="test") as secret:
        return str(json.loads(secret.expose())["key"])


async def test_rotation_moves_every_row_and_ends_the_old_term(hand: House) -> None:
    """Afterwards nothing is under the old term, the log binds the new rows, and everything still opens, now and after a restart."""
    moved = await hand.lifecycle.rotate()
    assert moved >= 5
    assert hand.parts.vault.terms == (2,)
    assert set(terms_in_use(hand.parts.sealed.rows())) == {2}
    assert credential(hand) == CANARY
    assert hand.lifecycle.vault_status()["unbound_rows"] == []
    await hand.lifecycle.seal("admin")
    await hand.lifecycle.unseal(key_file(hand))
    assert credential(hand) == CANARY


class _CutError(Exception):
    """Stands for the moment of a power cut."""


CUTS: list[tuple[str, str, int]] = [
    (owner, name, nth)
    for owner, name, times in (("sealed", "insert", 2), ("sealed", "put_aside", 1), ("sealed", "take_aside", 1), ("sealed", "delete", 2),
                               ("vault", "adopt", 2), ("runner", "system", 3))
    for nth in range(times)
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name", "nth"), CUTS)
async def test_a_rotation_cut_short_anywhere_is_finished_at_the_next_unsealing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str, name: str, nth: int, after: bool,
) -> None:
    """K9: cut before or after any durable step, the next start opens, every secret is readable, and one term is left, with nothing unbound."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": Scripted()}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": CANARY})
        await house.lifecycle._stop_timers()
        with monkeypatch.context() as patched:
            _cut(patched, getattr(house.parts, owner), name, nth, after=after)
            with pytest.raises(_CutError):
                await house.lifecycle.rotate()
        await house.runner.close()  # what follows never ran: no seal entry, no clearing
        house.parts.vault.seal()
    async with open_house(tmp_path, {"wordpress": Scripted()}) as house:
        house.channels["news"] = "ch_news000000"
        assert credential(house) == CANARY
        if len(house.parts.vault.terms) > 1 or house.parts.vault.terms == (1,):
            await house.lifecycle.rotate()
        assert len(house.parts.vault.terms) == 1
        assert set(terms_in_use(house.parts.sealed.rows())) == set(house.parts.vault.terms)
        assert house.lifecycle.vault_status()["unbound_rows"] == []
        assert {row.key for row in house.parts.sealed.rows()} == set(bound_rows(house.state))


def _cut(patched: pytest.MonkeyPatch, owner: Any, name: str, nth: int, *, after: bool) -> None:
    real, left = getattr(owner, name), [nth]

    def reached() -> bool:
        left[0] -= 1
        return left[0] < 0

    def plain(*arguments: Any, **named: Any) -> Any:
        hit = reached()
        if hit and not after:
            raise _CutError
        result = real(*arguments, **named)
        if hit:
            raise _CutError
        return result

    async def waits(*arguments: Any, **named: Any) -> Any:
        hit = reached()
        if hit and not after:
            raise _CutError
        result = await real(*arguments, **named)
        if hit:
            raise _CutError
        return result

    patched.setattr(type(owner), name, _bound(owner, waits if asyncio.iscoroutinefunction(real) else plain))


def _bound(owner: Any, function: Callable[..., Any] | Callable[..., Awaitable[Any]]) -> Any:
    del owner

    def method(_self: Any, *arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return method


async def test_a_row_that_waits_for_its_second_person_is_kept(hand: House) -> None:
    """A credential that was entered and not yet confirmed survives a restart and a rotation; what nobody proposes does not."""
    from gateway.machine.changes import changes_digest
    from gateway.protocol import instants
    from gateway.protocol.statements import PROPOSAL_LABEL, list_digest
    from vault.secretbytes import SecretBytes

    with SecretBytes(b'{"key":"next"}') as secret:
        row = hand.parts.vault.put(secret_id="credential/ch_news000000", version=2, secret=secret)
    hand.parts.sealed.insert(row)
    hand.parts.sealed.insert(SealedRow(secret_id="credential/nobody", version=1, row=row.row))
    change = Change(type=EntryType.CREDENTIAL_STORED, object=hand.channels["news"],
                    data={"version": 2, "secret": row.secret_id, "sha256": row.sha256})
    digest = changes_digest([change])
    made = await hand.do(c.Propose(
        changes=(change,), reason=hand.parts.values.commit("换密钥"), until=instants.plus(hand.runner.now(), 3600),
        proof=hand.proof("fang", list_digest(PROPOSAL_LABEL, [(digest, "propose")]))), "fang", Grade.PROOF)
    await hand.lifecycle.rotate()
    await hand.lifecycle.seal("admin")
    await hand.lifecycle.unseal(key_file(hand))
    assert hand.parts.sealed.get("credential/nobody", 1) is None
    await hand.do(c.Confirm(proposal=made.object, digest=digest, proof=hand.proof("xu", list_digest(PROPOSAL_LABEL, [(digest, "confirm")]))),
                  "xu", Grade.PROOF)
    assert credential(hand) == "next"
    await hand.lifecycle.rotate()
    await hand.lifecycle.seal("admin")
    await hand.lifecycle.unseal(key_file(hand))  # clears the replaced version, the last row under the old term
    assert len(hand.parts.vault.terms) == 1
    assert credential(hand) == "next"


# ---- backup and restore


async def test_an_old_backup_put_back_sends_nothing_twice(tmp_path: Path, scripted: Scripted) -> None:
    """The backup knows a release that was sent since: after the restore it is dead, what was under way is UNKNOWN, and the epoch is new."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": CANARY})
        await house.lifecycle._stop_timers()
        held = (await house.release(await house.submit(article(title="一", cover=house.cover()), "news")))[0]
        under_way = (await house.release(await house.submit(article(title="二", cover=house.cover()), "news")))[0]
        scripted.raising["prepared"] = Denied("frozen")
        await house.parts.gate.send(under_way)
        waiting = await house.submit(article(title="三", cover=house.cover()), "news")
        await house.sign("gu", waiting, "approve")
        old_epoch, old_token = house.state.epoch, house.state.publications[held].token
        folder = await house.lifecycle.undisturbed(lambda: backup.make(house.parts.settings))
        for publication in (held, under_way):
            await house.parts.gate.send(publication)
            assert house.publication_state(publication) is PublicationState.LIVE
        settings, size = house.parts.settings, house.state.size
    assert scripted.calls.count("commit") == 2
    restored = backup.restore(settings, folder)
    assert restored.lost >= size - restored.entries > 0
    scripted.settled = _undecided()
    async with open_house(tmp_path, {"wordpress": scripted}) as house:
        house.channels = {"news": "ch_news000000"}
        assert house.state.epoch != old_epoch
        assert house.publication_state(held) is PublicationState.ABANDONED
        assert house.publication_state(under_way) is PublicationState.UNKNOWN
        assert house.state.submissions[waiting].state is SubmissionState.IN_REVIEW
        assert not house.state.submissions[waiting].signatures
        await asyncio.sleep(0.6)
        for publication in (held, under_way):
            await house.parts.gate.send(publication)
        assert scripted.calls.count("commit") == 2
        house.state.publications[held].token = old_token
        with pytest.raises(Denied) as denied:
            house.parts.gate.load_and_verify(house.state.publications[held])
        assert denied.value.code == "token_invalid"
        opened = house.entries(EntryType.INCARNATION_OPENED)
        assert [entry.data["previous"]["size"] for entry in opened] == [restored.entries]
    _one_root_a_size(settings, restored.kept_copy)


def _undecided() -> Any:
    from gateway.connectors.base import Undecided

    return Undecided(reason="people", again_after=None)


def _one_root_a_size(settings: Settings, kept: Path | None) -> None:
    """Hold that no origin signed two roots for one size, over both incarnations' copies."""
    assert kept is not None
    roots: dict[tuple[str, str], set[str]] = {}
    for path in (kept, settings.copies):
        for line in path.read_text(encoding="utf-8").splitlines():
            origin, size, root = json.loads(line)["note"].split("\n")[:3]
            roots.setdefault((origin, size), set()).add(root)
    assert all(len(found) == 1 for found in roots.values())
    assert len({origin for origin, _ in roots}) == 2
    report = audit.verify_store(settings.enforcer_data / "log.db", parse_vkey(settings.log_key), copies=[settings.copies, kept])
    assert report.ok


async def test_a_crash_while_the_incarnation_opens_opens_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut after its entry and before its mark is gone, the next start does not open a second one."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {}, codes=founded.codes) as house:
        folder = await house.lifecycle.undisturbed(lambda: backup.make(house.parts.settings))
        settings = house.parts.settings
    backup.restore(settings, folder)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", _no_unlink)
        with pytest.raises(_CutError):
            async with open_house(tmp_path, {}) as house:
                pass
    async with open_house(tmp_path, {}) as house:
        assert len(house.entries(EntryType.INCARNATION_OPENED)) == 1
    assert not (settings.enforcer_data / "restored.json").exists()


def _no_unlink(path: Path, missing_ok: bool = False) -> None:
    if path.name == "restored.json":
        raise _CutError
    if not missing_ok or path.exists():
        path.chmod(0o600)


async def test_a_backup_holds_no_key_and_no_secret_and_opens_with_the_key_file(hand: House, tmp_path: Path) -> None:
    """F5: neither the key file, nor any plain credential, nor sessions are in it; its log verifies by itself."""
    (hand.parts.settings.enforcer_data / "ephemeral.db").write_bytes(b"sessions")
    folder = await hand.lifecycle.undisturbed(lambda: backup.make(hand.parts.settings))
    key = hand.parts.settings.key_file
    assert key is not None
    names = {path.name for path in folder.rglob("*")}
    assert {"log.db", "sealed.db", "values.db"} <= names
    assert not {"ephemeral.db", key.name, "log.db.reserve", "lock"} & names
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert CANARY.encode() not in data
            assert key.read_bytes() not in data
            assert path.stat().st_mode & 0o077 == 0 or path.parent.name != "enforcer"
    assert logfiles.verify(hand.parts.settings, folder, progress=lambda _done, _total: None).ok


async def test_a_backup_made_while_it_runs_is_whole(hand: House) -> None:
    """Taken in the middle of many appends it is some prefix of the log, and opens."""
    async def busy() -> None:
        for number in range(60):
            await hand.runner.system(c.TakeCounters(counts={"invalid": number + 1}))

    work = asyncio.create_task(busy())
    await asyncio.sleep(0.05)
    folder = await hand.lifecycle.undisturbed(lambda: backup.make(hand.parts.settings))
    await work
    report = audit.verify_store(folder / "enforcer" / "log.db", parse_vkey(hand.parts.settings.log_key))
    assert report.ok
    assert 0 < report.size <= hand.state.size


async def test_what_cannot_be_restored_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    """No log, an altered log, another deployment's, or a running enforcer: refused, the data untouched."""
    founded = found_house(tmp_path)
    settings = founded.settings
    folder = backup.make(settings)
    size = (settings.enforcer_data / "log.db").stat().st_size
    with pytest.raises(backup.RestoreRefused):
        backup.restore(settings, tmp_path)
    altered = tmp_path / "altered"
    shutil.copytree(folder, altered)
    with closing(sqlite3.connect(altered / "enforcer" / "log.db")) as connection, connection:
        connection.execute("UPDATE entries SET body = body || ' ' WHERE seq = 3")
    with pytest.raises(backup.RestoreRefused, match="第 3 条"):
        backup.restore(settings, altered)
    other = found_house(tmp_path / "other")
    with pytest.raises(backup.RestoreRefused):
        backup.restore(settings, backup.make(other.settings))
    async with open_house(tmp_path, {}, unseal=False):
        with pytest.raises(backup.RestoreRefused, match="another enforcer"):
            backup.restore(settings, folder)
    assert (settings.enforcer_data / "log.db").stat().st_size >= size
    assert not verdict(load(tmp_path / "data" / "qianfa.toml"))


def test_a_backup_removes_what_a_killed_one_left_and_nothing_else(hand: House, tmp_path: Path) -> None:
    """A day later the half folder is gone; a younger one, one of another name, a whole backup and a link's target stay."""
    settings = hand.parts.settings
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    whole = backup.make(settings, now=now - timedelta(days=3))
    outside = tmp_path / "outside"
    names = {
        "old": "backup-20261122T080000.000000Z.part", "young": "backup-20261124T080000.000000Z.part", "other": "backup-of-mine.part",
        "no day": "backup-20269999T080000.000000Z.part",
    }
    folders = {key: settings.backups / name for key, name in names.items()}
    for folder in (*folders.values(), outside):
        folder.mkdir()
        (folder / "kept").write_text("")
    link = settings.backups / "backup-20261121T080000.000000Z.part"
    link.symlink_to(outside)
    made = backup.make(settings, now=now)
    assert not folders.pop("old").exists()
    assert all((folder / "kept").exists() for folder in (*folders.values(), outside, link))
    assert (whole / "enforcer" / "log.db").exists()
    assert (made / "enforcer" / "log.db").exists()
