"""What is left of a submission that partly went out: it is revised and handed in again, and what is out stays as it is (article 19)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.claims import parse
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import WINDOW, Company, denied, dump, replay, text_digest
from tests.gateway.machine.test_lists import item
from tests.gateway.machine.test_rerouting import STRICTER

LATER = instants.plus(WINDOW, 86_400)


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def partly_out(company: Company, *channels: str) -> tuple[str, str]:
    """Return a submission of which the first channel is live while nothing was released on the others, and that publication."""
    submission = company.submit("lu", *(channels or ("ch_web", "ch_weibo", "ch_wechat")))
    company.approve("gu", submission)
    publication = release_on(company, submission, channels[0] if channels else "ch_web")
    company.send(publication)
    return submission, publication


def release_on(company: Company, submission: str, channel: str) -> str:
    """Release one channel of those that wait, and return its publication."""
    return company.sign("fang", item(company, "fang", submission, "release", channels=(channel,)))[-1].object


def send_back(company: Company, submission: str) -> None:
    """Brand & PR returns what is left."""
    revision = company.state.submissions[submission].revision
    company.do(c.Return(submission=submission, revision=revision, reason="data", notes=None), "fang")


def test_the_rest_is_revised_and_goes_out(company: Company) -> None:
    """Returned, revised, approved anew and released for the remaining channels; what is live keeps its bytes, and then all of it is done."""
    submission, live = partly_out(company)
    before = dump(company.state.publications[live])
    send_back(company, submission)
    assert company.submit("lu", "ch_weibo", "ch_wechat", submission=submission, content=text_digest("秋收之后，改")) == submission
    found = company.state.submissions[submission]
    assert (found.revision, found.state.value, found.signatures, found.effective) == (2, "in_review", [], ("ch_web",))
    assert [target.channel for target in found.targets] == ["ch_weibo", "ch_wechat"]
    with denied("not_next_stage"):
        company.release("fang", submission)
    company.approve("gu", submission)
    rest = company.release("fang", submission)
    assert {parse(claims).content for claims in company.ids.claims[-2:]} == {text_digest("秋收之后，改")}
    for publication in rest:
        company.send(publication)
    assert company.state.finished[submission] == ("签-2026-0001", "lu", "done")
    assert dump(company.state.publications[live]) == before
    assert dump(replay(company.entries)) == dump(company.state)


def test_what_is_out_is_not_handed_in_again(company: Company) -> None:
    """Attack: the live channel comes back in the next revision, in the one after, alone or among others, to publish or to edit what is live."""
    submission, live = partly_out(company)
    send_back(company, submission)
    edit = c.Target(channel="ch_web", operation="edit", template=text_digest("t"), previous=live)
    for targets in (("ch_web",), ("ch_weibo", "ch_web"), (edit,), ("ch_weibo", edit)):
        with denied("channel_done") as caught:
            company.submit("lu", *targets, submission=submission)
        assert (caught.value.detail, caught.value.rule) == ("ch_web", "R19")
    company.submit("lu", "ch_weibo", "ch_wechat", submission=submission)
    company.approve("gu", submission)
    company.send(release_on(company, submission, "ch_weibo"))
    send_back(company, submission)
    for channel in ("ch_web", "ch_weibo"):
        with denied("channel_done") as caught:
            company.submit("lu", channel, "ch_wechat", submission=submission)
        assert caught.value.detail == channel
    company.submit("lu", "ch_wechat", submission=submission)
    assert company.state.submissions[submission].effective == ("ch_web", "ch_weibo")
    company.approve("gu", submission)
    company.send(company.release("fang", submission)[0])
    assert company.state.finished[submission][2] == "done"


def test_what_is_out_is_edited_and_withdrawn_by_a_submission_of_its_own(company: Company) -> None:
    """Article 19's own route stays open while the rest is with its author, and taken down is still done on that channel."""
    submission, live = partly_out(company)
    send_back(company, submission)
    takedown = company.takedown("lu", live)
    company.approve("gu", takedown)
    company.send(company.release("fang", takedown)[0], "gone")
    assert company.status(live) == "withdrawn"
    with denied("channel_done"):
        company.submit("lu", "ch_web", "ch_weibo", submission=submission)
    company.submit("lu", "ch_weibo", submission=submission)
    assert company.state.submissions[submission].effective == ("ch_web",)


def test_no_signature_of_the_first_revision_carries_the_second(company: Company) -> None:
    """Attack: the head's approval and the release of the first revision are shown again for what was revised."""
    submission, _ = partly_out(company)
    approval, release = (company.item(person, submission, stage) for person, stage in (("gu", "approve"), ("fang", "release")))
    send_back(company, submission)
    company.submit("lu", "ch_weibo", submission=submission)
    seen = company.state.submissions[submission].seq
    for old, person in ((approval, "gu"), (release, "fang")):
        with denied("stale_view"):
            company.sign(person, old)
    with denied("proof_mismatch"):
        company.sign("gu", replace(approval, seen=seen, revision=2))
    with denied("not_next_stage"):
        company.sign("fang", replace(release, seen=seen, revision=2))


def test_what_the_platform_refused_is_revised(company: Company) -> None:
    """Nothing of it went out: the author mends it for the same channel, and the old token stays dead."""
    publication = company.released("ch_web")[0]
    submission = company.state.publications[publication].submission
    company.send(publication, "rejected")
    old = company.spend_command(publication)
    send_back(company, submission)
    company.submit("lu", "ch_web", submission=submission, content=text_digest("mended"))
    assert company.state.submissions[submission].effective == ()
    company.approve("gu", submission)
    again = company.release("fang", submission)[0]
    with denied("token_spent"):
        company.system(old)
    company.send(again)
    assert company.state.finished[submission][2] == "done"
    assert company.status(publication) == "rejected"


def test_what_is_still_on_its_way_keeps_it_from_being_revised(company: Company) -> None:
    """A channel whose outcome is open holds the rest: it can be neither returned nor revised."""
    submission, live = partly_out(company)
    other = release_on(company, submission, "ch_weibo")
    for outcome in ("pending", "unknown"):
        if company.status(other) == "held":
            company.send(other, outcome)
        with denied("wrong_state"):
            send_back(company, submission)
        with denied("wrong_state"):
            company.submit("lu", "ch_wechat", submission=submission)
    company.outcome(other, "live")
    send_back(company, submission)
    company.submit("lu", "ch_wechat", submission=submission)
    assert company.state.submissions[submission].effective == ("ch_web", "ch_weibo")
    assert company.status(live) == "live"


def recall(company: Company, submission: str, person: str = "lu") -> dict[str, object]:
    """The author takes back what waits, at the desk; return what its entry says."""
    made = company.do(c.Recall(submission=submission), person, Grade.DESK)
    assert [entry.type for entry in made] == ["submission.recalled"]
    return made[0].data


def test_the_author_recalls_the_rest(company: Company) -> None:
    """One channel is live, two wait: these are taken back and revised, no queue holds them, no signature stands, and what is live stays."""
    submission, live = partly_out(company)
    old = company.item("fang", submission, "release")
    before = dump(company.state.publications)
    assert recall(company, submission) == {"revision": 1, "channels": ["ch_weibo", "ch_wechat"]}
    found = company.state.submissions[submission]
    assert (found.state.value, found.signatures) == ("recalled", [])
    assert dump(company.state.publications) == before
    assert submission not in company.state.waits
    with denied("stale_view"):
        company.sign("fang", old)
    with denied("wrong_state"):
        recall(company, submission)
    with denied("channel_done"):
        company.submit("lu", "ch_web", submission=submission)
    company.submit("lu", "ch_weibo", "ch_wechat", submission=submission)
    company.approve("gu", submission)
    for publication in company.release("fang", submission):
        company.send(publication)
    assert company.state.finished[submission][2] == "done"
    assert dump(company.state.publications[live]) == before[0][1]
    assert dump(replay(company.entries)) == dump(company.state)


def test_only_the_author_recalls_the_rest(company: Company) -> None:
    """Attack: whoever signed it, or nobody in particular, takes it back; they send back, or stop."""
    submission, _ = partly_out(company)
    for person in ("fang", "gu", "lin"):
        with denied("not_your_submission"):
            recall(company, submission, person)


def test_with_nothing_left_to_take_back_a_recall_is_refused(company: Company) -> None:
    """Everything is out or has an open token: there is a stop for the one and a withdrawal for the other."""
    submission, _ = partly_out(company, "ch_web", "ch_weibo")
    other = release_on(company, submission, "ch_weibo")
    for act in (lambda: company.spend(other), lambda: company.prepare(other), lambda: company.dispatch(other),
                lambda: company.outcome(other, "pending"), lambda: company.outcome(other, "unknown")):
        with denied("wrong_state"):
            recall(company, submission)
        act()
    with denied("wrong_state"):
        recall(company, submission)


@pytest.mark.parametrize("steps", range(6))
def test_a_recall_touches_nothing_that_has_a_token(company: Company, steps: int) -> None:
    """At each step of a send the author takes back the other channel; the send goes on to its end, and only then is the rest revised."""
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    publication = release_on(company, submission, "ch_web")
    acts = [lambda: company.spend(publication), lambda: company.prepare(publication), lambda: company.dispatch(publication),
            lambda: company.outcome(publication, "pending"), lambda: company.outcome(publication, "live")]
    for act in acts[:steps]:
        act()
    before = dump(company.state.publications)
    assert recall(company, submission)["channels"] == ["ch_weibo"]
    assert dump(company.state.publications) == before
    for act in acts[steps:]:
        with denied("wrong_state"):
            company.submit("lu", "ch_weibo", submission=submission)
        with denied("wrong_state"):
            company.do(c.Cancel(submission=submission), "lu", Grade.DESK)
        act()
    assert (company.state.submissions[submission].state.value, company.status(publication)) == ("recalled", "live")
    company.submit("lu", "ch_weibo", submission=submission)
    assert company.state.submissions[submission].effective == ("ch_web",)


def test_what_came_to_nothing_is_recalled_with_the_rest(company: Company) -> None:
    """A channel that was stopped waits like one that was never released; with nothing out the entry names no channels."""
    first, second = company.released("ch_web", "ch_weibo")
    submission = company.state.publications[first].submission
    company.do(c.Stop(publication=first), "gu")
    assert recall(company, submission) == {"revision": 1, "channels": ["ch_web"]}
    company.do(c.Stop(publication=second), "gu")  # whoever signed it may still stop it, though the submission's signatures are gone
    assert company.state.submissions[submission].state.value == "recalled"
    company.submit("lu", "ch_web", "ch_weibo", submission=submission)
    company.approve("gu", submission)
    for publication in company.release("fang", submission):
        company.send(publication, "rejected")
    assert recall(company, submission) == {"revision": 2}


def test_a_recall_waives_nothing_for_what_is_held(company: Company) -> None:
    """The table becomes stricter after a recall: what was released ends, unsent, and comes back in the next revision by the new route."""
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    held = release_on(company, submission, "ch_web")
    recall(company, submission)
    with denied("wrong_state"):
        company.reroute(submission)
    company.rules = STRICTER
    with denied("rerouted"):
        company.spend(held)
    assert [(entry.type, entry.object) for entry in company.reroute(submission)] == [("publication.abandoned", held)]
    assert company.state.submissions[submission].state.value == "recalled"
    with denied("rerouted"):
        company.system(company.spend_command(held))
    with denied("wrong_state"):
        company.reroute(submission)
    company.submit("lu", "ch_web", "ch_weibo", submission=submission)
    company.approve("gu", submission)
    with denied("not_next_stage"):
        company.release("fang", submission)


def test_a_suspension_after_a_recall_stops_what_is_held(company: Company) -> None:
    """Its signer is suspended for cause after the author took back the rest: the token no longer sends."""
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    held = release_on(company, submission, "ch_web")
    recall(company, submission)
    company.suspend("gu")
    with denied("person_suspended"):
        company.spend(held)


def test_the_rest_may_be_revised_after_it_expired(company: Company) -> None:
    """Nobody released it in time: the author renews it as it is, or revises it."""
    submission, _ = partly_out(company)
    company.at = WINDOW
    company.system(c.Expire(submission=submission))
    company.submit("lu", "ch_weibo", submission=submission, window_to=LATER)
    company.approve("gu", submission)
    company.send(company.release("fang", submission)[0])
    assert company.state.finished[submission][2] == "done"


def test_on_a_units_own_channels_each_operator_releases_the_rest(company: Company) -> None:
    """Of two own channels one is live; the rest keeps the whole route of its own channel."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_general", data={
        "platform": "wordpress", "account": "general.example", "name": "综合部", "unit": "unit_irrigation", "level": "own",
        "filing": "filed", "filing_number": "备-7", "settings": {}, "custodians": ["fang"]}))
    company.credential("ch_general")
    company.appoint("qin", Office.OPERATOR, "ch_general")
    submission = company.submit("lu", "ch_irrigation", "ch_general")
    company.approve("gu", submission)
    company.send(company.release("lu", submission, stage="release:operator:ch_irrigation")[0])
    company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "qin")
    company.submit("lu", "ch_general", submission=submission)
    with denied("not_next_stage"):
        company.release("qin", submission)
    company.approve("gu", submission)
    with denied("no_office"):
        company.release("lu", submission)
    company.send(company.release("qin", submission)[0])
    with denied("wrong_state"):
        company.do(c.Cancel(submission=submission), "lu", Grade.DESK)
