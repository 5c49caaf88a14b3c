"""The rules for a post's text: length, safe domain, topics, repetition, short links.

The 140 characters are counted as 280 half-width units with each link as one short link; that counting is common
practice and not documented. Source of the other rules: documentation of statuses/share.
"""

from __future__ import annotations

import re
import secrets
import string
import unicodedata
from urllib.parse import urlsplit

from gateway.sandbox.weibo.refusals import Refused
from gateway.sandbox.weibo.state import App, User, WeiboState

MAX_UNITS = 280
LINK_UNITS = 20
LINK = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
TOPIC = re.compile(r"#[^#\s][^#]*#")
_ALPHABET = string.ascii_letters + string.digits


def check_text(text: str, app: App, user: User) -> None:
    """Refuse a text that statuses/share would not take: 20008, 10017, 20012, 20019, 20017."""
    if not text.strip():
        raise Refused(20008)
    if TOPIC.search(LINK.sub(" ", text)):
        raise Refused(10017, words="text can not contain topic!")
    if not any(_is_safe(link, app) for link in LINK.findall(text)):
        raise Refused(10017, words="text not find domain!")
    if units(text) > MAX_UNITS:
        raise Refused(20012)
    if text == user.last_text:
        raise Refused(20019)
    if user.last_text and _essence(text) == _essence(user.last_text):
        raise Refused(20017)


def units(text: str) -> int:
    """Count half-width units: wide characters two, others one, each link as a short link."""
    links = len(LINK.findall(text))
    rest = LINK.sub("", text)
    return links * LINK_UNITS + sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in rest)


def shortened(text: str, state: WeiboState) -> str:
    """Replace each link by a short one, remembered in the state."""

    def short(found: re.Match[str]) -> str:
        code = "A" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
        state.short_links[code] = found.group(0)
        return f"http://t.cn/{code}"

    return LINK.sub(short, text)


def _is_safe(link: str, app: App) -> bool:
    try:
        host = urlsplit(link).hostname or ""
    except ValueError:
        return False
    return any(host == domain or host.endswith("." + domain) for domain in app.safe_domains)


def _essence(text: str) -> str:
    """What is left of a text without links, white space, punctuation and case."""
    return "".join(char for char in LINK.sub("", text).casefold() if char.isalnum())
