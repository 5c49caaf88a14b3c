"""签发台, the counter: the enforcer's own web face, where people read what will be sent and sign it.

Two listeners: *outside* offers what signing needs, all below `/s`; *inside* everything. Server-rendered; one small script for passkeys, keys
and the code field; no service worker, nothing inline. `routing.ROUTES` is the whole table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from gateway import web as shared
from gateway.enforcer.counter import (
    changes,
    checklist,
    credentials,
    demo,
    devices,
    factors,
    handing,
    listing,
    marked,
    prove,
    rendition,
    returning,
    review,
    signin,
    signing,
)
from gateway.enforcer.counter.guard import guard
from gateway.enforcer.counter.parts import COUNTER, FOLDER, INSIDE, Counter, make
from gateway.enforcer.counter.routing import ROUTES, Face
from gateway.enforcer.parts import Parts
from gateway.enforcer.sessions import Sessions
from gateway.protocol.denials import Denied
from vault.slots import Argon2Cost

BODY_LIMIT: Final = 256 << 10
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATIC: Final = {
    "qianfa.css": (shared.FOLDER / "qianfa.css", "text/css"), "counter.css": (FOLDER / "static" / "counter.css", "text/css"),
    "icon.svg": (FOLDER / "static" / "icon.svg", "image/svg+xml"), "counter.js": (FOLDER / "static" / "counter.js", "text/javascript"),
}

ACTS: Final[Mapping[str, prove.Act]] = {
    "sign": signing.signed, "emergency": signing.emergency, "propose": changes.proposed, "confirm": changes.confirmed, "factor": factors.added,
    "revoke": factors.revoked,
}


async def _static(request: web.Request) -> web.Response:
    known = STATIC.get(request.match_info["name"])
    if known is None:
        raise Denied("not_found", detail="file")
    answer = web.Response(body=known[0].read_bytes(), content_type=known[1], charset="utf-8")
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer


HANDLERS: Final[Mapping[str, Handler]] = {
    "GET /s/signin": signin.show, "POST /s/signin": signin.by_password, "POST /s/signin/options": signin.passkey_options,
    "POST /s/signin/passkey": signin.by_passkey, "POST /s/lang": signin.choose_language, "GET /s/static/{name}": _static,
    "GET /s/desk-signin": signin.show_desk, "POST /s/desk-signin": signin.to_desk, "POST /s/signout": signin.sign_out,
    "GET /s/demo": demo.show, "POST /s/demo": demo.sign_in, "GET /s/": review.queue, "GET /s/item/{submission}": review.item,
    "POST /s/seen": review.seen, "POST /s/tick": checklist.tick, "GET /s/marked/{submission}": marked.frame,
    "GET /s/template/{digest}": rendition.frame, "GET /s/media/{digest}": rendition.media,
    "GET /s/list": listing.show, "POST /s/list/add": listing.add, "POST /s/list/remove": listing.remove,
    "POST /s/sheet": signing.sheet, "POST /s/prove": prove.handler(ACTS), "GET /s/done/{signing}": signing.done,
    "GET /s/receipts": signing.receipts, "GET /s/stops": signing.stops, "POST /s/stop": signing.stop, "POST /s/freeze": signing.freeze,
    "POST /s/handover": handing.hand_over,
    "POST /s/emergency": signing.begin_emergency, "POST /s/return": returning.send_back, "POST /s/takeback": signing.take_back,
    "GET /s/enrol": factors.show_enrol, "POST /s/enrol": factors.enrol, "GET /s/recover": factors.show_recover,
    "POST /s/recover": factors.recover, "POST /s/phrase": factors.set_phrase, "POST /s/factor/totp": factors.begin_totp,
    "POST /s/factor/totp/confirm": factors.confirm_totp, "POST /s/factor/passkey/options": factors.passkey_options,
    "POST /s/factor/passkey": factors.add_passkey, "POST /s/factor/recovery": factors.new_recovery, "POST /s/factor/revoke": factors.begin_revoke,
    "GET /s/devices": devices.show, "POST /s/devices/forget": devices.forget, "POST /s/devices/end": devices.end, "POST /s/pair": devices.pair,
    "GET /i/changes": changes.show, "POST /i/changes/propose": changes.propose, "POST /i/changes/confirm": changes.begin_confirm,
    "POST /i/changes/decline": changes.decline, "GET /i/credentials/{channel}": credentials.show, "POST /i/credentials/{channel}": credentials.take,
}


def init_counter(parts: Parts, sessions: Sessions, *, cost: Argon2Cost | None = None) -> tuple[web.Application, web.Application]:
    """Return the counter's two applications, outside and inside, over the same sessions; `cost` of passwords is for tests."""
    counter = make(parts, sessions, cost=cost)
    return _application(counter, inside=False), _application(counter, inside=True)


def _application(counter: Counter, *, inside: bool) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[guard])
    app[COUNTER], app[INSIDE] = counter, inside
    for route in ROUTES:
        if inside or route.face is Face.OUTSIDE:
            app.router.add_route(route.method, route.path, HANDLERS[f"{route.method} {route.path}"])
    return app
