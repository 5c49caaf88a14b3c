"""What every request passes: one host, headers, a listed route, a session where the route asks for one, and for POST exact Origin and form token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.desk.parts import LANG, PARTS, WHO
from gateway.desk.session import LANGUAGE_COOKIE, form_token, look
from gateway.desk.settings import DeskSettings
from gateway.web.i18n import preferred

Access = Literal["open", "page", "act", "device", "pair"]
"""open: anyone, reading. page: a session, reading. act: a session, exact Origin and form token. device: a bearer token (API). pair: the API's pairing."""

FORM_HEADER: Final = "X-Form-Token"
FORM_FIELD: Final = "form_token"
FORM_LIMIT: Final = 3 << 20
UPLOAD_LIMIT: Final = 11 << 20
FRAME: Final = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
COMMON: Final = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the route table; what is not in it is not served."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    access: Access


ACCESS: web.AppKey[dict[tuple[str, str], Access]] = web.AppKey("access", dict)


def csp(settings: DeskSettings) -> str:
    """Return the policy of every page: nothing from elsewhere, no inline script or style, forms to ourselves and the counter."""
    return (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; object-src 'none'; "
        f"base-uri 'none'; frame-ancestors 'none'; form-action 'self' {settings.counter_url}"
    )


@web.middleware
async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the security headers on every response, errors included."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        _dress(request, error)
        raise
    _dress(request, response)
    return response


def _dress(request: web.Request, response: web.StreamResponse) -> None:
    settings = request.app[PARTS].settings
    for name, value in COMMON.items():
        response.headers.setdefault(name, value)
    if "Content-Security-Policy" not in response.headers:
        response.headers["Content-Security-Policy"] = csp(settings)
        response.headers["X-Frame-Options"] = "DENY"
    if settings.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


@web.middleware
async def one_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only to the host that was fixed at init, whatever the Host header says."""
    if request.headers.getall("Host", []) != [request.app[PARTS].settings.host] and request.path != "/healthz":
        raise web.HTTPMisdirectedRequest(text="wrong host\n")
    if len(request.query_string) > 4000:
        raise web.HTTPBadRequest(text="query too long\n")
    request[LANG] = _language(request)
    return await handler(request)


def _language(request: web.Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if request.path.startswith("/api/") or chosen not in {"zh", "en"}:
        return preferred(request.headers.get("Accept-Language", ""))
    return chosen


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hold every request to its route's access; a path that is not in the table is not found."""
    resource = request.match_info.route.resource
    access = request.app[ACCESS].get((request.method, resource.canonical)) if resource is not None else None
    if request.match_info.http_exception is not None:
        raise request.match_info.http_exception
    if access is None:
        raise web.HTTPNotFound
    if access in {"page", "act"}:
        await _need_session(request)
    if request.method not in {"GET", "HEAD", "OPTIONS"} and access in {"open", "act"}:
        await _check_form(request)
    return await handler(request)


async def _need_session(request: web.Request) -> None:
    who = await look(request, request.cookies.get(request.app[PARTS].settings.cookie, ""))
    if who is None or who.device:
        if request.method == "GET" and "HX-Request" not in request.headers and request.headers.get("Sec-Fetch-Dest", "document") == "document":
            raise web.HTTPSeeOther("/welcome?next=" + quote(request.path_qs, safe=""))
        raise web.HTTPUnauthorized(text='{"code":"session_gone"}', content_type="application/problem+json")
    request[WHO] = who


async def _check_form(request: web.Request) -> None:
    """Exact Origin, and the form token of this session: from a header (scripts) or a field (plain forms)."""
    settings = request.app[PARTS].settings
    if request.headers.get("Origin") != settings.desk_url:
        raise web.HTTPForbidden(text="origin\n")
    token = request.cookies.get(settings.cookie, "")
    if WHO not in request and not token:
        return  # signed out: nothing to protect but a language choice, and the Origin is ours
    given = request.headers.get(FORM_HEADER, "")
    if not given and request.content_type == "application/x-www-form-urlencoded":
        given = str((await request.post()).get(FORM_FIELD, ""))
    if not given.isascii() or not hmac.compare_digest(given, form_token(token)):
        raise web.HTTPForbidden(text="form token\n")
