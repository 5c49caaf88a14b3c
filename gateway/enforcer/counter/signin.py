"""Signing in: by passkey anywhere, by password on a known device; never by one-time code. And the hand-over to the desk.

A wrong name, an unknown device, a wrong password and a person without one get the same words and cost the same Argon2id run. Tries are
counted per person, whatever was typed to name them, before they are judged.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import unicodedata
from typing import Any, Final
from urllib.parse import urlencode

import structlog
from aiohttp import web

from gateway.enforcer.counter.parts import (
    COUNTER,
    LANGUAGE_COOKIE,
    SESSION,
    TOKEN,
    Counter,
    form_of,
    local_path,
    page,
    see,
    session_of,
)
from gateway.enforcer.proofs import ProofRefused, user_handle
from gateway.enforcer.sessions import DEVICE_SECONDS
from gateway.machine.state import Person
from gateway.protocol import instants
from gateway.protocol.denials import Denied
from vault import passkeys
from vault.errors import PasskeyRefused, PasswordRefused, Sealed, TooMany, VaultError
from vault.throttle import Throttle

log = structlog.get_logger("counter")

SIGN_IN_TRIES: Final = Throttle(free=5, base_seconds=10, max_seconds=900)
CHALLENGE_SECONDS: Final = 300
_STATE = re.compile(r"[A-Za-z0-9_.~-]{8,200}", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NOBODY: Final = "-"


async def show(request: web.Request) -> web.Response:
    """Show the sign-in page; on a known device with the names that are known there."""
    counter = request.app[COUNTER]
    if request.get(SESSION) is not None:
        raise see(local_path(request.query.get("next", "")))
    return _page(request, counter)


def _page(request: web.Request, counter: Counter, *, status: int = 200, error: str = "", wait: int = 0) -> web.Response:
    known = counter.sessions.people_on(request.cookies.get(counter.device_cookie, ""))
    return page(request, "signin.html", status=status, next=local_path(request.query.get("next", "")), error=error, wait=wait,
                names=[counter.parts.views.name(person) for person in known])


async def by_password(request: web.Request) -> web.StreamResponse:
    """Sign in with name and password, on a known device only."""
    counter, form = request.app[COUNTER], await form_of(request)
    person = named(counter, form.get("name", ""))
    key = person.id if person else "name:" + folded(form.get("name", ""))[:80]
    cookie = request.cookies.get(counter.device_cookie, "")
    device = counter.sessions.device_for(cookie, person.id) if person else None
    key += ":known" if device else ":elsewhere"  # strangers cannot lock a person out of their own device
    try:
        counter.sessions.db.attempt(f"signin:{key}", SIGN_IN_TRIES, counter.parts.runner.clock.moment())
    except TooMany as error:
        return _page(request, counter, status=429, error="throttled", wait=error.retry_after)
    factor = person.factor_of("password") if person and not person.suspended else None
    try:
        stored = None
        if factor is not None and device is not None:
            with counter.proofs.secret(factor) as secret:
                stored = secret.decode()
        await asyncio.to_thread(counter.passwords.verify, stored, form.get("password", "")[:1000])
    except Sealed as error:
        raise Denied("vault_sealed") from error
    except VaultError:
        return _page(request, counter, status=403, error="wrong")
    assert person is not None
    assert factor is not None
    assert device is not None
    counter.sessions.db.forgive(f"signin:{key}")
    return enter(request, counter, person.id, factor=factor.id, device_token=cookie, then=form.get("next", ""))


def named(counter: Counter, typed: str) -> Person | None:
    """Return the one person that a name, extension or mail address names, whatever its case or width; None for nobody or several."""
    wanted = folded(typed)
    views = counter.parts.views
    found = [
        person for person in counter.parts.runner.state.people.values()
        if wanted and wanted in {folded(text) for text in (
            views.name(person.id), views.detail(person.id, "extension"), views.detail(person.id, "mail")) if text}
    ]
    return found[0] if len(found) == 1 else None


def folded(text: str) -> str:
    """Return what was typed without what spelling alone changes."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def enter(request: web.Request, counter: Counter, person: str, *, factor: str, device_token: str, then: str) -> web.Response:
    """Open a fresh counter session on a known device and go on; an older session of this browser ends, so none can be planted."""
    old = request.get(TOKEN)
    if old:
        counter.sessions.end(old)
    label = browser_of(request)
    device_token, device = counter.sessions.know(person, factor=factor, label=label, token=device_token)
    token, _ = counter.sessions.open(person, "counter", factor=factor, device=device.id, label=label)
    answer = web.Response(status=303, headers={"Location": local_path(then)})
    give(answer, counter, counter.session_cookie, token)
    give(answer, counter, counter.device_cookie, device_token)
    log.info("signed in", action="signed_in", person=person)
    return answer


def give(answer: web.StreamResponse, counter: Counter, name: str, value: str, seconds: int = DEVICE_SECONDS) -> None:
    """Set one cookie: this host only, not for scripts, not with requests that other sites make."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=counter.https, httponly=True, samesite="Lax")


def browser_of(request: web.Request) -> str:
    """Return a browser and system in two words, as 我的设备 lists them."""
    agent = request.headers.get("User-Agent", "")
    browser = next((name for mark, name in (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
                    if mark in agent), "")
    system = next((name for mark, name in (("iPhone", "iPhone"), ("Android", "Android"), ("HarmonyOS", "HarmonyOS"), ("Windows", "Windows"),
                                           ("Mac OS", "macOS"), ("Linux", "Linux")) if mark in agent), "")
    return f"{browser} {system}".strip() or "?"


# ---- passkeys


async def passkey_options(request: web.Request) -> web.Response:
    """Begin a passkey sign-in: a challenge that lives five minutes and works once."""
    counter = request.app[COUNTER]
    challenge, now = secrets.token_hex(32), counter.parts.runner.now()
    db = counter.sessions.db
    db.run("DELETE FROM proofs WHERE expires <= ?", (now,))
    db.run("INSERT INTO proofs VALUES (?, ?, ?, ?, ?, ?, ?)",
           (challenge, _NOBODY, _NOBODY, "signin", "", "{}", instants.plus(now, CHALLENGE_SECONDS)))
    options = passkeys.assertion_options(counter.rp(request), allowed=[], challenge=bytes.fromhex(challenge))
    return web.json_response({"challenge": challenge, "options": options})


async def by_passkey(request: web.Request) -> web.StreamResponse:
    """Finish a passkey sign-in; it needs nothing from the vault, so it works while that is sealed."""
    counter, form = request.app[COUNTER], await form_of(request)
    challenge = form.get("challenge", "")
    row = counter.sessions.db.one("SELECT expires FROM proofs WHERE nonce = ? AND act = 'signin'", (challenge,))
    if row is None or not counter.proofs.drop(challenge) or row["expires"] <= counter.parts.runner.now():
        return _page(request, counter, status=403, error="gone")
    try:
        response = assertion_of(form)
        person = counter.proofs.owner_of(passkeys.credential_id_of(response))
        if person is None or person.suspended:
            raise PasskeyRefused("not_yours")
        mine = counter.proofs.passkeys(person.id)
        done = passkeys.verify_assertion(
            counter.rp(request), response, challenge=bytes.fromhex(challenge), user_handle=user_handle(person.id),
            passkeys=[passkey for _, passkey in mine],
        )
    except (PasskeyRefused, PasswordRefused, ProofRefused):
        return _page(request, counter, status=403, error="passkey")
    factor = next(factor.id for factor, passkey in mine if passkey.credential_id == done.credential_id)
    cookie = request.cookies.get(counter.device_cookie, "")
    return enter(request, counter, person.id, factor=factor, device_token=cookie, then=form.get("next", ""))


def assertion_of(form: Any) -> dict[str, Any]:
    """Return the posted credential as JSON.

    Raises:
        ProofRefused: `malformed`.
    """
    text = form.get("assertion", "")
    try:
        value = json.loads(text) if len(text) < 65_536 else None
    except (ValueError, RecursionError) as error:
        raise ProofRefused("malformed") from error
    if not isinstance(value, dict):
        raise ProofRefused("malformed")
    return value


# ---- leaving, language, desk


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End this session on both sides."""
    counter = request.app[COUNTER]
    counter.sessions.end(request[TOKEN])
    answer = web.Response(status=303, headers={"Location": "/s/signin"})
    answer.del_cookie(counter.session_cookie, path="/", secure=counter.https, httponly=True, samesite="Lax")
    return answer


async def choose_language(request: web.Request) -> web.StreamResponse:
    """Keep the language a person chose."""
    counter, form = request.app[COUNTER], await form_of(request)
    answer = web.Response(status=303, headers={"Location": local_path(form.get("next", ""))})
    if form.get("lang") in {"zh", "en"}:
        give(answer, counter, LANGUAGE_COOKIE, form["lang"], 365 * 86_400)
    return answer


def _desk_request(values: Any) -> tuple[str, str]:
    state, challenge = values.get("state", ""), values.get("challenge", "")
    if not _STATE.fullmatch(state) or not _CHALLENGE.fullmatch(challenge):
        raise Denied("invalid", detail="state")
    return state, challenge


async def show_desk(request: web.Request) -> web.Response:
    """Ask a signed-in person to go on to the desk; a script presses the button, since a GET changes nothing."""
    state, challenge = _desk_request(request.query)
    counter = request.app[COUNTER]
    if request.get(SESSION) is None:
        known = counter.sessions.people_on(request.cookies.get(counter.device_cookie, ""))
        return page(request, "signin.html", next="/s/desk-signin?" + urlencode({"state": state, "challenge": challenge}), error="", wait=0,
                    names=[counter.parts.views.name(person) for person in known])
    return page(request, "desk.html", state=state, challenge=challenge)


async def to_desk(request: web.Request) -> web.StreamResponse:
    """Issue the one-time code and go to the desk's one fixed address."""
    counter = request.app[COUNTER]
    state, challenge = _desk_request(await form_of(request))
    code = counter.sessions.hand_over(session_of(request), challenge)
    address = counter.parts.settings.desk_url.rstrip("/") + "/signed-in?" + urlencode({"code": code, "state": state})
    raise web.HTTPSeeOther(location=address)
