"""Unmodified client libraries from the package index work against the sandbox, with only their base address changed."""

from __future__ import annotations

import asyncio
import io
import time

import pytest
import weibo as weibo_sdk
from wechatpy import WeChatClient
from wechatpy.exceptions import APILimitedException, WeChatClientException


def wechatpy_client(wechat):
    """Subclass wechatpy's client as its users do: another base address, and the token from the same place."""

    class Client(WeChatClient):
        API_BASE_URL = f"{wechat.base_url}/cgi-bin/"

        def fetch_access_token(self):
            params = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
            return self._fetch_access_token(f"{self.API_BASE_URL}token", params)

    return Client(wechat.account().appid, wechat.account().secret)


async def test_wechatpy_from_token_to_deletion(wechat, png, clock):
    """Wechatpy 2: token, uploadimg, add_material, draft.add, get, submit, status, list, delete."""
    client = wechatpy_client(wechat)

    def before() -> tuple[str, dict]:
        url = client.media.upload_image(("图.png", io.BytesIO(png)))
        cover = client.material.add("image", ("封面.png", io.BytesIO(png)))
        content = f'<p>正文</p><p><img src="{url}"></p>'
        added = client.draft.add([{"title": "标题", "author": "张三", "content": content, "thumb_media_id": cover["media_id"]}])
        read = client.draft.get(added["media_id"])
        assert read["news_item"][0]["content"] == content.replace('">', '" />', 1)
        assert client.draft.count()["total_count"] == 1
        assert client.draft.batchget()["item"][0]["media_id"] == added["media_id"]
        assert client.material.get_count()["image_count"] == 1
        assert client.material.batchget("image")["item"][0]["name"] == "封面.png"
        fresh = {"title": "新标题", "content": content, "thumb_media_id": cover["media_id"]}
        assert client.draft.update(added["media_id"], 0, fresh)["errcode"] == 0
        return added["media_id"], client.freepublish.submit(added["media_id"])

    media_id, job = await asyncio.to_thread(before)
    clock.advance(60)

    def after() -> None:
        done = client.freepublish.get(job["publish_id"])
        assert done["publish_status"] == 0
        listed = client.freepublish.batchget(0, 20)
        assert listed["item"][0]["article_id"] == done["article_id"]
        assert client.freepublish.getarticle(done["article_id"])["news_item"][0]["title"] == "新标题"
        with pytest.raises(WeChatClientException) as refused:
            client.draft.get(media_id)
        assert refused.value.errcode == 40007
        assert client.freepublish.delete(done["article_id"], 1)["errcode"] == 0
        assert client.freepublish.batchget(0, 20)["total_count"] == 0

    await asyncio.to_thread(after)
    assert [len(wechat.ledger.effects(f"freepublish/{name}")) for name in ("submit", "delete")] == [1, 1]


async def test_wechatpy_refreshes_an_expired_token_and_sends_again(wechat):
    """Its retry on 42001 works: one failed call, a new token, one success."""
    client = wechatpy_client(wechat)
    wechat.faults.expire_credential("draft/count")
    assert (await asyncio.to_thread(client.draft.count))["total_count"] == 0
    assert [record.code for record in wechat.ledger.calls("draft/count")] == [42001, 0]


async def test_wechatpy_sees_limits_and_refusals_as_its_own_errors(wechat):
    """45009 is its limit error, 48001 its plain error without a retry."""
    client = wechatpy_client(wechat)
    wechat.faults.throttle("draft/count")
    with pytest.raises(APILimitedException):
        await asyncio.to_thread(client.draft.count)
    wechat.faults.refuse("draft/count", 48001)
    with pytest.raises(WeChatClientException) as refused:
        await asyncio.to_thread(client.draft.count)
    assert refused.value.errcode == 48001
    assert len(wechat.ledger.calls("draft/count")) == 2


async def test_wechatpy_mass_menu_and_temporary_media(wechat, png):
    """Its older calls: temporary media, mass message, menu, address list."""
    client = wechatpy_client(wechat)

    def run() -> None:
        assert client.media.upload("image", ("a.png", io.BytesIO(png)))["type"] == "image"
        cover = client.material.add("image", ("a.png", io.BytesIO(png)))["media_id"]
        news = client.media.upload_articles([{"title": "群", "content": "<p>文</p>", "thumb_media_id": cover}])
        sent = client.message.send_mass_article(news["media_id"], is_to_all=True)
        assert client.message.get_mass(sent["msg_id"])["msg_status"] == "SEND_SUCCESS"
        assert client.menu.create({"button": [{"type": "click", "name": "今日歌曲", "key": "V"}]})["errcode"] == 0
        assert client.menu.get()["menu"]["button"][0]["name"] == "今日歌曲"
        assert client.menu.delete()["errcode"] == 0
        assert client.misc.get_wechat_ips() == ["127.0.0.1"]
        client.material.delete(cover)

    await asyncio.to_thread(run)


def weibo_client(weibo):
    """Point the `weibo` package at the sandbox by the attributes it has for its addresses."""
    token = {"access_token": weibo.issue_token(), "uid": str(weibo.user().uid), "expires_at": time.time() + 3600}
    client = weibo_sdk.Client(weibo.app().appkey, weibo.app().secret, weibo.app().redirect_uri, token)
    client.api_url = f"{weibo.base_url}/2/"
    client.token_url = f"{weibo.base_url}/oauth2/access_token"
    client.authorization_url = f"{weibo.base_url}/oauth2/authorize"
    return client


async def test_weibo_package(weibo, png):
    """Weibo 0.2.2: share with and without a picture, users/show, timeline, destroy, and its error on a refusal."""
    client = weibo_client(weibo)

    def run() -> None:
        plain = client.post("statuses/share", status="测试 http://www.example.com/1", rip="203.0.113.9")
        pictured = client.post("statuses/share", status="带图 http://www.example.com/2", rip="203.0.113.9", pic=png)
        assert "original_pic" not in plain
        assert pictured["original_pic"].endswith(".png")
        assert client.get("users/show", uid=client.uid)["statuses_count"] == 2
        assert client.get("statuses/user_timeline", count=1)["statuses"][0]["idstr"] == pictured["idstr"]
        assert client.post("statuses/destroy", id=plain["idstr"])["idstr"] == plain["idstr"]
        with pytest.raises(RuntimeError, match="20019"):
            client.post("statuses/share", status="带图 http://www.example.com/2", rip="203.0.113.9")
        with pytest.raises(RuntimeError, match="10016"):
            client.post("statuses/share", status="没有来源 http://www.example.com/3")

    await asyncio.to_thread(run)
    assert [record.effect for record in weibo.ledger.calls("statuses/share")] == [True, True, False, False]


async def test_weibo_package_signs_in(weibo, session):
    """Its OAuth dance: the authorisation address, a code, a token that works."""
    client = weibo_client(weibo)
    async with session.get(client.authorize_url, allow_redirects=False) as answer:
        code = answer.headers["Location"].partition("code=")[2]
    await asyncio.to_thread(client.set_code, code)
    assert client.alive
    assert (await asyncio.to_thread(client.get, "account/get_uid")) == {"uid": weibo.user().uid}
