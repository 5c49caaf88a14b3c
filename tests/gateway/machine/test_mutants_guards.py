"""What planted bugs in guards once went unseen: what stands before a decision and is rarely the one that says no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.machine import handover
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import GROUP, Company, denied, text_digest
from tests.gateway.machine.test_lists import item, made


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def waiting(company: Company, *channels: str) -> str:
    """Return a submission that waits for its release."""
    submission = company.submit("lu", *channels)
    company.approve("gu", submission)
    return submission


def test_one_release_twice_in_a_list_mints_one_token(company: Company) -> None:
    """The second is dropped by name, be it for the same channel or for another one that waits: one list releases a step once."""
    for second in (("ch_web",), ("ch_weibo",)):
        submission = waiting(company, "ch_web", "ch_weibo")
        both = [item(company, "fang", submission, "release", channels=channels) for channels in (("ch_web",), second)]
        entries = company.sign("fang", *both)
        assert [entry.data["channel"] for entry in made(entries, EntryType.TOKEN_MINTED)] == ["ch_web"]
        assert entries[0].data["dropped"] == [[submission, "wrong_state"]]


def test_an_approver_is_refused_by_the_rule_of_the_release(company: Company) -> None:
    """On an own channel with something that brand & PR releases, who approved it may not, by that article and not by the route's first."""
    company.appoint("gu", Office.BRAND_PR, GROUP)
    submission = company.submit("lu", "ch_irrigation", facts={"executives": True})
    company.approve("gu", submission)
    with denied("same_person_twice") as caught:
        company.release("gu", submission)
    assert caught.value.rule == "R17.2"


def test_whose_suspension_keeps_a_decision_back_is_said(company: Company) -> None:
    """The author's, not the signer's."""
    submission = company.submit("lu", "ch_web")
    company.suspend("lu")
    with denied("person_suspended") as caught:
        company.approve("gu", submission)
    assert caught.value.detail == "author"


def test_an_approval_is_handed_to_somebody_else_whatever_its_stage_says(company: Company) -> None:
    """Were a route ever to say that an approval need not be apart, its author and an earlier approver would still not be asked."""
    for person in ("gu", "lu"):
        company.appoint(person, Office.LEADER, GROUP)
    found = company.state.submissions[company.submit("lu", "ch_web", facts={"sensitive": True})]
    found.stages = [replace(stage, apart=False) for stage in found.stages]
    company.approve("gu", found.id)
    could = {person: handover.could_sign(company.state, found, found.stages[1], person, company.at) for person in ("lu", "gu", "shen")}
    assert could == {"lu": None, "gu": None, "shen": "leader"}


def test_a_suspended_person_hands_nothing_over_and_stops_nothing(company: Company) -> None:
    """Also not what they wrote or released themselves; the refusal says why."""
    submission = waiting(company, "ch_web")
    held = company.released("ch_weibo")[0]
    company.suspend("fang")
    with denied("person_suspended"):
        company.do(c.HandOver(submission=submission, revision=1, to="xu"), "fang")
    with denied("person_suspended"):
        company.do(c.Stop(publication=held), "fang")
    company.do(c.Stop(publication=held), "xu")


def test_a_credential_that_changed_after_the_token_was_spent_sends_nothing(company: Company) -> None:
    """The licence is for the version that the token names; asking with the new one is no way round, nor is asking with the old one."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    company.prepare(publication)
    company.credential("ch_web")
    for version in (1, 2):
        with denied("credential_changed"):
            company.system(c.Dispatch(publication=publication, credential_version=version))


def test_one_send_a_day_is_one(company: Company) -> None:
    """A limit of one lets the first of a day pass, and the second not."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"settings": {"daily_limit": "1"}}))
    company.live("ch_web")
    second = company.released("ch_web")[0]
    with denied("quota_exhausted") as caught:
        company.spend(second)
    assert caught.value.detail == "1"


def test_a_withdrawal_is_never_live_and_what_is_published_never_gone(company: Company) -> None:
    """An outcome that the operation cannot have is refused, and what was sent stays where it is."""
    live = company.live("ch_web")
    takedown, plain = company.emergency("xu", live), company.released("ch_weibo")[0]
    for publication, wrong in ((takedown, "live"), (plain, "gone")):
        company.spend(publication)
        company.prepare(publication)
        company.dispatch(publication)
        with denied("invalid") as caught:
            company.outcome(publication, wrong)
        assert (caught.value.detail, company.status(publication)) == ("outcome", "dispatched")


def test_a_rewrapped_credential_is_bound_though_another_channel_has_none(company: Company) -> None:
    """Rotating rewraps every stored row; a channel whose credential was retired is passed over, and an older version is left alone."""
    company.change("fang", "he", Change(type=EntryType.CREDENTIAL_RETIRED, object="ch_wechat", data={"version": 1}))
    rows = [c.StoredRow(id="sec_ch_web_1", version=1, sha256=text_digest("new")), c.StoredRow(id="sec_ch_weibo_1", version=2, sha256=text_digest("new"))]
    company.system(c.RecordVault(action="rotated", about="2", stored=tuple(rows)))
    bound = {name: channel.credential and channel.credential.sha256 for name, channel in company.state.channels.items()}
    assert (bound["ch_wechat"], bound["ch_web"], bound["ch_weibo"]) == (None, text_digest("new"), text_digest("row ch_weibo 1"))


@pytest.mark.parametrize(("first", "kind", "object_", "data", "detail"), [
    ("fang", EntryType.CREDENTIAL_STORED, "ch_web", {"version": 2, "secret": 5, "sha256": text_digest("row")}, "credential"),
    ("xu", EntryType.BLACKOUT_SET, "blk", {
        "scope": "unit", "target": 5, "kind": "mourning", "start": "2026-12-13T00:00:00.000Z", "end": "2026-12-14T00:00:00.000Z",
        "reason": text_digest("r")}, "blackout"),
])
def test_what_only_reads_like_a_text_is_none(company: Company, first: str, kind: EntryType, object_: str, data: dict[str, Any], detail: str) -> None:
    """A number where a secret's or a unit's name belongs is refused, though there be a unit of that name."""
    company.change("xu", "he", Change(type=EntryType.UNIT_ADDED, object="5", data={"name": "n", "parent": GROUP, "kind": "department"}))
    with denied("change_invalid") as caught:
        company.propose(first, Change(type=kind, object=object_, data=data))
    assert caught.value.detail == detail


def test_what_is_gone_names_what_was_taken_down(company: Company) -> None:
    """An outcome of a withdrawal without the id it took down is no outcome; with it, it is."""
    publication = company.emergency("xu", company.live("ch_web"))
    company.spend(publication)
    company.dispatch(publication)
    with denied("invalid"):
        company.outcome(publication, "gone", id=None)
    company.outcome(publication, "gone")
    assert company.status(publication) == "gone"


def test_every_handle_of_a_preparation_is_remembered(company: Company) -> None:
    """A picture's handle stays when the draft's comes: both are cleared where the send comes to nothing."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    for name in ("picture", "draft"):
        company.system(c.RecordHandle(publication=publication, name=name, value=name[0]))
    assert dict(company.state.publications[publication].handles) == {"picture": "p", "draft": "d"}
