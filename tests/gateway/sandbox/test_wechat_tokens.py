"""Access tokens of WeChat: who may ask, how they age, and how a call with a wrong one is answered."""

from __future__ import annotations

import re

import pytest


async def token(client, wechat, **given):
    account = wechat.account()
    query = {"grant_type": "client_credential", "appid": account.appid, "secret": account.secret} | given
    async with client.session.get(f"{wechat.base_url}/cgi-bin/token", params=query) as answer:
        return await answer.json()


async def stable(client, wechat, **given):
    account = wechat.account()
    body = {"grant_type": "client_credential", "appid": account.appid, "secret": account.secret} | given
    async with client.session.post(f"{wechat.base_url}/cgi-bin/stable_token", json=body) as answer:
        return await answer.json()


async def works(client, value):
    client.token = value
    return (await client.get("draft/count")).get("errcode", 0)


async def test_token_answer_has_no_errcode(client, wechat):
    """A token answer holds exactly the two documented keys."""
    answer = await token(client, wechat)
    assert set(answer) == {"access_token", "expires_in"}
    assert answer["expires_in"] == 7200


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"appid": ""}, 41002), ({"secret": ""}, 41004), ({"grant_type": "password"}, 40002),
        ({"appid": "wxdeadbeef"}, 40013), ({"secret": "0" * 32}, 40125),
    ],
)  # fmt: skip
async def test_wrong_credentials_have_their_codes(client, wechat, given, code):
    """Each way to be wrong at the token endpoints has its code, with a request id in the words."""
    for ask in (token, stable):
        answer = await ask(client, wechat, **given)
        assert answer["errcode"] == code
        assert re.search(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$", answer["errmsg"])


async def test_address_must_be_on_the_allow_list(client, wechat):
    """40164 names the caller's address; an empty list admits no one, a network admits its members."""
    wechat.account().allow_list = ["203.0.113.7"]
    answer = await token(client, wechat)
    assert answer["errcode"] == 40164
    assert answer["errmsg"].startswith("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: ")
    wechat.account().allow_list = []
    assert (await stable(client, wechat))["errcode"] == 40164
    wechat.account().allow_list = ["127.0.0.0/8"]
    assert "access_token" in await stable(client, wechat)


async def test_a_new_token_leaves_the_old_one_five_minutes(client, wechat, clock):
    """Old and new overlap for five minutes, then the old one is 40001."""
    old = (await token(client, wechat))["access_token"]
    new = (await token(client, wechat))["access_token"]
    assert old != new
    clock.advance(299)
    assert await works(client, old) == 0
    clock.advance(2)
    assert await works(client, old) == 40001
    assert await works(client, new) == 0


async def test_a_token_expires_after_two_hours(client, wechat, clock):
    """The current token is 42001 once 7200 seconds are over."""
    value = (await token(client, wechat))["access_token"]
    clock.advance(7199)
    assert await works(client, value) == 0
    clock.advance(1)
    assert await works(client, value) == 42001


async def test_stable_token_is_repeated_until_five_minutes_before_its_end(client, wechat, clock):
    """The same token comes back with less time; near the end a new one comes and both work for five minutes."""
    first = await stable(client, wechat)
    clock.advance(6000)
    again = await stable(client, wechat)
    assert again == {"access_token": first["access_token"], "expires_in": 1200}
    clock.advance(950)
    fresh = await stable(client, wechat)
    assert fresh["access_token"] != first["access_token"]
    assert fresh["expires_in"] == 7200
    assert await works(client, first["access_token"]) == 0
    clock.advance(251)
    assert await works(client, first["access_token"]) == 42001
    assert await works(client, fresh["access_token"]) == 0


async def test_plain_and_stable_tokens_are_isolated(client, wechat, clock):
    """Neither endpoint ends the other's token."""
    one, other = (await token(client, wechat))["access_token"], (await stable(client, wechat))["access_token"]
    await token(client, wechat)
    await stable(client, wechat, force_refresh=True)
    clock.advance(10)
    assert await works(client, one) == 0
    assert await works(client, other) == 40001


async def test_force_refresh_ends_the_old_token_at_once(client, wechat):
    """After a forced refresh the former stable token is 40001 immediately."""
    old = (await stable(client, wechat))["access_token"]
    new = (await stable(client, wechat, force_refresh=True))["access_token"]
    assert await works(client, old) == 40001
    assert await works(client, new) == 0


async def test_force_refresh_twenty_times_a_day_thirty_seconds_apart(client, wechat, clock):
    """A second forced refresh within 30 s is 45011, the 21st of a day 45009; the next day it works again."""
    assert "access_token" in await stable(client, wechat, force_refresh=True)
    clock.advance(29)
    assert (await stable(client, wechat, force_refresh=True))["errcode"] == 45011
    for _ in range(19):
        clock.advance(30)
        assert "access_token" in await stable(client, wechat, force_refresh=True)
    clock.advance(30)
    assert (await stable(client, wechat, force_refresh=True))["errcode"] == 45009
    clock.advance(24 * 3600)
    assert "access_token" in await stable(client, wechat, force_refresh=True)


async def test_token_requests_have_a_daily_quota(client, wechat):
    """The token endpoint is itself counted."""
    wechat.account().quotas["token"] = 2
    answers = [await token(client, wechat) for _ in range(3)]
    assert [answer.get("errcode") for answer in answers] == [None, None, 45009]


async def test_missing_malformed_and_unknown_tokens(client):
    """No token is 41001, a token of no possible form 40014, an unknown one 40001."""
    assert await works(client, "") == 41001
    assert await works(client, "GWTOKEN") == 40014
    assert await works(client, "57_" + "x" * 128) == 40001


async def test_methods_and_bodies(client, wechat):
    """GET on a POST endpoint is 43002, POST on a GET endpoint 43001, no body 44002, no JSON object 47001."""
    assert (await client.get("draft/get"))["errcode"] == 43002
    assert (await client.post("draft/count"))["errcode"] == 43001
    assert (await client.post("draft/get", raw=b""))["errcode"] == 44002
    for raw in (b"{", b"[1]", b"\xff\xfe", b"media_id=1", b"[" * 100_000):
        assert (await client.post("draft/get", raw=raw))["errcode"] == 47001


async def test_content_type_is_never_trusted(client, wechat):
    """JSON is read as JSON whatever the header says."""
    for content_type in ("application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "multipart/form-data; boundary=x"):
        url = f"{wechat.base_url}/cgi-bin/draft/batchget?access_token={client.token}"
        headers = {"Content-Type": content_type}
        async with client.session.post(url, data=b'{"offset":0,"count":20}', headers=headers) as answer:
            assert (await answer.json())["total_count"] == 0


async def test_unknown_paths_answer_invalid_url(client):
    """A path that WeChat does not have is 40066 with HTTP 200."""
    assert (await client.post("draft/publish_everything", {}))["errcode"] == 40066
    assert (await client.get("customservice/getkflist"))["errcode"] == 40066


async def test_quotas_are_per_endpoint_and_day(client, wechat, clock):
    """The daily quota answers 45009, is visible in quota/get, is cleared by clear_quota and by midnight in Beijing."""
    wechat.account().quotas["draft/count"] = 2
    assert [(await client.get("draft/count")).get("errcode") for _ in range(3)] == [None, None, 45009]
    shown = await client.post("openapi/quota/get", {"cgi_path": "/cgi-bin/draft/count"})
    assert shown == {"errcode": 0, "errmsg": "ok", "quota": {"daily_limit": 2, "used": 2, "remain": 0}}
    assert (await client.post("draft/batchget", {"offset": 0, "count": 1}))["total_count"] == 0
    assert await client.post("clear_quota", {"appid": wechat.account().appid}) == {"errcode": 0, "errmsg": "ok"}
    assert [(await client.get("draft/count")).get("errcode") for _ in range(3)] == [None, None, 45009]
    clock.advance(14 * 3600)
    client.token = wechat.issue_token()
    assert await client.get("draft/count") == {"total_count": 0}


async def test_documented_quotas_stand(client):
    """The limits of a new account are the documented ones, and an unknown path is refused."""
    for path, limit in {"draft/add": 1000, "freepublish/submit": 100, "freepublish/delete": 10, "draft/get": 500}.items():
        answer = await client.post("openapi/quota/get", {"cgi_path": f"/cgi-bin/{path}"})
        assert answer["quota"]["daily_limit"] == limit
    assert (await client.post("openapi/quota/get", {"cgi_path": "nowhere"}))["errcode"] == 76021


async def test_quota_can_be_cleared_ten_times_a_month(client, wechat, clock):
    """The eleventh clearing is 48006; the next month it works again; another's appid is 40013."""
    appid = wechat.account().appid
    codes = [(await client.post("clear_quota", {"appid": appid}))["errcode"] for _ in range(11)]
    assert codes == [0] * 10 + [48006]
    assert (await client.post("clear_quota", {"appid": "wxother"}))["errcode"] == 40013
    clock.advance(10 * 24 * 3600)
    client.token = wechat.issue_token()
    assert (await client.post("clear_quota", {"appid": appid}))["errcode"] == 0
