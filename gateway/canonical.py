"""Canonical JSON (RFC 8785 narrowed to what both sides can agree on) and digests (pure).

1. Values are objects with ASCII keys, arrays, strings, booleans, null and integers below 2^53; there are no floats.
2. Strings hold Unicode scalar values: a lone surrogate is refused, nothing is normalised here.
3. `encode` gives the one byte string for a value; `parse` accepts exactly the byte strings that `encode` gives.

With these limits a fast general encoder (`msgspec`, keys sorted) yields RFC 8785 bytes; a test holds it equal to the `rfc8785` package.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final, NewType, NoReturn

import msgspec

Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hex digits."""

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 64

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
# Sorted by the keys' UTF-8 bytes, which for ASCII keys is RFC 8785's order.
_spell: Final = msgspec.json.Encoder(order="sorted").encode
_read: Final = msgspec.json.Decoder().decode
# Without white space a number stands behind one of these, or at the very beginning. Where none of them is found no number is a float or
# has sixteen digits; a text may hold one too, and then the slower reader decides.
_ODD_MEMBER = re.compile(rb'":-?(?:[0-9]+[.eE]|[0-9]{16})')
_ODD_ITEM = re.compile(rb"[\[,]-?(?:[0-9]+[.eE]|[0-9]{16})")


class NotCanonical(ValueError):
    """The bytes or the value are not canonical JSON as this module defines it."""


def encode(value: Any) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        NotCanonical: `value` holds a float, a large integer, a non-ASCII or non-string key, a lone surrogate, another type,
            or is nested deeper than 64.
    """
    check(value)
    return _spell(value)


def encode_trusted(value: Any) -> bytes:
    """Return the canonical bytes of a value that our own code has just built; the same bytes as `encode`, without the walk."""
    return _spell(value)


def check(value: Any) -> None:
    """Raise `NotCanonical` where `value` cannot be encoded; see `encode`."""
    bound(value)


def bound(value: Any, depth: int = 0) -> int:
    """Return a length in bytes that the canonical form of `value` does not pass: a sixfold escape for each character at worst.

    Raises:
        NotCanonical: `value` cannot be encoded; see `encode`.
    """
    kind = type(value)
    if kind is str:
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise NotCanonical("lone surrogate") from error
        return 6 * len(value) + 2
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise NotCanonical("integer out of range")
        return 17
    if kind is dict:
        return _bound_of_object(value, depth)
    if kind is list or kind is tuple:
        if depth >= MAX_DEPTH:
            raise NotCanonical("nested too deeply")
        return 2 + sum([bound(item, depth + 1) + 1 for item in value])
    if kind is not bool and value is not None:
        raise NotCanonical(f"type {kind.__name__} has no canonical form")
    return 5


def _bound_of_object(value: dict[Any, Any], depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise NotCanonical("nested too deeply")
    total = 2
    for key, item in value.items():
        if type(key) is not str or not key.isascii():
            raise NotCanonical("object keys are ASCII strings")
        # A plain text is judged on the spot: most members are one, and this runs several times for every entry.
        inner = 6 * len(item) + 2 if type(item) is str and item.isascii() else bound(item, depth + 1)
        total += 6 * len(key) + 4 + inner
    return total


def parse(data: bytes, *, limit: int | None = None) -> Any:
    """Return the value whose canonical bytes are exactly `data`.

    Duplicate keys, floats, other spellings, white space, a byte order mark, trailing bytes: all fail, since re-encoding what
    was read must give `data` again.

    Raises:
        NotCanonical: `data` is longer than `limit` bytes or is not canonical.
    """
    if limit is not None and len(data) > limit:
        raise NotCanonical("too long")
    # In ASCII bytes that spell back to themselves no key and no text can be anything but ASCII, and where so few brackets open nothing is
    # nested too deeply: only a number could be wrong, and where none looks so, the walk over the value would find nothing.
    plain = data.isascii() and data.count(b"[") + data.count(b"{") <= MAX_DEPTH and not _has_odd_number(data)
    try:
        value = _read(data) if plain else _decoder.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotCanonical("not JSON in UTF-8") from error
    if (_spell(value) if plain else encode(value)) != data:
        raise NotCanonical("not the canonical spelling")
    return value


def _has_odd_number(data: bytes) -> bool:
    return data[:1] in b"-0123456789" or _ODD_MEMBER.search(data) is not None or _ODD_ITEM.search(data) is not None


def _refuse(text: str) -> NoReturn:
    raise NotCanonical(f"{text} has no canonical form")


_decoder = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


def sha256(data: bytes) -> Digest:
    """Return the digest of `data` as `sha256:…`."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def digest(value: Any) -> Digest:
    """Return the digest of the canonical bytes of `value`."""
    return sha256(encode(value))


def parse_digest(text: object) -> Digest:
    """Return `text` as a digest.

    Raises:
        NotCanonical: it is anything but `sha256:` and 64 lower-case hex digits.
    """
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise NotCanonical("not a sha256 digest")
    return Digest(text)
