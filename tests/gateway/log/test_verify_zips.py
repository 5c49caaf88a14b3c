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


def _headers(pack: bytes) -> list[int]:
    """Where each member's own header begins."""
    with zipfile.ZipFile(io.BytesIO(pack)) as found:
        return sorted(info.header_offset for info in found.infolist())


def _moved(pack: bytes, at: int, more: bytes) -> bytes:
    """The same pack with bytes put in before the member at `at`, its directory corrected: what is put in stands in no directory."""
    start = struct.unpack("<I", pack[-6:-2])[0]
    changed = bytearray(pack[:at] + more + pack[at:])
    changed[-6:-2] = struct.pack("<I", start + len(more))
    place = start + len(more)
    while changed[place : place + 4] == b"PK\x01\x02":
        name, extra, comment = struct.unpack("<3H", changed[place + 28 : place + 34])
        offset = struct.unpack("<I", changed[place + 42 : place + 46])[0]
        if offset >= at:
            changed[place + 42 : place + 46] = struct.pack("<I", offset + len(more))
        place += 46 + name + extra + comment
    return bytes(changed)


def _with_two_ends(pack: bytes) -> bytes:
    """The same pack to who believes the long end (APPNOTE.TXT, 4.3.14); to who believes the short one, what stands in its README."""
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as inner:
        inner.writestr("README.txt", b"bad")
    whole = rebuilt(pack, {"README.txt": other.getvalue()[:-22]})
    at, start = whole.index(other.getvalue()[:-22]), struct.unpack("<I", whole[-6:-2])[0]
    count, length = struct.unpack("<H", whole[-12:-10])[0], len(whole) - 22 - start
    long_end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(whole) - 22, 1)
    inner_start, inner_length = struct.unpack("<2I", other.getvalue()[-6:-2] + other.getvalue()[-10:-6])
    short = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, inner_length, at + inner_start, 0)
    made = whole[:-22] + long_end + locator + short
    assert zipfile.ZipFile(io.BytesIO(made)).namelist() == zipfile.ZipFile(io.BytesIO(whole)).namelist()
    return made


def test_what_other_tools_would_see_is_what_was_verified(story) -> None:
    """A member that the directory does not list, bytes around the members, headers and extra fields that say something else: refused."""
    pack = story().pack()
    second, start = _headers(pack)[1], pack.index(b"PK\x01\x02")
    hidden = b"PK\x03\x04" + struct.pack("<5H3I2H", 20, 0, 0, 0, 33, 0, 3, 3, len(b"README.txt"), 0) + b"README.txt" + b"bad"
    assert zipfile.ZipFile(io.BytesIO(_moved(pack, second, hidden))).testzip() is None
    changed = {"a hidden member": _moved(pack, second, hidden), "bytes before the directory": _moved(pack, start, b"x"), "bytes behind": pack + b"x",
               "a second pack behind": pack + pack, "the end twice": pack + pack[-22:]}
    for place, name in ((6, "flags"), (8, "method"), (14, "sum"), (18, "packed size"), (22, "size"), (30, "name")):
        own = bytearray(pack)
        own[second + place] ^= 1
        changed[f"another {name}"] = bytes(own)
    for name, extra in (("a name in an extra field", struct.pack("<2H", 0x7075, 5) + b"\x01abcd"), ("half an extra field", b"\x55\x54\x09\x00x"),
                        ("an extra field twice", struct.pack("<2H", 0x5455, 0) * 2)):
        with zipfile.ZipFile(io.BytesIO(pack)) as old, zipfile.ZipFile(target := io.BytesIO(), "w") as new:
            for info in old.infolist():
                data = old.read(info)
                info.extra = extra if info.filename == "README.txt" else b""
                new.writestr(info, data)
        changed[name] = target.getvalue()
    with zipfile.ZipFile(io.BytesIO(pack)) as old, zipfile.ZipFile(target := io.BytesIO(), "w") as new:
        for info in old.infolist():
            info.comment = b"see here" if info.filename == "README.txt" else b""
            new.writestr(info, old.read(info))
    changed["a comment"] = target.getvalue()
    changed["two ends, two directories"] = _with_two_ends(pack)
    shifted = bytearray(pack)
    shifted[-6:-2] = struct.pack("<I", start + 4)
    changed["a directory said to stand elsewhere"] = bytes(shifted)
    for name, bad in changed.items():
        assert not judge(bad).ok, name
    with zipfile.ZipFile(io.BytesIO(pack)) as old, zipfile.ZipFile(target := io.BytesIO(), "w") as new:
        for info in old.infolist():
            data = old.read(info)
            info.extra = struct.pack("<2HB", 0x5455, 1, 0)
            new.writestr(info, data)
    assert judge(target.getvalue()).ok, "packed anew by a tool that keeps times"


def test_whatever_goes_wrong_while_reading_is_a_fault(story) -> None:
    """Bytes that do not unpack, and a field of another type in what a browser signed: faults, not errors."""
    pack = bytearray(rebuilt(story().pack(), {}, compression=zipfile.ZIP_DEFLATED))
    for at in _headers(bytes(pack)):
        name, extra = struct.unpack("<2H", pack[at + 26 : at + 30])
        pack[at + 30 + name + extra] = 0xFF
    assert any("not a readable pack" in text for text in faults(bytes(pack)))
    assert not judge(story(client=lambda said: {**said, "crossOrigin": []}).pack()).ok


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
