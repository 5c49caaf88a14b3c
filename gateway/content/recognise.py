"""The recogniser of the body: says yes to exactly the normal form, in one pass, or names the first fault (pure).

1. Size, characters and spelling of entities are judged over the whole string.
2. The string is cut at `<` and `>`; each piece is a tag or a text, and nothing may be left over.
3. A start tag must be spelt exactly as the tables allow, stand where the parent's content model lets it, and be closed by
   the end tag of the same name in the right order.

Work is linear in the length: no piece is looked at twice, and equal tags are judged once.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from gateway.canonical import Digest
from gateway.content import grammar
from gateway.content.style import is_style
from gateway.content.text import fault_in_text, find_forbidden, is_url, joins_before

_PIECE: Final = re.compile("<([^<>]*+)>|([^<>]++)")
_TAG: Final = re.compile('([a-z][a-z0-9]*+)((?: [a-z]++="[^"]*+")*+)')
_ATTRIBUTE: Final = re.compile(' ([a-z]+)="([^"]*)"')
_ENTITY: Final = re.compile("&(?!amp;|lt;|gt;|quot;)")
_TOKEN: Final = re.compile("media:(sha256:[0-9a-f]{64})")
_SPAN: Final = re.compile("[1-9][0-9]?")
_START: Final = re.compile("-?[1-9][0-9]{0,4}|0")
_EDGE: Final = " \n\t"


class NotNormal(ValueError):
    """The body is not in normal form.

    `reason` is a code that docs/spec/content.md lists, `position` the offset in code points where it shows.
    """

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at {position}")
        self.reason = reason
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePlace:
    """One picture in the body: its digest, its alternative text, and where its token `media:sha256:…` stands.

    `body[start:end]` is the token; a renderer puts the platform's address there.
    """

    digest: Digest
    alt: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognisedBody:
    """What a body holds: pictures in order of appearance, links sorted and each once, plain text, depth, element count.

    In `text` each block element and each `br` begins a new line; there are no empty lines.
    """

    pictures: tuple[PicturePlace, ...]
    links: tuple[str, ...]
    text: str
    depth: int
    elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag:
    name: str
    href: str | None = None
    picture: tuple[Digest, str, int] | None = None


@dataclass(slots=True)
class _Walk:
    stack: list[str] = field(default_factory=list)
    tags: dict[str, _Tag] = field(default_factory=dict)
    pictures: list[PicturePlace] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    text: list[str] = field(default_factory=list)
    depth: int = 0
    elements: int = 0
    anchors: int = 0


def escape_text(text: str) -> str:
    """Return `text` as the normal form spells it between tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_attribute(value: str) -> str:
    """Return `value` as the normal form spells it between double quotes."""
    return escape_text(value).replace('"', "&quot;")


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")


def recognise(html: str) -> RecognisedBody:
    """Return what `html` holds if it is a body in normal form.

    Takes time linear in the length, at most 256 KiB of UTF-8, 5,000 elements and a depth of 64.

    Raises:
        NotNormal: `html` is anything else.
    """
    _judge_characters(html)
    walk = _Walk()
    at = 0
    for piece in _PIECE.finditer(html):
        start = piece.start()
        if start != at:
            raise NotNormal("stray_bracket", at)
        at = piece.end()
        inner = piece[1]
        if inner is None:
            _take_text(walk, piece[2], start, html)
        elif inner.startswith("/"):
            _take_end(walk, inner[1:], start)
        else:
            _take_start(walk, inner, start)
    if at != len(html):
        raise NotNormal("stray_bracket", at)
    if walk.stack:
        raise NotNormal("unclosed", at)
    lines = "".join(walk.text).split("\n")
    return RecognisedBody(
        pictures=tuple(walk.pictures),
        links=tuple(sorted(walk.links)),
        text="\n".join(line for line in lines if line.strip()),
        depth=walk.depth,
        elements=walk.elements,
    )


def _judge_characters(html: str) -> None:
    if len(html) > grammar.MAX_BODY_BYTES:
        raise NotNormal("too_long", grammar.MAX_BODY_BYTES)
    if (at := find_forbidden(html)) is not None:
        raise NotNormal("character", at)
    if len(html.encode()) > grammar.MAX_BODY_BYTES:
        raise NotNormal("too_long", len(html))
    if not unicodedata.is_normalized("NFC", html):
        raise NotNormal("not_nfc", _first_unnormalised(html))
    if found := _ENTITY.search(html):
        raise NotNormal("entity", found.start())
    if html[:1] in _EDGE and html:
        raise NotNormal("edge_space", 0)
    if html[-1:] in _EDGE and html:
        raise NotNormal("edge_space", len(html) - 1)


def _first_unnormalised(html: str) -> int:
    normal = unicodedata.normalize("NFC", html)
    return next((at for at, (one, two) in enumerate(zip(html, normal, strict=False)) if one != two), len(normal))


def _take_text(walk: _Walk, raw: str, start: int, html: str) -> None:
    parent = walk.stack[-1] if walk.stack else ""
    if parent in grammar.TEXTLESS:
        raise NotNormal("structure", start)
    if "&" in raw:
        if "&quot;" in raw:
            raise NotNormal("entity", start + raw.index("&quot;"))
        text = _unescape(raw)
        if not unicodedata.is_normalized("NFC", text):
            raise NotNormal("not_nfc", start)
    else:
        text = raw
    if joins_before(text[0]):
        raise NotNormal("combining_start", start)
    if parent == "pre" and text[0] == "\n" and html.startswith("<pre", html.rfind("<", 0, start)):
        raise NotNormal("pre_newline", start)
    walk.text.append(text)


def _take_end(walk: _Walk, name: str, start: int) -> None:
    if not walk.stack or walk.stack[-1] != name:
        raise NotNormal("end_tag", start)
    walk.stack.pop()
    if name == "a":
        walk.anchors -= 1
    elif name in grammar.BLOCKS:
        walk.text.append("\n")


def _take_start(walk: _Walk, inner: str, start: int) -> None:
    tag = walk.tags.get(inner)
    if tag is None:
        tag = walk.tags[inner] = _read_tag(inner, start)
    name = tag.name
    allowed = grammar.CHILDREN[walk.stack[-1]] if walk.stack else grammar.FLOW
    if name not in allowed or (name == "a" and walk.anchors):
        raise NotNormal("structure", start)
    walk.elements += 1
    if walk.elements > grammar.MAX_ELEMENTS:
        raise NotNormal("too_many_elements", start)
    if name not in grammar.VOID:
        walk.stack.append(name)
        walk.depth = max(walk.depth, len(walk.stack))
        if len(walk.stack) > grammar.MAX_DEPTH:
            raise NotNormal("too_deep", start)
    if name in grammar.BLOCKS or name == "br":
        walk.text.append("\n")
    if tag.href is not None:
        walk.anchors += 1
        walk.links.add(tag.href)
    elif tag.picture is not None:
        digest, alt, offset = tag.picture
        token = start + offset
        walk.pictures.append(PicturePlace(digest=digest, alt=alt, start=token, end=token + len("media:") + len(digest)))


def _read_tag(inner: str, start: int) -> _Tag:
    shape = _TAG.fullmatch(inner)
    if shape is None:
        raise NotNormal("tag", start)
    name = shape[1]
    allowed = grammar.ATTRIBUTES.get(name)
    if allowed is None:
        raise NotNormal("element", start)
    last = ""
    values: dict[str, tuple[str, int]] = {}
    for found in _ATTRIBUTE.finditer(shape[2]):
        key, raw = found.groups()
        place = start + 1 + len(name) + found.start() + 1
        if key not in allowed:
            raise NotNormal("attribute", place)
        if key <= last:
            raise NotNormal("attribute_order", place)
        last = key
        values[key] = (_read_value(key, raw, place), 1 + len(name) + found.start(2))
    if not grammar.REQUIRED.get(name, grammar.NOTHING) <= values.keys():
        raise NotNormal("attribute_missing", start)
    if name == "img":
        token, offset = values["src"]
        return _Tag(name=name, picture=(Digest(token), values["alt"][0], offset))
    return _Tag(name=name, href=values["href"][0] if name == "a" else None)


def _read_value(key: str, raw: str, place: int) -> str:
    if key == "style":
        if len(raw) > grammar.MAX_STYLE or not is_style(raw):
            raise NotNormal("style", place)
        return raw
    if key == "src":
        token = _TOKEN.fullmatch(raw)
        if token is None:
            raise NotNormal("picture", place)
        return token[1]
    value = _unescape(raw)
    if key == "href":
        if not is_url(value):
            raise NotNormal("link", place)
    elif key == "alt":
        if len(value) > grammar.MAX_ALT or fault_in_text(value):
            raise NotNormal("alt", place)
    elif (_START if key == "start" else _SPAN).fullmatch(value) is None:
        raise NotNormal("number", place)
    return value
