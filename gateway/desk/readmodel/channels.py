"""Channels with filing, custodians and credential versions; never a credential."""

from __future__ import annotations

from sqlalchemy import JSON, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base
from gateway.desk.readmodel.projection import Projection, ProjectTable
from gateway.protocol.entries import Entry, EntryType


class ChannelRow(Base):
    """An account on a platform; `sent_day` and `sent` count today's sends, `credential_at` dates the version in force."""

    __tablename__ = "read_channels"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    platform: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    unit: Mapped[str] = mapped_column(String(80))
    level: Mapped[str] = mapped_column(String(20))
    filing: Mapped[str] = mapped_column(String(20))
    filing_number: Mapped[str] = mapped_column(String(200))
    settings: Mapped[dict[str, str]] = mapped_column(JSON)
    custodians: Mapped[list[str]] = mapped_column(JSON)
    credential_version: Mapped[int | None] = mapped_column(Integer)
    credential_at: Mapped[str | None] = mapped_column(String(24))
    sent_day: Mapped[str] = mapped_column(String(10), default="")
    sent: Mapped[int] = mapped_column(Integer, default=0)


def channel(p: Projection, identifier: str) -> ChannelRow:
    """Return a channel that the log has added."""
    row = p.session.get(ChannelRow, identifier)
    assert row is not None
    return row


def _added(p: Projection, entry: Entry) -> None:
    data = entry.data
    p.session.merge(ChannelRow(
        id=entry.object, platform=data["platform"], account=data["account"], name=data["name"], unit=data["unit"], level=data["level"],
        filing=data["filing"], filing_number=data["filing_number"], settings=data["settings"], custodians=data["custodians"],
    ))


def _changed(p: Projection, entry: Entry) -> None:
    row, data = channel(p, entry.object), entry.data
    row.filing, row.filing_number = data.get("filing", row.filing), data.get("filing_number", row.filing_number)
    row.settings, row.custodians = data.get("settings", row.settings), data.get("custodians", row.custodians)
    row.name = data.get("name", row.name)


def _stored(p: Projection, entry: Entry) -> None:
    row = channel(p, entry.object)
    row.credential_version, row.credential_at = entry.data["version"], entry.at


def _retired(p: Projection, entry: Entry) -> None:
    row = channel(p, entry.object)
    row.credential_version = row.credential_at = None


PROJECT: ProjectTable = {
    EntryType.CHANNEL_ADDED: _added,
    EntryType.CHANNEL_CHANGED: _changed,
    EntryType.CREDENTIAL_STORED: _stored,
    EntryType.CREDENTIAL_RETIRED: _retired,
}
