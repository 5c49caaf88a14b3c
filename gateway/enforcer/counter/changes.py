"""变更单: what takes two people, as forms that become changes, a list in plain words, and two proofs by different people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from gateway.canonical import Digest
from gateway.connectors.base import ProbeStep
from gateway.enforcer.codes import code_digest, new_code
from gateway.enforcer.counter import outside, prove
from gateway.enforcer.counter.changewords import describe, sent_words
from gateway.enforcer.counter.parts import COUNTER, WORDS, Counter, form_of, language, page, see, session_of
from gateway.enforcer.ids import DecisionIds, new_id
from gateway.enforcer.proofs import Proven
from gateway.machine.blackouts import KINDS
from gateway.machine.changes import SWITCHES, changes_digest, check_changes
from gateway.machine.context import Context
from gateway.machine.state import GOVERNORS, Office, PublicationState, State
from gateway.protocol import instants
from gateway.protocol.commands import Change, Confirm, Decline, Grade, Propose, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import PROPOSAL_LABEL, list_digest

PROPOSAL_SECONDS: Final = 7 * 86_400
CODE_SECONDS: Final = 7 * 86_400
TRIALS: Final = frozenset(key for key in WORDS.words["zh"] if key.startswith("trial."))
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Built = tuple[list[Change], dict[str, str]]
Form = Mapping[str, str]


async def show(request: web.Request) -> web.Response:
    """Show open proposals in plain words, and the forms."""
    counter, person, lang = request.app[COUNTER], session_of(request).person, language(request)
    state, views, now = counter.parts.runner.state, counter.parts.views, counter.parts.runner.now()
    open_ = [
        {"id": p.id, "by": views.name(p.by), "mine": p.by == person, "at": p.at, "until": p.until, "digest": p.digest,
         "reason": counter.parts.values.text(p.reason) or "", "lines": [describe(counter.parts, Change(**c), lang) for c in p.changes]}
        for p in sorted(state.proposals.values(), key=lambda p: p.at, reverse=True) if p.until > now
    ]
    names = [{"id": i, "name": views.name(i), "suspended": p.suspended} for i, p in state.people.items()]
    held = [{"id": a.id, "name": f"{views.name(a.person)} · {views.office_words(a.office, lang)} · {views.scope(a.scope)}"}
            for a in state.appointments.values() if a.end > now]
    unknown = [{"id": p.id, "name": sent_words(counter.parts, p)} for p in state.publications.values() if p.state is PublicationState.UNKNOWN]
    return page(request, "changes.html", open=open_, people=names, units=list(state.units.values()), channels=list(state.channels.values()),
                governor=any(o.office in GOVERNORS for o in state.offices_of(person, now)),
                offices=[(o.value, views.office_words(o.value, lang)) for o in Office], held=held, switches=_switches(state), unknown=unknown,
                freezes=[{"id": f.id, "by": views.name(f.by), "scope": f.scope, "target": views.scope(f.target) if f.target else ""}
                         for f in state.freezes.values()], blackouts=outside.days(counter, now), kinds=sorted(KINDS), kind_open=request.query.get("kind", ""), about=request.query.get("about", ""))


def _switches(state: State) -> list[tuple[str, str]]:
    return [(name, state.switches.get(name, "off")) for name in sorted(SWITCHES)]


# ---- proposing


async def propose(request: web.Request) -> web.Response:
    """Turn a form into changes, let the machine check them, and ask for the first proof."""
    counter, form = request.app[COUNTER], await form_of(request)
    build, reason = BUILD.get(form.get("kind", "")), form.get("reason", "").strip()[:500]
    if build is None or not reason:
        raise Denied("invalid", detail="reason")
    changes, secrets = build(counter, form)
    return ask(request, changes, reason, secrets)


def ask(
    request: web.Request, changes: list[Change], reason: str, secrets: Mapping[str, str], *, steps: Sequence[ProbeStep] = (),
) -> web.Response:
    """Show what the first person is about to propose; `secrets` (a one-time code) are shown on this page only, `steps` a trial's."""
    counter, person = request.app[COUNTER], session_of(request).person
    context = Context(counter.parts.runner.state, Request(command=None, actor=person, grade=Grade.PROOF), counter.parts.runner.now(),
                      DecisionIds(counter.parts.vault))
    check_changes(context, tuple(changes))
    digest = changes_digest(changes)
    payload = {"changes": [{"type": str(c.type), "object": c.object, "data": c.data} for c in changes],
               "reason": counter.parts.values.commit(reason)}
    begun = prove.begin(request, "propose", list_digest(PROPOSAL_LABEL, [(digest, "propose")]), payload)
    return page(request, "change_proof.html", sheet=begun, digest=digest, reason=reason, secrets=secrets, step="propose", steps=steps, trials=TRIALS,
                lines=[describe(counter.parts, c, language(request)) for c in changes])


async def proposed(request: web.Request, proven: Proven, _form: Form) -> web.StreamResponse:
    """Keep a proven proposal for the second person."""
    counter, person, payload = request.app[COUNTER], session_of(request).person, proven.begun.payload
    command = Propose(
        changes=tuple(Change(**change) for change in payload["changes"]), reason=Digest(payload["reason"]),
        until=instants.plus(counter.parts.runner.now(), PROPOSAL_SECONDS), proof=proven.proof,
    )
    await counter.parts.runner.submit(Request(command=command, actor=person, grade=Grade.PROOF), blobs=proven.blobs)
    raise see("/i/changes")


async def begin_confirm(request: web.Request) -> web.Response:
    """Show a proposal as it will happen, and ask for the second proof."""
    counter, form = request.app[COUNTER], await form_of(request)
    proposal = counter.parts.runner.state.proposals.get(form.get("proposal", ""))
    if proposal is None:
        raise Denied("proposal_gone")
    if proposal.by == session_of(request).person:
        raise Denied("two_people_needed")
    digest = Digest(proposal.digest)
    begun = prove.begin(request, "confirm", list_digest(PROPOSAL_LABEL, [(digest, "confirm")]), {"proposal": proposal.id, "digest": digest})
    return page(request, "change_proof.html", sheet=begun, digest=digest, reason=counter.parts.values.text(proposal.reason) or "", secrets={},
                step="confirm", steps=(), trials=TRIALS, lines=[describe(counter.parts, Change(**c), language(request)) for c in proposal.changes])


async def confirmed(request: web.Request, proven: Proven, _form: Form) -> web.StreamResponse:
    """Make the proposal's changes."""
    counter, person, payload = request.app[COUNTER], session_of(request).person, proven.begun.payload
    command = Confirm(proposal=payload["proposal"], digest=Digest(payload["digest"]), proof=proven.proof)
    await counter.parts.runner.submit(Request(command=command, actor=person, grade=Grade.PROOF), blobs=proven.blobs, about=payload["proposal"])
    raise see("/i/changes")


async def decline(request: web.Request) -> web.StreamResponse:
    """Drop a proposal."""
    counter, form = request.app[COUNTER], await form_of(request)
    command = Decline(proposal=form.get("proposal", ""))
    await counter.parts.runner.submit(Request(command=command, actor=session_of(request).person, grade=Grade.COUNTER), about=command.proposal)
    raise see("/i/changes")


# ---- from forms to changes


def _text(form: Form, name: str, longest: int = 120) -> str:
    return " ".join(form.get(name, "").split())[:longest]


def _commit(counter: Counter, form: Form, *names: str) -> dict[str, str]:
    return {name: counter.parts.values.commit(text) for name in names if (text := _text(form, name))}


def _code(counter: Counter, person: str) -> tuple[Change, str]:
    code = new_code()
    until = instants.plus(counter.parts.runner.now(), CODE_SECONDS)
    return Change(type=EntryType.ENROLMENT_OPENED, object=person, data={"code": code_digest(code), "until": until}), code


def _person(counter: Counter, form: Form) -> Built:
    name, person = _text(form, "name", 40), new_id("per")
    if not name:
        raise Denied("invalid", detail="name")
    data = {"name": counter.parts.values.commit(name), "unit": form.get("unit", ""), "details": _commit(counter, form, "title", "extension", "mail")}
    opened, code = _code(counter, person)
    changes = [Change(type=EntryType.PERSON_ADDED, object=person, data=data)]
    if form.get("office"):
        changes += _appointment(counter, {**form, "person": person})[0]
    return [*changes, opened], {name: code}


def _appointment(counter: Counter, form: Form) -> Built:
    office = form.get("office", "")
    scope = form.get("channel", "") if office in {Office.OPERATOR, Office.CUSTODIAN} else form.get("unit_scope", "")
    data = {"person": form.get("person", ""), "office": office, "scope": scope or counter.parts.runner.state.group,
            "start": counter.parts.runner.now()}
    if form.get("end_day"):
        data["end"] = _day(form["end_day"])
    return [Change(type=EntryType.APPOINTMENT_MADE, object=new_id("apt"), data=data)], {}


def _day(text: str) -> str:
    """Return the midnight that begins a day in the company's zone."""
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return instants.from_datetime(datetime.fromisoformat(text).replace(tzinfo=instants.OFFICE_ZONE))  # strptime imports when it is called
    except (ValueError, OverflowError) as error:
        raise Denied("invalid", detail="day") from error


def _end(counter: Counter, form: Form) -> Built:
    end = _day(form["end_day"]) if form.get("end_day") else counter.parts.runner.now()
    return [Change(type=EntryType.APPOINTMENT_ENDED, object=form.get("appointment", ""), data={"end": end})], {}


def _unit(_counter: Counter, form: Form) -> Built:
    data = {"name": _text(form, "name", 60), "parent": form.get("parent", ""), "kind": form.get("unit_kind", "")}
    return [Change(type=EntryType.UNIT_ADDED, object=new_id("unit"), data=data)], {}


def _settings(form: Form) -> dict[str, str]:
    lines = (line.partition("=") for line in form.get("settings", "").splitlines() if line.strip())
    return {name.strip(): value.strip() for name, mark, value in lines if mark}


def _custodians(form: Form) -> list[str]:
    return list(dict.fromkeys(form[name] for name in ("custodian1", "custodian2") if form.get(name)))


def _channel(_counter: Counter, form: Form) -> Built:
    data = {
        "platform": form.get("platform", ""), "account": _text(form, "account"), "name": _text(form, "name", 60), "unit": form.get("unit", ""),
        "level": form.get("level", ""), "filing": "filed", "filing_number": _text(form, "filing_number", 60), "settings": _settings(form),
        "custodians": _custodians(form),
    }
    return [Change(type=EntryType.CHANNEL_ADDED, object=new_id("ch"), data=data)], {}


def _channel_change(counter: Counter, form: Form) -> Built:
    channel = counter.parts.runner.state.channels.get(form.get("channel", ""))
    if channel is None:
        raise Denied("channel_unknown")
    data: dict[str, Any] = {}
    if form.get("filing") and form["filing"] != channel.filing:
        data["filing"] = form["filing"]
    if _text(form, "filing_number") and _text(form, "filing_number") != channel.filing_number:
        data["filing_number"] = _text(form, "filing_number")
    if _custodians(form) and tuple(_custodians(form)) != channel.custodians:
        data["custodians"] = _custodians(form)
    if form.get("settings", "").strip():
        data["settings"] = _settings(form)
    return [Change(type=EntryType.CHANNEL_CHANGED, object=channel.id, data=data)], {}


def _switch(_counter: Counter, form: Form) -> Built:
    return [Change(type=EntryType.POLICY_SET, object=form.get("switch", ""), data={"value": form.get("value", "")})], {}


def _thaw(_counter: Counter, form: Form) -> Built:
    return [Change(type=EntryType.FREEZE_LIFTED, object=form.get("freeze", ""), data={})], {}


def _blackout(counter: Counter, form: Form) -> Built:
    """Whole days in the company's zone, the last one included; without a first day it begins now."""
    scope, _, target = form.get("over", "").partition(":")
    last = instants.plus(instants.Instant(_day(form.get("end_day", ""))), 86_400)
    data = {
        "scope": scope, "kind": form.get("days", ""), "reason": counter.parts.values.commit(_text(form, "reason", 500)),
        "start": _day(form["start_day"]) if form.get("start_day") else counter.parts.runner.now(), "end": last,
        **({"target": target} if target else {}),
    }
    return [Change(type=EntryType.BLACKOUT_SET, object=new_id("blk"), data=data)], {}


def _lift(_counter: Counter, form: Form) -> Built:
    return [Change(type=EntryType.BLACKOUT_LIFTED, object=form.get("blackout", ""), data={})], {}


def _reset(counter: Counter, form: Form) -> Built:
    person = form.get("person", "")
    opened, code = _code(counter, person)
    return [Change(type=EntryType.FACTOR_REVOKED, object=person, data={"factor": "all"}), opened], {counter.parts.views.name(person): code}


def _suspend(_counter: Counter, form: Form) -> Built:
    kind = EntryType.PERSON_RESTORED if form.get("restore") == "on" else EntryType.PERSON_SUSPENDED
    return [Change(type=kind, object=form.get("person", ""), data={})], {}


def _settle(_counter: Counter, form: Form) -> Built:
    publication, outcome = form.get("publication", ""), form.get("outcome", "")
    if outcome == "live":
        change = Change(type=EntryType.PUBLICATION_LIVE, object=publication,
                        data={"id": _text(form, "remote_id") or _text(form, "url", 500), "url": _text(form, "url", 500)})
    elif outcome == "gone":
        change = Change(type=EntryType.PUBLICATION_GONE, object=publication, data={"id": _text(form, "remote_id") or publication})
    else:
        change = Change(type=EntryType.PUBLICATION_ABSENT, object=publication, data={"how": "people"})
    return [change], {}


def _retire(counter: Counter, form: Form) -> Built:
    channel = counter.parts.runner.state.channels.get(form.get("channel", ""))
    if channel is None or channel.credential is None:
        raise Denied("credential_missing")
    return [Change(type=EntryType.CREDENTIAL_RETIRED, object=channel.id, data={"version": channel.credential.version})], {}


BUILD: Final[dict[str, Callable[[Counter, Form], Built]]] = {
    "person": _person, "appointment": _appointment, "end": _end, "unit": _unit, "channel": _channel, "channel_change": _channel_change,
    "switch": _switch, "thaw": _thaw, "blackout": _blackout, "lift": _lift, "reset": _reset, "suspend": _suspend, "settle": _settle, "retire": _retire,
}
