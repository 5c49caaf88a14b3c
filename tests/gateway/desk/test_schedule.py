"""排期: what is to go out when and where, what stands in its way, and who may know what it is about."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from gateway.desk.console.schedule import Booking, bookings, days, judge, midnight
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.people import UnitRow
from gateway.desk.readmodel.refusals import BlackoutRow, FreezeRow
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade
from gateway.protocol.instants import Instant
from tests.gateway.desk.conftest import Place
from tests.gateway.desk.story import sign, submit

NOW = Instant("2026-11-23T02:00:00.000Z")  # ten o'clock where the company is
UNITS = {
    "unit_group": UnitRow(id="unit_group", name="集团", parent=None, kind="group"),
    "unit_water": UnitRow(id="unit_water", name="灌溉", parent="unit_group", kind="subsidiary"),
    "unit_field": UnitRow(id="unit_field", name="工程部", parent="unit_water", kind="department"),
    "unit_tour": UnitRow(id="unit_tour", name="文旅", parent="unit_group", kind="subsidiary"),
}


def channel(identifier: str, unit: str, *, daily: str, sent: int = 0) -> ChannelRow:
    """Return a channel with a quota."""
    return ChannelRow(id=identifier, platform="wechat", account=identifier, name=identifier, unit=unit, level="own", filing="filed", filing_number="",
                      settings={"daily_limit": daily}, custodians=[], sent=sent, sent_day="2026-11-23")


NAMES = Directory(people={}, units=UNITS, appointments=(), group="unit_group", channels={
    "ch_one": channel("ch_one", "unit_water", daily="1"), "ch_two": channel("ch_two", "unit_tour", daily="5", sent=4),
})


def booking(at: str, on: str = "ch_one", **over: Any) -> Booking:
    """Return a booking on the 23rd, or on the day that `at` names."""
    when = at if len(at) > 5 else f"2026-11-23T{at}:00.000Z"
    values: dict[str, Any] = {
        "channel": on, "operation": "publish", "state": "held", "unit": "unit_field", "author": "per_x", "title": "t", "link": "/", "submission": "sub_x",
        "window_to": "2026-11-30T10:00:00.000Z", "troubles": [], **over}
    return Booking(at=Instant(when), **values)


def troubles(*found: Booking, freezes: tuple[FreezeRow, ...] = (), blackouts: tuple[BlackoutRow, ...] = ()) -> list[list[str]]:
    """Return what stands in the way of each."""
    judge(found, NAMES, freezes, blackouts, NOW)
    return [item.troubles for item in found]


def test_the_days_quota_counts_what_was_sent_and_no_withdrawal() -> None:
    """The second of a day is too many where one is allowed; the fifth where four went out already; each day and channel by itself."""
    assert troubles(booking("03:00"), booking("04:00", operation="withdraw"), booking("05:00"), booking("2026-11-24T05:00:00.000Z")) == [[], [], ["over"], []]
    assert troubles(booking("03:00", "ch_two"), booking("05:00", "ch_two"), booking("2026-11-24T05:00:00.000Z", "ch_two")) == [[], ["over"], []]
    assert troubles(booking("03:00", "ch_gone")) == [[]]


def test_neighbours_on_one_channel_are_pointed_out_once() -> None:
    """Less than ten minutes apart on the same channel marks both; ten minutes, or another channel, does not."""
    on = {"on": "ch_two"}
    assert troubles(booking("2026-11-24T03:00:00.000Z", **on), booking("2026-11-24T03:09:59.000Z", **on), booking("2026-11-24T03:15:00.000Z", **on)) == [
        ["close"], ["close"], ["close"]]
    assert troubles(booking("2026-11-24T03:00:00.000Z", **on), booking("2026-11-24T03:10:00.000Z", **on), booking("2026-11-24T03:10:00.000Z")) == [[], [], []]


@pytest.mark.parametrize(("at", "over", "expected"), [
    ("03:59", {"state": "in_review"}, ["undecided"]), ("04:00", {"state": "in_review"}, []), ("01:59", {"state": "in_review"}, ["missed"]),
    ("02:30", {"state": "prepared"}, []), ("05:00", {"window_to": "2026-11-23T05:00:00.000Z"}, ["window"]),
])
def test_time_that_runs_out_is_said(at: str, over: dict[str, Any], expected: list[str]) -> None:
    """Two hours before its time an item should be decided; afterwards it was missed; a time at the window's end is too late."""
    assert troubles(booking(at, **over)) == [expected]


@pytest.mark.parametrize(("scope", "target", "stands"), [
    ("all", "", True), ("channel", "ch_one", True), ("channel", "ch_two", False), ("submission", "sub_x", True), ("submission", "sub_y", False),
    ("unit", "unit_field", True), ("unit", "unit_water", True), ("unit", "unit_tour", False), ("unit", "unit_group", True),
])
def test_freezes_and_blackouts_cover_what_the_gate_would_stop(scope: str, target: str, stands: bool) -> None:
    """By all, channel, submission and unit (the author's or the channel's owner's); a withdrawal knows no blackout, and days end."""
    freeze = FreezeRow(id="frz_x", scope=scope, target=target, by="per_x", reason="r", at=NOW)
    assert troubles(booking("05:00"), freezes=(freeze,)) == [["frozen"] if stands else []]
    if scope == "submission":
        return
    dark = BlackoutRow(id="blk_x", scope=scope, target=target, kind="mourning", start="2026-11-23T03:00:00.000Z", end="2026-11-23T06:00:00.000Z", by="per_x")
    marked = ["blackout"] if stands else []
    assert troubles(booking("05:00"), blackouts=(dark,)) == [marked]
    assert troubles(booking("06:00"), booking("05:00", operation="withdraw"), blackouts=(dark,)) == [[], []]


def test_days_are_the_companys() -> None:
    """A booking at half past midnight belongs to the new day; a day knows whether it is worked on, and the blackouts that touch it."""
    dark = BlackoutRow(id="blk_x", scope="all", target="", kind="mourning", start=midnight(date(2026, 10, 2)), end=midnight(date(2026, 10, 3)), by="per_x")
    first, second, third = days(date(2026, 10, 1), 3, [booking("2026-10-01T16:30:00.000Z")], [dark], Instant("2026-10-02T00:00:00.000Z"))
    assert [len(day.bookings) for day in (first, second, third)] == [0, 1, 0]
    assert [len(day.blackouts) for day in (first, second, third)] == [0, 1, 0]
    assert (first.today, second.today, first.workday) == (False, True, False)
    assert midnight(date(2026, 11, 23)) == "2026-11-22T16:00:00.000Z"


async def test_the_page_shows_what_waits_and_what_is_asked_for(place: Place) -> None:
    """A released and an undecided item five minutes apart stand in each other's way; a freeze marks them; strangers see only that the time is taken."""
    lu, lin, fang = await place.browser("lu"), await place.browser("lin"), await place.browser("fang")
    empty = await fang.get("/publications/schedule?view=today")
    assert "这几天没有排期" in empty.text
    tomorrow = date.fromisoformat(instants.office_day(place.house.runner.now())) + timedelta(days=1)
    at = instants.plus(midnight(tomorrow), 10 * 3600)
    first = await submit(lu, "秋收之后", place.channel(), scheduled=at)
    await submit(lu, "泵站巡检", place.channel(), scheduled=instants.plus(at, 300))
    await sign(place, "gu", first, "approve")
    await sign(place, "lu", first, "release")
    await place.house.do(c.Freeze(scope="channel", target=place.channel(), reason=place.house.parts.values.commit("数据有误")), "fang", Grade.COUNTER)
    await place.caught_up()
    held = place.house.state.submissions[first].target(place.channel()).publication
    for path in (f"/submissions/{first}", f"/publications/{held}"):
        assert f"将于 {tomorrow:%m-%d} 10:00 发出" in (await lu.get(path)).text, path
    assert f"{place.house.parts.settings.counter_url}/s/stops" in (await lu.get(f"/submissions/{first}")).text
    week = f"/publications/schedule?week={instants.office_day(at)}"
    page = (await lu.get(week)).text
    for words in ("秋收之后", "泵站巡检", "已放行，到时发出", "在审，已定时", "相隔不到 10 分钟", "已被冻结", "排期冲突 2"):
        assert words in page, words
    other = (await lin.get(week)).text
    assert "秋收之后" not in other
    assert "已占用" in other
    assert "秋收之后" not in (await lu.get(f"{week}&channel={place.channel('wechat_group')}")).text
    place.parts.now = lambda: instants.plus(midnight(tomorrow), 60)
    home = (await fang.get("/")).text
    assert "今日排期" in home
    assert "泵站巡检" in home
    assert "泵站巡检" not in (await lin.get("/")).text
    assert "秋收之后" in (await fang.get("/publications/schedule?view=today")).text
    for bad in ("2026-13-01", "x" * 10, "9999-12-31", "0001-01-01", "2026-W01-1"):
        assert (await lu.get(f"/publications/schedule?week={bad}")).status == 200, bad
    before = (date.fromisoformat(instants.office_day(at)) - timedelta(days=14)).isoformat()
    assert "秋收之后" not in (await lu.get(f"/publications/schedule?week={before}")).text
    assert held is not None
    await place.house.do(c.Stop(publication=held), "gu", Grade.COUNTER)
    await place.caught_up()
    stopped = (await lu.get(f"/submissions/{first}")).text
    assert "■" in stopped[: stopped.index("正在等")]  # what it is now, not that it was released once
    listed = (await lu.get("/drafts")).text
    assert "还待放行" in listed
    assert "已放行</span>" not in listed
    assert "Release pending" in (await (await place.browser("lu", lang="en")).get("/drafts")).text
    mine = (await lu.get("/")).text.partition("我报的，等人签")[2]
    assert "还待放行" in mine
    assert "等 禾汀灌溉运营人员放行" in mine


async def test_of_too_many_bookings_the_next_ones_are_shown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is what comes last, never what comes next: of items asked for and of releases that wait."""
    monkeypatch.setattr("gateway.desk.console.schedule.LIMIT", 1)
    lu, now = await place.browser("lu"), place.house.runner.now()
    late, early = [await submit(lu, f"第{hours}件", place.channel(), scheduled=instants.plus(now, hours * 3_600)) for hours in (9, 5)]
    await place.caught_up()
    assert [booking.submission for booking in await bookings(place.parts, now, instants.plus(now, 86_400))] == [early]
    for submission in (late, early):
        await sign(place, "gu", submission, "approve")
        await sign(place, "lu", submission, "release")
    await place.caught_up()
    assert [booking.submission for booking in await bookings(place.parts, now, instants.plus(now, 86_400))] == [early]
