"""The shapes of the sandbox's answers against recorded and documented ones: keys and JSON types, at every depth.

Answers observed from the real platform are held exactly; documented samples must be contained in ours (ours may have
keys that were observed elsewhere). `errcode` must be present or absent as in the sample.
"""

from __future__ import annotations

import copy
import io
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from PIL import Image

from gateway.sandbox import SandboxClock, running_wechat, running_weibo

pytestmark = pytest.mark.conformance

OBSERVED = {
    "draft/add": "draft_add", "draft/count": "draft_count", "draft/get": "draft_get", "draft/delete": "draft_delete",
    "freepublish/submit": "freepublish_submit", "freepublish/get": "freepublish_get_status0",
    "freepublish/getarticle": "freepublish_getarticle", "freepublish/delete": "freepublish_delete",
}  # fmt: skip
DOCUMENTED = {
    "token": ("wechat-flurl/CgibinTokenResponse", "wechatpy/token"),
    "stable_token": ("wechat-flurl/CgibinTokenResponse",),
    "getcallbackip": ("wechat-flurl/CgibinGetCallbackIpResponse", "wechatpy/getcallbackip"),
    "get_api_domain_ip": ("wechat-flurl/CgibinGetApiDomainIpResponse",),
    "openapi/quota/get": ("wechat-flurl/CgibinOpenApiQuotaGetResponse",),
    "media/upload": ("wechat-flurl/CgibinMediaUploadResponse", "wechatpy/media_upload"),
    "media/uploadimg": ("wechat-flurl/CgibinMediaUploadImageResponse", "wechatpy/media_uploadimg"),
    "media/uploadnews": ("wechat-flurl/CgibinMediaUploadNewsResponse",),
    "material/add_material": ("wechat-flurl/CgibinMaterialAddMaterialResponse",),
    "material/get_material": ("wechat-flurl/CgibinMaterialGetMaterialAsVideoResponse",),
    "material/batchget_material": ("wechat-flurl/CgibinMaterialBatchGetMaterialResponse",),
    "material/get_materialcount": ("wechat-flurl/CgibinMaterialGetMaterialCountResponse", "wechatpy/material_get_materialcount"),
    "draft/batchget": ("wechat-flurl/CgibinDraftBatchGetResponse",),
    "draft/add": ("wechat-flurl/CgibinDraftAddResponse",),
    "draft/get": ("wechat-flurl/CgibinDraftGetResponse",),
    "draft/count": ("wechat-flurl/CgibinDraftCountResponse",),
    "freepublish/batchget": ("wechat-flurl/CgibinFreePublishBatchGetResponse",),
    "freepublish/getarticle": ("wechat-flurl/CgibinFreePublishGetArticleResponse",),
    "message/mass/sendall": ("wechat-flurl/CgibinMessageMassSendAllResponse", "wechatpy/message_mass_send"),
    "message/mass/send": ("wechat-flurl/CgibinMessageMassSendResponse",),
    "message/mass/get": ("wechat-flurl/CgibinMessageMassGetResponse", "wechatpy/message_mass_get"),
    "message/mass/speed/get": ("wechat-flurl/CgibinMessageMassSpeedGetResponse",),
    "comment/list": ("wechat-flurl/CgibinCommentListResponse",),
    "menu/create": ("wechatpy/menu_create",),
    "menu/get": ("wechatpy/menu_get",),
    "menu/delete": ("wechatpy/menu_delete",),
    "menu/addconditional": ("wechat-flurl/CgibinMenuAddConditionalResponse",),
}
WEIBO = {
    "statuses/share": "statuses_share_with_pic", "statuses/destroy": "statuses_destroy",
    "account/rate_limit_status": "account_rate_limit_status", "oauth2/get_token_info": "oauth2_get_token_info",
    "error": "error_invalid_access_token", "oauth error": "error_oauth",
}  # fmt: skip


def kind(value) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names[type(value)]


def differences(ours, theirs, where="$", *, exact):
    """List where two answers differ in keys or types; null is a missing value of any type, an empty list of any items."""
    if ours is None or theirs is None:
        return []
    if kind(ours) != kind(theirs):
        return [f"{where}: {kind(ours)} instead of {kind(theirs)}"]
    found = []
    if isinstance(ours, dict):
        found += [f"{where}.{name}: missing" for name in theirs if name not in ours]
        found += [f"{where}.{name}: not in the sample" for name in ours if exact and name not in theirs]
        found += [f"{where}.errcode: not in the sample" for _ in [0] if where == "$" and "errcode" in ours and "errcode" not in theirs]
        for name in ours.keys() & theirs.keys():
            found += differences(ours[name], theirs[name], f"{where}.{name}", exact=exact)
    if isinstance(ours, list) and theirs:
        for number, item in enumerate(ours):
            found += differences(item, theirs[0], f"{where}[{number}]", exact=exact)
    return found


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "blue").save(out, "PNG")
    return out.getvalue()


class Conversation:
    """Talks to the sandbox and keeps each endpoint's answer."""

    def __init__(self, session, wechat):
        self.session, self.wechat, self.token, self.answers = session, wechat, wechat.issue_token(), {}

    async def call(self, endpoint, body=None, *, method="POST", **query):
        url = f"{self.wechat.base_url}/cgi-bin/{endpoint}"
        data = body if isinstance(body, aiohttp.FormData) else None if body is None else json.dumps(body, ensure_ascii=False).encode()
        async with self.session.request(method, url, params={"access_token": self.token} | query, data=data) as answer:
            self.answers[endpoint] = json.loads(await answer.read())
        return self.answers[endpoint]

    async def upload(self, endpoint, data=b"", **query):
        form = aiohttp.FormData()
        form.add_field("media", data or png(), filename="a.png")
        return await self.call(endpoint, form, **query)


async def wechat_answers(session, wechat, sample):
    """Use every endpoint once, with the documented sample requests where there are some."""
    talk, clock = Conversation(session, wechat), wechat.clock
    secret = {"grant_type": "client_credential", "appid": wechat.account().appid, "secret": wechat.account().secret}

    def wanted(name, **changes):
        return copy.deepcopy(sample(f"wechat-flurl/Cgibin{name}Request.json")) | changes

    await talk.call("token", method="GET", **secret)
    await talk.call("stable_token", secret)
    for endpoint in ("getcallbackip", "get_api_domain_ip"):
        await talk.call(endpoint, method="GET")
    await talk.call("openapi/quota/get", wanted("OpenApiQuotaGet", cgi_path="/cgi-bin/draft/add"))
    await talk.upload("media/upload", type="image")
    await talk.upload("media/uploadimg")
    video = await talk.upload("material/add_material", b"v", type="video", description='{"title":"t","introduction":"i"}')
    await talk.call("material/get_material", wanted("MaterialGetMaterialAsVideo", media_id=video["media_id"]))
    cover = (await talk.upload("material/add_material", type="image"))["media_id"]
    await talk.call("material/batchget_material", wanted("MaterialBatchGetMaterial", type="image"))
    await talk.call("material/get_materialcount", method="GET")

    def articles(name):
        body = wanted(name)
        for article in body["articles"]:
            article["thumb_media_id"] = cover
        return body

    drafts = [(await talk.call("draft/add", articles("DraftAdd")))["media_id"] for _ in range(4)]
    fresh = wanted("DraftUpdate", media_id=drafts[0])
    fresh["articles"]["thumb_media_id"] = cover
    await talk.call("draft/update", fresh)
    await talk.call("draft/get", wanted("DraftGet", media_id=drafts[0]))
    await talk.call("draft/batchget", wanted("DraftBatchGet", count=20))
    await talk.call("draft/count", method="GET")
    job = await talk.call("freepublish/submit", wanted("FreePublishSubmit", media_id=drafts[0]))
    clock.advance(60)
    done = await talk.call("freepublish/get", wanted("FreePublishGet", publish_id=str(job["publish_id"])))
    await talk.call("freepublish/getarticle", wanted("FreePublishGetArticle", article_id=done["article_id"]))
    await talk.call("freepublish/batchget", wanted("FreePublishBatchGet", count=20))
    await talk.call("freepublish/delete", wanted("FreePublishDelete", article_id=done["article_id"]))
    await talk.call("draft/delete", wanted("DraftDelete", media_id=drafts[3]))
    await talk.call("media/uploadnews", articles("MediaUploadNews"))
    await talk.call("message/mass/preview", wanted("MessageMassPreview"))
    sent = await talk.call("message/mass/sendall", wanted("MessageMassSendAll", mpnews={"media_id": drafts[1]}))
    await talk.call("message/mass/send", wanted("MessageMassSend", mpnews={"media_id": drafts[2]}))
    await talk.call("message/mass/get", wanted("MessageMassGet", msg_id=str(sent["msg_id"])))
    await talk.call("message/mass/delete", wanted("MessageMassDelete", msg_id=str(sent["msg_id"]), article_idx=1))
    await talk.call("message/mass/speed/set", wanted("MessageMassSpeedSet"))
    await talk.call("message/mass/speed/get", {})
    known = {"msg_data_id": sent["msg_data_id"]}
    await talk.call("comment/open", wanted("CommentOpen", **known))
    await talk.call("comment/close", wanted("CommentClose", **known))
    await talk.call("comment/list", wanted("CommentList", **known, count=49))
    await talk.call("menu/create", sample("wechatpy/menu_get.json")["menu"])
    await talk.call("menu/get", method="GET")
    added = await talk.call("menu/addconditional", wanted("MenuAddConditional"))
    await talk.call("menu/delconditional", wanted("MenuDeleteConditional", menuid=added["menuid"]))
    await talk.call("menu/create", {"button": wanted("MenuCreate")["button"][:3]})
    await talk.call("menu/delete", method="GET")
    await talk.call("clear_quota", wanted("ClearQuota", appid=wechat.account().appid))
    return talk.answers


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_wechat_answers_have_the_recorded_shapes(session, sample, capsys):
    """Every emulated endpoint succeeds with the documented request and answers in the observed or documented shape."""
    clock = SandboxClock(datetime(2026, 11, 23, 2, tzinfo=UTC), running=False)
    async with running_wechat(clock=clock) as wechat:
        answers = await wechat_answers(session, wechat, sample)
    failed = {endpoint: answer for endpoint, answer in answers.items() if answer.get("errcode", 0) != 0}
    assert failed == {}
    found, covered = [], set()
    for endpoint, name in OBSERVED.items():
        found += [f"{endpoint} {one}" for one in differences(answers[endpoint], sample(f"wxjava-real/{name}.json"), exact=True)]
        covered.add(endpoint)
    for endpoint, names in DOCUMENTED.items():
        for name in names:
            theirs = sample(f"{name}.json")
            if endpoint == "material/batchget_material":
                theirs["item"] = theirs["item"][1:]
            found += [f"{endpoint} {name} {one}" for one in differences(answers[endpoint], theirs, exact=False)]
        covered.add(endpoint)
    assert found == []
    assert isinstance(answers["freepublish/submit"]["publish_id"], int)
    assert len(covered) >= 31, sorted(covered)
    assert len(answers) >= 39, sorted(answers)
    with capsys.disabled():
        print(f"\nWeChat: {len(covered)} answer shapes held, {len(answers)} endpoints called: {', '.join(sorted(answers))}")


async def test_error_answers_have_the_recorded_shape(session, sample):
    """Each code that the recorded table knows is a code the sandbox can shape, with errcode and errmsg only."""
    table = sample("wechat_errcodes.json")["codes"]
    async with running_wechat() as wechat:
        for code in (40001, 40007, 41001, 42001, 45009, 48001, 53503):
            assert str(code) in table
            wechat.faults.refuse("draft/count", code)
            async with session.get(f"{wechat.base_url}/cgi-bin/draft/count") as answer:
                body = json.loads(await answer.read())
                assert (answer.status, set(body), body["errcode"]) == (200, {"errcode", "errmsg"}, code)


async def test_weibo_answers_have_the_documented_shapes(session, sample, capsys):
    """Posts, users, limits, tokens and both kinds of errors."""
    async with running_weibo() as weibo:
        answers = {}

        async def call(endpoint, method="POST", data=None, token=None, path=None):
            query = {"access_token": token or weibo.issue_token()}
            url = f"{weibo.base_url}/{path or f'2/{endpoint}.json'}"
            async with session.request(method, url, params=query, data=data) as answer:
                answers[endpoint] = json.loads(await answer.read())
            return answers[endpoint]

        form = aiohttp.FormData()
        for name, value in (("status", "图 http://www.example.com/"), ("rip", "1.2.3.4")):
            form.add_field(name, value)
        form.add_field("pic", png(), filename="a.png")
        post = await call("statuses/share", data=form)
        await call("statuses/destroy", data={"id": post["idstr"]})
        await call("account/rate_limit_status", method="GET")
        await call("oauth2/get_token_info", path="oauth2/get_token_info")
        await call("error", token="x", path="2/statuses/share.json")
        await call("oauth error", path="oauth2/access_token", data={"client_id": "x"})
    found = [
        f"{endpoint} {one}"
        for endpoint, name in WEIBO.items()
        for one in differences(answers[endpoint], sample(f"weibo/{name}.json"), exact=endpoint.endswith("error") or "token" in endpoint)
    ]
    assert found == []
    assert len(WEIBO) == len(answers) == 6
    with capsys.disabled():
        print(f"\nWeibo: {len(answers)} answer shapes held: {', '.join(sorted(answers))}")


def test_the_comparison_sees_differences():
    """The comparison itself notices a wrong type, a missing key, an extra key and a stray errcode."""
    assert differences({"a": 1}, {"a": 2}, exact=True) == []
    assert differences({"a": "1"}, {"a": 1}, exact=False) == ["$.a: string instead of number"]
    assert differences({"a": True}, {"a": 1}, exact=False) == ["$.a: boolean instead of number"]
    assert differences({}, {"a": 1}, exact=False) == ["$.a: missing"]
    assert differences({"a": [{"b": 1}]}, {"a": [{}]}, exact=True) == ["$.a[0].b: not in the sample"]
    assert differences({"errcode": 0}, {}, exact=False) == ["$.errcode: not in the sample"]
