"""A real Chromium with the unpacked extension, and loopback hosts that serve the pages it captures."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image
from playwright.async_api import BrowserContext, CDPSession, Page, Worker, async_playwright

ROOT = Path(__file__).resolve().parents[2]
EXTENSION = ROOT / "extension"
ID = "fbblnbpmdnifioeinmcbeppnmmmglfkc"
ORIGIN = f"chrome-extension://{ID}"
HOSTS = {
    "mp.weixin.qq.com": "wechat.html", "weibo.com": "weibo.html", "classic.test": "classic.html", "blocks.test": "blocks.html",
    "news.test": "article.html", "hostile.test": "hostile.html", "card.weibo.com": "weibo-article.html", "modern.test": "modern.html",
}
ADDRESS = {
    "wechat": "http://mp.weixin.qq.com/cgi-bin/appmsg?t=media/appmsg_edit_v2&action=edit&appmsgid=100000001", "weibo": "http://weibo.com/",
    "classic": "http://classic.test/wp-admin/post.php?post=1", "blocks": "http://blocks.test/wp-admin/post-new.php",
    "article": "http://news.test/2026/1.html", "hostile": "http://hostile.test/1",
    "wechat-135": "http://mp.weixin.qq.com/cgi-bin/appmsg?t=media/appmsg_edit_v2&page=wechat-135.html",
    "wechat-old": "http://mp.weixin.qq.com/cgi-bin/appmsg?t=media/appmsg_edit&page=wechat-old.html",
    "weibo-article": "http://card.weibo.com/article/v5/editor", "modern": "http://modern.test/1",
}


def png(shade: int, width: int = 64, height: int = 48) -> bytes:
    """Return a small picture."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (shade % 256, 120, 90)).save(out, "PNG")
    return out.getvalue()


class Pages:
    """Loopback hosts under the names the readers know; every request is kept in `seen` as "host path"."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        self.seen.append(f"{host} {request.path}")
        if request.path.startswith("/picture/"):
            name = request.path.rpartition("/")[2]
            return web.Response(body=png(sum(name.encode())), content_type="image/png")
        if host in HOSTS and not request.path.startswith("/leak"):
            return web.Response(body=(Path(__file__).parent / "pages" / Path(request.query.get("page", HOSTS[host])).name).read_bytes(), content_type="text/html", charset="utf-8")
        return web.Response(status=404)


class Popup:
    """A target that Playwright does not show (popup, side panel), driven over the debugger's own protocol."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session
        self._id = ""
        self._target = ""
        self._calls = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        session.on("Target.receivedMessageFromTarget", self._received)

    def _received(self, event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        waiting = self._answers.pop(message.get("id", 0), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def attach(self, path: str) -> None:
        """Wait until the target with this page exists and has drawn itself."""
        for _ in range(100):
            targets = (await self._session.send("Target.getTargets"))["targetInfos"]
            found = next((target for target in targets if target["url"].startswith(f"{ORIGIN}/{path}")), None)
            if found:
                self._target = found["targetId"]
                self._id = (await self._session.send("Target.attachToTarget", {"targetId": self._target, "flatten": False}))["sessionId"]
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{path} did not open")

    async def evaluate(self, expression: str) -> Any:
        """Return an expression's value as a click of the person would find it."""
        answer = await asyncio.wait_for(await self._ask(expression), 20)
        assert "exceptionDetails" not in answer.get("result", {}), answer
        return answer["result"]["result"].get("value")

    async def click(self, selector: str) -> None:
        """Click what closes the window: it may be gone before it answers."""
        assert await self.evaluate(f"document.querySelector({json.dumps(selector)}) !== null")
        await self._ask(f"document.querySelector({json.dumps(selector)}).click()")

    async def _ask(self, expression: str) -> asyncio.Future[Any]:
        self._calls += 1
        waiting = self._answers[self._calls] = asyncio.get_running_loop().create_future()
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        message = json.dumps({"id": self._calls, "method": "Runtime.evaluate", "params": parameters})
        await self._session.send("Target.sendMessageToTarget", {"sessionId": self._id, "message": message})
        return waiting

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        for _ in range(200):
            if await self.evaluate(expression):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never: {expression}")

    async def close(self) -> None:
        """Close it."""
        await self._session.send("Target.closeTarget", {"targetId": self._target})
        await self._session.detach()


class Chromium:
    """The browser: trusted clicks on the toolbar button go through the debugger's `Extensions.triggerAction`, as a person's would."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context

    async def worker(self) -> Worker:
        """Return the extension's service worker; fails where the extension did not load."""
        for _ in range(100):
            for worker in self.context.service_workers:
                if worker.url == f"{ORIGIN}/background.js":
                    return worker
            await asyncio.sleep(0.05)
        raise AssertionError("the extension's service worker does not exist")

    async def page(self, path: str) -> Page:
        """Open one of the extension's pages in a tab."""
        page = await self.context.new_page()
        await page.goto(f"{ORIGIN}/{path}")
        return page

    async def visit(self, name: str) -> Page:
        """Open a fixture page."""
        page = await self.context.new_page()
        await page.goto(ADDRESS[name])
        return page

    async def click_icon(self, page: Page) -> Popup:
        """Click the extension's icon on `page` and return the popup that opens."""
        assert self.context.browser is not None
        await page.bring_to_front()
        session = await self.context.browser.new_browser_cdp_session()
        tabs = (await session.send("Target.getTargets", {"filter": [{"type": "tab"}]}))["targetInfos"]
        tab = next(tab for tab in tabs if tab["url"] == page.url)
        await session.send("Extensions.triggerAction", {"id": ID, "targetId": tab["targetId"]})
        popup = Popup(session)
        await popup.attach("popup/popup.html")
        return popup

    async def capture(self, page: Page) -> str:
        """Click the icon, then ask the worker what the popup's button asks; return the draft's id."""
        popup = await self.click_icon(page)
        answer: dict[str, Any] = await popup.evaluate(
            "chrome.tabs.query({active: true, currentWindow: true}).then(([tab]) => chrome.runtime.sendMessage({name: 'capture', args: {tab: tab.id}}))",
        )
        await popup.close()
        assert "value" in answer, answer
        return str(answer["value"])

    async def beside(self) -> Popup:
        """Return the side panel that a click opened."""
        assert self.context.browser is not None
        panel = Popup(await self.context.browser.new_browser_cdp_session())
        await panel.attach("panel/panel.html")
        return panel

    async def window(self, path: str) -> Page:
        """Return the window of its own in which one of the extension's pages opened."""
        for _ in range(100):
            for page in self.context.pages:
                if page.url == f"{ORIGIN}/{path}":
                    return page
            await asyncio.sleep(0.05)
        raise AssertionError(f"{path} did not open")

    async def panel(self, draft: str = "") -> Page:
        """Open the panel's page in a tab of the width of a side panel."""
        page = await self.context.new_page()
        await page.set_viewport_size({"width": 400, "height": 900})
        await page.goto(f"{ORIGIN}/panel/panel.html?draft={draft}")
        return page

    async def _inside(self) -> Page:
        """Return a silent page of the extension's origin; it outlives the worker."""
        path = f"{ORIGIN}/managed_schema.json"
        for page in self.context.pages:
            if page.url == path:
                return page
        before = self.context.pages[-1] if self.context.pages else None
        page = await self.page("managed_schema.json")
        if before is not None:
            await before.bring_to_front()
        return page

    async def stored(self, key: str) -> Any:
        """Return a value of storage.local."""
        return (await (await self._inside()).evaluate("(key) => chrome.storage.local.get(key)", key)).get(key)

    async def store(self, values: dict[str, Any]) -> None:
        """Put values into storage.local."""
        await (await self._inside()).evaluate("(values) => chrome.storage.local.set(values)", values)

    async def allow(self, pattern: str) -> None:
        """Answer the browser's question about a host beforehand with yes: headless has nobody to press Allow."""
        page = await self.context.new_page()
        await page.goto("chrome://extensions/")
        await page.evaluate(
            "([id, host]) => new Promise((done) => chrome.developerPrivate.addHostPermission(id, host, done))", [ID, pattern],
        )
        await page.close()

    async def kill_worker(self) -> None:
        """End the service worker as the browser does after thirty idle seconds; fails where it lives on."""
        page = await self._inside()
        inner = await self.context.new_cdp_session(page)
        await inner.send("ServiceWorker.enable")
        await inner.send("ServiceWorker.stopAllWorkers")
        await inner.detach()
        assert self.context.browser is not None
        session = await self.context.browser.new_browser_cdp_session()
        for _ in range(100):
            targets = (await session.send("Target.getTargets"))["targetInfos"]
            if not any(target["type"] == "service_worker" and ID in target["url"] for target in targets):
                await session.detach()
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the service worker lives on")


class Policy:
    """The administrator's settings for one browser.

    Debian's Chromium reads `/etc/chromium/policies/managed`, so it runs in a mount namespace of its own where `/etc/chromium` is
    this folder, and no other browser on the machine hears of it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "etc" / "policies" / "managed" / "extension.json"
        self._file.parent.mkdir(parents=True)
        self.executable = folder / "chromium"
        namespace = "unshare --mount" if os.geteuid() == 0 else "unshare --map-root-user --mount"
        self.executable.write_text(
            f"#!/bin/sh\nexec {namespace} sh -c 'mount --bind \"$0\" /etc/chromium && exec /usr/bin/chromium \"$@\"' '{folder / 'etc'}' \"$@\"\n",
        )
        self.executable.chmod(0o755)

    def set(self, **values: str) -> None:
        """Write the policy; a running browser notices within seconds."""
        self._file.write_text(json.dumps({"3rdparty": {"extensions": {ID: values}}}))


@contextlib.asynccontextmanager
async def chromium(profile: Path, port: int, *rules: str, executable: Path = Path("/usr/bin/chromium"), natural: bool = False) -> AsyncIterator[Chromium]:
    """Start Chromium with the extension.

    The fixture hosts' names lead to `port`, `rules` are resolver rules of the test's own; `natural` leaves windows the size they
    were opened with.
    """
    names = ",".join([*rules, *(f"MAP {host} 127.0.0.1:{port}" for host in (*HOSTS, "img.closed.test"))])
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(profile), executable_path=str(executable), headless=True, no_viewport=natural, ignore_default_args=["--disable-extensions"],
            args=[f"--load-extension={EXTENSION}", "--enable-unsafe-extension-debugging", f"--host-resolver-rules={names}", "--disable-gpu",
                  "--no-first-run", "--disable-component-update"],
        )
        try:
            browser = Chromium(context)
            await browser.worker()
            yield browser
        finally:
            await context.close()
