"""The desk's own blobs: pictures of drafts by SHA-256, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway import canonical
from gateway.canonical import Digest, NotCanonical


class BlobMissing(KeyError):
    """There is no such blob, or its bytes are no longer what its name says."""


class DeskBlobs:
    """A folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> Digest:
        """Keep `data`, durable when this returns."""
        digest = canonical.sha256(data)
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f".{secrets.token_hex(8)}")
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o600)
        part.rename(path)
        return digest

    def get(self, digest: str) -> bytes:
        """Return a blob's bytes, hashed again.

        Raises:
            BlobMissing: see there.
        """
        try:
            data = self._path(canonical.parse_digest(digest)).read_bytes()
        except (OSError, NotCanonical) as error:
            raise BlobMissing(digest) from error
        if canonical.sha256(data) != digest:
            raise BlobMissing(digest)
        return data

    def _path(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        return self._folder / "sha256" / name[:2] / name
