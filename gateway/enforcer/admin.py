"""The admin socket: unseal, seal, rotate, slots, status, backup. The enforcer's own user and root only; no call returns a secret."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway.enforcer import backup
from gateway.enforcer.lifecycle import Lifecycle
from gateway.enforcer.parts import Parts
from gateway.enforcer.socket import peer_uid
from gateway.enforcer.status import status
from gateway.enforcer.words import explain
from gateway.log.errors import LogUnavailable
from gateway.protocol.denials import Denied
from vault.errors import VaultError
from vault.slots import SlotSecret, create_key_file, new_recovery_key

PARTS: Final = web.AppKey("parts", Parts)
LIFECYCLE: Final = web.AppKey("lifecycle", Lifecycle)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


_REMOVED_ZH: Final = (
    "这一开锁方式从现在起打不开密钥库。根密钥没有换：换了它，其余开锁方式（密码、纸上的恢复密钥、密钥文件）都要当场重新录入才不会失效，而它们不都在这台服务器上。"
    "所以，同时有旧备份和这一开锁方式的人，仍能打开那份备份里的密钥。两样都可能落在别人手里时：轮换（qianfa vault rotate），"
    "并在各平台重置凭据、由两人重新录入。"
)
_REMOVED_EN: Final = (
    "This slot opens the vault no more. The root key was not replaced: every other slot (passphrase, printed recovery key, key file) would have to be "
    "entered anew on the spot to go on opening it, and not all of them are on this server. So whoever has an old backup and this slot's secret "
    "can still open what is in that backup. Where both may be in other hands: `qianfa vault rotate`, reset each credential at its platform and "
    "have two people enter it again."
)


def init_admin(parts: Parts, lifecycle: Lifecycle, *, peer_uids: frozenset[int]) -> web.Application:
    """Return the application behind the admin socket."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        peer = transport.get_extra_info("socket") if transport is not None else None
        if peer is None or peer_uid(peer) not in peer_uids:
            return web.json_response({"code": "peer"}, status=403)
        try:
            return await handler(request)
        except VaultError as error:
            return web.json_response({"code": "vault", "reason": str(error) or type(error).__name__, "kind": type(error).__name__}, status=409)
        except Denied as denied:
            return web.json_response(explain(denied, parts.views, "zh").problem(), status=denied.words.status)
        except LogUnavailable as error:
            return web.json_response({"code": "log_unavailable", "reason": error.code}, status=503)

    app = web.Application(middlewares=[guard])
    app[PARTS], app[LIFECYCLE] = parts, lifecycle
    app.add_routes([
        web.get("/v1/status", _status), web.get("/v1/vault", _vault), web.post("/v1/vault/unseal", _unseal), web.post("/v1/vault/seal", _seal),
        web.post("/v1/vault/rotate", _rotate), web.post("/v1/vault/slots", _slot_add), web.delete("/v1/vault/slots/{slot}", _slot_remove),
        web.post("/v1/backup", _backup),
    ])
    return app


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        value = await request.json(loads=json.loads)
    except ValueError as error:
        raise Denied("invalid", detail="json") from error
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise Denied("invalid", detail="object of text")
    return value


def _secret(body: dict[str, Any]) -> SlotSecret:
    kind = body.get("kind")
    if kind == "passphrase":
        return SlotSecret.from_passphrase(body.get("secret", ""))
    if kind == "recovery":
        return SlotSecret.from_recovery_key(body.get("secret", ""))
    if kind == "key_file":
        return SlotSecret.from_key_file(Path(body.get("path", "")))
    raise Denied("invalid", detail="kind")


async def _status(request: web.Request) -> web.Response:
    return web.json_response(status(request.app[PARTS]))


async def _vault(request: web.Request) -> web.Response:
    return web.json_response(request.app[LIFECYCLE].vault_status())


async def _unseal(request: web.Request) -> web.Response:
    slot = await request.app[LIFECYCLE].unseal(_secret(await _body(request)))
    return web.json_response({"slot": slot})


async def _seal(request: web.Request) -> web.Response:
    await request.app[LIFECYCLE].seal("admin")
    return web.json_response({"sealed": True})


async def _rotate(request: web.Request) -> web.Response:
    return web.json_response({"moved": await request.app[LIFECYCLE].rotate()})


async def _slot_add(request: web.Request) -> web.Response:
    body = await _body(request)
    shown: dict[str, str] = {}
    if body.get("kind") == "recovery":
        shown["recovery_key"] = body["secret"] = new_recovery_key()
    if body.get("kind") == "key_file" and not Path(body.get("path", "")).exists():
        await asyncio.to_thread(create_key_file, Path(body.get("path", "")))
    slot = await request.app[LIFECYCLE].add_slot(_secret(body))
    return web.json_response({"slot": slot, **shown})


async def _slot_remove(request: web.Request) -> web.Response:
    await request.app[LIFECYCLE].remove_slot(request.match_info["slot"])
    return web.json_response({"removed": request.match_info["slot"], "zh": _REMOVED_ZH, "en": _REMOVED_EN})


async def _backup(request: web.Request) -> web.Response:
    settings, given = request.app[PARTS].settings, (await _body(request)).get("desk")
    desk = Path(given) if given else None
    try:
        path = await request.app[LIFECYCLE].undisturbed(lambda: backup.make(settings, desk=desk))
    except (OSError, sqlite3.Error) as error:
        return web.json_response({"code": "backup", "reason": f"backup failed: {error}"}, status=500)
    return web.json_response({"path": str(path)})
