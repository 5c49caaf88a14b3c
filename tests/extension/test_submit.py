"""From the click to the state on the card, against the real processes; and what happens when the way between them breaks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from gateway.demo.browse import Browser
from gateway.protocol.instants import OFFICE_ZONE
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


async def test_an_unfiled_channel_and_a_blackout_are_said_before_the_button(office: Office) -> None:
    """林岚 may see 「变更备案中」 on her channel; the button leads to the reason instead of a refusal afterwards.

    A channel in a blackout says so, why, until when and whom to ask; a fixed time inside it stands in the way, in both languages.
    """
    await office.pair("lin")
    panel = await office.captured("秋色正好")
    await panel.check(f"#channels input[value='{office.company.staffed.channels['weibo_unit']}']")
    await eventually(panel, "document.querySelectorAll('#preflight .problem').length > 0")
    assert "还差" in await panel.inner_text("#submit")
    await panel.click("#submit")
    await asyncio.sleep(0.5)
    assert not any(item["title"] == "秋色正好" for item in await office.mine())
    await panel.evaluate("document.querySelector('#blank').click()")
    await eventually(panel, "document.querySelector('#report').hidden")
    assert await panel.inner_text("#preflight") == ""
    await panel.reload()
    await eventually(panel, "document.querySelectorAll('#preflight .problem').length > 0")

    dark = office.company.staffed.channels["wechat_group"]
    last = (datetime.now(OFFICE_ZONE) + timedelta(days=1)).date()
    async with office.blackout(dark, "mourning", "国家公祭日", last.isoformat()):
        await panel.uncheck(f"#channels input[value='{office.company.staffed.channels['weibo_unit']}']")
        await panel.check(f"#channels input[value='{dark}']")
        await panel.reload()
        await until(panel, "#preflight .blackout")
        shown = await panel.inner_text("#preflight .blackout")
        end = datetime.combine(last + timedelta(days=1), time(), OFFICE_ZONE).isoformat()
        after = await panel.evaluate("(at) => import('/words.js').then(({when}) => when(at))", end)
        assert all(words in shown for words in ("「禾汀集团」", "哀悼日", after, "不发布、不更正，撤稿不受影响", "第八条", "许文澜", "6605")), shown
        await eventually(panel, "!document.querySelector('#submit').textContent.includes('还差')")
        assert f"静默期，{after} 以前不发" in await panel.inner_text(f"#channels label:has(input[value='{dark}'])")
        await panel.check("#later")
        await panel.fill("#scheduled", f"{last.isoformat()}T12:00")
        await until(panel, "#preflight .problem")
        assert "许文澜" in await panel.inner_text("#preflight .problem >> nth=0")
        await eventually(panel, "document.querySelector('#submit').textContent === '还差 1 处'")
        await office.browser.store({"language": "en"})
        await panel.reload()
        await until(panel, "#preflight .blackout")
        shown = await panel.inner_text("#preflight")
        assert all(words in shown for words in ("Blackout on “禾汀集团”", "day of mourning", "article 8", "Ask: 许文澜")), shown


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


async def test_a_look_beforehand_does_not_get_between_save_and_submission(office: Office) -> None:
    """Many looks are asked for in the same moment as the submission: one submission goes in, with the version it was saved as."""
    await office.pair()
    panel = await office.captured("同时问同时交")
    await office.answered(panel)
    draft = panel.url.rpartition("=")[2]
    answers = await panel.evaluate(
        "(id) => Promise.all(['preflight', 'preflight', 'submit', 'preflight', 'preflight'].map((name) => chrome.runtime.sendMessage({name, args: {id}})))", draft,
    )
    assert [answer.get("error") for answer in answers] == [None] * 5
    assert [item["state"] for item in await office.mine() if item["title"] == "同时问同时交"] == ["in_review"]


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


def _body(before: str, after: str) -> Callable[[dict[str, Any]], None]:
    def lie(manifest: dict[str, Any]) -> None:
        assert before in manifest["body"], manifest["body"]
        manifest["body"] = manifest["body"].replace(before, after)
    return lie


def _pictures_swapped(manifest: dict[str, Any]) -> None:
    """Two pictures change places, in the body and in the list."""
    held = [item for item in manifest["media"] if item["role"] == "body"]
    first, second = (next(tag for tag in re.findall(r"<img [^>]*>", manifest["body"]) if item["sha256"] in tag) for item in held[:2])
    manifest["body"] = manifest["body"].replace(first, "\0").replace(second, first).replace("\0", second)
    held[0], held[1] = held[1], held[0]
    manifest["media"] = [*(item for item in manifest["media"] if item["role"] == "cover"), *held]


async def test_a_desk_that_alters_anything_is_caught_before_the_submission(office: Office) -> None:
    """A desk that keeps another text, with a digest that fits its lie, gets no submission; the person sees what differs. Honest: no alarm."""
    await office.pair()
    panel = await office.captured("冬修水渠完工了")
    await office.answered(panel)
    assert await panel.inner_text("#notice") == ""
    lies: list[tuple[Callable[[dict[str, Any]], None], str]] = [
        (lambda manifest: manifest.update(title="春修水渠完工了"), "标题：您写的是「冬修水渠完工了」，工作台存下的是「春修水渠完工了」"),
        (_body("4.2公里", "9.9公里"), "正文：您写的是「"),
        (_body("更换了", "拆除了"), "正文：您写的是「"),
        (_body("<p>入冬前", '<p style="color:#ffffff">入冬前'), "样式：您写的是「"),
        (_pictures_swapped, "图片或图片顺序"),
        (lambda manifest: manifest.update(source={"kind": "reprinted", "name": "某报", "url": ""}), "来源"),
        (lambda manifest: manifest.update(media=manifest["media"][1:]), "封面"),
    ]
    for lie, told in lies:
        office.relay.lie = lie
        await panel.evaluate("document.querySelector('#notice').replaceChildren()")
        await panel.click("#submit")
        await eventually(panel, f"document.querySelector('#notice').innerText.includes({json.dumps(told)}) && !document.querySelector('#submit').disabled")
        assert "没有提交" in await panel.inner_text("#notice")
        assert not await panel.is_visible("#outcome")
    office.relay.lie = None
    office.relay.swap = ("冬修".encode(), "春修".encode())
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#notice').innerText.includes('指纹') && !document.querySelector('#submit').disabled")
    assert "POST /api/v1/submissions" not in office.relay.requests
    office.relay.swap = None
    await panel.click("#submit")
    await until(panel, "#number")
    counted = await panel.get_attribute("#fingerprint", "title") or ""
    office.relay.swap = (counted.encode(), b"sha256:" + b"0" * 64)
    await eventually(panel, "document.querySelector('#notice').innerText.includes('报上去的与您提交的不一致：指纹')")
    assert await panel.get_attribute("#fingerprint", "title") == counted


async def test_a_returned_item_shows_its_notes_at_their_places_and_goes_in_again(office: Office) -> None:
    """Red badge, popup, notes at the words in the panel, 改好再报, revision 2 under the same number; a stale view is told, not overwritten."""
    await office.pair()
    panel = await office.captured("轮灌时间缩短了")
    await office.answered(panel)
    await panel.click("#submit")
    await until(panel, "#number")
    number = await panel.inner_text("#number")
    await office.send_back(
        "gu", "轮灌时间缩短了", "data", ("由三天缩短到一天半。工程部提醒", "数字与9月简报不一致", ""), ("轮灌时间缩短了", "标题写明地点", ""),
        ("已经删掉的话", "找不到的一句", ""), ("老旧支管", "竣工图上叫主管", "老旧主管"), text="请一并核对",
    )
    await office.tick()
    await eventually(panel, "document.querySelector('#outcome').innerText.includes('已退回')")
    assert "顾长庚" in await panel.inner_text("#outcome .note >> nth=0")
    shown = await panel.inner_text("#outcome")
    assert all(words in shown for words in ("数据待核", "请一并核对", "数字与9月简报不一致"))
    await eventually(panel, "chrome.action.getBadgeText({}).then((text) => text === '1')")
    assert await panel.evaluate("chrome.action.getBadgeBackgroundColor({})") == [163, 33, 26, 255]
    popup = await office.browser.page("popup/popup.html")
    await eventually(popup, "document.querySelector('#list li')?.innerText.includes('已退回')")
    assert "轮灌时间缩短了" in await popup.inner_text("#list li >> nth=0")
    await popup.close()
    await panel.bring_to_front()
    await panel.click("text=改好再报")
    await until(panel, "#notes .note[data-note='4']")
    assert await panel.evaluate("[...document.querySelectorAll('#body mark[data-note=\"1\"]')].map((mark) => mark.textContent).join('')") == "由三天缩短到一天半。工程部提醒"
    assert "在标题" in await panel.inner_text("#notes .note[data-note='2']")
    assert "原句已改动" in await panel.inner_text("#notes .note[data-note='3']")
    await panel.click("#notes .note[data-note='1'] button")
    assert await panel.evaluate("(() => { const r = document.querySelector('#body mark').getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight; })()")
    await panel.click("#notes .note[data-note='4'] .take")
    assert "4.2公里老旧主管" in await panel.inner_text("#body")
    await panel.fill("#title", "云岗村轮灌时间缩短了")
    await office.answered(panel)
    draft = panel.url.rpartition("=")[2]
    seen = await office.browser.stored(f"remote:{draft}")
    await office.browser.store({f"remote:{draft}": {**seen, "last": seen["last"] - 1}})
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#notice').innerText.includes('之后有变动')")
    await panel.click("#submit")
    await eventually(panel, "document.querySelector('#outcome').checkVisibility() && document.querySelector('#outcome').innerText.includes('第 2 稿')")
    assert await panel.inner_text("#number") == number
    assert [(item["state"], item["revision"]) for item in await office.mine() if item["number"] == number] == [("in_review", 2)]
    await eventually(panel, "chrome.action.getBadgeText({}).then((text) => text === '')")


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
