"""The Weibo template: one short text with a link on a safe domain, and at most one picture (pure).

The words are `gateway.content.status_text`, the same that the checks judge: what they would block is refused here with their words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from gateway.checks import weibo as rules
from gateway.checks.finding import Draft
from gateway.connectors import bodies
from gateway.connectors.base import ChannelFacts, Operation, PlatformRefused, Previous, Segment, Template
from gateway.connectors.weibo.words import refused
from gateway.content import Content, status_text

PLATFORM: Final = "weibo"
CONNECTOR: Final = "weibo/1"


def render(content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
    """Return the template; see `gateway.connectors.base.Connector.render`.

    Raises:
        PlatformRefused: an edit is asked for, or the text or picture is one that statuses/share never takes.
    """
    if operation is Operation.EDIT:
        raise refused("no_edit")
    if operation is Operation.WITHDRAW:
        if previous is None:
            raise refused("previous_missing")
        return _template(channel, operation, {"id": (previous.id,)}, previous=previous)
    if content is None:
        raise refused("content_missing")
    text = content.recognised().text
    # Weibo's rules look at neither facts nor the day.
    draft = Draft(content=content, text=text, facts=None, platform=PLATFORM, settings=channel.settings, day=date.min)
    for finding in rules.check(draft):
        if finding.grade == "block":
            raise PlatformRefused(finding.code, finding.zh, finding.en)
    status = status_text(content, text)
    if not status:
        raise refused(20008)
    pictures = tuple(item for item in bodies.media(content) if item.role == "body")
    return _template(channel, operation, {"status": (status,)}, media=pictures)


def _template(channel: ChannelFacts, operation: Operation, fields: Mapping[str, tuple[Segment, ...]], **more: Any) -> Template:
    return Template(platform=PLATFORM, connector=CONNECTOR, operation=operation, account=channel.account, fields=fields, **more)
