"""The content: the manifest that is approved, signed and published, and its bytes (pure).

The manifest names everything the public will see: the words, the body in normal form, each picture by the SHA-256 of its
bytes together with the role it plays, and each link. Its digest is what people sign. docs/spec/content.md is the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from gateway import canonical
from gateway.canonical import Digest, NotCanonical
from gateway.content.recognise import NotNormal, RecognisedBody, recognise
from gateway.content.text import fault_in_text, is_url

_T = TypeVar("_T")

VERSION: Final = 1
MAX_TITLE: Final = 64
MAX_SUMMARY: Final = 120
MAX_AUTHOR: Final = 64
MAX_SOURCE_NAME: Final = 128
MAX_ALT: Final = 256
MAX_MEDIA: Final = 100
MAX_MEDIA_BYTES: Final = 10 * 1024 * 1024
MAX_SIDE: Final = 16_384
MAX_CONTENT_BYTES: Final = 768 * 1024
"""No valid content reaches it: JSON at most doubles the body, by escapes or by naming its links again; media add 150 KiB."""

SOURCE_KINDS: Final = ("original", "contributed", "reprinted", "compiled")
MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/gif")
ROLES: Final = ("cover", "body")


class NotContent(ValueError):
    """The bytes or the value are no content.

    `reason` is a code that docs/spec/content.md lists, `field` the manifest key, dotted, where it shows.
    """

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(f"{reason} in {field}")
        self.reason = reason
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the text comes from (regulation article 15): kind, name of the giver, address; empty strings where unsaid."""

    kind: str
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One picture in its role: `cover` or `body`, media type, length in bytes, digest, width and height in pixels."""

    role: str
    type: str
    length: int
    sha256: Digest
    width: int
    height: int
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The manifest as a value.

    A value made by hand is a claim that checks can speak about (a draft may have an over-long title); bytes and digest
    exist only for what the format allows, so whoever holds either holds a valid content.
    """

    title: str
    summary: str
    author: str
    source: Source
    body: str
    media: tuple[Media, ...]
    links: tuple[str, ...]

    @classmethod
    def parse(cls, data: bytes) -> Content:
        """Return the content whose canonical bytes are exactly `data`.

        Raises:
            NotContent: the bytes are not canonical JSON, a key is missing or unknown, a value has another type or breaks a
                rule of docs/spec/content.md. A fault of the body carries the recogniser's reason, field `body`.
        """
        try:
            value = canonical.parse(data, limit=MAX_CONTENT_BYTES)
        except NotCanonical as error:
            raise NotContent("not_canonical", "") from error
        content = _from_manifest(value)
        content.recognised()
        return content

    @classmethod
    def build(
        cls,
        *,
        title: str,
        summary: str,
        author: str,
        source: Source,
        body: str,
        pictures: Mapping[Digest, Media],
        cover: Media | None,
    ) -> Content:
        """Return the valid content for a body in normal form, with `media` and `links` as the body orders them.

        `pictures` describes at least every picture of the body, by digest; role and alternative text are taken from the
        body. `cover` is entered with the role `cover`.

        Raises:
            NotContent: see `parse`; `picture_unknown` when the body shows a picture that `pictures` lacks.
        """
        seen = _recognise(body)
        media = [] if cover is None else [_with_role(cover, "cover", cover.alt)]
        listed: set[Digest] = set()
        for place in seen.pictures:
            if place.digest in listed:
                continue
            if place.digest not in pictures:
                raise NotContent("picture_unknown", "body")
            listed.add(place.digest)
            media.append(_with_role(pictures[place.digest], "body", place.alt))
        content = cls(title=title, summary=summary, author=author, source=source, body=body, media=tuple(media), links=seen.links)
        content.recognised()
        return content

    def recognised(self) -> RecognisedBody:
        """Return what the body holds, after every rule of the format has been checked.

        Raises:
            NotContent: see `parse`.
        """
        _check_words(self)
        seen = _recognise(self.body)
        _check_media(self.media)
        _check_bindings(self, seen)
        return seen

    def manifest(self) -> dict[str, Any]:
        """Return the manifest as the JSON value that `to_bytes` encodes, unchecked."""
        return {
            "v": VERSION,
            "kind": "article",
            "title": self.title,
            "summary": self.summary,
            "author": self.author,
            "source": {"kind": self.source.kind, "name": self.source.name, "url": self.source.url},
            "body": self.body,
            "media": [{name: getattr(item, name) for name in _MEDIA_KEYS} for item in self.media],
            "links": list(self.links),
        }

    def to_bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785).

        Raises:
            NotContent: the value breaks a rule of the format; see `parse`.
        """
        self.recognised()
        return canonical.encode(self.manifest())

    def digest(self) -> Digest:
        """Return the SHA-256 of `to_bytes()`, the digest that statements and tokens name.

        Raises:
            NotContent: see `parse`.
        """
        return canonical.sha256(self.to_bytes())

    def cover(self) -> Media | None:
        """Return the cover, or None where there is none."""
        return next((item for item in self.media if item.role == "cover"), None)


def status_text(content: Content, text: str) -> str:
    """Return the words of a short post: the body's plain text, then each link that the text does not spell itself.

    `text` is the `text` of the recognised body.
    """
    spelt = set(_SPELT_LINK.findall(text))
    unseen = [link for link in content.links if link not in spelt]
    return " ".join([text, *unseen]).strip()


_SPELT_LINK: Final = re.compile("https?://[!-~]+")
_MEDIA_KEYS: Final = ("role", "type", "length", "sha256", "width", "height", "alt")
_SOURCE_KEYS: Final = ("kind", "name", "url")
_KEYS: Final = ("v", "kind", "title", "summary", "author", "source", "body", "media", "links")
_VISIBLE: Final = re.compile(r"\S(?:.*\S)?")


def _recognise(body: str) -> RecognisedBody:
    try:
        return recognise(body)
    except NotNormal as error:
        raise NotContent(error.reason, "body") from error


def _with_role(item: Media, role: str, alt: str) -> Media:
    return Media(role=role, type=item.type, length=item.length, sha256=item.sha256, width=item.width, height=item.height, alt=alt)


def _from_manifest(value: Any) -> Content:
    top = _object(value, _KEYS, "")
    if type(top["v"]) is not int or top["v"] != VERSION:
        raise NotContent("version", "v")
    if top["kind"] != "article":
        raise NotContent("kind", "kind")
    source = _object(top["source"], _SOURCE_KEYS, "source")
    return Content(
        title=_text(top["title"], "title"),
        summary=_text(top["summary"], "summary"),
        author=_text(top["author"], "author"),
        source=Source(**{name: _text(source[name], f"source.{name}") for name in _SOURCE_KEYS}),
        body=_text(top["body"], "body"),
        media=_list(top["media"], "media", _media),
        links=_list(top["links"], "links", _text),
    )


def _object(value: Any, keys: tuple[str, ...], field: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise NotContent("type", field)
    if missing := [key for key in keys if key not in value]:
        raise NotContent("key_missing", f"{field}.{missing[0]}".lstrip("."))
    if unknown := sorted(value.keys() - set(keys)):
        raise NotContent("key_unknown", f"{field}.{unknown[0]}".lstrip("."))
    return value


def _text(value: Any, field: str) -> str:
    if type(value) is not str:
        raise NotContent("type", field)
    return value


def _whole(value: Any, field: str) -> int:
    if type(value) is not int:
        raise NotContent("type", field)
    return value


def _list(value: Any, field: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...]:
    if type(value) is not list:
        raise NotContent("type", field)
    return tuple(read(item, f"{field}.{at}") for at, item in enumerate(value))


def _media(value: Any, field: str) -> Media:
    item = _object(value, _MEDIA_KEYS, field)
    return Media(
        role=_text(item["role"], f"{field}.role"),
        type=_text(item["type"], f"{field}.type"),
        length=_whole(item["length"], f"{field}.length"),
        sha256=Digest(_text(item["sha256"], f"{field}.sha256")),
        width=_whole(item["width"], f"{field}.width"),
        height=_whole(item["height"], f"{field}.height"),
        alt=_text(item["alt"], f"{field}.alt"),
    )


def _check_words(content: Content) -> None:
    for field, value, longest in (
        ("title", content.title, MAX_TITLE),
        ("summary", content.summary, MAX_SUMMARY),
        ("author", content.author, MAX_AUTHOR),
        ("source.name", content.source.name, MAX_SOURCE_NAME),
    ):
        _check_line(value, field, longest)
    if content.source.kind not in SOURCE_KINDS:
        raise NotContent("source_kind", "source.kind")
    if content.source.url and not is_url(content.source.url):
        raise NotContent("link", "source.url")


def _check_line(value: str, field: str, longest: int) -> None:
    if len(value) > longest:
        raise NotContent("too_long", field)
    if fault := fault_in_text(value):
        raise NotContent(fault[0], field)
    if value and not _VISIBLE.fullmatch(value):
        raise NotContent("edge_space", field)


def _check_media(media: tuple[Media, ...]) -> None:
    if len(media) > MAX_MEDIA:
        raise NotContent("too_many", "media")
    shapes: dict[str, tuple[object, ...]] = {}
    for at, item in enumerate(media):
        field = f"media.{at}"
        if item.role not in ROLES or (item.role == "cover" and at):
            raise NotContent("role", f"{field}.role")
        if item.type not in MEDIA_TYPES:
            raise NotContent("media_type", f"{field}.type")
        if not 1 <= item.length <= MAX_MEDIA_BYTES:
            raise NotContent("length", f"{field}.length")
        if not (1 <= item.width <= MAX_SIDE and 1 <= item.height <= MAX_SIDE):
            raise NotContent("dimensions", field)
        try:
            canonical.parse_digest(item.sha256)
        except NotCanonical as error:
            raise NotContent("digest", f"{field}.sha256") from error
        _check_line(item.alt, f"{field}.alt", MAX_ALT)
        shape = (item.type, item.length, item.width, item.height)
        if shapes.setdefault(item.sha256, shape) != shape:
            raise NotContent("media_differs", field)


def _check_bindings(content: Content, seen: RecognisedBody) -> None:
    alts: dict[str, str] = {}
    for place in seen.pictures:
        if alts.setdefault(place.digest, place.alt) != place.alt:
            raise NotContent("alt_differs", "body")
    listed = [(item.sha256, item.alt) for item in content.media if item.role == "body"]
    if listed != list(alts.items()):
        raise NotContent("media_order", "media")
    if content.links != seen.links:
        raise NotContent("links", "links")
