"""The outbox: every notice once, with its tries; and the nudges that people sent."""

from __future__ import annotations

import hashlib
from typing import Final

from sqlalchemy import JSON, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base

KEY_LIMIT: Final = 300


def bounded(key: str, limit: int) -> str:
    """Return a key of at most `limit` characters, more than 41; two long ones that differ anywhere stay two."""
    return key if len(key) <= limit else f"{key[:limit - 41]}~{hashlib.sha256(key.encode()).hexdigest()[:40]}"


class NoticeRow(Base):
    """One message to one address. `state` is waiting, sent or given_up; `key` keeps it from being made twice; urgent ones go first."""

    __tablename__ = "notices"
    __table_args__ = (Index(None, "state", "next_at"),)

    key: Mapped[str] = mapped_column(String(KEY_LIMIT), primary_key=True)
    way: Mapped[str] = mapped_column(String(10))
    address: Mapped[str] = mapped_column(String(320))
    subject: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    link: Mapped[str] = mapped_column(String(500))
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(Integer)
    made_at: Mapped[str] = mapped_column(String(24))
    next_at: Mapped[str] = mapped_column(String(24))
    error: Mapped[str] = mapped_column(String(300))
    urgent: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class NudgeRow(Base):
    """One nudge of one item. `after` is the instant of the nudge before it, so that of two at once the database keeps one."""

    __tablename__ = "nudges"
    __table_args__ = (Index(None, "by", "command", unique=True),)

    submission: Mapped[str] = mapped_column(String(80), primary_key=True)
    after: Mapped[str] = mapped_column(String(24), primary_key=True)
    at: Mapped[str] = mapped_column(String(24))
    by: Mapped[str] = mapped_column(String(80))
    command: Mapped[str] = mapped_column(String(80))
    sent_to: Mapped[list[str]] = mapped_column(JSON)
