"""A changed table under what is under way: what is then missing is asked for, nothing is waived, and no earlier token is ever used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.machine import rerouting, signing
from gateway.machine.context import Context
from gateway.machine.policy import RULES, Rule, digest
from gateway.machine.state import Office, Stage, Submission
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Request
from gateway.protocol.entries import Entry, EntryType
from tests.gateway.machine.company import GROUP, WINDOW, Company, denied, dump, replay

LEADER = "approve:leader:unit_group"
HEAD = "approve:unit_head:unit_irrigation"
BRAND = "release:brand_pr:unit_group"
OPERATOR = "release:operator:ch_irrigation"
STRICTER = (*RULES, Rule("R18", "level:own", (("approve", ((Office.LEADER, "group"),)),), "", ""),
            Rule("R18", "level:company", (("approve", ((Office.LEADER, "group"),)),), "", ""))
BY_BRAND = tuple(replace(r, stages=(r.stages[0], ("release", ((Office.OPERATOR, "channel"), (Office.BRAND_PR, "group"))))) if r.id == "R17.1b"
                 else r for r in RULES)
"""A table in which brand & PR may release a unit's own channel too, and releaser and author differ."""


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def found(company: Company, submission: str) -> Submission:
    """Return a submission under way."""
    return company.state.submissions[submission]


def signed(company: Company, submission: str) -> dict[str, str]:
    """Return who signed which stage."""
    return {s.stage: s.person for s in found(company, submission).signatures}


def waits_for(company: Company, submission: str) -> set[tuple[str, str]]:
    """Return the offices in whose queue a submission stands."""
    return {office for office, queue in company.state.waiting.items() if submission in queue}


def kinds(entries: list[Entry]) -> list[str]:
    """Return the types of entries."""
    return [entry.type for entry in entries]


def test_a_policy_change_is_asked_for_at_release_and_dispatch(company: Company) -> None:
    """A23: what today's table asks for in addition is asked of who holds that office, at the release and before the send; nothing is waived."""
    submission, held = company.submit("lu", "ch_web"), company.released("ch_wechat")[0]
    company.approve("gu", submission)
    intended = company.released("ch_weibo")[0]
    company.spend(intended)
    company.rules = STRICTER
    made = company.sign("fang", company.item("fang", submission, "release"))
    assert kinds(made) == ["signing.made", "submission.rerouted"]
    assert made[0].data["dropped"] == [[submission, "rerouted"]]
    for publication, act in ((held, company.spend), (intended, company.dispatch)):
        with denied("rerouted") as caught:
            act(publication)
        assert (caught.value.missing, caught.value.rule) == ((LEADER,), "R18")
        company.system(c.Reroute(submission=company.state.publications[publication].submission, asked_by="send"))
        assert company.status(publication) == "abandoned"
    for again in (submission, *(company.state.publications[p].submission for p in (held, intended))):
        assert signed(company, again) == {HEAD: "gu"}
        assert waits_for(company, again) == {("leader", GROUP)}
        with denied("not_next_stage"):
            company.release("fang", again)
        company.approve("shen", again)
        company.send(company.release("fang", again)[0])
        assert again in company.state.finished


def test_the_entry_says_what_why_and_what_falls(company: Company) -> None:
    """Added stages with their rules, the whole new route, what is void; the statement that is signed next names the new route and table."""
    publication = company.released("ch_web")[0]
    before = company.state.publications[publication]
    submission = before.submission
    route = found(company, submission).route
    company.rules = STRICTER
    ended, entry = company.reroute(submission)
    assert (ended.type, ended.object, ended.data) == (EntryType.PUBLICATION_ABANDONED, publication, {"cause": "rerouted", "words": {}})
    assert (entry.type, entry.object, entry.actor) == (EntryType.SUBMISSION_REROUTED, submission, "system")
    data = entry.data
    assert (data["revision"], data["asked_by"], data["added"], data["void"], data["tokens"]) == (
        1, "start", [[LEADER, "R18"]], [BRAND], [before.jti])
    assert [stage["id"] for stage in data["stages"]] == [HEAD, LEADER, BRAND]
    assert data["rules"] == ["R17.1a", "R18"]
    now = found(company, submission)
    assert (now.policy, now.route, now.rules) == (digest(STRICTER), data["route"], ("R17.1a", "R18"))
    assert now.route != route
    assert (now.state.value, now.seq, now.revision) == ("in_review", entry.seq, 1)
    statement = signing.build_statement(company.state, now, now.stages[1], "shen", "leader", "s")
    assert (statement["route"], statement["policy"]) == (data["route"], digest(STRICTER))


def test_an_earlier_token_is_dead_after_the_re_route(company: Company) -> None:
    """Attack: the old token comes back, for its own publication, for the new one, and at every later step."""
    old = company.released("ch_web")[0]
    replay_of, submission = company.spend_command(old), company.state.publications[old].submission
    company.rules = STRICTER
    company.reroute(submission)
    company.at = company.state.publications[old].not_before
    with denied("token_spent"):
        company.system(replay_of)
    for act in (company.dispatch, company.prepare):
        with denied("rerouted"):
            act(old)
    with denied("rerouted"):
        company.system(c.RecordPrepared(publication=old, filled=replay_of.template, snapshot=replay_of.template))
    company.approve("shen", submission)
    new = company.release("fang", submission)[0]
    for publication in (old, new):
        with denied("token_spent"):
            company.system(replace(replay_of, publication=publication))
    with denied("scope_mismatch"):
        company.system(replace(company.spend_command(new), publication=old))
    company.rules = RULES
    with denied("token_spent"):
        company.system(replay_of)
    company.send(new)
    assert company.status(old) == "abandoned"


def test_what_was_abandoned_for_another_reason_says_so(company: Company) -> None:
    """Only a re-route is called one."""
    publication = company.released("ch_web")[0]
    company.system(c.Abandon(publication=publication, cause="window_over"))
    with denied("wrong_state"):
        company.dispatch(publication)


def test_different_people_sign_what_is_added(company: Company) -> None:
    """The author never approves, nor does who has approved already; the added step is theirs alone whose office it is."""
    company.appoint("gu", Office.LEADER, GROUP)
    company.appoint("lu", Office.LEADER, GROUP)
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    company.rules = STRICTER
    company.reroute(submission)
    for person, code in (("gu", "same_person_twice"), ("lu", "author_approves"), ("fang", "no_office")):
        with denied(code):
            company.approve(person, submission)
    company.approve("shen", submission)
    assert signed(company, submission) == {HEAD: "gu", LEADER: "shen"}


def test_a_table_that_asks_for_less_waives_nothing(company: Company) -> None:
    """What was asked for when it was handed in stays asked for; and a further change keeps it too."""
    company.rules = STRICTER
    submission = company.submit("lu", "ch_web")
    company.rules = RULES
    with denied("wrong_state"):
        company.reroute(submission)
    company.rules = (*RULES, Rule("R19", "level:company", (("approve", ((Office.BRAND_PR_HEAD, "group"),)),), "", ""))
    company.reroute(submission)
    assert [stage.id for stage in found(company, submission).stages] == [
        HEAD, LEADER, "approve:brand_pr_head:unit_group", BRAND]
    with denied("wrong_state"):
        company.reroute(submission)


def test_brand_and_prs_release_replaces_the_units_own(company: Company) -> None:
    """On an own channel the author's release no longer counts where today's table sets releaser and author apart."""
    by_author = company.submit("lu", "ch_irrigation")
    company.approve("gu", by_author)
    publication = company.release("lu", by_author)[0]
    both = company.submit("lu", "ch_irrigation")
    by_head = company.sign("gu", company.item("gu", both, "approve"), company.item("gu", both, "release"))[-1].object
    company.rules = BY_BRAND
    for one, submission in ((publication, by_author), (by_head, both)):
        with denied("rerouted"):
            company.spend(one)
        company.reroute(submission)
        assert signed(company, submission) == {HEAD: "gu"}
        assert waits_for(company, submission) == {("operator", "ch_irrigation"), ("brand_pr", GROUP)}
    with denied("author_approves"):
        company.release("lu", by_author)
    with denied("no_office"):
        company.release("gu", both)
    company.send(company.release("fang", by_author)[0])


def test_brand_and_prs_release_that_is_dropped_stays_as_an_approval(company: Company) -> None:
    """Where today's table gives the release to the operator, brand & PR still has to agree first; its earlier release does not carry that."""
    company.rules = tuple(replace(r, stages=(r.stages[0], ("release", ((Office.BRAND_PR, "group"),)))) if r.id == "R17.1b" else r for r in RULES)
    submission = company.submit("lu", "ch_irrigation")
    company.approve("gu", submission)
    publication = company.release("fang", submission)[0]
    company.rules = RULES
    company.reroute(submission)
    assert company.status(publication) == "abandoned"
    stages = found(company, submission).stages
    assert [(s.id, s.kind, s.channels, s.apart) for s in stages] == [
        (HEAD, "approve", (), True), ("approve:brand_pr:unit_group", "approve", (), True), (OPERATOR, "release", ("ch_irrigation",), False)]
    assert signed(company, submission) == {HEAD: "gu"}
    company.approve("fang", submission)
    company.send(company.release("lu", submission)[0])


def test_a_decision_counts_by_the_office_it_was_signed_by(company: Company) -> None:
    """Where today's table takes an office out of a step, who signed by that office is asked to be replaced; who signed by the other stands."""
    wider = tuple(replace(r, stages=(("approve", ((Office.UNIT_HEAD, "owner"), (Office.LEADER, "group"))), r.stages[1])) if r.id == "R17.1b" else r
                  for r in RULES)
    company.rules = wider
    by_leader, by_head = company.submit("lu", "ch_irrigation"), company.submit("lu", "ch_irrigation")
    company.approve("shen", by_leader)
    company.approve("gu", by_head)
    company.rules = RULES
    company.reroute(by_leader)
    company.reroute(by_head)
    assert signed(company, by_leader) == {}
    assert waits_for(company, by_leader) == {("unit_head", "unit_irrigation")}
    assert signed(company, by_head) == {HEAD: "gu"}
    company.rules = wider  # more people may sign again: nothing is missing, and the step stays as strict as it became
    with denied("wrong_state"):
        company.reroute(by_leader)
    with denied("no_office"):
        company.approve("shen", by_leader)


def test_an_office_that_the_earlier_route_did_not_have_is_not_let_in(company: Company) -> None:
    """One step got another pair of offices: only those may sign that both tables name."""
    first = tuple(replace(r, stages=(("approve", ((Office.UNIT_HEAD, "owner"), (Office.LEADER, "group"))), r.stages[1])) if r.id == "R17.1b" else r
                  for r in RULES)
    second = tuple(replace(r, stages=(("approve", ((Office.UNIT_HEAD, "owner"), (Office.BRAND_PR, "group"))), r.stages[1])) if r.id == "R17.1b" else r
                   for r in RULES)
    company.rules = first
    submission = company.submit("lu", "ch_irrigation")
    company.rules = second
    company.reroute(submission)
    assert found(company, submission).stages[0].offices == (("unit_head", "unit_irrigation"),)


def test_what_is_live_or_under_way_stays(company: Company) -> None:
    """Of two channels one is live: the other one alone goes back, and the submission is done when it is sent."""
    web, wechat = company.released("ch_web", "ch_wechat")
    company.send(web)
    submission = company.state.publications[web].submission
    company.rules = STRICTER
    company.reroute(submission)
    assert (company.status(web), company.status(wechat)) == ("live", "abandoned")
    company.approve("shen", submission)
    again = company.release("fang", submission)
    assert [company.state.publications[p].channel for p in again] == ["ch_wechat"]
    company.send(again[0])
    assert company.state.finished[submission][2] == "done"


def test_what_is_dispatched_is_not_called_back(company: Company) -> None:
    """After the licence to send nothing is re-routed; where it came to nothing, its release meets the new table."""
    publication = company.released("ch_web")[0]
    submission = company.state.publications[publication].submission
    company.spend(publication)
    company.prepare(publication)
    company.dispatch(publication)
    company.rules = STRICTER
    with denied("wrong_state") as caught:
        company.reroute(submission)
    assert caught.value.detail == "the route stands"
    company.outcome(publication, "rejected")
    made = company.sign("fang", company.item("fang", submission, "release"))
    assert kinds(made) == ["signing.made", "submission.rerouted"]
    assert made[1].data["tokens"] == []
    assert made[1].data["asked_by"] == "release"
    assert waits_for(company, submission) == {("leader", GROUP)}


def test_each_channels_own_release_stands_for_what_it_released(company: Company) -> None:
    """Two own channels, one live: its operator's release is not asked for again, the other's is."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_field", data={
        "platform": "wordpress", "account": "field.example", "name": "田间", "unit": "unit_irrigation", "level": "own",
        "filing": "filed", "filing_number": "备-8", "settings": {}, "custodians": ["fang"]}))
    company.appoint("lu", Office.OPERATOR, "ch_field")
    company.credential("ch_field")
    submission = company.submit("lu", "ch_irrigation", "ch_field")
    company.approve("gu", submission)
    company.send(company.release("lu", submission, stage=OPERATOR)[0])
    company.release("lu", submission, stage="release:operator:ch_field")
    company.rules = STRICTER
    assert company.reroute(submission)[-1].data["void"] == ["release:operator:ch_field"]
    assert signed(company, submission) == {HEAD: "gu", OPERATOR: "lu"}
    company.approve("shen", submission)
    one, two = company.item("lu", submission, "release:operator:ch_field"), company.submit("lu", "ch_irrigation", "ch_field")
    company.approve("gu", two)
    company.approve("shen", two)
    company.rules = (*STRICTER, Rule("R99", "level:own", (("approve", ((Office.BRAND_PR_HEAD, "group"),)),), "", ""))
    items = [one, company.item("lu", two, OPERATOR), company.item("lu", two, "release:operator:ch_field")]
    made = company.sign("lu", *items)
    assert kinds(made) == ["signing.made", "submission.rerouted", "submission.rerouted"]
    assert made[0].data["dropped"] == [[submission, "rerouted"], [two, "rerouted"], [two, "rerouted"]]


def test_approving_and_releasing_at_once_meets_the_new_table(company: Company) -> None:
    """同意并放行: the approval of the same list stands, the release does not; what else is on the list is not touched by it."""
    both, other = company.submit("lu", "ch_irrigation"), company.submit("lu", "ch_web")
    company.rules = STRICTER
    made = company.sign("gu", company.item("gu", both, "approve"), company.item("gu", both, "release"), company.item("gu", other, "approve"))
    assert kinds(made) == ["signing.made", "decision.made", "submission.rerouted", "decision.made"]
    assert made[0].data["dropped"] == [[both, "rerouted"]]
    assert signed(company, both) == {HEAD: "gu"}
    assert signed(company, other) == {HEAD: "gu"}
    assert dump(replay(company.entries)) == dump(company.state)


def test_what_needs_no_re_route(company: Company) -> None:
    """What is back with its author, gone, an emergency, or without any rule today is left as it is."""
    emergency = company.emergency("xu", company.live("ch_web"))
    returned = company.submit("lu", "ch_web")
    company.do(c.Return(submission=returned, revision=1, reason="data", notes=None), "gu")
    open_, expired = company.submit("lu", "ch_web"), company.submit("lu", "ch_web", window_to=instants.plus(company.at, 60))
    company.wait(60)
    company.system(c.Expire(submission=expired))
    company.rules = STRICTER
    for submission in (returned, expired, company.state.publications[emergency].submission):
        with denied("wrong_state") as caught:
            company.reroute(submission)
        assert caught.value.detail == "the route stands"
    company.send(emergency, "gone")
    with denied("not_found"):
        company.reroute("sub_none")
    company.rules = RULES[2:]
    with denied("no_rule"):
        company.reroute(open_)
    company.rules = STRICTER
    company.do(c.Renew(submission=expired, window_to=WINDOW), "lu", Grade.DESK)
    with denied("wrong_state"):  # the renewal has done it
        company.reroute(expired)
    company.approve("gu", expired)
    assert waits_for(company, expired) == {("leader", GROUP)}


def test_nothing_to_re_route_is_an_empty_list(company: Company) -> None:
    """What a release adds to its list's entries where the route stands, or where there is nothing to release: nothing."""
    context = Context(company.state, Request(command=None, actor="fang", grade=Grade.PROOF), company.at, company.ids)
    waiting, live = found(company, company.submit("lu", "ch_web")), company.released("ch_web")[0]
    company.spend(live)
    company.dispatch(live)
    sent = found(company, company.state.publications[live].submission)
    assert rerouting.drafts(context, waiting, {}, asked_by="start") == []
    strict = replace(context, rules=STRICTER)
    assert rerouting.drafts(strict, sent, {}, asked_by="start") == []
    assert [draft.type for draft in rerouting.drafts(strict, waiting, {}, asked_by="start")] == [EntryType.SUBMISSION_REROUTED]


def test_a_signed_return_says_so(company: Company) -> None:
    """The statement of a return has its own verdict, whatever the stage is for, with its reason and its notes."""
    submission = found(company, company.submit("lu", "ch_web"))
    said = signing.build_statement(company.state, submission, submission.stages[0], "gu", "unit_head", "s", reason="data", notes=None)
    assert (said["verdict"], said["reason"], said["stage"]) == ("return", "data", HEAD)
    assert signing.build_statement(company.state, submission, submission.stages[0], "gu", "unit_head", "s")["verdict"] == "approve"


def test_what_counts_as_strict() -> None:
    """A recorded step is as strict only with no other office, as far apart, and for at least the same channels."""
    stage = Stage("release:brand_pr:g", "release", (("brand_pr", "g"),), "R17.1a", ("a", "b"))
    company = Company.staffed()
    submission = replace(found(company, company.submit("lu", "ch_web")), stages=[stage])
    wider = replace(stage, offices=(("brand_pr", "g"), ("leader", "g")))
    for today, missing in (
        (stage, False), (wider, False), (replace(stage, rule="R99"), False), (replace(stage, channels=("a",)), False),
        (replace(stage, apart=False), False), (replace(stage, channels=("a", "c")), True), (replace(stage, id="x"), True),
        (replace(stage, offices=(("leader", "g"),)), True),
    ):
        assert bool(rerouting.lacking(submission, [today])) is missing, today
    assert rerouting.lacking(replace(submission, stages=[wider]), [stage]) == (stage,)
    assert rerouting.lacking(replace(submission, stages=[replace(stage, apart=False)]), [stage]) == (stage,)


def test_the_route_is_asked_whoever_is_said_to_have_signed(company: Company) -> None:
    """The last look at who signed what stands on its own: a step without a signer, an author among them, one person for two."""
    submission = company.submit("lu", "ch_web", facts={"sensitive": True})
    context = Context(company.state, Request(command=None, actor="fang", grade=Grade.PROOF), company.at, company.ids)

    def asked(**signers: str) -> None:
        named = {"head": HEAD, "leader": LEADER, "brand": BRAND}
        signing.check_route(context, found(company, submission), "ch_web", {named[key]: person for key, person in signers.items()})

    asked(head="gu", leader="shen", brand="fang")
    with denied("route_incomplete") as caught:
        asked(head="gu", brand="fang")
    assert (caught.value.missing, caught.value.detail) == ((LEADER,), "ch_web")
    for author in ({"head": "lu", "leader": "shen", "brand": "fang"}, {"head": "gu", "leader": "shen", "brand": "lu"}):
        with denied("author_approves"):
            asked(**author)
    for twice in ({"head": "shen", "leader": "shen", "brand": "fang"}, {"head": "gu", "leader": "fang", "brand": "fang"}):
        with denied("same_person_twice"):
            asked(**twice)
    with denied("route_incomplete") as caught:
        signing.check_route(context, found(company, submission), "ch_weibo", {HEAD: "gu", LEADER: "shen", BRAND: "fang"})
    assert caught.value.missing == ()
