"""Publishing, deleting and mass sending on WeChat, and what readers then see."""

from __future__ import annotations

import pytest

from gateway.sandbox import NoSuchTarget


async def test_submit_is_only_a_task(client, clock, wechat):
    """Submit answers a numeric publish_id, get says 1 until the job is done, then 0 with id and address."""
    wechat.account().publish_seconds = 10
    media_id = await client.draft()
    job = await client.post("freepublish/submit", {"media_id": media_id})
    assert set(job) == {"errcode", "errmsg", "publish_id"}
    assert type(job["publish_id"]) is int
    running = await client.post("freepublish/get", {"publish_id": job["publish_id"]})
    assert running == {"publish_id": job["publish_id"], "publish_status": 1, "fail_idx": []}
    clock.advance(10)
    done = await client.post("freepublish/get", {"publish_id": str(job["publish_id"])})
    assert set(done) == {"publish_id", "publish_status", "article_id", "article_detail", "fail_idx"}
    assert (done["publish_id"], done["publish_status"], done["article_detail"]["count"]) == (job["publish_id"], 0, 1)
    assert (await client.post("freepublish/get", {"publish_id": 1}))["errcode"] == 40097


async def test_publishing_consumes_the_draft_once(client, clock, wechat):
    """A second submit is 40007 while the job runs and after it; the draft is gone from the box afterwards."""
    media_id = await client.draft()
    await client.post("freepublish/submit", {"media_id": media_id})
    assert (await client.post("freepublish/submit", {"media_id": media_id}))["errcode"] == 40007
    assert "news_item" in await client.post("draft/get", {"media_id": media_id})
    clock.advance(60)
    assert (await client.post("freepublish/submit", {"media_id": media_id}))["errcode"] == 40007
    assert (await client.post("draft/get", {"media_id": media_id}))["errcode"] == 40007
    assert len(wechat.ledger.effects("freepublish/submit")) == 1
    assert (await client.post("freepublish/batchget", {"offset": 0, "count": 20}))["total_count"] == 1


@pytest.mark.parametrize(("status", "fail_idx"), [(2, [1]), (3, [1]), (4, [1, 2])])
async def test_a_failed_job_publishes_nothing_and_returns_the_draft(client, clock, wechat, status, fail_idx):
    """The review outcome is the job's status with fail_idx; nothing is public and the draft can be submitted again."""
    wechat.account().review_status, wechat.account().review_fail_idx = status, fail_idx
    media_id = await client.draft()
    job = await client.post("freepublish/submit", {"media_id": media_id})
    clock.advance(60)
    done = await client.post("freepublish/get", {"publish_id": job["publish_id"]})
    assert done == {"publish_id": job["publish_id"], "publish_status": status, "fail_idx": fail_idx}
    assert wechat.published_json() == []
    wechat.account().review_status = 0
    assert (await client.post("freepublish/submit", {"media_id": media_id}))["errcode"] == 0


async def test_what_was_submitted_is_published_even_if_the_draft_changes(client, clock):
    """The job keeps the text of the moment of submission."""
    media_id = await client.draft(title="原")
    job = await client.post("freepublish/submit", {"media_id": media_id})
    fresh = {"title": "改", "content": "<p>改</p>", "thumb_media_id": await client.cover()}
    await client.post("draft/update", {"media_id": media_id, "index": 0, "articles": fresh})
    clock.advance(60)
    done = await client.post("freepublish/get", {"publish_id": job["publish_id"]})
    assert (await client.post("freepublish/getarticle", {"article_id": done["article_id"]}))["news_item"][0]["title"] == "原"


async def two_articles(client, clock):
    one = {"title": "一", "content": "<p>一</p>", "thumb_media_id": await client.cover()}
    media_id = (await client.post("draft/add", {"articles": [one, one | {"title": "二"}]}))["media_id"]
    job = await client.post("freepublish/submit", {"media_id": media_id})
    clock.advance(60)
    return await client.post("freepublish/get", {"publish_id": job["publish_id"]})


async def deleted(client, article_id):
    shown = await client.post("freepublish/getarticle", {"article_id": article_id})
    return [article["is_deleted"] for article in shown["news_item"]]


async def test_delete_counts_from_one(client, clock, session):
    """Index 2 deletes only the second article; its page says so and the other stays."""
    done = await two_articles(client, clock)
    assert await client.post("freepublish/delete", {"article_id": done["article_id"], "index": 2}) == {"errcode": 0, "errmsg": "ok"}
    assert await deleted(client, done["article_id"]) == [False, True]
    async with session.get(done["article_detail"]["item"][1]["article_url"]) as page:
        assert "该内容已被发布者删除" in await page.text()
    async with session.get(done["article_detail"]["item"][0]["article_url"]) as page:
        assert "一" in await page.text()
    assert (await client.post("freepublish/get", {"publish_id": done["publish_id"]}))["publish_status"] == 0


@pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}])
async def test_delete_without_an_index_deletes_all(client, clock, index):
    """As at WeChat, no index or 0 deletes everything; status becomes 5 and the list is empty."""
    done = await two_articles(client, clock)
    await client.post("freepublish/delete", {"article_id": done["article_id"]} | index)
    assert await deleted(client, done["article_id"]) == [True, True]
    assert (await client.post("freepublish/get", {"publish_id": done["publish_id"]}))["publish_status"] == 5
    assert (await client.post("freepublish/batchget", {"offset": 0, "count": 20}))["total_count"] == 0


async def test_unknown_articles_and_indexes(client, clock):
    """An unknown article id is 53600, an index beyond the end 40097 and deletes nothing."""
    done = await two_articles(client, clock)
    assert (await client.post("freepublish/delete", {"article_id": "none"}))["errcode"] == 53600
    assert (await client.post("freepublish/getarticle", {"article_id": "none"}))["errcode"] == 53600
    assert (await client.post("freepublish/delete", {"article_id": done["article_id"], "index": 3}))["errcode"] == 40097
    assert await deleted(client, done["article_id"]) == [False, False]


async def test_unverified_accounts_lost_publishing(client, wechat):
    """All freepublish endpoints are 48001 for an account that is not verified; drafts still work."""
    media_id = await client.draft()
    wechat.account().verified = False
    for endpoint in ("submit", "get", "delete", "getarticle", "batchget"):
        assert (await client.post(f"freepublish/{endpoint}", {"media_id": media_id}))["errcode"] == 48001
    assert wechat.ledger.effects("freepublish/submit") == ()


async def test_a_ban_is_status_six(client, wechat):
    """A banned publication answers 6 and its page is gone."""
    done = await client.published()
    wechat.ban(done["article_id"])
    assert (await client.post("freepublish/get", {"publish_id": done["publish_id"]}))["publish_status"] == 6


async def test_readers_see_title_author_time_body_and_pictures(client, session, png, wechat):
    """The public page shows what was published, without scripts, and its pictures can be fetched."""
    own = (await client.upload("media/uploadimg", png))["url"]
    done = await client.published(title="标题<b>", author="张三", content=f'<p>正文甲</p><img src="{own}">', content_source_url="https://example.com/")
    async with session.get(done["article_detail"]["item"][0]["article_url"]) as page:
        text = await page.text()
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for part in ("标题&lt;b&gt;", "张三", "2026年11月23日 10:00", "<p>正文甲</p>", own, "阅读原文", wechat.account().name, "演练平台"):
        assert part in text
    async with session.get(f"{wechat.base_url}/account/{wechat.account().appid}") as page:
        assert "标题&lt;b&gt;" in await page.text()
    async with session.get(f"{wechat.base_url}/") as page:
        assert wechat.account().name in await page.text()
    async with session.get(f"{wechat.base_url}/s?sn=nonexistent") as page:
        assert page.status == 404


async def test_publishing_by_hand_goes_past_the_api(client, wechat, session):
    """What someone publishes in the back office is public without any call in the ledger."""
    article_id = wechat.publish_by_hand("越过网关", "<p>x</p>")
    wechat.publish_by_hand("群发", "<p>y</p>", notify=True)
    listed = await client.post("freepublish/batchget", {"offset": 0, "count": 20})
    assert [item["article_id"] for item in listed["item"]] == [article_id]
    assert len(wechat.published_json()) == 2
    assert wechat.ledger.effects() == ()
    async with session.get(wechat.published_json()[0]["url"]) as page:
        assert "越过网关" in await page.text()


async def test_editing_by_hand(client, wechat):
    """A draft and a published article can be altered as in the back office; an unknown target is NoSuchTarget."""
    media_id = await client.draft()
    wechat.edit_by_hand(media_id, {"title": "被改"})
    assert (await client.post("draft/get", {"media_id": media_id}))["news_item"][0]["title"] == "被改"
    done = await client.published()
    wechat.edit_by_hand(done["article_id"], {"content": "<p>悄悄改</p>"})
    assert (await client.post("freepublish/getarticle", {"article_id": done["article_id"]}))["news_item"][0]["content"] == "<p>悄悄改</p>"
    with pytest.raises(NoSuchTarget):
        wechat.edit_by_hand("none", {"title": "x"})
    with pytest.raises(ValueError, match="cannot be edited"):
        wechat.edit_by_hand(media_id, {"url": "x"})


def message(media_id, **more):
    return {"filter": {"is_to_all": True}, "msgtype": "mpnews", "mpnews": {"media_id": media_id}} | more


async def test_mass_message_pushes_and_is_not_listed(client, wechat):
    """Sendall consumes the draft, is public, is not in freepublish/batchget, and can be looked up and deleted."""
    media_id = await client.draft()
    sent = await client.post("message/mass/sendall", message(media_id))
    assert set(sent) == {"errcode", "errmsg", "msg_id", "msg_data_id"}
    assert sent["errmsg"] == "send job submission success"
    assert (await client.post("draft/get", {"media_id": media_id}))["errcode"] == 40007
    assert (await client.post("freepublish/batchget", {"offset": 0, "count": 20}))["total_count"] == 0
    assert len(wechat.published_json()) == 1
    found = await client.post("message/mass/get", {"msg_id": str(sent["msg_id"])})
    assert found == {"msg_id": sent["msg_id"], "msg_status": "SEND_SUCCESS"}
    assert (await client.post("message/mass/delete", {"msg_id": sent["msg_id"], "article_idx": 0}))["errcode"] == 0
    assert (await client.post("message/mass/get", {"msg_id": sent["msg_id"]}))["msg_status"] == "DELETE"


async def test_clientmsgid_dedupes(client, clock, wechat):
    """The same id within a minute is 45066, later 45065 with the existing message; 65 bytes are 45067."""
    sent = await client.post("message/mass/sendall", message(await client.draft(), clientmsgid="m1"))
    other = await client.draft()
    assert (await client.post("message/mass/sendall", message(other, clientmsgid="m1")))["errcode"] == 45066
    clock.advance(61)
    again = await client.post("message/mass/sendall", message(other, clientmsgid="m1"))
    assert (again["errcode"], again["msg_id"]) == (45065, sent["msg_id"])
    assert "msg_data_id" not in again
    assert (await client.post("message/mass/sendall", message(other, clientmsgid="m" * 65)))["errcode"] == 45067
    assert len(wechat.ledger.effects("message/mass/sendall")) == 1


async def test_mass_quota_and_audience(client, wechat):
    """One a day for a subscription account (45028); a missing audience is 40035; unknown types 40008; old group_id passes."""
    wechat.account().kind = "subscription"
    assert (await client.post("message/mass/sendall", {"filter": {}, "msgtype": "text", "text": {"content": "x"}}))["errcode"] == 40035
    assert (await client.post("message/mass/sendall", {"filter": {"tag_id": 2}, "msgtype": "smoke"}))["errcode"] == 40008
    assert (await client.post("message/mass/sendall", message("none")))["errcode"] == 40007
    assert (await client.post("message/mass/send", {"touser": ["one"], "msgtype": "text", "text": {"content": "x"}}))["errcode"] == 40003
    text = {"filter": {"group_id": 0}, "msgtype": "text", "text": {"content": "早上好"}}
    assert (await client.post("message/mass/sendall", text))["errcode"] == 0
    assert (await client.post("message/mass/sendall", text))["errcode"] == 45028


async def test_preview_speed_and_legacy_news(client):
    """The smaller mass endpoints answer in their shapes."""
    preview = {"touser": "OPENID", "msgtype": "text", "text": {"content": "x"}}
    assert (await client.post("message/mass/preview", preview))["errcode"] == 0
    assert (await client.post("message/mass/preview", {"msgtype": "text"}))["errcode"] == 40003
    assert (await client.post("message/mass/speed/set", {"speed": 3}))["errcode"] == 0
    assert (await client.post("message/mass/speed/get", {}))["speed"] == 3
    assert (await client.post("message/mass/speed/set", {"speed": 5}))["errcode"] == 45083
    assert (await client.post("message/mass/speed/set", {"spd": 5}))["errcode"] == 45084
    one = {"title": "一", "content": "<p>一</p>", "thumb_media_id": await client.cover()}
    assert set(await client.post("media/uploadnews", {"articles": [one]})) == {"type", "media_id", "created_at"}


async def test_menus(client):
    """A menu is set, shown, and deleted by GET; without one 46003; four buttons are 40016."""
    buttons = [{"type": "click", "name": "今日", "key": "V"}]
    assert (await client.get("menu/get"))["errcode"] == 46003
    assert (await client.post("menu/create", {"button": buttons * 4}))["errcode"] == 40016
    assert (await client.post("menu/create", {"button": buttons}))["errcode"] == 0
    assert await client.get("menu/get") == {"menu": {"button": buttons}}
    assert (await client.get("get_current_selfmenu_info"))["is_menu_open"] == 1
    added = await client.post("menu/addconditional", {"button": buttons, "matchrule": {"tag_id": "2"}})
    assert set(added) == {"menuid"}
    assert (await client.post("menu/delconditional", added))["errcode"] == 0
    assert (await client.get("menu/delete"))["errcode"] == 0
    assert (await client.get("menu/get"))["errcode"] == 46003


async def test_comments(client):
    """Comments open and close for a known message, are listed empty, and unknown messages are 88001."""
    sent = await client.post("message/mass/sendall", message(await client.draft()))
    known = {"msg_data_id": sent["msg_data_id"], "index": 1}
    assert (await client.post("comment/open", known))["errcode"] == 0
    assert (await client.post("comment/close", known))["errcode"] == 0
    listed = await client.post("comment/list", known | {"begin": 0, "count": 49, "type": 0})
    assert listed == {"errcode": 0, "errmsg": "ok", "total": 0, "comment": []}
    assert (await client.post("comment/list", known | {"count": 51}))["errcode"] == 40097
    assert (await client.post("comment/markelect", known | {"user_comment_id": 1}))["errcode"] == 88008
    assert (await client.post("comment/open", {"msg_data_id": 1}))["errcode"] == 88001


async def test_address_lists(client):
    """Getcallbackip and get_api_domain_ip answer a list."""
    for endpoint in ("getcallbackip", "get_api_domain_ip"):
        assert set(await client.get(endpoint)) == {"ip_list"}


async def test_another_accounts_things_do_not_exist(client, wechat):
    """A token reaches only its own account's drafts and articles."""
    media_id, done = await client.draft(), await client.published()
    client.token = wechat.issue_token(wechat.add_account(name="另一个").appid)
    assert (await client.post("draft/get", {"media_id": media_id}))["errcode"] == 40007
    assert (await client.post("freepublish/submit", {"media_id": media_id}))["errcode"] == 40007
    assert (await client.post("freepublish/delete", {"article_id": done["article_id"]}))["errcode"] == 53600
