"""Evidence packs: a stranger verifies them with the one file inside, openssl and sha256sum; whatever is altered in one is named."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.enforcer import evidence
from gateway.enforcer.codes import code_digest
from gateway.log.checkpoint import parse_vkey
from gateway.machine.state import Office, PublicationState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade, Request
from gateway.protocol.denials import Denied
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import FACTS, House, article


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


async def test_a_digest_written_into_a_text_neither_spoils_the_pack_nor_carries_another_matter(hand: House, tmp_path: Path) -> None:
    """An author who writes another item's digest, or any, into an article: the pack verifies, and holds nothing of the other."""
    other, _ = await sent(hand)
    content = hand.state.submissions[other].content if other in hand.state.submissions else hand.entries(EntryType.SUBMISSION_MADE)[0].data["content"]
    nothing = "sha256:" + "0" * 64
    submission = await hand.submit(article(title="校验", cover=hand.cover(), body=f"<p>{content}、{nothing}</p>"), "news")
    pack = export(hand, submission, tmp_path)
    done = check(hand, pack, tmp_path)
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(pack) as found:
        assert f"blobs/{content.removeprefix('sha256:')}" not in found.namelist()


async def test_a_pack_does_not_say_how_people_are_reached(hand: House, tmp_path: Path) -> None:
    """Names and titles of who decided are there; extensions and mail addresses are not, and the pack verifies without them."""
    submission, _ = await sent(hand)
    await hand.change(c.Change(type=EntryType.PERSON_ADDED, object=hand.people["gu"], data={
        "name": hand.parts.values.commit("顾长庚"), "unit": hand.units["unit"], "details": {
            name: hand.parts.values.commit(text) for name, text in (("title", "主任"), ("extension", "6642"), ("mail", "gu@example.cn"))}}))
    for identifier in (submission, hand.people["gu"]):
        pack = export(hand, identifier, tmp_path)
        assert check(hand, pack, tmp_path).returncode == 0
        with zipfile.ZipFile(pack) as found:
            shown = {row["value"] for row in json.loads(found.read("values.json"))}
        assert {"顾长庚", "主任"} <= shown
        assert not {"6642", "6600", "gu@example.cn"} & shown


async def test_a_word_is_no_id(hand: House) -> None:
    """What stands in many entries as a verdict, an operation or an office is not what a pack can be about."""
    await sent(hand)
    for word in ("approve", "publish", "brand_pr", "passkey", "unit_head", "news", "token.minted"):
        with pytest.raises(Denied):
            evidence.export(hand.parts, word)


async def test_a_list_that_was_signed_together_does_not_carry_the_others(hand: House, tmp_path: Path) -> None:
    """One proof over two submissions: the pack of one has the other as digests in the list only, no statement, template, text or picture of it."""
    mine = await hand.submit(article(cover=hand.cover()), "news")
    other = await hand.submit(article(title="另一篇不相干的", body="<p>机密草稿</p>", cover=hand.cover()), "news")
    await hand.sign_list("gu", [mine, other], "approve")
    await hand.sign_list("fang", [other, mine], "release")
    published = next(p.id for p in hand.state.publications.values() if p.submission == mine)
    await hand.parts.gate.send(published)
    for identifier in (mine, published):
        pack = export(hand, identifier, tmp_path)
        done = check(hand, pack, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        with zipfile.ZipFile(pack) as found:
            files = {name: found.read(name) for name in found.namelist()}
        everything = b"".join(files.values())
        for word in (other.encode(), "另一篇不相干的".encode(), "机密草稿".encode()):
            assert word not in everything, word
        assert everything.count(b"signing.made") >= 2
    lists = [entry.object for entry in hand.entries(EntryType.SIGNING_MADE)]
    with zipfile.ZipFile(export(hand, lists[0], tmp_path)) as found:
        everything = b"".join(found.read(name) for name in found.namelist())
    assert "机密草稿".encode() in everything, "who asks for the list gets the list"
    assert check(hand, tmp_path / "pack.zip", tmp_path).returncode == 0


async def test_a_withdrawal_belongs_to_the_story_and_an_edit_is_a_story_of_its_own(hand: House, tmp_path: Path) -> None:
    """A pack shows that its publication was taken down; the withdrawal's own pack holds the template it names and nothing of the earlier submission."""
    submission, publication = await sent(hand)
    edit = await hand.submit(article(title="更正之后的题目", cover=hand.cover()), "news", operation="edit", previous=publication)
    await hand.parts.gate.send((await hand.release(edit))[0])
    edited = next(p.id for p in hand.state.publications.values() if p.submission == edit)
    gone = await hand.submit(None, "news", operation="withdraw", previous=edited)
    await hand.parts.gate.send((await hand.release(gone))[0])
    seen = {}
    for identifier in (submission, edit, gone):
        pack = export(hand, identifier, tmp_path)
        assert check(hand, pack, tmp_path).returncode == 0, identifier
        with zipfile.ZipFile(pack) as found:
            seen[identifier] = b"".join(found.read(name) for name in found.namelist() if name.startswith("entries/"))
    assert b'"publication.gone"' in seen[edit]
    assert gone.encode() in seen[edit]
    assert edit.encode() not in seen[submission]
    assert submission.encode() not in seen[gone]
    assert b'"submission.made"' in seen[gone]


@pytest.mark.parametrize("scope", ["submission", "all"])
async def test_a_freeze_of_the_item_and_its_lifting_are_evidence(hand: House, tmp_path: Path, scope: str) -> None:
    """A freeze of one submission and its thaw are in that submission's pack, one of everything is not; its own id has a pack as well."""
    submission = await hand.submit(article(cover=hand.cover()), "news")
    target = submission if scope == "submission" else ""
    freeze = (await hand.do(c.Freeze(scope=scope, target=target, reason=hand.parts.values.commit("舆情")), "fang")).object  # type: ignore[arg-type] # of two values
    await hand.thaw(freeze)
    for identifier, there in ((submission, scope == "submission"), (freeze, True)):
        pack = export(hand, identifier, tmp_path)
        assert check(hand, pack, tmp_path).returncode == 0
        with zipfile.ZipFile(pack) as found:
            entries = b"".join(found.read(name) for name in found.namelist() if name.startswith("entries/"))
        assert (b'"freeze.set"' in entries, b'"freeze.lifted"' in entries) == (there, there)


async def test_a_person_or_a_channel_has_a_pack_without_what_they_published(hand: House, tmp_path: Path) -> None:
    """Who holds which office, and which credential a channel had, without any submission."""
    await sent(hand)
    for identifier in (hand.people["gu"], hand.channels["news"]):
        pack = export(hand, identifier, tmp_path)
        done = check(hand, pack, tmp_path)
        assert done.returncode == 0, done.stdout
        with zipfile.ZipFile(pack) as found:
            entries = b"".join(found.read(name) for name in found.namelist() if name.startswith("entries/"))
        assert b'"submission.made"' not in entries
        assert b'"token.minted"' not in entries


async def test_a_refusal_about_a_publication_leads_to_its_submission(hand: House, tmp_path: Path) -> None:
    """The attempt's own id, and the token's, lead to the same story."""
    submission, publication = await sent(hand)
    await hand.runner.refused(Denied("token_spent"), actor=hand.people["fang"], source="counter", about=publication)
    (refusal,) = hand.entries(EntryType.REFUSED)
    for identifier in (refusal.object, hand.state.publications[publication].jti):
        pack = export(hand, identifier, tmp_path)
        assert check(hand, pack, tmp_path).returncode == 0
        with zipfile.ZipFile(pack) as found:
            assert submission.encode() in b"".join(found.read(name) for name in found.namelist() if name.startswith("entries/"))


async def test_a_pack_is_for_those_who_had_a_part_in_it_and_for_oversight(hand: House) -> None:
    """Names and comments stand in it: author, signers, the unit, its heads, the channel's people and oversight may have it, and nobody else."""
    submission, publication = await sent(hand)
    refusal = await hand.runner.refused(Denied("no_office"), actor="per_guest000000", source="counter", about="x")
    assert refusal is not None
    now = hand.runner.now()
    await hand.change(
        Change(type=EntryType.UNIT_ADDED, object="unit_other", data={"name": "别的公司", "parent": hand.state.group, "kind": "subsidiary"}),
        *(Change(type=EntryType.PERSON_ADDED, object=f"per_{key}000000", data={"name": hand.parts.values.commit(key), "unit": unit, "details": {}})
          for key, unit in (("guest", "unit_other"), ("peer", "unit_irrigation"))),
        Change(type=EntryType.APPOINTMENT_MADE, object="apt_guest000000",
               data={"person": "per_guest000000", "office": Office.UNIT_HEAD.value, "scope": "unit_other", "start": now}),
    )

    def may(person: str, identifier: str) -> bool:
        try:
            evidence.export(hand.parts, identifier, evidence.reader(hand.state, person, hand.runner.now())).close()
        except Denied as denied:
            if denied.code != "not_reader":
                raise
            return False
        return True

    for identifier in (submission, publication):
        assert [key for key in ("lu", "gu", "fang") if not may(hand.people[key], identifier)] == []
        assert may("per_peer000000", identifier), "somebody of the unit that submitted it"
        assert not may("per_guest000000", identifier), "the head of another unit"
        assert not may("per_nobody00000", identifier)
    assert may("per_guest000000", refusal.object), "one's own refused attempt"
    assert not may("per_peer000000", refusal.object)
    waiting = await hand.submit(article(title="还没有放行", cover=hand.cover()), "news")
    for office, scope in ((Office.CUSTODIAN, hand.channels["news"]), (Office.AUDITOR, hand.state.group), (Office.UNIT_HEAD, hand.state.group)):
        appointment = f"apt_{office.value.replace('_', '')[:8]}000000"
        await hand.change(Change(type=EntryType.APPOINTMENT_MADE, object=appointment,
                                 data={"person": "per_guest000000", "office": office.value, "scope": scope, "start": hand.runner.now()}))
        assert may("per_guest000000", submission), office
        assert may("per_guest000000", publication), office
        assert may("per_guest000000", waiting), office
        await hand.change(Change(type=EntryType.APPOINTMENT_ENDED, object=appointment, data={"end": hand.runner.now()}))
        assert not may("per_guest000000", publication), office
    await hand.change(Change(type=EntryType.PERSON_SUSPENDED, object=hand.people["lu"], data={}))
    assert not may(hand.people["lu"], submission), "the author, suspended"


async def test_nobody_makes_themselves_a_reader(hand: House) -> None:
    """A try that is refused, a withdrawal that is only asked for, an appointment of somebody who acts: none of them opens another unit's matter."""
    submission = await hand.submit(article(cover=hand.cover()), "news")
    publication = (await hand.release(submission))[0]
    now = hand.runner.now()
    await hand.change(
        Change(type=EntryType.UNIT_ADDED, object="unit_other", data={"name": "别的公司", "parent": hand.state.group, "kind": "subsidiary"}),
        *(Change(type=EntryType.PERSON_ADDED, object=f"per_{key}000000", data={"name": hand.parts.values.commit(key), "unit": "unit_other", "details": {}})
          for key in ("guest", "boss", "admin", "admin2")),
        *(Change(type=EntryType.APPOINTMENT_MADE, object=f"apt_{key}000000", data={"person": f"per_{key}000000", "office": office.value, "scope": scope, "start": now})
          for key, office, scope in (("guest", Office.AUTHOR, "unit_other"), ("boss", Office.UNIT_HEAD, "unit_other"), ("admin", Office.SYSADMIN, hand.state.group), ("admin2", Office.SYSADMIN, hand.state.group))),
        *(Change(type=EntryType.ENROLMENT_OPENED, object=f"per_{key}000000", data={"code": code_digest("CODE" + key), "until": instants.plus(now, 3600)})
          for key in ("boss", "admin", "admin2")),
    )

    def refused(person: str, identifier: str) -> bool:
        with pytest.raises(Denied) as why:
            evidence.export(hand.parts, identifier, evidence.reader(hand.state, person, hand.runner.now()))
        return why.value.code == "not_reader"

    with pytest.raises(Denied):
        await hand.runner.submit(Request(command=c.Stop(publication=publication), actor="per_guest000000", grade=Grade.COUNTER), about=publication)
    (refusal,) = (entry for entry in hand.entries(EntryType.REFUSED) if entry.actor == "per_guest000000")
    assert [identifier for identifier in (submission, publication, refusal.object) if not refused("per_guest000000", identifier)] == []

    await hand.parts.gate.send(publication)
    for key in ("boss", "admin", "admin2"):
        await hand.enrol(f"per_{key}000000", "CODE" + key)
    template = hand.template(hand.channels["news"], None, "withdraw", publication)
    asked = await hand.do(c.Submit(
        draft="draft9", submission=None, targets=(c.Target(channel=hand.channels["news"], operation="withdraw", previous=publication, template=template),),
        content=None, facts=dict(FACTS), findings=c.FindingCounts(block=0, confirm=0, hint=0, blob=hand.runner.blobs.put(b"{}")),
        window_to=instants.plus(hand.runner.now(), 86_400), scheduled=None, source="desk"), "per_guest000000", Grade.DESK)
    assert refused("per_guest000000", submission), "who only asks to take it down"
    evidence.export(hand.parts, asked.object, evidence.reader(hand.state, "per_guest000000", hand.runner.now())).close()

    await hand.change(Change(type=EntryType.APPOINTMENT_MADE, object="apt_gutwo00000", data={
        "person": hand.people["gu"], "office": Office.AUTHOR.value, "scope": "unit_irrigation", "start": hand.runner.now()}),
        first="per_admin000000", second="per_admin2000000")
    assert hand.entries(EntryType.APPOINTMENT_MADE)[-1].actor in {"per_admin000000", "per_admin2000000"}
    assert refused("per_admin000000", submission)
    assert refused("per_admin2000000", submission), "who appointed somebody that signed it"
