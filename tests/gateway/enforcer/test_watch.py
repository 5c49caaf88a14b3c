"""The live page is watched: an alteration by hand becomes an entry, an unaltered page does not."""

from __future__ import annotations

import asyncio

from gateway.enforcer import watch
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.house import House, article


async def live(house: House) -> str:
    """Return a publication that is live."""
    submission = await house.submit(article(cover=house.cover()), "news")
    publication = (await house.release(submission))[0]
    await house.until(publication, "live")
    return publication


async def test_an_edit_by_hand_of_a_live_page_is_logged_once(house: House, wechat: WeChat, monkeypatch) -> None:
    """What somebody changes on the platform after publication is noticed at the next look, and logged once."""
    monkeypatch.setitem(watch.AFTER_SECONDS, "sandbox", (1, 2, 3))
    publication = await live(house)
    wechat.edit_by_hand(house.state.publications[publication].remote_id, {"title": "悄悄改过"})
    async with asyncio.timeout(15):
        while not house.state.publications[publication].drift:
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    assert house.count_of(EntryType.PUBLICATION_DRIFTED, publication) == 1


async def test_an_unaltered_page_makes_no_entry(house: House, monkeypatch) -> None:
    """A page that shows what was approved is looked at and nothing is logged."""
    monkeypatch.setitem(watch.AFTER_SECONDS, "sandbox", (1, 1.5, 2))
    publication = await live(house)
    await asyncio.sleep(2.5)
    assert house.count_of(EntryType.PUBLICATION_DRIFTED, publication) == 0


async def test_looks_grow_sparse_and_end(house: House) -> None:
    """The plan follows the article's schedule and stops after sixty days."""
    publication = house.state.publications[await live(house)]
    sent = publication.dispatched_at
    ages = [0, 299, 301, 3601, 90_000, 86_400 + 8 * 86_400]
    due = [watch.next_look(publication, "live", instants.plus(sent, age)) for age in ages]
    after = [instants.seconds_between(sent, at) if at else None for at in due]
    assert after == [300, 300, 3600, 86_400, 86_400 + 7 * 86_400, 86_400 + 14 * 86_400]
    assert watch.next_look(publication, "live", instants.plus(sent, 61 * 86_400)) is None
