"""The two ways out: mail by SMTP in a thread, and one group robot's webhook in the shapes of WeCom, DingTalk and Feishu."""

from __future__ import annotations

import asyncio
import hashlib
import json
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp

from gateway.config import Notices
from gateway.desk.notify.messages import Message

DEADLINE: Final = 15.0
ANSWER_LIMIT: Final = 65_536
_NO_CALLS: Final = str.maketrans("<>", "＜＞")
"""In these robots `<…>` calls people; a title never does."""


class NotSent(Exception):
    """The notice did not go out; it is tried again."""


def robot_body(kind: str, message: Message) -> dict[str, Any]:
    """Return the webhook body for a robot of `kind` (WeCom group robot `text`, DingTalk `text`, Feishu `text`, or plain `json`).

    An urgent message calls everybody in the group, in each robot's own way.
    """
    text = f"{message.text}\n{message.link}"
    if kind in {"wecom", "feishu"}:
        text = text.translate(_NO_CALLS)
    if kind == "wecom":
        return {"msgtype": "text", "text": {"content": text, **({"mentioned_list": ["@all"]} if message.urgent else {})}}
    if kind == "dingtalk":
        return {"msgtype": "text", "text": {"content": text}, **({"at": {"isAtAll": True}} if message.urgent else {})}
    if kind == "feishu":
        call = '<at user_id="all">所有人</at> ' if message.urgent else ""
        return {"msg_type": "text", "content": {"text": call + text}}
    return {"subject": message.subject, "text": message.text, "link": message.link, **({"urgent": True} if message.urgent else {})}


class Senders:
    """Knows the configured ways; with none configured nobody is told, and the status page says so."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    @property
    def ways(self) -> tuple[str, ...]:
        """The configured ways."""
        return tuple(way for way, on in (("mail", self._notices.smtp), ("robot", self._notices.robot)) if on)

    def addresses(self, message: Message) -> list[tuple[str, str]]:
        """Return where a message goes: the person's mail, and the group's robot once."""
        found = []
        if self._notices.smtp and message.mail:
            found.append(("mail", message.mail))
        if self._notices.robot and message.group is not None:
            found.append(("robot", "group"))
        return found

    async def send(self, way: str, address: str, message: Message) -> None:
        """Send one message.

        Raises:
            NotSent: the server refused or did not answer.
        """
        try:
            if way == "mail":
                await asyncio.to_thread(self._mail, address, message)
            else:
                await self._robot(message)
        except NotSent:
            raise
        except Exception as error:  # whatever is wrong with one notice or one address must not keep the others from going out
            said = str(error) if way == "mail" else _without_address(error)
            raise NotSent(f"{type(error).__name__}: {said}") from error

    def _mail(self, address: str, message: Message) -> None:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = _header(message.subject), self._notices.sender, _one(address)
        # A notice that goes out twice (the desk was killed before it could note the first) carries the same id: mail programs show it once.
        mail["Date"], mail["Message-ID"] = formatdate(localtime=False), f"<{hashlib.sha256(message.key.encode()).hexdigest()[:40]}@qianfa.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        if message.urgent:
            mail["X-Priority"], mail["Importance"] = "1", "high"
        mail.set_content(f"{message.text}\n\n{message.link}\n")
        parts = urlsplit(self._notices.smtp)
        with smtplib.SMTP(parts.hostname or "", parts.port or 25, timeout=DEADLINE) as server:
            server.ehlo_or_helo_if_needed()
            if parts.username and self._notices.smtp_password_file:
                if not server.has_extn("starttls"):
                    raise NotSent("the mail server offers no STARTTLS, and a password is not sent in the clear")
                server.starttls(context=ssl.create_default_context())
                password = self._notices.smtp_password_file.read_text(encoding="utf-8").strip()
                server.login(unquote(parts.username), password)
            elif server.has_extn("starttls"):
                server.starttls()
            server.send_message(mail)

    async def _robot(self, message: Message) -> None:
        body = json.dumps(robot_body(self._notices.robot_kind, message), ensure_ascii=False).encode()
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(self._notices.robot, data=body, headers={"Content-Type": "application/json"}, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise NotSent(f"status {response.status}")
            if self._notices.robot_kind in {"wecom", "dingtalk", "feishu"}:
                _check_answer(await _whole(response))


def _without_address(error: Exception) -> str:
    """Return what the system says of a fault, and nothing of what the client says: it may spell the robot's address, which holds the key."""
    return (error.strerror or "") if isinstance(error, OSError) else ""


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole answer, however many pieces it comes in: half of one would pass for a refusal, and the group be told again."""
    answer = bytearray()
    async for piece in response.content.iter_chunked(ANSWER_LIMIT):
        answer += piece
        if len(answer) > ANSWER_LIMIT:
            raise NotSent("the robot's answer is too long")
    return bytes(answer)


def _check_answer(answer: bytes) -> None:
    """These robots answer 200 with an error inside: `errcode` (WeCom, DingTalk) or `code` (Feishu) other than 0."""
    try:
        value = json.loads(answer)
    except ValueError as error:
        raise NotSent("the robot's answer is no JSON") from error
    if not isinstance(value, dict) or value.get("errcode", value.get("code", 0)) != 0:
        raise NotSent(f"the robot refused: {answer[:200]!r}")


def _header(text: str) -> str:
    return " ".join(text.split())


def _one(address: str) -> Address:
    """Return exactly one address: what holds a list, a name or another header is none.

    Raises:
        ValueError: it is not one address.
    """
    made = Address(addr_spec=address)
    if made.addr_spec != address or not made.domain or any(character in address for character in ' ,;<>"()'):
        raise ValueError("not one mail address")
    return made
