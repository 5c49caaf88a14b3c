"""The twin of a state: equal, and nothing that changes is shared."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import fields, is_dataclass
from typing import Any

from gateway import machine
from gateway.machine.state import State
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import Company
from tests.gateway.machine.test_random import Gateway, step


def walked(seed: int, steps: int) -> Gateway:
    """Let random people act for a while."""
    walk, dice = Gateway(), random.Random(seed)
    for _ in range(steps):
        step(walk, dice)
    return walk


def replayed(entries: list[Any]) -> State:
    """Return the state that entries lead to."""
    state = State()
    for entry in entries:
        machine.apply(state, entry)
    return state


def changing(value: Any, found: dict[int, Any], path: str = "state") -> dict[int, Any]:
    """Collect every object that `apply` may change, by identity: what holds other things, except values that came with an entry."""
    if isinstance(value, (dict, list, set, deque)) or (is_dataclass(value) and not type(value).__dataclass_params__.frozen):
        found[id(value)] = (path, value)
    if is_dataclass(value):
        for one in fields(value):
            if one.name not in {"facts", "findings", "details", "settings", "reason", "returned", "public"}:
                changing(getattr(value, one.name), found, f"{path}.{one.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            changing(item, found, f"{path}[{key}]")
    elif isinstance(value, (list, tuple)) and not path.endswith(".changes"):
        for index, item in enumerate(value):
            changing(item, found, f"{path}[{index}]")
    return found


def test_a_twin_is_equal_and_shares_nothing_that_changes() -> None:
    """After long random walks every object that could change exists twice."""
    for seed in range(2):
        entries = walked(seed, 250).company.entries
        state = replayed(entries)
        twin = state.twin()
        assert twin == state == replayed(entries)
        shared = changing(state, {}).keys() & changing(twin, {}).keys()
        assert not [changing(state, {})[one][0] for one in shared]


def test_twins_live_on_alike_and_apart() -> None:
    """What is applied to one is not seen by the other; applied to both, both are what a replay gives."""
    entries = walked(5, 250).company.entries
    half = len(entries) // 2
    state = replayed(entries[:half])
    twin = state.twin()
    for entry in entries[half:]:
        machine.apply(state, entry)
    assert twin == replayed(entries[:half])
    for entry in entries[half:]:
        machine.apply(twin, entry)
    assert twin == state == replayed(entries)


def test_an_open_proposal_is_twinned_too() -> None:
    """A proposal that waits for its second person is confirmed in one and still open in the other."""
    company = Company.staffed()
    proposal = company.propose("xu", Change(type=EntryType.POLICY_SET, object="totp_release", data={"value": "on"}))
    twin = company.state.twin()
    assert twin == company.state
    assert not changing(company.state.proposals, {}).keys() & changing(twin.proposals, {}).keys()
    company.confirm(proposal, "he")
    assert proposal in twin.proposals
    assert proposal not in company.state.proposals
