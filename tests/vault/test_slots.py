"""Slots: each kind opens, nothing else does, and unsafe key files and parameters are refused."""

import os
import stat
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import slots
from vault.errors import NotMine, SlotRefused, Tampered, VaultError, WrongKey
from vault.rows import SealedRow
from vault.secretbytes import SecretBytes
from vault.slots import Argon2Cost, Argon2Policy, SlotKind, SlotRecord, SlotSecret

ROOT = SecretBytes(bytes(range(32)))


@pytest.fixture
def key_file(tmp_path) -> Path:
    path = tmp_path / "unseal.key"
    slots.create_key_file(path)
    return path


@pytest.fixture
def make(cheap):
    return lambda secret, deployment="dep_a": slots.new_slot(ROOT, secret, deployment=deployment, policy=cheap, random=os.urandom)


def every_secret(key_file: Path) -> list[SlotSecret]:
    return [
        SlotSecret.from_passphrase("twelve chars long"),
        SlotSecret.from_recovery_key(slots.new_recovery_key()),
        SlotSecret.from_key_file(key_file),
    ]


def test_each_kind_opens_with_its_own_secret_only(make, cheap, key_file):
    """Three kinds, all pairs."""
    secrets = every_secret(key_file)
    for i, mine in enumerate(secrets):
        record = SlotRecord.parse(make(mine).to_row())
        for j, secret in enumerate(secrets):
            if i == j:
                assert slots.open_slot(record, secret, deployment="dep_a", policy=cheap) == ROOT
            else:
                with pytest.raises(NotMine):
                    slots.open_slot(record, secret, deployment="dep_a", policy=cheap)


def test_the_default_cost_is_the_rfc_second_option():
    """RFC 9106 section 4: t=3, 64 MiB, p=4; the floor is the same."""
    assert Argon2Policy().cost == Argon2Policy().floor == Argon2Cost(time_cost=3, memory_kib=65536, lanes=4)


def test_argon2id_vectors(vectors):
    """Argon2id cases of the cryptography package that use neither key nor associated data, through our function."""
    ran = 0
    for _, case in vectors("KDF/argon2id.txt"):
        if "secret" in case or "ad" in case or case["length"] != "32" or int(case["memcost"]) > 65536:
            continue
        cost = Argon2Cost(time_cost=int(case["iter"]), memory_kib=int(case["memcost"]), lanes=int(case["lanes"]))
        secret = bytes.fromhex(case.get("pass", ""))
        assert slots.argon2id(secret, salt=bytes.fromhex(case["salt"]), cost=cost).hex() == case["output"]
        ran += 1
    assert ran >= 2


def test_a_slot_from_another_deployment_or_name_does_not_open(make, cheap):
    """Deployment and slot id are in the derivation."""
    secret = SlotSecret.from_passphrase("twelve chars long")
    record = make(secret, deployment="dep_b")
    with pytest.raises(NotMine):
        slots.open_slot(record, secret, deployment="dep_a", policy=cheap)
    with pytest.raises(NotMine):
        slots.open_slot(replace(record, slot_id="slot_other"), secret, deployment="dep_b", policy=cheap)


def test_open_any_says_which_opened_and_nothing_on_failure(make, cheap, key_file):
    """Any slot opens; with a wrong secret, or none of its kind, the error is the same and bare."""
    secrets = every_secret(key_file)
    records = [make(secret) for secret in secrets]
    for record, secret in zip(records, secrets, strict=True):
        assert slots.open_any(records, secret, deployment="dep_a", policy=cheap) == (record.slot_id, ROOT)
    for tried in (records, records[1:]):
        with pytest.raises(WrongKey) as caught:
            slots.open_any(tried, SlotSecret.from_passphrase("another passphrase"), deployment="dep_a", policy=cheap)
        assert str(caught.value) == "wrong_key"


def test_open_any_tries_every_slot_of_its_kind(make, cheap, monkeypatch):
    """The work done does not tell which slot was right."""
    first, second = SlotSecret.from_passphrase("the first passphrase"), SlotSecret.from_passphrase("the second passphrase")
    records = [make(first), make(second), make(second)]
    runs = []
    real = slots.argon2id
    monkeypatch.setattr(slots, "argon2id", lambda *a, **k: runs.append(1) or real(*a, **k))
    for secret in (first, second):
        runs.clear()
        slots.open_any(records, secret, deployment="dep_a", policy=cheap)
        assert len(runs) == 3


def test_every_flipped_byte_of_a_slot_is_noticed(make, cheap):
    """No altered slot gives a root key."""
    secret = SlotSecret.from_recovery_key(slots.new_recovery_key())
    row = make(secret).to_row()
    for index in range(len(row.row)):
        broken = bytearray(row.row)
        broken[index] ^= 0x40
        with pytest.raises(VaultError):
            slots.open_slot(SlotRecord.parse(replace(row, row=bytes(broken))), secret, deployment="dep_a", policy=cheap)


def test_a_right_secret_with_an_altered_root_is_tampering(make, cheap):
    """The commitment fits and the wrap does not."""
    secret = SlotSecret.from_recovery_key(slots.new_recovery_key())
    with pytest.raises(Tampered) as caught:
        slots.open_slot(replace(make(secret), wrapped_root=bytes(40)), secret, deployment="dep_a", policy=cheap)
    assert caught.value.reason == "wrap"


@pytest.mark.parametrize("kind", list(SlotKind))
def test_malformed_rows_are_refused(make, key_file, kind):
    """Other name, version, length, magic, kind, and costs where none belong."""
    secret = next(secret for secret in every_secret(key_file) if secret.kind is kind)
    row = make(secret).to_row()
    bad = [
        replace(row, secret_id="cred_a"),
        replace(row, version=2),
        replace(row, row=row.row + b"\0"),
        replace(row, row=b""),
        replace(row, row=b"QFS\x02" + row.row[4:]),
        replace(row, row=row.row[:4] + b"\x09" + row.row[5:]),
    ]
    if kind is not SlotKind.PASSPHRASE:
        bad.append(replace(row, row=row.row[:5] + struct.pack(">III", 0, 0, 1) + row.row[17:]))
    for broken in bad:
        with pytest.raises(Tampered) as caught:
            SlotRecord.parse(broken)
        assert caught.value.reason == "malformed"
    assert SlotRecord.parse(row).to_row() == row


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time_cost": 2}, "cost_too_low"),
        ({"memory_kib": 65535}, "cost_too_low"),
        ({"lanes": 0}, "cost_too_low"),
        ({"time_cost": 65}, "cost_too_high"),
        ({"memory_kib": 2**32 - 1}, "cost_too_high"),
        ({"lanes": 65}, "cost_too_high"),
    ],
)
def test_costs_outside_floor_and_ceiling_are_refused_before_any_work(make, changes, reason, monkeypatch):
    """Making and opening alike; Argon2 is not run."""
    secret = SlotSecret.from_passphrase("twelve chars long")
    cost = Argon2Cost(**({"time_cost": 3, "memory_kib": 65536, "lanes": 4} | changes))
    record = replace(make(secret), cost=cost)
    monkeypatch.setattr(slots, "argon2id", None)
    with pytest.raises(SlotRefused) as caught:
        slots.open_slot(record, secret, deployment="dep_a", policy=Argon2Policy())
    assert caught.value.reason == reason
    with pytest.raises(SlotRefused) as caught:
        slots.new_slot(ROOT, secret, deployment="d", policy=Argon2Policy(cost=cost), random=os.urandom)
    assert caught.value.reason == reason


def test_passphrases_are_normalised_and_measured():
    """NFC and NFD are one passphrase; 12 to 1024 characters."""
    composed, decomposed = "caf\u00e9 caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301 cafe\u0301"
    assert SlotSecret.from_passphrase(composed).secret == SlotSecret.from_passphrase(decomposed).secret
    for text in ("", "eleven char", "x" * 1025, "e\u0301" * 600):
        with pytest.raises(SlotRefused) as caught:
            SlotSecret.from_passphrase(text)
        assert caught.value.reason == "passphrase_length"
    assert len(SlotSecret.from_passphrase("x" * 1024).secret.expose()) == 1024


@given(st.binary(min_size=32, max_size=32))
def test_a_recovery_key_is_read_back_however_it_is_typed(key):
    """14 groups of four; case, spaces and hyphens do not matter."""
    text = slots.new_recovery_key(lambda _: key)
    assert [len(group) for group in text.split("-")] == [4] * 14
    for typed in (text, text.lower(), text.replace("-", ""), text.replace("-", "  ")):
        assert SlotSecret.from_recovery_key(typed).secret.expose() == key


def test_a_mistyped_recovery_key_is_found_before_any_slot():
    """Each single wrong character, a swap, and nonsense."""
    text = slots.new_recovery_key(lambda _: bytes(range(32)))
    wrong = [text[:i] + ("Z" if c != "Z" else "Y") + text[i + 1 :] for i, c in enumerate(text) if c != "-"]
    for typed in [*wrong, text[:-1], text + "0", "", "签发" * 28]:
        with pytest.raises(SlotRefused) as caught:
            SlotSecret.from_recovery_key(typed)
        assert caught.value.reason == "recovery_mistyped"


def test_a_key_file_is_made_readable_to_its_owner_only(key_file):
    """Mode 0400, 32 bytes, one link."""
    status = key_file.stat()
    assert stat.S_IMODE(status.st_mode) == 0o400
    assert status.st_size == 32
    assert slots.read_key_file(key_file).expose() == key_file.read_bytes()


def test_a_key_file_never_replaces_anything(tmp_path, key_file):
    """An existing file or a dangling link stays."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for path in (key_file, link):
        with pytest.raises(FileExistsError):
            slots.create_key_file(path)
    assert not (tmp_path / "nowhere").exists()


def refused(path: Path, **options) -> str:
    with pytest.raises(SlotRefused) as caught:
        SlotSecret.from_key_file(path, **options)
    return caught.value.reason


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o404, 0o644, 0o500, 0o000, 0o4400])
def test_another_mode_is_refused(key_file, mode):
    """Anything but 0400; without read permission it is missing to us, unless we are root."""
    key_file.chmod(mode)
    assert refused(key_file) in ({"key_file_mode", "key_file_missing"} if mode == 0 else {"key_file_mode"})


def test_links_are_refused(tmp_path, key_file):
    """A symbolic link, also one that dangles, and a second hard link."""
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to(key_file)
    dangling.symlink_to(tmp_path / "nowhere")
    assert refused(link) == "key_file_link"
    assert refused(dangling) == "key_file_link"
    (tmp_path / "hard").hardlink_to(key_file)
    assert refused(key_file) == "key_file_link"


def test_another_owner_kind_or_length_is_refused(tmp_path, key_file):
    """Another uid, a directory, a pipe that would block, nothing at all, and files that are no key."""
    assert refused(key_file, owner=os.geteuid() + 1) == "key_file_owner"
    assert refused(tmp_path) == "key_file_kind"
    os.mkfifo(tmp_path / "pipe", 0o400)
    assert refused(tmp_path / "pipe") == "key_file_kind"
    assert refused(tmp_path / "nowhere") == "key_file_missing"
    for length in (0, 31, 33, 64):
        path = tmp_path / f"key{length}"
        path.write_bytes(bytes(length))
        path.chmod(0o400)
        assert refused(path) == "key_file_length"


@pytest.fixture
def credential(tmp_path) -> Path:
    """A key as systemd hands it over: root's, in a folder that is closed to others."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o500)
    path = folder / "vault.key"
    slots.create_key_file(path)
    return path


def refused_credential(path: Path) -> str:
    with pytest.raises(SlotRefused) as caught:
        SlotSecret.from_open_key_file(slots.open_credential(path))
    return caught.value.reason


@pytest.mark.parametrize("mode", [0o400, 0o440])
def test_a_credential_of_systemd_opens(credential, mode):
    """Root's file with an access list for the unit's user: 0440 there, and nowhere else."""
    credential.chmod(mode)
    secret = SlotSecret.from_open_key_file(slots.open_credential(credential))
    assert (secret.kind, secret.secret.expose()) == (slots.SlotKind.KEY_FILE, credential.read_bytes())
    if mode != 0o400:
        assert refused(credential) == "key_file_mode"


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o600, 0o640, 0o4440])
def test_a_credential_that_more_than_its_unit_may_touch_is_refused(credential, mode):
    """Readable to others, writable to anybody."""
    credential.chmod(mode)
    assert refused_credential(credential) == "key_file_mode"


@pytest.mark.parametrize("mode", [0o770, 0o722, 0o755, 0o501, 0o504])
def test_a_credential_in_an_open_folder_is_refused(credential, mode):
    """The folder is what keeps others out: writable to a group, or open to everybody, it keeps nobody out."""
    credential.parent.chmod(mode)
    assert refused_credential(credential) == "key_file_folder"


def test_a_credential_of_another_owner_is_refused(credential, tmp_path):
    """Another user's file, another user's folder, a link, a key that is too long, and nothing at all."""
    (credential.parent / "link").symlink_to(credential)
    assert refused_credential(credential.parent / "link") == "key_file_link"
    (credential.parent / "long").write_bytes(bytes(33))
    (credential.parent / "long").chmod(0o440)
    assert refused_credential(credential.parent / "long") == "key_file_length"
    assert refused_credential(credential.parent / "nothing") == "key_file_missing"
    assert refused_credential(tmp_path / "nowhere" / "vault.key") == "key_file_missing"
    os.chown(credential, 12_345, 12_345)
    assert refused_credential(credential) == "key_file_owner"
    os.chown(credential.parent, 12_345, 12_345)
    assert refused_credential(credential) == "key_file_folder"


def test_a_refused_key_file_is_not_left_open(credential):
    """What was opened to be looked at is closed again."""
    credential.chmod(0o444)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        assert refused_credential(credential) == "key_file_mode"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_last_slot_stays(make):
    """Removing needs a known slot and another that remains."""
    one, two = make(SlotSecret.from_passphrase("the first passphrase")), make(SlotSecret.from_passphrase("the second one"))
    assert slots.without_slot([one, two], one.slot_id) == (two,)
    for records, slot_id, reason in (([one], one.slot_id, "last_slot"), ([one, two], "slot_x", "unknown_slot")):
        with pytest.raises(SlotRefused) as caught:
            slots.without_slot(records, slot_id)
        assert caught.value.reason == reason


def test_a_slot_row_carries_no_secret(make):
    """Neither passphrase nor root key stands in the row or in any repr."""
    secret = SlotSecret.from_passphrase("a canary passphrase")
    record = make(secret)
    row: SealedRow = record.to_row()
    assert b"canary" not in row.row
    assert ROOT.expose() not in row.row
    assert "canary" not in repr(secret) + repr(record)
