"""A desk that was taken over: it alters what was declared, shows other pictures than it was given, or hands in something else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Page

from gateway.canonical import sha256
from gateway.desk.normalise import normalise_picture
from tests.extension.browser import png
from tests.extension.people import Office, eventually, until

pytestmark = [pytest.mark.browser, pytest.mark.acceptance]
REPLACED = """([draft, url, data]) => import('/pictures.js').then(({keepPicture, asPicture}) => (
  keepPicture(draft, url, asPicture(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))))))"""
"""Another picture lies under the same address now, as after reading an editor again."""
Falsify = Callable[[dict[str, Any]], None]


def kept(**change: Any) -> Falsify:
    """Alter what the desk says it keeps of a draft."""
    def falsify(answer: dict[str, Any]) -> None:
        if "kept" in answer:
            answer["kept"].update(change)
    return falsify


def declares(**facts: Any) -> Falsify:
    """Alter some of the facts that the desk keeps, or says were handed in."""
    def falsify(answer: dict[str, Any]) -> None:
        for said in (answer.get("kept"), answer):
            if said is not None and "facts" in said:
                said["facts"].update(facts)
    return falsify


def painted(**change: Any) -> Falsify:
    """Answer an upload with something else."""
    def falsify(answer: dict[str, Any]) -> None:
        if "notes" in answer and "digest" in answer:
            answer.update(change)
    return falsify


def measured(answer: dict[str, Any]) -> None:
    """Give every picture of a manifest another width; the digest is left to fit."""
    from gateway import canonical

    if answer.get("manifest"):
        for item in answer["manifest"]["media"]:
            item["width"] += 1
        answer["content"] = canonical.digest(answer["manifest"])


def handed(**change: Any) -> Falsify:
    """Alter what the desk says was handed in."""
    def falsify(answer: dict[str, Any]) -> None:
        if "window_to" in answer and "number" in answer:
            answer.update(change)
    return falsify


async def caught(office: Office, panel: Page, lies: list[tuple[Falsify, str]]) -> None:
    """Click under each lie: nothing is handed in, and the notice says what differs."""
    for lie, told in lies:
        office.relay.falsify = lie
        await panel.evaluate("document.querySelector('#notice').replaceChildren()")
        await panel.click("#submit")
        await eventually(panel, f"document.querySelector('#notice').innerText.includes({json.dumps(told)}) && !document.querySelector('#submit').disabled")
        assert "没有提交" in await panel.inner_text("#notice")
        assert not await panel.is_visible("#outcome")
    office.relay.falsify = None
    assert "POST /api/v1/submissions" not in office.relay.requests


async def test_a_desk_that_lies_about_pictures_or_declarations_gets_no_submission(office: Office) -> None:
    """Pictures of another content, of another digest, or unmeasured; channels, facts, time, message; then what was handed in.

    Honest: no alarm; a picture that changed under its address is sent anew.
    """
    await office.pair()
    forged = normalise_picture(png(3, 900, 500)).data
    office.relay.falsify = painted(data=base64.b64encode(forged).decode(), digest=sha256(forged))
    panel = await office.captured("清淤机下水了")
    await eventually(panel, "document.querySelector('#notice').innerText.includes('工作台存下的画面与您放的不一样')")
    await caught(office, panel, [
        (painted(data=base64.b64encode(forged).decode()), "工作台存下的画面与您放的不一样"),
        (painted(digest=sha256(forged)), "工作台存下的画面与您放的不一样"),
        (painted(data=""), "工作台存下的画面与您放的不一样"),
        (measured, "图片或图片顺序"),
    ])
    await panel.fill("#message", "请于周五前审完")
    await office.answered(panel)
    assert await panel.inner_text("#notice") == ""
    own = await panel.evaluate("[...document.querySelectorAll('#channels input:checked')].map((box) => box.value)")
    other = office.company.staffed.channels["wechat_group"]
    await caught(office, panel, [
        (kept(targets=[{"channel": other, "operation": "publish", "previous": None}]), "渠道：您给的是「禾汀灌溉」，工作台存下的是「禾汀集团」"),
        (kept(targets=[{"channel": item, "operation": "publish", "previous": None} for item in (*own, other)]), "「禾汀灌溉、禾汀集团」"),
        (kept(targets=[{"channel": own[0], "operation": "withdraw", "previous": "pub_000001"}]), "「撤稿 禾汀灌溉 pub_000001」"),
        (kept(targets=[]), "工作台存下的是「没有」"),
        (declares(category="culture"), "申报：您给的是「公司信息」，工作台存下的是「企业文化」"),
        (declares(sensitive=True), "工作台存下的是「公司信息、重要敏感」"),
        (kept(facts={"category": "company"}), "申报"),
        (kept(scheduled="2027-01-04T02:00:00.000Z"), "时间：您给的是「放行后尽快」"),
        (kept(message="不用审了"), "给审批人的话：您写的是「请于周五前审完」，工作台存下的是「不用审了」"),
        (kept(cover=sha256(forged)), "封面"),
        (lambda answer: answer.pop("kept", None), "渠道"),
    ])
    before = (await office.browser.stored(f"remote:{panel.url.rpartition('=')[2]}"))["sent"]
    await panel.evaluate(REPLACED, [panel.url.rpartition("=")[2], next(iter(before)), base64.b64encode(png(200, 80, 60)).decode()])
    await panel.check("#executives")
    await panel.click("#submit")
    await until(panel, "#number")
    after = (await office.browser.stored(f"remote:{panel.url.rpartition('=')[2]}"))["sent"]
    assert [url for url in before if before[url] != after[url]] == [next(iter(before))]
    for lie, told in (
        (handed(targets=[{"channel": other, "operation": "publish", "previous": None}]), "报上去的与您提交的不一致：渠道"),
        (declares(executives=False), "报上去的与您提交的不一致：申报"),
        (handed(scheduled="2027-01-04T02:00:00.000Z"), "报上去的与您提交的不一致：时间"),
        (declares(sensitive=True), "报上去的与您提交的不一致：申报"),
    ):
        office.relay.falsify = lie
        await panel.evaluate("document.querySelector('#notice').replaceChildren()")
        await panel.reload()
        await eventually(panel, f"document.querySelector('#notice').innerText.includes({json.dumps(told)})")
    office.relay.falsify = declares(sensitive=True, found=["sensitive"])
    await panel.reload()
    await until(panel, "#number")
    assert await panel.inner_text("#notice") == ""
