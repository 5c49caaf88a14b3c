"""Evidence packs: a stranger verifies them with the one file inside, openssl and sha256sum; whatever is altered in one is named."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.enforcer import evidence
from gateway.log.checkpoint import parse_vkey
from gateway.machine.state import PublicationState
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article


def export(house: House, identifier: str, folder: Path) -> Path:
    """Write the pack about an id and return its path."""
    path = folder / "pack.zip"
    with evidence.export(house.parts, identifier) as pack:
        path.write_bytes(pack.read())
    return path


def check(house: House, pack: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier that is in the pack on the pack, as a stranger does: an interpreter, one file, the printed fingerprint."""
    with zipfile.ZipFile(pack) as found:
        found.extract("verify.py", folder)
    fingerprint = parse_vkey(house.parts.settings.log_key).fingerprint
    return subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), str(pack), "--fingerprint", fingerprint],
        capture_output=True, text=True, timeout=60, check=False, cwd=folder)


async def sent(house: House) -> tuple[str, str]:
    """Publish one article; return submission and publication."""
    submission = await house.submit(article(cover=house.cover()), "news")
    publication = (await house.release(submission))[0]
    await house.parts.gate.send(publication)
    assert house.publication_state(publication) is PublicationState.LIVE
    return submission, publication


async def test_the_pack_of_a_publication_verifies_by_itself(hand: House, tmp_path: Path) -> None:
    """Publication, submission and decision list: each pack verifies with the file inside and the fingerprint printed at init."""
    submission, publication = await sent(hand)
    signing = hand.entries(EntryType.SIGNING_MADE)[0].object
    for identifier in (publication, submission, signing):
        pack = export(hand, identifier, tmp_path)
        done = check(hand, pack, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(export(hand, publication, tmp_path)) as found:
        text = b"".join(found.read(name) for name in found.namelist() if name.startswith("entries/"))
    for kind in ("submission.made", "decision.made", "token.minted", "publication.dispatched", "publication.live", "deployment.opened"):
        assert kind.encode() in text


async def test_openssl_and_sha256sum_agree(hand: House, tmp_path: Path) -> None:
    """The token's signature with openssl, every blob's name with sha256sum: no code of ours involved."""
    _, publication = await sent(hand)
    with zipfile.ZipFile(export(hand, publication, tmp_path)) as found:
        found.extractall(tmp_path / "pack")
    folder = tmp_path / "pack"
    tokens = sorted((folder / "tokens").glob("*.pae"))
    assert tokens
    for pae in tokens:
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "keys/approval.pem", "-rawin", "-in", str(pae), "-sigfile",
             str(pae.with_suffix(".sig"))], capture_output=True, text=True, timeout=30, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
    blobs = sorted((folder / "blobs").iterdir())
    listed = "".join(f"{blob.name}  blobs/{blob.name}\n" for blob in blobs)
    done = subprocess.run(["sha256sum", "-c", "-"], input=listed, capture_output=True, text=True, timeout=30, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert len(blobs) >= 4


async def test_a_refusal_has_a_pack_of_its_own(hand: House, tmp_path: Path) -> None:
    """A blocked attempt is evidence as well."""
    submission = await hand.submit(article(cover=hand.cover()), "news")
    with pytest.raises(Denied):
        await hand.sign("lu", submission, "approve")
    (refusal,) = hand.entries(EntryType.REFUSED)
    done = check(hand, export(hand, refusal.object, tmp_path), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_altering_any_file_of_a_pack_is_named(hand: House, tmp_path: Path) -> None:
    """J1, J15: one byte changed in any entry, proof, checkpoint, blob, token, key, value or manifest makes the verifier say no."""
    _, publication = await sent(hand)
    pack = export(hand, publication, tmp_path)
    with zipfile.ZipFile(pack) as found:
        files = {name: found.read(name) for name in found.namelist()}
    kinds: set[str] = set()
    for name, data in files.items():
        kind = name.split("/", maxsplit=1)[0]
        if name in {"verify.py", "README.txt"} or (kind in kinds and kind != "entries"):
            continue
        kinds.add(kind)
        altered = bytearray(data)
        altered[len(altered) // 2] ^= 1
        path = tmp_path / "altered.zip"
        with zipfile.ZipFile(path, "w") as target:
            for other, content in files.items():
                target.writestr(other, bytes(altered) if other == name else content)
        fingerprint = parse_vkey(hand.parts.settings.log_key).fingerprint
        done = subprocess.run([sys.executable, "-I", str(tmp_path / "verify.py"), str(path), "--fingerprint", fingerprint]
                              if (tmp_path / "verify.py").exists() else _first(tmp_path, files, path, fingerprint),
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0, f"{name} altered and not noticed: {done.stdout}"
        assert "Traceback" not in done.stderr


def _first(folder: Path, files: dict[str, bytes], path: Path, fingerprint: str) -> list[str]:
    (folder / "verify.py").write_bytes(files["verify.py"])
    return [sys.executable, "-I", str(folder / "verify.py"), str(path), "--fingerprint", fingerprint]


async def test_an_id_that_nothing_concerns_is_not_found(hand: House) -> None:
    """No entry, no pack."""
    with pytest.raises(Denied) as why:
        evidence.export(hand.parts, "pub_nothing000")
    assert why.value.code == "not_found"


async def test_a_pack_about_one_submission_holds_no_other(hand: House, tmp_path: Path) -> None:
    """Two submissions signed by the same people: the pack of one has nothing of the other."""
    submission, _ = await sent(hand)
    other = await hand.submit(article(title="另一篇不相干的", cover=hand.cover()), "news")
    await hand.sign("gu", other, "approve")
    with zipfile.ZipFile(export(hand, submission, tmp_path)) as found:
        everything = b"".join(found.read(name) for name in found.namelist())
    assert other.encode() not in everything
    assert "另一篇不相干的".encode() not in everything
