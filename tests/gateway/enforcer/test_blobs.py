"""The blob store: what is read is what was stored, or nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import canonical
from gateway.enforcer.blobs import BlobAltered, BlobMissing, BlobStore

PART = 1 << 16


@pytest.mark.parametrize("length", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7])
def test_what_is_read_is_what_was_stored(tmp_path: Path, length: int) -> None:
    """Whatever its length, above all where it ends with a part that is read in one piece."""
    store = BlobStore(tmp_path)
    data = bytes(range(251)) * (length // 251 + 1)
    digest = store.put(data[:length])
    assert store.put(data[:length]) == digest
    assert store.has(digest)
    assert BlobStore(tmp_path).get(digest) == data[:length]


@pytest.mark.parametrize("change", [lambda data: data + b"x", lambda data: data[:-1], lambda data: b"y" + data[1:]])
def test_altered_bytes_are_not_handed_out(tmp_path: Path, change: object) -> None:
    """Longer, shorter, or one byte else."""
    assert callable(change)
    store = BlobStore(tmp_path)
    digest = store.put(b"x" * PART)
    path = store._path(digest)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BlobAltered):
        store.get(digest)


def test_what_was_never_stored_is_missing(tmp_path: Path) -> None:
    """And a name that is no digest leads nowhere."""
    store = BlobStore(tmp_path)
    with pytest.raises(BlobMissing):
        store.get(canonical.sha256(b"never"))
    assert not store.has(canonical.sha256(b"never"))
    with pytest.raises(canonical.NotCanonical):
        store.get("sha256:../../etc/passwd")
