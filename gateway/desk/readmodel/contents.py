"""Contents by digest: title and words of what was submitted, fetched from the enforcer, for lists and search."""

from __future__ import annotations

from sqlalchemy import Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.content import Content, NotContent
from gateway.desk.database import Base
from gateway.desk.readmodel.projection import Projection


class ContentRow(Base):
    """What a content says, without its form. An unreadable content stands with an empty title."""

    __tablename__ = "read_contents"

    digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    summary: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(200))
    words: Mapped[str] = mapped_column(Text)
    pictures: Mapped[int] = mapped_column(Integer)


def read_content(digest: str, data: bytes) -> ContentRow:
    """Return the row for a content's bytes."""
    try:
        content = Content.parse(data)
    except NotContent:
        return ContentRow(digest=digest, title="", summary="", author="", words="", pictures=0)
    pictures = sum(item.role == "body" for item in content.media)
    return ContentRow(
        digest=digest, title=content.title, summary=content.summary, author=content.author, words=content.recognised().text, pictures=pictures,
    )


def title_of(p: Projection, digest: str | None) -> str:
    """Return a content's title, empty where it is unknown."""
    row = p.session.get(ContentRow, digest) if digest else None
    return row.title if row is not None else ""


def index_words(p: Projection, kind: str, ref: str, words: str) -> None:
    """Put words into the search index in place of what stood there for the same object."""
    values = {"kind": kind, "ref": ref, "words": words}
    p.session.execute(text("DELETE FROM search_words WHERE ref = :ref AND kind = :kind"), values)
    p.session.execute(text("INSERT INTO search_words (kind, ref, words) VALUES (:kind, :ref, :words)"), values)
