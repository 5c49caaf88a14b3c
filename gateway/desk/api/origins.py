"""Who may call the API from a page of their own: browser extensions that have paired, by exact origin."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from gateway.desk.database import keep
from gateway.desk.parts import PARTS
from gateway.desk.session_tables import PairedOriginRow

_EXTENSION: Final = re.compile("(?:chrome-extension://[a-p]{32}|moz-extension://[0-9a-f-]{36})")


async def allowed_origin(request: web.Request, origin: str, *, pairing: bool) -> bool:
    """Return whether `origin` may call; any extension may try to pair, the desk's own pages never need to."""
    if not _EXTENSION.fullmatch(origin):
        return False
    if pairing:
        return True
    async with request.app[PARTS].sessions() as session:
        return await session.get(PairedOriginRow, origin) is not None


async def remember_origin(request: web.Request) -> None:
    """Remember the origin of an extension that has just paired."""
    parts = request.app[PARTS]
    origin = request.headers.get("Origin", "")
    if _EXTENSION.fullmatch(origin):
        await keep(parts.sessions, PairedOriginRow(origin=origin, at=parts.now()))


def cors(response: web.StreamResponse, origin: str | None) -> None:
    """Let exactly this origin read the answer, without credentials."""
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
