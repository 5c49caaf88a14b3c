"""转交 as the desk tells it: one notice to the person asked, with a link to that item, and a line in the item's history."""

from __future__ import annotations

from gateway.desk.notify.messages import messages
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade, Request
from gateway.protocol.entries import EntryType
from tests.gateway.desk.conftest import Place
from tests.gateway.desk.story import sign, submit


async def test_the_person_asked_is_told_and_the_history_says_it(place: Place) -> None:
    """The release is handed by its operator to the unit's head: he alone is told, once a revision, and the page shows it."""
    house, browser = place.house, await place.browser("lu")
    submission = await submit(browser, "秋收之后", place.channel())
    await sign(place, "gu", submission, "approve")
    for _ in range(2):
        await house.runner.submit(Request(
            command=c.HandOver(submission=submission, revision=1, to=place.people("gu")), actor=place.people("lu"), grade=Grade.COUNTER))
    await place.caught_up()
    assert "转交" in (await browser.get(f"/submissions/{submission}")).text
    entries = house.entries(EntryType.SUBMISSION_HANDED)
    async with place.parts.sessions() as session:
        told = await session.run_sync(lambda sync: [m for entry in entries for m in messages(place.parts.outbox.writing(sync), "handed", entry, submission)])
        other = await session.run_sync(lambda sync: list(messages(place.parts.outbox.writing(sync), "handed", entries[0], "sub_none")))
    assert other == []
    assert {(m.key, m.person) for m in told} == {(f"handed:{submission}:1:{place.people('gu')}", place.people("gu"))}
    assert "陆晓棠 请您办理《秋收之后》" in told[0].text
    assert told[0].link == f"{place.settings.counter_url}/s/item/{submission}"
