"""`qianfa doctor`: every command that it prints is run as printed, and then the check holds."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway import commands, doctor
from gateway.config import Listen, Settings
from gateway.doctor import Check
from gateway.place import FILE, Placed
from tests.gateway.enforcer.house import found_house

ELSEWHERE = Path("/")
"""Where printed commands are run: nothing may hang on the working folder."""


def placed(settings: Settings) -> Placed:
    """Return the settings with the file that they stand in."""
    return Placed(settings=settings, path=settings.data / FILE)


def check(settings: Settings, name: str) -> Check:
    """Return the one check whose name begins like this."""
    (found,) = [one for one in doctor.examine(placed(settings)) if one.name.startswith(name)]
    return found


def mended(settings: Settings, name: str) -> None:
    """The check fails; run the command that is printed under it, in a shell, from elsewhere; then it holds."""
    before = check(settings, name)
    assert not before.ok
    (line,) = [line for line in before.lines() if line.startswith("    $ ")]
    done = subprocess.run(["bash", "-c", line.removeprefix("    $ ")], cwd=ELSEWHERE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert check(settings, name).ok


@pytest.fixture
def settings(folder: Path) -> Settings:
    """Found a deployment."""
    return found_house(folder).settings


@pytest.fixture
def served(settings: Settings) -> Iterator[Settings]:
    """Run the command that is printed where nothing runs, until it answers."""
    stopped = check(settings, "enforcer answers")
    assert not stopped.ok
    with subprocess.Popen(["bash", "-c", f"exec {stopped.command}"], cwd=ELSEWHERE, stderr=subprocess.PIPE, text=True) as serving:
        end = time.monotonic() + 90
        while not check(settings, "enforcer answers").ok:
            assert serving.poll() is None, serving.communicate()[1]
            assert time.monotonic() < end
            time.sleep(0.2)
        yield settings
        serving.send_signal(signal.SIGTERM)
        _, said = serving.communicate(timeout=90)
    assert serving.returncode == 0, said
    assert said.startswith(f"设置 settings: {settings.data / FILE}\n")


def test_what_is_wrong_while_it_runs_is_mended_as_printed(served: Settings) -> None:
    """No backup yet, a sealed vault, a key file that others may read, and one that is gone: each by its own line."""
    assert check(served, "two users").ok == (os.getuid() == 0)
    mended(served, "backup within 7 days")
    commands.admin(served, "POST", "/v1/vault/seal", {})
    mended(served, "vault is open")
    assert served.key_file is not None
    served.key_file.chmod(0o444)
    mended(served, "key file is 0400")
    owner = served.key_file.stat().st_uid
    served.key_file.unlink()
    mended(served, "key file is 0400")
    assert served.key_file.stat().st_uid == owner


def test_what_is_lost_is_restored_as_printed(settings: Settings) -> None:
    """The copy outside gone for good: a backup made and restored by one line; the log gone: the newest backup restored."""
    settings.copies.unlink()
    mended(settings, "checkpoint copy exists")
    shutil.rmtree(settings.enforcer_data)
    settings.enforcer_data.mkdir(mode=0o700)
    mended(settings, "log exists")


def test_a_folder_that_the_users_cannot_pass_is_opened_as_printed(settings: Settings, folder: Path) -> None:
    """Closed to others above the data: the folder is named, and the line opens it to passing only."""
    folder.chmod(0o700)
    before = check(settings, "two users")
    assert (before.ok, str(folder) in before.found) == (False, True)
    subprocess.run(["bash", "-c", before.command], check=True, timeout=60)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o701
    assert check(settings, "two users").ok == (os.getuid() == 0)


def test_a_new_machine_is_examined_too(settings: Settings, folder: Path) -> None:
    """Settings and nothing else yet, as before a restore: every line is there, none of them breaks off."""
    told = settings.model_copy(update={
        "data": folder / "new", "run": folder / "new" / "run", "copies": folder / "new" / "checkpoints", "backups": folder / "none"})
    found = [one.name.split(" / ")[0] for one in doctor.examine(Placed(settings=told, path=settings.data / FILE)) if not one.ok]
    assert {"log exists", "checkpoint copy exists", "write-ahead log", "backup within 7 days", "enforcer answers"} <= set(found)


def test_every_line_that_fails_says_what_to_do(settings: Settings, folder: Path) -> None:
    """Nothing runs, a link for a key, the key among the backups, no log and no backup: words or a command under each, `✗` above them."""
    settings.backups.mkdir(exist_ok=True)
    (settings.backups / "key").symlink_to(settings.key_file or folder)
    shutil.rmtree(settings.enforcer_data)
    told = settings.model_copy(update={"key_file": settings.backups / "key", "kind": "live", "bases": {}})
    failed = [one for one in doctor.examine(placed(told)) if not one.ok]
    assert {"log exists", "key file is 0400, no link", "key file is not in the backups", "copy on another disk", "enforcer answers"} <= {
        one.name.split(" / ")[0] for one in failed}
    for one in failed:
        head, *rest = one.lines()
        assert head.startswith("✗ ")
        assert rest
        assert all(line.startswith(("    → ", "    $ ")) for line in rest)


def certificate(folder: Path, days: int) -> Listen:
    """Return a listener with a certificate of its own that ends in so many days."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk.localhost")]), datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1).not_valid_before(
        now - timedelta(days=400)).not_valid_after(now + timedelta(days=days, hours=1)).sign(key, hashes.SHA256())
    listen = Listen(port=0, certificate=folder / "cert.pem", key=folder / "key.pem")
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return listen


@pytest.mark.parametrize(("days", "holds"), [(90, True), (doctor.RENEW.days - 1, False), (-1, False)])
def test_a_certificate_is_said_before_it_ends(settings: Settings, folder: Path, days: int, holds: bool) -> None:
    """Good for months: fine; in its last days, over, or no certificate at all: said, with the file's name."""
    told = settings.model_copy(update={"desk": certificate(folder, days)})
    assert check(told, "certificate of desk").ok == holds
    (folder / "cert.pem").write_text("no certificate")
    broken = check(told, "certificate of desk")
    assert not broken.ok
    assert str(folder / "cert.pem") in broken.repair


def test_who_may_not_look_is_told_to_ask_as_root(settings: Settings) -> None:
    """An ordinary user gets one line with the command for root instead of wrong answers."""
    assert os.getuid() == 0, "another user takes root"
    settings.enforcer_data.chmod(0o700)
    asked = subprocess.run(
        ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", sys.executable, "-m", "gateway", "doctor", "--data", str(settings.data)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False)
    assert asked.returncode == 1, asked.stderr
    lines = asked.stdout.splitlines()
    assert "✗ may look" in asked.stdout
    assert lines[-1].startswith("    $ sudo ")
    assert lines[-1].endswith(f"doctor --config {settings.data / FILE}")


def test_who_may_not_found_a_deployment_there_is_told_where(folder: Path) -> None:
    """An ordinary user without `--data` gets the folder, its own name, and what to type."""
    assert os.getuid() == 0, "another user takes root"
    folder.chmod(0o755)
    asked = subprocess.run(
        ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", sys.executable, "-m", "gateway", "init", "--data", str(folder / "data"), "--kind", "sandbox",
         "--company", "禾汀", "--founder", "何立群", "--founder", "许文澜", "--desk-url", "http://desk.localhost:1", "--counter-url", "http://counter.localhost:2"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False)
    assert asked.returncode == 1
    assert f"you (54321) may not write {folder / 'data'}" in asked.stderr
    assert "--data ~/qianfa" in asked.stderr
    assert "Traceback" not in asked.stderr
