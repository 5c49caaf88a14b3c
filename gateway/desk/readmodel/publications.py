"""Publications: one approval token's send on one channel, from the token to what is live now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Index, Integer, String, select
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base
from gateway.desk.readmodel import submissions
from gateway.desk.readmodel.channels import channel
from gateway.desk.readmodel.contents import index_words
from gateway.desk.readmodel.projection import Projection, ProjectTable
from gateway.protocol import instants
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import OFFICE_ZONE

OPEN = frozenset({"held", "intended", "prepared", "dispatched", "pending", "unknown"})


class PublicationRow(Base):
    """A publication; `changed_at` is the instant of its newest entry, `checked_at` the last comparison with the public page."""

    __tablename__ = "read_publications"
    __table_args__ = (
        Index(None, "changed_at"), Index(None, "state", "changed_at"), Index(None, "channel", "changed_at"), Index(None, "submission"),
        Index(None, "url"),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    submission: Mapped[str] = mapped_column(String(80))
    revision: Mapped[int] = mapped_column(Integer)
    channel: Mapped[str] = mapped_column(String(80))
    operation: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(200))
    unit: Mapped[str] = mapped_column(String(80))
    author: Mapped[str] = mapped_column(String(80))
    content: Mapped[str | None] = mapped_column(String(80))
    template: Mapped[str] = mapped_column(String(80))
    previous: Mapped[str | None] = mapped_column(String(80))
    jti: Mapped[str] = mapped_column(String(80))
    token: Mapped[str] = mapped_column(String(80))
    credential: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(20))
    emergency: Mapped[bool] = mapped_column(Boolean)
    not_before: Mapped[str] = mapped_column(String(24))
    window_to: Mapped[str] = mapped_column(String(24))
    released_at: Mapped[str] = mapped_column(String(24))
    changed_at: Mapped[str] = mapped_column(String(24))
    checked_at: Mapped[str] = mapped_column(String(24), default="")
    seq: Mapped[int] = mapped_column(Integer)
    snapshot: Mapped[str] = mapped_column(String(80), default="")
    remote_id: Mapped[str] = mapped_column(String(400), default="")
    url: Mapped[str] = mapped_column(String(2000), default="")
    drift: Mapped[str] = mapped_column(String(80), default="")
    reason: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


def week_of(at: instants.Instant) -> str:
    """Return the Monday of the company's week that `at` falls into, as `2026-11-23`."""
    day = instants.to_datetime(at).astimezone(OFFICE_ZONE).date()
    return (day - timedelta(days=day.weekday())).isoformat()


def _minted(p: Projection, entry: Entry) -> None:
    data = entry.data
    row = submissions.find(p, data["submission"])
    title = row.title if row is not None else ""
    p.session.merge(PublicationRow(
        id=entry.object, submission=data["submission"], revision=data["revision"], channel=data["channel"], operation=data["operation"],
        title=title, unit=row.unit if row else "", author=row.author if row else "", content=data["content"], template=data["template"],
        previous=data["previous"], jti=data["jti"], token=data["token"], credential=data["credential"], state="held",
        emergency=data["emergency"], not_before=data["not_before"], window_to=data["window_to"], released_at=entry.at, changed_at=entry.at,
        seq=entry.seq, reason={},
    ))
    p.session.flush()
    if row is not None:
        row.publications = {**row.publications, data["channel"]: [entry.object, "held"]}
        submissions.move(p, row, "released")
        submissions.requeue(p, row, entry.at)


def _move(p: Projection, entry: Entry, state: str) -> PublicationRow | None:
    row = p.session.get(PublicationRow, entry.object)
    if row is None:
        return None
    row.state, row.seq, row.changed_at = state, entry.seq, entry.at
    submission = submissions.find(p, row.submission)
    if submission is not None and submission.publications.get(row.channel, ["", ""])[0] == row.id:
        submission.publications = {**submission.publications, row.channel: [row.id, state]}
        if state not in OPEN:
            submissions.settle(p, submission, entry)
    return row


def _to(state: str, notice: str | None = None) -> Callable[[Projection, Entry], None]:
    def project(p: Projection, entry: Entry) -> None:
        row = _move(p, entry, state)
        if row is not None:
            row.reason = entry.data
            if notice is not None:
                p.notice(notice, entry, row.id)
    return project


def _abandoned(p: Projection, entry: Entry) -> None:
    row = _move(p, entry, "abandoned")
    if row is None:
        return
    row.reason = entry.data
    submission = submissions.find(p, row.submission)
    recalled = submission is not None and submission.state == "recalled"
    if entry.data["cause"] != "rerouted" or recalled:  # else the submission's own notice says what happened and what is asked for
        p.notice("abandoned", entry, row.id)


def _prepared(p: Projection, entry: Entry) -> None:
    row = _move(p, entry, "prepared")
    if row is not None:
        row.snapshot = entry.data["snapshot"]


def _dispatched(p: Projection, entry: Entry) -> None:
    row = _move(p, entry, "dispatched")
    if row is not None and row.operation != "withdraw":
        where, day = channel(p, row.channel), entry.data["day"]
        where.sent = where.sent + 1 if where.sent_day == day else 1
        where.sent_day = day


def _live(p: Projection, entry: Entry) -> None:
    row = _move(p, entry, "live")
    if row is None:
        return
    row.remote_id, row.url, row.checked_at = entry.data["id"], entry.data["url"], entry.at
    row.drift = "" if entry.data.get("matches", True) else "differs"
    if row.previous is not None:
        _superseded(p, row.previous, "replaced")
    index_words(p, "publication", row.id, f"{row.title}\n{row.url}")
    p.bump(f"week:{week_of(entry.at)}:published")
    p.notice("live", entry, row.id)


def _gone(p: Projection, entry: Entry) -> None:
    row = _move(p, entry, "gone")
    if row is None:
        return
    row.remote_id, row.checked_at = entry.data["id"], entry.at
    if row.previous is not None:
        _superseded(p, row.previous, "withdrawn")
    p.notice("gone", entry, row.id)


def _superseded(p: Projection, identifier: str, state: str) -> None:
    row = p.session.get(PublicationRow, identifier)
    if row is not None:
        row.state = state


def _drifted(p: Projection, entry: Entry) -> None:
    row = p.session.get(PublicationRow, entry.object)
    if row is not None:
        row.drift, row.seq, row.changed_at, row.checked_at = entry.data["observed"] or "gone", entry.seq, entry.at, entry.at
        p.notice("drifted", entry, row.id)


def restored(p: Projection, entry: Entry) -> None:
    """A restore: what was held is void, what was on its way is unknown, what was signed is asked for again."""
    for row in p.session.scalars(select(PublicationRow).where(PublicationRow.state.in_(OPEN))).all():
        row.state = "abandoned" if row.state == "held" else "unknown"
        row.reason, row.seq, row.changed_at = {"cause": "restored"}, entry.seq, entry.at
        submission = submissions.find(p, row.submission)
        if submission is not None:
            submission.publications = {**submission.publications, row.channel: [row.id, row.state]}
    query = select(submissions.SubmissionRow).where(submissions.SubmissionRow.state.in_(("in_review", "released")))
    for submission in p.session.scalars(query).all():
        submissions.withdraw_signatures(p, submission)
        submission.seq = entry.seq
        submissions.requeue(p, submission, entry.at)


PROJECT: ProjectTable = {
    EntryType.TOKEN_MINTED: _minted,
    EntryType.PUBLICATION_STOPPED: _to("stopped", "stopped"),
    EntryType.PUBLICATION_INTENDED: _to("intended"),
    EntryType.PUBLICATION_PREPARED: _prepared,
    EntryType.PUBLICATION_DISPATCHED: _dispatched,
    EntryType.PUBLICATION_LIVE: _live,
    EntryType.PUBLICATION_GONE: _gone,
    EntryType.PUBLICATION_PENDING: _to("pending"),
    EntryType.PUBLICATION_REJECTED: _to("rejected", "rejected"),
    EntryType.PUBLICATION_UNKNOWN: _to("unknown", "unknown"),
    EntryType.PUBLICATION_ABSENT: _to("absent", "absent"),
    EntryType.PUBLICATION_ABANDONED: _abandoned,
    EntryType.PUBLICATION_MISSED: _to("missed", "missed"),
    EntryType.PUBLICATION_DRIFTED: _drifted,
}
