"""Renewing: one act of the author, judged by today's table, appointments, channels and days; nothing that was asked for is waived."""

from __future__ import annotations

import pytest

from gateway.machine.policy import RULES, Rule, digest
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import Entry, EntryType
from tests.gateway.machine.company import GROUP, Company, denied, dump, replay
from tests.gateway.machine.test_lists import item
from tests.gateway.machine.test_rerouting import BRAND, HEAD, LEADER, STRICTER, kinds, signed, waits_for


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def expire(company: Company, submission: str) -> None:
    """Let its window end."""
    company.at = company.state.submissions[submission].window_to
    company.system(c.Expire(submission=submission))


def expired(company: Company, *channels: str) -> str:
    """Return a submission of which the approval was signed and the window has ended."""
    submission = company.submit("lu", *(channels or ("ch_web",)), window_to=instants.plus(company.at, 3_600))
    company.approve("gu", submission)
    expire(company, submission)
    return submission


def renew(company: Company, submission: str, hours: float = 24) -> list[Entry]:
    """Let the author renew it."""
    return company.do(c.Renew(submission=submission, window_to=instants.plus(company.at, hours * 3_600)), "lu", Grade.DESK)


def test_a_renewal_takes_todays_route_at_once(company: Company) -> None:
    """The stricter table came while it was expired: the added step is asked for from the renewal on, and said in the log."""
    submission = expired(company)
    company.rules = STRICTER
    renewed, rerouted = renew(company, submission)
    assert (renewed.type, renewed.data) == (EntryType.SUBMISSION_RENEWED, {"revision": 1, "window_to": instants.plus(company.at, 86_400)})
    assert (rerouted.type, rerouted.object, rerouted.actor) == (EntryType.SUBMISSION_REROUTED, submission, "lu")
    data = rerouted.data
    assert (data["asked_by"], data["added"], data["void"], data["tokens"]) == ("renewal", [[LEADER, "R18"]], [], [])
    found = company.state.submissions[submission]
    assert [stage.id for stage in found.stages] == [HEAD, LEADER, BRAND]
    assert (found.state.value, found.policy, found.seq, signed(company, submission)) == ("in_review", digest(STRICTER), rerouted.seq, {})
    company.approve("gu", submission)
    assert waits_for(company, submission) == {("leader", GROUP)}
    with denied("not_next_stage"):
        company.release("fang", submission)
    company.approve("shen", submission)
    company.send(company.release("fang", submission)[0])
    assert dump(replay(company.entries)) == dump(company.state)


def test_a_renewal_under_a_laxer_table_waives_nothing(company: Company) -> None:
    """What was asked for when it was handed in stays asked for."""
    company.rules = STRICTER
    submission = expired_by_table(company)
    company.rules = RULES
    assert kinds(renew(company, submission)) == ["submission.renewed"]
    assert [stage.id for stage in company.state.submissions[submission].stages] == [HEAD, LEADER, BRAND]


def expired_by_table(company: Company) -> str:
    """Return an expired submission that nobody signed."""
    submission = company.submit("lu", "ch_web", window_to=instants.plus(company.at, 3_600))
    expire(company, submission)
    return submission


def test_a_step_that_nobody_could_sign_is_said_at_the_renewal(company: Company) -> None:
    """Who could sign it left while it was expired, be it a step of the old route or one that today's table adds; appointed, it is renewed."""
    submission = expired(company)
    company.end_office("gu", Office.UNIT_HEAD)
    with denied("stage_vacant") as caught:
        renew(company, submission)
    assert (caught.value.missing, caught.value.rule) == ((HEAD,), "R17.1a")
    company.appoint("shao", Office.UNIT_HEAD, "unit_irrigation")
    company.rules = (*RULES, Rule("R18", "level:company", (("approve", ((Office.LEADER, "group"),)),), "", ""))
    company.end_office("shen", Office.LEADER)
    with denied("stage_vacant") as caught:
        renew(company, submission)
    assert (caught.value.missing, caught.value.rule, caught.value.ask) == ((LEADER,), "R18", ("he", "xu"))
    company.appoint("shen", Office.LEADER, GROUP)
    renew(company, submission)
    company.approve("shao", submission)
    assert waits_for(company, submission) == {("leader", GROUP)}


def test_whoever_may_no_longer_write_renews_nothing(company: Company) -> None:
    """The author's office ended, or the author is suspended: nothing is renewed; a stranger is told whose it is."""
    submission = expired(company)
    with denied("not_your_submission") as caught:
        company.do(c.Renew(submission=submission, window_to=instants.plus(company.at, 60)), "gu", Grade.DESK)
    assert caught.value.ask == ("lu",)
    for office in (Office.AUTHOR, Office.OPERATOR):
        company.end_office("lu", office)
    with denied("no_office") as caught:
        renew(company, submission)
    assert (caught.value.detail, caught.value.rule) == ("author", "R9")
    company.suspend("lu")
    with denied("person_suspended"):
        renew(company, submission)


def test_a_channel_out_of_force_is_said_at_the_renewal(company: Company) -> None:
    """Filing, credential, and what an edit names are asked again, for what is left to release."""
    live = company.live("ch_web")
    edit, plain = company.takedown("lu", live, "edit", window_to=instants.plus(company.at, 3_600)), expired(company, "ch_weibo", "ch_wechat")
    company.system(c.Expire(submission=edit))
    for filing in ("changing", "filed"):
        company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_weibo", data={"filing": filing}))
        if filing == "changing":
            with denied("channel_unfiled") as caught:
                renew(company, plain)
            assert caught.value.detail == "ch_weibo"
    renew(company, plain)
    company.send(company.emergency("xu", live, window_to=instants.plus(company.at, 3_600)), "gone")
    with denied("previous_changed"):
        renew(company, edit)


def test_days_that_cover_the_whole_window_are_said_at_the_renewal(company: Company) -> None:
    """Nothing could be sent before the new window ends; a fixed time that is past asks for nothing, and a withdrawal knows no such days."""
    live = company.live("ch_web")
    takedown = company.takedown("lu", live, window_to=instants.plus(company.at, 3_600))
    fixed = company.submit("lu", "ch_weibo", scheduled=instants.plus(company.at, 600), window_to=instants.plus(company.at, 3_600))
    expire(company, fixed)
    company.system(c.Expire(submission=takedown))
    company.blackout(hours=48)
    with denied("blackout") as caught:
        renew(company, fixed, hours=48)
    assert caught.value.detail == "ch_weibo"
    renew(company, takedown)
    assert kinds(renew(company, fixed, hours=49)) == ["submission.renewed"]


def test_of_a_partly_sent_submission_only_the_rest_is_asked_about(company: Company) -> None:
    """One channel is live and its operator has left: the other's people are what the renewal asks for, and the live one stays."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_field", data={
        "platform": "wordpress", "account": "field.example", "name": "田间", "unit": "unit_irrigation_general", "level": "own",
        "filing": "filed", "filing_number": "备-8", "settings": {}, "custodians": ["fang"]}))
    company.appoint("shao", Office.UNIT_HEAD, "unit_irrigation_general")
    company.appoint("qin", Office.OPERATOR, "ch_field")
    company.credential("ch_field")
    submission = company.submit("lu", "ch_irrigation", "ch_field", window_to=instants.plus(company.at, 3_600))
    company.approve("gu", submission)
    company.approve("shao", submission)
    live = company.release("qin", submission, stage="release:operator:ch_field")[0]
    company.send(live)
    expire(company, submission)
    company.end_office("qin", Office.OPERATOR)
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_field", data={"filing": "suspended"}))
    renew(company, submission)
    company.approve("gu", submission)
    company.approve("shao", submission)
    company.send(company.release("lu", submission, stage="release:operator:ch_irrigation")[0])
    assert (company.status(live), company.state.finished[submission][2]) == ("live", "done")


def test_a_partly_released_company_submission_is_renewed_for_the_rest(company: Company) -> None:
    """Released on one of two channels and expired: the added step is asked for before the other goes out."""
    submission = company.submit("lu", "ch_web", "ch_weibo", window_to=instants.plus(company.at, 3_600))
    company.approve("gu", submission)
    company.send(company.sign("fang", item(company, "fang", submission, "release", channels=("ch_web",)))[-1].object)
    expire(company, submission)
    company.rules = STRICTER
    renew(company, submission)
    company.approve("gu", submission)
    with denied("not_next_stage"):
        company.release("fang", submission)
    company.approve("shen", submission)
    company.send(company.release("fang", submission)[0])
    assert company.state.finished[submission][2] == "done"
