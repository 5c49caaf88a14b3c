"""Dual control: changes of people, policy, channels, credentials, thaws, blackouts and settlements take two different people (pure).

`CHECKS` says for each kind of change whether it holds now and who may propose or confirm it. A proposal is checked when it is made and
again when it is confirmed; changes of one list see the ones before them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.machine import blackouts
from gateway.machine.channels import FILINGS, LEVELS
from gateway.machine.context import ApplyTable, Context, DecideTable, check_proof, proof_data
from gateway.machine.freezes import may_freeze
from gateway.machine.people import count_proof
from gateway.machine.publications import limit_valid
from gateway.machine.state import GOVERNORS, Office, Proposal, PublicationState, State
from gateway.protocol import instants
from gateway.protocol.commands import Change, Confirm, Decline, Grade, Propose
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Draft, Entry, EntryType
from gateway.protocol.instants import NEVER
from gateway.protocol.statements import PROPOSAL_LABEL, list_digest

LIMIT: Final = 200
SWITCHES: Final = {"totp_release": frozenset({"on", "off"}), "totp_route": frozenset({"on", "off"})}
"""Policy switches and their values for a live deployment: `totp_release` on lets a code release, `totp_route` on lets codes alone
complete a route; each is off until two people switch it on."""

GROUP_OFFICES: Final = frozenset({
    Office.FOUNDER, Office.LEADER, Office.BRAND_PR, Office.BRAND_PR_HEAD, Office.AUDITOR, Office.SYSADMIN,
})
CHANNEL_OFFICES: Final = frozenset({Office.OPERATOR, Office.CUSTODIAN})

PLATFORMS: Final = frozenset({"wechat", "weibo", "wordpress", "bench"})
UNIT_KINDS: Final = frozenset({"subsidiary", "department"})


@dataclass(slots=True)
class Overlay:
    """What the earlier changes of the same list will have added."""

    context: Context
    seen: set[tuple[str, str]] = field(default_factory=set)
    accounts: set[tuple[str, str]] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    channels: set[str] = field(default_factory=set)

    def once(self, change: Change) -> None:
        """Raise where an earlier change of the list is about the same thing: a list says one thing of each."""
        key = (_FAMILY.get(change.type, change.type), change.object)
        if key in self.seen:
            raise _bad("twice")
        self.seen.add(key)

    def unit(self, identifier: object) -> bool:
        """Return whether the unit will exist."""
        return identifier in self.context.state.units or identifier in self.units

    def person(self, identifier: object) -> bool:
        """Return whether the person will exist."""
        return identifier in self.context.state.people or identifier in self.people

    def channel(self, identifier: object) -> bool:
        """Return whether the channel will exist."""
        return identifier in self.context.state.channels or identifier in self.channels


def changes_digest(changes: tuple[Change, ...] | list[Change]) -> Digest:
    """Return the digest of a change list, which both people's proofs cover."""
    return canonical.digest([{"type": str(change.type), "object": change.object, "data": change.data} for change in changes])


def _bad(detail: str) -> Denied:
    return Denied("change_invalid", detail=detail)


def _need(data: dict[str, Any], *, texts: str, optional: str = "") -> None:
    wanted = texts.split()
    allowed = {*wanted, *optional.split()}
    if not set(wanted) <= set(data) <= allowed or not all(isinstance(data[name], str) and data[name] for name in wanted):
        raise _bad("fields")


def _unit_added(overlay: Overlay, change: Change) -> None:
    data = change.data
    _need(data, texts="name parent kind")
    if overlay.unit(change.object) or not overlay.unit(data["parent"]) or data["kind"] not in UNIT_KINDS:
        raise _bad("unit")
    overlay.units.add(change.object)


def _person_added(overlay: Overlay, change: Change) -> None:
    data = change.data
    _need(data, texts="name unit", optional="details")
    details = data.get("details", {})
    if not overlay.unit(data["unit"]) or not isinstance(details, dict) or not all(isinstance(v, str) for v in details.values()):
        raise _bad("person")
    overlay.people.add(change.object)


def _person_known(overlay: Overlay, change: Change) -> None:
    known = overlay.context.state.people.get(change.object)
    if known is None or set(change.data) - {"cause"} or not isinstance(change.data.get("cause", ""), str):
        raise _bad("person")
    if known.suspended != (change.type == EntryType.PERSON_RESTORED):
        raise _bad("person")


def _appointment_made(overlay: Overlay, change: Change) -> None:
    data = change.data
    _need(data, texts="person office scope start", optional="end")
    office, end = data["office"], data.get("end")
    if change.object in overlay.context.state.appointments or office not in set(Office) or not overlay.person(data["person"]):
        raise _bad("appointment")
    known = overlay.channel(data["scope"]) if office in CHANNEL_OFFICES else overlay.unit(data["scope"])
    if not known or (office in GROUP_OFFICES and data["scope"] != overlay.context.state.group):
        raise _bad("scope")  # an office of the whole group is not handed out for a part of it (article 3)
    try:
        start = instants.parse(data["start"])
        if end is not None and instants.parse(end) <= start:
            raise _bad("period")
    except ValueError as error:
        raise _bad("period") from error


def _appointment_ended(overlay: Overlay, change: Change) -> None:
    known = overlay.context.state.appointments.get(change.object)
    _need(change.data, texts="end")
    try:
        end = instants.parse(change.data["end"])
    except ValueError as error:
        raise _bad("period") from error
    if known is None or end > known.end:
        raise _bad("appointment")


def _enrolment_opened(overlay: Overlay, change: Change) -> None:
    _need(change.data, texts="code until")
    canonical_digest(change.data["code"])
    if not overlay.person(change.object) or not _is_instant(change.data["until"]):
        raise _bad("person")


def _is_instant(text: str) -> bool:
    try:
        instants.parse(text)
    except ValueError:
        return False
    return True


def _factor_revoked(overlay: Overlay, change: Change) -> None:
    _need(change.data, texts="factor")
    if change.data["factor"] != "all" or change.object not in overlay.context.state.people:
        raise _bad("factor")


def _platform_offered(overlay: Overlay, platform: object) -> bool:
    """Return whether channels of this platform may be filed here; the benchmark's own exists in a sandbox only."""
    return platform in PLATFORMS and (platform != "bench" or overlay.context.state.kind == "sandbox")


def _channel_added(overlay: Overlay, change: Change) -> None:
    data = change.data
    _need(data, texts="platform account name unit level filing filing_number", optional="settings custodians")
    if overlay.channel(change.object) or not _platform_offered(overlay, data["platform"]) or data["level"] not in LEVELS:
        raise _bad("channel")
    account = (data["platform"], _folded(data["account"]))
    taken = {(c.platform, _folded(c.account)) for c in overlay.context.state.channels.values()} | overlay.accounts
    if account in taken or data["filing"] not in FILINGS or not overlay.unit(data["unit"]):
        raise _bad("channel")
    _check_settings(overlay, data)
    overlay.channels.add(change.object)
    overlay.accounts.add(account)


def _folded(account: str) -> str:
    """Return an account with what spelling alone changes taken out: case, full width, spaces around it."""
    return unicodedata.normalize("NFKC", account).strip().casefold()


def _check_settings(overlay: Overlay, data: dict[str, Any]) -> None:
    settings, custodians = data.get("settings", {}), data.get("custodians", [])
    if not isinstance(settings, dict) or not all(isinstance(v, str) for v in settings.values()):
        raise _bad("settings")
    if not limit_valid(settings.get("daily_limit", "0")):
        raise _bad("daily_limit")
    if not isinstance(custodians, list) or not all(isinstance(person, str) and overlay.person(person) for person in custodians):
        raise _bad("custodians")
    if len(set(custodians)) != len(custodians):
        raise _bad("custodians")


def _channel_changed(overlay: Overlay, change: Change) -> None:
    data = change.data
    if change.object not in overlay.context.state.channels or not data:
        raise _bad("channel")
    if not set(data) <= {"filing", "filing_number", "settings", "custodians", "name"}:
        raise _bad("channel")
    texts = [data[name] for name in ("filing", "filing_number", "name") if name in data]
    if not all(isinstance(text, str) and text for text in texts) or data.get("filing", "filed") not in FILINGS:
        raise _bad("channel")
    _check_settings(overlay, data)


def _credential_stored(overlay: Overlay, change: Change) -> None:
    data = change.data
    if set(data) != {"version", "secret", "sha256"} or type(data["version"]) is not int or not isinstance(data["secret"], str):
        raise _bad("credential")
    channel = overlay.context.state.channels.get(change.object)
    if channel is None or data["version"] != channel.credential_version + 1:
        raise _bad("credential version")
    canonical_digest(data["sha256"])


def _credential_retired(overlay: Overlay, change: Change) -> None:
    channel = overlay.context.state.channels.get(change.object)
    if channel is None or channel.credential is None or change.data != {"version": channel.credential.version}:
        raise _bad("credential")


def _policy_set(_overlay: Overlay, change: Change) -> None:
    _need(change.data, texts="value")
    if change.data["value"] not in SWITCHES.get(change.object, frozenset()):
        raise _bad("switch")


def _freeze_lifted(overlay: Overlay, change: Change) -> None:
    if change.object not in overlay.context.state.freezes or change.data:
        raise _bad("freeze")


def _blackout_set(overlay: Overlay, change: Change) -> None:
    data, state = change.data, overlay.context.state
    _need(data, texts="scope kind start end reason", optional="target")
    target = str(data.get("target", ""))
    known = {"all": target == "", "unit": overlay.unit(target), "channel": overlay.channel(target)}
    if change.object in state.blackouts or target != data.get("target", "") or data["kind"] not in blackouts.KINDS or not known.get(data["scope"], False):
        raise _bad("blackout")
    if not (_is_instant(data["start"]) and _is_instant(data["end"])) or data["end"] <= max(data["start"], overlay.context.at):
        raise _bad("period")
    canonical_digest(data["reason"])


def _blackout_lifted(overlay: Overlay, change: Change) -> None:
    known = overlay.context.state.blackouts.get(change.object)
    if known is None or known.end <= overlay.context.at or change.data:
        raise _bad("blackout")


def _settled(overlay: Overlay, change: Change) -> None:
    publication = overlay.context.state.publications.get(change.object)
    if publication is None or publication.state is not PublicationState.UNKNOWN:
        raise _bad("publication")
    if change.type == (EntryType.PUBLICATION_LIVE if publication.operation == "withdraw" else EntryType.PUBLICATION_GONE):
        raise _bad("outcome")
    if change.type == EntryType.PUBLICATION_ABSENT:
        _need(change.data, texts="how")
    elif change.type == EntryType.PUBLICATION_LIVE:
        _need(change.data, texts="id url")
        if not change.data["url"].startswith(("https://", "http://")):  # pages make a link of it
            raise _bad("url")
    else:
        _need(change.data, texts="id")


def canonical_digest(value: object) -> None:
    """Raise `change_invalid` where `value` is no digest."""
    try:
        canonical.parse_digest(value)
    except canonical.NotCanonical as error:
        raise _bad("digest") from error


CHECKS: Final[dict[str, Callable[[Overlay, Change], None]]] = {
    EntryType.UNIT_ADDED: _unit_added,
    EntryType.PERSON_ADDED: _person_added,
    EntryType.PERSON_SUSPENDED: _person_known,
    EntryType.PERSON_RESTORED: _person_known,
    EntryType.APPOINTMENT_MADE: _appointment_made,
    EntryType.APPOINTMENT_ENDED: _appointment_ended,
    EntryType.ENROLMENT_OPENED: _enrolment_opened,
    EntryType.FACTOR_REVOKED: _factor_revoked,
    EntryType.CHANNEL_ADDED: _channel_added,
    EntryType.CHANNEL_CHANGED: _channel_changed,
    EntryType.CREDENTIAL_STORED: _credential_stored,
    EntryType.CREDENTIAL_RETIRED: _credential_retired,
    EntryType.POLICY_SET: _policy_set,
    EntryType.FREEZE_LIFTED: _freeze_lifted,
    EntryType.BLACKOUT_SET: _blackout_set,
    EntryType.BLACKOUT_LIFTED: _blackout_lifted,
    EntryType.PUBLICATION_LIVE: _settled,
    EntryType.PUBLICATION_GONE: _settled,
    EntryType.PUBLICATION_ABSENT: _settled,
}

SETTLEMENTS: Final = frozenset({EntryType.PUBLICATION_LIVE, EntryType.PUBLICATION_GONE, EntryType.PUBLICATION_ABSENT})
CREDENTIALS: Final = frozenset({EntryType.CREDENTIAL_STORED, EntryType.CREDENTIAL_RETIRED})
_FAMILY: Final[dict[str, str]] = {**dict.fromkeys(SETTLEMENTS, "settlement"), **dict.fromkeys(CREDENTIALS, "credential")}
"""Kinds of change that are about the same thing; a suspension and its end need none, since only one of them ever holds."""
ABOUT_A_PERSON: Final = frozenset({
    EntryType.FACTOR_REVOKED, EntryType.ENROLMENT_OPENED, EntryType.PERSON_SUSPENDED, EntryType.PERSON_RESTORED,
})


def may_act(context: Context, change: Change) -> bool:
    """Return whether the acting person may be one of the two for this change."""
    state, actor = context.state, context.actor
    held = state.offices_of(actor, context.at)
    governor = any(office.office in GOVERNORS for office in held)
    if change.type in ABOUT_A_PERSON and change.object == actor:
        return False  # nobody resets, suspends or restores themselves
    if change.type in CREDENTIALS:
        channel = state.channels.get(change.object)
        active = actor in state.people and not state.people[actor].suspended
        return governor or (active and channel is not None and actor in channel.custodians)
    if change.type == EntryType.FREEZE_LIFTED:
        frozen = state.freezes.get(change.object)
        return frozen is not None and frozen.by != actor and (governor or may_freeze(context, frozen.scope, frozen.target))
    if change.type in SETTLEMENTS:
        return governor or any(office.office == Office.BRAND_PR for office in held)
    return governor


def check_changes(context: Context, changes: tuple[Change, ...]) -> None:
    """Raise where a change does not hold now, is of a kind that is not done this way, or is not the acting person's to make."""
    if not changes or len(changes) > LIMIT:
        raise Denied("invalid", detail="changes")
    overlay = Overlay(context)
    for change in changes:
        check = CHECKS.get(change.type)
        if check is None:
            raise _bad(change.type)
        check(overlay, change)
        overlay.once(change)
        if not may_act(context, change):
            raise Denied("not_governor", detail=change.type, ask=governors(context))
    _check_governors(context, changes)


def _check_governors(context: Context, changes: tuple[Change, ...]) -> None:
    """Raise where fewer than two people could make changes afterwards: nobody could ever mend that."""
    state, at = context.state, context.at
    ended = {c.object: c.data["end"] for c in changes if c.type == EntryType.APPOINTMENT_ENDED}
    suspended = {c.object for c in changes if c.type == EntryType.PERSON_SUSPENDED}
    if not ended and not suspended:
        return
    held = [a for a in state.appointments.values() if a.office in GOVERNORS and a.scope == state.group]
    left = {a.person for a in held if a.holds(at) and ended.get(a.id, a.end) == NEVER and not state.people[a.person].suspended}
    made = [c.data for c in changes if c.type == EntryType.APPOINTMENT_MADE and c.data["office"] in GOVERNORS]
    left |= {data["person"] for data in made if data["start"] <= at and data.get("end") is None}
    if len(left - suspended) < 2:
        raise _bad("governors")


def governors(context: Context) -> tuple[str, ...]:
    """Return the people who may make and confirm changes now, without the acting person."""
    state = context.state
    found = (p for office in sorted(GOVERNORS) for p in state.holders(office, state.group, context.at) if p != context.actor)
    return tuple(dict.fromkeys(found))


def propose(context: Context) -> list[Draft]:
    """The first of two people: check the changes and keep them."""
    command: Propose = context.request.command
    digest = changes_digest(command.changes)
    check_proof(context, command.proof, list_digest(PROPOSAL_LABEL, [(digest, "propose")]))
    check_changes(context, command.changes)
    if command.until <= context.at:
        raise Denied("invalid", detail="until")
    changes = [{"type": str(change.type), "object": change.object, "data": change.data} for change in command.changes]
    return [context.draft(
        EntryType.PROPOSAL_MADE, context.ids.new("pro"), changes=changes, digest=digest, reason=command.reason, until=command.until,
        proof=proof_data(command.proof),
    )]


def confirm(context: Context) -> list[Draft]:
    """The second of two people: check again, and make the changes."""
    command: Confirm = context.request.command
    proposal = context.state.proposals.get(command.proposal)
    if proposal is None or context.at >= proposal.until:
        raise Denied("proposal_gone")
    if command.digest != proposal.digest:
        raise Denied("proof_mismatch")
    check_proof(context, command.proof, list_digest(PROPOSAL_LABEL, [(command.digest, "confirm")]))
    if proposal.by == context.actor:
        raise Denied("two_people_needed", ask=governors(context))
    if context.state.people[proposal.by].suspended:
        raise Denied("person_suspended", detail=proposal.by)
    changes = tuple(Change(**change) for change in proposal.changes)
    check_changes(context, changes)
    _check_custodian(context, proposal, changes)
    drafts = [context.draft(EntryType.PROPOSAL_CONFIRMED, proposal.id, by=proposal.by, proof=proof_data(command.proof))]
    return drafts + [context.draft(EntryType(change.type), change.object, **_full(change)) for change in changes]


def _check_custodian(context: Context, proposal: Proposal, changes: tuple[Change, ...]) -> None:
    """A credential is entered by a custodian of its channel and someone else (article 20)."""
    for change in changes:
        if change.type == EntryType.CREDENTIAL_STORED:
            custodians = context.state.channels[change.object].custodians
            if not {proposal.by, context.actor} & set(custodians):
                raise Denied("not_governor", detail="custodian", rule="R20", ask=custodians)


def _full(change: Change) -> dict[str, Any]:
    """Return a change's data with every optional field written out, as `apply` reads it."""
    defaults: dict[str, dict[str, Any]] = {
        EntryType.PERSON_ADDED: {"details": {}}, EntryType.APPOINTMENT_MADE: {"end": None},
        EntryType.CHANNEL_ADDED: {"settings": {}, "custodians": []}, EntryType.FACTOR_REVOKED: {"proof": None},
        EntryType.BLACKOUT_SET: {"target": ""},
    }
    settled = {"settled": True} if change.type in SETTLEMENTS else {}
    return {**defaults.get(change.type, {}), **change.data, **settled}


def decline(context: Context) -> list[Draft]:
    """Drop a proposal."""
    command: Decline = context.request.command
    proposal = context.state.proposals.get(command.proposal)
    if proposal is None:
        raise Denied("proposal_gone")
    context.person()
    if proposal.by != context.actor and not all(may_act(context, Change(**change)) for change in proposal.changes):
        raise Denied("not_governor", ask=governors(context))
    return [context.draft(EntryType.PROPOSAL_DECLINED, proposal.id)]


DECIDE: DecideTable = {Propose: (Grade.PROOF, propose), Confirm: (Grade.PROOF, confirm), Decline: (Grade.COUNTER, decline)}


def apply_made(state: State, entry: Entry) -> None:
    """Keep a proposal until it is confirmed or dropped."""
    data = entry.data
    state.proposals[entry.object] = Proposal(
        entry.object, entry.actor, data["changes"], data["digest"], data["reason"], data["until"], entry.seq, entry.at,
    )
    count_proof(state, entry.actor, data["proof"])


def apply_confirmed(state: State, entry: Entry) -> None:
    """The proposal is done; its changes follow as entries of their own."""
    state.proposals.pop(entry.object, None)
    count_proof(state, entry.actor, entry.data["proof"])


def apply_declined(state: State, entry: Entry) -> None:
    """The proposal is dropped."""
    state.proposals.pop(entry.object, None)


def apply_switch(state: State, entry: Entry) -> None:
    """Set a policy switch."""
    state.switches[entry.object] = entry.data["value"]


APPLY: ApplyTable = {
    EntryType.PROPOSAL_MADE: apply_made,
    EntryType.PROPOSAL_CONFIRMED: apply_confirmed,
    EntryType.PROPOSAL_DECLINED: apply_declined,
    EntryType.POLICY_SET: apply_switch,
}
