"""Submissions with their decisions and queues: where each stands, who holds it up since when."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import JSON, Boolean, Index, Integer, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from gateway.desk.database import Base
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.readmodel.contents import ContentRow, index_words, title_of
from gateway.desk.readmodel.projection import CounterRow, Projection, ProjectTable
from gateway.protocol import instants
from gateway.protocol.entries import Entry, EntryType

RELEASABLE: Final = frozenset({"rejected", "absent", "abandoned", "stopped", "missed"})
EFFECTIVE: Final = frozenset({"live", "gone", "withdrawn", "replaced"})


class SubmissionRow(Base):
    """A submission at its newest revision. `waiting` lists the open stages' ids, `since` when they opened."""

    __tablename__ = "read_submissions"
    __table_args__ = (
        Index(None, "author", "made_at"), Index(None, "state", "made_at"), Index(None, "number"), Index(None, "unit", "made_at"),
        Index(None, "emergency", "made_at"), Index(None, "scheduled"),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    number: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int] = mapped_column(Integer)
    draft: Mapped[str] = mapped_column(String(80))
    author: Mapped[str] = mapped_column(String(80))
    unit: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    content: Mapped[str | None] = mapped_column(String(80))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    findings: Mapped[dict[str, Any]] = mapped_column(JSON)
    targets: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    stages: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    waiting: Mapped[list[str]] = mapped_column(JSON)
    since: Mapped[str] = mapped_column(String(24))
    window_to: Mapped[str] = mapped_column(String(24))
    scheduled: Mapped[str | None] = mapped_column(String(24))
    source: Mapped[str] = mapped_column(String(20))
    message: Mapped[str | None] = mapped_column(String(80))
    emergency: Mapped[bool] = mapped_column(Boolean)
    made_at: Mapped[str] = mapped_column(String(24))
    seq: Mapped[int] = mapped_column(Integer)
    returned: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    publications: Mapped[dict[str, list[str]]] = mapped_column(JSON)


class DecisionRow(Base):
    """A signed decision that stands, or stood; `standing` is false once it was taken back or voided."""

    __tablename__ = "read_decisions"
    __table_args__ = (Index(None, "submission"), Index(None, "person", "at"))

    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    submission: Mapped[str] = mapped_column(String(80))
    revision: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str] = mapped_column(String(200))
    verdict: Mapped[str] = mapped_column(String(10))
    person: Mapped[str] = mapped_column(String(80))
    office: Mapped[str] = mapped_column(String(40))
    method: Mapped[str] = mapped_column(String(20))
    statement: Mapped[str] = mapped_column(String(80))
    comment: Mapped[str | None] = mapped_column(String(80))
    at: Mapped[str] = mapped_column(String(24))
    standing: Mapped[bool] = mapped_column(Boolean, default=True)


class WaitingRow(Base):
    """An office that a submission waits for; the queue of everyone who holds it."""

    __tablename__ = "read_waiting"
    __table_args__ = (Index(None, "office", "scope", "window_to"),)

    submission: Mapped[str] = mapped_column(String(80), primary_key=True)
    office: Mapped[str] = mapped_column(String(40), primary_key=True)
    scope: Mapped[str] = mapped_column(String(80), primary_key=True)
    stage: Mapped[str] = mapped_column(String(200))
    window_to: Mapped[str] = mapped_column(String(24))


class StageTimeRow(Base):
    """How long the first release of a revision took from its submission, by author's unit, for 「近30天平均」; emergencies do not count."""

    __tablename__ = "read_release_times"
    __table_args__ = (Index(None, "unit", "at"),)

    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    unit: Mapped[str] = mapped_column(String(80))
    at: Mapped[str] = mapped_column(String(24))
    seconds: Mapped[int] = mapped_column(Integer)


def find(p: Projection, identifier: str) -> SubmissionRow | None:
    """Return a submission's row."""
    return p.session.get(SubmissionRow, identifier)


def _standing(p: Projection, row: SubmissionRow) -> list[DecisionRow]:
    query = select(DecisionRow).where(
        DecisionRow.submission == row.id, DecisionRow.revision == row.revision, DecisionRow.standing,
    )
    return list(p.session.scalars(query))


def requeue(p: Projection, row: SubmissionRow, at: str) -> None:
    """Bring the queues in line with what is signed and sent: the first unsigned approval, else what may be released."""
    before = list(row.waiting)
    row.waiting = [stage["id"] for stage in _open_stages(p, row)]
    p.session.execute(delete(WaitingRow).where(WaitingRow.submission == row.id))
    if row.waiting != before:
        row.since = at
    seen = set()
    for stage in row.stages:
        if stage["id"] not in row.waiting:
            continue
        for office, scope in stage["offices"]:
            if (office, scope) not in seen:
                seen.add((office, scope))
                p.session.add(WaitingRow(submission=row.id, office=office, scope=scope, stage=stage["id"], window_to=row.window_to))
    p.session.flush()


def _open_stages(p: Projection, row: SubmissionRow) -> list[dict[str, Any]]:
    if row.state not in {"in_review", "released"}:
        return []
    signed = {decision.stage for decision in _standing(p, row)}
    releases = [
        stage for stage in row.stages
        if stage["kind"] == "release" and any(_releasable(row.publications.get(channel)) for channel in stage["channels"])
    ]
    if not releases:
        return []
    for stage in row.stages:
        if stage["kind"] == "approve" and stage["id"] not in signed:
            return [stage]
    return releases


def _releasable(publication: list[str] | None) -> bool:
    return publication is None or publication[1] in RELEASABLE


def move(p: Projection, row: SubmissionRow, state: str) -> None:
    """Change where a submission stands, and its draft with it."""
    row.state = state
    draft = p.session.get(DraftRow, row.draft)
    if draft is not None and draft.submission in {None, row.id} and draft.state != state:
        count(p, draft.owner, draft.state, -1)
        draft.state, draft.submission = state, row.id
        count(p, draft.owner, draft.state, 1)


def count(p: Projection, owner: str, state: str, by: int) -> None:
    """Count a draft of `owner` in `state`."""
    p.bump(f"drafts:{owner}:{state}", by)


def withdraw_signatures(p: Projection, row: SubmissionRow) -> None:
    """Let no signature of the present revision stand."""
    for decision in _standing(p, row):
        decision.standing = False
    p.session.flush()


def _made(p: Projection, entry: Entry) -> None:
    from gateway.desk.readmodel.publications import PublicationRow

    data = entry.data
    previous = next((target["previous"] for target in data["targets"] if target["previous"]), None)
    live = p.session.get(PublicationRow, previous) if previous else None
    title = title_of(p, data["content"]) or (live.title if live else "")
    row = p.session.merge(SubmissionRow(
        id=entry.object, number=data["number"], revision=data["revision"], draft=data["draft"], author=entry.actor, unit=data["unit"],
        state="in_review", title=title, content=data["content"], facts=data["facts"], findings=data["findings"], targets=data["targets"],
        stages=data["stages"], waiting=[], since=entry.at, window_to=data["window_to"], scheduled=data["scheduled"], source=data["source"],
        message=data["message"], emergency=data["emergency"], made_at=entry.at, seq=entry.seq, returned=None, publications={},
    ))
    p.session.flush()
    move(p, row, "in_review")
    requeue(p, row, entry.at)
    known = p.session.get(ContentRow, data["content"]) if data["content"] else None
    index_words(p, "submission", row.id, "\n".join([row.number, title, known.author if known else "", known.words if known else ""]))
    p.notice("emergency" if row.emergency else "waiting", entry, row.id)


def _returned(p: Projection, entry: Entry) -> None:
    row = find(p, entry.object)
    if row is None:
        return
    row.returned = {**entry.data, "by": entry.actor, "at": entry.at}
    _closed(p, row, "returned", entry)
    p.notice("returned", entry, row.id)


def _closed(p: Projection, row: SubmissionRow, state: str, entry: Entry) -> None:
    row.seq = entry.seq
    withdraw_signatures(p, row)
    move(p, row, state)
    requeue(p, row, entry.at)


def _ends(state: str, notice: str | None = None) -> Any:
    def project(p: Projection, entry: Entry) -> None:
        row = find(p, entry.object)
        if row is not None:
            _closed(p, row, state, entry)
            if notice is not None:
                p.notice(notice, entry, row.id)
    return project


def _renewed(p: Projection, entry: Entry) -> None:
    row = find(p, entry.object)
    if row is not None:
        row.window_to = entry.data["window_to"]
        _closed(p, row, "in_review", entry)
        p.notice("waiting", entry, row.id)


def _rerouted(p: Projection, entry: Entry) -> None:
    """The route has more steps: what falls no longer stands, the rest does, and the new steps' people are asked."""
    data, row = entry.data, find(p, entry.object)
    if row is None:
        return
    for decision in _standing(p, row):
        if decision.stage in data["void"]:
            decision.standing = False
    row.stages, row.seq = data["stages"], entry.seq
    p.session.flush()
    move(p, row, "in_review")
    requeue(p, row, entry.at)
    p.notice("waiting", entry, row.id)
    p.notice("rerouted", entry, row.id)


def _handed(p: Projection, entry: Entry) -> None:
    """Nothing changes but that somebody is told."""
    row = find(p, entry.object)
    if row is not None:
        p.notice("handed", entry, row.id)


def _decided(p: Projection, entry: Entry) -> None:
    data, row = entry.data, find(p, entry.object)
    if row is None:
        return
    released = p.session.scalar(select(DecisionRow.seq).where(
        DecisionRow.submission == row.id, DecisionRow.revision == data["revision"], DecisionRow.verdict == "release").limit(1))
    for decision in _standing(p, row):
        if decision.stage == data["stage"]:
            decision.standing = False
    p.session.add(DecisionRow(
        seq=entry.seq, submission=row.id, revision=data["revision"], stage=data["stage"], verdict=data["verdict"], person=entry.actor,
        office=data["office"], method=data["method"], statement=data["statement"], comment=data["comment"], at=entry.at,
    ))
    if data["verdict"] == "release" and not row.emergency and not released:
        seconds = int(instants.seconds_between(instants.Instant(row.made_at), entry.at))
        p.session.add(StageTimeRow(seq=entry.seq, unit=row.unit, at=entry.at, seconds=seconds))
    row.seq = entry.seq
    p.session.flush()
    p.bump(f"decided:{entry.actor}:{instants.office_day(entry.at)}")
    requeue(p, row, entry.at)
    if row.waiting and not row.emergency:
        p.notice("waiting", entry, row.id)


def _taken_back(p: Projection, entry: Entry) -> None:
    row = find(p, entry.object)
    if row is None:
        return
    for decision in _standing(p, row):
        if decision.stage == entry.data["stage"]:
            decision.standing = False
    row.seq = entry.seq
    p.session.flush()
    requeue(p, row, entry.at)


def void(p: Projection, entry: Entry) -> None:
    """A suspension for cause voids what the person signed and is not yet sent; the submissions wait again."""
    query = select(DecisionRow).where(DecisionRow.person == entry.object, DecisionRow.standing)
    for decision in p.session.scalars(query).all():
        row = find(p, decision.submission)
        if row is not None and row.state in {"in_review", "released"}:
            decision.standing = False
            p.session.flush()
            requeue(p, row, entry.at)


def settle(p: Projection, row: SubmissionRow, entry: Entry) -> None:
    """Close a submission whose targets have all taken effect; else open what may be released again."""
    states = [row.publications.get(target["channel"], ["", ""])[1] for target in row.targets]
    if states and all(state in EFFECTIVE for state in states):
        move(p, row, "done")
    requeue(p, row, entry.at)


def counter(p: Projection, name: str) -> int:
    """Return a counter's value."""
    row = p.session.get(CounterRow, name)
    return row.n if row is not None else 0


PROJECT: ProjectTable = {
    EntryType.SUBMISSION_MADE: _made,
    EntryType.SUBMISSION_RETURNED: _returned,
    EntryType.SUBMISSION_RECALLED: _ends("recalled"),
    EntryType.SUBMISSION_CANCELLED: _ends("cancelled"),
    EntryType.SUBMISSION_EXPIRED: _ends("expired", "expired"),
    EntryType.SUBMISSION_RENEWED: _renewed,
    EntryType.SUBMISSION_REROUTED: _rerouted,
    EntryType.SUBMISSION_HANDED: _handed,
    EntryType.DECISION_MADE: _decided,
    EntryType.DECISION_TAKEN_BACK: _taken_back,
}
