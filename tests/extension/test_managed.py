"""Where the administrator fixed the desk by policy, and where the browser has no side panel: real Chromium, real policy file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import Stage
from tests.extension.browser import Pages, Policy, chromium
from tests.extension.people import Office, eventually, until
from tests.extension.relay import Relay

pytestmark = [pytest.mark.browser, pytest.mark.acceptance]


async def test_the_desk_of_the_policy_is_the_only_one(stage: Stage, relay: Relay, pages: Pages, tmp_path: Path) -> None:
    """It cannot be typed over, nobody pairs elsewhere even before the browser tells the policy, and a changed policy ends the session."""
    desk = stage.set.settings.desk_url
    policy = Policy(tmp_path)
    policy.set(deskUrl=f"{desk}/drafts", orgName="禾汀集团有限公司")
    rules = [f"MAP {urlsplit(desk).netloc} 127.0.0.1:{relay.port}", f"MAP evil.localhost 127.0.0.1:{pages.port}"]
    async with chromium(tmp_path / "profile", pages.port, *rules, executable=policy.executable) as browser:
        office = Office(stage.set, browser, relay)
        for host in ("desk.localhost", "evil.localhost"):
            await browser.allow(f"http://{host}/*")
        options = await browser.page("options/options.html")
        early = await options.evaluate(
            "chrome.runtime.sendMessage({name: 'pair', args: {typed: 'http://evil.localhost', code: '22222222', device: 'd'}})",
        )
        assert early["error"]["code"] == "bad_code"
        assert "POST /api/v1/session" in relay.requests
        assert not any(path.startswith("evil.localhost") for path in pages.seen)

        await browser.store({"language": "zh"})
        await options.reload()
        await until(options, "#address[readonly]")
        assert await options.input_value("#address") == desk
        assert "由管理员统一设定" in await options.inner_text("main")
        panel = await browser.panel()
        await eventually(panel, "document.querySelector('#who').textContent === '禾汀集团有限公司'")
        await panel.close()
        await options.evaluate("document.querySelector('#address').value = 'http://evil.localhost'")
        await options.fill("#code", await office.pairing_code("lu"))
        await options.click("#pair")
        await until(options, "#unpair")
        assert (await browser.stored("session"))["address"] == desk
        assert not any(path.startswith("evil.localhost") for path in pages.seen)

        policy.set(deskUrl="https://desk.elsewhere.example")
        async with asyncio.timeout(60):
            while await browser.stored("session") is not None:
                await asyncio.sleep(0.2)
        asked = len(relay.requests)
        answer = await options.evaluate("chrome.runtime.sendMessage({name: 'submissions', args: {}})")
        assert answer == {"error": {"code": "session_gone"}}
        assert len(relay.requests) == asked


async def test_without_a_side_panel_the_panel_is_a_window_of_400_pixels(stage: Stage, relay: Relay, pages: Pages, tmp_path: Path) -> None:
    """Shells of Chromium without `chrome.sidePanel` get a window; everything fits into it, in both languages."""
    wire = f"MAP {urlsplit(stage.set.settings.desk_url).netloc} 127.0.0.1:{relay.port}"
    async with chromium(tmp_path / "profile", pages.port, wire, natural=True) as browser:
        office = Office(stage.set, browser, relay)
        await office.pair()
        draft = await browser.capture(await browser.visit("wechat"))
        for language in ("zh", "en"):
            await browser.store({"language": language})
            popup = await browser.page("popup/popup.html")
            await until(popup, "#main button")
            await popup.evaluate("(id) => chrome.storage.session.set({current: id})", draft)
            async with browser.context.expect_page() as opened:
                await popup.evaluate("() => { Object.defineProperty(chrome, 'sidePanel', {value: undefined}); document.querySelector('#main button').click(); }")
            window = await opened.value
            await until(window, "#form")
            assert await window.evaluate("chrome.windows.getCurrent().then(({type, width}) => [type, width])") == ["popup", 400]
            await office.answered(window)
            assert await window.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert await window.evaluate(
                "[...document.querySelectorAll('#form *, #foot *')].filter((e) => e.checkVisibility() && !e.closest('.editor, .tile')"
                " && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)).map((e) => e.outerHTML.slice(0, 80))",
            ) == []
            assert await window.evaluate("document.querySelector('#submit').getBoundingClientRect().bottom <= innerHeight")
            await window.close()
