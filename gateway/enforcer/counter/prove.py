"""The one door for proofs: what was begun is looked up by its nonce, the proof is verified, and what was begun is done.

A page posts nothing but nonce, proof, ticks and a remark; what the proof is for was kept when the sheet was made. No step of it can be
called by itself: without a nonce of one's own session there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from gateway.canonical import Digest
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, page, session_of
from gateway.enforcer.counter.signin import assertion_of
from gateway.enforcer.proofs import Begun, ProofRefused, Proven

Act = Callable[[web.Request, Proven, Mapping[str, str]], Awaitable[web.StreamResponse]]


def begin(request: web.Request, act: str, digest: Digest, payload: dict[str, Any]) -> dict[str, Any]:
    """Begin a proof and return what its sheet shows: nonce, passkey options, and which methods the person has."""
    counter, session = request.app[COUNTER], session_of(request)
    begun = counter.proofs.begin(session.person, session.id, act, digest, payload)
    return methods(request, counter, begun)


def methods(request: web.Request, counter: Counter, begun: Begun) -> dict[str, Any]:
    """Return a begun proof as its sheet shows it."""
    person = counter.parts.runner.state.people[begun.person]
    return {
        "nonce": begun.nonce, "options": counter.proofs.options(counter.rp(request), begun), "has_code": person.factor_of("totp") is not None,
        "digest": begun.digest, "expires": begun.expires,
    }


def handler(acts: Mapping[str, Act]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of `POST /s/prove` over these acts."""

    async def prove(request: web.Request) -> web.StreamResponse:
        counter, session, form = request.app[COUNTER], session_of(request), await form_of(request)
        try:
            begun = counter.proofs.look(session.person, session.id, form.get("nonce", "")[:100])
            act = acts.get(begun.act)
            if act is None:
                raise ProofRefused("gone")
            if any(form.get(f"tick{number}") != "on" for number in range(int(begun.payload.get("ticks", 0)))):
                raise ProofRefused("ticks")
            if form.get("assertion"):
                proven = counter.proofs.finish_passkey(counter.rp(request), begun, assertion_of(form))
            else:
                proven = counter.proofs.finish_code(begun, form.get("code", ""))
        except ProofRefused as refused:
            return page(request, "refused_proof.html", status=429 if refused.reason == "throttled" else 403, reason=refused.reason,
                        wait=refused.retry_after)
        return await act(request, proven, form)

    return prove
