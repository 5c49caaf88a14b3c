"""The regulation's routes (articles 12, 14, 17): who must sign, in which order, and who may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.machine import policy
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office, Stage
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import FACTS, GROUP, Company, denied


@pytest.fixture
def company() -> Company:
    return Company.staffed()


BRAND = (("brand_pr", GROUP), ("brand_pr_head", GROUP))
TABLE: list[tuple[tuple[str, ...], dict[str, Any], list[str]]] = [
    (("ch_web",), {}, ["approve:unit_head:unit_irrigation", "release:brand_pr:unit_group"]),
    (("ch_web", "ch_wechat", "ch_weibo"), {}, ["approve:unit_head:unit_irrigation", "release:brand_pr:unit_group"]),
    (("ch_irrigation",), {}, ["approve:unit_head:unit_irrigation", "release:operator:ch_irrigation"]),
    (("ch_irrigation", "ch_web"), {}, ["approve:unit_head:unit_irrigation", "release:brand_pr:unit_group"]),
    (("ch_web",), {"sensitive": True},
     ["approve:unit_head:unit_irrigation", "approve:leader:unit_group", "release:brand_pr:unit_group"]),
    (("ch_irrigation",), {"sensitive": True},
     ["approve:unit_head:unit_irrigation", "approve:leader:unit_group", "release:brand_pr:unit_group"]),
    (("ch_irrigation",), {"executives": True}, ["approve:unit_head:unit_irrigation", "release:brand_pr:unit_group"]),
    (("ch_irrigation",), {"category": "other"},
     ["approve:unit_head:unit_irrigation", "approve:leader:unit_group", "release:operator:ch_irrigation"]),
    (("ch_web",), {"category": "gossip"},
     ["approve:unit_head:unit_irrigation", "approve:leader:unit_group", "release:brand_pr:unit_group"]),
    (("ch_web",), {"category": None},
     ["approve:unit_head:unit_irrigation", "approve:leader:unit_group", "release:brand_pr:unit_group"]),
    (("ch_irrigation",), {"sensitive": None},
     ["approve:unit_head:unit_irrigation", "approve:leader:unit_group", "release:brand_pr:unit_group"]),
    (("ch_irrigation",), {"executives": "no"}, ["approve:unit_head:unit_irrigation", "release:brand_pr:unit_group"]),
]


@pytest.mark.parametrize(("channels", "facts", "stages"), TABLE)
def test_the_route(company: Company, channels: tuple[str, ...], facts: dict[str, Any], stages: list[str]) -> None:
    """Facts and channels give these stages; a fact that is unknown or no yes-or-no takes the stricter route."""
    merged = {key: value for key, value in {**FACTS, **facts}.items() if value is not None}
    route = policy.route(company.state, unit="unit_irrigation_general", channels=channels, facts=merged)
    assert [stage.id for stage in route.stages] == stages
    assert route.stages[-1].channels == channels


def test_the_digest_binds_the_whole_route(company: Company) -> None:
    """Another office at the same stage, another rule or another order of channels is another digest."""
    route = policy.route(company.state, unit="unit_irrigation", channels=["ch_web"], facts=FACTS)
    weaker = tuple(replace(r, stages=(r.stages[0], ("release", (*r.stages[1][1], (Office.OPERATOR, "channel"))))) if r.id == "R17.1a" else r
                   for r in RULES)
    assert policy.route(company.state, unit="unit_irrigation", channels=["ch_web"], facts=FACTS, rules=weaker).digest != route.digest
    assert policy.digest(weaker) != policy.digest() == policy.digest(tuple(RULES))


def test_no_rule(company: Company) -> None:
    """No channel, a level nobody knows, a table that is empty or has no release: no rule, which means no."""
    def ask(*channels: str, rules: tuple[Rule, ...] = RULES) -> None:
        policy.route(company.state, unit="unit_irrigation", channels=channels, facts=FACTS, rules=rules)

    with denied("no_rule"):
        ask()
    with denied("channel_unknown"):
        ask("ch_nowhere")
    for rules in ((), tuple(r for r in RULES if r.id == "R12.4"), (replace(RULES[0], stages=RULES[0].stages[:1]),),
                  (replace(RULES[0], stages=RULES[0].stages[1:]),), (replace(RULES[0], stages=()),)):
        with denied("no_rule"):
            ask("ch_web", rules=rules)
    company.state.channels["ch_web"].level = "somewhere"
    with denied("no_rule"):
        ask("ch_web")
    company.rules = ()
    with denied("no_rule"):
        company.submit("lu", "ch_wechat")


def test_vacancies_name_the_stage(company: Company) -> None:
    """No head appointed, or the author as the only head: refused before submitting, naming the stage and whom to ask."""
    company.appoint("qin", Office.AUTHOR, "unit_office")
    with denied("stage_vacant") as caught:
        company.submit("qin", "ch_web")
    assert caught.value.missing == ("approve:unit_head:unit_office",)
    assert caught.value.ask == ("he", "xu")
    company.appoint("qin", Office.UNIT_HEAD, "unit_office")
    with denied("stage_vacant"):
        company.submit("qin", "ch_web")
    company.appoint("shao", Office.UNIT_HEAD, "unit_office")
    company.submit("qin", "ch_web")


def test_dead_ends_of_two_people_are_found(company: Company) -> None:
    """Brand & PR has two: with her own draft, her head approves, and then nobody is left to release."""
    with denied("stage_vacant") as caught:
        company.submit("fang", "ch_web")
    assert caught.value.missing == ("release:brand_pr:unit_group",)
    company.appoint("qin", Office.BRAND_PR, GROUP)
    submission = company.submit("fang", "ch_web")
    company.approve("xu", submission)
    with denied("same_person_twice"):
        company.release("xu", submission)
    with denied("author_approves"):
        company.release("fang", submission)
    company.release("qin", submission)


def test_vacancies_let_one_person_release_many(company: Company) -> None:
    """Only approvers bind the others: one person may hold two release stages."""
    stages = [Stage("approve:x", "approve", (("unit_head", "unit_irrigation"),), "R"),
              Stage("release:1", "release", (("leader", GROUP),), "R", ("a",)), Stage("release:2", "release", (("leader", GROUP),), "R", ("b",))]
    assert policy.vacancies(company.state, stages, "lu", company.at) == []
    stages[0] = replace(stages[0], offices=(("leader", GROUP),))
    assert policy.vacancies(company.state, stages, "lu", company.at) == [stages[-1]]


def test_route_a_takes_three_people(company: Company) -> None:
    """R17.1a: the head approves, brand & PR releases; nobody else, not in another order, and all differ."""
    submission = company.submit("lu", "ch_web")
    with denied("not_next_stage") as caught:
        company.release("fang", submission)
    assert caught.value.missing == ("approve:unit_head:unit_irrigation",)
    for person in ("meng", "fang", "xu", "he", "shen", "lu"):
        with denied("no_office"):
            company.approve(person, submission)
    company.approve("gu", submission)
    with denied("wrong_state"):
        company.sign("gu", company.item("gu", submission, "approve"))
    for person in ("lu", "gu", "shen", "he"):
        with denied("no_office"):
            company.release(person, submission)
    assert len(company.release("fang", submission)) == 1


def test_the_author_never_approves_even_as_the_head(company: Company) -> None:
    """A head's own text goes to another head."""
    company.appoint("gu", Office.AUTHOR, "unit_irrigation")
    company.appoint("shen", Office.UNIT_HEAD, "unit_irrigation")
    submission = company.submit("gu", "ch_irrigation")
    with denied("author_approves"):
        company.approve("gu", submission)
    company.approve("shen", submission)
    company.release("gu", submission)  # R17.1b: the author may release what another approved


def test_a_releaser_on_route_a_is_neither_author_nor_approver(company: Company) -> None:
    """A head who also holds brand & PR's release does not do both."""
    company.appoint("gu", Office.BRAND_PR, GROUP)
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    with denied("same_person_twice"):
        company.release("gu", submission)
    company.release("fang", submission)


def test_route_b_is_released_by_the_author_operator(company: Company) -> None:
    """R17.1b: what the head approved, the channel's operator releases, also when she wrote it."""
    submission = company.submit("lu", "ch_irrigation")
    with denied("author_approves"):
        company.appoint("lu", Office.UNIT_HEAD, "unit_irrigation")
        company.approve("lu", submission)
    company.approve("gu", submission)
    with denied("no_office"):
        company.release("lin", submission)
    company.send(company.release("lu", submission)[0])


def test_route_b_in_one_list(company: Company) -> None:
    """同意并放行: the head approves and releases with one proof; in the other order nothing holds."""
    submission = company.submit("lu", "ch_irrigation")
    approve, release = company.item("gu", submission, "approve"), company.item("gu", submission, "release")
    with denied("not_next_stage"):
        company.sign("gu", release)
    made = company.sign("gu", approve, release)
    assert [e.type for e in made] == ["signing.made", "decision.made", "decision.made", "token.minted"]
    assert made[0].data["dropped"] == []
    company.send(made[-1].object)


def test_sensitive_adds_the_leader(company: Company) -> None:
    """R14: unit head, leader, then brand & PR alone, also on a unit's own channel."""
    submission = company.submit("lu", "ch_irrigation", facts={"sensitive": True})
    with denied("not_next_stage"):
        company.sign("shen", company.item("shen", submission, "approve:leader"))
    company.approve("gu", submission)
    company.approve("shen", submission)
    for person in ("lu", "gu"):
        with denied("no_office"):
            company.release(person, submission)
    company.release("xu", submission)


def test_external_quotes_are_refused(company: Company) -> None:
    """R17.2: without a confirmation there is no route; nor where nobody said whether one is quoted."""
    with denied("external_confirmation") as caught:
        company.submit("lu", "ch_web", facts={"external_quote": True})
    assert caught.value.ask == ("xu", "fang")
    facts = {key: value for key, value in FACTS.items() if key != "external_quote"}
    with denied("external_confirmation"):
        company.do(company.submission_command("ch_web", facts=facts), "lu")


def test_one_person_in_two_offices_signs_once(company: Company) -> None:
    """C5: two offices of one human are no quorum of two."""
    company.appoint("gu", Office.LEADER, GROUP)
    submission = company.submit("lu", "ch_web", facts={"category": "other"})
    company.approve("gu", submission)
    with denied("same_person_twice"):
        company.approve("gu", submission)
    company.approve("shen", submission)


def test_an_office_that_ends_afterwards_still_counts(company: Company) -> None:
    """Office is asked when signing: it ends after, the signature stands; it ended before, there is none."""
    submission, later = company.submit("lu", "ch_web"), company.submit("lu", "ch_web")
    company.approve("gu", submission)
    company.end_office("gu", Office.UNIT_HEAD)
    with denied("no_office"):
        company.approve("gu", later)
    publication = company.release("fang", submission)[0]
    company.end_office("fang", Office.BRAND_PR)
    company.send(publication)


def test_a_suspension_voids_what_was_signed(company: Company) -> None:
    """A suspended signer's decision falls and is asked for again; a restoration does not bring it back."""
    submission, held = company.submit("lu", "ch_web"), company.released("ch_web")[0]
    company.approve("gu", submission)
    company.appoint("shen", Office.UNIT_HEAD, "unit_irrigation")
    company.suspend("gu")
    with denied("person_suspended"):
        company.spend(held)
    company.restore("gu")
    with denied("person_suspended"):
        company.spend(held)
    with denied("not_next_stage"):
        company.release("fang", submission)
    company.approve("shen", submission)
    publication = company.release("fang", submission)[0]
    company.spend(publication)
    company.prepare(publication)
    company.suspend("shen")
    with denied("person_suspended"):
        company.dispatch(publication)


def test_a_suspended_author_stops_everything(company: Company) -> None:
    """What a suspended author wrote is neither signed nor sent; restored, it goes on."""
    submission, held = company.submit("lu", "ch_web"), company.released("ch_web")[0]
    company.suspend("lu")
    with denied("person_suspended"):
        company.approve("gu", submission)
    with denied("person_suspended"):
        company.spend(held)
    company.restore("lu")
    company.approve("gu", submission)
    company.send(held)


def test_each_channel_needs_its_own_release(company: Company) -> None:
    """Two own channels of nested units: each operator releases only the own one, and both heads approve."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_general", data={
        "platform": "wordpress", "account": "general.example", "name": "综合部", "unit": "unit_irrigation_general", "level": "own",
        "filing": "filed", "filing_number": "备-7", "settings": {}, "custodians": ["fang"]}))
    company.appoint("qin", Office.OPERATOR, "ch_general")
    company.appoint("shao", Office.UNIT_HEAD, "unit_irrigation_general")
    with denied("credential_missing"):
        company.submit("lu", "ch_general")
    company.credential("ch_general")
    submission = company.submit("lu", "ch_irrigation", "ch_general")
    company.sign("gu", company.item("gu", submission, "approve:unit_head:unit_irrigation"))
    company.sign("shao", company.item("shao", submission, "approve:unit_head:unit_irrigation_general"))
    first = company.release("lu", submission, stage="release:operator:ch_irrigation")[0]
    assert company.state.publications[first].channel == "ch_irrigation"
    with denied("no_office"):
        company.release("lu", submission, stage="release:operator:ch_general")
    company.send(first)
    second = company.release("qin", submission, stage="release:operator:ch_general")[0]
    company.send(second)
    assert submission in company.state.finished


def test_channels_of_other_units_stay_closed(company: Company) -> None:
    """A mixed submission smuggles in no channel of another unit, whatever stands beside it."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_travel", data={"filing": "filed"}))
    for channels in (("ch_travel",), ("ch_web", "ch_travel"), ("ch_irrigation", "ch_travel")):
        with denied("channel_other_unit"):
            company.submit("lu", *channels)
    with denied("channel_other_unit"):
        company.submit("xu", "ch_irrigation")
    company.submit("lin", "ch_travel", "ch_web")


def test_units_are_walked_upwards(company: Company) -> None:
    """The subsidiary answers for its departments; a department of the group for itself; an unknown unit for itself."""
    state = company.state
    assert state.responsible_unit("unit_irrigation_general") == "unit_irrigation"
    assert state.responsible_unit("unit_brand") == "unit_brand"
    assert state.responsible_unit("unit_nowhere") == "unit_nowhere"
    assert state.inside("unit_irrigation_general", GROUP)
    assert not state.inside("unit_nowhere", GROUP)
