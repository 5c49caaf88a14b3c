"""Attacks on the extension from pages, from other extensions' positions, and from captured content."""

from __future__ import annotations

import asyncio

import pytest

from tests.extension.browser import Chromium, Pages

pytestmark = pytest.mark.browser

SESSION = {
    "address": "http://desk.localhost:9", "token": "qfd-secret-token", "person": "per_1", "name": "陆晓棠", "title": "", "unit": "unit_1",
    "unitName": "禾汀灌溉", "expires": "", "paired": "2026-11-23T01:00:00.000Z", "device": "d",
}


async def test_hostile_content_does_not_run_in_the_panel(browser: Chromium, pages: Pages) -> None:
    """Handlers, scripts, svg, math, frames, styles that fetch or float: none of it survives into the panel's document, nothing is fetched."""
    draft = await browser.capture(await browser.visit("hostile"))
    panel = await browser.panel(draft)
    errors: list[str] = []
    panel.on("pageerror", lambda error: errors.append(str(error)))
    await panel.wait_for_selector("#form:not([hidden])")
    before = len([path for path in pages.seen if "leak" in path])
    await panel.hover("#body p")
    await panel.click("#body a >> nth=0")
    await panel.click("#body p >> nth=0")
    await asyncio.sleep(0.5)
    assert await panel.evaluate("typeof hit + typeof ran") == "undefinedundefined"
    assert await panel.evaluate(
        "document.querySelectorAll('#body :is(script, svg, math, iframe, form, input:not(.tile input), style, link, object, base, noscript, [onclick], [onerror], [onload])').length",
    ) == 0
    assert await panel.evaluate("[...document.querySelectorAll('#body *')].every((e) => ![...e.attributes].some((a) => a.name.startsWith('on')))")
    assert await panel.evaluate("[...document.querySelectorAll('#body a')].map((a) => a.getAttribute('href'))") == [None, "https://fine.example/"]
    assert await panel.evaluate("[...document.querySelectorAll('#body p')].every((p) => getComputedStyle(p).position === 'static')")
    assert await panel.input_value("#title") == "<img src=x onerror=parent.hit=1>标题"
    assert len([path for path in pages.seen if "leak" in path]) == before
    assert panel.url.endswith(draft)
    assert errors == []


async def test_pasted_html_is_cleaned_too(browser: Chromium) -> None:
    """The clipboard is as hostile as a page."""
    panel = await browser.panel(await browser.capture(await browser.visit("article")))
    await panel.wait_for_selector("#form:not([hidden])")
    await panel.evaluate(
        """() => { const data = new DataTransfer();
        data.setData('text/html', '<img src=x onerror="window.hit=1"><p onclick="window.hit=1">贴进来<script>window.hit=1</' + 'script></p>');
        document.querySelector('#body').dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }""",
    )
    await panel.wait_for_selector("#body >> text=贴进来")
    assert await panel.evaluate("typeof hit") == "undefined"
    assert await panel.evaluate("document.querySelectorAll('#body [onclick], #body script, #body [onerror]').length") == 0


async def test_scripts_in_pages_cannot_reach_the_token(browser: Chromium) -> None:
    """Neither the page's world nor the reader's isolated world gets at storage; the page sees no extension at all."""
    await browser.store({"session": SESSION})
    page = await browser.visit("wechat")
    await browser.capture(page)
    assert await page.evaluate("typeof chrome === 'undefined' || chrome.storage === undefined && (chrome.runtime?.sendMessage === undefined)")
    answer = await (await browser.worker()).evaluate(
        """chrome.tabs.query({}).then(async (tabs) => { for (const tab of tabs) { try { return (await chrome.scripting.executeScript({target: {tabId: tab.id},
        func: async () => { const out = []; globalThis.heard = []; chrome.storage.onChanged.addListener((changes) => heard.push(JSON.stringify(changes)));
        for (const area of ['local', 'session']) for (const act of [(place) => place.get(null), (place) => place.set({session: {address: 'https://evil.example'}}),
        (place) => place.setAccessLevel({accessLevel: 'TRUSTED_AND_UNTRUSTED_CONTEXTS'})]) {
        try { out.push(JSON.stringify(await act(chrome.storage[area]))); } catch (error) { out.push('refused'); } } return out; }}))[0].result; } catch {} } return null; })""",
    )
    assert answer == ["refused"] * 6
    assert await browser.stored("session") == SESSION
    await browser.store({"session": {**SESSION, "token": "qfd-secret-token-2"}})
    heard = await (await browser.worker()).evaluate(
        """chrome.tabs.query({}).then(async (tabs) => { for (const tab of tabs) { try { const [{result}] = await chrome.scripting.executeScript({
        target: {tabId: tab.id}, func: () => globalThis.heard}); if (result) return result; } catch {} } return null; })""",
    )
    assert heard == []
    assert "qfd-secret-token" not in await page.evaluate("document.documentElement.outerHTML + JSON.stringify(seen) + JSON.stringify({...localStorage})")


async def test_a_script_in_a_page_may_ask_nothing_and_is_counted(browser: Chromium) -> None:
    """The reader's world can send messages; each name is refused there, also those that our own pages may use."""
    await browser.store({"session": SESSION})
    page = await browser.visit("wechat")
    await browser.capture(page)
    worker = await browser.worker()
    for name in ("state", "submit", "unpair", "nonsense", "__proto__"):
        answer = await worker.evaluate(
            """(name) => chrome.tabs.query({}).then(async (tabs) => { for (const tab of tabs) { try { return (await chrome.scripting.executeScript({
            target: {tabId: tab.id}, args: [name], func: (name) => chrome.runtime.sendMessage({name, args: {}})}))[0].result; } catch {} } return null; })""",
            name,
        )
        assert answer == {"error": {"code": "refused"}}, name
    assert (await browser.stored("refusals"))["unknown_message"] == 5
    assert await browser.stored("session") == SESSION


async def test_the_state_told_to_pages_holds_no_token(browser: Chromium) -> None:
    """Popup, panel and options draw themselves from `state`; the token stays with the worker."""
    await browser.store({"session": SESSION})
    options = await browser.page("options/options.html")
    answer = await options.evaluate("chrome.runtime.sendMessage({name: 'state'}).then(JSON.stringify)")
    assert "陆晓棠" in answer
    assert "qfd-secret-token" not in answer


async def test_no_page_of_the_extension_can_be_framed_or_fetched(browser: Chromium) -> None:
    """A web page can neither frame the panel nor load any file of the extension."""
    page = await browser.visit("article")
    result = await page.evaluate(
        """(origin) => new Promise((done) => { const frame = document.createElement('iframe'); frame.src = origin + '/panel/panel.html';
        frame.onload = () => { let reached = 'blocked'; try { reached = frame.contentDocument ? 'reached' : 'blocked'; } catch {} done(reached); };
        document.body.append(frame); setTimeout(() => done('blocked'), 1500); })""", "chrome-extension://fbblnbpmdnifioeinmcbeppnmmmglfkc",
    )
    assert result == "blocked"
    before = len(browser.context.pages)
    opened = await page.evaluate("(origin) => { const one = window.open(origin + '/panel/panel.html?draft=x'); try { return one?.document?.body?.className ?? ''; } catch { return ''; } }",
                                 "chrome-extension://fbblnbpmdnifioeinmcbeppnmmmglfkc")
    await asyncio.sleep(0.5)
    assert opened == ""
    assert not any(tab.url.startswith("chrome-extension://") for tab in browser.context.pages[before:])
    assert await page.evaluate("(origin) => fetch(origin + '/ui.css').then(() => 'read', () => 'refused')", "chrome-extension://fbblnbpmdnifioeinmcbeppnmmmglfkc") == "refused"


async def test_a_page_cannot_pass_for_another_account(browser: Chromium) -> None:
    """A page of somebody's own that answers in place of the editor: its words are taken as words, and it stays the host that the browser names."""
    page = await browser.visit("blocks")
    await page.evaluate(
        """() => { const real = document.querySelector.bind(document);
        document.querySelector = (selector) => selector.includes('site-name') ? {textContent: '禾汀集团官网'} : real(selector);
        Object.getPrototypeOf(location).toString = () => 'news.heting.example';
        window.wp.data.select = () => ({getEditedPostContent: () => '<p onclick="hit=1">改<img src=x onerror=hit=1></p>',
        getEditedPostAttribute: (name) => ({toString: () => name + '<script>hit=1</' + 'script>'})}); JSON.stringify = () => '{"account":"news.heting.example"}';
        String.prototype.trim = () => 'news.heting.example'; String.prototype.replace = () => ({trim: () => '<p>换过的正文</p>', length: -1}); }""",
    )
    draft = await browser.stored(f"draft:{await browser.capture(page)}")
    assert draft["account"] == "blocks.test"
    panel = await browser.panel(draft["id"])
    await panel.wait_for_selector("#form:not([hidden])")
    assert await panel.evaluate("typeof hit") == "undefined"
    assert await panel.evaluate("document.querySelectorAll('#body :is(script, [onclick], [onerror])').length") == 0
