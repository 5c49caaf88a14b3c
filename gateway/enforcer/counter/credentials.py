"""凭据录入: write only. What is typed is tried at the platform, sealed, and proposed; it is never shown, logged, or read back.

1. The custodian types; the value lives in this request only, is tried without publishing anything, and is sealed at once.
2. A failed trial stores nothing. A good one becomes a proposal naming version and digest of the ciphertext; another person confirms it.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from gateway.connectors.base import Call, PlatformRefused, ProbeStep
from gateway.enforcer.counter import changes
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, language, page, session_of
from gateway.enforcer.ids import new_id
from gateway.machine.changes import may_act
from gateway.machine.context import Context
from gateway.machine.state import Channel
from gateway.protocol.commands import Change, Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from vault.errors import Sealed
from vault.secretbytes import SecretBytes


def _channel(request: web.Request) -> tuple[Counter, Channel]:
    """Return the channel, where the person may be one of the two for its credentials."""
    counter = request.app[COUNTER]
    channel = counter.parts.runner.state.channels.get(request.match_info["channel"])
    if channel is None:
        raise Denied("channel_unknown", detail=request.match_info["channel"])
    asking = Request(command=None, actor=session_of(request).person, grade=Grade.COUNTER)
    context = Context(counter.parts.runner.state, asking, counter.parts.runner.now(), None)  # type: ignore[arg-type] # asks for no ids
    if not may_act(context, Change(type=EntryType.CREDENTIAL_STORED, object=channel.id, data={})):
        raise Denied("not_governor", detail="custodian", rule="R20", ask=channel.custodians)
    return counter, channel


async def show(request: web.Request) -> web.Response:
    """Show the empty intake of one channel; it never holds a value."""
    counter, channel = _channel(request)
    return _page(request, counter, channel)


def _page(request: web.Request, counter: Counter, channel: Channel, *, status: int = 200, steps: list[ProbeStep] | None = None,
          wrong: str = "") -> web.Response:
    connector = counter.parts.connectors.get(channel.platform)
    if connector is None:
        raise Denied("channel_unknown", detail=channel.id)
    return page(request, "credential.html", status=status, channel=channel, fields=connector.credential_fields, steps=steps or [], wrong=wrong, trials=changes.TRIALS,
                custodians=[counter.parts.views.name(p) for p in channel.custodians])


async def take(request: web.Request) -> web.Response:
    """Try what was typed, seal it, and ask for the first proof over its ciphertext."""
    counter, channel = _channel(request)
    form = await form_of(request)
    connector = counter.parts.connectors[channel.platform]
    try:
        typed = {field.key: form.get(field.key, "").strip() for field in connector.credential_fields}
        with SecretBytes(connector.parse_credential(typed)) as secret:
            steps = await _probe(counter, channel, json.loads(secret.expose()))
            if not steps or not all(step.ok for step in steps):
                return _page(request, counter, channel, status=409, steps=steps)
            version = channel.credential_version + 1
            row = counter.parts.vault.put(secret_id=f"credential/{channel.id}/{new_id('cre')}", version=version, secret=secret)
    except ValueError as error:
        return _page(request, counter, channel, status=400, wrong=str(error) if str(error) in {f.key for f in connector.credential_fields} else "?")
    except Sealed as error:
        raise Denied("vault_sealed") from error
    counter.parts.sealed.insert(row)
    change = Change(type=EntryType.CREDENTIAL_STORED, object=channel.id, data={"version": version, "secret": row.secret_id, "sha256": row.sha256})
    reason = form.get("reason", "").strip()[:500] or ("New credential" if language(request) == "en" else "录入凭据")
    return changes.ask(request, [change], reason, {}, steps=steps)


async def _probe(counter: Counter, channel: Channel, credential: dict[str, Any]) -> list[ProbeStep]:
    """Try a credential at the platform; nothing is published."""
    runner, gate = counter.parts.runner, counter.parts.gate
    call = Call(transport=gate.transport, base_url=gate.base_url(channel), account=channel.account, settings=channel.settings,
                credential=credential, credential_version=channel.credential_version + 1, now=runner.clock.moment)
    try:
        return await counter.parts.connectors[channel.platform].probe(call)
    except PlatformRefused as refused:
        return [ProbeStep(name=refused.code, ok=False, zh=refused.zh, en=refused.en)]
