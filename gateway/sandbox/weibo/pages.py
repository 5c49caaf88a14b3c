"""What readers see of the Weibo sandbox: post pages, a page per user, pictures, short links."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.sandbox.pictures import CONTENT_TYPES
from gateway.sandbox.public import html_page, not_found, picture
from gateway.sandbox.storage import Storage
from gateway.sandbox.weibo.state import BEIJING, Post, WeiboState, picture_address


def page(state: WeiboState, storage: Storage, request: web.Request, base_url: str) -> web.StreamResponse | None:
    """Answer a public page, or None when the path belongs to the API."""
    parts = request.path.strip("/").split("/")
    if request.method != "GET" or parts[0] in {"2", "oauth2", "proxy"}:
        return None
    if parts == [""]:
        return html_page("weibo_users.html", users=state.users.values())
    if len(parts) != 2:
        return None
    if parts[0] == "u":
        return _user(state, parts[1], base_url)
    if parts[0] == "t" and parts[1] in state.short_links:
        raise web.HTTPFound(state.short_links[parts[1]])
    if parts[0] in {"large", "bmiddle", "thumbnail"}:
        return _picture(state, storage, parts[1].partition(".")[0])
    if parts[0].isdecimal():
        return _post(state, parts[0], parts[1], base_url)
    return None


def _user(state: WeiboState, uid: str, base_url: str) -> web.Response:
    user = state.users.get(uid)
    if user is None:
        return not_found("用户不存在。")
    posts = [_shown(state, post, base_url) for post in reversed(state.posts.values()) if post.uid == user.uid and not post.deleted]
    return html_page("weibo_user.html", user=user, posts=posts)


def _post(state: WeiboState, uid: str, number: str, base_url: str) -> web.Response:
    post = state.posts.get(number)
    if post is None or post.deleted or str(post.uid) != uid:
        return not_found("抱歉，此微博已被作者删除或不存在。")
    return html_page("weibo_post.html", user=state.users[uid], **_shown(state, post, base_url))


def _shown(state: WeiboState, post: Post, base_url: str) -> dict[str, Any]:
    app = state.apps.get(post.appkey)
    return {
        "text": post.text,
        "picture": picture_address(post, base_url) if post.picture else "",
        "address": f"/{post.uid}/{post.number}",
        "app_name": app.name if app else "微博网页版",
        "when": datetime.fromtimestamp(post.at, BEIJING).strftime("%Y-%m-%d %H:%M"),
    }


def _picture(state: WeiboState, storage: Storage, number: str) -> web.Response:
    post = state.posts.get(number)
    if post is None or post.deleted or not post.picture:
        return not_found("图片不存在。")
    return picture(storage.get(post.picture), CONTENT_TYPES[post.picture_format])
