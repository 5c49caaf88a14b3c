"""Blackouts: days on which nothing is published or edited in a scope, set and lifted by two people; what takes down always passes (pure)."""

from __future__ import annotations

from typing import Final

from gateway.machine.context import ApplyTable
from gateway.machine.state import Blackout, State
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant

KINDS: Final = frozenset({"mourning", "assembly", "earnings", "incident", "other"})
"""Mourning days, important meetings, quiet periods before results, silence after an accident, anything else (articles 8 and 14)."""


def covering(state: State, unit: str, channel: str, operation: str, at: Instant) -> list[Blackout]:
    """Return the blackouts in which `operation`, on `channel` and by `unit`, may not be sent at `at`; a withdrawal knows none."""
    if operation == "withdraw":
        return []
    owner = state.channels[channel].unit
    return [
        blackout for blackout in state.blackouts.values()
        if blackout.start <= at < blackout.end and (
            blackout.scope == "all"
            or (blackout.scope == "channel" and blackout.target == channel)
            or (blackout.scope == "unit" and (state.inside(unit, blackout.target) or state.inside(owner, blackout.target)))
        )
    ]


def over(state: State, unit: str, channel: str, operation: str, at: Instant) -> Instant:
    """Return from when on it may be sent, counted from `at`: `at` itself where no blackout covers it, else the end of the last in a row."""
    while covered := covering(state, unit, channel, operation, at):
        at = covered[0].end
    return at


def apply_set(state: State, entry: Entry) -> None:
    """Set a blackout, and forget those that are over."""
    data = entry.data
    for blackout in list(state.blackouts.values()):
        if blackout.end <= entry.at:
            del state.blackouts[blackout.id]
    state.blackouts[entry.object] = Blackout(
        entry.object, data["scope"], data["target"], data["kind"], data["start"], data["end"], data["reason"], entry.actor,
    )


def apply_lifted(state: State, entry: Entry) -> None:
    """Lift a blackout."""
    state.blackouts.pop(entry.object, None)


APPLY: ApplyTable = {EntryType.BLACKOUT_SET: apply_set, EntryType.BLACKOUT_LIFTED: apply_lifted}
