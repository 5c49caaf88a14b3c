"""From a content's body to template segments, and what a body says to its reader (pure).

A platform rewrites markup in its own ways; what must not change is what a reader sees and follows: the text, where links
lead, which pictures come in which order. `read` takes exactly that out of any HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

from gateway.connectors.base import MediaRef, Segment, Slot
from gateway.content import Content

_SPACE: Final = re.compile(r"\s+")
_SILENT: Final = frozenset({"script", "style", "template", "noscript", "textarea", "title", "iframe", "object", "select"})


def segments(content: Content, change: Callable[[str], str] = str) -> tuple[Segment, ...]:
    """Return the body cut at its pictures: literal parts passed through `change`, and a `body` slot for each address."""
    parts: list[Segment] = []
    at = 0
    for place in content.recognised().pictures:
        parts.append(change(content.body[at:place.start]))
        parts.append(Slot(role="body", digest=place.digest))
        at = place.end
    parts.append(change(content.body[at:]))
    return tuple(parts)


def media(content: Content) -> tuple[MediaRef, ...]:
    """Return the pictures of a content as a template lists them: the cover first, then the body's."""
    return tuple(MediaRef(role=item.role, type=item.type, length=item.length, digest=item.sha256) for item in content.media)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a body says: its text with every white space dropped, link targets in order, picture addresses in order.

    `active` names the elements that run or load something; a normal form has none.
    """

    text: str
    links: tuple[str, ...]
    pictures: tuple[str, ...]
    active: tuple[str, ...]


def read(html: str) -> Reading:
    """Return what `html` says to its reader; any input gives an answer."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Reading(text=_SPACE.sub("", "".join(reader.text)), links=tuple(reader.links), pictures=tuple(reader.pictures),
                   active=tuple(reader.active))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
        if tag == "img":
            self.pictures.append(values.get("src") or values.get("data-src") or "")
        if tag in _SILENT or any(name.startswith("on") for name in values):
            self.active.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)
