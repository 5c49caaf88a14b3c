"""What a check looks at and what it says (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from gateway.content import Content
from gateway.protocol.facts import Facts

Grade = Literal["block", "confirm", "hint"]
"""阻断, 需确认, 提示."""

GRADES: Final[tuple[Grade, ...]] = ("block", "confirm", "hint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One content on its way to one channel.

    Args:
        content: the content, which need not be valid yet.
        text: the plain text of the body; empty where the body is not in normal form.
        facts: what the author declared, None before that.
        platform: `wechat`, `weibo` or `wordpress`.
        settings: the channel's settings; `safe_domains` is a comma-separated list of host names.
        day: the day of publication in Asia/Shanghai, by which dates without a year are read.
    """

    content: Content
    text: str
    facts: Facts | None
    platform: str
    settings: Mapping[str, str]
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a finding shows: the field, the words, and their offsets in the field (for `body`, in its plain text)."""

    field: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A change that would settle the finding: the place's words replaced by `replace_with`."""

    replace_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a check found: code, grade, rule id of the regulation, the words in Chinese and English, place and fix."""

    code: str
    grade: Grade
    rule: str
    zh: str
    en: str
    place: Place | None = None
    fix: Fix | None = None

    def value(self) -> dict[str, Any]:
        """Return the finding as a JSON value for blobs and pages."""
        place = self.place
        return {
            "code": self.code,
            "grade": self.grade,
            "rule": self.rule,
            "zh": self.zh,
            "en": self.en,
            "place": place and {"field": place.field, "quote": place.quote, "start": place.start, "end": place.end},
            "fix": self.fix and {"replace_with": self.fix.replace_with},
        }


def words(draft: Draft) -> tuple[tuple[str, str], ...]:
    """Return the fields that hold words as (field, text), in reading order."""
    content = draft.content
    return (
        ("title", content.title),
        ("summary", content.summary),
        ("author", content.author),
        ("source.name", content.source.name),
        ("body", draft.text),
    )
