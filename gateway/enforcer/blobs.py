"""The blob store: bytes by their SHA-256, durable before any entry names them, hashed again whenever they are read."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.log.errors import LogUnavailable

_PART: Final = 1 << 16


class BlobMissing(Exception):
    """No blob of this digest is stored."""


class BlobAltered(Exception):
    """The stored bytes do not have the digest they are filed under."""


class BlobStore:
    """A folder `sha256/ab/abcdef…`; files are written once and never changed."""

    def __init__(self, root: Path) -> None:
        self._root = root / "sha256"
        self._folder = str(self._root)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._known_folders: set[str] = set()

    def _path(self, digest: str) -> Path:
        name = canonical.parse_digest(digest).removeprefix("sha256:")
        return self._root / name[:2] / name

    def put(self, data: bytes) -> Digest:
        """Store `data` durably and return its digest; storing it again costs nothing.

        Raises:
            LogUnavailable: the disk is full, read-only or failing; nothing is filed under the digest then.
        """
        digest = canonical.sha256(data)
        path = self._path(digest)
        if path.exists():
            return digest
        try:
            self._write(path, data)
        except OSError as error:
            raise LogUnavailable("blob_unavailable", str(error)) from error
        return digest

    def _write(self, path: Path, data: bytes) -> None:
        folder = path.parent
        self._make(folder)
        part = folder / f".{secrets.token_hex(8)}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view):]
                os.fsync(handle)
            finally:
                os.close(handle)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(folder)

    def put_all(self, blobs: Mapping[Digest, bytes]) -> None:
        """Store several blobs; see `put`."""
        for data in blobs.values():
            self.put(data)

    def _make(self, folder: Path) -> None:
        if folder.name not in self._known_folders:
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(self._root)
            self._known_folders.add(folder.name)

    def get(self, digest: str) -> bytes:
        """Return the bytes of `digest`.

        Raises:
            BlobMissing: there are none.
            BlobAltered: what is stored hashes to something else.
        """
        name = canonical.parse_digest(digest)[7:]
        try:
            data = _read(f"{self._folder}/{name[:2]}/{name}")
        except FileNotFoundError as error:
            raise BlobMissing(digest) from error
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            raise BlobAltered(digest)
        return data

    def has(self, digest: str) -> bool:
        """Return whether a blob is filed under `digest`."""
        return self._path(digest).exists()


def _read(path: str) -> bytes:
    """Return a whole file; three of these stand in the way of every send, so without the layers of `open`.

    A file on a disk gives less than asked for at its end only; where a file system does otherwise, the digest does not fit.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = [os.read(handle, _PART)]
        while len(parts[-1]) == _PART:
            parts.append(os.read(handle, _PART))
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
