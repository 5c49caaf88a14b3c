"""Working days: the State Council's calendar with adjusted days, and Monday to Friday for a year nobody has published."""

from __future__ import annotations

from datetime import date

import pytest

from gateway import calendar
from gateway.protocol.instants import Instant


@pytest.mark.parametrize(("start", "end"), [
    ("2025-06-16T02:00:00.000Z", "2025-06-19T10:00:00.000Z"),  # Monday: Thursday 18:00 in Beijing
    ("2025-06-19T15:59:00.000Z", "2025-06-24T10:00:00.000Z"),  # Thursday night: Friday, Monday, Tuesday
    ("2025-06-19T16:01:00.000Z", "2025-06-25T10:00:00.000Z"),  # already Friday in Beijing
    ("2025-09-30T02:00:00.000Z", "2025-10-11T10:00:00.000Z"),  # National Day: 9 and 10 October, and the adjusted Saturday 11
])
def test_the_window_ends_on_the_third_working_day(start: str, end: str) -> None:
    """18:00 of the third working day in the company's zone; holidays skipped, adjusted weekend days counted."""
    assert calendar.window_end(Instant(start)) == end


def test_an_unknown_year_counts_monday_to_friday_and_says_so() -> None:
    """A year that is not published yet is not guessed at."""
    assert not calendar.known(date(2190, 1, 4))
    assert calendar.known(date(2025, 1, 4))
    assert calendar.is_workday(date(2190, 1, 4))
    assert not calendar.is_workday(date(2190, 1, 2))
