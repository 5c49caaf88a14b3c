"""What planted bugs in handing in, signing and sending once went unseen: the last instant, the last member, the one channel of two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway import canonical
from gateway.machine import blackouts, publications, rerouting, signing
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Blackout, Channel, Office, PublicationState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.claims import parse
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import FACTS, GROUP, START, WINDOW, Company, denied, text_digest


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def target(channel: str) -> c.Target:
    """Return a target to publish on."""
    return c.Target(channel=channel, operation="publish", template=text_digest("t"), previous=None)


def two_channels(company: Company) -> str:
    """Hand in for two own channels of nested units, each with an operator of its own; both heads have approved."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_general", data={
        "platform": "wordpress", "account": "general.example", "name": "综合部", "unit": "unit_irrigation_general", "level": "own",
        "filing": "filed", "filing_number": "备-7", "settings": {}, "custodians": ["fang"]}))
    company.appoint("qin", Office.OPERATOR, "ch_general")
    company.appoint("shao", Office.UNIT_HEAD, "unit_irrigation_general")
    company.credential("ch_general")
    submission = company.submit("lu", "ch_irrigation", "ch_general")
    company.approve("gu", submission)
    company.approve("shao", submission)
    return submission


def test_a_submission_has_at_most_twenty_targets(company: Company) -> None:
    """Of twenty the first channel nobody filed is named, twenty-one are too many, and so is one channel twice."""
    for targets, code in (([target(f"ch_{n}") for n in range(20)], "channel_unknown"), ([target(f"ch_{n}") for n in range(21)], "invalid"),
                          ([target("ch_web"), target("ch_web")], "invalid")):
        with denied(code):
            company.do(replace(company.submission_command("ch_web"), targets=tuple(targets)), "lu", Grade.DESK)


def test_the_last_instant_of_a_window(company: Company) -> None:
    """A window that ends now, or with its fixed time, is over; one that ends a millisecond later is not; expiry comes with its end."""
    soon = instants.plus(company.at, 0.001)
    with denied("window_over"):
        company.submit("lu", "ch_web", window_to=company.at)
    with denied("window_over"):
        company.submit("lu", "ch_web", scheduled=soon, window_to=soon)
    company.submit("lu", "ch_web", scheduled=soon, window_to=instants.plus(soon, 0.001))
    submission = company.submit("lu", "ch_web", window_to=soon)
    with denied("wrong_state"):
        company.system(c.Expire(submission=submission))
    company.at = soon
    with denied("window_over"):
        company.approve("gu", submission)
    company.system(c.Expire(submission=submission))
    with denied("wrong_state"):
        company.do(c.Renew(submission=submission, window_to=soon), "lu", Grade.DESK)
    company.do(c.Renew(submission=submission, window_to=instants.plus(soon, 0.001)), "lu", Grade.DESK)
    assert company.state.submissions[submission].window_to == instants.plus(soon, 0.001)


def test_an_expired_submission_is_recalled_and_revised(company: Company) -> None:
    """The author may take it back without renewing; the next revision keeps its number and takes no new one."""
    submission = company.submit("lu", "ch_web")
    company.at = WINDOW
    company.system(c.Expire(submission=submission))
    company.do(c.Recall(submission=submission), "lu", Grade.DESK)
    later = instants.plus(WINDOW, 3600)
    company.submit("lu", "ch_web", submission=submission, window_to=later)
    other = company.submit("lu", "ch_web", window_to=later)
    found = company.state.submissions
    assert [(found[s].number, found[s].revision) for s in (submission, other)] == [("签-2026-0001", 2), ("签-2026-0002", 1)]
    assert company.state.numbers == {"2026": 2}


def test_the_first_approval_stays_once_the_second_is_there(company: Company) -> None:
    """It is taken back only while nothing after it is signed; the last one may be taken back."""
    submission = company.submit("lu", "ch_web", facts={"sensitive": True})
    company.approve("gu", submission)
    company.approve("shen", submission)
    first, second, _ = (stage.id for stage in company.state.submissions[submission].stages)
    with denied("wrong_state") as caught:
        company.do(c.TakeBack(submission=submission, stage=first), "gu")
    assert caught.value.detail == "next stage signed"
    company.do(c.TakeBack(submission=submission, stage=second), "shen")
    company.do(c.TakeBack(submission=submission, stage=first), "gu")
    assert company.state.submissions[submission].signatures == []


def test_each_of_two_channels_goes_its_own_way(company: Company) -> None:
    """A token names the release of its own channel; the other still waits for its operator; what nobody saw is revised."""
    submission = two_channels(company)
    found = company.state.submissions[submission]
    assert company.state.waits[submission] == (("operator", "ch_irrigation"), ("unit_head", "unit_irrigation"), ("operator", "ch_general"),
                                               ("unit_head", "unit_irrigation_general"))
    first = company.release("lu", submission, stage="release:operator:ch_irrigation")[0]
    assert company.state.waits[submission] == (("operator", "ch_general"), ("unit_head", "unit_irrigation_general"))
    company.do(c.Stop(publication=first), "lu")
    second = company.release("qin", submission, stage="release:operator:ch_general")[0]
    stages = [signature.stage for signature in company.state.publications[second].signatures]
    assert stages == ["approve:unit_head:unit_irrigation", "approve:unit_head:unit_irrigation_general", "release:operator:ch_general"]
    assert found.target("ch_irrigation").publication == first
    assert [approval["person"] for approval in parse(company.ids.claims[-1]).approvals] == ["gu", "shao"]
    with denied("wrong_state"):
        company.do(c.Cancel(submission=submission), "lu", Grade.DESK)
    company.send(second, "rejected")
    company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "qin")
    company.submit("lu", "ch_general", submission=submission)
    assert company.state.submissions[submission].effective == ()


def test_a_release_that_was_stopped_keeps_no_revision_back(company: Company) -> None:
    """Of two targets one was released and stopped: nothing is out, and both are handed in again."""
    submission = two_channels(company)
    publication = company.release("lu", submission, stage="release:operator:ch_irrigation")[0]
    company.do(c.Stop(publication=publication), "lu")
    company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "qin")
    company.submit("lu", "ch_irrigation", "ch_general", submission=submission)
    found = company.state.submissions[submission]
    assert ([target.publication for target in found.targets], found.effective, found.signatures) == ([None, None], (), [])


def test_a_send_without_a_fixed_time_is_never_late(company: Company) -> None:
    """Only a fixed time is missed; what waits for nothing may go hours later, inside its window."""
    publication = company.released("ch_web")[0]
    company.wait(5 * 3600)
    with denied("wrong_state"):
        company.system(c.Miss(publication=publication))
    company.send(publication)
    assert company.status(publication) == "live"


@pytest.mark.parametrize(("office", "scope", "may"), [
    (Office.BRAND_PR, GROUP, True), (Office.BRAND_PR_HEAD, GROUP, True), (Office.LEADER, GROUP, True), (Office.FOUNDER, GROUP, True),
    (Office.SYSADMIN, GROUP, False), (Office.UNIT_HEAD, "unit_irrigation", False), (Office.OPERATOR, "ch_web", False),
])
def test_one_office_is_enough_to_stop(company: Company, office: Office, scope: str, may: bool) -> None:
    """Each of the four that look after the whole, and none of the others, stops what they neither wrote nor signed."""
    company.appoint("qin", office, scope)
    publication = company.released("ch_web")[0]
    if may:
        company.do(c.Stop(publication=publication), "qin")
    else:
        with denied("no_office"):
            company.do(c.Stop(publication=publication), "qin")


def test_a_suspension_voids_only_what_its_person_signed(company: Company) -> None:
    """In review it falls away, on its way it is void; what others signed stands."""
    held = company.released("ch_web")[0]
    submission = company.submit("lu", "ch_web", facts={"sensitive": True})
    company.approve("gu", submission)
    company.approve("shen", submission)
    company.suspend("shen")
    assert [s.person for s in company.state.submissions[submission].signatures] == ["gu"]
    assert [(s.person, s.void) for s in company.state.publications[held].signatures] == [("gu", False), ("fang", False)]
    company.suspend("gu")
    assert [(s.person, s.void) for s in company.state.publications[held].signatures] == [("gu", True), ("fang", False)]


@pytest.mark.parametrize(("platform", "settings", "limit"), [
    ("wechat", {}, 100), ("weibo", {}, 30), ("wordpress", {}, 500), ("bench", {}, 0), ("wechat", {"daily_limit": "3"}, 3),
    ("wechat", {"daily_limit": "0"}, 0), ("wechat", {"daily_limit": "1000000"}, 0), ("wechat", {"daily_limit": "x"}, 0), ("fax", {"daily_limit": "7"}, 7),
])
def test_how_many_a_day(platform: str, settings: dict[str, str], limit: int) -> None:
    """The platform's figure, or what the settings name; what is no number allows none, and so does an unknown platform."""
    channel = Channel("c", platform, "a", "n", GROUP, "company", "filed", "1", settings)
    assert publications.daily_limit(channel) == limit


STRICTER = (*RULES, Rule("R18", "level:company", (("approve", ((Office.LEADER, "group"),)),), "", ""))


def test_a_new_route_keeps_the_rules_of_the_old_one(company: Company) -> None:
    """Also a rule that added no step of its own, since another rule's step was there already."""
    submission = company.submit("lu", "ch_web", facts={"executives": True})
    assert company.state.submissions[submission].rules == ("R17.1a", "R17.2")
    company.rules = STRICTER
    assert company.reroute(submission)[-1].data["rules"] == ["R17.1a", "R18", "R17.2"]


def test_what_keeps_a_dispatch_back_is_said(company: Company) -> None:
    """The epoch, where everything else would let it go."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    company.state.epoch = "epo_2"
    with denied("scope_mismatch") as caught:
        company.dispatch(publication)
    assert caught.value.detail == "epoch"


def test_no_blackout_covers_a_withdrawal(company: Company) -> None:
    """Nor what is sent at its last instant, or before its first."""
    identifier = company.blackout("channel", "ch_web", start=1, hours=1)
    found = company.state.blackouts[identifier]

    def covering(at: instants.Instant, operation: str = "publish") -> list[Blackout]:
        return blackouts.covering(company.state, "unit_it", "ch_web", operation, at)

    assert covering(found.start) == covering(instants.plus(found.end, -0.001)) == covering(found.start, "edit") == [found]
    with denied("blackout"):
        company.submit("lu", "ch_web", window_to=found.end, scheduled=found.start)
    assert covering(found.end) == covering(instants.plus(found.start, -0.001)) == covering(found.start, "withdraw") == []


def test_a_suspended_signer_sends_nothing_back(company: Company) -> None:
    """And is told why, as is somebody whom nobody knows."""
    submission = company.submit("lu", "ch_web")
    company.suspend("gu")
    for person, code in (("gu", "person_suspended"), ("nobody", "not_found")):
        with denied(code):
            company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), person)


def test_two_withdrawals_of_one_thing_say_so(company: Company) -> None:
    """At the release, at the gate, and for an emergency while one is being sent."""
    live = company.live("ch_web")
    first, second = company.takedown("lu", live), company.takedown("lu", live)
    for submission in (first, second):
        company.approve("gu", submission)
    under_way = "another edit or withdrawal of it is under way"
    publication = company.release("fang", first)[0]
    with denied("previous_changed") as caught:
        company.release("fang", second)
    assert caught.value.detail == under_way
    emergency = company.emergency("xu", live)
    company.spend(emergency)
    company.send(publication, "unknown")
    with denied("previous_changed") as caught:
        company.dispatch(emergency)
    assert caught.value.detail == under_way
    with denied("wrong_state") as caught:
        company.emergency("xu", live)
    assert caught.value.detail == "a withdrawal is already under way"


def test_a_text_is_there_unless_everything_is_withdrawn(company: Company) -> None:
    """A withdrawal beside something to publish takes a text; two withdrawals take none."""
    down = [c.Target(channel=channel, operation="withdraw", template=text_digest("w"), previous=company.live(channel)) for channel in ("ch_web", "ch_wechat")]
    for targets, content in (((down[0], target("ch_weibo")), None), (tuple(down), text_digest("text"))):
        with denied("invalid") as caught:
            company.submit("lu", *targets, content=content)
        assert caught.value.detail == "content"
    company.submit("lu", down[0], target("ch_weibo"))
    company.submit("lu", *down, content=None)


def test_the_first_number_of_a_year_may_be_an_emergencys(company: Company) -> None:
    """It counts like any other, and says that nothing was found."""
    live = company.live("ch_web")
    company.at = instants.plus(START, 86_400 * 60)
    made = company.state.publications[company.emergency("xu", live, window_to=instants.plus(company.at, 3600))]
    found = company.state.submissions[made.submission]
    assert (found.number, company.state.numbers) == ("签-2027-0001", {"2026": 1, "2027": 1})
    assert {name: found.findings[name] for name in ("block", "confirm", "hint")} == {"block": 0, "confirm": 0, "hint": 0}
    assert found.facts == {**FACTS, "category": "other"}


def test_a_decision_counts_for_its_own_stage_only(company: Company) -> None:
    """The same office in another stage is another decision."""
    submission = company.state.submissions[company.submit("lu", "ch_web")]
    company.approve("gu", submission.id)
    approval, release = submission.stages
    assert rerouting.counts(submission, submission.signatures[0], approval)
    assert not rerouting.counts(submission, submission.signatures[0], replace(approval, id="approve:other"))
    assert not rerouting.counts(submission, submission.signatures[0], replace(approval, offices=release.offices))


def test_a_stricter_table_keeps_back_what_is_held_and_what_is_begun(company: Company) -> None:
    """The route is asked again at both of the gate's questions."""
    held, begun = company.released("ch_web")[0], company.released("ch_wechat")[0]
    company.spend(begun)
    company.rules = STRICTER
    with denied("rerouted"):
        company.spend(held)
    with denied("rerouted"):
        company.dispatch(begun)
    company.rules = RULES
    company.spend(held)
    company.dispatch(begun)


def test_a_suspended_releaser_whose_place_another_took_voids_the_own_token(company: Company) -> None:
    """Two channels of one step are released by two people: the second decision stands for the step, the first still carries its token."""
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    found = company.state.submissions[submission]
    tokens = []
    for person, channel in (("fang", "ch_web"), ("xu", "ch_weibo")):
        plain = company.item(person, submission, "release", channels=(channel,))
        said = signing.build_statement(company.state, found, found.stages[-1], person, "brand_pr", plain.salt, channels=(channel,))
        tokens.append(company.sign(person, replace(plain, statement=canonical.digest(said)))[-1].object)
    assert [s.person for s in found.signatures] == ["gu", "xu"]
    company.suspend("fang")
    with denied("person_suspended"):
        company.spend(tokens[0])
    company.spend(tokens[1])


def test_two_edits_of_one_thing_never_go_out_at_once(company: Company) -> None:
    """The release refuses the second; were one there all the same, the gate's questions would keep it back."""
    live = company.live("ch_web")
    edit = company.takedown("lu", live, "edit")
    company.approve("gu", edit)
    publication = company.release("fang", edit)[0]
    other = company.state.publications[publication]
    company.state.publications["pub_other"] = replace(other, id="pub_other", state=PublicationState.DISPATCHED)
    company.state.active.add("pub_other")
    with denied("previous_changed"):
        company.spend(publication)
    company.state.active.discard("pub_other")
    company.spend(publication)


def test_of_two_withdrawals_one_that_came_too_late_mints_neither(company: Company) -> None:
    """No token is signed for the first where the second names what is no longer live."""
    down = [c.Target(channel=channel, operation="withdraw", template=text_digest("w"), previous=company.live(channel)) for channel in ("ch_web", "ch_wechat")]
    submission = company.submit("lu", *down, content=None)
    company.approve("gu", submission)
    assert down[1].previous is not None
    company.send(company.emergency("xu", down[1].previous), "gone")
    before = len(company.ids.claims)
    with denied("previous_changed"):
        company.release("fang", submission)
    assert len(company.ids.claims) == before


def test_what_is_given_up_waits_for_nobody(company: Company) -> None:
    """It leaves every queue."""
    submission = company.submit("lu", "ch_web")
    assert submission in company.state.waiting["unit_head", "unit_irrigation"]
    company.do(c.Cancel(submission=submission), "lu", Grade.DESK)
    assert not any(submission in queue for queue in (*company.state.waiting.values(), company.state.waits))
