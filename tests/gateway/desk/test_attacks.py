"""Attacks on the desk: nothing is done, nothing is shown, nothing runs."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from sqlalchemy import select

from gateway.desk.readmodel.submissions import DecisionRow, SubmissionRow, WaitingRow
from gateway.desk.routes import ROUTES
from gateway.desk.security import ACCESS
from gateway.desk.session import form_token, safe_next
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.notes import Note, Notes
from tests.gateway.desk.conftest import Browser, Place
from tests.gateway.desk.story import form, hand_in, picture, submission_of, write

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}'


async def test_every_route_is_listed_and_held_to_its_access(place: Place) -> None:
    """The router serves exactly the table; without a session nothing but open pages answers; without Origin or token nothing acts."""
    served = {(route.method, route.resource.canonical) for route in place.app.router.routes() if route.resource}
    assert served == set(place.app[ACCESS])
    nobody, lu = await place.browser(None), await place.browser("lu")
    for route in ROUTES:
        path = re.sub(r"{[^}]+}", "x", route.path)
        if route.access in {"page", "act"}:
            answer = await nobody.request(route.method, path, headers={"Origin": place.settings.desk_url})
            assert answer.status == 401 or answer.location.startswith("/welcome?next="), route.path
        if route.access == "act":
            for bad in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"X-Form-Token": "0" * 64}, {"X-Form-Token": "é"}):
                good = {"Origin": place.settings.desk_url, "X-Form-Token": form_token(lu.token)}
                assert (await lu.request("POST", path, headers={**good, **bad})).status in {400, 403}, (route.path, bad)
    assert place.house.state.submissions == {}
    assert (await lu.get("/drafts")).text.count("/drafts/dft_") == 0


async def test_headers_stand_on_every_answer(place: Place) -> None:
    """Frames, sniffing, caching and scripts from elsewhere are refused on pages, errors and files alike."""
    lu = await place.browser("lu")
    for path in ("/", "/nothing", "/static/desk.js", "/welcome", "/drafts/dft_x", "/api/v1/me"):
        answer = await lu.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert (await lu.get("/")).headers["Cache-Control"] == "no-store"
    for host in ("evil.example", f"{place.settings.host}.evil.example", "desk.localhost"):
        assert (await lu.get("/", Host=host)).status == 421


@pytest.mark.parametrize("target", ["//evil", "\\\\evil", "/\\evil", "https:evil", "https://evil", "javascript:alert(1)", "", "/a\nb", "x", "/" + "a" * 600])
def test_next_leads_nowhere_else(target: str) -> None:
    """Only paths of this host are followed after sign-in."""
    assert safe_next(target) == "/"


async def test_sign_in_is_bound_to_the_browser_that_began_it(place: Place) -> None:
    """A code without the cookie, with another state, or used twice signs nobody in; the token is fresh and the cookie HttpOnly."""
    nobody = await place.browser(None)
    begun = await nobody.get("/sign-in?next=" + quote("//evil", safe=""))
    assert begun.location.startswith(f"{place.settings.counter_url}/s/desk-signin?state=")
    state, challenge = re.findall(r"(?:state|challenge)=([^&]+)", begun.location)
    cookie = begun.headers["Set-Cookie"].split(";")[0]
    assert "HttpOnly" in begun.headers["Set-Cookie"]
    assert "SameSite=Lax" in begun.headers["Set-Cookie"]
    _, session = place.sessions.open(place.people("lu"), "counter", factor=f"factor/{place.people('lu')}/totp")
    code = place.sessions.hand_over(session, challenge)
    for query, sent in ((f"code={code}&state={state}", ""), (f"code={code}&state=other", cookie)):
        assert (await nobody.get(f"/signed-in?{query}", Cookie=sent)).location == "/sign-in"
    done = await nobody.get(f"/signed-in?code={code}&state={state}", Cookie=cookie + f"; {place.settings.cookie}=fixed-before")
    assert done.location == "/"
    made = next(value for value in done.headers.getall("Set-Cookie") if value.startswith(place.settings.cookie + "="))
    token = made.split(";")[0].split("=", 1)[1]
    assert token not in {"", "fixed-before"}
    assert "HttpOnly" in made
    assert (await nobody.get(f"/signed-in?code={code}&state={state}", Cookie=cookie)).location.startswith("/welcome")
    lu = Browser(place, nobody.session, token)
    assert (await lu.get("/")).status == 200
    assert (await lu.post("/sign-out")).status == 303
    assert (await lu.get("/")).location.startswith("/welcome")
    assert place.sessions.look(token, {"desk"}) is None


async def test_stored_words_never_become_markup(place: Place) -> None:
    """A title, a message, a note and a draft's source full of markup are text on every page."""
    lu = await place.browser("lu")
    draft = await write(lu, EVIL[:60], place.channel(), message=EVIL, html=f"<p>正文 {EVIL}</p>", source={"kind": "contributed", "name": EVIL, "url": ""})
    submission = submission_of(await hand_in(lu, draft))
    evil = Note(field="body", start=0, quote="<script>alert(2)</script>", note="<img src=x onerror=alert(3)>", replace_with="<script>alert(4)</script>")
    notes = place.house.runner.blobs.put(Notes(text="<img src=x onerror=alert(5)>", notes=(evil,)).to_bytes())
    await place.house.do(c.Return(submission=submission, revision=1, reason="other", notes=notes), "gu", Grade.COUNTER)
    await place.caught_up()
    content = place.house.state.submissions[submission].content
    pages = ["/", "/drafts", "/drafts?view=unit", f"/drafts/{draft}", f"/submissions/{submission}", "/log?q=" + quote(EVIL), f"/drafts/{draft}/revisions",
             f"/drafts/{draft}/frame", f"/drafts/{draft}/preview", f"/contents/{content}", "/publications?state=" + quote(EVIL), "/log?noun=" + quote(EVIL), "/welcome?next=" + quote("/" + EVIL)]
    for path in pages:
        text = (await lu.get(path)).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert "&gt;49" not in text, path
    panel = await lu.post(f"/drafts/{draft}/check")
    assert "<script>alert" not in panel.text


async def test_drafts_of_others_do_not_exist(place: Place) -> None:
    """Every way to another person's draft, picture or revision answers 404, and changes nothing."""
    lu, lin = await place.browser("lu"), await place.browser("lin")
    draft = await write(lu, "只给自己看", place.channel())
    digest = next(iter(await place.parts.drafts.pictures(draft)))
    for path in (f"/drafts/{draft}", f"/drafts/{draft}/frame", f"/drafts/{draft}/revisions", f"/pictures/{digest}"):
        answer = await lin.get(path)
        assert answer.status == 404
        assert "只给自己看" not in answer.text
    value = {**form("改了"), "version": 2, "html": "<p>x</p>"}
    assert (await lin.post(f"/drafts/{draft}/save", value=value)).status == 404
    for act in ("check", "submit", "discard", "revisions/1"):
        assert (await lin.post(f"/drafts/{draft}/{act}", {"command": "0" * 32, "version": "2"})).status == 404
    assert (await lin.post(f"/drafts/{draft}/pictures", raw=picture(), **{"Content-Type": "image/png"})).status == 404
    assert "只给自己看" in (await lu.get(f"/drafts/{draft}")).text


async def test_a_forged_read_model_moves_nothing(place: Place) -> None:
    """Whoever writes the desk's database makes it say that another wrote it, that two signed it, that it is released: the enforcer knows better."""
    lu, lin = await place.browser("lu"), await place.browser("lin")
    submission = submission_of(await hand_in(lu, await write(lu, "只报审了一次", place.channel())))
    await place.caught_up()
    known = place.house.state.submissions[submission]
    before = (known.state, known.author, known.seq, list(known.signatures), place.house.state.size)
    async with place.parts.sessions.begin() as session:
        row = await session.get(SubmissionRow, submission)
        assert row is not None
        row.author, row.unit, row.state, row.waiting, row.title = place.people("lin"), "unit_other", "released", [], "另一篇"
        for number, (person, verdict) in enumerate((("gu", "approve"), ("fang", "release"))):
            session.add(DecisionRow(seq=10_000 + number, submission=submission, revision=1, stage=verdict, verdict=verdict, person=place.people(person),
                                    office="unit_head", method="passkey", statement="sha256:" + "0" * 64, comment=None, at=row.made_at, standing=True))
        for wait in await session.scalars(select(WaitingRow).where(WaitingRow.submission == submission)):
            await session.delete(wait)
    for act, digit in (("recall", "0"), ("cancel", "1")):
        assert (await lin.post(f"/submissions/{submission}/{act}", {"command": digit * 32})).status == 403
    assert (known.state, known.author, known.seq, list(known.signatures), place.house.state.size) == before
    assert place.house.state.publications == {}
    assert place.house.state.waits[submission], "and those who are to sign still find it at the counter"


async def test_bodies_are_bounded_and_of_one_kind(place: Place) -> None:
    """Unknown fields, JSON as a form, deep nesting and giants are refused before anything is kept."""
    lu = await place.browser("lu")
    draft = await write(lu, "标题", place.channel())
    good = {**form("标题"), "version": 2, "html": "<p>x</p>"}
    for bad in ({**good, "owner": place.people("lin")}, {**good, "state": "done"}, {**good, "title": 7}, {**good, "version": True}, [], {**good, "targets": [{}] * 21}):
        assert (await lu.post(f"/drafts/{draft}/save", value=bad)).status == 400, bad
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert (await lu.post(f"/drafts/{draft}/save", raw=b"{}", **{"Content-Type": kind})).status == 415
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    assert (await lu.post(f"/drafts/{draft}/save", raw=deep, **{"Content-Type": "application/json"})).status == 400
    assert (await lu.post(f"/drafts/{draft}/save", raw=b"x" * (12 << 20), **{"Content-Type": "application/json"})).status == 413
    said = await lu.post(f"/drafts/{draft}/save", raw=b"x" * (12 << 20), **{"Content-Type": "application/json", "Accept": "application/json"})
    assert (said.status, json.loads(said.text)["title"]) == (413, "内容太大 · 请缩小后再试；没有任何改动。")
    assert (await lu.post(f"/drafts/{draft}/save", value={**good, "html": "<div>" * 20_000})).status == 422
    for data, kind, status in ((b"<svg onload=alert(1)>", "image/png", 422), (picture(), "image/svg+xml", 415), (picture(), "image/jpeg", 422), (b"", "image/png", 422)):
        assert (await lu.post(f"/drafts/{draft}/pictures", raw=data, **{"Content-Type": kind})).status == status
    assert (await place.parts.drafts.get(draft, place.people("lu"))).version == 2


def test_methods_are_the_named_ones() -> None:
    """Routes take the five methods that they name and nothing else."""
    assert {route.method for route in ROUTES} <= {"GET", "POST", "PUT", "DELETE", "OPTIONS"}
    assert all(isinstance(route.path, str) and route.path.startswith("/") for route in ROUTES)
