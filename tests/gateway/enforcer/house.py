"""A real enforcer without its faces: founded on disk, unsealed by its key file, staffed by two people, sending to the sandbox.

`House.open` founds (or reopens) a deployment under a folder; every command goes through the real runner and log.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import canonical
from gateway.canonical import Digest
from gateway.clock import Clock
from gateway.config import Listen, Settings, load
from gateway.connectors.base import ChannelFacts, Connector, Operation, Previous
from gateway.content import Content, Media, Source
from gateway.enforcer import founding
from gateway.enforcer.building import build
from gateway.enforcer.codes import code_digest
from gateway.enforcer.feed import read_bodies
from gateway.enforcer.lifecycle import Lifecycle
from gateway.enforcer.parts import Parts
from gateway.enforcer.runner import Done, Runner
from gateway.enforcer.worker import Worker
from gateway.log import audit
from gateway.log.checkpoint import parse_vkey
from gateway.machine.changes import changes_digest
from gateway.machine.signing import build_statement
from gateway.machine.state import Office, PublicationState, State
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Proof, Request
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.entries import load as load_entry
from gateway.protocol.statements import LIST_LABEL, PROPOSAL_LABEL, list_digest
from vault import passkeys
from vault.secretbytes import SecretBytes
from vault.slots import Argon2Cost, Argon2Policy, SlotSecret

CHEAP = Argon2Cost(time_cost=1, memory_kib=64, lanes=1)
ARGON2 = Argon2Policy(cost=CHEAP, floor=CHEAP)
FACTS: dict[str, Any] = {
    "category": "company", "sensitive": False, "executives": False, "external_quote": False, "ai_generated": False,
    "reprinted_pictures": False, "found": [],
}
STAFF = {
    "gu": ("顾长庚", Office.UNIT_HEAD, "unit"), "lu": ("陆晓棠", Office.AUTHOR, "unit"), "fang": ("方小满", Office.BRAND_PR, "group"),
    "fang2": ("许文澜", Office.BRAND_PR_HEAD, "group"),
}
COVER = Path(__file__).parent / "cover.png"


def settings_for(folder: Path, **over: Any) -> Settings:
    """Return sandbox settings for a folder."""
    return Settings.model_validate({
        "deployment": "new", "kind": "sandbox", "log_key": "new", "desk_url": "http://desk.localhost:8441",
        "counter_url": "http://counter.localhost:8442", "data": folder / "data", "run": folder / "run", "copies": folder / "copies" / "checkpoints",
        "backups": folder / "backups", "desk": Listen(port=0), "counter": Listen(port=0), "counter_inside": Listen(port=0),
        "key_file": folder / "keys" / "vault.key", **over,
    })


def article(title: str = "秋收之后，我们把水管修到了地头", cover: Media | None = None, body: str | None = None) -> Content:
    """Return a plain content in normal form."""
    text = "入冬前，禾汀灌溉工程部在云岗村更换了4.2公里老旧支管。村里的轮灌时间由三天缩短到一天半。"
    return Content.build(
        title=title, summary="云岗村更换老旧支管", author="陆晓棠", source=Source(kind="original", name="", url=""),
        body=body or f"<p>{text}</p>", pictures={}, cover=cover,
    )


def passkey_of(person: str) -> Ed25519PrivateKey:
    """Return a person's passkey, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(person.encode()).digest())


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class House:
    """One opened deployment."""

    parts: Parts
    lifecycle: Lifecycle
    folder: Path
    people: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def runner(self) -> Runner:
        """The runner."""
        return self.parts.runner

    @property
    def state(self) -> State:
        """The durable state."""
        return self.parts.runner.state

    # ---- acting

    async def do(self, command: Any, actor: str, grade: Grade = Grade.COUNTER, **more: Any) -> Done:
        """Submit one command as a person."""
        return await self.runner.submit(Request(command=command, actor=self.people.get(actor, actor), grade=grade, **more))

    def proof(self, person: str, digest: Digest) -> Proof:
        """Sign a list with the person's passkey, and return the proof as the counter hands it in after verifying; its evidence is stored."""
        who, number, nonce = self.people.get(person, person), next(self.count), secrets.token_bytes(32)
        challenge = passkeys.signing_challenge(nonce, bytes.fromhex(digest.removeprefix("sha256:")))
        client = json.dumps({"type": "webauthn.get", "challenge": _b64(challenge), "origin": "http://counter.localhost:8442", "crossOrigin": False})
        data = hashlib.sha256(b"counter.localhost").digest() + b"\x05" + number.to_bytes(4, "big")
        key = passkey_of(who)
        evidence = passkeys.Evidence(
            credential_id=who.encode(), algorithm=-8, public_key=_public(key), client_data_json=client.encode(), authenticator_data=data,
            signature=key.sign(data + hashlib.sha256(client.encode()).digest()))
        stored = self.runner.blobs.put(canonical.encode(evidence.to_json()))
        return Proof(method="passkey", factor=f"pk-{who}", nonce=_b64(nonce), list_digest=digest, evidence=stored, sign_count=number)

    async def enrol(self, person: str, code: str) -> None:
        """Redeem a code and add a passkey."""
        who = self.people.get(person, person)
        with SecretBytes(b"a password's hash") as hashed:
            row = self.parts.vault.put(secret_id=f"pw-{who}", version=1, secret=hashed)
        self.parts.sealed.insert(row)
        await self.runner.system(c.Enrol(person=who, code=code_digest(code), password=c.Factor(
            factor=row.secret_id, kind="password", version=1, sha256=Digest(row.sha256))))
        await self.do(c.AddFactor(factor=c.Factor(factor=f"pk-{who}", kind="passkey", version=1, sha256=canonical.sha256(b"k" + who.encode()),
                                                  public={"credential_id": _b64(who.encode()), "public_key": _b64(_public(passkey_of(who))),
                                                          "sign_count": "0"}), proof=None), person)

    async def change(self, *changes: Change, first: str = "he", second: str = "xu") -> Done:
        """Make changes by two people."""
        digest = changes_digest(list(changes))
        until = instants.plus(self.runner.now(), 86_400)
        made = await self.do(c.Propose(changes=changes, reason=self.parts.values.commit("测试"), until=until,
                                       proof=self.proof(first, list_digest(PROPOSAL_LABEL, [(digest, "propose")]))), first, Grade.PROOF)
        return await self.do(c.Confirm(proposal=made.object, digest=digest,
                                       proof=self.proof(second, list_digest(PROPOSAL_LABEL, [(digest, "confirm")]))), second, Grade.PROOF)

    async def staff(self) -> None:
        """Add a unit, four people with offices, and enrol them."""
        group, now = self.state.group, self.runner.now()
        self.units = {"group": group, "unit": "unit_irrigation"}
        await self.change(Change(type=EntryType.UNIT_ADDED, object="unit_irrigation",
                                 data={"name": "禾汀灌溉科技有限公司", "parent": group, "kind": "subsidiary"}))
        changes = []
        for key, (name, office, scope) in STAFF.items():
            self.people[key] = f"per_{key}000000"
            unit = self.units[scope]
            changes += [
                Change(type=EntryType.PERSON_ADDED, object=self.people[key], data={"name": self.parts.values.commit(name), "unit": unit, "details": {
                    "title": self.parts.values.commit("职务"), "extension": self.parts.values.commit("6600")}}),
                Change(type=EntryType.APPOINTMENT_MADE, object=f"apt_{key}000000",
                       data={"person": self.people[key], "office": office.value, "scope": unit, "start": now}),
                Change(type=EntryType.ENROLMENT_OPENED, object=self.people[key], data={
                    "code": code_digest("CODE" + key), "until": instants.plus(now, 3600)}),
            ]
        await self.change(*changes)
        for key in STAFF:
            await self.enrol(key, "CODE" + key)

    async def add_channel(self, key: str, platform: str, account: str, credential: Mapping[str, str], *, level: str = "company",
                          settings: Mapping[str, str] | None = None) -> str:
        """File a channel and store its credential by two people; return its id."""
        channel = self.channels[key] = f"ch_{key}000000"
        unit = self.units["group" if level == "company" else "unit"]
        await self.change(Change(type=EntryType.CHANNEL_ADDED, object=channel, data={
            "platform": platform, "account": account, "name": key, "unit": unit, "level": level, "filing": "filed",
            "filing_number": "备-2026-001", "settings": dict(settings or {}), "custodians": [self.people["fang"], self.people["fang2"]]}))
        if level == "own":
            await self.change(Change(type=EntryType.APPOINTMENT_MADE, object=f"apt_op{key}00000", data={
                "person": self.people["lu"], "office": Office.OPERATOR.value, "scope": channel, "start": self.runner.now()}))
        await self.store_credential(key, credential)
        return channel

    async def store_credential(self, key: str, credential: Mapping[str, str]) -> None:
        """Put the next credential version of a channel, as the intake does."""
        channel = self.channels[key]
        version = self.state.channels[channel].credential_version + 1
        connector = self.parts.connectors[self.state.channels[channel].platform]
        with SecretBytes(connector.parse_credential(credential)) as secret:
            row = self.parts.vault.put(secret_id=f"credential/{channel}", version=version, secret=secret)
        self.parts.sealed.insert(row)
        await self.change(Change(type=EntryType.CREDENTIAL_STORED, object=channel,
                                 data={"version": version, "secret": row.secret_id, "sha256": row.sha256}), first="fang")

    # ---- submitting and signing

    def put_content(self, content: Content) -> Digest:
        """Store a content and return its digest."""
        return self.runner.blobs.put(content.to_bytes())

    def cover(self) -> Media:
        """Store the test cover and return its description."""
        data = COVER.read_bytes()
        return Media(role="cover", type="image/png", length=len(data), sha256=self.runner.blobs.put(data), width=900, height=383, alt="")

    def template(self, channel: str, content: Content | None, operation: str = "publish", previous: str | None = None) -> Digest:
        """Render and store the template for a channel."""
        known = self.state.channels[channel]
        live = self.state.publications[previous] if previous else None
        before = Previous(id=live.remote_id, url=live.url, digest=Digest(live.template)) if live else None
        rendered = self.parts.connectors[known.platform].render(
            content, ChannelFacts(channel=channel, platform=known.platform, account=known.account, settings=known.settings),
            Operation(operation), before)
        return self.runner.blobs.put(rendered.to_bytes())

    async def submit(self, content: Content | None, *keys: str, operation: str = "publish", previous: str | None = None, **over: Any) -> str:
        """Submit by 陆晓棠 and return the submission."""
        targets = tuple(c.Target(channel=self.channels[key], operation=operation, previous=previous,  # type: ignore[arg-type]
                                 template=self.template(self.channels[key], content, operation, previous)) for key in keys)
        command = c.Submit(**{
            "draft": "draft1", "submission": None, "targets": targets, "content": self.put_content(content) if content else None,
            "facts": dict(FACTS), "findings": c.FindingCounts(block=0, confirm=0, hint=0, blob=self.runner.blobs.put(b"{}")),
            "window_to": instants.plus(self.runner.now(), 3 * 86_400), "scheduled": None, "source": "desk", **over})
        return (await self.do(command, "lu", Grade.DESK)).object

    async def sign(self, person: str, submission: str, verdict: str) -> Done:
        """Sign the open stage of a submission as a person."""
        return await self.sign_list(person, [submission], verdict)

    async def sign_list(self, person: str, submissions: Sequence[str], verdict: str) -> Done:
        """Sign the open stages of several submissions as a person, with one proof."""
        state, who = self.state, self.people[person]
        items, blobs = [], {}
        for submission in submissions:
            found = state.submissions[submission]
            stage = next(s for s in state.open_stages(found) if s.kind == verdict)
            office = state.may_sign(who, stage, self.runner.now()) or ""
            salt = f"salt{next(self.count)}"
            statement = canonical.encode(build_statement(state, found, stage, who, office, salt))
            digest = canonical.sha256(statement)
            blobs[digest] = statement
            items.append(c.SignItem(submission=submission, revision=found.revision, stage=stage.id, verdict=verdict, salt=salt,  # type: ignore[arg-type]
                                    statement=digest, seen=found.seq))
        proof = self.proof(person, list_digest(LIST_LABEL, [(item.statement, verdict) for item in items]))
        return await self.runner.submit(
            Request(command=c.Sign(items=tuple(items), proof=proof, rip=self.parts.values.commit("127.0.0.1")), actor=who, grade=Grade.PROOF),
            blobs=blobs)

    async def release(self, submission: str, approver: str = "gu", releaser: str = "fang") -> list[str]:
        """Approve and release; return the publications."""
        await self.sign(approver, submission, "approve")
        done = await self.sign(releaser, submission, "release")
        return [entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED]

    async def until(self, publication: str, *states: str, seconds: float = 20.0) -> str:
        """Wait until a publication is in one of these states and return it."""
        async with asyncio.timeout(seconds):
            while (found := self.state.publications[publication].state.value) not in states:
                await asyncio.sleep(0.01)
        return str(found)

    def count_of(self, kind: EntryType, publication: str) -> int:
        """Count entries of one type about one publication, read from the store."""
        return sum(entry.object == publication for entry in self.entries(kind))

    def bodies(self) -> list[bytes]:
        """Return every durable entry's bytes."""
        return read_bodies(self.parts, 0, self.state.size)

    def entries(self, kind: EntryType) -> list[Entry]:
        """Return every durable entry of one type."""
        return [entry for entry in map(load_entry, self.bodies()) if entry.type == kind]

    async def thaw(self, freeze: str) -> None:
        """Lift a freeze by two people who did not set it."""
        await self.change(Change(type=EntryType.FREEZE_LIFTED, object=freeze, data={}))

    def publication_state(self, publication: str) -> PublicationState:
        """Return a publication's state."""
        found: PublicationState = self.state.publications[publication].state
        return found


def found_house(folder: Path, **over: Any) -> founding.Founded:
    """Found a deployment under `folder`."""
    return founding.found(settings_for(folder, **over), group_name="禾汀集团有限公司", people=["何立群", "许文澜"], argon2=ARGON2)


@asynccontextmanager
async def open_house(
    folder: Path, connectors: Mapping[str, Connector], *, clock: Clock | None = None, codes: tuple[tuple[str, str], ...] = (),
    unseal: bool = True, worker: Worker | None = None, **more: Any,
) -> AsyncIterator[House]:
    """Open the deployment under `folder`; with `codes` (of a fresh founding) the two founders are enrolled. A `worker` that is given is left open."""
    settings = load(folder / "data" / "qianfa.toml")
    async with AsyncExitStack() as stack:
        if worker is None:
            worker = Worker()
            stack.callback(worker.close)
        parts, lifecycle = await build(settings, stack, connectors=connectors, worker=worker, isolated=False, argon2=ARGON2, clock=clock, **more)
        house = House(parts, lifecycle, folder)
        if unseal:
            assert settings.key_file is not None
            await lifecycle.unseal(SlotSecret.from_key_file(settings.key_file))
        founders = [p for p in parts.runner.state.people.values() if any(
            a.person == p.id and a.office == Office.FOUNDER for a in parts.runner.state.appointments.values())]
        house.people = dict(zip(("he", "xu"), (p.id for p in founders), strict=True))
        for key in STAFF:
            if f"per_{key}000000" in parts.runner.state.people:
                house.people[key] = f"per_{key}000000"
        house.units = {"group": parts.runner.state.group, "unit": "unit_irrigation"}
        house.channels = {ch.removeprefix("ch_").removesuffix("000000"): ch for ch in parts.runner.state.channels}
        house.count = itertools.count(parts.runner.state.size + 1)
        for key, (_, code) in zip(("he", "xu"), codes, strict=False):
            await house.enrol(key, code)
        try:
            yield house
        finally:
            if not parts.runner.sealed and parts.runner.broken is None:
                await lifecycle.seal("test")
    assert not verdict(settings), "the offline verifier found something"


def verdict(settings: Settings) -> list[str]:
    """Return what the offline verification of the log and its copy finds; an empty list means whole."""
    report = audit.verify_store(settings.enforcer_data / "log.db", parse_vkey(settings.log_key), copies=[settings.copies])
    return [f"{finding.code} {finding.first}" for finding in report.findings]


def digest_of(data: bytes) -> str:
    """Return the hex SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()
