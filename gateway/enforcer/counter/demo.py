"""Identity cards of a demonstration: one click signs in as a person, with their running code on the page.

They exist only where the log says `sandbox`, the settings say `sandbox`, and the settings ask for them; a live deployment has no such page,
whatever its settings say, since its log names its kind for ever.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.enforcer.counter.parts import COUNTER, Counter, demo_on, form_of, language, page
from gateway.enforcer.counter.signin import enter
from gateway.protocol.denials import Denied
from vault import totp


async def show(request: web.Request) -> web.Response:
    """Show one card a person."""
    counter = _need(request)
    cards = [_card(counter, person.id, language(request)) for person in counter.parts.runner.state.people.values() if not person.suspended]
    now = counter.parts.runner.clock.moment()
    return page(request, "demo.html", cards=cards, left=totp.STEP_SECONDS - int(now.timestamp()) % totp.STEP_SECONDS)


def _need(request: web.Request) -> Counter:
    counter = request.app[COUNTER]
    if not demo_on(counter):
        raise Denied("not_found")
    return counter


def _card(counter: Counter, person: str, lang: str) -> dict[str, Any]:
    state, views = counter.parts.runner.state, counter.parts.views
    known, now = state.people[person], counter.parts.runner.clock.moment()
    factor, code = known.factor_of("totp"), ""
    if factor is not None and not counter.parts.runner.sealed:
        with counter.proofs.secret(factor) as secret:
            code = totp.code_at(secret, totp.step_at(now))
    offices = [views.office_words(o.office, lang) + ("" if o.scope == state.group else " · " + views.scope(o.scope))
               for o in state.offices_of(person, counter.parts.runner.now())]
    return {
        "person": person, "name": views.name(person), "title": views.detail(person, "title"), "extension": views.detail(person, "extension"),
        "unit": views.unit(known.unit), "offices": offices, "code": code, "ready": bool(known.factors),
    }


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Sign in as a person of the demonstration."""
    counter, form = _need(request), await form_of(request)
    person = counter.parts.runner.state.people.get(form.get("person", ""))
    factor = next(iter(person.factors.values()), None) if person is not None and not person.suspended else None
    if person is None or factor is None:
        raise Denied("not_found", detail="person")
    standing = person.factor_of("password") or factor
    return enter(request, counter, person.id, factor=standing.id, device_token=request.cookies.get(counter.device_cookie, ""),
                 then=form.get("next", ""))
