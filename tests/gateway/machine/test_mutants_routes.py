"""What planted bugs in the route table's merging once went unseen; nothing here changes the one company that all ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway import canonical
from gateway.machine import policy
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office, Stage
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import FACTS, GROUP, Company, denied

HEAD, TRAVEL = (("unit_head", "unit_irrigation"),), (("unit_head", "unit_travel"),)
BRAND = (("brand_pr", GROUP), ("brand_pr_head", GROUP))
BOTH = ("ch_irrigation", "ch_travel")


@pytest.fixture(scope="module")
def company() -> Company:
    made = Company.staffed()
    made.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_travel", data={"filing": "filed"}))
    return made


def stages(company: Company, *channels: str, rules: tuple[Rule, ...] = RULES, unit: str = "unit_irrigation_general", **facts: Any) -> tuple[Stage, ...]:
    """Return the stages for these channels and facts."""
    found = policy.route(company.state, unit=unit, channels=channels, facts={**FACTS, **facts}, rules=rules)
    assert policy.stages_for(company.state, unit=unit, channels=channels, facts={**FACTS, **facts}, rules=rules) == found.stages
    return found.stages


def approve(offices: tuple[tuple[str, str], ...], rule: str) -> Stage:
    """Return an approval as a route has it."""
    return Stage(f"approve:{offices[0][0]}:{offices[0][1]}", "approve", offices, rule, (), apart=True)


def release(offices: tuple[tuple[str, str], ...], rule: str, *channels: str, apart: bool = True) -> Stage:
    """Return a release as a route has it."""
    return Stage(f"release:{offices[0][0]}:{offices[0][1]}", "release", offices, rule, channels, apart)


def own(channel: str, head: tuple[tuple[str, str], ...]) -> Stage:
    """Return the release of a unit's own channel."""
    return release((("operator", channel), *head), "R17.1b", channel, apart=False)


def test_two_own_channels_of_two_units(company: Company) -> None:
    """Both heads approve, each channel is released by its own; with something that brand & PR releases, both heads still approve."""
    heads = (approve(HEAD, "R17.1b"), approve(TRAVEL, "R17.1b"))
    assert stages(company, *BOTH) == (*heads, own("ch_irrigation", HEAD), own("ch_travel", TRAVEL))
    leader = approve((("leader", GROUP),), "R14")
    assert stages(company, *BOTH, sensitive=True) == (*heads, leader, release(BRAND, "R14", *BOTH))
    assert stages(company, *BOTH, executives=True) == (*heads, release(BRAND, "R17.2", *BOTH))
    assert stages(company, "ch_irrigation") == (approve(HEAD, "R17.1b"), own("ch_irrigation", HEAD))


def test_rows_that_nobody_wrote_yet(company: Company) -> None:
    """An approval by brand & PR leaves releases as they are; a release by owner alone is one a unit; brand & PR's is one for all."""
    row = RULES[1]
    extra = Rule("R99", "level:own", (("approve", ((Office.BRAND_PR, "group"),)), ("approve", ((Office.AUDITOR, "group"),))), "", "")
    assert stages(company, *BOTH, rules=(extra, row)) == (
        approve(HEAD, "R17.1b"), approve(TRAVEL, "R17.1b"), approve((("brand_pr", GROUP),), "R99"), approve((("auditor", GROUP),), "R99"),
        own("ch_irrigation", HEAD), own("ch_travel", TRAVEL))
    either = replace(row, stages=(("approve", ((Office.UNIT_HEAD, "owner"), (Office.LEADER, "group"))), row.stages[1]))
    assert [stage.id for stage in stages(company, *BOTH, rules=(either,))[:2]] == ["approve:unit_head:unit_irrigation", "approve:unit_head:unit_travel"]
    turned = replace(row, stages=row.stages[::-1])
    assert stages(company, *BOTH, rules=(turned, RULES[4]), executives=True) == (
        approve(HEAD, "R17.1b"), approve(TRAVEL, "R17.1b"), release(BRAND, "R17.2", *BOTH))
    alone = replace(row, stages=(row.stages[0], ("release", ((Office.OPERATOR, "channel"),))))
    assert [stage.channels for stage in stages(company, *BOTH, rules=(alone,))[2:]] == [("ch_irrigation",), ("ch_travel",)]
    by_owner = replace(row, stages=(row.stages[0], ("release", ((Office.UNIT_HEAD, "owner"),))))
    assert stages(company, *BOTH, rules=(by_owner,))[2:] == (
        release(HEAD, "R17.1b", *BOTH, apart=False), release(TRAVEL, "R17.1b", *BOTH, apart=False))
    brand = replace(row, stages=(row.stages[0], ("release", ((Office.UNIT_HEAD, "owner"), (Office.BRAND_PR, "group")))))
    assert stages(company, *BOTH, rules=(brand,))[2:] == (release((*HEAD, ("brand_pr", GROUP)), "R17.1b", *BOTH),)


def test_the_digest_of_a_route_is_over_all_of_it(company: Company) -> None:
    """Rule ids and every part of every stage, in order."""
    found = policy.route(company.state, unit="unit_irrigation", channels=BOTH, facts=FACTS)
    assert found.rules == ("R17.1b",)
    assert found.digest == policy.route_digest(found.rules, found.stages) == canonical.digest([["R17.1b"], [
        ["approve:unit_head:unit_irrigation", "approve", [["unit_head", "unit_irrigation"]], "R17.1b", [], True],
        ["approve:unit_head:unit_travel", "approve", [["unit_head", "unit_travel"]], "R17.1b", [], True],
        ["release:operator:ch_irrigation", "release", [["operator", "ch_irrigation"], ["unit_head", "unit_irrigation"]], "R17.1b",
         ["ch_irrigation"], False],
        ["release:operator:ch_travel", "release", [["operator", "ch_travel"], ["unit_head", "unit_travel"]], "R17.1b", ["ch_travel"], False],
    ]])


def test_what_has_no_route_says_why(company: Company) -> None:
    """No channel, an unknown one, one of an unknown level, and rows without approval or release."""
    for channels, rules, detail in (((), RULES, "channels"), (("ch_none",), RULES, "ch_none"), (("ch_web",), (), "stages"),
                                    (("ch_web",), (replace(RULES[0], stages=RULES[0].stages[:1]),), "stages"),
                                    (("ch_web",), (replace(RULES[0], stages=RULES[0].stages[1:]),), "stages")):
        with denied("channel_unknown" if detail == "ch_none" else "no_rule") as caught:
            stages(company, *channels, rules=rules)
        assert caught.value.detail == detail
    company.state.channels["ch_web"].level = "somewhere"
    with denied("no_rule") as caught:
        stages(company, "ch_web", "ch_irrigation")
    company.state.channels["ch_web"].level = "company"
    assert caught.value.detail == "level"


STAGES = {
    "n": ("approve", (("leader", "unit_it"),), True), "a": ("approve", HEAD, True), "b": ("approve", HEAD, True), "z": ("approve", HEAD, False),
    "r": ("release", HEAD, True), "l": ("release", HEAD, False), "x": ("release", (("brand_pr_head", GROUP),), True),
    "y": ("release", (("brand_pr_head", GROUP),), True), "w": ("approve", BRAND, True), "v": ("release", BRAND, True),
}


@pytest.mark.parametrize(("asked", "author", "vacant"), [
    ("a", "lu", ""), ("a", "gu", "a"), ("an", "lu", "n"), ("na", "lu", "n"), ("nn", "lu", "nn"), ("al", "lu", ""), ("al", "gu", "a"), ("l", "gu", ""),
    ("r", "gu", "r"), ("ar", "lu", "r"), ("ab", "lu", "b"), ("az", "lu", "z"), ("z", "gu", "z"), ("xy", "lu", ""), ("wv", "lu", ""), ("wv", "fang", "v"),
    ("wx", "lu", ""), ("wvx", "lu", ""), ("wwx", "lu", "x"), ("la", "lu", ""),
])
def test_which_stages_nobody_could_sign(company: Company, asked: str, author: str, vacant: str) -> None:
    """Approvers differ from each other and from a releaser who must be apart; the author approves nothing; one dead end names the last."""
    made = [Stage(name, STAGES[name][0], STAGES[name][1], "R", (), STAGES[name][2]) for name in asked]
    assert "".join(stage.id for stage in policy.vacancies(company.state, made, author, company.at)) == vacant


def test_who_holds_what(company: Company) -> None:
    """By office, scope and instant together; a stage is signed by the first office that fits."""
    state, at = company.state, company.at
    assert state.holders("brand_pr", GROUP, at) == ["xu", "fang"]
    assert state.holders("brand_pr", "unit_it", at) == state.holders("author", GROUP, at) == []
    begun = next(held for held in state.appointments.values() if held.person == "shao").start
    assert (state.holders("auditor", GROUP, begun), state.holders("auditor", GROUP, instants.plus(begun, -0.001))) == (["shao"], [])
    assert [(held.office, held.scope) for held in state.offices_of("lu", at)] == [("author", "unit_irrigation"), ("operator", "ch_irrigation")]
    stage = Stage("s", "release", BRAND, "R")
    assert [state.may_sign(person, stage, at) for person in ("fang", "xu", "lu")] == ["brand_pr", "brand_pr", None]
    assert [state.responsible_unit(unit) for unit in ("unit_irrigation_general", "unit_irrigation", "unit_it", GROUP, "none")] == [
        "unit_irrigation", "unit_irrigation", "unit_it", GROUP, "none"]
    assert [state.inside(unit, "unit_irrigation") for unit in ("unit_irrigation_general", "unit_irrigation", GROUP, "unit_travel", "none")] == [
        True, True, False, False, False]
