"""The gate while an author takes back the rest: a send that is under way goes to its end, and nothing that was released is waived."""

from __future__ import annotations

from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import commits, refusals, sending_held
from tests.gateway.enforcer.test_gate_waits import STRICTER


async def two_released(house: House) -> tuple[str, str]:
    """Release on two channels and stop the second, which waits again from then on; return submission and the first's publication."""
    await house.add_channel("second", "wordpress", "board2", {"key": "k"})
    submission = await house.submit(article(cover=house.cover()), "news", "second")
    first, second = await house.release(submission)
    await house.do(c.Stop(publication=second), "fang", Grade.COUNTER)
    return submission, first


async def recall(house: House, submission: str) -> None:
    """Take back what waits, as the desk asks for it."""
    await house.do(c.Recall(submission=submission), "lu", Grade.DESK)


async def test_a_recall_in_the_middle_of_a_send_does_not_touch_it(hand: House, scripted: Scripted) -> None:
    """Between read-back and licence the author takes back the other channel: one commit, it is live, and the rest stays taken back."""
    submission, publication = await two_released(hand)
    async with sending_held(hand, scripted, publication):
        await recall(hand, submission)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert commits(scripted) == 1
    found = hand.state.submissions[submission]
    assert (found.state.value, hand.state.open_stages(found)) == ("recalled", [])
    assert hand.entries(EntryType.SUBMISSION_RECALLED)[-1].data["channels"] == [hand.channels["second"]]


async def test_a_stricter_table_ends_what_is_held_after_a_recall(hand: House, scripted: Scripted) -> None:
    """The gate refuses and ends it, deletes the draft on the platform, and puts nothing back into review that its author took back."""
    submission, publication = await two_released(hand)
    async with sending_held(hand, scripted, publication):
        await recall(hand, submission)
        hand.runner.rules = STRICTER
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert hand.state.publications[publication].reason["cause"] == "rerouted"
    assert hand.state.submissions[submission].state.value == "recalled"
    await hand.parts.gate.send(publication)  # attack: the old token again
    assert (commits(scripted), scripted.drafts, scripted.board) == (0, {}, {})
    assert refusals(hand)[0] == "rerouted"
    assert hand.entries(EntryType.SUBMISSION_REROUTED) == []
