"""The extension against a real WordPress: published, corrected, taken down, each by a submission of its own; what the public reads in between."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page

from gateway.demo.play import Story
from tests.acceptance.conftest import Stage
from tests.extension.browser import Pages, chromium
from tests.extension.people import Office, eventually, spent
from tests.extension.relay import Relay

pytestmark = [pytest.mark.xdist_group("stage"), pytest.mark.browser, pytest.mark.acceptance]


@pytest.fixture
async def office(stage: Stage, story: Story, tmp_path: Path) -> AsyncIterator[Office]:
    """A browser with the extension beside the company that has a real site; its people know which codes the story has used."""
    for player in story.players.values():
        spent(player)
    pages, wire = Pages(), Relay(urlsplit(stage.set.settings.desk_url).port or 0)
    await pages.start()
    await wire.start()
    rule = f"MAP {urlsplit(stage.set.settings.desk_url).netloc} 127.0.0.1:{wire.port}"
    async with chromium(tmp_path / "profile", pages.port, rule) as running:
        yield Office(stage.set, running, wire)
    await wire.stop()
    await pages.stop()


async def through(office: Office, panel: Page, state: str) -> str:
    """Hand in, have both sign, and wait for the publication's state on the card; return the address it has."""
    await office.answered(panel)
    await eventually(panel, "!document.querySelector('#submit').textContent.includes('还差')")
    before = await panel.evaluate("document.querySelector('#number')?.textContent ?? ''")  # the last item's, until the new one has its own
    await panel.click("#submit")
    await eventually(panel, f"document.querySelector('#number')?.checkVisibility() && document.querySelector('#number').textContent !== {json.dumps(before)}")
    number = await panel.inner_text("#number")
    [made] = [item for item in await office.mine() if item["number"] == number]
    for key in ("gu", "fang"):
        await office.sign_one(key, made["id"])
    async with asyncio.timeout(60):
        while not await panel.locator(f"#outcome .publication .chip.{state}").count():
            await asyncio.sleep(0.2)
            await panel.evaluate("chrome.storage.session.get('current').then(({current: id}) => chrome.runtime.sendMessage({name: 'follow', args: {id}}))")
    [done] = [item for item in await office.mine() if item["number"] == number]
    return str(done["publications"][0]["url"])


async def test_published_corrected_and_taken_down_on_a_real_site(office: Office) -> None:
    """更正 starts from what stands there and replaces it under the same address; 撤稿 takes it away; each only after its own approvals."""
    site = office.company.site
    assert site is not None, office.company.why_no_site
    channel = office.company.staffed.channels["site"]
    await office.pair()
    panel = await office.captured("闸门换好了")
    for other in await panel.evaluate("[...document.querySelectorAll('#channels input:checked')].map((box) => box.value)"):
        await panel.uncheck(f"#channels input[value='{other}']")
    await panel.check(f"#channels input[value='{channel}']")
    url = await through(office, panel, "live")
    status, page = site.public_page(url)
    assert (status, "闸门换好了" in page, "4.2公里" in html.unescape(page)) == (200, True, True)

    await panel.click("#outcome .publication >> text=更正")
    await eventually(panel, "document.querySelector('#form').dataset.act === 'edit' && document.querySelector('#form').checkVisibility()")
    assert "集团官网" in await panel.inner_text("#channels")
    assert await panel.input_value("#title") == "闸门换好了"
    await panel.fill("#title", "闸门换好了（更正）")
    await panel.evaluate("document.querySelector('#body p').append('闸门共六孔。'); document.querySelector('#body').dispatchEvent(new Event('input', {bubbles: true}))")
    assert "更正" not in site.public_page(url)[1]
    assert await through(office, panel, "live") == url
    status, page = site.public_page(url)
    assert (status, "闸门换好了（更正）" in page, "闸门共六孔。" in page) == (200, True, True)
    shown = {item["title"]: [one["state"] for one in item["publications"]] for item in await office.mine()}
    assert shown["闸门换好了"] == ["replaced"]

    await panel.click("#outcome .publication >> text=撤稿")
    await eventually(panel, "document.querySelector('#form').dataset.act === 'withdraw' && document.querySelector('#form').checkVisibility()")
    await panel.fill("#message", "孔数待核")
    assert site.public_page(url)[0] == 200
    await through(office, panel, "gone")
    assert site.public_page(url)[0] in {404, 410}
    assert not await panel.locator("#outcome .publication button").count()
    assert not any(item["state"] in {"in_review", "released"} for item in await office.mine() if "闸门" in item["title"])
