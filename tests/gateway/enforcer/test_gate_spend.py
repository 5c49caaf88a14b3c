"""The gate, steps 4 and 5: spending the token, the credential, and everything the platform may say while it prepares."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.connectors.base import PlatformRefused, ReadBackDiffers
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol.commands import Change, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import commits, live, refusals, released, sending_held


async def test_a_suspended_author_or_a_lost_filing_stops_at_spend(hand: House, scripted: Scripted) -> None:
    """What changed after release is asked again: a suspension ends it, a filing that is not in force makes it wait."""
    unfiled, void = await released(hand, title="一"), await released(hand, title="二")
    channel = hand.channels["news"]
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": "suspended"}))
    await hand.parts.gate.send(unfiled)
    assert hand.publication_state(unfiled) is PublicationState.HELD
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": "filed"}))
    await hand.parts.gate.send(unfiled)
    assert hand.publication_state(unfiled) is PublicationState.LIVE
    await hand.change(Change(type=EntryType.PERSON_SUSPENDED, object=hand.people["lu"], data={"cause": hand.parts.values.commit("查处")}))
    await hand.parts.gate.send(void)
    assert hand.publication_state(void) is PublicationState.ABANDONED
    assert commits(scripted) == 1


async def test_a_refusal_that_ends_it_clears_what_was_prepared(hand: House, scripted: Scripted) -> None:
    """Its draft stands on the platform when the author is suspended: the send ends, and the draft is deleted."""
    publication = await released(hand)
    scripted.raising["prepared"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(publication)
    assert list(scripted.drafts) == ["d1"]
    await hand.change(Change(type=EntryType.PERSON_SUSPENDED, object=hand.people["lu"], data={"cause": hand.parts.values.commit("查处")}))
    await hand.parts.gate.send(publication)
    assert hand.state.publications[publication].reason["cause"] == "refused:person_suspended"
    assert (scripted.drafts, commits(scripted)) == ({}, 0)


async def test_an_exhausted_quota_waits_and_is_told_once(tmp_path: Path, scripted: Scripted) -> None:
    """With one send a day the second waits, however often it is tried; the log says so once."""
    from tests.gateway.enforcer.house import found_house, open_house

    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "k"}, settings={"daily_limit": "1"})
        await house.lifecycle._stop_timers()
        first, second = await released(house, title="一"), await released(house, title="二")
        await house.parts.gate.send(first)
        for _ in range(3):
            await house.parts.gate.send(second)
        assert house.publication_state(second) is PublicationState.HELD
        assert refusals(house) == ["quota_exhausted"]
        assert commits(scripted) == 1


async def test_a_transient_refusal_is_tried_again_with_the_same_handles(hand: House, scripted: Scripted) -> None:
    """A busy platform costs a wait, not a second draft."""
    publication = await released(hand)
    scripted.raising["prepared"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.INTENDED
    scripted.raising["reread"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.PREPARED
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert scripted.calls.count("draft") == 1
    assert hand.count_of(EntryType.PUBLICATION_INTENDED, publication) == 1


@pytest.mark.parametrize(("step", "error", "cause"), [
    ("prepare", PlatformRefused("no", "不行", "no"), "platform:no"),
    ("prepared", ReadBackDiffers("title"), "readback:title"),
    ("reread", PlatformRefused("no", "不行", "no"), "platform:no"),
])
async def test_a_definite_refusal_before_dispatch_abandons_and_clears(
    hand: House, scripted: Scripted, step: str, error: BaseException, cause: str,
) -> None:
    """A platform that says no, or shows something else, ends the intent; what was made there is deleted; the office may release again."""
    submission = await hand.submit(article(cover=hand.cover()), "news")
    publication = (await hand.release(submission))[0]
    scripted.raising[step] = error
    await hand.parts.gate.send(publication)
    found = hand.state.publications[publication]
    assert found.state is PublicationState.ABANDONED
    assert found.reason["cause"] == cause
    assert scripted.drafts == {}
    assert commits(scripted) == 0
    again = next(e.object for e in (await hand.sign("fang", submission, "release")).entries if e.type == EntryType.TOKEN_MINTED)
    await hand.parts.gate.send(again)
    assert hand.publication_state(again) is PublicationState.LIVE


async def test_a_draft_altered_on_the_platform_is_not_sent(hand: House, scripted: Scripted) -> None:
    """What is read again before dispatch must be what was read back; otherwise a person looks."""
    publication = await released(hand)
    async with sending_held(hand, scripted, publication):
        scripted.drafts["d1"] = "改过"
    assert hand.state.publications[publication].reason["cause"] == "altered_on_platform"
    assert commits(scripted) == 0
    assert scripted.drafts == {}


async def test_a_stop_during_preparation_clears_even_what_the_log_does_not_know(hand: House, scripted: Scripted) -> None:
    """The draft was made while the stop came in: its handle never reached the log, and it is deleted all the same."""
    publication = await released(hand)
    async with sending_held(hand, scripted, publication, "prepare", "intended"):
        await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    assert hand.publication_state(publication) is PublicationState.STOPPED
    assert scripted.drafts == {}
    assert commits(scripted) == 0
    await hand.parts.gate.send(publication)
    assert commits(scripted) == 0


async def test_a_stop_between_read_back_and_dispatch_wins(hand: House, scripted: Scripted) -> None:
    """Up to the very decision to dispatch a stop wins, and the draft goes."""
    publication = await released(hand)
    async with sending_held(hand, scripted, publication):
        await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    assert hand.publication_state(publication) is PublicationState.STOPPED
    assert (commits(scripted), scripted.drafts) == (0, {})


async def test_after_dispatch_a_stop_comes_too_late_and_says_so(hand: House, scripted: Scripted) -> None:
    """Once dispatched the answer is 「已在发送」."""
    publication = await released(hand)
    async with sending_held(hand, scripted, publication, "commit", "dispatched"):
        with pytest.raises(Denied) as denied:
            await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
        assert denied.value.code == "already_sending"
    assert hand.publication_state(publication) is PublicationState.LIVE


async def test_a_freeze_before_dispatch_holds_it_and_two_others_let_it_go(hand: House, scripted: Scripted) -> None:
    """Frozen between read-back and dispatch it waits prepared; thawed by two it goes on with the same draft."""
    publication = await released(hand)
    async with sending_held(hand, scripted, publication):
        frozen = await hand.do(c.Freeze(scope="channel", target=hand.channels["news"], reason=hand.parts.values.commit("舆情")), "fang", Grade.COUNTER)
    assert hand.publication_state(publication) is PublicationState.PREPARED
    assert hand.parts.gate.held_up(hand.state.publications[publication], hand.runner.now())
    await hand.parts.gate.send(publication)
    assert commits(scripted) == 0
    await hand.thaw(frozen.object)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert (commits(scripted), scripted.calls.count("draft")) == (1, 1)
    assert refusals(hand).count("frozen") == 1


async def test_the_same_token_again_is_refused_and_asks_nothing_of_the_platform(hand: House, scripted: Scripted) -> None:
    """A14: a second run of a publication that went out is `token_spent` before anything is loaded."""
    publication = await live(hand)
    calls = list(scripted.calls)
    await hand.parts.gate.send(publication)
    assert scripted.calls == calls
    assert refusals(hand) == ["token_spent"]
