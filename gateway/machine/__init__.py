"""The machine: `decide(state, request, at, ids)` and `apply(state, entry)`; the regulation as pure functions.

`decide` reads the state and changes nothing; `apply` takes an entry's results into the state and reads nothing else. What `decide`
returned and the log kept, `apply` replays to the same state, on this version and every later one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from gateway import canonical
from gateway.canonical import NotCanonical
from gateway.machine import (
    attempts,
    blackouts,
    changes,
    channels,
    deployment,
    freezes,
    handover,
    people,
    publications,
    renewal,
    rerouting,
    signing,
    submissions,
)
from gateway.machine.context import Context, DecideTable, Ids
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import State
from gateway.protocol import instants
from gateway.protocol.commands import Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import LIMIT, CommandRef, Draft, Entry
from gateway.protocol.instants import Instant

COMMAND_MEMORY_SECONDS: Final = 48 * 3600
ENVELOPE: Final = 1_024
"""Bytes of an entry that are kept free for everything around its data."""

DECIDE: Final[DecideTable] = {
    **deployment.DECIDE, **people.DECIDE, **changes.DECIDE, **submissions.DECIDE, **signing.DECIDE, **publications.DECIDE, **freezes.DECIDE,
    **attempts.DECIDE, **rerouting.DECIDE, **renewal.DECIDE, **handover.DECIDE,
}
APPLY: Final[dict[str, Callable[[State, Entry], None]]] = {
    **deployment.APPLY, **people.APPLY, **channels.APPLY, **changes.APPLY, **submissions.APPLY, **signing.APPLY, **publications.APPLY,
    **freezes.APPLY, **blackouts.APPLY, **rerouting.APPLY, **renewal.APPLY, **handover.APPLY,
}


class Repeated(Exception):
    """The command was done before: `seq` is its last entry, `object` its first entry's object."""

    def __init__(self, seq: int, object_: str) -> None:
        super().__init__(seq, object_)
        self.seq = seq
        self.object = object_


def decide(state: State, request: Request, at: Instant, ids: Ids, rules: tuple[Rule, ...] = RULES) -> list[Draft]:
    """Return the entries this request makes, at least one; `rules` is the route table in force.

    Raises:
        Repeated: the same command id with the same body was done within 48 hours.
        Denied: the rules say no; nothing has changed.
    """
    check_repeated(state, request.ref, request.actor, request.grade, at)
    grade, function = DECIDE[type(request.command)]
    system = grade is Grade.SYSTEM
    if system != (request.grade is Grade.SYSTEM) or request.grade < grade:
        raise Denied("grade_too_low")
    try:
        drafts = function(Context(state, request, at, ids, rules))
        if any(_too_long(draft.data) for draft in drafts):
            raise Denied("invalid", detail="too long for one entry")
    except NotCanonical as error:
        raise Denied("invalid", detail=str(error)) from error
    return drafts


def _too_long(data: dict[str, Any]) -> bool:
    """Return whether `data` leaves no room for its envelope; it is encoded only where a bound does not tell."""
    room = LIMIT - ENVELOPE
    return canonical.bound(data) > room and len(canonical.encode_trusted(data)) > room


def check_repeated(state: State, ref: CommandRef | None, actor: str, asked: Grade, at: Instant) -> None:
    """Raise where this command id was used within 48 hours.

    Raises:
        Repeated: with the same body, by the same person.
        Denied: with another body, or by somebody else.
    """
    known = state.commands.get(ref.id) if ref is not None else None
    if ref is None or known is None or known[3] < instants.plus(at, -COMMAND_MEMORY_SECONDS):
        return
    if known[0] != ref.body or (asked is not Grade.SYSTEM and known[4] != actor):
        raise Denied("command_reused")
    raise Repeated(known[1], known[2])


def place(state: State, drafts: Sequence[Draft], at: Instant, ref: CommandRef | None) -> list[Entry]:
    """Return the drafts as entries at the end of `state`'s log; the command stands in the first."""
    return [
        Entry(state.size + index, draft.type, at, draft.actor, draft.object, ref if index == 0 else None, draft.data)
        for index, draft in enumerate(drafts)
    ]


def apply(state: State, entry: Entry) -> None:
    """Take one entry into the state. Entries come in order; an unknown type stops the replay.

    Raises:
        ValueError: the entry is not the next one.
        KeyError: its type is of a later version.
    """
    replay(state, (entry,))


def replay(state: State, entries: Iterable[Entry], *, forget_before: Instant = instants.EPOCH_START) -> None:
    """Take entries into the state, in order, as `apply` one by one: a start does that a million times, so all stands in one loop.

    Commands from before `forget_before` are not remembered: at a start, those that would be forgotten again before it is over.

    Raises:
        ValueError: an entry is not the next one; those before it were taken.
        KeyError: its type is of a later version; those before it were taken.
    """
    table = APPLY
    for entry in entries:
        if entry.seq != state.size:
            raise ValueError(f"entry {entry.seq} where {state.size} was expected")
        table[entry.type](state, entry)
        state.size += 1
        state.last_at = at = entry.at
        ref = entry.command
        if ref is not None:
            if at >= forget_before:
                _remember(state, entry, ref)
            else:
                state.last_command = None
        elif state.last_command is not None:
            _extend(state, entry)


def _remember(state: State, entry: Entry, ref: CommandRef) -> None:
    state.commands[ref.id] = (ref.body, entry.seq, entry.object, entry.at, entry.actor)
    state.last_command = ref.id
    state.command_order.append((entry.at, ref.id))
    if len(state.command_order) % 256 == 0:
        limit = instants.plus(entry.at, -COMMAND_MEMORY_SECONDS)
        while state.command_order[0][0] < limit:
            at, known = state.command_order.popleft()
            if state.commands[known][3] == at:  # an id may have come again after its 48 hours
                del state.commands[known]


def _extend(state: State, entry: Entry) -> None:
    """Entries without a command of their own belong to the command before them when they share its instant and actor."""
    assert state.last_command is not None
    body, _, object_, at, actor = state.commands[state.last_command]
    if at == entry.at and actor == entry.actor:
        state.commands[state.last_command] = (body, entry.seq, object_, at, actor)
    else:
        state.last_command = None


__all__ = ["APPLY", "DECIDE", "Context", "Ids", "Repeated", "State", "apply", "check_repeated", "decide", "place", "replay"]
