"""The outbox: notices are written in the transaction that learnt of them, then sent with retries, each at most once per key.

Urgent notices (an emergency withdrawal) overtake everything that waits. A few are sent at a time, so that one slow server holds up
nobody else; what was being sent when the desk stops is finished first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.desk.database import Sessions, finished
from gateway.desk.notify.messages import Message, Writing, messages
from gateway.desk.notify.senders import NotSent, Senders
from gateway.desk.notify.tables import KEY_LIMIT, NoticeRow, bounded
from gateway.desk.readmodel.projection import Projection
from gateway.desk.settings import DeskSettings
from gateway.protocol import instants
from gateway.protocol.instants import Instant
from gateway.web.i18n import Catalogue

log = structlog.get_logger("desk.notify")

FRESH_SECONDS: Final = 24 * 3600
LEASE_SECONDS: Final = 120
TRIES: Final = 8
FIRST_PAUSE: Final = 30
AT_A_TIME: Final = 4


class Outbox:
    """Writes and sends notices."""

    def __init__(
        self, settings: DeskSettings, sessions: Sessions, senders: Senders, words: Catalogue, now: Callable[[], Instant],
    ) -> None:
        self._settings, self._sessions, self._senders, self._words, self._now = settings, sessions, senders, words, now
        self._woken = asyncio.Event()
        self._taking = asyncio.Lock()

    @property
    def ways(self) -> tuple[str, ...]:
        """The configured ways out."""
        return self._senders.ways

    def told(self, session: Session, projection: Projection) -> None:
        """Write the notices of a batch; news older than a day (a rebuild, a first start) tells nobody."""
        now, writing = self._now(), self.writing(session)
        for kind, entry, about in projection.notices:
            if instants.seconds_between(entry.at, now) > FRESH_SECONDS:
                continue
            for message in messages(writing, kind, entry, about):
                self.write(session, message, now)

    def writing(self, session: Session) -> Writing:
        """Return what notices are written from in this unit of work."""
        return Writing(session=session, settings=self._settings, words=self._words)

    def wake(self) -> None:
        """Send what was written and committed, at once."""
        self._woken.set()

    def write(self, session: Session, message: Message, now: Instant) -> int:
        """Write one message for each of its addresses and return how many there are; one that stands already is not written again."""
        addresses = self._senders.addresses(message)
        for way, address in addresses:
            self._write(session, message, way, address, now)
        return len(addresses)

    def _write(self, session: Session, message: Message, way: str, address: str, now: Instant) -> None:
        key = bounded(f"{message.key}|{way}|{address}", KEY_LIMIT)
        if session.get(NoticeRow, key) is None:
            subject, text = message.group if way == "robot" and message.group is not None else (message.subject, message.text)
            session.add(NoticeRow(
                key=key, way=way, address=address, subject=subject, text=text, link=message.link, state="waiting", tries=0,
                made_at=now, next_at=now, error="", urgent=int(message.urgent),
            ))
            session.flush()

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            self._woken.clear()
            try:
                await self.send_due()
            except SQLAlchemyError:
                log.exception("the outbox could not be read", action="outbox_failed")
            try:
                async with asyncio.timeout(15):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def send_due(self) -> int:
        """Send what is due now, a few at a time, and return how many went out."""
        done = await asyncio.gather(*(self._drain() for _ in range(AT_A_TIME)), return_exceptions=True)  # so that it waits for all, whatever ends one
        if faults := [one for one in done if isinstance(one, BaseException)]:
            raise faults[0]
        return sum(one for one in done if isinstance(one, int))

    async def _drain(self) -> int:
        total = 0
        while (sent := await finished(self._one())) is not None:
            total += sent
        return total

    async def _one(self) -> int | None:
        row = await self._take()
        return None if row is None else await self._send(row)

    async def _send(self, row: NoticeRow) -> int:
        message = Message(key=row.key, person=None, subject=row.subject, text=row.text, link=row.link, urgent=bool(row.urgent))
        try:
            await self._senders.send(row.way, row.address, message)
        except NotSent as error:
            await self._failed(row, str(error))
            return 0
        await self._mark(row.key, state="sent", error="")
        return 1

    async def _take(self) -> NoticeRow | None:
        """Take the most urgent due notice for two minutes, so that a crash between sending and marking repeats it at most after a pause."""
        async with self._taking:
            now = self._now()
            async with self._sessions.begin() as session:
                query = (
                    select(NoticeRow).where(NoticeRow.state == "waiting", NoticeRow.next_at <= now)
                    .order_by(NoticeRow.urgent.desc(), NoticeRow.next_at).limit(1)
                )
                row = await session.scalar(query)
                if row is not None:
                    row.next_at = instants.plus(now, LEASE_SECONDS)
                    row.tries += 1
            return row

    async def _failed(self, row: NoticeRow, error: str) -> None:
        pause = FIRST_PAUSE * 4 ** min(row.tries - 1, 5)
        state = "given_up" if row.tries >= TRIES else "waiting"
        log.warning("a notice was not sent", action="notice_failed", way=row.way, tries=row.tries, error=error)
        await self._mark(row.key, state=state, error=error[:300], next_at=instants.plus(self._now(), pause))

    async def _mark(self, key: str, **values: str) -> None:
        async with self._sessions.begin() as session:
            await session.execute(update(NoticeRow).where(NoticeRow.key == key).values(**values))
