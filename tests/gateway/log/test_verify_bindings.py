"""The verifier: every binding between entries, values, tokens, statements and passkeys broken once."""

from __future__ import annotations

import base64
import io
import json
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import canonical
from gateway.log import verify
from gateway.log.bundle import SaltedValue, token_parts
from gateway.log.verify import report
from tests.gateway.log.packs import faults, judge, member, rebuilt


def test_erased_values(story) -> None:
    """A value that an entry says was erased may be missing and is said; without such an entry it is a fault."""
    told = story()
    gone, kept = told.values
    assert any("name of entry 1 is missing" in text for text in faults(told.pack(values=[kept])))
    body = canonical.encode({
        "v": 1, "seq": len(told.bodies), "type": "values.erased", "at": "t", "actor": "per_pr", "object": "per_head", "command": None,
        "data": {"commitments": [gone.commitment], "by": "per_pr", "reason": "request"},
    })
    told.bodies.append(body)
    told.log.writer.commit([body])
    verdict = judge(told.pack(values=[kept]))
    assert verdict.ok
    assert "erased" in report(verdict)
    assert judge(told.pack()).ok
    assert faults(told.pack(values=[*told.values, SaltedValue(bytes(32), "nobody asked")]))


def test_an_erased_part_of_a_content(story) -> None:
    """A picture that an entry says was erased may be missing from what it is part of; without such an entry it is a fault."""
    told = story()
    picture = next(blob for blob in told.blobs if blob.startswith(b"\x89PNG"))
    rest = [blob for blob in told.blobs if blob != picture]
    assert any("part of entry" in text for text in faults(told.pack(blobs=rest)))
    told.add("values.erased", "dep_1", "per_pr", commitments=[canonical.sha256(picture)], reason="request")
    told.log.writer.commit(told.bodies[-1:])
    assert judge(told.pack(blobs=rest)).ok


def test_a_short_salt_commits_to_nothing(story) -> None:
    """A salt of another length than the format's is a fault even where the digest fits: few salts can be tried for a value that pleases more."""
    assert any("not the one committed to" in text for text in faults(story(values=[SaltedValue(bytes(16), "张三"), SaltedValue(bytes(32), "李四")]).pack()))


LATE = {
    "signing.made": "no proof by that person", "factor.enrolled": "was not enrolled for that person", "submission.made": "not about what was submitted",
    "decision.made": "not in the pack", "token.minted": "without an earlier token",
}


@pytest.mark.parametrize("type_", LATE)
def test_what_comes_too_late_counts_for_nothing(story, type_: str) -> None:
    """A proof after the decision, a key enrolled after the signature, a submission after its token, a token after the send: made up afterwards."""
    assert any(LATE[type_] in text for text in faults(story(late=type_).pack()))


def test_anothers_passkey_signs_for_nobody_else(story) -> None:
    """The very key that signed, under the very name of the factor, enrolled for somebody else."""
    told = story(objects={("factor.enrolled", "per_head"): "per_author"})
    assert any("was not enrolled for that person" in text for text in faults(told.pack()))


def test_values_that_are_not_the_committed_ones(story) -> None:
    """Another name under the same commitment, and a short salt, are faults."""
    pack = story().pack()
    rows = json.loads(member(pack, "values.json"))
    for change in ({"value": "王五"}, {"salt": "AAAA"}, {"salt": "?"}):
        assert not judge(rebuilt(pack, {"values.json": canonical.encode([{**rows[0], **change}, rows[1]])})).ok


def test_blobs(story) -> None:
    """A blob that nothing mentions and a blob that is missing are faults; what a blob mentions may be there."""
    told = story()
    assert any("nothing in the log" in text for text in faults(told.pack(blobs=[*told.blobs, b"stray"])))
    assert any("content of entry 5 is missing" in text for text in faults(told.pack(blobs=[blob for blob in told.blobs if "通告".encode() not in blob])))
    loop = canonical.sha256(b"x")
    assert judge(told.pack()).ok
    assert faults(told.pack(blobs=[*told.blobs, loop.encode()]))


# ---- tokens, decisions, passkeys: each binding broken once --------------------------------------------------------------

CLAIMS = {
    "another publication": {"publication": "pub_2"}, "another deployment": {"iss": "dep_2"}, "another content": {"content": canonical.sha256(b"x")},
    "another channel": {"channel": "chn_2"}, "another epoch": {"epoch": "e0"}, "another author": {"author": "per_x"},
    "another submission": {"submission": "sub_2"}, "another revision": {"revision": 2}, "another template": {"template": canonical.sha256(b"x")},
    "another operation": {"operation": "edit"}, "another policy": {"policy": canonical.sha256(b"x")}, "another id": {"jti": "tok_2"},
    "no approvals": {"approvals": None}, "no release": {"release": None}, "a text as approval": {"approvals": ["x"]},
    "an entry as text": {"approvals": [{"entry": "7"}]}, "an entry not here": {"approvals": [{"entry": 700}]},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_tokens_about_something_else(story, name: str) -> None:
    """CVE-2022-36056's class: a validly signed token that is about something else does not pass."""
    assert not judge(story(claims=lambda value: {**value, **CLAIMS[name]}).pack()).ok


@pytest.mark.parametrize("change", [{"person": "per_x"}, {"office": "leader"}, {"stage": "x"}, {"method": "totp"}, {"statement": canonical.sha256(b"x")}, {"entry": 5}])
def test_approvals_that_are_not_the_decision(story, change: dict) -> None:
    """A token whose approval differs from the entry it names does not pass."""
    told = story(claims=lambda value: {**value, "approvals": [{**value["approvals"][0], **change}]})
    assert not judge(told.pack()).ok


def test_a_token_that_is_no_object(story) -> None:
    """Signed claims of another form are a fault."""
    assert not judge(story(claims=lambda _: []).pack()).ok


@pytest.mark.parametrize("name", ["signer", "office", "stage", "deployment", "submission", "revision", "content", "epoch", "policy", "verdict", "targets"])
def test_statements_that_say_something_else(story, name: str) -> None:
    """What was signed must say what the token says, field by field."""
    told = story(statement=lambda value: {**value, name: None})
    assert any("not what the token says" in text for text in faults(told.pack()))


def test_a_statement_of_another_form(story) -> None:
    """A statement that is no object is a fault; so is one that is not in the pack."""
    assert not judge(story(statement=lambda _: []).pack()).ok
    told = story()
    assert any("statement" in text for text in faults(told.pack(blobs=[blob for blob in told.blobs if b'"signer"' not in blob])))


ENTRIES = {
    "no other key": ("deployment.opened", lambda data: {**data, "keys": {**data["keys"], "log": "x"}}),
    "no keys": ("deployment.opened", lambda data: {**data, "keys": None}),
    "no approval key": ("deployment.opened", lambda data: {**data, "keys": {"log": data["keys"]["log"]}}),
    "short approval key": ("deployment.opened", lambda data: {**data, "keys": {**data["keys"], "approval": "AAAA"}}),
    "decision of another revision": ("decision.made", lambda data: {**data, "revision": 2}),
    "decision of another verdict": ("decision.made", lambda data: {**data, "verdict": "x"}),
    "decision without statement": ("decision.made", lambda data: {k: v for k, v in data.items() if k != "statement"}),
    "decision of a number": ("decision.made", lambda data: {**data, "statement": 1}),
    "signing of another list": ("signing.made", lambda data: {**data, "items": [["a", "b"]]}),
    "signing without list": ("signing.made", lambda data: {**data, "items": None}),
    "signing with odd items": ("signing.made", lambda data: {**data, "items": [["a"]]}),
    "signing without proof": ("signing.made", lambda data: {**data, "proof": None}),
    "signing by another factor": ("signing.made", lambda data: {**data, "proof": {**data["proof"], "factor": "fac_x"}}),
    "signing by another nonce": ("signing.made", lambda data: {**data, "proof": {**data["proof"], "nonce": "AAAA"}}),
    "signing by no nonce": ("signing.made", lambda data: {**data, "proof": {**data["proof"], "nonce": 1}}),
    "signing by odd nonce": ("signing.made", lambda data: {**data, "proof": {**data["proof"], "nonce": "?"}}),
    "factor of another credential": ("factor.enrolled", lambda data: {**data, "public": {**data["public"], "credential_id": "x"}}),
    "factor of another key": ("factor.enrolled", lambda data: {**data, "public": {**data["public"], "public_key": "AAAA"}}),
    "factor without key": ("factor.enrolled", lambda data: {**data, "public": None}),
    "live with other content": ("publication.live", lambda data: {**data, "content": canonical.sha256(b"x")}),
    "intent of another token": ("publication.intended", lambda data: {**data, "jti": "tok_x"}),
    "token is no digest": ("token.minted", lambda data: {**data, "token": 1}),
    "submission without targets": ("submission.made", lambda data: {**data, "targets": None}),
    "submission of other content": ("submission.made", lambda data: {**data, "content": None}),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_that_do_not_fit_each_other(story, name: str) -> None:
    """A log that is whole as a log but whose entries do not bind to each other does not pass."""
    type_, change = ENTRIES[name]
    told = story(**{type_: change})
    key = None if "key" in name and type_ == "deployment.opened" else told.approval.public_key().public_bytes_raw()
    assert not judge(told.pack(approval_key=key)).ok


PASSKEYS = {
    "another challenge": {"client": lambda value: {**value, "challenge": "AAAA"}}, "another type": {"client": lambda value: {**value, "type": "webauthn.create"}},
    "a frame": {"client": lambda value: {**value, "crossOrigin": True}}, "another origin": {"client": lambda value: {**value, "origin": "https://desk.example"}},
    "no JSON": {"client": lambda _: b"{"}, "a list": {"client": lambda _: []}, "another site": {"rp": "desk.example"}, "no verification": {"flags": 1}, "no presence": {"flags": 4},
    "another key": {"passkey": ec.derive_private_key(5, ec.SECP256R1())}, "an Ed25519 key": {"passkey": Ed25519PrivateKey.from_private_bytes(bytes(32))},
    "an RSA key": {"passkey": rsa.generate_private_key(65537, 2048)}, "an unknown kind of key": {"passkey": ed448.Ed448PrivateKey.generate()},
    "a DSA key": {"passkey": dsa.generate_private_key(1024)},
    "no signature": {"evidence": {"signature": "AAAA"}}, "no key": {"evidence": {"public_key": "AAAA"}}, "short data": {"evidence": {"authenticator_data": "AAAA"}},
    "numbers": {"evidence": {"signature": 1}}, "padding": {"evidence": {"signature": "AA=="}}, "another credential": {"evidence": {"credential_id": "x"}},
}


@pytest.mark.parametrize("name", PASSKEYS)
def test_passkey_evidence_that_does_not_hold(story, name: str) -> None:
    """Every check of an assertion, failed once."""
    assert any("passkey" in text or "base64" in text for text in faults(story(**PASSKEYS[name]).pack()))


def test_evidence_missing_or_misshapen(story) -> None:
    """Evidence that is not in the pack is a fault, so is a counter without a name."""
    told = story()
    assert any("evidence" in text for text in faults(told.pack(blobs=[blob for blob in told.blobs if b"client_data_json" not in blob])))
    assert not judge(story(**{"deployment.opened": lambda data: {**data, "counter": ""}}).pack()).ok
    assert judge(story(**{"deployment.opened": lambda data: {**data, "counter": "https://counter.example:8443"}}).pack()).ok


ENVELOPES = {
    "another type": lambda value: {**value, "payloadType": "text/plain"}, "no signature": lambda value: {**value, "signatures": []},
    "two": lambda value: {**value, "signatures": value["signatures"] * 2}, "a text": lambda value: {**value, "signatures": ["x"]},
    "more": lambda value: {**value, "more": 1}, "odd base64": lambda value: {**value, "payload": "AAB="},
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_misshapen_envelopes(story, name: str) -> None:
    """An envelope of another form is no token."""
    told = story()
    good = told.blobs[-1]
    pae = token_parts(good)
    spoiled = story(envelope=ENVELOPES[name])
    try:
        pack = spoiled.pack()
    except ValueError:
        plain = [blob for blob in spoiled.blobs if not blob.startswith(b"qf1.")]
        token = next(blob for blob in spoiled.blobs if blob.startswith(b"qf1."))
        pack = rebuilt(spoiled.pack(blobs=plain), {f"blobs/{canonical.sha256(token)[7:]}": token})
    assert not judge(pack).ok
    assert pae[0].startswith(b"DSSEv1 39 ")


def test_tokens_by_another_key_or_missing(story) -> None:
    """The wrong key, another token's side files, a token that is none, a token that is missing: faults."""
    assert any("signature of the token" in text for text in faults(story(token_key=Ed25519PrivateKey.from_private_bytes(bytes(32))).pack()))
    told = story()
    pack = told.pack()
    (name,) = [n for n in zipfile.ZipFile(io.BytesIO(pack)).namelist() if n.endswith(".sig")]
    assert not judge(rebuilt(pack, {name: bytes(64)})).ok
    assert not judge(rebuilt(pack, {f"tokens/{'0' * 64}.sig": bytes(64)})).ok
    assert any("without an earlier token" in text for text in faults(told.pack(blobs=[b for b in told.blobs if not b.startswith(b"qf1.")])))
    text = b"not a token"
    lost = story(**{"token.minted": lambda data: {**data, "token": canonical.sha256(text)}})
    assert not judge(lost.pack(blobs=[*[b for b in lost.blobs if not b.startswith(b"qf1.")], text])).ok


def test_a_pack_without_entry_zero(story) -> None:
    """Without the entry that names the approval key a token cannot be believed."""
    told = story()
    entries = list(enumerate(told.bodies))[1:]
    assert not judge(told.pack(entries=entries, approval_key=None)).ok
    assert judge(told.pack(entries=list(enumerate(told.bodies))[:3], blobs=[], approval_key=None)).ok


def test_a_signature_by_code(story) -> None:
    """A decision by TOTP has no passkey evidence to verify; its list must still be the person's."""
    told = story(**{
        "signing.made": lambda data: {**data, "proof": {**data["proof"], "method": "totp"}}, "decision.made": lambda data: {**data, "method": "totp"},
        "claims": lambda value: {
            **value, "release": {**value["release"], "method": "totp"}, "approvals": [{**a, "method": "totp"} for a in value["approvals"]],
        },
    })
    assert judge(told.pack()).ok


def test_a_decision_says_how_it_was_proven(story) -> None:
    """A list proven by code does not become a decision by passkey, in whatever the token and the decision say."""
    told = story(**{"signing.made": lambda data: {**data, "proof": {**data["proof"], "method": "totp"}}})
    assert any("another way" in text for text in faults(told.pack()))


@pytest.mark.parametrize("change", [
    {"submission": "sub_2"}, {"revision": 2}, {"content": canonical.sha256(b"x")}, {"signer": "per_x"}, {"office": "leader"}, {"stage": "x"},
    {"verdict": "return"}, {"deployment": "dep_2"}, {"checked": canonical.sha256(b"x")}, {"targets": []}, {"targets": None},
    {"targets": [{"channel": "chn_2", "operation": "publish", "template": canonical.sha256(b"x"), "previous": None}]},
])
def test_a_decision_is_what_its_person_signed_also_where_no_token_names_it(story, change: dict) -> None:
    """A proof over something else, put under a decision by who holds the log's key: found without any token."""
    told = story(statement=lambda value: {**value, **change})
    until = next(seq for seq, body in enumerate(told.bodies) if b"token.minted" in body)
    blobs = [blob for blob in told.blobs if not blob.startswith(b"qf1.")]
    assert any("is not what that person signed" in text for text in faults(told.pack(entries=list(enumerate(told.bodies))[:until], blobs=blobs)))
    other = story(**{"decision.made": lambda data: {**data, "verdict": "release"}})
    assert any("is not what that person signed" in text for text in faults(other.pack(
        entries=list(enumerate(other.bodies))[:until], blobs=[blob for blob in other.blobs if not blob.startswith(b"qf1.")])))
    whole = story()
    assert judge(whole.pack(entries=list(enumerate(whole.bodies))[:until], blobs=[blob for blob in whole.blobs if not blob.startswith(b"qf1.")])).ok


def test_a_return_under_a_proof_is_what_its_person_signed(story) -> None:
    """A return that was signed in a list holds; with another verdict, another reason, without a proof, or over what is no statement it does not."""
    told = story()
    before = list(told.bodies)

    def returned(statement: bytes | None = None, verdict: str = "return", **change: object) -> list[str]:
        kept, blobs = list(told.bodies), list(told.blobs)
        text = statement if statement is not None else canonical.encode({
            "v": 1, "deployment": "dep_1", "verdict": "return", "stage": "approve", "office": "unit_head", "signer": "per_head", "submission": "sub_1",
            "revision": 1, "content": told.content, "targets": [told.target], "reason": "data"})
        items = [[told.blob(text), verdict]]
        listed = canonical.digest({"label": "qianfa/list/v1", "items": items})
        if "unproven" not in change:
            told.add("signing.made", "sig_back", "per_head", proof={"method": "totp", "list": listed}, items=items, dropped=[])
        data = {"revision": 1, "stage": "approve", "office": "unit_head", "method": "totp", "statement": items[0][0], "reason": "data", **change}
        told.add("submission.returned", "sub_1", "per_head", **data)
        told.log.writer.commit(told.bodies[len(kept):])
        pack = told.pack(entries=[(seq, body) for seq, body in enumerate(told.bodies) if not len(before) <= seq < len(kept)])
        told.blobs = blobs
        return faults(pack)

    assert returned() == []
    assert any("is not what that person signed" in text for text in returned(verdict="approve"))
    assert any("is not what that person signed" in text for text in returned(stage="release"))
    assert any("is not what that person signed" in text for text in returned(statement=b"[]"))
    assert any("is not what that person signed" in text for text in returned(statement=b"{"))
    assert any("another way" in text for text in returned(method="passkey"))
    assert any("no proof by that person" in text for text in returned(unproven=True))


def test_a_digest_in_a_text_is_text(story) -> None:
    """What somebody wrote into a title is asked for by nobody; a picture of the content is."""
    told = story()
    content = canonical.encode({"title": "sha256:" + "0" * 64, "media": [{"sha256": "sha256:" + "1" * 64}]})
    assert verify._named(content) == {"sha256:" + "1" * 64}
    assert verify._named(b"{") == verify._named(b"[" * 100_000) == set()
    assert judge(told.pack()).ok


def test_an_rsa_key_is_its_exponent_too() -> None:
    """With an exponent of one's choice the same modulus is another key."""
    made = rsa.generate_private_key(65537, 2048).public_key()
    other = rsa.RSAPublicNumbers(3, made.public_numbers().n).public_key()
    one, two = (verify._key_parts(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) for key in (made, other))
    assert one[0] == two[0]
    assert (one[1], two[1]) == (b"\x01\x00\x01", b"\x03")


class TestEmergency:
    """A withdrawal by one head: the list itself is the statement."""

    @staticmethod
    def tell(story, **change):
        told = story()
        seq = len(told.bodies)
        template = told.blob(b"withdraw")
        pairs = [[template, change.get("live", "pub_1")]]
        listed = canonical.digest({"label": "qianfa/emergency/v1", "items": pairs})
        told.target = {"channel": "chn_1", "operation": change.get("operation", "withdraw"), "template": template, "previous": "pub_1"}
        told.template, told.content = template, None
        told.add("submission.made", "sub_2", "per_pr", revision=1, content=None, targets=[told.target], emergency=True, message=told.blob(b"why"))
        nonce = bytes([99]) * 32
        proof = {"method": "passkey", "factor": "fac_per_pr", "nonce": base64.urlsafe_b64encode(nonce).decode().rstrip("="), "list": listed,
                 "evidence": told.blob(canonical.encode(told.assertion("per_pr", nonce, listed)))}
        told.add("signing.made", "sig_9", "per_pr", proof=proof, items=pairs)
        told.add("decision.made", "sub_2", "per_pr", revision=1, stage="r", verdict="release", office="brand_pr_head", method="passkey", statement=listed, signing="")
        release = {"person": "per_pr", "office": "brand_pr_head", "stage": "r", "method": "passkey", "statement": listed, "entry": seq + 2}
        told.change = {"token.minted": lambda data: {**data, "submission": "sub_2"}}
        told.mint("pub_2", [], release, submission="sub_2", author="per_pr", operation=told.target["operation"])
        told.log.writer.commit(told.bodies[seq:])
        return told

    def test_holds(self, story) -> None:
        """The chain from token to the head's own proof."""
        assert judge(self.tell(story).pack()).faults == []

    def test_of_another_publication(self, story) -> None:
        """Proved for one publication, used for another; or used for something that is no withdrawal."""
        assert not judge(self.tell(story, live="pub_7").pack()).ok
        assert not judge(self.tell(story, operation="publish").pack()).ok
