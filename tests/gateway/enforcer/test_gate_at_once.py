"""The gate where nothing is made before the one call: steps 4 and 6 in one decision and one commit (docs/adr/0022)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.connectors.base import PlatformRefused
from gateway.log.writer import Commit
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import commits, live, refusals, released, replace, sending_held


@pytest.fixture(autouse=True)
def direct(scripted: Scripted) -> Scripted:
    """A platform without drafts."""
    scripted.drafting = False
    return scripted


async def test_it_goes_straight_to_the_call(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Token spent and licence given are two entries of one commit whose copy is durable; there is no PREPARED; what is live is compared."""
    publication = await released(hand)
    batches: list[tuple[list[str], bool]] = []
    writer = hand.runner._writer
    assert writer is not None
    real = writer.commit

    def seen(bodies: Sequence[bytes], *, sync: bool = False, **more: Any) -> Commit:
        batches.append(([kind for body in bodies for kind in ("intended", "prepared", "dispatched", "live") if f"publication.{kind}".encode() in body], sync))
        assert "commit" not in scripted.calls or batches[-1][0] == ["live"]
        return real(bodies, sync=sync, **more)

    monkeypatch.setattr(writer, "commit", seen)
    await hand.parts.gate.send(publication)
    assert batches == [(["intended", "dispatched"], True), (["live"], False)]
    assert scripted.calls == ["prepare", "prepared", "commit", "observe"]
    assert hand.publication_state(publication) is PublicationState.LIVE


async def test_what_differs_on_the_platform_is_drift(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not read back before is compared at least afterwards."""
    monkeypatch.setattr(scripted, "observe", lambda *_args: asyncio.sleep(0, False))
    publication = await released(hand)
    await hand.parts.gate.send(publication)
    assert hand.state.publications[publication].drift


async def test_two_hundred_at_once_send_once(hand: House, scripted: Scripted) -> None:
    """One token, two hundred sends: one call."""
    publication = await released(hand)
    await asyncio.gather(*(hand.parts.gate.send(publication) for _ in range(200)))
    assert (commits(scripted), hand.count_of(EntryType.PUBLICATION_DISPATCHED, publication)) == (1, 1)


async def test_a_stop_while_the_platform_is_asked_wins(hand: House, scripted: Scripted) -> None:
    """The last word is the decision: stopped, frozen or suspended while the connector reads, nothing is spent and nothing sent."""
    stopped, suspended, frozen = [await released(hand, title=title) for title in "一二三"]
    async with sending_held(hand, scripted, stopped, step="prepared", state="held"):
        await hand.do(c.Stop(publication=stopped), "lu", Grade.COUNTER)
    async with sending_held(hand, scripted, frozen, step="prepared", state="held"):
        await hand.do(c.Freeze(scope="channel", target=hand.channels["news"], reason=hand.parts.values.commit("核查")), "xu", Grade.COUNTER)
    async with sending_held(hand, scripted, suspended, step="prepared", state="held"):
        await hand.change(Change(type=EntryType.PERSON_SUSPENDED, object=hand.people["lu"], data={"cause": hand.parts.values.commit("查处")}))
    assert [hand.publication_state(one) for one in (stopped, frozen)] == [PublicationState.STOPPED, PublicationState.HELD]
    assert commits(scripted) == 0
    assert not hand.state.spent
    assert not list(hand.entries(EntryType.PUBLICATION_INTENDED))


async def test_a_platform_that_is_busy_leaves_the_token_unspent(hand: House, scripted: Scripted) -> None:
    """A refusal that passes by itself is waited for; one that does not ends the release, with the platform's words."""
    busy, wrong = await released(hand, title="一"), await released(hand, title="二")
    scripted.raising["prepare"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(busy)
    assert hand.publication_state(busy) is PublicationState.HELD
    await hand.parts.gate.send(busy)
    assert hand.publication_state(busy) is PublicationState.LIVE
    scripted.raising["prepare"] = PlatformRefused("wrong_account", "不是本账号", "another account")
    await hand.parts.gate.send(wrong)
    ended = hand.state.publications[wrong]
    assert (ended.state, ended.reason["cause"], ended.reason["words"]["zh"]) == (PublicationState.ABANDONED, "platform:wrong_account", "不是本账号")
    assert (commits(scripted), ended.jti in hand.state.spent) == (1, False)


async def test_an_edit_asks_first_what_stands(hand: House, scripted: Scripted) -> None:
    """What the edit replaces was altered by hand: refused before the token is spent."""
    publication = await live(hand)
    edit = await replace(hand, publication, "edit")
    scripted.board[hand.state.publications[publication].remote_id] = "改过"
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.ABANDONED
    assert (commits(scripted), "previous_changed" in refusals(hand)) == (1, True)


async def test_an_intent_of_an_earlier_version_goes_on(hand: House, scripted: Scripted) -> None:
    """A token that was spent alone, before a crash or by an earlier version, is dispatched by itself."""
    publication = await released(hand)
    known = hand.state.publications[publication]
    await asyncio.sleep(max(0.0, instants.seconds_between(hand.runner.now(), known.not_before)))
    await hand.runner.system(c.Spend(
        publication=publication, jti=known.jti, epoch=known.epoch, operation=known.operation, channel=known.channel,
        credential_version=known.credential, content=known.content, template=known.template, previous=None,
    ))
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert commits(scripted) == 1


async def test_a_connector_that_makes_something_all_the_same_is_refused(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft of a connector that said it makes none has no intent to stand under: nothing is sent, and the draft is deleted."""
    scripted.drafting = True
    monkeypatch.setattr(scripted, "prepares", lambda _operation: False)
    publication = await released(hand)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert (commits(scripted), scripted.drafts) == (0, {})
