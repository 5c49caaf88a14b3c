"""A real enforcer process over a staffed deployment that sends to a sandbox: for tests of what happens to the whole process.

`staged` founds and staffs it in this process (people, a channel, sessions), leaves it, and hands over the folder; `Served` runs
`qianfa serve` on it, as root under its own user.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from gateway import commands, launcher
from gateway.config import Listen, Settings
from gateway.connectors.wechat import WeChatConnector
from gateway.demo.backdrop import free_ports
from gateway.enforcer.sessions import Kind, Sessions, form_token
from gateway.log.store import StoreReader
from gateway.protocol.entries import Entry, EntryType, load
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.house import House, found_house, open_house

SUBMIT = "freepublish/submit"
ROOT = Path(__file__).parents[3]


@dataclass
class Staged:
    """A deployment that waits for its process: settings, session tokens by person and kind, and what the test keeps about it."""

    settings: Settings
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


async def staged(folder: Path, wechat: WeChat, prepare: Callable[[House], Any], **over: Any) -> Staged:
    """Found, staff, let `prepare` act (its dict is kept), open sessions, seal, and return it."""
    account = wechat.account()
    ports = {name: Listen(port=free_ports(1)[0]) for name in ("counter", "metrics")}
    founded = found_house(folder, bases={"wechat": wechat.base_url}, **{**ports, **over})
    made = Staged(founded.settings)
    async with open_house(folder, {"wechat": WeChatConnector()}, codes=founded.codes) as house:
        await house.staff()
        await house.lifecycle._stop_timers()
        await house.add_channel("news", "wechat", account.appid, {"appid": account.appid, "secret": account.secret})
        made.kept = await prepare(house)
        sessions = Sessions(founded.settings.enforcer_data / "ephemeral.db", house.runner)
        kinds: tuple[tuple[str, Kind], ...] = (("lu", "desk"), ("fang", "counter"))
        for person, kind in kinds:
            made.tokens[person, kind] = sessions.open(house.people[person], kind, factor=f"pw-{house.people[person]}")[0]
        sessions.close()
    return made


class Served:
    """`qianfa serve` (the enforcer alone, or both processes) on a staged deployment."""

    def __init__(self, there: Staged, face: str = "enforcer") -> None:
        self.there, self.settings = there, there.settings
        self._pid_file = self.settings.run / "ready" / "enforcer" / "pid"
        self._pid_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", face, "--config", str(self.settings.data / "qianfa.toml")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.end()

    async def until(self, found: Callable[[], Any], seconds: float = 90.0) -> Any:
        """Wait until `found` gives something true, asked in a thread, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = await asyncio.to_thread(found)
            if value:
                return value
            if self.process.poll() is not None:
                raise AssertionError(f"it left with {self.process.returncode}: {self.process.communicate()[1]}")
            await asyncio.sleep(0.1)
        raise AssertionError("it did not come to that")

    async def up(self, *, other_than: int = 0) -> int:
        """Wait until the enforcer answers, in a process other than `other_than`, and return its pid."""
        return int(await self.until(lambda: self.pid() if self.pid() not in {0, other_than} and self.status() else 0))

    async def end(self) -> str:
        """Stop it and return what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(self.process.communicate, timeout=90)
        return said

    def pid(self) -> int:
        """Return the enforcer's process id, 0 while it is not ready."""
        try:
            return int(self._pid_file.read_text() or 0)
        except FileNotFoundError:
            return 0

    def status(self) -> dict[str, Any]:
        """Return what it says of itself, nothing while it does not answer."""
        try:
            return commands.admin(self.settings, "GET", "/v1/status")
        except commands.CommandFailed:
            return {}

    async def told(self) -> dict[str, Any]:
        """Return `status`, asked in a thread."""
        return await asyncio.to_thread(self.status)

    def desk(self, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
        """Ask the command socket as the desk's own user does, with 陆晓棠's session."""
        to = launcher.identity(self.settings.desk_user) if os.getuid() == 0 else None
        client = socket.socket(socket.AF_UNIX)
        try:
            if to is not None:
                os.setegid(to.group)
                os.seteuid(to.uid)
            client.connect(str(self.settings.command_socket))
        finally:
            if to is not None:
                os.seteuid(0)
                os.setegid(0)
        connection = http.client.HTTPConnection("command", timeout=30)
        connection.sock = client
        return _asked(connection, method, path, body, {"X-Qianfa-Session": self.there.tokens["lu", "desk"]})

    def counter(self, method: str, path: str, fields: str = "") -> tuple[int, str]:
        """Ask the counter as 方小满's browser does."""
        port, token = self.settings.counter.port, self.there.tokens["fang", "counter"]
        headers = {"Host": f"counter.localhost:{port}", "Cookie": f"qf_counter={token}"}
        if method == "POST":
            headers |= {"Origin": f"http://counter.localhost:{port}", "Content-Type": "application/x-www-form-urlencoded"}
            fields += f"&form={form_token(token)}"
        return _asked(http.client.HTTPConnection("127.0.0.1", port, timeout=30), method, path, fields.encode(), headers)

    def metrics(self, path: str = "/metrics") -> tuple[int, str]:
        """Ask the metrics listener."""
        assert self.settings.metrics is not None
        return _asked(http.client.HTTPConnection("127.0.0.1", self.settings.metrics.port, timeout=30), "GET", path, b"", {})


def _asked(connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def logged(settings: Settings, kind: EntryType, publication: str = "") -> list[Entry]:
    """Return the entries of one type (about one publication) in the store."""
    with StoreReader.open_readonly(settings.enforcer_data / "log.db") as store:
        found = [load(body) for _, body in store.rows(0)]
    return [entry for entry in found if entry.type == kind and publication in {"", entry.object}]


OK, SEE_OTHER, UNAVAILABLE = HTTPStatus.OK, HTTPStatus.SEE_OTHER, HTTPStatus.SERVICE_UNAVAILABLE
