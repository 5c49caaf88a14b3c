"""The gate: an approved content goes out once, and nothing else goes out at all."""

from __future__ import annotations

import asyncio

import pytest

from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.house import House, article

SUBMIT = "freepublish/submit"


async def released(house: House, **over: object) -> str:
    """Submit, approve and release one article; return the publication."""
    submission = await house.submit(article(cover=house.cover()), "news", **over)
    return (await house.release(submission))[0]


async def test_an_approved_article_becomes_public_once(house: House, wechat: WeChat) -> None:
    """Submitted, approved and released: one submit call at the platform, and the public page shows the text."""
    publication = await released(house)
    assert await house.until(publication, "live") == "live"
    assert len(wechat.ledger.effects(SUBMIT)) == 1
    assert house.state.publications[publication].url.startswith(wechat.base_url)
    for kind in (EntryType.PUBLICATION_INTENDED, EntryType.PUBLICATION_PREPARED, EntryType.PUBLICATION_DISPATCHED, EntryType.PUBLICATION_LIVE):
        assert house.count_of(kind, publication) == 1


async def test_nothing_is_sent_before_release(house: House, wechat: WeChat) -> None:
    """An approval alone sends nothing."""
    submission = await house.submit(article(cover=house.cover()), "news")
    await house.sign("gu", submission, "approve")
    await asyncio.sleep(0.6)
    assert not wechat.ledger.calls()


async def test_a_template_altered_after_release_is_refused(house: House, wechat: WeChat) -> None:
    """Bytes that differ from the approved digest are refused, logged, and never sent."""
    await house.lifecycle._stop_timers()
    publication = await released(house)
    known = house.state.publications[publication]
    path = house.runner.blobs._path(known.template)
    path.write_bytes(path.read_bytes().replace("秋收".encode(), "秋天".encode()))
    await house.parts.gate.send(publication)
    assert house.publication_state(publication).value == "abandoned"
    assert not wechat.ledger.calls()


async def test_two_hundred_replays_of_one_token_send_once(house: House, wechat: WeChat) -> None:
    """The same publication driven 200 times at once spends its token once."""
    await house.lifecycle._stop_timers()
    publication = await released(house)
    await asyncio.gather(*(house.parts.gate.send(publication) for _ in range(200)))
    assert len(wechat.ledger.effects(SUBMIT)) == 1
    assert house.count_of(EntryType.PUBLICATION_INTENDED, publication) == 1
    spend = c.Spend(
        publication=publication, jti=house.state.publications[publication].jti, epoch=house.state.epoch, operation="publish",
        channel=house.channels["news"], credential_version=1, content=house.state.publications[publication].content,
        template=house.state.publications[publication].template, previous=None)
    with pytest.raises(Denied) as denied:
        await house.runner.system(spend)
    assert denied.value.code == "token_spent"


async def test_a_stop_before_dispatch_wins(house: House, wechat: WeChat) -> None:
    """A stop that comes during preparation keeps the send from happening."""
    await house.lifecycle._stop_timers()
    publication = await released(house)
    wechat.faults.delay("draft/add", 0.5)
    sending = asyncio.create_task(house.parts.gate.send(publication))
    while not wechat.ledger.calls("token") and not wechat.ledger.calls("stable_token"):
        await asyncio.sleep(0.01)
    await house.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    await sending
    assert house.publication_state(publication).value == "stopped"
    assert not wechat.ledger.effects(SUBMIT)


async def test_a_freeze_during_preparation_holds_the_send_until_two_thaw(house: House, wechat: WeChat) -> None:
    """A freeze set before dispatch keeps it from going out; nothing is lost."""
    await house.lifecycle._stop_timers()
    publication = await released(house)
    wechat.faults.delay("draft/add", 0.4)
    sending = asyncio.create_task(house.parts.gate.send(publication))
    while house.publication_state(publication).value == "held":
        await asyncio.sleep(0.01)
    await house.do(c.Freeze(scope="all", target="", reason=house.parts.values.commit("舆情")), "fang2", Grade.COUNTER)
    await sending
    assert house.publication_state(publication).value == "prepared"
    assert not wechat.ledger.effects(SUBMIT)


async def test_an_edit_by_hand_between_read_back_and_commit_is_found(house: House, wechat: WeChat) -> None:
    """A draft altered on the platform after the read-back is not published."""
    wechat.faults.delay("draft/add", 0.3)
    wechat.faults.delay("draft/get", 0.5)
    publication = await released(house)
    while not (draft := house.state.publications[publication].handles.get("draft")):
        await asyncio.sleep(0.01)
    wechat.faults.edit_by_hand(draft, {"title": "被改过的标题"})
    assert await house.until(publication, "abandoned", "live") == "abandoned"
    assert not wechat.ledger.effects(SUBMIT)


async def test_a_lost_reply_is_unknown_and_settled_by_reading_back(house: House, wechat: WeChat) -> None:
    """The effect happened and the reply was lost: UNKNOWN, never sent again."""
    wechat.faults.fail_after(SUBMIT, how="reset")
    publication = await released(house)
    assert await house.until(publication, "unknown", "live", "pending") == "unknown"
    await asyncio.sleep(0.5)
    assert len(wechat.ledger.effects(SUBMIT)) == 1


@pytest.mark.parametrize("how", ["502", "malformed", "truncated", "drop"])
async def test_no_unclear_answer_is_ever_repeated(house: House, wechat: WeChat, how: str) -> None:
    """Whatever the platform answers after the effect, one call is made."""
    wechat.faults.fail_after(SUBMIT, how=how)
    publication = await released(house)
    await house.until(publication, "unknown", "live", "pending", "rejected")
    await asyncio.sleep(0.4)
    assert len(wechat.ledger.calls(SUBMIT)) == 1


async def test_a_definite_refusal_ends_in_rejected_and_may_be_released_again(house: House, wechat: WeChat) -> None:
    """A platform that says no lets the release office release again, with a new token."""
    wechat.faults.refuse(SUBMIT, 53503)
    submission = await house.submit(article(cover=house.cover()), "news")
    publication = (await house.release(submission))[0]
    assert await house.until(publication, "rejected") == "rejected"
    done = await house.sign("fang", submission, "release")
    again = next(entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED)
    assert again != publication
    assert await house.until(again, "live") == "live"
    assert len(wechat.ledger.effects(SUBMIT)) == 1
