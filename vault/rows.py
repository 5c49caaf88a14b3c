"""One stored row of the vault, and the check of all rows against what the caller's log says (pure).

The database is not trusted. The log holds the SHA-256 of every row that should stand; a row that is missing, added, altered
or put back from an older copy is `Tampered`, before any key is touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vault.errors import SecretRefused, Tampered

RESERVED: Final = "vault/"
"""Prefix of the vault's own rows: keyring, signing keys, slots. Callers can neither put nor lease below it."""

KEYRING: Final = RESERVED + "keyring"
KEY_PREFIX: Final = RESERVED + "key/"
SLOT_PREFIX: Final = RESERVED + "slot/"

MAX_VERSION: Final = 2**63 - 1

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)


def digest(row: bytes) -> str:
    """Name row bytes as `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(row).hexdigest()


def check_name(secret_id: str, version: int) -> None:
    """Hold an id to ASCII letters, digits and `._:/-` (128 at most, `_` too) and a version to 1 and more.

    Raises:
        SecretRefused: `bad_id` or `bad_version`.
    """
    if _ID.fullmatch(secret_id.replace("_", "-")) is None:
        raise SecretRefused("bad_id")
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise SecretRefused("bad_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """The bytes stored for one version of one secret; they are ciphertext and may be copied freely."""

    secret_id: str
    version: int
    row: bytes

    @property
    def sha256(self) -> str:
        """The digest that the caller's log binds, `sha256:…`."""
        return digest(self.row)

    @property
    def under_term(self) -> bool:
        """Whether a term wraps this row; slots and the keyring hang on the slots' secrets and the root key instead."""
        return self.secret_id != KEYRING and not self.secret_id.startswith(SLOT_PREFIX)

    @property
    def key(self) -> tuple[str, int]:
        """Secret id and version, the key of `expected` mappings."""
        return (self.secret_id, self.version)


Expected = Mapping[tuple[str, int], str]
"""What should stand: (secret id, version) to `sha256:…` of the row."""


def expected_of(rows: Iterable[SealedRow]) -> dict[tuple[str, int], str]:
    """Collect what a log would hold for `rows`."""
    return {row.key: row.sha256 for row in rows}


def check_rows(rows: Iterable[SealedRow], expected: Expected) -> None:
    """Hold the stored rows to exactly what is expected.

    Raises:
        Tampered: `row_altered`, `row_unexpected`, `row_repeated` or `row_missing`.
    """
    seen: set[tuple[str, int]] = set()
    for row in rows:
        if row.key not in expected:
            raise Tampered("row_unexpected")
        if row.key in seen:
            raise Tampered("row_repeated")
        if expected[row.key] != row.sha256:
            raise Tampered("row_altered")
        seen.add(row.key)
    if len(seen) != len(expected):
        raise Tampered("row_missing")
