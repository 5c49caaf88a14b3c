"""The rules for an article's fields, and the shapes in which WeChat gives articles back.

Source: documentation of draft/add and draft/update; answer shapes as observed in real answers.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import replace
from typing import Any

from gateway.sandbox.wechat.filtering import filtered, plain_text
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import Account, Article
from gateway.sandbox.wire import JSON, whole

MAX_ARTICLES = 8
MAX_TITLE = 64
MAX_AUTHOR = 16
MAX_DIGEST = 128
MAX_CONTENT_CHARS = 20_000
MAX_CONTENT_BYTES = 1024 * 1024
MAX_SOURCE_URL = 1024
MAX_PICTURES = 20
AUTO_DIGEST = 54


def read_articles(value: Any, account: Account, base_url: str) -> list[Article]:
    """Read the `articles` array of draft/add; Refused with WeChat's code for the first broken rule."""
    if not isinstance(value, list):
        raise Refused(47001)
    if not value:
        raise Refused(44003)
    if len(value) > MAX_ARTICLES:
        raise Refused(45008)
    alone = len(value) == 1
    return [_placed(read_article(item, account, alone=alone), account, index, base_url) for index, item in enumerate(value)]


def read_article(value: Any, account: Account, *, alone: bool) -> Article:
    """Read one article object: check its fields, filter its content, fill the digest when it stands alone."""
    if not isinstance(value, dict):
        raise Refused(47001)
    title, content = _text(value, "title"), _text(value, "content")
    kind = _text(value, "article_type") or "news"
    if kind not in {"news", "newspic"} or not title:
        raise Refused(40035)
    _check_lengths(value, title, content)
    thumb, pictures = _pictures(value, account, kind)
    own = frozenset({*account.pictures, *(m.url for m in account.materials.values() if m.url)})
    kept = filtered(content, own)
    digest = _text(value, "digest") or (plain_text(kept)[:AUTO_DIGEST] if alone else "")
    return Article(
        title=title, author=_text(value, "author"), digest=digest, content=kept,
        content_source_url=_text(value, "content_source_url"), thumb_media_id=thumb,
        thumb_url=account.materials[thumb].url if thumb else "", show_cover_pic=_flag(value, "show_cover_pic"),
        need_open_comment=_flag(value, "need_open_comment"), only_fans_can_comment=_flag(value, "only_fans_can_comment"),
        article_type=kind, image_media_ids=pictures,
    )  # fmt: skip


def shown(article: Article, *, published: bool = False, content: bool = True) -> JSON:
    """Write an article as draft/get and freepublish/getarticle do; `published` adds `is_deleted`."""
    answer: JSON = {
        "title": article.title, "author": article.author, "digest": article.digest, "content": article.content,
        "content_source_url": article.content_source_url, "thumb_media_id": article.thumb_media_id,
        "show_cover_pic": article.show_cover_pic, "url": article.url, "thumb_url": article.thumb_url,
        "need_open_comment": article.need_open_comment, "only_fans_can_comment": article.only_fans_can_comment,
    }  # fmt: skip
    if not content:
        del answer["content"]
    if article.article_type == "newspic":
        answer["article_type"] = "newspic"
        answer["image_info"] = {"image_list": [{"image_media_id": media_id} for media_id in article.image_media_ids]}
    if published:
        answer["is_deleted"] = article.is_deleted
    return answer


def copied(articles: list[Article], account: Account, base_url: str) -> list[Article]:
    """Copy a draft's articles for publication, each with an address of its own."""
    return [_placed(replace(article), account, index, base_url) for index, article in enumerate(articles)]


def _placed(article: Article, account: Account, index: int, base_url: str) -> Article:
    """Give an article an address of WeChat's form."""
    biz = base64.b64encode(account.appid.encode()).decode()
    article.sn = secrets.token_hex(16)
    mid = 2_650_000_000 + secrets.randbelow(100_000_000)
    article.url = f"{base_url}/s?__biz={biz}&mid={mid}&idx={index + 1}&sn={article.sn}&chksm={secrets.token_hex(32)}#rd"
    return article


def _check_lengths(value: JSON, title: str, content: str) -> None:
    if len(title) > MAX_TITLE:
        raise Refused(45003)
    if len(_text(value, "author")) > MAX_AUTHOR:
        raise Refused(45110)
    if len(_text(value, "digest")) > MAX_DIGEST:
        raise Refused(45004)
    if not content:
        raise Refused(44003)
    if len(content) >= MAX_CONTENT_CHARS or len(content.encode("utf-8", "surrogatepass")) >= MAX_CONTENT_BYTES:
        raise Refused(45002)
    if len(_text(value, "content_source_url").encode("utf-8", "surrogatepass")) > MAX_SOURCE_URL:
        raise Refused(45005)


def _pictures(value: JSON, account: Account, kind: str) -> tuple[str, list[str]]:
    """Return the cover's media id and, for newspic, the list of pictures; 40007 when one is not in the library."""
    if kind == "news":
        thumb = _text(value, "thumb_media_id")
        if not _is_picture(account, thumb):
            raise Refused(40007)
        return thumb, []
    info = value.get("image_info")
    listed = info.get("image_list") if isinstance(info, dict) else None
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_PICTURES:
        raise Refused(40007)
    ids = [str(item.get("image_media_id", "")) if isinstance(item, dict) else "" for item in listed]
    if not all(_is_picture(account, media_id) for media_id in ids):
        raise Refused(40007)
    return ids[0], ids


def _is_picture(account: Account, media_id: str) -> bool:
    material = account.materials.get(media_id)
    return material is not None and material.kind in {"image", "thumb"}


def _text(value: JSON, name: str) -> str:
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Refused(47001)
    return found


def _flag(value: JSON, name: str) -> int:
    found = value.get(name)
    number = whole(found, 0)
    if number not in {0, 1}:
        raise Refused(40035)
    return int(number)
