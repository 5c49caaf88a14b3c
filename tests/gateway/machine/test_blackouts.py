"""Blackout days: set and lifted by two; publishing and editing wait, taking down never does; known before anyone submits."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.machine import blackouts
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import GROUP, WINDOW, Company, denied, dump, replay, text_digest

HOUR = 3_600


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def test_two_people_set_and_lift_it(company: Company) -> None:
    """What was set stands in the state as it was written; lifted, it is gone; both are two people's."""
    blackout = company.blackout("channel", "ch_web", kind="earnings")
    found = company.state.blackouts[blackout]
    assert dump(found) == {
        "id": blackout, "scope": "channel", "target": "ch_web", "kind": "earnings", "start": company.at, "by": "he",
        "end": instants.plus(company.at, 24 * HOUR), "reason": text_digest("国家公祭日")}
    company.lift(blackout)
    assert company.state.blackouts == {}
    with denied("two_people_needed"):
        company.confirm(company.propose("xu", change(company)), "xu")
    for person in ("fang", "gu", "lu", "shen"):
        with denied("not_governor"):
            company.propose(person, change(company))


def change(company: Company, *, without: str = "", **over: Any) -> Change:
    """Return the change that sets a blackout of a day, from now on, everywhere."""
    data = {"scope": "all", "kind": "mourning", "start": company.at, "end": instants.plus(company.at, 24 * HOUR), "reason": text_digest("r"), **over}
    data.pop(without, None)
    return Change(type=EntryType.BLACKOUT_SET, object="blk_1", data=data)


def test_what_a_blackout_must_say(company: Company) -> None:
    """Each field is there and right, its end lies ahead, its id is new; else nothing is proposed."""
    bad: list[dict[str, Any]] = [
        {"scope": "submission"}, {"scope": "unit", "target": "unit_none"}, {"scope": "channel", "target": "ch_none"}, {"scope": "channel"},
        {"scope": "all", "target": "ch_web"}, {"kind": "holiday"}, {"start": "tomorrow"}, {"end": "later"}, {"reason": "because"},
        {"end": company.at}, {"start": instants.plus(company.at, -7_200), "end": company.at},
        {"start": instants.plus(company.at, 7_200), "end": instants.plus(company.at, 7_200)}, {"target": ["ch_web"], "scope": "channel"},
        {"target": None}, {"note": "more"}, *({"without": name} for name in ("scope", "kind", "start", "end", "reason")),
    ]
    for over in bad:
        with denied("change_invalid"):
            company.propose("xu", change(company, **over))
    company.change("xu", "he", change(company, start=instants.plus(company.at, -HOUR), scope="unit", target="unit_travel"))
    with denied("change_invalid"):
        company.propose("xu", change(company))
    with denied("change_invalid"):
        company.propose("xu", change(company), change(company))


def test_only_what_still_runs_is_lifted(company: Company) -> None:
    """An unknown one, one that is over, and one with anything to say beside it are not lifted."""
    blackout = company.blackout(hours=1)
    for thing, data in (("blk_none", {}), (blackout, {"why": "x"})):
        with denied("change_invalid"):
            company.propose("xu", Change(type=EntryType.BLACKOUT_LIFTED, object=thing, data=data))
    company.wait(HOUR)
    with denied("change_invalid"):
        company.lift(blackout)


def test_publishing_and_editing_wait_and_taking_down_passes(company: Company) -> None:
    """Spend and dispatch are refused with the end of the blackout; a withdrawal and an emergency withdrawal go through."""
    live, other, held = company.live("ch_web"), company.live("ch_wechat"), company.released("ch_web")[0]
    intended = company.released("ch_wechat")[0]
    edit = company.takedown("lu", live, "edit")
    company.approve("gu", edit)
    edited = company.release("fang", edit)[0]
    company.spend(intended)
    blackout = company.blackout(hours=2)
    end = company.state.blackouts[blackout].end
    for act in (lambda: company.spend(held), lambda: company.dispatch(intended), lambda: company.spend(edited)):
        with denied("blackout") as caught:
            act()
        assert caught.value.more == {"until": end}
        assert caught.value.detail in {"ch_web", "ch_wechat"}
    down = company.takedown("lu", other)
    company.approve("gu", down)
    company.send(company.release("fang", down)[0], "gone")
    company.do(c.Stop(publication=edited), "fang")
    company.send(company.emergency("xu", live), "gone")
    company.at = instants.plus(end, -0.001)
    with denied("blackout"):
        company.spend(held)
    company.at = end
    company.send(held)
    company.dispatch(intended)


def test_lifted_early_it_goes_out(company: Company) -> None:
    """What waited is sent as soon as two people have lifted it; the token is the same."""
    held = company.released("ch_web")[0]
    blackout = company.blackout()
    with denied("blackout"):
        company.spend(held)
    company.lift(blackout)
    company.send(held)


def test_one_that_has_not_begun_stops_nothing(company: Company) -> None:
    """Up to its first instant everything goes out."""
    held, late = company.released("ch_web")[0], company.released("ch_wechat")[0]
    blackout = company.blackout(start=1)
    company.send(held)
    company.at = company.state.blackouts[blackout].start
    with denied("blackout"):
        company.spend(late)


@pytest.mark.parametrize(("scope", "target", "covered"), [
    ("all", "", {"ch_web", "ch_irrigation", "ch_travel"}), ("channel", "ch_web", {"ch_web"}),
    ("unit", "unit_travel", {"ch_travel"}), ("unit", "unit_irrigation", {"ch_web", "ch_irrigation", "ch_travel"}),
    ("unit", "unit_irrigation_general", {"ch_web", "ch_irrigation", "ch_travel"}), ("unit", GROUP, {"ch_web", "ch_irrigation", "ch_travel"}),
    ("unit", "unit_it", set()),
])
def test_what_a_scope_covers(company: Company, scope: str, target: str, covered: set[str]) -> None:
    """A channel covers itself; a unit what it sends, and what is sent on a channel it owns, with all that lies below it."""
    company.blackout(scope, target)
    state, at = company.state, company.at
    found = {ch for ch in ("ch_web", "ch_irrigation", "ch_travel")
             if blackouts.covering(state, "unit_irrigation_general", ch, "publish", at)}
    assert found == covered
    assert not blackouts.covering(state, "unit_irrigation_general", "ch_web", "withdraw", at)


def test_days_in_a_row_are_one(company: Company) -> None:
    """The earliest time is after the last of those that follow upon each other, and not after a gap; of two at once the longer counts."""
    company.blackout(hours=1)
    company.blackout(hours=2)
    company.blackout(start=2, hours=3)
    company.blackout("channel", "ch_wechat", start=5, hours=1)
    company.blackout(start=9, hours=1)
    over = [blackouts.over(company.state, "unit_irrigation", channel, "publish", company.at) for channel in ("ch_web", "ch_wechat")]
    assert over == [instants.plus(company.at, 5 * HOUR), instants.plus(company.at, 6 * HOUR)]
    free = instants.plus(company.at, 7 * HOUR)
    assert blackouts.over(company.state, "unit_irrigation", "ch_web", "publish", free) == free
    assert blackouts.over(company.state, "unit_irrigation", "ch_web", "withdraw", company.at) == company.at


def test_a_submission_that_could_never_go_out_is_not_taken(company: Company) -> None:
    """A fixed time inside, and a window that lies wholly inside, are refused when handed in; what can still go out afterwards is taken."""
    blackout = company.blackout(hours=24)
    end = company.state.blackouts[blackout].end
    for over in ({"scheduled": instants.plus(company.at, HOUR)}, {"window_to": end}, {"window_to": instants.plus(end, -1)},
                 {"scheduled": instants.plus(company.at, -HOUR)}):
        with denied("blackout") as caught:
            company.submit("lu", "ch_web", **over)
        assert (caught.value.detail, caught.value.more) == ("ch_web", {"until": end})
        assert caught.value.ask == (company.state.blackouts[blackout].by,)
    company.submit("lu", "ch_web", window_to=instants.plus(end, 0.001))
    company.submit("lu", "ch_web", scheduled=end)
    company.blackout("channel", "ch_wechat", start=24, hours=24 * 5)
    with denied("blackout") as caught:
        company.submit("lu", "ch_web", "ch_wechat", window_to=WINDOW)
    assert caught.value.detail == "ch_wechat"


def test_a_fixed_time_that_met_a_blackout_is_missed(company: Company) -> None:
    """Set after the release, a blackout holds a fixed time up; more than 15 minutes later a person decides."""
    held = company.released("ch_web", scheduled=instants.plus(company.at, 60))[0]
    company.blackout(hours=1)
    with denied("blackout"):
        company.spend(held)
    company.wait(HOUR)
    with denied("schedule_missed"):
        company.spend(held)
    company.system(c.Miss(publication=held))


def test_those_that_are_over_are_forgotten(company: Company) -> None:
    """The next one that is set clears what has ended, and keeps what has not."""
    over, runs = company.blackout(hours=1), company.blackout(hours=2)
    company.wait(HOUR)
    new = company.blackout()
    assert list(company.state.blackouts) == [runs, new]
    assert over not in company.state.blackouts
    assert dump(replay(company.entries)) == dump(company.state)
