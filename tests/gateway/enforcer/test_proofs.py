"""Proofs below the pages: nonces, their bounds, what is kept as evidence, and rows that are not the log's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import canonical
from gateway.enforcer.proofs import ProofRefused
from gateway.protocol.denials import Denied
from gateway.protocol.statements import LIST_LABEL, list_digest
from tests.gateway.enforcer.counter.kit import Front, counter_over
from tests.gateway.enforcer.house import House
from vault import totp
from vault.passkeys import RelyingParty

DIGEST = list_digest(LIST_LABEL, [(canonical.sha256(b"a"), "approve")])


@pytest.fixture
async def front(hand: House, tmp_path: Path) -> AsyncIterator[Front]:
    """Open the counter's parts over a house on the scripted platform, with 顾长庚 armed."""
    async with counter_over(hand, tmp_path) as opened:
        await opened.arm("gu", "fang")
        yield opened


async def test_a_proof_is_looked_up_by_person_and_session(front: Front) -> None:
    """Another person, another session, a wrong nonce: gone."""
    proofs, who = front.counter.proofs, front.house.people["gu"]
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {"a": "甲"})
    assert proofs.look(who, "ses_1", begun.nonce) == begun
    for person, session, nonce in ((front.house.people["fang"], "ses_1", begun.nonce), (who, "ses_2", begun.nonce), (who, "ses_1", "x")):
        with pytest.raises(ProofRefused, match="gone"):
            proofs.look(person, session, nonce)


async def test_a_proof_ends_after_five_minutes(front: Front) -> None:
    """Six minutes later there is nothing to prove."""
    proofs, who = front.counter.proofs, front.house.people["gu"]
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    front.sessions.db.run("UPDATE proofs SET expires = ?", (front.house.runner.now(),))
    with pytest.raises(ProofRefused, match="gone"):
        proofs.look(who, "ses_1", begun.nonce)


async def test_a_code_gives_a_proof_with_its_step_and_evidence(front: Front) -> None:
    """The proof names method, factor, nonce, list and step; the evidence is a canonical blob whose digest it carries, without the code."""
    proofs, who = front.counter.proofs, front.house.people["gu"]
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    code = front.code("gu")
    proven = proofs.finish_code(begun, code)
    assert (proven.proof.method, proven.proof.factor, proven.proof.nonce, proven.proof.list_digest) == ("totp", f"totp-{who}", begun.nonce, DIGEST)
    assert proven.proof.step == front.steps[who]
    blob = proven.blobs[proven.proof.evidence]
    assert canonical.sha256(blob) == proven.proof.evidence
    assert canonical.parse(blob)["list"] == DIGEST
    assert json.loads(blob).keys() == {"v", "method", "nonce", "list", "step", "factor"}


async def test_two_callers_of_one_nonce_get_one_proof(front: Front) -> None:
    """Whoever comes second finds the nonce used, even with a fresh code."""
    proofs, who = front.counter.proofs, front.house.people["gu"]
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    proofs.finish_code(begun, front.code("gu"))
    with pytest.raises(ProofRefused, match="gone"):
        proofs.finish_code(begun, front.code("gu"))


async def test_a_wrong_assertion_uses_its_nonce_up(front: Front) -> None:
    """What was signed by no passkey of this person's is refused, and after it a right one comes too late."""
    proofs, who = front.counter.proofs, front.house.people["gu"]
    rp = RelyingParty(rp_id="counter.localhost", name="签发台", origin="http://counter.localhost:8442")
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    wrong = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA"}}
    for reason in ("not_yours", "gone"):
        with pytest.raises(ProofRefused, match=reason):
            proofs.finish_passkey(rp, begun, wrong)
    with pytest.raises(ProofRefused, match="gone"):
        proofs.look(who, "ses_1", begun.nonce)


async def test_a_row_that_is_not_the_logs_proves_nothing(front: Front) -> None:
    """A secret of one's own choosing put into the database in place of the bound row is refused."""
    from vault.secretbytes import SecretBytes

    proofs, who = front.counter.proofs, front.house.people["gu"]
    chosen = b"0" * 20
    with SecretBytes(chosen) as secret:
        row = front.house.parts.vault.put(secret_id=f"totp-{who}", version=1, secret=secret)
    front.house.parts.sealed.delete(f"totp-{who}", 1)
    front.house.parts.sealed.insert(row)
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    with pytest.raises(Denied, match="factor_unknown"):
        proofs.finish_code(begun, totp.code_at(chosen, totp.step_at(front.house.runner.clock.moment())))


async def test_a_sealed_vault_proves_nothing_by_code(front: Front) -> None:
    """Sealed, a code cannot be judged; the words say sealed, not wrong."""
    proofs, who = front.counter.proofs, front.house.people["gu"]
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    code = front.code("gu")
    await front.house.lifecycle.seal("test")
    with pytest.raises(Denied, match="vault_sealed"):
        proofs.finish_code(begun, code)


async def test_who_has_no_codes_is_told_so(front: Front) -> None:
    """A person without a code factor gets `none`, not `wrong`."""
    proofs, who = front.counter.proofs, front.house.people["lu"]
    begun = proofs.begin(who, "ses_1", "sign", DIGEST, {})
    with pytest.raises(ProofRefused, match="none"):
        proofs.finish_code(begun, "123456")
