"""The ways out as an attacker or a bad day finds them: addresses that are none, headers in titles, half answers, mail servers without TLS."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import Clock
from gateway.config import Notices
from gateway.desk.app import WORDS
from gateway.desk.database import migrate, open_engine, sessions
from gateway.desk.notify import senders
from gateway.desk.notify.messages import Message
from gateway.desk.notify.outbox import Outbox
from gateway.desk.notify.senders import ANSWER_LIMIT, NotSent, Senders
from gateway.desk.notify.tables import NoticeRow
from gateway.desk.settings import DeskSettings
from gateway.sandbox.running import listening
from gateway.web.i18n import Catalogue
from tests.gateway.desk.test_notify import mail_server

SENDER = "qianfa@heting.example"
ADDRESSES = (
    "gu@heting.example, boss@evil.example", "gu@heting.example\r\nBcc: boss@evil.example", "gu@heting.example;boss@evil.example", "a@[::", "b<", "", "a@",
    "@heting.example", ", .=.=]]", "\ud800>[[", "顾@heting.example", '"gu boss"@heting.example', "gu@heting.example (boss@evil.example)",
)


def message(text: str = "t", **over: Any) -> Message:
    """Return a message to one person."""
    return Message(**{"key": "k", "person": None, "subject": text, "text": text, "link": "http://desk.localhost/", **over})


@pytest.mark.parametrize("address", ADDRESSES)
async def test_what_is_not_one_address_gets_nothing(address: str) -> None:
    """Attack: an address that is a list, holds a header, or breaks the library that reads it; nothing is sent, and it is said as a failed notice."""
    async with mail_server() as (server, smtp):
        with pytest.raises(NotSent):
            await Senders(Notices(smtp=smtp, sender=SENDER)).send("mail", address, message())
        assert server.mails == []


async def test_a_title_makes_no_header(tmp_path: Path) -> None:
    """Attack: line breaks of every kind in a title; the mail has one subject and nobody else is told."""
    async with mail_server() as (server, smtp):
        title = "a\r\nBcc: boss@evil.example\n\rX-Evil: 1\u2028y\x0bz"
        await Senders(Notices(smtp=smtp, sender=SENDER)).send("mail", "gu@heting.example", message(title))
        ((to, mail),) = server.mails
    assert to == "gu@heting.example"
    assert mail["Subject"] == "a Bcc: boss@evil.example X-Evil: 1 y z"
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert mail["To"] == "gu@heting.example"


async def test_one_bad_notice_keeps_no_other_back(tmp_path: Path) -> None:
    """An address that nobody can write to is tried again later and noted; the notice behind it goes out in the same round."""
    migrate(tmp_path / "desk.db")
    engine, now = open_engine(tmp_path / "desk.db"), Clock().now
    async with mail_server() as (server, smtp):
        notices = Notices(smtp=smtp, sender=SENDER)
        settings = DeskSettings(
            data=tmp_path, socket=tmp_path / "none", desk_url="http://desk.localhost", counter_url="http://c.localhost", kind="sandbox", notices=notices)
        outbox = Outbox(settings, sessions(engine), Senders(notices), Catalogue.load(WORDS), now)
        async with sessions(engine).begin() as session:
            for key, address in (("first", "a@[::"), ("second", "gu@heting.example")):
                await session.run_sync(lambda s, k=key, a=address: outbox.write(s, message(key=k, mail=a), now()))
        assert await outbox.send_due() == 1
        assert [to for to, _ in server.mails] == ["gu@heting.example"]
        async with sessions(engine)() as session:
            bad, good = await session.get(NoticeRow, "first|mail|a@[::"), await session.get(NoticeRow, "second|mail|gu@heting.example")
    await engine.dispose()
    assert bad is not None
    assert good is not None
    assert (bad.state, bad.tries, bool(bad.error)) == ("waiting", 1, True)
    assert (good.state, good.tries) == ("sent", 1)


async def _answering(pieces: list[bytes]) -> tuple[web.Application, list[int]]:
    """Return a robot that answers in pieces, each on its own, and how often it was asked."""
    asked: list[int] = []

    async def robot(request: web.Request) -> web.StreamResponse:
        asked.append(len(await request.read()))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.05)
        return response

    app = web.Application()
    app.router.add_post("/robot", robot)
    return app, asked


@pytest.mark.parametrize(("pieces", "heard"), [
    ([b'{"err', b'code":', b" 0}"], True), ([b'{"errcode":', b"93000}"], False), ([b'{"errcode": 0', b" " * ANSWER_LIMIT, b"}"], False), ([b'{"err'], False),
])
async def test_a_robots_answer_is_read_whole(pieces: list[bytes], heard: bool) -> None:
    """An answer in pieces is one answer, so that the group is not told twice; one without an end is refused."""
    app, asked = await _answering(pieces)
    async with listening(app) as url:
        sending = Senders(Notices(robot=f"{url}/robot", robot_kind="wecom")).send("robot", "group", message())
        if heard:
            await sending
        else:
            with pytest.raises(NotSent):
                await sending
    assert len(asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_robot_that_leads_elsewhere_is_not_followed(status: int) -> None:
    """E5, E12: titles and names go to the configured address alone; an answer that names another is a failure."""
    elsewhere, asked = await _answering([b'{"errcode": 0}'])
    async with listening(elsewhere) as other:
        async def lead(_request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{other}/robot"})

        app = web.Application()
        app.router.add_post("/robot", lead)
        async with listening(app) as url:
            with pytest.raises(NotSent, match=str(status)):
                await Senders(Notices(robot=f"{url}/robot", robot_kind="wecom")).send("robot", "group", message())
    assert asked == []


async def test_a_robots_key_stands_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noted of a failed notice never holds the robot's address: refused, not answered, or no address, however it is spelt."""
    monkeypatch.setattr(senders, "DEADLINE", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as callers:
        for _ in range(4):  # the queue is full: who calls now waits until the deadline
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        for robot in ("http://127.0.0.1:9/hook/canary?key=canary-5d1f", f"http://LOCALHOST.:{deaf.getsockname()[1]}/%63anary?key=%63anary-5d1f",
                      f"http://127.0.0.1:{deaf.getsockname()[1]}/hook/canary?key=canary-5d1f", "http://127.0.0.1:99999/canary?key=%63anary"):
            with pytest.raises(NotSent) as refused:
                await Senders(Notices(robot=robot, robot_kind="wecom")).send("robot", "group", message())
            assert "anary" not in str(refused.value)


class TlsMailServer:
    """A mail server that may offer STARTTLS (RFC 3207) and remembers every line that it was sent before and after it."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.before: list[bytes] = []
        self.after: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client."""
        writer.write(b"220 test\r\n")
        secure = False
        while line := await reader.readline():
            (self.after if secure else self.before).append(line)
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-test\r\n" + (b"250-STARTTLS\r\n" if self.context is not None and not secure else b"") + b"250 AUTH PLAIN\r\n")
            elif verb == b"STAR" and self.context is not None:
                writer.write(b"220 go\r\n")
                try:
                    await writer.start_tls(self.context)
                except (ssl.SSLError, ConnectionError):
                    return
                secure = True
            elif verb == b"AUTH":
                writer.write(b"235 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 ok\r\n")
            else:
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    break
        writer.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the loopback address that only who is told so trusts."""
    key, made = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return key, made


@pytest.mark.parametrize("offer", ["nothing", "untrusted", "trusted"])
async def test_a_password_travels_only_to_a_mail_server_that_proved_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offer: str) -> None:
    """Attack: somebody on the way takes STARTTLS out, or answers with a certificate of their own; neither sees the password."""
    key, made = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    password = tmp_path / "password"
    password.write_text("herbst-2026\n")
    if offer == "trusted":
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
    server = TlsMailServer(None if offer == "nothing" else context)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        sending = Senders(Notices(smtp=f"smtp://qianfa@127.0.0.1:{port}", smtp_password_file=password, sender=SENDER)).send(
            "mail", "gu@heting.example", message())
        if offer == "trusted":
            await sending
        else:
            with pytest.raises(NotSent):
                await sending
    plain = base64.b64encode(b"\0qianfa\0herbst-2026")
    assert not [line for line in server.before if b"AUTH" in line]
    assert [plain in line for line in server.after if line.startswith(b"AUTH")] == ([True] if offer == "trusted" else [])
    assert bool([line for line in server.after if line.upper().startswith(b"DATA")]) == (offer == "trusted")
