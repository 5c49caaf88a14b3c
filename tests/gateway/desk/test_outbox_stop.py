"""A desk that stops finishes every notice that is on its way, not only the first."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from gateway.clock import Clock
from gateway.config import Notices
from gateway.desk.app import WORDS
from gateway.desk.database import migrate, open_engine, sessions
from gateway.desk.notify.messages import Message
from gateway.desk.notify.outbox import Outbox
from gateway.desk.notify.senders import Senders
from gateway.desk.notify.tables import NoticeRow
from gateway.desk.settings import DeskSettings
from gateway.sandbox.running import listening
from gateway.web.i18n import Catalogue


async def test_a_stop_waits_for_every_notice_on_its_way(tmp_path: Path) -> None:
    """Two notices are on their way when the desk stops; it is over only when both have been sent and marked."""
    gates = {"one": asyncio.Event(), "two": asyncio.Event()}
    arrived: set[str] = set()

    async def robot(request: web.Request) -> web.Response:
        name = json.loads(await request.read())["text"]["content"].split("\n")[0]
        arrived.add(name)
        await gates[name].wait()
        return web.json_response({"errcode": 0})

    app = web.Application()
    app.router.add_post("/robot", robot)
    migrate(tmp_path / "desk.db")
    engine, now = open_engine(tmp_path / "desk.db"), Clock().now
    opened = sessions(engine)
    async with listening(app) as url:
        notices = Notices(robot=f"{url}/robot", robot_kind="wecom")
        told = DeskSettings(
            data=tmp_path, socket=tmp_path / "none", desk_url="http://desk.localhost", counter_url="http://counter.localhost", kind="sandbox", notices=notices)
        outbox = Outbox(told, opened, Senders(notices), Catalogue.load(WORDS), now)
        async with opened.begin() as session:
            for name in gates:
                message = Message(key=name, person=None, subject=name, text=name, link="http://desk.localhost/", group=(name, name))
                assert await session.run_sync(outbox.write, message, now()) == 1

        async def states() -> list[str]:
            async with opened() as session:
                return sorted(await session.scalars(select(NoticeRow.state)))

        async with asyncio.timeout(60):
            sending = asyncio.create_task(outbox.send_due())
            while len(arrived) < 2:
                await asyncio.sleep(0.01)
            sending.cancel()
            gates["one"].set()
            while await states() != ["sent", "waiting"]:
                await asyncio.sleep(0.01)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not sending.done(), "it left while a notice was on its way"
            gates["two"].set()
            with pytest.raises(asyncio.CancelledError):
                await sending
        assert await states() == ["sent", "sent"]
    await engine.dispose()
