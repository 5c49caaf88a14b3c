"""The terms: numbered keys that wrap data keys.

1. Rotating adds a term, which is current from then on; rows of older terms stay readable.
2. Rewrapping moves rows to the current term in batches of any size; running it again goes on where it stopped, because each
   row says which term it is under.
3. A term is retired only when no row is under it, and never while it is current.
4. Term 0 is the root key itself. It wraps the keyring and nothing else.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from vault import envelope
from vault.envelope import EnvelopeRecord, Random
from vault.errors import Tampered, TermRefused
from vault.rows import SealedRow
from vault.secretbytes import SecretBytes

ROOT_TERM: Final = 0

_MAGIC: Final = b"QFK\x01"
_HEAD: Final = struct.Struct(">4sI")
_TERM: Final = struct.Struct(f">I{envelope.KEY_LENGTH}s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """All live terms; the highest number is current."""

    terms: Mapping[int, SecretBytes]

    @classmethod
    def create(cls, random: Random) -> Self:
        """Begin with term 1."""
        return cls(terms={1: SecretBytes(random(envelope.KEY_LENGTH))})

    @property
    def current(self) -> int:
        """The term that new rows are wrapped under."""
        return max(self.terms)

    def key(self, term: int) -> bytes:
        """Give the key of a live term.

        Raises:
            Tampered: `unknown_term`, a row names a term that does not exist or was retired.
        """
        if term not in self.terms:
            raise Tampered("unknown_term")
        return self.terms[term].expose()

    def rotated(self, random: Random) -> Keyring:
        """Give a keyring with one new term."""
        return Keyring(terms={**self.terms, self.current + 1: SecretBytes(random(envelope.KEY_LENGTH))})

    def retired(self, term: int, in_use: Mapping[int, int]) -> Keyring:
        """Give a keyring without `term`; `in_use` counts the rows under each term (`terms_in_use`).

        Raises:
            TermRefused: `current`, `unknown`, or `in_use`.
        """
        if term == self.current:
            raise TermRefused("current")
        if term not in self.terms:
            raise TermRefused("unknown")
        if in_use.get(term, 0):
            raise TermRefused("in_use")
        return Keyring(terms={number: key for number, key in self.terms.items() if number != term})

    def to_bytes(self) -> bytes:
        """Write the plaintext that is sealed under the root key."""
        parts = [_TERM.pack(number, key.expose()) for number, key in sorted(self.terms.items())]
        return _HEAD.pack(_MAGIC, len(parts)) + b"".join(parts)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `to_bytes` writes.

        Raises:
            Tampered: `malformed`.
        """
        if len(data) < _HEAD.size:
            raise Tampered("malformed")
        magic, count = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        if magic != _MAGIC or count < 1 or len(body) != count * _TERM.size:
            raise Tampered("malformed")
        pairs = list(_TERM.iter_unpack(body))
        numbers = [number for number, _ in pairs]
        if numbers != sorted(set(numbers)) or numbers[0] <= ROOT_TERM:
            raise Tampered("malformed")
        return cls(terms={number: SecretBytes(key) for number, key in pairs})

    def wipe(self) -> None:
        """Overwrite every term's key."""
        for key in self.terms.values():
            key.wipe()


def terms_in_use(rows: Iterable[SealedRow]) -> Counter[int]:
    """Count the rows under each term; slots and the keyring are under none.

    Raises:
        Tampered: `malformed`, for a row that is no envelope.
    """
    return Counter(EnvelopeRecord.parse(row.row).term for row in rows if row.under_term)
