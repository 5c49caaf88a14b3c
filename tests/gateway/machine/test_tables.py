"""Whole tables: every submission state and command, every entry type and command of the machine."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gateway.machine import APPLY, DECIDE
from gateway.machine.state import SubmissionState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import WINDOW, Company, denied, text_digest

LATER = instants.plus(WINDOW, 5 * 86_400)


def bring(company: Company, state: SubmissionState) -> str:
    """Return a submission in this state; a released one has had its publication refused by the platform."""
    submission = company.submit("lu", "ch_web")
    if state is SubmissionState.RETURNED:
        company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "gu")
    elif state is SubmissionState.RECALLED:
        company.do(c.Recall(submission=submission), "lu")
    elif state is SubmissionState.CANCELLED:
        company.do(c.Cancel(submission=submission), "lu")
    elif state is SubmissionState.EXPIRED:
        company.at = WINDOW
        company.system(c.Expire(submission=submission))
    elif state in {SubmissionState.RELEASED, SubmissionState.DONE}:
        company.approve("gu", submission)
        publication = company.release("fang", submission)[0]
        company.send(publication, "live" if state is SubmissionState.DONE else "rejected")
    return submission


COMMANDS = ("submit", "recall", "cancel", "return", "take_back", "renew", "expire", "approve", "release")
OK = "ok"
W = "wrong_state"
TABLE: dict[SubmissionState, tuple[str, ...]] = {
    #                           submit  recall  cancel  return  take_back renew expire approve        release
    SubmissionState.IN_REVIEW: (W, OK, OK, OK, W, W, OK, OK, "not_next_stage"),
    SubmissionState.RELEASED: (W, OK, OK, OK, W, W, OK, W, OK),
    SubmissionState.RETURNED: (OK, W, OK, W, W, W, W, W, W),
    SubmissionState.RECALLED: (OK, W, OK, W, W, W, W, W, W),
    SubmissionState.EXPIRED: (OK, OK, OK, W, W, OK, W, "window_over", "window_over"),
    SubmissionState.CANCELLED: (W, W, W, W, W, W, W, W, W),
    SubmissionState.DONE: (W, W, W, W, W, W, W, W, W),
}


@pytest.mark.parametrize("state", list(SubmissionState))
@pytest.mark.parametrize("name", COMMANDS)
def test_every_submission_state_and_command(state: SubmissionState, name: str) -> None:
    """The whole table: each command in each state is allowed or refused with exactly this code."""
    company = Company.staffed()
    items = company.submit("lu", "ch_web")  # a first one gives finished objects a list item to be signed by
    template = {stage: company.item("gu" if stage == "approve" else "fang", items, stage) for stage in ("approve", "release")}
    submission = bring(company, state)
    known = company.state.submissions.get(submission)
    if name == "expire":
        company.at = max(company.at, WINDOW)
    stage = "approve:unit_head:unit_irrigation"

    def sign(kind: str, person: str) -> None:
        item = company.item(person, submission, kind) if known else template[kind]
        company.sign(person, item if known else type(item)(**{**{f: getattr(item, f) for f in item.__dataclass_fields__}, "submission": submission}))

    acts: dict[str, Any] = {
        "submit": lambda: company.submit("lu", "ch_web", submission=submission, window_to=LATER),
        "recall": lambda: company.do(c.Recall(submission=submission), "lu", Grade.DESK),
        "cancel": lambda: company.do(c.Cancel(submission=submission), "lu", Grade.DESK),
        "return": lambda: company.do(c.Return(submission=submission, revision=1, reason="other", notes=None),
                                     "fang" if state is SubmissionState.RELEASED else "gu"),
        "take_back": lambda: company.do(c.TakeBack(submission=submission, stage=stage), "gu"),
        "renew": lambda: company.do(c.Renew(submission=submission, window_to=LATER), "lu", Grade.DESK),
        "expire": lambda: company.system(c.Expire(submission=submission)),
        "approve": lambda: sign("approve", "gu"),
        "release": lambda: sign("release", "fang"),
    }
    code = TABLE[state][COMMANDS.index(name)]
    if code == OK:
        acts[name]()
    else:
        with denied(code):
            acts[name]()


def test_every_entry_type_is_applied_and_every_command_decided() -> None:
    """No entry without a meaning, no command without a rule and a grade, and nothing beside them."""
    assert set(APPLY) == set(EntryType)
    given = {kind for _, kind in inspect.getmembers(c, inspect.isclass) if kind.__module__ == c.__name__}
    parts = {c.Request, c.Grade, c.FirstPerson, c.Change, c.Factor, c.Proof, c.SignItem, c.Target, c.FindingCounts, c.StoredRow}
    assert set(DECIDE) == given - parts
    assert all(isinstance(grade, Grade) for grade, _ in DECIDE.values())


GRADES = {
    Grade.DESK: {c.Submit, c.Recall, c.Cancel, c.Renew},
    Grade.COUNTER: {c.Return, c.TakeBack, c.HandOver, c.Stop, c.Freeze, c.Decline, c.AddFactor, c.RevokeFactor},
    Grade.PROOF: {c.Sign, c.EmergencyWithdraw, c.Propose, c.Confirm},
}


def test_grades_are_the_designs() -> None:
    """Which session may what; everything else is the enforcer's own."""
    for kind, (grade, _) in DECIDE.items():
        assert kind in GRADES.get(grade, {kind}), kind
        assert (grade is Grade.SYSTEM) == (not any(kind in kinds for kinds in GRADES.values())), kind


def test_rows_of_the_vault_are_bound() -> None:
    """The log binds the vault's own rows; a rewrap binds a credential's and a factor's row anew, of that version only."""
    company = Company.staffed()
    row = c.StoredRow
    company.system(c.RecordVault(action="rotated", about="term 2", stored=(
        row(id="vault/term/2", version=1, sha256=text_digest("term")), row(id="sec_ch_web_1", version=1, sha256=text_digest("new")),
        row(id="sec_ch_wechat_1", version=9, sha256=text_digest("old")), row(id="totp_lu", version=1, sha256=text_digest("seed")),
        row(id="totp_gu", version=9, sha256=text_digest("old")),
    )))
    credential, other = company.state.channels["ch_web"].credential, company.state.channels["ch_wechat"].credential
    assert credential is not None
    assert other is not None
    assert (credential.sha256, other.sha256) == (text_digest("new"), text_digest("row ch_wechat 1"))
    assert company.state.people["lu"].factors["totp_lu"].sha256 == text_digest("seed")
    assert company.state.people["gu"].factors["totp_gu"].sha256 == text_digest("totp gu")
    assert company.state.vault_rows["vault/term/2"] == (1, text_digest("term"))
    company.system(c.RecordVault(action="slot_removed", about="term 2", removed=("vault/term/2", "vault/never")))
    assert company.state.vault_rows == {}
