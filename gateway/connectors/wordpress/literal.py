"""Spelling text so that WordPress shows it as it is (pure).

WordPress rewrites what it shows: it curls quotes and joins dashes (wptexturize), turns smileys into pictures, runs `[…]` as
shortcodes and turns an address alone in its paragraph into an embedded page. All of that looks at ASCII characters of the
stored text, so those are stored as numeric references (three digits at least, the spelling that its own filter keeps):
the reader sees the approved characters and no filter sees anything to change.
"""

from __future__ import annotations

import html
import re
from typing import Final

_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_TEXT_OR_TAG: Final = re.compile(r"<[^<>]*>|[^<>]+")
_TIMES: Final = re.compile(r"(?<=\d)x(?=\d)")
_BRAND: Final = re.compile(r"Wordpress")


def literal(text: str) -> str:
    """Return plain `text` as HTML that WordPress's display filters leave alone."""
    spelt = _PUNCTUATION.sub(lambda found: f"&#{ord(found.group()):03d};", text)
    return _BRAND.sub("Word&#112;ress", _TIMES.sub("&#120;", spelt))


def literal_html(part: str) -> str:
    """Return a part of a body in normal form with the text between its tags spelt by `literal`, and `[` and `]` in tags too.

    The part may begin or end inside a tag, where a picture's address was cut out.
    """
    head, tail = "", ""
    first, last = part.find("<"), part.rfind(">")
    closing = part.find(">")
    if closing != -1 and (first == -1 or closing < first):
        head, part = part[:closing + 1], part[closing + 1:]
        last = part.rfind(">")
    opening = part.rfind("<")
    if opening > last:
        part, tail = part[:opening], part[opening:]
    middle = "".join(
        _in_tag(piece) if piece.startswith("<") else literal(html.unescape(piece)) for piece in _TEXT_OR_TAG.findall(part)
    )
    return _in_tag(head) + middle + _in_tag(tail)


def _in_tag(tag: str) -> str:
    return tag.replace("[", "&#091;").replace("]", "&#093;")
