"""The gate, step by step: every refusal of every numbered step, on a platform whose answers the test sets."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.canonical import Digest
from gateway.connectors.base import Live, Outcome, Pending, PlatformRefused, ReadBackDiffers, Rejected, Unknown
from gateway.enforcer import ids
from gateway.enforcer.gate import outcome_data, verify_token, where
from gateway.machine.state import Publication, PublicationState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.claims import PAYLOAD_TYPE, Claims
from gateway.protocol.commands import Change, Grade
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import EMERGENCY_LABEL, list_digest
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.scripted import Scripted
from vault import dsse
from vault.seal import KeyName


async def released(house: House, *keys: str, title: str = "秋收之后", **over: object) -> str:
    """Submit, approve and release one article; return its first publication."""
    submission = await house.submit(article(title=title, cover=house.cover()), *(keys or ("news",)), **over)
    return (await house.release(submission))[0]


async def live(house: House) -> str:
    """Return a publication that is live on the board."""
    publication = await released(house)
    await house.parts.gate.send(publication)
    assert house.publication_state(publication) is PublicationState.LIVE
    return publication


def commits(scripted: Scripted) -> int:
    """Count the calls that make something public."""
    return scripted.calls.count("commit")


def refusals(house: House) -> list[str]:
    """Return the codes of every refusal in the log."""
    return [str(entry.data["code"]) for entry in house.entries(EntryType.REFUSED)]


# ---- steps 1 to 3


def _spoil(house: House, digest: str) -> None:
    path = house.runner.blobs._path(digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _lose(house: House, digest: str) -> None:
    house.runner.blobs._path(digest).unlink()


@pytest.mark.parametrize("harm", [_spoil, _lose])
@pytest.mark.parametrize("which", ["token", "template", "content", "picture"])
async def test_a_missing_or_altered_blob_ends_the_send(
    hand: House, scripted: Scripted, which: str, harm: Callable[[House, str], None],
) -> None:
    """One flipped bit, or a lost file, in anything the approval names: nothing is asked of the platform, and it is logged."""
    publication = hand.state.publications[await released(hand)]
    digests = {
        "token": publication.token, "template": publication.template, "content": publication.content or "", "picture": hand.cover().sha256,
    }
    harm(hand, digests[which])
    await hand.parts.gate.send(publication.id)
    assert publication.state is PublicationState.ABANDONED
    assert refusals(hand) == ["scope_mismatch"]
    assert scripted.calls == []


def _retoken(house: House, known: Publication, /, **over: object) -> None:
    """Put another token, signed with the real key, in the place of the publication's."""
    claims = house.parts.gate.load_and_verify(known).claims
    text = ids.sign_token(house.parts.vault, dataclasses.replace(claims, **over).to_bytes())  # type: ignore[arg-type] # fields by name
    known.token = house.runner.blobs.put(text)


@pytest.mark.parametrize(("over", "code"), [
    ({"deployment": "dep-ffffffffffff"}, "token_invalid"),
    ({"kind": "live"}, "token_invalid"),
    ({"epoch": "0123456789abcdef"}, "token_invalid"),
    ({"operation": "withdraw"}, "scope_mismatch"),
    ({"channel": "ch_other00000"}, "scope_mismatch"),
    ({"credential": 2}, "scope_mismatch"),
    ({"revision": 2}, "scope_mismatch"),
    ({"submission": "sub_other0000"}, "scope_mismatch"),
    ({"publication": "pub_other0000"}, "scope_mismatch"),
    ({"jti": "tok_other0000"}, "scope_mismatch"),
    ({"template": "sha256:" + "0" * 64}, "scope_mismatch"),
    ({"content": "sha256:" + "0" * 64}, "scope_mismatch"),
    ({"previous": {"id": "post1", "digest": "sha256:" + "0" * 64}}, "scope_mismatch"),
])
async def test_a_token_for_anything_else_is_refused(hand: House, scripted: Scripted, over: dict[str, object], code: str) -> None:
    """A genuine signature over another audience, epoch, operation, channel, version, previous state or digest sends nothing."""
    publication = hand.state.publications[await released(hand)]
    _retoken(hand, publication, **over)
    with pytest.raises(Denied) as denied:
        hand.parts.gate.load_and_verify(publication)
    assert denied.value.code == code
    await hand.parts.gate.send(publication.id)
    assert refusals(hand) == [code]
    assert publication.state is PublicationState.ABANDONED
    assert scripted.calls == []


async def test_expired_and_early_tokens_are_refused(hand: House, scripted: Scripted) -> None:
    """`exp` is exclusive, `nbf` inclusive: an expired token ends the send, an early one waits."""
    early, late = hand.state.publications[await released(hand, title="一")], hand.state.publications[await released(hand, title="二")]
    now = hand.runner.now()
    _retoken(hand, early, nbf=instants.plus(now, 3600), exp=instants.plus(now, 7200))
    _retoken(hand, late, exp=hand.runner.now())
    await hand.parts.gate.send(early.id)
    await hand.parts.gate.send(late.id)
    assert early.state is PublicationState.HELD
    assert late.state is PublicationState.ABANDONED
    assert refusals(hand) == ["token_expired"]
    assert scripted.calls == []


def _claims_or_code(text: bytes, key: bytes) -> Claims | str:
    try:
        return verify_token(text, key)
    except Denied as denied:
        return denied.code


async def test_every_flipped_byte_of_a_token_is_refused(hand: House) -> None:
    """A1: flipping one bit anywhere in the token text never leaves a valid token with other claims."""
    publication = hand.state.publications[await released(hand)]
    text = hand.runner.blobs.get(publication.token)
    key = hand.parts.vault.public_key(KeyName.APPROVAL)
    claims, refused = verify_token(text, key), 0
    for at in range(len(text)):
        altered = bytearray(text)
        altered[at] ^= 1
        found = _claims_or_code(bytes(altered), key)
        assert found in (claims, "token_invalid")  # only a hint outside the signature, the key's name, may differ
        refused += found == "token_invalid"
    assert refused > len(text) * 0.9


async def test_the_checkpoint_key_signs_no_approvals(hand: House) -> None:
    """A7: a token signed by the log's key is no token; one that is not ASCII is none either."""
    publication = hand.state.publications[await released(hand)]
    claims: Claims = hand.parts.gate.load_and_verify(publication).claims
    vault = hand.parts.vault
    for name in (KeyName.APPROVAL, KeyName.CHECKPOINT):
        envelope = dsse.sign(
            claims.to_bytes(), payload_type=PAYLOAD_TYPE, public_key=vault.public_key(KeyName.CHECKPOINT if name else name),
            signer=lambda message: vault.sign(KeyName.CHECKPOINT, message))
        with pytest.raises(Denied):
            verify_token(dsse.encode_text(envelope).encode(), vault.public_key(KeyName.APPROVAL))
    with pytest.raises(Denied):
        verify_token("qf1.签".encode(), vault.public_key(KeyName.APPROVAL))


async def test_a_changed_credential_ends_the_send_before_it_is_used(hand: House, scripted: Scripted) -> None:
    """C3: what was released under version 1 is never sent under version 2; after a new release it is."""
    submission = await hand.submit(article(cover=hand.cover()), "news")
    publication = (await hand.release(submission))[0]
    await hand.store_credential("news", {"key": "second"})
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert refusals(hand) == ["credential_changed"]
    assert scripted.calls == []
    again = next(e.object for e in (await hand.sign("fang", submission, "release")).entries if e.type == EntryType.TOKEN_MINTED)
    await hand.parts.gate.send(again)
    assert hand.publication_state(again) is PublicationState.LIVE
    assert set(scripted.keys) == {"second"}


async def test_a_retired_credential_ends_the_send(hand: House, scripted: Scripted) -> None:
    """Without a credential in force nothing is asked of the platform."""
    publication = await released(hand)
    await hand.change(Change(type=EntryType.CREDENTIAL_RETIRED, object=hand.channels["news"], data={"version": 1}), first="fang")
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert refusals(hand) == ["credential_missing"]
    assert scripted.calls == []


@pytest.mark.parametrize("how", ["altered", "lost"])
async def test_a_credential_row_altered_while_running_sends_nothing(hand: House, scripted: Scripted, how: str) -> None:
    """The stored row is held to the log's digest at every use, not only at start."""
    publication = await released(hand)
    credential = hand.state.channels[hand.channels["news"]].credential
    assert credential is not None
    row = hand.parts.sealed.get(credential.secret, credential.version)
    assert row is not None
    hand.parts.sealed.delete(*row.key)
    if how == "altered":
        hand.parts.sealed.insert(dataclasses.replace(row, row=row.row[:-1] + bytes([row.row[-1] ^ 1])))
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert scripted.calls == []
    hand.parts.sealed.delete(*row.key)
    hand.parts.sealed.insert(row)


# ---- steps 4 and 5


async def test_a_suspended_author_or_a_lost_filing_stops_at_spend(hand: House, scripted: Scripted) -> None:
    """What changed after release is asked again: a suspension ends it, a filing that is not in force makes it wait."""
    unfiled, void = await released(hand, title="一"), await released(hand, title="二")
    channel = hand.channels["news"]
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": "suspended"}))
    await hand.parts.gate.send(unfiled)
    assert hand.publication_state(unfiled) is PublicationState.HELD
    await hand.change(Change(type=EntryType.CHANNEL_CHANGED, object=channel, data={"filing": "filed"}))
    await hand.parts.gate.send(unfiled)
    assert hand.publication_state(unfiled) is PublicationState.LIVE
    await hand.change(Change(type=EntryType.PERSON_SUSPENDED, object=hand.people["lu"], data={"cause": hand.parts.values.commit("查处")}))
    await hand.parts.gate.send(void)
    assert hand.publication_state(void) is PublicationState.ABANDONED
    assert commits(scripted) == 1


async def test_an_exhausted_quota_waits_and_is_told_once(tmp_path: Path, scripted: Scripted) -> None:
    """With one send a day the second waits, however often it is tried; the log says so once."""
    from tests.gateway.enforcer.house import found_house, open_house

    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as house:
        await house.staff()
        await house.add_channel("news", "wordpress", "board1", {"key": "k"}, settings={"daily_limit": "1"})
        await house.lifecycle._stop_timers()
        first, second = await released(house, title="一"), await released(house, title="二")
        await house.parts.gate.send(first)
        for _ in range(3):
            await house.parts.gate.send(second)
        assert house.publication_state(second) is PublicationState.HELD
        assert refusals(house) == ["quota_exhausted"]
        assert commits(scripted) == 1


async def test_a_transient_refusal_is_tried_again_with_the_same_handles(hand: House, scripted: Scripted) -> None:
    """A busy platform costs a wait, not a second draft."""
    publication = await released(hand)
    scripted.raising["prepared"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.INTENDED
    scripted.raising["reread"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.PREPARED
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert scripted.calls.count("draft") == 1
    assert hand.count_of(EntryType.PUBLICATION_INTENDED, publication) == 1


@pytest.mark.parametrize(("step", "error", "cause"), [
    ("prepare", PlatformRefused("no", "不行", "no"), "platform:no"),
    ("prepared", ReadBackDiffers("title"), "readback:title"),
    ("reread", PlatformRefused("no", "不行", "no"), "platform:no"),
])
async def test_a_definite_refusal_before_dispatch_abandons_and_clears(
    hand: House, scripted: Scripted, step: str, error: BaseException, cause: str,
) -> None:
    """A platform that says no, or shows something else, ends the intent; what was made there is deleted; the office may release again."""
    submission = await hand.submit(article(cover=hand.cover()), "news")
    publication = (await hand.release(submission))[0]
    scripted.raising[step] = error
    await hand.parts.gate.send(publication)
    found = hand.state.publications[publication]
    assert found.state is PublicationState.ABANDONED
    assert found.reason["cause"] == cause
    assert scripted.drafts == {}
    assert commits(scripted) == 0
    again = next(e.object for e in (await hand.sign("fang", submission, "release")).entries if e.type == EntryType.TOKEN_MINTED)
    await hand.parts.gate.send(again)
    assert hand.publication_state(again) is PublicationState.LIVE


async def test_a_draft_altered_on_the_platform_is_not_sent(hand: House, scripted: Scripted) -> None:
    """What is read again before dispatch must be what was read back; otherwise a person looks."""
    publication = await released(hand)
    scripted.slow["reread"] = 0.1
    sending = asyncio.create_task(hand.parts.gate.send(publication))
    await hand.until(publication, "prepared")
    scripted.drafts["d1"] = "改过"
    await sending
    assert hand.state.publications[publication].reason["cause"] == "altered_on_platform"
    assert commits(scripted) == 0
    assert scripted.drafts == {}


async def test_a_stop_during_preparation_clears_even_what_the_log_does_not_know(hand: House, scripted: Scripted) -> None:
    """The draft was made while the stop came in: its handle never reached the log, and it is deleted all the same."""
    publication = await released(hand)
    scripted.slow["prepare"] = 0.1
    sending = asyncio.create_task(hand.parts.gate.send(publication))
    await hand.until(publication, "intended")
    await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    await sending
    assert hand.publication_state(publication) is PublicationState.STOPPED
    assert scripted.drafts == {}
    assert commits(scripted) == 0
    await hand.parts.gate.send(publication)
    assert commits(scripted) == 0


async def test_a_stop_between_read_back_and_dispatch_wins(hand: House, scripted: Scripted) -> None:
    """Up to the very decision to dispatch a stop wins, and the draft goes."""
    publication = await released(hand)
    scripted.slow["reread"] = 0.1
    sending = asyncio.create_task(hand.parts.gate.send(publication))
    await hand.until(publication, "prepared")
    await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    await sending
    assert hand.publication_state(publication) is PublicationState.STOPPED
    assert (commits(scripted), scripted.drafts) == (0, {})


async def test_after_dispatch_a_stop_comes_too_late_and_says_so(hand: House, scripted: Scripted) -> None:
    """Once dispatched the answer is 「已在发送」."""
    publication = await released(hand)
    scripted.slow["commit"] = 0.2
    sending = asyncio.create_task(hand.parts.gate.send(publication))
    await hand.until(publication, "dispatched")
    with pytest.raises(Denied) as denied:
        await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    assert denied.value.code == "already_sending"
    await sending
    assert hand.publication_state(publication) is PublicationState.LIVE


async def test_a_freeze_before_dispatch_holds_it_and_two_others_let_it_go(hand: House, scripted: Scripted) -> None:
    """Frozen between read-back and dispatch it waits prepared; thawed by two it goes on with the same draft."""
    publication = await released(hand)
    scripted.slow["reread"] = 0.1
    sending = asyncio.create_task(hand.parts.gate.send(publication))
    await hand.until(publication, "prepared")
    frozen = await hand.do(c.Freeze(scope="channel", target=hand.channels["news"], reason=hand.parts.values.commit("舆情")), "fang", Grade.COUNTER)
    await sending
    assert hand.publication_state(publication) is PublicationState.PREPARED
    assert hand.parts.gate.frozen(hand.state.publications[publication])
    await hand.parts.gate.send(publication)
    assert commits(scripted) == 0
    await hand.thaw(frozen.object)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert (commits(scripted), scripted.calls.count("draft")) == (1, 1)
    assert refusals(hand).count("frozen") == 1


async def test_the_same_token_again_is_refused_and_asks_nothing_of_the_platform(hand: House, scripted: Scripted) -> None:
    """A14: a second run of a publication that went out is `token_spent` before anything is loaded."""
    publication = await live(hand)
    calls = list(scripted.calls)
    await hand.parts.gate.send(publication)
    assert scripted.calls == calls
    assert refusals(hand) == ["token_spent"]


# ---- steps 6 to 8


async def test_a_late_licence_is_not_used(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the 30 seconds are over before the call, nothing is sent and it ends as refused."""
    publication = await released(hand)
    gate, submit = hand.parts.gate, hand.runner.system

    async def slow(command: object) -> object:
        done = await submit(command)
        if isinstance(command, c.Dispatch):
            real = hand.runner.clock._boot
            monkeypatch.setattr(hand.runner.clock, "_boot", lambda: real() + 31)
            wall = hand.runner.clock._wall
            monkeypatch.setattr(hand.runner.clock, "_wall", lambda: wall().__class__.fromtimestamp(wall().timestamp() + 31, wall().tzinfo))
        return done

    monkeypatch.setattr(hand.runner, "system", slow)
    await gate.send(publication)
    found = hand.state.publications[publication]
    assert found.state is PublicationState.REJECTED
    assert found.reason["code"] == "too_late"
    assert commits(scripted) == 0


@pytest.mark.parametrize(("error", "cause"), [(RuntimeError("boom"), "error:RuntimeError"), (TimeoutError(), "deadline")])
async def test_whatever_the_one_call_raises_is_unknown_and_never_repeated(
    hand: House, scripted: Scripted, error: BaseException, cause: str,
) -> None:
    """After DISPATCHED an exception means that nobody knows."""
    publication = await released(hand)
    scripted.raising["commit"] = error
    await hand.parts.gate.send(publication)
    found = hand.state.publications[publication]
    assert (found.state, found.reason["cause"]) == (PublicationState.UNKNOWN, cause)
    await hand.parts.gate.send(publication)
    assert commits(scripted) == 1


@pytest.mark.parametrize(("outcome", "state"), [
    (Live(id="x", url="https://board.example/\ud800"), PublicationState.UNKNOWN),
    (Rejected(code="no", zh="不", en="no"), PublicationState.REJECTED),
    (Unknown(cause="lost"), PublicationState.UNKNOWN),
    (Pending(handle="h1"), PublicationState.PENDING),
])
async def test_each_outcome_is_logged_and_one_that_cannot_be_is_unknown(
    hand: House, scripted: Scripted, outcome: Outcome, state: PublicationState,
) -> None:
    """Every answer becomes an entry; an address that is no text becomes UNKNOWN, not an exception."""
    publication = await released(hand)
    scripted.outcomes = [outcome]
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is state
    assert outcome_data(outcome)[0] in {"live", "rejected", "unknown", "pending"}


async def test_what_is_live_is_compared_once_more(hand: House, scripted: Scripted) -> None:
    """A page that shows something else than was approved is live, and drifted; one that cannot be read says nothing."""
    publication = await released(hand)
    scripted.outcomes = [Live(id="elsewhere", url="https://board.example/elsewhere")]
    await hand.parts.gate.send(publication)
    assert hand.state.publications[publication].drift
    assert hand.count_of(EntryType.PUBLICATION_DRIFTED, publication) == 1
    other = await released(hand, title="二")
    scripted.raising["observe"] = PlatformRefused("busy", "忙", "busy", transient=True)
    await hand.parts.gate.send(other)
    assert not hand.state.publications[other].drift


# ---- edits and withdrawals


async def replace(house: House, publication: str, operation: str, title: str = "更正之后") -> str:
    """Submit, approve and release an edit or withdrawal; return its publication."""
    content = article(title=title, cover=house.cover()) if operation == "edit" else None
    submission = await house.submit(content, "news", operation=operation, previous=publication)
    return (await house.release(submission))[0]


async def test_an_edit_replaces_what_is_live_under_its_own_token(hand: House, scripted: Scripted) -> None:
    """An edit needs its own route and changes the same post."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.LIVE
    assert hand.publication_state(first) is PublicationState.REPLACED
    assert scripted.board == {"post1": "更正之后"}


async def test_an_edit_of_something_altered_is_refused(hand: House, scripted: Scripted) -> None:
    """B18: what is live was changed by hand: the edit names something else, so it ends, and the change is an entry."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    scripted.board["post1"] = "有人改过"
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.ABANDONED
    assert refusals(hand) == ["previous_changed"]
    assert hand.count_of(EntryType.PUBLICATION_DRIFTED, first) == 1
    assert scripted.board == {"post1": "有人改过"}


@pytest.mark.parametrize(("transient", "state"), [(True, PublicationState.INTENDED), (False, PublicationState.ABANDONED)])
async def test_an_edit_whose_original_cannot_be_read_waits_or_ends(
    hand: House, scripted: Scripted, transient: bool, state: PublicationState,
) -> None:
    """No look at the original, no edit."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    scripted.raising["observe"] = PlatformRefused("x", "x", "x", transient=transient)
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is state
    assert commits(scripted) == 1


async def test_an_edit_whose_originals_template_is_lost_is_refused(hand: House) -> None:
    """What was approved before must still be there to compare with."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    _lose(hand, hand.state.publications[first].template)
    await hand.parts.gate.send(edit)
    assert hand.publication_state(edit) is PublicationState.ABANDONED


async def test_two_edits_of_one_thing_cannot_both_go(hand: House, scripted: Scripted) -> None:
    """B17: the second edit names what is no longer live: it is refused at release or at dispatch, never sent."""
    first = await live(hand)
    edit = await replace(hand, first, "edit")
    submission = await hand.submit(article(title="另一版", cover=hand.cover()), "news", operation="edit", previous=first)
    await hand.sign("gu", submission, "approve")
    with pytest.raises(Denied) as denied:
        await hand.sign("fang", submission, "release")
    assert denied.value.code == "previous_changed"
    await hand.parts.gate.send(edit)
    assert scripted.board == {"post1": "更正之后"}


async def emergency(house: House, publication: str) -> str:
    """Take something down by one brand & PR head; return the withdrawal's publication."""
    template = house.template(house.channels["news"], None, "withdraw", publication)
    command = c.EmergencyWithdraw(
        publication=publication, template=template, reason=house.parts.values.commit("失实"),
        window_to=instants.plus(house.runner.now(), 3600),
        proof=house.proof("fang2", list_digest(EMERGENCY_LABEL, [(template, publication)])))
    done = await house.do(command, "fang2", Grade.PROOF)
    return next(entry.object for entry in done.entries if entry.type == EntryType.TOKEN_MINTED)


async def test_a_withdrawal_takes_down_and_a_freeze_stops_only_the_ordinary_one(hand: House, scripted: Scripted) -> None:
    """Frozen: the ordinary withdrawal waits, the emergency one passes; nothing is live afterwards."""
    first, second = await live(hand), None
    ordinary = await replace(hand, first, "withdraw")
    await hand.do(c.Freeze(scope="all", target="", reason=hand.parts.values.commit("舆情")), "fang", Grade.COUNTER)
    await hand.parts.gate.send(ordinary)
    assert hand.publication_state(ordinary) is PublicationState.HELD
    second = await emergency(hand, first)
    await hand.parts.gate.send(second)
    assert hand.publication_state(second) is PublicationState.GONE
    assert hand.publication_state(first) is PublicationState.WITHDRAWN
    assert scripted.board == {}


# ---- the door itself


async def test_while_sealed_or_behind_nothing_is_asked_of_the_platform(
    hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock behind the log, and a sealed vault, make it wait; nothing is logged, nothing is lost."""
    publication = await released(hand)
    with monkeypatch.context() as patched:
        patched.setattr(type(hand.runner.clock), "behind", property(lambda _self: True))
        await hand.parts.gate.send(publication)
    await hand.lifecycle.seal("test")
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.HELD
    assert scripted.calls == []


async def test_the_clock_falling_behind_before_dispatch_stops_it(hand: House, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is asked again at the last moment."""
    publication = await released(hand)
    answers = iter([False, True])
    monkeypatch.setattr(type(hand.runner.clock), "behind", property(lambda _self: next(answers, True)))
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.PREPARED
    assert commits(scripted) == 0


async def test_sealing_waits_for_the_call_in_flight(hand: House, scripted: Scripted) -> None:
    """A seal during the one call lets it end and be logged; only then the keys go."""
    scripted.slow["commit"] = 0.3
    publication = await released(hand)
    hand.lifecycle._timers = asyncio.create_task(hand.parts.followup.run())
    await hand.until(publication, "dispatched")
    await hand.lifecycle.seal("test")
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert hand.parts.vault.sealed


async def test_a_platform_without_preparation_goes_straight_to_the_call(hand: House, scripted: Scripted) -> None:
    """Where nothing is made before the commit there is no PREPARED, no second reading, no comparison."""
    scripted.prepares = False
    publication = await released(hand)
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.LIVE
    assert hand.count_of(EntryType.PUBLICATION_PREPARED, publication) == 0
    assert not {"reread", "observe"} & set(scripted.calls)


async def test_one_commit_a_channel_at_a_time(hand: House, scripted: Scripted) -> None:
    """Ten publications of one channel never overlap in their one call."""
    scripted.slow["commit"] = 0.01
    inside: list[int] = []
    real: Callable[..., Awaitable[Outcome]] = scripted.commit
    running = 0

    async def counted(*arguments: object) -> Outcome:
        nonlocal running
        running += 1
        inside.append(running)
        try:
            return await real(*arguments)
        finally:
            running -= 1

    scripted.commit = counted  # type: ignore[method-assign] # counts, and calls the real one
    publications = [await released(hand, title=f"第{n}篇") for n in range(5)]
    await asyncio.gather(*(hand.parts.gate.send(publication) for publication in publications))
    assert inside == [1] * 5
    assert len(scripted.board) == 5


async def test_clearing_that_fails_is_only_said(hand: House, scripted: Scripted) -> None:
    """A platform that cannot be reached while cleaning up changes nothing about the end."""
    publication = await released(hand)
    scripted.raising["prepared"] = Denied("frozen")
    scripted.raising["abandon"] = PlatformRefused("down", "x", "x")
    await hand.parts.gate.send(publication)
    await hand.do(c.Stop(publication=publication), "lu", Grade.COUNTER)
    await hand.parts.gate.clear(hand.state.publications[publication])
    assert hand.publication_state(publication) is PublicationState.STOPPED


def test_where_names_file_and_line_only() -> None:
    """The place of an error holds neither its message nor a value."""
    with pytest.raises(ValueError, match="canary") as raised:
        int("canary")
    assert where(raised.value).startswith("test_gate_steps.py:")
    assert where(ValueError("x")) == ""


async def test_the_digest_type_of_a_prepared_publication(hand: House) -> None:
    """The log's handles, filled digest and snapshot come back as they were prepared."""
    from gateway.enforcer.gate import prepared_of

    publication = hand.state.publications[await live(hand)]
    prepared = prepared_of(publication)
    assert prepared.handles == {"draft": "d1"}
    assert prepared.snapshot.startswith("sha256:")
    assert Digest(publication.filled) == prepared.filled
