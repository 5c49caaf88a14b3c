"""Pictures and materials of WeChat."""

from __future__ import annotations

import aiohttp
import pytest


async def test_uploadimg_answers_only_a_public_url(client, png, session):
    """The answer is one key, and anyone can fetch the picture there."""
    answer = await client.upload("media/uploadimg", png)
    assert set(answer) == {"url"}
    async with session.get(answer["url"]) as fetched:
        assert fetched.status == 200
        assert fetched.content_type == "image/png"
        assert await fetched.read() == png
    assert (await client.get("material/get_materialcount"))["image_count"] == 0


@pytest.mark.parametrize(("kind", "pad", "code"), [("GIF", 0, 40005), ("BMP", 0, 40005), ("PNG", 1024 * 1024, 40009), ("JPEG", 1024 * 1024 - 1, None)])
async def test_uploadimg_takes_jpeg_and_png_below_one_megabyte(client, draw, kind, pad, code):
    """Other formats are 40005, a whole megabyte 40009, one byte less passes."""
    assert (await client.upload("media/uploadimg", draw(kind, pad=pad))).get("errcode") == code


async def test_uploads_need_a_file_with_bytes(client):
    """No `media` file is 41005, an empty one 44001, bytes that are no picture 40005."""
    form = aiohttp.FormData()
    form.add_field("file", b"x", filename="a.png")
    assert (await client.request("POST", "media/uploadimg", form))["errcode"] == 41005
    assert (await client.post("media/uploadimg", {"media": "x"}))["errcode"] == 41005
    assert (await client.upload("media/uploadimg", b""))["errcode"] == 44001
    assert (await client.upload("media/uploadimg", b"PNG"))["errcode"] == 40005


@pytest.mark.parametrize("header", ["", "application/json", 'multipart/form-data; boundary="q7"', "multipart/form-data; boundary=wrong"])
async def test_multipart_is_recognised_by_its_body(client, wechat, png, header):
    """A multipart body is read with a quoted, wrong or missing boundary header, and with odd part headers."""
    body = (
        b'--q7\r\nContent-Length: 3\r\ncontent-disposition: form-data; filename="\xe5\x9b\xbe.png"; name="media"\r\n\r\n'
        + png + b"\r\n--q7--\r\n"
    )  # fmt: skip
    url = f"{wechat.base_url}/cgi-bin/media/uploadimg?access_token={client.token}"
    async with client.session.post(url, data=body, headers={"Content-Type": header}) as answer:
        assert set(await answer.json()) == {"url"}
    assert wechat.ledger.last().fields["media"]["length"] == len(png)
    assert wechat.ledger.last().fields["media"]["filename"] == "图.png"


async def test_permanent_material_lives_in_the_library(client, png, clock):
    """A picture is added with id and address, counted, listed, fetched as bytes, deleted."""
    added = await client.upload("material/add_material", png, type="image")
    assert set(added) == {"media_id", "url"}
    assert (await client.get("material/get_materialcount")) == {"voice_count": 0, "video_count": 0, "image_count": 1, "news_count": 0}
    listed = await client.post("material/batchget_material", {"type": "image", "offset": 0, "count": 20})
    assert (listed["total_count"], listed["item_count"]) == (1, 1)
    assert listed["item"][0] == {
        "media_id": added["media_id"], "name": "封面.png", "update_time": int(clock.now().timestamp()), "url": added["url"],
    }  # fmt: skip
    url = f"{client.wechat.base_url}/cgi-bin/material/get_material?access_token={client.token}"
    async with client.session.post(url, json={"media_id": added["media_id"]}) as answer:
        assert await answer.read() == png
    assert (await client.post("material/del_material", {"media_id": added["media_id"]}))["errcode"] == 0
    assert (await client.post("material/get_material", {"media_id": added["media_id"]}))["errcode"] == 40007
    assert (await client.post("material/get_material", {}))["errcode"] == 41006


async def test_material_formats_and_sizes(client, draw):
    """Four picture formats up to 10 MB; the thumb 64 KB of JPEG; an unknown type is 40004."""
    for kind in ("PNG", "JPEG", "GIF", "BMP"):
        assert "url" in await client.upload("material/add_material", draw(kind), type="image")
    assert (await client.upload("material/add_material", b"not a picture", type="image"))["errcode"] == 40137
    ten = 10 * 1024 * 1024
    assert "url" in await client.upload("material/add_material", draw("JPEG", pad=ten), type="image")
    assert (await client.upload("material/add_material", draw("JPEG", pad=ten + 1), type="image"))["errcode"] == 40009
    assert (await client.upload("material/add_material", draw("PNG"), type="thumb"))["errcode"] == 40005
    assert (await client.upload("material/add_material", draw("JPEG", pad=65537), type="thumb"))["errcode"] == 40012
    assert set(await client.upload("material/add_material", draw("JPEG"), type="thumb")) == {"media_id"}
    assert (await client.upload("material/add_material", draw("PNG"), type="hologram"))["errcode"] == 40004


async def test_a_video_needs_its_description(client, wechat):
    """A video's title comes in the description part or in the query; without it 40035."""
    assert (await client.upload("material/add_material", b"video", type="video"))["errcode"] == 40035
    added = await client.upload("material/add_material", b"video", type="video", description='{"title":"片","introduction":"介"}')
    assert set(added) == {"media_id"}
    shown = await client.post("material/get_material", {"media_id": added["media_id"]})
    assert (shown["title"], shown["description"]) == ("片", "介")
    async with client.session.get(shown["down_url"]) as fetched:
        assert await fetched.read() == b"video"
    form = aiohttp.FormData()
    form.add_field("media", b"video", filename="a.mp4")
    form.add_field("description", '{"title":"片","introduction":"介"}')
    assert "media_id" in await client.request("POST", "material/add_material", form, type="video")


async def test_list_pages_are_one_to_twenty(client):
    """An offset or count out of range is 40097, a wrong type 40004."""
    for page in ({"count": 0}, {"count": 21}, {"offset": -1, "count": 1}, {"count": "x"}):
        assert (await client.post("material/batchget_material", {"type": "image", "offset": 0} | page))["errcode"] == 40097
        assert (await client.post("draft/batchget", {"offset": 0} | page))["errcode"] == 40097
        assert (await client.post("freepublish/batchget", {"offset": 0} | page))["errcode"] == 40097
    assert (await client.post("material/batchget_material", {"type": ["image"]}))["errcode"] == 40004


async def test_temporary_media_last_three_days(client, wechat, png, clock):
    """media/upload answers type, id and time; after three days the id is 40007."""
    added = await client.upload("media/upload", png, type="image")
    assert set(added) == {"type", "media_id", "created_at"}
    url = f"{wechat.base_url}/cgi-bin/media/get"
    async with client.session.get(url, params={"access_token": client.token, "media_id": added["media_id"]}) as answer:
        assert await answer.read() == png
    clock.advance(3 * 24 * 3600 + 1)
    client.token = wechat.issue_token()
    assert (await client.get("media/get", media_id=added["media_id"]))["errcode"] == 40007


async def test_material_in_the_menu_cannot_be_deleted(client):
    """48005 while a menu button uses it."""
    media_id = await client.cover()
    await client.post("menu/create", {"button": [{"type": "media_id", "name": "图", "media_id": media_id}]})
    assert (await client.post("material/del_material", {"media_id": media_id}))["errcode"] == 48005
    await client.get("menu/delete")
    assert (await client.post("material/del_material", {"media_id": media_id}))["errcode"] == 0


async def test_retired_news_material(client):
    """material/add_news and update_news are 45106."""
    assert (await client.post("material/add_news", {"articles": []}))["errcode"] == 45106
    assert (await client.post("material/update_news", {"articles": {}}))["errcode"] == 45106
