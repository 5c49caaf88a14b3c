"""Handing in, taking back, sending back, renewing, expiring; and lists of signatures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.canonical import Digest
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from gateway.protocol.instants import Instant
from gateway.protocol.statements import LIST_LABEL, list_digest
from tests.gateway.machine.company import CHANNELS, WINDOW, Company, denied, text_digest


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def target(channel: str = "ch_web", operation: str = "publish", previous: str | None = None) -> c.Target:
    return c.Target(channel=channel, operation=operation, template=text_digest("t"), previous=previous)  # type: ignore[arg-type]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("invalid", {"targets": ()}),
    ("invalid", {"targets": (target(), target())}),
    ("invalid", {"targets": tuple(target(f"ch_{n}") for n in range(21))}),
    ("channel_unknown", {"targets": (target("ch_nowhere"),)}),
    ("no_rule", {"targets": (target(operation="repost"),)}),
    ("invalid", {"targets": (target(previous="pub_1"),)}),
    ("invalid", {"targets": (target(operation="edit"),)}),
    ("previous_changed", {"targets": (target(operation="edit", previous="pub_1"),)}),
    ("invalid", {"content": None}),
    ("blocking_findings", {"findings": c.FindingCounts(block=1, confirm=0, hint=0, blob=text_digest("f"))}),
    ("window_over", {"window_to": Instant("2026-11-23T00:00:00.000Z")}),
    ("window_over", {"scheduled": WINDOW}),
    ("not_found", {"submission": "sub_x"}),
]


@pytest.mark.parametrize(("code", "over"), REFUSED, ids=[f"{n}-{code}" for n, (code, _) in enumerate(REFUSED)])
def test_submitting_is_refused(company: Company, code: str, over: dict[str, Any]) -> None:
    """Each thing that could be known beforehand is refused when handing in."""
    with denied(code):
        company.do(replace(company.submission_command("ch_web"), **over), "lu", Grade.DESK)


def test_who_may_write(company: Company) -> None:
    """Auditors and administrators write nothing; an author's office counts for units below its own only."""
    for person in ("shao", "he", "shen", "gu"):
        with denied("no_office") as caught:
            company.submit(person, "ch_web")
        assert caught.value.rule == "R9"
    company.appoint("shao", Office.AUTHOR, "unit_irrigation")
    with denied("no_office"):
        company.submit("shao", "ch_web")
    company.appoint("shao", Office.AUTHOR, "unit_group")
    company.appoint("gu", Office.UNIT_HEAD, "unit_audit")
    company.submit("shao", "ch_web")


def test_a_channel_out_of_force(company: Company) -> None:
    """变更备案中: refused with whom to ask; a withdrawal needs content None and what is live."""
    with denied("channel_unfiled") as caught:
        company.submit("lin", "ch_travel")
    assert caught.value.ask == ("xu", "fang")
    live = company.live("ch_web")
    with denied("invalid"):
        company.submit("lu", target(operation="withdraw", previous=live))
    with denied("previous_changed"):
        company.submit("lu", target("ch_wechat", "withdraw", live), content=None)
    company.submit("lu", target(operation="withdraw", previous=live), content=None)


def test_numbers_count_by_year(company: Company) -> None:
    """Numbers go up within a year of the company's zone and start again with the next; a new revision keeps its number."""
    first, second = company.submit("lu", "ch_web"), company.submit("lu", "ch_web")
    assert [company.state.submissions[s].number for s in (first, second)] == ["签-2026-0001", "签-2026-0002"]
    company.do(c.Recall(submission=first), "lu", Grade.DESK)
    company.submit("lu", "ch_web", submission=first)
    assert (company.state.submissions[first].number, company.state.submissions[first].revision) == ("签-2026-0001", 2)
    company.at = Instant("2026-12-31T16:00:00.000Z")
    third = company.submit("lu", "ch_web", window_to=Instant("2027-01-05T10:00:00.000Z"))
    assert company.state.submissions[third].number == "签-2027-0001"


def test_only_the_author_takes_it_back(company: Company) -> None:
    """Recall, cancel, renew and a next revision are the author's; others are told whom to ask."""
    submission = company.submit("lu", "ch_web")
    for command in (c.Recall(submission=submission), c.Cancel(submission=submission), c.Renew(submission=submission, window_to=WINDOW)):
        with denied("not_your_submission") as caught:
            company.do(command, "gu")
        assert caught.value.ask == ("lu",)
    company.do(c.Recall(submission=submission), "lu", expected=1)  # recall ignores what was seen
    with denied("not_your_submission"):
        company.submit("lin", "ch_web", submission=submission)


def test_stale_views_name_the_entry(company: Company) -> None:
    """Acting on what one has not seen is refused and names the entry; recall, stop and freeze never are."""
    submission = company.submit("lu", "ch_web")
    seen = company.state.submissions[submission].seq
    company.approve("gu", submission)
    seq = company.state.submissions[submission].seq
    stage = company.state.submissions[submission].stages[0].id
    back = c.Return(submission=submission, revision=1, reason="data", notes=None)
    for command, actor in ((c.Cancel(submission=submission), "lu"), (c.TakeBack(submission=submission, stage=stage), "gu"), (back, "fang"),
                           (c.Renew(submission=submission, window_to=WINDOW), "lu")):
        with denied("stale_view") as caught:
            company.do(command, actor, expected=seen)
        assert caught.value.more["seq"] == seq
    with denied("stale_view"):
        company.do(replace(back, revision=2), "fang")
    company.do(c.Recall(submission=submission), "lu", expected=seen)
    with denied("stale_view"):
        company.do(company.submission_command("ch_web", submission=submission), "lu", expected=seen)
    company.do(company.submission_command("ch_web", submission=submission), "lu", expected=company.state.submissions[submission].seq)


def test_take_back_until_the_next_stage(company: Company) -> None:
    """An approval is taken back by its signer, until the next stage has signed; a stranger's or an absent one is not."""
    submission = company.submit("lu", "ch_web", facts={"category": "other"})
    company.approve("gu", submission)
    first, second, _ = (stage.id for stage in company.state.submissions[submission].stages)
    for person, stage in (("shen", first), ("gu", second)):
        with denied("wrong_state"):
            company.do(c.TakeBack(submission=submission, stage=stage), person)
    company.do(c.TakeBack(submission=submission, stage=first), "gu")
    company.approve("gu", submission)
    company.approve("shen", submission)
    with denied("wrong_state"):
        company.do(c.TakeBack(submission=submission, stage=first), "gu")
    company.release("fang", submission)
    with denied("wrong_state"):
        company.do(c.TakeBack(submission=submission, stage=second), "shen")


def test_return_by_who_could_sign(company: Company) -> None:
    """Whoever's turn it is sends it back with a reason and no proof; the author and bystanders do not."""
    submission = company.submit("lu", "ch_irrigation")
    back = c.Return(submission=submission, revision=1, reason="wording", notes=text_digest("notes"))
    with denied("author_approves"):
        company.do(back, "lu")
    for person in ("fang", "meng"):
        with denied("no_office"):
            company.do(back, person)
    company.do(back, "gu")
    returned = company.state.submissions[submission].returned
    assert returned is not None
    assert (returned["reason"], returned["by"], returned["office"]) == ("wording", "gu", "unit_head")
    with denied("wrong_state"):
        company.do(back, "gu")
    company.submit("lu", "ch_irrigation", submission=submission)
    with denied("stale_view"):
        company.do(back, "gu")
    company.do(replace(back, revision=2), "gu")


def test_a_superseded_revision_cannot_be_signed(company: Company) -> None:
    """The statement of revision 1 signs nothing once revision 2 stands, however it is dressed up."""
    submission = company.submit("lu", "ch_web")
    old = company.item("gu", submission, "approve")
    company.do(c.Recall(submission=submission), "lu")
    with denied("wrong_state"):
        company.sign("gu", replace(old, seen=company.state.submissions[submission].seq))
    company.submit("lu", "ch_web", submission=submission)
    seq = company.state.submissions[submission].seq
    with denied("stale_view"):
        company.sign("gu", old)
    with denied("stale_view"):
        company.sign("gu", replace(old, seen=seq))
    with denied("proof_mismatch"):
        company.sign("gu", replace(old, seen=seq, revision=2))


def test_windows_end_and_are_renewed(company: Company) -> None:
    """Expiry waits for the window's end; the author renews; everything is signed again."""
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    with denied("wrong_state"):
        company.system(c.Expire(submission=submission))
    company.at = WINDOW
    with denied("window_over"):
        company.release("fang", submission)
    company.system(c.Expire(submission=submission))
    with denied("wrong_state"):
        company.system(c.Expire(submission=submission))
    with denied("wrong_state"):
        company.do(c.Renew(submission=submission, window_to=company.at), "lu")
    later = instants.plus(WINDOW, 86_400)
    company.do(c.Renew(submission=submission, window_to=later), "lu")
    assert company.state.submissions[submission].signatures == []
    with denied("wrong_state"):
        company.do(c.Renew(submission=submission, window_to=later), "lu")
    company.approve("gu", submission)
    company.send(company.release("fang", submission)[0])


def test_a_release_that_could_never_be_sent(company: Company) -> None:
    """In live the hold of 120 s must end inside the window."""
    live = Company.staffed("live")
    submission = live.submit("lu", "ch_web")
    live.approve("gu", submission)
    live.at = instants.plus(WINDOW, -120)
    with denied("window_over"):
        live.release("fang", submission)
    live.at = instants.plus(WINDOW, -120.001)
    publication = live.release("fang", submission)[0]
    with denied("hold_running"):
        live.system(live.spend_command(publication))
    live.send(publication)


def test_partly_done_submissions_do_not_hang(company: Company) -> None:
    """One target live, one refused by the platform: it may be released again, expire and be renewed, be taken back, or be given up."""
    first = company.released("ch_web", "ch_wechat")
    submission = company.state.publications[first[0]].submission
    with denied("wrong_state"):
        company.do(c.Recall(submission=submission), "lu")
    with denied("wrong_state"):
        company.do(c.Cancel(submission=submission), "lu")
    with denied("wrong_state"):
        company.do(c.Return(submission=submission, revision=1, reason="data", notes=None), "fang")
    company.send(first[0])
    company.send(first[1], "rejected")
    again = company.release("fang", submission)
    assert [company.state.publications[p].channel for p in again] == ["ch_wechat"]
    company.do(c.Stop(publication=again[0]), "gu")
    company.at = WINDOW
    company.system(c.Expire(submission=submission))
    company.do(c.Renew(submission=submission, window_to=instants.plus(WINDOW, 86_400)), "lu")
    company.approve("gu", submission)
    with denied("wrong_state"):
        company.submit("lu", "ch_wechat", submission=submission)
    company.do(c.Recall(submission=submission), "lu")
    with denied("channel_done"):
        company.submit("lu", "ch_web", submission=submission, window_to=instants.plus(WINDOW, 86_400))
    company.do(c.Cancel(submission=submission), "lu")
    assert company.state.finished[submission] == ("签-2026-0001", "lu", "cancelled")
    assert company.status(first[0]) == "live"
    with denied("wrong_state"):
        company.do(c.Cancel(submission=submission), "lu")
    with denied("not_found"):
        company.do(c.Cancel(submission="sub_nothing"), "lu")


def test_a_signed_list_drops_what_is_stale_by_name(company: Company) -> None:
    """The rest stands, the dropped are named with their reason; a list of which nothing stands is refused."""
    good, stale, closed = (company.submit("lu", "ch_web") for _ in range(3))
    items = [company.item("gu", s, "approve") for s in (good, stale, closed)]
    company.do(c.Recall(submission=stale), "lu")
    company.submit("lu", "ch_web", submission=stale)
    company.do(c.Cancel(submission=closed), "lu")
    made = company.sign("gu", *items)
    assert made[0].data["dropped"] == [[stale, "stale_view"], [closed, "wrong_state"]]
    assert [e.object for e in made[1:]] == [good]
    with denied("stale_view"):
        company.sign("gu", *items[1:])


def test_lists_have_rules(company: Company) -> None:
    """None, more than 20, one twice; sensitive items, withdrawals and their like only by themselves."""
    with denied("invalid"):
        company.sign("gu")
    plain = [company.submit("lu", "ch_web") for _ in range(21)]
    with denied("list_too_long"):
        company.sign("gu", *(company.item("gu", s, "approve") for s in plain))
    sensitive = company.submit("lu", "ch_web", facts={"sensitive": True})
    down = company.takedown("lu", company.live("ch_web"))
    unknown = company.do(company.submission_command(
        "ch_web", facts={"category": "company", "executives": False, "external_quote": False}), "lu", Grade.DESK)[0].object
    made = company.sign("gu", *(company.item("gu", s, "approve") for s in (plain[0], sensitive, down, unknown)))
    assert made[0].data["dropped"] == [[s, "list_not_allowed"] for s in (sensitive, down, unknown)]
    for alone in (sensitive, down, unknown):
        company.approve("gu", alone)
    twice = company.item("gu", plain[1], "approve")
    made = company.sign("gu", twice, twice)
    assert [e.type for e in made] == ["signing.made", "decision.made"]


def test_what_was_signed_is_what_is_decided(company: Company) -> None:
    """Another stage, verdict, statement or list than the proof covers: refused."""
    submission = company.submit("lu", "ch_web")
    item = company.item("gu", submission, "approve")
    for bad in (replace(item, stage="approve:nobody"), replace(item, verdict="release"), replace(item, salt="other"),
                replace(item, statement=text_digest("something else"))):
        with denied("proof_mismatch"):
            company.sign("gu", bad)
    command = company.sign_command("gu", item)
    digest = list_digest(LIST_LABEL, [(item.statement, "release")])
    with denied("proof_mismatch"):
        company.proven(replace(command, proof=replace(command.proof, list_digest=digest)), "gu")
    with denied("proof_mismatch"):  # 陆晓棠's page, signed by 顾长庚
        company.sign("gu", company.item("lu", submission, "approve"))


def test_live_methods(company: Company) -> None:
    """A live release takes a passkey; with the first switch a code releases, with the second codes alone complete a route."""
    live = Company.staffed("live")
    first, second, third = (live.submit("lu", "ch_web") for _ in range(3))
    live.approve("gu", first)
    live.approve("gu", second, "totp")
    live.approve("gu", third, "totp")
    with denied("method_too_weak"):
        live.release("fang", first, "totp")
    live.switch("totp_release")
    live.release("fang", first, "totp")
    with denied("route_by_codes_alone"):
        live.release("fang", second, "totp")
    live.release("fang", second)
    live.switch("totp_route")
    live.release("fang", third, "totp")
    live.switch("totp_release", "off")
    fourth = live.submit("lu", "ch_web")
    live.approve("gu", fourth, "totp")
    with denied("method_too_weak"):
        live.release("fang", fourth, "totp")
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission, "totp")
    company.release("fang", submission, "totp")  # a sandbox lets codes release


def test_all_tokens_of_a_release_or_none(company: Company) -> None:
    """A credential retired before release refuses every channel of it, and signs nothing."""
    submission = company.submit("lu", "ch_web", "ch_wechat")
    company.approve("gu", submission)
    company.change("fang", "he", Change(type=EntryType.CREDENTIAL_RETIRED, object="ch_wechat", data={"version": 1}))
    before = len(company.ids.claims)
    with denied("credential_missing"):
        company.release("fang", submission)
    assert len(company.ids.claims) == before


def test_a_token_never_grows_past_what_the_gate_reads(company: Company) -> None:
    """Claims longer than 8 KiB are refused at release, not at the gate."""
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    company.state.submissions[submission].signatures[0].statement = "sha256:" + "0" * 9_000
    with denied("invalid"):
        company.release("fang", submission)


def test_emergency_is_no_field_of_a_submission(company: Company) -> None:
    """C8: a person cannot make a submission an emergency; only the one command does."""
    assert "emergency" not in c.Submit.__dataclass_fields__
    submission = company.submit("lu", "ch_web")
    assert company.entries[-1].data["emergency"] is False
    assert not company.state.submissions[submission].emergency
    assert len(CHANNELS) == 5
    assert Digest(company.state.submissions[submission].route).startswith("sha256:")
