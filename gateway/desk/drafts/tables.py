"""Drafts with their revisions and pictures; the one part of the desk's database that the log cannot give back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base


class DraftRow(Base):
    """A draft. `version` counts saves and is what a save must name; `state` is `draft` or where its submission stands."""

    __tablename__ = "drafts"
    __table_args__ = (Index(None, "owner", "state", "changed_at"), Index(None, "owner", "changed_at"), Index(None, "unit", "changed_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(80))
    unit: Mapped[str] = mapped_column(String(80))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(20))
    submission: Mapped[str | None] = mapped_column(String(80))
    source: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(400))
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[str] = mapped_column(Text)
    made_at: Mapped[str] = mapped_column(String(24))
    changed_at: Mapped[str] = mapped_column(String(24))


class DraftRevisionRow(Base):
    """An earlier save of a draft, so that nothing typed is lost."""

    __tablename__ = "draft_revisions"

    draft: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[str] = mapped_column(String(24))
    form: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[str] = mapped_column(Text)


class DraftPictureRow(Base):
    """A normalised picture of one draft; its bytes stand in the desk's blobs. `sent` says that the enforcer has it too."""

    __tablename__ = "draft_pictures"

    draft: Mapped[str] = mapped_column(String(40), primary_key=True)
    digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    length: Mapped[int] = mapped_column(Integer)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    sent: Mapped[bool] = mapped_column(Boolean, default=False)


class CommandRow(Base):
    """A command id of the API with its answer, so that a repeat gives the same draft."""

    __tablename__ = "draft_commands"

    person: Mapped[str] = mapped_column(String(80), primary_key=True)
    command: Mapped[str] = mapped_column(String(80), primary_key=True)
    body: Mapped[str] = mapped_column(String(80))
    draft: Mapped[str] = mapped_column(String(40))
    at: Mapped[str] = mapped_column(String(24))
