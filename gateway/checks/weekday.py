"""Dates whose day of the week does not fit (article 15: what is published must be accurate)."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from gateway.checks.finding import Draft, Finding, Fix, Place, words

_DATE: Final = re.compile("(?:([0-9]{4})年)?([0-9]{1,2})月([0-9]{1,2})日[ \\n]?[（(]?(星期|周|礼拜)([一二三四五六日天])[)）]?")
_DAYS: Final = "一二三四五六日"


def check(draft: Draft) -> list[Finding]:
    """Return a finding for each date that names the wrong day of the week or does not exist.

    A date without a year is read as the one nearest to the day of publication.
    """
    return [
        finding
        for field, text in words(draft)
        for match in _DATE.finditer(text)
        if (finding := _judge(field, match, draft.day)) is not None
    ]


def _judge(field: str, match: re.Match[str], near: date) -> Finding | None:
    place = Place(field=field, quote=match[0], start=match.start(), end=match.end())
    day = _read(match[1], int(match[2]), int(match[3]), near)
    if day is None:
        return Finding(
            code="date_impossible",
            grade="confirm",
            rule="R15.1",
            place=place,
            zh=f"「{match[0]}」这一天不存在。请核对日期（《办法》第十五条）。",
            en=f"The date in {match[0]} does not exist. Check it (article 15).",
        )
    named = _DAYS.index("日" if match[5] == "天" else match[5])
    if day.weekday() == named:
        return None
    right = _DAYS[day.weekday()]
    at = match.start(5) - match.start()
    return Finding(
        code="weekday_differs",
        grade="confirm",
        rule="R15.1",
        place=place,
        fix=Fix(replace_with=match[0][:at] + right + match[0][at + 1 :]),
        zh=f"「{match[0]}」：{day.year}年{day.month}月{day.day}日是{match[4]}{right}。请核对（《办法》第十五条）。",
        en=f"{match[0]}: {day.isoformat()} is a {day:%A}. Check the date (article 15).",
    )


def _read(year: str | None, month: int, day: int, near: date) -> date | None:
    years = [int(year)] if year else [near.year - 1, near.year, near.year + 1]
    possible = [made for made in (_date(number, month, day) for number in years) if made]
    return min(possible, key=lambda made: abs((made - near).days), default=None)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
