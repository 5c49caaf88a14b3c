"""What planted bugs in refusals once went unseen: a refusal says which part, by which rule, what is missing and whom to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.canonical import Digest
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.protocol.instants import Instant
from tests.gateway.machine.company import GROUP, START, WINDOW, Company, text_digest

BRAND = ("xu", "fang")
APPROVE = "approve:unit_head:unit_irrigation"
RELEASE = f"release:brand_pr:{GROUP}"
PAST = Instant("2026-11-23T00:00:00.000Z")


def target(channel: str = "ch_web", operation: str = "publish", previous: str | None = None) -> c.Target:
    """Return a target."""
    return c.Target(channel=channel, operation=operation, template=text_digest("t"), previous=previous)  # type: ignore[arg-type]


def staged() -> tuple[Company, dict[str, str]]:
    """Return one company with something in every stage that a refusal can be about; refusals change nothing in it."""
    company = Company.staffed()
    ids = {"live": company.live("ch_web")}
    ids["open"] = company.submit("lu", "ch_wechat")
    ids["approved"] = company.submit("lu", "ch_weibo")
    company.approve("gu", ids["approved"])
    company.wait(1)
    ids["held"] = company.released("ch_wechat")[0]
    ids["sent"] = company.released("ch_weibo")[0]
    company.spend(ids["sent"])
    company.prepare(ids["sent"])
    company.dispatch(ids["sent"])
    ids["stopped"] = company.released("ch_web")[0]
    company.do(c.Stop(publication=ids["stopped"]), "lu")
    ids["fixed"] = company.released("ch_web", scheduled=instants.plus(company.at, 3600))[0]
    ids["frozen"] = company.freeze("xu", "channel", "ch_travel")
    ids["proposal"] = company.propose("xu", Change(type=EntryType.UNIT_ADDED, object="unit_new", data={"name": "n", "parent": GROUP, "kind": "department"}))
    return company, ids


@pytest.fixture(scope="module")
def stage() -> tuple[Company, dict[str, str]]:
    return staged()


def change(company: Company, kind: str, object_: str, data: dict[str, Any], by: str = "xu") -> None:
    """Propose one change."""
    company.propose(by, Change(type=kind, object=object_, data=data))


def submit(company: Company, person: str = "lu", **over: Any) -> None:
    """Hand something in."""
    company.do(replace(company.submission_command("ch_web"), **over), person, Grade.DESK)


def channel_data(**over: Any) -> dict[str, Any]:
    """Return a new channel's data."""
    return {"platform": "wechat", "account": "gh_new", "name": "新号", "unit": GROUP, "level": "company", "filing": "filed", "filing_number": "备", **over}


Act = Callable[[Company, dict[str, str]], Any]
T = EntryType
APT = {"person": "qin", "office": "auditor", "scope": GROUP, "start": START}
ACTS: dict[str, Act] = {
    "a stranger submits": lambda co, _: submit(co, "nobody"),
    "no author": lambda co, _: submit(co, "shen"),
    "no targets": lambda co, _: submit(co, targets=()),
    "a channel nobody filed": lambda co, _: submit(co, targets=(target("ch_x"),)),
    "a channel whose filing is changing": lambda co, _: submit(co, targets=(target("ch_travel"),)),
    "another unit's channel": lambda co, _: submit(co, "fang", targets=(target("ch_irrigation"),)),
    "an unknown operation": lambda co, _: submit(co, targets=(target(operation="repost"),)),
    "a new text that replaces one": lambda co, ids: submit(co, targets=(target(previous=ids["live"]),)),
    "an edit of nothing live": lambda co, ids: submit(co, targets=(target(operation="edit", previous=ids["held"]),)),
    "no content": lambda co, _: submit(co, content=None),
    "three findings that block": lambda co, _: submit(co, findings=c.FindingCounts(block=3, confirm=0, hint=0, blob=text_digest("f"))),
    "an external quote": lambda co, _: submit(co, facts={**co.submission_command("ch_web").facts, "external_quote": True}),
    "a window that is over": lambda co, _: submit(co, window_to=PAST),
    "an unknown submission": lambda co, _: submit(co, submission="sub_x"),
    "a finished submission": lambda co, ids: submit(co, submission=co.state.publications[ids["live"]].submission),
    "somebody else's revision": lambda co, ids: submit(co, "fang", submission=ids["open"]),
    "a revision of what is in review": lambda co, ids: submit(co, submission=ids["open"]),
    "recall by another": lambda co, ids: co.do(c.Recall(submission=ids["open"]), "fang", Grade.DESK),
    "cancel after an unseen entry": lambda co, ids: co.do(c.Cancel(submission=ids["approved"]), "lu", Grade.DESK, expected=1),
    "cancel on its way": lambda co, ids: co.do(c.Cancel(submission=co.state.publications[ids["held"]].submission), "lu", Grade.DESK),
    "return of an older revision": lambda co, ids: co.do(c.Return(submission=ids["open"], revision=9, reason="data", notes=None), "gu"),
    "return on its way": lambda co, ids: co.do(
        c.Return(submission=co.state.publications[ids["held"]].submission, revision=1, reason="data", notes=None), "fang"),
    "return by its author": lambda co, ids: co.do(c.Return(submission=ids["open"], revision=1, reason="data", notes=None), "lu"),
    "return by no signer": lambda co, ids: co.do(c.Return(submission=ids["open"], revision=1, reason="data", notes=None), "shao"),
    "take back another's": lambda co, ids: co.do(c.TakeBack(submission=ids["approved"], stage=APPROVE), "fang"),
    "renew what is open": lambda co, ids: co.do(c.Renew(submission=ids["open"], window_to=WINDOW), "lu", Grade.DESK),
    "expire too early": lambda co, ids: co.system(c.Expire(submission=ids["open"])),
    "an empty list": lambda co, _: co.sign("gu"),
    "an item not seen": lambda co, ids: co.sign("gu", co.item("gu", ids["open"], "approve", seen=1)),
    "an item of no stage": lambda co, ids: co.sign("gu", replace(co.item("gu", ids["open"], "approve"), stage="x")),
    "an item of other words": lambda co, ids: co.sign("gu", co.item("gu", ids["open"], "approve", salt="other")),
    "release before approval": lambda co, ids: co.sign("fang", co.item("fang", ids["open"], "release")),
    "approve again": lambda co, ids: co.sign("gu", co.item("gu", ids["approved"], "approve")),
    "release what was released": lambda co, ids: co.sign("fang", co.item("fang", co.state.publications[ids["held"]].submission, "release")),
    "approve without office": lambda co, ids: co.sign("fang", co.item("fang", ids["open"], "approve")),
    "release without office": lambda co, ids: co.sign("shao", co.item("shao", ids["approved"], "release")),
    "a proof for another list": lambda co, ids: co.proven(
        replace(co.sign_command("gu", co.item("gu", ids["open"], "approve")), proof=co.proof("gu", text_digest("x"))), "gu"),
    "a proof by another's factor": lambda co, ids: co.proven(
        replace(co.sign_command("fang", co.item("gu", ids["open"], "approve"))), "gu"),
    "spend an unknown publication": lambda co, ids: co.system(replace(co.spend_command(ids["held"]), publication="pub_x")),
    "spend twice": lambda co, ids: co.system(co.spend_command(ids["sent"])),
    "spend another content": lambda co, ids: co.system(co.spend_command(ids["held"], content=Digest(text_digest("x")))),
    "spend what is stopped": lambda co, ids: co.system(co.spend_command(ids["stopped"])),
    "spend too early": lambda co, ids: co.system(co.spend_command(ids["fixed"])),
    "dispatch what is held": lambda co, ids: co.dispatch(ids["held"]),
    "dispatch what is stopped": lambda co, ids: co.dispatch(ids["stopped"]),
    "a handle for what is held": lambda co, ids: co.system(c.RecordHandle(publication=ids["held"], name="draft", value="1")),
    "a handle for what is stopped": lambda co, ids: co.system(c.RecordHandle(publication=ids["stopped"], name="draft", value="1")),
    "prepared although held": lambda co, ids: co.system(c.RecordPrepared(publication=ids["held"], filled=text_digest("f"), snapshot=text_digest("s"))),
    "prepared although stopped": lambda co, ids: co.system(c.RecordPrepared(publication=ids["stopped"], filled=text_digest("f"), snapshot=text_digest("s"))),
    "an outcome of what was not sent": lambda co, ids: co.outcome(ids["held"], "live"),
    "absent before unknown": lambda co, ids: co.outcome(ids["sent"], "absent"),
    "an unknown outcome": lambda co, ids: co.outcome(ids["sent"], "maybe"),
    "gone although published": lambda co, ids: co.outcome(ids["sent"], "gone"),
    "live without an address": lambda co, ids: co.outcome(ids["sent"], "live", url=None),
    "abandon what is sent": lambda co, ids: co.system(c.Abandon(publication=ids["sent"], cause="window", words=None)),
    "miss what is not late": lambda co, ids: co.system(c.Miss(publication=ids["fixed"])),
    "drift of what is not live": lambda co, ids: co.system(c.RecordDrift(publication=ids["held"], observed=None)),
    "stop what is live": lambda co, ids: co.do(c.Stop(publication=ids["live"]), "xu"),
    "stop what is being sent": lambda co, ids: co.do(c.Stop(publication=ids["sent"]), "xu"),
    "stop what is stopped": lambda co, ids: co.do(c.Stop(publication=ids["stopped"]), "xu"),
    "stop by a stranger to it": lambda co, ids: co.do(c.Stop(publication=ids["held"]), "shao"),
    "emergency by no head": lambda co, ids: co.emergency("fang", ids["live"]),
    "emergency of what is not live": lambda co, ids: co.emergency("xu", ids["held"]),
    "emergency with a window that is over": lambda co, ids: co.emergency("xu", ids["live"], window_to=co.at),
    "freeze by nobody in scope": lambda co, _: co.freeze("shao"),
    "freeze nothing": lambda co, _: co.freeze("xu", "channel", "ch_x"),
    "a change by no governor": lambda co, _: change(co, T.UNIT_ADDED, "u", {"name": "n", "parent": GROUP, "kind": "department"}, "gu"),
    "a change of no kind": lambda co, _: change(co, "token.minted", "u", {}),
    "no change": lambda co, _: co.propose("xu"),
    "a proposal that is over": lambda co, _: co.propose(
        "xu", Change(type=T.UNIT_ADDED, object="u", data={"name": "n", "parent": GROUP, "kind": "department"}), until=co.at),
    "a unit without a name": lambda co, _: change(co, T.UNIT_ADDED, "u", {"name": "", "parent": GROUP, "kind": "department"}),
    "a unit below none": lambda co, _: change(co, T.UNIT_ADDED, "u", {"name": "n", "parent": "x", "kind": "department"}),
    "a person of no unit": lambda co, _: change(co, T.PERSON_ADDED, "p", {"name": "n", "unit": "x"}),
    "suspending nobody": lambda co, _: change(co, T.PERSON_SUSPENDED, "p", {}),
    "restoring who is not suspended": lambda co, _: change(co, T.PERSON_RESTORED, "gu", {}),
    "an office nobody knows": lambda co, _: change(co, T.APPOINTMENT_MADE, "a", {**APT, "office": "king"}),
    "a group office for a unit": lambda co, _: change(co, T.APPOINTMENT_MADE, "a", {**APT, "scope": "unit_it"}),
    "an office that ends before it starts": lambda co, _: change(co, T.APPOINTMENT_MADE, "a", {**APT, "end": START}),
    "an office from no instant": lambda co, _: change(co, T.APPOINTMENT_MADE, "a", {**APT, "start": "today"}),
    "the end of no office": lambda co, _: change(co, T.APPOINTMENT_ENDED, "a", {"end": START}),
    "an end at no instant": lambda co, _: change(co, T.APPOINTMENT_ENDED, "a", {"end": "today"}),
    "the last governors": lambda co, _: co.propose("xu", *(
        Change(type=T.APPOINTMENT_ENDED, object=a.id, data={"end": co.at}) for a in co.state.appointments.values()
        if a.person == "he" and a.office in {Office.FOUNDER, Office.SYSADMIN})),
    "enrolment of nobody": lambda co, _: change(co, T.ENROLMENT_OPENED, "p", {"code": text_digest("c"), "until": START}),
    "enrolment without a digest": lambda co, _: change(co, T.ENROLMENT_OPENED, "gu", {"code": "c", "until": START}),
    "one factor of another": lambda co, _: change(co, T.FACTOR_REVOKED, "gu", {"factor": "passkey_gu"}),
    "a channel on no platform": lambda co, _: change(co, T.CHANNEL_ADDED, "ch", channel_data(platform="x")),
    "an account twice": lambda co, _: change(co, T.CHANNEL_ADDED, "ch", channel_data(account=" GH_heting")),
    "settings that are no texts": lambda co, _: change(co, T.CHANNEL_ADDED, "ch", channel_data(settings={"a": 1})),
    "a limit that is no number": lambda co, _: change(co, T.CHANNEL_ADDED, "ch", channel_data(settings={"daily_limit": "many"})),
    "a custodian nobody knows": lambda co, _: change(co, T.CHANNEL_ADDED, "ch", channel_data(custodians=["p"])),
    "a custodian twice": lambda co, _: change(co, T.CHANNEL_ADDED, "ch", channel_data(custodians=["gu", "gu"])),
    "no change of a channel": lambda co, _: change(co, T.CHANNEL_CHANGED, "ch_web", {}),
    "another platform for a channel": lambda co, _: change(co, T.CHANNEL_CHANGED, "ch_web", {"platform": "weibo"}),
    "a filing nobody knows": lambda co, _: change(co, T.CHANNEL_CHANGED, "ch_web", {"filing": "x"}),
    "a credential without a row": lambda co, _: change(co, T.CREDENTIAL_STORED, "ch_web", {"version": 2}),
    "a credential of another version": lambda co, _: change(
        co, T.CREDENTIAL_STORED, "ch_web", {"version": 3, "secret": "s", "sha256": text_digest("x")}),
    "retiring another version": lambda co, _: change(co, T.CREDENTIAL_RETIRED, "ch_web", {"version": 3}),
    "a switch nobody knows": lambda co, _: change(co, T.POLICY_SET, "x", {"value": "on"}),
    "thawing nothing": lambda co, _: change(co, T.FREEZE_LIFTED, "frz", {}),
    "thawing one's own": lambda co, ids: change(co, T.FREEZE_LIFTED, ids["frozen"], {}),
    "settling what is not unknown": lambda co, ids: change(co, T.PUBLICATION_ABSENT, ids["held"], {"how": "looked"}),
    "the same change twice": lambda co, _: co.propose("xu", *[Change(type=T.POLICY_SET, object="totp_release", data={"value": "on"})] * 2),
    "confirming one's own": lambda co, ids: co.confirm(ids["proposal"], "xu"),
    "confirming by no governor": lambda co, ids: co.confirm(ids["proposal"], "gu"),
    "declining by no governor": lambda co, ids: co.do(c.Decline(proposal=ids["proposal"]), "gu"),
    "declining nothing": lambda co, _: co.do(c.Decline(proposal="x"), "xu"),
    "a code that is none": lambda co, _: co.system(c.Refuse(
        code="x", rule="R0", source="desk", channel=None, content=None, about=None, missing=())),
    "erasing nothing": lambda co, _: co.system(c.Erase(commitments=(), reason="asked")),
    "a vault action nobody knows": lambda co, _: co.system(c.RecordVault(action="x", about="")),
    "the same epoch again": lambda co, _: co.system(c.OpenIncarnation(epoch="epo_1", origin="o", size=1, root=text_digest("r"))),
    "revoking no factor": lambda co, _: co.do(c.RevokeFactor(factor="x", proof=None), "gu"),
    "a factor without a proof": lambda co, _: co.do(c.AddFactor(
        factor=c.Factor(factor="f", kind="passkey", version=1, sha256=text_digest("x")), proof=None), "gu"),
    "an enrolment nobody opened": lambda co, _: co.system(c.Enrol(
        person="gu", code=text_digest("code gu"), password=c.Factor(factor="password_gu", kind="password", version=2, sha256=text_digest("x")))),
}


def said(act: Act, company: Company, ids: dict[str, str]) -> tuple[str, str, str, tuple[str, ...], tuple[str, ...]]:
    """Return what a refusal says, with the ids of this company named."""
    with pytest.raises(Denied) as caught:
        act(company, ids)
    denied = caught.value
    names = {identifier: f"<{name}>" for name, identifier in ids.items()}
    return denied.code, names.get(denied.detail, denied.detail), denied.rule, denied.ask, denied.missing


SAID: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...]]] = {
    "a stranger submits": ("not_found", "person", "R0", (), ()),
    "no author": ("no_office", "author", "R9", BRAND, ()),
    "no targets": ("invalid", "targets", "R0", (), ()),
    "a channel nobody filed": ("channel_unknown", "ch_x", "R7", (), ()),
    "a channel whose filing is changing": ("channel_unfiled", "ch_travel", "R7", BRAND, ()),
    "another unit's channel": ("channel_other_unit", "ch_irrigation", "R10", (), ()),
    "an unknown operation": ("no_rule", "repost", "R17.1", (), ()),
    "a new text that replaces one": ("invalid", "previous", "R0", (), ()),
    "an edit of nothing live": ("previous_changed", "<held>", "R19", (), ()),
    "no content": ("invalid", "content", "R0", (), ()),
    "three findings that block": ("blocking_findings", "3", "R15", (), ()),
    "an external quote": ("external_confirmation", "", "R17.2", BRAND, ()),
    "a window that is over": ("window_over", "", "R17.1", (), ()),
    "an unknown submission": ("not_found", "submission", "R0", (), ()),
    "a finished submission": ("wrong_state", "submission", "R17.1", (), ()),
    "somebody else's revision": ("not_your_submission", "", "R17.1", ("lu",), ()),
    "a revision of what is in review": ("wrong_state", "in_review", "R17.1", (), ()),
    "recall by another": ("not_your_submission", "", "R17.1", ("lu",), ()),
    "cancel after an unseen entry": ("stale_view", "", "R0", (), ()),
    "cancel on its way": ("wrong_state", "released", "R17.1", (), ()),
    "return of an older revision": ("stale_view", "", "R0", (), ()),
    "return on its way": ("wrong_state", "released", "R17.1", (), ()),
    "return by its author": ("author_approves", "", "R17.1", (), ()),
    "return by no signer": ("no_office", "", "R17.1", (), (APPROVE,)),
    "take back another's": ("wrong_state", "take_back", "R17.1", (), ()),
    "renew what is open": ("wrong_state", "in_review", "R17.1", (), ()),
    "expire too early": ("wrong_state", "in_review", "R17.1", (), ()),
    "an empty list": ("invalid", "items", "R0", (), ()),
    "an item not seen": ("stale_view", "", "R0", (), ()),
    "an item of no stage": ("proof_mismatch", "stage", "R17.1", (), ()),
    "an item of other words": ("proof_mismatch", "statement", "R17.1", (), ()),
    "release before approval": ("not_next_stage", "", "R17.1", (), (APPROVE,)),
    "approve again": ("wrong_state", "", "R17.1", (), ()),
    "release what was released": ("wrong_state", "", "R17.1", (), ()),
    "approve without office": ("no_office", "", "R17.1a", (), (APPROVE,)),
    "release without office": ("no_office", "", "R17.1a", (), (RELEASE,)),
    "a proof for another list": ("proof_mismatch", "", "R17.1", (), ()),
    "a proof by another's factor": ("factor_unknown", "", "R20", (), ()),
    "spend an unknown publication": ("not_found", "publication", "R0", (), ()),
    "spend twice": ("token_spent", "<sent>", "R22", (), ()),
    "spend another content": ("scope_mismatch", "<held>", "R22", (), ()),
    "spend what is stopped": ("stopped", "", "R8", (), ()),
    "spend too early": ("hold_running", "", "R17.1", (), ()),
    "dispatch what is held": ("wrong_state", "held", "R17.1", (), ()),
    "dispatch what is stopped": ("stopped", "", "R8", (), ()),
    "a handle for what is held": ("wrong_state", "held", "R17.1", (), ()),
    "a handle for what is stopped": ("stopped", "", "R8", (), ()),
    "prepared although held": ("wrong_state", "held", "R17.1", (), ()),
    "prepared although stopped": ("stopped", "", "R8", (), ()),
    "an outcome of what was not sent": ("wrong_state", "held", "R17.1", (), ()),
    "absent before unknown": ("wrong_state", "only an unknown is settled as absent", "R17.1", (), ()),
    "an unknown outcome": ("invalid", "outcome", "R0", (), ()),
    "gone although published": ("invalid", "outcome", "R0", (), ()),
    "live without an address": ("invalid", "data", "R0", (), ()),
    "abandon what is sent": ("wrong_state", "dispatched", "R17.1", (), ()),
    "miss what is not late": ("wrong_state", "held", "R17.1", (), ()),
    "drift of what is not live": ("wrong_state", "held", "R17.1", (), ()),
    "stop what is live": ("wrong_state", "live", "R17.1", (), ()),
    "stop what is being sent": ("already_sending", "dispatched", "R8", (), ()),
    "stop what is stopped": ("wrong_state", "stopped", "R17.1", (), ()),
    "stop by a stranger to it": ("no_office", "stop", "R8", ("fang", "gu", "lu"), ()),
    "emergency by no head": ("not_brand_head", "", "R19", ("xu",), ()),
    "emergency of what is not live": ("previous_changed", "<held>", "R19", (), ()),
    "emergency with a window that is over": ("window_over", "", "R17.1", (), ()),
    "freeze by nobody in scope": ("no_office", "freeze", "R8", (), ()),
    "freeze nothing": ("not_found", "channel", "R0", (), ()),
    "a change by no governor": ("not_governor", "unit.added", "R5", ("xu", "he"), ()),
    "a change of no kind": ("change_invalid", "token.minted", "R5", (), ()),
    "no change": ("invalid", "changes", "R0", (), ()),
    "a proposal that is over": ("invalid", "until", "R0", (), ()),
    "a unit without a name": ("change_invalid", "fields", "R5", (), ()),
    "a unit below none": ("change_invalid", "unit", "R5", (), ()),
    "a person of no unit": ("change_invalid", "person", "R5", (), ()),
    "suspending nobody": ("change_invalid", "person", "R5", (), ()),
    "restoring who is not suspended": ("change_invalid", "person", "R5", (), ()),
    "an office nobody knows": ("change_invalid", "appointment", "R5", (), ()),
    "a group office for a unit": ("change_invalid", "scope", "R5", (), ()),
    "an office that ends before it starts": ("change_invalid", "period", "R5", (), ()),
    "an office from no instant": ("change_invalid", "period", "R5", (), ()),
    "the end of no office": ("change_invalid", "appointment", "R5", (), ()),
    "an end at no instant": ("change_invalid", "period", "R5", (), ()),
    "the last governors": ("change_invalid", "governors", "R5", (), ()),
    "enrolment of nobody": ("change_invalid", "person", "R5", (), ()),
    "enrolment without a digest": ("change_invalid", "digest", "R5", (), ()),
    "one factor of another": ("change_invalid", "factor", "R5", (), ()),
    "a channel on no platform": ("change_invalid", "channel", "R5", (), ()),
    "an account twice": ("change_invalid", "channel", "R5", (), ()),
    "settings that are no texts": ("change_invalid", "settings", "R5", (), ()),
    "a limit that is no number": ("change_invalid", "daily_limit", "R5", (), ()),
    "a custodian nobody knows": ("change_invalid", "custodians", "R5", (), ()),
    "a custodian twice": ("change_invalid", "custodians", "R5", (), ()),
    "no change of a channel": ("change_invalid", "channel", "R5", (), ()),
    "another platform for a channel": ("change_invalid", "channel", "R5", (), ()),
    "a filing nobody knows": ("change_invalid", "channel", "R5", (), ()),
    "a credential without a row": ("change_invalid", "credential", "R5", (), ()),
    "a credential of another version": ("change_invalid", "credential version", "R5", (), ()),
    "retiring another version": ("change_invalid", "credential", "R5", (), ()),
    "a switch nobody knows": ("change_invalid", "switch", "R5", (), ()),
    "thawing nothing": ("change_invalid", "freeze", "R5", (), ()),
    "thawing one's own": ("not_governor", "freeze.lifted", "R5", ("he",), ()),
    "settling what is not unknown": ("change_invalid", "publication", "R5", (), ()),
    "the same change twice": ("change_invalid", "twice", "R5", (), ()),
    "confirming one's own": ("two_people_needed", "", "R5", ("he",), ()),
    "confirming by no governor": ("not_governor", "unit.added", "R5", ("xu", "he"), ()),
    "declining by no governor": ("not_governor", "", "R5", ("xu", "he"), ()),
    "declining nothing": ("proposal_gone", "", "R5", (), ()),
    "a code that is none": ("invalid", "x", "R0", (), ()),
    "erasing nothing": ("invalid", "commitments", "R0", (), ()),
    "a vault action nobody knows": ("invalid", "x", "R0", (), ()),
    "the same epoch again": ("wrong_state", "epoch", "R17.1", (), ()),
    "revoking no factor": ("factor_unknown", "", "R20", (), ()),
    "a factor without a proof": ("factor_needed", "", "R20", (), ()),
    "an enrolment nobody opened": ("enrolment_invalid", "", "R20", (), ()),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_refusal_says_it_all(stage: tuple[Company, dict[str, str]], name: str) -> None:
    """Code, part, rule, whom to ask and what is missing; and the state is what it was."""
    company, ids = stage
    before = company.state.size
    assert said(ACTS[name], company, ids) == SAID[name]
    assert company.state.size == before


def test_what_was_not_seen_is_named() -> None:
    """`stale_view` carries the entry the person had not seen; a finished list of names leaves nobody out."""
    company, ids = staged()
    found = company.state.submissions[ids["approved"]]
    for act in (
        lambda: company.do(c.Cancel(submission=found.id), "lu", Grade.DESK, expected=1),
        lambda: company.do(c.Return(submission=found.id, revision=9, reason="data", notes=None), "fang"),
        lambda: company.sign("fang", company.item("fang", found.id, "release", seen=1)),
    ):
        with pytest.raises(Denied) as caught:
            act()
        assert caught.value.more == {"seq": found.seq}
    assert set(SAID) == set(ACTS)
