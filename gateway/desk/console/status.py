"""密钥库与系统: one page that says whether things can be signed and sent, and who unlocks what; and the landing page before sign-in."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy import func, select

from gateway.desk.console.blackouts import upcoming
from gateway.desk.console.page import directory, draw
from gateway.desk.notify.tables import NoticeRow
from gateway.desk.parts import PARTS
from gateway.desk.readmodel.refusals import FreezeRow
from gateway.desk.session import safe_next
from gateway.desk.socket_client import Problem, Unavailable


async def status(request: web.Request) -> web.Response:
    """Draw the page; what the enforcer does not answer is said to be unknown."""
    parts = request.app[PARTS]
    names = await directory(request)
    answer: dict[str, Any] | None
    try:
        answer = await parts.socket.get("/v1/status")
    except (Unavailable, Problem):
        answer = None
    async with parts.sessions() as session:
        states = await session.execute(select(NoticeRow.state, func.count()).group_by(NoticeRow.state))
        notices = {row[0]: row[1] for row in states}
        freezes = list(await session.scalars(select(FreezeRow).order_by(FreezeRow.at)))
    now = parts.now()
    return await draw(
        request, "status.html", names=names, answer=answer, notices=notices, ways=parts.outbox.ways, freezes=freezes, blackouts=await upcoming(parts),
        admins=names.holders("sysadmin", names.group, now), follower=parts.follower,
    )


async def welcome(request: web.Request) -> web.Response:
    """Draw the page that leads to the counter; it tells nothing about anybody."""
    again = request.query.get("again", "")
    return await draw(request, "welcome.html", next=safe_next(request.query.get("next", "/")), again=again if again in {"1", "2", "3"} else "")


async def health(request: web.Request) -> web.Response:
    """Say that the desk answers, and whether the enforcer does."""
    return web.json_response({"ok": True, "enforcer": request.app[PARTS].follower.reachable})
