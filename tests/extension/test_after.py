"""After the submission: whom it waits for is told, what was released is followed to its links, what is public is taken down by a submission."""

from __future__ import annotations

import asyncio

import pytest

from tests.extension.conftest import Robot
from tests.extension.people import Office, eventually, until

pytestmark = [pytest.mark.browser, pytest.mark.acceptance]


async def test_from_a_nudge_to_the_links_and_to_the_withdrawal(office: Office, robot: Robot) -> None:
    """催办 reaches the group, once in two hours; the popup shows each channel's state and opens all links; 撤稿 hands in a withdrawal."""
    await office.pair()
    title = "村口的水表装好了"
    panel = await office.captured(title)
    group = office.company.staffed.channels["wechat_group"]
    await panel.check(f"#channels input[value='{group}']")
    await office.answered(panel)
    await eventually(panel, "document.querySelector('#submit').textContent.includes('提交审批')")
    await panel.click("#submit")
    await until(panel, "#number")

    popup = await office.browser.page("popup/popup.html")
    await until(popup, "#list .nudge")
    told = len(robot.said)
    await popup.click("#list .nudge")
    await eventually(popup, "document.querySelector('#list .nudged')?.innerText.includes('已催办 顾长庚')")
    await eventually(panel, "document.querySelector('#outcome .nudged') !== null", 30)
    answer = await popup.evaluate(
        "(id) => chrome.runtime.sendMessage({name: 'nudge', args: {id, command: crypto.randomUUID()}})", (await office.browser.stored("submissions"))[0]["id"],
    )
    assert answer["error"]["code"] == "nudged"
    assert any(title in line for line in robot.said[told:])

    await office.sign("gu", title)
    await office.sign("fang", title)
    await office.tick()
    async with asyncio.timeout(90):
        while await popup.locator("#list .chip.live").count() < 2:
            await popup.evaluate("chrome.runtime.sendMessage({name: 'submissions', args: {}})")
            await popup.reload()
            await until(popup, "#list .publication")
    assert title in await popup.inner_text("#list")
    assert "已发布" in await popup.inner_text("#list .publication >> nth=0")
    links = await popup.evaluate("[...document.querySelectorAll('#list .publication a')].map((a) => a.href)")
    before = len(office.browser.context.pages)
    await popup.click("#list .openAll")
    await eventually(popup, f"chrome.tabs.query({{}}).then((tabs) => tabs.length >= {before + 2})")
    assert len(links) == len(set(links)) == 2

    await eventually(panel, "document.querySelectorAll('#outcome .publication').length === 2", 30)
    row = "#outcome .publication:has-text('禾汀灌溉')"
    assert await panel.inner_text(f"{row} >> button") == "撤稿"
    await panel.click(f"{row} >> text=撤稿")
    await eventually(panel, "document.querySelector('#form').dataset.act === 'withdraw' && document.querySelector('#form').checkVisibility()")
    assert not await panel.is_visible("#title")
    assert "撤下" in await panel.inner_text("#channels")
    await panel.fill("#message", "水表数量写错")
    await office.answered(panel)
    await eventually(panel, "document.querySelector('#submit').textContent === '提交审批'")
    await panel.click("#submit")
    await until(panel, "#number")
    [made] = [item for item in await office.mine() if item["state"] == "in_review" and item["number"] == await panel.inner_text("#number")]
    assert made["content"] is None


async def test_what_waits_is_taken_back_and_goes_in_again_without_what_is_out(office: Office) -> None:
    """One of two channels is out: the card takes back the other, 改好再报 shows the first as published and offers it no more, revision 2 is for the rest."""
    await office.pair()
    title, channels = "支管换完了", office.company.staffed.channels
    group, unit = channels["wechat_group"], channels["wechat_unit"]
    panel = await office.captured(title)
    await panel.check(f"#channels input[value='{group}']")
    await office.answered(panel)
    await eventually(panel, "document.querySelector('#submit').textContent.includes('提交审批')")
    await panel.click("#submit")
    await until(panel, "#number")
    await office.sign("gu", title)
    await office.release_on("fang", title, group)
    await eventually(panel, "document.querySelector('#outcome .chip.pub_live, #outcome .publication .live') !== null", 60)
    assert "已发布的渠道不随撤回和修改变动" in await panel.inner_text("#partly")
    await panel.click("text=撤回未放行的渠道")
    await eventually(panel, "document.querySelector('#outcome').innerText.includes('已撤回')")
    popup = await office.browser.page("popup/popup.html")
    await eventually(popup, "document.querySelector('#list li')?.innerText.includes('已撤回')")
    assert "已发布" in await popup.inner_text("#list .publication >> nth=0")
    await popup.close()
    await panel.bring_to_front()
    await panel.click("text=改好再报")
    await until(panel, f"#channels [data-out='{group}']")
    out = await panel.inner_text(f"#channels [data-out='{group}']")
    assert "已发布" in out
    assert "第1稿已发出，修改不影响它；要改已发布的，请用「更正」" in out
    assert await panel.evaluate("[...document.querySelectorAll('#channels input')].map(({value, checked}) => [value, checked])") == [
        [one, one == unit] for one in [item["id"] for item in await office.browser.stored("channels")] if one != group]
    await panel.fill("#title", f"{title}（二）")
    await office.answered(panel)
    await eventually(panel, "document.querySelector('#submit').textContent.includes('提交审批')")
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#outcome').checkVisibility() && document.querySelector('#outcome').innerText.includes('第 2 稿')")
    [made] = [item for item in await office.mine() if item["number"] == await panel.inner_text("#number")]
    assert (made["revision"], [target["channel"] for target in made["targets"]]) == (2, [unit])
    assert [(sent["channel"], sent["state"], sent["revision"]) for sent in made["publications"]] == [(group, "live", 1)]
