"""Recorded requests of real clients, replayed byte by byte except for credentials, identifiers and picture bytes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from PIL import Image
from yarl import URL

from gateway.sandbox import SandboxClock, running_wechat, running_weibo
from gateway.sandbox.weibo.state import Code

pytestmark = pytest.mark.conformance

OUTSIDE = {"customservice/getkflist": 40066, "material/add_news": 45106}
MINIMUM = 30


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "blue").save(out, "PNG")
    return out.getvalue()


def with_picture(body: bytes, headers: dict[str, str], data: bytes) -> bytes:
    """Put real picture bytes where the recording had a word, leaving every other byte as it was sent."""
    if "multipart" not in headers.get("Content-Type", ""):
        return body
    for word in (b"\r\n\r\nPNGDATA\r\n", b"\r\n\r\nPNG\r\n", b"\r\n\r\nx\r\n"):
        if body.count(word) == 1:
            return body.replace(word, b"\r\n\r\n" + data + b"\r\n")
    return body


async def replay(session, base_url, recorded, path, body):
    kept = {"Content-Type", "User-Agent", "Accept", "Accept-Encoding"}
    headers = {name: value for name, value in recorded["headers"].items() if name in kept}
    skip = {"Content-Type"} - set(headers)
    url = URL(base_url + path, encoded=True)
    stream = io.BytesIO(body) if body else None
    async with session.request(recorded["method"], url, data=stream, headers=headers, skip_auto_headers=skip) as answer:
        return answer.status, json.loads(await answer.read())


async def on_wechat(session, recorded):
    async with running_wechat(clock=SandboxClock(datetime(2026, 11, 23, 2, tzinfo=UTC), running=False)) as wechat:
        account, token = wechat.account(), wechat.issue_token()
        wechat.account().publish_seconds = 0

        async def prepare(endpoint, **body):
            url = f"{wechat.base_url}/cgi-bin/{endpoint}?access_token={token}&type=image"
            form = aiohttp.FormData()
            form.add_field("media", png(), filename="a.png")
            async with session.post(url, data=form if endpoint.startswith("material") else json.dumps(body).encode()) as answer:
                return await answer.json()

        cover = (await prepare("material/add_material"))["media_id"]
        article = {"title": "t", "content": "c", "thumb_media_id": cover}
        drafts = [(await prepare("draft/add", articles=[article]))["media_id"] for _ in range(3)]
        publish_id = (await prepare("freepublish/submit", media_id=drafts[0]))["publish_id"]
        mass = {"filter": {"is_to_all": True}, "msgtype": "mpnews", "mpnews": {"media_id": drafts[1]}}
        msg_id = (await prepare("message/mass/sendall", **mass))["msg_id"]
        endpoint = wechat.endpoint_of(recorded["path"].split("?")[0])
        path, body = recorded["path"], recorded["body"]
        for word in ("GWTOKEN", "TOK"):
            path = path.replace(f"access_token={word}", f"access_token={token}")
        path = path.replace("appid=appid", f"appid={account.appid}").replace("appid=a&", f"appid={account.appid}&")
        path = path.replace("secret=secret", f"secret={account.secret}").removesuffix("secret=s")
        path += f"secret={account.secret}" if path.endswith("&") else ""
        names = {'"D1"': f'"{drafts[2]}"', '"100000001"': f'"{publish_id}"', '"msg_id": 1': f'"msg_id": {msg_id}'}
        names['"M1"'] = f'"{drafts[2] if "mass" in endpoint else cover}"'
        for old, new in names.items():
            body = body.replace(old, new)
        raw = with_picture(body.encode(), recorded["headers"], png())
        status, answer = await replay(session, wechat.base_url, recorded, path, raw)
        return endpoint, status, answer.get("errcode", 0), answer


async def on_weibo(session, recorded):
    async with running_weibo() as weibo:
        weibo.add_user(1, screen_name="一")
        app = weibo.add_app("k", secret="s", redirect_uri="http://cb", safe_domains=("a.example",))
        until = weibo.unix + 60
        weibo.state.codes["code1"] = Code(value="code1", uid=1, appkey="k", redirect_uri=app.redirect_uri, until=until)
        token = weibo.issue_token(1, "k")
        path = recorded["path"].replace("access_token=WB", f"access_token={token}")
        body = recorded["body"].replace("access_token=WB", f"access_token={token}").replace("\r\n\r\nWB\r\n", f"\r\n\r\n{token}\r\n")
        raw = with_picture(body.encode(), recorded["headers"], png())
        status, answer = await replay(session, weibo.base_url, recorded, path, raw)
        return weibo.endpoint_of(recorded["path"].split("?")[0]), status, answer.get("error_code", 0), answer


async def test_recorded_request(recorded):
    """Each recorded request is understood: it succeeds, or is refused for the documented reason."""
    async with aiohttp.ClientSession() as session:
        on = on_wechat if recorded["path"].startswith("/cgi-bin/") else on_weibo
        endpoint, status, code, answer = await on(session, recorded)
    expected = OUTSIDE.get(endpoint, 0)
    if endpoint == "message/mass/sendall" and '{"media_id": {"media_id"' in recorded["body"]:
        expected = 40007
    if endpoint == "statuses/share" and "rip" not in recorded["body"]:
        expected = 10016
    assert code == expected, answer
    assert status == (200 if expected != 10016 else 400)


def test_enough_was_recorded(recorded_requests):
    """The replay covers a minimum of requests and of endpoints, so it cannot pass on nothing."""
    endpoints = {one["path"].split("?")[0] for one in recorded_requests}
    assert len(recorded_requests) >= MINIMUM
    assert len(endpoints) >= 14, sorted(endpoints)
