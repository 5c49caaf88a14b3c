"""Freezes: one person in scope stops all sends, two others lift it (pure)."""

from __future__ import annotations

from gateway.machine.context import ApplyTable, Context, DecideTable
from gateway.machine.state import FreezeState, Office, Publication, State, Submission
from gateway.protocol.commands import Freeze, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType

ANYWHERE = frozenset({Office.BRAND_PR, Office.BRAND_PR_HEAD, Office.LEADER, Office.FOUNDER})


def freeze(context: Context) -> list[Draft]:
    """Freeze a scope; brand & PR, leaders and founders anywhere, a unit head inside the unit."""
    command: Freeze = context.request.command
    context.person()
    _check_target(context.state, command)
    if not may_freeze(context, command.scope, command.target):
        raise Denied("no_office", detail="freeze", rule="R8")
    data = {"scope": command.scope, "target": command.target, "reason": command.reason}
    return [context.draft(EntryType.FREEZE_SET, context.ids.new("frz"), **data)]


def _check_target(state: State, command: Freeze) -> None:
    known = {
        "all": command.target == "", "unit": command.target in state.units, "channel": command.target in state.channels,
        "submission": command.target in state.submissions,
    }
    if not known.get(command.scope, False):
        raise Denied("not_found", detail=command.scope)


def may_freeze(context: Context, scope: str, target: str) -> bool:
    """Return whether the acting person may freeze (or help to thaw) this scope."""
    state = context.state
    unit = target if scope == "unit" else ""
    if scope == "channel":
        unit = state.channels[target].unit
    elif scope == "submission" and target in state.submissions:  # it may have finished since
        unit = state.submissions[target].unit
    return any(
        office.office in ANYWHERE or (office.office == Office.UNIT_HEAD and unit != "" and state.inside(unit, office.scope))
        for office in state.offices_of(context.actor, context.at)
    )


DECIDE: DecideTable = {Freeze: (Grade.COUNTER, freeze)}


def frozen_by(state: State, submission: Submission, publication: Publication) -> FreezeState | None:
    """Return a freeze that covers this send, or None. An emergency withdrawal passes every freeze (article 19)."""
    if publication.emergency or not state.freezes:
        return None
    owner = state.channels[publication.channel].unit
    for freeze_ in state.freezes.values():
        target = freeze_.target
        if (
            freeze_.scope == "all"
            or (freeze_.scope == "channel" and target == publication.channel)
            or (freeze_.scope == "submission" and target == submission.id)
            or (freeze_.scope == "unit" and (state.inside(submission.unit, target) or state.inside(owner, target)))
        ):
            return freeze_
    return None


def apply_set(state: State, entry: Entry) -> None:
    """Set a freeze."""
    data = entry.data
    state.freezes[entry.object] = FreezeState(
        entry.object, data["scope"], data["target"], entry.actor, data["reason"], entry.at, entry.seq,
    )


def apply_lifted(state: State, entry: Entry) -> None:
    """Lift a freeze."""
    state.freezes.pop(entry.object, None)


APPLY: ApplyTable = {EntryType.FREEZE_SET: apply_set, EntryType.FREEZE_LIFTED: apply_lifted}
