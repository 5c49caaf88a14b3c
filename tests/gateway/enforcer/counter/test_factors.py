"""Enrolment, passkeys, codes, recovery: through the pages, with an authenticator in software for what a browser would not send."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.enforcer.codes import code_digest
from gateway.enforcer.counter.parts import host_name
from gateway.enforcer.proofs import user_handle
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.counter.kit import Browser, Front
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.vault.conftest import Authenticator
from vault import totp
from vault.passkeys import RelyingParty

CODE = "ABCD-EFGH-JKMN-PQRS"
SECRET = "a password of some length"


async def open_enrolment(front: Front, person: str) -> str:
    """Open an enrolment by two people after dropping all factors; return the person's id."""
    who, house = front.house.people[person], front.house
    await house.change(
        Change(type=EntryType.FACTOR_REVOKED, object=who, data={"factor": "all"}),
        Change(type=EntryType.ENROLMENT_OPENED, object=who, data={"code": code_digest(CODE), "until": instants.plus(house.runner.now(), 3600)}),
    )
    return who


async def enrolled(front: Front, person: str) -> Browser:
    """Enrol through the page; return the browser."""
    await open_enrolment(front, person)
    browser = front.browser(inside=True)
    answer = await browser.post("/s/enrol", {"code": CODE.lower().replace("-", " "), "password": SECRET, "again": SECRET})
    assert answer.status == 303, browser.text[:2000]
    return browser


def party(browser: Browser) -> RelyingParty:
    """Return the relying party as the browser sees it."""
    return RelyingParty(rp_id=host_name(browser.origin), name="x", origin=browser.origin)


async def with_passkey(front: Front, browser: Browser) -> Authenticator:
    """Register a passkey through the page."""
    device = Authenticator(party(browser))
    answer = await register(browser, device)
    assert answer.status == 303, browser.text[:2000]
    return device


async def register(browser: Browser, device: Authenticator, **changes: Any) -> Any:
    """Register one authenticator."""
    await browser.ask("POST", "/s/factor/passkey/options", headers={"Origin": browser.origin, "X-Qianfa-Form": browser.token})
    begun = json.loads(browser.text)
    made = device.register(unb64(begun["options"]["challenge"]), **changes)
    return await browser.post("/s/factor/passkey", {"nonce": begun["nonce"], "assertion": json.dumps(made), "label": "钥匙"})


def unb64(text: str) -> bytes:
    """Decode base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def challenge_of(browser: Browser) -> bytes:
    """Return the challenge of the sheet that is open."""
    found = re.search(r"data-options='([^']*)'", browser.text)
    assert found is not None, browser.text[:2000]
    return unb64(json.loads(unescape(found.group(1)))["challenge"])


async def test_a_code_enrols_once_and_makes_the_device_known(front: Front) -> None:
    """The code works once; afterwards the password signs in from this browser and from no other."""
    browser = await enrolled(front, "lu")
    again = front.browser(inside=True)
    assert (await again.post("/s/enrol", {"code": CODE, "password": SECRET, "again": SECRET})).status == 403
    await browser.post("/s/signout")
    browser.cookies.pop("qf_counter", None)
    assert (await browser.post("/s/signin", {"name": "陆晓棠", "password": SECRET})).status == 303
    assert (await again.post("/s/signin", {"name": "陆晓棠", "password": SECRET})).status == 403


@pytest.mark.parametrize(("password", "again"), [("short", "short"), (SECRET, SECRET + "x"), ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa")])
async def test_weak_or_mistyped_passwords_enrol_nobody(front: Front, password: str, again: str) -> None:
    """A password outside the policy, or typed two ways, leaves the code unused."""
    who = await open_enrolment(front, "lu")
    browser = front.browser(inside=True)
    assert (await browser.post("/s/enrol", {"code": CODE, "password": password, "again": again})).status == 400
    assert front.house.state.people[who].enrolment is not None
    assert front.house.state.people[who].factors == {}


async def test_enrolment_guesses_wait(front: Front) -> None:
    """Twenty wrong codes from anywhere make the next wait."""
    browser = front.browser(inside=True)
    answers = [(await browser.post("/s/enrol", {"code": f"{n}", "password": SECRET, "again": SECRET})).status for n in range(25)]
    assert answers.count(403) == 20
    assert set(answers[21:]) == {429}


async def test_codes_are_kept_only_after_a_first_right_one(front: Front) -> None:
    """A wrong first code binds nothing; a right one binds the secret, which signs."""
    browser = await enrolled(front, "gu")
    who = front.house.people["gu"]
    await browser.post("/s/factor/totp")
    nonce = browser.field("nonce")
    secret = base64.b32decode(re.search(r'<p class="print">([A-Z2-7]+)</p>', browser.text).group(1))
    link = unescape(re.search(r'href="(otpauth://[^"]+)"', browser.text).group(1))
    assert parse_qs(urlsplit(link).query)["secret"] == [base64.b32encode(secret).decode().rstrip("=")]  # on the phone itself nothing can be scanned
    now = totp.step_at(front.house.runner.clock.moment())
    wrong = f"{(int(totp.code_at(secret, now)) + 1) % 1_000_000:06d}"
    if wrong not in {totp.code_at(secret, now + d) for d in (-1, 0, 1)}:
        assert (await browser.post("/s/factor/totp/confirm", {"nonce": nonce, "code": wrong})).status == 403
    assert front.house.state.people[who].factor_of("totp") is None
    assert (await browser.post("/s/factor/totp/confirm", {"nonce": nonce, "code": totp.code_at(secret, now)})).status == 303
    front.secrets[who] = secret
    submission = await submitted(front)
    assert (await browser.sign("gu", submission)).status == 303


async def test_a_second_factor_needs_a_proof_with_the_first(front: Front) -> None:
    """With a passkey in place, recovery codes and a second passkey count only after a proof over exactly them."""
    browser = await enrolled(front, "gu")
    who, device = front.house.people["gu"], await with_passkey(front, browser)
    await browser.post("/s/factor/recovery")
    assert len(re.findall(r"<li class=\"print\">", browser.text)) == 10
    assert front.house.state.people[who].factor_of("recovery") is None
    made = device.get(challenge_of(browser), user_handle=user_handle(who))
    assert (await browser.post("/s/prove", {"nonce": browser.field("nonce"), "assertion": json.dumps(made)})).status == 303
    assert front.house.state.people[who].factor_of("recovery") is not None
    second = Authenticator(party(browser))
    assert (await register(browser, second)).status == 200
    assert len([f for f in front.house.state.people[who].factors.values() if f.kind == "passkey"]) == 1


async def test_a_passkey_of_another_cannot_be_taken_over(front: Front) -> None:
    """A credential id that is someone's already is refused for anyone else."""
    gu = await enrolled(front, "gu")
    device = await with_passkey(front, gu)
    lu = await enrolled(front, "lu")
    assert (await register(lu, device)).status == 403


@pytest.mark.parametrize("attack", ["replay", "other_list", "other_nonce", "not_verified", "foreign_origin", "other_person", "garbage", "framed"])
async def test_wrong_assertions_sign_nothing(front: Front, attack: str) -> None:
    """A replayed assertion, one for another list or nonce, unverified, from another origin or person, or no assertion at all."""
    submission, other = await submitted(front), await submitted(front)
    browser = await enrolled(front, "gu")
    who, device = front.house.people["gu"], await with_passkey(front, browser)
    await browser.sheet(other)
    elsewhere, other_nonce = challenge_of(browser), browser.field("nonce")
    if attack == "replay":
        used = device.get(elsewhere, user_handle=user_handle(who))
        assert (await browser.post("/s/prove", {"nonce": other_nonce, "assertion": json.dumps(used)})).status == 303
    await browser.sheet(submission)
    nonce, challenge = browser.field("nonce"), challenge_of(browser)
    assertion: Any = {
        "replay": lambda: used, "other_list": lambda: device.get(elsewhere), "other_nonce": lambda: device.get(challenge),
        "not_verified": lambda: device.get(challenge, flags=0x01), "foreign_origin": lambda: device.get(challenge, client={"origin": "http://desk.localhost:8441"}),
        "other_person": lambda: Authenticator(party(browser)).get(challenge), "garbage": lambda: {"id": 1, "rawId": None, "response": []},
        "framed": lambda: device.get(challenge, client={"crossOrigin": True}),
    }[attack]()
    nonce = other_nonce if attack == "other_nonce" else nonce
    assert (await browser.post("/s/prove", {"nonce": nonce, "assertion": json.dumps(assertion)})).status == 403
    assert (await browser.post("/s/prove", {"nonce": nonce, "assertion": json.dumps(assertion)})).status == 403
    assert front.house.state.submissions[submission].signatures == []


async def test_a_passkey_sign_in_challenge_works_once(front: Front) -> None:
    """A sign-in assertion signs in once; replayed, or for a made-up challenge, it does not."""
    browser = await enrolled(front, "gu")
    device = await with_passkey(front, browser)
    stranger = front.browser(inside=True)
    await stranger.post("/s/signin/options")
    begun = json.loads(stranger.text)
    form = {"challenge": begun["challenge"], "assertion": json.dumps(device.get(unb64(begun["options"]["challenge"]))), "next": "//evil.example"}
    answer = await stranger.post("/s/signin/passkey", form)
    assert answer.status == 303
    assert answer.headers["Location"] == "/s/"
    replay = front.browser(inside=True)
    assert (await replay.post("/s/signin/passkey", form)).status == 403
    made_up = {**form, "challenge": "00" * 32, "assertion": json.dumps(device.get(bytes(32)))}
    assert (await replay.post("/s/signin/passkey", made_up)).status == 403


async def test_a_recovery_code_ends_signing_factors_and_sessions_that_stood_on_them(front: Front) -> None:
    """Name, password and a recovery code: passkeys fall, a session opened by passkey is over, the code does not work again."""
    browser = await enrolled(front, "gu")
    who = front.house.people["gu"]
    await browser.post("/s/factor/recovery")
    code = re.search(r'<li class="print">([^<]+)</li>', browser.text).group(1)
    device = await with_passkey(front, browser)
    by_key = front.browser(inside=True)
    await by_key.post("/s/signin/options")
    begun = json.loads(by_key.text)
    await by_key.post("/s/signin/passkey", {"challenge": begun["challenge"], "assertion": json.dumps(device.get(unb64(begun["options"]["challenge"])))})
    assert (await by_key.get("/s/")).status == 200
    stranger = front.browser(inside=True)
    assert (await stranger.post("/s/recover", {"name": "顾长庚", "password": "wrong password 1", "code": code})).status == 403
    assert (await stranger.post("/s/recover", {"name": "顾长庚", "password": SECRET, "code": "WRONG"})).status == 403
    assert (await stranger.post("/s/recover", {"name": "顾长庚", "password": SECRET, "code": code})).status == 303
    assert not [f for f in front.house.state.people[who].factors.values() if f.kind in {"passkey", "totp"}]
    assert (await by_key.get("/s/")).status == 303
    again = front.browser(inside=True)
    assert (await again.post("/s/recover", {"name": "顾长庚", "password": SECRET, "code": code})).status == 403


async def test_no_secret_of_an_enrolment_stands_in_the_clear(front: Front) -> None:
    """Password, codes' secret and recovery codes are in no file of the data folder, nor in the log."""
    browser = await enrolled(front, "gu")
    await browser.post("/s/factor/recovery")
    code = re.search(r'<li class="print">([^<]+)</li>', browser.text).group(1)
    await browser.post("/s/factor/totp")
    secret = re.search(r'<p class="print">([A-Z2-7]+)</p>', browser.text).group(1)
    needles = [SECRET.encode(), code.encode(), code.replace("-", "").encode(), secret.encode(), base64.b32decode(secret)]
    for path in front.house.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [needle for needle in needles if needle in data], path
