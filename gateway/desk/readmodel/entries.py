"""The log's entries as rows, so that pages can list, filter and follow one object's thread."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base
from gateway.desk.readmodel.projection import Projection, TextRow
from gateway.desk.readmodel.publications import PublicationRow
from gateway.protocol import instants
from gateway.protocol.entries import Entry, EntryType


class EntryRow(Base):
    """One entry; `thread` is the submission it belongs to, `channel` the channel it is about, where there is one."""

    __tablename__ = "read_entries"
    __table_args__ = (
        Index(None, "object", "seq"), Index(None, "thread", "seq"), Index(None, "actor", "seq"), Index(None, "type", "seq"),
        Index(None, "channel", "seq"), Index(None, "day", "seq"),
    )

    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[str] = mapped_column(String(24))
    day: Mapped[str] = mapped_column(String(10))
    type: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(80))
    object: Mapped[str] = mapped_column(String(80))
    thread: Mapped[str | None] = mapped_column(String(80))
    channel: Mapped[str | None] = mapped_column(String(80))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


def keep(p: Projection, entry: Entry) -> None:
    """Index one entry, after its noun has been projected."""
    thread, channel = _belongs(p, entry)
    p.session.merge(EntryRow(
        seq=entry.seq, at=entry.at, day=instants.office_day(entry.at), type=entry.type, actor=entry.actor, object=entry.object, thread=thread,
        channel=channel, data=entry.data,
    ))


def _belongs(p: Projection, entry: Entry) -> tuple[str | None, str | None]:
    noun = entry.type.partition(".")[0]
    if noun in {"submission", "decision"}:
        return entry.object, None
    if noun in {"publication", "token"}:
        row = p.session.get(PublicationRow, entry.object)
        return (row.submission, row.channel) if row is not None else (None, None)
    if noun in {"channel", "credential"}:
        return None, entry.object
    return None, entry.data.get("channel") if entry.type == EntryType.REFUSED else None


def erase(p: Projection, entry: Entry) -> None:
    """Forget the texts behind erased commitments."""
    for commitment in entry.data["commitments"]:
        row = p.session.get(TextRow, commitment)
        if row is not None:
            p.session.delete(row)
