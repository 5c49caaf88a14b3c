"""The gate, steps 6 to 8: the licence, the one call and its outcome; edits and withdrawals."""

from __future__ import annotations

import pytest

from gateway.connectors.base import Live, Outcome, Pending, PlatformRefused, Rejected, Unknown
from gateway.enforcer.gate import outcome_data
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import EMERGENCY_LABEL, list_digest
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import commits, live, lose, refusals, released, replace

# ---- steps 6 to 8


async def test_a_late_licence_is_not_used(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the 30 seconds are over before the call, nothing is sent and it ends as refused."""
    publication = await released(hand)
    gate, submit = hand.parts.gate, hand.runner.system

    async def slow(command: object) -> object:
        done = await submit(command)
        if isinstance(command, c.Dispatch):
            real = hand.runner.clock._boot
            monkeypatch.setattr(hand.runner.clock, "_boot", lambda: real() + 31_000_000_000)
            wall = hand.runner.clock._wall
            monkeypatch.setattr(hand.runner.clock, "_wall", lambda: wall() + 31_000_000_000)
        return done

    monkeypatch.setattr(hand.runner, "system", slow)
    await gate.send(publication)
    found = hand.state.publications[publication]
    assert found.state is PublicationState.REJECTED
    assert {name: found.reason[name] for name in ("code", "zh", "en")} == {
        "code": "too_late", "zh": "发送许可已过 30 秒，未发送", "en": "The licence to send was over; nothing was sent"}
    assert commits(scripted) == 0


async def test_a_licence_is_over_at_its_last_instant(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after means not at either: at exactly 30 seconds nothing is sent."""
    publication, submit = await released(hand), hand.runner.system

    async def slow(command: object) -> object:
        done = await submit(command)
        if isinstance(command, c.Dispatch):
            monkeypatch.setattr(hand.runner, "now", lambda: done.entries[-1].data["not_after"])
        return done

    monkeypatch.setattr(hand.runner, "system", slow)
    await hand.parts.gate.send(publication)
    assert hand.state.publications[publication].reason["code"] == "too_late"
    assert commits(scripted) == 0


@pytest.mark.parametrize(("error", "cause"), [(RuntimeError("boom"), "error:RuntimeError"), (TimeoutError(), "deadline")])
async def test_whatever_the_one_call_raises_is_unknown_and_never_repeated(
    hand: House, scripted: Scripted, error: BaseException, cause: str,
) -> None:
    """After DISPATCHED an exception means that nobody knows."""
    publication = await released(hand)
    scripted.raising["commit"] = error
    await hand.parts.gate.send(publication)
    found = hand.state.publications[publication]
    assert (found.state, found.reason["cause"]) == (PublicationState.UNKNOWN, cause)
    await hand.parts.gate.send(publication)
    assert commits(scripted) == 1


@pytest.mark.parametrize(("outcome", "state"), [
    (Live(id="x", url="https://board.example/\ud800"), PublicationState.UNKNOWN),
    (Live(id="x", url="javascript:alert(1)//https://board.example/"), PublicationState.LIVE),
    (Rejected(code="no", zh="不", en="no"), PublicationState.REJECTED),
    (Unknown(cause="lost"), PublicationState.UNKNOWN),
    (Pending(handle="h1"), PublicationState.PENDING),
])
async def test_each_outcome_is_logged_and_one_that_cannot_be_is_unknown(
    hand: House, scripted: Scripted, outcome: Outcome, state: PublicationState,
) -> None:
    """Every answer becomes an entry; an address that is no text becomes UNKNOWN, not an exception; one that is no web address is left out."""
    publication = await released(hand)
    scripted.outcomes = [outcome]
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is state
    assert outcome_data(outcome)[0] in {"live", "rejected", "unknown", "pending"}
    assert hand.state.publications[publication].url == ""


async def test_what_is_live_is_compared_once_more(hand: House, scripted: Scripted) -> None:
    """A page that shows something else than was approved is live, and drifted; one that cannot be read says nothing."""
    publication = await released(hand)
    scripted.outcomes = [Live(id="elsewhere", url="https://board.example/elsewhere")]
    await hand.parts.gate.send(publication)
    assert hand.state.publications[publication].drift
    assert hand.count_of(EntryType.PUBLICATION_DRIFTED, publication) == 1
    other = await released(hand, title="二")
    scripted.raising["observe"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(other)
    assert not hand.state.publications[other].drift


# ---- edits and withdrawals



async def test_an_edit_replaces_what_is_live_under_its_own_token(hand: House, scripted: Scripted) -> None:
    """An edit needs its own route and changes the same post."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.LIVE
    assert hand.publication_state(first) is PublicationState.REPLACED
    assert scripted.board == {"post1": "更正之后"}


async def test_an_edit_of_something_altered_is_refused(hand: House, scripted: Scripted) -> None:
    """B18: what is live was changed by hand: the edit names something else, so it ends, and the change is an entry."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    scripted.board["post1"] = "有人改过"
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.ABANDONED
    assert refusals(hand) == ["previous_changed"]
    assert hand.count_of(EntryType.PUBLICATION_DRIFTED, first) == 1
    assert scripted.board == {"post1": "有人改过"}


@pytest.mark.parametrize(("transient", "state"), [(True, PublicationState.INTENDED), (False, PublicationState.ABANDONED)])
async def test_an_edit_whose_original_cannot_be_read_waits_or_ends(
    hand: House, scripted: Scripted, transient: bool, state: PublicationState,
) -> None:
    """No look at the original, no edit."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    scripted.raising["observe"] = PlatformRefused("x", "x", "x", transient=transient)
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is state
    assert commits(scripted) == 1


async def test_an_edit_whose_originals_template_is_lost_is_refused(hand: House) -> None:
    """What was approved before must still be there to compare with."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    lose(hand, hand.state.publications[first].template)
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.ABANDONED


async def test_two_edits_of_one_thing_cannot_both_go(hand: House, scripted: Scripted) -> None:
    """B17: the second edit names what is no longer live: it is refused at release or at dispatch, never sent."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    submission = await hand.submit(article(title="另一版", cover=hand.cover()), "news", operation="edit", previous=first)
    await hand.sign("gu", submission, "approve")
    with pytest.raises(Denied) as denied:
        await hand.sign("fang", submission, "release")
    assert denied.value.code == "previous_changed"
    await hand.parts.gate.send(edit)
    assert scripted.board == {"post1": "更正之后"}


async def emergency(house: House, publication: str) -> str:
    """Take something down by one brand & PR head; return the withdrawal's publication."""
    template = house.template(house.channels["news"], None, "withdraw", publication)
    command = c.EmergencyWithdraw(
        publication=publication, template=template, reason=house.parts.values.commit("失实"),
        window_to=instants.plus(house.runner.now(), 3600),
        proof=house.proof("fang2", list_digest(EMERGENCY_LABEL, [(template, publication)])))
    done = await house.do(command, "fang2", Grade.PROOF)
    return next(entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED)


async def test_a_withdrawal_takes_down_and_a_freeze_stops_only_the_ordinary_one(hand: House, scripted: Scripted) -> None:
    """Frozen: the ordinary withdrawal waits, the emergency one passes; nothing is live afterwards."""
    first, second = await live(hand), None
    ordinary = await replace(hand, first, "withdraw")
    await hand.do(c.Freeze(scope="all", target="", reason=hand.parts.values.commit("舆情")), "fang", Grade.COUNTER)
    await hand.parts.gate.send(ordinary)
    assert hand.publication_state(ordinary) is PublicationState.HELD
    second = await emergency(hand, first)
    await hand.parts.gate.send(second)
    assert hand.publication_state(second) is PublicationState.GONE
    assert hand.publication_state(first) is PublicationState.WITHDRAWN
    assert scripted.board == {}


async def test_what_somebody_altered_is_taken_down_without_being_compared(hand: House, scripted: Scripted) -> None:
    """An edit asks first whether the page still is what was approved; a withdrawal does not: what is wrong there is what has to go."""
    first = await live(hand)
    withdrawal = await replace(hand, first, "withdraw")
    scripted.board["post1"] = "有人改过"
    asked = scripted.calls.count("observe")
    await hand.parts.gate.send(withdrawal)
    assert hand.publication_state(withdrawal) is PublicationState.GONE
    assert scripted.board == {}
    assert scripted.calls.count("observe") == asked
