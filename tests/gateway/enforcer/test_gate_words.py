"""What the gate says of its ends: the operators' lines (docs/howto/metrics.md names their actions), the entries' words, and what is asked of others."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway import canonical
from gateway.connectors.base import Gone, Live, Outcome, Pending, PlatformRefused, ReadBackDiffers, Rejected, Unknown
from gateway.enforcer import gate as gate_module
from gateway.enforcer.gate import outcome_data, verify_token
from gateway.machine.state import PublicationState
from gateway.protocol import commands as c
from gateway.protocol.commands import Change, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import live, lose, refusals, released, replace, sending_held, spoil
from vault.seal import KeyName, Vault

Lines = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def every_line() -> None:
    """Let lines of every level be captured, whatever an earlier test of this process configured."""
    structlog.reset_defaults()


async def lines_of(house: House, publication: str) -> Lines:
    """Send, and return the gate's lines."""
    with capture_logs() as lines:
        await house.parts.gate.send(publication)
    return [line for line in lines if line.get("publication") == publication or line.get("channel") or "where" in line]


async def test_the_operators_lines_of_the_one_call(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """What raised and where, never its message; what cannot be logged; what could not be compared. What went well is not said."""
    waited: list[float] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        waited.append(seconds)
        return asyncio.timeout(seconds)

    monkeypatch.setattr(gate_module, "asyncio", SimpleNamespace(timeout=timeout, Lock=asyncio.Lock))
    scripted.raising["commit"] = RuntimeError("canary")
    publication = await released(hand, title="一")
    raised, said = await lines_of(hand, publication)
    assert raised.pop("where").startswith("scripted.py:")
    assert raised == {"event": "commit raised", "action": "commit_error", "error": "RuntimeError", "log_level": "error"}
    assert said == {"event": "outcome", "action": "outcome", "publication": publication, "outcome": "unknown", "log_level": "info"}
    publication = await released(hand, title="二")
    assert await lines_of(hand, publication) == []
    publication = await released(hand, title="三")
    scripted.outcomes = [Live(id="x", url="https://board.example/\ud800")]
    assert (await lines_of(hand, publication))[0] == {
        "event": "outcome cannot be logged", "action": "outcome_invalid", "publication": publication, "outcome": "live", "log_level": "error"}
    assert hand.state.publications[publication].reason["cause"] == "invalid:live"
    publication = await released(hand, title="四")
    scripted.raising["observe"] = PlatformRefused("busy", "忙", "busy", transient=True)
    assert await lines_of(hand, publication) == [{
        "event": "could not compare", "action": "compare_failed", "publication": publication, "code": "busy", "log_level": "warning"}]
    assert waited == [25.0] * 4  # the call's own 20 s for each request, and five


async def test_a_withdrawal_that_went_well_is_not_said_either(hand: House) -> None:
    """The operators' lines name what somebody may have to look at; what was taken down as decided is in the log."""
    assert await lines_of(hand, await replace(hand, await live(hand), "withdraw")) == []


async def test_what_ended_before_is_refused_by_its_state(hand: House) -> None:
    """Asked again for what was given up before it was spent, the gate names the state it is in."""
    publication = await released(hand)
    lose(hand, hand.state.publications[publication].template)
    await hand.parts.gate.send(publication)
    (line,) = await lines_of(hand, publication)
    assert (line["code"], line["detail"]) == ("wrong_state", "abandoned")


async def test_a_busy_platform_is_said_and_refused_without_an_entry(hand: House, scripted: Scripted) -> None:
    """It waits with the platform's code in the line; nothing of it is in the log of entries."""
    publication = await released(hand)
    scripted.raising["reread"] = PlatformRefused("busy", "忙", "busy", transient=True)
    assert await lines_of(hand, publication) == [
        {"event": "will be tried again", "action": "platform_retry", "publication": publication, "code": "busy", "log_level": "warning"},
        {"event": "refused", "action": "gate_refused", "publication": publication, "code": "hold_running", "detail": "busy", "log_level": "warning"},
    ]
    assert refusals(hand) == []


@pytest.mark.parametrize(("step", "error", "reason"), [
    ("prepare", PlatformRefused("no", "不行", "no way"), {"cause": "platform:no", "words": {"zh": "不行", "en": "no way"}}),
    ("prepared", ReadBackDiffers("title"), {"cause": "readback:title", "words": {}}),
    ("reread", PlatformRefused("no", "不行", "no way"), {"cause": "platform:no", "words": {"zh": "不行", "en": "no way"}}),
    ("", None, {"cause": "altered_on_platform", "words": {}}),
])
async def test_a_platforms_no_is_the_end_and_no_refusal_of_ours(
    hand: House, scripted: Scripted, step: str, error: BaseException | None, reason: dict[str, Any],
) -> None:
    """The entry has the platform's words in both languages; the gate asks for no licence afterwards, so nothing is refused or said twice."""
    publication = await released(hand)
    if error is not None:
        scripted.raising[step] = error
        assert await lines_of(hand, publication) == []
    else:
        with capture_logs() as lines:
            async with sending_held(hand, scripted, publication):
                scripted.drafts["d1"] = "改过"
        assert [line for line in lines if line.get("publication") == publication] == []
    found = hand.entries(EntryType.PUBLICATION_ABANDONED)[-1]
    assert found.data == reason
    assert (refusals(hand), scripted.calls.count("abandon")) == ([], 1)


async def test_an_original_that_answers_no_ends_the_edit_alone(hand: House, scripted: Scripted) -> None:
    """The edit is given up by the platform's code, without a refusal; where its template is gone the refusal says so, and what was asked."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    scripted.raising["observe"] = PlatformRefused("x", "中", "e")
    assert await lines_of(hand, edit) == []
    assert (hand.state.publications[edit].reason["cause"], refusals(hand)) == ("platform:x", [])
    done = await hand.sign("fang", hand.state.publications[edit].submission, "release")
    again = next(entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED)
    lose(hand, hand.state.publications[first].template)
    (line,) = await lines_of(hand, again)
    assert line == {"event": "refused", "action": "gate_refused", "publication": again, "code": "scope_mismatch", "detail": "BlobMissing",
                    "log_level": "warning"}
    refused = hand.entries(EntryType.REFUSED)[-1]
    known = hand.state.publications[again]
    assert refused.actor == "system"
    assert {name: refused.data[name] for name in ("code", "source", "about", "channel", "content")} == {
        "code": "scope_mismatch", "source": "gate", "about": again, "channel": known.channel, "content": known.content}
    assert hand.state.publications[again].reason["cause"] == "refused:scope_mismatch"


async def test_a_refusal_names_what_did_not_fit(hand: House) -> None:
    """Which blob, which audience, which publication, which channel and who is asked: each stands in the denial."""
    gate, known = hand.parts.gate, hand.state.publications[await released(hand)]
    channel = hand.state.channels[known.channel]

    def denied() -> tuple[str, str, tuple[str, ...]]:
        with pytest.raises(Denied) as caught:
            gate.load_and_verify(known)
        return caught.value.code, caught.value.detail, caught.value.ask

    for name, value, detail in (("epoch", "other", "audience or epoch"), ("deployment", "dep_other", "audience or epoch")):
        true = getattr(hand.state, name)
        setattr(hand.state, name, value)
        assert denied() == ("token_invalid", detail, ())
        setattr(hand.state, name, true)
    known.revision += 1
    assert denied() == ("scope_mismatch", known.id, ())
    known.revision -= 1
    credential, channel.credential = channel.credential, None
    assert credential is not None
    assert denied() == ("credential_missing", channel.id, channel.custodians)
    channel.credential = dataclasses.replace(credential, version=2)
    assert denied() == ("credential_changed", channel.id, ())
    channel.credential = credential
    with pytest.raises(Denied) as caught:
        verify_token(b"qf2.AA", hand.parts.vault.public_key(KeyName.APPROVAL))
    assert (caught.value.code, caught.value.detail) == ("token_invalid", "bad_prefix")
    gate.load_and_verify(known)
    spoil(hand, known.template)
    assert denied() == ("scope_mismatch", "BlobAltered", ())


async def test_a_lease_is_for_one_channels_one_purpose(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending and clearing each lease with their token's number as the purpose; a row that does not open is said, and which; one that is lost is asked for."""
    purposes: list[str] = []
    lease = Vault.lease

    def noted(vault: Vault, **asked: Any) -> AbstractContextManager[Any]:
        purposes.append(asked["purpose"])
        return lease(vault, **asked)

    monkeypatch.setattr(Vault, "lease", noted)
    publication = await released(hand)
    known, channel = hand.state.publications[publication], hand.state.channels[hand.channels["news"]]
    scripted.raising |= {"prepared": Denied("frozen"), "abandon": PlatformRefused("down", "x", "x")}
    await hand.parts.gate.send(publication)
    await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    with capture_logs() as lines:
        await hand.parts.gate.send(publication)  # stopped: nothing is sent, and what was made is cleared
    assert lines[-1] == {"event": "could not clear", "action": "clear_failed", "publication": publication, "error": "down", "log_level": "warning"}
    assert (purposes, lines[-2]["code"]) == ([f"send {known.jti}", f"clear {known.jti}"], "stopped")
    await hand.parts.gate.send(publication)
    assert (scripted.drafts, refusals(hand).count("stopped")) == ({}, 0)
    assert channel.credential is not None
    row = hand.parts.sealed.get(channel.credential.secret, channel.credential.version)
    assert row is not None
    hand.parts.sealed.delete(*row.key)
    opened = hand.parts.gate.channel_call(channel, purpose="test")
    with pytest.raises(Denied) as caught:
        opened.__enter__()
    assert (caught.value.code, caught.value.detail, caught.value.ask) == ("credential_missing", channel.id, channel.custodians)
    hand.parts.sealed.insert(dataclasses.replace(row, row=row.row[:-1] + bytes([row.row[-1] ^ 1])))
    with capture_logs() as lines, pytest.raises(Denied) as caught:
        hand.parts.gate.channel_call(channel, purpose="test").__enter__()
    reason = lines[-1].pop("reason")
    assert lines[-1] == {"event": "a stored credential is not the one the log names", "action": "credential_altered", "channel": channel.id,
                         "log_level": "error"}
    assert (caught.value.code, caught.value.detail) == ("scope_mismatch", f"credential {reason}")
    hand.parts.sealed.delete(*row.key)
    hand.parts.sealed.insert(row)


async def test_a_call_carries_the_releasers_address_while_it_is_kept(hand: House) -> None:
    """The address of the release, none where none was given, and none once it was erased; the site is the channel's where the platform has no constant."""
    gate, known = hand.parts.gate, hand.state.publications[await released(hand)]
    assert known.rip is not None

    def rip() -> str:
        with gate.call(known, purpose="test") as call:
            assert (call.account, call.credential_version, call.settings["daily_limit"]) == ("board1", 1, "100")
            return call.rip

    assert rip() == "127.0.0.1"
    hand.parts.values.erase(known.rip)
    assert rip() == ""
    known.rip = None
    assert rip() == ""
    channel = hand.state.channels[known.channel]
    assert gate.base_url(channel) == ""
    assert gate.base_url(dataclasses.replace(channel, settings={"site": "https://own.example"})) == "https://own.example"
    await hand.lifecycle.seal("test")
    with pytest.raises(Denied) as caught:
        gate.channel_call(channel, purpose="test").__enter__()
    assert (caught.value.code, caught.value.detail) == ("vault_sealed", "Sealed")


async def test_another_refusal_of_the_same_publication_is_logged_too(hand: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same refusal is one entry however often it comes; another code is another entry, and so is the first one when it comes back."""
    publication = await released(hand)
    logged: list[tuple[str, str]] = []

    async def noted(denied: Denied, **more: Any) -> None:
        logged.append((denied.code, more["about"]))

    monkeypatch.setattr(hand.runner, "refused", noted)
    channel = hand.channels["news"]
    for filing in ("suspended", "changing", "filed"):
        await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": filing}))
        if filing == "filed":
            await hand.do(c.Freeze(scope="all", target="", reason=hand.parts.values.commit("舆情")), "fang", Grade.COUNTER)
        await hand.parts.gate.send(publication)
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": "suspended"}))
    await hand.parts.gate.send(publication)
    assert logged == [("channel_unfiled", publication), ("frozen", publication), ("channel_unfiled", publication)]
    assert hand.publication_state(publication) is PublicationState.HELD


@pytest.mark.parametrize(("outcome", "said"), [
    (Live(id="1", url="http://u/1"), ("live", {"id": "1", "url": "http://u/1"})), (Live(id="1", url="javascript:alert(1)"), ("live", {"id": "1", "url": ""})), (Gone(id="1"), ("gone", {"id": "1"})),
    (Pending(handle="h"), ("pending", {"handle": "h"})), (Unknown(cause="lost"), ("unknown", {"cause": "lost"})),
    (Rejected(code="no", zh="不", en="no way"), ("rejected", {"code": "no", "zh": "不", "en": "no way"})),
])
def test_an_outcome_in_an_entry(outcome: Outcome, said: tuple[str, dict[str, str]]) -> None:
    """Each has the data that the entry of its name takes."""
    assert outcome_data(outcome) == said
    assert canonical.encode(said[1])
