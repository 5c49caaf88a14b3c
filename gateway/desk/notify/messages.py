"""What is said to whom: one line with title, channel, what is to be done and by when, and a link to exactly that item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.desk.notify.tables import KEY_LIMIT, bounded
from gateway.desk.notify.wording import BOTH, Said, T, language_of, say
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.readmodel.directory import Person
from gateway.desk.readmodel.people import AppointmentRow, PersonRow, ProposalRow, UnitRow
from gateway.desk.readmodel.projection import CURSOR_ID, CursorRow, TextRow
from gateway.desk.readmodel.publications import PublicationRow
from gateway.desk.readmodel.refusals import BlackoutRow, FreezeRow
from gateway.desk.readmodel.submissions import SubmissionRow, WaitingRow
from gateway.desk.settings import DeskSettings
from gateway.protocol import instants
from gateway.protocol.entries import Entry
from gateway.protocol.instants import OFFICE_ZONE, Instant
from gateway.web.i18n import Catalogue

_ABOUT_PUBLICATION: Final = frozenset({"live", "gone", "rejected", "unknown", "absent", "abandoned", "missed", "stopped", "drifted"})
_ABOUT_SUBMISSION: Final = frozenset({"returned", "expired", "rerouted"})
_ALARM: Final = frozenset({"unknown", "missed", "drifted", "rejected", "abandoned"})
_STOPPERS: Final = ("brand_pr", "brand_pr_head", "leader", "founder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in its reader's language; `mail` is empty for people without an address.

    `group` is subject and text for the group's robot, None where the group is not told.
    """

    key: str
    person: str | None
    subject: str
    text: str
    link: str
    mail: str = ""
    group: tuple[str, str] | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What notices are written from: the read model, the addresses of both faces, and the words."""

    session: Session
    settings: DeskSettings
    words: Catalogue

    def said(self, kind: str, line: Callable[[T], str]) -> Said:
        """Return a notice whose label is that of its kind."""
        return say(self.words, f"notice.{kind}", line)

    def to(
        self, people: Sequence[str], said: Said, *, key: str, link: str, group: bool = False, urgent: bool = False,
    ) -> Iterator[Message]:
        """Yield the messages to these people, each in their own language; the first one takes the group's along."""
        every = BOTH if self.settings.notices.robot_english else "zh"
        for number, person in enumerate(dict.fromkeys(people)):
            lang = language_of(self.session, person)
            yield Message(
                key=bounded(key, KEY_LIMIT - 100), person=person, subject=said.subject(lang), text=said.text(lang), link=link, mail=mail_of(self.session, person),
                group=(said.subject(every), said.text(every)) if group and number == 0 else None, urgent=urgent,
            )

    def where(self, row: SubmissionRow) -> Callable[[T], str]:
        """Return what says a submission's first channel, how many there are, and what is to be done there."""
        first, number = row.targets[0], len(row.targets)

        def words(t: T) -> str:
            key = "notice.targets" if number > 1 else "notice.target"
            return t(key, channel=_channel(self.session, first["channel"]), operation=t(f"operation.{first['operation']}"), n=number)

        return words


def messages(writing: Writing, kind: str, entry: Entry, about: str) -> Iterator[Message]:
    """Yield the messages that one notice gives rise to."""
    if kind == "waiting":
        yield from _waiting(writing, entry, about)
    elif kind in _ABOUT_SUBMISSION:
        yield from _author(writing, kind, about)
    elif kind in _ABOUT_PUBLICATION:
        yield from _publication(writing, kind, entry, about)
    elif kind == "handed":
        yield from _handed(writing, entry, about)
    elif kind == "emergency":
        yield from _emergency(writing, about)
    elif kind == "frozen":
        yield from _frozen(writing, entry, about)
    elif kind == "blackout":
        yield from _blackout(writing, entry, about)
    elif kind == "proposal":
        yield from _proposal(writing, entry, about)


def _waiting(writing: Writing, entry: Entry, about: str) -> Iterator[Message]:
    session = writing.session
    row = session.get(SubmissionRow, about)
    if row is None or not row.waiting:
        return
    where, findings = writing.where(row), row.findings
    said = writing.said("waiting", lambda t: t(
        "notice.waiting.line", title=row.title, where=where(t), block=findings["block"], confirm=findings["confirm"], due=_time(row.window_to)))
    waiting = session.scalars(select(WaitingRow).where(WaitingRow.submission == row.id)).all()
    people = [p for wait in waiting for p in holders(session, wait.office, wait.scope, entry.at) if p != row.author]
    yield from writing.to(
        people, said, key=f"waiting:{row.id}:{row.revision}.{len(row.stages)}:{','.join(row.waiting)}:{row.window_to}",
        link=f"{writing.settings.counter_url}/s/item/{row.id}", group=True,
    )


def _handed(writing: Writing, entry: Entry, about: str) -> Iterator[Message]:
    row = writing.session.get(SubmissionRow, about)
    if row is None or row.revision != entry.data["revision"]:
        return
    person, by, where = str(entry.data["to"]), name_of(writing.session, entry.actor), writing.where(row)
    said = writing.said("handed", lambda t: t("notice.handed.line", by=by, title=row.title, where=where(t)))
    yield from writing.to(
        [person], said, key=f"handed:{row.id}:{row.revision}:{person}", link=f"{writing.settings.counter_url}/s/item/{row.id}",
    )


def nudge_messages(writing: Writing, row: SubmissionRow, people: Sequence[Person], by: str, now: Instant) -> Iterator[Message]:
    """Yield what `people` are told when `by` nudges: the item, since when it waits, until when, and a link to exactly it."""
    hours = int(instants.seconds_between(Instant(row.since), now) // 3600)
    where = writing.where(row)

    def line(t: T) -> str:
        return t(
            "notice.nudge.line", names=t("notice.and").join(person.name for person in people), title=row.title, where=where(t),
            waited=t("notice.nudge.waited", hours=hours) if hours > 0 else "", due=_time(row.window_to), by=by)

    yield from writing.to(
        [person.id for person in people], writing.said("nudge", line), key=f"nudge:{row.id}:{now}",
        link=f"{writing.settings.counter_url}/s/item/{row.id}", group=True,
    )


def _author(writing: Writing, kind: str, about: str) -> Iterator[Message]:
    row = writing.session.get(SubmissionRow, about)
    if row is not None:
        said = writing.said(kind, lambda t: t("notice.submission.line", title=row.title, number=row.number))
        yield from writing.to(
            [row.author], said, key=f"{kind}:{row.id}:{row.revision}:{row.seq}", link=f"{writing.settings.desk_url}/submissions/{row.id}")


def _publication(writing: Writing, kind: str, entry: Entry, about: str) -> Iterator[Message]:
    session = writing.session
    row = session.get(PublicationRow, about)
    if row is None:
        return
    label = "abandoned_anew" if kind == "abandoned" and _needs_revision(session, row, entry) else kind
    said = writing.said(label, lambda t: t("notice.publication.line", title=row.title, channel=_channel(session, row.channel)))
    people = [row.author]
    if kind in _ALARM:
        people += holders(session, "brand_pr", _group(session), entry.at) + holders(session, "brand_pr_head", _group(session), entry.at)
    yield from writing.to(
        people, said, key=f"{kind}:{row.id}:{entry.seq}", link=f"{writing.settings.desk_url}/publications/{row.id}", group=kind in _ALARM)


def _needs_revision(session: Session, row: PublicationRow, entry: Entry) -> bool:
    """Return whether what was not sent cannot be released again: it was recalled or returned meanwhile, or another connector is there now."""
    submission = session.get(SubmissionRow, row.submission)
    return submission is None or submission.state not in {"in_review", "released"} or entry.data["cause"] == "refused:connector_changed"


def _emergency(writing: Writing, about: str) -> Iterator[Message]:
    session = writing.session
    row = session.get(SubmissionRow, about)
    if row is None:
        return
    where, by = writing.where(row), name_of(session, row.author)
    said = writing.said("emergency", lambda t: t("notice.emergency.line", title=row.title, where=where(t), by=by))
    everyone = session.scalars(select(PersonRow.id).where(PersonRow.suspended.is_(False))).all()
    yield from writing.to(
        everyone, said, key=f"emergency:{row.id}", link=f"{writing.settings.desk_url}/submissions/{row.id}", group=True, urgent=True)


def _frozen(writing: Writing, entry: Entry, about: str) -> Iterator[Message]:
    session = writing.session
    row = session.get(FreezeRow, about)
    if row is None:
        return
    by = name_of(session, row.by)
    said = writing.said("frozen", lambda t: t("notice.frozen.line", where=_scope(session, row.scope, row.target, t), by=by))
    yield from writing.to(
        _stoppers(session, entry.at), said, key=f"frozen:{row.id}", link=f"{writing.settings.desk_url}/publications", group=True)


def _blackout(writing: Writing, entry: Entry, about: str) -> Iterator[Message]:
    session = writing.session
    row = session.get(BlackoutRow, about)
    if row is None:
        return
    said = writing.said("blackout", lambda t: t(
        "notice.blackout.line", where=_scope(session, row.scope, row.target, t), first=_time(row.start), last=_time(row.end),
        kind=t(f"blackout.kind.{row.kind}")))
    yield from writing.to(
        _stoppers(session, entry.at), said, key=f"blackout:{row.id}", link=f"{writing.settings.desk_url}/channels", group=True)


def _proposal(writing: Writing, entry: Entry, about: str) -> Iterator[Message]:
    session, settings = writing.session, writing.settings
    if session.get(ProposalRow, about) is None:  # confirmed or declined before we heard of it
        return
    group, by = _group(session), name_of(session, entry.actor)
    people = [p for office in ("founder", "brand_pr_head", "sysadmin") for p in holders(session, office, group, entry.at) if p != entry.actor]
    said = writing.said("proposal", lambda t: t("notice.proposal.line", by=by))
    yield from writing.to(people, said, key=f"proposal:{about}", link=f"{settings.inside_url or settings.counter_url}/i/changes")


def _time(at: str) -> str:
    return instants.to_datetime(Instant(at)).astimezone(OFFICE_ZONE).strftime("%m-%d %H:%M")


def _stoppers(session: Session, at: str) -> list[str]:
    """Return who hears of a freeze or of blackout days: those who may freeze anywhere."""
    return [p for office in _STOPPERS for p in holders(session, office, _group(session), at)]


def _scope(session: Session, scope: str, target: str, t: T) -> str:
    """Return what a freeze or a blackout covers, in words."""
    if scope == "all":
        return t("notice.everywhere")
    if scope == "unit":
        unit = session.get(UnitRow, target)
        return unit.name if unit is not None else target
    if scope == "submission":
        row = session.get(SubmissionRow, target)
        return t("notice.item", title=row.title, number=row.number) if row is not None else target
    return _channel(session, target)


def holders(session: Session, office: str, scope: str, at: str) -> list[str]:
    """Return the people who hold `office` for `scope` at `at` and are not suspended."""
    query = (
        select(AppointmentRow.person).join(PersonRow, PersonRow.id == AppointmentRow.person)
        .where(AppointmentRow.office == office, AppointmentRow.scope == scope, AppointmentRow.start <= at, AppointmentRow.end > at,
               PersonRow.suspended.is_(False))
    )
    return list(session.scalars(query))


def name_of(session: Session, person: str) -> str:
    """Return a person's name, or the id where it was erased."""
    row = session.get(PersonRow, person)
    text = session.get(TextRow, row.name) if row is not None else None
    return text.text if text is not None else person


def mail_of(session: Session, person: str) -> str:
    """Return a person's mail address, empty where none is known."""
    row = session.get(PersonRow, person)
    commitment = row.details.get("mail") if row is not None else None
    text = session.get(TextRow, commitment) if commitment else None
    return text.text if text is not None else ""


def _group(session: Session) -> str:
    cursor = session.get(CursorRow, CURSOR_ID)
    return cursor.group_unit if cursor is not None else ""


def _channel(session: Session, identifier: str) -> str:
    row = session.get(ChannelRow, identifier)
    return row.name if row is not None else identifier
