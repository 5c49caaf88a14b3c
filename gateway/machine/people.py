"""People, units, offices and factors (pure)."""

from __future__ import annotations

from gateway.canonical import Digest
from gateway.machine.context import ApplyTable, Context, DecideTable, check_proof, proof_data
from gateway.machine.state import Appointment, FactorState, Person, State, Unit
from gateway.machine.submissions import void_signatures
from gateway.protocol.commands import AddFactor, Enrol, Factor, Grade, RevokeFactor, UseRecovery
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType
from gateway.protocol.instants import NEVER, Instant
from gateway.protocol.statements import FACTOR_LABEL, list_digest

SIGNING = frozenset({"totp", "passkey"})


def factor_data(factor: Factor) -> dict[str, object]:
    """Return a factor as it stands in an entry."""
    return {
        "factor": factor.factor, "kind": factor.kind, "version": factor.version, "sha256": factor.sha256, "public": factor.public,
    }


def enrol(context: Context) -> list[Draft]:
    """Redeem a one-time code and set the first password."""
    command: Enrol = context.request.command
    person = context.state.people.get(command.person)
    if person is None or person.suspended or person.enrolment is None:
        raise Denied("enrolment_invalid")
    code, until = person.enrolment
    if command.code != code or context.at >= until or command.password.kind != "password":
        raise Denied("enrolment_invalid")
    _check_version(person, command.password)
    return [Draft(EntryType.FACTOR_ENROLLED, person.id, {**factor_data(command.password), "enrolment": True, "proof": None}, person.id)]


def add_factor(context: Context) -> list[Draft]:
    """Add or replace one of one's own factors; an existing signing factor must prove it."""
    command: AddFactor = context.request.command
    person = context.person()
    has_signing = any(factor.kind in SIGNING for factor in person.factors.values())
    proof = None
    if has_signing:
        if command.proof is None:
            raise Denied("factor_needed")
        digest = list_digest(FACTOR_LABEL, [(command.factor.sha256, command.factor.kind)])
        check_proof(context, command.proof, digest)
        proof = proof_data(command.proof)
    _check_version(person, command.factor)
    return [context.draft(EntryType.FACTOR_ENROLLED, person.id, **factor_data(command.factor), enrolment=False, proof=proof)]


def _check_version(person: Person, factor: Factor) -> None:
    """A factor is new at version 1, or replaces the version before of the same kind."""
    current = person.factors.get(factor.factor)
    if factor.version != (current.version + 1 if current else 1) or (current is not None and current.kind != factor.kind):
        raise Denied("stale_view", detail="factor")


def revoke_factor(context: Context) -> list[Draft]:
    """Give up one of one's own factors, but not the last signing one; whoever has a signing factor proves it."""
    command: RevokeFactor = context.request.command
    person = context.person()
    factor = person.factors.get(command.factor)
    if factor is None:
        raise Denied("factor_unknown")
    others = [f for f in person.factors.values() if f.kind in SIGNING and f.id != factor.id]
    if factor.kind in SIGNING and not others:
        raise Denied("factor_needed", detail="last")
    proof = None
    if any(f.kind in SIGNING for f in person.factors.values()):
        if command.proof is None:
            raise Denied("factor_needed")
        check_proof(context, command.proof, list_digest(FACTOR_LABEL, [(Digest(factor.sha256), "revoke")]))
        proof = proof_data(command.proof)
    return [context.draft(EntryType.FACTOR_REVOKED, person.id, factor=factor.id, proof=proof)]


def use_recovery(context: Context) -> list[Draft]:
    """Spend one recovery code: every signing factor falls, and new ones must be enrolled."""
    command: UseRecovery = context.request.command
    person = context.state.people.get(command.person)
    if person is None or person.suspended:
        raise Denied("factor_unknown")
    current = person.factors.get(command.row.factor)
    if current is None or current.kind != "recovery" or command.row.version != current.version + 1:
        raise Denied("factor_unknown")
    return [Draft(EntryType.RECOVERY_USED, person.id, factor_data(command.row), person.id)]


DECIDE: DecideTable = {
    Enrol: (Grade.SYSTEM, enrol),
    AddFactor: (Grade.COUNTER, add_factor),
    RevokeFactor: (Grade.COUNTER, revoke_factor),
    UseRecovery: (Grade.SYSTEM, use_recovery),
}


def apply_unit(state: State, entry: Entry) -> None:
    """Add or rename a unit."""
    data = entry.data
    state.units[entry.object] = Unit(entry.object, data["name"], data["parent"], data["kind"])


def apply_person(state: State, entry: Entry) -> None:
    """Add a person, or change name, unit and details of a known one."""
    data = entry.data
    known = state.people.get(entry.object)
    if known is None:
        state.people[entry.object] = Person(entry.object, data["name"], data["unit"], details=data["details"])
    else:
        known.name, known.unit, known.details = data["name"], data["unit"], data["details"]


def apply_suspended(state: State, entry: Entry) -> None:
    """Suspend: no act counts from here on, and what the person signed and is not yet sent no longer carries."""
    state.people[entry.object].suspended = True
    void_signatures(state, entry.object)


def apply_restored(state: State, entry: Entry) -> None:
    """Lift a suspension."""
    state.people[entry.object].suspended = False


def apply_appointment(state: State, entry: Entry) -> None:
    """Make an appointment."""
    data = entry.data
    end = Instant(data["end"]) if data["end"] else NEVER
    state.appointments[entry.object] = Appointment(entry.object, data["person"], data["office"], data["scope"], data["start"], end)


def apply_appointment_ended(state: State, entry: Entry) -> None:
    """End an appointment at an instant."""
    state.appointments[entry.object].end = entry.data["end"]


def apply_enrolment(state: State, entry: Entry) -> None:
    """Open an enrolment by one-time code."""
    state.people[entry.object].enrolment = (entry.data["code"], entry.data["until"])


def apply_factor(state: State, entry: Entry) -> None:
    """Bind a factor's row, and count the code that proved it."""
    data = entry.data
    person = state.people[entry.object]
    person.factors[data["factor"]] = FactorState(data["factor"], data["kind"], data["version"], data["sha256"], data["public"])
    if data["enrolment"]:
        person.enrolment = None
    count_proof(state, entry.object, data["proof"])


def apply_factor_revoked(state: State, entry: Entry) -> None:
    """Drop one factor, or all of them after a reset by two (`all`)."""
    person = state.people[entry.object]
    count_proof(state, entry.object, entry.data["proof"])
    if entry.data["factor"] == "all":
        person.factors.clear()
    else:
        person.factors.pop(entry.data["factor"], None)


def apply_recovery(state: State, entry: Entry) -> None:
    """Bind the remaining recovery codes and drop every signing factor."""
    data = entry.data
    person = state.people[entry.object]
    person.factors = {f.id: f for f in person.factors.values() if f.kind not in SIGNING}
    person.factors[data["factor"]] = FactorState(data["factor"], data["kind"], data["version"], data["sha256"], data["public"])


def count_proof(state: State, person: str, proof: dict[str, object] | None) -> None:
    """Remember a proof's nonce, its code's time step or its authenticator's counter, so that none is accepted again."""
    if proof is None:
        return
    known = state.people[person]
    state.nonces.add(str(proof["nonce"]))
    if proof["method"] == "totp":
        known.totp_step = max(known.totp_step, int(str(proof["step"])))
        return
    factor = known.factors[str(proof["factor"])]
    factor.public = {**factor.public, "sign_count": str(proof["sign_count"])}


APPLY: ApplyTable = {
    EntryType.UNIT_ADDED: apply_unit,
    EntryType.PERSON_ADDED: apply_person,
    EntryType.PERSON_SUSPENDED: apply_suspended,
    EntryType.PERSON_RESTORED: apply_restored,
    EntryType.APPOINTMENT_MADE: apply_appointment,
    EntryType.APPOINTMENT_ENDED: apply_appointment_ended,
    EntryType.ENROLMENT_OPENED: apply_enrolment,
    EntryType.FACTOR_ENROLLED: apply_factor,
    EntryType.FACTOR_REVOKED: apply_factor_revoked,
    EntryType.RECOVERY_USED: apply_recovery,
}
