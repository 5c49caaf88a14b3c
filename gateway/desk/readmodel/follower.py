"""Following the log: ask for what is new, fetch the texts and contents it names, take it in, tell who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway import canonical
from gateway.desk.database import Sessions, finished
from gateway.desk.readmodel.contents import ContentRow, read_content
from gateway.desk.readmodel.projection import Projection, TextRow
from gateway.desk.readmodel.projector import clear, next_seq, project
from gateway.desk.socket_client import CommandSocket, Problem, Unavailable
from gateway.protocol import entries
from gateway.protocol.entries import Entry, EntryType

log = structlog.get_logger("desk.follower")

BATCH: Final = 500
WAIT_SECONDS: Final = 20
AGAIN_SECONDS: Final = 1.0
Told = Callable[[Session, Projection], None]


class Follower:
    """Keeps the read model up with the log, and lets a page wait for an entry.

    `changes` counts the batches taken in and the rebuilds: what was read from the read model stays right for as long as it stands still.
    """

    def __init__(self, socket: CommandSocket, sessions: Sessions, told: Told, woken: Callable[[], None]) -> None:
        self._socket, self._sessions, self._told, self._woken = socket, sessions, told, woken
        self._moved = asyncio.Condition()
        self.next = 0
        self.size = 0
        self.sealed = False
        self.reachable = False
        self._heard = False
        self.changes = 0
        self._again = 0

    @property
    def reading_again(self) -> bool:
        """Whether drafts that were handed in may still look as if they never were: the log is read from far back, or its length not yet known."""
        return not self._heard or self.next < max(self._again, self.size - BATCH)

    async def run(self) -> None:
        """Follow for ever; a dead or slow enforcer is asked again after a moment.

        Until it has answered it is asked without waiting for news: a desk that starts with nothing new must not pass for cut off.
        """
        await self._stands(await finished(self._begin()))
        while True:
            try:
                await self.step(WAIT_SECONDS if self.reachable else 0)
            except (Unavailable, Problem) as error:
                self.reachable = False
                log.info("the enforcer does not answer", action="feed_waiting", cause=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            except (SQLAlchemyError, ValueError, KeyError):
                log.exception("a batch was not taken in; it is asked for again", action="feed_failed", next=self.next)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _begin(self) -> int:
        async with self._sessions() as session:
            return await session.run_sync(next_seq)

    async def step(self, wait: float = 0) -> int:
        """Take in one batch and return how many entries it held."""
        deadline = wait + 10.0
        answer = await self._socket.get(
            "/v1/feed", params=[("after", str(self.next)), ("limit", str(BATCH)), ("wait", str(int(wait)))], deadline=deadline,
        )
        self.reachable, self.size, self.sealed = True, int(answer["size"]), bool(answer["sealed"])
        self._heard = True
        batch = [_entry(value) for value in answer["entries"]]
        if self.size < self.next:
            log.warning("the log is shorter than the read model; reading it again", action="rebuild")
            await finished(self.rebuild())
            return 0
        if batch and batch[0].seq <= self.next:  # else the read model was emptied while this answer was on its way
            await finished(self.take(batch))
        return len(batch)

    async def take(self, batch: Sequence[Entry]) -> None:
        """Fetch what the batch names and take both in, in one transaction."""
        texts = await self._texts(batch)
        contents = await self._contents(batch)
        async with self._sessions.begin() as session:
            projection = await session.run_sync(_take, texts, contents, batch)
            await session.run_sync(self._told, projection)
        self.changes += 1
        self._woken()
        await self._stands(max(self.next, batch[-1].seq + 1))

    async def _stands(self, upto: int) -> None:
        """Say how far the read model is to everyone who waits for an entry."""
        async with self._moved:
            self.next = upto
            self._moved.notify_all()

    async def reached(self, seq: int, seconds: float = 2.0) -> bool:
        """Wait until the entry `seq` has been taken in, at most `seconds`; return whether it has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self.next > seq)
        return self.next > seq

    async def rebuild(self) -> None:
        """Empty the read model and begin again at the log's start."""
        async with self._sessions.begin() as session:
            await session.run_sync(clear)
        self.changes += 1
        self._again, self.next = max(self.size, self.next), 0

    async def _texts(self, batch: Sequence[Entry]) -> dict[str, str]:
        wanted = {item for entry in batch for item in _commitments(entry)}
        async with self._sessions() as session:
            known = set(await session.scalars(select(TextRow.commitment).where(TextRow.commitment.in_(wanted))))
        found = await self._socket.values(sorted(wanted - known)) if wanted - known else {}
        return {commitment: text for commitment, text in found.items() if text is not None}

    async def _contents(self, batch: Sequence[Entry]) -> list[ContentRow]:
        wanted = {entry.data["content"] for entry in batch if entry.type in {EntryType.SUBMISSION_MADE, EntryType.REFUSED}} - {None}
        async with self._sessions() as session:
            known = set(await session.scalars(select(ContentRow.digest).where(ContentRow.digest.in_(wanted))))
        rows = []
        for digest in sorted(wanted - known):
            with suppress(Problem):
                data = await self._socket.blob(digest)
                rows.append(await asyncio.to_thread(read_content, digest, data))
        return rows


def _take(session: Session, texts: dict[str, str], contents: Sequence[ContentRow], batch: Sequence[Entry]) -> Projection:
    for commitment, text in texts.items():
        session.merge(TextRow(commitment=commitment, text=text))
    for row in contents:
        session.merge(row)
    session.flush()
    return project(session, batch)


def _entry(value: dict[str, Any]) -> Entry:
    return entries.load(canonical.encode_trusted(value))


def _commitments(entry: Entry) -> Iterator[str]:
    data = entry.data
    if entry.type == EntryType.PERSON_ADDED:
        yield data["name"]
        yield from data["details"].values()
    for key in ("message", "comment", "reason"):
        value = data.get(key)
        if isinstance(value, str) and value.startswith("sha256:"):
            yield value


