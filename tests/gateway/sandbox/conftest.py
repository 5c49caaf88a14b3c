"""A running sandbox of each platform, a clock that stands still, and a small JSON client."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from PIL import Image

from gateway.sandbox import SandboxClock, WeChat, Weibo, running_wechat, running_weibo

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def picture(kind: str = "PNG", *, pad: int = 0, colour: str = "red") -> bytes:
    """Draw a small real picture, padded with trailing bytes when a size is wanted."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(out, kind)
    return out.getvalue() + b"\0" * max(0, pad - out.tell())


@dataclass
class Client:
    """A JSON client of one WeChat account."""

    session: aiohttp.ClientSession
    wechat: WeChat
    token: str

    async def post(self, endpoint: str, body: Any = None, *, raw: bytes | None = None, **query: str) -> dict[str, Any]:
        data = raw if raw is not None else json.dumps({} if body is None else body, ensure_ascii=False).encode()
        return await self.request("POST", endpoint, data, **query)

    async def get(self, endpoint: str, **query: str) -> dict[str, Any]:
        return await self.request("GET", endpoint, None, **query)

    async def request(self, method: str, endpoint: str, data: Any, **query: str) -> dict[str, Any]:
        url = f"{self.wechat.base_url}/cgi-bin/{endpoint}"
        async with self.session.request(method, url, params={"access_token": self.token} | query, data=data) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "application/json; encoding=utf-8"
            return json.loads(await answer.read())

    async def upload(self, endpoint: str, data: bytes, *, filename: str = "封面.png", **query: str) -> dict[str, Any]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("media", io.BytesIO(data), filename=filename, content_type="application/x-nonsense")
        return await self.request("POST", endpoint, form, **query)

    async def cover(self) -> str:
        return (await self.upload("material/add_material", picture(), type="image"))["media_id"]

    async def draft(self, **fields: Any) -> str:
        article = {"title": "标题", "content": "<p>正文</p>", "thumb_media_id": await self.cover()} | fields
        return (await self.post("draft/add", {"articles": [article]}))["media_id"]

    async def published(self, **fields: Any) -> dict[str, Any]:
        job = await self.post("freepublish/submit", {"media_id": await self.draft(**fields)})
        self.wechat.clock.advance(60)
        return await self.post("freepublish/get", {"publish_id": job["publish_id"]})


@pytest.fixture
def clock() -> SandboxClock:
    """A clock that stands at ten in the morning in Beijing until it is moved."""
    return SandboxClock(START, running=False)


@pytest.fixture
async def wechat(clock: SandboxClock) -> AsyncIterator[WeChat]:
    async with running_wechat(clock=clock) as running:
        yield running


@pytest.fixture
async def weibo(clock: SandboxClock) -> AsyncIterator[Weibo]:
    async with running_weibo(clock=clock) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as opened:
        yield opened


@pytest.fixture
def client_of(session: aiohttp.ClientSession):
    """Make a client for a sandbox that the test started itself."""
    return lambda wechat: Client(session=session, wechat=wechat, token=wechat.issue_token())


@pytest.fixture
def client(session: aiohttp.ClientSession, wechat: WeChat) -> Client:
    return Client(session=session, wechat=wechat, token=wechat.issue_token())


@pytest.fixture
def png() -> bytes:
    return picture()


@pytest.fixture
def draw():
    return picture


def raw_exchange(base_url: str, request: bytes) -> bytes:
    """Send bytes and read until the other side closes."""
    host, port = base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(request)
        received = b""
        while piece := wire.recv(65536):
            received += piece
    return received


@pytest.fixture
def exchange():
    return raw_exchange
