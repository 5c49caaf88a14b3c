"""What the contract's tests run on: a real WordPress, the WeChat and Weibo sandboxes, and a relay that loses requests and answers."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors.base import (
    Call,
    ChannelFacts,
    Connector,
    Gone,
    Live,
    Operation,
    Outcome,
    Pending,
    Prepared,
    Previous,
    Template,
)
from gateway.connectors.transport import Transport
from gateway.connectors.wechat import WeChatConnector
from gateway.connectors.weibo import WeiboConnector
from gateway.connectors.wordpress import WordPressConnector
from gateway.content import Content, Media, Source
from gateway.demo.wordpress import WordPressSite, wordpress_site
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.running import running_wechat, running_weibo

_counter = itertools.count(1)


class Relay:
    """Passes HTTP requests on to one port, one request a connection, and loses the n-th request or its answer on demand."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seen: list[tuple[str, str]] = []
        self.plan: dict[int, str] = {}
        self.hook: Callable[[str, str], Awaitable[None]] | None = None
        self.server: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()

    def reset(self, **plan: Any) -> None:
        self.seen.clear()
        self.plan = plan.get("plan", {})
        self.hook = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._one(reader, writer)
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        length = next((int(h.split(b":")[1]) for h in rest.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
        body = await reader.readexactly(length)
        method, path, _ = line.decode().split(" ")
        self.seen.append((method, path))
        fate = self.plan.get(len(self.seen), "pass")
        if fate == "before":
            return
        upstream, out = await asyncio.open_connection("127.0.0.1", self._port)
        out.write(line + b"\r\nConnection: close\r\n" + rest + body)
        answer = await upstream.read(-1)
        out.close()
        if self.hook is not None:
            await self.hook(method, path)
        if fate == "pass":
            writer.write(answer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()


@dataclass
class Bench:
    """One platform set up for a connector: how to reach it, what is public, what was left behind, and the hands in its back office."""

    name: str
    make: Callable[[], Connector]
    channel: ChannelFacts
    credential: dict[str, str]
    relay: Relay
    transport: Transport
    clock: SandboxClock
    public: Callable[[], list[str]]
    leftovers: Callable[[], int]
    edit_draft: Callable[[Prepared], None] | None
    edit_live: Callable[[Live], None]
    canaries: Callable[[], list[str]]
    during_prepare: Callable[[], Callable[[str, str], Awaitable[None]]] | None
    never_absent: bool = False
    platform: Any = None
    saved: dict[str, str] = field(default_factory=dict)
    pictures: dict[Digest, bytes] = field(default_factory=dict)

    def call(self, **changes: Any) -> Call:
        given: dict[str, Any] = {
            "transport": self.transport, "base_url": self.relay.url, "account": self.channel.account,
            "settings": {**self.channel.settings, "site": self.relay.url}, "credential": self.credential,
            "credential_version": 1, "now": self.clock.now, "rip": "203.0.113.9", "deadline": 10.0,
        }
        return Call(**(given | changes))

    def content(self, words: str = "入冬前，工程部更换了4.2公里老旧支管。", *, pictures: bool = True) -> Content:
        number = next(_counter)
        link = f"https://example.com/n/{number}"
        body = f'<p>{words}第{number}号。<a href="{link}">详情</a></p>'
        media: dict[Digest, Media] = {}
        cover = self.picture(number, "cover")
        if pictures:
            shown = self.picture(number, "body")
            media[shown.sha256] = shown
            body += f'<p><img alt="{shown.alt}" src="media:{shown.sha256}"></p>'
        return Content.build(
            title=f"秋收之后，我们把水管修到了地头（{number}）", summary=f"轮灌时间缩短到一天半（{number}）", author="陆晓棠",
            source=Source(kind="original", name="", url=""), body=body, pictures=media, cover=cover,
        )

    def picture(self, number: int, role: str) -> Media:
        out = io.BytesIO()
        Image.new("RGB", (40, 30), (number * 7 % 256, 120, 200 if role == "cover" else 20)).save(out, "JPEG")
        data = out.getvalue() + f"{role}{number}".encode()
        digest = canonical.sha256(data)
        self.pictures[digest] = data
        return Media(role=role, type="image/jpeg", length=len(data), sha256=digest, width=40, height=30, alt="水管")

    def load(self, digest: Digest) -> bytes:
        return self.pictures[digest]

    async def save(self, name: str, value: str) -> None:
        assert name not in self.saved or self.saved[name] == value, f"handle {name} was made twice"
        self.saved[name] = value

    def fresh(self) -> Connector:
        self.saved = {}
        return self.make()

    def template(self, connector: Connector, content: Content | None = None, operation: Operation = Operation.PUBLISH,
                 previous: Previous | None = None) -> Template:
        return connector.render(content, self.channel, operation, previous)

    async def prepare(self, connector: Connector, template: Template) -> Prepared:
        return await connector.prepare(self.call(), template, self.load, dict(self.saved), self.save)

    async def settle(self, connector: Connector, outcome: Outcome) -> Outcome:
        """Follow a pending outcome to its end."""
        for _ in range(5):
            if not isinstance(outcome, Pending):
                break
            self.clock.advance(30)
            outcome = await connector.follow(self.call(), outcome.handle)
        return outcome

    async def publish(self, connector: Connector, content: Content) -> tuple[Template, Prepared, Live]:
        self.saved = {}
        template = self.template(connector, content)
        prepared = await self.prepare(connector, template)
        assert await connector.reread(self.call(), template, prepared) == prepared.snapshot
        outcome = await self.settle(connector, await connector.commit(self.call(), template, prepared))
        assert isinstance(outcome, Live), outcome
        return template, prepared, outcome

    async def withdraw(self, connector: Connector, live: Live, template: Template) -> Gone:
        gone = self.template(connector, None, Operation.WITHDRAW, Previous(id=live.id, url=live.url, digest=template.digest()))
        self.saved = {}
        outcome = await connector.commit(self.call(), gone, await self.prepare(connector, gone))
        assert isinstance(outcome, Gone), outcome
        return outcome


@pytest.fixture(scope="session")
def wordpress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPressSite]:
    """One real WordPress for the whole session."""
    with wordpress_site(tmp_path_factory.mktemp("wordpress")) as site:
        yield site


@contextlib.asynccontextmanager
async def _relay(base_url: str) -> AsyncIterator[Relay]:
    relay = Relay(int(base_url.rsplit(":", 1)[1]))
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


@pytest.fixture
async def wordpress_bench(wordpress: WordPressSite) -> AsyncIterator[Bench]:
    """The WordPress connector against the real site, as its editor."""
    async with Transport("sandbox") as transport, _relay(wordpress.base_url) as relay:
        def newest_draft() -> str:
            return next(p["ID"] for p in reversed(wordpress.posts()) if p["post_type"] == "post" and p["post_status"] == "draft")

        def hook() -> Callable[[str, str], Awaitable[None]]:
            async def edit(method: str, path: str) -> None:
                if method == "POST" and path.rsplit("/", 1)[1].isdigit():
                    await asyncio.to_thread(wordpress.edit_by_hand, newest_draft(), post_content="<p>改过了</p>")
            return edit

        yield Bench(
            name="wordpress", make=WordPressConnector, relay=relay, transport=transport, clock=SandboxClock(), platform=wordpress,
            channel=ChannelFacts(channel="c3", platform="wordpress", account="news.heting.example", settings={"site": relay.url}),
            credential={"user": wordpress.editor.user, "application_password": wordpress.editor.application_password},
            public=lambda: [p["post_title"] for p in wordpress.posts() if p["post_type"] == "post" and p["post_status"] == "publish"],
            leftovers=lambda: _left(wordpress.posts()),
            edit_draft=lambda prepared: wordpress.edit_by_hand(prepared.handles["post"], post_title="被人改过"),
            edit_live=lambda live: wordpress.edit_by_hand(live.id, post_content="<p>被人改过</p>"),
            canaries=lambda: [wordpress.editor.application_password, _basic(wordpress)],
            during_prepare=hook,
        )


def _left(posts: list[dict[str, str]]) -> int:
    """Count drafts, and pictures that belong to no public or trashed post."""
    kept = {p["ID"] for p in posts if p["post_type"] == "post" and p["post_status"] in {"publish", "trash"}}
    return sum(p["ID"] not in kept and p["post_parent"] not in kept for p in posts)


def _basic(site: WordPressSite) -> str:
    import base64

    return base64.b64encode(f"{site.editor.user}:{site.editor.application_password}".encode()).decode()


@pytest.fixture
async def wechat_bench() -> AsyncIterator[Bench]:
    """The WeChat connector against the sandbox."""
    clock = SandboxClock(datetime(2026, 11, 23, 2, tzinfo=UTC))
    async with running_wechat(clock=clock) as wechat, Transport("sandbox") as transport, _relay(wechat.base_url) as relay:
        account = wechat.account()

        def hook() -> Callable[[str, str], Awaitable[None]]:
            async def edit(_method: str, path: str) -> None:
                if "draft/add" in path:
                    wechat.edit_by_hand(list(account.drafts)[-1], {"content": "<p>被人改过</p>"})
            return edit

        yield Bench(
            name="wechat", make=WeChatConnector, relay=relay, transport=transport, clock=clock, platform=wechat,
            channel=ChannelFacts(channel="c1", platform="wechat", account=account.appid),
            credential={"appid": account.appid, "secret": account.secret},
            public=lambda: [str(item["title"]) for item in wechat.published_json() if not item["deleted"]],
            leftovers=lambda: len(account.drafts) + len(account.materials),
            edit_draft=lambda prepared: wechat.edit_by_hand(prepared.handles["draft"], {"title": "被人改过"}),
            edit_live=lambda live: wechat.edit_by_hand(live.id, {"content": "<p>被人改过</p>"}),
            canaries=lambda: [account.secret, *(token.value for token in account.stable)],
            during_prepare=hook,
        )


@pytest.fixture
async def weibo_bench() -> AsyncIterator[Bench]:
    """The Weibo connector against the sandbox."""
    clock = SandboxClock(datetime(2026, 11, 23, 2, tzinfo=UTC))
    async with running_weibo(clock=clock) as weibo, Transport("sandbox") as transport, _relay(weibo.base_url) as relay:
        token = weibo.issue_token()
        weibo.state.day_limit = 100_000
        yield Bench(
            name="weibo", make=WeiboConnector, relay=relay, transport=transport, clock=clock, platform=weibo,
            channel=ChannelFacts(channel="c2", platform="weibo", account=str(weibo.user().uid), settings={"safe_domains": "example.com"}),
            credential={"access_token": token, "uid": str(weibo.user().uid), "app": weibo.app().name},
            public=lambda: [str(item["text"]) for item in weibo.published_json() if not item["deleted"]],
            leftovers=lambda: 0,
            edit_draft=None,
            edit_live=lambda live: weibo.edit_by_hand(live.id, {"text": "被人改过"}),
            canaries=lambda: [token],
            during_prepare=None,
            never_absent=True,
        )


@pytest.fixture(params=["wechat", "weibo", pytest.param("wordpress", marks=pytest.mark.wordpress)])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each platform in turn."""
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found


@pytest.fixture
def long_ago() -> datetime:
    """A dispatch so long ago that nothing can still be under way."""
    return datetime.now(UTC) - timedelta(hours=2)
