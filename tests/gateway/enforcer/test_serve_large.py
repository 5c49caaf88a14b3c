"""`qianfa serve` with a log that is worth a second process, as root under two users: ready, progress shown, and what was changed is named."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web

from gateway import commands, launcher
from gateway.config import PROGRESS, Listen, Settings, load
from gateway.demo.backdrop import free_ports
from gateway.enforcer import reading
from gateway.enforcer.app import EXIT_REFUSED
from gateway.enforcer.progress import SAID_FROM
from tests.bench import entries
from tests.bench.connector import PLATFORM, BenchConnector
from tests.bench.entries import one_life, write
from tests.bench.platform import platform
from tests.gateway.enforcer.house import found_house, open_house
from tests.gateway.enforcer.process import ROOT

PER_COMMIT = 1000


async def large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Found a deployment whose log is just worth a second process: one publication's life, again and again, all of it now."""
    monkeypatch.setattr(entries, "STEP_SECONDS", 0.0)  # a clock behind the log would be another matter
    runner = web.AppRunner(platform(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ports = {name: Listen(port=port) for name, port in zip(("desk", "counter", "counter_inside"), free_ports(3), strict=True)}
    founded = found_house(folder, bases={PLATFORM: f"http://127.0.0.1:{runner.addresses[0][1]}"}, **ports)
    log, size = founded.settings.enforcer_data / "log.db", SAID_FROM + PER_COMMIT
    async with open_house(folder, {PLATFORM: BenchConnector()}, codes=founded.codes) as house:
        await house.staff()
        life = await one_life(house)
        await house.runner.close()
        while log.stat().st_size < reading.WORTH:  # without what is still beside it
            write(house, life, size, PER_COMMIT)
            size += 2 * PER_COMMIT
    await runner.cleanup()
    assert reading.worth_it(log)
    return load(folder / "data" / "qianfa.toml")


class Serving:
    """`qianfa serve` on it."""

    def __init__(self, settings: Settings, said: Path) -> None:
        self.settings, self._said = settings, said
        with said.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", "--config", str(settings.data / "qianfa.toml")], stdout=out, stderr=out, cwd=ROOT)

    def said(self) -> str:
        """Return what it said so far."""
        return self._said.read_text()

    def second(self) -> int:
        """Return the process that reads the log for the enforcer, found by the log that it has open; 0 where there is none."""
        for enforcer in children(self.process.pid):
            for child in children(enforcer):
                if str(self.settings.enforcer_data / "log.db") in opened(child):
                    return child
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(90)


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return []


def opened(pid: int) -> list[str]:
    """Return what a process has open."""
    found: list[str] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(str(handle.readlink()))
    return found


def at_its_side(serving: Serving) -> int:
    """Wait for the second process and hold it up, again and again, until the launcher has shown how far it is; return its id."""
    end = time.monotonic() + 120
    while not (second := serving.second()):
        assert serving.process.poll() is None, serving.said()
        assert time.monotonic() < end, serving.said()
        time.sleep(0.001)
    while "verifying the log: " not in serving.said():
        assert time.monotonic() < end, serving.said()
        os.kill(second, signal.SIGSTOP)
        time.sleep(0.05)
        os.kill(second, signal.SIGCONT)
        time.sleep(0.005)
    return second


def test_a_large_log_is_served_from_two_processes_and_every_changed_byte_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users, progress on the launcher's screen, the second process gone before anything is served; then a byte in the database, one in the copy."""
    settings, said = asyncio.run(large(folder, monkeypatch)), folder / "said"
    log = settings.enforcer_data / "log.db"
    with Serving(settings, said) as serving:
        second = at_its_side(serving)
        assert Path(f"/proc/{second}").stat().st_uid == launcher.identity(settings.enforcer_user).uid
        while not (ready := settings.run / "ready" / "desk" / "pid").exists() or not ready.read_text():
            assert serving.process.poll() is None, serving.said()
            time.sleep(0.01)
        status = commands.admin(settings, "GET", "/v1/status")
        assert (status["state"], status["isolated"]) == ("ok", True)
        assert status["log"]["size"] > SAID_FROM
        assert not Path(f"/proc/{second}").exists()
        assert not serving.second()
        assert not (settings.run / "ready" / "enforcer" / PROGRESS).exists()
        made = Path(commands.make_backup(settings))
        assert {path.stat().st_uid for path in (made, *made.rglob("*"))} == {launcher.identity(settings.enforcer_user).uid}
        assert (made / "desk" / "desk.db").stat().st_size
    assert serving.process.returncode == 0, serving.said()
    seq = SAID_FROM - 7
    with closing(sqlite3.connect(log)) as connection, connection:
        whole = connection.execute("SELECT body FROM entries WHERE seq = ?", (seq,)).fetchone()[0]
        connection.execute("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '\"v\":1', '\"v\":7') AS BLOB) WHERE seq = ?", (seq,))
    refused(settings, said, f"entry {seq} is not what was signed", f"第 {seq} 条")
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("UPDATE entries SET body = ? WHERE seq = ?", (whole, seq))
    lines = settings.copies.read_bytes().splitlines(keepends=True)
    root = lines[-30].rindex(b"\\n\\n") - 20
    lines[-30] = lines[-30][:root] + (b"A" if lines[-30][root : root + 1] != b"A" else b"B") + lines[-30][root + 1 :]
    settings.copies.write_bytes(b"".join(lines))
    refused(settings, said, "is not what was signed", "存证被改动")


def refused(settings: Settings, said: Path, *words: str) -> None:
    """Serve it and see it stay down with these words, and nothing left running."""
    with Serving(settings, said) as serving:
        assert serving.process.wait(90) == EXIT_REFUSED
    for word in (*words, f"ended with status {EXIT_REFUSED}"):
        assert word in serving.said()
    assert not (settings.run / "ready" / "enforcer" / "pid").exists()
