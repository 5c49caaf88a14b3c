"""Explanations: a denial in a person's language, with the people to ask; the same words on page, API and in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.enforcer.views import Views
from gateway.protocol import denials, instants
from gateway.protocol.denials import Denied
from gateway.protocol.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What happened, on what basis, what next, whom to ask."""

    code: str
    status: int
    title: str
    detail: str
    rule: str
    article: str
    next: str
    ask: tuple[dict[str, str], ...]
    missing: tuple[str, ...]
    lang: str
    more: dict[str, Any]

    def problem(self) -> dict[str, Any]:
        """Return it as an RFC 9457 problem."""
        return {
            "type": f"urn:qianfa:{self.code}", "title": self.title, "status": self.status, "detail": self.detail, "code": self.code,
            "rule": self.rule, "article": self.article, "next": self.next, "ask": list(self.ask), "missing": list(self.missing),
            "lang": self.lang, **self.more,
        }


def explain(denied: Denied, views: Views, lang: str) -> Explanation:
    """Return `denied` in words of `lang` (zh or en)."""
    words = denied.words
    zh = lang != "en"
    missing = tuple(views.stage_words(stage, lang) for stage in denied.missing)
    more = dict(denied.more)
    seq = more.get("seq")
    if denied.code == "stale_view" and isinstance(seq, int):
        more["changed"] = views.entry_words(seq, lang)
    return Explanation(
        code=denied.code, status=words.status, title=words.zh if zh else words.en, detail=_detail(denied, views, lang), rule=denied.rule,
        article=denials.article(denied.rule, "zh" if zh else "en"), next=words.zh_next if zh else words.en_next,
        ask=tuple(views.contact(person, lang) for person in denied.ask), missing=missing, lang="zh" if zh else "en", more=more,
    )


def _detail(denied: Denied, views: Views, lang: str) -> str:
    channel = views.state.channels.get(denied.detail)
    if channel is not None:
        named = f"渠道：{channel.name}" if lang != "en" else f"Channel: {channel.name}"
        return named + _until(denied.more.get("until"), lang)
    if denied.missing:
        names = "、".join(views.stage_words(stage, lang) for stage in denied.missing)
        return f"缺：{names}" if lang != "en" else "Missing: " + ", ".join(views.stage_words(stage, "en") for stage in denied.missing)
    return denied.detail


def _until(until: Instant | None, lang: str) -> str:
    """Return in words from when on it may go out, in the company's zone; empty where that is not known."""
    if until is None:
        return ""
    at = instants.to_datetime(until).astimezone(instants.OFFICE_ZONE).strftime("%Y-%m-%d %H:%M")
    return f"；最快 {at}" if lang != "en" else f"; earliest {at}"
