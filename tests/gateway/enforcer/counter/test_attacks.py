"""Attacks on the counter without scripts: forged forms, foreign proofs, replays, throttles, redirects, injected words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from argon2 import PasswordHasher

from gateway.enforcer.counter.parts import local_path
from gateway.enforcer.counter.routing import NEEDS, ROUTES, Face, Need
from gateway.enforcer.feed import read_bodies
from gateway.protocol import commands as c
from gateway.protocol.entries import EntryType, load
from tests.gateway.enforcer.counter.kit import PASSWORD, Front
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.house import article
from vault import totp

UNSAFE = [route for route in ROUTES if route.method == "POST"]


def path_of(route: Any) -> str:
    """Return a path of a route with its places filled."""
    return route.path.replace("{name}", "counter.css").replace("{", "x").replace("}", "x")


async def test_every_route_is_in_the_table(front: Front) -> None:
    """The routers hold exactly the rows of the table; the outside listener holds only rows below /s that are for it."""
    from gateway.enforcer.counter import _application

    for inside in (False, True):
        app = _application(front.counter, inside=inside)
        found = {(r.method, r.resource.canonical) for r in app.router.routes() if r.resource is not None and r.method != "HEAD"}
        wanted = {(r.method, r.path) for r in ROUTES if inside or r.face is Face.OUTSIDE}
        assert found == wanted
        if not inside:
            assert all(path.startswith("/s/") for _, path in found)
    assert len(NEEDS) == len(ROUTES)


async def test_the_outside_listener_offers_no_inner_page(front: Front) -> None:
    """Intake, changes, enrolment, devices and pairing do not exist on the outside listener, signed in or not."""
    person = front.signed_in("fang")
    for route in ROUTES:
        if route.face is Face.INSIDE:
            answer = await person.ask(route.method, path_of(route), headers={"Origin": person.origin, "X-Qianfa-Form": person.token})
            assert answer.status == 404, route


@pytest.mark.parametrize("origin", ["", "null", "http://desk.localhost:8441", "http://counter.localhost", "http://counter.localhost.evil.example",
                                    "https://counter.localhost:8442"])
async def test_a_post_from_another_origin_does_nothing(front: Front, origin: str) -> None:
    """Each POST of the table is refused without exactly the counter's Origin, even with the right token; the log does not grow."""
    submission = await submitted(front)
    person = front.signed_in("gu", inside=True)
    size = front.house.state.size
    for route in UNSAFE:
        answer = await person.post(path_of(route), {"submission": submission}, headers={"Origin": origin})
        assert answer.status == 403, route
    assert front.house.state.size == size


@pytest.mark.parametrize("token", ["", "0" * 64, "ü"])
async def test_a_post_without_the_form_token_does_nothing(front: Front, token: str) -> None:
    """A session's POST needs that session's own form token."""
    person, other = front.signed_in("gu", inside=True), front.signed_in("fang")
    for given in (token, other.token):
        for route in UNSAFE:
            assert (await person.post(path_of(route), {}, token=given)).status == 403, route


async def test_nothing_opens_without_a_session(front: Front) -> None:
    """Every route that needs a session leads to sign-in, or refuses a POST with 401."""
    stranger = front.browser(inside=True)
    for route in ROUTES:
        if route.need is Need.SESSION:
            answer = await stranger.ask(route.method, path_of(route), headers={"Origin": stranger.origin})
            assert answer.status == (303 if route.method == "GET" else 401), route


async def test_a_get_changes_nothing(front: Front) -> None:
    """No GET of any page adds an entry or a row of the ephemeral table."""
    submission = await submitted(front)
    person = front.signed_in("gu", inside=True)
    await person.get("/s/")
    tables = ("sessions", "devices", "codes", "proofs", "lists", "phrases", "tries", "seen")
    before = [[tuple(row) for row in front.sessions.db.all(f"SELECT * FROM {table}")] for table in tables]
    size = front.house.state.size
    for path in ("/s/", f"/s/item/{submission}", f"/s/item/{submission}?view=compare", "/s/list", "/s/receipts", "/s/stops", "/s/devices",
                 "/i/changes", "/s/signin?next=/s/list", "/s/desk-signin?state=abcdefgh12&challenge=" + "a" * 43):
        assert (await person.get(path)).status in {200, 303}
    assert [[tuple(row) for row in front.sessions.db.all(f"SELECT * FROM {table}")] for table in tables] == before
    assert front.house.state.size == size


@pytest.mark.parametrize("host", ["desk.localhost:8441", "counter.localhost", "127.0.0.1", "counter.localhost.evil.example", "evil.example"])
async def test_another_host_header_is_misdirected(front: Front, host: str) -> None:
    """A name that is not the counter's gets nothing (DNS rebinding)."""
    person = front.signed_in("gu")
    answer = await person.get("/s/", headers={"Host": host})
    assert answer.status == 421
    assert "Content-Security-Policy" in answer.headers


async def test_every_answer_carries_the_policy(front: Front) -> None:
    """Pages, problems, redirects and files: no inline script, no framing, no sniffing, no cache for pages."""
    person = front.signed_in("gu", inside=True)
    for path in ("/s/", "/s/nowhere", "/s/signin", "/i/changes", "/s/static/counter.js", "/s/item/sub_nothing"):
        answer = await person.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "static" in path or answer.headers["Cache-Control"] == "no-store"


async def test_pages_hold_no_inline_script_or_style(front: Front) -> None:
    """No page carries a script element with text, a style attribute, or an event attribute."""
    import re

    submission = await submitted(front)
    person = front.signed_in("gu", inside=True)
    for path in ("/s/", f"/s/item/{submission}", "/s/stops", "/s/devices", "/i/changes", "/s/receipts"):
        await person.get(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|<style", person.text), path


async def test_the_session_cookie_is_bound_to_this_host(front: Front) -> None:
    """The cookie is HttpOnly, Lax, of path /, without a domain; over https it is Secure and named __Host-."""
    person = front.signed_in("gu")
    await person.post("/s/lang", {"lang": "en", "next": "/s/"})
    answer = await _password(front, person, "顾长庚", PASSWORD)
    assert answer.status == 303
    for morsel in answer.cookies.values():
        assert morsel["httponly"]
        assert morsel["samesite"] == "Lax"
        assert morsel["path"] == "/"
        assert not morsel["domain"]
    settings = front.house.parts.settings
    front.counter.parts.settings = settings.model_copy(update={"counter_url": "https://counter.heting.example"})
    assert front.counter.session_cookie.startswith("__Host-")
    assert front.counter.device_cookie.startswith("__Host-")
    front.counter.parts.settings = settings


async def _password(front: Front, browser: Any, name: str, password: str) -> Any:
    return await browser.post("/s/signin", {"name": name, "password": password, "next": "/s/list"})


async def test_a_planted_session_does_not_survive_sign_in(front: Front) -> None:
    """Signing in ends the browser's older session and gives a fresh token (session fixation)."""
    person = front.signed_in("gu")
    planted = person.cookies["qf_counter"]
    answer = await _password(front, person, "顾长庚", PASSWORD)
    assert answer.status == 303
    assert answer.headers["Location"] == "/s/list"
    assert person.cookies["qf_counter"] != planted
    assert front.sessions.look(planted, {"counter"}) is None


async def test_a_session_is_worth_nothing_after_sign_out(front: Front) -> None:
    """After signing out the old cookie and its form token open nothing."""
    person = front.signed_in("gu")
    kept = dict(person.cookies)
    assert (await person.post("/s/signout")).status == 303
    person.cookies = kept
    assert (await person.get("/s/")).status == 303
    assert (await person.post("/s/seen", {})).status == 401


async def test_a_password_signs_in_on_a_known_device_only(front: Front) -> None:
    """The right password from an unknown browser gets the words of a wrong one."""
    stranger, known = front.browser(), front.signed_in("gu")
    known.cookies.pop("qf_counter")
    assert (await _password(front, stranger, "顾长庚", PASSWORD)).status == 403
    wrong = stranger.text
    assert (await _password(front, front_device_of(front, "fang"), "顾长庚", PASSWORD)).status == 403
    assert (await _password(front, known, "顾长庚", PASSWORD)).status == 303
    nobody = front.browser()
    await _password(front, nobody, "查无此人", PASSWORD)
    assert nobody.text == wrong


def front_device_of(front: Front, person: str) -> Any:
    """Return a browser that is known for someone else only."""
    browser = front.signed_in(person)
    browser.cookies.pop("qf_counter")
    return browser


async def test_unknown_and_known_names_cost_the_same(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 runs once at one cost for each try, whether or not the name is known, and the answer is no other."""
    runs: list[str] = []
    real = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: str) -> bool:
        runs.append(stored.rpartition("$")[0].rpartition("$")[0])
        return real(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    answers = set()
    for name in ("顾长庚", "查无此人", "顾长庚", "查无此人"):
        answer = await _password(front, front.browser(), name, "wrong password 123")
        answers.add(answer.status)
    assert len(runs) == 4
    assert len(set(runs)) == 1
    assert answers == {403}


@pytest.mark.parametrize("names", [["顾长庚"] * 12, ["顾长庚", " 顾长庚", "顾长庚 ", "顾长庚"] * 3])
async def test_sign_in_tries_are_counted_per_person(front: Front, names: list[str]) -> None:
    """Guesses wait after five, however the name is spelt, and the count outlives a restart of the face."""
    known = front_device_of(front, "gu")
    answers = [(await _password(front, known, name, f"guess number {i}")).status for i, name in enumerate(names)]
    assert answers[:5] == [403] * 5
    assert set(answers[5:]) == {429}
    assert (await _password(front, known, "顾长庚", PASSWORD)).status == 429


async def test_twenty_parallel_guesses_get_at_most_five_looks(front: Front) -> None:
    """Tries are counted before they are judged: parallel ones are not free."""
    known = front_device_of(front, "gu")
    browsers = []
    for _ in range(20):
        browser = front.browser()
        browser.cookies = dict(known.cookies)
        browsers.append(browser)
    answers = await asyncio.gather(*(_password(front, b, "顾长庚", f"guess {i} of twenty") for i, b in enumerate(browsers)))
    assert sum(answer.status == 403 for answer in answers) == 5


# ---- proofs


async def test_a_code_counts_once(front: Front) -> None:
    """The code that signed one item is refused for the next, with how long the new one takes."""
    first, second = await submitted(front), await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(first)
    code = front.code("gu")
    assert (await person.post("/s/prove", {"nonce": person.field("nonce"), "code": code})).status == 303
    await person.sheet(second)
    assert (await person.post("/s/prove", {"nonce": person.field("nonce"), "code": code})).status == 403
    assert "这个动态码已用过" in person.text
    assert front.house.state.submissions[second].signatures == []


@pytest.mark.parametrize("spell", [lambda code: code.translate({48 + i: 0xFF10 + i for i in range(10)}), lambda code: f" {code}", lambda code: f"{code} ",
                                   lambda code: code[:3] + " " + code[3:], lambda code: code.lstrip("0") + "0" * 7, lambda _code: ""])
async def test_other_spellings_of_a_right_code_are_refused(front: Front, spell: Any) -> None:
    """Full-width, padded and spaced codes are malformed at the server, whatever the page does."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(submission)
    assert (await person.post("/s/prove", {"nonce": person.field("nonce"), "code": spell(front.code("gu"))})).status == 403
    assert front.house.state.submissions[submission].signatures == []


async def test_a_late_code_is_refused(front: Front) -> None:
    """A code of five steps ago is wrong."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    old = totp.code_at(front.secrets[front.house.people["gu"]], totp.step_at(front.house.runner.clock.moment()) - 5)
    await person.sheet(submission)
    assert (await person.post("/s/prove", {"nonce": person.field("nonce"), "code": old})).status == 403
    assert front.house.state.submissions[submission].signatures == []


async def test_guessed_codes_are_locked_out(front: Front) -> None:
    """After five wrong codes the next waits, also in another session and on another sheet; the right one waits too."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(submission)
    nonce = person.field("nonce")
    answers = [(await person.post("/s/prove", {"nonce": nonce, "code": f"{i:06d}"})).status for i in range(8)]
    assert answers == [403] * 5 + [429] * 3
    other = front.signed_in("gu")
    assert (await other.sign("gu", submission)).status == 429
    assert front.house.state.submissions[submission].signatures == []


async def test_a_proof_is_worth_nothing_in_another_session(front: Front) -> None:
    """A nonce belongs to the session and person it was begun by; another person's, or the same person's other session, is refused."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(submission)
    nonce = person.field("nonce")
    for other in (front.signed_in("fang"), front.signed_in("gu")):
        assert (await other.post("/s/prove", {"nonce": nonce, "code": front.code("gu")})).status == 403
    assert front.house.state.submissions[submission].signatures == []


async def test_a_nonce_works_once(front: Front) -> None:
    """The same post twice signs once."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(submission)
    nonce = person.field("nonce")
    assert (await person.post("/s/prove", {"nonce": nonce, "code": front.code("gu")})).status == 303
    assert (await person.post("/s/prove", {"nonce": nonce, "code": front.code("gu")})).status == 403
    assert len(front.house.state.submissions[submission].signatures) == 1


async def test_the_next_step_cannot_be_called_by_itself(front: Front) -> None:
    """A made-up nonce, none, or one begun for a sign-in or a factor does nothing at the proving door."""
    person = front.signed_in("gu", inside=True)
    size = front.house.state.size
    for nonce in ("", "x" * 43, "../../", "' OR 1=1 --"):
        assert (await person.post("/s/prove", {"nonce": nonce, "code": "000000"})).status == 403
    stranger = front.browser()
    await stranger.post("/s/signin/options")
    challenge = json.loads(stranger.text)["challenge"]
    assert (await person.post("/s/prove", {"nonce": challenge, "code": front.code("gu")})).status == 403
    await person.post("/s/factor/totp")
    assert (await person.post("/s/prove", {"nonce": person.field("nonce"), "code": front.code("gu")})).status in {400, 403}
    assert front.house.state.size == size


async def test_what_changed_after_the_sheet_is_not_signed(front: Front) -> None:
    """An item that was returned between sheet and proof is refused as stale; the sheet of an older view is refused at once."""
    submission = await submitted(front)
    person, other = front.signed_in("gu"), front.signed_in("gu")
    await person.sheet(submission)
    seen = str(front.house.state.submissions[submission].seq)
    await other.post("/s/return", {"submission": submission, "revision": "1", "seen": seen, "reason": "wording"})
    assert (await person.prove("gu")).status == 409
    assert (await person.post("/s/sheet", {"submission": submission, "seen": seen})).status == 409
    assert front.house.state.submissions[submission].state.value == "returned"


async def test_items_to_confirm_must_be_ticked(front: Front) -> None:
    """Without the tick of a 需确认 finding the proof is refused before it is looked at, and with it the decision stands."""
    finding = {"code": "weekday", "grade": "confirm", "rule": "R15", "zh": "星期不符", "en": "weekday", "place": None, "fix": None, "channel": None}
    blob = front.house.runner.blobs.put(json.dumps({"findings": [finding], "v": 1}, ensure_ascii=False, separators=(",", ":")).encode())
    submission = await submitted(front, findings=c.FindingCounts(block=0, confirm=1, hint=0, blob=blob))
    person = front.signed_in("gu")
    await person.sheet(submission)
    nonce = person.field("nonce")
    assert (await person.post("/s/prove", {"nonce": nonce, "code": front.code("gu")})).status == 403
    assert (await person.post("/s/prove", {"nonce": nonce, "code": front.code("gu"), "tick0": "on"})).status == 303


async def test_who_may_not_sign_gets_no_sheet(front: Front) -> None:
    """The releaser before the approval, and the author at any time, get a refusal that names the step."""
    submission = await submitted(front)
    person = front.signed_in("fang")
    assert (await person.sheet(submission)).status == 403
    assert "单位负责人" in person.text


# ---- words and redirects


@pytest.mark.parametrize("next_", ["//evil.example/", "https://evil.example", "/\\evil.example", "/s//evil.example", "javascript:alert(1)", "/x", "",
                                   "/s/\r\nSet-Cookie: a=b", "/s/é"])
def test_sign_in_never_leads_elsewhere(next_: str) -> None:
    """Only a plain path of the counter's own is followed after signing in."""
    assert local_path(next_) == "/s/"


async def test_the_desk_sign_in_leads_to_the_desk_only(front: Front) -> None:
    """The hand-over goes to the configured desk whatever is posted, with a code that works once."""
    person = front.signed_in("gu")
    challenge = "a" * 43
    answer = await person.post("/s/desk-signin", {"state": "state-12345", "challenge": challenge, "redirect": "https://evil.example",
                                                  "next": "https://evil.example"})
    assert answer.status == 303
    assert answer.headers["Location"].startswith("http://desk.localhost:8441/signed-in?code=")
    assert (await person.post("/s/desk-signin", {"state": "bad state\n", "challenge": challenge})).status == 400
    assert (await person.post("/s/desk-signin", {"state": "state-12345", "challenge": "short"})).status == 400


async def test_markup_in_words_is_shown_as_words(front: Front) -> None:
    """Titles, remarks, notes and reasons that look like markup appear as text on every page that shows them."""
    evil = "<img src=x onerror=alert(1)>'\"&"
    house = front.house
    blob = house.runner.blobs.put(b'{"findings":[],"v":1}')
    submission = await house.submit(article(title=evil, cover=house.cover()), "news", findings=c.FindingCounts(block=0, confirm=0, hint=0, blob=blob),
                                    message=house.parts.values.commit(evil))
    person, brand = front.signed_in("gu"), front.signed_in("fang")
    await person.post("/s/freeze", {"scope": "all:", "reason": evil})
    await brand.post("/s/freeze", {"scope": "all:", "reason": evil})
    await person.sheet(submission, comment=evil)
    shown = [person.text]
    await person.post("/s/prove", {"nonce": person.field("nonce"), "code": front.code("gu")})
    for browser, path in ((person, "/s/"), (person, f"/s/item/{submission}"), (brand, f"/s/item/{submission}"), (brand, "/s/"), (brand, "/s/stops"),
                          (person, "/s/receipts")):
        await browser.get(path)
        shown.append(browser.text)
    assert any("&lt;img src=x" in text for text in shown)
    assert not any("<img src=x" in text for text in shown)


async def test_a_title_in_a_template_is_escaped(front: Front) -> None:
    """The rendition of a WeChat title shows markup as words."""
    house = front.house
    submission = await house.submit(article(title="<b>粗</b>体标题", cover=house.cover()), "news")
    person = front.signed_in("gu")
    await person.get(f"/s/template/{house.state.submissions[submission].targets[0].template}")
    assert "&lt;b&gt;粗" in person.text
    assert "<b>粗</b>体标题</h1>" not in person.text


async def test_only_pictures_are_served_as_pictures(front: Front) -> None:
    """A stored blob that is no picture, and a digest that is none, are not served."""
    person = front.signed_in("gu")
    page = front.house.runner.blobs.put(b"<script>alert(1)</script>")
    assert (await person.get(f"/s/media/{page}")).status == 404
    assert (await person.get("/s/media/sha256:zz")).status == 404
    assert (await person.get(f"/s/template/{page}")).status == 404
    good = await person.get(f"/s/media/{front.house.cover().sha256}")
    assert good.status == 200
    assert good.headers["Content-Type"] == "image/png"


async def test_a_template_altered_on_disk_is_not_shown(front: Front) -> None:
    """A stored template whose bytes changed is refused, not shown: nobody reads what was not stored."""
    submission = await submitted(front)
    digest = front.house.state.submissions[submission].targets[0].template
    path = front.house.runner.blobs._path(digest)
    path.write_bytes(path.read_bytes().replace("云岗村".encode(), "云岗镇".encode()))
    person = front.signed_in("gu")
    assert (await person.get(f"/s/template/{digest}")).status == 403
    assert (await person.get(f"/s/item/{submission}")).status == 403


# ---- acting without proof


async def test_return_with_notes_stands_in_the_log(front: Front) -> None:
    """A return keeps its reason and its notes with their places as a blob that the entry names."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    seen = str(front.house.state.submissions[submission].seq)
    answer = await person.post("/s/return", {"submission": submission, "revision": "1", "seen": seen, "reason": "data", "text": "请核对",
                                             "quote0": "4.2公里", "note0": "台账是4.3公里"})
    assert answer.status == 200
    returned = front.house.state.submissions[submission].returned
    notes = json.loads(front.house.runner.blobs.get(returned["notes"]))
    place = {"field": "body", "start": notes["notes"][0]["start"], "quote": "4.2公里"}
    assert notes == {"v": 1, "text": "请核对", "notes": [{**place, "note": "台账是4.3公里", "replace_with": None}]}


async def test_take_back_and_stop_need_no_proof(front: Front) -> None:
    """An approval is taken back, a release is stopped, each by one press; a stranger to it may do neither."""
    submission = await submitted(front)
    person, brand = front.signed_in("gu"), front.signed_in("fang")
    await person.sign("gu", submission)
    stage = front.house.state.submissions[submission].signatures[0].stage
    assert (await brand.post("/s/takeback", {"submission": submission, "stage": stage})).status == 409
    assert (await person.post("/s/takeback", {"submission": submission, "stage": stage})).status == 303
    assert front.house.state.submissions[submission].signatures == []
    await person.sign("gu", submission)
    assert (await brand.sign("fang", submission)).status == 303
    publication = front.house.state.submissions[submission].targets[0].publication
    assert (await person.post("/s/stop", {"publication": publication})).status == 303
    await person.get(f"/s/stops?stopped={publication}")
    assert "已停发：《" in person.text
    await person.get("/s/stops?stopped=pub_nothing")
    assert "已停发：《" not in person.text
    assert front.house.publication_state(publication).value == "stopped"


async def test_a_list_drops_what_changed_and_signs_the_rest(front: Front) -> None:
    """Two items on a list, one returned after the sheet: one decision, one named as dropped, one proof."""
    one, two = await submitted(front), await submitted(front)
    person, other = front.signed_in("gu"), front.signed_in("gu")
    for submission in (one, two):
        assert (await person.post("/s/list/add", {"submission": submission})).status == 409, "not yet read to its end"
        assert (await person.post("/s/seen", {"submission": submission, "revision": "1"})).status == 204
        assert (await person.post("/s/list/add", {"submission": submission})).status == 303
    await person.get("/s/list")
    seen = {f"seen_{s}": str(front.house.state.submissions[s].seq) for s in (one, two)}
    await person.post("/s/sheet", {"list": "1", **seen})
    nonce = person.field("nonce")
    await other.post("/s/return", {"submission": two, "revision": "1", "seen": seen[f"seen_{two}"], "reason": "other"})
    answer = await person.post("/s/prove", {"nonce": nonce, "code": front.code("gu")})
    assert answer.status == 303
    await person.get(answer.headers["Location"])
    assert "移出" in person.text
    assert len(front.house.state.submissions[one].signatures) == 1
    made = [load(b) for b in read_bodies(front.house.parts, 0, front.house.state.size) if b"signing.made" in b]
    assert made[-1].type == EntryType.SIGNING_MADE
    assert made[-1].data["dropped"] == [[two, "stale_view"]]
