"""What planted bugs in single conditions once went unseen: each case is the smallest one in which the condition alone decides."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import canonical
from gateway.machine import policy, publications, submissions
from gateway.machine.context import proof_data
from gateway.machine.state import Office, Stage
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import FACTS, GROUP, START, Company, denied, text_digest

UNIT = {"name": "n", "parent": GROUP, "kind": "department"}


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def test_what_one_entry_holds(company: Company) -> None:
    """20,000 letters fit, although six bytes for each would not; what fills the last 1,024 bytes of an entry does not."""
    assert company.system(c.RecordVault(action="rotated", about="x" * 20_000))[0].data["about"] == "x" * 20_000
    with denied("invalid") as caught:
        company.system(c.RecordVault(action="rotated", about="x" * (65_535 - 1_024)))
    assert caught.value.detail == "too long for one entry"


def test_a_list_of_changes_has_200(company: Company) -> None:
    """200 pass, one more does not."""
    many = [Change(type=EntryType.UNIT_ADDED, object=f"u{number}", data=UNIT) for number in range(201)]
    assert company.propose("xu", *many[:200])
    with denied("invalid") as caught:
        company.propose("xu", *many)
    assert caught.value.detail == "changes"


@pytest.mark.parametrize(("text", "valid"), [
    ("0", True), ("999999", True), ("1000000", False), ("", False), ("-1", False), ("１2", False), ("1.5", False), ("²", False),
])
def test_what_a_limit_may_be(text: str, valid: bool) -> None:
    """At most six ASCII digits."""
    assert publications.limit_valid(text) is valid


def test_a_fixed_time_is_missed_after_15_minutes(company: Company) -> None:
    """At 15 minutes to the millisecond it is still sent and not called missed; one millisecond later the reverse."""
    publication = company.released("ch_web", scheduled=instants.plus(company.at, 60))[0]
    due = company.state.publications[publication].not_before
    company.at = instants.plus(due, 900)
    with denied("wrong_state"):
        company.system(c.Miss(publication=publication))
    late = instants.plus(due, 900.001)
    company.at = late
    with denied("schedule_missed"):
        company.system(company.spend_command(publication))
    company.at = instants.plus(due, 900)
    company.system(company.spend_command(publication))
    other = company.released("ch_weibo", scheduled=instants.plus(company.at, 60))[0]
    company.at = instants.plus(company.state.publications[other].not_before, 900.001)
    company.system(c.Miss(publication=other))
    assert company.status(other) == "missed"


def test_sends_are_counted_by_day(company: Company) -> None:
    """The second send of a day is the second; the next day begins at one and forgets the day before; a withdrawal takes none."""
    day = instants.office_day(company.at)
    first = company.live("ch_web")
    company.live("ch_web")
    assert company.state.channels["ch_web"].sent == {day: 2}
    company.send(company.emergency("xu", first), "gone")
    assert company.state.channels["ch_web"].sent == {day: 2}
    company.wait(86_400)
    company.live("ch_web")
    assert company.state.channels["ch_web"].sent == {instants.office_day(company.at): 1}


def test_what_is_remembered_of_a_send(company: Company) -> None:
    """When it was intended; how it became unknown; and whether what is live was read back equal."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    found = company.state.publications[publication]
    assert (found.intended_at, found.jti in company.state.spent) == (company.at, True)
    company.wait(1)
    company.prepare(publication)
    company.dispatch(publication)
    company.outcome(publication, "unknown", cause="reply lost")
    assert found.reason == {"cause": "reply lost", "at": company.at}
    company.outcome(publication, "live", matches=False)
    assert found.drift == "differs"
    plain, same = company.live("ch_wechat"), company.released("ch_weibo")[0]
    company.spend(same)
    company.prepare(same)
    company.dispatch(same)
    company.outcome(same, "live", matches=True)
    assert [company.state.publications[p].drift for p in (plain, same)] == ["", ""]


def test_a_credential_takes_a_custodian_in_either_place(company: Company) -> None:
    """Proposed or confirmed by one; two others, though both govern, may not (article 20)."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"custodians": ["xu"]}))
    company.credential("ch_web", "xu", "he")
    company.credential("ch_web", "he", "xu")
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"custodians": ["fang"]}))
    with denied("not_governor") as caught:
        company.credential("ch_web", "xu", "he")
    assert (caught.value.detail, caught.value.rule, caught.value.ask) == ("custodian", "R20", ("fang",))


@pytest.mark.parametrize(("kind", "object_", "data", "detail"), [
    (EntryType.APPOINTMENT_ENDED, "", {"end": START, "more": "x"}, "fields"),
    (EntryType.CHANNEL_CHANGED, "ch_web", {"settings": {"daily_limit": "all"}}, "daily_limit"),
    (EntryType.CHANNEL_CHANGED, "ch_web", {"custodians": ["nobody"]}, "custodians"),
    (EntryType.PERSON_ADDED, "new", {"name": "n", "unit": GROUP, "details": {"phone": 1}}, "person"),
    (EntryType.PERSON_ADDED, "new", {"name": "n", "unit": GROUP, "details": "x"}, "person"),
    (EntryType.CHANNEL_CHANGED, "ch_web", {"name": ""}, "channel"),
    (EntryType.APPOINTMENT_MADE, "a", {"person": "qin", "office": "custodian", "scope": GROUP, "start": START}, "scope"),
    (EntryType.APPOINTMENT_MADE, "a", {"person": "qin", "office": "author", "scope": "ch_web", "start": START}, "scope"),
])
def test_parts_of_a_change_are_looked_at(company: Company, kind: EntryType, object_: str, data: dict[str, Any], detail: str) -> None:
    """Each part that is refused is named."""
    object_ = object_ or company.appointment("fang", Office.AUTHOR)
    with denied("change_invalid") as caught:
        company.propose("xu", Change(type=kind, object=object_, data=data))
    assert caught.value.detail == detail


def test_a_channel_without_options_has_them_written_out(company: Company) -> None:
    """`apply` reads no default of its own: the entry holds every field."""
    data = {"platform": "weibo", "account": "9", "name": "新", "unit": GROUP, "level": "company", "filing": "filed", "filing_number": "备"}
    made = company.change("xu", "he", Change(type=EntryType.CHANNEL_ADDED, object="ch_new", data=data))
    assert made[1].data == {**data, "settings": {}, "custodians": []}
    made = company.change("xu", "he", Change(type=EntryType.PERSON_ADDED, object="new", data={"name": "n", "unit": GROUP}))
    assert made[1].data == {"name": "n", "unit": GROUP, "details": {}}
    made = company.change("xu", "he", Change(type=EntryType.FACTOR_REVOKED, object="gu", data={"factor": "all"}))
    assert (made[1].data, company.state.people["gu"].factors) == ({"factor": "all", "proof": None}, {})


def test_a_settlement_takes_brand_and_pr_or_a_governor(company: Company) -> None:
    """The unit's head has no part in settling an unknown, and brand & PR none in other changes."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    company.prepare(publication)
    company.dispatch(publication)
    company.outcome(publication, "unknown")
    with denied("not_governor"):
        company.propose("gu", Change(type=EntryType.PUBLICATION_ABSENT, object=publication, data={"how": "looked"}))
    with denied("not_governor"):
        company.propose("fang", Change(type=EntryType.UNIT_ADDED, object="u", data=UNIT))
    company.settle(publication, EntryType.PUBLICATION_ABSENT, how="looked")
    assert company.status(publication) == "absent"


def test_governors_may_change_what_bears_their_own_name(company: Company) -> None:
    """Only what is about a person is closed to that person; another object of the same name is not."""
    company.change("xu", "he", Change(type=EntryType.UNIT_ADDED, object="xu", data=UNIT))
    assert "xu" in company.state.units


def test_a_proof_stands_whole_in_its_entry(company: Company) -> None:
    """Everything the offline verifier needs of a proof."""
    proof = company.proof("gu", text_digest("list"), "totp")
    assert proof_data(proof) == {
        "method": "totp", "factor": "totp_gu", "nonce": proof.nonce, "list": text_digest("list"), "evidence": proof.evidence,
        "step": proof.step, "sign_count": 0,
    }


def test_two_suspensions_void_two_signatures(company: Company) -> None:
    """A second suspension leaves what the first made void."""
    publication = company.released("ch_web")[0]
    for person, void in (("gu", {"gu"}), ("fang", {"gu", "fang"})):
        company.suspend(person)
        found = company.state.publications[publication].signatures
        assert {s.person for s in found if s.void} == void
        assert {s.person for s in found} == {"gu", "fang"}


def test_a_token_names_the_signatures_of_its_own_channel(company: Company) -> None:
    """Two units' channels in one submission: each token rests on all approvals and on the release of its channel alone."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_travel", data={"filing": "filed"}))
    company.appoint("lu", Office.AUTHOR, "unit_irrigation")
    submission = company.submit("lu", "ch_web", "ch_wechat")
    company.approve("gu", submission)
    publication = company.release("fang", submission)[0]
    found = company.state.publications[publication].signatures
    assert [s.verdict for s in found] == ["approve", "release"]


def test_one_target_on_its_way_holds_the_whole_submission(company: Company) -> None:
    """One of two targets stopped, the other held: it is not given up, sent back or handed in again."""
    first, second = company.released("ch_web", "ch_weibo")
    submission = company.state.publications[first].submission
    for stopped, left in ((first, second), (second, None)):
        company.do(c.Stop(publication=stopped), "lu")
        if left is not None:
            with denied("wrong_state"):
                company.do(c.Cancel(submission=submission), "lu", Grade.DESK)
            with denied("wrong_state"):
                company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "fang")
    company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "fang")
    company.submit("lu", "ch_web", submission=submission)
    assert company.state.submissions[submission].revision == 2


def test_an_operator_writes_from_any_unit(company: Company) -> None:
    """An author's office counts for units below its own; an operator's is for a channel and asks for no unit."""
    def may_write(person: str) -> bool:
        return submissions.may_write(company.state, company.state.people[person], company.at)

    assert not may_write("qin")
    company.appoint("qin", Office.AUTHOR, "unit_irrigation")
    assert not may_write("qin")
    company.appoint("qin", Office.OPERATOR, "ch_web")
    assert may_write("qin")
    assert not may_write("meng")
    company.appoint("meng", Office.AUTHOR, GROUP)
    assert may_write("meng")


def stage(kind: str, name: str, offices: tuple[tuple[str, str], ...], *, apart: bool = True) -> Stage:
    """Return a stage."""
    return Stage(name, kind, offices, "R14", (), apart)


def test_who_could_sign_what(company: Company) -> None:
    """A stage nobody holds is named; two stages of one person are a dead end; a release that need not be apart is none."""
    state, at = company.state, company.at
    head, brand = (("unit_head", "unit_irrigation"),), (("brand_pr_head", GROUP),)
    nobody = stage("approve", "n", (("leader", "unit_it"),))
    approve, release = stage("approve", "a", head), stage("release", "r", head)
    loose = stage("release", "l", head, apart=False)
    assert policy.vacancies(state, (approve, nobody), "lu", at) == [nobody]
    assert policy.vacancies(state, (approve, release), "lu", at) == [release]
    assert policy.vacancies(state, (approve, loose), "lu", at) == []
    assert policy.vacancies(state, (approve, stage("approve", "b", head)), "lu", at) == [stage("approve", "b", head)]
    assert policy.vacancies(state, (stage("release", "x", brand), stage("release", "y", brand)), "lu", at) == []
    assert policy.vacancies(state, (approve,), "gu", at) == [approve]
    assert policy.vacancies(state, (release,), "gu", at) == [release]
    assert policy.vacancies(state, (loose,), "gu", at) == []
    assert policy.vacancies(state, (stage("approve", "z", head, apart=False),), "gu", at) == [stage("approve", "z", head, apart=False)]
    assert policy.vacancies(state, (approve, stage("approve", "b", head, apart=False)), "lu", at) != []


def test_a_route_is_these_stages_and_this_digest(company: Company) -> None:
    """Order, ids, rules, channels and who must be apart; the digest is over all of it."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_travel", data={"filing": "filed"}))
    facts = {**FACTS, "sensitive": True, "category": "other"}
    found = policy.route(company.state, unit="unit_irrigation_general", channels=["ch_irrigation", "ch_web"], facts=facts)
    brand = (("brand_pr", GROUP), ("brand_pr_head", GROUP))
    both = ("ch_irrigation", "ch_web")
    assert found.rules == ("R17.1a", "R14", "R12.4")
    assert found.stages == (
        Stage("approve:unit_head:unit_irrigation", "approve", (("unit_head", "unit_irrigation"),), "R17.1a", (), apart=True),
        Stage(f"approve:leader:{GROUP}", "approve", (("leader", GROUP),), "R14", (), apart=True),
        Stage(f"release:brand_pr:{GROUP}", "release", brand, "R17.1a", both, apart=True),
    )
    assert found.digest == canonical.digest([list(found.rules), [
        [s.id, s.kind, [list(office) for office in s.offices], s.rule, list(s.channels), s.apart] for s in found.stages]])
    own = policy.route(company.state, unit="unit_irrigation", channels=["ch_irrigation", "ch_travel"], facts=FACTS)
    assert [(s.id, s.channels, s.apart) for s in own.stages] == [
        ("approve:unit_head:unit_irrigation", (), True), ("approve:unit_head:unit_travel", (), True),
        ("release:operator:ch_irrigation", ("ch_irrigation",), False), ("release:operator:ch_travel", ("ch_travel",), False),
    ]
    mixed = policy.route(company.state, unit="unit_irrigation", channels=["ch_irrigation"], facts={**FACTS, "executives": True})
    assert [(s.id, s.channels, s.apart) for s in mixed.stages] == [
        ("approve:unit_head:unit_irrigation", (), True), (f"release:brand_pr:{GROUP}", ("ch_irrigation",), True)]


def test_an_instant_of_its_own_for_each_office(company: Company) -> None:
    """An office counts from its first instant up to, not including, its last, for its holder alone and not while suspended."""
    state, at = company.state, company.at
    company.appoint("qin", Office.AUDITOR, GROUP, end=instants.plus(at, 60))
    last = instants.plus(at, 59.999)
    assert state.holders("auditor", GROUP, last) == ["shao", "qin"]
    assert state.holders("auditor", GROUP, instants.plus(at, 60)) == ["shao"]
    assert [held.person for held in state.offices_of("qin", last)] == ["qin"]
    assert state.offices_of("qin", instants.plus(at, 60)) == state.offices_of("nobody", at) == []
    company.suspend("shao")
    assert (state.holders("auditor", GROUP, last), state.offices_of("shao", last)) == (["qin"], [])
    assert [state.inside(unit, "unit_irrigation") for unit in ("unit_irrigation_general", "unit_irrigation", GROUP, "unit_travel", "nowhere")] == [
        True, True, False, False, False]
