"""The regulation's routes as a table: who must approve and who releases, with the article behind each row (pure).

`route` answers for given facts, channels and author; it reads offices from the state only to say who could act. No row that applies,
an empty row, an unknown level or operation: no route, which means no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.machine.state import Office, Stage, State
from gateway.protocol.denials import Denied
from gateway.protocol.instants import Instant


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One row (the same only as itself, so that looking up what a table asks for hashes no row): which rule, when it applies, and the stages it asks for.

    `when` is `level:company`, `level:own` or `fact:NAME`; a stage is (kind, offices, scope) with scope `group`, `author` (the unit that
    answers for the author), `channel` (the channel itself) or `owner` (the unit that owns the channel).
    """

    id: str
    when: str
    stages: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    zh: str
    en: str


RULES: Final = (
    Rule("R17.1a", "level:company", (
        ("approve", ((Office.UNIT_HEAD, "author"),)),
        ("release", ((Office.BRAND_PR, "group"), (Office.BRAND_PR_HEAD, "group"))),
    ), "公司平台：所在部门或分子公司负责人同意，品牌公关部放行", "Company channel: unit head approves, brand & PR releases"),
    Rule("R17.1b", "level:own", (
        ("approve", ((Office.UNIT_HEAD, "owner"),)),
        ("release", ((Office.OPERATOR, "channel"), (Office.UNIT_HEAD, "owner"))),
    ), "自有平台：分子公司负责人同意，渠道运营人员放行", "A unit's own channel: unit head approves, its operator releases"),
    Rule("R14", "fact:sensitive", (
        ("approve", ((Office.LEADER, "group"),)),
        ("release", ((Office.BRAND_PR, "group"), (Office.BRAND_PR_HEAD, "group"))),
    ), "重要敏感信息：公司主管领导同意，品牌公关部放行", "Sensitive: the responsible leader approves, brand & PR releases"),
    Rule("R12.4", "fact:category_other", (
        ("approve", ((Office.LEADER, "group"),)),
    ), "其他信息：公司领导审核批准", "Other content: a company leader approves"),
    Rule("R17.2", "fact:executives", (
        ("release", ((Office.BRAND_PR, "group"), (Office.BRAND_PR_HEAD, "group"))),
    ), "涉及董事、监事及管理层：品牌公关部审核同意", "Directors, supervisors, executives: brand & PR approves"),
)

_RANK: Final = {Office.UNIT_HEAD: 1, Office.LEADER: 2, Office.BRAND_PR: 3}
OPERATIONS: Final = frozenset({"publish", "edit", "withdraw"})
DAILY_LIMITS: Final = {"wechat": 100, "weibo": 30, "wordpress": 500}
"""Sends a day on one channel where its settings name no `daily_limit`; platforms.md 1.6 and 2.4."""

ORDINARY: Final = frozenset({"company", "news", "culture"})
"""The categories of article 12 (一) to (三); anything else takes the stricter route of (四)."""


def digest(rules: Sequence[Rule] = RULES) -> Digest:
    """Return the digest of a table, which statements and tokens carry."""
    return _digest(rules) if rules is not RULES else _DIGEST


def _digest(rules: Sequence[Rule]) -> Digest:
    return canonical.digest([
        [rule.id, rule.when, [[kind, [[str(office), scope] for office, scope in offices]] for kind, offices in rule.stages]]
        for rule in rules
    ])


_DIGEST: Final = _digest(RULES)


@dataclass(frozen=True, slots=True)
class Route:
    """The stages a submission must pass, the rules they come from, and a digest of both."""

    stages: tuple[Stage, ...]
    rules: tuple[str, ...]
    digest: Digest


def route(state: State, *, unit: str, channels: Sequence[str], facts: Mapping[str, Any], rules: Sequence[Rule] = RULES) -> Route:
    """Return the route for a submission from `unit` to `channels`. One company channel makes the whole submission company-level.

    Raises:
        Denied: `no_rule` where no row covers it, `channel_unknown` for a channel nobody filed.
    """
    asked, stages = _asked(state, unit, channels, facts, rules)
    ids = tuple(rule.id for rule in asked)
    return Route(stages, ids, route_digest(ids, stages))


def route_digest(ids: Sequence[str], stages: Sequence[Stage]) -> Digest:
    """Return the digest of a route: its rule ids and its stages, in order."""
    value = [[s.id, s.kind, [list(office) for office in s.offices], s.rule, list(s.channels), s.apart] for s in stages]
    return canonical.digest([list(ids), value])


def stages_for(
    state: State, *, unit: str, channels: Sequence[str], facts: Mapping[str, Any], rules: Sequence[Rule] = RULES,
) -> tuple[Stage, ...]:
    """Return the stages of `route` without its digest: what every send asks for twice.

    Raises:
        Denied: see `route`.
    """
    return _asked(state, unit, channels, facts, rules)[1]


def _asked(
    state: State, unit: str, channels: Sequence[str], facts: Mapping[str, Any], rules: Sequence[Rule],
) -> tuple[list[Rule], tuple[Stage, ...]]:
    if not channels:
        raise Denied("no_rule", detail="channels")
    for channel in channels:
        if channel not in state.channels:
            raise Denied("channel_unknown", detail=channel)
    levels = {state.channels[channel].level for channel in channels}
    if not levels <= {"company", "own"}:
        raise Denied("no_rule", detail="level")
    level = "company" if "company" in levels else "own"
    asked = [rule for rule in rules if _applies(rule, level, facts)]
    owners = tuple((channel, state.channels[channel].unit) for channel in channels)
    stages = _merge(tuple(asked), state.group, state.responsible_unit(unit), owners)
    if not any(stage.kind == "approve" for stage in stages) or not any(stage.kind == "release" for stage in stages):
        raise Denied("no_rule", detail="stages")
    return asked, stages


def _applies(rule: Rule, level: str, facts: Mapping[str, Any]) -> bool:
    kind, _, name = rule.when.partition(":")
    if kind == "level":
        return name == level
    if name == "category_other":
        return facts.get("category") not in ORDINARY
    return facts.get(name) is not False  # a fact nobody declared counts as set: unknown means the stricter route


@lru_cache(maxsize=4096)
def _merge(rules: tuple[Rule, ...], group: str, unit: str, owners: tuple[tuple[str, str], ...]) -> tuple[Stage, ...]:
    """Return the stages that `rules` ask for; every send asks twice, so answers are kept, keyed on all that they depend on.

    `unit` answers for the author; `owners` holds each channel and the unit that owns it.
    """
    approvals: dict[str, Stage] = {}
    releases: dict[str, Stage] = {}
    channels = tuple(channel for channel, _ in owners)
    by_brand = any(kind == "release" and (Office.BRAND_PR, "group") in offices for rule in rules for kind, offices in rule.stages)
    for rule in rules:
        for kind, offices in rule.stages:
            if kind == "release" and by_brand and (Office.BRAND_PR, "group") not in offices:
                continue  # the stricter release replaces the unit's own
            for channel, owner in owners if _per_channel(kind, offices, by_brand=by_brand) else owners[:1]:
                scopes = {"group": group, "author": unit, "channel": channel, "owner": owner}
                stage = _stage(rule, kind, offices, scopes, channels, apart=kind == "approve" or by_brand)
                (approvals if kind == "approve" else releases).setdefault(stage.id, stage)
    return (*in_order(approvals.values()), *releases.values())


def in_order(approvals: Iterable[Stage]) -> list[Stage]:
    """Return approvals in the order in which they are signed: unit head before leader before brand & PR."""
    return sorted(approvals, key=lambda stage: _RANK.get(Office(stage.offices[0][0]), 9))


def _per_channel(kind: str, offices: Sequence[tuple[str, str]], *, by_brand: bool) -> bool:
    return any(scope in {"channel", "owner"} for _, scope in offices) and not (kind == "release" and by_brand)


def _stage(
    rule: Rule, kind: str, offices: Sequence[tuple[str, str]], scopes: Mapping[str, str], channels: tuple[str, ...], *, apart: bool,
) -> Stage:
    bound = tuple((str(office), scopes[scope]) for office, scope in offices)
    released: tuple[str, ...] = ()
    if kind == "release":
        released = (scopes["channel"],) if any(scope == "channel" for _, scope in offices) else channels
    name = f"{kind}:{bound[0][0]}:{bound[0][1]}"
    return Stage(name, kind, bound, rule.id, released, apart)


def vacancies(state: State, stages: Sequence[Stage], author: str, at: Instant) -> list[Stage]:
    """Return the stages that nobody could sign at `at`, given the author and that some signers must differ (缺口).

    Few people and few stages: every assignment of people to stages is tried, so a dead end of two people is found too.
    """
    candidates = [
        [person for office, scope in stage.offices for person in state.holders(office, scope, at)
         if person != author or (stage.kind == "release" and not stage.apart)]
        for stage in stages
    ]
    empty = [stage for stage, people in zip(stages, candidates, strict=True) if not people]
    if empty:
        return empty
    if _assignable(stages, candidates, 0, set()):
        return []
    return [stages[-1]]


def _assignable(stages: Sequence[Stage], candidates: Sequence[Sequence[str]], index: int, taken: set[str]) -> bool:
    if index == len(stages):
        return True
    for person in candidates[index]:
        clash = person in taken and (stages[index].kind == "approve" or stages[index].apart)
        approvers = taken | {person} if stages[index].kind == "approve" else taken
        if not clash and _assignable(stages, candidates, index + 1, approvers):
            return True
    return False
