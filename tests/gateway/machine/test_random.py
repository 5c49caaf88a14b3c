"""Random people give random commands; what must always hold is recomputed here from the entries alone."""

from __future__ import annotations

import contextlib
import copy
import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.machine import State, apply, decide, place
from gateway.machine.policy import RULES, digest
from gateway.machine.state import OPEN_PUBLICATION, RELEASABLE, PublicationState, Submission
from gateway.machine.submissions import effective
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import CommandRef, Entry, EntryType, load
from tests.gateway.machine.company import FACTS, GROUP, Company, dump, replay, state_digest, text_digest
from tests.gateway.machine.test_lists import item
from tests.gateway.machine.test_rerouting import STRICTER

PEOPLE = ("xu", "he", "fang", "shen", "gu", "lu", "meng", "lin", "shao", "qin")
CHANNELS = ("ch_web", "ch_wechat", "ch_irrigation", "ch_travel")
LEVEL = {"ch_web": "company", "ch_wechat": "company", "ch_irrigation": "own", "ch_travel": "own"}
LIMIT = 4
LEADER = "approve:leader:unit_group"
GONE = frozenset({
    EntryType.SUBMISSION_MADE, EntryType.SUBMISSION_RETURNED, EntryType.SUBMISSION_RECALLED, EntryType.SUBMISSION_EXPIRED,
    EntryType.SUBMISSION_RENEWED,
})
"""What begins a submission's signatures anew."""

people = st.sampled_from(PEOPLE)
pick = st.integers(0, 10**6)


class Watched(Company):
    """A company that checks on each decision that nothing changed by it, and applies what the runner applies."""

    raw: State
    digests: dict[int, str]
    every = 1
    turn = 0

    def do(self, command: Any, actor: str, grade: Grade = Grade.COUNTER, *, ref: CommandRef | None = None, expected: int | None = None) -> list[Entry]:
        before = state_digest(self.state) if self.watch(0) else ""
        try:
            drafts = decide(
                self.state, Request(command=command, actor=actor, grade=grade, ref=ref, expected=expected), self.at, self.ids, self.rules)
        finally:
            assert not before or state_digest(self.state) == before, "decide changed the state"
        made = place(self.state, drafts, self.at, ref)
        for entry in made:
            apply(self.state, load(entry.to_bytes()))
            apply(self.raw, entry)
        self.entries += made
        if self.watch(1):
            self.digests[self.state.size] = state_digest(self.state)
        return made

    def watch(self, phase: int) -> bool:
        """Return whether to look at the whole state now; always would make the long walks slow."""
        self.turn += 1 - phase
        return self.turn % self.every == 0


def base() -> Watched:
    company = Company.staffed()
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_travel", data={"filing": "filed"}))
    company.change("xu", "he", *(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"settings": {"daily_limit": str(LIMIT)}})
                                 for channel in CHANNELS))
    watched = Watched(**{name: getattr(company, name) for name in ("kind", "state", "entries", "ids", "at", "step")})
    watched.raw, watched.digests = copy.deepcopy(watched.state), {}
    return watched


BASE = base()


class Gateway(RuleBasedStateMachine):
    """The rules are what people and the gate may try; most tries are refused, and that is fine."""

    def __init__(self) -> None:
        super().__init__()
        self.company = copy.deepcopy(BASE)
        self.company.rules = RULES
        self.turns: list[int] = []

    def attempt(self, act: Any) -> None:
        with contextlib.suppress(Denied):
            act()

    def one(self, values: Any, number: int) -> Any:
        found = list(values)
        return found[number % len(found)] if found else None

    def submission(self, number: int) -> str | None:
        return self.one(self.company.state.submissions, number)  # type: ignore[no-any-return]

    def publication(self, number: int) -> str | None:
        state = self.company.state
        return self.one(sorted(state.active) if number % 4 else state.publications, number // 4)  # type: ignore[no-any-return]

    @rule(author=st.sampled_from(("lu", "lin", "fang", "xu", "gu")), channels=st.sets(st.sampled_from(CHANNELS), min_size=1, max_size=2),
          sensitive=st.booleans(), category=st.sampled_from(("company", "company", "other", "gossip")), number=pick, scheduled=st.booleans())
    def submit(self, author: str, channels: set[str], *, sensitive: bool, category: str, number: int, scheduled: bool) -> None:
        old = self.submission(number) if number % 3 == 0 else None
        at = instants.plus(self.company.at, 600) if scheduled else None
        self.attempt(lambda: self.company.submit(
            author, *sorted(channels), facts={"sensitive": sensitive, "category": category}, submission=old, scheduled=at,
            window_to=instants.plus(self.company.at, 86_400)))

    @rule(number=pick, some=st.sets(st.sampled_from(CHANNELS), min_size=1, max_size=2))
    def revise(self, number: int, some: set[str]) -> None:
        """Whoever could sign returns it, and its author hands in anew: for what is left of its channels, or for others."""
        company, state = self.company, self.company.state
        partly = [s for s in state.submissions.values() if effective(state, s)]
        found = self.one(partly or state.submissions.values(), number)
        if found is None:
            return
        for person in PEOPLE:
            self.attempt(lambda person=person: company.do(  # type: ignore[misc]
                c.Return(submission=found.id, revision=found.revision, reason="other", notes=None), person))
        left = {target.channel for target in found.targets} - set(effective(state, found))
        self.attempt(lambda: company.submit(
            found.author, *sorted(left if number % 3 else some), submission=found.id, window_to=instants.plus(company.at, 86_400)))

    @rule(number=pick)
    def release_one(self, number: int) -> None:
        """Somebody who may releases one channel of several, and leaves the others."""
        company, state = self.company, self.company.state
        found = self.one([s for s in state.submissions.values() if len(s.targets) > 1], number)
        for stage in state.open_stages(found) if found else ():
            if stage.kind == "release":
                channel = self.one(stage.channels, number // 3)
                for person in PEOPLE:
                    self.attempt(lambda person=person, stage=stage, channel=channel: company.sign(  # type: ignore[misc]
                        person, item(company, person, found.id, stage.id, channels=(channel,))))

    @rule(number=pick)
    def recall_rest(self, number: int) -> None:
        """Of several channels one is released and perhaps sent, and the author takes back what waits; no publication changes by it."""
        company, state = self.company, self.company.state
        found = self.one([s for s in state.submissions.values() if len(s.targets) > 1 and state.open_stages(s)], number)
        if found is None:
            return
        for _ in range(2):
            for stage in [stage for stage in state.open_stages(found) if stage.kind == "approve"]:
                for person in PEOPLE:
                    self.attempt(lambda person=person, stage=stage: company.sign(person, company.item(person, found.id, stage.id)))  # type: ignore[misc]
        for stage in state.open_stages(found):
            for person in PEOPLE:
                self.attempt(lambda person=person, stage=stage: company.sign(  # type: ignore[misc]
                    person, item(company, person, found.id, stage.id, channels=(stage.channels[number % len(stage.channels)],))))
        sent = self.one([t.publication for t in found.targets if t.publication], number)
        if sent is not None:
            steps = (lambda: company.spend(sent), lambda: company.prepare(sent), lambda: company.dispatch(sent), lambda: company.outcome(sent, "live"))
            for act in steps[:number % 5]:
                self.attempt(act)
        self.take_back_rest(found)

    def take_back_rest(self, found: Submission) -> None:
        company, state = self.company, self.company.state
        before = dump(state.publications)
        taken = {t.channel for t in found.targets if t.publication is None or state.publications[t.publication].state in RELEASABLE}
        with contextlib.suppress(Denied):
            made = company.do(c.Recall(submission=found.id), found.author, Grade.DESK)
            assert set(made[0].data.get("channels", [t.channel for t in found.targets])) == taken
            assert not state.open_stages(state.submissions[found.id])
        assert dump(state.publications) == before, "a recall touched what has a token"

    @rule(number=pick)
    def hand_on(self, number: int) -> None:
        """The right people sign what is open, so that runs get somewhere."""
        if (submission := self.submission(number)) is None:
            return
        for _ in range(3):
            found = self.company.state.submissions.get(submission)
            stages = self.company.state.open_stages(found) if found else []
            for stage in stages[:1]:
                for office, scope in stage.offices:
                    for person in self.company.state.holders(office, scope, self.company.at):
                        self.attempt(lambda person=person, stage=stage: self.company.sign(  # type: ignore[misc]
                            person, self.company.item(person, submission, stage.id)))

    @rule(person=people, numbers=st.lists(pick, min_size=1, max_size=3), method=st.sampled_from(("passkey", "totp")))
    def sign(self, person: str, numbers: list[int], method: str) -> None:
        items = []
        for number in numbers:
            submission = self.submission(number)
            if submission is not None:
                stage = self.one(self.company.state.submissions[submission].stages, number // 7)
                items.append(self.company.item(person, submission, stage.id))
        if items:
            self.attempt(lambda: self.company.sign(person, *items, method=method))

    @rule(person=people, number=pick, kind=st.sampled_from(("recall", "cancel", "return", "take_back", "renew", "expire")))
    def move(self, person: str, number: int, kind: str) -> None:
        if (submission := self.submission(number)) is None:
            return
        found = self.company.state.submissions[submission]
        actor = found.author if number % 2 else person
        stage = self.one(found.stages, number // 5).id
        command: Any = {
            "recall": c.Recall(submission=submission), "cancel": c.Cancel(submission=submission),
            "return": c.Return(submission=submission, revision=found.revision, reason="other", notes=None),
            "take_back": c.TakeBack(submission=submission, stage=stage),
            "renew": c.Renew(submission=submission, window_to=instants.plus(self.company.at, 86_400)), "expire": c.Expire(submission=submission),
        }[kind]
        self.attempt(lambda: self.company.system(command) if kind == "expire" else self.company.do(command, actor))

    @rule(number=pick, steps=st.integers(1, 4), outcome=st.sampled_from(("live", "gone", "rejected", "unknown", "pending", "absent")))
    def gate(self, number: int, steps: int, outcome: str) -> None:
        if (publication := self.publication(number)) is None:
            return
        company = self.company
        acts = [lambda: company.spend(publication), lambda: company.prepare(publication), lambda: company.dispatch(publication),
                lambda: company.outcome(publication, outcome)]
        if number % 3 == 0:  # a platform where nothing is prepared
            acts = [lambda: company.spend(publication, at_once=True), acts[3]]
        for act in acts[:steps]:
            self.attempt(act)

    @rule(number=pick, person=people, kind=st.sampled_from(("stop", "abandon", "miss", "drift", "respend", "redispatch", "outcome")))
    def disturb(self, number: int, person: str, kind: str) -> None:
        if (publication := self.publication(number)) is None:
            return
        company = self.company
        self.attempt({
            "stop": lambda: company.do(c.Stop(publication=publication), person),
            "abandon": lambda: company.system(c.Abandon(publication=publication, cause="window")),
            "miss": lambda: company.system(c.Miss(publication=publication)),
            "drift": lambda: company.system(c.RecordDrift(publication=publication, observed=None)),
            "respend": lambda: company.system(company.spend_command(publication)),
            "redispatch": lambda: company.dispatch(publication),
            "outcome": lambda: company.outcome(publication, ("live", "gone", "unknown")[number % 3]),
        }[kind])

    @rule(author=st.sampled_from(("lu", "lin", "fang")), number=pick, operation=st.sampled_from(("edit", "withdraw")))
    def take_down(self, author: str, number: int, operation: str) -> None:
        live = self.one((p.id for p in self.company.state.publications.values() if p.state is PublicationState.LIVE), number)
        if live is not None:
            self.attempt(lambda: self.company.takedown(author, live, operation, window_to=instants.plus(self.company.at, 86_400)))

    @rule(person=st.sampled_from(("xu", "fang", "he")), number=pick)
    def emergency(self, person: str, number: int) -> None:
        live = self.one((p.id for p in self.company.state.publications.values() if p.state is PublicationState.LIVE), number)
        if live is not None:
            self.attempt(lambda: self.company.emergency(person, live, window_to=instants.plus(self.company.at, 3_600)))

    @rule(person=people, number=pick, scope=st.sampled_from(("all", "channel", "unit", "submission")))
    def freeze(self, person: str, number: int, scope: str) -> None:
        target = {"all": "", "channel": self.one(CHANNELS, number), "unit": self.one(self.company.state.units, number),
                  "submission": self.submission(number) or ""}[scope]
        self.attempt(lambda: self.company.freeze(person, scope, target))

    @rule(first=people, second=people)
    def thaw(self, first: str, second: str) -> None:
        for freeze in list(self.company.state.freezes):
            self.attempt(lambda freeze=freeze: self.company.thaw(freeze, first, second))  # type: ignore[misc]

    @rule(person=people, number=pick, kind=st.sampled_from(("suspend", "restore", "restore", "credential", "settle")))
    def two_change(self, person: str, number: int, kind: str) -> None:
        first, second = ("fang", "he") if person == "xu" else ("xu", "he")
        unknown = self.one((p.id for p in self.company.state.publications.values() if p.state is PublicationState.UNKNOWN), number)
        company = self.company
        self.attempt({
            "suspend": lambda: company.suspend(person, first, second), "restore": lambda: company.restore(person, first, second),
            "credential": lambda: company.credential(self.one(CHANNELS, number)),
            "settle": lambda: company.settle(unknown or "", EntryType.PUBLICATION_ABSENT, how="三次查找均无"),
        }[kind])

    @rule()
    def change_table(self) -> None:
        """An upgrade brings the stricter table, or takes it back."""
        self.company.rules = RULES if self.company.rules is STRICTER else STRICTER
        self.turns.append(self.company.state.size)

    @rule(number=pick, asked_by=st.sampled_from(("send", "start")))
    def reroute(self, number: int, asked_by: str) -> None:
        if (submission := self.submission(number)) is not None:
            self.attempt(lambda: self.company.system(c.Reroute(submission=submission, asked_by=asked_by)))  # type: ignore[arg-type]

    @rule(number=pick, scope=st.sampled_from(("all", "channel", "unit")), start=st.sampled_from((0, 1)), hours=st.sampled_from((1, 3)))
    def blackout(self, number: int, scope: str, start: int, hours: int) -> None:
        target = {"all": "", "channel": self.one(CHANNELS, number), "unit": GROUP}[scope]
        self.attempt(lambda: self.company.blackout(scope, target, start=start, hours=hours))

    @rule(number=pick)
    def lift(self, number: int) -> None:
        blackout = self.one(self.company.state.blackouts, number)
        if blackout is not None:
            self.attempt(lambda: self.company.lift(blackout))

    @rule(seconds=st.sampled_from((1, 600, 7_200, 90_000)))
    def wait(self, seconds: int) -> None:
        self.company.wait(seconds)

    @precondition(lambda self: self.company.state.size % 5 == 0)
    @rule(number=pick)
    def restore_backup(self, number: int) -> None:
        self.attempt(lambda: self.company.system(c.OpenIncarnation(epoch=f"epo_{number}", origin="o", size=1, root=text_digest("root"))))

    # ---- what must always hold

    @invariant()
    def indexes_equal_a_recomputation(self) -> None:
        state = self.company.state
        waiting: dict[tuple[str, str], set[str]] = defaultdict(set)
        for submission in state.submissions.values():
            for stage in state.open_stages(submission):
                for office in stage.offices:
                    waiting[office].add(submission.id)
        assert {key: set(value) for key, value in state.waiting.items() if value} == dict(waiting)
        assert {key: set(value) for key, value in state.waits.items()} == {
            s: {office for office, known in waiting.items() if s in known} for s in set().union(*waiting.values(), set())}
        assert not state.queues.stale
        assert state.active == {p.id for p in state.publications.values() if p.state in OPEN_PUBLICATION}

    @invariant()
    def one_open_token_a_target(self) -> None:
        targets = Counter((p.submission, p.channel) for p in self.company.state.publications.values() if p.state in OPEN_PUBLICATION)
        assert all(count == 1 for count in targets.values())

    @invariant()
    def entries_have_no_gaps(self) -> None:
        assert [e.seq for e in self.company.entries] == list(range(self.company.state.size))

    def teardown(self) -> None:
        check_tokens(self.company.entries)
        check_sends(self.company.entries)
        check_once(self.company.entries)
        check_tables(self.company.entries, self.turns)
        check_blackouts(self.company.entries)
        state = replay(self.company.entries[:0])
        for entry in self.company.entries:
            apply(state, load(entry.to_bytes()))
            if state.size in self.company.digests:
                assert state_digest(state) == self.company.digests[state.size], f"replay differs at {state.size}"
        assert in_order(dump(self.company.raw)) == in_order(dump(state)), "applying before and after the bytes differ"


def in_order(value: Any) -> Any:
    """Return a dump with every mapping's pairs sorted: bytes sort the keys of an entry's data, which nothing depends on."""
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [in_order(item) for item in value]
        return sorted(items, key=repr) if items and all(isinstance(i, list) and len(i) == 2 for i in items) else items
    return value


def check_tokens(entries: list[Entry]) -> None:
    """Recompute from the entries who stood behind each token when it was minted."""
    heads = {"lu": "gu", "gu": "gu", "lin": "meng", "xu": "xu", "fang": "xu"}
    made: dict[str, Entry] = {}
    routes: dict[str, dict[str, Any]] = {}
    signed: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for entry in entries:
        if entry.type == EntryType.SUBMISSION_MADE:
            made[entry.object], signed[entry.object] = entry, {}
            routes[entry.object] = entry.data
        elif entry.type == EntryType.SUBMISSION_REROUTED:
            kept = {stage["id"] for stage in routes[entry.object]["stages"] if stage["kind"] == "approve"}
            assert kept <= {stage["id"] for stage in entry.data["stages"]}, "something that was asked for is waived"
            routes[entry.object] = entry.data
            for stage in entry.data["void"]:
                del signed[entry.object][stage]
        elif entry.type in {EntryType.SUBMISSION_RETURNED, EntryType.SUBMISSION_RECALLED, EntryType.SUBMISSION_EXPIRED, EntryType.SUBMISSION_RENEWED}:
            signed[entry.object] = {}
        elif entry.type == EntryType.DECISION_TAKEN_BACK:
            del signed[entry.object][entry.data["stage"]]
        elif entry.type == EntryType.INCARNATION_OPENED:
            signed.clear()
        elif entry.type == EntryType.PERSON_SUSPENDED:
            for decisions in signed.values():
                for stage in [stage for stage, (_, person) in decisions.items() if person == entry.object]:
                    del decisions[stage]
        elif entry.type == EntryType.DECISION_MADE:
            signed[entry.object][entry.data["stage"]] = (entry.data["verdict"], entry.actor)
        elif entry.type == EntryType.TOKEN_MINTED:
            check_token(entry, made[entry.data["submission"]], routes[entry.data["submission"]], signed[entry.data["submission"]], heads)


def check_token(token: Entry, made: Entry, route: dict[str, Any], signed: dict[str, tuple[str, str]], heads: dict[str, str]) -> None:
    author, data = made.actor, made.data
    assert data["revision"] == token.data["revision"]
    if data["emergency"]:
        assert (author, token.actor, token.data["operation"]) == ("xu", "xu", "withdraw")
        return
    approvers = {person for verdict, person in signed.values() if verdict == "approve"}
    company_level = any(LEVEL[t["channel"]] == "company" for t in data["targets"])
    facts = {**FACTS, **data["facts"]}
    assert author not in approvers
    assert heads[author] in approvers
    assert {stage["id"] for stage in route["stages"] if stage["kind"] == "approve"} <= set(signed)
    asked = any(stage["id"] == LEADER for stage in route["stages"])  # by this table, or by an earlier one
    leader = facts["sensitive"] or facts["category"] not in {"company", "news", "culture"}
    assert asked or not (leader or route["policy"] == digest(STRICTER))
    leader = asked
    assert ("shen" in approvers) == leader
    assert len(approvers) == 1 + leader
    if company_level or facts["sensitive"] or facts["executives"]:
        assert token.actor in {"xu", "fang"} - approvers - {author}
    else:
        assert token.actor in {"ch_irrigation": {"lu", "gu"}, "ch_travel": {"lin", "meng"}}[token.data["channel"]]


def check_sends(entries: list[Entry]) -> None:
    """Each token leads to at most one dispatch, after one intent; no channel and day exceeds its quota."""
    intended = Counter(e.object for e in entries if e.type == EntryType.PUBLICATION_INTENDED)
    dispatched = Counter(e.object for e in entries if e.type == EntryType.PUBLICATION_DISPATCHED)
    tokens = {e.object: e.data for e in entries if e.type == EntryType.TOKEN_MINTED}
    assert all(count == 1 for count in (intended | dispatched).values())
    assert set(dispatched) <= set(intended) <= set(tokens)
    days = Counter((tokens[e.object]["channel"], e.data["day"]) for e in entries
                   if e.type == EntryType.PUBLICATION_DISPATCHED and tokens[e.object]["operation"] != "withdraw")
    assert all(count <= LIMIT for count in days.values())
    assert len({data["jti"] for data in tokens.values()}) == len(tokens)


def check_once(entries: list[Entry]) -> None:
    """Of one submission, over all its revisions, no token is minted for a channel on which it has taken effect."""
    tokens = {e.object: e.data for e in entries if e.type == EntryType.TOKEN_MINTED}
    done: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.type in {EntryType.TOKEN_MINTED, EntryType.PUBLICATION_LIVE, EntryType.PUBLICATION_GONE}:
            where = (tokens[entry.object]["submission"], tokens[entry.object]["channel"])
            assert where not in done, "it goes out a second time"
            if entry.type != EntryType.TOKEN_MINTED:
                done.add(where)


def check_tables(entries: list[Entry], turns: list[int]) -> None:
    """While the stricter table is in force nothing is minted, spent or dispatched without the leader; a voided token is never used."""
    leaders: set[str] = set()
    void: set[str] = set()
    tokens: dict[str, Entry] = {}
    behind: dict[str, bool] = {}
    for entry in entries:
        strict = sum(turn <= entry.seq for turn in turns) % 2 == 1
        about = entry.data.get("submission", entry.object)
        if entry.type == EntryType.SUBMISSION_REROUTED:
            void |= set(entry.data["tokens"])
        if entry.type in GONE or (entry.type == EntryType.DECISION_TAKEN_BACK and entry.data["stage"] == LEADER):
            leaders.discard(entry.object)
        elif entry.type == EntryType.INCARNATION_OPENED or (entry.type == EntryType.PERSON_SUSPENDED and entry.object == "shen"):
            leaders.clear()
        elif entry.type == EntryType.DECISION_MADE and entry.data["stage"] == LEADER:
            leaders.add(entry.object)
        elif entry.type == EntryType.TOKEN_MINTED:
            tokens[entry.object], behind[entry.object] = entry, about in leaders or entry.data["emergency"]
        if entry.type in {EntryType.TOKEN_MINTED, EntryType.PUBLICATION_INTENDED, EntryType.PUBLICATION_DISPATCHED}:
            assert behind[entry.object] or not strict, "sent without what the table asks for"
            assert tokens[entry.object].data["jti"] not in void, "a void token was used"


def check_blackouts(entries: list[Entry]) -> None:
    """Nothing but withdrawals is spent or dispatched on a channel that a blackout covers."""
    days: dict[str, dict[str, Any]] = {}
    tokens = {e.object: e.data for e in entries if e.type == EntryType.TOKEN_MINTED}
    for entry in entries:
        if entry.type == EntryType.BLACKOUT_SET:
            days[entry.object] = entry.data
        elif entry.type == EntryType.BLACKOUT_LIFTED:
            del days[entry.object]
        elif entry.type in {EntryType.PUBLICATION_INTENDED, EntryType.PUBLICATION_DISPATCHED} and tokens[entry.object]["operation"] != "withdraw":
            now = [d for d in days.values() if d["start"] <= entry.at < d["end"]]
            assert not any(d["scope"] != "channel" or d["target"] == tokens[entry.object]["channel"] for d in now)


TestGateway = Gateway.TestCase
TestGateway.settings = settings(max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)


WEIGHTS = {"submit": 7.0, "hand_on": 14, "sign": 3, "move": 2, "gate": 36, "disturb": 3, "take_down": 4, "emergency": 1, "freeze": 0.4, "thaw": 4,
           "suspend": 0.3, "restore": 4, "credential": 0.3, "settle": 3, "wait": 6, "incarnation": 0.6, "table": 1.5, "reroute": 8,
           "blackout": 0.6, "lift": 3, "revise": 2, "release_one": 3, "recall_rest": 2}


def step(walk: Gateway, dice: random.Random) -> None:
    """Take one step of a long walk, weighted so that stories come to an end and accidents happen on the way."""
    name, number = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0], dice.randrange(10**6)
    person, company = dice.choice(PEOPLE), walk.company
    if not walk.company.state.submissions:
        name = "submit"
    acts: dict[str, Any] = {
        "submit": lambda: walk.submit(dice.choice(("lu", "lu", "lin", "fang", "gu")), set(dice.sample(CHANNELS, dice.choice((1, 1, 2)))),
            sensitive=dice.random() < 0.1, category=dice.choice(("company", "news", "other")), number=number, scheduled=dice.random() < 0.3),
        "hand_on": lambda: walk.hand_on(number),
        "sign": lambda: walk.sign(person, [dice.randrange(10**6) for _ in range(3)], dice.choice(("passkey", "totp"))),
        "move": lambda: walk.move(person, number, dice.choice(("recall", "cancel", "return", "take_back", "renew", "expire"))),
        "gate": lambda: walk.gate(number, dice.choice((1, 2, 3, 4, 4, 4, 4)), dice.choice(("live", "live", "gone", "rejected", "unknown", "pending"))),
        "disturb": lambda: walk.disturb(number, person, dice.choice(("stop", "abandon", "miss", "drift", "respend", "redispatch", "outcome"))),
        "take_down": lambda: walk.take_down(dice.choice(("lu", "lin")), number, dice.choice(("edit", "withdraw"))),
        "emergency": lambda: walk.emergency("xu", number),
        "freeze": lambda: walk.freeze(person, number, dice.choice(("channel", "unit", "submission", "all"))),
        "thaw": lambda: [walk.thaw(first, second) for first, second in (("xu", "he"), ("fang", "shen"), ("shen", "he"))],
        "wait": lambda: walk.wait(dice.choice((1, 600, 7_200, 20_000))),
        "incarnation": lambda: walk.restore_backup(number) if number % 5 == 0 else None,
        "table": walk.change_table, "reroute": lambda: walk.reroute(number, dice.choice(("send", "start"))),
        "blackout": lambda: walk.blackout(number, dice.choice(("all", "channel", "unit")), dice.choice((0, 1)), dice.choice((1, 3))),
        "lift": lambda: walk.lift(number), "revise": lambda: walk.revise(number, set(dice.sample(CHANNELS, 2))),
        "release_one": lambda: walk.release_one(number), "recall_rest": lambda: walk.recall_rest(number),
    }
    if name in acts:
        acts[name]()
    elif name == "restore":
        for suspended in [p.id for p in company.state.people.values() if p.suspended]:
            walk.two_change(suspended, number, "restore")
    else:
        walk.two_change(person, number, name)


@pytest.mark.parametrize("seed", range(3))
def test_long_walks(seed: int) -> None:
    """Hundreds of steps of many stories at once keep every invariant; each walk gets through the gate many times."""
    walk, dice = Gateway(), random.Random(seed)
    walk.company.every = 7
    for _ in range(700):
        step(walk, dice)
        walk.indexes_equal_a_recomputation()
        walk.one_open_token_a_target()
        walk.entries_have_no_gaps()
    walk.teardown()
    kinds = Counter(entry.type for entry in walk.company.entries)
    assert kinds[EntryType.PUBLICATION_DISPATCHED] >= 10
    assert kinds[EntryType.PUBLICATION_LIVE] >= 5
    assert kinds[EntryType.SUBMISSION_REROUTED] >= 1
    assert kinds[EntryType.BLACKOUT_SET] >= 1
    assert any("channels" in entry.data for entry in walk.company.entries if entry.type == EntryType.SUBMISSION_RECALLED)
