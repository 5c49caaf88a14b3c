"""From entries to rows: every noun's projection in one table, and the order in which one entry is taken in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from gateway.desk.database import Base
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.readmodel import channels, entries, people, publications, refusals, submissions
from gateway.desk.readmodel.projection import CURSOR_ID, CursorRow, Project, Projection
from gateway.protocol.entries import Entry, EntryType


def _opened(p: Projection, entry: Entry) -> None:
    cursor = p.session.get(CursorRow, CURSOR_ID)
    assert cursor is not None
    cursor.deployment, cursor.epoch, cursor.group_unit = entry.object, entry.data["epoch"], entry.data["group"]


def _incarnation(p: Projection, entry: Entry) -> None:
    cursor = p.session.get(CursorRow, CURSOR_ID)
    assert cursor is not None
    cursor.epoch = entry.data["epoch"]
    publications.restored(p, entry)


def _suspended(p: Projection, entry: Entry) -> None:
    people.PROJECT[EntryType.PERSON_SUSPENDED](p, entry)
    submissions.void(p, entry)


PROJECT: Final[dict[str, Project]] = {
    **people.PROJECT, **channels.PROJECT, **submissions.PROJECT, **publications.PROJECT, **refusals.PROJECT,
    EntryType.DEPLOYMENT_OPENED: _opened,
    EntryType.INCARNATION_OPENED: _incarnation,
    EntryType.PERSON_SUSPENDED: _suspended,
    EntryType.VALUES_ERASED: entries.erase,
}


def next_seq(session: Session) -> int:
    """Return the seq of the first entry that the read model has not taken in."""
    cursor = session.get(CursorRow, CURSOR_ID)
    return cursor.next_seq if cursor is not None else 0


def project(session: Session, batch: Sequence[Entry]) -> Projection:
    """Take in a batch that begins where the read model ends; what it knew before is skipped.

    Raises:
        ValueError: there is a gap.
    """
    p = Projection(session=session)
    cursor = session.get(CursorRow, CURSOR_ID)
    if cursor is None:
        cursor = CursorRow(id=CURSOR_ID, next_seq=0, epoch="", deployment="", group_unit="")
        session.add(cursor)
        session.flush()
    for entry in batch:
        if entry.seq < cursor.next_seq:
            continue
        if entry.seq > cursor.next_seq:
            raise ValueError(f"entry {entry.seq} where {cursor.next_seq} was expected")
        if (noun := PROJECT.get(entry.type)) is not None:
            noun(p, entry)
        entries.keep(p, entry)
        cursor.next_seq = entry.seq + 1
    session.flush()
    return p


def clear(session: Session) -> None:
    """Empty the read model; drafts stay, standing as if never submitted until the log is read again."""
    for table in reversed(Base.metadata.sorted_tables):
        if table.name.startswith("read_"):
            session.execute(delete(table))
    session.execute(text("DELETE FROM search_words"))
    session.expunge_all()
    for draft in session.query(DraftRow).all():
        draft.state, draft.submission = "draft", None
        submissions.count(Projection(session=session), draft.owner, "draft", 1)
    session.flush()
