"""The control port: what a test, a demonstration or a trainer may do to the sandbox, on loopback only.

    GET  /ledger?platform=&endpoint=&effect=1      what was called and what it changed
    GET  /public/{platform}                        what readers can see
    GET  /accounts                                 accounts without secrets
    POST /accounts       {"platform", ...}         create one; answers its credentials
    POST /faults         {"platform","kind","endpoint","how","code","seconds","times","skip","match",
                          "target","index","changes"}
    GET  /faults, DELETE /faults
    POST /clock          {"advance": seconds} or {"set": RFC 3339};  GET /clock
    POST /edit-by-hand   {"platform","target","index","changes"}
    POST /expire-credentials {"platform","who"}

`platform` may be left out when only one runs. Errors answer 400 or 404 with {"error": words}.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from aiohttp import web

from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.faults import Fault, UnknownFault
from gateway.sandbox.ledger import as_json
from gateway.sandbox.platform import NoSuchTarget, Platform
from gateway.sandbox.wire import JSON, json_bytes, json_object

_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Refused(Exception):
    """The control port cannot do what was asked; the words say why."""


class ControlPort:
    """The JSON interface over one or more platforms."""

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._platforms = {platform.name: platform for platform in platforms}

    def build_app(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(middlewares=[_loopback_only, _in_words])
        app.router.add_get("/ledger", self.ledger)
        app.router.add_get("/public/{platform}", self.public)
        app.router.add_get("/accounts", self.accounts)
        app.router.add_post("/accounts", self.create_account)
        app.router.add_get("/faults", self.faults)
        app.router.add_post("/faults", self.arm)
        app.router.add_delete("/faults", self.disarm)
        app.router.add_get("/clock", self.clock)
        app.router.add_post("/clock", self.set_clock)
        app.router.add_post("/edit-by-hand", self.edit_by_hand)
        app.router.add_post("/expire-credentials", self.expire_credentials)
        return app

    async def ledger(self, request: web.Request) -> web.Response:
        """Answer the ledger, narrowed by endpoint, who and effect."""
        chosen = [self._named(request.query["platform"])] if "platform" in request.query else [*self._platforms.values()]
        endpoint, who = request.query.get("endpoint"), request.query.get("who")
        records = []
        for platform in chosen:
            only = platform.ledger.effects if request.query.get("effect") else platform.ledger.calls
            records += [as_json(record) for record in only(endpoint, who=who)]
        return _json({"records": sorted(records, key=lambda record: (record["at"], record["seq"]))})

    async def public(self, request: web.Request) -> web.Response:
        """Answer what readers can see on one platform."""
        return _json({"items": self._named(request.match_info["platform"]).published_json()})

    async def accounts(self, _: web.Request) -> web.Response:
        """Answer the accounts of all platforms, without secrets."""
        return _json({name: platform.accounts_json() for name, platform in self._platforms.items()})

    async def create_account(self, request: web.Request) -> web.Response:
        """Create an account and answer its credentials."""
        wanted = await _body(request)
        return _json(self._platform(wanted).create_account(wanted))

    async def faults(self, _: web.Request) -> web.Response:
        """Answer how many strikes are pending and how many faults fired."""
        pairs = self._platforms.items()
        return _json({name: {"pending": one.faults.pending(), "fired": one.faults.fired()} for name, one in pairs})

    async def arm(self, request: web.Request) -> web.Response:
        """Queue a fault."""
        wanted = await _body(request)
        platform = self._platform(wanted)
        known = {"kind", "endpoint", "how", "code", "seconds", "match", "target", "index", "changes"}
        given = {name: value for name, value in wanted.items() if name in known}
        if given.get("kind") == "fail_after" and given.get("code"):
            given["how"] = "code"
        if given.get("kind") == "edit_by_hand":
            given = {"endpoint": "draft/get", "match": {"media_id": given.get("target")}} | given
        platform.faults.arm(Fault(**given), times=int(wanted.get("times", 1)), skip=int(wanted.get("skip", 0)))
        return _json({"pending": platform.faults.pending()})

    async def disarm(self, _: web.Request) -> web.Response:
        """Disarm all faults of all platforms."""
        for platform in self._platforms.values():
            platform.faults.clear()
        return _json({"pending": 0})

    async def clock(self, _: web.Request) -> web.Response:
        """Tell each platform's time."""
        return _json({name: platform.clock.now().isoformat() for name, platform in self._platforms.items()})

    async def set_clock(self, request: web.Request) -> web.Response:
        """Move the clock; a clock given by a test from outside cannot be moved here."""
        wanted = await _body(request)
        clocks = {id(one.clock): one.clock for one in self._platforms.values()}
        for clock in clocks.values():
            if not isinstance(clock, SandboxClock):
                raise _Refused("时钟由外部提供，不能在此调整 / the clock was given from outside and cannot be moved here")
            if "set" in wanted:
                clock.set(datetime.fromisoformat(wanted["set"]))
            else:
                clock.advance(float(wanted["advance"]))
        return await self.clock(request)

    async def edit_by_hand(self, request: web.Request) -> web.Response:
        """Alter a draft, an article or a post as someone in the back office would."""
        wanted = await _body(request)
        platform = self._platform(wanted)
        platform.edit_by_hand(str(wanted["target"]), wanted["changes"], index=int(wanted.get("index", 0)))
        platform.save()
        return _json({"edited": wanted["target"]})

    async def expire_credentials(self, request: web.Request) -> web.Response:
        """Expire all live tokens of an account or user."""
        wanted = await _body(request)
        self._platform(wanted).expire_credentials(str(wanted["who"]))
        return _json({"expired": wanted["who"]})

    def _platform(self, wanted: JSON) -> Platform:
        name = wanted.pop("platform", None)
        if name is None and len(self._platforms) == 1:
            return next(iter(self._platforms.values()))
        return self._named(str(name))

    def _named(self, name: str) -> Platform:
        if name not in self._platforms:
            raise NoSuchTarget(name)
        return self._platforms[name]


@web.middleware
async def _loopback_only(request: web.Request, handler: _Answer) -> web.StreamResponse:
    if not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104  # an absent peer counts as foreign
        return _json({"error": "只接受本机访问 / loopback only"}, status=403)
    return await handler(request)


@web.middleware
async def _in_words(request: web.Request, handler: _Answer) -> web.StreamResponse:
    try:
        return await handler(request)
    except NoSuchTarget as missing:
        return _json({"error": f"没有这个对象 / no such target: {missing}"}, status=404)
    except (_Refused, UnknownFault, KeyError, TypeError, ValueError) as wrong:
        return _json({"error": f"{type(wrong).__name__}: {wrong}"}, status=400)


async def _body(request: web.Request) -> JSON:
    value = json_object(await request.read())
    if value is None:
        raise _Refused("请求体须是 JSON 对象 / the body must be a JSON object")
    return value


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json_bytes(value), content_type="application/json")
