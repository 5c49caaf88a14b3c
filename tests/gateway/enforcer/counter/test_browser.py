"""Real Chromium: three taps, enrolment with a passkey, and what the other host and a template cannot do."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from gateway.config import Listen
from gateway.connectors.base import ChannelFacts, Operation
from gateway.enforcer.codes import code_digest
from gateway.listening import serve_tcp
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from gateway.protocol.notes import Notes
from tests.gateway.enforcer.counter.chromium import authenticator, chromium
from tests.gateway.enforcer.counter.kit import Front
from tests.gateway.enforcer.counter.test_deciding import finding, with_findings
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.house import article

pytestmark = pytest.mark.browser
PASSWORD = "un long mot de passe 7788"


async def enrolled(front: Front, context: Any, person: str) -> Any:
    """Enrol a person with a fresh code and a passkey, through the pages; return the page."""
    who, house = front.house.people[person], front.house
    await house.change(
        Change(type=EntryType.FACTOR_REVOKED, object=who, data={"factor": "all"}),
        Change(type=EntryType.ENROLMENT_OPENED, object=who, data={
            "code": code_digest("AAAA-BBBB-CCCC-DDDD"), "until": instants.plus(house.runner.now(), 3600)}),
    )
    page = await context.new_page()
    page.qianfa_authenticator = await authenticator(context, page)
    base = f"http://counter.localhost:{front.inside}"
    await page.goto(base + "/s/enrol")
    await page.fill("[name=code]", "aaaa bbbb cccc dddd")
    await page.fill("[name=password]", PASSWORD)
    await page.fill("[name=again]", PASSWORD)
    await page.click("main button.primary")
    await page.wait_for_url("**/s/devices")
    await page.fill("[name=phrase]", "老槐树下的井")
    await page.click("form[action='/s/phrase'] button")
    await page.fill("[name=label]", "手机")
    await page.click("[data-create]")
    await page.wait_for_selector("text=通行密钥 · 手机")
    return page


async def test_three_taps_from_the_notice_to_the_signature(front: Front) -> None:
    """On a known device with a passkey: the link, 同意, the passkey — three taps, and the decision stands in the log."""
    submission = await submitted(front)
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 375, "height": 812}, locale="zh-CN")
        page = await enrolled(front, context, "gu")
        await page.set_content(f'<a id="notice" href="http://counter.localhost:{front.inside}/s/item/{submission}">去看</a>')
        taps = 0
        await page.click("#notice")
        taps += 1
        await page.wait_for_selector("iframe.rendition")
        await page.click("[data-key=a]")
        taps += 1
        await page.wait_for_selector("dialog[open] [data-passkey]")
        assert "老槐树下的井" in await page.inner_text("#sheet")
        await page.click("dialog[open] [data-passkey]")
        taps += 1
        await page.wait_for_url("**/s/done/*")
        assert "已同意" in await page.inner_text("h1")
        assert taps == 3
    signed = front.house.state.submissions[submission].signatures
    assert [(s.person, s.method) for s in signed] == [(front.house.people["gu"], "passkey")]


async def test_a_passkey_signs_in_where_no_session_is_left(front: Front) -> None:
    """After signing out, the passkey alone signs in again, and the page goes on to where it was asked for."""
    async with chromium() as browser:
        context = await browser.new_context(locale="zh-CN")
        page = await enrolled(front, context, "gu")
        await page.click("form[action='/s/signout'] button")
        await page.wait_for_selector("[data-signin]")
        await page.goto(f"http://counter.localhost:{front.inside}/s/receipts")
        await page.click("[data-signin]")
        await page.wait_for_selector("h1:has-text('签发回执')")
        assert page.url.endswith(f":{front.inside}/s/receipts")


async def test_a_cancelled_passkey_signs_nothing_and_says_so(front: Front) -> None:
    """An authenticator without user verification refuses: the sheet stays, says so, and nothing is in the log."""
    submission = await submitted(front)
    async with chromium() as browser:
        context = await browser.new_context(locale="zh-CN")
        page = await enrolled(front, context, "gu")
        session, authenticator_id = page.qianfa_authenticator
        await page.goto(f"http://counter.localhost:{front.inside}/s/item/{submission}")
        await page.click("[data-key=a]")
        await session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator_id, "isUserVerified": False})
        await page.wait_for_selector("dialog[open] [data-passkey]")
        await page.click("dialog[open] [data-passkey]")
        await page.wait_for_selector("dialog[open] .proof-error:not([hidden])")
    assert front.house.state.submissions[submission].signatures == []


async def test_script_in_a_template_never_runs(front: Front) -> None:
    """A stored template that holds script shows its text and runs nothing, framed or opened by itself, and asks no other host."""
    house = front.house
    evil = ("<script>document.title='owned';parent.document.title='owned'</script><img src=x onerror=\"parent.document.title='owned'\">"
            "<a href=\"javascript:parent.document.title='owned'\">x</a><form action=/s/signout method=post><button>y</button></form>"
            "<img src=http://evil.localhost:{port}/beacon>")
    content = article(cover=house.cover())
    template = house.parts.connectors["wechat"].render(
        content, _facts(house), Operation.PUBLISH, None)
    hits: list[str] = []
    async with AsyncExitStack() as stack, chromium() as browser:
        port = await serve_tcp(stack, _beacon(hits), Listen(port=0))
        fields = {**template.fields, "content": (evil.replace("{port}", str(port)),)}
        digest = house.runner.blobs.put(replace(template, fields=fields).to_bytes())
        context = await browser.new_context()
        gu = front.signed_in("gu")
        await context.add_cookies([{"name": k, "value": v, "url": gu.origin} for k, v in gu.cookies.items()])
        page = await context.new_page()
        await page.goto(f"{gu.origin}/s/template/{digest}")
        await page.wait_for_timeout(300)
        assert await page.title() == "rendition"
        await page.goto(f"{gu.origin}/s/")
        await page.evaluate(
            "src => { const f = document.createElement('iframe'); f.sandbox = 'allow-same-origin'; f.src = src; document.body.append(f); }",
            f"/s/template/{digest}")
        await page.wait_for_timeout(400)
        frame = page.frames[-1]
        await frame.locator("a").first.click(force=True)
        await page.wait_for_timeout(200)
        assert "owned" not in await page.title()
        assert hits == []
    assert gu.front.sessions.look(gu.cookies["qf_counter"], {"counter"}) is not None


def _beacon(hits: list[str]) -> web.Application:
    async def hit(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/beacon", hit)
    return app


def _facts(house: Any) -> Any:
    known = house.state.channels[house.channels["news"]]
    return ChannelFacts(channel=known.id, platform=known.platform, account=known.account, settings=known.settings)


async def test_the_desk_can_neither_frame_nor_read_nor_post_to_the_counter(front: Front) -> None:
    """From another host of the same machine: no frame, no open-and-read, no form post, no fetch changes or shows anything."""
    submission = await submitted(front)
    counter = f"http://counter.localhost:{front.outside}"
    seen = front.house.state.submissions[submission].seq
    attack = f"""<!doctype html><iframe id=f src="{counter}/s/"></iframe><form id=p method=post target=t action="{counter}/s/return">
      <input name=submission value="{submission}"><input name=revision value=1><input name=seen value={seen}><input name=reason value=other></form>
      <iframe name=t></iframe>"""
    app = web.Application()

    async def evil(_request: web.Request) -> web.Response:
        return web.Response(text=attack, content_type="text/html")

    app.router.add_get("/", evil)
    async with AsyncExitStack() as stack, chromium() as browser:
        port = await serve_tcp(stack, app, Listen(port=0))
        context = await browser.new_context()
        gu = front.signed_in("gu")
        await context.add_cookies([{"name": k, "value": v, "url": gu.origin, "sameSite": "Lax"} for k, v in gu.cookies.items()])
        page = await context.new_page()
        await page.goto(f"http://desk.localhost:{port}/")
        await page.wait_for_timeout(300)
        framed = [frame for frame in page.frames if frame.url.startswith(counter)]
        assert not framed
        await page.evaluate("document.getElementById('p').submit()")
        await page.wait_for_timeout(300)
        read = await page.evaluate("u => fetch(u, {credentials: 'include'}).then(r => r.text(), e => 'blocked')", f"{counter}/s/")
        assert read == "blocked"
        opened = await page.evaluate(
            "async u => { const w = window.open(u); await new Promise(r => setTimeout(r, 800)); "
            "try { return String(w.document.title) } catch (e) { return w.closed ? 'severed' : 'denied' } }", f"{counter}/s/")
        assert opened in {"severed", "denied"}
    assert front.house.state.submissions[submission].state.value == "in_review"


async def test_stepping_ticking_and_suggesting_on_the_review_page(front: Front) -> None:
    """标注 by keys and taps, a tick that another view does not lose, a finding's and a selection's words in the return sheet; no script fault."""
    submission = await with_findings(front, finding(), finding("hint", "4.2公里", zh="数字请核对", fix=None))
    faults: list[str] = []
    async with chromium() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        gu = front.signed_in("gu")
        await context.add_cookies([{"name": k, "value": v, "url": gu.origin} for k, v in gu.cookies.items()])
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        await page.goto(f"{gu.origin}/s/item/{submission}?view=marked")
        inner = page.frame_locator("iframe[name=marked]")
        await inner.locator("mark#m2").wait_for()
        await page.keyboard.press("j")
        await inner.locator("mark#m1.on").wait_for()
        assert "1 / 2 · 数字请核对" in await page.inner_text(".step-words")
        await inner.locator("mark#m2").click()
        await page.wait_for_selector("[data-card=m2].on")
        await page.keyboard.press("k")  # the frame has the focus now; its keys count as well
        await page.wait_for_selector("[data-card=m1].on")
        async with page.expect_response("**/s/tick") as ticked:
            await page.check(".checklist .must input")
        assert (await ticked.value).status == 204
        await page.click("[data-card=m2] [data-suggest]")
        assert await page.input_value("[name=quote0]") == "（星期四）"
        assert await page.input_value("[name=fix0]") == "（星期五）"
        await page.click("#return [data-close]")
        await page.keyboard.press("1")
        await page.wait_for_selector("iframe[src*='/s/template/']")
        assert await page.is_checked(".checklist .must input")
        assert await page.input_value("[name=fix0]") == "（星期五）", "what was typed outlives a look at another view"
        frame = next(f for f in page.frames if "/s/template/" in f.url)
        await frame.locator("h1").select_text()
        await page.keyboard.press("c")
        assert await page.input_value("[name=quote1]") == article().title
        await page.check("[name=reason][value=data]")
        await page.fill("[name=note1]", "标题再短些")
        await page.click("#return button.primary")
        await page.wait_for_selector("h1:has-text('已退回')")
    assert faults == []
    returned = front.house.state.submissions[submission].returned
    assert returned is not None
    notes = Notes.parse(front.house.runner.blobs.get(returned["notes"])).notes
    assert [(n.field, n.replace_with) for n in notes] == [("body", "（星期五）"), ("title", None)]
