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
from sqlalchemy import select

from gateway.config import Notices
from gateway.desk.notify.messages import Message
from gateway.desk.notify.senders import NotSent, Senders, robot_body
from gateway.desk.notify.tables import NoticeRow
from gateway.sandbox.running import listening
from tests.gateway.desk.conftest import open_place
from tests.gateway.desk.story import submit

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
