"""Pictures: what the WeChat article picture interface does not take (article 16; platforms.md 1.2 and 1.5).

uploadimg takes JPEG and PNG below 1 MB. Anything else can only become library material, whose address WeChat may filter out of the
article; the read-back then stops the send after everybody has signed. So it is said before anybody is asked to sign.
"""

from __future__ import annotations

from typing import Final

from gateway.checks.finding import Draft, Finding

ARTICLE_PICTURE: Final = 1 << 20
"""Bytes that an article picture must stay below."""
_TAKEN: Final = frozenset({"image/jpeg", "image/png"})


def check(draft: Draft) -> list[Finding]:
    """Return a finding for each body picture that WeChat would take in another way only."""
    if draft.platform != "wechat":
        return []
    found: list[Finding] = []
    number = 0
    for item in draft.content.media:
        if item.role != "body":
            continue
        number += 1
        if item.type not in _TAKEN:
            found.append(_other_way(number, "是 GIF" if item.type == "image/gif" else "不是 JPG 或 PNG", "is not a JPEG or PNG"))
        elif item.length >= ARTICLE_PICTURE:
            megabytes = f"{item.length / ARTICLE_PICTURE:.1f} MB"
            found.append(_other_way(number, f"有 {megabytes}", f"has {megabytes}"))
    return found


def _other_way(number: int, why_zh: str, why_en: str) -> Finding:
    return Finding(
        code="picture_not_for_articles", grade="confirm", rule="R16.1",
        zh=f"正文第 {number} 张图{why_zh}，公众号的正文图片接口只收 1 MB 以内的 JPG 或 PNG。"
           "它会改存为素材，公众号可能把它从正文里滤掉，那样发布前的核对会停下。建议换成 JPG 或 PNG，否则请确认（《办法》第十六条）。",
        en=f"Picture {number} of the body {why_en}; WeChat's interface for article pictures takes JPEG or PNG below 1 MB. It becomes library material, which WeChat may"
           " filter out of the article, and the check before sending would then stop. Use JPEG or PNG, or confirm (article 16).",
    )
