"""A real enforcer with the sample company, its command socket, and the desk in front of it; everything in this process."""

from __future__ import annotations

import io
import json
import os
import random
import socket as sockets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from gateway.config import Settings  # noqa: E402
from gateway.connectors.wechat import WeChatConnector  # noqa: E402
from gateway.connectors.weibo import WeiboConnector  # noqa: E402
from gateway.demo.seed import Seeder, Staffed  # noqa: E402
from gateway.desk.app import serve  # noqa: E402
from gateway.desk.parts import PARTS, Parts  # noqa: E402
from gateway.desk.session import form_token  # noqa: E402
from gateway.desk.settings import DeskSettings  # noqa: E402
from gateway.enforcer.sessions import Sessions  # noqa: E402
from gateway.enforcer.socket import init_socket  # noqa: E402
from gateway.listening import serve_unix  # noqa: E402
from gateway.sandbox import WeChat, running_wechat  # noqa: E402
from tests.gateway.enforcer.house import House, found_house, open_house  # noqa: E402
from tests.gateway.enforcer.moulds import MOULDS, keeper  # noqa: E402

PORTS = range(20_000, 32_000)
"""Below those that systems hand out by themselves (ip_local_port_range): a port that was free stays free between two tests."""
ACCOUNTS = {
    "wechat_group": {"appid": "wx1a2b3c4d5e6f7081", "secret": "8d0e6c1f2b3a49578d0e6c1f2b3a4957"},
    "wechat_unit": {"appid": "wx9b8c7d6e5f4a3021", "secret": "1f2e3d4c5b6a79881f2e3d4c5b6a7988"},
}
WEIBO = ("6651", {"access_token": "2.00canary", "uid": "6651", "app": "签发"}, {"safe_domains": "heting.example"})
CONNECTORS = {"wechat": WeChatConnector(), "weibo": WeiboConnector()}


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port now."""
    with sockets.socket() as made:
        made.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        try:
            made.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_ports: list[int] = []


def desk_port() -> int:
    """Return the desk's port, the same for a whole process while nobody takes it: addresses are fixed at the founding."""
    if not _ports or not is_free(_ports[-1]):
        _ports.append(next(port for port in iter(lambda: random.choice(PORTS), None) if is_free(port)))
    return _ports[-1]


@dataclass
class Place:
    """The desk and what stands behind it; `browser` gives a signed-in client."""

    house: House
    staffed: Staffed
    sessions: Sessions
    settings: DeskSettings
    app: web.Application
    wechat: WeChat
    stack: AsyncExitStack
    socket_stack: AsyncExitStack
    desk_stack: AsyncExitStack
    clients: dict[str, Browser] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        return self.app[PARTS]

    def token(self, who: str, kind: str = "desk") -> str:
        """Open a session the way the counter does after a sign-in."""
        token, _ = self.sessions.open(self.staffed.people[who], kind, factor=f"factor/{self.staffed.people[who]}/totp")  # type: ignore[arg-type]
        return token

    async def browser(self, who: str | None = "lu", **more: Any) -> Browser:
        """Return a client with a session of `who`, or without one."""
        session = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        return Browser(self, session, self.token(who) if who else "", **more)

    async def device(self, who: str = "lu") -> Device:
        """Return an API client with a device session."""
        session = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        return Device(self, session, self.token(who, "device"))

    async def caught_up(self) -> None:
        """Wait until the desk has read the whole log."""
        assert await self.parts.follower.reached(self.house.state.size - 1, 10.0)

    async def stop_desk(self) -> None:
        """Stop the desk; the enforcer goes on."""
        await self.desk_stack.aclose()

    async def start_desk(self) -> None:
        """Start the desk again on what it left behind."""
        self.app, _ = await serve(self.desk_stack, self.settings)
        await self.caught_up()

    async def cut_off(self) -> None:
        """Take the enforcer's socket away."""
        await self.socket_stack.aclose()

    def people(self, key: str) -> str:
        return self.staffed.people[key]

    def channel(self, key: str = "wechat_unit") -> str:
        return self.staffed.channels[key]


@dataclass
class Browser:
    """A browser's requests: host, cookie, Origin and form token as a real one would send them."""

    place: Place
    session: aiohttp.ClientSession
    token: str
    lang: str = "zh"

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.place.settings.desk_url.rsplit(':', 1)[1]}"

    @property
    def headers(self) -> dict[str, str]:
        made = {"Host": self.place.settings.host, "Accept-Language": self.lang, "Sec-Fetch-Dest": "document"}
        if self.token:
            made["Cookie"] = f"{self.place.settings.cookie}={self.token}"
        return made

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.request("GET", path, headers=headers)

    async def post(self, path: str, data: Any = None, *, raw: bytes | None = None, value: Any = None, **headers: str) -> Answer:
        made = {"Origin": self.place.settings.desk_url, "X-Form-Token": form_token(self.token), **headers}
        if value is not None:
            raw = json.dumps(value).encode()
            made.setdefault("Content-Type", "application/json")
        return await self.request("POST", path, headers=made, data=raw if raw is not None else data or {})

    async def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, data: Any = None) -> Answer:
        if isinstance(data, bytes):
            data = io.BytesIO(data)
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value}
        async with self.session.request(method, self.base + path, headers=sent, data=data, allow_redirects=False) as response:
            return Answer(response.status, response.headers.copy(), await response.read())


@dataclass
class Device(Browser):
    """The extension's requests: a bearer token, no cookie."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Host": self.place.settings.host, "Accept-Language": self.lang, "Authorization": f"Bearer {self.token}"}

    async def send(self, method: str, path: str, value: Any = None, **headers: str) -> Answer:
        data = json.dumps(value).encode() if value is not None else None
        made = {"Content-Type": "application/json", **headers} if value is not None else headers
        return await self.request(method, "/api/v1" + path, headers=made, data=data)


@dataclass
class Answer:
    """A response, read."""

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        return str(self.headers.get("Location", ""))


async def _company(folder: Path, port: int) -> tuple[Settings, Staffed]:
    """Found and staff the sample company, let the desk read its log, and close everything."""
    founded = found_house(folder, desk_url=f"http://desk.localhost:{port}")
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(folder, CONNECTORS, worker=keeper()))
        staffed = await Seeder(house.parts).run(founded, {
            **{key: (form["appid"], form, {}) for key, form in ACCOUNTS.items()}, "weibo_unit": WEIBO,
        })
        place = await stack.enter_async_context(_serving(folder, house, staffed, port))
        await place.caught_up()
    for left in folder.glob("ephemeral.db*"):
        left.unlink()
    return founded.settings, staffed


@asynccontextmanager
async def _serving(folder: Path, house: House, staffed: Staffed, port: int, wechat: WeChat | None = None) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        sessions = Sessions(folder / "ephemeral.db", house.runner)
        stack.callback(sessions.close)
        settings = DeskSettings.of(house.parts.settings.model_copy(update={"desk": house.parts.settings.desk.model_copy(update={"port": port})}))
        socket_stack = await stack.enter_async_context(AsyncExitStack())
        await serve_unix(socket_stack, init_socket(house.parts, sessions, peer_uids=frozenset({os.getuid()})), settings.socket, mode=0o660)
        desk_stack = await stack.enter_async_context(AsyncExitStack())
        app, _ = await serve(desk_stack, settings)
        yield Place(house, staffed, sessions, settings, app, wechat, stack, socket_stack, desk_stack)  # type: ignore[arg-type]


@asynccontextmanager
async def open_place(folder: Path, **over: Any) -> AsyncIterator[Place]:
    """Lay a copy of the staffed sample company under `folder` and open everything; `over` are settings."""
    port = desk_port()
    made = await MOULDS.get(f"company-{port}", lambda at: _company(at, port))
    async with AsyncExitStack() as stack:
        wechat = await stack.enter_async_context(running_wechat())
        wechat.state.accounts.clear()
        for form in ACCOUNTS.values():
            wechat.add_account(**form).publish_seconds = 0.1
        staffed = made.cast(folder, bases={"wechat": wechat.base_url}, **over)
        house = await stack.enter_async_context(open_house(folder, CONNECTORS, worker=keeper()))
        house.people.update(staffed.people)
        house.channels.update(staffed.channels)
        place = await stack.enter_async_context(_serving(folder, house, staffed, port, wechat))
        await place.caught_up()
        yield place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """The whole of it, fresh."""
    async with open_place(tmp_path) as opened:
        yield opened
