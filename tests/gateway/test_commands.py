"""The command line: founding, doctor, backup, restore, log commands, and the vault over the admin socket of a running enforcer."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import cli, commands, doctor
from gateway.config import Settings, load
from gateway.enforcer.admin import init_admin
from gateway.enforcer.founding import signer_of
from gateway.listening import serve_unix
from gateway.log import verify
from gateway.log.checkpoint import LogKey, Signer, rotation_data
from gateway.place import FILE, Placed
from gateway.protocol.commands import Change, Grade, Request, RotateLogKey
from gateway.protocol.entries import SYSTEM, EntryType
from tests.gateway.enforcer.house import House, found_house, open_house

ARGUMENTS = [
    "init", "--kind", "sandbox", "--company", "禾汀集团有限公司", "--founder", "何立群", "--founder", "许文澜", "--desk-url",
    "http://desk.localhost:8441", "--counter-url", "http://counter.localhost:8442",
]


def run(*arguments: str, given: str | None = None) -> Result:
    """Run `qianfa` with these arguments."""
    return CliRunner().invoke(cli.main, list(arguments), input=given)


@pytest.fixture(autouse=True)
def _no_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no system users here; the acceptance tests do, where they run as root."""
    monkeypatch.setattr(commands, "prepare_users", lambda _settings: None)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[House]:
    """Run an enforcer's admin socket."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {}, codes=founded.codes) as house, AsyncExitStack() as stack:
        app = init_admin(house.parts, house.lifecycle, peer_uids=frozenset({os.getuid()}))
        await serve_unix(stack, app, house.parts.settings.admin_socket, mode=0o600)
        yield house


def placed(settings: Settings) -> Placed:
    """Return the settings of a house with the file that they stand in."""
    return Placed(settings=settings, path=settings.data / FILE)


async def said(house: House, *arguments: str, given: str | None = None) -> Result:
    """Run `qianfa` on a running enforcer."""
    config = str(house.parts.settings.data / "qianfa.toml")
    group, rest = arguments[0], arguments[1:]
    words = [group, *rest, "--config", config]
    return await asyncio.to_thread(run, *words, given=given)


def test_init_prints_the_cards_once_and_closes_the_files(tmp_path: Path) -> None:
    """Recovery key, fingerprint and two codes are printed and stored nowhere in plain; the key file is 0400, folders 0700; not twice."""
    done = run(*ARGUMENTS, "--data", str(tmp_path / "q"))
    assert done.exit_code == 0, done.output
    settings = load(tmp_path / "q" / "qianfa.toml")
    groups = [line.split() for line in done.output.splitlines() if line.startswith("    ")]
    recovery = [word for line in groups[:2] for word in line]
    assert len(recovery) == 14
    codes = [line[1] for line in groups if line[0].endswith(":")]
    assert len(codes) == 2
    for path in (tmp_path / "q").rglob("*"):
        if path.is_file() and path.stat().st_size < 1 << 24:
            data = path.read_bytes()
            assert not any(word.encode() in data for word in ("-".join(recovery), *codes))
    assert settings.key_file is not None
    assert stat.S_IMODE(settings.key_file.stat().st_mode) == 0o400
    for folder in (settings.enforcer_data, settings.desk_data, settings.backups, settings.copies.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = run(*ARGUMENTS, "--data", str(tmp_path / "q"))
    assert again.exit_code == 1
    assert "already" in again.output


@pytest.mark.parametrize(("given", "inside"), [
    (["--counter-url", "https://counter.localhost:8442"], "https://counter.localhost:8443"),
    (["--counter-url", "https://sign.example.com"], "https://sign.example.com"),
    (["--counter-url", "https://sign.example.com", "--inside-url", "https://sign.example.com:8443/"], "https://sign.example.com:8443"),
])
def test_founders_are_sent_where_enrolment_is_served(tmp_path: Path, given: list[str], inside: str) -> None:
    """On this machine the inside listener in the counter's own scheme, behind a proxy the counter's address, else what was said."""
    done = run(*ARGUMENTS, *given, "--data", str(tmp_path / "q"))
    assert done.exit_code == 0, done.output
    assert done.output.count(f"→ {inside}/s/enrol\n") == 2
    assert load(tmp_path / "q" / "qianfa.toml").inside_url == inside


@pytest.mark.parametrize("change", [
    ["--founder", "第三人"], ["--counter-url", "http://desk.localhost:1"], ["--desk-url", "http://plain.example"], ["--base", "nonsense"],
    ["--inside-url", "http://other.localhost:8443"],
])
def test_init_refuses_what_does_not_hold(tmp_path: Path, change: list[str]) -> None:
    """Three founders, one host for both faces, plain http, a base without an address: said, and nothing is left that looks founded."""
    done = run(*ARGUMENTS, *change, "--data", str(tmp_path / "q"))
    assert done.exit_code == 1
    assert not (tmp_path / "q" / "qianfa.toml").exists()


async def test_the_vault_is_worked_over_the_admin_socket(running: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, seal, unseal by key file, rotate, slots, backup: each by its command; the recovery key is shown once."""
    assert json.loads((await said(running, "vault", "status")).output)["sealed"] is False
    assert (await said(running, "status")).exit_code == 0
    assert (await said(running, "vault", "seal")).exit_code == 0
    sealed = await said(running, "status")
    assert (sealed.exit_code, "已锁" in sealed.output) == (1, True)
    monkeypatch.setattr(cli.getpass, "getpass", lambda _prompt: "wrong wrong wrong")
    wrong = await said(running, "vault", "unseal")
    assert (wrong.exit_code, "WrongKey" in wrong.output) == (1, True)
    missing = await said(running, "vault", "unseal", "--key-file", str(tmp_path / "none"))
    assert missing.exit_code == 1
    opened = await said(running, "vault", "unseal", "--key-file", str(running.parts.settings.key_file))
    assert opened.exit_code == 0, opened.output
    assert json.loads((await said(running, "vault", "rotate")).output)["moved"] >= 5
    added = json.loads((await said(running, "vault", "slot", "add", "recovery")).output)
    assert len(added["recovery_key"].replace("-", "").replace(" ", "")) == 56
    name = added["slot"].removeprefix("vault/slot/")
    removed = await said(running, "vault", "slot", "remove", name)
    assert removed.exit_code == 0
    assert "根密钥没有换" in removed.output
    assert "The root key was not replaced" in removed.output
    assert (await said(running, "vault", "slot", "remove", name)).exit_code == 1
    kept = await said(running, "backup")
    assert Path(kept.output.strip()).is_dir()
    refused = await said(running, "restore", kept.output.strip())
    assert "stop the enforcer first" in refused.output
    assert [e.data["action"] for e in running.entries(EntryType.VAULT_CHANGED)].count("rotated") >= 2


def test_status_says_why_it_is_degraded() -> None:
    """A full disk and a clock that is behind each have a line of their own, in both languages; neither where all is well."""
    well = {"state": "ok", "since": "", "by": "", "queue": {}, "earliest": None, "in_review": 0, "freezes": 0, "log": {"size": 9}, "isolated": True,
            "disk_low": False, "disk": "", "clock_behind": False}
    assert len(list(commands.status_lines(well))) == 3
    said = "\n".join(commands.status_lines(well | {"state": "degraded", "disk_low": True, "disk": "log", "clock_behind": True}))
    for words in ("磁盘将满", "the disk is nearly full", "时钟早于存证", "the clock is behind the log"):
        assert words in said
    for disk, words in (("copy", "外部副本所在的盘将满"), ("silent", "does not answer")):
        assert words in "\n".join(commands.status_lines(well | {"disk_low": True, "disk": disk}))


async def test_the_admin_socket_answers_its_own_user_only(running: House) -> None:
    """Another user id is refused before anything is looked at, whatever it asks."""
    async with AsyncExitStack() as stack:
        path = running.parts.settings.run / "other" / "admin.sock"
        await serve_unix(stack, init_admin(running.parts, running.lifecycle, peer_uids=frozenset({54_321})), path, mode=0o600)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        settings = running.parts.settings.model_copy(update={"run": running.parts.settings.run})
        path.rename(settings.admin_socket)
        with pytest.raises(commands.CommandFailed, match="peer"):
            await asyncio.to_thread(commands.admin, settings, "GET", "/v1/status")


def test_without_an_enforcer_backup_and_restore_work_on_the_files(tmp_path: Path) -> None:
    """A socket that a crash left behind does not stop either of them."""
    settings = found_house(tmp_path).settings
    settings.admin_socket.parent.mkdir(parents=True)
    folder = commands.make_backup(settings)
    done = run("restore", folder, "--config", str(settings.data / "qianfa.toml"))
    assert done.exit_code == 0, done.output
    assert "restored 8 entries" in done.output
    nothing = run("restore", str(tmp_path), "--config", str(settings.data / "qianfa.toml"))
    assert nothing.exit_code == 1
    with pytest.raises(commands.NotRunning):
        commands.admin(settings, "GET", "/v1/status")


def test_log_verify_prove_and_export(tmp_path: Path) -> None:
    """A whole log is said to be whole with its fingerprint; a proof and a pack come from the files alone."""
    founded = found_house(tmp_path)
    config = ["--config", str(founded.settings.data / "qianfa.toml")]
    verified = run("log", "verify", *config)
    assert verified.exit_code == 0
    assert founded.fingerprint in verified.output
    proof = run("log", "prove", "3", *config)
    assert proof.output.startswith("c2sp.org/tlog-proof@v1\nindex 3\n")
    assert run("log", "prove", "99", *config).exit_code == 1
    person = next(iter(_people(founded.settings)))
    exported = run("log", "export", person, "--to", str(tmp_path / "pack.zip"), *config)
    assert exported.exit_code == 0, exported.output
    assert "verify.py" in zipfile.ZipFile(tmp_path / "pack.zip").namelist()
    assert run("log", "export", "pub_nothing000", "--to", str(tmp_path / "none.zip"), *config).exit_code == 1
    assert not list(tmp_path.glob("none*"))


async def test_every_entry_between_two_checkpoints_is_exported_and_verified_by_the_one_file(tmp_path: Path) -> None:
    """A range begins and ends at signed checkpoints and holds every entry between; one dropped is found; a key rotated before or after fits in."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {}, codes=founded.codes) as house:
        await house.staff()
        early = house.state.size
        old = signer_of(house.parts.vault, founded.settings.deployment)
        private = Ed25519PrivateKey.from_private_bytes(b"n" * 32)
        new = Signer(LogKey(old.key.name, private.public_key().public_bytes_raw()), private.sign)
        rotation = rotation_data(new=new.key, old=old)
        await house.runner.submit(
            Request(command=RotateLogKey(new_key=rotation["key"], signature=rotation["signature"]), actor=SYSTEM, grade=Grade.SYSTEM), rotate_to=new)
        size = house.state.size
        await house.change(Change(type=EntryType.UNIT_ADDED, object="unit_two", data={"name": "二", "parent": house.state.group, "kind": "subsidiary"}))
    config = ["--config", str(founded.settings.data / "qianfa.toml")]
    target = tmp_path / "range.zip"
    for first, last in ((0, 3), (0, early - 1), (5, early - 1), (10, None), (size, None), (0, None)):
        wanted = ["--from", str(first), *(["--until", str(last)] if last is not None else [])]
        done = await asyncio.to_thread(run, "log", "export", *wanted, "--to", str(target), *config)
        assert done.exit_code == 0, done.output
        verdict = verify_file(target, founded.fingerprint)
        assert verdict.returncode == 0, verdict.stdout
        words = next(line for line in verdict.stdout.splitlines() if "range whole" in line)
        begins, ends = map(int, words.rpartition(": ")[2].split(" – "))
        assert begins <= first
        assert ends >= (first if last is None else last)
        assert f"{begins} – {ends}" in done.output
    with zipfile.ZipFile(target) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    assert not any(name.startswith(("blobs/", "values")) for name in files), "a range shows that nothing is left out, not what people wrote"
    lines = files["log.jsonl"].splitlines(keepends=True)
    files["log.jsonl"] = b"".join(lines[:12] + lines[13:])
    with zipfile.ZipFile(target, "w") as pack:
        for name, data in files.items():
            pack.writestr(name, data)
    assert verify_file(target, founded.fingerprint).returncode == 1


def verify_file(pack: Path, fingerprint: str) -> subprocess.CompletedProcess[str]:
    """Run the stand-alone verifier on a pack as a stranger does."""
    command = [sys.executable, "-I", str(Path(verify.__file__)), str(pack), "--fingerprint", fingerprint]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("arguments", "status", "said"), [
    ([], 2, "--from"), (["per_x", "--from", "0"], 2, "--from"), (["--until", "3"], 2, "--from"), (["per_x", "--until", "3"], 2, "--from"),
    (["--from", "-1"], 2, "range"), (["--from", "99"], 1, "no entries 99"), (["--from", "5", "--until", "3"], 1, "no entries 5 to 3"),
    (["--from", "0", "--until", "99"], 1, "no entries 0 to 99"), (["--from", "0", "--to", "{folder}/none/x.zip"], 1, "cannot write"),
])
def test_a_range_that_is_not_there_is_said(tmp_path: Path, arguments: list[str], status: int, said: str) -> None:
    """Neither an id nor a range, both, a range beyond the log or backwards, a folder that is not there: a word about it, and no file."""
    founded = found_house(tmp_path)
    given = [argument.format(folder=tmp_path) for argument in arguments]
    done = run("log", "export", *given, *([] if "--to" in given else ["--to", str(tmp_path / "x.zip")]), "--config", str(founded.settings.data / "qianfa.toml"))
    assert (done.exit_code, said in done.output) == (status, True), done.output
    assert not list(tmp_path.glob("x.zip*"))


def _people(settings: Settings) -> list[str]:
    from gateway.enforcer.startup import start

    started = start(settings.enforcer_data / "log.db", settings.copies, settings.log_key)
    started.parts.store.close()
    started.parts.copies.close()
    return list(started.state.people)


async def test_doctor_has_a_line_a_check_each_with_its_repair(running: House) -> None:
    """Running and whole, most lines hold; every line that does not names a repair."""
    checks = {check.name: check for check in await asyncio.to_thread(lambda: list(doctor.examine(placed(running.parts.settings))))}
    for name in ("log exists / 存证库在", "64 MB reserve / 预留空间", "write-ahead log / WAL", "vault is open / 密钥库已开", "two host names / 两个域名",
                 "key file is 0400, no link / 密钥文件权限", "no row the log does not know / 无未登记密文"):
        assert checks[name].ok, name
    assert all(check.repair or check.command for check in checks.values() if not check.ok)
    running.parts.settings.copies.rename(running.parts.settings.copies.with_name("moved"))
    done = await said(running, "doctor")
    running.parts.settings.copies.with_name("moved").rename(running.parts.settings.copies)
    assert done.exit_code == 1
    assert "✗ checkpoint copy exists" in done.output


def test_doctor_without_an_enforcer_says_how_to_start_it(tmp_path: Path) -> None:
    """Nothing runs: one line says so and how to start."""
    checks = {check.name: check for check in doctor.examine(placed(found_house(tmp_path).settings))}
    assert "serve --config" in checks["enforcer answers / 签发服务在运行"].command


def test_a_missing_settings_file_is_said(tmp_path: Path) -> None:
    """The path that was looked for stands in the message."""
    done = run("status", "--config", str(tmp_path / "none.toml"))
    assert done.exit_code == 1
    assert "none.toml" in done.output
    assert "qianfa init" in done.output
