"""What an article read back from WeChat must have in common with what was approved (pure).

WeChat rewrites markup on arrival: quoting, attributes, the scheme and query of picture addresses. Compared are: title, author,
summary, source address, text without white space, link targets in order, pictures in order (host and path), cover, flags, and
that nothing active has come in. Styles are not compared.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import canonical
from gateway.connectors import bodies
from gateway.connectors.wechat.render import FLAGS
from gateway.connectors.wechat.words import refused

View = dict[str, Any]

PLAIN: Final = ("title", "author", "digest", "content_source_url")
PUBLIC: Final = (*PLAIN, "text", "links", "pictures", "active")
"""What a published article is compared by; WeChat may give it a new cover id."""


def view(article: Mapping[str, Any]) -> View:
    """Return the compared view of an article, be it a template's filled fields or WeChat's answer.

    Raises:
        PlatformRefused: the title or the content is missing.
    """
    content = article.get("content")
    if not isinstance(content, str) or not isinstance(article.get("title"), str):
        raise refused("malformed")
    seen = bodies.read(content)
    return {
        **{name: html.unescape(str(article.get(name) or "")).strip() for name in PLAIN},
        "thumb_media_id": str(article.get("thumb_media_id") or ""),
        **{name: str(article.get(name) or 0) for name in FLAGS},
        "text": seen.text,
        "links": list(seen.links),
        "pictures": [_picture(address) for address in seen.pictures],
        "active": list(seen.active),
    }


def differs(approved: View, shown: View, names: tuple[str, ...] | None = None) -> str | None:
    """Return the first of `names` (default: all) that is shown otherwise than approved, or None."""
    return next((name for name in names or approved if approved[name] != shown.get(name)), None)


def snapshot(shown: View) -> canonical.Digest:
    """Return the digest of a view."""
    return canonical.digest(shown)


def only_article(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the single article of a draft or publication.

    Raises:
        PlatformRefused: there is none or more than one: somebody added articles to it.
    """
    items = answer.get("news_item")
    if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
        raise refused("malformed" if not items else "draft_gone")
    return items[0]


def _picture(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.netloc.lower()}{parts.path}"
