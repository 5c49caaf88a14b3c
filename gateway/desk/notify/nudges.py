"""催办: a notice to those an item waits for, at most one in two hours an item, remembered here with its time.

It decides nothing and signs nothing: the queue, the window and the route stay as they are. Who is told is read from the read model at
that moment, by the offices of the open stages; whoever nudges is never told themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gateway.desk.database import Sessions
from gateway.desk.notify.messages import nudge_messages
from gateway.desk.notify.outbox import Outbox
from gateway.desk.notify.tables import NudgeRow
from gateway.desk.readmodel.directory import Directory, Person
from gateway.desk.readmodel.submissions import SubmissionRow
from gateway.protocol import instants
from gateway.protocol.instants import Instant

PAUSE_SECONDS: Final = 2 * 3600
"""One nudge an item in this time, whoever asks (product.md section 1, J1 S4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudge:
    """One nudge: when, by whom, which people were told, and from when on the next one may go."""

    at: Instant
    by: str
    sent_to: tuple[str, ...]
    next_at: Instant


class NotNudged(Exception):
    """Nobody was told. `code` is nudged, not_waiting, nobody or no_way; `ask` are people to be asked in person instead."""

    def __init__(self, code: str, *, ask: Sequence[Person] = (), last: Nudge | None = None) -> None:
        super().__init__(code)
        self.code, self.ask, self.last = code, tuple(ask), last


class NudgeReused(Exception):
    """One command id came for two items."""


def awaited(row: SubmissionRow, names: Directory, now: Instant, *, apart_from: str = "") -> list[Person]:
    """Return the people who could do an open stage of the item now, without `apart_from`."""
    stages = [stage for stage in row.stages if stage["id"] in row.waiting]
    people = {person.id: person for stage in stages for person in names.stage_people(stage, now, row.author)}
    return [person for person in people.values() if person.id != apart_from]


class Nudges:
    """Sends and remembers nudges."""

    def __init__(self, sessions: Sessions, outbox: Outbox, now: Callable[[], Instant]) -> None:
        self._sessions, self._outbox, self._now = sessions, outbox, now

    async def last(self, *submissions: str) -> Mapping[str, Nudge]:
        """Return the newest nudge of each of these items, by id."""
        query = select(NudgeRow).where(NudgeRow.submission.in_(submissions)).order_by(NudgeRow.at)
        async with self._sessions() as session:
            return {row.submission: _nudge(row) for row in await session.scalars(query)}

    async def nudge(self, row: SubmissionRow, names: Directory, *, by: str, command: str) -> Nudge:
        """Tell those whom the item waits for; a repeated command of the same person gives the same answer.

        Raises:
            NotNudged: see there; nothing was written.
            NudgeReused: the command id was used for another item.
        """
        try:
            return await self._nudge(row, names, by, command)
        except IntegrityError:  # another nudge of this item, or the same command, was written between our look and our write
            return await self._nudge(row, names, by, command)

    async def _nudge(self, row: SubmissionRow, names: Directory, by: str, command: str) -> Nudge:
        now = self._now()
        async with self._sessions.begin() as session:
            made = await session.run_sync(self._write, row, names, by, command, now)
        self._outbox.wake()
        return made

    def _write(self, session: Session, row: SubmissionRow, names: Directory, by: str, command: str, now: Instant) -> Nudge:
        known = session.scalar(select(NudgeRow).where(NudgeRow.by == by, NudgeRow.command == command))
        if known is not None:
            if known.submission != row.id:
                raise NudgeReused(command)
            return _nudge(known)
        here = session.get(SubmissionRow, row.id)  # as it stands now: it may have been decided since the page was asked for
        if here is None:
            raise NotNudged("not_waiting")
        row, people = here, _to_tell(here, names, by, now)
        last = session.scalar(select(NudgeRow).where(NudgeRow.submission == row.id).order_by(NudgeRow.at.desc()).limit(1))
        if last is not None and now < (done := _nudge(last)).next_at:
            raise NotNudged("nudged", ask=people, last=done)
        told = self._tell(session, row, names, people, by, now)
        made = NudgeRow(submission=row.id, after=last.at if last is not None else "", at=now, by=by, command=command, sent_to=told)
        session.add(made)
        session.flush()
        return _nudge(made)

    def _tell(self, session: Session, row: SubmissionRow, names: Directory, people: Sequence[Person], by: str, now: Instant) -> list[str]:
        """Write the notices and return whom they reach; the group hears it once, for all of them."""
        told = []
        for person, message in zip(people, nudge_messages(self._outbox.writing(session), row, people, names.name(by), now), strict=True):
            if self._outbox.write(session, message, now) or "robot" in self._outbox.ways:
                told.append(person.id)
        if not told:
            raise NotNudged("no_way", ask=people)
        return told


def _to_tell(row: SubmissionRow, names: Directory, by: str, now: Instant) -> list[Person]:
    if not row.waiting:
        raise NotNudged("not_waiting")
    people = awaited(row, names, now, apart_from=by)
    if not people:
        governors = [p for office in ("sysadmin", "founder") for p in names.holders(office, names.group, now)]
        raise NotNudged("nobody", ask=list({p.id: p for p in governors}.values()))
    return people


def _nudge(row: NudgeRow) -> Nudge:
    at = Instant(row.at)
    return Nudge(at=at, by=row.by, sent_to=tuple(row.sent_to), next_at=instants.plus(at, PAUSE_SECONDS))
