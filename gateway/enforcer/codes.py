"""One-time codes that are read aloud or printed: 16 characters, 80 random bits, no look-alikes. The log holds only their digest."""

from __future__ import annotations

import secrets
from typing import Final

from gateway import canonical
from gateway.canonical import Digest

_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_LABEL: Final = "qianfa/enrolment-code/v1:"
LENGTH: Final = 16


def new_code() -> str:
    """Return a code in groups of four, such as `7KQM-2F9T-…`."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
    return "-".join(text[i : i + 4] for i in range(0, LENGTH, 4))


def code_digest(code: str) -> Digest:
    """Return the digest that stands in the log for a code, however it was spaced or cased when typed."""
    normal = "".join(character for character in code.upper() if character in _ALPHABET)
    return canonical.sha256((_LABEL + normal).encode())
