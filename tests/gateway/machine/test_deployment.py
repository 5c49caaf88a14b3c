"""Opening, restores, starts, vault events, keys, counters, refusals and erasures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.machine import Repeated, apply, decide, replay
from gateway.machine.state import State
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Request
from gateway.protocol.entries import CommandRef, Entry, EntryType
from tests.gateway.machine.company import START, Company, denied, dump, text_digest

PEOPLE = tuple(c.FirstPerson(person=p, name=text_digest(p), code=text_digest(p), code_until=START) for p in ("a", "b"))
OPENING = c.OpenDeployment(
    deployment="dep", kind="live", desk="desk.localhost", counter="counter.localhost", epoch="epo", keys={"log": "l", "approval": "a"},
    group="unit_group", group_name="禾汀", people=PEOPLE,
)


def test_opening_makes_entry_zero_and_two_founders() -> None:
    """The first entry is the deployment; both founders hold their office and a code."""
    company = Company.open("live")
    assert company.entries[0].type == EntryType.DEPLOYMENT_OPENED
    assert company.state.holders("founder", "unit_group", company.at) == ["xu", "he"]
    assert (company.state.kind, company.state.epoch, company.state.desk) == ("live", "epo_1", "desk.localhost")


@pytest.mark.parametrize("over", [
    {"counter": "desk.localhost"}, {"counter": "DESK.localhost"}, {"desk": "https://x.example:1/", "counter": "x.example:2"},
    {"people": PEOPLE[:1]}, {"people": (PEOPLE[0], PEOPLE[0])}, {"people": (*PEOPLE, PEOPLE[0])}, {"kind": "test"}, {"keys": {"log": "l"}},
])
def test_opening_refuses(over: dict[str, Any]) -> None:
    """Equal hosts (a port makes no other host), anything but two people, an unknown kind, or a key missing."""
    company = Company()
    with denied("invalid"):
        company.system(replace(OPENING, **over))


def test_opening_only_once() -> None:
    """A log is opened when it is empty."""
    with denied("wrong_state"):
        Company.open().system(OPENING)


def test_start_vault_keys_counters_and_erasure() -> None:
    """What the enforcer records about itself becomes entries; only isolation and key matter later."""
    company = Company.open()
    company.system(c.StartEnforcer(version="0.1.0", isolated=True))
    company.system(c.RecordVault(action="unsealed", about="passphrase"))
    company.system(c.RotateLogKey(new_key="log+2", signature="sig"))
    company.system(c.TakeCounters(counts={"throttled": 3}))
    company.system(c.Erase(commitments=(text_digest("name"),), reason="left"))
    assert company.state.isolated
    assert company.state.keys["log"] == "log+2"
    with denied("invalid"):
        company.system(c.RecordVault(action="opened", about=""))
    with denied("invalid"):
        company.system(c.Erase(commitments=(), reason="left"))


def test_refusals_are_evidence() -> None:
    """A blocked attempt is an entry of its own by whoever tried; an unknown code is not taken."""
    company = Company.open()
    refuse = c.Refuse(code="frozen", rule="R8", source="desk", channel="ch", content=None, about="sub_1", missing=("release",))
    made = company.do(refuse, "lu", Grade.SYSTEM)
    assert (made[0].type, made[0].actor, made[0].data["missing"]) == (EntryType.REFUSED, "lu", ["release"])
    assert company.do(refuse, "", Grade.SYSTEM)[0].actor == "system"
    with denied("invalid"):
        company.system(replace(refuse, code="because"))


def incarnation(company: Company, epoch: str = "epo_2") -> None:
    """Open an incarnation after a restore."""
    company.system(c.OpenIncarnation(epoch=epoch, origin="log/epo_1", size=company.state.size, root="root"))


def test_incarnation_kills_approvals_and_leaves_intents_unknown() -> None:
    """After a restore what was released must be signed again, and what may have been sent is UNKNOWN."""
    company = Company.staffed()
    held, prepared, dispatched = (company.released("ch_web")[0] for _ in range(3))
    company.spend(prepared)
    company.prepare(prepared)
    company.spend(dispatched)
    company.dispatch(dispatched)
    reviewed = company.submit("lu", "ch_web")
    company.approve("gu", reviewed)
    old = company.item("fang", reviewed, "release")
    recalled = company.submit("lu", "ch_web")
    company.do(c.Recall(submission=recalled), "lu")
    waiting = company.propose("xu", Change(type=EntryType.POLICY_SET, object="totp_release", data={"value": "on"}))
    token = company.spend_command(held)
    incarnation(company)
    assert [company.status(p) for p in (held, prepared, dispatched)] == ["abandoned", "unknown", "unknown"]
    assert company.state.submissions[reviewed].signatures == []
    with denied("scope_mismatch"):
        company.system(token)
    with denied("scope_mismatch"):
        company.system(replace(token, epoch="epo_2"))
    with denied("stale_view"):
        company.sign("fang", old)
    with denied("proposal_gone"):
        company.proven(c.Confirm(proposal=waiting, digest=text_digest("x"), proof=company.proof("he", text_digest("x"))), "he")
    for unknown in (prepared, dispatched):
        with denied("wrong_state"):
            company.dispatch(unknown)
        submission = company.state.publications[unknown].submission
        assert company.state.open_stages(company.state.submissions[submission]) == []
    submission = company.state.publications[held].submission
    company.approve("gu", submission)
    again = company.release("fang", submission)[0]
    company.send(again)
    assert company.status(again) == "live"
    assert company.state.submissions[recalled].state == "recalled"
    with denied("wrong_state"):
        incarnation(company)
    with denied("wrong_state"):
        Company().system(c.OpenIncarnation(epoch="e", origin="o", size=0, root="r"))


def test_incarnation_gives_an_emergency_up() -> None:
    """A held emergency withdrawal ends with the restore; a new one can be made at once."""
    company = Company.staffed()
    live = company.live("ch_web")
    first = company.emergency("xu", live)
    incarnation(company)
    assert company.status(first) == "abandoned"
    assert company.state.publications[first].submission in company.state.finished
    company.send(company.emergency("xu", live), "gone")
    assert company.status(live) == "withdrawn"


def ref(name: str, body: str = "body") -> CommandRef:
    """Return a command reference."""
    return CommandRef(name, text_digest(body))


def test_commands_are_recognised_again() -> None:
    """The same id and body answers the last seq of all its entries; another body or another person is refused."""
    company = Company.staffed()
    submission = company.submit("lu", "ch_web")
    company.approve("gu", submission)
    command = company.sign_command("fang", company.item("fang", submission, "release"))
    made = company.do(command, "fang", Grade.PROOF, ref=ref("cmd_1"))
    assert len(made) == 3
    with pytest.raises(Repeated) as caught:
        company.do(command, "fang", Grade.PROOF, ref=ref("cmd_1"))
    assert (caught.value.seq, caught.value.object) == (made[-1].seq, made[0].object)
    company.system(c.TakeCounters(counts={}))  # at the same instant, but not hers
    with pytest.raises(Repeated) as caught:
        company.do(command, "fang", Grade.PROOF, ref=ref("cmd_1"))
    assert caught.value.seq == made[-1].seq
    for body, actor in (("other", "fang"), ("body", "lu")):
        with denied("command_reused"):
            company.do(command, actor, Grade.PROOF, ref=ref("cmd_1", body))


def test_commands_of_the_system_are_recognised_by_id_and_body() -> None:
    """A command given for a person before sign-in is entered under that person and recognised all the same."""
    company = Company.open()
    company.change("xu", "he", Change(type=EntryType.PERSON_ADDED, object="lu", data={"name": "n", "unit": "unit_group"}))
    company.change("xu", "he", Change(type=EntryType.ENROLMENT_OPENED, object="lu", data={
        "code": text_digest("c"), "until": instants.plus(company.at, 60)}))
    enrol = c.Enrol(person="lu", code=text_digest("c"), password=c.Factor(factor="p", kind="password", version=1, sha256=text_digest("p")))
    company.do(enrol, "system", Grade.SYSTEM, ref=ref("cmd_2"))
    with pytest.raises(Repeated):
        company.do(enrol, "system", Grade.SYSTEM, ref=ref("cmd_2"))


def test_commands_are_forgotten_after_48_hours() -> None:
    """An id may come again after two days, and pruning the old one leaves the new one known."""
    company = Company.staffed()

    def freeze(name: str) -> None:
        company.do(c.Freeze(scope="all", target="", reason=text_digest("r")), "xu", ref=ref(name))

    freeze("cmd_0")
    company.wait(48 * 3600)
    with pytest.raises(Repeated):
        freeze("cmd_0")
    company.wait(0.001)
    freeze("cmd_0")
    for number in range(1, 300):
        freeze(f"cmd_{number}")
    with pytest.raises(Repeated):
        freeze("cmd_0")
    company.wait(48 * 3600 + 1)
    for number in range(300, 600):
        freeze(f"cmd_{number}")
    assert "cmd_0" not in company.state.commands
    assert len(company.state.commands) == len(company.state.command_order) == 300


def test_a_replay_forgets_at_once_what_would_be_forgotten_anyhow() -> None:
    """Commands from before a limit leave no trace, with all the entries they made; those from the limit on are known as ever, and the rest is equal."""
    company = Company.staffed()
    for name in ("cmd_old", "cmd_limit", "cmd_new"):
        company.wait(60)
        company.do(c.Freeze(scope="all", target="", reason=text_digest("r")), "xu", ref=ref(name))
    at = {e.command.id: e.at for e in company.entries if e.command is not None}
    whole, cut, none = State(), State(), State()
    replay(whole, company.entries)
    replay(cut, company.entries, forget_before=at["cmd_limit"])
    replay(none, iter(company.entries), forget_before=instants.plus(company.entries[-1].at, 0.001))
    assert whole == company.state
    assert list(cut.commands) == [name for name in whole.commands if at[name] >= at["cmd_limit"]] == ["cmd_limit", "cmd_new"]
    assert all(cut.commands[name] == whole.commands[name] for name in cut.commands)
    assert [name for _, name in cut.command_order] == list(cut.commands)
    assert (none.commands, list(none.command_order), none.last_command) == ({}, [], None)
    for forgetful in (cut, none):
        forgetful.commands, forgetful.command_order, forgetful.last_command = whole.commands, whole.command_order, whole.last_command
        assert forgetful == whole


def test_a_replay_stops_where_an_entry_is_not_the_next_one() -> None:
    """What came before it was taken; nothing of it was."""
    company = Company.staffed()
    state = State()
    with pytest.raises(ValueError, match="entry 4 where 3 was expected"):
        replay(state, [*company.entries[:3], company.entries[4]])
    assert state.size == 3
    assert state.last_at == company.entries[2].at


def test_grades() -> None:
    """A lower session is refused; people cannot give the enforcer's commands, nor the enforcer theirs."""
    company = Company.staffed()
    for command, actor, grade in (
        (c.Freeze(scope="all", target="", reason=text_digest("r")), "xu", Grade.DESK),
        (c.Freeze(scope="all", target="", reason=text_digest("r")), "xu", Grade.SYSTEM),
        (c.TakeCounters(counts={}), "he", Grade.PROOF),
    ):
        with denied("grade_too_low"):
            company.do(command, actor, grade)


def test_what_is_too_long_or_has_no_form_is_denied() -> None:
    """An entry that could not be written is refused before anything happens."""
    company = Company.staffed()
    with denied("invalid"):
        company.system(c.TakeCounters(counts={f"counter_{n}": n for n in range(5_000)}))
    with denied("invalid"):
        company.system(c.TakeCounters(counts={"half": 0.5}))  # type: ignore[dict-item]
    with denied("invalid"):
        company.system(c.TakeCounters(counts={"zähler": 1}))


def test_apply_takes_only_the_next_entry_of_a_known_type() -> None:
    """A gap, a repeat or a type of a later version stops the replay."""
    company = Company.open()
    before = dump(company.state)
    for seq in (company.state.size - 1, company.state.size + 1):
        with pytest.raises(ValueError, match="was expected"):
            apply(company.state, Entry(seq, EntryType.COUNTERS_TAKEN, company.at, "system", "dep", None, {"counts": {}}))
    with pytest.raises(KeyError):
        apply(company.state, Entry(company.state.size, "deployment.closed", company.at, "system", "dep", None, {}))
    assert dump(company.state) == before


def test_unknown_and_suspended_people() -> None:
    """A person nobody added, and a suspended one, do nothing at all."""
    company = Company.staffed()
    company.suspend("lu")
    command = c.Freeze(scope="all", target="", reason=text_digest("r"))
    with denied("not_found"):
        decide(company.state, Request(command=command, actor="nobody", grade=Grade.COUNTER), company.at, company.ids)
    with denied("person_suspended"):
        company.submit("lu", "ch_web")
