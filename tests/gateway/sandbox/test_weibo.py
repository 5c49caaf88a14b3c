"""Weibo: OAuth, posting rules, reads, limits, and the public pages."""

from __future__ import annotations

import io
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

TEXT = "新品上线 https://www.example.com/a"


@pytest.fixture
def api(session, weibo):
    """Call the API with a token in the query; answers (status, body)."""
    token = weibo.issue_token()

    async def call(endpoint, data=None, *, method="POST", query=None, headers=None, with_token=True):
        params = ({"access_token": token} if with_token else {}) | (query or {})
        url = f"{weibo.base_url}/{endpoint if endpoint.startswith('oauth2') else f'2/{endpoint}.json'}"
        async with session.request(method, url, params=params, data=data, headers=headers) as answer:
            return answer.status, await answer.json()

    call.token = token
    return call


def post(text=TEXT, **more):
    return {"status": text, "rip": "203.0.113.9"} | more


async def test_share_returns_the_full_status(api, weibo):
    """A post answers ids as strings, its source app, and its text with the link shortened."""
    status, body = await api("statuses/share", post())
    assert status == 200
    assert body["idstr"] == body["mid"] == str(body["id"])
    assert body["text"].startswith("新品上线 http://t.cn/")
    assert weibo.app().name in body["source"]
    assert body["user"]["idstr"] == str(weibo.user().uid)
    assert weibo.published_json()[0]["text"] == TEXT


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (post(""), 400, 20008), (post("没有链接"), 400, 10017), (post("https://evil.example/ 别处"), 400, 10017),
        (post("https://example.com.evil.cn/ 假冒"), 400, 10017), (post("#话题# https://example.com/"), 400, 10017),
        ({"status": TEXT}, 400, 10016), (post(rip="nonsense"), 400, 10017),
        (post("字" * 130 + "https://example.com/"), 200, None), (post("字" * 131 + "https://example.com/"), 400, 20012),
        (post("a" * 260 + " https://example.com/"), 400, 20012), (post("a" * 259 + " https://example.com/" + "x" * 300), 200, None),
        (post("锚点不是话题 https://example.com/#a#b"), 200, None), (post(pic="not multipart"), 400, 20007),
        (post("https://sub.example.com/ 子域"), 200, None),
    ],
)  # fmt: skip
async def test_text_rules(api, weibo, data, status, code):
    """Each rule for the text has its code, and what keeps the rules passes."""
    answered, body = await api("statuses/share", data)
    assert (answered, body.get("error_code")) == (status, code)
    assert len(weibo.ledger.effects("statuses/share")) == (code is None)
    if code is not None:
        assert set(body) == {"request", "error_code", "error"}
        assert body["request"] == "/2/statuses/share.json"


async def test_pictures(api, draw, session, weibo):
    """JPEG, GIF and PNG below 5 MB go as multipart and can be fetched by anyone; others have their codes."""
    for kind, pad, code in (("BMP", 0, 20005), ("JPEG", 5 * 1024 * 1024, 20006), ("GIF", 0, None), ("PNG", 0, None), ("JPEG", 5 * 1024 * 1024 - 1, None)):
        form = aiohttp.FormData()
        for name, value in post(f"图 {kind} {pad} https://example.com/").items():
            form.add_field(name, value)
        form.add_field("pic", io.BytesIO(draw(kind, pad=pad)), filename="hidden")
        _, body = await api("statuses/share", form)
        assert body.get("error_code") == code
        if code is None:
            assert {"thumbnail_pic", "bmiddle_pic", "original_pic"} <= set(body)
            async with session.get(body["original_pic"]) as fetched:
                assert await fetched.read() == draw(kind, pad=pad)


async def test_consecutive_posts_may_not_repeat(api, weibo):
    """The same text is 20019, a text that differs only in signs 20017, another text passes."""
    assert (await api("statuses/share", post()))[0] == 200
    assert (await api("statuses/share", post()))[1]["error_code"] == 20019
    assert (await api("statuses/share", post("新品 上线！ https://www.example.com/b")))[1]["error_code"] == 20017
    assert (await api("statuses/share", post("别的 https://www.example.com/b")))[0] == 200
    assert len(weibo.published_json()) == 2


async def test_a_token_may_be_carried_four_ways(api, weibo):
    """Query, form field, multipart part and Authorization header are all accepted."""
    texts = [post(f"第{n}种 https://example.com/") for n in "一二三四"]
    assert (await api("statuses/share", texts[0]))[0] == 200
    assert (await api("statuses/share", texts[1] | {"access_token": api.token}, with_token=False))[0] == 200
    form = aiohttp.FormData()
    for name, value in (texts[2] | {"access_token": api.token}).items():
        form.add_field(name, value, content_type="text/plain")
    assert (await api("statuses/share", form, with_token=False))[0] == 200
    headers = {"Authorization": f"OAuth2 {api.token}"}
    assert (await api("statuses/share", texts[3], with_token=False, headers=headers))[0] == 200
    assert all(api.token not in str(record.fields) for record in weibo.ledger.calls())


async def test_bad_tokens(api, weibo, clock):
    """An unknown token is 21332, an expired one 21327, a revoked one 21316."""
    _, body = await api("account/get_uid", method="GET", query={"access_token": "nonsense"})
    assert body == {"request": "/2/account/get_uid.json", "error_code": 21332, "error": "invalid_access_token"}
    weibo.expire_credentials(str(weibo.user().uid))
    assert (await api("account/get_uid", method="GET"))[1]["error_code"] == 21327
    fresh = weibo.issue_token()
    assert (await api("oauth2/revokeoauth2", query={"access_token": fresh}))[1] == {"result": "true"}
    assert (await api("account/get_uid", method="GET", query={"access_token": fresh}))[1]["error_code"] == 21316


async def test_timeline_is_ones_own(api, weibo):
    """user_timeline lists own posts newest first, pages and filters; another's uid is 21335 with 403."""
    ids = [(await api("statuses/share", post(f"第{n}条 https://example.com/")))[1]["idstr"] for n in range(3)]
    weibo.publish_by_hand("网页上发的")
    _, body = await api("statuses/user_timeline", method="GET", query={"base_app": "1"})
    assert [one["idstr"] for one in body["statuses"]] == sorted(ids, key=int, reverse=True)
    _, everything = await api("statuses/user_timeline", method="GET", query={"count": "2", "trim_user": "1"})
    assert len(everything["statuses"]) == 2
    assert everything["total_number"] == 4
    assert everything["statuses"][0]["user"] == weibo.user().uid
    newest = max(int(one) for one in ids)
    _, since = await api("statuses/user_timeline", method="GET", query={"since_id": str(newest), "base_app": "1"})
    assert since["statuses"] == []
    status, body = await api("statuses/user_timeline", method="GET", query={"uid": "1"})
    assert (status, body["error_code"]) == (403, 21335)
    assert (await api("statuses/user_timeline", method="GET", query={"count": "101"}))[1]["error_code"] == 10017


async def test_destroy_and_show(api, weibo):
    """Destroy answers the post and takes it away; only the owner may; unknown ids are 20101, none 20109."""
    number = (await api("statuses/share", post()))[1]["idstr"]
    assert (await api("statuses/show", method="GET", query={"id": number}))[1]["idstr"] == number
    stranger = weibo.issue_token(weibo.add_user(screen_name="别人").uid)
    status, body = await api("statuses/destroy", {"id": number}, query={"access_token": stranger})
    assert (status, body["error_code"]) == (403, 20102)
    assert (await api("statuses/destroy", {"id": number}))[1]["idstr"] == number
    assert (await api("statuses/show", method="GET", query={"id": number}))[1]["error_code"] == 20101
    assert (await api("statuses/destroy", {"id": number}))[1]["error_code"] == 20101
    assert (await api("statuses/destroy", {}))[1]["error_code"] == 20109


async def test_users_and_uid(api, weibo):
    """users/show by uid or name, with the newest post; get_uid says whose token it is."""
    await api("statuses/share", post())
    user = weibo.user()
    for query in ({"uid": str(user.uid)}, {"screen_name": user.screen_name}):
        _, body = await api("users/show", method="GET", query=query)
        assert (body["id"], body["statuses_count"], "user" in body["status"]) == (user.uid, 1, False)
    assert (await api("users/show", method="GET", query={"uid": "1"}))[1]["error_code"] == 20003
    assert (await api("users/show", method="GET"))[1]["error_code"] == 10008
    assert await api("account/get_uid", method="GET") == (200, {"uid": user.uid})


async def test_a_hundred_requests_a_day(api, clock, weibo):
    """Request 101 of a day is 10023 with 403, asking for the limits is not counted, midnight in Beijing frees it."""
    weibo.state.day_limit = 3
    assert [(await api("account/get_uid", method="GET"))[0] for _ in range(4)] == [200, 200, 200, 403]
    status, body = await api("account/rate_limit_status", method="GET")
    assert (status, body["remaining_user_hits"], body["reset_time"]) == (200, 0, "2026-11-24 00:00:00")
    assert (await api("account/get_uid", method="GET"))[1]["error_code"] == 10023
    clock.advance(14 * 3600)
    assert (await api("account/get_uid", method="GET"))[0] == 200


async def test_default_limits_are_the_documented_ones(weibo):
    """100 a day, 30 posts an hour, 15,000 an hour per address."""
    assert (weibo.state.day_limit, weibo.state.post_limit, weibo.state.ip_limit) == (100, 30, 15_000)


async def test_thirty_posts_an_hour(api, clock):
    """The 31st post of an hour is 10024 and names the endpoint; an hour later it passes."""
    for number in range(30):
        assert (await api("statuses/share", post(f"第{number}条 https://example.com/")))[0] == 200
    status, body = await api("statuses/share", post("再一条 https://example.com/"))
    assert (status, body["error_code"]) == (403, 10024)
    assert "statuses/share" in body["error"]
    clock.advance(3601)
    assert (await api("statuses/share", post("再一条 https://example.com/")))[0] == 200


async def test_address_limit(api, weibo):
    """Beyond the limit of an address every request is 10022."""
    weibo.state.ip_limit = 1
    await api("account/get_uid", method="GET")
    assert (await api("account/get_uid", method="GET"))[1]["error_code"] == 10022


async def test_unknown_apis_and_methods(api):
    """An unknown API is 10020, a wrong method 10021."""
    assert (await api("statuses/everything", method="GET"))[1]["error_code"] == 10020
    assert (await api("statuses/share", method="GET"))[1]["error_code"] == 10021
    assert (await api("statuses/show", {"id": "1"}))[1]["error_code"] == 10021


async def test_oauth(api, session, weibo):
    """A code is granted for the registered address, redeemed once, and the token is described by get_token_info."""
    app = weibo.app()
    query = {"client_id": app.appkey, "redirect_uri": app.redirect_uri, "response_type": "code", "state": "s1"}
    async with session.get(f"{weibo.base_url}/oauth2/authorize", params=query, allow_redirects=False) as answer:
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s1"]
    form = {
        "client_id": app.appkey, "client_secret": app.secret, "grant_type": "authorization_code",
        "code": back["code"][0], "redirect_uri": app.redirect_uri, "access_token": "None",
    }  # fmt: skip
    _, wrong = await api("oauth2/access_token", form | {"client_secret": "x"}, with_token=False)
    assert (wrong["error"], wrong["error_code"], set(wrong)) == ("invalid_client", 21324, {"error", "error_code", "error_description"})
    assert (await api("oauth2/access_token", form | {"grant_type": "password"}, with_token=False))[1]["error_code"] == 21328
    status, granted = await api("oauth2/access_token", form, with_token=False)
    assert status == 200
    assert (granted["uid"], granted["isRealName"], granted["remind_in"]) == (str(weibo.user().uid), "true", "157679999")
    assert (await api("oauth2/access_token", form, with_token=False))[1]["error_code"] == 21325
    _, info = await api("oauth2/get_token_info", {"access_token": granted["access_token"]}, with_token=False)
    assert info["expire_in"] == 157_679_999
    assert info["appkey"] == int(app.appkey)
    for changed, code in (({"redirect_uri": "https://evil.example/"}, 21322), ({"response_type": "token"}, 21329), ({"client_id": "1"}, 21324)):
        async with session.get(f"{weibo.base_url}/oauth2/authorize", params=query | changed, allow_redirects=False) as answer:
            assert (answer.status, (await answer.json())["error_code"]) == (400, code)


async def test_readers_see_the_post(api, session, weibo):
    """The post's page and the user's page show it; after destroy it is 404; short links lead on."""
    _, body = await api("statuses/share", post())
    address = weibo.published_json()[0]["url"]
    async with session.get(address) as page:
        text = await page.text()
    assert TEXT in text
    assert weibo.user().screen_name in text
    assert "演练平台" in text
    async with session.get(f"{weibo.base_url}/u/{weibo.user().uid}") as page:
        assert TEXT in await page.text()
    code = body["text"].rpartition("/")[2]
    async with session.get(f"{weibo.base_url}/t/{code}", allow_redirects=False) as leads:
        assert leads.headers["Location"] == "https://www.example.com/a"
    await api("statuses/destroy", {"id": body["idstr"]})
    async with session.get(address) as page:
        assert page.status == 404


async def test_a_post_can_be_altered_by_hand(api, weibo):
    """The web page's owner can change or delete a post past the API."""
    number = (await api("statuses/share", post()))[1]["idstr"]
    weibo.edit_by_hand(number, {"text": "改过"})
    assert (await api("statuses/show", method="GET", query={"id": number}))[1]["text"] == "改过"
    weibo.edit_by_hand(number, {"deleted": True})
    assert (await api("statuses/show", method="GET", query={"id": number}))[1]["error_code"] == 20101


async def test_success_reported_as_an_error(api, weibo):
    """20032 after the effect: the post is public although the answer is an error."""
    weibo.faults.fail_after("statuses/share", code=20032)
    status, body = await api("statuses/share", post())
    assert (status, body["error_code"]) == (400, 20032)
    assert len(weibo.ledger.effects("statuses/share")) == 1
    assert (await api("statuses/user_timeline", method="GET"))[1]["total_number"] == 1


async def test_weibo_throttle_and_expiry_faults(api, weibo):
    """The throttle fault answers 10023 and an expired credential 21327, both without an effect."""
    weibo.faults.throttle("statuses/share")
    assert (await api("statuses/share", post()))[1]["error_code"] == 10023
    weibo.faults.expire_credential("statuses/share")
    assert (await api("statuses/share", post()))[1]["error_code"] == 21327
    assert weibo.ledger.effects() == ()
