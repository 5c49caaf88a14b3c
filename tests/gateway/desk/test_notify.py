"""Notices: a real mail server and a real webhook get one line with a link to one item; failures are tried again, nothing twice."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import delete, select

from gateway.clock import Clock
from gateway.config import Notices
from gateway.desk.app import WORDS
from gateway.desk.database import migrate, open_engine, sessions
from gateway.desk.notify.messages import Message
from gateway.desk.notify.outbox import Outbox
from gateway.desk.notify.senders import NotSent, Senders, robot_body
from gateway.desk.notify.tables import NoticeRow
from gateway.desk.readmodel.follower import Follower
from gateway.desk.readmodel.projection import Projection
from gateway.desk.settings import DeskSettings
from gateway.desk.socket_client import CommandSocket
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from gateway.sandbox.running import listening
from gateway.web.i18n import Catalogue
from tests.gateway.desk.conftest import Place, open_place
from tests.gateway.desk.story import publish, submit, withdraw_at_once

TITLE = "秋收之后，我们把水管修到了地头"


class MailServer:
    """A small SMTP server (RFC 5321) that keeps what it was given and may refuse the first mails."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Any]] = []
        self.refuse = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client."""
        writer.write(b"220 test\r\n")
        to = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb in {b"EHLO", b"HELO", b"MAIL", b"RSET"}:
                writer.write(b"250 ok\r\n")
            elif verb == b"RCPT":
                to = line.decode().split("<")[1].split(">")[0]
                self.refuse -= 1
                writer.write(b"451 later\r\n" if self.refuse >= 0 else b"250 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append((to, email.message_from_bytes(data[:-5], policy=email.policy.default)))
                writer.write(b"250 ok\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
        writer.close()


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[MailServer, str]]:
    """Run a mail server on loopback."""
    made = MailServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        yield made, f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_next_signer_is_told_once_with_a_link_to_that_item(tmp_path: Path) -> None:
    """A submission mails exactly its next signers and the group; a refused mail is tried again; reading the log again sends nothing twice."""
    heard: list[Any] = []

    async def robot(request: web.Request) -> web.Response:
        heard.append(json.loads(await request.read()))
        return web.json_response({"errcode": 0})

    app = web.Application()
    app.router.add_post("/robot", robot)
    async with mail_server() as (server, smtp), listening(app) as url:
        notices = Notices(smtp=smtp, sender="qianfa@heting.example", robot=f"{url}/robot", robot_kind="wecom")
        server.refuse = 1
        async with open_place(tmp_path, notices=notices) as place:
            submission = await submit(await place.browser("lu"), TITLE, place.channel())
            await place.caught_up()
            key = f"waiting:{submission}:1"
            async with asyncio.timeout(20):
                while not any(submission in item["text"]["content"] for item in heard):
                    await asyncio.sleep(0.05)
            async with place.parts.sessions.begin() as session:
                row = await session.scalar(select(NoticeRow).where(NoticeRow.key.startswith(key), NoticeRow.way == "mail"))
                assert row is not None
                row.next_at = place.parts.now()
            await place.parts.outbox.send_due()
            async with asyncio.timeout(20):
                while not (mine := [(to, mail) for to, mail in server.mails if TITLE in mail["Subject"]]):
                    await asyncio.sleep(0.05)
                    await place.parts.outbox.send_due()
            ((to, mail),) = mine
            assert to == "gu@heting.example"
            assert f"{place.settings.counter_url}/s/item/{submission}" in mail.get_content()
            assert "支管" not in mail.get_content() + mail["Subject"]
            before = len(server.mails) + len(heard)
            await place.parts.follower.rebuild()
            while place.parts.follower.next < place.house.state.size:
                await place.parts.follower.step()
            await place.parts.outbox.send_due()
            assert len(server.mails) + len(heard) == before


async def test_an_emergency_reaches_everyone_once(tmp_path: Path) -> None:
    """Everyone's mail and the whole group hear of it; a desk that was down tells them at its start, and no restart or rebuild tells them again."""
    heard: list[Any] = []

    async def robot(request: web.Request) -> web.Response:
        heard.append(json.loads(await request.read()))
        return web.json_response({"errcode": 0})

    app = web.Application()
    app.router.add_post("/robot", robot)
    async with mail_server() as (server, smtp), listening(app) as url:
        notices = Notices(smtp=smtp, sender="qianfa@heting.example", robot=f"{url}/robot", robot_kind="wecom")
        async with open_place(tmp_path, notices=notices) as place:
            publication = await publish(place, await place.browser("lu"), TITLE)
            await place.parts.outbox.send_due()
            await place.stop_desk()  # it happens while nobody follows
            submission = await withdraw_at_once(place, "xu", publication)
            server.mails.clear()
            heard.clear()
            await place.start_desk()
            async with asyncio.timeout(60):
                while len(_urgent(server)) < len(place.staffed.people) or not [item for item in heard if "应急撤稿" in item["text"]["content"]]:
                    await asyncio.sleep(0.05)
            assert sorted(_urgent(server)) == sorted(f"{who}@heting.example" for who in place.staffed.people)
            (call,) = [item for item in heard if "应急撤稿" in item["text"]["content"]]
            assert call["text"]["mentioned_list"] == ["@all"]
            assert f"{place.settings.desk_url}/submissions/{submission}" in call["text"]["content"]
            assert "许文澜" in call["text"]["content"]
            assert "数据有误" not in call["text"]["content"]
            await _told_again_by_nothing(place, server, heard)
            page = await (await place.browser("lin")).get(f"/submissions/{submission}")  # another unit reads it too
            assert page.status == 200
            assert "应急撤稿" in (await (await place.browser("he")).get("/")).text


def _urgent(server: MailServer) -> list[str]:
    return [to for to, mail in server.mails if mail["X-Priority"] == "1"]


async def _told_again_by_nothing(place: Place, server: MailServer, heard: list[Any]) -> None:
    before, ids = len(server.mails) + len(heard), {mail["Message-ID"] for _, mail in server.mails}
    await place.stop_desk()
    await place.start_desk()
    await place.parts.follower.rebuild()
    while place.parts.follower.next < place.house.state.size:
        await place.parts.follower.step()
    await place.parts.outbox.send_due()
    again = [item for item in heard if "应急撤稿" in item["text"]["content"]]
    assert len(again) == 1
    assert len({mail["Message-ID"] for _, mail in server.mails if mail["X-Priority"]}) == len(place.staffed.people)
    # Killed between sending and noting it, the desk sends once more under the same id, which mail programs show once.
    async with place.parts.sessions.begin() as session:
        row = await session.scalar(select(NoticeRow).where(NoticeRow.urgent == 1, NoticeRow.way == "mail"))
        assert row is not None
        row.state, row.next_at = "waiting", place.parts.now()
    assert await place.parts.outbox.send_due() <= 1
    async with asyncio.timeout(20):
        while len(server.mails) + len(heard) < before + 1:
            await asyncio.sleep(0.02)
    assert server.mails[-1][1]["Message-ID"] in ids


class Asked:
    """The real socket, with how long each question for news was ready to wait."""

    def __init__(self, socket: CommandSocket) -> None:
        self._socket = socket
        self.waits: list[str] = []

    async def get(self, path: str, *, params: list[tuple[str, str]], deadline: float) -> Any:
        """Ask for news."""
        self.waits.append(dict(params)["wait"])
        return await self._socket.get(path, params=params, deadline=deadline)


async def test_a_desk_that_starts_with_nothing_new_is_not_cut_off(place: Place) -> None:
    """It asks at once and says at once how far it is; only then does it wait for news."""
    parts, size = place.parts, place.house.state.size
    asked = Asked(parts.socket)
    follower = Follower(asked, parts.sessions, parts.outbox.told, parts.outbox.wake)  # type: ignore[arg-type] # it asks for news only
    running = asyncio.create_task(follower.run())
    async with asyncio.timeout(30):
        assert await follower.reached(size - 1, 300)
        while not follower.reachable:
            await asyncio.sleep(0.01)
        while len(asked.waits) < 2:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asked.waits == ["0", "20"]
    assert (follower.next, follower.size) == (size, size)


async def test_urgent_notices_overtake_what_waits(tmp_path: Path) -> None:
    """The newest urgent notice is taken before the oldest ordinary one."""
    migrate(tmp_path / "desk.db")
    engine = open_engine(tmp_path / "desk.db")
    settings = DeskSettings(data=tmp_path, socket=tmp_path / "none", desk_url="http://desk.localhost", counter_url="http://c.localhost", kind="sandbox")
    outbox = Outbox(settings, sessions(engine), Senders(Notices(robot="http://127.0.0.1:9/", robot_kind="wecom")), Catalogue.load(WORDS), Clock().now)
    now = Clock().now()
    async with sessions(engine).begin() as session:
        for number, key in enumerate(("old", "new", "emergency")):
            message = Message(key=key, person=None, subject="s", text="t", link="l", group=("s", "t"), urgent=key == "emergency")
            await session.run_sync(lambda s, m=message, n=number: outbox.write(s, m, instants.plus(now, n - 10)))
    taken = [(await outbox._take()), (await outbox._take()), (await outbox._take()), (await outbox._take())]
    await engine.dispose()
    assert [row.key.split("|")[0] if row else None for row in taken] == ["emergency", "old", "new", None]


async def test_a_stop_waits_for_the_send_under_way(tmp_path: Path) -> None:
    """Stopped in the middle of a send, the outbox ends it and notes it, and takes no further one."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        begun.set()
        await go.wait()
        return web.json_response({"errcode": 0})

    app = web.Application()
    app.router.add_post("/robot", slow)
    migrate(tmp_path / "desk.db")
    engine = open_engine(tmp_path / "desk.db")
    async with listening(app) as url:
        settings = DeskSettings(data=tmp_path, socket=tmp_path / "none", desk_url="http://desk.localhost", counter_url="http://c.localhost", kind="sandbox")
        senders = Senders(Notices(robot=f"{url}/robot", robot_kind="wecom"))
        outbox = Outbox(settings, sessions(engine), senders, Catalogue.load(WORDS), Clock().now)
        async with sessions(engine).begin() as session:
            await session.run_sync(lambda s: outbox.write(s, Message(key="k", person=None, subject="s", text="t", link="l", group=("s", "t")), Clock().now()))
        running = asyncio.create_task(outbox.run())
        await begun.wait()
        running.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with sessions(engine)() as session:
            row = await session.get(NoticeRow, "k|robot|group")
    await engine.dispose()
    assert row is not None
    assert (row.state, row.tries) == ("sent", 1)


@pytest.mark.parametrize(("kind", "body"), [
    ("wecom", {"msgtype": "text", "text": {"content": "＜@all＞\nl", "mentioned_list": ["@all"]}}),
    ("dingtalk", {"msgtype": "text", "text": {"content": "<@all>\nl"}, "at": {"isAtAll": True}}),
    ("feishu", {"msg_type": "text", "content": {"text": '<at user_id="all">所有人</at> ＜@all＞\nl'}}),
    ("json", {"subject": "s", "text": "<@all>", "link": "l", "urgent": True}),
])
def test_an_urgent_message_calls_everybody_and_a_title_calls_nobody(kind: str, body: dict[str, Any]) -> None:
    """Each robot has its own way to call all; what stands in a title is no such call."""
    assert robot_body(kind, Message(key="k", person=None, subject="s", text="<@all>", link="l", urgent=True)) == body


@pytest.mark.parametrize(("kind", "body"), [
    ("wecom", {"msgtype": "text", "text": {"content": "t\nl"}}), ("dingtalk", {"msgtype": "text", "text": {"content": "t\nl"}}),
    ("feishu", {"msg_type": "text", "content": {"text": "t\nl"}}), ("json", {"subject": "s", "text": "t", "link": "l"}),
])
def test_each_robot_gets_its_own_shape(kind: str, body: dict[str, Any]) -> None:
    """WeCom, DingTalk, Feishu and the plain webhook are spoken to in their own shape."""
    assert robot_body(kind, Message(key="k", person=None, subject="s", text="t", link="l")) == body


@pytest.mark.parametrize(("answer", "status"), [({"errcode": 93000}, 200), ({"code": 19024}, 200), ({"errcode": 0}, 500), ({"errcode": 0}, 302)])
async def test_a_robot_that_refuses_was_not_told(answer: dict[str, Any], status: int) -> None:
    """An error inside a 200, a server error and a redirect all count as not sent."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response(answer, status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/robot", refuse)
    async with listening(app) as url:
        senders = Senders(Notices(robot=f"{url}/robot", robot_kind="wecom"))
        with pytest.raises(NotSent):
            await senders.send("robot", "group", Message(key="k", person=None, subject="s", text="t", link="l"))


async def test_old_news_tells_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a read model that is built anew learns again is told while it is a day old at most."""
    async with open_place(tmp_path, notices=Notices(robot="http://127.0.0.1:9/robot", robot_kind="json")) as place:
        submission = await submit(await place.browser("lu"), TITLE, place.channel())
        await place.caught_up()
        (made,) = place.house.entries(EntryType.SUBMISSION_MADE)

        async def told(later: float) -> int:
            now = instants.plus(made.at, later)
            monkeypatch.setattr(place.parts.outbox, "_now", lambda: now)
            async with place.parts.sessions.begin() as session:
                await session.execute(delete(NoticeRow))
                await session.run_sync(
                    lambda inner: place.parts.outbox.told(inner, Projection(session=inner, notices=[("waiting", made, submission)])))
                return len((await session.scalars(select(NoticeRow))).all())

        assert [await told(later) for later in (0, 24 * 3600, 24 * 3600 + 1)] == [1, 1, 0]
