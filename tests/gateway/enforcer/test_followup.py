"""Timers: fixed times, windows that end, pending tasks, unknown ones settled by reading, and gaps in the clock."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.clock import Clock
from gateway.connectors.base import Absent, Live, Outcome, Pending, Settled, Undecided, Unknown
from gateway.enforcer.followup import next_poll
from gateway.machine.state import PublicationState, SubmissionState
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article, found_house, open_house
from tests.gateway.enforcer.scripted import Scripted


async def released(house: House, **over: object) -> str:
    """Submit, approve and release one article; return its publication."""
    return (await house.release(await house.submit(article(cover=house.cover()), "news", **over)))[0]


def later(**gap: float) -> Clock:
    """Return a clock whose wall stands later than the machine's, as after a stop."""
    return Clock(wall=lambda: time.time_ns() + timedelta(**gap) // timedelta(microseconds=1) * 1000)


async def staffed(folder: Path, scripted: Scripted, **over: object) -> str:
    """Found and staff a house, release one article that nothing sends yet, and close it."""
    founded = found_house(folder)
    async with open_house(folder, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "k"})
        await house.lifecycle._stop_timers()
        scheduled = over.get("minutes")
        fixed = instants.plus(house.runner.now(), 60 * float(str(scheduled))) if scheduled else None
        return await released(house, scheduled=fixed)


@pytest.mark.parametrize(("minutes", "state", "commits"), [(10, "held", 0), (21, "live", 1), (50, "missed", 0)])
async def test_a_fixed_time_is_kept_or_missed_never_made_up(
    tmp_path: Path, scripted: Scripted, minutes: float, state: str, commits: int,
) -> None:
    """Due in 20 minutes, started after 10, 21 or 50: waits, goes out, or 「错过定时」 and waits for a person."""
    publication = await staffed(tmp_path, scripted, minutes=20)
    async with open_house(tmp_path, {"wordpress": scripted}, clock=later(minutes=minutes)) as house:
        assert await house.until(publication, state) == state
        assert scripted.calls.count("commit") == commits


async def test_a_window_that_ended_meanwhile_sends_nothing(tmp_path: Path, scripted: Scripted) -> None:
    """Started again a week later, what was released is abandoned, and what was in review has expired."""
    publication = await staffed(tmp_path, scripted)
    async with open_house(tmp_path, {"wordpress": scripted}, clock=later(days=8)) as house:
        assert await house.until(publication, "abandoned") == "abandoned"
        assert house.state.publications[publication].reason["cause"] == "window_over"
        assert scripted.calls == []


async def test_a_start_behind_the_log_sends_nothing(tmp_path: Path, scripted: Scripted) -> None:
    """The wall clock lies before the log's last entry: held, and said as degraded."""
    from gateway.enforcer.status import status

    publication = await staffed(tmp_path, scripted)
    async with open_house(tmp_path, {"wordpress": scripted}, clock=later(hours=-1)) as house:
        await asyncio.sleep(0.6)
        assert house.publication_state(publication) is PublicationState.HELD
        assert status(house.parts)["state"] == "degraded"
        assert scripted.calls == []
        ats = [entry.at for entry in house.entries(EntryType.ENFORCER_STARTED)]
        assert ats == sorted(ats)


@pytest.mark.parametrize(("outcomes", "state"), [
    ([Pending(handle="h"), Pending(handle="h"), Live(id="post9", url="https://board.example/post9")], "live"),
    ([Pending(handle="h"), Unknown(cause="odd")], "absent"),
])
async def test_a_pending_task_is_followed_to_its_end(tmp_path: Path, scripted: Scripted, outcomes: list[Outcome], state: str) -> None:
    """Asked again until it says something; what says neither is read back."""
    publication = await staffed(tmp_path, scripted)
    scripted.outcomes = outcomes
    async with open_house(tmp_path, {"wordpress": scripted}) as house:
        assert await house.until(publication, state) == state
    assert scripted.calls.count("commit") == 1


@pytest.mark.parametrize(("settled", "state"), [
    (Live(id="post1", url="https://board.example/post1"), "live"), (Absent(how="gone"), "absent"), (Undecided(reason="x", again_after=None), "unknown"),
])
async def test_an_unknown_is_settled_by_reading_and_never_sent_again(
    tmp_path: Path, scripted: Scripted, settled: Settled, state: str,
) -> None:
    """What reading back says becomes the end; what it cannot say stays for two people, and can be looked at again at once."""
    publication = await staffed(tmp_path, scripted)
    scripted.outcomes, scripted.settled = [Unknown(cause="lost")], settled
    async with open_house(tmp_path, {"wordpress": scripted}) as house:
        assert await house.until(publication, state) == state
        if state == "unknown":
            before = scripted.calls.count("reconcile")
            while scripted.calls.count("reconcile") <= before:
                house.parts.followup.again(publication)
                await asyncio.sleep(0.05)
    assert scripted.calls.count("commit") == 1


async def test_a_submission_whose_window_ends_expires_by_itself(tmp_path: Path, scripted: Scripted) -> None:
    """The sweep ends it; nobody has to look."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "k"})
        submission = await house.submit(article(cover=house.cover()), "news")
    async with open_house(tmp_path, {"wordpress": scripted}, clock=later(days=8)) as house:
        async with asyncio.timeout(20):
            while house.state.submissions[submission].state is not SubmissionState.EXPIRED:
                await asyncio.sleep(0.05)


def test_polls_grow_sparser_and_then_repeat() -> None:
    """30 s, 2, 5, 15, 60 min, then hourly; after a restart one look, not five at once."""
    schedule = (30, 120, 300, 900, 3600)
    points, last = [], 0.0
    for _ in range(7):
        last = next_poll(schedule, last)
        points.append(last)
    assert points == [30, 120, 300, 900, 3600, 7200, 10800]
    assert next_poll(schedule, 5000) == 7200
