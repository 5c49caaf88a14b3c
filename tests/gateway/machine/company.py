"""The demo company of the tests, over the real decide and apply only.

`Company.open(kind)` gives an opened deployment of 禾汀集团 with its two founders; `Company.staffed(kind)` adds units, people, channels, offices,
factors and credentials the way people would: by proposals that two of them make and confirm. Ids count up; tokens are "signed" by
hashing their claims, which is the `Ids` port's contract (the real one is `vault.dsse`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

from gateway import canonical
from gateway.canonical import Digest, sha256
from gateway.machine import Repeated, State, apply, decide, place
from gateway.machine.changes import changes_digest
from gateway.machine.policy import RULES, Rule
from gateway.machine.signing import build_statement
from gateway.machine.state import Office
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Proof, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import CommandRef, Draft, Entry, EntryType, load
from gateway.protocol.instants import Instant
from gateway.protocol.statements import EMERGENCY_LABEL, FACTOR_LABEL, LIST_LABEL, PROPOSAL_LABEL, list_digest

START = Instant("2026-11-23T01:00:00.000Z")  # Monday 09:00 in 临溪
WINDOW = Instant("2026-11-26T10:00:00.000Z")
FACTS: dict[str, Any] = {
    "category": "company", "sensitive": False, "executives": False, "external_quote": False, "ai_generated": False,
    "reprinted_pictures": False, "found": [],
}
GROUP = "unit_group"
UNITS = {
    "unit_brand": ("品牌公关部", GROUP, "department"), "unit_it": ("信息中心", GROUP, "department"),
    "unit_office": ("办公室", GROUP, "department"), "unit_audit": ("审计部", GROUP, "department"),
    "unit_irrigation": ("禾汀灌溉", GROUP, "subsidiary"), "unit_irrigation_general": ("综合部", "unit_irrigation", "department"),
    "unit_travel": ("禾汀乡野", GROUP, "subsidiary"), "unit_travel_market": ("市场部", "unit_travel", "department"),
}
PEOPLE = {
    "shen": ("沈知远", GROUP), "fang": ("方小满", "unit_brand"), "gu": ("顾长庚", "unit_irrigation"),
    "lu": ("陆晓棠", "unit_irrigation_general"), "meng": ("孟一鸣", "unit_travel"), "lin": ("林岚", "unit_travel_market"),
    "shao": ("邵敬之", "unit_audit"), "qin": ("秦素", "unit_office"),
}
FOUNDERS = {"xu": "许文澜", "he": "何立群"}
OFFICES = (
    ("shen", Office.LEADER, GROUP), ("xu", Office.BRAND_PR_HEAD, GROUP), ("xu", Office.BRAND_PR, GROUP), ("fang", Office.BRAND_PR, GROUP),
    ("fang", Office.AUTHOR, "unit_brand"), ("xu", Office.UNIT_HEAD, "unit_brand"), ("gu", Office.UNIT_HEAD, "unit_irrigation"),
    ("lu", Office.AUTHOR, "unit_irrigation"), ("lu", Office.OPERATOR, "ch_irrigation"), ("meng", Office.UNIT_HEAD, "unit_travel"),
    ("lin", Office.OPERATOR, "ch_travel"), ("lin", Office.AUTHOR, "unit_travel"), ("shao", Office.AUDITOR, GROUP),
    ("he", Office.SYSADMIN, GROUP),
)
CHANNELS = {
    "ch_wechat": ("wechat", "gh_heting", "禾汀集团", GROUP, "company", "filed"),
    "ch_weibo": ("weibo", "6601", "@禾汀集团", GROUP, "company", "filed"),
    "ch_web": ("wordpress", "news.heting.example", "官网", GROUP, "company", "filed"),
    "ch_irrigation": ("wechat", "gh_irrigation", "禾汀灌溉", "unit_irrigation", "own", "filed"),
    "ch_travel": ("weibo", "6651", "@禾汀乡野", "unit_travel", "own", "changing"),
}
CUSTODIANS = ["fang", "xu"]


def text_digest(text: str) -> Digest:
    """Return a digest to stand for some content, template or reason."""
    return sha256(text.encode())


class CountingIds:
    """Ids that count up, and tokens that are the hash of their claims."""

    def __init__(self) -> None:
        self.count = 0
        self.claims: list[bytes] = []

    def new(self, prefix: str) -> str:
        """Return the next id."""
        self.count += 1
        return f"{prefix}_{self.count:06d}"

    def token(self, claims: bytes) -> Digest:
        """Keep the claims and return their hash."""
        self.claims.append(claims)
        return sha256(b"signed:" + claims)


LATER = frozenset({"blackouts", "effective"})
"""Fields that the state got after digests of states were recorded: absent from a dump while empty, so that recorded digests stand."""


def queues(state: State) -> list[Any]:
    """Return who waits for what, in order of the names: when it was worked out changes the order in which it is kept."""
    waiting = sorted([*office, sorted(queue)] for office, queue in state.waiting.items() if queue)
    return [waiting, sorted([submission, [list(office) for office in offices]] for submission, offices in state.waits.items())]


def dump(value: Any) -> Any:
    """Return a state (or a part) as plain canonical values, so that two can be compared byte by byte."""
    if isinstance(value, State):
        named = {f.name: dump(getattr(value, f.name)) for f in fields(value) if f.name != "queues" and (f.name not in LATER or getattr(value, f.name))}
        return {**named, "queues": queues(value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: dump(getattr(value, f.name)) for f in fields(value) if f.name not in LATER or getattr(value, f.name)}
    if isinstance(value, Mapping):
        return [[dump(key), dump(item)] for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return sorted(dump(item) for item in value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, type(None))):
        return value
    return [dump(item) for item in value]


def state_digest(state: State) -> Digest:
    """Return the digest of a whole state."""
    return canonical.digest(dump(state))


def replay(entries: list[Entry]) -> State:
    """Return the state that the entries give after a trip through their bytes."""
    state = State()
    for entry in entries:
        apply(state, load(entry.to_bytes()))
    return state


@dataclass
class Company:
    """A deployment under test: its state, its entries and its clock."""

    kind: str = "sandbox"
    state: State = field(default_factory=State)
    entries: list[Entry] = field(default_factory=list)
    ids: CountingIds = field(default_factory=CountingIds)
    at: Instant = START
    rules: tuple[Rule, ...] = RULES
    step: int = 1_000

    @classmethod
    def open(cls, kind: str = "sandbox") -> Company:
        """Open a deployment; both founders enrol with a code, a password and a passkey."""
        company = cls(kind)
        company.system(c.OpenDeployment(
            deployment="dep_heting", kind=kind, desk="desk.localhost", counter="counter.localhost", epoch="epo_1",  # type: ignore[arg-type]
            keys={"log": "log+key", "approval": "approval-key"}, group=GROUP, group_name="禾汀集团有限公司",
            people=tuple(
                c.FirstPerson(person=person, name=text_digest(name), code=text_digest("code " + person), code_until=instants.plus(START, 3600))
                for person, name in FOUNDERS.items()
            ),
        ))
        for person in FOUNDERS:
            company.enrol(person)
        return company

    @classmethod
    def staffed(cls, kind: str = "sandbox") -> Company:
        """Open a deployment and give it its whole staff and its channels."""
        company = cls.open(kind)
        company.change("xu", "he", *(Change(type=EntryType.UNIT_ADDED, object=unit, data={"name": name, "parent": parent, "kind": kind_})
                                     for unit, (name, parent, kind_) in UNITS.items()))
        company.change("xu", "he", *(Change(type=EntryType.PERSON_ADDED, object=person, data={"name": text_digest(name), "unit": unit})
                                     for person, (name, unit) in PEOPLE.items()))
        company.change("xu", "he", *(
            Change(type=EntryType.CHANNEL_ADDED, object=channel, data={
                "platform": platform, "account": account, "name": name, "unit": unit, "level": level, "filing": filing,
                "filing_number": "备-2026-" + channel, "settings": {}, "custodians": CUSTODIANS,
            }) for channel, (platform, account, name, unit, level, filing) in CHANNELS.items()))
        for person, office, scope in OFFICES:
            company.appoint(person, office, scope)
        company.change("xu", "he", *(
            Change(type=EntryType.ENROLMENT_OPENED, object=person,
                   data={"code": text_digest("code " + person), "until": instants.plus(company.at, 3600)}) for person in PEOPLE))
        for person in PEOPLE:
            company.enrol(person)
        for channel in CHANNELS:
            company.credential(channel)
        return company

    # ---- deciding

    def do(self, command: Any, actor: str, grade: Grade = Grade.COUNTER, *, ref: CommandRef | None = None, expected: int | None = None,
           ) -> list[Entry]:
        """Decide and apply one command; the log is round-tripped through its bytes on the way."""
        drafts = decide(self.state, Request(command=command, actor=actor, grade=grade, ref=ref, expected=expected), self.at, self.ids, self.rules)
        return self.take(drafts, ref)

    def take(self, drafts: list[Draft], ref: CommandRef | None = None) -> list[Entry]:
        """Apply drafts at the tip."""
        made = place(self.state, drafts, self.at, ref)
        for entry in made:
            apply(self.state, load(entry.to_bytes()))
        self.entries += made
        return made

    def system(self, command: Any) -> list[Entry]:
        """Do what the enforcer does by itself."""
        return self.do(command, "system", Grade.SYSTEM)

    def proven(self, command: Any, actor: str) -> list[Entry]:
        """Do what takes a proof."""
        return self.do(command, actor, Grade.PROOF)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.at = instants.plus(self.at, seconds)

    # ---- people

    def proof(self, person: str, digest: Digest, method: str = "passkey") -> Proof:
        """Return the proof that `person` gives over a list digest with their passkey or code."""
        self.step += 1
        totp = method == "totp"
        return Proof(
            method="totp" if totp else "passkey", factor=f"{method}_{person}", nonce=f"nonce_{self.step}", list_digest=digest,
            evidence=text_digest(f"evidence {self.step}"), step=self.step if totp else 0, sign_count=0 if totp else self.step,
        )

    def enrol(self, person: str) -> None:
        """Redeem the person's code, set a password, add a passkey and then a TOTP factor."""
        password = c.Factor(factor=f"password_{person}", kind="password", version=1, sha256=text_digest("pw " + person))
        self.system(c.Enrol(person=person, code=text_digest("code " + person), password=password))
        passkey = c.Factor(
            factor=f"passkey_{person}", kind="passkey", version=1, sha256=text_digest("pk " + person),
            public={"credential": "cred " + person, "key": "cose " + person, "sign_count": "0"},
        )
        self.do(c.AddFactor(factor=passkey, proof=None), person)
        totp = c.Factor(factor=f"totp_{person}", kind="totp", version=1, sha256=text_digest("totp " + person))
        self.add_factor(person, totp)

    def add_factor(self, person: str, factor: c.Factor, method: str = "passkey") -> list[Entry]:
        """Add a factor with a proof by an existing one."""
        proof = self.proof(person, list_digest(FACTOR_LABEL, [(factor.sha256, factor.kind)]), method)
        return self.proven(c.AddFactor(factor=factor, proof=proof), person)

    def propose(self, by: str, *changes: Change, method: str = "passkey", until: Instant | None = None) -> str:
        """Propose changes and return the proposal's id."""
        digest = changes_digest(changes)
        made = self.proven(c.Propose(
            changes=changes, reason=text_digest("reason"), until=until or instants.plus(self.at, 86_400),
            proof=self.proof(by, list_digest(PROPOSAL_LABEL, [(digest, "propose")]), method),
        ), by)
        return made[0].object

    def confirm(self, proposal: str, by: str, method: str = "passkey") -> list[Entry]:
        """Confirm a proposal."""
        digest = Digest(self.state.proposals[proposal].digest)
        proof = self.proof(by, list_digest(PROPOSAL_LABEL, [(digest, "confirm")]), method)
        return self.proven(c.Confirm(proposal=proposal, digest=digest, proof=proof), by)

    def change(self, first: str, second: str, *changes: Change) -> list[Entry]:
        """Make changes by two people."""
        return self.confirm(self.propose(first, *changes), second)

    def appoint(self, person: str, office: Office, scope: str, end: Instant | None = None) -> str:
        """Appoint by the two founders; return the appointment's id."""
        identifier = self.ids.new("apt")
        data = {"person": person, "office": office.value, "scope": scope, "start": self.at, **({"end": end} if end else {})}
        self.change("xu", "he", Change(type=EntryType.APPOINTMENT_MADE, object=identifier, data=data))
        return identifier

    def appointment(self, person: str, office: Office) -> str:
        """Return the id of a person's appointment."""
        return next(a.id for a in self.state.appointments.values() if (a.person, a.office) == (person, office))

    def end_office(self, person: str, office: Office) -> None:
        """End an appointment now."""
        self.change("xu", "he", Change(type=EntryType.APPOINTMENT_ENDED, object=self.appointment(person, office), data={"end": self.at}))

    def suspend(self, person: str, first: str = "xu", second: str = "he") -> None:
        """Suspend for cause."""
        self.change(first, second, Change(type=EntryType.PERSON_SUSPENDED, object=person, data={"cause": "调查"}))

    def restore(self, person: str, first: str = "xu", second: str = "he") -> None:
        """Lift a suspension."""
        self.change(first, second, Change(type=EntryType.PERSON_RESTORED, object=person, data={}))

    def credential(self, channel: str, first: str = "fang", second: str = "he") -> None:
        """Store the next credential version, by a custodian and another."""
        version = self.state.channels[channel].credential_version + 1
        self.change(first, second, Change(type=EntryType.CREDENTIAL_STORED, object=channel, data={
            "version": version, "secret": f"sec_{channel}_{version}", "sha256": text_digest(f"row {channel} {version}"),
        }))

    def switch(self, name: str, value: str = "on") -> None:
        """Set a policy switch."""
        self.change("xu", "he", Change(type=EntryType.POLICY_SET, object=name, data={"value": value}))

    # ---- submissions

    def submission_command(self, *targets: str | c.Target, **over: Any) -> c.Submit:
        """Return the command for an ordinary submission to these channels."""
        made = tuple(
            t if isinstance(t, c.Target) else c.Target(channel=t, operation="publish", template=text_digest("template " + t)) for t in targets
        )
        command = c.Submit(
            draft="dft_1", submission=None, targets=made, content=text_digest("秋收之后"), facts=dict(FACTS),
            findings=c.FindingCounts(block=0, confirm=0, hint=0, blob=text_digest("findings")), window_to=WINDOW, scheduled=None, source="desk",
        )
        return replace(command, **over)

    def submit(self, author: str, *targets: str | c.Target, facts: dict[str, Any] | None = None, **over: Any) -> str:
        """Hand in and return the submission's id."""
        command = self.submission_command(*targets, facts={**FACTS, **(facts or {})}, **over)
        return self.do(command, author, Grade.DESK)[0].object

    def takedown(self, author: str, publication: str, operation: str = "withdraw", **over: Any) -> str:
        """Submit an edit or withdrawal of what is live."""
        live = self.state.publications[publication]
        target = c.Target(
            channel=live.channel, operation=operation, template=text_digest(f"{operation} {publication}"), previous=publication)  # type: ignore[arg-type]
        content = None if operation == "withdraw" else text_digest("corrected")
        return self.submit(author, target, content=content, **over)

    def item(self, person: str, submission: str, stage: str, **over: Any) -> c.SignItem:
        """Return a list item over exactly what the counter would show now."""
        found = self.state.submissions[submission]
        known = next((s for s in found.stages if s.id == stage or s.id.startswith(stage)), None)
        assert known is not None, f"{stage} is not among {[s.id for s in found.stages]}"
        office = self.state.may_sign(person, known, self.at) or known.offices[0][0]
        self.step += 1
        salt = f"salt_{self.step}"
        statement = canonical.digest(build_statement(self.state, found, known, person, office, salt))
        item = c.SignItem(
            submission=submission, revision=found.revision, stage=known.id, verdict=known.kind, salt=salt, statement=statement,  # type: ignore[arg-type]
            seen=found.seq,
        )
        return replace(item, **over)

    def sign_command(self, person: str, *items: c.SignItem, method: str = "passkey") -> c.Sign:
        """Return a signed list."""
        digest = list_digest(LIST_LABEL, [(item.statement, item.verdict) for item in items])
        return c.Sign(items=items, proof=self.proof(person, digest, method), rip=text_digest("rip"))

    def sign(self, person: str, *items: c.SignItem, method: str = "passkey") -> list[Entry]:
        """Sign a list."""
        return self.proven(self.sign_command(person, *items, method=method), person)

    def approve(self, person: str, submission: str, method: str = "passkey", stage: str = "approve") -> list[Entry]:
        """Approve the first unsigned approval stage."""
        found = self.state.submissions[submission]
        name = next((s.id for s in found.stages if s.id.startswith(stage) and found.signed(s.id) is None), stage)
        return self.sign(person, self.item(person, submission, name), method=method)

    def release(self, person: str, submission: str, method: str = "passkey", stage: str = "release") -> list[str]:
        """Release and return the ids of the publications it minted tokens for."""
        made = self.sign(person, self.item(person, submission, stage), method=method)
        return [entry.object for entry in made if entry.type == EntryType.TOKEN_MINTED]

    def released(self, *targets: str | c.Target, **over: Any) -> list[str]:
        """Submit for the company by 陆晓棠, approve by 顾长庚, release by 方小满; return the publications."""
        submission = self.submit("lu", *(targets or ("ch_web",)), **over)
        self.approve("gu", submission)
        return self.release("fang", submission)

    # ---- the gate

    def spend_command(self, publication: str, **over: Any) -> c.Spend:
        """Return gate step 4's question for a publication."""
        p = self.state.publications[publication]
        command = c.Spend(
            publication=publication, jti=p.jti, epoch=p.epoch, operation=p.operation, channel=p.channel, credential_version=p.credential,
            content=Digest(p.content) if p.content else None, template=Digest(p.template), previous=p.previous,
        )
        return replace(command, **over)

    def spend(self, publication: str, *, at_once: bool = False) -> None:
        """Gate step 4, after the hold; `at_once` with step 6."""
        if self.at < (due := self.state.publications[publication].not_before):
            self.at = due
        self.system(self.spend_command(publication, at_once=at_once))

    def prepare(self, publication: str) -> None:
        """Gate step 5."""
        self.system(c.RecordHandle(publication=publication, name="draft", value="17"))
        self.system(c.RecordPrepared(publication=publication, filled=text_digest("filled"), snapshot=text_digest("snapshot")))

    def dispatch(self, publication: str) -> None:
        """Gate step 6."""
        self.system(c.Dispatch(publication=publication, credential_version=self.state.publications[publication].credential))

    def outcome(self, publication: str, outcome: str, **data: Any) -> None:
        """Gate step 8."""
        full = {"live": {"id": "101", "url": "https://news.heting.example/101"}, "gone": {"id": "101"}, "pending": {"handle": "task_1"},
                "unknown": {"cause": "reply lost"}, "rejected": {"code": "53503"}, "absent": {}}.get(outcome, {})
        self.system(c.RecordOutcome(publication=publication, outcome=outcome, data={**full, **data}))  # type: ignore[arg-type]

    def send(self, publication: str, outcome: str = "live") -> None:
        """Gate steps 4 to 8."""
        self.spend(publication)
        self.prepare(publication)
        self.dispatch(publication)
        self.outcome(publication, outcome)

    def live(self, *targets: str) -> str:
        """Return a publication that is live on the first target."""
        publications = self.released(*targets)
        for publication in publications:
            self.send(publication)
        return publications[0]

    def emergency(self, person: str, publication: str, method: str = "passkey", window_to: Instant = WINDOW) -> str:
        """Withdraw in an emergency; return the publication that takes it down."""
        template = text_digest("emergency " + publication)
        made = self.proven(c.EmergencyWithdraw(
            publication=publication, template=template, reason=text_digest("reason"), window_to=window_to,
            proof=self.proof(person, list_digest(EMERGENCY_LABEL, [(template, publication)]), method),
        ), person)
        return made[-1].object

    def freeze(self, person: str, scope: str = "all", target: str = "") -> str:
        """Freeze and return the freeze's id."""
        return self.do(c.Freeze(scope=scope, target=target, reason=text_digest("why")), person)[0].object  # type: ignore[arg-type]

    def thaw(self, freeze: str, first: str, second: str) -> None:
        """Thaw by two."""
        self.change(first, second, Change(type=EntryType.FREEZE_LIFTED, object=freeze, data={}))

    def blackout(self, scope: str = "all", target: str = "", *, start: float = 0, hours: float = 24, **over: Any) -> str:
        """Set a blackout by two from `start` hours on, and return its id."""
        identifier, begin = self.ids.new("blk"), instants.plus(self.at, start * 3_600)
        data = {"scope": scope, "target": target, "kind": "mourning", "start": begin, "end": instants.plus(begin, hours * 3_600),
                "reason": text_digest("国家公祭日")}
        self.change("xu", "he", Change(type=EntryType.BLACKOUT_SET, object=identifier, data={**data, **over}))
        return identifier

    def lift(self, blackout: str) -> None:
        """Lift a blackout by two."""
        self.change("xu", "he", Change(type=EntryType.BLACKOUT_LIFTED, object=blackout, data={}))

    def reroute(self, submission: str) -> list[Entry]:
        """Ask today's table about a submission under way, as each start does."""
        return self.system(c.Reroute(submission=submission, asked_by="start"))

    def settle(self, publication: str, outcome: EntryType, first: str = "fang", second: str = "he", **data: Any) -> None:
        """Settle an unknown by two."""
        self.change(first, second, Change(type=outcome, object=publication, data=data))

    def status(self, publication: str) -> str:
        """Return a publication's state."""
        return self.state.publications[publication].state.value


@contextlib.contextmanager
def denied(code: str) -> Iterator[pytest.ExceptionInfo[Denied]]:
    """Expect exactly this denial."""
    with pytest.raises(Denied) as caught:
        yield caught
    assert caught.value.code == code, f"{caught.value.code}: {caught.value.detail}"


__all__ = ["CHANNELS", "FACTS", "GROUP", "START", "WINDOW", "Company", "CountingIds", "Repeated", "denied", "dump", "replay", "state_digest",
           "text_digest"]
