"""Bytes that do not show themselves.

1. `repr`, `str` and `format` say `<secret>`; pickling and copying are refused; there is no iteration and no indexing.
2. `expose()` is the only way to the bytes, so that a search for it finds each use.
3. `wipe()`, or leaving the `with` block, overwrites our buffer. Python makes copies that nobody can overwrite
   (cryptography.io, "Limitations"): this shortens a secret's life and promises no more.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, Self

from vault.errors import SecretGone

_HIDDEN = "<secret>"


class SecretBytes:
    """A secret in a buffer of our own; equality takes constant time, and a wiped one raises `SecretGone`."""

    __slots__ = ("_buffer", "_gone")

    def __init__(self, value: bytes | bytearray | memoryview) -> None:
        self._buffer = bytearray(value)
        self._gone = False

    def expose(self) -> bytes:
        """Give a copy of the secret for one use; do not keep it.

        Raises:
            SecretGone: it was wiped.
        """
        if self._gone:
            raise SecretGone
        return bytes(self._buffer)

    def wipe(self) -> None:
        """Overwrite the buffer with zeros and forget its length; a second call does nothing."""
        self._buffer[:] = bytes(len(self._buffer))
        self._buffer = bytearray()
        self._gone = True

    @property
    def gone(self) -> bool:
        """Whether the secret was wiped."""
        return self._gone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self.expose(), other.expose())

    __hash__ = None  # type: ignore[assignment]  # a secret in a set or a key is a secret kept

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, _: str) -> str:
        return _HIDDEN

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(_HIDDEN)

    def __copy__(self) -> NoReturn:
        raise TypeError(_HIDDEN)

    def __deepcopy__(self, _: object) -> NoReturn:
        raise TypeError(_HIDDEN)
