"""Who waits for what: worked out when it is asked for, and the same whenever that is."""

from __future__ import annotations

from gateway import machine
from gateway.machine.state import State
from gateway.protocol import commands as c
from gateway.protocol.commands import Grade
from gateway.protocol.entries import Entry
from tests.gateway.machine.company import Company, queues


def replayed(entries: list[Entry], *, asked: bool) -> State:
    """Return the state after the entries; with `asked` somebody looked after each of them."""
    state = State()
    for entry in entries:
        machine.apply(state, entry)
        if asked:
            queues(state)
    return state


def lived() -> Company:
    """A company with one submission in each stage of its life."""
    company = Company.staffed("live")
    company.submit("lu", "ch_web")
    company.approve("gu", company.submit("lu", "ch_web"))
    company.do(c.Cancel(submission=company.submit("lu", "ch_web")), "lu", Grade.DESK)
    company.send(company.released("ch_web")[0], "live")
    company.send(company.released("ch_web")[0], "rejected")
    return company


def test_it_makes_no_difference_when_the_queues_are_asked_for() -> None:
    """Asked after every entry, at the end, or in a twin: the same people wait for the same submissions."""
    entries = lived().entries
    often, once = replayed(entries, asked=True), replayed(entries, asked=False)
    twin = once.twin()
    assert once.queues.stale
    assert queues(twin) == queues(once) == queues(often)
    assert queues(once)[0]
    assert once == often == twin


def test_what_was_never_asked_for_leaves_nothing_behind() -> None:
    """A submission that ended is no longer marked, so that a state nobody asks does not grow with every one there ever was."""
    state = replayed(lived().entries, asked=False)
    assert set(state.queues.stale) == set(state.submissions)


def test_what_was_asked_for_and_ended_waits_for_nobody() -> None:
    """A submission that waited when somebody looked is gone from the queues once it ended."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web")
    assert submission in company.state.waiting["unit_head", "unit_irrigation"]
    company.do(c.Cancel(submission=submission), "lu", Grade.DESK)
    assert submission not in company.state.waiting["unit_head", "unit_irrigation"]
    assert submission not in company.state.waits
