"""The WeChat template: one article with every governed field, by its interface name (pure).

The platform never takes an edit, an article without a title or cover, or texts over its limits (platforms.md 1.2): refused here,
so that nobody is asked to approve what cannot be published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.connectors import bodies
from gateway.connectors.base import ChannelFacts, Operation, Previous, Segment, Slot, Template
from gateway.connectors.wechat.words import refused
from gateway.content import Content

PLATFORM: Final = "wechat"
CONNECTOR: Final = "wechat/1"

MAX_TITLE: Final = 64
MAX_AUTHOR: Final = 16
MAX_DIGEST: Final = 120
MAX_SOURCE_URL: Final = 1024
MAX_CONTENT: Final = 20_000
AUTO_DIGEST: Final = 54
ADDRESS_LENGTH: Final = 200
"""Characters set aside for the address that WeChat gives each picture."""

FLAGS: Final = ("need_open_comment", "only_fans_can_comment", "show_cover_pic")


def render(content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
    """Return the template; see `gateway.connectors.base.Connector.render`.

    An empty summary is replaced by the first 54 characters of the text, as WeChat would do by itself: so it is approved too.

    Raises:
        PlatformRefused: WeChat can never take this.
    """
    if operation is Operation.EDIT:
        raise refused("no_edit")
    if operation is Operation.WITHDRAW:
        if previous is None:
            raise refused("previous_missing")
        fields: dict[str, tuple[Segment, ...]] = {"article_id": (previous.id,), "index": ("1",)}
        return _template(channel, operation, fields, previous=previous)
    if content is None:
        raise refused("content_missing")
    cover = content.cover()
    if cover is None:
        raise refused("cover_missing")
    body = bodies.segments(content)
    fields = {
        "article_type": ("news",),
        "title": (content.title,),
        "author": (channel.settings.get("author", "") or content.author,),
        "digest": (content.summary or _opening(content),),
        "content": body,
        "content_source_url": (content.source.url,),
        "thumb_media_id": (Slot(role="cover", digest=cover.sha256),),
        **dict.fromkeys(FLAGS, ("0",)),
    }
    _check(fields)
    return _template(channel, operation, fields, media=bodies.media(content))


def article(filled: Mapping[str, str]) -> dict[str, Any]:
    """Return the article object of draft/add from the filled fields; flags are numbers."""
    return {name: int(text) if name in FLAGS else text for name, text in filled.items()}


def _template(channel: ChannelFacts, operation: Operation, fields: Mapping[str, tuple[Segment, ...]], **more: Any) -> Template:
    return Template(platform=PLATFORM, connector=CONNECTOR, operation=operation, account=channel.account, fields=fields, **more)


def _opening(content: Content) -> str:
    return " ".join(content.recognised().text.split())[:AUTO_DIGEST].strip()


def _check(fields: Mapping[str, tuple[Segment, ...]]) -> None:
    if not fields["title"][0]:
        raise refused("title_missing")
    for name, longest, code in (("title", MAX_TITLE, 45003), ("author", MAX_AUTHOR, 45110), ("digest", MAX_DIGEST, 45004)):
        if _length(fields[name]) > longest:
            raise refused(code)
    if len(str(fields["content_source_url"][0]).encode()) > MAX_SOURCE_URL:
        raise refused(45005)
    if _length(fields["content"]) >= MAX_CONTENT:
        raise refused(45002)


def _length(segments: tuple[Segment, ...]) -> int:
    return sum(len(part) if isinstance(part, str) else ADDRESS_LENGTH for part in segments)
