"""Lists that mix verdicts, releases of some channels, and what was ticked: each stands in the statement, and nothing else is accepted."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import canonical
from gateway.machine.signing import build_statement
from gateway.machine.state import SubmissionState
from gateway.protocol import commands as c
from gateway.protocol.entries import Entry, EntryType
from tests.gateway.machine.company import Company, denied, text_digest

CONFIRM = c.FindingCounts(block=0, confirm=2, hint=0, blob=text_digest("findings"))


def item(company: Company, person: str, submission: str, stage: str, **said: Any) -> c.SignItem:
    """Return a list item whose statement says exactly `said` beside the usual."""
    found = company.state.submissions[submission]
    plain = company.item(person, submission, stage)
    known = next(s for s in found.stages if s.id == plain.stage)
    office = company.state.may_sign(person, known, company.at) or known.offices[0][0]
    statement = canonical.digest(build_statement(company.state, found, known, person, office, plain.salt, **said))
    return c.SignItem(
        submission=submission, revision=found.revision, stage=plain.stage, verdict="return" if said.get("reason") else plain.verdict,
        salt=plain.salt, statement=statement, seen=found.seq, **said,
    )


def back(company: Company, person: str, submission: str, stage: str = "approve", **over: Any) -> c.SignItem:
    """Return an item that sends a submission back."""
    return item(company, person, submission, stage, **{"reason": "data", "notes": text_digest("notes"), **over})


def made(entries: list[Entry], kind: EntryType) -> list[Entry]:
    """Return the entries of one type."""
    return [entry for entry in entries if entry.type == kind]


def test_findings_to_confirm_are_confirmed_or_nothing_is_signed() -> None:
    """A decision on something with 需确认 findings names what was ticked, in statement and entry; an ordinary one says nothing of it."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web", findings=CONFIRM)
    with denied("findings_unconfirmed"):
        company.approve("gu", submission)
    entries = company.sign("gu", item(company, "gu", submission, "approve", checked=text_digest("ticked")))
    assert made(entries, EntryType.DECISION_MADE)[0].data["checked"] == text_digest("ticked")
    plain = company.submit("lu", "ch_web")
    assert "checked" not in made(company.approve("gu", plain), EntryType.DECISION_MADE)[0].data


def test_what_was_ticked_cannot_be_exchanged() -> None:
    """An item that names another list of ticks than its statement is refused."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web", findings=CONFIRM)
    signed = item(company, "gu", submission, "approve", checked=text_digest("ticked"))
    values = {name: getattr(signed, name) for name in signed.__dataclass_fields__}
    with denied("proof_mismatch"):
        company.sign("gu", c.SignItem(**{**values, "checked": text_digest("other")}))


def test_some_channels_are_released_and_the_rest_waits() -> None:
    """A partial release mints tokens for the chosen channels only; the others stay in the queue and are released later by the same office."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web", "ch_weibo", "ch_wechat")
    company.approve("gu", submission)
    first = made(company.sign("fang", item(company, "fang", submission, "release", channels=("ch_weibo",))), EntryType.TOKEN_MINTED)
    assert [entry.data["channel"] for entry in first] == ["ch_weibo"]
    found = company.state.submissions[submission]
    assert found.state is SubmissionState.RELEASED
    assert [stage.kind for stage in company.state.open_stages(found)] == ["release"]
    company.send(first[0].object, "live")
    second = made(company.sign("fang", item(company, "fang", submission, "release")), EntryType.TOKEN_MINTED)
    assert sorted(entry.data["channel"] for entry in second) == ["ch_web", "ch_wechat"]
    for entry in second:
        company.send(entry.object, "live")
    assert company.state.finished[submission][2] == "done"


@pytest.mark.parametrize(("stage", "channels"), [
    ("release", ("ch_irrigation",)), ("release", ("ch_web", "ch_web")), ("release", ("ch_web", "nowhere")),
])
def test_a_partial_release_names_channels_that_wait(stage: str, channels: tuple[str, ...]) -> None:
    """Others, unknown ones and doubles are refused."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    with denied("invalid"):
        company.sign("fang", item(company, "fang", submission, stage, channels=channels))


def test_an_approval_is_of_the_whole() -> None:
    """Only a release can be limited to channels, and what was released is not released again."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web", "ch_weibo")
    with denied("invalid"):
        company.sign("gu", item(company, "gu", submission, "approve", channels=("ch_web",)))
    company.approve("gu", submission)
    company.sign("fang", item(company, "fang", submission, "release", channels=("ch_web",)))
    with denied("invalid"):
        company.sign("fang", item(company, "fang", submission, "release", channels=("ch_web",)))


def test_the_statement_of_a_partial_release_names_those_channels_only() -> None:
    """A statement over all channels does not release one, nor the other way round."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web", "ch_weibo")
    company.approve("gu", submission)
    whole = item(company, "fang", submission, "release")
    values = {name: getattr(whole, name) for name in whole.__dataclass_fields__}
    with denied("proof_mismatch"):
        company.sign("fang", c.SignItem(**{**values, "channels": ("ch_web",)}))


def test_a_list_holds_approvals_and_returns() -> None:
    """One proof: one approved, one sent back with reason and notes; both cite the same signing."""
    company = Company.staffed()
    one, two = company.submit("lu", "ch_web"), company.submit("lu", "ch_weibo")
    entries = company.sign("gu", company.item("gu", one, "approve"), back(company, "gu", two))
    signing = made(entries, EntryType.SIGNING_MADE)[0]
    returned = made(entries, EntryType.SUBMISSION_RETURNED)[0]
    assert (returned.object, returned.data["reason"], returned.data["notes"]) == (two, "data", text_digest("notes"))
    assert returned.data["signing"] == signing.object
    assert [verdict for _, verdict in signing.data["items"]] == ["approve", "return"]
    assert returned.data["statement"] == signing.data["items"][1][0]
    assert company.state.submissions[one].signed("approve:unit_head:unit_irrigation") is not None
    assert company.state.submissions[two].state is SubmissionState.RETURNED


def test_a_stale_return_drops_out_and_the_rest_stands() -> None:
    """What its author took back meanwhile is named as dropped."""
    company = Company.staffed()
    one, two = company.submit("lu", "ch_web"), company.submit("lu", "ch_weibo")
    items = (company.item("gu", one, "approve"), back(company, "gu", two))
    company.do(c.Recall(submission=two), "lu")
    entries = company.sign("gu", *items)
    assert made(entries, EntryType.SIGNING_MADE)[0].data["dropped"] == [[two, "stale_view"]]


@pytest.mark.parametrize("over", [{"reason": None}, {"stage": "release:brand_pr:group"}, {"notes": text_digest("other")}, {"reason": "wording"}])
def test_a_return_says_what_its_statement_says(over: dict[str, Any]) -> None:
    """Another reason, other notes, another stage, or none: refused."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web")
    signed = back(company, "gu", submission)
    values = {name: getattr(signed, name) for name in signed.__dataclass_fields__}
    with denied("proof_mismatch"):
        company.sign("gu", c.SignItem(**{**values, **over}))


def test_nobody_returns_by_a_list_what_they_could_not_return_alone() -> None:
    """The author, and whoever holds no office of the step, are refused in a list as well."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web")
    for person, code in (("lu", "author_approves"), ("lin", "no_office")):
        with denied(code):
            company.sign(person, back(company, person, submission))


def test_one_list_decides_a_submission_once() -> None:
    """Approved and returned, returned twice, returned and approved: the later item drops out."""
    for first, second in (("approve", "return"), ("return", "return"), ("return", "approve")):
        company = Company.staffed()
        submission = company.submit("lu", "ch_web")
        items = [company.item("gu", submission, "approve") if verdict == "approve" else back(company, "gu", submission) for verdict in (first, second)]
        entries = company.sign("gu", *items)
        assert made(entries, EntryType.SIGNING_MADE)[0].data["dropped"] == [[submission, "wrong_state"]]
        assert (company.state.submissions[submission].state is SubmissionState.RETURNED) == (first == "return")


def test_sensitive_items_are_not_returned_by_a_list() -> None:
    """They are dealt with one by one, whatever the verdict; alone a signed return stands."""
    company = Company.staffed()
    one, two = company.submit("lu", "ch_web"), company.submit("lu", "ch_weibo", facts={"sensitive": True})
    entries = company.sign("gu", company.item("gu", one, "approve"), back(company, "gu", two))
    assert made(entries, EntryType.SIGNING_MADE)[0].data["dropped"] == [[two, "list_not_allowed"]]
    company.sign("gu", back(company, "gu", two, notes=None))
    assert company.state.submissions[two].state is SubmissionState.RETURNED
