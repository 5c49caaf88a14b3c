"""What planted bugs in the state once went unseen: its twin, its queues, and who may sign what."""

from __future__ import annotations

from dataclasses import fields

from gateway import machine
from gateway.machine.state import Office, State
from gateway.protocol import commands as c
from gateway.protocol.entries import CommandRef
from tests.gateway.machine.company import Company, text_digest
from tests.gateway.machine.test_mutants_denials import staged
from tests.gateway.machine.test_twin import changing


def full() -> Company:
    """Return a company whose state holds something in every field."""
    company, _ = staged()
    company.switch("totp_route")
    company.blackout("channel", "ch_travel")
    company.system(c.StartEnforcer(version="1", isolated=True))
    company.system(c.RecordVault(action="rotated", about="", stored=(c.StoredRow(id="vault/key", version=1, sha256=text_digest("r")),)))
    company.do(c.Freeze(scope="all", target="", reason=text_digest("r")), "xu", ref=CommandRef("cmd_1", text_digest("b")))
    return company


def test_the_twin_of_a_full_state_shares_nothing_that_changes() -> None:
    """No field is empty; the twin is equal, and lives on alone."""
    company = full()
    state = company.state
    assert [one.name for one in fields(State) if not getattr(state, one.name)] == []
    before, twin = state.twin(), state.twin()
    assert before == twin == state
    shared = changing(state, {}).keys() & changing(twin, {}).keys()
    assert [changing(state, {})[one][0] for one in shared] == []
    size = len(company.entries)
    company.suspend("gu")  # voids a signature that a submission and its publication both hold
    company.end_office("lin", Office.AUTHOR)
    company.credential("ch_web")
    for entry in company.entries[size:]:
        machine.apply(twin, entry)
    assert twin == state != before
