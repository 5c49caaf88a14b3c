"""Faults: what breaks before the effect, what breaks after it, and that each is counted."""

from __future__ import annotations

import time

import aiohttp
import pytest

from gateway.sandbox import Fault, UnknownFault

BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


async def submit(client, media_id):
    return await client.post("freepublish/submit", {"media_id": media_id})


@pytest.mark.parametrize("how", ["drop", "reset"])
async def test_a_connection_lost_before_the_effect(client, wechat, how):
    """The client sees a broken connection, nothing happened, and the next try works."""
    media_id = await client.draft()
    wechat.faults.fail_before("freepublish/submit", how)
    with pytest.raises(BROKEN):
        await submit(client, media_id)
    assert wechat.ledger.effects("freepublish/submit") == ()
    assert wechat.ledger.last().fault == f"fail_before:{how}"
    assert (await submit(client, media_id))["errcode"] == 0
    assert (wechat.faults.fired("freepublish/submit"), wechat.faults.pending()) == (1, 0)


@pytest.mark.parametrize("how", ["500", "502", "503"])
@pytest.mark.parametrize("kind", ["fail_before", "fail_after"])
async def test_error_pages_before_and_after(client, wechat, kind, how):
    """A 5xx looks the same before and after the effect; only the ledger and the platform know."""
    media_id = await client.draft()
    wechat.faults.arm(Fault(kind=kind, endpoint="freepublish/submit", how=how))
    url = f"{wechat.base_url}/cgi-bin/freepublish/submit?access_token={client.token}"
    async with client.session.post(url, json={"media_id": media_id}) as answer:
        assert answer.status == int(how)
        assert answer.content_type == "text/html"
    assert len(wechat.ledger.effects("freepublish/submit")) == (kind == "fail_after")


@pytest.mark.parametrize("how", ["drop", "reset", "malformed", "truncated"])
async def test_a_reply_lost_after_the_effect(client, clock, wechat, how):
    """The reply is unusable, the article is public all the same, and a second submit is 40007."""
    media_id = await client.draft()
    wechat.faults.fail_after("freepublish/submit", how)
    with pytest.raises((*BROKEN, ValueError)):
        await submit(client, media_id)
    assert len(wechat.ledger.effects("freepublish/submit")) == 1
    clock.advance(60)
    assert len(wechat.published_json()) == 1
    assert (await submit(client, media_id))["errcode"] == 40007


async def test_an_error_code_after_the_effect(client, wechat):
    """An answer of `system busy` hides a success; the ledger keeps the platform's own outcome."""
    media_id = await client.draft()
    wechat.faults.fail_after("freepublish/submit", code=-1)
    assert (await submit(client, media_id))["errcode"] == -1
    record = wechat.ledger.effects("freepublish/submit")[0]
    assert (record.code, record.fault) == (0, "fail_after:code")


async def test_throttle_refuse_and_expiry_have_no_effect(client, wechat):
    """45009, any chosen code, and 42001 from an expired token; then it works with a new token."""
    media_id = await client.draft()
    wechat.faults.throttle("freepublish/submit")
    wechat.faults.refuse("freepublish/submit", 53503)
    wechat.faults.expire_credential("freepublish/submit")
    assert [(await submit(client, media_id))["errcode"] for _ in range(4)] == [45009, 53503, 42001, 42001]
    assert wechat.ledger.effects("freepublish/submit") == ()
    client.token = wechat.issue_token()
    assert (await submit(client, media_id))["errcode"] == 0


async def test_delay_and_slow_body(client, wechat):
    """A delay comes before the effect, a slow body after it; both answers are right in the end."""
    wechat.faults.delay("draft/count", 0.2)
    start = time.monotonic()
    assert await client.get("draft/count") == {"total_count": 0}
    assert time.monotonic() - start >= 0.2
    media_id = await client.draft()
    wechat.faults.slow_body("freepublish/submit", 5.0)
    url = f"{wechat.base_url}/cgi-bin/freepublish/submit?access_token={client.token}"
    with pytest.raises(TimeoutError):
        async with client.session.post(url, json={"media_id": media_id}, timeout=aiohttp.ClientTimeout(total=0.6)) as answer:
            await answer.read()
    assert len(wechat.ledger.effects("freepublish/submit")) == 1
    wechat.faults.slow_body("draft/count", 0.2)
    assert await client.get("draft/count") == {"total_count": 1}


async def test_answer_twice(client, wechat, exchange, clock):
    """Two complete answers arrive on the connection for one request with one effect."""
    import asyncio

    media_id = await client.draft()
    wechat.faults.answer_twice("draft/delete")
    body = b'{"media_id":"%s"}' % media_id.encode()
    request = (
        f"POST /cgi-bin/draft/delete?access_token={client.token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    received = await asyncio.to_thread(exchange, wechat.base_url, request)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.count(b'{"errcode":0,"errmsg":"ok"}') == 2
    assert len(wechat.ledger.effects("draft/delete")) == 1


async def test_times_skip_and_match(client, wechat):
    """A fault lets `skip` requests pass, strikes `times` times, and can wait for one object only."""
    first, second = await client.draft(), await client.draft()
    wechat.faults.refuse("draft/get", -1, times=2, skip=1)
    codes = [(await client.post("draft/get", {"media_id": first})).get("errcode") for _ in range(4)]
    assert codes == [None, -1, -1, None]
    wechat.faults.fail_after("draft/get", code=-1, match={"media_id": second})
    assert "news_item" in await client.post("draft/get", {"media_id": first})
    assert (await client.post("draft/get", {"media_id": second}))["errcode"] == -1
    wechat.faults.throttle("draft/count")
    wechat.faults.clear()
    assert await client.get("draft/count") == {"total_count": 2}


async def test_edit_between_read_back_and_commit(client, clock, wechat):
    """After the second draft/get was answered someone alters the draft: what is published is not what was read."""
    media_id = await client.draft(title="批准的")
    wechat.faults.edit_by_hand(media_id, {"title": "掉包的"}, nth=2)
    titles = [(await client.post("draft/get", {"media_id": media_id}))["news_item"][0]["title"] for _ in range(2)]
    assert titles == ["批准的", "批准的"]
    job = await submit(client, media_id)
    clock.advance(60)
    done = await client.post("freepublish/get", {"publish_id": job["publish_id"]})
    shown = await client.post("freepublish/getarticle", {"article_id": done["article_id"]})
    assert shown["news_item"][0]["title"] == "掉包的"


async def test_edits_do_not_use_up_other_faults(client, wechat):
    """An edit by hand fires in addition to a queued fault."""
    media_id = await client.draft()
    wechat.faults.edit_by_hand(media_id, {"title": "改"})
    wechat.faults.fail_after("draft/get", code=-1)
    assert (await client.post("draft/get", {"media_id": media_id}))["errcode"] == -1
    assert (await client.post("draft/get", {"media_id": media_id}))["news_item"][0]["title"] == "改"


@pytest.mark.parametrize(("kind", "how"), [("explode", "drop"), ("fail_after", "smoke"), ("fail_before", "malformed"), ("fail_before", "code")])
def test_unknown_faults_are_refused(kind, how):
    """A misspelt fault is an error and not a silent success."""
    with pytest.raises(UnknownFault):
        Fault(kind=kind, endpoint="draft/get", how=how)


async def test_public_pages_are_no_endpoints(client, wechat, session):
    """Readers' requests are not in the ledger and meet no fault."""
    wechat.faults.drop("")
    async with session.get(f"{wechat.base_url}/") as page:
        assert page.status == 200
    assert len(wechat.ledger) == 0
