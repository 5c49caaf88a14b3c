"""The outbox: every notice once, with its tries."""

from __future__ import annotations

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base


class NoticeRow(Base):
    """One message to one address. `state` is waiting, sent or given_up; `key` keeps it from being made twice."""

    __tablename__ = "notices"
    __table_args__ = (Index(None, "state", "next_at"),)

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
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
