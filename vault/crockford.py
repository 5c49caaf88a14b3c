"""Base 32 for people (Crockford's alphabet: no I, L, O, U), in groups of four with hyphens (pure).

Reading is forgiving in what cannot change the value: case, spaces, hyphens, `O` for `0`, `I` and `L` for `1`.
It is strict in the rest: ASCII only, exact length, unused last bits zero.
"""

from __future__ import annotations

from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {c: i for i, c in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_GROUP: Final = 4
_LONGEST: Final = 256


def encode(value: bytes) -> str:
    """Write `value` in groups of four characters joined by hyphens; the last bits are filled with zeros."""
    characters = -(-len(value) * 8 // 5)
    number = int.from_bytes(value, "big") << (characters * 5 - len(value) * 8)
    digits = "".join(_ALPHABET[number >> 5 * i & 31] for i in reversed(range(characters)))
    return "-".join(digits[i : i + _GROUP] for i in range(0, characters, _GROUP))


def decode(text: str, length: int) -> bytes:
    """Read exactly `length` bytes back.

    Raises:
        ValueError: another character, another length, or unused bits that are not zero; without a message about the value.
    """
    if len(text) > _LONGEST or not text.isascii():
        raise ValueError
    digits = text.replace("-", "").replace(" ", "").upper()
    characters = -(-length * 8 // 5)
    spare = characters * 5 - length * 8
    number = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            raise ValueError
        number = number << 5 | value
    if len(digits) != characters or number & ((1 << spare) - 1):
        raise ValueError
    return (number >> spare).to_bytes(length, "big")
