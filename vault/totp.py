"""Time-based one-time codes (RFC 6238) and recovery codes, over pyotp with its traps shut.

1. A code is six ASCII digits, `[0-9]{6}`; full-width, bold or padded ones are `malformed` (pyotp alone normalises and accepts them).
2. A code counts once: the step it belongs to must be later than the last accepted one (RFC 6238 section 5.2; pyotp alone accepts
   it again). If two steps of the window share the code, the later one is taken, so the earlier cannot be used afterwards.
3. The window is one step of 30 s to either side, and all three are always compared.
4. Pure on (secret, code, instant, last step): the caller keeps the step, with a compare-and-swap, and counts the try with
   `vault.throttle` before calling.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import pyotp
import segno

from vault import crockford
from vault.envelope import Random
from vault.errors import CodeRefused
from vault.secretbytes import SecretBytes

STEP_SECONDS: Final = 30
SECRET_LENGTH: Final = 20
RECOVERY_CODES: Final = 10
RECOVERY_LENGTH: Final = 16

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_LABEL: Final = b"qianfa/recovery-code/v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A new secret and the `otpauth:` address that carries it; both are secrets and neither shows in `repr`."""

    secret: SecretBytes
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodes:
    """Ten new codes to show once, and their hashes to keep, in the same order."""

    codes: tuple[str, ...] = field(repr=False)
    hashes: tuple[str, ...]


def enrol(*, account: str, issuer: str, random: Random = os.urandom) -> Enrolment:
    """Make a 160-bit secret and its address for an authenticator app; `verify` a first code before keeping it."""
    secret = SecretBytes(random(SECRET_LENGTH))
    return Enrolment(secret=secret, uri=_totp(secret.expose()).provisioning_uri(name=account, issuer_name=issuer))


def qr_svg(uri: str) -> str:
    """Draw an address as an SVG element to stand in a page; it needs no script, style or font."""
    drawing: str = segno.make(uri, error="m", micro=False).svg_inline(scale=4, border=4, svgclass=None, lineclass=None)
    return drawing


def step_at(at: datetime) -> int:
    """Number the 30-second step that `at` (aware) falls in, from 1970.

    Raises:
        ValueError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError
    return int(at.timestamp()) // STEP_SECONDS


def code_at(secret: bytes, step: int) -> str:
    """Compute the six digits of a step (RFC 6238 over SHA-1, as every authenticator app does)."""
    code: str = _totp(secret).generate_otp(step)
    return code


def verify(secret: bytes, code: str, *, at: datetime, last_step: int | None) -> int:
    """Verify a code and give its step, which the caller keeps as the next `last_step`.

    Raises:
        CodeRefused: `malformed`, `wrong`, or `reused` (right, but of a step not later than `last_step`).
    """
    if _CODE.fullmatch(code) is None:
        raise CodeRefused("malformed")
    now = step_at(at)
    steps = [step for step in (now - 1, now, now + 1) if step >= 0]
    matching = [step for step in steps if hmac.compare_digest(code_at(secret, step), code)]
    if not matching:
        raise CodeRefused("wrong")
    accepted = max(matching)
    if last_step is not None and accepted <= last_step:
        raise CodeRefused("reused")
    return accepted


def new_recovery_codes(random: Random = os.urandom) -> RecoveryCodes:
    """Make ten codes of 128 bits, each good for one use."""
    values = [random(RECOVERY_LENGTH) for _ in range(RECOVERY_CODES)]
    return RecoveryCodes(codes=tuple(map(crockford.encode, values)), hashes=tuple(map(_recovery_hash, values)))


def use_recovery_code(code: str, hashes: Sequence[str]) -> tuple[str, ...]:
    """Use one code up and give the hashes that remain, which the caller keeps in the same step.

    Raises:
        CodeRefused: `malformed` or `wrong`; a code used before is `wrong`.
    """
    try:
        given = _recovery_hash(crockford.decode(code, RECOVERY_LENGTH))
    except ValueError:
        raise CodeRefused("malformed") from None
    remaining = tuple(kept for kept in hashes if not hmac.compare_digest(kept, given))
    if len(remaining) == len(hashes):
        raise CodeRefused("wrong")
    return remaining


def _recovery_hash(value: bytes) -> str:
    return "sha256:" + hashlib.sha256(_LABEL + value).hexdigest()


def _totp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(b32encode(secret).decode(), digits=6, interval=STEP_SECONDS)
