"""What the extension reads from pages, when, and what it never does with it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from gateway.desk.normalise import normalise_html
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
        "left": [{"kind": "video", "name": "v.qq.com"}],
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
    await popup.click("#capture")
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


def left(draft: dict[str, Any], kind: str) -> list[str]:
    """Return the names of what was left behind, of one kind."""
    return [item["name"] for item in draft["report"]["left"] if item["kind"] == kind]


async def test_what_135_and_xiumi_make_is_read_and_what_cannot_be_seen_is_named(browser: Chromium) -> None:
    """Lazy and embedded pictures, nested sections, tables; films, voices, cards, drawings and backgrounds by name; hidden words are told."""
    draft = await captured(browser, "wechat-135")
    assert [(item["url"].rpartition("/")[2], item["read"]) for item in draft["pictures"]] == [("11.png", True), ("2", True)]
    assert left(draft, "hidden") == ["加微信领红包", "样式表藏起的话", "零号字", "白纸白字", "屏幕外面"]
    assert not any(words in draft["html"] for words in left(draft, "hidden"))
    assert "浅色的字印在图上。" in draft["html"]
    assert "检修<em" in draft["html"]
    assert left(draft, "video") == ["泵站航拍", "mp.weixin.qq.com"]
    assert (left(draft, "audio"), left(draft, "card"), left(draft, "drawing")) == (["现场录音"], ["禾汀集团"], ["动画标题"])
    assert left(draft, "background") == ["paper.png"]
    assert 'href="http://mp.weixin.qq.com/s/abc?x=[1]"' in draft["html"]
    panel = await browser.panel(draft["id"])
    await panel.wait_for_selector("#form:not([hidden])")
    assert await panel.evaluate("document.querySelector('#report details').open")
    assert await panel.evaluate("[...document.querySelectorAll('#body section')].some((box) => getComputedStyle(box).backgroundImage.startsWith('linear-gradient'))")
    faint = await panel.inner_text("#faint")
    assert "浅色的字印在图上。" in faint
    assert "检修" not in faint
    told = await panel.inner_text("#report")
    assert all(words in told for words in ("加微信领红包", "泵站航拍", "现场录音", "禾汀集团"))


async def test_the_old_editor_and_the_long_article_are_read(browser: Chromium) -> None:
    """A frame's body with its own hidden words; title, lead and cover of a long Weibo article."""
    draft = await captured(browser, "wechat-old")
    assert (draft["title"], draft["summary"], draft["account"]) == ("旧编辑器里的稿件", "旧摘要", "禾汀灌溉")
    assert "旧编辑器的正文。" in draft["html"]
    assert left(draft, "hidden") == ["藏着的字"]
    assert [(item["url"].rpartition("/")[2], item["read"]) for item in draft["pictures"]] == [("21.png", True)]
    draft = await captured(browser, "weibo-article")
    assert (draft["title"], draft["summary"], draft["account"], draft["report"]["cover"]) == ("乡野秋色长文", "一路秋色", "禾汀乡野", 1)
    assert "<figcaption>稻田</figcaption>" in draft["html"]


async def test_shadow_trees_lazy_pictures_and_folded_words(browser: Chromium) -> None:
    """What a reader sees is taken, wherever it stands in the tree; what is folded or meant for screen readers is told."""
    draft = await captured(browser, "modern")
    text = [words for words in ("开头一段", "影子里的一段。", "插槽里的导语。", "关着的影子里的一段。", "第三条") if words in draft["html"]]
    assert text == ["开头一段", "影子里的一段。", "插槽里的导语。", "关着的影子里的一段。", "第三条"]
    assert sorted(text, key=draft["html"].index) == text
    assert [item["url"].rpartition("/")[2] for item in draft["pictures"]] == ["41.png", "42.png", "43.png"]
    assert left(draft, "hidden") == ["给读屏软件的话", "折叠起来的话", "没有展开的话"]
    assert (left(draft, "video"), left(draft, "card")) == (["航拍短片"], ["灌区地图"])


async def test_a_selection_across_elements_keeps_its_structure(browser: Chromium) -> None:
    """From the middle of one element to the middle of another: those words and no others, list items in their list."""
    page = await browser.visit("modern")
    await page.evaluate(
        "() => { const range = document.createRange(); range.setStart(document.getElementById('i').firstChild, 1);"
        " range.setEnd(document.getElementById('two').firstChild, 2); getSelection().removeAllRanges(); getSelection().addRange(range); }",
    )
    draft = await browser.stored(f"draft:{await browser.capture(page)}")
    assert '<p id="a"><b id="b"><i id="i">区</i></b>的由来。</p>' in draft["html"]
    assert '<ul id="list"><li id="one">第一条</li><li id="two">第二</li></ul>' in draft["html"]
    assert "影子里的一段。" in draft["html"]
    assert not any(words in draft["html"] for words in ("开头", "数字灌", "第三条", "航拍"))


async def test_an_honest_desk_gives_no_alarm(browser: Chromium) -> None:
    """What the desk's normaliser makes of a captured text says the same by the extension's own reading; one letter more does not."""
    compare = "([mine, theirs]) => import('/reading.js').then(({difference}) => difference(mine, theirs))"
    for name in ("wechat", "wechat-135", "wechat-old", "weibo", "weibo-article", "classic", "blocks", "article", "modern", "hostile"):
        page = await browser.visit(name)
        draft = await browser.capture(page)
        panel = await browser.panel(draft)
        await panel.wait_for_selector("#form:not([hidden])")
        html: str = (await browser.stored(f"draft:{draft}"))["html"]
        for number, spelt in enumerate(re.findall(r'src="https?://[^"]*"', html), 1):
            html = html.replace(spelt, f'src="media:sha256:{number:064x}"', 1)
        body = normalise_html(html).body
        assert await panel.evaluate(compare, [html, body]) is None, name
        assert (await panel.evaluate(compare, [html, body.replace("</p>", "。</p>", 1)]))["field"] == "body", name
        await panel.close()
        await page.close()


SESSION = {
    "address": "http://desk.localhost:9", "token": "t", "person": "per_1", "name": "陆晓棠", "title": "", "unit": "u", "unitName": "禾汀灌溉", "expires": "",
    "paired": "2026-11-23T01:00:00.000Z", "device": "d",
}


async def test_an_editor_that_changed_since_is_said_and_read_again(browser: Chromium) -> None:
    """与后台内容不一致 in popup and panel once the editor's words change, not when only its looks do; reading again keeps what was declared."""
    await browser.store({"session": SESSION, "language": "zh"})
    page = await browser.visit("wechat")
    draft = await browser.capture(page)
    panel = await browser.panel(draft)
    await panel.wait_for_selector("#form:not([hidden])")
    await panel.select_option("#category", "news")
    await panel.check("#ai_generated")
    await page.evaluate("document.querySelector('.ProseMirror p').style.color = 'red'")
    popup = await browser.click_icon(page)
    await popup.until("document.querySelector('#standing')?.innerText.includes('草稿')")
    assert await popup.evaluate("document.querySelector('#standing .warning')") is None
    await popup.close()
    await page.evaluate("document.querySelector('.ProseMirror p').append('（更正）')")
    await panel.bring_to_front()
    await panel.evaluate("dispatchEvent(new Event('focus'))")
    await panel.wait_for_selector("#otherNow:not([hidden])")
    popup = await browser.click_icon(page)
    await popup.until("document.querySelector('#standing .warning')?.innerText.includes('与后台内容不一致')")
    assert await popup.evaluate("document.querySelector('#again') !== null")
    await popup.evaluate(  # what the button asks of the worker; the panel that it opens beside is here already
        "chrome.tabs.query({active: true, currentWindow: true}).then(([tab]) => chrome.runtime.sendMessage({name: 'capture', args: {tab: tab.id, into: '"
        + draft + "'}}))",
    )
    async with asyncio.timeout(20):
        while "（更正）" not in (kept := await browser.stored(f"draft:{draft}"))["html"]:
            await asyncio.sleep(0.1)
    assert (kept["facts"]["category"], kept["facts"]["ai_generated"]) == ("news", True)


async def test_a_cover_is_cut_and_a_correction_takes_everything_over(browser: Chromium) -> None:
    """2.35:1 at the chosen place becomes the cover; 更正 of what is public starts from the same text and pictures and names what it replaces."""
    await browser.store({"session": SESSION, "language": "zh"})
    draft = await browser.capture(await browser.visit("wechat"))
    panel = await browser.panel(draft)
    await panel.wait_for_selector("#cutting [data-shape='2.35']")
    before = (await browser.stored(f"draft:{draft}"))["cover"]
    await panel.click("#cutting [data-shape='2.35']")
    await panel.evaluate("(() => { const place = document.querySelector('#cutting input'); place.value = 1000; place.dispatchEvent(new Event('input')); })()")
    await panel.click("#cropKeep")
    async with asyncio.timeout(20):
        while (kept := await browser.stored(f"draft:{draft}"))["cover"] == before:
            await asyncio.sleep(0.1)
    size = "([id, url]) => import('/pictures.js').then(({picture}) => picture(id, url)).then(createImageBitmap).then(({width, height}) => [width, height])"
    assert await panel.evaluate(size, [draft, kept["cover"]]) == [64, 27]
    made = await panel.evaluate(
        "(mine) => import('/panel/begin.js').then(({follower}) => follower(mine, {id: 'pub_1', channel: 'ch_1', name: '', state: 'live', url: ''}, 'edit'))", kept,
    )
    assert made["act"] == {"operation": "edit", "channel": "ch_1", "previous": "pub_1"}
    assert [made[key] for key in ("title", "html", "pictures", "cover")] == [kept[key] for key in ("title", "html", "pictures", "cover")]
    assert made["id"] != draft
    assert await panel.evaluate(size, [made["id"], kept["cover"]]) == [64, 27]
