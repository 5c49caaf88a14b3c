"""The canary: known credentials are in use, and stand in no file, log line, page, metric, entry or environment of ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.play import Story
from tests.acceptance.conftest import Stage

pytestmark = pytest.mark.xdist_group("stage")


def needles(stage: Stage) -> list[bytes]:
    """Return every form in which a leaked credential could stand somewhere."""
    assert len(stage.set.secrets) == 5, "one credential a sample channel, or there is nothing to look for"
    assert all(len(secret) >= 8 for secret in stage.set.secrets)
    found: list[bytes] = []
    for secret in (*stage.set.secrets, *(base64.b32encode(s).decode() for s in stage.set.staffed.secrets.values())):
        raw = secret.encode()
        found += [raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode()]
    return found + [bytes(s) for s in stage.set.staffed.secrets.values()]


def places(stage: Stage) -> Iterator[Path]:
    """Yield every file that our processes write, but not the sandbox platforms' and the site's own."""
    root = stage.set.config.parent
    for folder in ("data", "run", "copies", "backups", "serve.log", "qianfa.toml"):
        path = root / folder
        yield from (p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())


def children(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) in found:
            found.append(int(folder.name))
    return found


def test_no_credential_stands_in_any_file(stage: Stage, story: Story) -> None:
    """Databases, blobs, logs, sockets' folders and settings hold no credential and no seed in any spelling."""
    wanted = needles(stage)
    checked = 0
    for path in places(stage):
        data = path.read_bytes()
        checked += 1
        for needle in wanted:
            assert needle not in data, f"{path.name} holds a credential"
    assert checked > 20


def test_no_credential_stands_in_any_environment_or_command_line(stage: Stage, story: Story) -> None:
    """Neither process, nor the worker, carries a credential in environment or arguments; the desk not even the key file's name."""
    wanted = needles(stage)
    pids = children(stage.set.serving.pid)
    assert len(pids) >= 3
    for pid in pids:
        for name in ("environ", "cmdline"):
            data = Path(f"/proc/{pid}/{name}").read_bytes()
            assert not any(needle in data for needle in wanted)


def test_the_desk_runs_as_another_user_and_cannot_read_the_enforcer(stage: Stage) -> None:
    """Two operating-system users: the enforcer's folder is closed to the desk's."""
    uids = {pid: Path(f"/proc/{pid}").stat().st_uid for pid in children(stage.set.serving.pid)}
    assert len(set(uids.values()) - {0}) == 2
    data = stage.set.settings.enforcer_data
    assert data.stat().st_mode & 0o077 == 0
    assert stage.set.settings.desk_data.stat().st_uid != data.stat().st_uid


def test_the_enforcer_cannot_be_dumped(stage: Stage) -> None:
    """The process that holds keys leaves no core and is not dumpable."""
    enforcer_uid = stage.set.settings.enforcer_data.stat().st_uid
    mine = []
    for pid in children(stage.set.serving.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        if f"Uid:\t{enforcer_uid}\t" in status:
            limits = Path(f"/proc/{pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
            mine.append(core.split()[4:6] == ["0", "0"])
    assert any(mine)
