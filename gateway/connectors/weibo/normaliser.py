"""What a post read back from Weibo must have in common with what was approved, and its public address (pure).

Weibo puts short links in place of addresses and escapes its text; compared are the words with every link masked, the number of
links, the writer, and whether there is a picture.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.connectors.answers import text_of

_LINK: Final = re.compile(r"https?://[!-~]+")
_SPACE: Final = re.compile(r"\s+")
_SOURCE: Final = re.compile(r"<[^<>]*>")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def masked(text: str) -> str:
    """Return the words without white space and with each link as one mark."""
    return _SPACE.sub("", _LINK.sub("\x00", html.unescape(text)))


def number(post: Mapping[str, Any]) -> str:
    """Return a post's id as text: `idstr`, else `mid`; never the number, which is rounded in JSON readers."""
    for name in ("idstr", "mid"):
        value = post.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return value
    return ""


def writer(post: Mapping[str, Any]) -> str:
    """Return the uid of a post's writer, trimmed or whole; empty where the answer has none."""
    user = post.get("user")
    return text_of(user.get("idstr") or user.get("id")) if isinstance(user, dict) else text_of(user)


def source(post: Mapping[str, Any]) -> str:
    """Return the name of the app that a post was written with."""
    return html.unescape(_SOURCE.sub("", str(post.get("source") or ""))).strip()


def written_at(post: Mapping[str, Any]) -> datetime | None:
    """Return when a post was written, aware; None where its time cannot be read."""
    try:
        return datetime.strptime(str(post.get("created_at")), "%a %b %d %H:%M:%S %z %Y")
    except ValueError:
        return None


def same(post: Mapping[str, Any], status: str, *, picture: bool) -> bool:
    """Return whether a post shows the approved words, and a picture exactly where one was approved."""
    shown = bool(post.get("original_pic") or post.get("thumbnail_pic") or post.get("pic_urls"))
    return masked(str(post.get("text") or "")) == masked(status) and shown == picture


def address(base_url: str, uid: str, idstr: str) -> str:
    """Return a post's public address: on weibo.com in its base-62 spelling, on a sandbox below the sandbox's own address."""
    if urlsplit(base_url).hostname in {"api.weibo.com", "c.api.weibo.com"}:
        return f"https://weibo.com/{uid}/{base62(idstr)}"
    return f"{base_url}/{uid}/{idstr}"


def base62(idstr: str) -> str:
    """Return the spelling that Weibo's pages use: groups of seven digits from the right, each as four base-62 digits."""
    groups: list[str] = []
    rest = idstr
    while rest:
        rest, group = rest[:-7], rest[-7:]
        value, letters = int(group), ""
        while value:
            value, digit = divmod(value, 62)
            letters = _DIGITS[digit] + letters
        groups.insert(0, letters.rjust(4, "0") if rest else letters or "0")
    return "".join(groups)
