"""The checks in their fixed order, and the one way to run them (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from gateway.checks import characters, lengths, links, normal, pictures, required, weekday, weibo
from gateway.checks.finding import Draft, Finding
from gateway.content import Content, NotNormal, recognise
from gateway.protocol.facts import Facts

CHECKS: Final[tuple[tuple[str, Callable[[Draft], list[Finding]]], ...]] = (
    ("normal", normal.check),
    ("required", required.check),
    ("lengths", lengths.check),
    ("pictures", pictures.check),
    ("characters", characters.check),
    ("weekday", weekday.check),
    ("links", links.check),
    ("weibo", weibo.check),
)
"""Name and check, in the order in which findings are listed."""

VERSION: Final = 2
"""Raised whenever a check may answer differently, so that kept findings name what made them."""


def run_checks(content: Content, *, facts: Facts | None, platform: str, settings: Mapping[str, str], day: date) -> tuple[Finding, ...]:
    """Return what all checks find about `content` on its way to one channel, always in the same order.

    `day` is the day of publication in Asia/Shanghai; see `Draft` for the rest. A content with a finding of grade `block`
    may not be submitted.
    """
    try:
        text = recognise(content.body).text
    except NotNormal:
        text = ""
    draft = Draft(content=content, text=text, facts=facts, platform=platform, settings=settings, day=day)
    return tuple(finding for _, check in CHECKS for finding in check(draft))
