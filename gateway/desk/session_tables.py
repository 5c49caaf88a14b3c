"""What the desk remembers of people: sign-ins while the enforcer cannot be asked, the language they chose, extensions that paired."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base


class SessionRow(Base):
    """A session by the SHA-256 of its token, with who it was when last asked; the token itself is kept by the browser alone."""

    __tablename__ = "sessions"

    token: Mapped[str] = mapped_column(String(80), primary_key=True)
    person: Mapped[str] = mapped_column(String(80))
    known: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires: Mapped[str] = mapped_column(String(24))
    seen_at: Mapped[str] = mapped_column(String(24))


class LanguageRow(Base):
    """The language that a person chose at the desk, `zh` or `en`: for their pages on any device, and for what is mailed to them."""

    __tablename__ = "languages"

    person: Mapped[str] = mapped_column(String(80), primary_key=True)
    lang: Mapped[str] = mapped_column(String(2))
    at: Mapped[str] = mapped_column(String(24))


class PairedOriginRow(Base):
    """A browser extension's origin that paired once; only these may call the API from a page of their own."""

    __tablename__ = "paired_origins"

    origin: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[str] = mapped_column(String(24))
