"""Whatever is sent, the sandbox answers in the platform's shape and never with an error of its own."""

from __future__ import annotations

import asyncio
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.sandbox.wechat.app import WeChat
from gateway.sandbox.wechat.routes import ROUTES
from gateway.sandbox.weibo.app import ROUTES as WEIBO_ROUTES
from gateway.sandbox.weibo.app import Weibo
from gateway.sandbox.wire import Call

NAMES = [
    "articles", "media_id", "title", "content", "thumb_media_id", "index", "offset", "count", "publish_id", "article_id", "type",
    "msgtype", "filter", "text", "mpnews", "is_to_all", "touser", "button", "msg_id", "msg_data_id", "speed", "status", "rip",
    "id", "uid", "page", "image_info", "image_list", "article_type", "cgi_path", "appid", "clientmsgid", "matchrule",
]  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["news", "newspic", "1", "mpnews"])
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5), max_leaves=12
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)


def call_of(platform, path, method, body, query):
    return Call(
        method=method, path=path, endpoint=platform.endpoint_of(path), query=query, headers={}, body=body, remote="127.0.0.1",
        now=platform.unix,
    )  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(endpoint=st.sampled_from(sorted(ROUTES)), body=bodies | st.binary(max_size=200), kind=st.sampled_from(["image", "video", "", "x"]))
def test_wechat_never_breaks(endpoint, body, kind):
    """Any JSON or bytes at any endpoint gives an answer WeChat could give, and a record in the ledger."""
    wechat = WeChat()
    wechat.account().quotas = dict.fromkeys(ROUTES, 10**9)
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    query = {"access_token": wechat.issue_token(), "type": kind}
    reply = wechat.perform(call_of(wechat, f"/cgi-bin/{endpoint}", ROUTES[endpoint].method, raw, query), None)
    assert reply.status == 200
    assert isinstance(json.loads(reply.body), dict)
    assert len(wechat.ledger) == 1
    assert wechat.ledger.last().effect == (ROUTES[endpoint].writes and reply.code == 0)


@settings(max_examples=200, deadline=None)
@given(
    endpoint=st.sampled_from(sorted(WEIBO_ROUTES)),
    fields=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20), max_size=6),
    raw=st.none() | st.binary(max_size=200),
)
def test_weibo_never_breaks(endpoint, fields, raw):
    """Any fields or bytes at any endpoint give a Weibo answer."""
    weibo = Weibo()
    query = {"access_token": weibo.issue_token()} | ({} if raw is not None else fields)
    reply = weibo.perform(call_of(weibo, f"/2/{endpoint}.json", WEIBO_ROUTES[endpoint].method, raw or b"", query), None)
    assert reply.status in {200, 400, 403}
    assert isinstance(json.loads(reply.body), dict)


async def test_requests_at_the_same_time_publish_once(client, wechat):
    """Twenty submits of one draft at once have one effect."""
    media_id = await client.draft()
    answers = await asyncio.gather(*(client.post("freepublish/submit", {"media_id": media_id}) for _ in range(20)))
    assert sorted(answer["errcode"] for answer in answers) == [0] + [40007] * 19
    assert len(wechat.ledger.effects("freepublish/submit")) == 1
