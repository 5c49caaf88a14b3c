"""Dual control, credentials, and identity cards through the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.connectors.base import Unknown
from gateway.connectors.wechat import WeChatConnector
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.counter.kit import Browser, Front, counter_over
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.house import found_house, open_house, settings_for
from vault import totp


async def propose(front: Front, person: str, fields: dict[str, str]) -> Browser:
    """Propose by one person through the form and prove it."""
    browser = front.signed_in(person, inside=True)
    answer = await browser.post("/i/changes/propose", {"reason": "测试", **fields})
    assert answer.status == 200, browser.text[:2000]
    assert (await browser.prove(person)).status == 303, browser.text[:2000]
    return browser


async def confirm(front: Front, person: str) -> Browser:
    """Confirm the newest proposal by another person."""
    browser, proposal = front.signed_in(person, inside=True), list(front.house.state.proposals)[-1]
    answer = await browser.post("/i/changes/confirm", {"proposal": proposal})
    assert answer.status == 200, browser.text[:2000]
    assert (await browser.prove(person)).status == 303, browser.text[:2000]
    return browser


async def test_a_person_is_added_by_two(front: Front) -> None:
    """One proposes with a name, an office and a code shown once; the other sees it in plain words, and confirms with a proof."""
    await front.arm("he", "xu")
    house = front.house
    first = front.signed_in("he", inside=True)
    await first.post("/i/changes/propose", {"kind": "person", "reason": "入职", "name": "林岚", "unit": "unit_irrigation", "title": "主管",
                                            "office": "author", "unit_scope": "unit_irrigation"})
    code = re.search(r'code-once">([^<]+)<', first.text).group(1)
    assert (await first.prove("he")).status == 303
    await first.get("/i/changes")
    assert code not in first.text
    other = front.signed_in("xu", inside=True)
    await other.get("/i/changes")
    assert "林岚" in other.text
    assert "信息管理员" in other.text
    assert code not in other.text
    await confirm(front, "xu")
    assert any(house.parts.views.name(person) == "林岚" for person in house.state.people)
    new = front.browser(inside=True)
    assert (await new.post("/s/enrol", {"code": code, "password": "a password 4 lin lan", "again": "a password 4 lin lan"})).status == 303


async def test_nobody_confirms_their_own_proposal(front: Front) -> None:
    """The proposer's confirmation is refused before a proof is asked for."""
    await front.arm("he", "xu")
    browser = await propose(front, "he", {"kind": "unit", "name": "工会", "parent": front.house.state.group, "unit_kind": "department"})
    answer = await browser.post("/i/changes/confirm", {"proposal": next(iter(front.house.state.proposals))})
    assert answer.status == 403
    assert "两位不同的人" in browser.text


async def test_who_holds_no_office_for_it_proposes_nothing(front: Front) -> None:
    """A unit head's proposal of people is refused and asks a founder."""
    browser = front.signed_in("gu", inside=True)
    answer = await browser.post("/i/changes/propose", {"kind": "suspend", "person": front.house.people["lu"], "reason": "x"})
    assert answer.status == 403
    assert "许文澜" in browser.text


async def test_a_freeze_is_lifted_by_two_others(front: Front) -> None:
    """One person freezes at once; neither they nor one other alone thaws; two others do."""
    await front.arm("he", "xu")
    brand = front.signed_in("fang")
    assert (await brand.post("/s/freeze", {"scope": "all:", "reason": "演练"})).status == 303
    freeze = next(iter(front.house.state.freezes))
    await propose(front, "he", {"kind": "thaw", "freeze": freeze})
    assert front.house.state.freezes
    await confirm(front, "xu")
    assert not front.house.state.freezes


async def test_a_lost_device_is_answered_by_two(front: Front) -> None:
    """A reset ends every factor and every session of the person at once, and opens a new enrolment."""
    await front.arm("he", "xu")
    lost = front.signed_in("gu")
    assert (await lost.get("/s/")).status == 200
    await propose(front, "he", {"kind": "reset", "person": front.house.people["gu"]})
    await confirm(front, "xu")
    assert (await lost.get("/s/")).status == 303
    person = front.house.state.people[front.house.people["gu"]]
    assert person.factors == {}
    assert person.enrolment is not None
    assert front.sessions.people_on(lost.cookies["qf_device"]) == []


async def test_an_unknown_is_settled_by_two(front: Front) -> None:
    """A send of unknown outcome is settled as live, with its link, by a proposal and a confirmation."""
    house = front.house
    submission = await submitted(front)
    head, brand = front.signed_in("gu"), front.signed_in("fang")
    await head.sign("gu", submission)
    await brand.sign("fang", submission)
    identifier = house.state.submissions[submission].targets[0].publication
    original = house.parts.connectors["wechat"].commit

    async def lost(*arguments: object) -> object:
        await original(*arguments)
        return Unknown(cause="reply_lost")

    house.parts.connectors["wechat"].commit = lost
    await house.parts.gate.send(identifier)
    assert house.publication_state(identifier).value == "unknown"
    await front.arm("he", "xu")
    await propose(front, "he", {"kind": "settle", "publication": identifier, "outcome": "live", "url": "https://mp.weixin.qq.com/s/x", "remote_id": "a1"})
    await confirm(front, "xu")
    assert house.publication_state(identifier).value == "live"


@pytest.mark.parametrize("day", ["", "2026-13-01", "20261201", "2026-W48-1", "2026-12-01T00:00", "0001-01-01", "٢٠٢٦-12-01"])
async def test_a_day_that_is_none_is_refused_in_words(front: Front, day: str) -> None:
    """What no date field sends, and a day before the calendar begins here, is refused with a page, not with a fault."""
    browser = front.signed_in("he", inside=True)
    size = front.house.state.size
    fields = {"kind": "blackout", "over": "all:", "days": "mourning", "start_day": day or "x", "end_day": "2027-01-01", "reason": "试"}
    assert (await browser.post("/i/changes/propose", fields)).status == 400
    assert "<h1>" in browser.text
    assert front.house.state.size == size


# ---- credentials


async def test_a_credential_is_tried_sealed_and_confirmed_by_another(front: Front, wechat: WeChat) -> None:
    """The custodian's paste is tried step by step, sealed, proposed; it counts after the other custodian's proof, and stands nowhere."""
    await front.arm("fang2")
    account, channel = wechat.account(), front.house.channels["news"]
    browser = front.signed_in("fang", inside=True)
    await browser.get(f"/i/credentials/{channel}")
    assert 'autocomplete="off"' in browser.text
    answer = await browser.post(f"/i/credentials/{channel}", {"appid": account.appid, "secret": account.secret, "reason": "轮换"})
    assert answer.status == 200, browser.text[:2000]
    assert re.findall(r"✓ ([^ ]+：)", browser.text) == ["取令牌：", "发布权限：", "建草稿并删除："]
    assert "sha256:" not in browser.text
    wrong = await front.signed_in("fang", inside=True).post(f"/i/credentials/{channel}", {"appid": account.appid, "secret": "0" * 32, "reason": "手误"})
    assert wrong.status == 409, "a trial passed on the token that an earlier one had fetched"
    assert account.secret not in browser.text
    assert (await browser.prove("fang")).status == 303
    assert front.house.state.channels[channel].credential.version == 1
    await confirm(front, "fang2")
    assert front.house.state.channels[channel].credential.version == 2
    for path in (f"/i/credentials/{channel}", "/i/changes", "/s/devices"):
        await browser.get(path)
        assert account.secret not in browser.text
    for path in front.house.folder.rglob("*"):
        assert not path.is_file() or account.secret.encode() not in path.read_bytes(), path


async def test_a_wrong_credential_stores_nothing(front: Front, wechat: WeChat, caplog: pytest.LogCaptureFixture) -> None:
    """A secret the platform refuses is not stored or proposed, is not repeated in the answer, and is in no file."""
    account, channel, canary = wechat.account(), front.house.channels["news"], "canary0badc0ffee0badc0ffee0badc0"
    browser = front.signed_in("fang", inside=True)
    size, rows = front.house.state.size, len(front.house.parts.sealed.rows())
    answer = await browser.post(f"/i/credentials/{channel}", {"appid": account.appid, "secret": canary})
    assert answer.status in {400, 409}
    assert "✗" in browser.text or "格式不对" in browser.text
    assert canary not in browser.text
    assert canary not in caplog.text
    assert front.house.state.size == size
    assert len(front.house.parts.sealed.rows()) == rows
    for path in front.house.folder.rglob("*"):
        assert not path.is_file() or canary.encode() not in path.read_bytes(), path


async def test_only_custodians_and_governors_reach_an_intake(front: Front) -> None:
    """A unit head neither sees nor posts to a channel's intake."""
    browser, channel = front.signed_in("gu", inside=True), front.house.channels["news"]
    assert (await browser.get(f"/i/credentials/{channel}")).status == 403
    assert (await browser.post(f"/i/credentials/{channel}", {"appid": "a", "secret": "b"})).status == 403


# ---- identity cards


async def test_cards_sign_in_where_a_sandbox_asks_for_them(tmp_path: Path, wechat: WeChat) -> None:
    """With the setting, each person has a card with the running code, and one click signs in."""
    founded = found_house(tmp_path, demo_cards=True)
    async with open_house(tmp_path, {"wechat": WeChatConnector()}, codes=founded.codes) as house:
        await house.staff()
        async with counter_over(house, tmp_path) as front:
            await front.arm("gu")
            browser = front.browser()
            await browser.get("/s/demo")
            assert "演练环境" in browser.text
            at = house.runner.clock.moment()
            assert any(totp.code_at(front.secrets[house.people["gu"]], totp.step_at(at) + d) in browser.text for d in (-1, 0, 1))
            assert (await browser.post("/s/demo", {"person": house.people["gu"]})).status == 303
            assert (await browser.get("/s/")).status == 200


async def test_without_the_setting_there_are_no_cards(front: Front) -> None:
    """A sandbox that does not ask for cards has no such page."""
    browser = front.browser()
    assert (await browser.get("/s/demo")).status == 404
    assert (await browser.post("/s/demo", {"person": front.house.people["gu"]})).status == 404


async def test_a_live_deployment_never_has_cards(front: Front, tmp_path: Path) -> None:
    """Settings that ask for cards in live do not load; a state that says live answers 404 whatever the settings say."""
    with pytest.raises(ValidationError):
        settings_for(tmp_path, kind="live", demo_cards=True)
    front.house.parts.settings = front.house.parts.settings.model_copy(update={"demo_cards": True})
    browser = front.browser()
    assert (await browser.get("/s/demo")).status == 200
    front.house.state.kind = "live"
    assert (await browser.get("/s/demo")).status == 404
    assert (await browser.post("/s/demo", {"person": front.house.people["gu"]})).status == 404
    front.house.state.kind = "sandbox"
