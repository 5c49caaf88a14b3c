"""催办: those who are waited for are told, once in two hours, by page and API alike; everyone else gets a reason."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.config import Notices
from gateway.desk.notify.nudges import NotNudged
from gateway.desk.notify.tables import NoticeRow, NudgeRow
from gateway.desk.readmodel.directory import load
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.instants import Instant
from tests.gateway.desk.conftest import Answer, Browser, Place, open_place
from tests.gateway.desk.story import sign, submit

TITLE = "秋收之后，我们把水管修到了地头"
NOBODY_LISTENS = Notices(smtp="smtp://127.0.0.1:9", sender="qianfa@heting.example", robot="http://127.0.0.1:9/robot", robot_kind="wecom")


async def press(browser: Browser, submission: str, command: str = "") -> Answer:
    """Press 催办."""
    return await browser.post(f"/submissions/{submission}/nudge", {"command": command or secrets.token_hex(16)})


async def written(place: Place) -> list[NoticeRow]:
    """Return the notices that nudges wrote."""
    async with place.parts.sessions() as session:
        return list(await session.scalars(select(NoticeRow).where(NoticeRow.key.startswith("nudge:")).order_by(NoticeRow.way)))


async def two_hours_pass(place: Place) -> None:
    """Let every nudge have been two hours ago."""
    async with place.parts.sessions.begin() as session:
        for row in await session.scalars(select(NudgeRow)):
            row.at = instants.plus(Instant(row.at), -7200)


async def test_the_next_signer_is_told_once_in_two_hours(tmp_path: Path) -> None:
    """The head is told by mail and the group hears it; a second press, by anyone, waits; after two hours it goes to who is next by then."""
    async with open_place(tmp_path, notices=NOBODY_LISTENS) as place:
        lu, device = await place.browser("lu"), await place.device("lu")
        submission = await submit(lu, TITLE, place.channel())
        await place.caught_up()
        assert "催办</button>" in (await lu.get("/")).text
        assert "催办</button>" not in (await (await place.browser("gu")).get(f"/submissions/{submission}")).text  # it waits for them alone
        command = "nudge-000001"
        first = await device.send("POST", f"/submissions/{submission}/nudge", {"command": command})
        assert first.status == 200, first.text
        assert first.json["sent_to"] == [{"name": "顾长庚", "office": "禾汀灌溉总经理"}]
        again = await device.send("POST", f"/submissions/{submission}/nudge", {"command": command})
        assert again.json == first.json
        mail, robot = await written(place)
        assert (mail.address, robot.address) == ("gu@heting.example", "group")
        assert mail.link == f"{place.settings.counter_url}/s/item/{submission}"
        assert TITLE in mail.text
        assert "顾长庚" in robot.text
        assert "陆晓棠 催办" in robot.text
        assert "支管" not in mail.text
        soon = await press(await place.browser("fang"), submission)
        assert soon.status == 429
        assert "两小时内已经催办过" in soon.text
        assert "6631" in soon.text
        refused = await device.send("POST", f"/submissions/{submission}/nudge", {"command": "nudge-000002"})
        assert (refused.status, refused.json["code"], refused.json["next_at"]) == (429, "nudged", first.json["next_at"])
        page = (await lu.get(f"/submissions/{submission}")).text
        assert "陆晓棠 催办，已通知" in page
        assert "后可再催" in page
        assert (await device.send("GET", f"/submissions/{submission}")).json["nudge"] == first.json
        await two_hours_pass(place)
        await sign(place, "gu", submission, "approve")
        await place.caught_up()
        assert (await press(await place.browser("gu"), submission)).status == 303
        assert {row.address for row in await written(place) if row.way == "mail"} == {"gu@heting.example", "lu@heting.example"}
        assert len(await written(place)) == 4


async def test_two_at_once_are_one(tmp_path: Path) -> None:
    """Pressed by four people in one moment, one nudge is sent and the others are told so."""
    async with open_place(tmp_path, notices=NOBODY_LISTENS) as place:
        submission = await submit(await place.browser("lu"), TITLE, place.channel())
        await place.caught_up()
        browsers = [await place.browser(who) for who in ("lu", "fang", "xu", "shao")]
        await asyncio.gather(*(browser.get("/") for browser in browsers))
        answers = await asyncio.gather(*(press(browser, submission) for browser in browsers))
        assert sorted(answer.status for answer in answers) == [303, 429, 429, 429]
        assert len(await written(place)) == 2


async def test_a_nudge_that_comes_too_late_tells_nobody(tmp_path: Path) -> None:
    """Decided between the look and the write: nobody is told of what they have done; of an item that is not there any more nobody hears either."""
    async with open_place(tmp_path, notices=NOBODY_LISTENS) as place:
        submission = await submit(await place.browser("lu"), TITLE, place.channel())
        await place.caught_up()
        async with place.parts.sessions() as session:
            seen = await session.get(SubmissionRow, submission)
            names = await load(session)
        assert seen is not None
        await place.house.do(c.Recall(submission=submission), "lu", Grade.DESK)
        await place.caught_up()
        with pytest.raises(NotNudged, match="not_waiting"):
            await place.parts.nudges.nudge(seen, names, by=place.people("lu"), command="nudge-000001")
        seen.id = "sub_gone"
        with pytest.raises(NotNudged, match="not_waiting"):
            await place.parts.nudges.nudge(seen, names, by=place.people("lu"), command="nudge-000002")
        assert await written(place) == []


async def test_a_nudge_that_would_reach_nobody_says_why(place: Place) -> None:
    """No way out, nobody waited for, another's item, a vacant step, one command for two items, and no enforcer: each in words."""
    lu, device = await place.browser("lu"), await place.device("lu")
    one, two = await submit(lu, TITLE, place.channel()), await submit(lu, "泵站巡检", place.channel())
    await place.caught_up()
    mute = await device.send("POST", f"/submissions/{one}/nudge", {"command": "nudge-000001"})
    assert (mute.status, mute.json["code"]) == (409, "no_way")
    assert [person["extension"] for person in mute.json["ask"]] == ["6631"]
    assert (await press(await place.browser("lin"), one)).status == 404
    assert (await (await place.device("lin")).send("POST", f"/submissions/{one}/nudge", {"command": "nudge-000001"})).status == 404
    assert (await lu.post(f"/submissions/{one}/nudge", {"command": "x"})).status == 404
    place.parts.outbox._senders._notices = NOBODY_LISTENS
    assert (await device.send("POST", f"/submissions/{one}/nudge", {"command": "nudge-000001"})).status == 200
    reused = await device.send("POST", f"/submissions/{two}/nudge", {"command": "nudge-000001"})
    assert (reused.status, reused.json["code"]) == (409, "command_reused")
    await place.house.do(c.Recall(submission=two), "lu", Grade.DESK)
    await place.caught_up()
    done = await device.send("POST", f"/submissions/{two}/nudge", {"command": "nudge-000003"})
    assert (done.status, done.json["code"]) == (409, "not_waiting")
    await two_hours_pass(place)
    head = await place.device("gu")
    alone = await head.send("POST", f"/submissions/{one}/nudge", {"command": "nudge-000004"})
    assert (alone.status, alone.json["code"]) == (409, "nobody")
    assert "6680" in {person["extension"] for person in alone.json["ask"]}
    await place.cut_off()
    place.parts.follower.reachable = False
    assert (await device.send("POST", f"/submissions/{one}/nudge", {"command": "nudge-000005"})).status == 503
    assert (await press(lu, one)).status == 503
    assert len(await written(place)) == 2


async def test_a_refused_step_of_an_item_that_waits_offers_a_nudge(tmp_path: Path) -> None:
    """Under 被拦截, what was refused about an item in review leads to a nudge of whom it waits for."""
    async with open_place(tmp_path, notices=NOBODY_LISTENS) as place:
        submission = await submit(await place.browser("lu"), TITLE, place.channel())
        await place.caught_up()
        own = c.Return(submission=submission, revision=1, reason="data", notes=None)
        with pytest.raises(Denied, match="author_approves"):
            await place.house.runner.submit(Request(command=own, actor=place.people("lu"), grade=Grade.COUNTER), source="counter", about=submission)
        await place.caught_up()
        page = (await (await place.browser("lu")).get("/refusals")).text
        assert f"/submissions/{submission}/nudge" in page
        assert f"/submissions/{submission}/nudge" not in (await (await place.browser("fang")).get("/refusals")).text
