"""The deployment itself: its opening, restores, starts, vault events and the log's key (pure)."""

from __future__ import annotations

from typing import Any

from gateway.machine.context import ApplyTable, Context, DecideTable
from gateway.machine.publications import become_unknown
from gateway.machine.state import Office, PublicationState, State, SubmissionState
from gateway.machine.submissions import reindex, settle
from gateway.protocol.commands import (
    Grade,
    OpenDeployment,
    OpenIncarnation,
    RecordVault,
    RotateLogKey,
    StartEnforcer,
    StoredRow,
    TakeCounters,
)
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType

VAULT_ACTIONS = frozenset({"unsealed", "sealed", "rotated", "slot_added", "slot_removed"})


def open_deployment(context: Context) -> list[Draft]:
    """Open an empty log: the deployment, its group unit, and two different people as founders with one-time codes."""
    command: OpenDeployment = context.request.command
    if context.state.size:
        raise Denied("wrong_state", detail="log is not empty")
    if _host(command.desk) == _host(command.counter) or len(command.people) != 2 or len({p.person for p in command.people}) != 2:
        raise Denied("invalid", detail="two hosts and two people")
    if command.kind not in {"sandbox", "live"} or not {"log", "approval"} <= set(command.keys):
        raise Denied("invalid", detail="kind or keys")
    drafts = [
        context.draft(
            EntryType.DEPLOYMENT_OPENED, command.deployment, kind=command.kind, desk=command.desk, counter=command.counter,
            epoch=command.epoch, keys=command.keys, group=command.group, rows=_rows(command.rows),
        ),
        context.draft(EntryType.UNIT_ADDED, command.group, name=command.group_name, parent=None, kind="group"),
    ]
    for first in command.people:
        drafts += [
            context.draft(EntryType.PERSON_ADDED, first.person, name=first.name, unit=command.group, details={}),
            context.draft(
                EntryType.APPOINTMENT_MADE, context.ids.new("apt"), person=first.person, office=Office.FOUNDER.value, scope=command.group,
                start=context.at, end=None,
            ),
            context.draft(EntryType.ENROLMENT_OPENED, first.person, code=first.code, until=first.code_until),
        ]
    return drafts


def _host(address: str) -> str:
    """Return an address' host alone: two ports of one host share their cookies."""
    return address.rpartition("://")[2].partition("/")[0].partition(":")[0].casefold()


def open_incarnation(context: Context) -> list[Draft]:
    """Record a restore; from the next checkpoint on a new origin signs."""
    command: OpenIncarnation = context.request.command
    if not context.state.size or command.epoch == context.state.epoch:
        raise Denied("wrong_state", detail="epoch")
    previous = {"origin": command.origin, "size": command.size, "root": command.root}
    return [context.draft(EntryType.INCARNATION_OPENED, context.state.deployment, epoch=command.epoch, previous=previous)]


def start_enforcer(context: Context) -> list[Draft]:
    """Record that the enforcer is up and whether its processes are isolated."""
    command: StartEnforcer = context.request.command
    data = {"version": command.version, "isolated": command.isolated}
    return [context.draft(EntryType.ENFORCER_STARTED, context.state.deployment, **data)]


def record_vault(context: Context) -> list[Draft]:
    """Record what was done to the vault."""
    command: RecordVault = context.request.command
    if command.action not in VAULT_ACTIONS:
        raise Denied("invalid", detail=command.action)
    data = {"action": command.action, "about": command.about, "rows": _rows(command.stored), "removed": list(command.removed)}
    return [context.draft(EntryType.VAULT_CHANGED, context.state.deployment, **data)]


def _rows(rows: tuple[StoredRow, ...]) -> list[dict[str, object]]:
    return [{"id": row.id, "version": row.version, "sha256": row.sha256} for row in rows]


def rotate_log_key(context: Context) -> list[Draft]:
    """Record the log's next key, vouched for by the old one."""
    command: RotateLogKey = context.request.command
    data = {"key": command.new_key, "signature": command.signature}
    return [context.draft(EntryType.KEY_ROTATED, context.state.deployment, **data)]


def take_counters(context: Context) -> list[Draft]:
    """Record an hour's counts."""
    command: TakeCounters = context.request.command
    return [context.draft(EntryType.COUNTERS_TAKEN, context.state.deployment, counts=command.counts)]


DECIDE: DecideTable = {
    OpenDeployment: (Grade.SYSTEM, open_deployment),
    OpenIncarnation: (Grade.SYSTEM, open_incarnation),
    StartEnforcer: (Grade.SYSTEM, start_enforcer),
    RecordVault: (Grade.SYSTEM, record_vault),
    RotateLogKey: (Grade.SYSTEM, rotate_log_key),
    TakeCounters: (Grade.SYSTEM, take_counters),
}


def apply_opened(state: State, entry: Entry) -> None:
    """Take up the deployment's identity."""
    data = entry.data
    state.deployment, state.kind, state.epoch = entry.object, data["kind"], data["epoch"]
    state.desk, state.counter, state.group, state.keys = data["desk"], data["counter"], data["group"], dict(data["keys"])
    _bind(state, data["rows"])


def apply_incarnation(state: State, entry: Entry) -> None:
    """Start a new epoch: open approvals and proposals die, open intents become UNKNOWN."""
    state.epoch = entry.data["epoch"]
    for identifier in list(state.active):
        publication = state.publications[identifier]
        if publication.state is PublicationState.HELD:
            publication.state, publication.seq = PublicationState.ABANDONED, entry.seq
            publication.reason = {"cause": "restored"}
            state.active.discard(identifier)
        else:
            become_unknown(publication, entry, "restored")
    state.proposals.clear()
    for submission in list(state.submissions.values()):
        if submission.emergency:
            settle(state, submission)
        elif submission.state in {SubmissionState.IN_REVIEW, SubmissionState.RELEASED}:
            submission.signatures.clear()
            submission.seq = entry.seq
            reindex(state, submission)


def apply_started(state: State, entry: Entry) -> None:
    """Remember whether the processes are isolated."""
    state.isolated = entry.data["isolated"]


def apply_vault(state: State, entry: Entry) -> None:
    """Bind the vault's rows that now stand."""
    _bind(state, entry.data["rows"])
    for identifier in entry.data["removed"]:
        state.vault_rows.pop(identifier, None)


def _bind(state: State, rows: list[dict[str, Any]]) -> None:
    """Bind the vault's own rows, and rewrapped rows of credentials and factors, by id and version."""
    for row in rows:
        identifier, version, sha256 = row["id"], row["version"], row["sha256"]
        if identifier.startswith("vault/"):
            state.vault_rows[identifier] = (version, sha256)
            continue
        for channel in state.channels.values():
            credential = channel.credential
            if credential is not None and (credential.secret, credential.version) == (identifier, version):
                credential.sha256 = sha256
        for person in state.people.values():
            factor = person.factors.get(identifier)
            if factor is not None and factor.version == version:
                factor.sha256 = sha256


def apply_nothing(state: State, entry: Entry) -> None:
    """Keep the entry as evidence; no later decision depends on it."""


def apply_key_rotated(state: State, entry: Entry) -> None:
    """Take the log's new key."""
    state.keys["log"] = entry.data["key"]


APPLY: ApplyTable = {
    EntryType.DEPLOYMENT_OPENED: apply_opened,
    EntryType.INCARNATION_OPENED: apply_incarnation,
    EntryType.ENFORCER_STARTED: apply_started,
    EntryType.KEY_ROTATED: apply_key_rotated,
    EntryType.VAULT_CHANGED: apply_vault,
    EntryType.COUNTERS_TAKEN: apply_nothing,
    EntryType.REFUSED: apply_nothing,
    EntryType.VALUES_ERASED: apply_nothing,
}
