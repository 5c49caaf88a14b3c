"""The pack and its stand-alone verifier: what holds, and every binding broken once."""

from __future__ import annotations

import base64
import io
import json
import os
import runpy
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.log import bundle, verify
from gateway.log.bundle import SaltedValue, export_object, export_range, token_parts
from gateway.log.checkpoint import Checkpoint, KeyChain, rotation_data, sign_checkpoint
from gateway.log.merkle import Tree
from gateway.log.verify import MAX_FILES, main, report, verify_pack


def judge(data: bytes, fingerprint: str | None = None):
    return verify_pack(io.BytesIO(data), fingerprint)


def faults(data: bytes) -> list[str]:
    return [fault.en for fault in judge(data).faults]


def rebuilt(data: bytes, change: dict[str, bytes | None], **more) -> bytes:
    """The same pack with members replaced, added, or (None) dropped."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        files = {name: old.read(name) for name in old.namelist()}
    files.update(change)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", **more) as new:
        for name, body in files.items():
            if body is not None:
                new.writestr(name, body)
    return target.getvalue()


def member(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        return pack.read(name)


def test_a_whole_pack(story) -> None:
    """Everything there and unaltered: complete, with the fingerprint to compare; the same bytes every time."""
    told = story()
    pack = told.pack()
    verdict = judge(pack, told.log.first.fingerprint)
    assert verdict.faults == []
    assert (verdict.ok, verdict.entries, verdict.tokens, verdict.size) == (True, len(told.bodies), 1, len(told.bodies))
    assert verdict.fingerprint == told.log.first.fingerprint
    assert pack == told.pack()
    words = report(judge(pack))
    assert "完整，未改" in words
    assert "complete and unaltered" in words
    assert told.log.first.fingerprint in words
    assert "卡片" in words
    assert "卡片" not in report(verdict)


def test_the_card_decides(story, make_signer) -> None:
    """A pack of another system is whole in itself, and not ours; spacing and case of the fingerprint don't matter."""
    told = story()
    pack = told.pack()
    assert judge(pack, told.log.first.fingerprint.lower().replace(" ", "-")).ok
    verdict = judge(pack, make_signer(5).key.fingerprint)
    assert not verdict.ok
    assert "指纹" in report(verdict)


def test_alone_on_the_command_line(story, tmp_path) -> None:
    """The verifier inside the pack runs by itself in an empty folder and gives exit status 0 or 1."""
    told = story()
    pack = told.pack()
    (tmp_path / "verify.py").write_bytes(member(pack, "verify.py"))
    (tmp_path / "pack.zip").write_bytes(pack)
    (tmp_path / "bad.zip").write_bytes(rebuilt(pack, {"entries/0000000005.json": None}))

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"LC_ALL": "C"}
        command = [sys.executable, "-I", "verify.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment, check=False)

    good = run("pack.zip", "--fingerprint", told.log.first.fingerprint)
    assert (good.returncode, "完整，未改".encode() in good.stdout, good.stderr) == (0, True, b"")
    bad = run("bad.zip")
    assert (bad.returncode, "不成立".encode() in bad.stdout) == (1, True)
    for arguments in ((), ("missing.zip",), ("pack.zip", "--what", "x"), ("a", "b")):
        assert run(*arguments).returncode == 1


def test_main_in_process(story, tmp_path, capsysbinary) -> None:
    """The same command line, inside this process."""
    told = story()
    path = tmp_path / "pack.zip"
    path.write_bytes(told.pack())
    assert main([str(path)]) == 0
    assert main([str(path), "--fingerprint", "0000"]) == 1
    assert main([]) == 1
    assert main([str(tmp_path / "none")]) == 1
    assert "结论".encode() in capsysbinary.readouterr().out
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["verify.py", str(path)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(verify.__file__, run_name="__main__")
    assert left.value.code == 0


def test_openssl_checks_the_token(story, tmp_path) -> None:
    """A stranger's tool reaches the same verdict on the token, and refuses a changed one."""
    pack = story().pack()
    with zipfile.ZipFile(io.BytesIO(pack)) as opened:
        opened.extractall(tmp_path)
    (signed,) = (tmp_path / "tokens").glob("*.pae")
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(tmp_path / "keys/approval.pem"),
               "-in", str(signed), "-sigfile", str(signed.with_suffix(".sig"))]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    signed.write_bytes(signed.read_bytes().replace(b"pub_1", b"pub_2"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    for path in (tmp_path / "blobs").iterdir():
        done = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == path.name


# ---- members altered ----------------------------------------------------------------------------------------------------


def test_every_member_matters(story) -> None:
    """Any member flipped, and any needed member dropped, is a fault; only the two files for people are free."""
    pack = story().pack()
    with zipfile.ZipFile(io.BytesIO(pack)) as opened:
        names = opened.namelist()
    free = {"README.txt", "verify.py"}
    may_lack = {name for name in names if name.startswith(("keys/", "tokens/"))} | free
    for name in names:
        body = bytearray(member(pack, name))
        body[len(body) // 2] ^= 1
        assert judge(rebuilt(pack, {name: bytes(body)})).ok == (name in free), name
        assert judge(rebuilt(pack, {name: None})).ok == (name in may_lack), name


def test_an_altered_entry_is_named(story) -> None:
    """The verdict names the entry that is broken."""
    pack = story().pack()
    body = member(pack, "entries/0000000005.json").replace(b"sub_1", b"sub_2")
    verdict = judge(rebuilt(pack, {"entries/0000000005.json": body}))
    assert any(fault.entry == 5 and "altered" in fault.en for fault in verdict.faults)
    assert "第 5 条" in report(verdict)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("entries/0000000003.json", b"{"), ("entries/0000000003.json", b"[]"), ("entries/0000000003.json", b'{"a":1.5}'),
        ("entries/0000000003.json", b'{"a":NaN}'), ("entries/0000000003.json", b"[" * 60_000), ("entries/0000000003.json", b"\xff"),
        ("entries/0000000003.json", b"x" * 70_000), ("manifest.json", b"{}"), ("manifest.json", b"[]"), ("values.json", b"{}"), ("values.json", b"[1]"),
        ("checkpoint.txt", b"\xff"), ("checkpoint.txt", b"a\n"), ("checkpoint.txt", b"a\n\n\xe2\x80\x94 a AAAAAAA=\n"), ("keys/log-0.pem", b"x"),
        ("proofs/0000000003.tlog-proof", b"x"), ("keys/log-7.pem", None),
    ],
)
def test_misshapen_members(story, name: str, data: bytes | None) -> None:
    """Misshapen JSON, notes, keys and proofs are faults, never errors."""
    pack = story().pack()
    if data is None:
        data = member(pack, "keys/log-0.pem")
    assert not judge(rebuilt(pack, {name: data})).ok


@pytest.mark.parametrize("change", [{"v": 2}, {"kind": "x"}, {"vkey": "x"}, {"start": 1}, {"edge": ["AA=="]}, {"v": True}, {"vkey": "a+b+AA=="}])
def test_misshapen_manifests(story, change: dict) -> None:
    """A manifest of another version, kind or shape is refused."""
    pack = story().pack()
    manifest = json.loads(member(pack, "manifest.json"))
    assert not judge(rebuilt(pack, {"manifest.json": canonical.encode(manifest | change)})).ok


def test_entries_that_lie_about_their_place(story, make_entry) -> None:
    """An entry under another number, of another form, without proof, or a proof without entry: faults."""
    pack = story().pack()
    body = member(pack, "entries/0000000003.json")
    assert "entry 900 says it is another" in faults(rebuilt(pack, {"entries/0000000900.json": body}))
    assert any("another form" in text for text in faults(rebuilt(pack, {"entries/0000000900.json": b'{"v":1}'})))
    assert not judge(rebuilt(pack, {"entries/0000000900.json": make_entry(900)})).ok
    proof = member(pack, "proofs/0000000003.tlog-proof")
    wrong = proof.replace(b"index 3", b"index 900")
    assert "entry 900 does not lead to the checkpoint: altered" in faults(
        rebuilt(pack, {"entries/0000000900.json": make_entry(900), "proofs/0000000900.tlog-proof": wrong})
    )
    lines = proof.split(b"\n")
    cut = b"\n".join([*lines[:2], *lines[3:]])
    short = b"\n".join([*lines[:2], b"AA==", *lines[3:]])
    long = b"\n".join([*lines[:2], lines[2], *lines[2:]])
    for spoiled in (cut, short, long):
        assert not judge(rebuilt(pack, {"proofs/0000000003.tlog-proof": spoiled})).ok
    nothing = {name: None for name in zipfile.ZipFile(io.BytesIO(pack)).namelist() if name.startswith(("entries", "proofs"))}
    assert faults(rebuilt(pack, nothing)) == ["the pack holds no entry"]


def test_a_valid_proof_glued_to_another_pack(story) -> None:
    """J15: entries, proof and checkpoint of another log, whole in itself, do not pass here."""
    ours, theirs = story().pack(), story(statement=lambda value: {**value, "salt": "other"}).pack()
    other = {name: member(theirs, name) for name in ("checkpoint.txt", "entries/0000000006.json", "proofs/0000000006.tlog-proof")}
    assert not judge(rebuilt(ours, other)).ok
    assert not judge(rebuilt(ours, {name: other[name] for name in other if name != "checkpoint.txt"})).ok


def test_checkpoints_by_others(story, make_signer) -> None:
    """A checkpoint by a stranger, by our key over another log, with a wrong known signature, or with a misshapen root fails."""
    told = story()
    pack, size, root = told.pack(), len(told.bodies), told.log.tree.root()
    good = told.log.copies.newest()
    stranger = sign_checkpoint(Checkpoint("qianfa.test/e1", size, root), make_signer(5))
    line = stranger.rsplit("\n\n", 1)[1]
    other = told.log.signer.note(Checkpoint("qianfa.other/e1", size, root).text())
    short = told.log.signer.note(f"qianfa.test/e1\n{size}\nAAAA\n")
    form = told.log.signer.note("qianfa.test/e1\n1\n")
    wrong = good + "— qianfa.test " + base64.b64encode(told.log.first.id + bytes(64)).decode() + "\n"
    many = good + "".join(f"— w{i} AAAAAAA=\n" for i in range(70))
    for note in (stranger, other, short, form, wrong, many, good + "- x AAAAAAA=\n", good + "— x AAAAAAA\n"):
        assert not judge(rebuilt(pack, {"checkpoint.txt": note.encode()})).ok
    witnessed = (good + line).encode()
    with_witness = {name: member(pack, name).replace(good.encode(), witnessed) for name in zipfile.ZipFile(io.BytesIO(pack)).namelist()}
    assert judge(rebuilt(pack, with_witness)).ok


# ---- digests ------------------------------------------------------------------------------------------------------------


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


# ---- keys and ranges ----------------------------------------------------------------------------------------------------


def test_rotations_in_a_pack(story, make_signer, make_entry) -> None:
    """The verifier follows from the first key; a pack without the rotation, or with a forged one, does not hold."""
    told = story()
    seq, new = len(told.bodies), make_signer(2)
    told.bodies.append(make_entry(seq, "key.rotated", **rotation_data(new=new.key, old=told.log.signer)))
    told.log.writer.commit([told.bodies[-1]], rotate_to=new)
    pack = told.pack()
    assert judge(pack, told.log.first.fingerprint).ok
    assert not judge(rebuilt(pack, {f"entries/{seq:010d}.json": None, f"proofs/{seq:010d}.tlog-proof": None})).ok
    for data in (rotation_data(new=new.key, old=make_signer(3)), {"key": new.key.vkey, "signature": 1}, {"key": 1, "signature": "x"},
                 rotation_data(new=make_signer(2, "qianfa.other").key, old=told.log.signer), rotation_data(new=told.log.first, old=told.log.signer)):
        assert not judge(rebuilt(pack, {f"entries/{seq:010d}.json": make_entry(seq, "key.rotated", **data)})).ok
    with pytest.raises(ValueError, match="rotation"):
        told.pack(entries=[(0, told.bodies[0])])


def ranged(told, start: int, **more) -> bytes:
    target = io.BytesIO()
    notes = {row.size: row.note for row in told.log.store.checkpoints()}
    arguments = {
        "id": "all", "bodies": told.bodies[start:], "start": start, "from_note": notes.get(start), "tree": told.log.tree, "note": told.log.copies.newest(),
        "chain": told.log.chain, **more,
    }
    export_range(target, **arguments)
    return target.getvalue()


@pytest.mark.parametrize("start", [0, 16, 17, 20])
def test_ranges(story, make_entry, start: int) -> None:
    """Every entry between two checkpoints: whole; and one less, one more, altered, or swapped is seen."""
    told = story()
    for _ in range(20 - len(told.bodies)):
        told.bodies.append(make_entry(len(told.bodies)))
        told.log.writer.commit([told.bodies[-1]])
    pack = ranged(told, start)
    verdict = judge(pack, told.log.first.fingerprint)
    assert (verdict.faults, verdict.first, verdict.entries) == ([], start, 20 - start)
    assert "区间完整" in report(verdict)
    lines = member(pack, "log.jsonl").splitlines(keepends=True)
    spoiled = [[*lines, make_entry(20) + b"\n"], [*lines, b"cut"]]
    if lines:
        spoiled += [lines[:-1], [*lines[:-1], lines[-1].replace(b"dep_1", b"dep_2")], [*lines[:-1], lines[-1][:-1]]]
    for some in spoiled:
        assert not judge(rebuilt(pack, {"log.jsonl": b"".join(some)})).ok
    assert not judge(rebuilt(pack, {"log.jsonl": None})).ok


def test_ranges_with_a_false_left_end(story, make_entry) -> None:
    """The left edge must lead to the first checkpoint, which must be signed."""
    told = story()
    start = len(told.bodies)
    told.bodies.append(make_entry(start))
    told.log.writer.commit([told.bodies[-1]])
    pack = ranged(told, start)
    assert judge(pack).ok
    manifest = json.loads(member(pack, "manifest.json"))
    other = base64.b64encode(bytes(32)).decode()
    for change in ({"edge": manifest["edge"][:-1]}, {"edge": [other, *manifest["edge"][1:]]}, {"edge": ["AAAA", *manifest["edge"][1:]]}, {"start": -1},
                   {"start": start + 1}, {"start": 0, "edge": []}):
        assert not judge(rebuilt(pack, {"manifest.json": canonical.encode(manifest | change)})).ok
    assert not judge(rebuilt(pack, {"from.txt": None})).ok
    assert not judge(rebuilt(pack, {"from.txt": member(pack, "checkpoint.txt")})).ok
    with pytest.raises(ValueError, match="start"):
        ranged(told, start, from_note=None)
    with pytest.raises(ValueError, match="start"):
        ranged(told, start, from_note=told.log.copies.newest())
    with pytest.raises(ValueError, match="bodies"):
        ranged(told, start, bodies=[])


def test_a_range_after_a_rotation(story, make_signer, make_entry) -> None:
    """A range that begins after a rotation carries it with its proof; blobs may come along."""
    told = story()
    seq, new = len(told.bodies), make_signer(2)
    told.bodies += [make_entry(seq, "key.rotated", **rotation_data(new=new.key, old=told.log.signer)), make_entry(seq + 1)]
    told.log.writer.commit([told.bodies[seq]], rotate_to=new)
    told.log.writer.commit([told.bodies[seq + 1]])
    assert judge(ranged(told, seq + 1, rotations=[(seq, told.bodies[seq])]), told.log.first.fingerprint).ok
    assert not judge(ranged(told, seq + 1)).ok
    assert not judge(ranged(told, 0, rotations=[(seq, told.bodies[seq])])).ok
    assert judge(ranged(told, 0, blobs=told.blobs, values=told.values, approval_key=told.approval.public_key().public_bytes_raw())).ok


def test_an_empty_log(make_signer) -> None:
    """The range over nothing is whole, and a file that is no pack has nothing to say but that."""
    signer, target = make_signer(), io.BytesIO()
    note = sign_checkpoint(Checkpoint("qianfa.test/e1", 0, Tree().root()), signer)
    export_range(target, id="all", bodies=[], start=0, from_note=None, tree=Tree(), note=note, chain=KeyChain(signer.key))
    assert judge(target.getvalue()).ok
    assert report(judge(b"")).count("\n") == 4


def test_ranges_in_place_of_objects(story) -> None:
    """A pack about one object that carries a range's parts is refused."""
    pack = story().pack()
    assert not judge(rebuilt(pack, {"log.jsonl": b""})).ok


def test_exports_that_are_refused(story) -> None:
    """Entries outside the checkpoint and blobs that only look like tokens are not exported."""
    told = story()
    with pytest.raises(ValueError, match="outside"):
        told.pack(entries=[(900, b"x")])
    for text in (b"qf1.x", b"qf1.", b"qf1." + base64.urlsafe_b64encode(b'{"payload":1}'), b"qf1." + base64.urlsafe_b64encode(b"[]")):
        with pytest.raises(ValueError, match=r"token|base64|JSON|Expecting|codec"):
            told.pack(blobs=[text])
    with pytest.raises(ValueError, match="not a token"):
        token_parts(b"x")
    assert bundle.TOKEN_PREFIX == b"qf1."
    export_object(io.BytesIO(), id="x", entries=[(0, told.bodies[0])], tree=told.log.tree, note=told.log.copies.newest(), chain=told.log.chain)


# ---- hostile zips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "entries/../x", "blobs/X", "entries/1.json", "a\\b", "blobs/" + "０" * 64, "keys/", "MANIFEST.JSON"]
)
def test_names_that_have_no_business_here(story, name: str) -> None:
    """Path tricks, other cases and unknown names are refused before anything is read."""
    assert any("may not hold" in text for text in faults(rebuilt(story().pack(), {name: b"x"})))


def test_zip_tricks(story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates, links, encryption, other methods, comments, leading bytes, overlaps, truncation: refused, never an error."""
    pack = story().pack()
    target = io.BytesIO(pack)
    with zipfile.ZipFile(target, "a") as zf, pytest.warns(UserWarning, match="Duplicate"):
        zf.writestr("manifest.json", b"{}")
    link = zipfile.ZipInfo("README.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    linked = io.BytesIO(rebuilt(pack, {"README.txt": None}))
    with zipfile.ZipFile(linked, "a") as zf:
        zf.writestr(link, "/etc/passwd")
    commented = io.BytesIO(pack)
    with zipfile.ZipFile(commented, "a") as zf:
        zf.comment = b"x"
    at = pack.rfind(b"PK\x01\x02")
    encrypted = bytearray(pack)
    encrypted[at + 8] |= 1
    offset = pack.index(b"PK\x01\x02")
    second = pack.index(b"PK\x01\x02", offset + 4)
    overlapping = bytearray(pack)
    overlapping[second + 42 : second + 46] = overlapping[offset + 42 : offset + 46]
    lying = bytearray(pack)
    lying[offset + 24 : offset + 28] = struct.pack("<I", 1 << 31)
    method = rebuilt(pack, {}, compression=zipfile.ZIP_BZIP2)
    nul = pack.replace(b"README.txt", b"README\x00txt")
    for bad in (target.getvalue(), linked.getvalue(), commented.getvalue(), bytes(encrypted), bytes(overlapping), bytes(lying), method, nul, b"MZ" + pack,
                pack[: len(pack) // 2], pack[:-10], b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)):
        assert not judge(bad).ok
    assert judge(rebuilt(pack, {}, compression=zipfile.ZIP_DEFLATED)).ok
    monkeypatch.setattr(verify, "MAX_FILES", 3)
    assert not judge(pack).ok
    assert MAX_FILES == 20_000


def test_a_bomb_is_not_unpacked(story, monkeypatch: pytest.MonkeyPatch) -> None:
    """J16: a file that would unpack to too much is refused by its declared size, and stopped where that lies."""
    pack = story().pack()
    monkeypatch.setattr(verify, "MAX_FILE", 1 << 20)
    assert any("too large" in text for text in faults(rebuilt(pack, {"blobs/" + "0" * 64: bytes(2 << 20)}, compression=zipfile.ZIP_DEFLATED)))
    assert any("too large" in text for text in faults(rebuilt(pack, {"checkpoint.txt": b"x" * 70_000})))


def test_faults_are_bounded(story) -> None:
    """However much is wrong, the verdict stays short."""
    told = story()
    assert len(judge(told.pack(blobs=[*told.blobs, *(b"%d" % i for i in range(200))])).faults) == 100


def test_any_byte_of_the_zip(story) -> None:
    """Flipping bytes all over the file gives a verdict, never an exception."""
    pack = story().pack()
    for at in range(0, len(pack), 97):
        changed = bytearray(pack)
        changed[at] ^= 0x55
        judge(bytes(changed))


def test_the_file_stands_alone() -> None:
    """The verifier imports the standard library and `cryptography`, nothing of ours."""
    text = Path(verify.__file__).read_text()
    assert "gateway" not in [word for line in text.splitlines() if line.startswith(("import", "from")) for word in line.replace(".", " ").split()]
