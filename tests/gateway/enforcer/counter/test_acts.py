"""Acts through the pages that need more than one step: 同意并放行, emergency withdrawal, sealed reading, returning to a diff."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest

from gateway.enforcer.counter.compare import compare
from gateway.protocol import commands as c
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.counter.kit import Front, counter_over
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.sending import live


async def test_the_head_approves_and_releases_a_units_own_channel_with_one_proof(house: House, wechat: WeChat, tmp_path: Path) -> None:
    """On a unit's own channel the head's 同意并放行 makes two decisions and a token from one sheet and one code."""
    account = wechat.account()
    await house.lifecycle._stop_timers()
    await house.add_channel("own", "wechat", "own-account", {"appid": account.appid, "secret": account.secret}, level="own")
    async with counter_over(house, tmp_path) as front:
        await front.arm("gu")
        await _both(front)


async def _both(front: Front) -> None:
    house = front.house
    blob = house.runner.blobs.put(b'{"findings":[],"v":1}')
    submission = await house.submit(article(cover=house.cover()), "own", findings=c.FindingCounts(block=0, confirm=0, hint=0, blob=blob))
    person = front.signed_in("gu")
    await person.get(f"/s/item/{submission}")
    assert "同意并放行" in person.text
    await person.sheet(submission, both="1")
    assert "您将同意并放行" in person.text
    assert (await person.prove("gu")).status == 303
    assert [s.verdict for s in house.state.submissions[submission].signatures] == ["approve", "release"]
    assert house.state.submissions[submission].targets[0].publication is not None


async def test_nobody_but_its_head_is_offered_both_on_a_company_channel(front: Front) -> None:
    """On a company channel approving and releasing stay apart: the button is not there, and the field is not honoured."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.get(f"/s/item/{submission}")
    assert "同意并放行" not in person.text
    await person.sheet(submission, both="1")
    assert (await person.prove("gu")).status == 303
    assert [s.verdict for s in front.house.state.submissions[submission].signatures] == ["approve"]


async def published(front: Front) -> str:
    """Hand in, approve, release and send an article; return its publication, live."""
    house, submission = front.house, await submitted(front)
    await front.signed_in("gu").sign("gu", submission)
    await front.signed_in("fang").sign("fang", submission)
    publication = house.state.submissions[submission].targets[0].publication
    assert publication is not None
    await house.parts.gate.send(publication)
    if house.publication_state(publication).value == "pending":
        house.lifecycle._timers = asyncio.get_running_loop().create_task(house.parts.followup.run())
        await house.until(publication, "live", seconds=60)
        await house.lifecycle._stop_timers()
    return publication


async def test_an_emergency_withdrawal_takes_the_head_alone(front: Front) -> None:
    """The brand & PR head withdraws what is live with one proof and a reason; brand & PR staff cannot."""
    await front.arm("fang2")
    house = front.house
    publication = await published(front)
    brand, chief = front.signed_in("fang"), front.signed_in("fang2")
    fields = {"publication": publication, "reason": "事实有误"}
    assert (await brand.post("/s/emergency", fields)).status == 403
    assert (await chief.post("/s/emergency", {**fields, "reason": ""})).status == 400
    answer = await chief.post("/s/emergency", fields)
    assert answer.status == 200, chief.text[:2000]
    assert "立即撤下" in chief.text
    assert (await chief.prove("fang2")).status == 303
    newest = list(house.state.publications.values())[-1]
    assert (newest.operation, newest.emergency, newest.previous) == ("withdraw", True, publication)


async def test_sealed_the_counter_reads_and_signs_nothing(front: Front) -> None:
    """Sealed: pages open with a band that says so; a proof answers 503 in plain words and nothing is appended."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(submission)
    nonce, code, size = person.field("nonce"), front.code("gu"), front.house.state.size
    await front.house.lifecycle.seal("test")
    size = front.house.state.size
    assert (await person.get(f"/s/item/{submission}")).status == 200
    assert "密钥库已锁：可以先看" in person.text
    assert "请联系系统管理员开锁 何立群 " in person.text, "whom to ask is not named"
    assert re.search(r'data-key="a" disabled>', person.text), "a button is offered that cannot work"
    assert (await person.post("/s/prove", {"nonce": nonce, "code": code})).status == 503
    assert "密钥库已锁" in person.text
    assert front.house.state.size == size


async def test_the_second_revision_is_shown_against_the_one_this_person_returned(front: Front) -> None:
    """After a return, 对比 shows facts and text against the revision that this person sent back, from a process without keys."""
    house = front.house
    submission = await submitted(front)
    person = front.signed_in("gu")
    seen = str(house.state.submissions[submission].seq)
    await person.post("/s/return", {"submission": submission, "revision": "1", "seen": seen, "reason": "data"})
    blob = house.runner.blobs.put(b'{"findings":[],"v":1}')
    changed = article(cover=house.cover(), body="<p>入冬前，禾汀灌溉工程部在云岗村更换了4.3公里老旧支管。村里的轮灌时间由三天缩短到一天半。</p>")
    await house.submit(changed, "news", submission=submission, findings=c.FindingCounts(block=0, confirm=0, hint=0, blob=blob))
    await person.get(f"/s/item/{submission}?view=compare")
    assert "第1稿 → 第2稿" in person.text
    assert "<del>4.2</del><ins>4.3</ins>" in person.text


async def test_a_correction_is_shown_against_what_is_public(hand: House, tmp_path: Path) -> None:
    """A correction's first revision names what is public now, and 对比 shows what would change of it; a withdrawal shows what it takes down."""
    publication = await live(hand)
    changed = article(title="秋收之后", cover=hand.cover(), body="<p>入冬前，禾汀灌溉工程部在云岗村更换了4.3公里老旧支管。村里的轮灌时间由三天缩短到一天半。</p>")
    submission = await hand.submit(changed, "news", operation="edit", previous=publication)
    async with counter_over(hand, tmp_path) as front:
        person = front.signed_in("gu")
        await person.get(f"/s/item/{submission}")
        assert unescape(person.text).count(f'href="{hand.state.publications[publication].url}"') == 2
        assert "对比线上" in person.text
        await person.get(f"/s/item/{submission}?view=compare")
        assert "线上现稿 → 第1稿" in person.text
        assert "<del>4.2</del><ins>4.3</ins>" in person.text
        await person.post("/s/return", {"submission": submission, "revision": "1", "seen": str(hand.state.submissions[submission].seq), "reason": "data"})
        await person.get(f"/s/item/{submission}")
        assert "改好再报" in person.text
        removal = await hand.submit(None, "news", operation="withdraw", previous=publication)
        await person.get(f"/s/item/{removal}")
        assert f'src="/s/template/{hand.state.publications[publication].template}"' in person.text, "what would be taken down is not shown"
        assert "撤下已公开的这一篇" in person.text


async def test_a_fault_is_a_page_in_words(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a page fails for a reason nobody foresaw, people read what to do next, with the same headers, and nothing of the inside."""
    person = front.signed_in("gu")

    async def fails() -> None:
        raise ZeroDivisionError("inside 4711")

    monkeypatch.setattr(front.counter.history, "catch_up", fails)
    answer = await person.get("/s/")
    assert answer.status == 500
    assert "出了点问题" in person.text
    assert "4711" not in person.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_comparison_names_fields_pictures_and_words() -> None:
    """Title and text changes are named; equal contents have none."""
    old, new = article(), article(title="另一个标题", body="<p>甲。乙丙。</p>")
    found = compare(old.to_bytes(), new.to_bytes())
    assert ["title", old.title, "另一个标题"] in found["fields"]
    assert found["count"] >= 2
    assert compare(old.to_bytes(), old.to_bytes())["count"] == 0
    moved = compare(article(body="<p>甲。乙丙。</p>").to_bytes(), article(body="<p>甲。乙丁。</p>").to_bytes())
    assert moved["text"] == [["same", [["=", "甲。"]]], ["changed", [["=", "乙"], ["-", "丙"], ["+", "丁"], ["=", "。"]]]]
