"""The ledger, the control port, and the state folder."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

from gateway.sandbox import running, running_wechat, running_weibo
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.wechat.app import WeChat
from gateway.sandbox.weibo.app import Weibo


async def ask(session, url, body=None, *, method=None):
    async with session.request(method or ("GET" if body is None else "POST"), url, json=body) as answer:
        return answer.status, await answer.json()


async def test_the_ledger_keeps_who_what_and_effect(client, wechat):
    """Each call is recorded with time, account and digest; a refusal has no effect; no credential is kept."""
    await client.get("draft/count")
    await client.post("draft/delete", {"media_id": "none"})
    media_id = await client.draft()
    read, refused = wechat.ledger.calls("draft/count")[0], wechat.ledger.calls("draft/delete")[0]
    assert (read.who, read.effect, read.code, read.at) == (wechat.account().appid, False, 0, "2026-11-23T02:00:00.000Z")
    assert (refused.effect, refused.code) == (False, 40007)
    added = wechat.ledger.effects("draft/add")[0]
    assert (added.fields["articles"][0]["title"], added.method, added.status) == ("标题", "POST", 200)
    assert [record.seq for record in wechat.ledger.calls()] == [1, 2, 3, 4]
    assert wechat.ledger.effects(who="wxother") == ()
    assert media_id
    assert client.token not in str(wechat.ledger.calls())


async def test_the_secret_is_not_in_the_ledger(client, wechat):
    """Neither token endpoint leaves the secret in the ledger."""
    account = wechat.account()
    query = {"grant_type": "client_credential", "appid": account.appid, "secret": account.secret}
    await client.session.get(f"{wechat.base_url}/cgi-bin/token", params=query)
    await client.session.post(f"{wechat.base_url}/cgi-bin/stable_token", json=query)
    assert len(wechat.ledger) == 2
    assert account.secret not in str(wechat.ledger.calls())


async def test_the_digest_is_over_decoded_fields(session, weibo):
    """The same post in form, multipart and other encodings has one digest; another text has another."""
    token = weibo.issue_token()
    url = f"{weibo.base_url}/2/statuses/share.json"
    multipart = aiohttp.FormData(default_to_multipart=True)
    for name, value in (("rip", "1.2.3.4"), ("status", "测 试 http://example.com/1"), ("access_token", token)):
        multipart.add_field(name, value)
    raw = f"status=%E6%B5%8B+%E8%AF%95%20http://example.com/1&rip=1.2.3.4&access_token={token}".encode()
    for data in (multipart, raw, {"status": "测 试 http://example.com/1", "rip": "1.2.3.4"}, {"status": "别的"}):
        await session.post(url, data=data, headers={"Authorization": f"OAuth2 {token}"})
    digests = [record.digest for record in weibo.ledger.calls()]
    assert len(set(digests[:3])) == 1
    assert digests[3] != digests[0]


async def test_control_port(session, client, wechat):
    """The control port lists calls and public things, creates accounts, arms faults, moves the clock, edits by hand."""
    base = wechat.control
    status, made = await ask(session, f"{base}/accounts", {"name": "新号", "allow_list": ["203.0.113.1"], "review_status": 2})
    assert status == 200
    account = wechat.account(made["appid"])
    assert (account.secret, account.allow_list, account.review_status) == (made["secret"], ["203.0.113.1"], 2)
    _, listed = await ask(session, f"{base}/accounts")
    assert listed["wechat"][1]["name"] == "新号"
    assert made["secret"] not in json.dumps(listed)

    await ask(session, f"{base}/faults", {"kind": "refuse", "endpoint": "draft/count", "code": -1, "times": 2})
    assert (await client.get("draft/count"))["errcode"] == -1
    assert (await ask(session, f"{base}/faults"))[1] == {"wechat": {"pending": 1, "fired": 1}}
    assert (await ask(session, f"{base}/faults", method="DELETE"))[1] == {"pending": 0}
    await ask(session, f"{base}/faults", {"kind": "fail_after", "endpoint": "draft/count", "code": 45009})
    assert (await client.get("draft/count"))["errcode"] == 45009

    media_id = await client.draft()
    await ask(session, f"{base}/faults", {"platform": "wechat", "kind": "edit_by_hand", "target": media_id, "changes": {"title": "后"}})
    titles = [(await client.post("draft/get", {"media_id": media_id}))["news_item"][0]["title"] for _ in range(2)]
    assert titles == ["标题", "后"]
    await ask(session, f"{base}/edit-by-hand", {"target": media_id, "changes": {"title": "又改"}})
    await client.post("freepublish/submit", {"media_id": media_id})
    assert (await ask(session, f"{base}/public/wechat"))[1] == {"items": []}
    await ask(session, f"{base}/clock", {"advance": 60})
    assert [item["title"] for item in (await ask(session, f"{base}/public/wechat"))[1]["items"]] == ["又改"]
    _, effects = await ask(session, f"{base}/ledger?endpoint=freepublish/submit&effect=1")
    assert [record["fields"] for record in effects["records"]] == [{"media_id": media_id}]

    await ask(session, f"{base}/expire-credentials", {"who": wechat.account().appid})
    assert (await client.get("draft/count"))["errcode"] == 42001
    await ask(session, f"{base}/clock", {"set": "2027-01-01T00:00:00+08:00"})
    assert (await ask(session, f"{base}/clock"))[1] == {"wechat": "2026-12-31T16:00:00+00:00"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("faults", {"kind": "explode", "endpoint": "x"}, 400), ("faults", [1], 400), ("accounts", {"colour": "red"}, 400),
        ("edit-by-hand", {"target": "none", "changes": {"title": "x"}}, 404), ("edit-by-hand", {}, 400),
        ("clock", {"advance": "soon"}, 400), ("faults", {"platform": "myspace"}, 404), ("expire-credentials", {"who": "x"}, 404),
    ],
)  # fmt: skip
async def test_control_port_says_what_is_wrong(session, wechat, path, body, status):
    """A wrong control request is answered in words and changes nothing."""
    answered, words = await ask(session, f"{wechat.control}/{path}", body)
    assert answered == status
    assert words["error"]
    assert wechat.faults.pending() == 0


async def test_both_platforms_share_a_control_port(session, clock):
    """With two platforms the name says which; Weibo accounts come with a token ready for use."""
    wechat, weibo = WeChat(clock=clock), Weibo(clock=clock)
    async with running([wechat, weibo]) as control:
        _, made = await ask(session, f"{control}/accounts", {"platform": "weibo", "screen_name": "新", "app": {"safe_domains": ["a.example"]}})
        url = f"{weibo.base_url}/2/statuses/share.json?access_token={made['access_token']}"
        async with session.post(url, data={"status": "x http://a.example/", "rip": "1.2.3.4"}) as answer:
            assert answer.status == 200
        _, public = await ask(session, f"{control}/public/weibo")
        assert public["items"][0]["account"] == made["uid"]
        _, ledger = await ask(session, f"{control}/ledger?platform=weibo")
        assert [record["platform"] for record in ledger["records"]] == ["weibo"]
        assert (await ask(session, f"{control}/accounts", {"name": "x"}))[0] == 404


async def test_state_survives_in_a_folder(tmp_path, session, draw):
    """With a folder, accounts, tokens, posts, quotas and pictures are there after a restart."""
    async with running_weibo(state=tmp_path / "weibo") as first:
        token = first.issue_token()
        form = aiohttp.FormData()
        for name, value in (("status", "x http://example.com/"), ("rip", "1.2.3.4"), ("access_token", token)):
            form.add_field(name, value)
        form.add_field("pic", draw(), filename="a.png")
        async with session.post(f"{first.base_url}/2/statuses/share.json", data=form) as answer:
            number = (await answer.json())["idstr"]
    async with running_weibo(state=tmp_path / "weibo") as second:
        assert second.state == first.state
        async with session.get(f"{second.base_url}/large/{number}.png") as fetched:
            assert await fetched.read() == draw()
        assert len(second.ledger) == 0


async def test_wechat_state_survives_in_a_folder(tmp_path, client_of, clock):
    """A draft in a running job is published after the restart."""
    async with running_wechat(clock=clock, state=tmp_path) as first:
        client = client_of(first)
        await client.post("menu/create", {"button": [{"type": "click", "name": "今日", "key": "V"}]})
        await client.post("freepublish/submit", {"media_id": await client.draft()})
    clock.advance(60)
    async with running_wechat(clock=clock, state=tmp_path) as second:
        assert second.state == first.state
        assert [item["title"] for item in second.published_json()] == ["标题"]


def test_the_clock_stands_runs_and_jumps():
    """The clock stands still unless it runs, and refuses naive times."""
    clock = SandboxClock(running=False)
    before = clock.now()
    assert clock.now() == before
    assert (clock.advance(5) - before).total_seconds() == 5
    assert SandboxClock(before).now() >= before
    with pytest.raises(ValueError, match="aware"):
        clock.set(before.replace(tzinfo=None))


async def test_standalone(session, tmp_path):
    """`python -m gateway.sandbox` prints where it listens, serves both platforms, and ends on a signal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.sandbox", "--state", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        where = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        query = {"grant_type": "client_credential", "appid": where["wechat"]["appid"], "secret": where["wechat"]["secret"]}
        async with session.get(f"{where['wechat']['base_url']}/cgi-bin/token", params=query) as answer:
            assert "access_token" in await answer.json()
        async with session.get(f"{where['weibo']['base_url']}/u/{where['weibo']['uid']}") as page:
            assert page.status == 200
        _, ledger = await ask(session, f"{where['control']}/ledger")
        assert [record["endpoint"] for record in ledger["records"]] == ["token"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert (tmp_path / "wechat" / "state.json").exists()
