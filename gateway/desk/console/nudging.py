"""催办 for pages and the API alike: who may, whom it reaches, and the words where it cannot be."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from gateway.desk.api.problems import problem_body
from gateway.desk.console.page import directory, draw, local
from gateway.desk.console.submissions import may_read
from gateway.desk.notify.nudges import NotNudged, Nudge, NudgeReused
from gateway.desk.parts import LANG, PARTS, WHO
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.desk.socket_client import Unavailable

STATUS = {"nudged": 429, "not_waiting": 409, "nobody": 409, "no_way": 409}


async def nudge(request: web.Request, submission: str, command: str) -> tuple[Nudge, Directory]:
    """Nudge an item that this person may read, and return what was sent.

    Raises:
        HTTPNotFound: there is no such item for this person.
        Unavailable: the enforcer cannot be asked whether the session stands, so nobody is told anything in its name.
        NotNudged, NudgeReused: see there.
    """
    parts, who = request.app[PARTS], request[WHO]
    if not (who.asked and parts.follower.reachable):
        raise Unavailable("session")
    names = await directory(request)
    async with parts.sessions() as session:
        row = await session.get(SubmissionRow, submission)
    if row is None or not may_read(who, names, row.author, row.unit):
        raise web.HTTPNotFound
    return await parts.nudges.nudge(row, names, by=who.person, command=command), names


def problem(refused: NotNudged, names: Directory, lang: str) -> dict[str, Any]:
    """Return the problem that says why nobody was told, and whom to ask in person."""
    ask = [{"person": p.id, "name": p.name, "office": p.title, "extension": p.extension} for p in refused.ask]
    more: dict[str, Any] = {"ask": ask}
    if refused.last is not None:
        at, again = local(refused.last.at, "%H:%M"), local(refused.last.next_at, "%H:%M")
        by = names.name(refused.last.by)
        more["detail"] = f"{by} nudged at {at}; again from {again}" if lang == "en" else f"{by} {at} 已催办，{again} 后可再催"
        more["next_at"] = refused.last.next_at
    return problem_body(lang, STATUS[refused.code], refused.code, **more)


async def act(request: web.Request) -> web.StreamResponse:
    """催办 from a page."""
    identifier = request.match_info["submission"]
    command = str((await request.post()).get("command", ""))
    if not re.fullmatch("[0-9a-f]{32}", command):
        raise web.HTTPNotFound
    back = f"/submissions/{identifier}"
    try:
        await nudge(request, identifier, command)
    except NotNudged as refused:
        found = problem(refused, await directory(request), request[LANG])
        return await draw(request, "problem.html", status=found["status"], problem=found, back=back)
    except NudgeReused as error:
        raise web.HTTPConflict from error
    except Unavailable:
        return await draw(request, "unavailable.html", status=503, back=back)
    return web.Response(status=303, headers={"Location": back})
