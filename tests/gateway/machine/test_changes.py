"""Dual control: who may propose and confirm what, and which changes hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.canonical import Digest
from gateway.machine.changes import CHECKS
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import GROUP, START, Company, denied, text_digest

E = EntryType
DIGEST = text_digest("row")
FILE = {"platform": "wordpress", "account": "new.example", "name": "新站", "unit": GROUP, "level": "company", "filing": "filed",
        "filing_number": "备-9"}


@pytest.fixture
def company() -> Company:
    return Company.staffed()


@pytest.fixture(scope="module")
def shared() -> Company:
    """One company for what is refused and so changes nothing in it."""
    return Company.staffed()


def change(type_: str, object_: str, /, **data: Any) -> Change:
    return Change(type=type_, object=object_, data=data)


INVALID = [
    change(E.SUBMISSION_MADE, "sub"),  # no kind of change
    change(E.UNIT_ADDED, "u", name="n", parent=GROUP),
    change(E.UNIT_ADDED, "u", name="n", parent=GROUP, kind="department", extra="x"),
    change(E.UNIT_ADDED, "u", name="", parent=GROUP, kind="department"),
    change(E.UNIT_ADDED, "u", name=1, parent=GROUP, kind="department"),
    change(E.UNIT_ADDED, "unit_it", name="n", parent=GROUP, kind="department"),
    change(E.UNIT_ADDED, "u", name="n", parent="nowhere", kind="department"),
    change(E.UNIT_ADDED, "u", name="n", parent=GROUP, kind="group"),
    change(E.PERSON_ADDED, "p", name="n", unit="nowhere"),
    change(E.PERSON_ADDED, "p", name="n", unit=GROUP, details=[]),
    change(E.PERSON_ADDED, "p", name="n", unit=GROUP, details={"phone": 1}),
    change(E.PERSON_SUSPENDED, "nobody"),
    change(E.PERSON_SUSPENDED, "lu", why="x"),
    change(E.PERSON_SUSPENDED, "lu", cause=["x"]),
    change(E.PERSON_RESTORED, "lu"),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="king", scope=GROUP, start=START),
    change(E.APPOINTMENT_MADE, "a", person="nobody", office="leader", scope=GROUP, start=START),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="operator", scope=GROUP, start=START),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="unit_head", scope="ch_web", start=START),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="brand_pr_head", scope="unit_irrigation", start=START),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="sysadmin", scope="unit_it", start=START),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="leader", scope=GROUP, start="tomorrow"),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="leader", scope=GROUP, start=START, end=START),
    change(E.APPOINTMENT_MADE, "a", person="lu", office="leader", scope=GROUP, start=START, end=5),
    change(E.APPOINTMENT_ENDED, "nothing", end=START),
    change(E.ENROLMENT_OPENED, "lu", code="1234", until=START),
    change(E.ENROLMENT_OPENED, "nobody", code=DIGEST, until=START),
    change(E.ENROLMENT_OPENED, "lu", code=DIGEST, until="z"),
    change(E.FACTOR_REVOKED, "lu", factor="totp_lu"),
    change(E.FACTOR_REVOKED, "nobody", factor="all"),
    change(E.CHANNEL_ADDED, "c", **{**FILE, "platform": "fax"}),
    change(E.CHANNEL_ADDED, "c", **{**FILE, "level": "any"}),
    change(E.CHANNEL_ADDED, "ch_web", **FILE),
    change(E.CHANNEL_ADDED, "c", **{**FILE, "platform": "wechat", "account": " ＧＨ_heting "}),
    change(E.CHANNEL_ADDED, "c", **{**FILE, "filing": "maybe"}),
    change(E.CHANNEL_ADDED, "c", **{**FILE, "unit": "nowhere"}),
    change(E.CHANNEL_ADDED, "c", **FILE, settings=[]),
    change(E.CHANNEL_ADDED, "c", **FILE, settings={"daily_limit": 5}),
    change(E.CHANNEL_ADDED, "c", **FILE, settings={"daily_limit": "9" * 5_000}),
    change(E.CHANNEL_ADDED, "c", **FILE, custodians="fang"),
    change(E.CHANNEL_ADDED, "c", **FILE, custodians=[{}]),
    change(E.CHANNEL_ADDED, "c", **FILE, custodians=["nobody"]),
    change(E.CHANNEL_ADDED, "c", **FILE, custodians=["fang", "fang"]),
    change(E.CHANNEL_CHANGED, "nothing", name="x"),
    change(E.CHANNEL_CHANGED, "ch_web"),
    change(E.CHANNEL_CHANGED, "ch_web", level="own"),
    change(E.CHANNEL_CHANGED, "ch_web", name=5),
    change(E.CHANNEL_CHANGED, "ch_web", filing="maybe"),
    change(E.CREDENTIAL_STORED, "ch_web", version=2, secret="s"),
    change(E.CREDENTIAL_STORED, "ch_web", version=True, secret="s", sha256=DIGEST),
    change(E.CREDENTIAL_STORED, "ch_web", version=3, secret="s", sha256=DIGEST),
    change(E.CREDENTIAL_STORED, "nothing", version=1, secret="s", sha256=DIGEST),
    change(E.CREDENTIAL_STORED, "ch_web", version=2, secret="s", sha256="sha256:x"),
    change(E.CREDENTIAL_RETIRED, "ch_web", version=7),
    change(E.CREDENTIAL_RETIRED, "nothing", version=1),
    change(E.POLICY_SET, "totp_release", value="maybe"),
    change(E.POLICY_SET, "anything", value="on"),
    change(E.POLICY_SET, "totp_release", value=["on"]),
    change(E.FREEZE_LIFTED, "nothing"),
    change(E.PUBLICATION_LIVE, "nothing", id="1", url="u"),
]


@pytest.mark.parametrize("bad", INVALID, ids=lambda bad: f"{bad.type}-{bad.object}")
def test_a_change_that_does_not_hold(shared: Company, bad: Change) -> None:
    """Each kind of change is checked field by field when it is proposed."""
    with denied("change_invalid"):
        shared.propose("xu", bad)


TWICE = [
    (change(E.CREDENTIAL_STORED, "ch_web", version=2, secret="s", sha256=DIGEST), change(E.CREDENTIAL_RETIRED, "ch_web", version=1)),
    (change(E.POLICY_SET, "totp_release", value="on"), change(E.POLICY_SET, "totp_release", value="off")),
    (change(E.CHANNEL_ADDED, "c1", **FILE), change(E.CHANNEL_ADDED, "c2", **{**FILE, "account": "NEW.example"})),
    (change(E.APPOINTMENT_MADE, "a", person="lu", office="leader", scope=GROUP, start=START),
     change(E.APPOINTMENT_MADE, "a", person="gu", office="leader", scope=GROUP, start=START)),
    (change(E.UNIT_ADDED, "u", name="n", parent=GROUP, kind="department"), change(E.UNIT_ADDED, "u", name="m", parent=GROUP, kind="department")),
]


@pytest.mark.parametrize("pair", TWICE, ids=lambda pair: pair[0].type)
def test_a_list_says_one_thing_of_each(shared: Company, pair: tuple[Change, Change]) -> None:
    """Two changes of one object in one list do not hide behind each other."""
    with denied("change_invalid"):
        shared.propose("xu", *pair)


def test_changes_of_one_list_see_those_before_them(company: Company) -> None:
    """A new unit, its person, channel and offices go in one list; the other way round they do not."""
    changes = (
        change(E.UNIT_ADDED, "u_new", name="物业", parent=GROUP, kind="subsidiary"),
        change(E.UNIT_ADDED, "u_sub", name="客服", parent="u_new", kind="department"),
        change(E.PERSON_ADDED, "zhao", name=DIGEST, unit="u_sub", details={"phone": DIGEST}),
        change(E.ENROLMENT_OPENED, "zhao", code=DIGEST, until=instants.plus(company.at, 60)),
        change(E.CHANNEL_ADDED, "c_new", **{**FILE, "unit": "u_new", "level": "own"}, custodians=["zhao"]),
        change(E.APPOINTMENT_MADE, "apt_1", person="zhao", office="operator", scope="c_new", start=START),
        change(E.APPOINTMENT_MADE, "apt_2", person="zhao", office="unit_head", scope="u_new", start=START),
    )
    company.change("xu", "he", *changes)
    assert company.state.responsible_unit("u_sub") == "u_new"
    assert company.state.channels["c_new"].custodians == ("zhao",)
    company.change("he", "xu", change(E.PERSON_ADDED, "zhao", name=DIGEST, unit="unit_it"))
    assert company.state.people["zhao"].unit == "unit_it"
    with denied("change_invalid"):
        Company.open().propose("xu", *reversed(changes))


def test_two_different_people(company: Company) -> None:
    """The proposer never confirms; who governs nothing neither proposes, confirms nor drops."""
    harmless = change(E.POLICY_SET, "totp_release", value="off")
    proposal = company.propose("xu", harmless)
    with denied("two_people_needed") as caught:
        company.confirm(proposal, "xu")
    assert caught.value.ask == ("he",)
    for person in ("lu", "shen", "fang", "shao"):
        with denied("not_governor"):
            company.confirm(proposal, person)
        with denied("not_governor"):
            company.propose(person, harmless)
    with denied("not_governor"):
        company.do(c.Decline(proposal=proposal), "lu")
    company.do(c.Decline(proposal=proposal), "he")
    company.do(c.Decline(proposal=company.propose("xu", harmless)), "xu")
    with denied("proposal_gone"):
        company.do(c.Decline(proposal=proposal), "xu")
    with denied("proposal_gone"):
        company.proven(c.Confirm(proposal=proposal, digest=DIGEST, proof=company.proof("he", DIGEST)), "he")


def test_nobody_acts_for_themselves(company: Company) -> None:
    """Nobody resets, enrols, suspends or restores themselves, neither as the first nor as the second."""
    code = {"code": DIGEST, "until": instants.plus(company.at, 60)}
    company.appoint("fang", Office.SYSADMIN, GROUP)
    for own in (change(E.FACTOR_REVOKED, "xu", factor="all"), change(E.ENROLMENT_OPENED, "xu", **code), change(E.PERSON_SUSPENDED, "xu")):
        with denied("not_governor"):
            company.propose("xu", own)
        with denied("not_governor"):
            company.confirm(company.propose("he", own), "xu")
    company.suspend("xu", "fang", "he")
    with denied("person_suspended"):
        company.propose("xu", change(E.PERSON_RESTORED, "xu"))
    company.restore("xu", "fang", "he")


def test_confirmation_covers_what_was_proposed_and_checks_again(company: Company) -> None:
    """Another digest, an ended time, a change that no longer holds, or a proposer suspended since: nothing is made."""
    appoint = change(E.APPOINTMENT_MADE, "apt_x", person="lu", office="leader", scope=GROUP, start=START)
    first, second = company.propose("xu", appoint), company.propose("xu", appoint)
    with denied("proof_mismatch"):
        company.proven(c.Confirm(proposal=first, digest=DIGEST, proof=company.proof("he", DIGEST)), "he")
    good = Digest(company.state.proposals[first].digest)
    with denied("proof_mismatch"):
        company.proven(c.Confirm(proposal=first, digest=good, proof=company.proof("he", DIGEST)), "he")
    company.confirm(first, "he")
    with denied("change_invalid"):
        company.confirm(second, "he")
    with denied("invalid"):
        company.propose("xu", change(E.POLICY_SET, "totp_release", value="off"), until=company.at)
    late = company.propose("xu", change(E.POLICY_SET, "totp_release", value="off"))
    company.wait(86_400)
    with denied("proposal_gone"):
        company.confirm(late, "he")
    company.appoint("fang", Office.SYSADMIN, GROUP)
    fired = company.propose("fang", change(E.POLICY_SET, "totp_release", value="off"))
    company.suspend("fang")
    with denied("person_suspended"):
        company.confirm(fired, "he")


def test_two_people_who_may_change_things_are_always_left(company: Company) -> None:
    """Ending or suspending down to one governor would lock the company out for good."""
    fang = change(E.APPOINTMENT_MADE, "apt_f", person="fang", office="sysadmin", scope=GROUP, start=START)
    for change_ in (change(E.PERSON_SUSPENDED, "he"),):
        with denied("change_invalid"):
            company.propose("xu", change_)
    ends = [change(E.APPOINTMENT_ENDED, a.id, end=company.at) for a in company.state.appointments.values()
            if a.person == "he" and a.office in {"founder", "sysadmin"}]
    with denied("change_invalid"):
        company.propose("xu", *ends)
    company.change("xu", "he", *ends[:1])
    with denied("change_invalid"):
        company.propose("xu", *ends[1:])
    company.change("xu", "he", fang, *ends[1:])
    with denied("not_governor"):
        company.propose("he", change(E.POLICY_SET, "totp_release", value="off"))
    with denied("change_invalid"):
        company.propose("xu", change(E.APPOINTMENT_ENDED, company.appointment("lu", Office.AUTHOR), end="soon"))


def test_lists_have_a_size(company: Company) -> None:
    """None, more than 200, or more than one entry can hold: refused, not crashed."""
    units = [change(E.UNIT_ADDED, f"u_{n}", name="n", parent=GROUP, kind="department") for n in range(201)]
    for bad in ([], units):
        with denied("invalid"):
            company.propose("xu", *bad)
    company.propose("xu", *units[:200])
    big = [change(E.UNIT_ADDED, f"u_{n}", name="名" * 200, parent=GROUP, kind="department") for n in range(100)]
    with denied("invalid"):
        company.propose("xu", *big)


def test_credentials_take_a_custodian_and_another(company: Company) -> None:
    """Two governors of whom neither keeps the channel enter nothing; a suspended custodian does nothing; anyone may retire."""
    company.appoint("qin", Office.SYSADMIN, GROUP)
    with denied("not_governor") as caught:
        company.credential("ch_web", "qin", "he")
    assert (caught.value.rule, caught.value.ask) == ("R20", ("fang", "xu"))
    company.credential("ch_web", "he", "fang")
    assert company.state.channels["ch_web"].credential_version == 2
    company.suspend("fang")
    with denied("person_suspended"):
        company.credential("ch_web")
    company.change("qin", "he", change(E.CREDENTIAL_RETIRED, "ch_web", version=2))
    assert company.state.channels["ch_web"].credential is None
    company.credential("ch_web", "xu", "he")
    assert company.state.channels["ch_web"].credential_version == 3
    with denied("not_governor"):
        company.propose("lu", change(E.CREDENTIAL_RETIRED, "ch_web", version=3))


def test_channel_changes(company: Company) -> None:
    """Filing, name, number, settings and custodians change by two; what is absent stays."""
    company.change("xu", "he", change(E.CHANNEL_CHANGED, "ch_web", name="官方网站", settings={"daily_limit": "3"}, custodians=["fang", "he"]))
    company.change("xu", "he", change(E.CHANNEL_CHANGED, "ch_web", filing="suspended", filing_number="备-2"))
    channel = company.state.channels["ch_web"]
    assert (channel.name, channel.filing, channel.filing_number, channel.settings, channel.custodians) == (
        "官方网站", "suspended", "备-2", {"daily_limit": "3"}, ("fang", "he"))


def test_unknowns_are_settled_by_two(company: Company) -> None:
    """Absent, live or gone, as the operation allows; brand & PR and another, never one alone, and never twice in one list."""
    for outcome, data in ((E.PUBLICATION_LIVE, {"id": "5", "url": "https://a.example/5"}), (E.PUBLICATION_ABSENT, {"how": "三次查找均无"})):
        publication = company.released("ch_web")[0]
        company.send(publication, "unknown")
        with denied("change_invalid"):
            company.propose("fang", change(E.PUBLICATION_GONE, publication, id="5"))
        with denied("change_invalid"):
            company.propose("fang", change(outcome, publication))
        with denied("change_invalid") as caught:
            company.propose("fang", change(E.PUBLICATION_LIVE, publication, id="5", url="javascript:alert(1)"))
        assert caught.value.detail == "url"
        with denied("change_invalid"):
            company.propose("fang", change(E.PUBLICATION_ABSENT, publication, how="x"), change(E.PUBLICATION_LIVE, publication, id="5", url="u"))
        with denied("not_governor"):
            company.propose("lu", change(outcome, publication, **data))
        company.settle(publication, outcome, **data)
        with denied("change_invalid"):
            company.propose("fang", change(outcome, publication, **data))
    live = company.live("ch_web")
    down = company.takedown("lu", live)
    company.approve("gu", down)
    withdrawal = company.release("fang", down)[0]
    company.send(withdrawal, "unknown")
    with denied("change_invalid"):
        company.propose("fang", change(E.PUBLICATION_LIVE, withdrawal, id="5", url="u"))
    company.settle(withdrawal, E.PUBLICATION_GONE, id="101")
    assert company.status(live) == "withdrawn"


def test_every_change_is_an_entry_type_with_a_check() -> None:
    """What two people can make is a closed list of entry types."""
    assert set(CHECKS) <= set(EntryType)
    assert E.DECISION_MADE not in CHECKS
    assert E.TOKEN_MINTED not in CHECKS
    assert replace(INVALID[0], type=E.FREEZE_LIFTED).type in CHECKS
