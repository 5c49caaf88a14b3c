"""Instants as text: RFC 3339, UTC, milliseconds, `Z`; they sort as text, which is how the state compares them (pure)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NewType
from zoneinfo import ZoneInfo

Instant = NewType("Instant", str)
"""`2026-11-23T09:12:00.000Z`; comparing two as text compares them in time."""

OFFICE_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""Windows, days and quotas are counted where the company is; see regulation.md B (working days)."""

EPOCH_START: Final = Instant("0000-00-00T00:00:00.000Z")
NEVER: Final = Instant("9999-12-31T23:59:59.999Z")

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def from_datetime(moment: datetime) -> Instant:
    """Return an aware `moment` as an instant, cut to milliseconds.

    Raises:
        ValueError: `moment` names no zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return Instant(moment.isoformat(timespec="milliseconds")[:23] + "Z")


def to_datetime(instant: Instant) -> datetime:
    """Return `instant` as an aware UTC datetime."""
    return datetime.fromisoformat(instant[:23] + "+00:00")


def parse(text: object) -> Instant:
    """Return `text` as an instant.

    Raises:
        ValueError: it is not in the one accepted form, or names no real moment.
    """
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise ValueError("not an instant like 2026-11-23T09:12:00.000Z")
    to_datetime(Instant(text))
    return Instant(text)


def plus(instant: Instant, seconds: float) -> Instant:
    """Return the instant `seconds` later (or earlier, when negative)."""
    return from_datetime(to_datetime(instant) + timedelta(seconds=seconds))


def seconds_between(earlier: Instant, later: Instant) -> float:
    """Return how many seconds lie from `earlier` to `later`."""
    return (to_datetime(later) - to_datetime(earlier)).total_seconds()


def office_day(instant: Instant) -> str:
    """Return the calendar day in the company's zone, as `2026-11-23`."""
    return to_datetime(instant).astimezone(OFFICE_ZONE).date().isoformat()


def office_year(instant: Instant) -> str:
    """Return the year in the company's zone; only around New Year does that take the zone."""
    return instant[:4] if "01-02" <= instant[5:10] <= "12-30" else office_day(instant)[:4]
