"""What is said to whom: one line with title, channel, what is to be done and by when, and a link to exactly that item."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

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

OPERATIONS: Final = {"publish": "发布", "edit": "更正", "withdraw": "撤稿"}
_ABOUT_PUBLICATION: Final = {
    "live": "已发布", "gone": "已撤下", "rejected": "平台拒绝，需重新放行", "unknown": "待核实：平台没有回话，正在回读", "absent": "已核实未发出",
    "abandoned": "未发送，需重新放行", "missed": "错过定时，请决定是否重新放行", "stopped": "已停发", "drifted": "异动：线上与签发内容不一致",
}
_ABOUT_SUBMISSION: Final = {
    "returned": "已退回，请修改后再报", "expired": "已过期，可一键续期", "rerouted": "流程按现行制度补了步骤，先前的放行作废，请等补签后重新放行",
}
_KINDS: Final = {"mourning": "哀悼日", "assembly": "重要会议", "earnings": "财报静默期", "incident": "事故后静默", "other": "静默期"}
_ALARM: Final = frozenset({"unknown", "missed", "drifted", "rejected", "abandoned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; `mail` is empty for people without an address, `to_group` also sends it to the robot."""

    key: str
    person: str | None
    subject: str
    text: str
    link: str
    mail: str = ""
    to_group: bool = False
    urgent: bool = False


def messages(session: Session, settings: DeskSettings, kind: str, entry: Entry, about: str) -> Iterator[Message]:
    """Yield the messages that one notice gives rise to."""
    if kind == "waiting":
        yield from _waiting(session, settings, entry, about)
    elif kind in _ABOUT_SUBMISSION:
        yield from _author(session, settings, kind, about)
    elif kind in _ABOUT_PUBLICATION:
        yield from _publication(session, settings, kind, entry, about)
    elif kind == "handed":
        yield from _handed(session, settings, entry, about)
    elif kind == "emergency":
        yield from _emergency(session, settings, about)
    elif kind == "frozen":
        yield from _frozen(session, settings, entry, about)
    elif kind == "blackout":
        yield from _blackout(session, settings, entry, about)
    elif kind == "proposal":
        yield from _proposal(session, settings, entry, about)


def _waiting(session: Session, settings: DeskSettings, entry: Entry, about: str) -> Iterator[Message]:
    row = session.get(SubmissionRow, about)
    if row is None or not row.waiting:
        return
    findings = row.findings
    due = instants.to_datetime(Instant(row.window_to)).astimezone(OFFICE_ZONE).strftime("%m-%d %H:%M")
    text = (
        f"【待您办理】《{row.title}》{_targets(session, row)} | {findings['block']} 阻断 {findings['confirm']} 提醒 | {due} 前"
    )
    link = f"{settings.counter_url}/s/item/{row.id}"
    waiting = session.scalars(select(WaitingRow).where(WaitingRow.submission == row.id)).all()
    people = dict.fromkeys(p for wait in waiting for p in holders(session, wait.office, wait.scope, entry.at) if p != row.author)
    for number, person in enumerate(people):
        yield Message(
            key=f"waiting:{row.id}:{row.revision}.{len(row.stages)}:{','.join(row.waiting)}:{row.window_to}"[:200], person=person, subject=text, text=text,
            link=link, mail=mail_of(session, person), to_group=number == 0,
        )


def _handed(session: Session, settings: DeskSettings, entry: Entry, about: str) -> Iterator[Message]:
    row = session.get(SubmissionRow, about)
    if row is None or row.revision != entry.data["revision"]:
        return
    person = str(entry.data["to"])
    text = f"【转交给您】{name_of(session, entry.actor)} 请您办理《{row.title}》{_targets(session, row)}"
    yield Message(
        key=f"handed:{row.id}:{row.revision}:{person}", person=person, subject=text, text=text, link=f"{settings.counter_url}/s/item/{row.id}",
        mail=mail_of(session, person),
    )


def nudge_messages(
    session: Session, settings: DeskSettings, row: SubmissionRow, people: Sequence[Person], by: str, now: Instant,
) -> Iterator[Message]:
    """Yield what `people` are told when `by` nudges: the item, since when it waits, until when, and a link to exactly it."""
    hours = int(instants.seconds_between(Instant(row.since), now) // 3600)
    due = instants.to_datetime(Instant(row.window_to)).astimezone(OFFICE_ZONE).strftime("%m-%d %H:%M")
    names = "、".join(person.name for person in people)
    text = f"【催办】{names}：《{row.title}》{_targets(session, row)}{f' | 已等 {hours} 小时' if hours > 0 else ''} | {due} 前 | {by} 催办"
    for number, person in enumerate(people):
        yield Message(
            key=f"nudge:{row.id}:{now}", person=person.id, subject=text, text=text, link=f"{settings.counter_url}/s/item/{row.id}",
            mail=mail_of(session, person.id), to_group=number == 0,
        )


def _author(session: Session, settings: DeskSettings, kind: str, about: str) -> Iterator[Message]:
    row = session.get(SubmissionRow, about)
    if row is not None:
        text = f"【{_ABOUT_SUBMISSION[kind]}】《{row.title}》{row.number}"
        yield Message(
            key=f"{kind}:{row.id}:{row.revision}:{row.seq}", person=row.author, subject=text, text=text,
            link=f"{settings.desk_url}/submissions/{row.id}", mail=mail_of(session, row.author),
        )


def _publication(session: Session, settings: DeskSettings, kind: str, entry: Entry, about: str) -> Iterator[Message]:
    row = session.get(PublicationRow, about)
    if row is None:
        return
    where = _channel(session, row.channel)
    text = f"【{_ABOUT_PUBLICATION[kind]}】《{row.title}》{where}"
    people = [row.author]
    if kind in _ALARM:
        people += holders(session, "brand_pr", _group(session), entry.at) + holders(session, "brand_pr_head", _group(session), entry.at)
    for number, person in enumerate(dict.fromkeys(people)):
        yield Message(
            key=f"{kind}:{row.id}:{entry.seq}", person=person, subject=text, text=text, link=f"{settings.desk_url}/publications/{row.id}",
            mail=mail_of(session, person), to_group=number == 0 and kind in _ALARM,
        )


def _emergency(session: Session, settings: DeskSettings, about: str) -> Iterator[Message]:
    row = session.get(SubmissionRow, about)
    if row is None:
        return
    text = f"【应急撤稿】《{row.title}》{_targets(session, row)}，由 {name_of(session, row.author)} 办理，事后复核"
    for number, person in enumerate(session.scalars(select(PersonRow.id).where(PersonRow.suspended.is_(False))).all()):
        yield Message(
            key=f"emergency:{row.id}", person=person, subject=text, text=text, link=f"{settings.desk_url}/submissions/{row.id}",
            mail=mail_of(session, person), to_group=number == 0, urgent=True,
        )


def _frozen(session: Session, settings: DeskSettings, entry: Entry, about: str) -> Iterator[Message]:
    row = session.get(FreezeRow, about)
    if row is None:
        return
    names = {"all": "全部渠道", "channel": _channel(session, row.target)}
    text = f"【已冻结】{names.get(row.scope, row.scope)}，由 {name_of(session, row.by)} 冻结；解冻须另外两人"
    group = _group(session)
    people = [p for office in ("brand_pr", "brand_pr_head", "leader", "founder") for p in holders(session, office, group, entry.at)]
    for number, person in enumerate(dict.fromkeys(people)):
        yield Message(
            key=f"frozen:{row.id}", person=person, subject=text, text=text, link=f"{settings.desk_url}/publications", mail=mail_of(session, person),
            to_group=number == 0,
        )


def _blackout(session: Session, settings: DeskSettings, entry: Entry, about: str) -> Iterator[Message]:
    row = session.get(BlackoutRow, about)
    if row is None:
        return
    unit = session.get(UnitRow, row.target)
    where = "全部渠道" if row.scope == "all" else unit.name if unit is not None else _channel(session, row.target)
    first, last = (instants.to_datetime(Instant(at)).astimezone(OFFICE_ZONE).strftime("%m-%d %H:%M") for at in (row.start, row.end))
    text = f"【静默期】{where} {first} 至 {last}（{_KINDS[row.kind]}）不发布、不更正；撤稿不受影响"
    offices = ("brand_pr", "brand_pr_head", "leader", "founder")
    people = [p for office in offices for p in holders(session, office, _group(session), entry.at)]
    for number, person in enumerate(dict.fromkeys(people)):
        yield Message(
            key=f"blackout:{row.id}", person=person, subject=text, text=text, link=f"{settings.desk_url}/channels", mail=mail_of(session, person),
            to_group=number == 0,
        )


def _proposal(session: Session, settings: DeskSettings, entry: Entry, about: str) -> Iterator[Message]:
    if session.get(ProposalRow, about) is None:  # confirmed or declined before we heard of it
        return
    group = _group(session)
    people = [p for office in ("founder", "brand_pr_head", "sysadmin") for p in holders(session, office, group, entry.at) if p != entry.actor]
    text = f"【变更单待确认】{name_of(session, entry.actor)} 提交了一张变更单，须另一人确认"
    for person in dict.fromkeys(people):
        yield Message(
            key=f"proposal:{about}", person=person, subject=text, text=text, link=f"{settings.inside_url or settings.counter_url}/i/changes",
            mail=mail_of(session, person),
        )


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


def _targets(session: Session, row: SubmissionRow) -> str:
    first = row.targets[0]
    more = f"等 {len(row.targets)} 个渠道" if len(row.targets) > 1 else ""
    return f"{_channel(session, first['channel'])}{more}·{OPERATIONS.get(first['operation'], first['operation'])}"
