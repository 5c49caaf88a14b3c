"""The gate's door: sealed or behind, calls in flight, one commit a channel, clearing up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.canonical import Digest
from gateway.connectors.base import Outcome, PlatformRefused
from gateway.enforcer.gate import where
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.denials import Denied
from tests.gateway.enforcer.house import House
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import commits, live, released


async def test_while_sealed_or_behind_nothing_is_asked_of_the_platform(
    hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock behind the log, and a sealed vault, make it wait; nothing is logged, nothing is lost."""
    publication = await released(hand)
    with monkeypatch.context() as patched:
        patched.setattr(type(hand.runner.clock), "behind", property(lambda _self: True))
        await hand.parts.gate.send(publication)
    await hand.lifecycle.seal("test")
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.HELD
    assert scripted.calls == []


async def test_the_clock_falling_behind_before_dispatch_stops_it(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is asked again at the last moment."""
    publication = await released(hand)
    answers = iter([False, True])
    monkeypatch.setattr(type(hand.runner.clock), "behind", property(lambda _self: next(answers, True)))
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.PREPARED
    assert commits(scripted) == 0


async def test_sealing_waits_for_the_call_in_flight(hand: House, scripted: Scripted) -> None:
    """A seal during the one call lets it end and be logged; only then the keys go."""
    scripted.slow["commit"] = 0.3
    publication = await released(hand)
    hand.lifecycle._timers = asyncio.create_task(hand.parts.followup.run())
    await hand.until(publication, "dispatched")
    await hand.lifecycle.seal("test")
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert hand.parts.vault.sealed


async def test_one_commit_a_channel_at_a_time(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten publications of one channel never overlap in their one call."""
    scripted.slow["commit"] = 0.01
    inside: list[int] = []
    real: Callable[..., Awaitable[Outcome]] = scripted.commit
    running = 0

    async def counted(*arguments: object) -> Outcome:
        nonlocal running
        running += 1
        inside.append(running)
        try:
            return await real(*arguments)
        finally:
            running -= 1

    monkeypatch.setattr(scripted, "commit", counted)
    publications = [await released(hand, title=f"第{n}篇") for n in range(5)]
    await asyncio.gather(*(hand.parts.gate.send(publication) for publication in publications))
    assert inside == [1] * 5
    assert len(scripted.board) == 5


async def test_clearing_that_fails_is_only_said(hand: House, scripted: Scripted) -> None:
    """A platform that cannot be reached while cleaning up changes nothing about the end."""
    publication = await released(hand)
    scripted.raising["prepared"] = Denied("frozen")
    scripted.raising["abandon"] = PlatformRefused("down", "x", "x")
    await hand.parts.gate.send(publication)
    await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    await hand.parts.gate.clear(hand.state.publications[publication])
    assert hand.publication_state(publication) is PublicationState.STOPPED


def test_where_names_file_and_line_only() -> None:
    """The place of an error holds neither its message nor a value."""
    with pytest.raises(ValueError, match="canary") as raised:
        int("canary")
    assert where(raised.value).startswith("test_gate_door.py:")
    assert where(ValueError("x")) == ""


async def test_the_digest_type_of_a_prepared_publication(hand: House) -> None:
    """The log's handles, filled digest and snapshot come back as they were prepared."""
    from gateway.enforcer.gate import prepared_of

    publication = hand.state.publications[await live(hand)]
    prepared = prepared_of(publication)
    assert prepared.handles == {"draft": "d1"}
    assert prepared.snapshot.startswith("sha256:")
    assert Digest(publication.filled) == prepared.filled
