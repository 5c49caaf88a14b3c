"""The verifier: hostile zips, bombs, any byte of the file, and that it stands alone."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from gateway.log import verify
from gateway.log.verify import MAX_FILES
from tests.gateway.log.packs import faults, judge, rebuilt


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
