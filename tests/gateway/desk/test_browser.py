"""The desk in real Chromium: what was typed survives taking a suggestion over, the preview is the counter's, nothing runs off a phone."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.notes import Note, Notes
from tests.gateway.desk.conftest import Place
from tests.gateway.desk.story import hand_in, submission_of, write
from tests.gateway.enforcer.counter.chromium import chromium

pytestmark = pytest.mark.browser
PHONE, DESK = {"width": 375, "height": 812}, {"width": 1440, "height": 900}


async def page_of(place: Place, browser: Any, who: str, size: dict[str, int], faults: list[str]) -> Any:
    """Return a page of a signed-in person; what the console complains of is kept."""
    context = await browser.new_context(viewport=size, locale="zh-CN")
    await context.add_cookies([{"name": place.settings.cookie, "value": place.token(who), "url": place.settings.desk_url}])
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    return page


async def test_a_suggestion_is_taken_over_with_what_was_just_typed(place: Place) -> None:
    """Typing, then at once 采用建议: both are in the draft; the preview's tabs switch between channels; no page is wider than a phone."""
    lu = await place.browser("lu")
    draft = await write(lu, "比武落幕", place.channel(), place.channel("wechat_group"), html="<p>仪式将于11月27日（星期四）举行。</p>")
    submission = submission_of(await hand_in(lu, draft))
    notes = Notes(notes=(Note(field="body", start=12, quote="星期四", replace_with="星期五"), Note(field="title", start=2, quote="落幕", replace_with="收官")))
    blob = place.house.runner.blobs.put(notes.to_bytes())
    await place.house.do(c.Return(submission=submission, revision=1, reason="data", notes=blob), "gu", Grade.COUNTER)
    await place.caught_up()
    faults: list[str] = []
    async with chromium() as browser:
        page = await page_of(place, browser, "lu", DESK, faults)
        await page.goto(f"{place.settings.desk_url}/drafts/{draft}")
        await page.frame_locator("#preview").get_by_text("陆晓棠 · 禾汀灌溉").wait_for()
        await page.locator(".preview-tab", has_text="禾汀集团").click()
        await page.frame_locator("#preview").get_by_text("陆晓棠 · 禾汀集团").wait_for()
        await page.locator("#summary").fill("刚写的摘要")
        await page.get_by_role("button", name="采用全部 2 条建议").click()
        await page.get_by_text("已采用建议").wait_for()
        assert await page.locator("#title").input_value() == "比武收官"
        assert await page.locator("#summary").input_value() == "刚写的摘要"
        await page.frame_locator("#body").get_by_text("星期五").wait_for()
        assert await page.get_by_text("已采用，或这里已改过").count() == 2
        phone = await page_of(place, browser, "fang", PHONE, faults)
        for path in ("/", "/publications", "/publications/schedule", "/log", "/people", "/refusals", "/channels", f"/submissions/{submission}", "/status"):
            await phone.goto(place.settings.desk_url + path)
            assert await phone.evaluate("document.documentElement.scrollWidth") <= 375, path
            here = await phone.evaluate("(() => { const n = document.querySelector('.nav [aria-current]'); return n ? n.getBoundingClientRect().right : 0 })()")
            assert here <= 375, path
    assert faults == []
    row = await place.parts.drafts.get(draft, place.people("lu"))
    assert row.title == "比武收官"
    assert "星期五" in row.body
