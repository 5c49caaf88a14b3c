"""The counter's door: host, origin, form token, session, headers. No page is reached past it, and every answer leaves through it.

1. Host equals the counter's; a POST carries exactly the counter's Origin, and where there is a session, its form token.
2. A route that needs a session leads to sign-in without one, and a POST is refused; routes not in the table do not exist.
3. Every answer: a policy without inline script or style, no framing, no cache, no referrer, opener isolation.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web

from gateway.enforcer.counter.parts import COUNTER, SESSION, TOKEN, WORDS, Counter, fragment, host_name, language, origin_of, own_port, page
from gateway.enforcer.counter.routing import NEEDS, Need
from gateway.enforcer.proofs import ProofRefused
from gateway.enforcer.sessions import form_token
from gateway.enforcer.words import explain
from gateway.log.errors import LogUnavailable
from gateway.protocol.denials import Denied

log = structlog.get_logger("counter")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; form-action {forms}; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)",
}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """See the module's list."""
    try:
        answer = await _guarded(request, handler)
    except web.HTTPException as error:
        if error.status >= web.HTTPBadRequest.status_code:
            answer = _plain(request, error.status)
        else:
            _headers(request, error)
            raise
    except Exception:
        log.exception("a request failed", action="request_failed", method=request.method, route=_route(request)[1])
        answer = page(request, "fault.html", status=500)
    _headers(request, answer)
    return answer


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    counter = request.app[COUNTER]
    if not _host_right(request, counter):
        return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST)
    need = NEEDS.get(_route(request))
    if need is None:
        raise web.HTTPNotFound
    if request.method == "POST":
        counter.parts.runner.reserve.make_room()
    token = request.cookies.get(counter.session_cookie, "")
    session = counter.sessions.look(token, {"counter"}) if token else None
    if session is not None:
        request[SESSION], request[TOKEN] = session, token
    if request.method == "POST" and not await _post_right(request, counter, signed_in=session is not None):
        return _failed(request, Denied("invalid", detail="origin"), status=403)
    if need is Need.SESSION and session is None:
        if request.method == "POST":
            return page(request, "signin_needed.html", status=401)
        raise web.HTTPSeeOther(location="/s/signin?next=" + quote(request.path, safe="/"))
    try:
        return await handler(request)
    except Denied as denied:
        return _failed(request, denied)
    except ProofRefused as refused:
        return page(request, "refused_proof.html", status=403, reason=refused.reason, wait=refused.retry_after)
    except LogUnavailable:
        return _failed(request, Denied("log_unavailable"))


def _route(request: web.Request) -> tuple[str, str]:
    resource = request.match_info.route.resource
    return ("GET" if request.method == "HEAD" else request.method, resource.canonical if resource is not None else "")


def _host_right(request: web.Request, counter: Counter) -> bool:
    url = urlsplit(counter.parts.settings.counter_url)
    return request.host.lower() in {url.netloc.lower(), f"{host_name(counter.parts.settings.counter_url)}:{own_port(request)}"}


async def _post_right(request: web.Request, counter: Counter, *, signed_in: bool) -> bool:
    if request.headers.getall("Origin", []) != [origin_of(request, counter)]:
        log.warning("foreign origin", action="origin_refused", path=request.path)
        return False
    if not signed_in:
        return True
    given = request.headers.get("X-Qianfa-Form", "")
    if not given and request.content_type == "application/x-www-form-urlencoded":
        given = str((await request.post()).get("form", ""))
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), form_token(request[TOKEN]).encode())


def _failed(request: web.Request, denied: Denied, *, status: int = 0) -> web.Response:
    explanation = explain(denied, request.app[COUNTER].parts.views, language(request))
    return page(request, "problem.html", status=status or explanation.status, problem=explanation, **_detail(explanation.detail))


def _detail(detail: str) -> dict[str, str]:
    """Return which part it was, as far as there are words for it: a bare code of ours is no word for a page."""
    known = f"detail.{detail}" in WORDS.words["zh"]
    return {"known": detail if known else "", "detail": "" if re.fullmatch("[a-z_]+(:.*)?", detail) else detail}


def _plain(request: web.Request, status: int) -> web.Response:
    return page(request, "problem.html", status=status, known="", detail="", problem=explain(
        Denied("not_found" if status in {404, 405} else "invalid"), request.app[COUNTER].parts.views, language(request)))


def _headers(request: web.Request, answer: Any) -> None:
    forms = "'self'"
    if request.path == "/s/desk-signin":  # the one form whose answer leads to the other host; browsers hold redirects to this list
        forms += " " + "{0.scheme}://{0.netloc}".format(urlsplit(request.app[COUNTER].parts.settings.desk_url))
    answer.headers.setdefault("Content-Security-Policy", POLICY.format(forms=forms))
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.app[COUNTER].https:
        answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


__all__ = ["HEADERS", "POLICY", "fragment", "guard"]
