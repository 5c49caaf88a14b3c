"""What Weibo's share interface asks for: 140 characters, a link on a safe domain, no topics, at most one picture."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from gateway.checks.finding import Draft, Finding, Place
from gateway.content import status_text

MAX_UNITS: Final = 280
LINK_UNITS: Final = 20
MAX_PICTURE: Final = 5 * 1024 * 1024

_LINK: Final = re.compile("https?://[!-~]+")
_TOPIC: Final = re.compile("[#＃][^#＃\\n]+[#＃]")


def check(draft: Draft) -> list[Finding]:
    """Return what Weibo would refuse; nothing for other platforms."""
    if draft.platform != "weibo":
        return []
    status = status_text(draft.content, draft.text)
    return [*_length(status), *_topics(status), *_safe_link(draft, status), *_pictures(draft)]


def units(status: str) -> int:
    """Return the length in half-width units: 1 for ASCII, 2 for the rest, 20 for a link, which Weibo shortens."""
    links = len(_LINK.findall(status))
    rest = _LINK.sub("", status)
    return links * LINK_UNITS + sum(1 if character.isascii() else 2 for character in rest)


def _length(status: str) -> list[Finding]:
    over = units(status) - MAX_UNITS
    if over <= 0:
        return []
    many = (over + 1) // 2
    return [
        Finding(
            code="weibo_too_long",
            grade="block",
            rule="R16.1",
            zh=f"微博：超 {many} 字（上限 140 字，链接按 10 字计）。请删减正文（《办法》第十六条）。",
            en=f"Weibo: {many} characters over the limit of 140, a link counting as 10. Shorten the text (article 16).",
        )
    ]


def _topics(status: str) -> list[Finding]:
    masked = _LINK.sub(lambda link: "\n" * len(link[0]), status)
    return [
        Finding(
            code="weibo_topic",
            grade="block",
            rule="R16.1",
            place=Place(field="body", quote=topic[0], start=topic.start(), end=topic.end()),
            zh=f"微博：不能带话题「{topic[0]}」，接口会拒收。请去掉 # 号（《办法》第十六条）。",
            en=f"Weibo: the interface refuses topics such as {topic[0]}. Remove the # signs (article 16).",
        )
        for topic in _TOPIC.finditer(masked)
    ]


def _safe_link(draft: Draft, status: str) -> list[Finding]:
    domains = [name.strip().lower() for name in draft.settings.get("safe_domains", "").split(",") if name.strip()]
    if not domains:
        return [
            Finding(
                code="weibo_no_safe_domain",
                grade="block",
                rule="R16.1",
                zh="微博：该渠道没有登记安全域名，不能发布。请找渠道保管人补登记（《办法》第十六条）。",
                en="Weibo: the channel has no safe domain on file. Ask its custodian to enter one (article 16).",
            )
        ]
    hosts = [_host(link) for link in _LINK.findall(status)]
    if any(host == name or host.endswith("." + name) for host in hosts for name in domains):
        return []
    return [
        Finding(
            code="weibo_link_missing",
            grade="block",
            rule="R16.1",
            zh=f"微博：须带至少一个安全域名的链接（{'、'.join(domains)}）。请加上链接（《办法》第十六条）。",
            en=f"Weibo: at least one link on a safe domain is needed ({', '.join(domains)}). Add it (article 16).",
        )
    ]


def _host(link: str) -> str:
    try:
        return urlsplit(link).hostname or ""
    except ValueError:
        return ""


def _pictures(draft: Draft) -> list[Finding]:
    pictures = [item for item in draft.content.media if item.role == "body"]
    found: list[Finding] = []
    if len(pictures) > 1:
        found.append(
            Finding(
                code="weibo_pictures",
                grade="block",
                rule="R16.1",
                zh=f"微博：接口最多带 1 张图，现有 {len(pictures)} 张。请只留一张（《办法》第十六条）。",
                en=f"Weibo: the interface takes one picture, the text has {len(pictures)}. Keep one (article 16).",
            )
        )
    if any(item.length >= MAX_PICTURE for item in pictures):
        found.append(
            Finding(
                code="weibo_picture_large",
                grade="block",
                rule="R16.1",
                zh="微博：图片须小于 5 MB。请压缩后重新上传（《办法》第十六条）。",
                en="Weibo: a picture must be smaller than 5 MB. Compress it and upload it again (article 16).",
            )
        )
    return found
