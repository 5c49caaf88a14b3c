"""Refused attempts and erasures: entries that are evidence and decide nothing later (pure)."""

from __future__ import annotations

from gateway.machine.context import Context, DecideTable
from gateway.protocol.commands import Erase, Grade, Refuse
from gateway.protocol.denials import CATALOGUE, Denied
from gateway.protocol.entries import SYSTEM, Draft, EntryType


def refuse(context: Context) -> list[Draft]:
    """Log a refused attempt under the id it will be asked for by; the actor is whoever tried."""
    command: Refuse = context.request.command
    if command.code not in CATALOGUE:
        raise Denied("invalid", detail=command.code)
    data = {
        "code": command.code, "rule": command.rule, "source": command.source, "channel": command.channel, "content": command.content,
        "about": command.about, "missing": list(command.missing),
    }
    return [Draft(EntryType.REFUSED, context.ids.new("ref"), data, context.actor or SYSTEM)]


def erase(context: Context) -> list[Draft]:
    """Record that values behind commitments were erased; a missing value without this entry is tampering."""
    command: Erase = context.request.command
    if not command.commitments:
        raise Denied("invalid", detail="commitments")
    data = {"commitments": list(command.commitments), "reason": command.reason}
    return [Draft(EntryType.VALUES_ERASED, context.state.deployment, data, context.actor)]


DECIDE: DecideTable = {Refuse: (Grade.SYSTEM, refuse), Erase: (Grade.SYSTEM, erase)}
