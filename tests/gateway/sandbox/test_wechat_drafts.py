"""Drafts of WeChat: field rules, filtering, and the draft box."""

from __future__ import annotations

import pytest

from gateway.sandbox.wechat.filtering import filtered


async def add(client, **fields):
    article = {"title": "标题", "content": "<p>正文</p>", "thumb_media_id": await client.cover()} | fields
    return await client.post("draft/add", {"articles": [article]})


async def test_draft_add_answers_as_observed(client):
    """draft/add has media_id and an empty item list, and no errcode."""
    answer = await add(client)
    assert set(answer) == {"media_id", "item"}
    assert answer["item"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title": "字" * 65}, 45003), ({"title": "字" * 64}, None), ({"title": ""}, 40035), ({"title": 7}, 47001),
        ({"author": "名" * 17}, 45110), ({"author": "名" * 16}, None),
        ({"digest": "摘" * 129}, 45004), ({"digest": "摘" * 128}, None),
        ({"content": ""}, 44003), ({"content": "文" * 20_000}, 45002), ({"content": "文" * 19_999}, None),
        ({"content_source_url": "https://e.cn/" + "x" * 1024}, 45005),
        ({"thumb_media_id": ""}, 40007), ({"thumb_media_id": "nonexistent"}, 40007), ({"thumb_media_id": None}, 40007),
        ({"need_open_comment": 2}, 40035), ({"need_open_comment": 1, "only_fans_can_comment": "1"}, None),
        ({"article_type": "scroll"}, 40035), ({"copyright_type": 1, "reward": True}, None),
    ],
)  # fmt: skip
async def test_field_rules(client, fields, code):
    """Each field rule has its code, and the last allowed value passes."""
    assert (await add(client, **fields)).get("errcode") == code


async def test_one_to_eight_articles(client):
    """None is 44003, nine are 45008, no list is 47001, a list of non-objects is 47001."""
    one = {"title": "标题", "content": "<p>正文</p>", "thumb_media_id": await client.cover()}
    assert (await client.post("draft/add", {"articles": []}))["errcode"] == 44003
    assert (await client.post("draft/add", {"articles": [one] * 9}))["errcode"] == 45008
    assert (await client.post("draft/add", {"articles": one}))["errcode"] == 47001
    assert (await client.post("draft/add", {"articles": ["x"]}))["errcode"] == 47001
    eight = await client.post("draft/add", {"articles": [one] * 8})
    assert len((await client.post("draft/get", {"media_id": eight["media_id"]}))["news_item"]) == 8


async def test_unicode_escapes_are_refused(client):
    """A body with Unicode escapes is 40033; an escaped backslash before u is not one."""
    cover = await client.cover()
    raw = '{"articles":[{"title":"%s","content":"<p>c</p>","thumb_media_id":"' + cover + '"}]}'
    assert (await client.post("draft/add", raw=(raw % "\\u6807\\u9898").encode()))["errcode"] == 40033
    assert (await client.post("draft/add", raw=(raw % "\\\\\\u6807").encode()))["errcode"] == 40033
    assert "media_id" in await client.post("draft/add", raw=(raw % "\\\\u6807").encode())


async def test_draft_get_returns_filtered_content(client, png):
    """JavaScript and foreign pictures are gone in draft/get; own pictures and text stay; unknown fields are dropped."""
    own = (await client.upload("media/uploadimg", png))["url"]
    content = (
        f"<p onclick='x()' style=\"background:url(https://evil.example/a.png)\">正文<script>alert(1)</script><img src='{own}'>"
        '<img src="https://evil.example/b.png"><a href="java\tscript:x()">点</a><br></p>'
    )
    media_id = (await add(client, content=content, reward=1))["media_id"]
    shown = (await client.post("draft/get", {"media_id": media_id}))["news_item"][0]
    assert shown["content"] == f'<p style="background:">正文<img src="{own}" /><img /><a>点</a><br /></p>'
    assert "reward" not in shown


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("<p>a<script>b<script>c</script>d</p>", "<p>ad</p>"),
        ("<iframe src=x>y</iframe>z", "z"), ("<p>&lt;script&gt; &#x4e2d;&nbsp;</p>", "<p>&lt;script&gt; &#x4e2d;&nbsp;</p>"),
        ("<img src=x onerror=alert(1)>", "<img />"), ("<!-- c --><p title='\"'>t</p>", '<p title="&quot;">t</p>'),
        ('<svg><image xlink:href="http://e.example/x.png"/></svg>', "<svg><image></image></svg>"),
        ('<img src="http://mmbiz.qpic.cn/x/0">', '<img src="http://mmbiz.qpic.cn/x/0" />'),
        ('<img src="http://mmbiz.qpic.cn.evil.example/x">', "<img />"), ("<object data=x><p>a</p></object>b", "b"),
    ],
)  # fmt: skip
def test_filter(sent, kept):
    """The filter's own cases."""
    assert filtered(sent, frozenset()) == kept


async def test_an_empty_digest_becomes_the_beginning_of_the_text(client):
    """A single article without a digest gets the first 54 characters of its text; several articles get none."""
    media_id = (await add(client, content="<p>" + "甲" * 30 + "</p> <b>" + "乙" * 60 + "</b>"))["media_id"]
    shown = (await client.post("draft/get", {"media_id": media_id}))["news_item"][0]
    assert shown["digest"] == "甲" * 30 + " " + "乙" * 23
    one = {"title": "标题", "content": "<p>正文</p>", "thumb_media_id": await client.cover()}
    both = (await client.post("draft/add", {"articles": [one, one]}))["media_id"]
    assert [a["digest"] for a in (await client.post("draft/get", {"media_id": both}))["news_item"]] == ["", ""]


async def test_newspic_needs_library_pictures(client):
    """A picture article lists one to twenty permanent pictures and gets them back."""
    cover = await client.cover()
    assert (await add(client, article_type="newspic", content="文"))["errcode"] == 40007
    listed = {"image_list": [{"image_media_id": cover}]}
    media_id = (await add(client, article_type="newspic", content="文", image_info=listed))["media_id"]
    shown = (await client.post("draft/get", {"media_id": media_id}))["news_item"][0]
    assert (shown["article_type"], shown["image_info"]) == ("newspic", listed)
    many = {"image_list": [{"image_media_id": cover}] * 21}
    assert (await add(client, article_type="newspic", content="文", image_info=many))["errcode"] == 40007


async def test_draft_update_replaces_one_article_counted_from_zero(client, clock):
    """Index 1 is the second article; `articles` must be one object; a missing index is 40097."""
    cover = await client.cover()
    one = {"title": "一", "content": "<p>一</p>", "thumb_media_id": cover}
    media_id = (await client.post("draft/add", {"articles": [one, one]}))["media_id"]
    clock.advance(5)
    fresh = one | {"title": "二"}
    assert await client.post("draft/update", {"media_id": media_id, "index": 1, "articles": fresh}) == {"errcode": 0, "errmsg": "ok"}
    shown = await client.post("draft/get", {"media_id": media_id})
    assert [article["title"] for article in shown["news_item"]] == ["一", "二"]
    assert shown["update_time"] - shown["create_time"] == 5
    assert (await client.post("draft/update", {"media_id": media_id, "index": 2, "articles": fresh}))["errcode"] == 40097
    assert (await client.post("draft/update", {"media_id": media_id, "index": 0, "articles": [fresh]}))["errcode"] == 47001
    assert (await client.post("draft/update", {"media_id": "none", "index": 0, "articles": fresh}))["errcode"] == 40007


async def test_draft_box(client):
    """Drafts are listed newest first with or without content, counted by GET, and deleted for good."""
    first, second = await client.draft(title="早"), await client.draft(title="晚")
    listed = await client.post("draft/batchget", {"offset": 0, "count": 20, "no_content": 0})
    assert [item["media_id"] for item in listed["item"]] == [second, first]
    assert (listed["total_count"], listed["item_count"]) == (2, 2)
    bare = await client.post("draft/batchget", {"offset": 1, "count": 1, "no_content": 1})
    assert "content" not in bare["item"][0]["content"]["news_item"][0]
    assert bare["item"][0]["media_id"] == first
    assert await client.get("draft/count") == {"total_count": 2}
    assert (await client.post("draft/delete", {"media_id": first}))["errcode"] == 0
    assert (await client.post("draft/delete", {"media_id": first}))["errcode"] == 40007
    assert (await client.post("draft/get", {"media_id": first}))["errcode"] == 40007
    assert (await client.post("draft/get", {}))["errcode"] == 41006
    assert await client.get("draft/count") == {"total_count": 1}


async def test_the_preview_link_shows_the_draft(client, session):
    """The draft's temporary address shows it as a preview."""
    media_id = await client.draft(title="预览我")
    url = (await client.post("draft/get", {"media_id": media_id}))["news_item"][0]["url"]
    async with session.get(url) as page:
        text = await page.text()
    assert "预览我" in text
    assert "尚未发布" in text
