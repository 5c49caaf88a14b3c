"""What is asked when a window ends, opens again, or an approval is taken back: of each step, and of each channel, only what is left of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.machine.policy import RULES
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import Company, denied
from tests.gateway.machine.test_lists import item

BY_OPERATORS = (replace(RULES[1], stages=(("approve", ((Office.UNIT_HEAD, "author"),)), ("release", ((Office.OPERATOR, "channel"),)))),)
"""A table in which a unit's own channel is released by its operator alone: a release that nobody could sign has an approval that somebody can."""


@pytest.fixture
def company() -> Company:
    """Staffed; the irrigation company has a second account of its own, with another operator."""
    made = Company.staffed()
    made.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_field", data={
        "platform": "wordpress", "account": "field.example", "name": "田间", "unit": "unit_irrigation", "level": "own",
        "filing": "filed", "filing_number": "备-8", "settings": {}, "custodians": ["fang"]}))
    made.appoint("qin", Office.OPERATOR, "ch_field")
    made.credential("ch_field")
    return made


def renew(company: Company, submission: str) -> None:
    """Let the author open the window again for a day."""
    company.do(c.Renew(submission=submission, window_to=instants.plus(company.at, 86_400)), "lu", Grade.DESK)


def test_a_renewal_asks_who_could_release_what_is_left_and_only_that(company: Company) -> None:
    """One of two channels is live: that its operator left is nobody's concern, that the other's left keeps the renewal back."""
    company.rules = BY_OPERATORS
    submission = company.submit("lu", "ch_irrigation", "ch_field", window_to=instants.plus(company.at, 3_600))
    company.approve("gu", submission)
    company.send(company.release("qin", submission, stage="release:operator:ch_field")[0])
    company.at = company.state.submissions[submission].window_to
    company.system(c.Expire(submission=submission))
    company.end_office("qin", Office.OPERATOR)
    company.end_office("lu", Office.OPERATOR)
    with denied("stage_vacant") as caught:
        renew(company, submission)
    assert caught.value.missing == ("release:operator:ch_irrigation",)
    company.appoint("shao", Office.OPERATOR, "ch_irrigation")
    renew(company, submission)
    company.approve("gu", submission)
    company.send(company.release("shao", submission)[0])
    assert company.state.finished[submission][2] == "done"


def test_a_window_does_not_end_under_what_is_on_its_way(company: Company) -> None:
    """One of two channels was released and waits to be sent when the window is over: the rest expires once that has its end."""
    submission = company.submit("lu", "ch_web", "ch_weibo", window_to=instants.plus(company.at, 3_600))
    company.approve("gu", submission)
    held = company.sign("fang", item(company, "fang", submission, "release", channels=("ch_web",)))[-1].object
    company.at = company.state.submissions[submission].window_to
    with denied("wrong_state") as caught:
        company.system(c.Expire(submission=submission))
    assert (caught.value.detail, company.status(held)) == ("released", "held")
    company.do(c.Stop(publication=held), "fang")
    company.system(c.Expire(submission=submission))
    assert company.state.submissions[submission].state == "expired"


def test_a_suspended_signer_takes_nothing_back(company: Company) -> None:
    """The refusal says why: not that there is nothing to take back, but that this person may do nothing now."""
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    company.suspend("gu")
    stage = company.state.submissions[submission].stages[0].id
    with denied("person_suspended"):
        company.do(c.TakeBack(submission=submission, stage=stage), "gu")
