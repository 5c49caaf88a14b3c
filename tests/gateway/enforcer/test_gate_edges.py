"""The gate's rarer turns: no credential in force, keys forgotten meanwhile, a change noticed twice, an outcome nobody asked for."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from gateway.connectors.base import Unknown
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import disk_held, live, released, replace
from vault.errors import SecretGone


async def test_a_channel_without_a_credential_opens_no_call(hand: House) -> None:
    """No credential in force: nothing is leased, and the custodians are named."""
    channel = dataclasses.replace(hand.state.channels[hand.channels["news"]], credential=None)
    with pytest.raises(Denied) as denied, hand.parts.gate.channel_call(channel, purpose="test"):
        pytest.fail("a call was opened")
    assert denied.value.code == "credential_missing"
    assert denied.value.ask == channel.custodians


async def test_keys_forgotten_meanwhile_open_no_call(hand: House) -> None:
    """A vault that was sealed between deciding and leasing leases nothing."""
    channel = hand.state.channels[hand.channels["news"]]
    await hand.lifecycle.seal("test")
    with pytest.raises(Denied) as denied, hand.parts.gate.channel_call(channel, purpose="test"):
        pytest.fail("a call was opened")
    assert denied.value.code == "vault_sealed"


async def test_keys_forgotten_during_a_call_end_nothing(hand: House, scripted: Scripted) -> None:
    """A lease that ends under a call, before anything went out, is waited for like a sealed vault: the intent stays and goes on later."""
    publication = await released(hand)
    scripted.raising["prepare"] = SecretGone()
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.INTENDED
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE


async def test_a_change_that_is_known_is_not_logged_again(hand: House, scripted: Scripted) -> None:
    """A second edit meets the same altered page: refused again, but the alteration is one entry."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    scripted.board["post1"] = "有人改过"
    await hand.parts.gate.send(edit)
    done = await hand.sign("fang", hand.state.publications[edit].submission, "release")
    again = next(entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED)
    await hand.parts.gate.send(again)
    assert hand.publication_state(again) is PublicationState.ABANDONED
    assert hand.count_of(EntryType.PUBLICATION_DRIFTED, first) == 1


async def test_an_outcome_of_what_was_never_sent_is_refused(hand: House) -> None:
    """What was not dispatched has no outcome, not even an unknown one."""
    publication = await released(hand)
    with pytest.raises(Denied) as denied:
        await hand.parts.gate.record(hand.state.publications[publication], Unknown(cause="test"))
    assert denied.value.code == "wrong_state"
    assert hand.publication_state(publication) is PublicationState.HELD


async def test_a_stop_that_is_decided_and_not_durable_yet_wins(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the stop's commit hangs at the disk the gate sends nothing; it ends once the stop is in the log."""
    publication = await released(hand)
    with disk_held(hand, monkeypatch):
        stopping = asyncio.create_task(hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER))
        while hand.runner.tip.publications[publication].state is not PublicationState.STOPPED:
            await asyncio.sleep(0)
        sending = asyncio.create_task(hand.parts.gate.send(publication))
        await asyncio.sleep(0.1)
        assert not sending.done()
        assert hand.publication_state(publication) is PublicationState.HELD
    await asyncio.gather(stopping, sending)
    assert hand.publication_state(publication) is PublicationState.STOPPED
    assert not scripted.board
