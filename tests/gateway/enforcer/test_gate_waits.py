"""What the gate meets on its way that is nobody's fault: a table that asks for more than it did, and days on which nothing goes out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office, PublicationState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article, found_house, open_house
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import commits, disk_held, live, refusals, released, replace, sending_held
from vault.slots import SlotSecret

STRICTER = (*RULES, Rule("R14", "level:company", (("approve", ((Office.BRAND_PR_HEAD, "group"),)),), "", ""))
ADDED = "approve:brand_pr_head"


async def blackout(house: House, **over: str) -> str:
    """Set a blackout of a day on all channels by two people."""
    data = {"scope": "all", "kind": "mourning", "start": house.runner.now(), "end": instants.plus(house.runner.now(), 86_400),
            "reason": house.parts.values.commit("国家公祭日"), **over}
    await house.change(Change(type=EntryType.BLACKOUT_SET, object="blk_test0001", data=data))
    return "blk_test0001"


async def lift(house: House, identifier: str) -> None:
    """Lift it by two."""
    await house.change(Change(type=EntryType.BLACKOUT_LIFTED, object=identifier, data={}))


def waits_for(house: House, publication: str) -> list[str]:
    """Return the stages that a publication's submission waits for."""
    state = house.state
    return [stage.id for stage in state.open_stages(state.submissions[state.publications[publication].submission])]


async def test_a_table_that_asks_for_more_sends_it_back_and_kills_the_token(hand: House, scripted: Scripted) -> None:
    """Nothing is sent; the added step's people are asked, what was approved stands, the old token is refused, the new one goes out."""
    publication = await released(hand)
    submission = hand.state.publications[publication].submission
    hand.runner.rules = STRICTER
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert hand.state.publications[publication].reason["cause"] == "rerouted"
    assert [stage.partition(":unit")[0] for stage in waits_for(hand, publication)] == [ADDED]
    assert hand.entries(EntryType.SUBMISSION_REROUTED)[-1].data["asked_by"] == "send"
    await hand.parts.gate.send(publication)  # attack: the old token again
    assert refusals(hand) == ["rerouted", "token_spent"]
    assert scripted.calls == []
    await hand.sign("fang2", submission, "approve")
    done = await hand.sign("fang", submission, "release")
    again = next(entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED)
    await hand.parts.gate.send(again)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(again) is PublicationState.LIVE
    assert commits(scripted) == 1


async def test_what_was_prepared_is_cleared_when_it_is_sent_back(hand: House, scripted: Scripted) -> None:
    """The table changes between read-back and dispatch: no licence, and the draft on the platform is deleted."""
    publication = await released(hand)
    async with sending_held(hand, scripted, publication):
        hand.runner.rules = STRICTER
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert hand.count_of(EntryType.PUBLICATION_DISPATCHED, publication) == 0
    assert (scripted.drafts, scripted.board) == ({}, {})


async def test_a_re_route_that_is_decided_and_not_durable_yet_wins(
    hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While its commit hangs at the disk the gate goes no further; once it is in the log the draft is cleared."""
    publication = await released(hand)
    submission = hand.state.publications[publication].submission
    stopped = await blackout_at_dispatch(hand, scripted, publication)
    with disk_held(hand, monkeypatch):
        hand.runner.rules = STRICTER
        asking = asyncio.create_task(hand.runner.system(c.Reroute(submission=submission, asked_by="start")))
        while hand.runner.tip.publications[publication].state is not PublicationState.ABANDONED:
            await asyncio.sleep(0)
        sending = asyncio.create_task(hand.parts.gate.send(publication))
        await asyncio.sleep(0.1)
        assert not sending.done()
        assert hand.publication_state(publication) is PublicationState.PREPARED
    await asyncio.gather(asking, sending)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert (scripted.drafts, scripted.board, stopped) == ({}, {}, "blk_test0001")


async def blackout_at_dispatch(house: House, scripted: Scripted, publication: str) -> str:
    """Bring a publication to where its draft stands and a blackout keeps it from being sent."""
    async with sending_held(house, scripted, publication):
        identifier = await blackout(house)
    assert house.publication_state(publication) is PublicationState.PREPARED
    return identifier


async def test_a_blackout_holds_it_up_and_lets_it_go(hand: House, scripted: Scripted) -> None:
    """Set between read-back and dispatch it waits, refused once; lifted by two, the same draft goes out with the same token."""
    publication = await released(hand)
    identifier = await blackout_at_dispatch(hand, scripted, publication)
    found = hand.state.publications[publication]
    assert hand.parts.gate.held_up(found, hand.runner.now())
    assert not hand.parts.gate.held_up(found, instants.plus(hand.runner.now(), 2 * 86_400))
    await hand.parts.gate.send(publication)
    assert (commits(scripted), refusals(hand)) == (0, ["blackout"])
    await lift(hand, identifier)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert (commits(scripted), scripted.calls.count("draft")) == (1, 1)


async def test_a_blackout_does_not_keep_anything_up(hand: House, scripted: Scripted) -> None:
    """While it lasts an edit waits, and a withdrawal of the same thing goes through."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    await blackout(hand, scope="channel", target=hand.channels["news"])
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.HELD
    await hand.do(c.Stop(publication=edit), "lu", Grade.COUNTER)
    down = await replace(hand, first, "withdraw")
    await hand.parts.gate.send(down)
    assert hand.publication_state(down) is PublicationState.GONE
    assert scripted.board == {}


async def test_timers_wait_for_the_end_of_a_blackout(tmp_path: Path, scripted: Scripted) -> None:
    """What was released meanwhile is not even tried; lifted, it goes out by itself."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "k"})
        identifier = await blackout(house)
        publication = await released(house)
        await asyncio.sleep(0.6)
        assert house.publication_state(publication) is PublicationState.HELD
        assert (scripted.calls, refusals(house)) == ([], [])
        await lift(house, identifier)
        assert await house.until(publication, "live") == "live"


async def test_a_start_asks_a_new_table_about_everything_under_way(tmp_path: Path, scripted: Scripted) -> None:
    """After an upgrade with another table: what lacks a step is sent back, its draft is cleared, what is complete is left alone."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "k"})
        await house.add_channel("own", "wordpress", "board2", {"key": "k"}, level="own")
        await house.lifecycle._stop_timers()
        prepared = await released(house)
        await blackout_at_dispatch(house, scripted, prepared)
        waiting = await house.submit(article(title="在审"), "news")
        own = await house.submit(article(title="自有"), "own")
        with pytest.raises(Denied):  # with today's table nothing is missing
            await house.runner.system(c.Reroute(submission=waiting, asked_by="start"))
    assert len(scripted.drafts) == 1
    async with open_house(tmp_path, {"wordpress": scripted}, unseal=False) as house:
        house.runner.rules = STRICTER
        assert house.parts.settings.key_file is not None
        await house.lifecycle.unseal(SlotSecret.from_key_file(house.parts.settings.key_file))
        assert await house.until(prepared, "abandoned") == "abandoned"
        async with asyncio.timeout(10):
            while scripted.drafts or len(house.entries(EntryType.SUBMISSION_REROUTED)) < 2:
                await asyncio.sleep(0.01)
        found = {entry.object: entry.data for entry in house.entries(EntryType.SUBMISSION_REROUTED)}
        assert set(found) == {house.state.publications[prepared].submission, waiting}
        assert {data["asked_by"] for data in found.values()} == {"start"}
        assert house.state.submissions[own].policy != house.state.submissions[waiting].policy
    assert scripted.board == {}
