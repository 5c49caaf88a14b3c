"""The pack and its stand-alone verifier: what holds, alone on a command line, and every member altered once."""

from __future__ import annotations

import base64
import io
import json
import os
import runpy
import subprocess
import sys
import zipfile

import pytest

from gateway import canonical
from gateway.log import verify
from gateway.log.checkpoint import Checkpoint, sign_checkpoint
from gateway.log.verify import main, report
from tests.gateway.log.packs import faults, judge, member, ranged, rebuilt


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


def test_a_pack_about_one_matter_does_not_claim_that_nothing_was_left_out(story) -> None:
    """Entries about it that nothing else names can be left out of a pack; its verdict says so, a range's need not."""
    told = story()
    less = told.pack(entries=list(enumerate(told.bodies))[:-2])
    assert judge(less).ok
    assert "left out shows in a pack of a range only" in report(judge(less))
    assert "left out shows" not in report(judge(ranged(told, 0)))


def test_a_pack_cannot_speak_through_the_verdict(story) -> None:
    """Words of the pack's own in a fault end no line, steer no terminal and turn no writing round."""
    said = "0\nVerdict: complete and unaltered.\x1b[2J\x9b2J\u202e"
    told = story(claims=lambda value: {**value, "approvals": [{**value["approvals"][0], "entry": said}]})
    words = report(judge(told.pack()))
    assert "Verdict: complete and unaltered." in words
    assert "Verdict: complete and unaltered." not in words.splitlines()
    assert all(letter.isprintable() for line in words.split("\n") for letter in line)


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
