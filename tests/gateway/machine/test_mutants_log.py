"""What planted bugs in proofs, factors, commands, freezes and the opening once went unseen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway import canonical
from gateway.machine import Repeated, apply, blackouts
from gateway.machine.freezes import frozen_by
from gateway.machine.state import Blackout, FreezeState, Office, Submission, SubmissionState, TargetState
from gateway.protocol import commands as c
from gateway.protocol.commands import Change
from gateway.protocol.entries import LIMIT, CommandRef, Entry, EntryType
from gateway.protocol.statements import FACTOR_LABEL, list_digest
from tests.gateway.machine.company import GROUP, START, WINDOW, Company, denied, text_digest
from tests.gateway.machine.test_deployment import OPENING


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def test_the_last_byte_of_an_entrys_data(company: Company) -> None:
    """Data of exactly the entry's limit less its envelope's kilobyte is taken, one byte more is not."""
    data = {"action": "rotated", "about": "", "rows": [], "removed": []}
    room = LIMIT - 1_024 - len(canonical.encode(data))
    company.system(c.RecordVault(action="rotated", about="x" * room))
    with denied("invalid"):
        company.system(c.RecordVault(action="rotated", about="x" * (room + 1)))


def test_an_entry_out_of_order_says_which(company: Company) -> None:
    """The number it has and the number that was next."""
    size = company.state.size
    with pytest.raises(ValueError, match=f"^entry {size + 7} where {size} was expected$"):
        apply(company.state, Entry(size + 7, EntryType.COUNTERS_TAKEN, company.at, "system", "dep", None, {"counts": {}}))


def freeze(company: Company, name: str) -> list[Entry]:
    """Freeze everything by a command with an id."""
    return company.do(c.Freeze(scope="all", target="", reason=text_digest("r")), "xu", ref=CommandRef(name, text_digest("b")))


def test_with_every_256th_command_the_old_ones_go(company: Company) -> None:
    """Not with the 255th; and one that is 48 hours old to the millisecond stays."""
    for number in range(253):
        freeze(company, f"cmd_{number}")
    company.wait(1)
    freeze(company, "cmd_kept")
    company.wait(48 * 3600)
    freeze(company, "cmd_new")
    assert len(company.state.command_order) == len(company.state.commands) == 255
    freeze(company, "cmd_newer")
    assert list(company.state.commands) == ["cmd_kept", "cmd_new", "cmd_newer"] == [name for _, name in company.state.command_order]


def test_only_what_follows_at_once_belongs_to_a_command(company: Company) -> None:
    """Neither what the same person does a second later, nor what they do in the same instant after somebody else."""
    for name, between in (("cmd_1", lambda: company.wait(1)), ("cmd_2", lambda: company.system(c.TakeCounters(counts={})))):
        company.wait(1)
        last = freeze(company, name)[-1].seq
        between()
        company.freeze("xu")
        with pytest.raises(Repeated) as caught:
            freeze(company, name)
        assert caught.value.seq == last


def test_a_proof_used_before_says_what_of_it(company: Company) -> None:
    """The nonce; the counter, also one that fell back to zero."""
    digest = list_digest(FACTOR_LABEL, [(text_digest("n"), "totp")])
    command = c.AddFactor(factor=c.Factor(factor="second", kind="totp", version=1, sha256=text_digest("n")), proof=company.proof("lu", digest))
    company.proven(command, "lu")
    again = replace(command, factor=replace(command.factor, version=2))
    assert command.proof is not None
    for proof, detail in (
        (replace(company.proof("lu", digest), nonce=command.proof.nonce), "nonce"),
        (replace(company.proof("lu", digest), sign_count=0), "sign_count"),
        (replace(company.proof("lu", digest), sign_count=command.proof.sign_count), "sign_count"),
    ):
        with denied("code_reused") as caught:
            company.proven(replace(again, proof=proof), "lu")
        assert caught.value.detail == detail


@pytest.mark.parametrize(("over", "detail"), [
    ({"counter": "desk.localhost"}, "two hosts and two people"), ({"people": OPENING.people[:1]}, "two hosts and two people"),
    ({"people": OPENING.people[:1] * 2}, "two hosts and two people"), ({"people": OPENING.people * 2}, "two hosts and two people"),
    ({"kind": "test"}, "kind or keys"), ({"keys": {"log": "l"}}, "kind or keys"), ({"keys": {"approval": "a"}}, "kind or keys"),
])
def test_what_an_opening_lacks_is_said(over: dict[str, Any], detail: str) -> None:
    """Hosts and people, kind and keys; and a log that is not empty."""
    with denied("invalid") as caught:
        Company().system(replace(OPENING, **over))
    assert caught.value.detail == detail
    with denied("wrong_state") as caught:
        Company.open().system(OPENING)
    assert caught.value.detail == "log is not empty"


def test_a_restore_is_the_cause_of_what_it_ends(company: Company) -> None:
    """What was held is abandoned and what was begun is unknown, both because of the restore."""
    held, begun = company.released("ch_web")[0], company.released("ch_wechat")[0]
    company.spend(begun)
    company.system(c.OpenIncarnation(epoch="epo_2", origin="log/epo_1", size=company.state.size, root=text_digest("r")))
    found = company.state.publications
    assert (found[held].reason, found[begun].reason) == ({"cause": "restored"}, {"cause": "restored", "at": company.at})


def revoke(company: Company, factor: str, person: str = "lu") -> None:
    """Give up a factor with a proof by the passkey."""
    sha256 = company.state.people[person].factors[factor].sha256
    proof = company.proof(person, list_digest(FACTOR_LABEL, [(sha256, "revoke")]))  # type: ignore[list-item]
    company.proven(c.RevokeFactor(factor=factor, proof=proof), person)


def test_the_last_signing_factor_stays_though_it_proves_itself(company: Company) -> None:
    """A password beside it is none to sign with, and may itself be given up; a proof counts once here too."""
    revoke(company, "totp_lu")
    with denied("factor_needed") as caught:
        revoke(company, "passkey_lu")
    assert caught.value.detail == "last"
    before = set(company.state.nonces)
    revoke(company, "password_lu")
    assert len(company.state.nonces - before) == 1
    assert sorted(company.state.people["lu"].factors) == ["passkey_lu"]


def test_a_suspended_person_recovers_nothing(company: Company) -> None:
    """A recovery code that would be good is not, until the suspension is lifted."""
    row = c.Factor(factor="recovery_lu", kind="recovery", version=1, sha256=text_digest("codes"))
    company.add_factor("lu", row)
    company.suspend("lu")
    with denied("factor_unknown"):
        company.system(c.UseRecovery(person="lu", row=replace(row, version=2)))
    company.restore("lu")
    company.system(c.UseRecovery(person="lu", row=replace(row, version=2)))


def test_a_version_out_of_turn_names_the_factor(company: Company) -> None:
    """A first version of a known factor, a second of an unknown one, and one of another kind."""
    for factor, kind, version in (("totp_lu", "totp", 1), ("new", "totp", 2), ("totp_lu", "passkey", 2)):
        with denied("stale_view") as caught:
            company.add_factor("lu", c.Factor(factor=factor, kind=kind, version=version, sha256=text_digest("n")))  # type: ignore[arg-type]
        assert caught.value.detail == "factor"


FROZEN = [
    ("all", "", True), ("channel", "ch_web", True), ("channel", "ch_wechat", False), ("channel", "SUBMISSION", False),
    ("channel", "unit_irrigation", False), ("submission", "SUBMISSION", True), ("submission", "other", False), ("submission", "ch_web", False),
    ("submission", GROUP, False), ("unit", GROUP, True), ("unit", "unit_irrigation", True), ("unit", "unit_brand", True),
    ("unit", "unit_travel", False), ("unit", "ch_web", False), ("unit", "SUBMISSION", False), ("", "ch_web", False),
]


@pytest.mark.parametrize(("scope", "target", "covered"), FROZEN)
def test_what_a_freeze_covers(company: Company, scope: str, target: str, covered: bool) -> None:
    """Its kind of thing alone, by the author's unit or the channel's; an emergency withdrawal never."""
    company.state.channels["ch_web"].unit = "unit_brand"
    publication = company.state.publications[company.released("ch_web")[0]]
    submission = company.state.submissions[publication.submission]
    target = submission.id if target == "SUBMISSION" else target
    assert frozen_by(company.state, submission, publication) is None
    frozen = FreezeState("frz", scope, target, "xu", "r", company.at, 1)
    company.state.freezes["frz"] = frozen
    assert frozen_by(company.state, submission, publication) is (frozen if covered else None)
    publication.emergency = True
    assert frozen_by(company.state, submission, publication) is None


@pytest.mark.parametrize(("scope", "target", "covered"), [row for row in FROZEN if "submission" not in {row[0], row[1].lower()}])
def test_what_a_blackout_covers(company: Company, scope: str, target: str, covered: bool) -> None:
    """The same: its kind of thing alone, by the author's unit or the channel's."""
    company.state.channels["ch_web"].unit = "unit_brand"
    days = Blackout("blk", scope, target, "other", company.at, WINDOW, "r", "xu")
    company.state.blackouts["blk"] = days
    assert blackouts.covering(company.state, "unit_irrigation_general", "ch_web", "publish", company.at) == ([days] if covered else [])


def test_the_rows_an_opening_brings_are_bound() -> None:
    """The vault's own rows are known from the first entry on, by version and digest; what is taken away is known no more."""
    company = Company()
    row = c.StoredRow(id="vault/keyring", version=3, sha256=text_digest("r"))
    company.system(replace(OPENING, rows=(row,)))
    assert company.state.vault_rows == {"vault/keyring": (3, text_digest("r"))}
    company.system(c.RecordVault(action="slot_removed", about="", stored=(replace(row, version=4),), removed=("vault/other",)))
    assert company.state.vault_rows == {"vault/keyring": (4, text_digest("r"))}
    company.system(c.RecordVault(action="slot_removed", about="", removed=("vault/keyring",)))
    assert company.state.vault_rows == {}


def test_a_unit_is_not_taken_for_the_submission_of_its_name(company: Company) -> None:
    """A head who may freeze a submission of the own unit may not freeze another's unit that bears its id."""
    submission = company.submit("lu", "ch_web")
    company.change("xu", "he", Change(type=EntryType.UNIT_ADDED, object=submission, data={"name": "n", "parent": "unit_travel", "kind": "department"}))
    with denied("no_office"):
        company.freeze("gu", "unit", submission)
    company.freeze("gu", "submission", submission)


def test_a_target_is_found_by_its_channel() -> None:
    """Of two targets each channel has its own; a submission is no emergency unless it says so."""
    targets = [TargetState("ch_web", "publish", "t", None), TargetState("ch_weibo", "publish", "u", None)]
    made = Submission("s", "1", 1, "d", "lu", "unit_it", SubmissionState.IN_REVIEW, None, {}, {}, targets, [], "r", "p", (), WINDOW, None, "desk",
                      START, 1)
    assert [made.target(channel).template for channel in ("ch_web", "ch_weibo")] == ["t", "u"]
    assert (made.signatures, made.returned, made.message, made.emergency, made.seq) == ([], None, None, False, 0)
    assert made.signed("approve") is None


def test_an_office_of_a_suspended_person_is_empty(company: Company) -> None:
    """Nobody holds it until the suspension is lifted."""
    for act, holders in ((company.suspend, []), (company.restore, ["gu"])):
        act("gu")
        assert company.state.holders(Office.UNIT_HEAD, "unit_irrigation", company.at) == holders


def test_the_newest_factor_of_a_kind(company: Company) -> None:
    """Of three codes' seeds the last, of none none."""
    for number in (2, 3):
        company.add_factor("lu", c.Factor(factor=f"totp_{number}", kind="totp", version=1, sha256=text_digest(f"t{number}")))
    person = company.state.people["lu"]
    newest = person.factor_of("totp")
    assert newest is not None
    assert (newest.id, person.factor_of("recovery")) == ("totp_3", None)


def test_one_entry_of_many_that_is_too_long() -> None:
    """Of all that a command would write the longest is asked, wherever it stands."""
    with denied("invalid") as caught:
        Company().system(replace(OPENING, group_name="x" * LIMIT))
    assert caught.value.detail == "too long for one entry"
