"""What readers see of the WeChat sandbox: article pages, a page per account, pictures."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from gateway.sandbox.pictures import CONTENT_TYPES
from gateway.sandbox.public import html_page, not_found, picture
from gateway.sandbox.storage import Storage
from gateway.sandbox.wechat.filtering import plain_text
from gateway.sandbox.wechat.quotas import BEIJING
from gateway.sandbox.wechat.state import Account, Article, Material, Publication, WeChatState


def page(state: WeChatState, storage: Storage, request: web.Request) -> web.StreamResponse | None:
    """Answer a public page, or None when the path belongs to the API."""
    path = request.path
    if path.startswith("/mmbiz_"):
        return _picture(state, storage, request)
    if request.method != "GET":
        return None
    if path == "/":
        return html_page("wechat_accounts.html", accounts=state.accounts.values())
    if path.startswith("/account/"):
        return _account(state, path.removeprefix("/account/"))
    if path == "/s":
        return _article(state, request.query.get("sn", ""))
    return None


def _account(state: WeChatState, appid: str) -> web.Response:
    account = state.accounts.get(appid)
    if account is None:
        return not_found("没有这个公众号。")
    rows = [
        (article, _when(publication), publication)
        for publication in reversed(account.publications.values())
        for article in publication.articles
        if not article.is_deleted
    ]
    return html_page("wechat_account.html", account=account, rows=rows)


def _article(state: WeChatState, sn: str) -> web.Response:
    for account, publication, article in _published(state):
        if sn and article.sn == sn:
            if article.is_deleted:
                return html_page("wechat_deleted.html", status=200, account=account)
            return _read(account, publication, article)
    for account in state.accounts.values():
        for draft in account.drafts.values():
            for article in draft.articles:
                if sn and article.sn == sn:
                    return html_page("wechat_preview.html", account=account, article=article)
    return not_found("链接不存在或已失效。")


def _read(account: Account, publication: Publication, article: Article) -> web.Response:
    paragraphs = article.content
    pictures = [account.materials[one].url for one in article.image_media_ids if one in account.materials]
    return html_page(
        "wechat_article.html", account=account, article=article, when=_when(publication), body=paragraphs,
        pictures=pictures, summary=article.digest or plain_text(paragraphs)[:54],
    )  # fmt: skip


def _published(state: WeChatState) -> list[tuple[Account, Publication, Article]]:
    return [
        (account, publication, article)
        for account in state.accounts.values()
        for publication in account.publications.values()
        for article in publication.articles
    ]


def _picture(state: WeChatState, storage: Storage, request: web.Request) -> web.Response:
    wanted = request.path
    for account in state.accounts.values():
        held: list[Material] = [*account.pictures.values(), *account.materials.values()]
        for material in held:
            own_path = material.url.partition("://")[2].partition("/")[2].partition("?")[0]
            is_video = material.kind == "video" and wanted == f"/mmbiz_video/{material.media_id}"
            if is_video or (own_path and wanted == f"/{own_path}"):
                content_type = CONTENT_TYPES.get(material.format, "application/octet-stream")
                return picture(storage.get(material.blob), content_type)
    return not_found("图片不存在。")


def _when(publication: Publication) -> str:
    return datetime.fromtimestamp(publication.create_time, BEIJING).strftime("%Y年%m月%d日 %H:%M")
