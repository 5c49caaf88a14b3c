"""The draft box. Source: documentation of the draft endpoints; draft/add's `item` and draft/get's times as observed."""

from __future__ import annotations

from gateway.sandbox.wechat.articles import read_article, read_articles, shown
from gateway.sandbox.wechat.media import page_of
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import OK, Asked, Draft, opaque_id
from gateway.sandbox.wire import JSON, whole


def add(asked: Asked) -> JSON:
    """draft/add: keep one to eight articles, filtered."""
    articles = read_articles(asked.body.get("articles"), asked.account, asked.base_url)
    now = int(asked.now)
    draft = Draft(media_id=opaque_id(), articles=articles, create_time=now, update_time=now)
    asked.account.drafts[draft.media_id] = draft
    return {"media_id": draft.media_id, "item": []}


def get(asked: Asked) -> JSON:
    """draft/get: the articles after filtering."""
    return _content(found(asked), content=True)


def update(asked: Asked) -> JSON:
    """draft/update: replace the one article at `index`, counted from 0; `articles` is one object."""
    draft = found(asked)
    index = whole(asked.body.get("index"), 0)
    if index is None or not 0 <= index < len(draft.articles):
        raise Refused(40097)
    fresh = read_article(asked.body.get("articles"), asked.account, alone=len(draft.articles) == 1)
    fresh.url, fresh.sn = draft.articles[index].url, draft.articles[index].sn
    draft.articles[index] = fresh
    draft.update_time = int(asked.now)
    return OK


def delete(asked: Asked) -> JSON:
    """draft/delete: delete for good."""
    del asked.account.drafts[found(asked).media_id]
    return OK


def batchget(asked: Asked) -> JSON:
    """draft/batchget: the box page by page, newest first; `no_content` 1 leaves the content out."""
    offset, number = page_of(asked.body)
    content = asked.body.get("no_content", 0) != 1
    drafts = list(reversed(asked.account.drafts.values()))
    items = [
        {"media_id": draft.media_id, "content": _content(draft, content=content), "update_time": draft.update_time}
        for draft in drafts[offset : offset + number]
    ]
    return {"item": items, "total_count": len(drafts), "item_count": len(items)}


def count(asked: Asked) -> JSON:
    """draft/count: how many drafts there are."""
    return {"total_count": len(asked.account.drafts)}


def found(asked: Asked) -> Draft:
    """Find the draft that `media_id` names: 41006 without one, 40007 when it is not (or no longer) in the box."""
    media_id = asked.body.get("media_id")
    if not media_id:
        raise Refused(41006)
    draft = asked.account.drafts.get(str(media_id))
    if draft is None:
        raise Refused(40007)
    return draft


def _content(draft: Draft, *, content: bool) -> JSON:
    articles = [shown(article, content=content) for article in draft.articles]
    return {"news_item": articles, "create_time": draft.create_time, "update_time": draft.update_time}
