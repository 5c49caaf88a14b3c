"""Refused attempts, freezes and blackouts: what was kept from happening, by which rule, and who was to be asked."""

from __future__ import annotations

from sqlalchemy import JSON, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.readmodel import submissions
from gateway.desk.readmodel.contents import title_of
from gateway.desk.readmodel.projection import Projection, ProjectTable
from gateway.desk.readmodel.publications import PublicationRow, week_of
from gateway.protocol.entries import Entry, EntryType


class RefusalRow(Base):
    """A refused attempt: who tried what, from where, and what stood against it."""

    __tablename__ = "read_refusals"
    __table_args__ = (Index(None, "at"), Index(None, "actor", "at"))

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer)
    at: Mapped[str] = mapped_column(String(24))
    actor: Mapped[str] = mapped_column(String(80))
    code: Mapped[str] = mapped_column(String(60))
    rule: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(20))
    channel: Mapped[str | None] = mapped_column(String(80))
    about: Mapped[str | None] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(200))
    missing: Mapped[list[str]] = mapped_column(JSON)


class FreezeRow(Base):
    """A stop on all sends in a scope."""

    __tablename__ = "read_freezes"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    scope: Mapped[str] = mapped_column(String(20))
    target: Mapped[str] = mapped_column(String(80))
    by: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(String(80))
    at: Mapped[str] = mapped_column(String(24))


class BlackoutRow(Base):
    """Days on which nothing is published or edited in a scope, from `start` up to, not including, `end`."""

    __tablename__ = "read_blackouts"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    scope: Mapped[str] = mapped_column(String(20))
    target: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(20))
    start: Mapped[str] = mapped_column(String(24))
    end: Mapped[str] = mapped_column(String(24))
    by: Mapped[str] = mapped_column(String(80))


def _refused(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(RefusalRow(
        id=entry.object, seq=entry.seq, at=entry.at, actor=entry.actor, code=data["code"], rule=data["rule"], source=data["source"],
        channel=data["channel"], about=data["about"], title=_title(p, data["content"], data["about"]), missing=data["missing"],
    ))
    p.bump(f"week:{week_of(entry.at)}:refused")


def _title(p: Projection, content: str | None, about: str | None) -> str:
    title = title_of(p, content)
    if title or not about:
        return title
    found = p.session.get(submissions.SubmissionRow, about) or p.session.get(PublicationRow, about) or p.session.get(DraftRow, about)
    return found.title if found is not None else ""


def _frozen(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(FreezeRow(id=entry.object, scope=data["scope"], target=data["target"], by=entry.actor, reason=data["reason"], at=entry.at))
    p.notice("frozen", entry, entry.object)


def _thawed(p: Projection, entry: Entry) -> None:
    row = p.session.get(FreezeRow, entry.object)
    if row is not None:
        p.session.delete(row)


def _blacked_out(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(BlackoutRow(
        id=entry.object, scope=data["scope"], target=data["target"], kind=data["kind"], start=data["start"], end=data["end"], by=entry.actor))
    p.notice("blackout", entry, entry.object)


def _lifted(p: Projection, entry: Entry) -> None:
    row = p.session.get(BlackoutRow, entry.object)
    if row is not None:
        p.session.delete(row)


PROJECT: ProjectTable = {
    EntryType.REFUSED: _refused, EntryType.FREEZE_SET: _frozen, EntryType.FREEZE_LIFTED: _thawed, EntryType.BLACKOUT_SET: _blacked_out,
    EntryType.BLACKOUT_LIFTED: _lifted,
}
