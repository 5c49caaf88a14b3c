"""The desk's parts, put together once, and the keys under which requests find them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.desk.database import Sessions
from gateway.desk.drafts.handing_in import HandingIn
from gateway.desk.drafts.store import Drafts
from gateway.desk.notify.nudges import Nudges
from gateway.desk.notify.outbox import Outbox
from gateway.desk.readmodel.directory import Directory
from gateway.desk.readmodel.follower import Follower
from gateway.desk.settings import DeskSettings
from gateway.desk.socket_client import CommandSocket
from gateway.protocol.instants import Instant
from gateway.web.i18n import Catalogue


@dataclass(slots=True, kw_only=True)
class Parts:
    """See each field."""

    settings: DeskSettings
    engine: AsyncEngine
    sessions: Sessions
    socket: CommandSocket
    follower: Follower
    drafts: Drafts
    handing_in: HandingIn
    outbox: Outbox
    nudges: Nudges
    words: Catalogue
    now: Callable[[], Instant]
    directory: tuple[int, Directory] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The person behind a request. `asked` is false while the enforcer cannot be asked and an earlier answer stands in."""

    person: str
    name: str
    title: str
    unit: str
    unit_name: str
    offices: tuple[tuple[str, str], ...]
    token: str
    device: bool
    asked: bool

    def holds(self, *offices: str) -> bool:
        """Return whether the person holds one of these offices."""
        return any(office in offices for office, _ in self.offices)


PARTS = web.AppKey("parts", Parts)
WHO: web.RequestKey[Who] = web.RequestKey("who", Who)
LANG: web.RequestKey[str] = web.RequestKey("lang", str)
