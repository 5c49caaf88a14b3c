"""Passwords: Argon2id through argon2-cffi, with the traps shut.

1. 12 to 128 characters after NFC, any characters but controls; no composition rules, but not one character repeated and not the
   person's own name (ASVS 5.0 V6.2).
2. An unknown person costs what a wrong password costs: the same Argon2id run against a hash of nothing.
3. A stored hash with another variant or with parameters above the ceiling is `Tampered` before any work is done; one below
   today's cost verifies, and the answer asks to hash anew.
4. With a pepper (the vault's `mac`) the hash is over HMAC(pepper, password): a stolen database alone cannot be tried.
5. One run takes about 0.1 s and 64 MiB: call it off the event loop, behind `vault.throttle`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from vault.errors import PasswordRefused, Tampered
from vault.slots import Argon2Cost

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128

_MIN_DISTINCT: Final = 5
_MIN_CONTEXT: Final = 4
_LABEL: Final = b"qianfa/password/v1\0"
_CEILING: Final = Argon2Cost(time_cost=64, memory_kib=4 * 1024 * 1024, lanes=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordMatch:
    """The password is right; `needs_rehash` asks to store a new hash of it now."""

    needs_rehash: bool


def check_policy(password: str, *, context: tuple[str, ...] = ()) -> None:
    """Hold a new password to the policy; `context` are the person's own words: login name, name, phone.

    Raises:
        PasswordRefused: `too_short`, `too_long`, `control`, `monotonous` or `context`.
    """
    if len(password) > MAX_LENGTH:
        raise PasswordRefused("too_long")
    normal = unicodedata.normalize("NFC", password)
    if len(normal) < MIN_LENGTH:
        raise PasswordRefused("too_short")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in normal):
        raise PasswordRefused("control")
    if len(set(normal)) < _MIN_DISTINCT:
        raise PasswordRefused("monotonous")
    folded = normal.casefold()
    if any(len(word) >= _MIN_CONTEXT and unicodedata.normalize("NFC", word).casefold() in folded for word in context):
        raise PasswordRefused("context")


class Passwords:
    """Hashes and verifies at one cost. `pepper` is a keyed function from the vault, or None for none."""

    def __init__(self, *, cost: Argon2Cost | None = None, pepper: Callable[[bytes], bytes] | None = None) -> None:
        cost = cost or Argon2Cost()
        self._hasher = PasswordHasher(time_cost=cost.time_cost, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._pepper = pepper
        self._nobody = self._hasher.hash(b"")

    def hash(self, password: str, *, context: tuple[str, ...] = ()) -> str:
        """Hash a new password that keeps the policy; the result is an Argon2 string of about 100 ASCII characters.

        Raises:
            PasswordRefused: as `check_policy`.
        """
        check_policy(password, context=context)
        return self._hasher.hash(self._prepare(password))

    def verify(self, stored: str | None, password: str) -> PasswordMatch:
        """Verify a password; `stored` is None for an unknown person, which takes as long and fails the same.

        Raises:
            PasswordRefused: `wrong`.
            Tampered: `password_hash`, what is stored is no hash this class makes.
        """
        if stored is not None:
            _check_stored(stored)
        usable = len(password) <= MAX_LENGTH
        prepared = self._prepare(password if usable else "")
        try:
            self._hasher.verify(stored or self._nobody, prepared)
        except VerificationError:
            raise PasswordRefused("wrong") from None
        if stored is None or not usable:
            raise PasswordRefused("wrong")
        return PasswordMatch(needs_rehash=self._hasher.check_needs_rehash(stored))

    def _prepare(self, password: str) -> bytes:
        normal = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        return _LABEL + normal if self._pepper is None else self._pepper(_LABEL + normal)


def _check_stored(stored: str) -> None:
    try:
        found = extract_parameters(stored)
    except InvalidHashError:
        raise Tampered("password_hash") from None
    if (
        found.type is not Type.ID
        or found.version != 0x13
        or found.time_cost > _CEILING.time_cost
        or found.memory_cost > _CEILING.memory_kib
        or found.parallelism > _CEILING.lanes
    ):
        raise Tampered("password_hash")
