"""我的设备: passkeys and other factors, known devices, open sessions, and pairing an extension."""

from __future__ import annotations

from typing import Any, cast

import segno
from aiohttp import web

from gateway.enforcer.counter.parts import COUNTER, form_of, page, phrase, see, session_of


async def show(request: web.Request) -> web.Response:
    """Show everything this person can sign with and is signed in on."""
    counter, session = request.app[COUNTER], session_of(request)
    person = counter.parts.runner.state.people[session.person]
    factors = [
        {"id": f.id, "kind": f.kind, "label": (counter.parts.values.text(f.public["label"]) or "") if f.public.get("label") else "",
         "synced": f.public.get("backed_up") == "yes"}
        for f in person.factors.values()
    ]
    kinds = {factor["kind"] for factor in factors}
    return page(request, "devices.html", factors=factors, kinds=kinds, devices=counter.sessions.devices_of(person.id),
                sessions=counter.sessions.of(person.id), mine=session.id, my_phrase=phrase(counter, person.id))


async def forget(request: web.Request) -> web.StreamResponse:
    """Revoke a known device, and what is signed in on it."""
    counter, form = request.app[COUNTER], await form_of(request)
    counter.sessions.forget_device(session_of(request).person, form.get("device", ""))
    raise see("/s/devices")


async def end(request: web.Request) -> web.StreamResponse:
    """End one open session, on both sides."""
    counter, form = request.app[COUNTER], await form_of(request)
    counter.sessions.end_id(session_of(request).person, form.get("session", ""))
    raise see("/s/devices")


async def pair(request: web.Request) -> web.Response:
    """Show a pairing code for the extension, with its QR code, for ten minutes."""
    counter = request.app[COUNTER]
    code = counter.sessions.pairing_code(session_of(request))
    drawing = cast("Any", segno.make(code, error="m", micro=False)).svg_inline(scale=4, border=4, svgclass=None, lineclass=None)
    return page(request, "pair.html", code=code, qr=str(drawing))
