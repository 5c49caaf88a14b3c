"""The gate, steps 1 to 3: what was approved is there and unaltered, the token is real, and covers exactly this."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway import canonical
from gateway.enforcer import ids
from gateway.enforcer.gate import verify_token
from gateway.machine.state import Publication, PublicationState
from gateway.protocol import instants
from gateway.protocol.claims import PAYLOAD_TYPE, Claims
from gateway.protocol.commands import Change
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.scripted import Scripted
from tests.gateway.enforcer.sending import lose, refusals, released, spoil
from vault import dsse
from vault.seal import KeyName
from vault.secretbytes import SecretBytes


@pytest.mark.parametrize("harm", [spoil, lose])
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


async def test_a_window_ends_at_its_end_and_begins_at_its_beginning(hand: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A13: to the millisecond; `exp` itself is too late, `nbf` itself is not too early."""
    publication = hand.state.publications[await released(hand)]
    start = hand.runner.now()
    first, end = instants.plus(start, 3600), instants.plus(start, 7200)
    _retoken(hand, publication, nbf=first, exp=end)

    def at(moment: instants.Instant) -> str:
        monkeypatch.setattr(hand.runner, "now", lambda: moment)
        try:
            hand.parts.gate.load_and_verify(publication)
        except Denied as denied:
            return denied.code
        return "in time"

    before = [instants.from_datetime(instants.to_datetime(moment) - timedelta(milliseconds=1)) for moment in (first, end)]
    assert [at(moment) for moment in (before[0], first, before[1], end)] == ["hold_running", "in time", "in time", "token_expired"]


@pytest.mark.parametrize("change", [{"account": "another"}, {"platform": "weibo"}, {"operation": "withdraw"}])
async def test_a_template_for_anything_else_is_refused(hand: House, change: dict[str, str]) -> None:
    """C2, C3: a template for another account, platform or operation than the channel's, even where record and token both name it."""
    publication = hand.state.publications[await released(hand)]
    template = json.loads(hand.runner.blobs.get(publication.template))
    publication.template = hand.runner.blobs.put(canonical.encode({**template, **change}))
    claims = verify_token(hand.runner.blobs.get(publication.token), hand.parts.vault.public_key(KeyName.APPROVAL))
    publication.token = hand.runner.blobs.put(ids.sign_token(hand.parts.vault, dataclasses.replace(claims, template=publication.template).to_bytes()))
    with pytest.raises(Denied) as denied:
        hand.parts.gate.load_and_verify(publication)
    assert denied.value.code == "scope_mismatch"


async def test_a_template_of_another_connector_is_refused_before_its_token_is_spent(hand: House, scripted: Scripted) -> None:
    """Approved as one version would send it, met by another: nothing is sent; one that says it sends the old ones alike sends it."""
    publication, kept = hand.state.publications[await released(hand, title="一")], await released(hand, title="二")
    scripted.sends = frozenset({"board/2"})
    await hand.parts.gate.send(publication.id)
    assert (refusals(hand), scripted.calls) == (["connector_changed"], [])
    assert (publication.state, publication.jti in hand.state.spent) == (PublicationState.ABANDONED, False)
    scripted.sends = frozenset({"board/2", "board/1"})
    await hand.parts.gate.send(kept)
    assert hand.publication_state(kept) is PublicationState.LIVE


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
    with pytest.raises(Denied, match="credential_changed"):  # step 3 sees it for itself, before step 4 asks again
        hand.parts.gate.load_and_verify(hand.state.publications[publication])
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


@pytest.mark.parametrize("how", ["altered", "another", "lost"])
async def test_a_credential_row_altered_while_running_sends_nothing(hand: House, scripted: Scripted, how: str) -> None:
    """The stored row is held to the log's digest at every use, not only at start: altered, another that was really sealed here, or lost."""
    publication = await released(hand)
    credential = hand.state.channels[hand.channels["news"]].credential
    assert credential is not None
    row = hand.parts.sealed.get(credential.secret, credential.version)
    assert row is not None
    hand.parts.sealed.delete(*row.key)
    if how == "altered":
        hand.parts.sealed.insert(dataclasses.replace(row, row=row.row[:-1] + bytes([row.row[-1] ^ 1])))
    if how == "another":
        with SecretBytes(b'{"key":"stolen"}') as secret:
            hand.parts.sealed.insert(hand.parts.vault.put(secret_id=row.secret_id, version=row.version, secret=secret))
    await hand.parts.gate.send(publication)
    assert hand.publication_state(publication) is PublicationState.ABANDONED
    assert scripted.calls == []
    hand.parts.sealed.delete(*row.key)
    hand.parts.sealed.insert(row)
