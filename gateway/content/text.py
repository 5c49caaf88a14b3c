"""Which characters a text may hold, and the URL spelling that links and sources share (pure).

A text that people approve must read the same on every screen, so what cannot be seen is not let in: control characters,
direction controls, zero-width characters, fillers, unpaired surrogates and noncharacters. The zero-width joiner and the
emoji variation selectors stay where they build an emoji, and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_URL: Final = 2048

_EMOJI: Final = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"

_UNSEEN: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\uffa0\ufff9-\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
)

FORBIDDEN: Final = re.compile(
    f"[{_UNSEEN}]"
    f"|(?<![{_EMOJI}0-9#*])\ufe0f"
    "|(?<=[0-9#*])\ufe0f(?!\u20e3)"
    f"|(?<![{_EMOJI}])\ufe0e"
    f"|(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d"
    f"|\u200d(?![{_EMOJI}])"
)
"""Matches one character that no text of a content may hold at that place."""

_SUSPECT: Final = re.compile(f"[{_UNSEEN}\ufe0e\ufe0f\u200d]")

_USERINFO: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:%]{1,128}@)?"
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?){0,20}|\[[0-9a-f:.]{2,45}\])"
_REST: Final = r"(?:[A-Za-z0-9\-._~:@!$&'()*+,;=/]|%[0-9A-F]{2})*+"
_QUERY: Final = r"(?:[A-Za-z0-9\-._~:@!$&'()*+,;=/?]|%[0-9A-F]{2})*+"
_URL: Final = re.compile(rf"https?://{_USERINFO}{_HOST}(?::[1-9][0-9]{{0,4}})?/{_REST}(?:\?{_QUERY})?(?:\#{_QUERY})?")


def find_forbidden(text: str) -> int | None:
    """Return the offset of the first character that `FORBIDDEN` matches, or None; several times faster than its search."""
    for found in _SUSPECT.finditer(text):
        if FORBIDDEN.match(text, found.start()):
            return found.start()
    return None


def is_url(value: str) -> bool:
    """Return whether `value` is an absolute http or https URL in the one spelling the format knows.

    Lower-case scheme and host, ASCII only (IDN as `xn--`, other characters percent-encoded with upper-case hex), a path
    that begins with `/`, no empty user name, at most 2048 characters. RFC 3986 section 3 gives the parts.
    """
    return len(value) <= MAX_URL and _URL.fullmatch(value) is not None


def fault_in_text(value: str, *, lines: bool = False) -> tuple[str, int] | None:
    """Return the first fault of a decoded text as (reason, offset), or None where it is normal.

    Line feed and tab pass only with `lines`. Reasons: `character`, `combining_start` (the text begins with a mark that
    would join what stands before it), `not_nfc` (Unicode Standard Annex 15; offset 0).
    """
    if value.isascii() and value.isprintable():
        return None
    if (at := find_forbidden(value)) is not None:
        return "character", at
    if not lines and (found := _LINES.search(value)):
        return "character", found.start()
    if value and joins_before(value[0]):
        return "combining_start", 0
    if not unicodedata.is_normalized("NFC", value):
        return "not_nfc", 0
    return None


_LINES: Final = re.compile("[\n\t]")


def joins_before(character: str) -> bool:
    """Return whether `character` may compose with the one before it: a mark, or a Hangul vowel or final."""
    return unicodedata.category(character)[0] == "M" or "\u1161" <= character <= "\u11ff"
