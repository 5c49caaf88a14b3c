"""排期: what is to go out when and where, by day and channel, with what stands in its way.

A booking is a released publication that waits for its time, or a fixed time that was asked for and is still being decided. Whoever may not
read an item sees that the time is taken, by which unit, and nothing more. The page decides nothing: the gate asks everything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from aiohttp import web
from sqlalchemy import select

from gateway import calendar
from gateway.desk.console.blackouts import upcoming
from gateway.desk.console.channels import limit, used
from gateway.desk.console.page import directory, draw
from gateway.desk.console.submissions import may_read
from gateway.desk.parts import PARTS, WHO, Parts, Who
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.publications import PublicationRow
from gateway.desk.readmodel.refusals import BlackoutRow, FreezeRow
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.protocol import instants
from gateway.protocol.instants import OFFICE_ZONE, Instant

WAITING: Final = ("held", "intended", "prepared")
CLOSE_SECONDS: Final = 600
"""Two sends on one channel within this time are pointed out: readers see one and miss the other."""

SOON_SECONDS: Final = 2 * 3600
"""An item whose fixed time is nearer than this and is still being decided is pointed out."""

LIMIT: Final = 500


@dataclass(slots=True, kw_only=True)
class Booking:
    """One time on one channel. `troubles` are keys of words: over, close, undecided, missed, window, frozen, blackout."""

    at: Instant
    channel: str
    operation: str
    state: str
    unit: str
    author: str
    title: str
    link: str
    submission: str
    window_to: str
    troubles: list[str]

    @property
    def day(self) -> str:
        """The company's day that it falls on."""
        return instants.office_day(self.at)


async def bookings(parts: Parts, first: Instant, until: Instant) -> list[Booking]:
    """Return the bookings from `first` up to, not including, `until`, by time."""
    asked = select(SubmissionRow).where(
        SubmissionRow.scheduled >= first, SubmissionRow.scheduled < until, SubmissionRow.state.in_(("in_review", "released"))
    ).order_by(SubmissionRow.scheduled, SubmissionRow.id).limit(LIMIT)
    waiting = select(PublicationRow).where(
        PublicationRow.state.in_(WAITING), PublicationRow.not_before >= first, PublicationRow.not_before < until
    ).order_by(PublicationRow.not_before, PublicationRow.id).limit(LIMIT)
    async with parts.sessions() as session:
        found = [_sent(row) for row in await session.scalars(waiting)]
        for row in await session.scalars(asked):
            found += _asked(row)
    return sorted(found, key=lambda booking: (booking.at, booking.channel, booking.submission))


def _sent(row: PublicationRow) -> Booking:
    return Booking(
        at=Instant(row.not_before), channel=row.channel, operation=row.operation, state=row.state, unit=row.unit, author=row.author, title=row.title,
        link=f"/publications/{row.id}", submission=row.submission, window_to=row.window_to, troubles=[],
    )


def _asked(row: SubmissionRow) -> Iterable[Booking]:
    """Yield the targets of an item with a fixed time that were not released yet."""
    for target in row.targets:
        if target["channel"] not in row.publications:
            yield Booking(
                at=Instant(row.scheduled or ""), channel=target["channel"], operation=target["operation"], state="in_review", unit=row.unit,
                author=row.author, title=row.title, link=f"/submissions/{row.id}", submission=row.id, window_to=row.window_to, troubles=[],
            )


def judge(
    found: Sequence[Booking], names: Directory, freezes: Sequence[FreezeRow], blackouts: Sequence[BlackoutRow], now: Instant,
) -> None:
    """Write on each booking what stands in its way, as far as it can be known now; `found` is ordered by time."""
    taken: dict[tuple[str, str], int] = {}
    before: dict[str, Booking] = {}
    for booking in found:
        channel = names.channels.get(booking.channel)
        if booking.operation != "withdraw" and channel is not None:
            key = (booking.channel, booking.day)
            taken[key] = taken.get(key, used(channel, now) if booking.day == instants.office_day(now) else 0) + 1
            if taken[key] > limit(channel):
                booking.troubles.append("over")
            if (earlier := before.get(booking.channel)) is not None and instants.seconds_between(earlier.at, booking.at) < CLOSE_SECONDS:
                earlier.troubles += [] if "close" in earlier.troubles else ["close"]
                booking.troubles.append("close")
            before[booking.channel] = booking
        booking.troubles += _of_itself(booking, now)
        if any(_frozen(freeze, booking, channel, names) for freeze in freezes):
            booking.troubles.append("frozen")
        if booking.operation != "withdraw" and any(_blacked_out(row, booking, channel, names) for row in blackouts):
            booking.troubles.append("blackout")


def _of_itself(booking: Booking, now: Instant) -> list[str]:
    if booking.at >= booking.window_to:
        return ["window"]
    if booking.state != "in_review":
        return []
    left = instants.seconds_between(now, booking.at)
    return ["missed"] if left < 0 else ["undecided"] if left < SOON_SECONDS else []


def _frozen(freeze: FreezeRow, booking: Booking, channel: ChannelRow | None, names: Directory) -> bool:
    return _covers(freeze.scope, freeze.target, booking, channel, names)


def _blacked_out(row: BlackoutRow, booking: Booking, channel: ChannelRow | None, names: Directory) -> bool:
    return row.start <= booking.at < row.end and _covers(row.scope, row.target, booking, channel, names)


def _covers(scope: str, target: str, booking: Booking, channel: ChannelRow | None, names: Directory) -> bool:
    if scope == "unit":
        return names.inside(booking.unit, target) or (channel is not None and names.inside(channel.unit, target))
    return scope == "all" or (scope == "channel" and target == booking.channel) or (scope == "submission" and target == booking.submission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the page: its date, whether it is worked on by the State Council's calendar, its bookings by channel, and its blackouts."""

    date: date
    workday: bool
    today: bool
    bookings: tuple[Booking, ...]
    blackouts: tuple[BlackoutRow, ...]

    @property
    def key(self) -> str:
        """The date as it stands in addresses."""
        return self.date.isoformat()

    def on(self, channel: str) -> list[Booking]:
        """Return the day's bookings on one channel."""
        return [booking for booking in self.bookings if booking.channel == channel]


def days(first: date, number: int, found: Sequence[Booking], blackouts: Sequence[BlackoutRow], now: Instant) -> list[Day]:
    """Return `number` days from `first` on."""
    made = []
    for offset in range(number):
        day = first + timedelta(days=offset)
        start, end = midnight(day), midnight(day + timedelta(days=1))
        made.append(Day(
            date=day, workday=calendar.is_workday(day), today=day.isoformat() == instants.office_day(now),
            bookings=tuple(booking for booking in found if booking.day == day.isoformat()),
            blackouts=tuple(row for row in blackouts if row.start < end and row.end > start),
        ))
    return made


def midnight(day: date) -> Instant:
    """Return the instant at which a day begins where the company is."""
    return instants.from_datetime(datetime.combine(day, time(), OFFICE_ZONE))


async def planned(parts: Parts, names: Directory, first: date, number: int) -> list[Day]:
    """Return `number` days from `first` on with their bookings judged."""
    now = parts.now()
    found = await bookings(parts, midnight(first), midnight(first + timedelta(days=number)))
    async with parts.sessions() as session:
        freezes = list(await session.scalars(select(FreezeRow)))
    blackouts = await upcoming(parts)
    judge(found, names, freezes, blackouts, now)
    return days(first, number, found, blackouts, now)


async def today(parts: Parts, names: Directory) -> Day:
    """Return today's bookings, for brand & PR's home."""
    (day,) = await planned(parts, names, date.fromisoformat(instants.office_day(parts.now())), 1)
    return day


async def schedule(request: web.Request) -> web.Response:
    """Draw the page: today, or the week that `week` falls into, on all channels or one."""
    parts, who = request.app[PARTS], request[WHO]
    names = await directory(request)
    here = date.fromisoformat(instants.office_day(parts.now()))
    view = "today" if request.query.get("view") == "today" else "week"
    first = here if view == "today" else _monday(request.query.get("week", ""), here)
    channel = request.query.get("channel", "")
    shown = await planned(parts, names, first, 1 if view == "today" else 7)
    if channel in names.channels:
        shown = [_only(day, channel) for day in shown]
    used_channels = {booking.channel for day in shown for booking in day.bookings}
    return await draw(
        request, "schedule.html", names=names, view=view, days=shown, channel=channel, monday=_monday("", here).isoformat(),
        first=first.isoformat(), before=(first - timedelta(days=7)).isoformat(), after=(first + timedelta(days=7)).isoformat(),
        rows=[row for row in names.channels.values() if row.id in used_channels], known=calendar.known(first + timedelta(days=6)),
        may=lambda booking: reads(who, names, booking), limit=limit, used=lambda row: used(row, parts.now()), conflicts=conflicts(shown),
    )


def _monday(text: str, here: date) -> date:
    try:
        day = date.fromisoformat(text) if len(text) == 10 else here
    except ValueError:
        day = here
    if not date(2000, 1, 3) <= day <= date(2999, 12, 31):
        day = here
    return day - timedelta(days=day.weekday())


def _only(day: Day, channel: str) -> Day:
    kept = tuple(booking for booking in day.bookings if booking.channel == channel)
    return Day(date=day.date, workday=day.workday, today=day.today, bookings=kept, blackouts=day.blackouts)


def reads(who: Who, names: Directory, booking: Booking) -> bool:
    """Return whether a person may know what a booking is about."""
    return may_read(who, names, booking.author, booking.unit)


def conflicts(shown: Sequence[Day]) -> list[dict[str, Any]]:
    """Return the bookings that cannot go out as they stand, for the head of the page."""
    return [{"booking": booking, "troubles": booking.troubles} for day in shown for booking in day.bookings if booking.troubles]
