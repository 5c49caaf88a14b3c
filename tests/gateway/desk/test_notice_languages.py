"""Notices in the language their reader chose: Chinese or English, both where nobody knows; the group in Chinese, with English where it is set."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from gateway.config import Notices
from gateway.desk.app import WORDS
from gateway.desk.database import keep, migrate, open_engine, sessions, sync_engine
from gateway.desk.notify.messages import Message, Writing, messages
from gateway.desk.notify.tables import NoticeRow, bounded
from gateway.desk.readmodel.projector import project
from gateway.desk.session import RECENT
from gateway.desk.session_tables import LanguageRow, SessionRow
from gateway.desk.settings import DeskSettings
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from gateway.web.i18n import Catalogue
from tests.gateway.desk.conftest import Place, open_place
from tests.gateway.desk.story import submit
from tests.gateway.machine.company import CHANNELS, UNITS, Company
from tests.gateway.machine.test_lists import item
from tests.gateway.machine.test_rerouting import STRICTER

TITLE = "秋收之后，我们把水管修到了地头"
KINDS = {
    "waiting", "returned", "expired", "rerouted", "live", "gone", "rejected", "unknown", "absent", "abandoned", "missed", "stopped", "drifted",
    "handed", "emergency", "frozen", "blackout", "proposal",
}
HAN = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
NOBODY_LISTENS = Notices(smtp="smtp://127.0.0.1:9", sender="qianfa@heting.example", robot="http://127.0.0.1:9/robot", robot_kind="wecom")


@cache
def story() -> Company:
    """A company of which every kind of notice is given; its entries are only read."""
    company = Company.staffed()
    live = company.live("ch_web")
    company.system(c.RecordDrift(publication=live, observed=None))
    for end in ("rejected", "unknown", "stopped", "abandoned"):
        publication = company.released("ch_web")[0]
        if end == "stopped":
            company.do(c.Stop(publication=publication), "lu")
        elif end == "abandoned":
            company.system(c.Abandon(publication=publication, cause="window"))
        else:
            company.send(publication, end)
        if end == "unknown":
            company.settle(publication, EntryType.PUBLICATION_ABSENT, how="三次查找均无")
    fixed = company.released("ch_web", scheduled=instants.plus(company.at, 60))[0]
    company.wait(3_600)
    company.system(c.Miss(publication=fixed))
    back, late = company.submit("lu", "ch_web", "ch_wechat"), company.submit("lu", "ch_web", window_to=instants.plus(company.at, 60))
    company.do(c.Return(submission=back, revision=1, reason="data", notes=None), "gu")
    handed = company.submit("lu", "ch_web")
    company.approve("gu", handed)
    company.do(c.HandOver(submission=handed, revision=1, to="xu"), "fang")
    company.rules = STRICTER
    company.reroute(handed)
    company.wait(60)
    company.system(c.Expire(submission=late))
    for scope, target in (("all", ""), ("unit", "unit_travel"), ("channel", "ch_web"), ("submission", handed)):
        company.freeze("xu", scope, target)
    for scope, target in (("all", ""), ("unit", "unit_travel"), ("channel", "ch_web")):
        company.blackout(scope, target, start=90)
    company.propose("xu", Change(type=EntryType.PERSON_SUSPENDED, object="lin", data={"cause": "调查"}))
    company.send(company.emergency("xu", live), "gone")
    return company


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """An empty, migrated database."""
    migrate(tmp_path / "desk.db")
    engine = sync_engine(tmp_path / "desk.db")
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def every(session: Session, company: Company, *, robot_english: bool = False) -> dict[str, list[Message]]:
    """Return the messages of every notice of a company's whole log, by kind; 顾长庚 reads English, 陆晓棠 Chinese, nobody knows of the others."""
    settings = DeskSettings(
        data=Path(), socket=Path(), desk_url="http://desk.localhost", counter_url="http://c.localhost", kind="sandbox",
        notices=Notices(robot_english=robot_english))
    writing = Writing(session=session, settings=settings, words=Catalogue.load(WORDS))
    made: dict[str, list[Message]] = {}
    for entry in company.entries:  # one at a time: a notice is about how things stand when it is given
        for kind, told, about in project(session, [entry]).notices:
            made.setdefault(kind, []).extend(messages(writing, kind, told, about))
    return made


def test_what_a_new_table_ends_is_told_once_recalled_or_not(session: Session) -> None:
    """In review again, the re-route says it; recalled, there is no re-route, and the end of the send is told by itself."""
    company = Company.staffed()
    company.wait(1)
    for recalled in (False, True):
        submission = company.submit("lu", "ch_web", "ch_wechat")
        company.approve("gu", submission)
        company.sign("fang", item(company, "fang", submission, "release", channels=("ch_web",)))
        if recalled:
            company.do(c.Recall(submission=submission), "lu", Grade.DESK)
    company.rules = STRICTER
    for submission in list(company.state.submissions):
        company.reroute(submission)
    made = every(session, company)
    assert [message.person for message in made["rerouted"]] == ["lu"]
    assert [(message.person, TITLE in message.text or "官网" in message.text) for message in made["abandoned"] if message.person == "lu"] == [("lu", True)]
    assert all("需重新报审" in message.text for message in made["abandoned"] if message.person == "lu")  # what was recalled cannot be released


@pytest.mark.parametrize(("cause", "words"), [("refused:quota", "需重新放行"), ("refused:connector_changed", "需重新报审")])
def test_who_is_told_of_a_send_that_ended_hears_what_helps(session: Session, cause: str, words: str) -> None:
    """Another release, or another revision where the same one would be refused again."""
    company = Company.staffed()
    company.wait(1)
    company.system(c.Abandon(publication=company.released("ch_web")[0], cause=cause))
    assert {words in message.text for message in every(session, company)["abandoned"] if message.person == "lu"} == {True}


def test_every_kind_is_said_in_both_languages(session: Session) -> None:
    """Each kind of notice in English holds no Chinese but names, in Chinese no English; without a choice both, Chinese first, in one mail."""
    session.add_all([LanguageRow(person=person, lang="en", at="") for person in ("gu", "xu")])
    session.add_all([LanguageRow(person=person, lang="zh", at="") for person in ("lu", "fang")])
    session.flush()
    made = every(session, story())
    assert set(made) == KINDS
    names = [*(row[0] for row in UNITS.values()), *(row[2] for row in CHANNELS.values()), "签-2026-"]
    readers = {kind: {message.person for message in found} for kind, found in made.items()}
    assert not [kind for kind, people in readers.items() if not people & {"lu", "fang", "gu", "xu"}]
    for kind, found in made.items():
        for message in found:
            plain = message.text
            for name in names:
                plain = plain.replace(name, "")
            if message.person in {"gu", "xu"}:
                assert not HAN.search(plain), (kind, message.text)
                assert message.text.startswith("["), message.text
                assert message.subject == message.text
            elif message.person in {"lu", "fang"}:
                assert message.text.startswith("【"), message.text
                assert "[" not in message.text
            else:
                first, second = message.text.split("\n")
                assert first.startswith("【"), message.text
                assert second.startswith("["), message.text
                assert message.subject.startswith(f"{first[:first.index('】')]} / {second[1:second.index(']')]}】"), message.subject
            assert "\n" not in message.subject
            if message.group is not None:
                assert "\n" not in message.group[1], "the group hears Chinese alone unless it is set otherwise"
                assert message.group[1].startswith("【")


def test_the_group_hears_english_below_where_it_is_set(session: Session) -> None:
    """With `robot_english` the robot says both, Chinese first; who is told by mail is not touched by it."""
    session.add(LanguageRow(person="gu", lang="en", at=""))
    session.flush()
    made = every(session, story(), robot_english=True)
    groups = [message.group for found in made.values() for message in found if message.group is not None]
    assert groups
    for _, text in groups:
        chinese, english = text.split("\n")
        assert chinese.startswith("【")
        assert english.startswith("[")
    assert {message.text[0] for found in made.values() for message in found if message.person == "gu"} == {"["}


def test_what_a_freeze_covers_is_named(session: Session) -> None:
    """All, a unit, a channel or one item: in words, never as the log spells it."""
    found = every(session, story())["frozen"]
    said = {message.text.split("\n")[0] for message in found}
    assert {text.split("】")[1].split("，由")[0] for text in said} == {"全部渠道", "禾汀乡野", "官网", "《》签-2026-0009"}


def test_long_keys_stay_apart() -> None:
    """Two notices whose keys differ only at their end are two; a renewal of an item that waits for many is told."""
    long = "waiting:" + ",".join(f"release:operator:ch_{n}" for n in range(20))
    assert bounded(long, 1000) == long
    assert len(bounded(long + "a", 200)) == 200
    assert bounded(long + "a", 200) != bounded(long + "b", 200)
    assert bounded(long, len(long)) == long


async def test_two_clicks_at_once_choose_one_language(tmp_path: Path) -> None:
    """The first requests of a session, many at once, each of which would write its first row: all are answered, and one choice stands."""
    async with open_place(tmp_path, notices=NOBODY_LISTENS) as place:
        gu = await place.browser("gu")
        place.app[RECENT]._known.clear()
        async with place.parts.sessions.begin() as session:
            await session.execute(delete(SessionRow))
        done = await asyncio.gather(*(gu.post("/language", {"lang": lang, "next": "/"}) for lang in ("zh", "en") * 10))
        assert {answer.status for answer in done} == {303}
        async with place.parts.sessions() as session:
            assert len((await session.scalars(select(LanguageRow))).all()) == 1


async def test_a_row_that_another_inserts_in_between_is_updated(tmp_path: Path) -> None:
    """The insertion that comes second becomes an update, whichever of the two looked first."""
    migrate(tmp_path / "desk.db")
    engine = open_engine(tmp_path / "desk.db")
    opened, looked = sessions(engine), []

    class Late(AsyncSession):
        """A session between whose look and whose writing another one commits."""

        async def merge(self, instance: Any, **more: Any) -> Any:
            made = await super().merge(instance, **more)
            if not looked:
                looked.append(True)
                async with opened.begin() as other:
                    await other.merge(LanguageRow(person="per_1", lang="zh", at="t"))
            return made

    await keep(async_sessionmaker(engine, class_=Late, expire_on_commit=False), LanguageRow(person="per_1", lang="en", at="t"))
    async with opened() as session:
        assert [row.lang for row in await session.scalars(select(LanguageRow))] == ["en"]
    assert looked
    await engine.dispose()


async def test_a_chosen_language_is_kept_for_pages_and_mail(tmp_path: Path) -> None:
    """Chosen on one device it holds on the next after signing in, and for mail; a cookie that somebody else left there gives way; a stranger's choice is nobody's."""
    async with open_place(tmp_path, notices=NOBODY_LISTENS) as place:
        gu, lu = await place.browser("gu"), await place.browser("lu")
        forged = await gu.post("/language", {"lang": "en", "next": "/"}, **{"X-Form-Token": "0" * 64})
        assert forged.status == 403
        for browser, lang in ((gu, "en"), (lu, "en"), (lu, "zh"), (await place.browser(None), "en")):
            done = await browser.post("/language", {"lang": lang, "next": "//evil"})
            assert (done.status, done.location) == (303, "/")
            assert f"qianfa-lang={lang}" in done.headers["Set-Cookie"]
        async with place.parts.sessions() as session:
            kept = {row.person: row.lang for row in await session.scalars(select(LanguageRow))}
        assert kept == {place.people("gu"): "en", place.people("lu"): "zh"}
        assert await _signs_in(place, "gu", "qianfa-lang=zh") == ["qianfa-lang=en"]
        assert await _signs_in(place, "fang", "qianfa-lang=en") == []
        submission = await submit(lu, TITLE, place.channel())
        await place.caught_up()
        texts = await _mailed(place, submission)
        assert set(texts) == {"gu@heting.example", "group"}
        assert texts["gu@heting.example"].startswith(f"[For you to decide] “{TITLE}”")
        assert texts["group"].startswith("【待您办理】")
        assert "[" not in texts["group"]


async def _signs_in(place: Place, who: str, cookie: str) -> list[str]:
    """Sign in as the counter does, in a browser that sends `cookie`; return the language cookies that it is given."""
    nobody = await place.browser(None)
    begun = await nobody.get("/sign-in")
    state, challenge = re.findall(r"(?:state|challenge)=([^&]+)", begun.location)
    _, session = place.sessions.open(place.people(who), "counter", factor=f"factor/{place.people(who)}/totp")
    code = place.sessions.hand_over(session, challenge)
    held = begun.headers["Set-Cookie"].split(";")[0]
    done = await nobody.get(f"/signed-in?code={code}&state={state}", Cookie=f"{held}; {cookie}")
    assert done.location == "/"
    return [value.split(";")[0] for value in done.headers.getall("Set-Cookie") if value.startswith("qianfa-lang")]


async def _mailed(place: Place, submission: str) -> dict[str, str]:
    """Return what was written about an item, by address."""
    async with place.parts.sessions() as session:
        rows = await session.scalars(select(NoticeRow).where(NoticeRow.key.startswith(f"waiting:{submission}")))
        return {row.address: row.text for row in rows}
