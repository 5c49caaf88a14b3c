"""Handing over: a mark for another holder of the office; nobody gains or loses a right by it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.machine import handover
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from tests.gateway.machine.company import Company, denied, state_digest


def waiting(company: Company, *channels: str) -> str:
    """Return a submission that waits for its release."""
    submission = company.submit("lu", *(channels or ("ch_web",)))
    company.approve("gu", submission)
    return submission


def hand(company: Company, submission: str, to: str, by: str = "fang", **over: Any) -> Any:
    """Hand over and return the entry."""
    return company.do(c.HandOver(**{"submission": submission, "revision": 1, "to": to, **over}), by)[0]


def test_it_changes_nothing_but_the_log() -> None:
    """The entry names stage and person; queue and rights are as before, also of who was not named."""
    company = Company.staffed()
    submission = waiting(company)
    before = (company.state.submissions[submission].seq, dict(company.state.waits))
    entry = hand(company, submission, "xu")
    assert (entry.type, entry.data) == ("submission.handed", {"revision": 1, "stage": "release:brand_pr:unit_group", "to": "xu"})
    assert (company.state.submissions[submission].seq, dict(company.state.waits)) == before
    company.release("fang", submission)


@pytest.mark.parametrize(("to", "by", "code"), [
    ("fang", "fang", "not_holder"), ("gu", "fang", "not_holder"), ("lu", "fang", "not_holder"), ("nobody", "fang", "not_holder"),
    ("xu", "gu", "no_office"), ("xu", "lu", "no_office"),
])
def test_only_between_people_who_may_decide(to: str, by: str, code: str) -> None:
    """Not to oneself, to the author, to an approver of another step or to a stranger; and not by one for whom it does not wait."""
    company = Company.staffed()
    submission = waiting(company)
    size = state_digest(company.state)
    with denied(code):
        hand(company, submission, to, by)
    assert state_digest(company.state) == size


def test_not_past_what_somebody_saw() -> None:
    """Another revision or an entry that was not seen is refused; it takes a counter session."""
    company = Company.staffed()
    submission = waiting(company)
    with denied("stale_view"):
        hand(company, submission, "xu", revision=2)
    with denied("stale_view"):
        company.do(c.HandOver(submission=submission, revision=1, to="xu"), "fang", expected=1)
    with denied("grade_too_low"):
        company.do(c.HandOver(submission=submission, revision=1, to="xu"), "fang", Grade.DESK)


def test_an_approver_is_not_asked_to_release_what_must_be_anothers() -> None:
    """Who approved it, and its author, are among the others only where one person may do both."""
    company = Company.staffed()
    company.appoint("gu", Office.BRAND_PR, "unit_group")
    submission = waiting(company)
    assert handover.others(company.state, company.state.submissions[submission], "fang", company.at).keys() == {"xu"}
    own = waiting(company, "ch_irrigation")
    assert "lu" in handover.others(company.state, company.state.submissions[own], "gu", company.at)
