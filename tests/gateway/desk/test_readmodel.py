"""The read model against the machine: whatever the log says, both mean the same; and reading it again gives the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from gateway.desk.database import migrate, sync_engine
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.entries import EntryRow
from gateway.desk.readmodel.people import AppointmentRow, PersonRow, UnitRow
from gateway.desk.readmodel.projector import clear, project
from gateway.desk.readmodel.publications import PublicationRow
from gateway.desk.readmodel.refusals import BlackoutRow, FreezeRow
from gateway.desk.readmodel.submissions import DecisionRow, SubmissionRow, WaitingRow
from gateway.desk.tables import METADATA
from gateway.machine.policy import Rule
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import Company
from tests.gateway.machine.test_lists import item
from tests.gateway.machine.test_rerouting import STRICTER


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """An empty, migrated database."""
    migrate(tmp_path / "desk.db")
    engine = sync_engine(tmp_path / "desk.db")
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def eventful() -> Company:
    """A company to which everything has happened once."""
    company = Company.staffed()
    live = company.live("ch_web")
    correction = company.takedown("lu", live, "edit")
    company.approve("gu", correction)
    for publication in company.release("fang", correction):
        company.send(publication)
    for outcome in ("unknown", "rejected"):
        (publication,) = company.released("ch_web")
        company.send(publication, outcome)
    company.released("ch_wechat", "ch_web")
    company.submit("lu", "ch_web", facts={"sensitive": True})
    returned = company.submit("lu", "ch_irrigation")
    company.freeze("xu", "channel", "ch_web")
    half = company.submit("lu", "ch_web")
    company.approve("gu", half)
    company.end_office("meng", Office.UNIT_HEAD)
    company.suspend("gu")
    assert returned in company.state.submissions
    company.restore("gu")
    company.lift(company.blackout("unit", "unit_travel"))
    company.blackout(start=90, kind="earnings")
    rerouted = company.released("ch_wechat", "ch_weibo")[0]
    in_review = company.submit("lu", "ch_web")
    company.approve("gu", in_review)
    company.rules = STRICTER
    company.reroute(company.state.publications[rerouted].submission)
    company.sign("fang", company.item("fang", in_review, "release"))
    partly, late = company.submit("lu", "ch_wechat", "ch_weibo"), company.submit("lu", "ch_weibo", window_to=instants.plus(company.at, 3_600))
    for person in ("gu", "shen"):
        company.approve(person, partly)
    company.send(company.sign("fang", item(company, "fang", partly, "release", channels=("ch_wechat",)))[-1].object)
    company.do(c.Return(submission=partly, revision=1, reason="data", notes=None), "fang")
    company.submit("lu", "ch_weibo", submission=partly)
    company.wait(3_600)
    company.system(c.Expire(submission=late))
    company.rules = (*STRICTER, Rule("R19", "level:company", (("approve", ((Office.BRAND_PR_HEAD, "group"),)),), "", ""))
    company.do(c.Renew(submission=late, window_to=instants.plus(company.at, 3_600)), "lu")
    return company


def rows(session: Session) -> dict[str, list[Any]]:
    """Return every row of the read model."""
    return {
        table.name: sorted(map(repr, session.execute(select(table)))) for table in METADATA.sorted_tables if table.name.startswith("read_")
    } | {"words": sorted(map(repr, session.execute(text("SELECT kind, ref, words FROM search_words"))))}


def test_it_means_what_the_machine_means(session: Session) -> None:
    """People, offices, channels, submissions, queues, publications and freezes stand as in the machine's state."""
    company = eventful()
    project(session, company.entries)
    state = company.state
    assert {row.id: row.suspended for row in session.scalars(select(PersonRow))} == {p.id: p.suspended for p in state.people.values()}
    assert {row.id: (row.name, row.parent) for row in session.scalars(select(UnitRow))} == {u.id: (u.name, u.parent) for u in state.units.values()}
    assert {row.id: (row.person, row.end) for row in session.scalars(select(AppointmentRow))} == {
        a.id: (a.person, a.end) for a in state.appointments.values()}
    assert {row.id: (row.filing, row.credential_version) for row in session.scalars(select(ChannelRow))} == {
        ch.id: (ch.filing, ch.credential.version if ch.credential else None) for ch in state.channels.values()}
    submissions = {row.id: row for row in session.scalars(select(SubmissionRow))}
    for identifier, known in state.submissions.items():
        assert submissions[identifier].state == known.state.value
        assert submissions[identifier].seq == known.seq, identifier
        assert submissions[identifier].waiting == [stage.id for stage in state.open_stages(known)]
    for identifier, (number, author, ended) in state.finished.items():
        assert (submissions[identifier].number, submissions[identifier].author, submissions[identifier].state) == (number, author, ended)
    waiting = {(row.office, row.scope, row.submission) for row in session.scalars(select(WaitingRow))}
    assert waiting == {(office, scope, identifier) for (office, scope), found in state.waiting.items() for identifier in found}
    assert {row.id: (row.state, row.url) for row in session.scalars(select(PublicationRow))} == {
        p.id: (p.state.value, p.url) for p in state.publications.values()}
    assert {row.id for row in session.scalars(select(FreezeRow))} == set(state.freezes)
    assert {row.id: (row.scope, row.target, row.kind, row.start, row.end) for row in session.scalars(select(BlackoutRow))} == {
        b.id: (b.scope, b.target, b.kind, b.start, b.end) for b in state.blackouts.values()}
    standing = {(row.submission, row.stage, row.person) for row in session.scalars(select(DecisionRow).where(DecisionRow.standing))}
    for identifier, known in state.submissions.items():
        assert {(s, stage, person) for s, stage, person in standing if s == identifier} == {
            (identifier, s.stage, s.person) for s in known.signatures}


def test_reading_again_gives_the_same_rows(session: Session) -> None:
    """One batch, many small batches, repeated batches and a rebuild all end in the same rows."""
    company = eventful()
    project(session, company.entries)
    session.commit()
    first = rows(session)
    assert first["read_entries"]
    assert first["read_submissions"]
    clear(session)
    session.commit()
    assert not rows(session)["read_entries"]
    for start in range(0, len(company.entries), 7):
        project(session, company.entries[max(0, start - 3): start + 7])
        session.commit()
    assert rows(session) == first


def test_a_gap_is_refused(session: Session) -> None:
    """An entry that is not the next one stops the reading instead of leaving a hole."""
    company = Company.staffed()
    with pytest.raises(ValueError, match="expected"):
        project(session, company.entries[1:])


def test_threads_hold_everything_about_one_submission(session: Session) -> None:
    """A submission's thread lists its decisions and sends in the log's order."""
    company = Company.staffed()
    live = company.live("ch_web")
    project(session, company.entries)
    submission = company.state.publications[live].submission
    kinds = [row.type for row in session.scalars(select(EntryRow).where(EntryRow.thread == submission).order_by(EntryRow.seq))]
    assert kinds[0] == EntryType.SUBMISSION_MADE
    assert kinds[-1] == EntryType.PUBLICATION_LIVE
    assert kinds.count(EntryType.DECISION_MADE) == 2
