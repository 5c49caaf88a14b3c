"""Seeding: the sample company is staffed before anything is served, through the real enforcer and its log; no shortcut into the state.

Every change is proposed by one founder and confirmed by the other, every signature is a code of the signer's own TOTP secret from a
time step long past, so that the next real code is still unused.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.config import Settings
from gateway.connectors.base import Connector
from gateway.demo.company import CHANNELS, FOUNDERS, PEOPLE, UNITS, Someone
from gateway.enforcer.building import build
from gateway.enforcer.codes import code_digest
from gateway.enforcer.founding import Founded
from gateway.enforcer.ids import new_id
from gateway.enforcer.lifecycle import Lifecycle
from gateway.enforcer.parts import Parts
from gateway.enforcer.runner import Done
from gateway.enforcer.worker import Worker
from gateway.machine.changes import changes_digest
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Factor, Grade, Proof, Request
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import PROPOSAL_LABEL, list_digest
from vault import totp
from vault.secretbytes import SecretBytes
from vault.slots import SlotSecret

PAST_STEPS: Final = 100_000


@dataclass(slots=True)
class Staffed:
    """Who is who in the seeded deployment: ids by key, and each person's TOTP secret for the story's codes."""

    people: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)


class Seeder:
    """One seeding run over opened parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._runner = parts.runner
        self._steps = itertools.count(totp.step_at(parts.runner.clock.moment()) - PAST_STEPS)
        self.staffed = Staffed()

    async def run(self, founded: Founded, credentials: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, str]]]) -> Staffed:
        """Staff the company. `credentials` maps a channel key to its account, credential form and settings."""
        founders = dict(zip(("he", "xu"), self._founders(), strict=True))
        self.staffed.people.update(founders)
        for (key, person), (_, code) in zip(founders.items(), founded.codes, strict=True):
            await self._enrol(key, person, code)
        await self._units()
        await self._people()
        await self._channels(credentials)
        await self._offices()
        for key, (_account, form, _settings) in credentials.items():
            await self._credential(key, form)
        return self.staffed

    def _founders(self) -> list[str]:
        state = self._runner.state
        by_name = {self._parts.views.name(person): person for person in state.holders(Office.FOUNDER, state.group, self._runner.now())}
        return [by_name[name] for name in FOUNDERS]

    async def do(self, command: Any, actor: str, grade: Grade, blobs: Mapping[Digest, bytes] | None = None) -> Done:
        """Submit one command as a person."""
        return await self._runner.submit(Request(command=command, actor=actor, grade=grade), blobs=blobs)

    def proof(self, key: str, digest: Digest) -> tuple[Proof, dict[Digest, bytes]]:
        """Return a code's proof over a list, as `proofs.py` makes it after verifying the code."""
        person = self.staffed.people[key]
        step, factor = next(self._steps), self._factor(person, "totp")
        nonce = new_id("nonce")
        evidence = canonical.encode({"v": 1, "method": "totp", "nonce": nonce, "list": digest, "step": step, "factor": factor})
        found = canonical.sha256(evidence)
        return Proof(method="totp", factor=factor, nonce=nonce, list_digest=digest, evidence=found, step=step), {found: evidence}

    @staticmethod
    def _factor(person: str, kind: str) -> str:
        return f"factor/{person}/{kind}"

    async def change(self, *changes: Change, first: str = "he", second: str = "xu") -> None:
        """Make changes by two people."""
        digest = changes_digest(list(changes))
        until = instants.plus(self._runner.now(), 86_400)
        proof, blobs = self.proof(first, list_digest(PROPOSAL_LABEL, [(digest, "propose")]))
        made = await self.do(c.Propose(changes=changes, reason=self._parts.values.commit("演示公司建档"), until=until, proof=proof),
                             self.staffed.people[first], Grade.PROOF, blobs)
        proof, blobs = self.proof(second, list_digest(PROPOSAL_LABEL, [(digest, "confirm")]))
        await self.do(c.Confirm(proposal=made.object, digest=digest, proof=proof), self.staffed.people[second], Grade.PROOF, blobs)

    async def _enrol(self, key: str, person: str, code: str) -> None:
        password = self._row(person, "password", SecretBytes(new_id("unused").encode()))
        await self._runner.system(c.Enrol(person=person, code=code_digest(code), password=password))
        made = totp.enrol(account=key, issuer="签发")
        self.staffed.secrets[key] = bytes(made.secret.expose())
        await self.do(c.AddFactor(factor=self._row(person, "totp", made.secret), proof=None), person, Grade.COUNTER)

    def _row(self, person: str, kind: Any, secret: SecretBytes) -> Factor:
        row = self._parts.vault.put(secret_id=self._factor(person, kind), version=1, secret=secret)
        self._parts.sealed.insert(row)
        return Factor(factor=row.secret_id, kind=kind, version=1, sha256=Digest(row.sha256))

    async def _units(self) -> None:
        group = self._runner.state.group
        self.staffed.units[""] = group
        changes = []
        for unit in UNITS:
            self.staffed.units[unit.key] = new_id("unit")
            parent = self.staffed.units[unit.parent]
            changes.append(Change(type=EntryType.UNIT_ADDED, object=self.staffed.units[unit.key],
                                  data={"name": unit.name, "parent": parent, "kind": unit.kind}))
        await self.change(*changes)

    async def _people(self) -> None:
        now, codes = self._runner.now(), {}
        for someone in PEOPLE:
            person = self.staffed.people.setdefault(someone.key, new_id("per"))
            changes = [Change(type=EntryType.PERSON_ADDED, object=person, data=self._person(someone))]
            if someone.name not in FOUNDERS:
                codes[someone.key] = new_id("code")
                changes.append(Change(type=EntryType.ENROLMENT_OPENED, object=person, data={
                    "code": code_digest(codes[someone.key]), "until": instants.plus(now, 3600)}))
            await self.change(*changes)
        for key, code in codes.items():
            await self._enrol(key, self.staffed.people[key], code)

    def _person(self, someone: Someone) -> dict[str, Any]:
        commit = self._parts.values.commit
        return {"name": commit(someone.name), "unit": self.staffed.units[someone.unit], "details": {
            "title": commit(someone.title), "extension": commit(someone.extension), "mail": commit(f"{someone.key}@heting.example")}}

    async def _channels(self, credentials: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, str]]]) -> None:
        for number, channel in enumerate(CHANNELS, 1):
            if channel.key not in credentials:
                continue
            account, _form, settings = credentials[channel.key]
            self.staffed.channels[channel.key] = new_id("ch")
            await self.change(Change(type=EntryType.CHANNEL_ADDED, object=self.staffed.channels[channel.key], data={
                "platform": channel.platform, "account": account, "name": channel.name, "unit": self.staffed.units[channel.unit],
                "level": channel.level, "filing": channel.filing, "filing_number": f"禾备〔2026〕{number:03d}号", "settings": dict(settings),
                "custodians": [self.staffed.people[key] for key in channel.custodians]}))

    async def _offices(self) -> None:
        now, changes = self._runner.now(), []
        for someone in PEOPLE:
            for office, scope in someone.offices:
                kind, _, key = scope.rpartition(":")
                if kind == "ch" and key not in self.staffed.channels:
                    continue
                where = self.staffed.channels[key] if kind == "ch" else self.staffed.units[scope]
                changes.append(Change(type=EntryType.APPOINTMENT_MADE, object=new_id("apt"), data={
                    "person": self.staffed.people[someone.key], "office": office, "scope": where, "start": now}))
        await self.change(*changes)

    async def _credential(self, key: str, form: Mapping[str, str]) -> None:
        channel = self.staffed.channels[key]
        connector = self._parts.connectors[self._runner.state.channels[channel].platform]
        with SecretBytes(connector.parse_credential(form)) as secret:
            row = self._parts.vault.put(secret_id=f"credential/{channel}", version=1, secret=secret)
        self._parts.sealed.insert(row)
        await self.change(Change(type=EntryType.CREDENTIAL_STORED, object=channel,
                                 data={"version": 1, "secret": row.secret_id, "sha256": row.sha256}),
                          first=self._custodian(key), second="he")

    @staticmethod
    def _custodian(key: str) -> str:
        return next(channel.custodians[0] for channel in CHANNELS if channel.key == key)


async def seed(
    settings: Settings, founded: Founded, connectors: Mapping[str, Connector],
    credentials: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, str]]],
) -> Staffed:
    """Open the enforcer's parts once, staff the sample company, and close them again."""
    async with AsyncExitStack() as stack:
        worker = Worker()
        stack.callback(worker.close)
        parts, lifecycle = await build(settings, stack, connectors=connectors, worker=worker, isolated=False)
        await _unseal(lifecycle, settings)
        try:
            return await Seeder(parts).run(founded, credentials)
        finally:
            await lifecycle.seal("seed")


async def _unseal(lifecycle: Lifecycle, settings: Settings) -> None:
    assert settings.key_file is not None
    await lifecycle.unseal(SlotSecret.from_key_file(settings.key_file))
