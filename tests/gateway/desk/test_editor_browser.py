"""The editor in real Chromium, over the real desk and enforcer: what is typed, pasted or put in is never lost, and what was taken out is shown."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from tests.gateway.desk.conftest import Place
from tests.gateway.desk.story import hand_in, picture, sign, submission_of, write
from tests.gateway.enforcer.counter.chromium import chromium

pytestmark = pytest.mark.browser

WORD = (
    "<html><head><style>p.MsoNormal{margin:0}</style></head><body><p class=MsoNormal style='mso-pagination:none;position:fixed;color:red'>"
    "更换<b>老旧</b>支管<o:p></o:p></p><script>alert(1)</script>"
    "<section style='background:url(https://cdn.editor.example/bg.png)' onclick='x()'><p>轮灌时间</p>"
    "<img src='https://cdn.editor.example/a.png' alt='现场'></section></body></html>"
)
PASTE = """([html, file]) => {
  const data = new DataTransfer(), doc = document.getElementById("body").contentDocument;
  if (html) data.setData("text/html", html);
  if (file) data.items.add(new File([Uint8Array.from(atob(file), (c) => c.charCodeAt(0))], "p.png", { type: "image/png" }));
  doc.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
BODY = "() => document.getElementById('body').contentDocument.body.innerHTML"
TEXT = "() => document.getElementById('body').contentDocument.body.textContent"
KEPT = "() => Object.keys(localStorage).filter((name) => name.startsWith('qianfa-draft-')).length"
READY = "() => { const d = document.getElementById('body').contentDocument; return d && d.body && d.body.isContentEditable }"
WAIT = 30_000


@asynccontextmanager
async def writing(place: Place, width: int = 1440) -> AsyncIterator[tuple[Any, str]]:
    """Open a browser where 陆晓棠 is signed in; yield its context and the address of a fresh draft."""
    made = await (await place.browser("lu")).post("/drafts")
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": width, "height": 900}, locale="zh-CN")
        context.set_default_timeout(WAIT)
        await context.add_cookies([{"name": place.settings.cookie, "value": place.token("lu"), "url": place.settings.desk_url}])
        yield context, place.settings.desk_url + made.location
        await context.close()


async def opened(context: Any, address: str) -> Any:
    """Open the draft in a new window, ready to be written in."""
    page = await context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(address)
    await page.wait_for_function(READY)
    return page


async def saved(page: Any, work: Any, status: int = 200) -> None:
    """Do something, and wait for the save that follows it."""
    async with page.expect_response(lambda answer: answer.url.endswith("/save") and answer.status == status, timeout=WAIT):
        await work


async def kept(place: Place, address: str, *wanted: str) -> None:
    """Wait until the desk holds all of this in the draft."""
    draft, person = address.rsplit("/", 1)[1], place.people("lu")
    async with asyncio.timeout(WAIT / 1000):
        while True:
            row = await place.parts.drafts.get(draft, person)
            held = json.dumps(row.form, ensure_ascii=False) + row.body
            if all(item in held for item in wanted):
                return
            await asyncio.sleep(0.05)


async def test_writing_with_the_keyboard_alone_survives_a_reload(place: Place) -> None:
    """Title, tools and body are reached by Tab; a half-composed syllable is neither saved as text for good nor broken; at 375 px nothing sticks out."""
    async with writing(place, 375) as (context, address):
        page = await opened(context, address)
        assert await page.evaluate("() => document.documentElement.scrollWidth") <= 375
        await page.focus("#title")
        await saved(page, page.keyboard.type("秋收之后"))
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.evaluate("() => document.activeElement.id") == "body":
                break
        assert await page.evaluate("() => document.activeElement.id") == "body", "the body is not reached by Tab"
        await saved(page, page.keyboard.type("入冬前"))
        keys = await context.new_cdp_session(page)
        await saved(page, keys.send("Input.imeSetComposition", {"text": "zhi", "selectionStart": 3, "selectionEnd": 3}))
        await saved(page, keys.send("Input.insertText", {"text": "支管"}))
        await saved(page, page.keyboard.press("Control+s"))
        await kept(place, address, "秋收之后", "入冬前支管")
        await page.reload()
        await page.wait_for_function(READY)
        assert await page.input_value("#title") == "秋收之后"
        assert await page.evaluate(TEXT) == "入冬前支管"


async def test_pasted_words_and_pictures_come_in_clean(place: Place) -> None:
    """What Word and rich editors put in is taken out and listed; pictures come in by paste and by choice, and one click makes another the cover."""
    async with writing(place) as (context, address):
        page = await opened(context, address)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await saved(page, page.evaluate(PASTE, [WORD, None]))
        html = await page.evaluate(BODY)
        assert "老旧" in html
        assert "轮灌时间" in html
        for left in ("script", "onclick", "mso-", "position", "editor.example", "o:p", "MsoNormal"):
            assert left not in html, html
        removed = await page.inner_text("#removed")
        assert "script" in removed
        assert "现场" in removed
        await saved(page, page.evaluate(PASTE, ["<img src='https://cdn.editor.example/b.png'>", base64.b64encode(picture(colour="#123456")).decode()]))
        await saved(page, page.set_input_files("#tool-picture", [{"name": "a.png", "mimeType": "image/png", "buffer": picture()}]))
        assert await page.locator("#covers button").count() == 2
        assert await page.locator("#covers button").first.get_attribute("aria-checked") == "true"
        second = page.locator("#covers button").nth(1)
        await saved(page, second.click())
        await kept(place, address, f'"cover": "{await second.get_attribute("data-digest")}"')
        await page.reload()
        await page.wait_for_function(READY)
        assert await page.locator("#covers button[aria-checked=true]").count() == 1
        assert (await page.evaluate(BODY)).count("<img") == 2
        assert not [url for url in asked if "editor.example" in url]
        body = page.frame_locator("#body").locator("body")
        await saved(page, body.press_sequentially("2026年9月10日星期五"))
        await page.locator("#panel .fix").first.click()
        await page.wait_for_function("() => document.getElementById('body').contentDocument.body.textContent.includes('星期四')")


async def test_nothing_is_lost_when_the_desk_is_away_or_two_windows_write(place: Place) -> None:
    """Typed without the desk it stays on this device and is offered; of two windows the later is told, and keeps its text whatever the other saves."""
    async with writing(place) as (context, address):
        first = await opened(context, address)
        await first.locator("input[name=category][value=company]").check()
        await saved(first, first.locator(f"input[name=channel][value={place.channel('wechat_group')}]").check())
        await context.set_offline(True)
        await first.fill("#title", "断网时写的")
        await first.locator(f"input[name=channel][value={place.channel('wechat_group')}]").uncheck()
        await first.locator(f"input[name=channel][value={place.channel()}]").check()
        await first.locator("input[name=when][value=fixed]").check()
        await first.fill("#scheduled", "2099-01-02T07:30")
        await first.wait_for_function(f"() => ({KEPT})() && Object.values(localStorage).some((text) => text.includes('2099-01-01T23:30'))")
        await first.close()
        await context.set_offline(False)
        page = await opened(context, address)
        await page.locator("#local-copy").wait_for(state="visible")
        await saved(page, page.click("#use-local"))
        assert await page.input_value("#title") == "断网时写的"
        assert await page.locator("input[name=category][value=company]").is_checked()
        chosen = "() => [...document.querySelectorAll('input[name=channel]:checked')].map((node) => node.value)"
        assert await page.evaluate(chosen) == [place.channel()]
        assert await page.input_value("#scheduled") == "2099-01-02T07:30"
        assert await page.locator("#scheduled").is_visible()
        await kept(place, address, '"scheduled": "2099-01-01T23:30:00.000Z"', place.channel())
        await page.wait_for_function(f"() => ({KEPT})() === 0")
        assert await page.locator("#local-copy").is_hidden()

        later = await opened(context, address)
        await saved(page, page.fill("#title", "第一个窗口"))
        await kept(place, address, "第一个窗口")
        await saved(later, later.fill("#title", "第二个窗口"), 409)
        await later.wait_for_function("() => document.getElementById('saved').textContent.includes('另一个窗口改过')")
        await saved(page, page.fill("#summary", "第一个窗口又存了一次"))
        await kept(place, address, "又存了一次")
        await later.reload()
        await later.wait_for_function(READY)
        assert await later.input_value("#title") == "第一个窗口"
        await saved(later, later.click("#use-local"))
        assert await later.input_value("#title") == "第二个窗口"


async def test_a_channel_that_is_done_is_left_out_by_opening_the_editor(place: Place) -> None:
    """Of a returned item one channel is out: the editor cannot tick it, saves the draft without it, and what is left may be handed in."""
    lu, group = await place.browser("lu"), place.channel("wechat_group")
    draft = await write(lu, "秋收之后", group, place.channel())
    submission = submission_of(await hand_in(lu, draft))
    await sign(place, "gu", submission, "approve")
    await sign(place, "fang", submission, "release", group)
    await place.house.until(str(place.house.state.submissions[submission].target(group).publication), "live")
    await place.house.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "fang", Grade.COUNTER)
    await place.caught_up()
    async with writing(place) as (context, _):
        page = await context.new_page()
        await saved(page, page.goto(f"{place.settings.desk_url}/drafts/{draft}"))
        assert await page.locator("input[type=checkbox][disabled]").count() == 1
        await page.locator("#send button.primary:not([data-blocking])").wait_for()
        await page.locator("#send button.primary").click()
        await page.wait_for_url(f"**/submissions/{submission}*")
    found = place.house.state.submissions[submission]
    assert (found.revision, [target.channel for target in found.targets], found.effective) == (2, [place.channel()], (group,))


async def test_a_picture_that_does_not_come_in_says_why(place: Place) -> None:
    """One that is too large is named before it is sent; one that is lost on the way is not called kept; the next one comes in."""
    async with writing(place) as (context, address):
        page = await opened(context, address)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.set_input_files("#tool-picture", [{"name": "a.png", "mimeType": "image/png", "buffer": bytes((10 << 20) + 1)}])
        await page.wait_for_function("() => document.getElementById('saved').textContent.includes('超过 10 MB')")
        assert not [url for url in asked if url.endswith("/pictures")]
        await page.route("**/pictures", lambda route: route.abort())
        await page.set_input_files("#tool-picture", [{"name": "a.png", "mimeType": "image/png", "buffer": picture()}])
        await page.wait_for_function("() => document.getElementById('saved').textContent.includes('没有传上去')")
        await page.unroute("**/pictures")
        await saved(page, page.set_input_files("#tool-picture", [{"name": "a.png", "mimeType": "image/png", "buffer": picture()}]))
        assert (await page.evaluate(BODY)).count("<img") == 1
