"""Working days and approval windows in the company's zone, by the State Council's calendar with adjusted days (调休).

The calendar of a coming year is published in November; for a year it does not know, Monday to Friday count, and `known` says so.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

import chinese_calendar

from gateway.protocol import instants
from gateway.protocol.instants import OFFICE_ZONE, Instant

WINDOW_WORKDAYS: Final = 3
OFFICE_CLOSES: Final = time(18, 0)


def known(day: date) -> bool:
    """Return whether the official calendar of the day's year is known here."""
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return False
    return True


def is_workday(day: date) -> bool:
    """Return whether `day` is a working day; Monday to Friday for a year nobody has published yet."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def window_end(start: Instant, workdays: int = WINDOW_WORKDAYS) -> Instant:
    """Return 18:00 of the third working day after `start` (its own day does not count)."""
    day = instants.to_datetime(start).astimezone(OFFICE_ZONE).date()
    left = workdays
    while left:
        day += timedelta(days=1)
        if is_workday(day):
            left -= 1
    return instants.from_datetime(datetime.combine(day, OFFICE_CLOSES, OFFICE_ZONE))
