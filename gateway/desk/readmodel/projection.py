"""What a projection is given: one entry, a unit of work on the desk's tables, and texts fetched before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.desk.database import Base
from gateway.protocol.entries import Entry

CURSOR_ID: Final = 1


class CursorRow(Base):
    """How far the read model has come: the next seq to ask for, and the log it follows."""

    __tablename__ = "read_cursor"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_seq: Mapped[int] = mapped_column(Integer)
    epoch: Mapped[str] = mapped_column(String(80))
    deployment: Mapped[str] = mapped_column(String(80))
    group_unit: Mapped[str] = mapped_column(String(80))


class TextRow(Base):
    """The text behind a commitment (a name, a reason), as long as it has not been erased."""

    __tablename__ = "read_texts"

    commitment: Mapped[str] = mapped_column(String(80), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class CounterRow(Base):
    """A count kept up with every change, so that a page never counts rows."""

    __tablename__ = "read_counters"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    n: Mapped[int] = mapped_column(Integer)


@dataclass(slots=True, kw_only=True)
class Projection:
    """One batch: the unit of work, what was fetched for it, and the notices that it gives rise to."""

    session: Session
    notices: list[tuple[str, Entry, str]] = field(default_factory=list)

    def text(self, commitment: str | None) -> str:
        """Return the text behind a commitment; empty where it is unknown or erased."""
        row = self.session.get(TextRow, commitment) if commitment else None
        return row.text if row is not None else ""

    def bump(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        row = self.session.get(CounterRow, name)
        if row is None:
            self.session.add(CounterRow(name=name, n=by))
            self.session.flush()
        else:
            row.n += by

    def notice(self, kind: str, entry: Entry, about: str) -> None:
        """Remember that `entry` is worth telling people, in the way of `kind`, about the object `about`."""
        self.notices.append((kind, entry, about))


Project = Callable[[Projection, Entry], None]
ProjectTable = Mapping[str, Project]
