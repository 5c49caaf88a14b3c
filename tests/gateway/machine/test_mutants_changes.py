"""What planted bugs in dual control once went unseen: each change that one condition alone lets through or holds back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.canonical import Digest
from gateway.machine.changes import may_act
from gateway.machine.context import Context
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Request
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import PROPOSAL_LABEL, list_digest
from tests.gateway.machine.company import GROUP, START, WINDOW, Company, denied, text_digest

E = EntryType
DIGEST = text_digest("x")
CHANNEL = {"platform": "wordpress", "account": "new.example", "name": "新站", "unit": GROUP, "level": "company", "filing": "filed",
           "filing_number": "备-9"}


@pytest.fixture
def company() -> Company:
    return Company.staffed()


@pytest.fixture(scope="module")
def shared() -> Company:
    """One company for what is refused and so changes nothing in it."""
    return Company.staffed()


def change(kind: EntryType, object_: str, /, **data: Any) -> Change:
    """Return a change."""
    return Change(type=kind, object=object_, data=data)


def appoint(person: str, office: Office, **over: Any) -> Change:
    """Return an appointment for the group."""
    return change(E.APPOINTMENT_MADE, f"apt_{person}", **{"person": person, "office": office.value, "scope": GROUP, **over})


def offices(company: Company, person: str) -> list[Change]:
    """Return the changes that end all offices by which a person governs."""
    return [change(E.APPOINTMENT_ENDED, held.id, end=company.at) for held in company.state.appointments.values()
            if held.person == person and held.office in {"founder", "sysadmin", "brand_pr_head"}]


DAYS = {"scope": "channel", "target": "ch_web", "kind": "mourning", "start": START, "end": WINDOW, "reason": DIGEST}


@pytest.mark.parametrize(("wrong", "detail"), [
    (change(E.BLACKOUT_LIFTED, "blk_none"), "blackout"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "kind": "holiday"}), "blackout"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "scope": "submission"}), "blackout"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "target": "ch_none"}), "blackout"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "target": 1}), "blackout"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "end": START}), "period"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "start": WINDOW}), "period"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "start": "x"}), "period"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "end": "x"}), "period"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "start": "2026"}), "period"),  # no instants, though they sort before and after
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "end": "3000"}), "period"),
    (change(E.BLACKOUT_SET, "blk", **{**DAYS, "reason": "x"}), "digest"),
    (change(E.BLACKOUT_SET, "blk", **DAYS, x="1"), "fields"),
    (change(E.UNIT_ADDED, "u", name="n", parent=GROUP, kind="department", x="1"), "fields"),
    (change(E.PERSON_ADDED, "p", name="n", unit=GROUP, x="1"), "fields"),
    (change(E.PERSON_ADDED, "p", unit=GROUP), "fields"),
    (change(E.PERSON_ADDED, "p", name="n", unit=GROUP, details={"a": "1", "b": 2}), "person"),
    (appoint("lu", Office.AUDITOR, start=START, x="1"), "fields"),
    (appoint("lu", Office.AUDITOR), "fields"),
    (change(E.ENROLMENT_OPENED, "lu", code=DIGEST), "fields"),
    (change(E.FACTOR_REVOKED, "lu", factor="all", x="1"), "fields"),
    (change(E.CHANNEL_ADDED, "c", **CHANNEL, x="1"), "fields"),
    (change(E.CHANNEL_ADDED, "c", **CHANNEL, custodians=["fang", "nobody"]), "custodians"),
    (change(E.CHANNEL_ADDED, "c", **CHANNEL, custodians=["fang", 1]), "custodians"),
    (change(E.CHANNEL_ADDED, "c", **CHANNEL, custodians={}), "custodians"),
    (change(E.CHANNEL_ADDED, "c", **CHANNEL, settings={"a": "1", "b": 2}), "settings"),
    (change(E.UNIT_ADDED, "u", name=1, parent=GROUP, kind="department"), "fields"),
    (change(E.UNIT_ADDED, "unit_it", name="n", parent=GROUP, kind="department"), "unit"),
    (change(E.CREDENTIAL_STORED, "ch_none", version=1, secret="s", sha256=DIGEST), "credential version"),
    (change(E.CHANNEL_CHANGED, "ch_web", filing=[]), "channel"),
    (change(E.CHANNEL_CHANGED, "ch_web", filing_number=5), "channel"),
    (change(E.CHANNEL_CHANGED, "ch_web", filing_number=""), "channel"),
    (change(E.CHANNEL_CHANGED, "ch_web", name="n", filing_number=""), "channel"),
    (change(E.POLICY_SET, "totp_release", value="on", x="1"), "fields"),
])
def test_every_field_of_a_change_is_looked_at(shared: Company, wrong: Change, detail: str) -> None:
    """A field too many, one missing, or one wrong member among right ones."""
    with denied("change_invalid") as caught:
        shared.propose("xu", wrong)
    assert caught.value.detail == detail


def test_an_office_ends_at_its_end_or_before(company: Company) -> None:
    """An end may be said again or come earlier, and never later."""
    end = instants.plus(company.at, 3600)
    held = company.appoint("qin", Office.AUDITOR, GROUP, end=end)
    with denied("change_invalid") as caught:
        company.propose("xu", change(E.APPOINTMENT_ENDED, held, end=instants.plus(end, 0.001)))
    assert caught.value.detail == "appointment"
    company.change("xu", "he", change(E.APPOINTMENT_ENDED, held, end=end))
    company.change("xu", "he", change(E.APPOINTMENT_ENDED, held, end=company.at))
    assert company.state.appointments[held].end == company.at


def test_the_benchmarks_platform_is_for_sandboxes() -> None:
    """In live every platform is offered but that one."""
    bench = change(E.CHANNEL_ADDED, "c", **{**CHANNEL, "platform": "bench"})
    Company.staffed("sandbox").change("xu", "he", bench)
    live = Company.staffed("live")
    live.change("xu", "he", change(E.CHANNEL_ADDED, "c", **CHANNEL))
    with denied("change_invalid") as caught:
        live.propose("xu", change(E.CHANNEL_ADDED, "d", **{**CHANNEL, "platform": "bench", "account": "other"}))
    assert caught.value.detail == "channel"


def test_true_is_no_version(company: Company) -> None:
    """A new channel waits for version 1, and `true` equals 1 in this language."""
    company.change("xu", "he", change(E.CHANNEL_ADDED, "c", **CHANNEL, custodians=["fang"]))
    with denied("change_invalid") as caught:
        company.propose("fang", change(E.CREDENTIAL_STORED, "c", version=True, secret="s", sha256=DIGEST))
    assert caught.value.detail == "credential"
    with denied("change_invalid") as caught:
        company.propose("fang", change(E.CREDENTIAL_RETIRED, "c", version=0))
    assert caught.value.detail == "credential"
    company.credential("c")


def test_what_is_settled_as_gone_is_named(company: Company) -> None:
    """Without its id, or with more than that, it is not taken."""
    live = company.live("ch_web")
    withdrawal = company.emergency("xu", live)
    company.send(withdrawal, "unknown")
    with denied("change_invalid") as caught:
        company.propose("fang", change(E.PUBLICATION_LIVE, withdrawal, id="101", url="u"))
    assert caught.value.detail == "outcome"
    for data in ({}, {"id": ""}, {"id": "1", "url": "javascript:alert(1)"}):
        with denied("change_invalid") as caught:
            company.propose("fang", change(E.PUBLICATION_GONE, withdrawal, **data))
        assert caught.value.detail == "fields"
    company.settle(withdrawal, E.PUBLICATION_GONE, id="101")


def test_a_proof_covers_the_changes(company: Company) -> None:
    """A proof over other changes proposes nothing; one over another digest confirms nothing, though that digest is what was sent."""
    command = c.Propose(changes=(change(E.POLICY_SET, "totp_release", value="on"),), reason=DIGEST, until=instants.plus(company.at, 60),
                        proof=company.proof("xu", list_digest(PROPOSAL_LABEL, [(DIGEST, "propose")])))
    with denied("proof_mismatch"):
        company.proven(command, "xu")
    proposal = company.propose("xu", *command.changes)
    proof = company.proof("he", list_digest(PROPOSAL_LABEL, [(DIGEST, "confirm")]))
    with denied("proof_mismatch"):
        company.proven(c.Confirm(proposal=proposal, digest=DIGEST, proof=proof), "he")
    good = Digest(company.state.proposals[proposal].digest)
    for label in ("propose", ""):
        with denied("proof_mismatch"):
            company.proven(c.Confirm(proposal=proposal, digest=good, proof=company.proof("he", list_digest(PROPOSAL_LABEL, [(good, label)]))), "he")
    assert proposal in company.state.proposals


def test_who_governs_today_is_counted(company: Company) -> None:
    """Of those who stay, one suspended, one not yet in office, and one in office for a time do not count as the second."""
    later = instants.plus(company.at, 3600)
    gone = offices(company, "he")
    for second in (appoint("fang", Office.SYSADMIN, start=later), appoint("fang", Office.SYSADMIN, start=company.at, end=later)):
        with denied("change_invalid") as caught:
            company.propose("xu", second, *gone)
        assert caught.value.detail == "governors"
    with denied("change_invalid"):
        company.propose("xu", appoint("fang", Office.AUDITOR, start=company.at), *gone)
    company.change("xu", "he", appoint("qin", Office.SYSADMIN, start=later))
    with denied("change_invalid"):
        company.propose("xu", *gone)
    company.change("xu", "he", appoint("shao", Office.SYSADMIN, start=company.at, end=later))
    with denied("change_invalid"):
        company.propose("xu", *gone)
    company.change("xu", "he", appoint("fang", Office.SYSADMIN, start=company.at))
    company.suspend("fang")
    with denied("change_invalid"):
        company.propose("xu", *gone)
    with denied("change_invalid"):
        company.propose("xu", change(E.PERSON_SUSPENDED, "he"))
    company.restore("fang")
    company.change("xu", "he", *gone)
    assert company.state.holders("sysadmin", GROUP, company.at) == ["shao", "fang"]


def test_only_a_suspension_suspends(company: Company) -> None:
    """Another change about a governor, in a list that ends some office, leaves that governor counted."""
    end = change(E.APPOINTMENT_ENDED, company.appointment("lu", Office.AUTHOR), end=company.at)
    company.change("xu", "he", end, appoint("xu", Office.AUDITOR, start=company.at), change(E.UNIT_ADDED, "he", name="n", parent=GROUP, kind="department"))
    assert company.state.people["he"].suspended is False


def test_who_thaws(company: Company) -> None:
    """Whoever governs, though no office lets them freeze; nobody drops a proposal to thaw what was thawed since, but its proposer."""
    frozen = company.freeze("gu", "unit", "unit_irrigation")
    company.appoint("qin", Office.SYSADMIN, GROUP)
    with denied("no_office"):
        company.freeze("qin")
    thaw = change(E.FREEZE_LIFTED, frozen)
    late = company.propose("xu", thaw)
    company.thaw(frozen, "qin", "xu")
    assert company.state.freezes == {}
    with denied("not_governor"):
        company.do(c.Decline(proposal=late), "he")
    company.do(c.Decline(proposal=late), "xu")


def test_dropping_a_list_takes_whoever_may_make_all_of_it(company: Company) -> None:
    """Brand & PR may settle what is unknown and not change policy: a list of both is not theirs to drop."""
    publication = company.released("ch_web")[0]
    company.send(publication, "unknown")
    settled, policy = change(E.PUBLICATION_ABSENT, publication, how="looked"), change(E.POLICY_SET, "totp_release", value="on")
    both, one = company.propose("xu", settled, policy), company.propose("xu", settled)
    with denied("not_governor"):
        company.do(c.Decline(proposal=both), "fang")
    company.do(c.Decline(proposal=one), "fang")
    company.do(c.Decline(proposal=both), "he")
    assert company.state.proposals == {}


def test_only_an_active_custodian_may_act_for_a_channel(company: Company) -> None:
    """The counter asks before it shows the page: a suspended custodian, a stranger and another custodian's channel are no."""
    stored = change(E.CREDENTIAL_STORED, "ch_web")

    def may(person: str, what: Change = stored) -> bool:
        request = Request(command=c.Decline(proposal=""), actor=person, grade=Grade.COUNTER)
        return may_act(Context(company.state, request, company.at, company.ids), what)

    assert [may(person) for person in ("fang", "he", "lu", "nobody")] == [True, True, False, False]
    assert not may("fang", change(E.CREDENTIAL_STORED, "ch_none"))
    assert may("he", change(E.CREDENTIAL_STORED, "ch_none"))
    company.suspend("fang")
    assert not may("fang")


def test_a_suspended_person_drops_nothing(company: Company) -> None:
    """Not even what they proposed themselves."""
    company.appoint("fang", Office.SYSADMIN, GROUP)
    proposal = company.propose("fang", change(E.POLICY_SET, "totp_release", value="on"))
    company.suspend("fang")
    with denied("person_suspended"):
        company.do(c.Decline(proposal=proposal), "fang")


def test_two_governors_are_counted_across_what_is_left(company: Company) -> None:
    """Ending an office that does not govern asks nothing; nor does a list without an end or a suspension."""
    company.appoint("fang", Office.SYSADMIN, GROUP)
    company.suspend("he", "xu", "fang")
    company.change("xu", "fang", change(E.APPOINTMENT_ENDED, company.appointment("lu", Office.AUTHOR), end=company.at))
    company.change("xu", "fang", change(E.POLICY_SET, "totp_release", value="on"))
    with denied("change_invalid"):
        company.propose("xu", change(E.APPOINTMENT_ENDED, company.appointment("fang", Office.SYSADMIN), end=company.at))


def test_days_for_everything_name_no_target(company: Company) -> None:
    """`apply` reads no default of its own: the entry says that the target is empty."""
    days = {name: value for name, value in DAYS.items() if name != "target"} | {"scope": "all"}
    made = company.change("xu", "he", change(E.BLACKOUT_SET, "blk", **days))
    assert (made[1].data, company.state.blackouts["blk"].target) == ({**days, "target": ""}, "")


def test_later_changes_of_a_list_rest_on_earlier_ones(shared: Company) -> None:
    """A unit, a person in it, their code, a channel of theirs and an office there: proposed in one list."""
    until = instants.plus(shared.at, 60)
    assert shared.propose(
        "xu", change(E.UNIT_ADDED, "u", name="n", parent=GROUP, kind="department"), change(E.PERSON_ADDED, "p", name="n", unit="u"),
        change(E.ENROLMENT_OPENED, "p", code=DIGEST, until=until), change(E.CHANNEL_ADDED, "c", **{**CHANNEL, "unit": "u"}, custodians=["p"]),
        appoint("p", Office.OPERATOR, scope="c", start=START),
    )
