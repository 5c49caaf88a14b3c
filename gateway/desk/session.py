"""Who is asking: sessions come from the counter (one-time code, PKCE, state); the desk never sees a password or a code.

The browser holds the session token, the desk's database only its SHA-256 with what the enforcer last said of it, so that reading and
drafting go on while the enforcer is away. Whatever acts is judged by the enforcer each time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web

from gateway.desk.database import keep
from gateway.desk.parts import LANG, PARTS, Parts, Who
from gateway.desk.session_tables import LanguageRow, SessionRow
from gateway.desk.socket_client import Problem, SessionEnded, Unavailable
from gateway.protocol.instants import Instant

FRESH_SECONDS: Final = 5.0
SIGN_IN_SECONDS: Final = 600
LANGUAGE_COOKIE: Final = "qianfa-lang"
_FORM_LABEL: Final = b"qianfa/desk/form/v1"


class Recent:
    """Answers about sessions of the last seconds; losing one costs a call, and every act is judged again by the enforcer."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Who]] = {}

    def get(self, token: str) -> Who | None:
        """Return who it was, if asked a moment ago."""
        known = self._known.get(_digest(token))
        return known[1] if known is not None and time.monotonic() - known[0] < FRESH_SECONDS else None

    def put(self, who: Who) -> None:
        """Remember an answer."""
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[_digest(who.token)] = (time.monotonic(), who)

    def drop(self, token: str) -> None:
        """Forget a session that has ended."""
        self._known.pop(_digest(token), None)


RECENT = web.AppKey("recent", Recent)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """Return the form token that belongs to a session; only who holds the session's cookie can know it."""
    return hmac.new(token.encode(), _FORM_LABEL, hashlib.sha256).hexdigest()


async def look(request: web.Request, token: str) -> Who | None:
    """Return who holds `token`, or None where the session has ended."""
    if not token or len(token) > 500 or not token.isascii() or not token.isprintable():
        return None
    recent = request.app[RECENT]
    if (known := recent.get(token)) is not None:
        return known
    parts = request.app[PARTS]
    try:
        answer = await parts.socket.get("/v1/session", session=token)
    except SessionEnded:
        await _forget(parts, token)
        return None
    except (Unavailable, Problem):
        return await _remembered(parts, token)
    who = _who(answer, token, asked=True)
    recent.put(who)
    await remember(parts, answer, token)
    return who


def _who(answer: dict[str, Any], token: str, *, asked: bool) -> Who:
    return Who(
        person=answer["person"], name=answer["name"], title=answer.get("title", ""), unit=answer["unit"], unit_name=answer.get("unit_name", ""),
        offices=tuple((held["office"], held["scope"]) for held in answer["offices"]), token=token, device=answer.get("kind") == "device",
        asked=asked,
    )


async def remember(parts: Parts, answer: dict[str, Any], token: str) -> None:
    """Keep what the enforcer said of a session."""
    known = {key: answer.get(key, "") for key in ("person", "name", "title", "unit", "unit_name", "offices", "kind")}
    await keep(parts.sessions, SessionRow(
        token=_digest(token), person=answer["person"], known=known, expires=str(answer.get("expires") or ""), seen_at=parts.now(),
    ))


async def _forget(parts: Parts, token: str) -> None:
    async with parts.sessions.begin() as session:
        row = await session.get(SessionRow, _digest(token))
        if row is not None:
            await session.delete(row)


async def _remembered(parts: Parts, token: str) -> Who | None:
    async with parts.sessions() as session:
        row = await session.get(SessionRow, _digest(token))
    if row is None or (row.expires and Instant(row.expires) <= parts.now()):
        return None
    return _who(row.known, token, asked=False)


def safe_next(text: str) -> str:
    """Return `text` where it is a path on this host, else `/`: no scheme, no second slash, no back-slash, no control."""
    if len(text) > 500 or not text.startswith("/") or text.startswith("//") or "\\" in text:
        return "/"
    return text if text.isprintable() and text.isascii() else quote(text, safe="/?&=%:;,@#-._~") if text.isprintable() else "/"


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Send the browser to the counter, with a challenge whose verifier only this browser's cookie holds."""
    settings = request.app[PARTS].settings
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    target = safe_next(request.query.get("next", "/"))
    query = urlencode({"state": state, "challenge": challenge})
    response = web.Response(status=303, headers={"Location": f"{settings.counter_url}/s/desk-signin?{query}"})
    response.set_cookie(
        settings.sign_in_cookie, f"{state}.{verifier}.{base64.urlsafe_b64encode(target.encode()).decode()}", max_age=SIGN_IN_SECONDS,
        httponly=True, secure=settings.secure, samesite="Lax", path="/",
    )
    return response


async def signed_in(request: web.Request) -> web.StreamResponse:
    """Redeem the counter's one-time code; a wrong state or a missing cookie begins anew."""
    parts = request.app[PARTS]
    settings = parts.settings
    state, _, rest = request.cookies.get(settings.sign_in_cookie, "").partition(".")
    verifier, _, encoded = rest.partition(".")
    given = request.query.get("state", "")
    if not state or not hmac.compare_digest(state.encode("utf-8", "replace"), given.encode("utf-8", "replace")):
        raise web.HTTPSeeOther("/sign-in")
    try:
        answer = await parts.socket.post("/v1/session/redeem", {"code": request.query.get("code", ""), "verifier": verifier}, lang=request[LANG])
    except (Problem, Unavailable) as error:
        again = "1" if isinstance(error, Problem) else "2"
        response = web.Response(status=303, headers={"Location": f"/welcome?again={again}"})
        response.del_cookie(settings.sign_in_cookie, path="/", secure=settings.secure, httponly=True, samesite="Lax")
        return response
    await remember(parts, answer, answer["session"])
    try:
        target = safe_next(base64.urlsafe_b64decode(encoded.encode()).decode())
    except (ValueError, UnicodeError):
        target = "/"
    response = web.Response(status=303, headers={"Location": target})
    response.set_cookie(
        settings.cookie, answer["session"], httponly=True, secure=settings.secure, samesite="Lax", path="/",
    )
    async with parts.sessions() as session:
        chosen = await session.get(LanguageRow, answer["person"])
    if chosen is not None:
        _set_language(response, parts, chosen.lang)
    response.del_cookie(settings.sign_in_cookie, path="/", secure=settings.secure, httponly=True, samesite="Lax")
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session here and at the counter."""
    parts = request.app[PARTS]
    token = request.cookies.get(parts.settings.cookie, "")
    request.app[RECENT].drop(token)
    if token:
        await _forget(parts, token)
        try:
            await parts.socket.post("/v1/session/end", {}, session=token)
        except (Unavailable, Problem):
            ended = "2"
        else:
            ended = "3"
    else:
        ended = "3"
    response = web.Response(status=303, headers={"Location": f"/welcome?again={ended}"})
    response.del_cookie(parts.settings.cookie, path="/", secure=parts.settings.secure, httponly=True, samesite="Lax")
    return response


async def choose_language(request: web.Request) -> web.StreamResponse:
    """Remember the language in a cookie and, where somebody is signed in, for that person; go back."""
    parts, form = request.app[PARTS], await request.post()
    lang = "en" if form.get("lang") == "en" else "zh"
    who = await look(request, request.cookies.get(parts.settings.cookie, ""))
    if who is not None:
        await keep(parts.sessions, LanguageRow(person=who.person, lang=lang, at=parts.now()))
    response = web.Response(status=303, headers={"Location": safe_next(str(form.get("next", "/")))})
    _set_language(response, parts, lang)
    return response


def _set_language(response: web.Response, parts: Parts, lang: str) -> None:
    response.set_cookie(LANGUAGE_COOKIE, lang, max_age=365 * 86_400, secure=parts.settings.secure, samesite="Lax", path="/")
