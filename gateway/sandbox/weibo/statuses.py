"""Posts and reads. Source: documentation of statuses/share, destroy, show, user_timeline, users/show, account/*."""

from __future__ import annotations

import ipaddress

from gateway.sandbox.pictures import picture_format
from gateway.sandbox.weibo.limits import count_post, next_midnight, remaining
from gateway.sandbox.weibo.refusals import Refused
from gateway.sandbox.weibo.state import Asked, Post, as_status, as_user, next_number
from gateway.sandbox.weibo.text import check_text, shortened
from gateway.sandbox.wire import JSON

MAX_PICTURE = 5 * 1024 * 1024


def share(asked: Asked) -> JSON:
    """statuses/share: post a text with a link to the app's own domain, with at most one picture."""
    text = asked.params.get("status", "")
    check_text(text, asked.app, asked.user)
    rip = _rip(asked)
    data, kind = _picture(asked)
    count_post(asked)
    post = Post(
        number=next_number(asked.state, asked.now), uid=asked.user.uid, appkey=asked.app.appkey, text=text,
        shown=shortened(text, asked.state), at=asked.now, rip=rip,
        picture=asked.storage.put(data) if data else "", picture_format=kind,
    )  # fmt: skip
    asked.state.posts[str(post.number)] = post
    asked.user.last_text = text
    return as_status(asked.state, post, asked.base_url)


def destroy(asked: Asked) -> JSON:
    """statuses/destroy: delete one's own post and answer what it was."""
    post = _post(asked)
    if post.uid != asked.user.uid:
        raise Refused(20102)
    answer = as_status(asked.state, post, asked.base_url)
    post.deleted = True
    return answer


def show(asked: Asked) -> JSON:
    """statuses/show: one post."""
    return as_status(asked.state, _post(asked), asked.base_url)


def user_timeline(asked: Asked) -> JSON:
    """statuses/user_timeline: the authorised user's own posts, newest first; another's is 21335."""
    uid = asked.params.get("uid")
    name = asked.params.get("screen_name")
    if (uid and uid != str(asked.user.uid)) or (name and name != asked.user.screen_name):
        raise Refused(21335)
    number, page = _number(asked, "count", 20), _number(asked, "page", 1)
    since, most = _number(asked, "since_id", 0), _number(asked, "max_id", 0)
    if not 1 <= number <= 100 or page < 1:
        raise Refused(10017, "count")
    own_app = asked.params.get("base_app") == "1"
    posts = [post for post in asked.state.posts.values() if post.uid == asked.user.uid and not post.deleted]
    posts = [post for post in posts if not own_app or post.appkey == asked.app.appkey]
    total = len(posts)
    posts = [post for post in posts if post.number > since and (not most or post.number <= most)]
    posts = sorted(posts, key=lambda post: post.number, reverse=True)[(page - 1) * number : page * number]
    trim = asked.params.get("trim_user") == "1"
    listed = [as_status(asked.state, post, asked.base_url, trim_user=trim) for post in posts]
    return {"statuses": listed, "previous_cursor": 0, "next_cursor": 0, "total_number": total, "hasvisible": False}


def users_show(asked: Asked) -> JSON:
    """users/show: a user by uid or screen_name, with the newest post."""
    uid, name = asked.params.get("uid"), asked.params.get("screen_name")
    if bool(uid) == bool(name):
        raise Refused(10008)
    user = next((one for one in asked.state.users.values() if uid == str(one.uid) or name == one.screen_name), None)
    if user is None:
        raise Refused(20003)
    answer = as_user(asked.state, user, asked.base_url)
    posts = [post for post in asked.state.posts.values() if post.uid == user.uid and not post.deleted]
    if posts:
        newest = max(posts, key=lambda post: post.number)
        answer["status"] = as_status(asked.state, newest, asked.base_url)
        del answer["status"]["user"]
    return answer


def get_uid(asked: Asked) -> JSON:
    """account/get_uid: whose token this is."""
    return {"uid": asked.user.uid}


def rate_limit_status(asked: Asked) -> JSON:
    """account/rate_limit_status: what is left; asking is not counted."""
    user_left, ip_left = remaining(asked)
    reset = next_midnight(asked.now)
    return {
        "ip_limit": asked.state.ip_limit, "limit_time_unit": "HOURS", "remaining_ip_hits": ip_left,
        "remaining_user_hits": user_left, "reset_time": reset.strftime("%Y-%m-%d %H:%M:%S"),
        "reset_time_in_seconds": int(reset.timestamp() - asked.now), "user_limit": asked.state.day_limit,
    }  # fmt: skip


def _post(asked: Asked) -> Post:
    number = asked.params.get("id", "")
    if not number:
        raise Refused(20109)
    post = asked.state.posts.get(number)
    if post is None or post.deleted:
        raise Refused(20101)
    return post


def _rip(asked: Asked) -> str:
    """The user's own address, which Weibo requires: 10016 without it, 10017 when it is none."""
    rip = asked.params.get("rip", "")
    if not rip:
        raise Refused(10016, "rip")
    try:
        ipaddress.ip_address(rip)
    except ValueError:
        raise Refused(10017, "rip") from None
    return rip


def _picture(asked: Asked) -> tuple[bytes, str]:
    """Return the picture's bytes and format, or nothing: 20007, 20005, 20006 for a wrong one."""
    upload = asked.form.files.get("pic")
    if upload is None:
        if "pic" in asked.params:
            raise Refused(20007)
        return b"", ""
    if not upload.data:
        raise Refused(20007)
    kind = picture_format(upload.data)
    if kind not in {"jpeg", "gif", "png"}:
        raise Refused(20005)
    if len(upload.data) >= MAX_PICTURE:
        raise Refused(20006)
    return upload.data, kind


def _number(asked: Asked, name: str, default: int) -> int:
    value = asked.params.get(name, "") or str(default)
    if not value.isdecimal():
        raise Refused(10017, name)
    return int(value)
