"""What is WeChat's own: tokens, codes of the commit, the read-back, deletion by index, following, reconciling."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from gateway.connectors.base import (
    Absent,
    Live,
    Operation,
    Outcome,
    Pending,
    PlatformRefused,
    Previous,
    ReadBackDiffers,
    Rejected,
    Undecided,
    Unknown,
)
from gateway.connectors.wechat.tokens import Tokens
from gateway.content import Content, Source


async def _ready(bench: Any) -> tuple[Any, Any, Any]:
    connector = bench.fresh()
    template = bench.template(connector, bench.content())
    return connector, template, await bench.prepare(connector, template)


async def _commit(bench: Any) -> Outcome:
    connector, template, prepared = await _ready(bench)
    outcome: Outcome = await connector.commit(bench.call(), template, prepared)
    return outcome


async def test_every_governed_field_is_written(wechat_bench: Any) -> None:
    """draft/add carries each field of the template, the flags as numbers, in raw UTF-8."""
    await _ready(wechat_bench)
    sent = wechat_bench.platform.ledger.last("draft/add").fields["articles"][0]
    assert set(sent) == {
        "article_type", "title", "author", "digest", "content", "content_source_url", "thumb_media_id", "need_open_comment",
        "only_fans_can_comment", "show_cover_pic",
    }
    assert (sent["need_open_comment"], sent["only_fans_can_comment"], sent["author"]) == (0, 0, "陆晓棠")


@pytest.mark.parametrize("code", [53503, 53504, 53505, 48001, 45009, 45011, 45028, 40013, 40164, 47001])
async def test_a_definite_refusal_of_the_submission_is_rejected(wechat_bench: Any, code: int) -> None:
    """A business error is a definite no, with words that are not the code alone."""
    wechat_bench.platform.faults.refuse("freepublish/submit", code)
    outcome = await _commit(wechat_bench)
    assert isinstance(outcome, Rejected)
    assert outcome.code == str(code)
    assert "错误码" not in outcome.zh
    assert wechat_bench.public() == []


@pytest.mark.parametrize("code", [-1, 40007, 99999])
async def test_an_unclear_code_of_the_submission_is_unknown(wechat_bench: Any, code: int) -> None:
    """Busy, an already consumed draft, and a code nobody knows leave it open."""
    wechat_bench.platform.faults.refuse("freepublish/submit", code)
    assert await _commit(wechat_bench) == Unknown(cause=f"errcode:{code}")


@pytest.mark.parametrize("how", ["drop", "reset", "500", "502", "503", "malformed", "truncated"])
async def test_a_spoilt_answer_to_the_submission_is_unknown_and_then_live(wechat_bench: Any, how: str) -> None:
    """The job was accepted, the answer was not readable: never sent again, and found half an hour later."""
    connector, template, prepared = await _ready(wechat_bench)
    wechat_bench.platform.faults.fail_after("freepublish/submit", how)
    at = wechat_bench.clock.now()
    assert isinstance(await connector.commit(wechat_bench.call(), template, prepared), Unknown)
    early = await connector.reconcile(wechat_bench.call(), template, prepared, at)
    assert isinstance(early, Undecided)
    wechat_bench.clock.advance(1801)
    assert isinstance(await connector.reconcile(wechat_bench.call(), template, prepared, at), Live)
    assert len(wechat_bench.platform.ledger.effects("freepublish/submit")) == 1


async def test_an_answer_that_trickles_beyond_the_deadline_is_unknown(wechat_bench: Any) -> None:
    """The job was accepted, but its answer did not arrive in time; an answer written twice on the wire is read once."""
    connector, template, prepared = await _ready(wechat_bench)
    wechat_bench.platform.faults.slow_body("freepublish/submit", 3)
    assert isinstance(await connector.commit(wechat_bench.call(deadline=0.3), template, prepared), Unknown)
    connector, template, prepared = await _ready(wechat_bench)
    wechat_bench.platform.faults.answer_twice("freepublish/submit")
    assert isinstance(await connector.commit(wechat_bench.call(), template, prepared), Pending)


@pytest.mark.parametrize("code", [40001, 42001, 40014])
async def test_a_refused_token_is_replaced_once_outside_the_commit_and_never_in_it(wechat_bench: Any, code: int) -> None:
    """Preparing goes on with a fresh token; the commit ends, and only the next attempt has a fresh token."""
    faults, ledger = wechat_bench.platform.faults, wechat_bench.platform.ledger
    faults.refuse("draft/add", code)
    connector, template, prepared = await _ready(wechat_bench)
    assert len(ledger.calls("draft/add")) == 2
    assert len(ledger.calls("stable_token")) == 2
    faults.refuse("freepublish/submit", code)
    outcome = await connector.commit(wechat_bench.call(), template, prepared)
    assert isinstance(outcome, Rejected)
    assert len(ledger.calls("freepublish/submit")) == 1
    assert len(ledger.calls("stable_token")) == 2
    faults.refuse("draft/get", code, times=2)
    with pytest.raises(PlatformRefused) as caught:
        await connector.reread(wechat_bench.call(), template, prepared)
    assert caught.value.code == str(code)


async def test_an_expired_token_is_fetched_anew(wechat_bench: Any) -> None:
    """Two hours later the next call has a new token without being refused first."""
    connector, template, prepared = await _ready(wechat_bench)
    wechat_bench.clock.advance(7200 - 299)
    assert await connector.reread(wechat_bench.call(), template, prepared) == prepared.snapshot
    ledger = wechat_bench.platform.ledger
    assert len(ledger.calls("stable_token")) == 2
    assert all(record.code == 0 for record in ledger.calls("draft/get"))


async def test_tokens_are_fetched_once_for_many_and_apart_for_versions(wechat_bench: Any) -> None:
    """Ten callers cause one fetch; another credential version causes another and drops the old one."""
    tokens = Tokens()
    values = await asyncio.gather(*(tokens.get(wechat_bench.call()) for _ in range(10)))
    assert len(set(values)) == 1
    assert len(wechat_bench.platform.ledger.calls("stable_token")) == 1
    await tokens.get(wechat_bench.call(credential_version=2))
    assert len(wechat_bench.platform.ledger.calls("stable_token")) == 2
    tokens.forget(wechat_bench.call(credential_version=2), "another")
    await tokens.get(wechat_bench.call(credential_version=2))
    assert len(wechat_bench.platform.ledger.calls("stable_token")) == 2
    assert values[0] not in repr(vars(tokens))


async def test_an_address_off_the_allow_list_is_named(wechat_bench: Any) -> None:
    """40164 says which address to add."""
    wechat_bench.platform.account().allow_list = ["203.0.113.1"]
    steps = await wechat_bench.make().probe(wechat_bench.call())
    assert not steps[0].ok
    assert "127.0.0.1" in steps[0].zh


async def test_an_unverified_account_is_told_so(wechat_bench: Any) -> None:
    """The trial finds the missing right before anybody writes an article."""
    wechat_bench.platform.account().verified = False
    steps = await wechat_bench.make().probe(wechat_bench.call())
    assert [(step.name, step.ok) for step in steps] == [("token", True), ("right_to_publish", False)]
    assert "认证" in steps[-1].zh


@pytest.mark.parametrize("status", [2, 3, 4])
async def test_a_failed_task_is_rejected_with_words(wechat_bench: Any, status: int) -> None:
    """What the platform's checks refuse is not public; the words say which check."""
    wechat_bench.platform.account().review_status = status
    connector, template, prepared = await _ready(wechat_bench)
    outcome = await connector.commit(wechat_bench.call(), template, prepared)
    assert isinstance(outcome, Pending)
    assert isinstance(await connector.follow(wechat_bench.call(), outcome.handle), Pending)
    ended = await wechat_bench.settle(connector, outcome)
    assert isinstance(ended, Rejected)
    assert ended.code == f"publish_{status}"


@pytest.mark.parametrize("status", [5, 6])
async def test_a_task_whose_article_went_away_is_rejected(wechat_bench: Any, status: int) -> None:
    """Deleted by a user or banned by the platform before the first poll."""
    connector, template, prepared = await _ready(wechat_bench)
    outcome = await connector.commit(wechat_bench.call(), template, prepared)
    assert isinstance(outcome, Pending)
    wechat_bench.clock.advance(30)
    article_id = wechat_bench.platform.published_json()[0]["article_id"]
    if status == 6:
        wechat_bench.platform.ban(article_id)
    else:
        wechat_bench.platform.edit_by_hand(article_id, {"is_deleted": True})
    ended = await connector.follow(wechat_bench.call(), outcome.handle)
    assert isinstance(ended, Rejected)
    assert ended.code == f"publish_{status}"


@pytest.mark.parametrize("fault", ["drop", "500"])
async def test_a_poll_that_fails_stays_pending(wechat_bench: Any, fault: str) -> None:
    """A lost answer to a poll decides nothing: WeChat has the task, and the next poll asks again."""
    connector, template, prepared = await _ready(wechat_bench)
    outcome = await connector.commit(wechat_bench.call(), template, prepared)
    assert isinstance(outcome, Pending)
    wechat_bench.platform.faults.fail_before("freepublish/get", fault)
    assert await connector.follow(wechat_bench.call(), outcome.handle) == outcome
    assert isinstance(await wechat_bench.settle(connector, outcome), Live)
    assert isinstance(await connector.follow(wechat_bench.call(), "123"), Unknown)


async def test_a_draft_that_vanished_unlisted_needs_people(wechat_bench: Any) -> None:
    """Half an hour later the draft is gone and nothing is listed: nobody can tell from here."""
    connector, template, prepared = await _ready(wechat_bench)
    wechat_bench.platform.account().drafts.clear()
    at = wechat_bench.clock.now() - timedelta(minutes=31)
    assert await connector.reconcile(wechat_bench.call(), template, prepared, at) == Undecided(reason="draft_gone", again_after=None)


async def test_an_unsent_draft_is_taken_away_before_it_counts_as_absent(wechat_bench: Any) -> None:
    """The draft is deleted, so that nobody can publish it by hand afterwards; also when that answer is lost."""
    for how in ("none", "drop"):
        connector, template, prepared = await _ready(wechat_bench)
        if how == "drop":
            wechat_bench.platform.faults.fail_after("draft/delete", "drop")
        at = wechat_bench.clock.now() - timedelta(minutes=31)
        assert await connector.reconcile(wechat_bench.call(), template, prepared, at) == Absent(how="draft_deleted")
        assert prepared.handles["draft"] not in wechat_bench.platform.account().drafts


async def test_an_older_equal_article_is_not_taken_for_this_one(wechat_bench: Any) -> None:
    """The same words published an hour before the dispatch do not settle it as live."""
    connector = wechat_bench.fresh()
    content = wechat_bench.content(pictures=False)
    await wechat_bench.publish(connector, content)
    wechat_bench.clock.advance(3600)
    wechat_bench.saved = {}
    template = wechat_bench.template(connector, content)
    prepared = await wechat_bench.prepare(connector, template)
    at = wechat_bench.clock.now()
    wechat_bench.clock.advance(1801)
    assert isinstance(await connector.reconcile(wechat_bench.call(), template, prepared, at), Absent)


async def test_a_withdrawal_names_one_article(wechat_bench: Any) -> None:
    """freepublish/delete carries index 1."""
    connector = wechat_bench.fresh()
    template, _, live = await wechat_bench.publish(connector, wechat_bench.content())
    await wechat_bench.withdraw(connector, live, template)
    fields = wechat_bench.platform.ledger.last("freepublish/delete").fields
    assert (fields["article_id"], fields["index"]) == (live.id, 1)
    with pytest.raises(PlatformRefused) as caught:
        await wechat_bench.withdraw(connector, live, template)
    assert caught.value.code == "already_deleted"


async def test_a_draft_changed_between_two_attempts_differs(wechat_bench: Any) -> None:
    """A retry reads the draft it made before and finds the change."""
    connector, template, prepared = await _ready(wechat_bench)
    wechat_bench.platform.edit_by_hand(prepared.handles["draft"], {"digest": "换过的摘要"})
    with pytest.raises(ReadBackDiffers) as caught:
        await wechat_bench.prepare(connector, template)
    assert caught.value.where == "digest"


@pytest.mark.parametrize(("change", "code"), [
    ({"author": "很" * 17}, "45110"), ({"media": ()}, "cover_missing"), ({"title": ""}, "title_missing"),
    ({"source": Source(kind="reprinted", name="", url="https://a.example/" + "x" * 1024)}, "45005"),
    ({"body": "<p>" + "字" * 19_999 + "</p>"}, "45002"),
])
def test_what_wechat_never_takes_is_refused_at_render(wechat_bench: Any, change: dict[str, Any], code: str) -> None:
    """Nobody is asked to approve what the platform refuses for its form."""
    content: Content = dataclasses.replace(wechat_bench.content(pictures=False), **({"links": ()} if "body" in change else {}), **change)
    with pytest.raises(PlatformRefused) as caught:
        wechat_bench.template(wechat_bench.make(), content)
    assert caught.value.code == code


def test_an_empty_summary_is_made_explicit(wechat_bench: Any) -> None:
    """What WeChat would fill in by itself stands in the template and so is approved."""
    content = dataclasses.replace(wechat_bench.content(), summary="")
    digest = wechat_bench.template(wechat_bench.make(), content).fields["digest"][0]
    assert digest.startswith("入冬前")
    assert len(digest) <= 54


def test_an_edit_is_refused_with_the_way_out(wechat_bench: Any) -> None:
    """WeChat has no edit; the words say to withdraw and publish."""
    previous = Previous(id="x", url="http://127.0.0.1/", digest=wechat_bench.template(wechat_bench.make(), wechat_bench.content()).digest())
    with pytest.raises(PlatformRefused, match="no_edit") as caught:
        wechat_bench.template(wechat_bench.make(), wechat_bench.content(), Operation.EDIT, previous)
    assert "撤稿后重发" in caught.value.zh
