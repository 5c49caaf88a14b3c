"""What planted bugs in signing once went unseen: methods, lists, limits, and what a decision takes the place of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway import canonical
from gateway.machine import handover, rerouting, signing, submissions
from gateway.machine.context import Context
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office, Signature
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.claims import LIMIT, Claims
from gateway.protocol.commands import Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import FACTS, GROUP, START, WINDOW, Company, denied, text_digest


@pytest.fixture
def company() -> Company:
    return Company.staffed()


METHODS = [  # kind, switches, the release's method, the approval's method, refused with
    ("sandbox", (), "totp", "totp", None),
    ("live", (), "passkey", "totp", None), ("live", (), "totp", "passkey", "method_too_weak"), ("live", (), "totp", "totp", "method_too_weak"),
    ("live", ("totp_route",), "totp", "passkey", "method_too_weak"), ("live", ("totp_release",), "totp", "passkey", None),
    ("live", ("totp_release",), "totp", "totp", "route_by_codes_alone"), ("live", ("totp_release", "totp_route"), "totp", "totp", None),
    ("live", ("totp_release",), "passkey", "totp", None),
]


@pytest.mark.parametrize(("kind", "switches", "release", "approval", "code"), METHODS)
def test_which_methods_release(company: Company, kind: str, switches: tuple[str, ...], release: str, approval: str, code: str | None) -> None:
    """Each switch lets through what it names and nothing else; a passkey is always enough."""
    company.state.kind = kind
    company.state.switches = dict.fromkeys(switches, "on") | {"other": "on"}
    signatures = [Signature("s", verdict, "p", "o", method, "d", 1, START)
                  for verdict, method in (("approve", approval), ("release", release))]
    refused = None
    try:
        signing.check_method(company.state, release, signatures)
    except Denied as caught:
        refused = caught.code
    assert refused == code


def test_the_longest_claims() -> None:
    """Exactly the gate's limit is signed, one byte more is not, and says why."""
    def claims(author: str) -> Claims:
        return Claims("dep", "sandbox", "j", START, START, WINDOW, "e", "publish", "c", 1, "p", "s", 1, None, None, text_digest("t"),
                      text_digest("p"), author, (), {})

    room = LIMIT - len(claims("").to_bytes())
    assert len(signing.claims_bytes(claims("x" * room))) == LIMIT
    with denied("invalid") as caught:
        signing.claims_bytes(claims("x" * (room + 1)))
    assert caught.value.detail == "too long for one token"


def test_a_list_of_twenty_is_signed(company: Company) -> None:
    """Twenty items in one proof are decided, each by an entry of its own."""
    items = [company.item("gu", company.submit("lu", "ch_web"), "approve") for _ in range(20)]
    made = company.sign("gu", *items)
    assert [entry.type for entry in made] == ["signing.made", *["decision.made"] * 20]


def test_a_release_is_not_taken_back(company: Company) -> None:
    """It is stopped instead: its token is there, and taking the signature away would not end it."""
    publication = company.released("ch_web")[0]
    submission = company.state.submissions[company.state.publications[publication].submission]
    with denied("wrong_state") as caught:
        company.do(c.TakeBack(submission=submission.id, stage=submission.stages[-1].id), "fang")
    assert caught.value.detail == "take_back"


def test_one_withdrawal_among_its_targets_keeps_a_submission_out_of_lists(company: Company) -> None:
    """Like a sensitive one, one nobody said anything about, and an emergency."""
    submission = company.state.submissions[company.submit("lu", "ch_web", "ch_wechat")]
    assert signing.lists_allowed(submission)
    submission.targets[1].operation = "withdraw"
    assert not signing.lists_allowed(submission)
    submission.targets[1].operation = "edit"
    assert signing.lists_allowed(submission)
    for facts, emergency in (({**FACTS, "sensitive": True}, False), ({}, False), (FACTS, True)):
        submission.facts, submission.emergency = facts, emergency
        assert not signing.lists_allowed(submission)


def test_a_second_release_takes_the_place_of_the_first(company: Company) -> None:
    """After the platform refused, another releases: only their decision stands, in the submission, on the token and in the next one."""
    first = company.released("ch_web")[0]
    submission = company.state.submissions[company.state.publications[first].submission]
    company.send(first, "rejected")
    assert company.state.publications[first].signatures == ()
    second = company.release("xu", submission.id)[0]
    assert [s.person for s in submission.signatures] == [s.person for s in company.state.publications[second].signatures] == ["gu", "xu"]
    released = submission.signed(submission.stages[-1].id)
    assert released is not None
    assert released.person == "xu"


def test_what_a_list_item_lacks_is_said(company: Company) -> None:
    """Attack: an approval's statement given as a return without a reason; another stage, other words; ticks and channels that are missing."""
    submission = company.submit("lu", "ch_web", "ch_weibo")
    ticked = company.submit("lu", "ch_web", findings=c.FindingCounts(block=0, confirm=2, hint=0, blob=text_digest("f")))
    plain = company.item("gu", submission, "approve")
    for wrong, code, detail in (
        (replace(plain, verdict="return"), "proof_mismatch", "stage"),
        (replace(plain, verdict="return", stage="x", reason="data"), "proof_mismatch", "stage"),
        (replace(plain, verdict="return", reason="data"), "proof_mismatch", "statement"),
        (replace(plain, salt="x"), "proof_mismatch", "statement"), (replace(plain, verdict="release"), "proof_mismatch", "stage"),
        (replace(plain, channels=("ch_web",)), "invalid", "channels"), (company.item("gu", ticked, "approve"), "findings_unconfirmed", "2"),
        (replace(plain, revision=2), "stale_view", ""), (replace(plain, seen=0), "stale_view", ""),
    ):
        with denied(code) as caught:
            company.sign("gu", wrong)
        assert caught.value.detail == detail
    company.approve("gu", submission)
    for channels in (("ch_web", "ch_web"), ("ch_wechat",), ("ch_web", "ch_wechat")):
        with denied("invalid") as caught:
            company.sign("fang", company.item("fang", submission, "release", channels=channels))
        assert caught.value.detail == "channels"


def test_a_release_that_is_too_late_to_be_held_says_so() -> None:
    """The hold of a live deployment must end before the window."""
    live = Company.staffed("live")
    submission = live.submit("lu", "ch_web")
    live.approve("gu", submission)
    live.at = instants.plus(WINDOW, -120)
    with denied("window_over") as caught:
        live.release("fang", submission)
    assert caught.value.detail == "hold"


def test_an_approval_is_by_somebody_else_whatever_its_stage_says(company: Company) -> None:
    """Were a route ever to say that an approval need not be apart, its author and an earlier approver would still be refused."""
    for person in ("gu", "lu"):
        company.appoint(person, Office.LEADER, GROUP)
    submission = company.submit("lu", "ch_web", facts={"sensitive": True})
    found = company.state.submissions[submission]
    found.stages = [replace(stage, apart=False) for stage in found.stages]
    company.approve("gu", submission)
    for person, code in (("lu", "author_approves"), ("gu", "same_person_twice")):
        with denied(code):
            company.approve(person, submission)


def test_all_that_waits_may_be_named(company: Company) -> None:
    """Naming every channel that waits is a release of all."""
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    found = company.state.submissions[submission]
    plain = company.item("fang", submission, "release")
    said = signing.build_statement(company.state, found, found.stages[-1], "fang", "brand_pr", plain.salt, channels=("ch_web", "ch_weibo"))
    made = company.sign("fang", replace(plain, channels=("ch_web", "ch_weibo"), statement=canonical.digest(said)))
    assert [entry.data["channel"] for entry in made if entry.type == EntryType.TOKEN_MINTED] == ["ch_web", "ch_weibo"]


def test_a_route_refuses_by_its_first_rule(company: Company) -> None:
    """Of a route by two articles the one of its first step is named, for an author and for one person in two steps."""
    submission = company.state.submissions[company.submit("lu", "ch_web", facts={"sensitive": True})]
    context = Context(company.state, Request(command=None, actor="fang", grade=Grade.PROOF), company.at, company.ids)
    assert [stage.rule for stage in submission.stages] == ["R17.1a", "R14", "R17.1a"]
    for people, code in ((("lu", "shen", "fang"), "author_approves"), (("shen", "shen", "fang"), "same_person_twice")):
        with denied(code) as caught:
            signing.check_route(context, submission, "ch_web", {stage.id: person for stage, person in zip(submission.stages, people, strict=True)})
        assert caught.value.rule == "R17.1a"


def test_whom_to_ask_at_brand_and_pr(company: Company) -> None:
    """Everyone there, and the head also where the head holds no other office; each once."""
    assert submissions.governing_brand(company.state, company.at) == ("xu", "fang")
    company.end_office("xu", Office.BRAND_PR)
    assert submissions.governing_brand(company.state, company.at) == ("fang", "xu")
    assert submissions.governors_of(company.state, company.at) == ("he", "xu")


STRICTER = (*RULES, Rule("R18", "level:company", (("approve", ((Office.LEADER, "group"),)),), "", ""))


def test_what_a_list_has_sent_to_another_route_it_does_not_also_send_back(company: Company) -> None:
    """A release that met a stricter table, and a return of the same submission after it: only the new route is made."""
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    found = company.state.submissions[submission]
    release = company.item("fang", submission, "release")
    said = signing.build_statement(company.state, found, found.stages[-1], "fang", "brand_pr", "s", reason="data")
    back = replace(release, verdict="return", salt="s", reason="data", statement=canonical.digest(said))
    company.rules = STRICTER
    made = company.sign("fang", release, back)
    assert [entry.type for entry in made] == ["signing.made", "submission.rerouted"]
    assert made[0].data["dropped"] == [[submission, "rerouted"], [submission, "rerouted"]]


def test_what_is_being_sent_is_not_recalled_with_the_rest_that_is_in_review_again(company: Company) -> None:
    """One of two channels was dispatched when the route became stricter: the author takes back the other, and the send goes to its end."""
    first, second = company.released("ch_web", "ch_wechat")
    submission = company.state.submissions[company.state.publications[first].submission]
    company.spend(first)
    company.prepare(first)
    company.dispatch(first)
    company.rules = STRICTER
    company.reroute(submission.id)
    assert (submission.state, company.status(second)) == ("in_review", "abandoned")
    made = company.do(c.Recall(submission=submission.id), "lu", Grade.DESK)
    assert made[0].data == {"revision": 1, "channels": ["ch_wechat"]}
    assert company.status(first) == "dispatched"
    company.outcome(first, "rejected")
    assert submission.state == "recalled"
    with denied("wrong_state"):
        company.do(c.Recall(submission=submission.id), "lu", Grade.DESK)


def test_a_suspension_brings_a_submission_back_into_the_queue_of_its_step(company: Company) -> None:
    """What the suspended person approved waits for that office again, and no longer for the release."""
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    assert submission in company.state.waiting["brand_pr", GROUP]
    company.suspend("gu")
    assert company.state.waits[submission] == (("unit_head", "unit_irrigation"),)
    assert submission in company.state.waiting["unit_head", "unit_irrigation"]
    assert submission not in company.state.waiting["brand_pr", GROUP]


def test_nobody_is_handed_their_own_text(company: Company) -> None:
    """An author who holds the office of the step is not among those who could sign it, nor is who has approved already."""
    company.appoint("lu", Office.UNIT_HEAD, "unit_irrigation")
    submission = company.state.submissions[company.submit("lu", "ch_web")]
    stage = submission.stages[0]
    assert [handover.could_sign(company.state, submission, stage, person, company.at) for person in ("lu", "gu")] == [None, "unit_head"]
    company.approve("gu", submission.id)
    assert handover.could_sign(company.state, submission, stage, "gu", company.at) is None


def test_a_decision_counts_by_any_of_its_offices(company: Company) -> None:
    """One office for two scopes, of which the new step names one: whoever signed by it did so by that office."""
    submission = company.state.submissions[company.submit("lu", "ch_web")]
    company.approve("gu", submission.id)
    approval = submission.stages[0]
    submission.stages[0] = replace(approval, offices=(*approval.offices, ("unit_head", "unit_travel")))
    assert rerouting.counts(submission, submission.signatures[0], approval)


def test_an_author_is_refused_by_the_rule_of_the_release(company: Company) -> None:
    """On an own channel with something that brand & PR releases, an author there is refused by that article, not by the route's first."""
    company.appoint("lu", Office.BRAND_PR, GROUP)
    submission = company.submit("lu", "ch_irrigation", facts={"executives": True})
    company.approve("gu", submission)
    with denied("author_approves") as caught:
        company.release("lu", submission)
    assert caught.value.rule == "R17.2"
