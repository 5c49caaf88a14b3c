"""What is public on WeChat: submitting, following the task, finding an article, deleting it.

WeChat deletes every article of a publication where `index` is 0 or missing; `deletion` cannot be made without a counted one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.connectors.answers import text_of
from gateway.connectors.base import Gone, Live, Outcome, Pending, PlatformRefused, Unknown
from gateway.connectors.wechat import normaliser
from gateway.connectors.wechat.api import Answer, Api
from gateway.connectors.wechat.words import TOKEN_CODES, WORDS, rejected

PAGE: Final = 20
MAX_PAGES: Final = 5
SKEW: Final = timedelta(minutes=10)

_UNCLEAR: Final = frozenset({-1, 40007})
"""Codes after which the task may have been accepted: busy, and a draft already consumed, which WeChat's own resending causes too."""

_ENDED: Final = frozenset({2, 3, 4, 5, 6})


def submitted(answer: Answer | None) -> Outcome:
    """Return what freepublish/submit's answer means."""
    if answer is None:
        return Unknown(cause="unreadable")
    if answer.code:
        return refusal(answer)
    publish_id = text_of(answer.value.get("publish_id"))
    return Pending(handle=publish_id) if publish_id else Unknown(cause="no_publish_id")


def refusal(answer: Answer) -> Outcome:
    """Return `Rejected` for a code that is known to be decided before anything happens, else `Unknown`."""
    if answer.code in _UNCLEAR or (answer.code not in WORDS and answer.code not in TOKEN_CODES):
        return Unknown(cause=f"errcode:{answer.code}")
    return rejected(answer.code, answer.said)


async def follow(api: Api, handle: str) -> Outcome:
    """Ask freepublish/get once. What passes by itself stays `Pending`: WeChat has the task, and asking again harms nothing."""
    try:
        answer = await api.ask("freepublish/get", {"publish_id": int(handle) if handle.isdecimal() else handle})
    except PlatformRefused as error:
        return Pending(handle=handle) if error.transient else Unknown(cause=f"errcode:{error.code}")
    status = answer.get("publish_status")
    if status == 1:
        return Pending(handle=handle)
    if status in _ENDED:
        return rejected(f"publish_{status}")
    article_id, url = text_of(answer.get("article_id")), _first_url(answer.get("article_detail"))
    return Live(id=article_id, url=url) if status == 0 and article_id and url else Unknown(cause=f"publish_status:{status}")


async def find(api: Api, approved: normaliser.View, since: datetime) -> Live | None:
    """Search what was published since `since` for an article equal to what was approved.

    Raises:
        PlatformRefused: the list cannot be read.
    """
    earliest = (since - SKEW).timestamp()
    for page in range(MAX_PAGES):
        answer = await api.ask("freepublish/batchget", {"offset": page * PAGE, "count": PAGE, "no_content": 0})
        items = answer.get("item")
        items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        for item in items:
            if _time(item) >= earliest and (live := _match(item, approved)):
                return live
        if len(items) < PAGE or all(_time(item) < earliest for item in items):
            return None
    return None


async def article(api: Api, article_id: str) -> dict[str, Any]:
    """Return the single published article under an id, `is_deleted` included.

    Raises:
        PlatformRefused: 53600 where WeChat does not find it.
    """
    return normaliser.only_article(await api.ask("freepublish/getarticle", {"article_id": article_id}))


def deletion(article_id: str, index: int) -> dict[str, Any]:
    """Return the body of freepublish/delete for one article, counted from 1.

    Raises:
        ValueError: the id is empty, or the index is below 1, which would delete all of them.
    """
    if not article_id or index < 1:
        raise ValueError("one article is deleted, counted from 1")
    return {"article_id": article_id, "index": index}


async def confirmed(api: Api, article_id: str) -> Outcome:
    """Return `Gone` after an accepted deletion, unless WeChat still shows the article."""
    try:
        shown = await article(api, article_id)
    except PlatformRefused:
        return Gone(id=article_id)
    return Gone(id=article_id) if shown.get("is_deleted") else Unknown(cause="still_shown")


def _match(item: Mapping[str, Any], approved: normaliser.View) -> Live | None:
    try:
        shown = normaliser.only_article(item["content"])
        if normaliser.differs(approved, normaliser.view(shown), normaliser.PUBLIC) or shown.get("is_deleted"):
            return None
    except (PlatformRefused, KeyError, TypeError, AttributeError):
        return None
    return Live(id=text_of(item.get("article_id")), url=str(shown.get("url") or ""))


def _time(item: Mapping[str, Any]) -> float:
    value = item.get("update_time")
    return float(value) if isinstance(value, int) else 0.0


def _first_url(detail: Any) -> str:
    items = detail.get("item") if isinstance(detail, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    return str(first.get("article_url") or "") if isinstance(first, dict) else ""
