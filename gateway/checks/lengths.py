"""Lengths: titles beyond 32 and 64 characters, and the WeChat limits on the article's HTML, author and source address."""

from __future__ import annotations

from typing import Final

from gateway.checks.finding import Draft, Finding, Place
from gateway.content import MAX_TITLE

COMFORTABLE_TITLE: Final = 32
WECHAT_BODY: Final = 20_000
WECHAT_AUTHOR: Final = 16
WECHAT_SOURCE_URL: Final = 1024


def check(draft: Draft) -> list[Finding]:
    """Return a finding for each field that is too long for the platform."""
    return [*_title(draft), *(_wechat(draft) if draft.platform == "wechat" else ())]


def _title(draft: Draft) -> list[Finding]:
    title = draft.content.title
    if len(title) <= COMFORTABLE_TITLE:
        return []
    limit = MAX_TITLE if len(title) > MAX_TITLE else COMFORTABLE_TITLE
    place = Place(field="title", quote=title[limit:], start=limit, end=len(title))
    if len(title) > MAX_TITLE:
        return [
            Finding(
                code="title_too_long",
                grade="block",
                rule="R16.1",
                place=place,
                zh=f"标题 {len(title)} 字，超过 64 字上限。请删减 {len(title) - MAX_TITLE} 字（《办法》第十六条）。",
                en=f"The title has {len(title)} characters; the limit is 64. Cut {len(title) - MAX_TITLE} (article 16).",
            )
        ]
    return [
        Finding(
            code="title_long",
            grade="confirm" if draft.platform == "wechat" else "hint",
            rule="R16.1",
            place=place,
            zh=f"标题 {len(title)} 字，超过 32 字，平台可能拒收，手机上会显示不全。建议精简（《办法》第十六条）。",
            en=f"The title has {len(title)} characters; beyond 32 the platform may refuse it and phones cut it (article 16).",
        )
    ]


def _wechat(draft: Draft) -> list[Finding]:
    content = draft.content
    found: list[Finding] = []
    if len(content.body) >= WECHAT_BODY:
        found.append(
            Finding(
                code="body_too_long",
                grade="block",
                rule="R16.1",
                zh=f"正文连同版式 {len(content.body)} 字符，公众号须少于 20,000。请精简版式或拆成两篇（《办法》第十六条）。",
                en=f"The body has {len(content.body)} characters with its layout; WeChat takes fewer than 20,000 (article 16).",
            )
        )
    if len(content.author) > WECHAT_AUTHOR:
        found.append(
            Finding(
                code="author_too_long",
                grade="block",
                rule="R16.1",
                place=Place(field="author", quote=content.author[WECHAT_AUTHOR:], start=WECHAT_AUTHOR, end=len(content.author)),
                zh="作者超过 16 字，公众号不收。请缩短（《办法》第十六条）。",
                en="The author's name is longer than the 16 characters that WeChat takes. Shorten it (article 16).",
            )
        )
    if len(content.source.url) > WECHAT_SOURCE_URL:
        found.append(
            Finding(
                code="source_url_too_long",
                grade="block",
                rule="R15.1",
                zh="原文链接超过 1 KB，公众号不收。请换用较短的链接（《办法》第十五条）。",
                en="The address of the original is longer than the 1 KB that WeChat takes. Use a shorter one (article 15).",
            )
        )
    return found
