"""The WordPress template: every field that decides what the public sees, by its REST name (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway import canonical
from gateway.connectors import bodies
from gateway.connectors.base import ChannelFacts, Operation, PlatformRefused, Previous, Segment, Slot, Template
from gateway.connectors.wordpress.literal import literal, literal_html
from gateway.connectors.wordpress.words import refused
from gateway.content import Content

PLATFORM: Final = "wordpress"
CONNECTOR: Final = "wordpress/1"

COMPARED: Final = (
    "title", "content", "excerpt", "slug", "author", "sticky", "comment_status", "ping_status", "featured_media", "categories",
    "tags", "password", "template", "format",
)
"""The fields that are read back and compared, where a template has them."""

_NUMBERS: Final = frozenset({"author", "featured_media"})
_LISTS: Final = frozenset({"categories", "tags"})


def render(content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
    """Return the template; see `gateway.connectors.base.Connector.render`.

    The body stands in a custom HTML block, so that no paragraph is added. An edit keeps the address and the date of what is live.

    Raises:
        PlatformRefused: content or previous is missing, or a setting is malformed.
    """
    if operation is not Operation.PUBLISH and previous is None:
        raise refused("previous_missing")
    if operation is Operation.WITHDRAW:
        return _template(channel, operation, {"status": ("trash",)}, previous=previous)
    if content is None:
        raise refused("content_missing")
    cover = content.cover()
    fields: dict[str, tuple[Segment, ...]] = {
        "title": (literal(content.title),),
        "content": ("<!-- wp:html -->\n", *bodies.segments(content, literal_html), "\n<!-- /wp:html -->"),
        "excerpt": (literal(content.summary),),
        "author": (_numbers(channel.settings, "author_id", many=False),),
        "sticky": ("false",),
        "comment_status": ("closed",),
        "ping_status": ("closed",),
        "featured_media": (Slot(role="cover", digest=cover.sha256) if cover else "0",),
        "categories": (_numbers(channel.settings, "categories") or "1",),
        "tags": (_numbers(channel.settings, "tags"),),
        "password": ("",),
        "template": ("",),
        "format": ("standard",),
        "status": ("publish",),
    }
    if operation is Operation.PUBLISH:
        fields["slug"] = ("qf-" + canonical.digest(content.manifest())[7:23],)
        fields["date"] = ("",)
    return _template(channel, operation, fields, media=bodies.media(content), previous=previous)


def _template(channel: ChannelFacts, operation: Operation, fields: Mapping[str, tuple[Segment, ...]], **more: Any) -> Template:
    return Template(platform=PLATFORM, connector=CONNECTOR, operation=operation, account=channel.account, fields=fields, **more)


def _numbers(settings: Mapping[str, str], key: str, *, many: bool = True) -> str:
    """Return the setting's numbers as the canonical text `1,5`, sorted; empty where it is not set."""
    items = [item.strip() for item in settings.get(key, "").split(",") if item.strip()]
    if not all(item.isascii() and item.isdigit() for item in items) or (len(items) > 1 and not many):
        raise refused("settings")
    return ",".join(map(str, sorted({int(item) for item in items})))


def payload(filled: Mapping[str, str], status: str) -> dict[str, Any]:
    """Return the JSON object that writes the filled fields together with `status`; an empty date is null, never a future."""
    value: dict[str, Any] = {name: _typed(name, text) for name, text in filled.items()}
    value["status"] = status
    return value


def _typed(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return int(text)
    if name in _LISTS:
        return [int(item) for item in text.split(",") if item]
    if name == "sticky":
        return text == "true"
    return None if name == "date" else text


def view(post: Mapping[str, Any]) -> dict[str, str]:
    """Return the compared fields of a post as its edit context shows them, each as the text a template would hold.

    Raises:
        PlatformRefused: the answer lacks a field, as an answer without edit rights does.
    """
    try:
        return {name: _text(name, post) for name in COMPARED}
    except (KeyError, TypeError, AttributeError) as error:
        raise refused("not_wordpress") from error


def _text(name: str, post: Mapping[str, Any]) -> str:
    value = post[name]
    if name in {"title", "content", "excerpt"}:
        return str(value["raw"])
    if name in _LISTS:
        return ",".join(str(item) for item in sorted(value))
    if name == "sticky":
        return "true" if value else "false"
    return str(value)


def differs(filled: Mapping[str, str], post: Mapping[str, Any]) -> str | None:
    """Return the first compared field that the post shows otherwise than the template asks, or None."""
    shown = view(post)
    return next((name for name in COMPARED if name in filled and filled[name] != shown[name]), None)


def snapshot(post: Mapping[str, Any]) -> canonical.Digest:
    """Return the digest of everything compared together with the post's status."""
    return canonical.digest({"status": str(post.get("status", "")), **view(post)})


__all__ = ["COMPARED", "CONNECTOR", "PLATFORM", "PlatformRefused", "differs", "payload", "render", "snapshot", "view"]
