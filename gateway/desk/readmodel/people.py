"""People, units, offices and open proposals, as pages show them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base
from gateway.desk.readmodel.projection import Projection, ProjectTable
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import NEVER


class UnitRow(Base):
    """A part of the company."""

    __tablename__ = "read_units"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    parent: Mapped[str | None] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(20))


class PersonRow(Base):
    """A person; `name` and `details` are commitments."""

    __tablename__ = "read_people"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    unit: Mapped[str] = mapped_column(String(80))
    details: Mapped[dict[str, str]] = mapped_column(JSON)
    suspended: Mapped[bool] = mapped_column(Boolean, default=False)
    enrolled: Mapped[bool] = mapped_column(Boolean, default=False)


class AppointmentRow(Base):
    """An office held by someone for a scope and a time."""

    __tablename__ = "read_appointments"
    __table_args__ = (Index(None, "office", "scope"), Index(None, "person"))

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    person: Mapped[str] = mapped_column(String(80))
    office: Mapped[str] = mapped_column(String(40))
    scope: Mapped[str] = mapped_column(String(80))
    start: Mapped[str] = mapped_column(String(24))
    end: Mapped[str] = mapped_column(String(24))


class ProposalRow(Base):
    """Changes that wait for a second person."""

    __tablename__ = "read_proposals"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    by: Mapped[str] = mapped_column(String(80))
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    until: Mapped[str] = mapped_column(String(24))
    at: Mapped[str] = mapped_column(String(24))


def _unit(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(UnitRow(id=entry.object, name=data["name"], parent=data["parent"], kind=data["kind"]))


def _person(p: Projection, entry: Entry) -> None:
    data = entry.data
    row = p.session.get(PersonRow, entry.object)
    if row is None:
        p.session.add(PersonRow(id=entry.object, name=data["name"], unit=data["unit"], details=data["details"]))
        p.session.flush()
    else:
        row.name, row.unit, row.details = data["name"], data["unit"], data["details"]


def _suspended(p: Projection, entry: Entry) -> None:
    _known(p, entry.object).suspended = True


def _restored(p: Projection, entry: Entry) -> None:
    _known(p, entry.object).suspended = False


def _factor(p: Projection, entry: Entry) -> None:
    _known(p, entry.object).enrolled = True


def _known(p: Projection, person: str) -> PersonRow:
    row = p.session.get(PersonRow, person)
    assert row is not None
    return row


def _appointed(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(AppointmentRow(
        id=entry.object, person=data["person"], office=data["office"], scope=data["scope"], start=data["start"], end=data["end"] or NEVER,
    ))


def _ended(p: Projection, entry: Entry) -> None:
    row = p.session.get(AppointmentRow, entry.object)
    if row is not None:
        row.end = entry.data["end"]


def _proposed(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(ProposalRow(id=entry.object, by=entry.actor, changes=data["changes"], until=data["until"], at=entry.at))
    p.notice("proposal", entry, entry.object)


def _proposal_done(p: Projection, entry: Entry) -> None:
    row = p.session.get(ProposalRow, entry.object)
    if row is not None:
        p.session.delete(row)


PROJECT: ProjectTable = {
    EntryType.UNIT_ADDED: _unit,
    EntryType.PERSON_ADDED: _person,
    EntryType.PERSON_SUSPENDED: _suspended,
    EntryType.PERSON_RESTORED: _restored,
    EntryType.FACTOR_ENROLLED: _factor,
    EntryType.APPOINTMENT_MADE: _appointed,
    EntryType.APPOINTMENT_ENDED: _ended,
    EntryType.PROPOSAL_MADE: _proposed,
    EntryType.PROPOSAL_CONFIRMED: _proposal_done,
    EntryType.PROPOSAL_DECLINED: _proposal_done,
}
