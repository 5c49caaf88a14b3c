"""What the extension reads from pages, when, and what it never does with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.extension.browser import ADDRESS, Chromium, Pages

pytestmark = pytest.mark.browser


async def captured(browser: Chromium, name: str) -> dict[str, Any]:
    """Visit a fixture page, capture it and return the draft."""
    page = await browser.visit(name)
    draft = await browser.capture(page)
    value: dict[str, Any] = await browser.stored(f"draft:{draft}")
    return value


async def test_the_wechat_editor_is_read_with_what_could_not_be_read(browser: Chromium) -> None:
    """Title, summary, author, body, cover and account; a video and a picture that the page may not read are named."""
    draft = await captured(browser, "wechat")
    assert draft["title"] == "秋收之后，我们把水管修到了地头"
    assert (draft["summary"], draft["author"], draft["account"], draft["site"]) == ("更换4.2公里支管", "陆晓棠", "禾汀灌溉", "wechat")
    words = "入冬前，禾汀灌溉工程部在云岗村更换了4.2公里老旧支管。村里的轮灌时间由三天缩短到一天半。工程部提醒，低温期请勿自行拆卸阀门。详情"
    assert draft["report"] == {
        "title": True, "words": len(words), "pictures": 2, "cover": 1, "missing": {"videos": 1, "audios": 0, "pictures": 1, "others": 0},
    }
    assert [(item["url"], item["read"]) for item in draft["pictures"]] == [
        ("http://mp.weixin.qq.com/picture/1.png", True), ("http://mp.weixin.qq.com/picture/2.png", True), ("http://img.closed.test/3.png", False),
    ]
    assert draft["cover"] == "http://mp.weixin.qq.com/picture/cover.png"
    assert draft["source"] == {"kind": "original", "name": "", "url": ""}
    assert "更换了4.2公里" in draft["html"]
    assert "<img data-src" not in draft["html"]


async def test_weibo_words_become_paragraphs_and_stay_words(browser: Chromium) -> None:
    """The short post has no title; what looks like markup in it is text."""
    draft = await captured(browser, "weibo")
    assert draft["html"].startswith("<p>周末去乡野看秋色。</p><p>#秋收# 一起来 &lt;b&gt;</p>")
    assert (draft["title"], draft["account"], draft["report"]["pictures"]) == ("", "禾汀乡野", 1)


async def test_the_classic_editor_is_read_as_it_is_shown(browser: Chromium) -> None:
    """The visual editor's frame wins over the text field behind it."""
    draft = await captured(browser, "classic")
    assert "<strong>146名</strong>" in draft["html"]
    assert "旧的文本" not in draft["html"]
    assert (draft["title"], draft["summary"], draft["account"]) == ("禾汀集团2026年员工技能比武落幕", "技能比武", "classic.test")
    assert draft["report"]["cover"] == 1


async def test_the_block_editor_is_read_from_its_store(browser: Chromium) -> None:
    """Block comments are taken off, the words stay."""
    draft = await captured(browser, "blocks")
    assert draft["title"] == "区块里的标题"
    assert draft["html"].startswith("<p>第一段。</p>")
    assert "wp:paragraph" not in draft["html"]
    assert draft["pictures"] == [{"url": "http://blocks.test/picture/2.png", "alt": "图", "read": True}]


async def test_an_article_of_others_is_taken_as_a_reprint(browser: Chromium) -> None:
    """The main text without navigation; source, name and link are filled in."""
    draft = await captured(browser, "article")
    assert draft["title"] == "灌区一线见闻"
    assert draft["source"] == {"kind": "reprinted", "name": "临溪日报", "url": ADDRESS["article"]}
    assert "第一段" in draft["html"]
    assert "第二段" in draft["html"]
    assert not any(words in draft["html"] for words in ("首页", "广告", "版权"))
    assert draft["report"]["missing"]["videos"] == 1


async def test_a_selection_is_all_that_is_taken(browser: Chromium) -> None:
    """What was not selected is not read."""
    page = await browser.visit("article")
    await page.evaluate("getSelection().selectAllChildren(document.getElementById('second'))")
    draft = await browser.stored(f"draft:{await browser.capture(page)}")
    assert "第二段" in draft["html"]
    assert "第一段" not in draft["html"]


async def test_nothing_is_read_or_sent_before_the_click(browser: Chromium, pages: Pages) -> None:
    """Visiting an editor with the extension installed leaves the page alone; without activeTab the worker cannot read it."""
    page = await browser.visit("wechat")
    await asyncio.sleep(0.5)
    before = list(pages.seen)
    assert await page.evaluate("seen") == []
    worker = await browser.worker()
    answer = await worker.evaluate(
        "chrome.tabs.query({}).then((tabs) => Promise.all(tabs.map((tab) => chrome.scripting.executeScript("
        "{target: {tabId: tab.id}, func: () => document.title}).then(() => 'read', (error) => 'refused'))))",
    )
    assert set(answer) == {"refused"}
    assert await browser.stored("session") is None
    assert pages.seen == before
    assert {path for path in pages.seen if not path.endswith("/favicon.ico")} <= {
        "mp.weixin.qq.com /cgi-bin/appmsg", "mp.weixin.qq.com /picture/2.png", "mp.weixin.qq.com /picture/cover.png", "img.closed.test /3.png",
    }


async def test_the_icon_alone_reads_nothing(browser: Chromium) -> None:
    """Opening the popup makes no draft; the button does."""
    page = await browser.visit("wechat")
    popup = await browser.click_icon(page)
    await popup.until("document.querySelector('.pairing') !== null")
    stored = await (await browser.worker()).evaluate("chrome.storage.local.get(null)")
    assert not any(key.startswith("draft:") for key in stored)


async def test_the_popup_reads_the_page_and_opens_the_panel(browser: Chromium) -> None:
    """The real click: icon, button, side panel beside the page with the draft in it."""
    await browser.store({"session": {"address": "http://desk.localhost:9", "token": "t", "person": "per_1", "name": "陆晓棠", "title": "", "unit": "u",
                                     "unitName": "禾汀灌溉", "expires": "", "paired": "2026-11-23T01:00:00.000Z", "device": "d"}, "language": "zh"})
    page = await browser.visit("wechat")
    popup = await browser.click_icon(page)
    await popup.until("document.querySelector('#capture') !== null")
    await popup.evaluate("document.querySelector('#capture').click()")
    panel = await browser.beside()
    await panel.until("document.querySelector('#title')?.value")
    assert await panel.evaluate("innerWidth") >= 360
    stored = await (await browser.worker()).evaluate("chrome.storage.session.get('current')")
    draft = await browser.stored(f"draft:{stored['current']}")
    assert draft["title"] == "秋收之后，我们把水管修到了地头"


async def test_a_page_of_the_browser_is_refused_in_words(browser: Chromium) -> None:
    """chrome:// pages cannot be read; the answer is a code that the pages put into words."""
    panel = await browser.panel()
    tab = await panel.evaluate("chrome.tabs.getCurrent().then((tab) => tab.id)")
    answer = await panel.evaluate("(tab) => chrome.runtime.sendMessage({name: 'capture', args: {tab}})", tab)
    assert answer == {"error": {"code": "unsupported_page"}}
