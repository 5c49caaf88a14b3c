"""From the click to the state on the card, against the real processes; and what happens when the way between them breaks."""

from __future__ import annotations

import asyncio

import pytest

from gateway.demo.browse import Browser
from tests.extension.people import Office, eventually, until

pytestmark = [pytest.mark.browser, pytest.mark.acceptance]


async def test_a_captured_article_is_submitted_and_its_card_tells_the_truth(office: Office) -> None:
    """Pair, capture, see the route, submit: one submission at the enforcer with the digest that the extension counted itself."""
    await office.pair()
    panel = await office.captured("冬修水渠开工了")
    await office.answered(panel)
    assert "顾长庚" in await panel.inner_text("#preflight .route")
    assert await panel.evaluate("[...document.querySelectorAll('#channels input:checked')].length") == 1
    await eventually(panel, "document.querySelector('#submit').textContent === '未勾选即声明为“无”，提交审批'")
    await panel.click("#submit")
    await until(panel, "#number")
    [mine] = [item for item in await office.mine() if item["title"] == "冬修水渠开工了"]
    assert await panel.inner_text("#number") == mine["number"]
    assert await panel.get_attribute("#fingerprint", "title") == mine["content"]
    shown = (await panel.inner_text("#fingerprint")).replace(" ", "")
    assert mine["content"].startswith(f"sha256:{shown}")
    assert len(shown) == 32
    assert "待审" in await panel.inner_text("#outcome")
    assert "顾长庚" in await panel.inner_text("#outcome")
    async with Browser() as gu:
        await office.at_counter(gu, "gu")
        queue = await gu.get(f"{office.company.settings.counter_url}/s/")
    assert "冬修水渠开工了" in queue.words()
    await panel.click("text=撤回")
    await eventually(panel, "document.querySelector('#outcome').innerText.includes('已撤回')")
    assert [item["state"] for item in await office.mine() if item["title"] == "冬修水渠开工了"] == ["recalled"]


async def test_an_unfiled_channel_is_said_before_the_button(office: Office) -> None:
    """林岚 may see 「变更备案中」 on her channel; the button leads to the reason instead of a refusal afterwards."""
    await office.pair("lin")
    panel = await office.captured("秋色正好")
    await panel.check(f"#channels input[value='{office.company.staffed.channels['weibo_unit']}']")
    await eventually(panel, "document.querySelectorAll('#preflight .problem').length > 0")
    assert "还差" in await panel.inner_text("#submit")
    await panel.click("#submit")
    await asyncio.sleep(0.5)
    assert not any(item["title"] == "秋色正好" for item in await office.mine())


async def test_what_was_clicked_offline_is_submitted_once_online_by_a_worker_that_died_in_between(office: Office) -> None:
    """No desk: kept and said so. The worker is killed. The wire is mended, the alarm rings: one submission, no second click."""
    await office.pair()
    panel = await office.captured("雪前抢修泵站")
    await office.answered(panel)
    office.relay.cut()
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#outcome').innerText.includes('已存本机，联网后自动提交')")
    await office.browser.kill_worker()
    office.relay.mend()
    await office.tick()
    await until(panel, "#number", 30)
    assert [item["number"] for item in await office.mine() if item["title"] == "雪前抢修泵站"] == [await panel.inner_text("#number")]
    assert await office.browser.stored("outbox") == []


async def test_a_lost_answer_gives_one_submission(office: Office) -> None:
    """The desk acted, its answer never came: the same command again is the same submission."""
    await office.pair()
    panel = await office.captured("夜巡二号泵站")
    await office.answered(panel)
    office.relay.lose_answer_to_submission = True
    await panel.click("#submit")
    async with asyncio.timeout(30):
        while office.relay.up:
            await asyncio.sleep(0.05)
    await eventually(panel, "document.querySelector('#outcome').innerText.includes('已存本机')")
    assert len([item for item in await office.mine() if item["title"] == "夜巡二号泵站"]) == 1
    office.relay.lose_answer_to_submission = False
    office.relay.mend()
    await office.tick()
    await until(panel, "#number", 30)
    assert len([item for item in await office.mine() if item["title"] == "夜巡二号泵站"]) == 1
    assert office.relay.requests.count("POST /api/v1/submissions") >= 2


async def test_two_clicks_are_one_submission(office: Office) -> None:
    """A double click, and the message sent twice besides."""
    await office.pair()
    panel = await office.captured("一键两次")
    await office.answered(panel)
    draft = panel.url.rpartition("=")[2]
    await panel.evaluate(
        "(id) => Promise.all([1, 2, 3].map(() => chrome.runtime.sendMessage({name: 'submit', args: {id}})))", draft,
    )
    await until(panel, "#number")
    assert len([item for item in await office.mine() if item["title"] == "一键两次"]) == 1


async def test_a_revoked_device_keeps_its_draft_and_says_pair_again(office: Office) -> None:
    """Revoked at the counter: the next click says 「重新配对」, nothing is lost, and after pairing one more click hands it in."""
    await office.pair()
    panel = await office.captured("停用之后")
    await office.answered(panel)
    await office.revoke_devices("lu")
    await asyncio.sleep(5.5)  # the desk may believe an answer for five seconds
    answer = await panel.evaluate("chrome.runtime.sendMessage({name: 'submissions'})")
    assert answer == {"error": {"code": "session_gone"}}
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#notice').innerText.includes('重新配对')")
    assert await office.browser.stored("session") is None
    assert (await office.browser.stored(f"draft:{panel.url.rpartition('=')[2]}"))["title"] == "停用之后"
    await office.pair()
    await panel.bring_to_front()
    await panel.click("#submit")
    await until(panel, "#number")
    assert len([item for item in await office.mine() if item["title"] == "停用之后"]) == 1


async def test_nobody_submits_what_another_person_clicked(office: Office) -> None:
    """A queued errand belongs to who clicked: someone else who pairs the same browser gets it back unsubmitted."""
    await office.pair("lu")
    panel = await office.captured("不该由别人交")
    await office.answered(panel)
    office.relay.cut()
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#outcome').innerText.includes('已存本机')")
    office.relay.mend()
    options = await office.browser.page("options/options.html")
    await options.click("#unpair")
    await until(options, "#code")
    await office.pair("lin")
    await panel.reload()
    await eventually(panel, "document.querySelector('#notice').innerText.includes('没有替他提交')")
    assert not any(item["title"] == "不该由别人交" for item in await office.mine())


async def test_unpairing_ends_the_session_at_the_desk_too(office: Office) -> None:
    """The token that was kept is worth nothing afterwards."""
    options = await office.pair()
    token = (await office.browser.stored("session"))["token"]
    await options.click("#unpair")
    await until(options, "#code")
    assert await office.browser.stored("session") is None
    async with Browser() as thief:
        status, _ = await thief.json("GET", f"{office.company.settings.desk_url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert status == 401


async def test_a_desk_that_alters_the_words_is_caught(office: Office) -> None:
    """Threat model, first row: a desk that stores other words than were typed gets no submission, and the person is told."""
    await office.pair()
    office.relay.swap = ("冬修".encode(), "春修".encode())
    panel = await office.captured("冬修水渠完工了")
    await eventually(panel, "document.querySelector('#notice').innerText.includes('与您填写的不一致')")
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#notice').innerText.includes('没有提交')")
    await asyncio.sleep(0.5)
    assert "POST /api/v1/submissions" not in office.relay.requests


async def test_a_wrong_code_is_refused_in_words(office: Office) -> None:
    """What happened, and where a code comes from; nothing is kept."""
    await office.browser.store({"language": "zh"})
    await office.browser.allow("http://desk.localhost/*")
    options = await office.browser.page("options/options.html")
    await options.fill("#address", office.company.settings.desk_url)
    await options.fill("#code", "2222-2222")
    await options.click("#pair")
    await until(options, ".problem")
    assert "配对码不对或已过期" in await options.inner_text(".problem")
    assert await office.browser.stored("session") is None
