"""Keeping drafts: made, saved against the version they were made from, listed, given back to their owner and to nobody else."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gateway.canonical import Digest
from gateway.content import Media
from gateway.desk.database import Sessions
from gateway.desk.drafts.blobs import DeskBlobs
from gateway.desk.drafts.form import DraftForm, SaveForm
from gateway.desk.drafts.tables import CommandRow, DraftPictureRow, DraftRevisionRow, DraftRow
from gateway.desk.normalise import BODY_BYTES, NormalPicture, Removed, normalise_html, normalise_picture
from gateway.desk.readmodel.projection import Projection
from gateway.desk.readmodel.submissions import count
from gateway.protocol import instants
from gateway.protocol.instants import Instant

KEPT_REVISIONS: Final = 100
REVISION_SECONDS: Final = 60
PICTURE_LIMIT: Final = 100
EDITABLE: Final = frozenset({"draft", "returned", "recalled", "expired"})
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
PICTURE_PATH: Final = "/pictures/"


class NoSuchDraft(Exception):
    """There is no such draft, or it is another person's; which of the two is not said."""


class StaleDraft(Exception):
    """The draft was saved from elsewhere since; `version` and `at` are those of the newer save."""

    def __init__(self, version: int, at: str) -> None:
        super().__init__(version)
        self.version, self.at = version, at


class NotEditable(Exception):
    """The draft is in review or done: it is read, not written."""


class TooManyPictures(Exception):
    """A draft holds at most 100 pictures."""


class CommandReused(Exception):
    """One command id came with two bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a save did: the draft's new version and instant, and what normalising took out."""

    version: int
    at: Instant
    removed: tuple[Removed, ...]
    needed: tuple[dict[str, str], ...]


def new_id() -> str:
    """Return a fresh draft id."""
    return "dft_" + "".join(secrets.choice(_ALPHABET) for _ in range(26))


class Drafts:
    """The drafts of everyone."""

    def __init__(self, sessions: Sessions, blobs: DeskBlobs) -> None:
        self._sessions, self.blobs = sessions, blobs

    async def make(
        self, *, owner: str, unit: str, source: str, form: DraftForm, at: Instant, html: str = "", command: tuple[str, str] | None = None,
    ) -> tuple[DraftRow, bool]:
        """Make a draft and return it with whether it is new; a repeated `command` (id, body digest) gives the first one back.

        Raises:
            CommandReused: the same id with another body.
            NormaliseRefused: the body cannot be brought into normal form.
        """
        normal = await asyncio.to_thread(normalise_html, html)
        row = DraftRow(
            id=new_id(), owner=owner, unit=unit, version=1, state="draft", submission=None, source=source, title=form.title, form=form.value(),
            body=normal.body, made_at=at, changed_at=at,
        )
        async with self._sessions.begin() as session:
            if command is not None:
                known = await session.get(CommandRow, (owner, command[0]))
                if known is not None:
                    if known.body != command[1]:
                        raise CommandReused(command[0])
                    found = await session.get(DraftRow, known.draft)
                    if found is None:
                        raise NoSuchDraft(known.draft)
                    return found, False
                session.add(CommandRow(person=owner, command=command[0], body=command[1], draft=row.id, at=at))
            session.add(row)
            await session.run_sync(lambda s: count(Projection(session=s), owner, "draft", 1))
            for picture in normal.pictures:
                await asyncio.to_thread(self.blobs.put, picture.data)
                session.add(_picture_row(row.id, picture))
        return row, True

    async def get(self, identifier: str, owner: str) -> DraftRow:
        """Return a draft of `owner`.

        Raises:
            NoSuchDraft: see there.
        """
        async with self._sessions() as session:
            row = await session.get(DraftRow, identifier)
        if row is None or row.owner != owner:
            raise NoSuchDraft(identifier)
        return row

    async def pictures(self, identifier: str) -> dict[Digest, Media]:
        """Return a draft's pictures by digest."""
        async with self._sessions() as session:
            rows = await session.scalars(select(DraftPictureRow).where(DraftPictureRow.draft == identifier))
            return {
                Digest(row.digest): Media(
                    role="body", type=row.type, length=row.length, sha256=Digest(row.digest), width=row.width, height=row.height, alt="",
                ) for row in rows
            }

    async def save(self, identifier: str, owner: str, save: SaveForm, at: Instant) -> Saved:
        """Keep a new version; the one before stays as a revision.

        Raises:
            NoSuchDraft, NotEditable, StaleDraft: see there.
            NormaliseRefused: the body cannot be brought into normal form; nothing was kept.
        """
        await self.get(identifier, owner)
        known = {f"{PICTURE_PATH}{digest}": digest for digest in await self.pictures(identifier)}
        normal = await asyncio.to_thread(normalise_html, save.html, known=known)
        async with self._sessions.begin() as session:
            for picture in normal.pictures:
                await asyncio.to_thread(self.blobs.put, picture.data)
                await session.merge(_picture_row(identifier, picture))
            version = await session.run_sync(_save, identifier, save, normal.body, at)
        needed = tuple({"url": item.url, "alt": item.alt, "where": item.where, "code": item.code} for item in normal.pictures_needed)
        return Saved(version=version, at=at, removed=normal.removed, needed=needed)

    async def add_picture(self, identifier: str, owner: str, data: bytes, declared: str | None) -> NormalPicture:
        """Normalise a picture and keep it with a draft.

        Raises:
            PictureRefused: it is no picture that can be taken.
            NoSuchDraft, NotEditable, TooManyPictures: see there.
        """
        row = await self.get(identifier, owner)
        if row.state not in EDITABLE:
            raise NotEditable(row.state)
        if len(await self.pictures(identifier)) >= PICTURE_LIMIT:
            raise TooManyPictures(identifier)
        picture = await asyncio.to_thread(normalise_picture, data, declared=declared, limit=BODY_BYTES)
        await asyncio.to_thread(self.blobs.put, picture.data)
        async with self._sessions.begin() as session:
            await session.merge(_picture_row(identifier, picture))
        return picture

    async def adopt_picture(self, identifier: str, item: Media, data: bytes) -> None:
        """Keep a picture that is normal already (from an approved content) with a draft; the enforcer has it."""
        digest = await asyncio.to_thread(self.blobs.put, data)
        async with self._sessions.begin() as session:
            await session.merge(DraftPictureRow(
                draft=identifier, digest=digest, type=item.type, length=len(data), width=item.width, height=item.height, sent=True,
            ))

    async def may_see_picture(self, digest: str, owner: str) -> DraftPictureRow | None:
        """Return the picture where one of the owner's drafts holds it."""
        query = (
            select(DraftPictureRow).join(DraftRow, DraftRow.id == DraftPictureRow.draft)
            .where(DraftPictureRow.digest == digest, DraftRow.owner == owner).limit(1)
        )
        async with self._sessions() as session:
            return await session.scalar(query)

    async def revisions(self, identifier: str, owner: str) -> list[DraftRevisionRow]:
        """Return a draft's earlier saves, newest first."""
        await self.get(identifier, owner)
        query = select(DraftRevisionRow).where(DraftRevisionRow.draft == identifier).order_by(DraftRevisionRow.version.desc())
        async with self._sessions() as session:
            return list(await session.scalars(query))

    async def mark_sent(self, identifier: str, digests: set[str]) -> None:
        """Remember that the enforcer has these pictures."""
        async with self._sessions.begin() as session:
            for digest in digests:
                row = await session.get(DraftPictureRow, (identifier, digest))
                if row is not None:
                    row.sent = True

    async def unsent(self, identifier: str, digests: set[str]) -> list[str]:
        """Return which of these pictures the enforcer has not been given yet."""
        query = select(DraftPictureRow.digest).where(
            DraftPictureRow.draft == identifier, DraftPictureRow.digest.in_(digests), DraftPictureRow.sent.is_(False),
        )
        async with self._sessions() as session:
            return list(await session.scalars(query))

    async def discard(self, identifier: str, owner: str) -> None:
        """Throw a draft away that was never submitted.

        Raises:
            NoSuchDraft, NotEditable: see there.
        """
        row = await self.get(identifier, owner)
        if row.state != "draft" or row.submission is not None:
            raise NotEditable(row.state)
        async with self._sessions.begin() as session:
            for table in (DraftPictureRow, DraftRevisionRow):
                await session.execute(delete(table).where(table.draft == identifier))
            await session.execute(delete(DraftRow).where(DraftRow.id == identifier))
            await session.run_sync(lambda s: count(Projection(session=s), owner, "draft", -1))

    async def submitted(self, identifier: str, submission: str) -> None:
        """Remember the submission that a draft became, before the read model says so."""
        async with self._sessions.begin() as session:
            row = await session.get(DraftRow, identifier)
            if row is not None and row.submission is None:
                row.submission = submission


def _picture_row(draft: str, picture: NormalPicture) -> DraftPictureRow:
    return DraftPictureRow(
        draft=draft, digest=picture.sha256, type=picture.type, length=len(picture.data), width=picture.width, height=picture.height,
    )


def _save(session: Session, identifier: str, save: SaveForm, body: str, at: Instant) -> int:
    row = session.get(DraftRow, identifier)
    assert row is not None
    if row.state not in EDITABLE:
        raise NotEditable(row.state)
    if row.version != save.version:
        raise StaleDraft(row.version, row.changed_at)
    _keep_revision(session, row)
    form: Mapping[str, Any] = {key: value for key, value in save.value().items() if key not in {"version", "html"}}
    row.version, row.form, row.body, row.title, row.changed_at = row.version + 1, dict(form), body, save.title, at
    return row.version


def _keep_revision(session: Session, row: DraftRow) -> None:
    """Keep what stood before, one revision a minute at most; the oldest go."""
    query = select(DraftRevisionRow).where(DraftRevisionRow.draft == row.id).order_by(DraftRevisionRow.version.desc())
    kept = list(session.scalars(query))
    if kept and instants.seconds_between(Instant(kept[0].at), Instant(row.changed_at)) < REVISION_SECONDS:
        return
    session.add(DraftRevisionRow(draft=row.id, version=row.version, at=row.changed_at, form=row.form, body=row.body))
    for old in kept[KEPT_REVISIONS - 1 :]:
        session.delete(old)
