"""install.md and backup-restore.md, done: the commands as the pages give them, the processes with the rights of the example unit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT

HOWTO = ROOT / "docs" / "howto"
PLACES = {"/etc/qianfa": "etc", "/var/lib/qianfa": "data", "/mnt/evidence/qianfa": "evidence", "/mnt/backup/qianfa": "backup"}
pytestmark = pytest.mark.acceptance


def told(page: str, command: str) -> list[str]:
    """Return the arguments of the first shell line of a how-to that runs `command`."""
    for language, block in pages.blocks(HOWTO / page):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if language == "sh" and words[:1] == ["sudo"] and " ".join(words[1:]).startswith(command):
                return words[2:]
    raise LookupError(command)


@dataclass
class House:
    """An installation in a folder of its own that other users may pass through."""

    folder: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def here(self, arguments: list[str]) -> list[str]:
        """Return arguments with the pages' folders replaced by this house's."""
        found = []
        for argument in arguments:
            place = next((place for place in PLACES if argument.startswith(place)), None)
            found.append(str(self.folder / PLACES[place]) + argument.removeprefix(place) if place else argument)
        return found

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `qianfa` and return what it said."""
        return subprocess.run([sys.executable, "-m", "gateway", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    def told(self, page: str, command: str, *replaced: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a how-to gives it; `replaced` takes the place of its last argument."""
        arguments = self.here(told(page, command))
        return self.run(*(arguments[:-1] if replaced else arguments), *replaced)

    def start(self) -> None:
        """Serve as the example unit does, as far as this machine's user may."""
        serve = [sys.executable, "-m", "gateway", "serve", "--config", str(self.folder / "etc" / "qianfa.toml")]
        if os.getuid() == 0:
            unit = (HOWTO / "examples" / "qianfa.service").read_text(encoding="utf-8")
            granted = re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)[0].split()
            bounds = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in granted)])
            serve = ["setpriv", f"--bounding-set={bounds}", "--no-new-privs", *serve]
        with (self.folder / "serve.log").open("ab") as log:
            self.running.append(subprocess.Popen(serve, cwd=ROOT, stdout=log, stderr=log))
        end = time.monotonic() + 90
        while "工作台" not in self.said():
            assert self.running[-1].poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.2)

    def stop(self) -> int:
        """End it the way systemd does and return its exit status."""
        serving = self.running.pop()
        serving.send_signal(signal.SIGTERM)
        status = serving.wait(90)
        (self.folder / "serve.log").unlink()
        return status

    def said(self) -> str:
        """Return what the processes wrote."""
        log = self.folder / "serve.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""


@pytest.fixture
def house() -> Iterator[House]:
    """A folder below /var/tmp, as pytest's own may not be passed through by other users."""
    folder = Path(tempfile.mkdtemp(prefix="qianfa-install-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = House(folder)
    yield made
    for serving in made.running:
        serving.kill()
        serving.wait()
    shutil.rmtree(folder)


def test_the_how_tos_install_back_up_and_restore(house: House) -> None:
    """Found, serve, look, back up, verify, seal, unseal, stop, restore and serve again, word for word as the pages say."""
    arguments = house.here(told("install.md", "qianfa init"))
    founded = house.run(*arguments, "--desk-port", "0", "--counter-port", "0", "--inside-port", "0")
    assert founded.returncode == 0, founded.stderr
    assert founded.stdout.count("/s/enrol") == 2
    config = ("--config", str(house.folder / "etc" / "qianfa.toml"))
    house.start()
    assert ("not isolated" in house.said()) == (os.getuid() != 0)
    status = house.run("status", *config)
    assert status.returncode == 0, status.stdout + status.stderr
    backup = house.told("backup-restore.md", "qianfa backup")
    assert backup.returncode == 0, backup.stderr
    folder = backup.stdout.strip()
    assert sorted(path.name for path in Path(folder).iterdir()) == ["desk", "enforcer"]
    assert (Path(folder) / "desk" / "desk.db").exists()
    assert not list(Path(folder).rglob("*.key"))
    assert house.run("vault", "seal", *config).returncode == 0
    assert house.run("status", *config).returncode == 1
    assert house.run("vault", "unseal", "--key-file", str(house.folder / "etc" / "keys" / "vault.key"), *config).returncode == 0
    running = house.told("backup-restore.md", "qianfa restore", folder)
    assert running.returncode != 0
    assert "stop the enforcer first" in running.stderr
    assert house.stop() == 0
    assert house.run("log", "verify", *config, folder).returncode == 0
    restored = house.told("backup-restore.md", "qianfa restore", folder)
    assert restored.returncode == 0, restored.stderr
    assert "before-restore" in restored.stdout
    house.start()
    doctor = house.told("install.md", "qianfa doctor")
    wrong = {line[2:].split(" / ")[0] for line in doctor.stdout.splitlines() if line.startswith("✗")}
    assert wrong <= {"copy on another disk", "two users", "1 GB free"}, doctor.stdout
    pack = house.folder / "pack.zip"
    exported = house.run("log", "export", *config, "--to", str(pack), "unit_none")
    assert exported.returncode != 0
    assert not pack.exists()
    assert house.run("log", "verify", *config).returncode == 0
    assert house.stop() == 0
