"""Enrolment, factors, recovery and proofs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import FACTOR_LABEL, LIST_LABEL, list_digest
from tests.gateway.machine.company import Company, denied, text_digest


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def password(version: int = 2, factor: str = "password_lu", kind: str = "password") -> c.Factor:
    return c.Factor(factor=factor, kind=kind, version=version, sha256=text_digest("new"))  # type: ignore[arg-type]


def open_code(company: Company, person: str = "lu") -> None:
    company.change("xu", "he", Change(type=EntryType.ENROLMENT_OPENED, object=person, data={
        "code": text_digest("again"), "until": instants.plus(company.at, 60)}))


def test_a_code_is_redeemed_once_in_time_for_a_password(company: Company) -> None:
    """Wrong, late, used, foreign codes and anything but a password are refused; a right one sets it."""
    with denied("enrolment_invalid"):
        company.enrol("lu")  # used
    open_code(company)
    good = c.Enrol(person="lu", code=text_digest("again"), password=password())
    for bad in (replace(good, code=text_digest("wrong")), replace(good, person="nobody"), replace(good, person="gu"),
                replace(good, password=password(factor="passkey_lu", kind="passkey"))):
        with denied("enrolment_invalid"):
            company.system(bad)
    for stale in (password(version=1), password(version=2, factor="totp_lu"), password(version=2, factor="other")):
        with denied("stale_view"):
            company.system(replace(good, password=stale))
    company.system(good)
    assert company.state.people["lu"].factors["password_lu"].version == 2
    open_code(company)
    company.wait(60)
    with denied("enrolment_invalid"):
        company.system(replace(good, password=password(version=3)))


def test_a_suspended_person_enrols_nothing(company: Company) -> None:
    """Suspension also closes the way in."""
    open_code(company)
    company.suspend("lu")
    with denied("enrolment_invalid"):
        company.system(c.Enrol(person="lu", code=text_digest("again"), password=password()))
    with denied("factor_unknown"):
        company.system(c.UseRecovery(person="lu", row=password()))


def test_a_new_factor_is_proven_by_an_old_one(company: Company) -> None:
    """Without a proof, or with one over something else, nothing is added; versions go up by one and keep their kind."""
    new = c.Factor(factor="passkey_lu_2", kind="passkey", version=1, sha256=text_digest("second"))
    with denied("factor_needed"):
        company.do(c.AddFactor(factor=new, proof=None), "lu")
    with denied("proof_mismatch"):
        company.proven(c.AddFactor(factor=new, proof=company.proof("lu", text_digest("x"))), "lu")
    digest = list_digest(FACTOR_LABEL, [(new.sha256, "passkey")])
    with denied("proof_missing"):
        company.do(c.AddFactor(factor=new, proof=company.proof("lu", digest)), "lu")
    company.add_factor("lu", new)
    with denied("stale_view"):
        company.add_factor("lu", new)
    with denied("stale_view"):
        company.add_factor("lu", replace(new, version=2, kind="totp"))
    company.add_factor("lu", replace(new, version=2), "totp")
    newest = company.state.people["lu"].factor_of("passkey")
    assert newest is not None
    assert (newest.id, newest.version) == ("passkey_lu_2", 2)
    assert company.state.people["lu"].factor_of("recovery") is None


def revoke(company: Company, person: str, factor: str) -> None:
    sha256 = company.state.people[person].factors[factor].sha256
    proof = company.proof(person, list_digest(FACTOR_LABEL, [(sha256, "revoke")]))  # type: ignore[list-item]
    company.proven(c.RevokeFactor(factor=factor, proof=proof), person)


def test_a_factor_is_given_up_with_a_proof_and_never_the_last(company: Company) -> None:
    """A stolen counter session cannot weaken a person; the last signing factor stays."""
    with denied("factor_unknown"):
        company.do(c.RevokeFactor(factor="totp_gu"), "lu")
    with denied("factor_needed"):
        company.do(c.RevokeFactor(factor="totp_lu"), "lu")
    with denied("proof_mismatch"):
        company.proven(c.RevokeFactor(factor="totp_lu", proof=company.proof("lu", text_digest("x"))), "lu")
    revoke(company, "lu", "totp_lu")
    with denied("factor_needed"):
        company.do(c.RevokeFactor(factor="passkey_lu"), "lu")
    company.change("xu", "he", Change(type=EntryType.FACTOR_REVOKED, object="lu", data={"factor": "all"}))
    assert company.state.people["lu"].factors == {}
    open_code(company)
    company.system(c.Enrol(person="lu", code=text_digest("again"), password=password(version=1)))
    company.do(c.RevokeFactor(factor="password_lu"), "lu")  # nothing to prove with
    assert company.state.people["lu"].factors == {}


def test_recovery_drops_every_signing_factor(company: Company) -> None:
    """One code is spent by a new row of the remaining ones; passkey and TOTP fall, the password stays."""
    row = c.Factor(factor="recovery_lu", kind="recovery", version=1, sha256=text_digest("codes"))
    with denied("factor_unknown"):
        company.system(c.UseRecovery(person="lu", row=row))
    company.add_factor("lu", row)
    for bad in (row, replace(row, version=3), replace(row, factor="password_lu", version=2)):
        with denied("factor_unknown"):
            company.system(c.UseRecovery(person="lu", row=bad))
    with denied("factor_unknown"):
        company.system(c.UseRecovery(person="nobody", row=replace(row, version=2)))
    company.system(c.UseRecovery(person="lu", row=replace(row, version=2)))
    assert sorted(company.state.people["lu"].factors) == ["password_lu", "recovery_lu"]


def test_proofs_count_once(company: Company) -> None:
    """A nonce, a code's step or an authenticator's counter is never taken twice; nor is another person's or a lost factor."""
    submission = company.submit("lu", "ch_web")
    command = company.sign_command("gu", company.item("gu", submission, "approve"))
    company.proven(command, "gu")
    company.do(c.TakeBack(submission=submission, stage=command.items[0].stage), "gu")
    seen = company.state.submissions[submission].seq
    item = replace(command.items[0], seen=seen)
    with denied("code_reused"):  # the same assertion again, after it was taken back
        company.proven(replace(command, items=(item,)), "gu")
    fresh = replace(command.proof, nonce="fresh")
    with denied("code_reused"):  # a cloned authenticator
        company.proven(replace(command, items=(item,), proof=fresh), "gu")
    digest = list_digest(LIST_LABEL, [(item.statement, item.verdict)])
    code = company.proof("gu", digest, "totp")
    company.proven(replace(command, items=(item,), proof=code), "gu")
    again = company.submit("lu", "ch_web")
    other = company.sign_command("gu", company.item("gu", again, "approve"), method="totp")
    with denied("code_reused"):
        company.proven(replace(other, proof=replace(other.proof, step=code.step)), "gu")
    for factor in ("totp_lu", "passkey_gu", "gone"):
        with denied("factor_unknown"):
            company.proven(replace(other, proof=replace(other.proof, factor=factor)), "gu")
    with denied("proof_mismatch"):
        company.proven(replace(other, proof=replace(other.proof, list_digest=text_digest("another list"))), "gu")
    with denied("grade_too_low"):
        company.do(other, "gu", Grade.COUNTER)
    company.proven(other, "gu")


def test_counters_that_stay_zero_are_not_used(company: Company) -> None:
    """A synchronised passkey reports 0 always; only its nonce counts."""
    company.add_factor("gu", c.Factor(factor="phone", kind="passkey", version=1, sha256=text_digest("phone")))
    for _ in range(2):
        submission = company.submit("lu", "ch_web")
        command = company.sign_command("gu", company.item("gu", submission, "approve"))
        command = replace(command, proof=replace(command.proof, factor="phone", sign_count=0))
        company.proven(command, "gu")
    company.do(c.TakeBack(submission=submission, stage=command.items[0].stage), "gu")
    with denied("code_reused"):  # the same assertion again, after it was taken back: no counter tells, the nonce does
        company.proven(replace(command, items=(replace(command.items[0], seen=company.state.submissions[submission].seq),)), "gu")


def test_a_proof_by_a_factor_that_has_gone_since_still_counts(company: Company) -> None:
    """Revoking the very passkey that proves it leaves nothing to count on, and is fine."""
    revoke(company, "lu", "passkey_lu")
    assert sorted(company.state.people["lu"].factors) == ["password_lu", "totp_lu"]


def test_offices_end(company: Company) -> None:
    """An office is held up to, not including, its end; a stranger holds none."""
    end = instants.plus(company.at, 60)
    company.appoint("qin", Office.UNIT_HEAD, "unit_office", end)
    assert company.state.holders(Office.UNIT_HEAD, "unit_office", instants.plus(end, -0.001)) == ["qin"]
    assert company.state.holders(Office.UNIT_HEAD, "unit_office", end) == []
    assert company.state.offices_of("nobody", company.at) == []
